// SPDX-License-Identifier: GPL-2.0-only
/* merge: each control with both sides' say, each register there and back. */
#include "tap.h"

#include "core/x86.h"
#include "nvmx/merge.h"

/* run_need() is inline and refers to it; nothing here calls it. */
void hw_fetch(struct guest_run *run, u32 groups)
{
	(void)run;
	(void)groups;
}

static const u32 always[NR_ICPT_WORDS] = {
	[ICPT_EXCEPTION] = 1u << 18,
	[ICPT_MISC1] = ICPT_INTR | ICPT_NMI | ICPT_SMI | ICPT_INIT | ICPT_IOIO | ICPT_MSR |
		       ICPT_INVLPGA | ICPT_SHUTDOWN | ICPT_CPUID | ICPT_INVD | ICPT_TASK_SWITCH,
	[ICPT_MISC2] = ICPT_VMRUN | ICPT_VMMCALL | ICPT_VMLOAD | ICPT_VMSAVE | ICPT_SKINIT |
		       ICPT_XSETBV | ICPT_STGI | ICPT_CLGI,
};

static const u32 cr8 = ICPT_CR_READ(8) | ICPT_CR_WRITE(8);

/* Instructions with an enabling control and no exit of their own are enabled. */
static const u32 enabled2 = CPU2_RDTSCP | CPU2_INVPCID;

static struct vmcs12 quiet(void)
{
	return (struct vmcs12){ .cpu_ctls = CPU_SECONDARY, .cpu_ctls2 = enabled2 };
}

static u32 base(unsigned int word)
{
	return always[word] | (word == ICPT_CR ? cr8 : 0);
}

/* Only @word differs from what is always there, by @bits. */
static bool only(const struct guest_run *r, unsigned int word, u32 bits)
{
	unsigned int i;

	for (i = 0; i < NR_ICPT_WORDS; i++)
		if (r->intercept[i] != (base(i) | (i == word ? bits : 0)))
			return false;
	return true;
}

static void l1_controls(void)
{
	static const struct {
		u32 cpu, cpu2;
		unsigned int word;
		u32 bits;
	} map[] = {
		{ CPU_HLT, 0, ICPT_MISC1, ICPT_HLT },
		{ CPU_RDPMC, 0, ICPT_MISC1, ICPT_RDPMC },
		{ CPU_INTR_WINDOW, 0, ICPT_MISC1, ICPT_VINTR },
		{ CPU_PAUSE, 0, ICPT_MISC1, ICPT_PAUSE },
		{ 0, CPU2_PLE, ICPT_MISC1, ICPT_PAUSE },
		{ CPU_MWAIT, 0, ICPT_MISC2, ICPT_MWAIT },
		{ CPU_MONITOR, 0, ICPT_MISC2, ICPT_MONITOR },
		{ 0, CPU2_WBINVD, ICPT_MISC2, ICPT_WBINVD },
		{ 0, CPU2_RDRAND, ICPT_MISC3, ICPT_RDRAND },
		{ 0, CPU2_RDSEED, ICPT_MISC3, ICPT_RDSEED },
		{ CPU_MTF, 0, ICPT_MISC3, ICPT_MTF },
		{ CPU_NMI_WINDOW, 0, ICPT_MISC3, ICPT_NMI_WINDOW },
		{ CPU_MOV_DR, 0, ICPT_DR, 0xffffffff },
		{ CPU_CR3_LOAD, 0, ICPT_CR, ICPT_CR_WRITE(3) },
		{ CPU_CR3_STORE, 0, ICPT_CR, ICPT_CR_READ(3) },
		{ 0, CPU2_DTABLE, ICPT_MISC1, 0xff << 6 },
		/* These change nothing here. */
		{ CPU_UNCOND_IO, 0, ICPT_CR, 0 },
		{ CPU_IO_BITMAPS, 0, ICPT_CR, 0 },
		{ CPU_MSR_BITMAPS, 0, ICPT_CR, 0 },
		{ CPU_TSC_OFFSET, 0, ICPT_CR, 0 },
		{ 0, CPU2_EPT | CPU2_VPID | CPU2_UNRESTRICTED, ICPT_CR, 0 },
	};
	struct nvmx_policy l0 = {};
	struct guest_run out = {};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(map); i++) {
		struct vmcs12 v = quiet();

		v.cpu_ctls |= map[i].cpu;
		v.cpu_ctls2 |= map[i].cpu2;
		nvmx_merge_controls(&v, &l0, &out);
		tap_ok(only(&out, map[i].word, map[i].bits), "controls %x %x", map[i].cpu,
		       map[i].cpu2);
		/* Secondary controls count only when they are activated. */
		v.cpu_ctls &= ~CPU_SECONDARY;
		nvmx_merge_controls(&v, &l0, &out);
		if (map[i].cpu2)
			tap_ok(!(out.intercept[map[i].word] & map[i].bits & ~base(map[i].word)),
			       "secondary %x without activation", map[i].cpu2);
	}
}

static void l0_needs(void)
{
	unsigned int word, bit;

	for (word = 0; word < NR_ICPT_WORDS; word++) {
		for (bit = 0; bit < 32; bit++) {
			struct vmcs12 v = quiet();
			struct nvmx_policy l0 = {};
			struct guest_run out = {};
			u32 windows = word == ICPT_MISC1 ? ICPT_VINTR | ICPT_IRET :
				      word == ICPT_MISC3 ? ICPT_NMI_WINDOW | ICPT_MTF : 0;

			l0.intercept[word] = 1u << bit;
			nvmx_merge_controls(&v, &l0, &out);
			tap_ok(only(&out, word, 1u << bit & ~windows), "word %u bit %u: L0's need",
			       word, bit);
		}
	}
}

static void enabling(void)
{
	struct nvmx_policy l0 = {};
	struct guest_run out = {};
	struct vmcs12 v = quiet();

	v.cpu_ctls |= CPU_RDTSC;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok((out.intercept[ICPT_MISC1] & ICPT_RDTSC) && (out.intercept[ICPT_MISC2] & ICPT_RDTSCP),
	       "RDTSC exiting is RDTSCP's, too");
	v = quiet();
	v.cpu_ctls |= CPU_INVLPG;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok((out.intercept[ICPT_MISC1] & ICPT_INVLPG) &&
	       (out.intercept[ICPT_MISC3] & ICPT_INVPCID), "INVLPG exiting is INVPCID's, too");
	v = quiet();
	v.cpu_ctls2 |= CPU2_XSAVES;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(only(&out, ICPT_MISC3, ICPT_XSAVES) && !out.ud_insns, "XSAVES that is enabled");
	l0.ud_insns = UD_XSAVES;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(out.ud_insns == UD_XSAVES, "XSAVES that L1 does not have");
	l0.ud_insns = 0;
	/* None of quiet()'s has it. */
	v = quiet();
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(only(&out, 0, 0) && out.ud_insns == UD_XSAVES, "XSAVES that is not enabled");
	v.cpu_ctls2 = CPU2_INVPCID;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(only(&out, 0, 0) && out.ud_insns == (UD_RDTSCP | UD_XSAVES), "RDTSCP that is not enabled");
	v.cpu_ctls2 = CPU2_RDTSCP;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(only(&out, 0, 0) && out.ud_insns == (UD_INVPCID | UD_XSAVES), "INVPCID that is not enabled");
	v = quiet();
	v.cpu_ctls2 |= CPU2_XSAVES;
	v.cpu_ctls &= ~CPU_SECONDARY;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(only(&out, 0, 0) && out.ud_insns == (UD_RDTSCP | UD_INVPCID | UD_XSAVES),
	       "enabled, and the secondary controls are not activated");
	v = quiet();
	l0.ud_insns = UD_RDTSCP;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(out.ud_insns == (UD_RDTSCP | UD_XSAVES), "RDTSCP that L1 does not have");
}

static void cr8_and_masks(void)
{
	struct nvmx_policy l0 = {};
	struct guest_run out = {};
	struct vmcs12 v = quiet();

	l0.intercept[ICPT_CR] = cr8 | ICPT_CR_WRITE(0);
	v.cpu_ctls |= CPU_TPR_SHADOW;
	v.cr0_mask = 1;
	v.cr0_read_shadow = 2;
	v.cr4_mask = 3;
	v.cr4_read_shadow = 4;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(out.intercept[ICPT_CR] == ICPT_CR_WRITE(0), "with a TPR shadow CR8 is the shadow's");
	v.cpu_ctls |= CPU_CR8_LOAD;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(out.intercept[ICPT_CR] == (ICPT_CR_WRITE(0) | ICPT_CR_WRITE(8)), "CR8-load exiting");
	v.cpu_ctls ^= CPU_CR8_LOAD | CPU_CR8_STORE;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(out.intercept[ICPT_CR] == (ICPT_CR_WRITE(0) | ICPT_CR_READ(8)), "CR8-store exiting");
	tap_ok(out.cr0_mask == 1 && out.cr0_shadow == 2 && out.cr4_mask == 3 && out.cr4_shadow == 4,
	       "masks and shadows");
}

static void exceptions(void)
{
	struct nvmx_policy l0 = {};
	struct guest_run out = {};
	struct vmcs12 v = quiet();

	v.exception_bitmap = 1u << 3;
	v.pfec_mask = 5;
	v.pfec_match = 4;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(out.intercept[ICPT_EXCEPTION] == (1u << 3 | 1u << 18), "exception bitmap and #MC");
	tap_ok(out.pf_mask == 5 && out.pf_match == 4, "L1's page-fault filter");
	l0.intercept[ICPT_EXCEPTION] = 1u << 14;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(!out.pf_mask && !out.pf_match, "L0 that wants #PF wants all");
}

static void pause_and_tsc(void)
{
	struct nvmx_policy l0 = { .pause_count = 100, .pause_thresh = 7, .tsc_offset = 1000 };
	struct guest_run out = {};
	struct vmcs12 v = quiet();

	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(out.pause_count == 100 && out.pause_thresh == 7, "L0's filter");
	tap_ok(out.tsc_offset == 1000 && !out.tsc_ratio, "L1's TSC");
	v.cpu_ctls2 |= CPU2_PLE;
	v.ple_gap = 128;
	v.ple_window = 0x12345;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(out.ple_window == 0x12345 && out.ple_gap == 128, "PAUSE-loop exiting");
	l0.ple_gap = 200;
	l0.ple_window = 4096;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(out.ple_window == 4096 && out.ple_gap == 200, "the tighter of the two");
	v.cpu_ctls2 &= ~CPU2_PLE;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(out.ple_window == 4096 && out.ple_gap == 200, "L0's window");
	v.cpu_ctls2 |= CPU2_PLE;
	v.ple_window = 0;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(out.ple_window == 1, "a window of 0 is none");
	v.cpu_ctls |= CPU_PAUSE;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(!out.pause_count && !out.pause_thresh && !out.ple_window, "PAUSE exiting is every PAUSE");

	v = quiet();
	v.tsc_offset = (u64)-30;
	v.tsc_multiplier = 3ull << 47;		/* 1.5 */
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(out.tsc_offset == 1000, "no offset without the control");
	v.cpu_ctls |= CPU_TSC_OFFSET;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(out.tsc_offset == 970 && !out.tsc_ratio, "offsets add up");
	v.cpu_ctls2 |= CPU2_TSC_SCALING;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(out.tsc_offset == 1470 && out.tsc_ratio == 3ull << 47, "L1's offset is scaled");
	l0.tsc_ratio = 1ull << 49;		/* 2 */
	l0.tsc_offset = (u64)-1000;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(out.tsc_offset == (u64)-1530 && out.tsc_ratio == 3ull << 48, "ratios multiply");
	v.cpu_ctls &= ~CPU_TSC_OFFSET;
	nvmx_merge_controls(&v, &l0, &out);
	tap_ok(out.tsc_offset == (u64)-1000 && out.tsc_ratio == 1ull << 49,
	       "no scaling without offsetting");
}

static void events(void)
{
	const u32 info = INTR_INFO_VALID | INTR_INFO_ERROR | 3u << 8 | 14;
	struct guest_event ev = nvmx_event_decode(info, 0x1234);

	tap_ok(ev.valid && ev.type == EVENT_EXCEPTION && ev.vector == 14 && ev.has_error &&
	       ev.error == 0x1234, "VM-entry interruption information");
	tap_ok(nvmx_event_encode(&ev) == info, "and back");
	ev = nvmx_event_decode(INTR_INFO_VALID | 6u << 8 | 3, 0x1234);
	tap_ok(ev.type == EVENT_SOFT_EXCEPTION && !ev.has_error && !ev.error, "no error code");
	ev.valid = false;
	tap_ok(!nvmx_event_encode(&ev), "nothing is 0");
}

static void access_rights(void)
{
	u32 ar;

	tap_ok(nvmx_ar_decode(0xf09b) == 0xf9b && nvmx_ar_encode(0xf9b) == 0xf09b, "code segment");
	tap_ok(!(nvmx_ar_decode(VMCS_AR_UNUSABLE | 0xf09b) & SEG_ATTR_P), "unusable is not present");
	tap_ok(nvmx_ar_encode(0) == VMCS_AR_UNUSABLE, "not present is unusable");
	for (ar = 0; ar < 16; ar++)
		tap_ok(nvmx_ar_encode(nvmx_ar_decode(ar << 12 | 0x80)) == (ar << 12 | 0x80),
		       "upper attributes %x", ar);
}

/* Numbers that differ from field to field. */
static struct vmcs12 numbered(void)
{
	struct vmcs12 v = {};
	unsigned int i;

	for (i = 0; i < NR_VMCS12_FIELDS; i++)
		v.f[i] = 0x1000 + i;
	for (i = 0; i < 8; i++)
		v.f[VMCS12_guest_es_ar + i] = 0x80 | i | i << 12;
	v.entry_ctls = ENTRY_LOAD_DEBUG | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER;
	v.exit_ctls = EXIT_SAVE_DEBUG | EXIT_SAVE_PAT | EXIT_SAVE_EFER | EXIT_LOAD_PAT |
		      EXIT_LOAD_EFER | EXIT_HOST_64;
	v.cpu_ctls = CPU_SECONDARY;
	v.cpu_ctls2 = CPU2_EPT;
	v.guest_dr7 = 0x455;
	v.guest_interruptibility = INTERRUPTIBILITY_MOV_SS | INTERRUPTIBILITY_NMI;
	v.guest_activity = ACTIVITY_ACTIVE;
	return v;
}

/* Fields that a merge and a save move; RSP has no place in a run of its own. */
static bool moved(unsigned int i)
{
	if (i == VMCS12_guest_rsp)
		return false;
	return (i >= VMCS12_guest_es_sel && i <= VMCS12_guest_tr_sel) ||
	       (i >= VMCS12_guest_es_limit && i <= VMCS12_guest_activity) ||
	       (i >= VMCS12_guest_cr0 && i <= VMCS12_guest_sysenter_eip) ||
	       i == VMCS12_guest_sysenter_cs || i == VMCS12_guest_debugctl ||
	       i == VMCS12_guest_pat || i == VMCS12_guest_efer ||
	       (i >= VMCS12_guest_pdpte0 && i <= VMCS12_guest_pdpte3);
}

static void there_and_back(void)
{
	const struct vmcs12 v = numbered();
	struct nvmx_shared l1 = {};
	struct guest_run run = {};
	struct vmcs12 back;
	unsigned int i;

	l1.cr0 = v.guest_cr0;
	run.sys = &run.sys_own;
	nvmx_merge_hot(&v, &run);
	nvmx_merge_state(&v, &l1, VMCS12_GROUPS, &run);
	back = v;
	for (i = 0; i < NR_VMCS12_FIELDS; i++)
		if (moved(i))
			back.f[i] = ~0ull;
	nvmx_save_hot(&back, &run);
	nvmx_save_state(&back, &run, VMCS12_GROUPS);
	for (i = 0; i < NR_VMCS12_FIELDS; i++)
		tap_ok(back.f[i] == v.f[i], "field %u: %llx, %llx", i, v.f[i], back.f[i]);
}

static void one_group_at_a_time(void)
{
	const struct vmcs12 v = numbered();
	struct nvmx_shared l1 = { .cr0 = v.guest_cr0 };
	u32 group, before;

	for (group = 1; group <= GRP_PDPTE; group <<= 1) {
		struct guest_run run = {};
		struct vmcs12 back = {};
		unsigned int i;
		bool any = false;

		run.sys = &run.sys_own;
		nvmx_merge_state(&v, &l1, group, &run);
		nvmx_save_state(&back, &run, group);
		for (i = 0; i < NR_VMCS12_FIELDS; i++)
			any |= back.f[i] != 0;
		before = VMCS12_GROUPS & group & ~GRP_ACTIVITY;
		tap_ok(any == !!before, "group %x alone", group);
	}
}

static void cr0_kept(void)
{
	struct vmcs12 v = numbered();
	struct nvmx_shared l1 = { .cr0 = X_CR0_CD | X_CR0_ET };
	struct guest_run run = {};

	v.guest_cr0 = X_CR0_PE | X_CR0_NW;
	nvmx_merge_state(&v, &l1, GRP_CR, &run);
	tap_ok(run.cr0 == (X_CR0_PE | X_CR0_CD | X_CR0_ET), "an entry leaves ET, NW and CD alone");
	v.guest_cr0 = X_CR0_PE | 0x1ffaffc0;
	nvmx_merge_state(&v, &l1, GRP_CR, &run);
	tap_ok(run.cr0 == (X_CR0_PE | X_CR0_CD | X_CR0_ET), "and what is reserved");
}

/* CS marked as unusable is present, enters, and is saved as it was. */
static void cs_marked(void)
{
	struct vmcs12 v = numbered();
	struct nvmx_shared l1 = {};
	struct guest_run run = {};
	u64 ar = VMCS_AR_UNUSABLE | 0xa09b;

	v.f[VMCS12_guest_cs_ar] = ar;
	v.f[VMCS12_guest_ds_ar] = VMCS_AR_UNUSABLE | 0xc093;
	nvmx_merge_state(&v, &l1, GRP_SEG, &run);
	tap_ok(run.seg[SEG_CS].attrib & SEG_ATTR_P, "CS marked as unusable is present");
	tap_ok(!(run.seg[SEG_DS].attrib & SEG_ATTR_P), "DS is not");
	v.f[VMCS12_guest_cs_ar] = 0;
	nvmx_save_state(&v, &run, GRP_SEG);
	tap_ok(v.f[VMCS12_guest_cs_ar] == ar, "and is saved with its mark");
}

static u64 efer(u32 ctls, u64 l1_efer, u64 cr0)
{
	struct vmcs12 v = numbered();
	struct nvmx_shared l1 = { .efer = l1_efer };
	struct guest_run run = {};

	v.entry_ctls = ctls;
	v.guest_cr0 = cr0;
	nvmx_merge_state(&v, &l1, GRP_CR, &run);
	return run.efer;
}

static void efers(void)
{
	const u64 lm = X_EFER_LME | X_EFER_LMA;

	tap_ok(efer(ENTRY_LOAD_EFER, 5, X_CR0_PG) == numbered().guest_efer, "loaded EFER");
	tap_ok(efer(ENTRY_IA32E, 1, X_CR0_PG) == (lm | 1), "IA-32e mode sets LMA and LME");
	tap_ok(efer(0, lm | 1, X_CR0_PG) == 1, "without it they are cleared");
	tap_ok(efer(0, lm | 1, 0) == (X_EFER_LME | 1), "without paging LME stays");
}

static void shared(void)
{
	struct vmcs12 v = numbered();
	struct nvmx_shared l1 = { .pat = 0x11, .dr7 = 0x22, .debugctl = 0x33 };
	struct guest_run run = {};

	v.entry_ctls = 0;
	nvmx_merge_state(&v, &l1, GRP_PAT | GRP_DR | GRP_LBR, &run);
	tap_ok(run.pat == 0x11 && run.dr7 == 0x22 && run.debugctl == 0x33,
	       "registers that no control loads");
	v.entry_ctls = ENTRY_LOAD_DEBUG;
	v.guest_dr7 = ~0ull;
	nvmx_merge_state(&v, &l1, GRP_DR, &run);
	tap_ok(run.dr7 == 0xffff27ff, "fixed bits of DR7");
}

static void hot(void)
{
	struct vmcs12 v = numbered(), back = {};
	struct guest_run run = {};

	nvmx_merge_hot(&v, &run);
	tap_ok(run.int_shadow && run.mov_ss, "blocking by MOV SS");
	run.nmi_blocked = true;
	nvmx_save_hot(&back, &run);
	tap_ok(back.guest_interruptibility == (INTERRUPTIBILITY_MOV_SS | INTERRUPTIBILITY_NMI),
	       "and back, with blocking by NMI");
	v.guest_interruptibility = INTERRUPTIBILITY_STI;
	nvmx_merge_hot(&v, &run);
	tap_ok(run.int_shadow && !run.mov_ss, "blocking by STI");
	nvmx_save_hot(&back, &run);
	tap_ok(back.guest_interruptibility == (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_NMI),
	       "and back");
	v.guest_interruptibility = INTERRUPTIBILITY_NMI;
	nvmx_merge_hot(&v, &run);
	tap_ok(!run.int_shadow, "blocking by NMI is no interrupt shadow");
	v.guest_activity = ACTIVITY_SHUTDOWN;
	nvmx_merge_state(&v, &(struct nvmx_shared){}, GRP_ACTIVITY, &run);
	tap_ok(run.activity == ACTIVITY_ACTIVE, "the CPU is never put into shutdown");
}

static void cpl(void)
{
	struct vmcs12 v = numbered();
	struct guest_run run = {};

	v.guest_ss_ar = VMCS_AR_UNUSABLE | 3 << 5;
	nvmx_merge_state(&v, &(struct nvmx_shared){}, GRP_SEG, &run);
	tap_ok(run.cpl == 3, "CPL is SS.DPL even when SS is unusable");
}

static void lazy(void)
{
	struct vmcs12 v = numbered();

	tap_ok(nvmx_saved_groups(&v) == VMCS12_GROUPS, "all is saved");
	tap_ok(nvmx_lazy_groups(&v) == VMCS12_LAZY, "all that is not hot may wait");
	v.exit_ctls &= ~EXIT_SAVE_DEBUG;
	tap_ok(!(nvmx_saved_groups(&v) & (GRP_DR | GRP_LBR)), "without save debug controls");
	tap_ok(!(nvmx_lazy_groups(&v) & (GRP_DR | GRP_LBR)), "nothing to wait");
	v = numbered();
	v.entry_ctls &= ~ENTRY_LOAD_DEBUG;
	tap_ok(!(nvmx_lazy_groups(&v) & (GRP_DR | GRP_LBR)), "without load debug controls");
	tap_ok(nvmx_saved_groups(&v) & GRP_DR, "saved all the same");
	v = numbered();
	v.exit_ctls &= ~EXIT_SAVE_PAT;
	tap_ok(!((nvmx_saved_groups(&v) | nvmx_lazy_groups(&v)) & GRP_PAT), "without save PAT");
	v = numbered();
	v.entry_ctls &= ~ENTRY_LOAD_PAT;
	tap_ok(!(nvmx_lazy_groups(&v) & GRP_PAT), "without load PAT");
	v = numbered();
	v.cpu_ctls2 = 0;
	tap_ok(!(nvmx_lazy_groups(&v) & GRP_PDPTE), "without EPT PDPTEs are memory's");
}

static void host_state(void)
{
	struct vmcs12 v = numbered();
	struct nvmx_shared l2 = { .cr0 = X_CR0_ET | X_CR0_CD, .efer = 0x801, .pat = 0x77 };
	struct guest_run r = { .cpl = 3, .int_shadow = true, .mov_ss = true, .pending_dbg = 1 };

	r.sys = &r.sys_own;
	r.debugctl = 3;
	r.sys->ldtr = (struct guest_seg){ .sel = 8, .attrib = 0x82, .base = 9 };
	v.host_cr0 = X_CR0_PE | X_CR0_PG | X_CR0_NW;
	nvmx_host_state(&v, &l2, &r);
	tap_ok(r.cr0 == (X_CR0_PE | X_CR0_PG | X_CR0_CD | X_CR0_ET), "CR0 but ET, NW, CD");
	tap_ok(r.cr3 == v.host_cr3 && r.cr4 == (v.host_cr4 | X_CR4_PAE), "CR3, CR4");
	tap_ok(r.efer == v.host_efer && r.pat == v.host_pat, "loaded EFER and PAT");
	tap_ok(r.rip == v.host_rip && r.rflags == 2, "RIP, RFLAGS");
	tap_ok(!r.cpl && !r.int_shadow && !r.mov_ss && !r.pending_dbg, "nothing is blocked");
	tap_ok(r.dr7 == 0x400 && !r.debugctl, "DR7 and DEBUGCTL");
	tap_ok(r.seg[SEG_CS].sel == v.host_cs_sel && r.seg[SEG_CS].attrib == 0xa9b &&
	       !r.seg[SEG_CS].base && r.seg[SEG_CS].limit == 0xffffffff, "CS of a 64-bit host");
	tap_ok(r.seg[SEG_SS].sel == v.host_ss_sel && r.seg[SEG_SS].attrib == 0xc93 &&
	       r.seg[SEG_ES].sel == v.host_es_sel && r.seg[SEG_DS].sel == v.host_ds_sel, "SS, ES, DS");
	tap_ok(r.sys->fs.sel == v.host_fs_sel && r.sys->fs.base == v.host_fs_base &&
	       r.sys->gs.sel == v.host_gs_sel && r.sys->gs.base == v.host_gs_base, "FS, GS");
	tap_ok(r.sys->tr.sel == v.host_tr_sel && r.sys->tr.base == v.host_tr_base &&
	       r.sys->tr.limit == 0x67 && r.sys->tr.attrib == 0x8b, "TR");
	tap_ok(!r.sys->ldtr.sel && !(r.sys->ldtr.attrib & SEG_ATTR_P), "LDTR is unusable");
	tap_ok(r.gdtr.base == v.host_gdtr_base && r.gdtr.limit == 0xffff &&
	       r.idtr.base == v.host_idtr_base && r.idtr.limit == 0xffff, "GDTR, IDTR");
	tap_ok(r.sys->sysenter_cs == v.host_sysenter_cs && r.sys->sysenter_esp == v.host_sysenter_esp &&
	       r.sys->sysenter_eip == v.host_sysenter_eip, "SYSENTER");
	v.host_fs_sel = 0;
	v.exit_ctls = 0;
	v.host_cr4 = X_CR4_PCIDE | X_CR4_PGE;
	nvmx_host_state(&v, &l2, &r);
	tap_ok(!(r.sys->fs.attrib & SEG_ATTR_P) && r.sys->fs.base == v.host_fs_base,
	       "a null FS is unusable and has its base");
	tap_ok(r.seg[SEG_CS].attrib == 0xc9b, "CS of a 32-bit host");
	tap_ok(r.cr4 == X_CR4_PGE, "no PCIDE in it");
	tap_ok(r.efer == 0x801 && r.pat == 0x77, "EFER and PAT stay as L2 had them");
	l2.efer = X_EFER_LMA | X_EFER_LME | 1;
	nvmx_host_state(&v, &l2, &r);
	tap_ok(r.efer == 1, "but for the mode");
	v.exit_ctls = EXIT_HOST_64;
	nvmx_host_state(&v, &l2, &r);
	tap_ok(r.efer == l2.efer, "64-bit mode");
}

int main(void)
{
	l1_controls();
	l0_needs();
	enabling();
	cr8_and_masks();
	exceptions();
	pause_and_tsc();
	events();
	access_rights();
	there_and_back();
	one_group_at_a_time();
	cr0_kept();
	cs_marked();
	efers();
	shared();
	hot();
	cpl();
	lazy();
	host_state();
	return tap_done();
}
