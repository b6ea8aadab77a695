// SPDX-License-Identifier: GPL-2.0-only
/*
 * What ends the machine: only run by name, one at a time. Each says first that
 * it expects the reset; coming back is the failure.
 */
#include "l1.h"

L2_ASM(fa_int3, "int3");

/* L2's triple fault, SHUTDOWN not intercepted: the whole of L1 shuts down. */
static void l2_triple_fault(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, fa_int3);
	l2.vmcb->s.idtr.limit = 0;
	l2.vmcb->c.misc1 &= ~(1u << I1_SHUTDOWN);
	say("# expecting a reset\n");
	l2_run(&l2);
	FAIL("L1 goes on after a shutdown, exit %llx", l2.vmcb->c.exitcode);
}

/* And its own, for comparison. */
static void l1_triple_fault(const void *arg)
{
	struct desc { u16 limit; u64 base; } __packed null = { 0, 0 };

	say("# expecting a reset\n");
	__asm__ volatile("lidt %0; int3" : : "m"(null));
	FAIL("L1 goes on after its own triple fault");
}

static const struct l1_test tests[] = {
	{ "l2_triple_fault", 0, l2_triple_fault, NULL },
	{ "l1_triple_fault", 0, l1_triple_fault, NULL },
};

const struct test_group group_fatal = { "fatal", tests, ARRAY_SIZE(tests), true };
