/* SPDX-License-Identifier: GPL-2.0-only */
/* Fields of the current VMCS that L1 reads and writes without an exit (shadow_vmcs.c). */
#ifndef NESTOR_NVMX_SHADOW_VMCS_H
#define NESTOR_NVMX_SHADOW_VMCS_H

#include "nvmx/vmcs12.h"

struct nestor_vcpu;

/*
 * The fields, a slot of the block each: those that L1 may write and nobody else does while the VMCS
 * is in the block, those that L1 may write and an exit does, and those that an exit writes and L1
 * may read (a write, which some offer, exits).
 */
#define SHADOWED_WRITE(X)							\
	X(cpu_ctls) X(exception_bitmap) X(tpr_threshold)			\
	X(entry_error_code) X(entry_insn_len)					\
	X(cr0_mask) X(cr0_read_shadow) X(cr4_mask) X(cr4_read_shadow)		\
	X(host_cr3) X(host_cr4) X(host_rsp) X(host_rip)				\
	X(host_fs_sel) X(host_gs_sel) X(host_fs_base) X(host_gs_base)
#define SHADOWED_STATE(X)							\
	X(guest_rip) X(guest_rsp) X(guest_rflags) X(guest_interruptibility)	\
	X(guest_cr0) X(guest_cr3) X(guest_cr4) X(guest_activity)		\
	X(guest_pending_dbg) X(guest_intr_status) X(preemption_timer)		\
	X(entry_intr_info) X(pml_index)
#define SHADOWED_READ(X)							\
	X(exit_reason) X(exit_qual) X(exit_intr_info) X(exit_error_code)	\
	X(idt_vectoring_info) X(idt_vectoring_error) X(exit_insn_len)		\
	X(exit_insn_info) X(guest_linear_addr) X(guest_physical_addr)

enum nvmx_slot {
#define X(name) SLOT_##name,
	SHADOWED_WRITE(X)
	SHADOWED_STATE(X)
	SHADOWED_READ(X)
#undef X
	NR_SLOTS
};

static_assert(NR_SLOTS <= 64, "a bit for each");

/* Entries without a write after which a field is closed. */
#define SHADOWED_PATIENCE	64

/* Encodings by slot, and where its value is in vmcs12 and what it makes dirty there. */
extern const u16 nvmx_slot_enc[NR_SLOTS];
struct nvmx_slot_field { u8 index, dirty; };
extern const struct nvmx_slot_field nvmx_slot_field[NR_SLOTS];

/**
 * struct nvmx_shadowed - fields of the current VMCS that L1 accesses without an exit
 * @ready: the backend has a block for them
 * @on: the current VMCS is in it
 * @have: bit of each slot whose field is in the block
 * @open: those that L1 may write without an exit
 * @used: those that it did write since @pulls was 0
 * @pulls: number of entries that found the block on
 * @val: value that the block was last known to hold, by slot; meaningful with @on, for those of @have
 */
struct nvmx_shadowed {
	bool ready, on;
	u16 pulls;
	u64 have, open, used;
	u64 val[NR_SLOTS];
};

/* All are no-ops where the backend has nothing of the kind. */
/** nvmx_shadow_setup() - at VMXON: choose the fields; L1's capabilities are settled */
void nvmx_shadow_setup(struct nestor_vcpu *vcpu);
/** nvmx_shadow_on() - the current VMCS is a new one, or L1 is back from where it had none */
void nvmx_shadow_on(struct nestor_vcpu *vcpu);
/** nvmx_shadow_off() - take in what L1 wrote; from now on every access exits */
void nvmx_shadow_off(struct nestor_vcpu *vcpu);
/** nvmx_shadow_drop() - every access exits from now on; what L1 wrote was taken in, or is of no account */
void nvmx_shadow_drop(struct nestor_vcpu *vcpu);
/** nvmx_shadow_pull() - before an entry: take in what L1 wrote; false: cannot be done here and now */
bool nvmx_shadow_pull(struct nestor_vcpu *vcpu);
/** nvmx_shadow_wrote() - an exit of L1 was a VMWRITE of field @i; false: cannot be done here and now */
bool nvmx_shadow_wrote(struct nestor_vcpu *vcpu, enum vmcs12_index i, u64 val);
/** nvmx_shadow_has() - is field @i of those that L1 writes without an exit, now or at times? */
bool nvmx_shadow_has(struct nestor_vcpu *vcpu, enum vmcs12_index i);
/** nvmx_shadow_push() - after an exit, and whenever L0 wrote to vmcs12: L1 is to see it */
void nvmx_shadow_push(struct nestor_vcpu *vcpu);
/** nvmx_shadow_close() - fields were read back in vain for too long */
void nvmx_shadow_close(struct nestor_vcpu *vcpu);

#endif
