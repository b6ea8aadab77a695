/* SPDX-License-Identifier: GPL-2.0-only */
/* Layout of the FXSAVE area and the XSAVE header (APM vol. 2 "XSAVE/XRSTOR Instructions"). */
#ifndef NESTOR_CORE_FPU_LAYOUT_H
#define NESTOR_CORE_FPU_LAYOUT_H

#include "core/types.h"

#define MXCSR_RESET	0x1f80
#define XSAVE_HDR	512

struct fx_area {
	u16 fcw, fsw;
	u8 ftw, rsvd;		/* abridged tag word */
	u16 fop;
	u64 rip, rdp;
	u32 mxcsr, mxcsr_mask;
	u8 st[8][16];
	u8 xmm[16][16];
	u8 unused[96];
} __packed;

struct xsave_header {
	u64 xstate_bv;
	u64 xcomp_bv;
	u64 reserved[6];
} __packed;

static inline struct xsave_header *fpu_header(void *area)
{
	return area + XSAVE_HDR;
}

/* MXCSR bits that this CPU has; writing others is #GP */
extern u32 fpu_mxcsr_mask;

#endif
