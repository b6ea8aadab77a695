// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operands of the VMX instructions: from the CPU's instruction information where
 * it gives one, else from the bytes at RIP.  Both end as a decoded instruction,
 * so that core's address calculation with its segment and canonical checks
 * serves either.
 */
#include "core/events.h"
#include "core/insn.h"
#include "mmu/gva.h"
#include "mmu/mmu.h"
#include "nvmx/insn.h"
#include "nvmx/insn_info.h"

static void get_seg(struct x86_emul *x, unsigned int seg, struct x86_seg *out)
{
	static const u8 ids[] = {
		[X86_SEG_ES] = SEG_ES, [X86_SEG_CS] = SEG_CS, [X86_SEG_SS] = SEG_SS,
		[X86_SEG_DS] = SEG_DS, [X86_SEG_FS] = SEG_FS, [X86_SEG_GS] = SEG_GS,
		[X86_SEG_TR] = SEG_TR, [X86_SEG_LDTR] = SEG_LDTR,
	};
	const struct guest_seg *s = run_seg(x->priv, ids[seg & 7]);

	*out = (struct x86_seg){
		.base = s->base, .limit = s->limit, .attrib = s->attrib, .selector = s->sel,
	};
}

/* An address needs segments and nothing else. */
static const struct x86_emul_ops seg_ops = { .seg = get_seg };

/* 0, or as vcpu_fetch(); the bytes may have changed since the CPU looked at them. */
static int from_bytes(struct nestor_vcpu *vcpu, struct nvmx_operand *op)
{
	static const u8 ops[NR_VMX_INSNS] = {
		[INSN_VMCALL] = X86_OP_VMCALL, [INSN_VMCLEAR] = X86_OP_VMCLEAR,
		[INSN_VMLAUNCH] = X86_OP_VMLAUNCH, [INSN_VMPTRLD] = X86_OP_VMPTRLD,
		[INSN_VMPTRST] = X86_OP_VMPTRST, [INSN_VMREAD] = X86_OP_VMREAD,
		[INSN_VMRESUME] = X86_OP_VMRESUME, [INSN_VMWRITE] = X86_OP_VMWRITE,
		[INSN_VMXOFF] = X86_OP_VMXOFF, [INSN_VMXON] = X86_OP_VMXON,
		[INSN_INVEPT] = X86_OP_INVEPT, [INSN_INVVPID] = X86_OP_INVVPID,
		[INSN_VMFUNC] = X86_OP_VMFUNC,
	};
	struct x86_insn *insn = &op->emul.insn;
	u8 bytes[MAX_INSN_LEN];
	unsigned int len;
	u32 info;
	int r;

	r = vcpu_fetch(vcpu, insn, bytes, &len);
	if (r)
		return r;
	if (insn->op != ops[vcpu->run->exit.index])
		return -EAGAIN;
	info = nvmx_insn_info(insn);
	op->reg = info & INFO_REGISTER;
	op->reg1 = info_reg1(info);
	op->reg2 = info_reg2(info);
	return 0;
}

static void from_info(struct nestor_vcpu *vcpu, struct nvmx_operand *op)
{
	const struct guest_exit *x = &vcpu->run->exit;
	/* Bit 10 is undefined but for these two. */
	bool may_be_reg = x->index == INSN_VMREAD || x->index == INSN_VMWRITE;

	op->reg = may_be_reg && (x->insn_info & INFO_REGISTER);
	op->reg1 = info_reg1(x->insn_info);
	op->reg2 = info_reg2(x->insn_info);
	if (!op->reg)
		nvmx_insn_from_info(&op->emul.insn, x->insn_info, x->qual,
				    vcpu_x86_mode(vcpu->run));
}

enum nested_result nvmx_operand(struct nestor_vcpu *vcpu, struct nvmx_operand *op)
{
	int r;

	if (vcpu->run->exit.has_qual) {
		from_info(vcpu, op);
		return NESTED_OK;
	}
	r = from_bytes(vcpu, op);
	if (r)
		return r == -EAGAIN ? NESTED_RETRY : NESTED_UD;
	return op->emul.insn.ud ? NESTED_UD : NESTED_OK;
}

static bool flat_address(struct nestor_vcpu *vcpu, u64 *addr)
{
	const struct guest_exit *x = &vcpu->run->exit;

	return x->has_qual && !vcpu_in_l2(vcpu) && nvmx_is64(vcpu->run) &&
	       info_flat_address(x->insn_info, x->qual, vcpu->run->gpr, addr);
}

bool nvmx_operand_known(struct nestor_vcpu *vcpu, void *data, unsigned int len)
{
	u64 addr;

	return flat_address(vcpu, &addr) && gva_read_known(vcpu, addr, data, len);
}

bool nvmx_operand_put(struct nestor_vcpu *vcpu, const void *data, unsigned int len)
{
	u64 addr;

	return flat_address(vcpu, &addr) && gva_write_known(vcpu, addr, data, len);
}

static enum nested_result linear(struct nestor_vcpu *vcpu, struct nvmx_operand *op,
				 unsigned int len, unsigned int access, u64 *addr)
{
	struct guest_run *run = vcpu->run;
	struct x86_emul *x = &op->emul;
	enum x86_result r;

	run_need(run, GRP_CR);
	memcpy(op->regs.gpr, run->gpr, sizeof(op->regs.gpr));
	op->regs.rip = run->rip;
	op->regs.rflags = run->rflags;
	x->ops = &seg_ops;
	x->priv = run;
	x->regs = &op->regs;
	x->cr0 = run->cr0;
	x->cr4 = run->cr4;
	x->cpl = run->cpl;
	r = x86_emul_address(x, len, access, addr);
	if (r == X86_EMUL_OK)
		return NESTED_OK;
	if (r != X86_EMUL_FAULT)
		return NESTED_UD;
	queue_exception_error(vcpu, x->fault.vector, 0);
	return NESTED_FAULT;
}

/* An EPT violation of L2 on the way is L1's already; a page fault of this run is raised here. */
static enum nested_result page_fault(struct nestor_vcpu *vcpu, const struct gva_fault *fault)
{
	if (!fault->reflected)
		queue_page_fault(vcpu, fault->error, fault->addr);
	return NESTED_FAULT;
}

static u32 page_access(const struct nestor_vcpu *vcpu)
{
	return vcpu->run->cpl == 3 ? ACC_USER : 0;
}

enum nested_result nvmx_operand_read(struct nestor_vcpu *vcpu, struct nvmx_operand *op, void *data,
				     unsigned int len)
{
	struct gva_fault fault = {};
	enum nested_result res;
	u64 addr;

	res = linear(vcpu, op, len, X86_ACC_READ, &addr);
	if (res != NESTED_OK)
		return res;
	while (len) {
		unsigned int n = min_t(unsigned int, len, PAGE_SIZE - (addr & ~PAGE_MASK));
		int r = gva_read(vcpu, addr, data, n, page_access(vcpu), &fault);

		if (r == -ENXIO)
			memset(data, 0xff, n);
		else if (r)
			return page_fault(vcpu, &fault);
		addr += n;
		data += n;
		len -= n;
	}
	return NESTED_OK;
}

enum nested_result nvmx_operand_write(struct nestor_vcpu *vcpu, struct nvmx_operand *op,
				      const void *data, unsigned int len)
{
	struct gva_fault fault = {};
	enum nested_result res;
	u64 addr;
	int r;

	res = linear(vcpu, op, len, X86_ACC_WRITE, &addr);
	if (res != NESTED_OK)
		return res;
	r = gva_write(vcpu, addr, data, len, page_access(vcpu), &fault);
	return r && r != -ENXIO ? page_fault(vcpu, &fault) : NESTED_OK;
}
