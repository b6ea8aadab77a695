// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMX-preemption timer of L2 (SDM vol. 3, "VMX-Preemption Timer").
 *
 * The CPU's own counts while L2 runs.  It stands still while L0 handles an exit, so it is
 * set anew from a deadline after each of those; and it does not count while L2 halts,
 * because then the CPU belongs to others: an hrtimer wakes L2's processor for it.
 */
#include <linux/hrtimer.h>
#include <linux/math64.h>
#include <asm/msr.h>
#include <asm/tsc.h>

#include "core/compat.h"
#include "core/hw_ops.h"
#include "nvmx/nvmx.h"

#define NS_PER_KHZ_TICK	1000000u

static enum hrtimer_restart fired(struct hrtimer *timer)
{
	struct nvmx *n = container_of(timer, struct nvmx, timer.halted);

	vcpu_kick(n->l2.vcpu);
	return HRTIMER_NORESTART;
}

void nvmx_timer_init(struct nvmx_timer *t)
{
	compat_hrtimer_setup(&t->halted, fired, HRTIMER_MODE_ABS_HARD);
}

void nvmx_timer_free(struct nvmx_timer *t)
{
	hrtimer_cancel(&t->halted);
}

static u32 remaining(const struct nvmx_timer *t)
{
	u64 now = rdtsc();

	return now < t->deadline ? (t->deadline - now) >> hw_caps.timer_rate : 0;
}

static void set_timer(struct guest_run *l2, u32 val)
{
	l2->timer = val;
	l2->ctl_dirty |= CTL_TIMER;
}

void nvmx_timer_enter(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	bool on = n->vmcs12->pin_ctls & PIN_PREEMPTION_TIMER;

	if (!on && !n->l2.timer_on)
		return;
	n->l2.timer_on = on;
	set_timer(&n->l2, n->vmcs12->preemption_timer);
	n->timer.deadline = rdtsc() + (n->vmcs12->preemption_timer << hw_caps.timer_rate);
}

void nvmx_timer_resume(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (n->l2.timer_on)
		set_timer(&n->l2, min(n->l2.timer, remaining(&n->timer)));
}

static void stop_sleeping(struct nvmx *n)
{
	n->timer.slept = false;
	hrtimer_cancel(&n->timer.halted);
}

void nvmx_timer_halt(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	u64 now = rdtsc(), ticks;

	if (!n->l2.timer_on)
		return;
	ticks = now < n->timer.deadline ? n->timer.deadline - now : 0;
	n->timer.slept = true;
	hrtimer_start(&n->timer.halted,
		      ktime_add_ns(ktime_get(), mul_u64_u32_div(ticks, NS_PER_KHZ_TICK, tsc_khz)),
		      HRTIMER_MODE_ABS_HARD);
}

bool nvmx_timer_wakes(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (!n->l2.timer_on || remaining(&n->timer))
		return false;
	/* It runs out before L2's next instruction. */
	set_timer(&n->l2, 0);
	return true;
}

void nvmx_timer_exit(struct nestor_vcpu *vcpu, bool expired)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct vmcs12 *v = n->vmcs12;

	if (!n->l2.timer_on)
		return;
	if (unlikely(n->timer.slept)) {
		stop_sleeping(n);
		nvmx_timer_resume(vcpu);
	}
	if (v->exit_ctls & EXIT_SAVE_TIMER)
		v->preemption_timer = expired ? 0 : n->l2.timer;
}
