/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The SMRAM state-save area (APM vol. 2, "SMRAM State-Save Area"), in the AMD64
 * format, which a processor with long mode uses in every mode.
 */
#ifndef NESTOR_CORE_SMRAM_H
#define NESTOR_CORE_SMRAM_H

#include "core/types.h"

#define SMRAM_STATE	0xfe00	/* from SMBASE */
#define SMRAM_ENTRY	0x8000	/* where the handler starts, from SMBASE */
#define SMBASE_RESET	0x30000
/* SMM revision identifier: AMD64 format, SMBASE can be moved, no I/O restart */
#define SMRAM_REVISION	0x00020064

struct smram_seg {
	u16 sel;
	u16 attrib;	/* as in a descriptor: 7:0 type to P, 15:12 AVL to G */
	u32 limit;
	u64 base;
};

struct smram {
	struct smram_seg es, cs, ss, ds, fs, gs;	/* fe00 */
	struct smram_seg gdtr, ldtr, idtr, tr;		/* fe60 */
	u64 io_rip, io_rcx, io_rsi, io_rdi;		/* fea0 */
	u32 io_dword;					/* fec0 */
	u32 rsvd_fec4;
	u8 io_restart;					/* fec8 */
	u8 halt_restart;				/* fec9 */
	u8 nmi_mask;					/* feca */
	u8 int_shadow;					/* fecb */
	u32 rsvd_fecc;
	u64 efer;					/* fed0 */
	u64 svm_guest, svm_vmcb, svm_virtual_int;	/* fed8 */
	u32 rsvd_fef0[3];
	u32 revision;					/* fefc */
	u32 smbase;					/* ff00 */
	u32 rsvd_ff04[5];
	u64 ssp;					/* ff18 */
	u64 svm_pat, svm_efer, svm_cr4, svm_cr3, svm_cr0;	/* ff20 */
	u64 cr4, cr3, cr0, dr7, dr6, rflags, rip;	/* ff48 */
	u64 gpr[NR_GUEST_REGS];				/* ff80: R15 first, RAX last */
};

#define SMRAM_OFF(f)	(SMRAM_STATE + offsetof(struct smram, f))

static_assert(SMRAM_OFF(io_rip) == 0xfea0 && SMRAM_OFF(halt_restart) == 0xfec9, "SMRAM layout");
static_assert(SMRAM_OFF(efer) == 0xfed0 && SMRAM_OFF(revision) == 0xfefc, "SMRAM layout");
static_assert(SMRAM_OFF(smbase) == 0xff00 && SMRAM_OFF(cr4) == 0xff48, "SMRAM layout");
static_assert(SMRAM_OFF(rip) == 0xff78 && SMRAM_OFF(gpr) == 0xff80, "SMRAM layout");
static_assert(sizeof(struct smram) == 0x200, "SMRAM layout");

#endif
