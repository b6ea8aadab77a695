// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hand-written tests of string instructions and port access: interruption in
 * the middle, replay, batches, address sizes, permission.
 */
#include "emul_machine.h"

#define FL_ZF	0x40ull
#define FL_DF	0x400ull

static unsigned int count_log(char kind)
{
	unsigned int i, n = 0;

	for (i = 0; i < m.logged; i++)
		n += m.log[i].kind == kind;
	return n;
}

static void test_interruption(void)
{
	machine(X86_MODE_64);
	GPR(RSI) = 0x2000;
	GPR(RDI) = MEM_SIZE - 4;
	GPR(RCX) = 10;
	tap_ok(RUN(0xf3, 0xa4) == X86_EMUL_FAULT && m.ctxt.fault.cr2 == MEM_SIZE && GPR(RCX) == 6 &&
	       GPR(RSI) == 0x2004 && GPR(RDI) == MEM_SIZE && m.regs.rip == 0x1000,
	       "rep movsb stops at the byte that faults");
	tap_ok(m.ctxt.fault.error == 2, "with a write fault");

	machine(X86_MODE_64);
	GPR(RDI) = 0x2000;
	GPR(RCX) = 600;
	GPR(RAX) = 7;
	tap_ok(RUN(0xf3, 0xaa) == X86_EMUL_RESTART && GPR(RCX) == 600 - X86_EMUL_REP_MAX &&
	       m.regs.rip == 0x1000, "a long rep stosb is done in parts");
	tap_ok(RUN(0xf3, 0xaa) == X86_EMUL_RESTART && !RUN(0xf3, 0xaa) && !GPR(RCX) &&
	       GPR(RDI) == 0x2000 + 600 && m.regs.rip == 0x1002 && memory[0x2000 + 599] == 7 &&
	       !memory[0x2000 + 600], "and completes");
	machine(X86_MODE_64);
	GPR(RCX) = X86_EMUL_REP_MAX;
	GPR(RDI) = 0x2000;
	tap_ok(!RUN(0xf3, 0xaa) && !GPR(RCX) && m.regs.rip == 0x1002, "exactly one part completes at once");
	GPR(RDI) = 1ull << 50;
	tap_ok(!RUN(0xf3, 0xaa) && m.regs.rip == 0x1004, "with rCX 0 nothing is accessed");

	machine(X86_MODE_64);
	GPR(RSI) = 0x2000;
	GPR(RDI) = 0x3000;
	GPR(RCX) = 5;
	memory[0x2003] = 1;
	m.regs.rflags = 0x8d7 & ~FL_ZF;
	m.seg[X86_SEG_DS].base = 0;
	tap_ok(!RUN(0xf3, 0xa6) && GPR(RCX) == 1 && GPR(RSI) == 0x2004 && !(m.regs.rflags & FL_ZF),
	       "repe cmpsb stops behind the difference");
	GPR(RSI) = MEM_SIZE - 2;
	GPR(RCX) = 5;
	m.regs.rflags = 0x8d7;
	tap_ok(RUN(0xf3, 0xa6) == X86_EMUL_FAULT && GPR(RCX) == 3 && m.regs.rflags == 0x8d7,
	       "a fault in between keeps the flags");
}

static void test_address_sizes(void)
{
	machine(X86_MODE_REAL);
	GPR(RDI) = 0x1234fffe;
	GPR(RCX) = 0x56780004;
	GPR(RAX) = 0x99;
	tap_ok(!RUN(0xf3, 0xaa) && memory[0xfffe] == 0x99 && memory[0xffff] == 0x99 && memory[0] == 0x99 &&
	       memory[1] == 0x99 && GPR(RDI) == 0x12340002 && GPR(RCX) == 0x56780000,
	       "16-bit: DI wraps, the upper halves stay");
	m.regs.rflags |= FL_DF;
	GPR(RDI) = 1;
	GPR(RCX) = 3;
	GPR(RAX) = 0x77;
	tap_ok(!RUN(0xf3, 0xaa) && memory[0] == 0x77 && memory[0xffff] == 0x77 && GPR(RDI) == 0xfffe,
	       "16-bit: downwards too");
	GPR(RDI) = 0xffff;
	tap_ok(FAULTS(X86_VEC_GP, 0xab), "16-bit: a word across the end is #GP");
	m.seg[X86_SEG_DS].base = 0x10000;
	m.seg[X86_SEG_FS].base = 0x20000;
	m.seg[X86_SEG_ES].base = 0x30000;
	m.regs.rflags &= ~FL_DF;
	GPR(RSI) = 0x10;
	GPR(RDI) = 0x20;
	memory[0x20010] = 0xab;
	tap_ok(!RUN(0x64, 0xa4) && memory[0x30020] == 0xab, "an override moves the source only");

	machine(X86_MODE_64);
	GPR(RDI) = 0xffffffff00002000;
	GPR(RCX) = 0xffffffff00000002;
	tap_ok(!RUN(0x67, 0xf3, 0xab) && GPR(RDI) == 0x2008 && !GPR(RCX),
	       "64-bit with 32-bit addresses: registers are extended");
}

static void test_replay(void)
{
	unsigned int exits = 0;
	int r;

	machine(X86_MODE_32);
	GPR(RSI) = DEVICE;
	GPR(RDI) = 0x2000;
	GPR(RCX) = 4;
	m.via_user = true;
	while ((r = RUN(0xf3, 0xa5)) == X86_EMUL_USER)
		exits++;
	tap_ok(!r && exits == 4 && m.reads == 4 && mem_get(0x200c, 4) == 0x55667703 && m.retired == 4,
	       "rep movsd from a device: four exits, four reads");
	machine(X86_MODE_32);
	GPR(RSI) = DEVICE;
	GPR(RDI) = DEVICE + 0x100;
	GPR(RCX) = 3;
	m.via_user = true;
	for (exits = 0; (r = RUN(0xf3, 0xa5)) == X86_EMUL_USER; exits++)
		;
	tap_ok(!r && exits == 6 && m.reads == 3 && m.writes == 3 && m.last_write == 0x55667702,
	       "device to device: read and write of each item once");
	machine(X86_MODE_32);
	GPR(RDX) = 0x1f0;
	GPR(RDI) = 0x2000;
	GPR(RCX) = 256;
	m.via_user = true;
	tap_ok(RUN(0xf3, 0x66, 0x6d) == X86_EMUL_USER && GPR(RCX) == 256 && !RUN(0xf3, 0x66, 0x6d) &&
	       !GPR(RCX) && GPR(RDI) == 0x2200 && m.reads == 1 && m.log[1].kind == 'i' &&
	       m.log[1].count == 256 && memory[0x21ff] == 0xff, "rep insw of a sector: one exit");
}

static void test_port_batches(void)
{
	machine(X86_MODE_32);
	GPR(RDX) = 0x1f0;
	GPR(RDI) = 0x2ffc;
	GPR(RCX) = 4;
	tap_ok(!RUN(0xf3, 0x6d) && count_log('i') == 2 && GPR(RDI) == 0x300c, "a batch ends at the page");
	machine(X86_MODE_32);
	GPR(RDI) = 0x2ffe;
	GPR(RCX) = 2;
	tap_ok(!RUN(0xf3, 0x6d) && count_log('i') == 2 && m.log[1].count == 1,
	       "an item across the page goes alone");
	machine(X86_MODE_32);
	GPR(RDI) = 0x2000;
	GPR(RCX) = 3;
	m.regs.rflags |= FL_DF;
	tap_ok(!RUN(0xf3, 0x6d) && count_log('i') == 3 && GPR(RDI) == 0x1ff4, "downwards item by item");
	machine(X86_MODE_32);
	GPR(RDI) = MEM_SIZE - 8;
	GPR(RCX) = 4;
	tap_ok(RUN(0xf3, 0x6d) == X86_EMUL_FAULT && m.reads == 1 && GPR(RCX) == 2,
	       "ins into an unmapped page does not touch the port");
	machine(X86_MODE_32);
	GPR(RSI) = DEVICE;
	GPR(RCX) = 20;
	tap_ok(!RUN(0xf3, 0x6f) && m.writes == 20 && m.reads == 20, "outs from a device goes item by item");
	machine(X86_MODE_32);
	GPR(RDI) = DEVICE;
	GPR(RCX) = 20;
	tap_ok(!RUN(0xf3, 0x6d) && m.writes == 20 && m.reads == 20, "ins into a device goes item by item");
	machine(X86_MODE_32);
	m.seg[X86_SEG_ES].limit = 0x2005;
	GPR(RDI) = 0x2000;
	GPR(RCX) = 8;
	tap_ok(RUN(0xf3, 0x66, 0x6d) == X86_EMUL_FAULT && m.ctxt.fault.vector == X86_VEC_GP &&
	       GPR(RCX) == 5 && m.reads == 3, "a limit stops ins at the right item");
	machine(X86_MODE_REAL);
	GPR(RSI) = 0xfffe;
	GPR(RCX) = 4;
	tap_ok(!RUN(0xf3, 0x6e) && m.writes == 3, "outsb, SI wraps");
	tap_ok(GPR(RSI) == 2, "to 2");
	machine(X86_MODE_64);
	GPR(RDI) = 0x2000;
	GPR(RCX) = 5000;
	tap_ok(!RUN(0xf3, 0x6c) && GPR(RDI) == 0x2000 + 5000 && count_log('i') == 5,
	       "the largest batch is X86_EMUL_PIO_MAX");
}

static void test_ports(void)
{
	machine(X86_MODE_64);
	GPR(RAX) = 0xaabbccddeeff0011;
	GPR(RDX) = 0x80;
	tap_ok(!RUN(0xec) && GPR(RAX) == 0xaabbccddeeff0000, "in al, dx");
	tap_ok(!RUN(0x66, 0xe5, 0x71) && GPR(RAX) == 0xaabbccddeeff0201 &&
	       m.log[1].addr == 0x71, "in ax, 71");
	tap_ok(!RUN(0xed) && GPR(RAX) >> 32 == 0, "in eax, dx extends");
	GPR(RAX) = 0x12345678;
	tap_ok(!RUN(0xe6, 0x80) && m.last_write == 0x78 && !RUN(0xef) && m.last_write == 0x12345678,
	       "out 80, al and out dx, eax");
}

static void set_bitmap(u16 base)
{
	mem_set(0x8000 + 102, base, 2);
	memset(memory + 0x8000 + base, 0xff, 0x2001);
}

static void test_permission(void)
{
	machine(X86_MODE_32);
	set_bitmap(0x68);
	GPR(RDX) = 0x3f8;
	m.ctxt.cpl = 3;
	tap_ok(FAULTS(X86_VEC_GP, 0xec) && !count_log('i'), "CPL 3, IOPL 0, bit set");
	tap_ok(m.log[0].flags == (X86_ACC_READ | X86_ACC_IMPLICIT), "the TSS is read by the CPU itself");
	memory[0x8068 + 0x3f8 / 8] = 0xfe;
	tap_ok(!RUN(0xec), "bit clear");
	tap_ok(FAULTS(X86_VEC_GP, 0x66, 0xed), "word: the second bit counts");
	memory[0x8068 + 0x3f8 / 8] = 0xfc;
	tap_ok(!RUN(0x66, 0xed) && FAULTS(X86_VEC_GP, 0xed), "word allowed, doubleword not");
	GPR(RDX) = 0x3ff;
	memory[0x8068 + 0x3f8 / 8] = 0x7f;
	memory[0x8068 + 0x400 / 8] = 0xfe;
	tap_ok(!RUN(0x66, 0xed), "a word across two bytes of the map");
	m.regs.rflags |= 3 << 12;
	GPR(RDX) = 0x500;
	tap_ok(!RUN(0xec), "IOPL 3 allows");
	m.ctxt.insn.mode = X86_MODE_VM86;
	tap_ok(FAULTS(X86_VEC_GP, 0xec), "but not in virtual-8086 mode");
	m.ctxt.insn.mode = X86_MODE_32;
	m.regs.rflags = 2;
	memset(memory + 0x8068, 0, 0x2001);
	tap_ok(!RUN(0xec), "bitmap of zeroes");
	m.seg[X86_SEG_TR].limit = 0x68 + 0x500 / 8;
	tap_ok(FAULTS(X86_VEC_GP, 0xec), "both bytes must be within the limit");
	m.seg[X86_SEG_TR].limit++;
	tap_ok(!RUN(0xec), "and are");
	m.seg[X86_SEG_TR].attrib = 0x83;
	tap_ok(FAULTS(X86_VEC_GP, 0xec), "a 16-bit TSS has no bitmap");
	m.ctxt.cpl = 0;
	tap_ok(!RUN(0xec), "CPL 0 needs none");
	m.ctxt.cpl = 3;
	GPR(RDI) = 0x2000;
	GPR(RSI) = 0x2000;
	tap_ok(FAULTS(X86_VEC_GP, 0x6c) && FAULTS(X86_VEC_GP, 0x6e) && FAULTS(X86_VEC_GP, 0xee),
	       "ins, outs and out alike");
}

int main(void)
{
	test_interruption();
	test_address_sizes();
	test_replay();
	test_port_batches();
	test_ports();
	test_permission();
	return tap_done();
}
