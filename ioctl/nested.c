// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_NESTED_STATE and KVM_SET_NESTED_STATE: what a VMM saves of the extension
 * itself, beside the registers.  The frontend reads and checks a copy in the kernel.
 */
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>

#include "core/nested_ops.h"
#include "ioctl/ioctl.h"

#define STATE_FLAGS	(KVM_STATE_NESTED_GUEST_MODE | KVM_STATE_NESTED_RUN_PENDING | \
			 KVM_STATE_NESTED_GIF_SET | KVM_STATE_NESTED_MTF_PENDING)
#define L2_FLAGS	(KVM_STATE_NESTED_RUN_PENDING | KVM_STATE_NESTED_MTF_PENDING)

int nested_state_max(const struct nestor_vm *vm)
{
	return nested->state_size ? sizeof(struct kvm_nested_state) + nested->state_size : 0;
}

static struct kvm_nested_state *new_state(void)
{
	return kvzalloc(nested_state_max(NULL), GFP_KERNEL_ACCOUNT);
}

static int get_state(struct nestor_vcpu *vcpu, struct kvm_nested_state __user *user)
{
	struct kvm_nested_state *s;
	int ret, idx;
	u32 room;

	if (get_user(room, &user->size))
		return -EFAULT;
	if (room < sizeof(*s) || !nested->state_size)
		return -EINVAL;
	s = new_state();
	if (!s)
		return -ENOMEM;
	idx = srcu_read_lock(&vcpu->vm->srcu);
	ret = nested->get_state(vcpu, s);
	srcu_read_unlock(&vcpu->vm->srcu, idx);
	if (!ret && s->size > room)
		ret = put_user(s->size, &user->size) ? -EFAULT : -E2BIG;
	if (!ret && copy_to_user(user, s, s->size))
		ret = -EFAULT;
	kvfree(s);
	return ret;
}

static int set_state(struct nestor_vcpu *vcpu, struct kvm_nested_state __user *user)
{
	struct kvm_nested_state *s;
	int ret, idx;
	u32 size;

	if (get_user(size, &user->size))
		return -EFAULT;
	if (size < sizeof(*s) || !nested->state_size)
		return -EINVAL;
	s = new_state();
	if (!s)
		return -ENOMEM;
	ret = -EFAULT;
	size = min_t(u32, size, nested_state_max(NULL));
	if (copy_from_user(s, user, size))
		goto out;
	/* The size that was checked, whatever is there by now. */
	s->size = size;
	ret = -EINVAL;
	if ((s->flags & ~STATE_FLAGS) ||
	    ((s->flags & L2_FLAGS) && !(s->flags & KVM_STATE_NESTED_GUEST_MODE)))
		goto out;
	idx = srcu_read_lock(&vcpu->vm->srcu);
	ret = nested->set_state(vcpu, s);
	srcu_read_unlock(&vcpu->vm->srcu, idx);
out:
	kvfree(s);
	return ret;
}

long vcpu_nested_ioctl(struct nestor_vcpu *vcpu, unsigned int cmd, void __user *argp)
{
	switch (cmd) {
	case KVM_GET_NESTED_STATE:
		return get_state(vcpu, argp);
	case KVM_SET_NESTED_STATE:
		return set_state(vcpu, argp);
	}
	return -ENOIOCTLCMD;
}
