// SPDX-License-Identifier: GPL-2.0-only
/*
 * L2 in 16-bit real mode, 32-bit without paging, with 4M pages, with PAE, and in
 * compatibility mode: with nested paging and without. And a chain that goes
 * through all of them by itself.
 */
#include "l1.h"
#include "modes.h"

extern const u8 real_work[], real_work_end[], real_cpuid[], real_io[], real_int[], real_load[],
	real_nop[], real_data[], real_chain[];
extern const u8 p32_work[], p32_work_end[], p32_cpuid[], p32_io[], p32_int[], p32_load[],
	p32_nop[], p32_into[], p32_bound[], p32_jmp_tss[], p32_call_tss[];
extern u32 p32_data[];

struct mcase { enum mode mode; bool npt; };

#define CODE(m, name) ((m)->mode == M_REAL ? real_##name : p32_##name)

static u64 rip_of(const struct mcase *m, const u8 *label)
{
	return m->mode == M_REAL ? real_offset(label) : (u64)label;
}

static void work(const void *arg)
{
	const struct mcase *m = arg;
	u32 *data = m->mode == M_REAL ? real_place(real_data) : p32_data;
	struct l2 l2;

	l2_init_mode(&l2, m->mode, m->npt, CODE(m, work));
	memset(data, 0, 16);
	if (!l2_expect(&l2, X_VMMCALL))
		return;
	CHECK_EQ(l2.vmcb->s.rip, rip_of(m, CODE(m, work_end)));
	if (m->mode == M_REAL) {
		CHECK_EQ(data[0], 0x1234);
		CHECK_EQ(data[1], 0xabcdef89);
	} else {
		CHECK_EQ(data[0], 0x11223344);
		CHECK_EQ(data[1], 0x5a5a5a5a);
	}
	CHECK_EQ(data[2], 0x5a5a5a5a);
	CHECK_EQ(data[3], 0x5a5a5a5a);
	CHECK_EQ(l2.vmcb->s.cpl, 0);
}

static void cpuid_io(const void *arg)
{
	const struct mcase *m = arg;
	struct l2 l2;
	u8 *map = alloc_pages(3);

	l2_init_mode(&l2, m->mode, m->npt, CODE(m, cpuid));
	l2_intercept1(&l2, I1_CPUID);
	if (l2_expect(&l2, X_CPUID)) {
		CHECK_EQ(l2.vmcb->s.rip, rip_of(m, CODE(m, cpuid)));
		check_nrip(&l2, 2);
	}
	l2_init_mode(&l2, m->mode, m->npt, CODE(m, io));
	map[0x80 / 8] = 1;
	l2.vmcb->c.iopm_base_pa = (u64)map;
	l2_intercept1(&l2, I1_IOIO);
	if (l2_expect(&l2, X_IOIO)) {
		CHECK_EQ(l2.vmcb->s.rip, rip_of(m, CODE(m, io)));
		CHECK_EQ(l2.vmcb->c.exitinfo2, rip_of(m, CODE(m, io)) + 2);
		CHECK_EQ(l2.vmcb->c.exitinfo1 >> 16, 0x80);
		check_nrip(&l2, 2);
	}
	l2_init_mode(&l2, m->mode, m->npt, CODE(m, io));
	l2_expect(&l2, X_VMMCALL);
}

static void expect_trap(struct l2 *l2, const struct mcase *m, u32 vec, u32 err, u64 ip)
{
	struct mode_frame f;

	if (!l2_expect(l2, X_VMMCALL))
		return;
	if (!l2_mode_trap(l2, m->mode, &f)) {
		FAIL("L2 took no exception, stopped at %llx", l2->vmcb->s.rip);
		return;
	}
	CHECK_EQ(f.vec, vec);
	CHECK_EQ(f.err, err);
	CHECK_EQ(f.ip, ip);
	CHECK_EQ(f.cs, m->mode == M_REAL ? LOW_BASE >> 4 : SEL_CS32);
	CHECK_EQ(f.flags & ~(FL_RF | FL_CF), 2);
}

static void events(const void *arg)
{
	const struct mcase *m = arg;
	static const struct { u64 event; u32 vec, err; } ev[] = {
		{ EV_INTR | 0x80, 0x80, 0 },
		{ EV_NMI | 2, 2, 0 },
		{ EV_EXC | V_UD, V_UD, 0 },
		{ EV_EXC | V_GP | EV_ERR | EV_ERRCODE(0x40), V_GP, 0x40 },
		{ EV_EXC | V_BP, V_BP, 0 },
		{ EV_EXC | V_OF, V_OF, 0 },
		{ EV_SOFT | 0x90, 0x90, 0 },
	};
	u64 mark = mem_mark();
	struct l2 l2;
	u32 i;

	l2_init_mode(&l2, m->mode, m->npt, CODE(m, int));
	expect_trap(&l2, m, 0x90, 0, rip_of(m, CODE(m, int)) + 2);
	for (i = 0; i < ARRAY_SIZE(ev); i++) {
		/* Real mode pushes no error codes: none may be injected. */
		if (m->mode == M_REAL && ev[i].event & EV_ERR)
			continue;
		l2_init_mode(&l2, m->mode, m->npt, CODE(m, nop));
		l2.vmcb->c.eventinj = EV_VALID | ev[i].event;
		l2.vmcb->c.nrip = l2.vmcb->s.rip;
		expect_trap(&l2, m, ev[i].vec, ev[i].err, rip_of(m, CODE(m, nop)));
		mem_reset(mark);
	}
}

static void npf(const void *arg)
{
	const struct mcase *m = arg;
	u64 *npt = pt_new_identity(), page, *e, good;
	struct l2 l2;

	l2_init_mode(&l2, m->mode, true, CODE(m, load));
	page = m->mode == M_REAL ? LOW_BASE + 0x6000 : (u64)alloc_page();
	l2.rbx = m->mode == M_REAL ? 0x6010 : page + 0x10;
	e = pt_split(npt, page, L_4K);
	good = *e;
	*e = 0;
	l2.vmcb->c.n_cr3 = (u64)npt;
	if (l2_expect(&l2, X_NPF)) {
		CHECK_EQ(l2.vmcb->c.exitinfo1, NPF_FINAL | NPF_U);
		CHECK_EQ(l2.vmcb->c.exitinfo2, page + 0x10);
		CHECK_EQ(l2.vmcb->s.rip, rip_of(m, CODE(m, load)));
	}
	*e = good;
	l2_expect(&l2, X_VMMCALL);
}

/* ---- 32-bit only ---- */

static void of_br(const void *arg)
{
	const struct mcase *m = arg;
	struct l2 l2;

	l2_init_mode(&l2, m->mode, m->npt, p32_into);
	l2.vmcb->s.rflags |= BIT(11);
	l2.vmcb->c.exceptions = 1u << V_OF;
	if (!t_departs("of") && l2_expect(&l2, X_EXC + V_OF)) {
		CHECK_EQ(l2.vmcb->s.rip, p32_into);
		check_nrip(&l2, 1);
	}
	l2_init_mode(&l2, m->mode, m->npt, p32_bound);
	l2.vmcb->s.rax = 11;
	l2.vmcb->c.exceptions = 1u << V_BR;
	if (l2_expect(&l2, X_EXC + V_BR)) {
		CHECK_EQ(l2.vmcb->s.rip, p32_bound);
		check_nrip(&l2, 6);
	}
	l2_init_mode(&l2, m->mode, m->npt, p32_bound);
	l2.vmcb->s.rax = 11;
	expect_trap(&l2, m, V_BR, 0, (u64)p32_bound);
}

static void task_switch(const void *arg)
{
	const struct mcase *m = arg;
	struct l2 l2;

	l2_init_mode(&l2, m->mode, m->npt, p32_jmp_tss);
	l2_intercept1(&l2, I1_TASK);
	if (l2_expect(&l2, X_TASK)) {
		CHECK_EQ(l2.vmcb->c.exitinfo1, 0x50);
		CHECK_EQ(l2.vmcb->c.exitinfo2 >> 36 & 5, 4);
	}
	l2_init_mode(&l2, m->mode, m->npt, p32_call_tss);
	l2_intercept1(&l2, I1_TASK);
	if (l2_expect(&l2, X_TASK)) {
		CHECK_EQ(l2.vmcb->c.exitinfo1, 0x50);
		CHECK_EQ(l2.vmcb->c.exitinfo2 >> 36 & 5, 0);
	}
}

/* #PF of L2's own paging, with nested paging and without. */
static void own_pf(const void *arg)
{
	const struct mcase *m = arg;
	struct l2 l2;
	u8 *copy = alloc_pages(2);

	l2_init_mode(&l2, m->mode, m->npt, p32_load);
	l2.rbx = 0xc0001234;
	/* The last gigabyte away: PDE 768 up, or the fourth PDPTE. */
	memcpy(copy, (void *)l2.vmcb->s.cr3, PAGE_SIZE);
	if (m->mode == M_PAE)
		((u64 *)copy)[3] = 0;
	else
		((u32 *)copy)[0xc0001234u >> 22] = 0;
	l2.vmcb->s.cr3 = (u64)copy;
	l2.vmcb->c.exceptions = 1u << V_PF;
	if (l2_expect(&l2, X_EXC + V_PF)) {
		CHECK_EQ(l2.vmcb->c.exitinfo1, 0);
		CHECK_EQ(l2.vmcb->c.exitinfo2, 0xc0001234);
	}
	l2.vmcb->c.exceptions = 0;
	expect_trap(&l2, m, V_PF, 0, (u64)p32_load);
	CHECK_EQ(l2.vmcb->s.cr2, 0xc0001234);
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
	const bool npt = arg;
	struct l2 l2;
	u32 i;

	l2_init_mode(&l2, M_REAL, npt, real_chain);
	for (i = 0; i < ARRAY_SIZE(stage); i++) {
		if (!l2_expect(&l2, X_VMMCALL))
			return;
		CHECK_EQ((u32)l2.rbx, i + 1);
		CHECK_EQ(l2.vmcb->s.cr0 & (CR0_PE | CR0_PG), stage[i].cr0);
		CHECK_EQ(l2.vmcb->s.cr4 & (CR4_PSE | CR4_PAE), stage[i].cr4);
		CHECK_EQ(l2.vmcb->s.efer & (EFER_LME | EFER_LMA), stage[i].efer);
		l2.vmcb->s.rip += 3;
	}
}

#define MODE(n, m) \
	static const struct mcase n##_np = { m, true }, n##_no = { m, false }
MODE(real, M_REAL);
MODE(p32, M_P32);
MODE(paged, M_P32_PAGED);
MODE(pae, M_PAE);
MODE(compat, M_COMPAT);

#define BOTH(s, f, m) \
	{ s, F_NPT, f, &m##_np }, { s "_no_npt", 0, f, &m##_no }

static const struct l1_test tests[] = {
	BOTH("real_work", work, real),
	BOTH("real_cpuid_io", cpuid_io, real),
	BOTH("real_events", events, real),
	{ "real_npf", F_NPT, npf, &real_np },
	BOTH("p32_work", work, p32),
	BOTH("p32_cpuid_io", cpuid_io, p32),
	BOTH("p32_events", events, p32),
	{ "p32_npf", F_NPT, npf, &p32_np },
	BOTH("p32_of_br", of_br, p32),
	BOTH("p32_task_switch", task_switch, p32),
	BOTH("paged_work", work, paged),
	BOTH("paged_cpuid_io", cpuid_io, paged),
	BOTH("paged_events", events, paged),
	BOTH("paged_pf", own_pf, paged),
	{ "paged_npf", F_NPT, npf, &paged_np },
	BOTH("pae_work", work, pae),
	BOTH("pae_cpuid_io", cpuid_io, pae),
	BOTH("pae_events", events, pae),
	BOTH("pae_pf", own_pf, pae),
	{ "pae_npf", F_NPT, npf, &pae_np },
	BOTH("compat_work", work, compat),
	BOTH("compat_cpuid_io", cpuid_io, compat),
	{ "chain", F_NPT, chain, (void *)1 },
	{ "chain_no_npt", 0, chain, (void *)0 },
};

const struct test_group group_modes = { "modes", tests, ARRAY_SIZE(tests), false };
