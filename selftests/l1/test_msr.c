// SPDX-License-Identifier: GPL-2.0-only
/* CPUID 8000_000A and the SVM MSRs as L1 sees them: EFER.SVME, VM_CR, VM_HSAVE_PA. */
#include "l1.h"

struct msr_write { u32 msr; u64 val; };

static void do_wrmsr(void *arg)
{
	struct msr_write *w = arg;

	wrmsr(w->msr, w->val);
}

static int try_wrmsr(u32 msr, u64 val)
{
	struct msr_write w = { msr, val };

	return try_call(do_wrmsr, &w, NULL);
}

static void cpuid_leaf(const void *arg)
{
	u32 r[4], m[4];

	cpuid(0x80000000, 0, m);
	CHECK(m[0] >= 0x8000000a);
	cpuid(0x80000001, 0, m);
	CHECK(m[2] & BIT(2));
	cpuid(0x8000000a, 0, r);
	CHECK_EQ(r[0] & 0xff, 1);
	CHECK_EQ(r[0] >> 8, 0);
	CHECK(r[1] >= 2);
	CHECK_EQ(r[2], 0);
	/* x2AVIC and the pause threshold build on AVIC and the pause filter. */
	CHECK(!(r[3] & F_PFTHRESH) || r[3] & F_PAUSE);
	CHECK(!(r[3] & F_X2AVIC) || r[3] & F_AVIC);
	CHECK(!(r[3] & F_VNMI) || r[3] & F_VGIF);
}

static void efer_svme(const void *arg)
{
	u64 efer = rdmsr(MSR_EFER);

	CHECK(efer & EFER_SVME);
	wrmsr(MSR_EFER, efer & ~EFER_SVME);
	CHECK_EQ(rdmsr(MSR_EFER), efer & ~EFER_SVME);
	wrmsr(MSR_EFER, efer);
	CHECK_EQ(rdmsr(MSR_EFER), efer);
}

static void efer_reserved(const void *arg)
{
	u64 efer = rdmsr(MSR_EFER);
	int bit;

	for (bit = 0; bit < 64; bit++) {
		/* 1-7, 9, 16, 19 and 22 up are reserved in every edition. */
		if ((bit >= 1 && bit <= 7) || bit == 9 || bit == 16 || bit == 19 || bit >= 22)
			if (try_wrmsr(MSR_EFER, efer | BIT(bit)) != V_GP)
				FAIL("EFER bit %d accepted", bit);
	}
	CHECK_EQ(rdmsr(MSR_EFER), efer);
}

static void hsave_pa(const void *arg)
{
	u64 page = (u64)this_cpu()->hsave;
	int bit;

	CHECK_EQ(rdmsr(MSR_VM_HSAVE_PA), page);
	for (bit = 0; bit < 12; bit++)
		if (try_wrmsr(MSR_VM_HSAVE_PA, page | BIT(bit)) != V_GP)
			FAIL("VM_HSAVE_PA bit %d accepted", bit);
	CHECK_EQ(rdmsr(MSR_VM_HSAVE_PA), page);
}

static void hsave_pa_high(const void *arg)
{
	u64 page = (u64)this_cpu()->hsave;
	int bit;

	for (bit = maxphys; bit < 64; bit++)
		if (try_wrmsr(MSR_VM_HSAVE_PA, page | BIT(bit)) != V_GP)
			FAIL("VM_HSAVE_PA bit %d accepted, MAXPHYADDR is %u", bit, maxphys);
	CHECK_EQ(rdmsr(MSR_VM_HSAVE_PA), page);
	/* Unlike VMRUN, writing the MSR does not need EFER.SVME. */
	set_svme(false);
	CHECK_EQ(try_wrmsr(MSR_VM_HSAVE_PA, page), -1);
	set_svme(true);
}

static void vm_cr_svmdis(const void *arg)
{
	u64 vm_cr = rdmsr(MSR_VM_CR);

	if (vm_cr & BIT(3)) {
		t_skip("VM_CR is locked here");
		return;
	}
	CHECK_EQ(vm_cr & BIT(4), 0);
	/* Not to be disabled while in use. */
	CHECK_EQ(try_wrmsr(MSR_VM_CR, vm_cr | BIT(4)), V_GP);
	CHECK_EQ(rdmsr(MSR_VM_CR), vm_cr);
	set_svme(false);
	CHECK_EQ(try_wrmsr(MSR_VM_CR, vm_cr | BIT(4)), -1);
	CHECK_EQ(rdmsr(MSR_VM_CR), vm_cr | BIT(4));
	CHECK_EQ(try_wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME), V_GP);
	CHECK_EQ(try_wrmsr(MSR_VM_CR, vm_cr), -1);
	set_svme(true);
}

static void vm_cr_reserved(const void *arg)
{
	u64 vm_cr = rdmsr(MSR_VM_CR);
	int bit;

	for (bit = 5; bit < 64; bit++)
		if (try_wrmsr(MSR_VM_CR, vm_cr | BIT(bit)) != V_GP)
			FAIL("VM_CR bit %d accepted", bit);
	CHECK_EQ(rdmsr(MSR_VM_CR), vm_cr);
}

/* APM vol. 2, "INIT": with VM_CR.R_INIT it is #SX. */
static void init_here(void *arg)
{
	apic_ipi(this_cpu()->apic_id, 0x4500);
	delay_us(1000);
}

L2_ASM(ms_init, "mov %ecx, 0x10(%rdi); mov %eax, (%rdi); 1: pause; jmp 1b");

static void init_in_l2(void *arg)
{
	l2_run(arg);
}

static void vm_cr_r_init(const void *arg)
{
	u64 vm_cr = rdmsr(MSR_VM_CR);
	struct fault f = {};
	struct l2 l2;
	u32 i;

	CHECK_EQ(try_wrmsr(MSR_VM_CR, vm_cr | BIT(1)), -1);
	CHECK_EQ(rdmsr(MSR_VM_CR), vm_cr | BIT(1));
	CHECK_EQ(try_call(init_here, NULL, &f), V_SX);
	if (!t_departs("frame"))
		CHECK_EQ(f.err, 1);
	/* In L2 the intercept comes first, and INIT is there still when L1 lets it come; without it #SX is L2's. */
	for (i = 0; i < 2; i++) {
		l2_init_at(&l2, ms_init);
		l2.rdi = 0xfee00300;
		l2.rcx = this_cpu()->apic_id << 24;
		l2.vmcb->s.rax = 0x4500;
		if (!i)
			l2_intercept1(&l2, I1_INIT);
		else
			l2.vmcb->c.exceptions = 1u << V_SX;
		CHECK_EQ(try_call(init_in_l2, &l2, &f), i ? -1 : V_SX);
		CHECK_EQ(l2.vmcb->c.exitcode, i ? X_EXC + V_SX : X_INIT);
		CHECK_EQ(l2.vmcb->c.exitinfo1, i ? 1 : 0);
	}
	CHECK_EQ(try_wrmsr(MSR_VM_CR, vm_cr), -1);
}

/* Last here: what it locks stays so until reset. */
static void vm_cr_lock(const void *arg)
{
	u64 vm_cr = rdmsr(MSR_VM_CR);

	CHECK_EQ(try_wrmsr(MSR_VM_CR, vm_cr | BIT(3)), -1);
	CHECK_EQ(rdmsr(MSR_VM_CR), vm_cr | BIT(3));
	set_svme(false);
	try_wrmsr(MSR_VM_CR, vm_cr);
	try_wrmsr(MSR_VM_CR, vm_cr | BIT(4));
	CHECK_EQ(rdmsr(MSR_VM_CR) & (BIT(3) | BIT(4)), BIT(3));
	set_svme(true);
}

static const struct l1_test tests[] = {
	{ "cpuid", 0, cpuid_leaf, NULL },
	{ "efer_svme", 0, efer_svme, NULL },
	{ "efer_reserved", 0, efer_reserved, NULL },
	{ "vm_hsave_pa", 0, hsave_pa, NULL },
	{ "vm_hsave_pa_high", 0, hsave_pa_high, NULL },
	{ "vm_cr_svmdis", 0, vm_cr_svmdis, NULL },
	{ "vm_cr_reserved", 0, vm_cr_reserved, NULL },
	{ "vm_cr_r_init", 0, vm_cr_r_init, NULL },
};

const struct test_group group_msr = { "msr", tests, ARRAY_SIZE(tests), false };

static const struct l1_test lock_tests[] = {
	{ "vm_cr_lock", F_SVML, vm_cr_lock, NULL },
};

const struct test_group group_lock = { "lock", lock_tests, ARRAY_SIZE(lock_tests), false };
