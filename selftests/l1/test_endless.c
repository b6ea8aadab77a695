// SPDX-License-Identifier: GPL-2.0-only
/*
 * What never ends by itself, for a VMM that is killed in the middle; only run by name.
 */
#include "l1.h"

static struct l2 l2s[MAX_CPUS];
static u64 pages[MAX_CPUS];

static void make(void *arg)
{
	u32 id = this_cpu()->id;

	l2_init_at(&l2s[id], l2_done);
	pages[id] = (u64)alloc_page();
	vmsave_pa(pages[id]);
}

/* Nearly all of the time is spent in instructions that L0 answers without a look at anything else. */
static void quick_for_ever(void *arg)
{
	u32 id = this_cpu()->id, i, r[4];
	struct l2 *l2 = &l2s[id];

	for (;;) {
		l2->vmcb->s.rip = (u64)l2_done;
		l2_run(l2);
		for (i = 0; i < 500; i++) {
			vmsave_pa(pages[id]);
			clgi();
			vmload_pa(pages[id]);
			stgi();
			cpuid(0, 0, r);
		}
		watchdog_arm();
	}
}

static void quick(const void *arg)
{
	smp_each(nr_cpus, make, NULL, 0);
	smp_all(nr_cpus, quick_for_ever, NULL, 0);
}

static const struct l1_test tests[] = {
	{ "quick", 0, quick, NULL },
};

const struct test_group group_endless = { "endless", tests, ARRAY_SIZE(tests), true };
