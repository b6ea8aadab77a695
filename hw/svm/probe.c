// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is AMD-V there, and may it be used?  Each answer comes with its remedy, since
 * the reader is an admin at a prompt (APM vol. 2, "Enabling SVM").
 */
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>

#include "hw/svm/svm.h"

#define SVM_FEATURE_LEAF	0x8000000a
#define SVM_NP			(1u << 0)
#define SVM_LBRV		(1u << 1)
#define SVM_NRIPS		(1u << 3)
#define SVM_TSC_RATE		(1u << 4)
#define SVM_CLEAN		(1u << 5)
#define SVM_FLUSH_ASID		(1u << 6)
#define SVM_DECODE		(1u << 7)
#define SVM_PAUSE		(1u << 10)
#define SVM_PAUSE_THRESH	(1u << 12)
#define SVM_VGIF		(1u << 16)

static void svm_read_caps(struct hw_caps *caps, u32 ebx, u32 edx)
{
	caps->nrips = edx & SVM_NRIPS;
	caps->decode_assists = edx & SVM_DECODE;
	caps->vgif = edx & SVM_VGIF;
	/* LBR, BTF and the four pin controls (APM vol. 2, "DebugCtl MSR"). */
	caps->debugctl = 0x3f;
	caps->lbrv = edx & SVM_LBRV;
	caps->flush_by_tag = edx & SVM_FLUSH_ASID;
	caps->clean_bits = edx & SVM_CLEAN;
	caps->pause_filter = edx & SVM_PAUSE;
	caps->pause_threshold = caps->pause_filter && (edx & SVM_PAUSE_THRESH);
	caps->unrestricted = true;
	caps->forces_svme = true;
	caps->icpt_dtable = true;
	caps->icpt_rdtscp = true;
	/* Nothing intercepts it or turns it off: whatever CPUID says, a guest with XSAVE has it. */
	caps->xsaves = true;
	caps->root_2m = true;
	caps->root_1g = boot_cpu_has(X86_FEATURE_GBPAGES);
	caps->root_levels = 4;
	caps->root_is_npt = true;
	caps->nr_tags = ebx;
}

/* Another maker's CPU is not told that it lacks AMD-V. */
static int no_svm(struct hw_problem *why)
{
	if (boot_cpu_data.x86_vendor == X86_VENDOR_AMD ||
	    boot_cpu_data.x86_vendor == X86_VENDOR_HYGON) {
		why->cause = "this CPU has no AMD-V (SVM)";
		why->remedy = "use a machine whose CPU has AMD-V; inside a VM, turn nested virtualisation on for it";
	}
	return -ENODEV;
}

#define MSR_VM_CR_SVM		0xc0010114
#define VM_CR_SVMDIS		(1ull << 4)

/* Each CPU has a register of its own, and a broken firmware may forget some. */
bool svm_disabled(void)
{
	u64 vm_cr;

	return !rdmsrl_safe(MSR_VM_CR_SVM, &vm_cr) && (vm_cr & VM_CR_SVMDIS);
}

int svm_probe(struct hw_caps *caps, struct hw_problem *why)
{
	u32 eax, ebx, ecx, edx;
	u64 efer;

	if (cpuid_eax(0x80000000) < SVM_FEATURE_LEAF ||
	    !(cpuid_ecx(0x80000001) & (1u << 2)))
		return no_svm(why);
	if (svm_disabled()) {
		why->cause = "AMD-V is disabled by the firmware (VM_CR.SVMDIS)";
		why->remedy = "enable SVM in the firmware setup and power-cycle";
		return -EACCES;
	}
	cpuid(SVM_FEATURE_LEAF, &eax, &ebx, &ecx, &edx);
	if (!(edx & SVM_NP)) {
		why->cause = "this CPU has AMD-V but no nested paging (NPT)";
		why->remedy = "use a machine with nested paging (RVI)";
		return -EOPNOTSUPP;
	}
	if (ebx < 3) {
		why->cause = "this CPU offers fewer than 3 ASIDs";
		why->remedy = "give the outer hypervisor's VM more ASIDs";
		return -EOPNOTSUPP;
	}
	rdmsrl(MSR_EFER, efer);
	if (efer & EFER_SVME) {
		why->cause = "a hypervisor is already running on this machine (EFER.SVME is set)";
		why->remedy = "stop its VMs and unload it (rmmod kvm_amd) first";
		return -EBUSY;
	}
	svm_read_caps(caps, ebx, edx);
	return 0;
}
