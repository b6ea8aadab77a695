/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMX instructions (SDM vol. 3, "VMX Instruction Reference").  CF and ZF tell of
 * failure.  A VMREAD or VMWRITE that fails is a bug of this backend: the field does not
 * exist on this CPU, or no VMCS is current.
 */
#ifndef NESTOR_HW_VMX_INSN_H
#define NESTOR_HW_VMX_INSN_H

#include <linux/bug.h>
#include <asm/asm.h>

#include "hw/vmx/vmcs.h"

static __always_inline u64 vmread(unsigned long field)
{
	unsigned long val = 0;
	bool bad;

	asm volatile("vmread %[field], %[val]"
		     : "=@ccna" (bad), [val] "+r" (val) : [field] "r" (field));
	WARN_ONCE(bad, "VMREAD of 0x%lx\n", field);
	return val;
}

/* Of a field that was written before. */
static __always_inline u64 vmread_known(unsigned long field)
{
	u64 val;

	asm volatile("vmread %[field], %[val]" : [val] "=r" (val) : [field] "r" (field) : "cc");
	return val;
}

static __always_inline void vmwrite(unsigned long field, u64 val)
{
	bool bad;

	asm volatile("vmwrite %[val], %[field]"
		     : "=@ccna" (bad) : [val] "rm" ((unsigned long)val), [field] "r" (field));
	WARN_ONCE(bad, "VMWRITE of 0x%lx\n", field);
}

/* Of a field that exists, from memory. */
static __always_inline void vmwrite_known(unsigned long field, const u64 *val)
{
	asm volatile("vmwrite %[val], %[field]" : : [val] "m" (*val), [field] "r" (field) : "cc");
}

/* The operand is in memory: a copy of it would be on the stack, which costs the caller a canary. */
static inline void vmclear(const u64 *pa)
{
	bool bad;

	asm volatile("vmclear %[pa]" : "=@ccna" (bad) : [pa] "m" (*pa) : "memory");
	WARN_ONCE(bad, "VMCLEAR of 0x%llx\n", *pa);
}

static inline void vmptrld(const u64 *pa)
{
	bool bad;

	asm volatile("vmptrld %[pa]" : "=@ccna" (bad) : [pa] "m" (*pa) : "memory");
	WARN_ONCE(bad, "VMPTRLD of 0x%llx\n", *pa);
}

/* A fault (another hypervisor, a locked feature) counts as failure. */
static inline bool vmxon(u64 pa)
{
	bool bad = true;

	asm volatile("1: vmxon %[pa]\n\t"
		     "setna %[bad]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : [bad] "+qm" (bad) : [pa] "m" (pa) : "cc", "memory");
	return !bad;
}

static inline void vmxoff(void)
{
	asm volatile("1: vmxoff\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : : : "cc", "memory");
}

static inline void invept(unsigned long type, u64 eptp)
{
	struct { u64 eptp, zero; } d = { .eptp = eptp };
	bool bad;

	asm volatile("invept %[d], %[type]"
		     : "=@ccna" (bad) : [d] "m" (d), [type] "r" (type) : "memory");
	WARN_ONCE(bad, "INVEPT of 0x%llx, type %lu\n", eptp, type);
}

static inline void invvpid(unsigned long type, u16 vpid)
{
	struct { u64 vpid, addr; } d = { .vpid = vpid };
	bool bad;

	asm volatile("invvpid %[d], %[type]"
		     : "=@ccna" (bad) : [d] "m" (d), [type] "r" (type) : "memory");
	WARN_ONCE(bad, "INVVPID of 0x%x, type %lu\n", vpid, type);
}

#endif
