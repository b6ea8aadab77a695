// SPDX-License-Identifier: GPL-2.0-only
/*
 * Monitor trap flag, instruction by instruction (SDM volume 3, "Monitor Trap Flag"): where
 * the exit is, and that L2 sees nothing of it.
 */
#include "vmx/vmx.h"

VL2_ASM(m_flags, "nop; m_f1: pushfq; m_f2: popq %rax; m_f3: pushq $2; m_f4: popfq; m_f5: nop");
VL2_ASM(m_set_tf, "pushq $0x102; m_t1: popfq; m_t2: nop; m_t3: nop");
VL2_ASM(m_int3, "int3; nop");
VL2_ASM(m_int, "int $0x90; nop");
VL2_ASM(m_ud, "ud2; nop");
VL2_ASM(m_fault, "mov (%rbx),%eax; nop");
VL2_ASM(m_iret, "mov %rsp,%rax; push $0x10; push %rax; pushq $2; push $0x8; lea m_back(%rip),%rbx\n"
		"push %rbx; m_i1: iretq; m_back: nop");
VL2_ASM(m_rep, "rep movsb; nop");
VL2_ASM(m_rdmsr, "rdmsr; m_r1: nop");
VL2_ASM(m_syscall, "syscall; nop");
VL2_ASM(m_entry, "nop; nop");
VL2_ASM(m_hlt, "hlt; m_h1: nop");
VL2_ASM(m_cpuid, "cpuid; nop");
VL2_ASM(m_sti, "sti; m_s1: nop; m_s2: nop");
VL2_ASM(m_int1, ".byte 0xf1; nop");
VL2_ASM(m_nop, "nop; nop");
VL2_ASM(m_store, "movl $1, (%rbx); m_st: nop");
VL2_ASM(m_sysretq, "sysretq; nop");
VL2_ASM(m_sysretl, "sysretl; nop");
extern const char m_st[];
extern const char m_f1[], m_f2[], m_f3[], m_f4[], m_f5[], m_t1[], m_t2[], m_t3[], m_i1[], m_back[],
	m_r1[], m_h1[], m_s1[], m_s2[];

static void start(struct vl2 *l2, const char *code)
{
	vl2_init_at(l2, code);
	ctl_set(CTRL_PROC, PROC_MTF);
}

static bool step(struct vl2 *l2, const char *at)
{
	if (!vl2_expect(l2, R_MTF))
		return false;
	CHECK_EQ(vr(GUEST_RIP), at);
	CHECK_EQ(vr(EXIT_QUAL), 0);
	CHECK_EQ(vr(IDT_INFO) & EV_ON, 0);
	return vr(GUEST_RIP) == (u64)at;
}

static bool quiet_step(struct vl2 *l2, const char *at)
{
	bool right = step(l2, at);

	CHECK_EQ(vr(GUEST_RFLAGS) & FL_TF, 0);
	CHECK_EQ(vr(GUEST_PENDING_DBG), 0);
	return right;
}

static const char *stub(u32 vec)
{
	return (const char *)l2_trap_stubs + vec * 16;
}

static void flags(const void *arg)
{
	static const char *const at[] = { m_f1, m_f2, m_f3, m_f4, m_f5, m_flags_end };
	struct vl2 l2;
	u32 i;

	start(&l2, m_flags);
	for (i = 0; i < ARRAY_SIZE(at); i++)
		if (!quiet_step(&l2, at[i]))
			return;
	CHECK_EQ(l2.rax & FL_TF, 0);
	vl2_expect_done(&l2);
}

/* L2's own single step goes on beside it: the exit comes before the trap, which stays pending. */
static void own_tf(const void *arg)
{
	struct vl2 l2;

	start(&l2, m_set_tf);
	if (!quiet_step(&l2, m_t1) || !step(&l2, m_t2))
		return;
	CHECK_EQ(vr(GUEST_RFLAGS) & FL_TF, FL_TF);
	CHECK_EQ(vr(GUEST_PENDING_DBG), 0);
	if (!step(&l2, m_t3))
		return;
	CHECK_EQ(vr(GUEST_RFLAGS) & FL_TF, FL_TF);
	CHECK_EQ(vr(GUEST_PENDING_DBG), BIT(14));
	if (!step(&l2, stub(V_DB)))
		return;
	CHECK_EQ(((u64 *)vr(GUEST_RSP))[0], m_t3);
	CHECK_EQ(((u64 *)vr(GUEST_RSP))[2] & FL_TF, FL_TF);
	CHECK_EQ(vr(GUEST_RFLAGS) & FL_TF, 0);
}

/* After the delivery of an event, before its handler; the frame has L2's own flags. */
static void events(const void *arg)
{
	static const struct { const char *code; u32 vec, pushed, back; u64 rbx; } rows[] = {
		{ m_int3, V_BP, 0, 1, 0 }, { m_int, 0x90, 0, 2, 0 }, { m_ud, V_UD, 0, 0, 0 },
		{ m_int1, V_DB, 0, 1, 0 },
		{ m_fault, V_PF, 1, 0, 0x7f0000000000ull }, { m_fault, V_GP, 1, 0, BIT(62) },
	};
	u64 *frame;
	struct vl2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		start(&l2, rows[i].code);
		l2.rbx = rows[i].rbx;
		if (!quiet_step(&l2, stub(rows[i].vec)))
			continue;
		frame = (u64 *)vr(GUEST_RSP) + rows[i].pushed;
		CHECK_EQ(frame[0], (u64)rows[i].code + rows[i].back);
		CHECK_EQ(frame[2] & FL_TF, 0);
		vmcs_forget_all();
	}
}

static void iret(const void *arg)
{
	struct vl2 l2;
	u32 i;

	start(&l2, m_iret);
	for (i = 0; i < 7; i++)
		if (!vl2_expect(&l2, R_MTF))
			return;
	CHECK_EQ(vr(GUEST_RIP), m_i1);
	quiet_step(&l2, m_back);
}

static void rep(const void *arg)
{
	struct vl2 l2;
	u32 i;

	start(&l2, m_rep);
	l2.rcx = 3;
	l2.rsi = (u64)alloc_page();
	l2.rdi = (u64)alloc_page();
	for (i = 1; i < 3; i++) {
		if (!quiet_step(&l2, m_rep))
			return;
		CHECK_EQ(l2.rcx, 3 - i);
	}
	quiet_step(&l2, m_rep + 2);
	CHECK_EQ(l2.rcx, 0);
}

/* An instruction that the hypervisor below carries out is one, too. */
static void emulated(const void *arg)
{
	struct vl2 l2;

	start(&l2, m_rdmsr);
	l2.rcx = 0x1b;
	quiet_step(&l2, m_r1);
	start(&l2, m_hlt);
	ctl_clear(CTRL_PROC, PROC_HLT);
	step(&l2, m_h1);
	/* One that exits has not ended. */
	start(&l2, m_cpuid);
	if (vl2_expect(&l2, R_CPUID))
		CHECK_EQ(vr(GUEST_RFLAGS) & FL_TF, 0);
}

static void system_call(const void *arg)
{
	u64 star = rdmsr(0xc0000081), lstar = rdmsr(0xc0000082), fmask = rdmsr(0xc0000084);
	struct vl2 l2;

	start(&l2, m_syscall);
	vw_set(GUEST_EFER, 1);
	wrmsr(0xc0000081, (u64)SEL_CS << 32);
	wrmsr(0xc0000082, (u64)m_entry);
	wrmsr(0xc0000084, FL_TF | FL_IF);
	vw_set(GUEST_RFLAGS, FL_IF);
	if (quiet_step(&l2, m_entry)) {
		CHECK_EQ(l2.rcx, m_syscall + 2);
		CHECK_EQ(l2.r11 & (FL_TF | FL_IF), FL_IF);
		CHECK_EQ(vr(GUEST_RFLAGS) & FL_IF, 0);
		CHECK_EQ(vr(GUEST_CS_SEL), SEL_CS);
		quiet_step(&l2, m_entry + 1);
	}
	wrmsr(0xc0000081, star);
	wrmsr(0xc0000082, lstar);
	wrmsr(0xc0000084, fmask);
}

static void sti(const void *arg)
{
	struct vl2 l2;

	start(&l2, m_sti);
	if (!step(&l2, m_s1))
		return;
	CHECK_EQ(vr(GUEST_INTERRUPTIBILITY), BLOCK_STI);
	if (step(&l2, m_s2))
		CHECK_EQ(vr(GUEST_INTERRUPTIBILITY), 0);
}

/* INT1 and INT3 exit to an L1 that wants their exception, without the flag that was lent. */
static void wanted(const void *arg)
{
	static const struct { const char *code; u32 vec, type; } rows[] = {
		{ m_int3, V_BP, EV_SW_EXC }, { m_int1, V_DB, EV_PRIV_SW_EXC }, { m_ud, V_UD, EV_HW_EXC },
	};
	struct vl2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		start(&l2, rows[i].code);
		vw(CTRL_EXCEPTIONS, 1u << rows[i].vec);
		if (!vl2_expect(&l2, R_EXCEPTION))
			continue;
		CHECK_EQ(vr(EXIT_INTR_INFO), EV_ON | rows[i].type | rows[i].vec);
		CHECK_EQ(vr(GUEST_RIP), rows[i].code);
		CHECK_EQ(vr(EXIT_QUAL), 0);
		CHECK_EQ(vr(GUEST_RFLAGS) & FL_TF, 0);
		vmcs_forget_all();
	}
}

/* An instruction that lies on two pages */
static void two_pages(const void *arg)
{
	u8 *code = alloc_pages(2) + PAGE_SIZE - 1;
	struct vl2 l2;
	u64 *frame;

	code[0] = 0xcd;
	code[1] = 0x90;
	start(&l2, (char *)code);
	if (!quiet_step(&l2, stub(0x90)))
		return;
	frame = (u64 *)vr(GUEST_RSP);
	CHECK_EQ(frame[0], code + 2);
	CHECK_EQ(frame[2] & FL_TF, 0);
}

/* STI's shadow is there still after an exit that ends no instruction; a branch step of L2's own is kept. */
static void kept(const void *arg)
{
	struct vl2 l2;

	start(&l2, m_cpuid);
	vw_set(GUEST_RFLAGS, FL_IF);
	vw(GUEST_INTERRUPTIBILITY, BLOCK_STI);
	if (vl2_expect(&l2, R_CPUID)) {
		CHECK_EQ(vr(GUEST_INTERRUPTIBILITY), BLOCK_STI);
		CHECK_EQ(vr(GUEST_RFLAGS) & FL_TF, 0);
	}
	start(&l2, m_nop);
	vw(GUEST_DEBUGCTL, BIT(1));
	ctl_set(CTRL_EXIT, EXIT_SAVE_DEBUG);
	if (quiet_step(&l2, m_nop + 1))
		CHECK_EQ(vr(GUEST_DEBUGCTL), BIT(1));
}

/* A data breakpoint of L2's own: the exit is before its #DB, which stays pending. */
static void breakpoint(const void *arg)
{
	u64 *word = alloc_page(), dr0;
	struct vl2 l2;

	__asm__ volatile("mov %%dr0, %0; mov %1, %%dr0" : "=&r"(dr0) : "r"(word));
	start(&l2, m_store);
	l2.rbx = (u64)word;
	vw(GUEST_DR7, 0x400 | BIT(1) | 0xd0000);	/* G0, four bytes, writes */
	if (step(&l2, m_st)) {
		CHECK_EQ(vr(GUEST_PENDING_DBG), BIT(12) | 1);
		CHECK_EQ(*word, 1);
		if (step(&l2, stub(V_DB)))
			CHECK_EQ(((u64 *)vr(GUEST_RSP))[0], m_st);
	}
	__asm__ volatile("mov %0, %%dr0" : : "r"(dr0));
}

static void system_return(const void *arg)
{
	u64 star = rdmsr(0xc0000081);
	struct vl2 l2;
	u32 i;

	wrmsr(0xc0000081, (u64)SEL_CS << 48);
	for (i = 0; i < 2; i++) {
		start(&l2, i ? m_sysretl : m_sysretq);
		vw_set(GUEST_EFER, 1);
		l2.rcx = i ? 0x512345678ull : 0x7654321000ull;
		l2.r11 = 0x8d5 | FL_RF | BIT(17);	/* RF and VM are not loaded */
		if (!vl2_expect(&l2, R_MTF))
			continue;
		CHECK_EQ(vr(GUEST_RIP), i ? 0x12345678 : 0x7654321000ull);
		CHECK_EQ(vr(GUEST_RFLAGS), 0x8d7);
		CHECK_EQ(vr(GUEST_CS_SEL), (i ? SEL_CS : SEL_CS + 16) | 3);
		CHECK_EQ(vr(GUEST_CS_AR), i ? 0xc0fb : 0xa0fb);
		CHECK_EQ(vr(GUEST_CS_LIMIT), 0xffffffff);
		CHECK_EQ(vr(GUEST_SS_SEL), (SEL_CS + 8) | 3);
		CHECK_EQ(vr(GUEST_SS_AR), 0xc0f3);
	}
	/* What faults does so. */
	start(&l2, m_sysretq);
	vw_set(GUEST_EFER, 1);
	l2.rcx = BIT(62);
	if (quiet_step(&l2, stub(V_GP)))
		CHECK_EQ(((u64 *)vr(GUEST_RSP))[1], m_sysretq);
	start(&l2, m_sysretq);
	vw(GUEST_EFER, vr(GUEST_EFER) & ~1ull);
	quiet_step(&l2, stub(V_UD));
	wrmsr(0xc0000081, star);
}

static const struct l1_test tests[] = {
	{ "flags", VF_MTF, flags, NULL },
	{ "own_tf", VF_MTF, own_tf, NULL },
	{ "events", VF_MTF, events, NULL },
	{ "iret", VF_MTF, iret, NULL },
	{ "rep", VF_MTF, rep, NULL },
	{ "emulated", VF_MTF, emulated, NULL },
	{ "syscall", VF_MTF | VF_EFER, system_call, NULL },
	{ "sti", VF_MTF, sti, NULL },
	{ "wanted", VF_MTF, wanted, NULL },
	{ "two_pages", VF_MTF, two_pages, NULL },
	{ "kept", VF_MTF, kept, NULL },
	{ "breakpoint", VF_MTF, breakpoint, NULL },
	{ "sysret", VF_MTF | VF_EFER, system_return, NULL },
};

const struct test_group group_vmx_mtf = { "vmx_mtf", tests, ARRAY_SIZE(tests), false };
