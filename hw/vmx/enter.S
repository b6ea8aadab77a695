/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The world switch.  Called with interrupts off and the VMCS current; comes back the
 * same way.  VM entry and exit move RSP, RIP, RFLAGS, segments and control registers; the
 * other general-purpose registers are moved here (SDM vol. 3, "VM Entries", "VM Exits").
 *
 * RDI: u64 *gpr; RSI: struct vmx_ctx *ctx; DL: bool launched
 * Return, in AL: 1 if the instruction failed and the guest was not entered.
 * Keeps RSP and RBP and no other register: world_switch() in cross.h is the only way to call it.
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/unwind_hints.h>

#define CTX_HOST_RSP	0x00
#define HOST_RSP	0x6c14

#define GPR(n)		(8 * (n))

	.text

SYM_FUNC_START(vmx_world_switch)
	push	%rbp
	push	%rdi

	/* The same thread at the same depth: it rarely moves. */
	cmp	%rsp, CTX_HOST_RSP(%rsi)
	je	.Lrsp_set
	mov	%rsp, CTX_HOST_RSP(%rsi)
	mov	$HOST_RSP, %eax
	vmwrite	%rsp, %rax
.Lrsp_set:
	/* CF tells VMLAUNCH from VMRESUME; loads and VERW leave it alone. */
	bt	$0, %edx

	mov	GPR(0)(%rdi), %rax
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

	jnc	.Llaunch
	/* They come back here in failure only, which sets CF or ZF. */
	vmresume
	jbe	.Lfailed
.Llaunch:
	vmlaunch
	jbe	.Lfailed

SYM_INNER_LABEL(vmx_exit_point, SYM_L_GLOBAL)
	ANNOTATE_NOENDBR
	/* RSP is the host's; every other register is the guest's. */
	push	%rax
	mov	8(%rsp), %rax
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
	pop	GPR(0)(%rax)
	pop	%rdi
	xor	%eax, %eax
	jmp	.Lclear

.Lfailed:
	/* Nothing was loaded: RSP is still ours. */
	pop	%rdi
	mov	$1, %eax

.Lclear:
	/* Leave nothing of the guest's in registers that code could use speculatively. */
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%ebx, %ebx
	xor	%ebp, %ebp
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d
	mov	%eax, %ebx

	/* The guest chose what the return predictor holds; no RET before it is refilled. */
	FILL_RETURN_BUFFER %rcx, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, X86_FEATURE_RSB_VMEXIT_LITE
#ifdef UNTRAIN_RET_VM
	UNTRAIN_RET_VM
#else
	UNTRAIN_RET
#endif
	/* IBRS restricts what comes after it was written, even if it was set all along. */
	ALTERNATIVE "jmp .Librs_done", "", X86_FEATURE_KERNEL_IBRS
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	rdmsr
	wrmsr
.Librs_done:
	CLEAR_BRANCH_HISTORY_VMEXIT
	mov	%ebx, %eax

	pop	%rbp
	RET
SYM_FUNC_END(vmx_world_switch)
