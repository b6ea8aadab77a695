// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested page faults: each bit of EXITINFO1, the address in EXITINFO2, leaves
 * of each size, the entry missing or malformed at each level, faults of the
 * walk itself. L2 has page tables of its own; its window at GVA leads to a
 * guest-physical address above 512 GiB, whose nested tables hold nothing else,
 * so that every level can be broken without hurting the rest of L2.
 */
#include "l1.h"

#define GVA	0x180000000ull
#define HIGH	BIT(39)
#define RW	(PT_P | PT_W | PT_U)
#define OFFSET	0x123

enum { RD, WR, EX };

L2_ASM(npf_rd, "mov (%rax), %rbx");
L2_ASM(npf_wr, "mov %rbx, (%rax)");
L2_ASM(npf_ex, "call *%rax");
L2_ASM(npf_movs, "movsl");
static const char *const access_code[] = { npf_rd, npf_wr, npf_ex };
static const char *const access_end[] = { npf_rd_end, npf_wr_end, npf_ex_end };

struct npf {
	u8 leaf;		/* size of the leaf */
	u8 level;		/* of the entry that is broken */
	u8 access;
	u64 clear, set;		/* what is done to the entry */
	u64 info;		/* expected, without the access's own bits */
};

struct window {
	struct l2 l2;
	u64 *cr3, *npt;
	u8 *page;		/* 2 MiB behind the window */
	u64 gpa;
};

static void open_window(struct window *w, int leaf, const char *code)
{
	u64 gva = GVA + OFFSET;

	memset(w, 0, sizeof(*w));
	w->page = alloc_2m();
	memset(w->page, 0xc3, PAGE_SIZE);
	w->gpa = HIGH + (u64)w->page;
	w->cr3 = pt_new_identity();
	pt_map(w->cr3, GVA, w->gpa, 0x200000, L_2M, RW | PT_A | PT_D);
	w->npt = pt_new_identity();
	if (leaf == L_1G)
		pt_map(w->npt, HIGH, 0, BIT(30), L_1G, RW);
	else
		pt_map(w->npt, w->gpa, (u64)w->page, leaf == L_4K ? PAGE_SIZE : 0x200000, leaf, RW);
	l2_init_at(&w->l2, code);
	w->l2.vmcb->s.cr3 = (u64)w->cr3;
	w->l2.vmcb->c.n_cr3 = (u64)w->npt;
	w->l2.vmcb->s.rax = gva;
}

static u64 access_bits(int access)
{
	return NPF_U | (access == WR ? NPF_W : access == EX ? NPF_ID : 0);
}

static void fault(const void *arg)
{
	const struct npf *n = arg;
	const char *code = access_code[n->access];
	struct window w;
	u64 *e, good, want;

	open_window(&w, n->leaf, code);
	e = pt_entry(w.npt, w.gpa, n->level);
	good = *e;
	*e = (good & ~n->clear) | n->set;
	if (!l2_expect(&w.l2, X_NPF))
		return;
	want = n->info | NPF_FINAL | access_bits(n->access);
	if (want & NPF_RSV && t_departs("present"))
		want &= ~NPF_P;
	CHECK_EQ(w.l2.vmcb->c.exitinfo1, want);
	CHECK_EQ(w.l2.vmcb->c.exitinfo2, w.gpa + OFFSET);
	CHECK_EQ(w.l2.vmcb->s.rip, n->access == EX ? GVA + OFFSET : (u64)code);
	CHECK_EQ(w.l2.vmcb->c.exitintinfo & EV_VALID, 0);
	if (cpu_features & F_DECODE && n->access != EX) {
		CHECK(w.l2.vmcb->c.insn_len >= 3);
		CHECK(!memcmp(w.l2.vmcb->c.insn_bytes, code, 3));
	}
	/* Put right without any flush: rights that are added need none. */
	*e = good;
	if (l2_expect_done(&w.l2))
		CHECK_EQ(w.l2.vmcb->s.rip, access_end[n->access]);
}

/* Faults of L2's own walk: its table at that level is missing or read-only. */
struct walk { u8 level; bool read_only; };

static void walk_fault(const void *arg)
{
	const struct walk *k = arg;
	struct window w;
	u64 *table, *slot, *e, good, info;

	open_window(&w, L_2M, npf_rd);
	/* One more level: the window by a 4K page, so that there is a PT. */
	pt_map(w.cr3, GVA, w.gpa, PAGE_SIZE, L_4K, RW);
	slot = pt_entry(w.cr3, GVA, k->level);
	/* A copy of that table at a page that nothing else uses. */
	table = alloc_page();
	memcpy(table, (void *)((u64)slot & ~0xfffull), PAGE_SIZE);
	slot = (u64 *)((u64)table + ((u64)slot & 0xfff));
	if (k->level == L_512G)
		w.l2.vmcb->s.cr3 = (u64)table;
	else
		*pt_entry(w.cr3, GVA, k->level + 1) = (u64)table | RW | PT_A;
	e = pt_split(w.npt, (u64)table, L_4K);
	good = *e;
	*e &= k->read_only ? ~PT_W : ~PT_P;
	if (!l2_expect(&w.l2, X_NPF))
		return;
	info = w.l2.vmcb->c.exitinfo1;
	CHECK_EQ(info & (NPF_FINAL | NPF_TABLE), NPF_TABLE);
	CHECK_EQ(info & (NPF_P | NPF_U | NPF_RSV | NPF_ID), (k->read_only ? NPF_P : 0) | NPF_U);
	/* The walk of L2's tables counts as a write. */
	if (k->read_only || !t_departs("write"))
		CHECK_EQ(info & NPF_W, NPF_W);
	if (k->level >= L_1G)
		/* It was the code's own fetch that met the broken table. */
		CHECK_EQ(w.l2.vmcb->c.exitinfo2 & ~0xfffull, table);
	else
		CHECK_EQ(w.l2.vmcb->c.exitinfo2, slot);
	*e = good;
	l2_expect_done(&w.l2);
}

/* CR2 belongs to L2's own faults. */
static void cr2_untouched(const void *arg)
{
	struct window w;

	open_window(&w, L_4K, npf_rd);
	*pt_entry(w.npt, w.gpa, L_4K) = 0;
	w.l2.vmcb->s.cr2 = 0x4321;
	if (l2_expect(&w.l2, X_NPF) && !t_departs("cr2"))
		CHECK_EQ(w.l2.vmcb->s.cr2, 0x4321);
}

/* A read sets A in the nested leaf, a write D too. */
static void accessed_dirty(const void *arg)
{
	const int leaf = (long)arg;
	struct window w;
	u64 *e;

	open_window(&w, leaf, npf_rd);
	e = pt_entry(w.npt, w.gpa, leaf);
	CHECK_EQ(*e & (PT_A | PT_D), 0);
	if (!l2_expect_done(&w.l2))
		return;
	CHECK_EQ(*e & (PT_A | PT_D), PT_A);
	w.l2.vmcb->s.rip = (u64)npf_wr;
	w.l2.rbx = 0xc3c3c3c3c3c3c3c3ull;
	if (l2_expect_done(&w.l2))
		CHECK_EQ(*e & (PT_A | PT_D), PT_A | PT_D);
}

/* CR0.WP and L2's own supervisor rights do not weaken the nested tables. */
static void wp_off(const void *arg)
{
	struct window w;

	open_window(&w, L_4K, npf_wr);
	*pt_entry(w.npt, w.gpa, L_4K) &= ~PT_W;
	w.l2.vmcb->s.cr0 &= ~CR0_WP;
	if (l2_expect(&w.l2, X_NPF))
		CHECK_EQ(w.l2.vmcb->c.exitinfo1, NPF_FINAL | NPF_P | NPF_W | NPF_U);
}

/* L2's own #PF comes first, and is L2's. */
static void guest_fault_first(const void *arg)
{
	struct l2_frame fr;
	struct window w;

	open_window(&w, L_4K, npf_wr);
	*pt_entry(w.npt, w.gpa, L_4K) = 0;
	*pt_entry(w.cr3, GVA, L_2M) &= ~PT_W;
	if (l2_expect_trap(&w.l2, V_PF, &fr)) {
		CHECK_EQ(fr.err, 3);
		CHECK_EQ(w.l2.vmcb->s.cr2, GVA + OFFSET);
	}
}

/* Guest-physical addresses that no level maps, from the page above RAM to the top. */
static void sweep(const void *arg)
{
	u64 mark = mem_mark(), gpa;
	struct window w;
	u32 bit;

	for (bit = 32; bit < maxphys; bit++) {
		gpa = BIT(bit);
		if (gpa == HIGH)
			gpa += 0x40000000;
		open_window(&w, L_4K, npf_rd);
		*pt_entry(w.cr3, GVA, L_2M) = gpa | RW | PT_PS | PT_A | PT_D;
		if (l2_expect(&w.l2, X_NPF)) {
			CHECK_EQ(w.l2.vmcb->c.exitinfo2, gpa + OFFSET);
			CHECK_EQ(w.l2.vmcb->c.exitinfo1, NPF_FINAL | NPF_U);
		}
		mem_reset(mark);
	}
}

/* Data that crosses from a mapped page into a missing one. */
static void crossing(const void *arg)
{
	struct window w;

	open_window(&w, L_4K, npf_rd);
	w.l2.vmcb->s.rax = GVA + 0xffc;
	if (l2_expect(&w.l2, X_NPF))
		CHECK_EQ(w.l2.vmcb->c.exitinfo2 & ~0xfffull, w.gpa + 0x1000);
	pt_map(w.npt, w.gpa + 0x1000, (u64)w.page + 0x1000, PAGE_SIZE, L_4K, RW);
	l2_expect_done(&w.l2);
}

#define N(n, leaf, lvl, acc, clr, set, info) \
	static const struct npf n = { leaf, lvl, acc, clr, set, info }
#define THREE(n, leaf, lvl, clr, set, info) \
	N(n##_rd, leaf, lvl, RD, clr, set, info); \
	N(n##_wr, leaf, lvl, WR, clr, set, info); \
	N(n##_ex, leaf, lvl, EX, clr, set, info)
#define ROW3(s, n, f) \
	{ s "_read", f, fault, &n##_rd }, { s "_write", f, fault, &n##_wr }, \
	{ s "_fetch", f, fault, &n##_ex }

THREE(np_pte, L_4K, 1, PT_P, 0, 0);
THREE(np_pde, L_4K, 2, PT_P, 0, 0);
THREE(np_pdpte, L_4K, 3, PT_P, 0, 0);
THREE(np_pml4e, L_4K, 4, PT_P, 0, 0);
THREE(np_2m, L_2M, 2, PT_P, 0, 0);
THREE(np_1g, L_1G, 3, PT_P, 0, 0);
THREE(rsv_pte, L_4K, 1, 0, BIT(51), NPF_P | NPF_RSV);
THREE(rsv_pde, L_4K, 2, 0, BIT(51), NPF_P | NPF_RSV);
THREE(rsv_pdpte, L_4K, 3, 0, BIT(51), NPF_P | NPF_RSV);
THREE(rsv_pml4e, L_4K, 4, 0, BIT(51), NPF_P | NPF_RSV);
THREE(rsv_pml4_ps, L_4K, 4, 0, PT_PS, NPF_P | NPF_RSV);
THREE(rsv_2m, L_2M, 2, 0, BIT(13), NPF_P | NPF_RSV);
THREE(rsv_1g, L_1G, 3, 0, BIT(13), NPF_P | NPF_RSV);
N(ro_4k, L_4K, 1, WR, PT_W, 0, NPF_P);
N(ro_2m, L_2M, 2, WR, PT_W, 0, NPF_P);
N(ro_1g, L_1G, 3, WR, PT_W, 0, NPF_P);
N(ro_pde, L_4K, 2, WR, PT_W, 0, NPF_P);
N(ro_pdpte, L_4K, 3, WR, PT_W, 0, NPF_P);
N(ro_pml4e, L_4K, 4, WR, PT_W, 0, NPF_P);
N(nx_4k, L_4K, 1, EX, 0, PT_NX, NPF_P);
N(nx_2m, L_2M, 2, EX, 0, PT_NX, NPF_P);
N(nx_1g, L_1G, 3, EX, 0, PT_NX, NPF_P);
N(nx_pde, L_4K, 2, EX, 0, PT_NX, NPF_P);
N(nx_pml4e, L_4K, 4, EX, 0, PT_NX, NPF_P);
THREE(super_4k, L_4K, 1, PT_U, 0, NPF_P);
THREE(super_2m, L_2M, 2, PT_U, 0, NPF_P);
THREE(super_pml4e, L_4K, 4, PT_U, 0, NPF_P);

static const struct walk k_pt = { 1, false }, k_pd = { 2, false }, k_pdpt = { 3, false },
	k_pml4 = { 4, false };
static const struct walk k_ro_pt = { 1, true }, k_ro_pd = { 2, true }, k_ro_pdpt = { 3, true };

/* From a device to a page of L2's: where a hypervisor below carries that out, the walk of the nested tables is its own. */
static void emulated(const void *arg)
{
	u32 version = apic_read(0x30);
	struct window w;
	u64 *e, good, cleared;
	u32 i;

	for (i = 0; i < 2; i++) {
		open_window(&w, L_4K, npf_movs);
		cleared = i ? PT_W : ~0ull;
		e = pt_entry(w.npt, w.gpa, 1);
		good = *e;
		*e = good & ~cleared;
		w.l2.rsi = 0xfee00030;
		w.l2.rdi = GVA + OFFSET;
		if (!l2_expect(&w.l2, X_NPF))
			continue;
		CHECK_EQ(w.l2.vmcb->c.exitinfo1, NPF_FINAL | NPF_U | NPF_W | (i ? NPF_P : 0));
		CHECK_EQ(w.l2.vmcb->c.exitinfo2, w.gpa + OFFSET);
		CHECK_EQ(w.l2.vmcb->s.rip, npf_movs);
		CHECK_EQ(w.l2.rsi, 0xfee00030);
		*e = good;
		if (!l2_expect_done(&w.l2))
			continue;
		CHECK_EQ(*(u32 *)(w.page + OFFSET), version);
		CHECK_EQ(w.l2.rdi, GVA + OFFSET + 4);
	}
}

static const struct l1_test tests[] = {
	ROW3("pte_absent", np_pte, F_NPT),
	ROW3("pde_absent", np_pde, F_NPT),
	ROW3("pdpte_absent", np_pdpte, F_NPT),
	ROW3("pml4e_absent", np_pml4e, F_NPT),
	ROW3("2m_absent", np_2m, F_NPT),
	ROW3("1g_absent", np_1g, F_NPT | F_1G),
	ROW3("pte_reserved", rsv_pte, F_NPT),
	ROW3("pde_reserved", rsv_pde, F_NPT),
	ROW3("pdpte_reserved", rsv_pdpte, F_NPT),
	ROW3("pml4e_reserved", rsv_pml4e, F_NPT),
	ROW3("pml4e_large", rsv_pml4_ps, F_NPT),
	ROW3("2m_reserved", rsv_2m, F_NPT),
	ROW3("1g_reserved", rsv_1g, F_NPT | F_1G),
	ROW3("4k_supervisor", super_4k, F_NPT),
	ROW3("2m_supervisor", super_2m, F_NPT),
	ROW3("pml4e_supervisor", super_pml4e, F_NPT),
	{ "4k_read_only", F_NPT, fault, &ro_4k },
	{ "2m_read_only", F_NPT, fault, &ro_2m },
	{ "1g_read_only", F_NPT | F_1G, fault, &ro_1g },
	{ "pde_read_only", F_NPT, fault, &ro_pde },
	{ "pdpte_read_only", F_NPT, fault, &ro_pdpte },
	{ "pml4e_read_only", F_NPT, fault, &ro_pml4e },
	{ "4k_nx", F_NPT, fault, &nx_4k },
	{ "2m_nx", F_NPT, fault, &nx_2m },
	{ "1g_nx", F_NPT | F_1G, fault, &nx_1g },
	{ "pde_nx", F_NPT, fault, &nx_pde },
	{ "pml4e_nx", F_NPT, fault, &nx_pml4e },
	{ "walk_pt_absent", F_NPT, walk_fault, &k_pt },
	{ "walk_pd_absent", F_NPT, walk_fault, &k_pd },
	{ "walk_pdpt_absent", F_NPT, walk_fault, &k_pdpt },
	{ "walk_pml4_absent", F_NPT, walk_fault, &k_pml4 },
	{ "walk_pt_read_only", F_NPT, walk_fault, &k_ro_pt },
	{ "walk_pd_read_only", F_NPT, walk_fault, &k_ro_pd },
	{ "walk_pdpt_read_only", F_NPT, walk_fault, &k_ro_pdpt },
	{ "accessed_dirty_4k", F_NPT, accessed_dirty, (void *)L_4K },
	{ "accessed_dirty_2m", F_NPT, accessed_dirty, (void *)L_2M },
	{ "accessed_dirty_1g", F_NPT | F_1G, accessed_dirty, (void *)L_1G },
	{ "cr2_untouched", F_NPT, cr2_untouched, NULL },
	{ "cr0_wp_off", F_NPT, wp_off, NULL },
	{ "guest_fault_first", F_NPT, guest_fault_first, NULL },
	{ "address_bits", F_NPT, sweep, NULL },
	{ "crossing", F_NPT, crossing, NULL },
	{ "emulated", F_NPT, emulated, NULL },
};

const struct test_group group_npf = { "npf", tests, ARRAY_SIZE(tests), false };
