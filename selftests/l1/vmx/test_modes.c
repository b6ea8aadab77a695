// SPDX-License-Identifier: GPL-2.0-only
/*
 * L2 in 16-bit real mode, 32-bit without paging, with 4M pages, with PAE, and in
 * compatibility mode; with EPT, and without where paging is on. Task switches, and a
 * chain that goes through all modes by itself.
 */
#include "vmx/vmx.h"
#include "modes.h"

extern const u8 real_work[], real_work_end[], real_cpuid[], real_io[], real_int[], real_load[],
	real_nop[], real_pushf[], real_data[], real_chain[];
extern const u8 p32_work[], p32_work_end[], p32_cpuid[], p32_io[], p32_int[], p32_load[],
	p32_nop[], p32_pushf[], p32_into[], p32_bound[], p32_jmp_tss[], p32_call_tss[];
extern u32 p32_data[];

struct mcase { enum mode mode; bool ept; };

#define CODE(m, name) ((m)->mode == M_REAL ? real_##name : p32_##name)

static u64 rip_of(const struct mcase *m, const u8 *label)
{
	return m->mode == M_REAL ? real_offset(label) : (u64)label;
}

static void real_state(const u8 *code)
{
	int s;

	for (s = S_ES; s <= S_GS; s++)
		vl2_seg(s, LOW_BASE >> 4, s == S_CS ? 0x9b : 0x93, 0xffff, LOW_BASE);
	vl2_seg(S_TR, 0, 0x8b, 0xffff, 0);
	vw(GUEST_IDTR_BASE, LOW_IVT);
	vw(GUEST_IDTR_LIMIT, 0x3ff);
	vw(GUEST_GDTR_BASE, 0);
	vw(GUEST_GDTR_LIMIT, 0);
	vw(GUEST_RIP, real_offset(code));
	vw(GUEST_RSP, LOW_STACK);
}

static void prot_state(struct vl2 *l2, enum mode mode, const struct mode_tables *t)
{
	mode_gdt((void *)vr(GUEST_GDTR_BASE));
	vw(GUEST_GDTR_BASE, (u64)t->gdt32);
	vl2_seg(S_CS, SEL_CS32, 0xc09b, ~0u, 0);
	vw(GUEST_RSP, (u64)l2->stack + PAGE_SIZE);
	if (mode == M_COMPAT)
		return;
	vw(GUEST_IDTR_BASE, (u64)t->idt32);
	vw(GUEST_IDTR_LIMIT, 256 * 8 - 1);
}

static void init(struct vl2 *l2, const struct mcase *m, const u8 *code)
{
	const struct mode_tables *t = mode_tables();
	u64 cr0 = caps.cr0_fixed0 & ~(CR0_PE | CR0_PG), cr4 = caps.cr4_fixed0;
	int i;

	vl2_init_at(l2, code);
	if (!m->ept)
		ctl_clear(CTRL_PROC2, PROC2_EPT | PROC2_UNRESTRICTED);
	if (m->mode == M_REAL)
		real_state(code);
	else
		prot_state(l2, m->mode, t);
	if (m->mode == M_COMPAT)
		return;
	ctl_clear(CTRL_ENTRY, ENTRY_IA32E);
	if (cpu_features & VF_EFER)
		vw(GUEST_EFER, 0);
	cr0 |= m->mode == M_REAL ? 0 : CR0_PE;
	cr0 |= m->mode == M_P32_PAGED || m->mode == M_PAE ? CR0_PG | CR0_WP : 0;
	vw(GUEST_CR0, cr0 | CR0_ET);
	vw(GUEST_CR4, cr4 | (m->mode == M_PAE ? CR4_PAE : m->mode == M_P32_PAGED ? CR4_PSE : 0));
	vw(GUEST_CR3, m->mode == M_PAE ? (u64)t->pdpt : m->mode == M_P32_PAGED ?
	   (u64)t->page_dir : 0);
	for (i = 0; m->mode == M_PAE && m->ept && i < 4; i++)
		vw(GUEST_PDPTE0 + 2 * i, t->pdpt[i]);
}

static void work(const void *arg)
{
	const struct mcase *m = arg;
	u32 *data = m->mode == M_REAL ? real_place(real_data) : p32_data;
	struct vl2 l2;

	init(&l2, m, CODE(m, work));
	memset(data, 0, 16);
	if (!vl2_expect(&l2, R_VMCALL))
		return;
	CHECK_EQ(vr(GUEST_RIP), rip_of(m, CODE(m, work_end)));
	if (m->mode == M_REAL) {
		CHECK_EQ(data[0], 0x1234);
		CHECK_EQ(data[1], 0xabcdef89);
	} else {
		CHECK_EQ(data[0], 0x11223344);
		CHECK_EQ(data[1], 0x5a5a5a5a);
	}
	CHECK_EQ(data[2], 0x5a5a5a5a);
	CHECK_EQ(data[3], 0x5a5a5a5a);
}

static void cpuid_io(const void *arg)
{
	const struct mcase *m = arg;
	struct vl2 l2;

	init(&l2, m, CODE(m, cpuid));
	if (vl2_expect(&l2, R_CPUID)) {
		CHECK_EQ(vr(GUEST_RIP), rip_of(m, CODE(m, cpuid)));
		CHECK_EQ(vr(EXIT_LEN), 2);
	}
	init(&l2, m, CODE(m, io));
	ctl_set(CTRL_PROC, PROC_IO);
	if (vl2_expect(&l2, R_IO)) {
		CHECK_EQ(vr(GUEST_RIP), rip_of(m, CODE(m, io)));
		CHECK_EQ(vr(EXIT_LEN), 2);
		CHECK_EQ(vr(EXIT_QUAL), 0x80ull << 16 | BIT(6) | BIT(3));
	}
	init(&l2, m, CODE(m, io));
	ctl_clear(CTRL_PROC, PROC_IO);
	vl2_expect(&l2, R_VMCALL);
}

static void expect_trap(struct vl2 *l2, const struct mcase *m, u32 vec, u32 err, u64 ip)
{
	struct mode_frame f;

	if (!vl2_expect(l2, R_VMCALL))
		return;
	if (!mode_trap(m->mode, vr(GUEST_RIP), vr(GUEST_RSP), &f)) {
		FAIL("L2 took no exception, stopped at %llx", vr(GUEST_RIP));
		return;
	}
	CHECK_EQ(f.vec, vec);
	CHECK_EQ(f.err, err);
	CHECK_EQ(f.ip, ip);
	CHECK_EQ(f.cs, m->mode == M_REAL ? LOW_BASE >> 4 : SEL_CS32);
}

static void events(const void *arg)
{
	const struct mcase *m = arg;
	static const struct { u32 event; u8 len; u32 vec, err; } ev[] = {
		{ EV_HW_INTR | 0x80, 0, 0x80, 0 },
		{ EV_VNMI | 2, 0, 2, 0 },
		{ EV_HW_EXC | V_UD, 0, V_UD, 0 },
		{ EV_HW_EXC | V_GP | EV_CODE, 0, V_GP, 0x40 },
		{ EV_SW_EXC | V_BP, 1, V_BP, 0 },
		{ EV_SW_EXC | V_OF, 1, V_OF, 0 },
		{ EV_SW_INTR | 0x90, 2, 0x90, 0 },
	};
	u64 mark = mem_mark();
	struct vl2 l2;
	u32 i;

	init(&l2, m, CODE(m, int));
	expect_trap(&l2, m, 0x90, 0, rip_of(m, CODE(m, int)) + 2);
	for (i = 0; i < ARRAY_SIZE(ev); i++) {
		if (m->mode == M_REAL && ev[i].event & EV_CODE)
			continue;
		init(&l2, m, CODE(m, nop));
		vw(CTRL_ENTRY_INFO, EV_ON | ev[i].event);
		vw(CTRL_ENTRY_ERROR, ev[i].err);
		vw(CTRL_ENTRY_LEN, ev[i].len);
		if (!i)
			vw_set(GUEST_RFLAGS, FL_IF);
		expect_trap(&l2, m, ev[i].vec, ev[i].err, rip_of(m, CODE(m, nop)) + ev[i].len);
		vmcs_forget_all();
		mem_reset(mark);
	}
}

static void violation(const void *arg)
{
	const struct mcase *m = arg;
	u64 *root = ept_new(), page, *e, keep;
	struct vl2 l2;

	init(&l2, m, CODE(m, load));
	page = m->mode == M_REAL ? LOW_BASE + 0x6000 : (u64)alloc_page();
	l2.rbx = m->mode == M_REAL ? 0x6010 : page + 0x10;
	e = ept_entry(root, page, L_4K);
	keep = *e;
	*e = 0;
	vw(CTRL_EPTP, eptp_of(root));
	ept_flush(root);
	if (vl2_expect(&l2, R_EPT_VIOLATION)) {
		CHECK_EQ(vr(EXIT_QUAL) & 0x3f, EQ_READ);
		CHECK_EQ(vr(EXIT_QUAL) & (EQ_GLA | EQ_FINAL), EQ_GLA | EQ_FINAL);
		CHECK_EQ(vr(GUEST_PHYSICAL), page + 0x10);
		CHECK_EQ(vr(GUEST_LINEAR), page + 0x10);
		CHECK_EQ(vr(GUEST_RIP), rip_of(m, CODE(m, load)));
	}
	*e = keep;
	vl2_expect(&l2, R_VMCALL);
}

/* The monitor trap flag: PUSHF pushes L2's own TF, whatever the stack's size. */
static void stepped(const void *arg)
{
	const struct mcase *m = arg;
	struct vl2 l2;
	u64 rsp;
	u16 *top;

	init(&l2, m, CODE(m, pushf));
	ctl_set(CTRL_PROC, PROC_MTF);
	rsp = vr(GUEST_RSP);
	if (!vl2_expect(&l2, R_MTF))
		return;
	CHECK_EQ(vr(GUEST_RIP), rip_of(m, CODE(m, pushf)) + 1);
	CHECK_EQ(rsp - vr(GUEST_RSP), m->mode == M_REAL ? 2 : 4);
	top = m->mode == M_REAL ? (u16 *)(LOW_BASE + vr(GUEST_RSP)) : (u16 *)vr(GUEST_RSP);
	CHECK_EQ(*top & (FL_TF | 2), 2);
	CHECK_EQ(vr(GUEST_RFLAGS) & FL_TF, 0);
	ctl_clear(CTRL_PROC, PROC_MTF);
	vl2_expect(&l2, R_VMCALL);
}

/* ---- 32-bit only ---- */

static void stepped_into(const void *arg)
{
	const struct mcase *m = arg;
	struct vl2 l2;

	/* Nothing overflowed: it is an instruction like any. */
	init(&l2, m, p32_into);
	ctl_set(CTRL_PROC, PROC_MTF);
	if (vl2_expect(&l2, R_MTF))
		CHECK_EQ(vr(GUEST_RIP), p32_into + 1);
	/* A delivery is a step of its own, and its frame has L2's own flags. */
	init(&l2, m, p32_into);
	ctl_set(CTRL_PROC, PROC_MTF);
	vw_set(GUEST_RFLAGS, FL_OF);
	if (!vl2_expect(&l2, R_MTF))
		return;
	CHECK_EQ(vr(IDT_INFO) & EV_ON, 0);
	CHECK(vr(GUEST_RIP) != (u64)p32_into && vr(GUEST_RIP) != (u64)p32_into + 1);
	CHECK_EQ(((u32 *)vr(GUEST_RSP))[0], p32_into + 1);
	CHECK_EQ(((u32 *)vr(GUEST_RSP))[2] & (FL_TF | FL_OF), FL_OF);
	ctl_clear(CTRL_PROC, PROC_MTF);
	expect_trap(&l2, m, V_OF, 0, (u64)p32_into + 1);
	/* L1 wants #OF: then that is the exit. */
	init(&l2, m, p32_into);
	ctl_set(CTRL_PROC, PROC_MTF);
	vw_set(GUEST_RFLAGS, FL_OF);
	vw(CTRL_EXCEPTIONS, 1u << V_OF);
	if (vl2_expect(&l2, R_EXCEPTION)) {
		CHECK_EQ(vr(EXIT_INTR_INFO), EV_ON | EV_SW_EXC | V_OF);
		CHECK_EQ(vr(GUEST_RIP), p32_into);
		CHECK_EQ(vr(GUEST_RFLAGS) & FL_TF, 0);
	}
}

static void of_br(const void *arg)
{
	const struct mcase *m = arg;
	struct vl2 l2;

	init(&l2, m, p32_into);
	vw_set(GUEST_RFLAGS, FL_OF);
	vw(CTRL_EXCEPTIONS, 1u << V_OF);
	if (vl2_expect(&l2, R_EXCEPTION)) {
		CHECK_EQ(vr(EXIT_INTR_INFO), EV_ON | EV_SW_EXC | V_OF);
		CHECK_EQ(vr(EXIT_LEN), 1);
		CHECK_EQ(vr(GUEST_RIP), p32_into);
	}
	init(&l2, m, p32_bound);
	l2.rax = 11;
	vw(CTRL_EXCEPTIONS, 1u << V_BR);
	if (vl2_expect(&l2, R_EXCEPTION)) {
		CHECK_EQ(vr(EXIT_INTR_INFO), EV_ON | EV_HW_EXC | V_BR);
		CHECK_EQ(vr(GUEST_RIP), p32_bound);
	}
	init(&l2, m, p32_bound);
	l2.rax = 11;
	expect_trap(&l2, m, V_BR, 0, (u64)p32_bound);
}

/* Source of the switch in bits 31:30: CALL, IRET, JMP, gate in the IDT */
static void task_switch(const void *arg)
{
	const struct mcase *m = arg;
	const struct mode_tables *t;
	struct vl2 l2;
	u64 gate;

	init(&l2, m, p32_jmp_tss);
	if (vl2_expect(&l2, R_TASK)) {
		CHECK_EQ(vr(EXIT_QUAL), 0x50 | 2u << 30);
		CHECK_EQ(vr(EXIT_LEN), 7);
		CHECK_EQ(vr(GUEST_RIP), p32_jmp_tss);
		CHECK_EQ(vr(IDT_INFO) & EV_ON, 0);
	}
	init(&l2, m, p32_call_tss);
	if (vl2_expect(&l2, R_TASK)) {
		CHECK_EQ(vr(EXIT_QUAL), 0x50);
		CHECK_EQ(vr(EXIT_LEN), 7);
	}
	init(&l2, m, p32_int);
	t = mode_tables();
	gate = t->idt32[0x90];
	t->idt32[0x90] = 0x50ull << 16 | 0x85ull << 40;
	if (vl2_expect(&l2, R_TASK)) {
		CHECK_EQ(vr(EXIT_QUAL), 0x50 | 3u << 30);
		CHECK_EQ(vr(IDT_INFO), EV_ON | EV_SW_INTR | 0x90);
		CHECK_EQ(vr(EXIT_LEN), 2);
	}
	/* An injected interrupt through a task gate */
	init(&l2, m, p32_nop);
	t->idt32[0x90] = 0x50ull << 16 | 0x85ull << 40;
	vw_set(GUEST_RFLAGS, FL_IF);
	vw(CTRL_ENTRY_INFO, EV_ON | EV_HW_INTR | 0x90);
	if (vl2_expect(&l2, R_TASK)) {
		CHECK_EQ(vr(EXIT_QUAL), 0x50 | 3u << 30);
		CHECK_EQ(vr(IDT_INFO), EV_ON | EV_HW_INTR | 0x90);
	}
	t->idt32[0x90] = gate;
}

/* #PF of L2's own paging */
static void own_pf(const void *arg)
{
	const struct mcase *m = arg;
	struct vl2 l2;
	u8 *copy = alloc_pages(2);

	init(&l2, m, p32_load);
	l2.rbx = 0xc0001234;
	/* The last gigabyte away: PDE 768 up, or the fourth PDPTE. */
	memcpy(copy, (void *)vr(GUEST_CR3), PAGE_SIZE);
	if (m->mode == M_PAE)
		((u64 *)copy)[3] = 0;
	else
		((u32 *)copy)[0xc0001234u >> 22] = 0;
	vw(GUEST_CR3, (u64)copy);
	if (m->mode == M_PAE && m->ept)
		vw(GUEST_PDPTE3, 0);
	vw(CTRL_EXCEPTIONS, 1u << V_PF);
	if (vl2_expect(&l2, R_EXCEPTION)) {
		CHECK_EQ(vr(EXIT_INTR_ERROR), 0);
		CHECK_EQ(vr(EXIT_QUAL), 0xc0001234);
	}
	vw(CTRL_EXCEPTIONS, 0);
	expect_trap(&l2, m, V_PF, 0, (u64)p32_load);
	CHECK_EQ(read_cr2(), 0xc0001234);
}

/* An exit saves the PDPTEs that the entry loaded. */
static void pdptes(const void *arg)
{
	const struct mcase *m = arg;
	const struct mode_tables *t;
	struct vl2 l2;
	int i;

	init(&l2, m, p32_nop);
	t = mode_tables();
	if (vl2_expect(&l2, R_VMCALL))
		for (i = 0; i < 4; i++)
			CHECK_EQ(vr(GUEST_PDPTE0 + 2 * i), t->pdpt[i]);
}

/* ---- the chain ---- */

static void chain(const void *arg)
{
	static const struct { u64 cr0, cr4, efer; } stage[] = {
		{ 0, 0, 0 },
		{ CR0_PE, 0, 0 },
		{ CR0_PE | CR0_PG, CR4_PSE, 0 },
		{ CR0_PE | CR0_PG, CR4_PSE | CR4_PAE, 0 },
		{ CR0_PE | CR0_PG, CR4_PSE | CR4_PAE, EFER_LME | EFER_LMA },
		{ CR0_PE | CR0_PG, CR4_PSE | CR4_PAE, EFER_LME | EFER_LMA },
		{ CR0_PE, CR4_PSE | CR4_PAE, 0 },
	};
	static const struct mcase real = { M_REAL, true };
	struct vl2 l2;
	u32 i;

	init(&l2, &real, real_chain);
	ctl_clear(CTRL_PROC, PROC_CR3_LOAD | PROC_CR3_STORE);
	for (i = 0; i < ARRAY_SIZE(stage); i++) {
		if (!vl2_expect(&l2, R_VMCALL))
			return;
		CHECK_EQ((u32)l2.rbx, i + 1);
		CHECK_EQ(vr(GUEST_CR0) & (CR0_PE | CR0_PG), stage[i].cr0);
		CHECK_EQ(vr(GUEST_CR4) & (CR4_PSE | CR4_PAE), stage[i].cr4);
		CHECK_EQ(vr(GUEST_EFER) & (EFER_LME | EFER_LMA), stage[i].efer);
		/* The exit writes this control of the entry. */
		CHECK_EQ(!!(vr(CTRL_ENTRY) & ENTRY_IA32E), !!stage[i].efer);
		vw(GUEST_RIP, vr(GUEST_RIP) + 3);
	}
}

#define MODE(n, m) static const struct mcase n##_ept = { m, true }
#define MODE2(n, m) MODE(n, m); static const struct mcase n##_no = { m, false }
MODE(real, M_REAL);
MODE(p32, M_P32);
MODE2(paged, M_P32_PAGED);
MODE2(pae, M_PAE);
MODE2(compat, M_COMPAT);

#define UG(s, f, m) { s, VF_UG, f, &m##_ept }
#define BOTH(s, f, m) { s, VF_UG, f, &m##_ept }, { s "_no_ept", 0, f, &m##_no }

static const struct l1_test tests[] = {
	UG("real_work", work, real),
	UG("real_cpuid_io", cpuid_io, real),
	UG("real_events", events, real),
	UG("real_violation", violation, real),
	UG("p32_work", work, p32),
	UG("p32_cpuid_io", cpuid_io, p32),
	UG("p32_events", events, p32),
	UG("p32_violation", violation, p32),
	UG("p32_of_br", of_br, p32),
	UG("p32_task_switch", task_switch, p32),
	BOTH("paged_work", work, paged),
	BOTH("paged_cpuid_io", cpuid_io, paged),
	BOTH("paged_events", events, paged),
	BOTH("paged_pf", own_pf, paged),
	BOTH("paged_task_switch", task_switch, paged),
	UG("paged_violation", violation, paged),
	BOTH("pae_work", work, pae),
	BOTH("pae_cpuid_io", cpuid_io, pae),
	BOTH("pae_events", events, pae),
	BOTH("pae_pf", own_pf, pae),
	UG("pae_violation", violation, pae),
	UG("pae_pdptes", pdptes, pae),
	BOTH("compat_work", work, compat),
	BOTH("compat_cpuid_io", cpuid_io, compat),
	{ "real_stepped", VF_UG | VF_MTF, stepped, &real_ept },
	{ "p32_stepped", VF_UG | VF_MTF, stepped, &p32_ept },
	{ "p32_stepped_into", VF_UG | VF_MTF, stepped_into, &p32_ept },
	{ "chain", VF_UG | VF_EFER | VF_CR3, chain, NULL },
};

const struct test_group group_vmx_modes = { "vmx_modes", tests, ARRAY_SIZE(tests), false };

