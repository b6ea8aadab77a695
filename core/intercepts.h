/* SPDX-License-Identifier: GPL-2.0-only */
/* What may make a guest exit, and what it may touch without: bits of struct guest_run. */
#ifndef NESTOR_CORE_INTERCEPTS_H
#define NESTOR_CORE_INTERCEPTS_H

#include "core/types.h"

/*
 * Intercepts, one bit each.  The words and bits are those of the VMCB control
 * area (APM vol. 2, "VMCB Layout, Control Area"), which is the finer of the
 * two vendors' sets; a VT-x backend maps them to its controls.
 */
enum intercept_word { ICPT_CR, ICPT_DR, ICPT_EXCEPTION, ICPT_MISC1, ICPT_MISC2, ICPT_MISC3,
		      NR_ICPT_WORDS };

#define ICPT_CR_READ(n)		(1u << (n))
#define ICPT_CR_WRITE(n)	(1u << (16 + (n)))
#define ICPT_DR_READ(n)		(1u << (n))
#define ICPT_DR_WRITE(n)	(1u << (16 + (n)))
/* word ICPT_MISC1 */
#define ICPT_INTR		(1u << 0)
#define ICPT_NMI		(1u << 1)
#define ICPT_SMI		(1u << 2)
#define ICPT_INIT		(1u << 3)
#define ICPT_VINTR		(1u << 4)
#define ICPT_CR0_SEL		(1u << 5)
#define ICPT_IDTR_READ		(1u << 6)
#define ICPT_GDTR_READ		(1u << 7)
#define ICPT_LDTR_READ		(1u << 8)
#define ICPT_TR_READ		(1u << 9)
#define ICPT_IDTR_WRITE		(1u << 10)
#define ICPT_GDTR_WRITE		(1u << 11)
#define ICPT_LDTR_WRITE		(1u << 12)
#define ICPT_TR_WRITE		(1u << 13)
#define ICPT_RDTSC		(1u << 14)
#define ICPT_RDPMC		(1u << 15)
#define ICPT_PUSHF		(1u << 16)
#define ICPT_POPF		(1u << 17)
#define ICPT_CPUID		(1u << 18)
#define ICPT_RSM		(1u << 19)
#define ICPT_IRET		(1u << 20)
#define ICPT_INTN		(1u << 21)
#define ICPT_INVD		(1u << 22)
#define ICPT_PAUSE		(1u << 23)
#define ICPT_HLT		(1u << 24)
#define ICPT_INVLPG		(1u << 25)
#define ICPT_INVLPGA		(1u << 26)
#define ICPT_IOIO		(1u << 27)
#define ICPT_MSR		(1u << 28)
#define ICPT_TASK_SWITCH	(1u << 29)
#define ICPT_FERR_FREEZE	(1u << 30)
#define ICPT_SHUTDOWN		(1u << 31)
/* word ICPT_MISC2 */
#define ICPT_VMRUN		(1u << 0)
#define ICPT_VMMCALL		(1u << 1)
#define ICPT_VMLOAD		(1u << 2)
#define ICPT_VMSAVE		(1u << 3)
#define ICPT_STGI		(1u << 4)
#define ICPT_CLGI		(1u << 5)
#define ICPT_SKINIT		(1u << 6)
#define ICPT_RDTSCP		(1u << 7)
#define ICPT_ICEBP		(1u << 8)
#define ICPT_WBINVD		(1u << 9)
#define ICPT_MONITOR		(1u << 10)
#define ICPT_MWAIT		(1u << 11)
#define ICPT_MWAIT_ARMED	(1u << 12)
#define ICPT_XSETBV		(1u << 13)
#define ICPT_RDPRU		(1u << 14)
#define ICPT_EFER_WRITE_TRAP	(1u << 15)
#define ICPT_CR_WRITE_TRAP(n)	(1u << (16 + (n)))
/* word ICPT_MISC3 */
#define ICPT_INVLPGB		(1u << 0)
#define ICPT_INVLPGB_ILLEGAL	(1u << 1)
#define ICPT_INVPCID		(1u << 2)
#define ICPT_MCOMMIT		(1u << 3)
#define ICPT_TLBSYNC		(1u << 4)
/* What only VT-x intercepts (SDM vol. 3, "VM-Execution Controls"); the same word. */
#define ICPT_RDRAND		(1u << 16)
#define ICPT_RDSEED		(1u << 17)
#define ICPT_XSAVES		(1u << 18)	/* XSAVES and XRSTORS */
#define ICPT_MTF		(1u << 19)	/* monitor trap flag */
#define ICPT_NMI_WINDOW		(1u << 20)	/* exit as soon as no NMI is blocked */
#define ICPT_UMWAIT		(1u << 21)	/* TPAUSE and UMWAIT are #UD without it */
#define ICPT_VMFUNC		(1u << 22)	/* VMFUNC is #UD without it; needs hw_caps.icpt_vmfunc */

/* Bits of guest_run.ud_insns; each works where hw_caps says icpt_ for the instruction. */
#define UD_RDTSCP		(1u << 0)	/* and RDPID */
#define UD_INVPCID		(1u << 1)
#define UD_XSAVES		(1u << 2)	/* and XRSTORS */

/*
 * MSRs that a guest may be allowed to touch without an exit: bit numbers of
 * msr_read_pass and msr_write_pass.  Every other MSR always exits.
 */
enum pass_msr {
	PASS_FS_BASE, PASS_GS_BASE, PASS_KERNEL_GS_BASE,
	PASS_STAR, PASS_LSTAR, PASS_CSTAR, PASS_SFMASK,
	PASS_SYSENTER_CS, PASS_SYSENTER_ESP, PASS_SYSENTER_EIP,
	PASS_PAT,
	PASS_SPEC_CTRL, PASS_PRED_CMD,
	PASS_DEBUGCTL, PASS_LAST_BRANCH_FROM, PASS_LAST_BRANCH_TO,
	PASS_LAST_INT_FROM, PASS_LAST_INT_TO,
	NR_PASS_MSR
};

extern const u32 pass_msr_index[NR_PASS_MSR];

#endif
