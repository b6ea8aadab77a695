// SPDX-License-Identifier: GPL-2.0-only
/*
 * What L1 is offered (SDM vol. 3, appendix "VMX Capability Reporting Facility"):
 * the rows of caps.def whose need the host meets, then without what depends on
 * something that is not there.  A control never stands without its CPUID
 * feature, and entry and exit controls go in pairs.  Pure.
 */
#include "core/hw_ops.h"
#include "nvmx/caps.h"
#include "nvmx/fields.h"

#define CR0_FIXED0	0x80000021ull	/* PG, NE, PE */
#define CR4_FIXED0	0x00002000ull	/* VMXE */
#define NR_CR3_TARGETS	4ull
#define TYPE_WB		6ull

/* EPT_VPID_CAP: what belongs to EPT and to VPIDs. */
#define EPTCAP_OF_EPT	GENMASK_ULL(31, 0)
#define EPTCAP_OF_VPID	GENMASK_ULL(63, 32)

static const struct cap_row {
	u16 word;		/* offset in struct nvmx_caps */
	u16 need;		/* offset in struct hw_caps + 1, 0 for none */
	bool control;		/* allowed-1 settings are in the upper half */
	u64 bits;
} rows[] = {
#define NEED_SOFT 0
#define NEED_HW(member) (offsetof(struct hw_caps, member) + 1)
#define NEED_unrestricted NEED_HW(unrestricted)
#define NEED_tpr_shadow NEED_HW(tpr_shadow)
#define NEED_apic_access NEED_HW(apic_access)
#define NEED_x2apic_virt NEED_HW(x2apic_virt)
#define NEED_apic_regs NEED_HW(apic_regs)
#define NEED_icpt_dtable NEED_HW(icpt_dtable)
#define NEED_icpt_rdtscp NEED_HW(icpt_rdtscp)
#define NEED_icpt_invpcid NEED_HW(icpt_invpcid)
#define NEED_icpt_rdrand NEED_HW(icpt_rdrand)
#define NEED_icpt_rdseed NEED_HW(icpt_rdseed)
#define NEED_icpt_xsaves NEED_HW(icpt_xsaves)
#define NEED_icpt_vmfunc NEED_HW(icpt_vmfunc)
#define NEED_ple NEED_HW(ple)
#define NEED_zero_len NEED_HW(zero_len)
#define NEED_tsc_scaling NEED_HW(tsc_scaling)
#define NEED_root_exec_only NEED_HW(root_exec_only)
#define C(word_, bit_, need_)							\
	{									\
		.word = offsetof(struct nvmx_caps, word_), .need = NEED_##need_,	\
		.control = offsetof(struct nvmx_caps, word_) < offsetof(struct nvmx_caps, misc) && \
			   offsetof(struct nvmx_caps, word_) > offsetof(struct nvmx_caps, basic), \
		.bits = (bit_),							\
	},
#include "nvmx/caps.def"
#undef C
};

/* The field that each capability brings exists when one of these bits may be 1. */
static u32 fields_of(const struct nvmx_caps *c)
{
	static const struct {
		u16 word;
		u8 cap;
		u32 bits;
	} map[] = {
#define M(cap_, word_, bits_) { offsetof(struct nvmx_caps, word_), VMCS_CAP_##cap_, bits_ }
		M(VPID, cpu2, CPU2_VPID),
		M(POSTED_INTR, pin, PIN_POSTED_INTR),
		M(EPT_VE, cpu2, CPU2_EPT_VE),
		M(VID, cpu2, CPU2_VID),
		M(PML, cpu2, CPU2_PML),
		M(MSR_BITMAP, cpu, CPU_MSR_BITMAPS),
		M(TPR_SHADOW, cpu, CPU_TPR_SHADOW),
		M(APIC_ACCESS, cpu2, CPU2_APIC_ACCESS),
		M(VMFUNC, cpu2, CPU2_VMFUNC),
		M(EPT, cpu2, CPU2_EPT),
		M(VMCS_SHADOW, cpu2, CPU2_VMCS_SHADOW),
		M(XSAVES, cpu2, CPU2_XSAVES),
		M(ENCLS, cpu2, CPU2_ENCLS),
		M(TSC_SCALING, cpu2, CPU2_TSC_SCALING),
		M(PAT, entry, ENTRY_LOAD_PAT),
		M(PAT, exit, EXIT_SAVE_PAT | EXIT_LOAD_PAT),
		M(EFER, entry, ENTRY_LOAD_EFER),
		M(EFER, exit, EXIT_SAVE_EFER | EXIT_LOAD_EFER),
		M(PERF_GLOBAL, entry, ENTRY_LOAD_PERF_GLOBAL),
		M(PERF_GLOBAL, exit, EXIT_LOAD_PERF_GLOBAL),
		M(BNDCFGS, entry, ENTRY_LOAD_BNDCFGS),
		M(BNDCFGS, exit, EXIT_CLEAR_BNDCFGS),
		M(SECONDARY, cpu, CPU_SECONDARY),
		M(PLE, cpu2, CPU2_PLE),
		M(PREEMPTION_TIMER, pin, PIN_PREEMPTION_TIMER),
#undef M
	};
	u32 fields = BIT(VMCS_CAP_ALWAYS);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(map); i++) {
		u64 word = *(const u64 *)((const char *)c + map[i].word);

		if ((word >> 32) & map[i].bits)
			fields |= BIT(map[i].cap);
	}
	return fields;
}

/* Must be 1 and, for that, may be 1. */
static u64 must(u32 bits)
{
	return bits | (u64)bits << 32;
}

static void derive(struct nvmx_caps *c)
{
	/* Without the TRUE MSRs the default1 classes are what L1 goes by. */
	if (!(c->basic & BASIC_TRUE_CTLS)) {
		c->pin |= must(DEFAULT1_PIN);
		c->cpu |= must(DEFAULT1_CPU);
		c->exit |= must(DEFAULT1_EXIT);
		c->entry |= must(DEFAULT1_ENTRY);
	}
	c->fields = fields_of(c);
}

/* Software's counts as those of most CPUs do. */
unsigned int nvmx_timer_rate(const struct hw_caps *hw)
{
	return hw->timer ? hw->timer_rate : 5;
}

void nvmx_caps_max(const struct hw_caps *hw, struct nvmx_caps *c)
{
	unsigned int i;

	*c = (struct nvmx_caps){
		.basic = VMCS12_REVISION | (u64)VMCS12_SIZE << BASIC_SIZE_SHIFT |
			 TYPE_WB << BASIC_TYPE_SHIFT | BASIC_INS_OUTS | BASIC_TRUE_CTLS,
		.pin = must(DEFAULT1_PIN),
		/* The TRUE MSRs let go of CR3 exiting and of the debug controls. */
		.cpu = must(DEFAULT1_CPU & ~(CPU_CR3_LOAD | CPU_CR3_STORE)),
		.exit = must(DEFAULT1_EXIT & ~EXIT_SAVE_DEBUG),
		.entry = must(DEFAULT1_ENTRY & ~ENTRY_LOAD_DEBUG),
		.misc = NR_CR3_TARGETS << MISC_CR3_TARGETS_SHIFT,
		.cr0_fixed0 = CR0_FIXED0,
		.cr0_fixed1 = 0xffffffff,
		.cr4_fixed0 = CR4_FIXED0,
		.cr4_fixed1 = 0xffffffff,
	};
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 *word = (u64 *)((char *)c + rows[i].word);

		if (rows[i].need && !*((const bool *)hw + rows[i].need - 1))
			continue;
		*word |= rows[i].control ? rows[i].bits << 32 : rows[i].bits;
	}
	c->misc |= nvmx_timer_rate(hw) & MISC_TIMER_RATE;
	derive(c);
	c->vmcs_enum = vmcs12_highest(c);
}

/* A VMM may have demanded it: what must be 1 and may not lets no entry succeed. */
static void hide(u64 *word, u32 bits)
{
	*word &= ~((u64)bits << 32 | bits);
}

/* Secondary controls that the SDM ties to another control ("Checks on VMX Controls"). */
static void fit_dependent(struct nvmx_caps *c)
{
	if (!cap_may(c->cpu, CPU_TPR_SHADOW))
		hide(&c->cpu2, CPU2_X2APIC | CPU2_APIC_REGS | CPU2_VID);
	if (!cap_may(c->pin, PIN_EXT_INTR))
		hide(&c->cpu2, CPU2_VID);
	if (!cap_may(c->cpu2, CPU2_VID) || !cap_may(c->exit, EXIT_ACK_INTR))
		hide(&c->pin, PIN_POSTED_INTR);
	if (!cap_may(c->pin, PIN_NMI))
		hide(&c->pin, PIN_VIRTUAL_NMI);
	if (!cap_may(c->pin, PIN_VIRTUAL_NMI))
		hide(&c->cpu, CPU_NMI_WINDOW);
	if (!cap_may(c->pin, PIN_PREEMPTION_TIMER))
		hide(&c->exit, EXIT_SAVE_TIMER);
	if (!cap_may(c->cpu2, CPU2_EPT)) {
		/* There is no VM function but EPTP switching. */
		hide(&c->cpu2, CPU2_UNRESTRICTED | CPU2_PML | CPU2_EPT_VE | CPU2_MODE_EXEC |
			       CPU2_VMFUNC);
		c->ept_vpid &= ~EPTCAP_OF_EPT;
	}
	if (!(c->ept_vpid & EPTCAP_AD))
		hide(&c->cpu2, CPU2_PML);
	if (!cap_may(c->cpu2, CPU2_VPID))
		c->ept_vpid &= ~EPTCAP_OF_VPID;
	if (!cap_may(c->cpu2, CPU2_VMFUNC))
		c->vmfunc = 0;
}

/* Both directions or none. */
static void fit_pairs(struct nvmx_caps *c)
{
	const u32 exit_pat = EXIT_SAVE_PAT | EXIT_LOAD_PAT;
	const u32 exit_efer = EXIT_SAVE_EFER | EXIT_LOAD_EFER;

	if (!cap_may(c->entry, ENTRY_LOAD_PAT) || !cap_may(c->exit, exit_pat)) {
		hide(&c->entry, ENTRY_LOAD_PAT);
		hide(&c->exit, exit_pat);
	}
	if (!cap_may(c->entry, ENTRY_LOAD_EFER) || !cap_may(c->exit, exit_efer)) {
		hide(&c->entry, ENTRY_LOAD_EFER);
		hide(&c->exit, exit_efer);
	}
	if (!cap_may(c->entry, ENTRY_IA32E) || !cap_may(c->exit, EXIT_HOST_64)) {
		hide(&c->entry, ENTRY_IA32E);
		hide(&c->exit, EXIT_HOST_64);
	}
}

void nvmx_caps_fit(const struct nvmx_caps *offer, const struct nvmx_cpu *cpu,
		   struct nvmx_caps *c)
{
	*c = *offer;
	c->cr4_fixed1 &= (cpu->cr4 | c->cr4_fixed0) & 0xffffffff;
	if (!cpu->lm) {
		hide(&c->exit, EXIT_HOST_64);
		hide(&c->entry, ENTRY_IA32E);
	}
	if (!cpu->rdtscp)
		hide(&c->cpu2, CPU2_RDTSCP);
	if (!cpu->invpcid)
		hide(&c->cpu2, CPU2_INVPCID);
	if (!cpu->xsaves)
		hide(&c->cpu2, CPU2_XSAVES);
	if (!cpu->rdrand)
		hide(&c->cpu2, CPU2_RDRAND);
	if (!cpu->rdseed)
		hide(&c->cpu2, CPU2_RDSEED);
	if (!cap_may(c->cpu, CPU_SECONDARY))
		c->cpu2 = 0;
	fit_pairs(c);
	fit_dependent(c);
	derive(c);
}
