/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * L2 in 32-bit code: without paging, with 4M pages, with PAE, and in
 * compatibility mode. Runs in place; the same entries as the 16-bit guest has.
 */
#include "layout.h"

	.text
	.code32
	.globl	p32_work, p32_work_end
p32_work:
	movl	$0x11223344, %eax
	pushl	%eax
	popl	%ebx
	movl	%ebx, p32_data
	movl	$p32_data + 4, %edi
	movl	$3, %ecx
	movl	$0x5a5a5a5a, %eax
	cld
	rep stosl
p32_work_end:
	l2_call
	.globl	p32_cpuid
p32_cpuid:
	cpuid
	l2_call
	.globl	p32_io
p32_io:
	inb	$0x80, %al
	l2_call
	.globl	p32_int
p32_int:
	int	$0x90
	l2_call
	.globl	p32_load
p32_load:
	movl	(%ebx), %eax
	l2_call
	.globl	p32_nop
p32_nop:
	nop
	l2_call
	.globl	p32_pushf
p32_pushf:
	pushf
	l2_call
	.globl	p32_into
p32_into:
	into
	l2_call
	.globl	p32_bound
p32_bound:
	boundl	%eax, p32_limits
	l2_call
	.globl	p32_jmp_tss
p32_jmp_tss:
	ljmp	$0x50, $0
	l2_call
	.globl	p32_call_tss
p32_call_tss:
	lcall	$0x50, $0
	l2_call

	/* One CALL of five bytes a vector: the return address tells which. */
	.globl	p32_stubs
p32_stubs:
	.rept	256
	call	p32_common
	.endr
	.globl	p32_common
p32_common:
	l2_call

	.data
	.balign	16
	.globl	p32_data
p32_data:
	.skip	16
p32_limits:
	.long	5, 10
	.code64

	.section .note.GNU-stack, "", @progbits
