/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * void vmx_run_asm(struct vl2 *l2): one entry into the current VMCS and the exit
 * from it. HOST_RSP and HOST_RIP are written here; the exit finds `l2` on the
 * stack, which begins at a page: whoever calls, HOST_RSP is the same, as with
 * hypervisors that write it once, so that this is no news to the one below. When
 * VMLAUNCH or VMRESUME fails, l2->flags gets RFLAGS, and the registers are L1's then. All arithmetic flags are set
 * before, so that the failure must clear what it has to clear.
 */
#include "callee.h"
	.set	VL2_LAUNCHED, 120
	.set	VL2_FLAGS, 128

	.macro	swap_regs load
	.if	\load
	.macro	gpr reg off
	movq	\off(%rdi), \reg
	.endm
	.else
	.macro	gpr reg off
	movq	\reg, \off(%rdi)
	.endm
	.endif
	gpr	%rcx 8
	gpr	%rdx 16
	gpr	%rbx 24
	gpr	%rbp 32
	gpr	%rsi 40
	gpr	%r8 56
	gpr	%r9 64
	gpr	%r10 72
	gpr	%r11 80
	gpr	%r12 88
	gpr	%r13 96
	gpr	%r14 104
	gpr	%r15 112
	.purgem	gpr
	.endm

	.macro	enter insn
	swap_regs 1
	movq	0(%rdi), %rax
	movq	48(%rdi), %rdi
	pushq	$0x8d7
	popfq
	\insn
	.endm

	.text
	.globl	vmx_run_asm
	.globl	vmx_host_rip
vmx_run_asm:
	push_callee_saved
	pushq	%rdi
	movq	%rsp, %rax
	andq	$-4096, %rsp
	pushq	%rax
	pushq	%rdi
	movl	$0x6c14, %eax
	vmwrite	%rsp, %rax
	movl	$0x6c16, %eax
	movl	$vmx_host_rip, %ecx
	vmwrite	%rcx, %rax
	movq	$0, VL2_FLAGS(%rdi)
	cmpq	$0, VL2_LAUNCHED(%rdi)
	jne	1f
	enter	vmlaunch
	jmp	2f
1:	enter	vmresume
	/* No entry */
2:	pushfq
	pushq	%rdi
	movq	16(%rsp), %rdi
	popq	48(%rdi)
	popq	VL2_FLAGS(%rdi)
	jmp	3f
vmx_host_rip:
	pushq	%rdi
	movq	8(%rsp), %rdi
	popq	48(%rdi)
3:	movq	%rax, 0(%rdi)
	swap_regs 0
	movq	8(%rsp), %rsp
	popq	%rdi
	pop_callee_saved
	ret

	.section .note.GNU-stack, "", @progbits
