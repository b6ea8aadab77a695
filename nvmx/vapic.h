/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The virtual-APIC page and what the processor does to it (SDM vol. 3, "APIC
 * Virtualization and Virtual Interrupts").  Pure: it works on a copy of the page.
 */
#ifndef NESTOR_NVMX_VAPIC_H
#define NESTOR_NVMX_VAPIC_H

#include "nvmx/vmcs12.h"

/* Registers of the page; those of a bitmap have a dword every 16 bytes. */
#define VAPIC_TPR	0x080
#define VAPIC_PPR	0x0a0
#define VAPIC_EOI	0x0b0
#define VAPIC_ISR	0x100
#define VAPIC_IRR	0x200
#define VAPIC_ICR	0x300	/* low half */
#define VAPIC_SELF_IPI	0x3f0
#define VAPIC_SIZE	0x400	/* nothing lies beyond */

/* x2APIC MSRs that are virtualised on their own */
#define X2APIC_FIRST	0x800u
#define X2APIC_LAST	0x8ffu
#define X2APIC_TPR	0x808u
#define X2APIC_EOI	0x80bu
#define X2APIC_SELF_IPI	0x83fu

/* What an access to an x2APIC MSR comes to. */
enum vapic_access {
	VAPIC_NOT_VIRTUAL,	/* it acts on the local APIC itself */
	VAPIC_DONE,
	VAPIC_GP,		/* #GP(0) */
	VAPIC_TPR_BELOW,	/* done, and then a VM exit: TPR below threshold */
	VAPIC_EOI_EXIT,		/* done, and then a VM exit: virtualised EOI of *vector */
	VAPIC_WRITE_EXIT,	/* done, and then a VM exit: APIC write at offset *vector << 4 */
};

/** vapic_x2apic_read() - RDMSR of @msr, 800H to 8FFH, in VMX non-root operation under @v */
enum vapic_access vapic_x2apic_read(const struct vmcs12 *v, const u8 *page, u32 msr, u64 *val);

/**
 * vapic_x2apic_write() - WRMSR of the same
 * @status: guest interrupt status, RVI and SVI
 * @vector: see enum vapic_access
 */
enum vapic_access vapic_x2apic_write(const struct vmcs12 *v, u8 *page, u16 *status, u32 msr,
				     u64 val, u8 *vector);

/** vapic_eoi_plain() - does an EOI of L2's by MSR end the vector in service with no VM exit after it? */
bool vapic_eoi_plain(const struct vmcs12 *v, u16 status);

/**
 * vapic_write() - APIC-write emulation with virtual-interrupt delivery, at the offset @reg of the
 * page, where the value is already; VAPIC_NOT_VIRTUAL: an APIC-write exit is all there is to it
 */
enum vapic_access vapic_write(const struct vmcs12 *v, u8 *page, u16 *status, unsigned int reg,
			      u8 *vector);

/** vapic_virtualize_ppr() - PPR virtualization */
void vapic_virtualize_ppr(u8 *page, u16 status);

/**
 * vapic_pending() - is RVI's class above that of VPPR, as it follows from VTPR and SVI?
 * Whether a virtual interrupt is recognised depends on "interrupt-window exiting" besides.
 */
bool vapic_pending(const u8 *page, u16 status);

/** vapic_held_by_tpr() - class of RVI if VTPR alone holds it back, else 0 */
u8 vapic_held_by_tpr(const u8 *page, u16 status);

/** vapic_deliver() - virtual-interrupt delivery: the vector that goes through the IDT */
u8 vapic_deliver(u8 *page, u16 *status);

/** vapic_post() - posted-interrupt processing: the requests @pir become virtual interrupts */
void vapic_post(u8 *page, u16 *status, const u64 pir[4]);

static inline bool vapic_virtual_delivery(const struct vmcs12 *v)
{
	return (v->cpu_ctls & CPU_SECONDARY) && (v->cpu_ctls2 & CPU2_VID);
}

#endif
