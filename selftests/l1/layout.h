/* SPDX-License-Identifier: GPL-2.0-only */
/* Sizes and fixed places that assembly and C share. */
#ifndef L1_LAYOUT_H
#define L1_LAYOUT_H

#define MAX_CPUS	4
#define QUIT_PORT	0x4e4		/* known to the VMM of bench/: ends it, with a status */
/*
 * Each CPU owns one area aligned to its size: struct cpu at the bottom, then
 * the IST, trap and main stacks. this_cpu() is the stack pointer rounded down.
 */
#define CPU_AREA_SHIFT	16
#define CPU_AREA	(1 << CPU_AREA_SHIFT)
#define CPU_IST_TOP	0x6000
#define CPU_TRAP_TOP	0xa000

/* Page below 1 MiB where the other CPUs start */
#define TRAMPOLINE	0x8000
/* Low memory that the 16-bit L2 guests may use */
#define LOW_BASE	0x10000

/* Selectors */
#define SEL_CS		0x08
#define SEL_DS		0x10
#define SEL_CS32	0x18
#define SEL_UDS		0x23
#define SEL_UCS		0x2b
#define SEL_TSS		0x30
#define SEL_CS16	0x40
#define SEL_LDT		0x48

/* Vectors */
#define VEC_USER_DONE	0x20
#define VEC_WATCHDOG	0xe0
#define VEC_IPI		0x60
#define VEC_IPI2	0x71
#define VEC_SPURIOUS	0xff

#ifdef __ASSEMBLER__
/*
 * The call by which L2 comes back to L1: VMMCALL, which a VT-x CPU finds rewritten
 * as VMCALL (the same length). Each is listed in section .l2_calls.
 */
.macro	l2_call
77:	vmmcall
	.pushsection .l2_calls, "a"
	.long	77b
	.popsection
.endm
#endif

#endif
