/* SPDX-License-Identifier: GPL-2.0-only */
/* The host below mmu/ in user space: see mmu_host.c. */
#ifndef NESTOR_TESTS_MMU_HOST_H
#define NESTOR_TESTS_MMU_HOST_H

#include "mmu/mmu_int.h"

/* The VMM's memory: this many 2M blocks from here on. */
#define HOST_BLOCKS	8u
#define HOST_PAGES	(HOST_BLOCKS * 512)
#define HOST_HVA	0x7e0000000000ul

void host_init(void);
/* Every page back to its place, while there is no VM */
void host_reset(void);
/* Which page of the VMM has @pfn, -1: none any more */
int host_frame_owner(u64 pfn);
/* Move one page (a huge one is split), or gather a block into one huge page. */
void host_migrate(struct nestor_mmu_vm *mmu, unsigned int page);
void host_collapse(struct nestor_mmu_vm *mmu, unsigned int block);
/* Around what a vCPU's thread does, as vm->srcu */
void host_read_lock(void);
void host_read_unlock(void);

/* Called behind each read of the VMM's memory: what another processor does in between */
extern void (*host_after_read)(void);
/* Let others run between finding a page and using it. */
extern bool host_slow;
/* No sleep now: an allocation that might is a fault of the caller. */
extern bool host_atomic;
/* Pages the table allocator has given out, and blocks of the other one */
extern unsigned long pages_in_use;
extern long host_blocks;
/* The allocation that fails, counted from 1; 0: none (any more) */
extern unsigned int host_fail_at;
/* All do */
extern bool host_fail_all;
/* A page of the VMM's that has no memory; -1: each has */
extern int host_no_page;
/* What looking a page up, or registering the notifier, gives instead; 0: what it should */
extern int host_get_error, host_register_error;

#endif
