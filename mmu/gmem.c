// SPDX-License-Identifier: GPL-2.0-only
/*
 * Access to L1's memory by copying through the VMM's own mapping.
 *
 * The caller is a vCPU's thread, so current->mm is the VMM's; pages are faulted
 * in like any user access, and the VMM's protections hold.  The dirty log is
 * written after the data: a reader of the log who misses the bit gets it next time.
 */
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "mmu/mmu_int.h"
#include "mmu/window.h"

/* How much of [gpa, gpa + len) is in gpa's page. */
static size_t in_page(u64 gpa, size_t len)
{
	return min_t(size_t, len, PAGE_SIZE - (gpa & ~PAGE_MASK));
}

/* The VMM's address of @gpa, or NULL. */
static void __user *gmem_ptr(struct nestor_vcpu *vcpu, u64 gpa, bool write,
			     const struct mem_slot **slot)
{
	struct nestor_mmu_vm *mmu = vcpu->mem;

	*slot = slot_find(slots_get(mmu), gpa >> PAGE_SHIFT);
	if (!*slot || (write && !slot_writable(*slot)))
		return NULL;
	return (void __user *)(slot_hva(*slot, gpa >> PAGE_SHIFT) + (gpa & ~PAGE_MASK));
}

/*
 * A processor reads and writes aligned quadwords in one piece, and L1's other
 * processors count on it: no half of an old and half of a new value.  The string
 * instructions behind copy_from_user() promise no such thing.  @n is a multiple of 8.
 */
static int read_words(u64 *data, const void __user *from, size_t n)
{
	const u64 __user *p = from;
	size_t i;

	if (!user_read_access_begin(p, n))
		return -EFAULT;
	for (i = 0; i < n / 8; i++)
		unsafe_get_user(data[i], &p[i], fault);
	user_read_access_end();
	return 0;
fault:
	user_read_access_end();
	return -EFAULT;
}

static int write_words(void __user *to, const u64 *data, size_t n)
{
	u64 __user *p = to;
	size_t i;

	if (!user_write_access_begin(p, n))
		return -EFAULT;
	for (i = 0; i < n / 8; i++)
		unsafe_put_user(data[i], &p[i], fault);
	user_write_access_end();
	return 0;
fault:
	user_write_access_end();
	return -EFAULT;
}

static bool whole_words(u64 gpa, const void *data, size_t n)
{
	return !((gpa | (unsigned long)data | n) & 7);
}

static int copy_in(void *data, const void __user *p, u64 gpa, size_t n)
{
	if (whole_words(gpa, data, n))
		return read_words(data, p, n);
	return copy_from_user(data, p, n) ? -EFAULT : 0;
}

static int copy_out(void __user *p, const void *data, u64 gpa, size_t n)
{
	if (whole_words(gpa, data, n))
		return write_words(p, data, n);
	return copy_to_user(p, data, n) ? -EFAULT : 0;
}

bool gmem_window(struct nestor_vcpu *vcpu, struct l1_gpa gpa, bool write, struct gmem_window *w)
{
	w->gfn = gpa.a >> PAGE_SHIFT;
	w->mem = vcpu->mem;
	w->seq = slots_get(vcpu->mem)->seq;
	w->write = write;
	w->at = gmem_ptr(vcpu, w->gfn << PAGE_SHIFT, write, &w->slot);
	return w->at;
}

bool gmem_window_kept(struct nestor_vcpu *vcpu, struct l1_gpa gpa, bool write,
		      struct gmem_window *w)
{
	if (likely(w->gfn == gpa.a >> PAGE_SHIFT && w->at && w->mem == vcpu->mem &&
		   w->seq == slots_get(vcpu->mem)->seq && (w->write || !write)))
		return true;
	return gmem_window(vcpu, gpa, write, w);
}

/* L0 wrote to the page: for the dirty log, and where L1's nested tables are watched. */
static void gmem_wrote(struct nestor_mmu_vm *mem, const struct mem_slot *slot, u64 gfn)
{
	slot_mark_dirty(slot, gfn);
	watch_wrote(mem, gfn);
}

void gmem_window_written(const struct gmem_window *w)
{
	gmem_wrote(w->mem, w->slot, w->gfn);
}

bool gmem_window_noted(const struct gmem_window *w)
{
	/* Few slots have a log. */
	if (unlikely(w->slot->dirty))
		slot_mark_dirty(w->slot, w->gfn);
	return watch_quiet(w->mem, w->gfn);
}

/* With page faults disabled a fault says nothing about the address. */
static int gmem_error(const struct nestor_vcpu *vcpu)
{
	return vcpu->atomic ? -EAGAIN : -EFAULT;
}

int gmem_read(struct nestor_vcpu *vcpu, struct l1_gpa gpa, void *data, size_t len)
{
	const struct mem_slot *slot;

	while (len) {
		size_t n = in_page(gpa.a, len);
		void __user *p = gmem_ptr(vcpu, gpa.a, false, &slot);

		if (!p)
			return -EFAULT;
		if (copy_in(data, p, gpa.a, n))
			return gmem_error(vcpu);
		gpa.a += n;
		data += n;
		len -= n;
	}
	return 0;
}

/* Entries that are compared between two looks at the loop's end. */
#define DIFF_GROUP	16

int gmem_diff(struct nestor_vcpu *vcpu, struct l1_gpa gpa, const u64 *was, struct gmem_diff *diff)
{
	const struct mem_slot *slot;
	const u64 __user *p = gmem_ptr(vcpu, gpa.a, false, &slot);
	/* No index that grows: UBSAN may not complain of one while user memory is open. */
	const u64 *start = was, *end = was + PT_ENTRIES;
	u16 *index = diff->index;
	u64 *value = diff->now;
	unsigned int j;

	if (!p || !user_read_access_begin(p, PAGE_SIZE))
		return -EFAULT;
	for (; was < end; was += DIFF_GROUP, p += DIFF_GROUP) {
		_Pragma("GCC unroll 16")
		for (j = 0; j < DIFF_GROUP; j++) {
			u64 now, old;

			unsafe_get_user(now, &p[j], fault);
			/* Three instructions for each of the many that are the same; the look that counts is the next one. */
			if (likely(data_race(now == was[j])))
				continue;
			old = READ_ONCE(was[j]);
			if (!old || old == now)
				continue;
			*index++ = was + j - start;
			*value++ = now;
		}
	}
	user_read_access_end();
	diff->nr = index - diff->index;
	return 0;
fault:
	user_read_access_end();
	return -EFAULT;
}

int gmem_write(struct nestor_vcpu *vcpu, struct l1_gpa gpa, const void *data, size_t len)
{
	const struct mem_slot *slot;

	while (len) {
		size_t n = in_page(gpa.a, len);
		void __user *p = gmem_ptr(vcpu, gpa.a, true, &slot);

		if (!p)
			return -EFAULT;
		if (copy_out(p, data, gpa.a, n)) {
			/* Some of it may be there. */
			watch_wrote(vcpu->mem, gpa.a >> PAGE_SHIFT);
			return gmem_error(vcpu);
		}
		gmem_wrote(vcpu->mem, slot, gpa.a >> PAGE_SHIFT);
		gpa.a += n;
		data += n;
		len -= n;
	}
	return 0;
}

int gmem_read_atomic(struct nestor_vcpu *vcpu, struct l1_gpa gpa, void *data, size_t len)
{
	const struct mem_slot *slot;
	void __user *p = gmem_ptr(vcpu, gpa.a, false, &slot);
	unsigned long left;

	if (!p || in_page(gpa.a, len) != len)
		return -EFAULT;
	pagefault_disable();
	left = __copy_from_user_inatomic(data, p, len);
	pagefault_enable();
	return left ? -EAGAIN : 0;
}

int gmem_write_atomic(struct nestor_vcpu *vcpu, struct l1_gpa gpa, const void *data, size_t len)
{
	const struct mem_slot *slot;
	void __user *p = gmem_ptr(vcpu, gpa.a, true, &slot);
	unsigned long left;

	if (!p || in_page(gpa.a, len) != len)
		return -EFAULT;
	pagefault_disable();
	left = __copy_to_user_inatomic(p, data, len);
	pagefault_enable();
	if (left) {
		watch_wrote(vcpu->mem, gpa.a >> PAGE_SHIFT);
		return -EAGAIN;
	}
	gmem_wrote(vcpu->mem, slot, gpa.a >> PAGE_SHIFT);
	return 0;
}

/* Each: 0 swapped, 1 differed (*old updated), -EFAULT. */
#define USER_CMPXCHG(bits)								\
static int user_cmpxchg##bits(void __user *p, void *old, const void *new)		\
{											\
	return __try_cmpxchg_user((u##bits __user *)p, (u##bits *)old,			\
				  *(const u##bits *)new, fault);			\
}

USER_CMPXCHG(8)
USER_CMPXCHG(16)
USER_CMPXCHG(32)
USER_CMPXCHG(64)

/* As gmem_cmpxchg(), and who else has to know of the write is the caller's matter. */
static int cmpxchg_at(struct nestor_vcpu *vcpu, struct l1_gpa gpa, void *old, const void *new,
		      size_t len, const struct mem_slot **slot)
{
	void __user *p;
	int r;

	if (len == 0 || gpa.a & (len - 1))
		return -EINVAL;
	p = gmem_ptr(vcpu, gpa.a, true, slot);
	if (!p || !access_ok(p, len))
		return -EFAULT;
	switch (len) {
	case 1:
		r = user_cmpxchg8(p, old, new);
		break;
	case 2:
		r = user_cmpxchg16(p, old, new);
		break;
	case 4:
		r = user_cmpxchg32(p, old, new);
		break;
	case 8:
		r = user_cmpxchg64(p, old, new);
		break;
	default:
		return -EINVAL;
	}
	if (r < 0)
		return -EFAULT;
	return r ? -EAGAIN : 0;
}

int gmem_cmpxchg(struct nestor_vcpu *vcpu, struct l1_gpa gpa, void *old, const void *new,
		 size_t len)
{
	const struct mem_slot *slot;
	int r = cmpxchg_at(vcpu, gpa, old, new, len, &slot);

	/* A compare that fails writes the old value back: a write to the page all the same. */
	if (!r || r == -EAGAIN)
		gmem_wrote(vcpu->mem, slot, gpa.a >> PAGE_SHIFT);
	return r;
}

int gmem_mark_entry(struct nestor_vcpu *vcpu, struct l1_gpa gpa, u64 old, u64 new)
{
	const struct mem_slot *slot;
	int r = cmpxchg_at(vcpu, gpa, &old, &new, sizeof(u64), &slot);

	/* What was made of the entry holds with such a flag added (l1e_same()): nothing to compare. */
	if (!r || r == -EAGAIN)
		slot_mark_dirty(slot, gpa.a >> PAGE_SHIFT);
	return r;
}
