// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events that L0 is about to deliver while L2 is current: L1's intercepts come
 * first (APM vol. 2, "Exception Intercepts", "Interrupt Intercepts").
 */
#include "core/events.h"
#include "nsvm/nsvm.h"

#define VECTOR_DB	1
#define VECTOR_PF	14
#define VECTOR_SX	30
#define SX_INIT		1	/* error code: an INIT was redirected */

static enum nested_who exception(struct nestor_vcpu *vcpu, const struct guest_event *ev,
				 u64 payload)
{
	struct nsvm *n = nsvm_of(vcpu);
	struct guest_run *l2 = &n->l2;
	u64 info1 = ev->has_error ? ev->error : 0;

	if (ev->vector > 31 || !snap_icpt(&n->snap, ICPT_EXCEPTION, 1u << ev->vector))
		return NESTED_BY_L0;
	/* #PF leaves CR2 alone when intercepted; #DB has changed DR6 by then. */
	if (ev->vector == VECTOR_DB) {
		run_need(l2, GRP_DR);
		l2->dr6 |= payload;
		run_dirty(l2, GRP_DR);
	}
	return nsvm_reflect(vcpu, VMEXIT_EXCP + ev->vector, info1,
			    ev->vector == VECTOR_PF ? payload : 0, false);
}

static enum nested_who reflect_if(struct nestor_vcpu *vcpu, u32 icpt, u64 code)
{
	if (!snap_icpt(&nsvm_of(vcpu)->snap, ICPT_MISC1, icpt))
		return NESTED_BY_L0;
	return nsvm_reflect(vcpu, code, 0, 0, false);
}

/* INIT with VM_CR.R_INIT is #SX, in L1 as in L2. */
static enum nested_who init(struct nestor_vcpu *vcpu)
{
	enum nested_who who = NESTED_BY_L0;

	if (vcpu_in_l2(vcpu))
		who = reflect_if(vcpu, ICPT_INIT, VMEXIT_INIT);
	if (who == NESTED_BY_L0 && (nsvm_of(vcpu)->vm_cr & VM_CR_R_INIT)) {
		queue_exception_error(vcpu, VECTOR_SX, SX_INIT);
		who = NESTED_BY_L1;
	}
	return who;
}

enum nested_who nsvm_l2_event(struct nestor_vcpu *vcpu, const struct guest_event *ev, u64 payload)
{
	if (ev->type == EVENT_INIT)
		return init(vcpu);
	if (!vcpu_in_l2(vcpu))
		return NESTED_BY_L0;
	switch (ev->type) {
	case EVENT_EXCEPTION:
		return exception(vcpu, ev, payload);
	case EVENT_NMI:
		return reflect_if(vcpu, ICPT_NMI, VMEXIT_NMI);
	case EVENT_INTR:
		return reflect_if(vcpu, ICPT_INTR, VMEXIT_INTR);
	case EVENT_SMI:
		return reflect_if(vcpu, ICPT_SMI, VMEXIT_SMI);
	default:
		return NESTED_BY_L0;
	}
}

bool nsvm_l2_nmi_open(struct nestor_vcpu *vcpu)
{
	return !nmi_masked(vcpu) && !vcpu->run->int_shadow;
}

bool nsvm_l2_irq_open(struct nestor_vcpu *vcpu)
{
	const struct nsvm *n = nsvm_of(vcpu);
	u64 flags = n->snap.ctl.int_ctl & V_INTR_MASKING ? vcpu->l1.rflags : n->l2.rflags;

	if (!(flags & X_RFLAGS_IF))
		return false;
	/* An exit to L1 is not held up by L2's interrupt shadow; a delivery is. */
	return snap_icpt(&n->snap, ICPT_MISC1, ICPT_INTR) || !n->l2.int_shadow;
}

/* Nothing of AMD-V ends a guest by itself. */
enum nested_who nsvm_l2_due(struct nestor_vcpu *vcpu)
{
	return NESTED_BY_L0;
}

void nsvm_l2_ready(struct nestor_vcpu *vcpu, bool enter)
{
}

/* V_IRQ is the CPU's to deliver. */
int nsvm_l2_virq(struct nestor_vcpu *vcpu, bool deliver)
{
	return -1;
}

/* L1's virtual interrupt for L2 wakes L2. */
bool nsvm_l2_wake(struct nestor_vcpu *vcpu)
{
	const struct guest_run *l2 = &nsvm_of(vcpu)->l2;

	return l2->vintr.irq && (l2->rflags & X_RFLAGS_IF);
}
