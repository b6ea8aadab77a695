// SPDX-License-Identifier: GPL-2.0-only
/* Interrupt lines and eventfds: what arrives, what comes back, and what races. */
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>

#include "abi.h"

#define DONE_PORT	0x10

/* sti; hlt; jmp back to hlt */
static const uint8_t wait_code[] = { 0xfb, 0xf4, 0xeb, 0xfd };
/* mov al, 0x20; out 0xa0, al; out 0x20, al; out 0x10, al; iret */
static const uint8_t handler[] = { 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0xe6, DONE_PORT, 0xcf };
/* mov ax, 0x8000; mov ds, ax; mov [0x10], ax; mov [0x10], al; hlt */
static const uint8_t mmio_code[] = { 0xb8, 0x00, 0x80, 0x8e, 0xd8, 0xa3, 0x10, 0x00,
				     0xa2, 0x10, 0x00, 0xf4 };
/* sti; jmp to itself. See "Known limits" in Documentation/lab.rst for the STI. */
static const uint8_t spin_code[] = { 0xfb, 0xeb, 0xfe };

static bool signalled(int efd)
{
	uint64_t n;

	return read(efd, &n, sizeof(n)) == sizeof(n);
}

static void signal_fd(int efd)
{
	uint64_t one = 1;

	if (write(efd, &one, sizeof(one)) != sizeof(one))
		bail("eventfd");
}

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (fd < 0)
		bail("eventfd");
	return fd;
}

static int irqfd(struct vm *v, int fd, uint32_t gsi, uint32_t flags, int resample)
{
	struct kvm_irqfd a = { .fd = fd, .gsi = gsi, .flags = flags, .resamplefd = resample };

	return ioctl(v->fd, KVM_IRQFD, &a);
}

/* The PICs as a PC's firmware sets them: vectors 0x20 and 0x28, nothing masked, pin 11 level. */
static void set_pics(struct vm *v)
{
	struct kvm_irqchip c;
	int i;

	for (i = 0; i < 2; i++) {
		memset(&c, 0, sizeof(c));
		c.chip_id = i ? KVM_IRQCHIP_PIC_SLAVE : KVM_IRQCHIP_PIC_MASTER;
		c.chip.pic.irq_base = 0x20 + 8 * i;
		c.chip.pic.init4 = 1;
		c.chip.pic.elcr = i ? 1 << 3 : 0;
		if (ioctl(v->fd, KVM_SET_IRQCHIP, &c))
			bail("KVM_SET_IRQCHIP");
	}
}

static uint8_t pic_irr(struct vm *v)
{
	struct kvm_irqchip c = { .chip_id = KVM_IRQCHIP_PIC_MASTER };

	if (ioctl(v->fd, KVM_GET_IRQCHIP, &c))
		bail("KVM_GET_IRQCHIP");
	return c.chip.pic.irr;
}

static struct vm waiting_vm(int dev)
{
	struct vm v = make_vm(dev, true);
	int i;

	for (i = 0; i < 256; i++) {
		v.mem[4 * i] = 0x00;
		v.mem[4 * i + 1] = 0x20;	/* 0000:2000 */
	}
	memcpy(v.mem + 0x2000, handler, sizeof(handler));
	load_code(&v, wait_code, sizeof(wait_code));
	set_pics(&v);
	return v;
}

static bool ran_handler(struct vm *v)
{
	return !ioctl(v->vcpu, KVM_RUN, 0) && v->run->exit_reason == KVM_EXIT_IO &&
	       v->run->io.port == DONE_PORT;
}

static void edges(int dev)
{
	struct vm v = waiting_vm(dev);
	struct kvm_irq_level l;
	int efd = new_eventfd(), early = new_eventfd();

	works(irqfd(&v, efd, 4, 0, 0), "irqfd on GSI 4");
	ok(!(pic_irr(&v) & 1 << 4), "nothing is raised by it");
	signal_fd(efd);
	ok(pic_irr(&v) & 1 << 4, "a signal raises the pin");
	ok(!signalled(efd), "and the count is taken");
	ok(ran_handler(&v), "the guest is interrupted");
	signal_fd(early);
	works(irqfd(&v, early, 5, 0, 0), "irqfd of an eventfd that was signalled before");
	ok(pic_irr(&v) & 1 << 5, "raises at once");
	works(irqfd(&v, efd, 4, KVM_IRQFD_FLAG_DEASSIGN, 0), "deassign");
	signal_fd(efd);
	ok(!(pic_irr(&v) & 1 << 4) && signalled(efd), "then signals stay in the eventfd");
	close(early);
	/* The status comes back in the place of the line's number. */
	l = (struct kvm_irq_level){ .irq = 4, .level = 1 };
	works(ioctl(v.fd, KVM_IRQ_LINE_STATUS, &l), "a line with status");
	ok((int32_t)l.status == 1, "delivered");
	l = (struct kvm_irq_level){ .irq = 4 };
	ioctl(v.fd, KVM_IRQ_LINE_STATUS, &l);
	l = (struct kvm_irq_level){ .irq = 4, .level = 1 };
	ioctl(v.fd, KVM_IRQ_LINE_STATUS, &l);
	ok((int32_t)l.status == 0, "coalesced");
	l = (struct kvm_irq_level){ .irq = 3000, .level = 1 };
	ioctl(v.fd, KVM_IRQ_LINE_STATUS, &l);
	ok((int32_t)l.status == -1, "ignored");
	close(efd);
	drop_vm(&v);
}

static void resample(int dev)
{
	struct vm v = waiting_vm(dev);
	int efd = new_eventfd(), back = new_eventfd(), self = new_eventfd(), i, n = 0;

	works(irqfd(&v, efd, 11, KVM_IRQFD_FLAG_RESAMPLE, back), "irqfd with resampling");
	signal_fd(efd);
	ok(!signalled(back), "no answer before the EOI");
	ok(ran_handler(&v), "level interrupt");
	ok(signalled(back), "EOI signals the resample eventfd");
	signal_fd(efd);
	ok(ran_handler(&v), "raised again, interrupts again");
	ok(signalled(back), "and again");
	works(irqfd(&v, efd, 11, KVM_IRQFD_FLAG_DEASSIGN, 0), "deassign");
	/* A device that always has more to say, made of one eventfd. */
	works(irqfd(&v, self, 11, KVM_IRQFD_FLAG_RESAMPLE, self), "an eventfd that resamples itself");
	signal_fd(self);
	for (i = 0; i < 100; i++)
		n += ran_handler(&v);
	ok(n == 100, "interrupts for ever, one after the other");
	close(self);
	close(back);
	close(efd);
	drop_vm(&v);
}

static void doorbells(int dev)
{
	struct vm v = make_vm(dev, false);
	int any = new_eventfd(), match = new_eventfd();
	struct kvm_ioeventfd io = { .addr = 0x80010, .len = 2, .fd = match, .datamatch = 0x8000,
				    .flags = KVM_IOEVENTFD_FLAG_DATAMATCH };

	load_code(&v, mmio_code, sizeof(mmio_code));
	works(ioctl(v.fd, KVM_IOEVENTFD, &io), "ioeventfd in memory, 2 bytes, one value");
	io.len = 1;
	io.datamatch = 0x7f;
	io.fd = any;
	works(ioctl(v.fd, KVM_IOEVENTFD, &io), "another at the address, 1 byte");
	io.len = 0;
	fails(ioctl(v.fd, KVM_IOEVENTFD, &io), EINVAL, "a value without a length");
	io.flags = 0;
	fails(ioctl(v.fd, KVM_IOEVENTFD, &io), EEXIST, "any length where others are");
	works(ioctl(v.vcpu, KVM_RUN, 0), "run");
	ok(v.run->exit_reason == KVM_EXIT_MMIO && v.run->mmio.len == 1, "the byte does not match");
	ok(signalled(match) && !signalled(any), "the word does");
	drop_vm(&v);

	v = make_vm(dev, false);
	load_code(&v, mmio_code, sizeof(mmio_code));
	works(ioctl(v.fd, KVM_IOEVENTFD, &io), "ioeventfd of any length");
	works(ioctl(v.vcpu, KVM_RUN, 0), "run");
	ok(v.run->exit_reason == KVM_EXIT_HLT && signalled(any), "takes both writes");
	io.flags = KVM_IOEVENTFD_FLAG_DEASSIGN;
	io.len = 2;
	fails(ioctl(v.fd, KVM_IOEVENTFD, &io), ENOENT, "deassign with another length");
	io.len = 0;
	works(ioctl(v.fd, KVM_IOEVENTFD, &io), "deassign");
	drop_vm(&v);
	close(any);
	close(match);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void on_kick(int sig __attribute__((unused)))
{
}

static void *run_thread(void *arg)
{
	struct vm *v = arg;

	ioctl(v->vcpu, KVM_RUN, 0);
	return NULL;
}

static int route_msi(struct vm *v, uint32_t gsi, uint32_t data)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry e;
	} r = { .head.nr = 1,
		.e = { .gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
		       .u.msi = { .address_lo = 0xfee00000, .data = data } } };

	return ioctl(v->fd, KVM_SET_GSI_ROUTING, &r);
}

/* A guest that never exits must not hold up changes of routing and buses. */
static void changes(int dev)
{
	struct sigaction sa = { .sa_handler = on_kick };
	struct vm v = make_vm(dev, true);
	int efd = new_eventfd(), i, bad = 0;
	pthread_t t;
	double since;

	sigaction(SIGUSR1, &sa, NULL);
	load_code(&v, spin_code, sizeof(spin_code));
	pthread_create(&t, NULL, run_thread, &v);
	usleep(200000);
	since = now();
	for (i = 0; i < 50; i++) {
		struct kvm_ioeventfd io = { .addr = 0x1000 + i, .len = 4, .fd = efd };

		bad += ioctl(v.fd, KVM_IOEVENTFD, &io) != 0;
		bad += route_msi(&v, i, 0x40 + i) != 0;
		io.flags = KVM_IOEVENTFD_FLAG_DEASSIGN;
		bad += ioctl(v.fd, KVM_IOEVENTFD, &io) != 0;
	}
	since = now() - since;
	ok(!bad, "150 changes while the guest spins");
	ok(since < 30, "none waits for it");
	printf("# %.3f s\n", since);
	pthread_kill(t, SIGUSR1);
	pthread_join(t, NULL);
	close(efd);
	drop_vm(&v);
}

static volatile bool stop;

static void *hammer(void *arg)
{
	const int *efd = arg;
	uint64_t one = 1;

	while (!stop)
		if (write(*efd, &one, sizeof(one)) < 0)
			usleep(100);
	return NULL;
}

/* Signals, assignment, removal, routing and closing at once; the kernel's log is the judge. */
static void races(int dev)
{
	struct vm v = make_vm(dev, true);
	int efd = new_eventfd(), back = new_eventfd(), i, bad = 0;
	pthread_t t;

	pthread_create(&t, NULL, hammer, &efd);
	for (i = 0; i < 300; i++) {
		bool level = i % 3 == 0;

		bad += irqfd(&v, efd, 11, level ? KVM_IRQFD_FLAG_RESAMPLE : 0, back) != 0;
		bad += route_msi(&v, 11, 0x31) != 0;
		bad += irqfd(&v, efd, 11, KVM_IRQFD_FLAG_DEASSIGN, 0) != 0;
	}
	ok(!bad, "irqfds come and go under fire");
	stop = true;
	pthread_join(t, NULL);
	for (i = 0; i < 200; i++) {
		int one = new_eventfd();

		bad += irqfd(&v, one, i % 24, 0, 0) != 0;
		signal_fd(one);
		close(one);
	}
	ok(!bad, "200 eventfds close by themselves");
	irqfd(&v, efd, 3, 0, 0);
	drop_vm(&v);
	signal_fd(efd);
	ok(signalled(efd), "an eventfd outlives its VM");
	close(efd);
	close(back);
}

int main(int argc, char **argv)
{
	int dev = start(argc, argv);

	edges(dev);
	resample(dev);
	doorbells(dev);
	changes(dev);
	races(dev);
	return finish();
}
