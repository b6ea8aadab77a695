/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Into the guest and back: the world switch, and what every exit leaves in the VMCS, to the neutral struct guest_exit
 * and the hot registers; the other groups when somebody asks.  With interrupts off and the VMCS current.
 */
#ifndef NESTOR_HW_VMX_CROSS_H
#define NESTOR_HW_VMX_CROSS_H

#include <asm/asm.h>
#include <asm/special_insns.h>

#include "hw/vmx/eager.h"
#include "hw/vmx/insn.h"
#include "hw/vmx/l1d.h"
#include "hw/vmx/translate.h"
#include "hw/vmx/vmx.h"

/* exit.c: what not every exit has */
void vmx_read_raw(struct guest_run *run, const struct vmx_exit_row *row, u32 reason);
void vmx_read_event(struct guest_run *run, u32 info);
void vmx_drop_nmi_blocking(struct vmx_ctx *ctx);
void vmx_read_more(struct guest_run *run, struct vmx_ctx *ctx);
void vmx_read_unblocking(struct guest_run *run, const struct vmx_exit_row *row);
void vmx_entry_failed(struct guest_run *run);
void vmx_read_refusal(struct guest_run *run);

/*
 * enter.S.  The guest's registers have been in all of them: what the caller had there is lost, and the compiler keeps
 * it elsewhere.  Return: the instruction failed and the guest was not entered.
 */
static __always_inline bool world_switch(u64 *gpr, struct vmx_ctx *ctx)
{
	unsigned long launched = ctx->launched;
	bool failed;

	asm volatile("call vmx_world_switch"
		     : "=a" (failed), "+D" (gpr), "+S" (ctx), "+d" (launched), ASM_CALL_CONSTRAINT
		     : : "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
	return failed;
}

/* An exit that has its reason and perhaps a length, and no more. */
static __always_inline void read_plain(struct guest_run *run, const struct vmx_exit_row *row,
				       u32 reason, u64 rip)
{
	struct vmx_raw raw = {
		.reason = reason, .rip = rip,
		.len = row->flags & XR_LEN ? vmread_known(VMCS_EXIT_INSN_LEN) : 0,
	};

	vmx_translate_plain(&raw, row, &run->exit);
}

static __always_inline void read_vectoring(struct guest_run *run)
{
	u32 info = vmread_known(VMCS_IDT_VECTORING_INFO);

	run->exit.vectoring.valid = false;
	if (unlikely(info & INTR_VALID))
		vmx_read_event(run, info);
}

static __always_inline u64 read_hot(struct guest_run *run, struct vmx_ctx *ctx)
{
	u64 rip = vmread_known(VMCS_GUEST_RIP), rsp = vmread_known(VMCS_GUEST_RSP);
	u64 rflags = vmread_known(VMCS_GUEST_RFLAGS);
	u32 ar = vmread_known(VMCS_GUEST_SS_AR), entered = ctx->interruptibility;
	u32 state = vmread_known(VMCS_GUEST_INTERRUPTIBILITY);

	ctx->rip = rip;
	ctx->rsp = rsp;
	ctx->rflags = rflags;
	ctx->ss_ar = ar;
	ctx->interruptibility = state;
	if (unlikely(state & ~entered & INTR_STATE_NMI))
		vmx_drop_nmi_blocking(ctx);
	run->rip = rip;
	run->gpr[REG_RSP] = rsp;
	run->rflags = rflags;
	run->cpl = (ar & SEG_ATTR_DPL) >> 5;
	run->int_shadow = state & (INTR_STATE_STI | INTR_STATE_MOV_SS);
	run->mov_ss = state & INTR_STATE_MOV_SS;
	run->avail = GRP_CR2;
	run->sys->avail = false;
	return rip;
}

static __always_inline void cross(struct guest_run *run, struct vmx_ctx *ctx)
{
	const struct vmx_exit_row *row;
	u32 reason;
	bool failed;
	u64 rip;

	vmx_l1d_flush();
	failed = world_switch(run->gpr, ctx);
	run->cr2 = native_read_cr2();
	if (unlikely(failed))
		return vmx_read_refusal(run);
	rip = read_hot(run, ctx);
	reason = vmread_known(VMCS_EXIT_REASON);
	row = vmx_exit_row(reason);
	if (row->flags & ~XR_LEN)
		vmx_read_raw(run, row, reason);
	else
		read_plain(run, row, reason, rip);
	read_vectoring(run);
	run->exit.nmi_unblocked = false;
	if (unlikely(row->flags & (XR_UNBLOCK | XR_INTR)))
		vmx_read_unblocking(run, row);
	if (unlikely(reason & VMX_REASON_ENTRY_FAILED))
		vmx_entry_failed(run);
	else
		ctx->launched = true;
	if (unlikely(ctx->more))
		vmx_read_more(run, ctx);
	if (run->eager == EAGER_ALWAYS || (row->reason == EXIT_VMX_INSN && run->eager))
		fetch_eager(run);
}

#endif
