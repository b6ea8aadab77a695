// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O APIC (82093AA data sheet): 24 pins, one redirection entry each.
 *
 * A pin's rise, or a write to its entry, makes service() send the entry's
 * message.  A level-triggered entry sets Remote IRR when a local APIC took the
 * message and sends no more until the EOI of its vector; then, if the line is
 * still high, once more.  Everything is under one raw lock, for messages
 * come from hard interrupts; those who wait for an EOI are told outside it.
 */
#include <linux/slab.h>

#include "core/irqchip.h"

#define IOAPIC_BASE	0xfec00000ull

#define IOREGSEL	0x00
#define IOWIN		0x10

#define REG_ID		0x00
#define REG_VERSION	0x01
#define REG_ARB		0x02
#define REG_TABLE	0x10
#define VERSION		(0x11 | (NR_IOAPIC_PINS - 1) << 16)

#define RTE_VECTOR	0xffull
#define RTE_LOGICAL	(1ull << 11)
#define RTE_STATUS	(1ull << 12)
#define RTE_REMOTE_IRR	(1ull << 14)
#define RTE_LEVEL	(1ull << 15)
#define RTE_MASK	(1ull << 16)
#define RTE_READONLY	(RTE_STATUS | RTE_REMOTE_IRR)
#define RTE_VALID	0xff0000000001ffffull
#define PINS_MASK	((1u << NR_IOAPIC_PINS) - 1)

static u64 *rte(struct ioapic *io, unsigned int pin)
{
	return &io->s.redirtbl[pin].bits;
}

/* Send the message of @pin, whose line is high.  Return: see struct irq_msg. */
static int service(struct ioapic *io, unsigned int pin)
{
	u64 *e = rte(io, pin);
	struct irq_msg msg = {
		.dest = *e >> 56,
		.vector = *e & RTE_VECTOR,
		.mode = *e >> 8 & 7,
		.logical = *e & RTE_LOGICAL,
		.level = *e & RTE_LEVEL,
	};
	int ret;

	if (*e & RTE_MASK)
		return IRQ_IGNORED;
	if (msg.level && (*e & RTE_REMOTE_IRR))
		return IRQ_COALESCED;
	ret = lapic_deliver(io->vm, &msg);
	/* Only fixed and lowest priority end with an EOI. */
	if (ret >= 0 && msg.level && msg.mode <= DM_LOWEST)
		*e |= RTE_REMOTE_IRR;
	if (ret >= 0 && !msg.level)
		io->delivered |= 1u << pin;
	return ret;
}

int ioapic_set(struct ioapic *io, unsigned int pin, enum irq_source src, bool level)
{
	u32 bit = 1u << pin;
	unsigned long flags;
	int ret = 1;

	raw_spin_lock_irqsave(&io->lock, flags);
	if (level)
		io->sources[pin] |= 1 << src;
	else
		io->sources[pin] &= ~(1 << src);

	if (!io->sources[pin]) {
		io->s.irr &= ~bit;
		io->delivered &= ~bit;
	} else if ((io->s.irr & bit) && !(*rte(io, pin) & RTE_LEVEL)) {
		/* No edge. */
		ret = IRQ_COALESCED;
	} else {
		io->s.irr |= bit;
		ret = service(io, pin);
	}
	raw_spin_unlock_irqrestore(&io->lock, flags);
	return ret;
}

/* The pins whose interrupt ends with an EOI of @vector. */
static unsigned long pins_of(struct ioapic *io, u8 vector)
{
	unsigned long pins = 0;
	unsigned int pin;

	for (pin = 0; pin < NR_IOAPIC_PINS; pin++)
		if ((*rte(io, pin) & RTE_VECTOR) == vector)
			pins |= 1ul << pin;
	return pins;
}

bool ioapic_has_vector(const struct nestor_vm *vm, u8 vector)
{
	const struct irqchip *chip = READ_ONCE(vm->irqchip);

	return chip && chip->ioapic && test_bit(vector, chip->ioapic->vectors);
}

/*
 * ioapic_eoi() - a vCPU ended @vector, which came as level-triggered or not.
 * vCPU's thread, vm->srcu held.
 */
void ioapic_eoi(struct nestor_vm *vm, u8 vector, bool level)
{
	struct irqchip *chip = READ_ONCE(vm->irqchip);
	struct ioapic *io = chip ? chip->ioapic : NULL;
	unsigned long flags, pins;
	unsigned int pin;

	if (!io || !test_bit(vector, io->vectors))
		return;
	raw_spin_lock_irqsave(&io->lock, flags);
	pins = pins_of(io, vector);
	raw_spin_unlock_irqrestore(&io->lock, flags);

	/* They may lower or raise the line; Remote IRR still holds messages back. */
	for_each_set_bit(pin, &pins, NR_IOAPIC_PINS)
		irq_acked(vm, true, pin);
	if (!level)
		return;

	raw_spin_lock_irqsave(&io->lock, flags);
	for_each_set_bit(pin, &pins, NR_IOAPIC_PINS) {
		u64 *e = rte(io, pin);

		if (!(*e & RTE_LEVEL) || (*e & RTE_VECTOR) != vector)
			continue;
		*e &= ~RTE_REMOTE_IRR;
		if (io->s.irr & 1u << pin)
			service(io, pin);
	}
	raw_spin_unlock_irqrestore(&io->lock, flags);
}

/* An EOI that misses a vector just added finds Remote IRR clear; none is lost. */
static void note_vectors(struct ioapic *io)
{
	DECLARE_BITMAP(now, 256);
	unsigned int pin;

	bitmap_zero(now, 256);
	for (pin = 0; pin < NR_IOAPIC_PINS; pin++)
		__set_bit(*rte(io, pin) & RTE_VECTOR, now);
	bitmap_copy(io->vectors, now, 256);
}

static void write_rte(struct ioapic *io, unsigned int pin, bool high, u32 val)
{
	u64 *e = rte(io, pin), new;

	if (high)
		new = (u32)*e | (u64)val << 32;
	else
		new = (*e & (~0xffffffffull | RTE_READONLY)) | (val & ~RTE_READONLY);
	new &= RTE_VALID;
	/* Software clears a stuck Remote IRR by a visit to edge mode. */
	if (!(new & RTE_LEVEL))
		new &= ~RTE_REMOTE_IRR;
	*e = new;
	note_vectors(io);
	if ((new & RTE_LEVEL) && (io->s.irr & 1u << pin))
		service(io, pin);
}

static void write_win(struct ioapic *io, u32 val)
{
	u32 reg = io->s.ioregsel;

	if (reg == REG_ID)
		io->s.id = val >> 24 & 0xf;
	else if (reg >= REG_TABLE && reg < REG_TABLE + 2 * NR_IOAPIC_PINS)
		write_rte(io, (reg - REG_TABLE) / 2, reg & 1, val);
}

static u32 read_win(struct ioapic *io)
{
	u32 reg = io->s.ioregsel;

	switch (reg) {
	case REG_ID:
	case REG_ARB:
		return io->s.id << 24;
	case REG_VERSION:
		return VERSION;
	case REG_TABLE ... REG_TABLE + 2 * NR_IOAPIC_PINS - 1:
		return *rte(io, (reg - REG_TABLE) / 2) >> (reg & 1 ? 32 : 0);
	default:
		return 0;
	}
}

static struct ioapic *dev_ioapic(struct io_dev *dev)
{
	return container_of(dev, struct ioapic, dev);
}

static int ioapic_write(struct io_dev *dev, struct nestor_vcpu *vcpu, u64 addr, unsigned int len,
			const void *data)
{
	struct ioapic *io = dev_ioapic(dev);
	unsigned long flags;
	u32 val = 0;

	/* Registers are 32 bits wide; of a wider write the low part counts. */
	memcpy(&val, data, min(len, 4u));
	raw_spin_lock_irqsave(&io->lock, flags);
	switch (addr - dev->addr) {
	case IOREGSEL:
		io->s.ioregsel = val & 0xff;
		break;
	case IOWIN:
		if (len >= 4)
			write_win(io, val);
		break;
	}
	raw_spin_unlock_irqrestore(&io->lock, flags);
	return 0;
}

static int ioapic_read(struct io_dev *dev, struct nestor_vcpu *vcpu, u64 addr, unsigned int len,
		       void *data)
{
	struct ioapic *io = dev_ioapic(dev);
	unsigned long flags;
	u32 val = 0;

	raw_spin_lock_irqsave(&io->lock, flags);
	switch (addr - dev->addr) {
	case IOREGSEL:
		val = io->s.ioregsel;
		break;
	case IOWIN:
		val = read_win(io);
		break;
	}
	raw_spin_unlock_irqrestore(&io->lock, flags);
	memset(data, 0, len);
	memcpy(data, &val, min(len, 4u));
	return 0;
}

static void no_destroy(struct io_dev *dev)
{
}

int ioapic_create(struct nestor_vm *vm, struct irqchip *chip)
{
	struct ioapic *io = kzalloc(sizeof(*io), GFP_KERNEL_ACCOUNT);
	unsigned int pin;
	int err;

	if (!io)
		return -ENOMEM;
	io->vm = vm;
	raw_spin_lock_init(&io->lock);
	io->s.base_address = IOAPIC_BASE;
	for (pin = 0; pin < NR_IOAPIC_PINS; pin++)
		*rte(io, pin) = RTE_MASK;
	note_vectors(io);
	io->dev = (struct io_dev){
		.addr = IOAPIC_BASE,
		.len = 0x100,
		.read = ioapic_read,
		.write = ioapic_write,
		.destroy = no_destroy,
	};
	err = io_bus_add(vm, IO_MMIO, &io->dev);
	if (err) {
		kfree(io);
		return err;
	}
	chip->ioapic = io;
	return 0;
}

void ioapic_destroy(struct nestor_vm *vm, struct irqchip *chip)
{
	if (!chip->ioapic)
		return;
	if (vm->bus)
		io_bus_remove(vm, IO_MMIO, &chip->ioapic->dev);
	kfree(chip->ioapic);
	chip->ioapic = NULL;
}

void ioapic_get_state(struct ioapic *io, struct kvm_ioapic_state *s)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&io->lock, flags);
	*s = io->s;
	/* An edge that was delivered is history: it must not be delivered again after a restore. */
	s->irr &= ~io->delivered;
	raw_spin_unlock_irqrestore(&io->lock, flags);
}

/* The page does not move: @s->base_address is not looked at. */
void ioapic_set_state(struct ioapic *io, const struct kvm_ioapic_state *s)
{
	unsigned long flags;
	unsigned int pin;

	raw_spin_lock_irqsave(&io->lock, flags);
	io->s.ioregsel = s->ioregsel & 0xff;
	io->s.id = s->id & 0xf;
	io->s.irr = s->irr & PINS_MASK;
	io->delivered = 0;
	for (pin = 0; pin < NR_IOAPIC_PINS; pin++)
		*rte(io, pin) = s->redirtbl[pin].bits & RTE_VALID;
	note_vectors(io);
	for (pin = 0; pin < NR_IOAPIC_PINS; pin++)
		if (io->s.irr & 1u << pin)
			service(io, pin);
	raw_spin_unlock_irqrestore(&io->lock, flags);
}
