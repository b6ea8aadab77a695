/* SPDX-License-Identifier: GPL-2.0-only */
/* The VM-wide interrupt controllers' inside, shared by their .c files; lock order in core/irqchip.c. */
#ifndef NESTOR_CORE_IRQCHIP_H
#define NESTOR_CORE_IRQCHIP_H

#include <linux/bitmap.h>
#include <linux/hrtimer.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "core/iobus.h"
#include "core/irq.h"
#include "core/lapic.h"

/* Several sources drive one line; its level is the OR of theirs. */
enum irq_source { IRQ_SRC_USER, IRQ_SRC_RESAMPLE, IRQ_SRC_PIT };

#define NR_PIC_PINS	16
#define NR_IOAPIC_PINS	KVM_IOAPIC_NUM_PINS

/**
 * struct pic - the two 8259s as on a PC
 * @vm: the VM
 * @lock: all below; may be taken in hard interrupt context
 * @chip: master and slave; registers in the ABI's form
 * @sources: for each pin, bit n: source n drives it high
 * @output: the master's INTR output
 * @acked: pins that an EOI freed while @lock was held; told to others after it
 * @dev: master's, slave's and the edge/level ports
 */
struct pic {
	struct nestor_vm *vm;
	raw_spinlock_t lock;
	struct kvm_pic_state chip[2];
	u8 sources[NR_PIC_PINS];
	bool output;
	u16 acked;
	struct io_dev dev[3];
};

/**
 * struct ioapic - the I/O APIC
 * @vm: the VM
 * @lock: all below; may be taken in hard interrupt context
 * @s: registers in the ABI's form; @s.irr is the level of each pin
 * @delivered: edge pins whose present high level was delivered already
 * @sources: for each pin, bit n: source n drives it high
 * @vectors: vectors in the table, so that other vectors' EOIs need no lock; read without it
 * @dev: the MMIO page
 */
struct ioapic {
	struct nestor_vm *vm;
	raw_spinlock_t lock;
	struct kvm_ioapic_state s;
	u32 delivered;
	u8 sources[NR_IOAPIC_PINS];
	DECLARE_BITMAP(vectors, 256);
	struct io_dev dev;
};

/**
 * struct pit - the 8254
 * @vm: the VM
 * @lock: channels and flags; only in process context
 * @s: state in the ABI's form
 * @timer: channel 0's output, in hard interrupt context
 * @period_ns: of channel 0, 0 for one shot; changed only while @timer is cancelled
 * @tick_lock: @missed; may be taken in hard interrupt context
 * @missed: ticks of channel 0 the guest had no room for, given to it after its EOI
 * @reinject: do that
 * @ports: 0x40 to 0x43; @speaker: 0x61
 */
struct pit {
	struct nestor_vm *vm;
	struct mutex lock;
	struct kvm_pit_state2 s;
	struct hrtimer timer;
	u64 period_ns;
	raw_spinlock_t tick_lock;
	u32 missed;
	bool reinject;
	bool has_speaker;
	struct io_dev ports, speaker;
};

/**
 * struct gsi_route - what a GSI is wired to
 * @pic: PIC pin or -1, one of each chip at most
 * @ioapic: I/O APIC pin or -1
 * @has_msi: it sends the message @msi (then it is wired to no pin)
 */
struct gsi_route {
	s8 pic[2];
	s8 ioapic;
	bool has_msi;
	struct irq_msg msi;
};

/**
 * struct route_table - GSI routing, immutable once published
 * @user_eoi: vectors of level-triggered messages of the VMM's I/O APIC (split)
 * @pic_gsi: GSI of each PIC pin, -1 for none
 * @ioapic_gsi: GSI of each I/O APIC pin, -1 for none
 * @nr: entries in @gsi
 */
struct route_table {
	DECLARE_BITMAP(user_eoi, 256);
	s16 pic_gsi[NR_PIC_PINS];
	s16 ioapic_gsi[NR_IOAPIC_PINS];
	u32 nr;
	struct gsi_route gsi[];
};

/**
 * struct irqchip - VM-wide interrupt controllers
 * @pic: NULL in a split irqchip
 * @ioapic: NULL in a split irqchip
 * @pit: NULL until KVM_CREATE_PIT2; set once
 * @routes: readers hold vm->srcu; writers @route_lock
 * @route_lock: serialises KVM_SET_GSI_ROUTING
 * @split_pins: pins of the VMM's I/O APIC
 * @irqfd: see core/irqfd.c
 */
struct irqchip {
	struct pic *pic;
	struct ioapic *ioapic;
	struct pit *pit;
	struct route_table __rcu *routes;
	struct mutex route_lock;
	u32 split_pins;
	struct {
		struct mutex lock;
		spinlock_t list_lock;
		struct list_head list;
		struct list_head resamplers;
		struct workqueue_struct *wq;
	} irqfd;
};

/* core/routing.c; vm->srcu held, any context */
int irq_set(struct nestor_vm *vm, enum irq_source src, u32 gsi, bool level);
void irq_acked(struct nestor_vm *vm, bool ioapic, unsigned int pin);
bool route_user_wants_eoi(struct nestor_vm *vm, u8 vector);
int route_default(struct nestor_vm *vm, bool split);

/* core/pic.c */
int pic_create(struct nestor_vm *vm, struct irqchip *chip);
void pic_destroy(struct nestor_vm *vm, struct irqchip *chip);	/* devices stay with the bus */
int pic_set(struct pic *pic, unsigned int pin, enum irq_source src, bool level);
static inline bool pic_output(const struct pic *pic)
{
	return READ_ONCE(pic->output);
}

/* vm_pic() - the in-kernel PIC, NULL if there is none */
static inline struct pic *vm_pic(struct nestor_vm *vm)
{
	struct irqchip *chip = READ_ONCE(vm->irqchip);

	return chip ? chip->pic : NULL;
}

/** irq_quiet() - a quick look: true if irq_pending() could not be */
static inline bool irq_quiet(const struct nestor_vcpu *vcpu)
{
	const struct pic *pic = vm_pic(vcpu->vm);
	const struct lapic *apic = READ_ONCE(vcpu->apic);

	if (pic ? pic_output(pic) : vcpu->user_irq)
		return false;
	return !apic || !READ_ONCE(apic->irr_any);
}

/**
 * nothing_held() - no interrupt, INIT or SIPI waits, nor a VMM to inject one: lifting what blocks them
 * makes none deliverable
 * What is in vcpu->ev and vcpu->smm is not looked at.
 */
static __always_inline bool nothing_held(const struct nestor_vcpu *vcpu)
{
	return irq_quiet(vcpu) && !READ_ONCE(vcpu->kvm_run->request_interrupt_window) && !lapic_has_init_sipi(vcpu);
}

int pic_ack(struct pic *pic);
void pic_get_state(struct pic *pic, unsigned int chip, struct kvm_pic_state *s);
void pic_set_state(struct pic *pic, unsigned int chip, const struct kvm_pic_state *s);

/* core/ioapic.c */
int ioapic_create(struct nestor_vm *vm, struct irqchip *chip);
void ioapic_destroy(struct nestor_vm *vm, struct irqchip *chip);
int ioapic_set(struct ioapic *ioapic, unsigned int pin, enum irq_source src, bool level);
void ioapic_eoi(struct nestor_vm *vm, u8 vector, bool level);
bool ioapic_has_vector(const struct nestor_vm *vm, u8 vector);	/* may ioapic_eoi() have something to do? */
void ioapic_get_state(struct ioapic *ioapic, struct kvm_ioapic_state *s);
void ioapic_set_state(struct ioapic *ioapic, const struct kvm_ioapic_state *s);

/* core/pit.c, for core/pit_state.c: its ports, and the timer of channel 0 */
int pit_add_ports(struct nestor_vm *vm, struct pit *pit, bool speaker);
enum hrtimer_restart pit_fired(struct hrtimer *timer);
/* Aim the timer at channel 0's next rise; a @restored one-shot count may have ended long ago.  pit->lock held. */
void pit_arm(struct pit *pit, bool restored);
/* core/pit.c: the guest ended a tick */
void pit_acked(struct pit *pit);

/* core/irqfd.c: the guest ended an interrupt of @gsi */
void irqfd_init(struct irqchip *chip);
void irqfd_acked(struct nestor_vm *vm, u32 gsi);

#endif
