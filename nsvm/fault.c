// SPDX-License-Identifier: GPL-2.0-only
/*
 * L2's second level: which table it runs on, and what a fault there means.
 *
 * With nested paging L2 runs on the shadow of L1's table, filled on fault; a
 * fault of L1's own table is #NPF, with the error code as the CPU would have
 * built it.  Without nested paging an L2-physical address is L1's, so L2 runs
 * on L0's table like L1 itself.
 */
#include "mmu/mmu.h"
#include "nsvm/nsvm.h"

/* The table has the format of L1's own paging mode (APM vol. 2, "Enabling Nested Paging"). */
void nsvm_pt_format_of(struct nestor_vcpu *vcpu, u64 efer, u64 cr4, struct pt_format *fmt,
		       u64 ncr3, u64 *root)
{
	*fmt = (struct pt_format){
		.name = "NPT",
		.entry_size = 8,
		.index_bits = 9,
		.nx = efer & X_EFER_NXE,
		.large_2m = true,
		/* Nested walks obey R/W whatever CR0.WP says. */
		.wp = true,
		.ad = true,
		/* APM vol. 2, "Nested Table Walk" */
		.table_write = true,
		.rsvd_pa = vcpu->cpuid.rsvd_gpa_bits,
	};
	if (efer & X_EFER_LMA) {
		fmt->levels = cr4 & X_CR4_LA57 ? 5 : 4;
		fmt->large_1g = vcpu->cpuid.has_1g;
		*root = ncr3 & ~0xfffull;
	} else if (cr4 & X_CR4_PAE) {
		fmt->levels = 3;
		*root = ncr3 & 0xffffffe0;
	} else {
		fmt->levels = 2;
		fmt->entry_size = 4;
		fmt->index_bits = 10;
		fmt->nx = false;
		fmt->large_2m = cr4 & X_CR4_PSE;
		*root = ncr3 & 0xfffff000;
	}
}

void nsvm_pt_format(struct nestor_vcpu *vcpu, struct pt_format *fmt, u64 ncr3, u64 *root)
{
	run_need(&vcpu->l1, GRP_CR);
	nsvm_pt_format_of(vcpu, vcpu->l1.efer, vcpu->l1.cr4, fmt, ncr3, root);
}

static void set_root(struct guest_run *l2, struct hpa root)
{
	if (l2->root.a == root.a)
		return;
	l2->root = root;
	l2->ctl_dirty |= CTL_ROOT;
}

int nsvm_select_root(struct nestor_vcpu *vcpu)
{
	struct nsvm *n = nsvm_of(vcpu);
	u32 asid = n->snap.ctl.asid;
	struct hpa was = n->l2.root;
	struct shadow_root *sr;
	bool fresh = false;

	n->last.root = NULL;
	if (n->np) {
		if (vcpu->atomic)
			sr = shadow_ready(vcpu, l1_gpa(n->shadow_at), &n->fmt, asid);
		else
			sr = shadow_get(vcpu, l1_gpa(n->shadow_at), &n->fmt, asid, &fresh);
		if (!sr)
			return vcpu->atomic ? -EAGAIN : -ENOMEM;
		set_root(&n->l2, shadow_root_hpa(sr));
		n->last.root = sr;
	} else {
		set_root(&n->l2, mmu_root(vcpu->vm));
	}
	/* One hardware tag serves all of L1's ASIDs: another ASID or table is another tag. */
	if (fresh || asid != n->last_asid || was.a != n->l2.root.a) {
		n->l2.new_tag = true;
		n->l2.flush = true;
	}
	n->last_asid = asid;
	return 0;
}

bool nsvm_same_root(struct nestor_vcpu *vcpu)
{
	struct nsvm *n = nsvm_of(vcpu);

	return shadow_current(vcpu, n->last.root) &&
	       n->l2.root.a == shadow_root_hpa(n->last.root).a;
}

/* @bits: NPF_FINAL or NPF_TABLE_WALK; @error: as the walk of L1's table left it */
static enum nested_who reflect_npf(struct nestor_vcpu *vcpu, u64 gpa, u32 error, u64 bits)
{
	const u32 known = ACC_PRESENT | ACC_WRITE | ACC_USER | ACC_RSVD | ACC_FETCH;

	/* A nested walk is always a user access (APM: "Nested versus Guest Page Faults"). */
	return nsvm_reflect(vcpu, VMEXIT_NPF, (error & known) | ACC_USER | bits, gpa, false);
}

static u32 npf_access(u64 error)
{
	return (error & (ACC_WRITE | ACC_FETCH)) | ACC_USER;
}

static enum nested_who decide(struct nestor_vcpu *vcpu, struct l1_gpa *gpa, bool *mmio)
{
	struct nsvm *n = nsvm_of(vcpu);
	const struct guest_exit *x = &vcpu->run->exit;
	u64 where = x->info1 & (NPF_FINAL | NPF_TABLE_WALK);
	struct shadow_root *sr;
	struct walk walk = {};
	bool fresh;

	*mmio = true;
	*gpa = l1_gpa(x->info2);
	if (!n->np)
		return NESTED_BY_L0;

	/* A slot change or the notifier may have dropped the root meanwhile. */
	sr = shadow_get(vcpu, l1_gpa(n->shadow_at), &n->fmt, n->snap.ctl.asid, &fresh);
	if (!sr)
		return NESTED_NOT_YET;
	if (shadow_root_hpa(sr).a != n->l2.root.a) {
		set_root(&n->l2, shadow_root_hpa(sr));
		n->l2.flush = true;
	}
	switch (shadow_fault(vcpu, sr, l2_gpa(x->info2), npf_access(x->info1), &walk, gpa)) {
	case SHADOW_L1:
		return reflect_npf(vcpu, x->info2, walk.error, where ? where : NPF_FINAL);
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

enum nested_who nsvm_l2_fault(struct nestor_vcpu *vcpu, struct l1_gpa *gpa, bool *mmio)
{
	enum nested_who who;

	nsvm_of(vcpu)->at_exit = true;
	who = decide(vcpu, gpa, mmio);
	nsvm_of(vcpu)->at_exit = false;
	return who;
}

enum nested_result nsvm_translate(struct nestor_vcpu *vcpu, struct l2_gpa from, u64 access,
				  struct l1_gpa *to)
{
	struct nsvm *n = nsvm_of(vcpu);
	u64 where = access & (NPF_FINAL | NPF_TABLE_WALK);
	struct walk walk = {};

	if (!vcpu_in_l2(vcpu) || !n->np) {
		*to = l1_gpa(from.a);
		return NESTED_OK;
	}
	if (shadow_walk(vcpu, l1_gpa(n->shadow_at), &n->fmt, from,
			npf_access(access) | (access & ACC_TABLE), &walk) == WALK_OK) {
		*to = l1_gpa(walk.addr);
		return NESTED_OK;
	}
	if (!n->probing)
		reflect_npf(vcpu, from.a, walk.error, where ? where : NPF_FINAL);
	return NESTED_EXITED;
}
