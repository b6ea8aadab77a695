// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSR-load and MSR-store areas, good and bad (exit reason 34); what an exit loads
 * into the host and what it saves of the guest; the controls for debug registers, EFER,
 * PAT and PERF_GLOBAL_CTRL (SDM volume 3, "Loading MSRs", "Saving MSRs", "Loading Host
 * State").
 */
#include "vmx/vmx.h"

struct msr_entry { u32 msr, rsvd; u64 v; };

VL2_ASM(q_nop, "nop");
VL2_ASM(q_moves, "mov $0x1234567890,%rsp");
VL2_ASM(q_efer, "mov $0xc0000080,%ecx; rdmsr; mov %eax,%ebx");
VL2_ASM(q_pat, "mov $0x277,%ecx; rdmsr; shl $32,%rdx; or %rdx,%rax; mov %rax,%rbx");
VL2_ASM(q_set_pat, "mov $0x277,%ecx; wrmsr");
VL2_ASM(q_set_efer, "mov $0xc0000080,%ecx; wrmsr");
VL2_ASM(q_dr7, "mov %dr7,%rbx; mov $0x1d9,%ecx; rdmsr");
VL2_ASM(q_set_dr7, "mov %rbx,%dr7; mov $0x1d9,%ecx; xor %edx,%edx; mov $1,%eax; wrmsr");
VL2_ASM(q_msrs, "mov $0xc0000102,%ecx; rdmsr; mov %eax,%ebx\n"
		"mov $0xc0000084,%ecx; rdmsr; mov %eax,%esi");
VL2_ASM(q_selectors, "mov %ds,%eax; mov %es,%ebx; mov %fs,%ecx; mov %gs,%edx; sldt %esi; str %edi");

/* Several entries, in order; a later one of the same MSR counts. */
static void entry_load(const void *arg)
{
	struct msr_entry *e = alloc_page();
	struct vl2 l2;

	vl2_init_at(&l2, q_msrs);
	e[0] = (struct msr_entry){ MSR_KGS_BASE, 0, 0x1111 };
	e[1] = (struct msr_entry){ MSR_SFMASK, 0, 0x200 };
	e[2] = (struct msr_entry){ MSR_KGS_BASE, 0, 0x2222 };
	vw(CTRL_ENTRY_MSR_LOAD, (u64)e);
	vw(CTRL_ENTRY_LOAD_COUNT, 3);
	if (vl2_expect_done(&l2)) {
		CHECK_EQ((u32)l2.rbx, 0x2222);
		CHECK_EQ((u32)l2.rsi, 0x200);
	}
	wrmsr(MSR_KGS_BASE, 0);
	wrmsr(MSR_SFMASK, 0);
}

static void exit_store_load(const void *arg)
{
	struct msr_entry *s = alloc_page(), *l = alloc_page();
	struct vl2 l2;

	wrmsr(MSR_KGS_BASE, 0x3333);
	vl2_init_at(&l2, q_nop);
	s[0] = (struct msr_entry){ MSR_KGS_BASE, 0, 0x9999 };
	s[1] = (struct msr_entry){ MSR_EFER, 0, 0x9999 };
	s[2] = (struct msr_entry){ 0x1234567, 1, 0x5555 };
	l[0] = (struct msr_entry){ MSR_KGS_BASE, 0, 0x4444 };
	vw(CTRL_EXIT_MSR_STORE, (u64)s);
	vw(CTRL_EXIT_STORE_COUNT, 2);
	vw(CTRL_EXIT_MSR_LOAD, (u64)l);
	vw(CTRL_EXIT_LOAD_COUNT, 1);
	if (vl2_expect_done(&l2)) {
		CHECK_EQ(s[0].v, 0x3333);
		CHECK_EQ(s[0].msr, MSR_KGS_BASE);
		CHECK_EQ(s[1].v, rdmsr(MSR_EFER));
		CHECK_EQ(s[2].v, 0x5555);
		CHECK_EQ(rdmsr(MSR_KGS_BASE), 0x4444);
	}
	wrmsr(MSR_KGS_BASE, 0);
}

/* The time-stamp counter that is stored is the processor's own, whatever L2's offset is. */
static void exit_store_tsc(const void *arg)
{
	struct msr_entry *s = alloc_page();
	struct vl2 l2;
	u64 before;

	vl2_init_at(&l2, q_nop);
	ctl_set(CTRL_PROC, PROC_TSC_OFFSET);
	vw(CTRL_TSC_OFFSET, 1ull << 60);
	s[0] = (struct msr_entry){ 0x10, 0, 0 };
	vw(CTRL_EXIT_MSR_STORE, (u64)s);
	vw(CTRL_EXIT_STORE_COUNT, 1);
	before = rdmsr(0x10);
	if (vl2_expect_done(&l2))
		CHECK(s[0].v >= before && s[0].v <= rdmsr(0x10));
}

/* L2 far up, where RIP has more than 32 bits, is entered again and again. */
static void high_rip(const void *arg)
{
	static const u8 bytes[] = { 0x0f, 0xa2, 0x0f, 0xa2, 0x0f, 0xa2, 0x0f, 0x01, 0xc1 };
	const u64 high = 0x500000000000ull;
	u64 *cr3 = pt_new_identity();
	u8 *code = alloc_page();
	struct vl2 l2;
	u32 i;

	memcpy(code, bytes, sizeof(bytes));
	pt_map(cr3, high, (u64)code, PAGE_SIZE, L_4K, PT_P | PT_W | PT_A | PT_D);
	vl2_init_at(&l2, q_nop);
	vw(GUEST_CR3, (u64)cr3);
	vw(GUEST_RIP, high);
	for (i = 0; i < 3; i++) {
		if (!vl2_expect(&l2, R_CPUID))
			return;
		CHECK_EQ(vr(GUEST_RIP), high + 2 * i);
		vw(GUEST_RIP, high + 2 * i + 2);
	}
	if (vl2_expect(&l2, R_VMCALL))
		CHECK_EQ(vr(GUEST_CS_AR) & BIT(13), BIT(13));
}

/* Bad entries: reason 34, the qualification is the entry's number, from 1. */
static void entry_bad(const void *arg)
{
	struct bad { u32 msr, rsvd; u64 v; } bad[] = {
		{ MSR_FS_BASE, 0, 0 }, { MSR_GS_BASE, 0, 0 },
		{ MSR_KGS_BASE, 1, 0 }, { MSR_KGS_BASE, 0x80000000, 0 },
		{ MSR_KGS_BASE, 0, BIT(62) },
		{ 0x800, 0, 0 }, { 0x8ff, 0, 0 },
		/* EFER.LME cannot change with paging on; SCE's neighbour is reserved. */
		{ MSR_EFER, 0, 0 }, { MSR_EFER, 0, EFER_LME | EFER_LMA | 2 },
		/* SMM only */
		{ 0x9b, 0, 0 },
		{ 0x1fff, 0, 0 },
	};
	u64 mark = mem_mark();
	struct vl2 l2;
	u32 i, n;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		for (n = 1; n <= 3; n += 2) {
			struct msr_entry *e = alloc_page();

			if (bad[i].msr == 0x1fff && t_departs("absent"))
				continue;
			if (bad[i].msr == 0x9b && t_departs("smm"))
				continue;
			wrmsr(MSR_KGS_BASE, 0);
			vl2_init_at(&l2, q_nop);
			e[0] = (struct msr_entry){ MSR_KGS_BASE, 0, 0x77 };
			e[1] = e[0];
			e[n - 1] = (struct msr_entry){ bad[i].msr, bad[i].rsvd, bad[i].v };
			vw(CTRL_ENTRY_MSR_LOAD, (u64)e);
			vw(CTRL_ENTRY_LOAD_COUNT, 3);
			vl2_run(&l2);
			if (l2.reason != (R_ENTRY_FAILED | R_MSR_LOAD) || vr(EXIT_QUAL) != n) {
				FAIL("MSR %x value %llx as entry %u", bad[i].msr, bad[i].v, n);
				vl2_tell(&l2);
			} else {
				CHECK_EQ(vr(GUEST_RIP), q_nop);
			}
			/* Put right, it enters; the launch state is still clear. */
			vw(CTRL_ENTRY_LOAD_COUNT, 0);
			l2.launched = 0;
			if (l2.reason & R_ENTRY_FAILED)
				vl2_expect_done(&l2);
			vmcs_forget_all();
			mem_reset(mark);
		}
	wrmsr(MSR_KGS_BASE, 0);
}

/* The recommended maximum of IA32_VMX_MISC has to work. */
static void counts(const void *arg)
{
	u32 max = 512 * ((caps.misc >> 25 & 7) + 1), i;
	struct msr_entry *e = alloc_pages(max * 16 / PAGE_SIZE);
	struct vl2 l2;

	for (i = 0; i < max; i++)
		e[i] = (struct msr_entry){ MSR_KGS_BASE, 0, i };
	vl2_init_at(&l2, q_msrs);
	vw(CTRL_ENTRY_MSR_LOAD, (u64)e);
	vw(CTRL_ENTRY_LOAD_COUNT, max);
	if (vl2_expect_done(&l2))
		CHECK_EQ((u32)l2.rbx, max - 1);
	wrmsr(MSR_KGS_BASE, 0);
}

/* ---- host state ---- */

static u64 read_dr7(void)
{
	u64 v;

	__asm__ volatile("mov %%dr7,%0" : "=r"(v));
	return v;
}

/* Every register that the host-state area has, against values of its own */
static void host_state(const void *arg)
{
	struct { u16 limit; u64 base; } __packed gdt, idt;
	u16 ds, es, fs, gs, ss, cs, tr, ldt;
	struct vl2 l2;

	vl2_init_at(&l2, q_nop);
	vl2_seg(S_FS, SEL_DS, 0xc093, ~0u, 0x1111000);
	vl2_seg(S_GS, SEL_DS, 0xc093, ~0u, 0x2222000);
	vl2_seg(S_LDTR, SEL_LDT, 0x82, 7, 0x4000);
	vw(GUEST_SYSENTER_CS, 0x99);
	vw(GUEST_SYSENTER_ESP, 0x9999);
	vw(GUEST_SYSENTER_EIP, 0x99999);
	vw(GUEST_DR7, 0x455);
	vw(GUEST_RFLAGS, 2 | FL_CF | FL_ZF | FL_SF | FL_OF | BIT(10));
	vw(HOST_DS_SEL, 0);
	vw(HOST_ES_SEL, SEL_DS);
	vw(HOST_FS_SEL, SEL_DS);
	vw(HOST_GS_SEL, SEL_DS);
	vw(HOST_FS_BASE, 0x7fff00001000ull);
	vw(HOST_GS_BASE, 0xffff800000002000ull);
	vw(HOST_SYSENTER_CS, 0x18);
	vw(HOST_SYSENTER_ESP, 0xffff800000003000ull);
	vw(HOST_SYSENTER_EIP, 0xffff800000004000ull);
	if (!vl2_expect_done(&l2))
		return;
	__asm__ volatile("mov %%ds,%0; mov %%es,%1; mov %%fs,%2; mov %%gs,%3; mov %%ss,%4; mov %%cs,%5"
			 : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs), "=r"(ss), "=r"(cs));
	__asm__ volatile("str %0; sldt %1; sgdt %2; sidt %3" : "=r"(tr), "=r"(ldt), "=m"(gdt),
			 "=m"(idt));
	CHECK_EQ(ds, 0);
	CHECK_EQ(es, SEL_DS);
	CHECK_EQ(fs, SEL_DS);
	CHECK_EQ(gs, SEL_DS);
	CHECK_EQ(ss, SEL_DS);
	CHECK_EQ(cs, SEL_CS);
	CHECK_EQ(tr, SEL_TSS);
	CHECK_EQ(ldt, 0);
	CHECK_EQ(gdt.base, vr(HOST_GDTR_BASE));
	CHECK_EQ(gdt.limit, 0xffff);
	CHECK_EQ(idt.base, vr(HOST_IDTR_BASE));
	CHECK_EQ(idt.limit, 0xffff);
	CHECK_EQ(rdmsr(MSR_FS_BASE), 0x7fff00001000ull);
	CHECK_EQ(rdmsr(MSR_GS_BASE), 0xffff800000002000ull);
	CHECK_EQ(rdmsr(MSR_SYSENTER_CS), 0x18);
	CHECK_EQ(rdmsr(MSR_SYSENTER_ESP), 0xffff800000003000ull);
	CHECK_EQ(rdmsr(MSR_SYSENTER_EIP), 0xffff800000004000ull);
	CHECK_EQ(read_dr7(), 0x400);
	/* And what was saved of the guest */
	CHECK_EQ(vr(GUEST_FS_BASE), 0x1111000);
	CHECK_EQ(vr(GUEST_GS_BASE), 0x2222000);
	CHECK_EQ(vr(GUEST_LDTR_SEL), SEL_LDT);
	CHECK_EQ(vr(GUEST_LDTR_BASE), 0x4000);
	CHECK_EQ(vr(GUEST_SYSENTER_CS), 0x99);
	CHECK_EQ(vr(GUEST_SYSENTER_ESP), 0x9999);
	CHECK_EQ(vr(GUEST_DR7), 0x455);
	CHECK_EQ(vr(GUEST_RFLAGS), 2 | FL_CF | FL_ZF | FL_SF | FL_OF | BIT(10));
	wrmsr(MSR_FS_BASE, 0);
	wrmsr(MSR_GS_BASE, 0);
	wrmsr(MSR_SYSENTER_CS, 0);
	wrmsr(MSR_SYSENTER_ESP, 0);
	wrmsr(MSR_SYSENTER_EIP, 0);
	__asm__ volatile("mov %0,%%ds; mov %0,%%es; mov %1,%%fs; mov %1,%%gs" : : "r"(SEL_DS), "r"(0));
}

/* Host CR0, CR3, CR4 of their own */
static void host_cr(const void *arg)
{
	u64 *root = alloc_page(), cr0 = read_cr0(), cr3 = read_cr3(), cr4 = read_cr4();
	struct vl2 l2;
	u64 got[3];

	memcpy(root, (void *)cr3, PAGE_SIZE);
	vl2_init_at(&l2, q_nop);
	vw(HOST_CR0, cr0 ^ CR0_WP ^ CR0_MP);
	vw(HOST_CR3, (u64)root);
	vw(HOST_CR4, cr4 ^ CR4_PGE ^ CR4_PCE);
	vmx_run_asm(&l2);
	got[0] = read_cr0();
	got[1] = read_cr3();
	got[2] = read_cr4();
	write_cr0(cr0);
	write_cr3(cr3);
	write_cr4(cr4);
	CHECK_EQ(l2.flags, 0);
	CHECK_EQ(vr(EXIT_REASON), R_VMCALL);
	CHECK_EQ(got[0], cr0 ^ CR0_WP ^ CR0_MP);
	CHECK_EQ(got[1], root);
	CHECK_EQ(got[2], cr4 ^ CR4_PGE ^ CR4_PCE);
}

/* Segments that L2 sees, usable or not */
static void guest_selectors(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, q_selectors);
	vl2_seg(S_ES, 0x1b, AR_UNUSABLE, 0, 0);
	vl2_seg(S_FS, SEL_DS, 0xc093, ~0u, 0);
	vl2_seg(S_LDTR, SEL_LDT, 0x82, 7, 0x4000);
	if (!vl2_expect_done(&l2))
		return;
	CHECK_EQ((u16)l2.rax, SEL_DS);
	CHECK_EQ((u16)l2.rbx, 0x1b);
	CHECK_EQ((u16)l2.rcx, SEL_DS);
	CHECK_EQ((u16)l2.rsi, SEL_LDT);
	CHECK_EQ((u16)l2.rdi, SEL_TSS);
	CHECK_EQ(vr(GUEST_ES_AR) & AR_UNUSABLE, AR_UNUSABLE);
	CHECK_EQ(vr(GUEST_ES_SEL), 0x1b);
}

/* ---- paired controls ---- */

static void debug_controls(const void *arg)
{
	struct vl2 l2;

	/* Loaded */
	vl2_init_at(&l2, q_dr7);
	ctl_clear(CTRL_PROC, PROC_MOV_DR);
	vw(GUEST_DR7, 0x455);
	vw(GUEST_DEBUGCTL, 1);
	if (vl2_expect_done(&l2)) {
		CHECK_EQ(l2.rbx, 0x455);
		if (!t_departs("debugctl"))
			CHECK_EQ(l2.rax & 1, 1);
		/* The host has neither. */
		CHECK_EQ(read_dr7(), 0x400);
		CHECK_EQ(rdmsr(MSR_DEBUGCTL), 0);
	}
	/* Saved */
	vl2_init_at(&l2, q_set_dr7);
	ctl_clear(CTRL_PROC, PROC_MOV_DR);
	ctl_set(CTRL_EXIT, EXIT_SAVE_DEBUG);
	l2.rbx = 0x415;
	if (vl2_expect_done(&l2)) {
		CHECK_EQ(vr(GUEST_DR7), 0x415);
		if (!t_departs("debugctl"))
			CHECK_EQ(vr(GUEST_DEBUGCTL), 1);
	}
	if (!caps_may_clear(CTRL_ENTRY, ENTRY_LOAD_DEBUG) ||
	    !caps_may_clear(CTRL_EXIT, EXIT_SAVE_DEBUG))
		return;
	/* Not loaded, not saved */
	vl2_init_at(&l2, q_dr7);
	ctl_clear(CTRL_PROC, PROC_MOV_DR);
	ctl_clear(CTRL_ENTRY, ENTRY_LOAD_DEBUG);
	ctl_clear(CTRL_EXIT, EXIT_SAVE_DEBUG);
	vw(GUEST_DR7, 0x455);
	if (vl2_expect_done(&l2)) {
		CHECK_EQ(l2.rbx, 0x400);
		CHECK_EQ(vr(GUEST_DR7), 0x455);
	}
}

static void pat(const void *arg)
{
	u64 host = rdmsr(MSR_PAT), guest = 0x0606060606060606ull;
	struct vl2 l2;

	vl2_init_at(&l2, q_pat);
	ctl_set(CTRL_ENTRY, ENTRY_LOAD_PAT);
	ctl_set(CTRL_EXIT, EXIT_LOAD_PAT | EXIT_SAVE_PAT);
	vw(GUEST_PAT, guest);
	vw(HOST_PAT, host);
	if (vl2_expect_done(&l2)) {
		CHECK_EQ(l2.rbx, guest);
		CHECK_EQ(rdmsr(MSR_PAT), host);
		CHECK_EQ(vr(GUEST_PAT), guest);
	}
	/* Saved what L2 wrote */
	vl2_init_at(&l2, q_set_pat);
	ctl_set(CTRL_ENTRY, ENTRY_LOAD_PAT);
	ctl_set(CTRL_EXIT, EXIT_LOAD_PAT | EXIT_SAVE_PAT);
	vw(GUEST_PAT, guest);
	vw(HOST_PAT, host);
	l2.rax = 0x04040404;
	l2.rdx = 0x04040404;
	if (vl2_expect_done(&l2)) {
		CHECK_EQ(vr(GUEST_PAT), 0x0404040404040404ull);
		CHECK_EQ(rdmsr(MSR_PAT), host);
	}
	/* Not loaded: the host's is L2's, and stays what L2 makes it */
	vl2_init_at(&l2, q_set_pat);
	ctl_clear(CTRL_ENTRY, ENTRY_LOAD_PAT);
	ctl_clear(CTRL_EXIT, EXIT_LOAD_PAT | EXIT_SAVE_PAT);
	l2.rax = 0x04040404;
	l2.rdx = 0x04040404;
	if (vl2_expect_done(&l2))
		CHECK_EQ(rdmsr(MSR_PAT), 0x0404040404040404ull);
	wrmsr(MSR_PAT, host);
}

static void efer(const void *arg)
{
	u64 host = rdmsr(MSR_EFER), guest = host & ~(EFER_SCE | EFER_NXE);
	struct vl2 l2;

	vl2_init_at(&l2, q_efer);
	ctl_set(CTRL_ENTRY, ENTRY_LOAD_EFER);
	ctl_set(CTRL_EXIT, EXIT_LOAD_EFER | EXIT_SAVE_EFER);
	vw(GUEST_EFER, guest);
	vw(HOST_EFER, host);
	if (vl2_expect_done(&l2)) {
		CHECK_EQ((u32)l2.rbx, guest);
		CHECK_EQ(vr(GUEST_EFER), guest);
	}
	vl2_init_at(&l2, q_set_efer);
	ctl_set(CTRL_ENTRY, ENTRY_LOAD_EFER);
	ctl_set(CTRL_EXIT, EXIT_LOAD_EFER | EXIT_SAVE_EFER);
	vw(GUEST_EFER, host);
	vw(HOST_EFER, host);
	l2.rax = guest;
	l2.rdx = 0;
	if (vl2_expect_done(&l2))
		CHECK_EQ(vr(GUEST_EFER), guest);
	/* Not saved */
	vl2_init_at(&l2, q_set_efer);
	ctl_set(CTRL_ENTRY, ENTRY_LOAD_EFER);
	ctl_set(CTRL_EXIT, EXIT_LOAD_EFER);
	ctl_clear(CTRL_EXIT, EXIT_SAVE_EFER);
	vw(GUEST_EFER, host);
	vw(HOST_EFER, host);
	l2.rax = guest;
	l2.rdx = 0;
	if (vl2_expect_done(&l2))
		CHECK_EQ(vr(GUEST_EFER), host);
}

/* CR4.PCE and the like of L2's own do not reach the host; CR2 does. */
static void cr2_shared(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, q_nop);
	__asm__ volatile("mov %0,%%cr2" : : "r"(0x123456789000ull));
	vl2_expect_done(&l2);
	CHECK_EQ(read_cr2(), 0x123456789000ull);
}

/*
 * RSP is switched; the other registers are the processor's, and an entry that fails leaves all alone: with
 * VMfail, and in the checks of guest state and the MSR list, when host state is loaded.
 */
static void registers(const void *arg)
{
	struct msr_entry *bad = alloc_page();
	struct vl2 l2, was;
	u32 i;

	vl2_init_at(&l2, q_moves);
	bad[0] = (struct msr_entry){ MSR_FS_BASE, 0, 0 };
	vw(CTRL_ENTRY_MSR_LOAD, (u64)bad);
	for (i = 0; i < 15; i++)
		(&l2.rax)[i] = 0x101010101010101ull * (i + 1);
	was = l2;
	for (i = 0; i < 8; i++) {
		vw(GUEST_RIP, (u64)q_moves);
		vw(GUEST_RSP, (u64)l2.stack);
		if (i == 0 || i == 5) {
			u32 launched = l2.launched;

			l2.launched = !launched;
			vl2_expect_error(&l2, launched ? 4 : 5);
			l2.launched = launched;
			vw(HOST_TR_SEL, 0);
			vl2_expect_error(&l2, 8);
			vw(HOST_TR_SEL, SEL_TSS);
			vw(GUEST_RFLAGS, 0);
			vl2_expect(&l2, R_ENTRY_FAILED | R_GUEST_STATE);
			vw(GUEST_RFLAGS, 2);
			vw(CTRL_ENTRY_LOAD_COUNT, 1);
			vl2_expect(&l2, R_ENTRY_FAILED | R_MSR_LOAD);
			vw(CTRL_ENTRY_LOAD_COUNT, 0);
		}
		if (!vl2_expect_done(&l2))
			return;
		CHECK_EQ(vr(GUEST_RSP), 0x1234567890ull);
		if (memcmp(&was, &l2, 15 * sizeof(u64)))
			FAIL("L2's registers are not L1's");
	}
}

static const struct l1_test tests[] = {
	{ "entry_load", 0, entry_load, NULL },
	{ "exit_store_load", 0, exit_store_load, NULL },
	{ "exit_store_tsc", 0, exit_store_tsc, NULL },
	{ "high_rip", 0, high_rip, NULL },
	{ "entry_bad", 0, entry_bad, NULL },
	{ "counts", 0, counts, NULL },
	{ "host_state", 0, host_state, NULL },
	{ "host_cr", 0, host_cr, NULL },
	{ "guest_selectors", 0, guest_selectors, NULL },
	{ "debug_controls", 0, debug_controls, NULL },
	{ "pat", VF_PAT | VF_MSRBMP, pat, NULL },
	{ "efer", VF_EFER | VF_MSRBMP, efer, NULL },
	{ "cr2_shared", 0, cr2_shared, NULL },
	{ "registers", 0, registers, NULL },
};

const struct test_group group_vmx_lists = { "vmx_lists", tests, ARRAY_SIZE(tests), false };
