// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1 terminal fault: what the host left in the first-level data cache, a guest can read by
 * speculating through its own page tables, so the cache is flushed before each entry, on CPUs
 * that have the fault and where the running kernel mitigates it (Linux: "L1TF - L1 Terminal
 * Fault", SDM vol. 4, IA32_FLUSH_CMD).  Exits are handled with preemption on, so anything may have
 * run since the last entry: there is no entry that could do without.
 */
#include <linux/gfp.h>
#include <linux/jump_label.h>
#include <linux/mm.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/vmx.h>

#include "hw/vmx/l1d.h"

/* Twice the size of the cache: reading it all leaves nothing else there. */
#define FILL_ORDER	4
#define FILL_SIZE	(PAGE_SIZE << FILL_ORDER)

DEFINE_STATIC_KEY_FALSE(vmx_l1d_key);

static void *fill;	/* without IA32_FLUSH_CMD */
static enum vmx_l1d_flush_state told_before;

static bool flush_needed(void)
{
	u64 caps = 0;

	if (!boot_cpu_has_bug(X86_BUG_L1TF) || l1tf_mitigation == L1TF_MITIGATION_OFF)
		return false;
	/* A hypervisor below us may do it, and says so. */
	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrl_safe(MSR_IA32_ARCH_CAPABILITIES, &caps);
	return !(caps & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH);
}

int vmx_l1d_setup(void)
{
	struct page *page;
	int i;

	told_before = l1tf_vmx_mitigation;
	if (!flush_needed())
		return 0;
	if (!boot_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		page = alloc_pages(GFP_KERNEL, FILL_ORDER);
		if (!page)
			return -ENOMEM;
		fill = page_address(page);
		/* Pages of equal contents may be one page below a hypervisor. */
		for (i = 0; i < 1 << FILL_ORDER; i++)
			memset(fill + i * PAGE_SIZE, i + 1, PAGE_SIZE);
	}
	/* What /sys/devices/system/cpu/vulnerabilities/l1tf says of guests. */
	l1tf_vmx_mitigation = VMENTER_L1D_FLUSH_ALWAYS;
	static_branch_enable(&vmx_l1d_key);
	return 0;
}

void vmx_l1d_teardown(void)
{
	if (!static_key_enabled(&vmx_l1d_key))
		return;
	static_branch_disable(&vmx_l1d_key);
	l1tf_vmx_mitigation = told_before;
	if (fill)
		free_pages((unsigned long)fill, FILL_ORDER);
	fill = NULL;
}

/* Every page once for the TLB, then every line. */
static void read_all(void)
{
	const u8 *p = fill;
	unsigned long i;

	for (i = 0; i < FILL_SIZE; i += PAGE_SIZE)
		READ_ONCE(p[i]);
	asm volatile("lfence" : : : "memory");
	for (i = 0; i < FILL_SIZE; i += 64)
		READ_ONCE(p[i]);
	asm volatile("lfence" : : : "memory");
}

void vmx_l1d_flush_now(void)
{
	if (fill)
		read_all();
	else
		wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
}
