// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1's I/O and MSR bitmaps: which exits are its own, what comes of pages that are not there or not at
 * hand, and which MSRs pass without an exit afterwards.
 */
#include "tap.h"

#include "nvmx_vcpu.h"
#include "nvmx/bitmaps.h"

const u32 pass_msr_index[NR_PASS_MSR] = {
	[PASS_FS_BASE] = 0xc0000100, [PASS_GS_BASE] = 0xc0000101, [PASS_SYSENTER_CS] = 0x174,
	[PASS_PAT] = 0x277,
};

#define IO_A	1u
#define IO_B	2u
#define MSRS	3u
#define NOWHERE	0x100000ull

static void set_port(unsigned int port, bool on)
{
	u8 *byte = &l1_mem[port & 0x8000 ? IO_B : IO_A][(port & 0x7fff) / 8];

	*byte = (*byte & ~(1u << (port & 7))) | on << (port & 7);
}

static void with_ports(void)
{
	start_over();
	vmcs12.cpu_ctls = CPU_IO_BITMAPS;
	vmcs12.io_bitmap_a = IO_A << 12;
	vmcs12.io_bitmap_b = IO_B << 12;
}

static void ports(void)
{
	static const u16 list[] = { 0, 7, 8, 0x7fff, 0x8000, 0x8001, 0xffff };
	unsigned int i, j, size;
	bool good = true;

	with_ports();
	for (i = 0; i < ARRAY_SIZE(list); i++) {
		set_port(list[i], true);
		for (size = 1; size <= 4; size *= 2)
			for (j = 0; j < 6 + size; j++) {
				int at = list[i] - 3 - (int)size + (int)j;
				bool hit = at <= list[i] && list[i] < at + (int)size;
				int r;

				if (at < 0 || at + size > 0x10000)
					continue;
				r = nvmx_io_wanted(&cpu, at, size);
				if (r != hit) {
					tap_diag("port %x, access of %u at %x: %d", list[i], size, at, r);
					good = false;
				}
			}
		set_port(list[i], false);
	}
	tap_ok(good, "each port of an access is looked at in its bitmap, and no other");
	tap_ok(nvmx_io_wanted(&cpu, 0xffff, 2) == 1 && nvmx_io_wanted(&cpu, 0xfffd, 4) == 1 &&
	       !nvmx_io_wanted(&cpu, 0xfffc, 4), "an access that wraps around exits");
}

static void no_ports(void)
{
	with_ports();
	vmcs12.io_bitmap_a = NOWHERE;
	tap_ok(nvmx_io_wanted(&cpu, 0x80, 1) == 1 && !nvmx_io_wanted(&cpu, 0x8000, 1),
	       "a bitmap that is not there exits");
	vmcs12.io_bitmap_a = IO_A << 12;
	cpu.atomic = true;
	l1_away = IO_B;
	tap_ok(nvmx_io_wanted(&cpu, 0x8000, 1) == -EAGAIN && !nvmx_io_wanted(&cpu, 0x80, 1),
	       "a bitmap that is not at hand says nothing");
	tap_ok(nvmx_io_wanted(&cpu, 0x7fff, 2) == -EAGAIN, "nor does half of an access");
	vmcs12.cpu_ctls = CPU_UNCOND_IO;
	tap_ok(nvmx_io_wanted(&cpu, 0x8000, 1) == 1, "unconditional I/O exiting looks at none");
	vmcs12.cpu_ctls = 0;
	tap_ok(!nvmx_io_wanted(&cpu, 0x80, 1), "nor does an L1 that asks for no ports");
	vmcs12.cpu_ctls = CPU_IO_BITMAPS | CPU_UNCOND_IO;
	l1_away = L1_PAGES;
	tap_ok(!nvmx_io_wanted(&cpu, 0x80, 1), "the bitmaps come before unconditional I/O exiting");
}

/* @part: 0 read low, 1 read high, 2 write low, 3 write high */
static void set_msr(u32 msr, unsigned int part, bool on)
{
	u8 *byte = &l1_mem[MSRS][part * 1024 + (msr & 0x1fff) / 8];

	*byte = (*byte & ~(1u << (msr & 7))) | on << (msr & 7);
}

static void with_msrs(void)
{
	start_over();
	vmcs12.cpu_ctls = CPU_MSR_BITMAPS;
	vmcs12.msr_bitmap = MSRS << 12;
	cpu.l1.msr_read_pass = ~0u;
	cpu.l1.msr_write_pass = ~0u & ~(1u << PASS_PAT);
}

static void msrs(void)
{
	static const u32 list[] = { 0, 0x10, 0x1fff, 0xc0000000, 0xc0000103, 0xc0001fff };
	bool good = true;
	unsigned int i, part, j, write;

	with_msrs();
	for (i = 0; i < ARRAY_SIZE(list); i++)
		for (part = 0; part < 4; part++) {
			set_msr(list[i], part, true);
			for (j = 0; j < ARRAY_SIZE(list); j++)
				for (write = 0; write < 2; write++) {
					bool hit = i == j && part == write * 2 + (list[i] >> 31);
					int r = nvmx_msr_wanted(&cpu, list[j], write);

					if (r != hit && (list[j] & 0x1fff) != (list[i] & 0x1fff)) {
						tap_diag("bit of %x in part %u, %s of %x: %d", list[i],
							 part, write ? "WRMSR" : "RDMSR", list[j], r);
						good = false;
					} else if (i == j && r != hit) {
						good = false;
					}
				}
			set_msr(list[i], part, false);
		}
	tap_ok(good, "each MSR has its bit, for reading and for writing");
	tap_ok(nvmx_msr_wanted(&cpu, 0x2000, false) == 1 &&
	       nvmx_msr_wanted(&cpu, 0xbfffffff, true) == 1 &&
	       nvmx_msr_wanted(&cpu, 0xc0002000, false) == 1, "what is not covered exits");
	vmcs12.cpu_ctls = 0;
	tap_ok(nvmx_msr_wanted(&cpu, 0x10, false) == 1, "without bitmaps every MSR exits");
	with_msrs();
	vmcs12.msr_bitmap = NOWHERE;
	tap_ok(nvmx_msr_wanted(&cpu, 0x10, false) == 1, "a bitmap that is not there exits");
	with_msrs();
	cpu.atomic = true;
	l1_away = MSRS;
	tap_ok(nvmx_msr_wanted(&cpu, 0xc0000100, false) == -EAGAIN && !nv.l2.msr_read_pass,
	       "one that is not at hand says nothing and lets nothing pass");
}

static void passing(void)
{
	with_msrs();
	tap_ok(!nvmx_msr_wanted(&cpu, 0xc0000100, false) &&
	       nv.l2.msr_read_pass == 1u << PASS_FS_BASE && !nv.l2.msr_write_pass &&
	       (nv.l2.ctl_dirty & CTL_MSR), "what L1 does not want passes from now on");
	nvmx_msr_wanted(&cpu, 0x277, true);
	tap_ok(!nv.l2.msr_write_pass, "but not what L0 does not let L1 do itself");
	nv.l2.ctl_dirty = 0;
	tap_ok(!nvmx_merge_msrs(&cpu) && !nv.l2.ctl_dirty &&
	       nv.l2.msr_read_pass == 1u << PASS_FS_BASE, "an entry finds that it may still");
	set_msr(0xc0000100, 1, true);
	tap_ok(!nvmx_merge_msrs(&cpu) && !nv.l2.msr_read_pass && (nv.l2.ctl_dirty & CTL_MSR),
	       "or that L1 wants it now");
	set_msr(0xc0000100, 1, false);
	tap_ok(!nvmx_merge_msrs(&cpu) && nv.l2.msr_read_pass == 1u << PASS_FS_BASE,
	       "and no longer");
	cpu.atomic = true;
	l1_away = MSRS;
	nv.l2.ctl_dirty = 0;
	tap_ok(nvmx_merge_msrs(&cpu) == -EAGAIN && nv.l2.msr_read_pass == 1u << PASS_FS_BASE &&
	       !nv.l2.ctl_dirty, "a bitmap that is not at hand changes nothing");
	vmcs12.cpu_ctls = 0;
	tap_ok(!nvmx_merge_msrs(&cpu) && !nv.l2.msr_read_pass, "without bitmaps nothing passes");
}

int main(void)
{
	ports();
	no_ports();
	msrs();
	passing();
	return tap_done();
}
