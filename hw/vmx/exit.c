// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way back (cross.h), the parts that not every exit has: what the exit left in the VMCS, to the neutral struct
 * guest_exit.  With interrupts off and the VMCS current.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/printk.h>

#include "hw/vmx/cross.h"
#include "hw/vmx/insn.h"
#include "hw/vmx/translate.h"
#include "hw/vmx/vmx.h"

#define VECTOR_DF		8
#define QUAL_NMI_UNBLOCK	(1ull << 12)

void vmx_read_raw(struct guest_run *run, const struct vmx_exit_row *row, u32 reason)
{
	struct vmx_raw *raw = &vmx_ctx(run)->raw;
	u8 flags = row->flags;

	raw->reason = reason;
	raw->rip = run->rip;
	raw->qual = flags & XR_QUAL ? vmread(VMCS_EXIT_QUALIFICATION) : 0;
	raw->len = flags & XR_LEN ? vmread(VMCS_EXIT_INSN_LEN) : 0;
	raw->info = flags & XR_INFO ? vmread(VMCS_EXIT_INSN_INFO) : 0;
	raw->gla = flags & XR_GLA ? vmread(VMCS_GUEST_LINEAR_ADDR) : 0;
	raw->gpa = flags & XR_GPA ? vmread(VMCS_GUEST_PHYS_ADDR) : 0;
	raw->intr = 0;
	raw->error = 0;
	if (flags & XR_INTR) {
		raw->intr = vmread(VMCS_EXIT_INTR_INFO);
		if (raw->intr & INTR_ERROR_VALID)
			raw->error = vmread(VMCS_EXIT_ERROR_CODE);
	}
	vmx_translate_row(raw, row, &run->exit);
}

void vmx_read_event(struct guest_run *run, u32 info)
{
	struct guest_event *ev = &run->exit.vectoring;
	u32 error = info & INTR_ERROR_VALID ? vmread(VMCS_IDT_VECTORING_ERROR) : 0;

	*ev = vmx_event(info, error);
	/* RIP is at the instruction that raised it; delivered again it returns behind that. */
	if (ev->type >= EVENT_SOFT_INT)
		run->next_rip = run->rip + vmread(VMCS_EXIT_INSN_LEN);
}

/* IRET unblocked NMIs and then faulted: it will run again, and they are blocked until then. */
static bool iret_undone(const struct vmx_raw *raw, const struct vmx_exit_row *row)
{
	if (row->flags & XR_UNBLOCK)
		return raw->qual & QUAL_NMI_UNBLOCK;
	return (row->flags & XR_INTR) && (raw->intr & INTR_NMI_UNBLOCK) &&
	       (raw->intr & INTR_VECTOR_MASK) != VECTOR_DF;
}

/*
 * With virtual NMIs blocking begins with the NMI that an entry injects, or was there before.  A CPU that
 * tells of it without either, Bochs's, keeps what another guest has left behind.
 */
void vmx_drop_nmi_blocking(struct vmx_ctx *ctx)
{
	if (ctx->given.valid && ctx->given.type == EVENT_NMI)
		return;
	ctx->interruptibility &= ~INTR_STATE_NMI;
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, ctx->interruptibility);
}

/* The CPU fills the page from its end; the index is that of the next entry, below 0 when it is full. */
static void read_log(struct guest_run *run)
{
	struct vmx_ctx *ctx = vmx_ctx(run);
	u16 next = vmread(VMCS_PML_INDEX);
	u32 first = next > PML_LAST ? 0 : next + 1u;

	if (likely(first > PML_LAST))
		return;
	run->log_gpa = ctx->log + first;
	run->log_nr = PML_LAST + 1 - first;
	vmwrite(VMCS_PML_INDEX, PML_LAST);
}

/* Whether there is any of it was seen when the controls were written. */
void vmx_read_more(struct guest_run *run, struct vmx_ctx *ctx)
{
	u8 more = ctx->more;

	if (more & VMX_MORE_LMA)
		ctx->entry = vmread(VMCS_ENTRY_CTL);
	if (more & VMX_MORE_TPR)
		run->vintr.tpr = ctx->vapic[VAPIC_TPR] >> 4;
	if (more & VMX_MORE_STATUS)
		run->vapic.status = vmread(VMCS_GUEST_INTR_STATUS);
	if (more & VMX_MORE_LOG)
		read_log(run);
	if (more & VMX_MORE_TIMER)
		run->timer = vmread(VMCS_PREEMPTION_TIMER);
}

/* What exits for events tell besides. */
void vmx_read_unblocking(struct guest_run *run, const struct vmx_exit_row *row)
{
	struct vmx_ctx *ctx = vmx_ctx(run);

	run->exit.nmi_unblocked = iret_undone(&ctx->raw, row) && !run->exit.vectoring.valid;
	if (unlikely(run->exit.nmi_unblocked)) {
		ctx->interruptibility |= INTR_STATE_NMI;
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY, ctx->interruptibility);
	}
	if (run->exit.reason == EXIT_EXCEPTION && run->exit.next_rip)
		ctx->soft_len = ctx->raw.len;
}

/* Nothing of the guest ran, nothing was delivered, the launch state is as it was. */
void vmx_entry_failed(struct guest_run *run)
{
	run->exit.vectoring = vmx_ctx(run)->given;
	/* The event is still there: an exit has the CPU take it away, a failure not. */
	vmwrite(VMCS_ENTRY_INTR_INFO, 0);
}

void vmx_read_refusal(struct guest_run *run)
{
	struct guest_exit *x = &run->exit;
	u32 error = vmread(VMCS_INSN_ERROR);

	*x = (struct guest_exit){ .reason = EXIT_INVALID, .raw = error, .info1 = error };
	pr_err_ratelimited("%s failed with VM-instruction error %u\n",
			   vmx_ctx(run)->launched ? "VMRESUME" : "VMLAUNCH", error);
}
