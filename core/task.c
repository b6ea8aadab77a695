// SPDX-License-Identifier: GPL-2.0-only
/*
 * Task switches, for a CPU that leaves them to the hypervisor (SDM vol. 3, "Task Switching",
 * "Treatment of Task Switches").
 *
 * Until the old state is saved a fault belongs to the old task and nothing has changed; from then on it
 * is the new task's, whose registers are loaded as far as they could be.  The new TSS is read once.
 */
#include <uapi/asm/debugreg.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "core/events.h"
#include "core/exits.h"
#include "core/insn.h"
#include "core/msr.h"
#include "core/task.h"
#include "mmu/gva.h"
#include "mmu/mmu.h"

#define TYPE_BUSY	2u
#define TYPE_32		8u
#define TYPE_LDT	2u
#define DESC_TYPE(d)	((unsigned int)((d) >> 40) & 0xf)
#define DESC_S		BIT_ULL(44)
#define DESC_P		BIT_ULL(47)
#define DESC_ACCESSED	BIT_ULL(40)
#define DESC_BUSY	BIT_ULL(41)
#define DESC_DPL(d)	((unsigned int)((d) >> 45) & 3)
#define SEL_TI		4u
#define TSS_TRAP	1u
#define DR7_LOCAL	0x155ull	/* L0 to L3, LE */
#define RFLAGS_LOADED	0x3f7fd7u

enum task_source { BY_CALL, BY_IRET, BY_JMP, BY_EVENT };

/* A TSS of either width: what a switch saves and loads. */
struct tss {
	u32 cr3, eip, eflags;
	u32 gpr[8];
	u16 sel[6];		/* ES, CS, SS, DS, FS, GS: enum guest_sreg */
	u16 ldt;
	bool trap;
};

/* Layouts (SDM: "Task-State Segment (TSS)", "16-Bit Task-State Segment (TSS)") */
#define TSS32_CR3	0x1c
#define TSS32_EIP	0x20
#define TSS32_SEL	0x48
#define TSS32_LDT	0x60
#define TSS32_TRAP	0x64
#define TSS32_SIZE	0x68
#define TSS16_IP	0x0e
#define TSS16_SEL	0x22
#define TSS16_LDT	0x2a
#define TSS16_SIZE	0x2c

struct task {
	struct nestor_vcpu *vcpu;
	enum task_source source;
	u16 sel;		/* of the new TSS */
	u64 desc, desc_at;	/* its descriptor, and where that is */
	struct tss next;
};

/* 0; -EFAULT: #PF is queued, or L1 is current */
static int sys_access(struct nestor_vcpu *vcpu, u64 addr, void *data, unsigned int len, bool write)
{
	struct gva_fault fault = {};
	int r;

	addr = (u32)addr;
	r = write ? gva_write(vcpu, addr, data, len, ACC_IMPLICIT, &fault) :
		    gva_read(vcpu, addr, data, len, ACC_IMPLICIT, &fault);
	if (r == -ENXIO) {
		if (!write)
			memset(data, 0xff, len);
		return 0;
	}
	if (r && !fault.reflected)
		queue_page_fault(vcpu, fault.error, fault.addr);
	return r;
}

static int fail(struct nestor_vcpu *vcpu, u8 vector, u16 sel)
{
	queue_exception_error(vcpu, vector, sel & ~3u);
	return -EINVAL;
}

/* The descriptor that @sel names; -ENOENT beyond its table */
static int read_desc(struct nestor_vcpu *vcpu, u16 sel, u64 *desc, u64 *at)
{
	struct guest_run *run = vcpu->run;
	u64 base;
	u32 limit;

	if (sel & SEL_TI) {
		const struct guest_seg *ldt = run_seg(run, SEG_LDTR);

		base = ldt->base;
		limit = ldt->attrib & SEG_ATTR_P ? ldt->limit : 0;
	} else {
		run_need(run, GRP_DTABLE);
		base = run->gdtr.base;
		limit = run->gdtr.limit;
	}
	if ((sel | 7u) > limit)
		return -ENOENT;
	*at = base + (sel & ~7u);
	return sys_access(vcpu, *at, desc, sizeof(*desc), false);
}

static struct guest_seg unpack(u16 sel, u64 desc)
{
	u32 limit = (desc & 0xffff) | (desc >> 32 & 0xf0000);

	if (desc & BIT_ULL(55))
		limit = limit << 12 | 0xfff;
	return (struct guest_seg){
		.sel = sel,
		.attrib = (desc >> 40 & 0xff) | (desc >> 44 & 0xf00),
		.limit = limit,
		.base = (desc >> 16 & 0xffffff) | (desc >> 32 & 0xff000000),
	};
}

/* "Task Switching", the checks of the new TSS's descriptor; the CPU has made them, but memory may have changed. */
static int check_new(struct task *t)
{
	u8 wrong = t->source == BY_IRET ? X86_TRAP_TS : X86_TRAP_GP;
	unsigned int type;
	int r;

	if (t->sel & SEL_TI || !(t->sel & ~3u))
		return fail(t->vcpu, wrong, t->sel);
	r = read_desc(t->vcpu, t->sel, &t->desc, &t->desc_at);
	if (r)
		return r == -ENOENT ? fail(t->vcpu, wrong, t->sel) : r;
	type = DESC_TYPE(t->desc);
	if ((t->desc & DESC_S) || (type & ~(TYPE_32 | TYPE_BUSY)) != 1 ||
	    !!(type & TYPE_BUSY) != (t->source == BY_IRET))
		return fail(t->vcpu, wrong, t->sel);
	if (!(t->desc & DESC_P))
		return fail(t->vcpu, X86_TRAP_NP, t->sel);
	if (unpack(t->sel, t->desc).limit < (type & TYPE_32 ? TSS32_SIZE : TSS16_SIZE) - 1)
		return fail(t->vcpu, X86_TRAP_TS, t->sel);
	return 0;
}

static int read_tss(struct task *t)
{
	u64 base = unpack(t->sel, t->desc).base;
	u32 raw[TSS32_SIZE / 4];
	const u16 *half = (const u16 *)raw;
	struct tss *n = &t->next;
	unsigned int i;
	int r;

	if (DESC_TYPE(t->desc) & TYPE_32) {
		r = sys_access(t->vcpu, base, raw, TSS32_SIZE, false);
		n->cr3 = raw[TSS32_CR3 / 4];
		n->eip = raw[TSS32_EIP / 4];
		n->eflags = raw[TSS32_EIP / 4 + 1];
		memcpy(n->gpr, &raw[TSS32_EIP / 4 + 2], sizeof(n->gpr));
		for (i = 0; i < 6; i++)
			n->sel[i] = raw[TSS32_SEL / 4 + i];
		n->ldt = raw[TSS32_LDT / 4];
		n->trap = raw[TSS32_TRAP / 4] & TSS_TRAP;
		return r;
	}
	r = sys_access(t->vcpu, base, raw, TSS16_SIZE, false);
	n->eip = half[TSS16_IP / 2];
	n->eflags = half[TSS16_IP / 2 + 1];
	for (i = 0; i < 8; i++)
		n->gpr[i] = 0xffff0000u | half[TSS16_IP / 2 + 2 + i];
	for (i = 0; i < 4; i++)
		n->sel[i] = half[TSS16_SEL / 2 + i];
	n->ldt = half[TSS16_LDT / 2];
	return r;
}

/* The old task's state into its TSS; @eip: where it goes on */
static int save_old(struct task *t, u32 eip, u32 eflags)
{
	struct guest_run *run = t->vcpu->run;
	struct guest_seg tr = *run_seg(run, SEG_TR);
	u32 full[16];
	u16 half[14];
	unsigned int i;

	if (tr.attrib & TYPE_32) {
		full[0] = eip;
		full[1] = eflags;
		for (i = 0; i < 8; i++)
			full[2 + i] = run->gpr[i];
		for (i = 0; i < 6; i++)
			full[10 + i] = run_seg(run, i)->sel;
		return sys_access(t->vcpu, tr.base + TSS32_EIP, full, sizeof(full), true);
	}
	half[0] = eip;
	half[1] = eflags;
	for (i = 0; i < 8; i++)
		half[2 + i] = run->gpr[i];
	for (i = 0; i < 4; i++)
		half[10 + i] = run_seg(run, i)->sel;
	return sys_access(t->vcpu, tr.base + TSS16_IP, half, sizeof(half), true);
}

static int set_busy(struct task *t, u16 sel, bool busy)
{
	u64 desc, at;
	int r = read_desc(t->vcpu, sel, &desc, &at);

	if (r)
		return r == -ENOENT ? 0 : r;
	desc = busy ? desc | DESC_BUSY : desc & ~DESC_BUSY;
	return sys_access(t->vcpu, at + 4, (u8 *)&desc + 4, 4, true);
}

/* All that touches memory on behalf of the old task. */
static int leave_old(struct task *t, u32 eip, u32 eflags)
{
	u16 old = run_seg(t->vcpu->run, SEG_TR)->sel;
	bool nested = t->source == BY_CALL || t->source == BY_EVENT;
	int r;

	if (t->source == BY_IRET)
		eflags &= ~(u32)X86_EFLAGS_NT;
	r = save_old(t, eip, eflags);
	if (!r && !nested)
		r = set_busy(t, old, false);
	if (!r && nested)
		r = sys_access(t->vcpu, unpack(t->sel, t->desc).base, &old, sizeof(old), true);
	if (!r && t->source != BY_IRET)
		r = set_busy(t, t->sel, true);
	return r;
}

/* Registers as the new TSS has them; segments are known by their selectors only so far. */
static int load_registers(struct task *t)
{
	struct guest_run *run = t->vcpu->run;
	struct guest_seg tr = unpack(t->sel, t->desc | DESC_BUSY), none;
	unsigned int i;

	run_set_seg(run, SEG_TR, &tr);
	run_need(run, GRP_CR | GRP_DR);
	run->cr0 |= X86_CR0_TS;
	run_dirty(run, GRP_CR);
	if (run->dr7 & DR7_LOCAL) {
		run->dr7 &= ~DR7_LOCAL;
		run_dirty(run, GRP_DR);
	}
	run->rip = t->next.eip;
	run->rflags = (t->next.eflags & RFLAGS_LOADED) | X86_EFLAGS_FIXED;
	if (t->source == BY_CALL || t->source == BY_EVENT)
		run->rflags |= X86_EFLAGS_NT;
	run->int_shadow = false;
	for (i = 0; i < 8; i++)
		run->gpr[i] = t->next.gpr[i];
	for (i = 0; i < 6; i++) {
		none = *run_seg(run, i);
		none.sel = t->next.sel[i];
		run_set_seg(run, i, &none);
	}
	none = (struct guest_seg){ .sel = t->next.ldt };
	run_set_seg(run, SEG_LDTR, &none);
	if ((run->cr0 & X86_CR0_PG) && (DESC_TYPE(t->desc) & TYPE_32) &&
	    cr3_write(t->vcpu, t->next.cr3))
		return fail(t->vcpu, X86_TRAP_GP, 0);
	return 0;
}

static int load_ldt(struct task *t)
{
	u16 sel = t->next.ldt;
	struct guest_seg seg;
	u64 desc, at;
	int r;

	if (!(sel & ~3u))
		return 0;
	r = sel & SEL_TI ? -ENOENT : read_desc(t->vcpu, sel, &desc, &at);
	if (r && r != -ENOENT)
		return r;
	if (r || (desc & DESC_S) || DESC_TYPE(desc) != TYPE_LDT || !(desc & DESC_P))
		return fail(t->vcpu, X86_TRAP_TS, sel);
	seg = unpack(sel, desc);
	run_set_seg(t->vcpu->run, SEG_LDTR, &seg);
	return 0;
}

/* May @sel with @desc be in register @n of a task at @cpl? */
static bool seg_allowed(enum guest_sreg n, u16 sel, u64 desc, unsigned int cpl)
{
	unsigned int type = DESC_TYPE(desc), rpl = sel & 3, dpl = DESC_DPL(desc);

	if (!(desc & DESC_S))
		return false;
	switch (n) {
	case SEG_CS:
		return (type & 8) && (type & 4 ? dpl <= rpl : dpl == rpl);
	case SEG_SS:
		return !(type & 8) && (type & 2) && dpl == cpl && rpl == cpl;
	default:
		if ((type & 8) && !(type & 2))
			return false;
		return (type & 0xc) == 0xc || (dpl >= cpl && dpl >= rpl);
	}
}

static int load_seg(struct task *t, enum guest_sreg n)
{
	struct guest_run *run = t->vcpu->run;
	u16 sel = t->next.sel[n];
	struct guest_seg seg;
	u64 desc, at;
	int r;

	if (!(sel & ~3u)) {
		if (n == SEG_CS || n == SEG_SS)
			return fail(t->vcpu, X86_TRAP_TS, sel);
		seg = (struct guest_seg){ .sel = sel };
		run_set_seg(run, n, &seg);
		return 0;
	}
	r = read_desc(t->vcpu, sel, &desc, &at);
	if (r && r != -ENOENT)
		return r;
	if (r || !seg_allowed(n, sel, desc, run->cpl))
		return fail(t->vcpu, X86_TRAP_TS, sel);
	if (!(desc & DESC_P))
		return fail(t->vcpu, n == SEG_SS ? X86_TRAP_SS : X86_TRAP_NP, sel);
	if (!(desc & DESC_ACCESSED)) {
		desc |= DESC_ACCESSED;
		r = sys_access(t->vcpu, at + 4, (u8 *)&desc + 4, 4, true);
		if (r)
			return r;
	}
	seg = unpack(sel, desc);
	run_set_seg(run, n, &seg);
	return 0;
}

static void load_v86(struct task *t)
{
	struct guest_run *run = t->vcpu->run;
	struct guest_seg seg;
	unsigned int i;

	run->cpl = 3;
	for (i = 0; i < 6; i++) {
		seg = (struct guest_seg){
			.sel = t->next.sel[i], .base = t->next.sel[i] << 4, .limit = 0xffff,
			.attrib = SEG_ATTR_P | SEG_ATTR_DPL | SEG_ATTR_S | 3,
		};
		run_set_seg(run, i, &seg);
	}
}

static int load_segments(struct task *t)
{
	static const u8 order[] = { SEG_CS, SEG_SS, SEG_ES, SEG_DS, SEG_FS, SEG_GS };
	struct guest_run *run = t->vcpu->run;
	unsigned int i;
	int r;

	r = load_ldt(t);
	if (r)
		return r;
	if (run->rflags & X86_EFLAGS_VM) {
		load_v86(t);
	} else {
		run->cpl = t->next.sel[SEG_CS] & 3;
		run_dirty(run, GRP_SEG);
		for (i = 0; i < ARRAY_SIZE(order) && !r; i++)
			r = load_seg(t, order[i]);
		if (r)
			return r;
	}
	if ((u32)run->rip > run_seg(run, SEG_CS)->limit)
		return fail(t->vcpu, X86_TRAP_GP, 0);
	return 0;
}

/* The error code of the exception that a task gate handles, on the new stack. */
static int push_error(struct task *t, u32 error)
{
	struct guest_run *run = t->vcpu->run;
	unsigned int size = DESC_TYPE(t->desc) & TYPE_32 ? 4 : 2;
	struct guest_seg ss = *run_seg(run, SEG_SS);
	u32 mask = ss.attrib & SEG_ATTR_DB ? ~0u : 0xffff;
	u32 sp = (run->gpr[REG_RSP] - size) & mask;
	struct gva_fault fault = {};
	bool down = (ss.attrib & 4), outside;
	int r;

	outside = down ? sp <= ss.limit || sp + size - 1 > mask || sp + size - 1 < sp :
			 sp + size - 1 > ss.limit || sp + size - 1 < sp;
	if (outside)
		return fail(t->vcpu, X86_TRAP_SS, 0);
	r = gva_write(t->vcpu, (u32)(ss.base + sp), &error, size, run->cpl == 3 ? ACC_USER : 0, &fault);
	if (r && r != -ENXIO) {
		if (!fault.reflected)
			queue_page_fault(t->vcpu, fault.error, fault.addr);
		return r;
	}
	run->gpr[REG_RSP] = (run->gpr[REG_RSP] & ~(u64)mask) | sp;
	return 0;
}

static enum task_source source_of(const struct guest_exit *x)
{
	if (x->vectoring.valid)
		return BY_EVENT;
	if (x->info2 & TASK_BY_IRET)
		return BY_IRET;
	return x->info2 & TASK_BY_JMP ? BY_JMP : BY_CALL;
}

static bool is_hardware(const struct guest_event *ev)
{
	return ev->valid && (ev->type == EVENT_INTR || ev->type == EVENT_NMI ||
			     ev->type == EVENT_EXCEPTION);
}

static void enter_new(struct task *t, const struct guest_event *ev)
{
	if (load_registers(t) || load_segments(t))
		return;
	if (ev->valid && ev->has_error && push_error(t, ev->error))
		return;
	if (t->next.trap)
		queue_debug(t->vcpu, DR_SWITCH);
}

enum run_action handle_task_switch(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;
	struct guest_event ev = run->exit.vectoring;
	struct task t = {
		.vcpu = vcpu, .source = source_of(&run->exit), .sel = run->exit.info1,
	};
	u32 eip = run->rip, eflags = run->rflags;
	int len;

	if (!is_hardware(&ev)) {
		len = vcpu_insn_len(vcpu);
		if (len < 0)
			return insn_failed(vcpu, len);
		eip += len;
	} else if (ev.type == EVENT_EXCEPTION && ev.vector != X86_TRAP_DB) {
		eflags |= X86_EFLAGS_RF;
	}
	/* A fault on the way is raised while the event is delivered. */
	if (check_new(&t) || read_tss(&t) || leave_old(&t, eip, eflags))
		return RESUME_GUEST;
	/* This is its delivery. */
	clear_injected(vcpu);
	enter_new(&t, &ev);
	return RESUME_GUEST;
}
