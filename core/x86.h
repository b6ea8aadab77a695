/* SPDX-License-Identifier: GPL-2.0-only */
/* Register bits of the architecture that both frontends look at; pure. */
#ifndef NESTOR_CORE_X86_H
#define NESTOR_CORE_X86_H

#include "core/pure.h"

#define X_EFER_SCE		BIT_ULL(0)
#define X_EFER_LME		BIT_ULL(8)
#define X_EFER_LMA		BIT_ULL(10)
#define X_EFER_NXE		BIT_ULL(11)
#define X_EFER_SVME		BIT_ULL(12)
#define X_CR0_PE		BIT_ULL(0)
#define X_CR0_MP		BIT_ULL(1)
#define X_CR0_EM		BIT_ULL(2)
#define X_CR0_TS		BIT_ULL(3)
#define X_CR0_ET		BIT_ULL(4)
#define X_CR0_NE		BIT_ULL(5)
#define X_CR0_WP		BIT_ULL(16)
#define X_CR0_NW		BIT_ULL(29)
#define X_CR0_CD		BIT_ULL(30)
#define X_CR0_PG		BIT_ULL(31)
#define X_CR4_PSE		BIT_ULL(4)
#define X_CR4_PAE		BIT_ULL(5)
#define X_CR4_PGE		BIT_ULL(7)
#define X_CR4_LA57		BIT_ULL(12)
#define X_CR4_VMXE		BIT_ULL(13)
#define X_CR4_PCIDE		BIT_ULL(17)
#define X_RFLAGS_FIXED		BIT_ULL(1)
#define X_RFLAGS_TF		BIT_ULL(8)
#define X_RFLAGS_IF		BIT_ULL(9)
#define X_RFLAGS_RF		BIT_ULL(16)
#define X_RFLAGS_VM		BIT_ULL(17)
#define X_RFLAGS_VALID		0x3f7fd5ull
#define X_DR7_RESET		0x400ull
#define X_DR6_FIXED		0xffff0ff0ull
#define X_DEBUGCTL_LBR		BIT_ULL(0)
#define X_DEBUGCTL_BTF		BIT_ULL(1)

/** x_canonical() - do the bits above @va_bits, the linear-address width, equal the highest bit within? */
static inline bool x_canonical(u64 addr, unsigned int va_bits)
{
	unsigned int shift = 64 - va_bits;

	return (u64)((s64)(addr << shift) >> shift) == addr;
}

#endif
