// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM functions: EPTP switching, and what makes VMFUNC exit (SDM volume 3, "VMFUNC",
 * "VM Functions", "EPTP Switching").
 */
#include "vmx/chk.h"

VL2_ASM(u_vmfunc, "vmfunc; mov (%rbx),%rdx");
VL2_ASM(u_there_and_back, "vmfunc; mov (%rbx),%rdx; xor %ecx,%ecx; vmfunc; mov (%rbx),%rsi; "
			  "mov $511,%ecx; vmfunc; mov (%rbx),%rdi");
VL2_ASM(u_load, "mov (%rbx),%rdx");

struct sw { u64 *a, *b, *list; u64 page, other; };

static bool setup(struct vl2 *l2, struct sw *s)
{
	if (!(caps.vmfunc & BIT(0))) {
		t_skip("this CPU has no EPTP switching");
		return false;
	}
	vl2_init_at(l2, u_vmfunc);
	s->a = ept_new();
	s->b = ept_new();
	s->list = alloc_page();
	s->page = (u64)alloc_page();
	s->other = (u64)alloc_page();
	*(u64 *)s->page = 0xaaaa;
	*(u64 *)s->other = 0xbbbb;
	*ept_entry(s->b, s->page, L_4K) = s->other | EPT_RWX | EPT_WB;
	ept_flush(s->a);
	ept_flush(s->b);
	s->list[0] = eptp_of(s->a);
	s->list[1] = eptp_of(s->b);
	s->list[511] = eptp_of(s->b);
	vw(CTRL_EPTP, eptp_of(s->a));
	ctl_set(CTRL_PROC, PROC_SECONDARY);
	ctl_set(CTRL_PROC2, PROC2_VMFUNC);
	vw(CTRL_VMFUNC, BIT(0));
	vw(CTRL_EPTP_LIST, (u64)s->list);
	l2->rbx = s->page;
	return true;
}

static void switches(const void *arg)
{
	static const struct { u32 index; bool user, other; } rows[] = {
		{ 0, false, false }, { 1, false, true }, { 511, false, true }, { 1, true, true },
	};
	u64 mark = mem_mark();
	struct vl2 l2;
	struct sw s;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!setup(&l2, &s))
			return;
		if (rows[i].user)
			vl2_set_user(&l2);
		/* The high halves do not count. */
		l2.rax = BIT(40);
		l2.rcx = rows[i].index | BIT(50);
		if (vl2_expect_done(&l2)) {
			CHECK_EQ(l2.rdx, rows[i].other ? 0xbbbb : 0xaaaa);
			CHECK_EQ(vr(CTRL_EPTP), eptp_of(rows[i].other ? s.b : s.a));
		}
		vmcs_forget_all();
		mem_reset(mark);
	}
}

/* More than one in a run, and what the next entry finds */
static void stays(const void *arg)
{
	struct vl2 l2;
	struct sw s;

	if (!setup(&l2, &s))
		return;
	vw(GUEST_RIP, (u64)u_there_and_back);
	l2.rax = 0;
	l2.rcx = 1;
	if (!vl2_expect_done(&l2))
		return;
	CHECK_EQ(l2.rdx, 0xbbbb);
	CHECK_EQ(l2.rsi, 0xaaaa);
	CHECK_EQ(l2.rdi, 0xbbbb);
	CHECK_EQ(vr(CTRL_EPTP), eptp_of(s.b));
	vw(GUEST_RIP, (u64)u_load);
	if (vl2_expect_done(&l2))
		CHECK_EQ(l2.rdx, 0xbbbb);
	vw(CTRL_EPTP, eptp_of(s.a));
	vw(GUEST_RIP, (u64)u_load);
	if (vl2_expect_done(&l2))
		CHECK_EQ(l2.rdx, 0xaaaa);
}

/* A function that is not enabled, an index beyond the list, a bad EPTP: exits */
static void exits(const void *arg)
{
	static const struct { u64 rax, rcx; } rows[] = {
		{ 1, 0 }, { 63, 0 }, { 0, 512 }, { 0, 0xffffffff }, { 0, 2 }, { 0, 3 },
	};
	u64 mark = mem_mark();
	struct vl2 l2;
	struct sw s;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!setup(&l2, &s))
			return;
		/* Entry 2 is 0; entry 3 has a reserved bit. */
		s.list[3] = eptp_of(s.b) | BIT(11);
		l2.rax = rows[i].rax;
		l2.rcx = rows[i].rcx;
		if (vl2_expect(&l2, R_VMFUNC)) {
			CHECK_EQ(vr(GUEST_RIP), u_vmfunc);
			CHECK_EQ(vr(EXIT_LEN), 3);
			CHECK_EQ(vr(CTRL_EPTP), eptp_of(s.a));
		} else {
			FAIL("row %u", i);
		}
		vmcs_forget_all();
		mem_reset(mark);
	}
}

static void undefined(const void *arg)
{
	struct vl2 l2;
	struct sw s;

	if (!setup(&l2, &s))
		return;
	l2.rax = 64;
	vl2_expect_trap(&l2, V_UD, NULL);
	setup(&l2, &s);
	l2.rax = 0xffffffff;
	vl2_expect_trap(&l2, V_UD, NULL);
	/* Not enabled at all */
	setup(&l2, &s);
	ctl_clear(CTRL_PROC2, PROC2_VMFUNC);
	l2.rax = 0;
	vl2_expect_trap(&l2, V_UD, NULL);
}

/* No EPTP switching without EPT; the list is an aligned page. */
static void checks(const void *arg)
{
	struct vl2 l2;
	struct sw s;
	u32 bit;

	if (!setup(&l2, &s))
		return;
	ctl_clear(CTRL_PROC2, PROC2_EPT | PROC2_UNRESTRICTED);
	vl2_expect_error(&l2, E_CONTROLS);
	for (bit = 0; bit < 64; bit++) {
		if (bit >= 12 && bit < maxphys)
			continue;
		setup(&l2, &s);
		vw(CTRL_EPTP_LIST, (u64)s.list ^ BIT(bit));
		vl2_expect_error(&l2, E_CONTROLS);
		vw(CTRL_EPTP_LIST, (u64)s.list);
		vl2_expect_done(&l2);
		vmcs_forget_all();
	}
}

static const struct l1_test tests[] = {
	{ "eptp_switching", VF_VMFUNC, switches, NULL },
	{ "stays", VF_VMFUNC, stays, NULL },
	{ "exits", VF_VMFUNC, exits, NULL },
	{ "undefined", VF_VMFUNC, undefined, NULL },
	{ "checks", VF_VMFUNC, checks, NULL },
};

const struct test_group group_vmx_vmfunc = { "vmx_vmfunc", tests, ARRAY_SIZE(tests), false };
