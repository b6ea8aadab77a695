// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events on their way into the guest, before each entry.
 *
 * A frontend is asked for every pending event of L2 before it becomes injected; reflecting
 * it makes L1 current, and the decision starts over.  What cannot be taken yet has a window opened.
 */
#include <uapi/asm/debugreg.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "core/events.h"
#include "core/guest_debug.h"
#include "core/hw_ops.h"
#include "core/irqchip.h"
#include "core/nested_ops.h"
#include "core/smm.h"

#define DR7_GD		BIT(13)

/* A debug exception ends the recording of branches and the stepping by branches. */
static void end_tracing(struct guest_run *run)
{
	run_need(run, GRP_LBR);
	if (likely(!(run->debugctl & (DEBUGCTLMSR_LBR | DEBUGCTLMSR_BTF))))
		return;
	run->debugctl &= ~(u64)(DEBUGCTLMSR_LBR | DEBUGCTLMSR_BTF);
	run_dirty(run, GRP_LBR);
}

/* What delivery itself changes before the handler's first instruction. */
static void apply_payload(struct nestor_vcpu *vcpu)
{
	const struct vcpu_exception *x = &vcpu->ev.excp;
	struct guest_run *run = vcpu->run;

	if (!x->has_payload)
		return;
	if (x->vector == X86_TRAP_PF) {
		run_need(run, GRP_CR2);
		run->cr2 = x->payload;
		run_dirty(run, GRP_CR2);
	} else if (x->vector == X86_TRAP_DB) {
		run_need(run, GRP_DR);
		run->dr6 = (run->dr6 & ~(u64)DR_TRAP_BITS) | x->payload;
		run->dr7 &= ~(u64)DR7_GD;
		run_dirty(run, GRP_DR);
		end_tracing(run);
	}
	vcpu->ev.excp.has_payload = false;
}

/* Exceptions that leave RIP at the instruction push RF set. */
static bool is_fault(u8 vector, u64 dr6)
{
	if (vector == X86_TRAP_DB)
		return !(dr6 & (DR_STEP | DR_SWITCH));
	return vector != X86_TRAP_BP && vector != X86_TRAP_OF && vector != X86_TRAP_DF &&
	       vector != X86_TRAP_MC;
}

/* true: the pending exception is on its way, in this run or in L1's */
static void deliver_exception(struct nestor_vcpu *vcpu)
{
	struct vcpu_exception *x = &vcpu->ev.excp;
	struct guest_event ev = {
		.valid = true, .type = EVENT_EXCEPTION, .vector = x->vector,
		.has_error = x->has_error, .error = x->error,
	};

	if (vcpu_in_l2(vcpu)) {
		u64 payload = x->payload;

		if (nested->l2_event(vcpu, &ev, payload) == NESTED_BY_L1) {
			x->pending = false;
			return;
		}
	}
	if (is_fault(x->vector, x->payload))
		vcpu->run->rflags |= X86_EFLAGS_RF;
	apply_payload(vcpu);
	x->pending = false;
	x->injected = true;
}

/*
 * A window opens with the guest's own IF and interrupt shadow.  What else holds
 * an interrupt back (GIF, L1's IF while L2 runs) ends with an exit of its own;
 * a window would then open again and again without the guest moving on.
 */
static bool window_helps(struct nestor_vcpu *vcpu)
{
	const struct guest_run *run = vcpu->run;

	if (nested->blocked(vcpu, EVENT_INTR) || (vcpu->guest_debug & KVM_GUESTDBG_BLOCKIRQ))
		return false;
	return !vcpu_in_l2(vcpu) || !(run->rflags & X86_EFLAGS_IF) || run->int_shadow;
}

static void open_irq_window(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;

	if (run->irq_window || !window_helps(vcpu))
		return;
	run->irq_window = true;
	run->ctl_dirty |= CTL_VINTR;
}

static void close_irq_window(struct guest_run *run)
{
	if (!run->irq_window)
		return;
	run->irq_window = false;
	run->ctl_dirty |= CTL_VINTR;
}

/* Nothing else on the way to an entry sees to it that the CPU is told. */
static void set_nmi_window(struct guest_run *run, bool open)
{
	if (run->nmi_window == open)
		return;
	run->nmi_window = open;
	run->ctl_dirty |= CTL_INTERCEPTS;
}

/*
 * Where no exit says when an NMI can be taken: while a handler runs its IRET is
 * intercepted; once that is under way, or in an interrupt shadow, one step
 * with TF brings the guest back.
 */
static void open_nmi_window(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;

	if (nested->blocked(vcpu, EVENT_NMI))
		return;		/* STGI exits, or VGIF is off while an NMI waits */
	if (hw_caps.nmi_window) {
		set_nmi_window(run, true);
		return;
	}
	if (vcpu->ev.nmi_masked && !vcpu->ev.nmi_iret)
		return;		/* IRET exits */
	if (vcpu->singlestep_nmi)
		return;
	vcpu->singlestep_nmi = true;
	vcpu->singlestep_tf = run->rflags & X86_EFLAGS_TF;
	run->rflags |= X86_EFLAGS_TF;
}

/* A CPU with a window for NMIs masks them itself when it delivers one. */
static void mask_nmi(struct nestor_vcpu *vcpu)
{
	if (!hw_caps.nmi_window)
		vcpu->ev.nmi_masked = true;
}

/*
 * NMIs are masked for the processor, not for a run: whichever of L1 and L2
 * executes the IRET unmasks them.
 */
static void watch_iret(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;

	if (!vcpu->ev.nmi_masked || vcpu->ev.nmi_iret ||
	    (run->intercept[ICPT_MISC1] & ICPT_IRET))
		return;
	run->intercept[ICPT_MISC1] |= ICPT_IRET;
	run->ctl_dirty |= CTL_INTERCEPTS;
}

/* Interrupts for L1 while L2 runs, and for the current run; true: decide again. */
static bool deliver_nmi(struct nestor_vcpu *vcpu)
{
	struct guest_event ev = { .valid = true, .type = EVENT_NMI, .vector = X86_TRAP_NMI };

	if (!can_take_nmi(vcpu)) {
		open_nmi_window(vcpu);
		return false;
	}
	if (vcpu_in_l2(vcpu) && nested->l2_event(vcpu, &ev, 0) == NESTED_BY_L1)
		return true;
	vcpu->ev.nmi_pending--;
	vcpu->ev.nmi_injected = true;
	vcpu->stats.nmis++;
	mask_nmi(vcpu);
	return false;
}

/* SMIs come before NMIs and interrupts.  1: decide again, 0: nothing, -errno */
static int deliver_smi(struct nestor_vcpu *vcpu, bool busy)
{
	struct guest_event ev = { .valid = true, .type = EVENT_SMI };
	int r;

	if (!smm_waiting(vcpu))
		return 0;
	if (busy) {
		vcpu->immediate_exit = true;
		return 0;
	}
	if (vcpu_in_l2(vcpu) && nested->l2_event(vcpu, &ev, 0) == NESTED_BY_L1)
		return 1;
	r = smm_enter(vcpu);
	return r ? r : 1;
}

static void inject_irq(struct nestor_vcpu *vcpu, u8 vector)
{
	vcpu->ev.intr.injected = true;
	vcpu->ev.intr.soft = false;
	vcpu->ev.intr.vector = vector;
}

static bool deliver_irq(struct nestor_vcpu *vcpu)
{
	struct guest_event ev = { .valid = true, .type = EVENT_INTR };
	int vector;

	if (!can_take_irq(vcpu)) {
		open_irq_window(vcpu);
		return false;
	}
	if (vcpu_in_l2(vcpu) && nested->l2_event(vcpu, &ev, 0) == NESTED_BY_L1)
		return true;
	vector = irq_ack(vcpu);
	if (vector < 0)
		return false;
	inject_irq(vcpu, vector);
	vcpu->stats.irqs++;
	return false;
}

/* A virtual interrupt of the frontend's own goes through L2's IDT, after all that is L1's. */
static void deliver_virq(struct nestor_vcpu *vcpu, bool busy)
{
	struct guest_run *run = vcpu->run;
	bool open = !busy && (run->rflags & X86_EFLAGS_IF) && !run->int_shadow;
	int vector;

	if (vcpu->guest_debug & KVM_GUESTDBG_BLOCKIRQ)
		return;
	vector = nested->l2_virq(vcpu, open);
	if (vector < 0)
		return;
	if (open) {
		inject_irq(vcpu, vector);
	} else if (!run->irq_window) {
		run->irq_window = true;
		run->ctl_dirty |= CTL_VINTR;
	}
}

/* One round; 1: L1 became current and the question is a new one; -ENOMEM */
static int deliver_round(struct nestor_vcpu *vcpu)
{
	bool busy = any_injected(vcpu);
	struct guest_run *run = vcpu->run;
	int r;

	close_irq_window(run);
	if (hw_caps.nmi_window)
		set_nmi_window(run, false);
	if (vcpu_in_l2(vcpu) && nested->l2_due(vcpu) == NESTED_BY_L1)
		return true;
	if (!busy && vcpu->ev.excp.pending) {
		deliver_exception(vcpu);
		if (vcpu->run != run)
			return true;
		busy = any_injected(vcpu);
	}
	r = deliver_smi(vcpu, busy);
	if (r)
		return r;
	if (vcpu->ev.nmi_pending) {
		if (busy)
			vcpu->immediate_exit = true;
		else if (deliver_nmi(vcpu))
			return true;
		busy = any_injected(vcpu);
	}
	if (irq_pending(vcpu)) {
		if (!busy) {
			if (deliver_irq(vcpu))
				return true;
			busy = any_injected(vcpu);
		} else if (vcpu_in_l2(vcpu)) {
			/* L1's own window on L2 may be wider than L2's; come back and look. */
			vcpu->immediate_exit = true;
		} else {
			open_irq_window(vcpu);
		}
	}
	if (vcpu_in_l2(vcpu))
		deliver_virq(vcpu, busy);
	return false;
}

enum run_action deliver_events(struct nestor_vcpu *vcpu)
{
	struct guest_run *run;
	int rounds, r = 1;

	if (vcpu_take_request(vcpu, REQ_SMI))
		vcpu->smm.pending = true;
	if (vcpu_take_request(vcpu, REQ_NMI) && vcpu->ev.nmi_pending < 2)
		vcpu->ev.nmi_pending++;
	vcpu->immediate_exit = false;
	/* A reflection makes L1 current, and there is one SMI: the third round is the last. */
	for (rounds = 0; rounds < 4 && r > 0; rounds++)
		r = deliver_round(vcpu);
	if (r < 0)
		return NO_MEMORY;
	vcpu->smm.halted = false;
	run = vcpu->run;
	watch_iret(vcpu);
	run->inject = injected_event(vcpu);
	if (irq_user_window(vcpu))
		open_irq_window(vcpu);
	if (vcpu_in_l2(vcpu))
		nested->l2_ready(vcpu, true);
	guest_debug_lend_tf(vcpu);
	return RESUME_GUEST;
}

bool events_settled(struct nestor_vcpu *vcpu)
{
	const struct vcpu_events *e = &vcpu->ev;
	struct guest_run *run = vcpu->run;

	/* Whatever waits, and whatever was set up while something waited. */
	if (unlikely(e->excp.pending | e->nmi_pending | e->nmi_masked | run->irq_window |
		     run->nmi_window |
		     vcpu->immediate_exit | vcpu->singlestep_nmi | vcpu->smm.pending))
		return false;
	if (unlikely(!irq_quiet(vcpu) && irq_pending(vcpu)))
		return false;
	if (unlikely(READ_ONCE(vcpu->kvm_run->request_interrupt_window)) && irq_user_window(vcpu))
		return false;
	if (unlikely(any_injected(vcpu)))
		run->inject = injected_event(vcpu);
	else
		run->inject.valid = false;
	return true;
}
