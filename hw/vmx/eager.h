/* SPDX-License-Identifier: GPL-2.0-only */
/* Groups that some runs want with each exit (guest_run.eager), out of the VMCS, which is current; interrupts off. */
#ifndef NESTOR_HW_VMX_EAGER_H
#define NESTOR_HW_VMX_EAGER_H

#include "core/vcpu.h"
#include "hw/vmx/insn.h"
#include "hw/vmx/vmx.h"

/* Masked bits the guest cannot have changed; the old copy has them as it sees them. */
static __always_inline void fetch_cr(struct guest_run *run)
{
	const struct vmx_ctx *ctx = vmx_ctx(run);

	if (~ctx->cr0_mask)
		run->cr0 = (vmread_known(VMCS_GUEST_CR0) & ~ctx->cr0_mask) |
			   (run->cr0 & ctx->cr0_mask);
	if (~ctx->cr4_mask)
		run->cr4 = (vmread_known(VMCS_GUEST_CR4) & ~ctx->cr4_mask) |
			   (run->cr4 & ctx->cr4_mask);
	run->cr3 = vmread_known(VMCS_GUEST_CR3);
	run->efer = vmread_known(VMCS_GUEST_EFER);
}

/* DR6 is not in the VMCS: the copy is all there is. */
static __always_inline void fetch_dr(struct guest_run *run)
{
	if (vcpu_hw_dr7_owned(run))
		run->dr7 = vmread_known(VMCS_GUEST_DR7);
}

static __always_inline void fetch_debugctl(struct guest_run *run)
{
	run->debugctl = (vmread_known(VMCS_GUEST_DEBUGCTL) & DEBUGCTL_BTF) |
			(run->debugctl & ~DEBUGCTL_BTF);
}

static __always_inline void fetch_activity(struct guest_run *run)
{
	run->activity = vmread_known(VMCS_GUEST_ACTIVITY);
	run->nmi_blocked = vmx_ctx(run)->interruptibility & INTR_STATE_NMI;
	run->pending_dbg = vmread_known(VMCS_GUEST_PENDING_DBG);
}

/* GRP_EAGER_VMX, or GRP_EAGER: right after an exit */
static __always_inline void fetch_eager(struct guest_run *run)
{
	fetch_cr(run);
	fetch_dr(run);
	run->avail |= GRP_EAGER_VMX;
	if (run->eager != EAGER_ALWAYS)
		return;
	fetch_debugctl(run);
	fetch_activity(run);
	run->avail |= GRP_EAGER;
}

#endif
