/* SPDX-License-Identifier: GPL-2.0-only */
/* vmx_write_again() at hand. */
#ifndef NESTOR_HW_VMX_AGAIN_H
#define NESTOR_HW_VMX_AGAIN_H

#include "hw/vmx/insn.h"
#include "hw/vmx/vmx.h"

static __always_inline void write_again(struct guest_run *run, struct vmx_ctx *ctx)
{
	const struct vmx_noted *n = &ctx->noted;
	unsigned int i;

	_Pragma("GCC unroll 8")
	for (i = 0; i < ARRAY_SIZE(n->seg); i++) {
		vmwrite_known(VMCS_GUEST_ES_SEL + 2 * i, &n->seg[i].sel);
		vmwrite_known(VMCS_GUEST_ES_LIMIT + 2 * i, &n->seg[i].limit);
		vmwrite_known(VMCS_GUEST_ES_AR + 2 * i, &n->seg[i].ar);
		vmwrite_known(VMCS_GUEST_ES_BASE + 2 * i, &n->seg[i].base);
	}
	vmwrite_known(VMCS_GUEST_GDTR_LIMIT, &n->gdtr_limit);
	vmwrite_known(VMCS_GUEST_GDTR_BASE, &n->gdtr_base);
	vmwrite_known(VMCS_GUEST_IDTR_LIMIT, &n->idtr_limit);
	vmwrite_known(VMCS_GUEST_IDTR_BASE, &n->idtr_base);
	vmwrite_known(VMCS_GUEST_SYSENTER_CS, &n->sysenter_cs);
	vmwrite_known(VMCS_GUEST_SYSENTER_ESP, &n->sysenter_esp);
	vmwrite_known(VMCS_GUEST_SYSENTER_EIP, &n->sysenter_eip);
	vmwrite_known(VMCS_GUEST_ACTIVITY, &n->activity);
	vmwrite_known(VMCS_GUEST_PENDING_DBG, &n->pending_dbg);
	vmwrite_known(VMCS_GUEST_PAT, &n->pat);
	vmwrite_known(VMCS_GUEST_DEBUGCTL, &n->debugctl);
	ctx->ss_ar = n->seg[SEG_SS].ar;
	if (unlikely(ctx->interruptibility & INTR_STATE_NMI)) {
		ctx->interruptibility &= ~INTR_STATE_NMI;
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY, ctx->interruptibility);
	}
	run->sys->hw = ctx;
	run->again = false;
}

#endif
