// SPDX-License-Identifier: GPL-2.0-only
/*
 * Audit of a vCPU's shadow tables.
 *
 * Walks every root and checks what the other files promise: each table is
 * reached once, from the parent it names, and counted; each leaf is in the
 * reverse map under the frame it maps; that frame has a slot; the leaf has no
 * right that the slot, the dirty log or watch.c withholds, and no bit that its format does not
 * give it; and its page is the one the VMM has mapped there now.  The last holds at any time under
 * mmu->lock outside an invalidation, because the host announces a change before it makes it.
 */
#include <linux/bitops.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "mmu/shadow_int.h"
#include "mmu/table.h"

struct audit {
	struct nestor_vcpu *vcpu;
	struct nestor_mmu_vm *mmu;
	const struct slot_set *set;
	unsigned int tables, open;	/* of the root under audit */
	int errors;
};

static void bad(struct audit *a, const struct shadow_table *t, unsigned int i, const char *what)
{
	a->errors++;
	pr_err_ratelimited("nestor: shadow of vCPU %u: level %u entry %u: %s\n", a->vcpu->id,
			   t->level, i, what);
}

static bool in_rmap(struct nestor_mmu_vm *mmu, const struct shadow_table *t, unsigned int i)
{
	const struct shadow_slot *s;

	hlist_for_each_entry(s, &mmu->rmap[hash_64(leaf_gfn(t, i), RMAP_BITS)], node)
		if (s == &t->slot[i])
			return true;
	return false;
}

/* Is the VMM's page at the leaf's first frame the one that is mapped? */
static void audit_page(struct audit *a, struct shadow_table *t, unsigned int i,
		       const struct mem_slot *slot)
{
	u64 e = t->spt[i], gfn = leaf_gfn(t, i);
	struct page *page;

	if (a->mmu->inval_count || current->mm != a->vcpu->vm->mm)
		return;
	/* Never sleeps.  Not there for the asking (old, or protected) says nothing. */
	if (get_user_pages_fast_only(slot_hva(slot, gfn), 1, 0, &page) != 1)
		return;
	if (page_to_pfn(page) != sl_pfn(e))
		bad(a, t, i, "maps another page than the VMM does");
	put_page(page);
}

/* A leaf is what sl_make_leaf() makes, but for the bits that the CPU and the log change. */
static void audit_format(struct audit *a, struct shadow_table *t, unsigned int i)
{
	const struct sl_format *f = a->mmu->fmt;
	u64 e = t->spt[i], may = f->dirty | f->accessed;
	u64 like = sl_make_leaf(f, sl_pfn(e), t->level, e & f->read, sl_writable(f, e),
				sl_executable(f, e));

	if ((e ^ like) & ~may)
		bad(a, t, i, "leaf has bits that nobody gave it");
	/* An EPT misconfiguration on the CPU, if it were so. */
	if (!(e & f->read) && (sl_writable(f, e) || !hw_caps.exec_only))
		bad(a, t, i, "leaf is not readable");
}

static void audit_leaf(struct audit *a, struct shadow_table *t, unsigned int i)
{
	u64 e = t->spt[i], gfn = leaf_gfn(t, i), pages = level_pages(t->level);
	const struct mem_slot *slot = slot_find(a->set, gfn);

	if (slot_table(&t->slot[i]) != t)
		bad(a, t, i, "slot block names another table");
	if (!in_rmap(a->mmu, t, i))
		bad(a, t, i, "leaf is not in the reverse map");
	if (gfn & (pages - 1) || sl_pfn(e) & (pages - 1))
		bad(a, t, i, "leaf is not aligned");
	if (!slot || gfn + pages > slot->base + slot->npages) {
		bad(a, t, i, "leaf maps what no slot holds");
		return;
	}
	if (sl_writable(a->mmu->fmt, e)) {
		if (!slot_writable(slot))
			bad(a, t, i, "read-only slot is writable");
		if (slot->dirty && (pages > 1 || !test_bit(gfn - slot->base, slot->dirty)))
			bad(a, t, i, "writable, and not in the dirty log");
		if (watch_level(a->mmu, gfn, t->level) != t->level || watch_covers(a->mmu, gfn))
			bad(a, t, i, "a table of L1 can be written unnoticed");
	}
	audit_format(a, t, i);
	audit_page(a, t, i, slot);
}

static void audit_child(struct audit *a, struct shadow_table *t, unsigned int i)
{
	struct shadow_table *c = t->slot[i].child;

	if (!c || (!shadow_is_off(t, i) && sl_child(t->spt[i]) != c->spt))
		bad(a, t, i, "entry and child disagree");
	else if (c->parent != t || c->index != i || c->root != t->root ||
		 c->level != t->level - 1)
		bad(a, t, i, "child has another place");
}

static bool in_reach(const struct shadow_table *t)
{
	for (; t->parent; t = t->parent)
		if (shadow_is_off(t->parent, t->index))
			return false;
	return true;
}

static void audit_watch(struct audit *a, struct shadow_table *t)
{
	if (t->l1_table == NO_TABLE) {
		if (t->watched)
			bad(a, t, 0, "watches nothing");
		return;
	}
	a->open += !list_empty(&t->open);
	if (t->watched != list_empty(&t->open) && in_reach(t))
		bad(a, t, 0, "neither watched nor open");
	if (!t->watched)
		return;
	if (!watch_covers(a->mmu, t->l1_table >> PAGE_SHIFT))
		bad(a, t, 0, "is watched and cannot be found");
	if (table_may_write(a->mmu, t->l1_table >> PAGE_SHIFT))
		bad(a, t, 0, "its table of L1 can be written unnoticed");
}

/* Depth is bounded by the number of levels. */
static void audit_table(struct audit *a, struct shadow_table *t)
{
	const struct sl_format *f = a->mmu->fmt;
	unsigned int i, leaves = 0, on = 0;

	a->tables++;
	audit_watch(a, t);
	for (i = 0; i < PT_ENTRIES; i++) {
		if (shadow_is_leaf(f, t, i)) {
			leaves++;
			audit_leaf(a, t, i);
		} else if (shadow_is_child(t, i)) {
			int before = a->errors;

			on += !shadow_is_off(t, i);
			audit_child(a, t, i);
			if (a->errors == before)
				audit_table(a, t->slot[i].child);
		} else if (t->spt[i] || t->l1e[i] || !hlist_unhashed(&t->slot[i].node)) {
			bad(a, t, i, "empty entry is not empty");
		}
	}
	if (leaves != t->nr_leaves || on != t->nr_on)
		bad(a, t, 0, "number of leaves or children is wrong");
}

/* The tables and leaves of the whole VM add up to what the reverse map counts. */
static void audit_totals(struct audit *a)
{
	unsigned long leaves[ROOT_LEVEL + 1] = {}, nodes = 0, total = 0;
	struct shadow_slot *s;
	struct shadow_table *t;
	unsigned long i;

	list_for_each_entry(t, &a->mmu->shadow_tables, all)
		leaves[t->level] += t->nr_leaves;
	for (i = 0; i <= ROOT_LEVEL; i++) {
		total += leaves[i];
		if (leaves[i] != a->mmu->nr_leaves[i])
			a->errors++;
	}
	for (i = 0; a->mmu->rmap && i < 1ul << RMAP_BITS; i++)
		hlist_for_each_entry(s, &a->mmu->rmap[i], node)
			nodes++;
	if (nodes != total)
		a->errors++;
}

int shadow_audit(struct nestor_vcpu *vcpu)
{
	struct mmu_shadow *s = vcpu->shadow;
	struct audit a = { .vcpu = vcpu, .mmu = vcpu->vm->mmu };
	unsigned int tables = 0;
	int i;

	if (!s)
		return 0;
	spin_lock(&a.mmu->lock);
	a.set = slots_get(a.mmu);
	for (i = 0; i < SHADOW_ROOTS; i++) {
		struct shadow_root *sr = &s->roots[i];

		if (!sr->top)
			continue;
		a.tables = 0;
		a.open = 0;
		audit_table(&a, sr->top);
		if (a.open != sr->nr_open)
			bad(&a, sr->top, 0, "number of open tables is wrong");
		if (a.tables != sr->nr_tables || sr->top->root != sr || sr->top->parent)
			bad(&a, sr->top, 0, "root's account is wrong");
		tables += a.tables;
	}
	audit_totals(&a);
	spin_unlock(&a.mmu->lock);
	if (tables != s->nr_tables || tables > SHADOW_TABLES) {
		a.errors++;
		pr_err_ratelimited("nestor: shadow of vCPU %u: %u tables, %u counted\n", vcpu->id,
				   s->nr_tables, tables);
	}
	return a.errors;
}
