/* SPDX-License-Identifier: GPL-2.0-only */
/* For assembly: the registers that a C function keeps (System V ABI, "Function Calling Sequence"). */
#ifndef L1_CALLEE_H
#define L1_CALLEE_H

	.macro	push_callee_saved
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	.endm

	.macro	pop_callee_saved
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	.endm

#endif
