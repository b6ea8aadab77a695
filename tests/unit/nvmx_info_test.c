// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instruction information: figures of the manual for hand-made instructions, and
 * for every ModRM, SIB and REX byte in every mode that the address calculated
 * from the information is the one calculated from the bytes.
 */
#include "core/emul/emul.h"
#include "nvmx/insn_info.h"
#include "tap.h"

static const u8 vmptrld[] = { 0x0f, 0xc7, 0x30 };	/* vmptrld (%rax), /6 */

static struct x86_insn decode(const u8 *bytes, unsigned int len, enum x86_mode mode)
{
	struct x86_insn insn;

	memset(&insn, 0, sizeof(insn));
	if (x86_decode(&insn, bytes, len, mode) != X86_DECODE_OK)
		insn.op = X86_OP_NONE;
	return insn;
}

/* Each with the value that the tables of the manual give for it. */
static void test_figures(void)
{
	static const struct {
		const char *what;
		u8 bytes[12];
		u8 len;
		enum x86_mode mode;
		u32 info;
		u64 qual;
	} v[] = {
		{ "vmptrld (%rax)", { 0x0f, 0xc7, 0x30 }, 3, X86_MODE_64,
		  2 << 7 | 3 << 15 | 1 << 22 | 0 << 23, 0 },
		{ "vmptrld -8(%rbp): SS", { 0x0f, 0xc7, 0x75, 0xf8 }, 4, X86_MODE_64,
		  2 << 7 | 2 << 15 | 1 << 22 | 5 << 23, -8ull },
		{ "vmclear %gs:(%rcx,%rdx,4)", { 0x65, 0x66, 0x0f, 0xc7, 0x34, 0x91 }, 6,
		  X86_MODE_64, 2 << 7 | 5 << 15 | 2 << 18 | 2 | 1 << 23, 0 },
		{ "vmxon 0x10(%rip)", { 0xf3, 0x0f, 0xc7, 0x35, 0x10, 0, 0, 0 }, 8, X86_MODE_64,
		  2 << 7 | 3 << 15 | 1 << 22 | 1 << 27, 0x1000 + 8 + 0x10 },
		{ "vmptrst 0x12345678", { 0x0f, 0xc7, 0x3d, 0x78, 0x56, 0x34, 0x12 }, 7,
		  X86_MODE_32, 1 << 7 | 3 << 15 | 1 << 22 | 1 << 27, 0x12345678 },
		{ "vmptrld (%bx,%si)", { 0x67, 0x0f, 0xc7, 0x30 }, 4, X86_MODE_32,
		  0 << 7 | 3 << 15 | 6 << 18 | 3 << 23, 0 },
		{ "vmread %rax,%r9", { 0x41, 0x0f, 0x78, 0xc1 }, 4, X86_MODE_64,
		  2 << 7 | 1 << 10 | 9 << 3 | 0u << 28, 0 },
		{ "vmread %r14,(%rdi)", { 0x44, 0x0f, 0x78, 0x37 }, 4, X86_MODE_64,
		  2 << 7 | 3 << 15 | 1 << 22 | 7 << 23 | 14u << 28, 0 },
		{ "vmwrite %rcx,%rbx", { 0x0f, 0x79, 0xd9 }, 3, X86_MODE_64,
		  2 << 7 | 1 << 10 | 1 << 3 | 3u << 28, 0 },
		{ "invept (%rsp),%r15", { 0x66, 0x44, 0x0f, 0x38, 0x80, 0x3c, 0x24 }, 7,
		  X86_MODE_64, 2 << 7 | 2 << 15 | 1 << 22 | 4 << 23 | 15u << 28, 0 },
		{ "invvpid %fs:0x40,%eax", { 0x64, 0x66, 0x0f, 0x38, 0x81, 0x05, 0x40, 0, 0, 0 }, 10,
		  X86_MODE_32, 1 << 7 | 4 << 15 | 1 << 22 | 1 << 27, 0x40 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(v); i++) {
		struct x86_insn insn = decode(v[i].bytes, v[i].len, v[i].mode);
		u32 info = nvmx_insn_info(&insn);
		u64 qual = nvmx_insn_qual(&insn, 0x1000);

		if (!tap_ok(insn.op != X86_OP_NONE && info == v[i].info && qual == v[i].qual, "%s",
			    v[i].what))
			tap_diag("info 0x%x, expected 0x%x; qualification 0x%llx, expected 0x%llx",
				 info, v[i].info, qual, v[i].qual);
	}
	tap_ok(info_reg1(9 << 3) == 9 && info_reg2(14u << 28) == 14, "register fields");
}

static void flat_seg(struct x86_emul *x, unsigned int seg, struct x86_seg *out)
{
	(void)x;
	*out = (struct x86_seg){ .base = 0x100000ull * (seg + 1), .limit = 0xffffffff,
				 .attrib = 0xc93 };
}

static const struct x86_emul_ops ops = { .seg = flat_seg };

static void fill_registers(u64 *gpr)
{
	int i;

	for (i = 0; i < 16; i++)
		gpr[i] = 0x123456789ull * (i + 1);
}

static u64 address(const struct x86_insn *insn, u64 rip)
{
	struct x86_regs regs = { .rip = rip };
	struct x86_emul x = { .ops = &ops, .regs = &regs, .insn = *insn };
	u64 addr = 0;

	fill_registers(regs.gpr);
	return x86_emul_address(&x, 8, 0, &addr) == X86_EMUL_OK ? addr : ~0ull;
}

/* The short way of 64-bit code: the same address, or none. */
static bool flat_differs(const struct x86_insn *insn, u64 rip, enum x86_mode mode, unsigned int *nr)
{
	u64 gpr[16], addr;

	fill_registers(gpr);
	if (mode != X86_MODE_64 ||
	    !info_flat_address(nvmx_insn_info(insn), nvmx_insn_qual(insn, rip), gpr, &addr))
		return false;
	++*nr;
	return addr != address(insn, rip) || insn->seg >= X86_SEG_FS;
}

static unsigned int nr_flat;

static unsigned int differences(const u8 *bytes, unsigned int len, enum x86_mode mode)
{
	struct x86_insn insn = decode(bytes, len, mode), again;

	if (insn.op == X86_OP_NONE || insn.modrm >= 0xc0)
		return 0;
	nvmx_insn_from_info(&again, nvmx_insn_info(&insn), nvmx_insn_qual(&insn, 0x7fff0000),
			    mode);
	return address(&insn, 0x7fff0000) != address(&again, 0x7fff0000) ||
	       flat_differs(&insn, 0x7fff0000, mode, &nr_flat);
}

static void test_flat(void)
{
	const u32 rcx = 2 << 7 | 3 << 15 | 1 << 22 | 1 << 23;
	u64 gpr[16] = { [1] = 0x7ffffffffff0ull }, addr;

	tap_ok(info_flat_address(rcx, 0xf, gpr, &addr) && addr == 0x7fffffffffffull &&
	       !info_flat_address(rcx, 0x10, gpr, &addr), "the short way ends where addresses do");
	gpr[1] = ~0ull;
	tap_ok(info_flat_address(rcx, 1, gpr, &addr) && !addr, "and wraps");
	tap_ok(!info_flat_address((rcx & ~(7u << 7)) | 1 << 7, 0, gpr, &addr) &&
	       !info_flat_address((rcx & ~(7u << 15)) | 5 << 15, 0, gpr, &addr),
	       "not with 32-bit addresses, nor with FS and GS");
}

static void test_addresses(void)
{
	static const enum x86_mode modes[] = { X86_MODE_16, X86_MODE_32, X86_MODE_64 };
	static const u8 prefixes[] = { 0, 0x67, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };
	unsigned int m, p, modrm, sib, rex, bad = 0, n = 0;

	for (m = 0; m < ARRAY_SIZE(modes); m++)
	for (p = 0; p < ARRAY_SIZE(prefixes); p++)
	for (rex = 0; rex < (modes[m] == X86_MODE_64 ? 16 : 1); rex++)
	for (modrm = 0x30; modrm < 0xc0; modrm++) {
		if ((modrm >> 3 & 7) != 6)
			continue;
		for (sib = 0; sib < 256; sib++, n++) {
			u8 b[16] = { 0 };
			unsigned int len = 0;

			if (prefixes[p])
				b[len++] = prefixes[p];
			if (modes[m] == X86_MODE_64)
				b[len++] = 0x40 | rex;
			b[len++] = vmptrld[0];
			b[len++] = vmptrld[1];
			b[len++] = modrm;
			b[len++] = sib;
			b[len++] = 0x85;
			b[len++] = 0x04;
			b[len++] = 0x03;
			b[len++] = 0xff;
			bad += differences(b, 15, modes[m]);
		}
	}
	tap_ok(nr_flat > 100000, "%u of them by the short way", nr_flat);
	tap_ok(n > 100000 && !bad, "addresses from information and from bytes agree (%u of %u do not)",
	       bad, n);
}

/* Whatever a backend reports, the answer is an instruction that can be worked with. */
static void test_any_info(void)
{
	struct x86_insn insn;
	bool ok = true;
	u32 info = 1;
	int i;

	for (i = 0; i < 1000000; i++) {
		info = info * 1664525u + 1013904223u;
		nvmx_insn_from_info(&insn, info, info, X86_MODE_64);
		ok &= (insn.adsize == 2 || insn.adsize == 4 || insn.adsize == 8) &&
		      insn.seg <= X86_SEG_GS && insn.scale < 4 &&
		      (insn.base < 16 || insn.base == X86_REG_NONE) &&
		      (insn.index < 16 || insn.index == X86_REG_NONE);
	}
	tap_ok(ok, "any information gives registers and segments that exist");
}

int main(void)
{
	test_figures();
	test_flat();
	test_addresses();
	test_any_info();
	return tap_done();
}
