// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory is the VMM's memory and nothing else: what the VMM (or the kernel under
 * it) does to its mapping while a vCPU runs on it shows in the guest at once.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "abi.h"

#define WINDOW		0x40000ul	/* DS of the code below */
#define WINDOW_PAGES	16
#define WINDOW_SIZE	(WINDOW_PAGES * PAGE)

/*
 * sti; mov ax, 0x4000; mov ds, ax; xor bx, bx; 1: inc word [bx]; add bx, 0x1000; jnz 1b; jmp 1b
 * counts in the first word of each of the window's pages, for ever.  With RFLAGS.IF clear since the
 * VM entry it would never end on Bochs: see "Known limits" in Documentation/lab.rst.
 */
static const uint8_t count_code[] = { 0xfb, 0xb8, 0x00, 0x40, 0x8e, 0xd8, 0x31, 0xdb, 0xff, 0x07,
				      0x81, 0xc3, 0x00, 0x10, 0x75, 0xf8, 0xeb, 0xf6 };
/* The same, from page 3 on in steps of 4 pages, once: mov bx, 0x3000 ... hlt */
static const uint8_t some_code[] = { 0xb8, 0x00, 0x40, 0x8e, 0xd8, 0xbb, 0x00, 0x30, 0xff, 0x07,
				     0x81, 0xc3, 0x00, 0x40, 0x73, 0xf8, 0xf4 };
/* mov ax, 0x4000; mov ds, ax; mov bx, [0]; mov [2], bx; hlt */
static const uint8_t copy_code[] = { 0xb8, 0x00, 0x40, 0x8e, 0xd8, 0x8b, 0x1e, 0x00, 0x00, 0x89,
				     0x1e, 0x02, 0x00, 0xf4 };

struct runner {
	struct vm v;
	uint8_t *window;
	pthread_t thread;
	int ret, err;
	volatile bool running;
};

static void on_signal(int sig __attribute__((unused)))
{
}

static void pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static uint8_t *map_window(void *at, int flags)
{
	uint8_t *p = mmap(at, WINDOW_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (p == MAP_FAILED)
		bail("mmap");
	return p;
}

static void *run_thread(void *arg)
{
	struct runner *r = arg;

	r->ret = ioctl(r->v.vcpu, KVM_RUN, 0);
	r->err = errno;
	r->running = false;
	return NULL;
}

static void go(struct runner *r)
{
	r->running = true;
	r->v.run->immediate_exit = 0;
	if (pthread_create(&r->thread, NULL, run_thread, r))
		bail("pthread_create");
}

static void halt(struct runner *r)
{
	r->v.run->immediate_exit = 1;
	while (r->running) {
		pthread_kill(r->thread, SIGUSR1);
		pause_ms(1);
	}
	pthread_join(r->thread, NULL);
}

/* Wait for the guest to leave by itself; false: it did not. */
static bool left(struct runner *r)
{
	for (int i = 0; i < 5000 && r->running; i++)
		pause_ms(1);
	if (!r->running) {
		pthread_join(r->thread, NULL);
		return true;
	}
	halt(r);
	return false;
}

static struct runner make_runner(int dev, const void *code, size_t len, uint32_t flags)
{
	struct runner r = { .v = make_vm(dev, false) };

	/* The VM's first 256 KiB end where the window begins. */
	r.window = map_window(NULL, 0);
	if (add_memory(r.v.fd, 1, flags, WINDOW, WINDOW_SIZE, r.window))
		bail("window");
	load_code(&r.v, code, len);
	return r;
}

static void drop_runner(struct runner *r)
{
	drop_vm(&r->v);
	munmap(r->window, WINDOW_SIZE);
}

static uint16_t counter(const uint8_t *window, unsigned int page)
{
	return *(const volatile uint16_t *)(window + page * PAGE);
}

/* Do all counters move? */
static bool counting(const uint8_t *window)
{
	uint16_t was[WINDOW_PAGES];
	unsigned int moved = 0;

	for (int i = 0; i < WINDOW_PAGES; i++)
		was[i] = counter(window, i);
	for (int tries = 0; tries < 2000 && moved != (1u << WINDOW_PAGES) - 1; tries++) {
		pause_ms(1);
		for (int i = 0; i < WINDOW_PAGES; i++)
			moved |= (unsigned int)(counter(window, i) != was[i]) << i;
	}
	return moved == (1u << WINDOW_PAGES) - 1;
}

static void thrown_away(int dev)
{
	struct runner r = make_runner(dev, count_code, sizeof(count_code), 0);
	bool good = true;

	go(&r);
	ok(counting(r.window), "the guest writes the VMM's memory");
	for (int i = 0; i < 50 && good; i++) {
		madvise(r.window, WINDOW_SIZE, MADV_DONTNEED);
		good = counting(r.window);
	}
	ok(good, "pages thrown away under the guest: it writes the new ones");
	for (int i = 0; i < 50 && good; i++) {
		map_window(r.window, MAP_FIXED);
		good = counting(r.window);
	}
	ok(good, "a mapping replaced under the guest: it writes the new one");
	halt(&r);
	drop_runner(&r);
}

static void copied_on_write(int dev)
{
	struct runner r = make_runner(dev, count_code, sizeof(count_code), 0);
	int status = -1;
	pid_t child;

	go(&r);
	counting(r.window);
	child = fork();
	if (!child) {
		uint16_t was[WINDOW_PAGES];

		for (int i = 0; i < WINDOW_PAGES; i++)
			was[i] = counter(r.window, i);
		pause_ms(100);
		for (int i = 0; i < WINDOW_PAGES; i++)
			if (counter(r.window, i) != was[i])
				_exit(1);
		_exit(0);
	}
	ok(counting(r.window), "after fork() the guest still writes the VMM's memory");
	waitpid(child, &status, 0);
	ok(status == 0, "and not the child's");
	halt(&r);
	drop_runner(&r);
}

static void protected(int dev)
{
	struct runner r = make_runner(dev, count_code, sizeof(count_code), 0);

	go(&r);
	counting(r.window);
	mprotect(r.window + 5 * PAGE, PAGE, PROT_READ);
	ok(left(&r) && r.ret < 0 && r.err == EFAULT, "memory that turns read-only: EFAULT");
	mprotect(r.window + 5 * PAGE, PAGE, PROT_READ | PROT_WRITE);
	go(&r);
	ok(counting(r.window), "and the guest goes on when it is writable again");
	munmap(r.window + 7 * PAGE, PAGE);
	ok(left(&r) && r.ret < 0 && r.err == EFAULT, "memory that is unmapped: EFAULT");
	drop_runner(&r);
}

static void slot_changes(int dev)
{
	struct runner r = make_runner(dev, count_code, sizeof(count_code), 0);
	uint8_t *other = map_window(NULL, 0);
	uint16_t was;

	go(&r);
	counting(r.window);
	works(add_memory(r.v.fd, 1, 0, WINDOW, 0, NULL), "a slot goes while the guest spins on it");
	ok(left(&r) && r.ret == 0 && r.v.run->exit_reason == KVM_EXIT_MMIO,
	   "its memory is MMIO then");
	was = counter(r.window, 3);
	works(add_memory(r.v.fd, 1, 0, WINDOW, WINDOW_SIZE, other), "another slot in its place");
	go(&r);
	ok(counting(other), "the guest writes the new slot");
	ok(counter(r.window, 3) == was, "and not the old one");
	for (int i = 0; i < 20; i++) {
		add_memory(r.v.fd, 1, KVM_MEM_LOG_DIRTY_PAGES * (i & 1), WINDOW, WINDOW_SIZE,
			   other);
		pause_ms(2);
	}
	ok(counting(other), "logging goes on and off under a running guest");
	halt(&r);
	drop_runner(&r);
	munmap(other, WINDOW_SIZE);
}

static void read_only(int dev)
{
	struct runner r = make_runner(dev, copy_code, sizeof(copy_code), KVM_MEM_READONLY);

	*(uint16_t *)r.window = 0x1234;
	works(ioctl(r.v.vcpu, KVM_RUN, 0), "run on a read-only slot");
	ok(r.v.run->exit_reason == KVM_EXIT_MMIO && r.v.run->mmio.is_write &&
	   r.v.run->mmio.phys_addr == WINDOW + 2 && r.v.run->mmio.len == 2 &&
	   r.v.run->mmio.data[0] == 0x34 && r.v.run->mmio.data[1] == 0x12,
	   "it reads like memory, a write goes to the VMM");
	ok(((uint16_t *)r.window)[1] == 0, "and changes nothing");
	works(ioctl(r.v.vcpu, KVM_RUN, 0), "and the guest goes on");
	ok(r.v.run->exit_reason == KVM_EXIT_HLT, "to HLT");
	drop_runner(&r);
}

static unsigned long get_log(struct runner *r)
{
	unsigned long bits = ~0ul;
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = &bits };

	if (ioctl(r->v.fd, KVM_GET_DIRTY_LOG, &log))
		bail("KVM_GET_DIRTY_LOG");
	return bits;
}

static void run_some(struct runner *r)
{
	load_code(&r->v, some_code, sizeof(some_code));
	if (ioctl(r->v.vcpu, KVM_RUN, 0) || r->v.run->exit_reason != KVM_EXIT_HLT)
		bail("KVM_RUN");
}

static void dirty_log(int dev)
{
	struct runner r = make_runner(dev, some_code, sizeof(some_code), 0);

	run_some(&r);
	works(add_memory(r.v.fd, 1, KVM_MEM_LOG_DIRTY_PAGES, WINDOW, WINDOW_SIZE, r.window),
	      "a dirty log for memory in use");
	ok(get_log(&r) == 0, "it starts empty");
	run_some(&r);
	ok(get_log(&r) == 0x8888, "it has the four pages that were written");
	ok(get_log(&r) == 0, "once");
	run_some(&r);
	ok(get_log(&r) == 0x8888, "and again when they are written again");
	drop_runner(&r);
}

static void manual_log(int dev)
{
	struct runner r = make_runner(dev, some_code, sizeof(some_code), 0);
	struct kvm_enable_cap cap = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .args = { 1 } };
	unsigned long some = 0x80;
	struct kvm_clear_dirty_log clear = {
		.slot = 1, .num_pages = WINDOW_PAGES, .dirty_bitmap = &some,
	};

	works(ioctl(r.v.fd, KVM_ENABLE_CAP, &cap), "the log is cleared by hand");
	add_memory(r.v.fd, 1, KVM_MEM_LOG_DIRTY_PAGES, WINDOW, WINDOW_SIZE, r.window);
	run_some(&r);
	get_log(&r);
	ok(get_log(&r) == 0x8888, "getting it clears nothing");
	works(ioctl(r.v.fd, KVM_CLEAR_DIRTY_LOG, &clear), "clear one page");
	ok(get_log(&r) == 0x8808, "that one is clear");
	run_some(&r);
	ok(get_log(&r) == 0x8888, "and dirty when it is written again");
	drop_runner(&r);
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	int dev = start(argc, argv);

	sigaction(SIGUSR1, &sa, NULL);
	thrown_away(dev);
	copied_on_write(dev);
	protected(dev);
	slot_changes(dev);
	read_only(dev);
	dirty_log(dev);
	manual_log(dev);
	return finish();
}
