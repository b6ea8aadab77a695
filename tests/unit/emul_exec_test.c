// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hand-written tests of the emulator: what cannot be compared with the CPU from
 * user space. Segmentation in every mode, faults, what is refused, branches,
 * locked operations, vector state.
 */
#include "emul_machine.h"

static void test_real_mode(void)
{
	machine(X86_MODE_REAL);
	m.seg[X86_SEG_DS].base = 0x20000;
	m.seg[X86_SEG_SS].base = 0x30000;
	GPR(RBX) = 0xffff0ff0;
	GPR(RSI) = 0x10;
	mem_set(0x21000, 0xbeef, 2);
	tap_ok(!RUN(0x8b, 0x00) && GPR(RAX) == 0xbeef && m.regs.rip == 0x1002,
	       "real mode: mov ax, [bx+si] ignores the upper halves");
	GPR(RBX) = 0xfff8;
	mem_set(0x20008, 0x77, 1);
	tap_ok(!RUN(0x8a, 0x08) && (u8)GPR(RCX) == 0x77, "real mode: offsets wrap at 64 KiB");
	GPR(RBP) = 0x100;
	mem_set(0x30102, 0x55, 1);
	tap_ok(!RUN(0x8a, 0x56, 0x02) && (u8)GPR(RDX) == 0x55, "real mode: [bp+2] is in SS");
	mem_set(0x20102, 0x66, 1);
	tap_ok(!RUN(0x3e, 0x8a, 0x56, 0x02) && (u8)GPR(RDX) == 0x66, "real mode: ds:[bp+2]");
	GPR(RBX) = 0xffff;
	GPR(RSI) = 0;
	tap_ok(FAULTS(X86_VEC_GP, 0x8b, 0x00) && !m.ctxt.fault.has_error,
	       "real mode: a word at ffff is #GP without an error code");
	GPR(RBP) = 0xffff;
	tap_ok(FAULTS(X86_VEC_SS, 0x8b, 0x46, 0x00) && !m.ctxt.fault.has_error,
	       "real mode: and #SS in the stack segment");
	GPR(RBX) = 0x10000;
	tap_ok(FAULTS(X86_VEC_GP, 0x67, 0x8a, 0x03), "real mode: 32-bit offset beyond the limit");
	m.seg[X86_SEG_DS].limit = 0xffffffff;
	mem_set(0x30000, 0x5a, 1);
	tap_ok(!RUN(0x67, 0x8a, 0x03) && (u8)GPR(RAX) == 0x5a, "real mode: big limit kept from protected mode");
	GPR(RDI) = 4;
	tap_ok(!RUN(0x2e, 0x88, 0x05) && memory[4] == 0x5a, "real mode: CS can be written");
	m.seg[X86_SEG_DS] = (struct x86_seg){ .base = 0xfffff0, .limit = 0xffff, .attrib = 0x93 };
	GPR(RBX) = 0x10;
	tap_ok(FAULTS(X86_VEC_PF, 0x8a, 0x07) && m.ctxt.fault.cr2 == 0x1000000,
	       "real mode: the base is added without a mask of 20 bits");
}

static void test_segment_checks(void)
{
	machine(X86_MODE_32);
	GPR(RBX) = 0x2000;
	m.seg[X86_SEG_DS].attrib = 0xc91;
	tap_ok(FAULTS(X86_VEC_GP, 0x89, 0x03) && m.ctxt.fault.has_error && !m.ctxt.fault.error,
	       "write to read-only data is #GP(0)");
	tap_ok(!RUN(0x8b, 0x03), "reading it is not");
	m.regs.rip = 0x1000;
	tap_ok(FAULTS(X86_VEC_GP, 0x01, 0x03), "nor may it be modified");
	m.seg[X86_SEG_DS].attrib = 0xc93 & ~X86_SEG_P;
	tap_ok(FAULTS(X86_VEC_GP, 0x8b, 0x03), "null segment");
	m.seg[X86_SEG_SS].attrib &= ~X86_SEG_P;
	tap_ok(FAULTS(X86_VEC_SS, 0x36, 0x8b, 0x03), "null stack segment is #SS(0)");
	tap_ok(FAULTS(X86_VEC_GP, 0x2e, 0x89, 0x03), "code cannot be written");
	tap_ok(!RUN(0x2e, 0x8b, 0x03), "readable code can be read");
	m.seg[X86_SEG_CS].attrib = 0xc99;
	tap_ok(FAULTS(X86_VEC_GP, 0x2e, 0x8b, 0x03), "execute-only code cannot");

	machine(X86_MODE_32);
	m.seg[X86_SEG_DS].limit = 0x2003;
	GPR(RBX) = 0x2000;
	tap_ok(!RUN(0x8b, 0x03), "last bytes below the limit");
	GPR(RBX) = 0x2001;
	tap_ok(FAULTS(X86_VEC_GP, 0x8b, 0x03), "one byte across the limit");
	GPR(RBX) = 0xffffffff;
	tap_ok(FAULTS(X86_VEC_GP, 0x8b, 0x03), "an offset that would wrap");

	m.seg[X86_SEG_DS].attrib = 0xc97;
	m.seg[X86_SEG_DS].limit = 0x1fff;
	GPR(RBX) = 0x2000;
	tap_ok(!RUN(0x8b, 0x03), "expand-down: above the limit");
	GPR(RBX) = 0x1fff;
	tap_ok(FAULTS(X86_VEC_GP, 0x8b, 0x03), "expand-down: at the limit");
	m.seg[X86_SEG_DS].attrib = 0x097;
	GPR(RBX) = 0xfffc;
	tap_ok(!RUN(0x8b, 0x03), "expand-down, 16-bit: to ffff");
	GPR(RBX) = 0xfffd;
	tap_ok(FAULTS(X86_VEC_GP, 0x8b, 0x03), "expand-down, 16-bit: not beyond");

	machine(X86_MODE_32);
	m.seg[X86_SEG_DS].base = 0xfffff000;
	GPR(RBX) = 0x3000;
	mem_set(0x2000, 0x1234, 4);
	tap_ok(!RUN(0x8b, 0x03) && GPR(RAX) == 0x1234, "linear addresses wrap at 4 GiB");
	machine(X86_MODE_VM86);
	m.seg[X86_SEG_DS].attrib = 0xf1;
	GPR(RBX) = 0x2000;
	tap_ok(!RUN(0x89, 0x07), "virtual-8086 mode: types are not checked");
	GPR(RBX) = 0xffff;
	tap_ok(FAULTS(X86_VEC_GP, 0x89, 0x07) && m.ctxt.fault.has_error,
	       "virtual-8086 mode: limits are, and there is an error code");
}

static void test_canonical(void)
{
	unsigned int i;

	machine(X86_MODE_64);
	for (i = 0; i < 8; i++)
		m.seg[i] = (struct x86_seg){ .base = 0x10000, .limit = 0 };
	mem_set(0x2000, 0x42, 8);
	mem_set(0x12000, 0x43, 8);
	GPR(RBX) = 0x2000;
	tap_ok(!RUN(0x48, 0x8b, 0x03) && GPR(RAX) == 0x42, "64-bit: DS base, limit and type are ignored");
	tap_ok(!RUN(0x64, 0x48, 0x8b, 0x03) && GPR(RAX) == 0x43, "64-bit: FS base counts");
	GPR(RBX) = 0x800000000000;
	tap_ok(FAULTS(X86_VEC_GP, 0x8b, 0x03) && m.ctxt.fault.has_error, "64-bit: not canonical");
	m.ctxt.cr4 |= 1 << 12;
	tap_ok(FAULTS(X86_VEC_PF, 0x8b, 0x03), "64-bit: canonical with LA57");
	m.ctxt.cr4 &= ~(1ull << 12);
	GPR(RBX) = 0x7fffffffffff;
	tap_ok(FAULTS(X86_VEC_GP, 0x8b, 0x03), "64-bit: the last byte is not canonical");
	tap_ok(FAULTS(X86_VEC_PF, 0x8a, 0x03), "64-bit: the first one is");
	GPR(RBP) = 1ull << 63;
	tap_ok(FAULTS(X86_VEC_SS, 0x8b, 0x45, 0x00), "64-bit: #SS by way of rBP");
	GPR(RSP) = 1ull << 63;
	tap_ok(FAULTS(X86_VEC_SS, 0x8b, 0x04, 0x24), "64-bit: #SS by way of rSP");
	tap_ok(FAULTS(X86_VEC_SS, 0x50), "64-bit: #SS by push");
	GPR(RBX) = 0xfffffffffffffffc;
	m.seg[X86_SEG_GS].base = 0x2004;
	tap_ok(!RUN(0x65, 0x8b, 0x03) && GPR(RAX) == 0x42, "64-bit: segment base wraps");
	m.regs.rip = 0xfffffffffffffffe;
	tap_ok(!RUN(0x66, 0x90) && m.regs.rip == 0, "64-bit: rip wraps");
	machine(X86_MODE_32);
	m.regs.rip = 0xffffffff;
	tap_ok(!RUN(0x90) && m.regs.rip == 0, "32-bit: eip wraps");
}

static void test_refusals(void)
{
	struct x86_regs before;

	machine(X86_MODE_64);
	GPR(RBX) = 0x2000;
	before = m.regs;
	tap_ok(FAULTS(X86_VEC_UD, 0xf0, 0x8b, 0x03) && !m.ctxt.fault.has_error, "lock mov is #UD");
	tap_ok(FAULTS(X86_VEC_UD, 0xf0, 0x0f, 0xa2), "lock cpuid is #UD");
	tap_ok(FAULTS(X86_VEC_UD, 0x8d, 0xc3), "lea of a register is #UD");
	tap_ok(RUN(0x0f, 0xa2) == X86_EMUL_UNHANDLED && RUN(0x0f, 0xae, 0x03) == X86_EMUL_UNHANDLED &&
	       RUN(0xdd, 0x03) == X86_EMUL_UNHANDLED && RUN(0x0f, 0x6f, 0x03) == X86_EMUL_UNHANDLED &&
	       RUN(0x66, 0x0f, 0xfc, 0x03) == X86_EMUL_UNHANDLED && RUN(0x8e, 0x1b) == X86_EMUL_UNHANDLED &&
	       RUN(0x66, 0xff, 0x13) == X86_EMUL_UNHANDLED && RUN(0x62, 0xf1, 0x7c, 0x48, 0x10, 0x03) ==
	       X86_EMUL_UNHANDLED && !memcmp(&before, &m.regs, sizeof(before)) && !m.logged,
	       "what is not covered is refused untouched");
	m.regs.rflags |= 1 << 16;
	tap_ok(!RUN(0x90) && !(m.regs.rflags & 1 << 16), "completion clears RF");
	GPR(RBX) = 0;
	GPR(RDX) = 0;
	tap_ok(FAULTS(X86_VEC_DE, 0xf7, 0xf3) && !m.ctxt.fault.has_error, "division by zero");
	GPR(RBX) = 0x100000;
	tap_ok(FAULTS(X86_VEC_PF, 0x01, 0x03) && m.ctxt.fault.error == 2,
	       "read-modify-write faults as a write");
	tap_ok(FAULTS(X86_VEC_PF, 0x03, 0x03) && !m.ctxt.fault.error, "a load as a read");
	tap_ok(FAULTS(X86_VEC_PF, 0x39, 0x03) && !m.ctxt.fault.error, "and so does cmp");
	tap_ok(FAULTS(X86_VEC_PF, 0x0f, 0xae, 0x3b) && !m.ctxt.fault.error, "clflush faults");
	tap_ok(!RUN(0x0f, 0x18, 0x0b), "prefetch does not");
}

/* The largest quotients, where random operands seldom come. */
static void test_division(void)
{
	machine(X86_MODE_64);
	GPR(RBX) = 1;
	GPR(RAX) = 0xff80;
	tap_ok(!RUN(0xf6, 0xfb) && GPR(RAX) == 0x0080, "idiv: -128 / 1");
	GPR(RAX) = 0x0080;
	tap_ok(FAULTS(X86_VEC_DE, 0xf6, 0xfb), "idiv: 128 / 1 does not fit");
	GPR(RBX) = 0xff;
	GPR(RAX) = 0xff80;
	tap_ok(FAULTS(X86_VEC_DE, 0xf6, 0xfb), "idiv: -128 / -1 does not fit");
	GPR(RAX) = 0x0080;
	tap_ok(!RUN(0xf6, 0xfb) && GPR(RAX) == 0x0080, "idiv: 128 / -1");
	GPR(RDX) = ~0ull;
	GPR(RAX) = 1ull << 63;
	GPR(RBX) = 1;
	tap_ok(!RUN(0x48, 0xf7, 0xfb) && GPR(RAX) == 1ull << 63 && !GPR(RDX), "idiv: -2^63 / 1");
	GPR(RDX) = ~0ull;
	GPR(RBX) = ~0ull;
	tap_ok(FAULTS(X86_VEC_DE, 0x48, 0xf7, 0xfb), "idiv: -2^63 / -1 does not fit");
	GPR(RDX) = 1ull << 63;
	GPR(RAX) = 0;
	GPR(RBX) = 1ull << 63;
	tap_ok(FAULTS(X86_VEC_DE, 0x48, 0xf7, 0xfb), "idiv: -2^127 / -2^63 does not fit");
	GPR(RDX) = 0xfffffffffffffffe;
	GPR(RAX) = ~0ull;
	GPR(RBX) = ~0ull;
	tap_ok(!RUN(0x48, 0xf7, 0xf3) && GPR(RAX) == ~0ull && GPR(RDX) == 0xfffffffffffffffe,
	       "div: the largest quotient and remainder");
}

static void test_branches(void)
{
	machine(X86_MODE_16);
	m.seg[X86_SEG_SS] = (struct x86_seg){ .limit = 0xffff, .attrib = 0x93 };
	m.seg[X86_SEG_CS] = (struct x86_seg){ .limit = 0xffff, .attrib = 0x9b };
	GPR(RSP) = 0xabcd0000;
	GPR(RBX) = 0x2000;
	mem_set(0x2000, 0x4321, 2);
	tap_ok(!RUN(0xff, 0x17) && m.regs.rip == 0x4321 && GPR(RSP) == 0xabcdfffe &&
	       mem_get(0xfffe, 2) == 0x1002, "16-bit: call [bx], SP wraps, ESP keeps its upper half");
	tap_ok(!RUN(0xc2, 0x04, 0x00) && m.regs.rip == 0x1002 && GPR(RSP) == 0xabcd0004, "16-bit: ret 4");
	tap_ok(!RUN(0xe9, 0xfb, 0xef) && m.regs.rip == 0, "16-bit: jmp rel16");
	m.regs.rip = 0xfff0;
	tap_ok(!RUN(0xeb, 0x7f) && m.regs.rip == 0x71, "16-bit: ip wraps in a branch");
	tap_ok(!RUN(0x74, 0x10) && m.regs.rip == 0x73, "je not taken");
	m.regs.rflags |= 0x40;
	tap_ok(!RUN(0x74, 0x10) && m.regs.rip == 0x85, "je taken");
	m.seg[X86_SEG_CS].limit = 0x3fff;
	GPR(RSP) = 0x9000;
	tap_ok(FAULTS(X86_VEC_GP, 0xff, 0x17) && !mem_get(0x8ffe, 2), "target beyond CS limit");
	GPR(RSP) = 1;
	GPR(RAX) = 1;
	tap_ok(FAULTS(X86_VEC_SS, 0x50), "push across the segment's end");

	machine(X86_MODE_64);
	GPR(RBX) = 0x2000;
	GPR(RSP) = 0x9000;
	mem_set(0x2000, 1ull << 47, 8);
	tap_ok(FAULTS(X86_VEC_GP, 0xff, 0x23), "64-bit: jump to a non-canonical address");
	mem_set(0x2000, 0x123456789, 8);
	tap_ok(!RUN(0xff, 0x13) && m.regs.rip == 0x123456789 && mem_get(0x8ff8, 8) == 0x1002 &&
	       GPR(RSP) == 0x8ff8, "64-bit: call [rbx]");
	tap_ok(!RUN(0xc3) && m.regs.rip == 0x1002 && GPR(RSP) == 0x9000, "64-bit: ret");
	tap_ok(!RUN(0xe8, 0xfb, 0xff, 0xff, 0xff) && m.regs.rip == 0x1002 && mem_get(0x8ff8, 8) == 0x1007,
	       "64-bit: call rel32");
	mem_set(0x8ff8, 0x2100, 8);
	GPR(RSP) = 0x8ff8;
	tap_ok(!RUN(0x8f, 0x04, 0x24) && mem_get(0x9000, 8) == 0x2100 && GPR(RSP) == 0x9000,
	       "64-bit: pop [rsp] uses the new rsp");
}

static void test_locked(void)
{
	struct x86_regs before;

	machine(X86_MODE_64);
	GPR(RBX) = 0x2000;
	GPR(RAX) = 5;
	tap_ok(!RUN(0xf0, 0x01, 0x03) && memory[0x2000] == 5 && m.log[1].kind == 'c', "lock add uses cmpxchg");
	tap_ok(m.log[0].flags == (X86_ACC_READ | X86_ACC_WRITE), "and reads with intent to write");
	m.logged = 0;
	tap_ok(!RUN(0x01, 0x03) && m.log[1].kind == 'w', "add without lock does not");
	m.logged = 0;
	tap_ok(!RUN(0x87, 0x03) && m.log[1].kind == 'c' && GPR(RAX) == 10, "xchg locks by itself");
	m.race = true;
	before = m.regs;
	tap_ok(RUN(0xf0, 0x01, 0x03) == X86_EMUL_RESTART && !memcmp(&before, &m.regs, sizeof(before)),
	       "lost race: restart, nothing changed");
	m.race = false;
	GPR(RBX) = 0x2008;
	tap_ok(FAULTS(X86_VEC_GP, 0xf0, 0x48, 0x0f, 0xc7, 0x0b), "cmpxchg16b misaligned");
	tap_ok(!RUN(0xf0, 0x0f, 0xc7, 0x0b), "cmpxchg8b takes it");
}

static void test_vector(void)
{
	machine(X86_MODE_64);
	GPR(RBX) = 0x2000;
	mem_set(0x2000, 0x1122334455667788, 8);
	memset(m.vec, 0xff, sizeof(m.vec));
	tap_ok(!RUN(0x0f, 0x10, 0x0b) && m.vec[1][0] == 0x88 && !m.vec[1][15] && m.vec[1][16] == 0xff,
	       "movups keeps the upper half of YMM");
	tap_ok(!RUN(0xc5, 0xf8, 0x10, 0x0b) && !m.vec[1][16], "vmovups clears it");
	tap_ok(FAULTS(X86_VEC_UD, 0xc5, 0xf0, 0x10, 0x0b), "vvvv must not be used");
	m.ctxt.cr0 |= 8;
	tap_ok(FAULTS(X86_VEC_NM, 0x0f, 0x10, 0x0b), "CR0.TS is #NM");
	tap_ok(FAULTS(X86_VEC_NM, 0xc5, 0xf8, 0x10, 0x0b), "for VEX too");
	m.ctxt.cr0 |= 4;
	tap_ok(FAULTS(X86_VEC_UD, 0x0f, 0x10, 0x0b), "CR0.EM is #UD, before #NM");
	m.ctxt.cr0 &= ~12ull;
	m.ctxt.cr4 &= ~0x200ull;
	tap_ok(FAULTS(X86_VEC_UD, 0x0f, 0x10, 0x0b), "CR4.OSFXSR clear is #UD");
	m.ctxt.xcr0 = 3;
	tap_ok(FAULTS(X86_VEC_UD, 0xc5, 0xf8, 0x10, 0x0b), "XCR0 without AVX is #UD");
	m.ctxt.xcr0 = 7;
	m.ctxt.cr4 = 0x600;
	tap_ok(FAULTS(X86_VEC_UD, 0xc5, 0xf8, 0x10, 0x0b), "CR4.OSXSAVE clear is #UD");
	GPR(RBX) = 0x2008;
	tap_ok(FAULTS(X86_VEC_GP, 0x66, 0x0f, 0x6f, 0x0b), "movdqa misaligned");
	tap_ok(!RUN(0xf3, 0x0f, 0x6f, 0x0b), "movdqu misaligned");
}

static void test_devices(void)
{
	machine(X86_MODE_32);
	GPR(RBX) = DEVICE;
	GPR(RAX) = 1;
	m.via_user = true;
	tap_ok(RUN(0x8b, 0x0b) == X86_EMUL_USER && m.regs.rip == 0x1000 && !GPR(RCX), "load exits to the VMM");
	tap_ok(!RUN(0x8b, 0x0b) && GPR(RCX) == 0x55667700 && m.reads == 1, "and completes");
	tap_ok(RUN(0x01, 0x03) == X86_EMUL_USER && RUN(0x01, 0x03) == X86_EMUL_USER && !RUN(0x01, 0x03) &&
	       m.reads == 2 && m.writes == 1 && m.last_write == 0x55667702, "add: one read, one write");
	tap_ok(RUN(0x0f, 0xc1, 0x03) == X86_EMUL_USER && RUN(0x0f, 0xc1, 0x03) == X86_EMUL_USER &&
	       GPR(RAX) == 1 && !RUN(0x0f, 0xc1, 0x03) && GPR(RAX) == 0x55667702 && m.writes == 2,
	       "xadd: registers change at the end only");
	GPR(RSP) = 0x9000;
	tap_ok(RUN(0xff, 0x33) == X86_EMUL_USER && GPR(RSP) == 0x9000 && !RUN(0xff, 0x33) &&
	       mem_get(0x8ffc, 4) == 0x55667703, "push [device]");
	tap_ok(RUN(0x8f, 0x03) == X86_EMUL_USER && GPR(RSP) == 0x8ffc && !RUN(0x8f, 0x03) &&
	       GPR(RSP) == 0x9000 && m.last_write == 0x55667703, "pop [device]");
}

static enum x86_result address_of(const u8 *bytes, unsigned int len, unsigned int access, u64 *addr)
{
	if (x86_decode(&m.ctxt.insn, bytes, len, m.ctxt.insn.mode))
		return X86_EMUL_UNHANDLED;
	return x86_emul_address(&m.ctxt, 2, access, addr);
}

static void test_addresses(void)
{
	static const u8 invlpg_fs[] = { 0x64, 0x0f, 0x01, 0x7b, 0x10 }, lmsw_reg[] = { 0x0f, 0x01, 0xf0 };
	static const u8 lmsw[] = { 0x0f, 0x01, 0x33 };
	u64 addr = 0;

	machine(X86_MODE_64);
	m.seg[X86_SEG_FS].base = 0x1000;
	GPR(RBX) = 1ull << 60;
	tap_ok(!address_of(invlpg_fs, 5, 0, &addr) && addr == (1ull << 60) + 0x1010,
	       "address of invlpg's operand, unchecked");
	tap_ok(address_of(invlpg_fs, 5, X86_ACC_READ, &addr) == X86_EMUL_FAULT, "and checked");
	tap_ok(address_of(lmsw_reg, 3, 0, &addr) == X86_EMUL_UNHANDLED, "a register has none");
	machine(X86_MODE_32);
	m.seg[X86_SEG_DS].base = 0xfffff000;
	m.seg[X86_SEG_DS].limit = 0x1fff;
	GPR(RBX) = 0x1ffe;
	tap_ok(!address_of(lmsw, 3, X86_ACC_READ, &addr) && addr == 0xffe, "32-bit: lmsw's operand");
	GPR(RBX) = 0x1fff;
	tap_ok(address_of(lmsw, 3, X86_ACC_READ, &addr) == X86_EMUL_FAULT, "32-bit: beyond the limit");
	tap_ok(!address_of(lmsw, 3, 0, &addr) && addr == 0xfff, "32-bit: unchecked");
}

static void test_segment_moves(void)
{
	machine(X86_MODE_32);
	m.seg[X86_SEG_FS].selector = 0x1234;
	GPR(RBX) = 0x2000;
	GPR(RAX) = 0xffffffff;
	mem_set(0x2000, 0xffffffff, 4);
	tap_ok(!RUN(0x8c, 0x23) && mem_get(0x2000, 4) == 0xffff1234, "mov [ebx], fs stores two bytes");
	tap_ok(!RUN(0x8c, 0xe0) && GPR(RAX) == 0x1234, "mov eax, fs extends");
	GPR(RAX) = 0xffffffff;
	tap_ok(!RUN(0x66, 0x8c, 0xe0) && GPR(RAX) == 0xffff1234, "mov ax, fs does not");
}

static void test_tables(void)
{
	machine(X86_MODE_64);
	m.dtable[0] = (struct x86_dtable){ .base = 0xffff800012345678, .limit = 0x7f };
	m.dtable[1] = (struct x86_dtable){ .base = 0x1000, .limit = 0xfff };
	GPR(RBX) = 0x2000;
	tap_ok(!RUN(0x0f, 0x01, 0x03) && mem_get(0x2000, 2) == 0x7f && mem_get(0x2002, 8) == m.dtable[0].base &&
	       m.logged == 1, "sgdt stores ten bytes");
	tap_ok(!RUN(0x0f, 0x01, 0x1b) && m.dtable[1].limit == 0x7f && m.dtable[1].base == m.dtable[0].base,
	       "lidt loads them");
	mem_set(0x2002, 0x800000000000, 8);
	tap_ok(FAULTS(X86_VEC_GP, 0x0f, 0x01, 0x13) && m.dtable[0].limit == 0x7f, "but no base that is not canonical");
	m.ctxt.cpl = 3;
	tap_ok(FAULTS(X86_VEC_GP, 0x0f, 0x01, 0x13), "and not at CPL 3");
	tap_ok(!RUN(0x0f, 0x01, 0x0b), "sidt is for all");
	m.ctxt.cr4 |= 1 << 11;
	tap_ok(FAULTS(X86_VEC_GP, 0x0f, 0x01, 0x0b), "unless UMIP is set");
	machine(X86_MODE_32);
	GPR(RBX) = 0x2000;
	mem_set(0x2000, 0xff, 2);
	mem_set(0x2002, 0xfedcba9876543210, 8);
	tap_ok(!RUN(0x0f, 0x01, 0x13) && m.dtable[0].base == 0x76543210 && m.dtable[0].limit == 0xff, "lgdt: four bytes");
	tap_ok(!RUN(0x66, 0x0f, 0x01, 0x13) && m.dtable[0].base == 0x543210, "with 16-bit operands three");
	mem_set(0x2000, ~0ull, 8);
	tap_ok(!RUN(0x0f, 0x01, 0x03) && mem_get(0x2000, 8) == 0xffff0054321000ff, "sgdt stores six");
}

static unsigned int msw;

static enum x86_result write_msw(struct x86_emul *ctxt, u16 value)
{
	(void)ctxt;
	msw = value;
	return X86_EMUL_OK;
}

static void test_msw(void)
{
	machine(X86_MODE_64);
	GPR(RBX) = 0x2000;
	tap_ok(RUN(0x0f, 0x01, 0xe3) == X86_EMUL_UNHANDLED, "smsw is for who asks for it");
	m.ctxt.msw = write_msw;
	m.ctxt.cr0 = 0xe0050033;
	mem_set(0x2000, 0x1122334455667788, 8);
	tap_ok(!RUN(0x0f, 0x01, 0x23) && mem_get(0x2000, 8) == 0x1122334455660033, "smsw stores two bytes");
	GPR(RAX) = 0x1122334455667788;
	tap_ok(!RUN(0x66, 0x0f, 0x01, 0xe0) && GPR(RAX) == 0x1122334455660033, "smsw ax leaves the rest");
	tap_ok(!RUN(0x0f, 0x01, 0xe0) && GPR(RAX) == 0xe0050033, "smsw eax has all of CR0");
	GPR(RAX) = ~0ull;
	tap_ok(!RUN(0x48, 0x0f, 0x01, 0xe0) && GPR(RAX) == 0xe0050033, "smsw rax, too");
	tap_ok(!RUN(0x0f, 0x01, 0x33) && msw == 0x0033, "lmsw reads two bytes");
	GPR(RAX) = 0x123456789;
	tap_ok(!RUN(0x0f, 0x01, 0xf0) && msw == 0x6789, "or a register");
	GPR(RBX) = 0x100000;
	msw = 0;
	tap_ok(FAULTS(X86_VEC_PF, 0x0f, 0x01, 0x33) && !m.ctxt.fault.error && !msw, "lmsw faults as a read");
	m.ctxt.cpl = 3;
	tap_ok(FAULTS(X86_VEC_GP, 0x0f, 0x01, 0xf0) && !msw, "lmsw at CPL 3");
	tap_ok(!RUN(0x0f, 0x01, 0xe0), "smsw at CPL 3");
	m.ctxt.cr4 |= 1 << 11;
	tap_ok(FAULTS(X86_VEC_GP, 0x0f, 0x01, 0xe0), "smsw with UMIP");
}

int main(void)
{
	test_real_mode();
	test_segment_checks();
	test_canonical();
	test_refusals();
	test_division();
	test_branches();
	test_locked();
	test_vector();
	test_devices();
	test_segment_moves();
	test_addresses();
	test_tables();
	test_msw();
	return tap_done();
}
