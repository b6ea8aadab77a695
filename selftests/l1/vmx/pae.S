/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * void pae_run(struct pae *p): L1 itself goes to 32-bit mode with PAE paging, enters L2 once and comes back.
 * L2's exit arrives at pae_host, in 32-bit mode.
 */
#include "callee.h"
#include "layout.h"
#include "vmx/pae.h"

	.set	VMXON, 0
	.set	VMCS, 8
	.set	CR3, 16
	.set	PROBE, 20
	.set	OUTCOME, 24
	.set	ERROR, 28
	.set	SEEN, 32
	.set	SEEN_CR3, 36
	.set	SEEN_EFER, 40
	.set	OLD_CR3, 44

	.set	INSN_ERROR, 0x4400
	.set	MSR_EFER, 0xc0000080
	.set	EFER_LME, 0x100
	.set	CR0_PG, 0x80000000

	.text
	.globl	pae_run, pae_host
pae_run:
	push_callee_saved
	pushfq
	cli
	sidt	saved_idt
	movq	%rsp, saved_rsp
	movl	%edi, saved_arg
	pushq	$SEL_CS32
	pushq	$pae_32
	lretq

	.code32
pae_32:
	movw	$SEL_DS, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	saved_arg, %ebx
	movl	%cr3, %eax
	movl	%eax, OLD_CR3(%ebx)
	movl	%cr0, %eax
	andl	$~CR0_PG, %eax
	movl	%eax, %cr0
	movl	$MSR_EFER, %ecx
	rdmsr
	andl	$~EFER_LME, %eax
	wrmsr
	movl	CR3(%ebx), %eax
	movl	%eax, %cr3
	movl	%cr0, %eax
	orl	$CR0_PG, %eax
	movl	%eax, %cr0
	movl	$PAE_NO_VMXON, OUTCOME(%ebx)
	vmxon	VMXON(%ebx)
	jbe	2f
	movl	$PAE_NO_VMPTRLD, OUTCOME(%ebx)
	vmptrld	VMCS(%ebx)
	jbe	1f
	movl	$PAE_NO_ENTRY, OUTCOME(%ebx)
	vmlaunch
	movl	$INSN_ERROR, %eax
	vmread	%eax, ERROR(%ebx)
	jmp	1f
pae_host:
	movl	saved_arg, %ebx
	movl	$PAE_EXIT, OUTCOME(%ebx)
	movl	%cr3, %eax
	movl	%eax, SEEN_CR3(%ebx)
	movl	PROBE(%ebx), %eax
	movl	(%eax), %eax
	movl	%eax, SEEN(%ebx)
	movl	$MSR_EFER, %ecx
	rdmsr
	movl	%eax, SEEN_EFER(%ebx)
1:	vmclear	VMCS(%ebx)
	vmxoff
2:	movl	%cr0, %eax
	andl	$~CR0_PG, %eax
	movl	%eax, %cr0
	movl	OLD_CR3(%ebx), %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_LME, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$CR0_PG, %eax
	movl	%eax, %cr0
	ljmp	$SEL_CS, $pae_64

	.code64
pae_64:
	movq	saved_rsp, %rsp
	lidt	saved_idt
	popfq
	pop_callee_saved
	ret

	.bss
	.balign	8
saved_rsp: .skip 8
saved_idt: .skip 16
saved_arg: .skip 4

	.section .note.GNU-stack, "", @progbits
