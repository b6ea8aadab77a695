/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmcs12: the VMCS that L1 sees.  Its region in L1's memory is opaque by the
 * architecture (SDM vol. 3, "Software Use of Virtual-Machine Control
 * Structures"), so it is copied in at VMPTRLD, lives here while it is current,
 * and is written back when it ceases to be (VMCLEAR, VMPTRLD of another,
 * VMXOFF).  Whatever L1 writes to the region meanwhile is not looked at.
 */
#ifndef NESTOR_NVMX_VMCS12_H
#define NESTOR_NVMX_VMCS12_H

#include "core/types.h"

#define VMCS12_SIZE		0x1000
#define VMCS12_REVISION		0x6e657374u	/* bit 31 clear; our layout */
#define VMCS12_SHADOW		BIT(31)		/* of the first word: a shadow VMCS */

enum vmcs12_width { VMCS_16, VMCS_64, VMCS_32, VMCS_NATURAL };

/* Classes of fields.def, also bits of vmcs12.dirty: what changed since its checks passed. */
enum vmcs12_class { VMCS_CTRL, VMCS_GUEST, VMCS_HOST, VMCS_INFO, VMCS_HOT, VMCS_MODE, VMCS_STEP };

#define VMCS12_DIRTY_ALL	(BIT(VMCS_CTRL) | BIT(VMCS_GUEST) | BIT(VMCS_HOST) | \
				 BIT(VMCS_HOT) | BIT(VMCS_MODE) | BIT(VMCS_STEP))

/* On what the existence of a field depends. */
enum vmcs12_cap {
	VMCS_CAP_ALWAYS, VMCS_CAP_VPID, VMCS_CAP_POSTED_INTR, VMCS_CAP_EPT_VE, VMCS_CAP_VID,
	VMCS_CAP_PML, VMCS_CAP_MSR_BITMAP, VMCS_CAP_TPR_SHADOW, VMCS_CAP_APIC_ACCESS,
	VMCS_CAP_VMFUNC, VMCS_CAP_EPT, VMCS_CAP_VMCS_SHADOW, VMCS_CAP_XSAVES, VMCS_CAP_ENCLS,
	VMCS_CAP_TSC_SCALING, VMCS_CAP_PAT, VMCS_CAP_EFER, VMCS_CAP_PERF_GLOBAL,
	VMCS_CAP_BNDCFGS, VMCS_CAP_SECONDARY, VMCS_CAP_PLE, VMCS_CAP_PREEMPTION_TIMER,
	NR_VMCS_CAPS
};

/* Position of each field in struct vmcs12, and how many there are. */
enum vmcs12_index {
#define F(name, enc, class, cap) VMCS12_##name,
#include "nvmx/fields.def"
#undef F
	NR_VMCS12_FIELDS
};

/* Encodings by name. */
enum vmcs12_encoding {
#define F(name, enc, class, cap) VMCS_ENC_##name = (enc),
#include "nvmx/fields.def"
#undef F
};

/**
 * struct vmcs12 - a VMCS of L1
 * @revision: first word of the region; bit 31 marks a shadow VMCS
 * @abort: VMX-abort indicator
 * @launched: launch state: false is clear
 * @dirty: BIT(enum vmcs12_class) for each class that changed since its checks passed;
 *	meaningful only in the kernel's copy
 * @f: all fields by enum vmcs12_index, each in 64 bits whatever its width; the named
 *	members are the same storage
 *
 * The region in L1's memory has this layout, which the revision identifies.  It may
 * hold anything when it is loaded: loading cuts each field to its width.
 */
struct vmcs12 {
	u32 revision;
	u32 abort;
	u32 launched;
	u32 dirty;
	union {
		u64 f[NR_VMCS12_FIELDS];
		struct {
#define F(name, enc, class, cap) u64 name;
#include "nvmx/fields.def"
#undef F
		};
	};
};

static_assert(sizeof(struct vmcs12) <= VMCS12_SIZE, "vmcs12 fits its region");

/* Are @size bytes the same?  A multiple of 8, known when this is compiled; no call, no branches. */
static __always_inline bool nvmx_same(const void *a, const void *b, unsigned int size)
{
	const u64 *x = a, *y = b;
	unsigned int i;
	u64 diff = 0;

	_Pragma("GCC unroll 16")
	for (i = 0; i < size / 8; i++)
		diff |= x[i] ^ y[i];
	return !diff;
}

/* Pin-based controls (SDM: "Pin-Based VM-Execution Controls") */
#define PIN_EXT_INTR		BIT(0)
#define PIN_NMI			BIT(3)
#define PIN_VIRTUAL_NMI		BIT(5)
#define PIN_PREEMPTION_TIMER	BIT(6)
#define PIN_POSTED_INTR		BIT(7)

/* Primary processor-based controls */
#define CPU_INTR_WINDOW		BIT(2)
#define CPU_TSC_OFFSET		BIT(3)
#define CPU_HLT			BIT(7)
#define CPU_INVLPG		BIT(9)
#define CPU_MWAIT		BIT(10)
#define CPU_RDPMC		BIT(11)
#define CPU_RDTSC		BIT(12)
#define CPU_CR3_LOAD		BIT(15)
#define CPU_CR3_STORE		BIT(16)
#define CPU_CR8_LOAD		BIT(19)
#define CPU_CR8_STORE		BIT(20)
#define CPU_TPR_SHADOW		BIT(21)
#define CPU_NMI_WINDOW		BIT(22)
#define CPU_MOV_DR		BIT(23)
#define CPU_UNCOND_IO		BIT(24)
#define CPU_IO_BITMAPS		BIT(25)
#define CPU_MTF			BIT(27)
#define CPU_MSR_BITMAPS		BIT(28)
#define CPU_MONITOR		BIT(29)
#define CPU_PAUSE		BIT(30)
#define CPU_SECONDARY		BIT(31)

/* Secondary processor-based controls */
#define CPU2_APIC_ACCESS	BIT(0)
#define CPU2_EPT		BIT(1)
#define CPU2_DTABLE		BIT(2)
#define CPU2_RDTSCP		BIT(3)
#define CPU2_X2APIC		BIT(4)
#define CPU2_VPID		BIT(5)
#define CPU2_WBINVD		BIT(6)
#define CPU2_UNRESTRICTED	BIT(7)
#define CPU2_APIC_REGS		BIT(8)
#define CPU2_VID		BIT(9)
#define CPU2_PLE		BIT(10)
#define CPU2_RDRAND		BIT(11)
#define CPU2_INVPCID		BIT(12)
#define CPU2_VMFUNC		BIT(13)
#define CPU2_VMCS_SHADOW	BIT(14)
#define CPU2_ENCLS		BIT(15)
#define CPU2_RDSEED		BIT(16)
#define CPU2_PML		BIT(17)
#define CPU2_EPT_VE		BIT(18)
#define CPU2_CONCEAL_PT		BIT(19)
#define CPU2_XSAVES		BIT(20)
#define CPU2_MODE_EXEC		BIT(22)
#define CPU2_TSC_SCALING	BIT(25)
#define CPU2_USER_WAIT		BIT(26)

/* VM-exit controls */
#define EXIT_SAVE_DEBUG		BIT(2)
#define EXIT_HOST_64		BIT(9)
#define EXIT_LOAD_PERF_GLOBAL	BIT(12)
#define EXIT_ACK_INTR		BIT(15)
#define EXIT_SAVE_PAT		BIT(18)
#define EXIT_LOAD_PAT		BIT(19)
#define EXIT_SAVE_EFER		BIT(20)
#define EXIT_LOAD_EFER		BIT(21)
#define EXIT_SAVE_TIMER		BIT(22)
#define EXIT_CLEAR_BNDCFGS	BIT(23)

/* VM-entry controls */
#define ENTRY_LOAD_DEBUG	BIT(2)
#define ENTRY_IA32E		BIT(9)
#define ENTRY_SMM		BIT(10)
#define ENTRY_DUAL_MONITOR	BIT(11)
#define ENTRY_LOAD_PERF_GLOBAL	BIT(13)
#define ENTRY_LOAD_PAT		BIT(14)
#define ENTRY_LOAD_EFER		BIT(15)
#define ENTRY_LOAD_BNDCFGS	BIT(16)

/* VM-entry interruption information, VM-exit interruption and IDT-vectoring information */
#define INTR_INFO_VECTOR	0xffu
#define INTR_INFO_TYPE_SHIFT	8
#define INTR_INFO_TYPE		(7u << INTR_INFO_TYPE_SHIFT)
#define INTR_INFO_ERROR		BIT(11)
#define INTR_INFO_NMI_UNBLOCK	BIT(12)
#define INTR_INFO_VALID		BIT(31)

/* Guest interruptibility state */
#define INTERRUPTIBILITY_STI	BIT(0)
#define INTERRUPTIBILITY_MOV_SS	BIT(1)
#define INTERRUPTIBILITY_SMI	BIT(2)
#define INTERRUPTIBILITY_NMI	BIT(3)
#define INTERRUPTIBILITY_ENCLAVE BIT(4)

/* Segment access rights: the VMCS's form (SDM: "Guest Register State") */
#define VMCS_AR_L		BIT(13)
#define VMCS_AR_UNUSABLE	BIT(16)

/* Exit reason, bit 31 */
#define EXIT_REASON_ENTRY_FAILED BIT(31)

/* VM-instruction error numbers (SDM: "VM Instruction Error Numbers") */
enum vmx_insn_error {
	VMXERR_VMCALL_IN_ROOT = 1,
	VMXERR_VMCLEAR_ADDRESS = 2,
	VMXERR_VMCLEAR_VMXON_PTR = 3,
	VMXERR_VMLAUNCH_NOT_CLEAR = 4,
	VMXERR_VMRESUME_NOT_LAUNCHED = 5,
	VMXERR_VMRESUME_AFTER_VMXOFF = 6,
	VMXERR_CONTROLS = 7,
	VMXERR_HOST_STATE = 8,
	VMXERR_VMPTRLD_ADDRESS = 9,
	VMXERR_VMPTRLD_VMXON_PTR = 10,
	VMXERR_VMPTRLD_REVISION = 11,
	VMXERR_UNSUPPORTED_FIELD = 12,
	VMXERR_READ_ONLY_FIELD = 13,
	VMXERR_VMXON_IN_ROOT = 15,
	VMXERR_EXECUTIVE_VMCS = 16,
	VMXERR_EXECUTIVE_NOT_LAUNCHED = 17,
	VMXERR_EXECUTIVE_NOT_VMXON = 18,
	VMXERR_VMCALL_VMCS_NOT_CLEAR = 19,
	VMXERR_VMCALL_EXIT_CTLS = 20,
	VMXERR_VMCALL_MSEG = 22,
	VMXERR_VMXOFF_DUAL_MONITOR = 23,
	VMXERR_VMCALL_SMM_FEATURES = 24,
	VMXERR_EXECUTIVE_CONTROLS = 25,
	VMXERR_MOV_SS = 26,
	VMXERR_INVALID_OPERAND = 28,
};

#endif
