// SPDX-License-Identifier: GPL-2.0-only
/*
 * Activity states of L2 (SDM vol. 3, "Guest Non-Register State").  They are software's: a
 * processor that does not run gives its host CPU away, and a SHUTDOWN or wait-for-SIPI
 * state never reaches the hardware, where it would be the host's.
 *
 * What each state lets through ("Event Blocking", "Activity State" in "VM Entries"):
 *
 *	HLT		interrupts, their windows, NMIs, INIT, pending debug exceptions, virtual interrupts, the timer
 *	SHUTDOWN	NMIs, INIT, the timer
 *	wait-for-SIPI	SIPI
 */
#include "core/lapic.h"
#include "nvmx/checks.h"
#include "nvmx/exit_table.h"
#include "nvmx/nvmx.h"

static bool inactive(const struct nestor_vcpu *vcpu)
{
	return vcpu_in_l2(vcpu) && vcpu->mp_state == KVM_MP_STATE_HALTED;
}

static void sleep(struct nestor_vcpu *vcpu, u8 activity)
{
	struct nvmx *n = nvmx_of(vcpu);

	/* Whatever wakes it is looked for where nothing can be fetched. */
	run_need(&n->l2, GRP_ACTIVITY);
	n->activity = activity;
	vcpu->mp_state = KVM_MP_STATE_HALTED;
	/* The preemption timer counts in every state but wait-for-SIPI. */
	if (activity != ACTIVITY_WAIT_FOR_SIPI)
		nvmx_timer_halt(vcpu);
}

/* There is no wait with these: the #DB comes before anything else. */
static bool debug_pending(const struct vmcs12 *v)
{
	return v->guest_pending_dbg & (PENDING_DBG_ENABLED | PENDING_DBG_BS | PENDING_DBG_RTM);
}

void nvmx_activity_enter(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	const struct vmcs12 *v = n->vmcs12;

	/* An event that is injected wakes it ("VM Entries and Activity State"). */
	if (v->entry_intr_info & INTR_INFO_VALID)
		n->activity = ACTIVITY_ACTIVE;
	else if (v->guest_activity == ACTIVITY_ACTIVE ||
		 (v->guest_activity == ACTIVITY_HLT && debug_pending(v)))
		n->activity = ACTIVITY_ACTIVE;
	else
		sleep(vcpu, v->guest_activity);
}

/* Woken for the timer or a window it did not get as far as an instruction, nor into a handler. */
static bool still_asleep(const struct nvmx *n)
{
	switch (n->l2.exit.reason) {
	case EXIT_PREEMPTION_TIMER:
		return true;
	case EXIT_VINTR:
	case EXIT_NMI_WINDOW:
	/* The host's own, which may come first. */
	case EXIT_INTR:
	case EXIT_NMI:
		return n->l2.rip == n->asleep_at;
	default:
		return false;
	}
}

void nvmx_activity_ran(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (n->activity != ACTIVITY_ACTIVE && !still_asleep(n))
		n->activity = ACTIVITY_ACTIVE;
}

void nvmx_activity_delivers(struct nestor_vcpu *vcpu)
{
	if (nvmx_of(vcpu)->activity == ACTIVITY_HLT)
		nvmx_of(vcpu)->activity = ACTIVITY_ACTIVE;
}

void nvmx_activity_halt(struct nestor_vcpu *vcpu)
{
	if (vcpu->vm->lapic_in_kernel)
		sleep(vcpu, ACTIVITY_HLT);
}

void nvmx_activity_settle(struct nestor_vcpu *vcpu)
{
	if (nvmx_of(vcpu)->activity != ACTIVITY_ACTIVE && !nvmx_l2_wake(vcpu))
		vcpu->mp_state = KVM_MP_STATE_HALTED;
}

bool nvmx_activity_blocks(struct nestor_vcpu *vcpu, enum guest_event_type what)
{
	if (!inactive(vcpu))
		return false;
	switch (nvmx_of(vcpu)->activity) {
	case ACTIVITY_SHUTDOWN:
		return what == EVENT_INTR;
	case ACTIVITY_WAIT_FOR_SIPI:
		return true;
	default:
		return false;
	}
}

static bool sipi_waits(const struct nestor_vcpu *vcpu)
{
	return vcpu->apic && test_bit(APIC_EV_SIPI, &vcpu->apic->events);
}

bool nvmx_l2_wake(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	n->asleep_at = n->l2.rip;
	switch (n->activity) {
	case ACTIVITY_HLT:
		return nvmx_mtf_wakes(n) || nvmx_window_open(vcpu) ||
		       nvmx_apic_wakes(vcpu) || nvmx_timer_wakes(vcpu);
	case ACTIVITY_SHUTDOWN:
		return nvmx_timer_wakes(vcpu);
	case ACTIVITY_WAIT_FOR_SIPI:
		return sipi_waits(vcpu);
	default:
		return false;
	}
}

/*
 * In VMX operation a SIPI is for a processor that waits for one and for no other: there
 * it is a VM exit, anywhere else it is lost.
 */
enum nested_who nvmx_sipi(struct nestor_vcpu *vcpu, u8 vector)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (!n->vmxon)
		return NESTED_BY_L0;
	if (vcpu_in_l2(vcpu) && n->activity == ACTIVITY_WAIT_FOR_SIPI) {
		vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
		nvmx_reflect(vcpu, VMEXIT_SIPI, vector, 0, 0);
	}
	return NESTED_BY_L1;
}

/* The exit is what the INIT did; it does not wait for L1 to leave VMX operation. */
enum nested_who nvmx_init_event(struct nestor_vcpu *vcpu)
{
	if (!vcpu_in_l2(vcpu))
		return NESTED_BY_L0;
	if (vcpu->apic)
		clear_bit(APIC_EV_INIT, &vcpu->apic->events);
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
	return nvmx_reflect(vcpu, VMEXIT_INIT, 0, 0, 0);
}
