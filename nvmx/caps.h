/* SPDX-License-Identifier: GPL-2.0-only */
/* What VT-x can do as L1 sees it: the capability MSRs (SDM vol. 3, appendix "VMX Capability Reporting Facility"). */
#ifndef NESTOR_NVMX_CAPS_H
#define NESTOR_NVMX_CAPS_H

#include "core/types.h"

struct hw_caps;

/**
 * struct nvmx_caps - values of the VMX capability MSRs of one virtual processor
 * @basic: IA32_VMX_BASIC
 * @pin: IA32_VMX_TRUE_PINBASED_CTLS: bits 31:0 must be 1, bits 63:32 may be 1
 * @cpu: IA32_VMX_TRUE_PROCBASED_CTLS
 * @cpu2: IA32_VMX_PROCBASED_CTLS2
 * @exit: IA32_VMX_TRUE_EXIT_CTLS
 * @entry: IA32_VMX_TRUE_ENTRY_CTLS
 * @misc: IA32_VMX_MISC
 * @cr0_fixed0: IA32_VMX_CR0_FIXED0; @cr0_fixed1, @cr4_fixed0, @cr4_fixed1 the same
 * @vmcs_enum: IA32_VMX_VMCS_ENUM
 * @ept_vpid: IA32_VMX_EPT_VPID_CAP
 * @vmfunc: IA32_VMX_VMFUNC; 0: not offered
 * @fields: BIT(enum vmcs12_cap) of what the words above give a field to; derived from them
 *
 * The MSRs without TRUE in their name are these with the default1 class set.
 * A VMM may reduce them (KVM_SET_MSRS before the vCPU runs), never extend them.
 */
struct nvmx_caps {
	u64 basic, pin, cpu, cpu2, exit, entry, misc;
	u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	u64 vmcs_enum, ept_vpid, vmfunc;
	u32 fields;
};

/**
 * struct nvmx_cpu - what else L1's processor shows, on which the controls depend
 * @cr4: bits of CR4 that may be 1, VMXE included
 * @lm: CPUID shows long mode; the others the same for their instruction
 */
struct nvmx_cpu {
	u64 cr4;
	bool lm, rdtscp, invpcid, xsaves, rdrand, rdseed;
};

/* cap_may() - may all of these control bits be 1? */
static inline bool cap_may(u64 cap, u32 bits)
{
	return !(bits & ~(cap >> 32));
}

/* IA32_VMX_EPT_VPID_CAP */
#define EPTCAP_EXEC_ONLY	BIT_ULL(0)
#define EPTCAP_WALK4		BIT_ULL(6)
#define EPTCAP_WALK5		BIT_ULL(7)
#define EPTCAP_UC		BIT_ULL(8)
#define EPTCAP_WB		BIT_ULL(14)
#define EPTCAP_2M		BIT_ULL(16)
#define EPTCAP_1G		BIT_ULL(17)
#define EPTCAP_INVEPT		BIT_ULL(20)
#define EPTCAP_AD		BIT_ULL(21)
#define EPTCAP_INVEPT_SINGLE	BIT_ULL(25)
#define EPTCAP_INVEPT_ALL	BIT_ULL(26)
#define EPTCAP_INVVPID		BIT_ULL(32)
#define EPTCAP_INVVPID_ADDR	BIT_ULL(40)
#define EPTCAP_INVVPID_SINGLE	BIT_ULL(41)
#define EPTCAP_INVVPID_ALL	BIT_ULL(42)
#define EPTCAP_INVVPID_NO_GLOBAL BIT_ULL(43)

/* IA32_VMX_MISC */
#define MISC_TIMER_RATE		0x1full		/* TSC bit that counts the preemption timer down */
#define MISC_STORE_LMA		BIT_ULL(5)	/* exits store EFER.LMA into the entry controls */
#define MISC_ACTIVITY_HLT	BIT_ULL(6)
#define MISC_ACTIVITY_SHUTDOWN	BIT_ULL(7)
#define MISC_ACTIVITY_SIPI	BIT_ULL(8)
#define MISC_CR3_TARGETS_SHIFT	16		/* 9 bits */
#define MISC_MSR_LIST_SHIFT	25		/* 3 bits: 512 * (n + 1) entries at most */
#define MISC_VMWRITE_ALL	BIT_ULL(29)
#define MISC_ZERO_LEN_INJECT	BIT_ULL(30)

/* IA32_VMX_VMFUNC, and the VM-function controls */
#define VMFUNC_EPTP_SWITCHING	BIT_ULL(0)

/* IA32_VMX_BASIC */
#define BASIC_SIZE_SHIFT	32
#define BASIC_SIZE		GENMASK_ULL(44, 32)
#define BASIC_TYPE_SHIFT	50		/* memory type of VMCS accesses, as in PAT */
#define BASIC_TYPE		GENMASK_ULL(53, 50)
#define BASIC_INS_OUTS		BIT_ULL(54)	/* exits of INS and OUTS fill instruction information */
#define BASIC_TRUE_CTLS		BIT_ULL(55)

/* The capability MSRs */
#define VMXMSR_BASIC		0x480u
#define VMXMSR_PIN		0x481u
#define VMXMSR_CPU		0x482u
#define VMXMSR_EXIT		0x483u
#define VMXMSR_ENTRY		0x484u
#define VMXMSR_MISC		0x485u
#define VMXMSR_CR0_FIXED0	0x486u
#define VMXMSR_CR0_FIXED1	0x487u
#define VMXMSR_CR4_FIXED0	0x488u
#define VMXMSR_CR4_FIXED1	0x489u
#define VMXMSR_VMCS_ENUM	0x48au
#define VMXMSR_CPU2		0x48bu
#define VMXMSR_EPT_VPID		0x48cu
#define VMXMSR_TRUE_PIN		0x48du
#define VMXMSR_TRUE_CPU		0x48eu
#define VMXMSR_TRUE_EXIT	0x48fu
#define VMXMSR_TRUE_ENTRY	0x490u
#define VMXMSR_VMFUNC		0x491u

/* Controls of the default1 classes: 1 in the MSRs without TRUE (appendix "Reserved Controls and Default Settings") */
#define DEFAULT1_PIN		0x00000016u
#define DEFAULT1_CPU		0x0401e172u
#define DEFAULT1_EXIT		0x00036dffu
#define DEFAULT1_ENTRY		0x000011ffu

/** nvmx_timer_rate() - bit of the TSC that counts the preemption timer down; pure */
unsigned int nvmx_timer_rate(const struct hw_caps *hw);

/** nvmx_caps_max() - the most that can be offered on this host; pure */
void nvmx_caps_max(const struct hw_caps *hw, struct nvmx_caps *caps);

/**
 * nvmx_caps_fit() - what L1 finds: @offer without what @cpu does not show and without
 * what depends on something that is not offered; pure.  @caps may be @offer.
 */
void nvmx_caps_fit(const struct nvmx_caps *offer, const struct nvmx_cpu *cpu,
		   struct nvmx_caps *caps);

/** nvmx_caps_get() - value of a capability MSR; false: L1 gets #GP; pure */
bool nvmx_caps_get(const struct nvmx_caps *caps, u32 msr, u64 *val);

/**
 * nvmx_caps_set() - the VMM sets a capability MSR of @caps; pure
 * @max: what this host can do
 * Return: false, with nothing changed, when it would extend @max or is no value of that MSR.
 */
bool nvmx_caps_set(struct nvmx_caps *caps, const struct nvmx_caps *max, u32 msr, u64 val);

#endif
