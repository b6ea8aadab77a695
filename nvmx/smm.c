// SPDX-License-Identifier: GPL-2.0-only
/*
 * System-management mode with the default treatment (SDM vol. 3, "Default
 * Treatment of SMI Delivery"): the handler runs outside of VMX operation, and RSM
 * goes back to what was current, VMX operation and L2 included.
 *
 * The handler has L1's run.  L2 stays in its own, which nothing else uses
 * meanwhile, and what a VM exit does not load of L1 is put aside.
 */
#include "nvmx/msr.h"

static void park(struct nestor_vcpu *vcpu)
{
	struct guest_run *l1 = &vcpu->l1, *l2 = &nvmx_of(vcpu)->l2;
	struct nvmx_parked *p = &nvmx_of(vcpu)->smm.l1;

	run_need(l1, GRP_CR | GRP_DR | GRP_SYS | GRP_CR2);
	run_need(l2, GRP_DTABLE | GRP_CR2 | GRP_DR);
	p->rflags = l1->rflags;
	p->cr0 = l1->cr0;
	p->cr4 = l1->cr4;
	p->efer = l1->efer;
	p->dr7 = l1->dr7;
	p->sys = *l1->sys;
	nvmx_of(vcpu)->smm.l2_rsp = vcpu->gpr[REG_RSP];
	/* The processor's, not L1's: the handler finds what L2 left, in the general registers, too. */
	l1->gdtr = l2->gdtr;
	l1->idtr = l2->idtr;
	l1->cr2 = l2->cr2;
	l1->dr6 = l2->dr6;
	run_dirty(l1, GRP_DTABLE | GRP_CR2 | GRP_DR);
	vcpu->run = l1;
}

static void unpark(struct nestor_vcpu *vcpu)
{
	struct guest_run *l1 = &vcpu->l1, *l2 = &nvmx_of(vcpu)->l2;
	const struct nvmx_parked *p = &nvmx_of(vcpu)->smm.l1;

	run_need(l1, GRP_CR | GRP_CR2 | GRP_DR | GRP_SYS);
	run_need(l2, GRP_CR2);
	l2->cr2 = l1->cr2;
	run_dirty(l2, GRP_CR2);
	l1->rflags = p->rflags;
	l1->cpl = 0;
	l1->int_shadow = false;
	l1->cr0 = p->cr0;
	l1->cr4 = p->cr4;
	l1->efer = p->efer;
	l1->dr7 = p->dr7;
	/* guest_sys keeps its marks itself, behind the registers. */
	memcpy(l1->sys, &p->sys, offsetof(struct guest_sys, avail));
	run_dirty(l1, GRP_CR | GRP_DR | GRP_SYS);
	l1->flush = true;
	l2->flush = true;
	vcpu->run = l2;
}

/* VMX operation as it was when the SMI came. */
static void restore_root(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (!n->smm.vmxon)
		return;
	n->smm.vmxon = false;
	n->vmxon = true;
	vcpu->l1.cr0_must = n->caps.cr0_fixed0;
	vcpu->l1.cr4_must = n->caps.cr4_fixed0;
	nvmx_shadow_on(vcpu);
}

void nvmx_smm(struct nestor_vcpu *vcpu, enum nested_smm how)
{
	struct nvmx *n = nvmx_of(vcpu);

	switch (how) {
	case NESTED_SMM_ENTER:
		n->smm.l2 = vcpu_in_l2(vcpu);
		if (n->smm.l2)
			park(vcpu);
		nvmx_shadow_off(vcpu);
		n->smm.vmxon = n->vmxon;
		n->vmxon = false;
		vcpu->l1.cr0_must = 0;
		vcpu->l1.cr4_must = 0;
		break;
	case NESTED_SMM_LEAVE:
		restore_root(vcpu);
		if (n->smm.l2)
			unpark(vcpu);
		n->smm.l2 = false;
		break;
	case NESTED_SMM_FORGET:
		restore_root(vcpu);
		n->smm.l2 = false;
		nvmx_leave(vcpu);
		break;
	}
}
