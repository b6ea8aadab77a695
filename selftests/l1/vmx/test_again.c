// SPDX-License-Identifier: GPL-2.0-only
/*
 * The same L2 entered again and again with one register changed between two entries: a hypervisor
 * that remembers the last entry must not remember too much.  Guest state is taken at each entry,
 * saved at each exit, and L1 finds its host state whatever it did to its registers since the last
 * exit.  Controls, maps, events and checks: test_again_ctl.c.
 */
#include "vmx/again.h"

#define NOT_SEEN	0xffffu

VL2_ASM(va_count, "inc %r8; vmcall");
VL2_ASM(va_cpuid, "cpuid; vmcall");
VL2_ASM(va_addr, "invlpg (%rdi); vmcall");
VL2_ASM(va_down, "push %rax; std; vmcall");
VL2_ASM(va_up, "pop %rax; cld; vmcall");
VL2_ASM(va_regs, "pushfq; popq (%rdi); mov %rsp, 8(%rdi)\n"
	"mov %cr0, %rax; mov %rax, 16(%rdi); mov %cr3, %rax; mov %rax, 24(%rdi)\n"
	"mov %cr4, %rax; mov %rax, 32(%rdi); mov %dr7, %rax; mov %rax, 40(%rdi)\n"
	"mov %es, %eax; mov %rax, 48(%rdi); mov %cs, %eax; mov %rax, 56(%rdi)\n"
	"mov %ss, %eax; mov %rax, 64(%rdi); mov %ds, %eax; mov %rax, 72(%rdi)\n"
	"mov %fs, %eax; mov %rax, 80(%rdi); mov %gs, %eax; mov %rax, 88(%rdi)\n"
	"sldt %eax; mov %rax, 96(%rdi); str %eax; mov %rax, 104(%rdi)\n"
	"sgdt 118(%rdi); sidt 134(%rdi); add $144, %rdi\n"
	"1: mov (%rsi), %ecx; rdmsr; mov %eax, (%rdi); mov %edx, 4(%rdi)\n"
	"add $4, %rsi; add $8, %rdi; cmpl $0, (%rsi); jne 1b; vmcall");
VL2_ASM(va_spoil, "mov $0x277, %ecx; rdmsr; xor $6, %eax; wrmsr; mov $0x500, %eax; mov %rax, %dr7\n"
	"mov $0xc0000080, %ecx; rdmsr; xor $1, %eax; wrmsr; vmcall");
VL2_ASM(va_own, "mov $0x1234, %ecx; mov %cr4, %rax; xor $4, %rax; mov %rax, %cr4\n"
	"mov $0xc0000100, %ecx; rdmsr; xor $0x1000, %eax; wrmsr\n"
	"mov $0x174, %ecx; rdmsr; xor $0x20, %eax; wrmsr; mov %rbx, %es; vmcall");

void again_init(struct vl2 *l2)
{
	vl2_init_at(l2, va_count);
	if (cpu_features & VF_PAT) {
		ctl_set(CTRL_ENTRY, ENTRY_LOAD_PAT);
		ctl_set(CTRL_EXIT, EXIT_LOAD_PAT);
	}
	if (cpu_features & VF_VPID) {
		ctl_set(CTRL_PROC2, PROC2_VPID);
		vw(CTRL_VPID, 1);
	}
}

u64 again(struct vl2 *l2, const void *code)
{
	vw(GUEST_RIP, (u64)code);
	vl2_run(l2);
	return l2->reason;
}

void warm_up(struct vl2 *l2, const void *code, u32 n)
{
	while (n-- && !t_failed())
		CHECK_EQ(again(l2, code), R_VMCALL);
}

/* ---- L2's registers ---- */

static const u32 msrs[] = { MSR_FS_BASE, MSR_GS_BASE, MSR_SYSENTER_CS, MSR_SYSENTER_ESP,
			    MSR_SYSENTER_EIP, MSR_EFER, MSR_PAT, MSR_DEBUGCTL, 0 };

static const struct taken {
	u32 field, at;		/* at: in what va_regs writes */
	u64 bits, mask;
} taken[] = {
	{ GUEST_RFLAGS, 0, BIT(21), BIT(21) }, { GUEST_RSP, 8, 0x40, ~0ull },
	{ GUEST_CR0, 16, 2, ~0ull }, { GUEST_CR3, 24, 8, ~0ull }, { GUEST_CR4, 32, 4, ~0ull },
	{ GUEST_DR7, 40, 0x100, ~0ull }, { GUEST_ES_SEL, 48, 8, 0xffff },
	{ GUEST_CS_SEL, 56, 0x100, 0xffff }, { GUEST_SS_SEL, 64, 0x100, 0xffff },
	{ GUEST_DS_SEL, 72, 8, 0xffff }, { GUEST_FS_SEL, 80, 8, 0xffff },
	{ GUEST_GS_SEL, 88, 8, 0xffff }, { GUEST_LDTR_SEL, 96, 0x100, 0xffff },
	{ GUEST_TR_SEL, 104, 0x100, 0xffff },
	{ GUEST_GDTR_LIMIT, 118, 0x100, 0xffff }, { GUEST_GDTR_BASE, 120, 0x1000, ~0ull },
	{ GUEST_IDTR_LIMIT, 134, 0x100, 0xffff }, { GUEST_IDTR_BASE, 136, 0x1000, ~0ull },
	{ GUEST_FS_BASE, 144, 0x1000, ~0ull }, { GUEST_GS_BASE, 152, 0x1000, ~0ull },
	{ GUEST_SYSENTER_CS, 160, 8, ~0ull }, { GUEST_SYSENTER_ESP, 168, 0x1000, ~0ull },
	{ GUEST_SYSENTER_EIP, 176, 0x1000, ~0ull }, { GUEST_EFER, 184, 1, ~0ull },
	{ GUEST_PAT, 192, 6, ~0ull },
	/* What no instruction tells: it must be saved as it was loaded. */
	{ GUEST_ES_LIMIT, NOT_SEEN, BIT(30), 0 }, { GUEST_DS_AR, NOT_SEEN, 0x1000, 0 },
	{ GUEST_FS_LIMIT, NOT_SEEN, BIT(30), 0 }, { GUEST_GS_AR, NOT_SEEN, 0x1000, 0 },
	{ GUEST_ES_BASE, NOT_SEEN, 0x1000, 0 }, { GUEST_TR_LIMIT, NOT_SEEN, 8, 0 },
	{ GUEST_TR_BASE, NOT_SEEN, 0x1000, 0 }, { GUEST_LDTR_BASE, NOT_SEEN, 0x1000, 0 },
};

static void read_regs(struct vl2 *l2, u8 *room)
{
	memset(room, 0, 256);
	l2->rdi = (u64)room;
	l2->rsi = (u64)msrs;
	CHECK_EQ(again(l2, va_regs), R_VMCALL);
}

static u64 at(const u8 *room, const struct taken *t)
{
	return *(const u64 *)(room + t->at) & t->mask;
}

static void changed(struct vl2 *l2, const struct taken *t, u8 *room, u64 field, u64 was)
{
	read_regs(l2, room);
	if (t->at != NOT_SEEN && at(room, t) != was)
		FAIL("%s: L2 read %llx, expected %llx", field_name(t->field), at(room, t), was);
	/* L2 counts, so the other flags are its own. */
	if ((vr(t->field) ^ field) & (t->field == GUEST_RFLAGS ? t->bits : ~0ull))
		FAIL("%s is %llx after the exit, expected %llx", field_name(t->field),
		     vr(t->field), field);
}

/* One field gets other bits, L2 reads them, and VMREAD does. */
static void registers(const void *arg)
{
	const u32 warm = (u64)arg;
	u8 *room = alloc_page();
	struct vl2 l2;
	u32 i, n;

	again_init(&l2);
	ctl_set(CTRL_ENTRY, ENTRY_LOAD_PAT);
	ctl_set(CTRL_EXIT, EXIT_LOAD_PAT | EXIT_SAVE_PAT);
	for (i = 0; i < ARRAY_SIZE(taken) && !t_failed(); i++) {
		const struct taken *t = &taken[i];
		u64 field = vr(t->field), was;

		warm_up(&l2, va_count, warm);
		read_regs(&l2, room);
		was = t->at == NOT_SEEN ? 0 : at(room, t);
		for (n = 0; n < 2; n++) {
			vw(t->field, field ^ t->bits);
			changed(&l2, t, room, field ^ t->bits, was ^ t->bits);
			changed(&l2, t, room, field ^ t->bits, was ^ t->bits);
			warm_up(&l2, va_count, warm);
			changed(&l2, t, room, field ^ t->bits, was ^ t->bits);
			vw(t->field, field);
			changed(&l2, t, room, field, was);
			warm_up(&l2, va_count, warm);
		}
	}
}

/* L2 changes registers itself: they are saved, and they stay when L1 writes others or none. */
static void own_registers(const void *arg)
{
	u64 cr4, fs, cs;
	struct vl2 l2;
	u32 i;

	again_init(&l2);
	for (i = 0; i < 6; i++) {
		warm_up(&l2, va_count, i);
		cr4 = vr(GUEST_CR4);
		fs = vr(GUEST_FS_BASE);
		cs = vr(GUEST_SYSENTER_CS);
		l2.rbx = i & 1 ? SEL_DS : SEL_UDS;
		CHECK_EQ(again(&l2, va_own), R_VMCALL);
		if (i & 2)
			warm_up(&l2, va_count, 2);
		CHECK_EQ(vr(GUEST_CR4), cr4 ^ 4);
		CHECK_EQ(vr(GUEST_FS_BASE), fs ^ 0x1000);
		CHECK_EQ(vr(GUEST_SYSENTER_CS), cs ^ 0x20);
		CHECK_EQ(vr(GUEST_ES_SEL), i & 1 ? SEL_DS : SEL_UDS);
	}
}

/* What an entry loads and no exit saves is the field's again each time, whatever L2 did to it. */
static void not_saved(const void *arg)
{
	u8 *room = alloc_page();
	struct vl2 l2;
	u64 pat;
	u32 i;

	again_init(&l2);
	ctl_set(CTRL_ENTRY, ENTRY_LOAD_PAT);
	ctl_set(CTRL_EXIT, EXIT_LOAD_PAT);
	ctl_clear(CTRL_EXIT, EXIT_SAVE_PAT | EXIT_SAVE_DEBUG | EXIT_SAVE_EFER);
	vw(HOST_PAT, rdmsr(MSR_PAT));
	pat = vr(GUEST_PAT);
	for (i = 0; i < 8; i++) {
		read_regs(&l2, room);
		CHECK_EQ(*(u64 *)(room + 192), pat);
		CHECK_EQ(*(u64 *)(room + 184), vr(GUEST_EFER));
		if (!(vr(CTRL_EXIT) & EXIT_SAVE_DEBUG))
			CHECK_EQ(*(u64 *)(room + 40), 0x400);
		warm_up(&l2, va_count, i & 1 ? WARM : 0);
		CHECK_EQ(again(&l2, va_spoil), R_VMCALL);
		CHECK_EQ(vr(GUEST_PAT), pat);
		warm_up(&l2, va_count, i & 2 ? WARM : 0);
	}
}

/* Nor what an entry does not load: that is L1's. */
static void not_loaded(const void *arg)
{
	u8 *room = alloc_page();
	u64 pat = rdmsr(MSR_PAT);
	struct vl2 l2;
	u32 i;

	again_init(&l2);
	ctl_clear(CTRL_ENTRY, ENTRY_LOAD_PAT | ENTRY_LOAD_DEBUG);
	ctl_set(CTRL_EXIT, EXIT_LOAD_PAT);
	vw(HOST_PAT, pat);
	for (i = 0; i < 8; i++) {
		warm_up(&l2, va_count, i & 1 ? WARM : 0);
		if (i & 2) {
			wrmsr(MSR_PAT, pat ^ 6);
			if (!(vr(CTRL_ENTRY) & ENTRY_LOAD_DEBUG))
				__asm__ volatile("mov %0, %%dr7" : : "r"(0x500ull));
		}
		read_regs(&l2, room);
		CHECK_EQ(*(u64 *)(room + 192), i & 2 ? pat ^ 6 : pat);
		if (!(vr(CTRL_ENTRY) & ENTRY_LOAD_DEBUG))
			CHECK_EQ(*(u64 *)(room + 40), i & 2 ? 0x500 : 0x400);
		CHECK_EQ(rdmsr(MSR_PAT), pat);
	}
}

/* ---- L1's registers ---- */

struct table { u16 limit; u64 base; } __packed;

static const char *const own_names[] = {
	"CR0", "CR3", "CR4", "DR7", "ES", "SS", "DS", "FS", "GS", "LDTR", "TR", "FS base", "GS base",
	"SYSENTER_CS", "SYSENTER_ESP", "SYSENTER_EIP", "PAT", "EFER", "DEBUGCTL", "GDTR limit",
	"GDTR base", "IDTR limit", "IDTR base",
};

#define SREG(name) \
	__asm__ volatile("mov %%" #name ", %0" : "=r"(v)); \
	o->name = v & 0xffff

void own_read(struct own *o)
{
	struct table t;
	u64 v;

	o->cr0 = read_cr0();
	o->cr3 = read_cr3();
	o->cr4 = read_cr4();
	__asm__ volatile("mov %%dr7, %0" : "=r"(o->dr7));
	SREG(es);
	SREG(ss);
	SREG(ds);
	SREG(fs);
	SREG(gs);
	__asm__ volatile("xor %k0, %k0; sldt %w0" : "=r"(o->ldtr));
	__asm__ volatile("xor %k0, %k0; str %w0" : "=r"(o->tr));
	o->fs_base = rdmsr(MSR_FS_BASE);
	o->gs_base = rdmsr(MSR_GS_BASE);
	o->sys_cs = rdmsr(MSR_SYSENTER_CS);
	o->sys_esp = rdmsr(MSR_SYSENTER_ESP);
	o->sys_eip = rdmsr(MSR_SYSENTER_EIP);
	o->pat = rdmsr(MSR_PAT);
	o->efer = rdmsr(MSR_EFER);
	o->debugctl = rdmsr(MSR_DEBUGCTL);
	__asm__ volatile("sgdt %0" : "=m"(t));
	o->gdt_limit = t.limit;
	o->gdt_base = t.base;
	__asm__ volatile("sidt %0" : "=m"(t));
	o->idt_limit = t.limit;
	o->idt_base = t.base;
}

void own_compare(const struct own *want, const char *what)
{
	struct own now;
	u32 i;

	own_read(&now);
	for (i = 0; i < ARRAY_SIZE(own_names); i++)
		if (((u64 *)&now)[i] != ((const u64 *)want)[i])
			FAIL("%s: L1's %s is %llx after the exit, expected %llx", what, own_names[i],
			     ((u64 *)&now)[i], ((const u64 *)want)[i]);
}

/* Without vl2_run(), which wants L1's registers to be what they were. */
static void enter(struct vl2 *l2)
{
	vw(GUEST_RIP, (u64)va_count);
	vmx_run_asm(l2);
	CHECK_EQ(vr(EXIT_REASON), R_VMCALL);
}

static void load_table(bool idt, u16 limit)
{
	struct table t;

	if (idt)
		__asm__ volatile("sidt %0" : "=m"(t));
	else
		__asm__ volatile("sgdt %0" : "=m"(t));
	t.limit = limit;
	if (idt)
		__asm__ volatile("lidt %0" : : "m"(t));
	else
		__asm__ volatile("lgdt %0" : : "m"(t));
}

/* What L1 does to its own registers between two entries; no host-state field says so. */
static void spoil(u32 n)
{
	switch (n) {
	case 0: write_cr0(read_cr0() ^ 2); break;
	case 1: write_cr3(read_cr3() ^ 8); break;
	case 2: write_cr4(read_cr4() ^ 4); break;
	case 3: __asm__ volatile("mov %0, %%dr7" : : "r"(0x500ull)); break;
	case 4: __asm__ volatile("mov %0, %%es" : : "r"(SEL_UDS)); break;
	case 5: __asm__ volatile("mov %0, %%ds" : : "r"(SEL_UDS)); break;
	case 6: __asm__ volatile("mov %0, %%fs" : : "r"(SEL_UDS)); break;
	case 7: __asm__ volatile("mov %0, %%gs" : : "r"(SEL_UDS)); break;
	case 8: __asm__ volatile("mov %0, %%ss" : : "r"(0)); break;
	case 9: wrmsr(MSR_FS_BASE, 0x123456000); break;
	case 10: wrmsr(MSR_GS_BASE, 0x654321000); break;
	case 11: wrmsr(MSR_SYSENTER_CS, 0x30); break;
	case 12: wrmsr(MSR_SYSENTER_ESP, 0x5000); break;
	case 13: wrmsr(MSR_SYSENTER_EIP, 0x6000); break;
	case 14: wrmsr(MSR_PAT, rdmsr(MSR_PAT) ^ 6); break;
	case 15: wrmsr(MSR_EFER, rdmsr(MSR_EFER) ^ 1); break;
	case 16: load_table(false, 12 * 8 - 1); break;
	case 17: load_table(true, 0x7ff); break;
	case 18: wrmsr(MSR_DEBUGCTL, 2); break;
	}
}

#define SPOILS	19

static void host_kept(const void *arg)
{
	struct own own;
	struct vl2 l2;
	u32 i, n;

	again_init(&l2);
	ctl_set(CTRL_EXIT, EXIT_LOAD_PAT);
	vw(HOST_PAT, rdmsr(MSR_PAT));
	vl2_run(&l2);
	own_read(&own);
	for (i = 0; i < SPOILS && !t_failed(); i++)
		for (n = 0; n < 3; n++) {
			spoil(i);
			enter(&l2);
			own_compare(&own, "spoilt");
			enter(&l2);
			own_compare(&own, "not spoilt");
		}
}

static const struct {
	u32 field;
	u64 bits;
	u32 own;	/* index in struct own */
} host_fields[] = {
	{ HOST_CR0, 2, 0 }, { HOST_CR3, 8, 1 }, { HOST_CR4, 4, 2 }, { HOST_ES_SEL, 0x10, 4 },
	{ HOST_SS_SEL, 0x100, 5 }, { HOST_DS_SEL, 0x10, 6 }, { HOST_FS_SEL, 0x10, 7 },
	{ HOST_GS_SEL, 0x10, 8 }, { HOST_TR_SEL, 0x100, 10 },
	{ HOST_FS_BASE, 0x1000, 11 }, { HOST_GS_BASE, 0x1000, 12 }, { HOST_SYSENTER_CS, 8, 13 },
	{ HOST_SYSENTER_ESP, 0x1000, 14 }, { HOST_SYSENTER_EIP, 0x1000, 15 }, { HOST_PAT, 6, 16 },
	{ HOST_EFER, 1, 17 },
};

/* A field of the host-state area is written: from the next exit on it is L1's register. */
static void host_taken(const void *arg)
{
	const u32 warm = (u64)arg;
	struct own own, want;
	struct vl2 l2;
	u32 i, n;
	u64 *reg;

	again_init(&l2);
	ctl_set(CTRL_EXIT, EXIT_LOAD_PAT);
	vw(HOST_PAT, rdmsr(MSR_PAT));
	vl2_run(&l2);
	own_read(&own);
	for (i = 0; i < ARRAY_SIZE(host_fields) && !t_failed(); i++) {
		want = own;
		reg = (u64 *)&want + host_fields[i].own;
		for (n = 0; n < 4; n++) {
			vw(host_fields[i].field, vr(host_fields[i].field) ^ host_fields[i].bits);
			*reg ^= host_fields[i].bits;
			enter(&l2);
			own_compare(&want, field_name(host_fields[i].field));
			if (n & 2)
				continue;
			for (u32 k = 0; k < warm; k++)
				enter(&l2);
			own_compare(&want, field_name(host_fields[i].field));
		}
	}
	own_compare(&own, "all written back");
}

/* Two VMCSs in turn: each has its own host state, guest state and exit. */
static void two(const void *arg)
{
	struct vl2 l2[2];
	u32 i, k;

	for (k = 0; k < 2; k++) {
		again_init(&l2[k]);
		vw(HOST_FS_BASE, 0x10000 + k * 0x1000);
		vw(HOST_SYSENTER_EIP, 0x20000 + k * 0x1000);
		vw(GUEST_FS_BASE, 0x30000 + k * 0x1000);
		vw(GUEST_SYSENTER_ESP, 0x40000 + k * 0x1000);
	}
	for (i = 0; i < 12; i++) {
		k = i >> 1 & 1;
		if (!(i & 1) && vmptrld(&l2[k].vmcs) != VM_OK)
			FAIL("VMPTRLD of VMCS %u failed", k);
		CHECK_EQ(again(&l2[k], k ? va_cpuid : va_count), k ? R_CPUID : R_VMCALL);
		CHECK_EQ(vr(EXIT_LEN), k ? 2 : 3);
		CHECK_EQ(rdmsr(MSR_FS_BASE), 0x10000 + k * 0x1000);
		CHECK_EQ(rdmsr(MSR_SYSENTER_EIP), 0x20000 + k * 0x1000);
		CHECK_EQ(vr(GUEST_FS_BASE), 0x30000 + k * 0x1000);
		CHECK_EQ(vr(GUEST_SYSENTER_ESP), 0x40000 + k * 0x1000);
		CHECK_EQ(l2[k].r8, k ? 0 : i / 4 * 2 + (i & 1) + 1);
	}
	wrmsr(MSR_FS_BASE, 0);
	wrmsr(MSR_SYSENTER_EIP, 0);
}

/* What L1 reads of an exit is that exit's, whatever differs from the one before and however little that is. */
static void told(const void *arg)
{
	const u32 warm = (u32)(long)arg;
	static const struct {
		const void *code;
		u32 reason, at, len;
		u64 qual;
	} exits[] = {
		{ va_count, R_VMCALL, 3, 3, 0 }, { va_cpuid, R_CPUID, 0, 2, 0 }, { va_addr, R_INVLPG, 0, 3, 0x5000 },
		{ va_addr, R_INVLPG, 0, 3, 0x6000 }, { va_count, R_VMCALL, 3, 3, 0 }, { va_down, R_VMCALL, 2, 3, 0 },
		{ va_up, R_VMCALL, 2, 3, 0 }, { va_cpuid, R_CPUID, 0, 2, 0 }, { va_count, R_VMCALL, 3, 3, 0 },
	};
	static struct vl2 l2;
	u64 rsp, flags;
	u32 i;

	again_init(&l2);
	ctl_set(CTRL_PROC, PROC_INVLPG);
	rsp = vr(GUEST_RSP);
	flags = vr(GUEST_RFLAGS);
	warm_up(&l2, va_count, warm);
	for (i = 0; i < ARRAY_SIZE(exits); i++) {
		bool down = exits[i].code == va_down;

		l2.rdi = exits[i].qual;
		CHECK_EQ(again(&l2, exits[i].code), exits[i].reason);
		CHECK_EQ(vr(GUEST_RIP), (u64)exits[i].code + exits[i].at);
		CHECK_EQ(vr(EXIT_LEN), exits[i].len);
		CHECK_EQ(vr(EXIT_QUAL), exits[i].qual);
		CHECK_EQ(vr(GUEST_RSP), rsp - (down ? 8 : 0));
		CHECK_EQ(vr(GUEST_RFLAGS) & BIT(10), (flags & BIT(10)) | (down ? BIT(10) : 0));
	}
}

static const struct l1_test tests[] = {
	SHORT_AND_LONG(registers),
	SHORT_AND_LONG(told),
	{ "own_registers", 0, own_registers, NULL },
	{ "not_saved", VF_PAT, not_saved, NULL },
	{ "not_loaded", VF_PAT, not_loaded, NULL },
	{ "host_kept", 0, host_kept, NULL },
	SHORT_AND_LONG(host_taken),
	{ "two", 0, two, NULL },
};

const struct test_group group_vmx_again = { "vmx_again", tests, ARRAY_SIZE(tests), false };
