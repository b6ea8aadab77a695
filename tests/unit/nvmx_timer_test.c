// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMX-preemption timer of L2 (SDM vol. 3, "VMX-Preemption Timer"), on a CPU that has one and on one that has
 * none: when it runs out, what is left of it, and what is saved.  The TSC is the test's, and a tick of the
 * timer is 32 of it.
 */
#include "tap.h"

#include "nvmx_vcpu.h"
#include "core/hw_ops.h"
#include "nvmx/exit_table.h"

#define RATE	5u
#define TICKS	1000u

#define L1_TSC	0x12345678ull	/* L1's TSC is so far from the host's, and not by whole ticks */

u64 shim_tsc;
struct hw_caps hw_caps;

static unsigned int requests, kicks, reflected;
static u32 reason;
static bool mtf;
static struct guest_event injected;

unsigned int nvmx_timer_rate(const struct hw_caps *hw)
{
	return RATE;
}

void vcpu_request(struct nestor_vcpu *vcpu, int req)
{
	requests++;
}

void vcpu_kick(struct nestor_vcpu *vcpu)
{
	kicks += requests;
}

struct guest_event injected_event(struct nestor_vcpu *vcpu)
{
	return injected;
}

bool nvmx_mtf_due(struct nestor_vcpu *vcpu)
{
	return mtf;
}

enum nested_who nvmx_reflect(struct nestor_vcpu *vcpu, u32 why, u64 qual, u32 intr_info, u32 intr_error)
{
	reflected++;
	reason = why;
	return NESTED_BY_L1;
}

static void pass(u64 ticks)
{
	shim_tsc += ticks << RATE;
}

/* L2 is entered with the timer at @ticks, or without it. */
static void enter(bool cpu_has, bool on, u32 ticks)
{
	start_over();
	hw_caps.timer = cpu_has;
	mtf = false;
	injected.valid = false;
	requests = 0;
	reflected = 0;
	shim_tsc = 1ull << 40;
	cpu.l1_tsc_offset = L1_TSC;
	vmcs12.pin_ctls = on ? PIN_PREEMPTION_TIMER : 0;
	vmcs12.exit_ctls = EXIT_SAVE_TIMER;
	vmcs12.preemption_timer = ticks;
	nvmx_timer_init(&nv.timer);
	nvmx_timer_enter(&cpu);
}

static u64 l1_tick(void)
{
	return (shim_tsc + cpu.l1_tsc_offset) >> RATE;
}

/* Ticks until L2's timer runs out, by what a VMM would save; -1: none */
static long long left(void)
{
	u64 tick;

	return nvmx_timer_deadline(&cpu, &tick) ? (long long)(tick - l1_tick()) : -1;
}

/* The VMM writes L1's TSC, as core/tsc.c does it. */
static void move_tsc(long long delta)
{
	cpu.l1_tsc_offset += delta;
	nvmx_tsc_moved(&cpu, delta);
}

static void test_software(void)
{
	enter(false, true, TICKS);
	tap_ok(!nv.l2.timer_on && nv.timer.alarm.armed && nv.timer.alarm.at == (ktime_t)(shim_tsc + (TICKS << RATE)) &&
	       !requests, "no timer in the CPU: an alarm for it");
	pass(TICKS - 1);
	tap_ok(!nvmx_timer_due(&cpu) && !nvmx_timer_wakes(&cpu) && nvmx_l2_due(&cpu) == NESTED_BY_L0,
	       "it is not over a tick before");
	tap_ok(left() == 1, "and has one left");
	nv.timer.alarm.armed = false;
	tap_ok(!nvmx_timer_due(&cpu) && nv.timer.alarm.armed && nv.timer.alarm.at == (ktime_t)(shim_tsc + (1 << RATE)),
	       "an alarm that came too early is set again");
	pass(1);
	kicks = 0;
	tap_ok(nv.timer.alarm.fires(&nv.timer.alarm) == HRTIMER_NORESTART && requests == 1 && kicks == 1,
	       "the alarm makes the vCPU look, asks before it kicks, and is not set again");
	tap_ok(nvmx_timer_due(&cpu) && nvmx_timer_wakes(&cpu), "it is over then");
	tap_ok(nvmx_l2_due(&cpu) == NESTED_BY_L1 && reflected == 1 && reason == VMEXIT_TIMER, "which is the exit");
	nvmx_timer_exit(&cpu, true);
	tap_ok(!vmcs12.preemption_timer && !nv.timer.soft && nv.timer.alarm.tried, "0 is saved, and no alarm is left");

	enter(false, true, TICKS);
	pass(300);
	nvmx_timer_exit(&cpu, false);
	tap_ok(vmcs12.preemption_timer == TICKS - 300, "another exit saves what is left");
	tap_ok(!nvmx_timer_due(&cpu) && left() < 0, "and L1 has no timer");

	enter(false, true, 0);
	tap_ok(requests == 1 && !nv.timer.alarm.armed && nvmx_l2_due(&cpu) == NESTED_BY_L1 && reason == VMEXIT_TIMER,
	       "one of 0 ends L2 before its first instruction");

	enter(false, false, 7);
	tap_ok(!nv.timer.alarm.armed && left() < 0 && !nvmx_timer_due(&cpu), "none that is not asked for");
	nvmx_timer_set(&cpu, l1_tick() + 5);
	nvmx_timer_halt(&cpu);
	nvmx_timer_exit(&cpu, false);
	tap_ok(!nv.timer.alarm.armed && vmcs12.preemption_timer == 7, "nor set, nor saved");

	/* A VM that has moved, and whose TSC is written behind its state */
	enter(false, true, TICKS);
	nvmx_timer_set(&cpu, l1_tick() + 40);
	tap_ok(left() == 40 && (u64)nv.timer.alarm.at - shim_tsc - (39 << RATE) <= 1 << RATE,
	       "what was left elsewhere is left here");
	move_tsc(-(1000ll << RATE));
	tap_ok(left() == 1040 && (u64)nv.timer.alarm.at - shim_tsc - (1039 << RATE) <= 1 << RATE,
	       "it ends when L1's TSC says so, whenever that is restored");
	nvmx_timer_force(&cpu);
	tap_ok(cpu.immediate_exit && !nvmx_timer_forced(&cpu), "an entry for its event alone is ended by an interrupt");
}

static void test_hardware(void)
{
	enter(true, true, TICKS);
	tap_ok(nv.l2.timer_on && nv.l2.timer == TICKS && (nv.l2.ctl_dirty & CTL_TIMER) && !nv.timer.alarm.armed,
	       "the CPU has one: it counts");
	pass(10);
	nvmx_timer_resume(&cpu);
	tap_ok(nv.l2.timer == TICKS - 10, "L0's time counts as well");
	nv.l2.timer = 500;
	nvmx_timer_resume(&cpu);
	tap_ok(nv.l2.timer == 500, "and the CPU's own count is not set back");
	tap_ok(left() == 500, "what is left is the less of the two");
	nvmx_timer_halt(&cpu);
	tap_ok(nv.timer.slept && nv.timer.alarm.armed && !nvmx_timer_wakes(&cpu), "while L2 halts there is an alarm");
	pass(TICKS - 10);
	tap_ok(nvmx_timer_wakes(&cpu) && !nv.l2.timer, "which wakes it, to leave at once");
	nvmx_timer_exit(&cpu, true);
	tap_ok(!vmcs12.preemption_timer && nv.timer.alarm.tried && !nv.timer.slept, "0 is saved");

	enter(true, true, TICKS);
	nvmx_timer_force(&cpu);
	tap_ok(!nv.l2.timer && !cpu.immediate_exit, "an entry for its event alone is ended by a timer of 0");
	pass(100);
	tap_ok(nvmx_timer_forced(&cpu) && nv.l2.timer_on && nv.l2.timer == TICKS - 100, "and L2's own goes on");
	tap_ok(!nvmx_timer_forced(&cpu), "once");
	enter(true, false, 0);
	nvmx_timer_force(&cpu);
	tap_ok(nvmx_timer_forced(&cpu) && !nv.l2.timer_on && left() < 0, "or there is none again");
	enter(true, true, TICKS);
	nvmx_timer_set(&cpu, l1_tick() + 40);
	tap_ok(nv.l2.timer == 40 && !nv.timer.alarm.armed, "what was left elsewhere is left here");
	pass(7);
	tap_ok(left() == 33, "and goes on");
	move_tsc(20 << RATE);
	tap_ok(left() == 13 && nv.l2.timer == 13, "a TSC that goes forward brings it nearer");
	move_tsc(-(100ll << RATE));
	tap_ok(left() == 113 && nv.l2.timer == 113, "one that goes back puts it off");
	move_tsc(1ll << 50);
	tap_ok(!nv.l2.timer, "behind its end it is over");
	nvmx_timer_set(&cpu, ~0ull);
	tap_ok(nv.l2.timer == ~0u, "a VMM's farthest is the timer's longest");
	nvmx_timer_set(&cpu, l1_tick() + 40);
	nvmx_timer_halt(&cpu);
	move_tsc(-(10ll << RATE));
	tap_ok((u64)nv.timer.alarm.at - shim_tsc - (49 << RATE) <= 1 << RATE, "the alarm of an L2 that halts moves as well");
}

/* An event that is under way is delivered first; the trap of a step is not. */
static void test_order(void)
{
	enter(false, true, 0);
	injected = (struct guest_event){ .valid = true };
	tap_ok(nvmx_l2_due(&cpu) == NESTED_BY_L0 && cpu.immediate_exit && !reflected, "an event comes before the exit");
	enter(false, true, 0);
	cpu.ev.excp.pending = true;
	cpu.ev.excp.vector = 14;
	tap_ok(nvmx_l2_due(&cpu) == NESTED_BY_L0 && cpu.immediate_exit && !reflected, "so does an exception");
	enter(false, true, 0);
	cpu.ev.excp.pending = true;
	cpu.ev.excp.vector = 1;
	cpu.ev.excp.payload = 1;
	tap_ok(nvmx_l2_due(&cpu) == NESTED_BY_L0 && !reflected, "and a breakpoint");
	enter(false, true, 0);
	cpu.ev.excp.pending = true;
	cpu.ev.excp.vector = 1;
	cpu.ev.excp.payload = 1 << 14;
	tap_ok(nvmx_l2_due(&cpu) == NESTED_BY_L1 && reason == VMEXIT_TIMER && !cpu.immediate_exit,
	       "the trap of a step stays pending");
	enter(true, false, 0);
	mtf = true;
	tap_ok(nvmx_l2_due(&cpu) == NESTED_BY_L1 && reason == VMEXIT_MTF, "the monitor trap flag's exit");
	enter(false, true, 0);
	mtf = true;
	tap_ok(nvmx_l2_due(&cpu) == NESTED_BY_L1 && reason == VMEXIT_MTF, "which comes before the timer's");
	nvmx_timer_free(&nv.timer);
}

int main(void)
{
	test_software();
	test_hardware();
	test_order();
	return tap_done();
}
