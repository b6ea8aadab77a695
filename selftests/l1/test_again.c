// SPDX-License-Identifier: GPL-2.0-only
/*
 * The same L2 entered again and again with one thing changed between two entries: a hypervisor
 * that remembers the last entry must not remember too much.  Permission maps are read at each
 * entry or exit, each field of the VMCB is taken at each VMRUN, and each VMRUN is checked.
 */
#include "l1.h"

#define WARM	4	/* entries after which whoever remembers something does */
#define DONE	X_VMMCALL
#define OFF(f)	__builtin_offsetof(struct vmcb, f)
#define REG(r)	__builtin_offsetof(struct l2, r)

L2_ASM(ag_rdmsr, "rdmsr; vmmcall");
L2_ASM(ag_wrmsr, "wrmsr; vmmcall");
L2_ASM(ag_in, "in $0x21, %al; vmmcall");
L2_ASM(ag_nop, "nop; vmmcall");
L2_ASM(ag_regs, "mov %cr2, %r8; mov %ds, %r9d; mov %dr6, %r10; mov %dr7, %r11\n"
       "mov %cr4, %r12; mov %cr0, %r13; mov %cr3, %rbp; sgdt -2(%rdi); sidt 14(%rdi)\n"
       "mov $0xc0000080, %ecx; rdmsr; mov %rax, %r14\n"
       "mov $0x277, %ecx; rdmsr; mov %rax, %r15; xor %eax, %eax; cpuid\n"
       "mov (%rdi), %rbx; mov 16(%rdi), %rdx; vmmcall");

static u64 again(struct l2 *l2, const void *code)
{
	l2->vmcb->s.rip = (u64)code;
	l2_run(l2);
	return l2->vmcb->c.exitcode;
}

static void warm_up(struct l2 *l2, const void *code)
{
	u32 i;

	for (i = 0; i < WARM; i++)
		CHECK_EQ(again(l2, code), DONE);
}

/* A bit of a map, set and cleared between entries. */
static void flip(struct l2 *l2, const void *code, u8 *byte, u8 bit, u64 exit)
{
	u32 i;

	for (i = 0; i < 3; i++) {
		warm_up(l2, code);
		*byte |= bit;
		CHECK_EQ(again(l2, code), exit);
		CHECK_EQ(again(l2, code), exit);
		*byte &= ~bit;
	}
	CHECK_EQ(again(l2, code), DONE);
}

static void msrpm(const void *arg)
{
	const bool wr = arg;
	u8 *map = alloc_pages(2);
	struct l2 l2;

	l2_init_at(&l2, ag_rdmsr);
	l2.vmcb->c.msrpm_base_pa = (u64)map;
	l2_intercept1(&l2, I1_MSR);
	l2.rcx = MSR_KGS_BASE;
	flip(&l2, wr ? ag_wrmsr : ag_rdmsr, &map[0x800 + 0x102 / 4], 0x10 << wr, X_MSR);
	/* One that no hypervisor lets pass by itself. */
	if (wr)
		return;
	l2.rcx = MSR_APIC_BASE;
	flip(&l2, ag_rdmsr, &map[MSR_APIC_BASE / 4], 1 << MSR_APIC_BASE % 4 * 2, X_MSR);
}

static void iopm(const void *arg)
{
	u8 *map = alloc_pages(3);
	struct l2 l2;

	l2_init_at(&l2, ag_in);
	l2.vmcb->c.iopm_base_pa = (u64)map;
	l2_intercept1(&l2, I1_IOIO);
	flip(&l2, ag_in, &map[0x21 / 8], 1 << 0x21 % 8, X_IOIO);
}

/* Another map than the one that was read so far. */
static void other_maps(const void *arg)
{
	u8 *open = alloc_pages(3), *shut = alloc_pages(3);
	struct l2 l2;

	memset(shut, 0xff, 3 * PAGE_SIZE);
	l2_init_at(&l2, ag_rdmsr);
	l2_intercept1(&l2, I1_MSR);
	l2_intercept1(&l2, I1_IOIO);
	l2.rcx = MSR_KGS_BASE;
	l2.vmcb->c.msrpm_base_pa = (u64)open;
	l2.vmcb->c.iopm_base_pa = (u64)open;
	warm_up(&l2, ag_rdmsr);
	l2.vmcb->c.msrpm_base_pa = (u64)shut;
	CHECK_EQ(again(&l2, ag_rdmsr), X_MSR);
	warm_up(&l2, ag_in);
	l2.vmcb->c.iopm_base_pa = (u64)shut;
	CHECK_EQ(again(&l2, ag_in), X_IOIO);
}

static void intercepts(const void *arg)
{
	u64 room[4];
	struct l2 l2;
	u32 i;

	l2_init_at(&l2, ag_regs);
	for (i = 0; i < 3; i++) {
		l2.rdi = (u64)room + 2;
		warm_up(&l2, ag_regs);
		l2.vmcb->c.misc1 ^= 1u << I1_CPUID;
		CHECK_EQ(again(&l2, ag_regs), X_CPUID);
		l2.vmcb->c.misc1 ^= 1u << I1_CPUID;
		warm_up(&l2, ag_regs);
		l2.vmcb->c.cr_read ^= 1 << 4;
		CHECK_EQ(again(&l2, ag_regs), X_CR_RD + 4);
		l2.vmcb->c.cr_read ^= 1 << 4;
	}
}

/* One field gets other bits; L2 reads them in a register. */
static const struct taken {
	const char *name;
	u32 off, reg;
	u64 bits;
} fields[] = {
	{ "CR2", OFF(s.cr2), REG(r8), 0x123456789000ull },
	{ "DS", OFF(s.ds), REG(r9), 8 },
	{ "DR6", OFF(s.dr6), REG(r10), 2 },
	{ "DR7", OFF(s.dr7), REG(r11), 0x100 },
	{ "CR4", OFF(s.cr4), REG(r12), 4 },
	{ "CR0", OFF(s.cr0), REG(r13), 2 },
	{ "EFER", OFF(s.efer), REG(r14), 1 },
	{ "PAT", OFF(s.g_pat), REG(r15), 6 },
	{ "GDTR", OFF(s.gdtr.base), REG(rbx), 0x1000 },
	{ "IDTR", OFF(s.idtr.base), REG(rdx), 0x1000 },
};

static u64 *at(void *p, u32 off)
{
	return (u64 *)((u8 *)p + off);
}

static void registers(const void *arg)
{
	u64 room[8];
	struct l2 l2;
	u32 i;

	l2_init_at(&l2, ag_regs);
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct taken *f = &fields[i];
		u64 was;

		if (f->off == OFF(s.g_pat) &&
		    (!(cpu_features & F_NPT) || departure("again/registers.pat")))
			continue;
		if (f->off == OFF(s.cr2) && departure("again/registers.cr2"))
			continue;
		l2.rdi = (u64)room + 2;
		warm_up(&l2, ag_regs);
		was = *at(&l2, f->reg);
		*at(l2.vmcb, f->off) ^= f->bits;
		CHECK_EQ(again(&l2, ag_regs), DONE);
		if ((*at(&l2, f->reg) ^ was) != f->bits)
			FAIL("%s: L2 read %llx before and %llx after the change", f->name, was,
			     *at(&l2, f->reg));
		warm_up(&l2, ag_regs);
		*at(l2.vmcb, f->off) ^= f->bits;
		CHECK_EQ(again(&l2, ag_regs), DONE);
		if (*at(&l2, f->reg) != was)
			FAIL("%s: L2 read %llx and not %llx again", f->name, *at(&l2, f->reg), was);
	}
}

static const struct {
	const char *name;
	u32 off;
	u64 clear, set;
} spoilt[] = {
	{ "EFER.SVME", OFF(s.efer), EFER_SVME, 0 },
	{ "CR0.NW", OFF(s.cr0), BIT(30), BIT(29) },
	{ "CR4", OFF(s.cr4), 0, BIT(40) },
	{ "DR6", OFF(s.dr6), 0, BIT(40) },
	{ "DR7", OFF(s.dr7), 0, BIT(40) },
	{ "ASID", OFF(c.asid), 0xffffffff, 0 },
	{ "VMRUN intercept", OFF(c.misc2), 1u << I2_VMRUN, 0 },
};

/* Refused as often as it is tried, and taken again when it is put right. */
static void checked(const void *arg)
{
	u64 room[8];
	struct l2 l2;
	u32 i, n;

	l2_init_at(&l2, ag_regs);
	l2.rdi = (u64)room + 2;
	for (i = 0; i < ARRAY_SIZE(spoilt); i++) {
		u64 *word = at(l2.vmcb, spoilt[i].off), was;

		warm_up(&l2, ag_regs);
		l2.rdi = (u64)room + 2;
		was = *word;
		*word = (was & ~spoilt[i].clear) | spoilt[i].set;
		for (n = 0; n < 3; n++)
			if ((u32)again(&l2, ag_regs) != (u32)X_INVALID)
				FAIL("%s: try %u ended in %llx", spoilt[i].name, n,
				     l2.vmcb->c.exitcode);
		*word = was;
		CHECK_EQ(again(&l2, ag_regs), DONE);
	}
}

/* An event with the entry, after entries without one: L2's handler takes it, once. */
static void events(const void *arg)
{
	static const struct { u64 event; u64 vec, err; u32 skip; } rows[] = {
		{ EV_VALID | EV_INTR | 0x90, 0x90, 0, 0 },
		{ EV_VALID | EV_SOFT | 0x91, 0x91, 0, 2 },
		{ EV_VALID | EV_EXC | EV_ERR | V_GP | 0x1238ull << 32, V_GP, 0x1238, 0 },
	};
	struct l2_frame *fr;
	struct l2 l2;
	u64 rsp;
	u32 i;

	l2_init_at(&l2, ag_nop);
	rsp = l2.vmcb->s.rsp;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		warm_up(&l2, ag_nop);
		l2.vmcb->c.eventinj = rows[i].event;
		l2.vmcb->c.nrip = (u64)ag_nop + rows[i].skip;
		CHECK_EQ(again(&l2, ag_nop), DONE);
		CHECK_EQ(l2.vmcb->s.rip, l2_trap_vmmcall);
		CHECK_EQ(l2.vmcb->c.eventinj & EV_VALID, 0);
		l2.vmcb->c.eventinj = 0;
		fr = (void *)l2.vmcb->s.rsp;
		CHECK_EQ(fr->vec, rows[i].vec);
		CHECK_EQ(fr->err, rows[i].err);
		if (!rows[i].skip)
			CHECK_EQ(fr->rip, ag_nop);
		l2.vmcb->s.rsp = rsp;
	}
	CHECK_EQ(again(&l2, ag_nop), DONE);
	CHECK_EQ(l2.vmcb->s.rip, ag_nop + 1);
}

static const struct l1_test tests[] = {
	{ "msrpm_read", 0, msrpm, NULL },
	{ "msrpm_write", 0, msrpm, (void *)1 },
	{ "iopm", 0, iopm, NULL },
	{ "other_maps", 0, other_maps, NULL },
	{ "intercepts", 0, intercepts, NULL },
	{ "registers", 0, registers, NULL },
	{ "checked", 0, checked, NULL },
	{ "events", 0, events, NULL },
};

const struct test_group group_again = { "again", tests, ARRAY_SIZE(tests), false };
