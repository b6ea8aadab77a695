// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a CPU might report of an exit, by chance, into the neutral form; events, access
 * rights and instruction information there and back; capability words.
 */
#include "core/emul/emul.h"
#include "fuzz.h"
#include "hw/vmx/adjust.h"
#include "hw/vmx/translate.h"
#include "nvmx/insn_info.h"

static void exits(void)
{
	struct vmx_raw raw;
	struct guest_exit x, again;

	get(&raw, sizeof(raw));
	if (get_number(1) % 8)
		raw.reason &= 0x7f;
	if (get_number(1) % 4)
		raw.len %= 16;
	memset(&x, 0, sizeof(x));
	memset(&again, 0, sizeof(again));
	vmx_translate(&raw, &x);
	vmx_translate(&raw, &again);
	demand(x.reason < NR_EXIT_REASONS, "exit reason");
	demand(!memcmp(&x, &again, sizeof(x)), "the same exit again");
	vmx_event(raw.intr, raw.error);
}

/* What a VM entry would refuse never comes out: "Checks on VM-Entry Control Fields". */
static void events(void)
{
	struct guest_event ev = { .valid = true, .type = get_number(1) % 8, .vector = get_number(1),
				  .has_error = get_number(1) % 2, .error = get_number(4) };
	bool protected = get_number(1) % 2;
	struct guest_event back = vmx_event(vmx_event_info(&ev, protected), ev.error);

	demand(back.valid, "an event stays one");
	switch (ev.type) {
	case EVENT_NMI:
		demand(back.type == EVENT_NMI && back.vector == 2 && !back.has_error, "NMI");
		break;
	case EVENT_EXCEPTION:
		demand(back.vector < 32 && (back.vector & 31) == (ev.vector & 31), "vector of an exception");
		demand(protected || !back.has_error, "error codes in real mode");
		break;
	default:
		demand(back.type == ev.type && back.vector == ev.vector && !back.has_error, "any other event");
	}
}

static void control_words(void)
{
	u64 must = get_number(4), may = get_number(4) | must;
	struct vmx_ctl c;

	if (vmx_adjust(get_number(1) % NR_CTL_WORDS, may << 32 | must, &c))
		return;
	demand(!(must & ~(u64)c.on), "what the CPU demands is on");
	demand(!(c.on & ~may), "what the CPU forbids is off");
}

static void segments(void)
{
	u16 attrib = get_number(2) & 0xfff;

	demand(vmx_seg_attrib(vmx_seg_ar(attrib)) == attrib, "access rights there and back");
}

/* Instruction information and back: the decoder's operand, as far as the address goes. */
static void information(void)
{
	struct x86_insn insn, back;
	u8 bytes[X86_INSN_MAX];
	enum x86_mode mode = get_number(1) % 5;
	u32 info;

	get(bytes, sizeof(bytes));
	memset(&back, 0, sizeof(back));
	nvmx_insn_from_info(&back, get_number(4), get_number(8), mode);
	if (x86_decode(&insn, bytes, sizeof(bytes), mode) != X86_DECODE_OK)
		return;
	info = nvmx_insn_info(&insn);
	demand(info_reg1(info) < 16 && info_reg2(info) < 16, "register number");
	nvmx_insn_qual(&insn, get_number(8));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	fuzz_begin(data, size);
	exits();
	events();
	control_words();
	segments();
	information();
	return 0;
}
