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
