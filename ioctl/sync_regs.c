// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_CAP_SYNC_REGS: registers in struct kvm_run, so that a VMM that looks at them at every exit
 * needs no ioctls.  The page is shared and hostile: each part is copied before it is checked.
 */
#include <linux/string.h>

#include "ioctl/ioctl.h"

int sync_regs_in(struct nestor_vcpu *vcpu, u64 show)
{
	struct kvm_run *kr = vcpu->kvm_run;
	u64 dirty = READ_ONCE(kr->kvm_dirty_regs);
	union {
		struct kvm_regs regs;
		struct kvm_sregs sregs;
		struct kvm_vcpu_events events;
	} copy;
	int ret = 0;

	if ((show | dirty) & ~(u64)KVM_SYNC_X86_VALID_FIELDS)
		return -EINVAL;
	if (dirty & KVM_SYNC_X86_REGS) {
		memcpy(&copy.regs, &kr->s.regs.regs, sizeof(copy.regs));
		ret = regs_set(vcpu, &copy.regs);
	}
	if (!ret && (dirty & KVM_SYNC_X86_SREGS)) {
		memcpy(&copy.sregs, &kr->s.regs.sregs, sizeof(copy.sregs));
		ret = sregs_set(vcpu, &copy.sregs);
	}
	if (!ret && (dirty & KVM_SYNC_X86_EVENTS)) {
		memcpy(&copy.events, &kr->s.regs.events, sizeof(copy.events));
		ret = events_set(vcpu, &copy.events);
	}
	if (!ret)
		kr->kvm_dirty_regs = 0;
	return ret;
}

void sync_regs_out(struct nestor_vcpu *vcpu, u64 show)
{
	struct kvm_sync_regs *s = &vcpu->kvm_run->s.regs;

	if (show & KVM_SYNC_X86_REGS)
		regs_get(vcpu, &s->regs);
	if (show & KVM_SYNC_X86_SREGS)
		sregs_get(vcpu, &s->sregs);
	if (show & KVM_SYNC_X86_EVENTS)
		events_get(vcpu, &s->events);
}
