// SPDX-License-Identifier: GPL-2.0-only
/*
 * The benchmark's rows about nested page tables: what a first touch costs, what is left of it after
 * a flush, and what one changed mapping among many costs.
 */
#include "bench_mem.h"

#define GVA	0x180000000ull
#define HIGH	BIT(39)
#define POOL	4096	/* pages of L1 behind the mappings, used in turn */

static u64 step(const struct field *f)
{
	return f->leaf == L_2M ? 0x200000 : PAGE_SIZE;
}

static u8 *page_of(const struct field *f, u32 i)
{
	return f->pool + (u64)i % (f->leaf == L_2M ? POOL / 512 : POOL) * step(f);
}

static void lead(struct field *f, u32 i, u32 to)
{
	*pt_split(f->root, HIGH + i * step(f), f->leaf) =
		(u64)page_of(f, to) | f->ops->rw | (f->leaf == L_2M ? PT_PS : 0);
}

/* @pages mappings of L2, its own tables with 2M pages; nothing touched yet. */
static void field_init(struct field *f, const struct field_ops *ops, u32 pages, int leaf)
{
	u32 i;

	memset(f, 0, sizeof(*f));
	f->ops = ops;
	f->pages = pages;
	f->leaf = leaf;
	f->pool = alloc_2m();
	for (i = 512; i < POOL; i += 512)
		alloc_2m();
	f->root = ops->new_root();
	for (i = 0; i < pages; i++)
		lead(f, i, i);
	f->cr3 = pt_new_identity();
	pt_map(f->cr3, GVA, HIGH, ((u64)pages * step(f) + 0x1fffff) & ~0x1fffffull, L_2M, RW);
	ops->init(f);
}

/* Touch all; instructions that it took, entry and exit included. */
static u64 touch(struct field *f, bool flush)
{
	const u64 regs[] = { GVA, f->pages, step(f) };
	u64 t = rdtsc();

	f->ops->enter(f, regs, flush);
	return rdtsc() - t;
}

void bench_fill(const struct bench *b, const struct field_ops *ops)
{
	u64 cold, warm, again;
	struct field f;

	field_init(&f, ops, b->ops, b->arg);
	/* Not the first L2 of the CPU, and its own tables touched. */
	f.pages = 1;
	touch(&f, true);
	f.pages = b->ops;
	bench_begin();
	cold = touch(&f, false);
	bench_stop();
	touch(&f, false);
	warm = touch(&f, false);
	again = touch(&f, true);
	bench_report(b, "cold", b->ops, cold - warm);
	bench_report(b, "after-flush", b->ops, again > warm ? again - warm : 0);
}

/*
 * One of @arg mappings changes, L1 flushes, L2 touches all; the change itself may cost, too.  As a guest in
 * use: not the first flush after it was filled in or after the VMM had its turn, and each change in another place.
 */
void bench_change(const struct bench *b, const struct field_ops *ops)
{
	u64 total = 0, warm, t;
	struct field f;
	u32 i;

	field_init(&f, ops, b->arg, L_4K);
	for (i = 0; i < 3; i++)
		touch(&f, true);
	touch(&f, false);
	warm = touch(&f, false);
	bench_begin();
	touch(&f, true);
	for (i = 0; i < b->ops; i++) {
		t = rdtsc();
		lead(&f, i * 40503 % b->arg, i + 1);
		touch(&f, true);
		total += rdtsc() - t - warm;
	}
	bench_stop();
	bench_report(b, NULL, b->ops, total);
}
