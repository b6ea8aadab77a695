/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the run loop share; nobody else includes this. */
#ifndef NESTOR_CORE_RUN_H
#define NESTOR_CORE_RUN_H

#include "core/vcpu.h"
#include "core/verdict.h"

/* requests.c */
/** handle_requests() - take what others asked for; RESUME_GUEST, or what becomes of KVM_RUN */
enum run_action handle_requests(struct nestor_vcpu *vcpu);
/** use_log() - from the VM's first dirty log on the CPU keeps it; L2's run draws on the same table */
void use_log(struct nestor_vcpu *vcpu);

#endif
