/* SPDX-License-Identifier: GPL-2.0-only */
/* The shadow VMCS in a turn: its fields read and written where interrupts have been off since the last exit. */
#ifndef NESTOR_NVMX_SHADOW_NOW_H
#define NESTOR_NVMX_SHADOW_NOW_H

#include <linux/bitops.h>

#include "core/hw_ops.h"
#include "nvmx/shadow_vmcs.h"

/* nvmx_shadow_take() - L1 has written the slots in @which.  A field of the CPU's has its width already */
static __always_inline void nvmx_shadow_take(struct nvmx_shadowed *s, struct vmcs12 *v, u64 which)
{
	unsigned int i;

	s->used |= which;
	for (; which; which &= which - 1) {
		i = __ffs(which);
		v->f[nvmx_slot_field[i].index] = s->val[i];
		v->dirty |= nvmx_slot_field[i].dirty;
	}
}

/* nvmx_shadow_pull_now() - nvmx_shadow_pull() in a turn, right behind an exit of L1, whose run is @l1 */
static __always_inline void nvmx_shadow_pull_now(struct guest_run *l1, struct nvmx_shadowed *s, struct vmcs12 *v)
{
	if (!s->on)
		return;
	if (s->open)
		nvmx_shadow_take(s, v, hw->fields_pull(l1, nvmx_slot_enc, s->val, s->open));
	if (unlikely(++s->pulls > SHADOWED_PATIENCE))
		nvmx_shadow_close(l1->vcpu);
}

/*
 * nvmx_shadow_tell() - nvmx_shadow_push() in a turn that L1 has taken part in: the slots in @which have got new values,
 * in @s->val, and no other has since the last pull
 */
static __always_inline void nvmx_shadow_tell(struct guest_run *l1, struct nvmx_shadowed *s, u64 which)
{
	which &= s->have;
	if (which && s->on)
		hw->fields_push(l1, nvmx_slot_enc, s->val, which);
}

#endif
