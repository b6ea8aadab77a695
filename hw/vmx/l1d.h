/* SPDX-License-Identifier: GPL-2.0-only */
/* Flushing the first-level data cache before entries, where L1TF is mitigated. */
#ifndef NESTOR_HW_VMX_L1D_H
#define NESTOR_HW_VMX_L1D_H

#include <linux/jump_label.h>

DECLARE_STATIC_KEY_FALSE(vmx_l1d_key);

int vmx_l1d_setup(void);		/* -ENOMEM */
void vmx_l1d_teardown(void);
void vmx_l1d_flush_now(void);

/* vmx_l1d_flush() - interrupts off, right before the entry */
static inline void vmx_l1d_flush(void)
{
	if (static_branch_unlikely(&vmx_l1d_key))
		vmx_l1d_flush_now();
}

#endif
