// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM-entry checks on guest segment registers: exit reason 33, qualification 0 (SDM
 * volume 3, "Checks on Guest Segment Registers").
 */
#include "vmx/chk.h"

static void p_no_ug(struct vl2 *l2)
{
	ctl_clear(CTRL_PROC2, PROC2_UNRESTRICTED);
}

static void p_user_no_ug(struct vl2 *l2)
{
	p_no_ug(l2);
	vl2_set_user(l2);
}

static void p_user(struct vl2 *l2)
{
	vl2_set_user(l2);
}

/* Conforming code of CPL 3 */
static void p_conforming(struct vl2 *l2)
{
	vl2_set_user(l2);
	vl2_seg(S_CS, SEL_UCS, 0xa09f, ~0u, 0);
}

static void p_ldt(struct vl2 *l2)
{
	vl2_seg(S_LDTR, SEL_LDT, 0x82, 7, 0x1000);
}

static void p_unusable(struct vl2 *l2)
{
	vl2_seg(S_FS, 0, AR_UNUSABLE, 0, 0);
}

static void p_32(struct vl2 *l2)
{
	ctl_clear(CTRL_ENTRY, ENTRY_IA32E);
	vl2_seg(S_CS, SEL_CS32, 0xc09b, ~0u, 0);
	vw_clear(GUEST_CR0, CR0_PG);
	if (cpu_features & VF_EFER)
		vw_clear(GUEST_EFER, EFER_LMA | EFER_LME);
}

/* Virtual-8086 mode at LOW_BASE, one VMCALL */
static void p_v86(struct vl2 *l2)
{
	int s;

	*(u32 *)LOW_BASE = 0xc1010f;
	p_32(l2);
	vw(GUEST_RFLAGS, 2 | FL_VM);
	vw(GUEST_RIP, 0);
	for (s = S_ES; s <= S_GS; s++)
		vl2_seg(s, LOW_BASE >> 4, 0xf3, 0xffff, LOW_BASE);
}

/* Data segments whose limit needs G = 1, and byte-granular ones */
static void p_small(struct vl2 *l2)
{
	int s;

	for (s = S_ES; s <= S_GS; s++)
		vl2_seg(s, s == S_CS ? SEL_CS : SEL_DS, s == S_CS ? 0x209b : 0x4093, 0xffff0, 0);
}

#define C(f, ...) CHK(R_GUEST_STATE, f, ##__VA_ARGS__)
#define BAD(n, need, ...) { n, need, chk_refused, C(__VA_ARGS__) }
#define OK(n, need, ...) { "valid_" n, need, chk_accepted, C(__VA_ARGS__) }
#define TYPE(t) .clear = 0xf, .set = (t)

/* CS may have any of the accessed code types, and 3 in an unrestricted guest. */
static void cs_types(const void *arg)
{
	u64 mark = mem_mark();
	struct vl2 l2;
	u32 type;

	for (type = 0; type < 16; type++) {
		bool code = type >= 9 && type & 1;

		vl2_init_at(&l2, l2_done);
		if (type == 3 && cpu_features & VF_UG)
			ctl_clear(CTRL_PROC2, PROC2_UNRESTRICTED);
		vw(GUEST_CS_AR, (vr(GUEST_CS_AR) & ~0xfull) | type);
		if (code)
			vl2_expect_done(&l2);
		else if (!chk_failed_so(&l2, R_GUEST_STATE, 0))
			FAIL("CS of type %u was not refused", type);
		vmcs_forget_all();
		mem_reset(mark);
	}
}

static void ss_types(const void *arg)
{
	u64 mark = mem_mark();
	struct vl2 l2;
	u32 type;

	for (type = 0; type < 16; type++) {
		vl2_init_at(&l2, l2_done);
		vw(GUEST_SS_AR, (vr(GUEST_SS_AR) & ~0xfull) | type);
		if (type == 3 || type == 7)
			vl2_expect_done(&l2);
		else if (!chk_failed_so(&l2, R_GUEST_STATE, 0))
			FAIL("SS of type %u was not refused", type);
		vmcs_forget_all();
		mem_reset(mark);
	}
}

/* Accessed, and readable if code */
static void data_types(const void *arg)
{
	u32 field = (u64)arg, type;
	u64 mark = mem_mark();
	struct vl2 l2;

	for (type = 0; type < 16; type++) {
		vl2_init_at(&l2, l2_done);
		vw(field, (vr(field) & ~0xfull) | type);
		if (type & 1 && (!(type & 8) || type & 2))
			vl2_expect_done(&l2);
		else if (!chk_failed_so(&l2, R_GUEST_STATE, 0))
			FAIL("%s of type %u was not refused", field_name(field), type);
		vmcs_forget_all();
		mem_reset(mark);
	}
}

static void tr_types(const void *arg)
{
	u64 mark = mem_mark();
	struct vl2 l2;
	u32 type;

	for (type = 0; type < 32; type++) {
		bool wide = type < 16, good = (type & 15) == 11 || (!wide && (type & 15) == 3);

		if (!wide && !(cpu_features & VF_UG))
			break;
		vl2_init_at(&l2, l2_done);
		if (!wide)
			p_32(&l2);
		vw(GUEST_TR_AR, 0x80 | (type & 15));
		if (good)
			vl2_expect_done(&l2);
		else if (!chk_failed_so(&l2, R_GUEST_STATE, 0))
			FAIL("TR of type %u was not refused", type & 15);
		vmcs_forget_all();
		mem_reset(mark);
	}
}

static void ldtr_types(const void *arg)
{
	u64 mark = mem_mark();
	struct vl2 l2;
	u32 type;

	for (type = 0; type < 16; type++) {
		vl2_init_at(&l2, l2_done);
		p_ldt(&l2);
		vw(GUEST_LDTR_AR, 0x80 | type);
		if (type == 2)
			vl2_expect_done(&l2);
		else if (!chk_failed_so(&l2, R_GUEST_STATE, 0))
			FAIL("LDTR of type %u was not refused", type);
		vmcs_forget_all();
		mem_reset(mark);
	}
}

static void canonical(const void *arg)
{
	static const u64 bad[] = { BIT(47), BIT(62), BIT(63), ~BIT(63), 0xffff000000000000ull };
	u32 field = (u64)arg, i;
	u64 mark = mem_mark(), old;
	struct vl2 l2;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		vl2_init_at(&l2, l2_done);
		if (field == GUEST_LDTR_BASE)
			p_ldt(&l2);
		old = vr(field);
		vw(field, bad[i]);
		if (!chk_failed_so(&l2, R_GUEST_STATE, 0)) {
			FAIL("%s = %llx was not refused", field_name(field), bad[i]);
			vl2_tell(&l2);
		}
		/* TR's memory is used, so only the others may be elsewhere. */
		vw(field, field == GUEST_TR_BASE ? old : -BIT(47));
		vl2_expect_done(&l2);
		vmcs_forget_all();
		mem_reset(mark);
	}
}

/*
 * What every usable segment shares: S, P, reserved bits, and G against the limit.
 * The selector, base and limit fields have the access rights' order.
 */
#define COMMON(n, f, p) \
	BAD(n "_s", 0, f##_AR, CLR(BIT(4)), .prep = p), \
	BAD(n "_p", 0, f##_AR, CLR(BIT(7)), .prep = p), \
	BAD(n "_reserved", 0, f##_AR, BITS(8, 11), .prep = p), \
	BAD(n "_reserved_high", 0, f##_AR, BITS(17, 31), .prep = p), \
	BAD(n "_g_needed", 0, f##_AR, CLR(BIT(15)), .prep = p), \
	BAD(n "_g_limit", 0, f##_LIMIT, VAL(0xfffff000), .prep = p), \
	BAD(n "_g_forbidden", 0, f##_AR, SET(BIT(15)), .prep = p_small)
/* FS stands for the ones that are not used here. */
#define UNUSABLE(n, f) \
	OK(n "_unusable", 0, f##_AR, SET(AR_UNUSABLE))
#define V86(n, f) \
	BAD(n "_base_v86", VF_UG, f##_BASE, SET(16), .prep = p_v86), \
	BAD(n "_limit_v86", VF_UG, f##_LIMIT, CLR(1), .prep = p_v86), \
	BAD(n "_ar_v86", VF_UG, f##_AR, BITS(0, 15), .prep = p_v86)
#define HIGH(n, f) BAD(n "_base_high", 0, f##_BASE, BITS(32, 63))
#define RPL(n, f) \
	BAD(n "_dpl_rpl", 0, f##_SEL, SET(3), .prep = p_no_ug), \
	OK(n "_dpl_rpl", VF_UG, f##_SEL, SET(3))

static const struct l1_test tests[] = {
	{ "cs_type", 0, cs_types, NULL },
	{ "ss_type", 0, ss_types, NULL },
	{ "ds_type", 0, data_types, (void *)GUEST_DS_AR },
	{ "es_type", 0, data_types, (void *)GUEST_ES_AR },
	{ "fs_type", 0, data_types, (void *)GUEST_FS_AR },
	{ "gs_type", 0, data_types, (void *)GUEST_GS_AR },
	{ "tr_type", 0, tr_types, NULL },
	{ "ldtr_type", 0, ldtr_types, NULL },
	COMMON("cs", GUEST_CS, NULL),
	COMMON("ss", GUEST_SS, NULL),
	COMMON("ds", GUEST_DS, NULL),
	COMMON("es", GUEST_ES, NULL),
	COMMON("fs", GUEST_FS, NULL),
	COMMON("gs", GUEST_GS, NULL),
	UNUSABLE("ds", GUEST_DS),
	UNUSABLE("es", GUEST_ES),
	UNUSABLE("fs", GUEST_FS),
	UNUSABLE("gs", GUEST_GS),
	OK("fs_unusable_rights", 0, GUEST_FS_AR, SET(0xf00), .prep = p_unusable),
	OK("fs_unusable_limit", 0, GUEST_FS_LIMIT, VAL(0xfffff000), .prep = p_unusable),
	OK("cs_unusable_not_looked_at", 0, GUEST_CS_LIMIT, VAL(~0ull)),
	BAD("cs_l_and_d", 0, GUEST_CS_AR, SET(BIT(14))),
	OK("cs_l_and_d_32", VF_UG, GUEST_CS_AR, SET(BIT(13)), .prep = p_32),
	BAD("cs_dpl_nonconforming", 0, GUEST_CS_AR, SET(0x60)),
	BAD("cs_dpl_conforming", 0, GUEST_CS_AR, .clear = 0xf, .set = 0x6f),
	OK("cs_dpl_conforming", 0, GUEST_CS_AR, TYPE(0xf), .prep = p_conforming),
	BAD("cs_type3_dpl", VF_UG, GUEST_CS_AR, .clear = 0xf, .set = 0x63, .prep = p_user),
	BAD("ss_dpl_rpl", 0, GUEST_SS_AR, SET(0x60), .prep = p_no_ug),
	BAD("ss_rpl_cs_rpl", 0, GUEST_CS_SEL, CLR(3), .prep = p_user_no_ug),
	RPL("ds", GUEST_DS),
	RPL("es", GUEST_ES),
	RPL("fs", GUEST_FS),
	RPL("gs", GUEST_GS),
	HIGH("cs", GUEST_CS),
	HIGH("ss", GUEST_SS),
	HIGH("ds", GUEST_DS),
	HIGH("es", GUEST_ES),
	{ "fs_base_canonical", 0, canonical, (void *)GUEST_FS_BASE },
	{ "gs_base_canonical", 0, canonical, (void *)GUEST_GS_BASE },
	{ "tr_base_canonical", 0, canonical, (void *)GUEST_TR_BASE },
	{ "ldtr_base_canonical", 0, canonical, (void *)GUEST_LDTR_BASE },
	BAD("tr_ti", 0, GUEST_TR_SEL, SET(4)),
	BAD("tr_s", 0, GUEST_TR_AR, SET(BIT(4))),
	BAD("tr_p", 0, GUEST_TR_AR, CLR(BIT(7))),
	BAD("tr_reserved", 0, GUEST_TR_AR, BITS(8, 11)),
	BAD("tr_unusable", 0, GUEST_TR_AR, SET(AR_UNUSABLE)),
	BAD("tr_reserved_high", 0, GUEST_TR_AR, BITS(17, 31)),
	BAD("tr_g_forbidden", 0, GUEST_TR_LIMIT, VAL(0x100067)),
	BAD("tr_g_needed", 0, GUEST_TR_AR, SET(BIT(15))),
	BAD("ldtr_ti", 0, GUEST_LDTR_SEL, SET(4), .prep = p_ldt),
	BAD("ldtr_s", 0, GUEST_LDTR_AR, SET(BIT(4)), .prep = p_ldt),
	BAD("ldtr_p", 0, GUEST_LDTR_AR, CLR(BIT(7)), .prep = p_ldt),
	BAD("ldtr_reserved", 0, GUEST_LDTR_AR, BITS(8, 11), .prep = p_ldt),
	BAD("ldtr_reserved_high", 0, GUEST_LDTR_AR, BITS(17, 31), .prep = p_ldt),
	BAD("ldtr_g_forbidden", 0, GUEST_LDTR_LIMIT, VAL(0x100007), .prep = p_ldt),
	BAD("ldtr_g_needed", 0, GUEST_LDTR_AR, SET(BIT(15)), .prep = p_ldt),
	OK("ldtr_unusable_ti", 0, GUEST_LDTR_SEL, SET(4)),
	V86("cs", GUEST_CS),
	V86("ss", GUEST_SS),
	V86("ds", GUEST_DS),
	V86("es", GUEST_ES),
	V86("fs", GUEST_FS),
	V86("gs", GUEST_GS),
};

const struct test_group group_vmx_seg_checks = { "vmx_seg_checks", tests, ARRAY_SIZE(tests), false };
