// SPDX-License-Identifier: GPL-2.0-only
/*
 * EPT violations and misconfigurations: each bit of the qualification, every
 * combination of rights, page sizes, accessed and dirty flags, and that what was
 * mended works (SDM volume 3, "EPT Translation Mechanism", "EPT-Induced VM
 * Exits", "Exit Qualification for EPT Violations").
 */
#include "vmx/ept_case.h"

VL2_ASM(t_read, "mov (%rbx),%rax");
VL2_ASM(t_write, "mov %rax,(%rbx)");
VL2_ASM(t_rmw, "lock incq (%rbx)");
VL2_ASM(t_jmp, "jmp *%rbx");

void ept_case(struct vl2 *l2, struct ept *t, const char *code)
{
	vl2_init_at(l2, code);
	t->root = ept_new();
	t->page = (u64)alloc_page();
	t->gpa = t->page;
	t->leaf = ept_entry(t->root, t->gpa, L_4K);
	/* What a jump there executes */
	*(u32 *)t->page = 0xc1010f;
	vw(CTRL_EPTP, eptp_of(t->root));
	ept_flush(t->root);
	l2->rbx = t->page;
	l2->ept = t->root;
}

void ept_set_leaf(struct ept *t, u64 e)
{
	*t->leaf = e;
	ept_flush(t->root);
}

#define EQ_MASK (EQ_READ | EQ_WRITE | EQ_FETCH | EQ_R | EQ_W | EQ_X | EQ_GLA | EQ_FINAL | \
		 EQ_NMI_UNBLOCK)

static void check_violation(struct vl2 *l2, const struct ept *t, u64 qual, u64 off)
{
	CHECK_EQ(vr(EXIT_QUAL) & EQ_MASK, qual | EQ_GLA | EQ_FINAL);
	CHECK_EQ(vr(GUEST_PHYSICAL), t->gpa + off);
	CHECK_EQ(vr(GUEST_LINEAR), l2->rbx + off);
	CHECK_EQ(vr(IDT_INFO) & EV_ON, 0);
}

/* Three accesses against the eight combinations of rights */
static void lattice(const void *arg)
{
	static const struct { const char *code; u64 need, eq; } acc[] = {
		{ t_read, EPT_R, EQ_READ }, { t_write, EPT_W, EQ_WRITE }, { t_jmp, EPT_X, EQ_FETCH },
	};
	u64 mark = mem_mark(), rights;
	struct ept t;
	struct vl2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(acc); i++)
		for (rights = 0; rights < 8; rights++) {
			bool miscfg = (rights & EPT_W && !(rights & EPT_R)) ||
				      (rights == EPT_X && !(cpu_features & VF_EXECONLY));

			ept_case(&l2, &t, acc[i].code);
			ept_set_leaf(&t, (ept_good(&t) & ~EPT_RWX) | rights);
			if (miscfg) {
				vl2_expect(&l2, R_EPT_MISCONFIG);
			} else if (rights & acc[i].need) {
				vl2_expect_done(&l2);
			} else if (vl2_expect(&l2, R_EPT_VIOLATION)) {
				check_violation(&l2, &t, acc[i].eq | rights << 3, 0);
				if (acc[i].code != t_jmp)
					CHECK_EQ(vr(GUEST_RIP), acc[i].code);
				else
					CHECK_EQ(vr(GUEST_RIP), t.page);
				ept_set_leaf(&t, ept_good(&t));
				vl2_expect_done(&l2);
			}
			if (t_failed())
				FAIL("rights %llx", rights);
			vmcs_forget_all();
			mem_reset(mark);
		}
}

/* Rights of the upper levels count as well; the qualification has their AND. */
static void upper_levels(const void *arg)
{
	u64 mark = mem_mark(), keep, *e;
	struct ept t;
	struct vl2 l2;
	int level;

	for (level = L_2M; level <= L_512G; level++) {
		ept_case(&l2, &t, t_write);
		/* Only the page under test is looked at: its path must not carry L2's own code. */
		t.gpa = 0x8000000000ull + 0x40000000ull * 3 + 0x5000;
		t.leaf = ept_entry(t.root, t.gpa, L_4K);
		*t.leaf = ept_good(&t);
		if (maxphys <= 39) {
			t_skip("MAXPHYADDR is too small");
			return;
		}
		/* L2's own tables lead there. */
		*pt_split(boot_pml4, 0x180000000ull, L_4K) = t.gpa | PT_P | PT_W;
		write_cr3(read_cr3());
		l2.rbx = 0x180000000ull;
		e = ept_entry(t.root, t.gpa, level);
		keep = *e;
		*e = (keep & ~EPT_RWX) | EPT_R;
		ept_flush(t.root);
		if (vl2_expect(&l2, R_EPT_VIOLATION))
			check_violation(&l2, &t, EQ_WRITE | EQ_R, 0);
		*e = 0;
		ept_flush(t.root);
		if (vl2_expect(&l2, R_EPT_VIOLATION))
			check_violation(&l2, &t, EQ_WRITE, 0);
		*e = keep;
		ept_flush(t.root);
		vl2_expect_done(&l2);
		((u64 *)(boot_pml4[0] & PT_ADDR))[0x180000000ull >> 30] = 0;
		write_cr3(read_cr3());
		vmcs_forget_all();
		mem_reset(mark);
	}
}

/* A read-modify-write is a write, and may be a read as well. */
static void rmw(const void *arg)
{
	struct ept t;
	struct vl2 l2;

	ept_case(&l2, &t, t_rmw);
	ept_set_leaf(&t, (ept_good(&t) & ~EPT_RWX) | EPT_R);
	if (vl2_expect(&l2, R_EPT_VIOLATION)) {
		CHECK(vr(EXIT_QUAL) & EQ_WRITE);
		CHECK_EQ(vr(EXIT_QUAL) & (EQ_R | EQ_W | EQ_X), EQ_R);
	}
}

/* Offset in the page, and an access that crosses into a missing page */
static void address(const void *arg)
{
	struct ept t;
	struct vl2 l2;

	ept_case(&l2, &t, t_read);
	ept_set_leaf(&t, 0);
	l2.rbx += 0x123;
	if (vl2_expect(&l2, R_EPT_VIOLATION)) {
		CHECK_EQ(vr(GUEST_PHYSICAL), t.gpa + 0x123);
		CHECK_EQ(vr(GUEST_LINEAR), t.gpa + 0x123);
	}
	ept_case(&l2, &t, t_read);
	ept_set_leaf(&t, 0);
	l2.rbx -= 4;
	if (vl2_expect(&l2, R_EPT_VIOLATION))
		CHECK_EQ(vr(GUEST_PHYSICAL) & ~0xfffull, t.gpa);
}

/* L2's paging structures: bit 8 is clear, the address is the entry's. */
static void guest_walk(const void *arg)
{
	u64 mark = mem_mark(), *root, *e, table, va = 0x180000000ull;
	struct ept t;
	struct vl2 l2;
	int level;

	for (level = L_4K; level <= L_1G; level++) {
		ept_case(&l2, &t, t_read);
		/* Its own copy of the tables, with one path that nothing else uses */
		root = alloc_page();
		memcpy(root, boot_pml4, PAGE_SIZE);
		e = alloc_page();
		memcpy(e, (void *)(boot_pml4[0] & PT_ADDR), PAGE_SIZE);
		root[0] = (u64)e | (root[0] & 0xfff);
		*pt_split(root, va, L_4K) = t.page | PT_P | PT_W | PT_U;
		vw(GUEST_CR3, (u64)root);
		l2.rbx = va + 8;
		e = pt_entry(root, va, level);
		if (level == L_1G) {
			vmcs_forget_all();
			mem_reset(mark);
			break;
		}
		table = (u64)e & ~0xfffull;
		t.leaf = ept_entry(t.root, table, L_4K);
		ept_set_leaf(&t, 0);
		if (vl2_expect(&l2, R_EPT_VIOLATION)) {
			u64 q = vr(EXIT_QUAL);

			CHECK_EQ(q & (EQ_R | EQ_W | EQ_X), 0);
			CHECK_EQ(q & (EQ_GLA | EQ_FINAL), EQ_GLA);
			CHECK(q & EQ_READ);
			CHECK_EQ(q & EQ_FETCH, 0);
			CHECK_EQ(vr(GUEST_PHYSICAL), e);
			CHECK_EQ(vr(GUEST_LINEAR), va + 8);
		}
		/* Readable, but the accessed flag cannot be set: a write to the entry */
		ept_set_leaf(&t, table | EPT_R | EPT_WB);
		if (!t_departs("accessed") && vl2_expect(&l2, R_EPT_VIOLATION)) {
			u64 q = vr(EXIT_QUAL);

			CHECK_EQ(q & (EQ_R | EQ_W | EQ_X), EQ_R);
			CHECK_EQ(q & (EQ_GLA | EQ_FINAL), EQ_GLA);
			CHECK(q & EQ_WRITE);
			CHECK_EQ(vr(GUEST_PHYSICAL), e);
		}
		ept_set_leaf(&t, table | EPT_RWX | EPT_WB);
		vl2_expect_done(&l2);
		if (t_failed())
			FAIL("level %d", level);
		vmcs_forget_all();
		mem_reset(mark);
	}
}

/* ---- misconfigurations ---- */

struct mis { u64 clear, set; int level; bool beyond; u64 need; };

static void misconfigured(struct ept *t, struct vl2 *l2, u64 *e, u64 bad)
{
	u64 keep = *e;

	*e = bad;
	ept_flush(t->root);
	if (vl2_expect(l2, R_EPT_MISCONFIG)) {
		CHECK_EQ(vr(GUEST_PHYSICAL), t->gpa);
		CHECK_EQ(vr(IDT_INFO) & EV_ON, 0);
	} else {
		FAIL("entry %llx", bad);
	}
	*e = keep;
	ept_flush(t->root);
	vl2_expect_done(l2);
	vw(GUEST_RIP, (u64)t_read);
}

/* A page at 1 GiB + x of L2, whose way through the tables is used by nothing else */
static void far_page(struct ept *t, struct vl2 *l2, int level)
{
	ept_case(l2, t, t_read);
	t->gpa = 0x100000000ull + 0x200000 * 3;
	if (level == L_4K)
		*ept_entry(t->root, t->gpa, L_4K) = t->page | EPT_RWX | EPT_WB;
	else
		*ept_entry(t->root, t->gpa, level) =
			(t->page & ~((level == L_2M ? BIT(21) : BIT(30)) - 1)) | EPT_RWX | EPT_WB |
			EPT_LEAF;
	if (level == L_1G)
		t->gpa = 0x100000000ull + (t->page & (BIT(30) - 1));
	else if (level == L_2M)
		t->gpa += t->page & (BIT(21) - 1);
	*pt_split(boot_pml4, 0x180000000ull, L_4K) = (t->gpa & ~0xfffull) | PT_P | PT_W;
	write_cr3(read_cr3());
	l2->rbx = 0x180000000ull;
	ept_flush(t->root);
}

static void far_end(void)
{
	((u64 *)(boot_pml4[0] & PT_ADDR))[0x180000000ull >> 30] = 0;
	write_cr3(read_cr3());
}

static void misconfig_types(const void *arg)
{
	int level = (u64)arg;
	struct ept t;
	struct vl2 l2;
	u64 *e, type;

	far_page(&t, &l2, level);
	e = ept_entry(t.root, t.gpa, level);
	for (type = 0; type < 8; type++) {
		u64 bad = (*e & ~EPT_TYPE(7)) | EPT_TYPE(type);

		if (type == 2 || type == 3 || type == 7) {
			misconfigured(&t, &l2, e, bad);
			continue;
		}
		*e = bad;
		ept_flush(t.root);
		vl2_expect_done(&l2);
		vw(GUEST_RIP, (u64)t_read);
	}
	far_end();
}

static void misconfig_bits(const void *arg)
{
	int level = (u64)arg, bit;
	struct ept t;
	struct vl2 l2;
	u64 *e;

	far_page(&t, &l2, level);
	e = ept_entry(t.root, t.gpa, level);
	/* W without R */
	misconfigured(&t, &l2, e, *e & ~EPT_R);
	misconfigured(&t, &l2, e, *e & ~(EPT_R | EPT_X));
	if (!(cpu_features & VF_EXECONLY))
		misconfigured(&t, &l2, e, *e & ~(EPT_R | EPT_W));
	for (bit = maxphys; bit < 52; bit++)
		misconfigured(&t, &l2, e, *e | BIT(bit));
	/* Address bits of large pages below their size are reserved, bit 12 too. */
	for (bit = 12; bit < (level == L_2M ? 21 : level == L_1G ? 30 : 12); bit++)
		if (bit > 12 || !t_departs("bit12"))
			misconfigured(&t, &l2, e, *e | BIT(bit));
	/* Bits above 51 and 11:10 are the software's. */
	*e |= BIT(11) | BIT(52) | BIT(56) | BIT(59);
	ept_flush(t.root);
	vl2_expect_done(&l2);
	far_end();
}

/* Entries that point to tables: bits 7:3 are reserved. */
static void misconfig_tables(const void *arg)
{
	struct ept t;
	struct vl2 l2;
	int level, bit;
	u64 *e;

	far_page(&t, &l2, L_4K);
	for (level = L_2M; level <= L_512G; level++) {
		/* The top entry leads to L2's code as well. */
		if (level == L_512G)
			break;
		e = ept_entry(t.root, t.gpa, level);
		for (bit = 3; bit < 7; bit++)
			misconfigured(&t, &l2, e, *e | BIT(bit));
		for (bit = maxphys; bit < 52; bit++)
			misconfigured(&t, &l2, e, *e | BIT(bit));
		misconfigured(&t, &l2, e, *e & ~EPT_R);
		if (level == L_1G && !(cpu_features & VF_EPT1G))
			misconfigured(&t, &l2, e, *e | EPT_LEAF);
	}
	far_end();
}

/* An entry that is not present may have any other bits: a violation. */
static void not_present(const void *arg)
{
	struct ept t;
	struct vl2 l2;

	ept_case(&l2, &t, t_read);
	ept_set_leaf(&t, ~(u64)EPT_RWX);
	if (vl2_expect(&l2, R_EPT_VIOLATION))
		check_violation(&l2, &t, EQ_READ, 0);
}

static void sizes(const void *arg)
{
	int level = (u64)arg;
	struct ept t;
	struct vl2 l2;

	far_page(&t, &l2, level);
	*(u64 *)t.page = 0x123456789;
	if (vl2_expect_done(&l2))
		CHECK_EQ(l2.rax, 0x123456789);
	/* Read-only at that size */
	far_page(&t, &l2, level);
	vw(GUEST_RIP, (u64)t_write);
	*ept_entry(t.root, t.gpa, level) &= ~EPT_W;
	ept_flush(t.root);
	if (vl2_expect(&l2, R_EPT_VIOLATION)) {
		CHECK_EQ(vr(EXIT_QUAL) & (EQ_R | EQ_W | EQ_X | EQ_WRITE), EQ_R | EQ_X | EQ_WRITE);
		CHECK_EQ(vr(GUEST_PHYSICAL), t.gpa & ~0xfffull);
	}
	far_end();
}

/* A remapped page: L2 sees the other memory. */
static void remap(const void *arg)
{
	struct ept t;
	struct vl2 l2;
	u64 *other;

	ept_case(&l2, &t, t_read);
	other = alloc_page();
	*other = 0xabcdef;
	*(u64 *)t.page = 0x123456;
	ept_set_leaf(&t, (u64)other | EPT_RWX | EPT_WB);
	if (vl2_expect_done(&l2))
		CHECK_EQ(l2.rax, 0xabcdef);
	ept_set_leaf(&t, ept_good(&t));
	vw(GUEST_RIP, (u64)t_read);
	if (vl2_expect_done(&l2))
		CHECK_EQ(l2.rax, 0x123456);
}

static const struct l1_test tests[] = {
	{ "lattice", VF_EPT, lattice, NULL },
	{ "upper_levels", VF_EPT, upper_levels, NULL },
	{ "read_modify_write", VF_EPT, rmw, NULL },
	{ "address", VF_EPT, address, NULL },
	{ "guest_walk", VF_EPT, guest_walk, NULL },
	{ "misconfig_type_4k", VF_EPT, misconfig_types, (void *)L_4K },
	{ "misconfig_type_2m", VF_EPT | VF_EPT2M, misconfig_types, (void *)L_2M },
	{ "misconfig_type_1g", VF_EPT | VF_EPT1G, misconfig_types, (void *)L_1G },
	{ "misconfig_bits_4k", VF_EPT, misconfig_bits, (void *)L_4K },
	{ "misconfig_bits_2m", VF_EPT | VF_EPT2M, misconfig_bits, (void *)L_2M },
	{ "misconfig_bits_1g", VF_EPT | VF_EPT1G, misconfig_bits, (void *)L_1G },
	{ "misconfig_tables", VF_EPT, misconfig_tables, NULL },
	{ "not_present", VF_EPT, not_present, NULL },
	{ "page_4k", VF_EPT, sizes, (void *)L_4K },
	{ "page_2m", VF_EPT | VF_EPT2M, sizes, (void *)L_2M },
	{ "page_1g", VF_EPT | VF_EPT1G, sizes, (void *)L_1G },
	{ "remap", VF_EPT, remap, NULL },
};

const struct test_group group_vmx_ept = { "vmx_ept", tests, ARRAY_SIZE(tests), false };
