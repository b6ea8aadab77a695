// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a vCPU's interrupts come from, in the order in which they are taken:
 * ExtINT (the PIC, or what the VMM queued with KVM_INTERRUPT in its place) and
 * then the local APIC.
 *
 *	irqchip		ExtINT			local APIC
 *	none		KVM_INTERRUPT		the VMM's, through KVM_INTERRUPT
 *	split		KVM_INTERRUPT		in the kernel
 *	full		in the kernel		in the kernel
 */
#include "core/irqchip.h"
#include "core/lapic.h"

static bool extint_pending(struct nestor_vcpu *vcpu)
{
	struct pic *pic = vm_pic(vcpu->vm);

	if (!(pic ? pic_output(pic) : vcpu->user_irq != 0))
		return false;
	return lapic_accepts_pic(vcpu);
}

bool irq_pending(struct nestor_vcpu *vcpu)
{
	return extint_pending(vcpu) || lapic_pending(vcpu) >= 0;
}

int irq_ack(struct nestor_vcpu *vcpu)
{
	struct pic *pic = vm_pic(vcpu->vm);
	int vector;

	if (extint_pending(vcpu)) {
		if (!pic) {
			vector = vcpu->user_irq - 1;
			vcpu->user_irq = 0;
			return vector;
		}
		vector = pic_ack(pic);
		if (vector >= 0)
			return vector;
		/* Another vCPU was faster. */
	}
	vector = lapic_pending(vcpu);
	if (vector >= 0)
		lapic_ack(vcpu, vector);
	return vector;
}

int irq_user_queue(struct nestor_vcpu *vcpu, u32 vector)
{
	if (vector > 255)
		return -EINVAL;
	if (vm_pic(vcpu->vm))
		return -ENXIO;
	if (vcpu->user_irq)
		return -EEXIST;
	vcpu->user_irq = vector + 1;
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

int irq_user_pending(struct nestor_vcpu *vcpu)
{
	return vcpu->user_irq - 1;
}

bool irq_ready_for_user(struct nestor_vcpu *vcpu)
{
	if (vm_pic(vcpu->vm))
		return true;
	return !vcpu->user_irq && lapic_accepts_pic(vcpu);
}

bool irq_user_window(struct nestor_vcpu *vcpu)
{
	return READ_ONCE(vcpu->kvm_run->request_interrupt_window) && !vm_pic(vcpu->vm) &&
	       irq_ready_for_user(vcpu);
}
