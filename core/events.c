// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events that wait for the guest: raised and combined, given back, masked.
 *
 * An event is pending (raised), then injected (given to the backend: core/deliver.c).  When an
 * exit interrupts its delivery the backend reports it back and it is injected
 * again, before anything new.
 */
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "core/events.h"
#include "core/hw_ops.h"
#include "core/irqchip.h"
#include "core/nested_ops.h"
#include "core/smm.h"

/* Contributory exceptions (APM vol. 2, "#DF-Double-Fault Exception"). */
static bool contributory(u8 vector)
{
	switch (vector) {
	case X86_TRAP_DE:
	case X86_TRAP_TS:
	case X86_TRAP_NP:
	case X86_TRAP_SS:
	case X86_TRAP_GP:
		return true;
	}
	return false;
}

static void set_exception(struct nestor_vcpu *vcpu, u8 vector, bool has_error, u32 error,
			  bool has_payload, u64 payload)
{
	vcpu->ev.excp = (struct vcpu_exception){
		.pending = true, .vector = vector,
		.has_error = has_error, .error = error,
		.has_payload = has_payload, .payload = payload,
	};
	vcpu_request(vcpu, REQ_EVENT);
}

static void raise_exception(struct nestor_vcpu *vcpu, u8 vector, bool has_error, u32 error,
			    bool has_payload, u64 payload)
{
	const struct vcpu_exception *old = &vcpu->ev.excp;
	bool protected = run_is_protected(vcpu->run);

	if (!protected)
		has_error = false;
	/*
	 * An interrupt or NMI whose delivery raised this is served no more: the
	 * exception takes its place (APM: "Simultaneous Exceptions").
	 */
	vcpu->ev.intr.injected = false;
	vcpu->ev.nmi_injected = false;
	if (!old->pending && !old->injected) {
		set_exception(vcpu, vector, has_error, error, has_payload, payload);
		return;
	}
	if (old->vector == X86_TRAP_DF) {
		memset(&vcpu->ev.excp, 0, sizeof(vcpu->ev.excp));
		vcpu_request(vcpu, REQ_TRIPLE_FAULT);
		return;
	}
	if ((contributory(old->vector) && contributory(vector)) ||
	    (old->vector == X86_TRAP_PF && (contributory(vector) || vector == X86_TRAP_PF)))
		set_exception(vcpu, X86_TRAP_DF, protected, 0, false, 0);
	else
		/* Benign first: the second is served, the first comes again by itself. */
		set_exception(vcpu, vector, has_error, error, has_payload, payload);
}

void queue_exception(struct nestor_vcpu *vcpu, u8 vector)
{
	raise_exception(vcpu, vector, false, 0, false, 0);
}

void queue_exception_error(struct nestor_vcpu *vcpu, u8 vector, u32 error)
{
	raise_exception(vcpu, vector, true, error, false, 0);
}

void queue_page_fault(struct nestor_vcpu *vcpu, u32 error, u64 cr2)
{
	raise_exception(vcpu, X86_TRAP_PF, true, error, true, cr2);
}

void queue_debug(struct nestor_vcpu *vcpu, u64 dr6)
{
	raise_exception(vcpu, X86_TRAP_DB, false, 0, true, dr6);
}

void queue_nmi(struct nestor_vcpu *vcpu)
{
	vcpu_request(vcpu, REQ_NMI);
	vcpu_kick(vcpu);
}

void requeue_event(struct nestor_vcpu *vcpu, const struct guest_event *ev)
{
	switch (ev->type) {
	case EVENT_NMI:
		vcpu->ev.nmi_injected = true;
		break;
	case EVENT_EXCEPTION:
	case EVENT_PRIV_EXCEPTION:
	case EVENT_SOFT_EXCEPTION:
		vcpu->ev.excp = (struct vcpu_exception){
			.injected = true, .vector = ev->vector,
			.type = ev->type == EVENT_EXCEPTION ? 0 : ev->type,
			.has_error = ev->has_error, .error = ev->error,
		};
		break;
	case EVENT_INTR:
	case EVENT_SOFT_INT:
		vcpu->ev.intr.injected = true;
		vcpu->ev.intr.soft = ev->type == EVENT_SOFT_INT;
		vcpu->ev.intr.vector = ev->vector;
		break;
	}
}

struct guest_event injected_event(struct nestor_vcpu *vcpu)
{
	const struct vcpu_events *e = &vcpu->ev;
	struct guest_event ev = {};

	if (e->excp.injected) {
		ev.valid = true;
		ev.type = e->excp.type ?: EVENT_EXCEPTION;
		ev.vector = e->excp.vector;
		ev.has_error = e->excp.has_error;
		ev.error = e->excp.error;
	} else if (e->nmi_injected) {
		ev.valid = true;
		ev.type = EVENT_NMI;
		ev.vector = X86_TRAP_NMI;
	} else if (e->intr.injected) {
		ev.valid = true;
		ev.type = e->intr.soft ? EVENT_SOFT_INT : EVENT_INTR;
		ev.vector = e->intr.vector;
	}
	return ev;
}

bool nmi_masked(struct nestor_vcpu *vcpu)
{
	if (!hw_caps.nmi_window)
		return vcpu->ev.nmi_masked;
	run_need(vcpu->run, GRP_ACTIVITY);
	return vcpu->run->nmi_blocked;
}

void set_nmi_masked(struct nestor_vcpu *vcpu, bool masked)
{
	struct guest_run *run = vcpu->run;

	if (!hw_caps.nmi_window) {
		vcpu->ev.nmi_masked = masked;
		return;
	}
	run_need(run, GRP_ACTIVITY);
	run->nmi_blocked = masked;
	run_dirty(run, GRP_ACTIVITY);
}

bool can_take_nmi(struct nestor_vcpu *vcpu)
{
	if (nested->blocked(vcpu, EVENT_NMI))
		return false;
	/* L1 that takes NMIs of L2 for itself is not held by L2's state. */
	if (vcpu_in_l2(vcpu))
		return nested->l2_nmi_open(vcpu);
	return !nmi_masked(vcpu) && !vcpu->run->int_shadow;
}

bool can_take_irq(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;

	if (nested->blocked(vcpu, EVENT_INTR) || (vcpu->guest_debug & KVM_GUESTDBG_BLOCKIRQ))
		return false;
	if (vcpu_in_l2(vcpu))
		return nested->l2_irq_open(vcpu);
	return (run->rflags & X86_EFLAGS_IF) && !run->int_shadow;
}

bool has_wake_event(struct nestor_vcpu *vcpu)
{
	const struct vcpu_events *e = &vcpu->ev;

	if (e->excp.pending || e->excp.injected || e->nmi_injected || e->intr.injected)
		return true;
	if ((e->nmi_pending || test_bit(REQ_NMI, &vcpu->requests)) && can_take_nmi(vcpu))
		return true;
	if (test_bit(REQ_TRIPLE_FAULT, &vcpu->requests) || smm_waiting(vcpu))
		return true;
	if (lapic_has_init_sipi(vcpu) && !vcpu->smm.active &&
	    !nested->blocked(vcpu, EVENT_INIT))
		return true;
	if (vcpu_in_l2(vcpu) && nested->l2_wake(vcpu))
		return true;
	return can_take_irq(vcpu) && irq_pending(vcpu);
}
