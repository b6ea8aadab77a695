// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs: their VMCB and MSR permission map, loading a vCPU on a CPU, entering.
 */
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/pgtable.h>
#include <linux/slab.h>
#include <linux/percpu.h>
#include <asm/debugreg.h>
#include <asm/nospec-branch.h>

#include "core/vcpu.h"
#include "hw/svm/svm.h"

/* The page of VMLOAD and VMSAVE is home to both objects. */
static int svm_sys_alloc(struct guest_run *run)
{
	struct svm_sys *home = kzalloc(sizeof(*home), GFP_KERNEL_ACCOUNT);

	if (!home)
		return -ENOMEM;
	home->vmcb = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!home->vmcb) {
		kfree(home);
		return -ENOMEM;
	}
	home->pa = virt_to_phys(home->vmcb);
	home->msrs_at = home->vmcb;
	run->sys_own.hw = home;
	/* An entry has moved the MSRs to that page, too, whoever owns them. */
	run->sys_own.area = &home->vmcb->s;
	run->msrs_own.hw = home;
	return 0;
}

static void svm_sys_free(struct guest_run *run)
{
	struct svm_sys *home = run->sys_own.hw, *other = run->msrs ? run->msrs->hw : NULL;

	if (!home)
		return;
	/* The owner of the MSRs outlives this run: take them along. */
	if (other && other != home && other->msrs_at == home->vmcb) {
		run_need(run, GRP_MSRS);
		run_dirty(run, GRP_MSRS);
		other->msrs_at = other->vmcb;
	}
	free_page((unsigned long)home->vmcb);
	kfree(home);
	run->sys_own.hw = NULL;
	run->sys_own.area = NULL;
	run->msrs_own.hw = NULL;
}

void svm_run_free(struct guest_run *run)
{
	struct svm_ctx *ctx = svm_ctx(run);

	if (ctx) {
		free_page((unsigned long)ctx->vmcb);
		if (ctx->msrpm)
			free_pages_exact(ctx->msrpm, MSRPM_SIZE);
		free_page((unsigned long)ctx->top);
		kfree(ctx);
		run->hw = NULL;
	}
	svm_sys_free(run);
}

int svm_run_alloc(struct guest_run *run)
{
	struct svm_ctx *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL_ACCOUNT);

	if (!ctx)
		return -ENOMEM;
	run->hw = ctx;
	ctx->vmcb = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	ctx->msrpm = alloc_pages_exact(MSRPM_SIZE, GFP_KERNEL_ACCOUNT);
	/* Nested paging has as many levels as the host's own paging (APM: "Nested Paging"). */
	if (pgtable_l5_enabled())
		ctx->top = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!ctx->vmcb || !ctx->msrpm || (pgtable_l5_enabled() && !ctx->top) ||
	    (run->sys == &run->sys_own && svm_sys_alloc(run))) {
		svm_run_free(run);
		return -ENOMEM;
	}
	memset(ctx->msrpm, 0xff, MSRPM_SIZE);
	ctx->pa = virt_to_phys(ctx->vmcb);
	ctx->msrpm_pa = virt_to_phys(ctx->msrpm);
	ctx->cpu = -1;
	ctx->clean = hw_caps.clean_bits ? CLEAN_ALL : 0;
	ctx->vmcb->c.iopm_base_pa = svm_iopm_pa();
	ctx->vmcb->c.msrpm_base_pa = ctx->msrpm_pa;
	ctx->vmcb->c.np_enable = NP_ENABLE;
	run->ctl_dirty = CTL_ALL;
	return 0;
}

/*
 * FS, GS, TR and LDTR of the host and its system-call MSRs stay as they are
 * while preemption is off, so they are saved once and not at every entry.
 */
static int svm_load(struct guest_run *run)
{
	struct svm_cpu *sc = this_cpu_ptr(&svm_cpu);

	if (unlikely(!sc->on))
		return -EAGAIN;
	asm volatile("vmsave %%rax" : : "a"(sc->host_pa) : "memory");
	if (sc->last != run->vcpu) {
		/* Another guest trained the predictors of this CPU. */
		sc->last = run->vcpu;
		indirect_branch_prediction_barrier();
	}
	return 0;
}

/* Nothing that svm_load() did is one run's. */
static int svm_change(struct guest_run *run)
{
	return 0;
}

static void svm_unload(struct guest_run *run)
{
}

static void load_debugregs(struct guest_run *run)
{
	const u64 *dr = vcpu_hw_dr(run->vcpu);

	set_debugreg(dr[0], 0);
	set_debugreg(dr[1], 1);
	set_debugreg(dr[2], 2);
	set_debugreg(dr[3], 3);
}

/* Nothing but the hot registers and those of VMLOAD has to be written: the same run on the same CPU. */
static __always_inline bool only_hot(const struct guest_run *run, const struct svm_ctx *ctx,
				     const struct svm_cpu *sc)
{
	return !(run->dirty | run->ctl_dirty) && ctx->cpu == sc->cpu &&
	       ctx->asid_gen == sc->asid_gen &&
	       !(run->flush | run->new_tag | run->inject.valid);
}

/* Is what VMLOAD takes in its page? */
static __always_inline bool loaded_kept(const struct guest_run *run)
{
	const struct svm_sys *home = run->sys->hw, *msrs = run->msrs->hw;

	return !(run->sys->dirty | run->msrs->dirty) && msrs->msrs_at == home->vmcb;
}

static __always_inline void commit_hot(struct guest_run *run, struct vmcb *vmcb)
{
	const u64 *gpr = run->gpr;

	vmcb->s.rip = run->rip;
	vmcb->s.rsp = gpr[REG_RSP];
	vmcb->s.rax = gpr[REG_RAX];
	vmcb->s.rflags = run->rflags;
	if (unlikely(vmcb->s.cpl != run->cpl)) {
		vmcb->s.cpl = run->cpl;
		vmcb->c.clean &= ~CLEAN_SEG;
	}
	vmcb->c.int_state = run->int_shadow ? INT_SHADOW : 0;
	vmcb->c.tlb_control = TLB_CONTROL_NONE;
	vmcb->c.event_inj = 0;
}

static void svm_enter(struct guest_run *run)
{
	struct svm_cpu *sc = this_cpu_ptr(&svm_cpu);
	struct svm_ctx *ctx = svm_ctx(run);
	struct vmcb *vmcb = ctx->vmcb;

	/* Interrupts were on since the load, and the reboot notifier comes by IPI. */
	if (unlikely(!sc->on))
		return run_cancel(run);
	commit_hot(run, vmcb);
	ctx->injected = run->inject.valid;
	if (!only_hot(run, ctx, sc))
		svm_commit_groups(run, sc);
	if (!loaded_kept(run))
		svm_commit_loaded(run);
	/* The guest's breakpoints are in the CPU only while it runs with some enabled. */
	if (unlikely(vmcb->s.dr7 & 0xff))
		load_debugregs(run);

	asm volatile("clgi" : : : "memory");
	svm_world_switch(run->gpr, ctx->pa, ((struct svm_sys *)run->sys->hw)->pa, sc->host_pa);
	/* An NMI that ended the guest is taken here, by the host's own handler. */
	asm volatile("stgi" : : : "memory");

	/* #VMEXIT disabled all breakpoints in DR7. */
	if (unlikely(hw_breakpoint_active()))
		hw_breakpoint_restore();
	svm_read_exit(run);
}

static bool svm_near(struct guest_run *run)
{
	return false;
}

/* Each entry and exit takes along all that is the host's. */
static void svm_leave(struct guest_run *run)
{
}

/*
 * What VMRUN refuses is in CR0, CR4 and EFER (APM vol. 2, "Canonicalization and Consistency
 * Checks"): segments are taken as they are, and addresses are made canonical.
 */
static bool svm_refuses(const struct guest_image *image)
{
	return false;
}

/* There is no such block here, so nobody comes to read or write it. */
static int svm_fields_alloc(struct guest_run *run, const u16 *enc, u64 read, u64 write)
{
	return -EOPNOTSUPP;
}

static int svm_fields_read(struct guest_run *run, const u16 *enc, u64 *val, u64 which, u64 *diff)
{
	return -EAGAIN;
}

static int svm_fields_write(struct guest_run *run, const u16 *enc, const u64 *val, u64 which)
{
	return -EAGAIN;
}

static u64 svm_fields_pull(struct guest_run *run, const u16 *enc, u64 *val, u64 which)
{
	return 0;
}

static void svm_fields_push(struct guest_run *run, const u16 *enc, const u64 *val, u64 which)
{
}

static void svm_fields_allow(struct guest_run *run, u16 enc, bool allow)
{
}

static void svm_note(struct guest_run *run)
{
}

const struct hw_ops svm_hw_ops = {
	.name = "AMD-V",
	.probe = svm_probe,
	.setup = svm_setup,
	.teardown = svm_teardown,
	.cpu_on = svm_cpu_on,
	.cpu_off = svm_cpu_off,
	.run_alloc = svm_run_alloc,
	.run_free = svm_run_free,
	.load = svm_load,
	.change = svm_change,
	.unload = svm_unload,
	.enter = svm_enter,
	.reenter = svm_enter,
	.near = svm_near,
	.leave = svm_leave,
	.fetch = svm_fetch,
	.refuses = svm_refuses,
	.note = svm_note,
	.fields_alloc = svm_fields_alloc,
	.fields_read = svm_fields_read,
	.fields_write = svm_fields_write,
	.fields_pull = svm_fields_pull,
	.fields_push = svm_fields_push,
	.fields_allow = svm_fields_allow,
};
