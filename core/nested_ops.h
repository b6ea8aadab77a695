/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The seam to a frontend: what L1 sees of a virtualisation extension.  A
 * frontend never includes hw/; it works on guest_run alone.
 */
#ifndef NESTOR_CORE_NESTED_OPS_H
#define NESTOR_CORE_NESTED_OPS_H

#include "core/vcpu.h"
#include "core/verdict.h"

/*
 * Who handles an L2 exit or event.  NESTED_NOT_YET: to find out, or to reflect it, might sleep and
 * vcpu->atomic is set; nothing was done, ask again without.  Of l2_fault: there is no memory for it.
 */
enum nested_who { NESTED_BY_L0, NESTED_BY_L1, NESTED_NOT_YET };

/* The extension that a frontend shows, by its CPUID bit. */
enum nested_ext { NESTED_EXT_NONE, NESTED_EXT_SVM, NESTED_EXT_VMX };

/* What nested_ops.smm is told. */
enum nested_smm {
	NESTED_SMM_ENTER,	/* an SMI is taken: L1 is to be current */
	NESTED_SMM_LEAVE,	/* RSM: what was current when the SMI came is so again */
	NESTED_SMM_FORGET,	/* the VMM changed the mode itself: L1 is current, L2 gone */
};

/**
 * struct nested_ops - a frontend
 * @name: "svm", "vmx" or "none"
 * @atomic: insn() and l2_exit() mind vcpu->atomic: with it set they do not sleep, and say
 *	NESTED_LATER or NESTED_NOT_YET, with nothing changed, where they would have to.  Doing
 *	the same again is what follows, so an instruction that is done but for its length
 *	must bear being done twice
 * @ext: enum nested_ext
 * @msrs: MSRs of the extension that a VMM saves and restores, for KVM_GET_MSR_INDEX_LIST
 * @nr_msrs: how many
 * @feature_msrs: MSRs that a VMM may read before there is a vCPU, for
 *	KVM_GET_MSR_FEATURE_INDEX_LIST
 * @nr_feature_msrs: how many
 * @vcpu_init: allocate vcpu->nested (first member of the frontend's own struct); -ENOMEM
 * @vcpu_free: the reverse
 * @reset: INIT (@init) or power-on: leave L2, forget everything but what INIT spares
 * @insn: L1 executed a virtualisation instruction (exit reason of vcpu->run->exit
 *	is one of EXIT_VMRUN..EXIT_SKINIT, EXIT_INVLPGA, or #UD/#GP look-alikes);
 *	RIP still points at it.  With NESTED_OK the caller skips it.
 * @quick: the same for L1, with interrupts off and no more done about it than an entry: where it can be done without
 *	waiting for anything, a lock included, and makes no event deliverable that was not.  RIP stays; it is no
 *	instruction in an interrupt shadow, and none that is traced or stepped over.  false, with nothing changed
 *	but what @insn changes again, where @insn has to do it.  vm->srcu held, page faults disabled
 * @turn: the exit of the current run, with interrupts off: an instruction of L1's as of @insn, or an exit of L2 that is
 *	L1's.  Can all of it be done without waiting for anything, a lock included, and without a look at what may be
 *	deliverable then?  true: it is done, RIP included, and L1 or L2 goes on; the other run only if it is near
 *	(hw_ops.near).  false, with nothing changed but what @insn or @l2_exit changes again: they have to.
 *	No event is under way, and none waits in vcpu->ev, where this may put none; vm->srcu held, page faults
 *	disabled, vcpu->atomic.  NULL: nothing of it can
 * @l2_exit: L2 stopped.  NESTED_BY_L1: the exit was reflected, vcpu->run is &vcpu->l1.
 *	NESTED_BY_L0: the caller's own handler runs on the L2 run.
 * @l2_fault: EXIT_SECOND_LEVEL of L2 with nested paging: fill the shadow, reflect, or
 *	hand over: *gpa is the L1 address to be handled as an L1 fault when it returns
 *	NESTED_BY_L0 with *mmio set.
 * @l2_event: before delivery to L2: does L1 intercept this event
 *	(exception, NMI, external interrupt, INIT, SMI)?  NESTED_BY_L1: reflected.  An
 *	exception went with it; everything else stays pending for L1.  An
 *	interrupt has not been acknowledged yet: the vector means nothing.  INIT and SIPI
 *	are offered with L1 current, too: NESTED_BY_L1 with the current run unchanged
 *	says that it became something else.
 * @l2_irq_open: L2 is current: could an external interrupt for L1 be recognised now?
 *	(V_INTR_MASKING and L1's RFLAGS.IF, else L2's RFLAGS.IF and interrupt shadow)
 * @l2_nmi_open: the same for an NMI: what masks it in L1, in L2, and in L2's interrupt shadow
 * @l2_wake: L2 is current and halts: does something of the frontend's own wake it (a virtual
 *	interrupt, a timer)?  Never sleeps, and may be called again
 * @l2_due: L2 is current, at an instruction boundary: is an exit due that is the frontend's own
 *	affair (a timer that ran out)?  NESTED_BY_L1: reflected.  With an event under way it
 *	asks for vcpu->immediate_exit instead
 * @l2_ready: L2 is current and all that is to be delivered is in its run: the last word before
 *	it is entered.  !@enter: that entry does not take place, and L2's state is as it was.
 *	Sleepable
 * @l2_virq: L2 is current: vector of a virtual interrupt of the frontend's that waits for
 *	nothing but L2's RFLAGS.IF and interrupt shadow, -1 for none.  @deliver: it is given to
 *	L2 now, and counts as taken.  Never sleeps
 * @blocked: does the frontend hold events of type @what (enum guest_event_type) back
 *	from L1 itself (GIF = 0; INIT in VMX root operation)?  SIPI counts as INIT.
 * @flush: this vCPU's hardware TLB entries of L2 must go before L2 runs again
 * @get_msr: MSR of the extension; false if the MSR is not this frontend's
 * @set_msr: the same, @host: written by the VMM. *fault is set for #GP.  It is also
 *	told of L1's new EFER before that is written, may refuse it with *fault, and
 *	answers false (EFER is core's)
 * @feature_msr: most that this host can offer in one of @feature_msrs; false if it is none
 * @cpuid: cut or fill the extension's leaves of the supported CPUID
 * @state_size: bytes behind the header of struct kvm_nested_state at most, 0: no such state
 * @get_state: KVM_GET_NESTED_STATE: fill @s, which is zero and has room for all, with s->size.
 *	-EBUSY: not now, see there.  vm->srcu held, sleepable
 * @set_state: KVM_SET_NESTED_STATE: s->size bytes are there, the rest of @state_size is zero.
 *	The registers that are current now belong to whoever @s says runs: L2, or L1.  0,
 *	-EINVAL, -ENOMEM, and nothing has changed then.  vm->srcu held, sleepable
 * @smm: system-management mode begins or ends.  On entry the state of the current run
 *	is saved already, and L1's run is about to get the handler's; on RSM the run
 *	that this makes current is about to get the saved state.  Never fails.
 * @tsc_moved: the VMM has moved L1's TSC by @delta, and L2 is current.  NULL: nothing is kept on it
 * @translate: L2-physical to L1-physical for the software walker; returns
 *	NESTED_OK, or NESTED_EXITED after reflecting a nested page fault
 */
struct nested_ops {
	const char *name;
	bool atomic;
	enum nested_ext ext;
	const u32 *msrs, *feature_msrs;
	u32 nr_msrs, nr_feature_msrs;
	int (*vcpu_init)(struct nestor_vcpu *vcpu);
	void (*vcpu_free)(struct nestor_vcpu *vcpu);
	void (*reset)(struct nestor_vcpu *vcpu, bool init);
	enum nested_result (*insn)(struct nestor_vcpu *vcpu);
	bool (*quick)(struct nestor_vcpu *vcpu);
	bool (*turn)(struct nestor_vcpu *vcpu);
	enum nested_who (*l2_exit)(struct nestor_vcpu *vcpu);
	enum nested_who (*l2_fault)(struct nestor_vcpu *vcpu, struct l1_gpa *gpa, bool *mmio);
	enum nested_who (*l2_event)(struct nestor_vcpu *vcpu, const struct guest_event *ev,
				    u64 payload);
	bool (*l2_irq_open)(struct nestor_vcpu *vcpu);
	bool (*l2_nmi_open)(struct nestor_vcpu *vcpu);
	bool (*l2_wake)(struct nestor_vcpu *vcpu);
	enum nested_who (*l2_due)(struct nestor_vcpu *vcpu);
	void (*l2_ready)(struct nestor_vcpu *vcpu, bool enter);
	int (*l2_virq)(struct nestor_vcpu *vcpu, bool deliver);
	bool (*blocked)(struct nestor_vcpu *vcpu, enum guest_event_type what);
	void (*flush)(struct nestor_vcpu *vcpu);
	bool (*get_msr)(struct nestor_vcpu *vcpu, u32 msr, u64 *val, bool host, bool *fault);
	bool (*set_msr)(struct nestor_vcpu *vcpu, u32 msr, u64 val, bool host, bool *fault);
	bool (*feature_msr)(u32 msr, u64 *val);
	void (*cpuid)(struct kvm_cpuid_entry2 *e);
	u32 state_size;
	int (*get_state)(struct nestor_vcpu *vcpu, struct kvm_nested_state *s);
	int (*set_state)(struct nestor_vcpu *vcpu, const struct kvm_nested_state *s);
	void (*smm)(struct nestor_vcpu *vcpu, enum nested_smm how);
	void (*tsc_moved)(struct nestor_vcpu *vcpu, s64 delta);
	enum nested_result (*translate)(struct nestor_vcpu *vcpu, struct l2_gpa from,
					u64 access, struct l1_gpa *to);
};

extern const struct nested_ops *nested;
extern const struct nested_ops nsvm_ops;
extern const struct nested_ops nvmx_ops;
extern const struct nested_ops no_nested_ops;

struct nestor_vcpu;

/**
 * nested_record_verdict() - a nested entry of the VMRUN/VMLAUNCH at @rip failed: ring and tracepoint
 * The ring does without it when there is no memory for the ring.
 */
void nested_record_verdict(struct nestor_vcpu *vcpu, const struct verdict *v, u64 rip);

/**
 * nested_get_verdicts() - NESTOR_GET_VERDICTS; vcpu->lock held
 * Return: 0, -EFAULT, or -EINVAL for an unknown version, size, flag or a
 * reserved field that is not 0.
 */
int nested_get_verdicts(struct nestor_vcpu *vcpu, void __user *arg);

/* struct nested - head of every frontend's per-vCPU state (embed first) */
struct nested {
	const struct nested_ops *ops;
	/* Last failed entries, a ring for NESTOR_GET_VERDICTS, there from the first one on; owner: vcpu->lock. */
	struct verdict_ring {
		u64 seq;
		struct verdict_slot {
			struct verdict v;
			u64 rip;
			u64 when_ns;
		} *slot;
	} verdicts;
};

#endif
