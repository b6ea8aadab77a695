/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the shadow_*.c files share.
 *
 * A vCPU owns its roots and tables: only its thread adds, links or frees them, so
 * that thread may follow child pointers without a lock.  Entries, slots and
 * the reverse map are written under mmu->lock, because an invalidation may clear leaves
 * of any vCPU at any time.
 *
 * A table page has one parent entry, one root and one role (level, and the table of
 * L1 it mirrors); a table whose role does not fit the walk is dropped, never
 * reinterpreted.
 */
#ifndef NESTOR_MMU_SHADOW_INT_H
#define NESTOR_MMU_SHADOW_INT_H

#include "mmu/mmu_int.h"
#include "mmu/shadow.h"
#include "mmu/sl_format.h"

#ifndef SHADOW_TABLES	/* unit tests make them few */
#define SHADOW_ROOTS		32
/* Tables a vCPU may have: 2048 map 4 GiB of 4K pages and cost 32 MiB. */
#define SHADOW_TABLES		2048
#endif
#ifndef SHADOW_OPEN
/* More open tables than this are not compared at once, but as they are used. */
#define SHADOW_OPEN		16u
#endif
#define SHADOW_SPARE		(ROOT_LEVEL - 1)
#define NO_TABLE		(~0ull)
#define RMAP_BITS		16

struct shadow_table;

/**
 * struct shadow_slot - what belongs to one entry of a shadow table
 * @node: leaf: in the reverse map
 * @child: not a leaf: the table
 */
struct shadow_slot {
	union {
		struct hlist_node node;
		struct shadow_table *child;
	};
};

/**
 * struct shadow_block - the entries of a table, and what belongs to them
 * @slot: a slot an entry
 * @l1e: L1's entry it was made of, as it was then; 0 where nothing is mapped.  Apart from the slots, because
 *	it is compared as a page.  In a table that mirrors none of L1's there is no such entry: 0 for
 *	a child, and for a leaf the frame of L1 that it maps
 * @spt: the page the CPU reads
 *
 * Naturally aligned; page->private of its first page is the table.
 */
struct shadow_block {
	struct shadow_slot slot[PT_ENTRIES];
	u64 l1e[PT_ENTRIES];
	u64 spt[PT_ENTRIES];
};

#define BLOCK_ORDER	2
static_assert(sizeof(struct shadow_block) == PAGE_SIZE << BLOCK_ORDER);

/*
 * An entry whose child is kept, but out of the CPU's reach until it was compared with
 * L1's tables.  No address stays in it: a CPU may speculate with entries that are not present.
 */
#define SHADOW_OFF	BIT_ULL(11)

/**
 * struct shadow_table - one page of entries
 * @all: in mmu->shadow_tables; while spare or unlinked, in a list of its owner
 * @root: root it belongs to
 * @parent: table whose entry @index points here; NULL for a root's top
 * @index: see @parent
 * @level: 1 to ROOT_LEVEL
 * @nr_leaves: leaves in this page
 * @nr_on: children that the CPU can reach from this page
 * @spt, @slot, @l1e: of its shadow_block
 * @l1_table: L1-physical address of the table of L1 it mirrors entry by entry, or
 *	NO_TABLE: all of it lies below one leaf of L1, or formats do not match
 * @watched: nobody writes to that table unnoticed.  This and the rest: see watch.c
 * @skip: comparisons after which it is watched; @hot: how often it was written to soon after that, to
 *	@since: shadow_root.nr_inval when it was last watched
 * @outside: shadow_root.outside as of the last comparison
 * @watch: in shadow_watch.block, while watched
 * @open: in shadow_root.open, while open
 */
struct shadow_table {
	struct list_head all;
	struct shadow_root *root;
	struct shadow_table *parent;
	u16 index;
	u8 level;
	u16 nr_leaves;
	u16 nr_on;
	u64 *spt;
	struct shadow_slot *slot;
	u64 *l1e;
	u64 l1_table;
	bool watched;
	u8 skip, hot;
	unsigned int since;
	u64 outside;
	struct hlist_node watch;
	struct list_head open;
};

/**
 * struct shadow_root - the shadow of one table of L1 under one tag
 * @top: NULL: unused
 * @key: L1's table, low bits cleared
 * @fmt: its format
 * @tag: L1's ASID or VPID
 * @old_tag: tag this root was taken over from; valid with @moved
 * @moved: see @old_tag
 * @stale: L1 invalidated it since it was last used
 * @open: tables that have to be compared at the next invalidation; mmu->lock
 * @nr_open: how many
 * @nr_inval: counts invalidations
 * @outside: nestor_mmu_vm.outside_seq when what it maps was last taken out of reach
 * @ahead: tables to compare beside the next one that is, see shadow_sync.c
 * @nr_tables: tables, the top included
 * @used: mmu_shadow.clock at the last use
 */
struct shadow_root {
	struct shadow_table *top;
	u64 key;
	struct pt_format fmt;
	u32 tag, old_tag;
	bool moved, stale;
	struct list_head open;
	unsigned int nr_open, nr_inval;
	u64 outside;
	unsigned int ahead;
	unsigned int nr_tables;
	u64 used;
};

/**
 * struct fill_window - entries filled in around a fault, see shadow_fill.c
 * @size: how many
 * @start: first page of L2 in them, in pages of their size; @end: the first one after them
 */
struct fill_window {
	unsigned int size;
	u64 start, end;
};

/**
 * struct mmu_shadow - shadow tables of one vCPU; owner: its thread
 * @roots: least recently used goes first
 * @cur: what shadow_get() returned last
 * @clock: counts shadow_get()
 * @nr_tables: tables of all roots
 * @spare: tables ready for use, SHADOW_SPARE of them before a fault is handled
 * @nr_spare: how many
 * @diff: what a table of L1 has that differs from what it had
 * @window: what was filled in around the last fault of a 4K page, and of a 2M page
 * @faults: counts leaves filled in, for the audit of a debug build
 */
struct mmu_shadow {
	struct shadow_root roots[SHADOW_ROOTS];
	struct shadow_root *cur;
	u64 clock;
	unsigned int nr_tables;
	struct list_head spare;
	unsigned int nr_spare;
	struct gmem_diff diff;
	struct fill_window window[2];
	unsigned int faults;
};

/* shadow_table.c */
int spare_fill(struct mmu_shadow *s, unsigned int nr);
struct shadow_table *spare_take(struct mmu_shadow *s);
void spare_drop(struct mmu_shadow *s);
/* Under mmu->lock: */
/* leaf_set() - map L1's frame @gfn by @e, made of L1's entry @l1e, which leads there; 0 in a table that mirrors none */
void leaf_set(struct nestor_mmu_vm *mmu, struct shadow_table *t, unsigned int i, u64 gfn, u64 e,
	      u64 l1e);
void leaf_clear(struct nestor_mmu_vm *mmu, struct shadow_table *t, unsigned int i);
struct shadow_table *child_add(struct nestor_vcpu *vcpu, struct shadow_table *t, unsigned int i);
/* entry_clear() - a leaf, or a child with all below it (moved to @gone) */
void entry_clear(struct nestor_vcpu *vcpu, struct shadow_table *t, unsigned int i,
		 struct list_head *gone);
/* table_empty() - clear every entry of @t */
void table_empty(struct nestor_vcpu *vcpu, struct shadow_table *t, struct list_head *gone);
/* tables_free() - without the lock */
void tables_free(struct list_head *gone);

/* shadow.c */
void root_empty(struct nestor_vcpu *vcpu, struct shadow_root *sr);
void shadow_make_room(struct nestor_vcpu *vcpu, struct shadow_root *keep);

/* watch.c; all but watch_init() and watch_tables() under mmu->lock */
#define WATCH_MAX	64u

int watch_init(struct nestor_mmu_vm *mmu);
/* watch_mirror() - @t, which mirrors nothing yet, mirrors @l1_table (NO_TABLE: nothing), and is open */
void watch_mirror(struct nestor_mmu_vm *mmu, struct shadow_table *t, u64 l1_table);
void watch_forget(struct nestor_mmu_vm *mmu, struct shadow_table *t);
/* watch_reach() - the CPU is about to reach @t: it is open unless it is watched */
void watch_reach(struct nestor_mmu_vm *mmu, struct shadow_table *t);
/* watch_none() - no table of @sr is open any more, since the CPU reaches none */
void watch_none(struct nestor_mmu_vm *mmu, struct shadow_root *sr);
/*
 * watch_tables() - watch those of the @nr open tables at @t, WATCH_MAX at most, that need not be skipped.  What they
 * were made of has to be compared afterwards.  Owner's thread, which sleeps unless vcpu->atomic; no lock.
 */
void watch_tables(struct nestor_vcpu *vcpu, struct shadow_table **t, unsigned int nr);

/* shadow_sync.c: compare with L1's tables, keep what still holds */
void shadow_revalidate(struct nestor_vcpu *vcpu, struct shadow_root *sr);
/* shadow_refresh() - bring back what is kept on the way to @gfn; true: there was something, and @walk is too old for it */
bool shadow_refresh(struct nestor_vcpu *vcpu, struct shadow_root *sr, u64 gfn,
		    const struct walk *walk);
/* shadow_has() - is there a leaf for @gfn that @walk would be made into, and that allows @access? */
bool shadow_has(struct nestor_vcpu *vcpu, struct shadow_root *sr, u64 gfn, u64 access,
		const struct walk *walk);
/* l1e_same() - does what was made of L1's entry @old hold for @new? */
bool l1e_same(const struct shadow_root *sr, u64 old, u64 new);

/* What a slot at @level was made of, as far as it can be compared later. */
u64 l1e_at(const struct shadow_root *sr, const struct walk *walk, int level);
/* Which table of L1 a shadow table at @level mirrors. */
u64 l1_table_at(const struct shadow_root *sr, const struct walk *walk, int level);

/* shadow_fill.c */
#define FILL_MAX	128u

/**
 * struct shadow_fill - one fault being filled in
 * @vcpu: whose; @sr: where; @gfn: L2's frame; @access: ACC_*
 * @walk: L1's, successful
 * @first: entry of the 4K table at which the window of neighbours begins
 * @nr: entries in it, 0 for none
 * @large_first, @large_nr: the same of the 2M table, where L1's leaf is a 2M one
 * @above: see walk_above()
 * @l1e: L1's entries for the window, those of the 2M table if there is one; read once
 * @block: first frame of a 2M block of L1 that is one page of the host; NO_GFN: none
 * @block_pfn: its frame
 * @block_writable: and whether it may be written
 */
struct shadow_fill {
	struct nestor_vcpu *vcpu;
	struct shadow_root *sr;
	u64 gfn, access;
	const struct walk *walk;
	unsigned int first, nr;
	unsigned int large_first, large_nr;
	struct walk above;
	u64 l1e[FILL_MAX];
	u64 block, block_pfn;
	bool block_writable;
};

void fill_begin(struct shadow_fill *f, struct nestor_vcpu *vcpu, struct shadow_root *sr, u64 gfn,
		u64 access, const struct walk *walk);
/* fill_known() - from L0's table; false: it does not map the frame, or not for writing */
bool fill_known(struct shadow_fill *f);
/* fill_page() - from the host's page, unless that is stale */
void fill_page(struct shadow_fill *f, struct host_map *m);

/* shadow_rmap.c */
int rmap_init(struct nestor_mmu_vm *mmu);
/* rmap_add() - @slot of @t maps @gfn */
void rmap_add(struct nestor_mmu_vm *mmu, struct shadow_table *t, struct shadow_slot *slot, u64 gfn);
void rmap_del(struct nestor_mmu_vm *mmu, struct shadow_table *t, struct shadow_slot *slot);

static inline struct shadow_table *slot_table(const struct shadow_slot *slot)
{
	unsigned long block = (unsigned long)slot & ~((PAGE_SIZE << BLOCK_ORDER) - 1);

	return (struct shadow_table *)page_private(virt_to_page((void *)block));
}

/* leaf_gfn() - the frame of L1 that leaf @i maps, aligned to its size; the table's owner, or mmu->lock */
static inline u64 leaf_gfn(const struct shadow_table *t, unsigned int i)
{
	u64 of = READ_ONCE(t->l1e[i]);

	if (t->l1_table == NO_TABLE)
		return of;
	return (of & GENMASK_ULL(51, 12)) >> PAGE_SHIFT & ~(level_pages(t->level) - 1);
}

static inline bool shadow_is_leaf(const struct sl_format *f, const struct shadow_table *t,
				  unsigned int i)
{
	u64 e = READ_ONCE(t->spt[i]);

	return sl_present(f, e) && sl_is_leaf(e, t->level);
}

/* A child, whether the CPU can reach it or not */
static inline bool shadow_is_child(const struct shadow_table *t, unsigned int i)
{
	u64 e = READ_ONCE(t->spt[i]);

	return e && !sl_is_leaf(e, t->level);
}

static inline bool shadow_is_off(const struct shadow_table *t, unsigned int i)
{
	return READ_ONCE(t->spt[i]) == SHADOW_OFF;
}

/* Can L1's tables of this format be compared with the shadow page by page? */
static inline bool fmt_matches(const struct pt_format *fmt)
{
	return fmt->levels == ROOT_LEVEL;
}

#endif
