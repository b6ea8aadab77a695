// SPDX-License-Identifier: GPL-2.0-only
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
#include "core/calm.h"
#include "core/nested_ops.h"
#include "core/turn.h"

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

/* A function of its own: the answers of core/quick.h have the registers. */
bool turn_now(struct nestor_vcpu *vcpu, struct guest_run *run, bool may)
{
	bool done;

	if (is_vain(vcpu, run) || run_has_window(run) || !is_bare(run) ||
	    (!may && !(vcpu_is_calm(vcpu) && apic_is_whole(vcpu))))
		return false;
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
