/* SPDX-License-Identifier: GPL-2.0-only */
/* Coalesced MMIO, seen by core/iobus.c which owns one a VM. */
#ifndef NESTOR_CORE_COALESCED_H
#define NESTOR_CORE_COALESCED_H

#include <linux/mm_types.h>
#include <linux/spinlock.h>

#include "core/iobus.h"

struct coalesced_zones;

/**
 * struct coalesced - writes that only go into a ring for the VMM to find later
 * @page: the ring, mapped by the VMM and hostile
 * @lock: serialises writers of the ring
 * @zones: readers hold vm->srcu, writers the bus lock
 */
struct coalesced {
	struct page *page;
	spinlock_t lock;
	struct coalesced_zones __rcu *zones;
};

int coalesced_init(struct coalesced *c);
void coalesced_exit(struct coalesced *c);
int coalesced_add(struct nestor_vm *vm, struct coalesced *c,
		  const struct kvm_coalesced_mmio_zone *z);
int coalesced_del(struct nestor_vm *vm, struct coalesced *c,
		  const struct kvm_coalesced_mmio_zone *z);
int coalesced_write(struct nestor_vm *vm, struct coalesced *c, enum io_space space, u64 addr,
		    unsigned int len, const void *data);

#endif
