// SPDX-License-Identifier: GPL-2.0-only
/* VM file descriptor: memory, vCPUs, clock; interrupt controllers are in vm_irq.c. */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "core/compat.h"
#include "core/iobus.h"
#include "core/irq.h"
#include "core/msr.h"
#include "core/msr_filter.h"
#include "ioctl/ioctl.h"
#include "mmu/mmu.h"

/* What the new vCPU takes on from VM settings that came before it. */
static void apply_vm_settings(struct nestor_vcpu *vcpu)
{
	struct nestor_vm *vm = vcpu->vm;

	if (vm->disabled_exits & KVM_X86_DISABLE_EXITS_HLT) {
		vcpu->l1.intercept[ICPT_MISC1] &= ~ICPT_HLT;
		vcpu->l1.ctl_dirty |= CTL_INTERCEPTS;
	}
	vcpu_request(vcpu, REQ_MSR_FILTER);
	cpuid_set(vcpu, NULL, 0);
	tsc_sync_l1(vcpu, 0);
	vcpu->mp_state = !vm->lapic_in_kernel || vcpu->id == vm->bsp_id ?
			 KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_UNINITIALIZED;
}

/* vm->lock held.  Others see the vCPU only when nothing can fail any more. */
static int add_vcpu(struct nestor_vm *vm, u32 id, int fd)
{
	struct nestor_vcpu *vcpu;
	struct file *file;
	char name[32];

	if (vm->nr_vcpus >= NESTOR_MAX_VCPUS || (vm->max_id && id >= vm->max_id))
		return -EINVAL;
	if (vm_vcpu_by_id(vm, id))
		return -EEXIST;
	vcpu = vcpu_create(vm, id);
	if (IS_ERR(vcpu))
		return PTR_ERR(vcpu);
	apply_vm_settings(vcpu);
	snprintf(name, sizeof(name), "nestor-vcpu:%u", id);
	file = anon_inode_getfile(name, &vcpu_fops, vcpu, O_RDWR);
	if (IS_ERR(file)) {
		vcpu_destroy(vcpu);
		return PTR_ERR(file);
	}
	vm_get(vm);
	vcpu->index = vm->nr_vcpus;
	vm->vcpus[vcpu->index] = vcpu;
	/* Pairs with vm_nr_vcpus(): who sees the number sees the pointer. */
	smp_store_release(&vm->nr_vcpus, vcpu->index + 1);
	fd_install(fd, file);
	return fd;
}

static int create_vcpu(struct nestor_vm *vm, unsigned long id)
{
	int fd, ret;

	if (id >= NESTOR_MAX_VCPU_ID)
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	mutex_lock(&vm->lock);
	ret = add_vcpu(vm, id, fd);
	mutex_unlock(&vm->lock);
	if (ret < 0)
		put_unused_fd(fd);
	return ret;
}

static int set_region(struct nestor_vm *vm, void __user *argp)
{
	struct kvm_userspace_memory_region r;

	if (copy_from_user(&r, argp, sizeof(r)))
		return -EFAULT;
	return mmu_set_region(vm, &r);
}

/*
 * The second form adds guest_memfd, which is not offered: its fields are meaningless
 * without KVM_MEM_GUEST_MEMFD, and that flag is unknown here.
 */
static int set_region2(struct nestor_vm *vm, void __user *argp)
{
	struct kvm_userspace_memory_region2 r2;
	struct kvm_userspace_memory_region r;

	if (copy_from_user(&r2, argp, sizeof(r2)))
		return -EFAULT;
	r = (struct kvm_userspace_memory_region){
		.slot = r2.slot,
		.flags = r2.flags,
		.guest_phys_addr = r2.guest_phys_addr,
		.memory_size = r2.memory_size,
		.userspace_addr = r2.userspace_addr,
	};
	return mmu_set_region(vm, &r);
}

static int get_dirty_log(struct nestor_vm *vm, void __user *argp)
{
	struct kvm_dirty_log log;

	if (copy_from_user(&log, argp, sizeof(log)))
		return -EFAULT;
	return mmu_get_dirty_log(vm, &log);
}

static int clear_dirty_log(struct nestor_vm *vm, void __user *argp)
{
	struct kvm_clear_dirty_log log;

	if (copy_from_user(&log, argp, sizeof(log)))
		return -EFAULT;
	return mmu_clear_dirty_log(vm, &log);
}

/* Three pages for VT-x's real mode, below 4G; this backend needs none of them. */
static int set_tss_addr(unsigned long addr)
{
	return addr > 0xffffffffull - 3 * PAGE_SIZE + 1 ? -EINVAL : 0;
}

static int set_identity_map(struct nestor_vm *vm, void __user *argp)
{
	u64 addr;
	int ret = 0;

	if (copy_from_user(&addr, argp, sizeof(addr)))
		return -EFAULT;
	if (addr & ~PAGE_MASK || addr > 0xfffff000ull)
		return -EINVAL;
	mutex_lock(&vm->lock);
	if (vm->nr_vcpus)
		ret = -EINVAL;
	mutex_unlock(&vm->lock);
	return ret;
}

static int set_boot_cpu(struct nestor_vm *vm, unsigned long id)
{
	int ret = 0;

	if (id >= NESTOR_MAX_VCPU_ID)
		return -EINVAL;
	mutex_lock(&vm->lock);
	if (vm->nr_vcpus)
		ret = -EBUSY;
	else if (vm->max_id && id >= vm->max_id)
		ret = -EINVAL;
	else
		vm->bsp_id = id;
	mutex_unlock(&vm->lock);
	return ret;
}

/* Fewer would not hold the tables of one walk and of what the walk itself needs. */
static int set_mmu_pages(struct nestor_vm *vm, unsigned long nr)
{
	if (nr < NESTOR_MIN_MMU_PAGES)
		return -EINVAL;
	WRITE_ONCE(vm->mmu_pages, min_t(unsigned long, nr, U32_MAX));
	return 0;
}

static int get_clock(struct nestor_vm *vm, void __user *argp)
{
	struct kvm_clock_data data;

	pvclock_get(vm, &data);
	return copy_to_user(argp, &data, sizeof(data)) ? -EFAULT : 0;
}

static int set_clock(struct nestor_vm *vm, void __user *argp)
{
	struct kvm_clock_data data;

	if (copy_from_user(&data, argp, sizeof(data)))
		return -EFAULT;
	return pvclock_set(vm, &data);
}

/* For vCPUs to come; without scaling the host's frequency is the only one there is. */
static int set_tsc_khz(struct nestor_vm *vm, unsigned long khz)
{
	int ret = -EINVAL;

	mutex_lock(&vm->lock);
	if (!vm->nr_vcpus && khz == (u32)khz)
		ret = tsc_set_khz(vm, khz);
	mutex_unlock(&vm->lock);
	return ret;
}

static int set_msr_filter(struct nestor_vm *vm, void __user *argp)
{
	struct kvm_msr_filter f;

	if (copy_from_user(&f, argp, sizeof(f)))
		return -EFAULT;
	return msr_filter_set(vm, &f);
}

static int enable_cap(struct nestor_vm *vm, void __user *argp)
{
	struct kvm_enable_cap cap;

	if (copy_from_user(&cap, argp, sizeof(cap)))
		return -EFAULT;
	return vm_enable_cap(vm, &cap);
}

static long vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct nestor_vm *vm = file->private_data;
	void __user *argp = (void __user *)arg;
	long ret;

	/* Slots name addresses of the creator's memory; nobody else's will do. */
	if (vm->mm != current->mm)
		return -EIO;
	mmu_outside(vm);
	switch (cmd) {
	case KVM_CREATE_VCPU:
		return create_vcpu(vm, arg);
	case KVM_CHECK_EXTENSION:
		return check_extension(vm, arg);
	case KVM_ENABLE_CAP:
		return enable_cap(vm, argp);
	case KVM_SET_USER_MEMORY_REGION:
		return set_region(vm, argp);
	case KVM_SET_USER_MEMORY_REGION2:
		return set_region2(vm, argp);
	case KVM_GET_DIRTY_LOG:
		return get_dirty_log(vm, argp);
	case KVM_CLEAR_DIRTY_LOG:
		return clear_dirty_log(vm, argp);
	case KVM_SET_TSS_ADDR:
		return set_tss_addr(arg);
	case KVM_SET_NR_MMU_PAGES:
		return set_mmu_pages(vm, arg);
	case KVM_X86_SET_MSR_FILTER:
		return set_msr_filter(vm, argp);
	case KVM_GET_STATS_FD:
		return stats_fd_vm(vm);
	case KVM_SET_IDENTITY_MAP_ADDR:
		return set_identity_map(vm, argp);
	case KVM_SET_BOOT_CPU_ID:
		return set_boot_cpu(vm, arg);
	case KVM_GET_CLOCK:
		return get_clock(vm, argp);
	case KVM_SET_CLOCK:
		return set_clock(vm, argp);
	case KVM_GET_TSC_KHZ:
		return vm->tsc_khz;
	case KVM_SET_TSC_KHZ:
		return set_tsc_khz(vm, arg);
	}
	ret = vm_irq_ioctl(vm, cmd, argp);
	return ret == -ENOIOCTLCMD ? -ENOTTY : ret;
}

static int vm_release(struct inode *inode, struct file *file)
{
	struct nestor_vm *vm = file->private_data;

	/* An eventfd may live on in other hands; it must not reach a dying VM. */
	irqfd_release_all(vm);
	vm_put(vm);
	return 0;
}

static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vm_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = vm_release,
	.llseek = noop_llseek,
};

int vm_open(unsigned long type)
{
	struct nestor_vm *vm;
	struct file *file;
	int fd;

	if (type)
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	vm = vm_create();
	if (IS_ERR(vm)) {
		put_unused_fd(fd);
		return PTR_ERR(vm);
	}
	file = anon_inode_getfile("nestor-vm", &vm_fops, vm, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		vm_put(vm);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}
