/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the AMD-V backend share. */
#ifndef NESTOR_HW_SVM_SVM_H
#define NESTOR_HW_SVM_SVM_H

#include <linux/percpu.h>

#include "core/hw_ops.h"
#include "hw/svm/vmcb.h"

#define MSRPM_SIZE	8192
#define IOPM_SIZE	12288

/**
 * struct svm_ctx - hardware context of one run (guest_run.hw)
 * @vmcb: the VMCB; @pa: its physical address
 * @msrpm: this run's MSR permission map; @msrpm_pa: its physical address
 * @top: page above run->root for a host in 5-level mode, NULL otherwise
 * @cpu: CPU the ASID belongs to, -1 before the first entry
 * @asid_gen: generation of that CPU's ASIDs in which the ASID was given
 * @cr0_read: CR0 has bits that the hardware copy must not have; reads exit
 * @window: the virtual interrupt in int_ctl is L0's window, not the guest's
 * @injected: the last entry injected an event
 * @int_ctl: int_ctl of the VMCB, as it was committed or last read
 * @clean: clean bits of a VMCB in which nothing was written since the exit; none on a CPU without them
 */
struct svm_ctx {
	struct vmcb *vmcb;
	u64 pa;
	u8 *msrpm;
	u64 msrpm_pa;
	u64 *top;
	int cpu;
	u64 asid_gen;
	bool cr0_read;
	bool window;
	bool injected;
	u32 int_ctl, clean;
};

/**
 * struct svm_sys - hardware home of a run's own guest_sys and guest_msrs (their .hw)
 * @vmcb: a VMCB of which only the VMLOAD/VMSAVE fields are used
 * @pa: its physical address
 * @msrs_at: where the values of guest_msrs are now: @vmcb, or that of a run that
 *	shares the MSRs but not guest_sys
 */
struct svm_sys {
	struct vmcb *vmcb;
	u64 pa;
	struct vmcb *msrs_at;
};

/**
 * struct svm_cpu - what the backend keeps for each host CPU
 * @hsave: host save area of VMRUN (VM_HSAVE_PA)
 * @host: VMSAVE area of the host; VMLOADed after each exit
 * @host_pa: its physical address
 * @cpu: its number
 * @on: SVM is enabled by us
 * @asid_gen: generation; a larger one invalidates all ASIDs given before
 * @next_asid: next to give
 * @last: vCPU that ran last, for the branch-prediction barrier
 */
struct svm_cpu {
	void *hsave;
	struct vmcb *host;
	u64 host_pa;
	int cpu;
	bool on;
	u64 asid_gen;
	u32 next_asid;
	const void *last;
};

DECLARE_PER_CPU(struct svm_cpu, svm_cpu);

/*
 * svm_world_switch() - enter.S: run the VMCB at @vmcb with the general-purpose registers @gpr and
 * what VMLOAD takes from @sys; VMSAVE there afterwards, and VMLOAD of the host's from @host
 */
void svm_world_switch(u64 *gpr, u64 vmcb, u64 sys, u64 host);

bool svm_disabled(void);
int svm_probe(struct hw_caps *caps, struct hw_problem *why);
int svm_setup(void);
void svm_teardown(void);
int svm_cpu_on(void);
void svm_cpu_off(void);
int svm_run_alloc(struct guest_run *run);
void svm_run_free(struct guest_run *run);
u64 svm_iopm_pa(void);
/* The CPU is QEMU's TCG, which may deliver an injected interrupt twice: see commit_event(). */
extern bool svm_injects_twice;
/* svm_commit_groups() - all but the hot registers and those of svm_commit_loaded() */
void svm_commit_groups(struct guest_run *run, struct svm_cpu *sc);
/* svm_commit_loaded() - what VMLOAD takes: guest_sys and guest_msrs */
void svm_commit_loaded(struct guest_run *run);
void svm_fetch(struct guest_run *run, u32 groups);
void svm_read_exit(struct guest_run *run);
void svm_msrpm_apply(struct guest_run *run);

static inline struct svm_ctx *svm_ctx(struct guest_run *run)
{
	return run->hw;
}

#endif
