// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bytes of code, found as the CPU found them: the current run's own page tables, and below
 * those the very table that the CPU walks for it (L0's, or the shadow of L1's).
 *
 * What that table maps is memory that may be read under mmu->lock, since the notifier takes the
 * lock before it lets a page go.  So nothing here faults, sleeps or asks L1's nested table.  Nor is
 * a permission checked or an accessed bit set: the CPU has just executed there and
 * did both.  Whatever is not plain four-level paging over mapped memory is left to gva_read().
 */
#include "mmu/gva.h"
#include "mmu/mmu_int.h"
#include "mmu/sl_format.h"

#define CR0_PG		BIT_ULL(31)
#define CR4_LA57	BIT_ULL(12)
#define EFER_LMA_BIT	BIT_ULL(10)
#define PTE_P		BIT_ULL(0)
#define PTE_PS		BIT_ULL(7)
#define PTE_PA		GENMASK_ULL(51, 12)

/* Where @pa, a physical address of the run, is in the host; NULL: the CPU's table has no memory there. */
static const void *second_level(const struct nestor_mmu_vm *mmu, const u64 *table, u64 pa)
{
	u64 gfn = pa >> PAGE_SHIFT, e;
	int level;

	if (gfn >= MAX_GFN)
		return NULL;
	for (level = ROOT_LEVEL;; level--) {
		e = READ_ONCE(table[level_index(gfn, level)]);
		if (!sl_present(mmu->fmt, e))
			return NULL;
		if (sl_is_leaf(e, level))
			break;
		table = sl_child(e);
	}
	return __va(sl_pfn(e) << PAGE_SHIFT) + (pa & ((level_pages(level) << PAGE_SHIFT) - 1));
}

static const void *code_at(const struct nestor_mmu_vm *mmu, const struct guest_run *run, u64 at)
{
	const u64 *root = sl_child(run->root.a);
	u64 e = run->cr3, size;
	const u64 *entry;
	int level;

	for (level = 4; level; level--) {
		entry = second_level(mmu, root, (e & PTE_PA) +
				     8 * level_index(at >> PAGE_SHIFT, level));
		if (!entry)
			return NULL;
		e = READ_ONCE(*entry);
		if (!(e & PTE_P) || (level == 4 && (e & PTE_PS)))
			return NULL;
		if (e & PTE_PS)
			break;
	}
	size = level > 1 ? level_pages(level) << PAGE_SHIFT : PAGE_SIZE;
	return second_level(mmu, root, (e & PTE_PA & ~(size - 1)) | (at & (size - 1)));
}

bool gva_code_word(struct nestor_vcpu *vcpu, u64 at, u32 *word)
{
	struct nestor_mmu_vm *mmu = vcpu->vm->mmu;
	struct guest_run *run = vcpu->run;
	const u32 *p;

	run_need(run, GRP_CR);
	if (!(run->cr0 & CR0_PG) || !(run->efer & EFER_LMA_BIT) || (run->cr4 & CR4_LA57) ||
	    (at & ~PAGE_MASK) > PAGE_SIZE - sizeof(*word))
		return false;
	spin_lock(&mmu->lock);
	p = code_at(mmu, run, at);
	if (p)
		*word = READ_ONCE(*p);
	spin_unlock(&mmu->lock);
	return p;
}
