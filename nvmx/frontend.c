// SPDX-License-Identifier: GPL-2.0-only
/* The frontend's table, and the life of its per-vCPU state. */
#include <linux/slab.h>

#include "core/hw_ops.h"
#include "mmu/mmu.h"
#include "nvmx/msr.h"

static int nvmx_vcpu_init(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = kvzalloc(sizeof(*n), GFP_KERNEL_ACCOUNT);

	if (!n)
		return -ENOMEM;
	n->head.ops = &nvmx_ops;
	n->l2.vcpu = vcpu;
	n->l2.gpr = vcpu->gpr;
	n->l2.sys = &n->l2.sys_own;
	/* No entry or exit of VT-x switches these. */
	n->l2.msrs = vcpu->l1.msrs;
	n->l2.root = mmu_root(vcpu->vm);
	n->l2.ctl_dirty = CTL_ALL;
	n->current_ptr = NO_VMCS;
	nvmx_init_caps(n);
	/* Before the first failure: vcpu_free() then sees all that there is. */
	nvmx_timer_init(&n->timer);
	vcpu->nested = &n->head;
	n->vmcs12 = kzalloc(sizeof(*n->vmcs12), GFP_KERNEL_ACCOUNT);
	n->incoming = kzalloc(sizeof(*n->incoming), GFP_KERNEL_ACCOUNT);
	return n->vmcs12 && n->incoming ? 0 : -ENOMEM;
}

int nvmx_l2_alloc(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (n->l2.hw)
		return 0;
	return nvmx_apic_init(&n->apic) ?: hw->run_alloc(&n->l2);
}

/* What was current is lost with the processor, as with any. */
static void nvmx_vcpu_free(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	nvmx_timer_free(&n->timer);
	hw->run_free(&n->l2);
	vcpu->nested = NULL;
	nvmx_apic_free(&n->apic);
	kfree(n->incoming);
	kfree(n->vmcs12);
	kvfree(n);
}

/*
 * RESET and INIT (SDM vol. 3, "Initialization Overview"): out of VMX operation;
 * INIT spares IA32_FEATURE_CONTROL.  The capability MSRs are the VMM's.
 */
static void nvmx_reset(struct nestor_vcpu *vcpu, bool init)
{
	struct nvmx *n = nvmx_of(vcpu);

	nvmx_leave(vcpu);
	nvmx_vmcs_flush(vcpu);
	nvmx_root_off(vcpu);
	memset(&n->smm, 0, sizeof(n->smm));
	if (!init)
		n->feature_control = 0;
	/* The next owner of the tags must find nothing of this one. */
	n->l2.flush = true;
}

/* Interrupts and NMIs of L1 are held back by its own flags alone, and by an L2 that does not run. */
static bool nvmx_blocked(struct nestor_vcpu *vcpu, enum guest_event_type what)
{
	if (what == EVENT_INIT && nvmx_of(vcpu)->vmxon && !vcpu_in_l2(vcpu))
		return true;
	return nvmx_activity_blocks(vcpu, what);
}

/* Saved and restored: what cannot be made from the others. */
static const u32 msrs[] = {
	MSR_FEATURE_CONTROL, VMXMSR_BASIC, VMXMSR_TRUE_PIN, VMXMSR_TRUE_CPU, VMXMSR_TRUE_EXIT,
	VMXMSR_TRUE_ENTRY, VMXMSR_MISC, VMXMSR_CR0_FIXED0, VMXMSR_CR4_FIXED0, VMXMSR_VMCS_ENUM,
	VMXMSR_CPU2, VMXMSR_EPT_VPID, VMXMSR_VMFUNC,
};

static const u32 feature_msrs[] = {
	VMXMSR_BASIC, VMXMSR_PIN, VMXMSR_CPU, VMXMSR_EXIT, VMXMSR_ENTRY, VMXMSR_MISC,
	VMXMSR_CR0_FIXED0, VMXMSR_CR0_FIXED1, VMXMSR_CR4_FIXED0, VMXMSR_CR4_FIXED1,
	VMXMSR_VMCS_ENUM, VMXMSR_CPU2, VMXMSR_EPT_VPID, VMXMSR_TRUE_PIN, VMXMSR_TRUE_CPU,
	VMXMSR_TRUE_EXIT, VMXMSR_TRUE_ENTRY, VMXMSR_VMFUNC,
};

static bool nvmx_insn_quick(struct nestor_vcpu *vcpu)
{
	return false;
}

const struct nested_ops nvmx_ops = {
	.name = "vmx",
	.atomic = true,
	.ext = NESTED_EXT_VMX,
	.msrs = msrs,
	.nr_msrs = ARRAY_SIZE(msrs),
	.feature_msrs = feature_msrs,
	.nr_feature_msrs = ARRAY_SIZE(feature_msrs),
	.vcpu_init = nvmx_vcpu_init,
	.vcpu_free = nvmx_vcpu_free,
	.reset = nvmx_reset,
	.insn = nvmx_insn,
	.quick = nvmx_insn_quick,
	.turn = nvmx_turn,
	.l2_exit = nvmx_l2_exit,
	.l2_fault = nvmx_l2_fault,
	.l2_event = nvmx_l2_event,
	.l2_irq_open = nvmx_l2_irq_open,
	.l2_nmi_open = nvmx_l2_nmi_open,
	.l2_wake = nvmx_l2_wake,
	.l2_due = nvmx_l2_due,
	.l2_ready = nvmx_l2_ready,
	.l2_virq = nvmx_l2_virq,
	.blocked = nvmx_blocked,
	.flush = nvmx_flush,
	.get_msr = nvmx_get_msr,
	.set_msr = nvmx_set_msr,
	.feature_msr = nvmx_feature_msr,
	.cpuid = nvmx_cpuid,
	.state_size = sizeof(struct kvm_vmx_nested_state_data),
	.get_state = nvmx_get_state,
	.set_state = nvmx_set_state,
	.smm = nvmx_smm,
	.tsc_moved = nvmx_tsc_moved,
	.translate = nvmx_translate,
};
