// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where each VMCS is.  A VMCS is active on at most one CPU, which may keep parts of
 * it in itself; before another CPU loads it that CPU has to VMCLEAR it (SDM vol. 3,
 * "Guidelines for Using VMCS", "Software Use of the VMCS and Related Structures").
 *
 * Who may write what: vmx_ctx.cpu, .link and vmx_cpu.active, .current_ctx are written on
 * the CPU they name, with interrupts off.  Only the thread that holds vcpu->lock (or frees
 * the vCPU) makes a context active, so a context cannot become active elsewhere
 * behind its back; it can become inactive at any time (the CPU goes offline).
 */
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include "hw/vmx/insn.h"
#include "hw/vmx/vmx.h"

static void ctx_clear(struct vmx_cpu *vc, struct vmx_ctx *ctx)
{
	lockdep_assert_irqs_disabled();
	vmclear(&ctx->pa);
	/* The CPU may hold parts of what the link pointer names. */
	if (ctx->fields)
		vmclear(&ctx->fields->pa);
	if (vc->current_ctx == ctx)
		vc->current_ctx = NULL;
	list_del(&ctx->link);
	ctx->launched = false;
	ctx->here = 0;
	/* The region is whole in memory before anyone sees that it is free. */
	smp_store_release(&ctx->cpu, -1);
}

void vmx_clear_all(struct vmx_cpu *vc)
{
	struct vmx_ctx *ctx, *next;

	list_for_each_entry_safe(ctx, next, &vc->active, link)
		ctx_clear(vc, ctx);
}

/* On the CPU that has it, unless it went offline meanwhile. */
static void clear_here(void *data)
{
	struct vmx_ctx *ctx = data;

	if (ctx->cpu == smp_processor_id())
		ctx_clear(this_cpu_ptr(&vmx_cpu), ctx);
}

static void ctx_release(struct vmx_ctx *ctx)
{
	int cpu = smp_load_acquire(&ctx->cpu);

	/* A CPU that is offline has cleared what it had. */
	if (cpu >= 0)
		smp_call_function_single(cpu, clear_here, ctx, 1);
}

void vmx_take_slow(struct vmx_ctx *ctx)
{
	ctx_release(ctx);
}

void vmx_make_current_slow(struct vmx_cpu *vc, struct vmx_ctx *ctx)
{
	/* A new region becomes a VMCS by VMCLEAR. */
	if (unlikely(!ctx->filled))
		vmclear(&ctx->pa);
	if (ctx->cpu < 0) {
		list_add(&ctx->link, &vc->active);
		ctx->cpu = smp_processor_id();
	}
	vmptrld(&ctx->pa);
	vc->current_ctx = ctx;
	if (unlikely(!ctx->filled)) {
		vmx_fill_constants(ctx);
		ctx->filled = true;
	}
}

void vmx_run_free(struct guest_run *run)
{
	struct vmx_ctx *ctx = vmx_ctx(run);

	if (!ctx)
		return;
	/* Another run goes on with what it shared with this one. */
	if (run->sys && run->sys != &run->sys_own && run->sys->hw == ctx) {
		run_need(run, GRP_SYS);
		run->sys->hw = NULL;
	}
	ctx_release(ctx);
	vmx_fields_free(ctx);
	free_page((unsigned long)ctx->vmcs);
	free_page((unsigned long)ctx->msr_bitmap);
	free_page((unsigned long)ctx->vapic);
	free_page((unsigned long)ctx->log);
	kfree(ctx);
	run->hw = NULL;
}

int vmx_run_alloc(struct guest_run *run)
{
	struct vmx_ctx *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL_ACCOUNT);
	bool tpr = vmx_caps.ctl[CTLW_PROC].may & PROC_TPR_SHADOW;

	if (!ctx)
		return -ENOMEM;
	run->hw = ctx;
	ctx->run = run;
	ctx->cpu = -1;
	ctx->host_cpu = -1;
	ctx->tag_cpu = -1;
	INIT_LIST_HEAD(&ctx->link);
	ctx->vmcs = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	ctx->msr_bitmap = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (tpr)
		ctx->vapic = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (hw_caps.pml)
		ctx->log = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!ctx->vmcs || !ctx->msr_bitmap || (tpr && !ctx->vapic) || (hw_caps.pml && !ctx->log)) {
		vmx_run_free(run);
		return -ENOMEM;
	}
	memset(ctx->msr_bitmap, 0xff, PAGE_SIZE);
	*(u32 *)ctx->vmcs = vmx_caps.revision;
	ctx->pa = virt_to_phys(ctx->vmcs);
	run->ctl_dirty = CTL_ALL;
	return 0;
}
