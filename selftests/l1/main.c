// SPDX-License-Identifier: GPL-2.0-only
/* Start of the C part: bring the machine up, run the tests, leave. */
#include "l1.h"

void start_c(u32 id);

void start_c(u32 id)
{
	int bad;

	if (id) {
		ap_main(id);
		return;
	}
	console_init();
	mem_init();
	host_init();
	idt_init();
	cpu_init(0);
	apic_init();
	say("\nTAP version 13\n");
	if (!(cpu_features & 0xffffffff) && !nr_asids) {
		say("1..0 # SKIP this CPU has no AMD-V (CPUID 80000001 ECX bit 2)\n");
		power_off(0);
	}
	if (rdmsr(MSR_VM_CR) & BIT(4)) {
		say("1..0 # SKIP AMD-V is disabled by the firmware (VM_CR.SVMDIS)\n");
		power_off(0);
	}
	smp_init();
	if (nr_cpus >= 2)
		cpu_features |= F_SMP2;
	if (nr_cpus >= 4)
		cpu_features |= F_SMP4;
	say("# home %s, %u CPUs, %u ASIDs, SVM features %llx, %u physical address bits\n",
	    home_name, nr_cpus, nr_asids, cpu_features & 0xffffffff, maxphys);
	bad = run_tests();
	power_off(bad);
}
