/* SPDX-License-Identifier: GPL-2.0-only */
/* CPUID as the VMM set it, and what of it the rest of the module asks for. */
#ifndef NESTOR_CORE_CPUID_H
#define NESTOR_CORE_CPUID_H

#include <linux/kvm.h>

#include "core/types.h"

#define NESTOR_MAX_CPUID_ENTRIES	256

struct nestor_vcpu;

/**
 * struct vcpu_cpuid - one vCPU's CPUID; set by KVM_SET_CPUID2, fixed after the first run
 * @entries: allocated array
 * @nr: how many
 * @first: where to begin to look for leaf n (row 0) or 8000_0000 + n (row 1): place + 1, or 0
 *	when it is not there
 * @maxphyaddr: physical address width, 36 until CPUID says more
 * @cr4_reserved: CR4 bits that L1 may not set
 * @efer_reserved: EFER bits that L1 may not set
 * @has_svm: L1 sees SVM (CPUID 8000_0001 ECX[2], and the VM has that frontend)
 * @has_vmx: L1 sees VMX (CPUID 1 ECX[5], and the VM has that frontend)
 * The has_* bits mirror CPUID bits.
 */
struct vcpu_cpuid {
	struct kvm_cpuid_entry2 *entries;
	u32 nr;
	u16 first[2][32];
	u8 maxphyaddr;
	u64 cr4_reserved;
	u64 efer_reserved;
	u64 rsvd_gpa_bits;	/* physical-address bits at and above maxphyaddr */
	bool has_svm, has_vmx, has_x2apic, has_tsc_deadline, has_xsave, has_xsaves, has_rdtscp;
	bool has_nx, has_1g, has_lm, has_spec_ctrl, has_pvclock, has_pv_eoi, has_pcid;
	bool amd;		/* vendor string is AMD's or Hygon's */
};

const struct kvm_cpuid_entry2 *cpuid_find(const struct nestor_vcpu *vcpu, u32 fn, u32 index);
/*
 * cpuid_answer() - CPUID of the current run, where a single entry answers it without a bit that follows the guest's
 * state; false, with nothing done: ask cpuid_query().  Waits for nothing.
 */
bool cpuid_answer(struct nestor_vcpu *vcpu);
/* cpuid_query() - the architecture's answer, out-of-range leaves included; in/out registers */
void cpuid_query(struct nestor_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx);
/* cpuid_supported() - KVM_GET_SUPPORTED_CPUID: fills up to *nr entries; -E2BIG when more */
int cpuid_supported(struct kvm_cpuid_entry2 *entries, u32 *nr);
/*
 * cpuid_set() - KVM_SET_CPUID2; takes ownership of @entries (kvmalloc) on success.
 * -EINVAL: an impossible value; NULL and 0 give the state before CPUID is set.
 */
int cpuid_set(struct nestor_vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 nr);
/* cpuid_dynamic() - put the bits that follow CR4, APIC base and XCR0 into @e, a copy of an entry */
void cpuid_dynamic(struct nestor_vcpu *vcpu, struct kvm_cpuid_entry2 *e);
void cpuid_free(struct vcpu_cpuid *c);
/* cpuid_host_cr4() - CR4 bits that this host lets a guest set */
u64 cpuid_host_cr4(void);
/* cpuid_host_xsaves() - may a VM have XSAVES, XRSTORS and IA32_XSS on this host? */
bool cpuid_host_xsaves(void);
/* cpuid_xsave_size() - bytes of an XSAVE area with the components @mask, standard or compacted */
u32 cpuid_xsave_size(u64 mask, bool compacted);
/* cpuid_guest_xcr0() - guest-visible XCR0 bits by CPUID and host */
u64 cpuid_guest_xcr0(const struct nestor_vcpu *vcpu);

#endif
