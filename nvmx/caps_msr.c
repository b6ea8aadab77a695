// SPDX-License-Identifier: GPL-2.0-only
/*
 * The capability MSRs: which exist, what they hold, and what a VMM may make of
 * them before the processor runs: less of it, never more.  Pure.
 */
#include "nvmx/caps.h"
#include "nvmx/vmcs12.h"

#define MISC_FEATURES	(MISC_STORE_LMA | MISC_ACTIVITY_HLT | MISC_ACTIVITY_SHUTDOWN | \
			 MISC_ACTIVITY_SIPI | MISC_VMWRITE_ALL | MISC_ZERO_LEN_INJECT)
#define MISC_CR3_TARGETS	(0x1ffull << MISC_CR3_TARGETS_SHIFT)
#define MISC_MSR_LIST	(7ull << MISC_MSR_LIST_SHIFT)
#define BASIC_FEATURES	(BASIC_INS_OUTS | BASIC_TRUE_CTLS)

static u64 with_default1(u64 word, u32 default1)
{
	return word | default1 | (u64)default1 << 32;
}

/* MSRs that exist only with what they tell about. */
static bool exists(const struct nvmx_caps *c, u32 msr)
{
	switch (msr) {
	case VMXMSR_BASIC ... VMXMSR_VMCS_ENUM:
		return true;
	case VMXMSR_CPU2:
		return cap_may(c->cpu, CPU_SECONDARY);
	case VMXMSR_EPT_VPID:
		return cap_may(c->cpu2, CPU2_EPT) || cap_may(c->cpu2, CPU2_VPID);
	case VMXMSR_TRUE_PIN ... VMXMSR_TRUE_ENTRY:
		return c->basic & BASIC_TRUE_CTLS;
	case VMXMSR_VMFUNC:
		return cap_may(c->cpu2, CPU2_VMFUNC);
	}
	return false;
}

/* Where the value of @msr is kept as it is; NULL for those that are made from another. */
static u64 *word_of(struct nvmx_caps *c, u32 msr)
{
	switch (msr) {
	case VMXMSR_BASIC:
		return &c->basic;
	case VMXMSR_MISC:
		return &c->misc;
	case VMXMSR_CR0_FIXED0:
		return &c->cr0_fixed0;
	case VMXMSR_CR0_FIXED1:
		return &c->cr0_fixed1;
	case VMXMSR_CR4_FIXED0:
		return &c->cr4_fixed0;
	case VMXMSR_CR4_FIXED1:
		return &c->cr4_fixed1;
	case VMXMSR_VMCS_ENUM:
		return &c->vmcs_enum;
	case VMXMSR_CPU2:
		return &c->cpu2;
	case VMXMSR_EPT_VPID:
		return &c->ept_vpid;
	case VMXMSR_TRUE_PIN:
		return &c->pin;
	case VMXMSR_TRUE_CPU:
		return &c->cpu;
	case VMXMSR_TRUE_EXIT:
		return &c->exit;
	case VMXMSR_TRUE_ENTRY:
		return &c->entry;
	case VMXMSR_VMFUNC:
		return &c->vmfunc;
	}
	return NULL;
}

bool nvmx_caps_get(const struct nvmx_caps *c, u32 msr, u64 *val)
{
	if (!exists(c, msr))
		return false;
	switch (msr) {
	case VMXMSR_PIN:
		*val = with_default1(c->pin, DEFAULT1_PIN);
		return true;
	case VMXMSR_CPU:
		*val = with_default1(c->cpu, DEFAULT1_CPU);
		return true;
	case VMXMSR_EXIT:
		*val = with_default1(c->exit, DEFAULT1_EXIT);
		return true;
	case VMXMSR_ENTRY:
		*val = with_default1(c->entry, DEFAULT1_ENTRY);
		return true;
	default:
		*val = *word_of((struct nvmx_caps *)c, msr);
		return true;
	}
}

static bool subset(u64 val, u64 of)
{
	return !(val & ~of);
}

/* What must be 1 may only grow, what may be 1 only shrink, and the first is in the second. */
static bool controls_ok(u64 val, u64 max)
{
	return subset((u32)max, (u32)val) && subset(val >> 32, max >> 32) &&
	       subset((u32)val, val >> 32);
}

static bool basic_ok(u64 val, u64 max)
{
	return subset(val & BASIC_FEATURES, max) &&
	       (val & ~BASIC_FEATURES) == (max & ~BASIC_FEATURES);
}

static bool misc_ok(u64 val, u64 max)
{
	const u64 counted = MISC_CR3_TARGETS | MISC_MSR_LIST;

	return subset(val & MISC_FEATURES, max) &&
	       (val & MISC_CR3_TARGETS) <= (max & MISC_CR3_TARGETS) &&
	       (val & MISC_MSR_LIST) <= (max & MISC_MSR_LIST) &&
	       (val & ~(MISC_FEATURES | counted)) == (max & ~(MISC_FEATURES | counted));
}

static bool word_ok(const struct nvmx_caps *c, const struct nvmx_caps *max, u32 msr, u64 val)
{
	switch (msr) {
	case VMXMSR_BASIC:
		return basic_ok(val, max->basic);
	case VMXMSR_MISC:
		return misc_ok(val, max->misc);
	case VMXMSR_CR0_FIXED0:
		return subset(max->cr0_fixed0, val) && subset(val, c->cr0_fixed1);
	case VMXMSR_CR4_FIXED0:
		return subset(max->cr4_fixed0, val) && subset(val, c->cr4_fixed1);
	case VMXMSR_VMCS_ENUM:
		return !(val & ~0x3feull) && val <= max->vmcs_enum;
	case VMXMSR_CPU2:
		return controls_ok(val, max->cpu2);
	case VMXMSR_EPT_VPID:
		return subset(val, max->ept_vpid);
	case VMXMSR_TRUE_PIN:
		return controls_ok(val, max->pin);
	case VMXMSR_TRUE_CPU:
		return controls_ok(val, max->cpu);
	case VMXMSR_TRUE_EXIT:
		return controls_ok(val, max->exit);
	case VMXMSR_TRUE_ENTRY:
		return controls_ok(val, max->entry);
	case VMXMSR_VMFUNC:
		return subset(val, max->vmfunc);
	}
	return false;
}

bool nvmx_caps_set(struct nvmx_caps *c, const struct nvmx_caps *max, u32 msr, u64 val)
{
	u64 now;

	/* Made from others: a VMM that restores all that it read is not refused. */
	if ((msr >= VMXMSR_PIN && msr <= VMXMSR_ENTRY) || msr == VMXMSR_CR0_FIXED1 ||
	    msr == VMXMSR_CR4_FIXED1)
		return nvmx_caps_get(c, msr, &now) && now == val;
	if (!word_ok(c, max, msr, val))
		return false;
	*word_of(c, msr) = val;
	return true;
}
