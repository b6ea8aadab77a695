/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The world switch.  Called with interrupts off and GIF clear; comes back the
 * same way.  VMRUN and #VMEXIT move RAX, RSP, RIP, RFLAGS and the segments;
 * the other general-purpose registers are moved here, and VMLOAD/VMSAVE move
 * FS, GS, TR, LDTR and the system-call MSRs (APM vol. 2, "VMLOAD and VMSAVE").
 *
 * The host's own VMLOAD area was filled once when the vCPU was loaded.
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/nospec-branch.h>

#define GPR(n)		(8 * (n))

	.text

SYM_FUNC_START(svm_world_switch)
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rcx			/* the host's VMLOAD area */
	push	%rdx			/* the guest's */
	push	%rdi			/* its registers */

	mov	%rdx, %rax
	vmload	%rax

	mov	%rsi, %rax
	mov	GPR(1)(%rdi), %rcx
	mov	GPR(2)(%rdi), %rdx
	mov	GPR(3)(%rdi), %rbx
	mov	GPR(5)(%rdi), %rbp
	mov	GPR(6)(%rdi), %rsi
	mov	GPR(8)(%rdi), %r8
	mov	GPR(9)(%rdi), %r9
	mov	GPR(10)(%rdi), %r10
	mov	GPR(11)(%rdi), %r11
	mov	GPR(12)(%rdi), %r12
	mov	GPR(13)(%rdi), %r13
	mov	GPR(14)(%rdi), %r14
	mov	GPR(15)(%rdi), %r15
	mov	GPR(7)(%rdi), %rdi

	VM_CLEAR_CPU_BUFFERS

	/* With V_INTR_MASKING the host's IF decides whether interrupts end the guest. */
	sti
	/* GIF is clear, so nothing is taken here; the guest must not inherit STI's shadow. */
	nop
	vmrun	%rax
	cli

	/* RAX and RSP are the host's again; everything else is the guest's. */
	pop	%rax
	mov	%rcx, GPR(1)(%rax)
	mov	%rdx, GPR(2)(%rax)
	mov	%rbx, GPR(3)(%rax)
	mov	%rbp, GPR(5)(%rax)
	mov	%rsi, GPR(6)(%rax)
	mov	%rdi, GPR(7)(%rax)
	mov	%r8, GPR(8)(%rax)
	mov	%r9, GPR(9)(%rax)
	mov	%r10, GPR(10)(%rax)
	mov	%r11, GPR(11)(%rax)
	mov	%r12, GPR(12)(%rax)
	mov	%r13, GPR(13)(%rax)
	mov	%r14, GPR(14)(%rax)
	mov	%r15, GPR(15)(%rax)

	pop	%rax
	vmsave	%rax
	pop	%rax
	vmload	%rax

	/* The guest chose what the return predictor holds; no RET before it is refilled. */
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT
#ifdef UNTRAIN_RET_VM
	UNTRAIN_RET_VM
#else
	UNTRAIN_RET
#endif

	/* Leave nothing of the guest's in registers that code could use speculatively. */
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d

	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET
SYM_FUNC_END(svm_world_switch)
