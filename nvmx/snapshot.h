/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NESTOR_NVMX_SNAPSHOT_H
#define NESTOR_NVMX_SNAPSHOT_H

#include "nvmx/nvmx.h"

/**
 * nvmx_snapshot() - the environment of the checks of an entry with @v, at L1's address @ptr
 * vm->srcu held, sleepable
 * Return: 0; -EAGAIN: with vcpu->atomic it cannot be had.
 */
int nvmx_snapshot(struct nestor_vcpu *vcpu, const struct vmcs12 *v, u64 ptr,
		  struct nvmx_check_env *env);

#endif
