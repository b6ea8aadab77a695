// SPDX-License-Identifier: GPL-2.0-only
/*
 * MMU notifier on the VMM's address space: the host's memory management takes pages
 * back by host virtual address, and what is mapped of them goes before it
 * returns to its caller.
 *
 * Between start and end of an invalidation the host's page tables change, so a
 * fault in that range is not installed (inval_count, inval_start, inval_end);
 * one that looked the page up earlier sees inval_seq moved (host_map_stale).
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>

#include "mmu/mmu_int.h"
#include "mmu/table.h"

static struct nestor_mmu_vm *mn_mmu(struct mmu_notifier *mn)
{
	return container_of(mn, struct nestor_mmu_vm, mn);
}

/* The part of @slot that [start, end) of the VMM's addresses covers; false: none. */
static bool slot_range(const struct mem_slot *slot, unsigned long start, unsigned long end,
		       u64 *first, u64 *last)
{
	unsigned long slot_end = slot->hva + (slot->npages << PAGE_SHIFT);

	start = max(start, slot->hva);
	end = min(end, slot_end);
	if (start >= end)
		return false;
	*first = slot->base + ((start - slot->hva) >> PAGE_SHIFT);
	*last = slot->base + ((end - slot->hva + PAGE_SIZE - 1) >> PAGE_SHIFT);
	return true;
}

static bool zap_hvas(struct nestor_mmu_vm *mmu, unsigned long start, unsigned long end,
		     struct list_head *gone)
{
	struct slot_set *set = slots_get(mmu);
	bool flush = false;
	u64 first, last;
	unsigned int i;

	for (i = 0; i < set->nr; i++)
		if (slot_range(&set->slot[i], start, end, &first, &last))
			flush |= zap_gfns(mmu, first, last, gone);
	return flush;
}

static bool young_hvas(struct nestor_mmu_vm *mmu, unsigned long start, unsigned long end,
		       bool clear)
{
	struct slot_set *set = slots_get(mmu);
	bool young = false;
	u64 first, last;
	unsigned int i;

	for (i = 0; i < set->nr; i++)
		if (slot_range(&set->slot[i], start, end, &first, &last))
			young |= young_gfns(mmu, first, last, clear);
	return young;
}

static int mn_invalidate_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct nestor_mmu_vm *mmu = mn_mmu(mn);
	LIST_HEAD(gone);

	/* Nothing here sleeps, so a range that may not block is no different. */
	spin_lock(&mmu->lock);
	if (!mmu->inval_count++) {
		mmu->inval_start = range->start;
		mmu->inval_end = range->end;
	} else {
		mmu->inval_start = min(mmu->inval_start, range->start);
		mmu->inval_end = max(mmu->inval_end, range->end);
	}
	if (zap_hvas(mmu, range->start, range->end, &gone))
		vm_flush_tlbs(mmu->vm);
	spin_unlock(&mmu->lock);
	table_free_gone(&gone);
	return 0;
}

static void mn_invalidate_end(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct nestor_mmu_vm *mmu = mn_mmu(mn);

	spin_lock(&mmu->lock);
	WRITE_ONCE(mmu->inval_seq, mmu->inval_seq + 1);
	mmu->inval_count--;
	spin_unlock(&mmu->lock);
}

static int mn_clear_young(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long start,
			  unsigned long end)
{
	struct nestor_mmu_vm *mmu = mn_mmu(mn);
	bool young;

	spin_lock(&mmu->lock);
	young = young_hvas(mmu, start, end, true);
	spin_unlock(&mmu->lock);
	return young;
}

/*
 * Leave the TLBs alone here too: an access through a cached translation is then
 * missed, which makes the page look a little older and nothing worse, and an
 * interrupt to every CPU for each page that ages is dear.
 */
static int mn_clear_flush_young(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long start,
				unsigned long end)
{
	return mn_clear_young(mn, mm, start, end);
}

static int mn_test_young(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long addr)
{
	struct nestor_mmu_vm *mmu = mn_mmu(mn);
	bool young;

	spin_lock(&mmu->lock);
	young = young_hvas(mmu, addr, addr + PAGE_SIZE, false);
	spin_unlock(&mmu->lock);
	return young;
}

/* The address space dies: no vCPU can run any more, but the VM's descriptors may live on. */
static void mn_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct nestor_mmu_vm *mmu = mn_mmu(mn);
	LIST_HEAD(gone);

	spin_lock(&mmu->lock);
	if (zap_gfns(mmu, 0, MAX_GFN, &gone))
		vm_flush_tlbs(mmu->vm);
	spin_unlock(&mmu->lock);
	table_free_gone(&gone);
}

static const struct mmu_notifier_ops mn_ops = {
	.release = mn_release,
	.invalidate_range_start = mn_invalidate_start,
	.invalidate_range_end = mn_invalidate_end,
	.clear_flush_young = mn_clear_flush_young,
	.clear_young = mn_clear_young,
	.test_young = mn_test_young,
};

int notifier_register(struct nestor_mmu_vm *mmu)
{
	int err;

	mmu->mn.ops = &mn_ops;
	err = mmu_notifier_register(&mmu->mn, mmu->vm->mm);
	mmu->mn_on = !err;
	return err;
}

void notifier_unregister(struct nestor_mmu_vm *mmu)
{
	if (mmu->mn_on)
		mmu_notifier_unregister(&mmu->mn, mmu->vm->mm);
	mmu->mn_on = false;
}
