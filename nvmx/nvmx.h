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

#include <linux/hrtimer.h>

#include "core/nested_ops.h"
#include "mmu/shadow.h"
#include "nvmx/caps.h"
#include "nvmx/checks.h"
#include "nvmx/fields.h"
#include "nvmx/merge.h"
#include "nvmx/shadow_vmcs.h"
#include "nvmx/vapic.h"
#include "nvmx/vmcs12.h"

struct gmem_window;

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
 * @l2_rsp: L2's RSP, for vmcs12; meaningful with @l2, like @l1.  RSM takes it from SMRAM
 * @l1: L1's
 */
struct nvmx_smm {
	bool vmxon, l2;
	u64 l2_rsp;
	struct nvmx_parked l1;
};

/**
 * struct nvmx_apic - APIC virtualisation of L2
 * @page: page the CPU works on
 * @was: what was copied into it
 * @same: no register of @page differs from @was
 * @l1: L1's page, as it was found last
 * @access: reference on the APIC-access page while L2 runs, or NULL
 * @on: L2 runs with a TPR shadow
 * @whole: all registers are copied, and not VTPR alone
 * @vid: L2 runs with virtual-interrupt delivery; RVI and SVI are in l2.vapic.status then
 * @soft: and it is software's (virq.c)
 * @lent: the CPU has APIC-register virtualisation for one instruction of L2, which L1 did not ask for
 * @rd_exits: of the x2APIC's registers, which L1 wants to see read; @wr_exits: of the first 64,
 *	which written
 */
struct nvmx_apic {
	u8 *page, *was;
	bool same;
	struct gmem_window *l1;
	struct page *access;
	bool on, whole, vid, soft, lent;
	u64 rd_exits[4], wr_exits;
};

/**
 * struct nvmx_timer - preemption timer of L2
 * @deadline: host's TSC when it runs out
 * @alarm: wakes L2's processor for it, or ends L2
 * @slept: L2 has halted since the entry, and @alarm may be armed
 * @soft: L2 runs with the timer, and @alarm is all there is of it
 * @forced: the CPU's was set to 0 for one entry
 */
struct nvmx_timer {
	u64 deadline;
	struct hrtimer alarm;
	bool slept, soft, forced;
};

/**
 * struct nvmx_mtf - monitor trap flag in software (mtf.c)
 * @on: L1 asked for it and the CPU has none
 * @due: the exit is to be made at this instruction boundary
 * @armed: TF is lent to L2's next instruction
 * @event: the next entry delivers an event and nothing else
 * @watch: @rip means something
 * @had_tf: L2's own TF, while @armed; @had_btf: of DEBUGCTL, the same
 * @had_shadow: it was in the shadow of STI, while @armed
 * @loads_tf: the instruction is one that loads TF
 * @pushes: it is one that pushes TF
 * @sti: it is one that opens interrupts
 * @rip: of the instruction
 */
struct nvmx_mtf {
	bool on, due, armed, event, watch;
	bool had_tf, had_btf, had_shadow, loads_tf, pushes, sti;
	u64 rip;
};

/**
 * struct nvmx_quick - the short way of entries and exits (quick.c)
 * @on: the controls of the current VMCS, as of the last entry, leave nothing to do that may sleep, or that
 *	is not about registers
 * @saved: nvmx_saved_groups(); @lazy: nvmx_lazy_groups(); meaningful with @on
 * @pat: an entry loads PAT, and an exit does not save it
 * @step: an exit saves no more than VMCS12_HOT of what is not lazy, and loads EFER and PAT
 * @next: see nvmx/link.h
 * @tried: the same, as the run loop counts it, at the last VMRESUME that was found not to be short
 */
struct nvmx_quick {
	bool on, pat, step;
	u32 saved, lazy;
	u64 next, tried;
};

/**
 * struct nvmx - VT-x of one virtual processor
 * @head: what core knows
 * @l2: L2's run; shares L1's guest_msrs, has its own guest_sys.  Its hardware context, and the pages of
 *	@apic, are there from the first VMXON on
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
 * @env: what the checks of the entry under way look at beside the VMCS
 * @checked: when the current VMCS last passed its checks
 * @launch_exits: exits of the processor when L1 last launched a VMCS
 * @quick: the short way
 * @host_noted: the backend remembers L1's registers as the host-state area of the current VMCS has them
 * @activity: activity state in which L2 is or was entered, enum guest_activity
 * @asleep_at: RIP when it was last looked whether an L2 that is not active wakes
 * @apic: APIC virtualisation
 * @timer: preemption timer
 * @mtf: monitor trap flag in software
 * @ept: second level of L2
 * @vpid: VPID that the hardware's tag of @l2 was last used for, 0 for none
 * @probing: software reads L2's memory on its own account: an EPT violation is not L1's
 *	business
 * @at_exit: an exit of L2 is being decided: run->exit is news
 *
 * @smm: what an SMI interrupted
 * @shadowed: fields that L1 accesses without an exit
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
	struct nvmx_shadowed shadowed;

	struct guest_run merged;
	struct nvmx_policy policy;
	u32 lazy;
	u32 msr_read_used, msr_write_used;
	struct nvmx_check_env env;
	struct nvmx_checked checked;
	u64 launch_exits;
	struct nvmx_quick quick;
	bool host_noted;
	u8 activity;
	u64 asleep_at;
	struct nvmx_apic apic;
	struct nvmx_timer timer;
	struct nvmx_mtf mtf;
	struct nvmx_ept ept;
	u16 vpid;
	bool probing;
	bool at_exit;
};

static inline struct nvmx *nvmx_of(struct nestor_vcpu *vcpu)
{
	return container_of(vcpu->nested, struct nvmx, head);
}

/**
 * nvmx_l2_alloc() - what L2 needs of memory, which most processors never have: before VMX operation begins
 * Return: 0 or -ENOMEM; sleeps (frontend.c)
 */
int nvmx_l2_alloc(struct nestor_vcpu *vcpu);

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
/* nvmx_sync_now() - of groups that wait */
void nvmx_sync_now(struct nestor_vcpu *vcpu, u32 groups);
/**
 * nvmx_sync() - bring the guest-state fields of @groups up to what L2 left behind
 * For VMREAD and VMWRITE of field i: @groups is nvmx_field_groups(i), before the access.
 * Before vmcs12 is written back, cleared or replaced: VMCS12_GROUPS.
 */
static inline void nvmx_sync(struct nestor_vcpu *vcpu, u32 groups)
{
	groups &= nvmx_of(vcpu)->lazy;
	if (unlikely(groups))
		nvmx_sync_now(vcpu, groups);
}

/** nvmx_field_groups() - the GRP_* in which field @i may wait for nvmx_sync(), 0 for none */
u32 nvmx_field_groups(enum vmcs12_index i);

/* enter.c */
/** nvmx_launch() - VMLAUNCH (@launch) or VMRESUME with a current VMCS; all earlier checks of the
 *  instruction itself have passed.  *error: VM-instruction error when it returns NESTED_OK.
 */
enum nested_result nvmx_launch(struct nestor_vcpu *vcpu, bool launch, u32 *error);
/**
 * nvmx_resume_l2() - make L2 current with the registers that its run holds
 * @flags: KVM_STATE_NESTED_RUN_PENDING: the event of the entry has yet to be injected; _MTF_PENDING
 * The current VMCS was checked and L2's root is selected.
 */
void nvmx_resume_l2(struct nestor_vcpu *vcpu, u32 flags);

/* quick.c */
/** nvmx_quick_settle() - after an entry the long way: may the next one be short? */
void nvmx_quick_settle(struct nestor_vcpu *vcpu);
/** nvmx_quick_entry() - VMRESUME the short way; false: nothing was done, go the long one */
bool nvmx_quick_entry(struct nestor_vcpu *vcpu);
/** nvmx_quick_again() - the same with an unbroken link (nvmx/link.h), and nothing_held(); false: try the former */
bool nvmx_quick_again(struct nestor_vcpu *vcpu);

/* turn.c */
bool nvmx_turn(struct nestor_vcpu *vcpu);

/* nested_state.c: KVM_GET_NESTED_STATE and KVM_SET_NESTED_STATE */
int nvmx_get_state(struct nestor_vcpu *vcpu, struct kvm_nested_state *s);
int nvmx_set_state(struct nestor_vcpu *vcpu, const struct kvm_nested_state *s);

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
 * Return: NESTED_BY_L1: vcpu->run is &vcpu->l1.  With vcpu->atomic also NESTED_NOT_YET, with nothing
 * done.
 */
enum nested_who nvmx_reflect(struct nestor_vcpu *vcpu, u32 reason, u64 qual, u32 intr_info,
			     u32 error_code);

/**
 * nvmx_fail_entry() - VM exit of an entry that failed: INFO fields, host state; no guest state
 * @reason: basic exit reason, 33 or 34; bit 31 is added
 */
void nvmx_fail_entry(struct nestor_vcpu *vcpu, u32 reason, u64 qual);

/**
 * nvmx_refused() - the CPU refused L2's state, which had passed the checks
 * Return: NESTED_BY_L1; with vcpu->atomic NESTED_NOT_YET.
 */
enum nested_who nvmx_refused(struct nestor_vcpu *vcpu);

/* exit.c, events.c, fault.c */
enum nested_who nvmx_l2_exit(struct nestor_vcpu *vcpu);
enum nested_who nvmx_l2_event(struct nestor_vcpu *vcpu, const struct guest_event *ev, u64 payload);
bool nvmx_l2_irq_open(struct nestor_vcpu *vcpu);
bool nvmx_l2_nmi_open(struct nestor_vcpu *vcpu);
/** nvmx_window_open() - is a window open that L1 asked for?  Never sleeps once L2 was put to sleep */
bool nvmx_window_open(struct nestor_vcpu *vcpu);
enum nested_who nvmx_l2_fault(struct nestor_vcpu *vcpu, struct l1_gpa *gpa, bool *mmio);
enum nested_result nvmx_translate(struct nestor_vcpu *vcpu, struct l2_gpa from, u64 access,
				  struct l1_gpa *to);

/**
 * nvmx_select_root() - point L2's run at the table it is to run on and see to its TLB tag
 * Return: 0, -ENOMEM, or with vcpu->atomic -EAGAIN.
 */
int nvmx_select_root(struct nestor_vcpu *vcpu);
/**
 * nvmx_switch_root() - L2 is current and goes on with the table that @eptp names, which is valid
 * Return: 0; -ENOMEM, or with vcpu->atomic -EAGAIN: it still has the old one.
 */
int nvmx_switch_root(struct nestor_vcpu *vcpu, u64 eptp);
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

/* apic.c: APIC virtualisation; vm->srcu held, sleepable, where not said otherwise */
int nvmx_apic_init(struct nvmx_apic *a);
void nvmx_apic_free(struct nvmx_apic *a);
/**
 * nvmx_apic_fetch() - read what an entry needs of L1's memory; nothing that L1 or L2 can see changes
 * Return: false: with vcpu->atomic, not all of it is at hand.
 */
bool nvmx_apic_fetch(struct nestor_vcpu *vcpu);
/** nvmx_apic_load() - the part of it that is the page (apic_page.c); 0, or -EAGAIN with vcpu->atomic */
int nvmx_apic_load(struct nestor_vcpu *vcpu, const struct vmcs12 *v);
/** nvmx_apic_enter() - it was fetched and L2 is about to run; never sleeps */
void nvmx_apic_enter(struct nestor_vcpu *vcpu);
/**
 * nvmx_apic_store() - write back what L2 changed
 * Return: false: with vcpu->atomic, it has to be done again without.
 */
bool nvmx_apic_store(struct nestor_vcpu *vcpu);
/** nvmx_apic_exit() - at a VM exit; with vcpu->atomic it was stored already */
void nvmx_apic_exit(struct nestor_vcpu *vcpu);
/** nvmx_apic_show() - write it back while L2 stays where it is; @v gets the interrupt status */
void nvmx_apic_show(struct nestor_vcpu *vcpu, struct vmcs12 *v);
/** nvmx_apic_leave() - forget it; never sleeps */
void nvmx_apic_leave(struct nestor_vcpu *vcpu);
/**
 * nvmx_apic_msr() - an RDMSR or WRMSR of L2 that L1 does not want: is it virtualised?
 * Return: true when it is done with; L1 may be current then.
 */
bool nvmx_apic_msr(struct nestor_vcpu *vcpu);
/**
 * nvmx_apic_notified() - an interrupt of L1 was acknowledged while L2 runs: is @vector the
 * posted-interrupt notification?
 * Return: true when it was; it is no interrupt of L1's then.
 */
bool nvmx_apic_notified(struct nestor_vcpu *vcpu, int vector);
/** nvmx_apic_wakes() - does a virtual interrupt end L2's halt?  Never sleeps */
bool nvmx_apic_wakes(struct nestor_vcpu *vcpu);

/** nvmx_apic_trapped() - a write to the virtual APIC is done: carry out what it came to */
void nvmx_apic_trapped(struct nestor_vcpu *vcpu, enum vapic_access what, u8 vector);

/* virq.c: virtual-interrupt delivery without the CPU's; never sleeps */
/** nvmx_virq_evaluate() - RVI, SVI or VTPR may have changed: see to it that it is noticed */
void nvmx_virq_evaluate(struct nestor_vcpu *vcpu);
/** nvmx_virq_exit() - an exit of L2; true: it is done with, and L1 may be current */
bool nvmx_virq_exit(struct nestor_vcpu *vcpu);
int nvmx_l2_virq(struct nestor_vcpu *vcpu, bool deliver);

/* timer.c: preemption timer */
void nvmx_timer_init(struct nvmx_timer *t);
void nvmx_timer_free(struct nvmx_timer *t);
void nvmx_timer_enter(struct nestor_vcpu *vcpu);
/** nvmx_timer_resume() - L0 has handled an exit of L2 */
void nvmx_timer_resume(struct nestor_vcpu *vcpu);
/** nvmx_timer_halt() - L2 stops running, and the timer goes on */
void nvmx_timer_halt(struct nestor_vcpu *vcpu);
bool nvmx_timer_wakes(struct nestor_vcpu *vcpu);
/** nvmx_timer_exit() - VM exit; @expired: it is the timer's */
void nvmx_timer_exit(struct nestor_vcpu *vcpu, bool expired);
/** nvmx_timer_force() - the next entry delivers its event and ends before an instruction */
void nvmx_timer_force(struct nestor_vcpu *vcpu);
/** nvmx_timer_forced() - undo that after the exit; was it done? */
bool nvmx_timer_forced(struct nestor_vcpu *vcpu);
/** nvmx_timer_due() - has the software's run out? */
bool nvmx_timer_due(struct nestor_vcpu *vcpu);
enum nested_who nvmx_l2_due(struct nestor_vcpu *vcpu);
/** nvmx_timer_deadline() - L1's TSC when it runs out, in ticks of the timer; false: L2 has none */
bool nvmx_timer_deadline(struct nestor_vcpu *vcpu, u64 *tick);
/** nvmx_timer_set() - L2 is current, not running, and its timer runs out at @tick, whatever that is */
void nvmx_timer_set(struct nestor_vcpu *vcpu, u64 tick);
/** nvmx_tsc_moved() - the VMM has moved L1's TSC by @delta: the deadline stays where it was on it */
void nvmx_tsc_moved(struct nestor_vcpu *vcpu, s64 delta);

/* mtf.c: monitor trap flag where the CPU has none */
void nvmx_mtf_enter(struct nestor_vcpu *vcpu);
/** nvmx_mtf_merge() - what it intercepts besides */
void nvmx_mtf_merge(const struct vmcs12 *v, struct guest_run *out);
/** nvmx_mtf_due() - at an instruction boundary: is its exit to be made? */
bool nvmx_mtf_due(struct nestor_vcpu *vcpu);
bool nvmx_mtf_wakes(const struct nvmx *n);
/** nvmx_mtf_exit() - L2 stopped; true: that was for us alone.  Sleepable */
bool nvmx_mtf_exit(struct nestor_vcpu *vcpu);
/** nvmx_mtf_drop() - L1 becomes current */
void nvmx_mtf_drop(struct nestor_vcpu *vcpu);
void nvmx_l2_ready(struct nestor_vcpu *vcpu, bool enter);

/* activity.c: activity states */
void nvmx_activity_enter(struct nestor_vcpu *vcpu);
/** nvmx_activity_ran() - L2 left the CPU with an exit */
void nvmx_activity_ran(struct nestor_vcpu *vcpu);
/** nvmx_activity_delivers() - an event is about to be delivered to L2 */
void nvmx_activity_delivers(struct nestor_vcpu *vcpu);
/** nvmx_activity_halt() - L0 is about to carry out a HLT of L2 */
void nvmx_activity_halt(struct nestor_vcpu *vcpu);
/** nvmx_activity_settle() - what woke L2's processor was not for L2: it goes on waiting, if it did */
void nvmx_activity_settle(struct nestor_vcpu *vcpu);
bool nvmx_activity_blocks(struct nestor_vcpu *vcpu, enum guest_event_type what);
bool nvmx_l2_wake(struct nestor_vcpu *vcpu);
enum nested_who nvmx_sipi(struct nestor_vcpu *vcpu, u8 vector);
enum nested_who nvmx_init_event(struct nestor_vcpu *vcpu);

/* pml.c: page-modification logging */
/** nvmx_pml_access() - ACC_LOG_FULL while L1's log has no room */
u64 nvmx_pml_access(struct nestor_vcpu *vcpu);
/** nvmx_pml_log() - a walk of L1's EPT for L2's @gpa has set a dirty flag */
void nvmx_pml_log(struct nestor_vcpu *vcpu, u64 gpa);
/** nvmx_pml_full() - the exit when it has none; @hw: the CPU's qualification of the access, or 0 */
enum nested_who nvmx_pml_full(struct nestor_vcpu *vcpu, u64 hw);

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
