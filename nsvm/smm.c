// SPDX-License-Identifier: GPL-2.0-only
/*
 * System-management mode and L2 (APM vol. 2, "SMM Support").
 *
 * An SMI that L1 does not intercept is L1's handler's, on L1's run.  L2 stays in its
 * own run, which nothing else uses meanwhile: VMRUN is #UD in this mode.  L1's
 * registers, which #VMEXIT would have brought back, are put aside.
 */
#include "nsvm/nsvm.h"

static void park(struct nestor_vcpu *vcpu)
{
	struct guest_run *l1 = &vcpu->l1, *l2 = &nsvm_of(vcpu)->l2;
	struct parked_l1 *p = &nsvm_of(vcpu)->smm_l1;

	run_need(l1, GRP_SEG | GRP_DTABLE | GRP_CR | GRP_CR2 | GRP_DR);
	run_need(l2, GRP_DTABLE | GRP_CR2 | GRP_DR);
	p->rip = l1->rip;
	p->rflags = l1->rflags;
	memcpy(p->seg, l1->seg, sizeof(p->seg));
	p->gdtr = l1->gdtr;
	p->idtr = l1->idtr;
	p->cr0 = l1->cr0;
	p->cr3 = l1->cr3;
	p->cr4 = l1->cr4;
	p->efer = l1->efer;
	/* The processor's, not L1's: the handler finds what L2 left, in the general registers, too. */
	l1->gdtr = l2->gdtr;
	l1->idtr = l2->idtr;
	l1->cr2 = l2->cr2;
	l1->dr6 = l2->dr6;
	run_dirty(l1, GRP_DTABLE | GRP_CR2 | GRP_DR);
	vcpu->run = l1;
	nsvm_show_gif(vcpu);
}

static void unpark(struct nestor_vcpu *vcpu)
{
	struct guest_run *l1 = &vcpu->l1, *l2 = &nsvm_of(vcpu)->l2;
	const struct parked_l1 *p = &nsvm_of(vcpu)->smm_l1;

	run_need(l1, GRP_CR2);
	run_need(l2, GRP_CR2);
	l2->cr2 = l1->cr2;
	run_dirty(l2, GRP_CR2);
	l1->rip = p->rip;
	l1->rflags = p->rflags;
	l1->cpl = 0;
	l1->int_shadow = false;
	memcpy(l1->seg, p->seg, sizeof(l1->seg));
	l1->gdtr = p->gdtr;
	l1->idtr = p->idtr;
	l1->cr0 = p->cr0;
	l1->cr3 = p->cr3;
	l1->cr4 = p->cr4;
	l1->efer = p->efer;
	run_dirty(l1, GRP_SEG | GRP_DTABLE | GRP_CR);
	l1->flush = true;
	vcpu->run = l2;
}

void nsvm_smm(struct nestor_vcpu *vcpu, enum nested_smm how)
{
	struct nsvm *n = nsvm_of(vcpu);

	switch (how) {
	case NESTED_SMM_ENTER:
		n->smm_l2 = vcpu_in_l2(vcpu);
		if (n->smm_l2)
			park(vcpu);
		break;
	case NESTED_SMM_LEAVE:
		/* GIF was 1 when the SMI was taken; a CLGI of the handler ends with it. */
		nsvm_set_gif(vcpu, true);
		if (!n->smm_l2)
			break;
		n->smm_l2 = false;
		unpark(vcpu);
		nsvm_use_vgif(vcpu, true);
		n->l2.flush = true;
		break;
	case NESTED_SMM_FORGET:
		n->smm_l2 = false;
		nsvm_leave(vcpu);
		break;
	}
}
