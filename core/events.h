/* SPDX-License-Identifier: GPL-2.0-only */
/* Queueing and delivering exceptions, NMIs and interrupts (core/events.c, core/deliver.c). */
#ifndef NESTOR_CORE_EVENTS_H
#define NESTOR_CORE_EVENTS_H

#include "core/vcpu.h"

/*
 * Queue an exception for the current run.  A second one while the first is
 * not delivered combines to #DF or shutdown (APM: "Double-Fault Exception").
 * A frontend that intercepts it for L1 is asked when it is about to be delivered.
 */
void queue_exception(struct nestor_vcpu *vcpu, u8 vector);
void queue_exception_error(struct nestor_vcpu *vcpu, u8 vector, u32 error);
/** queue_page_fault() - #PF with @cr2; CR2 is written on delivery */
void queue_page_fault(struct nestor_vcpu *vcpu, u32 error, u64 cr2);
/** queue_debug() - #DB with @dr6 bits set */
void queue_debug(struct nestor_vcpu *vcpu, u64 dr6);
static inline void queue_ud(struct nestor_vcpu *vcpu)
{
	queue_exception(vcpu, 6);
}

static inline void queue_gp(struct nestor_vcpu *vcpu)
{
	queue_exception_error(vcpu, 13, 0);
}

/** requeue_event() - an event whose delivery an exit interrupted goes back as injected */
void requeue_event(struct nestor_vcpu *vcpu, const struct guest_event *ev);
/** injected_event() - the event that would be re-injected now (for EXITINTINFO), .valid = false if none */
struct guest_event injected_event(struct nestor_vcpu *vcpu);
/** any_injected() - is an event on its way, which an exit might interrupt? */
static inline bool any_injected(const struct nestor_vcpu *vcpu)
{
	return vcpu->ev.excp.injected | vcpu->ev.nmi_injected | vcpu->ev.intr.injected;
}

/** clear_injected() - forget it: it went to L1 as EXITINTINFO / IDT-vectoring */
static inline void clear_injected(struct nestor_vcpu *vcpu)
{
	vcpu->ev.excp.injected = false;
	vcpu->ev.nmi_injected = false;
	vcpu->ev.intr.injected = false;
}
/**
 * event_is_soft() - does an instruction raise @ev, which pushes the RIP behind that?  INTn, INT1, INT3
 * and INTO: VT-x has types for them, AMD-V calls INT3 and INTO exceptions like any other.
 */
static inline bool event_is_soft(const struct guest_event *ev)
{
	return ev->type == EVENT_SOFT_INT || ev->type == EVENT_PRIV_EXCEPTION ||
	       ev->type == EVENT_SOFT_EXCEPTION ||
	       (ev->type == EVENT_EXCEPTION && (ev->vector == 3 || ev->vector == 4));
}

/** l2_soft_given() - L1 injects the software event @ev into L2, at the next entry */
void l2_soft_given(struct nestor_vcpu *vcpu, const struct guest_event *ev);
/** l2_soft_none() - it injects none */
static inline void l2_soft_none(struct nestor_vcpu *vcpu)
{
	vcpu->ev.l2_soft.valid = false;
}

/** l2_soft_waits() - is it still to be given to the CPU? */
bool l2_soft_waits(struct nestor_vcpu *vcpu);
/**
 * l2_soft_injected() - was @ev, a software event whose delivery to the current run an exit
 * interrupted, injected by L1 (and not an instruction of L2)?
 */
bool l2_soft_injected(struct nestor_vcpu *vcpu, const struct guest_event *ev);
/** queue_nmi() - an NMI for L1; any context */
void queue_nmi(struct nestor_vcpu *vcpu);

/* deliver_events() - before each entry: ask the frontend, fill run->inject, open windows */
/**
 * events_settled() - may the guest be entered without deliver_events()?  Prepares the injection of
 * an event again whose delivery was interrupted.  Never sleeps.
 */
bool events_settled(struct nestor_vcpu *vcpu);
enum run_action deliver_events(struct nestor_vcpu *vcpu);

/* Can the current run take it now?  (IF, shadow, GIF, masks; not: is one there) */
bool can_take_irq(struct nestor_vcpu *vcpu);
bool can_take_nmi(struct nestor_vcpu *vcpu);
/* nmi_masked() - an NMI handler of the current run has not come to its IRET yet */
bool nmi_masked(struct nestor_vcpu *vcpu);
void set_nmi_masked(struct nestor_vcpu *vcpu, bool masked);
/* Is there something that wakes a halted vCPU? */
bool has_wake_event(struct nestor_vcpu *vcpu);

#endif
