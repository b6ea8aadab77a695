// SPDX-License-Identifier: GPL-2.0-only
/*
 * The capability MSRs and IA32_FEATURE_CONTROL: what must hold whatever the CPU
 * offers (SDM volume 3, "VMX Capability Reporting Facility", "Enabling and Entering VMX
 * Operation").
 */
#include "vmx/vmx.h"

struct write { u32 msr; u64 v; };

static void do_wrmsr(void *arg)
{
	const struct write *w = arg;

	wrmsr(w->msr, w->v);
}

static void do_rdmsr(void *msr)
{
	rdmsr((u64)msr);
}

static bool exists(u32 msr)
{
	switch (msr) {
	case MSR_VMX_PROC2:
		return caps_may_set(CTRL_PROC, PROC_SECONDARY);
	case MSR_VMX_EPT_VPID:
		return caps.proc2 >> 32 & (PROC2_EPT | PROC2_VPID);
	case MSR_VMX_TRUE_PIN ... MSR_VMX_TRUE_ENTRY:
		return caps.basic & BIT(55);
	case MSR_VMX_VMFUNC:
		return caps.proc2 >> 32 & PROC2_VMFUNC;
	case MSR_VMX_PROC3:
		return caps_may_set(CTRL_PROC, PROC_TERTIARY);
	}
	return true;
}

/* All are read-only, even for the value they have; the absent ones are #GP. */
static void read_only(const void *arg)
{
	u32 msr;

	for (msr = MSR_VMX_BASIC; msr <= MSR_VMX_PROC3; msr++) {
		struct write w = { msr, 0 };

		if (!exists(msr)) {
			if (!t_departs("absent"))
				CHECK_EQ(try_call(do_rdmsr, (void *)(u64)msr, NULL), V_GP);
			continue;
		}
		if (try_call(do_rdmsr, (void *)(u64)msr, NULL) != -1) {
			FAIL("RDMSR of %x faults", msr);
			continue;
		}
		w.v = rdmsr(msr);
		if (try_call(do_wrmsr, &w, NULL) != V_GP)
			FAIL("WRMSR to %x was not refused", msr);
	}
}

static void basic(const void *arg)
{
	CHECK_EQ(caps.basic & BIT(31), 0);
	CHECK((caps.basic >> 32 & 0x1fff) > 0 && (caps.basic >> 32 & 0x1fff) <= PAGE_SIZE);
	CHECK_EQ(caps.basic & (7ull << 45), 0);
	/* Physical addresses of 64-bit processors have no 32-bit limit. */
	CHECK_EQ(caps.basic & BIT(48), 0);
	/* Uncacheable or write-back */
	CHECK((caps.basic >> 50 & 15) == 6 || (caps.basic >> 50 & 15) == 0);
	/* The activity states, at most four CR3 targets the manual knows of */
	CHECK((caps.misc >> 16 & 0x1ff) <= 256);
}

/* Allowed-0 and allowed-1, old and TRUE */
static void controls(const void *arg)
{
	static const struct { u32 old, true_msr; u32 default1; } msrs[] = {
		{ MSR_VMX_PIN, MSR_VMX_TRUE_PIN, 0x16 },
		{ MSR_VMX_PROC, MSR_VMX_TRUE_PROC, 0x0401e172 },
		{ MSR_VMX_EXIT, MSR_VMX_TRUE_EXIT, 0x36dff },
		{ MSR_VMX_ENTRY, MSR_VMX_TRUE_ENTRY, 0x11ff },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		u64 old = rdmsr(msrs[i].old), t;

		/* A bit that must be 1 may be 1. */
		CHECK_EQ((u32)old & ~(u32)(old >> 32), 0);
		CHECK_EQ((u32)old & msrs[i].default1, msrs[i].default1);
		if (!(caps.basic & BIT(55)))
			continue;
		t = rdmsr(msrs[i].true_msr);
		CHECK_EQ((u32)t & ~(u32)(t >> 32), 0);
		CHECK_EQ(t >> 32, old >> 32);
		/* Only default1 bits may be freed. */
		CHECK_EQ((u32)t & ~(u32)old, 0);
		CHECK_EQ((u32)old & ~(u32)t & ~msrs[i].default1, 0);
	}
	/* No secondary control may have to be 1. */
	CHECK_EQ((u32)caps.proc2, 0);
}

static void fixed(const void *arg)
{
	CHECK_EQ(caps.cr0_fixed0 & ~caps.cr0_fixed1, 0);
	CHECK_EQ(caps.cr4_fixed0 & ~caps.cr4_fixed1, 0);
	CHECK_EQ(caps.cr0_fixed0 & (CR0_PE | CR0_NE | CR0_PG), CR0_PE | CR0_NE | CR0_PG);
	CHECK_EQ(caps.cr0_fixed1 >> 32, 0);
	CHECK_EQ(caps.cr4_fixed0 & CR4_VMXE, CR4_VMXE);
}

/* What the manual says goes together */
static void pairs(const void *arg)
{
	static const struct { u64 has, needs; } need[] = {
		{ VF_UG, VF_EPT }, { VF_PML, VF_EPT }, { VF_EPTAD, VF_EPT }, { VF_PML, VF_EPTAD },
		{ VF_X2APIC, VF_TPR }, { VF_APICREG, VF_TPR }, { VF_VINTR, VF_TPR },
		{ VF_POSTED, VF_VINTR }, { VF_POSTED, VF_ACKINTR }, { VF_VNMI, VF_NMI },
		{ VF_NMIWIN, VF_VNMI }, { VF_SAVETIMER, VF_TIMER }, { VF_EPT, VF_SECONDARY },
		{ VF_VPID, VF_SECONDARY },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(need); i++)
		if (cpu_features & need[i].has && need[i].needs & ~cpu_features)
			FAIL("%s without %s", caps_feature_name(need[i].has),
			     caps_feature_name(need[i].needs));
	/* Unrestricted guests store LMA into the entry controls (bit 5). */
	if (cpu_features & VF_UG)
		CHECK(caps.misc & BIT(5));
	/* EPT's walk length and a memory type; INVEPT and INVVPID with their types */
	if (cpu_features & VF_EPT) {
		CHECK(caps.ept_vpid & EVC_WALK4);
		CHECK(caps.ept_vpid & (EVC_WB | EVC_UC));
	}
	if (caps.ept_vpid & EVC_INVEPT)
		CHECK(caps.ept_vpid & (EVC_INVEPT_1 | EVC_INVEPT_ALL));
}

static void feature_control(const void *arg)
{
	struct write w = { MSR_FEATURE_CONTROL, rdmsr(MSR_FEATURE_CONTROL) };

	/* Locked: not even the same value may be written. */
	CHECK_EQ(w.v & (FC_LOCK | FC_VMXON), FC_LOCK | FC_VMXON);
	CHECK_EQ(try_call(do_wrmsr, &w, NULL), V_GP);
	w.v &= ~FC_LOCK;
	CHECK_EQ(try_call(do_wrmsr, &w, NULL), V_GP);
	CHECK_EQ(rdmsr(MSR_FEATURE_CONTROL) & FC_LOCK, FC_LOCK);
}

static bool reads(u32 msr)
{
	return try_call(do_rdmsr, (void *)(u64)msr, NULL) == -1;
}

/* A performance monitor and last-branch records are there with all that belongs to them, or not at all. */
static void monitoring(const void *arg)
{
	u32 leaf1[4], pmu[4];
	bool global;

	cpuid(1, 0, leaf1);
	cpuid(0xa, 0, pmu);
	global = (pmu[0] & 0xff) >= 2;
	CHECK_EQ(reads(MSR_PERF_GLOBAL), global);
	CHECK_EQ(caps_may_set(CTRL_ENTRY, ENTRY_LOAD_PERF), global);
	CHECK_EQ(caps_may_set(CTRL_EXIT, EXIT_LOAD_PERF), global);
	CHECK_EQ(reads(MSR_PERF_CAPABILITIES), !!(leaf1[2] & BIT(15)));
	/* The first record of the stack; where there is one, so is its top. */
	if (reads(MSR_LBR_FROM_0))
		CHECK(reads(MSR_LBR_TO_0) && reads(MSR_LBR_TOS));
	else
		CHECK(!reads(MSR_LBR_TO_0));
}

/* DEBUGCTL keeps LBR and BTF, and refuses what no CPU has. */
static void debugctl(const void *arg)
{
	struct write w = { MSR_DEBUGCTL, 1ull << 32 };

	wrmsr(MSR_DEBUGCTL, 3);
	CHECK_EQ(rdmsr(MSR_DEBUGCTL), 3);
	wrmsr(MSR_DEBUGCTL, 0);
	CHECK_EQ(rdmsr(MSR_DEBUGCTL), 0);
	CHECK_EQ(try_call(do_wrmsr, &w, NULL), V_GP);
	w.v = BIT(5);
	CHECK_EQ(try_call(do_wrmsr, &w, NULL), V_GP);
	CHECK_EQ(rdmsr(MSR_DEBUGCTL), 0);
}

static const struct l1_test tests[] = {
	{ "read_only", 0, read_only, NULL },
	{ "basic", 0, basic, NULL },
	{ "controls", 0, controls, NULL },
	{ "fixed_bits", 0, fixed, NULL },
	{ "pairs", 0, pairs, NULL },
	{ "feature_control", 0, feature_control, NULL },
	{ "monitoring", 0, monitoring, NULL },
	{ "debugctl", 0, debugctl, NULL },
};

const struct test_group group_vmx_caps = { "vmx_caps", tests, ARRAY_SIZE(tests), false };
