// SPDX-License-Identifier: GPL-2.0-only
/*
 * What others ask of a vCPU (enum vcpu_request), done before its next entry.
 */
#include "core/events.h"
#include "core/irq.h"
#include "core/msr.h"
#include "core/msr_filter.h"
#include "core/nested_ops.h"
#include "core/run.h"

static enum run_action handle_ioapic_eoi(struct nestor_vcpu *vcpu)
{
	u8 vector;

	if (!irq_take_ioapic_eoi(vcpu, &vector))
		return RESUME_GUEST;
	vcpu->kvm_run->exit_reason = KVM_EXIT_IOAPIC_EOI;
	vcpu->kvm_run->eoi.vector = vector;
	return EXIT_USER;
}

static void handle_tlb_flush(struct nestor_vcpu *vcpu)
{
	vcpu->stats.tlb_flushes++;
	vcpu->l1.flush = true;
	/* L2's run draws on the same memory, be it current or not. */
	nested->flush(vcpu);
}

static enum run_action handle_triple_fault(struct nestor_vcpu *vcpu)
{
	struct guest_exit *x = &vcpu->run->exit;

	if (vcpu_in_l2(vcpu)) {
		x->reason = EXIT_SHUTDOWN;
		x->info1 = 0;
		x->info2 = 0;
		if (nested->l2_exit(vcpu) == NESTED_BY_L1)
			return RESUME_GUEST;
	}
	vcpu_reset(vcpu, true);
	vcpu->kvm_run->exit_reason = KVM_EXIT_SHUTDOWN;
	return EXIT_USER;
}

/* A change of memory slots kicks us and waits: let go of the old ones. */
static void relax_srcu(struct nestor_vcpu *vcpu)
{
	srcu_read_unlock(&vcpu->vm->srcu, vcpu->srcu_idx);
	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->srcu);
}

void use_log(struct nestor_vcpu *vcpu)
{
	if (likely(vcpu->l1.log == READ_ONCE(vcpu->vm->cpu_log)))
		return;
	vcpu->l1.log = true;
	vcpu->l1.root_ad = true;
	vcpu->l1.ctl_dirty |= CTL_ROOT | CTL_INTERCEPTS;
	vcpu->l1.flush = true;
	nested->flush(vcpu);
}

enum run_action handle_requests(struct nestor_vcpu *vcpu)
{
	if (likely(!READ_ONCE(vcpu->requests)))
		return RESUME_GUEST;
	if (vcpu_take_request(vcpu, REQ_DEAD))
		return VM_DEAD;
	if (vcpu_take_request(vcpu, REQ_KICK))
		relax_srcu(vcpu);
	vcpu_take_request(vcpu, REQ_EVENT);
	if (vcpu_take_request(vcpu, REQ_TLB_FLUSH))
		handle_tlb_flush(vcpu);
	if (vcpu_take_request(vcpu, REQ_ROOT))
		use_log(vcpu);
	vcpu_take_request(vcpu, REQ_TSC);
	if (vcpu_take_request(vcpu, REQ_MSR_FILTER))
		msr_filter_apply(vcpu);
	if (vcpu_take_request(vcpu, REQ_CLOCK))
		pvclock_update(vcpu);
	if (vcpu_take_request(vcpu, REQ_APIC_EVENTS) && vcpu->apic)
		lapic_accept_events(vcpu);
	if (vcpu_take_request(vcpu, REQ_TRIPLE_FAULT))
		return handle_triple_fault(vcpu);
	if (vcpu_take_request(vcpu, REQ_IOAPIC_EOI))
		return handle_ioapic_eoi(vcpu);
	return RESUME_GUEST;
}
