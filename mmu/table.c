// SPDX-License-Identifier: GPL-2.0-only
/*
 * L0's second-level table.
 *
 * One table a VM.  Each table page has one parent entry and no other user.
 * Zapping a range clears leaves and unlinks tables that lie wholly inside it; an
 * unlinked subtree waits on a list (struct page's lru, level in its private
 * word) until TLBs, and with them the CPUs' paging-structure caches, were
 * flushed, and is freed then, outside the lock.
 */
#include <linux/gfp.h>
#include <linux/mm.h>

#include "mmu/table.h"

const struct sl_format sl_npt = {
	.present = BIT_ULL(0),
	.table = BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2) | BIT_ULL(5),	/* P, R/W, U/S, A */
	.leaf = BIT_ULL(2),
	.read = BIT_ULL(0),
	.write = BIT_ULL(1),
	.dirty = BIT_ULL(6),
	.noexec = BIT_ULL(63),
	.accessed = BIT_ULL(5),
};

const struct sl_format sl_ept = {
	.present = 7,
	/*
	 * Accessed (bit 8) and dirty (9) are ignored unless EPTP turns them on; set from the
	 * start they spare the CPU an update.  It is on for some shadow roots only, so what
	 * a page's age is cannot be read from them: no @accessed.
	 */
	.table = 7 | BIT_ULL(8),	/* read, write, execute */
	.leaf = (6 << 3) | BIT_ULL(6) | BIT_ULL(8),	/* write-back, ignore PAT: see ept.h */
	.read = BIT_ULL(0),
	.write = BIT_ULL(1),
	.dirty = BIT_ULL(9),
	.exec = BIT_ULL(2),
};

static u64 *table_alloc(gfp_t how)
{
	return (u64 *)get_zeroed_page(how);
}

int table_cache_fill(struct table_cache *c, unsigned int nr, gfp_t how)
{
	while (c->nr < nr) {
		u64 *pt = table_alloc(how);

		if (!pt)
			return -ENOMEM;
		c->pt[c->nr++] = pt;
	}
	return 0;
}

void table_cache_drop(struct table_cache *c)
{
	while (c->nr)
		free_page((unsigned long)c->pt[--c->nr]);
}

int table_init(struct nestor_mmu_vm *mmu)
{
	mmu->fmt = hw_caps.root_is_npt ? &sl_npt : &sl_ept;
	mmu->root = table_alloc(GFP_KERNEL_ACCOUNT);
	return mmu->root ? 0 : -ENOMEM;
}

/* Depth is bounded by the number of levels. */
static void table_free(u64 *pt, int level)
{
	int i;

	for (i = 0; level > 1 && i < PT_ENTRIES; i++)
		if (pt[i] && !sl_is_leaf(pt[i], level))
			table_free(sl_child(pt[i]), level - 1);
	free_page((unsigned long)pt);
}

void table_destroy(struct nestor_mmu_vm *mmu)
{
	if (mmu->root)
		table_free(mmu->root, ROOT_LEVEL);
	mmu->root = NULL;
}

static void table_unlink(u64 e, int level, struct list_head *gone)
{
	struct page *page = virt_to_page(sl_child(e));

	set_page_private(page, level);
	list_add(&page->lru, gone);
}

void table_free_gone(struct list_head *gone)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, gone, lru) {
		int level = page_private(page);

		list_del(&page->lru);
		set_page_private(page, 0);
		table_free(page_address(page), level);
	}
}

/* Replace a large leaf by a table that maps the same; TLBs need a flush. */
static void table_split(struct nestor_mmu_vm *mmu, u64 *e, int level, u64 *pt)
{
	u64 old = READ_ONCE(*e), step = level_pages(level - 1) << PAGE_SHIFT;
	u64 child = level - 1 > 1 ? old : old & ~SL_LARGE;
	int i;

	for (i = 0; i < PT_ENTRIES; i++)
		pt[i] = child + i * step;
	WRITE_ONCE(*e, sl_make_table(mmu->fmt, pt));
}

static enum table_change table_set_leaf(struct nestor_mmu_vm *mmu, u64 *e, u64 new, int level,
					struct list_head *gone)
{
	u64 old = READ_ONCE(*e);
	u64 same = SL_PA | SL_LARGE | mmu->fmt->noexec;

	if (!sl_present(mmu->fmt, old)) {
		WRITE_ONCE(*e, new);
		return TABLE_ADDED;
	}
	if (!sl_is_leaf(old, level)) {
		WRITE_ONCE(*e, new);
		mmu->unmap_seq++;
		table_unlink(old, level - 1, gone);
		return TABLE_FLUSH;
	}
	if ((old ^ new) & same) {
		xchg(e, new);
		mmu->unmap_seq++;
		return TABLE_FLUSH;
	}
	/* A read fault never takes away the right to write. */
	if (sl_writable(mmu->fmt, old) || !sl_writable(mmu->fmt, new))
		return TABLE_SAME;
	xchg(e, new);
	return TABLE_ADDED;
}

unsigned int table_need(struct nestor_mmu_vm *mmu, u64 gfn, int level)
{
	u64 *pt = mmu->root;
	int l;

	lockdep_assert_held(&mmu->lock);
	for (l = ROOT_LEVEL; l > level; l--) {
		u64 e = READ_ONCE(pt[level_index(gfn, l)]);

		if (!sl_present(mmu->fmt, e) || sl_is_leaf(e, l))
			break;
		pt = sl_child(e);
	}
	return l - level;
}

int table_lookup(struct nestor_mmu_vm *mmu, u64 gfn, u64 *pfn, bool *writable)
{
	u64 *pt = mmu->root;
	int l;

	lockdep_assert_held(&mmu->lock);
	for (l = ROOT_LEVEL;; l--) {
		u64 e = READ_ONCE(pt[level_index(gfn, l)]);

		if (!sl_present(mmu->fmt, e))
			return 0;
		if (sl_is_leaf(e, l)) {
			*pfn = sl_pfn(e) + (gfn & (level_pages(l) - 1));
			/* One whose first write is still to be logged is not for shadows. */
			*writable = sl_writable(mmu->fmt, e) && (e & mmu->fmt->dirty);
			return l;
		}
		pt = sl_child(e);
	}
}

unsigned int table_split_need(struct nestor_mmu_vm *mmu, u64 gfn)
{
	bool writable;
	u64 pfn;
	int level = table_lookup(mmu, gfn, &pfn, &writable);

	return level ? level - LEVEL_4K : 0;
}

void table_split_at(struct nestor_mmu_vm *mmu, u64 gfn, struct table_cache *c)
{
	u64 *pt = mmu->root;
	int l;

	lockdep_assert_held(&mmu->lock);
	for (l = ROOT_LEVEL; l > LEVEL_4K; l--) {
		u64 *e = &pt[level_index(gfn, l)];

		if (sl_is_leaf(*e, l))
			table_split(mmu, e, l, c->pt[--c->nr]);
		pt = sl_child(*e);
	}
}

enum table_change table_map(struct nestor_mmu_vm *mmu, u64 gfn, u64 pfn, int level, bool write,
			    struct table_cache *c, struct list_head *gone)
{
	enum table_change change, split = TABLE_ADDED;
	u64 *pt = mmu->root, *e;
	u64 mask = level_pages(level) - 1;
	int l;

	lockdep_assert_held(&mmu->lock);
	for (l = ROOT_LEVEL; l > level; l--) {
		e = &pt[level_index(gfn, l)];
		if (!sl_present(mmu->fmt, *e)) {
			WRITE_ONCE(*e, sl_make_table(mmu->fmt, c->pt[--c->nr]));
		} else if (sl_is_leaf(*e, l)) {
			table_split(mmu, e, l, c->pt[--c->nr]);
			split = TABLE_FLUSH;
		}
		pt = sl_child(*e);
	}
	change = table_set_leaf(mmu, &pt[level_index(gfn, level)],
				sl_make_leaf(mmu->fmt, pfn & ~mask, level, true, write, true),
				level, gone);
	return split == TABLE_FLUSH ? TABLE_FLUSH : change;
}

static bool zap_level(struct nestor_mmu_vm *mmu, u64 *pt, int level, u64 base, u64 start, u64 end,
		      struct list_head *gone)
{
	u64 step = level_pages(level);
	bool changed = false;
	int i;

	i = start > base ? (start - base) / step : 0;
	for (; i < PT_ENTRIES; i++) {
		u64 at = base + i * step;
		u64 old = READ_ONCE(pt[i]);

		if (at >= end)
			break;
		if (!sl_present(mmu->fmt, old))
			continue;
		if (sl_is_leaf(old, level)) {
			/* A large leaf goes as a whole: the rest faults back in. */
			xchg(&pt[i], 0);
			mmu->unmap_seq++;
			changed = true;
		} else if (at >= start && at + step <= end) {
			WRITE_ONCE(pt[i], 0);
			mmu->unmap_seq++;
			table_unlink(old, level - 1, gone);
			changed = true;
		} else {
			changed |= zap_level(mmu, sl_child(old), level - 1, at, start, end, gone);
		}
	}
	return changed;
}

bool table_zap(struct nestor_mmu_vm *mmu, u64 start, u64 end, struct list_head *gone)
{
	lockdep_assert_held(&mmu->lock);
	return zap_level(mmu, mmu->root, ROOT_LEVEL, 0, start, end, gone);
}

/*
 * Take the bits from every leaf that touches the range, @small from those of 4K and @large from
 * others; true if one had any of them.
 */
static bool clear_level(struct nestor_mmu_vm *mmu, u64 *pt, int level, u64 base, u64 start, u64 end,
			u64 large, u64 small, bool only_test)
{
	u64 bits = level > LEVEL_4K ? large : small;
	u64 step = level_pages(level);
	bool found = false;
	int i;

	i = start > base ? (start - base) / step : 0;
	for (; i < PT_ENTRIES; i++) {
		u64 at = base + i * step;
		u64 e = READ_ONCE(pt[i]);

		if (at >= end)
			break;
		if (!sl_present(mmu->fmt, e))
			continue;
		if (!sl_is_leaf(e, level))
			found |= clear_level(mmu, sl_child(e), level - 1, at, start, end, large,
					     small, only_test);
		else if (only_test)
			found |= !!(e & bits);
		else if (e & bits)
			found |= !!sl_clear_bits(&pt[i], bits);
	}
	return found;
}

bool table_protect(struct nestor_mmu_vm *mmu, u64 start, u64 end)
{
	lockdep_assert_held(&mmu->lock);
	/* A CPU that keeps the log needs no fault for a write, but a dirty flag to set. */
	return clear_level(mmu, mmu->root, ROOT_LEVEL, 0, start, end, mmu->fmt->write,
			   hw_caps.pml ? mmu->fmt->dirty : mmu->fmt->write, false);
}

bool table_forbid(struct nestor_mmu_vm *mmu, u64 gfn)
{
	lockdep_assert_held(&mmu->lock);
	return clear_level(mmu, mmu->root, ROOT_LEVEL, 0, gfn, gfn + 1, mmu->fmt->write,
			   mmu->fmt->write, false);
}

bool table_may_write(struct nestor_mmu_vm *mmu, u64 gfn)
{
	u64 *pt = mmu->root;
	int l;

	lockdep_assert_held(&mmu->lock);
	for (l = ROOT_LEVEL;; l--) {
		u64 e = READ_ONCE(pt[level_index(gfn, l)]);

		if (!sl_present(mmu->fmt, e))
			return false;
		if (sl_is_leaf(e, l))
			return sl_writable(mmu->fmt, e);
		pt = sl_child(e);
	}
}

bool table_young(struct nestor_mmu_vm *mmu, u64 start, u64 end, bool clear)
{
	/* Without accessed bits, say that what is mapped is in use. */
	u64 bits = mmu->fmt->accessed ?: mmu->fmt->present;

	lockdep_assert_held(&mmu->lock);
	return clear_level(mmu, mmu->root, ROOT_LEVEL, 0, start, end, bits, bits,
			   !clear || !mmu->fmt->accessed);
}
