// SPDX-License-Identifier: GPL-2.0-only
/*
 * IN and OUT, and who may use a port.
 *
 * The hardware checks permission before it reports a port access, but the bytes
 * emulated may have been changed since by another CPU, so check again: a
 * process must not get at a port that its kernel denies it.
 *
 * Reference: APM vol. 2, "Protecting Memory and I/O", "I/O-Permission Bitmap";
 * SDM vol. 1, "Protected-Mode I/O".
 */
#include "exec.h"

#define TSS_TYPE_AVAILABLE	9
#define TSS_TYPE_BUSY		11
#define TSS_IOMAP_BASE		102
#define TSS_MIN_LIMIT		103

static enum x86_result tss_read(struct x86_emul *ctxt, const struct x86_seg *tr,
				u32 offset, u16 *value)
{
	u64 addr = tr->base + offset;

	if (ctxt->insn.mode != X86_MODE_64)
		addr = (u32)addr;
	*value = 0;
	return ctxt->ops->read(ctxt, addr, value, 2, X86_ACC_READ | X86_ACC_IMPLICIT);
}

/* Look at the permission bits of ports @port..@port+@size-1 in the TSS. */
static enum x86_result check_bitmap(struct x86_emul *ctxt, u16 port, unsigned int size)
{
	enum x86_result r;
	struct x86_seg tr;
	u16 base, bits;
	u8 type;

	ctxt->ops->seg(ctxt, X86_SEG_TR, &tr);
	type = tr.attrib & X86_SEG_TYPE;
	if (!(tr.attrib & X86_SEG_P) || tr.limit < TSS_MIN_LIMIT ||
	    (type != TSS_TYPE_AVAILABLE && type != TSS_TYPE_BUSY))
		return x86_fault(ctxt, X86_VEC_GP);
	r = tss_read(ctxt, &tr, TSS_IOMAP_BASE, &base);
	if (r)
		return r;
	/* Two bytes are read whatever the size, so both must be inside. */
	if ((u32)base + port / 8 + 1 > tr.limit)
		return x86_fault(ctxt, X86_VEC_GP);
	r = tss_read(ctxt, &tr, (u32)base + port / 8, &bits);
	if (r)
		return r;
	if (bits >> (port & 7) & ((1u << size) - 1))
		return x86_fault(ctxt, X86_VEC_GP);
	return X86_EMUL_OK;
}

/* OK, or #GP(0) where privilege and the I/O-permission bitmap deny the port. */
enum x86_result x86_io_permitted(struct x86_emul *ctxt, u16 port, unsigned int size)
{
	unsigned int iopl = (ctxt->work.rflags & FL_IOPL) >> 12;

	if (ctxt->insn.mode == X86_MODE_REAL)
		return X86_EMUL_OK;
	if (ctxt->insn.mode != X86_MODE_VM86 && ctxt->cpl <= iopl)
		return X86_EMUL_OK;
	return check_bitmap(ctxt, port, size);
}

enum x86_result x86_exec_io(struct x86_emul *ctxt)
{
	const struct x86_insn *insn = &ctxt->insn;
	bool in = insn->op == X86_OP_IN;
	const struct x86_operand *where = in ? &insn->src : &insn->dst;
	unsigned int size = in ? insn->dst.size : insn->src.size;
	enum x86_result r;
	u64 port, value = 0;

	r = x86_load(ctxt, where, &port);
	if (!r)
		r = x86_io_permitted(ctxt, port, size);
	if (r)
		return r;
	if (!in) {
		value = ctxt->work.gpr[X86_RAX];
		return ctxt->ops->pio_out(ctxt, port, size, &value, 1);
	}
	r = ctxt->ops->pio_in(ctxt, port, size, &value, 1);
	if (!r)
		x86_write_gpr(ctxt, X86_RAX, size, value);
	return r;
}
