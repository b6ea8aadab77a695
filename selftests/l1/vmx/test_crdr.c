// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control and debug registers in L2: guest/host masks and read shadows, CR3
 * targets, CLTS, LMSW, SMSW, CR8, MOV DR (SDM volume 3, "Changes to Instruction
 * Behavior in VMX Non-Root Operation", "Exit Qualification for Control-Register Accesses").
 */
#include "vmx/vmx.h"

VL2_ASM(c_to_cr0, "mov %rdi,%cr0");
VL2_ASM(c_from_cr0, "mov %cr0,%rdi");
VL2_ASM(c_to_cr0_r9, "mov %r9,%cr0");
VL2_ASM(c_to_cr3, "mov %rsi,%cr3");
VL2_ASM(c_from_cr3, "mov %cr3,%r12");
VL2_ASM(c_to_cr4, "mov %rdx,%cr4");
VL2_ASM(c_from_cr4, "mov %cr4,%rdi");
VL2_ASM(c_to_cr8, "mov %r10,%cr8");
VL2_ASM(c_from_cr8, "mov %cr8,%r15");
VL2_ASM(c_clts, "clts");
VL2_ASM(c_lmsw, "lmsw %ax");
VL2_ASM(c_lmsw_mem, "lmsw 4(%rbx)");
VL2_ASM(c_smsw, "smsw %edi");
VL2_ASM(c_smsw_mem, "smsw (%rbx)");
VL2_ASM(c_to_dr0, "mov %rax,%dr0");
VL2_ASM(c_to_dr3, "mov %r8,%dr3");
VL2_ASM(c_from_dr6, "mov %dr6,%rcx");
VL2_ASM(c_from_dr7, "mov %dr7,%r14");
VL2_ASM(c_to_dr7, "mov %rsp,%dr7");
VL2_ASM(c_to_dr4, "mov %rax,%dr4");

#define Q_CR(cr, type, reg) ((u64)(cr) | (type) << 4 | (reg) << 8)
#define TO	0
#define FROM	1
#define CLTS	2
#define LMSW	3

/* At CPL 3 accesses of control registers are #GP before any exit. */
static void check_cpl3(struct vl2 *l2)
{
	vl2_set_user(l2);
	vl2_expect_trap(l2, V_GP, NULL);
}

/* ---- CR0 ---- */

static void to_cr0(struct vl2 *l2, u64 mask, u64 shadow, u64 value)
{
	vl2_init_at(l2, c_to_cr0);
	vw(CTRL_CR0_MASK, mask);
	vw(CTRL_CR0_SHADOW, shadow);
	l2->rdi = value;
}

static void cr0_mask(const void *arg)
{
	u64 cr0 = read_cr0(), bits[] = { CR0_MP, CR0_EM, CR0_TS, CR0_WP, CR0_AM, CR0_CD };
	struct vl2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		u64 b = bits[i];

		/* Owned, and the value is not the shadow's: exit, both ways. */
		to_cr0(&l2, b, cr0 & ~b, cr0 | b);
		if (vl2_expect_skip(&l2, R_CR, 3))
			CHECK_EQ(vr(EXIT_QUAL), Q_CR(0, TO, 7));
		CHECK_EQ(vr(GUEST_CR0), cr0);
		to_cr0(&l2, b, cr0 | b, cr0 & ~b);
		vl2_expect(&l2, R_CR);
		/* Owned and like the shadow: no exit, and the register keeps its own bit. */
		to_cr0(&l2, b, cr0 ^ b, cr0 ^ b);
		if (vl2_expect_done(&l2))
			CHECK_EQ(vr(GUEST_CR0) & b, cr0 & b);
		/* Not owned: written. */
		to_cr0(&l2, 0, 0, cr0 ^ b);
		if (vl2_expect_done(&l2))
			CHECK_EQ(vr(GUEST_CR0) & b, ~cr0 & b);
		vmcs_forget_all();
	}
	to_cr0(&l2, ~0ull, 0, cr0);
	check_cpl3(&l2);
	vl2_init_at(&l2, c_to_cr0_r9);
	vw(CTRL_CR0_MASK, CR0_TS);
	vw(CTRL_CR0_SHADOW, 0);
	l2.r9 = cr0 | CR0_TS;
	if (vl2_expect_skip(&l2, R_CR, 4))
		CHECK_EQ(vr(EXIT_QUAL), Q_CR(0, TO, 9));
}

static void cr0_shadow(const void *arg)
{
	u64 cr0 = read_cr0(), mask = CR0_TS | CR0_WP | CR0_CD, want;
	u32 *mem = alloc_page();
	struct vl2 l2;

	vl2_init_at(&l2, c_from_cr0);
	vw(CTRL_CR0_MASK, mask);
	vw(CTRL_CR0_SHADOW, ~cr0);
	want = (cr0 & ~mask) | (~cr0 & mask);
	if (vl2_expect_done(&l2))
		CHECK_EQ(l2.rdi, want);
	vl2_init_at(&l2, c_smsw);
	vw(CTRL_CR0_MASK, mask);
	vw(CTRL_CR0_SHADOW, ~cr0);
	if (vl2_expect_done(&l2))
		CHECK_EQ(l2.rdi & 0xffff, want & 0xffff);
	vl2_init_at(&l2, c_smsw_mem);
	vw(CTRL_CR0_MASK, mask);
	vw(CTRL_CR0_SHADOW, ~cr0);
	l2.rbx = (u64)mem;
	if (vl2_expect_done(&l2))
		CHECK_EQ(mem[0], want & 0xffff);
}

/* Fixed bits cannot be changed although nobody owns them. */
static void cr0_fixed(const void *arg)
{
	u64 cr0 = read_cr0();
	struct vl2 l2;

	to_cr0(&l2, 0, 0, cr0 & ~CR0_NE);
	vl2_expect_trap(&l2, V_GP, NULL);
	to_cr0(&l2, 0, 0, cr0 | BIT(32));
	vl2_expect_trap(&l2, V_GP, NULL);
	to_cr0(&l2, 0, 0, (cr0 | CR0_NW) & ~CR0_CD);
	vl2_expect_trap(&l2, V_GP, NULL);
	/* The #GP comes before the exit for the mask. */
	to_cr0(&l2, CR0_TS, 0, cr0 | BIT(40) | CR0_TS);
	vl2_run(&l2);
	CHECK(l2.reason == R_CR || l2.reason == R_VMCALL);
}

static void clts(const void *arg)
{
	u64 cr0 = read_cr0();
	struct vl2 l2;

	/* Owned with shadow 1: exit. */
	vl2_init_at(&l2, c_clts);
	vw(CTRL_CR0_MASK, CR0_TS);
	vw(CTRL_CR0_SHADOW, CR0_TS);
	if (vl2_expect_skip(&l2, R_CR, 2))
		CHECK_EQ(vr(EXIT_QUAL), Q_CR(0, CLTS, 0));
	/* Owned with shadow 0: nothing, TS stays. */
	vl2_init_at(&l2, c_clts);
	vw(CTRL_CR0_MASK, CR0_TS);
	vw(CTRL_CR0_SHADOW, 0);
	vw(GUEST_CR0, cr0 | CR0_TS);
	if (vl2_expect_done(&l2))
		CHECK_EQ(vr(GUEST_CR0), cr0 | CR0_TS);
	/* Not owned: cleared. */
	vl2_init_at(&l2, c_clts);
	vw(CTRL_CR0_SHADOW, CR0_TS);
	vw(GUEST_CR0, cr0 | CR0_TS);
	if (vl2_expect_done(&l2))
		CHECK_EQ(vr(GUEST_CR0), cr0 & ~CR0_TS);
	vl2_init_at(&l2, c_clts);
	vw(CTRL_CR0_MASK, CR0_TS);
	vw(CTRL_CR0_SHADOW, CR0_TS);
	check_cpl3(&l2);
}

static void lmsw(const void *arg)
{
	static const struct { u64 mask, shadow; u16 value; bool exits; } rows[] = {
		{ CR0_TS, 0, CR0_TS | 1, true },
		{ CR0_TS, CR0_TS, 1, true },
		{ CR0_TS, 0, 1, false },
		{ CR0_MP, 0, CR0_MP | 1, true },
		{ CR0_EM, CR0_EM, 1, true },
		/* PE: only setting it can exit. */
		{ CR0_PE, 0, 1, true },
		{ CR0_PE, CR0_PE, 0, false },
		{ CR0_PE, CR0_PE, 1, false },
		/* Bits beyond 3 are none of LMSW's. */
		{ ~0xfull, 0, 0xfff1, false },
		{ 0, ~0ull, 0xf, false },
	};
	struct vl2 l2;
	u16 *mem = alloc_page();
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		vl2_init_at(&l2, c_lmsw);
		vw(CTRL_CR0_MASK, rows[i].mask);
		vw(CTRL_CR0_SHADOW, rows[i].shadow);
		l2.rax = rows[i].value | 0x50000;
		if (!rows[i].exits) {
			if (!vl2_expect_done(&l2))
				FAIL("row %u", i);
		} else if (vl2_expect_skip(&l2, R_CR, 3)) {
			CHECK_EQ(vr(EXIT_QUAL) & 0xffff007full, Q_CR(0, LMSW, 0) |
				 (u64)rows[i].value << 16);
		} else {
			FAIL("row %u", i);
		}
		vmcs_forget_all();
	}
	vl2_init_at(&l2, c_lmsw_mem);
	vw(CTRL_CR0_MASK, CR0_TS);
	l2.rbx = (u64)mem;
	mem[2] = CR0_TS | 1;
	if (vl2_expect_skip(&l2, R_CR, 4)) {
		CHECK_EQ(vr(EXIT_QUAL) & 0xffff007full, Q_CR(0, LMSW, 0) | BIT(6) |
			 (CR0_TS | 1) << 16);
		CHECK_EQ(vr(GUEST_LINEAR), &mem[2]);
	}
}

/* ---- CR3 ---- */

static void cr3_exiting(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, c_to_cr3);
	ctl_set(CTRL_PROC, PROC_CR3_LOAD);
	l2.rsi = vr(GUEST_CR3);
	if (vl2_expect_skip(&l2, R_CR, 3))
		CHECK_EQ(vr(EXIT_QUAL), Q_CR(3, TO, 6));
	vl2_init_at(&l2, c_from_cr3);
	ctl_set(CTRL_PROC, PROC_CR3_STORE);
	if (vl2_expect_skip(&l2, R_CR, 4))
		CHECK_EQ(vr(EXIT_QUAL), Q_CR(3, FROM, 12));
	vl2_init_at(&l2, c_from_cr3);
	ctl_set(CTRL_PROC, PROC_CR3_STORE);
	check_cpl3(&l2);
}

static void cr3_not_exiting(const void *arg)
{
	u64 *root = alloc_page(), cr3;
	struct vl2 l2;

	vl2_init_at(&l2, c_to_cr3);
	ctl_clear(CTRL_PROC, PROC_CR3_LOAD | PROC_CR3_STORE);
	cr3 = vr(GUEST_CR3);
	memcpy(root, (void *)cr3, PAGE_SIZE);
	l2.rsi = (u64)root;
	if (vl2_expect_done(&l2))
		CHECK_EQ(vr(GUEST_CR3), root);
	vl2_init_at(&l2, c_from_cr3);
	ctl_clear(CTRL_PROC, PROC_CR3_LOAD | PROC_CR3_STORE);
	if (vl2_expect_done(&l2))
		CHECK_EQ(l2.r12, cr3);
}

static void cr3_targets(const void *arg)
{
	u32 max = caps.misc >> 16 & 0x1ff, i;
	struct vl2 l2;
	u64 cr3;

	if (!max) {
		t_skip("this CPU has no CR3 targets");
		return;
	}
	for (i = 0; i < max && i < 4; i++) {
		vl2_init_at(&l2, c_to_cr3);
		ctl_set(CTRL_PROC, PROC_CR3_LOAD);
		cr3 = vr(GUEST_CR3);
		l2.rsi = cr3;
		vw(CTRL_CR3_TARGET0 + 2 * i, cr3);
		/* In the list, but beyond the count */
		vw(CTRL_CR3_COUNT, i);
		vl2_expect(&l2, R_CR);
		vw(CTRL_CR3_COUNT, i + 1);
		vl2_expect_done(&l2);
		/* One bit off */
		vw(CTRL_CR3_TARGET0 + 2 * i, cr3 ^ 8);
		vw(GUEST_RIP, (u64)c_to_cr3);
		vl2_expect(&l2, R_CR);
		vmcs_forget_all();
	}
}

/* ---- CR4 ---- */

static void cr4_mask(const void *arg)
{
	u64 cr4 = read_cr4(), bits[] = { CR4_TSD, CR4_DE, CR4_PGE, CR4_PCE, CR4_OSFXSR };
	struct vl2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		u64 b = bits[i];

		vl2_init_at(&l2, c_to_cr4);
		vw(CTRL_CR4_MASK, b);
		vw(CTRL_CR4_SHADOW, cr4);
		l2.rdx = cr4 ^ b;
		if (vl2_expect_skip(&l2, R_CR, 3))
			CHECK_EQ(vr(EXIT_QUAL), Q_CR(4, TO, 2));
		vl2_init_at(&l2, c_to_cr4);
		vw(CTRL_CR4_MASK, b);
		vw(CTRL_CR4_SHADOW, cr4 ^ b);
		l2.rdx = cr4 ^ b;
		if (vl2_expect_done(&l2))
			CHECK_EQ(vr(GUEST_CR4), cr4);
		vl2_init_at(&l2, c_to_cr4);
		l2.rdx = cr4 ^ b;
		if (vl2_expect_done(&l2))
			CHECK_EQ(vr(GUEST_CR4), cr4 ^ b);
		vl2_init_at(&l2, c_from_cr4);
		vw(CTRL_CR4_MASK, b);
		vw(CTRL_CR4_SHADOW, ~cr4);
		if (vl2_expect_done(&l2))
			CHECK_EQ(l2.rdi, cr4 ^ b);
		vmcs_forget_all();
	}
}

/* The usual trick: VMXE is the host's and shown as 0. */
static void cr4_vmxe(const void *arg)
{
	u64 cr4 = read_cr4();
	struct vl2 l2;

	vl2_init_at(&l2, c_from_cr4);
	vw(CTRL_CR4_MASK, CR4_VMXE);
	vw(CTRL_CR4_SHADOW, 0);
	if (vl2_expect_done(&l2))
		CHECK_EQ(l2.rdi, cr4 & ~CR4_VMXE);
	vl2_init_at(&l2, c_to_cr4);
	vw(CTRL_CR4_MASK, CR4_VMXE);
	vw(CTRL_CR4_SHADOW, 0);
	l2.rdx = (cr4 & ~CR4_VMXE) | CR4_PCE;
	if (vl2_expect_done(&l2))
		CHECK_EQ(vr(GUEST_CR4), cr4 | CR4_PCE);
	/* Not owned: a fixed bit, #GP. */
	vl2_init_at(&l2, c_to_cr4);
	l2.rdx = cr4 & ~CR4_VMXE;
	vl2_expect_trap(&l2, V_GP, NULL);
	vl2_init_at(&l2, c_to_cr4);
	l2.rdx = cr4 | BIT(63);
	vl2_expect_trap(&l2, V_GP, NULL);
}

/* ---- CR8 ---- */

static void cr8_exiting(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, c_to_cr8);
	ctl_set(CTRL_PROC, PROC_CR8_LOAD);
	l2.r10 = 3;
	if (vl2_expect_skip(&l2, R_CR, 4))
		CHECK_EQ(vr(EXIT_QUAL), Q_CR(8, TO, 10));
	CHECK_EQ(read_cr8(), 0);
	vl2_init_at(&l2, c_from_cr8);
	ctl_set(CTRL_PROC, PROC_CR8_STORE);
	if (vl2_expect_skip(&l2, R_CR, 4))
		CHECK_EQ(vr(EXIT_QUAL), Q_CR(8, FROM, 15));
	vl2_init_at(&l2, c_to_cr8);
	ctl_set(CTRL_PROC, PROC_CR8_LOAD);
	check_cpl3(&l2);
}

/* Neither exits nor a TPR shadow: CR8 is the host's own. */
static void cr8_passed(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, c_to_cr8);
	ctl_clear(CTRL_PROC, PROC_CR8_LOAD | PROC_CR8_STORE | PROC_TPR_SHADOW);
	l2.r10 = 5;
	if (vl2_expect_done(&l2))
		CHECK_EQ(read_cr8(), 5);
	vl2_init_at(&l2, c_from_cr8);
	ctl_clear(CTRL_PROC, PROC_CR8_LOAD | PROC_CR8_STORE | PROC_TPR_SHADOW);
	if (vl2_expect_done(&l2))
		CHECK_EQ(l2.r15, 5);
	write_cr8(0);
}

/* ---- debug registers ---- */

static void mov_dr(const void *arg)
{
	static const struct { const char *code; u8 len; u64 qual; } rows[] = {
		{ c_to_dr0, 3, 0 }, { c_to_dr3, 4, 3 | 8 << 8 },
		{ c_from_dr6, 3, 6 | BIT(4) | 1 << 8 }, { c_from_dr7, 4, 7 | BIT(4) | 14 << 8 },
		{ c_to_dr7, 3, 7 | 4 << 8 }, { c_to_dr4, 3, 4 },
	};
	struct vl2 l2;
	u32 i;

	/* These exits come before #GP for CPL 3, and before #UD for DR4 with CR4.DE. */
	for (i = 0; i < ARRAY_SIZE(rows) * 2; i++) {
		vl2_init_at(&l2, rows[i / 2].code);
		ctl_set(CTRL_PROC, PROC_MOV_DR);
		if (i & 1)
			vl2_set_user(&l2);
		if (vl2_expect_skip(&l2, R_DR, rows[i / 2].len))
			CHECK_EQ(vr(EXIT_QUAL), rows[i / 2].qual);
		vmcs_forget_all();
	}
	vl2_init_at(&l2, c_to_dr4);
	vw_set(GUEST_CR4, CR4_DE);
	ctl_set(CTRL_PROC, PROC_MOV_DR);
	vl2_expect(&l2, R_DR);
}

static void mov_dr_off(const void *arg)
{
	struct vl2 l2;
	u64 dr3;

	vl2_init_at(&l2, c_to_dr0);
	ctl_clear(CTRL_PROC, PROC_MOV_DR);
	vl2_set_user(&l2);
	vl2_expect_trap(&l2, V_GP, NULL);
	vl2_init_at(&l2, c_to_dr4);
	ctl_clear(CTRL_PROC, PROC_MOV_DR);
	vw_set(GUEST_CR4, CR4_DE);
	vl2_expect_trap(&l2, V_UD, NULL);

	vl2_init_at(&l2, c_to_dr3);
	ctl_clear(CTRL_PROC, PROC_MOV_DR);
	l2.r8 = 0x123456;
	if (vl2_expect_done(&l2)) {
		/* DR0 to DR3 are not switched. */
		__asm__ volatile("mov %%dr3,%0" : "=r"(dr3));
		CHECK_EQ(dr3, 0x123456);
	}
	__asm__ volatile("mov %0,%%dr3" : : "r"(0ull));
	vl2_init_at(&l2, c_from_dr7);
	ctl_clear(CTRL_PROC, PROC_MOV_DR);
	vw(GUEST_DR7, 0x455);
	if (vl2_expect_done(&l2)) {
		CHECK_EQ(l2.r14, 0x455);
		CHECK_EQ(vr(GUEST_DR7), 0x455);
		/* The host's is 400h after every exit. */
		__asm__ volatile("mov %%dr7,%0" : "=r"(dr3));
		CHECK_EQ(dr3, 0x400);
	}
}

static const struct l1_test tests[] = {
	{ "cr0_mask", 0, cr0_mask, NULL },
	{ "cr0_shadow", 0, cr0_shadow, NULL },
	{ "cr0_fixed", 0, cr0_fixed, NULL },
	{ "clts", 0, clts, NULL },
	{ "lmsw", 0, lmsw, NULL },
	{ "cr3_exiting", 0, cr3_exiting, NULL },
	{ "cr3_not_exiting", VF_CR3, cr3_not_exiting, NULL },
	{ "cr3_targets", 0, cr3_targets, NULL },
	{ "cr4_mask", 0, cr4_mask, NULL },
	{ "cr4_vmxe", 0, cr4_vmxe, NULL },
	{ "cr8_exiting", 0, cr8_exiting, NULL },
	{ "cr8_passed", 0, cr8_passed, NULL },
	{ "mov_dr", 0, mov_dr, NULL },
	{ "mov_dr_off", 0, mov_dr_off, NULL },
};

const struct test_group group_vmx_crdr = { "vmx_crdr", tests, ARRAY_SIZE(tests), false };
