// SPDX-License-Identifier: GPL-2.0-only
/*
 * commit: write to the VMCS only what differs from what it holds.  Everything here runs with
 * interrupts off and the VMCS current.
 */
#include <linux/mm.h>

#include "core/vcpu.h"
#include "hw/vmx/insn.h"
#include "hw/vmx/translate.h"
#include "hw/vmx/vmx.h"

#define RFLAGS_TF		(1ull << 8)
#define RFLAGS_IF		(1ull << 9)
#define CR0_CD_NW		0x60000000ull
#define CR0_PE			1ull
#define CR0_PG			(1ull << 31)
#define CR4_VMXE_BIT		(1ull << 13)
#define EFER_GUEST		0xd01ull	/* SCE, LME, LMA, NX */

#define INTR_STATE_SHADOW	(INTR_STATE_STI | INTR_STATE_MOV_SS)

static __always_inline void commit_seg(unsigned int n, const struct guest_seg *seg, u32 ar)
{
	vmwrite(VMCS_GUEST_ES_SEL + 2 * n, seg->sel);
	vmwrite(VMCS_GUEST_ES_LIMIT + 2 * n, seg->limit);
	vmwrite(VMCS_GUEST_ES_BASE + 2 * n, seg->base);
	vmwrite(VMCS_GUEST_ES_AR + 2 * n, ar);
}

static void commit_segs(struct guest_run *run)
{
	struct vmx_ctx *ctx = vmx_ctx(run);

	commit_seg(SEG_ES, &run->seg[SEG_ES], vmx_data_ar(run->seg[SEG_ES].attrib));
	commit_seg(SEG_CS, &run->seg[SEG_CS], vmx_cs_ar(run->seg[SEG_CS].attrib));
	commit_seg(SEG_DS, &run->seg[SEG_DS], vmx_data_ar(run->seg[SEG_DS].attrib));
	ctx->ss_ar = vmx_ss_ar(run->seg[SEG_SS].attrib, run->cpl);
	commit_seg(SEG_SS, &run->seg[SEG_SS], ctx->ss_ar);
}

static noinline void commit_sys(struct guest_run *run)
{
	struct guest_sys *s = run->sys;

	commit_seg(SEG_FS, &s->fs, vmx_data_ar(s->fs.attrib));
	commit_seg(SEG_GS, &s->gs, vmx_data_ar(s->gs.attrib));
	commit_seg(SEG_LDTR, &s->ldtr, vmx_seg_ar(s->ldtr.attrib));
	commit_seg(SEG_TR, &s->tr, vmx_tr_ar(s->tr.attrib));
	vmwrite(VMCS_GUEST_SYSENTER_CS, s->sysenter_cs);
	vmwrite(VMCS_GUEST_SYSENTER_ESP, s->sysenter_esp);
	vmwrite(VMCS_GUEST_SYSENTER_EIP, s->sysenter_eip);
	s->dirty = false;
}

static void commit_cr(struct guest_run *run)
{
	/* CD and NW are not loaded by VM entry; NE and VMXE the CPU wants in VMX operation. */
	vmwrite(VMCS_GUEST_CR0, (run->cr0 & ~CR0_CD_NW) | vmx_caps.cr0_fixed0);
	vmwrite(VMCS_GUEST_CR3, run->cr3);
	vmwrite(VMCS_GUEST_CR4, run->cr4 | vmx_caps.cr4_fixed0);
	vmwrite(VMCS_GUEST_EFER, run->efer & EFER_GUEST);
	/* The read shadows show the guest what it wrote, entry controls follow LMA. */
	run->ctl_dirty |= CTL_CR;
}

/*
 * A bit in the mask is read from the shadow, and a write that changes it exits.  What
 * exits when it is written is wholly masked; otherwise the bits that the CPU has fixed are.
 */
static void commit_cr_masks(struct guest_run *run)
{
	struct vmx_ctx *ctx = vmx_ctx(run);
	u32 cr = run->intercept[ICPT_CR];
	u64 m0 = CR0_CD_NW | vmx_caps.cr0_fixed0 | ~vmx_caps.cr0_fixed1;
	u64 m4 = CR4_VMXE_BIT | vmx_caps.cr4_fixed0 | ~vmx_caps.cr4_fixed1;

	vmx_need(run, GRP_CR);
	ctx->cr0_mask = cr & ICPT_CR_WRITE(0) ? ~0ull : m0 | run->cr0_mask;
	ctx->cr4_mask = cr & ICPT_CR_WRITE(4) ? ~0ull : m4 | run->cr4_mask;
	vmwrite(VMCS_CR0_MASK, ctx->cr0_mask);
	vmwrite(VMCS_CR4_MASK, ctx->cr4_mask);
	vmwrite(VMCS_CR0_SHADOW, (run->cr0 & ~run->cr0_mask) | (run->cr0_shadow & run->cr0_mask));
	vmwrite(VMCS_CR4_SHADOW, (run->cr4 & ~run->cr4_mask) | (run->cr4_shadow & run->cr4_mask));
}

static noinline void commit_regs(struct guest_run *run, u32 groups)
{
	int i;

	if (groups & GRP_SEG)
		commit_segs(run);
	if (groups & GRP_DTABLE) {
		vmwrite(VMCS_GUEST_GDTR_LIMIT, run->gdtr.limit & 0xffff);
		vmwrite(VMCS_GUEST_GDTR_BASE, run->gdtr.base);
		vmwrite(VMCS_GUEST_IDTR_LIMIT, run->idtr.limit & 0xffff);
		vmwrite(VMCS_GUEST_IDTR_BASE, run->idtr.base);
	}
	if (groups & GRP_CR)
		commit_cr(run);
	if (groups & GRP_DR) {
		vmx_ctx(run)->dr7 = vcpu_hw_dr7(run);
		vmwrite(VMCS_GUEST_DR7, vmx_ctx(run)->dr7);
	}
	if (groups & GRP_PAT)
		vmwrite(VMCS_GUEST_PAT, run->pat);
	/* Last-branch records would be the host's; single-stepping of branches is the CPU's. */
	if (groups & GRP_LBR)
		vmwrite(VMCS_GUEST_DEBUGCTL, run->debugctl & DEBUGCTL_BTF);
	if (groups & GRP_PDPTE)
		for (i = 0; i < 4; i++)
			vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, run->pdpte[i]);
	if (groups & GRP_ACTIVITY) {
		vmwrite(VMCS_GUEST_ACTIVITY, run->activity);
		vmwrite(VMCS_GUEST_PENDING_DBG, run->pending_dbg);
	}
}

static void commit_vapic(struct guest_run *run)
{
	const struct guest_vapic *v = &run->vapic;
	struct vmx_ctx *ctx = vmx_ctx(run);
	u32 may = vmx_caps.ctl[CTLW_PROC2].may;
	int i;

	if (v->access && (may & PROC2_APIC_ACCESS))
		vmwrite(VMCS_APIC_ACCESS_PAGE, v->access_page.a);
	/* Without a TPR shadow the CPU has none of the other fields. */
	if (!ctx->vapic)
		return;
	if (!v->tpr_shadow) {
		vmwrite(VMCS_VIRTUAL_APIC_PAGE, __pa(ctx->vapic));
		vmwrite(VMCS_TPR_THRESHOLD, 0);
	} else {
		vmwrite(VMCS_VIRTUAL_APIC_PAGE, v->page.a);
		vmwrite(VMCS_TPR_THRESHOLD, v->threshold);
	}
	if (!v->vid || !(may & PROC2_VID))
		return;
	vmwrite(VMCS_GUEST_INTR_STATUS, v->status);
	for (i = 0; i < 4; i++)
		vmwrite(VMCS_EOI_EXIT0 + 2 * i, v->eoi_exit[i]);
}

static void commit_intercepts(struct guest_run *run)
{
	u32 may = vmx_caps.ctl[CTLW_PROC2].may;

	vmwrite(VMCS_EXCEPTION_BITMAP, run->intercept[ICPT_EXCEPTION]);
	vmwrite(VMCS_PF_MASK, run->pf_mask);
	vmwrite(VMCS_PF_MATCH, run->pf_match);
	if (run->ple_window && (may & PROC2_PLE)) {
		vmwrite(VMCS_PLE_GAP, run->ple_gap);
		vmwrite(VMCS_PLE_WINDOW, run->ple_window);
	}
	if (may & PROC2_XSAVES)
		vmwrite(VMCS_XSS_EXIT_BITMAP,
			run->intercept[ICPT_MISC3] & ICPT_XSAVES ? ~0ull : 0);
}

/* What an exit leaves beside its reason and the registers that every exit leaves. */
static u8 more_to_read(const struct guest_run *run, const struct vmx_ctx *ctx)
{
	u8 more = 0;

	/* The CPU keeps the control in step with LMA where the guest may change that. */
	if (!(ctx->cr0_mask & CR0_PG))
		more |= VMX_MORE_LMA;
	if (ctx->vapic && !run->vapic.tpr_shadow && !(ctx->proc & PROC_CR8_LOAD))
		more |= VMX_MORE_TPR;
	if (run->vapic.vid && hw_caps.vid)
		more |= VMX_MORE_STATUS;
	if (run->log && hw_caps.pml)
		more |= VMX_MORE_LOG;
	if (run->timer_on && hw_caps.timer)
		more |= VMX_MORE_TIMER;
	return more;
}

static noinline void commit_ctl(struct guest_run *run, u32 groups)
{
	struct vmx_ctx *ctx = vmx_ctx(run);

	if (groups & CTL_INTERCEPTS)
		commit_intercepts(run);
	if (groups & (CTL_CR | CTL_INTERCEPTS))
		commit_cr_masks(run);
	if (groups & CTL_MSR)
		vmx_msr_bitmap(run);
	if (groups & CTL_TSC) {
		vmwrite(VMCS_TSC_OFFSET, run->tsc_offset);
		if (run->tsc_ratio && (vmx_caps.ctl[CTLW_PROC2].may & PROC2_TSC_SCALING))
			vmwrite(VMCS_TSC_MULTIPLIER, run->tsc_ratio);
	}
	if ((groups & CTL_VINTR) && ctx->vapic)
		ctx->vapic[VAPIC_TPR] = run->vintr.tpr << 4;
	if (groups & CTL_VAPIC)
		commit_vapic(run);
	if ((groups & CTL_FIELDS) && ctx->fields)
		vmx_fields_commit(run);
	if ((groups & CTL_TIMER) && run->timer_on && hw_caps.timer)
		vmwrite(VMCS_PREEMPTION_TIMER, run->timer);
	if (groups & ~(u32)(CTL_MSR | CTL_ROOT | CTL_LBR))
		vmx_commit_controls(run);
	ctx->more = more_to_read(run, ctx);
}

static void flush_root(u64 eptp)
{
	if (vmx_caps.ept_vpid & EPT_CAP_INVEPT_SINGLE)
		invept(INVEPT_SINGLE, eptp);
	else
		invept(INVEPT_ALL, 0);
}

/*
 * VPIDs belong to a CPU and to a generation, so a vCPU that comes back to a CPU finds
 * none of its old linear translations there.  What is cached of the second-level table goes by
 * the table's address, whoever uses it: it is dropped when the run moved, and on demand; that
 * takes the combined translations along.
 */
static noinline void change_tag(struct guest_run *run, struct vmx_cpu *vc, u64 eptp)
{
	struct vmx_ctx *ctx = vmx_ctx(run);
	int cpu = smp_processor_id();
	bool fresh = ctx->tag_cpu != cpu || ctx->vpid_gen != vc->vpid_gen;

	if (ctx->eptp != eptp) {
		vmwrite(VMCS_EPTP, eptp);
		ctx->eptp = eptp;
		run->flush = true;
	}
	if (fresh && vmx_caps.vpid) {
		if (vc->next_vpid >= hw_caps.nr_tags) {
			vc->vpid_gen++;
			vmx_cpu_news(vc);
			vc->next_vpid = 1;
			invvpid(INVVPID_ALL, 0);
		}
		ctx->vpid = vc->next_vpid++;
		vmwrite(VMCS_VPID, ctx->vpid);
	} else if (run->new_tag && vmx_caps.vpid) {
		invvpid(INVVPID_SINGLE, ctx->vpid);
	}
	if (fresh || run->flush)
		flush_root(eptp);
	ctx->tag_cpu = cpu;
	ctx->vpid_gen = vc->vpid_gen;
	run->flush = false;
	run->new_tag = false;
}

static __always_inline void commit_tag(struct guest_run *run, struct vmx_cpu *vc)
{
	const struct vmx_ctx *ctx = vmx_ctx(run);
	u64 eptp = run->root.a | EPTP_WB | EPTP_WALK_4 | (run->root_ad ? EPTP_AD : 0);

	if (unlikely(ctx->eptp != eptp || ctx->tag_cpu != smp_processor_id() ||
		     ctx->vpid_gen != vc->vpid_gen || run->flush || run->new_tag))
		change_tag(run, vc, eptp);
}

static noinline u32 shadow_or_event(const struct guest_run *run, u32 blocked)
{
	u32 now = 0;

	/* A shadow of unknown origin (the VMM's, say): STI's needs IF. */
	if (run->int_shadow)
		now = run->mov_ss || !(run->rflags & RFLAGS_IF) ? INTR_STATE_MOV_SS :
								   INTR_STATE_STI;
	if (run->inject.valid) {
		/* Injecting an NMI blocks further ones by itself, and is refused while they are. */
		if (run->inject.type == EVENT_NMI)
			blocked = 0;
		/* A shadow of the VMM's making; where one is, neither of the two would have come. */
		if (run->inject.type == EVENT_NMI || run->inject.type == EVENT_INTR)
			now = 0;
	}
	return now | blocked;
}

static __always_inline u32 interruptibility(const struct guest_run *run, const struct vmx_ctx *ctx)
{
	u32 blocked = ctx->interruptibility & INTR_STATE_NMI;

	if (run->dirty & GRP_ACTIVITY)
		blocked = run->nmi_blocked ? INTR_STATE_NMI : 0;
	if (likely(!(run->int_shadow | run->inject.valid)))
		return blocked;
	return shadow_or_event(run, blocked);
}

/*
 * In an interrupt shadow the trap of a single step is pending or not exactly as TF says, or VM
 * entry fails (SDM vol. 3, "Checks on Guest Non-Register State").
 */
static noinline void fix_pending_step(struct guest_run *run)
{
	u64 pending = vmread(VMCS_GUEST_PENDING_DBG), want = pending & ~PENDING_DBG_BS;

	if ((run->rflags & RFLAGS_TF) && !(vmread(VMCS_GUEST_DEBUGCTL) & DEBUGCTL_BTF))
		want |= PENDING_DBG_BS;
	if (want != pending)
		vmwrite(VMCS_GUEST_PENDING_DBG, want);
}

/* From RIP to what a software event pushes; where nobody knows, what the last one had. */
static u32 event_len(struct guest_run *run)
{
	u64 len = run->next_rip - run->rip;

	if (len - 1 < MAX_INSN_LEN || (!len && hw_caps.zero_len))
		return len;
	return vmx_ctx(run)->soft_len ?: 1;
}

static noinline void commit_event(struct guest_run *run)
{
	const struct guest_event *ev = &run->inject;
	u32 info;

	vmx_need(run, GRP_CR);
	info = vmx_event_info(ev, run->cr0 & CR0_PE);
	if (info & INTR_ERROR_VALID)
		vmwrite(VMCS_ENTRY_ERROR_CODE, ev->has_error ? ev->error & 0xffff : 0);
	if (((info >> INTR_TYPE_SHIFT) & INTR_TYPE_MASK) >= EVENT_SOFT_INT)
		vmwrite(VMCS_ENTRY_INSN_LEN, event_len(run));
	vmwrite(VMCS_ENTRY_INTR_INFO, info);
	run->inject.valid = false;
}

void vmx_commit(struct guest_run *run, struct vmx_cpu *vc)
{
	struct vmx_ctx *ctx = vmx_ctx(run);
	u32 shadow;

	ctx->given = run->inject;
	if (run->again)
		vmx_write_again(run);
	commit_tag(run, vc);
	vmx_commit_hot(run, ctx, interruptibility(run, ctx));
	if (run->dirty) {
		commit_regs(run, run->dirty);
		run->dirty = 0;
	}
	if (run->sys->dirty || run->sys->hw != ctx) {
		commit_sys(run);
		run->sys->hw = ctx;
	}
	vmx_commit_cpl(run, ctx);
	if (run->ctl_dirty) {
		commit_ctl(run, run->ctl_dirty);
		run->ctl_news |= run->ctl_dirty;
		run->ctl_dirty = 0;
	}
	shadow = ctx->interruptibility & INTR_STATE_SHADOW;
	if (unlikely(shadow))
		fix_pending_step(run);
	if (unlikely(run->inject.valid))
		commit_event(run);
}
