// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every check that the manual names for a VM entry, complete in software, tried
 * in the order of checks.def.  Pure: it looks at the kernel's copy of the VMCS and
 * at what the snapshot read, so a second processor of L1 has no say.
 *
 * An entry repeats only what a change can have touched.  Groups and the classes of
 * fields that their expressions look at:
 *
 *   control	CTRL MODE
 *   inject	HOT STEP CTRL MODE GUEST	(guest CR0)
 *   host	HOST MODE
 *   guest	GUEST MODE		and CPU_SECONDARY
 *   segment	GUEST MODE		and CPU_SECONDARY, RFLAGS.VM
 *   hot	HOT STEP CTRL MODE GUEST
 *   nonreg	HOT STEP CTRL MODE GUEST
 *
 * inject, hot and nonreg are tried whenever anything changed.  CPU_SECONDARY is in a CTRL
 * field and RFLAGS.VM in a STEP one; both hardly ever change, so nvmx_check_entry()
 * remembers them and tries everything when they do.  The same goes for the
 * environment, but for PDPTEs in memory and VTPR, which inject and nonreg look at.
 * tests/unit/nvmx_checks_test.c holds this list to the truth: it changes
 * each field after a pass and compares with a check of everything.
 */
#include "core/guest_run.h"
#include "core/x86.h"
#include "nvmx/checks.h"

#include "nvmx/checks_expr.h"

const struct nvmx_check_row nvmx_check_rows[NR_NVMX_CHECKS] = {
	[CHECK_none] = { "none", "", 0, 0 },
#define X(id, outcome, section, field, aux, expr) \
	[CHECK_##id] = { #id, section, VMCS12_##field, CHECKED_##outcome },
#include "nvmx/checks.def"
#undef X
};

static const struct {
	u64 outcome, qual;
} outcomes[NR_CHECK_OUTCOMES] = {
	[CHECKED_CONTROLS] = { VMXERR_CONTROLS, 0 },
	[CHECKED_HOST_STATE] = { VMXERR_HOST_STATE, 0 },
	[CHECKED_GUEST_STATE] = { EXIT_REASON_INVALID_GUEST_STATE, 0 },
	[CHECKED_PDPTE] = { EXIT_REASON_INVALID_GUEST_STATE, 2 },
	[CHECKED_NMI] = { EXIT_REASON_INVALID_GUEST_STATE, 3 },
	[CHECKED_LINK_POINTER] = { EXIT_REASON_INVALID_GUEST_STATE, 4 },
};

#define X(id, outcome, section, field, aux, expr) \
	if (unlikely(expr)) \
		return CHECK_##id;

static enum nvmx_check check_control(const struct vmcs12 *v, const struct nvmx_check_env *e)
{
#include "nvmx/checks_control.def"
	return CHECK_none;
}

static enum nvmx_check check_inject(const struct vmcs12 *v, const struct nvmx_check_env *e)
{
#include "nvmx/checks_inject.def"
	return CHECK_none;
}

static enum nvmx_check check_host(const struct vmcs12 *v, const struct nvmx_check_env *e)
{
#include "nvmx/checks_host.def"
	return CHECK_none;
}

static enum nvmx_check check_guest(const struct vmcs12 *v, const struct nvmx_check_env *e)
{
#include "nvmx/checks_guest.def"
	return CHECK_none;
}

static enum nvmx_check check_segment(const struct vmcs12 *v, const struct nvmx_check_env *e)
{
#include "nvmx/checks_segment.def"
	return CHECK_none;
}

static enum nvmx_check check_hot(const struct vmcs12 *v, const struct nvmx_check_env *e)
{
#include "nvmx/checks_hot.def"
	return CHECK_none;
}

static enum nvmx_check check_nonreg(const struct vmcs12 *v, const struct nvmx_check_env *e)
{
#include "nvmx/checks_nonreg.def"
	return CHECK_none;
}
#undef X

static const struct check_group {
	enum nvmx_check (*check)(const struct vmcs12 *v, const struct nvmx_check_env *e);
	u32 classes;
} groups[] = {
	{ check_control, BIT(VMCS_CTRL) | BIT(VMCS_MODE) },
	{ check_inject, VMCS12_DIRTY_ALL },
	{ check_host, BIT(VMCS_HOST) | BIT(VMCS_MODE) },
	{ check_guest, BIT(VMCS_GUEST) | BIT(VMCS_MODE) },
	{ check_segment, BIT(VMCS_GUEST) | BIT(VMCS_MODE) },
	{ check_hot, VMCS12_DIRTY_ALL },
	{ check_nonreg, VMCS12_DIRTY_ALL },
};

static u64 aux_of(enum nvmx_check id, const struct vmcs12 *v, const struct nvmx_check_env *e)
{
	switch (id) {
#define X(id, outcome, section, field, aux, expr) \
	case CHECK_##id: \
		return aux;
#include "nvmx/checks.def"
#undef X
	default:
		return 0;
	}
}

static struct verdict failed(enum nvmx_check id, const struct vmcs12 *v,
			     const struct nvmx_check_env *e)
{
	static const u16 encodings[NR_VMCS12_FIELDS] = {
#define F(name, enc, class, cap) [VMCS12_##name] = (enc),
#include "nvmx/fields.def"
#undef F
	};
	const struct nvmx_check_row *row = &nvmx_check_rows[id];

	return (struct verdict){
		.check = id,
		.name = row->name,
		.field = encodings[row->field],
		.value = v->f[row->field],
		.aux = aux_of(id, v, e),
		.outcome = outcomes[row->outcome].outcome,
		.qual = outcomes[row->outcome].qual,
	};
}

static enum nvmx_check first_failed(const struct vmcs12 *v, const struct nvmx_check_env *e,
				    u32 classes)
{
	enum nvmx_check id;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(groups); i++) {
		if (!(classes & groups[i].classes))
			continue;
		id = groups[i].check(v, e);
		if (unlikely(id))
			return id;
	}
	return CHECK_none;
}

struct verdict nvmx_check(const struct vmcs12 *v, const struct nvmx_check_env *e, u32 classes)
{
	enum nvmx_check id = first_failed(v, e, classes);

	return id ? failed(id, v, e) : (struct verdict){ .check = CHECK_none };
}

bool nvmx_eptp_valid(u64 eptp, const struct nvmx_check_env *e)
{
	if (!ept_memory_type_valid(eptp, e->caps) || !ept_walk_length_valid(eptp, e->caps))
		return false;
	return (!(eptp & BIT(6)) || (e->caps->ept_vpid & EPTCAP_AD)) &&
	       !bad_address(eptp, 0xf80, e);
}

static u64 modes_of(const struct vmcs12 *v)
{
	return (v->cpu_ctls & CPU_SECONDARY) | (v->guest_rflags & X_RFLAGS_VM);
}

/* Is the last pass of no use? */
static bool starts_over(const struct vmcs12 *v, const struct nvmx_check_env *e,
			const struct nvmx_checked *last)
{
	return !last->valid || last->modes != modes_of(v) ||
	       !nvmx_same(&last->env, e, NVMX_CHECK_ENV_STABLE);
}

u32 nvmx_check_classes(const struct vmcs12 *v, const struct nvmx_check_env *e,
		       const struct nvmx_checked *last)
{
	/* PDPTEs in memory and VTPR may have changed though no field did. */
	return starts_over(v, e, last) ? VMCS12_DIRTY_ALL : v->dirty | BIT(VMCS_HOT);
}

bool nvmx_check_entry(struct vmcs12 *v, const struct nvmx_check_env *e, u32 classes,
		      struct nvmx_checked *last, struct verdict *bad)
{
	enum nvmx_check id = first_failed(v, e, classes);

	if (unlikely(id)) {
		*bad = failed(id, v, e);
		return false;
	}
	v->dirty = 0;
	if (classes == VMCS12_DIRTY_ALL) {
		last->env = *e;
		last->modes = modes_of(v);
		last->valid = true;
	}
	return true;
}

enum nvmx_check nvmx_check_hot(const struct vmcs12 *v, const struct nvmx_check_env *e)
{
	return check_hot(v, e);
}

u32 nvmx_check_groups(const struct vmcs12 *v, u32 classes)
{
	u32 groups = 0;

	if (classes & (BIT(VMCS_GUEST) | BIT(VMCS_MODE)))
		return GRP_ALL;
	if (v->guest_activity == ACTIVITY_HLT)
		groups |= GRP_SEG;
	if (holds_debug(v))
		groups |= GRP_LBR;
	if (pae_paging(v))
		groups |= GRP_PDPTE;
	return groups;
}

bool nvmx_needs_pdptes(const struct vmcs12 *v)
{
	return pae_paging(v) && !(cpu2(v) & CPU2_EPT);
}

bool nvmx_needs_vtpr(const struct vmcs12 *v)
{
	return uses_tpr_threshold(v) && !(cpu2(v) & CPU2_APIC_ACCESS);
}
