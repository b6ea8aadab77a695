/* SPDX-License-Identifier: GPL-2.0-only */
/* What each exit of L2 is in VT-x's terms, and which control of vmcs12 asks for it.  Pure. */
#ifndef NESTOR_NVMX_EXIT_TABLE_H
#define NESTOR_NVMX_EXIT_TABLE_H

#include "core/guest_run.h"
#include "nvmx/vmcs12.h"

/* Basic exit reasons (SDM vol. 3, appendix "VMX Basic Exit Reasons"). */
enum vmx_exit_reason {
	VMEXIT_EXCEPTION_NMI = 0, VMEXIT_EXT_INTR = 1, VMEXIT_TRIPLE_FAULT = 2, VMEXIT_INIT = 3,
	VMEXIT_SIPI = 4, VMEXIT_INTR_WINDOW = 7, VMEXIT_NMI_WINDOW = 8, VMEXIT_TASK_SWITCH = 9,
	VMEXIT_CPUID = 10, VMEXIT_GETSEC = 11, VMEXIT_HLT = 12, VMEXIT_INVD = 13,
	VMEXIT_INVLPG = 14, VMEXIT_RDPMC = 15, VMEXIT_RDTSC = 16, VMEXIT_RSM = 17,
	VMEXIT_VMCALL = 18, VMEXIT_VMCLEAR = 19, VMEXIT_VMLAUNCH = 20, VMEXIT_VMPTRLD = 21,
	VMEXIT_VMPTRST = 22, VMEXIT_VMREAD = 23, VMEXIT_VMRESUME = 24, VMEXIT_VMWRITE = 25,
	VMEXIT_VMXOFF = 26, VMEXIT_VMXON = 27, VMEXIT_CR = 28, VMEXIT_DR = 29, VMEXIT_IO = 30,
	VMEXIT_RDMSR = 31, VMEXIT_WRMSR = 32, VMEXIT_BAD_GUEST_STATE = 33, VMEXIT_BAD_MSR = 34,
	VMEXIT_MWAIT = 36, VMEXIT_MTF = 37, VMEXIT_MONITOR = 39, VMEXIT_PAUSE = 40,
	VMEXIT_MCE = 41, VMEXIT_TPR_THRESHOLD = 43, VMEXIT_APIC_ACCESS = 44,
	VMEXIT_VIRTUAL_EOI = 45, VMEXIT_GDTR_IDTR = 46, VMEXIT_LDTR_TR = 47,
	VMEXIT_EPT_VIOLATION = 48, VMEXIT_EPT_MISCONFIG = 49, VMEXIT_INVEPT = 50,
	VMEXIT_RDTSCP = 51, VMEXIT_TIMER = 52, VMEXIT_INVVPID = 53, VMEXIT_WBINVD = 54,
	VMEXIT_XSETBV = 55, VMEXIT_APIC_WRITE = 56, VMEXIT_RDRAND = 57, VMEXIT_INVPCID = 58,
	VMEXIT_VMFUNC = 59, VMEXIT_ENCLS = 60, VMEXIT_RDSEED = 61, VMEXIT_PML_FULL = 62,
	VMEXIT_XSAVES = 63, VMEXIT_XRSTORS = 64, VMEXIT_UMWAIT = 67, VMEXIT_TPAUSE = 68,
};

/* Who wants an exit. */
enum exit_rule {
	RULE_L0,	/* L0's alone: host events, broken invariants.  0: an empty slot fails closed */
	RULE_ALWAYS,	/* L1's: it exits without a control */
	RULE_PIN,	/* L1's when the pin-based control is 1 */
	RULE_CPU,	/* the same for a primary processor-based control */
	RULE_CPU2,	/* the same for a secondary one */
	RULE_EXCEPTION,	/* exception bitmap and page-fault filter, after L0's own exceptions */
	RULE_CR,	/* control registers: masks, shadows, CR3 targets, CR8 */
	RULE_IO,	/* I/O bitmaps or unconditional */
	RULE_MSR,	/* MSR bitmaps */
	RULE_VMX,	/* L1's, but VMREAD and VMWRITE may be for a shadow VMCS */
	RULE_PAUSE,	/* PAUSE exiting or PAUSE-loop exiting */
	RULE_RDTSCP,	/* #UD unless enabled, then RDTSC exiting */
	RULE_INVPCID,	/* #UD unless enabled, then INVLPG exiting */
	RULE_XSAVES,	/* #UD unless enabled, then the XSS-exiting bitmap */
	RULE_UD,	/* an instruction that no VT-x guest has */
	RULE_FAULT,	/* second-level fault: decided by the walk of L1's table */
};

/* What of the exit L1 gets besides the reason. */
#define X_INSN		(1u << 0)	/* VM-exit instruction length */
#define X_QUAL		(1u << 1)	/* exit qualification */
#define X_INFO		(1u << 2)	/* VM-exit instruction information */
#define X_GLA		(1u << 3)	/* guest-linear address */

/**
 * struct exit_row - one slot
 * @reason: basic exit reason
 * @rule: enum exit_rule
 * @flags: X_*
 * @control: control bit for RULE_PIN, RULE_CPU and RULE_CPU2
 */
struct exit_row {
	u8 reason;
	u8 rule;
	u8 flags;
	u32 control;
};

extern const struct exit_row nvmx_exit_table[NR_EXIT_REASONS];
/* Basic exit reasons of EXIT_VMX_INSN by enum vmx_insn. */
extern const u8 nvmx_insn_reason[NR_VMX_INSNS];

/* What the rules say about one exit; pure. */
enum exit_want {
	WANT_L0, WANT_L1, WANT_UD,
	WANT_LATER,	/* what it goes by is not to be had without sleeping */
	WANT_DONE,	/* L0's, and done with */
};

static inline u32 nvmx_cpu2(const struct vmcs12 *v)
{
	return v->cpu_ctls & CPU_SECONDARY ? v->cpu_ctls2 : 0;
}

/** nvmx_vmfunc() - VMFUNC of L2 (vmfunc.c, not pure): carry it out, or say whose it is */
struct nestor_vcpu;
enum exit_want nvmx_vmfunc(struct nestor_vcpu *vcpu);
/** nvmx_want() - whose is L2's exit, by @row (exit.c, not pure) */
enum exit_want nvmx_want(struct nestor_vcpu *vcpu, const struct exit_row *row);
/** nvmx_basic_reason() - basic exit reason of a row */
u32 nvmx_basic_reason(const struct guest_exit *x, const struct exit_row *row);
/** nvmx_reflect_row() - nvmx_reflect() of the exit at hand */
enum nested_who nvmx_reflect_row(struct nestor_vcpu *vcpu, const struct exit_row *row);
/** nvmx_want_simple() - RULE_PIN, RULE_CPU, RULE_CPU2, and those on enabled instructions */
enum exit_want nvmx_want_simple(const struct vmcs12 *v, const struct exit_row *row);
/** nvmx_want_exception() - exception bitmap; for #PF with the filter on @error */
bool nvmx_want_exception(const struct vmcs12 *v, u8 vector, u32 error);
/**
 * nvmx_want_cr() - control-register access
 * @qual: exit qualification
 * @val: value of its register operand, cut to the operand size
 */
bool nvmx_want_cr(const struct vmcs12 *v, u64 qual, u64 val);

/* Exit qualification of control-register accesses */
#define CR_QUAL_NR(q)		((q) & 0xf)
#define CR_QUAL_ACCESS(q)	((q) >> 4 & 3)
#define CR_QUAL_GPR(q)		((q) >> 8 & 0xf)
#define CR_QUAL_LMSW_SRC(q)	((q) >> 16 & 0xffff)
enum cr_access { CR_MOV_TO, CR_MOV_FROM, CR_CLTS, CR_LMSW };

/** nvmx_msr_bit() - bit in the MSR-bitmap page, -1: not covered, always exits */
static inline int nvmx_msr_bit(u32 msr, bool write)
{
	int base = write ? 2048 * 8 : 0;

	if (msr <= 0x1fff)
		return base + msr;
	if (msr - 0xc0000000u <= 0x1fff)
		return base + 1024 * 8 + (msr & 0x1fff);
	return -1;
}

#endif
