/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Run one instruction on the CPU at hand, with chosen registers and memory.
 */
#ifndef NESTOR_TESTS_EMUL_NATIVE_H
#define NESTOR_TESTS_EMUL_NATIVE_H

#include "emul/emul.h"

/* Memory operands live in here; the pages around it are not mapped. */
#define NATIVE_MEM_SIZE	0x4000

/**
 * struct native_state - registers before and after
 * @regs: general registers; rip is set by native_run()
 * @vec: YMM0..15 (XMM where the CPU has no AVX)
 */
struct native_state {
	struct x86_regs regs;
	u8 vec[16][32];
};

/* Map the pages; false if this machine cannot run the tests. */
bool native_setup(void);
/* Can code of @mode be run: 64 always, 32 and 16 if the kernel lets us? */
bool native_has_mode(enum x86_mode mode);
bool native_has_avx(void);
/* Address of the instruction, and of NATIVE_MEM_SIZE bytes below 2 GiB. */
u64 native_rip(void);
u8 *native_mem(void);
/*
 * Execute @len bytes. Return 0 and the registers behind the instruction, or the
 * signal that it raised and the registers in which it did.
 */
int native_run(struct native_state *s, const u8 *insn, unsigned int len,
	       enum x86_mode mode);

#endif /* NESTOR_TESTS_EMUL_NATIVE_H */
