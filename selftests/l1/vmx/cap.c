// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this CPU's VT-x has, from the capability MSRs (SDM volume 3, "VMX Capability
 * Reporting Facility").
 */
#include "vmx/vmx.h"

struct vmx_caps caps;

static const struct { u32 field; u64 bit; u8 feature; const char *name; } ctls[] = {
	{ CTRL_PIN, PIN_NMI, N_NMI, "NMI exiting" },
	{ CTRL_PIN, PIN_VIRTUAL_NMI, N_VNMI, "virtual NMIs" },
	{ CTRL_PIN, PIN_TIMER, N_TIMER, "VMX-preemption timer" },
	{ CTRL_PIN, PIN_POSTED_INTR, N_POSTED, "posted interrupts" },
	{ CTRL_PROC, PROC_TSC_OFFSET, N_TSCOFF, "TSC offsetting" },
	{ CTRL_PROC, PROC_TPR_SHADOW, N_TPR, "TPR shadow" },
	{ CTRL_PROC, PROC_NMI_WINDOW, N_NMIWIN, "NMI-window exiting" },
	{ CTRL_PROC, PROC_IO_BITMAPS, N_IOBMP, "I/O bitmaps" },
	{ CTRL_PROC, PROC_MTF, N_MTF, "monitor trap flag" },
	{ CTRL_PROC, PROC_MSR_BITMAPS, N_MSRBMP, "MSR bitmaps" },
	{ CTRL_PROC, PROC_SECONDARY, N_SECONDARY, "secondary controls" },
	{ CTRL_PROC2, PROC2_APIC_ACCESS, N_APICACC, "virtualized APIC accesses" },
	{ CTRL_PROC2, PROC2_EPT, N_EPT, "EPT" },
	{ CTRL_PROC2, PROC2_DESC, N_DESC, "descriptor-table exiting" },
	{ CTRL_PROC2, PROC2_RDTSCP, N_XRDTSCP, "RDTSCP in guests" },
	{ CTRL_PROC2, PROC2_X2APIC, N_X2APIC, "x2APIC virtualization" },
	{ CTRL_PROC2, PROC2_VPID, N_VPID, "VPID" },
	{ CTRL_PROC2, PROC2_WBINVD, N_WBINVD, "WBINVD exiting" },
	{ CTRL_PROC2, PROC2_UNRESTRICTED, N_UG, "unrestricted guest" },
	{ CTRL_PROC2, PROC2_APIC_REGS, N_APICREG, "APIC-register virtualization" },
	{ CTRL_PROC2, PROC2_VINTR, N_VINTR, "virtual-interrupt delivery" },
	{ CTRL_PROC2, PROC2_PLE, N_PLE, "PAUSE-loop exiting" },
	{ CTRL_PROC2, PROC2_RDRAND, N_RDRAND, "RDRAND exiting" },
	{ CTRL_PROC2, PROC2_INVPCID, N_INVPCID, "INVPCID in guests" },
	{ CTRL_PROC2, PROC2_VMFUNC, N_VMFUNC, "VM functions" },
	{ CTRL_PROC2, PROC2_SHADOW_VMCS, N_SHADOW, "VMCS shadowing" },
	{ CTRL_PROC2, PROC2_RDSEED, N_RDSEED, "RDSEED exiting" },
	{ CTRL_PROC2, PROC2_PML, N_PML, "page-modification logging" },
	{ CTRL_PROC2, PROC2_XSAVES, N_XSAVES, "XSAVES in guests" },
	{ CTRL_PROC2, PROC2_TSC_SCALING, N_TSCSCALE, "TSC scaling" },
	{ CTRL_EXIT, EXIT_ACK_INTR, N_ACKINTR, "acknowledge interrupt on exit" },
	{ CTRL_EXIT, EXIT_SAVE_TIMER, N_SAVETIMER, "save of the preemption timer" },
	{ CTRL_ENTRY, ENTRY_LOAD_PAT, N_PAT, "loading of PAT" },
	{ CTRL_ENTRY, ENTRY_LOAD_EFER, N_EFER, "loading of EFER" },
	{ CTRL_ENTRY, ENTRY_LOAD_PERF, N_PERF, "loading of PERF_GLOBAL_CTRL" },
};

static const struct { u64 bits; u8 feature; const char *name; } ept_vpid[] = {
	{ EVC_EXEC_ONLY, N_EXECONLY, "execute-only EPT pages" },
	{ EVC_UC, N_EPTUC, "uncacheable EPT structures" },
	{ EVC_2M, N_EPT2M, "2M EPT pages" },
	{ EVC_1G, N_EPT1G, "1G EPT pages" },
	{ EVC_AD, N_EPTAD, "EPT accessed and dirty flags" },
	{ EVC_ADV_INFO, N_ADVINFO, "advanced EPT-violation information" },
	{ EVC_INVEPT | EVC_INVEPT_1, N_INVEPT1, "single-context INVEPT" },
	{ EVC_INVEPT | EVC_INVEPT_ALL, N_INVEPTALL, "all-context INVEPT" },
	{ EVC_INVVPID | EVC_INVVPID_ADDR | EVC_INVVPID_1 | EVC_INVVPID_ALL | EVC_INVVPID_GLOB,
	  N_INVVPID, "INVVPID of all types" },
};

static const struct { u64 bits; u8 feature; const char *name; } misc[] = {
	{ BIT(6), N_HLT, "activity state HLT" },
	{ BIT(7), N_SHUTDOWN, "activity state shutdown" },
	{ BIT(8), N_SIPI, "activity state wait-for-SIPI" },
	{ BIT(29), N_WRITERO, "VMWRITE to any field" },
	{ BIT(30), N_LEN0, "injection with instruction length 0" },
};

/* What has no control: the bits that host.c finds, and two of our own. */
static const struct { u64 f; const char *name; } others[] = {
	{ VF_TRUE, "TRUE capability MSRs" }, { VF_CR3, "clear CR3 exiting" },
	{ VF_X2MODE, "x2APIC mode" },
	{ F_RDTSCP, "RDTSCP" }, { F_MONITOR, "MONITOR/MWAIT" }, { F_XSAVE, "XSAVE" },
	{ F_1G, "1G pages" }, { F_SMP2, "two CPUs" }, { F_SMP4, "four CPUs" }, { F_NX, "NX" },
};

u64 caps_of(u32 field)
{
	switch (field) {
	case CTRL_PIN:
		return caps.pin;
	case CTRL_PROC:
		return caps.proc;
	case CTRL_PROC2:
		return caps.proc2;
	case CTRL_EXIT:
		return caps.exit;
	case CTRL_ENTRY:
		return caps.entry;
	}
	panic("field %x is not a control", field);
}

bool caps_may_set(u32 field, u64 bits)
{
	return !(bits & ~(caps_of(field) >> 32));
}

bool caps_may_clear(u32 field, u64 bits)
{
	return !(bits & (u32)caps_of(field));
}

static void find(void)
{
	u32 i, r[4];

	for (i = 0; i < ARRAY_SIZE(ctls); i++)
		if (caps_may_set(ctls[i].field, ctls[i].bit))
			cpu_features |= BIT(ctls[i].feature);
	for (i = 0; i < ARRAY_SIZE(ept_vpid); i++)
		if ((caps.ept_vpid & ept_vpid[i].bits) == ept_vpid[i].bits)
			cpu_features |= BIT(ept_vpid[i].feature);
	for (i = 0; i < ARRAY_SIZE(misc); i++)
		if (caps.misc & misc[i].bits)
			cpu_features |= BIT(misc[i].feature);
	if (caps.basic & BIT(55))
		cpu_features |= VF_TRUE;
	if (caps_may_clear(CTRL_PROC, PROC_CR3_LOAD | PROC_CR3_STORE))
		cpu_features |= VF_CR3;
	/* A control and its twin of the other direction are only of use together. */
	if (!caps_may_set(CTRL_EXIT, EXIT_SAVE_PAT | EXIT_LOAD_PAT))
		cpu_features &= ~VF_PAT;
	if (!caps_may_set(CTRL_EXIT, EXIT_SAVE_EFER | EXIT_LOAD_EFER))
		cpu_features &= ~VF_EFER;
	if (!caps_may_set(CTRL_EXIT, EXIT_LOAD_PERF))
		cpu_features &= ~VF_PERF;
	cpuid(1, 0, r);
	if (r[2] & BIT(21))
		cpu_features |= VF_X2MODE;
}

void caps_read(void)
{
	bool true_msrs;

	caps.basic = rdmsr(MSR_VMX_BASIC);
	true_msrs = caps.basic & BIT(55);
	caps.pin = rdmsr(true_msrs ? MSR_VMX_TRUE_PIN : MSR_VMX_PIN);
	caps.proc = rdmsr(true_msrs ? MSR_VMX_TRUE_PROC : MSR_VMX_PROC);
	caps.exit = rdmsr(true_msrs ? MSR_VMX_TRUE_EXIT : MSR_VMX_EXIT);
	caps.entry = rdmsr(true_msrs ? MSR_VMX_TRUE_ENTRY : MSR_VMX_ENTRY);
	caps.misc = rdmsr(MSR_VMX_MISC);
	caps.cr0_fixed0 = rdmsr(MSR_VMX_CR0_FIXED0);
	caps.cr0_fixed1 = rdmsr(MSR_VMX_CR0_FIXED1);
	caps.cr4_fixed0 = rdmsr(MSR_VMX_CR4_FIXED0);
	caps.cr4_fixed1 = rdmsr(MSR_VMX_CR4_FIXED1);
	caps.vmcs_enum = rdmsr(MSR_VMX_VMCS_ENUM);
	if (caps_may_set(CTRL_PROC, PROC_SECONDARY))
		caps.proc2 = rdmsr(MSR_VMX_PROC2);
	if (caps.proc2 >> 32 & (PROC2_EPT | PROC2_VPID))
		caps.ept_vpid = rdmsr(MSR_VMX_EPT_VPID);
	if (caps.proc2 >> 32 & PROC2_VMFUNC)
		caps.vmfunc = rdmsr(MSR_VMX_VMFUNC);
	if (caps_may_set(CTRL_PROC, PROC_TERTIARY))
		caps.proc3 = rdmsr(MSR_VMX_PROC3);
	find();
}

const char *caps_feature_name(u64 lacking)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(ctls); i++)
		if (lacking & BIT(ctls[i].feature))
			return ctls[i].name;
	for (i = 0; i < ARRAY_SIZE(ept_vpid); i++)
		if (lacking & BIT(ept_vpid[i].feature))
			return ept_vpid[i].name;
	for (i = 0; i < ARRAY_SIZE(misc); i++)
		if (lacking & BIT(misc[i].feature))
			return misc[i].name;
	for (i = 0; i < ARRAY_SIZE(others); i++)
		if (lacking & others[i].f)
			return others[i].name;
	return "feature";
}

/* ---- fields ---- */

#define ALWAYS		1
#define OTHER		(-1)
#define PIN(n)		caps_may_set(CTRL_PIN, BIT(n))
#define PROC(n)		caps_may_set(CTRL_PROC, BIT(n))
#define PROC2(n)	caps_may_set(CTRL_PROC2, BIT(n))
#define EXIT(n)		caps_may_set(CTRL_EXIT, BIT(n))
#define CR3_TARGET(n)	((caps.misc >> 16 & 0x1ff) > (n) ? ALWAYS : OTHER)
#define ENTRY(n)	caps_may_set(CTRL_ENTRY, BIT(n))

int field_exists(u32 field)
{
	switch (field) {
#define F(enc, name, cond) case (enc): return cond;
#include "fields.def"
#undef F
	}
	return OTHER;
}

const char *field_name(u32 field)
{
	switch (field) {
#define F(enc, name, cond) case (enc): return #name;
#include "fields.def"
#undef F
	}
	return "unknown field";
}
