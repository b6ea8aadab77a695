// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reverse map: from an L1 frame to the shadow leaves, of all vCPUs, that map it.
 *
 * A hash of the leaves' slots by their first frame; a leaf of any size has one
 * node, which is part of its table, so that adding one needs no memory.  A short
 * range is looked up frame by frame, and at the frames where a larger leaf around
 * it would begin; for a long one it is cheaper to look at every table once.
 */
#include <linux/hash.h>
#include <linux/mm.h>

#include "mmu/shadow_int.h"

/* Longer ranges are scanned for instead of looked up. */
#define RMAP_LOOKUP_MAX		4096

enum leaf_op { LEAF_ZAP, LEAF_PROTECT, LEAF_YOUNG_TEST, LEAF_YOUNG_CLEAR };

int rmap_init(struct nestor_mmu_vm *mmu)
{
	struct hlist_head *heads;

	if (READ_ONCE(mmu->rmap))
		return 0;
	heads = kvcalloc(1 << RMAP_BITS, sizeof(*heads), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!heads)
		return -ENOMEM;
	spin_lock(&mmu->lock);
	if (!mmu->rmap) {
		WRITE_ONCE(mmu->rmap, heads);
		heads = NULL;
	}
	spin_unlock(&mmu->lock);
	kvfree(heads);
	return 0;
}

static struct hlist_head *rmap_head(struct nestor_mmu_vm *mmu, u64 gfn)
{
	return &mmu->rmap[hash_64(gfn, RMAP_BITS)];
}

void rmap_add(struct nestor_mmu_vm *mmu, struct shadow_table *t, struct shadow_slot *slot, u64 gfn)
{
	lockdep_assert_held(&mmu->lock);
	hlist_add_head(&slot->node, rmap_head(mmu, gfn));
	mmu->nr_leaves[t->level]++;
}

void rmap_del(struct nestor_mmu_vm *mmu, struct shadow_table *t, struct shadow_slot *slot)
{
	lockdep_assert_held(&mmu->lock);
	hlist_del_init(&slot->node);
	mmu->nr_leaves[t->level]--;
}

/* true: something was there to change (or, for the young ones, was young) */
static bool leaf_do(struct nestor_mmu_vm *mmu, struct shadow_table *t, struct shadow_slot *slot,
		    enum leaf_op op)
{
	unsigned int i = slot - t->slot;
	u64 accessed = mmu->fmt->accessed;

	switch (op) {
	case LEAF_ZAP:
		leaf_clear(mmu, t, i);
		return true;
	case LEAF_PROTECT:
		return sl_clear_bits(&t->spt[i], mmu->fmt->write);
	case LEAF_YOUNG_CLEAR:
		/* Without accessed bits, what is mapped counts as used. */
		return !accessed || sl_clear_bits(&t->spt[i], accessed);
	default:
		return !accessed || (READ_ONCE(t->spt[i]) & accessed);
	}
}

static bool rmap_frame(struct nestor_mmu_vm *mmu, u64 gfn, int level, enum leaf_op op)
{
	struct shadow_slot *slot;
	struct hlist_node *next;
	bool hit = false;

	hlist_for_each_entry_safe(slot, next, rmap_head(mmu, gfn), node) {
		struct shadow_table *t = slot_table(slot);

		if (t->level == level && leaf_gfn(t, slot - t->slot) == gfn)
			hit |= leaf_do(mmu, t, slot, op);
	}
	return hit;
}

static bool rmap_lookup(struct nestor_mmu_vm *mmu, u64 start, u64 end, enum leaf_op op)
{
	bool hit = false;
	int level;

	for (level = LEVEL_4K; level <= LEVEL_1G; level++) {
		u64 step = level_pages(level), gfn = start & ~(step - 1);

		for (; mmu->nr_leaves[level] && gfn < end; gfn += step)
			hit |= rmap_frame(mmu, gfn, level, op);
	}
	return hit;
}

static bool rmap_scan(struct nestor_mmu_vm *mmu, u64 start, u64 end, enum leaf_op op)
{
	struct shadow_table *t;
	bool hit = false;
	unsigned int i;

	list_for_each_entry(t, &mmu->shadow_tables, all) {
		u64 pages = level_pages(t->level);

		for (i = 0; t->nr_leaves && i < PT_ENTRIES; i++) {
			u64 gfn = leaf_gfn(t, i);

			if (shadow_is_leaf(mmu->fmt, t, i) && gfn < end && start < gfn + pages)
				hit |= leaf_do(mmu, t, &t->slot[i], op);
		}
	}
	return hit;
}

static bool rmap_range(struct nestor_mmu_vm *mmu, u64 start, u64 end, enum leaf_op op)
{
	lockdep_assert_held(&mmu->lock);
	if (!mmu->rmap || list_empty(&mmu->shadow_tables))
		return false;
	if (end - start > RMAP_LOOKUP_MAX)
		return rmap_scan(mmu, start, end, op);
	return rmap_lookup(mmu, start, end, op);
}

bool rmap_zap(struct nestor_mmu_vm *mmu, u64 start, u64 end)
{
	return rmap_range(mmu, start, end, LEAF_ZAP);
}

bool rmap_protect(struct nestor_mmu_vm *mmu, u64 start, u64 end)
{
	return rmap_range(mmu, start, end, LEAF_PROTECT);
}

bool rmap_young(struct nestor_mmu_vm *mmu, u64 start, u64 end, bool clear)
{
	return rmap_range(mmu, start, end, clear ? LEAF_YOUNG_CLEAR : LEAF_YOUNG_TEST);
}
