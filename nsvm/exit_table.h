/* SPDX-License-Identifier: GPL-2.0-only */
/* What each exit of L2 is in SVM's terms, and which bit of vmcb12 asks for it.  Pure. */
#ifndef NESTOR_NSVM_EXIT_TABLE_H
#define NESTOR_NSVM_EXIT_TABLE_H

#include "core/guest_run.h"
#include "nsvm/vmcb12.h"

/* Who wants an exit; the first that applies, top to bottom. */
enum exit_rule {
	RULE_L0,	/* L0's alone: host events, broken invariants.  0: an empty slot fails closed */
	RULE_BIT,	/* L1's when its intercept bit is set */
	RULE_EXCEPTION,	/* the same, but L0 looks at its own exceptions first */
	RULE_CR_WRITE,	/* the same, but CR0 also has the selective intercept */
	RULE_VINTR,	/* the same, but only for an interrupt that is L1's */
	RULE_IOIO,	/* the same, and the I/O permissions map */
	RULE_MSR,	/* the same, and the MSR permissions map */
	RULE_SHUTDOWN,	/* L1's when intercepted, else the end of L1's processor */
	RULE_FAULT,	/* second-level fault: decided by the walk of L1's table */
};

/* What of the exit L1 gets besides the code. */
#define X_INSN		(1u << 0)	/* an instruction's exit: nRIP */
#define X_INDEX		(1u << 1)	/* code and bit count up with exit.index */
#define X_INFO1		(1u << 2)
#define X_INFO2		(1u << 3)
#define X_ASSIST	(1u << 4)	/* EXITINFO1 is a decode assist */

/**
 * struct exit_row - one slot
 * @code: SVM exit code
 * @rule: enum exit_rule
 * @word: enum intercept_word
 * @bit: number of the intercept bit in it
 * @flags: X_*
 */
struct exit_row {
	u16 code;
	u8 rule;
	u8 word;
	u8 bit;
	u8 flags;
};

extern const struct exit_row nsvm_exit_table[NR_EXIT_REASONS];

/** exit_bit_wanted() - is the intercept bit of @row set in vmcb12? */
bool exit_bit_wanted(const struct exit_row *row, u16 index, const struct vmcb12_snapshot *snap);

static inline u64 exit_svm_code(const struct exit_row *row, u16 index)
{
	return row->code + (row->flags & X_INDEX ? index : 0);
}

#endif
