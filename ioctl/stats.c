// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_STATS_FD: a file of a header, the name of what is counted, descriptors and values, as
 * <linux/kvm.h> lays it out.  It is made anew for each read, so that a value is as old as that.
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "core/stats.h"
#include "ioctl/ioctl.h"

#define NAME_SIZE	48

/**
 * struct stats_owner - what the descriptor stands for
 * @vm: a reference is held
 * @vcpu: NULL: all of @vm's together
 */
struct stats_owner {
	struct nestor_vm *vm;
	struct nestor_vcpu *vcpu;
};

/* Everything up to the values has the same length for every owner. */
struct stats_head {
	struct kvm_stats_header head;
	char id[NAME_SIZE];
};

/* The kernel's own headers may give the name a length: only where it begins is the ABI. */
static size_t desc_size(void)
{
	return offsetof(struct kvm_stats_desc, name) + NAME_SIZE;
}

static size_t file_size(void)
{
	return sizeof(struct stats_head) + nr_vcpu_stats * (desc_size() + sizeof(u64));
}

static u64 value(const struct stats_owner *o, unsigned int i)
{
	struct nestor_vcpu *vcpu;
	u64 sum = 0;
	int n;

	if (o->vcpu)
		return vcpu_stat_value(&o->vcpu->stats, i);
	vm_for_each_vcpu(n, vcpu, o->vm)
		sum += vcpu_stat_value(&vcpu->stats, i);
	return sum;
}

static void fill(const struct stats_owner *o, u8 *buf)
{
	struct stats_head *h = (struct stats_head *)buf;
	u8 *desc = buf + sizeof(*h);
	u64 *val = (u64 *)(desc + nr_vcpu_stats * desc_size());
	unsigned int i;

	h->head = (struct kvm_stats_header){
		.name_size = NAME_SIZE,
		.num_desc = nr_vcpu_stats,
		.id_offset = offsetof(struct stats_head, id),
		.desc_offset = sizeof(*h),
		.data_offset = (u8 *)val - buf,
	};
	if (o->vcpu)
		snprintf(h->id, sizeof(h->id), "kvm-%d/vcpu-%u", task_pid_nr(current),
			 o->vcpu->id);
	else
		snprintf(h->id, sizeof(h->id), "kvm-%d", task_pid_nr(current));
	for (i = 0; i < nr_vcpu_stats; i++, desc += desc_size()) {
		struct kvm_stats_desc *d = (struct kvm_stats_desc *)desc;

		d->flags = KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10;
		d->size = 1;
		d->offset = i * sizeof(u64);
		strscpy((char *)desc + offsetof(struct kvm_stats_desc, name), vcpu_stat_name(i), NAME_SIZE);
		val[i] = value(o, i);
	}
}

static ssize_t stats_read(struct file *file, char __user *user, size_t len, loff_t *at)
{
	u8 *buf = kvzalloc(file_size(), GFP_KERNEL_ACCOUNT);
	ssize_t ret;

	if (!buf)
		return -ENOMEM;
	fill(file->private_data, buf);
	ret = simple_read_from_buffer(user, len, at, buf, file_size());
	kvfree(buf);
	return ret;
}

static int stats_release(struct inode *inode, struct file *file)
{
	struct stats_owner *o = file->private_data;

	vm_put(o->vm);
	kfree(o);
	return 0;
}

static const struct file_operations stats_fops = {
	.owner = THIS_MODULE,
	.read = stats_read,
	.release = stats_release,
	.llseek = noop_llseek,
};

static int stats_fd(struct nestor_vm *vm, struct nestor_vcpu *vcpu)
{
	struct stats_owner *o = kzalloc(sizeof(*o), GFP_KERNEL_ACCOUNT);
	struct file *file;
	int fd;

	if (!o)
		return -ENOMEM;
	o->vm = vm;
	o->vcpu = vcpu;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		kfree(o);
		return fd;
	}
	file = anon_inode_getfile("nestor-stats", &stats_fops, o, O_RDONLY);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		kfree(o);
		return PTR_ERR(file);
	}
	file->f_mode |= FMODE_PREAD;
	vm_get(vm);
	fd_install(fd, file);
	return fd;
}

int stats_fd_vm(struct nestor_vm *vm)
{
	return stats_fd(vm, NULL);
}

int stats_fd_vcpu(struct nestor_vcpu *vcpu)
{
	return stats_fd(vcpu->vm, vcpu);
}
