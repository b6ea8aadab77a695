/* SPDX-License-Identifier: GPL-2.0-only */
/* The rows about nested page tables, whatever the vendor calls them. */
#ifndef L1_BENCH_MEM_H
#define L1_BENCH_MEM_H

#include "bench.h"

/**
 * struct field - an L2 that touches pages behind mappings of its own
 * @ops: the vendor's part
 * @l2: the vendor's guest
 * @root: L1's table for L2's physical addresses
 * @cr3: L2's own table
 * @pool: what the mappings lead to, pages of L1
 * @pages: how many L2 touches
 * @leaf: L_4K or L_2M, of the mappings in @root
 */
struct field {
	const struct field_ops *ops;
	void *l2;
	u64 *root, *cr3;
	u8 *pool;
	u32 pages;
	int leaf;
};

/**
 * struct field_ops - what the vendors do differently
 * @code: BENCH_TOUCH, ended as the vendor's L2 ends
 * @new_root: an identity map of L1's memory as L2's
 * @rw: flags of an entry of the table that can be read and written and has been
 * @init: make @f->l2, about to run @code, of what the field has
 * @enter: run it from @code on with RDI, RCX and RDX as given; L1 has told the CPU before that @f->root has
 *	changed, if @flush
 */
struct field_ops {
	const void *code;
	u64 *(*new_root)(void);
	u64 rw;
	void (*init)(struct field *f);
	void (*enter)(struct field *f, const u64 *rdi_rcx_rdx, bool flush);
};

/* bench_fill() - @ops pages of size @arg, cold and after a flush; bench_change() - one of @arg changes */
void bench_fill(const struct bench *b, const struct field_ops *ops);
void bench_change(const struct bench *b, const struct field_ops *ops);

/* An entry of an ordinary table, or AMD-V's nested one, that has been read and written. */
#define RW	(PT_P | PT_W | PT_U | PT_A | PT_D)

/* L2's program: touch RCX pages that are RDX apart, from RDI on. */
#define BENCH_TOUCH "1: mov (%rdi), %rax; add %rdx, %rdi; dec %rcx; jnz 1b"

/* The rows, of either vendor. */
#define BENCH_MEM_ROWS(need, fill, change)			\
	{ "mem/fill-4k", need, fill, 512, L_4K },		\
	{ "mem/fill-2m", need, fill, 64, L_2M },		\
	{ "mem/fill-256m", need, fill, 65536, L_4K },		\
	{ "mem/change-1-of-16", need, change, 40, 16 },		\
	{ "mem/change-1-of-1k", need, change, 40, 1024 },	\
	{ "mem/change-1-of-64k", need, change, 40, 65536 },

#endif
