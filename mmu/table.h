/* SPDX-License-Identifier: GPL-2.0-only */
/* L0's second-level table: L1-physical to host-physical.  All but the cache runs under mmu->lock. */
#ifndef NESTOR_MMU_TABLE_H
#define NESTOR_MMU_TABLE_H

#include "mmu/mmu_int.h"
#include "mmu/sl_format.h"

/* Zeroed pages, allocated where sleeping is allowed. */
struct table_cache {
	unsigned int nr;
	u64 *pt[ROOT_LEVEL];
};

/* table_cache_fill() - 0, or -ENOMEM: what there is is kept; sleeps if @how does */
int table_cache_fill(struct table_cache *c, unsigned int nr, gfp_t how);
void table_cache_drop(struct table_cache *c);

int table_init(struct nestor_mmu_vm *mmu);
void table_destroy(struct nestor_mmu_vm *mmu);

/* What table_map() did. */
enum table_change {
	TABLE_SAME,	/* the entry was there already: a stale TLB entry faulted */
	TABLE_ADDED,	/* nothing that a TLB may hold was changed */
	TABLE_FLUSH,	/* something else was mapped there: flush before using *gone */
};

/* table_need() - how many pages of the cache table_map() would take */
unsigned int table_need(struct nestor_mmu_vm *mmu, u64 gfn, int level);

/*
 * table_map() - map the leaf of @level around @gfn to @pfn (both aligned by this).
 * @c holds table_need() pages at least.  Tables it replaces go to @gone.
 */
enum table_change table_map(struct nestor_mmu_vm *mmu, u64 gfn, u64 pfn, int level, bool write,
			    struct table_cache *c, struct list_head *gone);

/*
 * table_split_need() - how many pages table_split_at() takes
 * table_split_at() - the large leaf around @gfn, for which it takes some, becomes leaves of 4K that map the same;
 * TLBs need a flush
 */
unsigned int table_split_need(struct nestor_mmu_vm *mmu, u64 gfn);
void table_split_at(struct nestor_mmu_vm *mmu, u64 gfn, struct table_cache *c);

/* table_may_write() - is there a leaf that lets @gfn be written, be it logged or not? */
bool table_may_write(struct nestor_mmu_vm *mmu, u64 gfn);

/* table_lookup() - the leaf around @gfn: its level, *pfn the frame of @gfn itself; 0: none */
int table_lookup(struct nestor_mmu_vm *mmu, u64 gfn, u64 *pfn, bool *writable);

/* [start, end) in guest frames; true: a TLB may hold more rights than the table now */
bool table_zap(struct nestor_mmu_vm *mmu, u64 start, u64 end, struct list_head *gone);
bool table_protect(struct nestor_mmu_vm *mmu, u64 start, u64 end);
/* table_forbid() - the next write to @gfn faults, whoever keeps the dirty log */
bool table_forbid(struct nestor_mmu_vm *mmu, u64 gfn);
/* table_young() - was anything accessed?  @clear: forget it */
bool table_young(struct nestor_mmu_vm *mmu, u64 start, u64 end, bool clear);

/* table_free_gone() - after the TLB flush; outside the lock */
void table_free_gone(struct list_head *gone);

#endif
