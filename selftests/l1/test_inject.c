// SPDX-License-Identifier: GPL-2.0-only
/*
 * Event injection: each type, with and without error code; what is reported in
 * EXITINTINFO when the delivery of an injected or of L2's own event ends in an
 * exit, and that writing it back to EVENTINJ completes the delivery.
 */
#include "l1.h"

L2_ASM(inj_code, "nop");
L2_ASM(inj_int, "int $0x90");
L2_ASM(inj_int3, "int3");
L2_ASM(inj_ud, "ud2");

struct inj { u64 event; u8 vec; bool user; };

static void simple(const void *arg)
{
	const struct inj *j = arg;
	struct l2_frame fr;
	struct l2 l2;

	l2_init_at(&l2, inj_code);
	if (j->user)
		l2_set_user(&l2);
	l2.vmcb->c.eventinj = EV_VALID | j->event;
	/* Soft events push the next RIP where the CPU saves it, else RIP. */
	l2.vmcb->c.nrip = (u64)inj_code;
	/* Intercepts do not apply to what is injected, nor does RFLAGS.IF. */
	l2.vmcb->c.exceptions = ~0u;
	l2.vmcb->s.cr2 = 0x5678;
	if (!l2_expect_trap(&l2, j->vec, &fr))
		return;
	CHECK_EQ(fr.rip, inj_code);
	CHECK_EQ(fr.err, j->event & EV_ERR ? j->event >> 32 : 0);
	CHECK_EQ(fr.cs, j->user ? SEL_UCS : SEL_CS);
	CHECK_EQ(fr.rflags & ~FL_RF, 2);
	if (!t_departs("cr2"))
		CHECK_EQ(l2.vmcb->s.cr2, 0x5678);
	CHECK_EQ(l2.vmcb->s.cpl, 0);
	CHECK_EQ(l2.vmcb->c.exitintinfo & EV_VALID, 0);
	/* And back to what it interrupted. */
	l2_trap_return(&l2);
	l2.vmcb->c.eventinj = 0;
	l2.vmcb->c.exceptions = 0;
	if (l2_expect_done(&l2))
		CHECK_EQ(l2.vmcb->s.rip, inj_code_end);
}

/* All external vectors. */
static void all_intr(const void *arg)
{
	u64 mark = mem_mark();
	struct l2 l2;
	u32 v;

	for (v = 0x20; v < 0x100; v++) {
		l2_init_at(&l2, inj_code);
		l2.vmcb->c.eventinj = EV_VALID | EV_INTR | v;
		l2_expect_trap(&l2, v, NULL);
		mem_reset(mark);
	}
}

/* A soft event pushes nRIP, an exception RIP. */
static void soft_nrip(const void *arg)
{
	struct l2_frame fr;
	struct l2 l2;

	l2_init_at(&l2, inj_int);
	l2.vmcb->c.eventinj = EV_VALID | EV_SOFT | 0x90;
	l2.vmcb->c.nrip = (u64)inj_int_end;
	if (l2_expect_trap(&l2, 0x90, &fr))
		CHECK_EQ(fr.rip, inj_int_end);
	l2_init_at(&l2, inj_int);
	l2.vmcb->c.eventinj = EV_VALID | EV_EXC | V_UD;
	l2.vmcb->c.nrip = (u64)inj_int_end;
	if (l2_expect_trap(&l2, V_UD, &fr))
		CHECK_EQ(fr.rip, inj_int);
}

/* INT n looks at the gate's DPL, an interrupt does not. */
static void soft_dpl(const void *arg)
{
	struct l2_frame fr;
	struct l2 l2;

	l2_init_at(&l2, inj_code);
	l2_set_user(&l2);
	l2.vmcb->c.eventinj = EV_VALID | EV_SOFT | 0x90;
	l2.vmcb->c.nrip = (u64)inj_code;
	if (l2_expect_trap(&l2, V_GP, &fr))
		if (!t_departs("error_code"))
			CHECK_EQ(fr.err, 0x90 * 8 + 2);
	l2_init_at(&l2, inj_code);
	l2_set_user(&l2);
	l2.vmcb->c.eventinj = EV_VALID | EV_INTR | 0x90;
	l2_expect_trap(&l2, 0x90, &fr);
}

/*
 * EXITINTINFO without what means nothing for this event: the error code where there
 * is none, the vector of an NMI.
 */
static u64 reported(const struct vmcb *v, u64 event)
{
	u64 info = v->c.exitintinfo;

	if (!(event & EV_ERR))
		info = (u32)info;
	if ((event & EV_TYPE(7)) == EV_NMI)
		info = (info & ~0xffull) | (event & 0xff);
	return info;
}

/* The delivery of the injected event faults, and that is intercepted. */
static void nested_fault(const void *arg)
{
	const struct inj *j = arg;
	struct l2 l2;
	u64 info;

	l2_init_at(&l2, inj_code);
	l2.vmcb->s.idtr.limit = 0;
	l2.vmcb->c.nrip = (u64)inj_code;
	l2.vmcb->c.eventinj = EV_VALID | j->event;
	l2.vmcb->c.exceptions = 1u << V_GP;
	if (!l2_expect(&l2, X_EXC + V_GP))
		return;
	CHECK_EQ(l2.vmcb->s.rip, inj_code);
	info = reported(l2.vmcb, j->event);
	CHECK_EQ(info, EV_VALID | j->event);
	if (!t_departs("error_code"))
		CHECK_EQ(l2.vmcb->c.exitinfo1 | 1, j->vec * 8 + 3);
}

/* A page of the delivery is missing in the nested tables. */
static void npf_during(struct l2 *l2, u64 missing, u64 want_event, u8 vec, u64 frame_rip)
{
	struct l2_frame fr;
	u64 *npt = pt_new_identity(), *e, good, info;

	e = pt_split(npt, missing, L_4K);
	good = *e;
	*e = 0;
	l2->vmcb->c.n_cr3 = (u64)npt;
	if (!l2_expect(l2, X_NPF))
		return;
	CHECK_EQ(l2->vmcb->c.exitinfo2 & ~0xfffull, missing & ~0xfffull);
	info = reported(l2->vmcb, want_event);
	CHECK_EQ(info, EV_VALID | want_event);
	*e = good;
	/* What hypervisors do: put it back; the next RIP is theirs to keep. */
	l2->vmcb->c.eventinj = l2->vmcb->c.exitintinfo;
	l2->vmcb->c.nrip = frame_rip;
	if ((want_event & EV_TYPE(7)) == EV_SOFT && !(cpu_features & F_NRIPS))
		l2->vmcb->s.rip = frame_rip;
	if (!l2_expect_trap(l2, vec, &fr))
		return;
	if (want_event & EV_ERR)
		CHECK_EQ(fr.err, want_event >> 32);
	CHECK_EQ(fr.rip, frame_rip);
}

static void npf_idt(const void *arg)
{
	const struct inj *j = arg;
	struct l2 l2;

	l2_init_at(&l2, inj_code);
	l2.vmcb->c.eventinj = EV_VALID | j->event;
	l2.vmcb->c.nrip = (u64)inj_code;
	npf_during(&l2, (u64)l2_idt, j->event, j->vec, (u64)inj_code);
}

static void npf_stack(const void *arg)
{
	const struct inj *j = arg;
	struct l2 l2;

	l2_init_at(&l2, inj_code);
	l2.vmcb->c.eventinj = EV_VALID | j->event;
	l2.vmcb->c.nrip = (u64)inj_code;
	npf_during(&l2, l2.vmcb->s.rsp, j->event, j->vec, (u64)inj_code);
}

/* L2's own events, interrupted in their delivery. */
static void npf_own_int(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, inj_int);
	npf_during(&l2, (u64)l2_idt, EV_SOFT | 0x90, 0x90, (u64)inj_int_end);
}

static void npf_own_ud(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, inj_ud);
	npf_during(&l2, (u64)l2_idt, EV_EXC | V_UD, V_UD, (u64)inj_ud);
}

static void npf_own_gp(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, inj_int);
	l2_set_user(&l2);
	npf_during(&l2, (u64)l2.stack + 4 * PAGE_SIZE - 8,
		   EV_EXC | V_GP | EV_ERR | EV_ERRCODE(0x90 * 8 + 2), V_GP, (u64)inj_int);
}

/* Not valid: the rest of the field means nothing. */
static void not_valid(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, inj_code);
	l2.vmcb->c.eventinj = ~EV_VALID;
	if (l2_expect_done(&l2))
		CHECK_EQ(l2.vmcb->s.rip, inj_code_end);
}

/* Two entries, one injection: it does not happen twice. */
static void only_once(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, inj_code);
	l2.vmcb->c.eventinj = EV_VALID | EV_INTR | 0x77;
	if (!l2_expect_trap(&l2, 0x77, NULL))
		return;
	l2.vmcb->c.eventinj = 0;
	l2_trap_return(&l2);
	if (l2_expect_done(&l2))
		CHECK_EQ(l2.vmcb->s.rip, inj_code_end);
}

#define J(n, ev, v) static const struct inj n = { ev, v, false }
J(j_intr, EV_INTR | 0x80, 0x80);
J(j_nmi, EV_NMI | 2, 2);
/* The vector of an NMI is not looked at. */
J(j_nmi_vec, EV_NMI | 0x55, 2);
J(j_de, EV_EXC | V_DE, V_DE);
J(j_db, EV_EXC | V_DB, V_DB);
J(j_bp, EV_EXC | V_BP, V_BP);
J(j_of, EV_EXC | V_OF, V_OF);
J(j_ud, EV_EXC | V_UD, V_UD);
J(j_nm, EV_EXC | V_NM, V_NM);
J(j_df, EV_EXC | V_DF | EV_ERR, V_DF);
J(j_ts, EV_EXC | V_TS | EV_ERR | EV_ERRCODE(0x28), V_TS);
J(j_np, EV_EXC | V_NP | EV_ERR | EV_ERRCODE(0x38), V_NP);
J(j_ss, EV_EXC | V_SS | EV_ERR | EV_ERRCODE(0x48), V_SS);
J(j_gp, EV_EXC | V_GP | EV_ERR | EV_ERRCODE(0x1234), V_GP);
J(j_pf, EV_EXC | V_PF | EV_ERR | EV_ERRCODE(0x7), V_PF);
J(j_mf, EV_EXC | V_MF, V_MF);
J(j_ac, EV_EXC | V_AC | EV_ERR, V_AC);
J(j_mc, EV_EXC | V_MC, V_MC);
J(j_xm, EV_EXC | V_XM, V_XM);
J(j_soft, EV_SOFT | 0x90, 0x90);
static const struct inj u_intr = { EV_INTR | 0x80, 0x80, true };
static const struct inj u_pf = { EV_EXC | V_PF | EV_ERR | EV_ERRCODE(0x5), V_PF, true };
static const struct inj u_bp = { EV_EXC | V_BP, V_BP, true };

static const struct l1_test tests[] = {
	{ "intr", 0, simple, &j_intr },
	{ "intr_all", 0, all_intr, NULL },
	{ "nmi", 0, simple, &j_nmi },
	{ "nmi_vector", 0, simple, &j_nmi_vec },
	{ "de", 0, simple, &j_de },
	{ "db", 0, simple, &j_db },
	{ "bp", 0, simple, &j_bp },
	{ "of", 0, simple, &j_of },
	{ "ud", 0, simple, &j_ud },
	{ "nm", 0, simple, &j_nm },
	{ "df", 0, simple, &j_df },
	{ "ts", 0, simple, &j_ts },
	{ "np", 0, simple, &j_np },
	{ "ss", 0, simple, &j_ss },
	{ "gp", 0, simple, &j_gp },
	{ "pf", 0, simple, &j_pf },
	{ "mf", 0, simple, &j_mf },
	{ "ac", 0, simple, &j_ac },
	{ "mc", 0, simple, &j_mc },
	{ "xm", 0, simple, &j_xm },
	{ "soft", 0, simple, &j_soft },
	{ "user_intr", 0, simple, &u_intr },
	{ "user_pf", 0, simple, &u_pf },
	{ "user_bp", 0, simple, &u_bp },
	{ "soft_nrip", F_NRIPS, soft_nrip, NULL },
	{ "soft_dpl", 0, soft_dpl, NULL },
	{ "nested_intr", 0, nested_fault, &j_intr },
	{ "nested_nmi", 0, nested_fault, &j_nmi },
	{ "nested_ud", 0, nested_fault, &j_ud },
	{ "nested_soft", 0, nested_fault, &j_soft },
	{ "npf_idt_intr", F_NPT, npf_idt, &j_intr },
	{ "npf_idt_nmi", F_NPT, npf_idt, &j_nmi },
	{ "npf_idt_ud", F_NPT, npf_idt, &j_ud },
	{ "npf_idt_gp", F_NPT, npf_idt, &j_gp },
	{ "npf_idt_pf", F_NPT, npf_idt, &j_pf },
	{ "npf_idt_soft", F_NPT, npf_idt, &j_soft },
	{ "npf_stack_intr", F_NPT, npf_stack, &j_intr },
	{ "npf_stack_nmi", F_NPT, npf_stack, &j_nmi },
	{ "npf_stack_gp", F_NPT, npf_stack, &j_gp },
	{ "npf_own_int", F_NPT, npf_own_int, NULL },
	{ "npf_own_ud", F_NPT, npf_own_ud, NULL },
	{ "npf_own_gp", F_NPT, npf_own_gp, NULL },
	{ "not_valid", 0, not_valid, NULL },
	{ "only_once", 0, only_once, NULL },
};

const struct test_group group_inject = { "inject", tests, ARRAY_SIZE(tests), false };
