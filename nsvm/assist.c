// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decode assists and nRIP for L1 on a CPU that lacks them (APM vol. 2, "Decode
 * Assists"): the instruction at L2's RIP is fetched and decoded.
 *
 * The fetch is L0's own: a nested page fault on the way is not reported to L1,
 * and what could not be read is reported as absent (0), which the architecture
 * allows L1 to meet.
 */
#include "core/hw_ops.h"
#include "core/insn.h"
#include "mmu/gva.h"
#include "mmu/mmu.h"
#include "nsvm/nsvm.h"
#include "nsvm/permmap.h"

static bool fetch(struct nestor_vcpu *vcpu, struct x86_insn *insn)
{
	struct nsvm *n = nsvm_of(vcpu);
	u8 bytes[MAX_INSN_LEN];
	unsigned int len;
	int r;

	n->probing = true;
	r = vcpu_fetch(vcpu, insn, bytes, &len);
	n->probing = false;
	return !r && !insn->ud;
}

static enum guest_sreg sreg(u8 seg)
{
	/* Both count ES, CS, SS, DS, FS, GS from 0. */
	return seg <= X86_SEG_GS ? (enum guest_sreg)seg : SEG_DS;
}

/* Linear address of the memory operand. */
static u64 operand_address(struct guest_run *run, const struct x86_insn *insn)
{
	u64 ea = insn->disp, base;

	if (insn->base == X86_REG_RIP)
		ea += run->rip + insn->length;
	else if (insn->base < NR_GUEST_REGS)
		ea += run->gpr[insn->base];
	if (insn->index < NR_GUEST_REGS)
		ea += run->gpr[insn->index] << insn->scale;
	if (insn->adsize == 2)
		ea = (u16)ea;
	else if (insn->adsize == 4)
		ea = (u32)ea;
	base = run_seg(run, sreg(insn->seg))->base;
	if (insn->mode == X86_MODE_64)
		return insn->seg == X86_SEG_FS || insn->seg == X86_SEG_GS ? ea + base : ea;
	return (u32)(ea + base);
}

u64 nsvm_assist_info1(struct nestor_vcpu *vcpu, u16 reason)
{
	struct guest_run *run = vcpu->run;
	struct x86_insn insn;

	if (hw_caps.decode_assists)
		return run->exit.info1;
	if (!fetch(vcpu, &insn))
		return 0;
	switch (insn.op) {
	case X86_OP_MOV_TO_CR:
	case X86_OP_MOV_FROM_CR:
		return CR_INFO_VALID | insn.rm;
	case X86_OP_MOV_TO_DR:
	case X86_OP_MOV_FROM_DR:
		return insn.rm;
	case X86_OP_INVLPG:
		return reason == EXIT_INVLPG ? operand_address(run, &insn) : 0;
	case X86_OP_INT:
		return reason == EXIT_INTN ? insn.imm & 0xff : 0;
	default:
		/* LMSW, SMSW and CLTS name no register: bit 63 clear. */
		return 0;
	}
}

/* EXITINFO1 of INS and OUTS also names the address size and the segment. */
u64 nsvm_assist_string_io(struct nestor_vcpu *vcpu, u64 info1)
{
	struct x86_insn insn;

	if (hw_caps.decode_assists || !fetch(vcpu, &insn))
		return info1;
	info1 &= ~(u64)(IOIO_A16 | IOIO_A32 | IOIO_A64 | IOIO_SEG);
	info1 |= insn.adsize == 8 ? IOIO_A64 : insn.adsize == 4 ? IOIO_A32 : IOIO_A16;
	if (!(info1 & IOIO_TYPE_IN))
		info1 |= (u64)sreg(insn.seg) << IOIO_SEG_SHIFT;
	return info1;
}

/* Linear address of RIP in L2. */
static u64 linear_rip(struct guest_run *run)
{
	if (run_is_64bit(run))
		return run->rip;
	return (u32)(run_seg(run, SEG_CS)->base + run->rip);
}

unsigned int nsvm_assist_bytes(struct nestor_vcpu *vcpu, u8 *bytes)
{
	struct nsvm *n = nsvm_of(vcpu);
	struct guest_run *run = vcpu->run;
	struct gva_fault fault = {};
	unsigned int len = MAX_INSN_LEN, first;
	u32 access = ACC_FETCH | (run->cpl == 3 ? ACC_USER : 0);
	u64 at;

	/* A fault of the fetch itself has no bytes to show. */
	if (run->exit.info1 & ACC_FETCH)
		return 0;
	if (run->exit.insn_len) {
		memcpy(bytes, run->exit.insn, MAX_INSN_LEN);
		return run->exit.insn_len;
	}
	if (hw_caps.decode_assists)
		return 0;
	at = linear_rip(run);
	first = min_t(u64, len, 0x1000 - (at & 0xfff));
	n->probing = true;
	if (gva_read(vcpu, at, bytes, first, access, &fault))
		len = 0;
	else if (first < len && gva_read(vcpu, at + first, bytes + first, len - first, access,
					 &fault))
		len = first;
	n->probing = false;
	memset(bytes + len, 0, MAX_INSN_LEN - len);
	return len;
}

u64 nsvm_assist_next_rip(struct nestor_vcpu *vcpu)
{
	struct nsvm *n = nsvm_of(vcpu);
	struct guest_run *run = vcpu->run;
	int len;

	if (run->exit.next_rip)
		return run->exit.next_rip;
	if (run->exit.reason == EXIT_IOIO)
		return run->exit.info2;
	n->probing = true;
	len = vcpu_insn_len(vcpu);
	n->probing = false;
	return len > 0 ? rip_behind(run, len) : 0;
}

/* Source of LMSW: its 16 bits, or all ones where they cannot be read (which counts as a change). */
static u16 lmsw_source(struct nestor_vcpu *vcpu, const struct x86_insn *insn)
{
	struct nsvm *n = nsvm_of(vcpu);
	struct guest_run *run = vcpu->run;
	struct gva_fault fault = {};
	u16 val = 0xffff;

	if (insn->modrm >= 0xc0)
		return run->gpr[insn->rm & 15];
	n->probing = true;
	if (gva_read(vcpu, operand_address(run, insn), &val, sizeof(val), 0, &fault))
		val = 0xffff;
	n->probing = false;
	return val;
}

bool nsvm_cr0_selective(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;
	struct x86_insn insn;
	u64 val;

	/* What cannot be decoded counts as a change: L1 asked to be told. */
	if (!fetch(vcpu, &insn))
		return true;
	run_need(run, GRP_CR);
	switch (insn.op) {
	case X86_OP_MOV_TO_CR:
		val = run->gpr[insn.rm & 15];
		if (!run_is_64bit(run))
			val = (u32)val;
		break;
	case X86_OP_LMSW:
		val = (run->cr0 & ~0xeull) | (lmsw_source(vcpu, &insn) & 0xf);
		break;
	default:
		return false;	/* CLTS changes TS alone */
	}
	return (val ^ run->cr0) & ~(X_CR0_TS | X_CR0_MP);
}
