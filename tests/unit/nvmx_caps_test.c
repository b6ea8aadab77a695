// SPDX-License-Identifier: GPL-2.0-only
/* Capability MSRs: what is offered on which host, to which processor, and what a VMM may change. */
#include "core/hw_ops.h"
#include "nvmx/caps.h"
#include "nvmx/vmcs12.h"
#include "tap.h"

static struct hw_caps rich(void)
{
	struct hw_caps hw;

	memset(&hw, 0, sizeof(hw));
	hw.timer = true;
	hw.timer_rate = 5;
	hw.mtf = true;
	hw.unrestricted = true;
	hw.icpt_dtable = true;
	hw.icpt_rdtscp = true;
	hw.icpt_invpcid = true;
	hw.icpt_xsaves = true;
	hw.icpt_rdrand = true;
	hw.icpt_rdseed = true;
	hw.icpt_vmfunc = true;
	hw.tpr_shadow = true;
	hw.apic_access = true;
	hw.x2apic_virt = true;
	hw.apic_regs = true;
	hw.vid = true;
	hw.root_exec_only = true;
	hw.ple = true;
	hw.tsc_scaling = true;
	hw.zero_len = true;
	return hw;
}

static const struct nvmx_cpu full_cpu = {
	.cr4 = 0x3767ff, .lm = true, .rdtscp = true, .invpcid = true, .xsaves = true,
	.rdrand = true, .rdseed = true,
};

static u64 msr(const struct nvmx_caps *c, u32 index)
{
	u64 val = 0xbad;

	return nvmx_caps_get(c, index, &val) ? val : 0xbad;
}

/* Figures of the appendix and of the union profile, spelled out. */
static void test_rich(void)
{
	struct hw_caps hw = rich();
	struct nvmx_caps c;

	nvmx_caps_max(&hw, &c);
	tap_ok(msr(&c, 0x480) == (0x00d8100000000000ull | VMCS12_REVISION), "IA32_VMX_BASIC");
	tap_ok(!(VMCS12_REVISION & 1u << 31), "the revision has bit 31 clear");
	tap_ok(msr(&c, 0x481) == 0x000000ff00000016ull, "PINBASED_CTLS");
	tap_ok(msr(&c, 0x48d) == 0x000000ff00000016ull, "TRUE_PINBASED_CTLS");
	tap_ok(msr(&c, 0x482) == 0xfff9fffe0401e172ull, "PROCBASED_CTLS: 0x%llx", msr(&c, 0x482));
	tap_ok(msr(&c, 0x48e) == 0xfff9fffe04006172ull, "TRUE_PROCBASED_CTLS: 0x%llx",
	       msr(&c, 0x48e));
	tap_ok(msr(&c, 0x483) == 0x007fefff00036dffull, "EXIT_CTLS: 0x%llx", msr(&c, 0x483));
	tap_ok(msr(&c, 0x48f) == 0x007fefff00036dfbull, "TRUE_EXIT_CTLS: 0x%llx", msr(&c, 0x48f));
	tap_ok(msr(&c, 0x484) == 0x0000d3ff000011ffull, "ENTRY_CTLS: 0x%llx", msr(&c, 0x484));
	tap_ok(msr(&c, 0x490) == 0x0000d3ff000011fbull, "TRUE_ENTRY_CTLS: 0x%llx", msr(&c, 0x490));
	tap_ok(msr(&c, 0x48b) == 0x02137fff00000000ull, "PROCBASED_CTLS2: 0x%llx", msr(&c, 0x48b));
	tap_ok(msr(&c, 0x485) == 0x600401e5ull, "MISC: 0x%llx", msr(&c, 0x485));
	tap_ok(msr(&c, 0x486) == 0x80000021 && msr(&c, 0x487) == 0xffffffff, "CR0_FIXED0, FIXED1");
	tap_ok(msr(&c, 0x488) == 0x2000 && msr(&c, 0x489) == 0xffffffff, "CR4_FIXED0, FIXED1");
	tap_ok(msr(&c, 0x48a) == 0x32, "VMCS_ENUM");
	tap_ok(msr(&c, 0x48c) == 0x00000f0106334141ull, "EPT_VPID_CAP: 0x%llx", msr(&c, 0x48c));
	tap_ok(msr(&c, 0x491) == 1, "VMFUNC: EPTP switching");
	tap_ok(msr(&c, 0x492) == 0xbad && msr(&c, 0x47f) == 0xbad, "what lies around is no MSR");
}

/* Must-be-1 bits may be 1, and nothing but the table's is offered on a poor host. */
static void test_poor(void)
{
	struct hw_caps hw;
	struct nvmx_caps c;
	u32 i;

	memset(&hw, 0, sizeof(hw));
	nvmx_caps_max(&hw, &c);
	nvmx_caps_fit(&c, &full_cpu, &c);
	for (i = 0x481; i <= 0x490; i++)
		if ((i <= 0x484 || i >= 0x48d) && (msr(&c, i) & ~(msr(&c, i) >> 32) & 0xffffffff))
			break;
	tap_ok(i == 0x491, "what must be 1 may be 1");
	tap_ok(!cap_may(c.pin, PIN_POSTED_INTR) &&
	       !cap_may(c.cpu, CPU_TPR_SHADOW) &&
	       !cap_may(c.cpu2, CPU2_UNRESTRICTED) && !cap_may(c.cpu2, CPU2_VID) &&
	       !cap_may(c.cpu2, CPU2_TSC_SCALING) && !cap_may(c.cpu2, CPU2_VMFUNC) && !c.vmfunc &&
	       !(c.ept_vpid & EPTCAP_EXEC_ONLY) && !(c.misc & MISC_ZERO_LEN_INJECT),
	       "a host without them: hidden");
	tap_ok(cap_may(c.pin, PIN_EXT_INTR | PIN_NMI | PIN_VIRTUAL_NMI | PIN_PREEMPTION_TIMER) &&
	       cap_may(c.exit, EXIT_SAVE_TIMER) && cap_may(c.cpu, CPU_MTF) && (c.misc & MISC_TIMER_RATE) == 5 &&
	       cap_may(c.cpu2, CPU2_EPT | CPU2_VPID | CPU2_VMCS_SHADOW),
	       "what is software's is offered there");
	tap_ok(!(c.fields & (1u << VMCS_CAP_TPR_SHADOW | 1u << VMCS_CAP_VID)) &&
	       (c.fields & 1u << VMCS_CAP_EPT) && (c.fields & 1u << VMCS_CAP_PREEMPTION_TIMER),
	       "the fields go with their controls");
	hw.tpr_shadow = true;
	hw.apic_regs = true;
	nvmx_caps_max(&hw, &c);
	nvmx_caps_fit(&c, &full_cpu, &c);
	tap_ok(cap_may(c.cpu2, CPU2_VID) && cap_may(c.pin, PIN_POSTED_INTR),
	       "APIC-register virtualisation is all that delivery takes");
}

struct rule {
	const char *what;
	u16 off;		/* the word that loses @bits */
	u32 bits;
	u16 dep_off;		/* the word that then lacks @dep */
	u32 dep;
};

#define W(m) offsetof(struct nvmx_caps, m)

static const struct rule rules[] = {
	{ "TPR shadow and APIC virtualisation", W(cpu), CPU_TPR_SHADOW, W(cpu2),
	  CPU2_X2APIC | CPU2_APIC_REGS | CPU2_VID },
	{ "external-interrupt exiting and virtual-interrupt delivery", W(pin), PIN_EXT_INTR,
	  W(cpu2), CPU2_VID },
	{ "virtual-interrupt delivery and posted interrupts", W(cpu2), CPU2_VID, W(pin),
	  PIN_POSTED_INTR },
	{ "acknowledge on exit and posted interrupts", W(exit), EXIT_ACK_INTR, W(pin),
	  PIN_POSTED_INTR },
	{ "NMI exiting and virtual NMIs", W(pin), PIN_NMI, W(pin), PIN_VIRTUAL_NMI },
	{ "virtual NMIs and NMI window", W(pin), PIN_VIRTUAL_NMI, W(cpu), CPU_NMI_WINDOW },
	{ "preemption timer and its saving", W(pin), PIN_PREEMPTION_TIMER, W(exit),
	  EXIT_SAVE_TIMER },
	{ "EPT, unrestricted guest, PML and VM functions", W(cpu2), CPU2_EPT, W(cpu2),
	  CPU2_UNRESTRICTED | CPU2_PML | CPU2_VMFUNC },
	{ "secondary controls", W(cpu), CPU_SECONDARY, W(cpu2), ~0u },
	{ "loading PAT on entry and on exit", W(entry), ENTRY_LOAD_PAT, W(exit),
	  EXIT_SAVE_PAT | EXIT_LOAD_PAT },
	{ "loading PAT on exit and on entry", W(exit), EXIT_LOAD_PAT, W(entry), ENTRY_LOAD_PAT },
	{ "loading EFER on entry and on exit", W(entry), ENTRY_LOAD_EFER, W(exit),
	  EXIT_SAVE_EFER | EXIT_LOAD_EFER },
	{ "saving EFER and loading it", W(exit), EXIT_SAVE_EFER, W(entry), ENTRY_LOAD_EFER },
	{ "64-bit host and 64-bit guest", W(exit), EXIT_HOST_64, W(entry), ENTRY_IA32E },
};

static u64 *word(struct nvmx_caps *c, u16 off)
{
	return (u64 *)((char *)c + off);
}

static void test_dependencies(void)
{
	struct hw_caps hw = rich();
	struct nvmx_caps max, c;
	unsigned int i;

	nvmx_caps_max(&hw, &max);
	nvmx_caps_fit(&max, &full_cpu, &c);
	tap_ok(!memcmp(&c.pin, &max.pin, 7 * sizeof(u64)) && c.fields == max.fields,
	       "a full processor has all that is offered");
	tap_ok(c.cr4_fixed1 == 0x3767ff, "CR4_FIXED1 is what the processor lets CR4 be");
	for (i = 0; i < ARRAY_SIZE(rules); i++) {
		const struct rule *r = &rules[i];

		c = max;
		*word(&c, r->off) &= ~((u64)r->bits << 32);
		nvmx_caps_fit(&c, &full_cpu, &c);
		tap_ok(!((*word(&c, r->dep_off) >> 32) & r->dep), "together: %s", r->what);
	}
	c = max;
	c.ept_vpid &= ~EPTCAP_AD;
	nvmx_caps_fit(&c, &full_cpu, &c);
	tap_ok(!cap_may(c.cpu2, CPU2_PML), "together: EPT A/D and PML");
	c = max;
	c.cpu2 &= ~((u64)CPU2_VPID << 32);
	nvmx_caps_fit(&c, &full_cpu, &c);
	tap_ok((c.ept_vpid >> 32) == 0 && (u32)c.ept_vpid == 0x06334141, "no VPID: no INVVPID");
	c.cpu2 &= ~((u64)CPU2_EPT << 32);
	nvmx_caps_fit(&c, &full_cpu, &c);
	tap_ok(msr(&c, 0x48c) == 0xbad, "neither EPT nor VPID: no EPT_VPID_CAP");
	c = max;
	c.cpu &= ~((u64)CPU_SECONDARY << 32);
	nvmx_caps_fit(&c, &full_cpu, &c);
	tap_ok(msr(&c, 0x48b) == 0xbad && msr(&c, 0x48c) == 0xbad,
	       "no secondary controls: no PROCBASED_CTLS2 and no EPT_VPID_CAP");
}

static void test_vmfunc(void)
{
	struct nvmx_caps c = { .vmfunc = 1, .cpu = (u64)CPU_SECONDARY << 32 };

	nvmx_caps_fit(&c, &full_cpu, &c);
	tap_ok(!c.vmfunc, "together: VM functions and their control");
}

static void test_cpuid(void)
{
	static const struct {
		u16 off;
		u32 bit;
		const char *name;
	} features[] = {
		{ offsetof(struct nvmx_cpu, rdtscp), CPU2_RDTSCP, "RDTSCP" },
		{ offsetof(struct nvmx_cpu, invpcid), CPU2_INVPCID, "INVPCID" },
		{ offsetof(struct nvmx_cpu, xsaves), CPU2_XSAVES, "XSAVES" },
		{ offsetof(struct nvmx_cpu, rdrand), CPU2_RDRAND, "RDRAND" },
		{ offsetof(struct nvmx_cpu, rdseed), CPU2_RDSEED, "RDSEED" },
	};
	struct hw_caps hw = rich();
	struct nvmx_caps max, c;
	struct nvmx_cpu cpu;
	unsigned int i;

	nvmx_caps_max(&hw, &max);
	for (i = 0; i < ARRAY_SIZE(features); i++) {
		cpu = full_cpu;
		*(bool *)((char *)&cpu + features[i].off) = false;
		nvmx_caps_fit(&max, &cpu, &c);
		tap_ok((max.cpu2 ^ c.cpu2) == (u64)features[i].bit << 32,
		       "CPUID without %s takes its control away", features[i].name);
	}
	cpu = full_cpu;
	cpu.lm = false;
	nvmx_caps_fit(&max, &cpu, &c);
	tap_ok(!cap_may(c.exit, EXIT_HOST_64) && !cap_may(c.entry, ENTRY_IA32E),
	       "CPUID without long mode takes both controls away");
	max.exit |= EXIT_HOST_64;
	nvmx_caps_fit(&max, &cpu, &c);
	tap_ok(!(c.exit & EXIT_HOST_64), "also when the VMM demands them");
	cpu = full_cpu;
	cpu.cr4 = 0x6f8;
	nvmx_caps_fit(&max, &cpu, &c);
	tap_ok(c.cr4_fixed1 == 0x26f8, "VMXE may always be 1");
}

static bool try_set(const struct nvmx_caps *max, u32 index, u64 val)
{
	struct nvmx_caps c = *max, before = *max;
	bool ok = nvmx_caps_set(&c, max, index, val);
	u64 now;

	if (!ok)
		return memcmp(&c, &before, sizeof(c)) ? true : false;
	return nvmx_caps_get(&c, index, &now) && now == val;
}

static void test_set_controls(const struct nvmx_caps *max)
{
	static const u32 settable[] = { 0x48b, 0x48d, 0x48e, 0x48f, 0x490 };
	bool same = true, grow = true, shrink = true, forced = true, sane = true;
	unsigned int i, bit;

	for (i = 0; i < ARRAY_SIZE(settable); i++) {
		u64 val = msr(max, settable[i]);

		same &= try_set(max, settable[i], val);
		for (bit = 0; bit < 32; bit++) {
			u64 zero = 1ull << bit, one = 1ull << (bit + 32);

			if (!(val & one)) {
				grow &= !try_set(max, settable[i], val | one);
				continue;
			}
			if (val & zero) {
				forced &= !try_set(max, settable[i], val & ~zero);
				sane &= !try_set(max, settable[i], val & ~one);
				continue;
			}
			shrink &= try_set(max, settable[i], val & ~one) &&
				  try_set(max, settable[i], val | zero);
		}
	}
	tap_ok(same, "a VMM may write what it read");
	tap_ok(grow, "a VMM cannot let a control be 1 that this host cannot have");
	tap_ok(forced, "a VMM cannot let a control be 0 that has to be 1");
	tap_ok(sane, "a VMM cannot make a control neither");
	tap_ok(shrink, "a VMM may fix each control to 0 or 1");
}

static void test_set_others(const struct nvmx_caps *max)
{
	u64 basic = max->basic, misc = max->misc;

	tap_ok(try_set(max, 0x480, basic & ~BASIC_TRUE_CTLS) &&
	       try_set(max, 0x480, basic & ~BASIC_INS_OUTS), "BASIC: features may go");
	tap_ok(!try_set(max, 0x480, basic ^ 1) && !try_set(max, 0x480, basic | 1ull << 49) &&
	       !try_set(max, 0x480, basic | 1ull << 31) && !try_set(max, 0x480, basic | 1ull << 56) &&
	       !try_set(max, 0x480, basic & ~BASIC_TYPE) && !try_set(max, 0x480, basic ^ 1ull << 32),
	       "BASIC: revision, size, type and new features may not change");
	tap_ok(try_set(max, 0x485, misc & ~MISC_ACTIVITY_SIPI) &&
	       try_set(max, 0x485, misc & ~(0x1ffull << 16)), "MISC: features may go");
	tap_ok(!try_set(max, 0x485, misc | 1ull << 15) && !try_set(max, 0x485, misc ^ 1) &&
	       !try_set(max, 0x485, misc + (1ull << 16)) && !try_set(max, 0x485, misc | 1ull << 25) &&
	       !try_set(max, 0x485, misc | 1ull << 32) && !try_set(max, 0x485, misc | 1ull << 31),
	       "MISC: rate, counts and new features may not");
	tap_ok(try_set(max, 0x486, 0x80000021) && try_set(max, 0x486, 0x80000031) &&
	       !try_set(max, 0x486, 0x80000001) && !try_set(max, 0x486, 0x180000021ull),
	       "CR0_FIXED0 may only grow");
	tap_ok(try_set(max, 0x488, 0x2000) && !try_set(max, 0x488, 0), "CR4_FIXED0 the same");
	tap_ok(try_set(max, 0x487, 0xffffffff) && !try_set(max, 0x487, 0x80000021) &&
	       try_set(max, 0x489, 0xffffffff) && !try_set(max, 0x489, 0x2000),
	       "FIXED1 are not the VMM's");
	tap_ok(try_set(max, 0x48a, 0x32) && try_set(max, 0x48a, 0x2e) && !try_set(max, 0x48a, 0x34) &&
	       !try_set(max, 0x48a, 0x2f), "VMCS_ENUM: no higher");
	tap_ok(try_set(max, 0x48c, max->ept_vpid & ~EPTCAP_1G) &&
	       !try_set(max, 0x48c, max->ept_vpid | EPTCAP_WALK5), "EPT_VPID_CAP: a subset");
	tap_ok(try_set(max, 0x481, msr(max, 0x481)) && !try_set(max, 0x481, msr(max, 0x481) | 1) &&
	       try_set(max, 0x484, msr(max, 0x484)) && !try_set(max, 0x484, 0),
	       "MSRs without TRUE follow the others");
	tap_ok(try_set(max, 0x491, 1) && try_set(max, 0x491, 0) && !try_set(max, 0x491, 2) &&
	       !try_set(max, 0x491, 1ull << 63), "VMFUNC: a subset");
	tap_ok(!try_set(max, 0x47f, 0) && !try_set(max, 0x492, 0), "no other MSR can be set");
}

static void test_no_true(const struct nvmx_caps *max)
{
	struct nvmx_caps c = *max;

	nvmx_caps_set(&c, max, 0x480, max->basic & ~BASIC_TRUE_CTLS);
	nvmx_caps_fit(&c, &full_cpu, &c);
	tap_ok(msr(&c, 0x48d) == 0xbad && msr(&c, 0x490) == 0xbad &&
	       (u32)c.cpu == DEFAULT1_CPU && (u32)c.exit == DEFAULT1_EXIT &&
	       (u32)c.entry == DEFAULT1_ENTRY,
	       "without the TRUE MSRs the default1 classes have to be 1");
}

/*
 * What L1 finds under stock KVM (Debian's 6.1, nested=1) on the VT-x CPU of the lab, allowed-1
 * settings: as the guest-hypervisor image prints them, its lines "# pin ..." and "# misc ...", in
 *	lab/run --host vmx --module kvm --put selftests/l1/build/l1.elf \
 *		--put selftests/l1/run-l1.sh -- sh run-l1.sh --accel kvm vmx_caps
 * The "vmx flags" of /proc/cpuinfo are made of these.  Missing is what the head of caps.def says.
 */
static const struct {
	const char *what;
	u16 off;
	bool control;
	u64 stock, missing;
} stock[] = {
	{ "pin-based controls", W(pin), true, 0x7f, 0 },
	{ "primary controls", W(cpu), true, 0xf7f9fffe, 0 },
	{ "secondary controls", W(cpu2), true, 0x02037bff, 0 },
	{ "VM-exit controls, but PERF_GLOBAL_CTRL", W(exit), true, 0x007fffff, EXIT_LOAD_PERF_GLOBAL },
	{ "VM-entry controls, but PERF_GLOBAL_CTRL", W(entry), true, 0x0000f3ff, ENTRY_LOAD_PERF_GLOBAL },
	/* Not the timer's rate, which is the CPU's */
	{ "MISC", W(misc), false, 0x20000160, 0 },
	{ "EPT_VPID_CAP", W(ept_vpid), false, 0x00000f0106334041ull, 0 },
	{ "VMFUNC", W(vmfunc), false, 1, 0 },
};

static void test_stock(void)
{
	struct hw_caps hw = rich();
	struct nvmx_caps c;
	unsigned int i;

	/* That CPU has no monitor trap flag, and its delivery of virtual interrupts is not used. */
	hw.mtf = false;
	hw.vid = false;
	hw.timer_rate = 0;
	nvmx_caps_max(&hw, &c);
	nvmx_caps_fit(&c, &full_cpu, &c);
	for (i = 0; i < sizeof(stock) / sizeof(*stock); i++) {
		u64 ours = *word(&c, stock[i].off);

		if (stock[i].control)
			ours >>= 32;
		tap_ok((stock[i].stock & ~ours) == stock[i].missing, "all that stock KVM shows: %s (lacks 0x%llx)",
		       stock[i].what, (unsigned long long)(stock[i].stock & ~ours));
	}
}

int main(void)
{
	struct hw_caps hw = rich();
	struct nvmx_caps max;

	nvmx_caps_max(&hw, &max);
	test_rich();
	test_poor();
	test_dependencies();
	test_vmfunc();
	test_cpuid();
	test_set_controls(&max);
	test_set_others(&max);
	test_no_true(&max);
	test_stock();
	return tap_done();
}
