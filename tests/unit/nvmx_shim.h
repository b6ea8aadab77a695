/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Just enough of the kernel for files of nvmx/ that work on a virtual processor: core/vcpu.h and
 * the <linux/...> headers on the way are replaced by this one (see the Makefile).  What they
 * call is the test's.
 */
#ifndef NESTOR_TESTS_NVMX_SHIM_H
#define NESTOR_TESTS_NVMX_SHIM_H

#include <string.h>
#include <linux/kvm.h>

#include "core/guest_run.h"
#include "core/pure.h"
#include "core/verdict.h"

#define __user

/* Time is the test's: its TSC, and a clock that counts the same ticks. */
typedef s64 ktime_t;
enum hrtimer_restart { HRTIMER_NORESTART };
struct hrtimer {
	ktime_t at;
	bool armed, tried;
	enum hrtimer_restart (*fires)(struct hrtimer *t);
};
enum { HRTIMER_MODE_ABS_HARD };
extern u64 shim_tsc;
#define rdtsc()				shim_tsc
#define tsc_khz				1000000u
#define U32_MAX				(~0u)
#define ktime_get()			((ktime_t)shim_tsc)
#define ktime_add_ns(k, ns)		((ktime_t)((k) + (ns)))
#define mul_u64_u32_div(a, m, d)	((u64)(a) * (m) / (d))
#define hrtimer_start(t, when, mode)	((t)->at = (when), (t)->armed = true)
#define hrtimer_active(t)		((t)->armed)
#define hrtimer_cancel(t)		((t)->armed = false)
#define hrtimer_try_to_cancel(t)	((t)->armed = false, (t)->tried = true)
#define compat_hrtimer_setup(t, fn, mode) ((t)->fires = (fn), (t)->armed = false)
struct nested;
struct nestor_vm;
struct nestor_mmu_vm;

struct nestor_vcpu {
	u64 gpr[NR_GUEST_REGS];
	struct guest_run l1, *run;
	struct nested *nested;
	bool atomic, immediate_exit;
	u64 l1_tsc_offset;
	struct { u64 rsvd_gpa_bits; } cpuid;
	struct { struct vcpu_exception { bool pending; u8 vector; u64 payload; } excp; } ev;
};

enum { REQ_EVENT };
void vcpu_request(struct nestor_vcpu *vcpu, int req);
void vcpu_kick(struct nestor_vcpu *vcpu);
struct guest_event injected_event(struct nestor_vcpu *vcpu);

static inline bool vcpu_in_l2(const struct nestor_vcpu *vcpu)
{
	return vcpu->run != &vcpu->l1;
}

static inline bool run_is_64bit(struct guest_run *run)
{
	return run->code64;
}

#endif
