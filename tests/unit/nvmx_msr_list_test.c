// SPDX-License-Identifier: GPL-2.0-only
/* Which entries of an MSR list get as far as RDMSR or WRMSR. */
#include "tap.h"

#include "nvmx/msr_list.h"

static bool load(u32 index, u32 reserved)
{
	struct nvmx_msr_entry e = { index, reserved, 0 };

	return nvmx_msr_may_load(&e);
}

static bool store(u32 index, u32 reserved)
{
	struct nvmx_msr_entry e = { index, reserved, 0 };

	return nvmx_msr_may_store(&e);
}

int main(void)
{
	struct nvmx_caps caps = {};
	unsigned int i, wrong = 0;

	for (i = 0; i < 32; i++)
		wrong += load(0x277, 1u << i) + store(0x277, 1u << i);
	tap_ok(!wrong, "a reserved bit fails");
	for (i = 0x800; i <= 0x8ff; i++)
		wrong += load(i, 0) + store(i, 0);
	tap_ok(!wrong, "x2APIC MSRs fail");
	tap_ok(load(0x7ff, 0) && store(0x7ff, 0) && load(0x900, 0) && store(0x900, 0) &&
	       load(0xc0000800, 0) && store(0xc0000800, 0), "their neighbours do not");
	tap_ok(!load(0xc0000100, 0) && !load(0xc0000101, 0), "FS_BASE and GS_BASE are not loaded");
	tap_ok(store(0xc0000100, 0) && store(0xc0000101, 0), "but stored");
	tap_ok(load(0xc0000102, 0) && store(0xc0000102, 0), "KERNEL_GS_BASE is both");
	tap_ok(!load(0x9b, 0) && store(0x9b, 0), "SMM_MONITOR_CTL is written in SMM only");
	tap_ok(!store(0x9e, 0) && load(0x9e, 0), "SMBASE is read in SMM only");
	tap_ok(!load(0x79, 0), "no microcode from a list");
	for (i = 0; i < 8; i++) {
		caps.misc = (u64)i << 25 | 1u << 28 | 1u << 24;
		tap_ok(nvmx_msr_list_max(&caps) == 512 * (i + 1), "MISC %u: %u entries", i,
		       nvmx_msr_list_max(&caps));
	}
	return tap_done();
}
