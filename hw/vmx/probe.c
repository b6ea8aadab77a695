// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is VT-x there, and may it be used?  Each answer comes with its remedy, since the
 * reader is an admin at a prompt (SDM vol. 3, "Enabling and Entering VMX Operation",
 * "VMX Capability Reporting Facility").
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/printk.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/processor-flags.h>

#include "hw/vmx/vmx.h"

#define BASIC_TRUE_CTLS		(1ull << 55)
#define BASIC_SIZE(b)		(((b) >> 32) & 0x1fff)
#define BASIC_MEM_TYPE(b)	(((b) >> 50) & 0xf)

struct vmx_caps vmx_caps;

/* Makers of CPUs with VT-x; another maker's CPU is not told that it lacks it. */
static bool maker_has_vmx(void)
{
	switch (boot_cpu_data.x86_vendor) {
	case X86_VENDOR_INTEL:
	case X86_VENDOR_CENTAUR:
	case X86_VENDOR_ZHAOXIN:
		return true;
	default:
		return false;
	}
}

static int no_vmx(struct hw_problem *why)
{
	if (maker_has_vmx()) {
		why->cause = "this CPU has no VT-x (VMX)";
		why->remedy = "use a machine whose CPU has VT-x; inside a VM, turn nested virtualisation on for it";
	}
	return -ENODEV;
}

static u64 cap_msr(u32 index)
{
	u64 val = 0;

	/* An MSR that is not there allows nothing. */
	rdmsrl_safe(index, &val);
	return val;
}

/* Controls that TRUE capability MSRs describe exactly. */
static u64 ctl_cap(u64 basic, u32 plain, u32 exact)
{
	return cap_msr(basic & BASIC_TRUE_CTLS ? exact : plain);
}

static const char *read_controls(u64 basic)
{
	const u64 cap[NR_CTL_WORDS] = {
		[CTLW_PIN] = ctl_cap(basic, MSR_IA32_VMX_PINBASED_CTLS,
				     MSR_IA32_VMX_TRUE_PINBASED_CTLS),
		[CTLW_PROC] = ctl_cap(basic, MSR_IA32_VMX_PROCBASED_CTLS,
				      MSR_IA32_VMX_TRUE_PROCBASED_CTLS),
		[CTLW_PROC2] = cap_msr(MSR_IA32_VMX_PROCBASED_CTLS2),
		[CTLW_EXIT] = ctl_cap(basic, MSR_IA32_VMX_EXIT_CTLS, MSR_IA32_VMX_TRUE_EXIT_CTLS),
		[CTLW_ENTRY] = ctl_cap(basic, MSR_IA32_VMX_ENTRY_CTLS,
				       MSR_IA32_VMX_TRUE_ENTRY_CTLS),
	};
	int w;

	for (w = 0; w < NR_CTL_WORDS; w++) {
		const char *missing = vmx_adjust(w, cap[w], &vmx_caps.ctl[w]);

		if (missing)
			return missing;
	}
	return NULL;
}

/* IA32_VMX_MISC: VMWRITE to exit information fields */
#define MISC_VMWRITE_ANY	BIT_ULL(29)
/* IA32_VMX_MISC: software events of length 0 */
#define MISC_ZERO_LEN		BIT_ULL(30)

static void read_fixed_bits(void)
{
	/* "Unrestricted guest" takes PE and PG out of what is fixed. */
	vmx_caps.cr0_fixed0 = cap_msr(MSR_IA32_VMX_CR0_FIXED0) &
			      ~(u64)(X86_CR0_PE | X86_CR0_PG);
	vmx_caps.cr0_fixed1 = cap_msr(MSR_IA32_VMX_CR0_FIXED1);
	vmx_caps.cr4_fixed0 = cap_msr(MSR_IA32_VMX_CR4_FIXED0);
	vmx_caps.cr4_fixed1 = cap_msr(MSR_IA32_VMX_CR4_FIXED1);
}

static bool ept_usable(u64 cap)
{
	return (cap & EPT_CAP_WALK_4) && (cap & EPT_CAP_WB) && (cap & EPT_CAP_INVEPT) &&
	       (cap & (EPT_CAP_INVEPT_SINGLE | EPT_CAP_INVEPT_ALL));
}

static bool may2(u32 bit)
{
	return vmx_caps.ctl[CTLW_PROC2].may & bit;
}

static bool may1(u32 bit)
{
	return vmx_caps.ctl[CTLW_PROC].may & bit;
}

/* What not every CPU has and a frontend may offer only with it. */
static void fill_optional(struct hw_caps *caps)
{
	caps->timer = vmx_caps.ctl[CTLW_PIN].may & PIN_PREEMPTION_TIMER &&
		      vmx_caps.ctl[CTLW_EXIT].may & EXITCTL_SAVE_TIMER;
	caps->timer_rate = cap_msr(MSR_IA32_VMX_MISC) & 0x1f;
	caps->zero_len = cap_msr(MSR_IA32_VMX_MISC) & MISC_ZERO_LEN;
	caps->mtf = may1(PROC_MTF);
	caps->ple = may2(PROC2_PLE);
	caps->icpt_dtable = may2(PROC2_DESC_TABLE);
	caps->icpt_rdtscp = may2(PROC2_RDTSCP);
	caps->icpt_invpcid = may2(PROC2_INVPCID);
	caps->icpt_xsaves = may2(PROC2_XSAVES);
	caps->xsaves = caps->icpt_xsaves;
	caps->icpt_rdrand = may2(PROC2_RDRAND);
	caps->icpt_rdseed = may2(PROC2_RDSEED);
	caps->icpt_vmfunc = may2(PROC2_VMFUNC);
	caps->tpr_shadow = may1(PROC_TPR_SHADOW);
	caps->apic_access = may2(PROC2_APIC_ACCESS);
	caps->x2apic_virt = may2(PROC2_X2APIC);
	caps->apic_regs = may2(PROC2_APIC_REGS);
	caps->vid = may2(PROC2_VID);
	caps->status_field = caps->vid;
	caps->pml = may2(PROC2_PML) && (vmx_caps.ept_vpid & EPT_CAP_AD);
	/* What the guest reads there includes fields that are read-only without this. */
	caps->guest_fields = may2(PROC2_SHADOW_VMCS) &&
			     (cap_msr(MSR_IA32_VMX_MISC) & MISC_VMWRITE_ANY);
	caps->again = true;
}

/*
 * Some CPUs raise a machine check that stops the machine when a guest changes the size of a
 * page it executes (Linux: "iTLB multihit").  A guest's page cannot be larger there than the
 * second level's, so that one has small leaves only.
 */
static bool large_leaves_safe(void)
{
	return !boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) || cpu_mitigations_off();
}

static void fill_caps(struct hw_caps *caps)
{
	u64 ept = vmx_caps.ept_vpid;

	vmx_caps.vpid = may2(PROC2_VPID) && (ept & VPID_CAP_INVVPID) && (ept & VPID_CAP_SINGLE) &&
			(ept & VPID_CAP_ALL);
	if (!vmx_caps.vpid)
		vmx_caps.ctl[CTLW_PROC2].on &= ~PROC2_VPID;
	/*
	 * Others are reserved, or of features that no guest is offered.  LBR may be set, as on every
	 * CPU, but the registers with the records differ from model to model, and a guest has none.
	 */
	caps->debugctl = DEBUGCTLMSR_LBR | DEBUGCTLMSR_BTF;
	caps->nrips = true;
	caps->nmi_window = true;
	caps->unrestricted = true;
	fill_optional(caps);
	caps->flush_by_tag = true;
	caps->tsc_scaling = may2(PROC2_TSC_SCALING);
	caps->root_2m = (ept & EPT_CAP_2M) && large_leaves_safe();
	caps->root_1g = (ept & EPT_CAP_1G) && large_leaves_safe();
	caps->root_levels = 4;
	caps->root_is_npt = false;
	caps->root_ad = ept & EPT_CAP_AD;
	caps->root_exec_only = ept & EPT_CAP_EXEC_ONLY;
	caps->exec_only = ept & EPT_CAP_EXEC_ONLY;
	caps->pdpte_regs = true;
	caps->nr_tags = vmx_caps.vpid ? 1u << 16 : 1;
}

static bool disabled_by_firmware(void)
{
	u64 ctl;

	/* Left unlocked it is ours to set, on each CPU. */
	return !rdmsrl_safe(MSR_IA32_FEAT_CTL, &ctl) && (ctl & FEAT_CTL_LOCKED) &&
	       !(ctl & FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX);
}

int vmx_probe(struct hw_caps *caps, struct hw_problem *why)
{
	static char cause[96];
	const char *missing;
	u64 basic;

	if (!(cpuid_ecx(1) & BIT(5)))
		return no_vmx(why);
	if (disabled_by_firmware()) {
		why->cause = "VT-x is disabled by the firmware (IA32_FEATURE_CONTROL is locked without VMXON)";
		why->remedy = "enable VT-x in the firmware setup and power-cycle";
		return -EACCES;
	}
	/* The other hypervisor first: what it hides from us is no reason then. */
	if (__read_cr4() & X86_CR4_VMXE) {
		why->cause = "a hypervisor is already running on this machine (CR4.VMXE is set)";
		why->remedy = "stop its VMs and unload it (rmmod kvm_intel) first";
		return -EBUSY;
	}
	basic = cap_msr(MSR_IA32_VMX_BASIC);
	vmx_caps.revision = basic & 0x7fffffff;
	missing = read_controls(basic);
	if (!missing && (BASIC_SIZE(basic) > PAGE_SIZE || BASIC_MEM_TYPE(basic) != 6))
		missing = "a VMCS of one page in write-back memory";
	if (missing) {
		snprintf(cause, sizeof(cause), "this CPU's VT-x lacks \"%s\"", missing);
		why->cause = cause;
		why->remedy = "use a machine with EPT and unrestricted guest; inside a VM, let its hypervisor offer them";
		return -EOPNOTSUPP;
	}
	vmx_caps.ept_vpid = cap_msr(MSR_IA32_VMX_EPT_VPID_CAP);
	if (!ept_usable(vmx_caps.ept_vpid)) {
		why->cause = "this CPU's EPT lacks 4-level walks, write-back memory or INVEPT";
		why->remedy = "use a machine with complete EPT; inside a VM, let its hypervisor offer it";
		return -EOPNOTSUPP;
	}
	read_fixed_bits();
	fill_caps(caps);
	return 0;
}
