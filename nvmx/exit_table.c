// SPDX-License-Identifier: GPL-2.0-only
/*
 * The exit table: one slot for each neutral exit reason (SDM vol. 3, "VMX
 * Non-Root Operation", and appendix "VMX Basic Exit Reasons"), and the rules that look
 * at vmcs12 alone.  A slot that nobody filled is RULE_L0, and an exit that L0 does not
 * expect ends the VM: unknown reasons fail closed.
 */
#include "core/x86.h"
#include "nvmx/exit_table.h"

#define OURS			{ .rule = RULE_L0 }
#define UD			{ .rule = RULE_UD }
#define ALWAYS(r, f)		{ .reason = VMEXIT_##r, .rule = RULE_ALWAYS, .flags = (f) }
#define PIN(r, c, f)		{ .reason = VMEXIT_##r, .rule = RULE_PIN, .flags = (f), .control = (c) }
#define CPU(r, c, f)		{ .reason = VMEXIT_##r, .rule = RULE_CPU, .flags = (f), .control = (c) }
#define CPU2(r, c, f)		{ .reason = VMEXIT_##r, .rule = RULE_CPU2, .flags = (f), .control = (c) }
#define BY(r, rl, f)		{ .reason = VMEXIT_##r, .rule = RULE_##rl, .flags = (f) }

#define DTABLE(r)		CPU2(r, CPU2_DTABLE, X_INSN | X_QUAL | X_INFO)

const struct exit_row nvmx_exit_table[NR_EXIT_REASONS] = {
	[EXIT_NONE] = OURS,
	[EXIT_CR_READ] = BY(CR, CR, X_INSN | X_QUAL | X_GLA),
	[EXIT_CR_WRITE] = BY(CR, CR, X_INSN | X_QUAL | X_GLA),
	[EXIT_DR_READ] = CPU(DR, CPU_MOV_DR, X_INSN | X_QUAL),
	[EXIT_DR_WRITE] = CPU(DR, CPU_MOV_DR, X_INSN | X_QUAL),
	/* The length is that of INT1, INT3 and INTO. */
	[EXIT_EXCEPTION] = BY(EXCEPTION_NMI, EXCEPTION, X_INSN | X_QUAL),
	/* The physical event is the host's; L1's own come through l2_event. */
	[EXIT_INTR] = OURS,
	[EXIT_NMI] = OURS,
	[EXIT_SMI] = OURS,
	[EXIT_INIT] = OURS,
	[EXIT_VINTR] = CPU(INTR_WINDOW, CPU_INTR_WINDOW, 0),
	/* Never asked for: VT-x has masks for it. */
	[EXIT_CR0_SEL_WRITE] = OURS,
	[EXIT_IDTR_READ] = DTABLE(GDTR_IDTR),
	[EXIT_GDTR_READ] = DTABLE(GDTR_IDTR),
	[EXIT_LDTR_READ] = DTABLE(LDTR_TR),
	[EXIT_TR_READ] = DTABLE(LDTR_TR),
	[EXIT_IDTR_WRITE] = DTABLE(GDTR_IDTR),
	[EXIT_GDTR_WRITE] = DTABLE(GDTR_IDTR),
	[EXIT_LDTR_WRITE] = DTABLE(LDTR_TR),
	[EXIT_TR_WRITE] = DTABLE(LDTR_TR),
	[EXIT_RDTSC] = CPU(RDTSC, CPU_RDTSC, X_INSN),
	[EXIT_RDPMC] = CPU(RDPMC, CPU_RDPMC, X_INSN),
	[EXIT_PUSHF] = OURS,
	[EXIT_POPF] = OURS,
	[EXIT_CPUID] = ALWAYS(CPUID, X_INSN),
	/* RSM exits only in SMM; elsewhere it is #UD, and L0 says so. */
	[EXIT_RSM] = OURS,
	[EXIT_IRET] = OURS,
	[EXIT_INTN] = OURS,
	[EXIT_INVD] = ALWAYS(INVD, X_INSN),
	[EXIT_PAUSE] = BY(PAUSE, PAUSE, X_INSN),
	[EXIT_HLT] = CPU(HLT, CPU_HLT, X_INSN),
	[EXIT_INVLPG] = CPU(INVLPG, CPU_INVLPG, X_INSN | X_QUAL),
	[EXIT_INVLPGA] = UD,
	[EXIT_IOIO] = BY(IO, IO, X_INSN | X_QUAL | X_INFO | X_GLA),
	[EXIT_MSR] = BY(RDMSR, MSR, X_INSN),
	[EXIT_TASK_SWITCH] = ALWAYS(TASK_SWITCH, X_INSN | X_QUAL),
	[EXIT_FERR_FREEZE] = OURS,
	[EXIT_SHUTDOWN] = ALWAYS(TRIPLE_FAULT, 0),
	/* L2's processor is a VT-x one. */
	[EXIT_VMRUN ... EXIT_SKINIT] = UD,
	[EXIT_RDTSCP] = BY(RDTSCP, RDTSCP, X_INSN),
	[EXIT_ICEBP] = BY(EXCEPTION_NMI, EXCEPTION, X_INSN | X_QUAL),
	[EXIT_WBINVD] = CPU2(WBINVD, CPU2_WBINVD, X_INSN),
	[EXIT_MONITOR] = CPU(MONITOR, CPU_MONITOR, X_INSN),
	[EXIT_MWAIT] = CPU(MWAIT, CPU_MWAIT, X_INSN | X_QUAL),
	[EXIT_MWAIT_ARMED] = CPU(MWAIT, CPU_MWAIT, X_INSN | X_QUAL),
	[EXIT_XSETBV] = ALWAYS(XSETBV, X_INSN),
	[EXIT_RDPRU] = UD,
	[EXIT_EFER_WRITE_TRAP] = OURS,
	[EXIT_CR_WRITE_TRAP] = OURS,
	[EXIT_INVLPGB] = UD,
	[EXIT_INVLPGB_ILLEGAL] = UD,
	[EXIT_INVPCID] = BY(INVPCID, INVPCID, X_INSN | X_QUAL | X_INFO),
	[EXIT_MCOMMIT] = UD,
	[EXIT_TLBSYNC] = UD,
	[EXIT_SECOND_LEVEL] = BY(EPT_VIOLATION, FAULT, X_QUAL | X_GLA),
	/* Other refusals than of L2's state (nvmx_refused) are about L0's own. */
	[EXIT_INVALID] = OURS,
	[EXIT_BUSY] = OURS,
	[EXIT_UNKNOWN] = OURS,
	[EXIT_VMX_INSN] = BY(VMCALL, VMX, X_INSN | X_QUAL | X_INFO),
	[EXIT_GETSEC] = ALWAYS(GETSEC, X_INSN),
	/* A processor that waits for a SIPI is software's (l2_event). */
	[EXIT_SIPI] = OURS,
	[EXIT_NMI_WINDOW] = CPU(NMI_WINDOW, CPU_NMI_WINDOW, 0),
	[EXIT_MTF] = CPU(MTF, CPU_MTF, 0),
	[EXIT_PREEMPTION_TIMER] = PIN(TIMER, PIN_PREEMPTION_TIMER, 0),
	[EXIT_TPR_THRESHOLD] = CPU(TPR_THRESHOLD, CPU_TPR_SHADOW, 0),
	[EXIT_APIC_ACCESS] = CPU2(APIC_ACCESS, CPU2_APIC_ACCESS, X_INSN | X_QUAL | X_GLA),
	[EXIT_APIC_WRITE] = CPU2(APIC_WRITE, CPU2_APIC_REGS | CPU2_VID, X_QUAL),
	[EXIT_VIRTUAL_EOI] = CPU2(VIRTUAL_EOI, CPU2_VID, X_QUAL),
	[EXIT_RDRAND] = CPU2(RDRAND, CPU2_RDRAND, X_INSN | X_INFO),
	[EXIT_RDSEED] = CPU2(RDSEED, CPU2_RDSEED, X_INSN | X_INFO),
	[EXIT_XSAVES] = BY(XSAVES, XSAVES, X_INSN | X_QUAL | X_INFO),
	[EXIT_XRSTORS] = BY(XRSTORS, XSAVES, X_INSN | X_QUAL | X_INFO),
	/* ENCLS, UMWAIT and TPAUSE are offered to nobody. */
	[EXIT_ENCLS] = UD,
	[EXIT_UMWAIT] = UD,
	[EXIT_TPAUSE] = UD,
	[EXIT_MCE_ON_ENTRY] = OURS,
};

const u8 nvmx_insn_reason[NR_VMX_INSNS] = {
	[INSN_VMCALL] = VMEXIT_VMCALL, [INSN_VMCLEAR] = VMEXIT_VMCLEAR,
	[INSN_VMLAUNCH] = VMEXIT_VMLAUNCH, [INSN_VMPTRLD] = VMEXIT_VMPTRLD,
	[INSN_VMPTRST] = VMEXIT_VMPTRST, [INSN_VMREAD] = VMEXIT_VMREAD,
	[INSN_VMRESUME] = VMEXIT_VMRESUME, [INSN_VMWRITE] = VMEXIT_VMWRITE,
	[INSN_VMXOFF] = VMEXIT_VMXOFF, [INSN_VMXON] = VMEXIT_VMXON,
	[INSN_INVEPT] = VMEXIT_INVEPT, [INSN_INVVPID] = VMEXIT_INVVPID,
	[INSN_VMFUNC] = VMEXIT_VMFUNC,
};

static enum exit_want want_if(bool wanted)
{
	return wanted ? WANT_L1 : WANT_L0;
}

/* #UD unless L1 enabled the instruction; then L1's when @wanted. */
static enum exit_want want_enabled(const struct vmcs12 *v, u32 enable, bool wanted)
{
	return nvmx_cpu2(v) & enable ? want_if(wanted) : WANT_UD;
}

enum exit_want nvmx_want_simple(const struct vmcs12 *v, const struct exit_row *row)
{
	switch (row->rule) {
	case RULE_ALWAYS:
		return WANT_L1;
	case RULE_PIN:
		return want_if(v->pin_ctls & row->control);
	case RULE_CPU:
		return want_if(v->cpu_ctls & row->control);
	case RULE_CPU2:
		return want_if(nvmx_cpu2(v) & row->control);
	case RULE_PAUSE:
		return want_if((v->cpu_ctls & CPU_PAUSE) || (nvmx_cpu2(v) & CPU2_PLE));
	case RULE_RDTSCP:
		return want_enabled(v, CPU2_RDTSCP, v->cpu_ctls & CPU_RDTSC);
	case RULE_INVPCID:
		return want_enabled(v, CPU2_INVPCID, v->cpu_ctls & CPU_INVLPG);
	case RULE_UD:
		return WANT_UD;
	default:
		return WANT_L0;
	}
}

#define VECTOR_PF	14

bool nvmx_want_exception(const struct vmcs12 *v, u8 vector, u32 error)
{
	bool bit = vector < 32 && (v->exception_bitmap & (1u << vector));

	if (vector != VECTOR_PF)
		return bit;
	/* SDM: "Exception Bitmap": the bit decides when the codes match, its reverse when not. */
	return (error & v->pfec_mask) == v->pfec_match ? bit : !bit;
}

static bool want_cr0_lmsw(const struct vmcs12 *v, u64 src)
{
	u64 mask = v->cr0_mask & 0xf, diff = (src ^ v->cr0_read_shadow) & mask;

	/* LMSW cannot clear PE, so only setting it counts. */
	if ((diff & X_CR0_PE) && !(src & X_CR0_PE))
		diff &= ~X_CR0_PE;
	return diff;
}

static bool want_cr3_load(const struct vmcs12 *v, u64 val)
{
	const u64 *target = &v->cr3_target0;
	unsigned int i;

	if (!(v->cpu_ctls & CPU_CR3_LOAD))
		return false;
	for (i = 0; i < v->cr3_target_count && i < 4; i++)
		if (target[i] == val)
			return false;
	return true;
}

static bool want_mov_to_cr(const struct vmcs12 *v, unsigned int n, u64 val)
{
	switch (n) {
	case 0:
		return (val ^ v->cr0_read_shadow) & v->cr0_mask;
	case 3:
		return want_cr3_load(v, val);
	case 4:
		return (val ^ v->cr4_read_shadow) & v->cr4_mask;
	default:
		return v->cpu_ctls & CPU_CR8_LOAD;
	}
}

static bool want_mov_from_cr(const struct vmcs12 *v, unsigned int n)
{
	switch (n) {
	case 3:
		return v->cpu_ctls & CPU_CR3_STORE;
	case 8:
		return v->cpu_ctls & CPU_CR8_STORE;
	default:
		return false;
	}
}

bool nvmx_want_cr(const struct vmcs12 *v, u64 qual, u64 val)
{
	switch (CR_QUAL_ACCESS(qual)) {
	case CR_MOV_TO:
		return want_mov_to_cr(v, CR_QUAL_NR(qual), val);
	case CR_MOV_FROM:
		return want_mov_from_cr(v, CR_QUAL_NR(qual));
	case CR_CLTS:
		return v->cr0_mask & v->cr0_read_shadow & X_CR0_TS;
	default:
		return want_cr0_lmsw(v, CR_QUAL_LMSW_SRC(qual));
	}
}
