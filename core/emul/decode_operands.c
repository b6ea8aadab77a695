// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decoder's second half: address, immediates and operand descriptions.
 *
 * Reference: APM vol. 3, "ModRM and SIB Bytes", "Displacement Bytes", "Immediate
 * Bytes" and "RIP-Relative Addressing"; SDM vol. 2, "Addressing-Mode Encoding of
 * ModR/M and SIB Bytes".
 */
#include "decode.h"

static void decode_address16(struct x86_insn *insn, struct cursor *c, u8 mod)
{
	static const u8 base[8] = {
		X86_RBX, X86_RBX, X86_RBP, X86_RBP,
		X86_RSI, X86_RDI, X86_RBP, X86_RBX,
	};
	static const u8 index[4] = { X86_RSI, X86_RDI, X86_RSI, X86_RDI };
	u8 rm = insn->modrm & 7;

	if (mod == 0 && rm == 6) {
		insn->disp = take_signed(c, 2);
		return;
	}
	insn->base = base[rm];
	if (rm < 4)
		insn->index = index[rm];
	if (mod)
		insn->disp = take_signed(c, mod == 1 ? 1 : 2);
}

static void decode_sib(struct x86_insn *insn, struct cursor *c, u8 mod)
{
	u8 sib = take(c, 1);
	u8 index = ((sib >> 3) & 7) | (insn->rex & X86_REX_X ? 8 : 0);

	if (index != X86_RSP) {
		insn->index = index;
		insn->scale = sib >> 6;
	}
	if ((sib & 7) == 5 && mod == 0)
		insn->disp = take_signed(c, 4);
	else
		insn->base = (sib & 7) | (insn->rex & X86_REX_B ? 8 : 0);
}

static void decode_address32(struct x86_insn *insn, struct cursor *c, u8 mod)
{
	u8 rm = insn->modrm & 7;

	if (rm == 4) {
		decode_sib(insn, c, mod);
	} else if (rm == 5 && mod == 0) {
		if (insn->mode == X86_MODE_64)
			insn->base = X86_REG_RIP;
		insn->disp = take_signed(c, 4);
	} else {
		insn->base = insn->rm;
	}
	if (mod == 1)
		insn->disp = take_signed(c, 1);
	else if (mod == 2)
		insn->disp = take_signed(c, 4);
}

void x86_decode_address(struct x86_insn *insn, struct cursor *c)
{
	u8 mod = insn->modrm >> 6;

	if (insn->flags & D_MOFFS) {
		insn->disp = take(c, insn->adsize);
	} else if (insn->has_modrm && mod != 3 && !(insn->flags & D_NOMOD)) {
		if (insn->adsize == 2)
			decode_address16(insn, c, mod);
		else
			decode_address32(insn, c, mod);
	}

	insn->seg = X86_SEG_DS;
	if (insn->base == X86_RSP || insn->base == X86_RBP)
		insn->seg = X86_SEG_SS;
	if (insn->prefixes & X86_PFX_SEG)
		insn->seg = insn->seg_override;
}

void x86_decode_immediate(struct x86_insn *insn, struct cursor *c)
{
	unsigned int z = insn->opsize == 2 ? 2 : 4;

	if (insn->flags & D_IMM8)
		insn->imm = take_signed(c, 1);
	else if (insn->flags & (D_UIMM8 | D_STREAM3))
		insn->imm = take(c, 1);
	else if (insn->flags & D_IMMZ)
		insn->imm = take_signed(c, z);
	else if (insn->flags & D_IMMV)
		insn->imm = take_signed(c, insn->opsize);
	else if (insn->flags & (D_IMM16 | D_ENTER))
		insn->imm = take(c, 2);
	else if (insn->flags & D_IMM32)
		insn->imm = take(c, 4);
	else if (insn->flags & D_FAR)
		insn->imm = take(c, z);
	else if (insn->flags & D_EXTRQ)
		insn->imm = take(c, 1);

	if (insn->flags & (D_ENTER | D_EXTRQ))
		insn->imm2 = take(c, 1);
	else if (insn->flags & D_FAR)
		insn->imm2 = take(c, 2);
}

static void set_gpr(const struct x86_insn *insn, struct x86_operand *o, u8 reg)
{
	o->type = X86_OPND_REG;
	o->reg = reg;
	if (o->size == 1 && reg >= 4 && reg < 8 && !(insn->rex & X86_REX_ANY)) {
		o->reg = reg - 4;
		o->high = true;
	}
}

static void set_rm(const struct x86_insn *insn, struct x86_operand *o)
{
	if (insn->modrm >= 0xc0)
		set_gpr(insn, o, insn->rm);
	else
		o->type = X86_OPND_MEM;
}

void x86_decode_operand(struct x86_insn *insn, struct x86_operand *o, u8 kind)
{
	o->size = insn->flags & D_BYTE ? 1 : insn->opsize;
	if (insn->flags & D_IO && o->size == 8)
		o->size = 4;

	switch (kind) {
	case O_NONE:
		break;
	case O_E1:
	case O_E2:
	case O_E4:
		o->size = kind == O_E1 ? 1 : kind == O_E2 ? 2 : 4;
		fallthrough;
	case O_E:
		set_rm(insn, o);
		break;
	case O_G:
		set_gpr(insn, o, insn->reg);
		break;
	case O_A:
		set_gpr(insn, o, X86_RAX);
		break;
	case O_Z:
		set_gpr(insn, o, (insn->opcode & 7) | (insn->rex & X86_REX_B ? 8 : 0));
		break;
	case O_ONE:
		insn->imm = 1;
		fallthrough;
	case O_I:
		o->type = X86_OPND_IMM;
		break;
	case O_CL:
		o->size = 1;
		set_gpr(insn, o, X86_RCX);
		break;
	case O_DX:
		o->size = 2;
		set_gpr(insn, o, X86_RDX);
		break;
	case O_MOFFS:
		o->type = X86_OPND_MEM;
		break;
	case O_SREG:
		o->type = X86_OPND_SEG;
		o->reg = (insn->modrm >> 3) & 7;
		o->size = 2;
		break;
	case O_X4:
	case O_X8:
	case O_XY:
	case O_XV:
		o->type = X86_OPND_MEM;	/* register forms are not described */
		o->size = kind == O_X4 ? 4 : kind == O_X8 ? 8 :
			  kind == O_XY ? (insn->rex & X86_REX_W ? 8 : 4) :
			  insn->vex_l ? 32 : 16;
		break;
	case O_V:
		o->type = X86_OPND_VEC;
		o->reg = insn->reg;
		break;
	}
}
