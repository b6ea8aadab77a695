// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtual-interrupt delivery, EOI exits, posted interrupts (SDM volume 3, "Evaluation
 * and Delivery of Virtual Interrupts", "EOI Virtualization", "Posted-Interrupt Processing").
 */
#include "vmx/apic_case.h"

extern const char a_nop[], a_to_cr8[], a_write[], a_write_end[], a_wrmsr[];
VL2_ASM(a_sti, "sti; nop; nop");
VL2_ASM(a_spin, "1: pause; jmp 1b");
VL2_ASM(a_hlt, "sti; hlt; nop");

static void set_irr(struct va *v, u8 vec)
{
	*reg(v, V_IRR + (vec >> 5) * 0x10) |= 1u << (vec & 31);
}

static bool bit_of(struct va *v, u32 off, u8 vec)
{
	return *reg(v, off + (vec >> 5) * 0x10) >> (vec & 31) & 1;
}

/* RVI at the entry, interrupts open: delivered, with the bookkeeping */
static void vintr_deliver(const void *arg)
{
	struct vl2 l2;
	struct va v;

	va_case(&l2, &v, a_nop, PROC2_VINTR);
	set_irr(&v, 0x81);
	vw(GUEST_INTR_STATUS, 0x81);
	vw_set(GUEST_RFLAGS, FL_IF);
	if (vl2_expect_trap(&l2, 0x81, NULL)) {
		CHECK_EQ(vr(GUEST_INTR_STATUS), 0x8100);
		CHECK(bit_of(&v, V_ISR, 0x81));
		CHECK(!bit_of(&v, V_IRR, 0x81));
		CHECK_EQ(*reg(&v, V_PPR), 0x80);
	}
}

/* Held by IF until STI, by the priority of what is in service, by the TPR */
static void vintr_held(const void *arg)
{
	struct vl2 l2;
	struct va v;

	va_case(&l2, &v, a_nop, PROC2_VINTR);
	set_irr(&v, 0x81);
	vw(GUEST_INTR_STATUS, 0x81);
	vl2_expect_done(&l2);
	CHECK_EQ(vr(GUEST_INTR_STATUS), 0x81);
	va_case(&l2, &v, a_sti, PROC2_VINTR);
	set_irr(&v, 0x81);
	vw(GUEST_INTR_STATUS, 0x81);
	vl2_expect_trap(&l2, 0x81, NULL);
	/* Same class in service */
	va_case(&l2, &v, a_nop, PROC2_VINTR);
	set_irr(&v, 0x81);
	vw(GUEST_INTR_STATUS, 0x8581);
	vw_set(GUEST_RFLAGS, FL_IF);
	vl2_expect_done(&l2);
	va_case(&l2, &v, a_nop, PROC2_VINTR);
	set_irr(&v, 0x81);
	*reg(&v, V_TPR_REG) = 0x80;
	vw(GUEST_INTR_STATUS, 0x81);
	vw_set(GUEST_RFLAGS, FL_IF);
	vl2_expect_done(&l2);
	/* Opened by a CR8 write */
	va_case(&l2, &v, a_to_cr8, PROC2_VINTR);
	set_irr(&v, 0x81);
	*reg(&v, V_TPR_REG) = 0x80;
	vw(GUEST_INTR_STATUS, 0x81);
	vw_set(GUEST_RFLAGS, FL_IF);
	l2.rcx = 7;
	vl2_expect_trap(&l2, 0x81, NULL);
}

/* With an interrupt window asked for it is not delivered. */
static void vintr_window(const void *arg)
{
	struct vl2 l2;
	struct va v;

	va_case(&l2, &v, a_nop, PROC2_VINTR);
	set_irr(&v, 0x81);
	vw(GUEST_INTR_STATUS, 0x81);
	vw_set(GUEST_RFLAGS, FL_IF);
	ctl_set(CTRL_PROC, PROC_INTR_WINDOW);
	if (vl2_expect(&l2, R_INTR_WINDOW))
		CHECK_EQ(vr(GUEST_INTR_STATUS), 0x81);
}

/* EOI: the next lower one is in service, and the exit bitmap decides. */
static void vintr_eoi(const void *arg)
{
	struct vl2 l2;
	struct va v;

	va_case(&l2, &v, a_write, PROC2_VINTR | PROC2_APIC_ACCESS);
	*reg(&v, V_ISR + 0x40) = 1u << 1;		/* 81h */
	*reg(&v, V_ISR + 0x20) = 1u << 3;		/* 43h */
	vw(GUEST_INTR_STATUS, 0x8100);
	l2.rbx += V_EOI;
	l2.rcx = 0;
	if (vl2_expect_done(&l2)) {
		CHECK_EQ(vr(GUEST_INTR_STATUS), 0x4300);
		CHECK(!bit_of(&v, V_ISR, 0x81));
		CHECK(bit_of(&v, V_ISR, 0x43));
		CHECK_EQ(*reg(&v, V_PPR), 0x40);
	}
	/* In the bitmap: exit behind the instruction, with the vector */
	va_case(&l2, &v, a_write, PROC2_VINTR | PROC2_APIC_ACCESS);
	*reg(&v, V_ISR + 0x40) = 1u << 1;
	vw(GUEST_INTR_STATUS, 0x8100);
	vw(CTRL_EOI_2, 1u << 1);
	l2.rbx += V_EOI;
	l2.rcx = 0;
	if (vl2_expect(&l2, R_EOI)) {
		CHECK_EQ(vr(EXIT_QUAL), 0x81);
		CHECK_EQ(vr(GUEST_RIP), a_write_end);
		CHECK_EQ(vr(GUEST_INTR_STATUS), 0);
		CHECK(!bit_of(&v, V_ISR, 0x81));
	}
}

/* Self-IPI by ICR and by the x2APIC register */
static void vintr_self_ipi(const void *arg)
{
	struct vl2 l2;
	struct va v;

	va_case(&l2, &v, a_write, PROC2_VINTR | PROC2_APIC_ACCESS | PROC2_APIC_REGS);
	l2.rbx += V_ICR;
	l2.rcx = 0x40000 | 0x91;
	vw_set(GUEST_RFLAGS, FL_IF);
	vl2_expect_trap(&l2, 0x91, NULL);
	va_case(&l2, &v, a_wrmsr, PROC2_VINTR | PROC2_X2APIC);
	l2.rcx = 0x83f;
	l2.rax = 0x92;
	vw_set(GUEST_RFLAGS, FL_IF);
	if (cpu_features & VF_X2APIC)
		vl2_expect_trap(&l2, 0x92, NULL);
}

static void vintr_hlt(const void *arg)
{
	struct vl2 l2;
	struct va v;

	va_case(&l2, &v, a_hlt, PROC2_VINTR);
	ctl_clear(CTRL_PROC, PROC_HLT);
	set_irr(&v, 0x81);
	vw(GUEST_INTR_STATUS, 0x81);
	vl2_expect_trap(&l2, 0x81, NULL);
}

/* ---- posted interrupts ---- */

struct pi_desc { u64 pir[4]; u64 on; u64 rsvd[3]; };

static struct pi_desc *posted(struct vl2 *l2, struct va *v, const char *code)
{
	struct pi_desc *d = alloc_page();

	va_case(l2, v, code, PROC2_VINTR);
	ctl_set(CTRL_PIN, PIN_POSTED_INTR);
	ctl_set(CTRL_EXIT, EXIT_ACK_INTR);
	vw(CTRL_POSTED_VEC, VEC_IPI2);
	vw(CTRL_PI_DESC, (u64)d);
	vw_set(GUEST_RFLAGS, FL_IF);
	return d;
}

static void posted_deliver(const void *arg)
{
	struct pi_desc *d;
	struct vl2 l2;
	struct va v;

	d = posted(&l2, &v, a_spin);
	d->pir[2] = 1u << 5;	/* 85h */
	d->on = 1;
	apic_self(VEC_IPI2);
	if (vl2_expect_trap(&l2, 0x85, NULL)) {
		CHECK_EQ(d->on & 1, 0);
		CHECK_EQ(d->pir[2], 0);
		CHECK_EQ(vr(GUEST_INTR_STATUS), 0x8500);
	}
	/* Another vector than the notification's: an exit */
	d = posted(&l2, &v, a_spin);
	apic_self(VEC_IPI);
	if (vl2_expect(&l2, R_EXT_INT)) {
		CHECK_EQ(vr(EXIT_INTR_INFO), EV_ON | EV_HW_INTR | VEC_IPI);
		apic_eoi();
	}
}

static const struct l1_test tests[] = {
	{ "deliver", VF_VINTR, vintr_deliver, NULL },
	{ "held", VF_VINTR, vintr_held, NULL },
	{ "window", VF_VINTR, vintr_window, NULL },
	{ "eoi", VF_VINTR | VF_APICACC, vintr_eoi, NULL },
	{ "self_ipi", VF_VINTR | VF_APICACC | VF_APICREG, vintr_self_ipi, NULL },
	{ "hlt", VF_VINTR, vintr_hlt, NULL },
	{ "posted", VF_POSTED, posted_deliver, NULL },
};

const struct test_group group_vmx_vintr = { "vmx_vintr", tests, ARRAY_SIZE(tests), false };
