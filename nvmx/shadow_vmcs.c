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

/*
 * The fields, a slot of the block each: those that L1 may write and nobody else does while the VMCS
 * is in the block, those that L1 may write and an exit does, and those that an exit writes and L1
 * may read (a write, which some offer, exits).
 */
#define HOT_WRITE(X)								\
	X(cpu_ctls) X(exception_bitmap) X(tpr_threshold)			\
	X(entry_error_code) X(entry_insn_len)					\
	X(cr0_mask) X(cr0_read_shadow) X(cr4_mask) X(cr4_read_shadow)		\
	X(host_cr3) X(host_cr4) X(host_rsp) X(host_rip)				\
	X(host_fs_sel) X(host_gs_sel) X(host_fs_base) X(host_gs_base)
#define HOT_STATE(X)								\
	X(guest_rip) X(guest_rsp) X(guest_rflags) X(guest_interruptibility)	\
	X(guest_cr0) X(guest_cr3) X(guest_cr4) X(guest_activity)		\
	X(guest_pending_dbg) X(guest_intr_status) X(preemption_timer)		\
	X(entry_intr_info) X(pml_index)
#define HOT_READ(X)								\
	X(exit_reason) X(exit_qual) X(exit_intr_info) X(exit_error_code)	\
	X(idt_vectoring_info) X(idt_vectoring_error) X(exit_insn_len)		\
	X(exit_insn_info) X(guest_linear_addr) X(guest_physical_addr)

enum slot {
#define X(name) SLOT_##name,
	HOT_WRITE(X)
	HOT_STATE(X)
	HOT_READ(X)
#undef X
	NR_SLOTS
};

#define WRITABLE	(BIT_ULL(SLOT_exit_reason) - 1)
/* Entries without a write after which a field is closed. */
#define PATIENCE	64

static_assert(NR_SLOTS <= NVMX_SHADOWED_MAX, "all fields have a place");
static_assert(NR_VMCS12_FIELDS <= 0xff, "an index is a byte");

static const struct {
	u8 index;
	u16 enc;
} slots[NR_SLOTS] = {
#define X(name) { VMCS12_##name, VMCS_ENC_##name },
	HOT_WRITE(X)
	HOT_STATE(X)
	HOT_READ(X)
#undef X
};

/* Slot + 1 by field. */
static const u8 slot_of[NR_VMCS12_FIELDS] = {
#define X(name) [VMCS12_##name] = SLOT_##name + 1,
	HOT_WRITE(X)
	HOT_STATE(X)
	HOT_READ(X)
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

static void list_open(struct nvmx_shadowed *s, u64 open)
{
	s->open = open;
	s->nr_open = 0;
	for (; open; open &= open - 1) {
		unsigned int i = __ffs(open);

		s->open_enc[s->nr_open] = slots[i].enc;
		s->open_slot[s->nr_open++] = i;
	}
}

void nvmx_shadow_setup(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct nvmx_shadowed *s = &n->shadowed;
	unsigned int i, nr = 0, nr_write = 0;

	if (s->ready || !hw_caps.guest_fields)
		return;
	s->have = 0;
	for (i = 0; i < NR_SLOTS; i++) {
		u8 cap = vmcs12_fields[slots[i].index].cap;

		if (!(n->caps.fields & BIT(cap)) || !backend_has(cap))
			continue;
		s->have |= BIT_ULL(i);
		s->enc[nr++] = slots[i].enc;
		if (BIT_ULL(i) & WRITABLE)
			nr_write = nr;
	}
	list_open(s, s->have & WRITABLE);
	s->used = 0;
	s->pulls = 0;
	/* Out of memory: it works without, and the next VMXON tries again. */
	s->ready = !hw->fields_alloc(&vcpu->l1, s->enc, nr, s->enc, nr_write);
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
	unsigned int nr = 0;

	for (; which; which &= which - 1) {
		unsigned int i = __ffs(which);

		s->val[i] = n->vmcs12->f[slots[i].index];
		s->enc[nr] = slots[i].enc;
		s->new_val[nr++] = s->val[i];
	}
	return hw->fields_write(&vcpu->l1, s->enc, s->new_val, nr);
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

		hw->fields_allow(&vcpu->l1, slots[i].enc, open & BIT_ULL(i));
	}
	list_open(s, open);
}

/* Fields were read back in vain for too long. */
static noinline void close_unused(struct nestor_vcpu *vcpu)
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
	unsigned int i, slot;

	if (!s->on)
		return true;
	if (s->nr_open && hw->fields_read(&vcpu->l1, s->open_enc, s->new_val, s->nr_open))
		return false;
	for (i = 0; i < s->nr_open; i++) {
		slot = s->open_slot[i];
		if (s->new_val[i] == s->val[slot])
			continue;
		s->val[slot] = s->new_val[i];
		s->used |= BIT_ULL(slot);
		vmcs12_set(n->vmcs12, slots[slot].index, false, s->val[slot]);
	}
	if (unlikely(++s->pulls > PATIENCE))
		close_unused(vcpu);
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

	if (slot == NR_SLOTS)
		return true;
	/* What the field is too narrow for is lost there, and the next pull sees it. */
	if (hw->fields_write(&vcpu->l1, &slots[slot].enc, &val, 1))
		return false;
	s->val[slot] = val;
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

void nvmx_shadow_tell(struct nestor_vcpu *vcpu, const u8 *index, unsigned int nr)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct nvmx_shadowed *s = &n->shadowed;
	unsigned int i, slot, put = 0;

	if (!s->on)
		return;
	for (i = 0; i < nr; i++) {
		slot = slot_of[index[i]] - 1u;
		if (unlikely(slot >= NR_SLOTS || !(s->have & BIT_ULL(slot))))
			continue;
		s->val[slot] = n->vmcs12->f[index[i]];
		s->enc[put] = slots[slot].enc;
		s->new_val[put++] = s->val[slot];
	}
	/* Where it cannot be told, L1 has to ask. */
	if (put && hw->fields_write(&vcpu->l1, s->enc, s->new_val, put))
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
	HOT_STATE(X)
	HOT_READ(X)
#undef X
	which &= s->have;
	/* Where it cannot be told, L1 has to ask. */
	if (which && put(vcpu, which))
		turn(vcpu, false);
}
