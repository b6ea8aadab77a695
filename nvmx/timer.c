// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMX-preemption timer of L2 (SDM vol. 3, "VMX-Preemption Timer").
 *
 * The CPU's own counts while L2 runs.  It stands still while L0 handles an exit, so it is
 * set anew from a deadline after each of those; and it does not count while L2 halts,
 * because then the CPU belongs to others: an hrtimer wakes L2's processor for it.
 *
 * On a CPU that has none the hrtimer does it all: it is armed from the entry to the exit, its interrupt
 * ends L2 like any of the host's, and the exit is made at the next instruction boundary
 * (nvmx_l2_due).
 */
#include <linux/hrtimer.h>
#include <linux/math64.h>
#include <asm/msr.h>
#include <asm/tsc.h>

#include "core/compat.h"
#include "core/events.h"
#include "core/hw_ops.h"
#include "nvmx/exit_table.h"
#include "nvmx/nvmx.h"

#define NS_PER_KHZ_TICK	1000000u

static enum hrtimer_restart fired(struct hrtimer *timer)
{
	struct nvmx *n = container_of(timer, struct nvmx, timer.alarm);

	vcpu_request(n->l2.vcpu, REQ_EVENT);
	vcpu_kick(n->l2.vcpu);
	return HRTIMER_NORESTART;
}

void nvmx_timer_init(struct nvmx_timer *t)
{
	compat_hrtimer_setup(&t->alarm, fired, HRTIMER_MODE_ABS_HARD);
}

void nvmx_timer_free(struct nvmx_timer *t)
{
	hrtimer_cancel(&t->alarm);
}

static unsigned int rate(void)
{
	return nvmx_timer_rate(&hw_caps);
}

static u32 remaining(const struct nvmx_timer *t)
{
	u64 now = rdtsc();

	return now < t->deadline ? (t->deadline - now) >> rate() : 0;
}

static void set_timer(struct guest_run *l2, u32 val)
{
	l2->timer = val;
	l2->ctl_dirty |= CTL_TIMER;
}

static void start_alarm(struct nvmx_timer *t)
{
	u64 now = rdtsc(), ticks = now < t->deadline ? t->deadline - now : 0;

	hrtimer_start(&t->alarm,
		      ktime_add_ns(ktime_get(), mul_u64_u32_div(ticks, NS_PER_KHZ_TICK, tsc_khz)),
		      HRTIMER_MODE_ABS_HARD);
}

void nvmx_timer_enter(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	bool on = n->vmcs12->pin_ctls & PIN_PREEMPTION_TIMER;

	n->timer.soft = on && !hw_caps.timer;
	if (on)
		n->timer.deadline = rdtsc() + (n->vmcs12->preemption_timer << rate());
	if (unlikely(n->timer.soft)) {
		if (n->vmcs12->preemption_timer)
			start_alarm(&n->timer);
		else
			vcpu_request(vcpu, REQ_EVENT);
		return;
	}
	if (!on && !n->l2.timer_on)
		return;
	n->l2.timer_on = on;
	set_timer(&n->l2, n->vmcs12->preemption_timer);
}

void nvmx_timer_resume(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (n->l2.timer_on)
		set_timer(&n->l2, min(n->l2.timer, remaining(&n->timer)));
}

void nvmx_timer_halt(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (!n->l2.timer_on)
		return;
	n->timer.slept = true;
	start_alarm(&n->timer);
}

bool nvmx_timer_wakes(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (n->timer.soft)
		return !remaining(&n->timer);
	if (!n->l2.timer_on || remaining(&n->timer))
		return false;
	/* It runs out before L2's next instruction. */
	set_timer(&n->l2, 0);
	return true;
}

void nvmx_timer_force(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (!hw_caps.timer) {
		vcpu->immediate_exit = true;
		return;
	}
	n->timer.forced = true;
	n->l2.timer_on = true;
	set_timer(&n->l2, 0);
}

bool nvmx_timer_forced(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (!n->timer.forced)
		return false;
	n->timer.forced = false;
	n->l2.timer_on = n->vmcs12->pin_ctls & PIN_PREEMPTION_TIMER;
	set_timer(&n->l2, n->l2.timer_on ? remaining(&n->timer) : 0);
	return true;
}

bool nvmx_timer_due(struct nestor_vcpu *vcpu)
{
	struct nvmx_timer *t = &nvmx_of(vcpu)->timer;

	if (likely(!t->soft))
		return false;
	if (!remaining(t))
		return true;
	/* The two clocks do not agree to the last tick. */
	if (!hrtimer_active(&t->alarm))
		start_alarm(t);
	return false;
}

void nvmx_timer_exit(struct nestor_vcpu *vcpu, bool expired)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct vmcs12 *v = n->vmcs12;
	bool soft = n->timer.soft;

	if (!n->l2.timer_on && !soft)
		return;
	if (unlikely(n->timer.slept || soft)) {
		n->timer.slept = false;
		n->timer.soft = false;
		/* One that fires all the same makes L1 leave and come back. */
		hrtimer_try_to_cancel(&n->timer.alarm);
		nvmx_timer_resume(vcpu);
	}
	if (v->exit_ctls & EXIT_SAVE_TIMER)
		v->preemption_timer = expired ? 0 : soft ? remaining(&n->timer) : n->l2.timer;
}

/* L1's TSC, as the timer counts: when a bit of it changes, so where in a tick it is does not matter. */
static u64 l1_tick(const struct nestor_vcpu *vcpu, u64 host_tsc)
{
	return (host_tsc + vcpu->l1_tsc_offset) >> rate();
}

bool nvmx_timer_deadline(struct nestor_vcpu *vcpu, u64 *tick)
{
	const struct nvmx *n = nvmx_of(vcpu);
	u32 left = remaining(&n->timer);

	if (n->l2.timer_on && n->l2.timer < left)
		*tick = l1_tick(vcpu, rdtsc()) + n->l2.timer;
	else
		*tick = l1_tick(vcpu, n->timer.deadline);
	return n->l2.timer_on || n->timer.soft;
}

void nvmx_timer_set(struct nestor_vcpu *vcpu, u64 tick)
{
	struct nvmx *n = nvmx_of(vcpu);
	u64 now = l1_tick(vcpu, rdtsc());
	u32 left = tick > now ? min_t(u64, tick - now, U32_MAX) : 0;

	if (!n->l2.timer_on && !n->timer.soft)
		return;
	n->timer.deadline = ((now + left) << rate()) - vcpu->l1_tsc_offset;
	if (n->timer.soft || n->timer.slept)
		start_alarm(&n->timer);
	if (!n->timer.soft)
		set_timer(&n->l2, left);
}

void nvmx_tsc_moved(struct nestor_vcpu *vcpu, s64 delta)
{
	const struct nvmx_timer *t = &nvmx_of(vcpu)->timer;

	nvmx_timer_set(vcpu, l1_tick(vcpu, t->deadline - delta));
}

#define VECTOR_DB	1
#define DR6_BS		BIT(14)

/* The trap of an instruction that has ended: an exit at this boundary leaves it pending. */
static bool step_trap(const struct vcpu_exception *x)
{
	return x->vector == VECTOR_DB && (x->payload & DR6_BS);
}

enum nested_who nvmx_l2_due(struct nestor_vcpu *vcpu)
{
	bool mtf = nvmx_mtf_due(vcpu);

	if (likely(!mtf && !nvmx_timer_due(vcpu)))
		return NESTED_BY_L0;
	/* What is under way is delivered first, and the exit is before the handler's first instruction. */
	if ((vcpu->ev.excp.pending && !step_trap(&vcpu->ev.excp)) || injected_event(vcpu).valid) {
		vcpu->immediate_exit = true;
		return NESTED_BY_L0;
	}
	return nvmx_reflect(vcpu, mtf ? VMEXIT_MTF : VMEXIT_TIMER, 0, 0, 0);
}
