/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exits of L1 that are answered with interrupts still off, and the guest entered again without a look at
 * anything.
 *
 * Whoever wants the guest out, be it by a request, a signal or the scheduler, interrupts this CPU, and that ends
 * the next entry at once: it is as if the instruction had not exited at all.  So an answer is right
 * where the instruction makes nothing deliverable that was not, and nobody waits to hear of the exit.
 * Whoever answers finds that out before it has changed anything, and declines; the run loop then handles
 * the exit as if nobody had tried.
 *
 * An answer waits for nothing, a lock included: whoever has mmu->lock may be waiting for this very CPU.
 * vm->srcu is held and page faults are disabled, so L1's memory may be used where it is at hand.
 */
#ifndef NESTOR_CORE_QUICK_H
#define NESTOR_CORE_QUICK_H

#include "core/calm.h"
#include "core/exits.h"
#include "core/hw_ops.h"
#include "core/insn.h"
#include "core/lapic.h"
#include "core/nested_ops.h"
#include "core/turn.h"

/* Is it of a kind that is answered here at all? */
static __always_inline bool is_quick(const struct guest_exit *x)
{
	return x->reason == EXIT_CPUID || (x->reason >= EXIT_VMLOAD && x->reason <= EXIT_CLGI) ||
	       (x->reason == EXIT_MSR && !x->info1);
}

static_assert(EXIT_CLGI - EXIT_VMLOAD == 3);

/* What is behind the exit's instruction is known without asking for the mode. */
static __always_inline bool is_plain(const struct guest_run *run)
{
	u64 next = run->exit.next_rip;

	/* Across 4G the mode decides. */
	return !(next - run->rip - 1 >= MAX_INSN_LEN || (next ^ run->rip) >> 32) && is_bare(run);
}

/* Done, but for RIP; false: nothing is. */
static __always_inline bool answer(struct nestor_vcpu *vcpu, const struct guest_run *run)
{
	if (unlikely(!is_plain(run)))
		return false;
	switch (run->exit.reason) {
	case EXIT_CPUID:
		return cpuid_answer(vcpu);
	case EXIT_MSR:
		return apic_is_whole(vcpu) && answer_rdmsr(vcpu);
	default:
		return nested->quick(vcpu);
	}
}

static __always_inline void note_exit(struct nestor_vcpu *vcpu, struct guest_run *run)
{
	if (!hw_caps.nrips)
		insn_note_next(vcpu, run);
}

/*
 * Enter the current run, and again after each exit that is done with right here; interrupts are off, VCPU_IN_GUEST is
 * published.  The exit that is left in the run is the caller's to handle; those that were done with are counted, that
 * one is not, and the run may be the other one by then.  @once: vm->srcu is not held, do nothing of the kind.
 */
static __always_inline void enter_quick(struct nestor_vcpu *vcpu, bool once)
{
	struct guest_run *run = vcpu->run;
	bool calm = false, turns = false;

	hw->enter(run);
	note_exit(vcpu, run);
	while (!IS_ENABLED(CONFIG_PREEMPT_RT) && !once) {
		/* Of these instructions of L1's each has an answer or none; the rest may be a matter between L1 and L2. */
		if (run == &vcpu->l1 && is_quick(&run->exit)) {
			if (!calm && !is_calm(vcpu, run))
				break;
			calm = true;
			if (!answer(vcpu, run))
				break;
			run->rip = run->exit.next_rip;
		} else {
			if (!turn_world(vcpu, run, turns))
				break;
			turns = true;
			run = vcpu->run;
		}
		vcpu->stats.world_switches++;
		vcpu->stats.exits++;
		hw->reenter(run);
		note_exit(vcpu, run);
	}
	hw->leave(run);
}

#endif
