// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMRESUME, VM exit, VMREAD and VMWRITE with interrupts off (nested_ops.turn): the entry is the short one of
 * quick.c, and the exit has a short way here, for one that an instruction made between two entries of that kind.
 *
 * What L1 can see of such an exit is compared while it is written to vmcs12, field by field: most are what
 * they were, and where only the guests have run since the last entry (nvmx/link.h) the shadow VMCS is told of the
 * others alone.
 */
#include "core/events.h"
#include "core/hw_ops.h"
#include "core/irqchip.h"
#include "core/trace.h"
#include "core/x86.h"
#include "nvmx/exit_table.h"
#include "nvmx/insn.h"
#include "nvmx/link.h"
#include "nvmx/shadow_now.h"

/* Rules that go by vmcs12 and the exit, or by a few bytes of L1's memory that are at hand or not. */
#define TURNS	(BIT(RULE_ALWAYS) | BIT(RULE_PIN) | BIT(RULE_CPU) | BIT(RULE_CPU2) | BIT(RULE_EXCEPTION) | \
		 BIT(RULE_CR) | BIT(RULE_IO) | BIT(RULE_MSR) | BIT(RULE_PAUSE) | BIT(RULE_RDTSCP) | BIT(RULE_INVPCID))

#define PUT(name, to)							\
do {									\
	u64 new_ = (to);						\
									\
	if (v->name != new_) {						\
		v->name = new_;						\
		if (linked) {						\
			s->val[SLOT_##name] = new_;			\
			news |= BIT_ULL(SLOT_##name);			\
		}							\
	}								\
} while (0)

/*
 * nvmx_reflect()'s record_exit() and save_guest() where quick.step, and nothing was injected or delivered.
 * Return: with @linked, the slots that got another value.
 */
static __always_inline u64 step_fields(struct nvmx *n, const struct exit_row *row, u32 reason, u32 len,
				       const bool linked)
{
	const struct guest_run *l2 = &n->l2;
	const struct guest_exit *x = &l2->exit;
	struct nvmx_shadowed *s = &n->shadowed;
	struct vmcs12 *v = n->vmcs12;
	u64 news = 0;

	PUT(exit_reason, reason);
	PUT(exit_qual, row->flags & X_QUAL ? x->qual : 0);
	PUT(exit_intr_info, 0);
	PUT(exit_error_code, 0);
	PUT(exit_insn_len, len);
	PUT(exit_insn_info, row->flags & X_INFO ? x->insn_info : 0);
	if (row->flags & X_GLA)
		PUT(guest_linear_addr, x->gla);
	PUT(idt_vectoring_info, 0);
	PUT(guest_rip, l2->rip);
	PUT(guest_rsp, l2->gpr[REG_RSP]);
	PUT(guest_rflags, l2->rflags);
	PUT(guest_cr0, l2->cr0);
	PUT(guest_cr3, l2->cr3);
	PUT(guest_cr4, l2->cr4);
	if (v->exit_ctls & EXIT_SAVE_EFER)
		v->guest_efer = l2->efer;
	/* What the checks of RIP go by at the next entry: only 64-bit code is up there. */
	if (l2->rip >> 32)
		v->guest_cs_ar |= VMCS_AR_L;
	/* An entry that begins or keeps the link has found these as they are to be. */
	if (linked)
		return news;
	PUT(entry_intr_info, v->entry_intr_info & ~(u64)INTR_INFO_VALID);
	PUT(guest_interruptibility, 0);
	PUT(guest_activity, ACTIVITY_ACTIVE);
	PUT(guest_pending_dbg, l2->pending_dbg);
	n->lazy = n->quick.lazy;
	if (n->caps.misc & MISC_STORE_LMA)
		v->entry_ctls = l2->efer & X_EFER_LMA ? v->entry_ctls | ENTRY_IA32E :
							v->entry_ctls & ~(u64)ENTRY_IA32E;
	return news;
}

/*
 * May @row's exit go that way?  @linked: vmcs12 has no event and no state with rules of its own, L1's registers are
 * current, and L2 is to be like that, too, and in IA-32e mode, as it was.
 */
static __always_inline bool steps(const struct nestor_vcpu *vcpu, const struct nvmx *n, const struct exit_row *row,
				  const bool linked)
{
	const u32 l2_has = GRP_CR | GRP_ACTIVITY | GRP_CR2 | GRP_DR, l1_has = GRP_CR2 | GRP_DR;
	const struct guest_run *l2 = &n->l2;
	const struct guest_exit *x = &l2->exit;
	const struct vmcs12 *v = n->vmcs12;

	if (!n->quick.step || row->rule == RULE_EXCEPTION || x->nmi_unblocked || (l2->avail & l2_has) != l2_has)
		return false;
	if (linked)
		return !(l2->pending_dbg | l2->activity | l2->nmi_blocked) && (l2->efer & X_EFER_LMA);
	/* Blocking by NMI may have to be kept where L1 injected one, or had it so (keep_blocking). */
	return !((v->entry_intr_info & INTR_INFO_VALID) | v->guest_interruptibility) &&
	       (vcpu->l1.avail & l1_has) == l1_has;
}

/* Not in the shadow of STI or MOV SS (core/calm.h). */
static __always_inline bool step_out(struct nestor_vcpu *vcpu, const struct exit_row *row, const bool linked)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct guest_run *l1 = &vcpu->l1, *l2 = &n->l2;
	const struct guest_exit *x = &l2->exit;
	u32 reason = row->rule == RULE_ALWAYS ? row->reason : nvmx_basic_reason(x, row);
	u64 len = 0, news;

	if (row->flags & X_INSN) {
		len = x->next_rip - l2->rip;
		if (!x->next_rip || len > MAX_INSN_LEN)
			return false;
	}
	if (!steps(vcpu, n, row, linked) || !nvmx_host_again(vcpu, linked))
		return false;
	news = step_fields(n, row, reason, len, linked);
	trace_nestor_nested_exit(vcpu, l2->rip, reason, n->vmcs12->exit_qual, 0, 0);
	l2->inject.valid = false;
	vcpu->gpr[REG_RSP] = n->vmcs12->host_rsp;
	run_share(l1, l2);
	vcpu->stats.nested_exits++;
	if (linked) {
		nvmx_link(vcpu, n);
		nvmx_shadow_tell(l1, &n->shadowed, news);
	} else {
		nvmx_shadow_push(vcpu);
	}
	return true;
}

/* L1's bitmaps decide, as they are at this moment; whoever declines here has them looked at again. */
static __always_inline bool wanted(struct nestor_vcpu *vcpu, const struct exit_row *row)
{
	if (row->rule == RULE_ALWAYS)
		return true;
	/* VMCALL is L1's whatever vmcs12 says.  To ask whose a VMFUNC is does it. */
	if (row->rule == RULE_VMX)
		return vcpu->run->exit.index == INSN_VMCALL;
	return (BIT(row->rule) & TURNS) && nvmx_want(vcpu, row) == WANT_L1;
}

static noinline bool reflect(struct nestor_vcpu *vcpu, const struct exit_row *row)
{
	struct nvmx *n = nvmx_of(vcpu);
	bool done;

	n->at_exit = true;
	done = nvmx_reflect_row(vcpu, row) == NESTED_BY_L1;
	n->at_exit = false;
	return done;
}

/*
 * With @linked nobody has to ask for the controls, which the entry knew (nvmx_quick_settle), nor for L1, which was just
 * left.
 */
static __always_inline bool exit_now(struct nestor_vcpu *vcpu, struct nvmx *n, const bool linked)
{
	const struct guest_exit *x = &n->l2.exit;
	const struct exit_row *row;

	if (!linked && unlikely(!n->quick.on || n->mtf.on || n->activity != ACTIVITY_ACTIVE || n->timer.soft ||
				n->apic.soft || !hw->near(&vcpu->l1)))
		return false;
	if (unlikely(!x->has_qual || x->reason >= NR_EXIT_REASONS))
		return false;
	row = &nvmx_exit_table[x->reason];
	if (!wanted(vcpu, row))
		return false;
	return likely(step_out(vcpu, row, linked)) || reflect(vcpu, row);
}

static noinline bool exit_first(struct nestor_vcpu *vcpu)
{
	return exit_now(vcpu, nvmx_of(vcpu), false);
}

/* VMRESUME that fails says why the long way; an interrupt of L1's that is held back may be one that L2 lets in. */
static noinline bool resume_first(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (!n->quick.on || (n->vmcs12->revision & VMCS12_SHADOW) || !n->vmcs12->launched || !nothing_held(vcpu) ||
	    !hw->near(&n->l2) || !nvmx_shadow_pull(vcpu))
		return false;
	if (unlikely(!nvmx_quick_entry(vcpu))) {
		n->quick.tried = vcpu->stats.exits + 1;
		return false;
	}
	nvmx_link(vcpu, n);
	return true;
}

/* L2 was left just before L1, and so it is near. */
static bool resume_linked(struct nestor_vcpu *vcpu, struct nvmx *n)
{
	if (!nothing_held(vcpu))
		return false;
	nvmx_shadow_pull_now(&vcpu->l1, &n->shadowed, n->vmcs12);
	if (unlikely(!nvmx_quick_again(vcpu)))
		return resume_first(vcpu);
	nvmx_link(vcpu, n);
	return true;
}

static noinline bool vmrw(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	bool linked = nvmx_linked(vcpu, n);

	if (!nvmx_vmrw_now(vcpu))
		return false;
	if (linked)
		nvmx_link(vcpu, n);
	return true;
}

/* Of L1 */
static __always_inline bool insn_now(struct nestor_vcpu *vcpu, struct nvmx *n)
{
	const struct guest_run *run = &vcpu->l1;

	if (unlikely(run->exit.reason != EXIT_VMX_INSN || run->cpl))
		return false;
	if (likely(run->exit.index == INSN_VMRESUME && nvmx_linked(vcpu, n)))
		return resume_linked(vcpu, n);
	if (unlikely(!run->exit.has_qual || !n->vmxon || vcpu->smm.active || n->current_ptr == NO_VMCS))
		return false;
	switch (run->exit.index) {
	case INSN_VMRESUME:
		return resume_first(vcpu);
	case INSN_VMREAD:
	case INSN_VMWRITE:
		return vmrw(vcpu);
	default:
		return false;
	}
}

bool nvmx_turn(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (!vcpu_in_l2(vcpu))
		return insn_now(vcpu, n);
	return likely(nvmx_linked(vcpu, n)) ? exit_now(vcpu, n, true) : exit_first(vcpu);
}
