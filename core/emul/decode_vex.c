// SPDX-License-Identifier: GPL-2.0-only
/*
 * VEX, EVEX and XOP: take the prefix bytes apart.
 *
 * Their first bytes are ordinary instructions outside 64-bit mode (LES, LDS,
 * BOUND, POP); the byte behind tells which one it is. What they carry of REX,
 * of the mandatory prefix and of the opcode map ends up where the legacy
 * prefixes would have put it, so that the rest of the decoder need not care.
 *
 * Reference: APM vol. 3, "Encoding Extended Instructions"; SDM vol. 2, "Intel
 * Advanced Vector Extensions" and "Intel AVX-512 Encoding".
 */
#include "decode.h"

/* The next byte without consuming it; a failure is recorded as in take(). */
static u8 peek(struct cursor *c)
{
	u8 value = take(c, 1);

	if (!c->status)
		c->pos--;
	return value;
}

static bool takes_vex(const struct x86_insn *insn, u8 next)
{
	if (insn->mode == X86_MODE_64)
		return true;
	/* Elsewhere the bits that ModRM.mod = 3 would have tell VEX from LDS. */
	return insn->mode >= X86_MODE_16 && next >= 0xc0;
}

/* Prefixes that VEX, EVEX and XOP do not suffer in front of them. */
static void check_vex_prefixes(struct x86_insn *insn)
{
	if (insn->rex || insn->prefixes & (X86_PFX_LOCK | X86_PFX_REP |
					   X86_PFX_REPNE | X86_PFX_OPSIZE))
		insn->ud = true;
	insn->rex = 0;
}

/* The pp field as the legacy prefix that it stands for. */
static void set_pp(struct x86_insn *insn, u8 pp)
{
	static const u8 prefix[4] = {
		0, X86_PFX_OPSIZE, X86_PFX_REP, X86_PFX_REPNE,
	};

	insn->prefixes &= ~(X86_PFX_OPSIZE | X86_PFX_REP | X86_PFX_REPNE);
	insn->prefixes |= prefix[pp & 3];
}

/* W vvvv x pp, the last byte of C4 and XOP and the middle one of EVEX */
static void set_w_vvvv_pp(struct x86_insn *insn, u8 byte)
{
	insn->vex_v = (~byte >> 3) & 0xf;
	if (byte & 0x80)
		insn->rex |= X86_REX_W;
	set_pp(insn, byte);
}

static int decode_vex2(struct x86_insn *insn, struct cursor *c)
{
	u8 b = take(c, 1);

	insn->encoding = X86_ENC_VEX;
	insn->rex = b & 0x80 ? 0 : X86_REX_R;
	insn->vex_v = (~b >> 3) & 0xf;
	insn->vex_l = (b >> 2) & 1;
	set_pp(insn, b);
	insn->map = X86_MAP_0F;
	return X86_DECODE_OK;
}

static int decode_vex3(struct x86_insn *insn, struct cursor *c)
{
	u8 b1 = take(c, 1), b2 = take(c, 1);
	u8 map = b1 & 0x1f;

	insn->encoding = X86_ENC_VEX;
	insn->rex = (~b1 >> 5) & 7;
	insn->vex_l = (b2 >> 2) & 1;
	set_w_vvvv_pp(insn, b2);
	insn->map = map;
	return map >= 1 && map <= 3 ? X86_DECODE_OK : X86_DECODE_UNKNOWN;
}

static int decode_xop(struct x86_insn *insn, struct cursor *c)
{
	u8 b1 = take(c, 1), b2 = take(c, 1);
	u8 map = b1 & 0x1f;

	insn->encoding = X86_ENC_XOP;
	insn->rex = (~b1 >> 5) & 7;
	insn->vex_l = (b2 >> 2) & 1;
	set_w_vvvv_pp(insn, b2);
	insn->map = X86_MAP_OTHER;
	switch (map) {
	case 8:
		insn->flags = D_UIMM8;
		return X86_DECODE_OK;
	case 9:
		return X86_DECODE_OK;
	case 10:
		insn->flags = D_IMM32;
		return X86_DECODE_OK;
	default:
		return X86_DECODE_UNKNOWN;
	}
}

static int decode_evex(struct x86_insn *insn, struct cursor *c)
{
	u8 b1 = take(c, 1), b2 = take(c, 1), b3 = take(c, 1);
	u8 map = b1 & 7;

	insn->encoding = X86_ENC_EVEX;
	insn->rex = (~b1 >> 5) & 7;
	insn->vex_l = (b3 >> 5) & 3;
	set_w_vvvv_pp(insn, b2);
	insn->map = map <= 3 ? map : X86_MAP_OTHER;
	/* Fixed bits: whatever else they come to mean, the length may change. */
	if (b1 & 0x08 || !(b2 & 0x04) || map == 0 || map == 4 || map == 7)
		return X86_DECODE_UNKNOWN;
	return X86_DECODE_OK;
}

/*
 * Take VEX, EVEX or XOP if @byte starts one.
 * Return -1 if it does not, else enum x86_decode_result.
 */
int x86_decode_vex(struct x86_insn *insn, struct cursor *c, u8 byte)
{
	int (*decode)(struct x86_insn *insn, struct cursor *c);
	u8 next;
	int ret;

	switch (byte) {
	case 0xc4:
	case 0xc5:
	case 0x62:
		next = peek(c);
		if (c->status || !takes_vex(insn, next))
			return -1;
		decode = byte == 0xc5 ? decode_vex2 :
			 byte == 0xc4 ? decode_vex3 : decode_evex;
		break;
	case 0x8f:
		next = peek(c);
		if (c->status || (next & 0x1f) < 8 || insn->mode < X86_MODE_16)
			return -1;
		decode = decode_xop;
		break;
	default:
		return -1;
	}

	check_vex_prefixes(insn);
	ret = decode(insn, c);
	if (insn->mode != X86_MODE_64) {
		insn->rex = 0;
		insn->vex_v &= 7;
	}
	return ret;
}
