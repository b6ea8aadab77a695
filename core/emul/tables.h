/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The opcode tables: one struct x86_opdesc an opcode.
 *
 * An entry whose meaning hangs on more than the opcode names a sub-table and
 * what selects the slot in it (ModRM.reg, the mandatory prefix, memory or
 * register form, ModRM.rm). Sub-tables nest. A slot adds its flags to those
 * of the entry above and replaces the operands that it names itself, so common
 * parts are said once, at the top.
 */
#ifndef NESTOR_EMUL_TABLES_H
#define NESTOR_EMUL_TABLES_H

#include "insn.h"

/* Where an operand comes from. */
enum opnd {
	O_NONE,
	O_E,		/* ModRM.rm, operand size */
	O_E1,		/* ModRM.rm, one byte */
	O_E2,		/* ModRM.rm, two bytes */
	O_E4,		/* ModRM.rm, four bytes */
	O_G,		/* ModRM.reg */
	O_A,		/* AL, AX, EAX, RAX */
	O_Z,		/* low opcode bits */
	O_I,		/* immediate */
	O_ONE,		/* the constant 1 */
	O_CL,
	O_DX,
	O_MOFFS,	/* memory, address in the instruction */
	O_SREG,		/* ModRM.reg as a segment register */
	O_X4,		/* vector r/m, four bytes */
	O_X8,		/* vector r/m, eight bytes */
	O_XY,		/* vector r/m of four, with REX.W eight bytes */
	O_XV,		/* vector r/m, full vector length */
	O_V,		/* ModRM.reg as a vector register */
};

enum opsel {
	SEL_NONE,
	SEL_REG,	/* ModRM.reg: 8 slots */
	SEL_PFX,	/* none, 66, F3, F2: 4 slots */
	SEL_MOD,	/* memory, register: 2 slots */
	SEL_RM,		/* ModRM.rm: 8 slots */
};

#define D_MODRM		BIT(0)
#define D_IMM8		BIT(1)	/* one byte, sign-extended */
#define D_UIMM8		BIT(2)	/* one byte, zero-extended */
#define D_IMMZ		BIT(3)	/* two or four bytes, sign-extended */
#define D_IMMV		BIT(4)	/* operand size, eight bytes included */
#define D_IMM16		BIT(5)	/* two bytes, zero-extended */
#define D_IMM32		BIT(6)	/* four bytes whatever the sizes */
#define D_ENTER		BIT(7)	/* two bytes and one */
#define D_FAR		BIT(8)	/* offset of operand size and selector */
#define D_MOFFS		BIT(9)	/* address size, instead of ModRM */
#define D_BYTE		BIT(10)	/* operands of one byte */
#define D_D64		BIT(11)	/* default operand size 64 in 64-bit mode */
#define D_INV64		BIT(12)	/* undefined in 64-bit mode */
#define D_LOCK		BIT(13)	/* takes LOCK with a memory destination */
#define D_LOCKANY	BIT(14)	/* LOCK means something else: MOV CR */
#define D_MEM		BIT(15)	/* memory form only, else #UD */
#define D_NOMOD		BIT(16)	/* register form whatever ModRM.mod says */
#define D_RD		BIT(17)	/* reads the destination */
#define D_WR		BIT(18)	/* writes the destination */
#define D_IO		BIT(19)	/* operands of at most four bytes */
#define D_VEX		BIT(20)	/* has a VEX form that the emulator knows */
#define D_ALIGN		BIT(21)	/* vector operand must be aligned */
#define D_STREAM3	BIT(22)	/* 3DNow!: opcode behind the operands */
#define D_EXTRQ		BIT(23)	/* two immediate bytes */
#define D_PROT		BIT(24)	/* #UD in real and virtual-8086 mode */
#define D_STRING	BIT(25)	/* memory operands by rSI and rDI */
#define D_NO66		BIT(26)	/* sizes: AMD and Intel differ with 66 in 64-bit */
#define D_L0		BIT(27)	/* VEX.L must be 0 */
#define D_OP48		BIT(28)	/* operand size 4, or 8 with REX.W, in any mode */

#define D_RMW		(D_RD | D_WR)

/**
 * struct x86_opdesc - one table slot
 * @op: enum x86_op; NONE is undefined unless @sel is set
 * @dst: enum opnd of the first operand
 * @src: enum opnd of the second operand
 * @src2: enum opnd of the third operand
 * @sel: enum opsel
 * @flags: D_*
 * @sub: table that @sel selects from
 */
struct x86_opdesc {
	u8 op;
	u8 dst;
	u8 src;
	u8 src2;
	u8 sel;
	u32 flags;
	const struct x86_opdesc *sub;
};

extern const struct x86_opdesc x86_map_1byte[256];
extern const struct x86_opdesc x86_map_0f[256];
extern const struct x86_opdesc x86_map_0f3a;	/* one slot for all */

const struct x86_opdesc *x86_map_0f38(u8 opcode);

/* Shorthands of the table files. */
#define UD_			{ .op = X86_OP_NONE }
#define OP0(o, f)		{ .op = X86_OP_##o, .flags = (f) }
#define OP1(o, d, f)		{ .op = X86_OP_##o, .dst = O_##d, .flags = (f) }
#define OP2(o, d, s, f)		{ .op = X86_OP_##o, .dst = O_##d, \
				  .src = O_##s, .flags = (f) }
#define OP3(o, d, s, s2, f)	{ .op = X86_OP_##o, .dst = O_##d, \
				  .src = O_##s, .src2 = O_##s2, .flags = (f) }
#define SUB(how, table, f)	{ .sel = SEL_##how, .sub = (table), .flags = (f) }

#endif /* NESTOR_EMUL_TABLES_H */
