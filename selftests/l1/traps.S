/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exception and interrupt entry of the image itself (trap_stubs, 16 bytes a
 * vector) and of its 64-bit L2 guests (l2_trap_stubs), and the calls that come
 * back when what they called faults.
 */
#include "callee.h"
#include "layout.h"

	.text
	.macro	stubs common
	vec = 0
	.rept	256
	.balign	16
	.if	!(vec == 8 || (vec >= 10 && vec <= 14) || vec == 17 || vec == 21 || vec == 29 || vec == 30)
	pushq	$0
	.endif
	pushq	$vec
	jmp	\common
	vec = vec + 1
	.endr
	.endm

	.balign	16
	.globl	trap_stubs
trap_stubs:
	stubs	trap_common

	/* struct regs is what this pushes. */
trap_common:
	cld
	pushq	%rax
	pushq	%rbx
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%rbp
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, %rdi
	call	trap
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rbp
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rbx
	popq	%rax
	addq	$16, %rsp
	iretq

	.balign	16
	.globl	l2_trap_stubs
l2_trap_stubs:
	stubs	l2_trap_common

	/* L1 reads the frame at L2's stack pointer, then may let it return. */
l2_trap_common:
	.globl	l2_trap_vmmcall
l2_trap_vmmcall:
	l2_call
	.globl	l2_trap_resume
l2_trap_resume:
	addq	$16, %rsp
	iretq

	/* int catch_call(struct catch *c, void (*fn)(void *), void *arg) */
	.globl	catch_call
	.globl	catch_land
catch_call:
	push_callee_saved
	movq	%rsp, (%rdi)
	pushfq
	popq	8(%rdi)
	movq	%rdx, %rdi
	subq	$8, %rsp
	call	*%rsi
	addq	$8, %rsp
	xorl	%eax, %eax
	jmp	1f
	/* trap() sends a caught fault here, with %rsp as saved. */
catch_land:
	movl	$1, %eax
1:	pop_callee_saved
	ret

	/*
	 * void enter_user(u64 *iret_frame, u64 rax): leaves for CPL 3; the way
	 * back is a caught trap.
	 */
	.globl	enter_user
enter_user:
	movq	%rsi, %rax
	movq	%rdi, %rsp
	iretq

	/* Where an L2 function returns to, and an L2 that never exits by itself. */
	.globl	l2_done
l2_done:
	l2_call
	jmp	l2_done
	.globl	l2_spin
l2_spin:
	pause
	jmp	l2_spin

	.section .note.GNU-stack, "", @progbits
