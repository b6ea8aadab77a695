// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults of L2's second level.
 *
 * With EPT L2 runs on the shadow of L1's table, filled on fault; a fault of L1's own
 * table is an EPT violation or misconfiguration, told as the CPU would have (SDM vol. 3,
 * "EPT-Induced VM Exits").  Without EPT an L2-physical address is L1's, so L2 runs on
 * L0's table like L1 itself.
 */
#include "mmu/mmu.h"
#include "nvmx/exit_table.h"
#include "nvmx/nvmx.h"

#define EPTP_ROOT		GENMASK_ULL(51, 12)
#define EPTP_LEVELS(e)		(((e) >> 3 & 7) + 1)
#define EPTP_AD			BIT_ULL(6)

/* Exit qualification (SDM: "Exit Qualification for EPT Violations") */
#define EPTV_READ		BIT(0)
#define EPTV_WRITE		BIT(1)
#define EPTV_FETCH		BIT(2)
#define EPTV_READABLE		BIT(3)
#define EPTV_WRITABLE		BIT(4)
#define EPTV_EXECUTABLE		BIT(5)
#define EPTV_GLA_VALID		BIT(7)
#define EPTV_FINAL		BIT(8)
#define EPTV_NMI_UNBLOCK	BIT(12)

void nvmx_ept_format(struct nestor_vcpu *vcpu, u64 eptp, struct pt_format *fmt)
{
	u64 cap = nvmx_of(vcpu)->caps.ept_vpid;

	*fmt = (struct pt_format){
		.name = "EPT",
		.levels = EPTP_LEVELS(eptp),
		.entry_size = 8,
		.index_bits = 9,
		.ept = true,
		.exec_only = cap & EPTCAP_EXEC_ONLY,
		.large_2m = cap & EPTCAP_2M,
		.large_1g = cap & EPTCAP_1G,
		.ad = eptp & EPTP_AD,
		/* With the flags kept, walks of the guest's tables are writes. */
		.table_write = eptp & EPTP_AD,
		.rsvd_pa = vcpu->cpuid.rsvd_gpa_bits & GENMASK_ULL(51, 12),
	};
}

/* What kind of access it was; @access: ACC_* with ACC_FINAL or ACC_TABLE. */
static u64 qual_access(const struct pt_format *fmt, u64 access)
{
	if (access & ACC_TABLE)
		return access & ACC_WRITE || fmt->table_write ? EPTV_READ | EPTV_WRITE : EPTV_READ;
	if (access & ACC_FETCH)
		return EPTV_FETCH;
	return access & ACC_WRITE ? EPTV_WRITE : EPTV_READ;
}

/* @hw: the CPU's own qualification when it is of this very exit, else 0 */
static u64 violation_qual(const struct pt_format *fmt, const struct walk *walk, u64 access, u64 hw)
{
	u64 qual = qual_access(fmt, access);

	if (walk->readable)
		qual |= EPTV_READABLE;
	if (walk->writable)
		qual |= EPTV_WRITABLE;
	if (walk->exec)
		qual |= EPTV_EXECUTABLE;
	qual |= hw & (EPTV_GLA_VALID | EPTV_NMI_UNBLOCK);
	/* Bit 8 means something only with a linear address. */
	if (!(access & ACC_TABLE) && (!hw || (hw & EPTV_GLA_VALID)))
		qual |= EPTV_FINAL;
	return qual;
}

static enum nested_who reflect_ept(struct nestor_vcpu *vcpu, u64 gpa, const struct walk *walk,
				   u64 access, u64 hw)
{
	struct nvmx *n = nvmx_of(vcpu);

	n->vmcs12->guest_physical_addr = gpa;
	if (walk->error & ACC_RSVD)
		return nvmx_reflect(vcpu, VMEXIT_EPT_MISCONFIG, 0, 0, 0);
	return nvmx_reflect(vcpu, VMEXIT_EPT_VIOLATION,
			    violation_qual(&n->ept.fmt, walk, access, hw), 0, 0);
}

static enum nested_who decide(struct nestor_vcpu *vcpu, struct l1_gpa *gpa, bool *mmio)
{
	struct nvmx *n = nvmx_of(vcpu);
	const struct guest_exit *x = &vcpu->run->exit;
	u64 access = x->info1 & (ACC_WRITE | ACC_FETCH | ACC_FINAL | ACC_TABLE);
	struct shadow_root *sr;
	enum shadow_result res;
	struct walk walk = {};
	bool fresh;

	*mmio = true;
	*gpa = l1_gpa(x->info2);
	if (!n->ept.on)
		return NESTED_BY_L0;

	sr = shadow_get(vcpu, l1_gpa(n->ept.eptp & EPTP_ROOT), &n->ept.fmt, 0, &fresh);
	if (!sr)
		return NESTED_NOT_YET;
	if (shadow_root_hpa(sr).a != n->l2.root.a) {
		n->l2.root = shadow_root_hpa(sr);
		n->l2.ctl_dirty |= CTL_ROOT;
		n->l2.flush = true;
	}
	res = shadow_fault(vcpu, sr, l2_gpa(x->info2), access | nvmx_pml_access(vcpu), &walk, gpa);
	if (unlikely(walk.dirtied))
		nvmx_pml_log(vcpu, x->info2);
	switch (res) {
	case SHADOW_L1:
		return reflect_ept(vcpu, x->info2, &walk, access, x->has_qual ? x->qual : 0);
	case SHADOW_LOG_FULL:
		return nvmx_pml_full(vcpu, x->has_qual ? x->qual : 0);
	case SHADOW_NOMEM:
		return NESTED_NOT_YET;
	case SHADOW_MAPPED:
		*mmio = false;
		return NESTED_BY_L0;
	case SHADOW_MMIO:
	case SHADOW_ERROR:
	default:
		return NESTED_BY_L0;
	}
}

enum nested_who nvmx_l2_fault(struct nestor_vcpu *vcpu, struct l1_gpa *gpa, bool *mmio)
{
	enum nested_who who;

	nvmx_of(vcpu)->at_exit = true;
	nvmx_activity_ran(vcpu);
	(void)nvmx_mtf_exit(vcpu);
	who = decide(vcpu, gpa, mmio);
	nvmx_of(vcpu)->at_exit = false;
	return who;
}

enum nested_result nvmx_translate(struct nestor_vcpu *vcpu, struct l2_gpa from, u64 access,
				  struct l1_gpa *to)
{
	struct nvmx *n = nvmx_of(vcpu);
	enum walk_result res;
	struct walk walk = {};

	if (!vcpu_in_l2(vcpu) || !n->ept.on) {
		*to = l1_gpa(from.a);
		return NESTED_OK;
	}
	access &= ACC_WRITE | ACC_FETCH | ACC_FINAL | ACC_TABLE;
	res = shadow_walk(vcpu, l1_gpa(n->ept.eptp & EPTP_ROOT), &n->ept.fmt, from,
			  access | nvmx_pml_access(vcpu), &walk);
	if (unlikely(walk.dirtied))
		nvmx_pml_log(vcpu, from.a);
	if (res == WALK_OK) {
		*to = l1_gpa(walk.addr);
		return NESTED_OK;
	}
	if (n->probing)
		return NESTED_EXITED;
	if (res == WALK_LOG_FULL)
		nvmx_pml_full(vcpu, 0);
	else
		reflect_ept(vcpu, from.a, &walk, access, 0);
	return NESTED_EXITED;
}
