/* SPDX-License-Identifier: GPL-2.0-only */
/* May the guest be entered again right behind an exit, with interrupts off and no look at anything? */
#ifndef NESTOR_CORE_CALM_H
#define NESTOR_CORE_CALM_H

#include <asm/processor-flags.h>

#include "core/events.h"
#include "core/trace.h"

/*
 * vcpu_is_calm() - nothing waits and nobody listens.  Who changes that is this vCPU's thread, and not with interrupts
 * off right behind an exit: neither an answer nor a turn does.
 */
static __always_inline bool vcpu_is_calm(const struct nestor_vcpu *vcpu)
{
	const struct vcpu_events *e = &vcpu->ev;

	return !(any_injected(vcpu) || vcpu->guest_debug ||
		 (vcpu->immediate_exit | vcpu->singlestep_nmi | vcpu->debug_tf | vcpu->smm.pending |
		  e->excp.pending | e->nmi_pending | e->nmi_iret | e->nmi_masked));
}

/* run_has_window() - is it to exit as soon as it can take an event? */
static __always_inline bool run_has_window(const struct guest_run *run)
{
	return run->irq_window | run->nmi_window;
}

/* is_calm() - of an exit of @run's, both */
static __always_inline bool is_calm(const struct nestor_vcpu *vcpu, const struct guest_run *run)
{
	return vcpu_is_calm(vcpu) && !run_has_window(run);
}

/* is_bare() - the exit is but an instruction's: no event is under way, nothing traced, logged or stepped over */
static __always_inline bool is_bare(const struct guest_run *run)
{
	return !((run->exit.vectoring.valid | run->int_shadow | run->log_nr) ||
		 (run->rflags & (X86_EFLAGS_TF | X86_EFLAGS_RF)) || trace_nestor_exit_enabled());
}

#endif
