// SPDX-License-Identifier: GPL-2.0-only
/*
 * Physical interrupts and NMIs around L2: V_INTR_MASKING with each IF, with and
 * without the intercept, GIF after an exit, arrival while L2 runs or halts.
 */
#include "l1.h"

L2_ASM(pi_nops, "nop; nop");
L2_ASM(pi_hlt, "hlt; nop");
L2_ASM(pi_sti_hlt, "sti; hlt; nop");

/* L2 about to run with an interrupt already waiting. */
static void pending(struct l2 *l2, bool masking, bool host_if, bool guest_if)
{
	l2_init_at(l2, pi_nops);
	l2->vmcb->c.int_ctl = masking ? V_INTR_MASKING : 0;
	l2->flags = host_if ? RUN_HOST_IF : 0;
	if (guest_if)
		l2->vmcb->s.rflags |= FL_IF;
	clgi();
	apic_self(VEC_IPI);
}

struct mask_case { bool masking, host_if, guest_if, exits; };

/* Which IF counts: the host's with V_INTR_MASKING, else L2's. */
static void masking(const void *arg)
{
	const struct mask_case *m = arg;
	struct cpu *c = this_cpu();
	u32 before = c->irqs[VEC_IPI];
	struct l2 l2;

	pending(&l2, m->masking, m->host_if, m->guest_if);
	if (m->exits) {
		if (l2_expect(&l2, X_INTR))
			CHECK_EQ(l2.vmcb->s.rip, pi_nops);
	} else {
		l2_expect_done(&l2);
	}
	/* The exit did not acknowledge it: L1's own IDT gets it, once. */
	irq_on();
	delay_us(100);
	irq_off();
	CHECK_EQ(c->irqs[VEC_IPI], before + 1);
	if (l2.vmcb->c.exitcode == X_INTR)
		l2_expect_done(&l2);
}

/* Without the intercept it is delivered through L2's IDT. */
static void not_intercepted(const void *arg)
{
	struct cpu *c = this_cpu();
	u32 before = c->irqs[VEC_IPI];
	struct l2_frame fr;
	struct l2 l2;

	pending(&l2, false, true, true);
	l2.vmcb->c.misc1 &= ~(1u << I1_INTR);
	if (l2_expect_trap(&l2, VEC_IPI, &fr)) {
		CHECK_EQ(fr.rip, pi_nops);
		apic_eoi();
	}
	irq_on();
	delay_us(100);
	irq_off();
	CHECK_EQ(c->irqs[VEC_IPI], before);
}

/* L1's TPR masks physical interrupts, L2's V_TPR does not. */
static void tpr(const void *arg)
{
	struct cpu *c = this_cpu();
	u32 before = c->irqs[VEC_IPI];
	struct l2 l2;

	write_cr8(15);
	pending(&l2, true, true, false);
	l2_expect_done(&l2);
	CHECK_EQ(c->irqs[VEC_IPI], before);
	write_cr8(0);
	l2.vmcb->c.int_ctl |= V_TPR(15);
	l2.vmcb->s.rip = (u64)pi_nops;
	clgi();
	l2_expect(&l2, X_INTR);
	irq_on();
	irq_off();
	CHECK_EQ(c->irqs[VEC_IPI], before + 1);
}

static void nmi_exit(const void *arg)
{
	struct cpu *c = this_cpu();
	u32 before = c->nmis;
	struct l2 l2;

	l2_init_at(&l2, pi_nops);
	clgi();
	apic_self_nmi();
	if (l2_expect(&l2, X_NMI))
		CHECK_EQ(l2.vmcb->s.rip, pi_nops);
	delay_us(100);
	CHECK_EQ(c->nmis, before + 1);
	l2_expect_done(&l2);
	CHECK_EQ(c->nmis, before + 1);
}

static void nmi_not_intercepted(const void *arg)
{
	struct cpu *c = this_cpu();
	u32 before = c->nmis;
	struct l2_frame fr;
	struct l2 l2;

	l2_init_at(&l2, pi_nops);
	l2.vmcb->c.misc1 &= ~(1u << I1_NMI);
	clgi();
	apic_self_nmi();
	if (l2_expect_trap(&l2, V_NMIV, &fr))
		CHECK_EQ(fr.rip, pi_nops);
	l2_trap_return(&l2);
	l2_expect_done(&l2);
	delay_us(100);
	CHECK_EQ(c->nmis, before);
}

/* GIF is 0 after every exit, until STGI. */
static void gif_after_exit(const void *arg)
{
	struct cpu *c = this_cpu();
	u32 before = c->irqs[VEC_IPI];
	struct l2 l2;

	l2_init_at(&l2, pi_nops);
	l2.flags = RUN_HOST_IF | RUN_KEEP_GIF0;
	l2_expect_done(&l2);
	irq_on();
	apic_self(VEC_IPI);
	delay_us(200);
	CHECK_EQ(c->irqs[VEC_IPI], before);
	stgi();
	delay_us(200);
	irq_off();
	CHECK_EQ(c->irqs[VEC_IPI], before + 1);
	/* After a refused entry as well. */
	l2.vmcb->c.asid = 0;
	l2_run(&l2);
	irq_on();
	apic_self(VEC_IPI);
	delay_us(200);
	CHECK_EQ(c->irqs[VEC_IPI], before + 1);
	stgi();
	delay_us(200);
	irq_off();
	CHECK_EQ(c->irqs[VEC_IPI], before + 2);
}

/* RFLAGS.IF of the host comes back as it was at VMRUN. */
static void host_if(const void *arg)
{
	struct l2 l2;
	u64 fl;
	int i;

	for (i = 0; i < 2; i++) {
		l2_init_at(&l2, pi_nops);
		l2.vmcb->s.rflags |= i ? 0 : FL_IF;
		l2.flags = (i ? RUN_HOST_IF : 0) | RUN_KEEP_GIF0;
		l2_expect_done(&l2);
		fl = read_flags();
		irq_off();
		stgi();
		CHECK_EQ(!!(fl & FL_IF), i);
	}
}

/* The timer fires while L2 computes. */
static void arrives_running(const void *arg)
{
	struct cpu *c = this_cpu();
	u32 before = c->irqs[VEC_IPI2];
	struct l2 l2;
	int i;

	for (i = 0; i < 5 && !t_failed(); i++) {
		l2_init_at(&l2, l2_spin);
		l2.vmcb->s.rflags |= i & 1 ? FL_IF : 0;
		apic_timer(VEC_IPI2, 500000);
		if (l2_expect(&l2, X_INTR))
			CHECK(l2.vmcb->s.rip >= (u64)l2_spin && l2.vmcb->s.rip < (u64)l2_spin + 8);
		CHECK_EQ(c->irqs[VEC_IPI2], before + i + 1);
	}
	watchdog_arm();
}

/*
 * HLT that nobody intercepts: the physical interrupt ends it. On a slow machine
 * the timer may fire before L2 gets to its HLT: give it more time, then.
 */
static void wakes_hlt(const void *arg)
{
	const char *code[] = { pi_hlt, pi_sti_hlt }, *end[] = { pi_hlt + 1, pi_sti_hlt + 2 };
	struct cpu *c = this_cpu();
	u32 before, count;
	struct l2 l2;
	int i;

	for (i = 0; i < 2; i++) {
		for (count = 500000; count < 500000u << 8; count <<= 1) {
			l2_init_at(&l2, code[i]);
			before = c->irqs[VEC_IPI2];
			apic_timer(VEC_IPI2, count);
			if (!l2_expect(&l2, X_INTR))
				return;
			CHECK_EQ(c->irqs[VEC_IPI2], before + 1);
			if (l2.vmcb->s.rip != (u64)code[i])
				break;
		}
		CHECK_EQ(l2.vmcb->s.rip, end[i]);
		l2_expect_done(&l2);
	}
	watchdog_arm();
}

/* The same delivered into L2. */
static void wakes_hlt_direct(const void *arg)
{
	struct l2_frame fr;
	struct l2 l2;

	l2_init_at(&l2, pi_sti_hlt);
	l2.vmcb->c.misc1 &= ~(1u << I1_INTR);
	l2.vmcb->c.int_ctl = 0;
	apic_timer(VEC_IPI2, 500000);
	if (l2_expect_trap(&l2, VEC_IPI2, &fr)) {
		CHECK_EQ(fr.rip, pi_sti_hlt + 2);
		apic_eoi();
	}
	watchdog_arm();
}

/* L1's own local APIC is as it was, whatever TPR L2 had. */
static void apic_after_l2(const void *arg)
{
	static const u32 regs[] = { 0x20, 0x30, 0x80, 0xd0, 0xe0, 0xf0, 0x320, 0x350 };
	u32 before[ARRAY_SIZE(regs)], i;
	struct l2 l2;

	for (i = 0; i < ARRAY_SIZE(regs); i++)
		before[i] = apic_read(regs[i]);
	l2_init_at(&l2, pi_nops);
	l2.vmcb->c.int_ctl |= V_TPR(11);
	l2_expect_done(&l2);
	for (i = 0; i < ARRAY_SIZE(regs); i++)
		CHECK_EQ(apic_read(regs[i]), before[i]);
	CHECK_EQ(read_cr8(), 0);
}

/* An interrupt that waited through many exits is not lost or doubled. */
static void not_lost(const void *arg)
{
	struct cpu *c = this_cpu();
	u32 before = c->irqs[VEC_IPI];
	struct l2 l2;
	int i;

	for (i = 0; i < 100 && !t_failed(); i++) {
		pending(&l2, true, i & 1, false);
		l2_run(&l2);
		CHECK_EQ(l2.vmcb->c.exitcode, i & 1 ? X_INTR : X_VMMCALL);
		irq_on();
		irq_off();
		CHECK_EQ(c->irqs[VEC_IPI], before + i + 1);
	}
}

#define M(n, ...) static const struct mask_case n = { __VA_ARGS__ }
M(m_000, false, false, false, false);
M(m_001, false, false, true, true);
M(m_010, false, true, false, false);
M(m_011, false, true, true, true);
M(m_100, true, false, false, false);
M(m_101, true, false, true, false);
M(m_110, true, true, false, true);
M(m_111, true, true, true, true);

static const struct l1_test tests[] = {
	{ "mask0_host0_guest0", 0, masking, &m_000 },
	{ "mask0_host0_guest1", 0, masking, &m_001 },
	{ "mask0_host1_guest0", 0, masking, &m_010 },
	{ "mask0_host1_guest1", 0, masking, &m_011 },
	{ "mask1_host0_guest0", 0, masking, &m_100 },
	{ "mask1_host0_guest1", 0, masking, &m_101 },
	{ "mask1_host1_guest0", 0, masking, &m_110 },
	{ "mask1_host1_guest1", 0, masking, &m_111 },
	{ "not_intercepted", 0, not_intercepted, NULL },
	{ "tpr", 0, tpr, NULL },
	{ "nmi", 0, nmi_exit, NULL },
	{ "nmi_not_intercepted", 0, nmi_not_intercepted, NULL },
	{ "gif_after_exit", 0, gif_after_exit, NULL },
	{ "host_if", 0, host_if, NULL },
	{ "arrives_running", 0, arrives_running, NULL },
	{ "wakes_hlt", 0, wakes_hlt, NULL },
	{ "wakes_hlt_direct", 0, wakes_hlt_direct, NULL },
	{ "apic_after_l2", 0, apic_after_l2, NULL },
	{ "not_lost", 0, not_lost, NULL },
};

const struct test_group group_intr = { "intr", tests, ARRAY_SIZE(tests), false };
