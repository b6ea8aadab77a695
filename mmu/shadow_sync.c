// SPDX-License-Identifier: GPL-2.0-only
/*
 * After an invalidation by L1: keep what L1 did not change, at a cost that goes with
 * what L2 uses next and not with what is mapped.
 *
 * Each entry remembers the entry of L1 it was made of, accessed and dirty bits included,
 * and a table of the shadow mirrors one table of L1.  An invalidation only takes the
 * children of the root's top page out of the CPU's reach (SHADOW_OFF).  When L2
 * faults there, the walk of L1's tables tells whether the child still has its
 * role; then it is brought back: its own children are taken out of reach in turn, and
 * its leaves are compared, one page of L1's table with the page of what they were made
 * of.  What differs goes, with all below it.  A table that lies below a leaf of L1
 * stands or falls with that leaf, which is the parent's entry.
 *
 * So an invalidation costs some tens of instructions, and each table in use after it one
 * comparison: some 4000 instructions for up to 512 pages, where each page would be a fault.
 * To spare the exits, too, the tables that follow the one at fault are brought back
 * along with it, twice as many each time: L2 that uses little pays for little, and L2 that
 * uses all has a handful of faults.
 *
 * L1's tables are compared and not write-protected: L1 pays nothing for writing to them,
 * L0's table keeps its large leaves, and what the VMM or its devices write there is
 * seen as well.
 */
#include <linux/sched.h>

#include "core/nested_ops.h"
#include "mmu/shadow_int.h"

#define NPT_AD		(BIT_ULL(5) | BIT_ULL(6))
#define EPT_AD		(BIT_ULL(8) | BIT_ULL(9))

#define AHEAD_MAX	64u

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

/* Clear every leaf of @t whose original is not what it was. */
static void leaves_compare(struct nestor_vcpu *vcpu, struct shadow_table *t)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	struct gmem_diff *d = &vcpu->shadow->diff;
	bool readable = !gmem_diff(vcpu, l1_gpa(t->l1_table), t->l1e, d);
	unsigned int n, i;

	if (readable && !d->nr)
		return;
	spin_lock(&mmu->lock);
	for (n = 0; n < (readable ? d->nr : PT_ENTRIES); n++) {
		i = readable ? d->index[n] : n;
		if (!shadow_is_leaf(mmu->fmt, t, i))
			continue;
		if (readable && l1e_same(t->root, t->l1e[i], d->now[n]))
			WRITE_ONCE(t->l1e[i], d->now[n]);
		else
			leaf_clear(mmu, t, i);
	}
	spin_unlock(&mmu->lock);
}

/* Bring back the child at @i, below L1's entry @l1e; false: it is another one now. */
static bool child_on(struct nestor_vcpu *vcpu, struct shadow_table *t, unsigned int i, u64 l1e)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	struct shadow_table *c = t->slot[i].child;

	if (!l1e_same(t->root, t->l1e[i], l1e))
		return false;
	if (c->l1_table != NO_TABLE && c->nr_leaves)
		leaves_compare(vcpu, c);
	spin_lock(&mmu->lock);
	if (c->l1_table != NO_TABLE)
		children_off(c);
	t->l1e[i] = l1e;
	t->nr_on++;
	WRITE_ONCE(t->spt[i], sl_make_table(mmu->fmt, c->spt));
	spin_unlock(&mmu->lock);
	return true;
}

/* The tables after entry @i of @t, which has just been brought back. */
static void refresh_ahead(struct nestor_vcpu *vcpu, struct shadow_table *t, unsigned int i)
{
	unsigned int nr = min(t->root->ahead, PT_ENTRIES - 1 - i), n;
	u64 l1e[AHEAD_MAX];

	t->root->ahead = min(max(t->root->ahead * 2, 1u), AHEAD_MAX);
	if (!nr || t->l1_table == NO_TABLE ||
	    gmem_read(vcpu, l1_gpa(t->l1_table + (i + 1) * sizeof(u64)), l1e, nr * sizeof(u64)))
		return;
	for (n = 0; n < nr; n++)
		if (shadow_is_off(t, i + 1 + n))
			child_on(vcpu, t, i + 1 + n, l1e[n]);
}

static bool leaf_allows(const struct sl_format *f, u64 e, u64 access)
{
	if (access & ACC_FETCH)
		return sl_executable(f, e);
	return access & ACC_WRITE ? sl_writable(f, e) : !!(e & f->read);
}

bool shadow_refresh(struct nestor_vcpu *vcpu, struct shadow_root *sr, u64 gfn, u64 access,
		    const struct walk *walk)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	struct shadow_table *t = sr->top;
	bool brought = false;
	unsigned int i;

	/* Children are this thread's own: no lock to follow them. */
	for (;;) {
		i = level_index(gfn, t->level);
		if (!shadow_is_child(t, i))
			break;
		if (shadow_is_off(t, i)) {
			if (t->slot[i].child->l1_table != l1_table_at(sr, walk, t->level - 1) ||
			    !child_on(vcpu, t, i, l1e_at(sr, walk, t->level)))
				return false;
			brought = true;
			if (t->level == LEVEL_2M)
				refresh_ahead(vcpu, t, i);
		}
		t = t->slot[i].child;
	}
	return brought && shadow_is_leaf(mmu->fmt, t, i) &&
	       leaf_allows(mmu->fmt, READ_ONCE(t->spt[i]), access);
}

void shadow_revalidate(struct nestor_vcpu *vcpu, struct shadow_root *sr)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;

	nested->flush(vcpu);
	if (!fmt_matches(&sr->fmt)) {
		/* L1's tables have another shape: there is nothing to compare with. */
		root_empty(vcpu, sr);
		return;
	}
	spin_lock(&mmu->lock);
	children_off(sr->top);
	spin_unlock(&mmu->lock);
	sr->ahead = 0;
	sr->stale = false;
}
