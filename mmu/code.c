// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bytes of code, found as the CPU found them: the current run's own page tables, and below
 * those the very table that the CPU walks for it (L0's, or the shadow of L1's).
 *
 * What that table maps is memory that may be read under mmu->lock, since the notifier takes the
 * lock before it lets a page go.  So nothing here faults, sleeps or asks L1's nested table.  Nor is
 * a permission checked or an accessed bit set: the CPU has just executed there and
 * did both.  Whatever is not plain four-level paging over mapped memory is left to gva_read().
 *
 * A guest exits from few places again and again.  A memo holds where the entries of such a walk
 * were and what they said.  While no mapping was taken away (mmu->unmap_seq) those places
 * are still the guest's memory, and as long as they say the same the walk would
 * end where it did: each entry is read at every use, as the walk would.
 *
 * Right behind an exit, with interrupts off as they were when the guest was entered, the lock is not needed for
 * that.  Whoever takes a mapping away moves unmap_seq, and then waits until this CPU has left the guest and answers an
 * interrupt (vm_flush_tlbs()) before he lets a page go.  So what was mapped when the guest was entered is there to be
 * read, by the CPU and by us.
 */
#include "mmu/gva.h"
#include "mmu/mmu_int.h"
#include "mmu/sl_format.h"

#define CR0_PG		BIT_ULL(31)
#define CR4_LA57	BIT_ULL(12)
#define CR4_SMAP	BIT_ULL(21)
#define RFLAGS_AC	BIT_ULL(18)
#define EFER_LMA_BIT	BIT_ULL(10)
#define PTE_P		BIT_ULL(0)
#define PTE_PS		BIT_ULL(7)
#define PTE_PA		GENMASK_ULL(51, 12)
#define PTE_W		BIT_ULL(1)
#define PTE_U		BIT_ULL(2)
#define PTE_A		BIT_ULL(5)
#define PTE_D		BIT_ULL(6)
#define PTE_PAT_LARGE	BIT_ULL(12)
#define PTE_NX		BIT_ULL(63)
#define EFER_NXE	BIT_ULL(11)

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

/* Walk to the page of @at and note the way. */
static noinline bool code_walk(const struct nestor_vcpu *vcpu, u64 at, struct code_memo *memo)
{
	const struct nestor_mmu_vm *mmu = vcpu->mem;
	const struct guest_run *run = vcpu->run;
	const u64 *root = sl_child(run->root.a);
	u64 e = run->cr3, size;
	unsigned int nr = 0;
	const u64 *entry;
	int level;

	/* No page is at that address until the walk is done. */
	memo->page = ~0ull;
	for (level = 4; level; level--) {
		entry = second_level(mmu, root, (e & PTE_PA) +
				     8 * level_index(at >> PAGE_SHIFT, level));
		if (!entry)
			return false;
		e = READ_ONCE(*entry);
		if (!(e & PTE_P) || (level == 4 && (e & PTE_PS)))
			return false;
		memo->entry[nr] = entry;
		memo->value[nr++] = e;
		/* A 4K entry's bit 7 is PAT. */
		if (level > 1 && (e & PTE_PS))
			break;
	}
	for (; nr < ARRAY_SIZE(memo->entry); nr++) {
		memo->value[nr] = e;
		memo->entry[nr] = &memo->value[nr];
	}
	/* It ends at level 0 where it went through all four. */
	level = max(level, 1);
	size = level_pages(level) << PAGE_SHIFT;
	memo->odd = (level > 1 && (e & PTE_PA & (size - 1) & ~PTE_PAT_LARGE)) ||
		    (level == LEVEL_1G && !vcpu->cpuid.has_1g);
	memo->gpa = (e & PTE_PA & ~(size - 1)) | (at & (size - 1) & PAGE_MASK);
	memo->code = second_level(mmu, root, memo->gpa);
	if (!memo->code)
		return false;
	memo->page = at & PAGE_MASK;
	memo->cr3 = run->cr3;
	memo->root = run->root.a;
	memo->seq = mmu->unmap_seq;
	return true;
}

/* Is it the same walk, and does every entry on the way say what it said? */
static __always_inline bool memo_holds(const struct nestor_mmu_vm *mmu, const struct guest_run *run,
				       u64 at, const struct code_memo *memo)
{
	u64 diff;

	static_assert(ARRAY_SIZE(memo->entry) == 4);
	/* No run has a root of 0, which an empty one has. */
	if (unlikely(memo->page != (at & PAGE_MASK) || memo->cr3 != run->cr3 ||
		     memo->root != run->root.a || memo->seq != READ_ONCE(mmu->unmap_seq)))
		return false;
	diff = READ_ONCE(*memo->entry[0]) ^ memo->value[0];
	diff |= READ_ONCE(*memo->entry[1]) ^ memo->value[1];
	diff |= READ_ONCE(*memo->entry[2]) ^ memo->value[2];
	diff |= READ_ONCE(*memo->entry[3]) ^ memo->value[3];
	return !diff;
}

/* Is the code in a mode with four or five levels?  cr3 and cr4 are current then. */
static __always_inline bool long_mode(struct guest_run *run)
{
	if (likely(run_is_64bit(run)))
		return true;
	run_need(run, GRP_CR);
	return (run->cr0 & CR0_PG) && (run->efer & EFER_LMA_BIT);
}

/* L1 and L2 take turns, often at the same addresses. */
static __always_inline struct code_memo *memo_of(struct nestor_vcpu *vcpu, u64 at)
{
	static_assert(sizeof(struct code_memo) == 128);
	return &vcpu->code[((at >> PAGE_SHIFT) * 2 + vcpu_in_l2(vcpu)) % NR_CODE_MEMOS];
}

/*
 * Where the bytes at linear address @at are in the host, @len of them on one page; NULL: not this way.
 * In long mode.
 */
static __always_inline const u8 *code_at(struct nestor_vcpu *vcpu, u64 at, unsigned int len)
{
	struct nestor_mmu_vm *mmu = vcpu->mem;
	struct guest_run *run = vcpu->run;
	unsigned int in_page = at & ~PAGE_MASK;
	struct code_memo *memo;

	lockdep_assert_held(&mmu->lock);
	if (unlikely((run->cr4 & CR4_LA57) || in_page > PAGE_SIZE - len))
		return NULL;
	memo = memo_of(vcpu, at);
	if (likely(memo_holds(mmu, run, at, memo)) || code_walk(vcpu, at, memo))
		return memo->code + in_page;
	return NULL;
}

s64 gva_code_word(struct nestor_vcpu *vcpu, u64 at)
{
	struct nestor_mmu_vm *mmu = vcpu->mem;
	const u8 *code;
	s64 word = -1;

	if (unlikely(!long_mode(vcpu->run)))
		return -1;
	spin_lock(&mmu->lock);
	code = code_at(vcpu, at, sizeof(u32));
	if (likely(code))
		word = READ_ONCE(*(const u32 *)code);
	spin_unlock(&mmu->lock);
	return word;
}

bool gva_code_exited(struct nestor_vcpu *vcpu, u32 mask, u32 value)
{
	const struct guest_run *run = vcpu->run;
	unsigned int in_page = run->rip & ~PAGE_MASK;
	const struct code_memo *memo;

	lockdep_assert_irqs_disabled();
	/* Of 64-bit mode the exit itself tells, and of CR3 and CR4 then. */
	if (unlikely(!(run->avail & GRP_CODE64) || !run->code64))
		return false;
	if (unlikely(run->cr4 & CR4_LA57))
		return false;
	if (unlikely(in_page > PAGE_SIZE - sizeof(u32)))
		return false;
	memo = memo_of(vcpu, run->rip);
	if (unlikely(!memo_holds(vcpu->mem, run, run->rip, memo)))
		return false;
	return (READ_ONCE(*(const u32 *)(memo->code + in_page)) & mask) == value;
}

bool gva_code_insn(struct nestor_vcpu *vcpu, u64 at, u8 bytes[16])
{
	struct nestor_mmu_vm *mmu = vcpu->mem;
	const u8 *code;

	if (!long_mode(vcpu->run))
		return false;
	spin_lock(&mmu->lock);
	code = code_at(vcpu, at, 16);
	if (code)
		memcpy(bytes, code, 16);
	spin_unlock(&mmu->lock);
	return code;
}

/* SMAP keeps supervisor code from a user page unless RFLAGS.AC is set. */
static bool smap_forbids(const struct guest_run *run, u64 all)
{
	return (all & PTE_U) && (run->cr4 & CR4_SMAP) && !(run->rflags & RFLAGS_AC);
}

/* May supervisor code do this to the page, with nothing to be set or raised on the way? */
static bool allowed(const struct nestor_vcpu *vcpu, const struct code_memo *memo, bool write)
{
	const u64 *v = memo->value;
	u64 all = v[0] & v[1] & v[2] & v[3], any = v[0] | v[1] | v[2] | v[3];
	u64 need = write ? PTE_P | PTE_A | PTE_W : PTE_P | PTE_A;
	u64 rsvd = vcpu->cpuid.rsvd_gpa_bits & PTE_PA;

	if (!(vcpu->run->efer & EFER_NXE))
		rsvd |= PTE_NX;
	return (all & need) == need && !(any & rsvd) && !memo->odd &&
	       !smap_forbids(vcpu->run, all) && (!write || (v[3] & PTE_D));
}

/* Find the page of @at for an access of supervisor code to data; mmu->lock held */
static bool operand_found(struct nestor_vcpu *vcpu, u64 at, size_t len, bool write)
{
	struct guest_run *run = vcpu->run;
	struct code_memo *memo = &vcpu->operand;

	if (!(run->cr0 & CR0_PG) || !(run->efer & EFER_LMA_BIT) || (run->cr4 & CR4_LA57) ||
	    run->cpl || vcpu->cpuid.amd || (at & ~PAGE_MASK) + len > PAGE_SIZE)
		return false;
	return (likely(memo_holds(vcpu->mem, run, at, memo)) || code_walk(vcpu, at, memo)) &&
	       allowed(vcpu, memo, write);
}

bool gva_read_known(struct nestor_vcpu *vcpu, u64 at, void *data, size_t len)
{
	const u8 *from;
	bool found;
	size_t i;

	run_need(vcpu->run, GRP_CR);
	spin_lock(&vcpu->mem->lock);
	found = operand_found(vcpu, at, len, false);
	if (likely(found)) {
		from = vcpu->operand.code + (at & ~PAGE_MASK);
		/* Aligned quadwords in one piece, as a processor reads them. */
		for (i = 0; i < len / 8 && !(at & 7); i++)
			((u64 *)data)[i] = READ_ONCE(((const u64 *)from)[i]);
		memcpy(data + i * 8, from + i * 8, len - i * 8);
	}
	spin_unlock(&vcpu->mem->lock);
	return found;
}

bool gva_write_known(struct nestor_vcpu *vcpu, u64 at, const void *data, size_t len)
{
	bool found;
	u64 gpa;

	if (vcpu_in_l2(vcpu))
		return false;
	run_need(vcpu->run, GRP_CR);
	spin_lock(&vcpu->mem->lock);
	found = operand_found(vcpu, at, len, true);
	gpa = vcpu->operand.gpa + (at & ~PAGE_MASK);
	spin_unlock(&vcpu->mem->lock);
	return found && !gmem_write(vcpu, l1_gpa(gpa), data, len);
}
