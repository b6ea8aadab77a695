// SPDX-License-Identifier: GPL-2.0-only
/*
 * The exit table: one slot for each neutral exit reason (APM vol. 2, "SVM
 * Intercept Exit Codes").  A slot that nobody filled is RULE_L0, and an exit
 * that L0 does not expect ends the VM: unknown reasons fail closed.
 */
#include "nsvm/exit_table.h"

#define MISC1(c, b, f)	{ .code = (c), .rule = RULE_BIT, .word = ICPT_MISC1, .bit = (b), .flags = (f) }
#define MISC2(c, b, f)	{ .code = (c), .rule = RULE_BIT, .word = ICPT_MISC2, .bit = (b), .flags = (f) }
#define MISC3(c, b, f)	{ .code = (c), .rule = RULE_BIT, .word = ICPT_MISC3, .bit = (b), .flags = (f) }
#define OURS(c)		{ .code = (c), .rule = RULE_L0 }

const struct exit_row nsvm_exit_table[NR_EXIT_REASONS] = {
	[EXIT_NONE] = OURS(0),
	[EXIT_CR_READ] = { 0x000, RULE_BIT, ICPT_CR, 0, X_INSN | X_INDEX | X_ASSIST },
	[EXIT_CR_WRITE] = { 0x010, RULE_CR_WRITE, ICPT_CR, 16, X_INSN | X_INDEX | X_ASSIST },
	[EXIT_DR_READ] = { 0x020, RULE_BIT, ICPT_DR, 0, X_INSN | X_INDEX | X_ASSIST },
	[EXIT_DR_WRITE] = { 0x030, RULE_BIT, ICPT_DR, 16, X_INSN | X_INDEX | X_ASSIST },
	[EXIT_EXCEPTION] = { 0x040, RULE_EXCEPTION, ICPT_EXCEPTION, 0,
			     X_INDEX | X_INFO1 | X_INFO2 },
	/* The physical event is the host's; L1's own come through l2_event. */
	[EXIT_INTR] = OURS(0x060),
	[EXIT_NMI] = OURS(0x061),
	[EXIT_SMI] = OURS(0x062),
	[EXIT_INIT] = OURS(0x063),
	[EXIT_VINTR] = { 0x064, RULE_VINTR, ICPT_MISC1, 4, 0 },
	[EXIT_CR0_SEL_WRITE] = MISC1(0x065, 5, X_INSN | X_ASSIST),
	[EXIT_IDTR_READ] = MISC1(0x066, 6, X_INSN),
	[EXIT_GDTR_READ] = MISC1(0x067, 7, X_INSN),
	[EXIT_LDTR_READ] = MISC1(0x068, 8, X_INSN),
	[EXIT_TR_READ] = MISC1(0x069, 9, X_INSN),
	[EXIT_IDTR_WRITE] = MISC1(0x06a, 10, X_INSN),
	[EXIT_GDTR_WRITE] = MISC1(0x06b, 11, X_INSN),
	[EXIT_LDTR_WRITE] = MISC1(0x06c, 12, X_INSN),
	[EXIT_TR_WRITE] = MISC1(0x06d, 13, X_INSN),
	[EXIT_RDTSC] = MISC1(0x06e, 14, X_INSN),
	[EXIT_RDPMC] = MISC1(0x06f, 15, X_INSN),
	[EXIT_PUSHF] = MISC1(0x070, 16, X_INSN),
	[EXIT_POPF] = MISC1(0x071, 17, X_INSN),
	[EXIT_CPUID] = MISC1(0x072, 18, X_INSN),
	[EXIT_RSM] = MISC1(0x073, 19, X_INSN),
	[EXIT_IRET] = MISC1(0x074, 20, X_INSN),
	[EXIT_INTN] = MISC1(0x075, 21, X_INSN | X_ASSIST),
	[EXIT_INVD] = MISC1(0x076, 22, X_INSN),
	[EXIT_PAUSE] = MISC1(0x077, 23, X_INSN),
	[EXIT_HLT] = MISC1(0x078, 24, X_INSN),
	[EXIT_INVLPG] = MISC1(0x079, 25, X_INSN | X_ASSIST),
	[EXIT_INVLPGA] = MISC1(0x07a, 26, X_INSN),
	[EXIT_IOIO] = { 0x07b, RULE_IOIO, ICPT_MISC1, 27, X_INSN | X_INFO1 | X_INFO2 },
	[EXIT_MSR] = { 0x07c, RULE_MSR, ICPT_MISC1, 28, X_INSN | X_INFO1 },
	/* The task switch has not begun and no one instruction is its own: no nRIP. */
	[EXIT_TASK_SWITCH] = MISC1(0x07d, 29, X_INFO1 | X_INFO2),
	[EXIT_FERR_FREEZE] = MISC1(0x07e, 30, 0),
	[EXIT_SHUTDOWN] = { 0x07f, RULE_SHUTDOWN, ICPT_MISC1, 31, 0 },
	[EXIT_VMRUN] = MISC2(0x080, 0, X_INSN),
	[EXIT_VMMCALL] = MISC2(0x081, 1, X_INSN),
	[EXIT_VMLOAD] = MISC2(0x082, 2, X_INSN),
	[EXIT_VMSAVE] = MISC2(0x083, 3, X_INSN),
	[EXIT_STGI] = MISC2(0x084, 4, X_INSN),
	[EXIT_CLGI] = MISC2(0x085, 5, X_INSN),
	[EXIT_SKINIT] = MISC2(0x086, 6, X_INSN),
	[EXIT_RDTSCP] = MISC2(0x087, 7, X_INSN),
	[EXIT_ICEBP] = MISC2(0x088, 8, X_INSN),
	[EXIT_WBINVD] = MISC2(0x089, 9, X_INSN),
	[EXIT_MONITOR] = MISC2(0x08a, 10, X_INSN),
	[EXIT_MWAIT] = MISC2(0x08b, 11, X_INSN),
	[EXIT_MWAIT_ARMED] = MISC2(0x08c, 12, X_INSN),
	[EXIT_XSETBV] = MISC2(0x08d, 13, X_INSN),
	[EXIT_RDPRU] = MISC2(0x08e, 14, X_INSN),
	/* Traps come after the instruction; RIP is the next one's already. */
	[EXIT_EFER_WRITE_TRAP] = MISC2(0x08f, 15, X_INFO1),
	[EXIT_CR_WRITE_TRAP] = MISC2(0x090, 16, X_INDEX | X_INFO1),
	[EXIT_INVLPGB] = MISC3(0x0a0, 0, X_INSN),
	[EXIT_INVLPGB_ILLEGAL] = MISC3(0x0a1, 1, X_INSN),
	[EXIT_INVPCID] = MISC3(0x0a2, 2, X_INSN | X_INFO1 | X_INFO2),
	[EXIT_MCOMMIT] = MISC3(0x0a3, 3, X_INSN),
	[EXIT_TLBSYNC] = MISC3(0x0a4, 4, X_INSN),
	[EXIT_SECOND_LEVEL] = { 0x400, RULE_FAULT, 0, 0, X_INFO1 | X_INFO2 },
	/* A refusal by the CPU is L1's, whatever it has intercepted: exit.c. */
	[EXIT_INVALID] = OURS(0),
	[EXIT_BUSY] = OURS(0),
	[EXIT_UNKNOWN] = OURS(0),
	/* AMD-V has no such exits. */
	[EXIT_VMX_INSN ... EXIT_MCE_ON_ENTRY] = OURS(0),
};

bool exit_bit_wanted(const struct exit_row *row, u16 index, const struct vmcb12_snapshot *snap)
{
	unsigned int bit = row->bit + (row->flags & X_INDEX ? index : 0);

	return bit < 32 && snap_icpt(snap, row->word, 1u << bit);
}
