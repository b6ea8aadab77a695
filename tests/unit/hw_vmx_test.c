// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pure parts of the VT-x backend: settling control words, and exits in the
 * neutral form.
 */
#include "hw/vmx/adjust.h"
#include "hw/vmx/refuse.h"
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
	tap_ok(c.on == (PROC2_EPT | PROC2_UNRESTRICTED | PROC2_RDTSCP | PROC2_INVPCID | PROC2_VPID |
			PROC2_XSAVES),
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
	tap_ok(vmx_cs_ar(SEG_ATTR_MARKED | 0xa9b) == (SEG_AR_UNUSABLE | 0xa09b) && vmx_cs_ar(0xa9b) == 0xa09b,
	       "CS is present and marked");
}

static struct guest_image protected_mode(void)
{
	const struct guest_seg data = { .attrib = 0xc93, .limit = 0xffffffff };
	struct guest_image g = { .cr0 = 0x80000011, .rflags = 2, .rip = 0x1000 };
	unsigned int i;

	for (i = SEG_ES; i <= SEG_GS; i++)
		g.seg[i] = data;
	g.seg[SEG_CS].attrib = 0xc9b;
	g.seg[SEG_LDTR] = (struct guest_seg){ .attrib = 0x082, .limit = 0xffff };
	g.seg[SEG_TR] = (struct guest_seg){ .attrib = 0x08b, .limit = 0xffff };
	return g;
}

static struct guest_image long_mode(void)
{
	struct guest_image g = protected_mode();

	g.cr4 = 0x20;
	g.efer = 0x500;
	g.seg[SEG_CS].attrib = 0xa9b;
	return g;
}

static struct guest_image v8086(void)
{
	struct guest_image g = protected_mode();
	unsigned int i;

	g.rflags |= 1 << 17;
	g.cpl = 3;
	for (i = SEG_ES; i <= SEG_GS; i++)
		g.seg[i] = (struct guest_seg){ .sel = 0x100 * i, .base = 0x1000 * i,
					       .limit = 0xffff, .attrib = 0xf3 };
	return g;
}

/* What reset and a jump to real mode leave */
static struct guest_image real_mode(void)
{
	struct guest_image g = protected_mode();
	unsigned int i;

	g.cr0 = 0x10;
	for (i = SEG_ES; i <= SEG_GS; i++)
		g.seg[i] = (struct guest_seg){ .limit = 0xffff, .attrib = 0x093 };
	g.seg[SEG_CS] = (struct guest_seg){ .sel = 0xf000, .base = 0xffff0000, .limit = 0xffff,
					    .attrib = 0x09b };
	return g;
}

/* One thing changed, and whether an entry then fails */
#define REFUSED(from, change, what) do {						\
	struct guest_image g = from();							\
											\
	tap_ok(!vmx_refuses(&g, 48), #from " is taken: before %s", what);		\
	change;										\
	tap_ok(vmx_refuses(&g, 48), #from ": %s", what);				\
} while (0)
#define TAKEN(from, change, what) do {							\
	struct guest_image g = from();							\
											\
	change;										\
	tap_ok(!vmx_refuses(&g, 48), #from ": %s", what);				\
} while (0)

static void test_refused_segments(void)
{
	REFUSED(protected_mode, g.seg[SEG_CS].base = 1ull << 32, "CS base");
	REFUSED(protected_mode, g.seg[SEG_SS].base = 1ull << 32, "SS base");
	TAKEN(protected_mode, g.seg[SEG_SS].base = 1ull << 32; g.seg[SEG_SS].attrib = 0,
	      "a base of an unusable SS");
	REFUSED(protected_mode, g.seg[SEG_FS].base = 1ull << 47, "FS base not canonical");
	REFUSED(protected_mode, g.seg[SEG_GS].attrib = 0; g.seg[SEG_GS].base = 1ull << 63,
		"GS base not canonical, unusable or not");
	TAKEN(protected_mode, g.seg[SEG_GS].base = ~0ull << 47, "GS base canonical");
	REFUSED(protected_mode, g.seg[SEG_TR].base = 1ull << 47, "TR base");
	REFUSED(protected_mode, g.seg[SEG_LDTR].base = 1ull << 47, "LDTR base");
	TAKEN(protected_mode, g.seg[SEG_LDTR].base = 1ull << 47; g.seg[SEG_LDTR].attrib = 0,
	      "LDTR base, unusable");
	REFUSED(protected_mode, g.gdtr.base = 1ull << 47, "GDTR base");
	REFUSED(protected_mode, g.idtr.base = 1ull << 47, "IDTR base");
	REFUSED(protected_mode, g.seg[SEG_CS].attrib = 0xc93 | 0x60, "CS of data above ring 0");
	TAKEN(protected_mode, g.seg[SEG_CS].attrib = 0xc93, "CS of data, from real mode");
	REFUSED(protected_mode, g.seg[SEG_CS].attrib = 0xc93; g.cpl = 3, "CS of data and CPL 3");
	REFUSED(protected_mode, g.seg[SEG_CS].attrib = 0xc95, "CS of a stack");
	REFUSED(protected_mode, g.seg[SEG_CS].attrib = 0xc8b, "CS of a system type");
	REFUSED(protected_mode, g.seg[SEG_CS].attrib = 0xc1b, "CS not present");
	REFUSED(protected_mode, g.seg[SEG_CS].attrib = 0xcfb, "CS.DPL above the CPL");
	TAKEN(protected_mode, g.seg[SEG_CS].attrib = 0xcfa; g.cpl = 3, "CS not accessed, ring 3");
	REFUSED(protected_mode, g.cpl = 3, "CPL above CS.DPL");
	TAKEN(protected_mode, g.seg[SEG_CS].attrib = 0xc9f; g.cpl = 3, "conforming code at CPL 3");
	REFUSED(protected_mode, g.seg[SEG_CS].attrib = 0xcff, "conforming code above the CPL");
	REFUSED(protected_mode, g.seg[SEG_CS].limit = 0xfffffffe, "CS limit with granularity");
	REFUSED(protected_mode, g.seg[SEG_CS].attrib = 0x49b, "CS limit without granularity");
	REFUSED(long_mode, g.seg[SEG_CS].attrib = 0xe9b, "CS.L and CS.D");
	REFUSED(protected_mode, g.seg[SEG_SS].attrib = 0xc91, "SS read-only");
	TAKEN(protected_mode, g.seg[SEG_SS].attrib = 0xc97, "SS that grows down");
	REFUSED(protected_mode, g.seg[SEG_SS].attrib = 0xc83, "SS of a system type");
	REFUSED(protected_mode, g.seg[SEG_SS].limit = 0xfff0, "SS limit");
	TAKEN(protected_mode, g.seg[SEG_SS].attrib = 0x70, "SS unusable");
	TAKEN(protected_mode, g.seg[SEG_SS].attrib |= SEG_ATTR_DPL, "SS.DPL is not looked at");
	REFUSED(protected_mode, g.seg[SEG_DS].attrib = 0xc99, "DS of code that cannot be read");
	TAKEN(protected_mode, g.seg[SEG_DS].attrib = 0xc9a, "DS of code, not accessed");
	REFUSED(protected_mode, g.seg[SEG_ES].attrib = 0xc83, "ES of a system type");
	REFUSED(protected_mode, g.seg[SEG_FS].limit = 0x1ffffe, "FS limit");
	TAKEN(protected_mode, g.seg[SEG_GS].attrib = 0x1f; g.seg[SEG_GS].limit = 1, "GS unusable");
	TAKEN(protected_mode, g.seg[SEG_GS].attrib |= SEG_ATTR_DPL; g.seg[SEG_GS].sel = 3, "GS.DPL and RPL");
}

static void test_refused_rest(void)
{
	REFUSED(protected_mode, g.seg[SEG_TR].sel = 4, "TR out of the LDT");
	TAKEN(protected_mode, g.seg[SEG_TR].attrib = 0x009, "TR available and not present");
	TAKEN(protected_mode, g.seg[SEG_TR].attrib = 0x081, "TR of 16 bits");
	REFUSED(long_mode, g.seg[SEG_TR].attrib = 0x083, "TR of 16 bits");
	REFUSED(protected_mode, g.seg[SEG_TR].attrib = 0x08c, "TR of a gate's type");
	REFUSED(protected_mode, g.seg[SEG_TR].limit = 0x100000, "TR limit");
	REFUSED(protected_mode, g.seg[SEG_LDTR].sel = 4, "LDTR out of the LDT");
	REFUSED(protected_mode, g.seg[SEG_LDTR].attrib = 0x08b, "LDTR of a TSS's type");
	REFUSED(protected_mode, g.seg[SEG_LDTR].attrib = 0x092, "LDTR of a data type");
	REFUSED(protected_mode, g.seg[SEG_LDTR].limit = 0x100000, "LDTR limit");
	REFUSED(protected_mode, g.rip = 1ull << 32, "RIP beyond 32 bits");
	REFUSED(long_mode, g.seg[SEG_CS].attrib = 0xc9b; g.rip = 1ull << 32, "RIP in compatibility mode");
	TAKEN(long_mode, g.rip = 1ull << 47, "RIP that need not be canonical");
	REFUSED(long_mode, g.rip = 1ull << 48, "RIP beyond the width");
	TAKEN(long_mode, g.rip = ~0ull << 48, "RIP at the end");
	REFUSED(protected_mode, g.intr = true, "an interrupt with IF clear");
	TAKEN(protected_mode, g.intr = true; g.rflags |= 1 << 9, "an interrupt with IF set");
	REFUSED(real_mode, g.rflags |= 1 << 17, "RFLAGS.VM");
	REFUSED(real_mode, g.seg[SEG_CS].attrib |= SEG_ATTR_DPL, "CS.DPL");
	REFUSED(real_mode, g.cpl = 1, "a CPL");
	REFUSED(v8086, g.efer = 0x500, "EFER.LMA");
	REFUSED(v8086, g.cr0 = 0x10, "CR0.PE");
	REFUSED(v8086, g.seg[SEG_CS].base++, "CS base");
	REFUSED(v8086, g.seg[SEG_GS].base |= 1ull << 20, "GS base");
	REFUSED(v8086, g.seg[SEG_DS].limit = 0xfffff, "DS limit");
	REFUSED(v8086, g.seg[SEG_ES].attrib = 0x93, "ES.DPL");
	REFUSED(v8086, g.cpl = 0, "a CPL that is not 3");
	REFUSED(v8086, g.rflags = 2, "without RFLAGS.VM");
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
	test_refused_segments();
	test_refused_rest();
	return tap_done();
}
