// SPDX-License-Identifier: GPL-2.0-only
/* Instruction information to and from the decoder's terms.  Pure. */
#include "core/pure.h"
#include "nvmx/insn_info.h"

#define INFO_REG1_SHIFT		3
#define INFO_REG2_SHIFT		28

/* 16, 32 and 64 bits are 0, 1 and 2. */
static u32 adsize_code(u8 bytes)
{
	return bytes >> 2;
}

static bool is_register(const struct x86_insn *insn)
{
	return insn->modrm >= 0xc0;
}

u32 nvmx_insn_info(const struct x86_insn *insn)
{
	u32 info = adsize_code(insn->adsize) << INFO_ADSIZE_SHIFT;

	switch (insn->op) {
	case X86_OP_VMREAD:
	case X86_OP_VMWRITE:
	case X86_OP_INVEPT:
	case X86_OP_INVVPID:
	case X86_OP_INVPCID:
		info |= (u32)insn->reg << INFO_REG2_SHIFT;
	}
	if (is_register(insn))
		return info | INFO_REGISTER | (u32)insn->rm << INFO_REG1_SHIFT;
	info |= (u32)insn->seg << INFO_SEG_SHIFT;
	if (insn->index == X86_REG_NONE)
		info |= INFO_NO_INDEX;
	else
		info |= (u32)insn->index << INFO_INDEX_SHIFT | insn->scale;
	if (insn->base == X86_REG_NONE || insn->base == X86_REG_RIP)
		info |= INFO_NO_BASE;
	else
		info |= (u32)insn->base << INFO_BASE_SHIFT;
	return info;
}

u64 nvmx_insn_qual(const struct x86_insn *insn, u64 rip)
{
	if (is_register(insn))
		return 0;
	return insn->disp + (insn->base == X86_REG_RIP ? rip + insn->length : 0);
}

void nvmx_insn_from_info(struct x86_insn *insn, u32 info, u64 disp, enum x86_mode mode)
{
	*insn = (struct x86_insn){
		.mode = mode,
		.adsize = 2u << min(info >> INFO_ADSIZE_SHIFT & 3, 2u),
		.has_modrm = true,	/* with modrm 0: a memory operand */
		.seg = min(info >> INFO_SEG_SHIFT & 7, (u32)X86_SEG_GS),
		.base = info & INFO_NO_BASE ? X86_REG_NONE : info >> INFO_BASE_SHIFT & 0xf,
		.index = info & INFO_NO_INDEX ? X86_REG_NONE : info >> INFO_INDEX_SHIFT & 0xf,
		.scale = info & INFO_SCALE,
		.disp = disp,
	};
}
