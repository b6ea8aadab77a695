// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1 outside IA-32e mode, with PAE paging: an exit to a 32-bit host, whose PDPTEs are loaded from memory
 * (SDM volume 3, "Checking and Loading Host Page-Directory-Pointer-Table Entries"), and the checks of an
 * entry that are about the address-space size of such a host ("Checks Related to Address-Space Size").
 */
#include "vmx/pae.h"

extern u64 boot_pml4[];

VL2_ASM(pa_nop, "nop");

u64 *pae_pdpt(void)
{
	u64 *pd = (u64 *)(((u64 *)(boot_pml4[0] & PT_ADDR))[0] & PT_ADDR), *pdpt = alloc_page();
	u32 i;

	for (i = 0; i < 4; i++)
		pdpt[i] = (u64)(pd + i * 512) | PT_P;
	return pdpt;
}

void pae_init(struct vl2 *l2, struct pae *p, u64 *host_pdpt)
{
	vl2_init_at(l2, pa_nop);
	ctl_clear(CTRL_ENTRY, ENTRY_IA32E);
	ctl_clear(CTRL_EXIT, EXIT_HOST_64);
	vl2_seg(S_CS, SEL_CS32, 0xc09b, ~0u, 0);
	vw(GUEST_CR0, (caps.cr0_fixed0 & ~CR0_PG) | CR0_ET);
	vw(GUEST_CR3, 0);
	if (cpu_features & VF_EFER) {
		vw(GUEST_EFER, 0);
		vw(HOST_EFER, rdmsr(MSR_EFER) & ~(u64)(EFER_LME | EFER_LMA));
	}
	vw(HOST_CR3, (u64)host_pdpt);
	vw(HOST_CS_SEL, SEL_CS32);
	vw(HOST_RIP, (u64)pae_host);
	vw(HOST_RSP, (u64)l2->stack + PAGE_SIZE);
	*p = (struct pae){ .vmxon = (u64)this_cpu()->vmxon, .vmcs = l2->vmcs, .cr3 = (u64)pae_pdpt() };
	p->probe = (u32)(u64)p;
}

void pae_go(struct vl2 *l2, struct pae *p)
{
	CHECK_EQ(vmclear(&l2->vmcs), VM_OK);
	vmx_off();
	pae_run(p);
	CHECK(vmx_on());
	CHECK_EQ(vmptrld(&l2->vmcs), VM_OK);
}

/* The exit loads CR3 and the PDPTEs behind it: the third maps the first GiB once more. */
static void host_exit(const void *arg)
{
	static u32 word __aligned(8);
	u64 *pdpt = pae_pdpt();
	struct vl2 l2;
	struct pae p;

	word = 0x50415045;
	pdpt[2] = pdpt[0];
	pae_init(&l2, &p, pdpt);
	p.probe = (u32)(u64)&word | BIT(31);
	pae_go(&l2, &p);
	CHECK_EQ(p.outcome, PAE_EXIT);
	CHECK_EQ(p.error, 0);
	if (t_failed())
		return;
	CHECK_EQ(vr(EXIT_REASON), R_VMCALL);
	CHECK_EQ(vr(GUEST_RIP), pa_nop_end);
	CHECK_EQ(p.seen_cr3, (u64)pdpt);
	CHECK_EQ(p.seen, word);
	CHECK_EQ(p.seen_efer & (EFER_LME | EFER_LMA), 0);
}

static const struct size_check {
	const char *what;
	u32 field;
	u64 set;
	u64 clear;
} size_checks[] = {
	{ "a 64-bit host", CTRL_EXIT, EXIT_HOST_64, 0 },
	{ "an IA-32e mode guest", CTRL_ENTRY, ENTRY_IA32E, 0 },
	{ "both", CTRL_EXIT, EXIT_HOST_64, 0 },
	{ "RIP above 4 GiB", HOST_RIP, BIT(32), 0 },
	{ "a null SS", HOST_SS_SEL, 0, ~0ull },
};

/* L1 is not in IA-32e mode: neither its exits nor its guests may be. */
static void address_size(const void *arg)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(size_checks); i++) {
		const struct size_check *c = &size_checks[i];
		struct vl2 l2;
		struct pae p;

		pae_init(&l2, &p, pae_pdpt());
		vw(c->field, (vr(c->field) & ~c->clear) | c->set);
		if (i == 2)
			ctl_set(CTRL_ENTRY, ENTRY_IA32E);
		pae_go(&l2, &p);
		if (p.outcome != PAE_NO_ENTRY || p.error != E_HOST_STATE)
			FAIL("%s: outcome %u, error %u", c->what, p.outcome, p.error);
		vmcs_forget_all();
	}
}

static const struct l1_test tests[] = {
	{ "host_exit", VF_UG, host_exit, NULL },
	{ "address_size", VF_UG, address_size, NULL },
};

const struct test_group group_vmx_pae = { "vmx_pae", tests, ARRAY_SIZE(tests), false };
