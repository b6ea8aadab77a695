// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several CPUs of L1 under VT-x: each with L2s of its own, with one EPT for all, with one VPID for
 * different tables; a VMCS that moves from CPU to CPU; INIT and SIPI, which one CPU sends to another
 * (SDM volume 3, "Other Causes of VM Exits", "Software Use of Virtual-Machine Control Structures").
 */
#include "vmx/again.h"

#define GPA	0x180000000ull
#define SPIN_US	3000

VL2_ASM(vm_count, "lock incq (%rdi); cpuid; lock incq 8(%rdi)");
VL2_ASM(vm_read, "mov (%rdi), %rbx");
/* Reads until the value changes, without ever leaving by itself. */
VL2_ASM(vm_wait, "1: pause; mov (%rdi), %rbx; cmp %rbx, %rsi; je 1b");
VL2_ASM(vm_spin, "1: pause; jmp 1b");

struct job {
	struct vl2 l2;
	volatile u64 counter[2];
	u64 *ept, *page;
	u32 rounds, bad, reason, vpid;
	volatile u32 stage;
};

static struct job jobs[MAX_CPUS];

static u32 used_cpus(const void *arg)
{
	return (u32)(long)arg;
}

static void prepare(struct job *j, const void *code, volatile u64 *counter)
{
	vl2_init_at(&j->l2, code);
	j->l2.rdi = (u64)counter;
	if (j->ept)
		vw(CTRL_EPTP, eptp_of(j->ept));
	if (cpu_features & VF_VPID) {
		ctl_set(CTRL_PROC2, PROC2_VPID);
		vw(CTRL_VPID, j->vpid ? j->vpid : 1);
	}
}

/* ---- each CPU its own L2 ---- */

static void count_prepare(void *arg)
{
	struct job *j = arg;

	prepare(j, vm_count, j->page ? j->page : j->counter);
}

static void count_fn(void *arg)
{
	struct job *j = arg;
	u32 i;

	for (i = 0; i < j->rounds; i++) {
		vw(GUEST_RIP, (u64)vm_count);
		vl2_run(&j->l2);
		if (j->l2.reason != R_CPUID)
			break;
		vw(GUEST_RIP, vr(GUEST_RIP) + vr(EXIT_LEN));
		vl2_run(&j->l2);
		if (j->l2.reason != R_VMCALL)
			break;
	}
	j->bad = i != j->rounds;
	j->reason = j->l2.reason;
}

static void own_l2s(const void *arg)
{
	u32 cpus = used_cpus(arg), i;

	memset(jobs, 0, sizeof(jobs));
	for (i = 0; i < cpus; i++)
		jobs[i].rounds = 200;
	smp_each(cpus, count_prepare, jobs, sizeof(*jobs));
	smp_all(cpus, count_fn, jobs, sizeof(*jobs));
	for (i = 0; i < cpus; i++) {
		if (jobs[i].bad)
			FAIL("CPU %u: exit %x", i, jobs[i].reason);
		CHECK_EQ(jobs[i].counter[0], 200);
		CHECK_EQ(jobs[i].counter[1], 200);
	}
	smp_each(cpus, vmcs_forget_here, jobs, sizeof(*jobs));
}

static void shared_ept(const void *arg)
{
	u64 *ept = ept_new(), *counter = alloc_page();
	u32 cpus = used_cpus(arg), i;

	memset(jobs, 0, sizeof(jobs));
	for (i = 0; i < cpus; i++) {
		jobs[i].rounds = 200;
		jobs[i].ept = ept;
		jobs[i].page = counter;
		jobs[i].vpid = 1 + i;
	}
	smp_each(cpus, count_prepare, jobs, sizeof(*jobs));
	smp_all(cpus, count_fn, jobs, sizeof(*jobs));
	CHECK_EQ(counter[0], 200 * cpus);
	CHECK_EQ(counter[1], 200 * cpus);
	smp_each(cpus, vmcs_forget_here, jobs, sizeof(*jobs));
}

/* ---- the same VPID and address, different tables ---- */

static void read_prepare(void *arg)
{
	struct job *j = arg;

	prepare(j, vm_read, j->page);
}

static void read_fn(void *arg)
{
	struct job *j = arg;
	u32 i;

	for (i = 0; i < j->rounds; i++) {
		vw(GUEST_RIP, (u64)vm_read);
		vl2_run(&j->l2);
		if (j->l2.reason != R_VMCALL || j->l2.rbx != j->counter[0])
			j->bad++;
	}
}

static void same_vpid(const void *arg)
{
	u32 cpus = used_cpus(arg), i;
	u64 *seen = alloc_page();

	memset(jobs, 0, sizeof(jobs));
	for (i = 0; i < cpus; i++) {
		struct job *j = &jobs[i];
		u64 *mine = alloc_page();

		*mine = 0x1000 + i;
		j->counter[0] = *mine;
		j->page = seen;
		j->ept = ept_new();
		*ept_entry(j->ept, (u64)seen, 1) = (u64)mine | EPT_WB | EPT_RWX;
		j->rounds = 200;
	}
	smp_each(cpus, read_prepare, jobs, sizeof(*jobs));
	smp_all(cpus, read_fn, jobs, sizeof(*jobs));
	for (i = 0; i < cpus; i++)
		CHECK_EQ(jobs[i].bad, 0);
	smp_each(cpus, vmcs_forget_here, jobs, sizeof(*jobs));
}

/* ---- a shootdown: remap, kick the CPU that runs L2, INVEPT there ---- */

static volatile u32 kicks;

static void wait_fn(void *arg)
{
	struct job *j = arg;

	prepare(j, vm_wait, j->page);
	j->l2.rsi = 0xaaaa;
	/* Without it the kick would wait for L2's IF. */
	ctl_set(CTRL_PIN, PIN_EXT_INT);
	j->stage = 1;
	for (;;) {
		vl2_run(&j->l2);
		if (j->l2.reason != R_EXT_INT)
			break;
		ept_flush(j->ept);
		kicks++;
	}
	vmcs_forget_all();
}

static void shootdown(const void *arg)
{
	u64 *a = alloc_page(), *b = alloc_page();
	struct job *j = &jobs[1];
	u32 i;

	for (i = 0; i < 10 && !t_failed(); i++) {
		u64 mark = mem_mark();

		memset(jobs, 0, sizeof(jobs));
		kicks = 0;
		*a = 0xaaaa;
		*b = 0xbbbb;
		j->page = a;
		j->ept = ept_new();
		smp_call(1, wait_fn, j);
		while (!j->stage)
			cpu_relax();
		delay_us(SPIN_US);
		*ept_entry(j->ept, (u64)a, 1) = (u64)b | EPT_WB | EPT_RWX;
		apic_ipi(cpu_at(1)->apic_id, 0x4000 | VEC_IPI2);
		smp_wait(1);
		CHECK_EQ(j->l2.reason, R_VMCALL);
		CHECK_EQ(j->l2.rbx, 0xbbbb);
		mem_reset(mark);
	}
}

/* ---- a VMCS that moves ---- */

static void move_fn(void *arg)
{
	struct job *j = arg;

	if (vmptrld(&j->l2.vmcs) != VM_OK)
		FAIL("VMPTRLD of a VMCS from another CPU");
	j->l2.launched = 0;
	vl2_run(&j->l2);
	j->reason = j->l2.reason;
	if (j->reason == R_CPUID)
		vw(GUEST_RIP, vr(GUEST_RIP) + vr(EXIT_LEN));
	else
		vw(GUEST_RIP, (u64)vm_count);
	if (vmclear(&j->l2.vmcs) != VM_OK)
		FAIL("VMCLEAR of a VMCS that goes to another CPU");
}

static void migrate(const void *arg)
{
	u32 cpus = used_cpus(arg), i;
	struct job *j = &jobs[0];

	memset(jobs, 0, sizeof(jobs));
	count_prepare(j);
	vmclear(&j->l2.vmcs);
	for (i = 0; i < 60 && !t_failed(); i++) {
		if (i % cpus) {
			smp_call(i % cpus, move_fn, j);
			smp_wait(i % cpus);
		} else {
			move_fn(j);
		}
		CHECK_EQ(j->reason, i & 1 ? R_VMCALL : R_CPUID);
	}
	CHECK_EQ(j->counter[0], 30);
	CHECK_EQ(j->counter[1], 30);
}

/* ---- VMXOFF and VMXON on one CPU while another runs L2s ---- */

static void off_on_fn(void *arg)
{
	struct job *j = arg;
	u32 i;

	for (i = 0; i < 20; i++) {
		vl2_init_at(&j->l2, vm_count);
		j->l2.rdi = (u64)j->counter;
		vl2_run(&j->l2);
		if (j->l2.reason != R_CPUID)
			j->bad++;
		/* With a current VMCS, and one that was never cleared. */
		vmx_off();
		if (!vmx_on())
			j->bad++;
	}
	vmcs_forget_all();
}

static void off_on(const void *arg)
{
	memset(jobs, 0, sizeof(jobs));
	jobs[0].rounds = 200;
	count_prepare(&jobs[0]);
	/* vmcs_new() takes pages; count_fn() takes none. */
	smp_call(1, off_on_fn, &jobs[1]);
	count_fn(&jobs[0]);
	smp_wait(1);
	CHECK_EQ(jobs[0].bad, 0);
	CHECK_EQ(jobs[0].counter[0], 200);
	CHECK_EQ(jobs[1].bad, 0);
	CHECK_EQ(jobs[1].counter[0], 20);
}

/* ---- INIT and SIPI ---- */

static void enter_once(void *arg)
{
	struct job *j = arg;

	vl2_init_at(&j->l2, vm_spin);
	if (j->vpid)
		vw(GUEST_ACTIVITY, j->vpid);
	j->stage = 1;
	vl2_run(&j->l2);
	j->reason = j->l2.reason;
	j->counter[0] = vr(EXIT_QUAL);
	j->counter[1] = vr(GUEST_ACTIVITY);
	vmcs_forget_all();
}

static void start_l2(u32 activity)
{
	memset(jobs, 0, sizeof(jobs));
	/* Where the VPID would be */
	jobs[1].vpid = activity;
	smp_call(1, enter_once, &jobs[1]);
	while (!jobs[1].stage)
		cpu_relax();
	delay_us(SPIN_US);
}

static void to_1(u32 icr)
{
	apic_ipi(cpu_at(1)->apic_id, icr);
	delay_us(SPIN_US);
}

#define INIT	0x4500
#define SIPI(v)	(0x4600 | (v))

/* INIT exits, SIPI before it is lost; the CPU goes on in VMX operation as if nothing had happened. */
static void init_in_l2(const void *arg)
{
	u32 i;

	for (i = 0; i < 5; i++) {
		start_l2(ACT_ACTIVE);
		to_1(SIPI(0x77));
		CHECK(cpu_at(1)->work);
		to_1(INIT);
		smp_wait(1);
		CHECK_EQ(jobs[1].reason, R_INIT);
		CHECK_EQ(jobs[1].counter[0], 0);
		CHECK_EQ(jobs[1].counter[1], ACT_ACTIVE);
	}
}

static void halted_l2(const void *arg)
{
	start_l2(ACT_HLT);
	to_1(INIT);
	smp_wait(1);
	CHECK_EQ(jobs[1].reason, R_INIT);
	CHECK_EQ(jobs[1].counter[1], ACT_HLT);
}

/* In VMX root operation INIT waits: until the next entry, which exits with it at once. */
static void root_fn(void *arg)
{
	struct job *j = arg;

	vl2_init_at(&j->l2, vm_spin);
	j->stage = 1;
	while (j->stage != 2)
		cpu_relax();
	vl2_run(&j->l2);
	j->reason = j->l2.reason;
	j->counter[0] = vr(GUEST_RIP);
	vmcs_forget_all();
}

/* CPU 1 runs @fn, which waits in VMX root operation at stage 1; INIT comes there, and with @sipi a lost SIPI. */
static void init_comes_in_root(void (*fn)(void *), bool sipi)
{
	memset(jobs, 0, sizeof(jobs));
	smp_call(1, fn, &jobs[1]);
	while (jobs[1].stage != 1)
		cpu_relax();
	to_1(INIT);
	if (sipi)
		to_1(SIPI(0x77));
	CHECK(cpu_at(1)->work);
	jobs[1].stage = 2;
	smp_wait(1);
	CHECK_EQ(jobs[1].reason, R_INIT);
}

static void init_in_root(const void *arg)
{
	/* Nor does the SIPI end the wait of the next L2. */
	init_comes_in_root(root_fn, true);
	CHECK_EQ(jobs[1].counter[0], vm_spin);
}

/* The same of an L2 that has been resumed a few times with nothing but RIP changed, the way that costs the least. */
static void resume_fn(void *arg)
{
	struct job *j = arg;
	u32 i;

	again_init(&j->l2);
	for (i = 0; i < WARM; i++)
		j->bad += again(&j->l2, va_count) != R_VMCALL;
	j->stage = 1;
	while (j->stage != 2)
		cpu_relax();
	j->reason = again(&j->l2, va_count);
	j->counter[0] = j->l2.r8;
	vmcs_forget_all();
}

static void init_at_resume(const void *arg)
{
	init_comes_in_root(resume_fn, false);
	CHECK_EQ(jobs[1].bad, 0);
	CHECK_EQ(jobs[1].counter[0], WARM);
}

/* Wait-for-SIPI: nothing but a SIPI ends it; an interrupt stays for the host. */
static void sipi_in_l2(const void *arg)
{
	start_l2(ACT_WAIT_SIPI);
	cpu_at(1)->irqs[VEC_IPI2] = 0;
	to_1(0x4000 | VEC_IPI2);
	CHECK(cpu_at(1)->work);
	CHECK_EQ(cpu_at(1)->irqs[VEC_IPI2], 0);
	to_1(SIPI(0x9f));
	smp_wait(1);
	CHECK_EQ(jobs[1].reason, R_SIPI);
	CHECK_EQ(jobs[1].counter[0], 0x9f);
	CHECK_EQ(jobs[1].counter[1], ACT_WAIT_SIPI);
	CHECK_EQ(cpu_at(1)->irqs[VEC_IPI2], 1);
}

#define ON2(n, f) { n "_2", F_SMP2, f, (void *)2 }
#define ON4(n, f) { n "_4", F_SMP4, f, (void *)4 }

static const struct l1_test tests[] = {
	ON2("own_l2s", own_l2s),
	ON4("own_l2s", own_l2s),
	{ "shared_ept_2", F_SMP2 | VF_EPT, shared_ept, (void *)2 },
	{ "shared_ept_4", F_SMP4 | VF_EPT, shared_ept, (void *)4 },
	{ "same_vpid_2", F_SMP2 | VF_EPT | VF_VPID, same_vpid, (void *)2 },
	{ "same_vpid_4", F_SMP4 | VF_EPT | VF_VPID, same_vpid, (void *)4 },
	{ "shootdown", F_SMP2 | VF_EPT | VF_INVEPT1, shootdown, NULL },
	ON2("migrate", migrate),
	ON4("migrate", migrate),
	{ "off_on", F_SMP2, off_on, NULL },
	{ "init_in_l2", F_SMP2, init_in_l2, NULL },
	{ "init_in_halted_l2", F_SMP2 | VF_HLT, halted_l2, NULL },
	{ "init_in_root", F_SMP2, init_in_root, NULL },
	{ "init_at_resume", F_SMP2, init_at_resume, NULL },
	{ "sipi_in_l2", F_SMP2 | VF_SIPI, sipi_in_l2, NULL },
};

const struct test_group group_vmx_smp = { "vmx_smp", tests, ARRAY_SIZE(tests), false };
