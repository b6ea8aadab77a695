// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cached translations: what an invalidation has to make seen, for each type of
 * INVVPID and INVEPT, and what needs none (SDM volume 3, "VPIDs and EPT", "Operations
 * That Invalidate Cached Mappings").
 */
#include "vmx/vmx.h"

extern u64 boot_pml4[];

#define VA 0x180000000ull

VL2_ASM(b_read, "mov (%rbx),%rax");

/* L2 with page tables of its own, where VA leads to one of two pages */
struct map { u64 *root, *pte, a, b; };

static void own_tables(struct map *m)
{
	u64 *pdpt = alloc_page();

	m->root = alloc_page();
	memcpy(m->root, boot_pml4, PAGE_SIZE);
	memcpy(pdpt, (void *)(boot_pml4[0] & PT_ADDR), PAGE_SIZE);
	m->root[0] = (u64)pdpt | (m->root[0] & 0xfff);
	m->a = (u64)alloc_page();
	m->b = (u64)alloc_page();
	*(u64 *)m->a = 0xaaaa;
	*(u64 *)m->b = 0xbbbb;
	m->pte = pt_split(m->root, VA, L_4K);
	*m->pte = m->a | PT_P | PT_W | PT_U | PT_A | PT_D;
}

static void setup(struct vl2 *l2, struct map *m, u16 vpid)
{
	vl2_init_at(l2, b_read);
	own_tables(m);
	vw(GUEST_CR3, (u64)m->root);
	l2->rbx = VA;
	if (vpid) {
		ctl_set(CTRL_PROC, PROC_SECONDARY);
		ctl_set(CTRL_PROC2, PROC2_VPID);
		vw(CTRL_VPID, vpid);
	}
}

static void expect_read(struct vl2 *l2, u64 want, const char *when)
{
	vw(GUEST_RIP, (u64)b_read);
	if (vl2_expect_done(l2) && l2->rax != want)
		FAIL("L2 read %llx %s, expected %llx", l2->rax, when, want);
}

static void flip(struct map *m)
{
	*m->pte ^= m->a ^ m->b;
}

static void invvpid_type(const void *arg)
{
	u64 type = (u64)arg;
	struct inv_desc d = { { 7, VA } };
	struct map m;
	struct vl2 l2;
	int i;

	setup(&l2, &m, 7);
	expect_read(&l2, 0xaaaa, "at first");
	for (i = 0; i < 4; i++) {
		flip(&m);
		CHECK_EQ(invvpid(type, &d), VM_OK);
		expect_read(&l2, i & 1 ? 0xaaaa : 0xbbbb, "after INVVPID");
	}
	/* Rights that were taken away */
	*m.pte &= ~PT_P;
	CHECK_EQ(invvpid(type, &d), VM_OK);
	vw(GUEST_RIP, (u64)b_read);
	vl2_expect_trap(&l2, V_PF, NULL);
}

/* A global page goes with every type but the one that keeps globals. */
static void invvpid_global(const void *arg)
{
	struct inv_desc d = { { 7, VA } };
	struct map m;
	struct vl2 l2;
	u64 type;

	for (type = 0; type < 3; type++) {
		setup(&l2, &m, 7);
		vw_set(GUEST_CR4, CR4_PGE);
		*m.pte |= PT_G;
		d.w[0] = 7;
		CHECK_EQ(invvpid(1, &d), VM_OK);
		expect_read(&l2, 0xaaaa, "at first");
		flip(&m);
		CHECK_EQ(invvpid(type, &d), VM_OK);
		expect_read(&l2, 0xbbbb, "after INVVPID");
		vmcs_forget_all();
	}
}

/* VPID 0: entry and exit invalidate, no INVVPID is needed. */
static void no_vpid(const void *arg)
{
	struct map m;
	struct vl2 l2;

	setup(&l2, &m, 0);
	expect_read(&l2, 0xaaaa, "at first");
	flip(&m);
	expect_read(&l2, 0xbbbb, "after an exit and an entry");
}

/* Two VPIDs with different tables do not see each other's translations. */
static void two_vpids(const void *arg)
{
	struct vl2 l2[2];
	struct map m[2];
	int i;

	setup(&l2[0], &m[0], 8);
	setup(&l2[1], &m[1], 9);
	flip(&m[1]);
	for (i = 0; i < 6; i++) {
		CHECK_EQ(vmptrld(&l2[i & 1].vmcs), VM_OK);
		expect_read(&l2[i & 1], i & 1 ? 0xbbbb : 0xaaaa, "with its own VPID");
	}
}

/* A new CR3 in the VMCS with the same VPID: its mappings, not the old ones' after INVVPID. */
static void new_cr3(const void *arg)
{
	struct inv_desc d = { { 7, 0 } };
	struct map m, other;
	struct vl2 l2;

	setup(&l2, &m, 7);
	expect_read(&l2, 0xaaaa, "at first");
	own_tables(&other);
	flip(&other);
	vw(GUEST_CR3, (u64)other.root);
	CHECK_EQ(invvpid(3, &d), VM_OK);
	expect_read(&l2, 0xbbbb, "with another CR3");
}

/* An entry that fails must not lose the invalidation before it. */
static void failed_entry(const void *arg)
{
	struct inv_desc d = { { 7, VA } };
	struct map m;
	struct vl2 l2;
	u64 launched;

	setup(&l2, &m, 7);
	expect_read(&l2, 0xaaaa, "at first");
	flip(&m);
	CHECK_EQ(invvpid(1, &d), VM_OK);
	vw(GUEST_RFLAGS, 0);
	launched = l2.launched;
	vl2_run(&l2);
	CHECK_EQ(l2.reason, R_ENTRY_FAILED | R_GUEST_STATE);
	l2.launched = launched;
	vw(GUEST_RFLAGS, 2);
	expect_read(&l2, 0xbbbb, "after a failed entry");
	/* And with another VPID for the failed one */
	flip(&m);
	CHECK_EQ(invvpid(1, &d), VM_OK);
	vw(CTRL_VPID, 11);
	vw(GUEST_RFLAGS, 0);
	vl2_run(&l2);
	l2.launched = launched;
	vw(GUEST_RFLAGS, 2);
	vw(CTRL_VPID, 7);
	expect_read(&l2, 0xaaaa, "after a failed entry with another VPID");
}

/* ---- EPT ---- */

static void ept_setup(struct vl2 *l2, struct map *m, u16 vpid)
{
	setup(l2, m, vpid);
	l2->ept = ept_new();
	vw(CTRL_EPTP, eptp_of(l2->ept));
	ept_flush(l2->ept);
}

static void invept_type(const void *arg)
{
	u64 type = (u64)arg, *e;
	struct inv_desc d = { { 0, 0 } };
	struct map m;
	struct vl2 l2;
	u16 vpid;

	for (vpid = 0; vpid < 14; vpid += 13) {
		if (vpid && !(cpu_features & VF_VPID))
			break;
		ept_setup(&l2, &m, vpid);
		e = ept_entry(l2.ept, m.a, L_4K);
		d.w[0] = eptp_of(l2.ept);
		CHECK_EQ(invept(type, &d), VM_OK);
		expect_read(&l2, 0xaaaa, "at first");
		*e = m.b | EPT_RWX | EPT_WB;
		CHECK_EQ(invept(type, &d), VM_OK);
		expect_read(&l2, 0xbbbb, "after INVEPT");
		*e = 0;
		CHECK_EQ(invept(type, &d), VM_OK);
		vw(GUEST_RIP, (u64)b_read);
		if (vl2_expect(&l2, R_EPT_VIOLATION))
			CHECK_EQ(vr(GUEST_PHYSICAL), m.a);
		vmcs_forget_all();
	}
}

/* An EPT violation drops what led to it: mending the entry is enough. */
static void violation_mends(const void *arg)
{
	struct map m;
	struct vl2 l2;
	u64 *e;

	ept_setup(&l2, &m, 0);
	e = ept_entry(l2.ept, m.a, L_4K);
	*e = 0;
	ept_flush(l2.ept);
	vw(GUEST_RIP, (u64)b_read);
	if (!vl2_expect(&l2, R_EPT_VIOLATION))
		return;
	*e = m.a | EPT_RWX | EPT_WB;
	expect_read(&l2, 0xaaaa, "without INVEPT after the violation");
}

/* Entries that become present need no invalidation: nothing absent is cached. */
static void new_entry(const void *arg)
{
	struct map m;
	struct vl2 l2;
	u64 *e, old;

	ept_setup(&l2, &m, 0);
	e = ept_entry(l2.ept, m.a, L_4K);
	old = *e;
	*e = 0;
	ept_flush(l2.ept);
	*e = old;
	expect_read(&l2, 0xaaaa, "with an entry that is new");
}

/* A 2M leaf split into 4K ones, one of them elsewhere, and joined again */
static void split_join(const void *arg)
{
	struct map m;
	struct vl2 l2;
	u64 *pde, leaf;

	ept_setup(&l2, &m, 0);
	pde = ept_entry(l2.ept, m.a, L_2M);
	leaf = *pde;
	expect_read(&l2, 0xaaaa, "through the 2M leaf");
	*ept_entry(l2.ept, m.a, L_4K) = m.b | EPT_RWX | EPT_WB;
	ept_flush(l2.ept);
	expect_read(&l2, 0xbbbb, "after the split");
	*pde = leaf;
	ept_flush(l2.ept);
	expect_read(&l2, 0xaaaa, "after the join");
}

/* Another EPTP in the VMCS is another set of translations, without INVEPT. */
static void two_eptps(const void *arg)
{
	struct map m;
	struct vl2 l2;
	u64 *other;
	int i;

	ept_setup(&l2, &m, 0);
	other = ept_new();
	*ept_entry(other, m.a, L_4K) = m.b | EPT_RWX | EPT_WB;
	ept_flush(other);
	for (i = 0; i < 6; i++) {
		vw(CTRL_EPTP, eptp_of(i & 1 ? other : l2.ept));
		expect_read(&l2, i & 1 ? 0xbbbb : 0xaaaa, "with its EPTP");
	}
}

/* The host's own translations are not L2's. */
static void host_kept(const void *arg)
{
	struct map m;
	struct vl2 l2;
	u64 *slot;

	setup(&l2, &m, 0);
	slot = pt_split(boot_pml4, VA, L_4K);
	*slot = m.b | PT_P | PT_W;
	write_cr3(read_cr3());
	CHECK_EQ(*(volatile u64 *)VA, 0xbbbb);
	expect_read(&l2, 0xaaaa, "beside the host");
	CHECK_EQ(*(volatile u64 *)VA, 0xbbbb);
	((u64 *)(boot_pml4[0] & PT_ADDR))[VA >> 30] = 0;
	write_cr3(read_cr3());
}

static const struct l1_test tests[] = {
	{ "invvpid_address", VF_VPID | VF_INVVPID, invvpid_type, (void *)0 },
	{ "invvpid_single", VF_VPID | VF_INVVPID, invvpid_type, (void *)1 },
	{ "invvpid_all", VF_VPID | VF_INVVPID, invvpid_type, (void *)2 },
	{ "invvpid_retain_global", VF_VPID | VF_INVVPID, invvpid_type, (void *)3 },
	{ "invvpid_global_page", VF_VPID | VF_INVVPID, invvpid_global, NULL },
	{ "vpid_zero", 0, no_vpid, NULL },
	{ "two_vpids", VF_VPID, two_vpids, NULL },
	{ "new_cr3", VF_VPID | VF_INVVPID, new_cr3, NULL },
	{ "failed_entry", VF_VPID | VF_INVVPID, failed_entry, NULL },
	{ "invept_single", VF_EPT | VF_INVEPT1, invept_type, (void *)1 },
	{ "invept_all", VF_EPT | VF_INVEPTALL, invept_type, (void *)2 },
	{ "violation_mends", VF_EPT, violation_mends, NULL },
	{ "new_entry", VF_EPT, new_entry, NULL },
	{ "split_join", VF_EPT | VF_EPT2M, split_join, NULL },
	{ "two_eptps", VF_EPT, two_eptps, NULL },
	{ "host_kept", 0, host_kept, NULL },
};

const struct test_group group_vmx_tlb = { "vmx_tlb", tests, ARRAY_SIZE(tests), false };
