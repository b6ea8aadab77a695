// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves of a valid VMCB to the edges of the rules of "Canonicalization and Consistency Checks",
 * "Event Injection", "Virtual Interrupts", "Nested Paging" (APM vol. 2): one to four a case.
 * Chance is drawn before orc_move() is asked, always.
 */
#include "oracle/svm.h"

#define IOPM_SIZE	(3 * PAGE_SIZE)
#define MSRPM_SIZE	(2 * PAGE_SIZE)

u8 *orc_iopm, *orc_msrpm;

static bool tcg(void) { return orc_profile & OP_TCG; }

static u64 pick64(struct orc_case *k, const u64 *from, u32 n) { return from[orc_below(k, n)]; }
#define PICK(k, ...) \
	pick64(k, (const u64[]){ __VA_ARGS__ }, sizeof((u64[]){ __VA_ARGS__ }) / sizeof(u64))

void svm_maps_reset(void)
{
	bool fresh = !orc_iopm;

	if (fresh) {
		orc_iopm = alloc_pages(3);
		orc_msrpm = alloc_pages(2);
	}
	memset(orc_iopm, 0xff, fresh ? IOPM_SIZE : 256);
	memset(orc_msrpm, 0xff, fresh ? MSRPM_SIZE : 128);
	memset(orc_msrpm + 0x800, 0xff, 128);
}

/* About the end of physical memory, where a map is not all inside, and what makes no sense at all */
static u64 address(struct orc_case *k, u64 size)
{
	u64 top = 1ull << maxphys;

	return PICK(k, top, top - size + PAGE_SIZE, top - PAGE_SIZE, 1ull << 52, 1ull << 63, ~0ull);
}

static void m_intercept(struct orc_case *k, struct vmcb *v)
{
	u32 word = orc_below(k, 5), bit = orc_below(k, 32);
	u32 *w = (u32 *)&v->c.cr_read + word;

	/* The reserved vector 2 and 31 and what TCG does with #DF's are no use. */
	if ((word == 3 && KEEP_MISC1 >> bit & 1) || (word == 4 && (KEEP_MISC2 >> bit & 1 || bit > 13)))
		word = 2, w = &v->c.exceptions;
	if (orc_move(k, "intercept%u ^= %x", word, 1u << bit))
		*w ^= 1u << bit;
}

static void m_cr0(struct orc_case *k, struct vmcb *v)
{
	u64 bits = PICK(k, CR0_MP, CR0_EM, CR0_TS, CR0_NE, CR0_WP, CR0_AM, CR0_NW, CR0_CD, CR0_CD | CR0_NW,
			CR0_TS | CR0_MP, BIT(6), BIT(17), BIT(19), BIT(28), BIT(32), BIT(47), BIT(63), CR0_ET);

	/* TCG keeps what is reserved. */
	if (tcg() && bits < 1ull << 32)
		bits &= 0xe005003f;
	if (orc_move(k, "cr0 ^= %llx", bits))
		v->s.cr0 ^= bits;
}

static void m_cr4(struct orc_case *k, struct vmcb *v)
{
	/* What CPUs differ in (bits 11 to 23) is not asked about. */
	u64 bits = PICK(k, BIT(0), BIT(1), BIT(2), BIT(3), BIT(4), BIT(6), BIT(7), BIT(8), BIT(9), BIT(10), BIT(5),
			BIT(14), BIT(15), BIT(25), BIT(31), BIT(32), BIT(63));

	if (orc_move(k, "cr4 ^= %llx", bits))
		v->s.cr4 ^= bits;
}

static void m_efer(struct orc_case *k, struct vmcb *v)
{
	u64 bits = PICK(k, EFER_SCE, EFER_NXE, EFER_SVME, EFER_LMA, EFER_LME, BIT(1), BIT(7), BIT(9), BIT(16), BIT(22),
			BIT(32), BIT(63));

	if (orc_move(k, "efer ^= %llx", bits))
		v->s.efer ^= bits;
}

static void m_cr3(struct orc_case *k, struct vmcb *v)
{
	u64 bits = PICK(k, 8, 0x10, 0x20, 0x800, 1, 1ull << maxphys, BIT(51), BIT(52), BIT(62), BIT(63));

	/* There PAE would find PDPTEs with reserved bits, at which TCG does not look. */
	if (bits == 0x800 && k->mode == OM_PAE)
		bits = 0x10;
	if (orc_move(k, "cr3 ^= %llx", bits))
		v->s.cr3 ^= bits;
}

static void m_dr(struct orc_case *k, struct vmcb *v)
{
	u64 bits = PICK(k, BIT(0), BIT(13), BIT(14), BIT(15), BIT(12), BIT(10), BIT(31), BIT(32), BIT(63), 0xffff0ff0);
	bool seven = orc_one_in(k, 2);

	/* TCG keeps what is reserved. */
	if (tcg())
		bits &= BIT(0) | BIT(13) | BIT(32) | BIT(63);
	/* No breakpoint gets enabled: their addresses are L1's. */
	if (seven)
		bits &= ~0xffull;
	if (orc_move(k, "dr%u ^= %llx", seven ? 7 : 6, bits))
		*(seven ? &v->s.dr7 : &v->s.dr6) ^= bits;
}

static void m_rflags(struct orc_case *k, struct vmcb *v)
{
	u64 bits = PICK(k, FL_IF, FL_TF, FL_RF, FL_AC, 0x3000, 0x4000, BIT(1), BIT(3), BIT(5), BIT(15), BIT(22), BIT(63),
			FL_IF, FL_TF | FL_RF, 1, BIT(21));

	/* TCG keeps what is reserved. */
	if (tcg())
		bits &= 0x3f7fd5;
	if (orc_move(k, "rflags ^= %llx", bits))
		v->s.rflags ^= bits;
}

static void m_rip(struct orc_case *k, struct vmcb *v)
{
	u64 a = PICK(k, 1ull << 47, (1ull << 47) - 1, ~0ull << 47, ~0ull, PLAY, 0xffffffff, 0x100000000ull | ORC_CODE,
		     ORC_STUBS + 32 * 16);
	bool sp = orc_one_in(k, 2);

	/* 32-bit code of TCG's does not look at the upper half the same way twice. */
	if (k->mode > OM_64_USER)
		a = (u32)a;
	if (orc_move(k, "%s = %llx", sp ? "rsp" : "rip", a))
		*(sp ? &v->s.rsp : &v->s.rip) = a;
}

static void m_segment(struct orc_case *k, struct vmcb *v)
{
	static const char *const names[] = { "es", "cs", "ss", "ds", "fs", "gs", "gdtr", "ldtr", "idtr", "tr" };
	u32 n = orc_below(k, 10), what = orc_below(k, 4);
	u64 base = PICK(k, 0x10, 1ull << 47, ~0ull << 47, 1ull << 32, ~0ull);
	u32 attr = 1u << orc_below(k, 16), sel = PICK(k, 0, 3, SEL_DS, SEL_UDS, 0xffff);
	u32 limit = PICK(k, 0, 0xfff, 0xffff, 0x10000, 0xffffffff, 0x7f);
	struct vmcb_seg *s = &v->s.es + n;

	/* TCG's canonical addresses have 57 bits, its limits of tables 32, and a bad TSS stops it. */
	if (tcg() && base == 1ull << 47)
		base = 0x10000;
	if (tcg() && (n == 6 || n == 8))
		limit &= 0xfff;
	if (tcg() && n == 9)
		attr &= ~0x87;
	/* TCG takes CPL from SS, and there is no stack for CPL 1 and 2. */
	if (tcg() && n == 2)
		attr &= ~0x60;
	if (what == 0) {
		if (orc_move(k, "%s.attrib ^= %x", names[n], attr))
			s->attrib ^= attr;
	} else if (what == 1) {
		if (orc_move(k, "%s.base = %llx", names[n], base))
			s->base = base;
	} else if (what == 2) {
		if (orc_move(k, "%s.limit = %x", names[n], limit))
			s->limit = limit;
	} else if (orc_move(k, "%s.sel = %x", names[n], sel)) {
		s->sel = sel;
	}
}

static void m_cpl(struct orc_case *k, struct vmcb *v)
{
	u32 cpl = PICK(k, 0, 1, 2, 3);

	if (tcg())
		return;
	if (orc_move(k, "cpl = %x", cpl))
		v->s.cpl = cpl;
}

/* An exception as it comes by itself, and now and then one that does not exist. */
static void m_event(struct orc_case *k, struct vmcb *v)
{
	u32 type = PICK(k, 0, 0, 2, 3, 3, 3, 3, 4, 4, 1, 5, 6, 7);
	u32 vector = type == 3 ? PICK(k, 0, 1, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17, 18, 19, 2, 30, 31, 32, 255) :
		     PICK(k, 0x20, 0x21, 0x80, 0xff, 13, 3, 4, 2);
	bool has_error = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
	u64 error = PICK(k, 0, 0, 1, 0x12, 0xffff, 0xffffffff), ev;
	bool odd = orc_one_in(k, 8), valid = !orc_one_in(k, 16);

	ev = EV_TYPE(type) | vector | (valid ? EV_VALID : 0);
	if ((type == 3 && has_error) != odd)
		ev |= EV_ERR | EV_ERRCODE(error);
	if (orc_move(k, "eventinj = %llx", ev))
		v->c.eventinj = ev;
}

static void m_int_ctl(struct orc_case *k, struct vmcb *v)
{
	u64 tpr = orc_below(k, 16), prio = orc_below(k, 16), vec = PICK(k, 0x20, 0x55, 0x80, 0xff, 0x10);
	u64 bits = PICK(k, V_IRQ, V_IRQ, V_IRQ | V_IGN_TPR, V_IRQ | V_GIF_ENABLE, V_IRQ | V_GIF_ENABLE | V_GIF,
			V_GIF_ENABLE, V_GIF, 0);
	bool unmask = orc_one_in(k, 4);

	/* TCG does not survive that L2's CR8 opens a virtual interrupt. */
	if (tcg() && bits & V_IRQ)
		tpr = prio > 0 && prio > tpr ? tpr : 0;
	if (unmask)
		tpr = 0;
	bits |= tpr | V_INTR_PRIO(prio) | V_VECTOR(vec) | (unmask ? 0 : V_INTR_MASKING);
	if (orc_move(k, "int_ctl = %llx", bits))
		v->c.int_ctl = bits;
}

static void m_int_state(struct orc_case *k, struct vmcb *v)
{
	if (orc_move(k, "int_state = 1"))
		v->c.int_state = INT_SHADOW;
}

static void m_asid(struct orc_case *k, struct vmcb *v)
{
	u32 asid = PICK(k, 0, 0, 2, 7);

	if (orc_move(k, "asid = %x", asid))
		v->c.asid = asid;
}

static void m_map(struct orc_case *k, struct vmcb *v)
{
	bool io = orc_one_in(k, 2);
	u64 a = address(k, io ? IOPM_SIZE : MSRPM_SIZE);

	if (orc_move(k, "%s_base = %llx", io ? "iopm" : "msrpm", a))
		*(io ? &v->c.iopm_base_pa : &v->c.msrpm_base_pa) = a;
}

static void m_pass(struct orc_case *k, struct vmcb *v)
{
	static const struct { u32 msr, byte; } msrs[] = {
		{ MSR_SYSENTER_CS, 0x174 / 4 }, { MSR_STAR, 0x800 + 0x81 / 4 }, { MSR_CSTAR, 0x800 + 0x83 / 4 },
		{ MSR_SFMASK, 0x800 + 0x84 / 4 }, { MSR_GS_BASE, 0x800 + 0x100 / 4 },
		{ MSR_EFER, 0x800 + 0x80 / 4 },
	};
	u32 n = orc_below(k, ARRAY_SIZE(msrs)), bits = PICK(k, 1, 2, 3);

	/* EFER with LMA and PG apart is what stops a host on TCG. */
	if (tcg() && msrs[n].msr == MSR_EFER)
		bits = 1;
	if (orc_move(k, "msrpm of %x passes %x", msrs[n].msr, bits))
		orc_msrpm[msrs[n].byte] &= ~(bits << (msrs[n].msr & 3) * 2);
}

static void m_io_pass(struct orc_case *k, struct vmcb *v)
{
	if (orc_move(k, "iopm of ed passes"))
		orc_iopm[0xed / 8] = 0xdf;
}

static void m_ncr3(struct orc_case *k, struct vmcb *v)
{
	u64 bits = PICK(k, 8, 0x10, 1, 0xfff, 1ull << maxphys, BIT(51), BIT(52), BIT(63));

	if (!v->c.np_enable)
		return;
	if (orc_move(k, "n_cr3 ^= %llx", bits))
		v->c.n_cr3 ^= bits;
}

static void m_pat(struct orc_case *k, struct vmcb *v)
{
	u64 pat = PICK(k, 0, 0x0606060606060606ull, 2, 3ull << 56, 8, 0x0007040600070406ull, 0x0105040600070406ull);

	if (orc_move(k, "g_pat = %llx", pat))
		v->s.g_pat = pat;
}

static void m_tlb(struct orc_case *k, struct vmcb *v)
{
	u32 how = PICK(k, TLB_ASID, TLB_ASID_LOCAL);

	if (orc_move(k, "tlb_control = %x", how))
		v->c.tlb_control = how;
}

static void m_odd(struct orc_case *k, struct vmcb *v)
{
	u32 what = orc_below(k, 4);
	u64 r = orc_rnd(&k->rng);

	if (what == 0 && orc_move(k, "tsc_offset = %llx", r))
		v->c.tsc_offset = r;
	if (what == 1 && orc_move(k, "cr2 = %llx", r))
		v->s.cr2 = r;
	if (what == 2 && orc_profile & OP_NRIPS && orc_move(k, "nrip = %llx", r & 0xffff))
		v->c.nrip = r & 0xffff;
	/* VMLOAD makes it canonical, which TCG leaves out. */
	r = (u64)((long long)(r << 16) >> 16);
	if (what == 3 && orc_move(k, "lstar = %llx", r))
		v->s.lstar = r;
}

static const struct { void (*make)(struct orc_case *k, struct vmcb *v); u8 weight; } kinds[] = {
	{ m_intercept, 12 }, { m_cr0, 3 }, { m_cr4, 3 }, { m_efer, 3 }, { m_cr3, 2 }, { m_dr, 3 },
	{ m_rflags, 5 }, { m_rip, 3 }, { m_segment, 8 }, { m_cpl, 1 }, { m_event, 8 }, { m_int_ctl, 5 },
	{ m_int_state, 2 }, { m_asid, 1 }, { m_map, 2 }, { m_pass, 3 }, { m_io_pass, 1 }, { m_ncr3, 1 },
	{ m_pat, 1 }, { m_tlb, 1 }, { m_odd, 2 },
};

void svm_moves(struct orc_case *k, struct vmcb *v)
{
	u32 n = 1 + orc_below(k, 4);

	while (n--)
		ORC_KIND(k, kinds)->make(k, v);
}
