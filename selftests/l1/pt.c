// SPDX-License-Identifier: GPL-2.0-only
/*
 * Long-mode page tables, which nested page tables are as well: maps, splits
 * and finds entries. Upper levels get all rights; the leaf decides.
 */
#include "l1.h"

#define TABLE (PT_P | PT_W | PT_U)

static u32 index(u64 va, int level)
{
	return va >> (12 + 9 * (level - 1)) & 511;
}

static u64 span(int level)
{
	return 1ull << (12 + 9 * (level - 1));
}

u64 *pt_entry(u64 *root, u64 va, int level)
{
	int l;

	for (l = 4; l > level; l--) {
		u64 e = root[index(va, l)];

		if (!(e & PT_P) || (l < 4 && e & PT_PS))
			return NULL;
		root = (u64 *)(e & PT_ADDR);
	}
	return &root[index(va, level)];
}

u64 *pt_split(u64 *root, u64 va, int level)
{
	int l, i;

	for (l = 4; l > level; l--) {
		u64 *e = &root[index(va, l)];
		u64 *table;

		if (!(*e & PT_P)) {
			*e = (u64)alloc_page() | TABLE;
		} else if (l < 4 && *e & PT_PS) {
			table = alloc_page();
			for (i = 0; i < 512; i++)
				table[i] = (*e & ~(l == 2 ? PT_PS : 0)) + i * span(l - 1);
			*e = (u64)table | TABLE;
		}
		root = (u64 *)(*e & PT_ADDR);
	}
	return &root[index(va, level)];
}

void pt_map(u64 *root, u64 va, u64 pa, u64 size, int level, u64 flags)
{
	u64 done;

	if (level > L_4K)
		flags |= PT_PS;
	for (done = 0; done < size; done += span(level))
		*pt_split(root, va + done, level) = (pa + done) | flags;
}

u64 *pt_new_identity(void)
{
	u64 *root = alloc_page();

	pt_map(root, 0, 0, BIT(32), L_2M, PT_P | PT_W | PT_U | PT_A | PT_D);
	return root;
}

static u64 *shared;

u64 *npt_default(void)
{
	if (!shared)
		shared = pt_new_identity();
	return shared;
}
