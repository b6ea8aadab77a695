// SPDX-License-Identifier: GPL-2.0-only
/* vCPU events, debugging, machine checks, and interrupts that the VMM injects. */
#include <linux/nestor.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include <asm/mce.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "core/events.h"
#include "core/guest_debug.h"
#include "core/irq.h"
#include "core/msr.h"
#include "core/nested_ops.h"
#include "core/smm.h"
#include "ioctl/ioctl.h"

#define EVENT_FLAGS	(KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR | \
			 KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM | \
			 KVM_VCPUEVENT_VALID_PAYLOAD | KVM_VCPUEVENT_VALID_TRIPLE_FAULT)
static void fold_nmi(struct nestor_vcpu *vcpu)
{
	if (vcpu_take_request(vcpu, REQ_NMI) && vcpu->ev.nmi_pending < 2)
		vcpu->ev.nmi_pending++;
}

static void get_exception(struct nestor_vcpu *vcpu, struct kvm_vcpu_events *e)
{
	const struct vcpu_exception *x = &vcpu->ev.excp;
	bool payload = vcpu->vm->exception_payload;

	e->exception.injected = x->injected;
	e->exception.pending = x->pending;
	e->exception.nr = x->vector;
	e->exception.has_error_code = x->has_error;
	e->exception.error_code = x->error;
	if (payload) {
		e->exception_has_payload = x->has_payload;
		e->exception_payload = x->payload;
		e->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	} else if (x->pending) {
		/* A VMM that knows no payloads takes a pending exception for injected. */
		e->exception.injected = 1;
	}
}

/*
 * Without payloads the VMM cannot bring CR2 or DR6 back later, so they have to be
 * in their registers before it reads them.
 */
static void settle_payload(struct nestor_vcpu *vcpu)
{
	struct vcpu_exception *x = &vcpu->ev.excp;
	struct guest_run *run = vcpu->run;

	if (vcpu->vm->exception_payload || !x->pending || !x->has_payload)
		return;
	if (x->vector == X86_TRAP_PF) {
		run->cr2 = x->payload;
		run_dirty(run, GRP_CR2);
	} else if (x->vector == X86_TRAP_DB) {
		run_need(run, GRP_DR);
		run->dr6 = (run->dr6 & ~0xfull) | x->payload;
		run_dirty(run, GRP_DR);
	}
	x->has_payload = false;
}

static void get_smi(struct nestor_vcpu *vcpu, struct kvm_vcpu_events *e)
{
	if (vcpu_take_request(vcpu, REQ_SMI))
		vcpu->smm.pending = true;
	e->smi.smm = vcpu->smm.active;
	e->smi.pending = vcpu->smm.pending;
	e->smi.smm_inside_nmi = vcpu->smm.nmi_was_masked;
	e->smi.latched_init = vcpu->apic && lapic_init_latched(vcpu);
	e->flags |= KVM_VCPUEVENT_VALID_SMM;
}

void events_get(struct nestor_vcpu *vcpu, struct kvm_vcpu_events *e)
{
	memset(e, 0, sizeof(*e));
	fold_nmi(vcpu);
	settle_payload(vcpu);
	get_exception(vcpu, e);
	e->interrupt.injected = vcpu->ev.intr.injected;
	/* One that L1 injected: an instruction's own is not kept, it runs again. */
	e->interrupt.soft = vcpu->ev.intr.injected && vcpu->ev.intr.soft;
	e->interrupt.nr = vcpu->ev.intr.vector;
	/* Some CPUs do not tell the two apart. */
	if (vcpu->run->int_shadow)
		e->interrupt.shadow = vcpu->run->mov_ss ? KVM_X86_SHADOW_INT_MOV_SS :
			KVM_X86_SHADOW_INT_STI | KVM_X86_SHADOW_INT_MOV_SS;
	e->nmi.injected = vcpu->ev.nmi_injected;
	e->nmi.pending = vcpu->ev.nmi_pending;
	e->nmi.masked = nmi_masked(vcpu);
	e->flags |= KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	get_smi(vcpu, e);
	if (vcpu->vm->triple_fault_event) {
		e->triple_fault.pending = test_bit(REQ_TRIPLE_FAULT, &vcpu->requests);
		e->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	}
}

static int get_events(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_vcpu_events e;

	events_get(vcpu, &e);
	return copy_to_user(argp, &e, sizeof(e)) ? -EFAULT : 0;
}

static int check_events(const struct nestor_vcpu *vcpu, const struct kvm_vcpu_events *e)
{
	if (e->flags & ~EVENT_FLAGS)
		return -EINVAL;
	if (memchr_inv(e->reserved, 0, sizeof(e->reserved)))
		return -EINVAL;
	if ((e->flags & KVM_VCPUEVENT_VALID_PAYLOAD) && !vcpu->vm->exception_payload)
		return -EINVAL;
	if ((e->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) && !vcpu->vm->triple_fault_event)
		return -EINVAL;
	if ((e->exception.injected || e->exception.pending) &&
	    (e->exception.nr > 31 || e->exception.nr == X86_TRAP_NMI))
		return -EINVAL;
	if ((e->flags & KVM_VCPUEVENT_VALID_PAYLOAD) && e->exception.injected &&
	    e->exception.pending)
		return -EINVAL;
	if (!(e->flags & KVM_VCPUEVENT_VALID_SMM))
		return 0;
	if ((e->smi.smm | e->smi.pending | e->smi.smm_inside_nmi | e->smi.latched_init) & ~1)
		return -EINVAL;
	/* INIT leaves the mode, and a processor that waits for SIPI takes no SMI. */
	if ((e->smi.smm || e->smi.pending) && vcpu->mp_state == KVM_MP_STATE_INIT_RECEIVED)
		return -EINVAL;
	return 0;
}

static void set_exception(struct nestor_vcpu *vcpu, const struct kvm_vcpu_events *e)
{
	bool payload = e->flags & KVM_VCPUEVENT_VALID_PAYLOAD;
	const struct vcpu_exception *x = &vcpu->ev.excp;
	/* Nested state may have said already that it is software's, for which there is no place here. */
	u8 type = e->exception.injected && x->injected && x->vector == e->exception.nr ? x->type : 0;

	vcpu->ev.excp = (struct vcpu_exception){
		.injected = e->exception.injected,
		.pending = payload && e->exception.pending,
		.vector = e->exception.nr,
		.type = type,
		.has_error = e->exception.has_error_code,
		.error = e->exception.error_code,
		.has_payload = payload && e->exception_has_payload,
		.payload = payload ? e->exception_payload : 0,
	};
}

static int set_smi(struct nestor_vcpu *vcpu, const struct kvm_vcpu_events *e)
{
	int ret = smm_set(vcpu, e->smi.smm);

	if (ret)
		return ret;
	vcpu->smm.pending = e->smi.pending;
	vcpu->smm.nmi_was_masked = e->smi.smm && e->smi.smm_inside_nmi;
	if (vcpu->apic)
		lapic_latch_init(vcpu, e->smi.smm && e->smi.latched_init);
	return 0;
}

int events_set(struct nestor_vcpu *vcpu, const struct kvm_vcpu_events *e)
{
	int ret = check_events(vcpu, e);

	if (ret)
		return ret;
	if (e->flags & KVM_VCPUEVENT_VALID_SMM) {
		ret = set_smi(vcpu, e);
		if (ret)
			return ret;
	}
	fold_nmi(vcpu);
	set_exception(vcpu, e);
	vcpu->ev.intr.injected = e->interrupt.injected;
	vcpu->ev.intr.soft = e->interrupt.injected && e->interrupt.soft;
	vcpu->ev.intr.vector = e->interrupt.nr;
	if (e->flags & KVM_VCPUEVENT_VALID_SHADOW) {
		vcpu->run->int_shadow = e->interrupt.shadow;
		vcpu->run->mov_ss = e->interrupt.shadow == KVM_X86_SHADOW_INT_MOV_SS;
	}
	vcpu->ev.nmi_injected = e->nmi.injected;
	vcpu->was_set = true;
	set_nmi_masked(vcpu, e->nmi.masked);
	if (e->flags & KVM_VCPUEVENT_VALID_NMI_PENDING)
		vcpu->ev.nmi_pending = min_t(u8, e->nmi.pending, 2);
	if (e->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) {
		if (e->triple_fault.pending)
			vcpu_request(vcpu, REQ_TRIPLE_FAULT);
		else
			clear_bit(REQ_TRIPLE_FAULT, &vcpu->requests);
	}
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

static int set_events(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_vcpu_events e;

	return copy_from_user(&e, argp, sizeof(e)) ? -EFAULT : events_set(vcpu, &e);
}

static int get_debugregs(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_debugregs d = { };

	memcpy(d.db, vcpu->dr, sizeof(d.db));
	dr_read(vcpu, 6, &d.dr6);
	dr_read(vcpu, 7, &d.dr7);
	return copy_to_user(argp, &d, sizeof(d)) ? -EFAULT : 0;
}

static int set_debugregs(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_debugregs d;
	unsigned int i;

	if (copy_from_user(&d, argp, sizeof(d)))
		return -EFAULT;
	if (d.flags || memchr_inv(d.reserved, 0, sizeof(d.reserved)))
		return -EINVAL;
	if (d.dr6 >> 32 || d.dr7 >> 32)
		return -EINVAL;
	for (i = 0; i < 4; i++)
		dr_write(vcpu, i, d.db[i]);
	dr_write(vcpu, 6, d.dr6);
	dr_write(vcpu, 7, d.dr7);
	return 0;
}

static int set_guest_debug(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_guest_debug d;

	if (copy_from_user(&d, argp, sizeof(d)))
		return -EFAULT;
	return guest_debug_set(vcpu, &d);
}

static int setup_mce(struct nestor_vcpu *vcpu, void __user *argp)
{
	unsigned int i, banks;
	u64 cap;

	if (copy_from_user(&cap, argp, sizeof(cap)))
		return -EFAULT;
	banks = cap & 0xff;
	if (!banks || banks > MCE_BANKS || (cap & ~(NESTOR_MCE_CAP | 0xff)))
		return -EINVAL;
	vcpu->msr.mcg_cap = cap;
	vcpu->msr.mcg_ctl = cap & MCG_CTL_P ? ~0ull : 0;
	for (i = 0; i < banks; i++)
		vcpu->mc_banks[i * 4] = ~0ull;
	return 0;
}

/* Machine-check bank: CTL, STATUS, ADDR, MISC */
static void record_mce(struct vcpu_msrs *m, const struct kvm_x86_mce *e, u64 *bank)
{
	bank[1] = e->status | (bank[1] & MCI_STATUS_VAL ? MCI_STATUS_OVER : 0);
	bank[2] = e->addr;
	bank[3] = e->misc;
	m->mcg_status = e->mcg_status;
}

/* APM "Machine Check Architecture": how errors are logged, and when they are reported. */
static int set_mce(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct vcpu_msrs *m = &vcpu->msr;
	struct kvm_x86_mce e;
	u64 *bank;

	if (copy_from_user(&e, argp, sizeof(e)))
		return -EFAULT;
	if (e.bank >= (m->mcg_cap & 0xff) || !(e.status & MCI_STATUS_VAL))
		return -EINVAL;
	bank = &vcpu->mc_banks[e.bank * 4];
	if (!(e.status & MCI_STATUS_UC)) {
		/* A corrected error never hides an uncorrected one. */
		if ((bank[1] & MCI_STATUS_VAL) && (bank[1] & MCI_STATUS_UC))
			bank[1] |= MCI_STATUS_OVER;
		else
			record_mce(m, &e, bank);
		return 0;
	}
	if (((m->mcg_cap & MCG_CTL_P) && m->mcg_ctl != ~0ull) || bank[0] != ~0ull)
		return 0;
	run_need(vcpu->run, GRP_CR);
	if ((m->mcg_status & MCG_STATUS_MCIP) || !(vcpu->run->cr4 & X86_CR4_MCE)) {
		vcpu_request(vcpu, REQ_TRIPLE_FAULT);
		return 0;
	}
	record_mce(m, &e, bank);
	queue_exception(vcpu, X86_TRAP_MC);
	return 0;
}

/*
 * The VAPIC page lets a VMM patch old guests so that they write their TPR to
 * memory.  It does so on reports of TPR accesses, which are never made here, so
 * the page stays unused: accepted, checked, and nothing to do.
 */
static int set_vapic(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_vapic_addr a;

	if (!vcpu->apic)
		return -EINVAL;
	if (copy_from_user(&a, argp, sizeof(a)))
		return -EFAULT;
	return a.vapic_addr & vcpu->cpuid.rsvd_gpa_bits ? -EINVAL : 0;
}

static int tpr_reporting(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_tpr_access_ctl c;

	if (copy_from_user(&c, argp, sizeof(c)))
		return -EFAULT;
	if (c.flags || c.enabled > 1)
		return -EINVAL;
	return 0;
}

static int user_interrupt(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_interrupt i;

	if (copy_from_user(&i, argp, sizeof(i)))
		return -EFAULT;
	return irq_user_queue(vcpu, i.irq);
}

static int user_nmi(struct nestor_vcpu *vcpu)
{
	queue_nmi(vcpu);
	return 0;
}

long vcpu_events_ioctl(struct nestor_vcpu *vcpu, unsigned int cmd, void __user *argp)
{
	switch (cmd) {
	case KVM_GET_VCPU_EVENTS:
		return get_events(vcpu, argp);
	case KVM_SET_VCPU_EVENTS:
		return set_events(vcpu, argp);
	case KVM_GET_DEBUGREGS:
		return get_debugregs(vcpu, argp);
	case KVM_SET_DEBUGREGS:
		return set_debugregs(vcpu, argp);
	case KVM_SET_GUEST_DEBUG:
		return set_guest_debug(vcpu, argp);
	case KVM_X86_SETUP_MCE:
		return setup_mce(vcpu, argp);
	case KVM_X86_SET_MCE:
		return set_mce(vcpu, argp);
	case KVM_SET_VAPIC_ADDR:
		return set_vapic(vcpu, argp);
	case KVM_TPR_ACCESS_REPORTING:
		return tpr_reporting(vcpu, argp);
	case KVM_INTERRUPT:
		return user_interrupt(vcpu, argp);
	case KVM_NMI:
		return user_nmi(vcpu);
	case KVM_SMI:
		queue_smi(vcpu);
		return 0;
	case NESTOR_GET_VERDICTS:
		return nested_get_verdicts(vcpu, argp);
	}
	return -ENOIOCTLCMD;
}
