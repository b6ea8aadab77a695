// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page-table walker against a second reading of the manuals (walk_ref.h): every
 * format and leaf size, every bit of an entry at every level, the lattice of
 * permissions, accessed and dirty bits, and entries that change under the walk.
 */
#include <stdlib.h>

#include "mmu/ept.h"
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
		.exec_only = c->exec_only,
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
	/* A fault for good and not by the rights alone tells none. */
	if (ok && want >= 0 && c->kind == REF_EPT4)
		ok = ept_misconfigured(&w) == !!(want & 8) &&
		     ept_rights_bits(&w) == (want & 8 ? 0 : ref_qual_rights(e, f->levels, at));
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
				c.exec_only = kind == REF_EPT4 && (opt & 1);
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
			c.exec_only = opt & 4;
			/* Five levels of small pages add nothing but time. */
			for (int leaf = kind >= REF_LONG4 ? 2 : 1; leaf <= max_leaf(&c); leaf++)
				ok &= lattice(&c, leaf);
		}
		tap_ok(ok, "%s: the lattice of permissions", kind_name[kind]);
	}
	struct ref_cpu c = cpu_of(REF_LONG4);

	tap_ok(lattice(&c, 1), "4-level: the lattice of permissions, down to 4K");
}

/* EPT: each rule by its name, so that a failure tells which (SDM: "EPT Misconfigurations"). */

static struct walk ept_walk_with(const struct pt_format *f, int leaf, int level, u64 e, u32 access,
				 enum walk_result *r)
{
	struct ref_cpu c = cpu_of(REF_EPT4);
	u64 entries[6], va = va_of(f);
	struct walk w;

	build(&c, f, leaf, entries);
	put(f, level, va, e);
	*r = walk_table(f, 0x4000, va, access, &ops, &mem, &w);
	return w;
}

static void ept_rule(const struct pt_format *f, int leaf, int level, u64 e, bool bad,
		     const char *what)
{
	enum walk_result r;
	struct walk w = ept_walk_with(f, leaf, level, e, 0, &r);
	bool ok = bad ? r == WALK_FAULT && ept_misconfigured(&w) && w.at == slot_of(f, level, va_of(f)) :
			r == WALK_OK;

	tap_ok(ok, "EPT level %d: %s", level, what);
}

static void test_ept_rules(void)
{
	struct pt_format f = ept_format(0x4000 | 3 << 3 | 6, false, true, true, ~0ull << 40);
	struct ref_cpu c = cpu_of(REF_EPT4);
	u64 on[5], leaf4k = plain(&c, 1, true), leaf2m = plain(&c, 2, true), leaf1g = plain(&c, 3, true);

	for (int level = 2; level <= 4; level++)
		on[level] = plain(&c, level, false);
	tap_ok(f.levels == 4 && !f.ad && !f.table_write && f.rsvd_pa == 0x000fff0000000000ull,
	       "EPT: the format of an EPTP without A/D flags");
	f = ept_format(0x4000 | 1 << 6 | 3 << 3 | 6, false, true, true, ~0ull << 40);
	tap_ok(f.ad && f.table_write, "EPT: and with");

	for (int level = 1; level <= 4; level++) {
		u64 e = level > 1 ? on[level] : leaf4k;

		ept_rule(&f, 1, level, (e & ~7ull) | 2, true, "writable but not readable");
		ept_rule(&f, 1, level, (e & ~7ull) | 6, true, "writable and executable but not readable");
		ept_rule(&f, 1, level, (e & ~7ull) | 4, true, "execute-only where it is not offered");
		ept_rule(&f, 1, level, e | 1ull << 40, true, "the first address bit beyond the width");
		ept_rule(&f, 1, level, e | 1ull << 51, true, "the last one");
		ept_rule(&f, 1, level, e | 0x7ffull << 52, false, "bits 62:52 are ignored");
		ept_rule(&f, 1, level, e | 1ull << 63, false, "so is bit 63");
		ept_rule(&f, 1, level, e | 0xf00, false, "so are bits 11:8");
	}
	for (int level = 2; level <= 4; level++)
		for (int bit = 3; bit <= 6; bit++)
			ept_rule(&f, 1, level, on[level] | 1ull << bit, true,
				 "bits 6:3 of an entry that leads to a table");
	ept_rule(&f, 1, 4, on[4] | 0x80, true, "bit 7 at the top");
	ept_rule(&f, 1, 1, leaf4k | 0xc0, false, "bits 7:6 of a 4K page: ignored, and ignore PAT");
	for (unsigned int type = 0; type < 8; type++) {
		bool bad = type == 2 || type == 3 || type == 7;

		ept_rule(&f, 1, 1, (leaf4k & ~0x38ull) | type << 3, bad, "memory type");
		ept_rule(&f, 2, 2, (leaf2m & ~0x38ull) | type << 3, bad, "memory type");
		ept_rule(&f, 3, 3, (leaf1g & ~0x38ull) | type << 3, bad, "memory type");
	}
	for (int bit = 12; bit < 30; bit++) {
		if (bit < 21)
			ept_rule(&f, 2, 2, leaf2m | 1ull << bit, true, "a 2M page that is not aligned");
		ept_rule(&f, 3, 3, leaf1g | 1ull << bit, true, "a 1G page that is not aligned");
	}
	f.large_1g = false;
	ept_rule(&f, 3, 3, leaf1g, true, "a 1G page where it is not offered");
	f.large_2m = false;
	ept_rule(&f, 2, 2, leaf2m, true, "a 2M page where it is not offered");
	f.exec_only = true;
	ept_rule(&f, 1, 4, (on[4] & ~7ull) | 2, true, "writable but not readable, for all that");
}

static void ept_qual(const struct pt_format *f, int level, u64 e, u64 access, u64 want,
		     const char *what)
{
	enum walk_result r;
	struct walk w = ept_walk_with(f, 1, level, e, (u32)access, &r);
	u64 got = ept_violation_qual(&w, access, f->ad);

	if (!tap_ok(r == WALK_FAULT && !ept_misconfigured(&w) && got == want, "qualification: %s", what))
		tap_diag("%#llx, want %#llx", (unsigned long long)got, (unsigned long long)want);
}

static void test_ept_qual(void)
{
	struct pt_format f = ept_format(0x4000, true, true, true, 0);
	struct ref_cpu c = cpu_of(REF_EPT4);
	u64 leaf = plain(&c, 1, true), pd = plain(&c, 2, false);

	ept_qual(&f, 1, 0, ACC_FINAL, 0x181, "a read of what is not there");
	ept_qual(&f, 2, 0, ACC_FINAL | ACC_WRITE, 0x182, "a write below a table that is not there");
	ept_qual(&f, 4, 0xfffffffffffffff8, ACC_FINAL | ACC_FETCH, 0x184,
		 "a fetch: of an absent entry all bits are ignored");
	ept_qual(&f, 1, leaf & ~2ull, ACC_FINAL | ACC_WRITE, 0x1aa, "a write to a read-only page");
	ept_qual(&f, 1, leaf & ~6ull, ACC_FINAL | ACC_WRITE, 0x18a, "and one that is not executable");
	ept_qual(&f, 2, pd & ~4ull, ACC_FINAL | ACC_FETCH, 0x19c, "a fetch that the table above forbids");
	ept_qual(&f, 1, leaf & ~3ull, ACC_FINAL, 0x1a1, "a read of an execute-only page");
	ept_qual(&f, 1, leaf & ~3ull, ACC_FINAL | ACC_WRITE, 0x1a2, "a write to one");
	ept_qual(&f, 2, pd & ~3ull, ACC_TABLE, 0x0a1, "a table of the guest on an execute-only page");
	ept_qual(&f, 1, leaf & ~2ull, ACC_TABLE | ACC_WRITE, 0x0aa, "its accessed flag, page read-only");
	ept_qual(&f, 1, leaf & ~3ull, 0, 0x021, "PDPTEs have no linear address");
	f.ad = f.table_write = true;
	ept_qual(&f, 1, leaf & ~2ull, ACC_TABLE | ACC_WRITE, 0x0ab, "with A/D flags: reads and writes");
	/* Execute-only is fine for who executes. */
	enum walk_result r;
	struct walk w = ept_walk_with(&f, 1, 1, leaf & ~3ull, ACC_FETCH, &r);

	tap_ok(r == WALK_OK && !w.readable && !w.writable && w.exec, "an execute-only page executes");
}

/* A walk that may set nothing, and one that tells what it has set. */
static void test_log(void)
{
	for (int kind = REF_LONG4; kind <= REF_EPT4; kind += REF_EPT4 - REF_LONG4) {
		struct ref_cpu c = cpu_of(kind);
		struct pt_format f = format_of(&c);
		u64 e[6], va = va_of(&f), root = f.levels * 0x1000;
		const u32 wr = ACC_USER | ACC_WRITE;
		struct walk w;

		for (int leaf = 1; leaf <= 3; leaf++) {
			bool ok;

			build(&c, &f, leaf, e);
			ok = walk_table(&f, root, va, ACC_USER | ACC_LOG_FULL, &ops, &mem, &w) ==
			     WALK_LOG_FULL && !mem.sets;
			ok &= walk_table(&f, root, va, ACC_USER, &ops, &mem, &w) == WALK_OK && !w.dirtied;
			ok &= walk_table(&f, root, va, ACC_USER | ACC_LOG_FULL, &ops, &mem, &w) ==
			      WALK_OK;
			mem.sets = 0;
			ok &= walk_table(&f, root, va, wr | ACC_LOG_FULL, &ops, &mem, &w) ==
			      WALK_LOG_FULL && !mem.sets && !w.dirtied;
			ok &= walk_table(&f, root, va, wr, &ops, &mem, &w) == WALK_OK && w.dirtied;
			ok &= walk_table(&f, root, va, wr, &ops, &mem, &w) == WALK_OK && !w.dirtied;
			ok &= walk_table(&f, root, va, wr | ACC_LOG_FULL, &ops, &mem, &w) == WALK_OK;
			tap_ok(ok, "%s, leaf at level %d: a full log, and what is to be logged",
			       kind_name[kind], leaf);
		}
		build(&c, &f, 1, e);
		put(&f, 1, va, e[1] | (kind == REF_EPT4 ? 1 << 9 : 1 << 6));
		tap_ok(walk_table(&f, root, va, wr, &ops, &mem, &w) == WALK_OK && w.dirty && !w.dirtied,
		       "%s: dirty already, and only accessed now", kind_name[kind]);
		build(&c, &f, 1, e);
		put(&f, 1, va, 0);
		tap_ok(walk_table(&f, root, va, wr | ACC_LOG_FULL, &ops, &mem, &w) == WALK_FAULT,
		       "%s: a fault comes before the log", kind_name[kind]);
		build(&c, &f, 1, e);
		f.ad = false;
		tap_ok(walk_table(&f, root, va, wr | ACC_LOG_FULL, &ops, &mem, &w) == WALK_OK &&
		       !w.dirtied && !mem.sets, "%s: without flags there is nothing to log",
		       kind_name[kind]);
	}
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

	/* Loaded ones count, whatever the memory says; and nobody reads that. */
	u64 loaded[4] = { 0, 0x2000 | 1, 0, 0x2000 | 1 };

	memset(&mem, 0, sizeof(mem));
	put(&f, 2, 1ull << 30 | 0x1a405678, plain(&c, 2, true));
	f.pdpte = loaded;
	ok = walk_table(&f, 0x3fe0, 1ull << 30 | 0x1a405678, 0, &ops, &mem, &w) == WALK_OK &&
	     mem.reads == 1 && w.pdpte[1] == loaded[1];
	ok &= walk_table(&f, 0x3fe0, 2ull << 30 | 0x1a405678, 0, &ops, &mem, &w) == WALK_FAULT &&
	      mem.reads == 1 && !w.error;
	tap_ok(ok, "PAE: the PDPTEs that the CPU has loaded");
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
	test_ept_rules();
	test_ept_qual();
	test_log();
	test_marks();
	test_races();
	test_refused_reads();
	test_pae_root();
	test_random();
	return tap_done();
}
