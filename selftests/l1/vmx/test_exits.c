// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits by instructions that need no more than a control: reason, length, exit
 * qualification; with the control clear the instruction runs; at CPL 3 the exception
 * comes first (SDM volume 3, "Instructions That Cause VM Exits", "Relative
 * Priority of Faults and VM Exits"). And what the "enable" controls hide.
 */
#include "vmx/vmx.h"

VL2_ASM(x_cpuid, "cpuid");
VL2_ASM(x_invd, "invd");
VL2_ASM(x_hlt, "hlt");
VL2_ASM(x_invlpg, "invlpg (%rax)");
VL2_ASM(x_rdpmc, "rdpmc");
VL2_ASM(x_rdtsc, "rdtsc");
VL2_ASM(x_rdtscp, "rdtscp");
VL2_ASM(x_monitor, "monitor");
VL2_ASM(x_mwait, "mwait");
VL2_ASM(x_pause, "pause");
VL2_ASM(x_wbinvd, "wbinvd");
VL2_ASM(x_xsetbv, "xsetbv");
VL2_ASM(x_rdrand, "rdrand %r9");
VL2_ASM(x_rdrand32, "rdrand %ebx");
VL2_ASM(x_rdrand16, "rdrand %di");
VL2_ASM(x_rdseed, "rdseed %r9");
VL2_ASM(x_rdseed32, "rdseed %ebx");
VL2_ASM(x_rdseed16, "rdseed %di");
VL2_ASM(x_xsaves, "xsaves (%rbx)");
VL2_ASM(x_xrstors, "xrstors (%rbx)");
VL2_ASM(x_invpcid, "invpcid 0x10(%rbx),%rdx");
VL2_ASM(x_rsm, "rsm");
VL2_ASM(x_getsec, "getsec");
VL2_ASM(x_vmcall, "nop; vmcall");
VL2_ASM(x_vmfunc, "vmfunc");

struct simple {
	const char *code;
	u32 reason;
	u8 len;
	u8 cpl3;	/* vector at CPL 3; 0: exits there as well */
	u32 field;	/* control that makes it exit; 0: it always does */
	u64 bit;
	u64 enable;	/* secondary controls without which it is #UD */
	u64 cr4;
	u64 rax, rcx, rdx;
	u64 qual;
};

static void put(struct vl2 *l2, const struct simple *s, bool on)
{
	vl2_init_at(l2, s->code);
	l2->rax = s->rax;
	l2->rcx = s->rcx;
	l2->rdx = s->rdx;
	l2->rbx = (u64)alloc_page();
	/* An XSAVE area in compacted format, for XRSTORS */
	*(u64 *)(l2->rbx + 520) = BIT(63);
	vw_set(GUEST_CR4, s->cr4);
	if (s->enable) {
		ctl_set(CTRL_PROC, PROC_SECONDARY);
		ctl_set(CTRL_PROC2, s->enable);
	}
	if (!s->field)
		return;
	if (s->field == CTRL_PROC2)
		ctl_set(CTRL_PROC, PROC_SECONDARY);
	if (on)
		ctl_set(s->field, s->bit);
	else
		ctl_clear(s->field, s->bit);
}

static void exits(const void *arg)
{
	const struct simple *s = arg;
	struct vl2 l2;

	if (s->field && !caps_may_set(s->field, s->bit)) {
		t_skip("this control cannot be 1 here");
		return;
	}
	put(&l2, s, true);
	if (vl2_expect(&l2, s->reason)) {
		CHECK_EQ(vr(GUEST_RIP), s->code);
		CHECK_EQ(vr(EXIT_LEN), s->len);
		if (!t_departs("qual"))
			CHECK_EQ(vr(EXIT_QUAL), s->qual);
		CHECK_EQ(vr(IDT_INFO) & EV_ON, 0);
		CHECK_EQ(vr(EXIT_INTR_INFO) & EV_ON, 0);
		/* The instruction did nothing. */
		CHECK_EQ(l2.rax, s->rax);
		CHECK_EQ(l2.rdx, s->rdx);
		CHECK_EQ(vr(GUEST_ACTIVITY), ACT_ACTIVE);
		vw(GUEST_RIP, vr(GUEST_RIP) + s->len);
		vl2_expect_done(&l2);
	}
	if (s->cpl3 && t_departs("cpl3"))
		return;
	put(&l2, s, true);
	vl2_set_user(&l2);
	if (s->cpl3)
		vl2_expect_trap(&l2, s->cpl3, NULL);
	else
		vl2_expect(&l2, s->reason);
}

/* Without the control L2 executes it. */
static void runs(const void *arg)
{
	const struct simple *s = arg;
	struct vl2 l2;

	if (s->field && !caps_may_clear(s->field, s->bit)) {
		t_skip("this control cannot be 0 here");
		return;
	}
	put(&l2, s, false);
	if (vl2_expect_done(&l2))
		CHECK_EQ(vr(GUEST_RIP), (u64)s->code + s->len);
}

/* Without the enabling control it is #UD, even if its exit is asked for. */
static void hidden(const void *arg)
{
	const struct simple *s = arg;
	struct l2_frame fr;
	struct vl2 l2;

	put(&l2, s, true);
	ctl_clear(CTRL_PROC2, s->enable);
	if (vl2_expect_trap(&l2, V_UD, &fr))
		CHECK_EQ(fr.rip, s->code);
}

#define S(n, r, l, c3, f, b, ...) \
	static const struct simple s_##n = { .code = x_##n, .reason = r, .len = l, .cpl3 = c3, \
					     .field = f, .bit = b, ##__VA_ARGS__ }
S(cpuid, R_CPUID, 2, 0, 0, 0);
S(invd, R_INVD, 2, V_GP, 0, 0);
S(hlt, R_HLT, 1, V_GP, CTRL_PROC, PROC_HLT);
S(invlpg, R_INVLPG, 3, V_GP, CTRL_PROC, PROC_INVLPG, .rax = 0x123456789000ull,
  .qual = 0x123456789000ull);
S(rdpmc, R_RDPMC, 2, V_GP, CTRL_PROC, PROC_RDPMC);
S(rdtsc, R_RDTSC, 2, 0, CTRL_PROC, PROC_RDTSC);
S(rdtscp, R_RDTSCP, 3, 0, CTRL_PROC, PROC_RDTSC, .enable = PROC2_RDTSCP);
S(monitor, R_MONITOR, 3, V_UD, CTRL_PROC, PROC_MONITOR, .rax = 0x200000);
S(mwait, R_MWAIT, 3, V_UD, CTRL_PROC, PROC_MWAIT);
S(pause, R_PAUSE, 2, 0, CTRL_PROC, PROC_PAUSE);
S(wbinvd, R_WBINVD, 2, V_GP, CTRL_PROC2, PROC2_WBINVD);
S(xsetbv, R_XSETBV, 3, V_GP, 0, 0, .cr4 = CR4_OSXSAVE, .rax = 1);
S(rdrand, R_RDRAND, 4, 0, CTRL_PROC2, PROC2_RDRAND);
S(rdseed, R_RDSEED, 4, 0, CTRL_PROC2, PROC2_RDSEED);
S(invpcid, R_INVPCID, 6, V_GP, CTRL_PROC, PROC_INVLPG, .enable = PROC2_INVPCID, .rdx = 2,
  .qual = 0x10);
S(xsaves, R_XSAVES, 3, V_GP, 0, 0, .enable = PROC2_XSAVES, .cr4 = CR4_OSXSAVE);
S(xrstors, R_XRSTORS, 3, V_GP, 0, 0, .enable = PROC2_XSAVES, .cr4 = CR4_OSXSAVE);

/* ---- the ones with something special ---- */

static void vmcall_exit(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, x_vmcall);
	if (vl2_expect(&l2, R_VMCALL)) {
		CHECK_EQ(vr(GUEST_RIP), x_vmcall + 1);
		CHECK_EQ(vr(EXIT_LEN), 3);
	}
	vl2_init_at(&l2, x_vmcall);
	vl2_set_user(&l2);
	vl2_expect(&l2, R_VMCALL);
}

/* Instruction information: destination and operand size */
static void random_info(const void *arg)
{
	static const struct { const char *code; u32 reason; u8 len; u32 info; } rows[] = {
		{ x_rdrand, R_RDRAND, 4, 9 << 3 | 2 << 11 },
		{ x_rdrand32, R_RDRAND, 3, 3 << 3 | 1 << 11 },
		{ x_rdrand16, R_RDRAND, 4, 7 << 3 | 0 << 11 },
		{ x_rdseed, R_RDSEED, 4, 9 << 3 | 2 << 11 },
		{ x_rdseed32, R_RDSEED, 3, 3 << 3 | 1 << 11 },
		{ x_rdseed16, R_RDSEED, 4, 7 << 3 | 0 << 11 },
	};
	u64 mark = mem_mark();
	struct vl2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].reason != (arg ? R_RDSEED : R_RDRAND))
			continue;
		vl2_init_at(&l2, rows[i].code);
		ctl_set(CTRL_PROC2, PROC2_RDRAND | PROC2_RDSEED);
		if (vl2_expect(&l2, rows[i].reason)) {
			CHECK_EQ(vr(EXIT_LEN), rows[i].len);
			if ((rows[i].info & 3 << 11) || !t_departs("size16"))
				CHECK_EQ(vr(EXIT_INSN_INFO) & (0xf << 3 | 3 << 11), rows[i].info);
		}
		vmcs_forget_all();
		mem_reset(mark);
	}
}

static void do_wrmsr_xss(void *v)
{
	wrmsr(MSR_XSS, (u64)v);
}

/* A supervisor state component that IA32_XSS may have; 0 when there is none. */
static u64 xss_component(void)
{
	u32 r[4];
	u64 xss;

	cpuid(0xd, 1, r);
	xss = r[2] | (u64)r[3] << 32;
	return xss & -xss;
}

/* XSAVES and XRSTORS exit by the bits that the bitmap, RDX:RAX and IA32_XSS share. */
static void xss_bitmap(const void *arg)
{
	const struct simple *s = arg;
	u64 c = xss_component();
	struct { u64 bitmap, rfbm, xss; bool exits; } rows[] = {
		{ 0, ~0ull, c, false },
		{ c, 0, c, false },
		{ c, c, 0, false },
		{ ~0ull, ~c, c, false },
		{ ~c, ~0ull, c, false },
		{ c, c, c, true },
		{ ~0ull, ~0ull, c, true },
	};
	u64 old = rdmsr(MSR_XSS);
	struct vl2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].exits && !c) {
			t_skip("IA32_XSS of this CPU has no bit");
			continue;
		}
		if (try_call(do_wrmsr_xss, (void *)rows[i].xss, NULL) >= 0) {
			FAIL("IA32_XSS does not take %llx", rows[i].xss);
			break;
		}
		put(&l2, s, true);
		vw(CTRL_XSS_EXITING, rows[i].bitmap);
		/* State components that do not run are left out. */
		l2.rax = rows[i].exits ? (u32)rows[i].rfbm : rows[i].rfbm & c;
		l2.rdx = (rows[i].exits ? rows[i].rfbm : rows[i].rfbm & c) >> 32;
		if (rows[i].exits) {
			if (vl2_expect(&l2, s->reason))
				CHECK_EQ(vr(EXIT_LEN), 3);
		} else {
			vl2_expect_done(&l2);
		}
		vmcs_forget_all();
	}
	wrmsr(MSR_XSS, old);
}

/* At CPL 3 both are #GP. */
static void xsaves_cpl3(const void *arg)
{
	struct vl2 l2;

	put(&l2, arg, true);
	vl2_set_user(&l2);
	vl2_expect_trap(&l2, V_GP, NULL);
}

/* MWAIT's qualification tells whether the monitor is armed. */
VL2_ASM(x_arm_mwait, "mov $0x200000,%eax; monitor; xor %ecx,%ecx; xor %eax,%eax; x_armed: mwait");
extern const char x_armed[];

static void mwait_armed(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, x_arm_mwait);
	ctl_set(CTRL_PROC, PROC_MWAIT);
	ctl_clear(CTRL_PROC, PROC_MONITOR);
	if (vl2_expect(&l2, R_MWAIT)) {
		CHECK_EQ(vr(GUEST_RIP), x_armed);
		CHECK_EQ(vr(EXIT_QUAL), 1);
	}
}

/* #UD without exit: RSM outside SMM, GETSEC with CR4.SMXE clear, VMFUNC not enabled. */
static void undefined(const void *arg)
{
	const char *code = arg;
	struct l2_frame fr;
	struct vl2 l2;

	vl2_init_at(&l2, code);
	if (vl2_expect_trap(&l2, V_UD, &fr))
		CHECK_EQ(fr.rip, code);
}

/* CR4.TSD and CR4.PCE are looked at before the exit. */
static void tsd_pce(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, x_rdtsc);
	vl2_set_user(&l2);
	vw_set(GUEST_CR4, CR4_TSD);
	ctl_set(CTRL_PROC, PROC_RDTSC);
	vl2_expect_trap(&l2, V_GP, NULL);
	vl2_init_at(&l2, x_rdpmc);
	vl2_set_user(&l2);
	vw_set(GUEST_CR4, CR4_PCE);
	ctl_set(CTRL_PROC, PROC_RDPMC);
	vl2_expect(&l2, R_RDPMC);
}

/* XSETBV with CR4.OSXSAVE clear is #UD. */
static void xsetbv_ud(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, x_xsetbv);
	vw_clear(GUEST_CR4, CR4_OSXSAVE);
	vl2_expect_trap(&l2, V_UD, NULL);
}

/* What L2 gets when nothing exits */
VL2_ASM(x_tsc_pair, "rdtsc; shl $32,%rdx; or %rdx,%rax; mov %rax,%rbx");
static void tsc_offset(const void *arg)
{
	u64 before, after, off = 0x1000000000000ull;
	struct vl2 l2;

	vl2_init_at(&l2, x_tsc_pair);
	ctl_set(CTRL_PROC, PROC_TSC_OFFSET);
	ctl_clear(CTRL_PROC, PROC_RDTSC);
	vw(CTRL_TSC_OFFSET, off);
	before = rdtsc();
	if (!vl2_expect_done(&l2))
		return;
	after = rdtsc();
	CHECK(l2.rbx >= before + off && l2.rbx <= after + off);
	/* A negative one */
	vl2_init_at(&l2, x_tsc_pair);
	ctl_set(CTRL_PROC, PROC_TSC_OFFSET);
	ctl_clear(CTRL_PROC, PROC_RDTSC);
	before = rdtsc();
	vw(CTRL_TSC_OFFSET, -before);
	if (!vl2_expect_done(&l2))
		return;
	CHECK(l2.rbx <= rdtsc() - before);
	/* Not used without the control */
	vl2_init_at(&l2, x_tsc_pair);
	ctl_clear(CTRL_PROC, PROC_TSC_OFFSET | PROC_RDTSC);
	vw(CTRL_TSC_OFFSET, off);
	if (vl2_expect_done(&l2))
		CHECK(l2.rbx <= rdtsc());
}

VL2_ASM(x_rdmsr_tsc, "mov $0x10,%ecx; rdmsr; shl $32,%rdx; or %rdx,%rax; mov %rax,%rbx");

/* RDMSR of the TSC has the offset as well. */
static void tsc_offset_msr(const void *arg)
{
	u64 before, off = 0x1000000000000ull;
	struct vl2 l2;

	vl2_init_at(&l2, x_rdmsr_tsc);
	ctl_set(CTRL_PROC, PROC_TSC_OFFSET);
	vw(CTRL_TSC_OFFSET, off);
	before = rdtsc();
	if (vl2_expect_done(&l2))
		CHECK(l2.rbx >= before + off && l2.rbx <= rdtsc() + off);
}

/* L2's WRMSR is of the TSC itself: what it writes is what L1 reads, and the offset comes on top for L2. */
VL2_ASM(x_wrmsr_tsc, "wrmsr; rdtsc; shl $32,%rdx; or %rdx,%rax; mov %rax,%rbx");
static void tsc_write(const void *arg)
{
	u64 before, now, off = 0x1000000000000ull, to = 0x10000000000ull;
	struct vl2 l2;

	vl2_init_at(&l2, x_wrmsr_tsc);
	ctl_set(CTRL_PROC, PROC_TSC_OFFSET | PROC_MSR_BITMAPS);
	ctl_clear(CTRL_PROC, PROC_RDTSC);
	vw(CTRL_MSR_BITMAP, (u64)alloc_page());
	vw(CTRL_TSC_OFFSET, off);
	l2.rcx = 0x10;
	l2.rax = (u32)to;
	l2.rdx = to >> 32;
	before = rdtsc();
	if (!vl2_expect_done(&l2))
		return;
	now = rdtsc();
	CHECK(now >= to && now < to + before);
	CHECK(l2.rbx >= to + off && l2.rbx <= now + off);
	wrmsr(0x10, before + now - to);
}

/* Multiplier in units of 2^-48, then the offset */
static void tsc_scaling(const void *arg)
{
	u64 before, after, off = 0x1000000000000ull;
	struct vl2 l2;

	vl2_init_at(&l2, x_tsc_pair);
	ctl_set(CTRL_PROC, PROC_TSC_OFFSET);
	ctl_clear(CTRL_PROC, PROC_RDTSC);
	ctl_set(CTRL_PROC2, PROC2_TSC_SCALING);
	vw(CTRL_TSC_OFFSET, off);
	vw(CTRL_TSC_MULTIPLIER, 3ull << 47);
	before = rdtsc();
	if (!vl2_expect_done(&l2))
		return;
	after = rdtsc();
	CHECK(l2.rbx >= before + before / 2 + off && l2.rbx <= after + after / 2 + off);
	vl2_init_at(&l2, x_rdmsr_tsc);
	ctl_set(CTRL_PROC, PROC_TSC_OFFSET);
	ctl_set(CTRL_PROC2, PROC2_TSC_SCALING);
	vw(CTRL_TSC_OFFSET, 0);
	vw(CTRL_TSC_MULTIPLIER, 1ull << 47);
	before = rdtsc();
	if (vl2_expect_done(&l2))
		CHECK(l2.rbx >= before / 2 && l2.rbx <= rdtsc() / 2);
}

#define BOTH(n, need) \
	{ #n, need, exits, &s_##n }, { #n "_off", need, runs, &s_##n }

static const struct l1_test tests[] = {
	{ "cpuid", 0, exits, &s_cpuid },
	{ "invd", 0, exits, &s_invd },
	{ "hlt", 0, exits, &s_hlt },
	BOTH(invlpg, 0),
	{ "rdpmc", 0, exits, &s_rdpmc },
	BOTH(rdtsc, 0),
	BOTH(rdtscp, VF_RDTSCP),
	{ "rdtscp_not_enabled", VF_RDTSCP, hidden, &s_rdtscp },
	/* The controls can be there where CPUID does not show the instructions. */
	{ "monitor", 0, exits, &s_monitor },
	{ "monitor_off", F_MONITOR, runs, &s_monitor },
	{ "mwait", 0, exits, &s_mwait },
	{ "mwait_armed", F_MONITOR, mwait_armed, NULL },
	BOTH(pause, 0),
	BOTH(wbinvd, VF_WBINVD),
	{ "xsetbv", F_XSAVE, exits, &s_xsetbv },
	{ "xsetbv_no_osxsave", F_XSAVE, xsetbv_ud, NULL },
	BOTH(rdrand, VF_RDRAND),
	{ "rdrand_info", VF_RDRAND, random_info, (void *)0 },
	BOTH(rdseed, VF_RDSEED),
	{ "rdseed_info", VF_RDSEED, random_info, (void *)1 },
	BOTH(invpcid, VF_INVPCID),
	{ "invpcid_not_enabled", VF_INVPCID, hidden, &s_invpcid },
	{ "xsaves", VF_XSAVES, xss_bitmap, &s_xsaves },
	{ "xsaves_not_enabled", VF_XSAVES, hidden, &s_xsaves },
	{ "xsaves_cpl3", VF_XSAVES, xsaves_cpl3, &s_xsaves },
	{ "xrstors", VF_XSAVES, xss_bitmap, &s_xrstors },
	{ "xrstors_not_enabled", VF_XSAVES, hidden, &s_xrstors },
	{ "xrstors_cpl3", VF_XSAVES, xsaves_cpl3, &s_xrstors },
	{ "vmcall", 0, vmcall_exit, NULL },
	{ "rsm", 0, undefined, x_rsm },
	{ "getsec", 0, undefined, x_getsec },
	{ "vmfunc_not_enabled", 0, undefined, x_vmfunc },
	{ "tsd_pce", 0, tsd_pce, NULL },
	{ "tsc_offset", VF_TSCOFF, tsc_offset, NULL },
	{ "tsc_offset_msr", VF_TSCOFF | VF_MSRBMP, tsc_offset_msr, NULL },
	{ "tsc_write", VF_TSCOFF | VF_MSRBMP, tsc_write, NULL },
	{ "tsc_scaling", VF_TSCSCALE | VF_TSCOFF | VF_MSRBMP, tsc_scaling, NULL },
};

const struct test_group group_vmx_exits = { "vmx_exits", tests, ARRAY_SIZE(tests), false };
