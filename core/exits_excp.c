// SPDX-License-Identifier: GPL-2.0-only
/*
 * Intercepted exceptions, and the end of NMI handlers.
 */
#include <uapi/asm/debugreg.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "core/events.h"
#include "core/exits.h"
#include "core/guest_debug.h"
#include "core/insn.h"
#include "core/smm.h"

#define EFER_SVME_BIT	BIT_ULL(12)

static bool is_svm_insn(enum x86_op op)
{
	switch (op) {
	case X86_OP_VMRUN:
	case X86_OP_VMLOAD:
	case X86_OP_VMSAVE:
	case X86_OP_STGI:
	case X86_OP_CLGI:
	case X86_OP_SKINIT:
	case X86_OP_INVLPGA:
		return true;
	default:
		return false;
	}
}

/*
 * The CPU has EFER.SVME set whatever the guest sees, so an SVM instruction at
 * CPL 3 raises #GP before it can exit.  To a guest with SVME clear it is #UD, and
 * so is SKINIT, which no guest has.  A #GP of the delivery of an event, of that very #UD perhaps, is
 * not the instruction's.
 */
static enum run_action handle_gp(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;
	u8 bytes[MAX_INSN_LEN];
	struct x86_insn insn;
	unsigned int len;

	run_need(run, GRP_CR);
	if (!run->exit.info1 && !run->exit.vectoring.valid && !vcpu_fetch(vcpu, &insn, bytes, &len) && is_svm_insn(insn.op) &&
	    (!(run->efer & EFER_SVME_BIT) || insn.op == X86_OP_SKINIT))
		queue_ud(vcpu);
	else
		queue_exception_error(vcpu, X86_TRAP_GP, run->exit.info1);
	return RESUME_GUEST;
}

/* In L1's SMM #UD is intercepted: RSM is one to a CPU that is in no SMM itself. */
static enum run_action handle_ud(struct nestor_vcpu *vcpu)
{
	u8 bytes[MAX_INSN_LEN];
	struct x86_insn insn;
	unsigned int len;

	if (vcpu->smm.active && !vcpu_in_l2(vcpu) && !vcpu_fetch(vcpu, &insn, bytes, &len) &&
	    insn.op == X86_OP_RSM)
		return handle_rsm(vcpu);
	queue_ud(vcpu);
	return RESUME_GUEST;
}

/* The step that was to find the place for an NMI is done. */
static void end_nmi_step(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;

	vcpu->singlestep_nmi = false;
	if (!vcpu->singlestep_tf)
		run->rflags &= ~(u64)X86_EFLAGS_TF;
	vcpu_request(vcpu, REQ_EVENT);
}

/* Nobody debugs any more, or L2 runs on with the old intercepts: the guest gets its #BP. */
static enum run_action handle_bp(struct nestor_vcpu *vcpu)
{
	int len;

	if (vcpu->guest_debug & KVM_GUESTDBG_USE_SW_BP)
		return guest_debug_exit(vcpu, 0, X86_TRAP_BP);
	len = vcpu_insn_len(vcpu);
	if (len < 0)
		return insn_failed(vcpu, len);
	vcpu->run->rip += len;
	queue_exception(vcpu, X86_TRAP_BP);
	return RESUME_GUEST;
}

/* INT1 is an instruction that is done: it returns behind itself, with DR6 and RF as they were. */
static enum run_action deliver_int1(struct nestor_vcpu *vcpu)
{
	const struct guest_event ev = {
		.valid = true, .type = EVENT_PRIV_EXCEPTION, .vector = X86_TRAP_DB,
	};

	vcpu->run->next_rip = vcpu->run->exit.next_rip;
	requeue_event(vcpu, &ev);
	return RESUME_GUEST;
}

static enum run_action handle_db(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;
	u64 dr6;

	run_need(run, GRP_DR);
	/* A CPU that reports the bits apart has not written DR6. */
	dr6 = (run->exit.has_qual ? run->exit.qual : run->dr6) & (DR_TRAP_BITS | DR_STEP | DR_SWITCH | BIT(13));
	if (vcpu->singlestep_nmi && (dr6 & DR_STEP)) {
		bool ours = !vcpu->singlestep_tf;

		end_nmi_step(vcpu);
		if (ours)
			dr6 &= ~(u64)DR_STEP;
		if (!dr6)
			return RESUME_GUEST;
	}
	if (vcpu->guest_debug & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP))
		return guest_debug_exit(vcpu, dr6, X86_TRAP_DB);
	/* A CPU that reports the bits apart gives a length to INT1 alone. */
	if (run->exit.has_qual && run->exit.next_rip)
		return deliver_int1(vcpu);
	queue_debug(vcpu, dr6);
	return RESUME_GUEST;
}

enum run_action handle_exception(struct nestor_vcpu *vcpu)
{
	const struct guest_exit *x = &vcpu->run->exit;

	switch (x->index) {
	case X86_TRAP_DB:
		return handle_db(vcpu);
	case X86_TRAP_BP:
		return handle_bp(vcpu);
	case X86_TRAP_UD:
		return handle_ud(vcpu);
	case X86_TRAP_GP:
		return handle_gp(vcpu);
	case X86_TRAP_AC:
		queue_exception_error(vcpu, X86_TRAP_AC, x->info1);
		return RESUME_GUEST;
	case X86_TRAP_MC:
		/* The machine check is the host's; its handler decides who dies. */
		asm volatile("int $18");
		return RESUME_GUEST;
	default:
		queue_exception(vcpu, x->index);
		return RESUME_GUEST;
	}
}

/* An NMI handler's IRET is about to run: one may come once it is done. */
enum run_action handle_iret(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;

	run->intercept[ICPT_MISC1] &= ~ICPT_IRET;
	run->ctl_dirty |= CTL_INTERCEPTS;
	if (!vcpu->ev.nmi_masked)
		return RESUME_GUEST;
	vcpu->ev.nmi_iret = true;
	vcpu->ev.nmi_iret_rip = run->rip;
	vcpu_request(vcpu, REQ_EVENT);
	return RESUME_GUEST;
}
