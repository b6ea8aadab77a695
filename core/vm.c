// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of a virtual machine.  The VM fd and every vCPU fd hold one reference
 * each; the last one out frees it all.  vCPUs stay until then, so that others may
 * look at vm->vcpus without a lock.
 */
#include <linux/err.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "core/iobus.h"
#include "core/irq.h"
#include "core/msr.h"
#include "core/msr_filter.h"
#include "core/vcpu.h"
#include "core/vm.h"
#include "mmu/mmu.h"

static DEFINE_MUTEX(vms_lock);
static LIST_HEAD(vms);		/* under vms_lock */

static int create_parts(struct nestor_vm *vm)
{
	int ret;

	ret = pvclock_vm_create(vm);
	if (ret)
		return ret;
	ret = io_bus_create(vm);
	if (ret)
		goto no_bus;
	ret = mmu_vm_create(vm);
	if (ret)
		goto no_mmu;
	return 0;

no_mmu:
	io_bus_destroy(vm);
no_bus:
	pvclock_vm_destroy(vm);
	return ret;
}

struct nestor_vm *vm_create(void)
{
	struct nestor_vm *vm;
	int ret;

	/* The caller's file pins the module already; the VM outlives that file. */
	__module_get(THIS_MODULE);
	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm) {
		ret = -ENOMEM;
		goto no_vm;
	}
	kref_init(&vm->ref);
	mutex_init(&vm->lock);
	vm->nested = nestor_nested;
	vm->mm = current->mm;
	mmgrab(vm->mm);
	ret = init_srcu_struct(&vm->srcu);
	if (ret)
		goto no_srcu;
	ret = create_parts(vm);
	if (ret)
		goto no_parts;
	mutex_lock(&vms_lock);
	list_add_tail(&vm->list, &vms);
	mutex_unlock(&vms_lock);
	return vm;

no_parts:
	cleanup_srcu_struct(&vm->srcu);
no_srcu:
	mmdrop(vm->mm);
	kfree(vm);
no_vm:
	module_put(THIS_MODULE);
	return ERR_PTR(ret);
}

void vm_get(struct nestor_vm *vm)
{
	kref_get(&vm->ref);
}

static void vm_free(struct kref *ref)
{
	struct nestor_vm *vm = container_of(ref, struct nestor_vm, ref);
	int i;

	mutex_lock(&vms_lock);
	list_del(&vm->list);
	mutex_unlock(&vms_lock);
	/*
	 * From the outside in: first what can call on vCPUs (eventfds, the PIT's
	 * timer, the host's memory management), then the vCPUs, then what they use.
	 */
	irqchip_destroy(vm);
	mmu_vm_stop(vm);
	for (i = 0; i < vm->nr_vcpus; i++)
		vcpu_destroy(vm->vcpus[i]);
	io_bus_destroy(vm);
	mmu_vm_destroy(vm);
	pvclock_vm_destroy(vm);
	msr_filter_free(vm);
	cleanup_srcu_struct(&vm->srcu);
	mmdrop(vm->mm);
	kfree(vm);
	module_put(THIS_MODULE);
}

void vm_put(struct nestor_vm *vm)
{
	kref_put(&vm->ref, vm_free);
}

int vm_for_all(int (*fn)(struct nestor_vm *vm, void *data), void *data)
{
	struct nestor_vm *vm;
	int ret = 0;

	mutex_lock(&vms_lock);
	list_for_each_entry(vm, &vms, list) {
		ret = fn(vm, data);
		if (ret)
			break;
	}
	mutex_unlock(&vms_lock);
	return ret;
}

struct nestor_vcpu *vm_vcpu_by_id(struct nestor_vm *vm, u32 id)
{
	struct nestor_vcpu *vcpu;
	int i;

	/* Almost always the index is the id. */
	if (id < vm_nr_vcpus(vm) && vm->vcpus[id]->id == id)
		return vm->vcpus[id];
	vm_for_each_vcpu(i, vcpu, vm)
		if (vcpu->id == id)
			return vcpu;
	return NULL;
}
