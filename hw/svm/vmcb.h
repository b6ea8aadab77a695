/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMCB as the CPU reads it (APM vol. 2, "VMCB Layout, Control Area" and
 * "VMCB Layout, State Save Area").  Offsets are asserted at the end.
 */
#ifndef NESTOR_HW_SVM_VMCB_H
#define NESTOR_HW_SVM_VMCB_H

#include "core/types.h"

struct vmcb_control {
	u32 intercept[6];		/* 0x000 */
	u32 reserved_018[9];
	u16 pause_filter_thresh;	/* 0x03c */
	u16 pause_filter_count;
	u64 iopm_base_pa;		/* 0x040 */
	u64 msrpm_base_pa;
	u64 tsc_offset;			/* 0x050 */
	u32 asid;			/* 0x058 */
	u8 tlb_control;
	u8 reserved_05d[3];
	u32 int_ctl;			/* 0x060 */
	u32 int_vector;
	u64 int_state;			/* 0x068 */
	u64 exit_code;			/* 0x070 */
	u64 exit_info_1;
	u64 exit_info_2;		/* 0x080 */
	u64 exit_int_info;
	u64 np_enable;			/* 0x090 */
	u64 avic_apic_bar;
	u64 ghcb_pa;			/* 0x0a0 */
	u64 event_inj;			/* 0x0a8 */
	u64 ncr3;			/* 0x0b0 */
	u64 virt_ext;			/* 0x0b8 */
	u32 clean;			/* 0x0c0 */
	u32 reserved_0c4;
	u64 next_rip;			/* 0x0c8 */
	u8 insn_len;			/* 0x0d0 */
	u8 insn_bytes[15];
	u8 reserved_0e0[0x400 - 0x0e0];
} __packed;

struct vmcb_save {
	struct guest_seg seg[4];	/* 0x000: ES, CS, SS, DS */
	struct guest_seg fs, gs;
	struct guest_seg gdtr, ldtr, idtr, tr;		/* 0x060 */
	u8 reserved_0a0[43];
	u8 cpl;				/* 0x0cb */
	u32 reserved_0cc;
	u64 efer;			/* 0x0d0 */
	u8 reserved_0d8[112];
	u64 cr4;			/* 0x148 */
	u64 cr3;
	u64 cr0;
	u64 dr7;			/* 0x160 */
	u64 dr6;
	u64 rflags;
	u64 rip;
	u8 reserved_180[88];
	u64 rsp;			/* 0x1d8 */
	u64 s_cet, ssp, isst_addr;
	u64 rax;			/* 0x1f8 */
	u64 star, lstar, cstar, sfmask;
	u64 kernel_gs_base;		/* 0x220 */
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	u64 cr2;			/* 0x240 */
	u8 reserved_248[32];
	u64 g_pat;			/* 0x268 */
	u64 dbgctl;
	u64 br_from, br_to;
	u64 last_excp_from, last_excp_to;
	u8 reserved_298[0xc00 - 0x298];
} __packed;

struct vmcb {
	struct vmcb_control c;
	struct vmcb_save s;
} __packed;

static_assert(sizeof(struct vmcb) == 4096);
static_assert(offsetof(struct vmcb_control, asid) == 0x058);
static_assert(offsetof(struct vmcb_control, exit_code) == 0x070);
static_assert(offsetof(struct vmcb_control, event_inj) == 0x0a8);
static_assert(offsetof(struct vmcb_control, next_rip) == 0x0c8);
static_assert(offsetof(struct vmcb_save, cpl) == 0x0cb);
static_assert(offsetof(struct vmcb_save, cr4) == 0x148);
static_assert(offsetof(struct vmcb_save, rsp) == 0x1d8);
static_assert(offsetof(struct vmcb_save, rax) == 0x1f8);
static_assert(offsetof(struct vmcb_save, cr2) == 0x240);
static_assert(offsetof(struct vmcb_save, g_pat) == 0x268);
static_assert(offsetof(struct vmcb_save, last_excp_to) == 0x290);

/* TLB_CONTROL */
#define TLB_CONTROL_NONE	0
#define TLB_CONTROL_ALL		1
#define TLB_CONTROL_ASID	3

/* int_ctl */
#define V_TPR_MASK		0x0fu
#define V_IRQ			(1u << 8)
#define V_GIF			(1u << 9)
#define V_INTR_PRIO_SHIFT	16
#define V_IGN_TPR		(1u << 20)
#define V_INTR_MASKING		(1u << 24)
#define V_GIF_ENABLE		(1u << 25)

/* int_state */
#define INT_SHADOW		(1u << 0)

/* EVENTINJ and EXITINTINFO */
#define EVT_VECTOR_MASK		0xffu
#define EVT_TYPE_SHIFT		8
#define EVT_TYPE_MASK		7u
#define EVT_EV			(1u << 11)
#define EVT_VALID		(1u << 31)

/* np_enable and virt_ext */
#define NP_ENABLE		(1u << 0)
#define LBR_VIRT_ENABLE		(1u << 0)

/* VMCB clean bits (APM: "VMCB Clean Bits") */
#define CLEAN_INTERCEPTS	(1u << 0)	/* and TSC offset, pause filter */
#define CLEAN_IOPM_MSRPM	(1u << 1)
#define CLEAN_ASID		(1u << 2)
#define CLEAN_TPR		(1u << 3)
#define CLEAN_NP		(1u << 4)	/* nCR3, g_pat */
#define CLEAN_CRX		(1u << 5)
#define CLEAN_DRX		(1u << 6)
#define CLEAN_DT		(1u << 7)
#define CLEAN_SEG		(1u << 8)	/* and CPL */
#define CLEAN_CR2		(1u << 9)
#define CLEAN_LBR		(1u << 10)
#define CLEAN_ALL		0x7ffu

/* Exit codes that are not a member of a range. */
#define VMEXIT_CR_FIRST		0x000
#define VMEXIT_DR_FIRST		0x020
#define VMEXIT_EXCP_FIRST	0x040
#define VMEXIT_INTR		0x060
#define VMEXIT_EFER_WRITE_TRAP	0x08f
#define VMEXIT_CR_WRITE_TRAP	0x090
#define VMEXIT_INVLPGB		0x0a0
#define VMEXIT_TLBSYNC		0x0a4
#define VMEXIT_NPF		0x400
#define VMEXIT_INVALID		(~0ull)
#define VMEXIT_BUSY		(~0ull - 1)

#endif
