/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of mmu/ share; nobody else includes this.
 *
 * Locks, outermost first:
 *
 *   vcpu->lock > slots_lock > (host: mmap_lock, page locks, page-table locks) > lock
 *   vcpu->lock > vm->srcu > smm_lock > (host: mmap_lock ...)
 *
 * - slots_lock (mutex): writers of the slot set and the dirty log's ioctls. They wait for
 *   vm->srcu, so no reader of that takes it.
 * - smm_lock (mutex): making space 1.
 * - lock (spinlock, interrupts on): L0's table, every shadow table, the reverse
 *   map, the invalidation counters, and the *publication* of a slot set.  MMU
 *   notifiers take it below the host's page-table locks, so nothing that may
 *   fault or sleep happens under it, and TLBs are flushed before it is dropped:
 *   a second invalidation that finds nothing to zap must not return
 *   before the first one's flush.
 * - vm->srcu: readers of the slot set.  A set is freed after a grace period.
 *
 * No page is pinned.  A fault notes inval_seq and the slot set, finds the host
 * page, and then, under lock, installs it only if neither has moved and no
 * invalidation of that range is under way; otherwise the guest faults again.
 */
#ifndef NESTOR_MMU_MMU_INT_H
#define NESTOR_MMU_MMU_INT_H

#include <linux/kvm.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>

#include "core/hw_ops.h"
#include "core/vcpu.h"
#include "mmu/mmu.h"

#define NO_GFN			(~0ull)
/* A 4-level second-level table reaches this far. */
#define MAX_GFN			(1ull << (48 - PAGE_SHIFT))
#define MAX_SLOT_PAGES		((1ull << 31) - 1)

#define LEVEL_4K		1
#define LEVEL_2M		2
#define LEVEL_1G		3
#define ROOT_LEVEL		4
#define PT_ENTRIES		512

static inline u64 level_pages(int level)
{
	return 1ull << (9 * (level - 1));
}

static inline unsigned int level_index(u64 gfn, int level)
{
	return (gfn >> (9 * (level - 1))) & (PT_ENTRIES - 1);
}

/**
 * struct mem_slot - a range of L1's physical memory
 * @base: first guest frame
 * @npages: length in pages, 1 to MAX_SLOT_PAGES
 * @hva: the VMM's address of @base
 * @flags: KVM_MEM_*
 * @id: number the VMM gave it
 * @dirty: a bit a page, NULL without KVM_MEM_LOG_DIRTY_PAGES; outlives every set
 *	that names it, and is shared by a set and its successor
 */
struct mem_slot {
	u64 base;
	u64 npages;
	unsigned long hva;
	u32 flags;
	u32 id;
	unsigned long *dirty;
};

/**
 * struct slot_set - all slots, ascending by @base; immutable once published
 * @seq: number of this set among those of its nestor_mmu_vm, from 1
 */
struct slot_set {
	u64 seq;
	unsigned int nr;
	struct mem_slot slot[];
};

struct sl_format;
struct shadow_watch;

/**
 * struct nestor_mmu_vm - guest memory of one VM
 * @vm: its VM
 * @slots_lock, @smm_lock: see the head of this file
 * @slots: current set
 * @manual_dirty: KVM_GET_DIRTY_LOG only reports, KVM_CLEAR_DIRTY_LOG clears; space 0's is the VM's;
 *	written under its slots_lock
 * @lock: see the head of this file
 * @mn: notifier on vm->mm
 * @mn_on: it is registered
 * @inval_count: invalidations between start and end; lock
 * @inval_start: union of their host virtual ranges; lock
 * @inval_end: its end, exclusive
 * @inval_seq: moves when an invalidation ends; written under lock
 * @unmap_seq: moves when any second-level table loses a mapping or leads elsewhere; lock
 * @fmt: format of the second-level tables
 * @root: root of L0's table; constant
 * @shadow_tables: every vCPU's shadow tables; lock
 * @rmap: L1 frame -> shadow leaves; allocated once, on first use; lock
 * @nr_leaves: shadow leaves in it, by level; lock
 * @watch: which pages of L1's nested tables are watched, see watch.c; allocated once, on first use
 * @nr_watched: shadow tables that mirror one; lock
 * @outside_seq: moves when somebody may have written to L1's memory whom watch.c does not see
 * @nr_outside: vCPUs that see another memory, and write through it
 */
struct nestor_mmu_vm {
	struct nestor_vm *vm;
	struct mutex slots_lock;
	struct mutex smm_lock;
	struct slot_set __rcu *slots;
	bool manual_dirty;

	spinlock_t lock;
	struct mmu_notifier mn;
	bool mn_on;
	unsigned int inval_count;
	unsigned long inval_start, inval_end;
	unsigned long inval_seq;
	unsigned long unmap_seq;

	const struct sl_format *fmt;
	u64 *root;
	struct list_head shadow_tables;
	struct hlist_head *rmap;
	unsigned long nr_leaves[ROOT_LEVEL + 1];
	struct shadow_watch *watch;
	unsigned long nr_watched;
	atomic64_t outside_seq;
	atomic_t nr_outside;
};

/* slots.c */

/* slots_get() - the set for a reader: vm->srcu, slots_lock or lock held */
static inline struct slot_set *slots_get(struct nestor_mmu_vm *mmu)
{
	return srcu_dereference_check(mmu->slots, &mmu->vm->srcu,
				      lockdep_is_held(&mmu->slots_lock) ||
				      lockdep_is_held(&mmu->lock));
}

const struct mem_slot *slot_find(const struct slot_set *set, u64 gfn);
const struct mem_slot *slot_by_id(const struct slot_set *set, u32 id);
unsigned long slot_hva(const struct mem_slot *slot, u64 gfn);

static inline bool slot_writable(const struct mem_slot *slot)
{
	return !(slot->flags & KVM_MEM_READONLY);
}

/* dirty.c */
unsigned long *dirty_alloc(u64 npages);
/* mmu_log_start() - a slot is about to be logged; slots_lock held */
void mmu_log_start(struct nestor_vm *vm);
void slot_mark_dirty(const struct mem_slot *slot, u64 gfn);

/* notifier.c */
int notifier_register(struct nestor_mmu_vm *mmu);
void notifier_unregister(struct nestor_mmu_vm *mmu);

/* fault.c */

/**
 * struct host_map - the host's page for a guest frame, good until lock shows it stale
 * @set: slot set it was looked up in
 * @slot: slot, valid while vm->srcu is held
 * @gfn: guest frame
 * @hva: the VMM's address of it
 * @page: reference, until host_map_put()
 * @pfn: host frame
 * @level: largest leaf that slot, host mapping and CPU allow
 * @writable: the host mapping and the slot may be written
 * @seq: inval_seq before the page was looked up
 */
struct host_map {
	const struct slot_set *set;
	const struct mem_slot *slot;
	u64 gfn;
	unsigned long hva;
	struct page *page;
	u64 pfn;
	int level;
	bool writable;
	unsigned long seq;
};

/*
 * host_map_known() - the frame, level and writability alone, without sleeping: from L0's table
 * or else, with @may_look, from the host's page tables if they have it at hand (with @write:
 * for writing if the slot allows it).  false: not this way.  Under lock, and good until it
 * is dropped.  If m->writable comes back true the page is already marked as written.
 */
bool host_map_known(struct nestor_mmu_vm *mmu, u64 gfn, bool write, bool may_look,
		    struct host_map *m);
/* host_map_get() - MMU_MAPPED with *@m filled in (m->page NULL: try again), or why not */
enum mmu_result host_map_get(struct nestor_vcpu *vcpu, u64 gfn, bool write, struct host_map *m);
bool host_map_stale(struct nestor_mmu_vm *mmu, const struct host_map *m, int level);
/* host_map_watched() - what watch.c leaves of it for a fault that is a write or is not; under lock */
void host_map_watched(struct nestor_mmu_vm *mmu, struct host_map *m, bool write);
/* host_map_used() - a leaf was made of it: tell the host and the dirty log */
void host_map_used(struct nestor_mmu_vm *mmu, const struct host_map *m);
void host_map_put(struct host_map *m);

/**
 * struct gmem_diff - the quadwords of a page that are not what they were
 * @index: which; @now: what they are now, in the same order
 * @nr: how many
 */
struct gmem_diff {
	unsigned int nr;
	u16 index[PT_ENTRIES];
	u64 now[PT_ENTRIES];
};

/*
 * gmem_diff() - compare the page at @gpa with @was, reading each quadword once and leaving out
 * those that were 0.  0 or -EFAULT, as gmem_read().
 */
int gmem_diff(struct nestor_vcpu *vcpu, struct l1_gpa gpa, const u64 *was, struct gmem_diff *diff);

/* watch.c */
void watch_free(struct nestor_mmu_vm *mmu);
/* watch_wrote() - L0 has written to that page of L1's memory by itself; without lock */
void watch_wrote(struct nestor_mmu_vm *mmu, u64 gfn);
/* watch_quiet() - the same if there is nothing to it; false, with nothing done, if it takes lock */
bool watch_quiet(struct nestor_mmu_vm *mmu, u64 gfn);
/*
 * Under lock.
 * watch_level() - the largest leaf around @gfn, @level at most, that covers no watched page but @gfn's own
 * watch_covers() - is that very page watched?  Then a leaf of it may not be written, unless
 * watch_opens() - it is to be written: what mirrors it is compared at the next invalidation
 * watch_range() - the same for all pages of [start, end): their contents change by other means
 */
int watch_level(struct nestor_mmu_vm *mmu, u64 gfn, int level);
bool watch_covers(struct nestor_mmu_vm *mmu, u64 gfn);
void watch_opens(struct nestor_mmu_vm *mmu, u64 gfn);
void watch_range(struct nestor_mmu_vm *mmu, u64 start, u64 end);

/* zap.c: both kinds of table at once; lock held; true: TLBs have to be flushed */
bool zap_gfns(struct nestor_mmu_vm *mmu, u64 start, u64 end, struct list_head *gone);
bool protect_gfns(struct nestor_mmu_vm *mmu, u64 start, u64 end);
bool young_gfns(struct nestor_mmu_vm *mmu, u64 start, u64 end, bool clear);

/* shadow_rmap.c: the same for the shadow tables alone; lock held */
bool rmap_zap(struct nestor_mmu_vm *mmu, u64 start, u64 end);
bool rmap_protect(struct nestor_mmu_vm *mmu, u64 start, u64 end);
bool rmap_young(struct nestor_mmu_vm *mmu, u64 start, u64 end, bool clear);

#endif
