/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One walker for every page table: x86 2-level, PAE, 4-level, 5-level, NPT and
 * EPT, driven by struct pt_format.  Pure but for two callbacks, so unit tests run it
 * in user space.
 */
#ifndef NESTOR_MMU_WALK_H
#define NESTOR_MMU_WALK_H

#include "core/types.h"

/* Bits of an access, as in a page-fault error code (APM: "Page-Fault Error Code"). */
#define ACC_PRESENT	(1u << 0)
#define ACC_WRITE	(1u << 1)
#define ACC_USER	(1u << 2)
#define ACC_RSVD	(1u << 3)
#define ACC_FETCH	(1u << 4)
/*
 * Not in the error code: no accessed or dirty flag may be set now, because the log that
 * it would have to go to is full (SDM: "Page-Modification Logging").
 */
#define ACC_LOG_FULL	(1u << 17)
/* Where a nested fault happened, as in EXITINFO1 of #NPF. */
#define ACC_FINAL	(1ull << 32)	/* the guest's final physical address */
#define ACC_TABLE	(1ull << 33)	/* the guest's own page tables */

#define WALK_MAX_LEVELS	5

/**
 * struct pt_format - how entries of one kind of table are read
 * @name: for messages
 * @levels: 2, 3 (PAE: the root holds four PDPTEs), 4 or 5
 * @entry_size: 4 or 8 bytes
 * @index_bits: 10 or 9
 * @nx: bit 63 is NX (EFER.NXE) rather than reserved; not for 4-byte entries
 * @ept: R/W/X in bits 2:0 instead of P, R/W, U/S
 * @exec_only: EPT: execute without read is allowed rather than a misconfiguration
 * @mbz8: bit 8 of PML4 and PML5 entries must be zero (AMD)
 * @large_2m: PS is allowed at level 2 (2M, or 4M with 4-byte entries).  With 4-byte
 *	entries PS is ignored otherwise (CR4.PSE = 0), with 8-byte ones reserved
 * @large_1g: PS is allowed at level 3 of 4 or 5
 * @wp: supervisor writes obey R/W (CR0.WP; always for NPT)
 * @smep: supervisor fetches from user pages fault (CR4.SMEP)
 * @smap: supervisor data accesses to user pages fault (CR4.SMAP, and RFLAGS.AC
 *	does not excuse this access)
 * @ad: set accessed and dirty bits
 * @table_write: a second level: accesses to the guest's own page tables (ACC_TABLE) count
 *	as writes (NPT always, EPT with accessed and dirty flags)
 * @rsvd_pa: physical-address bits that must be 0, within 51:12
 * @pdpte: PAE: the four PDPTEs as the CPU loaded them with CR3, to be used instead of those
 *	in memory; NULL: read them.  Not part of the format's identity
 *
 * APM vol. 2, "Page-Translation-Table Entry Fields" and "Nested Paging"; SDM vol. 3,
 * "Paging" and "The Extended Page Table Mechanism".
 */
struct pt_format {
	const char *name;
	u8 levels;
	u8 entry_size;
	u8 index_bits;
	bool nx;
	bool ept;
	bool exec_only;
	bool mbz8;
	bool large_2m, large_1g;
	bool wp;
	bool smep, smap;
	bool ad;
	bool table_write;
	u64 rsvd_pa;
	const u64 *pdpte;
};

/**
 * struct walk - result of a walk
 * @addr: translated address
 * @entry: leaf entry, with the bits the walk has set
 * @level: 1: 4K, 2: 2M or 4M, 3: 1G
 * @readable: every level allows reading (always, but for EPT).  This and the next three also on
 *	WALK_FAULT, over all entries used: none when one of them was absent or malformed
 *	(SDM: "Exit Qualification for EPT Violations")
 * @writable: every level allows writing
 * @user: every level allows user accesses (always, with EPT)
 * @exec: every level allows execution
 * @dirty: the leaf's D bit is set, or the walk keeps no such bits
 * @dirtied: on WALK_OK: this walk has set it; with page-modification logging the page
 *	has to be logged before the access is done
 * @error: on WALK_FAULT: page-fault error code, ACC_*.  ACC_RSVD of EPT: misconfiguration
 * @at: on either fault: address, in the tables' own space, of the entry at fault
 * @table_fault: reading or updating a table failed, not the leaf's permissions
 * @raced: on WALK_TABLE_FAULT: no callback refused; the entry at @at changed each time
 * @table: base of the table read at each level, index 1 to levels
 * @used: entry read there, with the bits the walk has set
 * @pdpte: PAE: the PDPTE that was used, in its place
 */
struct walk {
	u64 addr;
	u64 entry;
	u8 level;
	bool readable, writable, user, exec;
	bool dirty, dirtied;
	u32 error;
	u64 at;
	bool table_fault;
	bool raced;
	u64 table[WALK_MAX_LEVELS + 1];
	u64 used[WALK_MAX_LEVELS + 1];
	u64 pdpte[4];
};

enum walk_result {
	WALK_OK,
	WALK_FAULT,		/* page fault: walk.error */
	WALK_TABLE_FAULT,	/* ops->read_entry refused; the callback has recorded why */
	WALK_LOG_FULL,		/* ACC_LOG_FULL, and a flag has to be set; none was */
};

/**
 * struct walk_ops - how the walker reaches the tables
 * @read_entry: copy @size bytes of the entry at @addr, at once; 0 or -errno
 * @set_bits: atomically turn @old into @new; 0, -EAGAIN when it was no longer @old
 *	(the walk starts again), or -errno.  Not called unless pt_format.ad
 */
struct walk_ops {
	int (*read_entry)(void *ctx, u64 addr, void *entry, unsigned int size);
	int (*set_bits)(void *ctx, u64 addr, u64 old, u64 new, unsigned int size);
};

/*
 * walk_table() - translate @va for @access (ACC_WRITE, ACC_USER, ACC_FETCH, ACC_LOG_FULL).
 *
 * @root: address of the root table, low bits already cleared.  Bits of @va above
 * walk_reach() are ignored: canonical form and range are the caller's to check.
 * Accessed and dirty bits are set only when the whole translation succeeds.
 * Restarts are bounded; after the last one WALK_TABLE_FAULT with walk.raced.
 */
enum walk_result walk_table(const struct pt_format *fmt, u64 root, u64 va, u32 access,
			    const struct walk_ops *ops, void *ctx, struct walk *out);

/*
 * walk_above() - @w, a successful walk, with the rights of the levels above the one it ended
 * at alone: what walk_sibling() starts from.
 * walk_sibling() - what a user read (EPT: any access) through @entry in the leaf's place would
 * give, by the address of the page; false when it would fault, had to set the accessed flag or went on to
 * another table.
 */
void walk_above(const struct pt_format *fmt, const struct walk *w, struct walk *above);
bool walk_sibling(const struct pt_format *fmt, const struct walk *above, u64 entry,
		  struct walk *out);

/* walk_reach() - number of address bits that tables of this format translate */
static inline unsigned int walk_reach(const struct pt_format *fmt)
{
	return fmt->levels <= 3 ? 32 : 12 + 9 * fmt->levels;
}

/* walk_leaf_shift() - log2 of the size of a leaf at @level */
static inline unsigned int walk_leaf_shift(const struct pt_format *fmt, int level)
{
	return 12 + fmt->index_bits * (level - 1);
}

#endif
