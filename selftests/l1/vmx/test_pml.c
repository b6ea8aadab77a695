// SPDX-License-Identifier: GPL-2.0-only
/*
 * EPT's accessed and dirty flags, and page-modification logging (SDM volume 3,
 * "Accessed and Dirty Flags for EPT", "Page-Modification Logging").
 */
#include "vmx/ept_case.h"

static void ad_flags(const void *arg)
{
	bool on = arg;
	struct ept t;
	struct vl2 l2;
	u64 want;
	int level;

	ept_case(&l2, &t, t_read);
	if (on)
		vw_set(CTRL_EPTP, EPTP_AD);
	CHECK_EQ(*t.leaf & (EPT_A | EPT_D), 0);
	vl2_expect_done(&l2);
	want = on ? EPT_A : 0;
	CHECK_EQ(*t.leaf & (EPT_A | EPT_D), want);
	for (level = L_2M; level <= L_512G; level++)
		CHECK_EQ(*ept_entry(t.root, t.gpa, level) & EPT_A, want);
	vw(GUEST_RIP, (u64)t_write);
	vl2_expect_done(&l2);
	CHECK_EQ(*t.leaf & (EPT_A | EPT_D), on ? EPT_A | EPT_D : 0);
	/* Cleared and invalidated, they are set again. */
	if (on) {
		struct inv_desc d = { { vr(CTRL_EPTP), 0 } };

		*t.leaf &= ~(EPT_A | EPT_D);
		CHECK_EQ(invept(cpu_features & VF_INVEPT1 ? 1 : 2, &d), VM_OK);
		vw(GUEST_RIP, (u64)t_write);
		vl2_expect_done(&l2);
		CHECK_EQ(*t.leaf & (EPT_A | EPT_D), EPT_A | EPT_D);
	}
}

/* With the flags on, walks of L2's tables count as writes. */
static void ad_walk(const void *arg)
{
	u64 *root, va = 0x180000000ull, table, *pdpt;
	struct ept t;
	struct vl2 l2;

	ept_case(&l2, &t, t_read);
	root = alloc_page();
	pdpt = alloc_page();
	memcpy(root, boot_pml4, PAGE_SIZE);
	memcpy(pdpt, (void *)(boot_pml4[0] & PT_ADDR), PAGE_SIZE);
	root[0] = (u64)pdpt | (root[0] & 0xfff);
	*pt_split(root, va, L_4K) = t.page | PT_P | PT_W | PT_U;
	table = (u64)pt_entry(root, va, L_4K) & ~0xfffull;
	vw(GUEST_CR3, (u64)root);
	vw_set(CTRL_EPTP, EPTP_AD);
	l2.rbx = va;
	t.leaf = ept_entry(t.root, table, L_4K);
	ept_set_leaf(&t, table | EPT_RWX | EPT_WB);
	vl2_expect_done(&l2);
	CHECK_EQ(*t.leaf & (EPT_A | EPT_D), EPT_A | EPT_D);
	/* And a table that L2 may only read faults as read and write. */
	*t.leaf = table | EPT_R | EPT_WB;
	{
		struct inv_desc d = { { vr(CTRL_EPTP), 0 } };

		invept(cpu_features & VF_INVEPT1 ? 1 : 2, &d);
	}
	vw(GUEST_RIP, (u64)t_read);
	if (vl2_expect(&l2, R_EPT_VIOLATION)) {
		CHECK_EQ(vr(EXIT_QUAL) & (EQ_WRITE | EQ_FETCH), EQ_WRITE);
		if (!t_departs("read"))
			CHECK(vr(EXIT_QUAL) & EQ_READ);
		CHECK_EQ(vr(EXIT_QUAL) & EQ_FINAL, 0);
	}
}

/* ---- page-modification logging ---- */

static void pml(const void *arg)
{
	u64 *log = alloc_page();
	struct ept t;
	struct vl2 l2;

	ept_case(&l2, &t, t_write);
	vw_set(CTRL_EPTP, EPTP_AD);
	ctl_set(CTRL_PROC2, PROC2_PML);
	vw(CTRL_PML, (u64)log);
	vw(GUEST_PML_INDEX, 511);
	/* All but the page under test and L2's stack are dirty or only read. */
	vl2_expect_done(&l2);
	{
		u32 index = vr(GUEST_PML_INDEX), i;
		bool found = false;

		CHECK(index < 511);
		for (i = index + 1; i <= 511; i++) {
			CHECK_EQ(log[i] & 0xfff, 0);
			found |= log[i] == t.gpa;
		}
		CHECK(found);
	}
	CHECK(*t.leaf & EPT_D);
	/* Dirty already: nothing more */
	{
		u32 index = vr(GUEST_PML_INDEX);

		vw(GUEST_RIP, (u64)t_write);
		vl2_expect_done(&l2);
		CHECK_EQ(vr(GUEST_PML_INDEX), index);
	}
}

static void pml_full(const void *arg)
{
	u64 *log = alloc_page(), index;
	struct ept t;
	struct vl2 l2;
	struct inv_desc d;

	ept_case(&l2, &t, t_write);
	vw_set(CTRL_EPTP, EPTP_AD);
	ctl_set(CTRL_PROC2, PROC2_PML);
	vw(CTRL_PML, (u64)log);
	vw(GUEST_PML_INDEX, 511);
	vl2_expect_done(&l2);
	/* Now the page is the only one that is not dirty. */
	*t.leaf &= ~EPT_D;
	d.w[0] = vr(CTRL_EPTP);
	d.w[1] = 0;
	invept(cpu_features & VF_INVEPT1 ? 1 : 2, &d);
	for (index = 0xffff; ; index = 512) {
		vw(GUEST_PML_INDEX, index);
		vw(GUEST_RIP, (u64)t_write);
		if (vl2_expect(&l2, R_PML_FULL)) {
			CHECK_EQ(vr(EXIT_QUAL) & ~(u64)EQ_NMI_UNBLOCK, 0);
			CHECK_EQ(vr(GUEST_RIP), t_write);
			CHECK_EQ(vr(GUEST_PML_INDEX), index);
			CHECK_EQ(*t.leaf & EPT_D, 0);
		}
		if (index == 512)
			break;
	}
	/* The last entry */
	vw(GUEST_PML_INDEX, 0);
	if (vl2_expect_done(&l2)) {
		CHECK_EQ(log[0], t.gpa);
		CHECK_EQ(vr(GUEST_PML_INDEX), 0xffff);
	}
}

static const struct l1_test tests[] = {
	{ "ad_off", VF_EPT, ad_flags, (void *)0 },
	{ "ad_on", VF_EPT | VF_EPTAD, ad_flags, (void *)1 },
	{ "ad_walk", VF_EPT | VF_EPTAD, ad_walk, NULL },
	{ "pml", VF_PML | VF_EPTAD, pml, NULL },
	{ "pml_full", VF_PML | VF_EPTAD, pml_full, NULL },
};

const struct test_group group_vmx_pml = { "vmx_pml", tests, ARRAY_SIZE(tests), false };
