/* SPDX-License-Identifier: GPL-2.0-only */
/* L2 with a virtual-APIC page. */
#ifndef L1_VMX_APIC_CASE_H
#define L1_VMX_APIC_CASE_H

#include "vmx/vmx.h"

#define V_TPR_REG	0x80
#define V_PPR		0xa0
#define V_EOI		0xb0
#define V_ISR		0x100
#define V_IRR		0x200
#define V_ICR		0x300
#define V_ICR2		0x310

struct va { u8 *page; u64 access; };

static inline u32 *reg(struct va *v, u32 off)
{
	return (u32 *)(v->page + off);
}

/* TPR shadow and these secondary controls; RBX is the APIC-access page if there is one. */
void va_case(struct vl2 *l2, struct va *v, const char *code, u64 proc2);

#endif
