/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From L1 to L2 and back with interrupts still off: a VM entry or exit that needs nothing but registers moved, and
 * what L1 does in between to its control block.
 *
 * Whoever wants the guest out, be it by a request, a signal or the scheduler, interrupts this CPU, and that ends
 * the next entry at once.  So nothing has to be looked at between the two guests, but for what the turn
 * itself may let in.  An exit to L1 lets in nothing: L1 begins with interrupts disabled, and what
 * else may wait is none, or the turn is not made.  An entry does, so the frontend sees to it that there is nothing.
 *
 * A turn waits for nothing, a lock included: whoever has mmu->lock may be waiting for this very CPU.
 * vm->srcu is held and page faults are disabled, so L1's memory may be used where it is at hand.
 */
#ifndef NESTOR_CORE_TURN_H
#define NESTOR_CORE_TURN_H

#include <asm/nospec-branch.h>

#include "core/calm.h"
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

/*
 * Exits that no frontend has an answer for here, or L0 alone; the most frequent of them.  What L0 handled alone
 * the last time is likely to be so again.
 */
static __always_inline bool is_vain(const struct nestor_vcpu *vcpu, const struct guest_run *run)
{
	const u32 insns = BIT(INSN_VMRESUME) | BIT(INSN_VMREAD) | BIT(INSN_VMWRITE);
	unsigned int reason = run->exit.reason;

	if (run == &vcpu->l1)
		return reason != EXIT_VMX_INSN || !(insns >> run->exit.index & 1);
	return reason == EXIT_INTR || reason == EXIT_SECOND_LEVEL || reason == vcpu->turn_vain;
}

/* The other run than the one that was left is next: guard_l1() and load_tpr(). */
static __always_inline void change_run(struct nestor_vcpu *vcpu, const struct guest_run *left)
{
	vcpu->last_run = vcpu->run;
	if (left == &vcpu->l1)
		return;
	forget_l2(vcpu);
	load_tpr_l1(vcpu);
}

/**
 * turn_world() - is the last exit, of @run, a matter between L1 and L2 that can be done with interrupts off?
 * @may: may there be turns at all?  Once it is true it stays so as long as interrupts are off
 * Between hw_ops.enter and hw_ops.leave.  Return: true: it is done, and hw_ops.reenter is due; false: the exit waits
 * to be handled as if nobody had tried.
 */
static __always_inline bool turn_world(struct nestor_vcpu *vcpu, struct guest_run *run, bool *may)
{
	bool done;

	if (!nested->turn || is_vain(vcpu, run) || run_has_window(run) || !is_bare(run))
		return false;
	if (!*may && !(vcpu_is_calm(vcpu) && apic_is_whole(vcpu)))
		return false;
	*may = true;
	vcpu->atomic = true;
	done = nested->turn(vcpu);
	vcpu->atomic = false;
	if (unlikely(!done)) {
		if (run != &vcpu->l1)
			vcpu->turn_vain = run->exit.reason;
		return false;
	}
	if (vcpu->run != run)
		change_run(vcpu, run);
	return true;
}

#endif
