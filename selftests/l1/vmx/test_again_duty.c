// SPDX-License-Identifier: GPL-2.0-only
/*
 * The same L2 entered again and again (see test_again.c), where an entry or exit has more to do than move
 * registers: each control that asks for it, each state with rules of its own, each register that L1
 * and L2 share.
 */
#include "vmx/again.h"
#include "vmx/ept_case.h"

struct msr_entry { u32 msr, rsvd; u64 v; };

VL2_ASM(vd_shared, "mov %cr2, %rax; mov %dr6, %rbx; mov %cr0, %rdx\n"
	"mov %rcx, %cr2; mov %rsi, %dr6; vmcall");
VL2_ASM(vd_rdmsr, "rdmsr; vmcall");
VL2_ASM(vd_spoil_pat, "mov $0x277, %ecx; rdmsr; xor $6, %eax; wrmsr; vmcall");
VL2_ASM(vd_dr7, "mov %rbx, %dr7; vmcall");
VL2_ASM(vd_far, "push %rcx; push %rbx; lretq");
VL2_ASM(vd_load, "mov (%rbx), %rax; vmcall");
VL2_ASM(vd_cr8, "mov %cr8, %rax; mov %rbx, %cr8; vmcall");
VL2_ASM(vd_int, "int $0x90; vmcall");
VL2_ASM(vd_exit, "vmcall; vmcall");
VL2_ASM(vd_cr4, "mov %cr4, %rax; vmcall");
VL2_ASM(vd_send_nmi, "mov %eax, 0x310(%rbx); movl $0x4400, 0x300(%rbx); 1: pause; jmp 1b");

static u64 cr2(void)
{
	u64 v;

	__asm__ volatile("mov %%cr2, %0" : "=r"(v));
	return v;
}

static u64 dr6(void)
{
	u64 v;

	__asm__ volatile("mov %%dr6, %0" : "=r"(v));
	return v;
}

/* CR2, DR6, and CD of CR0: no entry or exit loads them. */
static void shared(const void *arg)
{
	struct vl2 l2;
	u64 n;

	again_init(&l2);
	for (n = 0; n < 8; n++) {
		u64 cd = n & 2 ? CR0_CD : 0;

		warm_up(&l2, va_count, n & 1 ? WARM : 0);
		__asm__ volatile("mov %0, %%cr2; mov %1, %%dr6" : : "r"(0x1000 + n), "r"(0xffff0ff0 | n));
		write_cr0((read_cr0() & ~CR0_CD) | cd);
		l2.rcx = 0x2000 + n;
		l2.rsi = 0xffff0ff0 | (n ^ 15);
		CHECK_EQ(again(&l2, vd_shared), R_VMCALL);
		CHECK_EQ(l2.rax, 0x1000 + n);
		CHECK_EQ(l2.rbx, 0xffff0ff0 | n);
		CHECK_EQ(l2.rdx & CR0_CD, cd);
		CHECK_EQ(cr2(), 0x2000 + n);
		CHECK_EQ(dr6(), 0xffff0ff0 | (n ^ 15));
	}
	write_cr0(read_cr0() & ~CR0_CD);
	__asm__ volatile("mov %0, %%dr6" : : "r"(0xffff0ff0ull));
}

/* L1 takes back what an exit has saved: L2 goes on without. */
static void nmi_unblocked(const void *arg)
{
	struct vl2 l2;
	u32 n;

	again_init(&l2);
	for (n = 0; n < 4 && !t_failed(); n++) {
		warm_up(&l2, va_count, n & 1 ? WARM : 0);
		vw(GUEST_RIP, (u64)va_count);
		vw(CTRL_ENTRY_INFO, EV_ON | EV_VNMI | 2);
		if (!vl2_expect_trap(&l2, 2, NULL))
			return;
		CHECK_EQ(vr(GUEST_INTERRUPTIBILITY), BLOCK_NMI);
		vl2_trap_return(&l2);
		if (n & 2)
			warm_up(&l2, va_count, 2);
		vw(GUEST_INTERRUPTIBILITY, 0);
		warm_up(&l2, va_count, 1);
		CHECK_EQ(vr(GUEST_INTERRUPTIBILITY), 0);
	}
}

/* The same with pending debug exceptions, which MOV SS held back until the exit. */
static void pending_dropped(const void *arg)
{
	struct vl2 l2;
	u32 n;

	again_init(&l2);
	vw(CTRL_EXCEPTIONS, 1u << V_DB);
	for (n = 0; n < 4 && !t_failed(); n++) {
		warm_up(&l2, va_count, n & 1 ? WARM : 0);
		vw(GUEST_INTERRUPTIBILITY, BLOCK_MOV_SS);
		vw(GUEST_PENDING_DBG, BIT(12) | BIT(1));
		CHECK_EQ(again(&l2, vd_exit), R_VMCALL);
		CHECK_EQ(vr(GUEST_INTERRUPTIBILITY), BLOCK_MOV_SS);
		CHECK_EQ(vr(GUEST_PENDING_DBG), BIT(12) | BIT(1));
		vw(GUEST_INTERRUPTIBILITY, 0);
		vw(GUEST_PENDING_DBG, 0);
		CHECK_EQ(again(&l2, va_count), R_VMCALL);
		CHECK_EQ(vr(GUEST_PENDING_DBG), 0);
	}
}

/* L1 that NMIs are blocked in enters L2, where they are not: nor are they after the exit. */
static void nmi_host(const void *arg)
{
	struct vl2 l2;
	u32 n;

	again_init(&l2);
	for (n = 0; n < 4 && !t_failed(); n++) {
		warm_up(&l2, va_count, n & 1 ? WARM : 0);
		this_cpu()->nmis = 0;
		l2.rbx = 0xfee00000;
		l2.rax = this_cpu()->apic_id << 24;
		CHECK_EQ(again(&l2, vd_send_nmi), R_EXCEPTION);
		CHECK_EQ(this_cpu()->nmis, 0);
		warm_up(&l2, va_count, 1);
		apic_self_nmi();
		delay_us(200);
		CHECK_EQ(this_cpu()->nmis, 1);
		nmi_unblock();
	}
}

/* An interrupt ends a halted L2 before it ran; L1 has it run on. */
static void woken(const void *arg)
{
	struct vl2 l2;
	u32 n;

	again_init(&l2);
	for (n = 0; n < 4 && !t_failed(); n++) {
		warm_up(&l2, va_count, n & 1 ? WARM : 0);
		vw(GUEST_ACTIVITY, ACT_HLT);
		apic_self(0x50);
		CHECK_EQ(again(&l2, va_count), R_EXT_INT);
		CHECK_EQ(vr(GUEST_ACTIVITY), ACT_HLT);
		vw(GUEST_ACTIVITY, ACT_ACTIVE);
		warm_up(&l2, va_count, 2);
		CHECK_EQ(vr(GUEST_ACTIVITY), ACT_ACTIVE);
	}
}

/* Only 64-bit code is above 4G, and L2 itself has gone to other code since L1 last saw CS. */
static void high_rip(const void *arg)
{
	struct vl2 l2;
	u32 n;

	again_init(&l2);
	for (n = 0; n < 4 && !t_failed(); n++) {
		vl2_seg(S_CS, SEL_CS, 0xa09b, ~0u, 0);
		warm_up(&l2, va_count, n);
		l2.rcx = SEL_CS32;
		/* In compatibility mode it counts in another register. */
		l2.rbx = (u64)va_count;
		CHECK_EQ(again(&l2, vd_far), R_VMCALL);
		warm_up(&l2, va_count, n);
		vw(GUEST_RIP, (u64)va_count | BIT(32));
		vl2_expect(&l2, R_GUEST_STATE | R_ENTRY_FAILED);
		warm_up(&l2, va_count, 1);
		CHECK_EQ(vr(GUEST_CS_SEL), SEL_CS32);
	}
}

/* MSR lists are read and written each time. */
static void lists(const void *arg)
{
	struct msr_entry *in = alloc_page(), *store = alloc_page(), *load = alloc_page();
	struct vl2 l2;
	u64 n;

	again_init(&l2);
	l2.rcx = MSR_KGS_BASE;
	*in = *store = *load = (struct msr_entry){ .msr = MSR_KGS_BASE };
	vw(CTRL_ENTRY_MSR_LOAD, (u64)in);
	vw(CTRL_EXIT_MSR_STORE, (u64)store);
	vw(CTRL_EXIT_MSR_LOAD, (u64)load);
	for (n = 0; n < 24 && !t_failed(); n++) {
		u64 l1 = 0x3000 + n;

		/* One of them alone, each for a while. */
		vw(CTRL_ENTRY_LOAD_COUNT, n / 8 == 0);
		vw(CTRL_EXIT_STORE_COUNT, n / 8 == 1);
		vw(CTRL_EXIT_LOAD_COUNT, n / 8 == 2);
		wrmsr(MSR_KGS_BASE, l1);
		in->v = 0x1000 + n;
		load->v = 0x4000 + n;
		CHECK_EQ(again(&l2, vd_rdmsr), R_VMCALL);
		CHECK_EQ(l2.rax, n / 8 ? l1 : in->v);
		if (n / 8 == 1)
			CHECK_EQ(store->v, l1);
		CHECK_EQ(rdmsr(MSR_KGS_BASE), n / 8 == 0 ? in->v : n / 8 == 1 ? l1 : load->v);
	}
	wrmsr(MSR_KGS_BASE, 0);
}

/* A list that writes to a register that host state has set: what host state says of the others stays. */
static void list_behind_host(const void *arg)
{
	static const u32 fields[] = { HOST_FS_BASE, HOST_GS_BASE };
	struct msr_entry *load = alloc_page();
	u64 was[2], own = rdmsr(MSR_SYSENTER_CS), n;
	struct vl2 l2;
	u32 i;

	again_init(&l2);
	*load = (struct msr_entry){ .msr = MSR_SYSENTER_CS };
	vw(CTRL_EXIT_MSR_LOAD, (u64)load);
	for (i = 0; i < 2; i++)
		was[i] = vr(fields[i]);
	for (n = 0; n < 8 && !t_failed(); n++) {
		vw(CTRL_EXIT_LOAD_COUNT, 0);
		warm_up(&l2, va_count, n & 1 ? WARM : 1);
		vw(CTRL_EXIT_LOAD_COUNT, 1);
		load->v = 0x20 + n;
		/* Host state is the same as ever; L1 itself has other bases meanwhile. */
		for (i = 0; i < 2; i++)
			wrmsr(MSR_FS_BASE + i, was[i] ^ 0x1000);
		warm_up(&l2, va_count, 1);
		CHECK_EQ(rdmsr(MSR_SYSENTER_CS), load->v);
		for (i = 0; i < 2; i++)
			CHECK_EQ(rdmsr(MSR_FS_BASE + i), was[i]);
	}
	wrmsr(MSR_SYSENTER_CS, own);
}

/* EFER that no control loads is L1's. */
static void efer_shared(const void *arg)
{
	u64 efer = rdmsr(MSR_EFER);
	struct vl2 l2;
	u32 n;

	again_init(&l2);
	l2.rcx = MSR_EFER;
	ctl_clear(CTRL_ENTRY, ENTRY_LOAD_EFER);
	ctl_clear(CTRL_EXIT, EXIT_LOAD_EFER | EXIT_SAVE_EFER);
	for (n = 0; n < 6; n++) {
		wrmsr(MSR_EFER, efer ^ (n >> 1 & 1));
		CHECK_EQ(again(&l2, vd_rdmsr), R_VMCALL);
		CHECK_EQ(l2.rax & 1, (efer ^ (n >> 1)) & 1);
	}
	wrmsr(MSR_EFER, efer);
}

/* What an entry loads and no exit saves is the field's again each time; L2 wrote to it. */
static void pat_loaded(const void *arg)
{
	struct vl2 l2;
	u64 pat;
	u32 n;

	again_init(&l2);
	pat = vr(GUEST_PAT);
	for (n = 0; n < 6; n++) {
		warm_up(&l2, va_count, n & 1 ? WARM : 0);
		l2.rcx = MSR_PAT;
		CHECK_EQ(again(&l2, vd_rdmsr), R_VMCALL);
		CHECK_EQ((u32)l2.rax | l2.rdx << 32, pat);
		CHECK_EQ(again(&l2, vd_spoil_pat), R_VMCALL);
		CHECK_EQ(vr(GUEST_PAT), pat);
	}
}

/* A control of the exit that L1 changes in between: is what L2 wrote to DR7 saved? */
static void exit_control(const void *arg)
{
	struct vl2 l2;
	u32 n;

	again_init(&l2);
	for (n = 0; n < 6; n++) {
		u64 dr7 = 0x400 | (n + 1) << 8;

		vw(GUEST_DR7, dr7);
		warm_up(&l2, va_count, WARM);
		if (n & 1)
			ctl_clear(CTRL_EXIT, EXIT_SAVE_DEBUG);
		else
			ctl_set(CTRL_EXIT, EXIT_SAVE_DEBUG);
		l2.rbx = dr7 ^ 0x300;
		CHECK_EQ(again(&l2, vd_dr7), R_VMCALL);
		CHECK_EQ(vr(GUEST_DR7), n & 1 ? dr7 : dr7 ^ 0x300);
	}
}

/* The region that the link pointer names is looked at each time. */
static void linked(const void *arg)
{
	u64 pa = vmcs_new();
	struct vl2 l2;
	u32 n;

	again_init(&l2);
	vw(GUEST_LINK, pa);
	for (n = 0; n < 4 && !t_failed(); n++) {
		warm_up(&l2, va_count, n);
		*(u32 *)pa ^= 1;
		vw(GUEST_RIP, (u64)va_count);
		vl2_expect(&l2, R_GUEST_STATE | R_ENTRY_FAILED);
		*(u32 *)pa ^= 1;
		warm_up(&l2, va_count, 1);
	}
}

/* Without a VPID each entry forgets what is cached. */
static void no_vpid(const void *arg)
{
	u64 *top = alloc_page(), *t[3], *page[2], n;
	struct vl2 l2;
	int i;

	again_init(&l2);
	ctl_clear(CTRL_PROC2, PROC2_VPID);
	memcpy(top, boot_pml4, PAGE_SIZE);
	for (i = 0; i < 3; i++)
		t[i] = alloc_page();
	top[1] = (u64)t[0] | 3;
	t[0][0] = (u64)t[1] | 3;
	t[1][0] = (u64)t[2] | 3;
	for (i = 0; i < 2; i++) {
		page[i] = alloc_page();
		*page[i] = i + 1;
	}
	vw(GUEST_CR3, (u64)top);
	l2.rbx = BIT(39);
	for (n = 0; n < 6; n++) {
		t[2][0] = (u64)page[n & 1] | 3;
		CHECK_EQ(again(&l2, vd_load), R_VMCALL);
		CHECK_EQ(l2.rax, 1 + (n & 1));
	}
}

/* The virtual-APIC page is the task priority each time. */
static void tpr(const void *arg)
{
	u8 *page = alloc_page();
	struct vl2 l2;
	u64 n;

	again_init(&l2);
	ctl_clear(CTRL_PROC, PROC_CR8_LOAD | PROC_CR8_STORE);
	ctl_set(CTRL_PROC, PROC_TPR_SHADOW);
	vw(CTRL_VIRTUAL_APIC, (u64)page);
	vw(CTRL_TPR_THRESHOLD, 0);
	for (n = 0; n < 8; n++) {
		page[0x80] = n << 4;
		l2.rbx = 15 - n;
		CHECK_EQ(again(&l2, vd_cr8), R_VMCALL);
		CHECK_EQ(l2.rax, n);
		CHECK_EQ(page[0x80], (15 - n) << 4);
	}
}

/* A control that ends L2 by itself, set for some entries and cleared for others. */
static void ends(const void *arg)
{
	const bool timer = arg;
	struct vl2 l2;
	u32 n, k;

	again_init(&l2);
	for (n = 0; n < 3 && !t_failed(); n++) {
		warm_up(&l2, va_count, WARM);
		if (timer)
			ctl_set(CTRL_PIN, PIN_TIMER);
		else
			ctl_set(CTRL_PROC, PROC_MTF);
		for (k = 0; k < 4; k++) {
			if (timer) {
				vw(GUEST_TIMER, ~0u);
				warm_up(&l2, va_count, 1);
				vw(GUEST_TIMER, 0);
			}
			CHECK_EQ(again(&l2, va_count), timer ? R_TIMER : R_MTF);
			CHECK_EQ(vr(GUEST_RIP) - (u64)va_count, timer ? 0 : 3);
		}
		ctl_clear(timer ? CTRL_PIN : CTRL_PROC, timer ? PIN_TIMER : PROC_MTF);
	}
	warm_up(&l2, va_count, 1);
}

/* L1's event is injected once; L2's own of the same kind afterwards are L2's. */
static void own_int(const void *arg)
{
	struct l2_frame fr;
	struct vl2 l2;
	u32 n;

	again_init(&l2);
	for (n = 0; n < 6 && !t_failed(); n++) {
		const bool injected = n & 1;

		warm_up(&l2, va_count, n);
		vw(GUEST_RIP, (u64)vd_int);
		if (injected) {
			vw(CTRL_ENTRY_INFO, EV_ON | EV_SW_INTR | 0x90);
			vw(CTRL_ENTRY_LEN, 2);
		}
		if (!vl2_expect_trap(&l2, 0x90, &fr))
			return;
		CHECK_EQ(fr.rip, (u64)vd_int + 2);
		vl2_trap_return(&l2);
		CHECK(vl2_expect(&l2, R_VMCALL));
		CHECK_EQ(vr(GUEST_RIP), (u64)vd_int + 2);
	}
}

static void twice(struct vl2 *l2, u32 field, u64 bits, u64 (*seen)(const struct vl2 *l2))
{
	u64 was = vr(field);
	u32 n;

	for (n = 0; n < 4 && !t_failed(); n++) {
		/* A field that is not written for long may no longer be expected to be. */
		warm_up(l2, vd_cr4, n & 1 ? 2 : 2 * LONG);
		vw(field, was ^ bits);
		vw(field, n < 2 ? was : was ^ bits);
		warm_up(l2, vd_cr4, 1);
		CHECK_EQ(seen(l2), n < 2 ? was : was ^ bits);
		CHECK_EQ(vr(field), n < 2 ? was : was ^ bits);
		vw(field, was);
		warm_up(l2, vd_cr4, 1);
		CHECK_EQ(seen(l2), was);
	}
}

static u64 seen_rax(const struct vl2 *l2)
{
	return l2->rax;
}

static u64 seen_fs(const struct vl2 *l2)
{
	return rdmsr(MSR_FS_BASE);
}

/* A field is written and written back before the next entry. */
static void written_back(const void *arg)
{
	struct vl2 l2;

	again_init(&l2);
	twice(&l2, GUEST_CR4, BIT(2), seen_rax);
	twice(&l2, HOST_FS_BASE, 0x1000, seen_fs);
}

static const struct l1_test tests[] = {
	{ "shared", 0, shared, NULL },
	{ "nmi_unblocked", 0, nmi_unblocked, NULL },
	{ "pending_dropped", 0, pending_dropped, NULL },
	{ "nmi_host", VF_NMI | VF_VNMI, nmi_host, NULL },
	{ "woken", VF_HLT, woken, NULL },
	{ "high_rip", 0, high_rip, NULL },
	{ "lists", 0, lists, NULL },
	{ "list_behind_host", 0, list_behind_host, NULL },
	{ "efer_shared", VF_EFER, efer_shared, NULL },
	{ "pat_loaded", VF_PAT, pat_loaded, NULL },
	{ "exit_control", VF_TRUE, exit_control, NULL },
	{ "linked", 0, linked, NULL },
	{ "no_vpid", VF_VPID | VF_EPT, no_vpid, NULL },
	{ "tpr", VF_TPR, tpr, NULL },
	{ "mtf", VF_MTF, ends, NULL },
	{ "timer", VF_TIMER, ends, (void *)1 },
	{ "own_int", 0, own_int, NULL },
	{ "written_back", 0, written_back, NULL },
};

const struct test_group group_vmx_again_duty = { "vmx_again_duty", tests, ARRAY_SIZE(tests), false };
