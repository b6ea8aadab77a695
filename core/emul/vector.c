// SPDX-License-Identifier: GPL-2.0-only
/*
 * SSE and AVX moves between memory and one vector register.
 *
 * A load of less than the vector clears the rest of the XMM register; a VEX
 * load clears the register above as well. Everything is read before anything
 * is written.
 *
 * Reference: APM vol. 4, "Instruction Reference"; APM vol. 2, "SSE, MMX, and x87
 * Programming", "Enabling 128-Bit Media Instructions".
 */
#include "exec.h"

#define CR0_EM		BIT_ULL(2)
#define CR0_TS		BIT_ULL(3)
#define CR4_OSFXSR	BIT_ULL(9)
#define CR4_OSXSAVE	BIT_ULL(18)
#define XCR0_SSE_AVX	(BIT_ULL(1) | BIT_ULL(2))

/* #UD where the extension is not enabled, then #NM for a lazy switch. */
static enum x86_result check_enabled(struct x86_emul *ctxt)
{
	bool enabled;

	if (ctxt->insn.encoding == X86_ENC_VEX)
		enabled = ctxt->cr4 & CR4_OSXSAVE &&
			  (ctxt->xcr0 & XCR0_SSE_AVX) == XCR0_SSE_AVX;
	else
		enabled = !(ctxt->cr0 & CR0_EM) && ctxt->cr4 & CR4_OSFXSR;
	if (!enabled)
		return x86_fault(ctxt, X86_VEC_UD);
	if (ctxt->cr0 & CR0_TS)
		return x86_fault(ctxt, X86_VEC_NM);
	return X86_EMUL_OK;
}

static enum x86_result address(struct x86_emul *ctxt, unsigned int size,
			       unsigned int access, u64 *addr)
{
	enum x86_result r;

	r = x86_linear(ctxt, ctxt->insn.seg, x86_effective_address(ctxt), size,
		       access, addr);
	if (r)
		return r;
	if (ctxt->insn.flags & D_ALIGN && *addr & (size - 1))
		return x86_fault(ctxt, X86_VEC_GP);
	return X86_EMUL_OK;
}

enum x86_result x86_exec_vector(struct x86_emul *ctxt)
{
	const struct x86_insn *insn = &ctxt->insn;
	bool load = insn->op == X86_OP_VLOAD;
	const struct x86_operand *memory = load ? &insn->src : &insn->dst;
	const struct x86_operand *vector = load ? &insn->dst : &insn->src;
	unsigned int access = load ? X86_ACC_READ : X86_ACC_WRITE;
	unsigned int width = memory->size > 16 ? 32 : 16;
	u8 buf[32] = { 0 };
	enum x86_result r;
	u64 addr;

	r = check_enabled(ctxt);
	if (!r)
		r = address(ctxt, memory->size, access, &addr);
	if (r)
		return r;
	if (!load) {
		ctxt->ops->read_vec(ctxt, vector->reg, buf, width);
		return ctxt->ops->write(ctxt, addr, buf, memory->size, access);
	}
	r = ctxt->ops->read(ctxt, addr, buf, memory->size, access);
	if (!r)
		ctxt->ops->write_vec(ctxt, vector->reg, buf, width,
				     insn->encoding == X86_ENC_VEX);
	return r;
}
