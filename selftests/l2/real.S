/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * L2 in 16-bit real mode, and the chain through every mode. Copied to LOW_BASE,
 * with CS, DS and SS based there; each entry ends with VMMCALL.
 */
#include "layout.h"

#define AT(label) ((label) - l2_real)
#define FLAT(label) (LOW_BASE + AT(label))

	.section .rodata
	.code16
	.globl	l2_real
	.globl	l2_real_end
l2_real:
	.globl	real_work, real_work_end
real_work:
	movw	$0x1234, %ax
	pushw	%ax
	popw	%bx
	movw	%bx, AT(real_data)
	movl	$0x89abcdef, %ecx
	roll	$8, %ecx
	movl	%ecx, AT(real_data) + 4
	movw	$AT(real_data) + 8, %di
	movw	$4, %cx
	movw	$0x5a5a, %ax
	cld
	rep stosw
real_work_end:
	l2_call
	.globl	real_cpuid
real_cpuid:
	cpuid
	l2_call
	.globl	real_io
real_io:
	inb	$0x80, %al
	l2_call
	.globl	real_int
real_int:
	int	$0x90
	l2_call
	.globl	real_load
real_load:
	movw	(%bx), %ax
	l2_call
	.globl	real_nop
real_nop:
	nop
	l2_call
	.globl	real_pushf
real_pushf:
	pushf
	l2_call

	/* One CALL of three bytes a vector: the return address tells which. */
	.globl	real_stubs
real_stubs:
	.rept	256
	callw	real_common
	.endr
	.globl	real_common
real_common:
	l2_call
	.globl	real_return
real_return:
	addw	$2, %sp
	iretw

	.balign	16
	.globl	real_data
real_data:
	.skip	16

	/*
	 * The chain: real, 32-bit, 32-bit paged, off, PAE, off, long. EBX counts
	 * the stages; L1 looks at CR0, CR4, EFER and EBX at each VMMCALL.
	 */
	.globl	real_chain
real_chain:
	movl	$1, %ebx
	l2_call
	lgdtl	AT(chain_gdtr)
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmpl	$0x08, $FLAT(chain32)

	.code32
chain32:
	movw	$0x10, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$2, %ebx
	l2_call
	/* 4M pages */
	movl	%cr4, %eax
	orl	$0x10, %eax
	movl	%eax, %cr4
	movl	$(LOW_BASE + 0x3000), %eax
	movl	%eax, %cr3
	movl	%cr0, %eax
	orl	$0x80000000, %eax
	movl	%eax, %cr0
	movl	$3, %ebx
	l2_call
	movl	%cr0, %eax
	andl	$0x7fffffff, %eax
	movl	%eax, %cr0
	/* PAE */
	movl	%cr4, %eax
	orl	$0x20, %eax
	movl	%eax, %cr4
	movl	$(LOW_BASE + 0x2000), %eax
	movl	%eax, %cr3
	movl	%cr0, %eax
	orl	$0x80000000, %eax
	movl	%eax, %cr0
	movl	$4, %ebx
	l2_call
	movl	%cr0, %eax
	andl	$0x7fffffff, %eax
	movl	%eax, %cr0
	/* long mode */
	movl	$boot_pml4, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx
	rdmsr
	orl	$0x100, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$0x80000000, %eax
	movl	%eax, %cr0
	movl	$5, %ebx
	l2_call
	ljmp	$0x18, $FLAT(chain64)
	.code64
chain64:
	movl	$6, %ebx
	l2_call
	/* and out of it again */
	ljmpl	*FLAT(chain_back)
	.code32
chain_out:
	movl	%cr0, %eax
	andl	$0x7fffffff, %eax
	movl	%eax, %cr0
	movl	$0xc0000080, %ecx
	rdmsr
	andl	$0xfffffeff, %eax
	wrmsr
	movl	$7, %ebx
	l2_call

	.balign	8
chain_back:
	.long	FLAT(chain_out)
	.word	0x08
	.balign	8
chain_gdt:
	.quad	0
	.quad	0x00cf9b000000ffff
	.quad	0x00cf93000000ffff
	.quad	0x00af9b000000ffff
chain_gdtr:
	.word	31
	.long	FLAT(chain_gdt)
l2_real_end:
	.code64

	.section .note.GNU-stack, "", @progbits
