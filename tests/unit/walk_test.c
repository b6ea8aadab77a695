// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page-table walker against a second reading of the manuals (walk_ref.h): every
 * format and leaf size, every bit of an entry at every level, the lattice of
 * permissions, accessed and dirty bits, and entries that change under the walk.
 */
#include <stdlib.h>

#include "mmu/walk.h"
#include "tap.h"
#include "walk_ref.h"

#define MEM_SIZE	0x10000
#define FRAME		0x123456000ull	/* where a leaf points, before alignment */

/* The tables' memory: table of level n at n * 0x1000. */
struct mem {
	u8 b[MEM_SIZE];
	unsigned int reads, sets;
	int refuse_reads;	/* fail this many-th read, 0: none */
	int set_error;		/* errno of every set_bits, 0: none */
	int races;		/* set_bits says -EAGAIN this often */
	u64 race_to;		/* and the entry has become this */
	int levels;		/* told to check where reads go, else 0 */
	bool stray;		/* an access outside, or of a wrong size, or to another table */
};

static struct mem mem;

static int mem_read(void *ctx, u64 addr, void *entry, unsigned int size)
{
	struct mem *m = ctx;

	m->reads++;
	if (m->refuse_reads && m->reads >= (unsigned int)m->refuse_reads)
		return -EFAULT;
	if (addr + size > MEM_SIZE || addr % size) {
		m->stray = true;
		return -EFAULT;
	}
	if (m->levels && addr >> 12 != (u64)m->levels - (m->reads - 1) % m->levels)
		m->stray = true;
	memcpy(entry, m->b + addr, size);
	return 0;
}

static int mem_set(void *ctx, u64 addr, u64 old, u64 new, unsigned int size)
{
	struct mem *m = ctx;
	u64 now = 0;

	m->sets++;
	if (m->set_error)
		return m->set_error;
	if (addr + size > MEM_SIZE || addr % size) {
		m->stray = true;
		return -EFAULT;
	}
	if (m->races) {
		m->races--;
		if (m->race_to)
			memcpy(m->b + addr, &m->race_to, size);
		return -EAGAIN;
	}
	memcpy(&now, m->b + addr, size);
	if (now != old)
		return -EAGAIN;
	memcpy(m->b + addr, &new, size);
	return 0;
}

static const struct walk_ops ops = { .read_entry = mem_read, .set_bits = mem_set };

static int ref_levels(enum ref_kind kind)
{
	switch (kind) {
	case REF_LEGACY:
		return 2;
	case REF_PAE:
		return 3;
	case REF_LONG5:
		return 5;
	default:
		return 4;
	}
}

static struct pt_format format_of(const struct ref_cpu *c)
{
	bool legacy = c->kind == REF_LEGACY;

	return (struct pt_format){
		.name = "test",
		.levels = ref_levels(c->kind),
		.entry_size = legacy ? 4 : 8,
		.index_bits = legacy ? 10 : 9,
		.nx = c->nxe && !legacy && c->kind != REF_EPT4,
		.ept = c->kind == REF_EPT4,
		.mbz8 = c->amd,
		.large_2m = legacy ? c->pse : true,
		.large_1g = c->gb_pages,
		.wp = c->wp,
		.smep = c->smep,
		.smap = c->smap,
		.ad = true,
		.rsvd_pa = c->maxphys >= 52 ? 0 : (0xfffffffffffffull >> c->maxphys) << c->maxphys,
	};
}

static u64 va_of(const struct pt_format *f)
{
	/* A different index at every level; 2 bits of it at a PAE root. */
	return f->entry_size == 4 ? 0xc1a05678ull :
	       f->levels == 3 ? 0x9a405678ull :
	       f->levels == 4 ? 0x00007f2a94605678ull : 0x00ab7f2a94605678ull;
}

static u64 slot_of(const struct pt_format *f, int level, u64 va)
{
	unsigned int shift = 12 + f->index_bits * (level - 1);
	u64 index = va >> shift;

	index &= f->levels == 3 && level == 3 ? 3 : (1ull << f->index_bits) - 1;
	return level * 0x1000ull + index * f->entry_size;
}

static void put(const struct pt_format *f, int level, u64 va, u64 e)
{
	memcpy(mem.b + slot_of(f, level, va), &e, f->entry_size);
}

static u64 get(const struct pt_format *f, int level, u64 va)
{
	u64 e = 0;

	memcpy(&e, mem.b + slot_of(f, level, va), f->entry_size);
	return e;
}

/* An entry that allows everything and leads on, or maps. */
static u64 plain(const struct ref_cpu *c, int level, bool leaf)
{
	u64 all = c->kind == REF_EPT4 ? (leaf ? 7 | 6 << 3 : 7) :
		  c->kind == REF_PAE && level == 3 ? 1 : 7;
	unsigned int shift = c->kind == REF_LEGACY ? 12 + 10 * (level - 1) : 12 + 9 * (level - 1);
	u64 at = leaf ? FRAME & ~((1ull << shift) - 1) : (u64)(level - 1) * 0x1000;

	if (c->kind == REF_LEGACY && leaf)
		at = level == 1 ? FRAME & 0xfffff000 :
		     (FRAME & 0xffc00000) | ((FRAME >> 32) & 0xff) << 13;
	return at | all | (leaf && level > 1 ? 0x80 : 0);
}

static u64 leaf_base(const struct ref_cpu *c, int level)
{
	unsigned int shift = c->kind == REF_LEGACY ? 12 + 10 * (level - 1) : 12 + 9 * (level - 1);

	if (c->kind == REF_LEGACY && level == 1)
		return FRAME & 0xfffff000;
	return FRAME & ~((1ull << shift) - 1);
}

static void build(const struct ref_cpu *c, const struct pt_format *f, int leaf_level, u64 *e)
{
	u64 va = va_of(f);

	memset(&mem, 0, sizeof(mem));
	for (int level = f->levels; level >= leaf_level; level--) {
		e[level] = plain(c, level, level == leaf_level);
		put(f, level, va, e[level]);
	}
}

static const char *const kind_name[] = { "legacy", "PAE", "4-level", "5-level", "EPT" };

static int max_leaf(const struct ref_cpu *c)
{
	if (c->kind == REF_LEGACY)
		return c->pse ? 2 : 1;
	return c->kind == REF_PAE ? 2 : c->gb_pages ? 3 : 2;
}

static struct ref_cpu cpu_of(enum ref_kind kind)
{
	return (struct ref_cpu){
		.kind = kind, .pse = true, .gb_pages = kind != REF_PAE, .wp = true,
		.nxe = kind != REF_EPT4, .maxphys = 40,
	};
}

static void test_translate(void)
{
	for (int kind = REF_LEGACY; kind <= REF_EPT4; kind++) {
		struct ref_cpu c = cpu_of(kind);
		struct pt_format f = format_of(&c);
		u64 e[6], va = va_of(&f);

		for (int leaf = 1; leaf <= max_leaf(&c); leaf++) {
			u64 offset = va & ((1ull << (12 + f.index_bits * (leaf - 1))) - 1);
			enum walk_result r;
			struct walk w;

			build(&c, &f, leaf, e);
			r = walk_table(&f, f.levels * 0x1000, va, ACC_USER | ACC_WRITE, &ops, &mem,
				       &w);
			tap_ok(r == WALK_OK && w.addr == leaf_base(&c, leaf) + offset &&
			       w.level == leaf && w.writable && w.user && w.exec && w.readable &&
			       w.dirty && !mem.stray && w.table[leaf] == leaf * 0x1000ull,
			       "%s: a leaf at level %d translates", kind_name[kind], leaf);
		}
	}
}

/* Compare one walk with the reference; false and a diagnosis when they differ. */
static bool agree(const struct ref_cpu *c, const struct pt_format *f, const u64 *e, u32 access)
{
	u64 va = va_of(f);
	int want, at = 0;
	enum walk_result r;
	struct walk w;
	bool ok;

	want = ref_walk(c, f->levels, e, access, &at);
	mem.levels = f->levels;
	r = walk_table(f, f->levels * 0x1000, va, access, &ops, &mem, &w);
	/* A flipped address bit led to another table; the reference knows only these. */
	if (mem.stray)
		return true;
	ok = want < 0 ? r == WALK_OK && w.level == at :
			r == WALK_FAULT && w.error == (u32)want;
	if (ok && want >= 0 && ((want & 9) == 9 || !(want & 1)))
		ok = w.at == slot_of(f, at, va);
	if (!ok)
		tap_diag("%s access %#x: result %d error %#x level %d at %#llx, want %#x at level %d",
			 kind_name[c->kind], access, r, w.error, w.level,
			 (unsigned long long)w.at, want, at);
	return ok;
}

/* Flip every bit of every entry, under every sort of CPU. */
static bool flip_all(const struct ref_cpu *c, int leaf)
{
	struct pt_format f = format_of(c);
	u64 e[6] = { 0 }, va = va_of(&f);
	bool ok = true;

	for (int level = f.levels; level >= leaf; level--)
		for (unsigned int bit = 0; bit < f.entry_size * 8u; bit++)
			for (u32 access = 0; access < 32; access += 2) {
				if (access & ACC_RSVD)
					continue;
				build(c, &f, leaf, e);
				e[level] ^= 1ull << bit;
				put(&f, level, va, e[level]);
				ok &= agree(c, &f, e, access);
			}
	return ok;
}

static void test_reserved(void)
{
	static const int widths[] = { 32, 36, 40, 48, 52 };

	for (int kind = REF_LEGACY; kind <= REF_EPT4; kind++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(widths); i++) {
			bool ok = true;

			for (int opt = 0; opt < 16; opt++) {
				struct ref_cpu c = cpu_of(kind);

				c.maxphys = widths[i];
				c.nxe = kind != REF_EPT4 && (opt & 1);
				c.pse = opt & 2;
				c.gb_pages = kind != REF_PAE && (opt & 4);
				c.amd = opt & 8;
				for (int leaf = 1; leaf <= max_leaf(&c); leaf++)
					ok &= flip_all(&c, leaf);
			}
			tap_ok(ok, "%s: every bit of every entry, %d physical address bits",
			       kind_name[kind], widths[i]);
		}
	}
}

/* Every combination of rights on every level, every access, every control bit. */
static bool lattice(const struct ref_cpu *c, int leaf)
{
	struct pt_format f = format_of(c);
	int n = f.levels - leaf + 1;
	u64 e[6], va = va_of(&f);
	bool ok = true;

	for (int combo = 0; combo < 1 << (3 * n); combo++)
		for (u32 access = 0; access < 32; access += 2) {
			if (access & ACC_RSVD)
				continue;
			build(c, &f, leaf, e);
			for (int level = leaf; level <= f.levels; level++) {
				int rights = (combo >> (3 * (level - leaf))) & 7;

				if (c->kind == REF_PAE && level == 3)
					continue;
				if (c->kind == REF_EPT4)
					e[level] = (e[level] & ~7ull) | rights;
				else
					e[level] = (e[level] & ~6ull) | (rights & 3) << 1 |
						   (c->kind != REF_LEGACY && c->nxe ?
						    (u64)(rights >> 2) << 63 : 0);
				put(&f, level, va, e[level]);
			}
			ok &= agree(c, &f, e, access);
		}
	return ok;
}

static void test_lattice(void)
{
	for (int kind = REF_LEGACY; kind <= REF_EPT4; kind++) {
		bool ok = true;

		for (int opt = 0; opt < 16; opt++) {
			struct ref_cpu c = cpu_of(kind);

			c.nxe = kind != REF_EPT4 && (opt & 1);
			c.wp = opt & 2;
			c.smep = opt & 4 && kind != REF_EPT4;
			c.smap = opt & 8 && kind != REF_EPT4;
			/* Five levels of small pages add nothing but time. */
			for (int leaf = kind >= REF_LONG4 ? 2 : 1; leaf <= max_leaf(&c); leaf++)
				ok &= lattice(&c, leaf);
		}
		tap_ok(ok, "%s: the lattice of permissions", kind_name[kind]);
	}
	struct ref_cpu c = cpu_of(REF_LONG4);

	tap_ok(lattice(&c, 1), "4-level: the lattice of permissions, down to 4K");
}

static bool marks_right(const struct ref_cpu *c, int leaf, u32 access, bool write)
{
	u64 a = c->kind == REF_EPT4 ? 1 << 8 : 1 << 5, d = c->kind == REF_EPT4 ? 1 << 9 : 1 << 6;
	struct pt_format f = format_of(c);
	u64 e[6], va = va_of(&f);
	struct walk w;

	build(c, &f, leaf, e);
	if (walk_table(&f, f.levels * 0x1000, va, access, &ops, &mem, &w) != WALK_OK)
		return false;
	for (int level = f.levels; level >= leaf; level--) {
		u64 want = e[level];

		if (!(c->kind == REF_PAE && level == 3))
			want |= a | (level == leaf && write ? d : 0);
		if (get(&f, level, va) != want || w.used[level] != want)
			return false;
	}
	if (w.dirty != write)
		return false;
	/* Once set, they are not set again. */
	mem.sets = 0;
	return walk_table(&f, f.levels * 0x1000, va, access, &ops, &mem, &w) == WALK_OK &&
	       mem.sets == 0 && w.dirty == write;
}

static void test_marks(void)
{
	for (int kind = REF_LEGACY; kind <= REF_EPT4; kind++) {
		struct ref_cpu c = cpu_of(kind);
		struct pt_format f = format_of(&c);
		u64 e[6], va = va_of(&f);
		bool ok = true;
		struct walk w;

		for (int leaf = 1; leaf <= max_leaf(&c); leaf++)
			ok &= marks_right(&c, leaf, ACC_USER, false) &&
			      marks_right(&c, leaf, ACC_USER | ACC_WRITE, true);
		tap_ok(ok, "%s: accessed and dirty bits, once", kind_name[kind]);

		build(&c, &f, 1, e);
		put(&f, 1, va, e[1] & ~2ull);
		ok = walk_table(&f, f.levels * 0x1000, va, ACC_WRITE | ACC_USER, &ops, &mem, &w) ==
		     WALK_FAULT && mem.sets == 0 && w.error == (ACC_PRESENT | ACC_WRITE | ACC_USER);
		tap_ok(ok, "%s: a walk that faults sets nothing", kind_name[kind]);

		build(&c, &f, 1, e);
		f.ad = false;
		ok = walk_table(&f, f.levels * 0x1000, va, ACC_WRITE | ACC_USER, &ops, &mem, &w) ==
		     WALK_OK && mem.sets == 0 && w.dirty;
		tap_ok(ok, "%s: without such bits nothing is set and all is dirty", kind_name[kind]);
	}
}

static void test_races(void)
{
	struct ref_cpu c = cpu_of(REF_LONG4);
	struct pt_format f = format_of(&c);
	u64 e[6], va = va_of(&f);
	enum walk_result r;
	struct walk w;

	build(&c, &f, 1, e);
	mem.races = 3;
	r = walk_table(&f, 0x4000, va, ACC_USER, &ops, &mem, &w);
	tap_ok(r == WALK_OK && mem.races == 0 && mem.reads == 16, "a lost race starts the walk again");

	build(&c, &f, 1, e);
	mem.races = 1;
	mem.race_to = 0x6000 | 7;	/* the top entry now leads to an empty table */
	r = walk_table(&f, 0x4000, va, ACC_USER, &ops, &mem, &w);
	tap_ok(r == WALK_FAULT && w.error == ACC_USER && w.at >> 12 == 6,
	       "after a lost race the new entry counts");

	build(&c, &f, 1, e);
	mem.races = 1000;
	r = walk_table(&f, 0x4000, va, ACC_USER, &ops, &mem, &w);
	tap_ok(r == WALK_TABLE_FAULT && w.raced && w.table_fault && mem.races > 900,
	       "restarts are bounded");

	build(&c, &f, 1, e);
	mem.set_error = -EFAULT;
	r = walk_table(&f, 0x4000, va, ACC_USER, &ops, &mem, &w);
	tap_ok(r == WALK_TABLE_FAULT && !w.raced && w.table_fault && w.at == slot_of(&f, 4, va),
	       "a table that cannot be written is told");
}

static void test_refused_reads(void)
{
	bool ok = true;

	for (int kind = REF_LEGACY; kind <= REF_EPT4; kind++) {
		struct ref_cpu c = cpu_of(kind);
		struct pt_format f = format_of(&c);
		u64 e[6], va = va_of(&f);

		for (int n = 1; n <= f.levels; n++) {
			struct walk w;
			enum walk_result r;

			build(&c, &f, 1, e);
			mem.refuse_reads = n;
			r = walk_table(&f, f.levels * 0x1000, va, 0, &ops, &mem, &w);
			ok &= r == WALK_TABLE_FAULT && w.table_fault && !w.raced &&
			      w.at == slot_of(&f, f.levels - n + 1, va) && mem.sets == 0;
		}
	}
	tap_ok(ok, "a table that cannot be read is told, with the entry's address");
}

static void test_pae_root(void)
{
	struct ref_cpu c = cpu_of(REF_PAE);
	struct pt_format f = format_of(&c);
	u64 e[6], pdpte;
	struct walk w;
	bool ok = true;

	/* The root is 32-byte aligned and four entries long, and ends where the page ends. */
	for (u64 i = 0; i < 4; i++) {
		u64 va = i << 30 | 0x1a405678;

		memset(&mem, 0, sizeof(mem));
		e[2] = plain(&c, 2, true);
		put(&f, 2, va, e[2]);
		pdpte = 0x2000 | 1;
		memcpy(mem.b + 0x3fe0 + i * 8, &pdpte, 8);
		ok &= walk_table(&f, 0x3fe0, va, 0, &ops, &mem, &w) == WALK_OK && !mem.stray &&
		      w.pdpte[i] == pdpte && w.level == 2;
	}
	tap_ok(ok, "PAE: the root's four entries, at the end of a page");
}

/* Random entries and roots: nothing but the result may come of them (ASan, UBSan watch). */
static void test_random(void)
{
	bool ok = true;

	srandom(1);
	for (int n = 0; n < 200000 && ok; n++) {
		struct ref_cpu c = cpu_of(n % 5);
		struct pt_format f = format_of(&c);
		struct walk w;
		u64 va = (u64)random() << 33 ^ (u64)random() << 12;
		u64 e[6] = { 0 };

		memset(&mem, 0, sizeof(mem));
		for (int level = 1; level <= f.levels; level++) {
			e[level] = (u64)random() << 40 ^ (u64)random() << 20 ^ random() % 4096;
			if (random() % 4)
				e[level] = (e[level] & 0xfff) | 7 | (level - 1) * 0x1000;
			put(&f, level, va, e[level]);
		}
		walk_table(&f, f.levels * 0x1000, va, random() & 0x16, &ops, &mem, &w);
		ok = mem.reads <= 8u * f.levels && w.level <= 3;
	}
	tap_ok(ok, "200000 random tables end");
}

int main(void)
{
	test_translate();
	test_reserved();
	test_lattice();
	test_marks();
	test_races();
	test_refused_reads();
	test_pae_root();
	test_random();
	return tap_done();
}
