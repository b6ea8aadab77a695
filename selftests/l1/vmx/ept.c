// SPDX-License-Identifier: GPL-2.0-only
/*
 * EPT paging structures. Present, writable and user of ordinary page tables lie
 * where EPT has read, write and execute, so pt.c builds these as well.
 */
#include "vmx/vmx.h"

static u64 *shared;

u64 *ept_entry(u64 *root, u64 gpa, int level)
{
	return pt_split(root, gpa, level);
}

/* RAM write-back, devices from 3 GiB on uncacheable. */
u64 *ept_new(void)
{
	u64 *root = alloc_page();
	int level = cpu_features & VF_EPT2M ? L_2M : L_4K;

	pt_map(root, 0, 0, 3 * BIT(30), level, EPT_RWX | EPT_WB);
	pt_map(root, 3 * BIT(30), 3 * BIT(30), BIT(30), level, EPT_RWX | EPT_UC);
	return root;
}

u64 *ept_default(void)
{
	if (!shared)
		shared = ept_new();
	return shared;
}

u64 eptp_of(u64 *root)
{
	return (u64)root | EPTP_WALK4 | (caps.ept_vpid & EVC_WB ? 6 : 0);
}

void ept_flush(u64 *root)
{
	struct inv_desc d = { { eptp_of(root), 0 } };

	if (cpu_features & VF_INVEPT1)
		CHECK_EQ(invept(1, &d), VM_OK);
	else if (cpu_features & VF_INVEPTALL)
		CHECK_EQ(invept(2, &d), VM_OK);
}
