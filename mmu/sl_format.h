/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entries of the tables the CPU walks below a guest: NPT (APM vol. 2, "Nested
 * Paging") or EPT (SDM, "The Extended Page Table Mechanism").
 *
 * Both have 4 levels of 512 eight-byte entries, a frame in bits 51:12 and PS in
 * bit 7; the rest is the bits below.  NPT walks are user accesses, so U/S is set
 * in every NPT entry.  The CPU sets accessed and dirty bits behind our back, so a
 * live entry is changed by atomic operations only.
 */
#ifndef NESTOR_MMU_SL_FORMAT_H
#define NESTOR_MMU_SL_FORMAT_H

#include <linux/mem_encrypt.h>
#include <linux/mm.h>

#include "core/types.h"

#define SL_LARGE	BIT_ULL(7)
#define SL_PA		GENMASK_ULL(51, 12)

/**
 * struct sl_format - one format of second-level tables
 * @present: an entry is there when any of these is set
 * @table: entry that points to a table
 * @leaf: set in every entry that maps memory
 * @read: set in a readable leaf; part of @present in NPT, which has no others
 * @write: set in a writable leaf
 * @dirty: set along with @write, so that the CPU need not
 * @exec: set in an executable leaf
 * @noexec: set in one that is not
 * @accessed: set by the CPU on use; 0 where it need not have been
 */
struct sl_format {
	u64 present;
	u64 table;
	u64 leaf;
	u64 read;
	u64 write;
	u64 dirty;
	u64 exec;
	u64 noexec;
	u64 accessed;
};

extern const struct sl_format sl_npt;
extern const struct sl_format sl_ept;

static inline bool sl_present(const struct sl_format *f, u64 e)
{
	return e & f->present;
}

static inline bool sl_is_leaf(u64 e, int level)
{
	return level == 1 || (e & SL_LARGE);
}

static inline bool sl_writable(const struct sl_format *f, u64 e)
{
	return e & f->write;
}

static inline bool sl_executable(const struct sl_format *f, u64 e)
{
	return (e & f->exec) || (f->noexec && !(e & f->noexec));
}

static inline u64 sl_pfn(u64 e)
{
	return (e & SL_PA & ~sme_me_mask) >> PAGE_SHIFT;
}

static inline u64 *sl_child(u64 e)
{
	return __va(sl_pfn(e) << PAGE_SHIFT);
}

static inline u64 sl_make_table(const struct sl_format *f, const u64 *pt)
{
	return __sme_set(__pa(pt)) | f->table;
}

static inline u64 sl_make_leaf(const struct sl_format *f, u64 pfn, int level, bool read,
			       bool write, bool exec)
{
	u64 e = __sme_set(pfn << PAGE_SHIFT) | f->leaf | f->accessed;

	if (level > 1)
		e |= SL_LARGE;
	if (read)
		e |= f->read;
	if (write)
		e |= f->write | f->dirty;
	return e | (exec ? f->exec : f->noexec);
}

/* sl_more_rights() - does leaf @new have all rights of leaf @old, and others? */
static inline bool sl_more_rights(const struct sl_format *f, u64 old, u64 new)
{
	u64 rights = f->read | f->write | f->exec;

	/* Seen as rights, those that a set bit takes away are the wrong way round. */
	old = (old & rights) | (~old & f->noexec);
	new = (new & rights) | (~new & f->noexec);
	return old != new && !(old & ~new);
}

/* sl_clear_bits() - atomically; returns what was set of @bits */
static inline u64 sl_clear_bits(u64 *e, u64 bits)
{
	u64 old = READ_ONCE(*e);

	while (!try_cmpxchg(e, &old, old & ~bits))
		;
	return old & bits;
}

#endif
