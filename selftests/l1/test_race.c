// SPDX-License-Identifier: GPL-2.0-only
/*
 * Code of L2, or an operand, that another CPU changes while L2 executes it.  An exit without a register
 * or a value in it (decode assists) is decoded from the bytes that are there by then.  Whatever they are, what
 * L1 intercepts is told to L1, and has not been done.
 */
#include "l1.h"

#define ROUNDS	4000

/*
 * One of the two in a pair is at the code's first eight bytes; VMMCALL follows.  The two differ in one byte, since
 * an emulated CPU may fetch byte by byte; or what lies between them is #UD.
 */
#define RACED(name, text) L2_ASM(rc_##name, text "; .skip 8 - (. - rc_" #name "), 0x90")
RACED(from_cr0, "mov %cr0, %rbx");
RACED(to_cr0, "mov %rbx, %cr0");
RACED(to_cr0_rcx, "mov %rcx, %cr0");
RACED(from_cr8, "mov %cr8, %rdx");
RACED(to_cr8, "mov %rdx, %cr8");
RACED(to_cr4, "mov %rbx, %cr4");
RACED(smsw, "smsw %ebx");
RACED(smsw_rex, ".byte 0x44, 0x0f, 0x01, 0xe3");
RACED(lmsw_rex, ".byte 0x44, 0x0f, 0x01, 0xf3");
RACED(lmsw, "lmsw %bx");
RACED(lmsw_rcx, "lmsw %cx");
RACED(lmsw_mem, "lmsw (%rsi)");
/* E3 is JRCXZ here, not taken, and names CR4 and RBX above. */
RACED(clts, "clts; .byte 0xe3, 0x90");
RACED(from_dr7, "mov %dr7, %rbx");
RACED(to_dr7, "mov %rbx, %dr7");
RACED(outsb, "outsb");
RACED(hlt, "hlt");

enum reg { CR0, DR7 };

/*
 * @code: the two; @reg: what a write changes; @asks: where L1 asks for one, by bit @bit; @exit: how it is told
 * @rbx, @rcx: bits in which RBX and RCX differ from @reg; @set: bits of CR0 that L2 has beside
 * @may: bits of @reg that may change without an exit; @reads: RBX may not
 * @tpr, @cr4: the instruction that L1 does not ask for writes CR8, which is L1's, or CR4
 */
struct raced {
	const char *code[2];
	enum reg reg;
	u32 asks, bit;
	u64 exit, rbx, rcx, set, may;
	bool reads, tpr, cr4;
};

#define AT(f)	__builtin_offsetof(struct vmcb, c.f)
#define ALL	(~0ull)

/* Where CR0 has CD reads exit for L0 as well; writes always do. */
static const struct raced r_cr0_write = {
	{ rc_from_cr0, rc_to_cr0 }, CR0, AT(cr_write), 0, X_CR_WR, CR0_AM, 0, CR0_CD, 0, false, false, false };
static const struct raced r_cr0_read = {
	{ rc_from_cr0, rc_to_cr0 }, CR0, AT(cr_read), 0, X_CR_RD, CR0_AM, 0, CR0_CD, ALL, true, false, false };
static const struct raced r_dr7_write = {
	{ rc_from_dr7, rc_to_dr7 }, DR7, AT(dr_write), 7, X_DR_WR + 7, 0x55, 0, 0, 0, false, false, false };
static const struct raced r_dr7_read = {
	{ rc_from_dr7, rc_to_dr7 }, DR7, AT(dr_read), 7, X_DR_RD + 7, 0x55, 0, 0, ALL, true, false, false };
static const struct raced r_lmsw = {
	{ rc_smsw, rc_lmsw }, CR0, AT(cr_write), 0, X_CR_WR, CR0_EM, 0, CR0_CD, 0, false, false, false };
static const struct raced r_smsw = {
	{ rc_smsw, rc_lmsw }, CR0, AT(cr_read), 0, X_CR_RD, CR0_EM, 0, CR0_CD, ALL, true, false, false };
/* The other two that write CR0 and name no register, and the one that reads it, behind an exit about another. */
static const struct raced r_cr8_lmsw = {
	{ rc_to_cr8, rc_lmsw_rex }, CR0, AT(cr_write), 0, X_CR_WR, CR0_EM, 0, 0, 0, false, true, false };
static const struct raced r_cr4_clts = {
	{ rc_to_cr4, rc_clts }, CR0, AT(cr_write), 0, X_CR_WR, 0, 0, CR0_TS, 0, false, false, true };
static const struct raced r_cr8_smsw = {
	{ rc_from_cr8, rc_smsw_rex }, CR0, AT(cr_read), 0, X_CR_RD, CR0_EM, 0, 0, ALL, true, true, false };
/* Selective: whether L1 asked depends on what is written. */
static const struct raced r_sel = {
	{ rc_to_cr0, rc_to_cr0_rcx }, CR0, AT(misc1), I1_CR0_SEL, X_CR0_SEL, CR0_TS, CR0_AM, 0, CR0_TS, false, false, false };
static const struct raced r_sel_lmsw = {
	{ rc_lmsw, rc_lmsw_rcx }, CR0, AT(misc1), I1_CR0_SEL, X_CR0_SEL, CR0_TS, CR0_EM, 0, CR0_TS, false, false, false };
static const struct raced r_sel_operand = {
	{ rc_lmsw_mem, rc_lmsw_mem }, CR0, AT(misc1), I1_CR0_SEL, X_CR0_SEL, CR0_TS, CR0_EM, 0, CR0_TS, false, false, false };
/* What L0 emulates for a port is no other instruction. */
static const struct raced r_port = {
	{ rc_outsb, rc_hlt }, CR0, AT(misc1), I1_HLT, X_HLT, CR0_EM, 0, 0, ALL, true, false, false };

static u64 reg_of(const struct l2 *l2, enum reg reg)
{
	return reg == CR0 ? l2->vmcb->s.cr0 : l2->vmcb->s.dr7;
}

static u64 *raced_code(const struct raced *r)
{
	u64 *code = alloc_page();

	code[0] = *(const u64 *)r->code[0];
	memcpy(code + 1, l2_done, 3);
	return code;
}

static void prepare(struct l2 *l2, const struct raced *r, const void *code)
{
	struct vmcb *v;
	u64 old;

	l2_init_at(l2, code);
	v = l2->vmcb;
	v->s.cr0 = (v->s.cr0 & ~(CR0_TS | CR0_EM)) | r->set;
	*(u32 *)((u8 *)&v->c + (r->asks & ~3u)) |= 1u << (r->bit + 8 * (r->asks & 3));
	if (r->tpr)
		v->c.int_ctl = 0;
	old = reg_of(l2, r->reg);
	l2->rbx = r->cr4 ? v->s.cr4 : old ^ r->rbx;
	l2->rcx = old ^ r->rcx;
	l2->rdx = 0x80;
}

/* Both bytes of code and of the operand, whichever the two differ in. */
static void start(const struct raced *r, u64 *code, u64 *operand, const struct l2 *l2)
{
	operand[0] = l2->rbx;
	if (r->code[0] == r->code[1])
		flip_start(operand, l2->rbx, l2->rcx);
	else
		flip_start(code, *(const u64 *)r->code[0], *(const u64 *)r->code[1]);
}

static bool torn(const struct l2 *l2)
{
	return l2->vmcb->c.exitcode == X_VMMCALL && l2->vmcb->s.rip == (u64)l2_trap_vmmcall &&
	       ((const struct l2_frame *)l2->vmcb->s.rsp)->vec == V_UD;
}

static void race(const void *arg)
{
	const struct raced *r = arg;
	struct vmcb *good = alloc_page();
	u64 *code = raced_code(r), *operand = alloc_page();
	u32 i, told = 0;
	struct l2 l2;
	u64 old, rbx, rcx;

	prepare(&l2, r, code);
	*good = *l2.vmcb;
	old = reg_of(&l2, r->reg);
	rbx = l2.rbx;
	rcx = l2.rcx;
	start(r, code, operand, &l2);
	for (i = 0; i < ROUNDS && time_left(i) && !t_failed(); i++) {
		u64 exit;

		l2.vmcb->s = good->s;
		l2.rbx = rbx;
		l2.rcx = rcx;
		/* The port, or a task priority that holds nothing back. */
		l2.rdx = r->tpr ? 0 : 0x80;
		l2.rsi = (u64)operand;
		vmrun_asm(&l2);
		exit = l2.vmcb->c.exitcode;
		if (exit == r->exit && l2.vmcb->s.rip == (u64)code) {
			told++;
			CHECK_EQ(reg_of(&l2, r->reg), old);
			CHECK_EQ(l2.rbx, rbx);
		} else if (exit == X_VMMCALL && l2.vmcb->s.rip == (u64)(code + 1)) {
			CHECK_EQ((reg_of(&l2, r->reg) ^ old) & ~r->may, 0);
			if (r->reads)
				CHECK_EQ(l2.rbx, rbx);
		} else if (!r->tpr || !torn(&l2)) {
			FAIL("round %u: exit %llx at %llx", i, exit, l2.vmcb->s.rip);
		}
	}
	flip_stop();
	if (!t_failed())
		say("#   %u of %u were told\n", told, i);
}

static const struct l1_test tests[] = {
	{ "cr0_write", F_SMP2, race, &r_cr0_write },
	{ "cr0_read", F_SMP2, race, &r_cr0_read },
	{ "dr7_write", F_SMP2, race, &r_dr7_write },
	{ "dr7_read", F_SMP2, race, &r_dr7_read },
	{ "lmsw", F_SMP2, race, &r_lmsw },
	{ "smsw", F_SMP2, race, &r_smsw },
	{ "cr8_lmsw", F_SMP2, race, &r_cr8_lmsw },
	{ "cr4_clts", F_SMP2, race, &r_cr4_clts },
	{ "cr8_smsw", F_SMP2, race, &r_cr8_smsw },
	{ "selective", F_SMP2, race, &r_sel },
	{ "selective_lmsw", F_SMP2, race, &r_sel_lmsw },
	{ "selective_operand", F_SMP2, race, &r_sel_operand },
	{ "port", F_SMP2, race, &r_port },
};

const struct test_group group_race = { "race", tests, ARRAY_SIZE(tests), false };
