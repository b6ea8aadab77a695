// SPDX-License-Identifier: GPL-2.0-only
/*
 * String instructions: MOVS, CMPS, STOS, LODS, SCAS, INS, OUTS.
 *
 * One function does one iteration on ctxt->work. The loop around it counts rCX
 * down and commits after every iteration, so that a fault or an exit to the VMM
 * in the middle leaves the registers at the iteration that did not happen, as
 * the CPU does. Flags of CMPS and SCAS become visible with the last iteration.
 * A bounded number of iterations is done in one call: the guest must stay
 * interruptible.
 *
 * A repeated INS or OUTS upwards takes as many items in one iteration as lie on
 * one page. The order is then: permission, memory checks, port, memory, so that
 * nothing taken from a port can be lost.
 *
 * Reference: APM vol. 3, "REPx and REPNZx Prefixes" and the instructions' pages.
 */
#include "exec.h"

struct str {
	struct x86_emul *ctxt;
	unsigned int size;	/* bytes of an item */
	unsigned int count;	/* items this iteration may do; then: has done */
	bool compares;		/* CMPS or SCAS */
};

static u64 index_get(const struct x86_emul *ctxt, unsigned int reg)
{
	return ctxt->work.gpr[reg] & size_mask(ctxt->insn.adsize);
}

static void index_add(struct x86_emul *ctxt, unsigned int reg, s64 delta)
{
	x86_write_gpr(ctxt, reg, ctxt->insn.adsize, ctxt->work.gpr[reg] + (u64)delta);
}

static s64 step(const struct str *s)
{
	s64 bytes = (s64)s->size * s->count;

	return s->ctxt->work.rflags & FL_DF ? -bytes : bytes;
}

static unsigned int batch_flag(const struct str *s)
{
	return s->count > 1 ? X86_ACC_BATCH : 0;
}

/* The item at seg:rSI, with overrides, and at ES:rDI, without. */
static enum x86_result source(struct str *s, unsigned int access, u64 *addr)
{
	return x86_linear(s->ctxt, s->ctxt->insn.seg, index_get(s->ctxt, X86_RSI),
			  s->size * s->count, access, addr);
}

static enum x86_result destination(struct str *s, unsigned int access, u64 *addr)
{
	return x86_linear(s->ctxt, X86_SEG_ES, index_get(s->ctxt, X86_RDI),
			  s->size * s->count, access, addr);
}

static enum x86_result read_source(struct str *s, void *buf)
{
	enum x86_result r;
	u64 addr;

	r = source(s, X86_ACC_READ, &addr);
	if (r)
		return r;
	return s->ctxt->ops->read(s->ctxt, addr, buf, s->size * s->count,
				  X86_ACC_READ | batch_flag(s));
}

static enum x86_result read_destination(struct str *s, void *buf)
{
	enum x86_result r;
	u64 addr;

	r = destination(s, X86_ACC_READ, &addr);
	if (r)
		return r;
	return s->ctxt->ops->read(s->ctxt, addr, buf, s->size, X86_ACC_READ);
}

static enum x86_result write_destination(struct str *s, const void *buf)
{
	enum x86_result r;
	u64 addr;

	r = destination(s, X86_ACC_WRITE, &addr);
	if (r)
		return r;
	return s->ctxt->ops->write(s->ctxt, addr, buf, s->size * s->count, X86_ACC_WRITE);
}

static enum x86_result do_movs(struct str *s)
{
	enum x86_result r;
	u64 value = 0;

	r = read_source(s, &value);
	if (!r)
		r = write_destination(s, &value);
	if (r)
		return r;
	index_add(s->ctxt, X86_RSI, step(s));
	index_add(s->ctxt, X86_RDI, step(s));
	return X86_EMUL_OK;
}

static enum x86_result do_stos(struct str *s)
{
	enum x86_result r;

	r = write_destination(s, &s->ctxt->work.gpr[X86_RAX]);
	if (!r)
		index_add(s->ctxt, X86_RDI, step(s));
	return r;
}

static enum x86_result do_lods(struct str *s)
{
	enum x86_result r;
	u64 value = 0;

	r = read_source(s, &value);
	if (r)
		return r;
	x86_write_gpr(s->ctxt, X86_RAX, s->size, value);
	index_add(s->ctxt, X86_RSI, step(s));
	return X86_EMUL_OK;
}

static void compare(struct str *s, u64 left, u64 right)
{
	struct alu a = { .size = s->size, .flags = s->ctxt->work.rflags };

	x86_alu_sub(&a, left & size_mask(s->size), right);
	s->ctxt->work.rflags = (s->ctxt->work.rflags & ~FL_ARITH) | (a.flags & FL_ARITH);
}

static enum x86_result do_cmps(struct str *s)
{
	u64 left = 0, right = 0;
	enum x86_result r;

	r = read_source(s, &left);
	if (!r)
		r = read_destination(s, &right);
	if (r)
		return r;
	compare(s, left, right);
	index_add(s->ctxt, X86_RSI, step(s));
	index_add(s->ctxt, X86_RDI, step(s));
	return X86_EMUL_OK;
}

static enum x86_result do_scas(struct str *s)
{
	enum x86_result r;
	u64 right = 0;

	r = read_destination(s, &right);
	if (r)
		return r;
	compare(s, s->ctxt->work.gpr[X86_RAX], right);
	index_add(s->ctxt, X86_RDI, step(s));
	return X86_EMUL_OK;
}

/*
 * How many items a port string may move at once: upwards, on the page that
 * @addr is on, without the index wrapping. At least one.
 */
static unsigned int pio_batch(const struct str *s, unsigned int reg, u64 addr)
{
	const struct x86_emul *ctxt = s->ctxt;
	u64 room = min(0x1000 - (addr & 0xfff), (u64)X86_EMUL_PIO_MAX) / s->size;
	u64 wrap = (size_mask(ctxt->insn.adsize) - index_get(ctxt, reg)) / s->size;

	if (ctxt->work.rflags & FL_DF)
		return 1;
	return max(1ULL, min((u64)s->count, min(room, wrap)));
}

/* What may fail before the port is touched: INS looks, OUTS reads. */
static enum x86_result port_memory(struct str *s, void *buf, u64 *addr)
{
	struct x86_emul *ctxt = s->ctxt;
	enum x86_result r;

	if (ctxt->insn.op == X86_OP_OUTS)
		return read_source(s, buf);
	r = destination(s, X86_ACC_WRITE, addr);
	if (r)
		return r;
	return ctxt->ops->probe(ctxt, *addr, s->size * s->count,
				X86_ACC_WRITE | batch_flag(s));
}

/* Items to try for first: what pio_batch() says about the first one's address. */
static enum x86_result port_count(struct str *s)
{
	bool in = s->ctxt->insn.op == X86_OP_INS;
	unsigned int wanted = s->count;
	enum x86_result r;
	u64 addr;

	s->count = 1;
	r = in ? destination(s, X86_ACC_WRITE, &addr) : source(s, X86_ACC_READ, &addr);
	if (r)
		return r;
	s->count = wanted;
	s->count = pio_batch(s, in ? X86_RDI : X86_RSI, addr);
	return X86_EMUL_OK;
}

/*
 * INS and OUTS. A batch that a segment limit or a device in the way refuses is
 * tried again as one item: nothing has happened yet, and the fault, if it is
 * one, then names the right item.
 */
static enum x86_result do_port(struct str *s)
{
	struct x86_emul *ctxt = s->ctxt;
	bool in = ctxt->insn.op == X86_OP_INS;
	u16 port = ctxt->work.gpr[X86_RDX];
	u8 buf[X86_EMUL_PIO_MAX];
	enum x86_result r;
	u64 addr = 0;

	r = x86_io_permitted(ctxt, port, s->size);
	if (!r)
		r = port_count(s);
	if (r)
		return r;
	r = port_memory(s, buf, &addr);
	if (s->count > 1 && (r == X86_EMUL_UNHANDLED || r == X86_EMUL_FAULT)) {
		s->count = 1;
		r = port_memory(s, buf, &addr);
	}
	if (r)
		return r;
	if (in) {
		r = ctxt->ops->pio_in(ctxt, port, s->size, buf, s->count);
		if (!r)
			r = ctxt->ops->write(ctxt, addr, buf, s->size * s->count,
					     X86_ACC_WRITE | batch_flag(s));
	} else {
		r = ctxt->ops->pio_out(ctxt, port, s->size, buf, s->count);
	}
	if (!r)
		index_add(ctxt, in ? X86_RDI : X86_RSI, step(s));
	return r;
}

static enum x86_result iterate(struct str *s)
{
	switch (s->ctxt->insn.op) {
	case X86_OP_MOVS:
		return do_movs(s);
	case X86_OP_STOS:
		return do_stos(s);
	case X86_OP_LODS:
		return do_lods(s);
	case X86_OP_CMPS:
		return do_cmps(s);
	case X86_OP_SCAS:
		return do_scas(s);
	default:
		return do_port(s);
	}
}

/* REPE goes on while equal, REPNE while not; the others take either as REP. */
static bool condition_ends(const struct str *s)
{
	bool equal = s->ctxt->work.rflags & FL_ZF;

	if (!s->compares)
		return false;
	return equal == !!(s->ctxt->insn.prefixes & X86_PFX_REPNE);
}

static enum x86_result repeat(struct str *s, bool batches)
{
	struct x86_emul *ctxt = s->ctxt;
	u64 next = ctxt->work.rip, count;
	enum x86_result r;
	unsigned int i;

	for (i = 0; i < X86_EMUL_REP_MAX; i++) {
		count = index_get(ctxt, X86_RCX);
		if (!count)
			return X86_EMUL_OK;
		s->count = batches ? min(count, (u64)X86_EMUL_PIO_MAX) : 1;
		r = iterate(s);
		if (r)
			return r;
		index_add(ctxt, X86_RCX, -(s64)s->count);
		if (count == s->count || condition_ends(s))
			return X86_EMUL_OK;
		ctxt->work.rflags = ctxt->regs->rflags;
		ctxt->work.rip = ctxt->regs->rip;
		x86_commit(ctxt);
		ctxt->work.rip = next;
	}
	return X86_EMUL_RESTART;
}

enum x86_result x86_exec_string(struct x86_emul *ctxt)
{
	const struct x86_insn *insn = &ctxt->insn;
	bool port = insn->op == X86_OP_INS || insn->op == X86_OP_OUTS;
	struct str s = {
		.ctxt = ctxt,
		.size = insn->flags & D_BYTE ? 1 : insn->opsize,
		.count = 1,
		.compares = insn->op == X86_OP_CMPS || insn->op == X86_OP_SCAS,
	};

	if (port && s.size == 8)
		s.size = 4;
	if (insn->prefixes & (X86_PFX_REP | X86_PFX_REPNE))
		return repeat(&s, port);
	return iterate(&s);
}
