/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A window on one page of L1's memory, for what is read or written word by word on a hot path.
 *
 * Between gmem_window_open() and gmem_window_close() user access is on: only the macros below may be
 * used then, no function may be called.  Each word is read or written once, in one access, so
 * another CPU of L1 cannot tear it.
 *
 * Where sleeping is allowed a fault brings the page in; with page faults disabled it ends at @fail.
 * The user of a window undoes nothing: what was read is thrown away, what was written is
 * written again by whoever tries next.
 */
#ifndef NESTOR_MMU_WINDOW_H
#define NESTOR_MMU_WINDOW_H

#include <linux/uaccess.h>

#include "mmu/mmu.h"

/**
 * struct gmem_window - one page of L1's memory
 * @at: the VMM's address of it; NULL: there is none
 * @slot: its slot
 * @gfn: its frame
 * @mem: memory that it is a page of; @seq: the set of slots that it was found in
 * @write: it may be written
 *
 * One that is kept for gmem_window_kept() begins as zeros.
 */
struct gmem_window {
	void __user *at;
	const struct mem_slot *slot;
	u64 gfn;
	struct nestor_mmu_vm *mem;
	u64 seq;
	bool write;
};

/*
 * gmem_window() - look up the page that @gpa is in; false, and @w->at NULL, where there is no memory,
 * or with @write only a read-only slot.  Valid while vm->srcu is held.
 */
bool gmem_window(struct nestor_vcpu *vcpu, struct l1_gpa gpa, bool write, struct gmem_window *w);
/*
 * gmem_window_kept() - the same where @w may hold the page already, found at an earlier time: it is
 * used again as long as the slots are what they were
 */
bool gmem_window_kept(struct nestor_vcpu *vcpu, struct l1_gpa gpa, bool write,
		      struct gmem_window *w);
/* gmem_window_written() - after the window was closed, whether all was written or not: the dirty log */
void gmem_window_written(const struct gmem_window *w);
/*
 * gmem_window_noted() - the same where no lock may be waited for: false when that takes one, and somebody has to write
 * all of it again and call the above
 */
bool gmem_window_noted(const struct gmem_window *w);

static __always_inline bool gmem_window_open(const void __user *at, bool write)
{
	return write ? user_write_access_begin(at, PAGE_SIZE) : user_read_access_begin(at, PAGE_SIZE);
}

static __always_inline void gmem_window_close(bool write)
{
	if (write)
		user_write_access_end();
	else
		user_read_access_end();
}

/* @nr words (a constant, or nearly) from offset @off to @to, or from @from to offset @off. */
#define gmem_window_get(at, off, to, nr, fail)						\
do {											\
	u64 *to_ = (u64 *)(to);								\
	const u64 __user *at_ = (const u64 __user *)((const u8 __user *)(at) + (off));	\
	unsigned int i_;								\
											\
	_Pragma("GCC unroll 16")							\
	for (i_ = 0; i_ < (nr); i_++)							\
		unsafe_get_user(to_[i_], at_ + i_, fail);				\
} while (0)

/* Read @nr words from offset @off; the bits in which they differ from those at @with are set in @diff. */
#define gmem_window_cmp(at, off, with, nr, diff, fail)					\
do {											\
	const u64 *with_ = (const u64 *)(with);						\
	const u64 __user *at_ = (const u64 __user *)((const u8 __user *)(at) + (off));	\
	unsigned int i_;								\
	u64 v_;										\
											\
	_Pragma("GCC unroll 16")							\
	for (i_ = 0; i_ < (nr); i_++) {							\
		unsafe_get_user(v_, at_ + i_, fail);					\
		(diff) |= v_ ^ with_[i_];						\
		/* Now, or the compiler keeps every word until the end. */		\
		OPTIMIZER_HIDE_VAR(diff);						\
	}										\
} while (0)

#define gmem_window_put(at, off, from, nr, fail)					\
do {											\
	const u64 *from_ = (const u64 *)(from);						\
	u64 __user *at_ = (u64 __user *)((u8 __user *)(at) + (off));			\
	unsigned int i_;								\
											\
	_Pragma("GCC unroll 16")							\
	for (i_ = 0; i_ < (nr); i_++)							\
		unsafe_put_user(from_[i_], at_ + i_, fail);				\
} while (0)

#endif
