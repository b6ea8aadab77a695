// SPDX-License-Identifier: GPL-2.0-only
/*
 * The same L2 entered again and again with one thing changed between two entries: a hypervisor
 * that remembers the last entry must not remember too much.  Every field of the VMCS is taken
 * at each entry and exit, every check is made, bitmaps are looked at, and L1 finds its host state
 * whatever it did to its registers since the last exit.
 */
#include "vmx/vmx.h"

#define WARM	4	/* entries after which whoever remembers something does */
#define LONG	150	/* entries after which what was seen once may be forgotten */
#define NOT_SEEN	0xffffu

VL2_ASM(va_count, "inc %r8; vmcall");
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
VL2_ASM(va_rdmsr, "rdmsr; vmcall");
VL2_ASM(va_wrmsr, "wrmsr; vmcall");
VL2_ASM(va_in, "in $0x21, %al; vmcall");
VL2_ASM(va_cpuid, "cpuid; vmcall");
VL2_ASM(va_int3, "int3; vmcall");
VL2_ASM(va_rdtsc, "rdtsc; vmcall");
VL2_ASM(va_cr3, "mov %cr3, %rax; vmcall");
VL2_ASM(va_cr4, "mov %cr4, %rax; vmcall");
VL2_ASM(va_dr, "mov %dr7, %rax; vmcall");
VL2_ASM(va_load, "mov (%rbx), %rax; vmcall");
VL2_ASM(va_spoil, "mov $0x277, %ecx; rdmsr; xor $6, %eax; wrmsr; mov $0x500, %eax; mov %rax, %dr7\n"
	"mov $0xc0000080, %ecx; rdmsr; xor $1, %eax; wrmsr; vmcall");
VL2_ASM(va_own, "mov $0x1234, %ecx; mov %cr4, %rax; xor $4, %rax; mov %rax, %cr4\n"
	"mov $0xc0000100, %ecx; rdmsr; xor $0x1000, %eax; wrmsr\n"
	"mov $0x174, %ecx; rdmsr; xor $0x20, %eax; wrmsr; mov %rbx, %es; vmcall");

static u64 again(struct vl2 *l2, const void *code)
{
	vw(GUEST_RIP, (u64)code);
	vl2_run(l2);
	return l2->reason;
}

static void warm_up(struct vl2 *l2, const void *code, u32 n)
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

	vl2_init_at(&l2, va_count);
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

	vl2_init_at(&l2, va_count);
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

	vl2_init_at(&l2, va_count);
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

	vl2_init_at(&l2, va_count);
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

struct own {
	u64 cr0, cr3, cr4, dr7, es, ss, ds, fs, gs, ldtr, tr;
	u64 fs_base, gs_base, sys_cs, sys_esp, sys_eip, pat, efer, debugctl;
	u64 gdt_limit, gdt_base, idt_limit, idt_base;
};

static const char *const own_names[] = {
	"CR0", "CR3", "CR4", "DR7", "ES", "SS", "DS", "FS", "GS", "LDTR", "TR", "FS base", "GS base",
	"SYSENTER_CS", "SYSENTER_ESP", "SYSENTER_EIP", "PAT", "EFER", "DEBUGCTL", "GDTR limit",
	"GDTR base", "IDTR limit", "IDTR base",
};

#define SREG(name) \
	__asm__ volatile("mov %%" #name ", %0" : "=r"(v)); \
	o->name = v & 0xffff

static void own_read(struct own *o)
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

static void own_compare(const struct own *want, const char *what)
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

	vl2_init_at(&l2, va_count);
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

	vl2_init_at(&l2, va_count);
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
		vl2_init_at(&l2[k], va_count);
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

/* ---- bitmaps and controls ---- */

/* A bit of a map, set and cleared between entries. */
static void flip(struct vl2 *l2, const void *code, u8 *byte, u8 bit, u64 exit)
{
	u32 i;

	for (i = 0; i < 3; i++) {
		warm_up(l2, code, WARM);
		*byte |= bit;
		CHECK_EQ(again(l2, code), exit);
		CHECK_EQ(again(l2, code), exit);
		*byte &= ~bit;
	}
	warm_up(l2, code, 1);
}

static void msr_bitmap(const void *arg)
{
	const bool wr = arg;
	u8 *map = alloc_page(), *shut = alloc_page();
	struct vl2 l2;

	memset(shut, 0xff, PAGE_SIZE);
	vl2_init_at(&l2, va_rdmsr);
	vw(CTRL_MSR_BITMAP, (u64)map);
	l2.rcx = MSR_FS_BASE;
	flip(&l2, wr ? va_wrmsr : va_rdmsr, &map[wr * 0x800 + 0x400 + 0x100 / 8], 1,
	     wr ? R_WRMSR : R_RDMSR);
	vw(CTRL_MSR_BITMAP, (u64)shut);
	CHECK_EQ(again(&l2, wr ? va_wrmsr : va_rdmsr), wr ? R_WRMSR : R_RDMSR);
	vw(CTRL_MSR_BITMAP, (u64)map);
	warm_up(&l2, wr ? va_wrmsr : va_rdmsr, 2);
	ctl_clear(CTRL_PROC, PROC_MSR_BITMAPS);
	CHECK_EQ(again(&l2, wr ? va_wrmsr : va_rdmsr), wr ? R_WRMSR : R_RDMSR);
	ctl_set(CTRL_PROC, PROC_MSR_BITMAPS);
	/* One that no hypervisor lets pass by itself. */
	l2.rcx = MSR_APIC_BASE;
	if (!wr)
		flip(&l2, va_rdmsr, &map[MSR_APIC_BASE / 8], 1 << MSR_APIC_BASE % 8, R_RDMSR);
}

static void io_bitmap(const void *arg)
{
	u8 *a = alloc_page();
	struct vl2 l2;

	vl2_init_at(&l2, va_in);
	vw(CTRL_IO_BITMAP_A, (u64)a);
	vw(CTRL_IO_BITMAP_B, (u64)alloc_page());
	ctl_set(CTRL_PROC, PROC_IO_BITMAPS);
	flip(&l2, va_in, &a[0x21 / 8], 1 << 0x21 % 8, R_IO);
}

static const struct {
	u32 field;
	u64 bits;
	const char *code;
	u32 exit;
} controls[] = {
	{ CTRL_PROC, PROC_RDTSC, va_rdtsc, R_RDTSC },
	{ CTRL_PROC, PROC_CR3_STORE, va_cr3, R_CR },
	{ CTRL_PROC, PROC_MOV_DR, va_dr, R_DR },
	{ CTRL_EXCEPTIONS, BIT(3), va_int3, R_EXCEPTION },
};

static void control_bits(const void *arg)
{
	const u32 warm = (u64)arg;
	struct vl2 l2;
	u32 i, k, n;
	u64 sp;

	vl2_init_at(&l2, va_count);
	sp = vr(GUEST_RSP);
	ctl_clear(CTRL_PROC, PROC_RDTSC | PROC_CR3_STORE | PROC_MOV_DR);
	for (i = 0; i < ARRAY_SIZE(controls) && !t_failed(); i++)
		for (n = 0; n < 3; n++) {
			/* INT3 that L1 does not want leaves a frame on the stack. */
			for (k = 0; k < warm; k++) {
				vw(GUEST_RSP, sp);
				warm_up(&l2, controls[i].code, 1);
			}
			vw(controls[i].field, vr(controls[i].field) ^ controls[i].bits);
			CHECK_EQ(again(&l2, controls[i].code), controls[i].exit);
			CHECK_EQ(again(&l2, controls[i].code), controls[i].exit);
			vw(controls[i].field, vr(controls[i].field) ^ controls[i].bits);
		}
	warm_up(&l2, va_count, 1);
}

/* Masks, read shadows and the TSC offset. */
static void shadows(const void *arg)
{
	const u32 warm = (u64)arg;
	struct vl2 l2;
	u64 cr4, tsc;
	u32 n;

	vl2_init_at(&l2, va_cr4);
	cr4 = vr(GUEST_CR4);
	for (n = 0; n < 3; n++) {
		warm_up(&l2, va_cr4, warm);
		CHECK_EQ(l2.rax, cr4);
		vw(CTRL_CR4_SHADOW, cr4 ^ 4);
		warm_up(&l2, va_cr4, 2);
		CHECK_EQ(l2.rax, cr4);
		vw(CTRL_CR4_MASK, 4);
		warm_up(&l2, va_cr4, 2);
		CHECK_EQ(l2.rax, cr4 ^ 4);
		vw(CTRL_CR4_SHADOW, cr4);
		warm_up(&l2, va_cr4, 1);
		CHECK_EQ(l2.rax, cr4);
		vw(CTRL_CR4_MASK, 0);
	}
	ctl_clear(CTRL_PROC, PROC_RDTSC);
	ctl_set(CTRL_PROC, PROC_TSC_OFFSET);
	for (n = 0; n < 3; n++) {
		vw(CTRL_TSC_OFFSET, BIT(60));
		warm_up(&l2, va_rdtsc, 2);
		tsc = (u32)l2.rax | l2.rdx << 32;
		CHECK_EQ(tsc >> 60, 1);
		vw(CTRL_TSC_OFFSET, 0);
		warm_up(&l2, va_rdtsc, warm);
		tsc = (u32)l2.rax | l2.rdx << 32;
		CHECK_EQ(tsc >> 60, 0);
	}
}

/* Another EPT, and back. */
static void tables(const void *arg)
{
	u64 *page = alloc_page(), *other = alloc_page(), *ept = ept_new();
	struct vl2 l2;
	u32 n;

	*page = 1;
	*other = 2;
	vl2_init_at(&l2, va_load);
	l2.rbx = (u64)page;
	*ept_entry(ept, (u64)page, L_4K) = (u64)other | EPT_WB | EPT_RWX;
	for (n = 0; n < 4; n++) {
		warm_up(&l2, va_load, WARM);
		CHECK_EQ(l2.rax, 1);
		vw(CTRL_EPTP, eptp_of(ept));
		warm_up(&l2, va_load, n);
		CHECK_EQ(l2.rax, n ? 2 : 1);
		vw(CTRL_EPTP, eptp_of(l2.ept));
	}
}

/* An event is injected when L1 asks for it, and no other time. */
static void events(const void *arg)
{
	struct vl2 l2;
	u32 n;

	vl2_init_at(&l2, va_count);
	for (n = 0; n < 6; n++) {
		warm_up(&l2, va_count, n);
		vw(CTRL_ENTRY_INFO, EV_ON | EV_HW_INTR | 0x50);
		vw_set(GUEST_RFLAGS, FL_IF);
		vw(GUEST_RIP, (u64)va_count);
		if (!vl2_expect_trap(&l2, 0x50, NULL))
			return;
		CHECK_EQ(vr(CTRL_ENTRY_INFO) & EV_ON, 0);
		vl2_trap_return(&l2);
		vl2_expect_done(&l2);
		CHECK_EQ(vr(GUEST_RIP), va_count + 3);
	}
}

/* ---- exit information ---- */

static const struct seen {
	const char *code;
	u32 reason, len, info, error;
	u64 qual;
} seen[] = {
	{ va_count, R_VMCALL, 3, 0, 0, 0 },
	{ va_cpuid, R_CPUID, 2, 0, 0, 0 },
	{ va_int3, R_EXCEPTION, 1, EV_ON | EV_SW_EXC | 3, 0, 0 },
	{ va_load, R_EXCEPTION, 0, EV_ON | EV_HW_EXC | EV_CODE | V_PF, 0, 0x7fff00000000 },
	{ va_in, R_IO, 2, 0, 0, 0x210048 },
	{ va_cr3, R_CR, 3, 0, 0, 0x13 },
	{ va_rdmsr, R_RDMSR, 2, 0, 0, 0 },
};

static void look(struct vl2 *l2, const struct seen *s)
{
	CHECK_EQ(again(l2, s->code), s->reason);
	CHECK_EQ(vr(EXIT_QUAL), s->qual);
	CHECK_EQ(vr(EXIT_INTR_INFO) & (s->info ? ~0u : EV_ON), s->info);
	CHECK_EQ(vr(IDT_INFO) & EV_ON, 0);
	if (s->len)
		CHECK_EQ(vr(EXIT_LEN), s->len);
	if (s->info & EV_CODE)
		CHECK_EQ(vr(EXIT_INTR_ERROR), s->error);
}

/* Each exit after each other one. */
static void exit_info(const void *arg)
{
	struct vl2 l2;
	u32 i, k;

	vl2_init_at(&l2, va_count);
	ctl_set(CTRL_PROC, PROC_CR3_STORE | PROC_IO);
	ctl_clear(CTRL_PROC, PROC_MSR_BITMAPS);
	vw(CTRL_EXCEPTIONS, BIT(3) | BIT(V_PF));
	l2.rbx = 0x7fff00000000;
	for (i = 0; i < ARRAY_SIZE(seen); i++)
		for (k = 0; k < ARRAY_SIZE(seen) && !t_failed(); k++) {
			look(&l2, &seen[i]);
			look(&l2, &seen[k]);
			l2.rcx = MSR_FS_BASE;
		}
}

/* Exit fields are L1's to overwrite where it may, and the next exit writes them. */
static void exit_info_written(const void *arg)
{
	struct vl2 l2;
	u32 n;

	vl2_init_at(&l2, va_count);
	for (n = 0; n < 4; n++) {
		warm_up(&l2, va_count, n);
		vw(EXIT_REASON, 0x7777);
		vw(EXIT_LEN, 9);
		CHECK_EQ(vr(EXIT_REASON), 0x7777);
		CHECK_EQ(again(&l2, va_count), R_VMCALL);
		CHECK_EQ(vr(EXIT_LEN), 3);
		vw(EXIT_REASON, R_CPUID);
		CHECK_EQ(again(&l2, va_cpuid), R_CPUID);
		CHECK_EQ(vr(EXIT_LEN), 2);
	}
}

/* ---- checks ---- */

static const struct {
	u32 field;
	u64 clear, set;
	u32 error;	/* 0: fails with exit 33 */
} spoilt[] = {
	{ CTRL_CR3_COUNT, 0, 0x100, E_CONTROLS },
	{ CTRL_ENTRY_INFO, 0, EV_ON | EV_VNMI | 3, E_CONTROLS },
	{ HOST_CR3, 0, BIT(62), E_HOST_STATE },
	{ HOST_TR_SEL, ~0ull, 0, E_HOST_STATE },
	{ HOST_FS_BASE, 0, BIT(62), E_HOST_STATE },
	{ GUEST_RFLAGS, 2, 0, 0 },
	{ GUEST_RFLAGS, 0, BIT(40), 0 },
	{ GUEST_INTERRUPTIBILITY, 0, 3, 0 },
	{ GUEST_ACTIVITY, 0, 7, 0 },
	{ GUEST_PENDING_DBG, 0, BIT(20), 0 },
	{ GUEST_CR4, 0, BIT(40), 0 },
	{ GUEST_CR3, 0, BIT(62), 0 },
	{ GUEST_CS_AR, BIT(7), 0, 0 },
	{ GUEST_FS_BASE, 0, BIT(62), 0 },
	{ GUEST_LINK, ~0ull, 0x1000000000000, 0 },
	{ GUEST_DR7, 0, BIT(40), 0 },
};

/* Refused as often as it is tried, and taken again when it is put right. */
static void checked(const void *arg)
{
	const u32 warm = (u64)arg;
	struct own own;
	struct vl2 l2;
	u32 i, n;

	vl2_init_at(&l2, va_count);
	for (i = 0; i < ARRAY_SIZE(spoilt) && !t_failed(); i++) {
		u64 was;

		warm_up(&l2, va_count, warm);
		own_read(&own);
		was = vr(spoilt[i].field);
		vw(spoilt[i].field, (was & ~spoilt[i].clear) | spoilt[i].set);
		for (n = 0; n < 3; n++) {
			vw(GUEST_RIP, (u64)va_count);
			if (spoilt[i].error)
				vl2_expect_error(&l2, spoilt[i].error);
			else
				vl2_expect(&l2, R_GUEST_STATE | R_ENTRY_FAILED);
			own_compare(&own, field_name(spoilt[i].field));
		}
		vw(spoilt[i].field, was);
		warm_up(&l2, va_count, 1);
	}
}

#define SHORT_AND_LONG(fn) { #fn, 0, fn, (void *)WARM }, { #fn "_late", 0, fn, (void *)LONG }

static const struct l1_test tests[] = {
	SHORT_AND_LONG(registers),
	{ "own_registers", 0, own_registers, NULL },
	{ "not_saved", VF_PAT, not_saved, NULL },
	{ "not_loaded", VF_PAT, not_loaded, NULL },
	{ "host_kept", 0, host_kept, NULL },
	SHORT_AND_LONG(host_taken),
	{ "two", 0, two, NULL },
	{ "msr_bitmap_read", VF_MSRBMP, msr_bitmap, NULL },
	{ "msr_bitmap_write", VF_MSRBMP, msr_bitmap, (void *)1 },
	{ "io_bitmap", VF_IOBMP, io_bitmap, NULL },
	SHORT_AND_LONG(control_bits),
	SHORT_AND_LONG(shadows),
	{ "tables", VF_EPT, tables, NULL },
	{ "events", 0, events, NULL },
	{ "exit_info", 0, exit_info, NULL },
	{ "exit_info_written", VF_WRITERO, exit_info_written, NULL },
	SHORT_AND_LONG(checked),
};

const struct test_group group_vmx_again = { "vmx_again", tests, ARRAY_SIZE(tests), false };
