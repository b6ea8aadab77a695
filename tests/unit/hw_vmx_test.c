// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pure parts of the VT-x backend: settling control words, and exits in the
 * neutral form.
 */
#include "hw/vmx/adjust.h"
#include "hw/vmx/translate.h"
#include "tap.h"

#define CAP(must, may)	((u64)(may) << 32 | (must))

static void test_adjust(void)
{
	struct vmx_ctl c;
	const char *missing;
	u32 pin = PIN_EXT_INTR | PIN_NMI | PIN_VIRTUAL_NMIS;

	missing = vmx_adjust(CTLW_PIN, CAP(0x16, 0x7f), &c);
	tap_ok(!missing && c.on == (0x16 | pin), "pin: what the CPU and the backend demand");
	tap_ok(c.may == 0x7f, "pin: what may be set is kept");
	missing = vmx_adjust(CTLW_PIN, CAP(0x16, 0x7f & ~PIN_VIRTUAL_NMIS), &c);
	tap_ok(missing && !strcmp(missing, "virtual NMIs"), "pin: a missing control has its name");
	missing = vmx_adjust(CTLW_PROC2, CAP(0, ~0u & ~PROC2_UNRESTRICTED), &c);
	tap_ok(missing && !strcmp(missing, "unrestricted guest"), "proc2: unrestricted guest is indispensable");
	missing = vmx_adjust(CTLW_PROC2, CAP(0, PROC2_EPT | PROC2_UNRESTRICTED), &c);
	tap_ok(!missing && c.on == (PROC2_EPT | PROC2_UNRESTRICTED),
	       "proc2: what may be missing is missed without more ado");
	vmx_adjust(CTLW_PROC2, CAP(0, ~0u), &c);
	tap_ok(c.on == (PROC2_EPT | PROC2_UNRESTRICTED | PROC2_RDTSCP | PROC2_INVPCID | PROC2_VPID),
	       "proc2: of what there is only what every guest needs is on");
	missing = vmx_adjust(CTLW_PROC, CAP(0, ~0u), &c);
	tap_ok(!missing && !(c.on & (PROC_HLT | PROC_INTR_WINDOW | PROC_CR3_LOAD | PROC_MOV_DR)),
	       "proc: a control that only has to be there is not on");
	tap_ok(c.on & PROC_UNCOND_IO && c.on & PROC_MSR_BITMAPS, "proc: I/O and MSRs always exit by default");
	tap_ok(vmx_adjust(CTLW_EXIT, 0, &c) != NULL, "no capability MSR at all is a refusal");
}

static struct guest_exit exit_of(struct vmx_raw raw)
{
	struct guest_exit x = {};

	raw.rip = 0x1000;
	vmx_translate(&raw, &x);
	return x;
}

#define INTR(type, vector, flags) \
	(INTR_VALID | (type) << INTR_TYPE_SHIFT | (vector) | (flags))

static void test_exceptions(void)
{
	struct guest_exit x;

	x = exit_of((struct vmx_raw){ .intr = INTR(EVENT_EXCEPTION, 14, INTR_ERROR_VALID),
				      .error = 7, .qual = 0xdead000, .len = 3 });
	tap_ok(x.reason == EXIT_EXCEPTION && x.index == 14 && x.info1 == 7 && x.info2 == 0xdead000,
	       "#PF: vector, error code and address");
	tap_ok(!x.next_rip, "a fault has no next RIP, whatever the length field holds");
	x = exit_of((struct vmx_raw){ .intr = INTR(EVENT_SOFT_EXCEPTION, 3, 0), .len = 1 });
	tap_ok(x.index == 3 && x.next_rip == 0x1001, "INT3: next RIP");
	x = exit_of((struct vmx_raw){ .intr = INTR(EVENT_NMI, 2, 0), .len = 9 });
	tap_ok(x.reason == EXIT_NMI && !x.next_rip, "an NMI is no exception");
	x = exit_of((struct vmx_raw){ .intr = INTR(EVENT_EXCEPTION, 1, 0), .qual = 0x4001 });
	tap_ok(x.has_qual && x.qual == 0x4001 && !x.info2, "#DB: bits of DR6 in the qualification only");
}

static void test_cr_dr(void)
{
	struct guest_exit x;

	x = exit_of((struct vmx_raw){ .reason = VMX_CR, .qual = 0xb04, .len = 3 });
	tap_ok(x.reason == EXIT_CR_WRITE && x.index == 4 && x.info1 == (1ull << 63 | 11) &&
	       x.next_rip == 0x1003, "MOV to CR4 from R11");
	x = exit_of((struct vmx_raw){ .reason = VMX_CR, .qual = 0x318, .len = 4 });
	tap_ok(x.reason == EXIT_CR_READ && x.index == 8 && (x.info1 & 0xf) == 3, "MOV from CR8 to RBX");
	x = exit_of((struct vmx_raw){ .reason = VMX_CR, .qual = 0x20, .len = 2 });
	tap_ok(x.reason == EXIT_CR_WRITE && !x.index && !x.info1, "CLTS names no register");
	x = exit_of((struct vmx_raw){ .reason = VMX_DR, .qual = 0x217, .len = 3 });
	tap_ok(x.reason == EXIT_DR_READ && x.index == 7 && x.info1 == 2, "MOV from DR7 to RDX");
}

static void test_io(void)
{
	struct guest_exit x;

	x = exit_of((struct vmx_raw){ .reason = VMX_IO, .qual = 0x03f80008, .len = 1 });
	tap_ok(x.info1 == (0x03f80000 | 1 | 1 << 4) && x.info2 == 0x1001, "IN AL, 3F8H");
	x = exit_of((struct vmx_raw){ .reason = VMX_IO, .qual = 0x01f00031 | 0, .len = 2,
				      .info = 2 << 7 | 3 << 15 });
	tap_ok(x.info1 == (0x01f00000 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 9 | 3 << 10),
	       "REP OUTSW with 64-bit addresses from DS");
	x = exit_of((struct vmx_raw){ .reason = VMX_IO, .qual = 0x0cf80003, .len = 1 });
	tap_ok(x.info1 == (0x0cf80000 | 1 << 6), "OUT 0CF8H, EAX");
}

static void test_memory(void)
{
	struct guest_exit x;

	x = exit_of((struct vmx_raw){ .reason = VMX_EPT_VIOLATION, .qual = 0x182, .gpa = 0x5000 });
	tap_ok(x.reason == EXIT_SECOND_LEVEL && x.info1 == (2 | 4 | 1ull << 32) && x.info2 == 0x5000,
	       "a write where nothing is mapped");
	x = exit_of((struct vmx_raw){ .reason = VMX_EPT_VIOLATION, .qual = 0x8a | 1, .gpa = 0x5000 });
	tap_ok(x.info1 == (1 | 2 | 4 | 1ull << 33), "a walk that sets a flag in a read-only page");
	x = exit_of((struct vmx_raw){ .reason = VMX_EPT_VIOLATION, .qual = 0x184 | 0x18 });
	tap_ok(x.info1 == (1 | 4 | 1 << 4 | 1ull << 32), "a fetch from a page that is not executable");
	tap_ok(exit_of((struct vmx_raw){ .reason = VMX_EPT_MISCONFIG }).reason == EXIT_INVALID,
	       "a misconfiguration of our own table is a bug of ours");
}

static void test_rest(void)
{
	struct guest_exit x;
	unsigned int i;
	bool ok = true;

	x = exit_of((struct vmx_raw){ .reason = VMX_WRMSR, .len = 2 });
	tap_ok(x.reason == EXIT_MSR && x.info1 == 1 && x.next_rip == 0x1002, "WRMSR");
	tap_ok(!exit_of((struct vmx_raw){ .reason = VMX_RDMSR, .len = 2 }).info1, "RDMSR");
	x = exit_of((struct vmx_raw){ .reason = VMX_VMREAD, .len = 4, .qual = 8, .info = 0x1234 });
	tap_ok(x.reason == EXIT_VMX_INSN && x.index == INSN_VMREAD && x.qual == 8 &&
	       x.insn_info == 0x1234, "VMREAD with its operand");
	x = exit_of((struct vmx_raw){ .reason = VMX_GDTR_IDTR, .info = 3u << 28 });
	tap_ok(x.reason == EXIT_IDTR_WRITE, "LIDT");
	x = exit_of((struct vmx_raw){ .reason = VMX_LDTR_TR, .info = 1u << 28 });
	tap_ok(x.reason == EXIT_TR_READ, "STR");
	x = exit_of((struct vmx_raw){ .reason = VMX_TASK_SWITCH, .qual = 1ull << 30 | 0x28 });
	tap_ok(x.reason == EXIT_TASK_SWITCH && x.info1 == 0x28 && x.info2 == 1ull << 36,
	       "a task switch by IRET");
	x = exit_of((struct vmx_raw){ .reason = VMX_REASON_ENTRY_FAILED | VMX_BAD_GUEST, .qual = 3 });
	tap_ok(x.reason == EXIT_INVALID && x.info1 == 3 && x.raw == (VMX_REASON_ENTRY_FAILED | 33),
	       "a failed entry, with its qualification");
	tap_ok(exit_of((struct vmx_raw){ .reason = 35 }).reason == EXIT_UNKNOWN &&
	       exit_of((struct vmx_raw){ .reason = 200 }).reason == EXIT_UNKNOWN,
	       "reasons that do not exist");
	/* A slot nobody filled would read as EXIT_NONE: the log-full exit alone is that. */
	for (i = 0; i < NR_VMX_REASONS; i++)
		ok &= (exit_of((struct vmx_raw){ .reason = i }).reason == EXIT_NONE) == (i == VMX_PML_FULL);
	tap_ok(ok, "every reason has a row");
}

static u32 info_of(u8 type, u8 vector, bool error, bool protected)
{
	struct guest_event ev = { .valid = true, .type = type, .vector = vector,
				  .has_error = error };

	return vmx_event_info(&ev, protected);
}

static void test_events(void)
{
	struct guest_event ev = vmx_event(INTR(EVENT_EXCEPTION, 13, INTR_ERROR_VALID), 0x18);

	tap_ok(ev.valid && ev.type == EVENT_EXCEPTION && ev.vector == 13 && ev.has_error &&
	       ev.error == 0x18, "IDT-vectoring information to an event");
	tap_ok(!vmx_event(0x30d, 5).valid && !vmx_event(0x30d, 5).vector, "nothing without the valid bit");
	tap_ok(info_of(EVENT_EXCEPTION, 13, true, true) == INTR(EVENT_EXCEPTION, 13, INTR_ERROR_VALID),
	       "#GP with its error code");
	tap_ok(info_of(EVENT_EXCEPTION, 13, true, false) == INTR(EVENT_EXCEPTION, 13, 0),
	       "#GP in real mode has none");
	tap_ok(info_of(EVENT_EXCEPTION, 14, false, true) == INTR(EVENT_EXCEPTION, 14, INTR_ERROR_VALID),
	       "#PF always has one");
	tap_ok(info_of(EVENT_EXCEPTION, 6, true, true) == INTR(EVENT_EXCEPTION, 6, 0),
	       "#UD never has one");
	tap_ok(info_of(EVENT_EXCEPTION, 3, false, true) == INTR(EVENT_SOFT_EXCEPTION, 3, 0),
	       "#BP is a software exception");
	tap_ok(info_of(EVENT_EXCEPTION, 0xff, false, true) == INTR(EVENT_EXCEPTION, 31, 0),
	       "no exception beyond 31");
	tap_ok(info_of(EVENT_NMI, 77, true, true) == INTR(EVENT_NMI, 2, 0), "an NMI has vector 2");
	tap_ok(info_of(EVENT_INTR, 0xef, false, true) == INTR(EVENT_INTR, 0xef, 0), "an interrupt");
	tap_ok(info_of(EVENT_SOFT_INT, 0x80, false, true) == INTR(EVENT_SOFT_INT, 0x80, 0), "INT 80H");
}

static void test_segments(void)
{
	bool ok = true;
	u32 a;

	for (a = 0; a < 0x1000; a++) {
		u32 ar = vmx_seg_ar(a);

		ok &= vmx_seg_attrib(ar) == a && !(ar & 0xfffe0f00) &&
		      !(ar & SEG_AR_UNUSABLE) == !!(a & SEG_ATTR_P);
	}
	tap_ok(ok, "access rights there and back, unusable if not present");
	tap_ok(!(vmx_seg_attrib(SEG_AR_UNUSABLE | 0x93) & SEG_ATTR_P), "an unusable segment is not present");
}

int main(void)
{
	test_adjust();
	test_exceptions();
	test_cr_dr();
	test_io();
	test_memory();
	test_rest();
	test_events();
	test_segments();
	return tap_done();
}
