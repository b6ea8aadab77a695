// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entering again with interrupts off ever since the last exit (hw_ops.reenter): VMX operation is on, the task is the
 * same, the tag is this CPU's, and the host has none of its own loaded that the guest's was taken out for.
 */
#include "hw/vmx/again.h"
#include "hw/vmx/cross.h"
#include "hw/vmx/insn.h"
#include "hw/vmx/vmx.h"

/* Not in exit.c, whose parts are to stay functions. */
void vmx_cross(struct guest_run *run, struct vmx_ctx *ctx)
{
	cross(run, ctx);
}

/*
 * More was written than hot registers.  What vmx_host_enter() gave the CPU of the guest's is still there, and may have
 * been written since.
 */
static noinline void reenter_changed(struct guest_run *run, struct vmx_ctx *ctx)
{
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);
	struct guest_msrs *m = run->msrs;

	vmx_make_current(vc, ctx);
	vmx_commit(run, vc);
	vmx_late_load(vc, m);
	vmx_load_debugregs(run);
	vmx_host_area(ctx, vc);
	vmx_load_cr2(run);
	if (unlikely(m->avail)) {
		wrmsrl(MSR_KERNEL_GS_BASE, m->kernel_gs_base);
		m->avail = false;
	}
	vmx_cross(run, ctx);
}

/* Another VMCS was current.  The other run than last time may be due, with nothing new but hot registers and again. */
static __always_inline void make_other(struct guest_run *run, struct vmx_ctx *ctx)
{
	vmptrld(&ctx->pa);
	this_cpu_write(vmx_cpu.current_ctx, ctx);
	vmx_load_cr2(run);
	if (run->again)
		write_again(run, ctx);
	else
		vmx_commit_cpl(run, ctx);
}

void vmx_reenter(struct guest_run *run)
{
	struct vmx_ctx *ctx = vmx_ctx(run);

	if (!vmx_unchanged(run))
		return reenter_changed(run, ctx);
	if (this_cpu_read(vmx_cpu.current_ctx) != ctx) {
		if (unlikely(this_cpu_read(vmx_cpu.here) != ctx->here || (ctx->dr7 & 0xff) ||
			     (run->sys->hw != ctx && !run->again)))
			return reenter_changed(run, ctx);
		make_other(run, ctx);
	}
	ctx->given.valid = false;
	vmx_commit_hot(run, ctx, ctx->interruptibility & INTR_STATE_NMI);
	cross(run, ctx);
}
