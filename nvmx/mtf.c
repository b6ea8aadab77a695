// SPDX-License-Identifier: GPL-2.0-only
/*
 * Monitor trap flag (SDM vol. 3, "Monitor Trap Flag") where the CPU has none.
 *
 * Each entry of L2 makes one step: the delivery of an event, or one instruction.  A delivery is
 * ended by a preemption timer of 0, or an interrupt to the own CPU, before the handler's first instruction.  An instruction
 * runs with RFLAGS.TF lent to it and every exception intercepted, so that the trap comes here and a
 * fault is delivered without our TF.  Instructions that show TF or that TF does not step over are
 * carried out here: INTn and its kind become injections, SYSCALL and SYSRET are emulated, the
 * image that PUSHF pushed is corrected.
 *
 * The exit is made at the next instruction boundary (nvmx_mtf_due).  MOV SS and POP SS
 * put the trap off, so the exit comes one instruction late after them.
 */
#include "core/events.h"
#include "core/hw_ops.h"
#include "core/x86.h"
#include "mmu/gva.h"
#include "mmu/mmu.h"
#include "nvmx/exit_table.h"
#include "nvmx/nvmx.h"

#define VECTOR_DB	1
#define VECTOR_BP	3
#define VECTOR_OF	4
#define VECTOR_PF	14
#define VECTOR_MC	18

#define DR6_BS			BIT(14)
#define DR6_B0_B3		0xfull
#define PENDING_DBG_BS		BIT(14)
#define PENDING_DBG_ENABLED	BIT(12)
#define X_RFLAGS_OF		BIT_ULL(11)
/* Exceptions that push an error code: #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP. */
#define WITH_ERROR		0x00227d00u

/* Access rights that SYSCALL and SYSRET load */
#define AR_CODE64		0xa9bu
#define AR_CODE32		0xc9bu
#define AR_STACK		0xc93u

void nvmx_mtf_enter(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	const struct vmcs12 *v = n->vmcs12;
	struct nvmx_mtf *m = &n->mtf;

	m->on = (v->cpu_ctls & CPU_MTF) && !hw_caps.mtf;
	m->armed = false;
	m->event = false;
	m->watch = false;
	/* Type "other event": nothing is delivered, the exit is pending. */
	m->due = (v->entry_intr_info & INTR_INFO_VALID) &&
		 (v->entry_intr_info & INTR_INFO_TYPE) >> INTR_INFO_TYPE_SHIFT == EVENT_OTHER;
	if (unlikely(m->on || m->due))
		vcpu_request(vcpu, REQ_EVENT);
}

void nvmx_mtf_merge(const struct vmcs12 *v, struct guest_run *out)
{
	if (likely(!(v->cpu_ctls & CPU_MTF)) || hw_caps.mtf)
		return;
	out->intercept[ICPT_MISC3] &= ~ICPT_MTF;
	out->intercept[ICPT_EXCEPTION] = ~0u;
	out->pf_mask = 0;
	out->pf_match = 0;
}

static void set_tf(struct guest_run *run, bool on)
{
	run->rflags = on ? run->rflags | X_RFLAGS_TF : run->rflags & ~X_RFLAGS_TF;
}

static void set_btf(struct guest_run *run, bool on)
{
	run->debugctl = on ? run->debugctl | X_DEBUGCTL_BTF : run->debugctl & ~X_DEBUGCTL_BTF;
	run_dirty(run, GRP_LBR);
}

/* A trap of the TF that was lent is none of L2's; some CPUs leave one in every exit under TF. */
static void drop_pending_step(struct guest_run *run)
{
	run_need(run, GRP_ACTIVITY);
	if (!(run->pending_dbg & PENDING_DBG_BS))
		return;
	run->pending_dbg &= ~(u64)PENDING_DBG_BS;
	run_dirty(run, GRP_ACTIVITY);
}

/* @stepped: the instruction ended, and TF is as it left it where it loads TF itself */
static void disarm(struct nvmx *n, bool stepped)
{
	struct nvmx_mtf *m = &n->mtf;

	if (!m->armed)
		return;
	m->armed = false;
	if (!stepped || !m->loads_tf)
		set_tf(&n->l2, m->had_tf);
	if (!m->had_tf)
		drop_pending_step(&n->l2);
	if (m->had_shadow && n->l2.rip == m->rip && !stepped)
		n->l2.int_shadow = true;
	if (m->had_btf) {
		run_need(&n->l2, GRP_LBR);
		set_btf(&n->l2, true);
	}
}

void nvmx_mtf_drop(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	disarm(n, false);
	(void)nvmx_timer_forced(vcpu);
	n->mtf.on = false;
	n->mtf.due = false;
}

/* Is RIP behind the instruction that L0 was asked to do? */
static bool moved_on(const struct nvmx *n)
{
	return n->mtf.watch && n->l2.rip != n->mtf.rip;
}

bool nvmx_mtf_due(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (likely(!n->mtf.on && !n->mtf.due))
		return false;
	return n->mtf.due || moved_on(n);
}

bool nvmx_mtf_wakes(const struct nvmx *n)
{
	return n->mtf.due || (n->mtf.on && moved_on(n));
}

/* ---- the way in ---- */

static u64 linear(struct guest_run *run, enum guest_sreg seg, u64 at)
{
	if (run_is_64bit(run))
		return at;
	return (u32)(run_seg(run, seg)->base + at);
}

/* Up to 15 bytes at RIP, as many as are there. */
static unsigned int fetch(struct nestor_vcpu *vcpu, u8 *bytes)
{
	struct nvmx *n = nvmx_of(vcpu);
	u32 access = ACC_FETCH | (n->l2.cpl == 3 ? ACC_USER : 0);
	u64 at = linear(&n->l2, SEG_CS, n->l2.rip);
	unsigned int first = min_t(unsigned int, MAX_INSN_LEN, PAGE_SIZE - (at & ~PAGE_MASK));
	struct gva_fault fault = {};
	unsigned int len = 0;

	n->probing = true;
	if (!gva_read(vcpu, at, bytes, first, access, &fault)) {
		len = first;
		if (first < MAX_INSN_LEN &&
		    !gva_read(vcpu, at + first, bytes + first, MAX_INSN_LEN - first, access, &fault))
			len = MAX_INSN_LEN;
	}
	n->probing = false;
	return len;
}

struct opcode {
	unsigned int at, len;	/* of the opcode, of what was read */
	bool rex_w;
};

static bool is_prefix(u8 byte)
{
	switch (byte) {
	case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64 ... 0x67:
	case 0xf0: case 0xf2: case 0xf3:
		return true;
	default:
		return false;
	}
}

static void find_opcode(const u8 *bytes, struct opcode *op, bool long_mode)
{
	while (op->at < op->len && is_prefix(bytes[op->at]))
		op->at++;
	if (!long_mode || op->at >= op->len || (bytes[op->at] & 0xf0) != 0x40)
		return;
	op->rex_w = bytes[op->at] & 8;
	op->at++;
}

/* A software event goes in as an injection, so that its frame has L2's own TF. */
static void inject_soft(struct nestor_vcpu *vcpu, u8 type, u8 vector, unsigned int len)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct guest_event ev = { .valid = true, .type = type, .vector = vector };

	n->l2.next_rip = n->l2.rip + len;
	l2_soft_given(vcpu, &ev);
	requeue_event(vcpu, &ev);
	n->l2.inject = injected_event(vcpu);
	n->mtf.event = true;
	nvmx_timer_force(vcpu);
}

/* INT3, INTO and INT1 exit to an L1 that wants their exception; then they run as they are. */
static bool soft_event(struct nestor_vcpu *vcpu, const u8 *op, unsigned int left, unsigned int at)
{
	const struct nvmx *n = nvmx_of(vcpu);
	u32 wanted = n->vmcs12->exception_bitmap;

	switch (op[0]) {
	case 0xcc:
		if (wanted & BIT(VECTOR_BP))
			return false;
		inject_soft(vcpu, EVENT_SOFT_EXCEPTION, VECTOR_BP, at + 1);
		return true;
	case 0xce:
		if ((wanted & BIT(VECTOR_OF)) || !(n->l2.rflags & X_RFLAGS_OF) ||
		    run_is_64bit(vcpu->run))
			return false;
		inject_soft(vcpu, EVENT_SOFT_EXCEPTION, VECTOR_OF, at + 1);
		return true;
	case 0xf1:
		if (wanted & BIT(VECTOR_DB))
			return false;
		inject_soft(vcpu, EVENT_PRIV_EXCEPTION, VECTOR_DB, at + 1);
		return true;
	case 0xcd:
		if (left < 2)
			return false;
		inject_soft(vcpu, EVENT_SOFT_INT, op[1], at + 2);
		return true;
	default:
		return false;
	}
}

static void load_flat(struct guest_run *run, enum guest_sreg n, u16 sel, u16 attrib)
{
	run->seg[n] = (struct guest_seg){ .sel = sel, .attrib = attrib, .limit = ~0u };
}

static bool syscall_runs(struct guest_run *run)
{
	run_need(run, GRP_CR | GRP_SEG | GRP_MSRS);
	return run_is_64bit(run) && (run->efer & X_EFER_SCE);
}

static bool emulate_syscall(struct guest_run *run, unsigned int len)
{
	u16 sel;

	if (!syscall_runs(run))
		return false;
	sel = run->msrs->star >> 32;
	run->gpr[REG_RCX] = run->rip + len;
	run->gpr[REG_R11] = run->rflags & ~X_RFLAGS_RF;
	run->rip = run->msrs->lstar;
	run->rflags = (run->rflags & ~(run->msrs->sfmask | X_RFLAGS_RF)) | X_RFLAGS_FIXED;
	load_flat(run, SEG_CS, sel & ~3, AR_CODE64);
	load_flat(run, SEG_SS, (sel + 8) & ~3, AR_STACK);
	run->cpl = 0;
	run_dirty(run, GRP_SEG);
	return true;
}

static bool emulate_sysret(struct guest_run *run, bool wide)
{
	u64 to = run->gpr[REG_RCX];
	u16 sel;

	/* What faults may do so by itself. */
	if (!syscall_runs(run) || run->cpl || (wide && !x_canonical(to, 48)))
		return false;
	sel = run->msrs->star >> 48;
	run->rip = wide ? to : (u32)to;
	run->rflags = (run->gpr[REG_R11] & 0x3c7fd7) | X_RFLAGS_FIXED;
	load_flat(run, SEG_CS, (wide ? sel + 16 : sel) | 3, (wide ? AR_CODE64 : AR_CODE32) | SEG_ATTR_DPL);
	load_flat(run, SEG_SS, (sel + 8) | 3, AR_STACK | SEG_ATTR_DPL);
	run->cpl = 3;
	run_dirty(run, GRP_SEG);
	return true;
}

/* true: it is done, or on its way as an event */
static bool instead_of_cpu(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct guest_run *run = &n->l2;
	bool long_mode = run_is_64bit(run), done = false;
	u8 bytes[MAX_INSN_LEN];
	struct opcode op = {};
	const u8 *b;

	op.len = fetch(vcpu, bytes);
	find_opcode(bytes, &op, long_mode);
	if (op.at >= op.len)
		return false;
	b = bytes + op.at;
	n->mtf.pushes = b[0] == 0x9c;
	n->mtf.loads_tf = b[0] == 0x9d || b[0] == 0xcf;
	n->mtf.sti = b[0] == 0xfb && !(run->rflags & X_RFLAGS_IF);
	if (soft_event(vcpu, b, op.len - op.at, op.at))
		return true;
	if (b[0] != 0x0f || op.len - op.at < 2)
		return false;
	if (b[1] == 0x05)
		done = emulate_syscall(run, op.at + 2);
	else if (b[1] == 0x07)
		done = emulate_sysret(run, op.rex_w);
	if (!done)
		return false;
	run->int_shadow = false;
	n->mtf.due = true;
	/* There is nothing to enter for. */
	vcpu_request(vcpu, REQ_EVENT);
	return true;
}

static void undo(struct nestor_vcpu *vcpu)
{
	disarm(nvmx_of(vcpu), false);
	(void)nvmx_timer_forced(vcpu);
}

void nvmx_l2_ready(struct nestor_vcpu *vcpu, bool enter)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct nvmx_mtf *m = &n->mtf;

	/* The VMM may have had its turn, or others the CPU. */
	if (n->l2.timer_on && enter)
		nvmx_timer_resume(vcpu);
	if (likely(!m->on))
		return;
	if (!enter)
		return undo(vcpu);
	m->rip = n->l2.rip;
	m->watch = false;
	m->event = n->l2.inject.valid;
	if (m->event)
		return nvmx_timer_force(vcpu);
	m->pushes = false;
	m->loads_tf = false;
	m->sti = false;
	/* A trap that is pending comes before the instruction, and is none of ours. */
	run_need(&n->l2, GRP_ACTIVITY);
	if (n->l2.pending_dbg)
		return;
	if (instead_of_cpu(vcpu))
		return;
	m->watch = true;
	m->armed = true;
	m->had_tf = n->l2.rflags & X_RFLAGS_TF;
	set_tf(&n->l2, true);
	/* With TF in the shadow of STI the CPU would want the trap pending already. */
	m->had_shadow = n->l2.int_shadow && !n->l2.mov_ss;
	if (m->had_shadow)
		n->l2.int_shadow = false;
	run_need(&n->l2, GRP_LBR);
	m->had_btf = n->l2.debugctl & X_DEBUGCTL_BTF;
	if (m->had_btf)
		set_btf(&n->l2, false);
}

/* ---- the way out ---- */

/* PUSHF has pushed the TF that was lent: bit 8 of the image, whatever its size. */
static void mend_image(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	u64 sp = n->l2.gpr[REG_RSP], at;
	struct gva_fault fault = {};
	u32 user = n->l2.cpl == 3 ? ACC_USER : 0;
	u8 byte;

	if (!run_is_64bit(&n->l2) && !(run_seg(&n->l2, SEG_SS)->attrib & SEG_ATTR_DB))
		sp = (u16)(sp + 1);
	else
		sp++;
	at = linear(&n->l2, SEG_SS, sp);
	n->probing = true;
	if (!gva_read(vcpu, at, &byte, 1, user, &fault)) {
		byte &= ~1u;
		(void)gva_write(vcpu, at, &byte, 1, user, &fault);
	}
	n->probing = false;
}

static void step_done(struct nestor_vcpu *vcpu, u64 dr6)
{
	struct nvmx *n = nvmx_of(vcpu);
	u64 pending = dr6 & DR6_B0_B3;

	disarm(n, true);
	/* The trap ended the shadow; the exit would not have. */
	if (n->mtf.sti && (n->l2.rflags & X_RFLAGS_IF)) {
		n->l2.int_shadow = true;
		n->l2.mov_ss = false;
	}
	if (n->mtf.pushes && !n->mtf.had_tf)
		mend_image(vcpu);
	/* Traps of L2's own stay pending: the exit comes before them. */
	if (pending)
		pending |= PENDING_DBG_ENABLED;
	if (n->mtf.had_tf && !n->mtf.had_btf)
		pending |= PENDING_DBG_BS;
	if (pending) {
		run_need(&n->l2, GRP_ACTIVITY);
		n->l2.pending_dbg |= pending;
		run_dirty(&n->l2, GRP_ACTIVITY);
	}
	n->mtf.due = true;
	vcpu_request(vcpu, REQ_EVENT);
}

/* An exception that exits for nobody but us: L2 gets it, in a frame without our TF. */
static void hand_on(struct nestor_vcpu *vcpu, u8 vector)
{
	const struct guest_exit *x = &vcpu->run->exit;

	if (vector == VECTOR_PF)
		queue_page_fault(vcpu, x->info1, x->info2);
	else if (vector == VECTOR_DB)
		queue_debug(vcpu, x->qual & 0x600full);
	else if (WITH_ERROR >> vector & 1)
		queue_exception_error(vcpu, vector, x->info1);
	else
		queue_exception(vcpu, vector);
}

static bool exception(struct nestor_vcpu *vcpu, bool armed)
{
	struct nvmx *n = nvmx_of(vcpu);
	const struct guest_exit *x = &n->l2.exit;
	u8 vector = x->index;

	/* INT1, which alone has a length, ends no step; some CPUs report the flag that was lent with it. */
	if (armed && vector == VECTOR_DB && !x->next_rip && (x->qual & DR6_BS)) {
		step_done(vcpu, x->qual);
		return true;
	}
	if (armed && vector == VECTOR_DB && !n->mtf.had_tf)
		n->l2.exit.qual &= ~(u64)DR6_BS;
	disarm(n, false);
	if (vector == VECTOR_MC || nvmx_want_exception(n->vmcs12, vector, x->info1))
		return false;
	/* INT3 and INTO that could not be read; and what a debugger of the VMM may want. */
	if (vector == VECTOR_BP || vector == VECTOR_OF || (vector == VECTOR_DB && vcpu->guest_debug))
		return false;
	hand_on(vcpu, vector);
	return true;
}

bool nvmx_mtf_exit(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	const struct guest_exit *x = &n->l2.exit;
	struct nvmx_mtf *m = &n->mtf;

	if (likely(!m->on))
		return false;
	if (m->event) {
		bool forced = nvmx_timer_forced(vcpu);

		m->event = false;
		m->due = !x->vectoring.valid;
		if (forced && x->reason == EXIT_PREEMPTION_TIMER) {
			n->activity = ACTIVITY_ACTIVE;
			vcpu_request(vcpu, REQ_EVENT);
			return true;
		}
	}
	/* Whatever comes of this exit, the next entry is made with a look at it. */
	vcpu_request(vcpu, REQ_EVENT);
	if (x->reason == EXIT_EXCEPTION)
		return exception(vcpu, m->armed);
	disarm(n, false);
	return false;
}
