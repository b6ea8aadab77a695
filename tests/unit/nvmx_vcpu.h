/* SPDX-License-Identifier: GPL-2.0-only */
/* One virtual processor with an L2, and some pages of L1's memory, for tests of nvmx/. */
#ifndef NESTOR_TESTS_NVMX_VCPU_H
#define NESTOR_TESTS_NVMX_VCPU_H

#include <stdlib.h>

#include "mmu/mmu.h"
#include "nvmx/nvmx.h"

#define L1_PAGES	8u

static u8 l1_mem[L1_PAGES][4096];
/* A page that is not at hand now; L1_PAGES for none */
static unsigned int l1_away = L1_PAGES;

static struct vmcs12 vmcs12;
static struct nvmx nv = { .vmcs12 = &vmcs12 };
static struct nestor_vcpu cpu = { .nested = &nv.head, .run = &nv.l2 };

void hw_fetch(struct guest_run *run, u32 groups)
{
	run->avail |= groups;
}

int gmem_read(struct nestor_vcpu *vcpu, struct l1_gpa gpa, void *data, size_t len)
{
	u64 page = gpa.a >> 12;

	if (page >= L1_PAGES)
		return -EFAULT;
	if (page == l1_away)
		return vcpu->atomic ? -EAGAIN : -EFAULT;
	memcpy(data, l1_mem[page] + (gpa.a & 0xfff), len);
	return 0;
}

__attribute__((__unused__))
static void start_over(void)
{
	memset(l1_mem, 0, sizeof(l1_mem));
	l1_away = L1_PAGES;
	memset(&vmcs12, 0, sizeof(vmcs12));
	memset(&nv, 0, sizeof(nv));
	nv.vmcs12 = &vmcs12;
	memset(&cpu, 0, sizeof(cpu));
	cpu.nested = &nv.head;
	cpu.run = &nv.l2;
	nv.l2.vcpu = &cpu;
	cpu.l1.gpr = cpu.gpr;
	nv.l2.gpr = cpu.gpr;
}

#endif
