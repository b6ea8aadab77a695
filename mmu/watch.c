// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of L1's nested tables that nobody writes to without being noticed.
 *
 * A shadow table that mirrors a table of L1 and that the CPU can reach is either watched or open.  While it
 * is watched no leaf of L0's table and of any shadow table lets that page of L1 be written; a write
 * faults, opens every table that mirrors the page, and is let through.  An open one is on its root's
 * list, and an invalidation by L1 compares it, with L1's table as it is by then.  A table out of
 * the CPU's reach may be neither: it is compared when it is brought back.
 *
 * What writes without going through these tables is told of in other ways: L0's own writes to L1's
 * memory call watch_wrote(); pages that the host takes away and slots that change
 * come through zap_gfns().  What the VMM, its devices and other processes write shows nowhere;
 * they tell the VM afterwards, or L1 could not know of it: by returning to KVM_RUN, by
 * another ioctl, by an irqfd.  Each of these moves outside_seq, and while that is not what it was when a
 * table was compared the table counts as open.  The same goes for what a processor writes in SMM.
 *
 * Rule, under mmu->lock: a leaf that may be written covers no page that is watched.  Whoever makes one
 * asks watch_level() and watch_opens() first.
 */
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "mmu/shadow_int.h"
#include "mmu/table.h"

#define GROUP_SHIFT	4	/* pages of L1 to a group, which is a list */
#define BLOCK_SHIFT	9	/* and to a block, what a leaf of 2M maps */
#define LIST_BITS	10
#define BLOCK_BITS	10
#define FILTER_BITS	12
/* A table that is written again within so many invalidations stays open for two, and then for twice as many as before. */
#define HOT_FOR		16u
#define HOT_MAX		3
/* Longer ranges are scanned for instead of looked up. */
#define BLOCKS_MAX	64

/**
 * struct shadow_watch - which pages of L1 are watched
 * @list: shadow tables by a hash of the group that L1's table is in; mmu->lock
 * @block: number of watched tables by a hash of the block; mmu->lock
 * @filter: number of watched tables by a hash of the frame; written under mmu->lock, read without
 */
struct shadow_watch {
	struct hlist_head list[1 << LIST_BITS];
	u32 block[1 << BLOCK_BITS];
	u32 filter[1 << FILTER_BITS];
};

int watch_init(struct nestor_mmu_vm *mmu)
{
	struct shadow_watch *w;

	if (READ_ONCE(mmu->watch))
		return 0;
	w = kvzalloc(sizeof(*w), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!w)
		return -ENOMEM;
	spin_lock(&mmu->lock);
	if (!mmu->watch) {
		/* Pairs with watch_quiet(): who sees it sees it empty. */
		smp_store_release(&mmu->watch, w);
		w = NULL;
	}
	spin_unlock(&mmu->lock);
	kvfree(w);
	return 0;
}

void watch_free(struct nestor_mmu_vm *mmu)
{
	kvfree(mmu->watch);
}

static struct hlist_head *list_of(struct nestor_mmu_vm *mmu, u64 gfn)
{
	return &mmu->watch->list[hash_64(gfn >> GROUP_SHIFT, LIST_BITS)];
}

static u32 *block_of(struct nestor_mmu_vm *mmu, u64 gfn)
{
	return &mmu->watch->block[hash_64(gfn >> BLOCK_SHIFT, BLOCK_BITS)];
}

static u32 *filter_of(struct shadow_watch *w, u64 gfn)
{
	return &w->filter[hash_64(gfn, FILTER_BITS)];
}

static u64 mirrored(const struct shadow_table *t)
{
	return t->l1_table >> PAGE_SHIFT;
}

static void open_add(struct shadow_table *t)
{
	list_add(&t->open, &t->root->open);
	t->root->nr_open++;
}

static void open_del(struct shadow_table *t)
{
	if (list_empty(&t->open))
		return;
	list_del_init(&t->open);
	t->root->nr_open--;
}

void watch_reach(struct nestor_mmu_vm *mmu, struct shadow_table *t)
{
	lockdep_assert_held(&mmu->lock);
	if (t->l1_table != NO_TABLE && !t->watched && list_empty(&t->open))
		open_add(t);
}

void watch_none(struct nestor_mmu_vm *mmu, struct shadow_root *sr)
{
	struct shadow_table *t, *next;

	lockdep_assert_held(&mmu->lock);
	list_for_each_entry_safe(t, next, &sr->open, open)
		list_del_init(&t->open);
	sr->nr_open = 0;
}

static void watch_del(struct nestor_mmu_vm *mmu, struct shadow_table *t)
{
	u32 *n = filter_of(mmu->watch, mirrored(t));

	hlist_del_init(&t->watch);
	--*block_of(mmu, mirrored(t));
	WRITE_ONCE(*n, *n - 1);
	mmu->nr_watched--;
	t->watched = false;
}

void watch_mirror(struct nestor_mmu_vm *mmu, struct shadow_table *t, u64 l1_table)
{
	lockdep_assert_held(&mmu->lock);
	t->l1_table = l1_table;
	INIT_LIST_HEAD(&t->open);
	watch_reach(mmu, t);
}

void watch_forget(struct nestor_mmu_vm *mmu, struct shadow_table *t)
{
	lockdep_assert_held(&mmu->lock);
	if (t->l1_table == NO_TABLE)
		return;
	if (t->watched)
		watch_del(mmu, t);
	else
		open_del(t);
	t->l1_table = NO_TABLE;
}

/* A page of L1 is about to be written, or was: compare what mirrors it. */
static void table_opens(struct nestor_mmu_vm *mmu, struct shadow_table *t)
{
	watch_del(mmu, t);
	open_add(t);
	/* What is written often is left open for longer: a comparison costs less than a fault and a flush. */
	if (t->root->nr_inval - t->since > HOT_FOR)
		t->hot = 0;
	else
		t->hot = min(t->hot + 1, HOT_MAX);
	t->skip = t->hot ? 1 << t->hot : 0;
}

static bool is_watched(struct nestor_mmu_vm *mmu, u64 gfn)
{
	lockdep_assert_held(&mmu->lock);
	return mmu->nr_watched && *filter_of(mmu->watch, gfn);
}

void watch_opens(struct nestor_mmu_vm *mmu, u64 gfn)
{
	struct shadow_table *t;
	struct hlist_node *next;

	if (!is_watched(mmu, gfn))
		return;
	hlist_for_each_entry_safe(t, next, list_of(mmu, gfn), watch)
		if (mirrored(t) == gfn)
			table_opens(mmu, t);
}

bool watch_covers(struct nestor_mmu_vm *mmu, u64 gfn)
{
	struct shadow_table *t;

	if (!is_watched(mmu, gfn))
		return false;
	hlist_for_each_entry(t, list_of(mmu, gfn), watch)
		if (mirrored(t) == gfn)
			return true;
	return false;
}

/* The groups of [start, end), one after the other, and what is watched of them; no block without any is looked at. */
static struct shadow_table *watched_from(struct nestor_mmu_vm *mmu, u64 *start, u64 end)
{
	struct shadow_table *t;

	while (*start < end) {
		if (!*block_of(mmu, *start)) {
			*start = ((*start >> BLOCK_SHIFT) + 1) << BLOCK_SHIFT;
			continue;
		}
		hlist_for_each_entry(t, list_of(mmu, *start), watch)
			if (mirrored(t) >= *start && mirrored(t) < end)
				return t;
		*start = ((*start >> GROUP_SHIFT) + 1) << GROUP_SHIFT;
	}
	return NULL;
}

int watch_level(struct nestor_mmu_vm *mmu, u64 gfn, int level)
{
	u64 start = gfn >> BLOCK_SHIFT << BLOCK_SHIFT;

	lockdep_assert_held(&mmu->lock);
	if (level == LEVEL_4K || !mmu->nr_watched)
		return level;
	/* Nobody keeps count by 1G. */
	return watched_from(mmu, &start, start + BIT(BLOCK_SHIFT)) ? LEVEL_4K : LEVEL_2M;
}

void watch_range(struct nestor_mmu_vm *mmu, u64 start, u64 end)
{
	struct shadow_table *t;

	lockdep_assert_held(&mmu->lock);
	if (!mmu->nr_watched)
		return;
	if ((end - 1) >> BLOCK_SHIFT >= (start >> BLOCK_SHIFT) + BLOCKS_MAX) {
		list_for_each_entry(t, &mmu->shadow_tables, all)
			if (t->watched && mirrored(t) >= start && mirrored(t) < end)
				table_opens(mmu, t);
		return;
	}
	/* One that opens is watched no more. */
	while ((t = watched_from(mmu, &start, end)))
		table_opens(mmu, t);
}

bool watch_quiet(struct nestor_mmu_vm *mmu, u64 gfn)
{
	struct shadow_watch *w;

	/* The data before the look, as watch_tables() has the count before the comparison. */
	smp_mb();
	w = READ_ONCE(mmu->watch);
	return likely(!w || !READ_ONCE(*filter_of(w, gfn)));
}

void watch_wrote(struct nestor_mmu_vm *mmu, u64 gfn)
{
	if (watch_quiet(mmu, gfn))
		return;
	spin_lock(&mmu->lock);
	watch_opens(mmu, gfn);
	spin_unlock(&mmu->lock);
}

static bool watch_one(struct nestor_mmu_vm *mmu, struct shadow_table *t)
{
	u64 gfn = mirrored(t);
	u32 *n = filter_of(mmu->watch, gfn);
	bool flush;

	open_del(t);
	t->watched = true;
	t->since = t->root->nr_inval;
	/* No comparison counts but one from now on. */
	t->outside = ~0ull;
	hlist_add_head(&t->watch, list_of(mmu, gfn));
	++*block_of(mmu, gfn);
	WRITE_ONCE(*n, *n + 1);
	mmu->nr_watched++;
	flush = table_forbid(mmu, gfn);
	return rmap_protect(mmu, gfn, gfn + 1) || flush;
}

/* The large leaf of L0 around @t's page becomes small ones, so that only that page loses a right. */
static bool watch_split(struct nestor_vcpu *vcpu, struct shadow_table *t)
{
	/* An invalidation by L1 may come with the CPU loaded; a table that is not watched is compared. */
	const gfp_t how = vcpu->atomic ? GFP_NOWAIT | __GFP_ACCOUNT | __GFP_NOWARN : GFP_KERNEL_ACCOUNT;
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	struct table_cache cache = {};
	unsigned int need;

	for (;;) {
		spin_lock(&mmu->lock);
		need = table_split_need(mmu, mirrored(t));
		if (need <= cache.nr)
			break;
		spin_unlock(&mmu->lock);
		if (table_cache_fill(&cache, need, how)) {
			table_cache_drop(&cache);
			return false;
		}
	}
	if (need) {
		table_split_at(mmu, mirrored(t), &cache);
		vm_flush_tlbs(mmu->vm);
	}
	spin_unlock(&mmu->lock);
	table_cache_drop(&cache);
	return true;
}

void watch_tables(struct nestor_vcpu *vcpu, struct shadow_table **t, unsigned int nr)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	bool flush = false, ready[WATCH_MAX];
	unsigned int i;

	for (i = 0; i < nr; i++)
		ready[i] = !t[i]->watched && !t[i]->skip && mirrored(t[i]) < MAX_GFN &&
			   watch_split(vcpu, t[i]);
	spin_lock(&mmu->lock);
	for (i = 0; i < nr; i++)
		if (ready[i])
			flush |= watch_one(mmu, t[i]);
	if (flush)
		vm_flush_tlbs(mmu->vm);
	spin_unlock(&mmu->lock);
	/* The count before the comparison: see watch_quiet(). */
	smp_mb();
}
