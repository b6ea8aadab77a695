// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MSR lists of VM entries and exits (SDM vol. 3, "Loading MSRs", "Saving MSRs").
 *
 * Each entry is copied once and then looked at.  A list may be longer than
 * IA32_VMX_MISC promises; what happens then is left open by the manual, and here the first
 * entry too many fails, so that no list keeps the host busy.
 */
#include <linux/sched.h>

#include "core/msr.h"
#include "mmu/mmu.h"
#include "nvmx/msr_list.h"
#include "nvmx/nvmx.h"

#define MSRNO_TSC		0x10u
#define CHUNK		32u

/* Entries that are read at a time; memory that is not there reads as ones, which fail. */
static void read_chunk(struct nestor_vcpu *vcpu, u64 gpa, struct nvmx_msr_entry *e, u32 nr)
{
	if (gmem_read(vcpu, l1_gpa(gpa), e, nr * sizeof(*e)))
		memset(e, 0xff, nr * sizeof(*e));
	cond_resched();
}

static bool load_one(struct nestor_vcpu *vcpu, const struct nvmx_msr_entry *e)
{
	return nvmx_msr_may_load(e) && !msr_set(vcpu, e->index, e->value, false);
}

u32 nvmx_msrs_load(struct nestor_vcpu *vcpu, u64 gpa, u32 count)
{
	u32 max = nvmx_msr_list_max(&nvmx_of(vcpu)->caps), n, i;
	struct nvmx_msr_entry e[CHUNK];

	for (n = 0; n < count && n < max; n += CHUNK) {
		u32 nr = min3(CHUNK, count - n, max - n);

		read_chunk(vcpu, gpa + n * sizeof(*e), e, nr);
		for (i = 0; i < nr; i++)
			if (!load_one(vcpu, &e[i]))
				return n + i + 1;
	}
	return count > max ? max + 1 : 0;
}

/* The time-stamp counter that is stored is the processor's own, as L1 reads it. */
static bool read_one(struct nestor_vcpu *vcpu, struct nvmx_msr_entry *e)
{
	if (!nvmx_msr_may_store(e))
		return false;
	if (e->index != MSRNO_TSC)
		return !msr_get(vcpu, e->index, &e->value, false);
	e->value = tsc_read_l1(vcpu);
	return true;
}

/* A value that goes to a place without memory, or to a read-only one, is lost, as on a bus. */
static void write_one(struct nestor_vcpu *vcpu, u64 gpa, const struct nvmx_msr_entry *e)
{
	(void)gmem_write(vcpu, l1_gpa(gpa + offsetof(struct nvmx_msr_entry, value)), &e->value,
			 sizeof(e->value));
}

u32 nvmx_msrs_store(struct nestor_vcpu *vcpu, u64 gpa, u32 count)
{
	u32 max = nvmx_msr_list_max(&nvmx_of(vcpu)->caps), n, i;
	struct nvmx_msr_entry e[CHUNK];

	for (n = 0; n < count && n < max; n += CHUNK) {
		u32 nr = min3(CHUNK, count - n, max - n);

		read_chunk(vcpu, gpa + n * sizeof(*e), e, nr);
		for (i = 0; i < nr; i++) {
			if (!read_one(vcpu, &e[i]))
				return n + i + 1;
			write_one(vcpu, gpa + (n + i) * sizeof(*e), &e[i]);
		}
	}
	return count > max ? max + 1 : 0;
}
