// SPDX-License-Identifier: GPL-2.0-only
/*
 * Filling in a leaf of the shadow, and its neighbours.
 *
 * The leaf is as large as both L1's leaf and L0's (or the host's) mapping allow.  It may be
 * written when every level of L1's table and the slot allow it, and L1's dirty
 * bit is set already: else the first write has to fault, so that the walk sets it.
 *
 * A table that is already there is only used in the role it has: the same table of
 * L1, reached by an unchanged entry.  Anything else is cleared first, and built anew.
 *
 * An exit costs much more than a leaf, so a fault on an empty 4K entry fills in others of the
 * same table that need nothing but a look: L1's entry has its accessed flag (no flag is
 * set for L2's sake before L2 uses the page), and the frame is in L0's table or at hand
 * in the host's.  A TLB may hold any translation that L1's tables allow.  A window of
 * 8 entries around the fault, doubled up to 64 when faults follow each other through it.
 */
#include "core/nested_ops.h"
#include "mmu/shadow_int.h"
#include "mmu/table.h"

#define WINDOW_MIN	8u

/* The child table below entry @i, in the role the walk asks for. */
static struct shadow_table *child_get(struct nestor_vcpu *vcpu, struct shadow_table *t,
				      unsigned int i, const struct walk *walk,
				      struct list_head *gone, bool *flush)
{
	struct shadow_root *sr = t->root;
	u64 l1e = l1e_at(sr, walk, t->level), l1_table = l1_table_at(sr, walk, t->level - 1);
	struct shadow_table *c;

	/* What is still off here did not pass the comparison. */
	if (shadow_is_child(t, i) && !shadow_is_off(t, i)) {
		c = t->slot[i].child;
		if (c->l1_table == l1_table && l1e_same(sr, t->l1e[i], l1e)) {
			t->l1e[i] = l1e;
			return c;
		}
	}
	if (t->spt[i]) {
		*flush |= !shadow_is_off(t, i);
		entry_clear(vcpu, t, i, gone);
	}
	c = child_add(vcpu, t, i);
	c->l1_table = l1_table;
	t->l1e[i] = l1e;
	return c;
}

static void leaf_install(struct nestor_vcpu *vcpu, struct shadow_table *t, unsigned int i, u64 gfn,
			 u64 e, u64 l1e, struct list_head *gone, bool *flush)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	u64 old = READ_ONCE(t->spt[i]);

	if (old) {
		/*
		 * Only rights may be added without a flush.  The same entry again
		 * means that the CPU holds an older one: flush as well.
		 */
		if (!sl_is_leaf(old, t->level) || sl_pfn(old) != sl_pfn(e) ||
		    !sl_more_rights(mmu->fmt, old, e))
			*flush = true;
		entry_clear(vcpu, t, i, gone);
	}
	leaf_set(mmu, t, i, gfn, e);
	WRITE_ONCE(t->l1e[i], l1e);
}

/* Which neighbours to fill in, and L1's entries for them. */
void fill_begin(struct shadow_fill *f, struct nestor_vcpu *vcpu, struct shadow_root *sr, u64 gfn,
		u64 access, const struct walk *walk)
{
	struct mmu_shadow *s = vcpu->shadow;
	unsigned int size = WINDOW_MIN;

	f->vcpu = vcpu;
	f->sr = sr;
	f->gfn = gfn;
	f->access = access;
	f->walk = walk;
	f->nr = 0;
	if (gfn == s->window_end || gfn + 1 == s->window_start)
		size = clamp(s->window * 2, WINDOW_MIN, FILL_MAX);
	f->first = level_index(gfn, LEVEL_4K) & ~(size - 1);
	s->window = size;
	s->window_start = gfn & ~(size - 1ull);
	s->window_end = s->window_start + size;
	if (walk->level > 1) {
		f->nr = size;
		return;
	}
	if (!fmt_matches(&sr->fmt) ||
	    gmem_read(vcpu, l1_gpa(walk->table[1] + f->first * sizeof(u64)), f->l1e,
		      size * sizeof(u64)))
		return;
	walk_above(&sr->fmt, walk, &f->above);
	f->nr = size;
}

/* What L1 has for entry @n of the window; false: nothing that can be used as it is. */
static bool neighbour(const struct shadow_fill *f, unsigned int n, struct walk *w)
{
	u64 pages = PT_ENTRIES - 1;

	if (f->walk->level == 1)
		return walk_sibling(&f->sr->fmt, &f->above, f->l1e[n], w) &&
		       (w->readable || hw_caps.exec_only);
	/* All below one leaf of L1, whose rights and flags the fault has dealt with. */
	w->addr = ((f->walk->addr >> PAGE_SHIFT & ~pages) + f->first + n) << PAGE_SHIFT;
	w->readable = f->walk->readable;
	w->writable = f->walk->writable;
	w->exec = f->walk->exec;
	w->dirty = f->walk->dirty;
	return true;
}

static void fill_neighbours(struct shadow_fill *f, struct shadow_table *t)
{
	struct nestor_mmu_vm *mmu = f->vcpu->vm->mmu;
	unsigned int n, i;
	struct host_map m;
	struct walk w;

	for (n = 0; n < f->nr; n++) {
		i = f->first + n;
		if (t->spt[i] || !neighbour(f, n, &w) || w.addr >> PAGE_SHIFT >= MAX_GFN)
			continue;
		w.writable &= w.dirty;
		if (!host_map_known(mmu, w.addr >> PAGE_SHIFT, w.writable, true, &m))
			continue;
		leaf_set(mmu, t, i, m.gfn, sl_make_leaf(mmu->fmt, m.pfn, LEVEL_4K, w.readable,
							w.writable && m.writable, w.exec));
		WRITE_ONCE(t->l1e[i], f->walk->level == 1 ? f->l1e[n] : 0);
	}
}

/* Flushes when this CPU may hold something else of what was there. */
static void fill_leaf(struct shadow_fill *f, const struct host_map *m, int level, bool write,
		      struct list_head *gone)
{
	struct nestor_mmu_vm *mmu = f->vcpu->vm->mmu;
	u64 mask = level_pages(level) - 1;
	struct shadow_table *t = f->sr->top;
	bool flush = false, first;
	unsigned int i;

	lockdep_assert_held(&mmu->lock);
	while (t->level > level)
		t = child_get(f->vcpu, t, level_index(f->gfn, t->level), f->walk, gone, &flush);
	i = level_index(f->gfn, level);
	first = !t->spt[i];
	leaf_install(f->vcpu, t, i, m->gfn & ~mask,
		     sl_make_leaf(mmu->fmt, m->pfn & ~mask, level, f->walk->readable, write,
				  f->walk->exec),
		     l1e_at(f->sr, f->walk, level), gone, &flush);
	if (first && level == LEVEL_4K)
		fill_neighbours(f, t);
	/* Under the lock: what was unlinked is out of the notifier's sight now. */
	if (flush)
		nested->flush(f->vcpu);
}

/* A clean page of L1 is filled in read-only, unless it is being written. */
static bool fill_writable(const struct shadow_fill *f, const struct host_map *m)
{
	return m->writable && f->walk->writable && ((f->access & ACC_WRITE) || f->walk->dirty);
}

bool fill_known(struct shadow_fill *f)
{
	struct nestor_mmu_vm *mmu = f->vcpu->vm->mmu;
	struct host_map m;
	LIST_HEAD(gone);
	bool known;

	spin_lock(&mmu->lock);
	known = host_map_known(mmu, f->walk->addr >> PAGE_SHIFT, false, false, &m) &&
		(m.writable || !(f->access & ACC_WRITE));
	/* A 4M leaf of L1 is two 2M leaves here. */
	if (known)
		fill_leaf(f, &m, min_t(int, f->walk->level, m.level), fill_writable(f, &m), &gone);
	spin_unlock(&mmu->lock);
	tables_free(&gone);
	return known;
}

void fill_page(struct shadow_fill *f, const struct host_map *m)
{
	struct nestor_mmu_vm *mmu = f->vcpu->vm->mmu;
	int level = min_t(int, f->walk->level, m->level);
	bool write = fill_writable(f, m);
	LIST_HEAD(gone);

	spin_lock(&mmu->lock);
	if (!host_map_stale(mmu, m, level)) {
		fill_leaf(f, m, level, write, &gone);
		if (write)
			host_map_used(mmu, m);
	}
	spin_unlock(&mmu->lock);
	tables_free(&gone);
}
