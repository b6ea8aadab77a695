// SPDX-License-Identifier: GPL-2.0-only
/*
 * Machine-check registers (APM vol. 2 "Machine Check Architecture").  The host's
 * own machine checks are not shown; the VMM may plant errors (KVM_X86_SET_MCE).
 */
#include <asm/mce.h>
#include <asm/msr-index.h>

#include "core/msr_impl.h"

#define HWCR_MC_STATUS_WR_EN	BIT_ULL(18)

static u64 *bank_reg(struct nestor_vcpu *vcpu, u32 index)
{
	u32 n = index - MSR_IA32_MC0_CTL;

	if (index < MSR_IA32_MC0_CTL || n >= (vcpu->msr.mcg_cap & 0xff) * 4 ||
	    n >= MCE_BANKS * 4)
		return NULL;
	return &vcpu->mc_banks[n];
}

int mce_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	struct vcpu_msrs *m = &vcpu->msr;
	const u64 *bank;

	switch (index) {
	case MSR_IA32_MCG_CAP:
		*val = m->mcg_cap;
		return 0;
	case MSR_IA32_MCG_STATUS:
		*val = m->mcg_status;
		return 0;
	case MSR_IA32_MCG_CTL:
		if (!(m->mcg_cap & MCG_CTL_P) && !host)
			return -EINVAL;
		*val = m->mcg_ctl;
		return 0;
	}
	bank = bank_reg(vcpu, index);
	if (!bank)
		return -EINVAL;
	*val = *bank;
	return 0;
}

static int bank_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host)
{
	struct vcpu_msrs *m = &vcpu->msr;
	u64 *bank = bank_reg(vcpu, index);

	if (!bank)
		return -EINVAL;
	if (!host) {
		u32 kind = (index - MSR_IA32_MC0_CTL) & 3;

		/* Systems write all ones to CTL, some without bit 0 or 10 (known errata). */
		if (kind == 0 && val && (val | BIT(10) | 1) != ~0ull)
			return -EINVAL;
		/* Software may clear a status; setting one needs HWCR's leave. */
		if (kind == 1 && val && !(m->hwcr & HWCR_MC_STATUS_WR_EN))
			return -EINVAL;
	}
	*bank = val;
	return 0;
}

int mce_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host)
{
	struct vcpu_msrs *m = &vcpu->msr;

	switch (index) {
	case MSR_IA32_MCG_STATUS:
		m->mcg_status = val;
		return 0;
	case MSR_IA32_MCG_CTL:
		if (!(m->mcg_cap & MCG_CTL_P))
			return host ? 0 : -EINVAL;
		if (val && val != ~0ull)
			return -EINVAL;
		m->mcg_ctl = val;
		return 0;
	}
	return bank_set(vcpu, index, val, host);
}
