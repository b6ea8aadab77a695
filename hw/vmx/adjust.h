/* SPDX-License-Identifier: GPL-2.0-only */
/* Which control bits this CPU allows, and which of them are used (pure). */
#ifndef NESTOR_HW_VMX_ADJUST_H
#define NESTOR_HW_VMX_ADJUST_H

#include "core/pure.h"

enum vmx_ctl_word { CTLW_PIN, CTLW_PROC, CTLW_PROC2, CTLW_EXIT, CTLW_ENTRY, NR_CTL_WORDS };

/**
 * struct vmx_ctl - one control word of the VMCS
 * @on: bits that are 1 whatever the guest needs: those the CPU demands and those we do
 * @may: bits that may be 1
 */
struct vmx_ctl {
	u32 on;
	u32 may;
};

/**
 * vmx_adjust() - settle one control word
 * @word: which
 * @cap: its capability MSR: bits that must be 1 in 31:0, that may be 1 in 63:32 (SDM vol. 3,
 *	"VMX Capability Reporting Facility")
 * @out: the result
 *
 * Return: NULL, or the manual's name of a control that is indispensable and missing.
 */
const char *vmx_adjust(enum vmx_ctl_word word, u64 cap, struct vmx_ctl *out);

#endif
