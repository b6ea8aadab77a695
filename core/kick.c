// SPDX-License-Identifier: GPL-2.0-only
/*
 * Talking to a running vCPU.  The thread publishes VCPU_IN_GUEST and then looks
 * at its requests; others set a request and then look at the mode.  One of the
 * two always sees the other (each side has a full barrier between).
 */
#include <linux/cpumask.h>
#include <linux/smp.h>
#include <linux/trace_events.h>
#include <trace/events/ipi.h>

#include "core/vcpu.h"

/*
 * Interrupts are off from VCPU_IN_GUEST on, so any interrupt that arrives then
 * ends the guest (or keeps it from starting).
 */
void vcpu_kick(struct nestor_vcpu *vcpu)
{
	int cpu;

	rcuwait_wake_up(&vcpu->wait);

	preempt_disable();
	if (cmpxchg(&vcpu->mode, VCPU_IN_GUEST, VCPU_EXITING) == VCPU_IN_GUEST) {
		cpu = READ_ONCE(vcpu->cpu);
		if (cpu >= 0 && cpu != smp_processor_id())
			smp_send_reschedule(cpu);
	}
	preempt_enable();
}

static void ack_kick(void *unused)
{
}

void vm_request_all(struct nestor_vm *vm, unsigned int req, bool wait)
{
	struct nestor_vcpu *vcpu;
	cpumask_var_t cpus;
	int i, cpu;
	bool have_mask;

	have_mask = zalloc_cpumask_var(&cpus, GFP_ATOMIC);
	preempt_disable();
	vm_for_each_vcpu(i, vcpu, vm) {
		vcpu_request(vcpu, req);
		smp_mb__after_atomic();
		if (!wait) {
			vcpu_kick(vcpu);
			continue;
		}
		if (READ_ONCE(vcpu->mode) == VCPU_OUTSIDE)
			continue;
		cpu = READ_ONCE(vcpu->cpu);
		if (have_mask && cpu >= 0)
			cpumask_set_cpu(cpu, cpus);
	}
	if (wait) {
		/* An answered IPI means that the guest was left since the request. */
		if (have_mask)
			smp_call_function_many(cpus, ack_kick, NULL, true);
		else
			smp_call_function(ack_kick, NULL, true);
	}
	preempt_enable();
	if (have_mask)
		free_cpumask_var(cpus);
}

void vm_wait_readers(struct nestor_vm *vm)
{
	atomic_inc(&vm->writers);
	/* A vCPU that did not see that sees the request, or is seen in the guest. */
	smp_mb__after_atomic();
	vm_request_all(vm, REQ_KICK, false);
	synchronize_srcu_expedited(&vm->srcu);
	atomic_dec(&vm->writers);
}

void vm_flush_tlbs(struct nestor_vm *vm)
{
	vm_request_all(vm, REQ_TLB_FLUSH, true);
}
