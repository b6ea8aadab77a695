// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host below mmu/ in user space: a page allocator that poisons what is freed,
 * and a VMM address space whose pages move as a kernel moves them: announced to
 * the notifier, the old frame given back (and its owner forgotten) before the end.
 */
#define _GNU_SOURCE	/* the lock that prefers writers */
#include <sanitizer/asan_interface.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mmu_host.h"

struct mm_struct test_mm;
struct task_struct test_task = { .mm = &test_mm };
struct hw_caps hw_caps = { .root_1g = true, .root_2m = true, .root_is_npt = true };
pgd_t test_pgd;
bool (*test_resched)(void);
void (*test_yield)(void);
unsigned long pages_in_use;
bool host_slow, host_atomic;
void (*host_after_read)(void);
unsigned long host_words;
unsigned int host_fail_at;
bool host_fail_all;
char host_said[4096];
long host_blocks;
int host_no_page = -1, host_get_error, host_register_error;

/* Pages of tables, then frames of the VMM: blocks of 2M. */
#define TABLE_PAGES	(64u << 8)
#define FRAME_BLOCKS	(HOST_BLOCKS * 3)
#define FRAMES		(FRAME_BLOCKS * 512u)
#define ARENA_PAGES	(TABLE_PAGES + FRAMES)

static char *arena;
static struct page *page_array;
static pthread_mutex_t arena_lock = PTHREAD_MUTEX_INITIALIZER;
/* Writers first, or two busy readers starve one for ever. */
static pthread_rwlock_t srcu = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static u8 state[TABLE_PAGES];		/* 0 free, else order + 1 */
static unsigned int next_page;

/* Frames: who has them, -1 nobody. */
static int owner[FRAMES];
static unsigned int block_used[FRAME_BLOCKS];

static u64 host_frame[HOST_PAGES];	/* frame number in the arena, by page of the VMM */
static bool host_huge[HOST_BLOCKS];

/* Memory */

static bool no_memory(void)
{
	return host_fail_all || (host_fail_at && !--host_fail_at);
}

void *kzalloc(size_t size, int gfp)
{
	assert(!host_atomic || !(gfp & GFP_KERNEL_ACCOUNT));
	if (no_memory())
		return NULL;
	__atomic_add_fetch(&host_blocks, 1, __ATOMIC_RELAXED);
	return calloc(1, size ? size : 1);
}

void kfree(const void *p)
{
	if (p)
		__atomic_sub_fetch(&host_blocks, 1, __ATOMIC_RELAXED);
	free((void *)p);
}

static void *page_at(unsigned int i)
{
	return arena + (size_t)i * PAGE_SIZE;
}

static bool run_free(unsigned int i, unsigned int n)
{
	while (n--)
		if (state[i + n])
			return false;
	return true;
}

unsigned long __get_free_pages(int gfp, unsigned int order)
{
	unsigned int n = 1u << order, tries = TABLE_PAGES / n, i;

	assert(!host_atomic || !(gfp & GFP_KERNEL_ACCOUNT));
	if (no_memory())
		return 0;
	pthread_mutex_lock(&arena_lock);
	while (tries--) {
		next_page = (next_page + n - 1) & ~(n - 1);
		if (next_page + n > TABLE_PAGES)
			next_page = 0;
		i = next_page;
		next_page += n;
		if (!run_free(i, n))
			continue;
		memset(state + i, order + 1, n);
		pages_in_use += n;
		ASAN_UNPOISON_MEMORY_REGION(page_at(i), n * PAGE_SIZE);
		pthread_mutex_unlock(&arena_lock);
		memset(page_at(i), 0, n * PAGE_SIZE);
		return (unsigned long)page_at(i);
	}
	pthread_mutex_unlock(&arena_lock);
	return 0;
}

unsigned long get_zeroed_page(int gfp)
{
	return __get_free_pages(gfp, 0);
}

void free_pages(unsigned long addr, unsigned int order)
{
	unsigned int i = (addr - (unsigned long)arena) / PAGE_SIZE, n = 1u << order;

	if (!addr)
		return;
	pthread_mutex_lock(&arena_lock);
	assert(i < TABLE_PAGES && state[i] == order + 1);
	assert(!page_array[i].private);
	memset(state + i, 0, n);
	pages_in_use -= n;
	ASAN_POISON_MEMORY_REGION(page_at(i), n * PAGE_SIZE);
	pthread_mutex_unlock(&arena_lock);
}

struct page *virt_to_page(const void *p)
{
	return &page_array[((const char *)p - arena) / PAGE_SIZE];
}

void *page_address(const struct page *page)
{
	return page_at(page - page_array);
}

u64 page_to_pfn(const struct page *page)
{
	return (u64)(unsigned long)page_address(page) >> PAGE_SHIFT;
}

/* Slots' readers */

int srcu_read_lock(struct srcu_struct *s)
{
	(void)s;
	return 0;
}

void srcu_read_unlock(struct srcu_struct *s, int idx)
{
	(void)s;
	(void)idx;
}

void host_read_lock(void)
{
	pthread_rwlock_rdlock(&srcu);
}

void host_read_unlock(void)
{
	pthread_rwlock_unlock(&srcu);
}

void vm_wait_readers(struct nestor_vm *vm)
{
	(void)vm;
	pthread_rwlock_wrlock(&srcu);
	pthread_rwlock_unlock(&srcu);
}

/* The VMM's address space */

static bool hva_page(unsigned long hva, unsigned int *page)
{
	if (hva < HOST_HVA || hva >= HOST_HVA + HOST_PAGES * PAGE_SIZE)
		return false;
	*page = (hva - HOST_HVA) / PAGE_SIZE;
	return true;
}

void *user_ptr(unsigned long hva, bool write)
{
	unsigned int page;

	(void)write;
	if (!hva_page(hva, &page))
		return (void *)hva;
	if ((int)page == host_no_page)
		return NULL;
	return (char *)page_at(READ_ONCE(host_frame[page])) + hva % PAGE_SIZE;
}

unsigned long copy_from_user(void *to, const void *from, unsigned long n)
{
	const void *p = user_ptr((unsigned long)from, false);

	if (!p)
		return n;
	memcpy(to, p, n);
	if (host_after_read)
		host_after_read();
	return 0;
}

unsigned long copy_to_user(void *to, const void *from, unsigned long n)
{
	void *p = user_ptr((unsigned long)to, true);

	if (!p)
		return n;
	memcpy(p, from, n);
	return 0;
}

int get_user_pages_fast(unsigned long hva, int n, unsigned int flags, struct page **page)
{
	unsigned int i;

	(void)n;
	(void)flags;
	if (host_get_error)
		return host_get_error;
	if (!hva_page(hva, &i) || (int)i == host_no_page)
		return -EFAULT;
	*page = &page_array[READ_ONCE(host_frame[i])];
	if (host_slow)
		usleep(i % 64);
	return 1;
}

pmd_t *pmd_offset(const void *pud, unsigned long hva)
{
	static __thread pmd_t pmd;
	unsigned int page;

	(void)pud;
	pmd.v = 0;
	if (hva_page(hva, &page) && READ_ONCE(host_huge[page / 512]))
		pmd.v = __pa(page_at(READ_ONCE(host_frame[page & ~511u])));
	return &pmd;
}

int host_frame_owner(u64 pfn)
{
	long frame = (long)pfn - (long)((unsigned long)arena >> PAGE_SHIFT) - TABLE_PAGES;

	return frame < 0 || frame >= (long)FRAMES ? -1 : READ_ONCE(owner[frame]);
}

/* A huge page has one flag for all of it. */
void SetPageDirty(struct page *page)
{
	unsigned int first = page - page_array, n = 1;
	int at = host_frame_owner(page_to_pfn(page));

	if (at >= 0 && READ_ONCE(host_huge[at / 512])) {
		first &= ~511u;
		n = 512;
	}
	while (n--)
		page_array[first + n].dirty = true;
}

static void frame_set(unsigned int page, unsigned int frame)
{
	owner[frame] = page;
	block_used[frame / 512]++;
	WRITE_ONCE(host_frame[page], TABLE_PAGES + frame);
}

static void frame_drop(unsigned int frame)
{
	WRITE_ONCE(owner[frame], -1);
	block_used[frame / 512]--;
}

static unsigned int free_block(void)
{
	unsigned int start = random() % FRAME_BLOCKS, i;

	for (i = 0; i < FRAME_BLOCKS; i++)
		if (!block_used[(start + i) % FRAME_BLOCKS])
			return (start + i) % FRAME_BLOCKS;
	return FRAME_BLOCKS;
}

static unsigned int free_frame(void)
{
	unsigned int i = random() % FRAMES;

	while (owner[i] != -1)
		i = (i + 1) % FRAMES;
	return i;
}

static void move_page(unsigned int page, unsigned int frame)
{
	unsigned int old = host_frame[page] - TABLE_PAGES;

	memcpy(page_at(TABLE_PAGES + frame), page_at(TABLE_PAGES + old), PAGE_SIZE);
	frame_set(page, frame);
	frame_drop(old);
}

static void invalidate(struct nestor_mmu_vm *mmu, unsigned int page, unsigned int n, bool end)
{
	struct mmu_notifier_range r = {
		.start = HOST_HVA + page * PAGE_SIZE,
		.end = HOST_HVA + (page + n) * PAGE_SIZE,
	};

	if (end)
		mmu->mn.ops->invalidate_range_end(&mmu->mn, &r);
	else
		mmu->mn.ops->invalidate_range_start(&mmu->mn, &r);
}

void host_migrate(struct nestor_mmu_vm *mmu, unsigned int page)
{
	bool huge = host_huge[page / 512];
	unsigned int first = huge ? page & ~511u : page, n = huge ? 512 : 1;

	invalidate(mmu, first, n, false);
	WRITE_ONCE(host_huge[page / 512], false);
	move_page(page, free_frame());
	invalidate(mmu, first, n, true);
}

void host_collapse(struct nestor_mmu_vm *mmu, unsigned int block)
{
	unsigned int to = free_block(), i;

	if (to == FRAME_BLOCKS)
		return;
	invalidate(mmu, block * 512, 512, false);
	for (i = 0; i < 512; i++)
		move_page(block * 512 + i, to * 512 + i);
	WRITE_ONCE(host_huge[block], true);
	invalidate(mmu, block * 512, 512, true);
}

void host_reset(void)
{
	unsigned int i;

	memset(block_used, 0, sizeof(block_used));
	for (i = 0; i < FRAMES; i++)
		owner[i] = -1;
	for (i = 0; i < HOST_PAGES; i++)
		frame_set(i, i);
	for (i = 0; i < HOST_BLOCKS; i++)
		host_huge[i] = i % 4 != 3;
}

void host_init(void)
{
	size_t size = (size_t)ARENA_PAGES * PAGE_SIZE, align = 2u << 20;
	char *map = mmap(NULL, size + align, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert(map != MAP_FAILED);
	arena = (char *)(((unsigned long)map + align - 1) & ~(align - 1));
	page_array = calloc(ARENA_PAGES, sizeof(*page_array));
	ASAN_POISON_MEMORY_REGION(arena, (size_t)TABLE_PAGES * PAGE_SIZE);
	host_reset();
}
