/* SPDX-License-Identifier: GPL-2.0-only */
/* MSRs of the guest: one table of handlers for RDMSR/WRMSR exits and the ABI. */
#ifndef NESTOR_CORE_MSR_H
#define NESTOR_CORE_MSR_H

#include <linux/kvm.h>

#include "core/vcpu.h"

/* What L1 may touch without an exit, unless the VMM filters it; bits enum pass_msr. */
#define PASS_BASE ((1u << PASS_FS_BASE) | (1u << PASS_GS_BASE) | \
		   (1u << PASS_KERNEL_GS_BASE) | (1u << PASS_STAR) | \
		   (1u << PASS_LSTAR) | (1u << PASS_CSTAR) | (1u << PASS_SFMASK) | \
		   (1u << PASS_SYSENTER_CS) | (1u << PASS_SYSENTER_ESP) | \
		   (1u << PASS_SYSENTER_EIP) | (1u << PASS_PAT))

/** msr_known() - is there such an MSR, whoever may read or write it? */
bool msr_known(struct nestor_vcpu *vcpu, u32 index);
/**
 * msr_get() - read MSR @index of the current run
 * @host: asked by the VMM (KVM_GET_MSRS), not by an instruction
 * Return: 0, or -EINVAL where the guest gets #GP (unknown or not readable).
 * vcpu->lock held, sleepable.
 */
int msr_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host);
/** msr_set() - the same for writing; unknown MSRs fail, known rules are the manual's */
int msr_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host);
/**
 * msr_set_quick() - the same for an instruction, where nothing may sleep
 * Return: whether it is done; if not, nothing is, and msr_set() has the answer.
 */
bool msr_set_quick(struct nestor_vcpu *vcpu, u32 index, u64 val);
void msr_reset(struct nestor_vcpu *vcpu, bool init);
/* Lists of KVM_GET_MSR_INDEX_LIST and KVM_GET_MSR_FEATURE_INDEX_LIST */
const u32 *msr_index_list(u32 *nr);
const u32 *msr_feature_index_list(u32 *nr);
int msr_feature_get(u32 index, u64 *val);

/*
 * Control-register writes with the architecture's checks, for the current
 * run; shared by MOV-CR exits, LMSW/CLTS, and KVM_SET_SREGS (core/cr.c).
 * Return 0, -EINVAL where the guest gets #GP(0), or -EAGAIN when reading its PDPTEs
 * met a fault of the second level that went to L1.
 */
int cr0_write(struct nestor_vcpu *vcpu, u64 val);
/* LMSW: CR0[3:0], of which PE cannot be cleared, without what a frontend's guest hypervisor owns */
int cr0_write_msw(struct nestor_vcpu *vcpu, u16 msw);
int cr3_write(struct nestor_vcpu *vcpu, u64 val);
int cr4_write(struct nestor_vcpu *vcpu, u64 val);
int cr8_write(struct nestor_vcpu *vcpu, u64 val);
u64 cr8_read(struct nestor_vcpu *vcpu);
int efer_write(struct nestor_vcpu *vcpu, u64 val, bool host);
int efer_set(struct nestor_vcpu *vcpu, u64 val);	/* by KVM_SET_MSRS */
int dr_write(struct nestor_vcpu *vcpu, unsigned int n, u64 val);
int dr_read(struct nestor_vcpu *vcpu, unsigned int n, u64 *val);
/*
 * cr_set_check() - would this combination do?  For KVM_SET_SREGS, before
 * anything is changed; -EINVAL.  What passes is consistent for the CPU, too (APM vol. 2,
 * "Canonicalization and Consistency Checks").  cs_l, cs_db: CS.L and CS.D of the new CS.
 */
int cr_set_check(struct nestor_vcpu *vcpu, u64 cr0, u64 cr3, u64 cr4, u64 efer, bool cs_l,
		 bool cs_db);
/* pdpte_load() - PDPTEs of the current run for these registers, if they mean PAE paging (core/pdpte.c) */
int pdpte_load(struct nestor_vcpu *vcpu, u64 cr0, u64 cr3, u64 cr4, u64 efer);
/* pdpte_reload() - the VMM wrote CR0, CR3, CR4 or EFER; vm->srcu held */
void pdpte_reload(struct nestor_vcpu *vcpu);
/* mode_refused() - the CPU does not take @run with these CR0 and EFER (core/image.c) */
bool mode_refused(struct guest_run *run, u64 cr0, u64 efer);
int xcr_write(struct nestor_vcpu *vcpu, u32 index, u64 val);

/*
 * TSC (core/tsc.c).  tsc_read_l1() - TSC of L1 as it would read it now.
 * tsc_write_l1() - L1's own WRMSR: moves this vCPU's TSC only.
 * tsc_sync_l1() - the VMM's write, and a new vCPU's first value: joins the
 * other vCPUs when it is meant to.
 * tsc_adjust_l1() - move by @delta, in L1 and in a current L2.
 */
u64 tsc_read(const struct guest_run *run);	/* as RDTSC in @run reads it now */
u64 tsc_read_l1(struct nestor_vcpu *vcpu);
void tsc_write_l1(struct nestor_vcpu *vcpu, u64 val);
void tsc_sync_l1(struct nestor_vcpu *vcpu, u64 val);
void tsc_adjust_l1(struct nestor_vcpu *vcpu, s64 delta);
/* tsc_set_khz() - KVM_SET_TSC_KHZ; 0, or -EINVAL when it is not the host's (no scaling) */
int tsc_set_khz(struct nestor_vm *vm, u32 khz);

/* pv_eoi_set_msr() - MSR_KVM_PV_EOI_EN (core/pv_eoi.c): 0, or -EINVAL for #GP */
int pv_eoi_set_msr(struct nestor_vcpu *vcpu, u64 val);

/* kvmclock (core/pvclock.c) */
int pvclock_vm_create(struct nestor_vm *vm);	/* vm->clock */
void pvclock_vm_destroy(struct nestor_vm *vm);
int pvclock_vcpu_create(struct nestor_vcpu *vcpu);	/* vcpu->pvclock */
void pvclock_vcpu_free(struct nestor_vcpu *vcpu);
void pvclock_reset(struct nestor_vcpu *vcpu);
int pvclock_set_msr(struct nestor_vcpu *vcpu, u32 index, u64 val);
bool pvclock_get_msr(struct nestor_vcpu *vcpu, u32 index, u64 *val);
void pvclock_update(struct nestor_vcpu *vcpu);	/* on REQ_CLOCK; sleepable */
/* KVM_GET_CLOCK, KVM_SET_CLOCK, KVM_KVMCLOCK_CTRL */
void pvclock_get(struct nestor_vm *vm, struct kvm_clock_data *out);
int pvclock_set(struct nestor_vm *vm, const struct kvm_clock_data *in);
int pvclock_paused(struct nestor_vcpu *vcpu);

#endif
