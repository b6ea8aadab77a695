/* SPDX-License-Identifier: GPL-2.0-only */
/* MMIO and port accesses that end in the kernel: in-kernel devices, ioeventfd, coalesced MMIO. */
#ifndef NESTOR_CORE_IOBUS_H
#define NESTOR_CORE_IOBUS_H

#include <linux/kvm.h>
#include <linux/list.h>

#include "core/vcpu.h"

enum io_space { IO_PORT, IO_MMIO };

/**
 * struct io_dev - a device on a bus
 * @addr: first address; @len: length in bytes
 * @read: 0 when it took the access, -EOPNOTSUPP to pass it on; -EBUSY, with vcpu->atomic set only,
 *	when it would have to sleep.  Nothing has changed but for 0.
 * @write: the same
 * @destroy: the VM ends; frees the device
 * @any_len: a write of any length at @addr is taken whatever its data (io_bus_fast_mmio)
 * No hook is NULL.
 * Called with vm->srcu held, by any vCPU thread; the device locks itself.
 */
struct io_dev {
	u64 addr;
	u64 len;
	int (*read)(struct io_dev *dev, struct nestor_vcpu *vcpu, u64 addr, unsigned int len, void *data);
	int (*write)(struct io_dev *dev, struct nestor_vcpu *vcpu, u64 addr, unsigned int len,
		     const void *data);
	void (*destroy)(struct io_dev *dev);
	bool any_len;
};

struct page;

int io_bus_create(struct nestor_vm *vm);		/* -ENOMEM */
void io_bus_destroy(struct nestor_vm *vm);		/* calls destroy of each device */
/* io_bus_add() - -ENOSPC when the bus is full, -ENOMEM; sleeps */
int io_bus_add(struct nestor_vm *vm, enum io_space space, struct io_dev *dev);
/* io_bus_remove() - on return nobody uses @dev any more; cannot fail; sleeps, vm->srcu not held */
void io_bus_remove(struct nestor_vm *vm, enum io_space space, struct io_dev *dev);
/* 0: done in the kernel; -EOPNOTSUPP: the VMM's; -EBUSY: nothing was done, ask without vcpu->atomic */
int io_bus_read(struct nestor_vcpu *vcpu, enum io_space space, u64 addr, unsigned int len, void *data);
int io_bus_write(struct nestor_vcpu *vcpu, enum io_space space, u64 addr, unsigned int len,
		 const void *data);
/*
 * io_bus_fast_mmio() - a write at @gpa whose length and data are not known yet: true
 * when a device took it all the same, so that the instruction has only to be skipped
 */
bool io_bus_fast_mmio(struct nestor_vcpu *vcpu, u64 gpa);
/* coalesced_page() - the ring, mapped at KVM_COALESCED_MMIO_PAGE_OFFSET of every vCPU; lives as long as the VM */
struct page *coalesced_page(struct nestor_vm *vm);
/* For core/ioeventfd.c: the bus keeps its list */
struct list_head *io_bus_lock_ioeventfds(struct nestor_vm *vm);
void io_bus_unlock_ioeventfds(struct nestor_vm *vm);
/* KVM_IOEVENTFD: -EINVAL, -EEXIST, -ENOENT (deassign), -EBADF, -ENOSPC, -ENOMEM */
int ioeventfd_ioctl(struct nestor_vm *vm, const struct kvm_ioeventfd *args);
int coalesced_register(struct nestor_vm *vm, const struct kvm_coalesced_mmio_zone *z);
int coalesced_unregister(struct nestor_vm *vm, const struct kvm_coalesced_mmio_zone *z);

#endif
