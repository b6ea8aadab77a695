// SPDX-License-Identifier: GPL-2.0-only
/* The 8254 timer: made, taken away, its state to and from the VMM.  What it does is in core/pit.c. */
#include <linux/slab.h>

#include "core/compat.h"
#include "core/irqchip.h"

int pit_create(struct nestor_vm *vm, const struct kvm_pit_config *cfg)
{
	struct irqchip *chip = vm->irqchip;
	struct pit *pit;
	unsigned int n;
	int err;

	lockdep_assert_held(&vm->lock);
	if (!chip || !chip->pic)
		return -ENOENT;
	if (chip->pit)
		return -EEXIST;
	if (cfg->flags & ~KVM_PIT_SPEAKER_DUMMY)
		return -EINVAL;
	pit = kzalloc(sizeof(*pit), GFP_KERNEL_ACCOUNT);
	if (!pit)
		return -ENOMEM;
	pit->vm = vm;
	mutex_init(&pit->lock);
	raw_spin_lock_init(&pit->tick_lock);
	compat_hrtimer_setup(&pit->timer, pit_fired, HRTIMER_MODE_ABS_HARD);
	pit->reinject = true;
	for (n = 0; n < 3; n++) {
		pit->s.channels[n].mode = 3;
		pit->s.channels[n].gate = n != 2;
		pit->s.channels[n].count = 0x10000;
		pit->s.channels[n].count_load_time = ktime_get_ns();
	}
	err = pit_add_ports(vm, pit, cfg->flags & KVM_PIT_SPEAKER_DUMMY);
	if (err) {
		kfree(pit);
		return err;
	}
	/* It counts from the first count on that software loads. */
	smp_store_release(&chip->pit, pit);
	return 0;
}

/* No vCPU runs. */
void pit_destroy(struct nestor_vm *vm)
{
	struct irqchip *chip = vm->irqchip;
	struct pit *pit = chip ? chip->pit : NULL;

	if (!pit)
		return;
	if (vm->bus) {
		io_bus_remove(vm, IO_PORT, &pit->ports);
		if (pit->has_speaker)
			io_bus_remove(vm, IO_PORT, &pit->speaker);
	}
	hrtimer_cancel(&pit->timer);
	WRITE_ONCE(chip->pit, NULL);
	kfree(pit);
}

static struct pit *vm_pit(struct nestor_vm *vm)
{
	struct irqchip *chip = READ_ONCE(vm->irqchip);

	return chip ? smp_load_acquire(&chip->pit) : NULL;
}

int pit_get(struct nestor_vm *vm, struct kvm_pit_state2 *s)
{
	struct pit *pit = vm_pit(vm);

	if (!pit)
		return -ENXIO;
	mutex_lock(&pit->lock);
	*s = pit->s;
	mutex_unlock(&pit->lock);
	return 0;
}

int pit_set(struct nestor_vm *vm, const struct kvm_pit_state2 *s)
{
	struct pit *pit = vm_pit(vm);
	s64 now = ktime_get_ns();
	unsigned int n;

	if (!pit)
		return -ENXIO;
	if (s->flags & ~(KVM_PIT_FLAGS_HPET_LEGACY | KVM_PIT_FLAGS_SPEAKER_DATA_ON))
		return -EINVAL;
	for (n = 0; n < 3; n++)
		if (s->channels[n].count > 0x10000 || s->channels[n].mode > 5)
			return -EINVAL;

	mutex_lock(&pit->lock);
	for (n = 0; n < 3; n++) {
		struct kvm_pit_channel_state *c = &pit->s.channels[n];

		*c = s->channels[n];
		if (!c->count)
			c->count = 0x10000;
		c->rw_mode &= 3;
		c->bcd &= 1;
		/* The future and times before the host's boot are no times of loading. */
		if (c->count_load_time < 0 || c->count_load_time > now)
			c->count_load_time = now;
	}
	pit->s.flags = s->flags;
	pit_arm(pit, true);
	mutex_unlock(&pit->lock);
	return 0;
}

int pit_reinject(struct nestor_vm *vm, u8 on)
{
	struct pit *pit = vm_pit(vm);
	unsigned long flags;

	if (!pit)
		return -ENXIO;
	raw_spin_lock_irqsave(&pit->tick_lock, flags);
	pit->reinject = on;
	pit->missed = 0;
	raw_spin_unlock_irqrestore(&pit->tick_lock, flags);
	return 0;
}
