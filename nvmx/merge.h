/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * merge: what L1 asked for in vmcs12 and what L0 needs become one guest_run; save is
 * the way back.  Pure.
 */
#ifndef NESTOR_NVMX_MERGE_H
#define NESTOR_NVMX_MERGE_H

#include "core/guest_run.h"
#include "nvmx/vmcs12.h"

/**
 * struct nvmx_policy - what L0 needs while L2 runs, as it stands for L1 now
 * @intercept: the intercepts of L1's run
 * @pause_count: L0's PAUSE filter, meaningful when @intercept has PAUSE
 * @pause_thresh: its threshold
 * @ple_gap: L0's PAUSE-loop exiting, meaningful with @ple_window
 * @ple_window: 0 for none
 * @ud_insns: UD_*: instructions that L1 itself does not have
 * @tsc_offset: host TSC to L1's
 * @tsc_ratio: rate of L1's TSC over the host's, 16.48 fixed point; 0 for 1
 *
 * Compared as a block of memory: there is no hole in it.
 */
struct nvmx_policy {
	u32 intercept[NR_ICPT_WORDS];
	u16 pause_count, pause_thresh;
	u32 ple_gap, ple_window;
	u32 ud_insns;
	u64 tsc_offset, tsc_ratio;
};

static_assert(sizeof(struct nvmx_policy) == 7 * sizeof(u64), "no hole");

/**
 * struct nvmx_shared - registers that a VM entry leaves as L1 has them unless a control loads them
 * @cr0: for ET, NW and CD, which no entry loads
 * @efer: without "load IA32_EFER"
 * @pat: without "load IA32_PAT"
 * @dr7: without "load debug controls"
 * @debugctl: the same
 */
struct nvmx_shared {
	u64 cr0, efer, pat, dr7, debugctl;
};

/* Bits of CR0 that neither entry nor exit loads: these three and the reserved 15:6, 17 and 28:19 */
#define NVMX_CR0_KEPT	(X_CR0_ET | X_CR0_NW | X_CR0_CD | 0x1ffaffc0)

/* Groups of guest state that vmcs12 holds; those of HOT fields are current after every exit. */
#define VMCS12_GROUPS	(GRP_SEG | GRP_DTABLE | GRP_CR | GRP_DR | GRP_PAT | GRP_LBR | GRP_SYS | \
			 GRP_ACTIVITY | GRP_PDPTE)
#define VMCS12_HOT	(GRP_CR | GRP_ACTIVITY)
/* Those that may stay in L2's run after an exit until L1 asks for a field of theirs. */
#define VMCS12_LAZY	(VMCS12_GROUPS & ~VMCS12_HOT)

/** nvmx_merge_controls() - intercepts, CR masks, page-fault filter, PAUSE filter, TSC of @out */
void nvmx_merge_controls(const struct vmcs12 *v, const struct nvmx_policy *l0,
			 struct guest_run *out);

/** nvmx_merge_hot() - RIP, RFLAGS, interrupt shadow of @out */
void nvmx_merge_hot(const struct vmcs12 *v, struct guest_run *out);

/** nvmx_merge_state() - the register groups @groups of @out; GRP_SEG also gives CPL */
void nvmx_merge_state(const struct vmcs12 *v, const struct nvmx_shared *l1, u32 groups,
		      struct guest_run *out);

/** nvmx_saved_groups() - groups that an exit saves, by the VM-exit controls */
u32 nvmx_saved_groups(const struct vmcs12 *v);
/** nvmx_lazy_groups() - groups that an entry with vmcs12 loads whole and an exit saves whole */
u32 nvmx_lazy_groups(const struct vmcs12 *v);

/** nvmx_save_hot() - the reverse of nvmx_merge_hot() and GRP_ACTIVITY, at a VM exit */
void nvmx_save_hot(struct vmcs12 *v, const struct guest_run *l2);

/**
 * nvmx_save_state() - guest-state fields of @groups from @l2; the caller leaves out what the
 * VM-exit controls do not save, but for EFER
 */
void nvmx_save_state(struct vmcs12 *v, const struct guest_run *l2, u32 groups);

/**
 * nvmx_host_hot() - of L1's registers as "Loading Host State" leaves them those that exits of different
 * L2s or moments change: hot ones, control registers, PAT, DR7, DEBUGCTL; @l2 holds L2's era
 * nvmx_host_segments() - the rest: they depend on the host-state area and VM-exit controls alone
 */
void nvmx_host_hot(const struct vmcs12 *v, const struct nvmx_shared *l2, struct guest_run *l1);
void nvmx_host_segments(const struct vmcs12 *v, struct guest_run *l1);
/** nvmx_host_state() - all of L1's registers as "Loading Host State" leaves them; @l1 holds L2's era */
void nvmx_host_state(const struct vmcs12 *v, const struct nvmx_shared *l2, struct guest_run *l1);

/* Access rights: the VMCS's form and the packed one. */
u16 nvmx_ar_decode(u32 ar);
u32 nvmx_ar_encode(u16 attrib);

/** nvmx_event_decode() - VM-entry interruption information; nvmx_event_encode() - and back */
struct guest_event nvmx_event_decode(u32 info, u32 error);
u32 nvmx_event_encode(const struct guest_event *ev);

#endif
