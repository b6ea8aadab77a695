/* SPDX-License-Identifier: GPL-2.0-only */
/* MSR accesses that the VMM forbids or handles itself (core/msr_filter.c). */
#ifndef NESTOR_CORE_MSR_FILTER_H
#define NESTOR_CORE_MSR_FILTER_H

#include <linux/kvm.h>

#include "core/vcpu.h"

#define MSR_EXIT_REASONS	(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | \
				 KVM_MSR_EXIT_REASON_FILTER)

/**
 * msr_filter_set() - KVM_X86_SET_MSR_FILTER; bitmaps are read from the VMM's memory
 * Return: 0, -EINVAL for unknown flags or a range that does not fit, -EFAULT, -ENOMEM.  No
 * processor of the VM uses an older filter afterwards.
 */
int msr_filter_set(struct nestor_vm *vm, const struct kvm_msr_filter *in);
/** msr_filter_free() - of a VM that nobody uses any more */
void msr_filter_free(struct nestor_vm *vm);
/** msr_filter_allows() - may the guest access MSR @index?  vm->srcu held */
bool msr_filter_allows(struct nestor_vcpu *vcpu, u32 index, bool write);
/** msr_filter_apply() - what passes without an exit, by the filter there is; vm->srcu held */
void msr_filter_apply(struct nestor_vcpu *vcpu);
/**
 * msr_user_exit() - does the VMM want to decide about an access that was refused for @reason
 * (KVM_MSR_EXIT_REASON_*)?  true: vcpu->kvm_run is filled in
 */
bool msr_user_exit(struct nestor_vcpu *vcpu, u32 index, bool write, u64 val, u32 reason);

#endif
