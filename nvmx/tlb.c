// SPDX-License-Identifier: GPL-2.0-only
/*
 * What L1 says about its TLB (SDM vol. 3, "Caching Translation Information").
 *
 * Guest-physical mappings go by EPTP alone: the shadow is the model of them, and INVEPT
 * makes it compare itself with L1's table.  Linear and combined mappings go by VPID; the
 * hardware has them under the one tag of L2's run, which holds what the VPID that ran
 * last left there, so INVVPID is a matter of that tag.
 */
#include "nvmx/exit_table.h"
#include "nvmx/nvmx.h"

enum { INVEPT_SINGLE = 1, INVEPT_ALL = 2 };
enum { INVVPID_ADDR = 0, INVVPID_SINGLE = 1, INVVPID_ALL = 2, INVVPID_NO_GLOBAL = 3 };

#define EPTP_ROOT	GENMASK_ULL(51, 12)

/* Drop linear and combined mappings of L2; guest-physical ones stay. */
static void drop_tag(struct guest_run *l2)
{
	l2->new_tag = true;
}

void nvmx_invept(struct nestor_vcpu *vcpu, u64 type, u64 eptp)
{
	/* Each also drops the combined mappings that were made of them. */
	if (type == INVEPT_SINGLE)
		shadow_drop_root(vcpu, l1_gpa(eptp & EPTP_ROOT));
	else
		shadow_drop_all(vcpu);
}

/*
 * One address, or all but global ones, cost no less here than the whole VPID.  Those of
 * other VPIDs are gone already.
 */
void nvmx_invvpid(struct nestor_vcpu *vcpu, u64 type, u16 vpid, u64 addr)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (type == INVVPID_ALL || vpid == n->vpid)
		drop_tag(&n->l2);
}

static void set_root(struct guest_run *l2, struct hpa root, bool ad)
{
	if (l2->root.a == root.a && l2->root_ad == ad)
		return;
	l2->root = root;
	l2->root_ad = ad;
	l2->ctl_dirty |= CTL_ROOT;
	/* What was combined with another table is not to be used with this one. */
	drop_tag(l2);
}

/* What L0 has of its own table for L1, it has for an L2 that runs on it. */
static void use_l0_table(struct nestor_vcpu *vcpu)
{
	struct guest_run *l1 = &vcpu->l1, *l2 = &nvmx_of(vcpu)->l2;

	set_root(l2, l1->root, l1->root_ad);
	if (l2->log == l1->log)
		return;
	l2->log = l1->log;
	l2->ctl_dirty |= CTL_INTERCEPTS;
}

void nvmx_flush(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	n->l2.flush = true;
	if (vcpu_in_l2(vcpu) && !n->ept.on)
		use_l0_table(vcpu);
}

static int select_shadow(struct nestor_vcpu *vcpu, u64 eptp)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct shadow_root *sr;
	bool fresh;

	nvmx_ept_format(vcpu, eptp, &n->ept.fmt);
	if (vcpu->atomic)
		sr = shadow_ready(vcpu, l1_gpa(eptp & EPTP_ROOT), &n->ept.fmt, 0);
	else
		sr = shadow_get(vcpu, l1_gpa(eptp & EPTP_ROOT), &n->ept.fmt, 0, &fresh);
	if (!sr) {
		n->ept.on = false;
		return vcpu->atomic ? -EAGAIN : -ENOMEM;
	}
	n->ept.eptp = eptp;
	n->ept.on = true;
	set_root(&n->l2, shadow_root_hpa(sr), n->ept.fmt.ad);
	if (n->l2.log) {
		/* A shadow's dirty flags are L1's, and its leaves are protected from writes. */
		n->l2.log = false;
		n->l2.ctl_dirty |= CTL_INTERCEPTS;
	}
	return 0;
}

/*
 * One hardware tag serves all of L1's VPIDs: another VPID is another tag.  Without
 * a VPID nothing survives an entry.
 */
static void select_tag(struct nvmx *n)
{
	u16 vpid = nvmx_cpu2(n->vmcs12) & CPU2_VPID ? n->vmcs12->vpid : 0;

	if (!vpid || vpid != n->vpid)
		drop_tag(&n->l2);
	n->vpid = vpid;
}

int nvmx_switch_root(struct nestor_vcpu *vcpu, u64 eptp)
{
	struct nvmx *n = nvmx_of(vcpu);
	const struct nvmx_ept was = n->ept;
	int r;

	if (n->ept.eptp == eptp)
		return 0;
	r = select_shadow(vcpu, eptp);
	/* The shadow that L2 runs on is the one used last, so it was not given up for another. */
	if (r)
		n->ept = was;
	return r;
}

int nvmx_select_root(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	const struct vmcs12 *v = n->vmcs12;

	if (!(nvmx_cpu2(v) & CPU2_EPT)) {
		/* L2-physical is L1-physical: L0's own table, like L1. */
		n->ept.on = false;
		use_l0_table(vcpu);
	} else if (!n->ept.on || n->ept.eptp != v->eptp) {
		int r = select_shadow(vcpu, v->eptp);

		if (r)
			return r;
	}
	select_tag(n);
	return 0;
}
