// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMRUN: snapshot, check, merge, commit.  Nothing of L1 or L2 changes before
 * all checks have passed.
 */
#include "core/events.h"
#include "core/hw_ops.h"
#include "core/trace.h"
#include "nsvm/nsvm.h"

/* Copy @field from the merged run unless L2's run holds the same already. */
#define TAKE(field) \
	(memcmp(&(dst)->field, &(src)->field, sizeof((src)->field)) ? \
	 (memcpy(&(dst)->field, &(src)->field, sizeof((src)->field)), true) : false)

void nsvm_check_env(struct nestor_vcpu *vcpu, struct check_env *env)
{
	run_need(&vcpu->l1, GRP_CR);
	*env = (struct check_env){
		.rsvd_gpa_bits = vcpu->cpuid.rsvd_gpa_bits,
		.cr4_reserved = vcpu->cpuid.cr4_reserved,
		.efer_reserved = vcpu->cpuid.efer_reserved,
		.host_cr0 = vcpu->l1.cr0,
		.has_lm = vcpu->cpuid.has_lm,
	};
}

static void l0_policy(struct nestor_vcpu *vcpu, struct l0_policy *p)
{
	struct guest_run *l1 = &vcpu->l1;

	run_need(l1, GRP_PAT | GRP_LBR);
	memcpy(p->intercept, l1->intercept, sizeof(p->intercept));
	/* The end of an NMI handler may come in either. */
	if (nsvm_watch_iret(vcpu))
		p->intercept[ICPT_MISC1] |= ICPT_IRET;
	else
		p->intercept[ICPT_MISC1] &= ~ICPT_IRET;
	p->pause_count = l1->pause_count;
	p->pause_thresh = l1->pause_thresh;
	p->msr_read_pass = l1->msr_read_pass;
	p->msr_write_pass = l1->msr_write_pass;
	p->tsc_offset = l1->tsc_offset;
	p->pat = l1->pat;
	p->debugctl = l1->debugctl;
	p->br_from = l1->br_from;
	p->br_to = l1->br_to;
	p->excp_from = l1->excp_from;
	p->excp_to = l1->excp_to;
	p->lbr_virt = l1->lbr_virt;
	p->tpr = l1->vintr.tpr;
	p->hw_lbrv = hw_caps.lbrv;
	p->hw_vgif = hw_caps.vgif;
}

/* The last run of L2 may have left a window open or a TPR behind. */
static void commit_vintr(struct guest_run *dst, const struct guest_vintr *v)
{
	static_assert(sizeof(*v) == 8);
	if (!memcmp(&dst->vintr, v, sizeof(*v)) && !dst->irq_window)
		return;
	dst->vintr = *v;
	dst->irq_window = false;
	dst->ctl_dirty |= CTL_VINTR;
}

static void commit_controls(struct guest_run *dst, const struct guest_run *src)
{
	bool diff;

	diff = TAKE(intercept);
	diff |= TAKE(pause_count);
	diff |= TAKE(pause_thresh);
	if (diff)
		dst->ctl_dirty |= CTL_INTERCEPTS;
	diff = TAKE(msr_read_pass);
	diff |= TAKE(msr_write_pass);
	if (diff)
		dst->ctl_dirty |= CTL_MSR;
	if (TAKE(tsc_offset))
		dst->ctl_dirty |= CTL_TSC;
	if (TAKE(lbr_virt))
		dst->ctl_dirty |= CTL_LBR;
	commit_vintr(dst, &src->vintr);
}

/* A group that the hardware context may hold otherwise is written whatever the copy says. */
static void commit_group(struct guest_run *dst, u32 group, bool diff)
{
	if (diff || !(dst->avail & group))
		run_dirty(dst, group);
}

static void commit_registers(struct guest_run *dst, const struct guest_run *src)
{
	bool diff;

	dst->rip = src->rip;
	dst->rflags = src->rflags;
	dst->cpl = src->cpl;
	dst->int_shadow = src->int_shadow;
	commit_group(dst, GRP_SEG, TAKE(seg));
	diff = TAKE(gdtr);
	diff |= TAKE(idtr);
	commit_group(dst, GRP_DTABLE, diff);
	diff = TAKE(cr0);
	diff |= TAKE(cr3);
	diff |= TAKE(cr4);
	diff |= TAKE(efer);
	commit_group(dst, GRP_CR, diff);
	commit_group(dst, GRP_CR2, TAKE(cr2));
	diff = TAKE(dr6);
	diff |= TAKE(dr7);
	commit_group(dst, GRP_DR, diff);
	commit_group(dst, GRP_PAT, TAKE(pat));
	diff = TAKE(debugctl);
	diff |= TAKE(br_from);
	diff |= TAKE(br_to);
	diff |= TAKE(excp_from);
	diff |= TAKE(excp_to);
	commit_group(dst, GRP_LBR, diff);
}

/* VMRUN leaves all general-purpose registers but RAX and RSP to the guest as they are. */
static void switch_gprs(struct nestor_vcpu *vcpu)
{
	struct nsvm *n = nsvm_of(vcpu);

	n->l1_rax = vcpu->gpr[REG_RAX];
	n->l1_rsp = vcpu->gpr[REG_RSP];
	vcpu->gpr[REG_RAX] = n->snap.save.rax;
	vcpu->gpr[REG_RSP] = n->snap.save.rsp;
}

/*
 * A CPU without nRIP pushes the RIP that it is entered with, so that has to be
 * the one that L1 put into nRIP.
 */
static void fix_soft_rip(struct guest_run *run)
{
	const struct guest_event *ev = &run->inject;

	if (ev->valid && event_is_soft(ev) && run->next_rip && !hw_caps.nrips)
		run->rip = run->next_rip;
}

/* The event of EVENTINJ, decoded into @run, is on its way. */
static void commit_event(struct nestor_vcpu *vcpu, struct guest_run *run)
{
	struct nsvm *n = nsvm_of(vcpu);

	n->l2.next_rip = run->next_rip;
	n->l2.inject.valid = false;
	l2_soft_none(vcpu);
	if (!run->inject.valid)
		return;
	requeue_event(vcpu, &run->inject);
	if (event_is_soft(&run->inject))
		l2_soft_given(vcpu, &run->inject);
}

static void commit(struct nestor_vcpu *vcpu, struct guest_run *merged)
{
	struct guest_run *l2 = &nsvm_of(vcpu)->l2;

	fix_soft_rip(merged);
	l2->sys = vcpu->l1.sys;
	l2->msrs = vcpu->l1.msrs;
	commit_controls(l2, merged);
	commit_registers(l2, merged);
	commit_event(vcpu, merged);
}

/*
 * The short way.  A guest hypervisor enters the same guest again and again, and puts little
 * into vmcb12 that #VMEXIT did not leave there.  When what was read is what L2's run
 * holds, and L0's needs are what they were, the merge would yield what is there.  Left
 * are the registers of every entry and what concerns events.
 *
 * The checks are pure: over the same fields they say the same.
 */
#define NEWS	(CTL_INTERCEPTS | CTL_MSR | CTL_TSC | CTL_LBR)

static void note_policy(struct nestor_vcpu *vcpu, const struct l0_policy *l0)
{
	struct nsvm *n = nsvm_of(vcpu);
	struct guest_run *l1 = &vcpu->l1;

	n->last.l0 = *l0;
	n->last.host_cr0 = l1->cr0;
	n->last.host_cr4 = l1->cr4;
	n->last.host_efer = l1->efer;
	n->last.virq_mode = n->snap.ctl.int_ctl & (V_INTR_MASKING | V_GIF_ENABLE);
	/* What has been committed since is looked at once. */
	l1->ctl_news |= NEWS;
}

static bool same_policy(struct nestor_vcpu *vcpu, struct nsvm *n)
{
	struct guest_run *l1 = &vcpu->l1, *l2 = &n->l2;
	const struct l0_policy *was = &n->last.l0;
	unsigned int i;
	u32 diff = 0;

	if (l1->debugctl != was->debugctl)
		return false;
	if (likely(!((l1->ctl_news | l1->ctl_dirty | l2->ctl_news | l2->ctl_dirty) & NEWS)))
		return true;
	for (i = 0; i < NR_ICPT_WORDS; i++)
		diff |= (l1->intercept[i] ^ was->intercept[i]) |
			(l2->intercept[i] ^ n->merged.intercept[i]);
	diff |= (l1->msr_read_pass ^ was->msr_read_pass) |
		(l1->msr_write_pass ^ was->msr_write_pass) |
		(l1->pause_count ^ was->pause_count) | (l1->pause_thresh ^ was->pause_thresh);
	if (diff || l1->tsc_offset != was->tsc_offset || l2->tsc_offset != n->merged.tsc_offset)
		return false;
	l1->ctl_news &= ~NEWS;
	l2->ctl_news &= ~NEWS;
	return true;
}

/* May VMRUN take the short way, as far as that is not up to what vmcb12 says now? */
static bool may_be_brief(struct nestor_vcpu *vcpu, struct nsvm *n)
{
	const struct guest_run *l1 = &vcpu->l1;

	/* PAT and the last-branch registers may be L1's own, which L1 may have changed. */
	if (!n->last.good || !n->np || n->last.l0.lbr_virt || l1->lbr_virt || vcpu->ev.nmi_masked)
		return false;
	return !((n->last.host_cr0 ^ l1->cr0) | (n->last.host_cr4 ^ l1->cr4) |
		 (n->last.host_efer ^ l1->efer)) && same_policy(vcpu, n);
}

static bool nothing_new(const struct nsvm *n)
{
	return n->last.virq_mode == (n->snap.ctl.int_ctl & (V_INTR_MASKING | V_GIF_ENABLE)) &&
	       !(n->snap.save.rflags & X_RFLAGS_VM);
}

/*
 * The fields that the checks look at and that L2 may have changed itself: does the copy hold what was
 * read, and has passed?
 */
static bool checked(const struct nsvm *n)
{
	const struct vmcb12_save *s = &n->snap.save;
	const struct guest_run *l2 = &n->l2;

	return !((s->efer ^ l2->efer) | (s->cr4 ^ l2->cr4) | (s->cr3 ^ l2->cr3) |
		 (s->cr0 ^ l2->cr0) | (s->dr7 ^ l2->dr7) | (s->dr6 ^ l2->dr6) |
		 (s->g_pat ^ l2->pat) | (s->cs.attrib ^ l2->seg[SEG_CS].attrib)) &&
	       !(n->snap.ctl.event_inj & EVENTINJ_V);
}

/* nsvm_snapshot_same() has found that this is what vmcb12 holds. */
static void take_registers(struct vmcb12_save *s, const struct guest_run *l2)
{
	const u64 *seg = (const u64 *)l2->seg;
	u64 *out = (u64 *)&s->es;
	unsigned int i;

	static_assert(SEG_ES == 0 && SEG_CS == 1 && SEG_SS == 2 && SEG_DS == 3);
	for (i = 0; i < sizeof(l2->seg) / 8; i++)
		out[i] = seg[i];
	s->gdtr.limit = l2->gdtr.limit;
	s->gdtr.base = l2->gdtr.base;
	s->idtr.limit = l2->idtr.limit;
	s->idtr.base = l2->idtr.base;
	s->cpl = l2->cpl;
	s->efer = l2->efer;
	s->cr4 = l2->cr4;
	s->cr3 = l2->cr3;
	s->cr0 = l2->cr0;
	s->dr7 = l2->dr7;
	s->dr6 = l2->dr6;
	s->cr2 = l2->cr2;
	s->g_pat = l2->pat;
}

/* Is the virtual interrupt what the last #VMEXIT left, and none pending? */
static bool same_vintr(struct nestor_vcpu *vcpu, const struct nsvm *n)
{
	const struct guest_vintr *v = &n->l2.vintr;
	u64 ctl = n->snap.ctl.int_ctl;

	return ctl == n->last.int_ctl && !(ctl & V_IRQ) && !v->irq && !n->l2.irq_window &&
	       v->tpr == (ctl & V_INTR_MASKING ? ctl & 0xf : vcpu->l1.vintr.tpr);
}

static noinline void renew_vintr(struct nestor_vcpu *vcpu)
{
	struct nsvm *n = nsvm_of(vcpu);
	struct l0_policy l0 = { .hw_vgif = hw_caps.vgif, .tpr = vcpu->l1.vintr.tpr };
	struct guest_vintr v = nsvm_merge_vintr(&n->snap, &l0);

	commit_vintr(&n->l2, &v);
}

/* The event in EVENTINJ, with the registers of the short way already committed. */
static noinline void inject_short(struct nestor_vcpu *vcpu)
{
	struct nsvm *n = nsvm_of(vcpu);

	n->merged.rip = n->snap.save.rip;
	n->merged.next_rip = n->snap.ctl.nrip;
	n->merged.inject = nsvm_event_decode(n->snap.ctl.event_inj);
	fix_soft_rip(&n->merged);
	n->l2.rip = n->merged.rip;
	commit_event(vcpu, &n->merged);
}

static void commit_short(struct nestor_vcpu *vcpu)
{
	struct nsvm *n = nsvm_of(vcpu);
	const struct vmcb12_save *s = &n->snap.save;
	struct guest_run *l2 = &n->l2;

	if (unlikely(!same_vintr(vcpu, n)))
		renew_vintr(vcpu);
	l2->rip = s->rip;
	l2->rflags = (s->rflags & X_RFLAGS_VALID) | X_RFLAGS_FIXED;
	l2->int_shadow = n->snap.ctl.int_state & INT_SHADOW;
	switch_gprs(vcpu);
	l2->next_rip = n->snap.ctl.nrip;
	l2->inject.valid = false;
	l2_soft_none(vcpu);
	if (unlikely(n->snap.ctl.event_inj & EVENTINJ_V))
		inject_short(vcpu);
}

/* L1 as it is to go on after #VMEXIT: behind VMRUN. */
static void park_l1(struct guest_run *l1, u64 next_rip)
{
	l1->rip = next_rip;
	l1->int_shadow = false;
	l1->rflags &= ~X_RFLAGS_RF;
}

static void refuse(struct nestor_vcpu *vcpu, const struct verdict *v, u64 gpa, u64 next_rip)
{
	nested_record_verdict(vcpu, v, vcpu->l1.rip);
	nsvm_invalid(vcpu, gpa, next_rip);
}

/* What the checks say about the snapshot; NESTED_OK when nothing. */
static enum nested_result check(struct nestor_vcpu *vcpu, u64 gpa, u64 next_rip)
{
	struct check_env env;
	struct verdict v;

	nsvm_check_env(vcpu, &env);
	v = nsvm_check(&nsvm_of(vcpu)->snap, &env);
	if (likely(!v.check))
		return NESTED_OK;
	/* What the copy holds has not passed. */
	nsvm_of(vcpu)->last.good = false;
	if (vcpu->atomic)
		return NESTED_LATER;
	refuse(vcpu, &v, gpa, next_rip);
	return NESTED_EXITED;
}

/* The long way: all of vmcb12 is copied, checked and merged. */
static enum nested_result enter_long(struct nestor_vcpu *vcpu, const struct gmem_window *w, u64 gpa,
				     u64 next_rip)
{
	struct nsvm *n = nsvm_of(vcpu);
	enum nested_result r;
	struct l0_policy l0;

	if (unlikely(!n->l2.hw)) {
		if (vcpu->atomic)
			return NESTED_LATER;
		if (nsvm_l2_alloc(vcpu))
			return NESTED_NOMEM;
	}
	switch (nsvm_snapshot(vcpu, w, gpa)) {
	case 0:
		break;
	case -EAGAIN:
		return NESTED_LATER;
	default:
		return NESTED_GP;
	}
	n->np = n->snap.ctl.np_ctl & NP_ENABLE;
	r = check(vcpu, gpa, next_rip);
	if (r != NESTED_OK)
		return r;
	if (vcpu->atomic && n->snap.ctl.tlb_control != TLB_CTL_NOTHING)
		return NESTED_LATER;
	if (n->np)
		nsvm_pt_format(vcpu, &n->fmt, n->snap.ctl.ncr3, &n->shadow_at);
	nsvm_tlb_control(vcpu);
	/* Out of memory: nothing was done, so the same VMRUN may try again. */
	if (nsvm_select_root(vcpu))
		return vcpu->atomic ? NESTED_LATER : NESTED_NOMEM;
	l0_policy(vcpu, &l0);
	nsvm_merge(&n->snap, &l0, &n->merged);
	commit(vcpu, &n->merged);
	switch_gprs(vcpu);
	note_policy(vcpu, &l0);
	return NESTED_OK;
}

/* The short way; NESTED_RETRY: it is not open. */
static enum nested_result enter_short(struct nestor_vcpu *vcpu, const struct gmem_window *w, u64 gpa,
				      u64 next_rip)
{
	struct nsvm *n = nsvm_of(vcpu);
	enum nested_result r;

	if (!may_be_brief(vcpu, n) || nsvm_snapshot_same(vcpu, w, gpa) != 1 || !nothing_new(n))
		return NESTED_RETRY;
	if (unlikely(!checked(n))) {
		take_registers(&n->snap.save, &n->l2);
		r = check(vcpu, gpa, next_rip);
		if (r != NESTED_OK)
			return r;
	}
	if (unlikely(n->snap.ctl.tlb_control != TLB_CTL_NOTHING || !nsvm_same_root(vcpu)))
		return NESTED_RETRY;
	commit_short(vcpu);
	return NESTED_OK;
}

enum nested_result nsvm_vmrun(struct nestor_vcpu *vcpu, const struct gmem_window *w, u64 gpa,
			      u64 next_rip)
{
	struct nsvm *n = nsvm_of(vcpu);
	struct guest_run *l1 = &vcpu->l1;
	u64 l1_rip = l1->rip;
	enum nested_result r;

	run_need(l1, GRP_CR);
	r = enter_short(vcpu, w, gpa, next_rip);
	if (r == NESTED_RETRY)
		r = enter_long(vcpu, w, gpa, next_rip);
	if (unlikely(r != NESTED_OK))
		return r;
	/* Until #VMEXIT says what L2 holds then. */
	n->last.good = false;
	park_l1(l1, next_rip);
	/* An L1 that runs guests will want its STGI and CLGI for nothing. */
	nsvm_use_vgif(vcpu, true);
	vcpu->run = &n->l2;
	nsvm_set_gif(vcpu, true);
	vcpu->stats.nested_entries++;
	trace_nestor_nested_entry(vcpu, gpa, l1_rip, n->snap.ctl.event_inj);
	return NESTED_ENTERED;
}

void nsvm_resume_l2(struct nestor_vcpu *vcpu)
{
	struct nsvm *n = nsvm_of(vcpu);
	struct l0_policy l0;

	l0_policy(vcpu, &l0);
	nsvm_merge(&n->snap, &l0, &n->merged);
	commit(vcpu, &n->merged);
	note_policy(vcpu, &l0);
	/* What L1 will be is not known yet: its next VMRUN goes the long way, whatever it is. */
	n->last.host_efer = ~0ull;
	n->last.good = false;
	vcpu->run = &n->l2;
}

void nsvm_leave(struct nestor_vcpu *vcpu)
{
	if (!vcpu_in_l2(vcpu))
		return;
	clear_injected(vcpu);
	nsvm_of(vcpu)->last.good = false;
	nsvm_switch_back(vcpu);
	vcpu->run = &vcpu->l1;
	nsvm_show_gif(vcpu);
	vcpu_request(vcpu, REQ_EVENT);
}
