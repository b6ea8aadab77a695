// SPDX-License-Identifier: GPL-2.0-only
/*
 * IA32_FEATURE_CONTROL and the capability MSRs, for L1 and for the VMM.  Firmware
 * locks the first; the VMM may write it at any time, and a VMM that resets the
 * processor does so with 0, which is where VMX operation has to end for it.
 */
#include "core/hw_ops.h"
#include "core/x86.h"
#include "nvmx/msr.h"

#define MCG_LMCE_P		BIT_ULL(27)

static void host_caps(struct nvmx_caps *c)
{
	nvmx_caps_max(&hw_caps, c);
	c->cr4_fixed1 = cpuid_host_cr4() | X_CR4_VMXE;
}

bool nvmx_feature_msr(u32 msr, u64 *val)
{
	struct nvmx_caps c;

	host_caps(&c);
	return nvmx_caps_get(&c, msr, val);
}

void nvmx_init_caps(struct nvmx *n)
{
	host_caps(&n->offer);
	n->caps = n->offer;
}

static bool cpuid_bit(const struct nestor_vcpu *vcpu, u32 fn, u32 index, size_t reg, u32 bit)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(vcpu, fn, index);

	return e && (*(const u32 *)((const char *)e + reg) & BIT(bit));
}

#define CPUID_BIT(vcpu, fn, index, reg, bit) \
	cpuid_bit(vcpu, fn, index, offsetof(struct kvm_cpuid_entry2, reg), bit)

void nvmx_update_caps(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	const struct nvmx_cpu cpu = {
		.cr4 = ~vcpu->cpuid.cr4_reserved,
		.lm = vcpu->cpuid.has_lm,
		.rdtscp = vcpu->cpuid.has_rdtscp,
		.invpcid = CPUID_BIT(vcpu, 7, 0, ebx, 10),
		.xsaves = vcpu->cpuid.has_xsaves,
		.rdrand = CPUID_BIT(vcpu, 1, 0, ecx, 30),
		.rdseed = CPUID_BIT(vcpu, 7, 0, ebx, 18),
	};

	nvmx_caps_fit(&n->offer, &cpu, &n->caps);
}

/* Bits of FEATURE_CONTROL that belong to something that L1's processor has; 0: no such MSR. */
static u64 feature_control_bits(const struct nestor_vcpu *vcpu)
{
	bool smx = CPUID_BIT(vcpu, 1, 0, ecx, 6);
	u64 bits = 0;

	if (vcpu->cpuid.has_vmx)
		bits |= FEATCTL_VMXON | (smx ? FEATCTL_VMXON_SMX : 0);
	if (smx)
		bits |= FEATCTL_SENTER;
	if (CPUID_BIT(vcpu, 7, 0, ebx, 2))
		bits |= FEATCTL_SGX;
	if (CPUID_BIT(vcpu, 7, 0, ecx, 30))
		bits |= FEATCTL_SGX_LC;
	if (vcpu->msr.mcg_cap & MCG_LMCE_P)
		bits |= FEATCTL_LMCE;
	return bits ? bits | FEATCTL_LOCKED : 0;
}

/* A processor that the VMM resets leaves VMX operation, whatever it was in the middle of. */
static void reset_by_vmm(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (!n->vmxon && !n->smm.vmxon)
		return;
	memset(&n->smm, 0, sizeof(n->smm));
	nvmx_leave(vcpu);
	nvmx_vmcs_flush(vcpu);
	nvmx_root_off(vcpu);
}

static bool set_feature_control(struct nestor_vcpu *vcpu, u64 val, bool host)
{
	const u64 known = FEATCTL_LOCKED | FEATCTL_VMXON_SMX | FEATCTL_VMXON | FEATCTL_SENTER |
			  FEATCTL_SGX_LC | FEATCTL_SGX | FEATCTL_LMCE;
	struct nvmx *n = nvmx_of(vcpu);

	if (val & ~(host ? known : feature_control_bits(vcpu)))
		return false;
	if (!host && (n->feature_control & FEATCTL_LOCKED))
		return false;
	n->feature_control = val;
	if (host && !val)
		reset_by_vmm(vcpu);
	return true;
}

/* What L1 was shown stays; the same value again is no change. */
static bool set_cap(struct nestor_vcpu *vcpu, u32 msr, u64 val)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct nvmx_caps max;
	u64 now;

	if (vcpu->has_run)
		return nvmx_caps_get(&n->offer, msr, &now) && now == val;
	host_caps(&max);
	if (!nvmx_caps_set(&n->offer, &max, msr, val))
		return false;
	nvmx_update_caps(vcpu);
	return true;
}

static bool get_cap(struct nestor_vcpu *vcpu, u32 msr, u64 *val, bool host)
{
	struct nvmx *n = nvmx_of(vcpu);

	/* The VMM sees what it set, but for what is CPUID's to say. */
	nvmx_update_caps(vcpu);
	return nvmx_caps_get(host && msr != VMXMSR_CR4_FIXED1 ? &n->offer : &n->caps, msr, val);
}

bool nvmx_get_msr(struct nestor_vcpu *vcpu, u32 msr, u64 *val, bool host, bool *fault)
{
	*fault = false;
	switch (msr) {
	case MSR_FEATURE_CONTROL:
		*val = nvmx_of(vcpu)->feature_control;
		*fault = !host && !feature_control_bits(vcpu);
		return true;
	case MSR_SMM_MONITOR_CTL:
		*val = 0;	/* no dual-monitor treatment */
		*fault = !host && !vcpu->cpuid.has_vmx;
		return true;
	case VMXMSR_BASIC ... VMXMSR_VMFUNC:
		*fault = (!host && !vcpu->cpuid.has_vmx) || !get_cap(vcpu, msr, val, host);
		return true;
	default:
		return false;
	}
}

bool nvmx_set_msr(struct nestor_vcpu *vcpu, u32 msr, u64 val, bool host, bool *fault)
{
	*fault = false;
	switch (msr) {
	case MSR_FEATURE_CONTROL:
		*fault = (!host && !feature_control_bits(vcpu)) ||
			 !set_feature_control(vcpu, val, host);
		return true;
	case MSR_SMM_MONITOR_CTL:
		/* Outside SMM a write is #GP, and there is none. */
		*fault = !host || val;
		return true;
	case VMXMSR_BASIC ... VMXMSR_VMFUNC:
		*fault = !host || !set_cap(vcpu, msr, val);
		return true;
	default:
		return false;
	}
}

void nvmx_cpuid(struct kvm_cpuid_entry2 *e)
{
	switch (e->function) {
	case 1:
		e->ecx |= BIT(5);
		break;
	case 0x80000001:
		e->ecx &= ~(BIT(2) | BIT(12));	/* SVM and SKINIT are another frontend's */
		break;
	}
}
