/* SPDX-License-Identifier: GPL-2.0-only */
/* From one of L1 and L2 to the other (core/turn.c, core/run.c). */
#ifndef NESTOR_CORE_TURN_H
#define NESTOR_CORE_TURN_H

#include <asm/nospec-branch.h>

#include "core/lapic.h"
#include "core/nested_ops.h"

/* turn_again() - L2's last exit was L1's after all */
static inline void turn_again(struct nestor_vcpu *vcpu)
{
	vcpu->turn_vain = EXIT_NONE;
}

/* L1 is next, and L2 was last. */
static __always_inline void forget_l2(struct nestor_vcpu *vcpu)
{
	indirect_branch_prediction_barrier();
	vcpu->stats.predictor_barriers++;
}

/* L1 must not be led by what L2 taught the branch predictors, whatever ended L2. */
static inline void guard_l1(struct nestor_vcpu *vcpu)
{
	if (likely(vcpu->last_run == vcpu->run))
		return;
	vcpu->last_run = vcpu->run;
	if (!vcpu_in_l2(vcpu))
		forget_l2(vcpu);
}

static __always_inline void load_tpr_l1(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = &vcpu->l1;
	u8 tpr = vcpu->apic ? lapic_cr8(vcpu->apic) : vcpu->cr8 & 0xf;

	if (run->vintr.tpr != tpr) {
		run->vintr.tpr = tpr;
		run->ctl_dirty |= CTL_VINTR;
	}
}

/* CR8 of the guest lives in V_TPR while it runs, in the local APIC otherwise. */
static inline void load_tpr(struct nestor_vcpu *vcpu)
{
	if (!vcpu_in_l2(vcpu))
		load_tpr_l1(vcpu);
}

bool turn_now(struct nestor_vcpu *vcpu, struct guest_run *run, bool may);

/**
 * turn_world() - is the last exit, of @run, a matter between L1 and L2 that can be done with interrupts off?
 * @may: it has been so since interrupts are off, and so there may be turns
 * Between hw_ops.enter and hw_ops.leave.  Return: true: it is done, and hw_ops.reenter is due; false: the exit waits
 * to be handled as if nobody had tried.
 */
static __always_inline bool turn_world(struct nestor_vcpu *vcpu, struct guest_run *run, bool may)
{
	return nested->turn && turn_now(vcpu, run, may);
}

#endif
