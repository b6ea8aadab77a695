// SPDX-License-Identifier: GPL-2.0-only
/*
 * The instruction decoder.
 *
 * One pass over the bytes: prefixes, opcode (legacy, VEX, EVEX or XOP), ModRM,
 * table look-up down the sub-tables, address, immediates, operands, and at the
 * end what makes every CPU refuse the encoding.
 */
#include "decode.h"

static void set_segment(struct x86_insn *insn, enum x86_seg_id seg)
{
	/* 64-bit mode ignores the four old overrides. */
	if (insn->mode == X86_MODE_64 && seg < X86_SEG_FS)
		return;
	insn->prefixes |= X86_PFX_SEG;
	insn->seg_override = seg;
}

static bool legacy_prefix(struct x86_insn *insn, u8 byte)
{
	switch (byte) {
	case 0xf0:
		insn->prefixes |= X86_PFX_LOCK;
		return true;
	case 0xf2:
		insn->prefixes &= ~X86_PFX_REP;
		insn->prefixes |= X86_PFX_REPNE;
		return true;
	case 0xf3:
		insn->prefixes &= ~X86_PFX_REPNE;
		insn->prefixes |= X86_PFX_REP;
		return true;
	case 0x66:
		insn->prefixes |= X86_PFX_OPSIZE;
		return true;
	case 0x67:
		insn->prefixes |= X86_PFX_ADSIZE;
		return true;
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
		set_segment(insn, (byte >> 3) & 3);
		return true;
	case 0x64:
	case 0x65:
		set_segment(insn, byte & 7);
		return true;
	default:
		return false;
	}
}

/* Consume the prefixes; return the first byte that is none. */
static u8 decode_prefixes(struct x86_insn *insn, struct cursor *c)
{
	for (;;) {
		u8 byte = take(c, 1);

		if (c->status)
			return 0;
		if (legacy_prefix(insn, byte)) {
			insn->rex = 0;	/* REX counts only right before the opcode */
			continue;
		}
		if (insn->mode == X86_MODE_64 && (byte & 0xf0) == 0x40) {
			insn->rex = X86_REX_ANY | (byte & 0xf);
			continue;
		}
		return byte;
	}
}

/* 0F, 0F 38 and 0F 3A: name the map, return the opcode byte. */
static u8 decode_escape(struct x86_insn *insn, struct cursor *c)
{
	u8 byte = take(c, 1);

	if (byte == 0x38 || byte == 0x3a) {
		insn->map = byte == 0x38 ? X86_MAP_0F38 : X86_MAP_0F3A;
		return take(c, 1);
	}
	insn->map = byte == 0x0f ? X86_MAP_3DNOW : X86_MAP_0F;
	return byte;
}

static const struct x86_opdesc *lookup(const struct x86_insn *insn)
{
	static const struct x86_opdesc arpl = OP0(OTHER, D_MODRM | D_PROT);

	switch (insn->map) {
	case X86_MAP_1BYTE:
		if (insn->opcode == 0x63 && insn->mode != X86_MODE_64)
			return &arpl;
		return &x86_map_1byte[insn->opcode];
	case X86_MAP_0F38:
		return x86_map_0f38(insn->opcode);
	case X86_MAP_0F3A:
		return &x86_map_0f3a;
	default:
		return &x86_map_0f[insn->opcode];
	}
}

static unsigned int mandatory_prefix(const struct x86_insn *insn)
{
	if (insn->prefixes & X86_PFX_REPNE)
		return 3;
	if (insn->prefixes & X86_PFX_REP)
		return 2;
	return insn->prefixes & X86_PFX_OPSIZE ? 1 : 0;
}

/* Follow the sub-tables from @d to a leaf; gather what is said on the way. */
static struct x86_opdesc resolve(const struct x86_insn *insn,
				 const struct x86_opdesc *d)
{
	struct x86_opdesc r = *d;

	while (r.sel != SEL_NONE) {
		const struct x86_opdesc *s = r.sub;

		switch (r.sel) {
		case SEL_REG:
			s += (insn->modrm >> 3) & 7;
			break;
		case SEL_PFX:
			s += mandatory_prefix(insn);
			break;
		case SEL_MOD:
			s += insn->modrm >= 0xc0;
			break;
		default:
			s += insn->modrm & 7;
			break;
		}
		r.op = s->op;
		r.dst = s->dst ? s->dst : r.dst;
		r.src = s->src ? s->src : r.src;
		r.src2 = s->src2 ? s->src2 : r.src2;
		r.flags |= s->flags;
		r.sel = s->sel;
		r.sub = s->sub;
	}
	return r;
}

/* Which vector instructions of map 0F have an immediate byte. */
static u32 vex_map_0f_flags(u8 opcode)
{
	switch (opcode) {
	case 0x70 ... 0x73:
	case 0xc2:
	case 0xc4 ... 0xc6:
		return D_MODRM | D_UIMM8;
	default:
		return D_MODRM;
	}
}

/* A VEX, EVEX or XOP instruction: a known move, or only its length. */
static void find_vector(struct x86_insn *insn, struct x86_opdesc *desc)
{
	u32 flags = D_MODRM | insn->flags;

	if (insn->encoding == X86_ENC_VEX && insn->map != X86_MAP_0F3A) {
		*desc = resolve(insn, lookup(insn));
		if (desc->flags & D_VEX)
			return;
	}
	if (insn->map == X86_MAP_0F)
		flags = vex_map_0f_flags(insn->opcode);
	else if (insn->map == X86_MAP_0F3A)
		flags = D_MODRM | D_UIMM8;
	*desc = (struct x86_opdesc){ .op = X86_OP_OTHER, .flags = flags };
	if (insn->encoding == X86_ENC_VEX && insn->map == X86_MAP_0F &&
	    insn->opcode == 0x77)
		desc->flags = 0;
}

static void take_modrm(struct x86_insn *insn, struct cursor *c)
{
	insn->has_modrm = true;
	insn->modrm = take(c, 1);
	insn->reg = ((insn->modrm >> 3) & 7) | (insn->rex & X86_REX_R ? 8 : 0);
	insn->rm = (insn->modrm & 7) | (insn->rex & X86_REX_B ? 8 : 0);
}

/* Find the description; reads the ModRM byte when there is one. */
static void find_desc(struct x86_insn *insn, struct cursor *c,
		      struct x86_opdesc *desc)
{
	const struct x86_opdesc *d;

	if (insn->encoding != X86_ENC_LEGACY) {
		if (insn->encoding != X86_ENC_VEX || insn->map != X86_MAP_0F ||
		    insn->opcode != 0x77)
			take_modrm(insn, c);
		find_vector(insn, desc);
		return;
	}
	d = lookup(insn);
	if (d->flags & D_MODRM)
		take_modrm(insn, c);
	*desc = resolve(insn, d);

	/* 90 is XCHG only with a register other than rAX. */
	if (insn->map == X86_MAP_1BYTE && insn->opcode == 0x90 &&
	    !(insn->rex & X86_REX_B)) {
		desc->op = insn->prefixes & X86_PFX_REP ? X86_OP_PAUSE : X86_OP_NOP;
		desc->dst = O_NONE;
		desc->src = O_NONE;
	}
}

static void set_sizes(struct x86_insn *insn)
{
	bool ad = insn->prefixes & X86_PFX_ADSIZE;
	bool op = insn->prefixes & X86_PFX_OPSIZE;

	switch (insn->mode) {
	case X86_MODE_64:
		insn->adsize = ad ? 4 : 8;
		if (insn->rex & X86_REX_W)
			insn->opsize = 8;
		else if (op)
			insn->opsize = 2;
		else
			insn->opsize = insn->flags & D_D64 ? 8 : 4;
		break;
	case X86_MODE_32:
		insn->adsize = ad ? 2 : 4;
		insn->opsize = op ? 2 : 4;
		break;
	default:
		insn->adsize = ad ? 4 : 2;
		insn->opsize = op ? 4 : 2;
		break;
	}
	if (insn->flags & D_OP48)
		insn->opsize = insn->rex & X86_REX_W ? 8 : 4;
}

/* What every CPU answers with #UD although the bytes can be told apart. */
static bool refused(const struct x86_insn *insn)
{
	bool memory = insn->has_modrm && insn->modrm < 0xc0;

	if (insn->flags & D_MEM && !memory)
		return true;
	if (insn->flags & D_PROT && insn->mode < X86_MODE_16)
		return true;
	if (insn->prefixes & X86_PFX_LOCK && !(insn->flags & D_LOCKANY) &&
	    !(insn->flags & D_LOCK && insn->dst.type == X86_OPND_MEM))
		return true;
	if (insn->op == X86_OP_MOV_FROM_SEG && insn->src.reg > X86_SEG_GS)
		return true;
	if (insn->encoding == X86_ENC_VEX && insn->flags & D_VEX)
		return insn->vex_v || (insn->flags & D_L0 && insn->vex_l);
	return false;
}

static int decode_opcode(struct x86_insn *insn, struct cursor *c)
{
	u8 byte = decode_prefixes(insn, c);
	int ret;

	if (c->status)
		return c->status;
	ret = x86_decode_vex(insn, c, byte);
	if (c->status)
		return c->status;
	if (ret == X86_DECODE_OK)
		byte = take(c, 1);
	else if (ret > 0)
		return ret;
	else if (byte == 0x0f)
		byte = decode_escape(insn, c);
	insn->opcode = byte;
	return c->status;
}

int x86_decode(struct x86_insn *insn, const u8 *bytes, unsigned int len,
	       enum x86_mode mode)
{
	struct cursor c = {
		.bytes = bytes,
		.len = min_t(unsigned int, len, X86_INSN_MAX),
	};
	struct x86_opdesc desc;
	int ret;

	memset(insn, 0, sizeof(*insn));
	insn->mode = mode;
	insn->base = X86_REG_NONE;
	insn->index = X86_REG_NONE;

	ret = decode_opcode(insn, &c);
	if (ret)
		return ret;
	find_desc(insn, &c, &desc);
	if (c.status)
		return c.status;
	if (desc.op == X86_OP_NONE ||
	    (desc.flags & D_INV64 && mode == X86_MODE_64))
		return X86_DECODE_UNKNOWN;
	insn->op = desc.op;
	insn->flags = desc.flags;
	set_sizes(insn);
	x86_decode_address(insn, &c);
	x86_decode_immediate(insn, &c);
	if (c.status)
		return c.status;
	insn->length = c.pos;

	x86_decode_operand(insn, &insn->dst, desc.dst);
	x86_decode_operand(insn, &insn->src, desc.src);
	x86_decode_operand(insn, &insn->src2, desc.src2);
	/* AMD: LOCK MOV CR0 is MOV CR8 outside 64-bit mode. */
	if (insn->flags & D_LOCKANY && insn->prefixes & X86_PFX_LOCK)
		insn->reg |= 8;
	insn->ud |= refused(insn);
	return X86_DECODE_OK;
}
