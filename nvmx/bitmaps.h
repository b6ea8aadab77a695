/* SPDX-License-Identifier: GPL-2.0-only */
/* L1's I/O and MSR bitmaps; vm->srcu held, sleepable unless vcpu->atomic: -EAGAIN then. */
#ifndef NESTOR_NVMX_BITMAPS_H
#define NESTOR_NVMX_BITMAPS_H

#include "nvmx/nvmx.h"

/** nvmx_io_wanted() - does L1 want an access of @size bytes (1, 2 or 4) at @port?  1, 0 or -EAGAIN */
int nvmx_io_wanted(struct nestor_vcpu *vcpu, u16 port, unsigned int size);
/**
 * nvmx_msr_wanted() - does L1 want this RDMSR or WRMSR?  One that it does not may be passed from now
 * on.  1, 0 or -EAGAIN
 */
int nvmx_msr_wanted(struct nestor_vcpu *vcpu, u32 msr, bool write);
/** nvmx_merge_msrs() - at an entry: what of the MSRs that L2 uses passes still; 0 or -EAGAIN */
int nvmx_merge_msrs(struct nestor_vcpu *vcpu);

#endif
