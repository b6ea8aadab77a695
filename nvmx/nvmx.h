/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nvmx: VT-x as L1 sees it.  A nested entry takes one function an arrow:
 *
 *   vmcs12 (and its bitmaps and MSR lists) -> snapshot -> check -> merge -> commit -> enter
 *
 * and an L2 exit goes back through the exit table: does L0 want it, does L1 want
 * it, reflect.  It works on struct guest_run alone and never learns whose CPU is
 * under it.
 */
#ifndef NESTOR_NVMX_NVMX_H
#define NESTOR_NVMX_NVMX_H

#include "core/nested_ops.h"
#include "mmu/shadow.h"
#include "nvmx/caps.h"
#include "nvmx/checks.h"
#include "nvmx/fields.h"
#include "nvmx/merge.h"
#include "nvmx/vmcs12.h"

#define NO_VMCS		(~0ull)

/**
 * struct nvmx_ept - the table that L2 runs on
 * @on: L2 has EPT; the rest means something then
 * @eptp: L1's EPTP
 * @fmt: its format
 *
 * The shadow is looked for again only when @eptp changes: nobody else on this vCPU asks
 * for shadows, so what shadow_get() gave stays valid till then.
 */
struct nvmx_ept {
	bool on;
	u64 eptp;
	struct pt_format fmt;
};

/* What of L1 a VM exit does not load, while an SMI handler has L1's run. */
struct nvmx_parked {
	u64 rflags, cr0, cr4, efer, dr7;
	struct guest_sys sys;
};

/**
 * struct nvmx_smm - what RSM goes back to
 * @vmxon: VMX operation
 * @l2: L2
 * @l1: meaningful with @l2
 */
struct nvmx_smm {
	bool vmxon, l2;
	struct nvmx_parked l1;
};

/**
 * struct nvmx - VT-x of one virtual processor
 * @head: what core knows
 * @l2: L2's run; shares L1's guest_msrs, has its own guest_sys
 * @vmcs12: kernel copy of the current VMCS, contents meaningless while @current_ptr is NO_VMCS
 * @incoming: where VMPTRLD copies a region before it is believed
 * @vmxon: in VMX operation
 * @vmxon_ptr: L1's address of the VMXON region
 * @current_ptr: L1's address of the current VMCS, NO_VMCS for none
 * @offer: capability MSRs as the VMM set them
 * @caps: capability MSRs as L1 finds them, from @offer and CPUID; settled at VMXON
 * @feature_control: IA32_FEATURE_CONTROL
 * @merged: where merge builds; only the fields that it fills mean anything
 * @policy: what the controls of @l2 were merged with
 * @lazy: GRP_* whose guest-state fields are in @l2 and not in @vmcs12 since the last
 *	exit, because L1 has not asked for them (nvmx_sync); L1 has not changed them either
 * @msr_read_used: bits enum pass_msr that L2 was seen reading; L1's MSR bitmap is looked
 *	at for these
 * @msr_write_used: the same for writing
 * @checked: when the current VMCS last passed its checks
 * @activity: activity state in which L2 is or was entered, enum guest_activity
 * @ept: second level of L2
 * @vpid: VPID that the hardware's tag of @l2 was last used for, 0 for none
 * @probing: software reads L2's memory on its own account: an EPT violation is not L1's
 *	business
 * @at_exit: an exit of L2 is being decided: run->exit is news
 * @soft: software event that L1 injected, not known yet to be delivered
 * @soft_at: the vCPU's count of world switches when it was given to the CPU
 *
 * @smm: what an SMI interrupted
 *
 * Owner: vcpu->lock.  L1's own state stays in vcpu->l1 while L2 runs, until the VM exit
 * loads it from the host-state area.
 */
struct nvmx {
	struct nested head;
	struct guest_run l2;
	struct vmcs12 *vmcs12, *incoming;
	bool vmxon;
	u64 vmxon_ptr;
	u64 current_ptr;
	struct nvmx_caps offer, caps;
	u64 feature_control;
	struct nvmx_smm smm;

	struct guest_run merged;
	struct nvmx_policy policy;
	u32 lazy;
	u32 msr_read_used, msr_write_used;
	struct nvmx_checked checked;
	u8 activity;
	struct nvmx_ept ept;
	u16 vpid;
	bool probing;
	bool at_exit;
	struct guest_event soft;
	u64 soft_at;
};

static inline struct nvmx *nvmx_of(struct nestor_vcpu *vcpu)
{
	return container_of(vcpu->nested, struct nvmx, head);
}

/* insn.c: instructions of L1 (and, reflected or not, of L2) */
enum nested_result nvmx_insn(struct nestor_vcpu *vcpu);

/* vmcs.c */
/** nvmx_vmcs_flush() - write the current VMCS back to its region; there is none afterwards */
void nvmx_vmcs_flush(struct nestor_vcpu *vcpu);

/* vmxon.c */
/** nvmx_root_on() - L1 enters VMX operation */
void nvmx_root_on(struct nestor_vcpu *vcpu, u64 vmxon_ptr);
/** nvmx_root_off() - L1 leaves it; the current VMCS has been flushed */
void nvmx_root_off(struct nestor_vcpu *vcpu);

/* sync.c */
/**
 * nvmx_sync() - bring the guest-state fields of @groups up to what L2 left behind
 * For VMREAD and VMWRITE of field i: @groups is nvmx_field_groups(i), before the access.
 * Before vmcs12 is written back, cleared or replaced: VMCS12_GROUPS.
 */
void nvmx_sync(struct nestor_vcpu *vcpu, u32 groups);
/** nvmx_field_groups() - the GRP_* in which field @i may wait for nvmx_sync(), 0 for none */
u32 nvmx_field_groups(enum vmcs12_index i);

/* enter.c */
/** nvmx_launch() - VMLAUNCH (@launch) or VMRESUME with a current VMCS; all earlier checks of the
 *  instruction itself have passed.  *error: VM-instruction error when it returns NESTED_OK.
 */
enum nested_result nvmx_launch(struct nestor_vcpu *vcpu, bool launch, u64 next_rip, u32 *error);
/** nvmx_leave() - L1 is current again, L2 is forgotten, nothing is written to vmcs12 */
void nvmx_leave(struct nestor_vcpu *vcpu);

/* reflect.c */
/**
 * nvmx_reflect() - VM exit: save L2's state to vmcs12, load L1's from the host-state area
 * @reason: basic exit reason (bit 31 is for failed entries)
 * @qual: exit qualification
 * @intr_info: VM-exit interruption information, 0 for none
 * @error_code: its error code
 * Instruction length, instruction information and IDT-vectoring are taken from the exit.
 * Return: NESTED_BY_L1, always: vcpu->run is &vcpu->l1.
 */
enum nested_who nvmx_reflect(struct nestor_vcpu *vcpu, u32 reason, u64 qual, u32 intr_info,
			     u32 error_code);

/**
 * nvmx_fail_entry() - VM exit of an entry that failed: INFO fields, host state; no guest state
 * @reason: basic exit reason, 33 or 34; bit 31 is added
 */
void nvmx_fail_entry(struct nestor_vcpu *vcpu, u32 reason, u64 qual);

/* exit.c, events.c, fault.c */
enum nested_who nvmx_l2_exit(struct nestor_vcpu *vcpu);
enum nested_who nvmx_l2_event(struct nestor_vcpu *vcpu, const struct guest_event *ev, u64 payload);
bool nvmx_l2_irq_open(struct nestor_vcpu *vcpu);
bool nvmx_soft_event_injected(struct nestor_vcpu *vcpu, const struct guest_event *ev);
enum nested_who nvmx_l2_fault(struct nestor_vcpu *vcpu, struct l1_gpa *gpa, bool *mmio);
enum nested_result nvmx_translate(struct nestor_vcpu *vcpu, struct l2_gpa from, u64 access,
				  struct l1_gpa *to);

/** nvmx_select_root() - point L2's run at the table it is to run on and see to its TLB tag; -ENOMEM */
int nvmx_select_root(struct nestor_vcpu *vcpu);
/** nvmx_ept_format() - how the table that @eptp names is read */
void nvmx_ept_format(struct nestor_vcpu *vcpu, u64 eptp, struct pt_format *fmt);

/* msr_list.c */
/**
 * nvmx_msrs_load() - MSR-load list of an entry or exit, on the current run
 * Return: 0, or the number of the entry that failed, counted from 1
 * nvmx_msrs_store() - MSR-store list of an exit, the same
 */
u32 nvmx_msrs_load(struct nestor_vcpu *vcpu, u64 gpa, u32 count);
u32 nvmx_msrs_store(struct nestor_vcpu *vcpu, u64 gpa, u32 count);

/* tlb.c: INVEPT and INVVPID with checked operands; also what VM entries flush */
void nvmx_invept(struct nestor_vcpu *vcpu, u64 type, u64 eptp);
void nvmx_invvpid(struct nestor_vcpu *vcpu, u64 type, u16 vpid, u64 addr);
void nvmx_flush(struct nestor_vcpu *vcpu);

/* smm.c */
void nvmx_smm(struct nestor_vcpu *vcpu, enum nested_smm how);

/* msr.c, caps.c */
bool nvmx_get_msr(struct nestor_vcpu *vcpu, u32 msr, u64 *val, bool host, bool *fault);
bool nvmx_set_msr(struct nestor_vcpu *vcpu, u32 msr, u64 val, bool host, bool *fault);
void nvmx_cpuid(struct kvm_cpuid_entry2 *e);

#endif
