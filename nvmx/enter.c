// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMLAUNCH and VMRESUME: snapshot, check, merge, commit.  Nothing of L1 or L2 changes
 * before the checks on controls and host state have passed, and no guest state before
 * those on it have.
 *
 * It is the hot path's first half: controls are merged again only when L1 or L0 changed
 * one, and groups of registers that L1 did not touch since the exit stay as they are.
 */
#include "core/events.h"
#include "core/hw_ops.h"
#include "core/irq.h"
#include "core/trace.h"
#include "core/x86.h"
#include "nvmx/bitmaps.h"
#include "nvmx/exit_table.h"
#include "nvmx/nvmx.h"
#include "nvmx/snapshot.h"

/* Copy @field from the merged run unless L2's run holds the same already. */
#define TAKE(field) \
	(memcmp(&(dst)->field, &(src)->field, sizeof((src)->field)) ? \
	 (memcpy(&(dst)->field, &(src)->field, sizeof((src)->field)), true) : false)

#define CONTROL_CLASSES	(BIT(VMCS_CTRL) | BIT(VMCS_MODE))

static void l0_policy(struct nestor_vcpu *vcpu, struct nvmx_policy *p)
{
	const struct guest_run *l1 = &vcpu->l1;

	memcpy(p->intercept, l1->intercept, sizeof(p->intercept));
	p->pause_count = l1->pause_count;
	p->pause_thresh = l1->pause_thresh;
	p->ple_gap = l1->ple_gap;
	p->ple_window = l1->ple_window;
	p->ud_insns = l1->ud_insns;
	p->tsc_offset = l1->tsc_offset;
	p->tsc_ratio = l1->tsc_ratio;
}

static void commit_controls(struct guest_run *dst, const struct guest_run *src)
{
	bool diff;

	diff = TAKE(intercept);
	diff |= TAKE(pause_count);
	diff |= TAKE(pause_thresh);
	diff |= TAKE(ple_gap);
	diff |= TAKE(ple_window);
	diff |= TAKE(ud_insns);
	diff |= TAKE(pf_mask);
	diff |= TAKE(pf_match);
	if (diff)
		dst->ctl_dirty |= CTL_INTERCEPTS;
	diff = TAKE(cr0_mask);
	diff |= TAKE(cr0_shadow);
	diff |= TAKE(cr4_mask);
	diff |= TAKE(cr4_shadow);
	if (diff)
		dst->ctl_dirty |= CTL_CR;
	diff = TAKE(tsc_offset);
	diff |= TAKE(tsc_ratio);
	if (diff)
		dst->ctl_dirty |= CTL_TSC;
}

/* @changed: classes of vmcs12 that L1 changed since the last entry */
static void merge_controls(struct nestor_vcpu *vcpu, u32 changed)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct nvmx_policy now;

	l0_policy(vcpu, &now);
	if (!(changed & CONTROL_CLASSES) && nvmx_same(&now, &n->policy, sizeof(now)))
		return;
	n->policy = now;
	nvmx_merge_controls(n->vmcs12, &now, &n->merged);
	nvmx_mtf_merge(n->vmcs12, &n->merged);
	commit_controls(&n->l2, &n->merged);
	/* VMX operation wants some bits of L2's CR0 and CR4, like of L1's. */
	n->l2.cr0_must = n->caps.cr0_fixed0;
	if (nvmx_cpu2(n->vmcs12) & CPU2_UNRESTRICTED)
		n->l2.cr0_must &= ~(X_CR0_PE | X_CR0_PG);
	n->l2.cr4_must = n->caps.cr4_fixed0;
}

/* A group that the hardware context may hold otherwise is written whatever the copy says. */
static void commit_group(struct guest_run *dst, u32 group, bool diff)
{
	if (diff || !(dst->avail & group))
		run_dirty(dst, group);
}

static void commit_cr(struct guest_run *dst, const struct guest_run *src)
{
	bool diff = TAKE(cr0);

	diff |= TAKE(cr3);
	diff |= TAKE(cr4);
	diff |= TAKE(efer);
	commit_group(dst, GRP_CR, diff);
}

static void commit_activity(struct guest_run *dst, const struct guest_run *src)
{
	bool diff = TAKE(activity);

	diff |= TAKE(nmi_blocked);
	diff |= TAKE(pending_dbg);
	commit_group(dst, GRP_ACTIVITY, diff);
}

/* guest_sys keeps its marks itself, behind the registers. */
static void commit_sys(struct guest_run *dst, const struct guest_run *src)
{
	const size_t len = offsetof(struct guest_sys, avail);

	if (dst->sys->avail && !memcmp(dst->sys, src->sys, len))
		return;
	memcpy(dst->sys, src->sys, len);
	run_dirty(dst, GRP_SYS);
}

static void commit_rare(struct guest_run *dst, const struct guest_run *src, u32 groups)
{
	bool diff;

	if (groups & GRP_SEG) {
		dst->cpl = src->cpl;
		commit_group(dst, GRP_SEG, TAKE(seg));
	}
	if (groups & GRP_DTABLE) {
		diff = TAKE(gdtr);
		diff |= TAKE(idtr);
		commit_group(dst, GRP_DTABLE, diff);
	}
	if (groups & GRP_SYS)
		commit_sys(dst, src);
	/* The groups of DR7 and DEBUGCTL have more in them than vmcs12. */
	if (groups & (GRP_DR | GRP_LBR)) {
		run_need(dst, groups & (GRP_DR | GRP_LBR));
		if ((groups & GRP_DR) && TAKE(dr7))
			run_dirty(dst, GRP_DR);
		if ((groups & GRP_LBR) && TAKE(debugctl))
			run_dirty(dst, GRP_LBR);
	}
	if (groups & GRP_PAT)
		commit_group(dst, GRP_PAT, TAKE(pat));
	if (groups & GRP_PDPTE)
		commit_group(dst, GRP_PDPTE, TAKE(pdpte));
}

/* What the entry leaves as L1 has it, as far as @v makes use of it. */
static void shared_registers(struct nestor_vcpu *vcpu, const struct vmcs12 *v, u32 groups,
			     struct nvmx_shared *s)
{
	struct guest_run *l1 = &vcpu->l1;
	u32 need = GRP_CR;

	if ((groups & (GRP_DR | GRP_LBR)) && !(v->entry_ctls & ENTRY_LOAD_DEBUG))
		need |= GRP_DR | GRP_LBR;
	if ((groups & GRP_PAT) && !(v->entry_ctls & ENTRY_LOAD_PAT))
		need |= GRP_PAT;
	run_need(l1, need);
	s->cr0 = l1->cr0;
	s->efer = l1->efer;
	s->pat = l1->pat;
	s->dr7 = l1->dr7;
	s->debugctl = l1->debugctl;
}

/* Without EPT the PDPTEs are those that the checks read from memory. */
static void take_pdptes(struct nvmx *n)
{
	if (!nvmx_needs_pdptes(n->vmcs12))
		return;
	memcpy(n->merged.pdpte, n->env.pdpte, sizeof(n->merged.pdpte));
}

static void merge_state(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct guest_run *l2 = &n->l2, *merged = &n->merged;
	const struct vmcs12 *v = n->vmcs12;
	u32 groups = VMCS12_GROUPS & ~n->lazy;
	struct nvmx_shared shared;

	merged->sys = &merged->sys_own;
	shared_registers(vcpu, v, groups, &shared);
	nvmx_merge_hot(v, l2);
	nvmx_merge_state(v, &shared, groups, merged);
	take_pdptes(n);
	commit_cr(l2, merged);
	commit_activity(l2, merged);
	if (groups & ~VMCS12_HOT)
		commit_rare(l2, merged, groups);
}

/* Of the registers that the two share RSP is loaded: L2 goes on with L1's others. */
static void share(struct nestor_vcpu *vcpu)
{
	struct guest_run *l1 = &vcpu->l1, *l2 = &nvmx_of(vcpu)->l2;

	vcpu->gpr[REG_RSP] = nvmx_of(vcpu)->vmcs12->guest_rsp;
	run_need(l1, GRP_CR2 | GRP_DR);
	run_need(l2, GRP_CR2 | GRP_DR);
	run_share(l2, l1);
}

/* L1 says by the type: one that it injects as a hardware exception is none, #BP and #OF included. */
static bool is_soft(const struct guest_event *ev)
{
	return ev->type == EVENT_SOFT_INT || ev->type == EVENT_PRIV_EXCEPTION ||
	       ev->type == EVENT_SOFT_EXCEPTION;
}

static void inject(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	const struct vmcs12 *v = n->vmcs12;
	struct guest_event ev;

	l2_soft_none(vcpu);
	n->l2.inject.valid = false;
	if (!(v->entry_intr_info & INTR_INFO_VALID))
		return;
	ev = nvmx_event_decode(v->entry_intr_info, v->entry_error_code);
	if (is_soft(&ev)) {
		n->l2.next_rip = v->guest_rip + v->entry_insn_len;
		l2_soft_given(vcpu, &ev);
	}
	requeue_event(vcpu, &ev);
}

/*
 * What was put off and matters now: fields that the checks look at, and groups that the
 * controls no longer leave to L2 alone.  An MSR list writes to the same registers, and
 * an entry that it fails has to leave vmcs12 alone.
 */
static void sync_for_entry(struct nestor_vcpu *vcpu, u32 classes)
{
	struct nvmx *n = nvmx_of(vcpu);
	const struct vmcs12 *v = n->vmcs12;
	u32 groups = nvmx_check_groups(v, classes) | ~nvmx_lazy_groups(v);

	/* The checks of RIP want CS once L1 moves L2 across 4G (see save_guest). */
	if (v->guest_rip >> 32 && !(n->l2.rip >> 32))
		groups |= GRP_SEG;
	if (v->entry_msr_load_count)
		groups = VMCS12_GROUPS;
	groups &= n->lazy;
	if (unlikely(groups))
		nvmx_sync(vcpu, groups);
}

static enum nested_result refuse(struct nestor_vcpu *vcpu, const struct verdict *v, u32 *error)
{
	nested_record_verdict(vcpu, v, vcpu->l1.rip);
	if (!(v->outcome & EXIT_REASON_ENTRY_FAILED)) {
		*error = v->outcome;
		return NESTED_OK;
	}
	nvmx_fail_entry(vcpu, v->outcome & ~EXIT_REASON_ENTRY_FAILED, v->qual);
	return NESTED_EXITED;
}

/* Not inlined, for what it needs of the stack.  @classes: nvmx_check_classes() */
static noinline enum nested_result check_again(struct nestor_vcpu *vcpu, u32 classes, u32 *error)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct verdict bad;

	if (nvmx_check_entry(n->vmcs12, &n->env, classes, &n->checked, &bad))
		return NESTED_ENTERED;
	return vcpu->atomic ? NESTED_LATER : refuse(vcpu, &bad, error);
}

/* The entry's MSR list: 0, or the number of the entry that failed. */
static u32 load_msrs(struct nestor_vcpu *vcpu)
{
	const struct vmcs12 *v = nvmx_of(vcpu)->vmcs12;

	if (likely(!v->entry_msr_load_count))
		return 0;
	return nvmx_msrs_load(vcpu, v->entry_msr_load_addr, v->entry_msr_load_count);
}

static bool uses_apic(const struct vmcs12 *v)
{
	return (v->cpu_ctls & CPU_TPR_SHADOW) || (nvmx_cpu2(v) & CPU2_APIC_ACCESS);
}

/* Entries that write to L1's MSRs, or after which L2 does not run at once. */
static bool may_sleep(const struct vmcs12 *v)
{
	return v->entry_msr_load_count || v->guest_activity != ACTIVITY_ACTIVE;
}

enum nested_result nvmx_launch(struct nestor_vcpu *vcpu, bool launch, u32 *error)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct vmcs12 *v = n->vmcs12;
	u64 l1_rip = vcpu->l1.rip;
	u32 changed, classes, bad;
	enum nested_result r;

	n->quick.on = false;
	if (v->dirty & (BIT(VMCS_HOST) | BIT(VMCS_MODE)))
		n->host_noted = false;
	if (vcpu->atomic && may_sleep(v))
		return NESTED_LATER;
	/* All of L1's that this entry and the exit after it look at, in one go. */
	run_need(&vcpu->l1, GRP_CR | GRP_CR2 | GRP_DR | GRP_LBR);
	if (nvmx_snapshot(vcpu, v, n->current_ptr, &n->env))
		return NESTED_LATER;
	classes = nvmx_check_classes(v, &n->env, &n->checked);
	sync_for_entry(vcpu, classes);
	changed = v->dirty;
	r = check_again(vcpu, classes, error);
	if (unlikely(r != NESTED_ENTERED))
		return r;
	/* Out of memory: nothing was done, so the same instruction may try again. */
	if (nvmx_select_root(vcpu) || nvmx_merge_msrs(vcpu) ||
	    (uses_apic(v) && !nvmx_apic_fetch(vcpu))) {
		v->dirty = changed;
		return vcpu->atomic ? NESTED_LATER : NESTED_NOMEM;
	}
	merge_controls(vcpu, changed);
	merge_state(vcpu);
	share(vcpu);
	vcpu->run = &n->l2;
	bad = load_msrs(vcpu);
	if (unlikely(bad)) {
		nvmx_fail_entry(vcpu, VMEXIT_BAD_MSR, bad);
		return NESTED_EXITED;
	}
	if (launch) {
		v->launched = true;
		n->launch_exits = vcpu->stats.exits;
	}
	inject(vcpu);
	if (uses_apic(v) || n->l2.vapic.tpr_shadow || n->l2.vapic.access)
		nvmx_apic_enter(vcpu);
	nvmx_timer_enter(vcpu);
	nvmx_mtf_enter(vcpu);
	nvmx_activity_enter(vcpu);
	nvmx_quick_settle(vcpu);
	/* VMX root operation held it back; here it is an exit. */
	if (unlikely(vcpu->apic && lapic_init_latched(vcpu)))
		vcpu_request(vcpu, REQ_APIC_EVENTS);
	vcpu->stats.nested_entries++;
	trace_nestor_nested_entry(vcpu, n->current_ptr, l1_rip, v->entry_intr_info);
	return NESTED_ENTERED;
}

void nvmx_resume_l2(struct nestor_vcpu *vcpu, u32 flags)
{
	struct nvmx *n = nvmx_of(vcpu);

	n->quick.on = false;
	n->host_noted = false;
	/* Capabilities may be others than those of the last entry. */
	merge_controls(vcpu, CONTROL_CLASSES);
	nvmx_merge_msrs(vcpu);
	vcpu->run = &n->l2;
	l2_soft_none(vcpu);
	n->l2.inject.valid = false;
	if (flags & KVM_STATE_NESTED_RUN_PENDING)
		inject(vcpu);
	nvmx_apic_fetch(vcpu);
	nvmx_apic_enter(vcpu);
	nvmx_timer_enter(vcpu);
	nvmx_mtf_enter(vcpu);
	if (flags & KVM_STATE_NESTED_MTF_PENDING)
		n->mtf.due = true;
	if (vcpu->apic && lapic_init_latched(vcpu))
		vcpu_request(vcpu, REQ_APIC_EVENTS);
}

void nvmx_leave(struct nestor_vcpu *vcpu)
{
	if (!vcpu_in_l2(vcpu))
		return;
	clear_injected(vcpu);
	nvmx_mtf_drop(vcpu);
	nvmx_apic_leave(vcpu);
	/* L1's own is lost; with L2's its code could do nothing. */
	vcpu->gpr[REG_RSP] = nvmx_of(vcpu)->vmcs12->host_rsp;
	vcpu->run = &vcpu->l1;
	vcpu_request(vcpu, REQ_EVENT);
}
