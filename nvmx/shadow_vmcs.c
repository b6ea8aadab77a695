// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fields of the current VMCS that L1 reads and writes without an exit, where the
 * backend can (hw_ops.fields_alloc): a round trip of L2 through an ordinary L1 costs two
 * world switches then and no VMREAD or VMWRITE of L1's exits.
 *
 * The fields are those that hypervisors touch at most exits.  None is one that waits in
 * L2's run (nvmx_field_groups), none has more than one encoding, and all of them exist
 * for L1.  vmcs12 is behind what L1 wrote until nvmx_shadow_pull().
 */
#include "core/hw_ops.h"
#include "nvmx/nvmx.h"

/* L1 may write these, and nobody else does while the VMCS is in the block. */
static const u8 hot_write[] = {
	VMCS12_cpu_ctls, VMCS12_exception_bitmap, VMCS12_tpr_threshold,
	VMCS12_entry_error_code, VMCS12_entry_insn_len,
	VMCS12_cr0_mask, VMCS12_cr0_read_shadow, VMCS12_cr4_mask, VMCS12_cr4_read_shadow,
	VMCS12_host_cr3, VMCS12_host_cr4, VMCS12_host_rsp, VMCS12_host_rip,
	VMCS12_host_fs_sel, VMCS12_host_gs_sel, VMCS12_host_fs_base, VMCS12_host_gs_base,
};

/* L1 may write these, and an exit does. */
static const u8 hot_state[] = {
	VMCS12_guest_rip, VMCS12_guest_rsp, VMCS12_guest_rflags, VMCS12_guest_interruptibility,
	VMCS12_guest_cr0, VMCS12_guest_cr3, VMCS12_guest_cr4, VMCS12_guest_activity,
	VMCS12_guest_pending_dbg, VMCS12_guest_intr_status, VMCS12_preemption_timer,
	VMCS12_entry_intr_info,
};

/* An exit writes these and L1 may read them; a write, which some offer, exits. */
static const u8 hot_read[] = {
	VMCS12_exit_reason, VMCS12_exit_qual, VMCS12_exit_intr_info, VMCS12_exit_error_code,
	VMCS12_idt_vectoring_info, VMCS12_idt_vectoring_error, VMCS12_exit_insn_len,
	VMCS12_exit_insn_info, VMCS12_guest_linear_addr,
};

static_assert(ARRAY_SIZE(hot_write) + ARRAY_SIZE(hot_state) + ARRAY_SIZE(hot_read) <= NVMX_SHADOWED_MAX,
	      "all fields have a place");
static_assert(NR_VMCS12_FIELDS <= 0xff, "an index is a byte");

/* What L1 has in software may be no field of the CPU's. */
static bool backend_has(u8 cap)
{
	switch (cap) {
	case VMCS_CAP_VID:
		return hw_caps.vid;
	case VMCS_CAP_PREEMPTION_TIMER:
		return hw_caps.timer;
	case VMCS_CAP_TPR_SHADOW:
		return hw_caps.tpr_shadow;
	default:
		return cap == VMCS_CAP_ALWAYS;
	}
}

static void add(struct nvmx *n, const u8 *fields, unsigned int nr)
{
	struct nvmx_shadowed *s = &n->shadowed;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		const struct vmcs12_field *f = &vmcs12_fields[fields[i]];

		if (!(n->caps.fields & BIT(f->cap)) || !backend_has(f->cap))
			continue;
		s->index[s->nr] = fields[i];
		s->enc[s->nr++] = f->encoding;
	}
}

void nvmx_shadow_setup(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct nvmx_shadowed *s = &n->shadowed;

	if (s->ready || !hw_caps.guest_fields)
		return;
	s->nr = 0;
	add(n, hot_write, ARRAY_SIZE(hot_write));
	s->nr_l1 = s->nr;
	add(n, hot_state, ARRAY_SIZE(hot_state));
	s->nr_write = s->nr;
	add(n, hot_read, ARRAY_SIZE(hot_read));
	/* Out of memory: it works without, and the next VMXON tries again. */
	s->ready = !hw->fields_alloc(&vcpu->l1, s->enc, s->nr, s->enc, s->nr_write);
}

static void turn(struct nestor_vcpu *vcpu, bool on)
{
	nvmx_of(vcpu)->shadowed.on = on;
	vcpu->l1.fields_on = on;
	vcpu->l1.ctl_dirty |= CTL_FIELDS;
}

void nvmx_shadow_on(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct nvmx_shadowed *s = &n->shadowed;
	unsigned int i;

	if (!s->ready || n->current_ptr == NO_VMCS)
		return;
	for (i = 0; i < s->nr; i++)
		s->val[i] = n->vmcs12->f[s->index[i]];
	if (!hw->fields_write(&vcpu->l1, s->enc, s->val, s->nr))
		turn(vcpu, true);
}

bool nvmx_shadow_pull(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	struct nvmx_shadowed *s = &n->shadowed;
	u64 changed;

	if (!s->on)
		return true;
	if (hw->fields_read(&vcpu->l1, s->enc, s->val, s->nr_write, &changed))
		return false;
	for (; changed; changed &= changed - 1) {
		unsigned int i = __ffs(changed);

		vmcs12_set(n->vmcs12, s->index[i], false, s->val[i]);
	}
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
	struct nvmx_shadowed *s = &n->shadowed;
	const u64 *f = n->vmcs12->f;
	unsigned int i, nr = 0, end = s->nr;

	if (!s->on)
		return;
	_Pragma("GCC unroll 4")
	for (i = s->nr_l1; i < end; i++) {
		u64 now = f[s->index[i]];

		if (likely(now == s->val[i]))
			continue;
		s->val[i] = now;
		s->new_enc[nr] = s->enc[i];
		s->new_val[nr++] = now;
	}
	/* Where it cannot be told, L1 has to ask. */
	if (nr && hw->fields_write(&vcpu->l1, s->new_enc, s->new_val, nr))
		turn(vcpu, false);
}
