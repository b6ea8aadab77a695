// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMRUN's consistency checks, one row each (APM volume 2, "Canonicalization and
 * Consistency Checks", "Event Injection", "Nested Paging: VMRUN"). A row spoils
 * one field of a good VMCB, a bit or a value at a time; each must end in
 * VMEXIT_INVALID with the rest of the VMCB as it was, and the VMCB put right
 * again must run. A row's name begins with the check's id in nsvm/checks.def; rows
 * "valid_" name what must not be refused. efer_no_long_mode and
 * np_host_paging_off have no row: the image needs long mode and paging.
 */
#include "modes.h"

#define MAXPHYS_BIT	0xfe	/* stands for MAXPHYADDR in a sweep's bounds */

struct check {
	u32 off;		/* a 64-bit word of the VMCB */
	u8 lo, hi;		/* sweep: set each bit of lo..hi alone */
	u64 clear, set;		/* no sweep: both masks */
	u64 keep;		/* bits a sweep leaves out */
};

#define OFF(f) __builtin_offsetof(struct vmcb, f)
#define ONE(f, c, s) { .off = OFF(f), .clear = (c), .set = (s) }
#define SWEEP(f, l, h, ...) { .off = OFF(f), .lo = (l), .hi = (h), ##__VA_ARGS__ }
#define EVENT(v) ONE(c.eventinj, ~0ull, EV_VALID | (v))

static u64 *word(struct vmcb *v, u32 off)
{
	return (u64 *)((u8 *)v + off);
}

/* What an exit may write although the entry failed. */
static void forget(struct vmcb *v)
{
	v->c.exitcode = 0;
	v->c.exitinfo1 = 0;
	v->c.exitinfo2 = 0;
	v->c.exitintinfo = 0;
	v->c.eventinj = 0;
	v->c.nrip = 0;
	v->c.tlb_control = 0;
	v->c.insn_len = 0;
	memset(v->c.insn_bytes, 0, sizeof(v->c.insn_bytes));
}

static void compare(const struct vmcb *spoilt, const struct vmcb *after)
{
	static struct vmcb a, b;
	u32 i;

	if (departure("checks/refused_unmodified"))
		return;
	a = *spoilt;
	b = *after;
	forget(&a);
	forget(&b);
	for (i = 0; i < PAGE_SIZE; i += 8)
		if (*word(&a, i) != *word(&b, i))
			FAIL("offset %x changed from %llx to %llx", i, *word(&a, i), *word(&b, i));
}

/*
 * QEMU's TCG writes 32 bits of the code; the upper half has its own row, which
 * is what is skipped there.
 */
static bool invalid(const struct vmcb *v)
{
	if (v->c.exitcode == 0xffffffff && departure("checks/exitcode_64_bits"))
		return true;
	return v->c.exitcode == X_INVALID;
}

static void exitcode_64_bits(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, l2_done);
	l2.vmcb->c.asid = 0;
	l2_expect(&l2, X_INVALID);
}

/* The good VMCB with one word replaced; false when it was not refused. */
static bool refused(u32 off, u64 val)
{
	struct vmcb *good = alloc_page(), *spoilt = alloc_page();
	struct l2 l2;

	l2_init_at(&l2, l2_done);
	*good = *l2.vmcb;
	*word(l2.vmcb, off) = val;
	*spoilt = *l2.vmcb;
	l2_run(&l2);
	if (!invalid(l2.vmcb))
		return false;
	compare(spoilt, l2.vmcb);
	*l2.vmcb = *good;
	return l2_expect_done(&l2);
}

static void try_refused(u32 off, u64 val)
{
	u64 mark = mem_mark();

	if (!refused(off, val))
		FAIL("VMCB %x = %llx was not refused", off, val);
	mem_reset(mark);
}

static u64 good_word(u32 off)
{
	u64 mark = mem_mark(), v;
	struct l2 l2;

	l2_init_at(&l2, l2_done);
	v = *word(l2.vmcb, off);
	mem_reset(mark);
	return v;
}

/* The comparison that refused() makes, as a row of its own. */
static void refused_unmodified(const void *arg)
{
	try_refused(OFF(c.asid), 0);
	try_refused(OFF(s.cr0), good_word(OFF(s.cr0)) | BIT(32));
}

static void refuse(const void *arg)
{
	const struct check *c = arg;
	u64 good = good_word(c->off);
	u32 bit, lo = c->lo == MAXPHYS_BIT ? maxphys : c->lo;

	if (!c->hi) {
		try_refused(c->off, (good & ~c->clear) | c->set);
		return;
	}
	for (bit = lo; bit <= c->hi; bit++)
		if (!(c->keep & BIT(bit)))
			try_refused(c->off, good | BIT(bit));
}

static void table_beyond(const void *arg)
{
	const struct check *c = arg;

	try_refused(c->off, BIT(maxphys));
	/* Its last page only. */
	try_refused(c->off, BIT(maxphys) - PAGE_SIZE);
	if (c->off == OFF(c.iopm_base_pa))
		try_refused(c->off, BIT(maxphys) - 2 * PAGE_SIZE);
	try_refused(c->off, BIT(52));
	try_refused(c->off, BIT(63));
}

static void g_pat(const void *arg)
{
	static const u8 bad[] = { 2, 3, 8, 0x10, 0x80 };
	u64 good = good_word(OFF(s.g_pat));
	u32 i, j;

	for (i = 0; i < 8; i++)
		for (j = 0; j < ARRAY_SIZE(bad); j++)
			try_refused(OFF(s.g_pat), (good & ~(0xffull << i * 8)) |
						  (u64)bad[j] << i * 8);
}

/* ---- what must run ---- */

static void accept(const void *arg)
{
	const struct check *c = arg;
	struct l2 l2;

	l2_init_at(&l2, l2_done);
	*word(l2.vmcb, c->off) = (*word(l2.vmcb, c->off) & ~c->clear) | c->set;
	l2_expect_done(&l2);
}

static void last_asid(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, l2_done);
	l2.vmcb->c.asid = nr_asids - 1;
	l2_expect_done(&l2);
}

/*
 * Values no rule forbids or allows (an unknown TLB_CONTROL, reserved words, an
 * ASID out of range): they run or are refused, and L1 goes on.
 */
static void either(const void *arg)
{
	const struct check *c = arg;
	u64 mark = mem_mark();
	u32 bit;

	for (bit = c->lo; bit <= c->hi; bit++) {
		struct l2 l2;

		l2_init_at(&l2, l2_done);
		*word(l2.vmcb, c->off) |= BIT(bit);
		l2_run(&l2);
		if (!invalid(l2.vmcb) && l2.vmcb->c.exitcode != X_VMMCALL)
			FAIL("bit %u of VMCB %x: exit %llx", bit, c->off, l2.vmcb->c.exitcode);
		mem_reset(mark);
	}
}

/*
 * CPUs differ in whether they look at the high half of CR3 when the guest's is 32 bits wide.
 * Whichever it is: L2 runs or is refused, and L1 goes on.
 */
static void cr3_legacy_high(const void *arg)
{
	extern const char p32_cpuid[];
	u64 mark = mem_mark();
	u32 bit;

	for (bit = 32; bit < 64; bit++) {
		struct l2 l2;

		l2_init_mode(&l2, M_P32, true, p32_cpuid);
		l2_intercept1(&l2, I1_CPUID);
		l2.vmcb->s.cr3 |= BIT(bit);
		l2_run(&l2);
		if (!invalid(l2.vmcb) && l2.vmcb->c.exitcode != X_CPUID)
			FAIL("bit %u of CR3: exit %llx", bit, l2.vmcb->c.exitcode);
		mem_reset(mark);
	}
}

static const struct check c_efer_svme = ONE(s.efer, EFER_SVME, 0);
static const struct check c_cr0_cd_nw = ONE(s.cr0, CR0_CD, CR0_NW);
static const struct check c_cr0_high = SWEEP(s.cr0, 32, 63);
static const struct check c_cr3_mbz = SWEEP(s.cr3, 52, 63);
static const struct check c_cr3_phys = SWEEP(s.cr3, MAXPHYS_BIT, 51);
static const struct check c_cr4_mbz = SWEEP(s.cr4, 13, 63, .keep = BIT(16) | BIT(17) | BIT(18) |
					    BIT(20) | BIT(21) | BIT(22) | BIT(23) | BIT(24));
static const struct check c_dr6_high = SWEEP(s.dr6, 32, 63);
static const struct check c_dr7_high = SWEEP(s.dr7, 32, 63);
static const struct check c_efer_mbz = SWEEP(s.efer, 1, 63, .keep = BIT(8) | BIT(10) | BIT(11) |
		BIT(12) | BIT(13) | BIT(14) | BIT(15) | BIT(17) | BIT(18) | BIT(20) | BIT(21));
static const struct check c_no_pae = ONE(s.cr4, CR4_PAE, 0);
static const struct check c_no_pe = ONE(s.cr0, CR0_PE, 0);
static const struct check c_cs_l_d = ONE(s.cs, 0, (u64)0x400 << 16);
static const struct check c_vmrun = ONE(c.misc2, BIT(I2_VMRUN), 0);
static const struct check c_asid = ONE(c.asid, 0xffffffff, 0);
static const struct check c_ncr3_mbz = SWEEP(c.n_cr3, 52, 63);
static const struct check c_ncr3_phys = SWEEP(c.n_cr3, MAXPHYS_BIT, 51);
static const struct check c_iopm = ONE(c.iopm_base_pa, 0, 0);
static const struct check c_msrpm = ONE(c.msrpm_base_pa, 0, 0);
static const struct check c_ev1 = EVENT(EV_TYPE(1) | 0x40);
static const struct check c_ev5 = EVENT(EV_TYPE(5) | 0x40);
static const struct check c_ev6 = EVENT(EV_TYPE(6) | 0x40);
static const struct check c_ev7 = EVENT(EV_TYPE(7) | 0x40);
static const struct check c_ev_nmi = EVENT(EV_EXC | 2);
static const struct check c_ev_32 = EVENT(EV_EXC | 32);
static const struct check c_ev_255 = EVENT(EV_EXC | 255);
static const struct check c_ev_br = EVENT(EV_EXC | V_BR);
static const struct check c_ev_31 = EVENT(EV_EXC | 31);

static const struct check v_cd = ONE(s.cr0, 0, CR0_CD);
static const struct check v_cd_nw = ONE(s.cr0, 0, CR0_CD | CR0_NW);
static const struct check v_ev_invalid = ONE(c.eventinj, ~0ull, EV_TYPE(1) | EV_ERRCODE(7));
static const struct check v_exitcode = ONE(c.exitcode, 0, ~0ull);
static const struct check v_rflags = ONE(s.rflags, ~0ull, 0);
static const struct check v_cr2 = ONE(s.cr2, 0, ~0ull);
static const struct check v_cr3_low = ONE(s.cr3, 0, 0x18);
static const struct check v_intercepts = ONE(c.cr_read, 0, ~0ull);
static const struct check v_ncr3_low = ONE(c.n_cr3, 0, 0x18);

static const struct check x_tlb = SWEEP(c.asid, 32, 63);
static const struct check x_asid = SWEEP(c.asid, 3, 31);
static const struct check x_np = SWEEP(c.np_enable, 1, 63);
static const struct check x_lbr = SWEEP(c.lbr_ctl, 0, 63);
static const struct check x_misc3 = SWEEP(c.misc2, 14, 63);
static const struct check x_rflags = SWEEP(s.rflags, 15, 63);
static const struct check x_avic = SWEEP(c.avic_apic_bar, 0, 63);
static const struct check x_ghcb = SWEEP(c.ghcb, 0, 63);
static const struct check x_shadow = SWEEP(c.int_state, 0, 63);
static const struct check x_tsc = SWEEP(c.tsc_offset, 0, 63);

#define MOVED_RAX	0x1122334455667788ull
#define MOVED_RSP	0x1234567890ull

L2_ASM(ck_moves, "mov $0x1122334455667788, %rax; mov $0x1234567890, %rsp; vmmcall");

/*
 * VMRUN and #VMEXIT switch RAX and RSP; the other registers are the processor's, and a VMRUN that fails leaves all
 * alone.
 */
static void registers(const void *arg)
{
	struct l2 l2, was;
	u32 asid, i;

	l2_init_at(&l2, ck_moves);
	for (i = 0; i < 14; i++)
		(&l2.rcx)[i] = 0x101010101010101ull * (i + 1);
	was = l2;
	for (i = 0; i < 8; i++) {
		l2.vmcb->s.rip = (u64)ck_moves;
		l2.vmcb->s.rax = i;
		l2.vmcb->s.rsp = (u64)l2.stack;
		if (i == 0 || i == 5) {
			asid = l2.vmcb->c.asid;
			l2.vmcb->c.asid = 0;
			CHECK(l2_expect(&l2, X_INVALID));
			l2.vmcb->c.asid = asid;
		}
		if (!l2_expect(&l2, X_VMMCALL))
			return;
		CHECK_EQ(l2.vmcb->s.rax, MOVED_RAX);
		CHECK_EQ(l2.vmcb->s.rsp, MOVED_RSP);
		if (memcmp(&was.rcx, &l2.rcx, 14 * sizeof(u64)))
			FAIL("L2's registers are not L1's");
	}
}

static const struct l1_test tests[] = {
	{ "exitcode_64_bits", 0, exitcode_64_bits, NULL },
	{ "refused_unmodified", 0, refused_unmodified, NULL },
	{ "efer_svme_zero", 0, refuse, &c_efer_svme },
	{ "cr0_cd_nw", 0, refuse, &c_cr0_cd_nw },
	{ "cr0_high", 0, refuse, &c_cr0_high },
	{ "cr3_mbz", 0, refuse, &c_cr3_mbz },
	{ "cr3_mbz_maxphys", 0, refuse, &c_cr3_phys },
	{ "cr4_mbz", 0, refuse, &c_cr4_mbz },
	{ "dr6_high", 0, refuse, &c_dr6_high },
	{ "dr7_high", 0, refuse, &c_dr7_high },
	{ "efer_mbz", 0, refuse, &c_efer_mbz },
	{ "efer_lme_pg_no_pae", 0, refuse, &c_no_pae },
	{ "efer_lme_pg_no_pe", 0, refuse, &c_no_pe },
	{ "efer_lme_pg_pae_cs_l_d", 0, refuse, &c_cs_l_d },
	{ "vmrun_not_intercepted", 0, refuse, &c_vmrun },
	{ "asid_zero", 0, refuse, &c_asid },
	{ "iopm_out_of_range", 0, table_beyond, &c_iopm },
	{ "msrpm_out_of_range", 0, table_beyond, &c_msrpm },
	{ "ncr3_mbz", F_NPT, refuse, &c_ncr3_mbz },
	{ "ncr3_mbz_maxphys", F_NPT, refuse, &c_ncr3_phys },
	{ "gpat_type", F_NPT, g_pat, NULL },
	{ "eventinj_type_1", 0, refuse, &c_ev1 },
	{ "eventinj_type_5", 0, refuse, &c_ev5 },
	{ "eventinj_type_6", 0, refuse, &c_ev6 },
	{ "eventinj_type_7", 0, refuse, &c_ev7 },
	{ "eventinj_vector_nmi", 0, refuse, &c_ev_nmi },
	{ "eventinj_vector_32", 0, refuse, &c_ev_32 },
	{ "eventinj_vector_255", 0, refuse, &c_ev_255 },
	{ "eventinj_vector_31", 0, refuse, &c_ev_31 },
	{ "eventinj_not_in_64bit_mode", 0, refuse, &c_ev_br },
	{ "valid_cr0_cd", 0, accept, &v_cd },
	{ "valid_cr0_cd_nw", 0, accept, &v_cd_nw },
	{ "valid_event_not_valid", 0, accept, &v_ev_invalid },
	{ "valid_stale_exitcode", 0, accept, &v_exitcode },
	{ "valid_rflags_zero", 0, accept, &v_rflags },
	{ "valid_cr2", 0, accept, &v_cr2 },
	{ "valid_cr3_pwt_pcd", 0, accept, &v_cr3_low },
	{ "valid_cr_dr_intercepts", 0, accept, &v_intercepts },
	{ "valid_ncr3_pwt_pcd", F_NPT, accept, &v_ncr3_low },
	{ "registers", 0, registers, NULL },
	{ "valid_last_asid", 0, last_asid, NULL },
	{ "either_cr3_legacy_high", 0, cr3_legacy_high, NULL },
	{ "either_tlb_control", 0, either, &x_tlb },
	{ "either_asid", 0, either, &x_asid },
	{ "either_np_enable", 0, either, &x_np },
	{ "either_lbr_ctl", 0, either, &x_lbr },
	{ "either_misc3", 0, either, &x_misc3 },
	{ "either_rflags", 0, either, &x_rflags },
	{ "either_avic_bar", 0, either, &x_avic },
	{ "either_ghcb", 0, either, &x_ghcb },
	{ "either_int_state", 0, either, &x_shadow },
	{ "either_tsc_offset", 0, either, &x_tsc },
};

const struct test_group group_checks = { "checks", tests, ARRAY_SIZE(tests), false };
