// SPDX-License-Identifier: GPL-2.0-only
/*
 * The walker: one loop over levels for every format.
 *
 * entry_decode() turns a raw entry of any format into the same few facts;
 * nothing after it looks at raw bits.  A walk collects entries from the root to the
 * leaf, faulting at the first that is absent or has a reserved bit set, then
 * checks the permissions that all levels together leave, and only then sets accessed
 * and dirty bits, top down, each by compare-and-swap against what was read.  If an
 * entry changed meanwhile everything starts again, so that a translation is
 * never put together from entries of two different times without a bit set to tell.
 */
#include "mmu/walk.h"

#define PTE_P		BIT_ULL(0)
#define PTE_RW		BIT_ULL(1)
#define PTE_US		BIT_ULL(2)
#define PTE_A		BIT_ULL(5)
#define PTE_D		BIT_ULL(6)
#define PTE_PS		BIT_ULL(7)
#define PTE_BIT8	BIT_ULL(8)
#define PTE_NX		BIT_ULL(63)
#define EPT_R		BIT_ULL(0)
#define EPT_W		BIT_ULL(1)
#define EPT_X		BIT_ULL(2)
#define EPT_A		BIT_ULL(8)
#define EPT_D		BIT_ULL(9)
#define PA_BITS		GENMASK_ULL(51, 12)

#define WALK_RESTARTS	8

/* What an entry says, in no format. */
struct entry {
	bool present, bad, leaf;
	bool r, w, u, x;
	u64 next;	/* table or frame */
};

static bool is_pdpte(const struct pt_format *fmt, int level)
{
	return fmt->levels == 3 && level == 3;
}

/* May a leaf be at @level (2 or 3)? */
static bool large_allowed(const struct pt_format *fmt, int level)
{
	return level == 2 ? fmt->large_2m :
	       level == 3 ? fmt->large_1g && fmt->levels > 3 : false;
}

/* 4-byte entries (APM: "Non-PAE Paging", "4-Mbyte Page Translation"). */
static void decode_legacy(const struct pt_format *fmt, int level, u64 e, struct entry *d)
{
	d->present = e & PTE_P;
	d->r = d->x = true;
	d->w = e & PTE_RW;
	d->u = e & PTE_US;
	d->leaf = level == 1 || (fmt->large_2m && (e & PTE_PS));
	if (level == 1 || !d->leaf) {
		d->next = e & 0xfffff000;
		return;
	}
	/* Bits 20:13 are bits 39:32 of the frame. */
	d->next = (e & 0xffc00000) | ((e >> 13) & 0xff) << 32;
	d->bad = (e & BIT_ULL(21)) || (d->next & fmt->rsvd_pa);
}

/* 8-byte entries of PAE, long mode and NPT. */
static u64 long_reserved(const struct pt_format *fmt, int level, bool leaf)
{
	u64 rsvd = fmt->rsvd_pa & PA_BITS;

	if (!fmt->nx)
		rsvd |= PTE_NX;
	if (fmt->levels == 3)
		rsvd |= GENMASK_ULL(62, 52);
	/*
	 * Bit 5 must be zero too, but QEMU's CPU walks PDPTEs like other entries and
	 * sets it as an accessed bit; a guest that runs there must not fault here.
	 */
	if (is_pdpte(fmt, level))
		return rsvd | PTE_NX | GENMASK_ULL(8, 6) | GENMASK_ULL(2, 1);
	if (level >= 4)
		return rsvd | PTE_PS | (fmt->mbz8 ? PTE_BIT8 : 0);
	if (level == 1)
		return rsvd;
	if (!large_allowed(fmt, level))
		return rsvd | PTE_PS;
	if (leaf)
		rsvd |= GENMASK_ULL(walk_leaf_shift(fmt, level) - 1, 13);
	return rsvd;
}

static void decode_long(const struct pt_format *fmt, int level, u64 e, struct entry *d)
{
	bool pdpte = is_pdpte(fmt, level);

	d->present = e & PTE_P;
	d->r = true;
	d->w = pdpte || (e & PTE_RW);
	d->u = pdpte || (e & PTE_US);
	d->x = pdpte || !(fmt->nx && (e & PTE_NX));
	d->leaf = level == 1 || (large_allowed(fmt, level) && (e & PTE_PS));
	d->bad = e & long_reserved(fmt, level, d->leaf);
	d->next = e & PA_BITS;
}

/* SDM: "EPT Misconfigurations" */
static bool ept_bad(const struct pt_format *fmt, int level, u64 e, bool leaf)
{
	unsigned int type = (e >> 3) & 7;
	u64 rsvd = fmt->rsvd_pa & PA_BITS;

	if ((e & (EPT_R | EPT_W)) == EPT_W)
		return true;
	if ((e & (EPT_R | EPT_W | EPT_X)) == EPT_X && !fmt->exec_only)
		return true;
	if (level >= 4)
		rsvd |= GENMASK_ULL(7, 3);
	else if (!leaf)
		rsvd |= GENMASK_ULL(6, 3);
	else if (level > 1)
		rsvd |= GENMASK_ULL(walk_leaf_shift(fmt, level) - 1, 12);
	if ((level == 2 || level == 3) && !large_allowed(fmt, level))
		rsvd |= PTE_PS;
	if (e & rsvd)
		return true;
	return leaf && (type == 2 || type == 3 || type == 7);
}

static void decode_ept(const struct pt_format *fmt, int level, u64 e, struct entry *d)
{
	d->present = e & (EPT_R | EPT_W | EPT_X);
	d->r = e & EPT_R;
	d->w = e & EPT_W;
	d->x = e & EPT_X;
	d->u = true;
	d->leaf = level == 1 || (large_allowed(fmt, level) && (e & PTE_PS));
	d->bad = ept_bad(fmt, level, e, d->leaf);
	d->next = e & PA_BITS;
}

static struct entry entry_decode(const struct pt_format *fmt, int level, u64 e)
{
	struct entry d = { 0 };

	if (fmt->ept)
		decode_ept(fmt, level, e, &d);
	else if (fmt->entry_size == 4)
		decode_legacy(fmt, level, e, &d);
	else
		decode_long(fmt, level, e, &d);
	return d;
}

static u64 entry_addr(const struct pt_format *fmt, int level, u64 table, u64 va)
{
	u64 index = va >> walk_leaf_shift(fmt, level);

	index &= is_pdpte(fmt, level) ? 3 : BIT_ULL(fmt->index_bits) - 1;
	return table + index * fmt->entry_size;
}

static int entry_read(const struct pt_format *fmt, const struct walk_ops *ops, void *ctx,
		      u64 addr, u64 *e)
{
	u32 e32 = 0;
	int err;

	if (fmt->entry_size == 8)
		return ops->read_entry(ctx, addr, e, 8);
	err = ops->read_entry(ctx, addr, &e32, 4);
	*e = e32;
	return err;
}

static enum walk_result walk_fault(const struct pt_format *fmt, u32 access, u32 why,
				   struct walk *out)
{
	out->error = why | (access & (ACC_WRITE | ACC_USER));
	if (!(why & ACC_PRESENT) || (why & ACC_RSVD))
		out->readable = out->writable = out->user = out->exec = false;
	/* The fetch bit exists only where something can depend on it. */
	if ((access & ACC_FETCH) && (fmt->nx || fmt->smep || fmt->ept))
		out->error |= ACC_FETCH;
	return WALK_FAULT;
}

/* Does what all levels left allow @access? */
static bool permitted(const struct pt_format *fmt, u32 access, const struct walk *w)
{
	bool user = access & ACC_USER, fetch = access & ACC_FETCH, write = access & ACC_WRITE;

	if (fmt->ept)
		return fetch ? w->exec : write ? w->writable : w->readable;
	if (fetch && !w->exec)
		return false;
	if (write && !w->writable && (user || fmt->wp))
		return false;
	if (user)
		return w->user;
	if (w->user && fetch && fmt->smep)
		return false;
	return !(w->user && !fetch && fmt->smap);
}

static void rights_and(struct walk *w, const struct entry *d)
{
	w->readable &= d->r;
	w->writable &= d->w;
	w->user &= d->u;
	w->exec &= d->x;
}

/* Collect entries from the root to the leaf. */
static enum walk_result walk_down(const struct pt_format *fmt, u64 root, u64 va, u32 access,
				  const struct walk_ops *ops, void *ctx, struct walk *out)
{
	u64 table = root, offset;
	struct entry d = { 0 };
	int level;

	for (level = fmt->levels; level >= 1; level--) {
		u64 *e = &out->used[level];

		out->table[level] = table;
		out->at = entry_addr(fmt, level, table, va);
		if (is_pdpte(fmt, level) && fmt->pdpte) {
			*e = fmt->pdpte[(out->at - table) / 8 & 3];
		} else if (entry_read(fmt, ops, ctx, out->at, e)) {
			out->table_fault = true;
			return WALK_TABLE_FAULT;
		}
		if (is_pdpte(fmt, level))
			out->pdpte[(out->at - table) / 8 & 3] = *e;
		d = entry_decode(fmt, level, *e);
		if (!d.present)
			return walk_fault(fmt, access, 0, out);
		if (d.bad)
			return walk_fault(fmt, access, ACC_PRESENT | ACC_RSVD, out);
		rights_and(out, &d);
		if (d.leaf)
			break;
		table = d.next;
	}
	offset = BIT_ULL(walk_leaf_shift(fmt, level)) - 1;
	out->level = level;
	/* Bit 12 of a large leaf is PAT, no address. */
	out->addr = (d.next & ~offset) | (va & offset);
	return WALK_OK;
}

/* Set accessed and dirty bits; 0, -EAGAIN or another -errno, or 1: the log is full. */
static int walk_mark(const struct pt_format *fmt, u32 access, const struct walk_ops *ops, void *ctx,
		     u64 va, struct walk *out)
{
	u64 accessed = fmt->ept ? EPT_A : PTE_A, dirty = fmt->ept ? EPT_D : PTE_D;
	int level, err;

	for (level = fmt->levels; level >= out->level; level--) {
		u64 old = out->used[level], new = old | accessed;

		if (is_pdpte(fmt, level))
			continue;
		if (level == out->level && (access & ACC_WRITE))
			new |= dirty;
		if (new == old)
			continue;
		if (access & ACC_LOG_FULL)
			return 1;
		out->at = entry_addr(fmt, level, out->table[level], va);
		err = ops->set_bits(ctx, out->at, old, new, fmt->entry_size);
		if (err)
			return err;
		out->used[level] = new;
		/* The leaf is the last, so nothing can fail after this. */
		out->dirtied = new & ~old & dirty;
	}
	return 0;
}

void walk_above(const struct pt_format *fmt, const struct walk *w, struct walk *above)
{
	int level;

	*above = *w;
	above->readable = above->writable = above->user = above->exec = true;
	for (level = fmt->levels; level > w->level; level--) {
		struct entry d = entry_decode(fmt, level, w->used[level]);

		rights_and(above, &d);
	}
}

bool walk_sibling(const struct pt_format *fmt, const struct walk *above, u64 entry,
		  struct walk *out)
{
	struct entry d = entry_decode(fmt, above->level, entry);

	if (!d.present || d.bad || !d.leaf || (fmt->ad && !(entry & (fmt->ept ? EPT_A : PTE_A))))
		return false;
	out->level = above->level;
	out->readable = above->readable;
	out->writable = above->writable;
	out->user = above->user;
	out->exec = above->exec;
	rights_and(out, &d);
	/* Bit 12 of a large leaf is PAT, no address. */
	out->addr = d.next & ~(BIT_ULL(walk_leaf_shift(fmt, above->level)) - 1);
	out->entry = entry;
	out->dirty = !fmt->ad || (entry & (fmt->ept ? EPT_D : PTE_D));
	return fmt->ept ? out->readable || out->exec : out->user;
}

enum walk_result walk_table(const struct pt_format *fmt, u64 root, u64 va, u32 access,
			    const struct walk_ops *ops, void *ctx, struct walk *out)
{
	enum walk_result res;
	int tries, err;

	for (tries = 0; tries < WALK_RESTARTS; tries++) {
		memset(out, 0, sizeof(*out));
		out->readable = out->writable = out->user = out->exec = true;
		res = walk_down(fmt, root, va, access, ops, ctx, out);
		if (res != WALK_OK)
			return res;
		if (!permitted(fmt, access, out))
			return walk_fault(fmt, access, ACC_PRESENT, out);
		err = fmt->ad ? walk_mark(fmt, access, ops, ctx, va, out) : 0;
		if (!err) {
			out->entry = out->used[out->level];
			out->dirty = !fmt->ad || (out->entry & (fmt->ept ? EPT_D : PTE_D));
			return WALK_OK;
		}
		if (err == 1)
			return WALK_LOG_FULL;
		if (err != -EAGAIN) {
			out->table_fault = true;
			return WALK_TABLE_FAULT;
		}
	}
	out->table_fault = true;
	out->raced = true;
	return WALK_TABLE_FAULT;
}
