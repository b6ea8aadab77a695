// SPDX-License-Identifier: GPL-2.0-only
/*
 * Intercepts of control and debug register accesses: each register, both
 * directions, LMSW, CLTS, SMSW, and the selective CR0 write.
 */
#include "l1.h"

struct mov { const char *code, *end; u8 kind, reg, len, gpr; };
enum { CR_RD, CR_WR, DR_RD, DR_WR };

#define MOVES(M) \
	M(cr0_read, "mov %cr0, %rbx", CR_RD, 0, 3, 3) \
	M(cr2_read, "mov %cr2, %rbx", CR_RD, 2, 3, 3) \
	M(cr3_read, "mov %cr3, %rbx", CR_RD, 3, 3, 3) \
	M(cr4_read, "mov %cr4, %rbx", CR_RD, 4, 3, 3) \
	M(cr8_read, "mov %cr8, %rbx", CR_RD, 8, 4, 3) \
	M(cr0_read_r9, "mov %cr0, %r9", CR_RD, 0, 4, 9) \
	M(cr0_write, "mov %rbx, %cr0", CR_WR, 0, 3, 3) \
	M(cr2_write, "mov %rbx, %cr2", CR_WR, 2, 3, 3) \
	M(cr3_write, "mov %rbx, %cr3", CR_WR, 3, 3, 3) \
	M(cr4_write, "mov %rbx, %cr4", CR_WR, 4, 3, 3) \
	M(cr8_write, "mov %rbx, %cr8", CR_WR, 8, 4, 3) \
	M(cr3_write_r9, "mov %r9, %cr3", CR_WR, 3, 4, 9) \
	M(dr0_read, "mov %dr0, %rbx", DR_RD, 0, 3, 3) \
	M(dr1_read, "mov %dr1, %rbx", DR_RD, 1, 3, 3) \
	M(dr2_read, "mov %dr2, %rbx", DR_RD, 2, 3, 3) \
	M(dr3_read, "mov %dr3, %rbx", DR_RD, 3, 3, 3) \
	M(dr6_read, "mov %dr6, %rbx", DR_RD, 6, 3, 3) \
	M(dr7_read, "mov %dr7, %rbx", DR_RD, 7, 3, 3) \
	M(dr0_write, "mov %rbx, %dr0", DR_WR, 0, 3, 3) \
	M(dr1_write, "mov %rbx, %dr1", DR_WR, 1, 3, 3) \
	M(dr2_write, "mov %rbx, %dr2", DR_WR, 2, 3, 3) \
	M(dr3_write, "mov %rbx, %dr3", DR_WR, 3, 3, 3) \
	M(dr6_write, "mov %rbx, %dr6", DR_WR, 6, 3, 3) \
	M(dr7_write, "mov %rbx, %dr7", DR_WR, 7, 3, 3)

#define DEF(n, text, ...) L2_ASM(mv_##n, text);
MOVES(DEF)
#undef DEF
L2_ASM(mv_clts, "clts");
L2_ASM(mv_lmsw, "lmsw %bx");
L2_ASM(mv_lmsw_sib, "lmsw 8(%rbx,%rcx,4)");
L2_ASM(mv_lmsw_rip, "lmsw cr_word(%rip)");
L2_ASM(mv_smsw, "smsw %ebx");
L2_ASM(mv_smsw16, "smsw %bx");
L2_ASM(mv_smsw64, "smsw %rbx");
L2_ASM(mv_smsw_mem, "smsw (%rbx)");
L2_ASM(mv_lmsw_mem, "lmsw (%rbx)");

static u64 value(const struct l2 *l2, const struct mov *m)
{
	switch (m->kind) {
	case CR_RD:
	case CR_WR:
		return m->reg == 0 ? l2->vmcb->s.cr0 : m->reg == 3 ? l2->vmcb->s.cr3 :
		       m->reg == 4 ? l2->vmcb->s.cr4 : m->reg == 2 ? 0x7000 : 5;
	default:
		return m->reg == 6 ? l2->vmcb->s.dr6 : m->reg == 7 ? l2->vmcb->s.dr7 : 0x6000;
	}
}

static void prepare(struct l2 *l2, const struct mov *m)
{
	l2_init_at(l2, m->code);
	l2->rbx = value(l2, m);
	l2->r9 = l2->rbx;
	if (m->kind == CR_RD || m->kind == DR_RD) {
		l2->rbx = 0xdead;
		l2->r9 = 0xdead;
	}
}

static void arm(struct vmcb_control *c, const struct mov *m, bool only)
{
	u16 bits = only ? 1u << m->reg : 0xffff & ~(1u << m->reg);

	c->cr_read = m->kind == CR_RD ? bits : 0;
	c->cr_write = m->kind == CR_WR ? bits : 0;
	c->dr_read = m->kind == DR_RD ? bits : 0;
	c->dr_write = m->kind == DR_WR ? bits : 0;
}

static void move(const void *arg)
{
	static const u16 base[] = { X_CR_RD, X_CR_WR, X_DR_RD, X_DR_WR };
	const struct mov *m = arg;
	struct l2_frame fr;
	struct l2 l2;
	u64 before;

	prepare(&l2, m);
	arm(&l2.vmcb->c, m, true);
	before = l2.rbx;
	if (l2_expect(&l2, base[m->kind] + m->reg)) {
		CHECK_EQ(l2.vmcb->s.rip, m->code);
		CHECK_EQ(l2.rbx, before);
		check_nrip(&l2, m->len);
		if (cpu_features & F_DECODE)
			CHECK_EQ(l2.vmcb->c.exitinfo1,
				 m->gpr | (m->kind <= CR_WR ? 1ull << 63 : 0));
	}
	/* Every other register's bit set: this one passes. */
	prepare(&l2, m);
	arm(&l2.vmcb->c, m, false);
	if (l2_expect_done(&l2)) {
		CHECK_EQ(l2.vmcb->s.rip, m->end);
		if (m->kind == CR_RD && m->reg != 2 && m->reg != 8)
			CHECK_EQ(m->gpr == 3 ? l2.rbx : l2.r9, value(&l2, m));
		if (m->kind == CR_WR && m->reg == 2)
			CHECK_EQ(l2.vmcb->s.cr2, 0x7000);
		if (m->kind == CR_WR && m->reg == 8)
			CHECK_EQ(l2.vmcb->c.int_ctl & 0xff, 5);
	}
	/* The #GP of CPL 3 comes first. */
	prepare(&l2, m);
	l2_set_user(&l2);
	arm(&l2.vmcb->c, m, true);
	if (l2_expect_trap(&l2, V_GP, &fr))
		CHECK_EQ(fr.rip, m->code);
}

static void clts(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, mv_clts);
	l2.vmcb->s.cr0 |= CR0_TS;
	l2.vmcb->c.cr_write = 1;
	if (l2_expect(&l2, X_CR_WR)) {
		CHECK_EQ(l2.vmcb->s.rip, mv_clts);
		CHECK(l2.vmcb->s.cr0 & CR0_TS);
		check_nrip(&l2, 2);
		if (cpu_features & F_DECODE)
			CHECK_EQ(l2.vmcb->c.exitinfo1 >> 63, 0);
	}
	l2.vmcb->c.cr_write = 0;
	if (l2_expect_done(&l2))
		CHECK_EQ(l2.vmcb->s.cr0 & CR0_TS, 0);
}

static void lmsw(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, mv_lmsw);
	l2.rbx = (l2.vmcb->s.cr0 & 0xf) | CR0_TS;
	l2.vmcb->c.cr_write = 1;
	if (l2_expect(&l2, X_CR_WR)) {
		CHECK_EQ(l2.vmcb->s.rip, mv_lmsw);
		check_nrip(&l2, 3);
		if (cpu_features & F_DECODE)
			CHECK_EQ(l2.vmcb->c.exitinfo1 >> 63, 0);
	}
	l2.vmcb->c.cr_write = 0;
	if (l2_expect_done(&l2))
		CHECK(l2.vmcb->s.cr0 & CR0_TS);
}

static void smsw(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, mv_smsw);
	l2.vmcb->c.cr_read = 1;
	if (l2_expect(&l2, X_CR_RD)) {
		CHECK_EQ(l2.vmcb->s.rip, mv_smsw);
		check_nrip(&l2, 3);
	}
}

/* Caching is off: a hypervisor that does not give L2 that has to intercept reads of CR0. */
static void smsw_sizes(const void *arg)
{
	static u64 word;
	struct l2 l2;
	u64 cr0;

	l2_init_at(&l2, mv_smsw16);
	cr0 = l2.vmcb->s.cr0 |= CR0_CD | CR0_NW;
	l2.rbx = 0x1122334455667788;
	if (l2_expect_done(&l2))
		CHECK_EQ(l2.rbx, 0x1122334455660000 | (u16)cr0);
	l2_init_at(&l2, mv_smsw);
	l2.vmcb->s.cr0 = cr0;
	l2.rbx = ~0ull;
	if (l2_expect_done(&l2))
		CHECK_EQ(l2.rbx, cr0);
	l2_init_at(&l2, mv_smsw64);
	l2.vmcb->s.cr0 = cr0;
	l2.rbx = ~0ull;
	if (l2_expect_done(&l2))
		CHECK_EQ(l2.rbx, cr0);
	word = 0x1122334455667788;
	l2_init_at(&l2, mv_smsw_mem);
	l2.vmcb->s.cr0 = cr0;
	l2.rbx = (u64)&word;
	if (l2_expect_done(&l2))
		CHECK_EQ(word, 0x1122334455660000 | (u16)cr0);
}

static void lmsw_mem(const void *arg)
{
	static u16 word;
	struct l2 l2;
	u64 cr0;

	l2_init_at(&l2, mv_lmsw_mem);
	cr0 = l2.vmcb->s.cr0;
	/* PE cannot be cleared, the rest of the word is ignored. */
	word = 0xfff0 | (CR0_TS | (~cr0 & CR0_EM));
	l2.rbx = (u64)&word;
	if (l2_expect_done(&l2))
		CHECK_EQ(l2.vmcb->s.cr0, (cr0 & ~0xeull) | (word & 0xe));
}

struct sel { const char *code; u64 flip; bool exits; };

/* The selective write exits for changes beyond TS and MP. */
static void cr0_selective(const void *arg)
{
	const struct sel *s = arg;
	struct l2 l2;

	l2_init_at(&l2, s->code);
	l2.rbx = l2.vmcb->s.cr0 ^ s->flip;
	l2_intercept1(&l2, I1_CR0_SEL);
	if (!s->exits) {
		if (l2_expect_done(&l2))
			CHECK_EQ(l2.vmcb->s.cr0, l2.rbx);
		return;
	}
	if (l2_expect(&l2, X_CR0_SEL)) {
		CHECK_EQ(l2.vmcb->s.rip, s->code);
		CHECK_EQ(l2.vmcb->s.cr0, l2.rbx ^ s->flip);
	}
}

/* LMSW from memory: what it changes depends on what is there, wherever that is. */
u16 cr_word;

static void cr0_selective_mem(const void *arg)
{
	static const char *const code[] = { mv_lmsw_sib, mv_lmsw_rip };
	struct l2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(code); i++) {
		l2_init_at(&l2, code[i]);
		cr_word = l2.vmcb->s.cr0 ^ CR0_EM;
		l2.rcx = 5;
		l2.rbx = (u64)&cr_word - 8 - 4 * l2.rcx;
		l2_intercept1(&l2, I1_CR0_SEL);
		if (l2_expect(&l2, X_CR0_SEL)) {
			CHECK_EQ(l2.vmcb->s.rip, code[i]);
			CHECK_EQ(l2.vmcb->s.cr0 & 0xf, (cr_word ^ CR0_EM) & 0xf);
		}
		/* TS and MP alone: no exit, and it is done. */
		cr_word ^= CR0_EM | CR0_TS | CR0_MP;
		if (l2_expect_done(&l2))
			CHECK_EQ(l2.vmcb->s.cr0 & 0xf, cr_word & 0xf);
	}
	/* What cannot be read: the page fault or the exit, and CR0 as it was. */
	l2_init_at(&l2, mv_lmsw_sib);
	l2.rbx = 0x180000000ull;
	l2.rcx = 0;
	l2_intercept1(&l2, I1_CR0_SEL);
	l2_run(&l2);
	CHECK(l2.vmcb->c.exitcode == X_CR0_SEL ||
	      (l2.vmcb->c.exitcode == X_VMMCALL && ((struct l2_frame *)l2.vmcb->s.rsp)->vec == V_PF));
}

/* Both intercepts: the plain one has priority. */
static void cr0_both(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, mv_cr0_write);
	l2.rbx = l2.vmcb->s.cr0 ^ CR0_AM;
	l2_intercept1(&l2, I1_CR0_SEL);
	l2.vmcb->c.cr_write = 1;
	l2_expect(&l2, X_CR_WR);
}

/* CR8 in L2 is V_TPR with V_INTR_MASKING, never the host's. */
static void cr8_is_virtual(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, mv_cr8_write);
	l2.rbx = 9;
	write_cr8(3);
	if (l2_expect_done(&l2)) {
		CHECK_EQ(l2.vmcb->c.int_ctl & 0xff, 9);
		CHECK_EQ(read_cr8(), 3);
	}
	l2_init_at(&l2, mv_cr8_read);
	l2.vmcb->c.int_ctl |= V_TPR(6);
	if (l2_expect_done(&l2))
		CHECK_EQ(l2.rbx, 6);
	CHECK_EQ(read_cr8(), 3);
	write_cr8(0);
}

/* Without V_INTR_MASKING L2's CR8 is the real TPR, of L1. */
static void cr8_is_physical(const void *arg)
{
	struct l2 l2;

	write_cr8(2);
	l2_init_at(&l2, mv_cr8_read);
	l2.vmcb->c.int_ctl = V_TPR(6);
	if (l2_expect_done(&l2))
		CHECK_EQ(l2.rbx, 2);
	l2_init_at(&l2, mv_cr8_write);
	l2.vmcb->c.int_ctl = 0;
	l2.rbx = 4;
	if (l2_expect_done(&l2))
		CHECK_EQ(read_cr8(), 4);
	write_cr8(0);
}

/* DR6 and DR7 travel through the VMCB; the host's are its own again after. */
static void dr_switch(const void *arg)
{
	u64 dr7;
	struct l2 l2;

	l2_init_at(&l2, mv_dr7_write);
	l2.rbx = 0x455;
	if (l2_expect_done(&l2))
		CHECK_EQ(l2.vmcb->s.dr7, 0x455);
	__asm__ volatile("mov %%dr7, %0" : "=r"(dr7));
	CHECK_EQ(dr7, 0x400);
	l2_init_at(&l2, mv_dr6_read);
	l2.vmcb->s.dr6 = 0xffff0ff3;
	if (l2_expect_done(&l2))
		CHECK_EQ(l2.rbx, 0xffff0ff3);
}

/* Values that MOV to CR refuses: #GP in L2, no exit, nothing changed. */
struct illegal { const char *code; u64 set, clear; };

static void illegal(const void *arg)
{
	const struct illegal *g = arg;
	struct l2_frame fr;
	struct l2 l2;
	bool cr4 = g->code == mv_cr4_write;
	u64 old;

	l2_init_at(&l2, g->code);
	old = cr4 ? l2.vmcb->s.cr4 : l2.vmcb->s.cr0;
	l2.rbx = (old | g->set) & ~g->clear;
	if (l2_expect_trap(&l2, V_GP, &fr)) {
		CHECK_EQ(fr.rip, g->code);
		CHECK_EQ(fr.err, 0);
	}
	CHECK_EQ(cr4 ? l2.vmcb->s.cr4 : l2.vmcb->s.cr0, old);
}

static const struct illegal g_pg_no_pe = { mv_cr0_write, 0, CR0_PE };
static const struct illegal g_nw_no_cd = { mv_cr0_write, CR0_NW, 0 };
static const struct illegal g_cr0_high = { mv_cr0_write, BIT(32), 0 };
static const struct illegal g_cr4_high = { mv_cr4_write, BIT(40), 0 };
static const struct illegal g_no_pae = { mv_cr4_write, 0, CR4_PAE };

#define DEF(n, text, kind, reg, len, gpr) \
	static const struct mov m_##n = { mv_##n, mv_##n##_end, kind, reg, len, gpr };
MOVES(DEF)
#undef DEF
static const struct sel sel_ts = { mv_cr0_write, CR0_TS, false };
static const struct sel sel_mp = { mv_cr0_write, CR0_MP, false };
static const struct sel sel_same = { mv_cr0_write, 0, false };
static const struct sel sel_am = { mv_cr0_write, CR0_AM, true };
static const struct sel sel_wp = { mv_cr0_write, CR0_WP, true };
static const struct sel sel_cd = { mv_cr0_write, CR0_CD, true };
static const struct sel sel_lmsw = { mv_lmsw, CR0_EM, true };

static const struct l1_test tests[] = {
#define DEF(n, ...) { #n, 0, move, &m_##n },
	MOVES(DEF)
#undef DEF
	{ "clts", 0, clts, NULL },
	{ "lmsw", 0, lmsw, NULL },
	{ "smsw", 0, smsw, NULL },
	{ "smsw_sizes", 0, smsw_sizes, NULL },
	{ "lmsw_mem", 0, lmsw_mem, NULL },
	{ "cr0_sel_ts", 0, cr0_selective, &sel_ts },
	{ "cr0_sel_mp", 0, cr0_selective, &sel_mp },
	{ "cr0_sel_same", 0, cr0_selective, &sel_same },
	{ "cr0_sel_am", 0, cr0_selective, &sel_am },
	{ "cr0_sel_wp", 0, cr0_selective, &sel_wp },
	{ "cr0_sel_cd", 0, cr0_selective, &sel_cd },
	{ "cr0_sel_lmsw", 0, cr0_selective, &sel_lmsw },
	{ "cr0_sel_lmsw_mem", 0, cr0_selective_mem, NULL },
	{ "cr0_sel_and_write", 0, cr0_both, NULL },
	{ "cr8_virtual", 0, cr8_is_virtual, NULL },
	{ "cr8_physical", 0, cr8_is_physical, NULL },
	{ "cr0_pg_no_pe", 0, illegal, &g_pg_no_pe },
	{ "cr0_nw_no_cd", 0, illegal, &g_nw_no_cd },
	{ "cr0_high", 0, illegal, &g_cr0_high },
	{ "cr4_high", 0, illegal, &g_cr4_high },
	{ "cr4_no_pae", 0, illegal, &g_no_pae },
	{ "dr_switch", 0, dr_switch, NULL },
};

const struct test_group group_crdr = { "crdr", tests, ARRAY_SIZE(tests), false };
