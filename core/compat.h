/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernel versions, in one place; nothing else looks at LINUX_VERSION_CODE. */
#ifndef NESTOR_CORE_COMPAT_H
#define NESTOR_CORE_COMPAT_H

#include <linux/eventfd.h>
#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <linux/syscore_ops.h>
#include <linux/version.h>

/* KVM_SET_USER_MEMORY_REGION2 came in 6.8; VMMs built since then may insist on it. */
#ifndef KVM_SET_USER_MEMORY_REGION2
#define KVM_CAP_USER_MEMORY2		231
struct kvm_userspace_memory_region2 {
	__u32 slot;
	__u32 flags;
	__u64 guest_phys_addr;
	__u64 memory_size;
	__u64 userspace_addr;
	__u64 guest_memfd_offset;
	__u32 guest_memfd;
	__u32 pad1;
	__u64 pad2[14];
};
#define KVM_SET_USER_MEMORY_REGION2 \
	_IOW(KVMIO, 0x49, struct kvm_userspace_memory_region2)
#endif

/* eventfd_signal() lost its count in 6.8. */
static inline void compat_eventfd_signal(struct eventfd_ctx *ctx)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	eventfd_signal(ctx);
#else
	eventfd_signal(ctx, 1);
#endif
}

/* hrtimer_init() and the assignment of .function became hrtimer_setup() in 6.13. */
static inline void compat_hrtimer_setup(struct hrtimer *timer,
					enum hrtimer_restart (*fn)(struct hrtimer *),
					enum hrtimer_mode mode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(timer, fn, CLOCK_MONOTONIC, mode);
#else
	hrtimer_init(timer, CLOCK_MONOTONIC, mode);
	timer->function = fn;
#endif
}

/*
 * COMPAT_SYSCORE() - hooks of the boot CPU's suspend and resume.  They got an
 * argument in 6.19 and in stable updates of older kernels, so Kbuild looks at
 * the header and not at the version.
 */
#ifdef COMPAT_SYSCORE_DATA
#define COMPAT_SYSCORE(name, suspend_fn, resume_fn)				\
	static int name##_suspend(void *data) { return suspend_fn(); }		\
	static void name##_resume(void *data) { resume_fn(); }			\
	static const struct syscore_ops name##_ops = {				\
		.suspend = name##_suspend,					\
		.resume = name##_resume,					\
	};									\
	static struct syscore name = { .ops = &name##_ops }
#define compat_register_syscore		register_syscore
#define compat_unregister_syscore	unregister_syscore
#else
#define COMPAT_SYSCORE(name, suspend_fn, resume_fn)				\
	static struct syscore_ops name = {					\
		.suspend = suspend_fn,						\
		.resume = resume_fn,						\
	}
#define compat_register_syscore		register_syscore_ops
#define compat_unregister_syscore	unregister_syscore_ops
#endif

/*
 * A kernel that crashes turns VMX and SVM off on each CPU before it starts its successor; one
 * with callbacks asks the hypervisor to do it, others do it themselves.
 */
#ifdef COMPAT_EMERGENCY
#include <asm/reboot.h>
#define compat_emergency_register	cpu_emergency_register_virt_callback
#define compat_emergency_unregister	cpu_emergency_unregister_virt_callback
#else
static inline void compat_emergency_register(void (*fn)(void))
{
}

static inline void compat_emergency_unregister(void (*fn)(void))
{
}
#endif

/* xfer_to_guest_mode_handle_work() lost its vCPU in 6.18. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
#define compat_guest_mode_work(vcpu)	xfer_to_guest_mode_handle_work()
#else
#define compat_guest_mode_work(vcpu)	xfer_to_guest_mode_handle_work(vcpu)
#endif

/* The page is shared with the VMM, which may write the byte at any time. */
static inline bool compat_immediate_exit(const struct kvm_run *run)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	return READ_ONCE(run->immediate_exit__unsafe);
#else
	return READ_ONCE(run->immediate_exit);
#endif
}

#endif
