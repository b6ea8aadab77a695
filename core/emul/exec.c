// SPDX-License-Identifier: GPL-2.0-only
/*
 * Execute one decoded instruction.
 *
 * The table names a handler an operation; an operation without one is not
 * covered. Handlers change ctxt->work and memory. Only when a handler returns
 * OK are the registers committed, so that whatever stops an instruction leaves
 * them as they were. A handler therefore does everything that can fail before
 * its last memory write, and nothing that can fail behind it.
 */
#include "exec.h"

#define CR4_UMIP	BIT_ULL(11)

typedef enum x86_result (*handler_fn)(struct x86_emul *ctxt);

/* Make the registers in progress the vCPU's. */
void x86_commit(struct x86_emul *ctxt)
{
	*ctxt->regs = ctxt->work;
	ctxt->ops->retire(ctxt);
}

static void set_flags(struct x86_emul *ctxt, u64 flags)
{
	ctxt->work.rflags = (ctxt->work.rflags & ~FL_ARITH) | (flags & FL_ARITH);
}

/*
 * Bit strings: with the bit number in a register, the operand lies that many
 * bits away, counted in operand sizes from the address given.
 */
static u64 bit_displacement(struct x86_emul *ctxt)
{
	const struct x86_insn *insn = &ctxt->insn;
	unsigned int shift = insn->dst.size == 8 ? 6 : insn->dst.size == 4 ? 5 : 4;
	s64 bit;

	if (insn->op < X86_OP_BT || insn->op > X86_OP_BTC ||
	    insn->src.type != X86_OPND_REG)
		return 0;
	bit = (s64)sign_extend(x86_read_gpr(ctxt, &insn->src), insn->src.size);
	return (u64)(bit >> shift) * insn->dst.size;
}

/* Address and check a memory destination, and read it if it is read. */
static enum x86_result open_dst(struct x86_emul *ctxt, u64 *value)
{
	const struct x86_insn *insn = &ctxt->insn;
	unsigned int access = 0;
	enum x86_result r;
	u64 ea;

	*value = 0;
	if (insn->flags & D_RD)
		access |= X86_ACC_READ;
	if (insn->flags & D_WR)
		access |= X86_ACC_WRITE;
	if (insn->dst.type == X86_OPND_MEM) {
		ea = x86_effective_address(ctxt) + bit_displacement(ctxt);
		r = x86_dst_address(ctxt, ea & size_mask(insn->adsize), access);
		if (r)
			return r;
	}
	return insn->flags & D_RD ? x86_load_dst(ctxt, access, value) : X86_EMUL_OK;
}

static enum x86_result exec_alu(struct x86_emul *ctxt)
{
	const struct x86_insn *insn = &ctxt->insn;
	struct alu a = { .size = insn->dst.size, .flags = ctxt->work.rflags };
	enum x86_result r;
	u64 old;

	r = x86_load(ctxt, &insn->src, &a.src);
	if (!r)
		r = x86_load(ctxt, &insn->src2, &a.src2);
	if (!r)
		r = open_dst(ctxt, &a.dst);
	if (r)
		return r;
	old = a.dst;
	if (!x86_alu(insn->op, &a))
		return X86_EMUL_UNHANDLED;
	if (insn->flags & D_WR) {
		r = x86_store_dst(ctxt, old, a.dst);
		if (r)
			return r;
	}
	set_flags(ctxt, a.flags);
	return X86_EMUL_OK;
}

static u64 swap_bytes(u64 value, unsigned int size)
{
	u64 out = 0;

	while (size--) {
		out = out << 8 | (value & 0xff);
		value >>= 8;
	}
	return out;
}

/* MOV, MOVZX, MOVSX, MOVBE, MOV from segment register */
static enum x86_result exec_mov(struct x86_emul *ctxt)
{
	struct x86_insn *insn = &ctxt->insn;
	enum x86_result r;
	u64 value, old;

	if (insn->op == X86_OP_MOV_FROM_SEG && insn->dst.type == X86_OPND_MEM)
		insn->dst.size = 2;
	r = x86_load(ctxt, &insn->src, &value);
	if (!r)
		r = open_dst(ctxt, &old);
	if (r)
		return r;
	if (insn->op == X86_OP_MOVSX)
		value = sign_extend(value, insn->src.size);
	else if (insn->op == X86_OP_MOVBE)
		value = swap_bytes(value, insn->src.size);
	return x86_store_dst(ctxt, 0, value);
}

static enum x86_result exec_setcc(struct x86_emul *ctxt)
{
	enum x86_result r;
	u64 old;

	r = open_dst(ctxt, &old);
	if (r)
		return r;
	return x86_store_dst(ctxt, 0, x86_condition(ctxt->work.rflags, ctxt->insn.opcode));
}

/* The source is read, and a 32-bit destination extended, in any case. */
static enum x86_result exec_cmovcc(struct x86_emul *ctxt)
{
	enum x86_result r;
	u64 value, old;

	r = x86_load(ctxt, &ctxt->insn.src, &value);
	if (!r)
		r = open_dst(ctxt, &old);
	if (r)
		return r;
	if (!x86_condition(ctxt->work.rflags, ctxt->insn.opcode))
		value = old;
	return x86_store_dst(ctxt, old, value);
}

static enum x86_result exec_lea(struct x86_emul *ctxt)
{
	return x86_store_dst(ctxt, 0, x86_effective_address(ctxt));
}

/* XCHG and XADD: the source is a register and gets the old destination. */
static enum x86_result exec_exchange(struct x86_emul *ctxt)
{
	const struct x86_insn *insn = &ctxt->insn;
	struct alu a = { .size = insn->dst.size, .flags = ctxt->work.rflags };
	enum x86_result r;
	u64 old, src;
	struct x86_regs before = ctxt->work;

	r = open_dst(ctxt, &old);
	if (r)
		return r;
	src = x86_read_gpr(ctxt, &insn->src);
	if (insn->op == X86_OP_XADD)
		x86_alu_add(&a, old, src);
	else
		a.dst = src;
	/* The source first: where both are one register, XADD's sum stays. */
	if (insn->src.high)
		ctxt->work.gpr[insn->src.reg] =
			(before.gpr[insn->src.reg] & ~0xff00ULL) | old << 8;
	else
		x86_write_gpr(ctxt, insn->src.reg, insn->src.size, old);
	set_flags(ctxt, a.flags);
	return x86_store_dst(ctxt, old, a.dst);
}

/*
 * CMPXCHG always writes its destination: the new value, or what was there. A
 * register that gets its old value back is not extended.
 */
static enum x86_result exec_cmpxchg(struct x86_emul *ctxt)
{
	const struct x86_insn *insn = &ctxt->insn;
	struct alu a = { .size = insn->dst.size, .flags = ctxt->work.rflags };
	u64 acc = ctxt->work.gpr[X86_RAX] & size_mask(a.size);
	enum x86_result r;
	u64 old, src;

	r = open_dst(ctxt, &old);
	if (r)
		return r;
	src = x86_read_gpr(ctxt, &insn->src);
	x86_alu_sub(&a, acc, old);
	if (a.flags & FL_ZF)
		r = x86_store_dst(ctxt, old, src);
	else if (insn->dst.type == X86_OPND_MEM)
		r = x86_store_dst(ctxt, old, old);
	if (r)
		return r;
	if (!(a.flags & FL_ZF))
		x86_write_gpr(ctxt, X86_RAX, a.size, old);
	set_flags(ctxt, a.flags);
	return X86_EMUL_OK;
}

static u64 cmpxchg_half(const struct x86_emul *ctxt, unsigned int reg, unsigned int half)
{
	return ctxt->work.gpr[reg] & size_mask(half);
}

/* CMPXCHG8B and, with REX.W, CMPXCHG16B: two halves of 4 or 8 bytes */
static enum x86_result exec_cmpxchg8b(struct x86_emul *ctxt)
{
	unsigned int half = ctxt->insn.rex & X86_REX_W ? 8 : 4, size = 2 * half;
	u8 old[16], new[16];
	u64 low = 0, high = 0, value;
	enum x86_result r;
	bool equal;

	ctxt->insn.dst.size = size;
	r = x86_dst_address(ctxt, x86_effective_address(ctxt), X86_ACC_READ | X86_ACC_WRITE);
	if (r)
		return r;
	if (size == 16 && ctxt->mem_addr & 15)
		return x86_fault(ctxt, X86_VEC_GP);
	r = ctxt->ops->read(ctxt, ctxt->mem_addr, old, size, X86_ACC_READ | X86_ACC_WRITE);
	if (r)
		return r;
	memcpy(&low, old, half);
	memcpy(&high, old + half, half);
	equal = low == cmpxchg_half(ctxt, X86_RAX, half) &&
		high == cmpxchg_half(ctxt, X86_RDX, half);
	memcpy(new, old, size);
	if (equal) {
		value = ctxt->work.gpr[X86_RBX];
		memcpy(new, &value, half);
		value = ctxt->work.gpr[X86_RCX];
		memcpy(new + half, &value, half);
		ctxt->work.rflags |= FL_ZF;
	} else {
		x86_write_gpr(ctxt, X86_RAX, half, low);
		x86_write_gpr(ctxt, X86_RDX, half, high);
		ctxt->work.rflags &= ~FL_ZF;
	}
	if (ctxt->insn.prefixes & X86_PFX_LOCK)
		return (ctxt->ops->cmpxchg)(ctxt, ctxt->mem_addr, old, new, size);
	return ctxt->ops->write(ctxt, ctxt->mem_addr, new, size, X86_ACC_WRITE);
}

/* The double-width accumulator: AX for bytes, else rDX:rAX. */
static void read_acc(const struct x86_emul *ctxt, unsigned int size, u64 *low, u64 *high)
{
	u64 rax = ctxt->work.gpr[X86_RAX];

	*low = rax & size_mask(size);
	*high = (size == 1 ? rax >> 8 : ctxt->work.gpr[X86_RDX]) & size_mask(size);
}

static void write_acc(struct x86_emul *ctxt, unsigned int size, u64 low, u64 high)
{
	if (size == 1) {
		x86_write_gpr(ctxt, X86_RAX, 2, high << 8 | low);
		return;
	}
	x86_write_gpr(ctxt, X86_RAX, size, low);
	x86_write_gpr(ctxt, X86_RDX, size, high);
}

/* MUL and IMUL: SF, ZF, AF and PF are undefined and kept. */
static enum x86_result exec_mul(struct x86_emul *ctxt)
{
	unsigned int size = ctxt->insn.src.size;
	bool is_signed = ctxt->insn.op == X86_OP_IMUL, fits;
	u64 src, low, high;
	enum x86_result r;

	r = x86_load(ctxt, &ctxt->insn.src, &src);
	if (r)
		return r;
	read_acc(ctxt, size, &low, &high);
	low = x86_widening_mul(low, src, size, is_signed, &high);
	fits = high == (is_signed && low & size_sign(size) ? size_mask(size) : 0);
	write_acc(ctxt, size, low, high);
	set_flags(ctxt, fits ? ctxt->work.rflags & ~(FL_CF | FL_OF) :
			       ctxt->work.rflags | FL_CF | FL_OF);
	return X86_EMUL_OK;
}

/* DIV and IDIV: all flags are undefined and kept. */
static enum x86_result exec_div(struct x86_emul *ctxt)
{
	unsigned int size = ctxt->insn.src.size;
	u64 src, low, high;
	enum x86_result r;

	r = x86_load(ctxt, &ctxt->insn.src, &src);
	if (r)
		return r;
	read_acc(ctxt, size, &low, &high);
	if (!x86_narrowing_div(&low, &high, src, size, ctxt->insn.op == X86_OP_IDIV))
		return x86_fault(ctxt, X86_VEC_DE);
	write_acc(ctxt, size, low, high);
	return X86_EMUL_OK;
}

static enum x86_result exec_xlat(struct x86_emul *ctxt)
{
	u64 offset = ctxt->work.gpr[X86_RBX] + (u8)ctxt->work.gpr[X86_RAX];
	enum x86_result r;
	u64 addr;
	u8 value;

	r = x86_linear(ctxt, ctxt->insn.seg, offset & size_mask(ctxt->insn.adsize), 1,
		       X86_ACC_READ, &addr);
	if (!r)
		r = ctxt->ops->read(ctxt, addr, &value, 1, X86_ACC_READ);
	if (r)
		return r;
	x86_write_gpr(ctxt, X86_RAX, 1, value);
	return X86_EMUL_OK;
}

static enum x86_result exec_nop(struct x86_emul *ctxt __maybe_unused)
{
	return X86_EMUL_OK;
}

/* A cache line flush faults as a read of one byte does. */
static enum x86_result exec_clflush(struct x86_emul *ctxt)
{
	enum x86_result r;
	u64 addr;

	r = x86_linear(ctxt, ctxt->insn.seg, x86_effective_address(ctxt), 1,
		       X86_ACC_READ, &addr);
	return r ? r : ctxt->ops->probe(ctxt, addr, 1, X86_ACC_READ);
}

/* SMSW and LMSW; the source of the latter is written to the CR0 that the surroundings have. */
static enum x86_result exec_msw(struct x86_emul *ctxt)
{
	bool reads = ctxt->insn.op == X86_OP_SMSW;
	enum x86_result r;
	u64 value;

	if (!ctxt->msw)
		return X86_EMUL_UNHANDLED;
	if (ctxt->cpl && (!reads || (ctxt->cr4 & CR4_UMIP)))
		return x86_fault(ctxt, X86_VEC_GP);
	if (reads) {
		r = open_dst(ctxt, &value);
		return r ? r : x86_store_dst(ctxt, 0, ctxt->cr0);
	}
	r = x86_load(ctxt, &ctxt->insn.src, &value);
	return r ? r : ctxt->msw(ctxt, value);
}

/* SGDT, SIDT, LGDT, LIDT: limit and base, as one operand */
static enum x86_result exec_dtable(struct x86_emul *ctxt)
{
	const struct x86_insn *insn = &ctxt->insn;
	bool idt = insn->op == X86_OP_SIDT || insn->op == X86_OP_LIDT;
	bool load = insn->op == X86_OP_LGDT || insn->op == X86_OP_LIDT;
	unsigned int len = 2 + (insn->mode == X86_MODE_64 ? 8 : 4);
	struct x86_dtable table;
	enum x86_result r;
	u8 bytes[10] = {};
	u64 addr;

	if (ctxt->cpl && (load || (ctxt->cr4 & CR4_UMIP)))
		return x86_fault(ctxt, X86_VEC_GP);
	r = x86_linear(ctxt, insn->seg, x86_effective_address(ctxt), len,
		       load ? X86_ACC_READ : X86_ACC_WRITE, &addr);
	if (r)
		return r;
	if (!load) {
		r = ctxt->ops->get_dtable(ctxt, idt, &table);
		if (r)
			return r;
		memcpy(bytes, &table.limit, 2);
		memcpy(bytes + 2, &table.base, len - 2);
		return ctxt->ops->write(ctxt, addr, bytes, len, X86_ACC_WRITE);
	}
	r = ctxt->ops->read(ctxt, addr, bytes, len, X86_ACC_READ);
	if (r)
		return r;
	memcpy(&table.limit, bytes, 2);
	memcpy(&table.base, bytes + 2, 8);
	if (insn->mode != X86_MODE_64)
		table.base &= size_mask(insn->opsize == 2 ? 3 : 4);
	else if (!x86_canonical(ctxt, table.base))
		return x86_fault(ctxt, X86_VEC_GP);
	return ctxt->ops->set_dtable(ctxt, idt, &table);
}

static enum x86_result exec_push(struct x86_emul *ctxt)
{
	enum x86_result r;
	u64 value;

	r = x86_load(ctxt, &ctxt->insn.src, &value);
	return r ? r : x86_push(ctxt, value, ctxt->insn.opsize);
}

/* A destination addressed by rSP is addressed by its new value. */
static enum x86_result exec_pop(struct x86_emul *ctxt)
{
	enum x86_result r;
	u64 value, old;

	r = x86_pop(ctxt, ctxt->insn.opsize, &value);
	if (!r)
		r = open_dst(ctxt, &old);
	return r ? r : x86_store_dst(ctxt, 0, value);
}

/* CALL, JMP, RET and Jcc, near; absolute targets come from the operand. */
static enum x86_result exec_branch(struct x86_emul *ctxt)
{
	const struct x86_insn *insn = &ctxt->insn;
	u64 next = ctxt->work.rip, target = next + insn->imm;
	enum x86_result r = X86_EMUL_OK;
	unsigned int width;

	/* What an operand-size prefix means here depends on the vendor. */
	if (insn->mode == X86_MODE_64 && insn->prefixes & X86_PFX_OPSIZE)
		return X86_EMUL_UNHANDLED;
	if (insn->op == X86_OP_CALL || insn->op == X86_OP_JMP)
		r = x86_load(ctxt, &insn->src, &target);
	else if (insn->op == X86_OP_RET)
		r = x86_pop(ctxt, insn->opsize, &target);
	else if (insn->op == X86_OP_JCC && !x86_condition(ctxt->work.rflags, insn->opcode))
		return X86_EMUL_OK;
	if (!r)
		r = x86_jump(ctxt, target & size_mask(insn->opsize));
	if (r)
		return r;
	if (insn->op == X86_OP_CALL || insn->op == X86_OP_CALL_REL)
		return x86_push(ctxt, next, insn->opsize);
	if (insn->op == X86_OP_RET && insn->imm) {
		width = x86_stack_width(ctxt);
		x86_write_gpr(ctxt, X86_RSP, width, ctxt->work.gpr[X86_RSP] + insn->imm);
	}
	return X86_EMUL_OK;
}

static const handler_fn handlers[X86_OP_COUNT] = {
	[X86_OP_MOV] = exec_mov,
	[X86_OP_MOVSX] = exec_mov,
	[X86_OP_MOVBE] = exec_mov,
	[X86_OP_MOV_FROM_SEG] = exec_mov,
	[X86_OP_LEA] = exec_lea,
	[X86_OP_XCHG] = exec_exchange,
	[X86_OP_XADD] = exec_exchange,
	[X86_OP_CMPXCHG] = exec_cmpxchg,
	[X86_OP_CMPXCHG8B] = exec_cmpxchg8b,
	[X86_OP_ADD ... X86_OP_BTC] = exec_alu,
	[X86_OP_MUL] = exec_mul,
	[X86_OP_IMUL] = exec_mul,
	[X86_OP_DIV] = exec_div,
	[X86_OP_IDIV] = exec_div,
	[X86_OP_IMUL2] = exec_alu,
	[X86_OP_SETCC] = exec_setcc,
	[X86_OP_CMOVCC] = exec_cmovcc,
	[X86_OP_XLAT] = exec_xlat,
	[X86_OP_NOP] = exec_nop,
	[X86_OP_CLFLUSH] = exec_clflush,
	[X86_OP_SMSW] = exec_msw,
	[X86_OP_LMSW] = exec_msw,
	[X86_OP_SGDT] = exec_dtable,
	[X86_OP_SIDT] = exec_dtable,
	[X86_OP_LGDT] = exec_dtable,
	[X86_OP_LIDT] = exec_dtable,
	[X86_OP_PUSH] = exec_push,
	[X86_OP_POP] = exec_pop,
	[X86_OP_CALL] = exec_branch,
	[X86_OP_JMP] = exec_branch,
	[X86_OP_RET] = exec_branch,
	[X86_OP_CALL_REL] = exec_branch,
	[X86_OP_JMP_REL] = exec_branch,
	[X86_OP_JCC] = exec_branch,
	[X86_OP_MOVS ... X86_OP_SCAS] = x86_exec_string,
	[X86_OP_IN] = x86_exec_io,
	[X86_OP_OUT] = x86_exec_io,
	[X86_OP_INS] = x86_exec_string,
	[X86_OP_OUTS] = x86_exec_string,
	[X86_OP_VLOAD] = x86_exec_vector,
	[X86_OP_VSTORE] = x86_exec_vector,
};

enum x86_result x86_emulate(struct x86_emul *ctxt)
{
	const struct x86_insn *insn = &ctxt->insn;
	enum x86_result r;

	if (insn->ud)
		return x86_fault(ctxt, X86_VEC_UD);
	if (insn->op >= X86_OP_COUNT || !handlers[insn->op])
		return X86_EMUL_UNHANDLED;
	ctxt->work = *ctxt->regs;
	ctxt->work.rip = x86_emul_next_rip(insn, ctxt->regs->rip);
	r = handlers[insn->op](ctxt);
	if (r)
		return r;
	ctxt->work.rflags &= ~FL_RF;
	x86_commit(ctxt);
	return X86_EMUL_OK;
}
