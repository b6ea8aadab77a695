// SPDX-License-Identifier: GPL-2.0-only
/*
 * The frontend "none": L1 sees no virtualisation extension.  Every instruction
 * of one is #UD, every MSR of one is unknown, and no L2 ever exists.
 */
#include <linux/slab.h>

#include "core/exits.h"
#include "core/nested_ops.h"

static int none_vcpu_init(struct nestor_vcpu *vcpu)
{
	vcpu->nested = kzalloc(sizeof(*vcpu->nested), GFP_KERNEL_ACCOUNT);
	if (!vcpu->nested)
		return -ENOMEM;
	vcpu->nested->ops = &no_nested_ops;
	return 0;
}

static void none_vcpu_free(struct nestor_vcpu *vcpu)
{
	kfree(vcpu->nested);
	vcpu->nested = NULL;
}

static void none_reset(struct nestor_vcpu *vcpu, bool init)
{
}

static bool none_quick(struct nestor_vcpu *vcpu)
{
	return false;
}

static enum nested_result none_insn(struct nestor_vcpu *vcpu)
{
	const struct guest_exit *x = &vcpu->run->exit;

	return x->reason == EXIT_VMX_INSN && x->index == INSN_VMCALL ? hypercall(vcpu) : NESTED_UD;
}

static enum nested_who none_l2_exit(struct nestor_vcpu *vcpu)
{
	return NESTED_BY_L0;
}

static enum nested_who none_l2_fault(struct nestor_vcpu *vcpu, struct l1_gpa *gpa, bool *mmio)
{
	*gpa = l1_gpa(vcpu->run->exit.info2);
	*mmio = true;
	return NESTED_BY_L0;
}

static enum nested_who none_l2_event(struct nestor_vcpu *vcpu, const struct guest_event *ev,
				     u64 payload)
{
	return NESTED_BY_L0;
}

static bool none_l2_irq_open(struct nestor_vcpu *vcpu)
{
	return (vcpu->run->rflags & BIT(9)) && !vcpu->run->int_shadow;
}

static bool none_l2_wake(struct nestor_vcpu *vcpu)
{
	return false;
}

static enum nested_who none_l2_due(struct nestor_vcpu *vcpu)
{
	return NESTED_BY_L0;
}

static void none_l2_ready(struct nestor_vcpu *vcpu, bool enter)
{
}

static int none_l2_virq(struct nestor_vcpu *vcpu, bool deliver)
{
	return -1;
}

static bool none_l2_nmi_open(struct nestor_vcpu *vcpu)
{
	return !vcpu->run->int_shadow;
}

static bool none_blocked(struct nestor_vcpu *vcpu, enum guest_event_type what)
{
	return false;
}

static void none_flush(struct nestor_vcpu *vcpu)
{
}

static bool none_get_msr(struct nestor_vcpu *vcpu, u32 msr, u64 *val, bool host, bool *fault)
{
	return false;
}

static bool none_set_msr(struct nestor_vcpu *vcpu, u32 msr, u64 val, bool host, bool *fault)
{
	return false;
}

static bool none_feature_msr(u32 msr, u64 *val)
{
	return false;
}

static void none_cpuid(struct kvm_cpuid_entry2 *e)
{
	switch (e->function) {
	case 1:
		e->ecx &= ~BIT(5);		/* VMX */
		break;
	case 0x80000001:
		e->ecx &= ~(BIT(2) | BIT(12));	/* SVM, SKINIT */
		break;
	case 0x8000000a:
		e->eax = 0;
		e->ebx = 0;
		e->ecx = 0;
		e->edx = 0;
		break;
	}
}

static void none_smm(struct nestor_vcpu *vcpu, enum nested_smm how)
{
}

static enum nested_result none_translate(struct nestor_vcpu *vcpu, struct l2_gpa from,
					 u64 access, struct l1_gpa *to)
{
	*to = l1_gpa(from.a);
	return NESTED_OK;
}

static int none_get_state(struct nestor_vcpu *vcpu, struct kvm_nested_state *s)
{
	return -EINVAL;
}

static int none_set_state(struct nestor_vcpu *vcpu, const struct kvm_nested_state *s)
{
	return -EINVAL;
}

const struct nested_ops no_nested_ops = {
	.name = "none",
	.atomic = true,
	.vcpu_init = none_vcpu_init,
	.vcpu_free = none_vcpu_free,
	.reset = none_reset,
	.insn = none_insn,
	.quick = none_quick,
	.l2_exit = none_l2_exit,
	.l2_fault = none_l2_fault,
	.l2_event = none_l2_event,
	.l2_irq_open = none_l2_irq_open,
	.l2_nmi_open = none_l2_nmi_open,
	.l2_wake = none_l2_wake,
	.l2_due = none_l2_due,
	.l2_ready = none_l2_ready,
	.l2_virq = none_l2_virq,
	.blocked = none_blocked,
	.flush = none_flush,
	.get_msr = none_get_msr,
	.set_msr = none_set_msr,
	.feature_msr = none_feature_msr,
	.cpuid = none_cpuid,
	.get_state = none_get_state,
	.set_state = none_set_state,
	.smm = none_smm,
	.translate = none_translate,
};
