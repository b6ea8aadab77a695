// SPDX-License-Identifier: GPL-2.0-only
/*
 * Turning SVM on and off for each CPU, and the memory that this needs.  A CPU
 * is left as it was found: EFER.SVME clear, VM_HSAVE_PA as before, GIF set.
 */
#include <linux/cpu.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <asm/msr.h>
#include <asm/processor.h>

#include "hw/svm/svm.h"

#define MSR_VM_HSAVE		0xc0010117

DEFINE_PER_CPU(struct svm_cpu, svm_cpu);

static u8 *svm_iopm;

/* I/O permission map with every bit set: all ports exit. */
u64 svm_iopm_pa(void)
{
	return virt_to_phys(svm_iopm);
}

static void svm_cpu_free(struct svm_cpu *sc)
{
	free_page((unsigned long)sc->hsave);
	free_page((unsigned long)sc->host);
	sc->hsave = NULL;
	sc->host = NULL;
}

static int svm_cpu_alloc(struct svm_cpu *sc)
{
	sc->hsave = (void *)get_zeroed_page(GFP_KERNEL);
	sc->host = (void *)get_zeroed_page(GFP_KERNEL);
	if (!sc->hsave || !sc->host) {
		svm_cpu_free(sc);
		return -ENOMEM;
	}
	sc->host_pa = virt_to_phys(sc->host);
	return 0;
}

void svm_teardown(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		svm_cpu_free(per_cpu_ptr(&svm_cpu, cpu));
	free_pages_exact(svm_iopm, IOPM_SIZE);
	svm_iopm = NULL;
}

bool svm_injects_twice __ro_after_init;

int svm_setup(void)
{
	int cpu, r;

	svm_injects_twice = hypervisor_cpuid_base("TCGTCGTCGTCG", 0);

	svm_iopm = alloc_pages_exact(IOPM_SIZE, GFP_KERNEL);
	if (!svm_iopm)
		return -ENOMEM;
	memset(svm_iopm, 0xff, IOPM_SIZE);
	for_each_possible_cpu(cpu) {
		per_cpu(svm_cpu, cpu).cpu = cpu;
		r = svm_cpu_alloc(per_cpu_ptr(&svm_cpu, cpu));
		if (r) {
			svm_teardown();
			return r;
		}
	}
	return 0;
}

int svm_cpu_on(void)
{
	struct svm_cpu *sc = this_cpu_ptr(&svm_cpu);
	u64 efer;

	lockdep_assert_irqs_disabled();
	if (sc->on)
		return 0;
	rdmsrl(MSR_EFER, efer);
	if (efer & EFER_SVME)
		return -EBUSY;
	if (svm_disabled())
		return -EACCES;
	wrmsrl(MSR_EFER, efer | EFER_SVME);
	wrmsrl(MSR_VM_HSAVE, virt_to_phys(sc->hsave));
	/* ASIDs given before (suspend, hotplug) are worth nothing now. */
	sc->asid_gen++;
	sc->next_asid = hw_caps.nr_tags;
	sc->last = NULL;
	sc->on = true;
	return 0;
}

void svm_cpu_off(void)
{
	struct svm_cpu *sc = this_cpu_ptr(&svm_cpu);
	u64 efer;

	lockdep_assert_irqs_disabled();
	if (!sc->on)
		return;
	sc->on = false;
	/* GIF must be set before SVME goes, or no interrupt ever comes again. */
	asm volatile("stgi" : : : "memory");
	wrmsrl(MSR_VM_HSAVE, 0);
	rdmsrl(MSR_EFER, efer);
	wrmsrl(MSR_EFER, efer & ~EFER_SVME);
}
