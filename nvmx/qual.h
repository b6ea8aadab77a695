/* SPDX-License-Identifier: GPL-2.0-only */
/* What VT-x reports of an exit beside its reason; from the CPU, or derived where it does not say. */
#ifndef NESTOR_NVMX_QUAL_H
#define NESTOR_NVMX_QUAL_H

#include "nvmx/nvmx.h"

/** nvmx_exit_qual() - exit qualification of the exit of L2 at hand; sleepable */
u64 nvmx_exit_qual(struct nestor_vcpu *vcpu);
/** nvmx_exit_length() - VM-exit instruction length, 0 when unknown */
u32 nvmx_exit_length(struct nestor_vcpu *vcpu);

#endif
