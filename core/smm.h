/* SPDX-License-Identifier: GPL-2.0-only */
/* System-management mode of L1 (core/smm.c). */
#ifndef NESTOR_CORE_SMM_H
#define NESTOR_CORE_SMM_H

#include "core/vcpu.h"

/** queue_smi() - an SMI for L1; any context */
void queue_smi(struct nestor_vcpu *vcpu);
/** smm_waiting() - is there an SMI that can be taken now (GIF, not in SMM already)? */
bool smm_waiting(struct nestor_vcpu *vcpu);
/**
 * smm_enter() - take the SMI: save the current run's state and start L1's handler
 * Return: 0, or -ENOMEM; then nothing has changed and the SMI waits.
 */
int smm_enter(struct nestor_vcpu *vcpu);
/** handle_rsm() - RSM: in SMM it ends the mode, elsewhere it is #UD */
enum run_action handle_rsm(struct nestor_vcpu *vcpu);
/** smm_set() - the VMM says whether L1 is in SMM (KVM_SET_VCPU_EVENTS); 0 or -ENOMEM */
int smm_set(struct nestor_vcpu *vcpu, bool active);
/** smm_reset() - power-on or INIT; SMBASE is the caller's */
void smm_reset(struct nestor_vcpu *vcpu);

#endif
