/* SPDX-License-Identifier: GPL-2.0-only */
/* The instruction at RIP of the current run: its length, its bytes, moving past it. */
#ifndef NESTOR_CORE_INSN_H
#define NESTOR_CORE_INSN_H

#include "core/emul/insn.h"
#include "core/vcpu.h"
#include "mmu/gva.h"

/** vcpu_x86_mode() - decoding mode of the current run */
enum x86_mode vcpu_x86_mode(struct guest_run *run);

/**
 * vcpu_fetch() - copy and decode the instruction at RIP
 * @bytes: MAX_INSN_LEN bytes, filled as far as could be read
 * @len: how many
 * Return: 0; -EAGAIN: it cannot be read now or an exception was queued: enter
 * the guest again; -EOPNOTSUPP: not known. Sleepable.
 */
int vcpu_fetch(struct nestor_vcpu *vcpu, struct x86_insn *insn, u8 *bytes, unsigned int *len);

/*
 * Exits of instructions that have one form, as long as no prefix is put before it.  The first bytes
 * say whether that form is what was executed; anything else is decoded.
 */
struct plain_form {
	u32 mask, value;	/* of the first four bytes, little endian */
	u8 len;
};

extern const struct plain_form plain_forms[NR_EXIT_REASONS];

/**
 * insn_note_next() - right behind an exit, on a CPU that does not tell guest_exit.next_rip: fill it in where that
 * is to be had without waiting, see gva_code_exited()
 */
static __always_inline void insn_note_next(struct nestor_vcpu *vcpu, struct guest_run *run)
{
	struct guest_exit *x = &run->exit;
	const struct plain_form *f;

	if (unlikely(x->reason >= NR_EXIT_REASONS))
		return;
	f = &plain_forms[x->reason];
	if (f->len && gva_code_exited(vcpu, f->mask, f->value))
		x->next_rip = run->rip + f->len;
}

int vcpu_insn_len_slow(struct nestor_vcpu *vcpu);
/**
 * vcpu_insn_len() - length of the exited instruction, or as vcpu_fetch(); with vcpu->atomic -EBUSY
 * when it would have to be decoded
 */
static inline int vcpu_insn_len(struct nestor_vcpu *vcpu)
{
	const struct guest_run *run = vcpu->run;
	u64 len = run->exit.next_rip - run->rip;

	/* Where the CPU says so; 0 is no address of a next instruction. */
	if (likely(run->exit.next_rip && len - 1 < MAX_INSN_LEN))
		return len;
	return vcpu_insn_len_slow(vcpu);
}

/** rip_behind() - RIP of what follows an instruction of @len bytes at @run's RIP */
static inline u64 rip_behind(struct guest_run *run, unsigned int len)
{
	u64 next = run->rip + len;

	/* It wraps outside 64-bit mode; ask for the mode only where that matters. */
	if (unlikely((next ^ run->rip) >> 32) && !run_is_64bit(run))
		next = (u32)next;
	return next;
}

/** vcpu_advance() - RIP moves on by @len; interrupt shadow ends, TF traps */
void vcpu_advance(struct nestor_vcpu *vcpu, unsigned int len);

/** insn_failed() - run_action for an error of vcpu_fetch() or vcpu_insn_len() */
enum run_action insn_failed(struct nestor_vcpu *vcpu, int err);

/** emulation_error() - KVM_INTERNAL_ERROR_EMULATION with the bytes at RIP */
enum run_action emulation_error(struct nestor_vcpu *vcpu);

/** emulate_at_rip() - run the instruction at RIP in software: MMIO, string I/O (core/emulate.c) */
enum run_action emulate_at_rip(struct nestor_vcpu *vcpu);
/**
 * emulate_msw() - the same for SMSW or LMSW (@op), which otherwise are not known: whether their exit is L1's has been asked.
 * Of no other instruction, should the bytes have changed since: the guest goes on and the CPU looks at them.
 */
enum run_action emulate_msw(struct nestor_vcpu *vcpu, enum x86_op op);

#endif
