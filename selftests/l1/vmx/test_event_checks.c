// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM-entry checks on the event to inject: VM-instruction error 7 (SDM volume 3,
 * "VM-Entry Control Fields").
 */
#include "vmx/chk.h"

static void p_soft(struct vl2 *l2)
{
	vw(CTRL_ENTRY_LEN, 1);
}

/* L2 in real mode, where no event has an error code: one VMCALL at LOW_BASE */
static void p_real(struct vl2 *l2)
{
	int s;

	*(u32 *)LOW_BASE = 0xc1010f;
	vw(GUEST_RIP, 0);

	ctl_clear(CTRL_ENTRY, ENTRY_IA32E);
	vw(GUEST_CR0, vr(GUEST_CR0) & ~(CR0_PE | CR0_PG));
	vw(GUEST_EFER, 0);
	for (s = S_ES; s <= S_GS; s++)
		vl2_seg(s, LOW_BASE >> 4, s == S_CS ? 0x9b : 0x93, 0xffff, LOW_BASE);
}

/* Vector 0..31 as hardware exceptions: the error code must be delivered with those that have one. */
static void error_code_vectors(const void *arg)
{
	u32 has = 1u << V_DF | 1u << V_TS | 1u << V_NP | 1u << V_SS | 1u << V_GP | 1u << V_PF |
		  1u << V_AC;
	u64 mark = mem_mark();
	struct vl2 l2;
	u32 v;

	for (v = 0; v < 32; v++) {
		/* #CP has one where there is CET; 29 and 30 are other vendors'. */
		if (v == 21 || v == 29 || v == 30 || v == V_NMIV || v == V_DB)
			continue;
		vl2_init_at(&l2, l2_done);
		vw(CTRL_ENTRY_INFO, EV_ON | EV_HW_EXC | v | (has >> v & 1 ? 0 : EV_CODE));
		if (v != V_BP && v != V_OF && !chk_failed_so(&l2, E_CONTROLS, 0)) {
			FAIL("vector %u with the wrong error-code bit was not refused", v);
			vl2_tell(&l2);
		}
		vmcs_forget_all();
		mem_reset(mark);
	}
}

/* Type 3 with vector 2 and such: what is left to the types */
static void type_vectors(const void *arg)
{
	static const struct { u32 info; u8 len; } bad[] = {
		{ EV_VNMI | 0, 0 }, { EV_VNMI | 3, 0 }, { EV_VNMI | 0x80, 0 },
		{ EV_HW_EXC | 32, 0 }, { EV_HW_EXC | 0x80, 0 }, { EV_HW_EXC | 0xff, 0 },
		{ EV_OTHER | 1, 0 }, { EV_OTHER | 0x80, 0 },
		{ 1u << 8 | 0x20, 0 }, { 1u << 8, 0 },
		/* An error code with what has none */
		{ EV_HW_INTR | 0x80 | EV_CODE, 0 }, { EV_VNMI | 2 | EV_CODE, 0 },
		{ EV_SW_INTR | 0x80 | EV_CODE, 1 }, { EV_SW_EXC | V_BP | EV_CODE, 1 },
		{ EV_PRIV_SW_EXC | V_DB | EV_CODE, 1 },
	};
	u64 mark = mem_mark();
	struct vl2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if ((bad[i].info & EV_OTHER) == EV_OTHER && t_departs("other"))
			continue;
		vl2_init_at(&l2, l2_done);
		vw(CTRL_ENTRY_INFO, EV_ON | bad[i].info);
		vw(CTRL_ENTRY_LEN, bad[i].len);
		if (!chk_failed_so(&l2, E_CONTROLS, 0)) {
			FAIL("event %x was not refused", bad[i].info);
			vl2_tell(&l2);
		}
		/* The field is as it was, valid bit and all. */
		CHECK_EQ(vr(CTRL_ENTRY_INFO), EV_ON | bad[i].info);
		/* Not valid: nobody looks at it. */
		vw(CTRL_ENTRY_INFO, bad[i].info);
		vl2_expect_done(&l2);
		vmcs_forget_all();
		mem_reset(mark);
	}
}

static void other_event(const void *arg)
{
	struct vl2 l2;

	if (cpu_features & VF_MTF) {
		t_skip("this CPU has the monitor trap flag");
		return;
	}
	vl2_init_at(&l2, l2_done);
	vw(CTRL_ENTRY_INFO, EV_ON | EV_OTHER);
	vl2_expect_error(&l2, E_CONTROLS);
}

/* Software events: 1 to 15 bytes; 0 where IA32_VMX_MISC says so. */
static void lengths(const void *arg)
{
	static const u32 events[] = { EV_SW_INTR | 0x80, EV_SW_EXC | V_BP, EV_PRIV_SW_EXC | V_DB };
	static const u32 lens[] = { 0, 16, 17, 0x80, 0x10001, 0xffffffff };
	u64 mark = mem_mark();
	struct vl2 l2;
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(events); i++)
		for (j = 0; j < ARRAY_SIZE(lens); j++) {
			if (!lens[j] && cpu_features & VF_LEN0)
				continue;
			vl2_init_at(&l2, l2_done);
			vw(CTRL_ENTRY_INFO, EV_ON | events[i]);
			vw(CTRL_ENTRY_LEN, lens[j]);
			if (!chk_failed_so(&l2, E_CONTROLS, 0)) {
				FAIL("event %x with length %x was not refused", events[i], lens[j]);
				vl2_tell(&l2);
			}
			vmcs_forget_all();
			mem_reset(mark);
		}
}

#define C(f, ...) CHK(E_CONTROLS, f, ##__VA_ARGS__)
#define EVENT(e) VAL(EV_ON | (e))
#define BAD(n, need, ...) { n, need, chk_refused, C(__VA_ARGS__) }

static void p_gp(struct vl2 *l2)
{
	/* #GP to a handler that reports it */
	vw(CTRL_ENTRY_ERROR, 0);
}

static void error_code_high(const void *arg)
{
	struct vl2 l2;
	u32 bit;

	for (bit = 16; bit < 32; bit++) {
		vl2_init_at(&l2, l2_done);
		vw(CTRL_ENTRY_INFO, EV_ON | EV_HW_EXC | EV_CODE | V_GP);
		vw(CTRL_ENTRY_ERROR, BIT(bit));
		vl2_expect_error(&l2, E_CONTROLS);
		vmcs_forget_all();
	}
}

static void reserved(const void *arg)
{
	struct vl2 l2;
	u32 bit;

	for (bit = 12; bit < 31; bit++) {
		vl2_init_at(&l2, l2_done);
		vw(CTRL_ENTRY_INFO, EV_ON | EV_HW_EXC | V_UD | BIT(bit));
		vl2_expect_error(&l2, E_CONTROLS);
		vmcs_forget_all();
	}
}

static const struct l1_test tests[] = {
	{ "type_vector", 0, type_vectors, NULL },
	{ "error_code_vector", 0, error_code_vectors, NULL },
	{ "error_code_high", 0, error_code_high, NULL },
	{ "reserved", 0, reserved, NULL },
	{ "other_event", 0, other_event, NULL },
	{ "length", 0, lengths, NULL },
	BAD("error_code_real_mode", VF_UG, CTRL_ENTRY_INFO, EVENT(EV_HW_EXC | EV_CODE | V_GP),
	    .prep = p_real),
	BAD("type_1_soft", 0, CTRL_ENTRY_INFO, EVENT(1u << 8 | 0x80), .prep = p_soft),
	BAD("gp_no_code", 0, CTRL_ENTRY_INFO, EVENT(EV_HW_EXC | V_GP), .prep = p_gp),
};

const struct test_group group_vmx_event_checks = {
	"vmx_event_checks", tests, ARRAY_SIZE(tests), false
};
