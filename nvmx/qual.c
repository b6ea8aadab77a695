// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exit qualification and instruction length (SDM vol. 3, "Information for VM
 * Exits").  A VT-x CPU says them; on another the instruction at L2's RIP is decoded, and
 * an EPT violation builds its own (fault.c).
 *
 * The fetch is L0's own: an EPT violation on the way is not reported to L1.
 */
#include "core/insn.h"
#include "nvmx/exit_table.h"
#include "nvmx/qual.h"

/* IOIO interception information (APM vol. 2, "IOIO Intercepts") */
#define IOIO_IN		BIT(0)
#define IOIO_STR	BIT(2)
#define IOIO_REP	BIT(3)
#define IOIO_SIZE(i)	((i) >> 4 & 7)
#define IOIO_PORT(i)	((u64)(u16)((i) >> 16))

#define QUAL_IO_IN	BIT(3)
#define QUAL_IO_STR	BIT(4)
#define QUAL_IO_REP	BIT(5)
#define QUAL_IO_IMM	BIT(6)
#define QUAL_DR_FROM	BIT(4)

/* DR6 bits that the qualification of a debug exception has */
#define QUAL_DB		0x600full

static bool fetch(struct nestor_vcpu *vcpu, struct x86_insn *insn)
{
	struct nvmx *n = nvmx_of(vcpu);
	u8 bytes[MAX_INSN_LEN];
	unsigned int len;
	int r;

	n->probing = true;
	r = vcpu_fetch(vcpu, insn, bytes, &len);
	n->probing = false;
	return !r && !insn->ud;
}

static u64 derive_io(struct nestor_vcpu *vcpu)
{
	u64 info = vcpu->run->exit.info1, qual;
	struct x86_insn insn;

	qual = (IOIO_SIZE(info) - 1) | IOIO_PORT(info) << 16;
	if (info & IOIO_IN)
		qual |= QUAL_IO_IN;
	if (info & IOIO_STR)
		qual |= QUAL_IO_STR;
	if (info & IOIO_REP)
		qual |= QUAL_IO_REP;
	/* E4 to E7 name the port, EC to EF take it from DX. */
	if (!(info & IOIO_STR) && fetch(vcpu, &insn) && !(insn.opcode & 8))
		qual |= QUAL_IO_IMM;
	return qual;
}

static u64 derive_cr(struct nestor_vcpu *vcpu)
{
	const struct guest_run *run = vcpu->run;
	struct x86_insn insn;
	u64 nr = run->exit.index & 0xf;

	if (!fetch(vcpu, &insn))
		return nr | (run->exit.reason == EXIT_CR_READ ? CR_MOV_FROM << 4 : 0);
	switch (insn.op) {
	case X86_OP_MOV_FROM_CR:
		return nr | CR_MOV_FROM << 4 | (u64)insn.rm << 8;
	case X86_OP_CLTS:
		return CR_CLTS << 4;
	case X86_OP_LMSW:
		/* The memory form's operand is not fetched here. */
		return CR_LMSW << 4 | (run->gpr[insn.rm] & 0xffff) << 16;
	default:
		return nr | (u64)insn.rm << 8;
	}
}

static u64 derive_dr(struct nestor_vcpu *vcpu)
{
	const struct guest_run *run = vcpu->run;
	u64 qual = run->exit.index & 7;
	struct x86_insn insn;

	if (run->exit.reason == EXIT_DR_READ)
		qual |= QUAL_DR_FROM;
	return fetch(vcpu, &insn) ? qual | (u64)insn.rm << 8 : qual;
}

static u64 derive_exception(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;

	switch (run->exit.index) {
	case 14:
		return run->exit.info2;
	case 1:
		run_need(run, GRP_DR);
		return run->dr6 & QUAL_DB;
	default:
		return 0;
	}
}

u64 nvmx_exit_qual(struct nestor_vcpu *vcpu)
{
	const struct guest_exit *x = &vcpu->run->exit;

	if (x->has_qual)
		return x->qual;
	switch (x->reason) {
	case EXIT_IOIO:
		return derive_io(vcpu);
	case EXIT_CR_READ:
	case EXIT_CR_WRITE:
		return derive_cr(vcpu);
	case EXIT_DR_READ:
	case EXIT_DR_WRITE:
		return derive_dr(vcpu);
	case EXIT_EXCEPTION:
		return derive_exception(vcpu);
	default:
		return 0;
	}
}

u32 nvmx_exit_length(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;
	struct nvmx *n = nvmx_of(vcpu);
	u64 len = run->exit.next_rip - run->rip;
	int r;

	if (run->exit.next_rip)
		return len <= MAX_INSN_LEN ? len : 0;
	if (run->exit.has_qual || run->exit.reason == EXIT_EXCEPTION)
		return 0;
	n->probing = true;
	r = vcpu_insn_len(vcpu);
	n->probing = false;
	return r < 0 ? 0 : r;
}
