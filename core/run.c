// SPDX-License-Identifier: GPL-2.0-only
/*
 * The run loop: deliver what waits, load the CPU, enter, unload, handle the exit;
 * sleep while halted; return to the VMM for what is its own.
 *
 * There are two loops, one in the other.  The guest's FPU and the backend's host state are loaded
 * in enter_guest(), with preemption off.  As long as no event waits and the exits are of a
 * kind that can be handled without sleeping, the inner loop (run_loaded) handles them and enters
 * again, with all of that still loaded: most nested exits end there.  Every other exit is
 * handled by the outer loop, unloaded, where everything may sleep.  A handler that finds in the inner
 * loop that it would have to sleep says so before it has changed anything, and
 * the outer loop calls it anew.
 *
 * The scheduler, RCU and signals are not kept waiting: each makes work pending, and
 * the inner loop looks for that before every entry.
 */
#include <linux/entry-kvm.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <linux/task_work.h>
#include <linux/uaccess.h>
#include <trace/events/ipi.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor-flags.h>

#include "core/compat.h"
#include "core/events.h"
#include "core/exits.h"
#include "core/guest_debug.h"
#include "core/host_work.h"
#include "core/hw_ops.h"
#include "core/lapic.h"
#include "core/msr.h"
#include "core/msr_filter.h"
#include "core/nested_ops.h"
#include "core/quick.h"
#include "core/run.h"
#include "core/smm.h"
#include "core/trace.h"
#include "core/turn.h"
#include "mmu/mmu.h"

static u64 host_tsc_aux(void)
{
	u64 val;

	rdmsrl(MSR_TSC_AUX, val);
	return val;
}

/*
 * TSC_AUX has no place in the hardware context: it is swapped while the vCPU is loaded.  A guest
 * that is not shown RDTSCP may still be able to execute it, and reads 0.
 */
static bool swap_tsc_aux(struct nestor_vcpu *vcpu, u64 *host)
{
	if (!boot_cpu_has(X86_FEATURE_RDTSCP))
		return false;
	*host = host_tsc_aux();
	if (*host == vcpu->msr.tsc_aux)
		return false;
	wrmsrl(MSR_TSC_AUX, vcpu->msr.tsc_aux);
	return true;
}

/* An event that was given to the CPU is delivered unless the exit says otherwise. */
static void after_exit(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;
	const struct guest_event *ev = &run->exit.vectoring;

	if (unlikely(vcpu->debug_tf))
		guest_debug_take_tf(vcpu);
	clear_injected(vcpu);
	if (unlikely(ev->valid)) {
		/* RIP is still at a software event's instruction: it runs again. */
		if (!event_is_soft(ev) || l2_soft_injected(vcpu, ev))
			requeue_event(vcpu, ev);
		/* An NMI for L2 may be L1's own injection, which masks none of L1's. */
		if (ev->type == EVENT_NMI && !vcpu_in_l2(vcpu) && !hw_caps.nmi_window)
			vcpu->ev.nmi_masked = true;
	}
	if (vcpu->ev.nmi_iret && run->rip != vcpu->ev.nmi_iret_rip) {
		vcpu->ev.nmi_iret = false;
		vcpu->ev.nmi_masked = false;
		vcpu_request(vcpu, REQ_EVENT);
	}
}

/*
 * TIF_NOTIFY_RESUME is set whenever a task with restartable sequences (any program of a recent C
 * library) was preempted.  That concerns its user-mode code alone and waits until it runs again;
 * task work and the throttling of a memory cgroup do not.
 */
static bool task_work_waits(void)
{
	if (task_work_pending(current))
		return true;
#ifdef CONFIG_MEMCG
	return current->memcg_nr_pages_over_high;
#else
	return false;
#endif
}

static bool entry_work_pending(void)
{
	unsigned long work = read_thread_flags() & XFER_TO_GUEST_MODE_WORK;

	if (likely(!work))
		return false;
	return work != _TIF_NOTIFY_RESUME || task_work_waits();
}

static void take_log(struct nestor_vcpu *vcpu)
{
	int idx = srcu_read_lock(&vcpu->vm->srcu);

	mmu_log_writes(vcpu);
	srcu_read_unlock(&vcpu->vm->srcu, idx);
}

/* true: the guest was entered and left; @once: after its first exit, whichever that is */
static __always_inline bool switch_worlds(struct nestor_vcpu *vcpu, bool once)
{
	guard_l1(vcpu);
	local_irq_disable();
	WRITE_ONCE(vcpu->mode, VCPU_IN_GUEST);
	/* Pairs with vcpu_kick: publish the mode, then look at the requests. */
	smp_mb();
	if (unlikely(READ_ONCE(vcpu->requests) || entry_work_pending())) {
		WRITE_ONCE(vcpu->mode, VCPU_OUTSIDE);
		local_irq_enable();
		return false;
	}
	if (unlikely(vcpu->immediate_exit))
		smp_send_reschedule(vcpu->cpu);
	current->flags |= PF_VCPU;
	enter_quick(vcpu, once);
	/* Before anybody may think that the guest was left (mmu_log_settle). */
	if (unlikely(vcpu->run->log_nr))
		take_log(vcpu);
	WRITE_ONCE(vcpu->mode, VCPU_OUTSIDE);
	/* A tick that ended the guest is the guest's time. */
	local_irq_enable();
	current->flags &= ~PF_VCPU;
	return true;
}

/* The same while somebody waits for this vCPU to let go of what he changes. */
static noinline bool switch_let_go(struct nestor_vcpu *vcpu)
	__must_hold(&vcpu->vm->srcu)
{
	bool entered;

	srcu_read_unlock(&vcpu->vm->srcu, vcpu->srcu_idx);
	entered = switch_worlds(vcpu, true);
	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->srcu);
	return entered;
}

/* What became of a stretch with the CPU loaded. */
enum stretch {
	NOT_ENTERED,	/* the next entry did not take place; nothing waits to be handled */
	EXIT_WAITS,	/* the last exit has to be handled by the outer loop */
	EXIT_DONE,	/* it was handled; events have to be looked at by the outer loop */
};

/* Enter the guest, and again after each exit that can be handled right here. */
static enum stretch run_loaded(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;
	enum run_action action;

	for (;;) {
		/* One who comes later makes a request, and this entry is none or short. */
		bool let_go = atomic_read(&vcpu->vm->writers);

		pv_eoi_before(vcpu);
		if (!(unlikely(let_go) ? switch_let_go(vcpu) : switch_worlds(vcpu, false)))
			return NOT_ENTERED;
		vcpu->stats.world_switches++;
		vcpu->stats.exits++;
		run = vcpu->run;
		after_exit(vcpu);
		trace_nestor_exit(vcpu);
		if (!pv_eoi_after(vcpu, false))
			return EXIT_WAITS;
		vcpu->atomic = true;
		action = handle_exit_atomic(vcpu);
		vcpu->atomic = false;
		if (action != RESUME_GUEST)
			return EXIT_WAITS;
		if (!events_settled(vcpu))
			return EXIT_DONE;
		if (vcpu->run != run) {
			run = vcpu->run;
			if (unlikely(hw->change(run)))
				return EXIT_DONE;
		}
		load_tpr(vcpu);
	}
}

static enum stretch enter_guest(struct nestor_vcpu *vcpu)
{
	enum stretch end;
	u64 host_aux;
	bool aux;

	fpu_load(&vcpu->fpu);
	if (hw->load(vcpu->run)) {
		/* This CPU goes offline or the machine goes down: run elsewhere, if ever. */
		fpu_unload(&vcpu->fpu);
		cond_resched();
		return NOT_ENTERED;
	}
	WRITE_ONCE(vcpu->cpu, smp_processor_id());
	aux = swap_tsc_aux(vcpu, &host_aux);
	pagefault_disable();
	end = run_loaded(vcpu);
	pagefault_enable();
	if (aux)
		wrmsrl(MSR_TSC_AUX, host_aux);
	hw->unload(vcpu->run);
	WRITE_ONCE(vcpu->cpu, -1);
	fpu_unload(&vcpu->fpu);
	return end;
}

static enum run_action run_once(struct nestor_vcpu *vcpu)
{
	enum run_action action = handle_requests(vcpu);
	enum stretch end;

	if (action != RESUME_GUEST || vcpu->mp_state != KVM_MP_STATE_RUNNABLE)
		return action;
	action = deliver_events(vcpu);
	/* An event may have been all that a halted L2 was woken for. */
	if (action != RESUME_GUEST || vcpu->mp_state != KVM_MP_STATE_RUNNABLE)
		return action;
	load_tpr(vcpu);
	end = enter_guest(vcpu);
	pv_eoi_after(vcpu, true);
	switch (end) {
	case EXIT_WAITS:
		return handle_exit(vcpu);
	case NOT_ENTERED:
		guest_debug_take_tf(vcpu);
		vcpu->run->inject.valid = false;
		if (vcpu_in_l2(vcpu))
			nested->l2_ready(vcpu, false);
		return RESUME_GUEST;
	default:
		return RESUME_GUEST;
	}
}

static bool vcpu_runnable(struct nestor_vcpu *vcpu)
{
	switch (vcpu->mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		return true;
	case KVM_MP_STATE_HALTED:
		return has_wake_event(vcpu);
	default:
		return lapic_has_init_sipi(vcpu);
	}
}

static void sleep_until_wake(struct nestor_vcpu *vcpu)
	__must_hold(&vcpu->vm->srcu)
{
	srcu_read_unlock(&vcpu->vm->srcu, vcpu->srcu_idx);
	prepare_to_rcuwait(&vcpu->wait);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (vcpu_runnable(vcpu) || signal_pending(current) ||
		    (READ_ONCE(vcpu->requests) & ~(1ul << REQ_EVENT)))
			break;
		schedule();
	}
	finish_rcuwait(&vcpu->wait);
	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->srcu);
}

/* vcpu_runnable() above may look at memory of interrupt controllers only; nothing in it sleeps. */
static enum run_action block(struct nestor_vcpu *vcpu)
{
	sleep_until_wake(vcpu);
	if (lapic_has_init_sipi(vcpu))
		lapic_accept_events(vcpu);
	if (vcpu->mp_state == KVM_MP_STATE_HALTED && has_wake_event(vcpu)) {
		vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
		/* RSM may go back to sleep. */
		vcpu->smm.halted = smm_waiting(vcpu);
	}
	return handle_requests(vcpu);
}

/*
 * Between entries: let others run; -EINTR for a signal.  Task work is done here and not on a way to user mode and
 * back: Linux 6.12 makes some every 100 ms, and a new KVM_RUN counts as the VMM's turn (mmu_outside).
 */
static int between_entries(struct nestor_vcpu *vcpu)
{
	int r;

	if (likely(!entry_work_pending()))
		return 0;
	srcu_read_unlock(&vcpu->vm->srcu, vcpu->srcu_idx);
	r = host_work();
	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->srcu);
	if (r)
		vcpu->kvm_run->exit_reason = KVM_EXIT_INTR;
	return r;
}

/* The VMM's own interrupt controller asked to be told when it may inject. */
static bool user_window_open(struct nestor_vcpu *vcpu)
{
	return irq_user_window(vcpu) && can_take_irq(vcpu);
}

/* What KVM_RUN says when it does not enter again. */
static int leave_errno(struct nestor_vcpu *vcpu, enum run_action action)
{
	if (likely(action == EXIT_USER))
		return 0;
	vcpu->kvm_run->exit_reason = KVM_EXIT_UNKNOWN;
	if (action == NO_MEMORY)
		return -ENOMEM;
	return vcpu->vm->dead ? -EIO : -EFAULT;
}

static int run_loop(struct nestor_vcpu *vcpu)
{
	enum run_action action;
	int r;

	for (;;) {
		action = vcpu->mp_state == KVM_MP_STATE_RUNNABLE ? run_once(vcpu) : block(vcpu);
		if (action <= EXIT_USER)
			return leave_errno(vcpu, action);
		if (user_window_open(vcpu)) {
			vcpu->kvm_run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
			return 0;
		}
		r = between_entries(vcpu);
		if (r)
			return r;
	}
}

/* What the VMM reads beside the exit. */
static void fill_kvm_run(struct nestor_vcpu *vcpu)
{
	struct kvm_run *kr = vcpu->kvm_run;

	kr->if_flag = !!(vcpu->run->rflags & X86_EFLAGS_IF);
	kr->cr8 = cr8_read(vcpu);
	kr->apic_base = vcpu->msr.apic_base;
	kr->flags = vcpu->smm.active ? KVM_RUN_X86_SMM : 0;
	kr->ready_for_interrupt_injection = irq_ready_for_user(vcpu) && can_take_irq(vcpu);
}

static int finish_user_exit(struct nestor_vcpu *vcpu)
{
	if (!vcpu->completion.finish)
		return 1;
	switch (vcpu->completion.finish(vcpu)) {
	case RESUME_GUEST:
		return 1;
	case EXIT_USER:
		return 0;
	default:
		return -EFAULT;
	}
}

int vcpu_run(struct nestor_vcpu *vcpu)
{
	struct kvm_run *kr = vcpu->kvm_run;
	int r;

	if (vcpu->vm->dead)
		return -EIO;
	if (unlikely(vcpu->was_set) && vcpu_check_set(vcpu))
		return -EINVAL;
	use_log(vcpu);
	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->srcu);
	if (!vcpu->vm->lapic_in_kernel && cr8_write(vcpu, kr->cr8 & 0xf)) {
		r = -EINVAL;
		goto out;
	}
	r = finish_user_exit(vcpu);
	if (r > 0) {
		/* An exit that this call completed stays readable in kvm_run. */
		r = compat_immediate_exit(kr) ? -EINTR : run_loop(vcpu);
	}
	fill_kvm_run(vcpu);
out:
	srcu_read_unlock(&vcpu->vm->srcu, vcpu->srcu_idx);
	return r;
}
