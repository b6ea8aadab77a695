// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest-state fields on demand.
 *
 * After an exit most of L2's registers stay where they are, in L2's run or even in
 * the backend's hands; only what nearly every exit handler of an L1 looks at is
 * written to vmcs12.  A group follows when L1 touches one of its fields.  At the next
 * entry a group that L1 has not touched needs neither merge nor commit.
 */
#include "nvmx/nvmx.h"

/* Groups by field; those that are not here are current after every exit. */
static const u16 field_groups[NR_VMCS12_FIELDS] = {
	[VMCS12_guest_es_sel ... VMCS12_guest_ds_sel] = GRP_SEG,
	[VMCS12_guest_es_limit ... VMCS12_guest_ds_limit] = GRP_SEG,
	[VMCS12_guest_es_ar ... VMCS12_guest_ds_ar] = GRP_SEG,
	[VMCS12_guest_es_base ... VMCS12_guest_ds_base] = GRP_SEG,
	[VMCS12_guest_fs_sel ... VMCS12_guest_tr_sel] = GRP_SYS,
	[VMCS12_guest_fs_limit ... VMCS12_guest_tr_limit] = GRP_SYS,
	[VMCS12_guest_fs_ar ... VMCS12_guest_tr_ar] = GRP_SYS,
	[VMCS12_guest_fs_base ... VMCS12_guest_tr_base] = GRP_SYS,
	[VMCS12_guest_sysenter_cs] = GRP_SYS,
	[VMCS12_guest_sysenter_esp] = GRP_SYS,
	[VMCS12_guest_sysenter_eip] = GRP_SYS,
	[VMCS12_guest_gdtr_limit] = GRP_DTABLE,
	[VMCS12_guest_gdtr_base] = GRP_DTABLE,
	[VMCS12_guest_idtr_limit] = GRP_DTABLE,
	[VMCS12_guest_idtr_base] = GRP_DTABLE,
	[VMCS12_guest_dr7] = GRP_DR,
	[VMCS12_guest_debugctl] = GRP_LBR,
	[VMCS12_guest_pat] = GRP_PAT,
	[VMCS12_guest_pdpte0 ... VMCS12_guest_pdpte3] = GRP_PDPTE,
};

u32 nvmx_field_groups(enum vmcs12_index i)
{
	return field_groups[i];
}

void nvmx_sync_now(struct nestor_vcpu *vcpu, u32 groups)
{
	struct nvmx *n = nvmx_of(vcpu);

	run_need(&n->l2, groups);
	nvmx_save_state(n->vmcs12, &n->l2, groups);
	n->lazy &= ~groups;
}
