// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exceptions of L2: the exception bitmap, page-fault mask and match, what the exit
 * tells; not intercepted they reach L2's own handler (SDM volume 3, "Other
 * Causes of VM Exits", "Information for VM Exits Due to Vectored Events"). The code
 * that raises them is test_exc.c's, where AMD-V has the same cases.
 */
#include "vmx/vmx.h"

#define UNMAPPED 0x180000000ull

extern const char ex_de[], ex_bp[], ex_ud[], ex_nm[], ex_np[], ex_ss[], ex_gp[], ex_gp_sel[],
	ex_pf[], ex_pf_w[], ex_mf[], ex_mf_at[], ex_ac[], ex_xm[], ex_xm_at[];
VL2_ASM(e_step, "nop; nop");
VL2_ASM(e_rdmsr, "rdmsr; nop");
VL2_ASM(e_movs, "movsl; nop");
VL2_ASM(e_icebp, ".byte 0xf1; nop");
VL2_ASM(e_watch, "movb $1,(%rbx); nop");
VL2_ASM(e_intn, "int $0x90");

struct exc {
	const char *code, *at;
	u8 vec;
	bool user;
	u8 trap_len;		/* the frame's RIP lies this far behind the code */
	u64 err;
	u64 rax, cr0_set, cr4_set, rflags;
};

static const struct exc x_de = { .code = ex_de, .vec = V_DE };
static const struct exc x_bp = { .code = ex_bp, .vec = V_BP, .trap_len = 1 };
static const struct exc x_ud = { .code = ex_ud, .vec = V_UD };
static const struct exc x_nm = { .code = ex_nm, .vec = V_NM, .cr0_set = CR0_TS };
/* Selector 58h lies in the GDT but is not present. */
static const struct exc x_np = { .code = ex_np, .vec = V_NP, .rax = 0x58, .err = 0x58 };
static const struct exc x_ss = { .code = ex_ss, .vec = V_SS };
static const struct exc x_gp = { .code = ex_gp, .vec = V_GP, .rax = BIT(62) };
static const struct exc x_gps = { .code = ex_gp_sel, .vec = V_GP, .rax = 0xf8, .err = 0xf8 };
static const struct exc x_pf = { .code = ex_pf, .vec = V_PF, .rax = UNMAPPED };
static const struct exc x_pfw = { .code = ex_pf_w, .vec = V_PF, .rax = UNMAPPED + 5, .err = 2 };
static const struct exc x_pfu = { .code = ex_pf, .vec = V_PF, .rax = UNMAPPED, .err = 4,
				  .user = true };
static const struct exc x_mf = { .code = ex_mf, .at = ex_mf_at, .vec = V_MF };
static const struct exc x_ac = { .code = ex_ac, .vec = V_AC, .user = true, .cr0_set = CR0_AM,
				 .rflags = FL_AC };
static const struct exc x_xm = { .code = ex_xm, .at = ex_xm_at, .vec = V_XM,
				 .cr4_set = CR4_OSFXSR | BIT(10) };

static u64 gdt[16];

static void prepare(struct vl2 *l2, const struct exc *e)
{
	vl2_init_at(l2, e->code);
	if (e->user)
		vl2_set_user(l2);
	l2->rax = e->rax;
	l2->rbp = BIT(62);
	l2->rcx = 0;
	vw_set(GUEST_CR0, e->cr0_set);
	vw_set(GUEST_CR4, e->cr4_set);
	vw_set(GUEST_RFLAGS, e->rflags);
	memset(gdt, 0, sizeof(gdt));
	memcpy(gdt, (void *)vr(GUEST_GDTR_BASE), 12 * 8);
	gdt[0x58 / 8] = 0x00cf13000000ffff;
	vw(GUEST_GDTR_BASE, (u64)gdt);
	vw(GUEST_GDTR_LIMIT, sizeof(gdt) - 1);
}

static bool has_error(u8 vec)
{
	return vec == V_DF || (vec >= V_TS && vec <= V_PF) || vec == V_AC;
}

static void exception(const void *arg)
{
	const struct exc *e = arg;
	u64 at = (u64)(e->at ? e->at : e->code);
	u32 info = EV_ON | (e->vec == V_BP ? EV_SW_EXC : EV_HW_EXC) | e->vec |
		   (has_error(e->vec) ? EV_CODE : 0);
	struct l2_frame fr;
	struct vl2 l2;

	prepare(&l2, e);
	vw(CTRL_EXCEPTIONS, 1u << e->vec);
	__asm__ volatile("mov %0,%%cr2" : : "r"(0x1234ull));
	if (vl2_expect(&l2, R_EXCEPTION)) {
		CHECK_EQ(vr(GUEST_RIP), at);
		CHECK_EQ(vr(EXIT_INTR_INFO), info);
		if (has_error(e->vec))
			CHECK_EQ(vr(EXIT_INTR_ERROR), e->err);
		CHECK_EQ(vr(EXIT_QUAL), e->vec == V_PF ? e->rax : 0);
		CHECK_EQ(vr(IDT_INFO) & EV_ON, 0);
		if (e->vec == V_BP)
			CHECK_EQ(vr(EXIT_LEN), 1);
		/* The exception did not take place. */
		CHECK_EQ(read_cr2(), 0x1234);
	}
	/* All other vectors intercepted: this one is L2's own. */
	prepare(&l2, e);
	vw(CTRL_EXCEPTIONS, ~(1u << e->vec));
	if (e->vec == V_PF) {
		vw(CTRL_PF_MASK, 0);
		vw(CTRL_PF_MATCH, 0);
	}
	if (vl2_expect_trap(&l2, e->vec, &fr)) {
		CHECK_EQ(fr.rip, at + e->trap_len);
		CHECK_EQ(fr.err, e->err);
		if (e->vec == V_PF)
			CHECK_EQ(read_cr2(), e->rax);
	}
}

/* With bit 14 set a fault exits if (code & mask) == match, with bit 14 clear if not. */
static void pfec(const void *arg)
{
	static const struct { u32 mask, match; bool equal; } rows[] = {
		{ 0, 0, true }, { 0, 1, false }, { 2, 2, true }, { 2, 0, false },
		{ 1, 1, false }, { 1, 0, true }, { 0xffffffff, 2, true }, { 0xffffffff, 0, false },
		{ 0x80000000, 0, true }, { 0xffff0000, 0x10000, false },
	};
	u64 mark = mem_mark();
	struct vl2 l2;
	u32 i;

	/* A write to a page that is not there: code 2 */
	for (i = 0; i < ARRAY_SIZE(rows) * 2; i++) {
		bool bit = i & 1, exits = rows[i / 2].equal == bit;

		prepare(&l2, &x_pfw);
		vw(CTRL_EXCEPTIONS, bit ? 1u << V_PF : 0);
		vw(CTRL_PF_MASK, rows[i / 2].mask);
		vw(CTRL_PF_MATCH, rows[i / 2].match);
		if (exits)
			vl2_expect(&l2, R_EXCEPTION);
		else
			vl2_expect_trap(&l2, V_PF, NULL);
		if (t_failed())
			FAIL("bit %u mask %x match %x", bit, rows[i / 2].mask, rows[i / 2].match);
		vmcs_forget_all();
		mem_reset(mark);
	}
}

static u64 read_dr6(void)
{
	u64 v;

	__asm__ volatile("mov %%dr6,%0" : "=r"(v));
	return v;
}

static void write_dr6(u64 v)
{
	__asm__ volatile("mov %0,%%dr6" : : "r"(v));
}

/* #DB: the causes are in the qualification; DR6 and DR7 are as they were. */
static void single_step(const void *arg)
{
	struct l2_frame fr;
	struct vl2 l2;

	/* Nothing of the step is used for the first time: that is step_cold(). */
	vl2_init_at(&l2, e_step);
	vl2_expect_done(&l2);
	vl2_init_at(&l2, e_icebp);
	vl2_expect_trap(&l2, V_DB, NULL);
	vl2_init_at(&l2, e_step);
	vw_set(GUEST_RFLAGS, FL_TF);
	vw(CTRL_EXCEPTIONS, 1u << V_DB);
	write_dr6(0xffff0ff0);
	if (vl2_expect(&l2, R_EXCEPTION)) {
		CHECK_EQ(vr(EXIT_INTR_INFO), EV_ON | EV_HW_EXC | V_DB);
		CHECK_EQ(vr(EXIT_QUAL), BIT(14));
		CHECK_EQ(vr(GUEST_RIP), e_step + 1);
		CHECK_EQ(read_dr6() & 0xffff, 0x0ff0);
	}
	vl2_init_at(&l2, e_step);
	vw_set(GUEST_RFLAGS, FL_TF);
	if (vl2_expect_trap(&l2, V_DB, &fr)) {
		CHECK_EQ(fr.rip, e_step + 1);
		CHECK(read_dr6() & BIT(14));
	}
	write_dr6(0xffff0ff0);
}

/* The stepped instruction is the first of its page: whoever is below L1 may have to see to the page. */
static void single_step_cold(const void *arg)
{
	u8 *code = alloc_page();
	struct vl2 l2;

	memset(code, 0x90, 16);
	vl2_init_at(&l2, code);
	vw_set(GUEST_RFLAGS, FL_TF);
	vw(CTRL_EXCEPTIONS, 1u << V_DB);
	if (vl2_expect(&l2, R_EXCEPTION)) {
		CHECK_EQ(vr(EXIT_QUAL), BIT(14));
		CHECK_EQ(vr(GUEST_RIP), code + 1);
	}
}

static void breakpoint(const void *arg)
{
	u8 *mem = alloc_page();
	struct vl2 l2;

	__asm__ volatile("mov %0,%%dr1" : : "r"(mem));
	vl2_init_at(&l2, e_watch);
	l2.rbx = (u64)mem;
	/* DR1, data write of one byte, global */
	vw(GUEST_DR7, 0x400 | 1 << 20 | 1 << 3);
	vw(CTRL_EXCEPTIONS, 1u << V_DB);
	if (vl2_expect(&l2, R_EXCEPTION)) {
		CHECK_EQ(vr(EXIT_QUAL), BIT(1));
		CHECK_EQ(vr(GUEST_RIP), e_watch + 3);
		CHECK_EQ(mem[0], 1);
	}
	/* An execution breakpoint: before the instruction */
	__asm__ volatile("mov %0,%%dr1" : : "r"(e_step + 1));
	vl2_init_at(&l2, e_step);
	vw(GUEST_DR7, 0x400 | 1 << 3);
	vw(CTRL_EXCEPTIONS, 1u << V_DB);
	if (vl2_expect(&l2, R_EXCEPTION)) {
		CHECK_EQ(vr(EXIT_QUAL), BIT(1));
		CHECK_EQ(vr(GUEST_RIP), e_step + 1);
	}
	__asm__ volatile("mov %0,%%dr1" : : "r"(0ull));
}

/* INT1 is a privileged software exception. */
static void icebp(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, e_icebp);
	vw(CTRL_EXCEPTIONS, 1u << V_DB);
	if (vl2_expect(&l2, R_EXCEPTION)) {
		CHECK_EQ(vr(EXIT_INTR_INFO), EV_ON | EV_PRIV_SW_EXC | V_DB);
		CHECK_EQ(vr(EXIT_LEN), 1);
		CHECK_EQ(vr(GUEST_RIP), e_icebp);
	}
	vl2_init_at(&l2, e_icebp);
	vl2_expect_trap(&l2, V_DB, NULL);
	write_dr6(0xffff0ff0);
}

/* #BP and then #GPs for want of a gate: the third is #DF, the fourth a triple fault. */
static void double_fault(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, ex_bp);
	vw(GUEST_IDTR_LIMIT, 0);
	vw(CTRL_EXCEPTIONS, 1u << V_DF);
	if (vl2_expect(&l2, R_EXCEPTION)) {
		CHECK_EQ(vr(EXIT_INTR_INFO), EV_ON | EV_HW_EXC | EV_CODE | V_DF);
		CHECK_EQ(vr(EXIT_INTR_ERROR), 0);
		CHECK_EQ(vr(IDT_INFO) & EV_ON, 0);
	}
}

static void triple_fault(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, ex_bp);
	vw(GUEST_IDTR_LIMIT, 0);
	if (vl2_expect(&l2, R_TRIPLE)) {
		CHECK_EQ(vr(EXIT_QUAL), 0);
		CHECK_EQ(vr(IDT_INFO) & EV_ON, 0);
		CHECK_EQ(vr(EXIT_INTR_INFO) & EV_ON, 0);
		CHECK_EQ(vr(GUEST_ACTIVITY), ACT_ACTIVE);
	}
	/* L1 may put it right and go on. */
	vw(GUEST_IDTR_LIMIT, 4095);
	vl2_expect_trap(&l2, V_BP, NULL);
}

/* The first of them intercepted: what was being delivered is reported. */
static void nested_gp(const void *arg)
{
	static const struct { const char *code; u32 info; u8 len; u8 err; } rows[] = {
		{ ex_ud, EV_HW_EXC | V_UD, 0, V_UD * 8 + 2 },
		{ ex_bp, EV_SW_EXC | V_BP, 1, V_BP * 8 + 2 },
	};
	struct vl2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		vl2_init_at(&l2, rows[i].code);
		vw(GUEST_IDTR_LIMIT, 0);
		vw(CTRL_EXCEPTIONS, 1u << V_GP);
		if (!vl2_expect(&l2, R_EXCEPTION))
			continue;
		CHECK_EQ(vr(GUEST_RIP), rows[i].code);
		CHECK_EQ(vr(EXIT_INTR_INFO), EV_ON | EV_HW_EXC | EV_CODE | V_GP);
		/* EXT is 0 for a software exception, and the manual leaves it open for the others. */
		CHECK_EQ(vr(EXIT_INTR_ERROR) | 1, rows[i].err | 1);
		CHECK_EQ(vr(IDT_INFO), EV_ON | rows[i].info);
		if (rows[i].len)
			CHECK_EQ(vr(EXIT_LEN), rows[i].len);
	}
	vl2_init_at(&l2, e_intn);
	vw(GUEST_IDTR_LIMIT, 0x8ff);
	vw(CTRL_EXCEPTIONS, 1u << V_GP);
	if (vl2_expect(&l2, R_EXCEPTION)) {
		CHECK_EQ(vr(EXIT_INTR_ERROR), 0x90 * 8 + 2);
		CHECK_EQ(vr(IDT_INFO), EV_ON | EV_SW_INTR | 0x90);
		CHECK_EQ(vr(EXIT_LEN), 2);
	}
}

/* INT n does not exit by itself, whatever the bitmap says. */
static void intn(const void *arg)
{
	struct l2_frame fr;
	struct vl2 l2;

	vl2_init_at(&l2, e_intn);
	vw(CTRL_EXCEPTIONS, 0xffffffff);
	if (vl2_expect_trap(&l2, 0x90, &fr))
		CHECK_EQ(fr.rip, e_intn + 2);
}

/* Where a hypervisor below carries the instruction out, the exception is its own doing. */
static void step_emulated(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, e_rdmsr);
	l2.rcx = 0x1b;
	ctl_set(CTRL_PROC, PROC_MSR_BITMAPS);
	vw(CTRL_MSR_BITMAP, (u64)alloc_page());
	vw_set(GUEST_RFLAGS, FL_TF);
	vw(CTRL_EXCEPTIONS, 1u << V_DB);
	if (vl2_expect(&l2, R_EXCEPTION)) {
		CHECK_EQ(vr(EXIT_INTR_INFO), EV_ON | EV_HW_EXC | V_DB);
		CHECK_EQ(vr(EXIT_QUAL), BIT(14));
		CHECK_EQ(vr(GUEST_RIP), e_rdmsr + 2);
	}
}

/* From a device (the local APIC's version) to a page that is not there */
static void fault_emulated(const void *arg)
{
	struct l2_frame fr;
	struct vl2 l2;
	int i;

	for (i = 0; i < 2; i++) {
		vl2_init_at(&l2, e_movs);
		l2.rsi = 0xfee00030;
		l2.rdi = UNMAPPED + 4;
		vw(CTRL_EXCEPTIONS, i ? 0 : 1u << V_PF);
		if (i) {
			if (vl2_expect_trap(&l2, V_PF, &fr)) {
				CHECK_EQ(fr.err, 2);
				CHECK_EQ(fr.rip, e_movs);
			}
			continue;
		}
		if (!vl2_expect(&l2, R_EXCEPTION))
			continue;
		CHECK_EQ(vr(EXIT_INTR_INFO), EV_ON | EV_HW_EXC | EV_CODE | V_PF);
		CHECK_EQ(vr(EXIT_INTR_ERROR), 2);
		CHECK_EQ(vr(EXIT_QUAL), UNMAPPED + 4);
		CHECK_EQ(vr(GUEST_RIP), e_movs);
	}
}

static const struct l1_test tests[] = {
	{ "de", 0, exception, &x_de },
	{ "bp", 0, exception, &x_bp },
	{ "ud", 0, exception, &x_ud },
	{ "nm", 0, exception, &x_nm },
	{ "np", 0, exception, &x_np },
	{ "ss", 0, exception, &x_ss },
	{ "gp", 0, exception, &x_gp },
	{ "gp_selector", 0, exception, &x_gps },
	{ "pf", 0, exception, &x_pf },
	{ "pf_write", 0, exception, &x_pfw },
	{ "pf_user", 0, exception, &x_pfu },
	{ "mf", 0, exception, &x_mf },
	{ "ac", 0, exception, &x_ac },
	{ "xm", 0, exception, &x_xm },
	{ "pf_mask_match", 0, pfec, NULL },
	{ "db_step", 0, single_step, NULL },
	{ "db_step_emulated", VF_MSRBMP, step_emulated, NULL },
	{ "pf_emulated", 0, fault_emulated, NULL },
	{ "db_step_cold", VF_EPT, single_step_cold, NULL },
	{ "db_breakpoint", 0, breakpoint, NULL },
	{ "db_int1", 0, icebp, NULL },
	{ "df", 0, double_fault, NULL },
	{ "triple_fault", 0, triple_fault, NULL },
	{ "nested_gp", 0, nested_gp, NULL },
	{ "intn", 0, intn, NULL },
};

const struct test_group group_vmx_exc = { "vmx_exc", tests, ARRAY_SIZE(tests), false };
