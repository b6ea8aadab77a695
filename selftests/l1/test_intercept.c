// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instruction intercepts, one row each: with the intercept set the exit comes
 * before the instruction has done anything; with it clear the instruction
 * runs; at CPL 3 the #GP of a privileged instruction comes before its intercept
 * (APM volume 2, "Instruction Intercepts").
 */
#include "l1.h"

enum {
	PASS = 1,	/* runs to its end when not intercepted */
	PRIV = 2,	/* #GP at CPL 3 */
	ANYCPL = 4,	/* intercepted at CPL 3 as well */
	FLAGS = 8,	/* the stack holds flags to pop */
	IRET = 16,	/* the stack holds a frame to return to */
	OSXS = 32,	/* CR4.OSXSAVE */
	UD3 = 64,	/* the fault at CPL 3 is #UD */
};

struct row {
	const char *code, *end;
	u8 word, bit;
	u16 exit;
	u8 len, flags;
	u64 rax, rcx;
};

static u64 scratch[64] __aligned(64);

/*
 * XSETBV makes no claim for CPL 3: the manual does not order its #GP and its
 * intercept.
 */
/* name, text, feature, word, bit, exit, length, flags, rax, rcx */
#define ROWS(M) \
	M(idtr_read, "sidt (%rax)", 0, 1, I1_IDTR_RD, X_IDTR_RD, 3, PASS, (u64)scratch, 0) \
	M(gdtr_read, "sgdt (%rax)", 0, 1, I1_GDTR_RD, X_GDTR_RD, 3, PASS, (u64)scratch, 0) \
	M(ldtr_read, "sldt %ecx", 0, 1, I1_LDTR_RD, X_LDTR_RD, 3, PASS, 0, 0) \
	M(tr_read, "str %ecx", 0, 1, I1_TR_RD, X_TR_RD, 3, PASS, 0, 0) \
	M(idtr_write, "lidt (%rax)", 0, 1, I1_IDTR_WR, X_IDTR_WR, 3, PASS | PRIV, (u64)scratch, 0) \
	M(gdtr_write, "lgdt (%rax)", 0, 1, I1_GDTR_WR, X_GDTR_WR, 3, PASS | PRIV, (u64)scratch, 0) \
	M(ldtr_write, "lldt %cx", 0, 1, I1_LDTR_WR, X_LDTR_WR, 3, PASS | PRIV, 0, 0) \
	M(tr_write, "ltr %cx", 0, 1, I1_TR_WR, X_TR_WR, 3, PASS | PRIV, 0, SEL_TSS) \
	M(rdtsc, "rdtsc", 0, 1, I1_RDTSC, X_RDTSC, 2, PASS | ANYCPL, 0, 0) \
	M(rdpmc, "rdpmc", 0, 1, I1_RDPMC, X_RDPMC, 2, 0, 0, 0) \
	M(pushf, "pushfq", 0, 1, I1_PUSHF, X_PUSHF, 1, PASS | ANYCPL, 0, 0) \
	M(popf, "popfq", 0, 1, I1_POPF, X_POPF, 1, PASS | ANYCPL | FLAGS, 0, 0) \
	M(cpuid, "cpuid", 0, 1, I1_CPUID, X_CPUID, 2, PASS | ANYCPL, 0, 0) \
	M(iret, "iretq", 0, 1, I1_IRET, X_IRET, 2, PASS | IRET, 0, 0) \
	M(invd, "invd", 0, 1, I1_INVD, X_INVD, 2, PRIV, 0, 0) \
	M(pause, "pause", 0, 1, I1_PAUSE, X_PAUSE, 2, PASS | ANYCPL, 0, 0) \
	M(hlt, "hlt", 0, 1, I1_HLT, X_HLT, 1, PRIV, 0, 0) \
	M(invlpg, "invlpg (%rax)", 0, 1, I1_INVLPG, X_INVLPG, 3, PASS | PRIV, 0x5000, 0) \
	M(invlpga, "invlpga %rax, %ecx", 0, 1, I1_INVLPGA, X_INVLPGA, 3, PRIV, 0x5000, 1) \
	M(vmrun, "vmrun %rax", 0, 2, I2_VMRUN, X_VMRUN, 3, PRIV, (u64)l2_idt, 0) \
	M(vmmcall, "vmmcall", 0, 2, I2_VMMCALL, X_VMMCALL, 3, ANYCPL, 0, 0) \
	M(vmload, "vmload %rax", 0, 2, I2_VMLOAD, X_VMLOAD, 3, PRIV, (u64)l2_idt, 0) \
	M(vmsave, "vmsave %rax", 0, 2, I2_VMSAVE, X_VMSAVE, 3, PRIV, (u64)l2_idt, 0) \
	M(stgi, "stgi", 0, 2, I2_STGI, X_STGI, 3, PRIV, 0, 0) \
	M(clgi, "clgi", 0, 2, I2_CLGI, X_CLGI, 3, PRIV, 0, 0) \
	M(rdtscp, "rdtscp", F_RDTSCP, 2, I2_RDTSCP, X_RDTSCP, 3, PASS | ANYCPL, 0, 0) \
	M(wbinvd, "wbinvd", 0, 2, I2_WBINVD, X_WBINVD, 2, PASS | PRIV, 0, 0) \
	M(monitor, "monitor", F_MONITOR, 2, I2_MONITOR, X_MONITOR, 3, PASS | PRIV | UD3, (u64)scratch, 0) \
	M(mwait, "mwait", F_MONITOR, 2, I2_MWAIT, X_MWAIT, 3, PRIV | UD3, 0, 0) \
	M(xsetbv, "xsetbv", F_XSAVE, 2, I2_XSETBV, X_XSETBV, 3, PASS | OSXS, 1, 0)

#define DEF(name, text, ...) L2_ASM(ic_##name, text);
ROWS(DEF)
#undef DEF

static u64 l2_gdt[12];
struct ptr { u16 pad[3], limit; u64 base; } __packed;
static struct ptr table_reg __aligned(8);

static void prepare(struct l2 *l2, const struct row *r)
{
	struct vmcb_save *s;
	u64 *frame;

	l2_init_at(l2, r->code);
	s = &l2->vmcb->s;
	s->rax = r->rax;
	l2->rcx = r->rcx;
	l2->rdx = 0;
	/* A GDT of its own with a TSS that is not busy; LGDT and LIDT reload it. */
	memcpy(l2_gdt, (void *)s->gdtr.base, sizeof(l2_gdt));
	l2_gdt[SEL_TSS / 8] &= ~BIT(41);
	s->gdtr.base = (u64)l2_gdt;
	s->gdtr.limit = sizeof(l2_gdt) - 1;
	if (r->exit == X_GDTR_WR || r->exit == X_IDTR_WR) {
		table_reg.limit = r->exit == X_GDTR_WR ? sizeof(l2_gdt) - 1 : 4095;
		table_reg.base = r->exit == X_GDTR_WR ? (u64)l2_gdt : (u64)l2_idt;
		s->rax = (u64)&table_reg.limit;
	}
	if (r->flags & OSXS)
		s->cr4 |= CR4_OSXSAVE;
	s->rsp -= 64;
	frame = (u64 *)s->rsp;
	if (r->flags & FLAGS)
		frame[0] = 2 | FL_CF;
	if (r->flags & IRET) {
		frame[0] = (u64)r->end;
		frame[1] = SEL_CS;
		frame[2] = 2;
		frame[3] = s->rsp + 40;
		frame[4] = SEL_DS;
	}
}

static void set_intercept(struct l2 *l2, const struct row *r, bool on)
{
	u32 *w = r->word == 1 ? &l2->vmcb->c.misc1 : &l2->vmcb->c.misc2;

	*w = (*w & ~(1u << r->bit)) | (u32)on << r->bit;
}

static void expect_untouched(struct l2 *l2, const struct row *r, u64 rax, u64 rsp)
{
	if (!l2_expect(l2, r->exit))
		return;
	CHECK_EQ(l2->vmcb->s.rip, r->code);
	CHECK_EQ(l2->vmcb->s.rax, rax);
	CHECK_EQ(l2->vmcb->s.rsp, rsp);
	CHECK_EQ(l2->vmcb->s.rflags, 2);
	CHECK_EQ(l2->rcx, r->rcx);
	CHECK_EQ(l2->rdx, 0);
	CHECK_EQ(l2->vmcb->c.exitintinfo & EV_VALID, 0);
	check_nrip(l2, r->len);
	if (r->exit == X_INVLPG && cpu_features & F_DECODE)
		CHECK_EQ(l2->vmcb->c.exitinfo1, r->rax);
}

static void intercepted(const void *arg)
{
	const struct row *r = arg;
	struct l2_frame fr;
	struct l2 l2;

	prepare(&l2, r);
	set_intercept(&l2, r, true);
	expect_untouched(&l2, r, l2.vmcb->s.rax, l2.vmcb->s.rsp);
	if (r->flags & ANYCPL) {
		prepare(&l2, r);
		l2_set_user(&l2);
		set_intercept(&l2, r, true);
		expect_untouched(&l2, r, l2.vmcb->s.rax, l2.vmcb->s.rsp);
		CHECK_EQ(l2.vmcb->s.cpl, 3);
	}
	if (r->flags & PRIV && !t_departs("cpl3")) {
		prepare(&l2, r);
		l2_set_user(&l2);
		set_intercept(&l2, r, true);
		if (l2_expect_trap(&l2, r->flags & UD3 ? V_UD : V_GP, &fr)) {
			CHECK_EQ(fr.rip, r->code);
			CHECK_EQ(fr.err, 0);
		}
	}
}

static void passed(const void *arg)
{
	const struct row *r = arg;
	struct l2 l2;

	if (!(r->flags & PASS))
		return;
	prepare(&l2, r);
	if (l2_expect_done(&l2))
		CHECK_EQ(l2.vmcb->s.rip, r->end);
}

static void both(const void *arg)
{
	intercepted(arg);
	passed(arg);
}

/* ---- those that do not fit a row ---- */

L2_ASM(ic_intn, "int $0x90");
L2_ASM(ic_icebp, ".byte 0xf1");
L2_ASM(ic_rsm, "rsm");
L2_ASM(ic_skinit, "skinit %eax");
L2_ASM(ic_armed, "monitor\n ic_armed_at: mwait");
L2_ASM(ic_int3, "int3");
L2_ASM(ic_inv_sib, "invlpg 0x10(%rax,%rcx,4)");
L2_ASM(ic_inv_rip, "invlpg ic_inv_rip(%rip)");
L2_ASM(ic_inv_a32, "invlpg (%eax)");
L2_ASM(ic_inv_fs, "invlpg %fs:(%rax)");
extern const char ic_armed_at[];

/* With decode assists EXITINFO1 is the linear address, however the operand is written. */
static void invlpg_forms(const void *arg)
{
	static const struct { const char *code; u32 len; u64 addr; } rows[] = {
		{ ic_inv_sib, 5, 0x50000501cull }, { ic_inv_rip, 7, (u64)ic_inv_rip },
		{ ic_inv_a32, 4, 0x5000 }, { ic_inv_fs, 4, 0x507005000ull },
	};
	struct l2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		l2_init_at(&l2, rows[i].code);
		l2.vmcb->s.rax = 0x500005000ull;
		l2.rcx = 3;
		l2.vmcb->s.fs.base = 0x7000000;
		l2_intercept1(&l2, I1_INVLPG);
		if (!l2_expect(&l2, X_INVLPG))
			continue;
		CHECK_EQ(l2.vmcb->s.rip, rows[i].code);
		CHECK_EQ(l2.vmcb->c.exitinfo1, rows[i].addr);
		check_nrip(&l2, rows[i].len);
	}
}

static void intn(const void *arg)
{
	struct l2_frame fr;
	struct l2 l2;

	l2_init_at(&l2, ic_intn);
	l2_intercept1(&l2, I1_INTN);
	if (l2_expect(&l2, X_INTN)) {
		CHECK_EQ(l2.vmcb->s.rip, ic_intn);
		check_nrip(&l2, 2);
		if (cpu_features & F_DECODE)
			CHECK_EQ(l2.vmcb->c.exitinfo1, 0x90);
	}
	l2_init_at(&l2, ic_intn);
	if (l2_expect_trap(&l2, 0x90, &fr))
		CHECK_EQ(fr.rip, ic_intn_end);
	/* INT3 is no INTn. */
	l2_init_at(&l2, ic_int3);
	l2_intercept1(&l2, I1_INTN);
	if (!t_departs("int3") && l2_expect_trap(&l2, V_BP, &fr))
		CHECK_EQ(fr.rip, ic_int3_end);
}

static void icebp(const void *arg)
{
	struct l2_frame fr;
	struct l2 l2;

	l2_init_at(&l2, ic_icebp);
	l2_intercept2(&l2, I2_ICEBP);
	if (l2_expect(&l2, X_ICEBP)) {
		CHECK_EQ(l2.vmcb->s.rip, ic_icebp);
		check_nrip(&l2, 1);
	}
	l2_init_at(&l2, ic_icebp);
	if (l2_expect_trap(&l2, V_DB, &fr))
		CHECK_EQ(fr.rip, ic_icebp_end);
}

/* Outside SMM the #UD and the intercept compete; either, but nothing else. */
static void rsm(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, ic_rsm);
	l2_intercept1(&l2, I1_RSM);
	l2_run(&l2);
	if (l2.vmcb->c.exitcode == X_RSM) {
		CHECK_EQ(l2.vmcb->s.rip, ic_rsm);
		return;
	}
	CHECK_EQ(l2.vmcb->c.exitcode, X_VMMCALL);
	CHECK_EQ(((struct l2_frame *)l2.vmcb->s.rsp)->vec, V_UD);
}

static void skinit(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, ic_skinit);
	l2_intercept2(&l2, I2_SKINIT);
	l2_run(&l2);
	if (!(cpu_features & F_SKINIT) && l2.vmcb->c.exitcode == X_VMMCALL) {
		CHECK_EQ(((struct l2_frame *)l2.vmcb->s.rsp)->vec, V_UD);
		return;
	}
	CHECK_EQ(l2.vmcb->c.exitcode, X_SKINIT);
	CHECK_EQ(l2.vmcb->s.rip, ic_skinit);
	check_nrip(&l2, 3);
}

static void mwait_armed(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, ic_armed);
	l2.vmcb->s.rax = (u64)scratch;
	l2_intercept2(&l2, I2_MWAIT_ARMED);
	if (l2_expect(&l2, X_MWAIT_COND))
		CHECK_EQ(l2.vmcb->s.rip, ic_armed_at);
}

/* The third fault of a triple fault, with SHUTDOWN intercepted. */
static void shutdown(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, ic_int3);
	l2.vmcb->s.idtr.limit = 0;
	l2_expect(&l2, X_SHUTDOWN);
	/* The state is undefined now, but a fresh one must run. */
	l2_init_at(&l2, l2_done);
	l2_expect_done(&l2);
}

/* Without the VMMCALL intercept the instruction does not exist for L2. */
static void vmmcall_off(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, l2_done);
	l2.vmcb->c.misc2 &= ~(1u << I2_VMMCALL);
	l2.vmcb->c.exceptions = 1u << V_UD;
	if (l2_expect(&l2, X_EXC + V_UD))
		CHECK_EQ(l2.vmcb->s.rip, l2_done);
}

/* Not tried; named so that the list of intercepts is whole. */
static void not_tried(const void *arg)
{
	t_skip(arg);
}

#define DEF(n, text, need, word, bit, exit, len, flags, rax, rcx) \
	static const struct row row_##n = { ic_##n, ic_##n##_end, word, bit, exit, len, \
					    flags, rax, rcx };
ROWS(DEF)
#undef DEF

static const struct l1_test tests[] = {
#define DEF(n, text, need, ...) { #n, need, both, &row_##n },
	ROWS(DEF)
#undef DEF
	{ "invlpg_forms", F_DECODE, invlpg_forms, NULL },
	{ "intn", 0, intn, NULL },
	{ "icebp", 0, icebp, NULL },
	{ "rsm", 0, rsm, NULL },
	{ "skinit", 0, skinit, NULL },
	{ "mwait_armed", F_MONITOR, mwait_armed, NULL },
	{ "shutdown", 0, shutdown, NULL },
	{ "ferr_freeze", 0, not_tried, "needs a board with FERR# wired" },
	{ "smi", 0, not_tried, "needs a source of SMIs" },
	{ "init", 0, not_tried, "an INIT that is not intercepted would end the image" },
	{ "vmmcall_off", 0, vmmcall_off, NULL },
};

const struct test_group group_intercept = { "intercept", tests, ARRAY_SIZE(tests), false };
