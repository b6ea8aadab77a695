// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every consistency check that the manual names for VMRUN, complete in
 * software, tried in the order of checks.def.  Pure: it looks at the snapshot
 * and at nothing else, so a second vCPU that rewrites vmcb12 has no say.
 */
#include "nsvm/checks.h"

const struct nsvm_check_row nsvm_check_rows[NR_NSVM_CHECKS] = {
	[CHECK_none] = { "none", "", "" },
#define X(id, stage, section, field, expr) [CHECK_##id] = { #id, section, #field },
#include "nsvm/checks.def"
#undef X
};

static bool map_out_of_range(u64 base, u64 size, const struct check_env *e)
{
	u64 last = (base & PERMMAP_ADDR) + size - 1;

	return (base & e->rsvd_gpa_bits) || (last & e->rsvd_gpa_bits);
}

static unsigned int event_type(u64 inj)
{
	return (inj & EVENTINJ_TYPE) >> EVENTINJ_TYPE_SHIFT;
}

static bool event_type_valid(u64 inj)
{
	switch (event_type(inj)) {
	case EVENT_INTR:
	case EVENT_NMI:
	case EVENT_EXCEPTION:
	case EVENT_SOFT_INT:
		return true;
	default:
		return false;
	}
}

/* An exception has to be one: not NMI's vector, not 31 or an interrupt's. */
static bool event_vector_valid(u64 inj)
{
	unsigned int vector = inj & EVENTINJ_VECTOR;

	return event_type(inj) != EVENT_EXCEPTION || (vector != 2 && vector < 31);
}

static bool save_is_long(const struct vmcb12_save *s)
{
	return (s->efer & X_EFER_LME) && (s->cr0 & X_CR0_PG);
}

/* BOUND does not exist in 64-bit mode, so its #BR cannot be injected there. */
static bool event_impossible(u64 inj, const struct vmcb12_save *s)
{
	return event_type(inj) == EVENT_EXCEPTION && (inj & EVENTINJ_VECTOR) == 5 &&
	       save_is_long(s) && (s->cs.attrib & SEG_ATTR_L);
}

/* Memory types 2 and 3 and bits 7:3 of a field are reserved (APM: "PAT Register"). */
static bool pat_valid(u64 pat)
{
	const u64 ones = 0x0101010101010101ull;

	/* 2 and 3 are the types with bit 1 and without bit 2. */
	return !(pat & (0xf8 * ones)) && !(pat >> 1 & ~(pat >> 2) & ones);
}

static u64 field_value(const void *field, size_t size)
{
	u64 val = 0;

	memcpy(&val, field, size < sizeof(val) ? size : sizeof(val));
	return val;
}

static struct verdict failed(enum nsvm_check id, u32 offset, u64 value)
{
	return (struct verdict){
		.check = id,
		.name = nsvm_check_rows[id].name,
		.field = offset,
		.outcome = VMEXIT_INVALID,
		.value = value,
	};
}

struct verdict nsvm_check(const struct vmcb12_snapshot *snap, const struct check_env *e)
{
	const struct vmcb12_ctl *c = &snap->ctl;
	const struct vmcb12_save *s = &snap->save;

#define AREA_CONTROL(f)	CTL_OFF(f), field_value(&c->f, sizeof(c->f))
#define AREA_SAVE(f)	SAVE_OFF(f), field_value(&s->f, sizeof(s->f))
#define X(id, stage, section, field, expr) \
	if (expr) \
		return failed(CHECK_##id, AREA_##stage(field));
#include "nsvm/checks.def"
#undef X
#undef AREA_CONTROL
#undef AREA_SAVE
	return (struct verdict){ .check = CHECK_none };
}
