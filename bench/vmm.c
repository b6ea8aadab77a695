// SPDX-License-Identifier: GPL-2.0-only
/*
 * The smallest VMM that runs the guest-hypervisor image: it brings no firmware and no
 * devices, so that what a row counts is the hypervisor's and the image's own.
 *
 * The image tells where a row begins and ends by writing to MARK_PORT.  That is an exit to this
 * program, which then reads the hypervisor's own counter of exits, so the difference is
 * that row's, to the digit.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "follow.h"

#define COM1		0x3f8
#define MARK_PORT	0x4e0	/* 1: a row begins, 0: it ends */
#define QUIT_PORT	0x4e4
#define MB_INFO		0x6000	/* what multiboot hands over: below the image, above its IVT */
#define MB_CMDLINE	0x6100
#define MB_MAGIC	0x2badb002
#define MAX_CPUS	4
#define LARGE		0x200000ul
#define MOVE_US		3000	/* how long a vCPU's thread stays on a host CPU, with -M */

static struct {
	int vm;
	uint8_t *mem;
	size_t size;
	const char *counter;
	uint64_t at_begin;
	long free_at_begin;
	size_t run_size;
	bool follow;
} m;

struct cpu {
	int fd;
	struct kvm_run *run;
	pthread_t thread;
};

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "bench-vmm: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int vm_ioctl(int fd, unsigned long req, unsigned long arg, const char *what)
{
	int r = ioctl(fd, req, arg);

	if (r < 0)
		die(what);
	return r;
}

/* Exits of all vCPUs so far, as the hypervisor counts them itself. */
static uint64_t world_switches(void)
{
	uint64_t n = 0;
	FILE *f = fopen(m.counter, "r");

	if (!f || fscanf(f, "%lu", &n) != 1)
		die(m.counter);
	fclose(f);
	return n;
}

static void find_counter(void)
{
	m.counter = "/sys/kernel/debug/nestor/world_switches";
	if (access(m.counter, R_OK))
		m.counter = "/sys/kernel/debug/kvm/exits";
}

/* Memory in 2M pages where the host has them, all of it there before anything is counted. */
static void make_memory(void)
{
	uint8_t *p = mmap(NULL, m.size + LARGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct kvm_userspace_memory_region r = { .memory_size = m.size };

	if (p == MAP_FAILED)
		die("memory");
	m.mem = (uint8_t *)(((uintptr_t)p + LARGE - 1) & ~(LARGE - 1));
	madvise(m.mem, m.size, MADV_HUGEPAGE);
	memset(m.mem, 0, m.size);
	r.userspace_addr = (uintptr_t)m.mem;
	vm_ioctl(m.vm, KVM_SET_USER_MEMORY_REGION, (unsigned long)&r, "KVM_SET_USER_MEMORY_REGION");
}

/* Returns the entry point. */
static uint32_t load_image(const char *path)
{
	static uint8_t image[8 << 20];
	const Elf32_Ehdr *eh = (void *)image;
	int fd = open(path, O_RDONLY), i;
	ssize_t len = fd < 0 ? -1 : read(fd, image, sizeof(image));

	if (len < (ssize_t)sizeof(*eh) || memcmp(eh->e_ident, ELFMAG, SELFMAG) ||
	    eh->e_ident[EI_CLASS] != ELFCLASS32)
		die(path);
	close(fd);
	for (i = 0; i < eh->e_phnum; i++) {
		const Elf32_Phdr *ph = (void *)(image + eh->e_phoff + i * sizeof(*ph));

		if (ph->p_type != PT_LOAD)
			continue;
		if ((uint64_t)ph->p_offset + ph->p_filesz > (uint64_t)len ||
		    (uint64_t)ph->p_paddr + ph->p_memsz > m.size)
			die("the image does not fit");
		memcpy(m.mem + ph->p_paddr, image + ph->p_offset, ph->p_filesz);
	}
	return eh->e_entry;
}

/* Multiboot information: memory above 1 MiB and the command line. */
static void hand_over(const char *cmdline)
{
	uint32_t info[5] = { 5, 640, (m.size >> 10) - 1024, 0, MB_CMDLINE };

	memcpy(m.mem + MB_INFO, info, sizeof(info));
	strncpy((char *)m.mem + MB_CMDLINE, cmdline, 511);
}

static void set_cpuid(int dev, int fd, unsigned int id)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 e[256];
	} c;
	unsigned int i;

	c.head.nent = 256;
	vm_ioctl(dev, KVM_GET_SUPPORTED_CPUID, (unsigned long)&c, "KVM_GET_SUPPORTED_CPUID");
	for (i = 0; i < c.head.nent; i++) {
		if (c.e[i].function == 1)
			c.e[i].ebx = (c.e[i].ebx & 0xffffff) | id << 24;
		else if (c.e[i].function == 0xb || c.e[i].function == 0x1f)
			c.e[i].edx = id;
	}
	vm_ioctl(fd, KVM_SET_CPUID2, (unsigned long)&c, "KVM_SET_CPUID2");
}

/*
 * As a multiboot loader leaves the machine: flat 32-bit protected mode. TR says what firmware leaves there, a
 * 32-bit TSS: Bochs refuses to turn on long mode with a 16-bit one, and KVM's AMD-V vCPUs begin with that.
 */
static void set_start(int fd, uint32_t entry)
{
	struct kvm_regs r = { .rip = entry, .rax = MB_MAGIC, .rbx = MB_INFO, .rflags = 2 };
	struct kvm_segment flat = { .limit = ~0u, .type = 3, .present = 1, .db = 1, .s = 1,
				    .g = 1, .selector = 0x10 };
	struct kvm_sregs s;

	vm_ioctl(fd, KVM_GET_SREGS, (unsigned long)&s, "KVM_GET_SREGS");
	s.ds = flat;
	s.es = flat;
	s.ss = flat;
	s.cs = flat;
	s.cs.type = 11;
	s.cs.selector = 8;
	s.tr.type = 11;
	s.cr0 |= 1;
	vm_ioctl(fd, KVM_SET_SREGS, (unsigned long)&s, "KVM_SET_SREGS");
	vm_ioctl(fd, KVM_SET_REGS, (unsigned long)&r, "KVM_SET_REGS");
}

static struct cpu make_cpu(int dev, unsigned int id, uint32_t entry)
{
	struct cpu c;

	c.fd = vm_ioctl(m.vm, KVM_CREATE_VCPU, id, "KVM_CREATE_VCPU");
	c.run = mmap(NULL, m.run_size, PROT_READ | PROT_WRITE, MAP_SHARED, c.fd, 0);
	if (c.run == MAP_FAILED)
		die("mmap of the vCPU");
	set_cpuid(dev, c.fd, id);
	if (!id)
		set_start(c.fd, entry);
	return c;
}

/* Sum of the numbers behind @key, wherever it begins a line of @path. */
static long sum_of(const char *path, const char *key)
{
	FILE *f = fopen(path, "r");
	char line[256];
	long sum = 0, n;

	while (f && fgets(line, sizeof(line), f)) {
		const char *p = line + strspn(line, " ");

		if (!strncmp(p, key, strlen(key)) && sscanf(p + strlen(key), "%ld", &n) == 1)
			sum += n;
	}
	if (f)
		fclose(f);
	return sum;
}

/* Free memory of the host in KiB: to the page, and with those that each CPU keeps at hand. */
static long free_memory(void)
{
	FILE *f = fopen("/proc/sys/vm/stat_refresh", "w");

	if (f) {
		fputs("1\n", f);
		fclose(f);
	}
	return (sum_of("/proc/vmstat", "nr_free_pages ") + sum_of("/proc/zoneinfo", "count: ")) * 4;
}

static void mark(uint32_t begins)
{
	if (begins) {
		m.free_at_begin = free_memory();
		m.at_begin = world_switches();
		return;
	}
	/* The exit that brought us here is not the row's. */
	printf("switches %lu\n", world_switches() - m.at_begin - 1);
	printf("memory-kib %ld\n", m.free_at_begin - free_memory());
}

/* What @nr VMs, and then a vCPU in each, take from the host's memory, in KiB each. */
static int weigh(int dev, int nr)
{
	long before = free_memory(), after;
	int vm[nr], i;

	for (i = 0; i < nr; i++) {
		vm[i] = vm_ioctl(dev, KVM_CREATE_VM, 0, "KVM_CREATE_VM");
		vm_ioctl(vm[i], KVM_CREATE_IRQCHIP, 0, "KVM_CREATE_IRQCHIP");
	}
	after = free_memory();
	printf("weight vm %ld\n", (before - after) / nr);
	for (i = 0; i < nr; i++)
		set_cpuid(dev, vm_ioctl(vm[i], KVM_CREATE_VCPU, 0, "KVM_CREATE_VCPU"), 0);
	printf("weight vcpu %ld\n", (after - free_memory()) / nr);
	return 0;
}

/* The image's other CPUs halt by now, with interrupts off. */
static void __attribute__((noreturn)) quit(uint32_t status)
{
	if (m.follow && follow_end())
		status = 3;
	fflush(stdout);
	_exit(status);
}

static void port(struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	uint32_t val = 0;

	if (run->io.direction == KVM_EXIT_IO_IN) {
		/* The transmitter is ready; nobody else is there. */
		memset(data, run->io.port == COM1 + 5 ? 0x60 : 0xff,
		       run->io.size * run->io.count);
		return;
	}
	memcpy(&val, data, run->io.size);
	switch (run->io.port) {
	case COM1:
		if (val != '\r')
			putchar(val);
		if (val == '\n')
			fflush(stdout);
		break;
	case MARK_PORT:
		mark(val);
		break;
	case QUIT_PORT:
		quit(val);
	}
}

static void *run_cpu(void *arg)
{
	const struct cpu *c = arg;

	for (;;) {
		/* A signal, or a vCPU that waits for its SIPI. */
		if (ioctl(c->fd, KVM_RUN, 0) < 0) {
			if (errno != EINTR && errno != EAGAIN)
				die("KVM_RUN");
			continue;
		}
		switch (c->run->exit_reason) {
		case KVM_EXIT_IO:
			port(c->run);
			break;
		case KVM_EXIT_MMIO:
			memset(c->run->mmio.data, 0, 8);
			break;
		case KVM_EXIT_INTR:
			break;
		default:
			fprintf(stderr, "bench-vmm: exit reason %u\n", c->run->exit_reason);
			_exit(2);
		}
	}
	return NULL;
}

struct moved {
	struct cpu *cpus;
	unsigned int nr;
};

/* The vCPUs' threads from host CPU to host CPU, each on its own round. */
static void *move_cpus(void *arg)
{
	const struct timespec t = { .tv_nsec = MOVE_US * 1000 };
	const struct moved *mv = arg;
	long host = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned long n;
	cpu_set_t set;

	for (n = 0;; n++) {
		CPU_ZERO(&set);
		CPU_SET((n + n / mv->nr) % host, &set);
		pthread_setaffinity_np(mv->cpus[n % mv->nr].thread, sizeof(set), &set);
		nanosleep(&t, NULL);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned int nr = 1, i, mb = 256;
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	struct cpu cpus[MAX_CPUS];
	pthread_t thread;
	uint32_t entry;
	int dev, opt, weights = 0;
	struct moved moved = { cpus, 0 };
	bool move = false;

	while ((opt = getopt(argc, argv, "s:m:w:dM")) != -1) {
		if (opt == 'd')
			m.follow = true;
		else if (opt == 'M')
			move = true;
		else if (opt == 's')
			nr = atoi(optarg);
		else if (opt == 'm')
			mb = atoi(optarg);
		else if (opt == 'w')
			weights = atoi(optarg);
		else
			optind = argc;
	}
	dev = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		die("/dev/kvm");
	if (weights > 0 && weights <= 256)
		return weigh(dev, weights);
	if (argc - optind != 2 || nr < 1 || nr > MAX_CPUS || mb < 64 || mb > 3072) {
		fprintf(stderr, "usage: bench-vmm [-d] [-M] [-s CPUS] [-m MB] IMAGE CMDLINE | bench-vmm -w VMS\n"
			"-d: follow memory by the dirty log until the image quits (exit=vmm); status 3 if one was missed\n"
			"-M: move the vCPUs from host CPU to host CPU all the time\n");
		return 2;
	}
	m.size = (size_t)mb << 20;
	find_counter();
	m.vm = vm_ioctl(dev, KVM_CREATE_VM, 0, "KVM_CREATE_VM");
	m.run_size = vm_ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0, "KVM_GET_VCPU_MMAP_SIZE");
	ioctl(m.vm, KVM_SET_TSS_ADDR, 0xfffbd000ul);
	vm_ioctl(m.vm, KVM_CREATE_IRQCHIP, 0, "KVM_CREATE_IRQCHIP");
	vm_ioctl(m.vm, KVM_CREATE_PIT2, (unsigned long)&pit, "KVM_CREATE_PIT2");
	make_memory();
	entry = load_image(argv[optind]);
	hand_over(argv[optind + 1]);
	for (i = 0; i < nr; i++)
		cpus[i] = make_cpu(dev, i, entry);
	cpus[0].thread = pthread_self();
	for (i = 1; i < nr; i++)
		if (pthread_create(&cpus[i].thread, NULL, run_cpu, &cpus[i]))
			die("pthread_create");
	moved.nr = nr;
	if (move && pthread_create(&thread, NULL, move_cpus, &moved))
		die("pthread_create");
	if (m.follow)
		follow_start(m.vm, m.mem, m.size);
	run_cpu(&cpus[0]);
	return 0;
}
