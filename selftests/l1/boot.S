/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entry of the image: multiboot hands over in 32-bit protected mode; identity
 * map the first 4 GiB with 2M pages (all of it user-accessible: the image has
 * no secrets from its own CPL 3), switch to 64-bit mode, call C. The other
 * CPUs come in through the trampoline that smp.c copies below 1 MiB.
 */
#include "layout.h"

	.section .multiboot, "a"
	.align 4
	.long	0x1badb002, 0x3, -(0x1badb002 + 0x3)

	.section .boot, "ax"
	.code32
	.globl	_start
_start:
	cli
	cld
	movl	%eax, %ebp
	movl	%ebx, %esi
	movl	$__bss_start, %edi
	movl	$__bss_end, %ecx
	subl	%edi, %ecx
	shrl	$2, %ecx
	xorl	%eax, %eax
	rep stosl
	movl	%ebp, mb_magic
	movl	%esi, mb_info

	/* PML4, PDPT, four page directories */
	movl	$(boot_pdpt + 7), boot_pml4
	movl	$boot_pdpt, %edi
	movl	$(boot_pd + 7), %eax
	movl	$4, %ecx
1:	movl	%eax, (%edi)
	addl	$8, %edi
	addl	$4096, %eax
	loop	1b
	movl	$boot_pd, %edi
	movl	$0x87, %eax
	movl	$2048, %ecx
2:	movl	%eax, (%edi)
	cmpl	$0xc0000000, %eax
	jb	3f
	orl	$0x10, (%edi)
3:	addl	$8, %edi
	addl	$0x200000, %eax
	loop	2b

	xorl	%ebx, %ebx
	jmp	start_long

	/* All CPUs: %ebx is the CPU's index. */
	.globl	start_long
start_long:
	movl	%cr4, %eax
	orl	$0x20, %eax
	movl	%eax, %cr4
	movl	$boot_pml4, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx
	rdmsr
	orl	$0x901, %eax
	wrmsr
	movl	%cr0, %eax
	andl	$~0x6000000c, %eax
	orl	$0x80010023, %eax
	movl	%eax, %cr0
	lgdt	boot_gdtr
	ljmp	$0x08, $start64

	.globl	ap_start32
ap_start32:
	movw	$0x10, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$1, %ebx
	lock xaddl %ebx, ap_next
	cmpl	$MAX_CPUS, %ebx
	jae	4f
	jmp	start_long
4:	cli
	hlt
	jmp	4b

	.code64
start64:
	movw	$0x10, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	xorl	%eax, %eax
	movw	%ax, %fs
	movw	%ax, %gs
	movl	%ebx, %eax
	incl	%eax
	shll	$CPU_AREA_SHIFT, %eax
	leaq	cpu_areas(%rax), %rsp
	movl	%ebx, %edi
	call	start_c
5:	hlt
	jmp	5b

	.align	8
boot_gdt:
	.quad	0
	.quad	0x00af9b000000ffff
	.quad	0x00cf93000000ffff
	.quad	0x00cf9b000000ffff
boot_gdtr:
	.word	. - boot_gdt - 1
	.quad	boot_gdt

	/*
	 * Copied to TRAMPOLINE; runs in real mode with CS = TRAMPOLINE >> 4,
	 * so every address here is an offset from trampoline.
	 */
	.section .rodata
	.code16
	.globl	trampoline
	.globl	trampoline_end
trampoline:
	cli
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	tramp_gdtr - trampoline
	movl	%cr0, %eax
	orl	$1, %eax
	movl	%eax, %cr0
	ljmpl	$0x18, $ap_start32
	.align	4
tramp_gdtr:
	.word	0x1f
	.long	boot_gdt
trampoline_end:
	.code64

	.data
	.globl	ap_next
ap_next: .long	1

	.bss
	.align	4096
	.globl	boot_pml4
boot_pml4: .skip 4096
boot_pdpt: .skip 4096
boot_pd:   .skip 4 * 4096
	.align	CPU_AREA
	.globl	cpu_areas
cpu_areas: .skip MAX_CPUS * CPU_AREA
	.globl	mb_magic
	.globl	mb_info
mb_magic: .long 0
mb_info: .long 0

	.section .note.GNU-stack, "", @progbits
