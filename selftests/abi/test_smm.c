// SPDX-License-Identifier: GPL-2.0-only
/*
 * System-management mode: KVM_SMI, the save area, RSM, address space 1, and the
 * smi fields of KVM_VCPU_EVENTS.  The VMM plays the part of a handler that
 * changes the save area: it has SMRAM mapped.
 */
#include <signal.h>
#include <sys/time.h>

#include "abi.h"

#define SMBASE		0x30000
#define SMRAM_SIZE	0x20000
#define ENTRY		0x8000
/* Offsets from SMBASE (APM vol. 2, "SMRAM State-Save Area") */
#define S_HALT		0xfec9
#define S_REVISION	0xfefc
#define S_SMBASE	0xff00
#define S_CR0		0xff58
#define S_RIP		0xff78
#define S_R15		0xff80
#define S_RBX		0xffe0

/* out 0x10, al; jmp back */
static const uint8_t loop_code[] = { 0xe6, 0x10, 0xeb, 0xfc };
/* mov al, 0x77; out 0x55, al; rsm */
static const uint8_t handler[] = { 0xb0, 0x77, 0xe6, 0x55, 0x0f, 0xaa };

struct smm_vm {
	struct vm v;
	uint8_t *smram;
};

static struct smm_vm make(int dev, bool irqchip)
{
	struct smm_vm s = { .v = make_vm(dev, irqchip) };
	struct kvm_regs r;

	s.smram = mmap(NULL, SMRAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s.smram == MAP_FAILED || add_memory(s.v.fd, 0x10000, 0, 0, SMBASE, s.v.mem) ||
	    add_memory(s.v.fd, 0x10001, 0, SMBASE, SMRAM_SIZE, s.smram))
		bail("SMRAM");
	memcpy(s.smram + ENTRY, handler, sizeof(handler));
	load_code(&s.v, loop_code, sizeof(loop_code));
	if (ioctl(s.v.vcpu, KVM_SET_CPUID2, supported_cpuid(dev)) ||
	    ioctl(s.v.vcpu, KVM_GET_REGS, &r))
		bail("registers");
	r.rbx = 0x1122334455667788ull;
	r.r15 = 0x99;
	if (ioctl(s.v.vcpu, KVM_SET_REGS, &r))
		bail("registers");
	return s;
}

static void drop(struct smm_vm *s)
{
	munmap(s->smram, SMRAM_SIZE);
	drop_vm(&s->v);
}

static uint64_t q(const struct smm_vm *s, unsigned int off)
{
	uint64_t v;

	memcpy(&v, s->smram + off, 8);
	return v;
}

static void put(struct smm_vm *s, unsigned int off, uint64_t v, size_t len)
{
	memcpy(s->smram + off, &v, len);
}

/* Run to the next port write; its port, or -1 */
static int port(struct smm_vm *s)
{
	struct kvm_run *run = s->v.run;

	if (ioctl(s->v.vcpu, KVM_RUN, 0) || run->exit_reason != KVM_EXIT_IO)
		return -1;
	return run->io.port;
}

static bool in_smm(const struct smm_vm *s)
{
	return s->v.run->flags & KVM_RUN_X86_SMM;
}

static struct kvm_vcpu_events events(struct smm_vm *s)
{
	struct kvm_vcpu_events e = { };

	if (ioctl(s->v.vcpu, KVM_GET_VCPU_EVENTS, &e))
		bail("KVM_GET_VCPU_EVENTS");
	return e;
}

static int set_smi(struct smm_vm *s, int smm, int pending, int latched)
{
	struct kvm_vcpu_events e = events(s);

	e.flags |= KVM_VCPUEVENT_VALID_SMM;
	e.smi.smm = smm;
	e.smi.pending = pending;
	e.smi.latched_init = latched;
	return ioctl(s->v.vcpu, KVM_SET_VCPU_EVENTS, &e);
}

static void smi(struct smm_vm *s)
{
	if (ioctl(s->v.vcpu, KVM_SMI, 0))
		bail("KVM_SMI");
}

static void there_and_back(int dev)
{
	struct smm_vm s = make(dev, false);
	struct kvm_regs before, r;
	struct kvm_sregs sregs;

	ok(port(&s) == 0x10 && !in_smm(&s), "code runs outside SMM");
	ioctl(s.v.vcpu, KVM_GET_REGS, &before);
	works(ioctl(s.v.vcpu, KVM_SMI, 0), "SMI");
	ok(events(&s).smi.pending, "it is pending");
	ok(port(&s) == 0x55 && in_smm(&s), "the handler runs, and the exit says SMM");
	ok(events(&s).smi.smm && !events(&s).smi.pending && events(&s).nmi.masked,
	   "the events say so, and NMIs are masked");
	ioctl(s.v.vcpu, KVM_GET_SREGS, &sregs);
	ok(sregs.cs.base == SMBASE && sregs.cs.selector == SMBASE >> 4 &&
	   sregs.cs.limit == 0xffffffff && !(sregs.cr0 & 0x8000000d) && !sregs.cr4 && !sregs.efer &&
	   sregs.ds.limit == 0xffffffff && !sregs.ds.base, "the handler's environment");
	ok(q(&s, S_RBX) == before.rbx && q(&s, S_R15) == before.r15 && q(&s, S_RIP) == CODE_AT + 2,
	   "registers are saved, RIP behind the OUT");
	ok((uint32_t)q(&s, S_REVISION) == 0x20064 && (uint32_t)q(&s, S_SMBASE) == SMBASE,
	   "revision and SMBASE");
	ok(s.v.mem[SMBASE + S_REVISION] == 0, "memory outside SMM has none of it");
	smi(&s);
	ok(events(&s).smi.pending, "an SMI in SMM waits");
	ok(port(&s) == 0x55 && in_smm(&s), "and is served after RSM, before anything else");
	ok(port(&s) == 0x10 && !in_smm(&s), "RSM goes back");
	ioctl(s.v.vcpu, KVM_GET_REGS, &r);
	ok(r.rbx == before.rbx && r.r15 == before.r15 && r.rax == before.rax &&
	   r.rflags == before.rflags, "registers are back");
	ok(!events(&s).smi.smm && !events(&s).nmi.masked, "and the events say so");
	drop(&s);
}

/* What the handler writes to the save area counts; SMBASE moves for the next SMI. */
static void changed_state(int dev)
{
	struct smm_vm s = make(dev, false);
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e;
	} m = { .head.nmsrs = 1, .e.index = 0x9e };
	struct kvm_regs r;

	s.v.mem[0x1100] = 0xe6;		/* out 0x11, al */
	s.v.mem[0x1101] = 0x11;
	port(&s);
	smi(&s);
	ok(port(&s) == 0x55, "in the handler");
	put(&s, S_RBX, 0xabcdef, 8);
	put(&s, S_RIP, 0x1100, 8);
	put(&s, S_SMBASE, SMBASE + 0x8000, 4);
	memcpy(s.smram + 0x8000 + ENTRY, "\xe6\x56\x0f\xaa", 4);	/* out 0x56; rsm */
	ok(port(&s) == 0x11, "RSM takes the RIP that it finds");
	ioctl(s.v.vcpu, KVM_GET_REGS, &r);
	ok(r.rbx == 0xabcdef, "and the registers");
	ok(ioctl(s.v.vcpu, KVM_GET_MSRS, &m) == 1 && m.e.data == SMBASE + 0x8000,
	   "SMBASE has moved");
	smi(&s);
	ok(port(&s) == 0x56 && in_smm(&s), "the next handler is there");
	m.e.data = 0x2000;
	ok(ioctl(s.v.vcpu, KVM_SET_MSRS, &m) == 1, "the VMM sets SMBASE");
	drop(&s);
}

static void nmi(int dev)
{
	struct smm_vm s = make(dev, false);

	memcpy(s.v.mem + 2 * 4, "\x00\x12\x00\x00", 4);	/* NMI vector: 0:1200 */
	memcpy(s.v.mem + 0x1200, "\xe6\x20\xcf", 3);	/* out 0x20; iret */
	port(&s);
	smi(&s);
	ok(port(&s) == 0x55, "in the handler");
	works(ioctl(s.v.vcpu, KVM_NMI, 0), "NMI in SMM");
	ok(port(&s) == 0x20 && !in_smm(&s), "it waits for RSM and comes then");
	ok(port(&s) == 0x10, "and its handler ends");
	/* In an NMI handler RSM must not let another NMI in. */
	ioctl(s.v.vcpu, KVM_NMI, 0);
	ok(port(&s) == 0x20, "an NMI handler");
	smi(&s);
	ok(port(&s) == 0x55 && events(&s).smi.smm_inside_nmi, "SMI in an NMI handler");
	ioctl(s.v.vcpu, KVM_NMI, 0);
	ok(port(&s) == 0x20, "another NMI comes after the first one's IRET");
	ok(port(&s) == 0x10 && !events(&s).nmi.masked, "and that is all");
	drop(&s);
}

static void on_alarm(int sig __attribute__((unused)))
{
}

static void halted(int dev)
{
	struct itimerval t = { .it_value.tv_usec = 100000, .it_interval.tv_usec = 100000 };
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_HALTED };
	struct smm_vm s = make(dev, true);

	works(ioctl(s.v.vcpu, KVM_SET_MP_STATE, &mp), "a halted processor");
	smi(&s);
	ok(port(&s) == 0x55 && in_smm(&s), "SMI wakes it");
	if (stock) {
		skip("the save area says so", "KVM does not save it");
		skip("RSM goes back to sleep", "KVM does not save it");
	} else {
		ok(s.smram[S_HALT] == 1, "the save area says so");
		signal(SIGALRM, on_alarm);
		setitimer(ITIMER_REAL, &t, NULL);
		fails(ioctl(s.v.vcpu, KVM_RUN, 0), EINTR, "RSM goes back to sleep");
		setitimer(ITIMER_REAL, &(struct itimerval){ }, NULL);
		ioctl(s.v.vcpu, KVM_GET_MP_STATE, &mp);
		ok(mp.mp_state == KVM_MP_STATE_HALTED, "it is halted");
		smi(&s);
		ok(port(&s) == 0x55, "and wakes again");
		s.smram[S_HALT] = 0;
		ok(port(&s) == 0x10, "the handler may say that it is not to sleep on");
	}
	drop(&s);
}

static void bad_state(int dev)
{
	struct smm_vm s = make(dev, false);

	port(&s);
	smi(&s);
	port(&s);
	put(&s, S_CR0, 0x80000000, 8);
	ok(ioctl(s.v.vcpu, KVM_RUN, 0) == 0 && s.v.run->exit_reason == KVM_EXIT_SHUTDOWN,
	   "RSM to PG without PE is a shutdown");
	drop(&s);

	s = make(dev, false);
	port(&s);
	smi(&s);
	port(&s);
	put(&s, 0xff60, 1ull << 40, 8);
	if (stock)
		skip("RSM with high bits of DR7", "KVM drops them");
	else
		ok(ioctl(s.v.vcpu, KVM_RUN, 0) == 0 && s.v.run->exit_reason == KVM_EXIT_SHUTDOWN,
		   "RSM with high bits of DR7 is a shutdown");
	drop(&s);

	/* Long mode with CS.L and CS.D: no processor runs that. */
	s = make(dev, false);
	port(&s);
	smi(&s);
	port(&s);
	put(&s, S_CR0, 0x80000011, 8);
	put(&s, 0xff48, 0x20, 8);	/* CR4.PAE */
	put(&s, 0xfed0, 0x500, 8);	/* EFER.LME, LMA */
	put(&s, 0xfe12, 0x609b, 2);	/* CS */
	if (stock)
		skip("RSM to CS.L with CS.D", "KVM hands it to the CPU");
	else
		ok(ioctl(s.v.vcpu, KVM_RUN, 0) == 0 && s.v.run->exit_reason == KVM_EXIT_SHUTDOWN,
		   "RSM to CS.L with CS.D is a shutdown");
	drop(&s);
}

static void outside(int dev)
{
	struct smm_vm s = make(dev, false);

	memcpy(s.v.mem + 6 * 4, "\x00\x13\x00\x00", 4);	/* #UD vector: 0:1300 */
	memcpy(s.v.mem + 0x1300, "\xe6\x66", 2);	/* out 0x66 */
	load_code(&s.v, "\x0f\xaa", 2);
	ok(port(&s) == 0x66, "RSM outside SMM is #UD");
	drop(&s);
}

/* No memory at all in address space 1: the handler cannot be fetched. */
static void no_smram(int dev)
{
	struct vm v = make_vm(dev, false);
	struct kvm_vcpu_events e = { };

	load_code(&v, loop_code, sizeof(loop_code));
	ioctl(v.vcpu, KVM_RUN, 0);
	ioctl(v.vcpu, KVM_SMI, 0);
	ioctl(v.vcpu, KVM_RUN, 0);
	ioctl(v.vcpu, KVM_GET_VCPU_EVENTS, &e);
	ok(v.run->exit_reason != KVM_EXIT_IO && e.smi.smm, "SMI without SMRAM does not run on");
	drop_vm(&v);
}

static void by_events(int dev)
{
	struct smm_vm s = make(dev, true);

	port(&s);
	if (stock)
		skip("smi.smm = 2", "KVM takes it for 1");
	else
		fails(set_smi(&s, 2, 0, 0), EINVAL, "smi.smm = 2");
	works(set_smi(&s, 1, 0, 0), "the VMM says SMM");
	ok(port(&s) == 0x10 && in_smm(&s), "code goes on, in SMM");
	works(set_smi(&s, 0, 0, 0), "and out of it");
	ok(port(&s) == 0x10 && !in_smm(&s), "code goes on");
	works(set_smi(&s, 0, 1, 0), "a pending SMI");
	ok(port(&s) == 0x55 && in_smm(&s), "is served");
	works(set_smi(&s, 1, 0, 1), "INIT is latched");
	ok(events(&s).smi.latched_init, "and read back");
	ok(ioctl(s.v.vcpu, KVM_RUN, 0) || s.v.run->exit_reason != KVM_EXIT_IO,
	   "RSM lets the INIT come");
	ok(!events(&s).smi.smm && !events(&s).smi.latched_init, "it is served");
	drop(&s);
}

/* A frame of SMRAM is lost to the tables when the VMM unmaps it or drops the slot. */
static void slots(int dev)
{
	struct smm_vm s = make(dev, false);
	uint8_t *other = mmap(NULL, SMRAM_SIZE, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	port(&s);
	smi(&s);
	ok(port(&s) == 0x55, "in the handler");
	ok(port(&s) == 0x10, "and back");
	memcpy(other + ENTRY, "\xe6\x57\x0f\xaa", 4);
	works(add_memory(s.v.fd, 0x10001, 0, SMBASE, 0, s.smram), "SMRAM goes");
	works(add_memory(s.v.fd, 0x10001, 0, SMBASE, SMRAM_SIZE, other), "another comes");
	smi(&s);
	ok(port(&s) == 0x57 && in_smm(&s), "the handler there runs");
	ok(mmap(other, SMRAM_SIZE, PROT_READ | PROT_WRITE,
		MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS, -1, 0) == other, "its memory is replaced");
	memcpy(other + ENTRY, handler, sizeof(handler));
	ok(ioctl(s.v.vcpu, KVM_RUN, 0) == 0, "RSM reads the new, empty one");
	munmap(other, SMRAM_SIZE);
	drop(&s);
}

int main(int argc, char **argv)
{
	int dev = start(argc, argv);

	if (ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_X86_SMM) <= 0) {
		printf("1..0 # SKIP no system-management mode\n");
		return KSFT_SKIP;
	}
	there_and_back(dev);
	changed_state(dev);
	nmi(dev);
	halted(dev);
	bad_state(dev);
	outside(dev);
	no_smram(dev);
	by_events(dev);
	slots(dev);
	return finish();
}
