/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VM-exit instruction information of the VMX instructions (SDM vol. 3,
 * "Information for VM Exits Due to Instruction Execution"), to and from what
 * the decoder says.  Pure.
 */
#ifndef NESTOR_NVMX_INSN_INFO_H
#define NESTOR_NVMX_INSN_INFO_H

#include "core/emul/insn.h"

#define INFO_REGISTER	BIT(10)		/* VMREAD, VMWRITE: register operand */

/* Register operand of VMREAD and VMWRITE, with INFO_REGISTER. */
static inline unsigned int info_reg1(u32 info)
{
	return info >> 3 & 0xf;
}

/* The other register: field encoding of VMREAD and VMWRITE, type of INVEPT and INVVPID. */
static inline unsigned int info_reg2(u32 info)
{
	return info >> 28;
}

/* Fields of the memory operand, the same for all these instructions. */
#define INFO_SCALE		0x3u
#define INFO_ADSIZE_SHIFT	7
#define INFO_SEG_SHIFT		15
#define INFO_INDEX_SHIFT	18
#define INFO_NO_INDEX		BIT(22)
#define INFO_BASE_SHIFT		23
#define INFO_NO_BASE		BIT(27)

/**
 * info_flat_address() - linear address of the memory operand of 64-bit code
 * @disp: exit qualification
 * Return: false where there is more to it: FS or GS, another address size, not canonical.
 */
static inline bool info_flat_address(u32 info, u64 disp, const u64 *gpr, u64 *addr)
{
	const u32 odd = 7u << INFO_ADSIZE_SHIFT | 4u << INFO_SEG_SHIFT;

	if ((info & odd) != 2u << INFO_ADSIZE_SHIFT)
		return false;
	*addr = disp;
	if (!(info & INFO_NO_BASE))
		*addr += gpr[info >> INFO_BASE_SHIFT & 0xf];
	if (!(info & INFO_NO_INDEX))
		*addr += gpr[info >> INFO_INDEX_SHIFT & 0xf] << (info & INFO_SCALE);
	return (u64)((s64)(*addr << 16) >> 16) == *addr;
}

/** nvmx_insn_info() - the instruction information that VT-x would report; undefined bits are 0 */
u32 nvmx_insn_info(const struct x86_insn *insn);

/** nvmx_insn_qual() - the exit qualification: displacement, RIP included where it is the base */
u64 nvmx_insn_qual(const struct x86_insn *insn, u64 rip);

/**
 * nvmx_insn_from_info() - the memory operand of @info as the decoder would describe it
 * @disp: exit qualification
 * Fills what the address needs, and no more.
 */
void nvmx_insn_from_info(struct x86_insn *insn, u32 info, u64 disp, enum x86_mode mode);

#endif
