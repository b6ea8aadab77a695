// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events that L1 injects, and events whose delivery causes an exit (SDM volume 3,
 * "Event Injection", "Information for VM Exits That Occur During Event Delivery").
 */
#include "vmx/vmx.h"

VL2_ASM(j_nop, "nop; nop");
VL2_ASM(j_int, "int $0x90");
VL2_ASM(j_int3, "int3");
VL2_ASM(j_pf, "mov (%rax),%rcx");
VL2_ASM(j_ud, "ud2");

#define UNMAPPED 0x180000000ull

struct event { u32 info, err; u8 len; };

static const struct event all[] = {
	{ EV_HW_INTR | 0x80, 0, 0 },
	{ EV_VNMI | 2, 0, 0 },
	{ EV_HW_EXC | V_DE, 0, 0 },
	{ EV_HW_EXC | V_UD, 0, 0 },
	{ EV_HW_EXC | V_DF | EV_CODE, 0, 0 },
	{ EV_HW_EXC | V_GP | EV_CODE, 0x1234, 0 },
	{ EV_HW_EXC | V_PF | EV_CODE, 0x6, 0 },
	{ EV_HW_EXC | V_AC | EV_CODE, 0, 0 },
	{ EV_HW_EXC | 31, 0, 0 },
	{ EV_SW_INTR | 0x90, 0, 2 },
	{ EV_SW_INTR | 0x90, 0, 15 },
	{ EV_SW_EXC | V_BP, 0, 1 },
	{ EV_SW_EXC | V_OF, 0, 3 },
	{ EV_PRIV_SW_EXC | V_DB, 0, 1 },
	/* Where IA32_VMX_MISC says so, at RIP itself; these stay the last. */
	{ EV_SW_INTR | 0x90, 0, 0 },
	{ EV_SW_EXC | V_BP, 0, 0 },
	{ EV_PRIV_SW_EXC | V_DB, 0, 0 },
};

static u32 nr_events(void)
{
	return ARRAY_SIZE(all) - (cpu_features & VF_LEN0 ? 0 : 3);
}

static void set_event(const struct event *e)
{
	vw(CTRL_ENTRY_INFO, EV_ON | e->info);
	vw(CTRL_ENTRY_ERROR, e->err);
	vw(CTRL_ENTRY_LEN, e->len);
	if ((e->info & EV_OTHER) == EV_HW_INTR)
		vw_set(GUEST_RFLAGS, FL_IF);
}

static void check_frame(const struct event *e, const struct l2_frame *fr, bool user)
{
	CHECK_EQ(fr->rip, (u64)j_nop + e->len);
	CHECK_EQ(fr->err, e->info & EV_CODE ? e->err : 0);
	CHECK_EQ(fr->cs, user ? SEL_UCS : SEL_CS);
	CHECK_EQ(fr->ss, user ? SEL_UDS : SEL_DS);
}

static void types(const void *arg)
{
	u64 mark = mem_mark(), rsp;
	struct l2_frame fr;
	struct vl2 l2;
	u32 i;

	for (i = 0; i < nr_events(); i++) {
		vl2_init_at(&l2, j_nop);
		set_event(&all[i]);
		/* Injected events are not subject to the exception bitmap. */
		vw(CTRL_EXCEPTIONS, 0xffffffff);
		rsp = vr(GUEST_RSP);
		__asm__ volatile("mov %0,%%cr2" : : "r"(0x5678ull));
		if (vl2_expect_trap(&l2, all[i].info & 0xff, &fr)) {
			check_frame(&all[i], &fr, false);
			CHECK_EQ(fr.rsp, rsp);
			/* Used up: only the valid bit goes. */
			CHECK_EQ(vr(CTRL_ENTRY_INFO), all[i].info);
			CHECK_EQ(read_cr2(), 0x5678);
			CHECK_EQ(vr(IDT_INFO) & EV_ON, 0);
		}
		if (t_failed())
			FAIL("event %x", all[i].info);
		vmcs_forget_all();
		mem_reset(mark);
	}
}

/* From CPL 3 to the stack in L2's TSS */
static void user(const void *arg)
{
	u64 mark = mem_mark();
	struct l2_frame fr;
	struct vl2 l2;
	u32 i;

	for (i = 0; i < nr_events(); i++) {
		/* INT n needs a gate of DPL 3, as INT3's is. */
		if ((all[i].info & EV_OTHER) == EV_SW_INTR || (all[i].info & 0xff) == V_OF)
			continue;
		vl2_init_at(&l2, j_nop);
		vl2_set_user(&l2);
		set_event(&all[i]);
		if (vl2_expect_trap(&l2, all[i].info & 0xff, &fr)) {
			check_frame(&all[i], &fr, true);
			CHECK_EQ(vr(GUEST_SS_SEL) & 3, 0);
			CHECK_EQ(vr(GUEST_CS_SEL), SEL_CS);
		}
		vmcs_forget_all();
		mem_reset(mark);
	}
	/* The gate's DPL counts for software events. */
	vl2_init_at(&l2, j_nop);
	vl2_set_user(&l2);
	set_event(&all[9]);
	if (vl2_expect_trap(&l2, V_GP, &fr))
		CHECK_EQ(fr.err, 0x90 * 8 + 2);
}

/* The handler finds IF and TF clear and may return. */
static void returns(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, j_nop);
	set_event(&all[0]);
	if (!vl2_expect_trap(&l2, 0x80, NULL))
		return;
	CHECK_EQ(vr(GUEST_RFLAGS) & FL_IF, 0);
	vl2_trap_return(&l2);
	if (vl2_expect_done(&l2)) {
		CHECK_EQ(vr(GUEST_RIP), j_nop_end);
		CHECK_EQ(vr(GUEST_RFLAGS) & FL_IF, FL_IF);
	}
}

/* An injected NMI blocks further ones until IRET. */
static void nmi_blocking(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, j_nop);
	ctl_set(CTRL_PIN, PIN_NMI | PIN_VIRTUAL_NMI);
	vw(CTRL_ENTRY_INFO, EV_ON | EV_VNMI | 2);
	if (!vl2_expect_trap(&l2, 2, NULL))
		return;
	CHECK_EQ(vr(GUEST_INTERRUPTIBILITY), BLOCK_NMI);
	vl2_trap_return(&l2);
	if (vl2_expect_done(&l2))
		CHECK_EQ(vr(GUEST_INTERRUPTIBILITY), 0);
}

/* Blocking by MOV SS or STI ends with the injection of what it does not forbid. */
static void ends_blocking(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, j_nop);
	vw(GUEST_INTERRUPTIBILITY, BLOCK_MOV_SS);
	vw(CTRL_ENTRY_INFO, EV_ON | EV_HW_EXC | V_UD);
	if (vl2_expect_trap(&l2, V_UD, NULL))
		CHECK_EQ(vr(GUEST_INTERRUPTIBILITY), 0);
}

/* ---- delivery that exits ---- */

/* An EPT of its own, where one page of L2 is missing */
static u64 *hide(struct vl2 *l2, u64 page)
{
	u64 *root = ept_new(), *e = ept_entry(root, page, L_4K);

	*e = 0;
	vw(CTRL_EPTP, eptp_of(root));
	ept_flush(root);
	return e;
}

static void check_vectoring(u32 info, u32 err, u8 len)
{
	CHECK_EQ(vr(IDT_INFO), EV_ON | info);
	if (info & EV_CODE)
		CHECK_EQ(vr(IDT_ERROR), err);
	if (len)
		CHECK_EQ(vr(EXIT_LEN), len);
	CHECK_EQ(vr(EXIT_INTR_INFO) & EV_ON, 0);
}

/* EPT violation on the IDT: the event is reported, and goes in when given again. */
static void vectoring(const void *arg)
{
	bool on_stack = arg;
	u64 mark = mem_mark();
	struct l2_frame fr;
	struct vl2 l2;
	u32 i;

	for (i = 0; i < nr_events(); i++) {
		u64 page, *e, rsp;

		if (all[i].info == (EV_PRIV_SW_EXC | V_DB) && t_departs("int1"))
			continue;

		vl2_init_at(&l2, j_nop);
		/* Not the top of the page, so that one page has all of the frame */
		rsp = (u64)l2.stack + 0x1800;
		vw(GUEST_RSP, rsp);
		page = on_stack ? rsp & ~0xfffull : (u64)l2_idt;
		e = hide(&l2, page);
		set_event(&all[i]);
		vw(CTRL_EXCEPTIONS, 0);
		if (vl2_expect(&l2, R_EPT_VIOLATION)) {
			CHECK_EQ(vr(GUEST_PHYSICAL) & ~0xfffull, page);
			CHECK_EQ(vr(EXIT_QUAL) & (EQ_READ | EQ_WRITE | EQ_FETCH),
				 on_stack ? EQ_WRITE : EQ_READ);
			CHECK_EQ(vr(EXIT_QUAL) & (EQ_GLA | EQ_FINAL), EQ_GLA | EQ_FINAL);
			check_vectoring(all[i].info, all[i].err, all[i].len);
			CHECK_EQ(vr(GUEST_RIP), j_nop);
			CHECK_EQ(vr(GUEST_RSP), rsp);
		}
		*e = page | EPT_RWX | EPT_WB;
		ept_flush((u64 *)(vr(CTRL_EPTP) & ~0xfffull));
		set_event(&all[i]);
		if (vl2_expect_trap(&l2, all[i].info & 0xff, &fr))
			check_frame(&all[i], &fr, false);
		if (t_failed())
			FAIL("event %x", all[i].info);
		vmcs_forget_all();
		mem_reset(mark);
	}
}

/* The same for events that L2 raises itself */
static void vectoring_own(const void *arg)
{
	static const struct { const char *code; struct event e; } rows[] = {
		{ j_int, { EV_SW_INTR | 0x90, 0, 2 } },
		{ j_int3, { EV_SW_EXC | V_BP, 0, 1 } },
		{ j_ud, { EV_HW_EXC | V_UD, 0, 0 } },
		{ j_pf, { EV_HW_EXC | V_PF | EV_CODE, 0, 0 } },
	};
	u64 mark = mem_mark();
	struct vl2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		vl2_init_at(&l2, rows[i].code);
		hide(&l2, (u64)l2_idt);
		l2.rax = UNMAPPED;
		if (vl2_expect(&l2, R_EPT_VIOLATION)) {
			check_vectoring(rows[i].e.info, rows[i].e.err, rows[i].e.len);
			CHECK_EQ(vr(GUEST_RIP), rows[i].code);
			/* The page fault had got as far as CR2. */
			if (rows[i].code == j_pf)
				CHECK_EQ(read_cr2(), UNMAPPED);
		}
		vmcs_forget_all();
		mem_reset(mark);
	}
}

/* A fault in the delivery of what L1 injects, intercepted */
static void vectoring_gp(const void *arg)
{
	u64 mark = mem_mark();
	struct vl2 l2;
	u32 i;

	for (i = 0; i < nr_events(); i++) {
		u8 vec = all[i].info & 0xff;

		/* These and a #GP make #DF. */
		if (vec == V_DF || vec == V_GP || vec == V_PF || vec == V_DE)
			continue;
		if (all[i].info == (EV_PRIV_SW_EXC | V_DB) && t_departs("int1"))
			continue;
		vl2_init_at(&l2, j_nop);
		set_event(&all[i]);
		vw(GUEST_IDTR_LIMIT, 0);
		vw(CTRL_EXCEPTIONS, 1u << V_GP);
		if (vl2_expect(&l2, R_EXCEPTION)) {
			CHECK_EQ(vr(EXIT_INTR_INFO), EV_ON | EV_HW_EXC | EV_CODE | V_GP);
			CHECK_EQ(vr(EXIT_INTR_ERROR) & ~1u, vec * 8 + 2);
			CHECK_EQ(vr(IDT_INFO), EV_ON | all[i].info);
		}
		vmcs_forget_all();
		mem_reset(mark);
	}
	/* And #DF is not "during delivery". */
	vl2_init_at(&l2, j_nop);
	set_event(&all[5]);
	vw(GUEST_IDTR_LIMIT, 0);
	vw(CTRL_EXCEPTIONS, 1u << V_DF);
	if (vl2_expect(&l2, R_EXCEPTION)) {
		CHECK_EQ(vr(EXIT_INTR_INFO), EV_ON | EV_HW_EXC | EV_CODE | V_DF);
		CHECK_EQ(vr(IDT_INFO) & EV_ON, 0);
	}
}

static const struct l1_test tests[] = {
	{ "types", 0, types, NULL },
	{ "user", 0, user, NULL },
	{ "handler_returns", 0, returns, NULL },
	{ "nmi_blocking", VF_VNMI, nmi_blocking, NULL },
	{ "ends_blocking", 0, ends_blocking, NULL },
	{ "vectoring_idt", VF_EPT, vectoring, (void *)0 },
	{ "vectoring_stack", VF_EPT, vectoring, (void *)1 },
	{ "vectoring_own", VF_EPT, vectoring_own, NULL },
	{ "vectoring_gp", 0, vectoring_gp, NULL },
};

const struct test_group group_vmx_inject = { "vmx_inject", tests, ARRAY_SIZE(tests), false };
