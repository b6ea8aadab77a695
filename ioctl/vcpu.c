// SPDX-License-Identifier: GPL-2.0-only
/* vCPU file descriptor: the shared pages, KVM_RUN, and the way to the other ioctls. */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/signal.h>
#include <linux/uaccess.h>

#include "core/iobus.h"
#include "ioctl/ioctl.h"
#include "mmu/mmu.h"

static vm_fault_t vcpu_fault(struct vm_fault *vmf)
{
	struct nestor_vcpu *vcpu = vmf->vma->vm_file->private_data;
	struct page *page;

	switch (vmf->pgoff) {
	case 0:
		page = virt_to_page(vcpu->kvm_run);
		break;
	case KVM_PIO_PAGE_OFFSET:
		page = virt_to_page(vcpu->pio_data);
		break;
	case KVM_COALESCED_MMIO_PAGE_OFFSET:
		page = coalesced_page(vcpu->vm);
		break;
	default:
		return VM_FAULT_SIGBUS;
	}
	get_page(page);
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_fault,
};

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	/* Writes have to reach the pages themselves, and only pages there are can be mapped. */
	if (!(vma->vm_flags & VM_SHARED) && (vma->vm_flags & VM_WRITE))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EINVAL;
	if (vma->vm_pgoff >= NESTOR_VCPU_PAGES ||
	    vma_pages(vma) > NESTOR_VCPU_PAGES - vma->vm_pgoff)
		return -EINVAL;
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

static int run_vcpu(struct nestor_vcpu *vcpu)
{
	u64 show = READ_ONCE(vcpu->kvm_run->kvm_valid_regs);
	int ret = sync_regs_in(vcpu, show);

	if (ret)
		return ret;
	ret = vcpu_run(vcpu);
	sync_regs_out(vcpu, show);
	return ret;
}

static int run(struct nestor_vcpu *vcpu)
{
	int ret;

	vcpu->has_run = true;
	/* The VMM unblocks its kick signal only while the vCPU runs. */
	if (vcpu->sigset_active)
		sigprocmask(SIG_SETMASK, &vcpu->sigset, &current->real_blocked);
	ret = run_vcpu(vcpu);
	if (vcpu->sigset_active) {
		sigprocmask(SIG_SETMASK, &current->real_blocked, NULL);
		sigemptyset(&current->real_blocked);
	}
	/*
	 * Task work has to be done on the way to user space, and the VMM is not to
	 * see it: the signal code restarts the call when it finds no signal.
	 */
	if (ret == -ERESTARTNOINTR)
		set_thread_flag(TIF_SIGPENDING);
	return ret;
}

static int set_signal_mask(struct nestor_vcpu *vcpu, struct kvm_signal_mask __user *user)
{
	struct kvm_signal_mask head;
	sigset_t set;

	if (!user) {
		vcpu->sigset_active = false;
		return 0;
	}
	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.len != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, user->sigset, sizeof(set)))
		return -EFAULT;
	sigdelsetmask(&set, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->sigset = set;
	vcpu->sigset_active = true;
	return 0;
}

static long locked_ioctl(struct nestor_vcpu *vcpu, unsigned int cmd, unsigned long arg)
{
	void __user *argp = (void __user *)arg;
	long ret;

	switch (cmd) {
	case KVM_RUN:
		return arg ? -EINVAL : run(vcpu);
	case KVM_SET_SIGNAL_MASK:
		return set_signal_mask(vcpu, argp);
	case KVM_GET_STATS_FD:
		return stats_fd_vcpu(vcpu);
	}
	ret = vcpu_regs_ioctl(vcpu, cmd, argp);
	if (ret == -ENOIOCTLCMD)
		ret = vcpu_state_ioctl(vcpu, cmd, argp);
	if (ret == -ENOIOCTLCMD)
		ret = vcpu_events_ioctl(vcpu, cmd, argp);
	if (ret == -ENOIOCTLCMD)
		ret = vcpu_nested_ioctl(vcpu, cmd, argp);
	return ret == -ENOIOCTLCMD ? -ENOTTY : ret;
}

static long vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct nestor_vcpu *vcpu = file->private_data;
	long ret;

	if (vcpu->vm->mm != current->mm)
		return -EIO;
	/* Another thread may be inside KVM_RUN for ever; a signal ends the wait. */
	if (mutex_lock_interruptible(&vcpu->lock))
		return -EINTR;
	mmu_outside(vcpu->vm);
	ret = locked_ioctl(vcpu, cmd, arg);
	mutex_unlock(&vcpu->lock);
	return ret;
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct nestor_vcpu *vcpu = file->private_data;

	vm_put(vcpu->vm);
	return 0;
}

const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vcpu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = vcpu_mmap,
	.release = vcpu_release,
	.llseek = noop_llseek,
};
