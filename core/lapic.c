// SPDX-License-Identifier: GPL-2.0-only
/*
 * Local APIC: life, modes, priority and end of interrupt.
 *
 * An interrupt is a bit in IRR.  The highest one is taken when its class
 * (bits 7:4) is above the processor priority, the larger of TPR and the
 * highest vector in service; taking it moves the bit to ISR, EOI clears the
 * highest bit of ISR (APM: "Interrupt Priorities").  PPR is computed when it is
 * asked for, by the vCPU's thread, so that a sender never looks at it.
 */
#include <linux/slab.h>

#include "core/irqchip.h"
#include "core/lapic.h"

int lapic_highest(const struct lapic *apic, unsigned int reg)
{
	int word;

	for (word = 7; word >= 0; word--) {
		u32 bits = lapic_reg(apic, reg + word * 16);

		if (bits)
			return word * 32 + fls(bits) - 1;
	}
	return -1;
}

u32 lapic_ppr(const struct lapic *apic)
{
	u32 tpr = lapic_reg(apic, APIC_R_TPR) & 0xff;
	int isr = lapic_highest(apic, APIC_R_ISR);

	if (isr < 0 || (tpr & 0xf0) >= (isr & 0xf0))
		return tpr;
	return isr & 0xf0;
}

int lapic_waiting(struct lapic *apic)
{
	int vector;

	if (!READ_ONCE(apic->irr_any))
		return -1;
	vector = lapic_highest(apic, APIC_R_IRR);
	if (vector < 0) {
		WRITE_ONCE(apic->irr_any, false);
		/* Pairs with accept_vector(): a bit set meanwhile is seen, or its flag comes after. */
		smp_mb();
		vector = lapic_highest(apic, APIC_R_IRR);
		if (vector >= 0)
			WRITE_ONCE(apic->irr_any, true);
	}
	return vector;
}

int lapic_pending(struct nestor_vcpu *vcpu)
{
	struct lapic *apic = lapic_present(vcpu);
	int vector = apic ? lapic_waiting(apic) : -1;

	if (vector < 0 || (vector & 0xf0) <= (lapic_ppr(apic) & 0xf0))
		return -1;
	return vector;
}

void lapic_ack(struct nestor_vcpu *vcpu, u8 vector)
{
	struct lapic *apic = vcpu->apic;

	/* A new message that comes between the two sets IRR again and waits its turn. */
	lapic_clear_vec(apic, APIC_R_IRR, vector);
	lapic_set_vec(apic, APIC_R_ISR, vector);
	apic->eoi_due = true;
}

void lapic_eoi(struct lapic *apic)
{
	struct nestor_vm *vm = apic->vcpu->vm;
	int vector = lapic_highest(apic, APIC_R_ISR);
	bool level;

	if (vector < 0)
		return;
	lapic_clear_vec(apic, APIC_R_ISR, vector);
	level = lapic_test_vec(apic, APIC_R_TMR, vector);
	/* What comes later makes a request of its own. */
	if (READ_ONCE(apic->irr_any))
		vcpu_request(apic->vcpu, REQ_EVENT);

	if (!vm->split) {
		ioapic_eoi(vm, vector, level);
	} else if (level && route_user_wants_eoi(vm, vector)) {
		__set_bit(vector, apic->user_eoi);
		vcpu_request(apic->vcpu, REQ_IOAPIC_EOI);
	}
}

bool irq_take_ioapic_eoi(struct nestor_vcpu *vcpu, u8 *vector)
{
	struct lapic *apic = vcpu->apic;
	unsigned int bit;

	if (!apic)
		return false;
	bit = find_first_bit(apic->user_eoi, 256);
	if (bit >= 256)
		return false;
	__clear_bit(bit, apic->user_eoi);
	if (!bitmap_empty(apic->user_eoi, 256))
		vcpu_request(vcpu, REQ_IOAPIC_EOI);
	*vector = bit;
	return true;
}

/*
 * The PIC's output reaches LINT0.  With LINT0 in ExtINT mode the processor
 * takes its interrupts; with the APIC off, LINT0 is the processor's INTR pin,
 * which is wired on the bootstrap processor alone.
 */
bool lapic_accepts_pic(struct nestor_vcpu *vcpu)
{
	struct lapic *apic = READ_ONCE(vcpu->apic);
	u32 lint0;

	if (!apic)
		return true;
	if (READ_ONCE(apic->mode) == APIC_OFF)
		return lapic_is_bsp(vcpu);
	lint0 = lapic_reg(apic, APIC_R_LINT0);
	return !(lint0 & LVT_MASK) && ((lint0 & LVT_MODE) >> 8) == DM_EXTINT;
}

bool lapic_is_bsp(const struct nestor_vcpu *vcpu)
{
	return vcpu->id == vcpu->vm->bsp_id;
}

u64 lapic_get_tpr(struct nestor_vcpu *vcpu)
{
	if (!vcpu->apic)
		return vcpu->cr8 & 0xf;
	return lapic_cr8(vcpu->apic);
}

void lapic_set_tpr(struct nestor_vcpu *vcpu, u64 cr8)
{
	u64 old = lapic_get_tpr(vcpu);

	cr8 &= 0xf;
	if (!vcpu->apic)
		vcpu->cr8 = cr8;
	else
		lapic_put(vcpu->apic, APIC_R_TPR, cr8 << 4);
	if (cr8 < old)
		vcpu_request(vcpu, REQ_EVENT);
}

static enum apic_mode base_mode(u64 base)
{
	if (!(base & BASE_ENABLE))
		return APIC_OFF;
	return base & BASE_X2APIC ? APIC_X2APIC : APIC_XAPIC;
}

/* In x2APIC mode the logical id follows from the id (APM: "x2APIC Logical Destination"). */
static void fix_ids(struct lapic *apic)
{
	u32 id = apic->vcpu->id;

	lapic_put(apic, APIC_R_ID, id);
	lapic_put(apic, APIC_R_LDR, (id >> 4) << 16 | 1u << (id & 15));
}

/* Registers as after power-on or INIT (APM: "Local APIC Reset State"); the id is kept. */
static void reset_regs(struct lapic *apic)
{
	unsigned int reg;

	lapic_timer_stop(apic);
	lapic_put(apic, APIC_R_VERSION, 5 << 16 | 0x14);
	for (reg = APIC_R_LVT_TIMER; reg <= APIC_R_LVT_ERR; reg += 16)
		lapic_put(apic, reg, LVT_MASK);
	for (reg = APIC_R_ISR; reg < APIC_R_ESR; reg += 16)
		lapic_put(apic, reg, 0);
	lapic_put(apic, APIC_R_TPR, 0);
	lapic_put(apic, APIC_R_LDR, 0);
	lapic_put(apic, APIC_R_DFR, 0xffffffff);
	lapic_put(apic, APIC_R_SVR, 0xff);
	lapic_put(apic, APIC_R_ESR, 0);
	lapic_put(apic, APIC_R_ICR, 0);
	lapic_put(apic, APIC_R_ICR2, 0);
	lapic_put(apic, APIC_R_TMICT, 0);
	lapic_put(apic, APIC_R_TDCR, 0);
	WRITE_ONCE(apic->errors, 0);
	bitmap_zero(apic->user_eoi, 256);
	if (apic->mode == APIC_X2APIC)
		fix_ids(apic);
}

void lapic_reset(struct nestor_vcpu *vcpu, bool init)
{
	struct lapic *apic = vcpu->apic;

	if (!init)
		vcpu->msr.apic_base = BASE_DEFAULT | BASE_ENABLE |
				      (lapic_is_bsp(vcpu) ? BASE_BSP : 0);
	vcpu->user_irq = 0;
	vcpu->msr.pv_eoi = 0;
	if (!apic)
		return;

	/* INIT leaves APIC_BASE, and with it the mode and the id, as they are. */
	if (!init) {
		WRITE_ONCE(apic->mode, APIC_XAPIC);
		lapic_put(apic, APIC_R_ID, vcpu->id << 24);
		apic->events = 0;
	}
	reset_regs(apic);
	/*
	 * Firmware finds the PIC connected through LINT0 of the bootstrap processor, which the
	 * manual has it do itself: a quirk of the ABI's that the VMM may turn off.
	 */
	if (!init && lapic_is_bsp(vcpu) &&
	    !(READ_ONCE(vcpu->vm->disabled_quirks) & KVM_X86_QUIRK_LINT0_REENABLED))
		lapic_put(apic, APIC_R_LINT0, DM_EXTINT << 8);
}

int lapic_create(struct nestor_vcpu *vcpu)
{
	struct lapic *apic = kzalloc(sizeof(*apic), GFP_KERNEL_ACCOUNT);

	if (!apic)
		return -ENOMEM;
	apic->vcpu = vcpu;
	lapic_timer_init(apic);
	vcpu->apic = apic;
	lapic_reset(vcpu, false);
	return 0;
}

void lapic_free(struct nestor_vcpu *vcpu)
{
	if (!vcpu->apic)
		return;
	lapic_timer_stop(vcpu->apic);
	kfree(vcpu->apic);
	vcpu->apic = NULL;
}

/* Which changes of mode the guest may make (APM: "x2APIC Mode Enable"). */
static bool base_change_ok(u64 old, u64 new)
{
	if (base_mode(old) == base_mode(new))
		return true;
	switch (base_mode(new)) {
	case APIC_OFF:
		return true;
	case APIC_XAPIC:
		return base_mode(old) == APIC_OFF;
	default:
		return base_mode(old) == APIC_XAPIC;
	}
}

int lapic_set_base(struct nestor_vcpu *vcpu, u64 val, bool host)
{
	struct lapic *apic = vcpu->apic;
	u64 old = vcpu->msr.apic_base;
	u64 reserved = vcpu->cpuid.rsvd_gpa_bits | 0x2ff;
	enum apic_mode mode = base_mode(val);

	if (!vcpu->cpuid.has_x2apic)
		reserved |= BASE_X2APIC;
	if (val & reserved)
		return -EINVAL;
	if ((val & BASE_X2APIC) && !(val & BASE_ENABLE))
		return -EINVAL;
	if (!host && !base_change_ok(old, val))
		return -EINVAL;

	vcpu->msr.apic_base = val;
	if (!apic || mode == apic->mode)
		return 0;
	/* An APIC that was switched off comes back as after power-on; the VMM sets the registers itself. */
	if (mode == APIC_OFF)
		lapic_timer_stop(apic);
	else if (apic->mode == APIC_OFF && !host)
		reset_regs(apic);

	if (mode == APIC_X2APIC) {
		fix_ids(apic);
		lapic_put(apic, APIC_R_ICR2, 0);
	} else if (apic->mode != APIC_XAPIC) {
		lapic_put(apic, APIC_R_ID, vcpu->id << 24);
	}
	/* Senders look at the ids after the mode. */
	smp_store_release(&apic->mode, mode);
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

/*
 * The ABI's form is the register page.  In x2APIC mode the id is 32 bits wide
 * only when the VMM asked for that; else it sits in bits 31:24 as in xAPIC mode.
 */
static bool wide_ids(const struct nestor_vm *vm)
{
	return vm->x2apic_api & KVM_X2APIC_API_USE_32BIT_IDS;
}

int lapic_get_state(struct nestor_vcpu *vcpu, struct kvm_lapic_state *s)
{
	struct lapic *apic = vcpu->apic;
	u32 word;

	if (!apic)
		return -EINVAL;
	memcpy(s->regs, apic->regs, sizeof(s->regs));
	word = lapic_ppr(apic);
	memcpy(s->regs + APIC_R_PPR, &word, 4);
	word = lapic_timer_count(apic);
	memcpy(s->regs + APIC_R_TMCCT, &word, 4);
	if (apic->mode == APIC_X2APIC && !wide_ids(vcpu->vm)) {
		word = vcpu->id << 24;
		memcpy(s->regs + APIC_R_ID, &word, 4);
	}
	return 0;
}

static u32 state_reg(const struct kvm_lapic_state *s, unsigned int reg)
{
	u32 val;

	memcpy(&val, s->regs + reg, 4);
	return val;
}

int lapic_set_state(struct nestor_vcpu *vcpu, const struct kvm_lapic_state *s)
{
	struct lapic *apic = vcpu->apic;
	unsigned int reg;

	if (!apic)
		return -EINVAL;
	reset_regs(apic);
	lapic_put(apic, APIC_R_ID, state_reg(s, APIC_R_ID) & 0xff000000);
	lapic_put(apic, APIC_R_TPR, state_reg(s, APIC_R_TPR) & 0xff);
	lapic_put(apic, APIC_R_LDR, state_reg(s, APIC_R_LDR) & 0xff000000);
	lapic_put(apic, APIC_R_DFR, state_reg(s, APIC_R_DFR) | 0x0fffffff);
	lapic_put(apic, APIC_R_SVR, state_reg(s, APIC_R_SVR) & 0x3ff);
	lapic_put(apic, APIC_R_ESR, state_reg(s, APIC_R_ESR) & 0xff);
	lapic_put(apic, APIC_R_ICR, state_reg(s, APIC_R_ICR) & ~LVT_STATUS);
	lapic_put(apic, APIC_R_ICR2, state_reg(s, APIC_R_ICR2));
	for (reg = APIC_R_ISR; reg < APIC_R_ESR; reg += 16)
		lapic_put(apic, reg, state_reg(s, reg));
	WRITE_ONCE(apic->irr_any, true);
	for (reg = APIC_R_LVT_TIMER; reg <= APIC_R_LVT_ERR; reg += 16)
		lapic_put(apic, reg, state_reg(s, reg) & lapic_lvt_writable(apic, reg));
	lapic_put(apic, APIC_R_TDCR, state_reg(s, APIC_R_TDCR) & 0xb);
	lapic_put(apic, APIC_R_TMICT, state_reg(s, APIC_R_TMICT));
	/* In x2APIC mode they are read-only, whatever the image says. */
	if (apic->mode == APIC_X2APIC)
		fix_ids(apic);

	/* Go on from where the count was; a count of 0 with an initial count means "just loaded" or "over". */
	lapic_timer_start(apic, state_reg(s, APIC_R_TMCCT));
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}
