// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page allocator: a bump pointer over the memory above the image, put back to
 * a mark after each test, so that a test that faulted half-way leaks nothing.
 */
#include "l1.h"

#define POOL_START	0x1000000ull
#define POOL_DEFAULT	0x4000000ull

struct mb_info { u32 flags, mem_lower, mem_upper; };

extern u32 mb_magic, mb_info;
u64 mem_top;
static u64 next = POOL_START;

void mem_init(void)
{
	const struct mb_info *mb = (void *)(u64)mb_info;

	mem_top = POOL_DEFAULT;
	if (mb_magic == 0x2badb002 && mb->flags & 1)
		mem_top = 0x100000 + (u64)mb->mem_upper * 1024;
	if (mem_top > 0xc0000000)
		mem_top = 0xc0000000;
}

void *alloc_pages(u32 n)
{
	u64 p = next;

	if (p + n * PAGE_SIZE > mem_top)
		panic("out of memory: give the machine at least 64 MiB");
	next += n * PAGE_SIZE;
	return memset((void *)p, 0, n * PAGE_SIZE);
}

void *alloc_2m(void)
{
	next = (next + 0x1fffff) & ~0x1fffffull;
	return alloc_pages(512);
}

u64 mem_mark(void)
{
	return next;
}

void mem_reset(u64 mark)
{
	next = mark;
}
