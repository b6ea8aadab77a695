// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operands: registers, addresses, segmentation, the stack.
 *
 * Everything works on ctxt->work; the caller's registers are not touched here.
 * Segment checks are complete before an op is called: an op sees linear
 * addresses only.
 *
 * Reference: APM vol. 2, "Segmented Virtual Memory", "Limit Checks", "Type
 * Checks" and "Canonical Address Form"; SDM vol. 3, "Limit Checking".
 */
#include "exec.h"

#define CR4_LA57	BIT_ULL(12)

/* Record an exception; those with an error code get 0. */
enum x86_result x86_fault(struct x86_emul *ctxt, u8 vector)
{
	ctxt->fault = (struct x86_fault){
		.vector = vector,
		.has_error = vector >= 10 && ctxt->insn.mode != X86_MODE_REAL,
	};
	return X86_EMUL_FAULT;
}

static enum x86_result seg_fault(struct x86_emul *ctxt, unsigned int seg)
{
	return x86_fault(ctxt, seg == X86_SEG_SS ? X86_VEC_SS : X86_VEC_GP);
}

u64 x86_read_gpr(const struct x86_emul *ctxt, const struct x86_operand *o)
{
	u64 value = ctxt->work.gpr[o->reg];

	return (o->high ? value >> 8 : value) & size_mask(o->size);
}

/* Set a register: 32 bits clear the upper half, 16 and 8 keep the rest. */
void x86_write_gpr(struct x86_emul *ctxt, unsigned int reg, unsigned int size, u64 value)
{
	u64 *gpr = &ctxt->work.gpr[reg];
	u64 mask = size_mask(size);

	if (size == 4)
		*gpr = (u32)value;
	else
		*gpr = (*gpr & ~mask) | (value & mask);
}

static void write_operand(struct x86_emul *ctxt, const struct x86_operand *o, u64 value)
{
	u64 *gpr = &ctxt->work.gpr[o->reg];

	if (o->high)
		*gpr = (*gpr & ~0xff00ULL) | (value & 0xff) << 8;
	else
		x86_write_gpr(ctxt, o->reg, o->size, value);
}

/* Offset of the memory operand within its segment. */
u64 x86_effective_address(const struct x86_emul *ctxt)
{
	const struct x86_insn *insn = &ctxt->insn;
	u64 ea = insn->disp;

	if (insn->base == X86_REG_RIP)
		ea += ctxt->regs->rip + insn->length;
	else if (insn->base != X86_REG_NONE)
		ea += ctxt->work.gpr[insn->base];
	if (insn->index != X86_REG_NONE)
		ea += ctxt->work.gpr[insn->index] << insn->scale;
	return ea & size_mask(insn->adsize);
}

bool x86_canonical(const struct x86_emul *ctxt, u64 addr)
{
	unsigned int shift = ctxt->cr4 & CR4_LA57 ? 7 : 16;

	return (u64)((s64)(addr << shift) >> shift) == addr;
}

static bool is_code(const struct x86_seg *s)
{
	return s->attrib & X86_SEG_CODE;
}

static bool within_limit(const struct x86_seg *s, u64 offset, unsigned int len)
{
	u64 last = offset + len - 1;

	if (!is_code(s) && s->attrib & X86_SEG_EXPDOWN)
		return offset > s->limit &&
		       last <= (s->attrib & X86_SEG_DB ? 0xffffffffULL : 0xffffULL);
	return last <= s->limit;
}

static bool type_allows(const struct x86_seg *s, unsigned int access)
{
	bool rw = s->attrib & X86_SEG_RW;

	if (!(s->attrib & X86_SEG_P))
		return false;
	if (is_code(s))
		return !(access & X86_ACC_WRITE) && rw;
	return !(access & X86_ACC_WRITE) || rw;
}

/*
 * Turn @seg:@offset into a linear address after the checks for an access of
 * @len bytes. Real and virtual-8086 mode check the limit only.
 */
enum x86_result x86_linear(struct x86_emul *ctxt, unsigned int seg, u64 offset,
			   unsigned int len, unsigned int access, u64 *linear)
{
	struct x86_seg s;

	ctxt->ops->seg(ctxt, seg, &s);
	if (ctxt->insn.mode == X86_MODE_64) {
		if (seg == X86_SEG_FS || seg == X86_SEG_GS)
			offset += s.base;
		if (!x86_canonical(ctxt, offset) || !x86_canonical(ctxt, offset + len - 1))
			return seg_fault(ctxt, seg);
		*linear = offset;
		return X86_EMUL_OK;
	}
	if (ctxt->insn.mode >= X86_MODE_16 && !type_allows(&s, access))
		return seg_fault(ctxt, seg);
	if (!within_limit(&s, offset, len))
		return seg_fault(ctxt, seg);
	*linear = (u32)(s.base + offset);
	return X86_EMUL_OK;
}

/* The address alone; what INVLPG and its like need. */
static u64 linear_unchecked(struct x86_emul *ctxt, unsigned int seg, u64 offset)
{
	struct x86_seg s;

	ctxt->ops->seg(ctxt, seg, &s);
	if (ctxt->insn.mode != X86_MODE_64)
		return (u32)(s.base + offset);
	return seg == X86_SEG_FS || seg == X86_SEG_GS ? s.base + offset : offset;
}

enum x86_result x86_emul_address(struct x86_emul *ctxt, unsigned int len,
				 unsigned int access, u64 *linear)
{
	const struct x86_insn *insn = &ctxt->insn;
	u64 offset;

	if (!(insn->has_modrm && insn->modrm < 0xc0) && !(insn->flags & D_MOFFS))
		return X86_EMUL_UNHANDLED;
	ctxt->work = *ctxt->regs;
	offset = x86_effective_address(ctxt);
	if (access)
		return x86_linear(ctxt, insn->seg, offset, len, access, linear);
	*linear = linear_unchecked(ctxt, insn->seg, offset);
	return X86_EMUL_OK;
}

static enum x86_result load_memory(struct x86_emul *ctxt, unsigned int size, u64 *value)
{
	enum x86_result r;
	u64 addr;

	*value = 0;
	r = x86_linear(ctxt, ctxt->insn.seg, x86_effective_address(ctxt), size,
		       X86_ACC_READ, &addr);
	if (r)
		return r;
	return ctxt->ops->read(ctxt, addr, value, size, X86_ACC_READ);
}

/* The value of a source operand, zero-extended. */
enum x86_result x86_load(struct x86_emul *ctxt, const struct x86_operand *o, u64 *value)
{
	struct x86_seg s;

	*value = 0;
	switch (o->type) {
	case X86_OPND_NONE:
		return X86_EMUL_OK;
	case X86_OPND_REG:
		*value = x86_read_gpr(ctxt, o);
		return X86_EMUL_OK;
	case X86_OPND_IMM:
		*value = ctxt->insn.imm & size_mask(o->size);
		return X86_EMUL_OK;
	case X86_OPND_SEG:
		ctxt->ops->seg(ctxt, o->reg, &s);
		*value = s.selector;
		return X86_EMUL_OK;
	case X86_OPND_MEM:
		return load_memory(ctxt, o->size, value);
	default:
		return X86_EMUL_UNHANDLED;
	}
}

/* Check a memory destination at @offset and keep its linear address. */
enum x86_result x86_dst_address(struct x86_emul *ctxt, u64 offset, unsigned int access)
{
	return x86_linear(ctxt, ctxt->insn.seg, offset, ctxt->insn.dst.size,
			  access, &ctxt->mem_addr);
}

/* The old value of the destination; its address is known already. */
enum x86_result x86_load_dst(struct x86_emul *ctxt, unsigned int access, u64 *value)
{
	const struct x86_operand *o = &ctxt->insn.dst;

	if (o->type != X86_OPND_MEM)
		return x86_load(ctxt, o, value);
	*value = 0;
	return ctxt->ops->read(ctxt, ctxt->mem_addr, value, o->size, access);
}

/* Store the destination; @old is what x86_load_dst() gave, for locked writes. */
enum x86_result x86_store_dst(struct x86_emul *ctxt, u64 old, u64 value)
{
	const struct x86_insn *insn = &ctxt->insn;
	const struct x86_operand *o = &insn->dst;

	if (o->type == X86_OPND_REG) {
		write_operand(ctxt, o, value);
		return X86_EMUL_OK;
	}
	/* XCHG with memory locks by itself. */
	if (insn->prefixes & X86_PFX_LOCK || insn->op == X86_OP_XCHG)
		return (ctxt->ops->cmpxchg)(ctxt, ctxt->mem_addr, &old, &value, o->size);
	return ctxt->ops->write(ctxt, ctxt->mem_addr, &value, o->size, X86_ACC_WRITE);
}

unsigned int x86_stack_width(struct x86_emul *ctxt)
{
	struct x86_seg s;

	if (ctxt->insn.mode == X86_MODE_64)
		return 8;
	ctxt->ops->seg(ctxt, X86_SEG_SS, &s);
	return s.attrib & X86_SEG_DB ? 4 : 2;
}

enum x86_result x86_push(struct x86_emul *ctxt, u64 value, unsigned int size)
{
	unsigned int width = x86_stack_width(ctxt);
	u64 sp = (ctxt->work.gpr[X86_RSP] - size) & size_mask(width);
	enum x86_result r;
	u64 addr;

	r = x86_linear(ctxt, X86_SEG_SS, sp, size, X86_ACC_WRITE, &addr);
	if (r)
		return r;
	r = ctxt->ops->write(ctxt, addr, &value, size, X86_ACC_WRITE);
	if (r)
		return r;
	x86_write_gpr(ctxt, X86_RSP, width, sp);
	return X86_EMUL_OK;
}

enum x86_result x86_pop(struct x86_emul *ctxt, unsigned int size, u64 *value)
{
	unsigned int width = x86_stack_width(ctxt);
	u64 sp = ctxt->work.gpr[X86_RSP] & size_mask(width);
	enum x86_result r;
	u64 addr;

	*value = 0;
	r = x86_linear(ctxt, X86_SEG_SS, sp, size, X86_ACC_READ, &addr);
	if (r)
		return r;
	r = ctxt->ops->read(ctxt, addr, value, size, X86_ACC_READ);
	if (r)
		return r;
	x86_write_gpr(ctxt, X86_RSP, width, sp + size);
	return X86_EMUL_OK;
}

/* Near branch; @rip has been cut to the operand size. */
enum x86_result x86_jump(struct x86_emul *ctxt, u64 rip)
{
	struct x86_seg s;

	if (ctxt->insn.mode == X86_MODE_64) {
		if (!x86_canonical(ctxt, rip))
			return x86_fault(ctxt, X86_VEC_GP);
	} else {
		ctxt->ops->seg(ctxt, X86_SEG_CS, &s);
		if (rip > s.limit)
			return x86_fault(ctxt, X86_VEC_GP);
	}
	ctxt->work.rip = rip;
	return X86_EMUL_OK;
}
