// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMM's debugger on a vCPU.
 *
 * Software breakpoints: #BP exits.  Hardware breakpoints: while they are on, the
 * CPU has the debugger's DR0 to DR3 and DR7 (vcpu_hw_dr, vcpu_hw_dr7), and the guest
 * reads and writes its own, since MOV DR exits always.  Single step: TF is lent to
 * the guest for each entry and taken back after it, and an instruction that is
 * emulated counts as a step when it has ended.
 */
#include <uapi/asm/debugreg.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "core/events.h"
#include "core/guest_debug.h"

#define DR6_RESERVED_ONES	0xffff0ff0ull

static void use_bp_exits(struct nestor_vcpu *vcpu, bool on)
{
	struct guest_run *l1 = &vcpu->l1;

	if (on)
		l1->intercept[ICPT_EXCEPTION] |= BIT(X86_TRAP_BP);
	else
		l1->intercept[ICPT_EXCEPTION] &= ~BIT(X86_TRAP_BP);
	l1->ctl_dirty |= CTL_INTERCEPTS;
	/* L2's next entry merges anew; a #BP that exits for nobody until then is given back. */
	if (on && vcpu_in_l2(vcpu)) {
		vcpu->run->intercept[ICPT_EXCEPTION] |= BIT(X86_TRAP_BP);
		vcpu->run->ctl_dirty |= CTL_INTERCEPTS;
	}
}

/* The guest's DR7 has to be known before the CPU gets another. */
static void switch_drs(struct nestor_vcpu *vcpu)
{
	run_need(&vcpu->l1, GRP_DR);
	run_dirty(&vcpu->l1, GRP_DR);
	if (vcpu_in_l2(vcpu)) {
		run_need(vcpu->run, GRP_DR);
		run_dirty(vcpu->run, GRP_DR);
	}
}

int guest_debug_set(struct nestor_vcpu *vcpu, const struct kvm_guest_debug *d)
{
	u32 inject = d->control & (KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP);
	u32 on = d->control & KVM_GUESTDBG_ENABLE ? d->control & ~inject : 0;
	unsigned int i;

	lockdep_assert_held(&vcpu->lock);
	if (d->control & ~GUESTDBG_FLAGS)
		return -EINVAL;
	if (inject && (vcpu->ev.excp.pending || vcpu->ev.excp.injected))
		return -EBUSY;
	if (inject)
		queue_exception(vcpu, inject & KVM_GUESTDBG_INJECT_DB ? X86_TRAP_DB : X86_TRAP_BP);
	switch_drs(vcpu);
	vcpu->guest_debug = on;
	for (i = 0; i < 8; i++)
		vcpu->guest_debug_dr[i] = on & KVM_GUESTDBG_USE_HW_BP ? d->arch.debugreg[i] : 0;
	/* The upper half of DR7 is reserved, and the CPU refuses to run with it. */
	vcpu->guest_debug_dr[7] = (u32)vcpu->guest_debug_dr[7];
	use_bp_exits(vcpu, on & KVM_GUESTDBG_USE_SW_BP);
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

void guest_debug_lend_tf(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;

	if (likely(!(vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP)) || vcpu->singlestep_nmi ||
	    (run->rflags & X86_EFLAGS_TF))
		return;
	run->rflags |= X86_EFLAGS_TF;
	vcpu->debug_tf = true;
}

void guest_debug_take_tf(struct nestor_vcpu *vcpu)
{
	if (likely(!vcpu->debug_tf))
		return;
	vcpu->debug_tf = false;
	vcpu->run->rflags &= ~(u64)X86_EFLAGS_TF;
}

enum run_action guest_debug_exit(struct nestor_vcpu *vcpu, u64 dr6, u32 vector)
{
	struct kvm_run *kr = vcpu->kvm_run;
	struct guest_run *run = vcpu->run;

	run_need(run, GRP_DR);
	kr->exit_reason = KVM_EXIT_DEBUG;
	kr->debug.arch.exception = vector;
	kr->debug.arch.pc = run_seg(run, SEG_CS)->base + run->rip;
	kr->debug.arch.dr6 = dr6 | DR6_RESERVED_ONES;
	kr->debug.arch.dr7 = vcpu_hw_dr7(run);
	return EXIT_USER;
}

enum run_action guest_debug_finish(struct nestor_vcpu *vcpu, enum run_action action)
{
	if (likely(!vcpu->guest_debug))
		return action;
	/* Whoever steps decides about events before each entry. */
	vcpu_request(vcpu, REQ_EVENT);
	if (!vcpu->debug_stepped)
		return action;
	vcpu->debug_stepped = false;
	if (action != RESUME_GUEST)
		return action;
	return guest_debug_exit(vcpu, DR_STEP, X86_TRAP_DB);
}

/* With DEBUGCTL.BTF the trap flag steps over branches that are taken, and over nothing else. */
static bool steps_here(struct guest_run *run, bool branch)
{
	if (likely(!(run->rflags & X86_EFLAGS_TF)))
		return false;
	run_need(run, GRP_LBR);
	return branch || !(run->debugctl & DEBUGCTLMSR_BTF);
}

void insn_retired(struct nestor_vcpu *vcpu, bool branch)
{
	if (unlikely(vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP))
		vcpu->debug_stepped = true;
	else if (unlikely(steps_here(vcpu->run, branch)) && !vcpu->singlestep_nmi)
		queue_debug(vcpu, DR_STEP);
}
