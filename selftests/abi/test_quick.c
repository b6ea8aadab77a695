// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest hypervisor that does nothing but SVM instructions that the kernel answers on the spot: VMLOAD, VMSAVE, STGI,
 * CLGI and CPUID in a loop, with no exit to the VMM.  A signal ends it, a change of memory slots does not
 * wait for it, what the VMM does to the memory below it is seen, and all of it is counted, logged and traced.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "abi.h"
#include "tracepoint.h"

#define PML4		0x5000
#define PDPT		0x6000
#define PD		0x7000
#define SAVED		0xa000		/* what VMSAVE writes, in slot 0 */
#define LOADED		0x200000	/* what VMLOAD reads, in slot 1 */
#define EFER_L1		0x1500		/* SVME, LMA, LME */
#define S_FS_BASE	0x448

/* 1: mov rax, rdi; vmsave; mov rax, rsi; vmload; inc r8; stgi; clgi; cpuid; jmp 1b */
static const uint8_t loop[] = {
	0x48, 0x89, 0xf8, 0x0f, 0x01, 0xdb, 0x48, 0x89, 0xf0, 0x0f, 0x01, 0xda, 0x49, 0xff, 0xc0,
	0x0f, 0x01, 0xdc, 0x0f, 0x01, 0xdd, 0x0f, 0xa2, 0xeb, 0xe7,
};
/* The same with a prefix that does nothing: CS, before VMLOAD.  Who takes one for the other misses INC. */
static const uint8_t longer[] = {
	0x48, 0x89, 0xf8, 0x0f, 0x01, 0xdb, 0x48, 0x89, 0xf0, 0x2e, 0x0f, 0x01, 0xda, 0x49, 0xff, 0xc0,
	0x0f, 0x01, 0xdc, 0x0f, 0x01, 0xdd, 0x0f, 0xa2, 0xeb, 0xe6,
};
/* Exits that each round has at least: STGI and CLGI have none with virtual GIF. */
#define EXITS_OF_ROUND	3

static struct vm v;
static uint8_t *page[2];

static void put64(uint8_t *at, uint64_t val)
{
	memcpy(at, &val, sizeof(val));
}

static void long_mode(void)
{
	struct kvm_segment cs = { .limit = ~0u, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1 };
	struct kvm_segment ds = { .limit = ~0u, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1 };
	struct kvm_regs r = { .rip = CODE_AT, .rflags = 2, .rsi = LOADED, .rdi = SAVED };
	struct kvm_sregs s;
	int i;

	put64(v.mem + PML4, PDPT | 0x23);
	put64(v.mem + PDPT, PD | 0x23);
	for (i = 0; i < 512; i++)
		put64(v.mem + PD + 8 * i, i * 0x200000ull | 0xe3);
	memcpy(v.mem + CODE_AT, loop, sizeof(loop));
	if (ioctl(v.vcpu, KVM_GET_SREGS, &s))
		bail("KVM_GET_SREGS");
	s.cs = cs;
	s.ss = ds;
	s.ds = ds;
	s.es = ds;
	s.cr0 = 0x80000011;
	s.cr3 = PML4;
	s.cr4 = 0x20;
	s.efer = EFER_L1;
	if (ioctl(v.vcpu, KVM_SET_SREGS, &s) || ioctl(v.vcpu, KVM_SET_REGS, &r))
		bail("64-bit mode");
}

static uint8_t *new_page(uint64_t fs_base)
{
	uint8_t *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		bail("mmap");
	put64(p + S_FS_BASE, fs_base);
	return p;
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* true: it was a signal that ended it, and none that came from somewhere else */
static bool run_for(unsigned int us)
{
	struct itimerval t = { .it_value.tv_usec = us };

	setitimer(ITIMER_REAL, &t, NULL);
	return ioctl(v.vcpu, KVM_RUN, 0) == -1 && errno == EINTR;
}

static uint64_t rounds(void)
{
	struct kvm_regs r;

	if (ioctl(v.vcpu, KVM_GET_REGS, &r))
		bail("KVM_GET_REGS");
	return r.r8;
}

/* Until the loop has gone round a few times, on a machine that may be slow and busy; false: it does not. */
static bool loops_on(void)
{
	uint64_t first = rounds();
	int i;

	for (i = 0; i < 200 && rounds() < first + 3; i++)
		run_for(10000);
	return rounds() >= first + 3;
}

static uint64_t fs_base(void)
{
	struct kvm_sregs s;

	if (ioctl(v.vcpu, KVM_GET_SREGS, &s))
		bail("KVM_GET_SREGS");
	return s.fs.base;
}

static uint64_t saved_base(void)
{
	uint64_t val;

	memcpy(&val, v.mem + SAVED + S_FS_BASE, sizeof(val));
	return val;
}

/* ---- counted and traced ---- */

static long long exits(void)
{
	FILE *f = fopen("/sys/kernel/debug/nestor/exits", "r");
	long long n;

	if (!f || fscanf(f, "%lld", &n) != 1)
		n = -1;
	if (f)
		fclose(f);
	return n;
}

static void counted(void)
{
	long long before = exits(), first = rounds(), n;

	if (before < 0) {
		skip("each exit is counted", "no debugfs, or not nestor");
		return;
	}
	loops_on();
	n = rounds() - first;
	ok(n > 0 && exits() - before >= EXITS_OF_ROUND * n, "each exit is counted");
	printf("# %lld rounds, %lld exits\n", n, exits() - before);
}

static void traced(void)
{
	int fd = tracepoint_counter("nestor/nestor_exit");
	long long before = exits(), seen;

	if (fd < 0 || before < 0) {
		skip("each exit is traced", "no tracepoint, or not nestor");
		return;
	}
	loops_on();
	if (read(fd, &seen, sizeof(seen)) != sizeof(seen))
		seen = -1;
	close(fd);
	ok(seen > 0 && seen == exits() - before, "each exit is traced");
	printf("# %lld exits, %lld traced\n", exits() - before, seen);
}

/* ---- memory ---- */

static void moved_slot(void)
{
	loops_on();
	ok(fs_base() == 0x11000 && saved_base() == 0x11000, "VMLOAD and VMSAVE move FS");
	put64(page[0] + S_FS_BASE, 0x12000);
	loops_on();
	ok(fs_base() == 0x12000 && saved_base() == 0x12000, "a value that the VMM changed");
	if (add_memory(v.fd, 1, 0, LOADED, 0, page[0]) || add_memory(v.fd, 1, 0, LOADED, PAGE, page[1]))
		bail("another slot");
	loops_on();
	ok(fs_base() == 0x22000, "a slot that leads elsewhere");
}

static void *remap(void *arg)
{
	uint8_t *p = new_page(0x33000);

	(void)arg;
	usleep(20000);
	if (mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, page[1]) != page[1])
		bail("mremap");
	return NULL;
}

static void remapped(void)
{
	pthread_t t;

	pthread_create(&t, NULL, remap, NULL);
	pthread_join(t, NULL);
	loops_on();
	ok(fs_base() == 0x33000, "another page where the slot leads");
	pthread_create(&t, NULL, remap, NULL);
	put64(page[1] + S_FS_BASE, 0x44000);
	while (!run_for(60000))
		;
	pthread_join(t, NULL);
	loops_on();
	ok(fs_base() == 0x33000, "another page while it runs");
}

/* ---- code ---- */

static void restart(void)
{
	struct kvm_regs r;
	struct kvm_sregs s;

	if (ioctl(v.vcpu, KVM_GET_REGS, &r) || ioctl(v.vcpu, KVM_GET_SREGS, &s))
		bail("KVM_GET_REGS or KVM_GET_SREGS");
	r.rip = CODE_AT;
	r.rax = 0;
	/* The translations of an address space go with its root. */
	if (ioctl(v.vcpu, KVM_SET_REGS, &r) || ioctl(v.vcpu, KVM_SET_SREGS, &s))
		bail("KVM_SET_REGS or KVM_SET_SREGS");
}

static bool loops(void)
{
	restart();
	return loops_on();
}

/* Where an instruction ends is what its bytes say, and its bytes are where L1's tables and the VMM's memory lead. */
static void other_code(void)
{
	uint8_t *old = v.mem + CODE_AT, *spare = new_page(0), *p = new_page(0);
	uint8_t *far = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	memcpy(old, longer, sizeof(longer));
	ok(loops(), "code that was written anew");
	memcpy(old, loop, sizeof(loop));
	ok(loops(), "and once more");
	/* The old page stays somewhere, with the old code. */
	memcpy(p, longer, sizeof(longer));
	if (mremap(old, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, spare) != spare ||
	    mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, old) != old)
		bail("mremap of the code");
	ok(loops(), "code in another page of the VMM");
	memcpy(far + CODE_AT, loop, sizeof(loop));
	if (far == MAP_FAILED || add_memory(v.fd, 3, 0, 0x600000, 64 * PAGE, far))
		bail("more memory");
	put64(v.mem + PD, 0x6000e3);
	ok(loops(), "code in another page of L1");
	put64(v.mem + PD, 0xe3);
	ok(loops(), "and back");
	memcpy(old, loop, sizeof(loop));
	restart();
}

static bool saved_is_dirty(void)
{
	static uint64_t bits[64];
	struct kvm_dirty_log log = { .slot = 0, .dirty_bitmap = bits };

	if (ioctl(v.fd, KVM_GET_DIRTY_LOG, &log))
		bail("KVM_GET_DIRTY_LOG");
	return bits[SAVED / PAGE / 64] >> SAVED / PAGE % 64 & 1;
}

static void logged(void)
{
	bool at_first, again;

	if (add_memory(v.fd, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, v.mem_size, v.mem))
		bail("a log");
	loops_on();
	at_first = saved_is_dirty();
	ok(at_first && !saved_is_dirty(), "what VMSAVE writes is in the dirty log");
	loops_on();
	again = saved_is_dirty();
	ok(again, "and again, once that was read");
}

static volatile int changes;

static void *change_slots(void *arg)
{
	uint8_t *p = new_page(0);
	int i;

	(void)arg;
	for (i = 0; i < 20; i++) {
		if (add_memory(v.fd, 2, 0, 0x400000, PAGE, p) || add_memory(v.fd, 2, 0, 0x400000, 0, p))
			bail("a third slot");
		changes++;
	}
	return NULL;
}

/* Nothing in the loop but a change of slots itself makes the vCPU let go of the old ones. */
static void not_waited_for(void)
{
	uint64_t first = rounds();
	pthread_t t;

	pthread_create(&t, NULL, change_slots, NULL);
	while (changes < 20)
		run_for(900000);
	pthread_join(t, NULL);
	ok(rounds() > first, "slots change while it loops");
}

static bool has_svm(const struct kvm_cpuid2 *c)
{
	unsigned int i;

	for (i = 0; i < c->nent; i++)
		if (c->entries[i].function == 0x80000001)
			return c->entries[i].ecx & 4;
	return false;
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_alarm };
	int dev = start(argc, argv);
	struct kvm_cpuid2 *cpuid = supported_cpuid(dev);

	if (!has_svm(cpuid)) {
		printf("1..0 # SKIP no AMD-V for guests\n");
		return KSFT_SKIP;
	}
	sigaction(SIGALRM, &act, NULL);
	v = make_vm(dev, true);
	page[0] = new_page(0x11000);
	page[1] = new_page(0x22000);
	if (ioctl(v.vcpu, KVM_SET_CPUID2, cpuid) || add_memory(v.fd, 1, 0, LOADED, PAGE, page[0]))
		bail("an L1");
	long_mode();
	ok(loops_on() && run_for(10000), "a signal ends it");
	counted();
	traced();
	moved_slot();
	remapped();
	other_code();
	logged();
	not_waited_for();
	drop_vm(&v);
	return finish();
}
