/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests share that enter one L2 again and again: test_again.c, test_again_ctl.c. */
#ifndef L1_VMX_AGAIN_H
#define L1_VMX_AGAIN_H

#include "vmx/vmx.h"

#define WARM	4	/* entries after which whoever remembers something does */
#define LONG	70	/* entries after which what was seen once may be forgotten */

#define SHORT_AND_LONG(fn) { #fn, 0, fn, (void *)WARM }, { #fn "_late", 0, fn, (void *)LONG }

/* L1's registers that a VM exit loads, or leaves alone */
struct own {
	u64 cr0, cr3, cr4, dr7, es, ss, ds, fs, gs, ldtr, tr;
	u64 fs_base, gs_base, sys_cs, sys_esp, sys_eip, pat, efer, debugctl;
	u64 gdt_limit, gdt_base, idt_limit, idt_base;
};

/* L2: counts an entry and exits; exits by CPUID */
extern const char va_count[], va_cpuid[];

void own_read(struct own *o);
/* The test fails for each of L1's registers that is not as in @want. */
void own_compare(const struct own *want, const char *what);

/*
 * An L2 that counts its entries in R8, with EPT, a VPID and a PAT of its own, as every hypervisor of
 * today has it: one whose entries and exits do nothing but move registers.  Its VMCS is current.
 */
void again_init(struct vl2 *l2);
/* Run @code until the next exit: its reason */
u64 again(struct vl2 *l2, const void *code);
/* @n times @code, which ends with VMCALL */
void warm_up(struct vl2 *l2, const void *code, u32 n);

#endif
