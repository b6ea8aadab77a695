// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested state, as a VMM saves and restores it.  The image is <linux/kvm.h>'s: the control area
 * of vmcb12 as VMRUN took it, and in the save area not L2's registers but L1's, which #VMEXIT
 * would load.  L2's are the processor's while it runs, and the VMM has them from elsewhere.
 *
 * The VMM may set registers before this or after it: those that are current when it is
 * called go to whoever is current afterwards.
 *
 * In SMM, L2 in the image is the one that RSM goes back to.  Its registers are in SMRAM but for PAT and
 * the last-branch registers, which take the place of L1's: L1's are the processor's then.
 */
#include <linux/slab.h>

#include "core/events.h"
#include "core/hw_ops.h"
#include "mmu/mmu.h"
#include "nsvm/nsvm.h"

#define SVM_FLAGS	(KVM_STATE_NESTED_GUEST_MODE | KVM_STATE_NESTED_RUN_PENDING | \
			 KVM_STATE_NESTED_GIF_SET)

static_assert(VMCB12_SIZE == KVM_STATE_NESTED_SVM_VMCB_SIZE, "the image holds a VMCB");

static struct vmcb12_seg put_seg(const struct guest_seg *s)
{
	return (struct vmcb12_seg){
		.sel = s->sel, .attrib = s->attrib, .limit = s->limit, .base = s->base,
	};
}

static struct guest_seg get_seg(const struct vmcb12_seg *s)
{
	return (struct guest_seg){
		.sel = s->sel, .attrib = s->attrib & 0xfff, .limit = s->limit, .base = s->base,
	};
}

/* LMA follows from the others. */
static u64 l1_efer(const struct vmcb12_save *s)
{
	bool lma = (s->efer & X_EFER_LME) && (s->cr0 & X_CR0_PG);

	return lma ? s->efer | X_EFER_LMA : s->efer & ~X_EFER_LMA;
}

static u64 l1_rflags(const struct vmcb12_save *s)
{
	return (s->rflags & X_RFLAGS_VALID) | X_RFLAGS_FIXED;
}

/* What VMRUN would load of @run. */
static void put_registers(struct guest_run *run, struct vmcb12_save *s)
{
	run_need(run, GRP_SEG | GRP_DTABLE | GRP_CR | GRP_CR2 | GRP_DR | GRP_PAT | GRP_LBR);
	s->es = put_seg(&run->seg[SEG_ES]);
	s->cs = put_seg(&run->seg[SEG_CS]);
	s->ss = put_seg(&run->seg[SEG_SS]);
	s->ds = put_seg(&run->seg[SEG_DS]);
	s->gdtr = (struct vmcb12_seg){ .limit = run->gdtr.limit, .base = run->gdtr.base };
	s->idtr = (struct vmcb12_seg){ .limit = run->idtr.limit, .base = run->idtr.base };
	s->cpl = run->cpl;
	s->efer = run->efer;
	s->cr0 = run->cr0;
	s->cr2 = run->cr2;
	s->cr3 = run->cr3;
	s->cr4 = run->cr4;
	s->dr6 = run->dr6;
	s->dr7 = run->dr7;
	s->rflags = run->rflags;
	s->rip = run->rip;
	s->rsp = run->gpr[REG_RSP];
	s->rax = run->gpr[REG_RAX];
	s->g_pat = run->pat;
	s->dbgctl = run->debugctl;
	s->br_from = run->br_from;
	s->br_to = run->br_to;
	s->last_excp_from = run->excp_from;
	s->last_excp_to = run->excp_to;
}

/* What #VMEXIT would load, put aside while the handler has L1's run; @l2 waits for RSM. */
static void put_parked(const struct parked_l1 *p, struct guest_run *l2, struct vmcb12_save *s)
{
	put_registers(l2, s);
	s->es = put_seg(&p->seg[SEG_ES]);
	s->cs = put_seg(&p->seg[SEG_CS]);
	s->ss = put_seg(&p->seg[SEG_SS]);
	s->ds = put_seg(&p->seg[SEG_DS]);
	s->gdtr = (struct vmcb12_seg){ .limit = p->gdtr.limit, .base = p->gdtr.base };
	s->idtr = (struct vmcb12_seg){ .limit = p->idtr.limit, .base = p->idtr.base };
	s->cpl = 0;
	s->efer = p->efer;
	s->cr0 = p->cr0;
	s->cr3 = p->cr3;
	s->cr4 = p->cr4;
	s->rflags = p->rflags;
	s->rip = p->rip;
}

static void take_parked(const struct vmcb12_save *s, struct parked_l1 *p)
{
	*p = (struct parked_l1){
		.seg = { [SEG_ES] = get_seg(&s->es), [SEG_CS] = get_seg(&s->cs),
			 [SEG_SS] = get_seg(&s->ss), [SEG_DS] = get_seg(&s->ds) },
		.gdtr = { .limit = s->gdtr.limit & 0xffff, .base = s->gdtr.base },
		.idtr = { .limit = s->idtr.limit & 0xffff, .base = s->idtr.base },
		.cr0 = s->cr0 | X_CR0_ET, .cr3 = s->cr3, .cr4 = s->cr4,
		.efer = l1_efer(s), .rflags = l1_rflags(s),
		.rip = s->rip,
	};
}

static void get_l2(struct nestor_vcpu *vcpu, struct kvm_nested_state *s)
{
	struct nsvm *n = nsvm_of(vcpu);
	u8 *page = s->data.svm[0].vmcb12;
	struct vmcb12_ctl *c = (struct vmcb12_ctl *)page;
	struct vmcb12_save *save = (struct vmcb12_save *)(page + VMCB12_SAVE);

	s->flags |= KVM_STATE_NESTED_GUEST_MODE;
	s->size += sizeof(s->data.svm[0]);
	s->hdr.svm.vmcb_pa = n->snap.gpa;
	nsvm_pull_vintr(vcpu);
	*c = n->snap.ctl;
	c->event_inj = 0;
	c->int_state = n->l2.int_shadow ? INT_SHADOW : 0;
	if (l2_soft_waits(vcpu)) {
		s->flags |= KVM_STATE_NESTED_RUN_PENDING;
		c->event_inj = nsvm_event_encode(&vcpu->ev.l2_soft);
		c->nrip = n->l2.next_rip;
	}
	if (n->smm_l2)
		put_parked(&n->smm_l1, &n->l2, save);
	else
		put_registers(&vcpu->l1, save);
	save->rsp = n->l1_rsp;
	save->rax = n->l1_rax;
}

int nsvm_get_state(struct nestor_vcpu *vcpu, struct kvm_nested_state *s)
{
	s->format = KVM_STATE_NESTED_FORMAT_SVM;
	s->size = sizeof(*s);
	if (nsvm_gif(vcpu))
		s->flags |= KVM_STATE_NESTED_GIF_SET;
	if (vcpu_in_l2(vcpu) || nsvm_of(vcpu)->smm_l2)
		get_l2(vcpu, s);
	return 0;
}

/* L1 is where VMRUN can be executed, and goes on there after #VMEXIT. */
static bool l1_possible(struct vmcb12_snapshot *snap, const struct vmcb12_save *l1,
			const struct check_env *env)
{
	const struct vmcb12_save l2 = snap->save;
	bool bad;

	if (!(l1->cr0 & X_CR0_PE) || (l1->rflags & X_RFLAGS_VM))
		return false;
	/* VMRUN's own checks of a register are those of the processor that holds it. */
	snap->save = *l1;
	bad = nsvm_check(snap, env).check;
	snap->save = l2;
	return !bad;
}

static void load_l1(struct nestor_vcpu *vcpu, const struct vmcb12_save *s)
{
	const struct nsvm *n = nsvm_of(vcpu);
	struct guest_run *l1 = &vcpu->l1;

	l1->seg[SEG_ES] = get_seg(&s->es);
	l1->seg[SEG_CS] = get_seg(&s->cs);
	l1->seg[SEG_SS] = get_seg(&s->ss);
	l1->seg[SEG_DS] = get_seg(&s->ds);
	l1->gdtr = (struct guest_dtable){ .limit = s->gdtr.limit & 0xffff, .base = s->gdtr.base };
	l1->idtr = (struct guest_dtable){ .limit = s->idtr.limit & 0xffff, .base = s->idtr.base };
	l1->cr0 = s->cr0 | X_CR0_ET;
	l1->cr3 = s->cr3;
	l1->cr4 = s->cr4;
	l1->efer = l1_efer(s);
	l1->rip = s->rip;
	l1->rflags = l1_rflags(s);
	l1->cpl = 0;
	l1->int_shadow = false;
	/* Registers that L2 has of its own; else they are one register of the processor. */
	if (n->np)
		l1->pat = s->g_pat;
	if (n->snap.ctl.virt_ext & LBR_VIRT_ENABLE) {
		l1->debugctl = s->dbgctl;
		l1->br_from = s->br_from;
		l1->br_to = s->br_to;
		l1->excp_from = s->last_excp_from;
		l1->excp_to = s->last_excp_to;
	}
	run_dirty(l1, GRP_SEG | GRP_DTABLE | GRP_CR | GRP_PAT | GRP_LBR);
	l1->flush = true;
}

/* The current registers become L1's; an event that waits is the processor's and stays. */
static void back_to_l1(struct nestor_vcpu *vcpu)
{
	struct nsvm *n = nsvm_of(vcpu);

	if (!vcpu_in_l2(vcpu))
		return;
	run_copy(&vcpu->l1, &n->l2);
	n->last.good = false;
	n->l2.inject.valid = false;
	l2_soft_none(vcpu);
	vcpu->run = &vcpu->l1;
}

/**
 * struct restore - what is found out before anything changes
 * @snap: vmcb12 as it will be
 * @l1: L1's registers
 * @fmt: format of L1's nested page table
 * @root: where that is
 */
struct restore {
	struct vmcb12_snapshot snap;
	struct vmcb12_save l1;
	struct pt_format fmt;
	u64 root;
};

static int check_l2(struct nestor_vcpu *vcpu, const struct kvm_nested_state *s, struct restore *r)
{
	const u8 *page = s->data.svm[0].vmcb12;
	struct vmcb12_snapshot *snap = &r->snap;
	struct check_env env;
	struct verdict v;

	if (s->size < sizeof(*s) + sizeof(s->data.svm[0]))
		return -EINVAL;
	snap->gpa = s->hdr.svm.vmcb_pa;
	if ((snap->gpa & (VMCB12_SIZE - 1)) || (snap->gpa & vcpu->cpuid.rsvd_gpa_bits))
		return -EINVAL;
	memcpy(&snap->ctl, page, sizeof(snap->ctl));
	memcpy(&r->l1, page + VMCB12_SAVE, sizeof(r->l1));
	if (!(s->flags & KVM_STATE_NESTED_RUN_PENDING))
		snap->ctl.event_inj = 0;
	/* In SMM L1's stand in for L2's, which RSM will check. */
	if (vcpu->smm.active)
		snap->save = r->l1;
	else
		put_registers(vcpu->run, &snap->save);
	snap->ctl.int_state = !vcpu->smm.active && vcpu->run->int_shadow ? INT_SHADOW : 0;
	/* The map may come later than this: until the next VMRUN all MSRs exit, and are looked up. */
	snap->msrpm_word = ~0ull;
	snap->msr_read_icpt = ~0u;
	snap->msr_write_icpt = ~0u;

	nsvm_check_env(vcpu, &env);
	env.host_cr0 = r->l1.cr0;
	v = nsvm_check(snap, &env);
	if (v.check) {
		nested_record_verdict(vcpu, &v, snap->save.rip);
		return -EINVAL;
	}
	return l1_possible(snap, &r->l1, &env) ? 0 : -EINVAL;
}

/* Have L2's hardware context and its shadow there before anything changes. */
static int prepare_l2(struct nestor_vcpu *vcpu, struct restore *r)
{
	bool fresh;

	if (nsvm_l2_alloc(vcpu))
		return -ENOMEM;
	if (!(r->snap.ctl.np_ctl & NP_ENABLE))
		return 0;
	nsvm_pt_format_of(vcpu, r->l1.efer, r->l1.cr4, &r->fmt, r->snap.ctl.ncr3, &r->root);
	return shadow_get(vcpu, l1_gpa(r->root), &r->fmt, r->snap.ctl.asid, &fresh) ? 0 : -ENOMEM;
}

static void restore_l2(struct nestor_vcpu *vcpu, const struct restore *r)
{
	struct nsvm *n = nsvm_of(vcpu);

	back_to_l1(vcpu);
	n->snap = r->snap;
	n->np = r->snap.ctl.np_ctl & NP_ENABLE;
	n->fmt = r->fmt;
	n->shadow_at = r->root;
	n->smm_l2 = vcpu->smm.active;
	nsvm_resume_l2(vcpu);
	n->snap.ctl.event_inj &= ~EVENTINJ_V;
	n->l1_rax = r->l1.rax;
	n->l1_rsp = r->l1.rsp;
	if (n->smm_l2)
		take_parked(&r->l1, &n->smm_l1);
	else
		load_l1(vcpu, &r->l1);
	n->last_asid = 0;
	n->l2.flush = true;
	n->l2.new_tag = true;
	/* It was there just now; a processor whose table is gone cannot go on. */
	if (nsvm_select_root(vcpu))
		vcpu_request(vcpu, REQ_TRIPLE_FAULT);
	if (n->smm_l2)
		vcpu->run = &vcpu->l1;
	else
		nsvm_use_vgif(vcpu, true);
}

static int set_l2(struct nestor_vcpu *vcpu, const struct kvm_nested_state *s)
{
	struct restore *r = kvzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!r)
		return -ENOMEM;
	ret = check_l2(vcpu, s, r);
	if (!ret)
		ret = prepare_l2(vcpu, r);
	if (!ret)
		restore_l2(vcpu, r);
	kvfree(r);
	return ret;
}

int nsvm_set_state(struct nestor_vcpu *vcpu, const struct kvm_nested_state *s)
{
	bool guest = s->flags & KVM_STATE_NESTED_GUEST_MODE;
	int ret;

	if (s->format != KVM_STATE_NESTED_FORMAT_SVM || (s->flags & ~SVM_FLAGS))
		return -EINVAL;
	run_need(vcpu->run, GRP_CR);
	/* Without SVM there is no L2, and GIF is 1; in SMM L2 waits, and nothing of its entry is left. */
	if (vcpu->smm.active ? (s->flags & KVM_STATE_NESTED_RUN_PENDING) :
	    !(vcpu->run->efer & X_EFER_SVME) && s->flags != KVM_STATE_NESTED_GIF_SET)
		return -EINVAL;
	if (guest) {
		ret = set_l2(vcpu, s);
		if (ret)
			return ret;
	} else {
		back_to_l1(vcpu);
		nsvm_of(vcpu)->smm_l2 = false;
	}
	nsvm_set_gif(vcpu, s->flags & KVM_STATE_NESTED_GIF_SET);
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}
