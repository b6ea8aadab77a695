// SPDX-License-Identifier: GPL-2.0-only
/*
 * Emulator against CPU: the same instruction, the same registers and memory,
 * once emulated and once executed, in 64-bit, 32-bit and 16-bit code.
 *
 * A template names an opcode; prefixes, ModRM, operands and values are random.
 * Registers are then set so that the address falls into the test memory. What
 * is compared: all registers, the defined flags, all of the memory, and whether
 * and how the instruction faulted.
 */
#include <signal.h>
#include <stdlib.h>

#include "emul/emul.h"
#include "emul_native.h"
#include "emul_templates.h"
#include "tap.h"

#define FL_CF	0x001ull
#define FL_PF	0x004ull
#define FL_AF	0x010ull
#define FL_ZF	0x040ull
#define FL_SF	0x080ull
#define FL_DF	0x400ull
#define FL_OF	0x800ull
#define FL_ALL	(FL_CF | FL_PF | FL_AF | FL_ZF | FL_SF | FL_DF | FL_OF)

struct built {
	u8 bytes[32];
	unsigned int len;
	unsigned int disp_at;	/* 0: none */
	enum x86_mode mode;
	bool rexw;
};

static u8 shadow[NATIVE_MEM_SIZE];
static struct native_state emulated;

static u32 rnd(u32 n)
{
	return (u32)random() % n;
}

static u64 rnd64(void)
{
	return (u64)random() << 42 ^ (u64)random() << 21 ^ (u64)random();
}

/* Values that meet the edges more often than chance does. */
static u64 interesting(void)
{
	switch (rnd(6)) {
	case 0:
		return rnd(64);
	case 1:
		return -(u64)rnd(64);
	case 2:
		return 1ull << rnd(64);
	case 3:
		return (1ull << rnd(64)) - 1;
	default:
		return rnd64();
	}
}

static void fill(u8 *p, unsigned int n)
{
	u64 x = rnd64() | 1;

	for (; n; n -= 8, p += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(p, &x, 8);
	}
}

/* The emulator's surroundings: flat segments, and the shadow as memory. */

static u8 *locate(u64 addr, unsigned int len)
{
	u64 base = (u64)(uintptr_t)native_mem();

	if (addr < base || addr + len > base + NATIVE_MEM_SIZE)
		return NULL;
	return shadow + (addr - base);
}

static enum x86_result page_fault(struct x86_emul *ctxt, u64 addr)
{
	ctxt->fault = (struct x86_fault){ .vector = X86_VEC_PF, .has_error = true, .cr2 = addr };
	return X86_EMUL_FAULT;
}

static enum x86_result mem_read(struct x86_emul *ctxt, u64 addr, void *buf,
				unsigned int len, unsigned int access)
{
	u8 *p = locate(addr, len);

	(void)access;
	if (!p)
		return page_fault(ctxt, addr);
	memcpy(buf, p, len);
	return X86_EMUL_OK;
}

static enum x86_result mem_write(struct x86_emul *ctxt, u64 addr, const void *buf,
				 unsigned int len, unsigned int access)
{
	u8 *p = locate(addr, len);

	(void)access;
	if (!p)
		return page_fault(ctxt, addr);
	memcpy(p, buf, len);
	return X86_EMUL_OK;
}

static enum x86_result mem_cmpxchg(struct x86_emul *ctxt, u64 addr, const void *old,
				   const void *new, unsigned int len)
{
	u8 *p = locate(addr, len);

	if (!p)
		return page_fault(ctxt, addr);
	if (memcmp(p, old, len))
		return X86_EMUL_RESTART;
	memcpy(p, new, len);
	return X86_EMUL_OK;
}

static enum x86_result mem_probe(struct x86_emul *ctxt, u64 addr, unsigned int len,
				 unsigned int access)
{
	(void)access;
	return locate(addr, len) ? X86_EMUL_OK : page_fault(ctxt, addr);
}

static void get_seg(struct x86_emul *ctxt, unsigned int seg, struct x86_seg *out)
{
	*out = (struct x86_seg){ .limit = 0xffffffff, .attrib = 0xcf3, .selector = 0x2b };
	if (seg == X86_SEG_CS)
		out->attrib = ctxt->insn.mode == X86_MODE_16 ? 0x8fb : 0xcfb;
}

static enum x86_result no_in(struct x86_emul *ctxt, u16 port, unsigned int size,
			     void *buf, unsigned int count)
{
	(void)ctxt, (void)port, (void)size, (void)buf, (void)count;
	return X86_EMUL_UNHANDLED;
}

static enum x86_result no_out(struct x86_emul *ctxt, u16 port, unsigned int size,
			      const void *buf, unsigned int count)
{
	(void)ctxt, (void)port, (void)size, (void)buf, (void)count;
	return X86_EMUL_UNHANDLED;
}

static void read_vec(struct x86_emul *ctxt, unsigned int reg, void *buf, unsigned int len)
{
	(void)ctxt;
	memcpy(buf, emulated.vec[reg], len);
}

static void write_vec(struct x86_emul *ctxt, unsigned int reg, const void *buf,
		      unsigned int len, bool zero_upper)
{
	(void)ctxt;
	memcpy(emulated.vec[reg], buf, len);
	if (zero_upper && len < 32)
		memset(emulated.vec[reg] + len, 0, 32 - len);
}

static void retire(struct x86_emul *ctxt)
{
	(void)ctxt;
}

static const struct x86_emul_ops ops = {
	.read = mem_read, .write = mem_write, .cmpxchg = mem_cmpxchg, .probe = mem_probe,
	.seg = get_seg, .pio_in = no_in, .pio_out = no_out,
	.read_vec = read_vec, .write_vec = write_vec, .retire = retire,
};

/* Instruction building */

static void emit(struct built *b, u64 value, unsigned int n)
{
	while (n--) {
		b->bytes[b->len++] = value;
		value >>= 8;
	}
}

static void emit_modrm(struct built *b, const struct template *t)
{
	u8 modrm = rnd(256), mod, rm;
	bool sixteen = b->mode == X86_MODE_16 && !memchr(b->bytes, 0x67, b->len);

	if (t->flags & T_MEM || rnd(4))
		modrm = (modrm & 0x3f) | rnd(3) << 6;
	if (t->ext >= 0)
		modrm = (modrm & 0xc7) | t->ext << 3;
	emit(b, modrm, 1);
	mod = modrm >> 6;
	rm = modrm & 7;
	if (mod == 3)
		return;
	if (sixteen) {
		b->disp_at = b->len;
		emit(b, rnd64(), mod == 1 ? 1 : mod == 2 || rm == 6 ? 2 : 0);
		return;
	}
	if (rm == 4) {
		u8 sib = rnd(256);

		emit(b, sib, 1);
		if (mod == 0 && (sib & 7) == 5)
			rm = 5;
	}
	b->disp_at = b->len;
	if (mod == 1)
		emit(b, rnd(256), 1);
	else if (mod == 2 || rm == 5)
		emit(b, rnd(0x1000) - 0x800u, 4);
}

static void emit_vex(struct built *b, const struct template *t)
{
	u8 pp = t->pfx == 0x66 ? 1 : t->pfx == 0xf3 ? 2 : t->pfx == 0xf2 ? 3 : 0;
	/* Moves of four and eight bytes to and from vectors take L = 0 only. */
	bool scalar = t->first == 0x6e || t->first == 0x7e || t->first == 0xd6;
	u8 l = scalar ? 0 : rnd(2), rxb = b->mode == X86_MODE_64 ? rnd(8) : 7;

	if (t->map == 1 && rnd(2)) {
		emit(b, 0xc5, 1);
		emit(b, (rxb & 4) << 5 | 0x78 | l << 2 | pp, 1);
	} else {
		emit(b, 0xc4, 1);
		emit(b, rxb << 5 | t->map, 1);
		emit(b, (b->mode == X86_MODE_64 ? rnd(2) << 7 : 0) | 0x78 | l << 2 | pp, 1);
	}
}

static void emit_prefixes(struct built *b, const struct template *t)
{
	static const u8 segs[] = { 0x26, 0x2e, 0x36, 0x3e };
	/* CS is not writable outside 64-bit mode; leave that to the hand vectors. */
	bool string_or_any = b->mode == X86_MODE_64;

	if (!rnd(8))
		emit(b, string_or_any ? segs[rnd(4)] : 0x3e, 1);
	if (!(t->flags & T_VEX)) {
		if (!t->pfx && !(t->flags & T_NO66) && !rnd(3))
			emit(b, 0x66, 1);
		if (t->flags & T_LOCK && !rnd(3))
			emit(b, 0xf0, 1);
		if (t->flags & T_REP && rnd(3))
			emit(b, 0xf2 + rnd(2), 1);
	}
	if (b->mode == X86_MODE_16 || !rnd(6))
		emit(b, b->mode == X86_MODE_32 ? 0x3e : 0x67, 1);
	if (t->flags & T_VEX) {
		emit_vex(b, t);
		return;
	}
	if (t->pfx)
		emit(b, t->pfx, 1);
	if (b->mode == X86_MODE_64 && rnd(2)) {
		emit(b, 0x40 | rnd(16), 1);
		b->rexw = b->bytes[b->len - 1] & 8;
	}
	if (t->map)
		emit(b, 0x0f, 1);
	if (t->map == 2)
		emit(b, 0x38, 1);
}

static bool has_prefix(const struct built *b, u8 prefix)
{
	return memchr(b->bytes, prefix, b->len) != NULL;
}

static void build(struct built *b, const struct template *t, enum x86_mode mode)
{
	bool word;

	memset(b, 0, sizeof(*b));
	b->mode = mode;
	emit_prefixes(b, t);
	word = has_prefix(b, 0x66) != (mode == X86_MODE_16);
	emit(b, t->first + rnd(t->last - t->first + 1u), 1);
	if (t->flags & T_MOFFS) {
		b->disp_at = b->len;
		emit(b, 0, mode == X86_MODE_64 && !has_prefix(b, 0x67) ? 8 : 4);
	} else if (!(t->flags & T_NOMRM)) {
		emit_modrm(b, t);
	}
	if (t->flags & T_I8)
		emit(b, interesting(), 1);
	if (t->flags & T_IZ)
		emit(b, interesting(), b->rexw ? 4 : word ? 2 : 4);
	if (t->flags & T_IV)
		emit(b, interesting(), b->rexw ? 8 : word ? 2 : 4);
}

/* Operand values and addresses */

static bool bit_string(const struct x86_insn *insn)
{
	return insn->op >= X86_OP_BT && insn->op <= X86_OP_BTC &&
	       insn->src.type == X86_OPND_REG && insn->modrm < 0xc0;
}

static bool uses_memory(const struct x86_insn *insn)
{
	return insn->has_modrm && insn->modrm < 0xc0 && insn->op != X86_OP_LEA;
}

/* Point the memory operand at @target; false if this encoding cannot. */
static bool aim(struct built *b, const struct x86_insn *insn, struct x86_regs *r, u64 target)
{
	u64 index = 0, disp;
	u8 base = insn->base;

	if (insn->adsize == 2)
		return false;
	if (insn->index != X86_REG_NONE) {
		if (insn->index == base)
			return false;
		r->gpr[insn->index] = rnd(128);
		index = r->gpr[insn->index] << insn->scale;
		if (insn->adsize == 4 && b->mode == X86_MODE_64)
			r->gpr[insn->index] |= rnd64() << 32;
	}
	if (base < 16) {
		r->gpr[base] = target - insn->disp - index;
		if (insn->adsize == 4)
			r->gpr[base] = (u32)r->gpr[base];
		if (insn->adsize == 4 && b->mode == X86_MODE_64)
			r->gpr[base] |= rnd64() << 32;
		return true;
	}
	disp = target - index;
	if (base == X86_REG_RIP)
		disp = target - (native_rip() + b->len);
	memcpy(b->bytes + b->disp_at, &disp, 4);
	return true;
}

static bool prepare(struct built *b, const struct template *t, struct x86_insn *insn,
		    struct native_state *s)
{
	u64 mem = (u64)(uintptr_t)native_mem(), mask = b->mode == X86_MODE_64 ? ~0ull : 0xffffffff;
	u64 target = mem + 0x1000 + rnd(0x800);
	unsigned int i;

	if (x86_decode(insn, b->bytes, b->len, b->mode) || insn->length != b->len) {
		tap_diag("%s: decoded length %u, built %u", t->name, insn->length, b->len);
		return false;
	}
	for (i = 0; i < 16; i++)
		s->regs.gpr[i] = interesting() & mask;
	for (i = 0; i < sizeof(s->vec); i++)
		((u8 *)s->vec)[i] = rnd(256);
	s->regs.rflags = 0x202 | (rnd64() & (FL_ALL & ~FL_DF));
	s->regs.gpr[X86_RSP] = mem + 0x3000 + rnd(0x100);
	/* Divisions that do not overflow are rare among random ones. */
	if ((insn->op == X86_OP_DIV || insn->op == X86_OP_IDIV) && rnd(4))
		s->regs.gpr[X86_RDX] = rnd(2) ? 0 : rnd(4);
	fill(shadow, NATIVE_MEM_SIZE);
	if (!rnd(3))
		memset(shadow, 0, NATIVE_MEM_SIZE);
	if (t->flags & T_ALIGN && rnd(8))
		target &= ~31ull;
	if (t->flags & T_REP) {
		s->regs.gpr[X86_RCX] = rnd(8) ? rnd(12) : rnd(600);
		s->regs.gpr[X86_RSI] = mem + 0x800 + rnd(0x2800);
		s->regs.gpr[X86_RDI] = mem + 0x800 + rnd(0x2800);
		s->regs.rflags |= rnd(2) ? FL_DF : 0;
		/* With a count of zero vendors differ in the upper halves. */
		if (insn->adsize == 4 && b->mode == X86_MODE_64 && s->regs.gpr[X86_RCX]) {
			s->regs.gpr[X86_RCX] |= rnd64() << 32;
			s->regs.gpr[X86_RSI] |= rnd64() << 32;
			s->regs.gpr[X86_RDI] |= rnd64() << 32;
		}
		if (!rnd(4))
			memset(shadow, s->regs.gpr[X86_RAX] & 0xff, NATIVE_MEM_SIZE);
		return true;
	}
	if (t->first == 0xd7) {
		s->regs.gpr[X86_RBX] = target;
		return true;
	}
	if (t->flags & T_MOFFS) {
		memcpy(b->bytes + b->disp_at, &target, insn->adsize == 8 ? 8 : 4);
	} else if (uses_memory(insn)) {
		if (bit_string(insn))
			s->regs.gpr[insn->reg] = (u64)(s64)((s32)rnd(8000) - 4000) & mask;
		if (!aim(b, insn, &s->regs, target))
			return false;
		if (bit_string(insn) && (insn->reg == insn->base || insn->reg == insn->index))
			return false;
		if (insn->op == X86_OP_CMPXCHG || insn->op == X86_OP_CMPXCHG8B) {
			u8 *p = shadow + (target - mem);

			if (rnd(2) && insn->base != X86_RAX && insn->index != X86_RAX)
				memcpy(&s->regs.gpr[X86_RAX], p, b->mode == X86_MODE_64 ? 8 : 4);
			if (rnd(2) && insn->base != X86_RDX && insn->index != X86_RDX)
				memcpy(&s->regs.gpr[X86_RDX],
				       p + (insn->rex & X86_REX_W ? 8 : 4),
				       b->mode == X86_MODE_64 ? 8 : 4);
		}
	}
	return !x86_decode(insn, b->bytes, b->len, b->mode);
}

/* Flags that the manuals leave undefined behind this instruction. */
static u64 undefined_flags(const struct x86_insn *insn, const struct x86_regs *r)
{
	unsigned int count, bits = 8 * insn->dst.size;

	switch (insn->op) {
	case X86_OP_AND:
	case X86_OP_OR:
	case X86_OP_XOR:
	case X86_OP_TEST:
		return FL_AF;
	case X86_OP_BT:
	case X86_OP_BTS:
	case X86_OP_BTR:
	case X86_OP_BTC:
		return FL_OF | FL_SF | FL_AF | FL_PF;
	case X86_OP_MUL:
	case X86_OP_IMUL:
	case X86_OP_IMUL2:
		return FL_SF | FL_ZF | FL_AF | FL_PF;
	case X86_OP_DIV:
	case X86_OP_IDIV:
		return FL_ALL & ~FL_DF;
	default:
		break;
	}
	if (insn->op < X86_OP_ROL || insn->op > X86_OP_SHRD)
		return 0;
	count = insn->src.type == X86_OPND_IMM || insn->src2.type == X86_OPND_IMM ?
		insn->imm : r->gpr[X86_RCX];
	count &= bits == 64 ? 63 : 31;
	if (!count)
		return 0;
	if (insn->op <= X86_OP_RCR)
		return count == 1 ? 0 : FL_OF;
	if (insn->op == X86_OP_SAR)
		return FL_AF | (count == 1 ? 0 : FL_OF);
	return FL_AF | (count == 1 ? 0 : FL_OF) | (count >= bits ? FL_CF : 0);
}

/* SHLD and SHRD of 16 bits by more than 16 have no defined result. */
static bool undefined_result(const struct x86_insn *insn, const struct x86_regs *r)
{
	unsigned int count = (insn->src2.type == X86_OPND_IMM ? insn->imm : r->gpr[X86_RCX]) & 31;

	return (insn->op == X86_OP_SHLD || insn->op == X86_OP_SHRD) &&
	       insn->dst.size == 2 && count > 16;
}

static int expected_signal(const struct x86_fault *fault)
{
	switch (fault->vector) {
	case X86_VEC_DE:
		return SIGFPE;
	case X86_VEC_UD:
		return SIGILL;
	case X86_VEC_SS:
		return SIGBUS;
	default:
		return SIGSEGV;
	}
}

static void report(const struct template *t, const struct built *b, const char *what,
		   const struct x86_regs *before, const struct x86_regs *native)
{
	char hex[64] = "";
	unsigned int i;

	for (i = 0; i < b->len; i++)
		sprintf(hex + 3 * i, "%02x ", b->bytes[i]);
	tap_diag("%s, mode %d: %s: %s", t->name, b->mode, hex, what);
	for (i = 0; i < 16; i++)
		if (native->gpr[i] != emulated.regs.gpr[i])
			tap_diag("  gpr %u: before %016llx, CPU %016llx, emulator %016llx", i,
				 before->gpr[i], native->gpr[i], emulated.regs.gpr[i]);
	tap_diag("  flags: before %llx, CPU %llx, emulator %llx; rcx %llx; rip off by %lld",
		 before->rflags, native->rflags, emulated.regs.rflags,
		 before->gpr[X86_RCX], native->rip - emulated.regs.rip);
}

static const char *compare(const struct x86_insn *insn, const struct native_state *before,
			   const struct native_state *native, int sig,
			   enum x86_result r, const struct x86_fault *fault)
{
	u64 flags = FL_ALL & ~undefined_flags(insn, &before->regs);
	/* The upper halves are not there to be looked at in 32-bit code. */
	u64 mask = insn->mode == X86_MODE_64 ? ~0ull : 0xffffffff;
	unsigned int i;

	if (sig)
		flags = FL_ALL;
	if (r == X86_EMUL_FAULT ? sig != expected_signal(fault) : r != X86_EMUL_OK || sig)
		return "fault";
	for (i = 0; i < 16; i++)
		if ((native->regs.gpr[i] ^ emulated.regs.gpr[i]) & mask)
			return "register";
	if ((native->regs.rflags ^ emulated.regs.rflags) & flags)
		return "flags";
	if (native->regs.rip != emulated.regs.rip)
		return "rip";
	if (memcmp(native_mem(), shadow, NATIVE_MEM_SIZE))
		return "memory";
	if (memcmp(native->vec, emulated.vec, native_has_avx() ? sizeof(native->vec) : 0))
		return "vector register";
	return NULL;
}

/* One random instance; 1 good, 0 not usable, -1 bad. */
static int run_once(const struct template *t, enum x86_mode mode)
{
	struct x86_emul ctxt = { .ops = &ops, .regs = &emulated.regs, .cpl = 3 };
	struct native_state before, native;
	enum x86_result r;
	struct built b;
	const char *what;
	int sig, n = 0;

	build(&b, t, mode);
	if (!prepare(&b, t, &ctxt.insn, &before) || undefined_result(&ctxt.insn, &before.regs))
		return 0;
	before.regs.rip = native_rip();
	ctxt.cr0 = 0x80000033;
	ctxt.cr4 = 0x40620;
	ctxt.xcr0 = 7;
	native = before;
	emulated = before;
	memcpy(native_mem(), shadow, NATIVE_MEM_SIZE);

	do {
		r = x86_emulate(&ctxt);
	} while (r == X86_EMUL_RESTART && ++n < 100);
	sig = native_run(&native, b.bytes, b.len, mode);
	what = compare(&ctxt.insn, &before, &native, sig, r, &ctxt.fault);
	if (!what)
		return 1;
	tap_diag("emulator %d vector %d, signal %d", r, ctxt.fault.vector, sig);
	report(t, &b, what, &before.regs, &native.regs);
	return -1;
}

static void run_template(const struct template *t, enum x86_mode mode, unsigned int rounds)
{
	unsigned int good = 0, bad = 0, i;

	if ((t->flags & T_NO64 && mode == X86_MODE_64) ||
	    (t->flags & T_ONLY64 && mode != X86_MODE_64) ||
	    (t->flags & T_VEX && !native_has_avx()))
		return;
	for (i = 0; i < rounds && bad < 3; i++) {
		int r = run_once(t, mode);

		good += r > 0;
		bad += r < 0;
	}
	tap_ok(!bad && good > rounds / 4, "%s, %s: %u instances as on the CPU", t->name,
	       mode == X86_MODE_64 ? "64-bit" : mode == X86_MODE_32 ? "32-bit" : "16-bit", good);
}

int main(int argc, char **argv)
{
	static const enum x86_mode modes[] = { X86_MODE_64, X86_MODE_32, X86_MODE_16 };
	unsigned int i, m, rounds = argc > 1 ? atoi(argv[1]) : 600;

	srandom(argc > 2 ? atoi(argv[2]) : 1);
	if (!native_setup()) {
		tap_skip("native comparison", "no executable memory below 2 GiB");
		return tap_done();
	}
	for (m = 0; m < ARRAY_SIZE(modes); m++) {
		if (!native_has_mode(modes[m])) {
			tap_skip("native comparison in another mode", "no such code segment");
			continue;
		}
		for (i = 0; i < ARRAY_SIZE(templates); i++)
			run_template(&templates[i], modes[m], rounds);
	}
	return tap_done();
}
