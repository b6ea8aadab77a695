// SPDX-License-Identifier: GPL-2.0-only
/* vCPU state that is moved as a block: FPU, XCRs, MSRs, CPUID, local APIC, clocks. */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "core/cpuid.h"
#include "core/fpu.h"
#include "core/irq.h"
#include "core/lapic.h"
#include "core/msr.h"
#include "ioctl/ioctl.h"

static int get_fpu(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_fpu f;

	fpu_get_fpu(&vcpu->fpu, &f);
	return copy_to_user(argp, &f, sizeof(f)) ? -EFAULT : 0;
}

static int set_fpu(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_fpu f;

	if (copy_from_user(&f, argp, sizeof(f)))
		return -EFAULT;
	return fpu_set_fpu(&vcpu->fpu, &f);
}

static int get_xsave(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_xsave *x = kzalloc(sizeof(*x), GFP_KERNEL);
	int ret;

	if (!x)
		return -ENOMEM;
	fpu_get_xsave(&vcpu->fpu, x);
	ret = copy_to_user(argp, x, sizeof(*x)) ? -EFAULT : 0;
	kfree(x);
	return ret;
}

static int set_xsave(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_xsave *x = memdup_user(argp, sizeof(*x));
	int ret;

	if (IS_ERR(x))
		return PTR_ERR(x);
	ret = fpu_set_xsave(&vcpu->fpu, x);
	kfree(x);
	return ret;
}

static int get_xcrs(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_xcrs x = { };

	if (!fpu_supported_xcr0())
		return -EINVAL;
	x.nr_xcrs = 1;
	x.xcrs[0].value = vcpu->fpu.xcr0;
	return copy_to_user(argp, &x, sizeof(x)) ? -EFAULT : 0;
}

static int set_xcrs(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_xcrs x;
	u32 i;

	if (!fpu_supported_xcr0())
		return -EINVAL;
	if (copy_from_user(&x, argp, sizeof(x)))
		return -EFAULT;
	if (x.flags || x.nr_xcrs > KVM_MAX_XCRS)
		return -EINVAL;
	/* XCR0 is the only one there is; others may be named and say nothing. */
	for (i = 0; i < x.nr_xcrs; i++)
		if (x.xcrs[i].xcr == 0)
			return fpu_set_xcr0(vcpu, x.xcrs[i].value);
	return 0;
}

/* The number of MSRs done; the first that is refused ends it. */
static int each_msr(struct nestor_vcpu *vcpu, struct kvm_msr_entry *e, u32 nr, bool set)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		u64 val = 0;
		int ret;

		if (set) {
			ret = msr_set(vcpu, e[i].index, e[i].data, true);
		} else {
			ret = msr_get(vcpu, e[i].index, &val, true);
			e[i].data = val;
		}
		if (ret)
			break;
	}
	return i;
}

static int do_msrs(struct nestor_vcpu *vcpu, struct kvm_msrs __user *user, bool set)
{
	struct kvm_msr_entry *e;
	struct kvm_msrs head;
	int ret;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nmsrs > NESTOR_MAX_IO_MSRS)
		return -E2BIG;
	if (!head.nmsrs)
		return 0;
	e = memdup_user(user->entries, head.nmsrs * sizeof(*e));
	if (IS_ERR(e))
		return PTR_ERR(e);
	ret = each_msr(vcpu, e, head.nmsrs, set);
	if (!set && copy_to_user(user->entries, e, ret * sizeof(*e)))
		ret = -EFAULT;
	kfree(e);
	return ret;
}

static int set_cpuid(struct nestor_vcpu *vcpu, struct kvm_cpuid2 __user *user)
{
	struct kvm_cpuid_entry2 *e = NULL;
	struct kvm_cpuid2 head;
	int ret;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nent > NESTOR_MAX_CPUID_ENTRIES)
		return -E2BIG;
	if (head.nent) {
		e = vmemdup_user(user->entries, head.nent * sizeof(*e));
		if (IS_ERR(e))
			return PTR_ERR(e);
	}
	ret = cpuid_set(vcpu, e, head.nent);
	if (ret)
		kvfree(e);
	return ret;
}

static int get_cpuid(struct nestor_vcpu *vcpu, struct kvm_cpuid2 __user *user)
{
	u32 i, room, nr = vcpu->cpuid.nr;
	struct kvm_cpuid_entry2 e;

	if (get_user(room, &user->nent))
		return -EFAULT;
	/* A call that fails changes nothing, the count included. */
	if (room < nr)
		return -E2BIG;
	if (put_user(nr, &user->nent))
		return -EFAULT;
	for (i = 0; i < nr; i++) {
		e = vcpu->cpuid.entries[i];
		cpuid_dynamic(vcpu, &e);
		if (copy_to_user(&user->entries[i], &e, sizeof(e)))
			return -EFAULT;
	}
	return 0;
}

static int get_lapic(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_lapic_state *s;
	int ret;

	if (!vcpu->apic)
		return -EINVAL;
	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return -ENOMEM;
	ret = lapic_get_state(vcpu, s);
	if (!ret && copy_to_user(argp, s, sizeof(*s)))
		ret = -EFAULT;
	kfree(s);
	return ret;
}

static int set_lapic(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_lapic_state *s;
	int ret;

	if (!vcpu->apic)
		return -EINVAL;
	s = memdup_user(argp, sizeof(*s));
	if (IS_ERR(s))
		return PTR_ERR(s);
	ret = lapic_set_state(vcpu, s);
	kfree(s);
	return ret;
}

static int get_mp_state(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_mp_state s = { };

	/* INIT and SIPI that arrived count already, unless GIF holds them. */
	if (lapic_has_init_sipi(vcpu))
		lapic_accept_events(vcpu);
	s.mp_state = vcpu->mp_state;
	return copy_to_user(argp, &s, sizeof(s)) ? -EFAULT : 0;
}

static int set_mp_state(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_mp_state s;

	if (copy_from_user(&s, argp, sizeof(s)))
		return -EFAULT;
	switch (s.mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		break;
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_HALTED:
		/* Without a local APIC here nothing could wake it. */
		if (!vcpu->apic)
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}
	vcpu->mp_state = s.mp_state;
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

long vcpu_state_ioctl(struct nestor_vcpu *vcpu, unsigned int cmd, void __user *argp)
{
	switch (cmd) {
	case KVM_GET_FPU:
		return get_fpu(vcpu, argp);
	case KVM_SET_FPU:
		return set_fpu(vcpu, argp);
	case KVM_GET_XSAVE:
	case KVM_GET_XSAVE2:
		return get_xsave(vcpu, argp);
	case KVM_SET_XSAVE:
		return set_xsave(vcpu, argp);
	case KVM_GET_XCRS:
		return get_xcrs(vcpu, argp);
	case KVM_SET_XCRS:
		return set_xcrs(vcpu, argp);
	case KVM_GET_MSRS:
		return do_msrs(vcpu, argp, false);
	case KVM_SET_MSRS:
		return do_msrs(vcpu, argp, true);
	case KVM_SET_CPUID2:
		return set_cpuid(vcpu, argp);
	case KVM_GET_CPUID2:
		return get_cpuid(vcpu, argp);
	case KVM_GET_LAPIC:
		return get_lapic(vcpu, argp);
	case KVM_SET_LAPIC:
		return set_lapic(vcpu, argp);
	case KVM_GET_MP_STATE:
		return get_mp_state(vcpu, argp);
	case KVM_SET_MP_STATE:
		return set_mp_state(vcpu, argp);
	case KVM_GET_TSC_KHZ:
		return vcpu->vm->tsc_khz;
	case KVM_SET_TSC_KHZ:
		return tsc_set_khz(vcpu->vm, (unsigned long)argp);
	case KVM_KVMCLOCK_CTRL:
		return pvclock_paused(vcpu);
	}
	return -ENOIOCTLCMD;
}
