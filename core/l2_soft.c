// SPDX-License-Identifier: GPL-2.0-only
/*
 * The software interrupt or exception that L1 injects into L2.  When its delivery is interrupted it
 * has to be injected again, while an instruction of L2 that raises the same event is only
 * run again: RIP is still there.
 */
#include "core/events.h"
#include "core/vcpu.h"

void l2_soft_given(struct nestor_vcpu *vcpu, const struct guest_event *ev)
{
	vcpu->ev.l2_soft = *ev;
	vcpu->ev.l2_soft_at = vcpu->stats.world_switches;
}

bool l2_soft_waits(struct nestor_vcpu *vcpu)
{
	const struct vcpu_events *e = &vcpu->ev;
	struct guest_event ev = injected_event(vcpu);

	return e->l2_soft.valid && e->l2_soft_at == vcpu->stats.world_switches && ev.valid &&
	       ev.vector == e->l2_soft.vector;
}

/* Only the first exit after it was given to the CPU can have interrupted it. */
bool l2_soft_injected(struct nestor_vcpu *vcpu, const struct guest_event *ev)
{
	struct vcpu_events *e = &vcpu->ev;

	if (!vcpu_in_l2(vcpu) || !e->l2_soft.valid || e->l2_soft.type != ev->type ||
	    e->l2_soft.vector != ev->vector)
		return false;
	e->l2_soft.valid = vcpu->stats.world_switches == e->l2_soft_at + 1;
	e->l2_soft_at = vcpu->stats.world_switches;
	return e->l2_soft.valid;
}
