// SPDX-License-Identifier: GPL-2.0-only
/*
 * #VMEXIT to L1 (APM vol. 2, "#VMEXIT").
 *
 * L2's state goes to vmcb12, but only those fields that #VMEXIT writes, and of
 * the save area only those that differ from what L1 put there.  L1 never left
 * vcpu->l1, so loading the host state is making that run current and applying
 * what #VMEXIT forces: GIF = 0, CPL 0, breakpoints off.
 */
#include "core/events.h"
#include "core/trace.h"
#include "mmu/mmu.h"
#include "nsvm/nsvm.h"

#define PDPTE_PRESENT	BIT_ULL(0)
/* Bits 2:1 and 8:6 of a PAE PDPTE; bit 5 is set by CPUs that walk it like any other entry. */
#define PDPTE_RSVD	0x1c6ull

/* Collects the first error, so that writes read as a list. */
struct out {
	struct nestor_vcpu *vcpu;
	u64 gpa;
	int error;
};

static void put(struct out *o, u32 offset, const void *data, size_t len)
{
	int r = gmem_write(o->vcpu, l1_gpa(o->gpa + offset), data, len);

	if (r && !o->error)
		o->error = r;
}

/* Write a stretch of the save area, @offset from its start, if it is not what L1 had there. */
static void put_changed(struct out *o, const struct vmcb12_save *was,
			const struct vmcb12_save *now, size_t offset, size_t len)
{
	if (memcmp((const u8 *)was + offset, (const u8 *)now + offset, len))
		put(o, VMCB12_SAVE + offset, (const u8 *)now + offset, len);
}

#define STRETCH(first, last) \
	offsetof(struct vmcb12_save, first), \
	offsetofend(struct vmcb12_save, last) - offsetof(struct vmcb12_save, first)

static void save_segment(struct vmcb12_seg *v, const struct guest_seg *g)
{
	v->sel = g->sel;
	v->attrib = g->attrib;
	v->limit = g->limit;
	v->base = g->base;
}

static void save_lbr(struct vmcb12_save *v, const struct guest_run *l2)
{
	v->dbgctl = l2->debugctl;
	v->br_from = l2->br_from;
	v->br_to = l2->br_to;
	v->last_excp_from = l2->excp_from;
	v->last_excp_to = l2->excp_to;
}

/* @v holds L1's version; what #VMEXIT saves is replaced. */
static void save_state(const struct nsvm *n, struct vmcb12_save *v)
{
	const struct guest_run *l2 = &n->l2;

	save_segment(&v->es, &l2->seg[SEG_ES]);
	save_segment(&v->cs, &l2->seg[SEG_CS]);
	save_segment(&v->ss, &l2->seg[SEG_SS]);
	save_segment(&v->ds, &l2->seg[SEG_DS]);
	v->gdtr.limit = l2->gdtr.limit;
	v->gdtr.base = l2->gdtr.base;
	v->idtr.limit = l2->idtr.limit;
	v->idtr.base = l2->idtr.base;
	v->cpl = l2->cpl;
	v->efer = l2->efer;
	v->cr4 = l2->cr4;
	v->cr3 = l2->cr3;
	v->cr0 = l2->cr0;
	v->dr7 = l2->dr7;
	v->dr6 = l2->dr6;
	v->rflags = l2->rflags;
	v->rip = l2->rip;
	v->rsp = l2->gpr[REG_RSP];
	v->rax = l2->gpr[REG_RAX];
	v->cr2 = l2->cr2;
	if (n->np)
		v->g_pat = l2->pat;
	if (n->snap.ctl.virt_ext & LBR_VIRT_ENABLE)
		save_lbr(v, l2);
}

static void put_save_area(struct out *o, const struct nsvm *n)
{
	const struct vmcb12_save *was = &n->snap.save;
	struct vmcb12_save now = *was;

	save_state(n, &now);
	put_changed(o, was, &now, STRETCH(es, ds));
	put_changed(o, was, &now, STRETCH(gdtr, gdtr));
	put_changed(o, was, &now, STRETCH(idtr, idtr));
	put_changed(o, was, &now, STRETCH(cpl, cpl));
	put_changed(o, was, &now, STRETCH(efer, efer));
	put_changed(o, was, &now, STRETCH(cr4, rip));
	put_changed(o, was, &now, STRETCH(rsp, rsp));
	put_changed(o, was, &now, STRETCH(rax, rax));
	put_changed(o, was, &now, STRETCH(cr2, cr2));
	put_changed(o, was, &now, STRETCH(g_pat, last_excp_to));
}

/* The stretches of the control area that #VMEXIT writes. */
struct exit_area {
	u64 int_ctl, int_state;
	u64 exit_code, info1, info2, int_info;
};

static_assert(CTL_OFF(np_ctl) - CTL_OFF(int_ctl) == sizeof(struct exit_area), "VMCB layout");

struct insn_area {
	u64 nrip;
	u8 len;
	u8 bytes[15];
};

static_assert(CTL_OFF(avic_backing_page) - CTL_OFF(nrip) == sizeof(struct insn_area),
	      "VMCB layout");

static void put_control_area(struct out *o, const struct vmcb12_snapshot *snap,
			     const struct exit_area *x, const struct insn_area *insn)
{
	u64 inj = snap->ctl.event_inj & ~EVENTINJ_V;

	put(o, CTL_OFF(int_ctl), x, sizeof(*x));
	/* The event was taken, or is in EXITINTINFO: L1 must not find it a second time. */
	if (snap->ctl.event_inj & EVENTINJ_V)
		put(o, CTL_OFF(event_inj), &inj, sizeof(inj));
	put(o, CTL_OFF(nrip), insn, sizeof(*insn));
}

/* Back in legacy PAE mode L1's PDPTEs are loaded again; bad ones shut it down. */
static bool l1_paging_bad(struct nestor_vcpu *vcpu)
{
	struct guest_run *l1 = &vcpu->l1;
	u64 pdpte[4];
	int i;

	run_need(l1, GRP_CR);
	if (!(l1->cr0 & X_CR0_PG) || !(l1->cr4 & X_CR4_PAE) || (l1->efer & X_EFER_LMA))
		return false;
	if (gmem_read(vcpu, l1_gpa(l1->cr3 & 0xffffffe0), pdpte, sizeof(pdpte)))
		return true;
	for (i = 0; i < 4; i++)
		if ((pdpte[i] & PDPTE_PRESENT) &&
		    (pdpte[i] & (PDPTE_RSVD | vcpu->cpuid.rsvd_gpa_bits)))
			return true;
	return false;
}

/* Registers that the two share: what L2 left in them is L1's now. */
static void share_back(struct nestor_vcpu *vcpu)
{
	struct nsvm *n = nsvm_of(vcpu);
	struct guest_run *l1 = &vcpu->l1, *l2 = &n->l2;
	u64 rax = l1->gpr[REG_RAX], rsp = l1->gpr[REG_RSP];

	memcpy(l1->gpr, l2->gpr, sizeof(l1->gpr));
	l1->gpr[REG_RAX] = rax;
	l1->gpr[REG_RSP] = rsp;
	l1->cr2 = l2->cr2;
	run_dirty(l1, GRP_CR2);
	l1->dr6 = l2->dr6;
	if (!n->np && l1->pat != l2->pat) {
		l1->pat = l2->pat;
		run_dirty(l1, GRP_PAT);
	}
	if (!(n->snap.ctl.virt_ext & LBR_VIRT_ENABLE) && l1->debugctl != l2->debugctl) {
		l1->debugctl = l2->debugctl;
		l1->br_from = l2->br_from;
		l1->br_to = l2->br_to;
		l1->excp_from = l2->excp_from;
		l1->excp_to = l2->excp_to;
		run_dirty(l1, GRP_LBR);
	}
	if (!l2->vintr.masking && l1->vintr.tpr != l2->vintr.tpr) {
		l1->vintr.tpr = l2->vintr.tpr;
		l1->ctl_dirty |= CTL_VINTR;
	}
}

static void load_l1(struct nestor_vcpu *vcpu)
{
	struct guest_run *l1 = &vcpu->l1;
	u32 iret;

	l1->cpl = 0;
	l1->dr7 = X_DR7_RESET;
	run_dirty(l1, GRP_DR);
	l1->rflags &= ~X_RFLAGS_VM;
	l1->int_shadow = false;
	/* An NMI handler that began or ended in L2 ends or began here. */
	iret = nsvm_watch_iret(vcpu) ? ICPT_IRET : 0;
	if ((l1->intercept[ICPT_MISC1] & ICPT_IRET) != iret) {
		l1->intercept[ICPT_MISC1] ^= ICPT_IRET;
		l1->ctl_dirty |= CTL_INTERCEPTS;
	}
	vcpu->run = l1;
	nsvm_set_gif(vcpu, false);
	vcpu->stats.nested_exits++;
	if (l1_paging_bad(vcpu))
		vcpu_request(vcpu, REQ_TRIPLE_FAULT);
}

/*
 * EXITINTINFO: the event whose delivery was under way; it is L1's to deliver
 * again.  L2's own INTn is not among those that L0 would inject, since it would
 * run again; L1 is told of it all the same.
 */
static u64 take_injected(struct nestor_vcpu *vcpu)
{
	const struct guest_exit *x = &vcpu->run->exit;
	struct guest_event ev = injected_event(vcpu);

	if (!ev.valid && nsvm_of(vcpu)->at_exit && x->reason != EXIT_SHUTDOWN)
		ev = x->vectoring;
	clear_injected(vcpu);
	vcpu->run->inject.valid = false;
	return nsvm_event_encode(&ev);
}

/* L0's single step towards an NMI window is no business of L1's. */
static void end_nmi_step(struct nestor_vcpu *vcpu)
{
	if (!vcpu->singlestep_nmi)
		return;
	vcpu->singlestep_nmi = false;
	if (!vcpu->singlestep_tf)
		vcpu->run->rflags &= ~X_RFLAGS_TF;
}

enum nested_who nsvm_reflect(struct nestor_vcpu *vcpu, u64 code, u64 info1, u64 info2, bool insn)
{
	struct nsvm *n = nsvm_of(vcpu);
	struct guest_run *l2 = &n->l2;
	struct out o = { .vcpu = vcpu, .gpa = n->snap.gpa };
	struct insn_area ia = {};
	struct exit_area xa;

	if (insn)
		ia.nrip = nsvm_assist_next_rip(vcpu);
	if (code == VMEXIT_NPF || code == VMEXIT_EXCP + 14)
		ia.len = nsvm_assist_bytes(vcpu, ia.bytes);
	end_nmi_step(vcpu);
	run_need(l2, GRP_SEG | GRP_DTABLE | GRP_CR | GRP_CR2 | GRP_DR | GRP_PAT | GRP_LBR);
	run_need(&vcpu->l1, GRP_DR | GRP_PAT | GRP_LBR);
	nsvm_pull_vintr(vcpu);
	xa = (struct exit_area){
		.int_ctl = n->snap.ctl.int_ctl,
		.int_state = l2->int_shadow ? INT_SHADOW : 0,
		.exit_code = code,
		.info1 = info1,
		.info2 = info2,
		.int_info = take_injected(vcpu),
	};
	put_control_area(&o, &n->snap, &xa, &ia);
	put_save_area(&o, n);
	trace_nestor_nested_exit(vcpu, l2->rip, code, info1, info2, xa.int_info);
	share_back(vcpu);
	load_l1(vcpu);
	/* L1 took vmcb12's memory away: there is nobody left to tell. */
	if (o.error)
		vcpu_request(vcpu, REQ_TRIPLE_FAULT);
	return NESTED_BY_L1;
}

void nsvm_invalid(struct nestor_vcpu *vcpu, u64 gpa, u64 next_rip)
{
	struct guest_run *l1 = &vcpu->l1;
	struct out o = { .vcpu = vcpu, .gpa = gpa };
	u64 exit[4] = { VMEXIT_INVALID, 0, 0, 0 };	/* code, info1, info2, int_info */

	put(&o, CTL_OFF(exit_code), exit, sizeof(exit));
	trace_nestor_nested_exit(vcpu, 0, VMEXIT_INVALID, 0, 0, 0);
	run_need(l1, GRP_DR);
	l1->rip = next_rip;
	l1->rflags &= ~X_RFLAGS_RF;
	load_l1(vcpu);
	if (o.error)
		vcpu_request(vcpu, REQ_TRIPLE_FAULT);
}
