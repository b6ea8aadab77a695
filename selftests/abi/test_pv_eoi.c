// SPDX-License-Identifier: GPL-2.0-only
/* End of interrupt by a bit in the guest's memory (MSR_KVM_PV_EOI_EN): the MSR, and what a guest sees. */
#include "abi.h"

#define MSR_PV_EOI	0x4b564d04u
#define FEATURES	0x40000001u
#define FEATURE_PV_EOI	(1u << 6)

/* The guest's words */
#define WORD		0x3000	/* where the bit is */
#define ACTION		0x3004	/* what the handler does */
#define IPI		0x3008	/* vector that the guest sends itself, 0: none */
enum { CLEAR_BIT, LEAVE, WRITE_EOI };

/* Ports: in the handler, with the bit; after it, or without it */
#define IN_HANDLER	0x11
#define BEHIND		0x12

extern const uint8_t main_code[], main_end[], irq_code[], irq_end[];
asm(".pushsection .rodata\n"
    ".code16\n"
    "main_code: mov $0x80f, %ecx; mov $0x1ff, %eax; xor %edx, %edx; wrmsr; sti\n"
    "1: movzbl 0x3008, %eax; test %al, %al; jz 2f\n"
    "   mov $0x83f, %ecx; xor %edx, %edx; wrmsr\n"
    "2: nop; out %al, $0x12; jmp 1b\n"
    "main_end:\n"
    "irq_code: push %eax; push %ecx; push %edx; mov 0x3000, %al; out %al, $0x11\n"
    "   cmpb $1, 0x3004; je 2f; ja 1f\n"
    "   lock btrw $0, 0x3000; jc 2f\n"
    "1: mov $0x80b, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr\n"
    "2: pop %edx; pop %ecx; pop %eax; iret\n"
    "irq_end:\n"
    ".code64\n"
    ".popsection\n");

static int set_msr(struct vm *v, uint64_t val)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry e; } m = {
		.head.nmsrs = 1, .e = { .index = MSR_PV_EOI, .data = val },
	};

	return ioctl(v->vcpu, KVM_SET_MSRS, &m);
}

static uint64_t get_msr(struct vm *v)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry e; } m = {
		.head.nmsrs = 1, .e = { .index = MSR_PV_EOI },
	};

	return ioctl(v->vcpu, KVM_GET_MSRS, &m) == 1 ? m.e.data : ~0ull;
}

static struct vm new_vm(int dev, bool feature)
{
	struct vm v = make_vm(dev, true);
	struct kvm_cpuid2 *c = supported_cpuid(dev);
	struct kvm_sregs s;
	unsigned int i;

	for (i = 0; i < c->nent && !feature; i++)
		if (c->entries[i].function == FEATURES)
			c->entries[i].eax &= ~FEATURE_PV_EOI;
	if (ioctl(v.vcpu, KVM_SET_CPUID2, c))
		bail("KVM_SET_CPUID2");
	if (ioctl(v.vcpu, KVM_GET_SREGS, &s))
		bail("KVM_GET_SREGS");
	s.apic_base |= 0xc00;
	if (ioctl(v.vcpu, KVM_SET_SREGS, &s))
		bail("KVM_SET_SREGS");
	for (i = 0; i < 256; i++) {
		v.mem[4 * i] = 0x00;
		v.mem[4 * i + 1] = 0x20;	/* 0000:2000 */
	}
	memcpy(v.mem + 0x2000, irq_code, irq_end - irq_code);
	load_code(&v, main_code, main_end - main_code);
	return v;
}

/* Run to the next exit: the port, and what was written there. */
static unsigned int next(struct vm *v, uint8_t *al)
{
	if (ioctl(v->vcpu, KVM_RUN, 0) || v->run->exit_reason != KVM_EXIT_IO)
		bail("KVM_RUN");
	*al = *((uint8_t *)v->run + v->run->io.data_offset);
	return v->run->io.port;
}

/* Stock KVM may leave the bit clear for another interrupt that it thinks is there. */
static bool in_handler(struct vm *v, uint8_t bit)
{
	uint8_t al;

	return next(v, &al) == IN_HANDLER && ((al & 1) == bit || (stock && bit));
}

static bool behind(struct vm *v)
{
	uint8_t al;

	return next(v, &al) == BEHIND;
}

/* Is @vector in the 256 bits from @reg of the local APIC on? */
static bool apic_bit(struct vm *v, unsigned int reg, uint8_t vector)
{
	struct kvm_lapic_state s;

	if (ioctl(v->vcpu, KVM_GET_LAPIC, &s))
		bail("KVM_GET_LAPIC");
	return s.regs[reg + vector / 32 * 16 + vector % 32 / 8] >> (vector & 7) & 1;
}

#define ISR 0x100
#define IRR 0x200

static void msr_rules(int dev)
{
	struct vm v = new_vm(dev, true), w = new_vm(dev, false);
	struct kvm_cpuid2 *c = supported_cpuid(dev);
	struct { struct kvm_msr_list head; uint32_t index[512]; } l = { .head.nmsrs = 512 };
	unsigned int i, found = 0;
	void *at;

	for (i = 0; i < c->nent; i++)
		found |= c->entries[i].function == FEATURES && c->entries[i].eax & FEATURE_PV_EOI;
	ok(found, "CPUID says so");
	works(ioctl(dev, KVM_GET_MSR_INDEX_LIST, &l), "the list of MSRs");
	for (i = 0, found = 0; i < l.head.nmsrs; i++)
		found |= l.head.indices[i] == MSR_PV_EOI;
	ok(found, "has it");
	ok(get_msr(&v) == 0, "it is off at first");
	ok(set_msr(&v, WORD | 1) == 1 && get_msr(&v) == (WORD | 1), "on");
	ok(set_msr(&v, WORD | 2) == 0, "bit 1 is reserved");
	ok(set_msr(&v, WORD | 3) == 0, "also when it is on");
	ok(set_msr(&v, 1ull << 40 | 1) == 0, "on where there is no memory");
	ok(get_msr(&v) == (WORD | 1), "what is refused changes nothing");
	ok(set_msr(&v, 1ull << 40) == 1 && get_msr(&v) == 1ull << 40, "off, any aligned address");
	at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (add_memory(v.fd, 1, KVM_MEM_READONLY, 0x100000, PAGE, at))
		bail("read-only memory");
	if (!stock)
		ok(set_msr(&v, 0x100001) == 0, "on in read-only memory");
	ok(set_msr(&w, WORD | 1) == 1, "the VMM may set it without the feature");
	drop_vm(&v);
	drop_vm(&w);
}

/* The guest's own WRMSR, in place of SVR's */
static void wrmsr_rules(int dev)
{
	struct {
		bool feature;
		uint32_t val;
		bool fine;
		const char *what;
	} t[] = {
		{ true, WORD | 1, true, "a guest that has the feature may write it" },
		{ true, WORD | 3, false, "but not bit 1" },
		{ true, 0x7ffff001, false, "nor an address without memory" },
		{ false, WORD | 1, false, "nor without the feature" },
	};
	unsigned int i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct vm v = new_vm(dev, t[i].feature);
		uint8_t code[] = { 0x66, 0xb9, 0x04, 0x4d, 0x56, 0x4b, 0x66, 0xb8, 0, 0, 0, 0,
				   0x66, 0x31, 0xd2, 0x0f, 0x30, 0xe6, BEHIND };
		/* #GP comes to another port. */
		uint8_t gp[] = { 0xe6, IN_HANDLER };

		memcpy(code + 8, &t[i].val, 4);
		memcpy(v.mem + 0x2000, gp, sizeof(gp));
		load_code(&v, code, sizeof(code));
		if (!stock || t[i].feature)
			ok(behind(&v) == t[i].fine, t[i].what);
		drop_vm(&v);
	}
}

static void cleared(int dev)
{
	struct vm v = new_vm(dev, true);

	v.mem[IPI] = 0x40;
	set_msr(&v, WORD | 1);
	ok(in_handler(&v, 1), "the handler finds the bit set");
	ok(v.mem[WORD] == 0, "which is taken back at the exit");
	ok(apic_bit(&v, ISR, 0x40), "the vector is in service");
	ok(behind(&v), "the guest clears the bit");
	ok(!apic_bit(&v, ISR, 0x40), "and the vector is in service no more");
	ok(in_handler(&v, 1), "the same vector comes again");
	v.mem[ACTION] = WRITE_EOI;
	ok(behind(&v) && v.mem[WORD] == 0, "EOI may be written all the same");
	ok(in_handler(&v, 1), "it counts once");
	set_msr(&v, WORD);
	ok(behind(&v) && in_handler(&v, 0), "no bit when it is off");
	drop_vm(&v);
}

static void left(int dev)
{
	struct vm v = new_vm(dev, true);

	v.mem[IPI] = 0x40;
	v.mem[ACTION] = LEAVE;
	set_msr(&v, WORD | 1);
	ok(in_handler(&v, 1) && behind(&v), "a guest that leaves the bit");
	ok(apic_bit(&v, ISR, 0x40) && v.mem[WORD] == 0, "has ended nothing");
	ok(behind(&v), "the next one waits");
	ok(apic_bit(&v, IRR, 0x40) && apic_bit(&v, ISR, 0x40) && (stock || v.mem[WORD] == 0), "behind the first");
	drop_vm(&v);
}

static void msi(struct vm *v, uint32_t data)
{
	struct kvm_msi m = { .address_lo = 0xfee00000, .data = data };

	if (ioctl(v->fd, KVM_SIGNAL_MSI, &m) != 1)
		bail("KVM_SIGNAL_MSI");
}

static void others_wait(int dev)
{
	struct vm v = new_vm(dev, true);
	struct kvm_irqchip c = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_irq_level line = { .irq = 5, .level = 1 };

	set_msr(&v, WORD | 1);
	ok(behind(&v), "no interrupt yet");
	msi(&v, 0x40);
	msi(&v, 0x51);
	ok(in_handler(&v, 0), "the higher of two has to write EOI");
	ok(in_handler(&v, 1), "the lower one has not");
	ok(behind(&v), "both are done");
	msi(&v, 0x40);
	ok(in_handler(&v, 1), "one alone");
	msi(&v, 0x42);
	ok(in_handler(&v, 1), "one that comes meanwhile is not forgotten");
	ok(behind(&v), "then all are done");
	if (!stock) {
		msi(&v, 0x43 | 1 << 15);
		ok(in_handler(&v, 0), "a level-triggered one has to write EOI");
		ok(behind(&v) && !apic_bit(&v, ISR, 0x43), "and does");
	}
	if (ioctl(v.fd, KVM_GET_IRQCHIP, &c))
		bail("KVM_GET_IRQCHIP");
	c.chip.ioapic.redirtbl[5].bits = 0x44;
	if (ioctl(v.fd, KVM_SET_IRQCHIP, &c))
		bail("KVM_SET_IRQCHIP");
	if (ioctl(v.fd, KVM_IRQ_LINE, &line))
		bail("KVM_IRQ_LINE");
	if (!stock)
		ok(in_handler(&v, 0), "one of the I/O APIC's has to write EOI");
	drop_vm(&v);
}

/* The word is in a slot of its own that goes, and in memory that goes while the slot stays. */
static void memory_goes(int dev)
{
	struct vm v = new_vm(dev, true);
	uint8_t *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED || add_memory(v.fd, 1, 0, 0x100000, PAGE, at))
		bail("more memory");
	at[0] = 0;
	v.mem[IPI] = 0x40;
	v.mem[ACTION] = WRITE_EOI;
	ok(set_msr(&v, 0x100001) == 1 && in_handler(&v, 0) && at[0] == 0, "the word is elsewhere");
	munmap(at, PAGE);
	ok(behind(&v) && in_handler(&v, 0) && behind(&v), "without its memory EOI is written");
	if (add_memory(v.fd, 1, 0, 0x100000, 0, NULL))
		bail("less memory");
	ok(in_handler(&v, 0) && behind(&v) && in_handler(&v, 0), "without its slot, too");
	ok(get_msr(&v) == 0x100001, "the MSR stays");
	drop_vm(&v);
}

int main(int argc, char **argv)
{
	int dev = start(argc, argv);

	msr_rules(dev);
	wrmsr_rules(dev);
	cleared(dev);
	left(dev);
	others_wait(dev);
	memory_goes(dev);
	return finish();
}
