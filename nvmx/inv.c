// SPDX-License-Identifier: GPL-2.0-only
/* INVEPT and INVVPID: operands checked as the manual has it; tlb.c does the rest. */
#include "nvmx/insn.h"
#include "nvmx/insn_info.h"

/* SDM vol. 3, "VMX Support for Address Translation": the types, as the instructions number them. */
#define INVEPT_SINGLE		1
#define INVEPT_ALL		2
#define INVVPID_ADDRESS		0
#define INVVPID_SINGLE		1
#define INVVPID_ALL		2
#define INVVPID_NO_GLOBAL	3

/* Extended-page-table pointer */
#define EPTP_TYPE		7u
#define EPTP_TYPE_UC		0
#define EPTP_TYPE_WB		6
#define EPTP_WALK		(7u << 3)
#define EPTP_WALK4		(3u << 3)
#define EPTP_AD			BIT(6)
#define EPTP_RESERVED		0xf80u

struct inv_desc {
	u64 low, high;
};

/* Would a VM entry with this EPTP pass its checks? */
static bool eptp_ok(struct nestor_vcpu *vcpu, u64 eptp)
{
	u64 caps = nvmx_of(vcpu)->caps.ept_vpid;
	unsigned int type = eptp & EPTP_TYPE;

	if (!(type == EPTP_TYPE_WB && (caps & EPTCAP_WB)) &&
	    !(type == EPTP_TYPE_UC && (caps & EPTCAP_UC)))
		return false;
	if ((eptp & EPTP_WALK) != EPTP_WALK4 || !(caps & EPTCAP_WALK4))
		return false;
	if ((eptp & EPTP_AD) && !(caps & EPTCAP_AD))
		return false;
	return !(eptp & (EPTP_RESERVED | vcpu->cpuid.rsvd_gpa_bits));
}

/* The type; one that is not supported leaves the descriptor unread. */
static noinline enum nested_result type_anywhere(struct nestor_vcpu *vcpu, u64 *type)
{
	struct nvmx_operand op;
	enum nested_result r = nvmx_operand(vcpu, &op);

	if (r == NESTED_OK)
		*type = nvmx_reg(vcpu->run, op.reg2);
	return r;
}

static enum nested_result get_type(struct nestor_vcpu *vcpu, u64 *type)
{
	const struct guest_exit *x = &vcpu->run->exit;

	if (unlikely(!x->has_qual))
		return type_anywhere(vcpu, type);
	*type = nvmx_reg(vcpu->run, info_reg2(x->insn_info));
	return NESTED_OK;
}

static noinline enum nested_result desc_anywhere(struct nestor_vcpu *vcpu, struct inv_desc *desc)
{
	struct nvmx_operand op;
	enum nested_result r = nvmx_operand(vcpu, &op);

	return r == NESTED_OK ? nvmx_operand_read(vcpu, &op, desc, sizeof(*desc)) : r;
}

static enum nested_result get_desc(struct nestor_vcpu *vcpu, struct inv_desc *desc)
{
	if (likely(nvmx_operand_known(vcpu, desc, sizeof(*desc))))
		return NESTED_OK;
	return vcpu->atomic ? NESTED_LATER : desc_anywhere(vcpu, desc);
}

enum nested_result nvmx_do_invept(struct nestor_vcpu *vcpu)
{
	const struct nvmx_caps *caps = &nvmx_of(vcpu)->caps;
	enum nested_result r;
	struct inv_desc desc;
	u64 type;

	if (!cap_may(caps->cpu2, CPU2_EPT) || !(caps->ept_vpid & EPTCAP_INVEPT))
		return NESTED_UD;
	r = get_type(vcpu, &type);
	if (r != NESTED_OK)
		return r;
	if (!(type == INVEPT_SINGLE && (caps->ept_vpid & EPTCAP_INVEPT_SINGLE)) &&
	    !(type == INVEPT_ALL && (caps->ept_vpid & EPTCAP_INVEPT_ALL)))
		return nvmx_refuse(vcpu, FAIL_invept_type, 0, type, caps->ept_vpid);
	r = get_desc(vcpu, &desc);
	if (r != NESTED_OK)
		return r;
	if (type == INVEPT_SINGLE && !eptp_ok(vcpu, desc.low))
		return nvmx_refuse(vcpu, FAIL_invept_eptp, VMCS_ENC_eptp, desc.low,
				   caps->ept_vpid);
	nvmx_invept(vcpu, type, desc.low);
	return nvmx_succeed(vcpu);
}

static bool invvpid_type_ok(u64 caps, u64 type)
{
	static const u64 need[] = {
		[INVVPID_ADDRESS] = EPTCAP_INVVPID_ADDR, [INVVPID_SINGLE] = EPTCAP_INVVPID_SINGLE,
		[INVVPID_ALL] = EPTCAP_INVVPID_ALL, [INVVPID_NO_GLOBAL] = EPTCAP_INVVPID_NO_GLOBAL,
	};

	return type < ARRAY_SIZE(need) && (caps & need[type]);
}

static bool canonical48(u64 addr)
{
	return (u64)((s64)(addr << 16) >> 16) == addr;
}

enum nested_result nvmx_do_invvpid(struct nestor_vcpu *vcpu)
{
	const struct nvmx_caps *caps = &nvmx_of(vcpu)->caps;
	enum nested_result r;
	struct inv_desc desc;
	u64 type;

	if (!cap_may(caps->cpu2, CPU2_VPID) || !(caps->ept_vpid & EPTCAP_INVVPID))
		return NESTED_UD;
	r = get_type(vcpu, &type);
	if (r != NESTED_OK)
		return r;
	if (!invvpid_type_ok(caps->ept_vpid, type))
		return nvmx_refuse(vcpu, FAIL_invvpid_type, 0, type, caps->ept_vpid);
	r = get_desc(vcpu, &desc);
	if (r != NESTED_OK)
		return r;
	if (desc.low >> 16)
		return nvmx_refuse(vcpu, FAIL_invvpid_reserved, 0, desc.low, 0xffff);
	if (type != INVVPID_ALL && !desc.low)
		return nvmx_refuse(vcpu, FAIL_invvpid_vpid, VMCS_ENC_vpid, desc.low, type);
	if (type == INVVPID_ADDRESS && !canonical48(desc.high))
		return nvmx_refuse(vcpu, FAIL_invvpid_address, 0, desc.high, 0);
	nvmx_invvpid(vcpu, type, desc.low, desc.high);
	return nvmx_succeed(vcpu);
}
