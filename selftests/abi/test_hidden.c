// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM whose CPUID hides SVM, be it by the VMM's choice or because the module was
 * loaded with nested=0: every SVM instruction is #UD at CPL 0 and at CPL 3, EFER.SVME
 * and the extension's MSRs are #GP.
 */
#include "abi.h"

#define GDT	0x2000
#define IDT	0x3000
#define STUBS	0x4000

static const struct { const char *name; uint8_t code[8]; } insns[] = {
	{ "VMRUN", { 0x0f, 0x01, 0xd8 } }, { "VMLOAD", { 0x0f, 0x01, 0xda } },
	{ "VMSAVE", { 0x0f, 0x01, 0xdb } }, { "STGI", { 0x0f, 0x01, 0xdc } },
	{ "CLGI", { 0x0f, 0x01, 0xdd } }, { "SKINIT", { 0x0f, 0x01, 0xde } },
	{ "INVLPGA", { 0x0f, 0x01, 0xdf } },
};

/*
 * Every vector outs its own number to port 0x80 + vector. Handlers run at the CPL of
 * the code, with IOPL 3, so that no task-state segment is needed.
 */
static void tables(struct vm *v, int cpl)
{
	uint64_t gdt[] = { 0, 0x00cf9b000000ffffull, 0x00cf93000000ffffull,
			   0x00cffb000000ffffull, 0x00cff3000000ffffull };
	int i;

	memcpy(v->mem + GDT, gdt, sizeof(gdt));
	for (i = 0; i < 32; i++) {
		uint32_t at = STUBS + i * 16;
		uint64_t gate = (at & 0xffff) | (cpl ? 0x1bull : 8ull) << 16 | 0xee00ull << 32;
		uint8_t stub[] = { 0xe6, 0x80 + i, 0xeb, 0xfe };

		memcpy(v->mem + IDT + i * 8, &gate, 8);
		memcpy(v->mem + at, stub, sizeof(stub));
	}
}

static struct kvm_segment flat(int type, int dpl, int sel)
{
	return (struct kvm_segment){ .limit = 0xffffffff, .selector = sel | dpl, .type = type,
				     .present = 1, .dpl = dpl, .db = 1, .s = 1, .g = 1 };
}

static void enter(struct vm *v, const void *code, size_t len, int cpl, uint64_t rcx, uint64_t rax)
{
	struct kvm_regs r = { .rip = CODE_AT, .rsp = 0x9000, .rflags = 0x3002, .rcx = rcx, .rax = rax };
	struct kvm_sregs s;

	memcpy(v->mem + CODE_AT, code, len);
	ioctl(v->vcpu, KVM_GET_SREGS, &s);
	s.cs = flat(11, cpl, cpl ? 0x18 : 8);
	s.ss = flat(3, cpl, cpl ? 0x20 : 0x10);
	s.ds = s.ss;
	s.es = s.ss;
	s.gdt.base = GDT;
	s.gdt.limit = 5 * 8 - 1;
	s.idt.base = IDT;
	s.idt.limit = 32 * 8 - 1;
	s.cr0 = 0x11;
	if (ioctl(v->vcpu, KVM_SET_SREGS, &s) || ioctl(v->vcpu, KVM_SET_REGS, &r))
		bail("registers");
}

/* The vector that ended it, or -1 */
static int vector(struct vm *v)
{
	if (ioctl(v->vcpu, KVM_RUN, 0) || v->run->exit_reason != KVM_EXIT_IO)
		return -1;
	return v->run->io.port - 0x80;
}

/* The OUT at the end of a stub has to be over before registers are set anew. */
static void finish_io(struct vm *v)
{
	v->run->immediate_exit = 1;
	ioctl(v->vcpu, KVM_RUN, 0);
	v->run->immediate_exit = 0;
}

int main(int argc, char **argv)
{
	int dev = start(argc, argv), cpl;
	struct vm v = make_vm(dev, false);
	struct kvm_cpuid2 *c = supported_cpuid(dev);
	static const uint8_t rdmsr[] = { 0x0f, 0x32 }, wrmsr[] = { 0x0f, 0x30 };
	unsigned int i;
	char name[64];

	for (i = 0; i < c->nent; i++)
		if (c->entries[i].function == 0x80000001)
			c->entries[i].ecx &= ~(1u << 2);
	if (ioctl(v.vcpu, KVM_SET_CPUID2, c))
		bail("KVM_SET_CPUID2");
	for (cpl = 0; cpl <= 3; cpl += 3)
		for (i = 0; i < sizeof(insns) / sizeof(*insns); i++) {
			tables(&v, cpl);
			enter(&v, insns[i].code, 3, cpl, 0, 0x6000);
			snprintf(name, sizeof(name), "%s at CPL %d is #UD", insns[i].name, cpl);
			ok(vector(&v) == 6, name);
			finish_io(&v);
		}
	tables(&v, 0);
	enter(&v, wrmsr, 2, 0, 0xc0000080, 1 << 12);
	ok(vector(&v) == 13, "EFER.SVME is #GP");
	finish_io(&v);
	enter(&v, rdmsr, 2, 0, 0xc0010114, 0);
	ok(vector(&v) == 13, "RDMSR of VM_CR is #GP");
	finish_io(&v);
	enter(&v, wrmsr, 2, 0, 0xc0010117, 0x6000);
	ok(vector(&v) == 13, "WRMSR of VM_HSAVE_PA is #GP");
	drop_vm(&v);
	return finish();
}
