// SPDX-License-Identifier: GPL-2.0-only
/* Permission maps and the exit table. */
#include "tap.h"

#include "nsvm/exit_table.h"
#include "nsvm/permmap.h"

/* run_need() is inline and refers to it; nothing here calls it. */
void hw_fetch(struct guest_run *run, u32 groups)
{
	(void)run;
	(void)groups;
}

static void msrpm(void)
{
	/* From the tables of "MSR Permissions Map": byte offset and bit of each range's ends. */
	static const struct {
		u32 msr;
		int bit;
	} v[] = {
		{ 0x00000000, 0 }, { 0x00000001, 2 }, { 0x00000010, 0x4 * 8 },
		{ 0x00000174, 0x5d * 8 }, { 0x00000277, 0x9d * 8 + 6 },
		{ 0x00001fff, 0x7ff * 8 + 6 }, { 0x00002000, -1 }, { 0xbfffffff, -1 },
		{ 0xc0000000, 0x800 * 8 }, { 0xc0000080, 0x820 * 8 },
		{ 0xc0000102, 0x840 * 8 + 4 }, { 0xc0001fff, 0xfff * 8 + 6 },
		{ 0xc0002000, -1 }, { 0xc000ffff, -1 }, { 0xc0010000, 0x1000 * 8 },
		{ 0xc0010117, 0x1045 * 8 + 6 }, { 0xc0011fff, 0x17ff * 8 + 6 },
		{ 0xc0012000, -1 }, { 0x40000000, -1 }, { 0xffffffff, -1 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(v); i++)
		tap_ok(msrpm_bit(v[i].msr) == v[i].bit, "MSR 0x%x", v[i].msr);
	tap_ok(msrpm_bit(0xc0011fff) / 8 < MSRPM_SIZE, "the last bit is within the map");
}

/* An access hits when any of its ports has its bit set, over byte boundaries too. */
static void iopm(void)
{
	static const unsigned int sizes[] = { 1, 2, 4 };
	unsigned int i, port, set;

	for (i = 0; i < 3; i++) {
		bool good = true;

		for (port = 0x3f0; port < 0x400; port++) {
			for (set = 0x3e0; set < 0x410; set++) {
				u8 map[0x100] = {};
				u32 at = iopm_byte(port);
				u16 bits;

				map[set / 8] = 1u << (set & 7);
				bits = map[at] | map[at + 1] << 8;
				good &= iopm_hit(bits, port, sizes[i]) ==
					(set >= port && set < port + sizes[i]);
			}
		}
		tap_ok(good, "accesses of %u bytes", sizes[i]);
	}
	tap_ok(iopm_byte(0xffff) + 1 < IOPM_SIZE, "port 0xffff and beyond are within the map");
	tap_ok(ioio_port(0x03f80000 | IOIO_SZ32) == 0x3f8 &&
	       ioio_size(0x03f80000 | IOIO_SZ32) == 4 && ioio_size(IOIO_SZ16) == 2 &&
	       ioio_size(IOIO_SZ8) == 1, "EXITINFO1 of IOIO");
}

static const u16 ours[] = {
	EXIT_NONE, EXIT_INTR, EXIT_NMI, EXIT_SMI, EXIT_INIT, EXIT_INVALID, EXIT_BUSY,
	EXIT_UNKNOWN,
};

static bool is_ours(u16 reason)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ours); i++)
		if (ours[i] == reason)
			return true;
	/* AMD-V has no such exits. */
	return reason >= EXIT_VMX_INSN;
}

static void table(void)
{
	unsigned int i, j;

	for (i = 0; i < NR_EXIT_REASONS; i++) {
		const struct exit_row *row = &nsvm_exit_table[i];
		bool filled = row->rule != RULE_L0 || is_ours(i);

		tap_ok(filled, "slot %u is filled on purpose", i);
		if (row->rule == RULE_L0 || row->rule == RULE_FAULT)
			continue;
		for (j = 0; j < i; j++)
			if (nsvm_exit_table[j].rule != RULE_L0 &&
			    nsvm_exit_table[j].code == row->code)
				break;
		tap_ok(j == i, "code 0x%x is used once", row->code);
	}
}

/* Codes from 060h on and the bits of the three words count up together in the manual. */
static void codes(void)
{
	unsigned int i;

	for (i = 0; i < NR_EXIT_REASONS; i++) {
		const struct exit_row *row = &nsvm_exit_table[i];
		unsigned int code = row->code;

		if (row->rule == RULE_L0 || row->rule == RULE_FAULT || code < 0x60)
			continue;
		if (row->word == ICPT_MISC1)
			tap_ok(code == 0x60u + row->bit, "misc 1 bit %u", row->bit);
		else if (row->word == ICPT_MISC2)
			tap_ok(code == 0x80u + row->bit, "misc 2 bit %u", row->bit);
		else
			tap_ok(row->word == ICPT_MISC3 && code == 0xa0u + row->bit,
			       "misc 3 bit %u", row->bit);
	}
}

static void wanted(void)
{
	static const struct {
		u16 reason;
		u8 word, first;
		u16 code;
	} v[] = {
		{ EXIT_CR_READ, ICPT_CR, 0, 0x00 }, { EXIT_CR_WRITE, ICPT_CR, 16, 0x10 },
		{ EXIT_DR_READ, ICPT_DR, 0, 0x20 }, { EXIT_DR_WRITE, ICPT_DR, 16, 0x30 },
	};
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(v); i++) {
		const struct exit_row *row = &nsvm_exit_table[v[i].reason];
		bool good = true;

		for (n = 0; n < 16; n++) {
			struct vmcb12_snapshot s = {};

			s.ctl.intercept[v[i].word] = 1u << (v[i].first + n);
			good &= exit_bit_wanted(row, n, &s);
			good &= exit_svm_code(row, n) == v[i].code + n;
			s.ctl.intercept[v[i].word] = ~(1u << (v[i].first + n));
			good &= !exit_bit_wanted(row, n, &s);
		}
		tap_ok(good, "registers 0 to 15 of reason %u", v[i].reason);
	}
	for (n = 0; n < 32; n++) {
		const struct exit_row *row = &nsvm_exit_table[EXIT_EXCEPTION];
		struct vmcb12_snapshot s = {};

		s.ctl.intercept[ICPT_EXCEPTION] = 1u << n;
		tap_ok(exit_bit_wanted(row, n, &s) && exit_svm_code(row, n) == 0x40 + n,
		       "exception %u", n);
	}
	{
		struct vmcb12_snapshot s;

		memset(&s, 0xff, sizeof(s));
		tap_ok(!exit_bit_wanted(&nsvm_exit_table[EXIT_CR_WRITE], 16, &s),
		       "a register number that does not exist is nobody's");
	}
}

int main(void)
{
	msrpm();
	iopm();
	table();
	codes();
	wanted();
	return tap_done();
}
