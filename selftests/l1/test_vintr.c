// SPDX-License-Identifier: GPL-2.0-only
/*
 * int_ctl: virtual interrupts (V_IRQ, priority, V_TPR, V_IGN_TPR), their
 * intercept, the interrupt shadow, virtual GIF, and every bit that this CPU
 * does not define, which must not act.
 */
#include "l1.h"

#define VEC	0x61

L2_ASM(vi_nops, "nop; nop; nop");
L2_ASM(vi_sti, "sti; nop; nop; nop");
L2_ASM(vi_mov_ss, "mov %ecx, %ss; nop; nop");
L2_ASM(vi_cr8, "mov %rbx, %cr8; nop");
L2_ASM(vi_sti_cpuid, "sti; vi_sti_cpuid_at: cpuid");
L2_ASM(vi_ss_cpuid, "mov %ecx, %ss; vi_ss_cpuid_at: cpuid");
L2_ASM(vi_sti_hlt, "sti; hlt; nop");
L2_ASM(vi_clgi, "clgi");
L2_ASM(vi_stgi, "stgi; nop");
L2_ASM(vi_clgi_stgi, "clgi; nop; stgi; nop");
L2_ASM(vi_apic, "mov (%rax), %ebx; mov %edx, (%rax)");
extern const char vi_sti_cpuid_at[], vi_ss_cpuid_at[];

static void virq(struct l2 *l2, const char *code, bool intr_flag)
{
	l2_init_at(l2, code);
	l2->vmcb->c.int_ctl |= V_IRQ | V_INTR_PRIO(6) | V_VECTOR(VEC);
	l2->rcx = SEL_DS;
	if (intr_flag)
		l2->vmcb->s.rflags |= FL_IF;
}

static void expect_virq(struct l2 *l2, const char *rip)
{
	struct l2_frame fr;

	if (!l2_expect_trap(l2, VEC, &fr))
		return;
	CHECK_EQ(fr.rip, rip);
	CHECK_EQ(l2->vmcb->c.int_ctl & V_IRQ, 0);
	CHECK_EQ(l2->vmcb->c.int_ctl & V_INTR_MASKING, V_INTR_MASKING);
}

static void expect_held(struct l2 *l2)
{
	if (l2_expect_done(l2))
		CHECK_EQ(l2->vmcb->c.int_ctl & V_IRQ, V_IRQ);
}

static void delivered(const void *arg)
{
	struct l2 l2;

	virq(&l2, vi_nops, true);
	expect_virq(&l2, vi_nops);
	/* And not a second time. */
	l2_trap_return(&l2);
	l2_expect_done(&l2);
}

static void vectors(const void *arg)
{
	u64 mark = mem_mark();
	struct l2 l2;
	u32 v;

	for (v = 0x20; v < 0x100; v++) {
		virq(&l2, vi_nops, true);
		l2.vmcb->c.int_ctl = V_INTR_MASKING | V_IRQ | V_INTR_PRIO(15) | V_VECTOR(v);
		l2_expect_trap(&l2, v, NULL);
		mem_reset(mark);
	}
}

static void if_clear(const void *arg)
{
	struct l2 l2;

	virq(&l2, vi_nops, false);
	expect_held(&l2);
	/* STI opens the window one instruction later. */
	virq(&l2, vi_sti, false);
	expect_virq(&l2, vi_sti + 2);
}

/* Each priority against each V_TPR: delivered only when it is higher. */
static void priorities(const void *arg)
{
	u64 mark = mem_mark();
	u32 prio, tpr;
	struct l2 l2;

	for (prio = 0; prio < 16; prio++)
		for (tpr = 0; tpr < 16; tpr++) {
			virq(&l2, vi_nops, true);
			l2.vmcb->c.int_ctl = V_INTR_MASKING | V_IRQ | V_INTR_PRIO(prio) |
					     V_TPR(tpr) | V_VECTOR(VEC);
			l2_run(&l2);
			CHECK_EQ(l2.vmcb->c.exitcode, X_VMMCALL);
			if ((l2.vmcb->s.rip == (u64)l2_trap_vmmcall) != (prio > tpr))
				FAIL("priority %u, V_TPR %u: rip %llx", prio, tpr,
				     l2.vmcb->s.rip);
			mem_reset(mark);
		}
}

static void ign_tpr(const void *arg)
{
	struct l2 l2;

	virq(&l2, vi_nops, true);
	l2.vmcb->c.int_ctl |= V_TPR(15) | V_IGN_TPR;
	expect_virq(&l2, vi_nops);
}

/* L2 lowers its CR8 below the priority: delivered there and then. */
static void cr8_opens(const void *arg)
{
	struct l2 l2;

	virq(&l2, vi_cr8, true);
	l2.vmcb->c.int_ctl |= V_TPR(9);
	l2.rbx = 2;
	expect_virq(&l2, vi_cr8 + 4);
	virq(&l2, vi_cr8, true);
	l2.vmcb->c.int_ctl |= V_TPR(9);
	l2.rbx = 8;
	expect_held(&l2);
}

static void intercepted(const void *arg)
{
	struct l2 l2;

	virq(&l2, vi_nops, true);
	l2_intercept1(&l2, I1_VINTR);
	if (l2_expect(&l2, X_VINTR)) {
		CHECK_EQ(l2.vmcb->s.rip, vi_nops);
		CHECK_EQ(l2.vmcb->c.int_ctl & V_IRQ, V_IRQ);
		CHECK_EQ(l2.vmcb->c.exitintinfo & EV_VALID, 0);
	}
	/* The window of a hypervisor that waits for IF. */
	virq(&l2, vi_sti, false);
	l2_intercept1(&l2, I1_VINTR);
	if (l2_expect(&l2, X_VINTR))
		CHECK_EQ(l2.vmcb->s.rip, vi_sti + 2);
	/* Held back by IF or by V_TPR it does not exit either. */
	virq(&l2, vi_nops, false);
	l2_intercept1(&l2, I1_VINTR);
	expect_held(&l2);
	virq(&l2, vi_nops, true);
	l2.vmcb->c.int_ctl |= V_TPR(9);
	l2_intercept1(&l2, I1_VINTR);
	expect_held(&l2);
}

/* What EVENTINJ injects goes first; its handler holds the virtual one back. */
static void after_eventinj(const void *arg)
{
	struct l2_frame fr;
	struct l2 l2;

	virq(&l2, vi_nops, true);
	l2.vmcb->c.eventinj = EV_VALID | EV_INTR | 0x77;
	if (!l2_expect_trap(&l2, 0x77, &fr))
		return;
	CHECK_EQ(fr.rip, vi_nops);
	CHECK_EQ(l2.vmcb->c.int_ctl & V_IRQ, V_IRQ);
	l2.vmcb->c.eventinj = 0;
	l2_trap_return(&l2);
	expect_virq(&l2, vi_nops);
}

static void shadow(const void *arg)
{
	struct l2 l2;

	/* Entered with a shadow: one instruction first. */
	virq(&l2, vi_nops, true);
	l2.vmcb->c.int_state = INT_SHADOW;
	expect_virq(&l2, vi_nops + 1);
	CHECK_EQ(l2.vmcb->c.int_state & INT_SHADOW, 0);
	virq(&l2, vi_mov_ss, true);
	l2.vmcb->c.int_state = 0;
	l2.vmcb->s.rflags &= ~FL_IF;
	l2_expect_done(&l2);
}

/* An exit in the shadow of STI or MOV SS reports it. */
static void shadow_reported(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, vi_sti_cpuid);
	l2_intercept1(&l2, I1_CPUID);
	if (l2_expect(&l2, X_CPUID)) {
		CHECK_EQ(l2.vmcb->s.rip, vi_sti_cpuid_at);
		CHECK_EQ(l2.vmcb->c.int_state & INT_SHADOW, INT_SHADOW);
	}
	l2_init_at(&l2, vi_ss_cpuid);
	l2.rcx = SEL_DS;
	l2_intercept1(&l2, I1_CPUID);
	if (l2_expect(&l2, X_CPUID)) {
		CHECK_EQ(l2.vmcb->s.rip, vi_ss_cpuid_at);
		CHECK_EQ(l2.vmcb->c.int_state & INT_SHADOW, INT_SHADOW);
	}
	l2_init_at(&l2, vi_sti_cpuid_at);
	l2_intercept1(&l2, I1_CPUID);
	if (l2_expect(&l2, X_CPUID))
		CHECK_EQ(l2.vmcb->c.int_state & INT_SHADOW, 0);
}

/* A virtual interrupt ends HLT. */
static void wakes_hlt(const void *arg)
{
	struct l2 l2;

	virq(&l2, vi_sti_hlt, false);
	expect_virq(&l2, vi_sti_hlt + 2);
}

/* ---- virtual GIF ---- */

static void vgif_toggle(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, vi_clgi);
	l2.vmcb->c.int_ctl |= V_GIF_ENABLE | V_GIF;
	if (l2_expect_done(&l2))
		CHECK_EQ(l2.vmcb->c.int_ctl & V_GIF, 0);
	l2_init_at(&l2, vi_stgi);
	l2.vmcb->c.int_ctl |= V_GIF_ENABLE;
	if (l2_expect_done(&l2))
		CHECK_EQ(l2.vmcb->c.int_ctl & V_GIF, V_GIF);
}

static void vgif_holds(const void *arg)
{
	struct l2 l2;

	virq(&l2, vi_nops, true);
	l2.vmcb->c.int_ctl |= V_GIF_ENABLE;
	expect_held(&l2);
	virq(&l2, vi_nops, true);
	l2.vmcb->c.int_ctl |= V_GIF_ENABLE | V_GIF;
	expect_virq(&l2, vi_nops);
	virq(&l2, vi_stgi, true);
	l2.vmcb->c.int_ctl |= V_GIF_ENABLE;
	expect_virq(&l2, vi_stgi + 3);
}

static void vgif_intercept(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, vi_clgi);
	l2.vmcb->c.int_ctl |= V_GIF_ENABLE | V_GIF;
	l2_intercept2(&l2, I2_CLGI);
	if (l2_expect(&l2, X_CLGI))
		CHECK_EQ(l2.vmcb->c.int_ctl & V_GIF, V_GIF);
	l2_init_at(&l2, vi_stgi);
	l2.vmcb->c.int_ctl |= V_GIF_ENABLE;
	l2_intercept2(&l2, I2_STGI);
	if (l2_expect(&l2, X_STGI))
		CHECK_EQ(l2.vmcb->c.int_ctl & V_GIF, 0);
}

/* Not intercepted and without virtual GIF: L1 is still there afterwards. */
static void gif_passed(const void *arg)
{
	struct cpu *c = this_cpu();
	struct l2 l2;
	u32 n;

	l2_init_at(&l2, vi_clgi_stgi);
	if (l2_expect_done(&l2))
		CHECK_EQ(l2.vmcb->s.rip, vi_clgi_stgi_end);
	n = c->irqs[VEC_IPI];
	apic_self(VEC_IPI);
	irq_on();
	delay_us(100);
	irq_off();
	CHECK_EQ(c->irqs[VEC_IPI], n + 1);
}

/* ---- bits without a meaning here ---- */

static void undefined_bits(const void *arg)
{
	static const u8 bits[] = { 9, 10, 11, 12, 13, 14, 15, 21, 22, 23, 25, 26, 27, 28, 29,
				   30, 31, 40, 41, 47, 48, 55, 63 };
	u64 mark = mem_mark();
	struct l2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		l2_init_at(&l2, vi_nops);
		l2.vmcb->c.int_ctl |= BIT(bits[i]);
		l2_run(&l2);
		if (l2.vmcb->c.exitcode != X_VMMCALL && l2.vmcb->c.exitcode != X_INVALID)
			FAIL("int_ctl bit %u: exit %llx", bits[i], l2.vmcb->c.exitcode);
		else if (l2.vmcb->c.exitcode == X_VMMCALL && l2.vmcb->s.rip != (u64)vi_nops_end)
			FAIL("int_ctl bit %u: L2 at %llx", bits[i], l2.vmcb->s.rip);
		mem_reset(mark);
	}
}

/*
 * AVIC where it is not offered: L2's access to its APIC page goes through the
 * nested tables, and the pages the AVIC fields name stay as they are.
 */
static void avic_bits(const void *arg)
{
	static const u64 bits[] = { V_AVIC, V_X2AVIC, V_AVIC | V_X2AVIC };
	u64 mark = mem_mark();
	struct l2 l2;
	u32 i, j;

	if (cpu_features & F_AVIC) {
		t_skip("the CPU offers AVIC");
		return;
	}
	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		u32 *page = alloc_page(), *backing = alloc_pages(3);
		u64 *npt = pt_new_identity();

		*pt_split(npt, 0xfee00000, L_4K) = (u64)page | PT_P | PT_W | PT_U;
		page[0x80 / 4] = 0x1234;
		memset(backing, 0x5a, 3 * PAGE_SIZE);
		l2_init_at(&l2, vi_apic);
		l2.vmcb->c.n_cr3 = (u64)npt;
		l2.vmcb->c.int_ctl |= bits[i];
		l2.vmcb->c.avic_apic_bar = 0xfee00000;
		l2.vmcb->c.avic_backing_page = (u64)backing;
		l2.vmcb->c.avic_logical = (u64)backing + PAGE_SIZE;
		l2.vmcb->c.avic_physical = (u64)backing + 2 * PAGE_SIZE;
		l2.vmcb->s.rax = 0xfee00080;
		l2.rdx = 0x4321;
		l2_run(&l2);
		for (j = 0; j < 3 * PAGE_SIZE / 4; j++)
			if (backing[j] != 0x5a5a5a5a)
				FAIL("AVIC page changed at %x", j * 4);
		if (l2.vmcb->c.exitcode != X_INVALID) {
			CHECK_EQ(l2.vmcb->c.exitcode, X_VMMCALL);
			CHECK_EQ(l2.rbx, 0x1234);
			CHECK_EQ(page[0x80 / 4], 0x4321);
		}
		mem_reset(mark);
	}
}

static const struct l1_test tests[] = {
	{ "delivered", 0, delivered, NULL },
	{ "vectors", 0, vectors, NULL },
	{ "if_clear", 0, if_clear, NULL },
	{ "priorities", 0, priorities, NULL },
	{ "ign_tpr", 0, ign_tpr, NULL },
	{ "cr8_opens", 0, cr8_opens, NULL },
	{ "intercept", 0, intercepted, NULL },
	{ "after_eventinj", 0, after_eventinj, NULL },
	{ "shadow", 0, shadow, NULL },
	{ "shadow_reported", 0, shadow_reported, NULL },
	{ "wakes_hlt", 0, wakes_hlt, NULL },
	{ "vgif_toggle", F_VGIF, vgif_toggle, NULL },
	{ "vgif_holds", F_VGIF, vgif_holds, NULL },
	{ "vgif_intercept", F_VGIF, vgif_intercept, NULL },
	{ "gif_passed", 0, gif_passed, NULL },
	{ "undefined_bits", 0, undefined_bits, NULL },
	{ "avic_bits", F_NPT, avic_bits, NULL },
};

const struct test_group group_vintr = { "vintr", tests, ARRAY_SIZE(tests), false };
