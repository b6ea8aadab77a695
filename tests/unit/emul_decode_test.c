// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit test of the instruction decoder.
 *
 * Lengths are compared with binutils over the lists in emul_insns*.s; what an
 * instruction is called is compared by its mnemonic; prefixes are put in front
 * of every interceptable instruction; random bytes look for reads beyond the
 * buffer, which is allocated to the exact size for ASan.
 */
#include <stdlib.h>
#include <string.h>

#include "emul/insn.h"
#include "tap.h"

struct vector {
	u8 mode;
	u8 length;
	u8 bytes[16];
	const char *text;
};

static const struct vector vectors[] = {
#include "emul_vectors.h"
};

static const char *const mode_name[] = { "real", "vm86", "16", "32", "64" };

/* Decode from a buffer without a byte to spare. */
static int decode(struct x86_insn *insn, const u8 *bytes, unsigned int len, int mode)
{
	u8 *copy = malloc(len ? len : 1);
	int ret;

	memcpy(copy, bytes, len);
	ret = x86_decode(insn, len ? copy : copy + 1, len, mode);
	free(copy);
	return ret;
}

static void show(const struct vector *v, const char *what, int ret, int length)
{
	char hex[64] = "";
	int i;

	for (i = 0; i < v->length; i++)
		sprintf(hex + 3 * i, "%02x ", v->bytes[i]);
	tap_diag("%s: mode %s: %s(%s): expected %d, result %d, length %d", what,
		 mode_name[v->mode], hex, v->text, v->length, ret, length);
}

static void test_lengths(void)
{
	unsigned int i, bad = 0;

	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct x86_insn insn;
		int ret = decode(&insn, v->bytes, v->length, v->mode);

		if (ret || insn.length != v->length) {
			show(v, "length", ret, insn.length);
			bad++;
		}
	}
	tap_ok(!bad && i > 900, "lengths agree with binutils for %u instructions", i);
}

/* Every strict prefix of an instruction is short, and nothing else. */
static void test_short(void)
{
	unsigned int i, n, bad = 0;

	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		for (n = 0; n < vectors[i].length; n++) {
			struct x86_insn insn;
			int ret = decode(&insn, vectors[i].bytes, n, vectors[i].mode);

			if (ret != X86_DECODE_SHORT) {
				show(&vectors[i], "short", ret, n);
				bad++;
			}
		}
	}
	tap_ok(!bad, "a truncated instruction is short");
}

/* A segment override counts one byte everywhere; fifteen is the limit. */
static void test_prefixed(void)
{
	unsigned int i, n, bad = 0;

	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		const struct vector *v = &vectors[i];

		for (n = 1; n <= 15; n++) {
			struct x86_insn insn;
			u8 bytes[32];
			int ret, want = n + v->length > 15 ? X86_DECODE_TOO_LONG : X86_DECODE_OK;

			memset(bytes, 0x64, n);
			memcpy(bytes + n, v->bytes, v->length);
			ret = decode(&insn, bytes, n + v->length, v->mode);
			if (ret != want || (!ret && insn.length != n + v->length)) {
				show(v, "prefixed", ret, n);
				bad++;
			}
		}
	}
	tap_ok(!bad, "up to fifteen bytes with prefixes, not one more");
}

struct name {
	const char *text;
	u8 op;
};

static const struct name names[] = {
	{ "cpuid", X86_OP_CPUID }, { "rdmsr", X86_OP_RDMSR }, { "wrmsr", X86_OP_WRMSR },
	{ "hlt", X86_OP_HLT }, { "rdtsc", X86_OP_RDTSC }, { "rdtscp", X86_OP_RDTSCP },
	{ "rdpmc", X86_OP_RDPMC }, { "rdpru", X86_OP_RDPRU }, { "invd", X86_OP_INVD },
	{ "wbinvd", X86_OP_WBINVD }, { "wbnoinvd", X86_OP_WBNOINVD },
	{ "monitor", X86_OP_MONITOR }, { "mwait", X86_OP_MWAIT },
	{ "monitorx", X86_OP_MONITORX }, { "mwaitx", X86_OP_MWAITX },
	{ "xsetbv", X86_OP_XSETBV }, { "xgetbv", X86_OP_XGETBV },
	{ "xsaves", X86_OP_XSAVES }, { "xsaves64", X86_OP_XSAVES },
	{ "xrstors", X86_OP_XRSTORS }, { "xrstors64", X86_OP_XRSTORS },
	{ "clts", X86_OP_CLTS }, { "lmsw", X86_OP_LMSW }, { "smsw", X86_OP_SMSW },
	{ "invlpg", X86_OP_INVLPG }, { "invpcid", X86_OP_INVPCID },
	{ "invlpga", X86_OP_INVLPGA }, { "invlpgb", X86_OP_INVLPGB },
	{ "tlbsync", X86_OP_TLBSYNC }, { "pause", X86_OP_PAUSE }, { "nop", X86_OP_NOP },
	{ "vmrun", X86_OP_VMRUN }, { "vmmcall", X86_OP_VMMCALL },
	{ "vmload", X86_OP_VMLOAD }, { "vmsave", X86_OP_VMSAVE },
	{ "stgi", X86_OP_STGI }, { "clgi", X86_OP_CLGI }, { "skinit", X86_OP_SKINIT },
	{ "vmcall", X86_OP_VMCALL }, { "vmlaunch", X86_OP_VMLAUNCH },
	{ "vmresume", X86_OP_VMRESUME }, { "vmxoff", X86_OP_VMXOFF },
	{ "vmxon", X86_OP_VMXON }, { "vmptrld", X86_OP_VMPTRLD },
	{ "vmptrst", X86_OP_VMPTRST }, { "vmclear", X86_OP_VMCLEAR },
	{ "vmread", X86_OP_VMREAD }, { "vmwrite", X86_OP_VMWRITE },
	{ "invept", X86_OP_INVEPT }, { "invvpid", X86_OP_INVVPID },
	{ "vmfunc", X86_OP_VMFUNC },
	{ "sgdt", X86_OP_SGDT }, { "sidt", X86_OP_SIDT }, { "lgdt", X86_OP_LGDT },
	{ "lidt", X86_OP_LIDT }, { "sgdtl", X86_OP_SGDT }, { "sidtl", X86_OP_SIDT },
	{ "lgdtl", X86_OP_LGDT }, { "lidtl", X86_OP_LIDT }, { "sgdtw", X86_OP_SGDT },
	{ "lidtw", X86_OP_LIDT }, { "lgdtw", X86_OP_LGDT },
	{ "sldt", X86_OP_SLDT }, { "str", X86_OP_STR }, { "lldt", X86_OP_LLDT },
	{ "ltr", X86_OP_LTR }, { "iret", X86_OP_IRET }, { "iretw", X86_OP_IRET },
	{ "iretl", X86_OP_IRET }, { "iretq", X86_OP_IRET },
	{ "pushf", X86_OP_PUSHF }, { "pushfw", X86_OP_PUSHF }, { "pushfl", X86_OP_PUSHF },
	{ "popf", X86_OP_POPF }, { "popfw", X86_OP_POPF }, { "popfl", X86_OP_POPF },
	{ "int", X86_OP_INT }, { "int3", X86_OP_INT3 }, { "into", X86_OP_INTO },
	{ "int1", X86_OP_ICEBP }, { "rsm", X86_OP_RSM },
	{ "rdrand", X86_OP_RDRAND }, { "rdseed", X86_OP_RDSEED }, { "rdpid", X86_OP_RDPID },
	{ "mcommit", X86_OP_MCOMMIT }, { "getsec", X86_OP_GETSEC },
	{ "syscall", X86_OP_SYSCALL }, { "sysenter", X86_OP_SYSENTER },
	{ "encls", X86_OP_ENCLS }, { "enclu", X86_OP_ENCLU }, { "enclv", X86_OP_ENCLV },
	{ "pconfig", X86_OP_PCONFIG }, { "umonitor", X86_OP_UMONITOR },
	{ "umwait", X86_OP_UMWAIT }, { "tpause", X86_OP_TPAUSE },
	{ "cli", X86_OP_CLI }, { "sti", X86_OP_STI },
	{ "in", X86_OP_IN }, { "out", X86_OP_OUT },
	{ "insb", X86_OP_INS }, { "insw", X86_OP_INS }, { "insl", X86_OP_INS },
	{ "outsb", X86_OP_OUTS }, { "outsw", X86_OP_OUTS }, { "outsl", X86_OP_OUTS },
	{ "lea", X86_OP_LEA }, { "xadd", X86_OP_XADD }, { "cmpxchg8b", X86_OP_CMPXCHG8B },
	{ "cmpxchg16b", X86_OP_CMPXCHG8B }, { "shld", X86_OP_SHLD },
};

static bool is_prefix(const char *word, size_t n)
{
	static const char *const prefixes[] = {
		"rep", "repz", "repnz", "lock", "data16", "data32", "addr16", "addr32",
		"cs", "ds", "es", "ss", "fs", "gs", "rex.W", "rex.WRXB",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strlen(prefixes[i]) == n && !strncmp(word, prefixes[i], n))
			return true;
	return false;
}

/* The mnemonic of @text behind its prefixes. */
static size_t mnemonic(const char **text)
{
	size_t n = strcspn(*text, " ");

	while (is_prefix(*text, n) && (*text)[n]) {
		*text += n + 1;
		n = strcspn(*text, " ");
	}
	return n;
}

static void test_names(void)
{
	static u32 seen[ARRAY_SIZE(names)];
	unsigned int i, k, bad = 0, missing = 0;

	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		const struct vector *v = &vectors[i];
		const char *text = v->text;
		size_t n = mnemonic(&text);
		struct x86_insn insn;

		if (decode(&insn, v->bytes, v->length, v->mode))
			continue;
		for (k = 0; k < ARRAY_SIZE(names); k++) {
			bool same = strlen(names[k].text) == n && !strncmp(text, names[k].text, n);

			seen[k] += same;
			if (same && !x86_insn_is(&insn, names[k].op)) {
				tap_diag("%s is taken for operation %u%s", v->text, insn.op,
					 insn.ud ? ", refused" : "");
				bad++;
			}
		}
	}
	for (k = 0; k < ARRAY_SIZE(names); k++) {
		if (!seen[k] && strcmp(names[k].text, "pushfl") && strcmp(names[k].text, "popfl")) {
			tap_diag("no vector for %s", names[k].text);
			missing++;
		}
	}
	tap_ok(!bad && !missing, "interceptable instructions are recognised");
}

/* Prefixes that change neither the meaning nor the rest of the length. */
static void test_neutral_prefixes(void)
{
	static const struct { u8 len, bytes[4]; u8 op; u8 skip; } list[] = {
		{ 2, { 0x0f, 0xa2 }, X86_OP_CPUID, 0 }, { 2, { 0x0f, 0x30 }, X86_OP_WRMSR, 0 },
		{ 2, { 0x0f, 0x32 }, X86_OP_RDMSR, 0 }, { 1, { 0xf4 }, X86_OP_HLT, 0 },
		{ 2, { 0x0f, 0x31 }, X86_OP_RDTSC, 0 }, { 3, { 0x0f, 0x01, 0xf9 }, X86_OP_RDTSCP, 0 },
		{ 2, { 0x0f, 0x33 }, X86_OP_RDPMC, 0 }, { 2, { 0x0f, 0x08 }, X86_OP_INVD, 0 },
		{ 2, { 0x0f, 0x09 }, X86_OP_WBINVD, 0xf3 },
		{ 3, { 0x0f, 0x01, 0xd8 }, X86_OP_VMRUN, 0 }, { 3, { 0x0f, 0x01, 0xd9 }, X86_OP_VMMCALL, 0 },
		{ 3, { 0x0f, 0x01, 0xda }, X86_OP_VMLOAD, 0 }, { 3, { 0x0f, 0x01, 0xdb }, X86_OP_VMSAVE, 0 },
		{ 3, { 0x0f, 0x01, 0xdc }, X86_OP_STGI, 0 }, { 3, { 0x0f, 0x01, 0xdd }, X86_OP_CLGI, 0 },
		{ 3, { 0x0f, 0x01, 0xde }, X86_OP_SKINIT, 0 }, { 3, { 0x0f, 0x01, 0xdf }, X86_OP_INVLPGA, 0 },
		{ 3, { 0x0f, 0x01, 0xc1 }, X86_OP_VMCALL, 0 }, { 3, { 0x0f, 0x01, 0xd1 }, X86_OP_XSETBV, 0 },
		{ 3, { 0x0f, 0x01, 0xc8 }, X86_OP_MONITOR, 0 }, { 3, { 0x0f, 0x01, 0xc9 }, X86_OP_MWAIT, 0 },
		{ 3, { 0x0f, 0x20, 0xc0 }, X86_OP_MOV_FROM_CR, 0 }, { 3, { 0x0f, 0x22, 0x00 }, X86_OP_MOV_TO_CR, 0 },
		{ 3, { 0x0f, 0x21, 0x45 }, X86_OP_MOV_FROM_DR, 0 }, { 3, { 0x0f, 0x23, 0x84 }, X86_OP_MOV_TO_DR, 0 },
		{ 2, { 0x0f, 0x06 }, X86_OP_CLTS, 0 }, { 1, { 0x6c }, X86_OP_INS, 0 }, { 1, { 0x6f }, X86_OP_OUTS, 0 },
		{ 1, { 0xed }, X86_OP_IN, 0 }, { 2, { 0xe7, 0x80 }, X86_OP_OUT, 0 }, { 1, { 0xcf }, X86_OP_IRET, 0 },
		{ 1, { 0x9c }, X86_OP_PUSHF, 0 }, { 1, { 0x9d }, X86_OP_POPF, 0 }, { 2, { 0xcd, 0x80 }, X86_OP_INT, 0 },
		{ 1, { 0xcc }, X86_OP_INT3, 0 }, { 1, { 0xf1 }, X86_OP_ICEBP, 0 }, { 2, { 0x0f, 0xaa }, X86_OP_RSM, 0 },
		{ 3, { 0x0f, 0x01, 0xfd }, X86_OP_RDPRU, 0 }, { 3, { 0x0f, 0x01, 0xff }, X86_OP_TLBSYNC, 0 },
	};
	static const u8 prefixes[] = {
		0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3, 0x48, 0x4f,
	};
	unsigned int i, p, q, bad = 0;
	int mode;

	for (mode = X86_MODE_REAL; mode <= X86_MODE_64; mode++)
	for (i = 0; i < ARRAY_SIZE(list); i++)
	for (p = 0; p < ARRAY_SIZE(prefixes); p++)
	for (q = 0; q < ARRAY_SIZE(prefixes); q++) {
		u8 bytes[8] = { prefixes[p], prefixes[q] };
		struct x86_insn insn;
		int ret;

		if (mode != X86_MODE_64 && (prefixes[p] >> 4 == 4 || prefixes[q] >> 4 == 4))
			continue;
		if (list[i].skip && (prefixes[p] == list[i].skip || prefixes[q] == list[i].skip))
			continue;
		memcpy(bytes + 2, list[i].bytes, 4);
		ret = decode(&insn, bytes, list[i].len + 2, mode);
		if (x86_claimed_length(list[i].op, bytes, list[i].len + 2, mode) !=
		    list[i].len + 2u ||
		    x86_claimed_length(X86_OP_VMXOFF, bytes, list[i].len + 2, mode) ||
		    x86_claimed_length(list[i].op, bytes + 2, list[i].len, mode) != list[i].len ||
		    x86_claimed_length(list[i].op, bytes + 2, list[i].len - 1, mode))
			bad++;
		if (ret || insn.length != list[i].len + 2 || !x86_insn_is(&insn, list[i].op)) {
			tap_diag("mode %s: %02x %02x before operation %u: result %d, length %u, operation %u",
				 mode_name[mode], prefixes[p], prefixes[q], list[i].op,
				 ret, insn.length, insn.op);
			bad++;
		}
	}
	tap_ok(!bad, "two prefixes in front of what can be intercepted");
}

struct verdict_case {
	const char *name;
	u8 mode;
	u8 len;
	u8 bytes[16];
	int ret;
	bool ud;
};

static void test_refusals(void)
{
	static const struct verdict_case cases[] = {
		{ "lock cpuid", X86_MODE_64, 3, { 0xf0, 0x0f, 0xa2 }, 0, true },
		{ "lock add reg", X86_MODE_64, 3, { 0xf0, 0x01, 0xc0 }, 0, true },
		{ "lock add mem", X86_MODE_64, 3, { 0xf0, 0x01, 0x00 }, 0, false },
		{ "lock cmp mem", X86_MODE_64, 3, { 0xf0, 0x39, 0x00 }, 0, true },
		{ "lock load form", X86_MODE_64, 3, { 0xf0, 0x03, 0x00 }, 0, true },
		{ "lock bt", X86_MODE_64, 4, { 0xf0, 0x0f, 0xa3, 0x00 }, 0, true },
		{ "lock bts", X86_MODE_64, 4, { 0xf0, 0x0f, 0xab, 0x00 }, 0, false },
		{ "lock mov", X86_MODE_32, 3, { 0xf0, 0x89, 0x00 }, 0, true },
		{ "lock movs", X86_MODE_32, 2, { 0xf0, 0xa4 }, 0, true },
		{ "lock shl", X86_MODE_32, 3, { 0xf0, 0xd1, 0x20 }, 0, true },
		{ "lock mov from cr0", X86_MODE_32, 4, { 0xf0, 0x0f, 0x20, 0xc0 }, 0, false },
		{ "lea reg", X86_MODE_64, 2, { 0x8d, 0xc0 }, 0, true },
		{ "movnti reg", X86_MODE_64, 3, { 0x0f, 0xc3, 0xc0 }, 0, true },
		{ "movbe reg", X86_MODE_64, 4, { 0x0f, 0x38, 0xf0, 0xc0 }, 0, true },
		{ "mov from segment 6", X86_MODE_32, 2, { 0x8c, 0xf0 }, 0, true },
		{ "str in real mode", X86_MODE_REAL, 3, { 0x0f, 0x00, 0xc8 }, 0, true },
		{ "str", X86_MODE_16, 3, { 0x0f, 0x00, 0xc8 }, 0, false },
		{ "push es, 64-bit", X86_MODE_64, 1, { 0x06 }, X86_DECODE_UNKNOWN, false },
		{ "0f 04", X86_MODE_64, 3, { 0x0f, 0x04, 0x00 }, X86_DECODE_UNKNOWN, false },
		{ "ff /7", X86_MODE_64, 2, { 0xff, 0xf8 }, X86_DECODE_UNKNOWN, false },
		{ "0f c7 /1 reg", X86_MODE_64, 3, { 0x0f, 0xc7, 0xc8 }, X86_DECODE_UNKNOWN, false },
		{ "vex behind 66", X86_MODE_64, 5, { 0x66, 0xc5, 0xf8, 0x10, 0x00 }, 0, true },
		{ "vex behind rex", X86_MODE_64, 5, { 0x48, 0xc5, 0xf8, 0x10, 0x00 }, 0, true },
		{ "vmovups, vvvv used", X86_MODE_64, 4, { 0xc5, 0xf0, 0x10, 0x00 }, 0, true },
		{ "vmovups", X86_MODE_64, 4, { 0xc5, 0xf8, 0x10, 0x00 }, 0, false },
		{ "vmovq, 256 bits", X86_MODE_64, 4, { 0xc5, 0xfe, 0x7e, 0x00 }, 0, true },
		{ "lds in real mode", X86_MODE_REAL, 2, { 0xc5, 0x07 }, 0, false },
		{ "lds of a register", X86_MODE_REAL, 2, { 0xc5, 0xc7 }, 0, true },
		{ "vex map 4", X86_MODE_64, 5, { 0xc4, 0xe4, 0x78, 0x10, 0x00 }, X86_DECODE_UNKNOWN, false },
		{ "invept in real mode", X86_MODE_REAL, 5, { 0x66, 0x0f, 0x38, 0x80, 0x07 }, 0, true },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct verdict_case *t = &cases[i];
		struct x86_insn insn;
		int ret = decode(&insn, t->bytes, t->len, t->mode);

		tap_ok(ret == t->ret && (ret || (insn.length == t->len && insn.ud == t->ud)),
		       "%s", t->name);
	}
}

static void test_fields(void)
{
	struct x86_insn i;

	decode(&i, (const u8[]){ 0x64, 0x4d, 0x8b, 0x64, 0xac, 0x80 }, 6, X86_MODE_64);
	tap_ok(i.op == X86_OP_MOV && i.seg == X86_SEG_FS && i.base == X86_R12 && i.index == X86_RBP &&
	       i.scale == 2 && i.disp == (u64)-128 && i.dst.reg == X86_R12 && i.opsize == 8,
	       "fields of mov r12, fs:[r12+rbp*4-128]");
	decode(&i, (const u8[]){ 0x48, 0x66, 0x8b, 0x00 }, 4, X86_MODE_64);
	tap_ok(i.opsize == 2 && !i.rex, "REX before another prefix is void");
	decode(&i, (const u8[]){ 0x88, 0xe7 }, 2, X86_MODE_64);
	tap_ok(i.src.high && i.src.reg == X86_RAX && i.dst.high && i.dst.reg == X86_RBX,
	       "AH and BH without REX");
	decode(&i, (const u8[]){ 0x40, 0x88, 0xe7 }, 3, X86_MODE_64);
	tap_ok(!i.src.high && i.src.reg == X86_RSP && i.dst.reg == X86_RDI, "SPL and DIL with REX");
	decode(&i, (const u8[]){ 0x36, 0x8b, 0x07 }, 3, X86_MODE_64);
	tap_ok(i.seg == X86_SEG_DS && !(i.prefixes & X86_PFX_SEG), "SS override void in 64-bit mode");
	decode(&i, (const u8[]){ 0x8b, 0x46, 0x02 }, 3, X86_MODE_REAL);
	tap_ok(i.seg == X86_SEG_SS && i.base == X86_RBP && i.disp == 2 && i.adsize == 2,
	       "[bp+2] is in the stack segment");
	decode(&i, (const u8[]){ 0x44, 0x0f, 0x20, 0xc7 }, 4, X86_MODE_64);
	tap_ok(i.op == X86_OP_MOV_FROM_CR && i.reg == 8 && i.rm == 7, "mov rdi, cr8");
	decode(&i, (const u8[]){ 0xf0, 0x0f, 0x22, 0xc7 }, 4, X86_MODE_32);
	tap_ok(i.op == X86_OP_MOV_TO_CR && i.reg == 8 && i.rm == 7, "lock mov cr0 is cr8");
	decode(&i, (const u8[]){ 0xf3, 0xf2, 0xa6 }, 3, X86_MODE_32);
	tap_ok(i.prefixes == X86_PFX_REPNE, "the last of F2 and F3 counts");
	decode(&i, (const u8[]){ 0x41, 0x90 }, 2, X86_MODE_64);
	tap_ok(i.op == X86_OP_XCHG && i.dst.reg == X86_R8, "41 90 is xchg r8");
	decode(&i, (const u8[]){ 0xf3, 0x41, 0x90 }, 3, X86_MODE_64);
	tap_ok(i.op == X86_OP_XCHG, "f3 41 90 is not pause");
	decode(&i, (const u8[]){ 0x48, 0xed }, 2, X86_MODE_64);
	tap_ok(i.op == X86_OP_IN && i.dst.size == 4, "in with REX.W moves four bytes");
	decode(&i, (const u8[]){ 0x67, 0xa1, 0x78, 0x56, 0x34, 0x92 }, 6, X86_MODE_64);
	tap_ok(i.length == 6 && i.disp == 0x92345678, "moffs of four bytes is not sign-extended");
}

/* Each plain encoding is taken for what it is and for nothing else. */
static void test_claims(void)
{
	static const u8 rdtscp[] = { 0x0f, 0x01, 0xf9 }, pause[] = { 0xf3, 0x90 };
	unsigned int i, op, bad = 0;

	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct x86_insn insn;

		if (decode(&insn, v->bytes, v->length, v->mode))
			continue;
		for (op = 0; op < X86_OP_COUNT; op++) {
			unsigned int want = x86_insn_is(&insn, op) ? v->length : 0;

			bad += x86_claimed_length(op, v->bytes, v->length, v->mode) != want;
		}
	}
	tap_ok(!bad, "claims are believed if, and only if, the bytes say so");
	tap_ok(!x86_claimed_length(X86_OP_RDTSC, rdtscp, 3, X86_MODE_64) &&
	       x86_claimed_length(X86_OP_RDTSCP, rdtscp, 3, X86_MODE_64) == 3 &&
	       x86_claimed_length(X86_OP_PAUSE, pause, 2, X86_MODE_REAL) == 2 &&
	       !x86_claimed_length(X86_OP_COUNT, pause, 2, X86_MODE_REAL) &&
	       !x86_claimed_length(X86_OP_PAUSE, pause, 1, X86_MODE_REAL), "rdtscp is not rdtsc");
}

static void test_random(void)
{
	unsigned int i, k, bad = 0, good = 0;

	srandom(1);
	for (i = 0; i < 2000000; i++) {
		struct x86_insn insn;
		u8 bytes[16];
		unsigned int len = random() % 17;
		int ret;

		for (k = 0; k < sizeof(bytes); k++)
			bytes[k] = random() >> 8;
		if (i & 1)
			bytes[0] = (const u8[]){ 0x0f, 0xc4, 0xc5, 0x62, 0x66, 0xf3, 0x48, 0x8f }[random() & 7];
		ret = decode(&insn, bytes, len, random() % 5);
		good += !ret;
		if (ret < 0 || ret > X86_DECODE_UNKNOWN ||
		    (!ret && (!insn.length || insn.length > 15 || insn.length > len ||
			      insn.op == X86_OP_NONE || insn.op >= X86_OP_COUNT)))
			bad++;
	}
	tap_ok(!bad && good > 500000, "random bytes stay in bounds");
}

int main(void)
{
	test_lengths();
	test_short();
	test_prefixed();
	test_names();
	test_neutral_prefixes();
	test_claims();
	test_refusals();
	test_fields();
	test_random();
	return tap_done();
}
