/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Enough of the kernel to run the interrupt controllers in one user-space
 * thread: locks are nothing, atomics are plain, time stands still until a test
 * moves it, and timers fire in kshim_advance().  Included before every file;
 * the kernel headers that the files name are empty ones (see Makefile).
 */
#ifndef NESTOR_TESTS_KSHIM_H
#define NESTOR_TESTS_KSHIM_H

#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/pure.h"

#define __user
#define __rcu
#define __iomem
#define __releases(x)
#define lockdep_assert_held(x)		((void)(x))
#define lockdep_is_held(x)		1
#define READ_ONCE(x)			(*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v)		(*(volatile typeof(x) *)&(x) = (v))
#define smp_mb()			((void)0)
#define smp_wmb()			((void)0)
#define smp_mb__before_atomic()		((void)0)
#define smp_mb__after_atomic()		((void)0)
#define smp_load_acquire(p)		(*(p))
#define smp_store_release(p, v)		(*(p) = (v))
#define xchg(p, v)	({ typeof(*(p)) _old = *(p); *(p) = (v); _old; })

#define GFP_KERNEL		0
#define GFP_KERNEL_ACCOUNT	0
#define GFP_ATOMIC		0
#define __GFP_ZERO		0
#define kzalloc(n, f)		calloc(1, n)
#define kvzalloc(n, f)		calloc(1, n)
#define kcalloc(n, s, f)	calloc(n, s)
#define kfree(p)		free((void *)(p))
#define kvfree(p)		free((void *)(p))
#define struct_size(p, m, n)	(sizeof(*(p)) + (n) * sizeof((p)->m[0]))
#define max_t(t, a, b)		max((t)(a), (t)(b))
#define min_t(t, a, b)		min((t)(a), (t)(b))
#ifndef PAGE_SIZE
#define PAGE_SIZE		4096ul
#endif

#define MAX_ERRNO	4095
#define IS_ERR(p)	((unsigned long)(p) >= (unsigned long)-MAX_ERRNO)
#define PTR_ERR(p)	((long)(p))
#define ERR_PTR(e)	((void *)(long)(e))

struct list_head { struct list_head *next, *prev; };
#define LIST_HEAD_INIT(n)	{ &(n), &(n) }
static inline void INIT_LIST_HEAD(struct list_head *l) { l->next = l->prev = l; }

struct mutex { int x; };
struct rw_semaphore { int x; };
typedef struct { int x; } spinlock_t;
typedef struct { int x; } raw_spinlock_t;
typedef struct { int x; } rwlock_t;
struct srcu_struct { int readers; };
struct kref { int n; };
struct rcuwait { void *task; };
struct work_struct { int x; };
struct workqueue_struct;
struct eventfd_ctx;
typedef struct { unsigned long s[16]; } kshim_sigset;
#define sigset_t kshim_sigset
#define mutex_init(l)		((void)(l))
#define mutex_lock(l)		((void)(l))
#define mutex_unlock(l)		((void)(l))
/* @x: somebody else holds it */
#define mutex_trylock(l)	(!(l)->x)
#define spin_lock_init(l)	((void)(l))
#define spin_lock(l)		((void)(l))
#define spin_unlock(l)		((void)(l))
/* Raw locks are counted: nothing may be called back with one held that takes it again. */
#define raw_spin_lock_init(l)	((l)->x = 0)
#define raw_spin_lock_irqsave(l, f) \
	do { (f) = 0; if ((l)->x++) { printf("# deadlock %s\n", __func__); abort(); } } while (0)
#define raw_spin_unlock_irqrestore(l, f) do { (void)(f); (l)->x--; } while (0)
static inline int srcu_read_lock(struct srcu_struct *s) { return s->readers++, 0; }
static inline void srcu_read_unlock(struct srcu_struct *s, int idx) { (void)idx; s->readers--; }
#define srcu_dereference(p, s)		((void)(s), (p))
#define rcu_dereference_protected(p, c)	(p)
#define rcu_assign_pointer(p, v)	((p) = (v))
#define rcu_replace_pointer(p, v, c)	({ typeof(p) _o = (p); (p) = (v); _o; })
#define eventfd_signal(c, n)		((void)(c))
#define xfer_to_guest_mode_handle_work(v) 0
#undef IS_ENABLED
#define IS_ENABLED(x)			0

typedef struct { int counter; } atomic_t;
#define atomic_read(a)	((a)->counter)
#define atomic_inc(a)	((a)->counter++)

#define BITS_PER_LONG	64
#define DECLARE_BITMAP(n, b) unsigned long n[((b) + 63) / 64]
static inline void set_bit(unsigned int n, unsigned long *p) { p[n / 64] |= 1ul << n % 64; }
static inline void clear_bit(unsigned int n, unsigned long *p) { p[n / 64] &= ~(1ul << n % 64); }
static inline bool test_bit(unsigned int n, const unsigned long *p) { return p[n / 64] >> n % 64 & 1; }
static inline bool test_and_set_bit(unsigned int n, unsigned long *p)
{
	bool was = test_bit(n, p);

	set_bit(n, p);
	return was;
}

static inline bool test_and_clear_bit(unsigned int n, unsigned long *p)
{
	bool was = test_bit(n, p);

	clear_bit(n, p);
	return was;
}

#define __set_bit	set_bit
#define __clear_bit	clear_bit
static inline void bitmap_zero(unsigned long *p, unsigned int n) { memset(p, 0, n / 8); }
static inline void bitmap_copy(unsigned long *d, const unsigned long *s, unsigned int n)
{
	memcpy(d, s, n / 8);
}

static inline unsigned int find_next_bit(const unsigned long *p, unsigned int n, unsigned int at)
{
	while (at < n && !test_bit(at, p))
		at++;
	return at;
}

#define find_first_bit(p, n)	find_next_bit(p, n, 0)
#define bitmap_empty(p, n)	(find_first_bit(p, n) == (n))
#define for_each_set_bit(b, p, n) \
	for ((b) = find_next_bit(p, n, 0); (b) < (n); (b) = find_next_bit(p, n, (b) + 1))
static inline int fls(unsigned int x) { return x ? 32 - __builtin_clz(x) : 0; }

#define NSEC_PER_SEC	1000000000L
#define NSEC_PER_MSEC	1000000L
typedef s64 ktime_t;
extern u64 kshim_now;
#define ktime_get()		((ktime_t)kshim_now)
#define ktime_get_ns()		kshim_now
#define ktime_add_ns(k, n)	((ktime_t)((k) + (n)))
#define ktime_sub(a, b)		((a) - (b))
#define ktime_to_ns(k)		(k)
#define ns_to_ktime(n)		((ktime_t)(n))
#define div64_u64(a, b)		((u64)(a) / (b))
#define div_u64(a, b)		((u64)(a) / (b))
#define do_div(n, b)		({ u32 _r = (n) % (b); (n) /= (b); _r; })
#define mul_u64_u32_div(a, m, d) ((u64)((unsigned __int128)(a) * (m) / (d)))
/* The host's TSC runs at 1 GHz here. */
#define rdtsc_ordered()		kshim_now
static const unsigned int tsc_khz = 1000000;

enum hrtimer_restart { HRTIMER_NORESTART, HRTIMER_RESTART };
enum hrtimer_mode { HRTIMER_MODE_ABS_HARD };
#define CLOCK_MONOTONIC		1
struct hrtimer {
	enum hrtimer_restart (*function)(struct hrtimer *);
	ktime_t expires;
	bool armed;
	struct hrtimer *next;
};

void hrtimer_init(struct hrtimer *t, int clock, enum hrtimer_mode mode);
static inline void hrtimer_cancel(struct hrtimer *t) { t->armed = false; }
static inline void hrtimer_start(struct hrtimer *t, ktime_t at, enum hrtimer_mode mode)
{
	(void)mode;
	t->expires = at;
	t->armed = true;
}

static inline void hrtimer_forward_now(struct hrtimer *t, ktime_t period)
{
	while (t->expires <= (ktime_t)kshim_now)
		t->expires += period;
}

#define hrtimer_get_expires(t)	((t)->expires)
/* Let @ns pass; timers fire in order.  Returns how often. */
unsigned int kshim_advance(u64 ns);

struct page { void *mem; };
static inline struct page *alloc_page(int flags)
{
	struct page *p = calloc(1, sizeof(*p));

	(void)flags;
	p->mem = calloc(1, PAGE_SIZE);
	return p;
}

static inline void __free_page(struct page *p)
{
	free(p->mem);
	free(p);
}

#define page_address(p)	((p)->mem)
struct mm_struct;
struct dentry;
#endif
