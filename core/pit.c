// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 8254 timer and port 0x61 (8254 data sheet; PC/AT system control port B).
 *
 * A count is never stepped: it is computed from the time since it was loaded.
 * Only channel 0's output matters to the rest of the machine; one hrtimer
 * pulses GSI 0 for it.  A tick that found no room (the last one is still
 * waiting in IRR) is counted and given to the guest after its next EOI, so that
 * guests that count ticks keep time (KVM_REINJECT_CONTROL switches that off).
 *
 * BCD counting is remembered and read back but counts are binary, as in every
 * PC emulation that guests meet.
 */
#include "core/irqchip.h"

#define PIT_HZ		1193182u
#define MISSED_MAX	65536

/* rw_mode and the read and write state. */
enum { RW_LATCH, RW_LSB, RW_MSB, RW_WORD, RW_WORD_HIGH };

static u64 ticks_since_load(const struct kvm_pit_channel_state *c)
{
	s64 elapsed = ktime_get_ns() - c->count_load_time;

	return elapsed < 0 ? 0 : mul_u64_u32_div(elapsed, PIT_HZ, NSEC_PER_SEC);
}

static u64 ticks_to_ns(u32 ticks)
{
	return div_u64((u64)ticks * NSEC_PER_SEC, PIT_HZ);
}

static u16 current_count(const struct kvm_pit_channel_state *c)
{
	u64 d = ticks_since_load(c);

	switch (c->mode) {
	case 0:
	case 1:
	case 4:
	case 5:
		return c->count - d;
	case 3:
		/* Square wave: counts down by two, twice a period. */
		return c->count - do_div(d, c->count) * 2 % c->count;
	default:
		return c->count - do_div(d, c->count);
	}
}

static bool output(const struct kvm_pit_channel_state *c)
{
	u64 d = ticks_since_load(c);

	switch (c->mode) {
	case 0:
		return d >= c->count;
	case 1:
		return d < c->count;
	case 3:
		return do_div(d, c->count) < (c->count + 1) >> 1;
	case 2:
		return do_div(d, c->count) != c->count - 1;
	default:
		return d != c->count;
	}
}

/* vm->srcu held, any context */
static int pulse(struct pit *pit)
{
	int ret = irq_set(pit->vm, IRQ_SRC_PIT, 0, true);

	irq_set(pit->vm, IRQ_SRC_PIT, 0, false);
	return ret;
}

static void tick(struct pit *pit)
{
	unsigned long flags;

	/* Masked: nobody waits for this tick, now or later. */
	if (pulse(pit) != IRQ_COALESCED)
		return;
	raw_spin_lock_irqsave(&pit->tick_lock, flags);
	if (pit->reinject && pit->missed < MISSED_MAX)
		pit->missed++;
	raw_spin_unlock_irqrestore(&pit->tick_lock, flags);
}

void pit_acked(struct pit *pit)
{
	unsigned long flags;
	bool again;

	raw_spin_lock_irqsave(&pit->tick_lock, flags);
	again = pit->missed;
	if (again)
		pit->missed--;
	raw_spin_unlock_irqrestore(&pit->tick_lock, flags);
	/* No loop: what this meets still waiting is dropped. */
	if (again)
		pulse(pit);
}

enum hrtimer_restart pit_fired(struct hrtimer *timer)
{
	struct pit *pit = container_of(timer, struct pit, timer);
	int idx = srcu_read_lock(&pit->vm->srcu);

	tick(pit);
	srcu_read_unlock(&pit->vm->srcu, idx);
	if (!pit->period_ns)
		return HRTIMER_NORESTART;
	hrtimer_forward_now(timer, ns_to_ktime(pit->period_ns));
	return HRTIMER_RESTART;
}

static void forget_missed(struct pit *pit)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pit->tick_lock, flags);
	pit->missed = 0;
	raw_spin_unlock_irqrestore(&pit->tick_lock, flags);
}

void pit_arm(struct pit *pit, bool restored)
{
	const struct kvm_pit_channel_state *c = &pit->s.channels[0];
	u64 whole, due;

	lockdep_assert_held(&pit->lock);
	hrtimer_cancel(&pit->timer);
	forget_missed(pit);
	pit->period_ns = 0;
	if (pit->s.flags & KVM_PIT_FLAGS_HPET_LEGACY)
		return;
	whole = ticks_to_ns(c->count);
	due = c->count_load_time + whole;
	switch (c->mode) {
	case 2:
	case 3:
		pit->period_ns = max_t(u64, whole, TIMER_MIN_PERIOD_NS);
		due = max_t(u64, due, ktime_get_ns() + min_t(u64, whole, TIMER_MIN_PERIOD_NS));
		break;
	case 0:
	case 1:
	case 4:
		if (restored && due < ktime_get_ns())
			return;
		break;
	default:
		return;
	}
	hrtimer_start(&pit->timer, ns_to_ktime(due), HRTIMER_MODE_ABS_HARD);
}

static void load(struct pit *pit, unsigned int n, u32 val)
{
	struct kvm_pit_channel_state *c = &pit->s.channels[n];

	/* 0 stands for the largest count; it also keeps divisions whole. */
	c->count = val ? val : 0x10000;
	c->count_load_time = ktime_get_ns();
	if (!n)
		pit_arm(pit, false);
}

static void latch_count(struct kvm_pit_channel_state *c)
{
	if (c->count_latched)
		return;
	c->latched_count = current_count(c);
	c->count_latched = c->rw_mode;
}

static void latch_status(struct kvm_pit_channel_state *c)
{
	if (c->status_latched)
		return;
	c->status = output(c) << 7 | c->rw_mode << 4 | c->mode << 1 | c->bcd;
	c->status_latched = 1;
}

static void write_control(struct pit *pit, u8 val)
{
	struct kvm_pit_channel_state *c;
	unsigned int n = val >> 6;

	if (n == 3) {		/* read-back command */
		for (n = 0; n < 3; n++) {
			if (!(val & 2 << n))
				continue;
			if (!(val & 0x20))
				latch_count(&pit->s.channels[n]);
			if (!(val & 0x10))
				latch_status(&pit->s.channels[n]);
		}
		return;
	}
	c = &pit->s.channels[n];
	if (!(val >> 4 & 3)) {
		latch_count(c);
		return;
	}
	c->rw_mode = val >> 4 & 3;
	c->read_state = c->rw_mode;
	c->write_state = c->rw_mode;
	c->count_latched = 0;
	c->status_latched = 0;
	c->mode = val >> 1 & 7;
	/* Modes 6 and 7 are 2 and 3. */
	if (c->mode > 5)
		c->mode -= 4;
	c->bcd = val & 1;
}

static void write_count(struct pit *pit, unsigned int n, u8 val)
{
	struct kvm_pit_channel_state *c = &pit->s.channels[n];

	switch (c->write_state) {
	case RW_LSB:
		load(pit, n, val);
		break;
	case RW_MSB:
		load(pit, n, val << 8);
		break;
	case RW_WORD:
		c->write_latch = val;
		c->write_state = RW_WORD_HIGH;
		break;
	case RW_WORD_HIGH:
		c->write_state = RW_WORD;
		load(pit, n, c->write_latch | val << 8);
		break;
	}
}

static u8 read_latched(struct kvm_pit_channel_state *c)
{
	switch (c->count_latched) {
	case RW_LSB:
		c->count_latched = 0;
		return c->latched_count;
	case RW_WORD:
		c->count_latched = RW_WORD_HIGH;
		return c->latched_count;
	default:
		c->count_latched = 0;
		return c->latched_count >> 8;
	}
}

static u8 read_count(struct kvm_pit_channel_state *c)
{
	if (c->status_latched) {
		c->status_latched = 0;
		return c->status;
	}
	if (c->count_latched)
		return read_latched(c);
	switch (c->read_state) {
	case RW_MSB:
		return current_count(c) >> 8;
	case RW_WORD:
		c->read_state = RW_WORD_HIGH;
		return current_count(c);
	case RW_WORD_HIGH:
		c->read_state = RW_WORD;
		return current_count(c) >> 8;
	default:
		return current_count(c);
	}
}

/* What holds the lock is short, but may be preempted: an access with the CPU loaded does not wait for it. */
static bool lock_for(struct pit *pit, const struct nestor_vcpu *vcpu)
{
	if (vcpu->atomic)
		return mutex_trylock(&pit->lock);
	mutex_lock(&pit->lock);
	return true;
}

static int pit_write(struct io_dev *dev, struct nestor_vcpu *vcpu, u64 addr, unsigned int len,
		     const void *data)
{
	struct pit *pit = container_of(dev, struct pit, ports);
	unsigned int i;

	if (!lock_for(pit, vcpu))
		return -EBUSY;
	for (i = 0; i < len; i++) {
		u8 val = ((const u8 *)data)[i];
		unsigned int port = (addr + i) & 3;

		if (port == 3)
			write_control(pit, val);
		else
			write_count(pit, port, val);
	}
	mutex_unlock(&pit->lock);
	return 0;
}

static int pit_read(struct io_dev *dev, struct nestor_vcpu *vcpu, u64 addr, unsigned int len,
		    void *data)
{
	struct pit *pit = container_of(dev, struct pit, ports);
	unsigned int i;

	if (!lock_for(pit, vcpu))
		return -EBUSY;
	for (i = 0; i < len; i++) {
		unsigned int port = (addr + i) & 3;

		/* The control word cannot be read. */
		((u8 *)data)[i] = port == 3 ? 0 : read_count(&pit->s.channels[port]);
	}
	mutex_unlock(&pit->lock);
	return 0;
}

static int speaker_write(struct io_dev *dev, struct nestor_vcpu *vcpu, u64 addr, unsigned int len,
			 const void *data)
{
	struct pit *pit = container_of(dev, struct pit, speaker);
	struct kvm_pit_channel_state *c = &pit->s.channels[2];
	u8 val = *(const u8 *)data;

	if (!lock_for(pit, vcpu))
		return -EBUSY;
	/* A rise of the gate starts these modes afresh. */
	if (!c->gate && (val & 1) && c->mode && c->mode != 4)
		c->count_load_time = ktime_get_ns();
	c->gate = val & 1;
	if (val & 2)
		pit->s.flags |= KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	else
		pit->s.flags &= ~KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	mutex_unlock(&pit->lock);
	return 0;
}

static int speaker_read(struct io_dev *dev, struct nestor_vcpu *vcpu, u64 addr, unsigned int len,
			void *data)
{
	struct pit *pit = container_of(dev, struct pit, speaker);
	struct kvm_pit_channel_state *c = &pit->s.channels[2];

	if (!lock_for(pit, vcpu))
		return -EBUSY;
	/* Bit 4 follows the memory refresh: it toggles about every 15 us. */
	*(u8 *)data = (c->gate & 1) | !!(pit->s.flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON) << 1 |
		      (ktime_get_ns() >> 14 & 1) << 4 | output(c) << 5;
	mutex_unlock(&pit->lock);
	return 0;
}

static void no_destroy(struct io_dev *dev)
{
}

int pit_add_ports(struct nestor_vm *vm, struct pit *pit, bool speaker)
{
	int err;

	pit->ports = (struct io_dev){
		.addr = 0x40, .len = 4, .read = pit_read, .write = pit_write,
		.destroy = no_destroy,
	};
	pit->speaker = (struct io_dev){
		.addr = 0x61, .len = 1, .read = speaker_read, .write = speaker_write,
		.destroy = no_destroy,
	};
	err = io_bus_add(vm, IO_PORT, &pit->ports);
	if (err || !speaker)
		return err;
	err = io_bus_add(vm, IO_PORT, &pit->speaker);
	if (err)
		io_bus_remove(vm, IO_PORT, &pit->ports);
	else
		pit->has_speaker = true;
	return err;
}
