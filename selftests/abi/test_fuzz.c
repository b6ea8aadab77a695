// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every ioctl with arguments made by chance, from a fixed seed: bytes at random, a good
 * argument with some bytes changed, bad and odd addresses; KVM_RUN in between with
 * a second thread at work on the same VM. Of the answers one thing is asked: the CPU
 * refuses no state that was accepted. The host has to survive without a word in its log, and
 * every VM has to go.
 *
 * usage: test_fuzz [DEVICE [ROUNDS [SEED]]]
 */
#define _GNU_SOURCE
#include <linux/nestor.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "log.h"

#define MAX_ARG	8192
#ifndef KVM_SET_USER_MEMORY_REGION2
#define KVM_SET_USER_MEMORY_REGION2	_IOC(_IOC_WRITE, KVMIO, 0x49, 160)
#endif

static const unsigned long vm_ioctls[] = {
	KVM_CREATE_VCPU, KVM_CHECK_EXTENSION, KVM_ENABLE_CAP, KVM_SET_USER_MEMORY_REGION,
	KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG, KVM_SET_TSS_ADDR, KVM_SET_IDENTITY_MAP_ADDR,
	KVM_SET_BOOT_CPU_ID, KVM_GET_CLOCK, KVM_SET_CLOCK, KVM_CREATE_IRQCHIP, KVM_GET_IRQCHIP,
	KVM_SET_IRQCHIP, KVM_CREATE_PIT2, KVM_GET_PIT2, KVM_SET_PIT2, KVM_REINJECT_CONTROL,
	KVM_IRQ_LINE, KVM_IRQ_LINE_STATUS, KVM_SET_GSI_ROUTING, KVM_SIGNAL_MSI, KVM_IRQFD,
	KVM_IOEVENTFD, KVM_REGISTER_COALESCED_MMIO, KVM_UNREGISTER_COALESCED_MMIO,
	KVM_SET_TSC_KHZ, KVM_SET_USER_MEMORY_REGION2, KVM_GET_TSC_KHZ, KVM_SET_NR_MMU_PAGES,
	KVM_X86_SET_MSR_FILTER, KVM_GET_STATS_FD, KVM_CREATE_DEVICE, KVM_HAS_DEVICE_ATTR,
};

static const unsigned long vcpu_ioctls[] = {
	KVM_GET_REGS, KVM_SET_REGS, KVM_GET_SREGS, KVM_SET_SREGS, KVM_GET_SREGS2, KVM_SET_SREGS2,
	KVM_TRANSLATE, KVM_GET_FPU, KVM_SET_FPU, KVM_GET_XSAVE, KVM_SET_XSAVE, KVM_GET_XCRS,
	KVM_SET_XCRS, KVM_GET_MSRS, KVM_SET_MSRS, KVM_SET_CPUID2, KVM_GET_CPUID2, KVM_GET_LAPIC,
	KVM_SET_LAPIC, KVM_GET_MP_STATE, KVM_SET_MP_STATE, KVM_GET_TSC_KHZ, KVM_SET_TSC_KHZ,
	KVM_KVMCLOCK_CTRL, KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, KVM_GET_DEBUGREGS,
	KVM_SET_DEBUGREGS, KVM_SET_GUEST_DEBUG, KVM_X86_SETUP_MCE, KVM_X86_SET_MCE,
	KVM_SET_VAPIC_ADDR, KVM_TPR_ACCESS_REPORTING, KVM_INTERRUPT, KVM_NMI, KVM_SMI,
	KVM_SET_SIGNAL_MASK, NESTOR_GET_VERDICTS, KVM_GET_XSAVE2, KVM_GET_NESTED_STATE,
	KVM_SET_NESTED_STATE, KVM_GET_STATS_FD, KVM_HAS_DEVICE_ATTR,
};

static const unsigned long device_ioctls[] = {
	KVM_GET_API_VERSION, KVM_CREATE_VM, KVM_CHECK_EXTENSION, KVM_GET_VCPU_MMAP_SIZE,
	KVM_GET_SUPPORTED_CPUID, KVM_GET_EMULATED_CPUID, KVM_GET_MSR_INDEX_LIST,
	KVM_GET_MSR_FEATURE_INDEX_LIST, KVM_GET_MSRS, KVM_X86_GET_MCE_CAP_SUPPORTED,
	KVM_HAS_DEVICE_ATTR, KVM_GET_DEVICE_ATTR,
};

/* What a GET filled in, changed a little, is the best argument for a SET. */
static const struct { unsigned long get, set; } pairs[] = {
	{ KVM_GET_REGS, KVM_SET_REGS }, { KVM_GET_SREGS, KVM_SET_SREGS },
	{ KVM_GET_SREGS2, KVM_SET_SREGS2 }, { KVM_GET_XSAVE, KVM_SET_XSAVE },
	{ KVM_GET_FPU, KVM_SET_FPU }, { KVM_GET_LAPIC, KVM_SET_LAPIC },
	{ KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS }, { KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS },
	{ KVM_GET_XCRS, KVM_SET_XCRS }, { KVM_GET_MP_STATE, KVM_SET_MP_STATE },
	{ KVM_GET_NESTED_STATE, KVM_SET_NESTED_STATE },
}, vm_pairs[] = {
	{ KVM_GET_IRQCHIP, KVM_SET_IRQCHIP }, { KVM_GET_PIT2, KVM_SET_PIT2 },
	{ KVM_GET_CLOCK, KVM_SET_CLOCK },
};

static uint8_t *memory;
static int efd;

/* One page that all processes share: how often the CPU was asked, and how often it refused. */
static struct {
	unsigned int entries, refused, nested;
} *tally;
static struct kvm_run *vcpu_run;
/* QEMU's emulated AMD-V, see fatal() */
static bool amd_v;

static void fill(uint8_t *arg)
{
	static const uint64_t odd[] = { 0, 1, 0xfff, 0x1000, 0x8000, 0x30000, 0xfee00000, 1ull << 31,
					1ull << 32, 1ull << 47, 1ull << 63, -1ull, -4096ull };
	uint32_t i, n = rnd() % 64;

	memset(arg, 0, MAX_ARG);
	if (rnd() % 4 == 0)
		for (i = 0; i < 512; i++)
			arg[i] = rnd();
	for (i = 0; i < n; i++) {
		uint64_t v = rnd() % 3 ? odd[rnd() % (sizeof(odd) / sizeof(*odd))] : rnd() % 512;

		memcpy(arg + rnd() % 16 * 4 + (rnd() % 4 == 0 ? rnd() % 512 : 0), &v,
		       1u << rnd() % 4);
	}
	/* Some fields have to be an address or a descriptor to get any further. */
	if (rnd() % 3 == 0) {
		uint64_t hva = (uintptr_t)memory + (rnd() % 64) * PAGE;

		memcpy(arg + 24, &hva, 8);
		memcpy(arg + 8, &hva, rnd() % 2 ? 8 : 0);
	}
	if (rnd() % 3 == 0)
		memcpy(arg + rnd() % 6 * 4, &efd, 4);
}

static void mutate(uint8_t *arg, size_t len)
{
	uint32_t n = rnd() % 4;

	while (n--)
		arg[rnd() % len] ^= 1u << rnd() % 8;
}

static void one(int fd, unsigned long cmd)
{
	static __thread uint8_t arg[MAX_ARG];

	switch (rnd() % 16) {
	case 0:
		ioctl(fd, cmd, bad_address());
		return;
	case 1:
		ioctl(fd, cmd, rnd() % 2 ? (unsigned long)rnd() << rnd() % 40 : rnd() % 300ul);
		return;
	case 2:
		/* The number of another argument's size. */
		cmd ^= (unsigned long)(rnd() % 64) << 16;
		break;
	}
	fill(arg);
	ioctl(fd, cmd, arg);
}

static void pair(int fd)
{
	static __thread uint8_t arg[MAX_ARG];
	unsigned int i = rnd() % (sizeof(pairs) / sizeof(*pairs));
	/* struct kvm_nested_state tells its size; for the others this is overwritten. */
	uint32_t size = MAX_ARG;

	memcpy(arg + 4, &size, 4);
	if (ioctl(fd, pairs[i].get, arg))
		return;
	mutate(arg, (pairs[i].get >> 16) & 0x3fff);
	ioctl(fd, pairs[i].set, arg);
}

/* Modes with paging, which bytes at random never hit upon, and something of them changed. */
static void mode(int fd)
{
	static const struct { uint64_t cr0, cr4, efer; uint8_t l, db; } modes[] = {
		{ 0x10, 0, 0, 0, 0 }, { 0x11, 0, 0, 0, 1 }, { 0x80000011, 0, 0, 0, 1 },
		{ 0x80000011, 0x20, 0, 0, 1 }, { 0x80000011, 0x20, 0x500, 1, 0 },
		{ 0x80000011, 0x20, 0x500, 0, 1 }, { 0x11, 0x20, 0x100, 0, 1 },
	};
	unsigned int i = rnd() % (sizeof(modes) / sizeof(*modes)), cpl = rnd() % 2 ? 0 : rnd() % 4;
	static __thread struct kvm_sregs s;
	struct kvm_segment *seg[] = { &s.cs, &s.ss, &s.ds, &s.es, &s.fs, &s.gs, &s.tr, &s.ldt };
	struct kvm_segment *one = seg[rnd() % 8];
	struct kvm_regs r;

	if (ioctl(fd, KVM_GET_SREGS, &s) || ioctl(fd, KVM_GET_REGS, &r))
		return;
	s.cr0 = modes[i].cr0;
	s.cr4 = modes[i].cr4;
	s.efer = modes[i].efer;
	s.cr3 = 0x1000;
	s.cs = (struct kvm_segment){ .limit = 0xffffffff, .type = 11, .present = 1, .s = 1, .g = 1,
				     .l = modes[i].l, .db = modes[i].db, .dpl = cpl,
				     .selector = cpl };
	s.ss = (struct kvm_segment){ .limit = 0xffffffff, .type = 3, .present = 1, .s = 1, .g = 1,
				     .db = 1, .dpl = cpl };
	s.ds = s.es = s.fs = s.gs = s.ss;
	r.rflags = 2 | (rnd() % 2) << 9 | (rnd() % 8 == 0) << 8 | (rnd() % 8 == 0) << 17;
	r.rip = rnd() % 4 ? rnd() % 0x10000 : (uint64_t)rnd() << rnd() % 33;
	if (rnd() % 8 == 0) {
		r.rflags |= 1 << 17;
		for (i = 0; i < 6; i++)
			*seg[i] = (struct kvm_segment){ .selector = i << 8, .base = i << 12, .type = 3,
							.limit = 0xffff, .present = 1, .s = 1,
							.dpl = 3 };
	}
	switch (rnd() % 12) {
	case 0:
		s.cr0 ^= 1ull << rnd() % 64;
		break;
	case 1:
		s.cr3 ^= 1ull << rnd() % 64;
		break;
	case 2:
		s.cr4 ^= 1ull << rnd() % 64;
		break;
	case 3:
		s.efer ^= 1ull << rnd() % 64;
		break;
	case 4:
		one->type = rnd() % 16;
		break;
	case 5:
		one->dpl = rnd() % 4;
		break;
	case 6:
		one->base ^= 1ull << rnd() % 64;
		break;
	case 7:
		one->limit ^= 1u << rnd() % 32;
		break;
	case 8:
		one->unusable = 1;
		break;
	case 9:
		mutate((uint8_t *)one, sizeof(*one));
		break;
	case 10:
		mutate((uint8_t *)&s, sizeof(s));
		break;
	}
	if (rnd() % 2)
		ioctl(fd, KVM_SET_REGS, &r);
	ioctl(fd, KVM_SET_SREGS, &s);
	if (rnd() % 2)
		ioctl(fd, KVM_SET_REGS, &r);
}

/* EFER alone */
static void efer(int fd)
{
	struct {
		struct kvm_msrs m;
		struct kvm_msr_entry e;
	} m = { .m.nmsrs = 1, .e.index = 0xc0000080 };

	if (ioctl(fd, KVM_GET_MSRS, &m) != 1)
		return;
	m.e.data ^= rnd() % 2 ? 0x100 : 1ull << rnd() % 64;
	ioctl(fd, KVM_SET_MSRS, &m);
}

static void vm_pair(int fd)
{
	static __thread uint8_t arg[MAX_ARG];
	unsigned int i = rnd() % (sizeof(vm_pairs) / sizeof(*vm_pairs));
	uint32_t chip = rnd() % 3;

	memcpy(arg, &chip, 4);
	if (ioctl(fd, vm_pairs[i].get, arg))
		return;
	mutate(arg + 4, ((vm_pairs[i].get >> 16) & 0x3fff) - 4);
	ioctl(fd, vm_pairs[i].set, arg);
}

/* MSRs that exist, with the values that they have, nearly. */
static void msrs(int dev, int fd)
{
	static struct {
		struct kvm_msr_list head;
		uint32_t index[512];
	} list;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e[8];
	} m = { .head.nmsrs = 8 };
	unsigned int i, bit;

	if (!list.head.nmsrs) {
		list.head.nmsrs = 512;
		if (ioctl(dev, KVM_GET_MSR_INDEX_LIST, &list) || !list.head.nmsrs)
			return;
	}
	for (i = 0; i < 8; i++) {
		m.e[i].index = list.index[rnd() % list.head.nmsrs];
		/* Far from the list, too: VMX, AMD's, x2APIC. */
		if (rnd() % 8 == 0)
			m.e[i].index = (const uint32_t[]){ 0x480, 0xc0010110, 0x800, 0x400 }[rnd() % 4] +
				       rnd() % 64;
	}
	ioctl(fd, KVM_GET_MSRS, &m);
	for (i = 0; i < 8; i++) {
		bit = rnd() % 128;
		if (bit < 64)
			m.e[i].data ^= 1ull << bit;
		else if (bit < 80)
			m.e[i].data = (uint64_t)rnd() << 32 | rnd();
	}
	ioctl(fd, KVM_SET_MSRS, &m);
}

/* What else can be done to a descriptor. */
static void file_call(int fd)
{
	static uint8_t buf[PAGE];
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
	size_t len = rnd() % 5 * PAGE + rnd() % 2;
	void *map;
	int copy;

	switch (rnd() % 8) {
	case 0:
		(void)!read(fd, buf, rnd() % sizeof(buf));
		break;
	case 1:
		(void)!write(fd, buf, rnd() % sizeof(buf));
		break;
	case 2:
		lseek(fd, rnd(), rnd() % 3);
		break;
	case 3:
		poll(&p, 1, 0);
		break;
	case 4:
		copy = dup(fd);
		close(copy);
		break;
	default:
		map = mmap(NULL, len, rnd() % 8, rnd() % 2 ? MAP_SHARED : MAP_PRIVATE, fd,
			   rnd() % 5 * PAGE);
		if (map == MAP_FAILED)
			break;
		mprotect(map, len, PROT_READ | PROT_WRITE);
		/* Only pages that are there: the rest of them is SIGBUS. */
		madvise(map, len, MADV_POPULATE_WRITE);
		if (rnd() % 2)
			mremap(map, len, rnd() % 8 * PAGE, MREMAP_MAYMOVE);
		if (rnd() % 2)
			munmap(map, len);
	}
}

/* The counters: a descriptor of another kind, read here and there; some stay open. */
static void counters(int fd)
{
	static __thread uint8_t buf[2 * PAGE];
	int i, n = ioctl(fd, KVM_GET_STATS_FD, 0);

	if (n < 0)
		return;
	for (i = rnd() % 4; i; i--)
		(void)!pread(n, buf, rnd() % sizeof(buf), rnd() % 4 ? rnd() % 4096 : (uint64_t)rnd() << rnd() % 40);
	if (rnd() % 2)
		one(n, KVM_GET_STATS_FD);
	if (rnd() % 8)
		close(n);
}

static void capabilities(int fd)
{
	static const uint32_t caps[] = {
		KVM_CAP_DISABLE_QUIRKS, KVM_CAP_DISABLE_QUIRKS2, KVM_CAP_EXCEPTION_PAYLOAD, KVM_CAP_MAX_VCPU_ID,
		KVM_CAP_SPLIT_IRQCHIP, KVM_CAP_X2APIC_API, KVM_CAP_X86_DISABLE_EXITS,
		KVM_CAP_X86_TRIPLE_FAULT_EVENT, KVM_CAP_X86_USER_SPACE_MSR, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
	};
	struct kvm_enable_cap c = { .cap = caps[rnd() % (sizeof(caps) / sizeof(*caps))] };

	c.args[0] = rnd() % 4 ? rnd() % 32 : (uint64_t)rnd() << rnd() % 40;
	c.args[1] = rnd() % 8 ? 0 : rnd();
	c.flags = rnd() % 16 ? 0 : rnd();
	ioctl(fd, KVM_ENABLE_CAP, &c);
}

static void msr_filter(int fd)
{
	struct kvm_msr_filter f = { .flags = rnd() % 3 };
	unsigned int i;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		if (rnd() % 4 == 0)
			continue;
		f.ranges[i].flags = 1 + rnd() % 3;
		f.ranges[i].base = (const uint32_t[]){ 0, 0xc0000000, 0xc0010000, 0x800, 0xffffffff }[rnd() % 5];
		f.ranges[i].nmsrs = rnd() % 8 ? 1 + rnd() % 0x2000 : rnd() % 2 ? 0 : rnd();
		f.ranges[i].bitmap = memory + rnd() % 64 * PAGE;
		if (rnd() % 32 == 0)
			f.ranges[i].bitmap = bad_address();
	}
	ioctl(fd, KVM_X86_SET_MSR_FILTER, &f);
}

/* Registers in the page that is shared with the kernel, which reads them at the next KVM_RUN. */
static void shared_regs(int fd)
{
	struct kvm_sync_regs *r = &vcpu_run->s.regs;

	vcpu_run->kvm_valid_regs = rnd() % 16 ? rnd() % 8 : rnd();
	if (rnd() % 2 || ioctl(fd, KVM_GET_REGS, &r->regs) || ioctl(fd, KVM_GET_SREGS, &r->sregs) ||
	    ioctl(fd, KVM_GET_VCPU_EVENTS, &r->events))
		return;
	mutate((uint8_t *)r, rnd() % 2 ? sizeof(*r) : sizeof(r->regs));
	/* See fatal(). */
	if (amd_v)
		r->sregs.efer &= ~0x100ull;
	vcpu_run->kvm_dirty_regs = rnd() % 16 ? rnd() % 8 : rnd();
}

/* An L2 out of nothing: the vCPU's registers are its own, and L1 is what "save" says. */
static void nested_state(int fd)
{
	static __thread union {
		struct kvm_nested_state s;
		uint8_t bytes[sizeof(struct kvm_nested_state) + PAGE];
	} st;
	static const struct { uint16_t at; uint64_t val; } good[] = {
		{ 0x10, 1 }, { 0x58, 1 }, { 0x410, 0xc9bull << 16 | 8 }, { 0x4d0, 1 << 12 }, { 0x558, 0x11 },
		{ 0x560, 0x400 }, { 0x568, 0xffff0ff0 }, { 0x570, 2 },
	};
	struct kvm_sregs s;
	uint64_t efer, cr0;
	unsigned int i;

	if (!amd_v || ioctl(fd, KVM_GET_SREGS, &s))
		return;
	s.efer |= 1 << 12;
	s.cr0 |= 1;
	ioctl(fd, KVM_SET_SREGS, &s);
	memset(&st, 0, sizeof(st));
	st.s.format = KVM_STATE_NESTED_FORMAT_SVM;
	st.s.flags = rnd() % 4 ? KVM_STATE_NESTED_GUEST_MODE | KVM_STATE_NESTED_GIF_SET : rnd() % 16;
	st.s.flags |= rnd() % 4 ? 0 : KVM_STATE_NESTED_RUN_PENDING;
	st.s.size = sizeof(st);
	st.s.hdr.svm.vmcb_pa = rnd() % 32 * PAGE;
	for (i = 0; i < sizeof(good) / sizeof(*good); i++)
		memcpy(st.bytes + sizeof(st.s) + good[i].at, &good[i].val, 8);
	/* Intercepts, and what the VMCB has beside them. */
	for (i = rnd() % 8; i; i--)
		st.bytes[sizeof(st.s) + rnd() % 0x14] |= 1u << rnd() % 8;
	if (rnd() % 2)
		mutate(st.bytes + sizeof(st.s), rnd() % 2 ? 0xd0 : PAGE);
	if (rnd() % 4 == 0)
		mutate(st.bytes, sizeof(st.s));
	/* See fatal(). */
	memcpy(&efer, st.bytes + sizeof(st.s) + 0x4d0, 8);
	memcpy(&cr0, st.bytes + sizeof(st.s) + 0x558, 8);
	if (!(cr0 >> 31 & 1))
		efer &= ~0x100ull;
	memcpy(st.bytes + sizeof(st.s) + 0x4d0, &efer, 8);
	if (!ioctl(fd, KVM_SET_NESTED_STATE, &st))
		__atomic_add_fetch(&tally->nested, 1, __ATOMIC_RELAXED);
}

/*
 * EFER.LME without CR0.PG, which every processor takes: QEMU's TCG stops the host at #VMEXIT if
 * CR4.PAE is clear, too ("Known limits" in Documentation/lab.rst).
 */
static bool fatal(int fd)
{
	struct kvm_sregs s;

	if (!amd_v || ioctl(fd, KVM_GET_SREGS, &s))
		return false;
	return (s.efer & 0x100) && !(s.cr0 >> 31 & 1);
}

/*
 * A CS whose RPL the CPL is not, as a jump out of real mode leaves it: Bochs 2.7 refuses what the
 * manual has VM entry accept, where it looks at CS.DPL and SS.DPL alone.
 */
static bool departs(int fd)
{
	struct kvm_sregs s;
	struct kvm_regs r;
	unsigned int rpl;

	if (amd_v || ioctl(fd, KVM_GET_SREGS, &s) || ioctl(fd, KVM_GET_REGS, &r))
		return false;
	rpl = s.cs.selector & 3;
	if ((r.rflags & 1 << 17) || (s.cs.type & 9) != 9)
		return false;
	return s.cs.type & 4 ? rpl < s.cs.dpl : rpl != s.cs.dpl;
}

static void tell_refused(int fd)
{
	struct kvm_sregs s = { };
	struct kvm_regs r = { };
	struct kvm_vcpu_events e = { };
	const struct kvm_segment *seg[] = { &s.cs, &s.ss, &s.ds, &s.es, &s.fs, &s.gs, &s.tr, &s.ldt };
	unsigned int i;

	__atomic_add_fetch(&tally->refused, 1, __ATOMIC_RELAXED);
	ioctl(fd, KVM_GET_SREGS, &s);
	ioctl(fd, KVM_GET_REGS, &r);
	ioctl(fd, KVM_GET_VCPU_EVENTS, &e);
	printf("# refused: cr0 %llx cr3 %llx cr4 %llx efer %llx rip %llx rflags %llx "
	       "exception %u/%u nr %u interrupt %u soft %u nr %u shadow %u nmi %u\n",
	       s.cr0, s.cr3, s.cr4, s.efer, r.rip, r.rflags, e.exception.injected,
	       e.exception.pending, e.exception.nr, e.interrupt.injected, e.interrupt.soft,
	       e.interrupt.nr, e.interrupt.shadow, e.nmi.injected);
	for (i = 0; i < 8; i++)
		printf("#  %x:%llx/%x type %x s %u dpl %u p %u u %u l %u db %u g %u\n",
		       seg[i]->selector, seg[i]->base, seg[i]->limit, seg[i]->type, seg[i]->s,
		       seg[i]->dpl, seg[i]->present, seg[i]->unusable, seg[i]->l, seg[i]->db,
		       seg[i]->g);
	fflush(stdout);
}

static void run(int fd)
{
	struct itimerval t = { .it_value.tv_usec = 1000, .it_interval.tv_usec = 1000 };

	if (fatal(fd) || departs(fd))
		return;
	setitimer(ITIMER_REAL, &t, NULL);
	vcpu_run->exit_reason = KVM_EXIT_UNKNOWN;
	if (!ioctl(fd, KVM_RUN, rnd() % 64 == 0) && vcpu_run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		tell_refused(fd);
	setitimer(ITIMER_REAL, &(struct itimerval){ }, NULL);
	__atomic_add_fetch(&tally->entries, 1, __ATOMIC_RELAXED);
}

struct side {
	int vm, vcpu;
	uint64_t seed;
	volatile bool stop;
};

static void *side(void *arg)
{
	struct side *s = arg;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	seed = s->seed;
	while (!s->stop) {
		one(s->vm, vm_ioctls[rnd() % (sizeof(vm_ioctls) / sizeof(*vm_ioctls))]);
		usleep(rnd() % 500);
	}
	return NULL;
}

static void on_alarm(int sig __attribute__((unused)))
{
}

/* One VM, made more or less fully; its process ends and takes all with it. */
static void vm_round(int dev, uint64_t s)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct kvm_pit_config pit = { };
	struct side other = { .seed = ~s };
	int i, vm, vcpu, extra;
	pthread_t thread;

	seed = s;
	sigaction(SIGALRM, &sa, NULL);
	efd = eventfd(0, EFD_NONBLOCK);
	memory = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	vm = ioctl(dev, KVM_CREATE_VM, 0);
	if (vm < 0 || memory == MAP_FAILED)
		_exit(2);
	if (rnd() % 4)
		ioctl(vm, KVM_CREATE_IRQCHIP, 0);
	if (rnd() % 2)
		ioctl(vm, KVM_CREATE_PIT2, &pit);
	add_memory(vm, 0, rnd() % 2, 0, 32 * PAGE, memory);
	if (rnd() % 2)
		add_memory(vm, 0x10000, 0, 0, 64 * PAGE, memory);
	for (i = 0; i < 64 * (int)PAGE; i++)
		memory[i] = rnd() % 4 ? 0x90 : rnd();
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		_exit(2);
	if (rnd() % 4)
		ioctl(vcpu, KVM_SET_CPUID2, supported_cpuid(dev));
	vcpu_run = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (vcpu_run == MAP_FAILED)
		_exit(2);
	extra = ioctl(vm, KVM_CREATE_VCPU, 1);
	other.vm = vm;
	pthread_create(&thread, NULL, side, &other);
	for (i = 0; i < 300; i++) {
		if (rnd() % 3 == 0)
			pair(vcpu);
		else if (rnd() % 6 == 0)
			mode(vcpu);
		else if (rnd() % 16 == 0)
			efer(vcpu);
		else
			one(rnd() % 8 ? vcpu : extra,
			    vcpu_ioctls[rnd() % (sizeof(vcpu_ioctls) / sizeof(*vcpu_ioctls))]);
		if (rnd() % 8 == 0)
			run(vcpu);
		if (rnd() % 16 == 0)
			file_call((const int []){ dev, vm, vcpu, extra }[rnd() % 4]);
		if (rnd() % 16 == 0)
			msrs(dev, vcpu);
		if (rnd() % 16 == 0)
			vm_pair(vm);
		if (rnd() % 16 == 0)
			nested_state(vcpu);
		if (rnd() % 16 == 0)
			shared_regs(vcpu);
		if (rnd() % 32 == 0)
			counters(rnd() % 2 ? vm : vcpu);
		if (rnd() % 32 == 0)
			capabilities(vm);
		if (rnd() % 32 == 0)
			msr_filter(vm);
		if (rnd() % 16 == 0)
			one(dev, device_ioctls[rnd() % (sizeof(device_ioctls) / sizeof(*device_ioctls))]);
	}
	other.stop = true;
	if (rnd() % 2)
		pthread_join(thread, NULL);
	_exit(0);
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 2 ? atoi(argv[2]) : 60, i;
	uint64_t first = argc > 3 ? strtoull(argv[3], NULL, 0) : 20260101;
	int dev = start(argc, argv), before = complaints(), was = users(), status;
	bool ended = true;

	amd_v = !system("grep -qw svm /proc/cpuinfo");
	tally = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED)
		bail("mmap");
	for (i = 0; i < rounds; i++) {
		pid_t pid = fork();

		if (!pid)
			vm_round(dev, first + i);
		if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
		    WEXITSTATUS(status)) {
			printf("# round %u (seed %llu): status %x\n", i,
			       (unsigned long long)first + i, status);
			ended = false;
		}
	}
	ok(ended, "every VMM came to its end");
	printf("# KVM_RUN %u times, %u nested states taken\n", tally->entries, tally->nested);
	if (stock)
		skip("the CPU refused no state that was accepted", "KVM lets the CPU refuse it");
	else
		ok(!tally->refused, "the CPU refused no state that was accepted");
	nothing_left(was, before);
	return finish();
}
