/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * merge: what L1 asked for and what L0 needs become one guest_run.  Pure.
 */
#ifndef NESTOR_NSVM_MERGE_H
#define NESTOR_NSVM_MERGE_H

#include "core/guest_run.h"
#include "nsvm/vmcb12.h"

/**
 * struct l0_policy - what L0 needs while L2 runs, as it stands for L1 now
 * @intercept: the intercepts of L1's run
 * @pause_count: L0's PAUSE filter, meaningful when @intercept has PAUSE
 * @pause_thresh: its threshold
 * @msr_read_pass: MSRs that L1 may read without an exit, bits enum pass_msr
 * @msr_write_pass: the same for writing
 * @tsc_offset: host TSC to L1's
 * @pat: L1's PAT, which an L2 without nested paging shares
 * @debugctl: L1's last-branch state, shared by an L2 without LBR virtualisation
 * @br_from: the same
 * @br_to: the same
 * @excp_from: the same
 * @excp_to: the same
 * @lbr_virt: L1's run has LBR virtualisation
 * @tpr: L1's V_TPR, that is CR8
 * @hw_lbrv: the backend can virtualise last-branch recording
 * @hw_vgif: the backend can virtualise GIF
 */
struct l0_policy {
	u32 intercept[NR_ICPT_WORDS];
	u16 pause_count, pause_thresh;
	u32 msr_read_pass, msr_write_pass;
	u64 tsc_offset;
	u64 pat;
	u64 debugctl, br_from, br_to, excp_from, excp_to;
	bool lbr_virt;
	u8 tpr;
	bool hw_lbrv, hw_vgif;
};

/** nsvm_merge() - fill the controls and registers of @out; RAX, RSP, root, tags and hardware are commit's */
void nsvm_merge(const struct vmcb12_snapshot *snap, const struct l0_policy *l0,
		struct guest_run *out);

/** nsvm_virq_visible() - can L2 see V_IRQ now? V_GIF gates it, without INTR masking the TPR of L1 */
struct guest_vintr nsvm_merge_vintr(const struct vmcb12_snapshot *snap, const struct l0_policy *l0);

/** event_decode() - EVENTINJ to the neutral form; event_encode() - the neutral form to EXITINTINFO */
struct guest_event nsvm_event_decode(u64 inj);
u64 nsvm_event_encode(const struct guest_event *ev);

#endif
