/* SPDX-License-Identifier: GPL-2.0-only */
/* struct nestor_vm: one virtual machine, L1. */
#ifndef NESTOR_CORE_VM_H
#define NESTOR_CORE_VM_H

#include <linux/atomic.h>
#include <linux/kref.h>
#include <linux/kvm.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>

#include "core/types.h"

#define NESTOR_MAX_VCPUS	255

/* Module parameter "nested" (core/main.c): L1s see a virtualisation extension. */
extern bool nestor_nested;

struct nestor_vcpu;
struct nestor_mmu_vm;
struct io_bus;
struct irqchip;
struct vm_clock;
struct msr_filter;

/**
 * struct nestor_vm - one virtual machine
 * @ref: one for the VM fd, one for each vCPU fd; the last frees (vm_put)
 * @lock: serialises VM ioctls that change the VM's make-up
 * @mm: the VMM's address space; held by mmgrab for the VM's life. ioctls from
 *	another mm fail with -EIO
 * @srcu: readers of memory slots, buses and routing; held across a vCPU's run
 *	outside blocking, also while the guest runs, unless somebody waits
 * @writers: how many wait for readers of @srcu (vm_wait_readers)
 * @vcpus: by index, filled from the front under @lock, never removed before the end
 * @nr_vcpus: how many; read with smp_load_acquire
 * @mmu: memory slots, L0's second-level table (mmu/)
 * @cpu_log: the CPU logs writes to L0's table (hw_caps.pml); set once, with slots_lock held
 * @mmu_smm: the same for processors in system-management mode (address space 1); NULL
 *	until there is a slot in it or a processor enters SMM
 * @bus: in-kernel MMIO and port devices, ioeventfds (core/iobus.c)
 * @irqchip: PIC, I/O APIC, routing; NULL without in-kernel irqchip
 * @lapic_in_kernel: in-kernel local APICs (full or split irqchip)
 * @split: KVM_CAP_SPLIT_IRQCHIP: I/O APIC and PIC are the VMM's
 * @x2apic_api: KVM_X2APIC_API_* flags of KVM_CAP_X2APIC_API; set before vCPUs run
 * @clock: kvmclock (core/pvclock.c)
 * @nested: hardware virtualisation is offered to this VM (module parameter, then per VM)
 * @dead: a host invariant broke; every KVM_RUN answers -EIO
 * @disabled_exits: KVM_X86_DISABLE_EXITS_* the VMM enabled
 * @tsc_khz: TSC frequency that L1 sees
 * @max_id: KVM_CAP_MAX_VCPU_ID, 0 until it is set: vCPU ids are below this
 * @disabled_quirks: KVM_X86_QUIRK_* that the VMM turned off
 * @mmu_pages: KVM_SET_NR_MMU_PAGES: shadow tables that a vCPU may have; 0: as many as there are for one
 * @msr_exits: KVM_MSR_EXIT_REASON_* for which a refused MSR access goes to the VMM
 * @msr_filter: KVM_X86_SET_MSR_FILTER, or NULL; under @srcu, replaced under @lock
 * @bsp_id: id of the boot processor (KVM_SET_BOOT_CPU_ID)
 * @exception_payload: KVM_CAP_EXCEPTION_PAYLOAD is on
 * @triple_fault_event: KVM_CAP_X86_TRIPLE_FAULT_EVENT is on
 * @list: in the list of all VMs (core/vm.c)
 * @debugfs: this VM's directory
 */
struct nestor_vm {
	struct kref ref;
	struct mutex lock;
	struct mm_struct *mm;
	struct srcu_struct srcu;
	atomic_t writers;
	struct nestor_vcpu *vcpus[NESTOR_MAX_VCPUS];
	int nr_vcpus;

	struct nestor_mmu_vm *mmu, *mmu_smm;
	bool cpu_log;
	struct io_bus *bus;
	struct irqchip *irqchip;
	bool lapic_in_kernel;
	bool split;
	u64 x2apic_api;
	struct vm_clock *clock;
	bool nested;
	bool dead;
	u64 disabled_exits;
	u64 tsc_khz;
	u32 bsp_id;
	u32 max_id;
	u64 disabled_quirks;
	u32 mmu_pages;
	u32 msr_exits;
	struct msr_filter __rcu *msr_filter;
	bool exception_payload, triple_fault_event;
	struct list_head list;
	struct dentry *debugfs;
};

/** vm_create() - a VM of the current process; ERR_PTR(-errno).  Takes a module reference. */
struct nestor_vm *vm_create(void);
void vm_get(struct nestor_vm *vm);
void vm_put(struct nestor_vm *vm);

static inline int vm_nr_vcpus(struct nestor_vm *vm)
{
	return smp_load_acquire(&vm->nr_vcpus);
}

#define vm_for_each_vcpu(i, vcpu, vm) \
	for ((i) = 0; (i) < vm_nr_vcpus(vm) && ((vcpu) = (vm)->vcpus[i]); (i)++)

/** vm_for_all() - call @fn for every VM under the list's mutex, until it returns non-zero */
int vm_for_all(int (*fn)(struct nestor_vm *vm, void *data), void *data);

/** vm_vcpu_by_id() - the vCPU with APIC id/vCPU id @id, or NULL */
struct nestor_vcpu *vm_vcpu_by_id(struct nestor_vm *vm, u32 id);

/*
 * vm_request_all() - make request @req on every vCPU and kick them.  With
 * @wait, return only when no vCPU is inside the guest with older state.
 * Callable under a spinlock, with interrupts on.
 */
void vm_request_all(struct nestor_vm *vm, unsigned int req, bool wait);

/*
 * vm_wait_readers() - return when nobody uses what readers of vm->srcu found before; sleeps.  vCPUs
 * are made to leave the guest, and let go of vm->srcu around each entry meanwhile.
 */
void vm_wait_readers(struct nestor_vm *vm);

/* vm_flush_tlbs() - every vCPU drops its L1 and L2 translations; returns after no CPU uses old ones */
void vm_flush_tlbs(struct nestor_vm *vm);

#endif
