// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exception intercepts: each vector that software can raise in 64-bit mode,
 * with its error code; not intercepted it reaches L2's own handler. #OF, #BR
 * and #TS belong to the 32-bit modes (test_modes.c).
 */
#include "l1.h"

#define UNMAPPED 0x180000000ull

struct exc {
	const char *code;
	u8 vec;
	bool user;
	u8 trap_len;	/* rip of a trap's frame lies this far behind the code */
	u64 err;
	u64 rax, cr0_set, cr0_clear, cr4_set, rflags;
};

/* x87 with zero-divide unmasked, SSE likewise */

L2_ASM(ex_de, "div %ecx");
L2_ASM(ex_bp, "int3");
L2_ASM(ex_ud, "ud2");
L2_ASM(ex_nm, "fnop");
L2_ASM(ex_np, "mov %ax, %fs");
L2_ASM(ex_ss, "mov (%rbp), %rcx");
L2_ASM(ex_gp, "mov (%rax), %rcx");
L2_ASM(ex_gp_sel, "mov %ax, %fs");
L2_ASM(ex_pf, "mov (%rax), %rcx");
L2_ASM(ex_pf_w, "movb $1, (%rax)");
L2_ASM(ex_mf, "fninit; fldcw fcw_open; fld1; fldz; fdivrp; ex_mf_at: fwait");
L2_ASM(ex_ac, "mov 1(%rsp), %rcx");
L2_ASM(ex_xm, "ldmxcsr mxcsr_open; pxor %xmm0, %xmm0; movss one_f, %xmm1\n"
	      "ex_xm_at: divss %xmm0, %xmm1");
L2_ASM(ex_step, "nop; nop");
L2_ASM(ex_rdmsr, "rdmsr; nop");
__asm__(".pushsection .rodata\n.globl ex_mf_at, ex_xm_at\none_f: .float 1.0\nmxcsr_open: .long 0x1d80\nfcw_open: .word 0x033b\n.popsection");
extern const char ex_mf_at[], ex_xm_at[];

static const struct exc e_de = { .code = ex_de, .vec = V_DE };
static const struct exc e_bp = { .code = ex_bp, .vec = V_BP, .trap_len = 1 };
static const struct exc e_ud = { .code = ex_ud, .vec = V_UD };
static const struct exc e_nm = { .code = ex_nm, .vec = V_NM, .cr0_set = CR0_TS };
/* The LDT is null and selector 50h lies in the GDT but is not present. */
static const struct exc e_np = { .code = ex_np, .vec = V_NP, .rax = 0x58, .err = 0x58 };
static const struct exc e_ss = { .code = ex_ss, .vec = V_SS };
static const struct exc e_gp = { .code = ex_gp, .vec = V_GP, .rax = BIT(62) };
static const struct exc e_gps = { .code = ex_gp_sel, .vec = V_GP, .rax = 0xf8, .err = 0xf8 };
static const struct exc e_pf = { .code = ex_pf, .vec = V_PF, .rax = UNMAPPED };
static const struct exc e_pfw = { .code = ex_pf_w, .vec = V_PF, .rax = UNMAPPED + 5, .err = 2 };
static const struct exc e_pfu = { .code = ex_pf, .vec = V_PF, .rax = UNMAPPED, .err = 4,
				  .user = true };
static const struct exc e_mf = { .code = ex_mf, .vec = V_MF };
static const struct exc e_ac = { .code = ex_ac, .vec = V_AC, .user = true, .cr0_set = CR0_AM,
				 .rflags = FL_AC };
static const struct exc e_xm = { .code = ex_xm, .vec = V_XM, .cr4_set = BIT(9) | BIT(10) };

static u64 gdt[16];

static void prepare(struct l2 *l2, const struct exc *e)
{
	struct vmcb_save *s;

	l2_init_at(l2, e->code);
	s = &l2->vmcb->s;
	if (e->user)
		l2_set_user(l2);
	s->rax = e->rax;
	l2->rbp = BIT(62);
	l2->rcx = 0;
	s->cr0 = (s->cr0 | e->cr0_set) & ~e->cr0_clear;
	s->cr4 |= e->cr4_set;
	s->rflags |= e->rflags;
	memset(gdt, 0, sizeof(gdt));
	memcpy(gdt, (void *)s->gdtr.base, s->gdtr.limit + 1);
	gdt[0x58 / 8] = 0x00cf13000000ffff;
	s->gdtr.base = (u64)gdt;
	s->gdtr.limit = sizeof(gdt) - 1;
}

static u64 fault_rip(const struct exc *e)
{
	if (e->vec == V_MF)
		return (u64)ex_mf_at;
	if (e->vec == V_XM)
		return (u64)ex_xm_at;
	return (u64)e->code;
}

static bool has_error(u8 vec)
{
	return vec == V_DF || (vec >= V_TS && vec <= V_PF) || vec == V_AC;
}

static void exception(const void *arg)
{
	const struct exc *e = arg;
	struct l2_frame fr;
	struct l2 l2;

	prepare(&l2, e);
	l2.vmcb->c.exceptions = 1u << e->vec;
	l2.vmcb->s.cr2 = 0x1234;
	if (l2_expect(&l2, X_EXC + e->vec)) {
		CHECK_EQ(l2.vmcb->s.rip, fault_rip(e));
		CHECK_EQ(l2.vmcb->c.exitintinfo & EV_VALID, 0);
		if (has_error(e->vec))
			CHECK_EQ(l2.vmcb->c.exitinfo1, e->err);
		if (e->vec == V_PF) {
			CHECK_EQ(l2.vmcb->c.exitinfo2, e->rax);
			if (!t_departs("cr2"))
				CHECK_EQ(l2.vmcb->s.cr2, 0x1234);
		}
		if (e->vec == V_BP)
			check_nrip(&l2, 1);
	}
	/* All other vectors intercepted: this one is L2's own. */
	prepare(&l2, e);
	l2.vmcb->c.exceptions = ~(1u << e->vec);
	if (l2_expect_trap(&l2, e->vec, &fr)) {
		CHECK_EQ(fr.rip, fault_rip(e) + e->trap_len);
		CHECK_EQ(fr.err, e->err);
		if (e->vec == V_PF)
			CHECK_EQ(l2.vmcb->s.cr2, e->rax);
	}
}

/* A single-step trap: after the instruction, DR6.BS reported. */
static void single_step(const void *arg)
{
	struct l2_frame fr;
	struct l2 l2;

	l2_init_at(&l2, ex_step);
	l2.vmcb->s.rflags |= FL_TF;
	l2.vmcb->c.exceptions = 1u << V_DB;
	if (l2_expect(&l2, X_EXC + V_DB)) {
		CHECK_EQ(l2.vmcb->s.rip, ex_step + 1);
		if (!t_departs("dr6"))
			CHECK(l2.vmcb->s.dr6 & BIT(14));
	}
	l2_init_at(&l2, ex_step);
	l2.vmcb->s.rflags |= FL_TF;
	if (l2_expect_trap(&l2, V_DB, &fr)) {
		CHECK_EQ(fr.rip, ex_step + 1);
		CHECK(l2.vmcb->s.dr6 & BIT(14));
	}
}

/* The same where a hypervisor below carries the instruction out, and the trap is its own doing. */
static void step_emulated(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, ex_rdmsr);
	l2.rcx = MSR_APIC_BASE;
	l2.vmcb->s.rflags |= FL_TF;
	l2.vmcb->s.dr6 = 0xffff0ff0;
	l2.vmcb->c.exceptions = 1u << V_DB;
	if (l2_expect(&l2, X_EXC + V_DB)) {
		CHECK_EQ(l2.vmcb->s.rip, ex_rdmsr + 2);
		if (!t_departs("dr6"))
			CHECK(l2.vmcb->s.dr6 & BIT(14));
		CHECK_EQ(l2.vmcb->c.exitinfo1, 0);
	}
}

/* #BP and then two #GPs for want of a gate: the third level is #DF. */
static void double_fault(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, ex_bp);
	l2.vmcb->s.idtr.limit = 0;
	l2.vmcb->c.exceptions = 1u << V_DF;
	if (l2_expect(&l2, X_EXC + V_DF))
		CHECK_EQ(l2.vmcb->c.exitinfo1, 0);
}

/* The first of them intercepted: what was being delivered is reported. */
static void nested_gp(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, ex_ud);
	l2.vmcb->s.idtr.limit = 0;
	l2.vmcb->c.exceptions = 1u << V_GP;
	if (!l2_expect(&l2, X_EXC + V_GP))
		return;
	CHECK_EQ(l2.vmcb->s.rip, ex_ud);
	/* The manual leaves open whether EXT is set for an exception's sake. */
	if (!t_departs("error_code"))
		CHECK_EQ(l2.vmcb->c.exitinfo1 | 1, V_UD * 8 + 3);
	CHECK_EQ(l2.vmcb->c.exitintinfo, EV_VALID | EV_EXC | V_UD);
}

/* No exception arrives on this stack: the faults are the delivery's, not SKINIT's. */
L2_ASM(ex_skinit, "skinit");

static void undeliverable(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, ex_skinit);
	l2.vmcb->s.rsp = 0x8000000000000000;
	if (l2_expect(&l2, X_SHUTDOWN))
		CHECK_EQ(l2.vmcb->s.rip, ex_skinit);
}

static const struct l1_test tests[] = {
	{ "de", 0, exception, &e_de },
	{ "bp", 0, exception, &e_bp },
	{ "ud", 0, exception, &e_ud },
	{ "nm", 0, exception, &e_nm },
	{ "np", 0, exception, &e_np },
	{ "ss", 0, exception, &e_ss },
	{ "gp", 0, exception, &e_gp },
	{ "gp_selector", 0, exception, &e_gps },
	{ "pf", 0, exception, &e_pf },
	{ "pf_write", 0, exception, &e_pfw },
	{ "pf_user", 0, exception, &e_pfu },
	{ "mf", 0, exception, &e_mf },
	{ "ac", 0, exception, &e_ac },
	{ "xm", 0, exception, &e_xm },
	{ "db", 0, single_step, NULL },
	{ "db_emulated", 0, step_emulated, NULL },
	{ "df", 0, double_fault, NULL },
	{ "nested_gp", 0, nested_gp, NULL },
	{ "undeliverable", 0, undeliverable, NULL },
};

const struct test_group group_exc = { "exc", tests, ARRAY_SIZE(tests), false };
