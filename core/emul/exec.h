/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the emulator share.
 */
#ifndef NESTOR_EMUL_EXEC_H
#define NESTOR_EMUL_EXEC_H

#include "emul.h"
#include "tables.h"

#define FL_CF	BIT_ULL(0)
#define FL_PF	BIT_ULL(2)
#define FL_AF	BIT_ULL(4)
#define FL_ZF	BIT_ULL(6)
#define FL_SF	BIT_ULL(7)
#define FL_DF	BIT_ULL(10)
#define FL_OF	BIT_ULL(11)
#define FL_IOPL	GENMASK_ULL(13, 12)
#define FL_RF	BIT_ULL(16)
#define FL_VM	BIT_ULL(17)
#define FL_ARITH (FL_CF | FL_PF | FL_AF | FL_ZF | FL_SF | FL_OF)

/* Operand values of one instruction, zero-extended from @size bytes. */
struct alu {
	u64 dst;
	u64 src;
	u64 src2;
	u64 flags;
	u8 size;
};

static inline u64 size_mask(unsigned int size)
{
	return size >= 8 ? ~0ULL : (1ULL << (8 * size)) - 1;
}

static inline u64 size_sign(unsigned int size)
{
	return 1ULL << (8 * size - 1);
}

static inline u64 sign_extend(u64 value, unsigned int size)
{
	u64 sign = size_sign(size);

	return ((value & size_mask(size)) ^ sign) - sign;
}

/* alu.c, muldiv.c */
bool x86_alu(enum x86_op op, struct alu *a);
bool x86_condition(u64 flags, u8 cc);
void x86_alu_sub(struct alu *a, u64 left, u64 right);
void x86_alu_add(struct alu *a, u64 left, u64 right);
u64 x86_widening_mul(u64 a, u64 b, unsigned int size, bool is_signed, u64 *high);
bool x86_narrowing_div(u64 *low, u64 *high, u64 divisor, unsigned int size, bool is_signed);

/* operands.c */
enum x86_result x86_fault(struct x86_emul *ctxt, u8 vector);
u64 x86_read_gpr(const struct x86_emul *ctxt, const struct x86_operand *o);
void x86_write_gpr(struct x86_emul *ctxt, unsigned int reg, unsigned int size, u64 value);
u64 x86_effective_address(const struct x86_emul *ctxt);
bool x86_canonical(const struct x86_emul *ctxt, u64 addr);
enum x86_result x86_linear(struct x86_emul *ctxt, unsigned int seg, u64 offset,
			   unsigned int len, unsigned int access, u64 *linear);
enum x86_result x86_load(struct x86_emul *ctxt, const struct x86_operand *o, u64 *value);
enum x86_result x86_load_dst(struct x86_emul *ctxt, unsigned int access, u64 *value);
enum x86_result x86_store_dst(struct x86_emul *ctxt, u64 old, u64 value);
enum x86_result x86_dst_address(struct x86_emul *ctxt, u64 offset, unsigned int access);
unsigned int x86_stack_width(struct x86_emul *ctxt);
enum x86_result x86_push(struct x86_emul *ctxt, u64 value, unsigned int size);
enum x86_result x86_pop(struct x86_emul *ctxt, unsigned int size, u64 *value);
enum x86_result x86_jump(struct x86_emul *ctxt, u64 rip);

/* string.c, io.c, vector.c */
enum x86_result x86_exec_string(struct x86_emul *ctxt);
enum x86_result x86_exec_io(struct x86_emul *ctxt);
enum x86_result x86_exec_vector(struct x86_emul *ctxt);
enum x86_result x86_io_permitted(struct x86_emul *ctxt, u16 port, unsigned int size);
void x86_commit(struct x86_emul *ctxt);

#endif /* NESTOR_EMUL_EXEC_H */
