// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC's registers, through the MMIO page (xAPIC) and through MSRs
 * 0x800 to 0x8ff (x2APIC).  Both end in lapic_read_reg() and
 * lapic_write_reg(), which know the offset only; -EINVAL means "no such
 * register" and becomes nothing in the page and #GP for an MSR.
 */
#include "core/irqchip.h"
#include "core/lapic.h"

#define MSR_BASE	0x800
#define SVR_WRITABLE	0x3ff
#define ICR_RESERVED	0xfff32000u	/* bits 31:20, 17:16, 13 */

/* Bits of a local vector table entry that software can write. */
u32 lapic_lvt_writable(const struct lapic *apic, unsigned int reg)
{
	switch (reg) {
	case APIC_R_LVT_TIMER:
		return LVT_VECTOR | LVT_MASK | TIMER_PERIODIC |
		       (apic->vcpu->cpuid.has_tsc_deadline ? TIMER_DEADLINE : 0);
	case APIC_R_LINT0:
	case APIC_R_LINT1:
		return LVT_VECTOR | LVT_MODE | LVT_MASK | LVT_POLARITY | LVT_LEVEL;
	case APIC_R_LVT_THERM:
	case APIC_R_LVT_PERF:
		return LVT_VECTOR | LVT_MODE | LVT_MASK;
	default:
		return LVT_VECTOR | LVT_MASK;
	}
}

/* Bits that must be zero when written as an MSR; the page ignores them. */
static u32 x2apic_reserved(const struct lapic *apic, unsigned int reg)
{
	switch (reg) {
	case APIC_R_TPR:
	case APIC_R_SELF_IPI:
		return ~0xffu;
	case APIC_R_EOI:
	case APIC_R_ESR:
		return ~0u;
	case APIC_R_SVR:
		return ~(u32)SVR_WRITABLE;
	case APIC_R_ICR:
		return ICR_RESERVED;
	case APIC_R_LVT_TIMER ... APIC_R_LVT_ERR:
		/* Read-only status bits may be written back. */
		return ~(lapic_lvt_writable(apic, reg) | LVT_STATUS | LVT_REMOTE_IRR);
	case APIC_R_TDCR:
		return ~0xbu;
	default:
		return 0;
	}
}

int lapic_read_reg(struct lapic *apic, unsigned int reg, u32 *val)
{
	bool x2 = apic->mode == APIC_X2APIC;

	switch (reg) {
	case APIC_R_PPR:
		*val = lapic_ppr(apic);
		return 0;
	case APIC_R_TMCCT:
		*val = lapic_timer_count(apic);
		return 0;
	case APIC_R_APR:
	case APIC_R_RRD:
		*val = 0;
		return x2 ? -EINVAL : 0;
	case APIC_R_DFR:
	case APIC_R_ICR2:
		if (x2)
			return -EINVAL;
		fallthrough;
	case APIC_R_ID:
	case APIC_R_VERSION:
	case APIC_R_TPR:
	case APIC_R_LDR:
	case APIC_R_SVR:
	case APIC_R_ISR ... APIC_R_ESR:
	case APIC_R_ICR:
	case APIC_R_LVT_TIMER ... APIC_R_TMICT:
	case APIC_R_TDCR:
		*val = lapic_reg(apic, reg);
		return 0;
	default:
		return -EINVAL;
	}
}

static void write_svr(struct lapic *apic, u32 val)
{
	unsigned int reg;

	lapic_put(apic, APIC_R_SVR, val & SVR_WRITABLE);
	if (val & SVR_ENABLE)
		return;
	/* Software disable masks every local vector. */
	for (reg = APIC_R_LVT_TIMER; reg <= APIC_R_LVT_ERR; reg += 16)
		lapic_put(apic, reg, lapic_reg(apic, reg) | LVT_MASK);
}

static void write_lvt(struct lapic *apic, unsigned int reg, u32 val)
{
	u32 old = lapic_reg(apic, reg);

	val &= lapic_lvt_writable(apic, reg);
	if (!lapic_sw_enabled(apic))
		val |= LVT_MASK;
	/* Going to or from TSC-deadline mode disarms the timer. */
	if (reg == APIC_R_LVT_TIMER && ((old ^ val) & TIMER_DEADLINE)) {
		lapic_timer_stop(apic);
		lapic_put(apic, APIC_R_TMICT, 0);
	}
	lapic_put(apic, reg, val);
	/* The PIC may have waited for LINT0 to let it through. */
	if (reg == APIC_R_LINT0)
		vcpu_request(apic->vcpu, REQ_EVENT);
}

static void write_esr(struct lapic *apic)
{
	/* A write shows what was gathered and starts gathering anew. */
	lapic_put(apic, APIC_R_ESR, xchg(&apic->errors, 0));
}

static void write_icr(struct lapic *apic, u32 val)
{
	val &= ~LVT_STATUS;
	lapic_put(apic, APIC_R_ICR, val);
	lapic_send_ipi(apic, val, lapic_reg(apic, APIC_R_ICR2) >>
				  (apic->mode == APIC_X2APIC ? 0 : 24));
}

int lapic_write_reg(struct lapic *apic, unsigned int reg, u32 val)
{
	bool x2 = apic->mode == APIC_X2APIC;

	switch (reg) {
	case APIC_R_ID:
	case APIC_R_LDR:
		if (x2)
			return -EINVAL;
		lapic_put(apic, reg, val & 0xff000000);
		break;
	case APIC_R_DFR:
		if (x2)
			return -EINVAL;
		lapic_put(apic, reg, val | 0x0fffffff);
		break;
	case APIC_R_TPR:
		lapic_put(apic, reg, val & 0xff);
		vcpu_request(apic->vcpu, REQ_EVENT);
		break;
	case APIC_R_EOI:
		lapic_eoi(apic);
		break;
	case APIC_R_SVR:
		write_svr(apic, val);
		break;
	case APIC_R_ESR:
		write_esr(apic);
		break;
	case APIC_R_ICR:
		write_icr(apic, val);
		break;
	case APIC_R_ICR2:
		if (x2)
			return -EINVAL;
		lapic_put(apic, reg, val & 0xff000000);
		break;
	case APIC_R_LVT_TIMER ... APIC_R_LVT_ERR:
		write_lvt(apic, reg, val);
		break;
	case APIC_R_TMICT:
		/* Has no effect in TSC-deadline mode. */
		if ((lapic_reg(apic, APIC_R_LVT_TIMER) & LVT_TIMER_MODE) == TIMER_DEADLINE)
			break;
		lapic_put(apic, reg, val);
		lapic_timer_start(apic, 0);
		break;
	case APIC_R_TDCR:
		lapic_timer_divide(apic, val);
		break;
	case APIC_R_SELF_IPI:
		if (!x2)
			return -EINVAL;
		lapic_send_ipi(apic, 1u << 18 | (val & 0xff), 0);
		break;
	default:
		return -EINVAL;
	}
	return 0;
}

/*
 * The page.  Registers are 32 bits, every 16 bytes; other accesses are
 * undefined: a read inside one register's four bytes gets them, everything
 * else reads 0, and only whole registers can be written.
 */
bool lapic_mmio(struct nestor_vcpu *vcpu, u64 gpa, unsigned int len, void *data, bool write)
{
	struct lapic *apic = vcpu->apic;
	unsigned int reg = gpa & 0xff0, at = gpa & 0xf;
	u32 val = 0;

	if (!apic || apic->mode != APIC_XAPIC ||
	    (gpa & BASE_ADDRESS) != (vcpu->msr.apic_base & BASE_ADDRESS))
		return false;
	if (!len || len > 8)
		return false;
	/* Offsets 0x400 up are extended registers, which the version does not announce. */
	if (gpa & 0xc00)
		reg = 0;

	if (write) {
		if (len == 4 && !at) {
			memcpy(&val, data, 4);
			if (reg && lapic_write_reg(apic, reg, val))
				lapic_error(apic, ESR_REGISTER);
		}
		return true;
	}
	memset(data, 0, len);
	if (at + len > 4)
		return true;
	if (reg && !lapic_read_reg(apic, reg, &val))
		memcpy(data, (u8 *)&val + at, len);
	return true;
}

static unsigned int msr_to_reg(u32 msr)
{
	return (msr - MSR_BASE) << 4;
}

int lapic_x2apic_read(struct nestor_vcpu *vcpu, u32 msr, u64 *val)
{
	struct lapic *apic = vcpu->apic;
	u32 low, r;

	if (!apic || apic->mode != APIC_X2APIC || msr < MSR_BASE || msr > MSR_BASE + 0x3f)
		return -EINVAL;
	r = msr_to_reg(msr);
	if (lapic_read_reg(apic, r, &low))
		return -EINVAL;
	*val = low;
	if (r == APIC_R_ICR)
		*val |= (u64)lapic_reg(apic, APIC_R_ICR2) << 32;
	return 0;
}

int lapic_x2apic_write(struct nestor_vcpu *vcpu, u32 msr, u64 val)
{
	struct lapic *apic = vcpu->apic;
	unsigned int reg;

	if (!apic || apic->mode != APIC_X2APIC || msr < MSR_BASE || msr > MSR_BASE + 0x3f)
		return -EINVAL;
	reg = msr_to_reg(msr);
	if ((u32)val & x2apic_reserved(apic, reg))
		return -EINVAL;
	if (reg == APIC_R_ICR)
		lapic_put(apic, APIC_R_ICR2, val >> 32);
	else if (val >> 32)
		return -EINVAL;
	return lapic_write_reg(apic, reg, val);
}
