/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Just enough of the kernel for files of nvmx/ that work on a virtual processor: core/vcpu.h and
 * the <linux/...> headers on the way are replaced by this one (see the Makefile).  What they
 * call is the test's.
 */
#ifndef NESTOR_TESTS_NVMX_SHIM_H
#define NESTOR_TESTS_NVMX_SHIM_H

#include <string.h>
#include <linux/kvm.h>

#include "core/guest_run.h"
#include "core/pure.h"
#include "core/verdict.h"

#define __user

struct hrtimer { int unused; };
struct nested;
struct nestor_vm;
struct nestor_mmu_vm;

struct nestor_vcpu {
	struct guest_run l1, *run;
	struct nested *nested;
	bool atomic;
	struct { u64 rsvd_gpa_bits; } cpuid;
};

static inline bool vcpu_in_l2(const struct nestor_vcpu *vcpu)
{
	return vcpu->run != &vcpu->l1;
}

#endif
