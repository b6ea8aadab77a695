/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the decoder share: the byte cursor and their entry points.
 */
#ifndef NESTOR_EMUL_DECODE_H
#define NESTOR_EMUL_DECODE_H

#include "tables.h"

/*
 * Hand out instruction bytes. Stop at the sixteenth byte (too long) before the
 * end of what was fetched (short): the CPU refuses the length whatever lies
 * behind. After a failure every take returns 0.
 */
struct cursor {
	const u8 *bytes;
	u8 pos;
	u8 len;
	u8 status;		/* first failure, sticky */
};

static inline u64 take(struct cursor *c, unsigned int n)
{
	u64 value = 0;
	unsigned int i;

	if (c->status)
		return 0;
	if (c->pos + n > X86_INSN_MAX) {
		c->status = X86_DECODE_TOO_LONG;
		return 0;
	}
	if (c->pos + n > c->len) {
		c->status = X86_DECODE_SHORT;
		return 0;
	}
	for (i = 0; i < n; i++)
		value |= (u64)c->bytes[c->pos + i] << (8 * i);
	c->pos += n;
	return value;
}

static inline u64 take_signed(struct cursor *c, unsigned int n)
{
	u64 value = take(c, n);
	u64 sign = 1ULL << (8 * n - 1);

	return (value ^ sign) - sign;
}

int x86_decode_vex(struct x86_insn *insn, struct cursor *c, u8 byte);
void x86_decode_address(struct x86_insn *insn, struct cursor *c);
void x86_decode_immediate(struct x86_insn *insn, struct cursor *c);
void x86_decode_operand(struct x86_insn *insn, struct x86_operand *o, u8 kind);

#endif /* NESTOR_EMUL_DECODE_H */
