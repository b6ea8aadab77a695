// SPDX-License-Identifier: GPL-2.0-only
/*
 * Turning VMX operation on and off for each CPU, and the memory that this needs
 * (SDM vol. 3, "Enabling and Entering VMX Operation").  A CPU is left as it was found, but
 * for IA32_FEATURE_CONTROL: what firmware left unlocked is locked, which only a
 * reset undoes.
 */
#include <linux/cpu.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <asm/perf_event.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/tlbflush.h>

#include "hw/vmx/insn.h"
#include "hw/vmx/l1d.h"
#include "hw/vmx/vmx.h"

DEFINE_PER_CPU(struct vmx_cpu, vmx_cpu);

void vmx_teardown(void)
{
	int cpu;

	vmx_l1d_teardown();
	for_each_possible_cpu(cpu) {
		struct vmx_cpu *vc = per_cpu_ptr(&vmx_cpu, cpu);

		free_page((unsigned long)vc->vmxon);
		vc->vmxon = NULL;
	}
}

int vmx_setup(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct vmx_cpu *vc = per_cpu_ptr(&vmx_cpu, cpu);

		INIT_LIST_HEAD(&vc->active);
		vc->vmxon = (void *)get_zeroed_page(GFP_KERNEL);
		if (!vc->vmxon) {
			vmx_teardown();
			return -ENOMEM;
		}
		*(u32 *)vc->vmxon = vmx_caps.revision;
	}
	if (vmx_l1d_setup()) {
		vmx_teardown();
		return -ENOMEM;
	}
	return 0;
}

/* 0, or -EACCES when this CPU's register is locked without VMXON. */
static int set_feature_control(void)
{
	u64 ctl;

	/* Where there is no such register VMXON is not held back either. */
	if (rdmsrl_safe(MSR_IA32_FEAT_CTL, &ctl))
		return 0;
	if (!(ctl & FEAT_CTL_LOCKED)) {
		ctl |= FEAT_CTL_LOCKED | FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX;
		return wrmsrl_safe(MSR_IA32_FEAT_CTL, ctl) ? -EACCES : 0;
	}
	return ctl & FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX ? 0 : -EACCES;
}

int vmx_cpu_on(void)
{
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);
	int r;

	lockdep_assert_irqs_disabled();
	if (vc->on)
		return 0;
	if (__read_cr4() & X86_CR4_VMXE)
		return -EBUSY;
	r = set_feature_control();
	if (r)
		return r;
	/* Processor Trace does not run in VMX operation on CPUs that do not say so. */
	intel_pt_handle_vmx(1);
	cr4_set_bits_irqsoff(X86_CR4_VMXE);
	if (!vmxon(virt_to_phys(vc->vmxon))) {
		cr4_clear_bits_irqsoff(X86_CR4_VMXE);
		intel_pt_handle_vmx(0);
		return -EBUSY;
	}
	/* Translations cached before (suspend, another hypervisor) are worth nothing. */
	if (vmx_caps.ept_vpid & EPT_CAP_INVEPT_ALL)
		invept(INVEPT_ALL, 0);
	vc->vpid_gen++;
	vc->here = (vc->here & ~(VMX_HERE_STEP - 1)) + VMX_HERE_STEP + smp_processor_id();
	vc->next_vpid = hw_caps.nr_tags;
	vc->last = NULL;
	vc->current_ctx = NULL;
	vmx_late_init(vc);
	vc->on = true;
	return 0;
}

void vmx_cpu_off(void)
{
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);

	lockdep_assert_irqs_disabled();
	if (!vc->on)
		return;
	/* What a VMCS holds only the CPU knows until it is cleared. */
	vmx_clear_all(vc);
	vc->on = false;
	vmx_late_drop(vc);
	vmxoff();
	cr4_clear_bits_irqsoff(X86_CR4_VMXE);
	intel_pt_handle_vmx(0);
}
