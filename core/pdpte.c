// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page-directory-pointer-table entries of a guest with PAE paging, where the CPU keeps
 * them in registers (hw_caps.pdpte_regs; SDM vol. 3, "PDPTE Registers").  An instruction that is
 * emulated here loads them as the CPU would have; other loads are the CPU's own.
 */
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "core/hw_ops.h"
#include "core/msr.h"
#include "mmu/gva.h"

static bool pae_paging(u64 cr0, u64 cr4, u64 efer)
{
	return (cr0 & X86_CR0_PG) && (cr4 & X86_CR4_PAE) && !(efer & EFER_LMA);
}

int pdpte_load(struct nestor_vcpu *vcpu, u64 cr0, u64 cr3, u64 cr4, u64 efer)
{
	struct guest_run *run = vcpu->run;
	u64 pdpte[4];
	int r;

	if (!hw_caps.pdpte_regs || !pae_paging(cr0, cr4, efer))
		return 0;
	r = guest_load_pdptes(vcpu, cr3, pdpte);
	if (r)
		return r == -EFAULT ? -EAGAIN : -EINVAL;
	memcpy(run->pdpte, pdpte, sizeof(run->pdpte));
	run_dirty(run, GRP_PDPTE);
	return 0;
}

void pdpte_reload(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;

	if (!hw_caps.pdpte_regs)
		return;
	run_need(run, GRP_CR);
	/* A root that cannot be read is the guest's to find out, at its first access. */
	if (pdpte_load(vcpu, run->cr0, run->cr3, run->cr4, run->efer)) {
		memset(run->pdpte, 0, sizeof(run->pdpte));
		run_dirty(run, GRP_PDPTE);
	}
}
