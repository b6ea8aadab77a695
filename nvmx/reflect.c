// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM exit to L1 (SDM vol. 3, "VM Exits"): record the exit, save guest state, store
 * MSRs, load host state, load MSRs.
 *
 * It is the hot path's second half, so it writes what L1's exit handlers read and leaves
 * the rest of L2's registers where they are (sync.c).  Host state is written whole, since to
 * find out what L1 changed since the last exit would take as many reads; as long as its fields
 * stay the same the backend has it ready (hw_ops.note).
 */
#include "core/events.h"
#include "core/hw_ops.h"
#include "core/trace.h"
#include "core/x86.h"
#include "mmu/gva.h"
#include "mmu/mmu.h"
#include "nvmx/exit_table.h"
#include "nvmx/link.h"
#include "nvmx/qual.h"

#define VECTOR_DB		1
#define DR6_BS			BIT(14)
#define PENDING_DBG_BS		BIT(14)

/* VMX-abort indicators (SDM: "VMX Aborts") */
enum vmx_abort { ABORT_MSR_STORE = 1, ABORT_PDPTE = 2, ABORT_MSR_LOAD = 4 };

/* Written whole; the others are compared with what the entry found (nvmx_launch). */
#define HOST_GROUPS	(GRP_SEG | GRP_DTABLE | GRP_SYS | GRP_ACTIVITY)

static_assert(GRP_AGAIN == (HOST_GROUPS | GRP_PAT | GRP_LBR), "what hw_ops.note remembers");

/* L1's registers that host state seldom changes. */
struct nvmx_host_regs {
	u64 cr0, cr3, cr4, efer, dr7, debugctl;
};

/* The processor shuts down; only the region in memory tells why. */
static void vmx_abort(struct nestor_vcpu *vcpu, u32 code)
{
	struct nvmx *n = nvmx_of(vcpu);
	u64 at = n->current_ptr + offsetof(struct vmcs12, abort);

	n->vmcs12->abort = code;
	gmem_write(vcpu, l1_gpa(at), &code, sizeof(code));
	vcpu_request(vcpu, REQ_TRIPLE_FAULT);
}

/* L0's single step towards an NMI window is no business of L1's. */
static void end_nmi_step(struct nestor_vcpu *vcpu)
{
	if (likely(!vcpu->singlestep_nmi))
		return;
	vcpu->singlestep_nmi = false;
	if (!vcpu->singlestep_tf)
		vcpu->run->rflags &= ~X_RFLAGS_TF;
}

static bool pushes_next_rip(const struct guest_event *ev)
{
	return ev->type == EVENT_SOFT_INT || ev->type == EVENT_PRIV_EXCEPTION ||
	       ev->type == EVENT_SOFT_EXCEPTION;
}

/*
 * The event whose delivery was under way: L1 is to deliver it again.  L2's own INTn
 * is not among those that L0 would inject, since it would run again; L1 is told of it
 * all the same.
 */
static struct guest_event take_injected(struct nestor_vcpu *vcpu)
{
	const struct guest_exit *x = &vcpu->run->exit;
	struct guest_event ev = injected_event(vcpu);

	if (!ev.valid && nvmx_of(vcpu)->at_exit && x->reason != EXIT_SHUTDOWN)
		ev = x->vectoring;
	clear_injected(vcpu);
	vcpu->run->inject.valid = false;
	return ev;
}

static noinline void record_event(struct nestor_vcpu *vcpu, struct vmcs12 *v)
{
	struct guest_event ev = take_injected(vcpu);

	v->idt_vectoring_info = nvmx_event_encode(&ev);
	if (likely(!ev.valid))
		return;
	v->idt_vectoring_error = ev.error;
	/* What it pushes is where L2 goes on; the length says how far that is. */
	if (pushes_next_rip(&ev))
		v->exit_insn_len = (u32)(vcpu->run->next_rip - vcpu->run->rip);
}

static void record_vectoring(struct nestor_vcpu *vcpu, struct vmcs12 *v)
{
	if (unlikely(any_injected(vcpu) || vcpu->run->exit.vectoring.valid)) {
		record_event(vcpu, v);
		return;
	}
	vcpu->run->inject.valid = false;
	v->idt_vectoring_info = 0;
}

/*
 * An IRET that had unblocked NMIs and is to run again (SDM: "Information About NMI Unblocking Due
 * to IRET").  The saved state says that they are not blocked, and a bit of the exit that they
 * were: the qualification's comes from the CPU.
 */
static u32 note_unblocking(struct nestor_vcpu *vcpu, u32 intr_info)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (likely(!n->at_exit || !n->l2.exit.nmi_unblocked))
		return intr_info;
	run_need(&n->l2, GRP_ACTIVITY);
	n->l2.nmi_blocked = false;
	run_dirty(&n->l2, GRP_ACTIVITY);
	return intr_info & INTR_INFO_VALID ? intr_info | INTR_INFO_NMI_UNBLOCK : intr_info;
}

/*
 * Where NMIs exit and are not virtual, L2's IRET leaves blocking by NMI as the entry, or the
 * NMI that it injected, had made it (SDM: "Changes to Instruction Behavior in VMX Non-Root
 * Operation").  L0 has virtual NMIs on the CPU, with which IRET ends it.
 */
static void keep_blocking(struct nestor_vcpu *vcpu, bool injected)
{
	struct nvmx *n = nvmx_of(vcpu);
	const struct vmcs12 *v = n->vmcs12;

	if (likely((v->pin_ctls & (PIN_NMI | PIN_VIRTUAL_NMI)) != PIN_NMI) ||
	    !(injected || (v->guest_interruptibility & INTERRUPTIBILITY_NMI)))
		return;
	run_need(&n->l2, GRP_ACTIVITY);
	if (n->l2.nmi_blocked)
		return;
	n->l2.nmi_blocked = true;
	run_dirty(&n->l2, GRP_ACTIVITY);
}

/*
 * An exception that L2 raised and that nobody has delivered goes with its instruction, which
 * runs again; the trap of one that is done stays pending.
 */
static void take_pending(struct nestor_vcpu *vcpu)
{
	struct vcpu_exception *x = &vcpu->ev.excp;

	if (likely(!x->pending))
		return;
	if (x->vector == VECTOR_DB && (x->payload & DR6_BS)) {
		run_need(vcpu->run, GRP_ACTIVITY);
		vcpu->run->pending_dbg |= PENDING_DBG_BS;
	}
	x->pending = false;
}

static u32 exit_length(struct nestor_vcpu *vcpu)
{
	const struct guest_exit *x = &vcpu->run->exit;
	u64 len = x->next_rip - vcpu->run->rip;

	return likely(x->next_rip && len <= MAX_INSN_LEN) ? len : nvmx_exit_length(vcpu);
}

/* What only an exit of the CPU has; an event that L0 offered L1 has nothing of it. */
static void record_instruction(struct nestor_vcpu *vcpu, struct vmcs12 *v)
{
	const struct guest_exit *x = &vcpu->run->exit;
	u8 flags = nvmx_of(vcpu)->at_exit ? nvmx_exit_table[x->reason].flags : 0;

	v->exit_insn_len = flags & X_INSN ? exit_length(vcpu) : 0;
	v->exit_insn_info = flags & X_INFO ? x->insn_info : 0;
	if (flags & X_GLA)
		v->guest_linear_addr = x->gla;
}

static bool is_nmi(u64 info)
{
	return (info & INTR_INFO_VALID) && nvmx_event_decode(info, 0).type == EVENT_NMI;
}

static void record_exit(struct nestor_vcpu *vcpu, u32 reason, u64 qual, u32 intr_info, u32 error)
{
	struct vmcs12 *v = nvmx_of(vcpu)->vmcs12;
	bool nmi = is_nmi(v->entry_intr_info);

	v->exit_reason = reason;
	v->exit_qual = qual;
	v->exit_intr_info = intr_info;
	v->exit_error_code = error;
	record_instruction(vcpu, v);
	record_vectoring(vcpu, v);
	keep_blocking(vcpu, nmi && !is_nmi(v->idt_vectoring_info));
	/* The entry's event was taken or is in the vectoring information. */
	v->entry_intr_info &= ~(u64)INTR_INFO_VALID;
}

static void save_guest(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct guest_run *l2 = &n->l2;
	struct vmcs12 *v = n->vmcs12;
	u32 lazy = n->quick.on ? n->quick.lazy : nvmx_lazy_groups(v);
	u32 now = (n->quick.on ? n->quick.saved : nvmx_saved_groups(v)) & ~lazy;

	/* All that is looked at until L1 runs, in one go. */
	run_need(l2, now | VMCS12_HOT | GRP_CR2 | GRP_DR);
	nvmx_save_hot(v, l2);
	v->guest_rsp = vcpu->gpr[REG_RSP];
	nvmx_save_state(v, l2, now);
	n->lazy = lazy;
	/* What the checks of RIP go by at the next entry: only 64-bit code is up there. */
	if ((lazy & GRP_SEG) && l2->rip >> 32)
		v->guest_cs_ar |= VMCS_AR_L;
	if (n->caps.misc & MISC_STORE_LMA)
		v->entry_ctls = l2->efer & X_EFER_LMA ? v->entry_ctls | ENTRY_IA32E :
							v->entry_ctls & ~(u64)ENTRY_IA32E;
	v->guest_activity = n->activity;
}

/* Registers that VM entry and exit leave alone: what L2 left in them is L1's now. */
static void share_back(struct nestor_vcpu *vcpu)
{
	struct guest_run *l1 = &vcpu->l1, *l2 = &nvmx_of(vcpu)->l2;

	run_need(l1, GRP_CR2 | GRP_DR);
	run_share(l1, l2);
}

/* The registers that a VM exit gives L1 whole. */
static void load_whole(struct nestor_vcpu *vcpu, bool nmi_blocked)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct guest_run *l1 = &vcpu->l1;

	nvmx_host_segments(n->vmcs12, l1);
	l1->nmi_blocked = nmi_blocked;
	run_dirty(l1, HOST_GROUPS);
	if (hw_caps.again && !nmi_blocked) {
		hw->note(l1);
		n->host_noted = true;
	}
}

static noinline void load_host_afresh(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct guest_run *l1 = &vcpu->l1, *cur = vcpu->run;
	const struct vmcs12 *v = n->vmcs12;
	struct nvmx_host_regs was;
	struct nvmx_shared left;
	bool pat = v->exit_ctls & EXIT_LOAD_PAT;
	u32 groups = 0;

	run_need(l1, GRP_LBR);
	run_need(cur, pat ? GRP_CR | GRP_ACTIVITY : GRP_CR | GRP_ACTIVITY | GRP_PAT);
	left.cr0 = cur->cr0;
	left.efer = cur->efer;
	left.pat = cur->pat;
	if (!(l1->avail & GRP_PAT) || l1->pat != (pat ? v->host_pat : left.pat))
		groups |= GRP_PAT;
	was = (struct nvmx_host_regs){ l1->cr0, l1->cr3, l1->cr4, l1->efer, l1->dr7, l1->debugctl };
	nvmx_host_hot(v, &left, l1);
	if (!(l1->avail & GRP_CR) || was.cr0 != l1->cr0 || was.cr3 != l1->cr3 ||
	    was.cr4 != l1->cr4 || was.efer != l1->efer)
		groups |= GRP_CR;
	if (!(l1->avail & GRP_DR) || was.dr7 != l1->dr7)
		groups |= GRP_DR;
	if (was.debugctl != l1->debugctl)
		groups |= GRP_LBR;
	run_dirty(l1, groups);
	/* Virtual NMIs leave the processor's own unblocked while L2 runs. */
	load_whole(vcpu, cur->nmi_blocked && !(v->pin_ctls & PIN_VIRTUAL_NMI));
}

static void load_host(struct nestor_vcpu *vcpu)
{
	struct guest_run *l1 = &vcpu->l1;

	if (!nvmx_host_again(vcpu, false))
		load_host_afresh(vcpu);
	vcpu->gpr[REG_RSP] = nvmx_of(vcpu)->vmcs12->host_rsp;
	/* Without a VPID nothing cached survives a transition. */
	if (!(nvmx_cpu2(nvmx_of(vcpu)->vmcs12) & CPU2_VPID))
		l1->new_tag = true;
	vcpu->run = l1;
}

/* PAE paging: the PDPTEs come from memory, and bad ones end it all. */
static bool load_host_pdptes(struct nestor_vcpu *vcpu)
{
	struct guest_run *l1 = &vcpu->l1;

	if (!(l1->cr0 & X_CR0_PG) || !(l1->cr4 & X_CR4_PAE) || (l1->efer & X_EFER_LMA))
		return true;
	if (guest_load_pdptes(vcpu, l1->cr3, l1->pdpte))
		return false;
	run_dirty(l1, GRP_PDPTE);
	return true;
}

/* The second half of every VM exit, of those of failed entries, too. */
static void enter_host(struct nestor_vcpu *vcpu)
{
	const struct vmcs12 *v = nvmx_of(vcpu)->vmcs12;

	load_host(vcpu);
	nvmx_shadow_push(vcpu);
	vcpu->stats.nested_exits++;
	if (!load_host_pdptes(vcpu))
		vmx_abort(vcpu, ABORT_PDPTE);
	else if (v->exit_msr_load_count &&
		 nvmx_msrs_load(vcpu, v->exit_msr_load_addr, v->exit_msr_load_count))
		vmx_abort(vcpu, ABORT_MSR_LOAD);
}

/* Exits that read or write more of L1's memory than is at hand.  What can be done at once is done. */
static bool may_sleep(struct nestor_vcpu *vcpu)
{
	const struct nvmx *n = nvmx_of(vcpu);
	const struct vmcs12 *v = n->vmcs12;

	return v->exit_msr_store_count || v->exit_msr_load_count || n->timer.slept ||
	       !(v->exit_ctls & EXIT_HOST_64) || !nvmx_apic_store(vcpu);
}

enum nested_who nvmx_reflect(struct nestor_vcpu *vcpu, u32 reason, u64 qual, u32 intr_info,
			     u32 error_code)
{
	struct nvmx *n = nvmx_of(vcpu);
	const struct vmcs12 *v = n->vmcs12;

	if (vcpu->atomic && !n->quick.on && may_sleep(vcpu))
		return NESTED_NOT_YET;
	end_nmi_step(vcpu);
	if (!n->quick.on)
		nvmx_mtf_drop(vcpu);
	take_pending(vcpu);
	intr_info = note_unblocking(vcpu, intr_info);
	record_exit(vcpu, reason, qual, intr_info, error_code);
	save_guest(vcpu);
	if (!n->quick.on) {
		nvmx_apic_exit(vcpu);
		nvmx_timer_exit(vcpu, reason == VMEXIT_TIMER);
	}
	trace_nestor_nested_exit(vcpu, n->l2.rip, reason, qual, intr_info, v->idt_vectoring_info);
	if (v->exit_msr_store_count &&
	    nvmx_msrs_store(vcpu, v->exit_msr_store_addr, v->exit_msr_store_count)) {
		/* No host state is loaded; the processor is gone. */
		vcpu->run = &vcpu->l1;
		vmx_abort(vcpu, ABORT_MSR_STORE);
		return NESTED_BY_L1;
	}
	share_back(vcpu);
	enter_host(vcpu);
	return NESTED_BY_L1;
}

void nvmx_fail_entry(struct nestor_vcpu *vcpu, u32 reason, u64 qual)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct vmcs12 *v = n->vmcs12;

	v->exit_reason = reason | EXIT_REASON_ENTRY_FAILED;
	v->exit_qual = qual;
	trace_nestor_nested_exit(vcpu, 0, v->exit_reason, qual, 0, 0);
	clear_injected(vcpu);
	nvmx_apic_leave(vcpu);
	enter_host(vcpu);
}

/*
 * vmcs12 has passed the manual's checks, and this CPU has others: an L1 on it alone would see the
 * entry fail, and so does this one.  Its VM goes on, and guest state is what L1 wrote.
 */
enum nested_who nvmx_refused(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct vmcs12 *v = n->vmcs12;
	const struct guest_run *l2 = &n->l2;
	u64 timer = v->preemption_timer;

	if (vcpu->atomic)
		return NESTED_NOT_YET;
	pr_warn_ratelimited("vcpu %u: the CPU refused an L2: rip 0x%llx, cr0 0x%llx, cr3 0x%llx, cr4 0x%llx, efer 0x%llx, event 0x%llx\n",
			    vcpu->id, l2->rip, l2->cr0, l2->cr3, l2->cr4, l2->efer,
			    (u64)v->entry_intr_info);
	end_nmi_step(vcpu);
	nvmx_mtf_drop(vcpu);
	n->l2.inject.valid = false;
	nvmx_timer_exit(vcpu, false);
	v->preemption_timer = timer;
	/* An L2 that never ran was not launched. */
	if (vcpu->stats.exits - n->launch_exits <= 1)
		v->launched = false;
	share_back(vcpu);
	nvmx_fail_entry(vcpu, VMEXIT_BAD_GUEST_STATE, 0);
	return NESTED_BY_L1;
}
