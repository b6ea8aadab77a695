// SPDX-License-Identifier: GPL-2.0-only
/*
 * The current VMCS: VMCLEAR, VMPTRLD, VMPTRST.
 *
 * A region is copied in whole by VMPTRLD, and nothing later looks at that memory;
 * it is written back whole when the VMCS ceases to be current.  The architecture
 * leaves the region opaque and its state elsewhere until VMCLEAR, so L1 cannot
 * tell; a region that L1 rewrote meanwhile is overwritten, as by a CPU that kept
 * the data on the chip.
 */
#include <linux/srcu.h>

#include "mmu/mmu.h"
#include "nvmx/insn.h"

static void write_back(struct nestor_vcpu *vcpu, u64 gpa)
{
	struct nvmx *n = nvmx_of(vcpu);
	int idx;

	nvmx_sync(vcpu, VMCS12_GROUPS);
	/* The VMM may ask for it outside of KVM_RUN. */
	idx = srcu_read_lock(&vcpu->vm->srcu);
	/* Where the VMM took the memory away there is nothing left to write to. */
	gmem_write(vcpu, l1_gpa(gpa), n->vmcs12, sizeof(*n->vmcs12));
	srcu_read_unlock(&vcpu->vm->srcu, idx);
}

void nvmx_vmcs_flush(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (n->current_ptr == NO_VMCS)
		return;
	nvmx_shadow_off(vcpu);
	write_back(vcpu, n->current_ptr);
	n->current_ptr = NO_VMCS;
}

/* The memory operand that names a VMCS. */
static enum nested_result pointer_operand(struct nestor_vcpu *vcpu, u64 *gpa)
{
	struct nvmx_operand op;
	enum nested_result r = nvmx_operand(vcpu, &op);

	return r == NESTED_OK ? nvmx_operand_read(vcpu, &op, gpa, sizeof(*gpa)) : r;
}

enum nested_result nvmx_do_vmclear(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	enum nested_result r;
	u32 clear = 0;
	u64 gpa;

	r = pointer_operand(vcpu, &gpa);
	if (r != NESTED_OK)
		return r;
	if (!nvmx_pointer_ok(vcpu, gpa))
		return nvmx_refuse(vcpu, FAIL_vmclear_address, 0, gpa,
				   vcpu->cpuid.rsvd_gpa_bits);
	if (gpa == n->vmxon_ptr)
		return nvmx_refuse(vcpu, FAIL_vmclear_vmxon_pointer, 0, gpa, 0);
	if (gpa == n->current_ptr) {
		n->vmcs12->launched = false;
		nvmx_vmcs_flush(vcpu);
	} else {
		/* Not loaded here: all there is to it is the launch state. */
		gmem_write(vcpu, l1_gpa(gpa + offsetof(struct vmcs12, launched)), &clear,
			   sizeof(clear));
	}
	return nvmx_succeed(vcpu);
}

static bool revision_ok(const struct nvmx *n, u32 revision)
{
	if (cap_may(n->caps.cpu2, CPU2_VMCS_SHADOW))
		revision &= ~VMCS12_SHADOW;
	return revision == VMCS12_REVISION;
}

static void make_current(struct nestor_vcpu *vcpu, u64 gpa)
{
	struct nvmx *n = nvmx_of(vcpu);

	nvmx_vmcs_flush(vcpu);
	swap(n->vmcs12, n->incoming);
	vmcs12_cut(n->vmcs12);
	n->vmcs12->launched = !!n->vmcs12->launched;
	n->current_ptr = gpa;
	n->lazy = 0;
	nvmx_shadow_on(vcpu);
}

enum nested_result nvmx_do_vmptrld(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	enum nested_result r;
	u64 gpa;

	r = pointer_operand(vcpu, &gpa);
	if (r != NESTED_OK)
		return r;
	if (!nvmx_pointer_ok(vcpu, gpa))
		return nvmx_refuse(vcpu, FAIL_vmptrld_address, 0, gpa,
				   vcpu->cpuid.rsvd_gpa_bits);
	if (gpa == n->vmxon_ptr)
		return nvmx_refuse(vcpu, FAIL_vmptrld_vmxon_pointer, 0, gpa, 0);
	/* One copy serves the revision and what is loaded. */
	if (gmem_read(vcpu, l1_gpa(gpa), n->incoming, sizeof(*n->incoming)))
		memset(n->incoming, 0xff, sizeof(*n->incoming));
	if (!revision_ok(n, n->incoming->revision))
		return nvmx_refuse(vcpu, FAIL_vmptrld_revision, 0, n->incoming->revision,
				   VMCS12_REVISION);
	if (gpa != n->current_ptr)
		make_current(vcpu, gpa);
	return nvmx_succeed(vcpu);
}

enum nested_result nvmx_do_vmptrst(struct nestor_vcpu *vcpu)
{
	u64 gpa = nvmx_of(vcpu)->current_ptr;
	struct nvmx_operand op;
	enum nested_result r = nvmx_operand(vcpu, &op);

	if (r == NESTED_OK)
		r = nvmx_operand_write(vcpu, &op, &gpa, sizeof(gpa));
	return r == NESTED_OK ? nvmx_succeed(vcpu) : r;
}
