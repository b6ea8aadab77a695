// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two cascaded 8259A interrupt controllers as a PC wires them (8259A data
 * sheet; edge/level control registers as in the PIIX).
 *
 * Each chip resolves priority over IRR, IMR and ISR; the slave's output is the
 * master's pin 2.  After anything that can change the outcome pic_unlock()
 * computes the output again, lets the lock go and only then tells others: the
 * vCPUs that take the PIC's interrupts, and whoever waits for the end of one.
 */
#include <linux/slab.h>

#include "core/irqchip.h"

#define CASCADE		2
#define NO_IRQ		(-1)

enum { EXPECT_OCW, EXPECT_ICW2, EXPECT_ICW3, EXPECT_ICW4 };

/* Rank of the most urgent pin in @mask, 0 to 7; 8 for none. */
static int rank(const struct kvm_pic_state *c, u8 mask)
{
	int r;

	for (r = 0; r < 8; r++)
		if (mask & 1 << ((r + c->priority_add) & 7))
			break;
	return r;
}

static int pin_of_rank(const struct kvm_pic_state *c, int r)
{
	return (r + c->priority_add) & 7;
}

/* The pin that @c requests service for now, or NO_IRQ. */
static int request(const struct kvm_pic_state *c, bool master)
{
	u8 serving = c->isr;
	int want = rank(c, c->irr & ~c->imr);

	if (want == 8)
		return NO_IRQ;
	if (c->special_mask)
		serving &= ~c->imr;
	/* Special fully nested: the slave in service may ask for more. */
	if (c->special_fully_nested_mode && master)
		serving &= ~(1 << CASCADE);
	return want < rank(c, serving) ? pin_of_rank(c, want) : NO_IRQ;
}

static int set_pin(struct kvm_pic_state *c, unsigned int pin, bool level)
{
	u8 bit = 1 << pin;
	int ret = 1;

	if (c->elcr & bit) {
		if (level) {
			ret = !(c->irr & bit);
			c->irr |= bit;
			c->last_irr |= bit;
		} else {
			c->irr &= ~bit;
			c->last_irr &= ~bit;
		}
	} else if (level) {
		if (!(c->last_irr & bit)) {
			ret = !(c->irr & bit);
			c->irr |= bit;
		}
		c->last_irr |= bit;
	} else {
		c->last_irr &= ~bit;
	}
	return c->imr & bit ? IRQ_IGNORED : ret;
}

static void update(struct pic *pic)
{
	/* The cascade is an edge each time the slave has something to ask for. */
	if (request(&pic->chip[1], false) != NO_IRQ) {
		set_pin(&pic->chip[0], CASCADE, true);
		set_pin(&pic->chip[0], CASCADE, false);
	}
	WRITE_ONCE(pic->output, request(&pic->chip[0], true) != NO_IRQ);
}

static void wake_listeners(struct nestor_vm *vm)
{
	struct nestor_vcpu *vcpu;
	int i;

	vm_for_each_vcpu(i, vcpu, vm) {
		if (!lapic_accepts_pic(vcpu))
			continue;
		vcpu_request(vcpu, REQ_EVENT);
		vcpu_kick(vcpu);
	}
}

/* @again: what was done may have uncovered another request, though the output did not rise */
static void pic_unlock(struct pic *pic, unsigned long flags, bool again)
	__releases(&pic->lock)
{
	bool was = pic->output, wake;
	unsigned long acked = pic->acked;
	unsigned int pin;

	update(pic);
	wake = pic->output && (again || !was);
	pic->acked = 0;
	raw_spin_unlock_irqrestore(&pic->lock, flags);

	if (wake)
		wake_listeners(pic->vm);
	for_each_set_bit(pin, &acked, NR_PIC_PINS)
		irq_acked(pic->vm, false, pin);
}

int pic_set(struct pic *pic, unsigned int pin, enum irq_source src, bool level)
{
	unsigned long flags;
	int ret;

	raw_spin_lock_irqsave(&pic->lock, flags);
	if (level)
		pic->sources[pin] |= 1 << src;
	else
		pic->sources[pin] &= ~(1 << src);
	ret = set_pin(&pic->chip[pin >> 3], pin & 7, pic->sources[pin]);
	pic_unlock(pic, flags, false);
	return ret;
}

static unsigned int chip_nr(const struct pic *pic, const struct kvm_pic_state *c)
{
	return c - pic->chip;
}

static void end_of_irq(struct pic *pic, struct kvm_pic_state *c, int pin)
{
	c->isr &= ~(1 << pin);
	pic->acked |= 1 << (chip_nr(pic, c) * 8 + pin);
}

/* INTA: the pin goes from request to service. */
static void serve(struct pic *pic, struct kvm_pic_state *c, int pin)
{
	c->isr |= 1 << pin;
	/* A level request stays as long as its line. */
	if (!(c->elcr & 1 << pin))
		c->irr &= ~(1 << pin);
	if (c->auto_eoi) {
		if (c->rotate_on_auto_eoi)
			c->priority_add = (pin + 1) & 7;
		end_of_irq(pic, c, pin);
	}
}

int pic_ack(struct pic *pic)
{
	unsigned long flags;
	struct kvm_pic_state *master = &pic->chip[0], *slave = &pic->chip[1];
	int pin, vector = -1;

	raw_spin_lock_irqsave(&pic->lock, flags);
	pin = request(master, true);
	if (pin == CASCADE) {
		serve(pic, master, pin);
		pin = request(slave, false);
		/* The slave's request went away meanwhile: spurious, pin 7. */
		if (pin == NO_IRQ)
			pin = 7;
		else
			serve(pic, slave, pin);
		vector = slave->irq_base + pin;
	} else if (pin != NO_IRQ) {
		serve(pic, master, pin);
		vector = master->irq_base + pin;
	}
	pic_unlock(pic, flags, true);
	return vector;
}

/* ICW1 (8259A: "Initialization Command Words 1 and 2"). */
static void start_init(struct kvm_pic_state *c, u8 val)
{
	c->irr &= c->elcr;
	c->last_irr &= c->elcr;
	c->imr = 0;
	c->isr = 0;
	c->priority_add = 0;
	c->special_mask = 0;
	c->read_reg_select = 0;
	c->poll = 0;
	c->rotate_on_auto_eoi = 0;
	c->init4 = val & 1;
	if (!c->init4) {
		c->special_fully_nested_mode = 0;
		c->auto_eoi = 0;
	}
	c->init_state = EXPECT_ICW2;
}

static void ocw2(struct pic *pic, struct kvm_pic_state *c, u8 val)
{
	int pin = val & 7, r = rank(c, c->isr);

	switch (val >> 5) {
	case 0:
	case 4:		/* rotate in automatic EOI mode: clear, set */
		c->rotate_on_auto_eoi = val >> 7;
		break;
	case 1:		/* non-specific EOI */
	case 5:		/* and rotate */
		if (r == 8)
			break;
		pin = pin_of_rank(c, r);
		end_of_irq(pic, c, pin);
		if (val >> 7)
			c->priority_add = (pin + 1) & 7;
		break;
	case 3:		/* specific EOI */
		end_of_irq(pic, c, pin);
		break;
	case 6:		/* set priority */
		c->priority_add = (pin + 1) & 7;
		break;
	case 7:		/* rotate on specific EOI */
		end_of_irq(pic, c, pin);
		c->priority_add = (pin + 1) & 7;
		break;
	}
}

static void ocw3(struct kvm_pic_state *c, u8 val)
{
	if (val & 0x04)
		c->poll = 1;
	if (val & 0x02)
		c->read_reg_select = val & 1;
	if (val & 0x40)
		c->special_mask = val >> 5 & 1;
}

static void write_data(struct kvm_pic_state *c, u8 val)
{
	switch (c->init_state) {
	case EXPECT_OCW:
		c->imr = val;
		break;
	case EXPECT_ICW2:
		c->irq_base = val & 0xf8;
		c->init_state = EXPECT_ICW3;
		break;
	case EXPECT_ICW3:
		/* The cascade is hard-wired. */
		c->init_state = c->init4 ? EXPECT_ICW4 : EXPECT_OCW;
		break;
	default:
		c->special_fully_nested_mode = val >> 4 & 1;
		c->auto_eoi = val >> 1 & 1;
		c->init_state = EXPECT_OCW;
		break;
	}
}

static void write_port(struct pic *pic, struct kvm_pic_state *c, u64 port, u8 val)
{
	if (port & 1)
		write_data(c, val);
	else if (val & 0x10)
		start_init(c, val);
	else if (val & 0x08)
		ocw3(c, val);
	else
		ocw2(pic, c, val);
}

/* A poll is an acknowledge whose answer is the pin (8259A: "Poll Command"). */
static u8 read_poll(struct pic *pic, struct kvm_pic_state *c)
{
	int pin = request(c, c == &pic->chip[0]);

	c->poll = 0;
	if (pin == NO_IRQ)
		return 0;
	serve(pic, c, pin);
	return 0x80 | pin;
}

static u8 read_port(struct pic *pic, struct kvm_pic_state *c, u64 port)
{
	if (c->poll)
		return read_poll(pic, c);
	if (port & 1)
		return c->imr;
	return c->read_reg_select ? c->isr : c->irr;
}

static struct kvm_pic_state *port_chip(struct pic *pic, u64 port)
{
	return &pic->chip[(port & 0x80) != 0];
}

/* A wider access is one to each port in turn. */
static int pic_write(struct io_dev *dev, struct nestor_vcpu *vcpu, u64 addr, unsigned int len,
		     const void *data)
{
	struct pic *pic = vcpu->vm->irqchip->pic;
	unsigned long flags;
	unsigned int i;

	raw_spin_lock_irqsave(&pic->lock, flags);
	for (i = 0; i < len; i++)
		write_port(pic, port_chip(pic, addr), addr + i, ((const u8 *)data)[i]);
	pic_unlock(pic, flags, true);
	return 0;
}

static int pic_read(struct io_dev *dev, struct nestor_vcpu *vcpu, u64 addr, unsigned int len,
		    void *data)
{
	struct pic *pic = vcpu->vm->irqchip->pic;
	unsigned long flags;
	bool polled = false;
	unsigned int i;

	raw_spin_lock_irqsave(&pic->lock, flags);
	for (i = 0; i < len; i++) {
		struct kvm_pic_state *c = port_chip(pic, addr);

		polled |= c->poll;
		((u8 *)data)[i] = read_port(pic, c, addr + i);
	}
	/* No other read changes anything. */
	if (polled)
		pic_unlock(pic, flags, true);
	else
		raw_spin_unlock_irqrestore(&pic->lock, flags);
	return 0;
}

static int elcr_write(struct io_dev *dev, struct nestor_vcpu *vcpu, u64 addr, unsigned int len,
		      const void *data)
{
	struct pic *pic = vcpu->vm->irqchip->pic;
	unsigned long flags;
	unsigned int i;

	raw_spin_lock_irqsave(&pic->lock, flags);
	for (i = 0; i < len; i++) {
		struct kvm_pic_state *c = &pic->chip[(addr + i) & 1];

		c->elcr = ((const u8 *)data)[i] & c->elcr_mask;
	}
	pic_unlock(pic, flags, true);
	return 0;
}

static int elcr_read(struct io_dev *dev, struct nestor_vcpu *vcpu, u64 addr, unsigned int len,
		     void *data)
{
	struct pic *pic = vcpu->vm->irqchip->pic;
	unsigned int i;

	for (i = 0; i < len; i++)
		((u8 *)data)[i] = READ_ONCE(pic->chip[(addr + i) & 1].elcr);
	return 0;
}

/* The devices are part of struct pic. */
static void no_destroy(struct io_dev *dev)
{
}

static void remove_devs(struct nestor_vm *vm, struct pic *pic, unsigned int nr)
{
	while (vm->bus && nr--)
		io_bus_remove(vm, IO_PORT, &pic->dev[nr]);
}

int pic_create(struct nestor_vm *vm, struct irqchip *chip)
{
	static const u16 ports[3] = { 0x20, 0xa0, 0x4d0 };
	struct pic *pic = kzalloc(sizeof(*pic), GFP_KERNEL_ACCOUNT);
	unsigned int i;
	int err;

	if (!pic)
		return -ENOMEM;
	pic->vm = vm;
	raw_spin_lock_init(&pic->lock);
	/* Timer, keyboard, cascade, RTC and FPU are edge triggered for ever. */
	pic->chip[0].elcr_mask = 0xf8;
	pic->chip[1].elcr_mask = 0xde;
	for (i = 0; i < 3; i++) {
		pic->dev[i] = (struct io_dev){
			.addr = ports[i],
			.len = 2,
			.read = i == 2 ? elcr_read : pic_read,
			.write = i == 2 ? elcr_write : pic_write,
			.destroy = no_destroy,
		};
		err = io_bus_add(vm, IO_PORT, &pic->dev[i]);
		if (err) {
			remove_devs(vm, pic, i);
			kfree(pic);
			return err;
		}
	}
	chip->pic = pic;
	return 0;
}

void pic_destroy(struct nestor_vm *vm, struct irqchip *chip)
{
	if (!chip->pic)
		return;
	remove_devs(vm, chip->pic, 3);
	kfree(chip->pic);
	chip->pic = NULL;
}

void pic_get_state(struct pic *pic, unsigned int chip, struct kvm_pic_state *s)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pic->lock, flags);
	*s = pic->chip[chip];
	raw_spin_unlock_irqrestore(&pic->lock, flags);
}

/* Every byte is a register whose any value the code above can live with, once the flags are flags. */
void pic_set_state(struct pic *pic, unsigned int chip, const struct kvm_pic_state *s)
{
	unsigned long flags;
	struct kvm_pic_state *c = &pic->chip[chip];
	u8 elcr_mask = c->elcr_mask;

	raw_spin_lock_irqsave(&pic->lock, flags);
	*c = *s;
	c->elcr_mask = elcr_mask;
	c->elcr &= elcr_mask;
	c->priority_add &= 7;
	c->irq_base &= 0xf8;
	c->init_state &= 3;
	pic_unlock(pic, flags, true);
}
