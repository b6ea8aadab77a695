// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMX instructions of L1, and VMREAD and VMWRITE of an L2 with a shadow VMCS
 * (SDM vol. 3, "VMX Instruction Reference").  Conditions in the manual's order:
 * #UD for the mode, VM exit (L2's: the exit table), #GP for CPL, the rest of
 * each instruction.
 */
#include "core/exits.h"
#include "core/insn.h"
#include "core/x86.h"
#include "nvmx/insn.h"
#include "nvmx/insn_info.h"

static const struct {
	const char *name;
	u64 outcome;
} failures[NR_NVMX_FAILURES] = {
#define GP OUTCOME_GP
#define INVALID OUTCOME_INVALID
#define X(id, outcome_) [FAIL_##id] = { #id, outcome_ },
#include "nvmx/insn_fail.def"
#undef X
#undef GP
#undef INVALID
};

void nvmx_fail_valid(struct nestor_vcpu *vcpu, u32 error)
{
	nvmx_set_status(vcpu->run, RFLAGS_ZF);
	vmcs12_set(nvmx_of(vcpu)->vmcs12, VMCS12_insn_error, false, error);
}

static void record(struct nestor_vcpu *vcpu, enum nvmx_failure why, u32 field, u64 value, u64 aux)
{
	const struct verdict v = {
		.check = NVMX_FAILURE_ID + why, .name = failures[why].name, .field = field,
		.outcome = failures[why].outcome, .value = value, .aux = aux,
	};

	nested_record_verdict(vcpu, &v, vcpu->run->rip);
}

enum nested_result nvmx_refuse(struct nestor_vcpu *vcpu, enum nvmx_failure why, u32 field,
			       u64 value, u64 aux)
{
	u64 outcome = failures[why].outcome;

	record(vcpu, why, field, value, aux);
	if (outcome == OUTCOME_GP)
		return NESTED_GP;
	/* VMfail is VMfailInvalid while there is no current VMCS to hold the number. */
	if (outcome == OUTCOME_INVALID || nvmx_of(vcpu)->current_ptr == NO_VMCS)
		nvmx_set_status(vcpu->run, RFLAGS_CF);
	else
		nvmx_fail_valid(vcpu, outcome);
	return NESTED_OK;
}

/* A mode in which no VMX instruction exists. */
static bool wrong_mode(struct guest_run *run)
{
	if (!run_is_protected(run) || (run->rflags & X_RFLAGS_VM))
		return true;
	return run_is_long(run) && !run_is_64bit(run);
}

static enum nested_result do_entry(struct nestor_vcpu *vcpu, bool launch)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct guest_run *run = vcpu->run;
	/* With interrupts off, on this exit: what L1 wrote is here, and it is not the short way. */
	bool tried = n->quick.tried == vcpu->stats.exits;
	enum nested_result r;
	u32 error = 0;

	if (n->current_ptr == NO_VMCS)
		return nvmx_refuse(vcpu, FAIL_entry_no_current_vmcs, 0, NO_VMCS, 0);
	if (n->vmcs12->revision & VMCS12_SHADOW)
		return nvmx_refuse(vcpu, FAIL_entry_shadow_vmcs, 0, n->vmcs12->revision, 0);
	if (run->int_shadow && run->mov_ss)
		return nvmx_refuse(vcpu, FAIL_entry_mov_ss, 0, 0, 0);
	if (launch && n->vmcs12->launched)
		return nvmx_refuse(vcpu, FAIL_vmlaunch_not_clear, 0, 1, 0);
	if (!launch && !n->vmcs12->launched)
		return nvmx_refuse(vcpu, FAIL_vmresume_not_launched, 0, 0, 0);
	if (!tried && !nvmx_shadow_pull(vcpu))
		return NESTED_RETRY;
	if (!launch && !tried && likely(nvmx_quick_entry(vcpu)))
		return NESTED_ENTERED;
	r = nvmx_launch(vcpu, launch, &error);
	/* Why is recorded by then. */
	if (r == NESTED_OK)
		nvmx_fail_valid(vcpu, error);
	return r;
}

/* Outside VMX operation VMCALL is #UD, or a hypercall where L1 was promised those. */
static enum nested_result do_vmcall(struct nestor_vcpu *vcpu)
{
	if (!nvmx_of(vcpu)->vmxon)
		return hypercall(vcpu);
	if (vcpu_in_l2(vcpu) || wrong_mode(vcpu->run))
		return NESTED_UD;
	if (vcpu->run->cpl)
		return NESTED_GP;
	return nvmx_refuse(vcpu, FAIL_vmcall_in_root, 0, 0, 0);
}

/* VMXON alone runs outside of VMX operation, and asks for CR4.VMXE itself. */
static enum nested_result common_checks(struct nestor_vcpu *vcpu, u16 insn)
{
	struct guest_run *run = vcpu->run;

	/*
	 * A CPU that has VMX itself looks at the mode before it exits, and in VMX operation
	 * CR4.VMXE is 1.
	 */
	if (likely(run->exit.has_qual && nvmx_of(vcpu)->vmxon && !vcpu_in_l2(vcpu) &&
		   !vcpu->smm.active && insn != INSN_VMXON))
		return run->cpl ? NESTED_GP : NESTED_OK;
	run_need(run, GRP_CR);
	if (wrong_mode(run) || !(run->cr4 & X_CR4_VMXE) || !vcpu->cpuid.has_vmx)
		return NESTED_UD;
	/* An SMI handler cannot set VMXE; the VMM could have. */
	if (vcpu->smm.active)
		return NESTED_UD;
	if (insn != INSN_VMXON && !nvmx_of(vcpu)->vmxon)
		return NESTED_UD;
	/* What L2 may run at all is told by the exit table; this is the rest of it. */
	if (vcpu_in_l2(vcpu) && insn != INSN_VMREAD && insn != INSN_VMWRITE)
		return NESTED_UD;
	return run->cpl ? NESTED_GP : NESTED_OK;
}

static enum nested_result carry_out(struct nestor_vcpu *vcpu, u16 insn)
{
	switch (insn) {
	case INSN_VMCLEAR:
		return nvmx_do_vmclear(vcpu);
	case INSN_VMLAUNCH:
		return do_entry(vcpu, true);
	case INSN_VMPTRLD:
		return nvmx_do_vmptrld(vcpu);
	case INSN_VMPTRST:
		return nvmx_do_vmptrst(vcpu);
	case INSN_VMREAD:
		return nvmx_do_vmread(vcpu);
	case INSN_VMRESUME:
		return do_entry(vcpu, false);
	case INSN_VMWRITE:
		return nvmx_do_vmwrite(vcpu);
	case INSN_VMXOFF:
		return nvmx_do_vmxoff(vcpu);
	case INSN_VMXON:
		return nvmx_do_vmxon(vcpu);
	case INSN_INVEPT:
		return nvmx_do_invept(vcpu);
	case INSN_INVVPID:
		return nvmx_do_invvpid(vcpu);
	default:
		return NESTED_UD;	/* VMFUNC is L2's alone, see vmfunc.c */
	}
}

/* Those that hypervisors use on the way of an exit; with operands, where the CPU has told them. */
static bool can_be_atomic(const struct guest_exit *x)
{
	switch (x->index) {
	case INSN_VMLAUNCH:
	case INSN_VMRESUME:
		return true;
	case INSN_VMREAD:
	case INSN_VMWRITE:
	case INSN_VMPTRLD:
	case INSN_VMPTRST:
	case INSN_VMCLEAR:
	case INSN_INVEPT:
	case INSN_INVVPID:
		return x->has_qual;
	default:
		return false;
	}
}

enum nested_result nvmx_insn(struct nestor_vcpu *vcpu)
{
	const struct guest_exit *x = &vcpu->run->exit;
	enum nested_result r;

	if (x->reason == EXIT_VMMCALL)
		return hypercall(vcpu);
	if (x->reason != EXIT_VMX_INSN)
		return NESTED_UD;
	if (vcpu->atomic && (vcpu_in_l2(vcpu) || !can_be_atomic(x)))
		return NESTED_LATER;
	if (x->index == INSN_VMCALL)
		return do_vmcall(vcpu);
	r = common_checks(vcpu, x->index);
	if (r != NESTED_OK)
		return r;
	/* Nothing may be done twice: know the length before, not after. */
	switch (vcpu_insn_len(vcpu)) {
	case -EBUSY:
		return NESTED_LATER;
	case -EAGAIN:
		return NESTED_RETRY;
	}
	return carry_out(vcpu, x->index);
}
