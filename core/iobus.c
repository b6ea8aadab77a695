// SPDX-License-Identifier: GPL-2.0-only
/*
 * The port and MMIO buses.
 *
 * A bus is an immutable array sorted by address, published under vm->srcu.
 * Ranges may overlap (several ioeventfds at one address differ by the data
 * they match), so each entry also carries the largest end of all entries up to
 * it: that grows along the array, and a binary search over it finds the first
 * entry that can reach an address.  Adding makes a new array; removing only
 * empties the device pointer of its entry, so that it cannot fail.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "core/coalesced.h"
#include "core/iobus.h"

#define IO_BUS_MAX	1000

struct io_entry {
	u64 addr, end;
	u64 max_end;
	struct io_dev *dev;
};

struct io_table {
	unsigned int nr;
	struct io_entry e[];
};

/*
 * tab: readers hold vm->srcu, writers lock.  vm_wait_readers() is called
 * inside both locks, so they must not be taken with vm->srcu held.
 * ioeventfds: list of core/ioeventfd.c under ioeventfd_lock, outside lock.
 */
struct io_bus {
	struct mutex lock;
	struct io_table __rcu *tab[2];
	struct mutex ioeventfd_lock;
	struct list_head ioeventfds;
	struct coalesced coalesced;
};

int io_bus_create(struct nestor_vm *vm)
{
	struct io_bus *bus = kzalloc(sizeof(*bus), GFP_KERNEL_ACCOUNT);
	int err;

	if (!bus)
		return -ENOMEM;
	mutex_init(&bus->lock);
	mutex_init(&bus->ioeventfd_lock);
	INIT_LIST_HEAD(&bus->ioeventfds);
	err = coalesced_init(&bus->coalesced);
	if (err) {
		kfree(bus);
		return err;
	}
	vm->bus = bus;
	return 0;
}

void io_bus_destroy(struct nestor_vm *vm)
{
	struct io_bus *bus = vm->bus;
	unsigned int space, i;

	if (!bus)
		return;
	for (space = 0; space < 2; space++) {
		struct io_table *tab = rcu_dereference_protected(bus->tab[space], 1);

		for (i = 0; tab && i < tab->nr; i++)
			if (tab->e[i].dev)
				tab->e[i].dev->destroy(tab->e[i].dev);
		kvfree(tab);
	}
	coalesced_exit(&bus->coalesced);
	kfree(bus);
	vm->bus = NULL;
}

static struct io_table *bus_table(struct io_bus *bus, enum io_space space)
{
	return rcu_dereference_protected(bus->tab[space], lockdep_is_held(&bus->lock));
}

static void put_entry(struct io_table *tab, u64 addr, u64 end, struct io_dev *dev)
{
	struct io_entry *e = &tab->e[tab->nr++];

	e->addr = addr;
	e->end = end;
	e->max_end = e == tab->e ? end : max(end, e[-1].max_end);
	e->dev = dev;
}

/* A copy of @old with @dev at its place and without the emptied entries. */
static struct io_table *table_with(const struct io_table *old, struct io_dev *dev)
{
	unsigned int i, nr = 0;
	struct io_table *tab;
	bool done = false;

	for (i = 0; old && i < old->nr; i++)
		nr += !!old->e[i].dev;
	if (nr >= IO_BUS_MAX)
		return ERR_PTR(-ENOSPC);
	tab = kvzalloc(struct_size(tab, e, nr + 1), GFP_KERNEL_ACCOUNT);
	if (!tab)
		return ERR_PTR(-ENOMEM);
	for (i = 0; old && i < old->nr; i++) {
		const struct io_entry *e = &old->e[i];

		if (!done && dev->addr < e->addr) {
			put_entry(tab, dev->addr, dev->addr + dev->len, dev);
			done = true;
		}
		if (e->dev)
			put_entry(tab, e->addr, e->end, e->dev);
	}
	if (!done)
		put_entry(tab, dev->addr, dev->addr + dev->len, dev);
	return tab;
}

int io_bus_add(struct nestor_vm *vm, enum io_space space, struct io_dev *dev)
{
	struct io_bus *bus = vm->bus;
	struct io_table *old, *tab;

	if (!dev->len || dev->addr + dev->len < dev->addr)
		return -EINVAL;
	mutex_lock(&bus->lock);
	old = bus_table(bus, space);
	tab = table_with(old, dev);
	if (IS_ERR(tab)) {
		mutex_unlock(&bus->lock);
		return PTR_ERR(tab);
	}
	rcu_assign_pointer(bus->tab[space], tab);
	vm_wait_readers(vm);
	mutex_unlock(&bus->lock);
	kvfree(old);
	return 0;
}

void io_bus_remove(struct nestor_vm *vm, enum io_space space, struct io_dev *dev)
{
	struct io_bus *bus = vm->bus;
	struct io_table *tab;
	unsigned int i;

	mutex_lock(&bus->lock);
	tab = bus_table(bus, space);
	for (i = 0; tab && i < tab->nr; i++)
		if (tab->e[i].dev == dev)
			WRITE_ONCE(tab->e[i].dev, NULL);
	vm_wait_readers(vm);
	mutex_unlock(&bus->lock);
}

/* First entry that may reach @addr. */
static unsigned int first_entry(const struct io_table *tab, u64 addr)
{
	unsigned int lo = 0, hi = tab->nr;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;

		if (tab->e[mid].max_end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct io_table *get_table(struct nestor_vm *vm, enum io_space space)
{
	return srcu_dereference(vm->bus->tab[space], &vm->srcu);
}

/* Walk the devices that cover [addr, addr + len) wholly. */
#define for_each_dev(i, d, tab, a, l)						\
	for ((i) = first_entry(tab, a); (i) < (tab)->nr && (tab)->e[i].addr <= (a); (i)++) \
		if ((l) <= (tab)->e[i].end - (a) && (tab)->e[i].end > (a) &&	\
		    ((d) = READ_ONCE((tab)->e[i].dev)) != NULL)

int io_bus_read(struct nestor_vcpu *vcpu, enum io_space space, u64 addr, unsigned int len, void *data)
{
	struct io_table *tab = get_table(vcpu->vm, space);
	struct io_dev *dev;
	unsigned int i;
	int r;

	if (!tab || addr + len < addr)
		return -EOPNOTSUPP;
	for_each_dev(i, dev, tab, addr, len) {
		r = dev->read(dev, vcpu, addr, len, data);
		if (r != -EOPNOTSUPP)
			return r;
	}
	return -EOPNOTSUPP;
}

int io_bus_write(struct nestor_vcpu *vcpu, enum io_space space, u64 addr, unsigned int len,
		 const void *data)
{
	struct nestor_vm *vm = vcpu->vm;
	struct io_table *tab = get_table(vm, space);
	struct io_dev *dev;
	unsigned int i;
	int r;

	if (addr + len < addr)
		return -EOPNOTSUPP;
	if (tab) {
		for_each_dev(i, dev, tab, addr, len) {
			r = dev->write(dev, vcpu, addr, len, data);
			if (r != -EOPNOTSUPP)
				return r;
		}
	}
	return coalesced_write(vm, &vm->bus->coalesced, space, addr, len, data);
}

bool io_bus_fast_mmio(struct nestor_vcpu *vcpu, u64 gpa)
{
	struct io_table *tab = get_table(vcpu->vm, IO_MMIO);
	struct io_dev *dev;
	unsigned int i;
	u64 none = 0;

	if (!tab)
		return false;
	for_each_dev(i, dev, tab, gpa, 1)
		if (dev->any_len && dev->addr == gpa && !dev->write(dev, vcpu, gpa, 1, &none))
			return true;
	return false;
}

struct page *coalesced_page(struct nestor_vm *vm)
{
	return vm->bus->coalesced.page;
}

struct list_head *io_bus_lock_ioeventfds(struct nestor_vm *vm)
{
	mutex_lock(&vm->bus->ioeventfd_lock);
	return &vm->bus->ioeventfds;
}

void io_bus_unlock_ioeventfds(struct nestor_vm *vm)
{
	mutex_unlock(&vm->bus->ioeventfd_lock);
}

static int zone_change(struct nestor_vm *vm, const struct kvm_coalesced_mmio_zone *z,
		       int (*change)(struct nestor_vm *, struct coalesced *,
				     const struct kvm_coalesced_mmio_zone *))
{
	int err;

	if (z->pio > 1 || z->addr + z->size < z->addr)
		return -EINVAL;
	mutex_lock(&vm->bus->lock);
	err = change(vm, &vm->bus->coalesced, z);
	mutex_unlock(&vm->bus->lock);
	return err;
}

int coalesced_register(struct nestor_vm *vm, const struct kvm_coalesced_mmio_zone *z)
{
	return zone_change(vm, z, coalesced_add);
}

int coalesced_unregister(struct nestor_vm *vm, const struct kvm_coalesced_mmio_zone *z)
{
	return zone_change(vm, z, coalesced_del);
}
