// SPDX-License-Identifier: GPL-2.0-only
/*
 * TLB invalidation. L2 reads a word through nested tables, L1 leads the page
 * elsewhere and invalidates in one of the ways the manual gives; L2 must then
 * see the new page. And the other side: rights that are added need no
 * invalidation, and L2's own INVLPG, CR3 and CR4 writes work on its own tables.
 */
#include "l1.h"

#define GVA	0x180000000ull
#define HIGH	BIT(39)
#define RW	(PT_P | PT_W | PT_U | PT_A | PT_D)

L2_ASM(tlb_read, "mov (%rax), %rbx");
L2_ASM(tlb_write, "mov %rbx, (%rax)");

struct map {
	struct l2 l2;
	u64 *cr3, *npt;
	u64 *a, *b;
	u64 gpa;
	int leaf;
};

static void map_init(struct map *m, int leaf)
{
	memset(m, 0, sizeof(*m));
	m->leaf = leaf;
	m->a = alloc_2m();
	m->b = alloc_2m();
	*m->a = 0xaaaa;
	*m->b = 0xbbbb;
	m->gpa = HIGH;
	m->cr3 = pt_new_identity();
	pt_map(m->cr3, GVA, m->gpa, 0x200000, L_2M, RW);
	m->npt = pt_new_identity();
	pt_map(m->npt, m->gpa, (u64)m->a, leaf == L_4K ? PAGE_SIZE : 0x200000, leaf, RW);
	l2_init_at(&m->l2, tlb_read);
	m->l2.vmcb->s.cr3 = (u64)m->cr3;
	m->l2.vmcb->c.n_cr3 = (u64)m->npt;
	m->l2.vmcb->s.rax = GVA;
}

static u64 read_word(struct map *m)
{
	m->l2.vmcb->s.rip = (u64)tlb_read;
	m->l2.rbx = 0;
	l2_expect_done(&m->l2);
	return m->l2.rbx;
}

static void lead_to(struct map *m, u64 *page)
{
	*pt_entry(m->npt, m->gpa, m->leaf) = (u64)page | RW | (m->leaf == L_2M ? PT_PS : 0);
	barrier();
}

enum how { ALL, BY_ASID, BY_ASID_LOCAL, NEW_ASID, INVLPGA, NEW_NCR3 };

static void invalidate(struct map *m, enum how how)
{
	struct vmcb_control *c = &m->l2.vmcb->c;
	u64 *root;

	switch (how) {
	case ALL:
		c->tlb_control = TLB_ALL;
		break;
	case BY_ASID:
		c->tlb_control = TLB_ASID;
		break;
	case BY_ASID_LOCAL:
		c->tlb_control = TLB_ASID_LOCAL;
		break;
	case NEW_ASID:
		c->asid = c->asid == 1 ? 2 : 1;
		/* That number was in use before: its own entries must go as well. */
		c->tlb_control = TLB_ALL;
		break;
	case INVLPGA:
		__asm__ volatile("invlpga %%rax, %%ecx" : : "a"(GVA), "c"(c->asid));
		break;
	case NEW_NCR3:
		/* New root and ASID, as hypervisors do it. */
		root = alloc_page();
		memcpy(root, m->npt, PAGE_SIZE);
		c->n_cr3 = (u64)root;
		m->npt = root;
		c->tlb_control = TLB_ALL;
	}
}

struct how_case { enum how how; int leaf; };

static void remap(const void *arg)
{
	const struct how_case *h = arg;
	struct map m;
	int i;

	map_init(&m, h->leaf);
	CHECK_EQ(read_word(&m), 0xaaaa);
	for (i = 0; i < 20 && !t_failed(); i++) {
		lead_to(&m, i & 1 ? m.a : m.b);
		invalidate(&m, h->how);
		CHECK_EQ(read_word(&m), i & 1 ? 0xaaaa : 0xbbbb);
		m.l2.vmcb->c.tlb_control = TLB_NOTHING;
	}
}

/* A fresh ASID starts without entries, no flush asked. */
static void fresh_asid(const void *arg)
{
	struct map m;
	u32 asid;

	map_init(&m, L_4K);
	CHECK_EQ(read_word(&m), 0xaaaa);
	/* Empty all, then use each number once. */
	m.l2.vmcb->c.tlb_control = TLB_ALL;
	for (asid = 2; asid < nr_asids && asid < 8; asid++) {
		lead_to(&m, asid & 1 ? m.a : m.b);
		m.l2.vmcb->c.asid = asid;
		CHECK_EQ(read_word(&m), asid & 1 ? 0xaaaa : 0xbbbb);
		m.l2.vmcb->c.tlb_control = TLB_NOTHING;
	}
}

/* Mapping taken away: after the flush L2 faults. */
static void unmap(const void *arg)
{
	const int leaf = (long)arg;
	struct map m;

	map_init(&m, leaf);
	CHECK_EQ(read_word(&m), 0xaaaa);
	*pt_entry(m.npt, m.gpa, leaf) = 0;
	m.l2.vmcb->c.tlb_control = TLB_ALL;
	m.l2.vmcb->s.rip = (u64)tlb_read;
	if (l2_expect(&m.l2, X_NPF))
		CHECK_EQ(m.l2.vmcb->c.exitinfo2, m.gpa);
}

/* Write right taken away, then given back without a flush. */
static void permission(const void *arg)
{
	const int leaf = (long)arg;
	struct map m;
	int i;

	map_init(&m, leaf);
	m.l2.rbx = 1;
	for (i = 0; i < 5 && !t_failed(); i++) {
		m.l2.vmcb->s.rip = (u64)tlb_write;
		l2_expect_done(&m.l2);
		*pt_entry(m.npt, m.gpa, leaf) &= ~PT_W;
		m.l2.vmcb->c.tlb_control = TLB_ALL;
		m.l2.vmcb->s.rip = (u64)tlb_write;
		if (l2_expect(&m.l2, X_NPF))
			CHECK_EQ(m.l2.vmcb->c.exitinfo1, NPF_FINAL | NPF_P | NPF_W | NPF_U);
		*pt_entry(m.npt, m.gpa, leaf) |= PT_W;
	}
	l2_expect_done(&m.l2);
}

/* A 2M leaf becomes a table of 4K leaves and back, one page led elsewhere. */
static void leaf_to_table(const void *arg)
{
	struct map m;
	u64 *pte;
	int i;

	map_init(&m, L_2M);
	for (i = 0; i < 10 && !t_failed(); i++) {
		lead_to(&m, m.a);
		m.l2.vmcb->c.tlb_control = TLB_ALL;
		CHECK_EQ(read_word(&m), 0xaaaa);
		pte = pt_split(m.npt, m.gpa, L_4K);
		m.l2.vmcb->c.tlb_control = TLB_ALL;
		CHECK_EQ(read_word(&m), 0xaaaa);
		*pte = (u64)m.b | RW;
		m.l2.vmcb->c.tlb_control = TLB_ALL;
		CHECK_EQ(read_word(&m), 0xbbbb);
	}
}

/* Two L2s whose ASIDs differ do not see each other's entries. */
static void two_asids(const void *arg)
{
	struct map m, n;
	int i;

	map_init(&m, L_4K);
	map_init(&n, L_4K);
	n.l2.vmcb->c.asid = 2;
	*n.a = 0xcccc;
	for (i = 0; i < 50 && !t_failed(); i++) {
		CHECK_EQ(read_word(&m), 0xaaaa);
		CHECK_EQ(read_word(&n), 0xcccc);
	}
}

/* One ASID, two roots, a flush at each change. */
static void two_roots(const void *arg)
{
	struct map m, n;
	int i;

	map_init(&m, L_4K);
	map_init(&n, L_4K);
	*n.a = 0xcccc;
	for (i = 0; i < 50 && !t_failed(); i++) {
		m.l2.vmcb->c.tlb_control = TLB_ALL;
		CHECK_EQ(read_word(&m), 0xaaaa);
		n.l2.vmcb->c.tlb_control = TLB_ALL;
		CHECK_EQ(read_word(&n), 0xcccc);
	}
}

/*
 * More roots than a small budget of shadow tables holds, in turn and then at random:
 * each leads to its own page whenever it is used.
 */
static void many_roots(const void *arg)
{
	enum { ROOTS = 150 };
	u64 *roots[ROOTS], *pages[ROOTS];
	struct map m;
	u32 i, n;

	map_init(&m, L_4K);
	for (i = 0; i < ROOTS; i++) {
		pages[i] = alloc_page();
		*pages[i] = 0x10000 + i;
		roots[i] = pt_new_identity();
		pt_map(roots[i], HIGH, (u64)pages[i], PAGE_SIZE, L_4K, RW);
	}
	for (i = 0; i < 4 * ROOTS && !t_failed(); i++) {
		n = i < 2 * ROOTS ? i % ROOTS : random() % ROOTS;
		m.l2.vmcb->c.n_cr3 = (u64)roots[n];
		m.l2.vmcb->c.tlb_control = TLB_ALL;
		CHECK_EQ(read_word(&m), 0x10000 + n);
	}
}

/* A page that was a nested table becomes data, and its root goes away. */
static void table_reused(const void *arg)
{
	struct map m;
	u64 *root, *pte, i;

	map_init(&m, L_4K);
	for (i = 0; i < 20 && !t_failed(); i++) {
		root = pt_new_identity();
		pt_map(root, HIGH, (u64)m.a, PAGE_SIZE, L_4K, RW);
		m.l2.vmcb->c.n_cr3 = (u64)root;
		m.l2.vmcb->c.tlb_control = TLB_ALL;
		CHECK_EQ(read_word(&m), 0xaaaa);
		/* L2 is now given that very table page to write into. */
		pte = (u64 *)((u64)pt_entry(root, HIGH, L_4K) & ~0xfffull);
		lead_to(&m, pte);
		m.l2.vmcb->c.n_cr3 = (u64)m.npt;
		m.l2.vmcb->c.tlb_control = TLB_ALL;
		m.l2.vmcb->s.rip = (u64)tlb_write;
		m.l2.rbx = 0x7777000 + i;
		l2_expect_done(&m.l2);
		CHECK_EQ(*pte, 0x7777000 + i);
	}
}

/* What INVLPGA names: another address or ASID may keep ours or not, never more. */
static void invlpga_other(const void *arg)
{
	struct map m;
	u64 v;

	map_init(&m, L_4K);
	CHECK_EQ(read_word(&m), 0xaaaa);
	lead_to(&m, m.b);
	__asm__ volatile("invlpga %%rax, %%ecx" : : "a"(GVA + 0x1000), "c"(1));
	__asm__ volatile("invlpga %%rax, %%ecx" : : "a"(GVA), "c"(2));
	v = read_word(&m);
	CHECK(v == 0xaaaa || v == 0xbbbb);
}

/* ---- L2's own invalidations ---- */

struct own {
	volatile u64 *pte, *va;
	u64 next;
	int how;
	u64 before, after;
};

static void own_fn(void *arg)
{
	struct own *o = arg;

	o->before = *o->va;
	*o->pte = o->next;
	if (o->how == 0)
		__asm__ volatile("invlpg (%0)" : : "r"(o->va) : "memory");
	else if (o->how == 1)
		write_cr3(read_cr3());
	else {
		write_cr4(read_cr4() ^ CR4_PGE);
		write_cr4(read_cr4() ^ CR4_PGE);
	}
	o->after = *o->va;
}

static void own_flush(const void *arg)
{
	struct own o = { .how = (long)arg };
	struct map m;

	map_init(&m, L_4K);
	/* The window by a 4K page of L2's own; its other page lies beside it. */
	pt_map(m.npt, HIGH + 0x1000, (u64)m.b, PAGE_SIZE, L_4K, RW);
	pt_map(m.cr3, GVA, HIGH, PAGE_SIZE, L_4K, RW | (o.how == 2 ? PT_G : 0));
	o.pte = pt_entry(m.cr3, GVA, L_4K);
	o.va = (void *)GVA;
	o.next = (HIGH + 0x1000) | RW;
	l2_init(&m.l2, own_fn, &o);
	m.l2.vmcb->s.cr3 = (u64)m.cr3;
	m.l2.vmcb->c.n_cr3 = (u64)m.npt;
	if (!l2_expect_done(&m.l2))
		return;
	CHECK_EQ(o.before, 0xaaaa);
	CHECK_EQ(o.after, 0xbbbb);
}

/* L1 emulates an intercepted CR3 write of L2: new CR3 in the VMCB and a flush. */
static void cr3_in_vmcb(const void *arg)
{
	struct map m;
	u64 *other;
	int i;

	map_init(&m, L_4K);
	pt_map(m.npt, HIGH + 0x200000, (u64)m.b, PAGE_SIZE, L_4K, RW);
	other = pt_new_identity();
	pt_map(other, GVA, HIGH + 0x200000, 0x200000, L_2M, RW);
	for (i = 0; i < 20 && !t_failed(); i++) {
		m.l2.vmcb->s.cr3 = (u64)(i & 1 ? other : m.cr3);
		m.l2.vmcb->c.tlb_control = TLB_ALL;
		CHECK_EQ(read_word(&m), i & 1 ? 0xbbbb : 0xaaaa);
	}
}

#define HOW(n, h, l) static const struct how_case n = { h, l }
HOW(all4, ALL, L_4K);
HOW(all2, ALL, L_2M);
HOW(asid4, BY_ASID, L_4K);
HOW(asid2, BY_ASID, L_2M);
HOW(local4, BY_ASID_LOCAL, L_4K);
HOW(new4, NEW_ASID, L_4K);
HOW(inv4, INVLPGA, L_4K);
HOW(inv2, INVLPGA, L_2M);
HOW(ncr3, NEW_NCR3, L_4K);

static const struct l1_test tests[] = {
	{ "flush_all_4k", F_NPT, remap, &all4 },
	{ "flush_all_2m", F_NPT, remap, &all2 },
	{ "flush_asid_4k", F_NPT | F_FLUSHASID, remap, &asid4 },
	{ "flush_asid_2m", F_NPT | F_FLUSHASID, remap, &asid2 },
	{ "flush_asid_local", F_NPT | F_FLUSHASID, remap, &local4 },
	{ "asid_change", F_NPT, remap, &new4 },
	{ "asid_fresh", F_NPT, fresh_asid, NULL },
	{ "invlpga_4k", F_NPT, remap, &inv4 },
	{ "invlpga_2m", F_NPT, remap, &inv2 },
	{ "invlpga_other", F_NPT, invlpga_other, NULL },
	{ "ncr3_change", F_NPT, remap, &ncr3 },
	{ "unmap_4k", F_NPT, unmap, (void *)L_4K },
	{ "unmap_2m", F_NPT, unmap, (void *)L_2M },
	{ "permission_4k", F_NPT, permission, (void *)L_4K },
	{ "permission_2m", F_NPT, permission, (void *)L_2M },
	{ "leaf_to_table", F_NPT, leaf_to_table, NULL },
	{ "two_asids", F_NPT, two_asids, NULL },
	{ "two_roots", F_NPT, two_roots, NULL },
	{ "many_roots", F_NPT, many_roots, NULL },
	{ "table_reused", F_NPT, table_reused, NULL },
	{ "l2_invlpg", F_NPT, own_flush, (void *)0 },
	{ "l2_cr3", F_NPT, own_flush, (void *)1 },
	{ "l2_cr4_pge", F_NPT, own_flush, (void *)2 },
	{ "cr3_in_vmcb", F_NPT, cr3_in_vmcb, NULL },
};

const struct test_group group_tlb = { "tlb", tests, ARRAY_SIZE(tests), false };
