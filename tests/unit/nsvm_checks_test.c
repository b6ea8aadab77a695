// SPDX-License-Identifier: GPL-2.0-only
/*
 * Consistency checks of VMRUN: each id of checks.def has a vector that trips
 * exactly it, and the neighbours of each condition pass.
 */
#include "tap.h"

#include "core/guest_run.h"
#include "nsvm/checks.h"

#define MAXPHYADDR_BITS	40

static struct check_env good_env(void)
{
	return (struct check_env){
		.rsvd_gpa_bits = ~0ull << MAXPHYADDR_BITS,
		.cr4_reserved = ~0x3f0ffull,
		.efer_reserved = ~0x7d01ull,
		.host_cr0 = 0x80050033,
		.has_lm = true,
	};
}

/* A 64-bit guest with nested paging that passes everything. */
static struct vmcb12_snapshot good_snap(void)
{
	struct vmcb12_snapshot s = {};

	s.ctl.intercept[ICPT_MISC2] = 1;
	s.ctl.asid = 1;
	s.ctl.iopm_base_pa = 0x10000;
	s.ctl.msrpm_base_pa = 0x20000;
	s.ctl.np_ctl = NP_ENABLE;
	s.ctl.ncr3 = 0x30000;
	s.save.efer = X_EFER_SVME | X_EFER_LME | X_EFER_LMA;
	s.save.cr0 = X_CR0_PE | X_CR0_PG | X_CR0_ET;
	s.save.cr4 = X_CR4_PAE;
	s.save.cr3 = 0x1000;
	s.save.cs.attrib = SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_L | 0xb;
	s.save.dr6 = X_DR6_FIXED;
	s.save.dr7 = X_DR7_RESET;
	s.save.rflags = 2;
	s.save.g_pat = 0x0007040600070406ull;
	return s;
}

/* run_need() is inline and refers to it; nothing here calls it. */
void hw_fetch(struct guest_run *run, u32 groups)
{
	(void)run;
	(void)groups;
}

static bool seen[NR_NSVM_CHECKS];

static u32 run(const struct vmcb12_snapshot *s, const struct check_env *e)
{
	return nsvm_check(s, e).check;
}

static void trips(enum nsvm_check id, const struct vmcb12_snapshot *s,
		  const struct check_env *e, u32 field, u64 value)
{
	struct verdict v = nsvm_check(s, e);

	seen[id] = true;
	tap_ok(v.check == (u32)id && v.field == field && v.value == value &&
	       v.outcome == VMEXIT_INVALID && v.name == nsvm_check_rows[id].name,
	       "%s (got %s, field 0x%x, value 0x%llx)", nsvm_check_rows[id].name,
	       nsvm_check_rows[v.check].name, v.field, (unsigned long long)v.value);
}

/* Change one thing of a good snapshot and expect @id, on exactly that field. */
#define TRIP(id, area, off, member, val) do { \
	struct vmcb12_snapshot s = good_snap(); \
	struct check_env e = good_env(); \
	s.area.member = (val); \
	trips(CHECK_##id, &s, &e, off(member), s.area.member); \
} while (0)
#define TRIP_CTL(id, member, val) TRIP(id, ctl, CTL_OFF, member, val)
#define TRIP_SAVE(id, member, val) TRIP(id, save, SAVE_OFF, member, val)

#define PASS(area, member, val) do { \
	struct vmcb12_snapshot s = good_snap(); \
	struct check_env e = good_env(); \
	s.area.member = (val); \
	tap_ok(!run(&s, &e), #member " = 0x%llx passes", (unsigned long long)(val)); \
} while (0)

#define LIMIT	(1ull << MAXPHYADDR_BITS)
#define INJ(type, vec)	(EVENTINJ_V | (u64)(type) << EVENTINJ_TYPE_SHIFT | (vec))

static void control(void)
{
	TRIP_CTL(vmrun_not_intercepted, intercept[4], 0xfffffffe);
	TRIP_CTL(asid_zero, asid, 0);
	PASS(ctl, asid, 0x80000000);

	TRIP_CTL(iopm_out_of_range, iopm_base_pa, LIMIT);
	TRIP_CTL(iopm_out_of_range, iopm_base_pa, LIMIT - 0x2000);
	TRIP_CTL(iopm_out_of_range, iopm_base_pa, 1ull << 63);
	TRIP_CTL(iopm_out_of_range, iopm_base_pa, ~0ull);
	PASS(ctl, iopm_base_pa, LIMIT - 0x3000);
	PASS(ctl, iopm_base_pa, 0xfff);
	TRIP_CTL(msrpm_out_of_range, msrpm_base_pa, LIMIT);
	TRIP_CTL(msrpm_out_of_range, msrpm_base_pa, LIMIT - 0x1000);
	TRIP_CTL(msrpm_out_of_range, msrpm_base_pa, ~0xfffull);
	PASS(ctl, msrpm_base_pa, LIMIT - 0x2000);

	TRIP_CTL(ncr3_mbz, ncr3, LIMIT);
	TRIP_CTL(ncr3_mbz, ncr3, 1ull << 63);
	PASS(ctl, ncr3, LIMIT - 1);
}

static void injection(void)
{
	unsigned int i;

	for (i = 0; i < 8; i++) {
		if (i == EVENT_INTR || i == EVENT_NMI || i == EVENT_EXCEPTION ||
		    i == EVENT_SOFT_INT)
			PASS(ctl, event_inj, INJ(i, 13));
		else
			TRIP_CTL(eventinj_type, event_inj, INJ(i, 13));
	}
	for (i = 0; i < 256; i++) {
		bool exception = i < 31 && i != 2;

		if (exception && i != 5)
			PASS(ctl, event_inj, INJ(EVENT_EXCEPTION, i));
		else if (!exception)
			TRIP_CTL(eventinj_vector, event_inj, INJ(EVENT_EXCEPTION, i));
	}
	PASS(ctl, event_inj, INJ(EVENT_INTR, 2));
	PASS(ctl, event_inj, INJ(EVENT_SOFT_INT, 0xff));
	/* Without the valid bit nothing of it counts. */
	PASS(ctl, event_inj, INJ(7, 2) & ~EVENTINJ_V);
	TRIP_CTL(eventinj_not_in_64bit_mode, event_inj, INJ(EVENT_EXCEPTION, 5));
}

static void injection_other_modes(void)
{
	struct vmcb12_snapshot s = good_snap();
	struct check_env e = good_env();

	s.ctl.event_inj = INJ(EVENT_EXCEPTION, 5);
	s.save.cs.attrib &= ~SEG_ATTR_L;
	tap_ok(!run(&s, &e), "#BR in compatibility mode passes");
	s.save.cs.attrib |= SEG_ATTR_L;
	s.save.efer = X_EFER_SVME;
	tap_ok(!run(&s, &e), "#BR in legacy mode passes whatever CS.L says");
}

static void save(void)
{
	unsigned int i;

	TRIP_SAVE(efer_svme_zero, efer, X_EFER_LME | X_EFER_LMA);
	TRIP_SAVE(efer_mbz, efer, X_EFER_SVME | X_EFER_LME | 1ull << 63);
	TRIP_SAVE(efer_mbz, efer, X_EFER_SVME | X_EFER_LME | 1ull << 1);
	TRIP_SAVE(cr0_cd_nw, cr0, X_CR0_PE | X_CR0_PG | X_CR0_NW);
	PASS(save, cr0, X_CR0_PE | X_CR0_PG | X_CR0_NW | X_CR0_CD);
	PASS(save, cr0, X_CR0_PE | X_CR0_PG | X_CR0_CD);
	for (i = 32; i < 64; i++)
		TRIP_SAVE(cr0_high, cr0, X_CR0_PE | X_CR0_PG | 1ull << i);
	for (i = MAXPHYADDR_BITS; i < 64; i++)
		TRIP_SAVE(cr3_mbz, cr3, 1ull << i);
	PASS(save, cr3, LIMIT - 1);
	for (i = 0; i < 64; i++) {
		if (good_env().cr4_reserved & 1ull << i)
			TRIP_SAVE(cr4_mbz, cr4, X_CR4_PAE | 1ull << i);
		else
			PASS(save, cr4, X_CR4_PAE | 1ull << i);
	}
	for (i = 32; i < 64; i++) {
		TRIP_SAVE(dr6_high, dr6, 1ull << i);
		TRIP_SAVE(dr7_high, dr7, 1ull << i);
	}
	PASS(save, dr6, 0xffffffff);
	PASS(save, dr7, 0xffffffff);
	TRIP_SAVE(efer_lme_pg_no_pae, cr4, 0);
	TRIP_SAVE(efer_lme_pg_no_pe, cr0, X_CR0_PG);
	for (i = 0; i < 8; i++) {
		unsigned int type;

		for (type = 0; type < 8; type++) {
			u64 pat = 0x0006060606060606ull & ~(0xffull << i * 8);

			pat |= (u64)type << i * 8;
			if (type == 2 || type == 3)
				TRIP_SAVE(gpat_type, g_pat, pat);
			else
				PASS(save, g_pat, pat);
		}
		TRIP_SAVE(gpat_type, g_pat, 8ull << i * 8);
		TRIP_SAVE(gpat_type, g_pat, 0x80ull << i * 8);
	}
}

static void save_segments(void)
{
	struct vmcb12_snapshot s = good_snap();
	struct check_env e = good_env();
	u64 cs = 0;

	s.save.cs.attrib |= SEG_ATTR_DB;
	memcpy(&cs, &s.save.cs, sizeof(cs));
	trips(CHECK_efer_lme_pg_pae_cs_l_d, &s, &e, SAVE_OFF(cs), cs);
	s.save.cs.attrib &= ~SEG_ATTR_L;
	tap_ok(!run(&s, &e), "CS.D without CS.L passes");
	s.save.cs.attrib |= SEG_ATTR_L;
	s.save.efer = X_EFER_SVME;
	tap_ok(!run(&s, &e), "CS.L and CS.D outside long mode pass");
}

static void legacy(void)
{
	struct vmcb12_snapshot s = good_snap();
	struct check_env e = good_env();

	s.save.efer = X_EFER_SVME;
	s.save.cr3 = ~0ull;
	tap_ok(!run(&s, &e), "CR3's high bits count in long mode only");
	s.save.cr4 = 0;
	tap_ok(!run(&s, &e), "paging without PAE outside long mode passes");
	s.save.cr0 = X_CR0_PG;
	tap_ok(!run(&s, &e), "paged real mode passes");
	s.save.cr0 = 0;
	s.save.efer = X_EFER_SVME | X_EFER_LME;
	tap_ok(!run(&s, &e), "LME with paging off passes");
}

static void environment(void)
{
	struct vmcb12_snapshot s = good_snap();
	struct check_env e = good_env();

	e.has_lm = false;
	trips(CHECK_efer_no_long_mode, &s, &e, SAVE_OFF(efer), s.save.efer);
	s.save.efer = X_EFER_SVME;
	s.save.cs.attrib &= ~SEG_ATTR_L;
	tap_ok(!run(&s, &e), "a legacy guest without long mode passes");

	s = good_snap();
	e = good_env();
	e.host_cr0 &= ~X_CR0_PG;
	trips(CHECK_np_host_paging_off, &s, &e, CTL_OFF(np_ctl), NP_ENABLE);
	s.ctl.np_ctl = 0;
	s.ctl.ncr3 = ~0ull;
	s.save.g_pat = ~0ull;
	tap_ok(!run(&s, &e), "nCR3 and G_PAT count with nested paging only");
}

/* Two things wrong: the first of the table is named. */
static void order(void)
{
	struct vmcb12_snapshot s = good_snap();
	struct check_env e = good_env();

	s.save.cr0 |= 1ull << 40;
	s.ctl.asid = 0;
	tap_ok(run(&s, &e) == CHECK_asid_zero, "control area before save area");
}

int main(void)
{
	struct vmcb12_snapshot s = good_snap();
	struct check_env e = good_env();
	unsigned int i;

	tap_ok(!run(&s, &e), "the good snapshot passes");
	control();
	injection();
	injection_other_modes();
	save();
	save_segments();
	legacy();
	environment();
	order();
	for (i = 1; i < NR_NSVM_CHECKS; i++) {
		tap_ok(seen[i], "%s has a vector", nsvm_check_rows[i].name);
		tap_ok(nsvm_check_rows[i].section[0] && strlen(nsvm_check_rows[i].name) < 48,
		       "%s names its section, and fits the ABI", nsvm_check_rows[i].name);
	}
	return tap_done();
}
