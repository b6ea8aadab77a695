/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VT-x register layouts the image uses: field encodings, controls, exit
 * reasons, capability MSRs. Names are those of the Intel SDM volume 3, chapters
 * "Virtual Machine Control Structures" and "VMX Capability Reporting Facility".
 */
#ifndef L1_VMX_VMCS_H
#define L1_VMX_VMCS_H

#define F(enc, name, cond) name = (enc),
enum vmcs_field {
#include "fields.def"
};
#undef F

#define FIELD_HIGH	1		/* access type: high 32 bits of a 64-bit field */
#define FIELD_WIDTH(f)	((f) >> 13 & 3)
#define FIELD_TYPE(f)	((f) >> 10 & 3)
enum { WIDTH_16, WIDTH_64, WIDTH_32, WIDTH_NATURAL };
enum { TYPE_CTRL, TYPE_RO, TYPE_GUEST, TYPE_HOST };

/* Pin-based controls */
#define PIN_EXT_INT		BIT(0)
#define PIN_NMI			BIT(3)
#define PIN_VIRTUAL_NMI		BIT(5)
#define PIN_TIMER		BIT(6)
#define PIN_POSTED_INTR		BIT(7)

/* Primary processor-based controls */
#define PROC_INTR_WINDOW	BIT(2)
#define PROC_TSC_OFFSET		BIT(3)
#define PROC_HLT		BIT(7)
#define PROC_INVLPG		BIT(9)
#define PROC_MWAIT		BIT(10)
#define PROC_RDPMC		BIT(11)
#define PROC_RDTSC		BIT(12)
#define PROC_CR3_LOAD		BIT(15)
#define PROC_CR3_STORE		BIT(16)
#define PROC_TERTIARY		BIT(17)
#define PROC_CR8_LOAD		BIT(19)
#define PROC_CR8_STORE		BIT(20)
#define PROC_TPR_SHADOW		BIT(21)
#define PROC_NMI_WINDOW		BIT(22)
#define PROC_MOV_DR		BIT(23)
#define PROC_IO			BIT(24)
#define PROC_IO_BITMAPS		BIT(25)
#define PROC_MTF		BIT(27)
#define PROC_MSR_BITMAPS	BIT(28)
#define PROC_MONITOR		BIT(29)
#define PROC_PAUSE		BIT(30)
#define PROC_SECONDARY		BIT(31)

/* Secondary processor-based controls */
#define PROC2_APIC_ACCESS	BIT(0)
#define PROC2_EPT		BIT(1)
#define PROC2_DESC		BIT(2)
#define PROC2_RDTSCP		BIT(3)
#define PROC2_X2APIC		BIT(4)
#define PROC2_VPID		BIT(5)
#define PROC2_WBINVD		BIT(6)
#define PROC2_UNRESTRICTED	BIT(7)
#define PROC2_APIC_REGS		BIT(8)
#define PROC2_VINTR		BIT(9)
#define PROC2_PLE		BIT(10)
#define PROC2_RDRAND		BIT(11)
#define PROC2_INVPCID		BIT(12)
#define PROC2_VMFUNC		BIT(13)
#define PROC2_SHADOW_VMCS	BIT(14)
#define PROC2_ENCLS		BIT(15)
#define PROC2_RDSEED		BIT(16)
#define PROC2_PML		BIT(17)
#define PROC2_EPT_VE		BIT(18)
#define PROC2_XSAVES		BIT(20)
#define PROC2_MBEC		BIT(22)
#define PROC2_TSC_SCALING	BIT(25)

/* VM-exit controls */
#define EXIT_SAVE_DEBUG		BIT(2)
#define EXIT_HOST_64		BIT(9)
#define EXIT_LOAD_PERF		BIT(12)
#define EXIT_ACK_INTR		BIT(15)
#define EXIT_SAVE_PAT		BIT(18)
#define EXIT_LOAD_PAT		BIT(19)
#define EXIT_SAVE_EFER		BIT(20)
#define EXIT_LOAD_EFER		BIT(21)
#define EXIT_SAVE_TIMER		BIT(22)

/* VM-entry controls */
#define ENTRY_LOAD_DEBUG	BIT(2)
#define ENTRY_IA32E		BIT(9)
#define ENTRY_SMM		BIT(10)
#define ENTRY_DEACTIVATE_DUAL	BIT(11)
#define ENTRY_LOAD_PERF		BIT(13)
#define ENTRY_LOAD_PAT		BIT(14)
#define ENTRY_LOAD_EFER		BIT(15)

/* Basic exit reasons */
enum {
	R_EXCEPTION, R_EXT_INT, R_TRIPLE, R_INIT, R_SIPI, R_IO_SMI, R_SMI, R_INTR_WINDOW,
	R_NMI_WINDOW, R_TASK, R_CPUID, R_GETSEC, R_HLT, R_INVD, R_INVLPG, R_RDPMC,
	R_RDTSC, R_RSM, R_VMCALL, R_VMCLEAR, R_VMLAUNCH, R_VMPTRLD, R_VMPTRST, R_VMREAD,
	R_VMRESUME, R_VMWRITE, R_VMXOFF, R_VMXON, R_CR, R_DR, R_IO, R_RDMSR,
	R_WRMSR, R_GUEST_STATE, R_MSR_LOAD, R_MWAIT = 36, R_MTF, R_MONITOR = 39, R_PAUSE,
	R_MCE, R_TPR = 43, R_APIC_ACCESS, R_EOI, R_GDTR_IDTR, R_LDTR_TR,
	R_EPT_VIOLATION, R_EPT_MISCONFIG, R_INVEPT, R_RDTSCP, R_TIMER, R_INVVPID, R_WBINVD,
	R_XSETBV, R_APIC_WRITE, R_RDRAND, R_INVPCID, R_VMFUNC, R_ENCLS, R_RDSEED,
	R_PML_FULL, R_XSAVES, R_XRSTORS,
};
#define R_ENTRY_FAILED	BIT(31)
#define R_NONE		0xffffffffu	/* VMLAUNCH or VMRESUME failed: no exit at all */

/* VM-instruction error numbers */
enum {
	E_VMCALL_ROOT = 1, E_VMCLEAR_ADDR, E_VMCLEAR_VMXON, E_LAUNCH_NOT_CLEAR,
	E_RESUME_NOT_LAUNCHED, E_RESUME_VMXOFF, E_CONTROLS, E_HOST_STATE, E_VMPTRLD_ADDR,
	E_VMPTRLD_VMXON, E_VMPTRLD_REVISION, E_FIELD, E_READ_ONLY, E_VMXON_ROOT = 15,
	E_MOV_SS = 26, E_INVALIDATE = 28,
};

/* Event fields: VM-entry and VM-exit interruption information, IDT-vectoring */
#define EV_HW_INTR	(0u << 8)
#define EV_VNMI		(2u << 8)
#define EV_HW_EXC	(3u << 8)
#define EV_SW_INTR	(4u << 8)
#define EV_PRIV_SW_EXC	(5u << 8)
#define EV_SW_EXC	(6u << 8)
#define EV_OTHER	(7u << 8)
#define EV_CODE		BIT(11)
#define EV_NMI_UNBLOCK	BIT(12)
#define EV_ON		BIT(31)

/* Interruptibility state */
#define BLOCK_STI	BIT(0)
#define BLOCK_MOV_SS	BIT(1)
#define BLOCK_SMI	BIT(2)
#define BLOCK_NMI	BIT(3)

/* Activity state */
enum { ACT_ACTIVE, ACT_HLT, ACT_SHUTDOWN, ACT_WAIT_SIPI };

/* EPT entries; the rights have the bits that P, W and U have in page tables. */
#define EPT_R		BIT(0)
#define EPT_W		BIT(1)
#define EPT_X		BIT(2)
#define EPT_RWX		(EPT_R | EPT_W | EPT_X)
#define EPT_TYPE(n)	((u64)(n) << 3)
#define EPT_WB		EPT_TYPE(6)
#define EPT_UC		EPT_TYPE(0)
#define EPT_IGNORE_PAT	BIT(6)
#define EPT_LEAF	BIT(7)
#define EPT_A		BIT(8)
#define EPT_D		BIT(9)

/* EPTP */
#define EPTP_WALK4	(3ull << 3)
#define EPTP_AD		BIT(6)

/* Exit qualification of EPT violations */
#define EQ_READ		BIT(0)
#define EQ_WRITE	BIT(1)
#define EQ_FETCH	BIT(2)
#define EQ_R		BIT(3)
#define EQ_W		BIT(4)
#define EQ_X		BIT(5)
#define EQ_GLA		BIT(7)
#define EQ_FINAL	BIT(8)
#define EQ_NMI_UNBLOCK	BIT(12)

#define MSR_FEATURE_CONTROL	0x3a
#define FC_LOCK			BIT(0)
#define FC_VMXON		BIT(2)

enum {
	MSR_VMX_BASIC = 0x480, MSR_VMX_PIN, MSR_VMX_PROC, MSR_VMX_EXIT, MSR_VMX_ENTRY,
	MSR_VMX_MISC, MSR_VMX_CR0_FIXED0, MSR_VMX_CR0_FIXED1, MSR_VMX_CR4_FIXED0,
	MSR_VMX_CR4_FIXED1, MSR_VMX_VMCS_ENUM, MSR_VMX_PROC2, MSR_VMX_EPT_VPID,
	MSR_VMX_TRUE_PIN, MSR_VMX_TRUE_PROC, MSR_VMX_TRUE_EXIT, MSR_VMX_TRUE_ENTRY,
	MSR_VMX_VMFUNC, MSR_VMX_PROC3,
};

/* IA32_VMX_EPT_VPID_CAP */
#define EVC_EXEC_ONLY	BIT(0)
#define EVC_WALK4	BIT(6)
#define EVC_UC		BIT(8)
#define EVC_WB		BIT(14)
#define EVC_2M		BIT(16)
#define EVC_1G		BIT(17)
#define EVC_INVEPT	BIT(20)
#define EVC_AD		BIT(21)
#define EVC_ADV_INFO	BIT(22)
#define EVC_INVEPT_1	BIT(25)
#define EVC_INVEPT_ALL	BIT(26)
#define EVC_INVVPID	BIT(32)
#define EVC_INVVPID_ADDR BIT(40)
#define EVC_INVVPID_1	BIT(41)
#define EVC_INVVPID_ALL	BIT(42)
#define EVC_INVVPID_GLOB BIT(43)

#define MSR_PERF_GLOBAL		0x38f
#define MSR_PERF_CAPABILITIES	0x345
#define MSR_LBR_TOS		0x1c9
#define MSR_LBR_FROM_0		0x680
#define MSR_LBR_TO_0		0x6c0
#define MSR_XSS			0xda0
#define MSR_X2APIC		0x800
#define MSR_TSC_AUX		0xc0000103

#define CR4_VME		BIT(0)
#define CR4_MCE		BIT(6)
#define CR4_OSFXSR	BIT(9)
#define CR4_VMXE	BIT(13)
#define CR4_SMXE	BIT(14)
#define CR4_PCIDE	BIT(17)

#define FL_PF		BIT(2)
#define FL_CPU		BIT(4)
#define FL_SF		BIT(7)
#define FL_OF		BIT(11)
#define FL_VM		BIT(17)
#define FL_ARITH	0x8d5ull

#endif
