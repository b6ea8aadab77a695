// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register groups out of the VMCS, when somebody asks.  Exits are handled with preemption on,
 * so by then the thread may be on another CPU, or another vCPU's VMCS may be current here.
 */
#include <linux/cpumask.h>
#include <linux/preempt.h>
#include <linux/smp.h>

#include "hw/vmx/eager.h"
#include "hw/vmx/insn.h"
#include "hw/vmx/translate.h"
#include "hw/vmx/vmx.h"

static struct guest_seg fetch_seg(unsigned int n)
{
	u32 ar = vmread(VMCS_GUEST_ES_AR + 2 * n);
	struct guest_seg seg = {
		.sel = vmread(VMCS_GUEST_ES_SEL + 2 * n),
		.attrib = vmx_seg_attrib(ar),
		.limit = vmread(VMCS_GUEST_ES_LIMIT + 2 * n),
		.base = vmread(VMCS_GUEST_ES_BASE + 2 * n),
	};

	if (n == SEG_CS && (ar & SEG_AR_UNUSABLE))
		seg.attrib |= SEG_ATTR_P | SEG_ATTR_MARKED;
	return seg;
}

static void fetch_sys(struct guest_sys *s)
{
	s->fs = fetch_seg(SEG_FS);
	s->gs = fetch_seg(SEG_GS);
	s->ldtr = fetch_seg(SEG_LDTR);
	s->tr = fetch_seg(SEG_TR);
	s->sysenter_cs = vmread(VMCS_GUEST_SYSENTER_CS);
	s->sysenter_esp = vmread(VMCS_GUEST_SYSENTER_ESP);
	s->sysenter_eip = vmread(VMCS_GUEST_SYSENTER_EIP);
	s->avail = true;
}

/* 64-bit mode; of the groups it is derived from the other one may have been fetched, not written. */
static bool fetch_code64(struct guest_run *run)
{
	return (vmx_ctx(run)->entry & ENTRYCTL_IA32E) &&
	       (vmx_seg_attrib(vmread(VMCS_GUEST_ES_AR + 2 * SEG_CS)) & SEG_ATTR_L);
}

void vmx_fetch_here(struct guest_run *run, u32 groups)
{
	int i;

	if (unlikely(run->again))
		vmx_write_again(run);
	if (groups & GRP_SEG)
		for (i = SEG_ES; i <= SEG_DS; i++)
			run->seg[i] = fetch_seg(i);
	if (groups & GRP_DTABLE) {
		run->gdtr.limit = vmread(VMCS_GUEST_GDTR_LIMIT);
		run->gdtr.base = vmread(VMCS_GUEST_GDTR_BASE);
		run->idtr.limit = vmread(VMCS_GUEST_IDTR_LIMIT);
		run->idtr.base = vmread(VMCS_GUEST_IDTR_BASE);
	}
	if (groups & GRP_CR)
		fetch_cr(run);
	if (groups & GRP_DR)
		fetch_dr(run);
	if (groups & GRP_PAT)
		run->pat = vmread(VMCS_GUEST_PAT);
	if (groups & GRP_LBR)
		fetch_debugctl(run);
	if (groups & GRP_ACTIVITY)
		fetch_activity(run);
	if (groups & GRP_PDPTE)
		for (i = 0; i < 4; i++)
			run->pdpte[i] = vmread(VMCS_GUEST_PDPTE0 + 2 * i);
	if (groups & GRP_SYS)
		fetch_sys(run->sys);
	/* Between entry and leave: what the guest has changed is in the CPU. */
	if (groups & GRP_MSRS) {
		rdmsrl(MSR_KERNEL_GS_BASE, run->msrs->kernel_gs_base);
		run->msrs->avail = true;
	}
	if (groups & GRP_CODE64) {
		run->code64 = fetch_code64(run);
		if (!((groups | run->avail) & GRP_CR)) {
			fetch_cr(run);
			groups |= GRP_CR;
		}
	}
	run->avail |= groups & ~GRP_SHARED;
}

struct fetch_call {
	struct guest_run *run;
	u32 groups;
	bool done;
};

static void fetch_call(void *data)
{
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);
	struct fetch_call *c = data;

	if (!vc->on)
		return;
	vmx_make_current(vc, vmx_ctx(c->run));
	vmx_fetch_here(c->run, c->groups);
	c->done = true;
}

/* This CPU is on its way out, but the thread has not left it yet: let another one read. */
static void fetch_elsewhere(struct fetch_call *c)
{
	int cpu;

	for_each_online_cpu(cpu) {
		if (c->done)
			return;
		smp_call_function_single(cpu, fetch_call, c, 1);
	}
	/* The machine goes down: no guest runs again, and what it had stays in its VMCS. */
}

static void fetch_far(struct guest_run *run, u32 groups)
{
	struct fetch_call c = { .run = run, .groups = groups };
	unsigned long flags;

	preempt_disable();
	/* Only the entry itself fetches with interrupts off; the VMCS is current then. */
	if (!irqs_disabled())
		vmx_take(vmx_ctx(run));
	local_irq_save(flags);
	fetch_call(&c);
	local_irq_restore(flags);
	if (unlikely(!c.done))
		fetch_elsewhere(&c);
	preempt_enable();
}

void vmx_fetch(struct guest_run *run, u32 groups)
{
	struct vmx_ctx *ctx = vmx_ctx(run);
	unsigned long flags;
	bool here;

	/* An active VMCS ceases to be that by interrupt only. */
	local_irq_save(flags);
	here = ctx->cpu == smp_processor_id();
	if (likely(here)) {
		vmx_make_current(this_cpu_ptr(&vmx_cpu), ctx);
		vmx_fetch_here(run, groups);
	}
	local_irq_restore(flags);
	if (unlikely(!here))
		fetch_far(run, groups);
}
