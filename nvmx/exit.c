// SPDX-License-Identifier: GPL-2.0-only
/*
 * L2 stopped: does L0 want the exit, does L1?  The table says which rule decides;
 * here are the rules that need more than vmcs12.
 */
#include "core/events.h"
#include "mmu/mmu.h"
#include "nvmx/bitmaps.h"
#include "nvmx/checks.h"
#include "nvmx/exit_table.h"
#include "nvmx/nvmx.h"
#include "nvmx/qual.h"

#define VECTOR_DB	1
#define VECTOR_BP	3
#define VECTOR_OF	4
#define VECTOR_MC	18

/* Exceptions that push an error code: #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP. */
#define WITH_ERROR	0x00227d00u

#define IOIO_SIZE(i)	((i) >> 4 & 7)
#define IOIO_PORT(i)	((u16)((i) >> 16))

/*
 * #MC is the host's; a debugger of the VMM, or L0's own single step, comes
 * before L1.  A #DB that turns out to be L2's is queued and offered to L1 then.
 */
static bool exception_ours(struct nestor_vcpu *vcpu, u16 vector)
{
	if (vector == VECTOR_MC || (vector == VECTOR_DB && vcpu->singlestep_nmi))
		return true;
	if (vector == VECTOR_DB)
		return vcpu->guest_debug & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP);
	return vector == VECTOR_BP && (vcpu->guest_debug & KVM_GUESTDBG_USE_SW_BP);
}

static u8 exception_vector(const struct guest_exit *x)
{
	return x->reason == EXIT_ICEBP ? VECTOR_DB : x->index;
}

static u32 exception_info(struct nestor_vcpu *vcpu)
{
	const struct guest_exit *x = &vcpu->run->exit;
	struct guest_event ev = {
		.valid = true, .type = EVENT_EXCEPTION, .vector = exception_vector(x),
	};

	/* INT3 and INTO raise no others, and nothing else raises these; only INT1 has a length. */
	if (ev.vector == VECTOR_BP || ev.vector == VECTOR_OF)
		ev.type = EVENT_SOFT_EXCEPTION;
	else if (x->reason == EXIT_ICEBP ||
		 (ev.vector == VECTOR_DB && x->has_qual && x->next_rip))
		ev.type = EVENT_PRIV_EXCEPTION;
	else
		/* Real mode has no error codes. */
		ev.has_error = (WITH_ERROR >> ev.vector & 1) && run_is_protected(vcpu->run);
	return nvmx_event_encode(&ev);
}

static enum exit_want want_exception(struct nestor_vcpu *vcpu)
{
	const struct guest_exit *x = &vcpu->run->exit;
	u8 vector = exception_vector(x);

	if (exception_ours(vcpu, vector))
		return WANT_L0;
	return nvmx_want_exception(nvmx_of(vcpu)->vmcs12, vector, x->info1) ? WANT_L1 : WANT_L0;
}

static enum exit_want want_cr(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;
	u64 qual = nvmx_exit_qual(vcpu);
	u64 val = run->gpr[CR_QUAL_GPR(qual)];

	if (val >> 32 && !run_is_64bit(run))
		val = (u32)val;
	return nvmx_want_cr(nvmx_of(vcpu)->vmcs12, qual, val) ? WANT_L1 : WANT_L0;
}

static enum exit_want want_xsaves(struct nestor_vcpu *vcpu)
{
	const struct vmcs12 *v = nvmx_of(vcpu)->vmcs12;
	const u64 *gpr = vcpu->run->gpr;
	u64 set = (u32)gpr[REG_RAX] | gpr[REG_RDX] << 32;

	if (!(nvmx_cpu2(v) & CPU2_XSAVES))
		return WANT_UD;
	return set & vcpu->msr.xss & v->xss_exit_bitmap ? WANT_L1 : WANT_L0;
}

/* One bit of the VMREAD or VMWRITE bitmap; a field beyond it or a bitmap that is not there exits. */
static enum exit_want want_field(struct nestor_vcpu *vcpu, u64 map, u64 field)
{
	u8 byte;
	int r;

	if (field >> 15)
		return WANT_L1;
	r = gmem_read(vcpu, l1_gpa(map + field / 8), &byte, 1);
	if (r)
		return r == -EAGAIN ? WANT_LATER : WANT_L1;
	return byte & (1u << (field & 7)) ? WANT_L1 : WANT_L0;
}

/* Register that holds the field's encoding (SDM: instruction information of VMREAD and VMWRITE) */
static unsigned int field_gpr(struct nestor_vcpu *vcpu)
{
	return vcpu->run->exit.insn_info >> 28 & 0xf;
}

/*
 * With VMCS shadowing an access of L2 that the bitmaps let pass is to the shadow VMCS
 * at the link pointer, and L0 does it (SDM: "VMREAD and VMWRITE" in "Changes to
 * Instruction Behavior in VMX Non-Root Operation").
 */
static enum exit_want want_vmx(struct nestor_vcpu *vcpu)
{
	const struct vmcs12 *v = nvmx_of(vcpu)->vmcs12;
	struct guest_run *run = vcpu->run;
	bool write = run->exit.index == INSN_VMWRITE;
	u64 field;

	if (run->exit.index == INSN_VMFUNC)
		return nvmx_vmfunc(vcpu);
	if (!write && run->exit.index != INSN_VMREAD)
		return WANT_L1;
	if (!(nvmx_cpu2(v) & CPU2_VMCS_SHADOW))
		return WANT_L1;
	field = run->gpr[field_gpr(vcpu)];
	if (field >> 32 && !run_is_64bit(run))
		field = (u32)field;
	return want_field(vcpu, write ? v->vmwrite_bitmap : v->vmread_bitmap, field);
}

enum exit_want nvmx_want(struct nestor_vcpu *vcpu, const struct exit_row *row)
{
	const struct guest_exit *x = &vcpu->run->exit;
	int wanted;

	if (row->rule == RULE_ALWAYS)
		return WANT_L1;
	switch (row->rule) {
	case RULE_L0:
	case RULE_FAULT:
		return WANT_L0;
	case RULE_EXCEPTION:
		return want_exception(vcpu);
	case RULE_CR:
		return want_cr(vcpu);
	case RULE_IO:
		wanted = nvmx_io_wanted(vcpu, IOIO_PORT(x->info1), IOIO_SIZE(x->info1));
		break;
	case RULE_MSR:
		wanted = nvmx_msr_wanted(vcpu, vcpu->run->gpr[REG_RCX], x->info1 & 1);
		break;
	case RULE_VMX:
		return want_vmx(vcpu);
	case RULE_XSAVES:
		return want_xsaves(vcpu);
	default:
		return nvmx_want_simple(nvmx_of(vcpu)->vmcs12, row);
	}
	if (wanted < 0)
		return WANT_LATER;
	return wanted ? WANT_L1 : WANT_L0;
}

u32 nvmx_basic_reason(const struct guest_exit *x, const struct exit_row *row)
{
	switch (row->rule) {
	case RULE_MSR:
		return x->info1 & 1 ? VMEXIT_WRMSR : VMEXIT_RDMSR;
	case RULE_VMX:
		return x->index < NR_VMX_INSNS ? nvmx_insn_reason[x->index] : row->reason;
	default:
		return row->reason;
	}
}

static noinline enum nested_who reflect_exception(struct nestor_vcpu *vcpu,
						  const struct exit_row *row, u64 qual)
{
	u32 info = exception_info(vcpu);

	return nvmx_reflect(vcpu, row->reason, qual, info,
			    info & INTR_INFO_ERROR ? vcpu->run->exit.info1 : 0);
}

enum nested_who nvmx_reflect_row(struct nestor_vcpu *vcpu, const struct exit_row *row)
{
	u64 qual = row->flags & X_QUAL ? nvmx_exit_qual(vcpu) : 0;

	if (row->rule == RULE_EXCEPTION)
		return reflect_exception(vcpu, row, qual);
	return nvmx_reflect(vcpu, nvmx_basic_reason(&vcpu->run->exit, row), qual, 0, 0);
}

/* Done with, whichever is current now. */
static enum nested_who handled(struct nestor_vcpu *vcpu)
{
	if (vcpu_in_l2(vcpu))
		nvmx_timer_resume(vcpu);
	return NESTED_BY_L1;
}

/* What L0 does to an exit of L2 that L1 does not want, on the way to core's handler: it may sleep. */
static enum nested_who not_wanted(struct nestor_vcpu *vcpu, const struct exit_row *row)
{
	const struct guest_exit *x = &vcpu->run->exit;

	if (row->rule == RULE_MSR && nvmx_apic_msr(vcpu))
		return handled(vcpu);
	/* What else an x2APIC of the CPU's virtualisation comes to may sleep. */
	if (vcpu->atomic && (x->reason == EXIT_HLT ||
			     (row->rule == RULE_MSR && (nvmx_of(vcpu)->apic.on || (x->info1 & 1)))))
		return NESTED_NOT_YET;
	if (x->reason == EXIT_HLT)
		nvmx_activity_halt(vcpu);
	nvmx_timer_resume(vcpu);
	return NESTED_BY_L0;
}

/* An exit that software's interrupt delivery made for itself, or may have to carry out. */
static bool soft_apic_exit(struct nestor_vcpu *vcpu)
{
	const struct nvmx_apic *a = &nvmx_of(vcpu)->apic;

	if (likely(!a->soft))
		return false;
	switch (vcpu->run->exit.reason) {
	case EXIT_TPR_THRESHOLD:
	case EXIT_APIC_WRITE:
	case EXIT_APIC_ACCESS:
		return true;
	default:
		return a->lent;
	}
}

static enum nested_who decide(struct nestor_vcpu *vcpu)
{
	const struct guest_exit *x = &vcpu->run->exit;
	const struct exit_row *row;

	if (x->reason >= NR_EXIT_REASONS)
		return NESTED_BY_L0;
	if (unlikely(x->reason == EXIT_INVALID) && x->raw == EXIT_REASON_INVALID_GUEST_STATE)
		return nvmx_refused(vcpu);
	/*
	 * Without the CPU's qualification the instruction has to be read; software's timer is
	 * looked at between the entries of the outer loop.
	 */
	if (vcpu->atomic && (!x->has_qual || nvmx_of(vcpu)->timer.soft || soft_apic_exit(vcpu)))
		return NESTED_NOT_YET;
	row = &nvmx_exit_table[x->reason];
	if (unlikely(nvmx_of(vcpu)->apic.soft) && nvmx_virq_exit(vcpu))
		return handled(vcpu);
	switch (nvmx_want(vcpu, row)) {
	case WANT_L1:
		return nvmx_reflect_row(vcpu, row);
	case WANT_UD:
		/* Done with here: L0's own handler must not run. */
		queue_ud(vcpu);
		return NESTED_BY_L1;
	case WANT_LATER:
		return NESTED_NOT_YET;
	case WANT_DONE:
		return handled(vcpu);
	default:
		return not_wanted(vcpu, row);
	}
}

enum nested_who nvmx_l2_exit(struct nestor_vcpu *vcpu)
{
	enum nested_who who;

	/* It may have to look at L2's memory. */
	if (unlikely(nvmx_of(vcpu)->mtf.on) && vcpu->atomic)
		return NESTED_NOT_YET;
	nvmx_of(vcpu)->at_exit = true;
	if (unlikely(nvmx_of(vcpu)->activity != ACTIVITY_ACTIVE))
		nvmx_activity_ran(vcpu);
	who = unlikely(nvmx_of(vcpu)->mtf.on) && nvmx_mtf_exit(vcpu) ? NESTED_BY_L1 : decide(vcpu);
	nvmx_of(vcpu)->at_exit = false;
	return who;
}
