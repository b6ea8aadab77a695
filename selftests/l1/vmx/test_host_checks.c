// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM-entry checks on the host state: VM-instruction error 8 (SDM volume 3, "Checks
 * on Host Control Registers, MSRs, and SSP", "Checks on Host Segment and Descriptor-Table
 * Registers", "Checks Related to Address-Space Size").
 */
#include "vmx/chk.h"

static void p_pat(struct vl2 *l2)
{
	ctl_set(CTRL_EXIT, EXIT_LOAD_PAT);
	vw(HOST_PAT, rdmsr(MSR_PAT));
}

static void p_no_pat(struct vl2 *l2)
{
	ctl_clear(CTRL_EXIT, EXIT_LOAD_PAT);
}

static void p_efer(struct vl2 *l2)
{
	ctl_set(CTRL_EXIT, EXIT_LOAD_EFER);
	vw(HOST_EFER, rdmsr(MSR_EFER));
}

static void p_no_efer(struct vl2 *l2)
{
	ctl_clear(CTRL_EXIT, EXIT_LOAD_EFER);
}

static void p_perf(struct vl2 *l2)
{
	ctl_set(CTRL_EXIT, EXIT_LOAD_PERF);
	vw(HOST_PERF_GLOBAL, 0);
}

static void fixed(const void *arg)
{
	u32 field = (u64)arg, bit;
	bool is0 = field == HOST_CR0;
	u64 f0 = is0 ? caps.cr0_fixed0 : caps.cr4_fixed0, f1 = is0 ? caps.cr0_fixed1 : caps.cr4_fixed1;
	u64 mark = mem_mark(), good;
	struct vl2 l2;

	for (bit = 0; bit < 64 && !t_failed(); bit++) {
		if (!(f0 & BIT(bit)) && f1 & BIT(bit))
			continue;
		vl2_init_at(&l2, l2_done);
		good = vr(field);
		/* A bit that is fixed, the wrong way */
		vw(field, f0 & BIT(bit) ? good & ~BIT(bit) : good | BIT(bit));
		if (!chk_failed_so(&l2, E_HOST_STATE, 0)) {
			FAIL("%s = %llx was not refused", field_name(field), vr(field));
			vl2_tell(&l2);
		}
		vw(field, good);
		vl2_expect_done(&l2);
		vmcs_forget_all();
		mem_reset(mark);
	}
}

static void pat_types(const void *arg)
{
	static const u8 bad[] = { 2, 3, 8, 0x10, 0x40, 0x80 };
	u64 mark = mem_mark(), good = rdmsr(MSR_PAT);
	struct vl2 l2;
	u32 i, j;

	for (i = 0; i < 8; i++)
		for (j = 0; j < ARRAY_SIZE(bad) && !t_failed(); j++) {
			vl2_init_at(&l2, l2_done);
			p_pat(&l2);
			vw(HOST_PAT, (good & ~(0xffull << i * 8)) | (u64)bad[j] << i * 8);
			vl2_expect_error(&l2, E_HOST_STATE);
			vmcs_forget_all();
			mem_reset(mark);
		}
}

/* Bits that this CPU's EFER has: SCE, LME, LMA and, by CPUID, NXE */
static void efer_reserved(const void *arg)
{
	u64 known = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE, mark = mem_mark();
	struct vl2 l2;
	u32 bit;

	for (bit = 0; bit < 64 && !t_failed(); bit++) {
		if (known & BIT(bit))
			continue;
		vl2_init_at(&l2, l2_done);
		p_efer(&l2);
		vw_set(HOST_EFER, BIT(bit));
		vl2_expect_error(&l2, E_HOST_STATE);
		vmcs_forget_all();
		mem_reset(mark);
	}
}

/* Not canonical: 48 bits of linear address */
static void canonical(const void *arg)
{
	static const u64 bad[] = { BIT(47), BIT(62), BIT(63), ~BIT(63), 0xffff000000000000ull };
	static const u64 good[] = { 0, BIT(47) - 1, -BIT(47), ~0ull };
	u32 field = (u64)arg, i;
	u64 mark = mem_mark(), old;
	struct vl2 l2;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		vl2_init_at(&l2, l2_done);
		old = vr(field);
		vw(field, bad[i]);
		if (!chk_failed_so(&l2, E_HOST_STATE, 0))
			FAIL("%s = %llx was not refused", field_name(field), bad[i]);
		/* Only these can be loaded without harm. */
		if (field != HOST_TR_BASE && field != HOST_GDTR_BASE && field != HOST_IDTR_BASE &&
		    i < ARRAY_SIZE(good)) {
			vw(field, good[i]);
			vl2_expect_done(&l2);
		}
		vw(field, old);
		vw(GUEST_RIP, (u64)l2_done);
		vl2_expect_done(&l2);
		vmcs_forget_all();
		mem_reset(mark);
	}
	wrmsr(MSR_FS_BASE, 0);
	wrmsr(MSR_GS_BASE, 0);
	wrmsr(MSR_SYSENTER_ESP, 0);
	wrmsr(MSR_SYSENTER_EIP, 0);
}

/* The entry is refused before HOST_RIP counts, which vmx_run_asm() writes itself. */
static void host_rip(const void *arg)
{
	struct vl2 l2;
	u64 fl_;

	vl2_init_at(&l2, l2_done);
	vw(HOST_RSP, 0);
	vw(HOST_RIP, BIT(47));
	VM_ASM("vmlaunch");
	CHECK_EQ(vm_status(fl_), VM_FAIL_VALID);
	CHECK_EQ(insn_error(), E_HOST_STATE);
	vw(HOST_RIP, BIT(63));
	VM_ASM("vmlaunch");
	CHECK_EQ(vm_status(fl_), VM_FAIL_VALID);
	CHECK_EQ(insn_error(), E_HOST_STATE);
	vl2_expect_done(&l2);
}

/* Which error comes: controls before host state, host state before guest state. */
static void order(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, l2_done);
	vw(HOST_CS_SEL, 0);
	vw(GUEST_RFLAGS, 0);
	vl2_expect_error(&l2, E_HOST_STATE);
	vw(HOST_CS_SEL, SEL_CS);
	CHECK(chk_failed_so(&l2, R_GUEST_STATE, 0));
}

#define C(f, ...) CHK(E_HOST_STATE, f, ##__VA_ARGS__)
#define BAD(n, need, ...) { n, need, chk_refused, C(__VA_ARGS__) }
#define OK(n, need, ...) { "valid_" n, need, chk_accepted, C(__VA_ARGS__) }
#define SELECTOR(n, f) BAD(n "_ti_rpl", 0, f, BITS(0, 2))
#define CANON(n, f) { n "_canonical", 0, canonical, (void *)(f) }

static const struct l1_test tests[] = {
	{ "cr0_fixed", 0, fixed, (void *)HOST_CR0 },
	{ "cr4_fixed", 0, fixed, (void *)HOST_CR4 },
	BAD("cr3_range", 0, HOST_CR3, BITS(MAXPHYS, 63)),
	CANON("sysenter_esp", HOST_SYSENTER_ESP),
	CANON("sysenter_eip", HOST_SYSENTER_EIP),
	BAD("perf_global", VF_PERF, HOST_PERF_GLOBAL, BITS(40, 63), .prep = p_perf),
	{ "pat", VF_PAT, pat_types, NULL },
	OK("pat_unused", VF_PAT, HOST_PAT, VAL(~0ull), .prep = p_no_pat),
	{ "efer_reserved", VF_EFER, efer_reserved, NULL },
	BAD("efer_lma", VF_EFER, HOST_EFER, CLR(EFER_LMA), .prep = p_efer),
	BAD("efer_lme", VF_EFER, HOST_EFER, CLR(EFER_LME), .prep = p_efer),
	OK("efer_unused", VF_EFER, HOST_EFER, VAL(~0ull), .prep = p_no_efer),
	SELECTOR("es", HOST_ES_SEL),
	SELECTOR("cs", HOST_CS_SEL),
	SELECTOR("ss", HOST_SS_SEL),
	SELECTOR("ds", HOST_DS_SEL),
	SELECTOR("fs", HOST_FS_SEL),
	SELECTOR("gs", HOST_GS_SEL),
	SELECTOR("tr", HOST_TR_SEL),
	BAD("cs_null", 0, HOST_CS_SEL, VAL(0)),
	BAD("tr_null", 0, HOST_TR_SEL, VAL(0)),
	OK("ss_null", 0, HOST_SS_SEL, VAL(0)),
	OK("ds_null", 0, HOST_DS_SEL, VAL(0)),
	CANON("fs_base", HOST_FS_BASE),
	CANON("gs_base", HOST_GS_BASE),
	CANON("tr_base", HOST_TR_BASE),
	CANON("gdtr_base", HOST_GDTR_BASE),
	CANON("idtr_base", HOST_IDTR_BASE),
	BAD("address_space_size", 0, CTRL_EXIT, CLR(EXIT_HOST_64)),
	BAD("cr4_pae", 0, HOST_CR4, CLR(CR4_PAE)),
	{ "rip_canonical", 0, host_rip, NULL },
	{ "order", 0, order, NULL },
};

const struct test_group group_vmx_host_checks = {
	"vmx_host_checks", tests, ARRAY_SIZE(tests), false
};
