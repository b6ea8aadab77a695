// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the L2s of all cases run on: descriptor tables whose handlers halt, page tables of
 * each mode, stacks, and a window of pages that L2 reaches through tables that cases bend.
 */
#include "oracle/oracle.h"

#define STACK_WORDS	32
/* What a stack that a case puts behind the handlers reaches of them */
#define STUBS_TOP	(ORC_STUBS + 32 * 16)
#define HALTS		0xf4f4f4f4f4f4f4f4ull
#define GDT_WORDS	16

u8 *orc_play;
struct orc_format orc_nested = { PT_P | PT_W | PT_U, PT_P | PT_W | PT_U, PT_A, PT_D };
u64 *orc_npt, *orc_npt_pdpt, *orc_npt_pd, *orc_npt_pt;

static u64 gdt_copy[GDT_WORDS];
static u64 stubs_copy[STACK_WORDS];

static void *at(u64 pa) { return (void *)pa; }
static u64 *play_page(u32 n) { return (u64 *)(orc_play + n * PAGE_SIZE); }

static void gates(void)
{
	u64 *idt64 = at(ORC_IDT64), *idt32 = at(ORC_IDT32);
	u32 *ivt = at(ORC_IVT);
	u32 i;

	for (i = 0; i < 256; i++) {
		u64 h = ORC_STUBS + i * 16;
		/* INT n of CPL 3 may call what is no exception, and INT3 and INTO. */
		u64 type = i >= 32 || i == V_BP || i == V_OF ? 0xee : 0x8e;

		/* hlt; jmp to it */
		*(u64 *)h = 0xf4f4f4f4f4fdebf4ull;
		idt64[i * 2] = (h & 0xffff) | SEL_CS << 16 | type << 40 | (h >> 16) << 48;
		idt64[i * 2 + 1] = 0;
		idt32[i] = (h & 0xffff) | SEL_CS32 << 16 | type << 40 | (h >> 16) << 48;
		ivt[i] = (u32)(ORC_STUBS >> 4) << 16 | i * 16;
	}
	memcpy(stubs_copy, at(STUBS_TOP - sizeof(stubs_copy)), sizeof(stubs_copy));
}

static void gdt(void)
{
	u64 *g = gdt_copy;

	g[SEL_CS / 8] = 0x00af9b000000ffff;
	g[SEL_DS / 8] = 0x00cf93000000ffff;
	g[SEL_CS32 / 8] = 0x00cf9b000000ffff;
	g[SEL_UDS / 8] = 0x00cff3000000ffff;
	g[SEL_UCS / 8] = 0x00affb000000ffff;
	g[SEL_TSS / 8] = 103 | (ORC_TSS & 0xffffff) << 16 | 0x89ull << 40;
	g[SEL_CS16 / 8] = 0x00009b000000ffff;
	g[SEL_LDT / 8] = 7 | 0x82ull << 40;
	/* A segment that is not present, 32-bit code of CPL 3, one that expands down */
	g[0x50 / 8] = 0x00cf13000000ffff;
	g[0x58 / 8] = 0x00cffb000000ffff;
	g[0x60 / 8] = 0x00c0970000000001;
}

#define FIRST	(ORC_STUBS >> 12)
#define LAST	(ORC_END >> 12)

static void own_tables(void)
{
	u64 *pml4 = at(ORC_PML4), *pdpt = at(ORC_PDPT), *pae = at(ORC_PDPT + 0x800), *pd = at(ORC_PD);
	u64 *pt = at(ORC_PT);
	u32 *pd32 = at(ORC_PD32), *pt32 = at(ORC_PT32);
	u32 i;

	pml4[0] = ORC_PDPT | ORC_TABLE;
	pdpt[0] = ORC_PD | ORC_TABLE;
	pae[0] = ORC_PD | PT_P;
	pd[0] = ORC_PT | ORC_TABLE;
	pd32[0] = ORC_PT32 | ORC_TABLE;
	for (i = FIRST; i < LAST; i++) {
		pt[i] = (u64)i << 12 | ORC_LEAF;
		pt32[i] = i << 12 | ORC_LEAF;
	}
}

static void nested_tables(void)
{
	u64 *pd, *pt;
	u32 i;

	orc_npt = alloc_page();
	orc_npt_pdpt = alloc_page();
	orc_npt_pd = alloc_page();
	orc_npt_pt = alloc_page();
	pd = alloc_page();
	pt = alloc_page();
	orc_npt[0] = (u64)orc_npt_pdpt | orc_nested.table | orc_nested.a;
	orc_npt_pdpt[0] = (u64)pd | orc_nested.table | orc_nested.a;
	pd[0] = (u64)pt | orc_nested.table | orc_nested.a;
	for (i = FIRST; i < LAST; i++)
		pt[i] = (u64)i << 12 | orc_nested.leaf | orc_nested.a | orc_nested.d;
}

void orc_arena_init(void)
{
	memset(at(ORC_STUBS), 0, ORC_END - ORC_STUBS);
	memset(at(ORC_CODE), 0xf4, PAGE_SIZE);
	/* All of the 2 MiB are its own: an entry may become a large page. */
	orc_play = alloc_2m();
	memset(orc_play, 0xf4, PLAY_TABLES * PAGE_SIZE);
	gates();
	gdt();
	own_tables();
	nested_tables();
}

/* Both ends of each page: nothing else is written to.  What is executed there halts. */
static void reset_pages(void)
{
	u32 i, j;

	for (i = 0; i < PLAY_PAGES; i++) {
		u64 *page = play_page(i), v = i < PLAY_TABLES ? HALTS : 0;

		for (j = 0; j < 8; j++) {
			page[j] = v;
			page[504 + j] = v;
		}
	}
}

static void reset_window(u64 base)
{
	u64 *pd = play_page(PLAY_PD), *pt = play_page(PLAY_PT);
	u32 *pt32 = (u32 *)play_page(PLAY_PT32);
	u32 i;

	reset_pages();
	pd[0] = (base + PLAY_PT * PAGE_SIZE) | PT_P | PT_W | PT_U;
	for (i = 0; i < PLAY_NDATA; i++) {
		u64 pa = base + (PLAY_DATA + i) * PAGE_SIZE;

		pt[i] = pa | PT_P | PT_W | PT_U;
		pt32[i] = pa | PT_P | PT_W | PT_U;
	}
	((u64 *)ORC_PDPT)[3] = (base + PLAY_PD * PAGE_SIZE) | PT_P | PT_W | PT_U;
	((u64 *)(ORC_PDPT + 0x800))[3] = (base + PLAY_PD * PAGE_SIZE) | PT_P;
	((u32 *)ORC_PD32)[PLAY >> 22] = (base + PLAY_PT32 * PAGE_SIZE) | PT_P | PT_W | PT_U;
}

void orc_nested_mend(u64 keep)
{
	u32 i;

	orc_npt_pdpt[3] = (orc_npt_pdpt[3] & keep) | (u64)orc_npt_pd | orc_nested.table;
	orc_npt_pd[0] = (orc_npt_pd[0] & keep) | (u64)orc_npt_pt | orc_nested.table;
	for (i = 0; i < PLAY_PAGES; i++)
		orc_npt_pt[i] = (orc_npt_pt[i] & keep) | (u64)play_page(i) | orc_nested.leaf;
}

void orc_arena_reset(enum orc_mode mode, u64 base)
{
	memcpy(at(ORC_GDT), gdt_copy, sizeof(gdt_copy));
	memcpy(at(STUBS_TOP - sizeof(stubs_copy)), stubs_copy, sizeof(stubs_copy));
	/* All that a frame may be read from: a case may have written above its stack. */
	memset(at(ORC_STACK - STACK_WORDS * 8), 0, ORC_TRAP_STACK - ORC_STACK + 2 * STACK_WORDS * 8);
	/* The two formats of a TSS share their place: RSP0, or ESP0 and SS0. */
	*(u64 *)(ORC_TSS + 4) = ORC_TRAP_STACK | (mode <= OM_COMPAT ? 0 : (u64)SEL_DS << 32);
	*(u16 *)(ORC_TSS + 102) = 104;
	reset_window(base);
	orc_nested_mend(0);
}

/* What the bits of an entry are called in a move does not matter: it shows the mask. */
static u64 entry_bits(struct orc_case *k)
{
	static const u8 bits[] = { 0, 0, 1, 1, 2, 2, 63, 63, 5, 6, 7, 3, 4, 8, 9, 11, 40, 45, 51, 52, 58, 62 };

	return 1ull << bits[orc_below(k, ARRAY_SIZE(bits))];
}

static u64 ept_bits(struct orc_case *k)
{
	static const u8 bits[] = { 0, 0, 1, 1, 1, 2, 2, 3, 4, 5, 6, 7, 7, 8, 9, 11, 40, 45, 51, 52, 62, 63 };

	return 1ull << bits[orc_below(k, ARRAY_SIZE(bits))] | (orc_one_in(k, 4) ? PT_P | PT_W : 0);
}

static void change_guest(struct orc_case *k)
{
	u32 page = orc_below(k, PLAY_NDATA), where = orc_below(k, 8);
	u64 bits = entry_bits(k);
	const char *what;
	u64 *e;

	if (k->mode >= OM_FLAT)
		return;
	if (k->mode == OM_PSE) {
		u32 *e32 = where ? (u32 *)play_page(PLAY_PT32) + page : (u32 *)ORC_PD32 + (PLAY >> 22);

		if (orc_move(k, "pt32.%s ^= %x", where ? "pte" : "pde", (u32)bits & 0x1fff))
			*e32 ^= bits & 0x1fff;
		return;
	}
	if (where == 7) {
		if (orc_move(k, "pt.pde = 2M"))
			*play_page(PLAY_PD) = k->base | PT_P | PT_W | PT_U | PT_PS;
		return;
	}
	if (where > 1) {
		e = play_page(PLAY_PT) + page;
		what = "pte";
	} else if (where || k->mode == OM_PAE) {
		e = play_page(PLAY_PD);
		what = "pde";
	} else {
		e = (u64 *)ORC_PDPT + 3;
		what = "pdpte";
	}
	if (orc_move(k, "pt.%s ^= %llx", what, bits))
		*e ^= bits;
}

static void change_nested(struct orc_case *k)
{
	u32 where = orc_below(k, 10), page = orc_below(k, 4);
	u64 bits = vendor == &svm_vendor ? entry_bits(k) : ept_bits(k);
	const char *what = "pte";
	u64 *e;

	if (!where) {
		if (orc_move(k, "npt.pde = 2M"))
			*orc_npt_pd = (u64)orc_play | orc_nested.leaf | PT_PS;
		return;
	}
	/* Half of the leaves map L2's own tables. */
	if (where < 4)
		e = orc_npt_pt + PLAY_DATA + page;
	else if (where < 7)
		e = orc_npt_pt + PLAY_TABLES + page;
	else if (where < 9)
		e = orc_npt_pd, what = "pde";
	else
		e = orc_npt_pdpt + 3, what = "pdpte";
	if (orc_move(k, "npt.%s%u ^= %llx", what, (u32)(((u64)e & 0xfff) / 8), bits))
		*e ^= bits;
}

static void fold_words(struct orc_case *k, const char *name, const u64 *p, const u64 *usual, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++) {
		orc_fold(k, p[i]);
		if (k->verbose && p[i] != (usual ? usual[i] : 0))
			orc_say(" %s%u=%llx", name, i, p[i]);
	}
}

void orc_memory(struct orc_case *k)
{
	static const char *const names[] = { "p0.", "p0e.", "p1.", "p1e.", "p2.", "p2e.", "p3.", "p3e." };
	static const u64 halts[4] = { HALTS, HALTS, HALTS, HALTS };
	u32 i;

	if (k->verbose)
		orc_puts("R");
	for (i = 0; i < PLAY_NDATA; i++) {
		fold_words(k, names[i * 2], play_page(PLAY_DATA + i), halts, 4);
		fold_words(k, names[i * 2 + 1], play_page(PLAY_DATA + i) + 508, halts, 4);
	}
	fold_words(k, "pde", play_page(PLAY_PD), NULL, 1);
	fold_words(k, "pte", play_page(PLAY_PT), NULL, PLAY_NDATA);
	fold_words(k, "pt32e", play_page(PLAY_PT32), NULL, PLAY_NDATA / 2);
	fold_words(k, "pdpte", (u64 *)ORC_PDPT + 3, NULL, 1);
	fold_words(k, "pdptpae", (u64 *)(ORC_PDPT + 0x800) + 3, NULL, 1);
	fold_words(k, "pd32e", (u64 *)ORC_PD32 + (PLAY >> 23), NULL, 1);
	fold_words(k, "gdt", at(ORC_GDT), gdt_copy, GDT_WORDS);
	fold_words(k, "npdpte", orc_npt_pdpt + 3, NULL, 1);
	fold_words(k, "npde", orc_npt_pd, NULL, 1);
	fold_words(k, "npte", orc_npt_pt, NULL, PLAY_PT32 + 1);
	if (k->verbose)
		orc_puts("\n");
}

struct orc_plan orc_plan(struct orc_case *k)
{
	struct orc_plan plan;

	plan.nested = orc_below(k, 8);
	plan.guest_tables = orc_below(k, 4);
	plan.nested_tables = orc_below(k, 4);
	k->mode = orc_below(k, 4) ? orc_below(k, 2) : OM_COMPAT + orc_below(k, OM_NR - OM_COMPAT);
	/* What has no table at all would see all of L1's memory, and VT-x has no such guest without EPT. */
	if (k->mode >= OM_FLAT)
		plan.nested = true;
	k->base = plan.nested ? PLAY : (u64)orc_play;
	return plan;
}

void orc_tables(struct orc_case *k, const struct orc_plan *plan)
{
	u32 i;

	for (i = 0; i < plan->guest_tables; i++)
		change_guest(k);
	for (i = 0; plan->nested && i < plan->nested_tables; i++)
		change_nested(k);
}
