// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty log: a bit a page in each slot that has KVM_MEM_LOG_DIRTY_PAGES.
 *
 * While a slot is logged its leaves are 4K and writable only after a write
 * fault set the page's bit.  With hw_caps.pml a leaf of L0's table stays writable from then on: reading
 * the log clears its dirty flag, and the CPU notes the page when it sets that again.  Shadow
 * leaves are protected from writes in either case.  Reading the log takes the bits first, then the right
 * to write, then flushes: a write that lands in between is in the bits that
 * were taken, and the VMM copies the page after the ioctl has returned.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mmu/mmu_int.h"

/* Length as the ABI has it: whole 64-bit words. */
static size_t dirty_bytes(u64 npages)
{
	return ALIGN(npages, 64) / 8;
}

unsigned long *dirty_alloc(u64 npages)
{
	return kvzalloc(dirty_bytes(npages), GFP_KERNEL_ACCOUNT);
}

void slot_mark_dirty(const struct mem_slot *slot, u64 gfn)
{
	u64 bit = gfn - slot->base;

	if (slot->dirty && !test_bit(bit, slot->dirty))
		set_bit(bit, slot->dirty);
}

/* Take the right to write from the pages whose bits are set in @word. */
static bool protect_word(struct nestor_mmu_vm *mmu, u64 gfn, unsigned long word)
{
	unsigned int bit = 0, end;
	bool flush = false;

	while (bit < BITS_PER_LONG && word >> bit) {
		bit += __ffs(word >> bit);
		/* A run of set bits is one range. */
		end = bit;
		while (end < BITS_PER_LONG && (word >> end) & 1)
			end++;
		flush |= protect_gfns(mmu, gfn + bit, gfn + end);
		bit = end;
	}
	return flush;
}

/*
 * The CPU keeps the log of L0's table from the first logged slot on: a vCPU that runs is made to
 * leave the guest, and does not enter it again without.
 */
void mmu_log_start(struct nestor_vm *vm)
{
	if (!hw_caps.pml || READ_ONCE(vm->cpu_log))
		return;
	WRITE_ONCE(vm->cpu_log, true);
	vm_request_all(vm, REQ_ROOT, true);
}

/* What vCPUs have written till now is in the bits: each empties its log when it leaves the guest. */
static void mmu_log_settle(struct nestor_vm *vm)
{
	if (READ_ONCE(vm->cpu_log))
		vm_request_all(vm, REQ_KICK, true);
}

/*
 * Clear the bits of @slot that are set in @mask (NULL: all), from word @first on; what
 * was set goes to @taken.
 */
static void dirty_take(struct nestor_mmu_vm *mmu, const struct mem_slot *slot, size_t first,
		       size_t words, const unsigned long *mask, unsigned long *taken)
{
	bool flush = false;
	size_t i;

	spin_lock(&mmu->lock);
	for (i = 0; i < words; i++) {
		unsigned long *p = &slot->dirty[first + i];
		unsigned long m = mask ? mask[i] : ~0ul, old = READ_ONCE(*p);

		if (!(old & m))
			continue;
		while (!try_cmpxchg(p, &old, old & ~m))
			;
		old &= m;
		if (taken)
			taken[i] = old;
		flush |= protect_word(mmu, slot->base + (first + i) * BITS_PER_LONG, old);
		if (need_resched() || spin_needbreak(&mmu->lock)) {
			/* Whoever gets the lock must not miss our flush. */
			if (flush)
				vm_flush_tlbs(mmu->vm);
			flush = false;
			cond_resched_lock(&mmu->lock);
		}
	}
	if (flush)
		vm_flush_tlbs(mmu->vm);
	spin_unlock(&mmu->lock);
}

static void dirty_put_back(const struct mem_slot *slot, const unsigned long *taken, size_t words)
{
	size_t i, bit;

	for (i = 0; i < words; i++)
		for (bit = 0; taken[i] >> bit; bit++) {
			if ((taken[i] >> bit) & 1)
				set_bit(i * BITS_PER_LONG + bit, slot->dirty);
			if (bit == BITS_PER_LONG - 1)
				break;
		}
}

/* The address space that @slot names, or NULL: there is none, or nothing in it. */
static struct nestor_mmu_vm *slot_space(struct nestor_vm *vm, u32 slot)
{
	switch (slot >> 16) {
	case 0:
		return vm->mmu;
	case 1:
		return smp_load_acquire(&vm->mmu_smm);
	default:
		return NULL;
	}
}

static int dirty_slot(struct nestor_mmu_vm *mmu, u32 id, const struct mem_slot **slot)
{
	lockdep_assert_held(&mmu->slots_lock);
	if (id >= NESTOR_MAX_SLOTS)
		return -EINVAL;
	*slot = slot_by_id(slots_get(mmu), id);
	return *slot && (*slot)->dirty ? 0 : -ENOENT;
}

int mmu_get_dirty_log(struct nestor_vm *vm, const struct kvm_dirty_log *log)
{
	struct nestor_mmu_vm *mmu = slot_space(vm, log->slot);
	const struct mem_slot *slot;
	unsigned long *taken = NULL;
	size_t bytes, words;
	int err;

	if (!mmu)
		return log->slot >> 16 == 1 ? -ENOENT : -EINVAL;
	mutex_lock(&mmu->slots_lock);
	err = dirty_slot(mmu, log->slot & 0xffff, &slot);
	if (err)
		goto out;
	bytes = dirty_bytes(slot->npages);
	words = bytes / sizeof(long);
	mmu_log_settle(vm);
	/* The flag is of the VM: space 0 has it for both. */
	if (READ_ONCE(mmu->vm->mmu->manual_dirty)) {
		err = copy_to_user(log->dirty_bitmap, slot->dirty, bytes) ? -EFAULT : 0;
		goto out;
	}
	taken = dirty_alloc(slot->npages);
	if (!taken) {
		err = -ENOMEM;
		goto out;
	}
	dirty_take(mmu, slot, 0, words, NULL, taken);
	if (copy_to_user(log->dirty_bitmap, taken, bytes)) {
		dirty_put_back(slot, taken, words);
		err = -EFAULT;
	}
out:
	mutex_unlock(&mmu->slots_lock);
	kvfree(taken);
	return err;
}

static int clear_check(const struct mem_slot *slot, const struct kvm_clear_dirty_log *log)
{
	if (log->first_page & 63 || log->first_page > slot->npages ||
	    log->num_pages > slot->npages - log->first_page)
		return -EINVAL;
	/* The last word may be cut short at the end of the slot only. */
	if (log->num_pages & 63 && log->num_pages != slot->npages - log->first_page)
		return -EINVAL;
	return 0;
}

int mmu_clear_dirty_log(struct nestor_vm *vm, const struct kvm_clear_dirty_log *log)
{
	struct nestor_mmu_vm *mmu = slot_space(vm, log->slot);
	const struct mem_slot *slot;
	unsigned long *mask = NULL;
	size_t bytes;
	int err;

	if (!mmu)
		return log->slot >> 16 == 1 ? -ENOENT : -EINVAL;
	mutex_lock(&mmu->slots_lock);
	err = dirty_slot(mmu, log->slot & 0xffff, &slot);
	if (!err)
		err = clear_check(slot, log);
	if (err || !log->num_pages)
		goto out;
	err = -ENOMEM;
	bytes = dirty_bytes(log->num_pages);
	mask = dirty_alloc(log->num_pages);
	if (!mask)
		goto out;
	err = -EFAULT;
	if (copy_from_user(mask, log->dirty_bitmap, bytes))
		goto out;
	mmu_log_settle(vm);
	dirty_take(mmu, slot, log->first_page / BITS_PER_LONG, bytes / sizeof(long), mask, NULL);
	err = 0;
out:
	mutex_unlock(&mmu->slots_lock);
	kvfree(mask);
	return err;
}

int mmu_set_manual_dirty(struct nestor_vm *vm, u64 flags)
{
	if (flags & ~(u64)KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE)
		return -EINVAL;
	mutex_lock(&vm->mmu->slots_lock);
	WRITE_ONCE(vm->mmu->manual_dirty, flags & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE);
	mutex_unlock(&vm->mmu->slots_lock);
	return 0;
}
