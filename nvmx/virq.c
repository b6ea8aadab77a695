// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtual-interrupt delivery in software (SDM vol. 3, "Evaluation and Delivery of Virtual
 * Interrupts"), for CPUs that do not have it or that get it wrong.
 *
 * The CPU runs L2 with APIC-register virtualisation and without the delivery.  Writes that
 * it would act on exit as APIC writes, with the value in the page: EOI and ICR.  VTPR is
 * written without an exit; VPPR is a function of VTPR and SVI, so it is made when somebody looks at
 * it, and the CPU's TPR threshold says when VTPR no longer holds RVI back.  A recognised
 * interrupt is injected like any other as soon as L2's RFLAGS.IF and interrupt shadow let it
 * in, for which core asks (nested_ops.l2_virq).
 */
#include "mmu/mmu.h"
#include "nvmx/exit_table.h"
#include "nvmx/nvmx.h"
#include "nvmx/vapic.h"

#define ACCESS_OFFSET(q)	((q) & 0xfff)
#define ACCESS_TYPE(q)		((q) >> 12 & 0xf)
#define ACCESS_WRITE		1	/* linear, by an instruction */

/* "Interrupt-window exiting" keeps virtual interrupts from being recognised. */
static bool recognises(const struct nvmx *n)
{
	return n->apic.soft && !(n->vmcs12->cpu_ctls & CPU_INTR_WINDOW);
}

static void set_threshold(struct nvmx *n, u8 threshold)
{
	if (n->l2.vapic.threshold == threshold)
		return;
	n->l2.vapic.threshold = threshold;
	n->l2.ctl_dirty |= CTL_VAPIC;
}

void nvmx_virq_evaluate(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	u16 status = n->l2.vapic.status;

	if (!n->apic.soft)
		return;
	vapic_virtualize_ppr(n->apic.page, status);
	if (!recognises(n))
		return set_threshold(n, 0);
	set_threshold(n, vapic_held_by_tpr(n->apic.page, status));
	if (vapic_pending(n->apic.page, status))
		vcpu_request(vcpu, REQ_EVENT);
}

/* Nothing is delivered to a processor that is shut down or waits for a SIPI. */
static bool awake(const struct nvmx *n)
{
	return n->activity == ACTIVITY_ACTIVE || n->activity == ACTIVITY_HLT;
}

int nvmx_l2_virq(struct nestor_vcpu *vcpu, bool deliver)
{
	struct nvmx *n = nvmx_of(vcpu);
	int vector;

	if (!recognises(n) || !awake(n) || !vapic_pending(n->apic.page, n->l2.vapic.status))
		return -1;
	if (!deliver)
		return (u8)n->l2.vapic.status;
	vector = vapic_deliver(n->apic.page, &n->l2.vapic.status);
	n->activity = ACTIVITY_ACTIVE;
	nvmx_virq_evaluate(vcpu);
	return vector;
}

static bool apic_write(struct nestor_vcpu *vcpu, unsigned int reg)
{
	struct nvmx *n = nvmx_of(vcpu);
	enum vapic_access what;
	u8 vector = 0;

	what = vapic_write(n->vmcs12, n->apic.page, &n->l2.vapic.status, reg, &vector);
	if (what == VAPIC_NOT_VIRTUAL)
		return false;
	nvmx_virq_evaluate(vcpu);
	nvmx_apic_trapped(vcpu, what, vector);
	return true;
}

static void lend(struct nvmx *n, bool on)
{
	n->apic.lent = on;
	n->l2.vapic.regs = on;
	n->l2.ctl_dirty |= CTL_VAPIC;
}

/*
 * Without APIC-register virtualisation in vmcs12 the delivery still virtualises writes to EOI and to
 * the ICR.  The CPU has nothing that stops behind them alone: it runs the instruction again,
 * with the control on until the next exit, which is the one of that write.
 */
static bool try_lend(struct nvmx *n, u64 qual)
{
	unsigned int reg = ACCESS_OFFSET(qual);

	if ((nvmx_cpu2(n->vmcs12) & CPU2_APIC_REGS) || ACCESS_TYPE(qual) != ACCESS_WRITE ||
	    (reg != VAPIC_EOI && reg != VAPIC_ICR))
		return false;
	lend(n, true);
	return true;
}

bool nvmx_virq_exit(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	const struct guest_exit *x = &n->l2.exit;
	bool lent = n->apic.lent;

	if (lent)
		lend(n, false);
	switch (x->reason) {
	case EXIT_TPR_THRESHOLD:
		nvmx_virq_evaluate(vcpu);
		return true;
	case EXIT_APIC_WRITE:
		return apic_write(vcpu, ACCESS_OFFSET(x->qual));
	case EXIT_APIC_ACCESS:
		/* The CPU does not virtualise this form of it: too wide, or not aligned. */
		return !lent && try_lend(n, x->qual);
	default:
		return false;
	}
}
