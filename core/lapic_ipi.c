// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupt messages: who is meant, and what the receiver does.
 *
 * Every message, from an ICR, an I/O APIC entry or an MSI, is a struct irq_msg
 * that is shown to each vCPU's APIC once (at most NESTOR_MAX_VCPUS steps).  No
 * lock is taken: all of it may run in hard interrupt context.
 */
#include "core/events.h"
#include "core/irqchip.h"
#include "core/lapic.h"
#include "core/nested_ops.h"
#include "core/smm.h"

void lapic_error(struct lapic *apic, unsigned int bit)
{
	/* One interrupt for each new kind; a bad error vector cannot come round again. */
	if (!test_and_set_bit(bit, &apic->errors))
		lapic_local(apic, APIC_R_LVT_ERR);
}

static void wake(struct nestor_vcpu *vcpu, enum vcpu_request req)
{
	vcpu_request(vcpu, req);
	vcpu_kick(vcpu);
}

static int accept_vector(struct lapic *apic, u8 vector, bool level)
{
	if (!lapic_sw_enabled(apic))
		return IRQ_IGNORED;
	if (vector < 16) {
		lapic_error(apic, ESR_RECV_VECTOR);
		return IRQ_IGNORED;
	}
	/* The trigger mode must be right before the vCPU can take the vector. */
	if (level != lapic_test_vec(apic, APIC_R_TMR, vector)) {
		if (level)
			lapic_set_vec(apic, APIC_R_TMR, vector);
		else
			lapic_clear_vec(apic, APIC_R_TMR, vector);
	}
	if (lapic_test_set_vec(apic, APIC_R_IRR, vector))
		return IRQ_COALESCED;
	/* The atomic operation above orders the two. */
	WRITE_ONCE(apic->irr_any, true);
	wake(apic->vcpu, REQ_EVENT);
	return 1;
}

int lapic_accept(struct lapic *apic, u8 mode, u8 vector, bool level)
{
	struct nestor_vcpu *vcpu = apic->vcpu;

	switch (mode) {
	case DM_FIXED:
	case DM_LOWEST:
		return accept_vector(apic, vector, level);
	case DM_NMI:
		queue_nmi(vcpu);
		return 1;
	case DM_SMI:
		queue_smi(vcpu);
		return 1;
	case DM_INIT:
		/* INIT forgets a SIPI that came before it. */
		clear_bit(APIC_EV_SIPI, &apic->events);
		set_bit(APIC_EV_INIT, &apic->events);
		wake(vcpu, REQ_APIC_EVENTS);
		return 1;
	case DM_SIPI:
		WRITE_ONCE(apic->sipi_vector, vector);
		smp_mb__before_atomic();
		set_bit(APIC_EV_SIPI, &apic->events);
		wake(vcpu, REQ_APIC_EVENTS);
		return 1;
	default:
		/* ExtINT: the PIC reaches the processor through LINT0. */
		return IRQ_IGNORED;
	}
}

/* An interrupt of the APIC itself. */
void lapic_local(struct lapic *apic, unsigned int reg)
{
	u32 lvt = lapic_reg(apic, reg);
	u8 mode = (lvt & LVT_MODE) >> 8;

	if (lvt & LVT_MASK || READ_ONCE(apic->mode) == APIC_OFF)
		return;
	/* Timer and error entries have no message type on some processors: fixed. */
	if (reg == APIC_R_LVT_TIMER || reg == APIC_R_LVT_ERR)
		mode = DM_FIXED;
	if (mode == DM_FIXED || mode == DM_NMI || mode == DM_SMI)
		lapic_accept(apic, mode, lvt & LVT_VECTOR, false);
}

/*
 * A device knows only 8 bits of destination: its 0xff means everybody, to an
 * x2APIC too unless the VMM asked for the bare architecture.
 */
static bool is_broadcast(const struct lapic *apic, const struct irq_msg *msg)
{
	if (msg->dest == 0xffffffff)
		return true;
	if (msg->wide || msg->dest != 0xff)
		return false;
	return READ_ONCE(apic->mode) == APIC_XAPIC ||
	       !(apic->vcpu->vm->x2apic_api & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK);
}

/* APM: "Logical Destination", flat and cluster model, x2APIC. */
static bool match_logical(const struct lapic *apic, int mode, u32 dest)
{
	u32 ldr = lapic_reg(apic, APIC_R_LDR);

	if (mode == APIC_X2APIC)
		return ldr >> 16 == dest >> 16 && (ldr & dest & 0xffff);
	if (dest > 0xff)
		return false;
	ldr >>= 24;
	if (lapic_reg(apic, APIC_R_DFR) >> 28 == 0xf)
		return ldr & dest;
	return ldr >> 4 == dest >> 4 && (ldr & dest & 0xf);
}

static bool match(const struct lapic *apic, const struct irq_msg *msg)
{
	int mode = smp_load_acquire(&apic->mode);
	u32 id = lapic_reg(apic, APIC_R_ID);

	if (msg->logical)
		return match_logical(apic, mode, msg->dest);
	return msg->dest == (mode == APIC_X2APIC ? id : id >> 24);
}

/* The less urgent work a processor does, the better a target it is; equals take turns. */
static bool better_target(const struct lapic *a, const struct lapic *b)
{
	u32 pa = lapic_ppr(a) >> 4, pb = lapic_ppr(b) >> 4;

	if (pa != pb)
		return pa < pb;
	return atomic_read(&a->arb) - atomic_read(&b->arb) < 0;
}

int lapic_deliver(struct nestor_vm *vm, const struct irq_msg *msg)
{
	struct lapic *best = NULL;
	struct nestor_vcpu *vcpu;
	int i, r, ret = IRQ_IGNORED;

	vm_for_each_vcpu(i, vcpu, vm) {
		struct lapic *apic = lapic_present(vcpu);

		if (!apic || !(is_broadcast(apic, msg) || match(apic, msg)))
			continue;
		if (msg->mode == DM_LOWEST) {
			if (lapic_sw_enabled(apic) && (!best || better_target(apic, best)))
				best = apic;
			continue;
		}
		r = lapic_accept(apic, msg->mode, msg->vector, msg->level);
		if (r >= 0)
			ret = max(ret, 0) + r;
	}
	if (best) {
		atomic_inc(&best->arb);
		ret = lapic_accept(best, msg->mode, msg->vector, msg->level);
	}
	return ret;
}

/* Shorthands "all" and "all but self": no destination is looked at. */
static void send_to_all(struct lapic *self, const struct irq_msg *msg, bool but_self)
{
	struct nestor_vcpu *vcpu;
	int i;

	vm_for_each_vcpu(i, vcpu, self->vcpu->vm) {
		struct lapic *apic = lapic_present(vcpu);

		if (apic && !(but_self && apic == self))
			lapic_accept(apic, msg->mode, msg->vector, msg->level);
	}
}

/*
 * ICR was written (APM: "Interrupt Command Register").  Combinations that the
 * manual calls invalid send nothing, but for an NMI or SMI to itself: software
 * sends these, and processors take them.
 */
void lapic_send_ipi(struct lapic *apic, u32 low, u32 dest)
{
	u32 shorthand = low >> 18 & 3;
	struct irq_msg msg = {
		.dest = dest,
		.vector = low & 0xff,
		.mode = low >> 8 & 7,
		.logical = low & 1u << 11,
		.wide = apic->mode == APIC_X2APIC,
	};
	bool fixed = msg.mode == DM_FIXED || msg.mode == DM_LOWEST;

	if (fixed && msg.vector < 16) {
		lapic_error(apic, ESR_SEND_VECTOR);
		return;
	}
	/* INIT level de-assert: only old bus-connected APICs know it. */
	if (msg.mode == DM_INIT && (low & LVT_LEVEL) && !(low & 1u << 14))
		return;
	if (msg.mode == DM_RESERVED || msg.mode == DM_EXTINT)
		return;

	switch (shorthand) {
	case 0:
		lapic_deliver(apic->vcpu->vm, &msg);
		break;
	case 1:
		if (msg.mode == DM_FIXED || msg.mode == DM_NMI || msg.mode == DM_SMI)
			lapic_accept(apic, msg.mode, msg.vector, false);
		break;
	case 2:
		if (fixed || msg.mode == DM_NMI || msg.mode == DM_SMI)
			send_to_all(apic, &msg, false);
		break;
	case 3:
		send_to_all(apic, &msg, true);
		break;
	}
}

bool lapic_init_latched(const struct nestor_vcpu *vcpu)
{
	return test_bit(APIC_EV_INIT, &vcpu->apic->events);
}

void lapic_latch_init(struct nestor_vcpu *vcpu, bool on)
{
	if (on)
		set_bit(APIC_EV_INIT, &vcpu->apic->events);
	else
		clear_bit(APIC_EV_INIT, &vcpu->apic->events);
}

/* SIPI: real-mode start at page @vector (APM: "Startup IPI"). */
static void start_at(struct nestor_vcpu *vcpu, u8 vector)
{
	struct guest_run *run = &vcpu->l1;
	struct guest_seg cs = *run_seg(run, SEG_CS);

	cs.sel = vector << 8;
	cs.base = (u64)vector << 12;
	run_set_seg(run, SEG_CS, &cs);
	run->rip = 0;
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
}

/* A frontend may send L2 away, with INIT still latched for L1, or turn INIT into #SX. */
static bool init_goes_elsewhere(struct nestor_vcpu *vcpu)
{
	const struct guest_event ev = { .valid = true, .type = EVENT_INIT };
	const struct guest_run *run = vcpu->run;

	if (nested->l2_event(vcpu, &ev, 0) != NESTED_BY_L1)
		return false;
	if (vcpu->run == run)
		clear_bit(APIC_EV_INIT, &vcpu->apic->events);
	else
		/* L1 has it held back, and is to tell when it does so no more. */
		(void)nested->blocked(vcpu, EVENT_INIT);
	return true;
}

/* A frontend may take a SIPI for its own, or lose it. */
static bool sipi_goes_elsewhere(struct nestor_vcpu *vcpu)
{
	const struct guest_event ev = {
		.valid = true, .type = EVENT_SIPI, .vector = READ_ONCE(vcpu->apic->sipi_vector),
	};

	return nested->l2_event(vcpu, &ev, 0) == NESTED_BY_L1;
}

void lapic_accept_events(struct nestor_vcpu *vcpu)
{
	struct lapic *apic = vcpu->apic;

	if (!apic || !READ_ONCE(apic->events))
		return;
	/* Both stay latched; the frontend, or RSM, asks again when that ends. */
	if (vcpu->smm.active)
		return;
	if (test_bit(APIC_EV_SIPI, &apic->events) && sipi_goes_elsewhere(vcpu))
		clear_bit(APIC_EV_SIPI, &apic->events);
	if (nested->blocked(vcpu, EVENT_INIT))
		return;

	if (test_bit(APIC_EV_INIT, &apic->events) && init_goes_elsewhere(vcpu))
		return;
	if (test_and_clear_bit(APIC_EV_INIT, &apic->events)) {
		lapic_reset(vcpu, true);
		vcpu_reset(vcpu, true);
		vcpu->mp_state = lapic_is_bsp(vcpu) ? KVM_MP_STATE_RUNNABLE :
						      KVM_MP_STATE_INIT_RECEIVED;
	}
	if (test_and_clear_bit(APIC_EV_SIPI, &apic->events)) {
		smp_mb__after_atomic();
		/* Only a processor that waits for it takes a SIPI. */
		if (vcpu->mp_state == KVM_MP_STATE_INIT_RECEIVED)
			start_at(vcpu, READ_ONCE(apic->sipi_vector));
	}
}
