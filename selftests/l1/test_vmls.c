// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMLOAD and VMSAVE executed by L2 and not intercepted. Their operand is then an
 * address of L1 (system-physical), with virtual VMLOAD/VMSAVE one of L2; what
 * lies behind any other meaning of the number must stay untouched, and so must
 * the registers of L1.
 */
#include "l1.h"

L2_ASM(ls_load, "vmload %rax; mov $0xc0000102, %ecx; rdmsr");
L2_ASM(ls_save, "vmsave %rax");

struct pages {
	struct vmcb *x, *y;	/* L1's page of that number; where L2's NPT leads it */
	u8 *canary;
};

static void setup(struct l2 *l2, struct pages *p, const char *code)
{
	u64 *npt = pt_new_identity();
	u8 *block = alloc_pages(5);

	/* canary, x, canary, y, canary */
	memset(block, 0x5a, 5 * PAGE_SIZE);
	p->canary = block;
	p->x = (void *)(block + PAGE_SIZE);
	p->y = (void *)(block + 3 * PAGE_SIZE);
	*pt_split(npt, (u64)p->x, L_4K) = (u64)p->y | PT_P | PT_W | PT_U;
	l2_init_at(l2, code);
	l2->vmcb->c.n_cr3 = (u64)npt;
	l2->vmcb->s.rax = (u64)p->x;
	l2->vmcb->s.kernel_gs_base = 0x111000;
	l2->vmcb->s.lstar = 0x222000;
}

static bool clean(const u8 *p, u32 n)
{
	for (; n; n--)
		if (*p++ != 0x5a)
			return false;
	return true;
}

static void canaries(const struct pages *p)
{
	CHECK(clean(p->canary, PAGE_SIZE));
	CHECK(clean(p->canary + 2 * PAGE_SIZE, PAGE_SIZE));
	CHECK(clean(p->canary + 4 * PAGE_SIZE, PAGE_SIZE));
}

static void save(const void *arg)
{
	const bool virt = arg;
	struct vmcb *used, *spared;
	struct pages p;
	struct l2 l2;

	setup(&l2, &p, ls_save);
	if (virt)
		l2.vmcb->c.lbr_ctl |= VLS_ENABLE;
	if (!l2_expect_done(&l2))
		return;
	used = virt ? p.y : p.x;
	spared = virt ? p.x : p.y;
	CHECK_EQ(used->s.kernel_gs_base, 0x111000);
	CHECK_EQ(used->s.lstar, 0x222000);
	CHECK_EQ(used->s.tr.sel, SEL_TSS);
	/* Its own fields only. */
	CHECK(clean((u8 *)used, 0x440));
	CHECK(clean((u8 *)used + 0x640, PAGE_SIZE - 0x640));
	CHECK(clean((u8 *)spared, PAGE_SIZE));
	canaries(&p);
}

static void load(const void *arg)
{
	const bool virt = arg;
	u64 kgs = rdmsr(MSR_KGS_BASE), lstar = rdmsr(MSR_LSTAR);
	struct pages p;
	struct l2 l2;

	setup(&l2, &p, ls_load);
	if (virt)
		l2.vmcb->c.lbr_ctl |= VLS_ENABLE;
	vmsave_pa((u64)p.x);
	*p.y = *p.x;
	p.x->s.kernel_gs_base = 0x333000;
	p.y->s.kernel_gs_base = 0x444000;
	if (!l2_expect_done(&l2))
		return;
	CHECK_EQ((u32)l2.vmcb->s.rax, virt ? 0x444000 : 0x333000);
	CHECK_EQ(l2.vmcb->s.kernel_gs_base, virt ? 0x444000 : 0x333000);
	/* L1's registers came back from its own VMLOAD alone. */
	CHECK_EQ(rdmsr(MSR_KGS_BASE), kgs);
	CHECK_EQ(rdmsr(MSR_LSTAR), lstar);
}

static void bad_operand(const void *arg)
{
	const char *code = arg;
	u64 mark = mem_mark();
	struct l2_frame fr;
	struct pages p;
	struct l2 l2;
	u32 bit;

	for (bit = 0; bit < 64; bit++) {
		if (bit >= 12 && bit < maxphys)
			continue;
		setup(&l2, &p, code);
		l2.vmcb->s.rax |= BIT(bit);
		if (l2_expect_trap(&l2, V_GP, &fr))
			CHECK_EQ(fr.rip, code);
		CHECK(clean((u8 *)p.x, PAGE_SIZE));
		CHECK(clean((u8 *)p.y, PAGE_SIZE));
		canaries(&p);
		mem_reset(mark);
	}
}

/* No RAM behind the number: done, #GP or a nested fault, and L1 lives. */
static void no_ram(const void *arg)
{
	const char *code = arg;
	u64 mark = mem_mark();
	struct pages p;
	struct l2 l2;
	u32 bit;

	for (bit = 31; bit < maxphys; bit++) {
		if (BIT(bit) < mem_top)
			continue;
		setup(&l2, &p, code);
		l2.vmcb->s.rax = BIT(bit) + 0x60000000;
		l2_run(&l2);
		if (l2.vmcb->c.exitcode != X_VMMCALL && l2.vmcb->c.exitcode != X_NPF)
			FAIL("address %llx: exit %llx", BIT(bit) + 0x60000000,
			     l2.vmcb->c.exitcode);
		CHECK(clean((u8 *)p.x, PAGE_SIZE));
		CHECK(clean((u8 *)p.y, PAGE_SIZE));
		canaries(&p);
		mem_reset(mark);
	}
}

/* Onto the very VMCB that is running. */
static void own_vmcb(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, ls_save);
	l2.vmcb->s.rax = (u64)l2.vmcb;
	l2.vmcb->s.kernel_gs_base = 0x111000;
	if (l2_expect_done(&l2))
		CHECK_EQ(l2.vmcb->s.kernel_gs_base, 0x111000);
	l2.vmcb->s.rip = (u64)ls_load;
	l2.vmcb->s.rax = (u64)l2.vmcb;
	l2_expect_done(&l2);
}

/* Virtual VMLOAD/VMSAVE of a page that the nested tables lack. */
static void virtual_npf(const void *arg)
{
	struct pages p;
	struct l2 l2;

	setup(&l2, &p, ls_save);
	l2.vmcb->c.lbr_ctl |= VLS_ENABLE;
	*pt_entry((u64 *)l2.vmcb->c.n_cr3, (u64)p.x, L_4K) = 0;
	if (l2_expect(&l2, X_NPF))
		CHECK_EQ(l2.vmcb->c.exitinfo2 & ~0xfffull, p.x);
	CHECK(clean((u8 *)p.x, PAGE_SIZE));
}

/* The bit where the feature is not offered: as if it were not there. */
static void virtual_not_offered(const void *arg)
{
	struct pages p;
	struct l2 l2;

	if (cpu_features & F_VLS) {
		t_skip("the CPU offers virtual VMLOAD/VMSAVE");
		return;
	}

	setup(&l2, &p, ls_save);
	l2.vmcb->c.lbr_ctl |= VLS_ENABLE;
	l2_run(&l2);
	CHECK(clean((u8 *)p.y, PAGE_SIZE));
	canaries(&p);
}

static const struct l1_test tests[] = {
	{ "vmsave", F_NPT, save, (void *)0 },
	{ "vmload", F_NPT, load, (void *)0 },
	{ "vmsave_bad_operand", F_NPT, bad_operand, ls_save },
	{ "vmload_bad_operand", F_NPT, bad_operand, ls_load },
	{ "vmsave_no_ram", F_NPT, no_ram, ls_save },
	{ "vmload_no_ram", F_NPT, no_ram, ls_load },
	{ "own_vmcb", 0, own_vmcb, NULL },
	{ "virtual_vmsave", F_NPT | F_VLS, save, (void *)1 },
	{ "virtual_vmload", F_NPT | F_VLS, load, (void *)1 },
	{ "virtual_npf", F_NPT | F_VLS, virtual_npf, NULL },
	{ "virtual_not_offered", F_NPT, virtual_not_offered, NULL },
};

const struct test_group group_vmls = { "vmls", tests, ARRAY_SIZE(tests), false };
