/* SPDX-License-Identifier: GPL-2.0-only */
/* The MSRs of the extension: capability MSRs are in caps.h, here is the rest. */
#ifndef NESTOR_NVMX_MSR_H
#define NESTOR_NVMX_MSR_H

#include "nvmx/nvmx.h"

#define MSR_FEATURE_CONTROL	0x3au
#define MSR_SMM_MONITOR_CTL	0x9bu

/* IA32_FEATURE_CONTROL (SDM vol. 3, "Enabling and Entering VMX Operation") */
#define FEATCTL_LOCKED		BIT_ULL(0)
#define FEATCTL_VMXON_SMX	BIT_ULL(1)	/* in SMX operation */
#define FEATCTL_VMXON		BIT_ULL(2)	/* outside SMX operation */
#define FEATCTL_SENTER		GENMASK_ULL(15, 8)
#define FEATCTL_SGX_LC		BIT_ULL(17)
#define FEATCTL_SGX		BIT_ULL(18)
#define FEATCTL_LMCE		BIT_ULL(20)

bool nvmx_feature_msr(u32 msr, u64 *val);
/** nvmx_init_caps() - a new processor has all that this host can offer */
void nvmx_init_caps(struct nvmx *n);
/** nvmx_update_caps() - @caps from what the VMM offers and the CPUID it set */
void nvmx_update_caps(struct nestor_vcpu *vcpu);

#endif
