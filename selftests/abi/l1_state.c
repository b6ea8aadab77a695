// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the guest-hypervisor image and moves the machine to a new VM, with a new vCPU, each time
 * KVM_RUN has returned: a timer interrupts it after a random time, and each character of the console is
 * an exit.  What the image prints has to be what it prints undisturbed.
 *
 * Every third move sets the nested state, has an odd one refused and sets it again.  With -f near-valid
 * states are tried as well, on a machine with a copy of the memory that runs a little and
 * is thrown away: what is refused is refused with EINVAL, and what is not does no harm.
 *
 * -q: move nothing; -T: move nothing, and call KVM_RUN by two threads in turn; -t: the timer's times are N times as
 * long, for a machine that is slow; -n: at most so many moves; -e: move at one of N exits only, beside those that the
 * timer made; -f: so many near-valid states a move with L2; -m: on a kernel with fault injection, so many of 100
 * allocations in KVM_RUN fail, which then says ENOMEM and is called again.  The image's console is stdout; the number
 * of moves, and how many of them found L2 running, is on stderr, as is how often memory ran out.
 */
#define _GNU_SOURCE
#include <elf.h>

#include "abi.h"
#include "runner.h"

#define COM1		0x3f8
#define FW_CFG		0x510
#define DEBUG_EXIT	0xf4
#define MB_INFO		0x6000
#define MB_CMDLINE	0x6100
#define MB_MAGIC	0x2badb002
#define MEM_SIZE	(256ul << 20)
#define MAX_MSRS	256

static const char help[] = "usage: l1_state [-qT] [-s SEED] [-n MAX] [-e N] [-f N] [-t N] [-m PERCENT] IMAGE CMDLINE\n";
static int dev, mem_fd;
static size_t run_size;
static uint8_t *mem;
static unsigned int signature, exits_per_move = 1, odd_per_move, slow = 1;
static unsigned long odd, odd_taken, turns;
static unsigned long moves, moves_l2, max_moves = ~0ul, out_of_memory, out_with_l2;
static int fail_fd = -1;
static bool quiet, has_xcrs, in_turn;

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

static struct machine make_machine(uint8_t *memory)
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
	if (add_memory(m.vm, 0, 0, 0, MEM_SIZE, memory))
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
	if (has_xcrs)
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

/* One that no processor can be in: L1 would be outside of its own physical memory. */
static void refused(struct machine *m, const struct state *s)
{
	static struct state bad;

	bad = *s;
	if (bad.nested.format == KVM_STATE_NESTED_FORMAT_VMX)
		bad.nested.hdr.vmx.vmxon_pa = 1ull << 62;
	else
		bad.nested.flags |= KVM_STATE_NESTED_EVMCS;
	if (!ioctl(m->vcpu, KVM_SET_NESTED_STATE, &bad.nested) || errno != EINVAL)
		bail("a nested state that has to be refused");
}

static void restore_msrs(struct machine *m, struct state *s)
{
	if (ioctl(m->vcpu, KVM_SET_MSRS, &s->msrs) != (int)s->msrs.head.nmsrs)
		bail("KVM_SET_MSRS");
}

/* Registers, then nested state; or nested state as soon as the control registers allow. */
enum order { LATE, EARLY, TWICE, NOT_AT_ALL };

static void restore(struct machine *m, struct state *s, enum order order)
{
	int i;

	for (i = 0; i < 3; i++)
		NEED(m->vm, KVM_SET_IRQCHIP, &s->chip[i]);
	NEED(m->vm, KVM_SET_PIT2, &s->pit);
	NEED(m->vcpu, KVM_SET_SREGS2, &s->sregs);
	if (order == EARLY || order == TWICE)
		NEED(m->vcpu, KVM_SET_NESTED_STATE, &s->nested);
	restore_msrs(m, s);
	if (has_xcrs)
		NEED(m->vcpu, KVM_SET_XCRS, &s->xcrs);
	NEED(m->vcpu, KVM_SET_XSAVE, &s->xsave);
	NEED(m->vcpu, KVM_SET_LAPIC, &s->lapic);
	NEED(m->vcpu, KVM_SET_REGS, &s->regs);
	NEED(m->vcpu, KVM_SET_DEBUGREGS, &s->debug);
	NEED(m->vcpu, KVM_SET_MP_STATE, &s->mp);
	NEED(m->vcpu, KVM_SET_VCPU_EVENTS, &s->events);
	if (order == TWICE)
		refused(m, s);
	if (order == LATE || order == TWICE)
		NEED(m->vcpu, KVM_SET_NESTED_STATE, &s->nested);
}

/* Change a few bits: half of the time in the header or the controls, where most rules are. */
static void spoil(struct kvm_nested_state *s)
{
	unsigned int n = 1 + random() % 3, room = s->size;

	while (n--) {
		unsigned int at = random() % (random() & 1 ? room : 0x200);

		/* Format and size are the caller's own. */
		if (at < 2 || (at >= offsetof(struct kvm_nested_state, hdr) && at < room))
			((uint8_t *)s)[at] ^= 1 << random() % 8;
	}
}

static void try_odd(const struct state *good, uint8_t *copy)
{
	static struct state s;
	struct machine m = make_machine(copy);

	s = *good;
	restore(&m, &s, NOT_AT_ALL);
	spoil(&s.nested);
	odd++;
	if (ioctl(m.vcpu, KVM_SET_NESTED_STATE, &s.nested)) {
		if (errno != EINVAL)
			bail("errno of an odd nested state");
	} else {
		odd_taken++;
		/* Wherever that goes. */
		run_for(m.vcpu, 500);
		s.nested.size = sizeof(s.room);
		NEED(m.vcpu, KVM_GET_NESTED_STATE, &s.nested);
	}
	drop_machine(&m);
}

static void try_odd_states(const struct state *good)
{
	unsigned int i;
	uint8_t *copy;

	if (!(good->nested.flags & KVM_STATE_NESTED_GUEST_MODE))
		return;
	for (i = 0; i < odd_per_move; i++) {
		copy = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, mem_fd, 0);
		if (copy == MAP_FAILED)
			bail("copy of the memory");
		try_odd(good, copy);
		munmap(copy, MEM_SIZE);
	}
}

static void move(struct machine *m)
{
	static const enum order orders[] = { LATE, EARLY, TWICE };
	static struct state s;
	struct machine to;

	if (quiet || moves >= max_moves)
		return;
	save(m, &s);
	try_odd_states(&s);
	to = make_machine(mem);
	restore(&to, &s, orders[moves++ % 3]);
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
	fprintf(stderr, "l1_state: %lu turns\n", turns);
	if (fail_fd >= 0)
		fprintf(stderr, "l1_state: out of memory %lu times, %lu with L2\n", out_of_memory, out_with_l2);
	if (odd_per_move)
		fprintf(stderr, "l1_state: %lu odd states, %lu accepted\n", odd, odd_taken);
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

/* So many of 100 allocations fail, between fail(true) and fail(false). */
static void prepare_to_fail(int percent)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "for f in failslab fail_page_alloc; do cd /sys/kernel/debug/$f || exit; echo Y > task-filter; "
		 "echo N > ignore-gfp-wait; echo 0 > verbose; echo -1 > times; echo 1 > interval; "
		 "echo %d > probability; done; echo 0 > min-order", percent);
	fail_fd = open("/proc/self/make-it-fail", O_RDWR | O_CLOEXEC);
	if (fail_fd < 0 || system(text))
		bail("the kernel has no fault injection");
	/* The kernel reads what is not there yet by way of page faults, which have no errno. */
	if (madvise(mem, MEM_SIZE, MADV_POPULATE_WRITE))
		bail("memory");
}

static void fail(bool on)
{
	if (fail_fd >= 0 && pwrite(fail_fd, on ? "1" : "0", 1, 0) != 1)
		bail("make-it-fail");
}

static void count_failure(struct machine *m)
{
	static struct {
		struct kvm_nested_state head;
		uint8_t room[16384];
	} s;

	out_of_memory++;
	s.head.size = sizeof(s);
	NEED(m->vcpu, KVM_GET_NESTED_STATE, &s.head);
	out_with_l2 += !!(s.head.flags & KVM_STATE_NESTED_GUEST_MODE);
}

/* KVM_RUN, and no signal afterwards. */
static int run_some(struct machine *m, timer_t timer)
{
	const struct itimerspec never = { };
	int ret;

	if (!quiet || in_turn)
		arm(timer, slow);
	if (in_turn) {
		ret = run_in_turn(m->vcpu);
		turns++;
	} else {
		fail(true);
		ret = ioctl(m->vcpu, KVM_RUN, 0) < 0 ? -errno : 0;
		fail(false);
	}
	timer_settime(timer, 0, &never, NULL);
	return ret;
}

static void loop(struct machine *m)
{
	timer_t timer = make_timer();
	int ret;

	for (;;) {
		ret = run_some(m, timer);
		if (ret < 0) {
			errno = -ret;
			if (ret == -ENOMEM && fail_fd >= 0) {
				count_failure(m);
				continue;
			}
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
		if (random() % exits_per_move == 0)
			move(m);
	}
}

int main(int argc, char **argv)
{
	struct machine m;
	int opt, percent = 0;

	srandom(1);
	while ((opt = getopt(argc, argv, "qTs:n:e:f:t:m:")) != -1) {
		if (opt == 'q')
			quiet = true;
		else if (opt == 'T')
			quiet = in_turn = true;
		else if (opt == 's')
			srandom(atoi(optarg));
		else if (opt == 'n')
			max_moves = strtoul(optarg, NULL, 0);
		else if (opt == 'e' && atoi(optarg) > 0)
			exits_per_move = atoi(optarg);
		else if (opt == 'f')
			odd_per_move = atoi(optarg);
		else if (opt == 'm')
			percent = atoi(optarg);
		else if (opt == 't' && atoi(optarg) > 0 && atoi(optarg) < 1000)
			slow = atoi(optarg);
	}
	if (argc - optind != 2) {
		fprintf(stderr, "%s", help);
		return 2;
	}
	dev = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (dev < 0) {
		printf("1..0 # SKIP cannot open /dev/kvm\n");
		return KSFT_SKIP;
	}
	run_size = ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	/* On a processor that has XSAVE. */
	has_xcrs = ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_XCRS) > 0;
	mem_fd = memfd_create("l1", MFD_CLOEXEC);
	if (mem_fd < 0 || ftruncate(mem_fd, MEM_SIZE))
		bail("memfd");
	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, mem_fd, 0);
	if (mem == MAP_FAILED)
		bail("memory");
	if (percent)
		prepare_to_fail(percent);
	m = make_machine(mem);
	set_start(&m, load_image(argv[optind]), argv[optind + 1]);
	loop(&m);
	return 0;
}
