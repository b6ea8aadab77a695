// SPDX-License-Identifier: GPL-2.0-only
/*
 * What L1 says about its TLB.  The shadow is a model of that TLB, tagged with
 * L1's ASID; the hardware's tag of L2's run caches what the shadow of one ASID
 * yielded, or without nested paging L2's own translations.
 */
#include "nsvm/nsvm.h"

void nsvm_flush(struct nestor_vcpu *vcpu)
{
	nsvm_of(vcpu)->l2.flush = true;
}

/* TLB_CONTROL (APM vol. 2, "TLB Flush"); the reserved encodings flush all, to be safe. */
void nsvm_tlb_control(struct nestor_vcpu *vcpu)
{
	struct nsvm *n = nsvm_of(vcpu);

	switch (n->snap.ctl.tlb_control) {
	case TLB_CTL_NOTHING:
		return;
	case TLB_CTL_FLUSH_ASID:
	case TLB_CTL_FLUSH_ASID_NG:
		/*
		 * The second level has no global entries.  What the hardware
		 * holds is of the ASID that ran last; another is dropped by the switch.
		 */
		shadow_drop_tag(vcpu, n->snap.ctl.asid);
		break;
	case TLB_CTL_FLUSH_ALL:
	default:
		shadow_drop_all(vcpu);
		vcpu->l1.flush = true;
		break;
	}
	nsvm_flush(vcpu);
}

/*
 * INVLPGA: one page of one ASID.  ASID 0 is L1 itself.  The shadow is indexed
 * by L2-physical address, which a linear one does not tell, so the whole ASID
 * goes: L1 may have changed its nested table and rely on this alone.
 */
void nsvm_invlpga(struct nestor_vcpu *vcpu, u64 addr, u32 asid)
{
	struct nsvm *n = nsvm_of(vcpu);

	if (!asid) {
		vcpu->l1.flush = true;
		return;
	}
	shadow_drop_tag(vcpu, asid);
	if (asid != n->last_asid)
		return;
	nsvm_flush(vcpu);
	/* L2 itself, when L1 lets it: the table that it runs on was just invalidated. */
	if (vcpu_in_l2(vcpu) && nsvm_select_root(vcpu))
		shadow_drop_all(vcpu);
}
