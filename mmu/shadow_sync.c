// SPDX-License-Identifier: GPL-2.0-only
/*
 * After an invalidation by L1: keep what L1 did not change, at a cost that goes with what
 * changed, or with what L2 uses next, and not with what is mapped.
 *
 * Each entry remembers the entry of L1 it was made of, accessed and dirty bits included,
 * and a table of the shadow mirrors one table of L1.  Which of those tables may have been written
 * since they were last compared is known (watch.c): the open ones.  If they are few, the invalidation
 * compares them, one page of L1's table with the page of what they were made of.  A leaf that
 * differs goes; a child whose entry differs is taken out of the CPU's reach (SHADOW_OFF).
 * All else stays as it is.
 *
 * If they are many, or if somebody may have written whom watch.c does not see, the invalidation only takes the
 * children of the root's top page out of reach.  When L2 faults there, the walk of L1's tables tells
 * whether the child still has its role; then it is brought back: its own children are
 * taken out of reach in turn, and its leaves are compared.  What differs goes, with all below it.
 * A table that lies below a leaf of L1 stands or falls with that leaf, which is the
 * parent's entry.  Each table in use costs one comparison then: some 4000 instructions for up to 512
 * pages, where each page would be a fault.  To spare the exits, too, the tables that follow
 * the one at fault are brought back along with it, twice as many each time: L2 that uses
 * little pays for little, and L2 that uses all has a handful of faults.
 *
 * A table is watched from its first comparison on, so one that is thrown away before costs L1
 * nothing.  One that was written stays open, and writable, for the next comparison, and for more if that
 * happens often.
 */
#include <linux/sched.h>

#include "core/nested_ops.h"
#include "mmu/shadow_int.h"

#define NPT_AD		(BIT_ULL(5) | BIT_ULL(6))
#define EPT_AD		(BIT_ULL(8) | BIT_ULL(9))

#define AHEAD_MAX	WATCH_MAX

bool l1e_same(const struct shadow_root *sr, u64 old, u64 new)
{
	u64 ad = sr->fmt.ept ? EPT_AD : NPT_AD;

	if ((old ^ new) & ~ad)
		return false;
	/*
	 * L1's other processors may set them while the shadow stays true; where L1
	 * clears one it wants to see it set again.
	 */
	return !sr->fmt.ad || !(old & ~new);
}

u64 l1e_at(const struct shadow_root *sr, const struct walk *walk, int level)
{
	return fmt_matches(&sr->fmt) && level >= walk->level ? walk->used[level] : 0;
}

u64 l1_table_at(const struct shadow_root *sr, const struct walk *walk, int level)
{
	return fmt_matches(&sr->fmt) && level >= walk->level ? walk->table[level] : NO_TABLE;
}

/* The caller flushes. */
static void children_off(struct shadow_table *t)
{
	unsigned int i;

	for (i = 0; t->nr_on && i < PT_ENTRIES; i++)
		if (shadow_is_child(t, i) && !shadow_is_off(t, i)) {
			WRITE_ONCE(t->spt[i], SHADOW_OFF);
			t->nr_on--;
		}
}

/* An entry of @t is no longer what it was made of. */
static void entry_changed(struct nestor_mmu_vm *mmu, struct shadow_table *t, unsigned int i)
{
	if (shadow_is_leaf(mmu->fmt, t, i)) {
		leaf_clear(mmu, t, i);
	} else if (shadow_is_child(t, i) && !shadow_is_off(t, i)) {
		WRITE_ONCE(t->spt[i], SHADOW_OFF);
		t->nr_on--;
	}
}

/* What is in reach of @t, if anything, is what L1 has there now. */
static void table_trust(struct shadow_table *t)
{
	t->outside = t->root->outside;
	if (t->skip)
		t->skip--;
}

/* Clear every leaf of @t, and put off every child, whose original is not what it was.  The caller flushes. */
static void table_compare(struct nestor_vcpu *vcpu, struct shadow_table *t)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	struct gmem_diff *d = &vcpu->shadow->diff;
	bool readable = !gmem_diff(vcpu, l1_gpa(t->l1_table), t->l1e, d);
	unsigned int n, i;

	table_trust(t);
	if (readable && !d->nr)
		return;
	spin_lock(&mmu->lock);
	for (n = 0; n < (readable ? d->nr : PT_ENTRIES); n++) {
		i = readable ? d->index[n] : n;
		if (readable && l1e_same(t->root, t->l1e[i], d->now[n])) {
			if (t->spt[i])
				WRITE_ONCE(t->l1e[i], d->now[n]);
			continue;
		}
		entry_changed(mmu, t, i);
	}
	spin_unlock(&mmu->lock);
}

/* Is @t what it was when it was last compared, or made? */
static bool table_holds(const struct shadow_table *t)
{
	return t->watched && t->outside == t->root->outside;
}

/* Bring back the child at @i, below L1's entry @l1e; false: it is another one now. */
static bool child_on(struct nestor_vcpu *vcpu, struct shadow_table *t, unsigned int i, u64 l1e)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	struct shadow_table *c = t->slot[i].child;

	if (!l1e_same(t->root, t->l1e[i], l1e))
		return false;
	if (c->l1_table != NO_TABLE && !table_holds(c)) {
		/* On the list first: a write that comes after the comparison is for the next one. */
		spin_lock(&mmu->lock);
		watch_reach(mmu, c);
		spin_unlock(&mmu->lock);
		watch_tables(vcpu, &c, 1);
		if (c->nr_leaves)
			table_compare(vcpu, c);
		else
			table_trust(c);
	}
	spin_lock(&mmu->lock);
	if (c->l1_table != NO_TABLE)
		children_off(c);
	t->l1e[i] = l1e;
	t->nr_on++;
	WRITE_ONCE(t->spt[i], sl_make_table(mmu->fmt, c->spt));
	spin_unlock(&mmu->lock);
	return true;
}

/* The child at @i of @t is of no use any more. */
static void child_drop(struct nestor_vcpu *vcpu, struct shadow_table *t, unsigned int i)
{
	LIST_HEAD(gone);

	spin_lock(&vcpu->vm->mmu->lock);
	entry_clear(vcpu, t, i, &gone);
	spin_unlock(&vcpu->vm->mmu->lock);
	tables_free(&gone);
}

/* The tables after entry @i of @t, which has just been brought back. */
static void refresh_ahead(struct nestor_vcpu *vcpu, struct shadow_table *t, unsigned int i)
{
	unsigned int nr = min(t->root->ahead, PT_ENTRIES - 1 - i), nr_open = 0, n;
	struct shadow_table *open[AHEAD_MAX];
	u64 l1e[AHEAD_MAX];

	t->root->ahead = min(max(t->root->ahead * 2, 1u), AHEAD_MAX);
	if (!nr || t->l1_table == NO_TABLE ||
	    gmem_read(vcpu, l1_gpa(t->l1_table + (i + 1) * sizeof(u64)), l1e, nr * sizeof(u64)))
		return;
	for (n = 0; n < nr; n++) {
		if (!shadow_is_off(t, i + 1 + n))
			continue;
		if (!l1e_same(t->root, t->l1e[i + 1 + n], l1e[n]))
			child_drop(vcpu, t, i + 1 + n);
		else if (t->slot[i + 1 + n].child->l1_table != NO_TABLE)
			open[nr_open++] = t->slot[i + 1 + n].child;
	}
	watch_tables(vcpu, open, nr_open);
	for (n = 0; n < nr; n++)
		if (shadow_is_off(t, i + 1 + n))
			child_on(vcpu, t, i + 1 + n, l1e[n]);
}

/* What leaf @i of @t was made of, as l1e_at() says it. */
static u64 made_of(const struct shadow_table *t, unsigned int i)
{
	return t->l1_table == NO_TABLE ? 0 : t->l1e[i];
}

static bool leaf_allows(const struct sl_format *f, u64 e, u64 access)
{
	if (access & ACC_FETCH)
		return sl_executable(f, e);
	return access & ACC_WRITE ? sl_writable(f, e) : !!(e & f->read);
}

bool shadow_refresh(struct nestor_vcpu *vcpu, struct shadow_root *sr, u64 gfn,
		    const struct walk *walk)
{
	struct shadow_table *t = sr->top;
	bool brought = false;
	unsigned int i;

	/* Children are this thread's own: no lock to follow them. */
	for (;; t = t->slot[i].child) {
		i = level_index(gfn, t->level);
		if (!shadow_is_child(t, i))
			return brought;
		if (!shadow_is_off(t, i))
			continue;
		if (t->slot[i].child->l1_table != l1_table_at(sr, walk, t->level - 1) ||
		    !child_on(vcpu, t, i, l1e_at(sr, walk, t->level)))
			return brought;
		brought = true;
		if (t->level == LEVEL_2M)
			refresh_ahead(vcpu, t, i);
	}
}

bool shadow_has(struct nestor_vcpu *vcpu, struct shadow_root *sr, u64 gfn, u64 access,
		const struct walk *walk)
{
	struct shadow_table *t = sr->top, *c;
	unsigned int i;

	for (;; t = c) {
		i = level_index(gfn, t->level);
		if (!shadow_is_child(t, i) || shadow_is_off(t, i))
			break;
		c = t->slot[i].child;
		if (c->l1_table != l1_table_at(sr, walk, t->level - 1) ||
		    !l1e_same(sr, t->l1e[i], l1e_at(sr, walk, t->level)))
			return false;
	}
	return shadow_is_leaf(vcpu->vm->mmu->fmt, t, i) &&
	       l1e_same(sr, made_of(t, i), l1e_at(sr, walk, t->level)) &&
	       leaf_allows(vcpu->vm->mmu->fmt, READ_ONCE(t->spt[i]), access);
}

/* Has anybody written whom watch.c does not see?  What is compared from now on is told apart from what was. */
static bool outside_moved(struct nestor_mmu_vm *mmu, struct shadow_root *sr)
{
	u64 seq;

	/* They may still be at it. */
	if (atomic_read(&mmu->nr_outside))
		atomic64_inc(&mmu->outside_seq);
	seq = atomic64_read(&mmu->outside_seq);
	if (seq == sr->outside)
		return false;
	sr->outside = seq;
	return true;
}

/* Compare the open tables, if they are few. */
static bool compare_open(struct nestor_vcpu *vcpu, struct shadow_root *sr)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	struct shadow_table *open[SHADOW_OPEN], *t;
	unsigned int nr = 0, i;

	spin_lock(&mmu->lock);
	if (sr->nr_open <= SHADOW_OPEN)
		list_for_each_entry(t, &sr->open, open)
			open[nr++] = t;
	i = sr->nr_open;
	spin_unlock(&mmu->lock);
	if (i > SHADOW_OPEN)
		return false;
	/* Only this thread frees them. */
	watch_tables(vcpu, open, nr);
	for (i = 0; i < nr; i++)
		table_compare(vcpu, open[i]);
	return true;
}

void shadow_revalidate(struct nestor_vcpu *vcpu, struct shadow_root *sr)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	bool moved;

	nested->flush(vcpu);
	sr->nr_inval++;
	if (!fmt_matches(&sr->fmt)) {
		/* L1's tables have another shape: there is nothing to compare with. */
		root_empty(vcpu, sr);
		return;
	}
	moved = outside_moved(mmu, sr);
	if (moved || !compare_open(vcpu, sr)) {
		spin_lock(&mmu->lock);
		children_off(sr->top);
		watch_none(mmu, sr);
		watch_reach(mmu, sr->top);
		spin_unlock(&mmu->lock);
		watch_tables(vcpu, &sr->top, 1);
		table_trust(sr->top);
		sr->ahead = 0;
	}
	sr->stale = false;
}
