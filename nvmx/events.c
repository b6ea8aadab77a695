// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events that L0 is about to deliver while L2 is current: L1's controls come first
 * (SDM vol. 3, "Other Causes of VM Exits", "Event Blocking").
 *
 * A window that L1 asked for and that is open comes before the event that would be
 * let in through it: NMI window, NMI, interrupt window, interrupt.
 */
#include "core/events.h"
#include "core/irq.h"
#include "core/x86.h"
#include "nvmx/exit_table.h"
#include "nvmx/nvmx.h"

#define VECTOR_DB	1
#define VECTOR_NMI	2
#define VECTOR_PF	14

/* DR6 bits that the exit qualification of a debug exception has */
#define QUAL_DB		0x1600full

static enum nested_who exception(struct nestor_vcpu *vcpu, const struct guest_event *ev,
				 u64 payload)
{
	struct nvmx *n = nvmx_of(vcpu);
	u64 qual = 0;

	if (!nvmx_want_exception(n->vmcs12, ev->vector, ev->error))
		return NESTED_BY_L0;
	/* It goes with the exit. */
	vcpu->ev.excp.pending = false;
	/* CR2 and DR6 are left alone: the qualification has what would go there. */
	if (ev->vector == VECTOR_PF)
		qual = payload;
	else if (ev->vector == VECTOR_DB)
		qual = payload & QUAL_DB;
	/* No processor's error code is wider than 16 bits; what a VMM queues may be. */
	return nvmx_reflect(vcpu, VMEXIT_EXCEPTION_NMI, qual, nvmx_event_encode(ev),
			    ev->has_error ? (u16)ev->error : 0);
}

/* Is L2 in a state that an NMI could be delivered in, as virtual NMIs go? */
static bool nmi_window_open(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (!(n->vmcs12->cpu_ctls & CPU_NMI_WINDOW) || n->l2.int_shadow)
		return false;
	run_need(&n->l2, GRP_ACTIVITY);
	return !n->l2.nmi_blocked;
}

static bool intr_window_open(struct nestor_vcpu *vcpu)
{
	const struct nvmx *n = nvmx_of(vcpu);

	return (n->vmcs12->cpu_ctls & CPU_INTR_WINDOW) && (n->l2.rflags & X_RFLAGS_IF) &&
	       !n->l2.int_shadow;
}

bool nvmx_window_open(struct nestor_vcpu *vcpu)
{
	return intr_window_open(vcpu) || nmi_window_open(vcpu);
}

static enum nested_who nmi(struct nestor_vcpu *vcpu)
{
	const struct guest_event ev = { .valid = true, .type = EVENT_NMI, .vector = VECTOR_NMI };
	const struct vmcs12 *v = nvmx_of(vcpu)->vmcs12;

	if (nmi_window_open(vcpu))
		return nvmx_reflect(vcpu, VMEXIT_NMI_WINDOW, 0, 0, 0);
	if (!(v->pin_ctls & PIN_NMI))
		return NESTED_BY_L0;
	nvmx_reflect(vcpu, VMEXIT_EXCEPTION_NMI, 0, nvmx_event_encode(&ev), 0);
	/* The exit took it, and blocks further ones until L1's IRET. */
	if (vcpu->ev.nmi_pending)
		vcpu->ev.nmi_pending--;
	vcpu->stats.nmis++;
	set_nmi_masked(vcpu, true);
	return NESTED_BY_L1;
}

/* With "acknowledge interrupt on exit" the vector goes with the exit; else it stays pending. */
static enum nested_who interrupt(struct nestor_vcpu *vcpu)
{
	const struct vmcs12 *v = nvmx_of(vcpu)->vmcs12;
	struct guest_event ev = { .valid = true, .type = EVENT_INTR };
	u32 info = 0;
	int vector;

	if (nmi_window_open(vcpu))
		return nvmx_reflect(vcpu, VMEXIT_NMI_WINDOW, 0, 0, 0);
	if (intr_window_open(vcpu))
		return nvmx_reflect(vcpu, VMEXIT_INTR_WINDOW, 0, 0, 0);
	if (!(v->pin_ctls & PIN_EXT_INTR))
		return NESTED_BY_L0;
	if (v->exit_ctls & EXIT_ACK_INTR) {
		vector = irq_ack(vcpu);
		if (vector < 0)
			return NESTED_BY_L0;
		if (nvmx_apic_notified(vcpu, vector)) {
			nvmx_activity_settle(vcpu);
			return NESTED_BY_L1;
		}
		ev.vector = vector;
		info = nvmx_event_encode(&ev);
		vcpu->stats.irqs++;
	}
	return nvmx_reflect(vcpu, VMEXIT_EXT_INTR, 0, info, 0);
}

static enum nested_who wanted(struct nestor_vcpu *vcpu, const struct guest_event *ev, u64 payload)
{
	switch (ev->type) {
	case EVENT_EXCEPTION:
	case EVENT_PRIV_EXCEPTION:
	case EVENT_SOFT_EXCEPTION:
		return exception(vcpu, ev, payload);
	case EVENT_NMI:
		return nmi(vcpu);
	case EVENT_INTR:
		return interrupt(vcpu);
	default:
		return NESTED_BY_L0;
	}
}

enum nested_who nvmx_l2_event(struct nestor_vcpu *vcpu, const struct guest_event *ev, u64 payload)
{
	enum nested_who who;

	if (ev->type == EVENT_SIPI)
		return nvmx_sipi(vcpu, ev->vector);
	if (!vcpu_in_l2(vcpu))
		return NESTED_BY_L0;
	if (ev->type == EVENT_INIT)
		return nvmx_init_event(vcpu);
	who = wanted(vcpu, ev, payload);
	/* Its handler runs, however soon the next exit comes. */
	if (who == NESTED_BY_L0 && ev->type != EVENT_SMI)
		nvmx_activity_delivers(vcpu);
	return who;
}

/*
 * Virtual NMIs leave the processor's own unblocked in L2; without them an exit is held
 * up by an NMI handler but not by an interrupt shadow, and a delivery by both.
 */
bool nvmx_l2_nmi_open(struct nestor_vcpu *vcpu)
{
	const struct nvmx *n = nvmx_of(vcpu);

	if (n->vmcs12->pin_ctls & PIN_VIRTUAL_NMI)
		return true;
	if (nmi_masked(vcpu))
		return false;
	return (n->vmcs12->pin_ctls & PIN_NMI) || !n->l2.int_shadow;
}

/* An exit to L1 is not held up by L2's IF; a delivery is. */
bool nvmx_l2_irq_open(struct nestor_vcpu *vcpu)
{
	const struct nvmx *n = nvmx_of(vcpu);

	if (n->vmcs12->pin_ctls & PIN_EXT_INTR)
		return true;
	return (n->l2.rflags & X_RFLAGS_IF) && !n->l2.int_shadow;
}
