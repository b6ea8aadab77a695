// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several CPUs of L1, each with L2s of its own or sharing tables; and a second CPU
 * that rewrites the VMCB while the first executes VMRUN with it: each entry must be
 * judged by one consistent reading, so it runs or is refused, and nothing else.
 */
#include "l1.h"

#define GVA	0x180000000ull
#define HIGH	BIT(39)
#define RW	(PT_P | PT_W | PT_U | PT_A | PT_D)

L2_ASM(sm_count, "lock incq (%rdi); cpuid; lock incq 8(%rdi)");
L2_ASM(sm_read, "mov (%rax), %rbx");
/* Reads until the value changes, without ever leaving by itself. */
L2_ASM(sm_wait, "1: pause; mov (%rdi), %rbx; cmp %rbx, %rsi; je 1b");

struct job {
	struct l2 l2;
	volatile u64 counter[2];
	u32 rounds, bad;
	u64 *npt, *cr3, *page;
	u64 last_exit;
};

static u32 used_cpus(const void *arg)
{
	return (u32)(long)arg;
}

/* ---- each CPU its own L2 ---- */

static void count_fn(void *arg)
{
	struct job *j = arg;
	u32 i;

	j->l2.host = this_cpu()->host_vmcb;
	for (i = 0; i < j->rounds; i++) {
		j->l2.vmcb->s.rip = (u64)sm_count;
		vmrun_asm(&j->l2);
		if (j->l2.vmcb->c.exitcode != X_CPUID)
			break;
		j->l2.vmcb->s.rip += 2;
		vmrun_asm(&j->l2);
		if (j->l2.vmcb->c.exitcode != X_VMMCALL)
			break;
		j->l2.vmcb->c.tlb_control = i % 16 ? TLB_NOTHING : TLB_ALL;
	}
	j->bad = i != j->rounds;
	j->last_exit = j->l2.vmcb->c.exitcode;
}

static void own_l2s(const void *arg)
{
	u32 cpus = used_cpus(arg), i;
	static struct job jobs[MAX_CPUS];

	memset(jobs, 0, sizeof(jobs));
	for (i = 0; i < cpus; i++) {
		l2_init_at(&jobs[i].l2, sm_count);
		l2_intercept1(&jobs[i].l2, I1_CPUID);
		/* The same number on each CPU: ASIDs are each CPU's own. */
		jobs[i].l2.vmcb->c.asid = 1;
		jobs[i].l2.rdi = (u64)jobs[i].counter;
		jobs[i].rounds = 400;
	}
	smp_all(cpus, count_fn, jobs, sizeof(*jobs));
	for (i = 0; i < cpus; i++) {
		if (jobs[i].bad)
			FAIL("CPU %u: exit %llx", i, jobs[i].last_exit);
		CHECK_EQ(jobs[i].counter[0], 400);
		CHECK_EQ(jobs[i].counter[1], 400);
	}
}

/* ---- one set of nested tables, many L2s ---- */

static u64 shared_counter[2];

static void shared_tables(const void *arg)
{
	u32 cpus = used_cpus(arg), i;
	static struct job jobs[MAX_CPUS];
	u64 *npt = pt_new_identity();

	memset(jobs, 0, sizeof(jobs));
	shared_counter[0] = 0;
	shared_counter[1] = 0;
	for (i = 0; i < cpus; i++) {
		l2_init_at(&jobs[i].l2, sm_count);
		l2_intercept1(&jobs[i].l2, I1_CPUID);
		jobs[i].l2.vmcb->c.asid = 1 + i;
		jobs[i].l2.vmcb->c.n_cr3 = (u64)npt;
		jobs[i].l2.rdi = (u64)shared_counter;
		jobs[i].rounds = 300;
	}
	smp_all(cpus, count_fn, jobs, sizeof(*jobs));
	CHECK_EQ(shared_counter[0], 300 * cpus);
	CHECK_EQ(shared_counter[1], 300 * cpus);
}

/* ---- same ASID number, different tables ---- */

static void read_fn(void *arg)
{
	struct job *j = arg;
	u32 i;

	j->l2.host = this_cpu()->host_vmcb;
	for (i = 0; i < j->rounds; i++) {
		j->l2.vmcb->s.rip = (u64)sm_read;
		vmrun_asm(&j->l2);
		j->l2.vmcb->c.tlb_control = TLB_NOTHING;
		if (j->l2.vmcb->c.exitcode != X_VMMCALL || j->l2.rbx != *j->page)
			j->bad++;
	}
}

static void same_asid(const void *arg)
{
	u32 cpus = used_cpus(arg), i;
	static struct job jobs[MAX_CPUS];

	memset(jobs, 0, sizeof(jobs));
	for (i = 0; i < cpus; i++) {
		struct job *j = &jobs[i];

		j->page = alloc_page();
		*j->page = 0x1000 + i;
		j->cr3 = pt_new_identity();
		pt_map(j->cr3, GVA, HIGH, 0x200000, L_2M, RW);
		j->npt = pt_new_identity();
		pt_map(j->npt, HIGH, (u64)j->page, PAGE_SIZE, L_4K, RW);
		l2_init_at(&j->l2, sm_read);
		j->l2.vmcb->c.asid = 1;
		j->l2.vmcb->s.cr3 = (u64)j->cr3;
		j->l2.vmcb->c.n_cr3 = (u64)j->npt;
		j->l2.vmcb->s.rax = GVA;
		j->rounds = 300;
	}
	smp_all(cpus, read_fn, jobs, sizeof(*jobs));
	for (i = 0; i < cpus; i++)
		CHECK_EQ(jobs[i].bad, 0);
}

/* ---- a shootdown: remap, kick the CPU that runs L2, flush there ---- */

static volatile u32 kicks;

static void wait_fn(void *arg)
{
	struct job *j = arg;

	j->l2.host = this_cpu()->host_vmcb;
	for (;;) {
		vmrun_asm(&j->l2);
		j->l2.vmcb->c.tlb_control = TLB_ALL;
		j->last_exit = j->l2.vmcb->c.exitcode;
		if (j->last_exit != X_INTR)
			break;
		kicks++;
	}
}

static void shootdown(const void *arg)
{
	static struct job j;
	u64 *a = alloc_page(), *b = alloc_page();
	u32 i;

	for (i = 0; i < 10 && !t_failed(); i++) {
		u64 mark = mem_mark();

		memset(&j, 0, sizeof(j));
		kicks = 0;
		*a = 0xaaaa;
		*b = 0xbbbb;
		j.cr3 = pt_new_identity();
		pt_map(j.cr3, GVA, HIGH, 0x200000, L_2M, RW);
		j.npt = pt_new_identity();
		pt_map(j.npt, HIGH, (u64)a, PAGE_SIZE, L_4K, RW);
		l2_init_at(&j.l2, sm_wait);
		j.l2.vmcb->s.cr3 = (u64)j.cr3;
		j.l2.vmcb->c.n_cr3 = (u64)j.npt;
		j.l2.rdi = GVA;
		j.l2.rsi = 0xaaaa;
		smp_call(1, wait_fn, &j);
		delay_us(2000);
		*pt_entry(j.npt, HIGH, L_4K) = (u64)b | RW;
		apic_ipi(cpu_at(1)->apic_id, 0x4000 | VEC_IPI2);
		smp_wait(1);
		CHECK_EQ(j.last_exit, X_VMMCALL);
		CHECK_EQ(j.l2.rbx, 0xbbbb);
		mem_reset(mark);
	}
}

/* ---- a VMCB rewritten while it is run ---- */

struct flip { u32 off; u64 mask; u64 ok_exit; };

static void race(const void *arg)
{
	const struct flip *f = arg;
	u32 i, ran = 0, refused = 0;
	struct vmcb *good = alloc_page();
	struct l2 l2;
	u64 *word;

	l2_init_at(&l2, l2_done);
	l2.vmcb->s.cr2 = 0;
	*good = *l2.vmcb;
	word = (u64 *)((u8 *)l2.vmcb + f->off);
	flip_start(word, *word, *word ^ f->mask);
	for (i = 0; i < 3000 && time_left(i); i++) {
		u64 code;

		l2.vmcb->s = good->s;
		vmrun_asm(&l2);
		code = l2.vmcb->c.exitcode;
		if (code == X_VMMCALL && l2.vmcb->s.rip == (u64)l2_done)
			ran++;
		else if (code == X_INVALID ||
			 (code == 0xffffffff && departure("checks/exitcode_64_bits")))
			refused++;
		else if (!f->ok_exit || code != f->ok_exit)
			FAIL("round %u: exit %llx at %llx", i, code, l2.vmcb->s.rip);
		if (t_failed())
			break;
	}
	flip_stop();
	if (!t_failed())
		say("#   %u ran, %u were refused\n", ran, refused);
	*l2.vmcb = *good;
	l2_expect_done(&l2);
}

#define OFF(f) __builtin_offsetof(struct vmcb, f)
static const struct flip r_asid = { OFF(c.asid), 1, 0 };
static const struct flip r_vmrun = { OFF(c.misc2), BIT(I2_VMRUN), 0 };
static const struct flip r_np = { OFF(c.np_enable), 1, 0 };
static const struct flip r_ncr3 = { OFF(c.n_cr3), BIT(60), 0 };
static const struct flip r_iopm = { OFF(c.iopm_base_pa), BIT(60), 0 };
static const struct flip r_msrpm = { OFF(c.msrpm_base_pa), BIT(60), 0 };
static const struct flip r_event = { OFF(c.eventinj), EV_VALID | EV_TYPE(5), 0 };
static const struct flip r_avic = { OFF(c.int_ctl), V_AVIC, 0 };
static const struct flip r_lbr = { OFF(c.lbr_ctl), VLS_ENABLE, 0 };
static const struct flip r_cr0 = { OFF(s.cr0), BIT(40), 0 };
static const struct flip r_cr0nw = { OFF(s.cr0), CR0_NW, 0 };
static const struct flip r_cr4 = { OFF(s.cr4), BIT(40), 0 };
static const struct flip r_efer = { OFF(s.efer), EFER_SVME, 0 };
static const struct flip r_cr3 = { OFF(s.cr3), BIT(60), 0 };
static const struct flip r_dr7 = { OFF(s.dr7), BIT(40), 0 };

#define ON2(n, f) { n "_2", F_SMP2, f, (void *)2 }
#define ON4(n, f) { n "_4", F_SMP4, f, (void *)4 }

static const struct l1_test tests[] = {
	ON2("own_l2s", own_l2s),
	ON4("own_l2s", own_l2s),
	ON2("shared_tables", shared_tables),
	ON4("shared_tables", shared_tables),
	ON2("same_asid", same_asid),
	ON4("same_asid", same_asid),
	{ "shootdown", F_SMP2 | F_NPT, shootdown, NULL },
	{ "race_asid", F_SMP2, race, &r_asid },
	{ "race_vmrun_intercept", F_SMP2, race, &r_vmrun },
	{ "race_np_enable", F_SMP2 | F_NPT, race, &r_np },
	{ "race_ncr3", F_SMP2 | F_NPT, race, &r_ncr3 },
	{ "race_iopm", F_SMP2, race, &r_iopm },
	{ "race_msrpm", F_SMP2, race, &r_msrpm },
	{ "race_eventinj", F_SMP2, race, &r_event },
	{ "race_avic", F_SMP2, race, &r_avic },
	{ "race_virtual_vmload", F_SMP2, race, &r_lbr },
	{ "race_cr0", F_SMP2, race, &r_cr0 },
	{ "race_cr0_nw", F_SMP2, race, &r_cr0nw },
	{ "race_cr4", F_SMP2, race, &r_cr4 },
	{ "race_efer", F_SMP2, race, &r_efer },
	{ "race_cr3", F_SMP2, race, &r_cr3 },
	{ "race_dr7", F_SMP2, race, &r_dr7 },
};

const struct test_group group_smp = { "smp", tests, ARRAY_SIZE(tests), false };
