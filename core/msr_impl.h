/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside core/msr*.c: what the files of the MSR table offer each other. */
#ifndef NESTOR_CORE_MSR_IMPL_H
#define NESTOR_CORE_MSR_IMPL_H

#include "core/msr.h"
#include "core/x86.h"

/**
 * struct msr_desc - a range of MSRs that are treated alike
 * @first: first index
 * @last: last index
 * @get: 0 or -EINVAL (#GP); NULL: not readable
 * @set: the same for writing; NULL: only the VMM may write what is there already
 * @quick: @set never sleeps, and does nothing when it refuses
 */
struct msr_desc {
	u32 first, last;
	int (*get)(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host);
	int (*set)(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host);
	bool quick;
};

/* core/msr_mtrr.c */
int mtrr_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host);
int mtrr_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host);
int pat_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host);
int pat_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host);

/* core/msr_mce.c */
int mce_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host);
int mce_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host);

/* core/msr_sys.c: system calls, segment bases, EFER, branch records, TSC, XSS, APIC */
int sys_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host);
int sys_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host);
int lbr_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host);
int lbr_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host);
int time_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host);
int time_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host);
int xss_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host);
int xss_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host);
int pv_eoi_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host);
int pv_eoi_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host);
int apic_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host);
int apic_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host);

/* core/msr_misc.c: features, microcode, chipset-like registers of AMD and Intel */
int spec_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host);
int spec_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host);
int misc_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host);
int misc_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host);
int zero_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host);
int zero_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host);
int intel_zero_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host);
int intel_zero_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host);
int smm_msr_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host);
int smm_msr_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host);
int osvw_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host);
int osvw_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host);

/* 48-bit canonical; there is no LA57 here */
static inline bool canonical(u64 addr)
{
	return x_canonical(addr, 48);
}

#endif
