/* SPDX-License-Identifier: GPL-2.0-only */
/* What may stand in a VM-entry or VM-exit MSR list.  Pure. */
#ifndef NESTOR_NVMX_MSR_LIST_H
#define NESTOR_NVMX_MSR_LIST_H

#include "nvmx/caps.h"

/**
 * struct nvmx_msr_entry - an entry of an MSR list (SDM vol. 3, "VM-Exit Controls for MSRs")
 * @index: MSR
 * @reserved: must be 0
 * @value: its value
 */
struct nvmx_msr_entry {
	u32 index;
	u32 reserved;
	u64 value;
};

static_assert(sizeof(struct nvmx_msr_entry) == 16, "the architecture's layout");

#define MSRNO_BIOS_UPDT_TRIG	0x79u
#define MSRNO_SMM_MONITOR_CTL	0x9bu
#define MSRNO_SMBASE		0x9eu
#define MSRNO_FS_BASE		0xc0000100u
#define MSRNO_GS_BASE		0xc0000101u

/* The MSRs of x2APIC mode, whatever mode the APIC is in. */
static inline bool nvmx_msr_is_x2apic(u32 index)
{
	return index >> 8 == 8;
}

/**
 * nvmx_msr_may_load() - would an entry get as far as WRMSR ("Loading MSRs")?
 * The microcode trigger is one that a processor may refuse, and this one does.
 */
static inline bool nvmx_msr_may_load(const struct nvmx_msr_entry *e)
{
	return !e->reserved && e->index != MSRNO_FS_BASE && e->index != MSRNO_GS_BASE &&
	       !nvmx_msr_is_x2apic(e->index) && e->index != MSRNO_SMM_MONITOR_CTL &&
	       e->index != MSRNO_BIOS_UPDT_TRIG;
}

/** nvmx_msr_may_store() - the same for RDMSR ("Saving MSRs") */
static inline bool nvmx_msr_may_store(const struct nvmx_msr_entry *e)
{
	return !e->reserved && !nvmx_msr_is_x2apic(e->index) && e->index != MSRNO_SMBASE;
}

/** nvmx_msr_list_max() - entries that IA32_VMX_MISC promises to take */
static inline u32 nvmx_msr_list_max(const struct nvmx_caps *caps)
{
	return 512 * ((caps->misc >> MISC_MSR_LIST_SHIFT & 7) + 1);
}

#endif
