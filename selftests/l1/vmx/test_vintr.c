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

VL2_ASM(a_cli_spin, "cli; mov $20000,%ecx; 1: dec %ecx; jnz 1b");
VL2_ASM(a_lower_twice, "mov %rcx,%cr8; nop; xor %ecx,%ecx; mov %rcx,%cr8; nop");
VL2_ASM(a_sti_late, "mov %eax,(%rbx); nop; nop; sti; nop; nop");

/*
 * A host interrupt is not to let it in while IF is clear: neither before the exit nor with the
 * entry after it.
 */
static void vintr_host_irq(const void *arg)
{
	struct vl2 l2;
	struct va v;
	u32 n;

	va_case(&l2, &v, a_cli_spin, PROC2_VINTR);
	vw_set(GUEST_RFLAGS, FL_IF);
	*reg(&v, V_TPR_REG) = 0xf0;
	set_irr(&v, 0x81);
	vw(GUEST_INTR_STATUS, 0x81);
	ctl_clear(CTRL_EXIT, EXIT_ACK_INTR);
	for (n = 0; n < 3; n++) {
		apic_self(VEC_IPI);
		if (!vl2_expect(&l2, R_EXT_INT))
			return;
		CHECK_EQ(vr(GUEST_INTR_STATUS), 0x81);
		CHECK(bit_of(&v, V_IRR, 0x81));
		/* From now on IF alone holds it. */
		*reg(&v, V_TPR_REG) = 0;
		vw_clear(GUEST_RFLAGS, FL_IF);
		if (t_departs("if0"))
			return;
	}
	vl2_expect_done(&l2);
	CHECK_EQ(vr(GUEST_INTR_STATUS), 0x81);
}

/* TPR comes down in two steps, and the second opens; VPPR follows TPR. */
static void vintr_tpr_steps(const void *arg)
{
	struct l2_frame fr;
	struct vl2 l2;
	struct va v;

	va_case(&l2, &v, a_lower_twice, PROC2_VINTR);
	set_irr(&v, 0x81);
	*reg(&v, V_TPR_REG) = 0xf0;
	vw(GUEST_INTR_STATUS, 0x81);
	vw_set(GUEST_RFLAGS, FL_IF);
	l2.rcx = 8;
	if (vl2_expect_trap(&l2, 0x81, &fr))
		CHECK_EQ(vr(GUEST_INTR_STATUS), 0x8100);
	CHECK_EQ(l2.rcx, 0);
	/* Not enough: it stays, and VPPR is TPR. */
	va_case(&l2, &v, a_to_cr8, PROC2_VINTR);
	set_irr(&v, 0x81);
	*reg(&v, V_TPR_REG) = 0xf0;
	vw(GUEST_INTR_STATUS, 0x81);
	vw_set(GUEST_RFLAGS, FL_IF);
	l2.rcx = 9;
	if (vl2_expect_done(&l2)) {
		CHECK_EQ(vr(GUEST_INTR_STATUS), 0x81);
		CHECK_EQ(*reg(&v, V_PPR), 0x90);
	}
	/* The TPR threshold is no business of a CPU that delivers. */
	va_case(&l2, &v, a_to_cr8, PROC2_VINTR);
	*reg(&v, V_TPR_REG) = 0xf0;
	vw(CTRL_TPR_THRESHOLD, 5);
	l2.rcx = 1;
	vl2_expect_done(&l2);
}

/* After the EOI of one the next is delivered, and an EOI exit leaves it for the next entry. */
static void vintr_eoi_next(const void *arg)
{
	struct vl2 l2;
	struct va v;

	va_case(&l2, &v, a_sti_late, PROC2_VINTR | PROC2_APIC_ACCESS);
	*reg(&v, V_ISR + 0x40) = 1u << 1;		/* 81h */
	set_irr(&v, 0x52);
	vw(GUEST_INTR_STATUS, 0x8152);
	l2.rbx += V_EOI;
	l2.rax = 0;
	if (vl2_expect_trap(&l2, 0x52, NULL)) {
		CHECK_EQ(vr(GUEST_INTR_STATUS), 0x5200);
		CHECK(!bit_of(&v, V_ISR, 0x81));
		CHECK(bit_of(&v, V_ISR, 0x52));
	}
	va_case(&l2, &v, a_sti_late, PROC2_VINTR | PROC2_APIC_ACCESS);
	*reg(&v, V_ISR + 0x40) = 1u << 1;
	set_irr(&v, 0x52);
	vw(GUEST_INTR_STATUS, 0x8152);
	vw(CTRL_EOI_2, 1u << 1);
	l2.rbx += V_EOI;
	l2.rax = 0;
	if (vl2_expect(&l2, R_EOI)) {
		CHECK_EQ(vr(EXIT_QUAL), 0x81);
		CHECK_EQ(vr(GUEST_INTR_STATUS), 0x52);
		vl2_expect_trap(&l2, 0x52, NULL);
	}
}

/* ICR writes that are no self-IPI exit behind the instruction. */
static void vintr_icr_exits(const void *arg)
{
	static const u32 icrs[] = { 0x91, 0x4000f, 0x40491, 0x48091, 0xc0091 };
	u64 mark = mem_mark();
	struct vl2 l2;
	struct va v;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(icrs); i++) {
		va_case(&l2, &v, a_write, PROC2_VINTR | PROC2_APIC_ACCESS);
		l2.rbx += V_ICR;
		l2.rcx = icrs[i];
		if (vl2_expect(&l2, R_APIC_WRITE)) {
			CHECK_EQ(vr(EXIT_QUAL), V_ICR);
			CHECK_EQ(vr(GUEST_RIP), a_write_end);
			CHECK_EQ(*reg(&v, V_ICR), icrs[i]);
			CHECK_EQ(vr(GUEST_INTR_STATUS), 0);
		}
		vmcs_forget_all();
		mem_reset(mark);
	}
	/* Without APIC-register virtualisation every other register exits before. */
	va_case(&l2, &v, a_write, PROC2_VINTR | PROC2_APIC_ACCESS);
	l2.rbx += 0x320;
	if (vl2_expect(&l2, R_APIC_ACCESS))
		CHECK_EQ(vr(EXIT_QUAL), 0x1320);
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

/* The same by WRMSR; one exit stores an MSR, which takes L0 longer. */
static void vintr_eoi_msr(const void *arg)
{
	static const struct { u64 bitmap, val; bool list; } t[] = {
		{ 0, 0, false }, { 0, 1, false }, { 1u << 1, 0, false }, { 1u << 1, 0, true },
	};
	u64 mark = mem_mark();
	struct vl2 l2;
	struct va v;
	u64 *list;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		va_case(&l2, &v, a_wrmsr, PROC2_VINTR | PROC2_X2APIC);
		list = alloc_page();
		*reg(&v, V_ISR + 0x40) = 1u << 1;		/* 81h */
		*reg(&v, V_ISR + 0x20) = 1u << 3;		/* 43h */
		vw(GUEST_INTR_STATUS, 0x8100);
		vw(CTRL_EOI_2, t[i].bitmap);
		list[0] = MSR_KGS_BASE;
		vw(CTRL_EXIT_MSR_STORE, (u64)list);
		vw(CTRL_EXIT_STORE_COUNT, t[i].list);
		l2.rcx = 0x80b;
		l2.rax = t[i].val;
		l2.rdx = 0;
		if (t[i].val) {
			vl2_expect_trap(&l2, V_GP, NULL);
			CHECK_EQ(vr(GUEST_INTR_STATUS), 0x8100);
		} else if (t[i].bitmap ? vl2_expect(&l2, R_EOI) : vl2_expect_done(&l2)) {
			if (t[i].bitmap)
				CHECK_EQ(vr(EXIT_QUAL), 0x81);
			CHECK_EQ(vr(GUEST_INTR_STATUS), 0x4300);
			CHECK(!bit_of(&v, V_ISR, 0x81));
			CHECK(bit_of(&v, V_ISR, 0x43));
			CHECK_EQ(*reg(&v, V_PPR), 0x40);
		}
		vmcs_forget_all();
		mem_reset(mark);
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
	/* Halted at the entry */
	if (!(cpu_features & VF_HLT))
		return;
	va_case(&l2, &v, a_nop, PROC2_VINTR);
	vw(GUEST_ACTIVITY, ACT_HLT);
	vw_set(GUEST_RFLAGS, FL_IF);
	set_irr(&v, 0x81);
	vw(GUEST_INTR_STATUS, 0x81);
	if (vl2_expect_trap(&l2, 0x81, NULL))
		CHECK_EQ(vr(GUEST_ACTIVITY), ACT_ACTIVE);
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

/* All that is above RVI or not; a descriptor that no memory is behind holds no requests. */
static void posted_bad(const void *arg)
{
	struct pi_desc *d;
	struct vl2 l2;
	struct va v;

	d = posted(&l2, &v, a_spin);
	d->pir[0] = 1ull << 0x3f;
	d->pir[1] = 1u;
	d->pir[3] = 1ull << 63;
	d->on = 1;
	*reg(&v, V_TPR_REG) = 0xf0;
	vw(GUEST_INTR_STATUS, 0x50);
	set_irr(&v, 0x50);
	apic_self(VEC_IPI2);
	watchdog_arm();
	apic_timer(VEC_IPI, 200000);
	if (vl2_expect(&l2, R_EXT_INT)) {
		CHECK_EQ(vr(GUEST_INTR_STATUS), 0xff);
		CHECK(bit_of(&v, V_IRR, 0x3f) && bit_of(&v, V_IRR, 0x40) && bit_of(&v, V_IRR, 0x50) &&
		      bit_of(&v, V_IRR, 0xff));
		CHECK_EQ(d->on & 1, 0);
		apic_eoi();
	}
	watchdog_arm();
	if (t_departs("no_ram"))
		return;
	posted(&l2, &v, a_spin);
	vw(CTRL_PI_DESC, 0x3fffffc0);	/* beyond RAM */
	apic_self(VEC_IPI2);
	apic_timer(VEC_IPI, 200000);
	if (vl2_expect(&l2, R_EXT_INT)) {
		CHECK_EQ(vr(GUEST_INTR_STATUS), 0);
		apic_eoi();
	}
	watchdog_arm();
}

static const struct l1_test tests[] = {
	{ "deliver", VF_VINTR, vintr_deliver, NULL },
	{ "held", VF_VINTR, vintr_held, NULL },
	{ "window", VF_VINTR, vintr_window, NULL },
	{ "eoi", VF_VINTR | VF_APICACC, vintr_eoi, NULL },
	{ "eoi_msr", VF_VINTR | VF_X2APIC | VF_MSRBMP, vintr_eoi_msr, NULL },
	{ "self_ipi", VF_VINTR | VF_APICACC | VF_APICREG, vintr_self_ipi, NULL },
	{ "hlt", VF_VINTR, vintr_hlt, NULL },
	{ "host_irq", VF_VINTR, vintr_host_irq, NULL },
	{ "tpr_steps", VF_VINTR, vintr_tpr_steps, NULL },
	{ "eoi_next", VF_VINTR | VF_APICACC, vintr_eoi_next, NULL },
	{ "icr_exits", VF_VINTR | VF_APICACC, vintr_icr_exits, NULL },
	{ "posted", VF_POSTED, posted_deliver, NULL },
	{ "posted_bad", VF_POSTED, posted_bad, NULL },
};

const struct test_group group_vmx_vintr = { "vmx_vintr", tests, ARRAY_SIZE(tests), false };
