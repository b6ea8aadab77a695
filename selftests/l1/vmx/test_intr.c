// SPDX-License-Identifier: GPL-2.0-only
/*
 * Physical interrupts and NMIs while L2 runs, interrupt and NMI windows, virtual
 * NMIs (SDM volume 3, "Other Causes of VM Exits", "Special Features of VM Entry").
 */
#include "vmx/vmx.h"

VL2_ASM(n_nop, "nop; nop");
VL2_ASM(n_sti, "sti; nop; n_after_sti: nop; nop");
VL2_ASM(n_cli_spin, "cli; 1: pause; jmp 1b");
VL2_ASM(n_mov_ss, "mov %eax,%ss; nop; n_after_ss: nop");
VL2_ASM(n_sti_hlt, "sti; hlt; .globl n_after_hlt; n_after_hlt: nop");
VL2_ASM(n_iret, "mov %rsp,%rax; push $0x10; push %rax; pushfq; push $0x8; lea n_back(%rip),%rbx\n"
		"push %rbx; iretq; n_back: nop; nop");
/* An NMI to itself by the local APIC (RBX: its page, EAX: its ID) */
VL2_ASM(n_send_nmi, "mov %eax,0x310(%rbx); movl $0x4400,0x300(%rbx); 1: pause; jmp 1b");
/* To a null code segment: #GP(0); and a plain one, whose stack may not be there. */
VL2_ASM(n_iret_null, "mov %rsp,%rax; push $0x10; push %rax; pushfq; push $0; push $0\n"
		     ".globl n_null_iretq; n_null_iretq: iretq");
VL2_ASM(n_iretq, "iretq");
extern const char n_null_iretq[];
extern const char n_after_sti[], n_after_ss[], n_after_hlt[], n_back[];

static void pend(void)
{
	this_cpu()->irqs[VEC_IPI] = 0;
	apic_self(VEC_IPI);
}

/* ---- external interrupts ---- */

static void ext_int(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, n_nop);
	vw_set(GUEST_RFLAGS, FL_IF);
	ctl_clear(CTRL_EXIT, EXIT_ACK_INTR);
	pend();
	if (vl2_expect(&l2, R_EXT_INT)) {
		CHECK_EQ(vr(EXIT_INTR_INFO) & EV_ON, 0);
		CHECK_EQ(vr(EXIT_QUAL), 0);
		CHECK_EQ(vr(GUEST_RIP), n_nop);
		CHECK_EQ(vr(IDT_INFO) & EV_ON, 0);
		/* It stayed pending, and the host took it. */
		CHECK_EQ(this_cpu()->irqs[VEC_IPI], 1);
	}
	vl2_expect_done(&l2);
}

static void ext_int_ack(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, n_nop);
	vw_set(GUEST_RFLAGS, FL_IF);
	ctl_set(CTRL_EXIT, EXIT_ACK_INTR);
	pend();
	if (vl2_expect(&l2, R_EXT_INT)) {
		CHECK_EQ(vr(EXIT_INTR_INFO), EV_ON | EV_HW_INTR | VEC_IPI);
		/* Acknowledged: in service, and not delivered by the IDT. */
		CHECK_EQ(this_cpu()->irqs[VEC_IPI], 0);
		CHECK_EQ(apic_read(0x100 + (VEC_IPI >> 5) * 0x10), 1u << (VEC_IPI & 31));
		apic_eoi();
	}
	/* Another exit leaves nothing there. */
	if (vl2_expect_done(&l2))
		CHECK_EQ(vr(EXIT_INTR_INFO) & EV_ON, 0);
}

/* Not exiting: L2's RFLAGS.IF decides, and L2's IDT takes it. */
static void ext_int_l2(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, n_nop);
	ctl_clear(CTRL_PIN, PIN_EXT_INT);
	vw_set(GUEST_RFLAGS, FL_IF);
	pend();
	if (vl2_expect_trap(&l2, VEC_IPI, NULL)) {
		CHECK_EQ(this_cpu()->irqs[VEC_IPI], 0);
		apic_eoi();
	}
	vl2_init_at(&l2, n_nop);
	ctl_clear(CTRL_PIN, PIN_EXT_INT);
	pend();
	if (vl2_expect_done(&l2))
		CHECK_EQ(this_cpu()->irqs[VEC_IPI], 1);
}

/* The exit does not look at L2's IF. */
static void ext_int_if0(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, n_nop);
	pend();
	if (vl2_expect(&l2, R_EXT_INT))
		CHECK_EQ(vr(GUEST_RIP), n_nop);
}

static void ext_int_if0_later(const void *arg)
{
	u32 later = APIC_LATER, tries = 0;
	struct vl2 l2;
	bool exits;

	/* Once more where L2 was not entered in time, as in vmx_state/hlt_in_l2. */
	do {
		vl2_init_at(&l2, n_cli_spin);
		vw_set(GUEST_RFLAGS, FL_IF);
		this_cpu()->irqs[VEC_IPI] = 0;
		apic_timer(VEC_IPI, later);
		exits = vl2_expect(&l2, R_EXT_INT);
		later *= 4;
	} while (exits && vr(GUEST_RIP) == (u64)n_cli_spin && tries++ < 4);
	if (exits) {
		CHECK_EQ(vr(GUEST_RFLAGS) & FL_IF, 0);
		CHECK_EQ(this_cpu()->irqs[VEC_IPI], 1);
	}
	watchdog_arm();
}

/* ---- windows ---- */

static void intr_window(const void *arg)
{
	struct vl2 l2;

	/* Open at the entry: before the first instruction */
	vl2_init_at(&l2, n_nop);
	vw_set(GUEST_RFLAGS, FL_IF);
	ctl_set(CTRL_PROC, PROC_INTR_WINDOW);
	if (vl2_expect(&l2, R_INTR_WINDOW)) {
		CHECK_EQ(vr(GUEST_RIP), n_nop);
		CHECK_EQ(vr(EXIT_QUAL), 0);
	}
	/* Closed, then opened by STI: after the instruction behind it */
	vl2_init_at(&l2, n_sti);
	ctl_set(CTRL_PROC, PROC_INTR_WINDOW);
	if (vl2_expect(&l2, R_INTR_WINDOW)) {
		CHECK_EQ(vr(GUEST_RIP), n_after_sti);
		CHECK_EQ(vr(GUEST_INTERRUPTIBILITY), 0);
	}
	/* Blocking by STI or MOV SS at the entry */
	vl2_init_at(&l2, n_nop);
	vw_set(GUEST_RFLAGS, FL_IF);
	vw(GUEST_INTERRUPTIBILITY, BLOCK_STI);
	ctl_set(CTRL_PROC, PROC_INTR_WINDOW);
	if (vl2_expect(&l2, R_INTR_WINDOW))
		CHECK_EQ(vr(GUEST_RIP), n_nop + 1);
	vl2_init_at(&l2, n_mov_ss);
	vw_set(GUEST_RFLAGS, FL_IF);
	vw(GUEST_INTERRUPTIBILITY, BLOCK_MOV_SS);
	l2.rax = SEL_DS;
	ctl_set(CTRL_PROC, PROC_INTR_WINDOW);
	if (vl2_expect(&l2, R_INTR_WINDOW))
		CHECK(vr(GUEST_RIP) == (u64)n_mov_ss + 2 || vr(GUEST_RIP) == (u64)n_after_ss);
	/* IF stays 0: no exit */
	vl2_init_at(&l2, n_nop);
	ctl_set(CTRL_PROC, PROC_INTR_WINDOW);
	vl2_expect_done(&l2);
}

/* It ends HLT as an interrupt would. */
static void intr_window_hlt(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, n_sti_hlt);
	ctl_set(CTRL_PROC, PROC_INTR_WINDOW);
	ctl_clear(CTRL_PROC, PROC_HLT);
	if (vl2_expect(&l2, R_INTR_WINDOW)) {
		CHECK_EQ(vr(GUEST_RIP), n_after_hlt);
		CHECK_EQ(vr(GUEST_ACTIVITY), ACT_HLT);
	}
}

/* An event that L1 injects comes before the window's exit. */
static void window_after_event(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, n_nop);
	vw_set(GUEST_RFLAGS, FL_IF);
	ctl_set(CTRL_PROC, PROC_INTR_WINDOW);
	vw(CTRL_ENTRY_INFO, EV_ON | EV_HW_INTR | 0x80);
	/* The handler runs with IF clear. */
	vl2_expect_trap(&l2, 0x80, NULL);
	vl2_trap_return(&l2);
	if (vl2_expect(&l2, R_INTR_WINDOW))
		CHECK_EQ(vr(GUEST_RIP), n_nop);
}

/* A window that is open comes before an interrupt that waits, which stays pending (and the host takes it). */
static void window_before_irq(const void *arg)
{
	const bool nmi = arg;
	struct vl2 l2;

	vl2_init_at(&l2, n_nop);
	vw_set(GUEST_RFLAGS, FL_IF);
	if (nmi)
		ctl_set(CTRL_PIN, PIN_NMI | PIN_VIRTUAL_NMI);
	ctl_set(CTRL_PROC, nmi ? PROC_NMI_WINDOW : PROC_INTR_WINDOW);
	pend();
	if (vl2_expect(&l2, nmi ? R_NMI_WINDOW : R_INTR_WINDOW)) {
		CHECK_EQ(vr(GUEST_RIP), n_nop);
		CHECK_EQ(vr(EXIT_INTR_INFO) & EV_ON, 0);
		CHECK_EQ(this_cpu()->irqs[VEC_IPI], 1);
	}
}

/* L2 is halted with the window open: it does not wait for anything, and is halted still. */
static void nmi_window_hlt(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, n_nop);
	ctl_set(CTRL_PIN, PIN_NMI | PIN_VIRTUAL_NMI);
	ctl_set(CTRL_PROC, PROC_NMI_WINDOW);
	vw(GUEST_ACTIVITY, ACT_HLT);
	if (vl2_expect(&l2, R_NMI_WINDOW)) {
		CHECK_EQ(vr(GUEST_RIP), n_nop);
		CHECK_EQ(vr(GUEST_ACTIVITY), ACT_HLT);
	}
}

static void intr_window_halted(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, n_nop);
	vw_set(GUEST_RFLAGS, FL_IF);
	ctl_set(CTRL_PROC, PROC_INTR_WINDOW);
	vw(GUEST_ACTIVITY, ACT_HLT);
	if (vl2_expect(&l2, R_INTR_WINDOW)) {
		CHECK_EQ(vr(GUEST_RIP), n_nop);
		CHECK_EQ(vr(GUEST_ACTIVITY), ACT_HLT);
	}
}

static void nmi_window(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, n_nop);
	ctl_set(CTRL_PIN, PIN_NMI | PIN_VIRTUAL_NMI);
	ctl_set(CTRL_PROC, PROC_NMI_WINDOW);
	if (vl2_expect(&l2, R_NMI_WINDOW))
		CHECK_EQ(vr(GUEST_RIP), n_nop);
	/* Blocked: not before IRET */
	vl2_init_at(&l2, n_iret);
	ctl_set(CTRL_PIN, PIN_NMI | PIN_VIRTUAL_NMI);
	ctl_set(CTRL_PROC, PROC_NMI_WINDOW);
	vw(GUEST_INTERRUPTIBILITY, BLOCK_NMI);
	if (vl2_expect(&l2, R_NMI_WINDOW)) {
		CHECK_EQ(vr(GUEST_RIP), n_back);
		CHECK_EQ(vr(GUEST_INTERRUPTIBILITY), 0);
	}
	/* Blocking by MOV SS holds it for one instruction. */
	vl2_init_at(&l2, n_nop);
	ctl_set(CTRL_PIN, PIN_NMI | PIN_VIRTUAL_NMI);
	ctl_set(CTRL_PROC, PROC_NMI_WINDOW);
	vw(GUEST_INTERRUPTIBILITY, BLOCK_MOV_SS);
	if (vl2_expect(&l2, R_NMI_WINDOW))
		CHECK_EQ(vr(GUEST_RIP), n_nop + 1);
	/* Never: the blocking is seen in the exit. */
	vl2_init_at(&l2, n_nop);
	ctl_set(CTRL_PIN, PIN_NMI | PIN_VIRTUAL_NMI);
	ctl_set(CTRL_PROC, PROC_NMI_WINDOW);
	vw(GUEST_INTERRUPTIBILITY, BLOCK_NMI);
	if (vl2_expect_done(&l2))
		CHECK_EQ(vr(GUEST_INTERRUPTIBILITY), BLOCK_NMI);
}

/* Blocking that an IRET ended which then faulted: not in the state, but told (@arg: by #GP or by EPT). */
static void iret_unblocks(const void *arg)
{
	bool blocked = true, fault = !arg;
	struct vl2 l2;
	u64 page;

	do {
		vl2_init_at(&l2, fault ? n_iret_null : n_iretq);
		ctl_set(CTRL_PIN, PIN_NMI | PIN_VIRTUAL_NMI);
		vw(GUEST_INTERRUPTIBILITY, blocked ? BLOCK_NMI : 0);
		if (fault) {
			vw(CTRL_EXCEPTIONS, BIT(V_GP));
			if (!vl2_expect(&l2, R_EXCEPTION))
				return;
			CHECK_EQ(vr(EXIT_INTR_INFO), EV_ON | EV_HW_EXC | EV_CODE | V_GP |
						     (blocked ? EV_NMI_UNBLOCK : 0));
			CHECK_EQ(vr(GUEST_RIP), n_null_iretq);
		} else {
			page = (u64)alloc_page();
			l2.ept = ept_new();
			*ept_entry(l2.ept, page, 1) = 0;
			vw(CTRL_EPTP, eptp_of(l2.ept));
			vw(GUEST_RSP, page + 0x100);
			if (!vl2_expect(&l2, R_EPT_VIOLATION))
				return;
			CHECK_EQ(vr(EXIT_QUAL) & BIT(12), blocked ? BIT(12) : 0);
			CHECK_EQ(vr(GUEST_RIP), n_iretq);
		}
		CHECK_EQ(vr(GUEST_INTERRUPTIBILITY), 0);
		blocked = !blocked;
	} while (!blocked);
}

/* ---- NMIs ---- */

static void nmi_init(struct vl2 *l2)
{
	vl2_init_at(l2, n_send_nmi);
	l2->rbx = 0xfee00000;
	l2->rax = this_cpu()->apic_id << 24;
	this_cpu()->nmis = 0;
}

static void nmi_exit(const void *arg)
{
	struct vl2 l2;

	nmi_init(&l2);
	if (vl2_expect(&l2, R_EXCEPTION)) {
		CHECK_EQ(vr(EXIT_INTR_INFO), EV_ON | EV_VNMI | 2);
		CHECK_EQ(vr(EXIT_QUAL), 0);
		/* The host does not get it by its IDT, and NMIs are blocked now. */
		CHECK_EQ(this_cpu()->nmis, 0);
	}
	nmi_unblock();
}

static void nmi_l2(const void *arg)
{
	struct vl2 l2;

	nmi_init(&l2);
	ctl_clear(CTRL_PIN, PIN_NMI | PIN_VIRTUAL_NMI);
	if (vl2_expect_trap(&l2, V_NMIV, NULL)) {
		CHECK_EQ(vr(GUEST_INTERRUPTIBILITY) & BLOCK_NMI, BLOCK_NMI);
		CHECK_EQ(this_cpu()->nmis, 0);
	}
	nmi_unblock();
}

/* After an exit by NMI another one waits until the host executes IRET. */
static void nmi_host_blocked(const void *arg)
{
	struct vl2 l2;

	nmi_init(&l2);
	if (!vl2_expect(&l2, R_EXCEPTION))
		return;
	/* vl2_run() lets interrupts in, so none was there: NMIs are still blocked. */
	apic_self_nmi();
	delay_us(200);
	CHECK_EQ(this_cpu()->nmis, 0);
	nmi_unblock();
	delay_us(200);
	CHECK_EQ(this_cpu()->nmis, 1);
}

static const struct l1_test tests[] = {
	{ "ext_int", 0, ext_int, NULL },
	{ "ext_int_ack", VF_ACKINTR, ext_int_ack, NULL },
	{ "ext_int_l2", 0, ext_int_l2, NULL },
	{ "ext_int_if0", 0, ext_int_if0, NULL },
	{ "ext_int_if0_later", 0, ext_int_if0_later, NULL },
	{ "intr_window", 0, intr_window, NULL },
	{ "intr_window_hlt", 0, intr_window_hlt, NULL },
	{ "window_after_event", 0, window_after_event, NULL },
	{ "intr_window_first", 0, window_before_irq, NULL },
	{ "nmi_window", VF_VNMI | VF_NMIWIN, nmi_window, NULL },
	{ "nmi_window_first", VF_VNMI | VF_NMIWIN, window_before_irq, "" },
	{ "nmi_window_hlt", VF_VNMI | VF_NMIWIN, nmi_window_hlt, NULL },
	{ "intr_window_halted", VF_HLT, intr_window_halted, NULL },
	{ "iret_unblocks_fault", VF_VNMI, iret_unblocks, NULL },
	{ "iret_unblocks_ept", VF_VNMI | VF_EPT, iret_unblocks, "" },
	{ "nmi_exit", VF_NMI, nmi_exit, NULL },
	{ "nmi_l2", 0, nmi_l2, NULL },
	{ "nmi_host_blocked", VF_NMI, nmi_host_blocked, NULL },
};

const struct test_group group_vmx_intr = { "vmx_intr", tests, ARRAY_SIZE(tests), false };
