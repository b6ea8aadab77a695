// SPDX-License-Identifier: GPL-2.0-only
/*
 * The irqchip of a VM: creation, the VMM's view of it, and its end.
 *
 * Lock order, outermost first; "any" may be taken in hard interrupt context
 * with interrupts off:
 *
 *	vm->lock			VM ioctls
 *	vcpu->lock			vCPU ioctls
 *	irqfd.lock			assigning and removing irqfds
 *	route_lock			writers of the routing table
 *	    vm_wait_readers()	never with vm->srcu held
 *	bus->lock			writers of the buses
 *	    vm_wait_readers()
 *	vm->srcu (read)		any	readers of buses, routing, resamplers
 *	pit->lock			the PIT's ports; hrtimer_cancel() inside
 *	wait queue of an eventfd any	taken by eventfd_signal() and its wakers
 *	irqfd.list_lock		any
 *	pic->lock		any
 *	ioapic->lock		any
 *	pit->tick_lock		any
 *
 * The local APICs have no lock.  Nothing is called out to with pic->lock or
 * ioapic->lock held except delivery to local APICs; in particular eventfds are
 * signalled after both are let go, for an eventfd may itself be an irqfd.
 */
#include <linux/slab.h>

#include "core/irqchip.h"

static struct irqchip *chip_alloc(struct nestor_vm *vm)
{
	struct irqchip *chip;

	lockdep_assert_held(&vm->lock);
	if (vm->irqchip)
		return ERR_PTR(-EEXIST);
	/* A vCPU gets its local APIC, or none, when it is created. */
	if (vm_nr_vcpus(vm))
		return ERR_PTR(-EINVAL);
	chip = kzalloc(sizeof(*chip), GFP_KERNEL_ACCOUNT);
	if (!chip)
		return ERR_PTR(-ENOMEM);
	mutex_init(&chip->route_lock);
	irqfd_init(chip);
	return chip;
}

int irqchip_create(struct nestor_vm *vm)
{
	struct irqchip *chip = chip_alloc(vm);
	int err;

	if (IS_ERR(chip))
		return PTR_ERR(chip);
	err = pic_create(vm, chip);
	if (!err)
		err = ioapic_create(vm, chip);
	/* Other VM ioctls look at it without vm->lock from here on. */
	smp_store_release(&vm->irqchip, chip);
	if (!err)
		err = route_default(vm, false);
	if (err) {
		irqchip_destroy(vm);
		return err;
	}
	vm->lapic_in_kernel = true;
	return 0;
}

int irqchip_split(struct nestor_vm *vm, u32 pins)
{
	struct irqchip *chip;
	int err;

	if (pins > NESTOR_MAX_IRQ_ROUTES)
		return -EINVAL;
	chip = chip_alloc(vm);
	if (IS_ERR(chip))
		return PTR_ERR(chip);
	chip->split_pins = pins;
	vm->split = true;
	smp_store_release(&vm->irqchip, chip);
	err = route_default(vm, true);
	if (err) {
		vm->split = false;
		irqchip_destroy(vm);
		return err;
	}
	vm->lapic_in_kernel = true;
	return 0;
}

/* No vCPU runs and no ioctl is under way. */
void irqchip_destroy(struct nestor_vm *vm)
{
	struct irqchip *chip = vm->irqchip;

	if (!chip)
		return;
	irqfd_release_all(vm);
	pit_destroy(vm);
	ioapic_destroy(vm, chip);
	pic_destroy(vm, chip);
	kvfree(rcu_dereference_protected(chip->routes, 1));
	vm->irqchip = NULL;
	kfree(chip);
}

int irqchip_get(struct nestor_vm *vm, struct kvm_irqchip *chip)
{
	struct irqchip *ic = vm->irqchip;
	u32 id = chip->chip_id;

	if (!ic || !ic->pic)
		return -ENXIO;
	memset(&chip->chip, 0, sizeof(chip->chip));
	switch (id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		pic_get_state(ic->pic, id, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		ioapic_get_state(ic->ioapic, &chip->chip.ioapic);
		return 0;
	default:
		return -EINVAL;
	}
}

int irqchip_set(struct nestor_vm *vm, const struct kvm_irqchip *chip)
{
	struct irqchip *ic = vm->irqchip;
	u32 id = chip->chip_id;
	int idx;

	if (!ic || !ic->pic)
		return -ENXIO;
	if (id > KVM_IRQCHIP_IOAPIC)
		return -EINVAL;
	/* A restored line may interrupt at once. */
	idx = srcu_read_lock(&vm->srcu);
	if (id == KVM_IRQCHIP_IOAPIC)
		ioapic_set_state(ic->ioapic, &chip->chip.ioapic);
	else
		pic_set_state(ic->pic, id, &chip->chip.pic);
	srcu_read_unlock(&vm->srcu, idx);
	return 0;
}

int irq_line_status(struct nestor_vm *vm, u32 gsi, int level, int *status)
{
	int idx;

	if (!vm->irqchip)
		return -ENXIO;
	idx = srcu_read_lock(&vm->srcu);
	*status = irq_set(vm, IRQ_SRC_USER, gsi, level);
	srcu_read_unlock(&vm->srcu, idx);
	return *status > 0;
}

int irq_line(struct nestor_vm *vm, u32 gsi, int level)
{
	int status;

	return irq_line_status(vm, gsi, level, &status);
}
