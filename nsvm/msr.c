// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MSRs of the extension (APM vol. 2, "SVM-Related MSRs").  What is not
 * offered (TSC ratio, SKINIT's key, SMM control) is unknown, so #GP.
 */
#include "nsvm/nsvm.h"

bool nsvm_get_msr(struct nestor_vcpu *vcpu, u32 msr, u64 *val, bool host, bool *fault)
{
	const struct nsvm *n = nsvm_of(vcpu);

	*fault = false;
	switch (msr) {
	case MSR_SVM_VM_CR:
		*val = n->vm_cr;
		break;
	case MSR_SVM_VM_HSAVE_PA:
		*val = n->hsave_pa;
		break;
	default:
		return false;
	}
	*fault = !host && !vcpu->cpuid.has_svm;
	return true;
}

/* The extension's features are CPUID's to tell, not an MSR's. */
bool nsvm_feature_msr(u32 msr, u64 *val)
{
	return false;
}

static bool svme(struct nestor_vcpu *vcpu)
{
	run_need(&vcpu->l1, GRP_CR);
	return vcpu->l1.efer & X_EFER_SVME;
}

/* LOCK and SVMDIS stay as they are once LOCK is set; the write itself is no fault. */
static bool set_vm_cr(struct nestor_vcpu *vcpu, u64 val, bool host)
{
	struct nsvm *n = nsvm_of(vcpu);
	const u64 locked = VM_CR_LOCK | VM_CR_SVMDIS;

	if (val & ~VM_CR_VALID)
		return false;
	if (!host && (val & VM_CR_SVMDIS) && svme(vcpu))
		return false;
	if (!host && (n->vm_cr & VM_CR_LOCK))
		val = (val & ~locked) | (n->vm_cr & locked);
	n->vm_cr = val;
	return true;
}

static bool set_hsave_pa(struct nestor_vcpu *vcpu, u64 val)
{
	if ((val & 0xfff) || (val & vcpu->cpuid.rsvd_gpa_bits))
		return false;
	nsvm_of(vcpu)->hsave_pa = val;
	return true;
}

/*
 * EFER is core's; this is about SVME.  Without it nobody could set GIF again,
 * and STGI and CLGI have to exit for their #UD.
 */
static void new_efer(struct nestor_vcpu *vcpu, u64 val, bool host, bool *fault)
{
	struct nsvm *n = nsvm_of(vcpu);

	if ((val & X_EFER_SVME) && (n->vm_cr & VM_CR_SVMDIS) && !host) {
		*fault = true;
		return;
	}
	if (!(val & X_EFER_SVME) && !vcpu_in_l2(vcpu)) {
		nsvm_use_vgif(vcpu, false);
		if (!n->gif)
			nsvm_set_gif(vcpu, true);
	}
}

bool nsvm_set_msr(struct nestor_vcpu *vcpu, u32 msr, u64 val, bool host, bool *fault)
{
	*fault = false;
	switch (msr) {
	case MSR_SVM_EFER:
		new_efer(vcpu, val, host, fault);
		return false;
	case MSR_SVM_VM_CR:
		*fault = (!host && !vcpu->cpuid.has_svm) || !set_vm_cr(vcpu, val, host);
		return true;
	case MSR_SVM_VM_HSAVE_PA:
		*fault = (!host && !vcpu->cpuid.has_svm) || !set_hsave_pa(vcpu, val);
		return true;
	default:
		return false;
	}
}
