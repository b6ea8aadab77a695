/* SPDX-License-Identifier: GPL-2.0-only */
/* From what VT-x reports of an exit to struct guest_exit (pure). */
#ifndef NESTOR_HW_VMX_TRANSLATE_H
#define NESTOR_HW_VMX_TRANSLATE_H

#include "core/guest_run.h"
#include "hw/vmx/vmcs.h"

/* Fields that an exit defines, beyond its reason: flags of struct vmx_exit_row. */
#define XR_QUAL		(1u << 0)	/* exit qualification */
#define XR_LEN		(1u << 1)	/* VM-exit instruction length */
#define XR_INFO		(1u << 2)	/* VM-exit instruction information */
#define XR_GLA		(1u << 3)	/* guest-linear address */
#define XR_GPA		(1u << 4)	/* guest-physical address */
#define XR_INTR		(1u << 5)	/* VM-exit interruption information */
#define XR_UNBLOCK	(1u << 6)	/* qualification has "NMI unblocking due to IRET" */
#define XR_REFINE	(1u << 7)	/* vmx_refine() has more to say */

/**
 * struct vmx_exit_row - one basic exit reason
 * @reason: enum exit_reason
 * @index: guest_exit.index, where the reason says it all
 * @flags: XR_*
 */
struct vmx_exit_row {
	u16 reason;
	u8 index;
	u8 flags;
};

/**
 * struct vmx_raw - what VMREAD gave; fields that the exit does not define are 0
 * @reason: exit reason, with its upper bits
 * @intr: VM-exit interruption information; @error: its error code
 * @len: VM-exit instruction length
 * @info: VM-exit instruction information
 * @qual: exit qualification
 * @gla: guest-linear address
 * @gpa: guest-physical address
 * @rip: RIP of the guest
 */
struct vmx_raw {
	u32 reason;
	u32 intr, error;
	u32 len;
	u32 info;
	u64 qual, gla, gpa, rip;
};

extern const struct vmx_exit_row vmx_exit_rows[NR_VMX_REASONS], vmx_unknown_exit;

/** vmx_exit_row() - the row of @reason; one with EXIT_UNKNOWN for what is not known */
static inline const struct vmx_exit_row *vmx_exit_row(u32 reason)
{
	reason &= VMX_REASON_MASK;
	return likely(reason < NR_VMX_REASONS) ? &vmx_exit_rows[reason] : &vmx_unknown_exit;
}

/* vmx_refine() - what a row with XR_REFINE says by more than its number */
void vmx_refine(const struct vmx_raw *raw, struct guest_exit *x);

/* vmx_translate() of a row without XR_REFINE, at hand */
static __always_inline void vmx_translate_plain(const struct vmx_raw *raw,
							const struct vmx_exit_row *row,
						struct guest_exit *x)
{
	x->reason = row->reason;
	x->index = row->index;
	x->insn_len = 0;
	x->info1 = 0;
	x->info2 = 0;
	x->has_qual = true;
	x->qual = raw->qual;
	x->insn_info = raw->info;
	x->gla = raw->gla;
	x->raw = raw->reason;
	x->next_rip = row->flags & XR_LEN && raw->len ? raw->rip + raw->len : 0;
}

/* vmx_translate() with the row at hand */
static __always_inline void vmx_translate_row(const struct vmx_raw *raw,
					      const struct vmx_exit_row *row, struct guest_exit *x)
{
	vmx_translate_plain(raw, row, x);
	if (row->flags & XR_REFINE)
		vmx_refine(raw, x);
}

/** vmx_translate() - fill *@x but for .vectoring */
void vmx_translate(const struct vmx_raw *raw, struct guest_exit *x);
/** vmx_event() - interruption information to a neutral event */
struct guest_event vmx_event(u32 info, u32 error);
/**
 * vmx_event_info() - the reverse, for VM entry
 * @protected: CR0.PE of the guest
 * Error codes go with those vectors only that have one, and never in real mode: VM entry
 * fails otherwise (SDM vol. 3, "Checks on VMX Controls", event injection).
 */
u32 vmx_event_info(const struct guest_event *ev, bool protected);

static inline u32 vmx_seg_ar(u16 attrib)
{
	return (attrib & 0xff) | (attrib & 0xf00) << 4 |
	       (attrib & SEG_ATTR_P ? 0 : SEG_AR_UNUSABLE);
}

static inline u16 vmx_seg_attrib(u32 ar)
{
	u16 attrib = (ar & 0xff) | (ar >> 4 & 0xf00);

	return ar & SEG_AR_UNUSABLE ? attrib & ~SEG_ATTR_P : attrib;
}

/*
 * VM entry wants every usable code and data segment marked accessed, as loading one by an
 * instruction would have left it; AMD-V and the ABI do not ask.
 */
static inline u32 vmx_data_ar(u16 attrib)
{
	return vmx_seg_ar(attrib) | (attrib & SEG_ATTR_P ? 1 : 0);
}

/* CS is always present. */
static inline u32 vmx_cs_ar(u16 attrib)
{
	return vmx_data_ar(attrib) | (attrib & SEG_ATTR_MARKED ? SEG_AR_UNUSABLE : 0);
}

/* TR is never unusable, and busy. */
static inline u32 vmx_tr_ar(u16 attrib)
{
	return vmx_seg_ar((attrib | SEG_ATTR_P) & ~SEG_ATTR_S) | 3;
}

/* VT-x has the CPL in the DPL of SS. */
static inline u32 vmx_ss_ar(u16 attrib, u8 cpl)
{
	return vmx_data_ar((attrib & ~SEG_ATTR_DPL) | cpl << 5);
}

#endif
