// SPDX-License-Identifier: GPL-2.0-only
/* Loading a vCPU on a CPU and entering it; the table of the backend. */
#include <linux/percpu.h>
#include <asm/processor.h>
#include <asm/debugreg.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/special_insns.h>
#include <asm/trapnr.h>

#include "core/vcpu.h"
#include "hw/vmx/insn.h"
#include "hw/vmx/refuse.h"
#include "hw/vmx/vmx.h"

/* What is one run's. */
static int vmx_change(struct guest_run *run)
{
	struct vmx_ctx *ctx = vmx_ctx(run), *home = run->sys->hw;

	if (unlikely(!this_cpu_read(vmx_cpu.on)))
		return -EAGAIN;
	/* A run that shares guest_sys ran last: bring it home from its VMCS. */
	if (unlikely(home && home != ctx && !run->sys->avail))
		vmx_fetch(home->run, GRP_SYS);
	vmx_take(ctx);
	return 0;
}

static int vmx_load(struct guest_run *run)
{
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);

	if (unlikely(vmx_change(run)))
		return -EAGAIN;
	vmx_host_load(vc);
	/* On another CPU its MSRs may have been changed and loaded since. */
	vc->late = NULL;
	if (vc->last != run->vcpu) {
		/* Another guest trained the predictors of this CPU. */
		vc->last = run->vcpu;
		indirect_branch_prediction_barrier();
	}
	return 0;
}

static void vmx_unload(struct guest_run *run)
{
#ifndef CONFIG_USER_RETURN_NOTIFIER
	unsigned long flags;

	local_irq_save(flags);
	vmx_late_drop(this_cpu_ptr(&vmx_cpu));
	local_irq_restore(flags);
#endif
}

void vmx_load_debugregs_slow(struct guest_run *run)
{
	const u64 *dr = vcpu_hw_dr(run->vcpu);

	set_debugreg(dr[0], 0);
	set_debugreg(dr[1], 1);
	set_debugreg(dr[2], 2);
	set_debugreg(dr[3], 3);
}

static void vmx_enter(struct guest_run *run)
{
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);
	struct vmx_ctx *ctx = vmx_ctx(run);

	if (unlikely(!vc->on))
		return run_cancel(run);
	vmx_make_current(vc, ctx);
	vmx_commit(run, vc);
	vmx_late_load(vc, run->msrs);
	vmx_load_debugregs(run);
	vmx_host_enter(ctx, vc);
	vmx_cross(run, ctx);
}

/* Its VMCS is active on this CPU, and nothing has to be brought home from another one first. */
static bool vmx_near(struct guest_run *run)
{
	const struct vmx_ctx *ctx = vmx_ctx(run);

	return likely(ctx->cpu == smp_processor_id() && run->sys->hw == ctx);
}

static void vmx_leave(struct guest_run *run)
{
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);
	struct guest_exit *x = &run->exit;

	if (unlikely(!vc->on))
		return;
	vmx_host_leave(run, vc);
	/* Events that ended the guest and are the host's: its own handlers run, at once and here. */
	if (x->reason == EXIT_NMI) {
		/* NMIs stay blocked until the handler's IRET. */
		asm volatile("int $2");
	} else if (unlikely(x->reason == EXIT_MCE_ON_ENTRY ||
			    (x->reason == EXIT_EXCEPTION && x->index == X86_TRAP_MC))) {
		asm volatile("int $18");
		x->reason = EXIT_NONE;
	}
}

static bool vmx_run_refuses(const struct guest_image *image)
{
	return vmx_refuses(image, boot_cpu_data.x86_virt_bits);
}

const struct hw_ops vmx_hw_ops = {
	.name = "VT-x",
	.probe = vmx_probe,
	.setup = vmx_setup,
	.teardown = vmx_teardown,
	.cpu_on = vmx_cpu_on,
	.cpu_off = vmx_cpu_off,
	.run_alloc = vmx_run_alloc,
	.run_free = vmx_run_free,
	.load = vmx_load,
	.change = vmx_change,
	.unload = vmx_unload,
	.enter = vmx_enter,
	.reenter = vmx_reenter,
	.near = vmx_near,
	.leave = vmx_leave,
	.fetch = vmx_fetch,
	.refuses = vmx_run_refuses,
	.note = vmx_note,
	.fields_alloc = vmx_fields_alloc,
	.fields_read = vmx_fields_read,
	.fields_write = vmx_fields_write,
	.fields_pull = vmx_fields_pull,
	.fields_push = vmx_fields_push,
	.fields_allow = vmx_fields_allow,
};
