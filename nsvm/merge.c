// SPDX-License-Identifier: GPL-2.0-only
/*
 * merge: (snapshot, policy) -> guest_run, field by field, each with its reason.
 *
 * An intercept is on when L1 asked for it or when L0 has a need of its own
 * while a guest runs.  L0's needs start from those it has of L1 (struct
 * l0_policy), less what belongs to L1's run alone.
 */
#include "nsvm/merge.h"

/*
 * L0's needs of any guest, whatever is passed to L1: host events, ports and
 * MSRs that are emulated, virtualisation instructions that would act on the
 * host, a shutdown that would reset the machine.
 */
#define NEED_MISC1	(ICPT_INTR | ICPT_NMI | ICPT_SMI | ICPT_INIT | ICPT_IOIO | ICPT_MSR | \
			 ICPT_INVLPGA | ICPT_SHUTDOWN)
/* VMLOAD and VMSAVE take L1's addresses, so they never run unwatched (nor does XSETBV). */
#define NEED_MISC2	(ICPT_VMRUN | ICPT_VMMCALL | ICPT_VMLOAD | ICPT_VMSAVE | ICPT_SKINIT | \
			 ICPT_XSETBV)
#define NEED_GIF	(ICPT_STGI | ICPT_CLGI)
#define NEED_EXCEPTION	(1u << 18)	/* #MC is the host's */

/*
 * Of L1's run alone: VINTR is a window on L1, which core opens again on the run
 * that is current; STGI and CLGI follow whose GIF is virtual.
 */
#define L1_ONLY_MISC1	ICPT_VINTR
#define L1_ONLY_MISC2	NEED_GIF

static void merge_intercepts(const struct vmcb12_snapshot *s, const struct l0_policy *l0,
			     const struct guest_vintr *vintr, struct guest_run *out)
{
	const u32 *want = s->ctl.intercept;
	u32 need_cr = l0->intercept[ICPT_CR];

	/* With V_INTR_MASKING CR8 is V_TPR, in hardware, and not L1's local APIC. */
	if (vintr->masking)
		need_cr &= ~(ICPT_CR_READ(8) | ICPT_CR_WRITE(8));
	else
		need_cr |= ICPT_CR_READ(8) | ICPT_CR_WRITE(8);
	out->intercept[ICPT_CR] = want[ICPT_CR] | need_cr;
	out->intercept[ICPT_DR] = want[ICPT_DR] | l0->intercept[ICPT_DR];
	out->intercept[ICPT_EXCEPTION] = want[ICPT_EXCEPTION] | l0->intercept[ICPT_EXCEPTION] |
					 NEED_EXCEPTION;
	out->intercept[ICPT_MISC1] = want[ICPT_MISC1] | NEED_MISC1 |
				     (l0->intercept[ICPT_MISC1] & ~L1_ONLY_MISC1);
	out->intercept[ICPT_MISC2] = want[ICPT_MISC2] | NEED_MISC2 |
				     (l0->intercept[ICPT_MISC2] & ~L1_ONLY_MISC2);
	/* Without hardware VGIF for L2 its STGI and CLGI are emulated, on V_GIF or on GIF. */
	if (!vintr->vgif)
		out->intercept[ICPT_MISC2] |= NEED_GIF;
	out->intercept[ICPT_MISC3] = want[ICPT_MISC3] | l0->intercept[ICPT_MISC3];
}

/* A PAUSE exit that only one of the two wants uses that one's filter; for both, the tighter. */
static void merge_pause(const struct vmcb12_snapshot *s, const struct l0_policy *l0,
			struct guest_run *out)
{
	bool l1_wants = snap_icpt(s, ICPT_MISC1, ICPT_PAUSE);
	bool l0_wants = l0->intercept[ICPT_MISC1] & ICPT_PAUSE;

	if (l1_wants && l0_wants) {
		out->pause_count = min(s->ctl.pause_count, l0->pause_count);
		out->pause_thresh = min(s->ctl.pause_thresh, l0->pause_thresh);
	} else if (l1_wants) {
		out->pause_count = s->ctl.pause_count;
		out->pause_thresh = s->ctl.pause_thresh;
	} else {
		out->pause_count = l0->pause_count;
		out->pause_thresh = l0->pause_thresh;
	}
}

struct guest_vintr nsvm_merge_vintr(const struct vmcb12_snapshot *s, const struct l0_policy *l0)
{
	u64 ctl = s->ctl.int_ctl;
	struct guest_vintr v = {
		.tpr = ctl & 0xf,
		.irq = ctl & V_IRQ,
		.vector = ctl >> V_INTR_VECTOR_SHIFT,
		.prio = (ctl & V_INTR_PRIO_MASK) >> V_INTR_PRIO_SHIFT,
		.ign_tpr = ctl & V_IGN_TPR,
		.masking = ctl & V_INTR_MASKING,
	};

	/* AVIC, x2AVIC and vNMI are not offered: their bits are dropped here, not passed on. */
	if (ctl & V_GIF_ENABLE) {
		v.vgif = l0->hw_vgif;
		v.gif = ctl & V_GIF;
		/* V_GIF = 0 holds virtual interrupts; without hardware we hold them. */
		if (!v.vgif && !v.gif)
			v.irq = false;
	}
	if (!v.masking) {
		/* CR8 is L1's own then, and V_TPR, which cannot change, decides once. */
		if (!v.ign_tpr && v.prio <= v.tpr)
			v.irq = false;
		v.ign_tpr = true;
		v.tpr = l0->tpr;
	}
	return v;
}

/* VMRUN canonicalises the bases it loads (APM: "Canonicalization and Consistency Checks"). */
static u64 canonical(u64 a, bool la57)
{
	unsigned int shift = la57 ? 7 : 16;

	return (u64)((s64)(a << shift) >> shift);
}

static struct guest_seg merge_seg(const struct vmcb12_seg *v, bool la57)
{
	return (struct guest_seg){
		.sel = v->sel, .attrib = v->attrib & 0xfff, .limit = v->limit,
		.base = canonical(v->base, la57),
	};
}

static void merge_segments(const struct vmcb12_save *v, struct guest_run *out)
{
	bool la57 = v->cr4 & X_CR4_LA57;

	out->seg[SEG_ES] = merge_seg(&v->es, la57);
	out->seg[SEG_CS] = merge_seg(&v->cs, la57);
	out->seg[SEG_SS] = merge_seg(&v->ss, la57);
	out->seg[SEG_DS] = merge_seg(&v->ds, la57);
	out->gdtr.limit = v->gdtr.limit & 0xffff;
	out->gdtr.base = canonical(v->gdtr.base, la57);
	out->idtr.limit = v->idtr.limit & 0xffff;
	out->idtr.base = canonical(v->idtr.base, la57);
}

static void merge_registers(const struct vmcb12_snapshot *s, const struct l0_policy *l0,
			    struct guest_run *out)
{
	const struct vmcb12_save *v = &s->save;

	out->rip = v->rip;
	out->rflags = (v->rflags & X_RFLAGS_VALID) | X_RFLAGS_FIXED;
	out->int_shadow = s->ctl.int_state & INT_SHADOW;
	out->cr0 = v->cr0 | X_CR0_ET;
	out->cr2 = v->cr2;
	out->cr3 = v->cr3;
	out->cr4 = v->cr4;
	/* LMA follows from LME and PG, whatever L1 wrote. */
	out->efer = v->efer & ~X_EFER_LMA;
	if ((v->efer & X_EFER_LME) && (v->cr0 & X_CR0_PG))
		out->efer |= X_EFER_LMA;
	out->dr6 = v->dr6 | X_DR6_FIXED;
	out->dr7 = (v->dr7 & 0xffff27ffull) | X_DR7_RESET;
	/* Real mode has CPL 0 and virtual-8086 mode CPL 3, whatever the field says. */
	if (!(v->cr0 & X_CR0_PE))
		out->cpl = 0;
	else
		out->cpl = v->rflags & X_RFLAGS_VM ? 3 : v->cpl & 3;
	/* Without nested paging PAT is one register of the processor, L1's. */
	out->pat = s->ctl.np_ctl & NP_ENABLE ? v->g_pat : l0->pat;
	merge_segments(v, out);
}

static void merge_lbr(const struct vmcb12_snapshot *s, const struct l0_policy *l0,
		      struct guest_run *out)
{
	bool own = l0->hw_lbrv && (s->ctl.virt_ext & LBR_VIRT_ENABLE);

	out->lbr_virt = own || l0->lbr_virt;
	out->debugctl = own ? s->save.dbgctl : l0->debugctl;
	out->br_from = own ? s->save.br_from : l0->br_from;
	out->br_to = own ? s->save.br_to : l0->br_to;
	out->excp_from = own ? s->save.last_excp_from : l0->excp_from;
	out->excp_to = own ? s->save.last_excp_to : l0->excp_to;
}

struct guest_event nsvm_event_decode(u64 inj)
{
	return (struct guest_event){
		.valid = inj & EVENTINJ_V,
		.type = (inj & EVENTINJ_TYPE) >> EVENTINJ_TYPE_SHIFT,
		.vector = inj & EVENTINJ_VECTOR,
		.has_error = inj & EVENTINJ_EV,
		.error = inj & EVENTINJ_EV ? inj >> EVENTINJ_ERROR_SHIFT : 0,
	};
}

u64 nsvm_event_encode(const struct guest_event *ev)
{
	u64 info;

	if (!ev->valid)
		return 0;
	info = EVENTINJ_V | ev->vector | (u64)ev->type << EVENTINJ_TYPE_SHIFT;
	if (ev->has_error)
		info |= EVENTINJ_EV | (u64)ev->error << EVENTINJ_ERROR_SHIFT;
	return info;
}

void nsvm_merge(const struct vmcb12_snapshot *s, const struct l0_policy *l0,
		struct guest_run *out)
{
	out->vintr = nsvm_merge_vintr(s, l0);
	merge_intercepts(s, l0, &out->vintr, out);
	merge_pause(s, l0, out);
	/* An MSR passes when neither of the two watches it. */
	out->msr_read_pass = l0->msr_read_pass & ~s->msr_read_icpt;
	out->msr_write_pass = l0->msr_write_pass & ~s->msr_write_icpt;
	out->tsc_offset = l0->tsc_offset + s->ctl.tsc_offset;
	merge_registers(s, l0, out);
	merge_lbr(s, l0, out);
	/* What a software interrupt or INT3 that L1 injects pushes as its return address. */
	out->next_rip = s->ctl.nrip;
	out->inject = nsvm_event_decode(s->ctl.event_inj);
}
