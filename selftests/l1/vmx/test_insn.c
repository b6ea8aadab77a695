// SPDX-License-Identifier: GPL-2.0-only
#include "vmx/vmx.h"

static void fn_store(void *arg)
{
	*(volatile u64 *)arg = 0x1234;
}

static void basic(const void *arg)
{
	volatile u64 word = 0;
	struct vl2 l2;

	vl2_init(&l2, fn_store, (void *)&word);
	if (!vl2_expect_done(&l2))
		return;
	CHECK_EQ(word, 0x1234);
	CHECK_EQ(vr(GUEST_RIP), l2_done);
	CHECK_EQ(vr(EXIT_LEN), 3);
}

static const struct l1_test tests[] = {
	{ "vmlaunch", 0, basic, NULL },
};

const struct test_group group_vmx_insn = { "vmx_insn", tests, ARRAY_SIZE(tests), false };
