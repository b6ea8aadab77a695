// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioeventfd: a write to an address signals an eventfd and is done.  Each is a
 * device on a bus that takes writes of its own length and value and passes the
 * rest on, so several can share an address.
 */
#include <linux/eventfd.h>
#include <linux/slab.h>

#include "core/compat.h"
#include "core/iobus.h"

#define VALID_FLAGS	(KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO | \
			 KVM_IOEVENTFD_FLAG_DEASSIGN)

/**
 * struct ioeventfd - one registration
 * @dev: on the bus; its length is 8 when any length will do
 * @link: in the bus's list of ioeventfds
 * @eventfd: what to signal, a reference
 * @space: which bus
 * @len: 1, 2, 4, 8, or 0 for any
 * @match: take only writes of @value
 * @value: with @match, else 0
 */
struct ioeventfd {
	struct io_dev dev;
	struct list_head link;
	struct eventfd_ctx *eventfd;
	enum io_space space;
	u32 len;
	bool match;
	u64 value;
};

static struct ioeventfd *of_dev(struct io_dev *dev)
{
	return container_of(dev, struct ioeventfd, dev);
}

static int no_read(struct io_dev *dev, struct nestor_vcpu *vcpu, u64 addr, unsigned int len,
		   void *data)
{
	return -EOPNOTSUPP;
}

static int take_write(struct io_dev *dev, struct nestor_vcpu *vcpu, u64 addr, unsigned int len,
		      const void *data)
{
	struct ioeventfd *p = of_dev(dev);
	u64 value = 0;

	if (addr != dev->addr || (p->len && len != p->len))
		return -EOPNOTSUPP;
	if (p->match) {
		memcpy(&value, data, min(len, 8u));
		if (value != p->value)
			return -EOPNOTSUPP;
	}
	compat_eventfd_signal(p->eventfd);
	return 0;
}

static void destroy(struct io_dev *dev)
{
	struct ioeventfd *p = of_dev(dev);

	eventfd_ctx_put(p->eventfd);
	kfree(p);
}

/* Would both take the same write? */
static bool collide(const struct ioeventfd *a, const struct ioeventfd *b)
{
	if (a->space != b->space || a->dev.addr != b->dev.addr)
		return false;
	if (!a->len || !b->len)
		return true;
	return a->len == b->len && (!a->match || !b->match || a->value == b->value);
}

static bool same(const struct ioeventfd *a, const struct ioeventfd *b)
{
	return a->eventfd == b->eventfd && a->space == b->space && a->dev.addr == b->dev.addr &&
	       a->len == b->len && a->match == b->match && a->value == b->value;
}

static int check(const struct kvm_ioeventfd *args)
{
	bool match = args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH;

	if (args->flags & ~VALID_FLAGS || memchr_inv(args->pad, 0, sizeof(args->pad)))
		return -EINVAL;
	if (args->len > 8 || (args->len & (args->len - 1)))
		return -EINVAL;
	/* Without a length there is no telling how much data to match. */
	if (!args->len && match)
		return -EINVAL;
	if (args->addr + (args->len ? args->len : 8) < args->addr)
		return -EINVAL;
	return 0;
}

static struct ioeventfd *parse(const struct kvm_ioeventfd *args)
{
	struct ioeventfd *p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);

	if (!p)
		return ERR_PTR(-ENOMEM);
	p->eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(p->eventfd)) {
		long err = PTR_ERR(p->eventfd);

		kfree(p);
		return ERR_PTR(err);
	}
	p->space = args->flags & KVM_IOEVENTFD_FLAG_PIO ? IO_PORT : IO_MMIO;
	p->len = args->len;
	p->match = args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH;
	p->value = p->match ? args->datamatch : 0;
	p->dev = (struct io_dev){
		.addr = args->addr,
		.len = args->len ? args->len : 8,
		.read = no_read,
		.write = take_write,
		.destroy = destroy,
		.any_len = !args->len,
	};
	return p;
}

static int assign(struct nestor_vm *vm, struct list_head *all, struct ioeventfd *new)
{
	struct ioeventfd *p;
	int err;

	list_for_each_entry(p, all, link)
		if (collide(p, new))
			return -EEXIST;
	err = io_bus_add(vm, new->space, &new->dev);
	if (!err)
		list_add_tail(&new->link, all);
	return err;
}

static int deassign(struct nestor_vm *vm, struct list_head *all, const struct ioeventfd *key)
{
	struct ioeventfd *p;

	list_for_each_entry(p, all, link) {
		if (!same(p, key))
			continue;
		list_del(&p->link);
		io_bus_remove(vm, p->space, &p->dev);
		destroy(&p->dev);
		return 0;
	}
	return -ENOENT;
}

int ioeventfd_ioctl(struct nestor_vm *vm, const struct kvm_ioeventfd *args)
{
	bool remove = args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN;
	struct list_head *all;
	struct ioeventfd *p;
	int err = check(args);

	if (err)
		return err;
	p = parse(args);
	if (IS_ERR(p))
		return PTR_ERR(p);
	all = io_bus_lock_ioeventfds(vm);
	err = remove ? deassign(vm, all, p) : assign(vm, all, p);
	io_bus_unlock_ioeventfds(vm);
	if (err || remove)
		destroy(&p->dev);
	return err;
}
