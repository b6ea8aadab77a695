// SPDX-License-Identifier: GPL-2.0-only
/*
 * kill -9 of a VMM whose vCPUs run: nothing of it may stay behind.  Afterwards the
 * module has no users, and free memory is back where it was.
 *
 * The number of rounds is the second argument (default 200).
 */
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>

#include "abi.h"

#define VCPUS		2
#define GUEST_MEM	(8ul << 20)
#define IRET_AT		0x800
#define DATA_AT		0x10000

/*
 * Touch one page after another, for ever: sti; 1: mov [bx], al; add bx, 16; jmp 1b.  See "Known
 * limits" in Documentation/lab.rst for the STI.
 */
static const uint8_t code[] = { 0xfb, 0x88, 0x07, 0x83, 0xc3, 0x10, 0xeb, 0xf9 };

static void *vcpu_thread(void *arg)
{
	int vcpu = *(int *)arg;

	for (;;)
		if (ioctl(vcpu, KVM_RUN, 0) && errno != EINTR)
			pause();
	return NULL;
}

/* A VMM with a bit of everything that has to be taken down again. */
static void vmm(int dev)
{
	struct kvm_irqfd irq = { .gsi = 5 };
	struct kvm_ioeventfd io = { .addr = 0x100, .len = 2, .flags = KVM_IOEVENTFD_FLAG_PIO };
	struct kvm_pit_config pit = { };
	static int fds[VCPUS];
	pthread_t t;
	int vm = ioctl(dev, KVM_CREATE_VM, 0), i;
	uint8_t *mem = mmap(NULL, GUEST_MEM, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (vm < 0 || mem == MAP_FAILED)
		_exit(1);
	memcpy(mem + CODE_AT, code, sizeof(code));
	/* An interrupt may come: all of them end at an IRET. */
	for (i = 0; i < 256; i++)
		memcpy(mem + 4 * i, &(uint32_t){ IRET_AT }, 4);
	mem[IRET_AT] = 0xcf;
	irq.fd = eventfd(0, 0);
	io.fd = eventfd(0, 0);
	if (ioctl(vm, KVM_CREATE_IRQCHIP, 0) || ioctl(vm, KVM_CREATE_PIT2, &pit) ||
	    add_memory(vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, GUEST_MEM, mem) ||
	    ioctl(vm, KVM_IRQFD, &irq) || ioctl(vm, KVM_IOEVENTFD, &io))
		_exit(1);
	for (i = 0; i < VCPUS; i++) {
		struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
		struct kvm_regs r = { .rip = CODE_AT, .rsp = CODE_AT, .rflags = 2 };
		struct kvm_sregs s;

		fds[i] = ioctl(vm, KVM_CREATE_VCPU, i);
		if (fds[i] < 0 || ioctl(fds[i], KVM_GET_SREGS, &s))
			_exit(1);
		s.cs.base = 0;
		s.cs.selector = 0;
		s.ds.base = DATA_AT;
		s.ds.selector = DATA_AT >> 4;
		if (ioctl(fds[i], KVM_SET_SREGS, &s) || ioctl(fds[i], KVM_SET_REGS, &r) ||
		    ioctl(fds[i], KVM_SET_MP_STATE, &mp))
			_exit(1);
		pthread_create(&t, NULL, vcpu_thread, &fds[i]);
	}
	for (;;)
		pause();
}

static void nap(unsigned int ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static long sum_of(const char *file, const char *format, unsigned int most)
{
	char line[128];
	long n, sum = 0;
	FILE *f = fopen(file, "r");

	while (f && most && fgets(line, sizeof(line), f))
		if (sscanf(line, format, &n) == 1) {
			sum += n;
			most--;
		}
	if (f)
		fclose(f);
	return sum;
}

/* Pages that a CPU keeps for itself (some 10 MiB, by its last frees) are free, too, and do not count as available. */
static long available_kb(void)
{
	return sum_of("/proc/meminfo", "MemAvailable: %ld", 1) +
	       sum_of("/proc/zoneinfo", " count: %ld", ~0u) * (PAGE / 1024);
}

static void settle(void)
{
	int fd;

	nap(1000);
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	if (fd >= 0) {
		if (write(fd, "1", 1) != 1)
			printf("# drop_caches: %s\n", strerror(errno));
		close(fd);
	}
	nap(200);
}

static int module_users(void)
{
	int n = -1;
	FILE *f = fopen(stock ? "/sys/module/kvm/refcnt" : "/sys/module/nestor/refcnt", "r");

	if (f && fscanf(f, "%d", &n) != 1)
		n = -1;
	if (f)
		fclose(f);
	return n;
}

static bool round_of(int dev, unsigned int i)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		vmm(dev);
	if (pid < 0)
		return false;
	/* Now in the middle of its making, now well into its run. */
	nap(i * 7 % 60);
	kill(pid, SIGKILL);
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGKILL;
}

/* @rounds VMMs, and the KiB available afterwards. */
static long after_rounds(int dev, unsigned int rounds, bool *good)
{
	unsigned int i;
	long left;

	for (i = 0; i < rounds; i++)
		*good &= round_of(dev, i);
	settle();
	left = available_kb();
	printf("# %u rounds: %ld KiB available\n", rounds, left);
	return left;
}

/*
 * The host gives memory of ended processes back late and in lumps (thread stacks
 * above all), so one batch says little.  What leaked never comes back, however many
 * batches follow: one that ends where the first began shows that nothing did.
 */
#define BATCHES		8
#define SLACK_KIB	2048

int main(int argc, char **argv)
{
	int dev = start(argc, argv), users = module_users();
	unsigned int i, rounds = argc > 2 ? atoi(argv[2]) : 200;
	bool good = true, back = false;
	long before;

	/* The first rounds fill caches that are there to stay. */
	for (i = 0; i < 20; i++)
		good &= round_of(dev, i);
	settle();
	before = available_kb();
	printf("# %ld KiB available\n", before);
	for (i = 0; i < BATCHES && !back; i++)
		back = after_rounds(dev, rounds, &good) >= before - SLACK_KIB;
	for (i = 0; i < 50 && module_users() != users; i++)
		nap(100);
	ok(good, "every VMM ran until it was killed");
	ok(module_users() == users, "the module has no users left");
	ok(back, "memory is back");
	return finish();
}
