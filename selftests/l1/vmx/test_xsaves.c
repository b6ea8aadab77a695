// SPDX-License-Identifier: GPL-2.0-only
/*
 * XSAVES and XRSTORS of L1 and of L2, IA32_XSS, and CPUID leaf 0DH (SDM volume 1, "Managing State
 * Using the XSAVE Feature Set"; volume 2, "XSAVES", "XRSTORS").  The image itself uses no vector
 * registers, so what a test leaves in them disturbs nobody.
 */
#include "vmx/vmx.h"

#define X_SSE		BIT(1)
#define X_AVX		BIT(2)
#define COMPACTED	BIT(63)
#define XSTATE_BV(a)	(*(u64 *)((a) + 512))
#define XCOMP_BV(a)	(*(u64 *)((a) + 520))
#define XMM3(a)		(*(u64 *)((a) + 160 + 3 * 16))
#define YMM3_HI(a)	(*(u64 *)((a) + 576 + 3 * 16))	/* in compacted format, with XSTATE_BV's 2 first */

static void do_xsetbv(void *v)
{
	__asm__ volatile("xsetbv" : : "c"(0), "a"((u32)(u64)v), "d"(0));
}

/* x87, SSE and, where there is AVX, its upper halves. */
static u64 xcr0_full(void)
{
	u32 r[4];

	cpuid(0xd, 0, r);
	return r[0] & (1 | X_SSE | X_AVX);
}

/* CR4.OSXSAVE and XCR0; what they were comes back with xsave_off(). */
static u64 xsave_on(u64 xcr0)
{
	u64 cr4 = read_cr4();

	write_cr4(cr4 | CR4_OSXSAVE | CR4_OSFXSR);
	if (try_call(do_xsetbv, (void *)xcr0, NULL) >= 0)
		FAIL("XCR0 does not take %llx", xcr0);
	return cr4;
}

static void xsave_off(u64 cr4)
{
	try_call(do_xsetbv, (void *)1, NULL);
	write_cr4(cr4);
}

struct xs { u64 area, rfbm; };

static void do_xsaves(void *p)
{
	struct xs *x = p;

	__asm__ volatile("xsaves64 (%0)" : : "r"(x->area), "a"((u32)x->rfbm),
			 "d"((u32)(x->rfbm >> 32)) : "memory");
}

static void do_xrstors(void *p)
{
	struct xs *x = p;

	__asm__ volatile("xrstors64 (%0)" : : "r"(x->area), "a"((u32)x->rfbm),
			 "d"((u32)(x->rfbm >> 32)) : "memory");
}

static void fill(u64 low, u64 high, u64 xcr0)
{
	__asm__ volatile("movq %0,%%xmm3" : : "r"(high));
	if (xcr0 & X_AVX)
		__asm__ volatile("vinsertf128 $1,%%xmm3,%%ymm3,%%ymm3" : :);
	/* The legacy form leaves the upper half alone. */
	__asm__ volatile("movq %0,%%xmm3" : : "r"(low));
}

static u64 ymm3(u64 xcr0, u64 *high)
{
	u64 low;

	__asm__ volatile("movq %%xmm3,%0" : "=r"(low));
	*high = 0;
	if (xcr0 & X_AVX)
		__asm__ volatile("vextractf128 $1,%%ymm3,%%xmm4; movq %%xmm4,%0" : "=r"(*high));
	return low;
}

static bool offered(void)
{
	u32 r[4];

	cpuid(0xd, 1, r);
	return r[0] & BIT(3);
}

static bool lacks_xsaves(void)
{
	if (offered())
		return false;
	t_skip("CPUID has no XSAVES");
	return true;
}

/* The compacted size follows XCR0 and IA32_XSS. */
static void sizes(const void *arg)
{
	u64 full = xcr0_full(), cr4, xcr0;
	u32 r[4], c[4];

	if (lacks_xsaves())
		return;
	for (xcr0 = 1; xcr0 <= full; xcr0 = xcr0 * 2 + 1) {
		cr4 = xsave_on(xcr0);
		cpuid(0xd, 1, r);
		cpuid(0xd, 2, c);
		if (!t_departs("size"))
			CHECK_EQ(r[1], xcr0 & X_AVX ? 576 + c[0] : 576);
		cpuid(0xd, 0, c);
		CHECK(r[1] <= c[1]);
		xsave_off(cr4);
	}
}

static void do_wrmsr_xss(void *v)
{
	wrmsr(MSR_XSS, (u64)v);
}

static void do_rdmsr_xss(void *v)
{
	*(u64 *)v = rdmsr(MSR_XSS);
}

/* Only the bits that CPUID names can be set. */
static void xss(const void *arg)
{
	u64 ok, old, val;
	u32 r[4], bit;

	if (lacks_xsaves())
		return;
	cpuid(0xd, 1, r);
	ok = r[2] | (u64)r[3] << 32;
	old = rdmsr(MSR_XSS);
	CHECK_EQ(old & ~ok, 0);
	CHECK_EQ(try_call(do_wrmsr_xss, (void *)0, NULL), -1);
	for (bit = 0; bit < 64; bit++) {
		if ((ok & BIT(bit)) || t_departs("bits"))
			continue;
		CHECK_EQ(try_call(do_wrmsr_xss, (void *)BIT(bit), NULL), V_GP);
		CHECK_EQ(try_call(do_rdmsr_xss, &val, NULL), -1);
		CHECK_EQ(val, 0);
	}
	wrmsr(MSR_XSS, old);
}

/* What XSAVES of everything wrote: XCR0 has @xcr0, IA32_XSS nothing. */
static void check_area(u64 area, u64 xcr0, u64 low, u64 high)
{
	CHECK_EQ(XCOMP_BV(area), COMPACTED | xcr0);
	CHECK_EQ(XSTATE_BV(area) & ~xcr0, 0);
	CHECK(XSTATE_BV(area) & X_SSE);
	CHECK_EQ(XMM3(area), low);
	if (xcr0 & X_AVX && !t_departs("avx")) {
		CHECK(XSTATE_BV(area) & X_AVX);
		CHECK_EQ(YMM3_HI(area), high);
	}
}

static void saves(const void *arg)
{
	u64 xcr0 = xcr0_full(), low, high, cr4;
	struct xs x = { .rfbm = ~0ull };

	if (lacks_xsaves())
		return;
	x.area = (u64)alloc_page();
	cr4 = xsave_on(xcr0);
	fill(0x1111222233334444, 0x5555666677778888, xcr0);
	CHECK_EQ(try_call(do_xsaves, &x, NULL), -1);
	check_area(x.area, xcr0, 0x1111222233334444, 0x5555666677778888);
	fill(1, 2, xcr0);
	CHECK_EQ(try_call(do_xrstors, &x, NULL), -1);
	low = ymm3(xcr0, &high);
	CHECK_EQ(low, 0x1111222233334444);
	if (!t_departs("avx"))
		CHECK_EQ(high, xcr0 & X_AVX ? 0x5555666677778888 : 0);
	/* What is left out is not written, and what follows moves up. */
	x.rfbm = X_AVX;
	memset((void *)x.area, 0, 4096);
	XMM3(x.area) = 3;
	CHECK_EQ(try_call(do_xsaves, &x, NULL), -1);
	CHECK_EQ(XCOMP_BV(x.area), COMPACTED | (xcr0 & X_AVX));
	CHECK_EQ(XMM3(x.area), 3);
	xsave_off(cr4);
}

/* XRSTORS takes the compacted format only, of components that are on. */
static void bad_header(const void *arg)
{
	struct xs x = { .rfbm = ~0ull };
	u64 cr4, bit;

	if (lacks_xsaves())
		return;
	x.area = (u64)alloc_page();
	cr4 = xsave_on(1 | X_SSE);
	CHECK_EQ(try_call(do_xrstors, &x, NULL), V_GP);
	for (bit = 2; bit < 63; bit++) {
		XCOMP_BV(x.area) = COMPACTED | 3 | BIT(bit);
		CHECK_EQ(try_call(do_xrstors, &x, NULL), V_GP);
	}
	XCOMP_BV(x.area) = COMPACTED | 3;
	CHECK_EQ(try_call(do_xrstors, &x, NULL), -1);
	XSTATE_BV(x.area) = X_AVX;
	CHECK_EQ(try_call(do_xrstors, &x, NULL), V_GP);
	XSTATE_BV(x.area) = 0;
	x.area += 8;
	XCOMP_BV(x.area) = COMPACTED | 3;
	CHECK_EQ(try_call(do_xsaves, &x, NULL), V_GP);
	xsave_off(cr4);
	write_cr4(cr4 & ~(u64)CR4_OSXSAVE);
	CHECK_EQ(try_call(do_xsaves, &x, NULL), V_UD);
	CHECK_EQ(try_call(do_xrstors, &x, NULL), V_UD);
	write_cr4(cr4);
}

/* Where VT-x can refuse it, XSAVES that CPUID does not have is #UD, and there is no IA32_XSS. */
static void not_offered(const void *arg)
{
	struct xs x = { .rfbm = 3 };
	u64 cr4, val;

	if (offered()) {
		t_skip("CPUID has XSAVES");
		return;
	}
	x.area = (u64)alloc_page();
	XCOMP_BV(x.area) = COMPACTED | 3;
	cr4 = xsave_on(1 | X_SSE);
	CHECK_EQ(try_call(do_xsaves, &x, NULL), V_UD);
	CHECK_EQ(try_call(do_xrstors, &x, NULL), V_UD);
	CHECK_EQ(try_call(do_rdmsr_xss, &val, NULL), V_GP);
	CHECK_EQ(try_call(do_wrmsr_xss, (void *)0, NULL), V_GP);
	CHECK(!caps_may_set(CTRL_PROC2, PROC2_XSAVES));
	xsave_off(cr4);
}

VL2_ASM(z_save, "movq %rsi,%xmm3; xsaves (%rbx); movq %rdi,%xmm3; xrstors (%rbx); movq %xmm3,%rsi");
VL2_ASM(z_rdmsr, "rdmsr");
VL2_ASM(z_wrmsr, "wrmsr");

static void l2_setup(struct vl2 *l2, const char *code, u64 bitmap)
{
	vl2_init_at(l2, code);
	vw_set(GUEST_CR4, CR4_OSXSAVE | CR4_OSFXSR);
	ctl_set(CTRL_PROC, PROC_SECONDARY);
	ctl_set(CTRL_PROC2, PROC2_XSAVES);
	vw(CTRL_XSS_EXITING, bitmap);
	l2->rax = 0xffffffff;
	l2->rdx = 0xffffffff;
	l2->rbx = (u64)alloc_page();
	l2->rsi = 0x1234;
	l2->rdi = 0x5678;
}

/* Of the bitmap only the bits in IA32_XSS count, and there are none. */
static void in_l2(const void *arg)
{
	static const u64 bitmaps[] = { 0, ~0ull, 7 };
	u64 xcr0 = xcr0_full(), cr4, low, high;
	struct vl2 l2;
	u32 i;

	cr4 = xsave_on(xcr0);
	for (i = 0; i < ARRAY_SIZE(bitmaps); i++) {
		fill(0, 0xabcd, xcr0);
		l2_setup(&l2, z_save, bitmaps[i]);
		if (vl2_expect_done(&l2)) {
			CHECK_EQ(l2.rsi, 0x1234);
			check_area(l2.rbx, xcr0, 0x1234, 0xabcd);
		}
		low = ymm3(xcr0, &high);
		CHECK_EQ(low, 0x1234);
		if (!t_departs("avx"))
			CHECK_EQ(high, xcr0 & X_AVX ? 0xabcd : 0);
		vmcs_forget_all();
	}
	xsave_off(cr4);
}

/* IA32_XSS that L1 lets L2 have is L1's. */
static void xss_in_l2(const void *arg)
{
	u8 *map = alloc_page();
	struct vl2 l2;

	l2_setup(&l2, z_rdmsr, 0);
	l2.rcx = MSR_XSS;
	ctl_set(CTRL_PROC, PROC_MSR_BITMAPS);
	vw(CTRL_MSR_BITMAP, (u64)map);
	if (vl2_expect_done(&l2)) {
		CHECK_EQ((u32)l2.rax, (u32)rdmsr(MSR_XSS));
		CHECK_EQ((u32)l2.rdx, rdmsr(MSR_XSS) >> 32);
	}
	l2_setup(&l2, z_wrmsr, 0);
	l2.rcx = MSR_XSS;
	ctl_set(CTRL_PROC, PROC_MSR_BITMAPS);
	vw(CTRL_MSR_BITMAP, (u64)map);
	/* Each bit of it exists nowhere. */
	vl2_expect_trap(&l2, V_GP, NULL);
}

static const struct l1_test tests[] = {
	{ "sizes", F_XSAVE, sizes, NULL },
	{ "xss", F_XSAVE, xss, NULL },
	{ "saves", F_XSAVE, saves, NULL },
	{ "bad_header", F_XSAVE, bad_header, NULL },
	{ "not_offered", F_XSAVE, not_offered, NULL },
	{ "in_l2", F_XSAVE | VF_XSAVES, in_l2, NULL },
	{ "xss_in_l2", F_XSAVE | VF_XSAVES | VF_MSRBMP, xss_in_l2, NULL },
};

const struct test_group group_vmx_xsaves = { "vmx_xsaves", tests, ARRAY_SIZE(tests), false };
