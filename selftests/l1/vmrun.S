/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * void vmrun_asm(struct l2 *l2): one world switch. GIF is 0 from before the
 * guest's state is loaded until the host's is back, so that nothing can run
 * on the host with the guest's FS, GS, TR or system-call registers; STGI then
 * lets in whatever came meanwhile.
 *
 * vmrun_kept_asm() also tells in l2->host_rax which RAX the host has then.
 */
#include "callee.h"

	.set	L2_VMCB, 0
	.set	L2_HOST, 8
	.set	L2_GPR, 16
	.set	L2_FLAGS, 128
	.set	L2_HOST_RAX, 136

	.macro	world_switch name, kept
	.globl	\name
\name:
	push_callee_saved
	pushq	%rdi
	clgi
	movq	L2_HOST(%rdi), %rax
	vmsave	%rax
	testb	$1, L2_FLAGS(%rdi)
	jz	1f
	sti
1:	movq	L2_VMCB(%rdi), %rax
	vmload	%rax
	movq	L2_GPR + 0(%rdi), %rcx
	movq	L2_GPR + 8(%rdi), %rdx
	movq	L2_GPR + 16(%rdi), %rbx
	movq	L2_GPR + 24(%rdi), %rbp
	movq	L2_GPR + 32(%rdi), %rsi
	movq	L2_GPR + 48(%rdi), %r8
	movq	L2_GPR + 56(%rdi), %r9
	movq	L2_GPR + 64(%rdi), %r10
	movq	L2_GPR + 72(%rdi), %r11
	movq	L2_GPR + 80(%rdi), %r12
	movq	L2_GPR + 88(%rdi), %r13
	movq	L2_GPR + 96(%rdi), %r14
	movq	L2_GPR + 104(%rdi), %r15
	movq	L2_GPR + 40(%rdi), %rdi
	vmrun	%rax
	pushq	%rdi
	movq	8(%rsp), %rdi
	popq	L2_GPR + 40(%rdi)
	movq	%rcx, L2_GPR + 0(%rdi)
	movq	%rdx, L2_GPR + 8(%rdi)
	movq	%rbx, L2_GPR + 16(%rdi)
	movq	%rbp, L2_GPR + 24(%rdi)
	movq	%rsi, L2_GPR + 32(%rdi)
	movq	%r8, L2_GPR + 48(%rdi)
	movq	%r9, L2_GPR + 56(%rdi)
	movq	%r10, L2_GPR + 64(%rdi)
	movq	%r11, L2_GPR + 72(%rdi)
	movq	%r12, L2_GPR + 80(%rdi)
	movq	%r13, L2_GPR + 88(%rdi)
	movq	%r14, L2_GPR + 96(%rdi)
	movq	%r15, L2_GPR + 104(%rdi)
	.if \kept
	movq	%rax, L2_HOST_RAX(%rdi)
	.endif
	/* A wrong L0 may give back another RAX: take ours. */
	movq	L2_VMCB(%rdi), %rax
	vmsave	%rax
	movq	L2_HOST(%rdi), %rax
	vmload	%rax
	testb	$2, L2_FLAGS(%rdi)
	jnz	2f
	stgi
	nop
	cli
2:	popq	%rdi
	pop_callee_saved
	ret
	.endm

	.text
	world_switch vmrun_asm, 0
	world_switch vmrun_kept_asm, 1

	.section .note.GNU-stack, "", @progbits
