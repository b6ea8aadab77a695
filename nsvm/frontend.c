// SPDX-License-Identifier: GPL-2.0-only
/* The frontend's table, and the life of its per-vCPU state. */
#include <linux/slab.h>

#include "core/hw_ops.h"
#include "mmu/mmu.h"
#include "nsvm/nsvm.h"

static void forget(struct nsvm *n)
{
	n->gif = true;
	n->hsave_pa = 0;
	n->vm_cr = 0;
	n->np = false;
	n->last_asid = 0;
	n->smm_l2 = false;
	n->last.good = false;
	n->last.root = NULL;
	memset(&n->snap, 0, sizeof(n->snap));
}

static int nsvm_vcpu_init(struct nestor_vcpu *vcpu)
{
	struct nsvm *n = kvzalloc(sizeof(*n), GFP_KERNEL_ACCOUNT);

	if (!n)
		return -ENOMEM;
	n->head.ops = &nsvm_ops;
	n->l2.vcpu = vcpu;
	n->l2.gpr = vcpu->gpr;
	n->l2.sys = vcpu->l1.sys;
	n->l2.msrs = vcpu->l1.msrs;
	n->l2.root = mmu_root(vcpu->vm);
	n->l2.ctl_dirty = CTL_ALL;
	forget(n);
	vcpu->nested = &n->head;
	return 0;
}

int nsvm_l2_alloc(struct nestor_vcpu *vcpu)
{
	struct guest_run *l2 = &nsvm_of(vcpu)->l2;

	return l2->hw ? 0 : hw->run_alloc(l2);
}

static void nsvm_vcpu_free(struct nestor_vcpu *vcpu)
{
	struct nsvm *n = nsvm_of(vcpu);

	hw->run_free(&n->l2);
	vcpu->nested = NULL;
	kvfree(n);
}

/* INIT and power-on: the processor is L1's again, GIF is set (APM: "Processor Initialization State"). */
static void nsvm_reset(struct nestor_vcpu *vcpu, bool init)
{
	nsvm_leave(vcpu);
	nsvm_use_vgif(vcpu, false);
	forget(nsvm_of(vcpu));
	/* The next owner of the tags must find nothing of this one. */
	nsvm_of(vcpu)->l2.flush = true;
}

static const u32 msrs[] = { MSR_SVM_VM_HSAVE_PA };

const struct nested_ops nsvm_ops = {
	.name = "svm",
	.atomic = true,
	.ext = NESTED_EXT_SVM,
	.msrs = msrs,
	.nr_msrs = ARRAY_SIZE(msrs),
	.vcpu_init = nsvm_vcpu_init,
	.vcpu_free = nsvm_vcpu_free,
	.reset = nsvm_reset,
	.insn = nsvm_insn,
	.quick = nsvm_quick,
	.l2_exit = nsvm_l2_exit,
	.l2_fault = nsvm_l2_fault,
	.l2_event = nsvm_l2_event,
	.l2_irq_open = nsvm_l2_irq_open,
	.l2_nmi_open = nsvm_l2_nmi_open,
	.l2_wake = nsvm_l2_wake,
	.l2_due = nsvm_l2_due,
	.l2_ready = nsvm_l2_ready,
	.l2_virq = nsvm_l2_virq,
	.blocked = nsvm_blocked,
	.flush = nsvm_flush,
	.get_msr = nsvm_get_msr,
	.set_msr = nsvm_set_msr,
	.feature_msr = nsvm_feature_msr,
	.cpuid = nsvm_cpuid,
	.state_size = sizeof(struct kvm_svm_nested_state_data),
	.get_state = nsvm_get_state,
	.set_state = nsvm_set_state,
	.smm = nsvm_smm,
	.translate = nsvm_translate,
};
