/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmcb12: the VMCB that L1 keeps in its own memory, as APM vol. 2 lays it out
 * ("VMCB Layout, Control Area" and "VMCB Layout, State Save Area").  It is an
 * interface with L1 and not the layout of anything of the host: the backend
 * may belong to the other vendor.
 */
#ifndef NESTOR_NSVM_VMCB12_H
#define NESTOR_NSVM_VMCB12_H

#include "core/types.h"
#include "core/x86.h"

#define VMCB12_SIZE		0x1000
#define VMCB12_SAVE		0x400	/* state save area within the page */

/* Control area, as far as the architecture defines it for a guest without SEV. */
struct vmcb12_ctl {
	u32 intercept[6];		/* 000 CR, DR, exceptions, misc 1 to 3 */
	u8 rsvd_018[0x03c - 0x018];
	u16 pause_thresh;		/* 03c */
	u16 pause_count;		/* 03e */
	u64 iopm_base_pa;		/* 040 */
	u64 msrpm_base_pa;		/* 048 */
	u64 tsc_offset;			/* 050 */
	u32 asid;			/* 058 */
	u8 tlb_control;			/* 05c */
	u8 rsvd_05d[3];
	u64 int_ctl;			/* 060 */
	u64 int_state;			/* 068 */
	u64 exit_code;			/* 070 */
	u64 exit_info1;			/* 078 */
	u64 exit_info2;			/* 080 */
	u64 exit_int_info;		/* 088 */
	u64 np_ctl;			/* 090 */
	u64 avic_apic_bar;		/* 098 */
	u64 ghcb_pa;			/* 0a0 */
	u64 event_inj;			/* 0a8 */
	u64 ncr3;			/* 0b0 */
	u64 virt_ext;			/* 0b8 */
	u64 clean;			/* 0c0 */
	u64 nrip;			/* 0c8 */
	u8 insn_len;			/* 0d0 */
	u8 insn[15];			/* 0d1 */
	u64 avic_backing_page;		/* 0e0 */
	u64 rsvd_0e8;
	u64 avic_logical_id;		/* 0f0 */
	u64 avic_physical_id;		/* 0f8 */
};

struct vmcb12_seg {
	u16 sel;
	u16 attrib;
	u32 limit;
	u64 base;
};

/* State save area up to the last-branch registers. */
struct vmcb12_save {
	struct vmcb12_seg es, cs, ss, ds;	/* 400 */
	struct vmcb12_seg fs, gs, gdtr, ldtr, idtr, tr;	/* 440 */
	u8 rsvd_4a0[0x4cb - 0x4a0];
	u8 cpl;				/* 4cb */
	u32 rsvd_4cc;
	u64 efer;			/* 4d0 */
	u8 rsvd_4d8[0x548 - 0x4d8];
	u64 cr4;			/* 548 */
	u64 cr3;			/* 550 */
	u64 cr0;			/* 558 */
	u64 dr7;			/* 560 */
	u64 dr6;			/* 568 */
	u64 rflags;			/* 570 */
	u64 rip;			/* 578 */
	u8 rsvd_580[0x5d8 - 0x580];
	u64 rsp;			/* 5d8 */
	u64 s_cet, ssp, isst_addr;	/* 5e0 */
	u64 rax;			/* 5f8 */
	u64 star;			/* 600 */
	u64 lstar, cstar, sfmask;
	u64 kernel_gs_base;		/* 620 */
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	u64 cr2;			/* 640 */
	u8 rsvd_648[0x668 - 0x648];
	u64 g_pat;			/* 668 */
	u64 dbgctl;			/* 670 */
	u64 br_from, br_to;		/* 678 */
	u64 last_excp_from, last_excp_to;	/* 688 */
};

/* Offsets in the page, as verdicts name fields and writes address them. */
#define CTL_OFF(f)	((u32)offsetof(struct vmcb12_ctl, f))
#define SAVE_OFF(f)	((u32)(VMCB12_SAVE + offsetof(struct vmcb12_save, f)))

static_assert(CTL_OFF(pause_thresh) == 0x03c, "VMCB layout");
static_assert(CTL_OFF(iopm_base_pa) == 0x040, "VMCB layout");
static_assert(CTL_OFF(msrpm_base_pa) == 0x048, "VMCB layout");
static_assert(CTL_OFF(tsc_offset) == 0x050, "VMCB layout");
static_assert(CTL_OFF(asid) == 0x058, "VMCB layout");
static_assert(CTL_OFF(tlb_control) == 0x05c, "VMCB layout");
static_assert(CTL_OFF(int_ctl) == 0x060, "VMCB layout");
static_assert(CTL_OFF(int_state) == 0x068, "VMCB layout");
static_assert(CTL_OFF(exit_code) == 0x070, "VMCB layout");
static_assert(CTL_OFF(exit_int_info) == 0x088, "VMCB layout");
static_assert(CTL_OFF(np_ctl) == 0x090, "VMCB layout");
static_assert(CTL_OFF(event_inj) == 0x0a8, "VMCB layout");
static_assert(CTL_OFF(ncr3) == 0x0b0, "VMCB layout");
static_assert(CTL_OFF(virt_ext) == 0x0b8, "VMCB layout");
static_assert(CTL_OFF(clean) == 0x0c0, "VMCB layout");
static_assert(CTL_OFF(nrip) == 0x0c8, "VMCB layout");
static_assert(CTL_OFF(insn_len) == 0x0d0, "VMCB layout");
static_assert(CTL_OFF(avic_physical_id) == 0x0f8, "VMCB layout");
static_assert(sizeof(struct vmcb12_ctl) == 0x100, "VMCB layout");
static_assert(SAVE_OFF(es) == 0x400 && SAVE_OFF(ds) == 0x430, "VMCB layout");
static_assert(SAVE_OFF(fs) == 0x440 && SAVE_OFF(gs) == 0x450, "VMCB layout");
static_assert(SAVE_OFF(gdtr) == 0x460 && SAVE_OFF(ldtr) == 0x470, "VMCB layout");
static_assert(SAVE_OFF(idtr) == 0x480 && SAVE_OFF(tr) == 0x490, "VMCB layout");
static_assert(SAVE_OFF(cpl) == 0x4cb && SAVE_OFF(efer) == 0x4d0, "VMCB layout");
static_assert(SAVE_OFF(cr4) == 0x548 && SAVE_OFF(cr0) == 0x558, "VMCB layout");
static_assert(SAVE_OFF(dr7) == 0x560 && SAVE_OFF(rflags) == 0x570, "VMCB layout");
static_assert(SAVE_OFF(rip) == 0x578 && SAVE_OFF(rsp) == 0x5d8, "VMCB layout");
static_assert(SAVE_OFF(rax) == 0x5f8 && SAVE_OFF(star) == 0x600, "VMCB layout");
static_assert(SAVE_OFF(kernel_gs_base) == 0x620, "VMCB layout");
static_assert(SAVE_OFF(sysenter_eip) == 0x638, "VMCB layout");
static_assert(SAVE_OFF(cr2) == 0x640 && SAVE_OFF(g_pat) == 0x668, "VMCB layout");
static_assert(SAVE_OFF(dbgctl) == 0x670, "VMCB layout");
static_assert(SAVE_OFF(last_excp_to) == 0x690, "VMCB layout");
static_assert(sizeof(struct vmcb12_save) == 0x298, "VMCB layout");

/* int_ctl, offset 060 (APM: "Virtual Interrupts", "Virtual GIF") */
#define V_TPR_MASK		0xffull
#define V_IRQ			BIT_ULL(8)
#define V_GIF			BIT_ULL(9)
#define V_NMI			BIT_ULL(11)
#define V_NMI_MASK		BIT_ULL(12)
#define V_INTR_PRIO_SHIFT	16
#define V_INTR_PRIO_MASK	(0xfull << V_INTR_PRIO_SHIFT)
#define V_IGN_TPR		BIT_ULL(20)
#define V_INTR_MASKING		BIT_ULL(24)
#define V_GIF_ENABLE		BIT_ULL(25)
#define V_NMI_ENABLE		BIT_ULL(26)
#define V_X2AVIC		BIT_ULL(30)
#define V_AVIC			BIT_ULL(31)
#define V_INTR_VECTOR_SHIFT	32

/* int_state, offset 068 */
#define INT_SHADOW		BIT_ULL(0)
#define GUEST_INTERRUPT_MASK	BIT_ULL(1)

/* np_ctl, offset 090; virt_ext, offset 0b8 */
#define NP_ENABLE		BIT_ULL(0)
#define LBR_VIRT_ENABLE		BIT_ULL(0)
#define VLS_ENABLE		BIT_ULL(1)

/* TLB_CONTROL, offset 05c (APM: "TLB Control") */
#define TLB_CTL_NOTHING		0
#define TLB_CTL_FLUSH_ALL	1
#define TLB_CTL_FLUSH_ASID	3
#define TLB_CTL_FLUSH_ASID_NG	7

/* EVENTINJ and EXITINTINFO (APM: "Event Injection") */
#define EVENTINJ_VECTOR		0xffull
#define EVENTINJ_TYPE_SHIFT	8
#define EVENTINJ_TYPE		(7ull << EVENTINJ_TYPE_SHIFT)
#define EVENTINJ_EV		BIT_ULL(11)
#define EVENTINJ_V		BIT_ULL(31)
#define EVENTINJ_ERROR_SHIFT	32

/* Exit codes (APM: "SVM Intercept Exit Codes") */
#define VMEXIT_CR_READ		0x000
#define VMEXIT_CR_WRITE		0x010
#define VMEXIT_DR_READ		0x020
#define VMEXIT_DR_WRITE		0x030
#define VMEXIT_EXCP		0x040
#define VMEXIT_INTR		0x060
#define VMEXIT_NMI		0x061
#define VMEXIT_SMI		0x062
#define VMEXIT_INIT		0x063
#define VMEXIT_CR0_SEL_WRITE	0x065
#define VMEXIT_SHUTDOWN		0x07f
#define VMEXIT_NPF		0x400
#define VMEXIT_INVALID		(~0ull)
#define VMEXIT_BUSY		(~1ull)

/* EXITINFO1 of #NPF beyond the page-fault error code (APM: "Nested versus Guest Page Faults") */
#define NPF_FINAL		BIT_ULL(32)
#define NPF_TABLE_WALK		BIT_ULL(33)

/* EXITINFO1 of MOV CR and MOV DR (APM: "Decode Assists") */
#define CR_INFO_VALID		BIT_ULL(63)

/* MSRs of the extension (APM: "SVM-Related MSRs") */
#define MSR_SVM_TSC_RATIO	0xc0000104
#define MSR_SVM_VM_CR		0xc0010114
#define MSR_SVM_IGNNE		0xc0010115
#define MSR_SVM_SMM_CTL		0xc0010116
#define MSR_SVM_VM_HSAVE_PA	0xc0010117
#define MSR_SVM_KEY		0xc0010118
#define MSR_SVM_EFER		0xc0000080

#define VM_CR_DPD		BIT_ULL(0)
#define VM_CR_R_INIT		BIT_ULL(1)
#define VM_CR_DIS_A20M		BIT_ULL(2)
#define VM_CR_LOCK		BIT_ULL(3)
#define VM_CR_SVMDIS		BIT_ULL(4)
#define VM_CR_VALID		0x1full

/**
 * struct vmcb12_snapshot - the one copy of what L1 asked for; nothing rereads the page
 * @gpa: where the page is
 * @ctl: control area
 * @save: state save area
 * @msr_read_icpt: bits enum pass_msr, set where L1's MSRPM intercepts RDMSR (or would,
 *	were the map readable); 0 when L1 does not intercept MSRs
 * @msr_write_icpt: the same for WRMSR
 * @msrpm_word: the bytes of the map that the two were made of
 */
struct vmcb12_snapshot {
	u64 gpa;
	struct vmcb12_ctl ctl;
	struct vmcb12_save save;
	u32 msr_read_icpt;
	u32 msr_write_icpt;
	u64 msrpm_word;
};

static inline bool snap_icpt(const struct vmcb12_snapshot *s, unsigned int word, u32 bit)
{
	return s->ctl.intercept[word] & bit;
}

#endif
