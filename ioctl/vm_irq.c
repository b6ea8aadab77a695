// SPDX-License-Identifier: GPL-2.0-only
/* VM ioctls of interrupt controllers, interrupt lines, eventfds and coalesced MMIO. */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "core/iobus.h"
#include "core/irq.h"
#include "ioctl/ioctl.h"

static int create_irqchip(struct nestor_vm *vm)
{
	int ret;

	mutex_lock(&vm->lock);
	ret = irqchip_create(vm);
	mutex_unlock(&vm->lock);
	return ret;
}

static int create_pit(struct nestor_vm *vm, void __user *argp)
{
	struct kvm_pit_config cfg;
	int ret;

	if (copy_from_user(&cfg, argp, sizeof(cfg)))
		return -EFAULT;
	mutex_lock(&vm->lock);
	ret = pit_create(vm, &cfg);
	mutex_unlock(&vm->lock);
	return ret;
}

static int get_irqchip(struct nestor_vm *vm, void __user *argp)
{
	struct kvm_irqchip *chip = memdup_user(argp, sizeof(*chip));
	int ret;

	if (IS_ERR(chip))
		return PTR_ERR(chip);
	ret = irqchip_get(vm, chip);
	if (!ret && copy_to_user(argp, chip, sizeof(*chip)))
		ret = -EFAULT;
	kfree(chip);
	return ret;
}

static int set_irqchip(struct nestor_vm *vm, void __user *argp)
{
	struct kvm_irqchip *chip = memdup_user(argp, sizeof(*chip));
	int ret;

	if (IS_ERR(chip))
		return PTR_ERR(chip);
	ret = irqchip_set(vm, chip);
	kfree(chip);
	return ret;
}

static int get_pit(struct nestor_vm *vm, void __user *argp)
{
	struct kvm_pit_state2 s = { };
	int ret = pit_get(vm, &s);

	if (!ret && copy_to_user(argp, &s, sizeof(s)))
		ret = -EFAULT;
	return ret;
}

static int set_pit(struct nestor_vm *vm, void __user *argp)
{
	struct kvm_pit_state2 s;

	if (copy_from_user(&s, argp, sizeof(s)))
		return -EFAULT;
	return pit_set(vm, &s);
}

static int reinject_control(struct nestor_vm *vm, void __user *argp)
{
	struct kvm_reinject_control c;

	if (copy_from_user(&c, argp, sizeof(c)))
		return -EFAULT;
	if (memchr_inv(c.reserved, 0, sizeof(c.reserved)))
		return -EINVAL;
	return pit_reinject(vm, c.pit_reinject);
}

static int set_line(struct nestor_vm *vm, void __user *argp)
{
	struct kvm_irq_level l;
	int ret;

	if (copy_from_user(&l, argp, sizeof(l)))
		return -EFAULT;
	ret = irq_line(vm, l.irq, l.level);
	return ret < 0 ? ret : 0;
}

static int set_line_status(struct nestor_vm *vm, void __user *argp)
{
	struct kvm_irq_level l;
	int ret, status = 0;

	if (copy_from_user(&l, argp, sizeof(l)))
		return -EFAULT;
	ret = irq_line_status(vm, l.irq, l.level, &status);
	if (ret < 0)
		return ret;
	l.status = status;
	return copy_to_user(argp, &l, sizeof(l)) ? -EFAULT : 0;
}

static int set_routing(struct nestor_vm *vm, struct kvm_irq_routing __user *user)
{
	struct kvm_irq_routing_entry *e = NULL;
	struct kvm_irq_routing head;
	int ret;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.flags || head.nr > NESTOR_MAX_IRQ_ROUTES)
		return -EINVAL;
	if (head.nr) {
		e = vmemdup_user(user->entries, head.nr * sizeof(*e));
		if (IS_ERR(e))
			return PTR_ERR(e);
	}
	ret = irq_set_routing(vm, e, head.nr);
	kvfree(e);
	return ret;
}

static int signal_msi(struct nestor_vm *vm, void __user *argp)
{
	struct kvm_msi msi;

	if (copy_from_user(&msi, argp, sizeof(msi)))
		return -EFAULT;
	return irq_signal_msi(vm, &msi);
}

static int irqfd(struct nestor_vm *vm, void __user *argp)
{
	struct kvm_irqfd args;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	return irqfd_ioctl(vm, &args);
}

static int ioeventfd(struct nestor_vm *vm, void __user *argp)
{
	struct kvm_ioeventfd args;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	return ioeventfd_ioctl(vm, &args);
}

static int coalesced(struct nestor_vm *vm, void __user *argp, bool add)
{
	struct kvm_coalesced_mmio_zone zone;

	if (copy_from_user(&zone, argp, sizeof(zone)))
		return -EFAULT;
	return add ? coalesced_register(vm, &zone) : coalesced_unregister(vm, &zone);
}

long vm_irq_ioctl(struct nestor_vm *vm, unsigned int cmd, void __user *argp)
{
	switch (cmd) {
	case KVM_CREATE_IRQCHIP:
		return create_irqchip(vm);
	case KVM_GET_IRQCHIP:
		return get_irqchip(vm, argp);
	case KVM_SET_IRQCHIP:
		return set_irqchip(vm, argp);
	case KVM_CREATE_PIT2:
		return create_pit(vm, argp);
	case KVM_GET_PIT2:
		return get_pit(vm, argp);
	case KVM_SET_PIT2:
		return set_pit(vm, argp);
	case KVM_REINJECT_CONTROL:
		return reinject_control(vm, argp);
	case KVM_IRQ_LINE:
		return set_line(vm, argp);
	case KVM_IRQ_LINE_STATUS:
		return set_line_status(vm, argp);
	case KVM_SET_GSI_ROUTING:
		return set_routing(vm, argp);
	case KVM_SIGNAL_MSI:
		return signal_msi(vm, argp);
	case KVM_IRQFD:
		return irqfd(vm, argp);
	case KVM_IOEVENTFD:
		return ioeventfd(vm, argp);
	case KVM_REGISTER_COALESCED_MMIO:
		return coalesced(vm, argp, true);
	case KVM_UNREGISTER_COALESCED_MMIO:
		return coalesced(vm, argp, false);
	}
	return -ENOIOCTLCMD;
}
