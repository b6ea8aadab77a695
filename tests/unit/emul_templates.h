/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the native comparison runs: one line an opcode or a range of opcodes.
 */
#ifndef NESTOR_TESTS_EMUL_TEMPLATES_H
#define NESTOR_TESTS_EMUL_TEMPLATES_H

#include "pure.h"

/* struct template.flags */
#define T_LOCK	BIT(0)	/* may carry LOCK when the operand is memory */
#define T_MEM	BIT(1)	/* memory form only */
#define T_NOMRM	BIT(2)	/* no ModRM byte */
#define T_REP	BIT(3)	/* string instruction: F2 and F3 at random */
#define T_NO64	BIT(4)
#define T_ONLY64 BIT(5)
#define T_I8	BIT(6)
#define T_IZ	BIT(7)
#define T_IV	BIT(8)
#define T_MOFFS	BIT(9)
#define T_VEX	BIT(10)	/* with a VEX prefix; pp and L at random as pfx says */
#define T_NO66	BIT(11)	/* leave the operand-size prefix away */
#define T_ALIGN	BIT(12)	/* align the operand most of the time */

struct template {
	const char *name;
	u8 map;			/* 0, 1 (0F), 2 (0F 38) */
	u8 first, last;		/* opcodes */
	s8 ext;			/* ModRM.reg, or -1 */
	u16 flags;
	u8 pfx;			/* mandatory prefix */
};

static const struct template templates[] = {
	{ "alu r/m, r", 0, 0x00, 0x03, -1, 0, 0 },
	{ "or r/m, r locked", 0, 0x08, 0x09, -1, T_LOCK | T_MEM, 0 },
	{ "or r, r/m", 0, 0x0a, 0x0b, -1, 0, 0 },
	{ "adc", 0, 0x10, 0x13, -1, 0, 0 }, { "sbb", 0, 0x18, 0x1b, -1, 0, 0 },
	{ "and", 0, 0x20, 0x23, -1, 0, 0 }, { "sub", 0, 0x28, 0x2b, -1, 0, 0 },
	{ "xor", 0, 0x30, 0x33, -1, 0, 0 }, { "cmp", 0, 0x38, 0x3b, -1, 0, 0 },
	{ "sbb locked", 0, 0x18, 0x19, -1, T_LOCK | T_MEM, 0 },
	{ "add al, ib", 0, 0x04, 0x04, -1, T_NOMRM | T_I8, 0 },
	{ "sbb eax, iz", 0, 0x1d, 0x1d, -1, T_NOMRM | T_IZ, 0 },
	{ "cmp eax, iz", 0, 0x3d, 0x3d, -1, T_NOMRM | T_IZ, 0 },
	{ "inc r", 0, 0x40, 0x47, -1, T_NOMRM | T_NO64, 0 },
	{ "dec r", 0, 0x48, 0x4f, -1, T_NOMRM | T_NO64, 0 },
	{ "push r", 0, 0x50, 0x57, -1, T_NOMRM, 0 }, { "pop r", 0, 0x58, 0x5f, -1, T_NOMRM, 0 },
	{ "push iz", 0, 0x68, 0x68, -1, T_NOMRM | T_IZ, 0 },
	{ "push ib", 0, 0x6a, 0x6a, -1, T_NOMRM | T_I8, 0 },
	{ "movsxd", 0, 0x63, 0x63, -1, T_ONLY64, 0 },
	{ "imul r, r/m, iz", 0, 0x69, 0x69, -1, T_IZ, 0 },
	{ "imul r, r/m, ib", 0, 0x6b, 0x6b, -1, T_I8, 0 },
#define GRP1(n, e) \
	{ n " r/m, ib (80)", 0, 0x80, 0x80, e, T_I8, 0 }, \
	{ n " r/m, iz", 0, 0x81, 0x81, e, T_IZ, 0 }, \
	{ n " r/m, ib (83)", 0, 0x83, 0x83, e, T_I8, 0 }
	GRP1("add", 0), GRP1("or", 1), GRP1("adc", 2), GRP1("sbb", 3),
	GRP1("and", 4), GRP1("sub", 5), GRP1("xor", 6), GRP1("cmp", 7),
	{ "test r/m, r", 0, 0x84, 0x85, -1, 0, 0 },
	{ "xchg r/m, r", 0, 0x86, 0x87, -1, 0, 0 },
	{ "xchg locked", 0, 0x86, 0x87, -1, T_LOCK | T_MEM, 0 },
	{ "mov", 0, 0x88, 0x8b, -1, 0, 0 }, { "lea", 0, 0x8d, 0x8d, -1, T_MEM, 0 },
	{ "pop r/m", 0, 0x8f, 0x8f, 0, 0, 0 },
	{ "xchg r, rax", 0, 0x90, 0x97, -1, T_NOMRM, 0 },
	{ "mov moffs", 0, 0xa0, 0xa3, -1, T_NOMRM | T_MOFFS, 0 },
	{ "movs", 0, 0xa4, 0xa5, -1, T_NOMRM | T_REP, 0 },
	{ "cmps", 0, 0xa6, 0xa7, -1, T_NOMRM | T_REP, 0 },
	{ "test al, ib", 0, 0xa8, 0xa8, -1, T_NOMRM | T_I8, 0 },
	{ "test eax, iz", 0, 0xa9, 0xa9, -1, T_NOMRM | T_IZ, 0 },
	{ "stos", 0, 0xaa, 0xab, -1, T_NOMRM | T_REP, 0 },
	{ "lods", 0, 0xac, 0xad, -1, T_NOMRM | T_REP, 0 },
	{ "scas", 0, 0xae, 0xaf, -1, T_NOMRM | T_REP, 0 },
	{ "mov r, ib", 0, 0xb0, 0xb7, -1, T_NOMRM | T_I8, 0 },
	{ "mov r, iv", 0, 0xb8, 0xbf, -1, T_NOMRM | T_IV, 0 },
#define GRP2(n, e) \
	{ n " r/m, ib", 0, 0xc0, 0xc1, e, T_I8, 0 }, \
	{ n " r/m, 1 and cl", 0, 0xd0, 0xd3, e, 0, 0 }
	GRP2("rol", 0), GRP2("ror", 1), GRP2("rcl", 2), GRP2("rcr", 3),
	GRP2("shl", 4), GRP2("shr", 5), GRP2("sal", 6), GRP2("sar", 7),
	{ "mov r/m, ib", 0, 0xc6, 0xc6, 0, T_I8, 0 }, { "mov r/m, iz", 0, 0xc7, 0xc7, 0, T_IZ, 0 },
	{ "xlat", 0, 0xd7, 0xd7, -1, T_NOMRM, 0 },
	{ "test r/m, ib", 0, 0xf6, 0xf6, 0, T_I8, 0 }, { "test r/m, iz", 0, 0xf7, 0xf7, 1, T_IZ, 0 },
	{ "not", 0, 0xf6, 0xf7, 2, 0, 0 }, { "neg", 0, 0xf6, 0xf7, 3, 0, 0 },
	{ "not, neg locked", 0, 0xf6, 0xf7, 3, T_LOCK | T_MEM, 0 },
	{ "mul", 0, 0xf6, 0xf7, 4, 0, 0 }, { "imul", 0, 0xf6, 0xf7, 5, 0, 0 },
	{ "div", 0, 0xf6, 0xf7, 6, 0, 0 }, { "idiv", 0, 0xf6, 0xf7, 7, 0, 0 },
	{ "inc r/m", 0, 0xfe, 0xff, 0, 0, 0 }, { "dec r/m", 0, 0xfe, 0xff, 1, 0, 0 },
	{ "inc locked", 0, 0xfe, 0xff, 0, T_LOCK | T_MEM, 0 },
	{ "push r/m", 0, 0xff, 0xff, 6, 0, 0 },
	{ "cmov", 1, 0x40, 0x4f, -1, 0, 0 }, { "setcc", 1, 0x90, 0x9f, -1, 0, 0 },
	{ "bt", 1, 0xa3, 0xa3, -1, 0, 0 }, { "bts", 1, 0xab, 0xab, -1, 0, 0 },
	{ "btr", 1, 0xb3, 0xb3, -1, 0, 0 }, { "btc", 1, 0xbb, 0xbb, -1, 0, 0 },
	{ "bts locked", 1, 0xab, 0xab, -1, T_LOCK | T_MEM, 0 },
	{ "bt ib", 1, 0xba, 0xba, 4, T_I8, 0 }, { "bts ib", 1, 0xba, 0xba, 5, T_I8, 0 },
	{ "btr ib", 1, 0xba, 0xba, 6, T_I8, 0 }, { "btc ib", 1, 0xba, 0xba, 7, T_I8, 0 },
	{ "shld ib", 1, 0xa4, 0xa4, -1, T_I8, 0 }, { "shld cl", 1, 0xa5, 0xa5, -1, 0, 0 },
	{ "shrd ib", 1, 0xac, 0xac, -1, T_I8, 0 }, { "shrd cl", 1, 0xad, 0xad, -1, 0, 0 },
	{ "imul r, r/m", 1, 0xaf, 0xaf, -1, 0, 0 },
	{ "cmpxchg", 1, 0xb0, 0xb1, -1, 0, 0 },
	{ "cmpxchg locked", 1, 0xb0, 0xb1, -1, T_LOCK | T_MEM, 0 },
	{ "movzx", 1, 0xb6, 0xb7, -1, 0, 0 }, { "movsx", 1, 0xbe, 0xbf, -1, 0, 0 },
	{ "xadd", 1, 0xc0, 0xc1, -1, 0, 0 }, { "xadd locked", 1, 0xc0, 0xc1, -1, T_LOCK | T_MEM, 0 },
	{ "movnti", 1, 0xc3, 0xc3, -1, T_MEM | T_NO66, 0 },
	{ "cmpxchg8b/16b", 1, 0xc7, 0xc7, 1, T_MEM | T_LOCK | T_ALIGN | T_NO66, 0 },
	{ "movbe", 2, 0xf0, 0xf1, -1, T_MEM, 0 },
	{ "prefetch, nop", 1, 0x1f, 0x1f, 0, 0, 0 },
	{ "clflush", 1, 0xae, 0xae, 7, T_MEM | T_NO66, 0 },
	{ "mfence", 0, 0x90, 0x90, -1, T_NOMRM, 0 },
#define VEC(n, lo, hi, p, f) \
	{ n, 1, lo, hi, -1, T_MEM | T_NO66 | (f), p }, \
	{ "v" n, 1, lo, hi, -1, T_MEM | T_NO66 | T_VEX | (f), p }
	VEC("movups", 0x10, 0x11, 0, 0), VEC("movupd", 0x10, 0x11, 0x66, 0),
	VEC("movss", 0x10, 0x11, 0xf3, 0), VEC("movsd", 0x10, 0x11, 0xf2, 0),
	VEC("movaps", 0x28, 0x29, 0, T_ALIGN), VEC("movapd", 0x28, 0x29, 0x66, T_ALIGN),
	VEC("movntps", 0x2b, 0x2b, 0, T_ALIGN), VEC("movntpd", 0x2b, 0x2b, 0x66, T_ALIGN),
	VEC("movd load", 0x6e, 0x6e, 0x66, 0), VEC("movd store", 0x7e, 0x7e, 0x66, 0),
	VEC("movq load", 0x7e, 0x7e, 0xf3, 0), VEC("movq store", 0xd6, 0xd6, 0x66, 0),
	VEC("movdqa load", 0x6f, 0x6f, 0x66, T_ALIGN), VEC("movdqa store", 0x7f, 0x7f, 0x66, T_ALIGN),
	VEC("movdqu load", 0x6f, 0x6f, 0xf3, 0), VEC("movdqu store", 0x7f, 0x7f, 0xf3, 0),
	VEC("movntdq", 0xe7, 0xe7, 0x66, T_ALIGN), VEC("lddqu", 0xf0, 0xf0, 0xf2, 0),
	{ "movntdqa", 2, 0x2a, 0x2a, -1, T_MEM | T_NO66 | T_ALIGN, 0x66 },
	{ "vmovntdqa", 2, 0x2a, 0x2a, -1, T_MEM | T_NO66 | T_ALIGN | T_VEX, 0x66 },
};

#endif /* NESTOR_TESTS_EMUL_TEMPLATES_H */
