// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coalesced MMIO: a write into a registered zone is noted in a ring and the
 * guest goes on; the VMM empties the ring at its next exit.
 *
 * The ring page is shared with the VMM, which may write anything there at any
 * time: its indices are read once, checked, and never trusted for more than
 * "there is room".
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "core/coalesced.h"

#define ZONES_MAX	100

struct coalesced_zones {
	unsigned int nr;
	struct kvm_coalesced_mmio_zone z[];
};

int coalesced_init(struct coalesced *c)
{
	c->page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	spin_lock_init(&c->lock);
	return c->page ? 0 : -ENOMEM;
}

void coalesced_exit(struct coalesced *c)
{
	kfree(rcu_dereference_protected(c->zones, 1));
	__free_page(c->page);
}

/* Does @z hold all of [addr, addr + len)?  z->addr + z->size does not wrap. */
static bool in_zone(const struct kvm_coalesced_mmio_zone *z, enum io_space space, u64 addr, u64 len)
{
	return (z->pio ? IO_PORT : IO_MMIO) == space && addr >= z->addr &&
	       len <= z->size && addr - z->addr <= z->size - len;
}

static void publish(struct nestor_vm *vm, struct coalesced *c, struct coalesced_zones *new)
{
	struct coalesced_zones *old = rcu_dereference_protected(c->zones, 1);

	rcu_assign_pointer(c->zones, new);
	vm_wait_readers(vm);
	kfree(old);
}

int coalesced_add(struct nestor_vm *vm, struct coalesced *c,
		  const struct kvm_coalesced_mmio_zone *z)
{
	struct coalesced_zones *old = rcu_dereference_protected(c->zones, 1), *new;
	unsigned int nr = old ? old->nr : 0;

	if (nr >= ZONES_MAX)
		return -ENOSPC;
	new = kzalloc(struct_size(new, z, nr + 1), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	if (old)
		memcpy(new->z, old->z, nr * sizeof(*z));
	new->z[nr] = *z;
	new->nr = nr + 1;
	publish(vm, c, new);
	return 0;
}

/* Every zone that holds the given range goes; none is no error, as in KVM's ABI. */
int coalesced_del(struct nestor_vm *vm, struct coalesced *c,
		  const struct kvm_coalesced_mmio_zone *z)
{
	struct coalesced_zones *old = rcu_dereference_protected(c->zones, 1), *new;
	enum io_space space = z->pio ? IO_PORT : IO_MMIO;
	unsigned int i;

	if (!old)
		return 0;
	new = kzalloc(struct_size(new, z, old->nr), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	for (i = 0; i < old->nr; i++)
		if (!in_zone(&old->z[i], space, z->addr, z->size))
			new->z[new->nr++] = old->z[i];
	publish(vm, c, new);
	return 0;
}

static int ring_put(struct coalesced *c, enum io_space space, u64 addr, unsigned int len,
		    const void *data)
{
	struct kvm_coalesced_mmio_ring *ring = page_address(c->page);
	struct kvm_coalesced_mmio *slot;
	u32 last = READ_ONCE(ring->last), next;

	if (last >= KVM_COALESCED_MMIO_MAX)
		return -EOPNOTSUPP;
	next = (last + 1) % KVM_COALESCED_MMIO_MAX;
	if (next == READ_ONCE(ring->first))
		return -EOPNOTSUPP;
	slot = &ring->coalesced_mmio[last];
	slot->phys_addr = addr;
	slot->len = len;
	slot->pio = space == IO_PORT;
	memcpy(slot->data, data, len);
	/* The VMM may look as soon as the index moves. */
	smp_wmb();
	WRITE_ONCE(ring->last, next);
	return 0;
}

int coalesced_write(struct nestor_vm *vm, struct coalesced *c, enum io_space space, u64 addr,
		    unsigned int len, const void *data)
{
	struct coalesced_zones *zones = srcu_dereference(c->zones, &vm->srcu);
	unsigned int i;
	int err;

	if (!zones || !len || len > 8)
		return -EOPNOTSUPP;
	for (i = 0; i < zones->nr; i++)
		if (in_zone(&zones->z[i], space, addr, len))
			break;
	if (i == zones->nr)
		return -EOPNOTSUPP;
	spin_lock(&c->lock);
	err = ring_put(c, space, addr, len, data);
	spin_unlock(&c->lock);
	return err;
}
