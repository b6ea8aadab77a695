/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The AMD-V register layouts the image uses: VMCB, intercept numbers, exit
 * codes, feature bits. Names and offsets are those of AMD64 Architecture
 * Programmer's Manual volume 2, "VMCB Layout, Control Area", "VMCB Layout,
 * State Save Area" and "SVM Intercept Exit Codes".
 */
#ifndef L1_SVM_H
#define L1_SVM_H

#include "types.h"

struct vmcb_seg {
	u16 sel;
	u16 attrib;
	u32 limit;
	u64 base;
};

struct vmcb_control {
	u16 cr_read;
	u16 cr_write;
	u16 dr_read;
	u16 dr_write;
	u32 exceptions;
	u32 misc1;
	u32 misc2;
	u32 misc3;
	u8 rsvd_18[0x3c - 0x18];
	u16 pause_thresh;
	u16 pause_count;
	u64 iopm_base_pa;
	u64 msrpm_base_pa;
	u64 tsc_offset;
	u32 asid;
	u8 tlb_control;
	u8 rsvd_5d[3];
	u64 int_ctl;
	u64 int_state;
	u64 exitcode;
	u64 exitinfo1;
	u64 exitinfo2;
	u64 exitintinfo;
	u64 np_enable;
	u64 avic_apic_bar;
	u64 ghcb;
	u64 eventinj;
	u64 n_cr3;
	u64 lbr_ctl;
	u32 clean;
	u32 rsvd_c4;
	u64 nrip;
	u8 insn_len;
	u8 insn_bytes[15];
	u64 avic_backing_page;
	u64 rsvd_e8;
	u64 avic_logical;
	u64 avic_physical;
	u8 rsvd_100[0x400 - 0x100];
};

struct vmcb_save {
	struct vmcb_seg es, cs, ss, ds, fs, gs;
	struct vmcb_seg gdtr, ldtr, idtr, tr;
	u8 rsvd_a0[0xcb - 0xa0];
	u8 cpl;
	u32 rsvd_cc;
	u64 efer;
	u8 rsvd_d8[0x148 - 0xd8];
	u64 cr4, cr3, cr0, dr7, dr6, rflags, rip;
	u8 rsvd_180[0x1d8 - 0x180];
	u64 rsp;
	u8 rsvd_1e0[0x1f8 - 0x1e0];
	u64 rax;
	u64 star, lstar, cstar, sfmask, kernel_gs_base;
	u64 sysenter_cs, sysenter_esp, sysenter_eip, cr2;
	u8 rsvd_248[0x268 - 0x248];
	u64 g_pat, dbgctl, br_from, br_to, excp_from, excp_to;
	u8 rsvd_298[0xc00 - 0x298];
};

struct vmcb {
	struct vmcb_control c;
	struct vmcb_save s;
};

_Static_assert(sizeof(struct vmcb) == 4096, "the VMCB is one page");
_Static_assert(__builtin_offsetof(struct vmcb, c.nrip) == 0xc8, "nRIP");
_Static_assert(__builtin_offsetof(struct vmcb, s.efer) == 0x4d0, "EFER");
_Static_assert(__builtin_offsetof(struct vmcb, s.rip) == 0x578, "RIP");
_Static_assert(__builtin_offsetof(struct vmcb, s.rax) == 0x5f8, "RAX");
_Static_assert(__builtin_offsetof(struct vmcb, c.int_ctl) == 0x60, "V_TPR");
_Static_assert(__builtin_offsetof(struct vmcb, s.g_pat) == 0x668, "G_PAT");

/* misc1, offset 00Ch */
enum {
	I1_INTR, I1_NMI, I1_SMI, I1_INIT, I1_VINTR, I1_CR0_SEL,
	I1_IDTR_RD, I1_GDTR_RD, I1_LDTR_RD, I1_TR_RD,
	I1_IDTR_WR, I1_GDTR_WR, I1_LDTR_WR, I1_TR_WR,
	I1_RDTSC, I1_RDPMC, I1_PUSHF, I1_POPF, I1_CPUID, I1_RSM, I1_IRET,
	I1_INTN, I1_INVD, I1_PAUSE, I1_HLT, I1_INVLPG, I1_INVLPGA, I1_IOIO,
	I1_MSR, I1_TASK, I1_FERR, I1_SHUTDOWN,
};

/* misc2, offset 010h */
enum {
	I2_VMRUN, I2_VMMCALL, I2_VMLOAD, I2_VMSAVE, I2_STGI, I2_CLGI,
	I2_SKINIT, I2_RDTSCP, I2_ICEBP, I2_WBINVD, I2_MONITOR, I2_MWAIT,
	I2_MWAIT_ARMED, I2_XSETBV,
};

/* Exit codes */
enum {
	X_CR_RD = 0x00, X_CR_WR = 0x10, X_DR_RD = 0x20, X_DR_WR = 0x30,
	X_EXC = 0x40,
	X_INTR = 0x60, X_NMI, X_SMI, X_INIT, X_VINTR, X_CR0_SEL,
	X_IDTR_RD, X_GDTR_RD, X_LDTR_RD, X_TR_RD,
	X_IDTR_WR, X_GDTR_WR, X_LDTR_WR, X_TR_WR,
	X_RDTSC, X_RDPMC, X_PUSHF, X_POPF, X_CPUID, X_RSM, X_IRET, X_INTN,
	X_INVD, X_PAUSE, X_HLT, X_INVLPG, X_INVLPGA, X_IOIO, X_MSR, X_TASK,
	X_FERR, X_SHUTDOWN,
	X_VMRUN = 0x80, X_VMMCALL, X_VMLOAD, X_VMSAVE, X_STGI, X_CLGI,
	X_SKINIT, X_RDTSCP, X_ICEBP, X_WBINVD, X_MONITOR, X_MWAIT,
	X_MWAIT_COND, X_XSETBV,
	X_NPF = 0x400,
};
#define X_INVALID	(~0ull)

/* int_ctl, offset 060h */
#define V_TPR(n)	((u64)(n) & 0xff)
#define V_IRQ		(1ull << 8)
#define V_GIF		(1ull << 9)
#define V_NMI		(1ull << 11)
#define V_NMI_MASK	(1ull << 12)
#define V_INTR_PRIO(n)	((u64)(n) << 16)
#define V_IGN_TPR	(1ull << 20)
#define V_INTR_MASKING	(1ull << 24)
#define V_GIF_ENABLE	(1ull << 25)
#define V_NMI_ENABLE	(1ull << 26)
#define V_X2AVIC	(1ull << 30)
#define V_AVIC		(1ull << 31)
#define V_VECTOR(n)	((u64)(n) << 32)

/* int_state, offset 068h */
#define INT_SHADOW	1ull
#define GUEST_INT_MASK	2ull

/* EVENTINJ and EXITINTINFO */
#define EV_INTR		(0ull << 8)
#define EV_NMI		(2ull << 8)
#define EV_EXC		(3ull << 8)
#define EV_SOFT		(4ull << 8)
#define EV_TYPE(n)	((u64)(n) << 8)
#define EV_ERR		(1ull << 11)
#define EV_VALID	(1ull << 31)
#define EV_ERRCODE(e)	((u64)(u32)(e) << 32)

/* TLB_CONTROL */
#define TLB_NOTHING	0
#define TLB_ALL		1
#define TLB_ASID	3
#define TLB_ASID_LOCAL	7

/* lbr_ctl, offset 0B8h */
#define LBR_ENABLE	1ull
#define VLS_ENABLE	2ull

/* EXITINFO1 of a nested page fault */
#define NPF_P		(1ull << 0)
#define NPF_W		(1ull << 1)
#define NPF_U		(1ull << 2)
#define NPF_RSV		(1ull << 3)
#define NPF_ID		(1ull << 4)
#define NPF_FINAL	(1ull << 32)
#define NPF_TABLE	(1ull << 33)

/* CPUID 8000_000A EDX */
#define F_NPT		(1ull << 0)
#define F_LBRV		(1ull << 1)
#define F_SVML		(1ull << 2)
#define F_NRIPS		(1ull << 3)
#define F_TSCRATE	(1ull << 4)
#define F_CLEAN		(1ull << 5)
#define F_FLUSHASID	(1ull << 6)
#define F_DECODE	(1ull << 7)
#define F_PAUSE		(1ull << 10)
#define F_PFTHRESH	(1ull << 12)
#define F_AVIC		(1ull << 13)
#define F_VLS		(1ull << 15)
#define F_VGIF		(1ull << 16)
#define F_X2AVIC	(1ull << 18)
#define F_VNMI		(1ull << 25)
/* Our own, above the CPUID register */
#define F_SKINIT	(1ull << 32)
#define F_RDTSCP	(1ull << 33)
#define F_MONITOR	(1ull << 34)
#define F_XSAVE		(1ull << 35)
#define F_1G		(1ull << 36)
#define F_SMP2		(1ull << 37)
#define F_SMP4		(1ull << 38)
#define F_UMIP		(1ull << 39)
#define F_NX		(1ull << 40)

#define MSR_TSC		0x10
#define MSR_APIC_BASE	0x1b
#define MSR_SYSENTER_CS	0x174
#define MSR_SYSENTER_ESP	0x175
#define MSR_SYSENTER_EIP	0x176
#define MSR_PAT		0x277
#define MSR_DEBUGCTL	0x1d9
#define MSR_LBR_FROM	0x1db
#define MSR_LBR_TO	0x1dc
#define MSR_EFER	0xc0000080
#define MSR_STAR	0xc0000081
#define MSR_LSTAR	0xc0000082
#define MSR_CSTAR	0xc0000083
#define MSR_SFMASK	0xc0000084
#define MSR_FS_BASE	0xc0000100
#define MSR_GS_BASE	0xc0000101
#define MSR_KGS_BASE	0xc0000102
#define MSR_TSC_RATIO	0xc0000104
#define MSR_VM_CR	0xc0010114
#define MSR_VM_HSAVE_PA	0xc0010117

#define EFER_SCE	(1ull << 0)
#define EFER_LME	(1ull << 8)
#define EFER_LMA	(1ull << 10)
#define EFER_NXE	(1ull << 11)
#define EFER_SVME	(1ull << 12)

#define CR0_PE		(1ull << 0)
#define CR0_MP		(1ull << 1)
#define CR0_EM		(1ull << 2)
#define CR0_TS		(1ull << 3)
#define CR0_ET		(1ull << 4)
#define CR0_NE		(1ull << 5)
#define CR0_WP		(1ull << 16)
#define CR0_AM		(1ull << 18)
#define CR0_NW		(1ull << 29)
#define CR0_CD		(1ull << 30)
#define CR0_PG		(1ull << 31)
#define CR4_TSD		(1ull << 2)
#define CR4_DE		(1ull << 3)
#define CR4_PSE		(1ull << 4)
#define CR4_PAE		(1ull << 5)
#define CR4_PGE		(1ull << 7)
#define CR4_PCE		(1ull << 8)
#define CR4_OSXSAVE	(1ull << 18)

#define FL_CF		(1ull << 0)
#define FL_ZF		(1ull << 6)
#define FL_TF		(1ull << 8)
#define FL_IF		(1ull << 9)
#define FL_RF		(1ull << 16)
#define FL_AC		(1ull << 18)

#define PT_P		(1ull << 0)
#define PT_W		(1ull << 1)
#define PT_U		(1ull << 2)
#define PT_PCD		(1ull << 4)
#define PT_A		(1ull << 5)
#define PT_D		(1ull << 6)
#define PT_PS		(1ull << 7)
#define PT_G		(1ull << 8)
#define PT_NX		(1ull << 63)
#define PT_ADDR		0x000ffffffffff000ull

enum { V_DE, V_DB, V_NMIV, V_BP, V_OF, V_BR, V_UD, V_NM, V_DF, V_CSO, V_TS,
       V_NP, V_SS, V_GP, V_PF, V_MF = 16, V_AC, V_MC, V_XM, V_SX = 30 };

#endif
