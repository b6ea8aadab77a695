/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside core/fpu.c: the instructions. */
#ifndef NESTOR_CORE_FPU_INSN_H
#define NESTOR_CORE_FPU_INSN_H

#include "core/fpu.h"

static inline u64 read_xcr0(void)
{
	u32 lo, hi;

	asm volatile("xgetbv" : "=a" (lo), "=d" (hi) : "c" (0));
	return lo | (u64)hi << 32;
}

static inline void write_xcr0(u64 val)
{
	asm volatile("xsetbv" : : "a" ((u32)val), "d" ((u32)(val >> 32)), "c" (0) : "memory");
}

static inline void xsave_area(void *area, u64 mask)
{
	asm volatile("xsave64 %0"
		     : "+m" (*(u8 (*)[FPU_AREA_SIZE])area)
		     : "a" ((u32)mask), "d" ((u32)(mask >> 32)) : "memory");
}

static inline void xrstor_area(const void *area, u64 mask)
{
	asm volatile("xrstor64 %0"
		     : : "m" (*(const u8 (*)[FPU_AREA_SIZE])area),
		     "a" ((u32)mask), "d" ((u32)(mask >> 32)) : "memory");
}

static inline void fxsave_area(void *area)
{
	asm volatile("fxsave64 %0" : "+m" (*(u8 (*)[512])area) : : "memory");
}

static inline void fxrstor_area(const void *area)
{
	asm volatile("fxrstor64 %0" : : "m" (*(const u8 (*)[512])area) : "memory");
}

static inline void fninit(void)
{
	asm volatile("fninit");
}

#endif
