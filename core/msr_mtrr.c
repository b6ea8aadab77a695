// SPDX-License-Identifier: GPL-2.0-only
/*
 * MTRRs and PAT (APM vol. 2 "Memory System", "Memory-Type Range Registers" and
 * "Page-Attribute Table Mechanism").  The MTRRs are kept for L1 to read back;
 * the second-level tables decide the memory type.
 */
#include <asm/msr-index.h>

#include "core/msr_impl.h"

#define MTRR_VARIABLE	8
/* 8 variable ranges, fixed ranges, write-combining */
#define MTRR_CAP	(MTRR_VARIABLE | BIT(8) | BIT(10))

static bool mtrr_type_ok(u8 type)
{
	return type == 0 || type == 1 || type == 4 || type == 5 || type == 6;
}

static bool all_bytes(u64 val, bool (*ok)(u8 type))
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		if (!ok(val >> (i * 8)))
			return false;
	return true;
}

static int fixed_slot(u32 index)
{
	switch (index) {
	case MSR_MTRRfix64K_00000:
		return 0;
	case MSR_MTRRfix16K_80000 ... MSR_MTRRfix16K_A0000:
		return 1 + (index - MSR_MTRRfix16K_80000);
	case MSR_MTRRfix4K_C0000 ... MSR_MTRRfix4K_F8000:
		return 3 + (index - MSR_MTRRfix4K_C0000);
	}
	return -1;
}

/* Where the register is kept; NULL for MTRRcap, which is constant. */
static u64 *mtrr_reg(struct vcpu_msrs *m, u32 index)
{
	unsigned int n = (index - 0x200) / 2;
	int slot = fixed_slot(index);

	if (index == MSR_MTRRdefType)
		return &m->mtrr_def_type;
	if (slot >= 0)
		return &m->mtrr_fixed[slot];
	if (index >= 0x200 && n < MTRR_VARIABLE)
		return index & 1 ? &m->mtrr_mask[n] : &m->mtrr_base[n];
	return NULL;
}

static bool mtrr_ok(const struct nestor_vcpu *vcpu, u32 index, u64 val)
{
	u64 rsvd = vcpu->cpuid.rsvd_gpa_bits;

	if (index == MSR_MTRRdefType)
		return !(val & ~0xcffull) && mtrr_type_ok(val);
	if (fixed_slot(index) >= 0)
		return all_bytes(val, mtrr_type_ok);
	if (index & 1)
		return !(val & (rsvd | 0x7ff));
	return !(val & (rsvd | 0xf00)) && mtrr_type_ok(val);
}

int mtrr_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	const u64 *reg = mtrr_reg(&vcpu->msr, index);

	*val = reg ? *reg : MTRR_CAP;
	return 0;
}

int mtrr_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host)
{
	u64 *reg = mtrr_reg(&vcpu->msr, index);

	if (!reg || !mtrr_ok(vcpu, index, val))
		return -EINVAL;
	*reg = val;
	return 0;
}

static bool pat_type_ok(u8 type)
{
	return type < 8 && type != 2 && type != 3;
}

int pat_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	run_need(vcpu->run, GRP_PAT);
	*val = vcpu->run->pat;
	return 0;
}

int pat_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (!all_bytes(val, pat_type_ok))
		return -EINVAL;
	vcpu->run->pat = val;
	run_dirty(vcpu->run, GRP_PAT);
	return 0;
}
