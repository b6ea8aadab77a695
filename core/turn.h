/* SPDX-License-Identifier: GPL-2.0-only */
/* From one of L1 and L2 to the other (core/turn.c, core/run.c). */
#ifndef NESTOR_CORE_TURN_H
#define NESTOR_CORE_TURN_H

#include <asm/nospec-branch.h>

#include "core/lapic.h"
#include "core/nested_ops.h"

bool turn_now(struct nestor_vcpu *vcpu);

/**
 * turn_world() - is the last exit a matter between L1 and L2 that can be done with interrupts off?
 * Between hw_ops.enter and hw_ops.leave.  Return: true: it is done, and hw_ops.reenter is due; false: the exit waits
 * to be handled as if nobody had tried.
 */
static __always_inline bool turn_world(struct nestor_vcpu *vcpu)
{
	if (!nested->turn)
		return false;
	/* What L0 handled alone the last time is likely to be so again. */
	if (vcpu->run != &vcpu->l1 && vcpu->run->exit.reason == vcpu->turn_vain)
		return false;
	return turn_now(vcpu);
}

/* turn_again() - L2's last exit was L1's after all */
static inline void turn_again(struct nestor_vcpu *vcpu)
{
	vcpu->turn_vain = EXIT_NONE;
}

/* L1 must not be led by what L2 taught the branch predictors, whatever ended L2. */
static inline void guard_l1(struct nestor_vcpu *vcpu)
{
	if (likely(vcpu->last_run == vcpu->run))
		return;
	vcpu->last_run = vcpu->run;
	if (vcpu_in_l2(vcpu))
		return;
	indirect_branch_prediction_barrier();
	vcpu->stats.predictor_barriers++;
}

/* CR8 of the guest lives in V_TPR while it runs, in the local APIC otherwise. */
static inline void load_tpr(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = &vcpu->l1;
	u8 tpr;

	if (vcpu_in_l2(vcpu))
		return;
	tpr = vcpu->apic ? lapic_cr8(vcpu->apic) : vcpu->cr8 & 0xf;
	if (run->vintr.tpr != tpr) {
		run->vintr.tpr = tpr;
		run->ctl_dirty |= CTL_VINTR;
	}
}

#endif
