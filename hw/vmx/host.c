// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's own state across a VM entry and exit.
 *
 * The CPU loads the host-state area at every exit (SDM vol. 3, "Loading Host State"), so it is
 * written when it changes only: once a VMCS, once a CPU, or with the task.  What the CPU does
 * not keep for us is dealt with as late as it can be:
 *
 * - each entry: CR2, KernelGSbase (the user's GS base while in the kernel);
 * - each load: selectors that a VM exit replaces by null ones, if the task has any;
 * - on the way to user mode: STAR, LSTAR, CSTAR and SFMASK, which the kernel does not
 *   use itself, and the limits of GDT and TSS, which a VM exit sets to their maximum.
 */
#include <linux/sched.h>
#include <asm/cpu_entry_area.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/fsgsbase.h>
#include <asm/mmu_context.h>
#include <asm/msr.h>
#include <asm/segment.h>
#include <asm/tlbflush.h>

#include "hw/vmx/insn.h"
#include "hw/vmx/vmx.h"

static const u32 late_index[NR_LATE_MSR] = {
	[LATE_STAR] = MSR_STAR,
	[LATE_LSTAR] = MSR_LSTAR,
	[LATE_CSTAR] = MSR_CSTAR,
	[LATE_SFMASK] = MSR_SYSCALL_MASK,
};

static u64 read_msr(u32 index)
{
	u64 val;

	rdmsrl(index, val);
	return val;
}

/* The same on every CPU and for every task. */
void vmx_fill_constants(struct vmx_ctx *ctx)
{
	struct desc_ptr idt;

	store_idt(&idt);
	vmwrite(VMCS_HOST_CR0, read_cr0());
	vmwrite(VMCS_HOST_CS_SEL, __KERNEL_CS);
	vmwrite(VMCS_HOST_SS_SEL, __KERNEL_DS);
	vmwrite(VMCS_HOST_DS_SEL, 0);
	vmwrite(VMCS_HOST_ES_SEL, 0);
	vmwrite(VMCS_HOST_FS_SEL, 0);
	vmwrite(VMCS_HOST_GS_SEL, 0);
	vmwrite(VMCS_HOST_TR_SEL, GDT_ENTRY_TSS * 8);
	vmwrite(VMCS_HOST_IDTR_BASE, idt.address);
	vmwrite(VMCS_HOST_EFER, read_msr(MSR_EFER));
	vmwrite(VMCS_HOST_PAT, read_msr(MSR_IA32_CR_PAT));
	vmwrite(VMCS_HOST_SYSENTER_CS, read_msr(MSR_IA32_SYSENTER_CS));
	vmwrite(VMCS_HOST_SYSENTER_EIP, read_msr(MSR_IA32_SYSENTER_EIP));
	vmwrite(VMCS_HOST_RIP, (unsigned long)vmx_exit_point);

	vmwrite(VMCS_LINK_POINTER, ~0ull);
	vmwrite(VMCS_MSR_BITMAP, __pa(ctx->msr_bitmap));
	vmwrite(VMCS_CR3_TARGET_COUNT, 0);
	vmwrite(VMCS_EXIT_MSR_STORE_COUNT, 0);
	vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, 0);
	vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	vmwrite(VMCS_ENTRY_INTR_INFO, 0);
	/* No VM function is left to the CPU: with the control on each of them exits. */
	if (hw_caps.icpt_vmfunc)
		vmwrite(VMCS_VM_FUNCTION_CTL, 0);
	vmwrite(VMCS_GUEST_ACTIVITY, 0);
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
	vmwrite(VMCS_GUEST_PENDING_DBG, 0);
	if (ctx->log) {
		vmwrite(VMCS_PML_ADDRESS, __pa(ctx->log));
		vmwrite(VMCS_PML_INDEX, PML_LAST);
	}
}

/* The same for every task on this CPU. */
static void fill_for_cpu(void)
{
	int cpu = smp_processor_id();
	struct desc_ptr gdt;

	native_store_gdt(&gdt);
	vmwrite(VMCS_HOST_GDTR_BASE, gdt.address);
	vmwrite(VMCS_HOST_TR_BASE, (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss);
	vmwrite(VMCS_HOST_GS_BASE, read_msr(MSR_GS_BASE));
	vmwrite(VMCS_HOST_SYSENTER_ESP, read_msr(MSR_IA32_SYSENTER_ESP));
}

static u64 user_fs_base(void)
{
	if (static_cpu_has(X86_FEATURE_FSGSBASE))
		return rdfsbase();
	return read_msr(MSR_FS_BASE);
}

/* In load: the task's own, which cannot change before the entry. */
void vmx_host_load(struct vmx_cpu *vc)
{
	struct vmx_host_sel *s = &vc->sel;

	savesegment(fs, s->fs);
	savesegment(gs, s->gs);
	savesegment(ds, s->ds);
	savesegment(es, s->es);
	store_ldt(s->ldt);
	vc->fs_base = user_fs_base();
	vc->debugctl = get_debugctlmsr();
	/* With preemption off nobody gives this CPU other tables, or a PCID. */
	vc->cr3 = __get_current_cr3_fast();
}

/*
 * Give @guest to KernelGSbase; returns what was there.  Interrupts off: in between GS is
 * not the kernel's, which NMI entry expects.
 */
static __always_inline u64 swap_gs_base(u64 guest)
{
	u64 old;

	if (static_cpu_has(X86_FEATURE_FSGSBASE)) {
		asm volatile("swapgs\n\t"
			     "rdgsbase %0\n\t"
			     "wrgsbase %1\n\t"
			     "swapgs"
			     : "=&r" (old) : "r" (guest) : "memory");
		return old;
	}
	rdmsrl(MSR_KERNEL_GS_BASE, old);
	wrmsrl(MSR_KERNEL_GS_BASE, guest);
	return old;
}

/* What is the task's, or what it set up. */
void vmx_host_fill(struct vmx_ctx *ctx, struct vmx_cpu *vc)
{
	int cpu = smp_processor_id();

	if (ctx->host_cpu != cpu) {
		fill_for_cpu();
		ctx->host_cpu = cpu;
	}
	vmwrite(VMCS_HOST_CR3, vc->area.cr3);
	vmwrite(VMCS_HOST_CR4, vc->area.cr4);
	vmwrite(VMCS_HOST_FS_BASE, vc->area.fs_base);
	ctx->here = vc->here;
}

/* With interrupts off and the VMCS current, right before the entry. */
void vmx_host_enter(struct vmx_ctx *ctx, struct vmx_cpu *vc)
{
	struct guest_run *run = ctx->run;
	u64 cr4 = cr4_read_shadow();

	if (unlikely(vc->area.cr3 != vc->cr3 || vc->area.cr4 != cr4 || vc->area.fs_base != vc->fs_base)) {
		vc->area.cr3 = vc->cr3;
		vc->area.cr4 = cr4;
		vc->area.fs_base = vc->fs_base;
		vmx_cpu_news(vc);
	}
	vmx_host_area(ctx, vc);
	vmx_load_cr2(run);
	vc->gs_base = swap_gs_base(run->msrs->kernel_gs_base);
	run->msrs->avail = false;
}

static noinline void restore_selectors(struct vmx_cpu *vc)
{
	const struct vmx_host_sel *s = &vc->sel;

	if (s->ldt)
		asm volatile("lldt %0" : : "m" (s->ldt));
	if (s->ds)
		loadsegment(ds, s->ds);
	if (s->es)
		loadsegment(es, s->es);
	if (s->fs) {
		loadsegment(fs, s->fs);
		/* A base that is not the descriptor's. */
		if (static_cpu_has(X86_FEATURE_FSGSBASE))
			wrfsbase(vc->fs_base);
		else
			wrmsrl(MSR_FS_BASE, vc->fs_base);
	}
	if (s->gs)
		load_gs_index(s->gs);
}

/* With interrupts off, after the exit. */
void vmx_host_leave(struct guest_run *run, struct vmx_cpu *vc)
{
	const struct vmx_host_sel *s = &vc->sel;
	struct guest_msrs *m = run->msrs;
	u64 guest;

	/* load_gs_index() writes the user's base, too: last of all it becomes what it was. */
	guest = swap_gs_base(vc->gs_base);
	/* It may have been written since the exit. */
	if (likely(!m->avail))
		m->kernel_gs_base = guest;
	m->avail = true;
	if (unlikely(s->ldt | s->ds | s->es | s->fs | s->gs)) {
		restore_selectors(vc);
		if (s->gs)
			swap_gs_base(vc->gs_base);
	}
	/* A VM exit clears DEBUGCTL and disables all breakpoints. */
	if (unlikely(vc->debugctl))
		update_debugctlmsr(vc->debugctl);
	if (unlikely(hw_breakpoint_active()))
		hw_breakpoint_restore();
}

/* What user mode must find as it left it; interrupts off. */
void vmx_late_drop(struct vmx_cpu *vc)
{
	int i;

	lockdep_assert_irqs_disabled();
	if (!vc->urn_on)
		return;
	vc->urn_on = false;
	vc->late = NULL;
#ifdef CONFIG_USER_RETURN_NOTIFIER
	user_return_notifier_unregister(&vc->urn);
#endif
	for (i = 0; i < NR_LATE_MSR; i++) {
		if (vc->cur_late[i] == vc->host_late[i])
			continue;
		wrmsrl(late_index[i], vc->host_late[i]);
		vc->cur_late[i] = vc->host_late[i];
	}
	load_fixmap_gdt(smp_processor_id());
	invalidate_tss_limit();
}

static void on_user_return(struct user_return_notifier *urn)
{
	unsigned long flags;

	/* CPUs are turned off by interrupt. */
	local_irq_save(flags);
	vmx_late_drop(container_of(urn, struct vmx_cpu, urn));
	local_irq_restore(flags);
}

void vmx_late_init(struct vmx_cpu *vc)
{
	int i;

	vc->urn_on = false;
	vc->late = NULL;
	vc->urn.on_user_return = on_user_return;
	for (i = 0; i < NR_LATE_MSR; i++) {
		vc->host_late[i] = read_msr(late_index[i]);
		vc->cur_late[i] = vc->host_late[i];
	}
}

static void late_set(struct vmx_cpu *vc, enum vmx_late_msr i, u64 val)
{
	if (likely(vc->cur_late[i] == val))
		return;
	wrmsrl(late_index[i], val);
	vc->cur_late[i] = val;
}

/* With interrupts off, before the entry. */
void vmx_late_load_slow(struct vmx_cpu *vc, struct guest_msrs *m)
{
	if (!vc->urn_on) {
#ifdef CONFIG_USER_RETURN_NOTIFIER
		user_return_notifier_register(&vc->urn);
#endif
		vc->urn_on = true;
	}
	late_set(vc, LATE_STAR, m->star);
	late_set(vc, LATE_LSTAR, m->lstar);
	late_set(vc, LATE_CSTAR, m->cstar);
	late_set(vc, LATE_SFMASK, m->sfmask);
	m->dirty = false;
	vc->late = m;
}
