// SPDX-License-Identifier: GPL-2.0-only
/*
 * System-management interrupts around L2: intercepted, not intercepted, held by
 * GIF, and many of them from another CPU. The handler is the firmware's (QEMU's
 * SeaBIOS moves SMBASE and locks SMRAM before the image starts), which returns by
 * RSM at once: what can be seen is that everything goes on as if nothing had been.
 */
#include "l1.h"


L2_ASM(smi_sum, "xor %rbx, %rbx; mov $2000, %rcx; 1: add %rcx, %rbx; pause; loop 1b");
L2_ASM(smi_regs,
       "incq %rax; incq %rbx; incq %rcx; incq %rdx; incq %rsi; incq %rdi; incq %rbp\n"
       "incq %r8; incq %r9; incq %r10; incq %r11; incq %r12; incq %r13; incq %r14; incq %r15");

#define SUM	(2000ull * 2001 / 2)

static void self_smi(void)
{
	apic_ipi(this_cpu()->apic_id, ICR_SMI);
}

static void set_icpt(struct l2 *l2, bool on)
{
	l2->vmcb->c.misc1 &= ~(1u << I1_SMI);
	if (on)
		l2->vmcb->c.misc1 |= 1u << I1_SMI;
}

static void no_l2(const void *arg)
{
	u64 cr3 = read_cr3(), efer = rdmsr(MSR_EFER), flags = read_flags();

	self_smi();
	delay_us(100);
	CHECK_EQ(read_cr3(), cr3);
	CHECK_EQ(rdmsr(MSR_EFER), efer);
	CHECK_EQ(read_flags() & ~0xffull, flags & ~0xffull);
	/* Held by GIF = 0 and taken after it: L1 goes on all the same. */
	clgi();
	self_smi();
	delay_us(100);
	stgi();
	delay_us(100);
	CHECK_EQ(read_cr3(), cr3);
}

/* #VMEXIT(SMI) before L2's first instruction; the SMI is still there for L1. */
static void intercepted(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, smi_regs);
	set_icpt(&l2, true);
	l2.rbx = 5;
	clgi();
	self_smi();
	l2.flags = RUN_KEEP_GIF0;
	if (l2_expect(&l2, X_SMI)) {
		CHECK_EQ(l2.vmcb->s.rip, smi_regs);
		CHECK_EQ(l2.rbx, 5);
	}
	/* GIF = 0 since the exit, so it waits: the next VMRUN ends the same way. */
	l2_expect(&l2, X_SMI);
	stgi();
	delay_us(100);
	l2.flags = 0;
	l2_expect_done(&l2);
	CHECK_EQ(l2.rbx, 6);
}

/* The handler runs in L2's place and RSM comes back to L2, registers and all. */
static void not_intercepted(const void *arg)
{
	u64 *g, i, cr3 = read_cr3();
	struct l2 l2;
	int round;

	l2_init_at(&l2, smi_regs);
	set_icpt(&l2, false);
	if (arg)
		l2.vmcb->c.np_enable = 0;
	for (round = 0; round < 20 && !t_failed(); round++) {
		for (g = &l2.rcx, i = 1; g <= &l2.r15; g++, i++)
			*g = i << 48 | round;
		l2.vmcb->s.rax = 77;
		l2.vmcb->s.rip = (u64)smi_regs;
		clgi();
		self_smi();
		if (!l2_expect_done(&l2))
			return;
		for (g = &l2.rcx, i = 1; g <= &l2.r15; g++, i++)
			CHECK_EQ(*g, (i << 48 | round) + 1);
		CHECK_EQ(l2.vmcb->s.rax, 78);
		CHECK_EQ(read_cr3(), cr3);
	}
}

/* ---- from another CPU, at any instruction of L1 and L2 ---- */

/* The boot CPU is the one whose SMBASE the firmware moved. */
static void storm(const void *arg)
{
	struct smi_storm s = { .target = this_cpu()->apic_id };
	u32 i, exits = 0;
	struct l2 l2;

	l2_init_at(&l2, smi_sum);
	set_icpt(&l2, arg);
	smp_call(1, smi_storm, &s);
	for (i = 0; i < 100 && !t_failed(); i++) {
		l2.vmcb->s.rip = (u64)smi_sum;
		for (;;) {
			l2_run(&l2);
			if (l2.vmcb->c.exitcode != X_SMI)
				break;
			exits++;
		}
		CHECK_EQ(l2.vmcb->c.exitcode, X_VMMCALL);
		CHECK_EQ(l2.rbx, SUM);
	}
	s.stop = true;
	smp_wait(1);
	if (!arg)
		CHECK_EQ(exits, 0);
	say("#   %u sent, %u exits\n", s.sent, exits);
}

static const struct l1_test tests[] = {
	{ "no_l2", 0, no_l2, NULL },
	{ "intercepted", 0, intercepted, NULL },
	{ "not_intercepted", 0, not_intercepted, NULL },
	{ "not_intercepted_shadow_less", 0, not_intercepted, (void *)1 },
	{ "storm", F_SMP2, storm, NULL },
	{ "storm_intercepted", F_SMP2, storm, (void *)1 },
};

const struct test_group group_smi = { "smi", tests, ARRAY_SIZE(tests), false };
