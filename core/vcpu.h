/* SPDX-License-Identifier: GPL-2.0-only */
/* struct nestor_vcpu: one virtual processor of L1, and how others talk to it. */
#ifndef NESTOR_CORE_VCPU_H
#define NESTOR_CORE_VCPU_H

#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <linux/mutex.h>
#include <linux/rcuwait.h>

#include "core/cpuid.h"
#include "core/emul/insn.h"
#include "core/fpu.h"
#include "core/guest_run.h"
#include "core/vm.h"

struct lapic;
struct mmu_shadow;
struct nested;
struct nestor_mmu_vm;
struct vcpu_pvclock;

/* Requests: bits of nestor_vcpu.requests, handled before the next entry. */
enum vcpu_request {
	REQ_KICK,		/* only leave the guest */
	REQ_EVENT,		/* look at interrupts, NMIs and exceptions again */
	REQ_TLB_FLUSH,		/* drop TLB entries of L1 and L2 */
	REQ_ROOT,		/* the second-level root changed */
	REQ_NMI,
	REQ_SMI,
	REQ_CLOCK,		/* write kvmclock */
	REQ_APIC_EVENTS,	/* INIT or SIPI is pending in the local APIC */
	REQ_TRIPLE_FAULT,	/* L1 shuts down */
	REQ_TSC,		/* TSC offset changed */
	REQ_IOAPIC_EOI,		/* report an EOI to the VMM (split irqchip) */
	REQ_MSR_FILTER,		/* the VMM set another MSR filter */
	REQ_DEAD,
	NR_VCPU_REQUESTS
};

/**
 * struct vcpu_exception - a queued exception
 * @pending: raised, not yet given to the backend; L1's intercepts are still to be asked
 * @injected: given to the backend (or re-injected); is delivered without asking
 * @type: EVENT_SOFT_EXCEPTION or EVENT_PRIV_EXCEPTION of one that is injected again; else 0
 * @payload: CR2 of #PF or the DR6 bits of #DB, applied on delivery
 */
struct vcpu_exception {
	bool pending, injected, has_error, has_payload;
	u8 vector, type;
	u32 error;
	u64 payload;
};

/**
 * struct vcpu_events - what waits to be delivered; owner: the vCPU's thread
 * @excp: exception
 * @intr: external or software interrupt already taken from its source
 * @nmi_pending: NMIs waiting, 0 to 2
 * @nmi_injected: one is being delivered
 * @nmi_masked: an NMI handler runs (until IRET)
 * @nmi_iret: IRET of the NMI handler is under way; nmi_iret_rip is where
 * @l2_soft: software event that L1 injected into L2, not known yet to be delivered
 * @l2_soft_at: the vCPU's count of world switches when it was given to the CPU
 */
struct vcpu_events {
	struct vcpu_exception excp;
	struct {
		bool injected, soft;
		u8 vector;
	} intr;
	u8 nmi_pending;
	bool nmi_injected, nmi_masked, nmi_iret;
	u64 nmi_iret_rip;
	struct guest_event l2_soft;
	u64 l2_soft_at;
};

/**
 * struct vcpu_smm - system-management mode; owner: the vCPU's thread
 * @active: L1 is in it; L2 never runs then
 * @pending: an SMI waits
 * @nmi_was_masked: RSM leaves NMIs masked
 * @halted: the SMI that is about to be taken ended a HLT
 */
struct vcpu_smm {
	bool active, pending, nmi_was_masked, halted;
};

/* Where a vCPU's thread is, for kicks.  Written by the thread only. */
enum vcpu_mode { VCPU_OUTSIDE, VCPU_IN_GUEST, VCPU_EXITING };

/* MSRs that no group of guest_run holds; owner: core/msr.c. */
struct vcpu_msrs {
	u64 apic_base;
	u64 misc_enable;
	u64 tsc_adjust;
	u64 tsc_aux;
	u64 spec_ctrl;
	u64 mtrr_def_type, mtrr_fixed[11], mtrr_base[8], mtrr_mask[8];
	u64 mcg_cap, mcg_status, mcg_ctl;
	u64 smbase, smi_count;
	u64 hwcr, bios_sign, patch_level;
	u64 pv_async, pv_steal, pv_eoi, pv_poll;
	u64 arch_capabilities, platform_info, misc_features;
	u64 xss;
};

/*
 * A user exit that has to be finished at the next KVM_RUN.  @finish runs with
 * vcpu->lock held before the first entry; NULL when there is none.
 */
struct vcpu_completion {
	enum run_action (*finish)(struct nestor_vcpu *vcpu);
};

/*
 * Accesses of the instruction under emulation that were answered by a device.
 * After a user exit the instruction runs again from its start, and these
 * answer what they answered before, without a second side effect.
 */
#define MMIO_MAX_FRAGMENTS	8
#define PIO_MAX			1024
#define MCE_BANKS		32	/* machine-check banks, at most */
struct vcpu_mmio {
	struct {
		u64 gpa;
		u8 len;
		bool write, done;
		u8 data[8];
	} frag[MMIO_MAX_FRAGMENTS];
	unsigned int nr, next;
	u64 gva;	/* of the first one, with @nr */
	struct {
		bool valid, done, in;
		u16 port;
		u32 len;
	} pio;
};

/**
 * struct code_memo - how the code of an exit, or an operand, was found, see mmu/code.c
 * @page: linear address, ~0 when there was no walk to the end; @cr3, @root: of the run; @seq: mmu->unmap_seq
 * @entry: where the entries on the way are in the host; on a shorter way the rest are @value's own
 * @value: what they said
 * @code: the page
 * @gpa: the run's physical address of it
 * @odd: the leaf is of a size, or has bits, that this processor may not have
 * @pad: to a size by which an index is multiplied in one step
 */
#define NR_CODE_MEMOS	8
struct code_memo {
	u64 page, cr3, root;
	unsigned long seq;
	const u64 *entry[4];
	u64 value[4];
	const u8 *code;
	u64 gpa;
	bool odd;
	u64 pad;
};

/**
 * struct insn_memo - the instruction that was decoded last, see core/insn.c
 * @first, @rest: its bytes; @mode: how they were read
 * @insn: what they say; its length is 0 while it is empty
 */
struct insn_memo {
	u64 first, rest;
	enum x86_mode mode;
	struct x86_insn insn;
};

/* Per-vCPU numbers for debugfs and the statistics ABI. */
struct vcpu_stats {
	struct list_head list;	/* core/stats.c */
	u64 exits, world_switches, nested_entries, nested_exits, nested_failed;
	u64 halts, irqs, nmis, mmio_user, mmio_kernel, pio_user, pio_kernel;
	u64 second_level_faults, shadow_faults, tlb_flushes, emulated;
	u64 predictor_barriers;
};

/**
 * struct nestor_vcpu - one virtual processor of L1
 * @gpr: general-purpose registers of whoever is current, L1 or L2: both runs point here
 * @vm: its VM; a reference is held by the vCPU fd
 * @id: vCPU id chosen by the VMM (initial APIC id)
 * @index: place in vm->vcpus
 * @lock: held by the thread in a vCPU ioctl; owns all that is not said otherwise
 * @kvm_run: page shared with the VMM; hostile: copy before checking
 * @pio_data: second page of the mapping
 * @pio_kept: data of @mmio.pio, PIO_MAX bytes
 * @mc_banks: machine-check banks, MCE_BANKS of four registers.  This and @pio_kept are apart, so that
 *	the whole fits a page
 * @coalesced: third page (KVM_CAP_COALESCED_MMIO ring)
 * @requests: enum vcpu_request bits, atomic, set by anyone
 * @mode: enum vcpu_mode
 * @cpu: host CPU while loaded, -1 otherwise
 * @wait: where a halted vCPU sleeps
 * @mp_state: KVM_MP_STATE_*
 * @atomic: an exit is handled with the CPU still loaded: preemption is off, page faults are
 *	disabled, nothing may sleep; who would have to says so before anything has changed
 * @run: current run: &l1, or L2's
 * @last_run: the run that was entered last
 * @l1: L1
 * @nested: the frontend's state; never NULL, the frontend "none" has an empty one
 * @mem: memory that L1 sees now: vm->mmu, in SMM vm->mmu_smm (mmu_select())
 * @smm: system-management mode
 * @shadow: shadow second-level tables of this vCPU (mmu/shadow.c)
 * @apic: in-kernel local APIC or NULL
 * @user_irq: vector + 1 that KVM_INTERRUPT queued, 0 for none; no in-kernel PIC only
 * @code: recent exits' code; owner: the vCPU's thread
 * @dr: DR0 to DR3, shared by L1 and L2
 * @guest_debug: KVM_GUESTDBG_* and hardware breakpoints, 0 when off
 * @debug_tf: TF is the debugger's, for this entry
 * @debug_stepped: the instruction that a debugger steps over was emulated
 * @cr8: TPR of L1 without an in-kernel local APIC (cr8_read, cr8_write)
 * @has_run: KVM_RUN was called; CPUID is fixed from then on
 * @turn_vain: reason of L2's exits that are not tried with interrupts off, EXIT_*: the last one of them was L0's (core/turn.h)
 * @was_set: the VMM wrote registers or events, and vcpu_check_set() has not passed since
 */
struct nestor_vcpu {
	u64 gpr[NR_GUEST_REGS];
	struct nestor_vm *vm;
	u32 id;
	int index;
	struct mutex lock;
	struct kvm_run *kvm_run;
	void *pio_data;
	u8 *pio_kept;
	u64 *mc_banks;
	void *coalesced;

	unsigned long requests;
	int mode;
	int cpu;
	struct rcuwait wait;
	u32 mp_state;
	int srcu_idx;
	bool atomic;

	struct guest_run *run, *last_run;
	struct guest_run l1;
	struct nested *nested;
	struct nestor_mmu_vm *mem;
	struct mmu_shadow *shadow;

	struct vcpu_events ev;
	struct vcpu_smm smm;
	struct vcpu_cpuid cpuid;
	struct vcpu_fpu fpu;
	struct vcpu_msrs msr;
	struct lapic *apic;
	u16 user_irq;
	struct vcpu_pvclock *pvclock;
	u64 l1_tsc_offset;
	u64 dr[4];
	u32 guest_debug;
	u64 guest_debug_dr[8];
	bool debug_tf, debug_stepped;
	u64 cr8;
	bool has_run;
	bool was_set;

	bool irq_window;	/* leave the guest when it can take an interrupt */
	bool immediate_exit;	/* leave the guest right after the event is injected */
	bool singlestep_nmi;	/* TF was set to find the end of IRET */
	bool singlestep_tf;	/* and TF as the guest had it */
	sigset_t sigset;
	bool sigset_active;

	struct vcpu_completion completion;
	struct vcpu_mmio mmio;
	struct code_memo code[NR_CODE_MEMOS], operand;
	struct insn_memo insn;
	struct vcpu_stats stats;
	u16 turn_vain;
};

struct nestor_vcpu *vcpu_create(struct nestor_vm *vm, u32 id);
void vcpu_destroy(struct nestor_vcpu *vcpu);
/** vcpu_reset() - state after power-on (@init false) or INIT (APM: "Processor Initialization State") */
void vcpu_reset(struct nestor_vcpu *vcpu, bool init);
/**
 * vcpu_run() - KVM_RUN: 0 with kvm_run filled in, or -errno
 * -EINTR: a signal; -ERESTARTNOINTR: do the task's work on the way to user space and call again
 */
int vcpu_run(struct nestor_vcpu *vcpu);
/** vcpu_check_set() - 0 if the CPU takes the current run's registers; else -EINVAL (core/image.c) */
int vcpu_check_set(struct nestor_vcpu *vcpu);

/** vcpu_request() - set a request; follow with vcpu_kick() if it must be seen now */
static inline void vcpu_request(struct nestor_vcpu *vcpu, enum vcpu_request req)
{
	/* What the request is about must be visible before the bit. */
	smp_mb__before_atomic();
	set_bit(req, &vcpu->requests);
}

static inline bool vcpu_take_request(struct nestor_vcpu *vcpu, enum vcpu_request req)
{
	if (!test_bit(req, &vcpu->requests))
		return false;
	clear_bit(req, &vcpu->requests);
	smp_mb__after_atomic();
	return true;
}

/** vcpu_kick() - wake @vcpu if it sleeps, make it leave the guest if it runs; any context */
void vcpu_kick(struct nestor_vcpu *vcpu);

static inline bool vcpu_in_l2(const struct nestor_vcpu *vcpu)
{
	return vcpu->run != &vcpu->l1;
}

/* Current mode of the current run.  In 64-bit mode cr3 and cr4 are current after run_is_64bit(). */
static inline bool run_is_long(struct guest_run *run)
{
	run_need(run, GRP_CR);
	return run->efer & (1ull << 10);
}

static inline bool run_is_64bit(struct guest_run *run)
{
	const u32 from = GRP_CR | GRP_SEG;

	/* A backend may know without fetching either, and may have told with the exit. */
	if (likely(!(run->dirty & from) && (run->avail & GRP_CODE64)))
		return run->code64;
	if (!(run->dirty & from) && (run->avail & from) != from) {
		run_need(run, GRP_CODE64);
		return run->code64;
	}
	return run_is_long(run) && (run_seg(run, SEG_CS)->attrib & SEG_ATTR_L);
}

/* vcpu_hw_dr() - DR0 to DR3 for the CPU: the guest's, or the VMM's debugger's */
static inline const u64 *vcpu_hw_dr(const struct nestor_vcpu *vcpu)
{
	return vcpu->guest_debug & KVM_GUESTDBG_USE_HW_BP ? vcpu->guest_debug_dr : vcpu->dr;
}

/* vcpu_hw_dr7() - DR7 for the CPU; @run's group GRP_DR is current */
static inline u64 vcpu_hw_dr7(const struct guest_run *run)
{
	const struct nestor_vcpu *vcpu = run->vcpu;

	return vcpu->guest_debug & KVM_GUESTDBG_USE_HW_BP ? vcpu->guest_debug_dr[7] : run->dr7;
}

/* vcpu_hw_dr7_owned() - what is in the CPU's DR7 is the guest's, and may be read back */
static inline bool vcpu_hw_dr7_owned(const struct guest_run *run)
{
	return !(run->vcpu->guest_debug & KVM_GUESTDBG_USE_HW_BP);
}

static inline bool run_is_protected(struct guest_run *run)
{
	run_need(run, GRP_CR);
	return run->cr0 & 1;
}

#endif
