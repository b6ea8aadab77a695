// SPDX-License-Identifier: GPL-2.0-only
/* KVM_RUN: exits to the VMM, leaving by signal and by flag, memory that comes and goes. */
#include <linux/keyctl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "abi.h"
#include "tracepoint.h"

/* out 0x10, al = 'A'; in al, 0x11; mov [0x2000], al; hlt */
static const uint8_t port_code[] = { 0xb0, 'A', 0xe6, 0x10, 0xe4, 0x11, 0xa2, 0x00, 0x20, 0xf4 };
/* DS:0 is 0x80000: mov ax, 0x8000; mov ds, ax; mov [0x10], ax; mov bx, [0x20]; hlt */
static const uint8_t mmio_code[] = { 0xb8, 0x00, 0x80, 0x8e, 0xd8, 0xa3, 0x10, 0x00,
				     0x8b, 0x1e, 0x20, 0x00, 0xf4 };
/* What spins begins with STI: see "Known limits" in Documentation/lab.rst.  jmp to itself */
static const uint8_t spin_code[] = { 0xfb, 0xeb, 0xfe };
/* 1: mov [0x3000], al; jmp 1b */
static const uint8_t write_code[] = { 0xfb, 0xa2, 0x00, 0x30, 0xeb, 0xfb };
/* mov [0x3000], al; hlt */
static const uint8_t write_once[] = { 0xa2, 0x00, 0x30, 0xf4 };

static int run(struct vm *v)
{
	return ioctl(v->vcpu, KVM_RUN, 0);
}

static void on_alarm(int sig __attribute__((unused)))
{
}

static void arm(unsigned int usec)
{
	struct itimerval t = { .it_value.tv_usec = usec };

	setitimer(ITIMER_REAL, &t, NULL);
}

static void ports(int dev)
{
	struct vm v = make_vm(dev, false);
	uint8_t *data;

	load_code(&v, port_code, sizeof(port_code));
	works(run(&v), "run to a port write");
	data = (uint8_t *)v.run + v.run->io.data_offset;
	ok(v.run->exit_reason == KVM_EXIT_IO && v.run->io.direction == KVM_EXIT_IO_OUT &&
	   v.run->io.port == 0x10 && v.run->io.size == 1 && v.run->io.count == 1 && *data == 'A',
	   "OUT 0x10, 'A'");
	works(run(&v), "run to a port read");
	ok(v.run->exit_reason == KVM_EXIT_IO && v.run->io.direction == KVM_EXIT_IO_IN &&
	   v.run->io.port == 0x11, "IN 0x11");
	*((uint8_t *)v.run + v.run->io.data_offset) = 0x5c;
	works(run(&v), "run to HLT");
	ok(v.run->exit_reason == KVM_EXIT_HLT, "HLT without irqchip leaves");
	ok(v.mem[0x2000] == 0x5c, "what was read arrived");
	drop_vm(&v);
}

static void mmio(int dev)
{
	struct vm v = make_vm(dev, false);
	struct kvm_regs r;

	load_code(&v, mmio_code, sizeof(mmio_code));
	works(run(&v), "run to an MMIO write");
	ok(v.run->exit_reason == KVM_EXIT_MMIO && v.run->mmio.is_write &&
	   v.run->mmio.phys_addr == 0x80010 && v.run->mmio.len == 2 &&
	   v.run->mmio.data[1] == 0x80, "write of 2 bytes at 0x80010");
	works(run(&v), "run to an MMIO read");
	ok(v.run->exit_reason == KVM_EXIT_MMIO && !v.run->mmio.is_write &&
	   v.run->mmio.phys_addr == 0x80020 && v.run->mmio.len == 2, "read of 2 bytes at 0x80020");
	v.run->mmio.data[0] = 0x34;
	v.run->mmio.data[1] = 0x12;
	works(run(&v), "run to HLT");
	ioctl(v.vcpu, KVM_GET_REGS, &r);
	ok(v.run->exit_reason == KVM_EXIT_HLT && (r.rbx & 0xffff) == 0x1234, "the value arrived");
	drop_vm(&v);
}

static void leaving(int dev)
{
	struct vm v = make_vm(dev, true);
	struct kvm_regs r;

	load_code(&v, spin_code, sizeof(spin_code));
	v.run->immediate_exit = 1;
	fails(run(&v), EINTR, "immediate exit");
	v.run->immediate_exit = 0;
	ioctl(v.vcpu, KVM_GET_REGS, &r);
	ok(r.rip == CODE_AT, "nothing was executed");
	arm(50000);
	fails(run(&v), EINTR, "a signal ends an endless loop");
	ok(v.run->exit_reason == KVM_EXIT_INTR, "and the exit says so");
	drop_vm(&v);

	v = make_vm(dev, true);
	load_code(&v, (const uint8_t[]){ 0xf4 }, 1);
	arm(50000);
	fails(run(&v), EINTR, "a signal ends a halt");
	drop_vm(&v);
}

/* A blocked signal must not end KVM_RUN, but one that KVM_SET_SIGNAL_MASK lets in must. */
static void signal_mask(int dev)
{
	struct vm v = make_vm(dev, true);
	struct kvm_signal_mask *mask = calloc(1, sizeof(*mask) + 8);
	sigset_t block, old;

	load_code(&v, spin_code, sizeof(spin_code));
	sigemptyset(&block);
	sigaddset(&block, SIGALRM);
	sigprocmask(SIG_BLOCK, &block, &old);
	mask->len = 8;
	ioctl(v.vcpu, KVM_SET_SIGNAL_MASK, mask);
	arm(50000);
	fails(run(&v), EINTR, "the mask of KVM_RUN lets a blocked signal in");
	sigpending(&block);
	ok(sigismember(&block, SIGALRM), "it stays pending and blocked afterwards");
	ioctl(v.vcpu, KVM_SET_SIGNAL_MASK, NULL);
	signal(SIGALRM, SIG_IGN);
	signal(SIGALRM, on_alarm);
	sigprocmask(SIG_SETMASK, &old, NULL);
	free(mask);
	drop_vm(&v);
}

/* Gives its parent its own session keyring, which is task work of the parent's; then a signal. */
static void __attribute__((noreturn)) make_task_work(void)
{
	long bad;

	usleep(50000);
	bad = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 ||
	      syscall(SYS_keyctl, KEYCTL_SESSION_TO_PARENT) < 0;
	usleep(50000);
	kill(getppid(), SIGALRM);
	_exit(bad);
}

/* Task work is done between two entries: the call neither ends for it nor begins again. */
static void task_work(int dev)
{
	struct vm v = make_vm(dev, true);
	int counter = tracepoint_counter("syscalls/sys_enter_ioctl"), status;
	long before, after;
	uint64_t calls = 0;
	pid_t child;

	load_code(&v, spin_code, sizeof(spin_code));
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	before = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
	child = fork();
	if (!child)
		make_task_work();
	ioctl(counter, PERF_EVENT_IOC_RESET, 0);
	fails(run(&v), EINTR, "task work and then a signal");
	if (read(counter, &calls, sizeof(calls)) != sizeof(calls))
		calls = 0;
	waitpid(child, &status, 0);
	after = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
	if (status || counter < 0) {
		skip("the task work was done", "no keyrings or no tracepoints");
		skip("in one KVM_RUN", "no keyrings or no tracepoints");
	} else {
		ok(after > 0 && after != before, "the task work was done");
		/* The counter's own reset comes before it counts, its reading is no ioctl. */
		ok(calls == 1, "in one KVM_RUN");
		printf("# %lu\n", calls);
	}
	close(counter);
	drop_vm(&v);
}

static void broken(int dev)
{
	struct vm v = make_vm(dev, false);
	struct kvm_sregs s;
	struct kvm_regs r = { .rip = CODE_AT, .rflags = 2 };

	/* No descriptor table: the first exception cannot be delivered. */
	load_code(&v, (const uint8_t[]){ 0x0f, 0x0b }, 2);
	ioctl(v.vcpu, KVM_GET_SREGS, &s);
	s.cr0 |= 1;
	s.idt.limit = 0;
	ioctl(v.vcpu, KVM_SET_SREGS, &s);
	works(run(&v), "run to a triple fault");
	ok(v.run->exit_reason == KVM_EXIT_SHUTDOWN, "shutdown");

	/* Executing where there is no memory is an internal error, with nothing made up. */
	ioctl(v.vcpu, KVM_GET_SREGS, &s);
	s.cr0 = 0x10;
	s.cs.base = 0x80000;
	s.cs.selector = 0x8000;
	s.idt.limit = 0xffff;
	ioctl(v.vcpu, KVM_SET_SREGS, &s);
	ioctl(v.vcpu, KVM_SET_REGS, &r);
	arm(500000);
	run(&v);
	arm(0);
	ok(v.run->exit_reason == KVM_EXIT_INTERNAL_ERROR, "code outside memory: internal error");
	printf("# exit reason %u\n", v.run->exit_reason);
	drop_vm(&v);
}

static void readonly(int dev)
{
	struct vm v = make_vm(dev, false);

	load_code(&v, write_once, sizeof(write_once));
	add_memory(v.fd, 0, 0, 0, 0, v.mem);
	works(add_memory(v.fd, 0, KVM_MEM_READONLY, 0, v.mem_size, v.mem), "memory turned read-only");
	works(run(&v), "run to a write into it");
	ok(v.run->exit_reason == KVM_EXIT_MMIO && v.run->mmio.is_write &&
	   v.run->mmio.phys_addr == 0x3000, "the write comes as MMIO");
	works(run(&v), "and the guest goes on");
	ok(v.run->exit_reason == KVM_EXIT_HLT && v.mem[0x3000] == 0, "the memory did not change");
	drop_vm(&v);
}

static void dirty(int dev)
{
	struct vm v = make_vm(dev, true);
	uint64_t bits[1] = { 0 };
	struct kvm_dirty_log log = { .dirty_bitmap = bits };

	load_code(&v, write_code, sizeof(write_code));
	add_memory(v.fd, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, v.mem_size, v.mem);
	arm(30000);
	run(&v);
	works(ioctl(v.fd, KVM_GET_DIRTY_LOG, &log), "dirty log after a run");
	ok(bits[0] & 1 << 3, "page 3 is dirty");
	ok(!(bits[0] & 1 << 5), "page 5 is not");
	bits[0] = 0;
	arm(30000);
	run(&v);
	ioctl(v.fd, KVM_GET_DIRTY_LOG, &log);
	ok(bits[0] & 1 << 3, "it is dirty again");
	drop_vm(&v);
}

/* Memory is not pinned: what the VMM does to its mapping shows in the guest. */
static void unmap(int dev)
{
	struct vm v = make_vm(dev, true);
	int ret;

	load_code(&v, write_code, sizeof(write_code));
	arm(20000);
	run(&v);
	madvise(v.mem + 0x3000, PAGE, MADV_REMOVE);
	v.mem[0x3000] = 0;
	arm(20000);
	fails(run(&v), EINTR, "the page comes back after it was given away");
	munmap(v.mem + 0x3000, PAGE);
	arm(500000);
	ret = run(&v);
	fails(ret, EFAULT, "no page there any more: EFAULT");
	arm(0);
	drop_vm(&v);
}

static void ioeventfd(int dev)
{
	struct vm v = make_vm(dev, false);
	int efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct kvm_ioeventfd io = { .fd = efd, .addr = 0x10, .len = 1,
				    .flags = KVM_IOEVENTFD_FLAG_PIO };
	uint64_t n = 0;

	load_code(&v, port_code, sizeof(port_code));
	works(ioctl(v.fd, KVM_IOEVENTFD, &io), "ioeventfd on port 0x10");
	works(run(&v), "run past it");
	ok(v.run->exit_reason == KVM_EXIT_IO && v.run->io.port == 0x11, "to the next port");
	ok(read(efd, &n, sizeof(n)) == sizeof(n) && n == 1, "the eventfd counted it");
	close(efd);
	drop_vm(&v);
}

static void *runner(void *arg)
{
	struct vm *v = arg;

	while (!v->run->immediate_exit)
		run(v);
	return NULL;
}

/* Slots are made and removed while a vCPU runs in them. */
static void churn(int dev)
{
	struct vm v = make_vm(dev, true);
	uint8_t *p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	pthread_t t;
	bool good = true;
	int i;

	load_code(&v, write_code, sizeof(write_code));
	pthread_create(&t, NULL, runner, &v);
	for (i = 0; i < 50; i++) {
		good &= !add_memory(v.fd, 1, i & 1 ? KVM_MEM_READONLY : 0, 0x100000, 8 * PAGE, p);
		good &= !add_memory(v.fd, 1, 0, 0x100000, 0, p);
	}
	ok(good, "slots come and go under a running vCPU");
	v.run->immediate_exit = 1;
	pthread_kill(t, SIGALRM);
	pthread_join(t, NULL);
	munmap(p, 8 * PAGE);
	drop_vm(&v);
}

int main(int argc, char **argv)
{
	int dev = start(argc, argv);
	struct sigaction sa = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &sa, NULL);
	ports(dev);
	mmio(dev);
	leaving(dev);
	signal_mask(dev);
	task_work(dev);
	broken(dev);
	readonly(dev);
	dirty(dev);
	unmap(dev);
	ioeventfd(dev);
	churn(dev);
	return finish();
}
