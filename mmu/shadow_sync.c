// SPDX-License-Identifier: GPL-2.0-only
/*
 * After an invalidation by L1: keep what L1 did not change.
 *
 * Each slot remembers the entry of L1 it was made of, accessed and dirty
 * bits included.  A table of the shadow mirrors one table of L1, so one page is
 * copied and compared entry by entry; what differs goes, with all below it.  A table
 * that lies below a leaf of L1 stands or falls with that leaf, which is the
 * parent's entry.  The cost is a page copy for each table that is mapped, instead of a
 * fault for each page.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "core/nested_ops.h"
#include "mmu/shadow_int.h"

static bool read_l1_table(struct nestor_vcpu *vcpu, struct shadow_table *t)
{
	struct mmu_shadow *s = vcpu->shadow;

	return !gmem_read(vcpu, l1_gpa(t->l1_table), s->buf, PAGE_SIZE);
}

/* Clear every entry whose original is not what it was. */
static void sync_entries(struct nestor_vcpu *vcpu, struct shadow_table *t, bool readable,
			 struct list_head *gone)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	u64 *buf = vcpu->shadow->buf;
	unsigned int i;

	spin_lock(&mmu->lock);
	for (i = 0; i < PT_ENTRIES; i++)
		if (t->spt[i] && (!readable || t->slot[i].l1e != buf[i]))
			entry_clear(vcpu, t, i, gone);
	spin_unlock(&mmu->lock);
}

/* Depth is bounded by the number of levels. */
static void sync_table(struct nestor_vcpu *vcpu, struct shadow_table *t, struct list_head *gone)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	unsigned int i;

	if (t->l1_table == NO_TABLE || (t->level == 1 && !t->nr_leaves))
		return;
	sync_entries(vcpu, t, read_l1_table(vcpu, t), gone);
	if (t->level == 1)
		return;
	cond_resched();
	/* Children are this thread's own: no lock to follow them. */
	for (i = 0; i < PT_ENTRIES; i++)
		if (shadow_is_child(mmu->fmt, t, i))
			sync_table(vcpu, t->slot[i].child, gone);
}

static bool can_compare(struct nestor_vcpu *vcpu, const struct shadow_root *sr)
{
	struct mmu_shadow *s = vcpu->shadow;

	/* L1's memory is reached through the VMM's address space only. */
	if (!fmt_matches(&sr->fmt) || current->mm != vcpu->vm->mm)
		return false;
	if (!s->buf)
		s->buf = kmalloc(PAGE_SIZE, GFP_KERNEL_ACCOUNT);
	return s->buf;
}

void shadow_revalidate(struct nestor_vcpu *vcpu, struct shadow_root *sr)
{
	LIST_HEAD(gone);
	int idx;

	nested->flush(vcpu);
	if (!can_compare(vcpu, sr)) {
		root_empty(vcpu, sr);
		return;
	}
	idx = srcu_read_lock(&vcpu->vm->srcu);
	sync_table(vcpu, sr->top, &gone);
	srcu_read_unlock(&vcpu->vm->srcu, idx);
	tables_free(&gone);
	sr->stale = false;
}
