// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is this the instruction that the exit claims, and how long is it?
 *
 * This is on the path of every exit that skips an instruction on a CPU without
 * NRIPS, and nearly always the bytes are the plain encoding: look for that
 * before taking the bytes apart.
 */
#include "insn.h"

static const struct {
	u8 len;
	u8 bytes[3];
} plain[X86_OP_COUNT] = {
	[X86_OP_CPUID] = { 2, { 0x0f, 0xa2 } },
	[X86_OP_RDMSR] = { 2, { 0x0f, 0x32 } },
	[X86_OP_WRMSR] = { 2, { 0x0f, 0x30 } },
	[X86_OP_HLT] = { 1, { 0xf4 } },
	[X86_OP_RDTSC] = { 2, { 0x0f, 0x31 } },
	[X86_OP_RDTSCP] = { 3, { 0x0f, 0x01, 0xf9 } },
	[X86_OP_RDPMC] = { 2, { 0x0f, 0x33 } },
	[X86_OP_INVD] = { 2, { 0x0f, 0x08 } },
	[X86_OP_WBINVD] = { 2, { 0x0f, 0x09 } },
	[X86_OP_MONITOR] = { 3, { 0x0f, 0x01, 0xc8 } },
	[X86_OP_MWAIT] = { 3, { 0x0f, 0x01, 0xc9 } },
	[X86_OP_XSETBV] = { 3, { 0x0f, 0x01, 0xd1 } },
	[X86_OP_CLTS] = { 2, { 0x0f, 0x06 } },
	[X86_OP_PAUSE] = { 2, { 0xf3, 0x90 } },
	[X86_OP_VMRUN] = { 3, { 0x0f, 0x01, 0xd8 } },
	[X86_OP_VMMCALL] = { 3, { 0x0f, 0x01, 0xd9 } },
	[X86_OP_VMLOAD] = { 3, { 0x0f, 0x01, 0xda } },
	[X86_OP_VMSAVE] = { 3, { 0x0f, 0x01, 0xdb } },
	[X86_OP_STGI] = { 3, { 0x0f, 0x01, 0xdc } },
	[X86_OP_CLGI] = { 3, { 0x0f, 0x01, 0xdd } },
	[X86_OP_SKINIT] = { 3, { 0x0f, 0x01, 0xde } },
	[X86_OP_INVLPGA] = { 3, { 0x0f, 0x01, 0xdf } },
	[X86_OP_VMCALL] = { 3, { 0x0f, 0x01, 0xc1 } },
};

unsigned int x86_claimed_length(enum x86_op op, const u8 *bytes,
				unsigned int len, enum x86_mode mode)
{
	unsigned int n = op < X86_OP_COUNT ? plain[op].len : 0;
	struct x86_insn insn;

	if (n && len >= n && !memcmp(bytes, plain[op].bytes, n))
		return n;
	if (x86_decode(&insn, bytes, len, mode) || !x86_insn_is(&insn, op))
		return 0;
	return insn.length;
}
