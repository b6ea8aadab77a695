// SPDX-License-Identifier: GPL-2.0-only
/* A vCPU's state: what is set comes back; what is refused changes nothing. */
#include <signal.h>

#include "abi.h"

static void wrong_state(struct vm *v)
{
	static const struct { unsigned long cmd; const char *name; } all[] = {
		{ KVM_GET_REGS, "GET_REGS" }, { KVM_SET_REGS, "SET_REGS" },
		{ KVM_GET_SREGS, "GET_SREGS" }, { KVM_SET_SREGS, "SET_SREGS" },
		{ KVM_GET_SREGS2, "GET_SREGS2" }, { KVM_SET_SREGS2, "SET_SREGS2" },
		{ KVM_GET_FPU, "GET_FPU" }, { KVM_SET_FPU, "SET_FPU" },
		{ KVM_GET_XSAVE, "GET_XSAVE" }, { KVM_SET_XSAVE, "SET_XSAVE" },
		{ KVM_GET_XCRS, "GET_XCRS" }, { KVM_SET_XCRS, "SET_XCRS" },
		{ KVM_GET_MSRS, "GET_MSRS" }, { KVM_SET_MSRS, "SET_MSRS" },
		{ KVM_GET_CPUID2, "GET_CPUID2" }, { KVM_SET_CPUID2, "SET_CPUID2" },
		{ KVM_GET_LAPIC, "GET_LAPIC" }, { KVM_SET_LAPIC, "SET_LAPIC" },
		{ KVM_GET_MP_STATE, "GET_MP_STATE" }, { KVM_SET_MP_STATE, "SET_MP_STATE" },
		{ KVM_GET_VCPU_EVENTS, "GET_VCPU_EVENTS" },
		{ KVM_SET_VCPU_EVENTS, "SET_VCPU_EVENTS" },
		{ KVM_GET_DEBUGREGS, "GET_DEBUGREGS" }, { KVM_SET_DEBUGREGS, "SET_DEBUGREGS" },
		{ KVM_SET_GUEST_DEBUG, "SET_GUEST_DEBUG" }, { KVM_SET_SIGNAL_MASK, "SIGNAL_MASK" },
		{ KVM_TRANSLATE, "TRANSLATE" }, { KVM_X86_SETUP_MCE, "SETUP_MCE" },
		{ KVM_X86_SET_MCE, "SET_MCE" }, { KVM_INTERRUPT, "INTERRUPT" },
		{ KVM_SET_VAPIC_ADDR, "SET_VAPIC_ADDR" },
		{ KVM_TPR_ACCESS_REPORTING, "TPR_ACCESS_REPORTING" },
	};
	struct kvm_regs before, after;
	bool xsave = cpu_has("xsave");
	unsigned int i;
	char text[64];

	ioctl(v->vcpu, KVM_GET_REGS, &before);
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		bool xcrs = all[i].cmd == KVM_GET_XCRS || all[i].cmd == KVM_SET_XCRS;

		snprintf(text, sizeof(text), "%s at a bad address", all[i].name);
		fails(ioctl(v->vcpu, all[i].cmd, bad_address()), xcrs && !xsave ? EINVAL : EFAULT,
		      text);
	}
	ioctl(v->vcpu, KVM_GET_REGS, &after);
	ok(!memcmp(&before, &after, sizeof(before)), "nothing changed");
	fails(ioctl(v->vcpu, KVM_RUN, 1), EINVAL, "KVM_RUN with an argument");
	fails(ioctl(v->vcpu, _IO(KVMIO, 0x3e), 0), stock ? EINVAL : ENOTTY, "unknown vCPU ioctl");
}

static void general(struct vm *v)
{
	struct kvm_regs r = { .rax = 1, .rbx = 2, .rcx = 3, .rdx = 4, .rsi = 5, .rdi = 6,
		.rsp = 7, .rbp = 8, .r8 = 9, .r9 = 10, .r10 = 11, .r11 = 12, .r12 = 13,
		.r13 = 14, .r14 = 15, .r15 = 16, .rip = 0x1234, .rflags = 0x202 }, g;

	works(ioctl(v->vcpu, KVM_SET_REGS, &r), "registers");
	works(ioctl(v->vcpu, KVM_GET_REGS, &g), "registers back");
	ok(!memcmp(&r, &g, sizeof(r)), "they are the same");
	r.rflags = 0;
	ioctl(v->vcpu, KVM_SET_REGS, &r);
	ioctl(v->vcpu, KVM_GET_REGS, &g);
	ok(g.rflags == 2, "RFLAGS bit 1 is always 1");
	r.rflags = 1ull << 40;
	stricter(ioctl(v->vcpu, KVM_SET_REGS, &r), EINVAL, "reserved RFLAGS bit");
}

static void bad_sregs(struct vm *v, const struct kvm_sregs *good, const char *name,
		      uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	struct kvm_sregs s = *good, after;

	s.cr0 = cr0;
	s.cr4 = cr4;
	s.efer = efer;
	s.cr2 = 0xabcd;
	fails(ioctl(v->vcpu, KVM_SET_SREGS, &s), EINVAL, name);
	ioctl(v->vcpu, KVM_GET_SREGS, &after);
	if (memcmp(&after, good, sizeof(after)))
		ok(false, "and changed something");
}

static void system_registers(struct vm *v)
{
	struct kvm_sregs s, g;
	struct kvm_sregs2 s2;

	works(ioctl(v->vcpu, KVM_GET_SREGS, &s), "system registers");
	ok((s.cs.base == 0xffff0000 && s.cs.selector == 0xf000) || s.cs.base == 0,
	   "CS after reset");
	s.ds.base = 0x5000;
	s.ds.selector = 0x500;
	s.gdt.base = 0x7000;
	s.gdt.limit = 0x27;
	s.cr2 = 0x123456;
	works(ioctl(v->vcpu, KVM_SET_SREGS, &s), "set");
	works(ioctl(v->vcpu, KVM_GET_SREGS, &g), "and back");
	ok(!memcmp(&s, &g, sizeof(s)), "they are the same");
	works(ioctl(v->vcpu, KVM_GET_SREGS2, &s2), "second form");
	ok(!memcmp(&s2, &s, offsetof(struct kvm_sregs, interrupt_bitmap)), "is alike");
	works(ioctl(v->vcpu, KVM_SET_SREGS2, &s2), "second form set");
	s2.flags = 0x8000;
	fails(ioctl(v->vcpu, KVM_SET_SREGS2, &s2), EINVAL, "second form with an unknown flag");

	bad_sregs(v, &g, "PG without PE", 0x80000000, 0, 0);
	bad_sregs(v, &g, "NW without CD", 0x20000011, 0, 0);
	bad_sregs(v, &g, "CR0 beyond 32 bits", 1ull << 32, 0, 0);
	bad_sregs(v, &g, "reserved CR4 bit", 0x10, 1ull << 31, 0);
	if (!cpu_has("vmx"))
		bad_sregs(v, &g, "CR4.VMXE", 0x10, 1ull << 13, 0);
	bad_sregs(v, &g, "long mode without PAE", 0x80000011, 0, 0x500);
	bad_sregs(v, &g, "LME and PG without LMA", 0x80000011, 0x20, 0x100);
	bad_sregs(v, &g, "LMA without PG", 0x11, 0x20, 0x500);
	s = g;
	s.apic_base |= 1ull << 63;
	fails(ioctl(v->vcpu, KVM_SET_SREGS, &s), EINVAL, "reserved bit of the APIC base");
	s = g;
	s.apic_base = 0xfee00400;
	fails(ioctl(v->vcpu, KVM_SET_SREGS, &s), EINVAL, "x2APIC on a disabled APIC");
}

/*
 * What a CPU refuses at an entry is not accepted (APM vol. 2, "Canonicalization and
 * Consistency Checks").  Stock KVM takes it and lets the entry fail.
 */
static void consistent(struct vm *v)
{
	struct {
		struct kvm_msrs m;
		struct kvm_msr_entry e;
	} m = { .m.nmsrs = 1, .e.index = 0xc0000080 };
	struct kvm_sregs good, s;

	ioctl(v->vcpu, KVM_GET_SREGS, &good);
	s = good;
	s.cr0 = 0x80000011;
	s.cr4 = 0x20;
	s.efer = 0x500;
	s.cs.l = 1;
	s.cs.db = 0;
	works(ioctl(v->vcpu, KVM_SET_SREGS, &s), "64-bit mode");
	m.e.data = 0;
	ok(stock || ioctl(v->vcpu, KVM_SET_MSRS, &m) == 0, "LME stays while PG is set");
	m.e.data = 0x101;
	ok(ioctl(v->vcpu, KVM_SET_MSRS, &m) == 1, "EFER by KVM_SET_MSRS, without LMA");
	ioctl(v->vcpu, KVM_GET_SREGS, &s);
	ok(s.efer == 0x501, "LMA stays");
	s.cs.db = 1;
	stricter(ioctl(v->vcpu, KVM_SET_SREGS, &s), EINVAL, "CS.L and CS.D in long mode");
	s.cs.db = 0;
	s.cr3 = 1ull << 52;
	fails(ioctl(v->vcpu, KVM_SET_SREGS, &s), EINVAL, "CR3 beyond the address width");
	works(ioctl(v->vcpu, KVM_SET_SREGS, &good), "and back to real mode");
	s = good;
	s.cr3 = 1ull << 52;
	stricter(ioctl(v->vcpu, KVM_SET_SREGS, &s), EINVAL, "CR3 likewise in real mode");
	m.e.data = 0x500;
	ok(ioctl(v->vcpu, KVM_SET_MSRS, &m) == 1, "LME and LMA before the mode itself");
	ioctl(v->vcpu, KVM_GET_SREGS, &s);
	ok(s.efer == 0x100, "LMA waits for PG");
	works(ioctl(v->vcpu, KVM_SET_SREGS, &good), "and off again");
}

/* Segments that VM entry refuses (SDM vol. 3, "Checks on Guest Segment Registers"); AMD-V takes them. */
static void segments(struct vm *v, bool vmx)
{
#define AT(f)	offsetof(struct kvm_sregs, f)
	static const struct { size_t at; uint64_t val; uint8_t len; const char *name; } rows[] = {
		{ AT(cs.base), 1ull << 32, 8, "CS base beyond 32 bits" },
		{ AT(ds.base), 1ull << 32, 8, "DS base beyond 32 bits" },
		{ AT(fs.base), 1ull << 60, 8, "FS base not canonical" },
		{ AT(tr.base), 1ull << 60, 8, "TR base not canonical" },
		{ AT(gdt.base), 1ull << 60, 8, "GDTR base not canonical" },
		{ AT(idt.base), 1ull << 60, 8, "IDTR base not canonical" },
		{ AT(cs.type), 5, 1, "CS of a type for stacks" },
		{ AT(cs.present), 0, 1, "CS not present" },
		{ AT(cs.dpl), 2, 1, "CS with a DPL that the CPL is not" },
		{ AT(cs.limit), 0x100000, 4, "CS limit without granularity" },
		{ AT(ss.type), 11, 1, "SS of a type for code" },
		{ AT(es.s), 0, 1, "ES of a system type" },
		{ AT(gs.type), 9, 1, "GS of code that cannot be read" },
		{ AT(tr.selector), 4, 2, "TR out of the LDT" },
		{ AT(tr.type), 4, 1, "TR of a call gate's type" },
		{ AT(ldt.type), 11, 1, "LDTR of a TSS's type" },
	}, fixed[] = {
		{ AT(tr.type), 9, 1, "TR of an available TSS" },
		{ AT(ds.type), 2, 1, "DS not accessed" },
		{ AT(ss.dpl), 3, 1, "SS.DPL in real mode" },
		{ AT(ds.dpl), 1, 1, "DS.DPL in real mode" },
		{ AT(ldt.present), 0, 1, "LDTR unusable" },
	};
#undef AT
	struct kvm_sregs good, s, after;
	struct kvm_regs r, old;
	unsigned int i;
	bool same = true;

	ioctl(v->vcpu, KVM_GET_SREGS, &good);
	ioctl(v->vcpu, KVM_GET_REGS, &old);
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		s = good;
		memcpy((char *)&s + rows[i].at, &rows[i].val, rows[i].len);
		if (!vmx) {
			works(ioctl(v->vcpu, KVM_SET_SREGS, &s), rows[i].name);
			continue;
		}
		fails(ioctl(v->vcpu, KVM_SET_SREGS, &s), EINVAL, rows[i].name);
		ioctl(v->vcpu, KVM_GET_SREGS, &after);
		same &= !memcmp(&after, &good, sizeof(after));
	}
	ok(same, "and nothing was changed");
	for (i = 0; i < sizeof(fixed) / sizeof(*fixed); i++) {
		s = good;
		memcpy((char *)&s + fixed[i].at, &fixed[i].val, fixed[i].len);
		works(ioctl(v->vcpu, KVM_SET_SREGS, &s), fixed[i].name);
	}
	works(ioctl(v->vcpu, KVM_SET_SREGS, &good), "the good ones again");
	/* What depends on both calls is seen at the third. */
	r = old;
	r.rflags = 2 | 1 << 17;
	works(ioctl(v->vcpu, KVM_SET_REGS, &r), "virtual-8086 mode may come before its segments");
	v->run->immediate_exit = 1;
	if (vmx)
		fails(ioctl(v->vcpu, KVM_RUN, 0), EINVAL, "but not run in real mode");
	else
		fails(ioctl(v->vcpu, KVM_RUN, 0), EINTR, "and is nothing in real mode");
	ioctl(v->vcpu, KVM_SET_REGS, &old);
	fails(ioctl(v->vcpu, KVM_RUN, 0), EINTR, "and back");
	v->run->immediate_exit = 0;
}

static void fpu(struct vm *v)
{
	struct kvm_fpu f, g;
	static struct kvm_xsave x, y;
	struct kvm_xcrs c;

	works(ioctl(v->vcpu, KVM_GET_FPU, &f), "FPU");
	f.fcw = 0x37f;
	f.mxcsr = 0x1f80;
	memset(f.xmm[3], 0x5a, 16);
	memset(f.fpr[2], 0x11, 10);
	works(ioctl(v->vcpu, KVM_SET_FPU, &f), "FPU set");
	works(ioctl(v->vcpu, KVM_GET_FPU, &g), "and back");
	/* KVM drops the XMM registers while the component is in its initial state. */
	if (stock)
		skip("they are the same", "not in KVM");
	else
		ok(!memcmp(f.xmm, g.xmm, sizeof(f.xmm)) && f.fcw == g.fcw && f.mxcsr == g.mxcsr,
		   "they are the same");
	f.mxcsr = 0xffff0000;
	stricter(ioctl(v->vcpu, KVM_SET_FPU, &f), EINVAL, "reserved MXCSR bits");

	works(ioctl(v->vcpu, KVM_GET_XSAVE, &x), "XSAVE area");
	ok(stock || !memcmp((uint8_t *)x.region + 160 + 48, f.xmm[3], 16), "has the XMM register");
	works(ioctl(v->vcpu, KVM_SET_XSAVE, &x), "XSAVE area set");
	y = x;
	y.region[128] |= 1u << 30;
	fails(ioctl(v->vcpu, KVM_SET_XSAVE, &y), EINVAL, "unknown component");
	y = x;
	y.region[131] = 0x80000000;
	fails(ioctl(v->vcpu, KVM_SET_XSAVE, &y), EINVAL, "compacted format");
	y = x;
	y.region[6] = 0xffffffff;
	stricter(ioctl(v->vcpu, KVM_SET_XSAVE, &y), EINVAL, "reserved MXCSR bits in it");

	if (ioctl(v->vcpu, KVM_GET_XCRS, &c)) {
		skip("XCR0", "no XSAVE");
		return;
	}
	ok(c.nr_xcrs == 1 && c.xcrs[0].value == 1, "XCR0 after reset");
	c.xcrs[0].value = 3;
	works(ioctl(v->vcpu, KVM_SET_XCRS, &c), "XCR0 = 3");
	c.xcrs[0].value = 2;
	fails(ioctl(v->vcpu, KVM_SET_XCRS, &c), EINVAL, "XCR0 without x87");
	c.xcrs[0].value = 5;
	fails(ioctl(v->vcpu, KVM_SET_XCRS, &c), EINVAL, "AVX without SSE");
	c.xcrs[0].value = 1ull << 62 | 1;
	fails(ioctl(v->vcpu, KVM_SET_XCRS, &c), EINVAL, "unknown XCR0 bit");
	c.flags = 1;
	fails(ioctl(v->vcpu, KVM_SET_XCRS, &c), EINVAL, "XCRs with a flag");
	c.flags = 0;
	c.nr_xcrs = 17;
	fails(ioctl(v->vcpu, KVM_SET_XCRS, &c), EINVAL, "too many XCRs");
}

struct one_msr {
	struct kvm_msrs head;
	struct kvm_msr_entry e[2];
};

static int msr_get(struct vm *v, uint32_t index, uint64_t *val)
{
	struct one_msr m = { .head.nmsrs = 1, .e[0].index = index };
	int ret = ioctl(v->vcpu, KVM_GET_MSRS, &m);

	*val = m.e[0].data;
	return ret;
}

static int msr_set(struct vm *v, uint32_t index, uint64_t val)
{
	struct one_msr m = { .head.nmsrs = 1, .e[0] = { .index = index, .data = val } };

	return ioctl(v->vcpu, KVM_SET_MSRS, &m);
}

static void msrs(int dev, struct vm *v)
{
	struct {
		struct kvm_msr_list head;
		uint32_t index[512];
	} l = { .head.nmsrs = 512 };
	struct one_msr m = { .head.nmsrs = 2, .e[0] = { .index = 0x174, .data = 8 },
			     .e[1] = { .index = 0xdeadbeef } };
	uint64_t val;
	unsigned int i;

	if (ioctl(dev, KVM_GET_MSR_INDEX_LIST, &l))
		bail("KVM_GET_MSR_INDEX_LIST");
	for (i = 0; i < l.head.nmsrs; i++) {
		char text[64];

		if (msr_get(v, l.index[i], &val) == 1 && msr_set(v, l.index[i], val) == 1)
			continue;
		snprintf(text, sizeof(text), "listed MSR %#x reads and writes", l.index[i]);
		if (stock)
			skip(text, "KVM lists it all the same");
		else
			ok(false, text);
	}
	ok(true, "listed MSRs were read and written back");
	ok(msr_get(v, 0xdeadbeef, &val) == 0, "an unknown MSR is not read");
	ok(ioctl(v->vcpu, KVM_SET_MSRS, &m) == 1, "the first bad MSR ends the list");
	ok(msr_get(v, 0x174, &val) == 1 && val == 8, "those before it were set");
	ok(msr_set(v, 0xc0000101, 0x0000900000000000ull) == 0, "GS base, not canonical");
	ok(msr_set(v, 0x277, 0x0007040600070402ull) == 0, "PAT with a reserved type");
	ok(msr_set(v, 0x2ff, 0xc02) == 0, "MTRR default of a reserved type");
	ok(msr_set(v, 0x200, 0x100000000006ull | 1ull << 60) == 0, "MTRR base beyond the address width");
	ok(msr_set(v, 0x200, 0x80000006) == 1 && msr_get(v, 0x200, &val) == 1 && val == 0x80000006,
	   "MTRR base");
	ok(msr_get(v, 0xfe, &val) == 1 && (val & 0xff) == 8, "MTRR capabilities");
	m.head.nmsrs = 100000;
	fails(ioctl(v->vcpu, KVM_GET_MSRS, &m), E2BIG, "too many MSRs");
	m.head.nmsrs = 0;
	ok(ioctl(v->vcpu, KVM_GET_MSRS, &m) == 0, "no MSRs");
}

static void events(struct vm *v)
{
	struct kvm_vcpu_events e, g;

	works(ioctl(v->vcpu, KVM_GET_VCPU_EVENTS, &e), "events");
	e.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	e.nmi.masked = 1;
	e.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
	works(ioctl(v->vcpu, KVM_SET_VCPU_EVENTS, &e), "events set");
	ioctl(v->vcpu, KVM_GET_VCPU_EVENTS, &g);
	ok(g.nmi.masked == 1 && g.interrupt.shadow, "and back");
	e.nmi.masked = 0;
	e.interrupt.shadow = 0;
	ioctl(v->vcpu, KVM_SET_VCPU_EVENTS, &e);
	e.flags |= 0x8000;
	fails(ioctl(v->vcpu, KVM_SET_VCPU_EVENTS, &e), EINVAL, "unknown flag");
	e.flags &= ~0x8000;
	e.exception.injected = 1;
	e.exception.nr = 32;
	fails(ioctl(v->vcpu, KVM_SET_VCPU_EVENTS, &e), EINVAL, "exception 32");
	e.exception.nr = 2;
	fails(ioctl(v->vcpu, KVM_SET_VCPU_EVENTS, &e), EINVAL, "exception 2");
	e.exception.injected = 0;
	e.exception.nr = 0;
	e.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	fails(ioctl(v->vcpu, KVM_SET_VCPU_EVENTS, &e), EINVAL, "payload that was not enabled");
	e.flags &= ~KVM_VCPUEVENT_VALID_PAYLOAD;
	e.reserved[5] = 1;
	stricter(ioctl(v->vcpu, KVM_SET_VCPU_EVENTS, &e), EINVAL, "reserved byte");
}

static void debugging(struct vm *v)
{
	struct kvm_debugregs d, g;
	struct kvm_guest_debug gd = { .control = 0x8000 };

	works(ioctl(v->vcpu, KVM_GET_DEBUGREGS, &d), "debug registers");
	d.db[1] = 0x4000;
	d.dr7 = 0x404;
	works(ioctl(v->vcpu, KVM_SET_DEBUGREGS, &d), "set");
	ioctl(v->vcpu, KVM_GET_DEBUGREGS, &g);
	ok(g.db[1] == 0x4000 && g.dr7 == 0x404, "and back");
	d.dr7 = 1ull << 40;
	fails(ioctl(v->vcpu, KVM_SET_DEBUGREGS, &d), EINVAL, "DR7 beyond 32 bits");
	d.dr7 = 0x400;
	d.flags = 1;
	fails(ioctl(v->vcpu, KVM_SET_DEBUGREGS, &d), EINVAL, "flag");
	stricter(ioctl(v->vcpu, KVM_SET_GUEST_DEBUG, &gd), EINVAL, "unknown debug control");
	gd.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
	works(ioctl(v->vcpu, KVM_SET_GUEST_DEBUG, &gd), "single step");
	gd.control = 0;
	works(ioctl(v->vcpu, KVM_SET_GUEST_DEBUG, &gd), "and off");
}

static void lapic(struct vm *v)
{
	static struct kvm_lapic_state s, g;
	struct kvm_mp_state mp;

	works(ioctl(v->vcpu, KVM_GET_LAPIC, &s), "local APIC");
	works(ioctl(v->vcpu, KVM_SET_LAPIC, &s), "and set");
	works(ioctl(v->vcpu, KVM_GET_LAPIC, &g), "and back");
	ok(!memcmp(&s, &g, sizeof(s)), "they are the same");
	works(ioctl(v->vcpu, KVM_GET_MP_STATE, &mp), "MP state");
	ok(mp.mp_state == KVM_MP_STATE_RUNNABLE, "the boot processor is runnable");
	mp.mp_state = KVM_MP_STATE_HALTED;
	works(ioctl(v->vcpu, KVM_SET_MP_STATE, &mp), "halted");
	mp.mp_state = 77;
	stricter(ioctl(v->vcpu, KVM_SET_MP_STATE, &mp), EINVAL, "unknown MP state");
	mp.mp_state = KVM_MP_STATE_RUNNABLE;
	ioctl(v->vcpu, KVM_SET_MP_STATE, &mp);
}

static void without_irqchip(int dev)
{
	struct vm v = make_vm(dev, false);
	static struct kvm_lapic_state s;
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_HALTED };
	struct kvm_interrupt irq = { .irq = 256 };

	fails(ioctl(v.vcpu, KVM_GET_LAPIC, &s), EINVAL, "local APIC that is not there");
	fails(ioctl(v.vcpu, KVM_SET_LAPIC, &s), EINVAL, "and set");
	fails(ioctl(v.vcpu, KVM_SET_MP_STATE, &mp), EINVAL, "halted, with nobody to wake it");
	fails(ioctl(v.vcpu, KVM_INTERRUPT, &irq), EINVAL, "interrupt 256");
	irq.irq = 0x20;
	works(ioctl(v.vcpu, KVM_INTERRUPT, &irq), "interrupt");
	stricter(ioctl(v.vcpu, KVM_INTERRUPT, &irq), EEXIST, "a second interrupt");
	drop_vm(&v);
}

static void misc(struct vm *v)
{
	struct kvm_signal_mask *mask = calloc(1, sizeof(*mask) + 8);
	uint64_t cap = 10 | 1 << 8;
	struct kvm_x86_mce mce = { .bank = 200, .status = 1ull << 63 };
	int khz = ioctl(v->vcpu, KVM_GET_TSC_KHZ);

	ok(khz > 0, "TSC frequency");
	works(ioctl(v->vcpu, KVM_SET_TSC_KHZ, (long)khz), "the same frequency");
	works(ioctl(v->vcpu, KVM_X86_SETUP_MCE, &cap), "machine-check banks");
	fails(ioctl(v->vcpu, KVM_X86_SET_MCE, &mce), EINVAL, "machine check in no bank");
	cap = 0;
	fails(ioctl(v->vcpu, KVM_X86_SETUP_MCE, &cap), EINVAL, "no banks");
	cap = 33;
	fails(ioctl(v->vcpu, KVM_X86_SETUP_MCE, &cap), EINVAL, "too many banks");
	cap = 10 | 1ull << 40;
	fails(ioctl(v->vcpu, KVM_X86_SETUP_MCE, &cap), EINVAL, "unknown machine-check feature");
	mask->len = 4;
	fails(ioctl(v->vcpu, KVM_SET_SIGNAL_MASK, mask), EINVAL, "signal mask of 4 bytes");
	mask->len = 8;
	works(ioctl(v->vcpu, KVM_SET_SIGNAL_MASK, mask), "signal mask");
	works(ioctl(v->vcpu, KVM_SET_SIGNAL_MASK, NULL), "no signal mask");
	fails(ioctl(v->vcpu, KVM_KVMCLOCK_CTRL, 0), EINVAL, "pausing a clock that is off");
	ok(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, v->vcpu, 100 * PAGE) == MAP_FAILED || stock,
	   "mapping beyond the pages");
	free(mask);
}

static void cpuid(int dev, struct vm *v)
{
	struct kvm_cpuid2 *c = supported_cpuid(dev);
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 e[256];
	} g = { };

	works(ioctl(v->vcpu, KVM_SET_CPUID2, c), "the supported CPUID is accepted");
	fails(ioctl(v->vcpu, KVM_GET_CPUID2, &g), E2BIG, "no room to get it back");
	ok(g.head.nent == 0, "and the count is as it was");
	g.head.nent = 256;
	works(ioctl(v->vcpu, KVM_GET_CPUID2, &g), "it comes back");
	ok(g.e[0].ebx == c->entries[0].ebx, "with the vendor");
	c->nent = 257;
	fails(ioctl(v->vcpu, KVM_SET_CPUID2, c), E2BIG, "too many leaves");
}

int main(int argc, char **argv)
{
	int dev = start(argc, argv);
	struct vm v = make_vm(dev, true);

	wrong_state(&v);
	general(&v);
	cpuid(dev, &v);
	system_registers(&v);
	consistent(&v);
	if (stock)
		skip("segments", "KVM lets VM entry refuse them");
	else
		segments(&v, cpu_has("vmx"));
	fpu(&v);
	msrs(dev, &v);
	events(&v);
	debugging(&v);
	lapic(&v);
	misc(&v);
	without_irqchip(dev);
	drop_vm(&v);
	return finish();
}
