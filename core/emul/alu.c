// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arithmetic, logic, shifts and bit operations on values of 1, 2, 4 or 8 bytes.
 *
 * Values come in zero-extended and leave with the bits above the size cleared.
 * Flags that the manuals leave undefined get these values: AF is 0 after logic
 * operations and kept by shifts and rotates; OF after a shift or rotate by more
 * than one is what the rule for one gives; BT and its kin change CF alone; the
 * others are at their definition.
 *
 * Reference: APM vol. 3, "General-Purpose Instruction Reference".
 */
#include "exec.h"

static void set_flag(struct alu *a, u64 flag, bool on)
{
	a->flags = on ? a->flags | flag : a->flags & ~flag;
}

static bool top_bit(const struct alu *a, u64 value)
{
	return value & size_sign(a->size);
}

/* SF, ZF and PF as the result says. */
static void flags_of_result(struct alu *a, u64 result)
{
	u8 parity = result;

	parity ^= parity >> 4;
	parity ^= parity >> 2;
	parity ^= parity >> 1;
	set_flag(a, FL_PF, !(parity & 1));
	set_flag(a, FL_ZF, !(result & size_mask(a->size)));
	set_flag(a, FL_SF, top_bit(a, result));
}

static void add_carry(struct alu *a, u64 left, u64 right, u64 carry)
{
	u64 result = (left + right + carry) & size_mask(a->size);

	flags_of_result(a, result);
	set_flag(a, FL_CF, top_bit(a, (left & right) | ((left | right) & ~result)));
	set_flag(a, FL_OF, top_bit(a, (left ^ result) & (right ^ result)));
	set_flag(a, FL_AF, (left ^ right ^ result) & 0x10);
	a->dst = result;
}

static void sub_borrow(struct alu *a, u64 left, u64 right, u64 borrow)
{
	u64 result = (left - right - borrow) & size_mask(a->size);

	flags_of_result(a, result);
	set_flag(a, FL_CF, top_bit(a, (~left & right) | ((~left | right) & result)));
	set_flag(a, FL_OF, top_bit(a, (left ^ right) & (left ^ result)));
	set_flag(a, FL_AF, (left ^ right ^ result) & 0x10);
	a->dst = result;
}

/* left + right: result in @a->dst, flags of ADD */
void x86_alu_add(struct alu *a, u64 left, u64 right)
{
	add_carry(a, left, right, 0);
}

/* left - right: result in @a->dst, flags of SUB and CMP */
void x86_alu_sub(struct alu *a, u64 left, u64 right)
{
	sub_borrow(a, left, right, 0);
}

static void logic(struct alu *a, u64 result)
{
	flags_of_result(a, result);
	a->flags &= ~(FL_CF | FL_OF | FL_AF);
	a->dst = result & size_mask(a->size);
}

/* INC and DEC leave CF alone. */
static void step(struct alu *a, bool up)
{
	u64 carry = a->flags & FL_CF;

	if (up)
		add_carry(a, a->dst, 1, 0);
	else
		sub_borrow(a, a->dst, 1, 0);
	a->flags = (a->flags & ~FL_CF) | carry;
}

static bool arithmetic(enum x86_op op, struct alu *a)
{
	u64 carry = a->flags & FL_CF;

	switch (op) {
	case X86_OP_ADD:
		add_carry(a, a->dst, a->src, 0);
		return true;
	case X86_OP_ADC:
		add_carry(a, a->dst, a->src, carry);
		return true;
	case X86_OP_SUB:
	case X86_OP_CMP:
		sub_borrow(a, a->dst, a->src, 0);
		return true;
	case X86_OP_SBB:
		sub_borrow(a, a->dst, a->src, carry);
		return true;
	case X86_OP_AND:
	case X86_OP_TEST:
		logic(a, a->dst & a->src);
		return true;
	case X86_OP_OR:
		logic(a, a->dst | a->src);
		return true;
	case X86_OP_XOR:
		logic(a, a->dst ^ a->src);
		return true;
	case X86_OP_INC:
	case X86_OP_DEC:
		step(a, op == X86_OP_INC);
		return true;
	case X86_OP_NEG:
		sub_borrow(a, 0, a->dst, 0);
		return true;
	case X86_OP_NOT:
		a->dst = ~a->dst & size_mask(a->size);
		return true;
	default:
		return false;
	}
}

/* ROL by 1..bits-1 or a multiple of bits; @count is not zero. */
static void rotate(struct alu *a, unsigned int count, bool left)
{
	unsigned int bits = 8 * a->size;
	u64 v = a->dst;

	count %= bits;
	if (!left)
		count = (bits - count) % bits;
	if (count)
		v = (v << count | v >> (bits - count)) & size_mask(a->size);
	if (left) {
		set_flag(a, FL_CF, v & 1);
		set_flag(a, FL_OF, top_bit(a, v) != (bool)(v & 1));
	} else {
		set_flag(a, FL_CF, top_bit(a, v));
		set_flag(a, FL_OF, top_bit(a, v) != top_bit(a, v << 1));
	}
	a->dst = v;
}

/* RCL and RCR, bit by bit: a rotation of 8, 16, 32 or 64 bits and CF. */
static void rotate_carry(struct alu *a, unsigned int count, bool left)
{
	bool carry = a->flags & FL_CF;
	u64 v = a->dst;

	count %= 8 * a->size + 1;
	if (!count)
		return;
	while (count--) {
		bool out = left ? top_bit(a, v) : v & 1;

		if (left)
			v = (v << 1 | carry) & size_mask(a->size);
		else
			v = v >> 1 | (carry ? size_sign(a->size) : 0);
		carry = out;
	}
	set_flag(a, FL_CF, carry);
	if (left)
		set_flag(a, FL_OF, top_bit(a, v) != carry);
	else
		set_flag(a, FL_OF, top_bit(a, v) != top_bit(a, v << 1));
	a->dst = v;
}

/*
 * SHL, SHR and SAR of v by 1..63. A count beyond the size shifts everything
 * out; CF is then undefined for SHL and SHR, and 0 here.
 */
static void shift(enum x86_op op, struct alu *a, unsigned int count)
{
	unsigned int bits = 8 * a->size;
	bool sign = top_bit(a, a->dst);
	u64 v = a->dst, wide = v, last;

	switch (op) {
	case X86_OP_SHL:
		last = count <= bits ? v >> (bits - count) & 1 : 0;
		v = (v << count) & size_mask(a->size);
		set_flag(a, FL_OF, top_bit(a, v) != (bool)last);
		break;
	case X86_OP_SHR:
		last = v >> (count - 1) & 1;
		v >>= count;
		set_flag(a, FL_OF, sign);
		break;
	default:
		wide = sign_extend(v, a->size);
		last = (u64)((s64)wide >> (count - 1)) & 1;
		v = (u64)((s64)wide >> count) & size_mask(a->size);
		set_flag(a, FL_OF, false);
		break;
	}
	set_flag(a, FL_CF, last);
	flags_of_result(a, v);
	a->dst = v;
}

/*
 * SHLD and SHRD by 1..63. With 16-bit operands a count above 16 is undefined:
 * the operands are taken as one ring of 32 bits, as P6 and later do.
 */
static void shift_double(struct alu *a, unsigned int count, bool left)
{
	unsigned int bits = 8 * a->size;
	u64 old = a->dst, v, last;

	if (a->size == 2 && count > 16) {
		u64 src = a->src;

		a->src = a->dst;
		a->dst = src;
		count -= 16;
	}
	if (left) {
		last = a->dst >> (bits - count) & 1;
		v = a->dst << count | a->src >> (bits - count);
	} else {
		last = a->dst >> (count - 1) & 1;
		v = a->dst >> count | a->src << (bits - count);
	}
	v &= size_mask(a->size);
	set_flag(a, FL_CF, last);
	set_flag(a, FL_OF, top_bit(a, old ^ v));
	flags_of_result(a, v);
	a->dst = v;
}

static bool shifts(enum x86_op op, struct alu *a)
{
	u64 by = op == X86_OP_SHLD || op == X86_OP_SHRD ? a->src2 : a->src;
	unsigned int count = by & (a->size == 8 ? 63 : 31);

	if (op < X86_OP_ROL || op > X86_OP_SHRD)
		return false;
	if (!count)
		return true;
	switch (op) {
	case X86_OP_ROL:
	case X86_OP_ROR:
		rotate(a, count, op == X86_OP_ROL);
		break;
	case X86_OP_RCL:
	case X86_OP_RCR:
		rotate_carry(a, count, op == X86_OP_RCL);
		break;
	case X86_OP_SHLD:
	case X86_OP_SHRD:
		shift_double(a, count, op == X86_OP_SHLD);
		break;
	default:
		shift(op, a, count);
		break;
	}
	return true;
}

static bool bits(enum x86_op op, struct alu *a)
{
	u64 bit = 1ULL << (a->src & (8 * a->size - 1));

	if (op < X86_OP_BT || op > X86_OP_BTC)
		return false;
	set_flag(a, FL_CF, a->dst & bit);
	if (op == X86_OP_BTS)
		a->dst |= bit;
	else if (op == X86_OP_BTR)
		a->dst &= ~bit;
	else if (op == X86_OP_BTC)
		a->dst ^= bit;
	return true;
}

/*
 * IMUL with a destination register: CF = OF = the product did not fit. The
 * other flags are undefined; SF follows the result, ZF and AF are 0, PF follows
 * the result.
 */
static void multiply(struct alu *a)
{
	u64 high, low;

	low = x86_widening_mul(a->src, a->src2, a->size, true, &high);
	flags_of_result(a, low);
	a->flags &= ~(FL_ZF | FL_AF | FL_CF | FL_OF);
	if (high != (top_bit(a, low) ? size_mask(a->size) : 0))
		a->flags |= FL_CF | FL_OF;
	a->dst = low;
}

/* Apply @op; false if it is none of these. */
bool x86_alu(enum x86_op op, struct alu *a)
{
	if (op == X86_OP_IMUL2) {
		multiply(a);
		return true;
	}
	return arithmetic(op, a) || shifts(op, a) || bits(op, a);
}

/* The condition in the low four bits of Jcc, SETcc and CMOVcc opcodes. */
bool x86_condition(u64 flags, u8 cc)
{
	bool less = !(flags & FL_SF) != !(flags & FL_OF);
	bool met;

	switch ((cc >> 1) & 7) {
	case 0:
		met = flags & FL_OF;
		break;
	case 1:
		met = flags & FL_CF;
		break;
	case 2:
		met = flags & FL_ZF;
		break;
	case 3:
		met = flags & (FL_CF | FL_ZF);
		break;
	case 4:
		met = flags & FL_SF;
		break;
	case 5:
		met = flags & FL_PF;
		break;
	case 6:
		met = less;
		break;
	default:
		met = less || flags & FL_ZF;
		break;
	}
	return met != (cc & 1);
}
