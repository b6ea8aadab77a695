/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the files that carry out VMX instructions. */
#ifndef NESTOR_NVMX_INSN_H
#define NESTOR_NVMX_INSN_H

#include "core/emul/emul.h"
#include "nvmx/nvmx.h"

/* How an instruction failed: insn_fail.def. */
enum nvmx_failure {
#define X(id, outcome) FAIL_##id,
#include "nvmx/insn_fail.def"
#undef X
	NR_NVMX_FAILURES
};

/* Ids of these in verdicts; those of checks.def are below. */
#define NVMX_FAILURE_ID		0x1000u

/* Outcomes of verdicts that are no VM-instruction error. */
#define OUTCOME_INVALID		0ull		/* VMfailInvalid */
#define OUTCOME_GP		0x10dull	/* #GP(0) */

/**
 * nvmx_refuse() - the instruction fails as insn_fail.def says: flags and error number, or #GP
 * @field: VMCS encoding that it is about, else 0; @value: the value at fault; @aux: what it
 *	was held against
 * Return: what the instruction's handler returns.
 */
enum nested_result nvmx_refuse(struct nestor_vcpu *vcpu, enum nvmx_failure why, u32 field,
			       u64 value, u64 aux);

/** nvmx_fail_valid() - VMfailValid with @error; nothing is recorded */
void nvmx_fail_valid(struct nestor_vcpu *vcpu, u32 error);

/* RFLAGS that VMsucceed and VMfail write: CF, PF, AF, ZF, SF, OF. */
#define RFLAGS_CF		BIT_ULL(0)
#define RFLAGS_ZF		BIT_ULL(6)
#define RFLAGS_STATUS		0x8d5ull

static inline void nvmx_set_status(struct guest_run *run, u64 flags)
{
	run->rflags = (run->rflags & ~RFLAGS_STATUS) | flags;
}

/** nvmx_succeed() - VMsucceed, in the current run; returns NESTED_OK */
static inline enum nested_result nvmx_succeed(struct nestor_vcpu *vcpu)
{
	nvmx_set_status(vcpu->run, 0);
	return NESTED_OK;
}

/**
 * struct nvmx_operand - operands of the instruction that exited
 * @reg: the operand that may be in memory is a register, @reg1
 * @reg1: see there
 * @reg2: the other operand, a register
 * @emul: describes the memory operand to core's address calculation
 * @regs: registers for it
 */
struct nvmx_operand {
	bool reg;
	u8 reg1, reg2;
	struct x86_emul emul;
	struct x86_regs regs;
};

/** nvmx_operand() - NESTED_OK, or what the handler has to return */
enum nested_result nvmx_operand(struct nestor_vcpu *vcpu, struct nvmx_operand *op);

/**
 * nvmx_operand_read() - copy the memory operand; addresses without memory read as all ones
 * nvmx_operand_write() - to it; what goes where there is no memory is lost
 * Return: NESTED_OK; NESTED_FAULT: the exception is queued, or L1 has an exit of L2 to handle.
 */
enum nested_result nvmx_operand_read(struct nestor_vcpu *vcpu, struct nvmx_operand *op, void *data,
				     unsigned int len);
enum nested_result nvmx_operand_write(struct nestor_vcpu *vcpu, struct nvmx_operand *op,
				      const void *data, unsigned int len);

/**
 * nvmx_operand_known() - the memory operand of 64-bit code, where it is at hand and nothing is to be
 * raised; false: use nvmx_operand() and the above.  Never sleeps with vcpu->atomic.
 * nvmx_operand_put() - the same for writing
 */
bool nvmx_operand_known(struct nestor_vcpu *vcpu, void *data, unsigned int len);
bool nvmx_operand_put(struct nestor_vcpu *vcpu, const void *data, unsigned int len);

/*
 * nvmx_is64() - was the instruction that exited executed in 64-bit mode?  In compatibility mode it is #UD, and a
 * CPU that has VMX itself sees to that before it exits: then long mode says it, which needs no look at CS.
 */
static inline bool nvmx_is64(struct guest_run *run)
{
	return likely(run->exit.has_qual) ? run_is_long(run) : run_is_64bit(run);
}

/** nvmx_reg() - register operand in the width of the mode */
static inline u64 nvmx_reg(struct guest_run *run, unsigned int reg)
{
	return nvmx_is64(run) ? run->gpr[reg] : (u32)run->gpr[reg];
}

static inline void nvmx_set_reg(struct guest_run *run, unsigned int reg, u64 val)
{
	run->gpr[reg] = nvmx_is64(run) ? val : (u32)val;
}

/** nvmx_pointer_ok() - page-aligned and within L1's physical-address width */
static inline bool nvmx_pointer_ok(const struct nestor_vcpu *vcpu, u64 gpa)
{
	return !(gpa & (VMCS12_SIZE - 1)) && !(gpa & vcpu->cpuid.rsvd_gpa_bits);
}

/**
 * nvmx_vmrw_now() - VMREAD or VMWRITE of L1 on its current VMCS, its privilege checked: the whole instruction
 * Return: false, with nothing done, if an operand is in memory, it is not 64-bit code, the field waits in L2's run or
 * is one to be written to the shadow VMCS, or there is something wrong with it.
 */
bool nvmx_vmrw_now(struct nestor_vcpu *vcpu);

/* One handler an instruction; mode and CPL are checked.  vmxon.c, vmcs.c, vmrw.c, inv.c */
enum nested_result nvmx_do_vmxon(struct nestor_vcpu *vcpu);
enum nested_result nvmx_do_vmxoff(struct nestor_vcpu *vcpu);
enum nested_result nvmx_do_vmclear(struct nestor_vcpu *vcpu);
enum nested_result nvmx_do_vmptrld(struct nestor_vcpu *vcpu);
enum nested_result nvmx_do_vmptrst(struct nestor_vcpu *vcpu);
enum nested_result nvmx_do_vmread(struct nestor_vcpu *vcpu);
enum nested_result nvmx_do_vmwrite(struct nestor_vcpu *vcpu);
enum nested_result nvmx_do_invept(struct nestor_vcpu *vcpu);
enum nested_result nvmx_do_invvpid(struct nestor_vcpu *vcpu);

#endif
