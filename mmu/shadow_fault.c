// SPDX-License-Identifier: GPL-2.0-only
/*
 * A second-level fault of L2: walk L1's table, and fill in a leaf (shadow_fill.c) from what
 * L0's table has, or else from the host's page.
 */
#include "mmu/shadow_int.h"

static int l1_read_entry(void *ctx, u64 addr, void *entry, unsigned int size)
{
	/* Nobody answers on the bus: all ones. */
	if (gmem_read(ctx, l1_gpa(addr), entry, size))
		memset(entry, 0xff, size);
	return 0;
}

static int l1_set_bits(void *ctx, u64 addr, u64 old, u64 new, unsigned int size)
{
	/* A write to memory that takes none is lost, and the walk goes on. */
	return gmem_cmpxchg(ctx, l1_gpa(addr), &old, &new, size) == -EAGAIN ? -EAGAIN : 0;
}

/* The same where the entry is of the size and the format of those that shadow tables keep. */
static int l1_mark_bits(void *ctx, u64 addr, u64 old, u64 new, unsigned int size)
{
	return gmem_mark_entry(ctx, l1_gpa(addr), old, new) == -EAGAIN ? -EAGAIN : 0;
}

static const struct walk_ops l1_walk_ops = {
	.read_entry = l1_read_entry,
	.set_bits = l1_set_bits,
};

static const struct walk_ops l1_walk_ops_same = {
	.read_entry = l1_read_entry,
	.set_bits = l1_mark_bits,
};

enum walk_result shadow_walk(struct nestor_vcpu *vcpu, struct l1_gpa root,
			     const struct pt_format *fmt, struct l2_gpa from, u64 access,
			     struct walk *walk)
{
	u64 key = fmt->levels == 3 ? root.a & GENMASK_ULL(31, 5) :
		  fmt->levels == 2 ? root.a & GENMASK_ULL(31, 12) :
		  root.a & GENMASK_ULL(51, 12);

	access |= ACC_USER;
	if ((access & ACC_TABLE) && fmt->table_write)
		access |= ACC_WRITE;
	if (from.a >> walk_reach(fmt)) {
		memset(walk, 0, sizeof(*walk));
		walk->error = access & (ACC_WRITE | ACC_USER | (fmt->nx || fmt->ept ? ACC_FETCH : 0));
		return WALK_FAULT;
	}
	return walk_table(fmt, key, from.a, access,
			  fmt_matches(fmt) ? &l1_walk_ops_same : &l1_walk_ops, vcpu, walk);
}

static enum shadow_result shadow_no_map(enum mmu_result res)
{
	switch (res) {
	case MMU_MMIO:
		return SHADOW_MMIO;
	case MMU_NOMEM:
		return SHADOW_NOMEM;
	case MMU_ERROR:
		return SHADOW_ERROR;
	default:
		/* No page this time: the fault comes again. */
		return SHADOW_MAPPED;
	}
}

/* With -DNESTOR_DEBUG the tables are audited now and then; it takes milliseconds. */
static void debug_audit(struct nestor_vcpu *vcpu)
{
#ifdef NESTOR_DEBUG
	if (vcpu->shadow->faults++ % 64 == 0)
		WARN_ON_ONCE(shadow_audit(vcpu));
#endif
}

static enum shadow_result shadow_no_walk(enum walk_result res)
{
	switch (res) {
	case WALK_FAULT:
		return SHADOW_L1;
	case WALK_LOG_FULL:
		return SHADOW_LOG_FULL;
	default:
		/* L1 keeps changing the entry under the walk: let L2 try again. */
		return SHADOW_MAPPED;
	}
}

static enum shadow_result fill_walked(struct nestor_vcpu *vcpu, struct shadow_root *sr, u64 gfn,
				      u64 access, const struct walk *walk)
{
	enum mmu_result res;
	struct shadow_fill fill;
	struct host_map m;

	if (walk->addr >> PAGE_SHIFT >= MAX_GFN)
		return SHADOW_MMIO;
	shadow_make_room(vcpu, sr);
	if (spare_fill(vcpu->shadow, SHADOW_SPARE))
		return SHADOW_NOMEM;
	fill_begin(&fill, vcpu, sr, gfn, access, walk);
	if (!fill_known(&fill)) {
		res = host_map_get(vcpu, walk->addr >> PAGE_SHIFT, access & ACC_WRITE, &m);
		if (res != MMU_MAPPED || !m.page)
			return shadow_no_map(res);
		fill_page(&fill, &m);
		host_map_put(&m);
	}
	debug_audit(vcpu);
	return SHADOW_MAPPED;
}

enum shadow_result shadow_fault(struct nestor_vcpu *vcpu, struct shadow_root *sr,
				struct l2_gpa from, u64 access, struct walk *walk,
				struct l1_gpa *gpa)
{
	u64 gfn = from.a >> PAGE_SHIFT;
	enum walk_result res;
	bool brought = false, dirtied = false;

	if ((access & ACC_TABLE) && sr->fmt.table_write)
		access |= ACC_WRITE;
	/*
	 * A table that is brought back is watched from then on, and a write that came between
	 * the walk and that was seen by nobody: what is made of the walk must be read
	 * after it.  Each round brings something back, so there are few.
	 */
	do {
		res = shadow_walk(vcpu, l1_gpa(sr->key), &sr->fmt, from, access, walk);
		/* What an earlier one of them did is to be logged, too. */
		dirtied |= walk->dirtied;
		walk->dirtied = dirtied;
		if (res != WALK_OK)
			return shadow_no_walk(res);
		*gpa = l1_gpa(walk->addr);
		/* A frontend that offers what the CPU cannot express has only itself to blame. */
		if (!walk->readable && !hw_caps.exec_only)
			return SHADOW_ERROR;
		if (gfn >= MAX_GFN)
			return SHADOW_ERROR;
		if (brought && shadow_has(vcpu, sr, gfn, access, walk))
			return SHADOW_MAPPED;
		brought = shadow_refresh(vcpu, sr, gfn, walk);
	} while (brought);
	return fill_walked(vcpu, sr, gfn, access, walk);
}
