/* SPDX-License-Identifier: GPL-2.0-only */
/* The VMM's debugger on a vCPU (KVM_SET_GUEST_DEBUG); core/guest_debug.c. */
#ifndef NESTOR_CORE_GUEST_DEBUG_H
#define NESTOR_CORE_GUEST_DEBUG_H

#include "core/vcpu.h"

/* What KVM_CAP_SET_GUEST_DEBUG2 answers. */
#define GUESTDBG_FLAGS	(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | \
			 KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_USE_HW_BP | \
			 KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP | \
			 KVM_GUESTDBG_BLOCKIRQ)

/**
 * guest_debug_set() - KVM_SET_GUEST_DEBUG; vcpu->lock held
 * -EINVAL: an unknown flag; -EBUSY: an exception to inject, but one is queued already
 */
int guest_debug_set(struct nestor_vcpu *vcpu, const struct kvm_guest_debug *d);

/** guest_debug_lend_tf() / guest_debug_take_tf() - around each entry while it steps */
void guest_debug_lend_tf(struct nestor_vcpu *vcpu);
void guest_debug_take_tf(struct nestor_vcpu *vcpu);

/** guest_debug_exit() - KVM_EXIT_DEBUG for @vector with @dr6 */
enum run_action guest_debug_exit(struct nestor_vcpu *vcpu, u64 dr6, u32 vector);

/** guest_debug_finish() - after an exit was handled: the step that an emulated instruction was */
enum run_action guest_debug_finish(struct nestor_vcpu *vcpu, enum run_action action);

/**
 * insn_retired() - an instruction was emulated to its end: TF, and the debugger's step
 * @branch: it was a branch and was taken
 */
void insn_retired(struct nestor_vcpu *vcpu, bool branch);

#endif
