/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMCS as VMREAD and VMWRITE name it (SDM vol. 3, "Field Encoding in
 * VMCS") and the bits of its control fields ("VM-Execution Control Fields",
 * "VM-Exit Control Fields", "VM-Entry Control Fields").
 */
#ifndef NESTOR_HW_VMX_VMCS_H
#define NESTOR_HW_VMX_VMCS_H

#include "core/types.h"

enum vmcs_field {
	/* 16 bits */
	VMCS_VPID			= 0x0000,
	VMCS_GUEST_ES_SEL		= 0x0800,	/* ES, CS, SS, DS, FS, GS, LDTR, TR: step 2 */
	VMCS_GUEST_INTR_STATUS		= 0x0810,
	VMCS_PML_INDEX			= 0x0812,
	VMCS_HOST_ES_SEL		= 0x0c00,
	VMCS_HOST_CS_SEL		= 0x0c02,
	VMCS_HOST_SS_SEL		= 0x0c04,
	VMCS_HOST_DS_SEL		= 0x0c06,
	VMCS_HOST_FS_SEL		= 0x0c08,
	VMCS_HOST_GS_SEL		= 0x0c0a,
	VMCS_HOST_TR_SEL		= 0x0c0c,
	/* 64 bits */
	VMCS_MSR_BITMAP			= 0x2004,
	VMCS_EXIT_MSR_STORE		= 0x2006,
	VMCS_EXIT_MSR_LOAD		= 0x2008,
	VMCS_ENTRY_MSR_LOAD		= 0x200a,
	VMCS_PML_ADDRESS		= 0x200e,
	VMCS_TSC_OFFSET			= 0x2010,
	VMCS_VIRTUAL_APIC_PAGE		= 0x2012,
	VMCS_APIC_ACCESS_PAGE		= 0x2014,
	VMCS_VM_FUNCTION_CTL		= 0x2018,
	VMCS_EPTP			= 0x201a,
	VMCS_EOI_EXIT0			= 0x201c,	/* four: step 2 */
	VMCS_VMREAD_BITMAP		= 0x2026,
	VMCS_VMWRITE_BITMAP		= 0x2028,
	VMCS_XSS_EXIT_BITMAP		= 0x202c,
	VMCS_ENCLS_EXIT_BITMAP		= 0x202e,
	VMCS_TSC_MULTIPLIER		= 0x2032,
	VMCS_GUEST_PHYS_ADDR		= 0x2400,
	VMCS_LINK_POINTER		= 0x2800,
	VMCS_GUEST_DEBUGCTL		= 0x2802,
	VMCS_GUEST_PAT			= 0x2804,
	VMCS_GUEST_EFER			= 0x2806,
	VMCS_GUEST_PDPTE0		= 0x280a,	/* four: step 2 */
	VMCS_HOST_PAT			= 0x2c00,
	VMCS_HOST_EFER			= 0x2c02,
	/* 32 bits */
	VMCS_PIN_CTL			= 0x4000,
	VMCS_PROC_CTL			= 0x4002,
	VMCS_EXCEPTION_BITMAP		= 0x4004,
	VMCS_PF_MASK			= 0x4006,
	VMCS_PF_MATCH			= 0x4008,
	VMCS_CR3_TARGET_COUNT		= 0x400a,
	VMCS_EXIT_CTL			= 0x400c,
	VMCS_EXIT_MSR_STORE_COUNT	= 0x400e,
	VMCS_EXIT_MSR_LOAD_COUNT	= 0x4010,
	VMCS_ENTRY_CTL			= 0x4012,
	VMCS_ENTRY_MSR_LOAD_COUNT	= 0x4014,
	VMCS_ENTRY_INTR_INFO		= 0x4016,
	VMCS_ENTRY_ERROR_CODE		= 0x4018,
	VMCS_ENTRY_INSN_LEN		= 0x401a,
	VMCS_TPR_THRESHOLD		= 0x401c,
	VMCS_PROC2_CTL			= 0x401e,
	VMCS_PLE_GAP			= 0x4020,
	VMCS_PLE_WINDOW			= 0x4022,
	VMCS_INSN_ERROR			= 0x4400,
	VMCS_EXIT_REASON		= 0x4402,
	VMCS_EXIT_INTR_INFO		= 0x4404,
	VMCS_EXIT_ERROR_CODE		= 0x4406,
	VMCS_IDT_VECTORING_INFO		= 0x4408,
	VMCS_IDT_VECTORING_ERROR	= 0x440a,
	VMCS_EXIT_INSN_LEN		= 0x440c,
	VMCS_EXIT_INSN_INFO		= 0x440e,
	VMCS_GUEST_ES_LIMIT		= 0x4800,	/* as the selectors */
	VMCS_GUEST_GDTR_LIMIT		= 0x4810,
	VMCS_GUEST_IDTR_LIMIT		= 0x4812,
	VMCS_GUEST_ES_AR		= 0x4814,	/* as the selectors */
	VMCS_GUEST_SS_AR		= 0x4818,
	VMCS_GUEST_INTERRUPTIBILITY	= 0x4824,
	VMCS_GUEST_ACTIVITY		= 0x4826,
	VMCS_GUEST_SYSENTER_CS		= 0x482a,
	VMCS_PREEMPTION_TIMER		= 0x482e,
	VMCS_HOST_SYSENTER_CS		= 0x4c00,
	/* natural width */
	VMCS_CR0_MASK			= 0x6000,
	VMCS_CR4_MASK			= 0x6002,
	VMCS_CR0_SHADOW			= 0x6004,
	VMCS_CR4_SHADOW			= 0x6006,
	VMCS_EXIT_QUALIFICATION		= 0x6400,
	VMCS_GUEST_LINEAR_ADDR		= 0x640a,
	VMCS_GUEST_CR0			= 0x6800,
	VMCS_GUEST_CR3			= 0x6802,
	VMCS_GUEST_CR4			= 0x6804,
	VMCS_GUEST_ES_BASE		= 0x6806,	/* as the selectors */
	VMCS_GUEST_GDTR_BASE		= 0x6816,
	VMCS_GUEST_IDTR_BASE		= 0x6818,
	VMCS_GUEST_DR7			= 0x681a,
	VMCS_GUEST_RSP			= 0x681c,
	VMCS_GUEST_RIP			= 0x681e,
	VMCS_GUEST_RFLAGS		= 0x6820,
	VMCS_GUEST_PENDING_DBG		= 0x6822,
	VMCS_GUEST_SYSENTER_ESP		= 0x6824,
	VMCS_GUEST_SYSENTER_EIP		= 0x6826,
	VMCS_HOST_CR0			= 0x6c00,
	VMCS_HOST_CR3			= 0x6c02,
	VMCS_HOST_CR4			= 0x6c04,
	VMCS_HOST_FS_BASE		= 0x6c06,
	VMCS_HOST_GS_BASE		= 0x6c08,
	VMCS_HOST_TR_BASE		= 0x6c0a,
	VMCS_HOST_GDTR_BASE		= 0x6c0c,
	VMCS_HOST_IDTR_BASE		= 0x6c0e,
	VMCS_HOST_SYSENTER_ESP		= 0x6c10,
	VMCS_HOST_SYSENTER_EIP		= 0x6c12,
	VMCS_HOST_RSP			= 0x6c14,
	VMCS_HOST_RIP			= 0x6c16,
};

/* Pin-based controls */
#define PIN_EXT_INTR		(1u << 0)
#define PIN_NMI			(1u << 3)
#define PIN_VIRTUAL_NMIS	(1u << 5)
#define PIN_PREEMPTION_TIMER	(1u << 6)
#define PIN_POSTED_INTR		(1u << 7)

/* Primary processor-based controls */
#define PROC_INTR_WINDOW	(1u << 2)
#define PROC_TSC_OFFSET		(1u << 3)
#define PROC_HLT		(1u << 7)
#define PROC_INVLPG		(1u << 9)
#define PROC_MWAIT		(1u << 10)
#define PROC_RDPMC		(1u << 11)
#define PROC_RDTSC		(1u << 12)
#define PROC_CR3_LOAD		(1u << 15)
#define PROC_CR3_STORE		(1u << 16)
#define PROC_CR8_LOAD		(1u << 19)
#define PROC_CR8_STORE		(1u << 20)
#define PROC_TPR_SHADOW		(1u << 21)
#define PROC_NMI_WINDOW		(1u << 22)
#define PROC_MOV_DR		(1u << 23)
#define PROC_UNCOND_IO		(1u << 24)
#define PROC_IO_BITMAPS		(1u << 25)
#define PROC_MTF		(1u << 27)
#define PROC_MSR_BITMAPS	(1u << 28)
#define PROC_MONITOR		(1u << 29)
#define PROC_PAUSE		(1u << 30)
#define PROC_SECONDARY		(1u << 31)

/* Secondary processor-based controls */
#define PROC2_APIC_ACCESS	(1u << 0)
#define PROC2_EPT		(1u << 1)
#define PROC2_DESC_TABLE	(1u << 2)
#define PROC2_RDTSCP		(1u << 3)
#define PROC2_X2APIC		(1u << 4)
#define PROC2_VPID		(1u << 5)
#define PROC2_WBINVD		(1u << 6)
#define PROC2_UNRESTRICTED	(1u << 7)
#define PROC2_APIC_REGS		(1u << 8)
#define PROC2_VID		(1u << 9)
#define PROC2_PLE		(1u << 10)
#define PROC2_RDRAND		(1u << 11)
#define PROC2_INVPCID		(1u << 12)
#define PROC2_VMFUNC		(1u << 13)
#define PROC2_SHADOW_VMCS	(1u << 14)
#define PROC2_ENCLS		(1u << 15)
#define PROC2_RDSEED		(1u << 16)
#define PROC2_PML		(1u << 17)
#define PROC2_XSAVES		(1u << 20)
#define PROC2_TSC_SCALING	(1u << 25)
#define PROC2_UMWAIT		(1u << 26)

/* Exit controls */
#define EXITCTL_SAVE_DEBUG		(1u << 2)
#define EXITCTL_HOST_64		(1u << 9)
#define EXITCTL_LOAD_PERF		(1u << 12)
#define EXITCTL_ACK_INTR		(1u << 15)
#define EXITCTL_SAVE_PAT		(1u << 18)
#define EXITCTL_LOAD_PAT		(1u << 19)
#define EXITCTL_SAVE_EFER		(1u << 20)
#define EXITCTL_LOAD_EFER		(1u << 21)
#define EXITCTL_SAVE_TIMER		(1u << 22)

/* Entry controls */
#define ENTRYCTL_LOAD_DEBUG	(1u << 2)
#define ENTRYCTL_IA32E		(1u << 9)
#define ENTRYCTL_LOAD_PERF		(1u << 13)
#define ENTRYCTL_LOAD_PAT		(1u << 14)
#define ENTRYCTL_LOAD_EFER		(1u << 15)

/* VM-entry and VM-exit interruption information, IDT-vectoring information */
#define INTR_VECTOR_MASK	0xffu
#define INTR_TYPE_SHIFT		8
#define INTR_TYPE_MASK		7u
#define INTR_ERROR_VALID	(1u << 11)
#define INTR_NMI_UNBLOCK	(1u << 12)
#define INTR_VALID		(1u << 31)

/* Guest interruptibility state */
#define INTR_STATE_STI		(1u << 0)
#define INTR_STATE_MOV_SS	(1u << 1)
#define INTR_STATE_SMI		(1u << 2)
#define INTR_STATE_NMI		(1u << 3)

/* Pending debug exceptions */
#define PENDING_DBG_BS		(1ull << 14)

/* Access rights: bits 15:12 of the neutral form's bits 11:8, and unusable */
#define SEG_AR_UNUSABLE		(1u << 16)

/* Extended-page-table pointer */
#define EPTP_WB			6ull
#define EPTP_WALK_4		(3ull << 3)
#define EPTP_AD			(1ull << 6)

/* Basic exit reasons (SDM, "VMX Basic Exit Reasons") */
enum vmx_reason {
	VMX_EXCEPTION_NMI = 0, VMX_EXT_INTR = 1, VMX_TRIPLE_FAULT = 2, VMX_INIT = 3, VMX_SIPI = 4,
	VMX_IO_SMI = 5, VMX_SMI = 6, VMX_INTR_WINDOW = 7, VMX_NMI_WINDOW = 8,
	VMX_TASK_SWITCH = 9, VMX_CPUID = 10, VMX_GETSEC = 11, VMX_HLT = 12, VMX_INVD = 13,
	VMX_INVLPG = 14, VMX_RDPMC = 15, VMX_RDTSC = 16, VMX_RSM = 17, VMX_VMCALL = 18,
	VMX_VMCLEAR = 19, VMX_VMLAUNCH = 20, VMX_VMPTRLD = 21, VMX_VMPTRST = 22, VMX_VMREAD = 23,
	VMX_VMRESUME = 24, VMX_VMWRITE = 25, VMX_VMXOFF = 26, VMX_VMXON = 27, VMX_CR = 28,
	VMX_DR = 29, VMX_IO = 30, VMX_RDMSR = 31, VMX_WRMSR = 32, VMX_BAD_GUEST = 33,
	VMX_BAD_MSR = 34, VMX_MWAIT = 36, VMX_MTF = 37, VMX_MONITOR = 39, VMX_PAUSE = 40,
	VMX_MCE_ENTRY = 41, VMX_TPR_THRESHOLD = 43, VMX_APIC_ACCESS = 44, VMX_VIRTUAL_EOI = 45,
	VMX_GDTR_IDTR = 46, VMX_LDTR_TR = 47, VMX_EPT_VIOLATION = 48, VMX_EPT_MISCONFIG = 49,
	VMX_INVEPT = 50, VMX_RDTSCP = 51, VMX_TIMER = 52, VMX_INVVPID = 53, VMX_WBINVD = 54,
	VMX_XSETBV = 55, VMX_APIC_WRITE = 56, VMX_RDRAND = 57, VMX_INVPCID = 58, VMX_VMFUNC = 59,
	VMX_ENCLS = 60, VMX_RDSEED = 61, VMX_PML_FULL = 62, VMX_XSAVES = 63, VMX_XRSTORS = 64,
	VMX_UMWAIT = 67, VMX_TPAUSE = 68,
	NR_VMX_REASONS
};

#define VMX_REASON_MASK		0xffffu
#define VMX_REASON_ENTRY_FAILED	(1u << 31)

/* IA32_VMX_EPT_VPID_CAP */
#define EPT_CAP_EXEC_ONLY	(1ull << 0)
#define EPT_CAP_WALK_4		(1ull << 6)
#define EPT_CAP_WB		(1ull << 14)
#define EPT_CAP_2M		(1ull << 16)
#define EPT_CAP_1G		(1ull << 17)
#define EPT_CAP_INVEPT		(1ull << 20)
#define EPT_CAP_AD		(1ull << 21)
#define EPT_CAP_INVEPT_SINGLE	(1ull << 25)
#define EPT_CAP_INVEPT_ALL	(1ull << 26)
#define VPID_CAP_INVVPID	(1ull << 32)
#define VPID_CAP_SINGLE		(1ull << 41)
#define VPID_CAP_ALL		(1ull << 42)

#define INVEPT_SINGLE		1ul
#define INVEPT_ALL		2ul
#define INVVPID_SINGLE		1ul
#define INVVPID_ALL		2ul

#endif
