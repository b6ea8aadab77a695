// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits on control and debug registers.  The checks are core/cr.c's; here the
 * instruction is taken apart.
 */
#include <uapi/asm/debugreg.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "core/events.h"
#include "core/exits.h"
#include "core/guest_debug.h"
#include "core/insn.h"
#include "core/msr.h"

#define DR7_GD		BIT(13)
#define DR6_BD		BIT(13)

#define GPR_VALID	BIT_ULL(63)

static u64 low(struct guest_run *run, u64 val)
{
	return run_is_64bit(run) ? val : (u32)val;
}

static u64 cr_read(struct nestor_vcpu *vcpu, unsigned int n)
{
	struct guest_run *run = vcpu->run;

	run_need(run, GRP_CR | GRP_CR2);
	switch (n) {
	case 0:
		return run->cr0;
	case 2:
		return run->cr2;
	case 3:
		return run->cr3;
	case 4:
		return run->cr4;
	default:
		return cr8_read(vcpu);
	}
}

/* Bits that a frontend's guest hypervisor owns stay: a write that differs there was its exit. */
static u64 keep_owned(u64 val, u64 old, u64 mask)
{
	return (val & ~mask) | (old & mask);
}

/*
 * The frontend let this write of CR0 pass because it changes TS and MP alone.  That was about another
 * value if the code, or the operand of LMSW, has changed since.
 */
static bool unasked_cr0(const struct guest_run *run, u64 val)
{
	return (run->intercept[ICPT_MISC1] & ICPT_CR0_SEL) && run->exit.reason == EXIT_CR_WRITE &&
	       ((val ^ run->cr0) & ~(u64)(X86_CR0_TS | X86_CR0_MP));
}

/* 0; -EAGAIN: run the instruction again; another error: #GP */
static int cr_write(struct nestor_vcpu *vcpu, unsigned int n, u64 val)
{
	struct guest_run *run = vcpu->run;

	run_need(run, GRP_CR);
	switch (n) {
	case 0:
		if (unasked_cr0(run, val))
			return -EAGAIN;
		return cr0_write(vcpu, keep_owned(val, run->cr0, run->cr0_mask));
	case 2:
		run->cr2 = val;
		run_dirty(run, GRP_CR2);
		return 0;
	case 3:
		return cr3_write(vcpu, val);
	case 4:
		return cr4_write(vcpu, keep_owned(val, run->cr4, run->cr4_mask));
	case 8:
		return cr8_write(vcpu, val);
	default:
		return -EINVAL;
	}
}

int cr0_write_msw(struct nestor_vcpu *vcpu, u16 msw)
{
	struct guest_run *run = vcpu->run;

	run_need(run, GRP_CR);
	return cr_write(vcpu, 0, (run->cr0 & ~0xeull) | (msw & 0xf));
}

static unsigned int cr_of_exit(const struct guest_exit *x)
{
	return x->reason == EXIT_CR0_SEL_WRITE ? 0 : x->index;
}

struct cr_insn {
	enum x86_op op;
	unsigned int gpr;
	unsigned int len;
	u16 source;		/* of LMSW */
};

/* SDM vol. 3, "Exit Qualification for Control-Register Accesses" */
static int decode_cr_qual(const struct guest_run *run, struct cr_insn *ci)
{
	static const enum x86_op ops[] = { X86_OP_MOV_TO_CR, X86_OP_MOV_FROM_CR, X86_OP_CLTS,
					   X86_OP_LMSW };
	u64 qual = run->exit.qual;

	ci->op = ops[(qual >> 4) & 3];
	ci->gpr = (qual >> 8) & 0xf;
	ci->source = qual >> 16;
	ci->len = run->exit.next_rip - run->rip;
	return 0;
}

/*
 * The bytes may have changed since: the frontend was asked about a read or a write of one register, not
 * about what is there now.
 */
static bool is_of_exit(const struct guest_exit *x, enum x86_op op)
{
	if ((op == X86_OP_MOV_FROM_CR || op == X86_OP_SMSW) != (x->reason == EXIT_CR_READ))
		return false;
	/* These have one register. */
	if (op == X86_OP_SMSW || op == X86_OP_LMSW || op == X86_OP_CLTS)
		return !cr_of_exit(x);
	return true;
}

static int decode_cr(struct nestor_vcpu *vcpu, struct cr_insn *ci)
{
	struct guest_run *run = vcpu->run;
	u8 bytes[MAX_INSN_LEN];
	struct x86_insn insn;
	unsigned int n;
	int r;

	if (run->exit.has_qual && run->exit.next_rip)
		return decode_cr_qual(run, ci);
	if (run->exit.info1 & GPR_VALID && run->exit.next_rip) {
		ci->op = run->exit.reason == EXIT_CR_READ ? X86_OP_MOV_FROM_CR :
							    X86_OP_MOV_TO_CR;
		ci->gpr = run->exit.info1 & 0xf;
		ci->len = run->exit.next_rip - run->rip;
		return 0;
	}
	r = vcpu_fetch(vcpu, &insn, bytes, &n);
	if (r)
		return r;
	if (!is_of_exit(&run->exit, insn.op))
		return -EAGAIN;
	ci->op = insn.op;
	ci->gpr = insn.rm;
	ci->len = insn.length;
	return 0;
}

static void read_into_gpr(struct nestor_vcpu *vcpu, const struct cr_insn *ci, u64 val)
{
	struct guest_run *run = vcpu->run;

	run->gpr[ci->gpr] = low(run, val);
}

enum run_action handle_cr(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;
	struct guest_exit *x = &run->exit;
	unsigned int n = cr_of_exit(x);
	struct cr_insn ci;
	int r;

	r = decode_cr(vcpu, &ci);
	if (r)
		return insn_failed(vcpu, r);
	run_need(run, GRP_CR);
	switch (ci.op) {
	case X86_OP_MOV_FROM_CR:
		read_into_gpr(vcpu, &ci, cr_read(vcpu, n));
		break;
	case X86_OP_MOV_TO_CR:
		r = cr_write(vcpu, n, low(run, run->gpr[ci.gpr]));
		break;
	case X86_OP_SMSW:
		return emulate_msw(vcpu, ci.op);
	case X86_OP_LMSW:
		if (!x->has_qual)
			return emulate_msw(vcpu, ci.op);
		r = cr0_write_msw(vcpu, ci.source);
		break;
	case X86_OP_CLTS:
		r = cr_write(vcpu, 0, run->cr0 & ~(u64)X86_CR0_TS);
		break;
	default:
		return RESUME_GUEST;	/* the bytes changed since: run what is there now */
	}
	if (r == -EAGAIN)
		return RESUME_GUEST;
	if (r)
		queue_gp(vcpu);
	else
		vcpu_advance(vcpu, ci.len);
	return RESUME_GUEST;
}

/* SDM vol. 3, "Exit Qualification for MOV DR", where there is one */
static int decode_dr(struct nestor_vcpu *vcpu, struct cr_insn *ci)
{
	const struct guest_exit *x = &vcpu->run->exit;
	u8 bytes[MAX_INSN_LEN];
	struct x86_insn insn;
	unsigned int n;
	int r;

	if (x->has_qual && x->next_rip) {
		ci->op = x->reason == EXIT_DR_READ ? X86_OP_MOV_FROM_DR : X86_OP_MOV_TO_DR;
		ci->gpr = (x->qual >> 8) & 0xf;
		ci->len = x->next_rip - vcpu->run->rip;
		return 0;
	}
	r = vcpu_fetch(vcpu, &insn, bytes, &n);
	if (!r && (insn.op == X86_OP_MOV_FROM_DR) != (x->reason == EXIT_DR_READ))
		return -EAGAIN;
	ci->op = insn.op;
	ci->gpr = insn.rm;
	ci->len = insn.length;
	return r;
}

enum run_action handle_dr(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;
	unsigned int n = run->exit.index & 7;
	struct cr_insn ci;
	u64 val;
	int r;

	r = decode_dr(vcpu, &ci);
	if (r)
		return insn_failed(vcpu, r);
	run_need(run, GRP_DR | GRP_CR);
	if ((n == 4 || n == 5) && (run->cr4 & X86_CR4_DE)) {
		queue_ud(vcpu);
		return RESUME_GUEST;
	}
	/* A CPU may exit before it looks at the privilege level. */
	if (run->cpl) {
		queue_gp(vcpu);
		return RESUME_GUEST;
	}
	if (!vcpu_hw_dr7_owned(run) && (vcpu_hw_dr7(run) & DR7_GD))
		return guest_debug_exit(vcpu, DR6_BD, X86_TRAP_DB);
	if (run->dr7 & DR7_GD) {
		queue_debug(vcpu, DR6_BD);
		return RESUME_GUEST;
	}
	if (ci.op == X86_OP_MOV_TO_DR) {
		r = dr_write(vcpu, n, low(run, run->gpr[ci.gpr]));
	} else if (ci.op == X86_OP_MOV_FROM_DR) {
		r = dr_read(vcpu, n, &val);
		if (!r)
			run->gpr[ci.gpr] = low(run, val);
	} else {
		return RESUME_GUEST;
	}
	if (r)
		queue_gp(vcpu);
	else
		vcpu_advance(vcpu, ci.len);
	return RESUME_GUEST;
}
