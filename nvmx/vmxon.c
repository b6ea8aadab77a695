// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMXON and VMXOFF: into and out of VMX operation.  In it CR0 and CR4 have bits
 * that cannot change, and INIT waits (SDM vol. 3, "Restrictions on VMX
 * Operation").  A20M has no effect to block: there is no A20 gate here.
 */
#include "mmu/mmu.h"
#include "nvmx/insn.h"
#include "nvmx/msr.h"

void nvmx_root_on(struct nestor_vcpu *vcpu, u64 vmxon_ptr)
{
	struct nvmx *n = nvmx_of(vcpu);

	n->vmxon = true;
	n->vmxon_ptr = vmxon_ptr;
	n->current_ptr = NO_VMCS;
	vcpu->l1.cr0_must = n->caps.cr0_fixed0;
	vcpu->l1.cr4_must = n->caps.cr4_fixed0;
	/* Entries and exits look at these. */
	vcpu->l1.eager = EAGER_VMX_INSN;
	n->l2.eager = EAGER_ALWAYS;
}

void nvmx_root_off(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	n->vmxon = false;
	n->current_ptr = NO_VMCS;
	vcpu->l1.cr0_must = 0;
	vcpu->l1.cr4_must = 0;
	vcpu->l1.eager = EAGER_NEVER;
	/* An INIT may have waited. */
	vcpu_request(vcpu, REQ_APIC_EVENTS);
}

/* #GP unless firmware and control registers allow VMX operation. */
static enum nested_result check_allowed(struct nestor_vcpu *vcpu)
{
	const struct nvmx *n = nvmx_of(vcpu);
	const struct nvmx_caps *c = &n->caps;
	const struct guest_run *run = vcpu->run;

	if ((c->cr0_fixed0 & ~run->cr0) || (run->cr0 & ~c->cr0_fixed1))
		return nvmx_refuse(vcpu, FAIL_vmxon_cr0_fixed, 0, run->cr0, c->cr0_fixed0);
	if ((c->cr4_fixed0 & ~run->cr4) || (run->cr4 & ~c->cr4_fixed1))
		return nvmx_refuse(vcpu, FAIL_vmxon_cr4_fixed, 0, run->cr4, c->cr4_fixed1);
	if (!(n->feature_control & FEATCTL_LOCKED))
		return nvmx_refuse(vcpu, FAIL_vmxon_feature_control_unlocked, 0,
				   n->feature_control, FEATCTL_LOCKED);
	/* L1 is never in SMX operation: CR4.SMXE cannot be set. */
	if (!(n->feature_control & FEATCTL_VMXON))
		return nvmx_refuse(vcpu, FAIL_vmxon_feature_control_disabled, 0,
				   n->feature_control, FEATCTL_VMXON);
	return NESTED_OK;
}

enum nested_result nvmx_do_vmxon(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct nvmx_operand op;
	enum nested_result r;
	u32 revision;
	u64 gpa;

	if (n->vmxon)
		return nvmx_refuse(vcpu, FAIL_vmxon_in_root, 0, n->vmxon_ptr, 0);
	/* CPUID is settled by now; what depends on it is, too. */
	nvmx_update_caps(vcpu);
	r = check_allowed(vcpu);
	if (r != NESTED_OK)
		return r;
	r = nvmx_operand(vcpu, &op);
	if (r == NESTED_OK)
		r = nvmx_operand_read(vcpu, &op, &gpa, sizeof(gpa));
	if (r != NESTED_OK)
		return r;
	if (!nvmx_pointer_ok(vcpu, gpa))
		return nvmx_refuse(vcpu, FAIL_vmxon_address, 0, gpa, vcpu->cpuid.rsvd_gpa_bits);
	if (gmem_read(vcpu, l1_gpa(gpa), &revision, sizeof(revision)))
		revision = ~0u;
	if (revision != VMCS12_REVISION)
		return nvmx_refuse(vcpu, FAIL_vmxon_revision, 0, revision, VMCS12_REVISION);
	if (nvmx_l2_alloc(vcpu))
		return NESTED_NOMEM;
	nvmx_root_on(vcpu, gpa);
	nvmx_shadow_setup(vcpu);
	return nvmx_succeed(vcpu);
}

/*
 * An active VMCS stays what it is after VMXOFF, and software should have cleared
 * it; writing it back is what lets a later VMPTRLD find it again.
 */
enum nested_result nvmx_do_vmxoff(struct nestor_vcpu *vcpu)
{
	nvmx_vmcs_flush(vcpu);
	nvmx_root_off(vcpu);
	return nvmx_succeed(vcpu);
}
