// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/nestor, and by request /dev/kvm: what the module can do, and making VMs.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "core/cpuid.h"
#include "core/fpu.h"
#include "core/msr.h"
#include "ioctl/ioctl.h"

static int get_cpuid(struct kvm_cpuid2 __user *user, bool emulated)
{
	struct kvm_cpuid_entry2 *entries;
	struct kvm_cpuid2 head;
	u32 nr;
	int ret = 0;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (!head.nent)
		return -E2BIG;
	nr = min_t(u32, head.nent, NESTOR_MAX_CPUID_ENTRIES);
	entries = kvcalloc(nr, sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return -ENOMEM;
	/* Nothing beyond the supported leaves is emulated. */
	if (emulated)
		nr = 0;
	else
		ret = cpuid_supported(entries, &nr);
	if (!ret && copy_to_user(user->entries, entries, nr * sizeof(*entries)))
		ret = -EFAULT;
	if (!ret && put_user(nr, &user->nent))
		ret = -EFAULT;
	kvfree(entries);
	return ret;
}

static int get_msr_list(struct kvm_msr_list __user *user, const u32 *list, u32 nr)
{
	u32 room;

	if (get_user(room, &user->nmsrs))
		return -EFAULT;
	if (put_user(nr, &user->nmsrs))
		return -EFAULT;
	if (room < nr)
		return -E2BIG;
	return copy_to_user(user->indices, list, nr * sizeof(*list)) ? -EFAULT : 0;
}

/* Feature MSRs; the number of entries that could be read, as KVM_GET_MSRS of a vCPU. */
static int get_feature_msrs(struct kvm_msrs __user *user)
{
	struct kvm_msr_entry e;
	struct kvm_msrs head;
	u32 i;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nmsrs > NESTOR_MAX_IO_MSRS)
		return -E2BIG;
	for (i = 0; i < head.nmsrs; i++) {
		if (copy_from_user(&e, &user->entries[i], sizeof(e)))
			return -EFAULT;
		if (msr_feature_get(e.index, &e.data))
			break;
		if (copy_to_user(&user->entries[i], &e, sizeof(e)))
			return -EFAULT;
	}
	return i;
}

/* Attributes of the device as a whole; KVM_X86_XCOMP_GUEST_SUPP: XCR0 bits that a VM may have. */
static int device_attr(void __user *user, bool get)
{
	struct kvm_device_attr a;
	u64 val;

	if (copy_from_user(&a, user, sizeof(a)))
		return -EFAULT;
	if (a.flags)
		return -EINVAL;
	if (a.group || a.attr != KVM_X86_XCOMP_GUEST_SUPP)
		return -ENXIO;
	if (!get)
		return 0;
	val = fpu_supported_xcr0();
	return copy_to_user(u64_to_user_ptr(a.addr), &val, sizeof(val)) ? -EFAULT : 0;
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *argp = (void __user *)arg;
	const u32 *list;
	u64 mce_cap;
	u32 nr;

	switch (cmd) {
	case KVM_GET_API_VERSION:
		return arg ? -EINVAL : KVM_API_VERSION;
	case KVM_CREATE_VM:
		return vm_open(arg);
	case KVM_CHECK_EXTENSION:
		return check_extension(NULL, arg);
	case KVM_GET_VCPU_MMAP_SIZE:
		return arg ? -EINVAL : (long)(NESTOR_VCPU_PAGES * PAGE_SIZE);
	case KVM_GET_SUPPORTED_CPUID:
		return get_cpuid(argp, false);
	case KVM_GET_EMULATED_CPUID:
		return get_cpuid(argp, true);
	case KVM_GET_MSR_INDEX_LIST:
		list = msr_index_list(&nr);
		return get_msr_list(argp, list, nr);
	case KVM_GET_MSR_FEATURE_INDEX_LIST:
		list = msr_feature_index_list(&nr);
		return get_msr_list(argp, list, nr);
	case KVM_GET_MSRS:
		return get_feature_msrs(argp);
	case KVM_HAS_DEVICE_ATTR:
		return device_attr(argp, false);
	case KVM_GET_DEVICE_ATTR:
		return device_attr(argp, true);
	case KVM_X86_GET_MCE_CAP_SUPPORTED:
		mce_cap = NESTOR_MCE_CAP;
		return copy_to_user(argp, &mce_cap, sizeof(mce_cap)) ? -EFAULT : 0;
	}
	return -ENOTTY;
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice nestor_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "nestor",
	.fops = &device_fops,
};

static struct miscdevice alias_device = {
	.minor = KVM_MINOR,
	.name = "kvm",
	.fops = &device_fops,
	.mode = 0666,
};

static bool alias_registered;

static int register_alias(void)
{
	int ret = misc_register(&alias_device);

	if (ret == -EBUSY || ret == -EEXIST) {
		pr_err("/dev/kvm is another module's already; unload kvm (rmmod kvm_amd kvm_intel kvm) or load without kvm_alias=1\n");
		return -EEXIST;
	}
	alias_registered = !ret;
	return ret;
}

int ioctl_register(bool kvm_alias)
{
	int ret;

	/* The alias first: nobody can have opened anything when it is refused. */
	if (kvm_alias) {
		ret = register_alias();
		if (ret)
			return ret;
	}
	ret = misc_register(&nestor_device);
	if (ret && alias_registered) {
		misc_deregister(&alias_device);
		alias_registered = false;
	}
	return ret;
}

void ioctl_unregister(void)
{
	misc_deregister(&nestor_device);
	if (alias_registered)
		misc_deregister(&alias_device);
	alias_registered = false;
}
