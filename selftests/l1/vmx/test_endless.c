// SPDX-License-Identifier: GPL-2.0-only
/*
 * What never ends by itself, for a VMM that is killed in the middle; only run by name.
 */
#include "vmx/again.h"

VL2_ASM(en_count, "1: lock incq (%rdi); cpuid; jmp 1b");
VL2_ASM(en_halt, "1: sti; hlt; jmp 1b");

/* Ticks of the timer: it runs out some time after whoever armed it may be gone. */
#define TIMER_TICKS	30000000u

static struct vl2 l2s[MAX_CPUS];
static u64 counters[MAX_CPUS];

static void make_l2(const char *code)
{
	u32 id = this_cpu()->id;

	vl2_init_at(&l2s[id], code);
	l2s[id].rdi = (u64)&counters[id];
}

/* VMXOFF with a current VMCS that was never cleared and has been launched, and on again. */
static void off_on(struct vl2 *l2)
{
	u32 i;

	for (i = 0; i < 3; i++) {
		vw(GUEST_RIP, (u64)en_count);
		vl2_run(l2);
		if (l2->reason != R_CPUID)
			panic("CPU %u: exit %x", this_cpu()->id, l2->reason);
	}
	vmx_off();
	if (!vmx_on() || vmptrld(&l2->vmcs) != VM_OK)
		panic("CPU %u: VMXON or VMPTRLD failed", this_cpu()->id);
}

static void make_counting(void *arg)
{
	make_l2(en_count);
}

static void off_on_for_ever(void *arg)
{
	for (;;) {
		off_on(&l2s[this_cpu()->id]);
		watchdog_arm();
	}
}

static void make_halting(void *arg)
{
	make_l2(en_halt);
	ctl_clear(CTRL_PROC, PROC_HLT);
	ctl_set(CTRL_PIN, PIN_TIMER);
}

/* L2 halts with the timer armed nearly all of the time. */
static void halt_for_ever(void *arg)
{
	struct vl2 *l2 = &l2s[this_cpu()->id];

	for (;;) {
		vw(GUEST_TIMER, TIMER_TICKS);
		vl2_run(l2);
		if (l2->reason != R_TIMER && l2->reason != R_EXT_INT)
			panic("CPU %u: exit %x", this_cpu()->id, l2->reason);
		watchdog_arm();
	}
}

static void make_turning(void *arg)
{
	again_init(&l2s[this_cpu()->id]);
}

/* Nearly all of the time goes to and fro between L1 and L2, which L0 does with interrupts off. */
static void turn_for_ever(void *arg)
{
	struct vl2 *l2 = &l2s[this_cpu()->id];
	u32 i;

	for (;;) {
		for (i = 0; i < 500; i++)
			if (again(l2, va_count) != R_VMCALL)
				panic("CPU %u: exit %x", this_cpu()->id, l2->reason);
		watchdog_arm();
	}
}

struct endless {
	void (*make)(void *arg);
	void (*run)(void *arg);
};

static void on_all_cpus(const void *arg)
{
	const struct endless *e = arg;

	smp_each(nr_cpus, e->make, NULL, 0);
	smp_all(nr_cpus, e->run, NULL, 0);
}

static const struct endless off_on_case = { make_counting, off_on_for_ever };
static const struct endless turn_case = { make_turning, turn_for_ever };
static const struct endless timer_case = { make_halting, halt_for_ever };

static const struct l1_test tests[] = {
	{ "off_on", 0, on_all_cpus, &off_on_case },
	{ "turn", 0, on_all_cpus, &turn_case },
	{ "timer", VF_TIMER | VF_HLT, on_all_cpus, &timer_case },
};

const struct test_group group_vmx_endless = { "vmx_endless", tests, ARRAY_SIZE(tests), true };
