// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of MSRs, for RDMSR and WRMSR exits and for KVM_GET/SET_MSRS.
 *
 * A line is a range and its two handlers, in core/msr_*.c.  An MSR that has no
 * line may be the frontend's (SVM's own); else it does not exist and L1 gets #GP.
 * Every MSR in the list given to the VMM can be read and written by it, with any
 * value it read before: VMMs give up when one is refused.
 */
#include <asm/cpufeature.h>
#include <asm/kvm_para.h>
#include <asm/mce.h>
#include <asm/msr-index.h>

#include "core/hw_ops.h"
#include "core/msr_impl.h"
#include "core/nested_ops.h"
#include "core/smram.h"

#define R1(n, g, s)	{ n, n, g, s }
#define RN(a, b, g, s)	{ a, b, g, s }
#define RQ(n, g, s)	{ n, n, g, s, true }

/* Often used ones first: the search is linear. */
static const struct msr_desc table[] = {
	{ 0x800, 0x8ff, apic_get, apic_set, true },		/* x2APIC */
	RQ(MSR_IA32_TSC_DEADLINE, time_get, time_set),
	R1(MSR_IA32_SPEC_CTRL, spec_get, spec_set),
	R1(MSR_IA32_PRED_CMD, NULL, spec_set),
	RN(MSR_FS_BASE, MSR_KERNEL_GS_BASE, sys_get, sys_set),
	R1(MSR_IA32_TSC, time_get, time_set),
	R1(MSR_EFER, sys_get, sys_set),
	RN(MSR_STAR, MSR_SYSCALL_MASK, sys_get, sys_set),
	RN(MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_EIP, sys_get, sys_set),
	R1(MSR_TSC_AUX, time_get, time_set),
	R1(MSR_IA32_TSC_ADJUST, time_get, time_set),
	R1(MSR_IA32_XSS, xss_get, xss_set),
	R1(MSR_IA32_APICBASE, apic_get, apic_set),
	RN(MSR_KVM_WALL_CLOCK, MSR_KVM_SYSTEM_TIME, time_get, time_set),
	RN(MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_SYSTEM_TIME_NEW, time_get, time_set),
	R1(MSR_KVM_PV_EOI_EN, pv_eoi_get, pv_eoi_set),
	R1(MSR_IA32_DEBUGCTLMSR, lbr_get, lbr_set),
	RN(MSR_IA32_LASTBRANCHFROMIP, MSR_IA32_LASTINTTOIP, lbr_get, lbr_set),

	R1(MSR_IA32_CR_PAT, pat_get, pat_set),
	R1(MSR_MTRRcap, mtrr_get, NULL),
	RN(0x200, 0x20f, mtrr_get, mtrr_set),			/* variable ranges */
	R1(MSR_MTRRfix64K_00000, mtrr_get, mtrr_set),
	RN(MSR_MTRRfix16K_80000, MSR_MTRRfix16K_A0000, mtrr_get, mtrr_set),
	RN(MSR_MTRRfix4K_C0000, MSR_MTRRfix4K_F8000, mtrr_get, mtrr_set),
	R1(MSR_MTRRdefType, mtrr_get, mtrr_set),

	R1(MSR_IA32_MCG_CAP, mce_get, NULL),
	RN(MSR_IA32_MCG_STATUS, MSR_IA32_MCG_CTL, mce_get, mce_set),
	RN(MSR_IA32_MC0_CTL, MSR_IA32_MC0_CTL + 32 * 4 - 1, mce_get, mce_set),
	RN(MSR_IA32_P5_MC_ADDR, MSR_IA32_P5_MC_TYPE, zero_get, zero_set),

	R1(MSR_IA32_MISC_ENABLE, misc_get, misc_set),
	R1(MSR_K7_HWCR, misc_get, misc_set),
	RQ(MSR_IA32_UCODE_REV, misc_get, misc_set),		/* PATCH_LEVEL on AMD */
	R1(MSR_AMD64_DE_CFG, misc_get, misc_set),
	R1(MSR_PLATFORM_INFO, misc_get, misc_set),
	RN(MSR_AMD64_OSVW_ID_LENGTH, MSR_AMD64_OSVW_STATUS, osvw_get, osvw_set),

	/* Microcode loaders: the loader is told nothing happened by the revision. */
	R1(MSR_IA32_UCODE_WRITE, NULL, zero_set),
	R1(MSR_AMD64_PATCH_LOADER, NULL, zero_set),

	/* AMD registers that systems read without asking CPUID: 0, writes are ignored. */
	R1(MSR_AMD64_SYSCFG, zero_get, zero_set),
	RN(0xc0010000, 0xc0010007, zero_get, zero_set),	/* PerfEvtSel, PerfCtr: no PMU */
	RN(0xc0010016, 0xc001001a, zero_get, zero_set),	/* IORRs, TOP_MEM */
	R1(0xc001001d, zero_get, zero_set),			/* TOP_MEM2 */
	R1(MSR_AMD64_NB_CFG, zero_get, zero_set),
	R1(MSR_K8_INT_PENDING_MSG, zero_get, zero_set),
	R1(MSR_FAM10H_MMIO_CONF_BASE, zero_get, zero_set),
	RN(MSR_K8_TSEG_ADDR, MSR_K8_TSEG_MASK, zero_get, zero_set),
	R1(MSR_AMD64_DC_CFG, zero_get, zero_set),
	R1(MSR_AMD64_BU_CFG2, zero_get, zero_set),
	R1(0xc001102c, zero_get, zero_set),			/* EX_CFG */

	/* The same of Intel's, for an L1 that is shown an Intel processor. */
	R1(MSR_IA32_PLATFORM_ID, intel_zero_get, intel_zero_set),
	R1(MSR_IA32_EBL_CR_POWERON, intel_zero_get, intel_zero_set),
	R1(MSR_SMI_COUNT, smm_msr_get, smm_msr_set),
	R1(MSR_IA32_SMBASE, smm_msr_get, smm_msr_set),
	R1(MSR_IA32_POWER_CTL, intel_zero_get, intel_zero_set),
	RN(MSR_IA32_PERF_STATUS, MSR_IA32_PERF_CTL, intel_zero_get, intel_zero_set),
	RN(0x1c8, 0x1c9, intel_zero_get, intel_zero_set),	/* LBR_SELECT, LASTBRANCH_TOS */
	RN(0x680, 0x69f, intel_zero_get, intel_zero_set),	/* branch records */
	RN(0x6c0, 0x6df, intel_zero_get, intel_zero_set),
	RN(0xdc0, 0xddf, intel_zero_get, intel_zero_set),
};

static const struct msr_desc *find_desc(u32 index)
{
	const struct msr_desc *d;

	for (d = table; d < table + ARRAY_SIZE(table); d++)
		if (index >= d->first && index <= d->last)
			return d;
	return NULL;
}

bool msr_known(struct nestor_vcpu *vcpu, u32 index)
{
	bool fault = false;
	u64 val;

	return find_desc(index) || nested->get_msr(vcpu, index, &val, true, &fault);
}

int msr_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	const struct msr_desc *d = find_desc(index);
	bool fault = false;

	if (d)
		return d->get ? d->get(vcpu, index, val, host) : -EINVAL;
	return nested->get_msr(vcpu, index, val, host, &fault) && !fault ? 0 : -EINVAL;
}

int msr_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host)
{
	const struct msr_desc *d = find_desc(index);
	bool fault = false;
	u64 old;

	if (d && d->set)
		return d->set(vcpu, index, val, host);
	if (d)
		return host && !d->get(vcpu, index, &old, host) && old == val ? 0 : -EINVAL;
	return nested->set_msr(vcpu, index, val, host, &fault) && !fault ? 0 : -EINVAL;
}

bool msr_set_quick(struct nestor_vcpu *vcpu, u32 index, u64 val)
{
	const struct msr_desc *d = find_desc(index);

	return d && d->quick && !d->set(vcpu, index, val, false);
}

void msr_reset(struct nestor_vcpu *vcpu, bool init)
{
	struct vcpu_msrs *m = &vcpu->msr;
	u64 apic_base = m->apic_base, mcg_cap = m->mcg_cap;
	u64 bios_sign = m->bios_sign, patch = m->patch_level;

	/* APM "Processor Initialization State": INIT leaves these MSRs alone. */
	if (init)
		return;
	memset(m, 0, sizeof(*m));
	memset(vcpu->mc_banks, 0, MCE_BANKS * 4 * sizeof(u64));
	/* The local APIC resets its base itself; this one counts without it. */
	m->apic_base = apic_base;
	if (!m->apic_base)
		m->apic_base = 0xfee00000 | MSR_IA32_APICBASE_ENABLE |
			       (vcpu->id == vcpu->vm->bsp_id ? MSR_IA32_APICBASE_BSP : 0);
	m->mcg_cap = mcg_cap ? mcg_cap : 32;
	m->smbase = SMBASE_RESET;
	m->misc_enable = MSR_IA32_MISC_ENABLE_FAST_STRING |
			 MSR_IA32_MISC_ENABLE_BTS_UNAVAIL | MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL;
	m->bios_sign = bios_sign;
	m->patch_level = patch;
	if (m->mcg_cap & MCG_CTL_P)
		m->mcg_ctl = ~0ull;
}

/* What a VMM saves and restores. */
static const u32 save_list[] = {
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	MSR_STAR, MSR_CSTAR, MSR_KERNEL_GS_BASE, MSR_SYSCALL_MASK, MSR_LSTAR,
	MSR_IA32_TSC, MSR_IA32_CR_PAT, MSR_IA32_TSC_ADJUST, MSR_IA32_TSC_DEADLINE,
	MSR_IA32_MISC_ENABLE, MSR_IA32_MCG_STATUS, MSR_IA32_MCG_CTL,
	MSR_KVM_SYSTEM_TIME, MSR_KVM_WALL_CLOCK,
	MSR_KVM_SYSTEM_TIME_NEW, MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_PV_EOI_EN,
	MSR_MTRRdefType, MSR_K7_HWCR,
	MSR_IA32_DEBUGCTLMSR, MSR_IA32_SMBASE, MSR_SMI_COUNT,
};

/* Beside the fixed lists: three of the host's, and the frontend's. */
#define MORE_MSRS	(3 + 32)

/* What a frontend has only on some hosts is in no list of the others. */
static bool lacks_feature(u32 msr)
{
	u32 i;
	u64 val;

	for (i = 0; i < nested->nr_feature_msrs; i++)
		if (nested->feature_msrs[i] == msr)
			return !nested->feature_msr(msr, &val);
	return false;
}

const u32 *msr_index_list(u32 *nr)
{
	static u32 list[ARRAY_SIZE(save_list) + MORE_MSRS];
	u32 n = ARRAY_SIZE(save_list), i;

	/* Every caller writes the same, so racing ones do no harm. */
	memcpy(list, save_list, sizeof(save_list));
	if (boot_cpu_has(X86_FEATURE_RDTSCP))
		list[n++] = MSR_TSC_AUX;
	if (hw_caps.spec_ctrl)
		list[n++] = MSR_IA32_SPEC_CTRL;
	if (cpuid_host_xsaves())
		list[n++] = MSR_IA32_XSS;
	for (i = 0; i < nested->nr_msrs && n < ARRAY_SIZE(list); i++)
		if (!lacks_feature(nested->msrs[i]))
			list[n++] = nested->msrs[i];
	*nr = n;
	return list;
}

static const u32 feature_list[] = { MSR_AMD64_DE_CFG, MSR_IA32_UCODE_REV };

const u32 *msr_feature_index_list(u32 *nr)
{
	static u32 list[ARRAY_SIZE(feature_list) + MORE_MSRS];
	u32 n = ARRAY_SIZE(feature_list), i;

	memcpy(list, feature_list, sizeof(feature_list));
	for (i = 0; i < nested->nr_feature_msrs && n < ARRAY_SIZE(list); i++)
		if (!lacks_feature(nested->feature_msrs[i]))
			list[n++] = nested->feature_msrs[i];
	*nr = n;
	return list;
}

int msr_feature_get(u32 index, u64 *val)
{
	switch (index) {
	case MSR_AMD64_DE_CFG:
		*val = boot_cpu_has(X86_FEATURE_LFENCE_RDTSC) ?
		       MSR_AMD64_DE_CFG_LFENCE_SERIALIZE : 0;
		return 0;
	case MSR_IA32_UCODE_REV:
		*val = boot_cpu_data.x86_vendor == X86_VENDOR_INTEL ?
		       (u64)boot_cpu_data.microcode << 32 : boot_cpu_data.microcode;
		return 0;
	}
	return nested->feature_msr(index, val) ? 0 : -EINVAL;
}
