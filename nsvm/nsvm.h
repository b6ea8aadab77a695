/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nsvm: AMD-V as L1 sees it.  A nested entry takes one function an arrow:
 *
 *   vmcb12 -> snapshot -> check -> merge -> commit -> (the backend enters)
 *
 * and an L2 exit goes back through the exit table: does L0 want it, does L1
 * want it, reflect.  It works on struct guest_run alone and never learns whose
 * CPU is under it.
 */
#ifndef NESTOR_NSVM_NSVM_H
#define NESTOR_NSVM_NSVM_H

#include "core/hw_ops.h"
#include "core/nested_ops.h"
#include "mmu/shadow.h"
#include "mmu/window.h"
#include "nsvm/checks.h"
#include "nsvm/merge.h"
#include "nsvm/vmcb12.h"

#define NR_VMCB_WINDOWS	4

/* What #VMEXIT would load from the host save area, while the SMI handler has L1's run. */
struct parked_l1 {
	u64 rip, rflags;
	struct guest_seg seg[4];
	struct guest_dtable gdtr, idtr;
	u64 cr0, cr3, cr4, efer;
};

/**
 * struct nsvm - AMD-V of one virtual processor
 * @head: what core knows
 * @l2: L2's run; shares L1's guest_sys and guest_msrs.  Its hardware context is made for the first VMRUN
 * @snap: the vmcb12 that L2 was entered with
 * @merged: where merge builds; only the fields that it fills mean anything
 * @l1_rax: L1's RAX while L2 is current, or waits for RSM: of the registers that the two share VMRUN and #VMEXIT
 *	switch these.  @l1_rsp: RSP
 * @fmt: format of L1's nested page table, from L1's mode at VMRUN
 * @shadow_at: root of that table
 * @np: L2 has nested paging
 * @gif: GIF while L2 is current or L1's run does not use virtual GIF (see nsvm_gif)
 * @probing: software reads L2's memory on its own account: a nested page fault
 *	is not L1's business
 * @at_exit: an exit of L2 is being decided: run->exit.vectoring is news
 * @hsave_pa: VM_HSAVE_PA MSR
 * @vm_cr: VM_CR MSR
 * @last: the last entry by VMRUN, for the next one; see commit_short()
 * @last.good: #VMEXIT left in vmcb12 what @l2 holds; whoever changes @l2 otherwise clears it
 * @last.l0: L0's policy of the last merge
 * @last.host_cr0, @last.host_cr4, @last.host_efer: L1's then
 * @last.virq_mode: V_INTR_MASKING and V_GIF_ENABLE then
 * @last.int_ctl: what #VMEXIT left in int_ctl
 * @last.root: the shadow that @l2.root is of, NULL without nested paging
 * @window: pages of L1 that rAX named, by frame
 * @operand: rAX of the instruction that is being executed, in its effective address size
 * @insn: bytes of an instruction as #VMEXIT reports them, and how many; scratch of nsvm_reflect()
 * @map: the page of L1's MSR map
 * @smm_l2: an SMI came while L2 ran: RSM goes back to it
 * @smm_l1: L1's state meanwhile; meaningful with @smm_l2
 * @last_asid: ASID that the hardware's tag of @l2 was last used for
 *
 * Owner: vcpu->lock.  L1's own state stays in vcpu->l1 while L2 runs; that is
 * this implementation's host save area, so the page at VM_HSAVE_PA is not
 * written and nothing that L1 writes there is believed.
 */
struct nsvm {
	struct nested head;
	struct guest_run l2;
	struct vmcb12_snapshot snap;
	struct guest_run merged;
	u64 l1_rax, l1_rsp;
	struct pt_format fmt;
	u64 shadow_at;
	bool np;
	bool gif;
	bool probing;
	bool at_exit;
	u64 hsave_pa;
	u64 vm_cr;
	struct {
		bool good;
		struct l0_policy l0;
		u64 host_cr0, host_cr4, host_efer;
		u64 virq_mode;
		u64 int_ctl;
		struct shadow_root *root;
	} last;
	struct gmem_window window[NR_VMCB_WINDOWS], map;
	u64 operand;
	struct {
		u8 len;
		u8 bytes[15];
	} insn __aligned(8);
	bool smm_l2;
	struct parked_l1 smm_l1;
	u32 last_asid;
};

static inline struct nsvm *nsvm_of(struct nestor_vcpu *vcpu)
{
	return container_of(vcpu->nested, struct nsvm, head);
}

/* nsvm_l2_alloc() - what the backend needs for L2, which most processors never have: 0, or -ENOMEM; sleeps (frontend.c) */
int nsvm_l2_alloc(struct nestor_vcpu *vcpu);

/* The window for the page at @gpa, which it may or may not hold yet. */
static inline struct gmem_window *nsvm_window(struct nsvm *n, u64 gpa)
{
	return &n->window[(gpa / VMCB12_SIZE) % NR_VMCB_WINDOWS];
}

/* gif.c */
bool nsvm_gif(struct nestor_vcpu *vcpu);
void nsvm_set_gif(struct nestor_vcpu *vcpu, bool on);
/** nsvm_show_gif() - L1 is current: its run gets GIF where that is virtual */
static inline void nsvm_show_gif(struct nestor_vcpu *vcpu)
{
	struct guest_vintr *v = &vcpu->l1.vintr;
	bool gif = nsvm_of(vcpu)->gif;

	if (v->vgif && v->gif != gif) {
		v->gif = gif;
		vcpu->l1.ctl_dirty |= CTL_VINTR;
	}
}

void nsvm_change_vgif(struct nestor_vcpu *vcpu, bool on);

/** nsvm_use_vgif() - let L1's STGI and CLGI act without an exit, if the backend can */
static inline void nsvm_use_vgif(struct nestor_vcpu *vcpu, bool on)
{
	const struct guest_run *l1 = &vcpu->l1;
	u32 both = ICPT_STGI | ICPT_CLGI;

	on = on && hw_caps.vgif;
	if (likely(l1->vintr.vgif == on && (l1->intercept[ICPT_MISC2] & both) == (on ? 0 : both)))
		return;
	nsvm_change_vgif(vcpu, on);
}

bool nsvm_blocked(struct nestor_vcpu *vcpu, enum guest_event_type what);
/** nsvm_pull_vintr() - bring V_TPR, V_IRQ and V_GIF of the snapshot up to what L2's run has */
void nsvm_pull_vintr(struct nestor_vcpu *vcpu);
/** nsvm_set_l2_vgif() - L2's STGI or CLGI with virtual GIF that the hardware does not have */
void nsvm_set_l2_vgif(struct nestor_vcpu *vcpu, bool on);

/** nsvm_watch_iret() - does L0 wait for the IRET of an NMI handler? */
static inline bool nsvm_watch_iret(const struct nestor_vcpu *vcpu)
{
	return vcpu->ev.nmi_masked && !vcpu->ev.nmi_iret;
}

/*
 * snapshot.c: the only reader of vmcb12 (the page of @w, at @gpa) and its MSR map; -EFAULT, or
 * -EAGAIN when it would have to sleep and may not.
 *
 * nsvm_snapshot() copies all of it.  nsvm_snapshot_same() with @last.good reads all of it just the
 * same, but copies only what concerns events and RIP, RSP, RAX and RFLAGS; it returns 1 when
 * everything else is what the copy and L2's run hold, and 0 when it is not: then what was read counts
 * for nothing and a whole snapshot has to be taken.
 */
int nsvm_snapshot(struct nestor_vcpu *vcpu, const struct gmem_window *w, u64 gpa);
int nsvm_snapshot_same(struct nestor_vcpu *vcpu, const struct gmem_window *w, u64 gpa);

/* enter.c */
/** nsvm_vmrun() - VMRUN of the VMCB in the page of @w, at @gpa */
enum nested_result nsvm_vmrun(struct nestor_vcpu *vcpu, const struct gmem_window *w, u64 gpa,
			      u64 next_rip);
/** nsvm_leave() - L1 is current again, L2 is forgotten, nothing is written to vmcb12 */
void nsvm_leave(struct nestor_vcpu *vcpu);

/** nsvm_check_env() - what the checks depend on beside the snapshot, for L1 as it is now */
void nsvm_check_env(struct nestor_vcpu *vcpu, struct check_env *env);
/**
 * nsvm_resume_l2() - make L2 current with the registers of the snapshot; the general ones stay what they are
 * The snapshot was checked; L1 goes on as @vcpu->l1, nsvm.l1_rax and nsvm.l1_rsp say after the exit.
 */
void nsvm_resume_l2(struct nestor_vcpu *vcpu);

/* state.c: KVM_GET_NESTED_STATE and KVM_SET_NESTED_STATE */
int nsvm_get_state(struct nestor_vcpu *vcpu, struct kvm_nested_state *s);
int nsvm_set_state(struct nestor_vcpu *vcpu, const struct kvm_nested_state *s);

/* insn.c */
enum nested_result nsvm_insn(struct nestor_vcpu *vcpu);

/* PLAIN_LEN - without a prefix an SVM instruction has three bytes */
#define PLAIN_LEN	3

/** nsvm_plain() - L1 is current and has executed one without a prefix, in 64-bit mode; none of their common checks fails */
static __always_inline bool nsvm_plain(const struct nestor_vcpu *vcpu)
{
	const struct guest_run *run = &vcpu->l1;

	return likely((run->avail & GRP_CODE64) && run->code64 && !run->cpl &&
		      vcpu->cpuid.has_svm && (run->efer & X_EFER_SVME) &&
		      run->exit.next_rip - run->rip == PLAIN_LEN);
}

/** nsvm_plain_operand() - where nsvm_plain() is true: the page that rAX names, in its window *@w; false: none */
static __always_inline bool nsvm_plain_operand(struct nestor_vcpu *vcpu, struct gmem_window **w)
{
	u64 gpa = vcpu->gpr[REG_RAX];

	if (unlikely(gpa & ((VMCB12_SIZE - 1) | vcpu->cpuid.rsvd_gpa_bits)))
		return false;
	*w = nsvm_window(nsvm_of(vcpu), gpa);
	return likely(gmem_window_kept(vcpu, l1_gpa(gpa), true, *w));
}

/* quick.c */
bool nsvm_quick(struct nestor_vcpu *vcpu);

/* What VMLOAD makes of a base: the CPU takes it in canonical form only, and makes it so (APM vol. 3, "VMLOAD"). */
static __always_inline u64 vmls_canonical(u64 a)
{
	return (u64)((s64)(a << 16) >> 16);
}

/* And of the first word of a segment: attributes have 12 bits. */
static __always_inline u64 vmls_attrib(u64 word)
{
	static_assert(offsetof(struct vmcb12_seg, attrib) == 2);
	return word & ~0xf0000000ull;
}

/* nsvm_switch_back() - L1 gets its RAX and RSP back, which VMRUN took */
static inline void nsvm_switch_back(struct nestor_vcpu *vcpu)
{
	vcpu->gpr[REG_RAX] = nsvm_of(vcpu)->l1_rax;
	vcpu->gpr[REG_RSP] = nsvm_of(vcpu)->l1_rsp;
}

/* reflect.c */
/**
 * nsvm_reflect() - #VMEXIT: write L2's state to vmcb12 and go back to L1
 * @insn: the exit is an instruction's, so nRIP is reported
 * Return: NESTED_BY_L1, always: vcpu->run is &vcpu->l1.
 */
enum nested_who nsvm_reflect(struct nestor_vcpu *vcpu, u64 code, u64 info1, u64 info2, bool insn);
/** nsvm_invalid() - #VMEXIT(VMEXIT_INVALID) of a VMRUN that failed a check; L1 is current */
void nsvm_invalid(struct nestor_vcpu *vcpu, u64 gpa, u64 next_rip);

/**
 * nsvm_refused() - the CPU refused L2's state, which had passed the checks
 * Return: NESTED_BY_L1, or NESTED_NOT_YET when that may sleep and the caller must not
 */
enum nested_who nsvm_refused(struct nestor_vcpu *vcpu);

/* assist.c: what decode assists add, from the bytes at RIP when the CPU did not say */
u64 nsvm_assist_info1(struct nestor_vcpu *vcpu, u16 reason);
u64 nsvm_assist_string_io(struct nestor_vcpu *vcpu, u64 info1);
unsigned int nsvm_assist_bytes(struct nestor_vcpu *vcpu, u8 *bytes);
u64 nsvm_assist_next_rip(struct nestor_vcpu *vcpu);
/** nsvm_cr0_selective() - does this CR0 write change more than TS and MP? */
bool nsvm_cr0_selective(struct nestor_vcpu *vcpu);

/* exit.c, events.c, fault.c */
enum nested_who nsvm_l2_exit(struct nestor_vcpu *vcpu);
enum nested_who nsvm_l2_event(struct nestor_vcpu *vcpu, const struct guest_event *ev, u64 payload);
bool nsvm_l2_irq_open(struct nestor_vcpu *vcpu);
bool nsvm_l2_nmi_open(struct nestor_vcpu *vcpu);
bool nsvm_l2_wake(struct nestor_vcpu *vcpu);
enum nested_who nsvm_l2_due(struct nestor_vcpu *vcpu);
void nsvm_l2_ready(struct nestor_vcpu *vcpu, bool enter);
int nsvm_l2_virq(struct nestor_vcpu *vcpu, bool deliver);
enum nested_who nsvm_l2_fault(struct nestor_vcpu *vcpu, struct l1_gpa *gpa, bool *mmio);
enum nested_result nsvm_translate(struct nestor_vcpu *vcpu, struct l2_gpa from, u64 access,
				  struct l1_gpa *to);
/** nsvm_select_root() - point L2's run at the table it is to run on; -ENOMEM, or -EAGAIN: not without sleeping */
int nsvm_select_root(struct nestor_vcpu *vcpu);
/**
 * nsvm_same_root() - with L1's paging mode, nCR3 and ASID as they were, L2's run is at the right table
 * already
 */
bool nsvm_same_root(struct nestor_vcpu *vcpu);
/** nsvm_pt_format() - format of L1's nested page table as L1's mode has it */
void nsvm_pt_format(struct nestor_vcpu *vcpu, struct pt_format *fmt, u64 ncr3, u64 *root);
/** nsvm_pt_format_of() - the same for an L1 with these EFER and CR4 */
void nsvm_pt_format_of(struct nestor_vcpu *vcpu, u64 efer, u64 cr4, struct pt_format *fmt,
		       u64 ncr3, u64 *root);

/* tlb.c */
void nsvm_flush(struct nestor_vcpu *vcpu);
void nsvm_tlb_control(struct nestor_vcpu *vcpu);
void nsvm_invlpga(struct nestor_vcpu *vcpu, u64 addr, u32 asid);

/* smm.c */
void nsvm_smm(struct nestor_vcpu *vcpu, enum nested_smm how);

/* msr.c, caps.c */
bool nsvm_get_msr(struct nestor_vcpu *vcpu, u32 msr, u64 *val, bool host, bool *fault);
bool nsvm_set_msr(struct nestor_vcpu *vcpu, u32 msr, u64 val, bool host, bool *fault);
bool nsvm_feature_msr(u32 msr, u64 *val);
void nsvm_cpuid(struct kvm_cpuid_entry2 *e);

#endif
