/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NESTOR_NVMX_SNAPSHOT_H
#define NESTOR_NVMX_SNAPSHOT_H

#include "nvmx/nvmx.h"

/**
 * nvmx_snapshot() - the environment of an entry's checks; vm->srcu held, sleepable
 * Return: 0; -EAGAIN: with vcpu->atomic it cannot be had.
 */
int nvmx_snapshot(struct nestor_vcpu *vcpu, struct nvmx_check_env *env);

#endif
