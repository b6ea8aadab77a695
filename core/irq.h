/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupt controllers: local APIC (core/lapic*.c), I/O APIC, PIC, PIT
 * (core/ioapic.c, core/pic.c, core/pit.c), routing and irqfd.  Without
 * in-kernel controllers the VMM injects with KVM_INTERRUPT.
 */
#ifndef NESTOR_CORE_IRQ_H
#define NESTOR_CORE_IRQ_H

#include <linux/kvm.h>

#include "core/vcpu.h"

/* What the run loop asks of the sources of a vCPU's interrupts (core/irq.c). */
/** irq_pending() - is there an interrupt for L1 (PIC, local APIC above PPR, or KVM_INTERRUPT)? */
bool irq_pending(struct nestor_vcpu *vcpu);
/** irq_ack() - take the highest one: its vector, or -1; the local APIC moves IRR to ISR */
int irq_ack(struct nestor_vcpu *vcpu);
/** irq_user_queue() - KVM_INTERRUPT: -EEXIST if one waits, -ENXIO with in-kernel PIC, -EINVAL */
int irq_user_queue(struct nestor_vcpu *vcpu, u32 vector);
/** irq_user_pending() - is a KVM_INTERRUPT vector waiting (-1: no)?  For KVM_GET_SREGS and the like */
int irq_user_pending(struct nestor_vcpu *vcpu);
/**
 * irq_ready_for_user() - would the interrupt sources take a KVM_INTERRUPT now?
 * Whether the CPU can take one (can_take_irq) is the caller's to ask.
 */
bool irq_ready_for_user(struct nestor_vcpu *vcpu);
/** irq_user_window() - does the VMM ask to be told when it may inject, and have the sources room? */
bool irq_user_window(struct nestor_vcpu *vcpu);
/**
 * irq_take_ioapic_eoi() - on REQ_IOAPIC_EOI: take one vector whose EOI the VMM's I/O APIC
 * waits for (KVM_EXIT_IOAPIC_EOI); asks for REQ_IOAPIC_EOI again when more are left
 */
bool irq_take_ioapic_eoi(struct nestor_vcpu *vcpu, u8 *vector);

/*
 * Local APIC.  Called by the vCPU's thread or with vcpu->lock held; interrupts
 * reach it from any context through core/lapic.h.  Functions that take a vCPU
 * without in-kernel local APIC say what they do then; the others must not see one.
 */
int lapic_create(struct nestor_vcpu *vcpu);
void lapic_free(struct nestor_vcpu *vcpu);
/* lapic_reset() - power-on also sets APIC_BASE (without APIC, too); INIT keeps it, the mode and the id */
void lapic_reset(struct nestor_vcpu *vcpu, bool init);
/* KVM_GET_LAPIC / KVM_SET_LAPIC; vcpu->lock held */
int lapic_get_state(struct nestor_vcpu *vcpu, struct kvm_lapic_state *s);
int lapic_set_state(struct nestor_vcpu *vcpu, const struct kvm_lapic_state *s);
/* lapic_set_base() - APIC_BASE MSR with its transition rules; -EINVAL for #GP; works without APIC */
int lapic_set_base(struct nestor_vcpu *vcpu, u64 val, bool host);
/* MSRs 0x800 to 0x8ff; -EINVAL for #GP (also: no APIC, not in x2APIC mode) */
int lapic_x2apic_read(struct nestor_vcpu *vcpu, u32 msr, u64 *val);
int lapic_x2apic_write(struct nestor_vcpu *vcpu, u32 msr, u64 val);
/* lapic_mmio() - access to the APIC page by the vCPU itself; false: not enabled or not in the page */
bool lapic_mmio(struct nestor_vcpu *vcpu, u64 gpa, unsigned int len, void *data, bool write);
u64 lapic_get_tpr(struct nestor_vcpu *vcpu);		/* CR8, 0 to 15; works without APIC */
void lapic_set_tpr(struct nestor_vcpu *vcpu, u64 cr8);
int lapic_get_tsc_deadline(struct nestor_vcpu *vcpu, u64 *val);
int lapic_set_tsc_deadline(struct nestor_vcpu *vcpu, u64 val);
/* lapic_tsc_changed() - vcpu->l1_tsc_offset was changed: aim the deadline timer again */
void lapic_tsc_changed(struct nestor_vcpu *vcpu);
/* lapic_is_bsp() - the bootstrap processor: runs after reset instead of waiting for SIPI */
bool lapic_is_bsp(const struct nestor_vcpu *vcpu);
/*
 * lapic_accept_events() - INIT and SIPI latched in the APIC act on the vCPU; vCPU thread.
 * INIT calls lapic_reset() and vcpu_reset(vcpu, true), which leaves L2; a frontend that holds INIT back
 * (GIF = 0) says so with nested_ops.blocked and asks for REQ_APIC_EVENTS when it ends.
 * Updates vcpu->mp_state.
 */
void lapic_accept_events(struct nestor_vcpu *vcpu);
/* INIT that waits (for RSM, for GIF = 1), as the VMM saves and restores it; with an APIC only */
bool lapic_init_latched(const struct nestor_vcpu *vcpu);
void lapic_latch_init(struct nestor_vcpu *vcpu, bool on);

/* irqchip ioctls and lines (VM-wide); creation with vm->lock held, before the first vCPU */
int irqchip_create(struct nestor_vm *vm);		/* KVM_CREATE_IRQCHIP: -EEXIST, -EINVAL, -ENOMEM */
int irqchip_split(struct nestor_vm *vm, u32 pins);	/* KVM_CAP_SPLIT_IRQCHIP: the same */
void irqchip_destroy(struct nestor_vm *vm);		/* the VM's end; includes PIT and irqfds */
int irqchip_get(struct nestor_vm *vm, struct kvm_irqchip *chip);	/* -ENXIO, -EINVAL */
int irqchip_set(struct nestor_vm *vm, const struct kvm_irqchip *chip);
/* irq_line() - KVM_IRQ_LINE: -ENXIO without in-kernel irqchip, 0 ignored/coalesced, 1 delivered */
int irq_line(struct nestor_vm *vm, u32 gsi, int level);
/*
 * irq_line_status() - KVM_IRQ_LINE_STATUS: the same, and *status for the VMM:
 * -1 ignored (masked, nobody listens), 0 coalesced, n delivered to n sinks
 */
int irq_line_status(struct nestor_vm *vm, u32 gsi, int level, int *status);
/* irq_set_routing() - KVM_SET_GSI_ROUTING; replaces the whole table or changes nothing */
int irq_set_routing(struct nestor_vm *vm, const struct kvm_irq_routing_entry *e, u32 nr);
#define NESTOR_MAX_IRQ_ROUTES	4096		/* KVM_CAP_IRQ_ROUTING */
/* irq_signal_msi() - KVM_SIGNAL_MSI: -EINVAL, 0 blocked by the guest, n delivered */
int irq_signal_msi(struct nestor_vm *vm, const struct kvm_msi *msi);
int irqfd_ioctl(struct nestor_vm *vm, const struct kvm_irqfd *args);
/* irqfd_release_all() - when the VM fd goes away; sleeps until no irqfd can fire any more */
void irqfd_release_all(struct nestor_vm *vm);

/* PIT; pit_create with vm->lock held: -EEXIST, -ENOENT without in-kernel PIC, -EINVAL */
int pit_create(struct nestor_vm *vm, const struct kvm_pit_config *cfg);
void pit_destroy(struct nestor_vm *vm);
int pit_get(struct nestor_vm *vm, struct kvm_pit_state2 *s);
int pit_set(struct nestor_vm *vm, const struct kvm_pit_state2 *s);
int pit_reinject(struct nestor_vm *vm, u8 on);

#endif
