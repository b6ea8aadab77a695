// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of a shadow table: allocation, linking, unlinking.
 *
 * Tables are made ready (spare) where sleeping is allowed and linked under
 * mmu->lock.  Unlinking a subtree takes its leaves out of the reverse map at
 * once; the pages are freed after the lock is dropped.  No CPU reads them any more: only
 * the owner's processor ever did, it is outside the guest, and the flush that
 * the owner asks for (nested_ops.flush) comes before L2's next entry.
 */
#include <linux/gfp.h>
#include <linux/slab.h>

#include "mmu/shadow_int.h"

static void shadow_table_free(struct shadow_table *t)
{
	set_page_private(virt_to_page(t->slot), 0);
	free_pages((unsigned long)t->slot, BLOCK_ORDER);
	kfree(t);
}

static struct shadow_table *shadow_table_alloc(void)
{
	struct shadow_table *t = kzalloc(sizeof(*t), GFP_KERNEL_ACCOUNT);
	struct shadow_block *block;

	if (!t)
		return NULL;
	block = (void *)__get_free_pages(GFP_KERNEL_ACCOUNT | __GFP_ZERO, BLOCK_ORDER);
	if (!block) {
		kfree(t);
		return NULL;
	}
	t->slot = block->slot;
	t->l1e = block->l1e;
	t->spt = block->spt;
	set_page_private(virt_to_page(block), (unsigned long)t);
	return t;
}

int spare_fill(struct mmu_shadow *s, unsigned int nr)
{
	while (s->nr_spare < nr) {
		struct shadow_table *t = shadow_table_alloc();

		if (!t)
			return -ENOMEM;
		list_add(&t->all, &s->spare);
		s->nr_spare++;
	}
	return 0;
}

struct shadow_table *spare_take(struct mmu_shadow *s)
{
	struct shadow_table *t = list_first_entry(&s->spare, struct shadow_table, all);

	list_del(&t->all);
	s->nr_spare--;
	return t;
}

void tables_free(struct list_head *gone)
{
	struct shadow_table *t, *next;

	list_for_each_entry_safe(t, next, gone, all) {
		list_del(&t->all);
		shadow_table_free(t);
	}
}

void spare_drop(struct mmu_shadow *s)
{
	tables_free(&s->spare);
	s->nr_spare = 0;
}

void leaf_set(struct nestor_mmu_vm *mmu, struct shadow_table *t, unsigned int i, u64 gfn, u64 e,
	      u64 l1e)
{
	lockdep_assert_held(&mmu->lock);
	WRITE_ONCE(t->l1e[i], t->l1_table == NO_TABLE ? gfn : l1e);
	rmap_add(mmu, t, &t->slot[i], gfn);
	t->nr_leaves++;
	WRITE_ONCE(t->spt[i], e);
}

void leaf_clear(struct nestor_mmu_vm *mmu, struct shadow_table *t, unsigned int i)
{
	lockdep_assert_held(&mmu->lock);
	xchg(&t->spt[i], 0);
	mmu->unmap_seq++;
	rmap_del(mmu, t, &t->slot[i]);
	WRITE_ONCE(t->l1e[i], 0);
	t->nr_leaves--;
}

struct shadow_table *child_add(struct nestor_vcpu *vcpu, struct shadow_table *t, unsigned int i)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	struct shadow_table *c = spare_take(vcpu->shadow);

	lockdep_assert_held(&mmu->lock);
	c->root = t->root;
	c->parent = t;
	c->index = i;
	c->level = t->level - 1;
	c->l1_table = NO_TABLE;
	list_add(&c->all, &mmu->shadow_tables);
	c->root->nr_tables++;
	vcpu->shadow->nr_tables++;
	t->slot[i].child = c;
	t->nr_on++;
	WRITE_ONCE(t->spt[i], sl_make_table(mmu->fmt, c->spt));
	return c;
}

/* Depth is bounded by the number of levels. */
void entry_clear(struct nestor_vcpu *vcpu, struct shadow_table *t, unsigned int i,
		 struct list_head *gone)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	struct shadow_table *c;

	lockdep_assert_held(&mmu->lock);
	if (shadow_is_leaf(mmu->fmt, t, i)) {
		leaf_clear(mmu, t, i);
		return;
	}
	if (!shadow_is_child(t, i))
		return;
	c = t->slot[i].child;
	if (!shadow_is_off(t, i))
		t->nr_on--;
	WRITE_ONCE(t->spt[i], 0);
	t->slot[i].child = NULL;
	t->l1e[i] = 0;
	table_empty(vcpu, c, gone);
	watch_forget(mmu, c);
	c->root->nr_tables--;
	vcpu->shadow->nr_tables--;
	list_move(&c->all, gone);
}

void table_empty(struct nestor_vcpu *vcpu, struct shadow_table *t, struct list_head *gone)
{
	unsigned int i;

	if (t->level == 1 && !t->nr_leaves)
		return;
	for (i = 0; i < PT_ENTRIES; i++)
		if (t->spt[i])
			entry_clear(vcpu, t, i, gone);
}
