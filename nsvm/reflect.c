// SPDX-License-Identifier: GPL-2.0-only
/*
 * #VMEXIT to L1 (APM vol. 2, "#VMEXIT").
 *
 * L2's state goes to vmcb12, but only those fields that #VMEXIT writes.  To
 * compare them with what L1 put there would cost more than to write them.  L1 never left
 * vcpu->l1, so loading the host state is making that run current and applying
 * what #VMEXIT forces: GIF = 0, CPL 0, breakpoints off.
 *
 * Nothing but vmcb12 changes before all of it is written, so that an exit which cannot be
 * finished without sleeping may be begun again.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "core/events.h"
#include "core/hw_ops.h"
#include "core/trace.h"
#include "mmu/mmu.h"
#include "nsvm/nsvm.h"

#define PDPTE_PRESENT	BIT_ULL(0)
/* Bits 2:1 and 8:6 of a PAE PDPTE; bit 5 is set by CPUs that walk it like any other entry. */
#define PDPTE_RSVD	0x1c6ull

/*
 * What #VMEXIT tells beside the guest's state.  The bytes of the instruction are in nsvm.insn: a variable
 * whose address is taken would cost each exit a stack canary.
 */
struct exit_info {
	u64 code, info1, info2, int_info, nrip;
};

static_assert(CTL_OFF(avic_backing_page) - CTL_OFF(nrip) ==
	      sizeof(u64) + sizeof_field(struct nsvm, insn), "VMCB layout");

/* A segment register has one form here and in vmcb12. */
static_assert(sizeof(struct guest_seg) == sizeof(struct vmcb12_seg), "VMCB layout");
static_assert(offsetof(struct guest_seg, base) == offsetof(struct vmcb12_seg, base),
	      "VMCB layout");

#define PUT(field, value)						\
do {									\
	u64 v_ = (value);						\
	gmem_window_put(at, field, &v_, 1, fail);			\
} while (0)

/* APM vol. 2, "#VMEXIT": what is saved of the guest, in the order of the VMCB. */
static __always_inline bool put_all(const struct gmem_window *w, const struct nsvm *n,
				    struct exit_info x)
{
	const struct vmcb12_ctl *c = &n->snap.ctl;
	const struct guest_run *l2 = &n->l2;
	u8 __user *at = w->at;
	bool done = false;

	static_assert(SEG_ES == 0 && SEG_CS == 1 && SEG_SS == 2 && SEG_DS == 3);
	if (!gmem_window_open(at, true))
		return false;
	PUT(CTL_OFF(int_ctl), c->int_ctl);
	PUT(CTL_OFF(int_state), l2->int_shadow ? INT_SHADOW : 0);
	PUT(CTL_OFF(exit_code), x.code);
	PUT(CTL_OFF(exit_info1), x.info1);
	PUT(CTL_OFF(exit_info2), x.info2);
	PUT(CTL_OFF(exit_int_info), x.int_info);
	/* The event was taken, or is in EXITINTINFO: L1 must not find it a second time. */
	if (c->event_inj & EVENTINJ_V)
		PUT(CTL_OFF(event_inj), c->event_inj & ~EVENTINJ_V);
	PUT(CTL_OFF(nrip), x.nrip);
	gmem_window_put(at, CTL_OFF(insn_len), &n->insn, 2, fail);

	gmem_window_put(at, SAVE_OFF(es), l2->seg, 8, fail);
	unsafe_put_user(l2->gdtr.limit, (u32 __user *)(at + SAVE_OFF(gdtr.limit)), fail);
	PUT(SAVE_OFF(gdtr.base), l2->gdtr.base);
	unsafe_put_user(l2->idtr.limit, (u32 __user *)(at + SAVE_OFF(idtr.limit)), fail);
	PUT(SAVE_OFF(idtr.base), l2->idtr.base);
	unsafe_put_user(l2->cpl, at + SAVE_OFF(cpl), fail);
	PUT(SAVE_OFF(efer), l2->efer);
	PUT(SAVE_OFF(cr4), l2->cr4);
	PUT(SAVE_OFF(cr3), l2->cr3);
	PUT(SAVE_OFF(cr0), l2->cr0);
	PUT(SAVE_OFF(dr7), l2->dr7);
	PUT(SAVE_OFF(dr6), l2->dr6);
	PUT(SAVE_OFF(rflags), l2->rflags);
	PUT(SAVE_OFF(rip), l2->rip);
	PUT(SAVE_OFF(rsp), l2->gpr[REG_RSP]);
	PUT(SAVE_OFF(rax), l2->gpr[REG_RAX]);
	PUT(SAVE_OFF(cr2), l2->cr2);
	if (n->np)
		PUT(SAVE_OFF(g_pat), l2->pat);
	if (c->virt_ext & LBR_VIRT_ENABLE) {
		PUT(SAVE_OFF(dbgctl), l2->debugctl);
		PUT(SAVE_OFF(br_from), l2->br_from);
		PUT(SAVE_OFF(br_to), l2->br_to);
		PUT(SAVE_OFF(last_excp_from), l2->excp_from);
		PUT(SAVE_OFF(last_excp_to), l2->excp_to);
	}
	done = true;
fail:
	gmem_window_close(true);
	gmem_window_written(w);
	return done;
}

/* Back in legacy PAE mode L1's PDPTEs are loaded again; bad ones shut it down. */
static bool l1_has_pdptes(struct guest_run *l1)
{
	run_need(l1, GRP_CR);
	if (likely(l1->efer & X_EFER_LMA))
		return false;
	return (l1->cr0 & X_CR0_PG) && (l1->cr4 & X_CR4_PAE);
}

static noinline bool l1_paging_bad(struct nestor_vcpu *vcpu)
{
	struct guest_run *l1 = &vcpu->l1;
	u64 pdpte[4];
	int i;

	if (gmem_read(vcpu, l1_gpa(l1->cr3 & 0xffffffe0), pdpte, sizeof(pdpte)))
		return true;
	for (i = 0; i < 4; i++)
		if ((pdpte[i] & PDPTE_PRESENT) &&
		    (pdpte[i] & (PDPTE_RSVD | vcpu->cpuid.rsvd_gpa_bits)))
			return true;
	return false;
}

/* Without LBR virtualisation the CPU does not know what the run holds of it. */
static u32 lbr_group(const struct guest_run *run)
{
	return run->lbr_virt ? GRP_LBR : 0;
}

/* Registers that the two share: what L2 left in them is L1's now. */
static void share_back(struct nestor_vcpu *vcpu)
{
	struct nsvm *n = nsvm_of(vcpu);
	struct guest_run *l1 = &vcpu->l1, *l2 = &n->l2;

	run_need(l1, GRP_CR2 | GRP_DR | (n->np ? 0 : GRP_PAT) | lbr_group(l1) | lbr_group(l2));
	nsvm_switch_back(vcpu);
	run_share(l1, l2);
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
	if (l1->dr7 != X_DR7_RESET) {
		l1->dr7 = X_DR7_RESET;
		run_dirty(l1, GRP_DR);
	}
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
	if (unlikely(l1_has_pdptes(l1)) && l1_paging_bad(vcpu))
		vcpu_request(vcpu, REQ_TRIPLE_FAULT);
}

/*
 * EXITINTINFO: the event whose delivery was under way; it is L1's to deliver
 * again.  L2's own INTn is not among those that L0 would inject, since it would
 * run again; L1 is told of it all the same.
 */
static noinline u64 interrupted_event(struct nestor_vcpu *vcpu)
{
	const struct guest_exit *x = &vcpu->run->exit;
	struct guest_event ev = injected_event(vcpu);

	if (!ev.valid && nsvm_of(vcpu)->at_exit && x->reason != EXIT_SHUTDOWN)
		ev = x->vectoring;
	return nsvm_event_encode(&ev);
}

static __always_inline u64 int_info(struct nestor_vcpu *vcpu)
{
	if (likely(!any_injected(vcpu) && !vcpu->run->exit.vectoring.valid))
		return 0;
	return interrupted_event(vcpu);
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

/* The bytes of the instruction that faulted; false: they are not to be had without sleeping */
static noinline bool take_bytes(struct nestor_vcpu *vcpu)
{
	struct nsvm *n = nsvm_of(vcpu);

	if (vcpu->atomic && !hw_caps.decode_assists)
		return false;
	n->insn.len = nsvm_assist_bytes(vcpu, n->insn.bytes);
	return true;
}

/* nRIP, of an instruction's exit, and the bytes; false as above */
static __always_inline bool assist(struct nestor_vcpu *vcpu, u64 code, bool insn, u64 *nrip)
{
	struct nsvm *n = nsvm_of(vcpu);

	*nrip = 0;
	if (insn) {
		*nrip = nsvm_assist_next_rip(vcpu);
		if (!*nrip && vcpu->atomic)
			return false;
	}
	memset(&n->insn, 0, sizeof(n->insn));
	return !(code == VMEXIT_NPF || code == VMEXIT_EXCP + 14) || take_bytes(vcpu);
}

enum nested_who nsvm_reflect(struct nestor_vcpu *vcpu, u64 code, u64 info1, u64 info2, bool insn)
{
	struct nsvm *n = nsvm_of(vcpu);
	struct guest_run *l2 = &n->l2;
	struct gmem_window *w = nsvm_window(n, n->snap.gpa);
	struct exit_info x = { .code = code, .info1 = info1, .info2 = info2 };
	bool written;

	if (vcpu->atomic && l1_has_pdptes(&vcpu->l1))
		return NESTED_NOT_YET;
	run_need(l2, GRP_SEG | GRP_DTABLE | GRP_CR | GRP_CR2 | GRP_DR | GRP_PAT | lbr_group(l2));
	if (!assist(vcpu, code, insn, &x.nrip))
		return NESTED_NOT_YET;
	end_nmi_step(vcpu);
	nsvm_pull_vintr(vcpu);
	x.int_info = int_info(vcpu);
	written = gmem_window_kept(vcpu, l1_gpa(n->snap.gpa), true, w) && put_all(w, n, x);
	if (!written && vcpu->atomic)
		return NESTED_NOT_YET;
	trace_nestor_nested_exit(vcpu, l2->rip, code, info1, info2, x.int_info);
	clear_injected(vcpu);
	l2->inject.valid = false;
	n->last.int_ctl = n->snap.ctl.int_ctl;
	n->last.good = written;
	share_back(vcpu);
	load_l1(vcpu);
	/* L1 took vmcb12's memory away: there is nobody left to tell. */
	if (!written)
		vcpu_request(vcpu, REQ_TRIPLE_FAULT);
	return NESTED_BY_L1;
}

void nsvm_invalid(struct nestor_vcpu *vcpu, u64 gpa, u64 next_rip)
{
	struct guest_run *l1 = &vcpu->l1;
	u64 exit[4] = { VMEXIT_INVALID, 0, 0, 0 };	/* code, info1, info2, int_info */
	int error = gmem_write(vcpu, l1_gpa(gpa + CTL_OFF(exit_code)), exit, sizeof(exit));

	trace_nestor_nested_exit(vcpu, 0, VMEXIT_INVALID, 0, 0, 0);
	run_need(l1, GRP_DR);
	l1->rip = next_rip;
	l1->rflags &= ~X_RFLAGS_RF;
	load_l1(vcpu);
	if (error)
		vcpu_request(vcpu, REQ_TRIPLE_FAULT);
}

/*
 * vmcb12 has passed the manual's checks, and this CPU has others: an L1 on it alone would see
 * #VMEXIT(INVALID), and so does this one.  Its VM goes on, and vmcb12's save area stays what it was.
 */
enum nested_who nsvm_refused(struct nestor_vcpu *vcpu)
{
	struct nsvm *n = nsvm_of(vcpu);
	const struct guest_run *l2 = &n->l2;

	if (vcpu->atomic)
		return NESTED_NOT_YET;
	pr_warn_ratelimited("vcpu %u: the CPU refused an L2: rip 0x%llx, cr0 0x%llx, cr3 0x%llx, cr4 0x%llx, efer 0x%llx, event 0x%llx\n",
			    vcpu->id, l2->rip, l2->cr0, l2->cr3, l2->cr4, l2->efer,
			    n->snap.ctl.event_inj);
	end_nmi_step(vcpu);
	clear_injected(vcpu);
	n->l2.inject.valid = false;
	n->last.good = false;
	share_back(vcpu);
	nsvm_invalid(vcpu, n->snap.gpa, vcpu->l1.rip);
	return NESTED_BY_L1;
}
