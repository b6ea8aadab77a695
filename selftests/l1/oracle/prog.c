// SPDX-License-Identifier: GPL-2.0-only
/*
 * The program of a case: pieces of a few instructions, each in a place of its own that ends
 * in HLT.  Every instruction that an intercept or a fault can be about has a piece; the
 * operands are right or wrong by chance.  No piece loops, and none leaves a value that differs
 * from one machine to the next in a register.
 */
#include "oracle/oracle.h"

struct emit { struct orc_case *k; u8 *p; };

static void emit(struct emit *e, const char *bytes, u32 n)
{
	memcpy(e->p, bytes, n);
	e->p += n;
}
#define B(s) emit(e, s, sizeof(s) - 1)

/* An instruction in a table */
struct bytes { u8 n; char b[7]; };
#define I(s) { sizeof(s) - 1, s }
#define ANY(table) insn(e, table, ARRAY_SIZE(table))

static void insn(struct emit *e, const struct bytes *from, u32 n)
{
	from += orc_below(e->k, n);
	emit(e, from->b, from->n);
}

static void imm(struct emit *e, u64 v, u32 n)
{
	memcpy(e->p, &v, n);
	e->p += n;
}

static bool long_mode(struct emit *e)
{
	return e->k->mode == OM_64 || e->k->mode == OM_64_USER;
}

enum { AX, CX, DX, BX, SP, BP, SI, DI };

/* MOV r32, imm32 in any mode */
static void load(struct emit *e, u32 reg, u32 v)
{
	if (e->k->mode == OM_REAL)
		B("\x66");
	*e->p++ = 0xb8 + reg;
	imm(e, v, 4);
}

static void load64(struct emit *e, u32 reg, u64 v)
{
	B("\x48");
	*e->p++ = 0xb8 + reg;
	imm(e, v, 8);
}

/* Twice: one of the two clears all 32 bits, whatever the size of operands is by now. */
static void clear_all(struct emit *e)
{
	B("\x31\xc0\x31\xdb\x31\xc9\x31\xd2\x66\x31\xc0\x66\x31\xdb\x66\x31\xc9\x66\x31\xd2");
}

static u32 pick(struct orc_case *k, const u32 *from, u32 n) { return from[orc_below(k, n)]; }
#define PICK(k, ...) \
	pick(k, (const u32[]){ __VA_ARGS__ }, sizeof((u32[]){ __VA_ARGS__ }) / sizeof(u32))

/* An address in the window, now and then across the end of a page. */
static u32 window(struct orc_case *k)
{
	u32 base = k->mode < OM_FLAT ? PLAY : k->base + PLAY_DATA * PAGE_SIZE;

	return base + orc_below(k, PLAY_NDATA - 1) * PAGE_SIZE +
	       PICK(k, 0x10, 0x10, 0x18, 0x11, 0xff8, 0xffe, 0xfff);
}

/* ---- pieces ---- */

static void p_cpuid(struct emit *e)
{
	load(e, AX, PICK(e->k, 0, 1, 0x80000000, 0x8000000a, 0x12345678));
	B("\x31\xc9\x0f\xa2");
	clear_all(e);
}

static void p_time(struct emit *e)
{
	u32 w = orc_below(e->k, 3);

	B("\x31\xc9");
	if (w == 0 || orc_profile & OP_TCG)
		B("\x0f\x31");
	else if (w == 1)
		B("\x0f\x01\xf9");
	else
		B("\x0f\x33");
	clear_all(e);
}

static void p_cr_read(struct emit *e)
{
	u32 cr = PICK(e->k, 0, 2, 3, 4, 0, 3, 1, 5, 8), reg = PICK(e->k, AX, CX, BX, SI);

	/* CR8 is the local APIC's priority where it is not virtual. */
	if (cr == 8 && !long_mode(e))
		cr = 0;
	if (cr == 8)
		B("\x44");
	B("\x0f\x20");
	*e->p++ = 0xc0 | (cr & 7) << 3 | reg;
}

/* Bits that TCG survives: it checks nothing, and long mode half left stops the host. */
static u32 cr0_bit(struct orc_case *k)
{
	if (orc_profile & OP_TCG)
		return 1u << PICK(k, 1, 2, 3, 3, 5, 16, 18, 30);
	return 1u << PICK(k, 1, 2, 3, 4, 5, 6, 16, 18, 19, 29, 30, 31);
}

static u32 cr4_bit(struct orc_case *k)
{
	if (orc_profile & OP_TCG)
		return 1u << PICK(k, 0, 1, 2, 3, 4, 6, 7, 8, 9, 10);
	return 1u << PICK(k, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 24, 31);
}

static void p_cr_write(struct emit *e)
{
	u32 cr = PICK(e->k, 0, 0, 3, 4, 4, 2), bit = 0;

	if (cr == 0)
		bit = cr0_bit(e->k);
	else if (cr == 4)
		bit = cr4_bit(e->k);
	else if (cr == 3)
		bit = PICK(e->k, 0, 8, 0x10);
	else
		bit = PICK(e->k, 1, 0x80000000);
	B("\x0f\x20");
	*e->p++ = 0xc0 | cr << 3;
	if (e->k->mode == OM_REAL)
		B("\x66");
	B("\x35");
	imm(e, bit, 4);
	B("\x0f\x22");
	*e->p++ = 0xc0 | cr << 3;
}

static void p_msw(struct emit *e)
{
	u32 w = orc_below(e->k, 3), v = PICK(e->k, 0x31, 0x33, 0x39, 0x3f, 0x30);

	if (w == 0) {
		B("\x0f\x06");
	} else if (w == 1) {
		B("\x0f\x01\xe0");
	} else {
		/* LMSW cannot clear PE, but it can set it. */
		load(e, AX, e->k->mode == OM_REAL ? v & ~1 : v);
		B("\x0f\x01\xf0");
	}
}

static void p_dr(struct emit *e)
{
	u32 dr = orc_below(e->k, 8), v = PICK(e->k, 0, 0xffff0ff0, 0x400, 0x2400, 0xffffffff);
	bool write = orc_one_in(e->k, 2), high = orc_one_in(e->k, 4);

	/* No breakpoints: DR7 gets none enabled. */
	if (dr == 7 || dr == 5)
		v = PICK(e->k, 0x400, 0x400, 0x2400, 0x300, 0xdc00);
	if (!write) {
		B("\x0f\x21");
		*e->p++ = 0xc0 | dr << 3;
		return;
	}
	if (high && long_mode(e))
		load64(e, AX, v | 1ull << 32);
	else
		load(e, AX, v);
	B("\x0f\x23");
	*e->p++ = 0xc0 | dr << 3;
}

static void p_msr(struct emit *e)
{
	static const u32 msrs[] = {
		MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK, MSR_FS_BASE, MSR_GS_BASE, MSR_KGS_BASE,
		MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_PAT, 0x8b, 0x12345678,
		0xc0010015, MSR_VM_CR, MSR_VM_HSAVE_PA, MSR_EFER, 0x2000, 0xc0002000, 0xc0012000,
	};
	u32 msr = msrs[orc_below(e->k, ARRAY_SIZE(msrs))];

	load(e, CX, msr);
	if (orc_one_in(e->k, 2)) {
		B("\x0f\x32");
		clear_all(e);
		return;
	}
	load(e, AX, PICK(e->k, 0, 1, 0x1000, 0x7040600, 0xffffffff));
	load(e, DX, PICK(e->k, 0, 0, 0, 0x8000, 0xffff8000, 0x70406));
	B("\x0f\x30");
}

static void p_io(struct emit *e)
{
	static const struct bytes insns[] = {
		I("\xe4\xed"), I("\xe6\xed"), I("\xe5\xed"), I("\xe7\xed"), I("\xec"), I("\xee"), I("\xed"), I("\xef"),
		I("\x66\xed"), I("\x66\xef"), I("\x6c"), I("\x6d"), I("\x6e"), I("\x6f"), I("\xf3\x6c"), I("\xf3\x6e"),
		I("\x66\x6d"), I("\x66\x6f"), I("\x67\x6d"), I("\x67\x6e"),
	};

	load(e, DX, PICK(e->k, 0xed, 0x3fe, 0xcfc, 0xffff, 0xfffe));
	if (e->k->mode != OM_REAL) {
		load(e, SI, window(e->k));
		load(e, DI, window(e->k));
	}
	load(e, CX, PICK(e->k, 1, 2, 0));
	ANY(insns);
	B("\x31\xc0");
}

static void p_exception(struct emit *e)
{
	static const struct bytes insns[] = {
		I("\x0f\x0b"), I("\xcc"), I("\x31\xd2\x31\xc9\xf7\xf1"), I("\xce"), I("\xb0\x7f\x04\x7f\xce"),
		I("\x0f\xff"), I("\xd9\xd0"), I("\x9b"), I("\xcd\x00"), I("\xcd\x03"), I("\xcd\x0d"),
		I("\xcd\x20"), I("\xcd\xff"), I("\xcd\x0e"), I("\x0f\x28\xc0"), I("\x0f\x77"), I("\x0f\xaa"), I("\xcd\x80"), I("\xf1"),
	};

	/* The last is INT1, which TCG has not. */
	insn(e, insns, ARRAY_SIZE(insns) - !!(orc_profile & OP_TCG));
}

static void p_flags(struct emit *e)
{
	u32 bits = PICK(e->k, FL_TF, FL_IF, 0x3000, 0x4000, FL_AC, 0x200000, FL_RF, 1, 0x80000);

	B("\x9c");
	if (e->k->mode == OM_REAL)
		/* or word [esp], imm16 */
		B("\x67\x81\x0c\x24"), imm(e, bits & 0xffff, 2);
	else
		B("\x81\x0c\x24"), imm(e, bits, 4);
	B("\x9d\x90\x90");
}

static void p_simple(struct emit *e)
{
	static const struct bytes insns[] = {
		I("\xfa"), I("\xfb"), I("\xfb\x90"), I("\xfa\x90\xfb\x90\x90"), I("\xcf"), I("\x48\xcf"), I("\xf3\x90"),
		I("\x0f\x09"), I("\x0f\x08"), I("\x0f\xae\xf0"), I("\x0f\x05"), I("\x0f\x07"), I("\x0f\x34"),
		I("\x48\x0f\x07"), I("\x0f\x01\xf8"), I("\x0f\xaa"), I("\xfb\xf4\x90"),
		I("\x0f\x35"),
	};

	/* The last is SYSEXIT, after which TCG runs into a wall. */
	insn(e, insns, ARRAY_SIZE(insns) - !!(orc_profile & OP_TCG));
}

static void p_desc(struct emit *e)
{
	static const u32 sels[] = { 0, 3, SEL_DS, SEL_UDS, SEL_CS32, 0x50, 0x60, SEL_LDT, SEL_TSS,
				    0xfff8, 0x14, SEL_DS | 3 };
	static const struct bytes by_sel[] = {
		I("\x8e\xd8"), I("\x8e\xd0"), I("\x8e\xc0"), I("\x8e\xe0"), I("\x8e\xe8"), I("\x8e\xd0\x90\x90"),
		I("\x0f\x00\xd0"), I("\x0f\x00\xd8"), I("\x0f\x02\xd8"), I("\x0f\x03\xd8"), I("\x0f\x00\xe0"),
		I("\x0f\x00\xe8"),
	};
	static const struct bytes stores[] = { I("\x0f\x00\xc0"), I("\x0f\x00\xc8") };
	static const struct bytes by_mem[] = {
		I("\x0f\x01\x03"), I("\x0f\x01\x0b"), I("\x0f\x01\x13"), I("\x0f\x01\x1b"),
	};
	u32 sel = sels[orc_below(e->k, ARRAY_SIZE(sels))], w = orc_below(e->k, 4);

	if (w == 0 && e->k->mode != OM_REAL) {
		load(e, BX, window(e->k));
		ANY(by_mem);
	} else if (w == 1) {
		ANY(stores);
	} else {
		load(e, AX, sel);
		ANY(by_sel);
	}
}

/* Return to the end of this piece through a selector. */
static void p_far(struct emit *e)
{
	u32 sel = PICK(e->k, SEL_CS, SEL_CS32, SEL_UCS, SEL_DS, 0x50, 0, 0x5b, 0xfff8);
	u32 to = (u32)(u64)e->p + 40;

	if (e->k->mode == OM_REAL)
		return;
	B("\x6a");
	*e->p++ = sel;
	B("\x68");
	imm(e, to, 4);
	if (long_mode(e))
		B("\x48");
	B("\xcb");
}

static void p_memory(struct emit *e)
{
	static const struct bytes insns[] = {
		I("\x8b\x03"), I("\x89\x03"), I("\xff\x03"), I("\x87\x03"), I("\x0f\xc7\x0b"), I("\xff\xe3"),
		I("\x8a\x03"), I("\x88\x03"), I("\xf6\x03\x01"), I("\xff\x33"), I("\x8f\x03"), I("\xff\x13"),
		I("\x0f\xb1\x03"), I("\xf0\xff\x03"), I("\x0f\x01\x3b"), I("\xa5"), I("\xaa"), I("\xf3\xa4"),
	};

	if (e->k->mode == OM_REAL)
		return;
	load(e, BX, window(e->k));
	load(e, SI, window(e->k));
	load(e, DI, window(e->k));
	load(e, CX, PICK(e->k, 1, 3));
	ANY(insns);
}

static void p_canonical(struct emit *e)
{
	static const u64 edges[] = { 1ull << 47, (1ull << 47) - 2, ~0ull << 47, (~0ull << 47) - 1, 1ull << 63,
				     1ull << 39, 0xffffffffffffffffull };
	static const struct bytes insns[] = {
		I("\x8b\x03"), I("\x89\x03"), I("\xff\xe3"), I("\x48\x89\xdc\x50"), I("\x0f\x01\x3b"),
		I("\x48\x89\xdc\x58"), I("\x0f\xae\x3b"), I("\x48\x89\xdd\x8b\x45\x00"),
	};
	u64 a = edges[orc_below(e->k, ARRAY_SIZE(edges))];

	if (!long_mode(e))
		return;
	load64(e, BX, a);
	ANY(insns);
}

/* The instructions of AMD-V; VMRUN, VMLOAD and VMSAVE have addresses of every sort. */
static void p_svm(struct emit *e)
{
	u32 w = orc_below(e->k, 9), rax = PICK(e->k, 0x30000, 0x30001, 0xfffff000, 0, 0x1000);

	/* It stops Bochs, and nobody offers it. */
	if (w == 6 && orc_profile & OP_BOCHS)
		w = 1;
	load(e, AX, rax);
	B("\x31\xc9");
	if (w == 8)
		B("\x0f\x01\xc1");
	else
		B("\x0f\x01"), *e->p++ = 0xd8 + w;
}

/* VT-x's own, most with an operand in the window. */
static void p_vmx(struct emit *e)
{
	static const struct bytes insns[] = {
		I("\x0f\x01\xc1"), I("\x0f\x01\xc2"), I("\x0f\x01\xc3"), I("\x0f\x01\xc4"), I("\x0f\xc7\x33"),
		I("\x66\x0f\xc7\x33"), I("\x0f\xc7\x3b"), I("\x0f\x78\x03"), I("\x0f\x79\x03"),
		I("\xf3\x0f\xc7\x33"), I("\x66\x0f\x38\x80\x03"), I("\x66\x0f\x38\x81\x03"),
		I("\x66\x0f\x38\x82\x03"), I("\x0f\x78\xd8"), I("\x0f\x79\xd8"), I("\x0f\x37"),
		I("\x0f\x01\xd4"), I("\x0f\x01\xd1"),
	};

	if (e->k->mode == OM_REAL)
		return;
	load(e, AX, PICK(e->k, 0, 1, 0x6800, 0x4400));
	load(e, BX, window(e->k));
	B("\x31\xc9\x31\xd2");
	ANY(insns);
}

static void p_vendor(struct emit *e)
{
	if (vendor == &svm_vendor)
		p_svm(e);
	else
		p_vmx(e);
}

static void p_monitor(struct emit *e)
{
	if (e->k->mode == OM_REAL)
		return;
	load(e, AX, window(e->k));
	B("\x31\xc9\x31\xd2");
	if (orc_one_in(e->k, 2))
		B("\x0f\x01\xc8");
	else
		B("\x0f\x01\xc9");
}

static const struct piece { const char *name; void (*emit)(struct emit *e); u8 weight; } pieces[] = {
	{ "cpuid", p_cpuid, 2 }, { "time", p_time, 1 }, { "cr_read", p_cr_read, 3 },
	{ "cr_write", p_cr_write, 5 }, { "msw", p_msw, 2 }, { "dr", p_dr, 3 }, { "msr", p_msr, 4 },
	{ "io", p_io, 4 }, { "exception", p_exception, 5 }, { "flags", p_flags, 3 },
	{ "simple", p_simple, 5 }, { "desc", p_desc, 5 }, { "far", p_far, 3 },
	{ "memory", p_memory, 12 }, { "canonical", p_canonical, 2 }, { "vendor", p_vendor, 4 },
	{ "monitor", p_monitor, 1 },
};

static void hex(char *to, const u8 *from, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		to += fmt(to, 3, "%02x", from[i]);
	*to = 0;
}

void orc_program(struct orc_case *k)
{
	char bytes[2 * ORC_SLOT + 1];
	u32 i;

	memset((void *)ORC_CODE, 0xf4, ORC_MAX_STEPS * ORC_SLOT);
	k->steps = 1 + orc_below(k, 4);
	for (i = 0; i < k->steps; i++) {
		u8 *start = (u8 *)ORC_CODE + i * ORC_SLOT;
		struct emit e = { k, start };
		const struct piece *p = ORC_KIND(k, pieces);

		p->emit(&e);
		if (k->verbose)
			hex(bytes, start, e.p - start);
		if (!orc_move(k, "code%u %s %s", i, p->name, k->verbose ? bytes : ""))
			memset(start, 0xf4, ORC_SLOT);
	}
}
