/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Just enough of the kernel for mmu/ to run in a user-space test: every
 * <linux/...> and core/ header that mmu/ includes is replaced by this one (see the
 * Makefile).  Physical memory is one arena; a page that was freed is poisoned
 * for AddressSanitizer.  The VMM's page table and the TLBs are the test's.
 */
#ifndef NESTOR_TESTS_MMU_SHIM_H
#define NESTOR_TESTS_MMU_SHIM_H

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/kvm.h>

#include "core/guest_run.h"
#include "core/types.h"

#define __user
#define __rcu
#define __weak		__attribute__((weak))
#define READ_ONCE(x)	(*(const volatile typeof(x) *)&(x))
#define data_race(x)	(x)
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELEASE)
#define smp_mb()	__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_rmb()	__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xchg(p, v)	__atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define try_cmpxchg(p, old, new) \
	__atomic_compare_exchange_n((p), (old), (new), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define struct_size(p, m, n)	(sizeof(*(p)) + sizeof((p)->m[0]) * (n))
#define array_index_nospec(i, n) (i)
#define lockdep_assert_held(l)	((void)(l))
#define lockdep_is_held(l)	true
#define ALIGN(x, a)	(((x) + (a) - 1) & ~((typeof(x))(a) - 1))
#define BITS_PER_LONG	64
#define __ffs(x)	__builtin_ctzl(x)
/* What mmu/ had to say, since the test last emptied it */
extern char host_said[4096];
#define pr_err_ratelimited(...) do { \
	size_t at_ = strlen(host_said); \
	printf("# " __VA_ARGS__); \
	snprintf(host_said + at_, sizeof(host_said) - at_, __VA_ARGS__); \
} while (0)
#define clamp_t(t, v, lo, hi)	clamp((t)(v), (t)(lo), (t)(hi))
#define clamp(v, lo, hi)	min(max(v, lo), hi)
#define lower_32_bits(x)	((u32)(x))

/* Memory */
#define PAGE_SHIFT	12
#define PAGE_SIZE	4096ul
#define PAGE_MASK	(~(PAGE_SIZE - 1))
typedef unsigned int gfp_t;
#define GFP_KERNEL_ACCOUNT 1
#define __GFP_ZERO	2
#define GFP_NOWAIT	4
#define __GFP_ACCOUNT	0
#define __GFP_NOWARN	0
#define sme_me_mask	0ull
#define __sme_set(x)	(x)

void *kzalloc(size_t size, int gfp);
void kfree(const void *p);
#define kvzalloc	kzalloc
#define kvfree		kfree
#define kvcalloc(n, s, g) kzalloc((n) * (s), g)

struct list_head { struct list_head *next, *prev; };
struct hlist_node { struct hlist_node *next, **pprev; };
struct hlist_head { struct hlist_node *first; };

struct page {
	struct list_head lru;
	unsigned long private;
	bool dirty;
};

unsigned long __get_free_pages(int gfp, unsigned int order);
unsigned long get_zeroed_page(int gfp);
void free_pages(unsigned long addr, unsigned int order);
#define free_page(a)	free_pages(a, 0)
struct page *virt_to_page(const void *p);
void *page_address(const struct page *page);
u64 page_to_pfn(const struct page *page);
#define page_private(p)		((p)->private)
#define set_page_private(p, v)	((p)->private = (v))
#define __pa(p)		((u64)(unsigned long)(p))
#define __va(a)		((void *)(unsigned long)(a))
#define PageReserved(p)	false
void SetPageDirty(struct page *page);
#define put_page(p)	((void)(p))

/* Lists */
#define LIST_HEAD(n)	struct list_head n = { &n, &n }
static inline void INIT_LIST_HEAD(struct list_head *h)
{
	h->next = h->prev = h;
}

static inline void list_add(struct list_head *n, struct list_head *h)
{
	n->next = h->next;
	n->prev = h;
	h->next->prev = n;
	h->next = n;
}

static inline void list_del(struct list_head *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	n->next = n->prev = NULL;
}

static inline void list_del_init(struct list_head *n)
{
	list_del(n);
	INIT_LIST_HEAD(n);
}

static inline void list_move(struct list_head *n, struct list_head *h)
{
	list_del(n);
	list_add(n, h);
}

static inline bool list_empty(const struct list_head *h)
{
	return h->next == h;
}

#define list_entry(p, t, m)	container_of(p, t, m)
#define list_first_entry(h, t, m) list_entry((h)->next, t, m)
#define list_for_each_entry(p, h, m) \
	for (p = list_entry((h)->next, typeof(*p), m); &p->m != (h); \
	     p = list_entry(p->m.next, typeof(*p), m))
#define list_for_each_entry_safe(p, n, h, m) \
	for (p = list_entry((h)->next, typeof(*p), m), n = list_entry(p->m.next, typeof(*p), m); \
	     &p->m != (h); p = n, n = list_entry(n->m.next, typeof(*n), m))

static inline void hlist_add_head(struct hlist_node *n, struct hlist_head *h)
{
	n->next = h->first;
	if (h->first)
		h->first->pprev = &n->next;
	h->first = n;
	n->pprev = &h->first;
}

static inline bool hlist_unhashed(const struct hlist_node *n)
{
	return !n->pprev;
}

static inline void hlist_del_init(struct hlist_node *n)
{
	if (hlist_unhashed(n))
		return;
	*n->pprev = n->next;
	if (n->next)
		n->next->pprev = n->pprev;
	n->next = NULL;
	n->pprev = NULL;
}

#define hlist_entry_safe(p, t, m) ({ typeof(p) __p = (p); __p ? container_of(__p, t, m) : NULL; })
#define hlist_for_each_entry(p, h, m) \
	for (p = hlist_entry_safe((h)->first, typeof(*p), m); p; \
	     p = hlist_entry_safe(p->m.next, typeof(*p), m))
#define hlist_for_each_entry_safe(p, n, h, m) \
	for (p = hlist_entry_safe((h)->first, typeof(*p), m); p && ({ n = p->m.next; 1; }); \
	     p = hlist_entry_safe(n, typeof(*p), m))
#define hash_64(v, bits)	((u32)(((u64)(v) * 0x61C8864680B583EBull) >> (64 - (bits))))

/* Locks */
typedef pthread_mutex_t spinlock_t;
struct mutex { pthread_mutex_t m; };
struct srcu_struct { int unused; };
struct mm_struct { int unused; };
struct task_struct { struct mm_struct *mm; };
extern struct mm_struct test_mm;
extern struct task_struct test_task;
#define current		(&test_task)
#define spin_lock_init(l)	pthread_mutex_init(l, NULL)
#define spin_lock(l)	pthread_mutex_lock(l)
#define spin_unlock(l)	pthread_mutex_unlock(l)
#define mutex_init(l)	pthread_mutex_init(&(l)->m, NULL)
#define mutex_lock(l)	pthread_mutex_lock(&(l)->m)
#define mutex_lock_nested(l, n)	mutex_lock(l)
#define mutex_unlock(l)	pthread_mutex_unlock(&(l)->m)
#define cond_resched()	((void)0)
#define need_resched()	(test_resched && test_resched())
#define spin_needbreak(l)	false
#define cond_resched_lock(l)	((void)(l), test_yield ? test_yield() : (void)0)
extern bool (*test_resched)(void);
extern void (*test_yield)(void);
#define srcu_dereference_check(p, s, c) READ_ONCE(p)
#define rcu_dereference_protected(p, c)	(p)
#define rcu_access_pointer(p)	READ_ONCE(p)
#define rcu_assign_pointer(p, v)	WRITE_ONCE(p, v)
#define RCU_INIT_POINTER(p, v)	((p) = (v))
int srcu_read_lock(struct srcu_struct *s);
void srcu_read_unlock(struct srcu_struct *s, int idx);
#define local_irq_save(f)	((f) = 0)
#define local_irq_restore(f)	((void)(f))

/* Counters */
typedef struct { long v; } atomic_t, atomic64_t;
#define atomic_inc(a)	((void)__atomic_add_fetch(&(a)->v, 1, __ATOMIC_SEQ_CST))
#define atomic_dec(a)	((void)__atomic_sub_fetch(&(a)->v, 1, __ATOMIC_SEQ_CST))
#define atomic_read(a)	READ_ONCE((a)->v)
#define atomic64_inc	atomic_inc
#define atomic64_read	atomic_read

/* Bits */
#define test_bit(n, p)	((READ_ONCE((p)[(n) / 64]) >> ((n) % 64)) & 1)
#define set_bit(n, p)	__atomic_fetch_or(&(p)[(n) / 64], 1ul << ((n) % 64), __ATOMIC_SEQ_CST)

/* The VMM's memory */
#define FOLL_WRITE	1
int get_user_pages_fast(unsigned long hva, int n, unsigned int flags, struct page **page);
#define get_user_pages_fast_only get_user_pages_fast
void *user_ptr(unsigned long hva, bool write);
#define access_ok(p, n)	((unsigned long)(p) < 1ul << 47 && (n) <= (1ul << 47) - (unsigned long)(p))
unsigned long copy_from_user(void *to, const void *from, unsigned long n);
unsigned long copy_to_user(void *to, const void *from, unsigned long n);
#define __copy_from_user_inatomic copy_from_user
#define __copy_to_user_inatomic copy_to_user
#define pagefault_disable()	((void)0)
#define pagefault_enable()	((void)0)
/* A word at a time, each looked up like any user access. */
#define user_read_access_begin(p, n)	((void)(n), true)
#define user_read_access_end()		((void)0)
#define user_write_access_begin(p, n)	((void)(n), true)
#define user_write_access_end()		((void)0)
/* Quadwords of L1 read by the one way that counts */
extern unsigned long host_words;
#define unsafe_get_user(x, p, label) do { \
	host_words++; \
	if (copy_from_user(&(x), (p), sizeof(*(p)))) \
		goto label; \
} while (0)
#define unsafe_put_user(x, p, label) do { \
	typeof(*(p)) __x = (x); \
	if (copy_to_user((void *)(p), &__x, sizeof(__x))) \
		goto label; \
} while (0)
#define __try_cmpxchg_user(p, old, new, label) ({ \
	typeof(p) __h = user_ptr((unsigned long)(p), true); \
	!__h ? -EFAULT : \
	!__atomic_compare_exchange_n(__h, (old), (new), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); })

/* The host's page table: one leaf a 2M block, or none */
typedef struct { u64 v; } pgd_t, p4d_t, pud_t, pmd_t;
#define PMD_MASK	(~((1ul << 21) - 1))
#define PUD_MASK	(~((1ul << 30) - 1))
extern pgd_t test_pgd;
pmd_t *pmd_offset(const void *pud, unsigned long hva);
#define pgd_offset(mm, hva)	((void)(mm), (void)(hva), &test_pgd)
#define p4d_offset(p, hva)	((p4d_t *)(p))
#define pud_offset(p, hva)	((pud_t *)(p))
#define pgd_none(p)	false
#define pgd_present(p)	true
#define p4d_none(p)	false
#define p4d_present(p)	true
#define pud_none(p)	false
#define pud_present(p)	true
#define pud_leaf(p)	false
#define pud_pfn(p)	0ull
#define pud_write(p)	false
#define pmd_none(p)	(!(p).v)
#define pmd_present(p)	((p).v)
#define pmd_leaf(p)	((p).v)
#define pmd_pfn(p)	((p).v >> PAGE_SHIFT)
#define pmd_write(p)	true

struct mmu_notifier_range { unsigned long start, end; };
struct mmu_notifier { const struct mmu_notifier_ops *ops; };
struct mmu_notifier_ops {
	void (*release)(struct mmu_notifier *mn, struct mm_struct *mm);
	int (*invalidate_range_start)(struct mmu_notifier *mn, const struct mmu_notifier_range *r);
	void (*invalidate_range_end)(struct mmu_notifier *mn, const struct mmu_notifier_range *r);
	int (*clear_flush_young)(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long start,
				 unsigned long end);
	int (*clear_young)(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long start,
			   unsigned long end);
	int (*test_young)(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long addr);
};
extern int host_register_error;
#define mmu_notifier_register(mn, mm)	((void)(mm), host_register_error)
#define mmu_notifier_unregister(mn, mm)	((void)(mm), (mn)->ops->release(mn, mm))

/* core/ */
struct hw_caps { bool root_1g, root_2m, root_is_npt, exec_only, pdpte_regs, pml; };
extern struct hw_caps hw_caps;

#define TLB_SIZE	64
struct tlb_entry { bool valid; u8 rights; u64 l2_gfn, pfn; u32 tag; };
#define IS_ERR(p)	((unsigned long)(p) >= -4095ul)
#define PTR_ERR(p)	((long)(p))
#define ERR_PTR(e)	((void *)(long)(e))
#define smp_load_acquire(p)	__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELEASE)

struct nestor_vcpu {
	bool atomic;
	struct nestor_vm *vm;
	u32 id;
	struct nestor_mmu_vm *mem;
	struct mmu_shadow *shadow;
	bool flush;
	struct tlb_entry tlb[TLB_SIZE];
	struct guest_run l1, l2, *run;
	struct { bool amd, has_1g; u64 rsvd_gpa_bits; } cpuid;
};

struct nestor_vm {
	struct mm_struct *mm;
	struct srcu_struct srcu;
	struct nestor_mmu_vm *mmu, *mmu_smm;
	bool cpu_log;
	struct nestor_vcpu *vcpus[4];
	int nr_vcpus;
	u32 mmu_pages;
};

enum { REQ_KICK, REQ_TLB_FLUSH, REQ_ROOT };
void vm_flush_tlbs(struct nestor_vm *vm);
void vm_request_all(struct nestor_vm *vm, unsigned int req, bool wait);
void vm_wait_readers(struct nestor_vm *vm);
void vcpu_request(struct nestor_vcpu *vcpu, int req);

static inline bool vcpu_in_l2(const struct nestor_vcpu *vcpu)
{
	return vcpu->run != &vcpu->l1;
}

static inline bool run_is_long(const struct guest_run *run)
{
	return run->efer & (1ull << 10);
}

enum nested_result { NESTED_OK, NESTED_EXITED };
struct nested_ops {
	void (*flush)(struct nestor_vcpu *vcpu);
	enum nested_result (*translate)(struct nestor_vcpu *vcpu, struct l2_gpa from, u64 access,
					struct l1_gpa *to);
};
extern const struct nested_ops *nested;

#endif
