// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs about the processor itself: speculation controls, features, microcode
 * revision, and registers that systems touch without asking.
 */
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/msr-index.h>

#include "core/hw_ops.h"
#include "core/msr_impl.h"

#define HWCR_TSC_FREQ_SEL	BIT_ULL(24)
#define HWCR_MC_STATUS_WR_EN	BIT_ULL(18)
/* FFDIS, IGNNE emulation and TLBCACHEDIS of old kernels: harmless, dropped. */
#define HWCR_IGNORED		(BIT_ULL(3) | BIT_ULL(6) | BIT_ULL(8))

static bool has_ibpb(const struct nestor_vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *x8 = cpuid_find(vcpu, 0x80000008, 0);
	const struct kvm_cpuid_entry2 *l7 = cpuid_find(vcpu, 7, 0);

	return (x8 && (x8->ebx & BIT(12))) || (l7 && (l7->edx & BIT(26)));
}

int spec_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	if (!hw_caps.spec_ctrl || (!host && !vcpu->cpuid.has_spec_ctrl))
		return -EINVAL;
	*val = vcpu->msr.spec_ctrl;
	return 0;
}

int spec_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (index == MSR_IA32_PRED_CMD) {
		if ((!host && !has_ibpb(vcpu)) || (val & ~(u64)PRED_CMD_IBPB))
			return -EINVAL;
		if (!boot_cpu_has(X86_FEATURE_IBPB))
			return val ? -EINVAL : 0;
		if (val)
			wrmsrl(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
		return 0;
	}
	if (!hw_caps.spec_ctrl || (!host && !vcpu->cpuid.has_spec_ctrl))
		return -EINVAL;
	if (val & ~(u64)(SPEC_CTRL_IBRS | SPEC_CTRL_STIBP | SPEC_CTRL_SSBD))
		return -EINVAL;
	vcpu->msr.spec_ctrl = val;
	return 0;
}

int misc_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	const struct vcpu_msrs *m = &vcpu->msr;

	switch (index) {
	case MSR_IA32_MISC_ENABLE:
		*val = m->misc_enable;
		return 0;
	case MSR_K7_HWCR:
		*val = m->hwcr;
		return 0;
	case MSR_IA32_UCODE_REV:
		*val = vcpu->cpuid.amd ? m->patch_level : m->bios_sign;
		return 0;
	case MSR_AMD64_DE_CFG:
		return msr_feature_get(index, val);
	case MSR_PLATFORM_INFO:
		if (vcpu->cpuid.amd && !host)
			return -EINVAL;
		*val = m->platform_info;
		return 0;
	}
	return -EINVAL;
}

static int hwcr_set(struct nestor_vcpu *vcpu, u64 val)
{
	val &= ~HWCR_IGNORED;
	if (val & ~(HWCR_MC_STATUS_WR_EN | HWCR_TSC_FREQ_SEL))
		return -EINVAL;
	vcpu->msr.hwcr = val;
	return 0;
}

int misc_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host)
{
	struct vcpu_msrs *m = &vcpu->msr;
	u64 now;

	switch (index) {
	case MSR_IA32_MISC_ENABLE:
		m->misc_enable = val;
		return 0;
	case MSR_K7_HWCR:
		return hwcr_set(vcpu, val);
	case MSR_IA32_UCODE_REV:
		/* L1 writes 0 before it reads the revision; the VMM may set it. */
		if (!host)
			return 0;
		m->bios_sign = val;
		m->patch_level = val;
		return 0;
	case MSR_AMD64_DE_CFG:
		/* L1 may turn on what is on; Linux does. */
		msr_feature_get(index, &now);
		return (val & ~now) ? -EINVAL : 0;
	case MSR_PLATFORM_INFO:
		if (!host)
			return -EINVAL;
		m->platform_info = val;
		return 0;
	}
	return -EINVAL;
}

int zero_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	*val = 0;
	return 0;
}

int zero_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host)
{
	return 0;
}

int intel_zero_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	*val = 0;
	return vcpu->cpuid.amd && !host ? -EINVAL : 0;
}

int intel_zero_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host)
{
	return vcpu->cpuid.amd && !host ? -EINVAL : 0;
}

/*
 * SMBASE moves with RSM, so the VMM alone reads and writes it here.  The count of
 * SMIs is Intel's; no one counts down.
 */
int smm_msr_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	if (!host && (index == MSR_IA32_SMBASE || vcpu->cpuid.amd))
		return -EINVAL;
	*val = index == MSR_IA32_SMBASE ? vcpu->msr.smbase : vcpu->msr.smi_count;
	return 0;
}

int smm_msr_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (!host || val >> 32)
		return -EINVAL;
	if (index == MSR_IA32_SMBASE)
		vcpu->msr.smbase = val;
	else
		vcpu->msr.smi_count = val;
	return 0;
}

/* APM "OS-Visible Workarounds": four errata are known, none needs software's help in L1. */
#define OSVW_LENGTH	4

static bool has_osvw(const struct nestor_vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(vcpu, 0x80000001, 0);

	return e && (e->ecx & BIT(9));
}

int osvw_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	if (!host && !has_osvw(vcpu))
		return -EINVAL;
	*val = index == MSR_AMD64_OSVW_ID_LENGTH ? OSVW_LENGTH : 0;
	return 0;
}

int osvw_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host)
{
	/* The VMM may restore what it read; L1 has nothing to write here. */
	return host ? 0 : -EINVAL;
}
