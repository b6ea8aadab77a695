// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMREAD and VMWRITE: of L1 on the current VMCS, of an L2 with VMCS shadowing on
 * the VMCS that the link pointer names (SDM vol. 3, "VMCS Types: Ordinary and
 * Shadow").  The latter is never loaded: one field is read or written in its
 * region, which is in the layout of struct vmcs12.
 */
#include "mmu/mmu.h"
#include "nvmx/insn.h"
#include "nvmx/insn_info.h"

#define FIELD_OFFSET(i)		(offsetof(struct vmcs12, f) + (i) * sizeof(u64))

/* Operand size of the instruction in bytes. */
static unsigned int width(struct guest_run *run)
{
	return nvmx_is64(run) ? 8 : 4;
}

/* The VMCS that this run's instructions act on: NO_VMCS for none. */
static u64 accessed_vmcs(struct nestor_vcpu *vcpu)
{
	const struct nvmx *n = nvmx_of(vcpu);

	return vcpu_in_l2(vcpu) ? n->vmcs12->vmcs_link_ptr : n->current_ptr;
}

static u64 read_linked(struct nestor_vcpu *vcpu, u64 link, int i, bool high)
{
	u64 val;

	if (gmem_read(vcpu, l1_gpa(link + FIELD_OFFSET(i)), &val, sizeof(val)))
		val = ~0ull;
	val &= vmcs12_mask(i);
	return high ? val >> 32 : val;
}

static void write_linked(struct nestor_vcpu *vcpu, u64 link, int i, bool high, u64 val)
{
	u64 at = link + FIELD_OFFSET(i) + (high ? 4 : 0);

	val &= vmcs12_mask(i);
	/* The upper half is four bytes of eight. */
	gmem_write(vcpu, l1_gpa(at), &val, high ? sizeof(u32) : sizeof(u64));
}

/* VMfailValid of L2 is told in its own VMCS. */
static enum nested_result fail(struct nestor_vcpu *vcpu, enum nvmx_failure why, u64 link, u32 error,
			       u64 encoding)
{
	if (!vcpu_in_l2(vcpu))
		return nvmx_refuse(vcpu, why, encoding, encoding, 0);
	if (link == NO_VMCS) {
		nvmx_set_status(vcpu->run, RFLAGS_CF);
	} else {
		nvmx_set_status(vcpu->run, RFLAGS_ZF);
		write_linked(vcpu, link, VMCS12_insn_error, false, error);
	}
	return NESTED_OK;
}

static u64 read_field(struct nestor_vcpu *vcpu, u64 vmcs, int i, bool high)
{
	if (vcpu_in_l2(vcpu))
		return read_linked(vcpu, vmcs, i, high);
	nvmx_sync(vcpu, nvmx_field_groups(i));
	return vmcs12_get(nvmx_of(vcpu)->vmcs12, i, high);
}

/* false: with vcpu->atomic, not here and now; nothing was done. */
static bool write_field(struct nestor_vcpu *vcpu, u64 vmcs, int i, bool high, u64 val)
{
	struct vmcs12 *v = nvmx_of(vcpu)->vmcs12;

	if (vcpu_in_l2(vcpu)) {
		write_linked(vcpu, vmcs, i, high, val);
		return true;
	}
	nvmx_sync(vcpu, nvmx_field_groups(i));
	if (likely(vmcs12_fields[i].class != VMCS_INFO && nvmx_shadow_wrote(vcpu, i, val))) {
		vmcs12_set(v, i, high, val);
		return true;
	}
	/* The shadow has to be taken back for it: L1 may read these without an exit, but not write them. */
	if (vcpu->atomic)
		return false;
	nvmx_shadow_off(vcpu);
	vmcs12_set(v, i, high, val);
	nvmx_shadow_on(vcpu);
	return true;
}

/*
 * What of the operands is in registers.
 * @reg: the value's is @reg1; @reg2: the encoding's
 * @r: NESTED_OK, or what the handler has to return
 */
struct rw_operands {
	bool reg;
	u8 reg1, reg2, r;
};

static noinline struct rw_operands decode_operands(struct nestor_vcpu *vcpu)
{
	struct nvmx_operand op;
	enum nested_result r = nvmx_operand(vcpu, &op);

	if (r != NESTED_OK)
		return (struct rw_operands){ .r = r };
	return (struct rw_operands){ op.reg, op.reg1, op.reg2, NESTED_OK };
}

static __always_inline struct rw_operands operands(struct nestor_vcpu *vcpu)
{
	const struct guest_exit *x = &vcpu->run->exit;

	if (unlikely(!x->has_qual))
		return decode_operands(vcpu);
	return (struct rw_operands){
		.reg = x->insn_info & INFO_REGISTER, .reg1 = info_reg1(x->insn_info),
		.reg2 = info_reg2(x->insn_info), .r = NESTED_OK,
	};
}

static noinline enum nested_result put_anywhere(struct nestor_vcpu *vcpu, u64 val)
{
	struct nvmx_operand op;
	enum nested_result r = nvmx_operand(vcpu, &op);

	return r == NESTED_OK ? nvmx_operand_write(vcpu, &op, &val, width(vcpu->run)) : r;
}

static noinline enum nested_result put_memory(struct nestor_vcpu *vcpu, u64 val)
{
	if (likely(nvmx_operand_put(vcpu, &val, sizeof(val))))
		return NESTED_OK;
	return vcpu->atomic ? NESTED_LATER : put_anywhere(vcpu, val);
}

static noinline enum nested_result get_anywhere(struct nestor_vcpu *vcpu, u64 *val)
{
	struct nvmx_operand op;
	enum nested_result r = nvmx_operand(vcpu, &op);

	return r == NESTED_OK ? nvmx_operand_read(vcpu, &op, val, width(vcpu->run)) : r;
}

static enum nested_result get_memory(struct nestor_vcpu *vcpu, u64 *val)
{
	if (likely(nvmx_operand_known(vcpu, val, sizeof(*val))))
		return NESTED_OK;
	return vcpu->atomic ? NESTED_LATER : get_anywhere(vcpu, val);
}

enum nested_result nvmx_do_vmread(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;
	u64 vmcs = accessed_vmcs(vcpu), encoding, val;
	struct rw_operands op = operands(vcpu);
	enum nested_result r;
	bool high;
	int i;

	if (op.r != NESTED_OK)
		return op.r;
	encoding = nvmx_reg(run, op.reg2);
	if (vmcs == NO_VMCS)
		return fail(vcpu, FAIL_vmread_no_current_vmcs, vmcs, 0, encoding);
	i = vmcs12_find(&nvmx_of(vcpu)->caps, encoding, &high);
	if (i < 0)
		return fail(vcpu, FAIL_vmread_unsupported_field, vmcs, VMXERR_UNSUPPORTED_FIELD,
			    encoding);
	val = read_field(vcpu, vmcs, i, high);
	if (op.reg) {
		nvmx_set_reg(run, op.reg1, val);
		return nvmx_succeed(vcpu);
	}
	r = put_memory(vcpu, val);
	return r == NESTED_OK ? nvmx_succeed(vcpu) : r;
}

/* The value to be written; a narrower operand clears the upper bits of the field. */
static enum nested_result source(struct nestor_vcpu *vcpu, const struct rw_operands *op, u64 *val)
{
	*val = 0;
	if (!op->reg)
		return get_memory(vcpu, val);
	*val = nvmx_reg(vcpu->run, op->reg1);
	return NESTED_OK;
}

bool nvmx_vmrw_now(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct guest_run *run = vcpu->run;
	const struct guest_exit *x = &run->exit;
	u32 info = x->insn_info;
	bool high;
	int i;

	/* Across 4G the mode decides what is next. */
	if (!(info & INFO_REGISTER) || !(run->avail & GRP_CR) || !run_is_long(run) ||
	    x->next_rip - run->rip - 1 >= MAX_INSN_LEN || (x->next_rip ^ run->rip) >> 32)
		return false;
	i = vmcs12_find(&n->caps, run->gpr[info_reg2(info)], &high);
	if (i < 0 || (n->lazy & nvmx_field_groups(i)))
		return false;
	if (x->index == INSN_VMREAD) {
		run->gpr[info_reg1(info)] = vmcs12_get(n->vmcs12, i, high);
	} else {
		if (vmcs12_fields[i].class == VMCS_INFO || nvmx_shadow_has(vcpu, i))
			return false;
		vmcs12_set(n->vmcs12, i, high, run->gpr[info_reg1(info)]);
	}
	nvmx_succeed(vcpu);
	run->rip = x->next_rip;
	return true;
}

enum nested_result nvmx_do_vmwrite(struct nestor_vcpu *vcpu)
{
	const struct nvmx_caps *caps = &nvmx_of(vcpu)->caps;
	u64 vmcs = accessed_vmcs(vcpu), encoding, val;
	struct rw_operands op = operands(vcpu);
	enum nested_result r;
	bool high;
	int i;

	if (op.r != NESTED_OK)
		return op.r;
	encoding = nvmx_reg(vcpu->run, op.reg2);
	if (vmcs == NO_VMCS)
		return fail(vcpu, FAIL_vmwrite_no_current_vmcs, vmcs, 0, encoding);
	r = source(vcpu, &op, &val);
	if (r != NESTED_OK)
		return r;
	i = vmcs12_find(caps, encoding, &high);
	if (i < 0)
		return fail(vcpu, FAIL_vmwrite_unsupported_field, vmcs, VMXERR_UNSUPPORTED_FIELD,
			    encoding);
	if (vmcs12_fields[i].class == VMCS_INFO && !(caps->misc & MISC_VMWRITE_ALL))
		return fail(vcpu, FAIL_vmwrite_read_only_field, vmcs, VMXERR_READ_ONLY_FIELD,
			    encoding);
	return write_field(vcpu, vmcs, i, high, val) ? nvmx_succeed(vcpu) : NESTED_LATER;
}
