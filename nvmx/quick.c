// SPDX-License-Identifier: GPL-2.0-only
/*
 * The short way of an entry: L1 handled an exit and changed nothing but what such a handler changes.
 *
 * Whether the controls of a VMCS let it go that way is settled once (nvmx_quick_settle) and stands
 * until one of them changes, which vmcs12.dirty tells.  All else is looked at in each entry: every
 * field that the long way would merge is either clean by vmcs12.dirty or compared with what L2's
 * run holds, and the checks of what is not are made.  What does not fit goes the long way.
 *
 * Where the last exit was of the same kind and nobody but L1 has run since (nvmx/link.h), most of that is known.
 */
#include "core/events.h"
#include "core/hw_ops.h"
#include "core/lapic.h"
#include "core/trace.h"
#include "core/x86.h"
#include "nvmx/bitmaps.h"
#include "nvmx/exit_table.h"
#include "nvmx/link.h"

/* Control groups of L1's run that L0's policy is made of (l0_policy). */
#define POLICY_NEWS	(CTL_INTERCEPTS | CTL_TSC)

/* Groups that need not be lazy: same_registers() compares them. */
#define LOOKED_AT	(GRP_CR | GRP_ACTIVITY | GRP_PAT)

void nvmx_quick_settle(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	const struct vmcs12 *v = n->vmcs12;
	const u32 cpu2 = CPU2_EPT | CPU2_VPID;

	n->quick.saved = nvmx_saved_groups(v);
	n->quick.lazy = nvmx_lazy_groups(v);
	n->quick.pat = !(n->quick.lazy & GRP_PAT);
	n->quick.step = !((n->quick.saved & ~n->quick.lazy) & ~(u32)VMCS12_HOT) &&
			nvmx_loads_again(v);
	n->quick.on = n->checked.valid && !(VMCS12_GROUPS & ~(n->quick.lazy | LOOKED_AT)) &&
		      (v->entry_ctls & ENTRY_LOAD_PAT) && !(n->checked.modes & X_RFLAGS_VM) &&
		      !v->entry_msr_load_count && !v->exit_msr_store_count &&
		      !v->exit_msr_load_count && (v->exit_ctls & EXIT_HOST_64) &&
		      (v->entry_ctls & ENTRY_LOAD_EFER) && v->vmcs_link_ptr == NO_VMCS &&
		      (nvmx_cpu2(v) & cpu2) == cpu2 && !(nvmx_cpu2(v) & CPU2_APIC_ACCESS) &&
		      !(v->cpu_ctls & (CPU_TPR_SHADOW | CPU_MTF)) &&
		      !(v->pin_ctls & PIN_PREEMPTION_TIMER) &&
		      !n->l2.vapic.tpr_shadow && !n->l2.vapic.access && !n->l2.timer_on &&
		      !n->timer.soft && !n->timer.forced && !n->mtf.on && !n->mtf.due && !n->apic.on;
	vcpu->l1.ctl_news &= ~POLICY_NEWS;
}

/* Has L0 changed what the merged controls, or the checks, go by? */
static bool same_processor(const struct nestor_vcpu *vcpu, const struct nvmx *n)
{
	const struct nvmx_check_env *e = &n->checked.env;
	const struct guest_run *l1 = &vcpu->l1;

	return !((l1->ctl_news | l1->ctl_dirty) & POLICY_NEWS) && n->checked.valid &&
	       e->l1_efer == l1->efer && e->rsvd_gpa_bits == vcpu->cpuid.rsvd_gpa_bits &&
	       e->cr4_reserved == vcpu->cpuid.cr4_reserved &&
	       e->efer_reserved == vcpu->cpuid.efer_reserved;
}

/* The registers of the groups that are never lazy, and the states with rules of their own. */
static bool same_registers(const struct nestor_vcpu *vcpu, const struct nvmx *n)
{
	const struct guest_run *l1 = &vcpu->l1, *l2 = &n->l2;
	const struct vmcs12 *v = n->vmcs12;
	const u32 groups = GRP_CR | GRP_ACTIVITY;

	return (l2->avail & groups) == groups && n->lazy == n->quick.lazy &&
	       ((v->guest_cr0 & ~NVMX_CR0_KEPT) | (l1->cr0 & NVMX_CR0_KEPT)) == l2->cr0 &&
	       v->guest_cr3 == l2->cr3 && v->guest_cr4 == l2->cr4 && v->guest_efer == l2->efer &&
	       !(v->guest_interruptibility | v->guest_activity | v->guest_pending_dbg |
		 l2->activity | l2->nmi_blocked | l2->pending_dbg) &&
	       !(v->entry_intr_info & INTR_INFO_VALID) && (v->entry_ctls & ENTRY_IA32E) &&
	       /* The checks of RIP want CS once L1 moves L2 across 4G (sync_for_entry). */
	       (!(v->guest_rip >> 32) || n->l2.rip >> 32);
}

/* Loaded by each entry and saved by no exit: L2 must not have written to it since. */
static bool same_pat(const struct nvmx *n)
{
	return !n->quick.pat || (!(n->l2.msr_write_pass & BIT(PASS_PAT)) &&
				 n->vmcs12->guest_pat == n->l2.pat);
}

static bool same_tables(const struct nvmx *n)
{
	const struct vmcs12 *v = n->vmcs12;

	return n->ept.on && n->ept.eptp == v->eptp && n->vpid && n->vpid == v->vpid;
}

/* L1's MSR bitmap is read for what L2 was seen using. */
static __always_inline bool uses_msrs(const struct nvmx *n)
{
	return n->msr_read_used | n->msr_write_used | n->l2.msr_read_pass | n->l2.msr_write_pass;
}

/* All is looked at; L2's hot registers are its own but for RSP, and of the others it goes on with L1's. */
static __always_inline void enter(struct nestor_vcpu *vcpu, struct nvmx *n)
{
	struct guest_run *l1 = &vcpu->l1, *l2 = &n->l2;
	struct vmcs12 *v = n->vmcs12;

	v->dirty = 0;
	vcpu->gpr[REG_RSP] = v->guest_rsp;
	run_share(l2, l1);
	l2->inject.valid = false;
	l2_soft_none(vcpu);
	vcpu->run = l2;
	vcpu->stats.nested_entries++;
	trace_nestor_nested_entry(vcpu, n->current_ptr, l1->rip, v->entry_intr_info);
}

bool nvmx_quick_entry(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct guest_run *l1 = &vcpu->l1, *l2 = &n->l2;
	struct vmcs12 *v = n->vmcs12;
	const u32 shared = GRP_CR2 | GRP_DR;

	if (!n->quick.on || (v->dirty & ~(u32)(BIT(VMCS_HOT) | BIT(VMCS_STEP))))
		return false;
	run_need(l1, GRP_CR | GRP_CR2 | GRP_DR);
	if ((l2->avail & shared) != shared || !same_processor(vcpu, n) ||
	    !same_registers(vcpu, n) || !same_pat(n) || !same_tables(n) ||
	    nvmx_check_hot(v, &n->checked.env) != CHECK_none || (uses_msrs(n) && nvmx_merge_msrs(vcpu)))
		return false;
	nvmx_merge_hot(v, l2);
	n->activity = ACTIVITY_ACTIVE;
	enter(vcpu, n);
	/* VMX root operation held it back; here it is an exit. */
	if (unlikely(vcpu->apic && lapic_init_latched(vcpu)))
		vcpu_request(vcpu, REQ_APIC_EVENTS);
	return true;
}

/*
 * What is left of same_processor() and same_registers(): the exit has saved CR0, CR3 and CR4, which L1 has not written,
 * and all the states with rules of their own are 0.  EFER it may not have saved.
 */
static __always_inline bool still_same(const struct nestor_vcpu *vcpu, const struct nvmx *n)
{
	const struct guest_run *l1 = &vcpu->l1, *l2 = &n->l2;
	const struct vmcs12 *v = n->vmcs12;

	return n->checked.env.l1_efer == l1->efer && !((l1->cr0 ^ l2->cr0) & NVMX_CR0_KEPT) &&
	       v->guest_efer == l2->efer;
}

/* nvmx_check_hot() of a guest in IA-32e mode; above 4G the exit has seen to CS.L. */
static __always_inline bool step_is_valid(const struct nvmx *n)
{
	const u64 flags = (X_RFLAGS_VALID | X_RFLAGS_FIXED) & ~X_RFLAGS_VM;
	const struct nvmx_check_env *e = &n->checked.env;
	const struct vmcs12 *v = n->vmcs12;

	if ((v->guest_cr3 & e->rsvd_gpa_bits) || (v->guest_rflags & (~flags | X_RFLAGS_FIXED)) != X_RFLAGS_FIXED)
		return false;
	return !(v->guest_rip >> 32) || (n->l2.rip >> 32 && rip_within_linear(v->guest_rip, e));
}

bool nvmx_quick_again(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct guest_run *l2 = &n->l2;
	struct vmcs12 *v = n->vmcs12;

	if (v->dirty & ~(u32)BIT(VMCS_STEP))
		return false;
	run_need(&vcpu->l1, GRP_CR | GRP_CR2 | GRP_DR);
	if (!still_same(vcpu, n) || !step_is_valid(n) ||
	    (uses_msrs(n) && (!same_pat(n) || nvmx_merge_msrs(vcpu))))
		return false;
	/* Not in the shadow of STI or MOV SS: nor was it at the exit, or it was none of this kind. */
	l2->rip = v->guest_rip;
	l2->rflags = v->guest_rflags;
	enter(vcpu, n);
	return true;
}
