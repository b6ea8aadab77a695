/* SPDX-License-Identifier: GPL-2.0-only */
/* Guest state that VM entry would refuse (pure). */
#ifndef NESTOR_HW_VMX_REFUSE_H
#define NESTOR_HW_VMX_REFUSE_H

#include "core/image.h"

/**
 * vmx_refuses() - would a VM entry with @image fail?
 * @va_bits: the processor's width of a linear address
 */
bool vmx_refuses(const struct guest_image *image, unsigned int va_bits);

#endif
