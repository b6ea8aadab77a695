// SPDX-License-Identifier: GPL-2.0-only
/* Start of the C part: bring the machine up, run the tests, leave. */
#include "bench.h"
#include "oracle/oracle.h"

void start_c(u32 id);

const struct vendor *vendor;

const char *find_vendor(void)
{
	u32 r[4];

	cpuid(1, 0, r);
	if (r[2] & BIT(5)) {
		vendor = &vmx_vendor;
		return vmx_find();
	}
	cpuid(0x80000001, 0, r);
	if (r[2] & BIT(2)) {
		vendor = &svm_vendor;
		return svm_find();
	}
	return "this CPU has neither VT-x (CPUID 1 ECX bit 5) nor AMD-V (CPUID 80000001 ECX bit 2)";
}

void start_c(u32 id)
{
	const char *why;
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
	why = find_vendor();
	if (why) {
		say("1..0 # SKIP %s\n", why);
		power_off(0);
	}
	smp_init();
	if (nr_cpus >= 2)
		cpu_features |= F_SMP2;
	if (nr_cpus >= 4)
		cpu_features |= F_SMP4;
	vendor->banner();
	if (run_benches() || run_oracle())
		power_off(0);
	bad = run_tests();
	power_off(bad);
}
