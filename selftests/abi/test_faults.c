// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory runs out at each allocation in turn: every call that makes something is repeated with
 * its first, second, third ... allocation failing (fail-nth of a kernel with fault
 * injection), or copy from or to user space, until it no longer meets one. A call that fails says
 * ENOMEM, or EFAULT, leaves nothing behind, and works afterwards.
 */
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "log.h"

#define MANY	200

static int nth_fd, dev;

static bool arm(int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", nth);
	return pwrite(nth_fd, text, strlen(text), 0) > 0;
}

/* disarm() - true if the fault was met */
static bool disarm(void)
{
	char text[16] = "";

	if (pread(nth_fd, text, sizeof(text) - 1, 0) <= 0)
		return false;
	arm(0);
	return text[0] == '0';
}

static struct vm v;
static struct kvm_cpuid2 *offered;
static int event;

static long create_vm(void)
{
	int fd = ioctl(dev, KVM_CREATE_VM, 0);

	if (fd >= 0)
		close(fd);
	return fd;
}

static long irqchip(void)
{
	return ioctl(v.fd, KVM_CREATE_IRQCHIP, 0);
}

static long pit(void)
{
	struct kvm_pit_config config = { };

	return ioctl(v.fd, KVM_CREATE_PIT2, &config);
}

static long vcpu(void)
{
	int fd = ioctl(v.fd, KVM_CREATE_VCPU, 1);

	if (fd >= 0)
		close(fd);
	return fd;
}

static long slot(void)
{
	return add_memory(v.fd, 1, KVM_MEM_LOG_DIRTY_PAGES, 1 << 20, 16 * PAGE, v.mem);
}

static long move_slot(void)
{
	return add_memory(v.fd, 1, 0, 2 << 20, 16 * PAGE, v.mem);
}

static long drop_slot(void)
{
	return add_memory(v.fd, 1, 0, 0, 0, NULL);
}

static long dirty_log(void)
{
	static uint64_t bits[8];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bits };

	return ioctl(v.fd, KVM_GET_DIRTY_LOG, &log);
}

static long routes(void)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry e[2];
	} r = { .head.nr = 2, .e = { { .gsi = 1, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip.pin = 1 },
				     { .gsi = 2, .type = KVM_IRQ_ROUTING_MSI } } };

	return ioctl(v.fd, KVM_SET_GSI_ROUTING, &r);
}

static long irqfd(void)
{
	struct kvm_irqfd on = { .fd = event, .gsi = 1 };

	return ioctl(v.fd, KVM_IRQFD, &on);
}

static long ioeventfd(void)
{
	struct kvm_ioeventfd on = { .fd = event, .addr = 0x100, .len = 1, .flags = KVM_IOEVENTFD_FLAG_PIO };

	return ioctl(v.fd, KVM_IOEVENTFD, &on);
}

static long coalesced(void)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = 0xf0000000, .size = PAGE };

	return ioctl(v.fd, KVM_REGISTER_COALESCED_MMIO, &zone);
}

static long cpuid(void)
{
	return ioctl(v.vcpu, KVM_SET_CPUID2, offered);
}

static long supported(void)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 e[256];
	} c;

	c.head.nent = 256;
	return ioctl(dev, KVM_GET_SUPPORTED_CPUID, &c);
}

static long get_cpuid(void)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 e[256];
	} c;

	c.head.nent = 256;
	return ioctl(v.vcpu, KVM_GET_CPUID2, &c);
}

static long xsave(void)
{
	static struct kvm_xsave x;
	long ret = ioctl(v.vcpu, KVM_GET_XSAVE, &x);

	return ret ? ret : ioctl(v.vcpu, KVM_SET_XSAVE, &x);
}

static long lapic(void)
{
	struct kvm_lapic_state s;
	long ret = ioctl(v.vcpu, KVM_GET_LAPIC, &s);

	return ret ? ret : ioctl(v.vcpu, KVM_SET_LAPIC, &s);
}

static long msr_list(void)
{
	static struct {
		struct kvm_msr_list head;
		uint32_t index[512];
	} list;

	list.head.nmsrs = 512;
	return ioctl(dev, KVM_GET_MSR_INDEX_LIST, &list);
}

static long msrs(void)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e[2];
	} m = { .head.nmsrs = 2, .e = { { .index = 0xc0000080 }, { .index = 0x10 } } };
	long ret = ioctl(v.vcpu, KVM_GET_MSRS, &m);

	return ret == 2 ? 0 : -1;
}

static long regs(void)
{
	struct kvm_sregs s;
	long ret = ioctl(v.vcpu, KVM_GET_SREGS, &s);

	return ret ? ret : ioctl(v.vcpu, KVM_SET_SREGS, &s);
}

/* The first run maps what it touches: the tables come out of a cache that fills up. */
static void begin(void)
{
	static const uint8_t code[] = { 0xb0, 0x55, 0xe6, 0x10 };	/* mov al, 0x55; out 16, al */

	load_code(&v, code, sizeof(code));
}

static long run(void)
{
	long ret = ioctl(v.vcpu, KVM_RUN, 0);

	if (!ret && (v.run->exit_reason != KVM_EXIT_IO || v.run->io.port != 16)) {
		printf("# exit reason %u\n", v.run->exit_reason);
		errno = EPROTO;
		return -1;
	}
	return ret;
}

/*
 * again_after() - @fn once, after @prepare, with each allocation failing. Where it can be done without what failed it works,
 * and cannot be done a second time: the next error is that then.
 */
static void again_after(const char *name, long (*fn)(void), void (*prepare)(void))
{
	int nth, wrong = 0, err;
	bool met, done = false;
	char text[80];
	long ret;

	for (nth = 1; nth < MANY; nth++) {
		if (prepare)
			prepare();
		if (!arm(nth))
			break;
		ret = fn();
		err = errno;
		met = disarm();
		if (ret < 0 && !done && !(met && (err == ENOMEM || err == EFAULT))) {
			printf("# %s, allocation %d: errno %d (%s), fault met: %d\n", name, nth, err, strerror(err),
			       met);
			wrong++;
		}
		done |= ret >= 0;
		if (!met)
			break;
	}
	snprintf(text, sizeof(text), "%s with each of its %d allocations failing", name, nth - 1);
	ok(!wrong && nth < MANY, text);
	if (!done) {
		ret = fn();
		if (ret < 0)
			printf("# errno %d (%s)\n", errno, strerror(errno));
		ok(ret >= 0, "and it works afterwards");
	}
}

static void again(const char *name, long (*fn)(void))
{
	again_after(name, fn, NULL);
}

int main(int argc, char **argv)
{
	int was, before;
	char path[64];

	dev = start(argc, argv);
	before = complaints();
	was = users();
	snprintf(path, sizeof(path), "/proc/self/task/%ld/fail-nth", syscall(SYS_gettid));
	nth_fd = open(path, O_RDWR);
	if (nth_fd < 0) {
		printf("1..0 # SKIP the kernel has no fault injection\n");
		return KSFT_SKIP;
	}
	if (system("echo N > /sys/kernel/debug/failslab/ignore-gfp-wait; "
		   "echo N > /sys/kernel/debug/fail_page_alloc/ignore-gfp-wait; "
		   "echo 0 > /sys/kernel/debug/fail_page_alloc/min-order; "
		   "for f in failslab fail_page_alloc fail_usercopy; do "
		   "echo 0 > /sys/kernel/debug/$f/verbose 2> /dev/null; done; true"))
		bail("no /sys/kernel/debug/failslab");
	event = eventfd(0, EFD_NONBLOCK);
	offered = supported_cpuid(dev);
	again("KVM_CREATE_VM", create_vm);
	again("KVM_GET_SUPPORTED_CPUID", supported);
	again("KVM_GET_MSR_INDEX_LIST", msr_list);
	v = make_vm(dev, false);
	close(v.vcpu);
	close(v.fd);
	v.fd = ioctl(dev, KVM_CREATE_VM, 0);
	again("KVM_CREATE_IRQCHIP", irqchip);
	again("KVM_CREATE_PIT2", pit);
	drop_vm(&v);
	v = make_vm(dev, true);
	again("KVM_CREATE_VCPU", vcpu);
	again("KVM_SET_USER_MEMORY_REGION, new", slot);
	again("KVM_GET_DIRTY_LOG", dirty_log);
	again("KVM_SET_USER_MEMORY_REGION, moved", move_slot);
	again("KVM_SET_USER_MEMORY_REGION, gone", drop_slot);
	again("KVM_SET_GSI_ROUTING", routes);
	again("KVM_IRQFD", irqfd);
	again("KVM_IOEVENTFD", ioeventfd);
	again("KVM_REGISTER_COALESCED_MMIO", coalesced);
	again("KVM_SET_CPUID2", cpuid);
	again("KVM_GET_CPUID2", get_cpuid);
	again("KVM_GET_XSAVE", xsave);
	again("KVM_GET_LAPIC", lapic);
	again("KVM_GET_MSRS", msrs);
	again("KVM_GET_SREGS", regs);
	again_after("KVM_RUN", run, begin);
	drop_vm(&v);
	close(event);
	nothing_left(was, before);
	return finish();
}
