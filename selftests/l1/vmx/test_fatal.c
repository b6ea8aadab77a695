// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMX aborts (SDM volume 3, "VMX Aborts"): a VM exit that cannot be finished shuts the processor down
 * and leaves its reason in the VMCS region.  The machine resets; the image that comes up again
 * finds what the one before it has left, and judges.  Only run by name, one at a time, by
 * run-l1.sh --goes-on.
 */
#include "vmx/pae.h"

#define ABORT_SAVE_MSRS	1
#define ABORT_PDPTES	2
#define ABORT_LOAD_MSRS	4
#define MAGIC		0x564d582061626f72ull

/* Above all that the image has at this point, and below the 64 MiB that every machine has */
#define LEFT ((volatile struct left *)0x3f00000)

struct left {
	u64 magic, vmcs;
	u32 want;
};

struct msr_entry { u32 msr, rsvd; u64 v; };

struct abort_case {
	u32 list, count, want;
	struct msr_entry bad;
};

VL2_ASM(fa_nop, "nop");

/* Whether the image before this one came to the abort; then it is judged. */
static bool left_behind(u32 want)
{
	if (LEFT->magic != MAGIC) {
		/* What the next image allocates until it gets here has to miss it. */
		alloc_pages(256);
		return false;
	}
	LEFT->magic = 0;
	CHECK_EQ(LEFT->want, want);
	/* The indicator is the second word of the region. */
	CHECK_EQ(((volatile u32 *)LEFT->vmcs)[1], want);
	return true;
}

static void leave_behind(const struct vl2 *l2, u32 want)
{
	CHECK_EQ(((volatile u32 *)l2->vmcs)[1], 0);
	LEFT->vmcs = l2->vmcs;
	LEFT->want = want;
	LEFT->magic = MAGIC;
	say("# expecting a reset\n");
}

static void abort_at_exit(const void *arg)
{
	const struct abort_case *c = arg;
	struct msr_entry *e;
	struct vl2 l2;

	if (left_behind(c->want))
		return;
	e = alloc_page();
	vl2_init_at(&l2, fa_nop);
	e[0] = (struct msr_entry){ MSR_KGS_BASE, 0, 0 };
	e[1] = c->bad;
	vw(c->list, (u64)e);
	vw(c->count, 2);
	leave_behind(&l2, c->want);
	vl2_run(&l2);
	LEFT->magic = 0;
	FAIL("L1 goes on after a VMX abort, exit %x", l2.reason);
}

/* A reserved bit in a PDPTE that the exit to a host with PAE paging loads */
static void abort_pdpte(const void *arg)
{
	u64 *pdpt;
	struct vl2 l2;
	struct pae p;

	if (left_behind(ABORT_PDPTES))
		return;
	pdpt = pae_pdpt();
	pdpt[3] |= BIT(1);
	pae_init(&l2, &p, pdpt);
	leave_behind(&l2, ABORT_PDPTES);
	pae_go(&l2, &p);
	LEFT->magic = 0;
	FAIL("L1 goes on after a VMX abort, outcome %u", p.outcome);
}

#define LOAD	CTRL_EXIT_MSR_LOAD, CTRL_EXIT_LOAD_COUNT, ABORT_LOAD_MSRS
#define STORE	CTRL_EXIT_MSR_STORE, CTRL_EXIT_STORE_COUNT, ABORT_SAVE_MSRS

static const struct abort_case load_fs = { LOAD, { MSR_FS_BASE, 0, 0 } };
static const struct abort_case load_rsvd = { LOAD, { MSR_KGS_BASE, 1, 0 } };
static const struct abort_case load_value = { LOAD, { MSR_KGS_BASE, 0, BIT(62) } };
static const struct abort_case store_x2apic = { STORE, { 0x802, 0, 0 } };
static const struct abort_case store_rsvd = { STORE, { MSR_KGS_BASE, 1, 0 } };

static const struct l1_test tests[] = {
	{ "abort_load_fs_base", 0, abort_at_exit, &load_fs },
	{ "abort_load_reserved", 0, abort_at_exit, &load_rsvd },
	{ "abort_load_value", 0, abort_at_exit, &load_value },
	{ "abort_store_x2apic", 0, abort_at_exit, &store_x2apic },
	{ "abort_store_reserved", 0, abort_at_exit, &store_rsvd },
	{ "abort_pdpte", VF_UG, abort_pdpte, NULL },
};

const struct test_group group_vmx_fatal = { "vmx_fatal", tests, ARRAY_SIZE(tests), true };
