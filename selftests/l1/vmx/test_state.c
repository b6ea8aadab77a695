// SPDX-License-Identifier: GPL-2.0-only
/*
 * Activity states, INIT and SIPI, pending debug exceptions, the preemption timer, the
 * monitor trap flag, PAUSE loops (SDM volume 3, "Special Features of VM Entry",
 * "VMX-Preemption Timer", "Pending Debug Exceptions", "Other Causes of VM Exits").
 */
#include "vmx/vmx.h"

extern const char n_nop[], n_sti_hlt[], n_after_hlt[];

static void pend(void)
{
	this_cpu()->irqs[VEC_IPI] = 0;
	apic_self(VEC_IPI);
}

/* ---- activity states ---- */

/* Entered in HLT: an interrupt that is pending exits, and HLT is what is saved. */
static void hlt_ext_int(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, n_nop);
	vw_set(GUEST_RFLAGS, FL_IF);
	vw(GUEST_ACTIVITY, ACT_HLT);
	pend();
	if (!vl2_expect(&l2, R_EXT_INT))
		return;
	CHECK_EQ(vr(GUEST_RIP), n_nop);
	if (t_departs("saved"))
		return;
	CHECK_EQ(vr(GUEST_ACTIVITY), ACT_HLT);
	/* One that comes later does too. */
	apic_timer(VEC_IPI, APIC_LATER);
	if (vl2_expect(&l2, R_EXT_INT))
		CHECK_EQ(vr(GUEST_ACTIVITY), ACT_HLT);
	watchdog_arm();
}

/* Entered in HLT with an event: active, and the handler runs. */
static void hlt_inject(const void *arg)
{
	static const u32 events[] = { EV_HW_INTR | 0x80, EV_VNMI | 2, EV_HW_EXC | V_DB,
				      EV_HW_EXC | V_MC };
	struct l2_frame fr;
	struct vl2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		vl2_init_at(&l2, n_nop);
		vw(GUEST_ACTIVITY, ACT_HLT);
		if (!i)
			vw_set(GUEST_RFLAGS, FL_IF);
		vw(CTRL_ENTRY_INFO, EV_ON | events[i]);
		if (vl2_expect_trap(&l2, events[i] & 0xff, &fr)) {
			CHECK_EQ(fr.rip, n_nop);
			CHECK_EQ(vr(GUEST_ACTIVITY), ACT_ACTIVE);
		}
		vmcs_forget_all();
	}
}

/* HLT that L2 executes, not intercepted, ended by an exit */
static void hlt_in_l2(const void *arg)
{
	u32 later = APIC_LATER, tries = 0;
	struct vl2 l2;
	bool exits;

	/* A host that has others to run is not as far as L2's first instruction by then: once more, later. */
	do {
		vl2_init_at(&l2, n_sti_hlt);
		ctl_clear(CTRL_PROC, PROC_HLT);
		apic_timer(VEC_IPI, later);
		exits = vl2_expect(&l2, R_EXT_INT);
		later *= 4;
	} while (exits && vr(GUEST_RIP) == (u64)n_sti_hlt && tries++ < 4);
	if (exits) {
		if (!t_departs("saved"))
			CHECK_EQ(vr(GUEST_ACTIVITY), ACT_HLT);
		CHECK_EQ(vr(GUEST_RIP), n_after_hlt);
	}
	watchdog_arm();
}

/* The same, and at the entry, ended by an interrupt that L2 handles itself: L1 asks for no exit. */
static void hlt_handled(const void *arg)
{
	static const char *const code[] = { n_sti_hlt, n_nop };
	struct l2_frame fr;
	struct vl2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(code); i++) {
		vl2_init_at(&l2, code[i]);
		ctl_clear(CTRL_PROC, PROC_HLT);
		ctl_clear(CTRL_PIN, PIN_EXT_INT);
		if (code[i] == n_nop) {
			vw(GUEST_ACTIVITY, ACT_HLT);
			vw_set(GUEST_RFLAGS, FL_IF);
		}
		apic_timer(VEC_IPI, APIC_LATER);
		if (vl2_expect_trap(&l2, VEC_IPI, &fr)) {
			CHECK_EQ(fr.rip, code[i] == n_nop ? n_nop : n_after_hlt);
			CHECK_EQ(vr(GUEST_ACTIVITY), ACT_ACTIVE);
		}
		apic_eoi();
		watchdog_arm();
	}
}

/* Shutdown: interrupts are blocked for the guest, but still exit; NMI does as well. */
static void shutdown(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, n_nop);
	vw(GUEST_ACTIVITY, ACT_SHUTDOWN);
	vw(CTRL_ENTRY_INFO, EV_ON | EV_VNMI | 2);
	if (vl2_expect_trap(&l2, 2, NULL))
		CHECK_EQ(vr(GUEST_ACTIVITY), ACT_ACTIVE);
	nmi_unblock();
	if (cpu_features & VF_TIMER) {
		vl2_init_at(&l2, n_nop);
		vw(GUEST_ACTIVITY, ACT_SHUTDOWN);
		ctl_set(CTRL_PIN, PIN_TIMER);
		vw(GUEST_TIMER, 1000);
		if (vl2_expect(&l2, R_TIMER))
			CHECK_EQ(vr(GUEST_ACTIVITY), ACT_SHUTDOWN);
	}
}

static volatile u32 sipi_go;

static void send_sipi(void *arg)
{
	while (!sipi_go)
		cpu_relax();
	delay_us(3000);
	apic_ipi(cpu_at(0)->apic_id, 0x4600 | 0x9f);
}

static void send_init(void *arg)
{
	while (!sipi_go)
		cpu_relax();
	delay_us(3000);
	apic_ipi(cpu_at(0)->apic_id, 0x4500);
}

static void wait_for_sipi(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, n_nop);
	vw(GUEST_ACTIVITY, ACT_WAIT_SIPI);
	sipi_go = 0;
	smp_call(1, send_sipi, NULL);
	sipi_go = 1;
	if (vl2_expect(&l2, R_SIPI)) {
		CHECK_EQ(vr(EXIT_QUAL), 0x9f);
		CHECK_EQ(vr(GUEST_ACTIVITY), ACT_WAIT_SIPI);
		CHECK_EQ(vr(GUEST_RIP), n_nop);
	}
	smp_wait(1);
}

/* INIT exits from L2 and does nothing to it. */
static void init_exit(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, l2_spin);
	vw_set(GUEST_RFLAGS, FL_IF);
	sipi_go = 0;
	smp_call(1, send_init, NULL);
	sipi_go = 1;
	if (vl2_expect(&l2, R_INIT)) {
		CHECK_EQ(vr(EXIT_QUAL), 0);
		CHECK_EQ(vr(GUEST_ACTIVITY), ACT_ACTIVE);
	}
	smp_wait(1);
	/* L1 is unharmed, and L2 goes on. */
	vw(GUEST_RIP, (u64)l2_done);
	vl2_expect_done(&l2);
}

/* ---- pending debug exceptions ---- */

static void pending_dbg(const void *arg)
{
	struct vl2 l2;

	/* A breakpoint that had matched: #DB at once */
	vl2_init_at(&l2, n_nop);
	vw(GUEST_PENDING_DBG, BIT(12) | BIT(1));
	vw(CTRL_EXCEPTIONS, 1u << V_DB);
	if (vl2_expect(&l2, R_EXCEPTION)) {
		CHECK_EQ(vr(EXIT_INTR_INFO), EV_ON | EV_HW_EXC | V_DB);
		CHECK_EQ(vr(EXIT_QUAL) & 0xf, BIT(1));
		CHECK_EQ(vr(GUEST_RIP), n_nop);
		CHECK_EQ(vr(GUEST_PENDING_DBG), 0);
	}
	/* Without bit 12 and without BS there is nothing to deliver. */
	vl2_init_at(&l2, n_nop);
	vw(GUEST_PENDING_DBG, BIT(0));
	vw(CTRL_EXCEPTIONS, 1u << V_DB);
	vl2_expect_done(&l2);
	/* A single step that was held by MOV SS: after the next instruction */
	vl2_init_at(&l2, n_nop);
	vw_set(GUEST_RFLAGS, FL_TF);
	vw(GUEST_INTERRUPTIBILITY, BLOCK_MOV_SS);
	vw(GUEST_PENDING_DBG, BIT(14));
	vw(CTRL_EXCEPTIONS, 1u << V_DB);
	if (vl2_expect(&l2, R_EXCEPTION)) {
		CHECK_EQ(vr(EXIT_QUAL), BIT(14));
		CHECK_EQ(vr(GUEST_RIP), n_nop + 1);
	}
}

/* An injected event comes first and drops them, unless it is one that leaves them. */
static void pending_inject(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, n_nop);
	vw(GUEST_PENDING_DBG, BIT(12) | BIT(1));
	vw(CTRL_ENTRY_INFO, EV_ON | EV_HW_EXC | V_UD);
	vl2_expect_trap(&l2, V_UD, NULL);
}

/* They end HLT, whether L1 or L2 handles the #DB. */
static void pending_dbg_hlt(const void *arg)
{
	struct l2_frame fr;
	struct vl2 l2;

	vl2_init_at(&l2, n_nop);
	vw(GUEST_ACTIVITY, ACT_HLT);
	vw(GUEST_PENDING_DBG, BIT(12) | BIT(1));
	vw(CTRL_EXCEPTIONS, 1u << V_DB);
	if (vl2_expect(&l2, R_EXCEPTION)) {
		CHECK_EQ(vr(EXIT_QUAL), BIT(1));
		CHECK_EQ(vr(GUEST_RIP), n_nop);
	}
	vl2_init_at(&l2, n_nop);
	vw(GUEST_ACTIVITY, ACT_HLT);
	vw(GUEST_PENDING_DBG, BIT(12) | BIT(1));
	if (vl2_expect_trap(&l2, V_DB, &fr)) {
		CHECK_EQ(fr.rip, n_nop);
		CHECK_EQ(vr(GUEST_ACTIVITY), ACT_ACTIVE);
	}
}

/* ---- preemption timer ---- */

static void timer(const void *arg)
{
	struct vl2 l2;

	/* 0: before the first instruction */
	vl2_init_at(&l2, n_nop);
	ctl_set(CTRL_PIN, PIN_TIMER);
	vw(GUEST_TIMER, 0);
	if (vl2_expect(&l2, R_TIMER)) {
		CHECK_EQ(vr(GUEST_RIP), n_nop);
		CHECK_EQ(vr(EXIT_QUAL), 0);
		CHECK_EQ(vr(GUEST_TIMER), 0);
	}
	vl2_init_at(&l2, l2_spin);
	vw_set(GUEST_RFLAGS, FL_IF);
	ctl_set(CTRL_PIN, PIN_TIMER);
	vw(GUEST_TIMER, 500);
	if (vl2_expect(&l2, R_TIMER))
		/* Not saved */
		CHECK_EQ(vr(GUEST_TIMER), 500);
	/* Long enough for another exit to come first */
	vl2_init_at(&l2, n_nop);
	ctl_set(CTRL_PIN, PIN_TIMER);
	vw(GUEST_TIMER, ~0u);
	vl2_expect_done(&l2);
	/* Not active: 0 is nothing */
	vl2_init_at(&l2, n_nop);
	ctl_clear(CTRL_PIN, PIN_TIMER);
	vw(GUEST_TIMER, 0);
	vl2_expect_done(&l2);
}

static void timer_save(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, l2_spin);
	vw_set(GUEST_RFLAGS, FL_IF);
	ctl_set(CTRL_PIN, PIN_TIMER);
	ctl_set(CTRL_EXIT, EXIT_SAVE_TIMER);
	vw(GUEST_TIMER, 500);
	if (vl2_expect(&l2, R_TIMER))
		CHECK_EQ(vr(GUEST_TIMER), 0);
	vl2_init_at(&l2, n_nop);
	ctl_set(CTRL_PIN, PIN_TIMER);
	ctl_set(CTRL_EXIT, EXIT_SAVE_TIMER);
	vw(GUEST_TIMER, 0x7fffffff);
	if (vl2_expect_done(&l2))
		CHECK(vr(GUEST_TIMER) <= 0x7fffffff && vr(GUEST_TIMER) > 0x7f000000);
}

/* Long enough for L0 and the VMM to have their turns meanwhile: it goes by the TSC all the same, and is not early. */
static void timer_long(const void *arg)
{
	unsigned int rate = rdmsr(MSR_VMX_MISC) & 0x1f;
	struct vl2 l2;
	u64 start;

	vl2_init_at(&l2, l2_spin);
	vw_set(GUEST_RFLAGS, FL_IF);
	ctl_set(CTRL_PIN, PIN_TIMER);
	ctl_set(CTRL_EXIT, EXIT_SAVE_TIMER);
	vw(GUEST_TIMER, 2000000);
	start = rdtsc() >> rate;
	if (vl2_expect(&l2, R_TIMER))
		CHECK((rdtsc() >> rate) - start >= 2000000);
}

/* It counts in HLT, and a pending event does not keep it from ending. */
static void timer_hlt(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, n_nop);
	vw(GUEST_ACTIVITY, ACT_HLT);
	ctl_set(CTRL_PIN, PIN_TIMER);
	vw(GUEST_TIMER, 1000);
	if (vl2_expect(&l2, R_TIMER))
		CHECK_EQ(vr(GUEST_ACTIVITY), ACT_HLT);
	/* Injected events are delivered before a timer of 0 exits. */
	vl2_init_at(&l2, n_nop);
	vw_set(GUEST_RFLAGS, FL_IF);
	ctl_set(CTRL_PIN, PIN_TIMER);
	vw(GUEST_TIMER, 0);
	vw(CTRL_ENTRY_INFO, EV_ON | EV_HW_INTR | 0x80);
	if (vl2_expect(&l2, R_TIMER)) {
		CHECK_EQ(vr(GUEST_RIP), (u64)l2_trap_stubs + 0x80 * 16);
		CHECK_EQ(vr(IDT_INFO) & EV_ON, 0);
	}
	/* It comes before an interrupt window. */
	vl2_init_at(&l2, n_nop);
	vw_set(GUEST_RFLAGS, FL_IF);
	ctl_set(CTRL_PIN, PIN_TIMER);
	ctl_set(CTRL_PROC, PROC_INTR_WINDOW);
	vw(GUEST_TIMER, 0);
	vl2_expect(&l2, R_TIMER);
}

/* ---- monitor trap flag ---- */

static void mtf(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, n_nop);
	ctl_set(CTRL_PROC, PROC_MTF);
	if (vl2_expect(&l2, R_MTF)) {
		CHECK_EQ(vr(GUEST_RIP), n_nop + 1);
		CHECK_EQ(vr(EXIT_QUAL), 0);
	}
	if (vl2_expect(&l2, R_MTF))
		CHECK_EQ(vr(GUEST_RIP), n_nop + 2);
	/* After an injected event: before the first instruction of the handler */
	vl2_init_at(&l2, n_nop);
	ctl_set(CTRL_PROC, PROC_MTF);
	vw_set(GUEST_RFLAGS, FL_IF);
	vw(CTRL_ENTRY_INFO, EV_ON | EV_HW_INTR | 0x80);
	if (vl2_expect(&l2, R_MTF))
		CHECK_EQ(vr(GUEST_RIP), (u64)l2_trap_stubs + 0x80 * 16);
	/* A pending MTF exit by injection, without the control */
	vl2_init_at(&l2, n_nop);
	vw(CTRL_ENTRY_INFO, EV_ON | EV_OTHER);
	if (vl2_expect(&l2, R_MTF))
		CHECK_EQ(vr(GUEST_RIP), n_nop);
}

/* ---- PAUSE-loop exiting ---- */

static void ple(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, l2_spin);
	vw_set(GUEST_RFLAGS, FL_IF);
	ctl_clear(CTRL_PROC, PROC_PAUSE);
	ctl_set(CTRL_PROC2, PROC2_PLE);
	vw(CTRL_PLE_GAP, 10000);
	vw(CTRL_PLE_WINDOW, 20000);
	if (vl2_expect(&l2, R_PAUSE))
		CHECK_EQ(vr(EXIT_LEN), 2);
	/* Not at CPL 3 */
	vl2_init_at(&l2, l2_spin);
	vl2_set_user(&l2);
	vw_set(GUEST_RFLAGS, FL_IF);
	ctl_clear(CTRL_PROC, PROC_PAUSE);
	ctl_set(CTRL_PROC2, PROC2_PLE);
	vw(CTRL_PLE_GAP, 10000);
	vw(CTRL_PLE_WINDOW, 20000);
	apic_timer(VEC_IPI, 200000);
	vl2_expect(&l2, R_EXT_INT);
	watchdog_arm();
}

/*
 * State that the manual allows and a CPU may refuse: a selector of CS whose RPL is not SS's DPL.  It
 * enters or it fails as any other guest state does, and the VMCS is as clear as before then.
 */
static void refused(const void *arg)
{
	struct vl2 l2;
	u64 rip;

	vl2_init_at(&l2, n_nop);
	vl2_set_user(&l2);
	vw(GUEST_CS_SEL, SEL_UCS & ~3);
	vw(CTRL_ENTRY_INFO, EV_ON | EV_SW_INTR | 0x90);
	vw(CTRL_ENTRY_LEN, 2);
	rip = vr(GUEST_RIP);
	vl2_run(&l2);
	if (l2.reason != (R_GUEST_STATE | R_ENTRY_FAILED)) {
		CHECK_EQ(l2.launched, 1);
		return;
	}
	CHECK_EQ(vr(EXIT_QUAL), 0);
	CHECK_EQ(vr(GUEST_CS_SEL), SEL_UCS & ~3);
	CHECK_EQ(vr(GUEST_RIP), rip);
	l2.launched = 1;
	vl2_expect_error(&l2, E_RESUME_NOT_LAUNCHED);
	l2.launched = 0;
	/* Of the event, too, nothing is left but what L1 sees. */
	CHECK_EQ(vr(CTRL_ENTRY_INFO), EV_ON | EV_SW_INTR | 0x90);
	vw(CTRL_ENTRY_INFO, 0);
	vw(GUEST_CS_SEL, SEL_UCS);
	vl2_expect_done(&l2);
}

/* CS has to be present; what it is marked besides does not keep it from entering. */
static void cs_marked(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, n_nop);
	vw_set(GUEST_CS_AR, AR_UNUSABLE);
	vl2_expect_done(&l2);
}

VL2_ASM(n_iret_keeps, "mov %rsp,%rax; push $0x10; push %rax; pushfq; push $0x08; push $1f; iretq; 1:");

/* NMIs exit and are not virtual: IRET leaves blocking by NMI as it was, also what an injected NMI began. */
static void iret_blocking(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, n_iret_keeps);
	ctl_clear(CTRL_PIN, PIN_VIRTUAL_NMI);
	vw(GUEST_INTERRUPTIBILITY, BLOCK_NMI);
	if (vl2_expect_done(&l2))
		CHECK_EQ(vr(GUEST_INTERRUPTIBILITY), BLOCK_NMI);
	nmi_unblock();
}

/*
 * A VMCS that was active at VMXOFF: the manual lets it be lost, and a VMRESUME of it may fail with error 6.  Here
 * it is what it was, launched and whole.
 */
static void vmxoff_resume(const void *arg)
{
	struct vl2 l2;
	u64 cur = 0;

	vl2_init_at(&l2, l2_done);
	vl2_expect_done(&l2);
	vw(CTRL_TSC_OFFSET, 0x123456789abcull);
	vmx_off();
	CHECK(vmx_on());
	vmptrst(&cur);
	CHECK_EQ(cur, ~0ull);
	CHECK_EQ(vmptrld(&l2.vmcs), VM_OK);
	CHECK_EQ(vr(CTRL_TSC_OFFSET), 0x123456789abcull);
	l2.launched = 0;
	vl2_expect_error(&l2, E_LAUNCH_NOT_CLEAR);
	l2.launched = 1;
	vl2_expect_done(&l2);
}

static const struct l1_test tests[] = {
	{ "iret_blocking", VF_NMI, iret_blocking, NULL },
	{ "cs_marked", 0, cs_marked, NULL },
	{ "refused", VF_UG, refused, NULL },
	{ "hlt_ext_int", VF_HLT, hlt_ext_int, NULL },
	{ "hlt_inject", VF_HLT, hlt_inject, NULL },
	{ "hlt_in_l2", 0, hlt_in_l2, NULL },
	{ "hlt_handled", VF_HLT, hlt_handled, NULL },
	{ "shutdown", VF_SHUTDOWN, shutdown, NULL },
	{ "wait_for_sipi", VF_SIPI | F_SMP2, wait_for_sipi, NULL },
	{ "init", F_SMP2, init_exit, NULL },
	{ "pending_debug", 0, pending_dbg, NULL },
	{ "pending_debug_inject", 0, pending_inject, NULL },
	{ "pending_debug_hlt", VF_HLT, pending_dbg_hlt, NULL },
	{ "timer", VF_TIMER, timer, NULL },
	{ "timer_save", VF_TIMER | VF_SAVETIMER, timer_save, NULL },
	{ "timer_long", VF_TIMER | VF_SAVETIMER, timer_long, NULL },
	{ "timer_hlt", VF_TIMER | VF_HLT, timer_hlt, NULL },
	{ "mtf", VF_MTF, mtf, NULL },
	{ "pause_loop", VF_PLE, ple, NULL },
	{ "vmxoff_resume", VF_TSCOFF, vmxoff_resume, NULL },
};

const struct test_group group_vmx_state = { "vmx_state", tests, ARRAY_SIZE(tests), false };
