// SPDX-License-Identifier: GPL-2.0-only
/*
 * The same L2 entered again and again with one control, one bit of a map, an event or something that a
 * check forbids changed between two entries (see test_again.c), and each control that has more to do
 * at every entry or exit than move registers.
 */
#include "vmx/again.h"

VL2_ASM(va_rdmsr, "rdmsr; vmcall");
VL2_ASM(va_wrmsr, "wrmsr; vmcall");
VL2_ASM(va_in, "in $0x21, %al; vmcall");
VL2_ASM(va_int3, "int3; vmcall");
VL2_ASM(va_rdtsc, "rdtsc; vmcall");
VL2_ASM(va_cr3, "mov %cr3, %rax; vmcall");
VL2_ASM(va_cr4, "mov %cr4, %rax; vmcall");
VL2_ASM(va_steps, "nop; nop; nop; nop; vmcall");
VL2_ASM(va_dr, "mov %dr7, %rax; vmcall");
VL2_ASM(va_load, "mov (%rbx), %rax; vmcall");

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
	again_init(&l2);
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

	again_init(&l2);
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

	again_init(&l2);
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

	again_init(&l2);
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
	again_init(&l2);
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

	again_init(&l2);
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

	again_init(&l2);
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

	again_init(&l2);
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

	again_init(&l2);
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

/* ---- Debug registers, which no entry or exit moves ---- */

/* Many times a host's time slice */
#define ROUNDS	400

static struct vl2 watched[MAX_CPUS];

static void watch(void *arg)
{
	again_init(&watched[this_cpu()->id]);
	/* DR0, an instruction, global */
	vw(GUEST_DR7, 0x400 | 2);
	vw(CTRL_EXCEPTIONS, 1u << V_DB);
}

/*
 * L2 stops at another instruction each time, by a breakpoint that L1 has set while it had none enabled, and on each CPU
 * at another one.
 */
static void stop_there(void *arg)
{
	u32 i, cpu = this_cpu()->id;
	struct vl2 *l2 = &watched[cpu];

	for (i = 0; i < ROUNDS && !t_failed(); i++) {
		u64 at = (u64)va_steps + (i + cpu) % MAX_CPUS;

		__asm__ volatile("mov %0, %%dr0" : : "r"(at));
		CHECK_EQ(again(l2, va_steps), R_EXCEPTION);
		CHECK_EQ(vr(GUEST_RIP), at);
		/* Behind all of them */
		CHECK_EQ(again(l2, va_steps + MAX_CPUS), R_VMCALL);
	}
	__asm__ volatile("mov %0, %%dr0" : : "r"(0ul));
}

static void breakpoints(const void *arg)
{
	smp_each(nr_cpus, watch, NULL, 0);
	smp_all(nr_cpus, stop_there, NULL, 0);
	smp_each(nr_cpus, vmcs_forget_here, NULL, 0);
}

static const struct l1_test tests[] = {
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
	{ "breakpoints", 0, breakpoints, NULL },
};

const struct test_group group_vmx_again_ctl = { "vmx_again_ctl", tests, ARRAY_SIZE(tests), false };
