// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfd: an eventfd that raises a GSI when it is signalled.
 *
 * The irqfd sits on the eventfd's wait queue; its wake function injects right
 * there, in whatever context the eventfd was signalled, for injection takes
 * raw locks only.  Taking an irqfd down cannot be done there (the queue's lock
 * is held), so whoever takes it off the list queues its shutdown work, and
 * that work alone frees it: when the eventfd closes, on deassign, at the end.
 *
 * With a resample eventfd the line stays up until the guest's EOI; then
 * irqfd_acked() lowers it and signals the resample eventfd, and the VMM's
 * device raises it again if it still has something to say.  All such irqfds of
 * one GSI share a struct resampler, whose lists are read under vm->srcu.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/rculist.h>
#include <linux/slab.h>

#include "core/compat.h"
#include "core/irqchip.h"
#include "mmu/mmu.h"

/* @irqfds, @link: irqfd.lock; readers vm->srcu */
struct resampler {
	u32 gsi;
	struct list_head irqfds;
	struct list_head link;
};

/**
 * struct irqfd - one registration
 * @vm: its VM, which outlives it
 * @eventfd: the source, a reference
 * @resamplefd: signalled after the guest's EOI, a reference, or NULL
 * @resampler: with @resamplefd
 * @resampler_link: in resampler->irqfds
 * @gsi: what is raised
 * @wait: entry in @eventfd's wait queue
 * @pt: to get there
 * @shutdown: takes it down and frees it
 * @link: in irqchip.irqfd.list under list_lock; off the list: being shut down
 */
struct irqfd {
	struct nestor_vm *vm;
	struct eventfd_ctx *eventfd;
	struct eventfd_ctx *resamplefd;
	struct resampler *resampler;
	struct list_head resampler_link;
	u32 gsi;
	wait_queue_entry_t wait;
	poll_table pt;
	struct work_struct shutdown;
	struct list_head link;
};

void irqfd_init(struct irqchip *chip)
{
	mutex_init(&chip->irqfd.lock);
	spin_lock_init(&chip->irqfd.list_lock);
	INIT_LIST_HEAD(&chip->irqfd.list);
	INIT_LIST_HEAD(&chip->irqfd.resamplers);
}

static void set_line(struct nestor_vm *vm, enum irq_source src, u32 gsi, bool level)
{
	int idx = srcu_read_lock(&vm->srcu);

	irq_set(vm, src, gsi, level);
	srcu_read_unlock(&vm->srcu, idx);
}

/* Any context. */
static void inject(struct irqfd *irqfd)
{
	/* Whoever signals it has written what the interrupt tells of. */
	mmu_outside(irqfd->vm);
	if (irqfd->resampler) {
		set_line(irqfd->vm, IRQ_SRC_RESAMPLE, irqfd->gsi, true);
		return;
	}
	set_line(irqfd->vm, IRQ_SRC_USER, irqfd->gsi, true);
	set_line(irqfd->vm, IRQ_SRC_USER, irqfd->gsi, false);
}

void irqfd_acked(struct nestor_vm *vm, u32 gsi)
{
	struct irqchip *chip = vm->irqchip;
	struct resampler *r;
	struct irqfd *irqfd;

	list_for_each_entry_srcu(r, &chip->irqfd.resamplers, link,
				 srcu_read_lock_held(&vm->srcu)) {
		if (r->gsi != gsi)
			continue;
		irq_set(vm, IRQ_SRC_RESAMPLE, gsi, false);
		list_for_each_entry_srcu(irqfd, &r->irqfds, resampler_link,
					 srcu_read_lock_held(&vm->srcu))
			compat_eventfd_signal(irqfd->resamplefd);
	}
}

/* list_lock held.  Whoever finds it on the list shuts it down. */
static void deactivate(struct irqchip *chip, struct irqfd *irqfd)
{
	if (list_empty(&irqfd->link))
		return;
	list_del_init(&irqfd->link);
	queue_work(chip->irqfd.wq, &irqfd->shutdown);
}

/* Called with the eventfd's queue locked and interrupts off. */
static int irqfd_wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *irqfd = container_of(wait, struct irqfd, wait);
	struct irqchip *chip = irqfd->vm->irqchip;
	__poll_t events = key_to_poll(key);
	unsigned long flags;
	int taken = 0;
	u64 count;

	if (events & EPOLLIN) {
		/* The count is ours: empty it, so that it never fills up. */
		eventfd_ctx_do_read(irqfd->eventfd, &count);
		inject(irqfd);
		taken = 1;
	}
	if (events & EPOLLHUP) {
		spin_lock_irqsave(&chip->irqfd.list_lock, flags);
		deactivate(chip, irqfd);
		spin_unlock_irqrestore(&chip->irqfd.list_lock, flags);
	}
	return taken;
}

static void irqfd_queue(struct file *file, wait_queue_head_t *wqh, poll_table *pt)
{
	struct irqfd *irqfd = container_of(pt, struct irqfd, pt);

	add_wait_queue_priority(wqh, &irqfd->wait);
}

static struct resampler *find_resampler(struct irqchip *chip, u32 gsi)
{
	struct resampler *r;

	list_for_each_entry(r, &chip->irqfd.resamplers, link)
		if (r->gsi == gsi)
			return r;
	return NULL;
}

static int join_resampler(struct irqchip *chip, struct irqfd *irqfd)
{
	struct resampler *r = find_resampler(chip, irqfd->gsi);

	lockdep_assert_held(&chip->irqfd.lock);
	if (!r) {
		r = kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
		if (!r)
			return -ENOMEM;
		r->gsi = irqfd->gsi;
		INIT_LIST_HEAD(&r->irqfds);
		list_add_rcu(&r->link, &chip->irqfd.resamplers);
	}
	list_add_rcu(&irqfd->resampler_link, &r->irqfds);
	irqfd->resampler = r;
	return 0;
}

static void leave_resampler(struct irqchip *chip, struct irqfd *irqfd)
{
	struct resampler *r = irqfd->resampler;
	bool last;

	lockdep_assert_held(&chip->irqfd.lock);
	list_del_rcu(&irqfd->resampler_link);
	last = list_empty(&r->irqfds);
	if (last)
		list_del_rcu(&r->link);
	vm_wait_readers(irqfd->vm);
	if (last) {
		/* Nobody is left to lower the line. */
		set_line(irqfd->vm, IRQ_SRC_RESAMPLE, r->gsi, false);
		kfree(r);
	}
}

static void irqfd_free(struct irqfd *irqfd)
{
	if (irqfd->resamplefd)
		eventfd_ctx_put(irqfd->resamplefd);
	if (irqfd->eventfd)
		eventfd_ctx_put(irqfd->eventfd);
	kfree(irqfd);
}

static void irqfd_shutdown(struct work_struct *work)
{
	struct irqfd *irqfd = container_of(work, struct irqfd, shutdown);
	struct irqchip *chip = irqfd->vm->irqchip;
	u64 count;

	/* After an assignment that is still under way. */
	mutex_lock(&chip->irqfd.lock);
	/* No wake-up runs after this. */
	eventfd_ctx_remove_wait_queue(irqfd->eventfd, &irqfd->wait, &count);
	if (irqfd->resampler)
		leave_resampler(chip, irqfd);
	mutex_unlock(&chip->irqfd.lock);
	irqfd_free(irqfd);
}

/* One eventfd raises one GSI: it has one count and the first to read it wins. */
static int enlist(struct irqchip *chip, struct irqfd *new)
{
	struct irqfd *irqfd;
	int err = 0;

	spin_lock_irq(&chip->irqfd.list_lock);
	list_for_each_entry(irqfd, &chip->irqfd.list, link)
		if (irqfd->eventfd == new->eventfd)
			err = -EBUSY;
	if (!err)
		list_add_tail(&new->link, &chip->irqfd.list);
	spin_unlock_irq(&chip->irqfd.list_lock);
	return err;
}

static int get_fds(struct irqfd *irqfd, struct file *file, const struct kvm_irqfd *args)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fileget(file);

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	irqfd->eventfd = ctx;
	if (!(args->flags & KVM_IRQFD_FLAG_RESAMPLE))
		return 0;
	ctx = eventfd_ctx_fdget(args->resamplefd);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	irqfd->resamplefd = ctx;
	return 0;
}

static int make_wq(struct irqchip *chip)
{
	if (!chip->irqfd.wq)
		chip->irqfd.wq = alloc_workqueue("nestor-irqfd", WQ_UNBOUND, 0);
	return chip->irqfd.wq ? 0 : -ENOMEM;
}

/*
 * @file is held throughout, so the eventfd cannot close, and irqfd.lock keeps
 * the shutdown work away: the irqfd is ours until both are let go.
 */
static int assign_locked(struct irqchip *chip, struct irqfd *irqfd, struct file *file,
			 const struct kvm_irqfd *args)
{
	int err = make_wq(chip);

	if (!err)
		err = get_fds(irqfd, file, args);
	if (!err && irqfd->resamplefd)
		err = join_resampler(chip, irqfd);
	if (err)
		return err;
	err = enlist(chip, irqfd);
	if (err) {
		if (irqfd->resampler)
			leave_resampler(chip, irqfd);
		return err;
	}
	/* It may have been signalled before. */
	if (vfs_poll(file, &irqfd->pt) & EPOLLIN)
		inject(irqfd);
	return 0;
}

static int assign(struct nestor_vm *vm, const struct kvm_irqfd *args)
{
	struct irqchip *chip = vm->irqchip;
	struct irqfd *irqfd;
	struct file *file;
	int err;

	/* The EOI of a split irqchip's pins is known to the VMM only. */
	if ((args->flags & KVM_IRQFD_FLAG_RESAMPLE) && !chip->ioapic)
		return -EINVAL;
	file = eventfd_fget(args->fd);
	if (IS_ERR(file))
		return PTR_ERR(file);
	irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);
	if (!irqfd) {
		fput(file);
		return -ENOMEM;
	}
	irqfd->vm = vm;
	irqfd->gsi = args->gsi;
	INIT_LIST_HEAD(&irqfd->link);
	INIT_WORK(&irqfd->shutdown, irqfd_shutdown);
	init_waitqueue_func_entry(&irqfd->wait, irqfd_wake);
	init_poll_funcptr(&irqfd->pt, irqfd_queue);

	mutex_lock(&chip->irqfd.lock);
	err = assign_locked(chip, irqfd, file, args);
	if (err)
		irqfd_free(irqfd);
	mutex_unlock(&chip->irqfd.lock);
	fput(file);
	return err;
}

static int deassign(struct nestor_vm *vm, const struct kvm_irqfd *args)
{
	struct eventfd_ctx *eventfd = eventfd_ctx_fdget(args->fd);
	struct irqchip *chip = vm->irqchip;
	struct irqfd *irqfd, *next;

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	mutex_lock(&chip->irqfd.lock);
	spin_lock_irq(&chip->irqfd.list_lock);
	list_for_each_entry_safe(irqfd, next, &chip->irqfd.list, link)
		if (irqfd->eventfd == eventfd && irqfd->gsi == args->gsi)
			deactivate(chip, irqfd);
	spin_unlock_irq(&chip->irqfd.list_lock);
	mutex_unlock(&chip->irqfd.lock);
	eventfd_ctx_put(eventfd);
	/* On return it raises nothing any more. */
	if (chip->irqfd.wq)
		flush_workqueue(chip->irqfd.wq);
	return 0;
}

int irqfd_ioctl(struct nestor_vm *vm, const struct kvm_irqfd *args)
{
	if (!vm->irqchip || args->gsi >= NESTOR_MAX_IRQ_ROUTES)
		return -EINVAL;
	if (args->flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	if (memchr_inv(args->pad, 0, sizeof(args->pad)))
		return -EINVAL;
	if (args->flags & KVM_IRQFD_FLAG_DEASSIGN)
		return deassign(vm, args);
	return assign(vm, args);
}

void irqfd_release_all(struct nestor_vm *vm)
{
	struct irqchip *chip = vm->irqchip;
	struct irqfd *irqfd, *next;

	if (!chip || !chip->irqfd.wq)
		return;
	spin_lock_irq(&chip->irqfd.list_lock);
	list_for_each_entry_safe(irqfd, next, &chip->irqfd.list, link)
		deactivate(chip, irqfd);
	spin_unlock_irq(&chip->irqfd.list_lock);
	/* Waits for the work of all, those that closed by themselves included. */
	destroy_workqueue(chip->irqfd.wq);
	chip->irqfd.wq = NULL;
}
