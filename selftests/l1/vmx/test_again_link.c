// SPDX-License-Identifier: GPL-2.0-only
/*
 * The same L2 entered again and again (see test_again.c) with not one exit of L1's in between but VMRESUME, and VMREAD
 * and VMWRITE where the test is about them: a hypervisor that knows that nobody else has run since the last exit may
 * leave out more.  vl2_run() reads an MSR at each entry, so that it is not used here, and L2 exits by CPUID, for which
 * nobody has to look at more than the exit.
 */
#include "vmx/again.h"

extern u64 boot_pml4[];

#define UP	BIT(39)		/* where the first 512 GiB are mapped once more */

VL2_ASM(vk_count, "inc %r8; cpuid");
VL2_ASM(vk_regs, "mov %cr0, %rax; mov %cr3, %rbx; mov %cr4, %rcx; pushfq; pop %rdx; mov %rsp, %rsi; cpuid");
VL2_ASM(vk_own, "mov %cr0, %rax; xor $2, %rax; mov %rax, %cr0; mov %cr3, %rax; xor $8, %rax; mov %rax, %cr3\n"
	"mov %cr4, %rax; xor $4, %rax; mov %rax, %cr4; pushfq; xorl $0x200000, (%rsp); popfq; push %rax; cpuid");
VL2_ASM(vk_cr3, "mov %cr3, %rax; xor $8, %rax; mov %rax, %cr3; cpuid");
VL2_ASM(vk_pat, "mov $0x277, %ecx; rdmsr; mov %rax, %rbx; xor $6, %eax; wrmsr; cpuid");
VL2_ASM(vk_efer, "mov $0xc0000080, %ecx; rdmsr; cpuid");
VL2_ASM(vk_far, "push %rcx; push %rbx; lretq");
VL2_ASM(vk_invlpg, "invlpg (%rdi); vmcall");

/* Run @code until the next exit: its reason, R_NONE without one */
static u64 run(struct vl2 *l2, u64 code)
{
	vw(GUEST_RIP, code);
	vmx_run_asm(l2);
	return l2->flags ? R_NONE : vr(EXIT_REASON);
}

/* @field can be written without an exit, if it ever can, and nothing but L1 and L2 has run for a while. */
static void link(struct vl2 *l2, u32 field)
{
	u32 n;

	vw(field, vr(field));
	for (n = 0; n < WARM && !t_failed(); n++)
		CHECK_EQ(run(l2, (u64)vk_count), R_CPUID);
}

static void start(struct vl2 *l2)
{
	again_init(l2);
	vw(GUEST_RIP, (u64)vk_count);
	vl2_run(l2);
	CHECK_EQ(l2->reason, R_CPUID);
}

static const struct {
	u32 field, reg;		/* reg: in struct vl2 */
	u64 bits;
} taken[] = {
	{ GUEST_CR0, offsetof(struct vl2, rax), 2 }, { GUEST_CR3, offsetof(struct vl2, rbx), 8 },
	{ GUEST_CR4, offsetof(struct vl2, rcx), 4 }, { GUEST_RFLAGS, offsetof(struct vl2, rdx), BIT(21) },
	{ GUEST_RSP, offsetof(struct vl2, rsi), 0x40 },
};

/* L1 writes a register of L2's, or does not: L2 has it, and it is saved. */
static void written(const void *arg)
{
	struct vl2 l2;
	u64 was, want;
	u32 i, n;

	start(&l2);
	for (i = 0; i < ARRAY_SIZE(taken); i++) {
		link(&l2, taken[i].field);
		was = vr(taken[i].field);
		for (n = 0; n < 8 && !t_failed(); n++) {
			want = was ^ (n & 2 ? taken[i].bits : 0);
			if (!(n & 1))
				vw(taken[i].field, want);
			CHECK_EQ(run(&l2, (u64)vk_regs), R_CPUID);
			CHECK_EQ(*(u64 *)((u8 *)&l2 + taken[i].reg), want);
			CHECK_EQ(vr(taken[i].field), want);
		}
		vw(taken[i].field, was);
	}
}

/* L2 changes them itself. */
static void own(const void *arg)
{
	static const u32 fields[] = { GUEST_CR0, GUEST_CR3, GUEST_CR4, GUEST_RFLAGS, GUEST_RSP };
	static const u64 bits[] = { 2, 8, 4, BIT(21), 0 };
	u64 was[ARRAY_SIZE(fields)];
	struct vl2 l2;
	u32 i, n;

	start(&l2);
	link(&l2, GUEST_RIP);
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		was[i] = vr(fields[i]);
	for (n = 1; n < 9 && !t_failed(); n++) {
		CHECK_EQ(run(&l2, (u64)vk_own), R_CPUID);
		for (i = 0; i < 3; i++)
			CHECK_EQ(vr(fields[i]), was[i] ^ (n & 1 ? bits[i] : 0));
		CHECK_EQ(vr(GUEST_RFLAGS) & bits[3], (was[3] & bits[3]) ^ (n & 1 ? bits[3] : 0));
		CHECK_EQ(vr(GUEST_RSP), was[4] - 8 * n);
		if (n & 4)
			CHECK_EQ(run(&l2, (u64)vk_count), R_CPUID);
		if (n != 6)
			continue;
		/* L1 takes back what L2 did. */
		vw(GUEST_CR4, was[2] ^ bits[2]);
		CHECK_EQ(run(&l2, (u64)vk_regs), R_CPUID);
		CHECK_EQ(l2.rcx, was[2] ^ bits[2]);
		vw(GUEST_CR4, was[2]);
	}
}

/* The one of them that no hypervisor has to see written, if it has EPT. */
static void own_cr3(const void *arg)
{
	struct vl2 l2;
	u64 was;
	u32 n;

	start(&l2);
	link(&l2, GUEST_CR3);
	was = vr(GUEST_CR3);
	for (n = 1; n < 9 && !t_failed(); n++) {
		CHECK_EQ(run(&l2, (u64)vk_cr3), R_CPUID);
		CHECK_EQ(vr(GUEST_CR3), was ^ (n & 1 ? 8 : 0));
		if (n & 2)
			CHECK_EQ(run(&l2, (u64)vk_regs), R_CPUID);
		if (n & 2)
			CHECK_EQ(l2.rbx, was ^ (n & 1 ? 8 : 0));
	}
}

static const struct {
	u32 field;
	u64 clear, set;
} refused[] = {
	{ GUEST_RFLAGS, 2, 0 }, { GUEST_RFLAGS, 0, BIT(40) }, { GUEST_RFLAGS, 0, BIT(3) }, { GUEST_RFLAGS, 0, BIT(17) },
	{ GUEST_RFLAGS, 0, BIT(63) }, { GUEST_RIP, 0, BIT(62) }, { GUEST_CR3, 0, BIT(62) },
	{ GUEST_CR0, BIT(0), 0 }, { GUEST_CR4, 0, BIT(40) }, { GUEST_INTERRUPTIBILITY, 0, 3 }, { GUEST_ACTIVITY, 0, 7 },
	{ GUEST_PENDING_DBG, 0, BIT(20) }, { CTRL_ENTRY_INFO, 0, EV_ON | EV_VNMI | 3 }, { HOST_CR3, 0, BIT(62) },
};

/* With an error, before there is an entry that fails. */
static bool is_early(u32 field)
{
	return field == CTRL_ENTRY_INFO || field == HOST_CR3;
}

/* Refused each time, and taken when it is put right. @arg: L2 is above 4G */
static void checked(const void *arg)
{
	u64 *top = alloc_page(), was, code = (u64)vk_count | (u64)arg;
	struct vl2 l2;
	u32 i, n;

	start(&l2);
	memcpy(top, boot_pml4, PAGE_SIZE);
	top[1] = top[0];
	vw(GUEST_CR3, (u64)top);
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		if (refused[i].field == GUEST_RIP && t_departs("rip"))
			continue;
		link(&l2, refused[i].field);
		for (n = 0; n < 3 && !t_failed(); n++) {
			CHECK_EQ(run(&l2, code), R_CPUID);
			CHECK_EQ(vr(GUEST_RIP), code + 3);
			vw(GUEST_RIP, code);
			was = vr(refused[i].field);
			vw(refused[i].field, (was & ~refused[i].clear) | refused[i].set);
			vmx_run_asm(&l2);
			if (!l2.flags == is_early(refused[i].field))
				FAIL("%s: flags %llx", field_name(refused[i].field), l2.flags);
			else if (!l2.flags && vr(EXIT_REASON) != (R_GUEST_STATE | R_ENTRY_FAILED))
				FAIL("%s: exit %llx", field_name(refused[i].field), vr(EXIT_REASON));
			vw(refused[i].field, was);
			CHECK_EQ(run(&l2, code), R_CPUID);
			CHECK_EQ(run(&l2, code), R_CPUID);
		}
	}
}

/* Only 64-bit code is above 4G, and L2 has gone to other code; then L1 moves it up and down. */
static void high_rip(const void *arg)
{
	u64 *top = alloc_page();
	struct vl2 l2;
	u32 n;

	start(&l2);
	memcpy(top, boot_pml4, PAGE_SIZE);
	top[1] = top[0];
	vw(GUEST_CR3, (u64)top);
	link(&l2, GUEST_RIP);
	for (n = 0; n < 6 && !t_failed(); n++) {
		const u64 up = n & 1 ? UP : 0;

		CHECK_EQ(run(&l2, (u64)vk_count | up), R_CPUID);
		CHECK_EQ(vr(GUEST_RIP), ((u64)vk_count | up) + 3);
	}
	link(&l2, GUEST_RIP);
	l2.rcx = SEL_CS32;
	l2.rbx = (u64)vk_count;
	CHECK_EQ(run(&l2, (u64)vk_far), R_CPUID);
	CHECK_EQ(run(&l2, (u64)vk_count), R_CPUID);
	CHECK_EQ(run(&l2, (u64)vk_count | UP), R_GUEST_STATE | R_ENTRY_FAILED);
	CHECK_EQ(run(&l2, (u64)vk_count), R_CPUID);
}

/* Two VMCSs, a few entries each in turn. */
static void two(const void *arg)
{
	struct vl2 l2[2];
	u64 cr4[2];
	u32 i, k;

	for (k = 0; k < 2; k++) {
		start(&l2[k]);
		cr4[k] = vr(GUEST_CR4) ^ (k ? 4 : 0);
		vw(GUEST_CR4, cr4[k]);
		vw(GUEST_SYSENTER_ESP, 0x40000 + k * 0x1000);
	}
	for (i = 0; i < 18 && !t_failed(); i++) {
		k = i / 3 & 1;
		if (!(i % 3) && vmptrld(&l2[k].vmcs) != VM_OK)
			FAIL("VMPTRLD of VMCS %u failed", k);
		CHECK_EQ(run(&l2[k], (u64)vk_regs), R_CPUID);
		CHECK_EQ(l2[k].rcx, cr4[k]);
		CHECK_EQ(l2[k].rsi, vr(GUEST_RSP));
		if (i % 3 == 2)
			CHECK_EQ(vr(GUEST_SYSENTER_ESP), 0x40000 + k * 0x1000);
	}
}

/* What an entry loads and no exit saves is the field's again each time; L2 wrote to it, and L1 may have. */
static void loaded(const void *arg)
{
	struct vl2 l2;
	u64 pat, efer;
	u32 n;

	start(&l2);
	pat = vr(GUEST_PAT);
	efer = vr(GUEST_EFER);
	link(&l2, GUEST_RIP);
	for (n = 0; n < 6 && !t_failed(); n++) {
		CHECK_EQ(run(&l2, (u64)vk_pat), R_CPUID);
		CHECK_EQ(l2.rbx, (u32)pat);
	}
	link(&l2, GUEST_RIP);
	for (n = 0; n < 6 && !t_failed(); n++) {
		vw(GUEST_EFER, efer ^ (n >> 1 & 1));
		CHECK_EQ(run(&l2, (u64)vk_efer), R_CPUID);
		CHECK_EQ(l2.rax & 1, (efer ^ (n >> 1)) & 1);
	}
	vw(GUEST_EFER, efer);
}

/* L1 reads of each exit what it is, and of the next one no more than that. */
static void told(const void *arg)
{
	struct vl2 l2;
	u32 n;

	start(&l2);
	ctl_set(CTRL_PROC, PROC_INVLPG);
	link(&l2, GUEST_RIP);
	for (n = 0; n < 12 && !t_failed(); n++) {
		l2.rdi = 0x5000 + n;
		CHECK_EQ(run(&l2, (u64)vk_invlpg), R_INVLPG);
		CHECK_EQ(vr(EXIT_QUAL), 0x5000 + n);
		CHECK_EQ(vr(EXIT_LEN), vk_invlpg_end - vk_invlpg - 3);
		CHECK_EQ(vr(GUEST_RIP), (u64)vk_invlpg);
		if (n & 1)
			continue;
		CHECK_EQ(run(&l2, (u64)va_cpuid), R_CPUID);
		CHECK_EQ(vr(EXIT_QUAL), 0);
		CHECK_EQ(vr(EXIT_LEN), 2);
		CHECK_EQ(run(&l2, (u64)va_count), R_VMCALL);
		CHECK_EQ(vr(EXIT_LEN), 3);
	}
}

/* An event in between, and L1's own registers, which the exit loads. */
static void mixed(const void *arg)
{
	u64 cr3 = read_cr3(), cr4 = read_cr4();
	struct vl2 l2;
	u32 n;

	start(&l2);
	link(&l2, CTRL_ENTRY_INFO);
	for (n = 0; n < 6 && !t_failed(); n++) {
		CHECK_EQ(run(&l2, (u64)vk_count), R_CPUID);
		if (n & 1)
			write_cr3(cr3 ^ 8);
		else
			write_cr4(cr4 ^ 4);
		CHECK_EQ(run(&l2, (u64)vk_count), R_CPUID);
		CHECK_EQ(read_cr3(), cr3);
		CHECK_EQ(read_cr4(), cr4);
		vw(CTRL_ENTRY_INFO, EV_ON | EV_VNMI | 2);
		CHECK_EQ(run(&l2, (u64)vk_count), R_VMCALL);
		CHECK_EQ(vr(GUEST_RIP), (u64)l2_trap_vmmcall);
		CHECK_EQ(vr(GUEST_INTERRUPTIBILITY), BLOCK_NMI);
		vl2_trap_return(&l2);
		CHECK_EQ(run(&l2, (u64)vk_count), R_CPUID);
		CHECK_EQ(vr(GUEST_INTERRUPTIBILITY), BLOCK_NMI);
		vw(GUEST_INTERRUPTIBILITY, 0);
		CHECK_EQ(run(&l2, (u64)vk_count), R_CPUID);
		if (!t_departs("unblocked"))
			CHECK_EQ(vr(GUEST_INTERRUPTIBILITY), 0);
	}
}

static const struct l1_test tests[] = {
	{ "written", 0, written, NULL },
	{ "own", 0, own, NULL },
	{ "own_cr3", 0, own_cr3, NULL },
	{ "checked", 0, checked, NULL },
	{ "checked_above", 0, checked, (void *)UP },
	{ "high_rip", 0, high_rip, NULL },
	{ "two", 0, two, NULL },
	{ "told", 0, told, NULL },
	{ "mixed", 0, mixed, NULL },
	/* The last: for a while nothing is as short with an L2 that was seen writing PAT. */
	{ "loaded", VF_PAT | VF_EFER, loaded, NULL },
};

const struct test_group group_vmx_again_link = { "vmx_again_link", tests, ARRAY_SIZE(tests), false };
