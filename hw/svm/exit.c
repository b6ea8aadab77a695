// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way back: raw exit code to the neutral struct guest_exit, the hot
 * registers at once, the other groups when somebody asks (svm_fetch).
 */
#include "core/vcpu.h"
#include "core/x86.h"
#include "hw/svm/svm.h"

#define CR0_CD_NW	0x60000000ull
#define EFER_LME_SHIFT	8
#define EFER_LMA_SHIFT	10
#define CR0_PG_SHIFT	31
#define SEG_L_SHIFT	9

/*
 * LMA is LME and CR0.PG.  Bochs changes it before it looks at the intercept of a
 * CR0 write, and the write is still to come.
 */
static u64 efer_lma(const struct vmcb_save *s)
{
	return (s->efer << (EFER_LMA_SHIFT - EFER_LME_SHIFT)) &
	       (s->cr0 >> (CR0_PG_SHIFT - EFER_LMA_SHIFT)) & X_EFER_LMA;
}

static void fetch_cr(struct guest_run *run, const struct vmcb_save *s)
{
	/* CD and NW never reach the CPU; CR0 writes exit, so the old copy holds them. */
	run->cr0 = s->cr0 | (run->cr0 & CR0_CD_NW);
	run->cr3 = s->cr3;
	run->cr4 = s->cr4;
	/* SVME is forced in hardware; what the guest set is in the old copy. */
	run->efer = (s->efer & ~(X_EFER_SVME | X_EFER_LMA)) | efer_lma(s) |
		    (run->efer & X_EFER_SVME);
}

static void fetch_lbr(struct guest_run *run, const struct vmcb_save *s)
{
	run->debugctl = s->dbgctl;
	run->br_from = s->br_from;
	run->br_to = s->br_to;
	run->excp_from = s->last_excp_from;
	run->excp_to = s->last_excp_to;
}

static void fetch_sys(struct guest_sys *sys)
{
	struct svm_sys *home = sys->hw;
	const struct vmcb_save *s = &home->vmcb->s;

	sys->fs = s->fs;
	sys->gs = s->gs;
	sys->ldtr = s->ldtr;
	sys->tr = s->tr;
	sys->sysenter_cs = s->sysenter_cs;
	sys->sysenter_esp = s->sysenter_esp;
	sys->sysenter_eip = s->sysenter_eip;
	sys->avail = true;
}

static void fetch_msrs(struct guest_msrs *msrs)
{
	struct svm_sys *home = msrs->hw;
	const struct vmcb_save *s = &home->msrs_at->s;

	msrs->kernel_gs_base = s->kernel_gs_base;
	msrs->star = s->star;
	msrs->lstar = s->lstar;
	msrs->cstar = s->cstar;
	msrs->sfmask = s->sfmask;
	msrs->avail = true;
}

static __always_inline void fetch_saved(struct guest_run *run, const struct vmcb_save *s, u32 groups)
{
	if (groups & GRP_SEG)
		memcpy(run->seg, s->seg, sizeof(run->seg));
	if (groups & GRP_DTABLE) {
		run->gdtr.limit = s->gdtr.limit & 0xffff;
		run->gdtr.base = s->gdtr.base;
		run->idtr.limit = s->idtr.limit & 0xffff;
		run->idtr.base = s->idtr.base;
	}
	if (groups & GRP_CR)
		fetch_cr(run, s);
	if (groups & GRP_CR2)
		run->cr2 = s->cr2;
	if (groups & GRP_DR) {
		run->dr6 = s->dr6;
		if (vcpu_hw_dr7_owned(run))
			run->dr7 = s->dr7;
	}
	if (groups & GRP_PAT)
		run->pat = s->g_pat;
	if (groups & GRP_LBR)
		fetch_lbr(run, s);
}

static noinline void fetch_any(struct guest_run *run, const struct vmcb_save *s, u32 groups)
{
	fetch_saved(run, s, groups);
	if (groups & GRP_SYS)
		fetch_sys(run->sys);
	if (groups & GRP_MSRS)
		fetch_msrs(run->msrs);
}

/* All that a frontend saves of a guest that stopped. */
#define GRP_WHOLE	(GRP_SEG | GRP_DTABLE | GRP_CR | GRP_CR2 | GRP_DR | GRP_PAT)

void svm_fetch(struct guest_run *run, u32 groups)
{
	const struct vmcb_save *s = &svm_ctx(run)->vmcb->s;

	run->avail |= groups & ~GRP_SHARED;
	/* What is asked for at nearly every exit is known to the compiler, and nothing is tested for it. */
	switch (groups) {
	case GRP_CR:
		return fetch_saved(run, s, GRP_CR);
	case GRP_CR2 | GRP_DR:
		return fetch_saved(run, s, GRP_CR2 | GRP_DR);
	case GRP_WHOLE:
		return fetch_saved(run, s, GRP_WHOLE);
	case GRP_WHOLE & ~GRP_CR:
		return fetch_saved(run, s, GRP_WHOLE & ~GRP_CR);
	case GRP_SYS | GRP_MSRS:
		fetch_sys(run->sys);
		fetch_msrs(run->msrs);
		return;
	default:
		return fetch_any(run, s, groups);
	}
}

/* All codes but VMEXIT_INTR to VMEXIT_EFER_WRITE_TRAP. */
static void exit_in_range(struct guest_exit *x, u64 code)
{
	if (code < VMEXIT_DR_FIRST) {
		x->reason = code & 0x10 ? EXIT_CR_WRITE : EXIT_CR_READ;
		x->index = code & 0xf;
	} else if (code < VMEXIT_EXCP_FIRST) {
		x->reason = code & 0x10 ? EXIT_DR_WRITE : EXIT_DR_READ;
		x->index = code & 0xf;
	} else if (code < VMEXIT_INTR) {
		x->reason = EXIT_EXCEPTION;
		x->index = code & 0x1f;
	} else if (code < VMEXIT_INVLPGB) {
		x->reason = EXIT_CR_WRITE_TRAP;
		x->index = code & 0xf;
	} else {
		x->reason = EXIT_INVLPGB + (code - VMEXIT_INVLPGB);
	}
}

static_assert(EXIT_EFER_WRITE_TRAP - EXIT_INTR == VMEXIT_EFER_WRITE_TRAP - VMEXIT_INTR);
static_assert(EXIT_TLBSYNC - EXIT_INVLPGB == VMEXIT_TLBSYNC - VMEXIT_INVLPGB);

static void read_reason(struct guest_exit *x, u64 code)
{
	x->index = 0;
	/* enum exit_reason lists these in the order of their codes. */
	if (likely(code - VMEXIT_INTR <= VMEXIT_EFER_WRITE_TRAP - VMEXIT_INTR))
		x->reason = EXIT_INTR + (code - VMEXIT_INTR);
	else if (code <= VMEXIT_TLBSYNC)
		exit_in_range(x, code);
	else if (code == VMEXIT_NPF)
		x->reason = EXIT_SECOND_LEVEL;
	else if (code == VMEXIT_INVALID || code == 0xffffffffull)
		x->reason = EXIT_INVALID;
	else if (code == VMEXIT_BUSY)
		x->reason = EXIT_BUSY;
	else
		x->reason = EXIT_UNKNOWN;
}

static void read_vectoring(struct guest_event *ev, u64 info)
{
	ev->valid = true;
	ev->vector = info & EVT_VECTOR_MASK;
	ev->type = (info >> EVT_TYPE_SHIFT) & EVT_TYPE_MASK;
	ev->has_error = info & EVT_EV;
	ev->error = info >> 32;
	/*
	 * An emulated CPU may report an interrupt or an NMI as an exception.  No
	 * exception has such a vector, and none would be taken back as one.
	 */
	if (ev->type == EVENT_EXCEPTION && ev->vector == 2)
		ev->type = EVENT_NMI;
	else if (ev->type == EVENT_EXCEPTION && ev->vector > 31)
		ev->type = EVENT_INTR;
}

/*
 * A virtual interrupt whose delivery was interrupted was taken: it comes back as
 * the event.  An emulated CPU may leave V_IRQ set all the same.
 */
static void take_virq(struct guest_run *run)
{
	const struct guest_event *ev = &run->exit.vectoring;

	if (ev->type == EVENT_INTR && ev->vector == run->vintr.vector &&
	    !svm_ctx(run)->injected && !svm_ctx(run)->window && run->vintr.irq) {
		run->vintr.irq = false;
		run->ctl_dirty |= CTL_VINTR;
	}
}

static void read_vintr(struct guest_run *run, u32 ctl)
{
	svm_ctx(run)->int_ctl = ctl;
	run->vintr.tpr = ctl & V_TPR_MASK;
	if (!svm_ctx(run)->window)
		run->vintr.irq = ctl & V_IRQ;
	if (run->vintr.vgif)
		run->vintr.gif = ctl & V_GIF;
}

static void read_hot(struct guest_run *run, const struct vmcb *vmcb)
{
	u64 *gpr = run->gpr;
	u16 long64;

	run->rip = vmcb->s.rip;
	gpr[REG_RSP] = vmcb->s.rsp;
	gpr[REG_RAX] = vmcb->s.rax;
	run->rflags = vmcb->s.rflags;
	run->cpl = vmcb->s.cpl;
	run->int_shadow = (u8)vmcb->c.int_state & INT_SHADOW;
	static_assert(SEG_ATTR_L == X_EFER_LMA >> (EFER_LMA_SHIFT - SEG_L_SHIFT) &&
		      SEG_ATTR_L == 1u << SEG_L_SHIFT);
	long64 = (u16)(vmcb->s.efer >> (EFER_LMA_SHIFT - SEG_L_SHIFT)) & vmcb->s.seg[SEG_CS].attrib;
	run->code64 = long64 >> SEG_L_SHIFT & 1;
	run->cr3 = vmcb->s.cr3;
	run->cr4 = vmcb->s.cr4;
	run->avail = GRP_CODE64;
}

/*
 * The guest has not run.  A CPU may have saved what it had at the time, and that was
 * the host's: nothing of it must be read, and all is written again before another try.  TCG
 * saves its virtual interrupt control of an earlier guest.
 */
static void refused(struct guest_run *run)
{
	run->avail = GRP_ALL & ~(GRP_SYS | GRP_MSRS);
	run->dirty = run->avail;
	run->ctl_dirty |= CTL_VINTR;
}

void svm_read_exit(struct guest_run *run)
{
	const struct svm_ctx *ctx = svm_ctx(run);
	struct vmcb *vmcb = ctx->vmcb;
	const struct vmcb_control *c = &vmcb->c;
	struct guest_exit *x = &run->exit;
	u64 code = c->exit_code;

	x->raw = code;
	read_reason(x, code);
	if (unlikely(x->reason == EXIT_INVALID))
		refused(run);
	else
		read_hot(run, vmcb);
	run->sys->avail = false;
	run->msrs->avail = false;
	x->info1 = c->exit_info_1;
	x->info2 = c->exit_info_2;
	x->next_rip = hw_caps.nrips ? c->next_rip : 0;
	x->insn_len = 0;
	if (hw_caps.decode_assists && c->insn_len) {
		x->insn_len = min_t(u8, c->insn_len, MAX_INSN_LEN);
		memcpy(x->insn, c->insn_bytes, sizeof(x->insn));
	}
	/* What was committed is what @run has. */
	if (c->int_ctl != ctx->int_ctl)
		read_vintr(run, c->int_ctl);
	x->vectoring.valid = false;
	if (unlikely(c->exit_int_info & EVT_VALID)) {
		read_vectoring(&x->vectoring, c->exit_int_info);
		take_virq(run);
	}
	/* What was not written since is clean now. */
	vmcb->c.clean = ctx->clean;
}
