// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM-entry checks on guest control registers, MSRs, descriptor tables, RIP, RFLAGS
 * and PDPTEs: exit reason 33 (SDM volume 3, "Checks on the Guest State Area").
 * Segments are in test_seg_checks.c, what is no register in test_nonreg_checks.c.
 */
#include "vmx/chk.h"

static void p_no_ug(struct vl2 *l2)
{
	ctl_clear(CTRL_PROC2, PROC2_UNRESTRICTED);
}

static void p_no_debug(struct vl2 *l2)
{
	ctl_clear(CTRL_ENTRY, ENTRY_LOAD_DEBUG);
}

static void p_pat(struct vl2 *l2)
{
	ctl_set(CTRL_ENTRY, ENTRY_LOAD_PAT);
	ctl_set(CTRL_EXIT, EXIT_LOAD_PAT);
	vw(GUEST_PAT, rdmsr(MSR_PAT));
	vw(HOST_PAT, rdmsr(MSR_PAT));
}

static void p_no_pat(struct vl2 *l2)
{
	ctl_clear(CTRL_ENTRY, ENTRY_LOAD_PAT);
}

static void p_efer(struct vl2 *l2)
{
	ctl_set(CTRL_ENTRY, ENTRY_LOAD_EFER);
	vw(GUEST_EFER, rdmsr(MSR_EFER));
}

static void p_no_efer(struct vl2 *l2)
{
	ctl_clear(CTRL_ENTRY, ENTRY_LOAD_EFER);
}

static void p_perf(struct vl2 *l2)
{
	ctl_set(CTRL_ENTRY, ENTRY_LOAD_PERF);
	vw(GUEST_PERF_GLOBAL, 0);
}

/* 32-bit code without paging: l2_done's bytes mean the same there. */
static void p_32(struct vl2 *l2)
{
	ctl_clear(CTRL_ENTRY, ENTRY_IA32E);
	vl2_seg(S_CS, SEL_CS32, 0xc09b, ~0u, 0);
	vw_clear(GUEST_CR0, CR0_PG);
	if (cpu_features & VF_EFER)
		vw_clear(GUEST_EFER, EFER_LMA | EFER_LME);
}

static void p_pae(struct vl2 *l2)
{
	extern u64 boot_pml4[];
	u64 *pdpt = (u64 *)(boot_pml4[0] & PT_ADDR), *mine = alloc_page();
	u32 i;

	p_32(l2);
	vw_set(GUEST_CR0, CR0_PG);
	for (i = 0; i < 4; i++) {
		mine[i] = (pdpt[i] & PT_ADDR) | PT_P;
		if (cpu_features & VF_EPT)
			vw(GUEST_PDPTE0 + 2 * i, mine[i]);
	}
	vw(GUEST_CR3, (u64)mine);
}

static void p_compat(struct vl2 *l2)
{
	vl2_seg(S_CS, SEL_CS32, 0xc09b, ~0u, 0);
}

static void p_ext_int(struct vl2 *l2)
{
	vw_set(GUEST_RFLAGS, FL_IF);
}

static void fixed(const void *arg)
{
	u32 field = (u64)arg, bit;
	bool is0 = field == GUEST_CR0;
	u64 f0 = is0 ? caps.cr0_fixed0 : caps.cr4_fixed0, f1 = is0 ? caps.cr0_fixed1 : caps.cr4_fixed1;
	u64 mark = mem_mark(), good;
	struct vl2 l2;

	/* An unrestricted guest may have these two clear; other rows are about them. */
	if (is0)
		f0 &= ~(CR0_PE | CR0_PG);
	for (bit = 0; bit < 64 && !t_failed(); bit++) {
		if (!(f0 & BIT(bit)) && f1 & BIT(bit))
			continue;
		vl2_init_at(&l2, l2_done);
		good = vr(field);
		vw(field, f0 & BIT(bit) ? good & ~BIT(bit) : good | BIT(bit));
		if (!chk_failed_so(&l2, R_GUEST_STATE, 0)) {
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
			vw(GUEST_PAT, (good & ~(0xffull << i * 8)) | (u64)bad[j] << i * 8);
			CHECK(chk_failed_so(&l2, R_GUEST_STATE, 0));
			vmcs_forget_all();
			mem_reset(mark);
		}
}

static void canonical(const void *arg)
{
	static const u64 bad[] = { BIT(47), BIT(62), BIT(63), ~BIT(63), 0xffff000000000000ull };
	u32 field = (u64)arg, i;
	u64 mark = mem_mark(), old;
	struct vl2 l2;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		vl2_init_at(&l2, l2_done);
		old = vr(field);
		vw(field, bad[i]);
		if (!chk_failed_so(&l2, R_GUEST_STATE, 0)) {
			FAIL("%s = %llx was not refused", field_name(field), bad[i]);
			vl2_tell(&l2);
		}
		vw(field, old);
		vl2_expect_done(&l2);
		vmcs_forget_all();
		mem_reset(mark);
	}
}

/*
 * RIP of 64-bit code: bits 63:48 must be the same, but bit 47 may differ from them;
 * then L2 has its #GP at once.
 */
static void rip_64(const void *arg)
{
	static const u64 bad[] = { BIT(48), BIT(62), BIT(63), ~BIT(63) };
	static const u64 enters[] = { BIT(47), 0xffff000000000000ull };
	struct l2_frame fr;
	struct vl2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(enters); i++) {
		vl2_init_at(&l2, l2_done);
		vw(GUEST_RIP, enters[i]);
		if (vl2_expect_trap(&l2, V_GP, &fr))
			CHECK_EQ(fr.rip, enters[i]);
		vmcs_forget_all();
	}
	if (t_departs("refused"))
		return;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		vl2_init_at(&l2, l2_done);
		vw(GUEST_RIP, bad[i]);
		if (!chk_failed_so(&l2, R_GUEST_STATE, 0))
			FAIL("RIP %llx was not refused", bad[i]);
		vmcs_forget_all();
	}
}

/* A reserved bit in the memory that CR3 points to, without EPT */
static void pdpte_memory(const void *arg)
{
	u64 bits[] = { BIT(1), BIT(2), BIT(5), BIT(8), BIT(maxphys), BIT(63) }, *pdpt;
	u64 mark = mem_mark();
	struct vl2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bits) * 4; i++) {
		vl2_init_at(&l2, l2_done);
		p_pae(&l2);
		ctl_clear(CTRL_PROC2, PROC2_EPT | PROC2_UNRESTRICTED);
		pdpt = (u64 *)vr(GUEST_CR3);
		pdpt[i & 3] |= bits[i / 4];
		if (!chk_failed_so(&l2, R_GUEST_STATE, 2)) {
			FAIL("PDPTE %llx was not refused", pdpt[i & 3]);
			vl2_tell(&l2);
		}
		pdpt[i & 3] &= ~bits[i / 4];
		vl2_expect_done(&l2);
		/* An entry that is not present may have any bits. */
		pdpt[3] = bits[i / 4];
		vw(GUEST_RIP, (u64)l2_done);
		vl2_expect_done(&l2);
		vmcs_forget_all();
		mem_reset(mark);
	}
}

#define C(f, ...) CHK(R_GUEST_STATE, f, ##__VA_ARGS__)
#define BAD(n, need, ...) { n, need, chk_refused, C(__VA_ARGS__) }
#define OK(n, need, ...) { "valid_" n, need, chk_accepted, C(__VA_ARGS__) }
#define CANON(n, f) { n "_canonical", 0, canonical, (void *)(f) }
#define PDPTE(n, f) \
	BAD(n "_low", VF_UG, f, BITS(1, 2), .prep = p_pae, .qual = 2), \
	BAD(n "_mid", VF_UG, f, BITS(5, 8), .prep = p_pae, .qual = 2), \
	BAD(n "_range", VF_UG, f, BITS(MAXPHYS, 63), .prep = p_pae, .qual = 2)

static const struct l1_test tests[] = {
	{ "cr0_fixed", 0, fixed, (void *)GUEST_CR0 },
	{ "cr4_fixed", 0, fixed, (void *)GUEST_CR4 },
	BAD("cr0_pg_restricted", VF_UG, GUEST_CR0, CLR(CR0_PG), .prep = p_no_ug),
	BAD("cr0_pe_restricted", VF_UG, GUEST_CR0, CLR(CR0_PE), .prep = p_no_ug),
	BAD("cr0_pg_no_pe", VF_UG, GUEST_CR0, CLR(CR0_PE), SET(CR0_PG), .prep = p_pae),
	BAD("ia32e_no_pg", VF_UG, GUEST_CR0, CLR(CR0_PG)),
	BAD("ia32e_no_pae", 0, GUEST_CR4, CLR(CR4_PAE)),
	OK("no_pg", VF_UG, GUEST_CR0, CLR(CR0_PG), .prep = p_32),
	BAD("cr3_range", 0, GUEST_CR3, BITS(MAXPHYS, 63)),
	BAD("debugctl", 0, GUEST_DEBUGCTL, BITS(16, 63)),
	OK("debugctl_unused", 0, GUEST_DEBUGCTL, VAL(~0ull), .prep = p_no_debug),
	BAD("dr7_high", 0, GUEST_DR7, BITS(32, 63)),
	OK("dr7_unused", 0, GUEST_DR7, SET(BIT(40)), .prep = p_no_debug),
	CANON("sysenter_esp", GUEST_SYSENTER_ESP),
	CANON("sysenter_eip", GUEST_SYSENTER_EIP),
	BAD("perf_global", VF_PERF, GUEST_PERF_GLOBAL, BITS(40, 63), .prep = p_perf),
	{ "pat", VF_PAT, pat_types, NULL },
	OK("pat_unused", VF_PAT, GUEST_PAT, VAL(~0ull), .prep = p_no_pat),
	BAD("efer_reserved", VF_EFER, GUEST_EFER, BITS(1, 63), .prep = p_efer,
	    .keep = EFER_LME | EFER_LMA | EFER_NXE),
	BAD("efer_lma_ia32e", VF_EFER, GUEST_EFER, CLR(EFER_LMA), .prep = p_efer),
	BAD("efer_lme_pg", VF_EFER, GUEST_EFER, CLR(EFER_LME), .prep = p_efer),
	BAD("efer_lma_32", VF_EFER | VF_UG, GUEST_EFER, SET(EFER_LMA), .prep = p_32),
	BAD("efer_lme_pae", VF_EFER | VF_UG, GUEST_EFER, SET(EFER_LME), .prep = p_pae),
	OK("efer_lme_no_pg", VF_EFER | VF_UG, GUEST_EFER, SET(EFER_LME), .prep = p_32),
	OK("efer_unused", VF_EFER, GUEST_EFER, VAL(~0ull), .prep = p_no_efer),
	BAD("ia32e_off", 0, CTRL_ENTRY, CLR(ENTRY_IA32E)),
	CANON("gdtr_base", GUEST_GDTR_BASE),
	CANON("idtr_base", GUEST_IDTR_BASE),
	BAD("gdtr_limit", 0, GUEST_GDTR_LIMIT, BITS(16, 31)),
	BAD("idtr_limit", 0, GUEST_IDTR_LIMIT, BITS(16, 31)),
	{ "rip_64", 0, rip_64, NULL },
	BAD("rip_compat", 0, GUEST_RIP, BITS(32, 63), .prep = p_compat),
	BAD("rip_32", VF_UG, GUEST_RIP, BITS(32, 63), .prep = p_32),
	BAD("rflags_reserved", 0, GUEST_RFLAGS, BITS(22, 63)),
	BAD("rflags_bit_15", 0, GUEST_RFLAGS, SET(BIT(15))),
	BAD("rflags_bit_5", 0, GUEST_RFLAGS, SET(BIT(5))),
	BAD("rflags_bit_3", 0, GUEST_RFLAGS, SET(BIT(3))),
	BAD("rflags_bit_1", 0, GUEST_RFLAGS, CLR(BIT(1))),
	BAD("rflags_vm_ia32e", 0, GUEST_RFLAGS, SET(FL_VM)),
	BAD("rflags_if_ext_int", 0, CTRL_ENTRY_INFO, SET(EV_ON | EV_HW_INTR | 0x80)),
	OK("rflags_if", 0, GUEST_RFLAGS, SET(FL_IF), .prep = p_ext_int),
	PDPTE("pdpte0", GUEST_PDPTE0),
	PDPTE("pdpte3", GUEST_PDPTE3),
	OK("pdpte_not_present", VF_UG, GUEST_PDPTE3, VAL(~1ull), .prep = p_pae),
	{ "pdpte_memory", 0, pdpte_memory, NULL },
};

const struct test_group group_vmx_guest_checks = {
	"vmx_guest_checks", tests, ARRAY_SIZE(tests), false
};
