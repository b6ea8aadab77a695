// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exit qualification and instruction length: the CPU's own where it gives one, else made from what
 * AMD-V reports and from the instruction (SDM vol. 3, "Exit Qualification").
 */
#include "tap.h"

#include "nvmx_vcpu.h"
#include "core/insn.h"
#include "nvmx/qual.h"

static const u8 *code;
static unsigned int code_len;
static int fetch_error, known_len;
static bool unprobed;

int vcpu_fetch(struct nestor_vcpu *vcpu, struct x86_insn *insn, u8 *bytes, unsigned int *len)
{
	unprobed |= !nvmx_of(vcpu)->probing;
	if (fetch_error)
		return fetch_error;
	memcpy(bytes, code, code_len);
	*len = code_len;
	return x86_decode(insn, code, code_len, X86_MODE_64) == X86_DECODE_OK ? 0 : -EOPNOTSUPP;
}

int vcpu_insn_len_slow(struct nestor_vcpu *vcpu)
{
	unprobed |= !nvmx_of(vcpu)->probing;
	return known_len;
}

static u64 qual(u16 reason, u16 index, u64 info1, const char *bytes, unsigned int len)
{
	struct guest_exit *x = &nv.l2.exit;

	*x = (struct guest_exit){ .reason = reason, .index = index, .info1 = info1 };
	code = (const u8 *)bytes;
	code_len = len;
	return nvmx_exit_qual(&cpu);
}

/* IOIO interception information */
#define IO(port, size, in, str, rep) \
	((u64)(port) << 16 | (size) << 4 | (in) | (str) << 2 | (rep) << 3)

static void ports(void)
{
	start_over();
	tap_ok(qual(EXIT_IOIO, 0, IO(0x3f8, 1, 0, 0, 0), "\xee", 1) == (0x3f8ull << 16),
	       "OUT of a byte to the port in DX");
	tap_ok(qual(EXIT_IOIO, 0, IO(0x80, 1, 0, 0, 0), "\xe6\x80", 2) == (0x80ull << 16 | 0x40),
	       "to a port that the instruction names");
	tap_ok(qual(EXIT_IOIO, 0, IO(0x80, 4, 1, 0, 0), "\xe5\x80", 2) == (0x80ull << 16 | 0x48 | 3),
	       "IN of four bytes");
	tap_ok(qual(EXIT_IOIO, 0, IO(0x1f0, 2, 1, 0, 0), "\x66\xed", 2) == (0x1f0ull << 16 | 8 | 1),
	       "IN of two bytes from the port in DX");
	tap_ok(qual(EXIT_IOIO, 0, IO(0xffff, 2, 1, 1, 1), "\xf3\x66\x6d", 3) ==
	       (0xffffull << 16 | 8 | 16 | 32 | 1), "a repeated string");
	fetch_error = -EAGAIN;
	tap_ok(qual(EXIT_IOIO, 0, IO(0x80, 1, 0, 0, 0), "", 0) == (0x80ull << 16),
	       "an instruction that cannot be read is taken for the form with DX");
	fetch_error = 0;
}

static void registers(void)
{
	start_over();
	nv.l2.gpr[REG_RBX] = 0x1234567855aaull;
	tap_ok(qual(EXIT_CR_WRITE, 3, 0, "\x0f\x22\xd9", 3) == (3 | 1 << 8), "MOV to CR3 from RCX");
	tap_ok(qual(EXIT_CR_WRITE, 8, 0, "\x45\x0f\x22\xc1", 4) == (8 | 9 << 8), "MOV to CR8 from R9");
	tap_ok(qual(EXIT_CR_READ, 4, 0, "\x41\x0f\x20\xe7", 4) == (4 | 1 << 4 | 15 << 8),
	       "MOV from CR4 to R15");
	tap_ok(qual(EXIT_CR_WRITE, 0, 0, "\x0f\x06", 2) == 2 << 4, "CLTS");
	tap_ok(qual(EXIT_CR_WRITE, 0, 0, "\x0f\x01\xf3", 3) == (3 << 4 | 0x55aaull << 16),
	       "LMSW with its source");
	tap_ok(qual(EXIT_DR_WRITE, 7, 0, "\x0f\x23\xfa", 3) == (7 | 2 << 8), "MOV to DR7 from RDX");
	tap_ok(qual(EXIT_DR_READ, 6, 0, "\x41\x0f\x21\xf0", 4) == (6 | 1 << 4 | 8 << 8),
	       "MOV from DR6 to R8");
	fetch_error = -EAGAIN;
	tap_ok(qual(EXIT_CR_READ, 4, 0, "", 0) == (4 | 1 << 4) &&
	       qual(EXIT_CR_WRITE, 4, 0, "", 0) == 4 && qual(EXIT_DR_READ, 5, 0, "", 0) == (5 | 1 << 4),
	       "without the instruction, the register and the direction");
	fetch_error = 0;
}

static void exceptions(void)
{
	start_over();
	nv.l2.dr6 = 0xffff4ff3;
	nv.l2.avail = GRP_ALL;
	tap_ok(qual(EXIT_EXCEPTION, 1, 0, "", 0) == 0x4003, "#DB: B0, B1, BS");
	nv.l2.exit = (struct guest_exit){
		.reason = EXIT_EXCEPTION, .index = 14, .info1 = 6, .info2 = 0xffff800000001234ull,
	};
	tap_ok(nvmx_exit_qual(&cpu) == 0xffff800000001234ull, "#PF: the address");
	tap_ok(!qual(EXIT_EXCEPTION, 13, 0x88, "", 0), "others have none");
	tap_ok(!qual(EXIT_CPUID, 0, 5, "\x0f\xa2", 2), "nor have instructions that need none");
	nv.l2.exit = (struct guest_exit){ .reason = EXIT_IOIO, .has_qual = true, .qual = 0x77 };
	fetch_error = -EFAULT;
	tap_ok(nvmx_exit_qual(&cpu) == 0x77, "the CPU's own is not made again");
	fetch_error = 0;
}

static u32 length(u16 reason, bool has_qual, u64 next)
{
	nv.l2.rip = 0x1000;
	nv.l2.exit = (struct guest_exit){ .reason = reason, .has_qual = has_qual, .next_rip = next };
	return nvmx_exit_length(&cpu);
}

static void lengths(void)
{
	start_over();
	known_len = 5;
	tap_ok(length(EXIT_CPUID, true, 0x1002) == 2 && length(EXIT_CPUID, false, 0x100f) == 15,
	       "the length is what the CPU says");
	tap_ok(!length(EXIT_CPUID, true, 0x1010) && !length(EXIT_CPUID, true, 0xfff),
	       "unless that is none");
	tap_ok(!length(EXIT_CPUID, true, 0), "a CPU with qualifications that says none has none");
	tap_ok(length(EXIT_CPUID, false, 0) == 5, "of another the instruction is measured");
	tap_ok(!length(EXIT_EXCEPTION, false, 0), "but not for an exception");
	known_len = -EAGAIN;
	tap_ok(!length(EXIT_CPUID, false, 0), "one that cannot be read has none");
	tap_ok(!unprobed && !nv.probing, "L1 is told of no fault on the way");
}

int main(void)
{
	ports();
	registers();
	exceptions();
	lengths();
	return tap_done();
}
