// SPDX-License-Identifier: GPL-2.0-only
/* AMD-V as the image's vendor: detection, switching it on, mending after a test. */
#include "l1.h"

#define GROUP(n) \
	extern const struct test_group group_##n;
#include "groups.h"
#undef GROUP

#define GROUP(n) &group_##n,
static const struct test_group *const groups[] = {
#include "groups.h"
};
#undef GROUP

u32 nr_asids;

static const struct { u64 f; const char *name; } feature_names[] = {
	{ F_NPT, "nested paging" }, { F_LBRV, "LBR virtualization" }, { F_SVML, "SVM lock" },
	{ F_NRIPS, "NRIP save" }, { F_TSCRATE, "TSC ratio" }, { F_CLEAN, "VMCB clean bits" },
	{ F_FLUSHASID, "flush by ASID" }, { F_DECODE, "decode assists" },
	{ F_PAUSE, "pause filter" }, { F_PFTHRESH, "pause filter threshold" },
	{ F_AVIC, "AVIC" }, { F_VLS, "virtual VMLOAD/VMSAVE" }, { F_VGIF, "virtual GIF" },
	{ F_VNMI, "virtual NMI" }, { F_SKINIT, "SKINIT" }, { F_RDTSCP, "RDTSCP" },
	{ F_MONITOR, "MONITOR/MWAIT" }, { F_XSAVE, "XSAVE" }, { F_1G, "1G pages" },
	{ F_SMP2, "two CPUs" }, { F_SMP4, "four CPUs" }, { F_NX, "NX" },
};

static const char *feature_name(u64 lacking)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(feature_names); i++)
		if (lacking & feature_names[i].f)
			return feature_names[i].name;
	return "feature";
}

void set_svme(bool on)
{
	u64 efer = rdmsr(MSR_EFER) & ~EFER_SVME;

	wrmsr(MSR_EFER, on ? efer | EFER_SVME : efer);
}

static void recover(void)
{
	struct cpu *cpu = this_cpu();

	if (!(rdmsr(MSR_EFER) & EFER_SVME))
		return;
	if (cpu->host_vmcb)
		vmload_pa((u64)cpu->host_vmcb);
	stgi();
}

static void cpu_start(void)
{
	struct cpu *c = this_cpu();

	if (rdmsr(MSR_VM_CR) & BIT(4))
		return;
	set_svme(true);
	wrmsr(MSR_VM_HSAVE_PA, (u64)c->hsave);
	vmsave_pa((u64)c->host_vmcb);
}

static void before(void)
{
	npt_default();
}

static void after(void)
{
	wrmsr(MSR_VM_HSAVE_PA, (u64)this_cpu()->hsave);
}

static void banner(void)
{
	say("# home %s, %u CPUs, %u ASIDs, SVM features %llx, %u physical address bits\n",
	    home_name, nr_cpus, nr_asids, cpu_features & 0xffffffff, maxphys);
}

const char *svm_find(void)
{
	u32 r[4];

	cpuid(0x80000001, 0, r);
	if (!(r[2] & BIT(2)))
		return "this CPU has no AMD-V (CPUID 80000001 ECX bit 2)";
	if (rdmsr(MSR_VM_CR) & BIT(4))
		return "AMD-V is disabled by the firmware (VM_CR.SVMDIS)";
	if (r[2] & BIT(12))
		cpu_features |= F_SKINIT;
	cpuid(0x8000000a, 0, r);
	cpu_features |= r[3];
	nr_asids = r[1];
	return NULL;
}

const struct vendor svm_vendor = {
	.name = "AMD-V",
	.groups = groups,
	.nr_groups = ARRAY_SIZE(groups),
	.cpu_start = cpu_start,
	.recover = recover,
	.before = before,
	.after = after,
	.feature_name = feature_name,
	.banner = banner,
};
