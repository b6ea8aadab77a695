// SPDX-License-Identifier: GPL-2.0-only
/*
 * merge, the controls: (vmcs12, policy) -> guest_run, each with its reason.
 *
 * An intercept is on when L1 asked for it, when the architecture leaves L1 no
 * choice, or when L0 has a need of its own while a guest runs.  L0's needs start
 * from those it has of L1 (struct nvmx_policy), less what belongs to L1's run alone.
 */
#include "nvmx/merge.h"

/*
 * Host events, ports and MSRs are L0's of any guest; CPUID, INVD, XSETBV, task
 * switches and shutdown exit without a control (SDM vol. 3, "Instructions That Cause
 * VM Exits Unconditionally", "Other Causes of VM Exits").
 */
#define NEED_MISC1	(ICPT_INTR | ICPT_NMI | ICPT_SMI | ICPT_INIT | ICPT_IOIO | ICPT_MSR | \
			 ICPT_INVLPGA | ICPT_SHUTDOWN | ICPT_CPUID | ICPT_INVD | ICPT_TASK_SWITCH)
/* SVM instructions would act on the host; L2 does not have them. */
#define NEED_MISC2	(ICPT_VMRUN | ICPT_VMMCALL | ICPT_VMLOAD | ICPT_VMSAVE | ICPT_STGI | \
			 ICPT_CLGI | ICPT_SKINIT | ICPT_XSETBV)
#define NEED_EXCEPTION	(1u << 18)	/* #MC is the host's */

/* Windows on L1 and the watch for its IRET: core opens them again on the run that is current. */
#define L1_ONLY_MISC1	(ICPT_VINTR | ICPT_IRET)
#define L1_ONLY_MISC3	(ICPT_NMI_WINDOW | ICPT_MTF)

#define ALL_DR		0xffffffffu
#define DTABLES		(ICPT_IDTR_READ | ICPT_GDTR_READ | ICPT_LDTR_READ | ICPT_TR_READ | \
			 ICPT_IDTR_WRITE | ICPT_GDTR_WRITE | ICPT_LDTR_WRITE | ICPT_TR_WRITE)
#define VECTOR_PF	14
#define CR8		(ICPT_CR_READ(8) | ICPT_CR_WRITE(8))

static u32 icpt_if(u32 word, u32 control, u32 bits)
{
	return word & control ? bits : 0;
}

static u32 cpu2(const struct vmcs12 *v)
{
	return v->cpu_ctls & CPU_SECONDARY ? v->cpu_ctls2 : 0;
}

static u32 want_cr(const struct vmcs12 *v, u32 need)
{
	u32 cpu = v->cpu_ctls;

	/* Without a TPR shadow CR8 is L1's own TPR, and L0 emulates it. */
	if (cpu & CPU_TPR_SHADOW)
		need &= ~CR8;
	else
		need |= CR8;
	return need | icpt_if(cpu, CPU_CR3_LOAD, ICPT_CR_WRITE(3)) |
	       icpt_if(cpu, CPU_CR3_STORE, ICPT_CR_READ(3)) |
	       icpt_if(cpu, CPU_CR8_LOAD, ICPT_CR_WRITE(8)) |
	       icpt_if(cpu, CPU_CR8_STORE, ICPT_CR_READ(8));
}

static u32 want_misc1(const struct vmcs12 *v)
{
	u32 cpu = v->cpu_ctls;

	return icpt_if(cpu, CPU_INTR_WINDOW, ICPT_VINTR) | icpt_if(cpu, CPU_HLT, ICPT_HLT) |
	       icpt_if(cpu, CPU_INVLPG, ICPT_INVLPG) | icpt_if(cpu, CPU_RDPMC, ICPT_RDPMC) |
	       icpt_if(cpu, CPU_RDTSC, ICPT_RDTSC) | icpt_if(cpu, CPU_PAUSE, ICPT_PAUSE) |
	       icpt_if(cpu2(v), CPU2_PLE, ICPT_PAUSE) | icpt_if(cpu2(v), CPU2_DTABLE, DTABLES);
}

static u32 want_misc2(const struct vmcs12 *v)
{
	u32 cpu = v->cpu_ctls, w;

	w = icpt_if(cpu, CPU_MWAIT, ICPT_MWAIT) | icpt_if(cpu, CPU_MONITOR, ICPT_MONITOR) |
	    icpt_if(cpu2(v), CPU2_WBINVD, ICPT_WBINVD);
	if (cpu & CPU_RDTSC)
		w |= ICPT_RDTSCP;
	return w;
}

static u32 want_misc3(const struct vmcs12 *v)
{
	u32 cpu = v->cpu_ctls, w;

	w = icpt_if(cpu2(v), CPU2_RDRAND, ICPT_RDRAND) | icpt_if(cpu2(v), CPU2_RDSEED, ICPT_RDSEED) |
	    icpt_if(cpu, CPU_MTF, ICPT_MTF) | icpt_if(cpu, CPU_NMI_WINDOW, ICPT_NMI_WINDOW);
	if (cpu & CPU_INVLPG)
		w |= ICPT_INVPCID;
	/* These exist only when they are asked for; what VMFUNC does is software's. */
	return w | icpt_if(cpu2(v), CPU2_XSAVES, ICPT_XSAVES) |
	       icpt_if(cpu2(v), CPU2_VMFUNC, ICPT_VMFUNC);
}

/* What L1 did not enable is #UD. */
static u32 want_ud(const struct vmcs12 *v)
{
	u32 ud = 0;

	if (!(cpu2(v) & CPU2_RDTSCP))
		ud |= UD_RDTSCP;
	if (!(cpu2(v) & CPU2_INVPCID))
		ud |= UD_INVPCID;
	if (!(cpu2(v) & CPU2_XSAVES))
		ud |= UD_XSAVES;
	return ud;
}

/* L0 with a need of its own sees every #PF, and L1's filter is applied at the exit. */
static void merge_exceptions(const struct vmcs12 *v, const struct nvmx_policy *l0,
			     struct guest_run *out)
{
	bool all = l0->intercept[ICPT_EXCEPTION] & (1u << VECTOR_PF);

	out->intercept[ICPT_EXCEPTION] = v->exception_bitmap | l0->intercept[ICPT_EXCEPTION] |
					 NEED_EXCEPTION;
	out->pf_mask = all ? 0 : v->pfec_mask;
	out->pf_match = all ? 0 : v->pfec_match;
}

/* A loop of PAUSEs that only one of the two watches goes by that one's figures; for both, the tighter. */
static void merge_pause(const struct vmcs12 *v, const struct nvmx_policy *l0,
			struct guest_run *out)
{
	bool every = v->cpu_ctls & CPU_PAUSE, loops = cpu2(v) & CPU2_PLE;

	/* L1 that wants every PAUSE wants no filter. */
	out->pause_count = every ? 0 : l0->pause_count;
	out->pause_thresh = every ? 0 : l0->pause_thresh;
	out->ple_gap = l0->ple_gap;
	out->ple_window = every ? 0 : l0->ple_window;
	if (every || !loops)
		return;
	out->ple_gap = l0->ple_window ? max((u32)v->ple_gap, l0->ple_gap) : v->ple_gap;
	out->ple_window = l0->ple_window ? min((u32)v->ple_window, l0->ple_window) : v->ple_window;
	/* A window of 0 is one that is always over. */
	if (!out->ple_window)
		out->ple_window = 1;
}

/*
 * L2's TSC is (host * r0 + o0) * r1 + o1, with r1 only under both controls (SDM vol. 3,
 * "Changes to Instruction Behavior in VMX Non-Root Operation", RDTSC).
 */
static void merge_tsc(const struct vmcs12 *v, const struct nvmx_policy *l0, struct guest_run *out)
{
	bool offset = v->cpu_ctls & CPU_TSC_OFFSET;
	u64 ratio = offset && (cpu2(v) & CPU2_TSC_SCALING) ? v->tsc_multiplier : 0;

	out->tsc_offset = tsc_scale_signed(l0->tsc_offset, ratio) + (offset ? v->tsc_offset : 0);
	out->tsc_ratio = ratio ? tsc_scale(l0->tsc_ratio ? l0->tsc_ratio : 1ull << 48, ratio) :
				 l0->tsc_ratio;
}

void nvmx_merge_controls(const struct vmcs12 *v, const struct nvmx_policy *l0,
			 struct guest_run *out)
{
	const u32 *need = l0->intercept;

	out->intercept[ICPT_CR] = want_cr(v, need[ICPT_CR]);
	out->intercept[ICPT_DR] = need[ICPT_DR] | icpt_if(v->cpu_ctls, CPU_MOV_DR, ALL_DR);
	merge_exceptions(v, l0, out);
	out->intercept[ICPT_MISC1] = want_misc1(v) | NEED_MISC1 |
				     (need[ICPT_MISC1] & ~L1_ONLY_MISC1);
	out->intercept[ICPT_MISC2] = want_misc2(v) | NEED_MISC2 | need[ICPT_MISC2];
	out->intercept[ICPT_MISC3] = want_misc3(v) | (need[ICPT_MISC3] & ~L1_ONLY_MISC3);
	out->ud_insns = want_ud(v) | l0->ud_insns;
	merge_pause(v, l0, out);
	/* L0's own bits of CR0 and CR4 are the backend's business, below these. */
	out->cr0_mask = v->cr0_mask;
	out->cr0_shadow = v->cr0_read_shadow;
	out->cr4_mask = v->cr4_mask;
	out->cr4_shadow = v->cr4_read_shadow;
	merge_tsc(v, l0, out);
}

struct guest_event nvmx_event_decode(u32 info, u32 error)
{
	return (struct guest_event){
		.valid = info & INTR_INFO_VALID,
		.type = (info & INTR_INFO_TYPE) >> INTR_INFO_TYPE_SHIFT,
		.vector = info & INTR_INFO_VECTOR,
		.has_error = info & INTR_INFO_ERROR,
		.error = info & INTR_INFO_ERROR ? error : 0,
	};
}

u32 nvmx_event_encode(const struct guest_event *ev)
{
	if (!ev->valid)
		return 0;
	return INTR_INFO_VALID | ev->vector | (u32)ev->type << INTR_INFO_TYPE_SHIFT |
	       (ev->has_error ? INTR_INFO_ERROR : 0);
}
