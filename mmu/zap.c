// SPDX-License-Identifier: GPL-2.0-only
/*
 * A change to what backs L1's memory reaches L0's table and, through the
 * reverse map, every vCPU's shadow tables.  Nobody calls one without the other.
 */
#include "mmu/table.h"

bool zap_gfns(struct nestor_mmu_vm *mmu, u64 start, u64 end, struct list_head *gone)
{
	bool l0 = table_zap(mmu, start, end, gone);

	watch_range(mmu, start, end);
	return rmap_zap(mmu, start, end) || l0;
}

bool protect_gfns(struct nestor_mmu_vm *mmu, u64 start, u64 end)
{
	bool l0 = table_protect(mmu, start, end);

	return rmap_protect(mmu, start, end) || l0;
}

bool young_gfns(struct nestor_mmu_vm *mmu, u64 start, u64 end, bool clear)
{
	bool l0 = table_young(mmu, start, end, clear);

	return rmap_young(mmu, start, end, clear) || l0;
}
