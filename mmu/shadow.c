// SPDX-License-Identifier: GPL-2.0-only
/*
 * Roots of a vCPU's shadow tables: finding, making, invalidating, evicting.
 *
 * The shadow is a model of the processor's TLB, and an invalidation by L1 only
 * means that what L1 has changed must not be used any more.  So it marks the roots of
 * that tag stale, and what L1 may have written to (watch.c) of a stale root is compared with
 * L1's tables before L2 uses it again (shadow_sync.c): what L1 did not touch stays.
 *
 * A guest hypervisor without flush-by-ASID flushes by taking the next ASID.  A
 * root of another tag over the same table is therefore taken over, as if stale,
 * rather than filled again; taking an entry from a tag is what a TLB may do at
 * any time.  The least recently used one is the one whose tag has most likely
 * been given up; if that tag does come back, two guests share the table and
 * each gets its own root.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "core/nested_ops.h"
#include "mmu/shadow_int.h"
#include "mmu/table.h"

int shadow_create(struct nestor_vcpu *vcpu)
{
	struct mmu_shadow *s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);

	if (!s)
		return -ENOMEM;
	INIT_LIST_HEAD(&s->spare);
	vcpu->shadow = s;
	return 0;
}

/* Clear @t piecemeal: a full root is too much for one hold of the lock. */
static void table_empty_slowly(struct nestor_vcpu *vcpu, struct shadow_table *t,
			       struct list_head *gone)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	unsigned int i;

	for (i = 0; i < PT_ENTRIES; i++) {
		if (!READ_ONCE(t->spt[i]))
			continue;
		/* Children are this thread's own: no lock to follow them. */
		if (t->level > 2 && shadow_is_child(t, i))
			table_empty_slowly(vcpu, t->slot[i].child, gone);
		spin_lock(&mmu->lock);
		entry_clear(vcpu, t, i, gone);
		spin_unlock(&mmu->lock);
		cond_resched();
	}
}

/*
 * Forget what @sr maps; its top page stays, so a CPU may keep the root loaded.  The
 * caller sees to the TLB.
 */
void root_empty(struct nestor_vcpu *vcpu, struct shadow_root *sr)
{
	LIST_HEAD(gone);

	table_empty_slowly(vcpu, sr->top, &gone);
	tables_free(&gone);
	sr->stale = false;
}

static void root_free(struct nestor_vcpu *vcpu, struct shadow_root *sr)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	struct mmu_shadow *s = vcpu->shadow;
	LIST_HEAD(gone);

	if (!sr->top)
		return;
	root_empty(vcpu, sr);
	spin_lock(&mmu->lock);
	watch_forget(mmu, sr->top);
	list_move(&sr->top->all, &gone);
	spin_unlock(&mmu->lock);
	tables_free(&gone);
	s->nr_tables--;
	if (s->cur == sr)
		s->cur = NULL;
	*sr = (struct shadow_root){ .top = NULL };
}

void shadow_destroy(struct nestor_vcpu *vcpu)
{
	struct mmu_shadow *s = vcpu->shadow;
	int i;

	if (!s)
		return;
	for (i = 0; i < SHADOW_ROOTS; i++)
		root_free(vcpu, &s->roots[i]);
	spare_drop(s);
	kfree(s);
	vcpu->shadow = NULL;
}

static bool same_format(const struct pt_format *a, const struct pt_format *b)
{
	return a->levels == b->levels && a->entry_size == b->entry_size &&
	       a->index_bits == b->index_bits && a->nx == b->nx && a->ept == b->ept &&
	       a->exec_only == b->exec_only && a->mbz8 == b->mbz8 &&
	       a->large_2m == b->large_2m && a->large_1g == b->large_1g && a->wp == b->wp &&
	       a->smep == b->smep && a->smap == b->smap && a->ad == b->ad &&
	       a->table_write == b->table_write && a->rsvd_pa == b->rsvd_pa;
}

/* Bits of the root register that are ignored, not checked (APM: "nCR3"). */
static u64 root_key(struct l1_gpa root, const struct pt_format *fmt)
{
	return fmt->levels == 3 ? root.a & GENMASK_ULL(31, 5) : root.a & GENMASK_ULL(51, 12);
}

static struct shadow_root *root_find(struct mmu_shadow *s, u64 key, const struct pt_format *fmt,
				     u32 tag)
{
	int i;

	for (i = 0; i < SHADOW_ROOTS; i++) {
		struct shadow_root *sr = &s->roots[i];

		if (sr->top && sr->key == key && sr->tag == tag && same_format(&sr->fmt, fmt))
			return sr;
	}
	return NULL;
}

/* A root of another tag over the same table that may be taken over, or NULL. */
static struct shadow_root *root_adopt(struct mmu_shadow *s, u64 key, const struct pt_format *fmt,
				      u32 tag)
{
	struct shadow_root *best = NULL;
	int i;

	for (i = 0; i < SHADOW_ROOTS; i++) {
		struct shadow_root *sr = &s->roots[i];

		if (!sr->top || sr->key != key || !same_format(&sr->fmt, fmt))
			continue;
		if (sr->moved && sr->old_tag == tag) {
			/* The tag this root was taken from is alive after all. */
			sr->moved = false;
			return NULL;
		}
		if (!best || sr->used < best->used)
			best = sr;
	}
	if (!best)
		return NULL;
	best->old_tag = best->tag;
	best->moved = true;
	best->tag = tag;
	best->stale = true;
	return best;
}

static struct shadow_root *root_oldest(struct mmu_shadow *s, const struct shadow_root *keep)
{
	struct shadow_root *old = NULL;
	int i;

	for (i = 0; i < SHADOW_ROOTS; i++) {
		struct shadow_root *sr = &s->roots[i];

		if (sr->top && sr != keep && (!old || sr->used < old->used))
			old = sr;
	}
	return old;
}

/* The VMM may want fewer (KVM_SET_NR_MMU_PAGES); they go as faults ask for others.  Never fewer than a walk takes. */
static unsigned int shadow_budget(const struct nestor_vcpu *vcpu)
{
	u32 wanted = READ_ONCE(vcpu->vm->mmu_pages);

	return wanted ? clamp_t(u32, wanted, SHADOW_SPARE + 1, SHADOW_TABLES) : SHADOW_TABLES;
}

/* Room for a fault's tables within the budget, at the cost of other roots, or else of @keep's: with its top alone there is. */
void shadow_make_room(struct nestor_vcpu *vcpu, struct shadow_root *keep)
{
	struct mmu_shadow *s = vcpu->shadow;

	while (s->nr_tables + SHADOW_SPARE > shadow_budget(vcpu)) {
		struct shadow_root *old = root_oldest(s, keep);

		if (old)
			root_free(vcpu, old);
		else
			root_empty(vcpu, keep);
		nested->flush(vcpu);
	}
}

static struct shadow_root *root_make(struct nestor_vcpu *vcpu, u64 key,
				     const struct pt_format *fmt, u32 tag)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	struct mmu_shadow *s = vcpu->shadow;
	struct shadow_root *sr = NULL;
	struct shadow_table *top;
	int i;

	/* What can fail comes before anything is evicted. */
	if (rmap_init(mmu) || watch_init(mmu) || spare_fill(s, 1))
		return NULL;
	shadow_make_room(vcpu, NULL);
	for (i = 0; i < SHADOW_ROOTS && !sr; i++)
		if (!s->roots[i].top)
			sr = &s->roots[i];
	if (!sr) {
		sr = root_oldest(s, NULL);
		root_free(vcpu, sr);
		nested->flush(vcpu);
	}
	top = spare_take(s);
	top->root = sr;
	top->level = ROOT_LEVEL;
	*sr = (struct shadow_root){
		.top = top, .key = key, .fmt = *fmt, .tag = tag, .nr_tables = 1,
		.outside = atomic64_read(&mmu->outside_seq),
	};
	INIT_LIST_HEAD(&sr->open);
	s->nr_tables++;
	spin_lock(&mmu->lock);
	list_add(&top->all, &mmu->shadow_tables);
	watch_mirror(mmu, top, fmt_matches(fmt) ? key : NO_TABLE);
	spin_unlock(&mmu->lock);
	return sr;
}

static void root_use(struct nestor_vcpu *vcpu, struct shadow_root *sr)
{
	struct mmu_shadow *s = vcpu->shadow;

	/* The CPU knows L2 by one tag of its own, whichever of L1's this is. */
	if (s->cur != sr)
		nested->flush(vcpu);
	s->cur = sr;
	sr->used = ++s->clock;
}

struct shadow_root *shadow_ready(struct nestor_vcpu *vcpu, struct l1_gpa root,
				 const struct pt_format *fmt, u32 tag)
{
	struct mmu_shadow *s = vcpu->shadow;
	u64 key = root_key(root, fmt);
	struct shadow_root *sr;

	if (!s)
		return NULL;
	sr = s->cur;
	/* Nearly always it is the one that was used last. */
	if (!sr || sr->key != key || sr->tag != tag || !same_format(&sr->fmt, fmt))
		sr = root_find(s, key, fmt, tag);
	if (!sr || sr->stale)
		return NULL;
	root_use(vcpu, sr);
	return sr;
}

bool shadow_current(struct nestor_vcpu *vcpu, struct shadow_root *sr)
{
	struct mmu_shadow *s = vcpu->shadow;

	if (!sr || s->cur != sr || !sr->top || sr->stale)
		return false;
	sr->used = ++s->clock;
	return true;
}

struct shadow_root *shadow_get(struct nestor_vcpu *vcpu, struct l1_gpa root,
			       const struct pt_format *fmt, u32 tag, bool *fresh)
{
	u64 key = root_key(root, fmt);
	struct shadow_root *sr;
	struct mmu_shadow *s;

	/* Most processors never have an L2. */
	if (!vcpu->shadow && shadow_create(vcpu))
		return NULL;
	s = vcpu->shadow;
	sr = root_find(s, key, fmt, tag);
	*fresh = false;
	if (!sr)
		sr = root_adopt(s, key, fmt, tag);
	if (!sr) {
		sr = root_make(vcpu, key, fmt, tag);
		*fresh = true;
	}
	if (!sr)
		return NULL;
	if (sr->stale)
		shadow_revalidate(vcpu, sr);
	root_use(vcpu, sr);
	return sr;
}

struct hpa shadow_root_hpa(const struct shadow_root *sr)
{
	return hpa(__sme_set(__pa(sr->top->spt)));
}

/* The current root may be entered again without shadow_get(), so it cannot wait. */
static void root_invalidate(struct nestor_vcpu *vcpu, struct shadow_root *sr)
{
	sr->stale = true;
	if (sr == vcpu->shadow->cur)
		shadow_revalidate(vcpu, sr);
}

static void drop_roots(struct nestor_vcpu *vcpu, bool all, u32 tag)
{
	struct mmu_shadow *s = vcpu->shadow;
	int i;

	nested->flush(vcpu);
	for (i = 0; s && i < SHADOW_ROOTS; i++)
		if (s->roots[i].top && (all || s->roots[i].tag == tag))
			root_invalidate(vcpu, &s->roots[i]);
}

void shadow_drop_tag(struct nestor_vcpu *vcpu, u32 tag)
{
	drop_roots(vcpu, false, tag);
}

void shadow_drop_all(struct nestor_vcpu *vcpu)
{
	drop_roots(vcpu, true, 0);
}

void shadow_drop_root(struct nestor_vcpu *vcpu, struct l1_gpa root)
{
	struct mmu_shadow *s = vcpu->shadow;
	u64 key = root.a & GENMASK_ULL(51, 12);
	int i;

	nested->flush(vcpu);
	for (i = 0; s && i < SHADOW_ROOTS; i++)
		if (s->roots[i].top && (s->roots[i].key & GENMASK_ULL(51, 12)) == key)
			root_invalidate(vcpu, &s->roots[i]);
}

static void root_drop_gpa(struct nestor_vcpu *vcpu, struct shadow_root *sr, u64 gfn)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	struct shadow_table *t = sr->top;
	unsigned int i;

	spin_lock(&mmu->lock);
	for (;;) {
		i = level_index(gfn, t->level);
		if (!shadow_is_child(t, i))
			break;
		t = t->slot[i].child;
	}
	if (shadow_is_leaf(mmu->fmt, t, i))
		leaf_clear(mmu, t, i);
	spin_unlock(&mmu->lock);
}

void shadow_drop_gpa(struct nestor_vcpu *vcpu, u32 tag, struct l2_gpa gpa)
{
	struct mmu_shadow *s = vcpu->shadow;
	int i;

	nested->flush(vcpu);
	for (i = 0; s && i < SHADOW_ROOTS && gpa.a >> PAGE_SHIFT < MAX_GFN; i++)
		if (s->roots[i].top && s->roots[i].tag == tag)
			root_drop_gpa(vcpu, &s->roots[i], gpa.a >> PAGE_SHIFT);
}
