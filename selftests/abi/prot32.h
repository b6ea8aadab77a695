/* SPDX-License-Identifier: GPL-2.0-only */
/* A guest in flat 32-bit protected mode at CPL 0 or 3, whose exceptions end it with their vector. */
#ifndef SELFTESTS_ABI_PROT32_H
#define SELFTESTS_ABI_PROT32_H

#include "abi.h"

#define GDT	0x2000
#define IDT	0x3000
#define STUBS	0x4000

/*
 * Every vector outs its own number to port 0x80 + vector. Handlers run at the CPL of
 * the code, with IOPL 3, so that no task-state segment is needed.
 */
static inline void tables(struct vm *v, int cpl)
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

static inline struct kvm_segment flat(int type, int dpl, int sel)
{
	return (struct kvm_segment){ .limit = 0xffffffff, .selector = sel | dpl, .type = type,
				     .present = 1, .dpl = dpl, .db = 1, .s = 1, .g = 1 };
}

static inline void enter(struct vm *v, const void *code, size_t len, int cpl, uint64_t rcx, uint64_t rax)
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
static inline int vector(struct vm *v)
{
	if (ioctl(v->vcpu, KVM_RUN, 0) || v->run->exit_reason != KVM_EXIT_IO)
		return -1;
	return v->run->io.port - 0x80;
}

/* The OUT at the end of a stub has to be over before registers are set anew. */
static inline void finish_io(struct vm *v)
{
	v->run->immediate_exit = 1;
	ioctl(v->vcpu, KVM_RUN, 0);
	v->run->immediate_exit = 0;
}

#endif
