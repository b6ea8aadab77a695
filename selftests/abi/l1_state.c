// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the guest-hypervisor image and moves the machine to a new VM, with a new vCPU, each time
 * a timer has interrupted KVM_RUN, after a random time, and at some of the exits.  What the image prints has to be
 * what it prints undisturbed.
 *
 * usage: l1_state [-q] [-s SEED] [-n MAX] IMAGE CMDLINE
 * -q: move nothing; -n: at most so many moves.  The image's console is stdout; the number of
 * moves, and how many of them found L2 running, is on stderr.
 */
#include <elf.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "abi.h"

#define COM1		0x3f8
#define FW_CFG		0x510
#define DEBUG_EXIT	0xf4
#define MB_INFO		0x6000
#define MB_CMDLINE	0x6100
#define MB_MAGIC	0x2badb002
#define MEM_SIZE	(256ul << 20)
#define MAX_MSRS	256
/* How long it may run, in microseconds, until it is moved. */
#define RUN_MIN		20
#define RUN_MAX		300
#define IO_PER_MOVE	64

static int dev;
static size_t run_size;
static uint8_t *mem;
static unsigned int signature;
static unsigned long moves, moves_l2, max_moves = ~0ul;
static bool quiet;

struct machine {
	int vm, vcpu;
	struct kvm_run *run;
};

/* All that there is of a machine beside its memory. */
struct state {
	struct kvm_irqchip chip[3];
	struct kvm_pit_state2 pit;
	struct kvm_clock_data clock;
	struct kvm_mp_state mp;
	struct kvm_regs regs;
	struct kvm_sregs2 sregs;
	struct kvm_xsave xsave;
	struct kvm_xcrs xcrs;
	struct kvm_lapic_state lapic;
	struct kvm_vcpu_events events;
	struct kvm_debugregs debug;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e[MAX_MSRS];
	} msrs;
	union {
		struct kvm_nested_state nested;
		uint8_t room[sizeof(struct kvm_nested_state) + 2 * 4096];
	};
};

static void need(int fd, unsigned long req, void *arg, const char *what)
{
	if (ioctl(fd, req, arg) < 0) {
		fprintf(stderr, "l1_state: %s: %s (after %lu moves)\n", what, strerror(errno), moves);
		exit(2);
	}
}

#define NEED(fd, req, arg) need(fd, req, (void *)(arg), #req)

static void set_cpuid(int fd)
{
	struct kvm_cpuid2 *c = supported_cpuid(dev);
	unsigned int i;

	for (i = 0; i < c->nent; i++) {
		if (c->entries[i].function == 1)
			c->entries[i].ebx &= 0xffffff;
		else if (c->entries[i].function == 0xb || c->entries[i].function == 0x1f)
			c->entries[i].edx = 0;
	}
	NEED(fd, KVM_SET_CPUID2, c);
}

static struct machine make_machine(void)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	struct kvm_enable_cap payload = { .cap = KVM_CAP_EXCEPTION_PAYLOAD, .args = { 1 } };
	struct kvm_enable_cap triple = { .cap = KVM_CAP_X86_TRIPLE_FAULT_EVENT, .args = { 1 } };
	struct machine m;

	m.vm = ioctl(dev, KVM_CREATE_VM, 0);
	if (m.vm < 0)
		bail("KVM_CREATE_VM");
	NEED(m.vm, KVM_ENABLE_CAP, &payload);
	NEED(m.vm, KVM_ENABLE_CAP, &triple);
	NEED(m.vm, KVM_SET_TSS_ADDR, 0xfffbd000ul);
	NEED(m.vm, KVM_CREATE_IRQCHIP, 0);
	NEED(m.vm, KVM_CREATE_PIT2, &pit);
	if (add_memory(m.vm, 0, 0, 0, MEM_SIZE, mem))
		bail("memory");
	m.vcpu = ioctl(m.vm, KVM_CREATE_VCPU, 0);
	if (m.vcpu < 0)
		bail("KVM_CREATE_VCPU");
	m.run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, m.vcpu, 0);
	if (m.run == MAP_FAILED)
		bail("mmap");
	set_cpuid(m.vcpu);
	return m;
}

static void drop_machine(struct machine *m)
{
	munmap(m->run, run_size);
	close(m->vcpu);
	close(m->vm);
}

static void list_msrs(struct state *s)
{
	static struct {
		struct kvm_msr_list head;
		uint32_t index[MAX_MSRS];
	} l;
	unsigned int i;

	l.head.nmsrs = MAX_MSRS;
	NEED(dev, KVM_GET_MSR_INDEX_LIST, &l);
	s->msrs.head.nmsrs = l.head.nmsrs;
	for (i = 0; i < l.head.nmsrs; i++)
		s->msrs.e[i].index = l.index[i];
}

static void save(struct machine *m, struct state *s)
{
	int i;

	memset(s, 0, sizeof(*s));
	/* What an exit left to be done is done before anything is read. */
	m->run->immediate_exit = 1;
	if (ioctl(m->vcpu, KVM_RUN, 0) != -1 || errno != EINTR)
		bail("immediate exit");
	m->run->immediate_exit = 0;
	for (i = 0; i < 3; i++) {
		s->chip[i].chip_id = i;
		NEED(m->vm, KVM_GET_IRQCHIP, &s->chip[i]);
	}
	NEED(m->vm, KVM_GET_PIT2, &s->pit);
	NEED(m->vm, KVM_GET_CLOCK, &s->clock);
	NEED(m->vcpu, KVM_GET_MP_STATE, &s->mp);
	NEED(m->vcpu, KVM_GET_VCPU_EVENTS, &s->events);
	NEED(m->vcpu, KVM_GET_REGS, &s->regs);
	NEED(m->vcpu, KVM_GET_SREGS2, &s->sregs);
	NEED(m->vcpu, KVM_GET_XSAVE, &s->xsave);
	NEED(m->vcpu, KVM_GET_XCRS, &s->xcrs);
	NEED(m->vcpu, KVM_GET_LAPIC, &s->lapic);
	NEED(m->vcpu, KVM_GET_DEBUGREGS, &s->debug);
	s->nested.size = sizeof(s->room);
	NEED(m->vcpu, KVM_GET_NESTED_STATE, &s->nested);
	list_msrs(s);
	if (ioctl(m->vcpu, KVM_GET_MSRS, &s->msrs) != (int)s->msrs.head.nmsrs)
		bail("KVM_GET_MSRS");
	if (s->nested.flags & KVM_STATE_NESTED_GUEST_MODE)
		moves_l2++;
}

static void restore_msrs(struct machine *m, struct state *s)
{
	if (ioctl(m->vcpu, KVM_SET_MSRS, &s->msrs) != (int)s->msrs.head.nmsrs)
		bail("KVM_SET_MSRS");
}

/* Registers, then nested state; or nested state as soon as the control registers allow. */
static void restore(struct machine *m, struct state *s, bool early)
{
	int i;

	for (i = 0; i < 3; i++)
		NEED(m->vm, KVM_SET_IRQCHIP, &s->chip[i]);
	NEED(m->vm, KVM_SET_PIT2, &s->pit);
	NEED(m->vcpu, KVM_SET_SREGS2, &s->sregs);
	if (early)
		NEED(m->vcpu, KVM_SET_NESTED_STATE, &s->nested);
	restore_msrs(m, s);
	NEED(m->vcpu, KVM_SET_XCRS, &s->xcrs);
	NEED(m->vcpu, KVM_SET_XSAVE, &s->xsave);
	NEED(m->vcpu, KVM_SET_LAPIC, &s->lapic);
	NEED(m->vcpu, KVM_SET_REGS, &s->regs);
	NEED(m->vcpu, KVM_SET_DEBUGREGS, &s->debug);
	NEED(m->vcpu, KVM_SET_MP_STATE, &s->mp);
	NEED(m->vcpu, KVM_SET_VCPU_EVENTS, &s->events);
	if (!early)
		NEED(m->vcpu, KVM_SET_NESTED_STATE, &s->nested);
}

static void move(struct machine *m)
{
	static struct state s;
	struct machine to;

	if (quiet || moves >= max_moves)
		return;
	save(m, &s);
	to = make_machine();
	restore(&to, &s, moves++ & 1);
	drop_machine(m);
	*m = to;
}

static uint32_t load_image(const char *path)
{
	static uint8_t image[8 << 20];
	const Elf32_Ehdr *eh = (void *)image;
	int fd = open(path, O_RDONLY), i;
	ssize_t len = fd < 0 ? -1 : read(fd, image, sizeof(image));

	if (len < (ssize_t)sizeof(*eh) || memcmp(eh->e_ident, ELFMAG, SELFMAG))
		bail(path);
	close(fd);
	for (i = 0; i < eh->e_phnum; i++) {
		const Elf32_Phdr *ph = (void *)(image + eh->e_phoff + i * sizeof(*ph));

		if (ph->p_type == PT_LOAD)
			memcpy(mem + ph->p_paddr, image + ph->p_offset, ph->p_filesz);
	}
	return eh->e_entry;
}

/* As a multiboot loader leaves the machine: flat 32-bit protected mode. */
static void set_start(struct machine *m, uint32_t entry, const char *cmdline)
{
	uint32_t info[5] = { 5, 640, (MEM_SIZE >> 10) - 1024, 0, MB_CMDLINE };
	struct kvm_regs r = { .rip = entry, .rax = MB_MAGIC, .rbx = MB_INFO, .rflags = 2 };
	struct kvm_segment flat = { .limit = ~0u, .type = 3, .present = 1, .db = 1, .s = 1,
				    .g = 1, .selector = 0x10 };
	struct kvm_sregs s;

	memcpy(mem + MB_INFO, info, sizeof(info));
	strncpy((char *)mem + MB_CMDLINE, cmdline, 511);
	NEED(m->vcpu, KVM_GET_SREGS, &s);
	s.ds = s.es = s.ss = s.cs = flat;
	s.cs.type = 11;
	s.cs.selector = 8;
	s.cr0 |= 1;
	NEED(m->vcpu, KVM_SET_SREGS, &s);
	NEED(m->vcpu, KVM_SET_REGS, &r);
}

static void __attribute__((noreturn)) quit(uint32_t val)
{
	fflush(stdout);
	fprintf(stderr, "l1_state: %lu moves, %lu of them with L2\n", moves, moves_l2);
	exit(val == 0x10 ? 0 : 1);
}

static void port(struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	uint32_t val = 0;

	if (run->io.direction == KVM_EXIT_IO_IN) {
		memset(data, run->io.port == COM1 + 5 ? 0x60 : 0xff, run->io.size * run->io.count);
		/* The image takes whoever answers so for a machine that it can switch off. */
		if (run->io.port == FW_CFG + 1)
			*data = "QE"[signature++ & 1];
		return;
	}
	memcpy(&val, data, run->io.size);
	if (run->io.port == COM1 && val != '\r')
		putchar(val);
	if (run->io.port == COM1 && val == '\n')
		fflush(stdout);
	if (run->io.port == DEBUG_EXIT)
		quit(val);
}

static void nothing(int sig)
{
	(void)sig;
}

static timer_t make_timer(void)
{
	struct sigaction act = { .sa_handler = nothing };
	timer_t timer;

	if (sigaction(SIGALRM, &act, NULL) || timer_create(CLOCK_MONOTONIC, NULL, &timer))
		bail("timer");
	return timer;
}

static void arm(timer_t timer)
{
	struct itimerspec when = {
		.it_value.tv_nsec = 1000 * (RUN_MIN + random() % (RUN_MAX - RUN_MIN)),
	};

	if (!quiet)
		timer_settime(timer, 0, &when, NULL);
}

/* KVM_RUN, and no signal afterwards. */
static int run_some(struct machine *m, timer_t timer)
{
	const struct itimerspec never = { };
	int ret, err;

	arm(timer);
	ret = ioctl(m->vcpu, KVM_RUN, 0);
	err = errno;
	timer_settime(timer, 0, &never, NULL);
	return ret < 0 ? -err : 0;
}

static void loop(struct machine *m)
{
	timer_t timer = make_timer();

	for (;;) {
		int ret = run_some(m, timer);

		if (ret < 0) {
			errno = -ret;
			if (ret != -EINTR && ret != -EAGAIN)
				bail("KVM_RUN");
			move(m);
			continue;
		}
		if (m->run->exit_reason == KVM_EXIT_IO) {
			port(m->run);
		} else if (m->run->exit_reason == KVM_EXIT_MMIO) {
			memset(m->run->mmio.data, 0, 8);
		} else if (m->run->exit_reason != KVM_EXIT_INTR) {
			fprintf(stderr, "l1_state: exit reason %u\n", m->run->exit_reason);
			exit(2);
		}
		/* Most of these are a character of the console. */
		if (random() % IO_PER_MOVE == 0)
			move(m);
	}
}

int main(int argc, char **argv)
{
	struct machine m;
	int opt;

	srandom(1);
	while ((opt = getopt(argc, argv, "qs:n:")) != -1) {
		if (opt == 'q')
			quiet = true;
		else if (opt == 's')
			srandom(atoi(optarg));
		else if (opt == 'n')
			max_moves = strtoul(optarg, NULL, 0);
	}
	if (argc - optind != 2) {
		fprintf(stderr, "usage: l1_state [-q] [-s SEED] IMAGE CMDLINE\n");
		return 2;
	}
	dev = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (dev < 0) {
		printf("1..0 # SKIP cannot open /dev/kvm\n");
		return KSFT_SKIP;
	}
	run_size = ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		bail("memory");
	m = make_machine();
	set_start(&m, load_image(argv[optind]), argv[optind + 1]);
	loop(&m);
	return 0;
}
