// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fields of the current VMCS that L1 reads and writes without an exit, where the
 * backend can (hw_ops.fields_alloc): a round trip of L2 through an ordinary L1 costs two
 * world switches then and no VMREAD or VMWRITE of L1's exits.
 *
 * The fields are those that hypervisors touch at most exits.  None is one that waits in
 * L2's run (nvmx_field_groups), none has more than one encoding, and all of them exist
 * for L1.  vmcs12 is behind what L1 wrote until nvmx_shadow_pull().
 *
 * What L1 may write has to be read back at each entry.  So a field that it has not written for a
 * while is closed: the next VMWRITE exits, and opens it again.
 */
#include "core/hw_ops.h"
#include "nvmx/nvmx.h"
#include "nvmx/shadow_now.h"

#define WRITABLE	(BIT_ULL(SLOT_exit_reason) - 1)

static_assert(NR_VMCS12_FIELDS <= 0xff, "an index is a byte");

const u16 nvmx_slot_enc[NR_SLOTS] = {
#define X(name) VMCS_ENC_##name,
	SHADOWED_WRITE(X)
	SHADOWED_STATE(X)
	SHADOWED_READ(X)
#undef X
};

enum {
#define F(name, enc, class, cap) DIRTY_##name = 1 << VMCS_##class,
#include "nvmx/fields.def"
#undef F
};

const struct nvmx_slot_field nvmx_slot_field[NR_SLOTS] = {
#define X(name) { VMCS12_##name, DIRTY_##name },
	SHADOWED_WRITE(X)
	SHADOWED_STATE(X)
	SHADOWED_READ(X)
#undef X
};

/* Slot + 1 by field. */
static const u8 slot_of[NR_VMCS12_FIELDS] = {
#define X(name) [VMCS12_##name] = SLOT_##name + 1,
	SHADOWED_WRITE(X)
	SHADOWED_STATE(X)
	SHADOWED_READ(X)
#undef X
};

/* What L1 has in software may be no field of the CPU's. */
static bool backend_has(u8 cap)
{
	switch (cap) {
	case VMCS_CAP_VID:
		return hw_caps.status_field;
	case VMCS_CAP_PREEMPTION_TIMER:
		return hw_caps.timer;
	case VMCS_CAP_TPR_SHADOW:
		return hw_caps.tpr_shadow;
	case VMCS_CAP_PML:
		return hw_caps.pml;
	case VMCS_CAP_EPT:
		return true;
	default:
		return cap == VMCS_CAP_ALWAYS;
	}
}

void nvmx_shadow_setup(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct nvmx_shadowed *s = &n->shadowed;
	unsigned int i;

	if (s->ready || !hw_caps.guest_fields)
		return;
	s->have = 0;
	for (i = 0; i < NR_SLOTS; i++) {
		u8 cap = vmcs12_fields[nvmx_slot_field[i].index].cap;

		if ((n->caps.fields & BIT(cap)) && backend_has(cap))
			s->have |= BIT_ULL(i);
	}
	s->open = s->have & WRITABLE;
	s->used = 0;
	s->pulls = 0;
	/* Out of memory: it works without, and the next VMXON tries again. */
	s->ready = !hw->fields_alloc(&vcpu->l1, nvmx_slot_enc, s->have, s->have & WRITABLE);
}

static void turn(struct nestor_vcpu *vcpu, bool on)
{
	nvmx_of(vcpu)->shadowed.on = on;
	vcpu->l1.fields_on = on;
	vcpu->l1.ctl_dirty |= CTL_FIELDS;
}

/* The slots in @which of the block get what vmcs12 has. */
static int put(struct nestor_vcpu *vcpu, u64 which)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct nvmx_shadowed *s = &n->shadowed;
	u64 left = which;

	for (; left; left &= left - 1) {
		unsigned int i = __ffs(left);

		s->val[i] = n->vmcs12->f[nvmx_slot_field[i].index];
	}
	return hw->fields_write(&vcpu->l1, nvmx_slot_enc, s->val, which);
}

void nvmx_shadow_on(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct nvmx_shadowed *s = &n->shadowed;

	if (!s->ready || n->current_ptr == NO_VMCS)
		return;
	if (!put(vcpu, s->have))
		turn(vcpu, true);
}

static noinline void set_open(struct nestor_vcpu *vcpu, u64 open)
{
	struct nvmx_shadowed *s = &nvmx_of(vcpu)->shadowed;
	u64 diff = open ^ s->open;

	for (; diff; diff &= diff - 1) {
		unsigned int i = __ffs(diff);

		hw->fields_allow(&vcpu->l1, nvmx_slot_enc[i], open & BIT_ULL(i));
	}
	s->open = open;
}

void nvmx_shadow_close(struct nestor_vcpu *vcpu)
{
	struct nvmx_shadowed *s = &nvmx_of(vcpu)->shadowed;

	set_open(vcpu, s->open & s->used);
	s->used = 0;
	s->pulls = 0;
}

bool nvmx_shadow_pull(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct nvmx_shadowed *s = &n->shadowed;
	u64 diff = 0;

	if (!s->on)
		return true;
	if (s->open && hw->fields_read(&vcpu->l1, nvmx_slot_enc, s->val, s->open, &diff))
		return false;
	nvmx_shadow_take(s, n->vmcs12, diff);
	if (unlikely(++s->pulls > SHADOWED_PATIENCE))
		nvmx_shadow_close(vcpu);
	return true;
}

/* The slot of field @i, where it is one that L1 writes without an exit, now or at times; or NR_SLOTS */
static unsigned int written_slot(const struct nvmx_shadowed *s, enum vmcs12_index i)
{
	unsigned int slot = slot_of[i] - 1u;

	return s->on && slot < NR_SLOTS && (s->have & WRITABLE & BIT_ULL(slot)) ? slot : NR_SLOTS;
}

bool nvmx_shadow_has(struct nestor_vcpu *vcpu, enum vmcs12_index i)
{
	return written_slot(&nvmx_of(vcpu)->shadowed, i) < NR_SLOTS;
}

bool nvmx_shadow_wrote(struct nestor_vcpu *vcpu, enum vmcs12_index i, u64 val)
{
	struct nvmx_shadowed *s = &nvmx_of(vcpu)->shadowed;
	unsigned int slot = written_slot(s, i);
	u64 was;

	if (slot == NR_SLOTS)
		return true;
	was = s->val[slot];
	/* What the field is too narrow for is lost there, and the next pull sees it. */
	s->val[slot] = val;
	if (hw->fields_write(&vcpu->l1, nvmx_slot_enc, s->val, BIT_ULL(slot))) {
		s->val[slot] = was;
		return false;
	}
	s->used |= BIT_ULL(slot);
	set_open(vcpu, s->open | BIT_ULL(slot));
	return true;
}

void nvmx_shadow_drop(struct nestor_vcpu *vcpu)
{
	if (nvmx_of(vcpu)->shadowed.on)
		turn(vcpu, false);
}

void nvmx_shadow_off(struct nestor_vcpu *vcpu)
{
	int tries;

	if (!nvmx_of(vcpu)->shadowed.on)
		return;
	/* A CPU on which it is off is about to be left. */
	for (tries = 0; tries < 1000 && !nvmx_shadow_pull(vcpu); tries++)
		cond_resched();
	turn(vcpu, false);
}

/* Only what differs from what L1 would read.  L1 has written nothing since the last pull. */
void nvmx_shadow_push(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	const struct vmcs12 *v = n->vmcs12;
	struct nvmx_shadowed *s = &n->shadowed;
	u64 which = 0;

	if (!s->on)
		return;
#define X(name)							\
	if (unlikely(v->name != s->val[SLOT_##name]))		\
		which |= BIT_ULL(SLOT_##name);
	SHADOWED_STATE(X)
	SHADOWED_READ(X)
#undef X
	which &= s->have;
	/* Where it cannot be told, L1 has to ask. */
	if (which && put(vcpu, which))
		turn(vcpu, false);
}
