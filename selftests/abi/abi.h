/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the ABI tests share: TAP output, and a VM with one page of code.
 *
 * The device is the first argument, or $NESTOR_DEVICE, or /dev/nestor.  The
 * programs run on stock KVM as well (device /dev/kvm): where nestor is stricter
 * than KVM a test is skipped there.
 */
#ifndef SELFTESTS_ABI_H
#define SELFTESTS_ABI_H

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE	4096ul
#define KSFT_FAIL	1
#define KSFT_SKIP	4

static int tap_nr, tap_failed;
static const char *device = "/dev/nestor";
static bool stock;	/* it is KVM */

static inline void ok(bool good, const char *name)
{
	tap_nr++;
	if (!good)
		tap_failed++;
	printf("%sok %d %s\n", good ? "" : "not ", tap_nr, name);
	fflush(stdout);
}

static inline void skip(const char *name, const char *why)
{
	printf("ok %d %s # SKIP %s\n", ++tap_nr, name, why);
	fflush(stdout);
}

static inline int finish(void)
{
	printf("1..%d\n", tap_nr);
	return tap_failed ? KSFT_FAIL : 0;
}

/* fails() - @ret has to be an error, with errno @want */
static inline void fails(long ret, int want, const char *name)
{
	int got = errno;

	ok(ret < 0 && got == want, name);
	if (ret >= 0)
		printf("# returned %ld, expected errno %d (%s)\n", ret, want, strerror(want));
	else if (got != want)
		printf("# errno %d (%s), expected %d (%s)\n", got, strerror(got), want,
		       strerror(want));
}

/* stricter() - as fails(), where KVM lets it pass */
static inline void stricter(long ret, int want, const char *name)
{
	if (stock)
		skip(name, "KVM does not check this");
	else
		fails(ret, want, name);
}

static inline void works(long ret, const char *name)
{
	int err = errno;

	ok(ret >= 0, name);
	if (ret < 0)
		printf("# errno %d (%s)\n", err, strerror(err));
}

/* cpu_has() - the host's CPU, by /proc/cpuinfo's name for a feature */
static inline bool cpu_has(const char *flag)
{
	char command[64];

	snprintf(command, sizeof(command), "grep -qw %s /proc/cpuinfo", flag);
	return !system(command);
}

/*
 * on_bochs() - the CPU below is Bochs's: its firmware says so
 *
 * What that CPU does wrong no hypervisor on it can mend: "Known limits" in Documentation/lab.rst.
 */
static inline bool on_bochs(void)
{
	return !system("grep -qi bochs /sys/class/dmi/id/*vendor /proc/cmdline 2> /dev/null");
}

/* ok_but_bochs() - as ok(); @why is what the CPU of Bochs does instead */
static inline void ok_but_bochs(bool good, const char *name, const char *why)
{
	if (on_bochs())
		skip(name, why);
	else
		ok(good, name);
}

static inline void *bad_address(void)
{
	static void *p;

	if (!p)
		p = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p;
}

static inline int start(int argc, char **argv)
{
	int fd;

	printf("TAP version 13\n");
	if (getenv("NESTOR_DEVICE"))
		device = getenv("NESTOR_DEVICE");
	if (argc > 1)
		device = argv[1];
	stock = !access("/sys/module/kvm", F_OK) && !strcmp(device, "/dev/kvm");
	fd = open(device, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		printf("1..0 # SKIP cannot open %s: %s\n", device, strerror(errno));
		exit(KSFT_SKIP);
	}
	return fd;
}

static inline void bail(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(KSFT_FAIL);
}

/**
 * struct vm - a VM with one vCPU in real mode
 * @fd: the VM; @vcpu: its vCPU; @run: shared page; @mem: memory at guest-physical 0
 */
struct vm {
	int fd, vcpu;
	struct kvm_run *run;
	size_t run_size;
	uint8_t *mem;
	size_t mem_size;
};

static inline int add_memory(int vm, uint32_t slot, uint32_t flags, uint64_t gpa, uint64_t size,
			     void *hva)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &r);
}

#define CODE_AT	0x1000

/* Code starts at CODE_AT with flat real-mode segments and a stack below it. */
static inline void load_code(struct vm *v, const void *code, size_t len)
{
	struct kvm_sregs s;
	struct kvm_regs r = { .rip = CODE_AT, .rsp = 0x1000, .rflags = 2 };

	memcpy(v->mem + CODE_AT, code, len);
	if (ioctl(v->vcpu, KVM_GET_SREGS, &s))
		bail("KVM_GET_SREGS");
	s.cs.base = 0;
	s.cs.selector = 0;
	if (ioctl(v->vcpu, KVM_SET_SREGS, &s) || ioctl(v->vcpu, KVM_SET_REGS, &r))
		bail("KVM_SET_SREGS or KVM_SET_REGS");
}

static inline struct vm make_vm(int dev, bool irqchip)
{
	struct vm v = { .mem_size = 64 * PAGE };

	v.fd = ioctl(dev, KVM_CREATE_VM, 0);
	if (v.fd < 0)
		bail("KVM_CREATE_VM");
	if (irqchip && ioctl(v.fd, KVM_CREATE_IRQCHIP, 0))
		bail("KVM_CREATE_IRQCHIP");
	v.mem = mmap(NULL, v.mem_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (v.mem == MAP_FAILED || add_memory(v.fd, 0, 0, 0, v.mem_size, v.mem))
		bail("guest memory");
	v.vcpu = ioctl(v.fd, KVM_CREATE_VCPU, 0);
	if (v.vcpu < 0)
		bail("KVM_CREATE_VCPU");
	v.run_size = ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	v.run = mmap(NULL, v.run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v.vcpu, 0);
	if (v.run == MAP_FAILED)
		bail("mmap of the vCPU");
	return v;
}

static inline void drop_vm(struct vm *v)
{
	munmap(v->run, v->run_size);
	munmap(v->mem, v->mem_size);
	close(v->vcpu);
	close(v->fd);
}

static inline struct kvm_cpuid2 *supported_cpuid(int dev)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 e[256];
	} c;

	memset(&c, 0, sizeof(c));
	c.head.nent = 256;
	if (ioctl(dev, KVM_GET_SUPPORTED_CPUID, &c))
		bail("KVM_GET_SUPPORTED_CPUID");
	return &c.head;
}

#endif
