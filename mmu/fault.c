// SPDX-License-Identifier: GPL-2.0-only
/*
 * Second-level faults of L1: slot -> the VMM's address -> host page -> leaf.
 *
 * The page is looked up with a reference that is dropped as soon as the leaf is
 * in place; the notifier keeps the leaf honest from then on.  The size of the leaf is
 * the smallest of what the slot's alignment, the host's own page table and the CPU
 * allow; a slot with a dirty log has 4K leaves only.
 *
 * Memory without struct page references (VM_PFNMAP: device mappings) is not
 * mapped: MMU_ERROR.
 */
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched/mm.h>

#include "mmu/mmu_int.h"
#include "mmu/table.h"

/* The largest leaf around @gfn that lies in the slot and is aligned like the host's. */
static int slot_level(const struct mem_slot *slot, u64 gfn)
{
	int level, top = hw_caps.root_1g ? LEVEL_1G : hw_caps.root_2m ? LEVEL_2M : LEVEL_4K;

	if (slot->dirty)
		return LEVEL_4K;
	for (level = top; level > LEVEL_4K; level--) {
		u64 pages = level_pages(level), first = gfn & ~(pages - 1);

		if (((slot->hva >> PAGE_SHIFT) ^ slot->base) & (pages - 1))
			continue;
		if (first >= slot->base && first + pages <= slot->base + slot->npages)
			break;
	}
	return level;
}

/*
 * At which level does the host map @hva to @pfn?  Runs with interrupts off, so that
 * no table is freed meanwhile; what changes right after is the notifier's matter.
 */
static int host_level(struct mm_struct *mm, unsigned long hva, u64 pfn, bool write)
{
	int level = LEVEL_4K;
	unsigned long flags;
	pgd_t pgd;
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;

	local_irq_save(flags);
	pgd = READ_ONCE(*pgd_offset(mm, hva));
	if (pgd_none(pgd) || !pgd_present(pgd))
		goto out;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (p4d_none(p4d) || !p4d_present(p4d))
		goto out;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (pud_none(pud) || !pud_present(pud))
		goto out;
	if (pud_leaf(pud)) {
		if (pud_pfn(pud) + ((hva & ~PUD_MASK) >> PAGE_SHIFT) == pfn &&
		    (!write || pud_write(pud)))
			level = LEVEL_1G;
		goto out;
	}
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	if (pmd_none(pmd) || !pmd_present(pmd) || !pmd_leaf(pmd))
		goto out;
	if (pmd_pfn(pmd) + ((hva & ~PMD_MASK) >> PAGE_SHIFT) == pfn && (!write || pmd_write(pmd)))
		level = LEVEL_2M;
out:
	local_irq_restore(flags);
	return level;
}

/* 1: got a page, 0: try again, -errno */
static int get_host_page(const struct mem_slot *slot, bool write, struct host_map *m)
{
	int n;

	m->writable = true;
	if (write)
		return get_user_pages_fast(m->hva, 1, FOLL_WRITE, &m->page);
	/* If it can be written without more ado, spare the guest a second fault. */
	if (slot_writable(slot) && !slot->dirty &&
	    get_user_pages_fast_only(m->hva, 1, FOLL_WRITE, &m->page) == 1)
		return 1;
	m->writable = false;
	n = get_user_pages_fast(m->hva, 1, 0, &m->page);
	return n;
}

enum mmu_result host_map_get(struct nestor_vcpu *vcpu, u64 gfn, bool write, struct host_map *m)
{
	struct nestor_mmu_vm *mmu = vcpu->mem;
	int n, level;

	*m = (struct host_map){ .gfn = gfn, .level = LEVEL_4K };
	m->set = slots_get(mmu);
	m->slot = slot_find(m->set, gfn);
	if (!m->slot || (write && !slot_writable(m->slot)))
		return MMU_MMIO;
	m->hva = slot_hva(m->slot, gfn);
	m->seq = READ_ONCE(mmu->inval_seq);
	/* The counter first, then the page: the other order would miss an invalidation. */
	smp_rmb();

	n = get_host_page(m->slot, write, m);
	if (n == -EINTR || n == -EAGAIN || n == 0) {
		/* A fatal signal: the run loop sees it. */
		m->page = NULL;
		return MMU_MAPPED;
	}
	if (n != 1) {
		m->page = NULL;
		return n == -ENOMEM ? MMU_NOMEM : MMU_ERROR;
	}
	m->pfn = page_to_pfn(m->page);
	level = slot_level(m->slot, gfn);
	if (level > LEVEL_4K)
		level = min(level, host_level(vcpu->vm->mm, m->hva, m->pfn, m->writable));
	m->level = level;
	return MMU_MAPPED;
}

struct page *gmem_hold(struct nestor_vcpu *vcpu, struct l1_gpa gpa)
{
	struct host_map m;

	if (gpa.a >> PAGE_SHIFT >= MAX_GFN ||
	    host_map_get(vcpu, gpa.a >> PAGE_SHIFT, true, &m) != MMU_MAPPED)
		return NULL;
	return m.page;
}

struct page *gmem_hold_known(struct nestor_vcpu *vcpu, struct l1_gpa gpa)
{
	u64 gfn = gpa.a >> PAGE_SHIFT;
	const struct mem_slot *slot = slot_find(slots_get(vcpu->mem), gfn);
	struct page *page;

	if (!slot || !slot_writable(slot) ||
	    get_user_pages_fast_only(slot_hva(slot, gfn), 1, FOLL_WRITE, &page) != 1)
		return NULL;
	return page;
}

bool host_map_stale(struct nestor_mmu_vm *mmu, const struct host_map *m, int level)
{
	unsigned long size = level_pages(level) << PAGE_SHIFT, start = m->hva & ~(size - 1);

	lockdep_assert_held(&mmu->lock);
	if (m->set != rcu_access_pointer(mmu->slots) || m->seq != mmu->inval_seq)
		return true;
	return mmu->inval_count && start < mmu->inval_end && mmu->inval_start < start + size;
}

void host_map_put(struct host_map *m)
{
	if (m->page)
		put_page(m->page);
	m->page = NULL;
}

void host_map_used(struct nestor_mmu_vm *mmu, const struct host_map *m)
{
	lockdep_assert_held(&mmu->lock);
	if (!m->writable || PageReserved(m->page))
		return;
	/*
	 * The CPU sets dirty bits in our table, not in the host's, and a fast
	 * lookup leaves the host's alone: say here that the page may be written.
	 */
	SetPageDirty(m->page);
	slot_mark_dirty(m->slot, m->gfn);
}

void host_map_watched(struct nestor_mmu_vm *mmu, struct host_map *m, bool write)
{
	m->level = watch_level(mmu, m->gfn, m->level);
	if (write)
		watch_opens(mmu, m->gfn);
	else if (m->writable && watch_covers(mmu, m->gfn))
		m->writable = false;
}

/* The host's page at hand; only while no invalidation is under way. */
static bool host_page_known(struct nestor_mmu_vm *mmu, bool write, struct host_map *m)
{
	m->slot = slot_find(slots_get(mmu), m->gfn);
	if (!m->slot || mmu->inval_count)
		return false;
	m->hva = slot_hva(m->slot, m->gfn);
	m->writable = write && slot_writable(m->slot) && !m->slot->dirty;
	if (get_user_pages_fast_only(m->hva, 1, m->writable ? FOLL_WRITE : 0, &m->page) != 1) {
		m->page = NULL;
		return false;
	}
	m->pfn = page_to_pfn(m->page);
	m->level = slot_level(m->slot, m->gfn);
	if (m->level > LEVEL_4K)
		m->level = min(m->level, host_level(mmu->vm->mm, m->hva, m->pfn, m->writable));
	/* This is no write. */
	host_map_watched(mmu, m, false);
	host_map_used(mmu, m);
	host_map_put(m);
	return true;
}

static void log_write(struct nestor_mmu_vm *mmu, u64 gfn)
{
	const struct mem_slot *slot = slot_find(slots_get(mmu), gfn);

	if (slot)
		slot_mark_dirty(slot, gfn);
}

void mmu_log_writes(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;
	u32 i;

	for (i = 0; i < run->log_nr; i++)
		log_write(vcpu->mem, run->log_gpa[i] >> PAGE_SHIFT);
	run->log_nr = 0;
}

bool host_map_known(struct nestor_mmu_vm *mmu, u64 gfn, bool write, bool may_look,
		    struct host_map *m)
{
	lockdep_assert_held(&mmu->lock);
	m->gfn = gfn;
	/* L0's leaf is kept true by the notifier, and whoever made it writable marked the page. */
	m->level = table_lookup(mmu, gfn, &m->pfn, &m->writable);
	/* The CPU may have set the dirty flag a moment ago, and nobody has read its log. */
	if (unlikely(READ_ONCE(mmu->vm->cpu_log)) && m->level && m->writable)
		log_write(mmu, gfn);
	return m->level || (may_look && host_page_known(mmu, write, m));
}

static enum mmu_result fault_map(struct nestor_vcpu *vcpu, struct host_map *m, bool write)
{
	struct nestor_mmu_vm *mmu = vcpu->mem;
	enum table_change change = TABLE_ADDED;
	struct table_cache cache = {};
	unsigned int need;
	LIST_HEAD(gone);

	/* Most faults need no new table, so ask before allocating. */
	for (;;) {
		spin_lock(&mmu->lock);
		host_map_watched(mmu, m, write);
		need = table_need(mmu, m->gfn, m->level);
		if (need <= cache.nr)
			break;
		spin_unlock(&mmu->lock);
		if (table_cache_fill(&cache, need, GFP_KERNEL_ACCOUNT)) {
			table_cache_drop(&cache);
			return MMU_NOMEM;
		}
	}
	if (!host_map_stale(mmu, m, m->level)) {
		change = table_map(mmu, m->gfn, m->pfn, m->level, m->writable, &cache, &gone);
		host_map_used(mmu, m);
		if (change == TABLE_FLUSH)
			vm_flush_tlbs(vcpu->vm);
	}
	spin_unlock(&mmu->lock);
	table_free_gone(&gone);
	table_cache_drop(&cache);
	/* The table allows what faulted: an old TLB entry of this CPU does not. */
	if (change == TABLE_SAME)
		vcpu_request(vcpu, REQ_TLB_FLUSH);
	return MMU_MAPPED;
}

enum mmu_result mmu_fault(struct nestor_vcpu *vcpu, struct l1_gpa gpa, u32 access)
{
	u64 gfn = gpa.a >> PAGE_SHIFT;
	enum mmu_result res;
	struct host_map m;

	if (gfn >= MAX_GFN)
		return MMU_MMIO;
	res = host_map_get(vcpu, gfn, access & ACC_WRITE, &m);
	if (res == MMU_MAPPED && m.page) {
		res = fault_map(vcpu, &m, access & ACC_WRITE);
		host_map_put(&m);
	}
	return res;
}
