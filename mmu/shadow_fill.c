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
 * 16 entries around the fault, doubled up to 128 when faults follow each other through it.  The same
 * with 2M leaves, as far as L1, the host and L0's slots have them.
 */
#include "core/nested_ops.h"
#include "mmu/shadow_int.h"
#include "mmu/table.h"

#define WINDOW_MIN	16u

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
	watch_mirror(vcpu->vm->mmu, c, l1_table);
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
	leaf_set(mmu, t, i, gfn, e, l1e);
}

/* The window of pages around @page: how many, and aligned by that */
static unsigned int window_size(struct fill_window *w, u64 page)
{
	unsigned int size = WINDOW_MIN;

	if (page == w->end || page + 1 == w->start)
		size = clamp(w->size * 2, WINDOW_MIN, FILL_MAX);
	w->size = size;
	w->start = page & ~(size - 1ull);
	w->end = w->start + size;
	return size;
}

/* L1's entries for the window at @level, from @first on; false: none to be had */
static bool window_read(struct shadow_fill *f, int level, unsigned int first, unsigned int size)
{
	return fmt_matches(&f->sr->fmt) &&
	       !gmem_read(f->vcpu, l1_gpa(f->walk->table[level] + first * sizeof(u64)), f->l1e,
			  size * sizeof(u64));
}

/* Which neighbours to fill in, and L1's entries for them. */
void fill_begin(struct shadow_fill *f, struct nestor_vcpu *vcpu, struct shadow_root *sr, u64 gfn,
		u64 access, const struct walk *walk)
{
	struct mmu_shadow *s = vcpu->shadow;
	unsigned int size = window_size(&s->window[0], gfn);

	f->vcpu = vcpu;
	f->sr = sr;
	f->gfn = gfn;
	f->access = access;
	f->walk = walk;
	f->first = level_index(gfn, LEVEL_4K) & ~(size - 1);
	f->nr = size;
	f->large_nr = 0;
	f->block = NO_GFN;
	if (walk->level == 1) {
		if (!window_read(f, 1, f->first, size))
			f->nr = 0;
		else
			walk_above(&sr->fmt, walk, &f->above);
	} else if (walk->level == LEVEL_2M) {
		size = window_size(&s->window[1], gfn >> 9);
		f->large_first = level_index(gfn, LEVEL_2M) & ~(size - 1);
		if (!window_read(f, LEVEL_2M, f->large_first, size))
			return;
		f->large_nr = size;
		walk_above(&sr->fmt, walk, &f->above);
	}
}

/* The host's page of L1's frame @gfn, without asking again for each page of a large one. */
static bool neighbour_map(struct shadow_fill *f, u64 gfn, bool write, struct host_map *m)
{
	u64 in_block = gfn & (PT_ENTRIES - 1);

	if (gfn >= MAX_GFN)
		return false;
	if (gfn - in_block == f->block && (!write || f->block_writable)) {
		m->gfn = gfn;
		m->level = LEVEL_2M;
		m->pfn = f->block_pfn + in_block;
		m->writable = f->block_writable;
		return true;
	}
	if (!host_map_known(f->vcpu->vm->mmu, gfn, write, true, m))
		return false;
	if (m->level >= LEVEL_2M) {
		f->block = gfn - in_block;
		f->block_pfn = m->pfn - in_block;
		f->block_writable = m->writable;
	}
	return true;
}

/**
 * struct like - the entry of L1 that was looked at last, and what comes of it
 * @l1e: the entry; 0: none
 * @w: what it allows
 * @leaf: the leaf of L2's without its frame; 0: not made yet
 * @writable: the leaf may be written
 */
struct like {
	u64 l1e;
	struct walk w;
	u64 leaf;
	bool writable;
};

/* Entries next to each other differ in their frames, as a rule, and in nothing else. */
static bool like_last(const struct shadow_fill *f, struct like *like, u64 l1e)
{
	u64 frame = GENMASK_ULL(51, 12) & ~f->sr->fmt.rsvd_pa;

	if (f->above.level > 1 || !like->l1e || ((l1e ^ like->l1e) & ~frame))
		return false;
	like->l1e = l1e;
	like->w.addr = l1e & frame;
	return true;
}

static bool look_at(const struct shadow_fill *f, struct like *like, unsigned int n)
{
	u64 l1e = f->l1e[n];

	if (like_last(f, like, l1e))
		return true;
	like->l1e = 0;
	like->leaf = 0;
	if (!walk_sibling(&f->sr->fmt, &f->above, l1e, &like->w) ||
	    !(like->w.readable || hw_caps.exec_only))
		return false;
	like->w.writable &= like->w.dirty;
	like->l1e = l1e;
	return true;
}

/* A leaf of L2's for L1's entry @like, if the host's page is at hand and as large. */
static void fill_one(struct shadow_fill *f, struct shadow_table *t, unsigned int i, struct like *like)
{
	const struct sl_format *fmt = f->vcpu->vm->mmu->fmt;
	struct host_map m;
	bool writable;

	if (!neighbour_map(f, like->w.addr >> PAGE_SHIFT, like->w.writable, &m) || m.level < t->level)
		return;
	writable = like->w.writable && m.writable;
	if (!like->leaf || like->writable != writable) {
		like->leaf = sl_make_leaf(fmt, 0, t->level, like->w.readable, writable, like->w.exec);
		like->writable = writable;
	}
	leaf_set(f->vcpu->vm->mmu, t, i, m.gfn, like->leaf | m.pfn << PAGE_SHIFT, like->l1e);
}

/* Neighbours that have entries of L1 of their own, from entry @first on. */
static void fill_siblings(struct shadow_fill *f, struct shadow_table *t, unsigned int first,
			  unsigned int nr)
{
	struct like like = { .l1e = 0 };
	unsigned int n;

	for (n = 0; n < nr; n++)
		if (!t->spt[first + n] && look_at(f, &like, n))
			fill_one(f, t, first + n, &like);
}

/* 4K neighbours below one large leaf of L1, whose rights and flags the fault has dealt with. */
static void fill_below(struct shadow_fill *f, struct shadow_table *t)
{
	const struct walk *walk = f->walk;
	struct like like = { .w = {
		.readable = walk->readable, .exec = walk->exec,
		.writable = walk->writable && walk->dirty,
	} };
	u64 base = walk->addr >> PAGE_SHIFT & ~(PT_ENTRIES - 1ull);
	unsigned int n;

	for (n = 0; n < f->nr; n++) {
		like.w.addr = (base + f->first + n) << PAGE_SHIFT;
		if (!t->spt[f->first + n])
			fill_one(f, t, f->first + n, &like);
	}
}

static void fill_neighbours(struct shadow_fill *f, struct shadow_table *t)
{
	if (t->level == LEVEL_2M)
		fill_siblings(f, t, f->large_first, f->large_nr);
	else if (f->walk->level == 1)
		fill_siblings(f, t, f->first, f->nr);
	else
		fill_below(f, t);
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
	if (first && level <= LEVEL_2M)
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

void fill_page(struct shadow_fill *f, struct host_map *m)
{
	struct nestor_mmu_vm *mmu = f->vcpu->vm->mmu;
	LIST_HEAD(gone);
	bool write;
	int level;

	spin_lock(&mmu->lock);
	host_map_watched(mmu, m, f->access & ACC_WRITE);
	level = min_t(int, f->walk->level, m->level);
	write = fill_writable(f, m);
	if (!host_map_stale(mmu, m, level)) {
		fill_leaf(f, m, level, write, &gone);
		if (write)
			host_map_used(mmu, m);
	}
	spin_unlock(&mmu->lock);
	tables_free(&gone);
}
