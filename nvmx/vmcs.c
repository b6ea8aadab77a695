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

static int write_back(struct nestor_vcpu *vcpu, u64 gpa)
{
	struct nvmx *n = nvmx_of(vcpu);
	int idx, r;

	nvmx_sync(vcpu, VMCS12_GROUPS);
	/* The VMM may ask for it outside of KVM_RUN. */
	idx = srcu_read_lock(&vcpu->vm->srcu);
	r = gmem_write(vcpu, l1_gpa(gpa), n->vmcs12, sizeof(*n->vmcs12));
	srcu_read_unlock(&vcpu->vm->srcu, idx);
	/* Where the VMM took the memory away there is nothing left to write to. */
	return r == -EAGAIN && vcpu->atomic ? r : 0;
}

/* The current VMCS is the region's again.  0, or with vcpu->atomic -EAGAIN and all is as it was. */
static int put_away(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (n->current_ptr == NO_VMCS)
		return 0;
	if (!vcpu->atomic)
		nvmx_shadow_off(vcpu);
	else if (!nvmx_shadow_pull(vcpu))
		return -EAGAIN;
	if (write_back(vcpu, n->current_ptr))
		return -EAGAIN;
	nvmx_shadow_drop(vcpu);
	n->current_ptr = NO_VMCS;
	return 0;
}

void nvmx_vmcs_flush(struct nestor_vcpu *vcpu)
{
	/* Not from the inner loop: it cannot fail. */
	put_away(vcpu);
}

/* The memory operand that names a VMCS. */
static noinline enum nested_result pointer_anywhere(struct nestor_vcpu *vcpu, u64 *gpa)
{
	struct nvmx_operand op;
	enum nested_result r = nvmx_operand(vcpu, &op);

	return r == NESTED_OK ? nvmx_operand_read(vcpu, &op, gpa, sizeof(*gpa)) : r;
}

static enum nested_result pointer_operand(struct nestor_vcpu *vcpu, u64 *gpa)
{
	if (likely(nvmx_operand_known(vcpu, gpa, sizeof(*gpa))))
		return NESTED_OK;
	return vcpu->atomic ? NESTED_LATER : pointer_anywhere(vcpu, gpa);
}

static enum nested_result clear_current(struct nestor_vcpu *vcpu)
{
	struct vmcs12 *v = nvmx_of(vcpu)->vmcs12;
	u32 launched = v->launched;

	v->launched = false;
	if (!put_away(vcpu))
		return nvmx_succeed(vcpu);
	v->launched = launched;
	return NESTED_LATER;
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
	if (gpa == n->current_ptr)
		return clear_current(vcpu);
	/* Not loaded here: all there is to it is the launch state. */
	if (gmem_write(vcpu, l1_gpa(gpa + offsetof(struct vmcs12, launched)), &clear,
		       sizeof(clear)) == -EAGAIN)
		return NESTED_LATER;
	return nvmx_succeed(vcpu);
}

static bool revision_ok(const struct nvmx *n, u32 revision)
{
	if (cap_may(n->caps.cpu2, CPU2_VMCS_SHADOW))
		revision &= ~VMCS12_SHADOW;
	return revision == VMCS12_REVISION;
}

static enum nested_result make_current(struct nestor_vcpu *vcpu, u64 gpa)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (put_away(vcpu))
		return NESTED_LATER;
	swap(n->vmcs12, n->incoming);
	vmcs12_cut(n->vmcs12);
	n->vmcs12->launched = !!n->vmcs12->launched;
	n->current_ptr = gpa;
	n->lazy = 0;
	nvmx_shadow_on(vcpu);
	return nvmx_succeed(vcpu);
}

/* Of @gpa's region the first @len bytes; what is not there reads as ones. */
static bool read_region(struct nestor_vcpu *vcpu, u64 gpa, unsigned int len)
{
	struct vmcs12 *in = nvmx_of(vcpu)->incoming;
	int r = gmem_read(vcpu, l1_gpa(gpa), in, len);

	if (r && r != -EAGAIN)
		memset(in, 0xff, len);
	return r != -EAGAIN;
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
	/* One copy serves the revision and what is loaded; what is loaded already stays so. */
	if (!read_region(vcpu, gpa, gpa == n->current_ptr ? sizeof(u64) : sizeof(*n->incoming)))
		return NESTED_LATER;
	if (!revision_ok(n, n->incoming->revision))
		return nvmx_refuse(vcpu, FAIL_vmptrld_revision, 0, n->incoming->revision,
				   VMCS12_REVISION);
	return gpa == n->current_ptr ? nvmx_succeed(vcpu) : make_current(vcpu, gpa);
}

static noinline enum nested_result store_anywhere(struct nestor_vcpu *vcpu, u64 gpa)
{
	struct nvmx_operand op;
	enum nested_result r = nvmx_operand(vcpu, &op);

	if (r == NESTED_OK)
		r = nvmx_operand_write(vcpu, &op, &gpa, sizeof(gpa));
	return r == NESTED_OK ? nvmx_succeed(vcpu) : r;
}

enum nested_result nvmx_do_vmptrst(struct nestor_vcpu *vcpu)
{
	u64 gpa = nvmx_of(vcpu)->current_ptr;

	if (likely(nvmx_operand_put(vcpu, &gpa, sizeof(gpa))))
		return nvmx_succeed(vcpu);
	return vcpu->atomic ? NESTED_LATER : store_anywhere(vcpu, gpa);
}
