// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested state, as a VMM saves and restores it: <linux/kvm.h>'s header and vmcs12 in the layout
 * of vmcs12.h, which its revision identifies.  While L2 runs its guest-state area is what a
 * VM exit would have saved.  L2's registers are the processor's then, and the VMM has them from
 * elsewhere; L1's are in the host-state area.
 *
 * The VMM may set registers before this or after it: those that are current when it is
 * called go to whoever is current afterwards.
 *
 * The deadline of the preemption timer is what L1's TSC is then, in ticks of the timer, as KVM has it.  The
 * VMM may restore the TSC before this or after it: the deadline stays where it is on it.
 */
#include <linux/slab.h>

#include "core/events.h"
#include "core/x86.h"
#include "nvmx/exit_table.h"
#include "nvmx/insn.h"
#include "nvmx/msr.h"
#include "nvmx/snapshot.h"

#define SMM_FLAGS	(KVM_STATE_NESTED_SMM_GUEST_MODE | KVM_STATE_NESTED_SMM_VMXON)
#define VMX_FLAGS	(KVM_STATE_NESTED_GUEST_MODE | KVM_STATE_NESTED_RUN_PENDING | \
			 KVM_STATE_NESTED_MTF_PENDING)
#define NO_ADDRESS	(~0ull)
#define EPTP_ROOT	GENMASK_ULL(51, 12)

static_assert(NO_ADDRESS == NO_VMCS, "one value for no VMCS");
static_assert(VMCS12_SIZE == KVM_STATE_NESTED_VMX_VMCS_SIZE, "the image holds a VMCS");

/* @v: a copy of the current VMCS.  What an exit would save now goes there. */
static void show_l2(struct nestor_vcpu *vcpu, struct vmcs12 *v)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct guest_run *l2 = &n->l2;
	u32 groups = nvmx_saved_groups(v);

	run_need(l2, groups | VMCS12_HOT);
	nvmx_save_hot(v, l2);
	/* An SMI handler's is another. */
	v->guest_rsp = n->smm.l2 ? n->smm.l2_rsp : vcpu->gpr[REG_RSP];
	nvmx_save_state(v, l2, groups);
	v->guest_activity = n->activity;
	/* The mode that L2 is in, so that the checks find the two alike. */
	v->entry_ctls = l2->efer & X_EFER_LMA ? v->entry_ctls | ENTRY_IA32E :
						v->entry_ctls & ~(u64)ENTRY_IA32E;
	nvmx_apic_show(vcpu, v);
}

static void get_vmcs12(struct nestor_vcpu *vcpu, struct kvm_nested_state *s)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct vmcs12 *v = (struct vmcs12 *)s->data.vmx[0].vmcs12;
	bool l2 = vcpu_in_l2(vcpu) || n->smm.l2;
	int tries;
	u64 deadline;

	s->size += sizeof(s->data.vmx[0].vmcs12);
	for (tries = 0; tries < 1000 && !nvmx_shadow_pull(vcpu); tries++)
		cond_resched();
	if (!l2)
		nvmx_sync(vcpu, VMCS12_GROUPS);
	memcpy(v, n->vmcs12, sizeof(*v));
	if (!l2)
		return;
	show_l2(vcpu, v);
	if (vcpu_in_l2(vcpu) && l2_soft_waits(vcpu))
		s->flags |= KVM_STATE_NESTED_RUN_PENDING;
	else
		v->entry_intr_info &= ~(u64)INTR_INFO_VALID;
	if (nvmx_timer_deadline(vcpu, &deadline)) {
		s->hdr.vmx.flags = KVM_STATE_VMX_PREEMPTION_TIMER_DEADLINE;
		s->hdr.vmx.preemption_timer_deadline = deadline;
	}
}

int nvmx_get_state(struct nestor_vcpu *vcpu, struct kvm_nested_state *s)
{
	const struct nvmx *n = nvmx_of(vcpu);

	s->format = KVM_STATE_NESTED_FORMAT_VMX;
	s->size = sizeof(*s);
	s->hdr.vmx.vmxon_pa = NO_ADDRESS;
	s->hdr.vmx.vmcs12_pa = NO_ADDRESS;
	if (!n->vmxon && !n->smm.vmxon)
		return 0;
	s->hdr.vmx.vmxon_pa = n->vmxon_ptr;
	s->hdr.vmx.vmcs12_pa = n->current_ptr;
	if (n->smm.vmxon)
		s->hdr.vmx.smm.flags |= KVM_STATE_NESTED_SMM_VMXON;
	if (n->smm.l2)
		s->hdr.vmx.smm.flags |= KVM_STATE_NESTED_SMM_GUEST_MODE;
	if (vcpu_in_l2(vcpu))
		s->flags |= KVM_STATE_NESTED_GUEST_MODE;
	if (vcpu_in_l2(vcpu) && nvmx_mtf_wakes(n))
		s->flags |= KVM_STATE_NESTED_MTF_PENDING;
	if (n->current_ptr != NO_VMCS)
		get_vmcs12(vcpu, s);
	return 0;
}

/**
 * struct restore - what a state says, and what is found out before anything changes
 * @s: the state
 * @v: its vmcs12; NULL for none
 * @env: environment of the checks
 * @guest: L2 runs
 * @smm_l2: L2 waits for RSM
 */
struct restore {
	const struct kvm_nested_state *s;
	struct vmcs12 *v;
	struct nvmx_check_env env;
	bool guest, smm_l2;
};

static bool header_ok(const struct nestor_vcpu *vcpu, const struct kvm_nested_state *s)
{
	const struct kvm_vmx_nested_state_hdr *h = &s->hdr.vmx;
	u16 smm = h->smm.flags;

	if (s->format != KVM_STATE_NESTED_FORMAT_VMX ||
	    (s->flags & ~VMX_FLAGS) ||
	    (h->flags & ~KVM_STATE_VMX_PREEMPTION_TIMER_DEADLINE) || (smm & ~SMM_FLAGS))
		return false;
	if (h->vmxon_pa == NO_ADDRESS)
		return h->vmcs12_pa == NO_ADDRESS && !s->flags && !smm;
	/* In SMM VMX operation is left, and outside nothing waits for RSM. */
	if (vcpu->smm.active ? s->flags : smm)
		return false;
	if ((smm & SMM_FLAGS) == KVM_STATE_NESTED_SMM_GUEST_MODE)
		return false;
	return vcpu->cpuid.has_vmx && nvmx_pointer_ok(vcpu, h->vmxon_pa);
}

/* The registers of the processor that is to be in VMX operation. */
static bool registers_ok(struct nestor_vcpu *vcpu, const struct restore *r)
{
	const struct nvmx_caps *c = &nvmx_of(vcpu)->caps;
	struct guest_run *run = vcpu->run;
	u64 cr0 = c->cr0_fixed0;

	if (vcpu->smm.active)
		return true;
	run_need(run, GRP_CR);
	if (r->guest && (nvmx_cpu2(r->v) & CPU2_UNRESTRICTED))
		cr0 &= ~(X_CR0_PE | X_CR0_PG);
	return !(cr0 & ~run->cr0) && !(c->cr4_fixed0 & ~run->cr4);
}

static bool vmcs12_ok(struct nestor_vcpu *vcpu, struct restore *r)
{
	struct nvmx *n = nvmx_of(vcpu);
	const struct kvm_vmx_nested_state_hdr *h = &r->s->hdr.vmx;
	u32 revision;

	if (h->vmcs12_pa == NO_ADDRESS)
		return !r->guest && !r->smm_l2;
	if (r->s->size < sizeof(*r->s) + sizeof(r->s->data.vmx[0].vmcs12) ||
	    h->vmcs12_pa == h->vmxon_pa || !nvmx_pointer_ok(vcpu, h->vmcs12_pa))
		return false;
	r->v = n->incoming;
	memcpy(r->v, r->s->data.vmx[0].vmcs12, sizeof(*r->v));
	vmcs12_cut(r->v);
	r->v->launched = !!r->v->launched;
	/* Whatever has passed somewhere else: the next entry begins anew. */
	r->v->dirty = VMCS12_DIRTY_ALL;
	revision = r->v->revision;
	/* A shadow VMCS may be current, but nobody enters with one. */
	if (!r->guest && !r->smm_l2 && cap_may(n->caps.cpu2, CPU2_VMCS_SHADOW))
		revision &= ~VMCS12_SHADOW;
	return revision == VMCS12_REVISION;
}

/* The checks of VM entry on what is to run. */
static int check_l2(struct nestor_vcpu *vcpu, struct restore *r)
{
	struct verdict verdict;
	int ret;

	if (!(r->s->flags & KVM_STATE_NESTED_RUN_PENDING))
		r->v->entry_intr_info &= ~(u64)INTR_INFO_VALID;
	ret = nvmx_snapshot(vcpu, r->v, r->s->hdr.vmx.vmcs12_pa, &r->env);
	if (ret)
		return ret;
	/* L1 was in the mode that it goes back to: the checks would have refused another. */
	r->env.l1_efer = r->v->exit_ctls & EXIT_HOST_64 ? X_EFER_LMA | X_EFER_LME : 0;
	verdict = nvmx_check(r->v, &r->env, VMCS12_DIRTY_ALL);
	if (!verdict.check)
		return 0;
	nested_record_verdict(vcpu, &verdict, r->v->guest_rip);
	return -EINVAL;
}

/* Have the shadow there before anything changes. */
static int prepare_root(struct nestor_vcpu *vcpu, const struct restore *r)
{
	struct pt_format fmt;
	bool fresh;

	if (!(nvmx_cpu2(r->v) & CPU2_EPT))
		return 0;
	nvmx_ept_format(vcpu, r->v->eptp, &fmt);
	return shadow_get(vcpu, l1_gpa(r->v->eptp & EPTP_ROOT), &fmt, 0, &fresh) ? 0 : -ENOMEM;
}

static int check(struct nestor_vcpu *vcpu, struct restore *r)
{
	int ret;

	if (!header_ok(vcpu, r->s))
		return -EINVAL;
	if (r->s->hdr.vmx.vmxon_pa == NO_ADDRESS)
		return 0;
	/* CPUID is settled by now; what L1 may have depends on it. */
	nvmx_update_caps(vcpu);
	if (!vmcs12_ok(vcpu, r) || !registers_ok(vcpu, r))
		return -EINVAL;
	if (!r->guest && !r->smm_l2)
		return 0;
	ret = check_l2(vcpu, r);
	return ret ? ret : prepare_root(vcpu, r);
}

/* Out of VMX operation, with the current registers and without a word to L1's memory. */
static void forget(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	nvmx_mtf_drop(vcpu);
	nvmx_apic_leave(vcpu);
	if (vcpu_in_l2(vcpu)) {
		run_copy(&vcpu->l1, &n->l2);
		n->l2.inject.valid = false;
		l2_soft_none(vcpu);
		vcpu->run = &vcpu->l1;
	}
	nvmx_shadow_off(vcpu);
	nvmx_root_off(vcpu);
	memset(&n->smm, 0, sizeof(n->smm));
	n->lazy = 0;
	n->checked.valid = false;
	n->quick.on = false;
	n->host_noted = false;
	n->activity = ACTIVITY_ACTIVE;
}

static void restore_root(struct nestor_vcpu *vcpu, const struct restore *r)
{
	struct nvmx *n = nvmx_of(vcpu);

	nvmx_root_on(vcpu, r->s->hdr.vmx.vmxon_pa);
	nvmx_shadow_setup(vcpu);
	if (r->v) {
		swap(n->vmcs12, n->incoming);
		n->current_ptr = r->s->hdr.vmx.vmcs12_pa;
	}
	if (r->s->hdr.vmx.smm.flags & KVM_STATE_NESTED_SMM_VMXON) {
		n->vmxon = false;
		n->smm.vmxon = true;
		vcpu->l1.cr0_must = 0;
		vcpu->l1.cr4_must = 0;
	} else {
		nvmx_shadow_on(vcpu);
	}
}

/* What of L2's registers no ioctl shows. */
static void take_unnamed(struct nvmx *n, const struct restore *r)
{
	const struct vmcs12 *v = n->vmcs12;
	const u64 saved[4] = { v->guest_pdpte0, v->guest_pdpte1, v->guest_pdpte2, v->guest_pdpte3 };

	memcpy(n->l2.pdpte, nvmx_needs_pdptes(v) ? r->env.pdpte : saved, sizeof(saved));
	n->l2.pending_dbg = v->guest_pending_dbg;
	run_dirty(&n->l2, GRP_PDPTE | GRP_ACTIVITY);
}

/* Registers that nobody but the image has: RSM brings most of L2's, and a VM exit L1's. */
static void park_l2(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct nvmx_parked *p = &n->smm.l1;
	struct guest_run *l2 = &n->l2, *l1 = &n->merged;
	struct nvmx_shared s = { .dr7 = X_DR7_RESET };

	run_copy(l2, &vcpu->l1);
	s.cr0 = l2->cr0;
	s.efer = l2->efer;
	s.pat = l2->pat;
	nvmx_merge_hot(n->vmcs12, l2);
	nvmx_merge_state(n->vmcs12, &s, VMCS12_GROUPS, l2);
	run_dirty(l2, VMCS12_GROUPS);
	l1->sys = &l1->sys_own;
	nvmx_host_state(n->vmcs12, &s, l1);
	*p = (struct nvmx_parked){
		.rflags = l1->rflags, .cr0 = l1->cr0, .cr4 = l1->cr4, .efer = l1->efer,
		.dr7 = l1->dr7, .sys = *l1->sys,
	};
	n->smm.l2_rsp = n->vmcs12->guest_rsp;
	n->smm.l2 = true;
}

static void split_registers(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct guest_run *l1 = &vcpu->l1, *l2 = &n->l2;
	struct nvmx_shared left;

	run_copy(l2, l1);
	left = (struct nvmx_shared){ .cr0 = l2->cr0, .efer = l2->efer, .pat = l2->pat };
	nvmx_host_state(n->vmcs12, &left, l1);
	l1->nmi_blocked = l2->nmi_blocked && !(n->vmcs12->pin_ctls & PIN_VIRTUAL_NMI);
	run_dirty(l1, GRP_ALL & ~GRP_MSRS);
	l1->flush = true;
}

static void restore_l2(struct nestor_vcpu *vcpu, const struct restore *r)
{
	const struct kvm_vmx_nested_state_hdr *h = &r->s->hdr.vmx;
	struct nvmx *n = nvmx_of(vcpu);

	if (r->guest)
		split_registers(vcpu);
	else
		park_l2(vcpu);
	take_unnamed(n, r);
	n->ept.on = false;
	n->vpid = 0;
	n->l2.flush = true;
	n->l2.new_tag = true;
	/* It was there just now; a processor whose table is gone cannot go on. */
	if (nvmx_select_root(vcpu))
		vcpu_request(vcpu, REQ_TRIPLE_FAULT);
	nvmx_resume_l2(vcpu, r->s->flags);
	if (h->flags & KVM_STATE_VMX_PREEMPTION_TIMER_DEADLINE)
		nvmx_timer_set(vcpu, h->preemption_timer_deadline);
	if (r->guest)
		nvmx_activity_enter(vcpu);
	else
		vcpu->run = &vcpu->l1;
}

int nvmx_set_state(struct nestor_vcpu *vcpu, const struct kvm_nested_state *s)
{
	struct restore r = {
		.s = s,
		.guest = s->flags & KVM_STATE_NESTED_GUEST_MODE,
		.smm_l2 = s->hdr.vmx.smm.flags & KVM_STATE_NESTED_SMM_GUEST_MODE,
	};
	int ret = check(vcpu, &r);

	if (ret)
		return ret;
	if (s->hdr.vmx.vmxon_pa != NO_ADDRESS && nvmx_l2_alloc(vcpu))
		return -ENOMEM;
	forget(vcpu);
	if (s->hdr.vmx.vmxon_pa != NO_ADDRESS) {
		restore_root(vcpu, &r);
		if (r.guest || r.smm_l2)
			restore_l2(vcpu, &r);
	}
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}
