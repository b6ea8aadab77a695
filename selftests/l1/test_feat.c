// SPDX-License-Identifier: GPL-2.0-only
/*
 * The smaller features: VMCB clean bits, LBR virtualization, pause filter, TSC
 * offset and ratio.
 */
#include "l1.h"

/* ---- clean bits: a group whose bit is clear is read anew ---- */

L2_ASM(fe_cpuid, "cpuid");
L2_ASM(fe_cr0, "mov %cr0, %rbx");
L2_ASM(fe_cr2, "mov %cr2, %rbx");
L2_ASM(fe_dr6, "mov %dr6, %rbx");
L2_ASM(fe_inb, "inb $0x80, %al");
L2_ASM(fe_sidt, "sidt (%rax)");
L2_ASM(fe_rdtsc, "rdtsc");
L2_ASM(fe_rdtsc_msr, "mov $0x10, %ecx; rdmsr");
L2_ASM(fe_tsc_spin,
	"rdtsc; mov %eax, %esi; mov %edx, %edi; mov $200000, %ecx; 1: dec %ecx; jnz 1b; rdtsc");
L2_ASM(fe_pause, "1: inc %ecx; fe_pause_at: pause; jmp 1b");
L2_ASM(fe_pause_slow,
	"1: inc %ecx; mov $200000, %edx; 2: dec %edx; jnz 2b; pause; cmp $20, %ecx; jb 1b");
L2_ASM(fe_dbgctl, "mov $0x1d9, %ecx; rdmsr");
L2_ASM(fe_branch, "fe_br_from: jmp fe_br_to; nop; fe_br_to: nop");
extern const char fe_pause_at[], fe_br_from[], fe_br_to[];

enum { CL_INTERCEPT, CL_IOPM, CL_ASID, CL_TPR, CL_NP, CL_CRX, CL_DRX, CL_DT, CL_SEG, CL_CR2 };

static void rerun(struct l2 *l2, const char *code, int changed)
{
	l2->vmcb->c.clean = 0x3ff & ~(1u << changed);
	l2->vmcb->s.rip = (u64)code;
	l2->rbx = 0;
	l2_run(l2);
}

static void clean_bits(const void *arg)
{
	u8 *map = alloc_pages(3);
	u64 *npt = pt_new_identity(), idt[2];
	struct l2 l2;

	l2_init_at(&l2, fe_cpuid);
	l2.vmcb->c.iopm_base_pa = (u64)alloc_pages(3);
	l2_intercept1(&l2, I1_IOIO);
	l2_expect_done(&l2);

	l2_intercept1(&l2, I1_CPUID);
	rerun(&l2, fe_cpuid, CL_INTERCEPT);
	CHECK_EQ(l2.vmcb->c.exitcode, X_CPUID);

	map[0x80 / 8] = 1;
	l2.vmcb->c.iopm_base_pa = (u64)map;
	rerun(&l2, fe_inb, CL_IOPM);
	CHECK_EQ(l2.vmcb->c.exitcode, X_IOIO);

	l2_intercept1(&l2, I1_VINTR);
	l2.vmcb->s.rflags |= FL_IF;
	rerun(&l2, fe_cr0, CL_INTERCEPT);
	CHECK_EQ(l2.vmcb->c.exitcode, X_VMMCALL);
	l2.vmcb->c.int_ctl |= V_IRQ | V_INTR_PRIO(5) | V_VECTOR(0x61);
	rerun(&l2, fe_cr0, CL_TPR);
	if (!t_departs("tpr"))
		CHECK_EQ(l2.vmcb->c.exitcode, X_VINTR);
	l2.vmcb->c.int_ctl = V_INTR_MASKING;
	l2.vmcb->s.rflags &= ~FL_IF;
	rerun(&l2, fe_cr0, CL_TPR);

	l2.vmcb->s.cr0 |= CR0_AM;
	rerun(&l2, fe_cr0, CL_CRX);
	CHECK_EQ(l2.rbx & CR0_AM, CR0_AM);
	l2.vmcb->s.dr6 = 0xffff0ff2;
	rerun(&l2, fe_dr6, CL_DRX);
	CHECK_EQ(l2.rbx, 0xffff0ff2);
	l2.vmcb->s.idtr.limit = 0x7ff;
	l2.vmcb->s.rax = (u64)idt;
	rerun(&l2, fe_sidt, CL_DT);
	CHECK_EQ(idt[0] & 0xffff, 0x7ff);
	if (!t_departs("cr2")) {
		l2.vmcb->s.cr2 = 0x9999;
		rerun(&l2, fe_cr2, CL_CR2);
		CHECK_EQ(l2.rbx, 0x9999);
	}
	/* CPL belongs to the segments: at CPL 3 the CR read faults. */
	l2_set_user(&l2);
	rerun(&l2, fe_cr0, CL_SEG);
	CHECK_EQ(l2.vmcb->s.rip, l2_trap_vmmcall);

	l2_init_at(&l2, fe_cpuid);
	l2_expect_done(&l2);
	*pt_split(npt, (u64)fe_cpuid, L_4K) = 0;
	l2.vmcb->c.n_cr3 = (u64)npt;
	l2.vmcb->c.asid = 3;
	l2.vmcb->c.tlb_control = TLB_ALL;
	l2.vmcb->c.clean = 0x3ff & ~(BIT(CL_NP) | BIT(CL_ASID));
	l2.vmcb->s.rip = (u64)fe_cpuid;
	l2_expect(&l2, X_NPF);
}

/* Another VMCB page is another VMCB, whatever its clean bits say. */
static void clean_other_vmcb(const void *arg)
{
	struct l2 a, b;
	int i;

	l2_init_at(&a, fe_cr0);
	l2_init_at(&b, fe_cr0);
	b.vmcb->s.cr0 |= CR0_AM;
	for (i = 0; i < 20 && !t_failed(); i++) {
		rerun(&a, fe_cr0, CL_CRX);
		CHECK_EQ(a.rbx & CR0_AM, 0);
		rerun(&b, fe_cr0, CL_CRX);
		CHECK_EQ(b.rbx & CR0_AM, CR0_AM);
	}
}

/* ---- LBR ---- */

static void lbr_switch(const void *arg)
{
	u64 host = rdmsr(MSR_DEBUGCTL);
	struct l2 l2;

	l2_init_at(&l2, fe_dbgctl);
	l2.vmcb->c.lbr_ctl = LBR_ENABLE;
	l2.vmcb->s.dbgctl = 1;
	if (l2_expect_done(&l2))
		CHECK_EQ((u32)l2.vmcb->s.rax, 1);
	CHECK_EQ(rdmsr(MSR_DEBUGCTL), host);
}

static void lbr_record(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, fe_branch);
	l2.vmcb->c.lbr_ctl = LBR_ENABLE;
	l2.vmcb->s.dbgctl = 1;
	if (!l2_expect_done(&l2))
		return;
	CHECK_EQ(l2.vmcb->s.br_from, fe_br_from);
	CHECK_EQ(l2.vmcb->s.br_to, fe_br_to);
}

/* ---- pause filter ---- */

static void pause_filter(const void *arg)
{
	u64 mark = mem_mark();
	struct l2 l2;
	u32 n;

	for (n = 0; n < 40; n += 13) {
		l2_init_at(&l2, fe_pause);
		l2_intercept1(&l2, I1_PAUSE);
		l2.vmcb->c.pause_count = n;
		if (!l2_expect(&l2, X_PAUSE))
			return;
		CHECK_EQ(l2.vmcb->s.rip, fe_pause_at);
		/* Whether the last counted one still runs is the CPU's choice. */
		if (l2.rcx < n || l2.rcx > n + 2)
			FAIL("filter count %u: exit at the %llu. PAUSE", n, l2.rcx);
		mem_reset(mark);
	}
}

static void pause_threshold(const void *arg)
{
	struct l2 l2;

	l2_init_at(&l2, fe_pause_slow);
	l2_intercept1(&l2, I1_PAUSE);
	l2.vmcb->c.pause_count = 5;
	l2.vmcb->c.pause_thresh = 100;
	/* Far apart: the count starts again each time. */
	l2_expect_done(&l2);
}

/* ---- TSC ---- */

static u64 l2_value(const struct l2 *l2)
{
	return (u32)l2->vmcb->s.rax | l2->rdx << 32;
}

static void tsc_offset(const void *arg)
{
	static const u64 offsets[] = { 0, BIT(40), -BIT(36), 12345678, 1ull << 62 };
	const char *code = arg;
	u64 mark = mem_mark(), before, after, seen;
	struct l2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		l2_init_at(&l2, code);
		l2.vmcb->c.tsc_offset = offsets[i];
		before = rdtsc();
		if (!l2_expect_done(&l2))
			return;
		after = rdtsc();
		seen = l2_value(&l2) - offsets[i];
		if (seen < before || seen > after)
			FAIL("offset %llx: L2 saw %llx, L1 %llx to %llx", offsets[i],
			     l2_value(&l2), before, after);
		mem_reset(mark);
	}
}

static void tsc_ratio(const void *arg)
{
	u64 one = BIT(32), t0, t1, l2_ticks;
	struct l2 l2;

	CHECK_EQ(rdmsr(MSR_TSC_RATIO), one);
	wrmsr(MSR_TSC_RATIO, one / 4);
	CHECK_EQ(rdmsr(MSR_TSC_RATIO), one / 4);
	l2_init_at(&l2, fe_tsc_spin);
	t0 = rdtsc();
	l2_expect_done(&l2);
	t1 = rdtsc();
	wrmsr(MSR_TSC_RATIO, one);
	l2_ticks = l2_value(&l2) - ((u32)l2.rsi | l2.rdi << 32);
	if (l2_ticks > (t1 - t0) / 3)
		FAIL("at a quarter of the rate L2 saw %llu ticks of L1's %llu", l2_ticks, t1 - t0);
}

static void ratio_wr(void *arg) { wrmsr(MSR_TSC_RATIO, *(u64 *)arg); }

static void tsc_ratio_reserved(const void *arg)
{
	u64 v;
	int bit;

	for (bit = 40; bit < 64; bit++) {
		v = BIT(32) | BIT(bit);
		if (try_call(ratio_wr, &v, NULL) != V_GP)
			FAIL("TSC ratio bit %d accepted", bit);
	}
	CHECK_EQ(rdmsr(MSR_TSC_RATIO), BIT(32));
}

static const struct l1_test tests[] = {
	{ "clean_bits", F_NPT, clean_bits, NULL },
	{ "clean_other_vmcb", 0, clean_other_vmcb, NULL },
	{ "lbr_switch", F_LBRV, lbr_switch, NULL },
	{ "lbr_record", F_LBRV, lbr_record, NULL },
	{ "pause_filter", F_PAUSE, pause_filter, NULL },
	{ "pause_threshold", F_PAUSE | F_PFTHRESH, pause_threshold, NULL },
	{ "tsc_offset_rdtsc", 0, tsc_offset, fe_rdtsc },
	{ "tsc_offset_msr", 0, tsc_offset, fe_rdtsc_msr },
	{ "tsc_ratio", F_TSCRATE, tsc_ratio, NULL },
	{ "tsc_ratio_reserved", F_TSCRATE, tsc_ratio_reserved, NULL },
};

const struct test_group group_feat = { "feat", tests, ARRAY_SIZE(tests), false };
