// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page-table walker on formats, entries and accesses by chance, against the second
 * reading of the manuals (walk_ref.h); then over memory that is all noise, where only
 * its bounds are asked for.
 */
#include "fuzz.h"
#include "mmu/ept.h"
#include "mmu/walk.h"
#include "walk_ref.h"

static struct {
	u64 e[6];		/* the entries of the walk, by level */
	int levels;
	unsigned int reads, size;
	bool noise;		/* entries come out of the input */
} m;

static int f_read(void *ctx, u64 addr, void *entry, unsigned int size)
{
	unsigned int i = m.reads++ % m.levels;

	(void)ctx;
	demand(size == m.size && addr % size == 0, "one whole entry is read");
	demand(m.reads < 1000, "the walk ends");
	if (m.noise) {
		get(entry, size);
		return get_number(1) == 0x55 ? -EFAULT : 0;
	}
	memcpy(entry, &m.e[m.levels - i], size);
	return 0;
}

static int f_set(void *ctx, u64 addr, u64 old, u64 new, unsigned int size)
{
	(void)ctx, (void)addr;
	demand(size == m.size, "one whole entry is written");
	demand(!(old & ~new), "bits are only set");
	return m.noise && get_number(1) % 8 == 7 ? -EAGAIN : 0;
}

static const struct walk_ops ops = { .read_entry = f_read, .set_bits = f_set };

static struct ref_cpu make_cpu(void)
{
	u32 bits = get_number(2);
	struct ref_cpu c = {
		.kind = bits % 5, .pse = bits & 8, .gb_pages = bits & 16, .nxe = bits & 32,
		.wp = bits & 64, .smep = bits & 128, .smap = bits & 256, .amd = bits & 512,
		.exec_only = bits & 1024, .maxphys = 32 + get_number(1) % 21,
	};

	if (c.kind == REF_PAE)
		c.gb_pages = false;
	if (c.kind == REF_EPT4)
		c.nxe = c.smep = c.smap = c.amd = false;
	return c;
}

static struct pt_format format_of(const struct ref_cpu *c)
{
	static const u8 levels[] = { 2, 3, 4, 5, 4 };
	bool legacy = c->kind == REF_LEGACY;

	return (struct pt_format){
		.name = "fuzz", .levels = levels[c->kind], .entry_size = legacy ? 4 : 8,
		.index_bits = legacy ? 10 : 9, .nx = c->nxe && !legacy && c->kind != REF_EPT4,
		.ept = c->kind == REF_EPT4, .exec_only = c->exec_only, .mbz8 = c->amd,
		.large_2m = legacy ? c->pse : true, .large_1g = c->gb_pages, .wp = c->wp,
		.smep = c->smep, .smap = c->smap, .ad = true,
		.rsvd_pa = c->maxphys >= 52 ? 0 : (0xfffffffffffffull >> c->maxphys) << c->maxphys,
	};
}

static void compare(const struct ref_cpu *c, const struct pt_format *f, u32 access)
{
	u64 va = get_number(8), good = f->ept ? 0x37 : 0x67;
	int level, want, at = 0;
	enum walk_result r;
	struct walk w;

	for (level = f->levels; level >= 1; level--) {
		m.e[level] = (u64)level << 12 | good;
		/* PDPTEs of PAE have no such bits, tables of EPT no memory type. */
		if (c->kind == REF_PAE && level == 3)
			m.e[level] = 0x3001;
		else if (f->ept && level > 1)
			m.e[level] = (u64)level << 12 | 7;
	}
	for (level = get_number(1) % 4; level; level--)
		m.e[1 + get_number(1) % f->levels] ^= 1ull << get_number(1) % (8 * f->entry_size);
	want = ref_walk(c, f->levels, m.e, access, &at);
	r = walk_table(f, (u64)f->levels << 12, va, access, &ops, NULL, &w);
	demand(r == (want < 0 ? WALK_OK : WALK_FAULT), "fault or none");
	if (want >= 0)
		demand(w.error == (u32)want, "error code");
	else
		demand(w.level == at, "level of the leaf");
}

static void noise(const struct pt_format *f, u32 access)
{
	struct walk w, above, side;
	enum walk_result r;

	m.noise = true;
	m.reads = 0;
	r = walk_table(f, get_number(8) & ~0xfffull, get_number(8), access, &ops, NULL, &w);
	demand(r <= WALK_LOG_FULL, "result");
	if (r == WALK_FAULT)
		demand(!(w.error & ~0x1full), "error code");
	if (r != WALK_OK)
		return;
	demand(w.level >= 1 && w.level <= 3, "level of a leaf");
	demand(!(w.addr & f->rsvd_pa) || f->entry_size == 4, "address within the processor's");
	if (w.level == 1) {
		walk_above(f, &w, &above);
		walk_sibling(f, &above, get_number(f->entry_size), &side);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct ref_cpu c;
	struct pt_format f;
	u32 access;

	fuzz_begin(data, size);
	memset(&m, 0, sizeof(m));
	c = make_cpu();
	f = format_of(&c);
	m.levels = f.levels;
	m.size = f.entry_size;
	access = get_number(1) & (ACC_WRITE | ACC_USER | ACC_FETCH);
	/* A fetch writes nothing, and EPT knows no users. */
	if (access & ACC_FETCH)
		access &= ~ACC_WRITE;
	if (f.ept)
		access &= ~ACC_USER;
	compare(&c, &f, access);
	noise(&f, access | (get_number(1) % 4 == 3 ? ACC_LOG_FULL : 0));
	return 0;
}
