// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one-byte opcode map.
 *
 * Reference: APM vol. 3, "Opcode and Operand Encodings", primary opcode map and
 * ModRM.reg extensions; SDM vol. 2, "Opcode Map".
 *
 * Prefix bytes, 0F and, where they apply, REX, VEX, EVEX and XOP are taken by
 * the decoder before it looks here; their slots serve the modes in which they
 * are ordinary instructions.
 */
#include "tables.h"

/* The six forms of ADD, OR, ... in slots 0..5 of an eight. */
#define ALU6(o, base, f, lock)						\
	[(base) + 0] = OP2(o, E, G, D_MODRM | D_BYTE | (f) | (lock)),	\
	[(base) + 1] = OP2(o, E, G, D_MODRM | (f) | (lock)),		\
	[(base) + 2] = OP2(o, G, E, D_MODRM | D_BYTE | (f)),		\
	[(base) + 3] = OP2(o, G, E, D_MODRM | (f)),			\
	[(base) + 4] = OP2(o, A, I, D_IMM8 | D_BYTE | (f)),		\
	[(base) + 5] = OP2(o, A, I, D_IMMZ | (f))

#define OTHER(f)	OP0(OTHER, f)

static const struct x86_opdesc grp1[8] = {
	OP0(ADD, D_RMW | D_LOCK),
	OP0(OR, D_RMW | D_LOCK),
	OP0(ADC, D_RMW | D_LOCK),
	OP0(SBB, D_RMW | D_LOCK),
	OP0(AND, D_RMW | D_LOCK),
	OP0(SUB, D_RMW | D_LOCK),
	OP0(XOR, D_RMW | D_LOCK),
	OP0(CMP, D_RD),
};

static const struct x86_opdesc grp1a[8] = {
	OP1(POP, E, D_D64 | D_WR),
};

static const struct x86_opdesc grp2[8] = {
	OP0(ROL, D_RMW),
	OP0(ROR, D_RMW),
	OP0(RCL, D_RMW),
	OP0(RCR, D_RMW),
	OP0(SHL, D_RMW),
	OP0(SHR, D_RMW),
	OP0(SHL, D_RMW),	/* the alias of SHL */
	OP0(SAR, D_RMW),
};

#define GRP3(name, imm)						\
static const struct x86_opdesc name[8] = {			\
	OP2(TEST, E, I, D_RD | (imm)),				\
	OP2(TEST, E, I, D_RD | (imm)),	/* the alias of TEST */	\
	OP1(NOT, E, D_RMW | D_LOCK),				\
	OP1(NEG, E, D_RMW | D_LOCK),				\
	OP2(MUL, NONE, E, 0),					\
	OP2(IMUL, NONE, E, 0),					\
	OP2(DIV, NONE, E, 0),					\
	OP2(IDIV, NONE, E, 0),					\
}
GRP3(grp3b, D_IMM8);
GRP3(grp3v, D_IMMZ);

static const struct x86_opdesc grp4[8] = {
	OP1(INC, E, D_RMW | D_LOCK),
	OP1(DEC, E, D_RMW | D_LOCK),
};

static const struct x86_opdesc grp5[8] = {
	OP1(INC, E, D_RMW | D_LOCK),
	OP1(DEC, E, D_RMW | D_LOCK),
	OP2(CALL, NONE, E, D_D64 | D_NO66),
	OTHER(D_MEM),
	OP2(JMP, NONE, E, D_D64 | D_NO66),
	OTHER(D_MEM),
	OP2(PUSH, NONE, E, D_D64),
	UD_,
};

/* Group 11: MOV, and in one register form each XABORT and XBEGIN. */
static const struct x86_opdesc xabort_rm[8] = { OTHER(D_UIMM8) };
static const struct x86_opdesc xbegin_rm[8] = { OTHER(D_IMMZ) };
static const struct x86_opdesc xabort[2] = { UD_, SUB(RM, xabort_rm, 0) };
static const struct x86_opdesc xbegin[2] = { UD_, SUB(RM, xbegin_rm, 0) };

static const struct x86_opdesc grp11b[8] = {
	[0] = OP2(MOV, E, I, D_WR | D_IMM8),
	[7] = SUB(MOD, xabort, 0),
};

static const struct x86_opdesc grp11v[8] = {
	[0] = OP2(MOV, E, I, D_WR | D_IMMZ),
	[7] = SUB(MOD, xbegin, 0),
};

/* 63 is ARPL outside 64-bit mode; the decoder swaps the entry. */
const struct x86_opdesc x86_map_1byte[256] = {
	ALU6(ADD, 0x00, D_RMW, D_LOCK),
	[0x06 ... 0x07] = OTHER(D_INV64),
	ALU6(OR, 0x08, D_RMW, D_LOCK),
	[0x0e] = OTHER(D_INV64),
	ALU6(ADC, 0x10, D_RMW, D_LOCK),
	[0x16 ... 0x17] = OTHER(D_INV64),
	ALU6(SBB, 0x18, D_RMW, D_LOCK),
	[0x1e ... 0x1f] = OTHER(D_INV64),
	ALU6(AND, 0x20, D_RMW, D_LOCK),
	[0x27] = OTHER(D_INV64),
	ALU6(SUB, 0x28, D_RMW, D_LOCK),
	[0x2f] = OTHER(D_INV64),
	ALU6(XOR, 0x30, D_RMW, D_LOCK),
	[0x37] = OTHER(D_INV64),
	ALU6(CMP, 0x38, D_RD, 0),
	[0x3f] = OTHER(D_INV64),
	[0x40 ... 0x47] = OP1(INC, Z, D_RMW | D_INV64),
	[0x48 ... 0x4f] = OP1(DEC, Z, D_RMW | D_INV64),
	[0x50 ... 0x57] = OP2(PUSH, NONE, Z, D_D64),
	[0x58 ... 0x5f] = OP1(POP, Z, D_D64 | D_WR),
	[0x60 ... 0x61] = OTHER(D_INV64),
	[0x62] = OTHER(D_INV64 | D_MODRM | D_MEM),
	[0x63] = OP2(MOVSX, G, E4, D_MODRM | D_WR),
	[0x68] = OP2(PUSH, NONE, I, D_D64 | D_IMMZ),
	[0x69] = OP3(IMUL2, G, E, I, D_MODRM | D_IMMZ | D_WR),
	[0x6a] = OP2(PUSH, NONE, I, D_D64 | D_IMM8),
	[0x6b] = OP3(IMUL2, G, E, I, D_MODRM | D_IMM8 | D_WR),
	[0x6c] = OP0(INS, D_BYTE | D_STRING | D_IO),
	[0x6d] = OP0(INS, D_STRING | D_IO),
	[0x6e] = OP0(OUTS, D_BYTE | D_STRING | D_IO),
	[0x6f] = OP0(OUTS, D_STRING | D_IO),
	[0x70 ... 0x7f] = OP0(JCC, D_IMM8 | D_D64 | D_NO66),
	[0x80] = { .dst = O_E, .src = O_I, .sel = SEL_REG, .sub = grp1,
		   .flags = D_MODRM | D_BYTE | D_IMM8 },
	[0x81] = { .dst = O_E, .src = O_I, .sel = SEL_REG, .sub = grp1,
		   .flags = D_MODRM | D_IMMZ },
	[0x82] = { .dst = O_E, .src = O_I, .sel = SEL_REG, .sub = grp1,
		   .flags = D_MODRM | D_BYTE | D_IMM8 | D_INV64 },
	[0x83] = { .dst = O_E, .src = O_I, .sel = SEL_REG, .sub = grp1,
		   .flags = D_MODRM | D_IMM8 },
	[0x84] = OP2(TEST, E, G, D_MODRM | D_BYTE | D_RD),
	[0x85] = OP2(TEST, E, G, D_MODRM | D_RD),
	[0x86] = OP2(XCHG, E, G, D_MODRM | D_BYTE | D_RMW | D_LOCK),
	[0x87] = OP2(XCHG, E, G, D_MODRM | D_RMW | D_LOCK),
	[0x88] = OP2(MOV, E, G, D_MODRM | D_BYTE | D_WR),
	[0x89] = OP2(MOV, E, G, D_MODRM | D_WR),
	[0x8a] = OP2(MOV, G, E, D_MODRM | D_BYTE | D_WR),
	[0x8b] = OP2(MOV, G, E, D_MODRM | D_WR),
	[0x8c] = OP2(MOV_FROM_SEG, E, SREG, D_MODRM | D_WR),
	[0x8d] = OP1(LEA, G, D_MODRM | D_MEM | D_WR),
	[0x8e] = OTHER(D_MODRM),
	[0x8f] = SUB(REG, grp1a, D_MODRM),
	[0x90 ... 0x97] = OP2(XCHG, Z, A, D_RMW),
	[0x98 ... 0x99] = OTHER(0),
	[0x9a] = OTHER(D_FAR | D_INV64),
	[0x9b] = OTHER(0),
	[0x9c] = OP0(PUSHF, D_D64),
	[0x9d] = OP0(POPF, D_D64),
	[0x9e ... 0x9f] = OTHER(0),
	[0xa0] = OP2(MOV, A, MOFFS, D_MOFFS | D_BYTE | D_WR),
	[0xa1] = OP2(MOV, A, MOFFS, D_MOFFS | D_WR),
	[0xa2] = OP2(MOV, MOFFS, A, D_MOFFS | D_BYTE | D_WR),
	[0xa3] = OP2(MOV, MOFFS, A, D_MOFFS | D_WR),
	[0xa4] = OP0(MOVS, D_BYTE | D_STRING),
	[0xa5] = OP0(MOVS, D_STRING),
	[0xa6] = OP0(CMPS, D_BYTE | D_STRING),
	[0xa7] = OP0(CMPS, D_STRING),
	[0xa8] = OP2(TEST, A, I, D_IMM8 | D_BYTE | D_RD),
	[0xa9] = OP2(TEST, A, I, D_IMMZ | D_RD),
	[0xaa] = OP0(STOS, D_BYTE | D_STRING),
	[0xab] = OP0(STOS, D_STRING),
	[0xac] = OP0(LODS, D_BYTE | D_STRING),
	[0xad] = OP0(LODS, D_STRING),
	[0xae] = OP0(SCAS, D_BYTE | D_STRING),
	[0xaf] = OP0(SCAS, D_STRING),
	[0xb0 ... 0xb7] = OP2(MOV, Z, I, D_IMM8 | D_BYTE | D_WR),
	[0xb8 ... 0xbf] = OP2(MOV, Z, I, D_IMMV | D_WR),
	[0xc0] = { .dst = O_E, .src = O_I, .sel = SEL_REG, .sub = grp2,
		   .flags = D_MODRM | D_BYTE | D_UIMM8 },
	[0xc1] = { .dst = O_E, .src = O_I, .sel = SEL_REG, .sub = grp2,
		   .flags = D_MODRM | D_UIMM8 },
	[0xc2] = OP0(RET, D_IMM16 | D_D64 | D_NO66),
	[0xc3] = OP0(RET, D_D64 | D_NO66),
	[0xc4 ... 0xc5] = OTHER(D_MODRM | D_MEM | D_INV64),
	[0xc6] = SUB(REG, grp11b, D_MODRM | D_BYTE),
	[0xc7] = SUB(REG, grp11v, D_MODRM),
	[0xc8] = OTHER(D_ENTER | D_D64),
	[0xc9] = OTHER(D_D64),
	[0xca] = OTHER(D_IMM16),
	[0xcb] = OTHER(0),
	[0xcc] = OP0(INT3, 0),
	[0xcd] = OP0(INT, D_UIMM8),
	[0xce] = OP0(INTO, D_INV64),
	[0xcf] = OP0(IRET, 0),
	[0xd0] = { .dst = O_E, .src = O_ONE, .sel = SEL_REG, .sub = grp2,
		   .flags = D_MODRM | D_BYTE },
	[0xd1] = { .dst = O_E, .src = O_ONE, .sel = SEL_REG, .sub = grp2,
		   .flags = D_MODRM },
	[0xd2] = { .dst = O_E, .src = O_CL, .sel = SEL_REG, .sub = grp2,
		   .flags = D_MODRM | D_BYTE },
	[0xd3] = { .dst = O_E, .src = O_CL, .sel = SEL_REG, .sub = grp2,
		   .flags = D_MODRM },
	[0xd4 ... 0xd5] = OTHER(D_UIMM8 | D_INV64),
	[0xd6] = OTHER(D_INV64),
	[0xd7] = OP0(XLAT, D_BYTE),
	[0xd8 ... 0xdf] = OTHER(D_MODRM),
	[0xe0 ... 0xe3] = OTHER(D_IMM8 | D_D64 | D_NO66),
	[0xe4] = OP2(IN, A, I, D_UIMM8 | D_BYTE | D_IO | D_WR),
	[0xe5] = OP2(IN, A, I, D_UIMM8 | D_IO | D_WR),
	[0xe6] = OP2(OUT, I, A, D_UIMM8 | D_BYTE | D_IO),
	[0xe7] = OP2(OUT, I, A, D_UIMM8 | D_IO),
	[0xe8] = OP0(CALL_REL, D_IMMZ | D_D64 | D_NO66),
	[0xe9] = OP0(JMP_REL, D_IMMZ | D_D64 | D_NO66),
	[0xea] = OTHER(D_FAR | D_INV64),
	[0xeb] = OP0(JMP_REL, D_IMM8 | D_D64 | D_NO66),
	[0xec] = OP2(IN, A, DX, D_BYTE | D_IO | D_WR),
	[0xed] = OP2(IN, A, DX, D_IO | D_WR),
	[0xee] = OP2(OUT, DX, A, D_BYTE | D_IO),
	[0xef] = OP2(OUT, DX, A, D_IO),
	[0xf1] = OP0(ICEBP, 0),
	[0xf4] = OP0(HLT, 0),
	[0xf5] = OTHER(0),
	[0xf6] = SUB(REG, grp3b, D_MODRM | D_BYTE),
	[0xf7] = SUB(REG, grp3v, D_MODRM),
	[0xf8 ... 0xf9] = OTHER(0),
	[0xfa] = OP0(CLI, 0),
	[0xfb] = OP0(STI, 0),
	[0xfc ... 0xfd] = OTHER(0),
	[0xfe] = SUB(REG, grp4, D_MODRM | D_BYTE),
	[0xff] = SUB(REG, grp5, D_MODRM),
};
