// SPDX-License-Identifier: GPL-2.0-only
/*
 * A second-level fault of L2: walk L1's table, find the host's page, fill in a leaf.
 *
 * The leaf is as large as both L1's leaf and the host's mapping allow.  It may be
 * written when every level of L1's table and the slot allow it, and L1's dirty
 * bit is set already: else the first write has to fault, so that the walk sets it.
 *
 * A table that is already there is only used in the role it has: the same table of
 * L1, reached by an unchanged entry.  Anything else is cleared first, and built anew.
 */
#include "core/nested_ops.h"
#include "mmu/shadow_int.h"

/* An entry of L1 may gain these while the shadow made of it stays true. */
#define NPT_AD		(BIT_ULL(5) | BIT_ULL(6))
#define EPT_AD		(BIT_ULL(8) | BIT_ULL(9))

static int l1_read_entry(void *ctx, u64 addr, void *entry, unsigned int size)
{
	/* Nobody answers on the bus: all ones. */
	if (gmem_read(ctx, l1_gpa(addr), entry, size))
		memset(entry, 0xff, size);
	return 0;
}

static int l1_set_bits(void *ctx, u64 addr, u64 old, u64 new, unsigned int size)
{
	/* A write to memory that takes none is lost, and the walk goes on. */
	return gmem_cmpxchg(ctx, l1_gpa(addr), &old, &new, size) == -EAGAIN ? -EAGAIN : 0;
}

static const struct walk_ops l1_walk_ops = {
	.read_entry = l1_read_entry,
	.set_bits = l1_set_bits,
};

enum walk_result shadow_walk(struct nestor_vcpu *vcpu, struct l1_gpa root,
			     const struct pt_format *fmt, struct l2_gpa from, u64 access,
			     struct walk *walk)
{
	u64 key = fmt->levels == 3 ? root.a & GENMASK_ULL(31, 5) :
		  fmt->levels == 2 ? root.a & GENMASK_ULL(31, 12) :
		  root.a & GENMASK_ULL(51, 12);

	access |= ACC_USER;
	if ((access & ACC_TABLE) && fmt->table_write)
		access |= ACC_WRITE;
	if (from.a >> walk_reach(fmt)) {
		memset(walk, 0, sizeof(*walk));
		walk->error = access & (ACC_WRITE | ACC_USER | (fmt->nx || fmt->ept ? ACC_FETCH : 0));
		return WALK_FAULT;
	}
	return walk_table(fmt, key, from.a, access, &l1_walk_ops, vcpu, walk);
}

/* What a slot at @level was made of, as far as it can be compared later. */
static u64 l1e_at(const struct shadow_root *sr, const struct walk *walk, int level)
{
	return fmt_matches(&sr->fmt) && level >= walk->level ? walk->used[level] : 0;
}

/* Which table of L1 a shadow table at @level mirrors. */
static u64 l1_table_at(const struct shadow_root *sr, const struct walk *walk, int level)
{
	return fmt_matches(&sr->fmt) && level >= walk->level ? walk->table[level] : NO_TABLE;
}

static bool l1e_grew(const struct shadow_root *sr, u64 old, u64 new)
{
	u64 may = sr->fmt.ept ? EPT_AD : NPT_AD;

	return !((old ^ new) & ~may) && !(old & ~new);
}

/* The child table below entry @i, in the role the walk asks for. */
static struct shadow_table *child_get(struct nestor_vcpu *vcpu, struct shadow_table *t,
				      unsigned int i, const struct walk *walk,
				      struct list_head *gone, bool *flush)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	struct shadow_root *sr = t->root;
	u64 l1e = l1e_at(sr, walk, t->level), l1_table = l1_table_at(sr, walk, t->level - 1);
	struct shadow_table *c;

	if (shadow_is_child(mmu->fmt, t, i)) {
		c = t->slot[i].child;
		if (c->l1_table == l1_table && l1e_grew(sr, t->slot[i].l1e, l1e)) {
			t->slot[i].l1e = l1e;
			return c;
		}
	}
	if (t->spt[i]) {
		entry_clear(vcpu, t, i, gone);
		*flush = true;
	}
	c = child_add(vcpu, t, i);
	c->l1_table = l1_table;
	t->slot[i].l1e = l1e;
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
	t->slot[i].l1e = l1e;
}

/* Returns true when this CPU may hold something else of what was there. */
static bool shadow_map(struct nestor_vcpu *vcpu, struct shadow_root *sr, u64 l2_gfn,
		       const struct walk *walk, const struct host_map *m, int level, bool write,
		       struct list_head *gone)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	u64 mask = level_pages(level) - 1;
	struct shadow_table *t = sr->top;
	bool flush = false;

	lockdep_assert_held(&mmu->lock);
	while (t->level > level)
		t = child_get(vcpu, t, level_index(l2_gfn, t->level), walk, gone, &flush);
	leaf_install(vcpu, t, level_index(l2_gfn, level), m->gfn & ~mask,
		     sl_make_leaf(mmu->fmt, m->pfn & ~mask, level, walk->readable, write,
				  walk->exec),
		     l1e_at(sr, walk, level), gone, &flush);
	return flush;
}

static enum shadow_result shadow_fill(struct nestor_vcpu *vcpu, struct shadow_root *sr,
				      struct l2_gpa from, u64 access, const struct walk *walk,
				      const struct host_map *m)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	struct mmu_shadow *s = vcpu->shadow;
	/* A 4M leaf of L1 is two 2M leaves here. */
	int level = min_t(int, walk->level, m->level);
	bool write = m->writable && walk->writable && ((access & ACC_WRITE) || walk->dirty);
	bool flush = false;
	LIST_HEAD(gone);

	if (!shadow_make_room(vcpu, sr) || spare_fill(s, SHADOW_SPARE))
		return SHADOW_NOMEM;
	spin_lock(&mmu->lock);
	if (!host_map_stale(mmu, m, level)) {
		flush = shadow_map(vcpu, sr, from.a >> PAGE_SHIFT, walk, m, level, write, &gone);
		if (write)
			host_map_used(mmu, m);
		/* Under the lock: what was unlinked is out of the notifier's sight now. */
		if (flush)
			nested->flush(vcpu);
	}
	spin_unlock(&mmu->lock);
	tables_free(&gone);
	return SHADOW_MAPPED;
}

static enum shadow_result shadow_no_map(enum mmu_result res)
{
	switch (res) {
	case MMU_MMIO:
		return SHADOW_MMIO;
	case MMU_NOMEM:
		return SHADOW_NOMEM;
	case MMU_ERROR:
		return SHADOW_ERROR;
	default:
		/* No page this time: the fault comes again. */
		return SHADOW_MAPPED;
	}
}

/* With -DNESTOR_DEBUG the tables are audited now and then; it takes milliseconds. */
static void debug_audit(struct nestor_vcpu *vcpu)
{
#ifdef NESTOR_DEBUG
	if (vcpu->shadow->faults++ % 64 == 0)
		WARN_ON_ONCE(shadow_audit(vcpu));
#endif
}

enum shadow_result shadow_fault(struct nestor_vcpu *vcpu, struct shadow_root *sr,
				struct l2_gpa from, u64 access, struct walk *walk,
				struct l1_gpa *gpa)
{
	enum shadow_result ret;
	enum mmu_result res;
	struct host_map m;

	if ((access & ACC_TABLE) && sr->fmt.table_write)
		access |= ACC_WRITE;
	switch (shadow_walk(vcpu, l1_gpa(sr->key), &sr->fmt, from, access, walk)) {
	case WALK_FAULT:
		return SHADOW_L1;
	case WALK_TABLE_FAULT:
		/* L1 keeps changing the entry under the walk: let L2 try again. */
		return SHADOW_MAPPED;
	case WALK_LOG_FULL:
		return SHADOW_LOG_FULL;
	case WALK_OK:
		break;
	}
	*gpa = l1_gpa(walk->addr);
	/* A frontend that offers what the CPU cannot express has only itself to blame. */
	if (!walk->readable && !hw_caps.exec_only)
		return SHADOW_ERROR;
	if (from.a >> PAGE_SHIFT >= MAX_GFN)
		return SHADOW_ERROR;
	if (gpa->a >> PAGE_SHIFT >= MAX_GFN)
		return SHADOW_MMIO;
	res = host_map_get(vcpu, gpa->a >> PAGE_SHIFT, access & ACC_WRITE, &m);
	if (res != MMU_MAPPED || !m.page)
		return shadow_no_map(res);
	ret = shadow_fill(vcpu, sr, from, access, walk, &m);
	host_map_put(&m);
	debug_audit(vcpu);
	return ret;
}
