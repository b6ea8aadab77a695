// SPDX-License-Identifier: GPL-2.0-only
/* A VM's ioctls, with right and with wrong arguments; what is refused changes nothing. */
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "abi.h"

static int new_vm(int dev)
{
	int fd = ioctl(dev, KVM_CREATE_VM, 0);

	if (fd < 0)
		bail("KVM_CREATE_VM");
	return fd;
}

static void memory(int dev)
{
	int vm = new_vm(dev), nr = ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);
	uint8_t *p = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	ok(nr >= 32, "memory slots");
	works(add_memory(vm, 0, 0, 0, 4 * PAGE, p), "a slot");
	fails(add_memory(vm, 1, 0, 2 * PAGE, 4 * PAGE, p), EEXIST, "overlapping slot");
	fails(add_memory(vm, nr, 0, 8 * PAGE, PAGE, p), EINVAL, "slot number beyond the last");
	fails(add_memory(vm, 0x20001, 0, 8 * PAGE, PAGE, p), EINVAL, "an address space beyond the last");
	works(add_memory(vm, 0x10001, 0, 2 * PAGE, 4 * PAGE, p), "the same place in another address space");
	fails(add_memory(vm, 0x10002, 0, 2 * PAGE, 4 * PAGE, p), EEXIST, "overlapping there");
	works(add_memory(vm, 0x10001, 0, 2 * PAGE, 0, p), "it goes");
	fails(add_memory(vm, 1, 0x80, 8 * PAGE, PAGE, p), EINVAL, "unknown flag");
	fails(add_memory(vm, 1, 0, 8 * PAGE + 1, PAGE, p), EINVAL, "unaligned guest address");
	fails(add_memory(vm, 1, 0, 8 * PAGE, PAGE - 1, p), EINVAL, "unaligned size");
	fails(add_memory(vm, 1, 0, 8 * PAGE, PAGE, p + 1), EINVAL, "unaligned user address");
	fails(add_memory(vm, 1, 0, -PAGE, 2 * PAGE, p), EINVAL, "wrapping guest address");
	fails(add_memory(vm, 1, 0, 8 * PAGE, PAGE, (void *)0xffff888000000000ul), EINVAL,
	      "kernel address");
	fails(add_memory(vm, 1, 0, 8 * PAGE, 0, p), EINVAL, "deleting a slot that is not there");
	fails(add_memory(vm, 0, 0, 0, 5 * PAGE, p), EINVAL, "another size for a slot");
	fails(add_memory(vm, 0, KVM_MEM_READONLY, 0, 4 * PAGE, p), EINVAL, "slot turned read-only");
	works(add_memory(vm, 0, 0, 8 * PAGE, 4 * PAGE, p), "a slot moves");
	works(add_memory(vm, 1, KVM_MEM_READONLY, 0, 4 * PAGE, p), "its place is free");
	works(add_memory(vm, 0, 0, 8 * PAGE, 0, p), "a slot goes");
	fails(ioctl(vm, KVM_SET_USER_MEMORY_REGION, bad_address()), EFAULT, "slot at a bad address");
	munmap(p, 16 * PAGE);
	close(vm);
}

static void dirty_log(int dev)
{
	int vm = new_vm(dev);
	uint64_t bits[4] = { -1ull };
	struct kvm_dirty_log log = { .slot = 0, .dirty_bitmap = bits };
	uint8_t *p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	fails(ioctl(vm, KVM_GET_DIRTY_LOG, &log), ENOENT, "dirty log without a slot");
	add_memory(vm, 0, 0, 0, 8 * PAGE, p);
	fails(ioctl(vm, KVM_GET_DIRTY_LOG, &log), ENOENT, "dirty log of a slot without one");
	works(add_memory(vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, 8 * PAGE, p), "log switched on");
	works(ioctl(vm, KVM_GET_DIRTY_LOG, &log), "dirty log");
	ok(bits[0] == 0, "nothing is dirty");
	log.slot = 0xffff;
	fails(ioctl(vm, KVM_GET_DIRTY_LOG, &log), EINVAL, "dirty log of a slot beyond the last");
	log.slot = 0;
	log.dirty_bitmap = bad_address();
	fails(ioctl(vm, KVM_GET_DIRTY_LOG, &log), EFAULT, "dirty log to a bad address");
	munmap(p, 8 * PAGE);
	close(vm);
}

static void vcpus(int dev)
{
	int vm = new_vm(dev), max = ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	int max_id = ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPU_ID), fd, i;
	int fds[1024];
	bool good = true;

	works(ioctl(vm, KVM_SET_BOOT_CPU_ID, 1), "boot processor");
	fd = ioctl(vm, KVM_CREATE_VCPU, 0);
	works(fd, "a vCPU");
	fails(ioctl(vm, KVM_CREATE_VCPU, 0), EEXIST, "the same vCPU again");
	fails(ioctl(vm, KVM_CREATE_VCPU, max_id), EINVAL, "vCPU id beyond the last");
	fails(ioctl(vm, KVM_CREATE_VCPU, -1l), EINVAL, "vCPU id -1");
	fails(ioctl(vm, KVM_SET_BOOT_CPU_ID, 0), EBUSY, "boot processor, too late");
	close(fd);
	fails(ioctl(vm, KVM_CREATE_VCPU, 0), EEXIST, "a vCPU stays when its fd is closed");
	if (max > 64)
		max = 64;
	for (i = 1; i < max; i++) {
		fds[i] = ioctl(vm, KVM_CREATE_VCPU, i);
		good &= fds[i] >= 0;
	}
	ok(good, "as many vCPUs as are offered (64 at most)");
	for (i = 1; i < max; i++)
		close(fds[i]);
	close(vm);
}

static void irqchip(int dev)
{
	int vm = new_vm(dev);
	struct kvm_irqchip chip = { .chip_id = 7 };
	struct kvm_irq_level level = { .irq = 4, .level = 1 };
	struct kvm_pit_config pit = { };
	struct kvm_pit_state2 ps;
	struct kvm_reinject_control re = { .pit_reinject = 1 };
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry e[2];
	} rt = { .head.nr = 1 };

	fails(ioctl(vm, KVM_IRQ_LINE, &level), ENXIO, "line without irqchip");
	fails(ioctl(vm, KVM_GET_IRQCHIP, &chip), ENXIO, "state without irqchip");
	if (stock)
		skip("PIT without irqchip", "KVM does not check this");
	else
		fails(ioctl(vm, KVM_CREATE_PIT2, &pit), ENOENT, "PIT without irqchip");
	works(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "irqchip");
	fails(ioctl(vm, KVM_CREATE_IRQCHIP, 0), EEXIST, "irqchip again");
	fails(ioctl(vm, KVM_GET_IRQCHIP, &chip), EINVAL, "state of an unknown chip");
	chip.chip_id = KVM_IRQCHIP_IOAPIC;
	works(ioctl(vm, KVM_GET_IRQCHIP, &chip), "state of the I/O APIC");
	works(ioctl(vm, KVM_SET_IRQCHIP, &chip), "and back");
	works(ioctl(vm, KVM_IRQ_LINE, &level), "line");
	works(ioctl(vm, KVM_CREATE_PIT2, &pit), "PIT");
	fails(ioctl(vm, KVM_CREATE_PIT2, &pit), EEXIST, "PIT again");
	works(ioctl(vm, KVM_GET_PIT2, &ps), "PIT state");
	works(ioctl(vm, KVM_SET_PIT2, &ps), "and back");
	works(ioctl(vm, KVM_REINJECT_CONTROL, &re), "PIT reinjection");
	re.reserved[3] = 1;
	stricter(ioctl(vm, KVM_REINJECT_CONTROL, &re), EINVAL, "PIT reinjection, reserved byte");
	rt.e[0].type = KVM_IRQ_ROUTING_MSI;
	rt.e[0].gsi = 30;
	works(ioctl(vm, KVM_SET_GSI_ROUTING, &rt), "routing");
	rt.head.flags = 1;
	fails(ioctl(vm, KVM_SET_GSI_ROUTING, &rt), EINVAL, "routing with a flag");
	rt.head.flags = 0;
	rt.head.nr = 1000000;
	fails(ioctl(vm, KVM_SET_GSI_ROUTING, &rt), EINVAL, "too many routes");
	rt.head.nr = 1;
	rt.e[0].type = 77;
	fails(ioctl(vm, KVM_SET_GSI_ROUTING, &rt), EINVAL, "route of unknown type");
	close(vm);
}

static void split(int dev)
{
	int vm = new_vm(dev);
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = 24 };

	cap.flags = 1;
	fails(ioctl(vm, KVM_ENABLE_CAP, &cap), EINVAL, "capability with a flag");
	cap.flags = 0;
	cap.args[0] = 1u << 30;
	fails(ioctl(vm, KVM_ENABLE_CAP, &cap), EINVAL, "too many pins");
	cap.args[0] = 24;
	works(ioctl(vm, KVM_ENABLE_CAP, &cap), "split irqchip");
	fails(ioctl(vm, KVM_ENABLE_CAP, &cap), EEXIST, "split irqchip again");
	fails(ioctl(vm, KVM_CREATE_IRQCHIP, 0), EEXIST, "full irqchip after it");
	cap.cap = 0x7fffffff;
	fails(ioctl(vm, KVM_ENABLE_CAP, &cap), EINVAL, "unknown capability");
	cap = (struct kvm_enable_cap){ .cap = KVM_CAP_EXCEPTION_PAYLOAD, .args[0] = 1 };
	works(ioctl(vm, KVM_ENABLE_CAP, &cap), "exception payloads");
	close(vm);
}

static void eventfds(int dev)
{
	int vm = new_vm(dev), efd = eventfd(0, EFD_CLOEXEC);
	struct kvm_irqfd irq = { .fd = efd, .gsi = 5 };
	struct kvm_ioeventfd io = { .fd = efd, .addr = 0x100, .len = 2,
				    .flags = KVM_IOEVENTFD_FLAG_PIO };
	struct kvm_coalesced_mmio_zone zone = { .addr = 0xb8000, .size = 0x1000 };

	fails(ioctl(vm, KVM_IRQFD, &irq), EINVAL, "irqfd without irqchip");
	ioctl(vm, KVM_CREATE_IRQCHIP, 0);
	works(ioctl(vm, KVM_IRQFD, &irq), "irqfd");
	fails(ioctl(vm, KVM_IRQFD, &irq), EBUSY, "the same irqfd again");
	irq.flags = 0x100;
	fails(ioctl(vm, KVM_IRQFD, &irq), EINVAL, "irqfd with an unknown flag");
	irq.flags = 0;
	irq.fd = dev;
	fails(ioctl(vm, KVM_IRQFD, &irq), EINVAL, "irqfd that is no eventfd");
	irq.fd = -1;
	fails(ioctl(vm, KVM_IRQFD, &irq), EBADF, "irqfd of no file");
	irq = (struct kvm_irqfd){ .fd = efd, .gsi = 5, .flags = KVM_IRQFD_FLAG_DEASSIGN };
	works(ioctl(vm, KVM_IRQFD, &irq), "irqfd goes");
	works(ioctl(vm, KVM_IOEVENTFD, &io), "ioeventfd");
	fails(ioctl(vm, KVM_IOEVENTFD, &io), EEXIST, "the same ioeventfd again");
	io.len = 3;
	fails(ioctl(vm, KVM_IOEVENTFD, &io), EINVAL, "ioeventfd of 3 bytes");
	io.len = 2;
	io.flags |= 0x100;
	fails(ioctl(vm, KVM_IOEVENTFD, &io), EINVAL, "ioeventfd with an unknown flag");
	io.flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN;
	works(ioctl(vm, KVM_IOEVENTFD, &io), "ioeventfd goes");
	fails(ioctl(vm, KVM_IOEVENTFD, &io), ENOENT, "and is gone");
	works(ioctl(vm, KVM_REGISTER_COALESCED_MMIO, &zone), "coalesced zone");
	works(ioctl(vm, KVM_UNREGISTER_COALESCED_MMIO, &zone), "goes");
	zone.pio = 2;
	fails(ioctl(vm, KVM_REGISTER_COALESCED_MMIO, &zone), EINVAL, "coalesced zone of no space");
	close(efd);
	close(vm);
}

static void clocks(int dev)
{
	int vm = new_vm(dev);
	struct kvm_clock_data c = { }, d;
	uint64_t addr = 0xfffbc000;

	works(ioctl(vm, KVM_GET_CLOCK, &c), "clock");
	c.clock = 5000000000ull;
	c.flags = 0;
	works(ioctl(vm, KVM_SET_CLOCK, &c), "clock is set");
	works(ioctl(vm, KVM_GET_CLOCK, &d), "clock again");
	ok(d.clock >= c.clock && d.clock < c.clock + 10000000000ull, "it goes on from there");
	c.flags = 0x8000;
	fails(ioctl(vm, KVM_SET_CLOCK, &c), EINVAL, "clock with an unknown flag");
	works(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000ul), "TSS address");
	fails(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffff000ul), EINVAL, "TSS address too high");
	works(ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &addr), "identity map");
	addr = 0x123;
	stricter(ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &addr), EINVAL, "unaligned identity map");
	fails(ioctl(vm, _IO(KVMIO, 0x5f), 0), ENOTTY, "unknown VM ioctl");
	close(vm);
}

/* A VM is its creator's: another process must not steer it to its own memory. */
static void other_process(int dev)
{
	int vm = new_vm(dev), status = 0;
	pid_t pid = fork();

	if (!pid)
		_exit(ioctl(vm, KVM_CREATE_VCPU, 0) < 0 && errno == EIO ? 0 : 1);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		bail("fork");
	ok(!status, "a VM is refused to another process");
	close(vm);
}

int main(int argc, char **argv)
{
	int dev = start(argc, argv);

	memory(dev);
	dirty_log(dev);
	vcpus(dev);
	irqchip(dev);
	split(dev);
	eventfds(dev);
	clocks(dev);
	other_process(dev);
	return finish();
}
