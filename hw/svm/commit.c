// SPDX-License-Identifier: GPL-2.0-only
/*
 * commit: write to the VMCB only what differs from what it holds, and tell the
 * CPU by the clean bits which groups it may keep in its cache (APM vol. 2,
 * "VMCB State Caching").
 */
#include "core/vcpu.h"
#include "hw/svm/svm.h"

#include <linux/io.h>
#include <linux/smp.h>
#include <linux/trace_events.h>
#include <trace/events/ipi.h>
#include <asm/msr-index.h>

#define HW_EFER_FORCED	(1ull << 12)	/* SVME: the CPU refuses to run without it */
#define CR0_CD_NW	0x60000000ull

/* What the backend needs whatever the guest's owner asks for. */
#define ALWAYS_MISC1 (ICPT_INTR | ICPT_NMI | ICPT_INIT | ICPT_SHUTDOWN | \
		      ICPT_IOIO | ICPT_MSR | ICPT_INVLPGA)
#define ALWAYS_MISC2 (ICPT_VMRUN | ICPT_VMMCALL | ICPT_VMLOAD | ICPT_VMSAVE | \
		      ICPT_SKINIT | ICPT_XSETBV)

static void commit_intercepts(struct guest_run *run)
{
	struct vmcb_control *c = &svm_ctx(run)->vmcb->c;
	u32 gif = ICPT_STGI | ICPT_CLGI;

	/* With VGIF the guest's STGI and CLGI act on V_GIF; its owner may still want them. */
	if (run->vintr.vgif)
		gif = 0;
	c->intercept[ICPT_CR] = run->intercept[ICPT_CR] |
		(svm_ctx(run)->cr0_read ? ICPT_CR_READ(0) : 0);
	c->intercept[ICPT_DR] = run->intercept[ICPT_DR];
	c->intercept[ICPT_EXCEPTION] = run->intercept[ICPT_EXCEPTION];
	c->intercept[ICPT_MISC1] = run->intercept[ICPT_MISC1] | ALWAYS_MISC1 |
		(run->irq_window ? ICPT_VINTR : 0);
	c->intercept[ICPT_MISC2] = run->intercept[ICPT_MISC2] | ALWAYS_MISC2 | gif;
	c->intercept[ICPT_MISC3] = run->intercept[ICPT_MISC3];
	c->pause_filter_count = run->pause_count;
	c->pause_filter_thresh = run->pause_thresh;
}

/* Does what @run wants of interrupts change what has to be intercepted? */
static bool intercepts_follow(struct guest_run *run)
{
	const struct svm_ctx *ctx = svm_ctx(run);

	return run->irq_window != ctx->window || run->vintr.vgif != !!(ctx->int_ctl & V_GIF_ENABLE);
}

static void commit_vintr(struct guest_run *run)
{
	struct vmcb_control *c = &svm_ctx(run)->vmcb->c;
	const struct guest_vintr *v = &run->vintr;
	/* Host interrupts must end the guest whatever its IF says. */
	u32 ctl = V_INTR_MASKING | (v->tpr & V_TPR_MASK);

	if (v->vgif)
		ctl |= V_GIF_ENABLE | (v->gif ? V_GIF : 0);
	svm_ctx(run)->window = run->irq_window;
	if (run->irq_window) {
		ctl |= V_IRQ | V_IGN_TPR | (0xfu << V_INTR_PRIO_SHIFT);
		c->int_vector = 0;
	} else if (v->irq) {
		ctl |= V_IRQ | ((u32)(v->prio & 0xf) << V_INTR_PRIO_SHIFT);
		if (v->ign_tpr)
			ctl |= V_IGN_TPR;
		c->int_vector = v->vector;
	}
	c->int_ctl = ctl;
	svm_ctx(run)->int_ctl = ctl;
}

static void commit_root(struct guest_run *run)
{
	struct svm_ctx *ctx = svm_ctx(run);

	if (!ctx->top) {
		ctx->vmcb->c.ncr3 = run->root.a;
		return;
	}
	/* Present, writable, user, accessed: the root proper covers all of a guest's memory. */
	WRITE_ONCE(ctx->top[0], run->root.a | 0x27);
	ctx->vmcb->c.ncr3 = virt_to_phys(ctx->top);
}

static void commit_ctl(struct guest_run *run, u32 groups)
{
	struct vmcb_control *c = &svm_ctx(run)->vmcb->c;

	/* The window and VGIF change intercepts too. */
	if ((groups & CTL_INTERCEPTS) ||
	    ((groups & CTL_VINTR) && intercepts_follow(run))) {
		commit_intercepts(run);
		c->clean &= ~CLEAN_INTERCEPTS;
	}
	if (groups & CTL_VINTR) {
		commit_vintr(run);
		c->clean &= ~CLEAN_TPR;
	}
	if (groups & CTL_MSR) {
		svm_msrpm_apply(run);
		c->clean &= ~CLEAN_IOPM_MSRPM;
	}
	if (groups & CTL_TSC) {
		c->tsc_offset = run->tsc_offset;
		c->clean &= ~CLEAN_INTERCEPTS;
	}
	if (groups & CTL_ROOT) {
		commit_root(run);
		c->clean &= ~CLEAN_NP;
	}
	if (groups & CTL_LBR) {
		c->virt_ext = run->lbr_virt ? LBR_VIRT_ENABLE : 0;
		c->clean &= ~CLEAN_LBR;
	}
}

static void commit_cr(struct guest_run *run)
{
	struct svm_ctx *ctx = svm_ctx(run);
	struct vmcb_save *s = &ctx->vmcb->s;
	bool cr0_read;

	/* A guest must not turn the cache of this CPU off; it reads back what it wrote. */
	s->cr0 = run->cr0 & ~CR0_CD_NW;
	cr0_read = run->cr0 & CR0_CD_NW;
	if (cr0_read != ctx->cr0_read) {
		ctx->cr0_read = cr0_read;
		run->ctl_dirty |= CTL_INTERCEPTS;
	}
	s->cr3 = run->cr3;
	s->cr4 = run->cr4;
	s->efer = run->efer | HW_EFER_FORCED;
}

static void commit_regs(struct guest_run *run, u32 groups)
{
	struct vmcb *vmcb = svm_ctx(run)->vmcb;
	struct vmcb_save *s = &vmcb->s;

	if (groups & GRP_SEG) {
		memcpy(s->seg, run->seg, sizeof(s->seg));
		vmcb->c.clean &= ~CLEAN_SEG;
	}
	if (groups & GRP_DTABLE) {
		s->gdtr.limit = run->gdtr.limit;
		s->gdtr.base = run->gdtr.base;
		s->idtr.limit = run->idtr.limit;
		s->idtr.base = run->idtr.base;
		vmcb->c.clean &= ~CLEAN_DT;
	}
	if (groups & GRP_CR) {
		commit_cr(run);
		vmcb->c.clean &= ~CLEAN_CRX;
	}
	if (groups & GRP_CR2) {
		s->cr2 = run->cr2;
		vmcb->c.clean &= ~CLEAN_CR2;
	}
	if (groups & GRP_DR) {
		s->dr6 = run->dr6;
		s->dr7 = vcpu_hw_dr7(run);
		vmcb->c.clean &= ~CLEAN_DRX;
	}
	if (groups & GRP_PAT) {
		s->g_pat = run->pat;
		vmcb->c.clean &= ~CLEAN_NP;
	}
	if (groups & GRP_LBR) {
		s->dbgctl = run->debugctl;
		s->br_from = run->br_from;
		s->br_to = run->br_to;
		s->last_excp_from = run->excp_from;
		s->last_excp_to = run->excp_to;
		vmcb->c.clean &= ~CLEAN_LBR;
	}
}

/* VMLOAD reads one page; with another run's guest_msrs these have to move to it. */
static void move_msrs(struct svm_sys *home, struct vmcb *to)
{
	const struct vmcb_save *old = &home->msrs_at->s;
	struct vmcb_save *new = &to->s;

	new->kernel_gs_base = old->kernel_gs_base;
	new->star = old->star;
	new->lstar = old->lstar;
	new->cstar = old->cstar;
	new->sfmask = old->sfmask;
	home->msrs_at = to;
}

static void commit_msrs(struct guest_msrs *msrs)
{
	struct svm_sys *home = msrs->hw;
	struct vmcb_save *s = &home->msrs_at->s;

	s->kernel_gs_base = msrs->kernel_gs_base;
	s->star = msrs->star;
	s->lstar = msrs->lstar;
	s->cstar = msrs->cstar;
	s->sfmask = msrs->sfmask;
	msrs->dirty = false;
}

static void commit_sys(struct guest_sys *sys)
{
	struct svm_sys *home = sys->hw;
	struct vmcb_save *s = &home->vmcb->s;

	s->fs = sys->fs;
	s->gs = sys->gs;
	s->ldtr = sys->ldtr;
	s->tr = sys->tr;
	s->sysenter_cs = sys->sysenter_cs;
	s->sysenter_esp = sys->sysenter_esp;
	s->sysenter_eip = sys->sysenter_eip;
	sys->dirty = false;
}

/*
 * QEMU's TCG takes the vector of an interrupt that VMRUN injects for the exception that it has
 * to deliver, and keeps it until the next exception or #VMEXIT.  If it stops the CPU's thread before that,
 * for work of its own, it delivers the vector again, and asks neither IF nor where the guest is by then:
 * Linux dies of it between SWAPGS and its own stack.  An interrupt of ours that waits ends
 * the guest as soon as the first delivery is done, and the vector is forgotten.
 */
static void end_at_once(void)
{
	smp_send_reschedule(smp_processor_id());
}

static void commit_event(struct guest_run *run)
{
	struct vmcb_control *c = &svm_ctx(run)->vmcb->c;
	const struct guest_event *ev = &run->inject;

	c->event_inj = ev->vector | (u32)ev->type << EVT_TYPE_SHIFT | EVT_VALID;
	if (ev->has_error)
		c->event_inj |= EVT_EV | (u64)ev->error << 32;
	c->next_rip = run->next_rip;
	run->inject.valid = false;
	if (svm_injects_twice && ev->type == EVENT_INTR)
		end_at_once();
}

/*
 * ASIDs belong to a CPU and to a generation.  A flush without flush-by-ASID is
 * a new ASID; when they run out the CPU drops all and a new generation begins.
 */
static void commit_tag(struct guest_run *run, struct svm_cpu *sc)
{
	struct svm_ctx *ctx = svm_ctx(run);
	struct vmcb_control *c = &ctx->vmcb->c;
	int cpu = smp_processor_id();

	if (ctx->cpu != cpu) {
		/* Another CPU caches nothing of this VMCB. */
		c->clean = 0;
		ctx->cpu = cpu;
		ctx->asid_gen = 0;
	}
	if (ctx->asid_gen == sc->asid_gen && !run->flush && !run->new_tag)
		return;
	run->flush = false;
	run->new_tag = false;
	if (ctx->asid_gen == sc->asid_gen && hw_caps.flush_by_tag) {
		c->tlb_control = TLB_CONTROL_ASID;
		return;
	}
	if (sc->next_asid >= hw_caps.nr_tags) {
		sc->asid_gen++;
		sc->next_asid = 1;
		c->tlb_control = TLB_CONTROL_ALL;
	}
	c->asid = sc->next_asid++;
	c->clean &= ~CLEAN_ASID;
	ctx->asid_gen = sc->asid_gen;
}

void svm_commit_loaded(struct guest_run *run)
{
	struct svm_sys *home = run->sys->hw, *msrs = run->msrs->hw;

	if (run->sys->dirty)
		commit_sys(run->sys);
	if (unlikely(msrs->msrs_at != home->vmcb))
		move_msrs(msrs, home->vmcb);
	if (run->msrs->dirty)
		commit_msrs(run->msrs);
}

void svm_commit_groups(struct guest_run *run, struct svm_cpu *sc)
{
	/* TLB entries carry the ASID and not the root. */
	if (run->ctl_dirty & CTL_ROOT)
		run->flush = true;
	commit_tag(run, sc);
	if (run->dirty)
		commit_regs(run, run->dirty);
	if (run->ctl_dirty)
		commit_ctl(run, run->ctl_dirty);
	if (run->inject.valid)
		commit_event(run);
	run->dirty = 0;
	run->ctl_news |= run->ctl_dirty;
	run->ctl_dirty = 0;
}
