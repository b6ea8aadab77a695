// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fields of the one VMCS of the oracle.  Each has the value wanted and the one that the VMCS
 * is known to hold, so that a case costs only the VMWRITEs of what differs.
 */
#include "oracle/vmx.h"

#define MAX_FIELDS 160

static struct { u32 field; const char *name; u64 base, want, held; bool guest, often; } fields[MAX_FIELDS];
static u32 nr_fields;
static u8 place[0x8000];

static bool managed(u32 f)
{
	if (field_exists(f) != 1 || FIELD_TYPE(f) == TYPE_RO)
		return false;
	/* run.S writes these two; SMBASE is the monitor's of SMM. */
	return f != HOST_RSP && f != HOST_RIP && f != GUEST_SMBASE && f != GUEST_PERF_GLOBAL &&
	       f != HOST_PERF_GLOBAL && f != GUEST_TIMER && f != GUEST_INTR_STATUS && f != GUEST_PML_INDEX;
}

static const u32 all[] = {
#define F(enc, name, cond) enc,
#include "vmx/fields.def"
#undef F
};

/* What nearly every exit changes; the rest is read once a case, since each read may cost an exit of L1. */
static bool often(u32 f)
{
	switch (f) {
	case GUEST_CS_SEL: case GUEST_CS_AR: case GUEST_SS_SEL: case GUEST_SS_AR:
	case GUEST_CR0: case GUEST_CR3: case GUEST_CR4: case GUEST_EFER: case GUEST_DR7:
	case GUEST_RIP: case GUEST_RSP: case GUEST_RFLAGS:
	case GUEST_INTERRUPTIBILITY: case GUEST_ACTIVITY: case GUEST_PENDING_DBG: case CTRL_ENTRY_INFO:
		return true;
	}
	return false;
}

void vmx_state_init(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		u32 f = all[i];

		if (!managed(f) || nr_fields == MAX_FIELDS)
			continue;
		fields[nr_fields].field = f;
		fields[nr_fields].name = field_name(f);
		fields[nr_fields].guest = FIELD_TYPE(f) == TYPE_GUEST;
		fields[nr_fields].often = often(f);
		fields[nr_fields].base = vr(f);
		fields[nr_fields].held = fields[nr_fields].base;
		fields[nr_fields].want = fields[nr_fields].base;
		place[f] = ++nr_fields;
	}
}

u64 orc_get(u32 field)
{
	return place[field] ? fields[place[field] - 1].want : 0;
}

void orc_set(u32 field, u64 v)
{
	if (place[field])
		fields[place[field] - 1].want = v;
}

static void set_seg(int seg, u16 sel, u32 ar, u32 limit, u64 base)
{
	orc_set(GUEST_ES_SEL + 2 * seg, sel);
	orc_set(GUEST_ES_AR + 2 * seg, ar);
	orc_set(GUEST_ES_LIMIT + 2 * seg, limit);
	orc_set(GUEST_ES_BASE + 2 * seg, base);
}

static void segments(struct orc_case *k)
{
	bool user = k->mode == OM_64_USER, real = k->mode == OM_REAL;
	int s;

	for (s = S_ES; s <= S_GS; s++) {
		if (real)
			set_seg(s, 0x2000, 0x93, 0xffff, 0x20000);
		else
			set_seg(s, user ? SEL_UDS : SEL_DS, user ? 0xc0f3 : 0xc093, ~0u, 0);
	}
	if (real)
		set_seg(S_CS, ORC_CODE >> 4, 0x9b, 0xffff, ORC_CODE);
	else if (k->mode <= OM_64_USER)
		set_seg(S_CS, user ? SEL_UCS : SEL_CS, user ? 0xa0fb : 0xa09b, ~0u, 0);
	else
		set_seg(S_CS, SEL_CS32, 0xc09b, ~0u, 0);
	set_seg(S_LDTR, 0, AR_UNUSABLE, 0, 0);
	set_seg(S_TR, SEL_TSS, 0x8b, 103, ORC_TSS);
	orc_set(GUEST_GDTR_BASE, ORC_GDT);
	orc_set(GUEST_GDTR_LIMIT, 127);
	orc_set(GUEST_IDTR_BASE, real ? ORC_IVT : k->mode <= OM_COMPAT ? ORC_IDT64 : ORC_IDT32);
	orc_set(GUEST_IDTR_LIMIT, real ? 0x3ff : k->mode <= OM_COMPAT ? 4095 : 2047);
}

static void registers(struct orc_case *k)
{
	bool lm = k->mode <= OM_COMPAT;
	u64 cr0 = CR0_ET | CR0_NE, cr4 = CR4_VMXE, cr3 = 0;

	if (k->mode != OM_REAL)
		cr0 |= CR0_PE;
	if (k->mode < OM_FLAT)
		cr0 |= CR0_PG | CR0_WP;
	if (lm || k->mode == OM_PAE)
		cr4 |= CR4_PAE;
	if (lm)
		cr3 = ORC_PML4;
	else if (k->mode == OM_PAE)
		cr3 = ORC_PDPT + 0x800;
	else if (k->mode == OM_PSE)
		cr3 = ORC_PD32, cr4 |= CR4_PSE;
	orc_set(GUEST_CR0, cr0);
	orc_set(GUEST_CR3, cr3);
	orc_set(GUEST_CR4, cr4);
	orc_set(GUEST_EFER, (lm ? EFER_LME | EFER_LMA | EFER_SCE : 0) | (k->mode <= OM_PAE ? EFER_NXE : 0));
	orc_set(CTRL_ENTRY, lm ? orc_get(CTRL_ENTRY) | ENTRY_IA32E : orc_get(CTRL_ENTRY) & ~ENTRY_IA32E);
	orc_set(GUEST_SYSENTER_CS, SEL_CS);
	orc_set(GUEST_SYSENTER_EIP, ORC_STUBS + 123 * 16);
	orc_set(GUEST_SYSENTER_ESP, ORC_TRAP_STACK);
	if (k->mode == OM_PAE) {
		orc_set(GUEST_PDPTE0, ORC_PD | PT_P);
		orc_set(GUEST_PDPTE1, 0);
		orc_set(GUEST_PDPTE2, 0);
		orc_set(GUEST_PDPTE3, (k->base + PLAY_PD * PAGE_SIZE) | PT_P);
	}
}

void vmx_state_base(struct orc_case *k, bool ept)
{
	u32 i;

	for (i = 0; i < nr_fields; i++)
		fields[i].want = fields[i].base;
	segments(k);
	registers(k);
	if (!ept)
		orc_set(CTRL_PROC2, orc_get(CTRL_PROC2) & ~(PROC2_EPT | PROC2_UNRESTRICTED));
}

void vmx_state_write(void)
{
	u32 i;

	for (i = 0; i < nr_fields; i++) {
		if (fields[i].want == fields[i].held)
			continue;
		vw(fields[i].field, fields[i].want);
		fields[i].held = fields[i].want;
	}
}

/* An exit saves guest state, and what it saved is where the next entry starts from. */
void vmx_state_record(struct orc_case *k, bool all)
{
	u32 i;

	for (i = 0; i < nr_fields; i++) {
		u64 v;

		if (!fields[i].often && !(all && fields[i].guest))
			continue;
		/* Only there with PAE paging and EPT */
		if (fields[i].field >= GUEST_PDPTE0 && fields[i].field <= GUEST_PDPTE3)
			continue;
		v = vr(fields[i].field);
		orc_rec(k, fields[i].name, v, fields[i].held);
		fields[i].held = v;
		fields[i].want = v;
	}
}

/* Somebody else wrote to the VMCS. */
void vmx_state_forget(void)
{
	u32 i;

	for (i = 0; i < nr_fields; i++)
		fields[i].held = vr(fields[i].field);
}
