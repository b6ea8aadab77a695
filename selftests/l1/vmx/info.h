/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VM-exit instruction-information field (SDM volume 3, "Information for VM
 * Exits Due to Instruction Execution").
 */
#ifndef L1_VMX_INFO_H
#define L1_VMX_INFO_H

#include "vmx/vmx.h"

enum { G_RAX, G_RCX, G_RDX, G_RBX, G_RSP, G_RBP, G_RSI, G_RDI, G_R8, G_R9, G_R10, G_R11, G_R12,
       G_R13, G_R14, G_R15, G_NONE = 16 };
enum { A16, A32, A64 };

/* A memory operand: scale is the exponent; reg2 is G_NONE where there is none. */
#define INFO_MEM(scale, asize, seg, index, base, reg2)			\
	(((index) == G_NONE ? BIT(22) : (scale) | (u64)(index) << 18) |	\
	 (asize) << 7 | (seg) << 15 |					\
	 ((base) == G_NONE ? BIT(27) : (u64)(base) << 23) |		\
	 ((reg2) == G_NONE ? 0 : (u64)(reg2) << 28))
#define INFO_REG(reg1, reg2)						\
	(BIT(10) | (reg1) << 3 | ((reg2) == G_NONE ? 0 : (u64)(reg2) << 28))

/* The bits that are defined, given which of them are set. */
static inline u32 info_mask(u32 info, bool reg2)
{
	u32 mask = BIT(10);

	if (reg2)
		mask |= 0xfu << 28;
	if (info & BIT(10))
		return mask | 0xf << 3;
	mask |= 7 << 7 | 7 << 15 | BIT(22) | BIT(27);
	if (!(info & BIT(22)))
		mask |= 3 | 0xf << 18;
	if (!(info & BIT(27)))
		mask |= 0xf << 23;
	return mask;
}

#endif
