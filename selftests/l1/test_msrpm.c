// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSR intercepts: each of the three ranges of the permission map, both
 * directions, its edges, and the MSRs outside of it, which always exit.
 */
#include "l1.h"

L2_ASM(msr_read, "rdmsr");
L2_ASM(msr_write, "wrmsr");

static u8 *prepare(struct l2 *l2, const char *code, u32 msr)
{
	u8 *map = alloc_pages(2);

	l2_init_at(l2, code);
	l2->rcx = msr;
	l2->vmcb->c.msrpm_base_pa = (u64)map;
	l2_intercept1(l2, I1_MSR);
	return map;
}

/* Bit number of the MSR's read permission; -1 outside of the map. */
static int map_bit(u32 msr)
{
	if (msr < 0x2000)
		return msr * 2;
	if (msr >= 0xc0000000 && msr < 0xc0002000)
		return 0x800 * 8 + (msr - 0xc0000000) * 2;
	if (msr >= 0xc0010000 && msr < 0xc0012000)
		return 0x1000 * 8 + (msr - 0xc0010000) * 2;
	return -1;
}

static const u32 inside[] = {
	0, 1, 0x10, MSR_SYSENTER_CS, MSR_PAT, 0x1ffe, 0x1fff,
	0xc0000000, MSR_EFER, MSR_STAR, MSR_FS_BASE, MSR_KGS_BASE, 0xc0001fff,
	0xc0010000, MSR_VM_HSAVE_PA, 0xc0011fff,
};

static const u32 outside[] = {
	0x2000, 0x3fff, 0x40000000, 0xbfffffff, 0xc0002000, 0xc000ffff, 0xc0012000, 0xffffffff,
};

static void one_bit(const void *arg)
{
	const bool wr = arg;
	const char *code = wr ? msr_write : msr_read;
	u64 mark = mem_mark();
	struct l2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(inside); i++) {
		int bit = map_bit(inside[i]) + wr;
		u8 *map = prepare(&l2, code, inside[i]);

		map[bit / 8] |= 1 << bit % 8;
		l2_run(&l2);
		if (l2.vmcb->c.exitcode != X_MSR || l2.vmcb->c.exitinfo1 != wr) {
			FAIL("MSR %x, its bit alone: exit %llx info %llx", inside[i],
			     l2.vmcb->c.exitcode, l2.vmcb->c.exitinfo1);
			continue;
		}
		CHECK_EQ(l2.vmcb->s.rip, code);
		CHECK_EQ(l2.rcx, inside[i]);
		check_nrip(&l2, 2);
		mem_reset(mark);
	}
}

/*
 * All bits but its own: the MSR does not exit. Unknown ones fault in L2. Only
 * reads are tried on all, writes on MSRs that are safe to write back.
 */
static void other_bits(const void *arg)
{
	const bool wr = arg;
	u64 mark = mem_mark(), v;
	struct l2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(inside); i++) {
		u32 msr = inside[i];
		int bit = map_bit(msr) + wr;
		u8 *map;

		if (wr && msr != MSR_SYSENTER_CS && msr != MSR_STAR && msr != MSR_EFER &&
		    msr != MSR_KGS_BASE)
			continue;
		map = prepare(&l2, wr ? msr_write : msr_read, msr);
		memset(map, 0xff, 2 * PAGE_SIZE);
		map[bit / 8] &= ~(1 << bit % 8);
		if (wr) {
			v = rdmsr(msr);
			l2.vmcb->s.rax = (u32)v;
			l2.rdx = v >> 32;
		}
		l2_run(&l2);
		if (l2.vmcb->c.exitcode != X_VMMCALL)
			FAIL("MSR %x, all bits but its own: exit %llx", msr, l2.vmcb->c.exitcode);
		mem_reset(mark);
	}
}

static void not_in_map(const void *arg)
{
	const bool wr = arg;
	u64 mark = mem_mark();
	struct l2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(outside); i++) {
		prepare(&l2, wr ? msr_write : msr_read, outside[i]);
		l2_run(&l2);
		if (l2.vmcb->c.exitcode != X_MSR || l2.vmcb->c.exitinfo1 != wr)
			FAIL("MSR %x: exit %llx info %llx", outside[i], l2.vmcb->c.exitcode,
			     l2.vmcb->c.exitinfo1);
		mem_reset(mark);
	}
}

static void intercept_off(const void *arg)
{
	struct l2 l2;
	u8 *map = prepare(&l2, msr_read, MSR_SYSENTER_CS);

	memset(map, 0xff, 2 * PAGE_SIZE);
	l2.vmcb->c.misc1 &= ~(1u << I1_MSR);
	l2_expect_done(&l2);
}

/* #GP of CPL 3 comes before the intercept. */
static void at_cpl3(const void *arg)
{
	struct l2_frame fr;
	struct l2 l2;
	u8 *map = prepare(&l2, msr_read, MSR_SYSENTER_CS);

	memset(map, 0xff, 2 * PAGE_SIZE);
	l2_set_user(&l2);
	if (l2_expect_trap(&l2, V_GP, &fr))
		CHECK_EQ(fr.rip, msr_read);
}

static void base_low_bits(const void *arg)
{
	struct l2 l2;
	u8 *map = prepare(&l2, msr_read, 0x10);

	map[4] = 1;
	l2.vmcb->c.msrpm_base_pa |= 0xfff;
	l2_expect(&l2, X_MSR);
}

/* L2's own MSRs pass through the VMCB, not through L1's. */
static void values(const void *arg)
{
	static const u32 msrs[] = { MSR_SYSENTER_CS, MSR_LSTAR, MSR_KGS_BASE, MSR_FS_BASE };
	u64 host, mark = mem_mark();
	struct l2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		host = rdmsr(msrs[i]);
		prepare(&l2, msr_write, msrs[i]);
		l2.vmcb->s.rax = 0x7000;
		l2.rdx = 0;
		if (!l2_expect_done(&l2))
			return;
		CHECK_EQ(rdmsr(msrs[i]), host);
		l2.vmcb->s.rip = (u64)msr_read;
		l2.vmcb->s.rax = 0;
		if (l2_expect_done(&l2))
			CHECK_EQ(l2.vmcb->s.rax, 0x7000);
		CHECK_EQ(rdmsr(msrs[i]), host);
		mem_reset(mark);
	}
}

/* G_PAT is L2's PAT under nested paging; L1's is not touched. */
static void pat(const void *arg)
{
	u64 host = rdmsr(MSR_PAT);
	struct l2 l2;

	prepare(&l2, msr_read, MSR_PAT);
	l2.vmcb->s.g_pat = 0x0007040600070404ull;
	if (l2_expect_done(&l2))
		CHECK_EQ((u32)l2.vmcb->s.rax, 0x00070404);
	prepare(&l2, msr_write, MSR_PAT);
	l2.vmcb->s.rax = 0x00070406;
	l2.rdx = 0x00070405;
	if (l2_expect_done(&l2))
		CHECK_EQ(l2.vmcb->s.g_pat, 0x0007040500070406ull);
	CHECK_EQ(rdmsr(MSR_PAT), host);
}

static const struct l1_test tests[] = {
	{ "read_own_bit", 0, one_bit, (void *)0 },
	{ "write_own_bit", 0, one_bit, (void *)1 },
	{ "read_other_bits", 0, other_bits, (void *)0 },
	{ "write_other_bits", 0, other_bits, (void *)1 },
	{ "read_outside", 0, not_in_map, (void *)0 },
	{ "write_outside", 0, not_in_map, (void *)1 },
	{ "off", 0, intercept_off, NULL },
	{ "cpl3", 0, at_cpl3, NULL },
	{ "map_low_bits", 0, base_low_bits, NULL },
	{ "values", 0, values, NULL },
	{ "pat", F_NPT, pat, NULL },
};

const struct test_group group_msrpm = { "msrpm", tests, ARRAY_SIZE(tests), false };
