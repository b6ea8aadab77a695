// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-modification logging for L1 (SDM vol. 3, "Page-Modification Logging"): the walk of
 * L1's EPT that sets a dirty flag also logs the page.  The hardware's own log is L0's
 * and knows nothing of L1's flags.
 */
#include "mmu/mmu.h"
#include "nvmx/exit_table.h"
#include "nvmx/nvmx.h"

#define PML_ENTRIES	512u
#define PML_NMI_UNBLOCK	BIT(12)

u64 nvmx_pml_access(struct nestor_vcpu *vcpu)
{
	const struct vmcs12 *v = nvmx_of(vcpu)->vmcs12;

	if (likely(!(nvmx_cpu2(v) & CPU2_PML)))
		return 0;
	return v->pml_index < PML_ENTRIES ? 0 : ACC_LOG_FULL;
}

void nvmx_pml_log(struct nestor_vcpu *vcpu, u64 gpa)
{
	struct vmcs12 *v = nvmx_of(vcpu)->vmcs12;

	if (!(nvmx_cpu2(v) & CPU2_PML) || v->pml_index >= PML_ENTRIES)
		return;
	gpa &= ~0xfffull;
	/* A log that is not there takes no entries, and they count all the same. */
	(void)gmem_write(vcpu, l1_gpa(v->pml_addr + v->pml_index * sizeof(gpa)), &gpa, sizeof(gpa));
	v->pml_index = (v->pml_index - 1) & 0xffff;
}

enum nested_who nvmx_pml_full(struct nestor_vcpu *vcpu, u64 hw)
{
	return nvmx_reflect(vcpu, VMEXIT_PML_FULL, hw & PML_NMI_UNBLOCK, 0, 0);
}
