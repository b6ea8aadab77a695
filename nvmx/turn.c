// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMRESUME, VM exit, VMREAD and VMWRITE with interrupts off (nested_ops.turn): the entry is the short one of
 * quick.c, and the exit has a short way here, for one that an instruction made between two entries of that kind.
 *
 * What L1 can see of such an exit is compared while it is written to vmcs12, field by field: most are what
 * they were, and the shadow VMCS is told of the others alone.
 */
#include "core/events.h"
#include "core/hw_ops.h"
#include "core/irqchip.h"
#include "core/trace.h"
#include "core/x86.h"
#include "nvmx/exit_table.h"
#include "nvmx/insn.h"

/* Rules that go by vmcs12 and the exit, or by a few bytes of L1's memory that are at hand or not. */
#define TURNS	(BIT(RULE_ALWAYS) | BIT(RULE_PIN) | BIT(RULE_CPU) | BIT(RULE_CPU2) | BIT(RULE_EXCEPTION) | \
		 BIT(RULE_CR) | BIT(RULE_IO) | BIT(RULE_MSR) | BIT(RULE_PAUSE) | BIT(RULE_RDTSCP) | BIT(RULE_INVPCID))

#define PUT(name, val)							\
do {									\
	u64 new_ = (val);						\
									\
	if (v->name != new_) {						\
		v->name = new_;						\
		news[nr++] = VMCS12_##name;				\
	}								\
} while (0)

/*
 * nvmx_reflect()'s record_exit() and save_guest() where quick.step, and nothing was injected or delivered.
 * Return: how many fields got another value; which is in @news.
 */
static __always_inline unsigned int step_fields(struct nvmx *n, const struct exit_row *row, u32 reason, u8 *news)
{
	const struct guest_run *l2 = &n->l2;
	const struct guest_exit *x = &l2->exit;
	struct vmcs12 *v = n->vmcs12;
	u64 state = l2->nmi_blocked ? INTERRUPTIBILITY_NMI : 0;
	unsigned int nr = 0;

	PUT(exit_reason, reason);
	PUT(exit_qual, row->flags & X_QUAL ? x->qual : 0);
	PUT(exit_intr_info, 0);
	PUT(exit_error_code, 0);
	PUT(exit_insn_len, row->flags & X_INSN ? (u32)(x->next_rip - l2->rip) : 0);
	PUT(exit_insn_info, row->flags & X_INFO ? x->insn_info : 0);
	if (row->flags & X_GLA)
		PUT(guest_linear_addr, x->gla);
	PUT(idt_vectoring_info, 0);
	PUT(entry_intr_info, v->entry_intr_info & ~(u64)INTR_INFO_VALID);
	PUT(guest_rip, l2->rip);
	PUT(guest_rsp, l2->gpr[REG_RSP]);
	PUT(guest_rflags, l2->rflags);
	if (unlikely(l2->int_shadow))
		state |= l2->mov_ss ? INTERRUPTIBILITY_MOV_SS : INTERRUPTIBILITY_STI;
	PUT(guest_interruptibility, state);
	PUT(guest_activity, ACTIVITY_ACTIVE);
	PUT(guest_pending_dbg, l2->pending_dbg);
	PUT(guest_cr0, l2->cr0);
	PUT(guest_cr3, l2->cr3);
	PUT(guest_cr4, l2->cr4);
	if (v->exit_ctls & EXIT_SAVE_EFER)
		v->guest_efer = l2->efer;
	n->lazy = n->quick.lazy;
	/* What the checks of RIP go by at the next entry: only 64-bit code is up there. */
	if (l2->rip >> 32)
		v->guest_cs_ar |= VMCS_AR_L;
	if (n->caps.misc & MISC_STORE_LMA)
		v->entry_ctls = l2->efer & X_EFER_LMA ? v->entry_ctls | ENTRY_IA32E :
							v->entry_ctls & ~(u64)ENTRY_IA32E;
	return nr;
}

/* May @row's exit go that way? */
static __always_inline bool steps(const struct nestor_vcpu *vcpu, const struct nvmx *n, const struct exit_row *row)
{
	const u32 l2_has = GRP_CR | GRP_ACTIVITY | GRP_CR2 | GRP_DR, l1_has = GRP_CR2 | GRP_DR;
	const struct guest_exit *x = &n->l2.exit;
	const struct vmcs12 *v = n->vmcs12;

	/* Blocking by NMI may have to be kept where L1 injected one, or had it so (keep_blocking). */
	return n->quick.step && !((v->entry_intr_info & INTR_INFO_VALID) | v->guest_interruptibility) &&
	       row->rule != RULE_EXCEPTION && !x->nmi_unblocked &&
	       (n->l2.avail & l2_has) == l2_has && (vcpu->l1.avail & l1_has) == l1_has &&
	       (!(row->flags & X_INSN) || (x->next_rip && x->next_rip - n->l2.rip <= MAX_INSN_LEN));
}

static bool step_out(struct nestor_vcpu *vcpu, const struct exit_row *row)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct guest_run *l1 = &vcpu->l1, *l2 = &n->l2;
	u32 reason = nvmx_basic_reason(&l2->exit, row);
	unsigned int nr;

	/* First, since it may decline: it does not depend on vmcs12's guest state. */
	if (!nvmx_host_again(vcpu))
		return false;
	nr = step_fields(n, row, reason, n->shadowed.news);
	trace_nestor_nested_exit(vcpu, l2->rip, reason, n->vmcs12->exit_qual, 0, 0);
	l2->inject.valid = false;
	vcpu->gpr[REG_RSP] = n->vmcs12->host_rsp;
	run_share(l1, l2);
	if (likely(vcpu->stats.exits - n->quick.exits == 1))
		nvmx_shadow_tell(vcpu, n->shadowed.news, nr);
	else
		nvmx_shadow_push(vcpu);
	vcpu->stats.nested_exits++;
	return true;
}

/* L1's bitmaps decide, as they are at this moment; whoever declines here has them looked at again. */
static bool wanted(struct nestor_vcpu *vcpu, const struct exit_row *row)
{
	return (BIT(row->rule) & TURNS) && nvmx_want(vcpu, row) == WANT_L1;
}

static bool exit_now(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	const struct guest_exit *x = &n->l2.exit;
	const struct exit_row *row;
	bool done;

	if (unlikely(!n->quick.on || n->mtf.on || n->activity != ACTIVITY_ACTIVE || n->timer.soft || n->apic.soft ||
		     !x->has_qual || x->reason >= NR_EXIT_REASONS || !hw->near(&vcpu->l1)))
		return false;
	row = &nvmx_exit_table[x->reason];
	if (row->rule != RULE_ALWAYS && !wanted(vcpu, row))
		return false;
	if (likely(steps(vcpu, n, row)) && step_out(vcpu, row))
		return true;
	n->at_exit = true;
	done = nvmx_reflect_row(vcpu, row) == NESTED_BY_L1;
	n->at_exit = false;
	return done;
}

/* VMRESUME that fails says why the long way; an interrupt of L1's that is held back may be one that L2 lets in. */
static bool resume_now(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (!n->quick.on || (n->vmcs12->revision & VMCS12_SHADOW) || !n->vmcs12->launched || !nothing_held(vcpu) ||
	    !hw->near(&n->l2) || !nvmx_shadow_pull(vcpu))
		return false;
	if (unlikely(!nvmx_quick_entry(vcpu))) {
		n->quick.tried = vcpu->stats.exits + 1;
		return false;
	}
	n->quick.exits = vcpu->stats.exits;
	return true;
}

bool nvmx_turn(struct nestor_vcpu *vcpu)
{
	const struct guest_run *run = vcpu->run;
	const struct nvmx *n = nvmx_of(vcpu);

	if (vcpu_in_l2(vcpu))
		return exit_now(vcpu);
	if (unlikely(run->exit.reason != EXIT_VMX_INSN || run->cpl || !run->exit.has_qual || !n->vmxon ||
		     vcpu->smm.active || n->current_ptr == NO_VMCS))
		return false;
	switch (run->exit.index) {
	case INSN_VMRESUME:
		return resume_now(vcpu);
	case INSN_VMREAD:
	case INSN_VMWRITE:
		return nvmx_vmrw_now(vcpu);
	default:
		return false;
	}
}
