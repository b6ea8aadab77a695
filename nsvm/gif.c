// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1's global interrupt flag (APM vol. 2, "Global Interrupt Flag, STGI and
 * CLGI Instructions").
 *
 * It is a bit in struct nsvm, or, where the backend has virtual GIF and L1 runs, the V_GIF
 * of L1's run, so that STGI and CLGI cost no exit.  An event that waits while
 * the flag is clear has STGI intercepted until it is set.
 *
 * While L2 is current the bit counts, and V_GIF gets it when L1 becomes current: VMRUN sets GIF and #VMEXIT
 * clears it, and a hypervisor that cleared it before VMRUN finds V_GIF as it was.
 */
#include "core/hw_ops.h"
#include "core/irq.h"
#include "core/lapic.h"
#include "nsvm/nsvm.h"

bool nsvm_gif(struct nestor_vcpu *vcpu)
{
	const struct guest_vintr *v = &vcpu->l1.vintr;

	/* The VMM may have loaded an EFER with which GIF could never be set again. */
	run_need(&vcpu->l1, GRP_CR);
	if (!(vcpu->l1.efer & X_EFER_SVME))
		return true;
	return v->vgif && !vcpu_in_l2(vcpu) ? v->gif : nsvm_of(vcpu)->gif;
}

void nsvm_set_gif(struct nestor_vcpu *vcpu, bool on)
{
	nsvm_of(vcpu)->gif = on;
	if (!vcpu_in_l2(vcpu))
		nsvm_show_gif(vcpu);
	/* INIT may have waited for it; what else did is looked at before every entry. */
	if (on && lapic_has_init_sipi(vcpu))
		vcpu_request(vcpu, REQ_APIC_EVENTS);
}

static void intercept_gif(struct guest_run *l1, u32 bits)
{
	u32 word = (l1->intercept[ICPT_MISC2] & ~(ICPT_STGI | ICPT_CLGI)) | bits;

	if (word == l1->intercept[ICPT_MISC2])
		return;
	l1->intercept[ICPT_MISC2] = word;
	l1->ctl_dirty |= CTL_INTERCEPTS;
}

void nsvm_change_vgif(struct nestor_vcpu *vcpu, bool on)
{
	struct guest_run *l1 = &vcpu->l1;
	bool gif = nsvm_gif(vcpu);

	if (on != l1->vintr.vgif) {
		l1->vintr.vgif = on;
		l1->vintr.gif = gif;
		l1->ctl_dirty |= CTL_VINTR;
	}
	nsvm_of(vcpu)->gif = gif;
	intercept_gif(l1, on ? 0 : ICPT_STGI | ICPT_CLGI);
}

bool nsvm_blocked(struct nestor_vcpu *vcpu, enum guest_event_type what)
{
	if (nsvm_gif(vcpu))
		return false;
	/* Somebody waits: have STGI tell. */
	if (vcpu->l1.vintr.vgif)
		intercept_gif(&vcpu->l1, ICPT_STGI);
	return true;
}

/* The virtual interrupt as it was shown to the hardware for the snapshot's int_ctl. */
static struct guest_vintr shown(const struct nsvm *n)
{
	struct l0_policy l0 = { .hw_vgif = n->l2.vintr.vgif, .tpr = n->l2.vintr.tpr };

	return nsvm_merge_vintr(&n->snap, &l0);
}

void nsvm_pull_vintr(struct nestor_vcpu *vcpu)
{
	struct nsvm *n = nsvm_of(vcpu);
	const struct guest_vintr *live = &n->l2.vintr;
	u64 ctl = n->snap.ctl.int_ctl;

	/* Without masking CR8 was L1's own TPR and V_TPR stays. */
	if (ctl & V_INTR_MASKING)
		ctl = (ctl & ~V_TPR_MASK) | (live->tpr & 0xf);
	if ((ctl & V_IRQ) && !live->irq && shown(n).irq)
		ctl &= ~V_IRQ;
	if (live->vgif)
		ctl = live->gif ? ctl | V_GIF : ctl & ~V_GIF;
	n->snap.ctl.int_ctl = ctl;
}

void nsvm_set_l2_vgif(struct nestor_vcpu *vcpu, bool on)
{
	struct nsvm *n = nsvm_of(vcpu);

	nsvm_pull_vintr(vcpu);
	if (on)
		n->snap.ctl.int_ctl |= V_GIF;
	else
		n->snap.ctl.int_ctl &= ~V_GIF;
	n->l2.vintr.irq = shown(n).irq;
	n->l2.vintr.gif = on;
	n->l2.ctl_dirty |= CTL_VINTR;
}
