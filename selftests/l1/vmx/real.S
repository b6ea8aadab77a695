/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * u64 real_enter(void): L1 itself goes to real mode, runs the 16 bytes that were
 * copied to real_slot, and comes back. Returns 0, or 1 + the vector (#UD, #GP).
 * The part between real_blob and real_blob_end lies at REAL_BASE by then, with the
 * vectors of the interrupt table pointing to real_h6 and real_h13.
 */
#include "callee.h"
#include "layout.h"
#include "vmx/real.h"

#define AT(label)	((label) - real_blob)

	.text
	.globl	real_enter
real_enter:
	push_callee_saved
	pushfq
	cli
	sidt	saved_idt
	movq	%rsp, saved_rsp
	pushq	$SEL_CS16
	pushq	$(REAL_BASE + AT(real_16))
	lretq

	.code32
real_32:
	movw	$SEL_DS, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$0xc0000080, %ecx
	rdmsr
	orl	$0x100, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$0x80000000, %eax
	movl	%eax, %cr0
	ljmp	$SEL_CS, $real_64

	.code64
real_64:
	movq	saved_rsp, %rsp
	lidt	saved_idt
	xorl	%eax, %eax
	movw	%ax, %fs
	movw	%ax, %gs
	popfq
	pop_callee_saved
	movzbl	REAL_BASE + AT(real_result), %eax
	ret

	.section .rodata
	.code16
	.globl	real_blob, real_blob_end, real_slot, real_h6, real_h13
real_blob:
	/* 16-bit code of compatibility mode: out of IA-32e mode, then out of protected mode */
real_16:
	movl	%cr0, %eax
	andl	$0x7fffffff, %eax
	movl	%eax, %cr0
	movl	$0xc0000080, %ecx
	rdmsr
	andl	$0xfffffeff, %eax
	wrmsr
	movl	%cr0, %eax
	andb	$0xfe, %al
	movl	%eax, %cr0
	ljmp	$(REAL_BASE >> 4), $AT(real_cs)
real_cs:
	movw	$(REAL_BASE >> 4), %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0xf00, %sp
	lidtl	AT(real_ivt)
	movb	$0, AT(real_result)
	movw	$AT(real_operand), %bx
	xorl	%eax, %eax
	movl	$0x681e, %ecx
real_slot:
	.skip	16, 0x90
real_back:
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmpl	$SEL_CS32, $real_32
real_h6:
	movb	$7, AT(real_result)
	jmp	real_back
real_h13:
	movb	$14, AT(real_result)
	jmp	real_back
	.balign	8
real_operand:
	.quad	0, 0
real_ivt:
	.word	0x3ff
	.long	0
real_result:
	.byte	0
real_blob_end:
	.code64

	.bss
	.balign	8
saved_rsp: .skip 8
saved_idt: .skip 16

	.section .note.GNU-stack, "", @progbits
