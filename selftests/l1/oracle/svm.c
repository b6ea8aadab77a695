// SPDX-License-Identifier: GPL-2.0-only
/*
 * A case of AMD-V: a valid VMCB for one of the modes, moves, and an entry for each piece of
 * the program.  What is recorded of an exit is what the manual defines for it: EXITINFO1 and
 * 2 where the exit has them, nRIP and decode assists where the profile has them.
 */
#include "oracle/svm.h"

static struct vmcb *vmcb;
static struct vmcb before;
static struct l2 l2;
static bool dr_dirty;

static void seg(struct vmcb_seg *s, u16 sel, u16 attrib, u32 limit, u64 base)
{
	*s = (struct vmcb_seg){ sel, attrib, limit, base };
}

static void segments(struct orc_case *k, struct vmcb_save *s)
{
	if (k->mode == OM_REAL) {
		seg(&s->cs, ORC_CODE >> 4, 0x9b, 0xffff, ORC_CODE);
		seg(&s->ds, 0x2000, 0x93, 0xffff, 0x20000);
		seg(&s->idtr, 0, 0, 0x3ff, ORC_IVT);
	} else if (k->mode <= OM_64_USER) {
		bool user = k->mode == OM_64_USER;

		seg(&s->cs, user ? SEL_UCS : SEL_CS, user ? 0xafb : 0xa9b, ~0u, 0);
		seg(&s->ds, user ? SEL_UDS : SEL_DS, user ? 0xcf3 : 0xc93, ~0u, 0);
		seg(&s->idtr, 0, 0, 4095, ORC_IDT64);
		s->cpl = user ? 3 : 0;
	} else {
		seg(&s->cs, SEL_CS32, 0xc9b, ~0u, 0);
		seg(&s->ds, SEL_DS, 0xc93, ~0u, 0);
		seg(&s->idtr, 0, 0, k->mode == OM_COMPAT ? 4095 : 2047,
		    k->mode == OM_COMPAT ? ORC_IDT64 : ORC_IDT32);
	}
	s->es = s->ds;
	s->ss = s->ds;
	s->fs = s->ds;
	s->gs = s->ds;
	seg(&s->gdtr, 0, 0, 127, ORC_GDT);
	/* TCG stops at a 32-bit stack switch unless the TSS is marked available. */
	seg(&s->tr, SEL_TSS, orc_profile & OP_TCG ? 0x89 : 0x8b, 103, ORC_TSS);
	seg(&s->ldtr, 0, 0x82, 0, 0);
}

static void registers(struct orc_case *k, struct vmcb_save *s)
{
	s->efer = EFER_SVME;
	s->cr0 = CR0_ET | CR0_NE;
	if (k->mode != OM_REAL)
		s->cr0 |= CR0_PE;
	if (k->mode < OM_FLAT)
		s->cr0 |= CR0_PG | CR0_WP;
	if (k->mode <= OM_COMPAT) {
		s->efer |= EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE;
		s->cr4 = CR4_PAE;
		s->cr3 = ORC_PML4;
	} else if (k->mode == OM_PAE) {
		s->efer |= EFER_NXE;
		s->cr4 = CR4_PAE;
		s->cr3 = ORC_PDPT + 0x800;
	} else if (k->mode == OM_PSE) {
		s->cr4 = CR4_PSE;
		s->cr3 = ORC_PD32;
	}
	s->dr6 = 0xffff0ff0;
	s->dr7 = 0x400;
	s->rflags = 2;
	s->g_pat = 0x0007040600070406ull;
	/* System calls land on handlers that no exception has. */
	s->lstar = ORC_STUBS + 126 * 16;
	s->cstar = ORC_STUBS + 125 * 16;
	s->star = 0x0023000800000000ull | (ORC_STUBS + 124 * 16);
	s->sysenter_cs = SEL_CS;
	s->sysenter_eip = ORC_STUBS + 123 * 16;
	s->sysenter_esp = ORC_TRAP_STACK;
}

static void control(struct orc_case *k, struct vmcb_control *c, bool npt)
{
	c->misc1 = KEEP_MISC1;
	c->misc2 = KEEP_MISC2 | 1u << I2_VMRUN | 1u << I2_VMMCALL;
	c->iopm_base_pa = (u64)orc_iopm;
	c->msrpm_base_pa = (u64)orc_msrpm;
	c->int_ctl = V_INTR_MASKING;
	c->asid = 1;
	c->tlb_control = TLB_ALL;
	c->np_enable = npt;
	c->n_cr3 = npt ? (u64)orc_npt : 0;
}

static u64 code_at(struct orc_case *k, u32 step)
{
	return (k->mode == OM_REAL ? 0 : ORC_CODE) + step * ORC_SLOT;
}

static void place(struct orc_case *k, u32 step)
{
	vmcb->s.rip = code_at(k, step);
	vmcb->s.rsp = k->mode == OM_REAL ? ORC_STACK - 0x20000 : ORC_STACK;
}

/* In modes of 32 bits only those, or TCG takes all of RCX for EIP. */
static u64 gpr(struct orc_case *k, u32 i)
{
	u64 v = 0x1111111111111111ull * (i + 1);

	return k->mode <= OM_64_USER ? v : (u32)v;
}

static void set_gprs(struct orc_case *k)
{
	u64 *r = &l2.rcx, i;

	for (i = 0; i < 14; i++)
		r[i] = gpr(k, i);
}

/* ---- the outcome ---- */

static bool info1_counts(u64 code)
{
	switch (code) {
	case X_EXC + V_DF: case X_EXC + V_TS: case X_EXC + V_NP: case X_EXC + V_SS:
	case X_EXC + V_GP: case X_EXC + V_PF: case X_EXC + V_AC:
	case X_IOIO: case X_MSR: case X_TASK: case X_NPF: case X_MWAIT:
		return true;
	case X_INTN: case X_INVLPG:
		return orc_profile & OP_DECODE;
	}
	return code < X_EXC && orc_profile & OP_DECODE;
}

static bool info2_counts(u64 code)
{
	return code == X_EXC + V_PF || code == X_IOIO || code == X_TASK || code == X_NPF;
}

#define OFF(f) __builtin_offsetof(struct vmcb, f)
static const struct { const char *name; u16 off, size; } fields[] = {
#define C(f) { #f, OFF(c.f), sizeof(((struct vmcb *)0)->c.f) }
#define S(f) { #f, OFF(s.f), sizeof(((struct vmcb *)0)->s.f) }
#define G(f) \
	{ #f ".sel", OFF(s.f.sel), 2 }, { #f ".attrib", OFF(s.f.attrib), 2 }, \
	{ #f ".limit", OFF(s.f.limit), 4 }, { #f ".base", OFF(s.f.base), 8 }
	C(cr_read), C(cr_write), C(dr_read), C(dr_write), C(exceptions), C(misc1), C(misc2), C(misc3),
	C(iopm_base_pa), C(msrpm_base_pa), C(tsc_offset), C(asid), C(tlb_control), C(int_ctl),
	C(int_state), C(np_enable), C(n_cr3), C(lbr_ctl), C(clean),
#define NR_CONTROL 19
	G(es), G(cs), G(ss), G(ds), G(fs), G(gs), G(gdtr), G(ldtr), G(idtr), G(tr),
	S(cpl), S(efer), S(cr4), S(cr3), S(cr0), S(dr7), S(dr6), S(rflags), S(rip), S(rsp), S(rax),
	S(star), S(lstar), S(cstar), S(sfmask), S(kernel_gs_base), S(sysenter_cs), S(sysenter_esp),
	S(sysenter_eip), S(cr2), S(g_pat), S(dbgctl),
#undef C
#undef S
#undef G
};

static u64 field(const struct vmcb *v, u32 i)
{
	u64 x = 0;

	memcpy(&x, (const u8 *)v + fields[i].off, fields[i].size);
	return x;
}

static void record_gprs(struct orc_case *k)
{
	static const char *const names[] = { "rcx", "rdx", "rbx", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11",
					     "r12", "r13", "r14", "r15" };
	u64 *r = &l2.rcx, i;

	for (i = 0; i < 14; i++)
		orc_rec(k, names[i], r[i], gpr(k, i));
}

/* What an event or a fault left on the stack that the handler halted on */
static void record_frame(struct orc_case *k)
{
	u64 sp = vmcb->s.rsp + (k->mode == OM_REAL ? 0x20000 : 0), i;
	char name[8];

	if (sp < ORC_STACK - 0x100 || sp > ORC_TRAP_STACK)
		return;
	for (i = 0; i < 6; i++) {
		fmt(name, sizeof(name), "st%u", (u32)i);
		orc_rec(k, name, ((u64 *)(sp & ~7ull))[i], 0);
	}
}

/* FS, GS, LDTR, TR and the MSRs are L1's VMSAVE's, after the exit. */
static bool by_vmsave(u32 off)
{
	return (off >= OFF(s.fs) && off < OFF(s.gdtr)) || (off >= OFF(s.ldtr) && off < OFF(s.idtr)) ||
	       (off >= OFF(s.tr) && off < OFF(s.tr) + 16) || (off >= OFF(s.star) && off <= OFF(s.sysenter_eip));
}

static void record_refused(struct orc_case *k)
{
	u32 i;

	if (orc_profile & OP_STRICT) {
		if (vmcb->c.exitcode != X_INVALID)
			orc_rec(k, "strict.exitcode", vmcb->c.exitcode, 0);
		for (i = NR_CONTROL; i < ARRAY_SIZE(fields); i++)
			if (field(vmcb, i) != field(&before, i) && !by_vmsave(fields[i].off))
				orc_rec(k, fields[i].name, field(vmcb, i), field(&before, i));
	}
}

static void record(struct orc_case *k, u32 step)
{
	u64 code = vmcb->c.exitcode;
	u32 i;

	if (orc_profile & OP_LENIENT && (u32)code == ~0u)
		code = X_INVALID;
	if (k->verbose)
		orc_say("S %u exit=%llx", step, code);
	orc_fold(k, code);
	if (code == X_INVALID && orc_profile & OP_LENIENT) {
		record_refused(k);
	} else {
		orc_rec(k, "info1", info1_counts(code) ? vmcb->c.exitinfo1 : 0, 0);
		orc_rec(k, "info2", info2_counts(code) ? vmcb->c.exitinfo2 : 0, 0);
		if (orc_profile & OP_NRIPS)
			orc_rec(k, "nrip", vmcb->c.nrip, before.c.nrip);
		for (i = 0; i < ARRAY_SIZE(fields); i++)
			orc_rec(k, fields[i].name, field(vmcb, i), field(&before, i));
		/* Without V the rest of the two says nothing. */
		orc_rec(k, "exitintinfo", vmcb->c.exitintinfo & EV_VALID ? vmcb->c.exitintinfo : 0, 0);
		orc_rec(k, "eventinj", vmcb->c.eventinj & EV_VALID ? vmcb->c.eventinj : 0, 0);
		record_gprs(k);
		record_frame(k);
	}
	if (k->verbose)
		orc_puts("\n");
}

/* ---- running ---- */

/* State that TCG leaves so that its host does not go on: long mode about to begin. */
static void survive(void)
{
	struct vmcb_save *s = &vmcb->s;

	if (orc_profile & OP_TCG && s->efer & EFER_LME && !(s->cr0 & CR0_PG))
		s->efer &= ~(EFER_LME | EFER_LMA);
}

static void enter(struct orc_case *k, u32 step)
{
	u64 cr0 = read_cr0(), cr3 = read_cr3(), cr4 = read_cr4(), efer = rdmsr(MSR_EFER);

	survive();
	orc_copy_page(&before, vmcb);
	vmcb->c.exitcode = 0x5a5a;
	vmrun_asm(&l2);
	record(k, step);
	orc_rec(k, "host", (read_cr0() ^ cr0) | (read_cr3() ^ cr3) | (read_cr4() ^ cr4) |
		(rdmsr(MSR_EFER) ^ efer), 0);
}

/* What L1 does after an exit; false when there is no more to come. */
static bool after_exit(struct orc_case *k, bool again)
{
	struct vmcb_control *c = &vmcb->c;
	u64 info = c->exitintinfo;

	if (c->exitcode == X_INVALID || (u32)c->exitcode == ~0u || c->exitcode == X_SHUTDOWN ||
	    c->exitcode == X_INTR)
		return false;
	c->tlb_control = TLB_ALL;
	c->eventinj = again && info & EV_VALID ? info : 0;
	return true;
}

static void steps(struct orc_case *k)
{
	u32 step = 0, entries;
	bool again;

	for (entries = 0; entries < ORC_MAX_STEPS && step < k->steps; entries++) {
		again = orc_one_in(k, 2);
		enter(k, step);
		if (!after_exit(k, again))
			return;
		if (vmcb->c.exitcode == X_NPF && again) {
			orc_nested_mend(PT_A | PT_D);
			continue;
		}
		place(k, ++step);
	}
}

static void build(struct orc_case *k)
{
	struct orc_plan plan = orc_plan(k);

	orc_zero_page(vmcb);
	svm_maps_reset();
	orc_arena_reset(k->mode, k->base);
	segments(k, &vmcb->s);
	registers(k, &vmcb->s);
	control(k, &vmcb->c, plan.nested);
	place(k, 0);
	set_gprs(k);
	if (k->verbose)
		orc_say("B mode %u npt %u\n", k->mode, plan.nested);
	orc_program(k);
	svm_moves(k, vmcb);
	orc_tables(k, &plan);
}

static void reset_dr(void)
{
	__asm__ volatile("mov %0,%%dr0; mov %0,%%dr1; mov %0,%%dr2; mov %0,%%dr3" : : "r"(0ull));
	dr_dirty = false;
}

/* L1's own instructions, with VMCBs at hand whose L2s halt at once */
static void sequence(struct orc_case *k)
{
	u32 i;

	k->mode = OM_64;
	for (i = 0; i < 2; i++) {
		struct vmcb *v = svm_seq_vmcb(i);

		orc_zero_page(v);
		segments(k, &v->s);
		registers(k, &v->s);
		control(k, &v->c, false);
		v->s.rip = code_at(k, ORC_MAX_STEPS);
		v->s.rsp = ORC_STACK;
	}
	if (k->verbose)
		orc_say("B mode %u npt 0\n", OM_NR);
	svm_seq_run(k);
}

static void svm_run(struct orc_case *k)
{
	if (!orc_below(k, 8)) {
		sequence(k);
		return;
	}
	build(k);
	/* DR0 to DR3 are not in the VMCB. */
	if (dr_dirty)
		reset_dr();
	steps(k);
	dr_dirty = true;
	orc_memory(k);
}

static void svm_init(void)
{
	vmcb = alloc_page();
	l2.vmcb = vmcb;
	l2.host = this_cpu()->host_vmcb;
	l2.flags = RUN_HOST_IF;
	svm_maps_reset();
	svm_seq_init();
}

static void svm_start(void)
{
}

const struct orc_part orc_svm = { svm_init, svm_start, svm_run };
