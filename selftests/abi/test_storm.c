// SPDX-License-Identifier: GPL-2.0-only
/*
 * One VM, many threads, no agreement: vCPUs run a guest that writes everywhere while
 * others move its slots, take away the memory below them, raise interrupts, close the
 * descriptors, hand them to another process, and somebody kills all of it at some point.
 * Nothing is asked of the answers. The host has to survive without a word in its
 * log, and every VM has to go.
 *
 * usage: test_storm [DEVICE [ROUNDS [SEED]]]
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "log.h"

#define NR_VCPUS	3
#define LOW		0x20000ul	/* where the slots that move are */
#define HIGH		0xa0000ul
#define AREA		(1ul << 20)

/*
 * Real mode, from 0x1000: writes and reads each 2 KiB of LOW..HIGH, then OUT, forever. Where
 * no slot is, that is MMIO.
 */
static const uint8_t guest[] = {
	0x31, 0xdb, 0xb8, 0x00, 0x20,			/* xor bx, bx; mov ax, 0x2000 */
	0x8e, 0xd8, 0x88, 0x1e, 0x00, 0x00,		/* 1: mov ds, ax; mov [0], bl */
	0x8a, 0x0e, 0x10, 0x00, 0x05, 0x80, 0x00,	/* mov cl, [16]; add ax, 0x80 */
	0x3d, 0x00, 0xa0, 0x72, 0xee, 0xe6, 0x10,	/* cmp ax, 0xa000; jb 1b; out 16, al */
	0xb8, 0x00, 0x20, 0x43, 0xeb, 0xe6,		/* mov ax, 0x2000; inc bx; jmp 1b */
};

static struct {
	int vm, vcpu[NR_VCPUS], event[2];
	struct kvm_run *run[NR_VCPUS];
	size_t run_size;
	uint8_t *low, *area;
} m;

struct actor {
	void (*act)(unsigned int nr);
	unsigned int nr;
	uint64_t seed;
};

static void *forever(void *arg)
{
	struct actor *a = arg;

	seed = a->seed;
	for (;;)
		a->act(a->nr);
	return NULL;
}

static void run_vcpu(unsigned int nr)
{
	struct kvm_regs regs;

	m.run[nr]->immediate_exit = rnd() % 32 == 0;
	m.run[nr]->request_interrupt_window = rnd() % 8 == 0;
	if (!ioctl(m.vcpu[nr], KVM_RUN, 0) || rnd() % 64)
		return;
	if (ioctl(m.vcpu[nr], KVM_GET_REGS, &regs))
		return;
	regs.rip = CODE_AT + (rnd() % 4 ? 0 : rnd() % 64);
	ioctl(m.vcpu[nr], KVM_SET_REGS, &regs);
}

static void change_slots(unsigned int nr)
{
	static uint64_t bits[64];
	struct kvm_dirty_log log = { .slot = 1 + rnd() % 6, .dirty_bitmap = bits };
	struct kvm_clear_dirty_log clear = { .slot = log.slot, .dirty_bitmap = bits };
	uint64_t size = (rnd() % 4 ? rnd() % 32 : rnd() % 200) * PAGE;
	struct kvm_enable_cap manual = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .args = { rnd() % 4 } };

	switch (rnd() % 8) {
	case 0:
		ioctl(m.vm, KVM_GET_DIRTY_LOG, &log);
		break;
	case 1:
		clear.first_page = rnd() % 4 * 64;
		clear.num_pages = rnd() % 3 * 64;
		ioctl(m.vm, KVM_CLEAR_DIRTY_LOG, &clear);
		break;
	case 2:
		if (rnd() % 8 == 0)
			ioctl(m.vm, KVM_ENABLE_CAP, &manual);
		break;
	case 3:
		/* A second address space. */
		add_memory(m.vm, 0x10000 + rnd() % 3, rnd() % 4, LOW + rnd() % 128 * PAGE, size, m.area);
		break;
	default:
		add_memory(m.vm, log.slot, rnd() % 4, LOW + rnd() % 128 * PAGE, rnd() % 4 ? size : 0,
			   m.area + rnd() % 64 * PAGE);
	}
	(void)nr;
}

static void change_memory(unsigned int nr)
{
	uint8_t *p = m.area + rnd() % 256 * PAGE;
	size_t len = (1 + rnd() % 32) * PAGE;

	if (p + len > m.area + AREA)
		len = PAGE;
	switch (rnd() % 8) {
	case 0:
		mprotect(p, len, rnd() % 2 ? PROT_NONE : PROT_READ);
		break;
	case 1:
		mprotect(p, len, PROT_READ | PROT_WRITE);
		break;
	case 2:
		mmap(p, len, PROT_READ | PROT_WRITE,
		     MAP_FIXED | MAP_ANONYMOUS | (rnd() % 2 ? MAP_SHARED : MAP_PRIVATE), -1, 0);
		break;
	case 3:
		munmap(p, len);
		break;
	case 4:
		madvise(m.area, AREA, rnd() % 2 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
		break;
	case 5:
		madvise(p, len, MADV_MERGEABLE);
		break;
	default:
		madvise(p, len, rnd() % 2 ? MADV_DONTNEED : MADV_COLD);
	}
	usleep(rnd() % 200);
	(void)nr;
}

static void change_routes(void)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry e[8];
	} r = { .head.nr = rnd() % 9 };
	unsigned int i;

	for (i = 0; i < r.head.nr; i++) {
		r.e[i].gsi = rnd() % 24;
		r.e[i].type = 1 + rnd() % 2;
		r.e[i].u.irqchip.irqchip = rnd() % 4;
		r.e[i].u.irqchip.pin = rnd() % 25;
	}
	ioctl(m.vm, KVM_SET_GSI_ROUTING, &r);
}

static void interrupt(unsigned int nr)
{
	struct kvm_irq_level line = { .irq = rnd() % 24, .level = rnd() % 2 };
	struct kvm_msi msi = { .address_lo = 0xfee00000 | rnd() % 4 << 12, .data = rnd() & 0xcfff };
	struct kvm_irqfd irqfd = { .fd = m.event[0], .gsi = rnd() % 24, .flags = rnd() % 4,
				   .resamplefd = m.event[1] };
	struct kvm_ioeventfd io = { .addr = rnd() % 2 ? 16 : LOW, .len = 1u << rnd() % 4, .fd = m.event[rnd() % 2],
				    .flags = rnd() % 8, .datamatch = rnd() % 3 };

	switch (rnd() % 8) {
	case 0:
		ioctl(m.vm, KVM_SIGNAL_MSI, &msi);
		break;
	case 1:
		change_routes();
		break;
	case 2:
		ioctl(m.vm, KVM_IRQFD, &irqfd);
		break;
	case 3:
		ioctl(m.vm, KVM_IOEVENTFD, &io);
		break;
	case 4:
		eventfd_write(m.event[rnd() % 2], 1);
		break;
	case 5:
		ioctl(m.vcpu[rnd() % NR_VCPUS], rnd() % 2 ? KVM_NMI : KVM_SMI);
		break;
	default:
		ioctl(m.vm, KVM_IRQ_LINE, &line);
	}
	(void)nr;
}

/* Another process holds the descriptors for a while, and tries them. */
static void lend(unsigned int nr)
{
	pid_t pid = fork();

	if (!pid) {
		alarm(5);
		ioctl(m.vcpu[rnd() % NR_VCPUS], KVM_RUN, 0);
		change_slots(0);
		usleep(rnd() % 20000);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
	(void)nr;
}

static void close_some(unsigned int nr)
{
	usleep(1000 + rnd() % 100000);
	switch (rnd() % 6) {
	case 0:
		close(m.vm);
		break;
	case 1:
		close(m.vcpu[rnd() % NR_VCPUS]);
		break;
	case 2:
		close(m.event[rnd() % 2]);
		break;
	case 3:
		munmap(m.run[NR_VCPUS - 1] + 1, PAGE);
		break;
	case 4:
		ioctl(m.vm, KVM_CREATE_VCPU, rnd() % 8);
		break;
	}
	(void)nr;
}

static void make(int dev)
{
	struct kvm_pit_config pit = { };
	unsigned int i;

	m.vm = ioctl(dev, KVM_CREATE_VM, 0);
	m.event[0] = eventfd(0, EFD_NONBLOCK);
	m.event[1] = eventfd(0, EFD_NONBLOCK);
	m.low = mmap(NULL, LOW, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	m.area = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (m.vm < 0 || m.low == MAP_FAILED || m.area == MAP_FAILED)
		_exit(2);
	if (rnd() % 4 && !ioctl(m.vm, KVM_CREATE_IRQCHIP, 0))
		ioctl(m.vm, KVM_CREATE_PIT2, &pit);
	memcpy(m.low + CODE_AT, guest, sizeof(guest));
	add_memory(m.vm, 0, rnd() % 2, 0, LOW, m.low);
	add_memory(m.vm, 1, rnd() % 2, LOW, HIGH - LOW, m.area);
	m.run_size = ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	for (i = 0; i < NR_VCPUS; i++) {
		struct kvm_regs regs = { .rip = CODE_AT, .rsp = CODE_AT, .rflags = 2 };
		struct kvm_mp_state on = { .mp_state = KVM_MP_STATE_RUNNABLE };
		struct kvm_sregs sregs;

		m.vcpu[i] = ioctl(m.vm, KVM_CREATE_VCPU, i);
		m.run[i] = mmap(NULL, m.run_size, PROT_READ | PROT_WRITE, MAP_SHARED, m.vcpu[i], 0);
		if (m.vcpu[i] < 0 || m.run[i] == MAP_FAILED ||
		    ioctl(m.vcpu[i], KVM_GET_SREGS, &sregs))
			_exit(2);
		ioctl(m.vcpu[i], KVM_SET_CPUID2, supported_cpuid(dev));
		sregs.cs.base = 0;
		sregs.cs.selector = 0;
		ioctl(m.vcpu[i], KVM_SET_SREGS, &sregs);
		ioctl(m.vcpu[i], KVM_SET_REGS, &regs);
		ioctl(m.vcpu[i], KVM_SET_MP_STATE, &on);
	}
}

static void vmm(int dev, uint64_t s)
{
	static void (*const acts[])(unsigned int nr) = {
		run_vcpu, run_vcpu, run_vcpu, change_slots, change_memory, interrupt, lend,
		close_some,
		run_vcpu,	/* a second thread on a vCPU */
	};
	static struct actor actors[sizeof(acts) / sizeof(*acts)];
	unsigned int i;
	pthread_t t;

	seed = s;
	make(dev);
	for (i = 0; i < sizeof(acts) / sizeof(*acts); i++) {
		actors[i].act = acts[i];
		actors[i].nr = i % NR_VCPUS;
		actors[i].seed = s ^ (i + 1) * 0x9e3779b97f4a7c15ull;
		/* Each round leaves some out. */
		if (rnd() % 4)
			pthread_create(&t, NULL, forever, &actors[i]);
	}
	usleep(rnd() % 300000);
	switch (rnd() % 5) {
	case 0:
		_exit(0);
	case 1:
		kill(getpid(), SIGKILL);
		break;
	case 2:
		raise(SIGSEGV);
		break;
	case 3:
		execl("/bin/true", "true", NULL);
		break;
	}
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 2 ? atoi(argv[2]) : 30, i;
	uint64_t first = argc > 3 ? strtoull(argv[3], NULL, 0) : 20260201;
	int dev = start(argc, argv), before = complaints(), was = users(), status;
	bool made = true;

	/* Descriptors of VMs are not for what comes after. */
	for (i = 0; i < rounds; i++) {
		pid_t pid = fork();

		if (!pid)
			vmm(dev, first + i);
		seed = ~(first + i);
		usleep(rnd() % 600000);
		kill(pid, SIGKILL);
		if (pid < 0 || waitpid(pid, &status, 0) != pid ||
		    (WIFEXITED(status) && WEXITSTATUS(status) == 2)) {
			printf("# round %u (seed %llu): status %x\n", i, (unsigned long long)first + i, status);
			made = false;
		}
	}
	ok(made, "each VM could be made");
	nothing_left(was, before);
	return finish();
}
