// SPDX-License-Identifier: GPL-2.0-only
/* The processor's side of the virtual-APIC page. */
#include "nvmx/vapic.h"

#define RVI(status)	((u8)(status))
#define SVI(status)	((u8)((status) >> 8))

static u32 get(const u8 *page, unsigned int reg)
{
	u32 val;

	memcpy(&val, page + reg, sizeof(val));
	return val;
}

static void set(u8 *page, unsigned int reg, u32 val)
{
	memcpy(page + reg, &val, sizeof(val));
}

static unsigned int dword_of(unsigned int base, u8 vector)
{
	return base + vector / 32 * 16;
}

static void set_vector(u8 *page, unsigned int base, u8 vector, bool on)
{
	unsigned int reg = dword_of(base, vector);
	u32 bit = 1u << (vector & 31);

	set(page, reg, on ? get(page, reg) | bit : get(page, reg) & ~bit);
}

/* Highest vector of a bitmap, 0 when it is empty. */
static u8 highest(const u8 *page, unsigned int base)
{
	int i;
	u32 val;

	for (i = 7; i >= 0; i--) {
		val = get(page, base + i * 16);
		if (val)
			return i * 32 + 31 - __builtin_clz(val);
	}
	return 0;
}

static void set_rvi(u16 *status, u8 rvi)
{
	*status = (*status & 0xff00) | rvi;
}

static void set_svi(u16 *status, u8 svi)
{
	*status = (*status & 0xff) | (u16)svi << 8;
}

static u8 ppr(const u8 *page, u16 status)
{
	u8 tpr = get(page, VAPIC_TPR), svi = SVI(status);

	return tpr >> 4 >= svi >> 4 ? tpr : svi & 0xf0;
}

void vapic_virtualize_ppr(u8 *page, u16 status)
{
	set(page, VAPIC_PPR, ppr(page, status));
}

bool vapic_pending(const u8 *page, u16 status)
{
	return RVI(status) >> 4 > ppr(page, status) >> 4;
}

u8 vapic_held_by_tpr(const u8 *page, u16 status)
{
	u8 class = RVI(status) >> 4, tpr = get(page, VAPIC_TPR);

	return class > SVI(status) >> 4 && class <= tpr >> 4 ? class : 0;
}

u8 vapic_deliver(u8 *page, u16 *status)
{
	u8 vector = RVI(*status);

	set_vector(page, VAPIC_ISR, vector, true);
	set_svi(status, vector);
	set(page, VAPIC_PPR, vector & 0xf0);
	set_vector(page, VAPIC_IRR, vector, false);
	set_rvi(status, highest(page, VAPIC_IRR));
	return vector;
}

/* TPR virtualization */
static enum vapic_access write_tpr(const struct vmcs12 *v, u8 *page, u16 status)
{
	u8 tpr = get(page, VAPIC_TPR);

	if (vapic_virtual_delivery(v)) {
		vapic_virtualize_ppr(page, status);
		return VAPIC_DONE;
	}
	return tpr >> 4 < (v->tpr_threshold & 0xf) ? VAPIC_TPR_BELOW : VAPIC_DONE;
}

static bool eoi_exits(const struct vmcs12 *v, u8 vector)
{
	return v->f[VMCS12_eoi_exit_bitmap0 + vector / 64] >> (vector & 63) & 1;
}

/* EOI virtualization */
static enum vapic_access write_eoi(const struct vmcs12 *v, u8 *page, u16 *status, u8 *vector)
{
	*vector = SVI(*status);
	set(page, VAPIC_EOI, 0);
	set_vector(page, VAPIC_ISR, *vector, false);
	set_svi(status, highest(page, VAPIC_ISR));
	vapic_virtualize_ppr(page, *status);
	return eoi_exits(v, *vector) ? VAPIC_EOI_EXIT : VAPIC_DONE;
}

bool vapic_eoi_plain(const struct vmcs12 *v, u16 status)
{
	return vapic_virtual_delivery(v) && (v->cpu_ctls2 & CPU2_X2APIC) && !eoi_exits(v, SVI(status));
}

/* Self-IPI virtualization */
static enum vapic_access self_ipi(u8 *page, u16 *status, u8 ipi)
{
	set_vector(page, VAPIC_IRR, ipi, true);
	if (ipi > RVI(*status))
		set_rvi(status, ipi);
	return VAPIC_DONE;
}

/* A vector below 16 is left to the hypervisor. */
static enum vapic_access write_self_ipi(u8 *page, u16 *status, u8 ipi, u8 *vector)
{
	set(page, VAPIC_SELF_IPI, ipi);
	if (ipi < 16) {
		*vector = VAPIC_SELF_IPI >> 4;
		return VAPIC_WRITE_EXIT;
	}
	return self_ipi(page, status, ipi);
}

/*
 * ICR bits that have to be 0 for a self-IPI without an exit: reserved ones, the delivery status,
 * the trigger mode, the delivery mode; the shorthand has to be "self".
 */
#define ICR_ZERO	0xfff3b700u
#define ICR_SHORTHAND	0x000c0000u
#define ICR_SELF	0x00040000u

static enum vapic_access write_icr(u8 *page, u16 *status)
{
	u32 icr = get(page, VAPIC_ICR);

	if ((icr & (ICR_ZERO | ICR_SHORTHAND)) != ICR_SELF || (u8)icr < 16)
		return VAPIC_NOT_VIRTUAL;
	return self_ipi(page, status, icr);
}

enum vapic_access vapic_write(const struct vmcs12 *v, u8 *page, u16 *status, unsigned int reg,
			      u8 *vector)
{
	switch (reg) {
	case VAPIC_EOI:
		return write_eoi(v, page, status, vector);
	case VAPIC_ICR:
		return write_icr(page, status);
	default:
		return VAPIC_NOT_VIRTUAL;
	}
}

static u32 cpu2(const struct vmcs12 *v)
{
	return v->cpu_ctls & CPU_SECONDARY ? v->cpu_ctls2 : 0;
}

enum vapic_access vapic_x2apic_read(const struct vmcs12 *v, const u8 *page, u32 msr, u64 *val)
{
	unsigned int reg = (msr & 0xff) << 4;

	if (!(cpu2(v) & CPU2_X2APIC) || (!(cpu2(v) & CPU2_APIC_REGS) && msr != X2APIC_TPR))
		return VAPIC_NOT_VIRTUAL;
	/* The page is 4 KiB, and what is not kept of it is reserved. */
	*val = reg < VAPIC_SIZE ? get(page, reg) | (u64)get(page, reg + 4) << 32 : 0;
	return VAPIC_DONE;
}

enum vapic_access vapic_x2apic_write(const struct vmcs12 *v, u8 *page, u16 *status, u32 msr,
				     u64 val, u8 *vector)
{
	if (!(cpu2(v) & CPU2_X2APIC) || (msr != X2APIC_TPR && !(cpu2(v) & CPU2_VID)))
		return VAPIC_NOT_VIRTUAL;
	switch (msr) {
	case X2APIC_TPR:
		if (val >> 8)
			return VAPIC_GP;
		set(page, VAPIC_TPR, val);
		return write_tpr(v, page, *status);
	case X2APIC_EOI:
		return val ? VAPIC_GP : write_eoi(v, page, status, vector);
	case X2APIC_SELF_IPI:
		return val >> 8 ? VAPIC_GP : write_self_ipi(page, status, val, vector);
	default:
		return VAPIC_NOT_VIRTUAL;
	}
}

void vapic_post(u8 *page, u16 *status, const u64 pir[4])
{
	u8 top;
	int i;

	for (i = 0; i < 8; i++) {
		u32 bits = pir[i / 2] >> (i & 1) * 32;

		if (!bits)
			continue;
		set(page, VAPIC_IRR + i * 16, get(page, VAPIC_IRR + i * 16) | bits);
		top = i * 32 + 31 - __builtin_clz(bits);
		if (top > RVI(*status))
			set_rvi(status, top);
	}
}
