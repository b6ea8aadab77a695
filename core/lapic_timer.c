// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC's timer (APM: "APIC Timer", SDM: "APIC Timer", TSC-deadline mode).
 *
 * One hrtimer stands for the count reaching zero.  It delivers straight from
 * hard interrupt context: that is one atomic bit in IRR and a kick.  Only the
 * vCPU's thread starts and stops it, and never while holding a lock that the
 * callback takes (it takes none).
 */
#include <linux/math64.h>

#include <asm/msr.h>
#include <asm/tsc.h>

#include "core/compat.h"
#include "core/lapic.h"

/* Look at the TSC again after this time at the latest: conversions never overflow. */
#define DEADLINE_MAX_NS	(600ull * NSEC_PER_SEC)
/* How late a deadline may be missed by rounding; look again after this, not at once. */
#define DEADLINE_MIN_NS	1000

static u32 timer_mode(const struct lapic *apic)
{
	return lapic_reg(apic, APIC_R_LVT_TIMER) & LVT_TIMER_MODE;
}

static u64 tick_ns(const struct lapic *apic)
{
	u32 tdcr = lapic_reg(apic, APIC_R_TDCR);
	u32 code = (tdcr & 3) | (tdcr & 8) >> 1;

	/* 000b divides by 2, 110b by 128, 111b by 1. */
	return (u64)APIC_TICK_NS << ((code + 1) & 7);
}

static u64 guest_tsc(const struct lapic *apic)
{
	return rdtsc_ordered() + READ_ONCE(apic->vcpu->l1_tsc_offset);
}

/* Nanoseconds until @deadline: 0 when it has come. */
static u64 deadline_ns(const struct lapic *apic, u64 deadline)
{
	/* The guest's TSC runs at the host's rate: there is only an offset. */
	u64 khz = tsc_khz ? tsc_khz : 1000000;
	u64 now = guest_tsc(apic);
	u64 delta;

	if (deadline <= now)
		return 0;
	delta = deadline - now;
	if (delta / khz >= DEADLINE_MAX_NS / NSEC_PER_MSEC)
		return DEADLINE_MAX_NS;
	return max_t(u64, div64_u64(delta * NSEC_PER_MSEC, khz), DEADLINE_MIN_NS);
}

static enum hrtimer_restart deadline_fired(struct lapic *apic)
{
	u64 deadline = READ_ONCE(apic->deadline);
	u64 ns;

	if (!deadline)
		return HRTIMER_NORESTART;
	ns = deadline_ns(apic, deadline);
	if (ns) {
		hrtimer_forward_now(&apic->timer, ns_to_ktime(ns));
		return HRTIMER_RESTART;
	}
	WRITE_ONCE(apic->deadline, 0);
	lapic_local(apic, APIC_R_LVT_TIMER);
	return HRTIMER_NORESTART;
}

static enum hrtimer_restart timer_fired(struct hrtimer *timer)
{
	struct lapic *apic = container_of(timer, struct lapic, timer);
	u64 period = READ_ONCE(apic->period_ns);

	switch (timer_mode(apic)) {
	case TIMER_DEADLINE:
		return deadline_fired(apic);
	case TIMER_PERIODIC:
		lapic_local(apic, APIC_R_LVT_TIMER);
		if (!period)
			break;
		hrtimer_forward_now(timer, ns_to_ktime(period));
		WRITE_ONCE(apic->target, hrtimer_get_expires(timer));
		return HRTIMER_RESTART;
	case TIMER_ONESHOT:
		lapic_local(apic, APIC_R_LVT_TIMER);
		break;
	}
	WRITE_ONCE(apic->target, 0);
	return HRTIMER_NORESTART;
}

void lapic_timer_init(struct lapic *apic)
{
	compat_hrtimer_setup(&apic->timer, timer_fired, HRTIMER_MODE_ABS_HARD);
}

void lapic_timer_stop(struct lapic *apic)
{
	hrtimer_cancel(&apic->timer);
	apic->target = 0;
	apic->period_ns = 0;
	apic->deadline = 0;
}

/*
 * Start counting at @count (0: at the initial count).  The period is that of
 * the initial count in any mode: software may switch to periodic while it counts.
 */
void lapic_timer_start(struct lapic *apic, u32 count)
{
	u32 initial = lapic_reg(apic, APIC_R_TMICT);
	u64 tick = tick_ns(apic);
	u64 ns;

	hrtimer_cancel(&apic->timer);
	apic->target = 0;
	apic->period_ns = 0;
	if (!initial || timer_mode(apic) == TIMER_DEADLINE)
		return;
	if (!count || count > initial)
		count = initial;
	ns = count * tick;
	apic->period_ns = max_t(u64, initial * tick, TIMER_MIN_PERIOD_NS);
	if (timer_mode(apic) == TIMER_PERIODIC && count == initial)
		ns = apic->period_ns;
	apic->target = ktime_add_ns(ktime_get(), ns);
	hrtimer_start(&apic->timer, apic->target, HRTIMER_MODE_ABS_HARD);
}

/* TMCCT: what is left of the count. */
u32 lapic_timer_count(const struct lapic *apic)
{
	ktime_t target = READ_ONCE(apic->target);
	s64 left;

	if (!target || timer_mode(apic) == TIMER_DEADLINE)
		return 0;
	left = ktime_to_ns(ktime_sub(target, ktime_get()));
	if (left <= 0)
		return 0;
	return min_t(u64, div64_u64(left, tick_ns(apic)), lapic_reg(apic, APIC_R_TMICT));
}

/* A new divisor keeps the count and changes how long the rest of it takes. */
void lapic_timer_divide(struct lapic *apic, u32 tdcr)
{
	u32 count = lapic_timer_count(apic);

	lapic_put(apic, APIC_R_TDCR, tdcr & 0xb);
	if (count)
		lapic_timer_start(apic, count);
}

int lapic_get_tsc_deadline(struct nestor_vcpu *vcpu, u64 *val)
{
	struct lapic *apic = vcpu->apic;

	if (!apic)
		return -EINVAL;
	*val = timer_mode(apic) == TIMER_DEADLINE ? READ_ONCE(apic->deadline) : 0;
	return 0;
}

int lapic_set_tsc_deadline(struct nestor_vcpu *vcpu, u64 val)
{
	struct lapic *apic = vcpu->apic;
	u64 ns;

	if (!apic)
		return -EINVAL;
	if (timer_mode(apic) != TIMER_DEADLINE || apic->mode == APIC_OFF)
		return 0;
	hrtimer_cancel(&apic->timer);
	apic->deadline = 0;
	if (!val)
		return 0;
	ns = deadline_ns(apic, val);
	if (!ns) {
		lapic_local(apic, APIC_R_LVT_TIMER);
		return 0;
	}
	apic->deadline = val;
	hrtimer_start(&apic->timer, ktime_add_ns(ktime_get(), ns), HRTIMER_MODE_ABS_HARD);
	return 0;
}

void lapic_tsc_changed(struct nestor_vcpu *vcpu)
{
	u64 deadline;

	if (!vcpu->apic)
		return;
	deadline = READ_ONCE(vcpu->apic->deadline);
	if (deadline)
		lapic_set_tsc_deadline(vcpu, deadline);
}
