/* SPDX-License-Identifier: GPL-2.0-only */
/* Registers that are to be loaded at once (core/image.c, hw_ops.refuses). */
#ifndef NESTOR_CORE_IMAGE_H
#define NESTOR_CORE_IMAGE_H

#include "core/types.h"

/**
 * struct guest_image - registers that decide together whether a CPU takes a guest
 * @cr0: as in guest_run, with @cr4, @efer, @rip, @rflags, @cpl
 * @seg: by enum guest_sreg; the DPL of SS does not count, @cpl does
 * @gdtr: GDTR
 * @idtr: IDTR
 * @intr: an external interrupt is on its way, and the guest gets it first
 *
 * What somebody wants to load at once, before any of it is in a guest_run.
 */
struct guest_image {
	u64 cr0, cr4, efer, rip, rflags;
	u8 cpl;
	struct guest_seg seg[NR_GUEST_SREGS];
	struct guest_dtable gdtr, idtr;
	bool intr;
};

#endif
