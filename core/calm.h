/* SPDX-License-Identifier: GPL-2.0-only */
/* May the guest be entered again right behind an exit, with interrupts off and no look at anything? */
#ifndef NESTOR_CORE_CALM_H
#define NESTOR_CORE_CALM_H

#include <asm/processor-flags.h>

#include "core/events.h"
#include "core/trace.h"

/* is_calm() - nothing waits and nobody listens.  It is so until somebody other than an answer changes it. */
static __always_inline bool is_calm(const struct nestor_vcpu *vcpu, const struct guest_run *run)
{
	const struct vcpu_events *e = &vcpu->ev;

	return !(any_injected(vcpu) || vcpu->guest_debug ||
		 (run->irq_window | run->nmi_window | vcpu->immediate_exit | vcpu->singlestep_nmi |
		  vcpu->debug_tf | vcpu->smm.pending | e->excp.pending | e->nmi_pending | e->nmi_iret |
		  e->nmi_masked));
}

/* is_bare() - the exit is nothing but an instruction's: no event is under way, nothing traced, logged or stepped over */
static __always_inline bool is_bare(const struct guest_run *run)
{
	return !((run->exit.vectoring.valid | run->int_shadow | run->log_nr) ||
		 (run->rflags & (X86_EFLAGS_TF | X86_EFLAGS_RF)) || trace_nestor_exit_enabled());
}

#endif
