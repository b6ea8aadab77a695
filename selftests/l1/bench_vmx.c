// SPDX-License-Identifier: GPL-2.0-only
/* The benchmark's rows of VT-x: a world switch, its parts, and the instructions around it. */
#include "bench.h"
#include "vmx/vmx.h"

/**
 * struct trips - what vmx_bench_trips() is to do, and what it saw
 * @left: entries still to do; those not done when L2 came back with another exit
 * @rip: where L2 begins each time
 * @in: VMRESUME to L2's first instruction, all of them together
 * @out: L2's last instruction to L1's next one
 */
struct trips {
	u64 left, rip, in, out;
};

/*
 * The current VMCS is launched; L2 ends with CPUID.  With @set HOST_RSP and HOST_RIP are written
 * first: the next call by the same caller finds them right.
 *
 * L1 does what it has to for a CPUID and nothing else: it reads the exit reason and moves RIP.
 * L2 notes the time of its first instruction in R8 and, right before it exits, in R9; RSI, RDI,
 * RBP and R10 to R15 it leaves alone.
 */
void vmx_bench_trips(struct trips *t, bool set);

__asm__(".text\n.globl vmx_bench_trips\nvmx_bench_trips:\n"
	"push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"test %esi, %esi; jz 1f\n"
	"mov $0x6c14, %eax; vmwrite %rsp, %rax\n"
	"mov $0x6c16, %eax; mov $2f, %ecx; vmwrite %rcx, %rax\n"
	"1: mov 8(%rdi), %r12; mov $0x681e, %eax; vmwrite %r12, %rax\n"
	TSC_TO("%r10")
	"vmresume\n"
	"jmp 3f\n"
	"2: " TSC_TO("%r11")
	"mov $0x4402, %eax; vmread %rax, %rcx; cmp $10, %ecx; jne 3f\n"
	"sub %r10, %r8; add %r8, 16(%rdi)\n"
	"sub %r9, %r11; add %r11, 24(%rdi)\n"
	"decq (%rdi); jnz 1b\n"
	"3: pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n");

VL2_ASM(vtrip_cpuid, "1: " TSC_TO("%r8") TSC_TO("%r9") "cpuid; jmp 1b");
/* L0's own exit, since nobody else wants the MSR: 100 of them in one stay in L2. */
VL2_ASM(vown_rdmsr, "mov $100, %esi\n" TSC_TO("%r8")
	"1: mov $0x1b, %ecx; rdmsr; dec %esi; jnz 1b\n" TSC_TO("%r9"));
VL2_ASM(vcount_done, "1: vmcall; jmp 1b");

/* A guest as every hypervisor of today has it: EPT, VPID, a PAT of its own; its VMCS is current. */
static void init(struct vl2 *l2, const void *code, u32 tag)
{
	vl2_init_at(l2, code);
	ctl_set(CTRL_ENTRY, ENTRY_LOAD_PAT);
	ctl_set(CTRL_EXIT, EXIT_LOAD_PAT);
	if (cpu_features & VF_VPID) {
		ctl_set(CTRL_PROC2, PROC2_VPID);
		vw(CTRL_VPID, tag);
	}
}

static void do_trips(struct trips *t, u64 n, const void *code, bool set)
{
	t->left = n;
	t->rip = (u64)code;
	vmx_bench_trips(t, set);
	if (t->left)
		panic("bench: L2 came back with exit %llx", vr(EXIT_REASON));
}

static void trip(const struct bench *b)
{
	struct trips t = {};
	struct vl2 l2;

	init(&l2, vtrip_cpuid, 1);
	vl2_run(&l2);
	do_trips(&t, 8, vtrip_cpuid, true);
	t.in = t.out = 0;
	bench_begin();
	do_trips(&t, b->ops, vtrip_cpuid, false);
	bench_stop();
	bench_report(b, "vmresume", b->ops, t.in);
	bench_report(b, "vmexit", b->ops, t.out);
	bench_report(b, NULL, b->ops, t.in + t.out);
}

static void exit_of_l0(const struct bench *b)
{
	u64 total = 0;
	struct vl2 l2;
	u32 i;

	init(&l2, vown_rdmsr, 1);
	vl2_run(&l2);
	bench_begin();
	for (i = 0; i < b->ops / 100; i++) {
		vw(GUEST_RIP, (u64)vown_rdmsr);
		vmx_run_asm(&l2);
		total += l2.r9 - l2.r8;
	}
	bench_stop();
	bench_report(b, NULL, b->ops, total);
}

/* From L1's entry with an event to L2's handler, out to L1 as for an EOI, back, IRET, out again. */
static void inject(const struct bench *b)
{
	struct vl2 l2;
	u32 i;

	init(&l2, vcount_done, 1);
	vl2_run(&l2);
	for (i = 0; i < b->ops + 8; i++) {
		if (i == 8)
			bench_begin();
		vw(GUEST_RIP, (u64)vcount_done);
		vw(GUEST_RFLAGS, 2 | FL_IF);
		vw(CTRL_ENTRY_INFO, EV_ON | 0x50);
		vmx_run_asm(&l2);
		vl2_trap_return(&l2);
		vmx_run_asm(&l2);
	}
	bench_end(b, b->ops);
}

/* @arg guests in turn, each with tables and a VPID of its own: VMPTRLD is part of it. */
static void in_turn(const struct bench *b)
{
	static struct vl2 l2[16];
	struct trips t = {};
	u32 i;

	for (i = 0; i < b->arg; i++) {
		init(&l2[i], vtrip_cpuid, i + 1);
		l2[i].ept = ept_new();
		vw(CTRL_EPTP, eptp_of(l2[i].ept));
		vl2_run(&l2[i]);
		do_trips(&t, 1, vtrip_cpuid, true);
	}
	for (i = 0; i < b->ops + 2 * b->arg; i++) {
		if (i == 2 * b->arg)
			bench_begin();
		vmptrld(&l2[i % b->arg].vmcs);
		do_trips(&t, 1, vtrip_cpuid, false);
	}
	bench_end(b, b->ops);
}

struct job {
	struct vl2 l2;
	u32 tag, ops;
};

static void start(void *arg)
{
	struct job *j = arg;

	init(&j->l2, vtrip_cpuid, j->tag);
	vl2_run(&j->l2);
}

static void enter_often(void *arg)
{
	struct job *j = arg;
	u32 i;

	for (i = 0; i < j->ops; i++) {
		vw(GUEST_RIP, (u64)vtrip_cpuid);
		vmx_run_asm(&j->l2);
	}
}

/* Entries on @arg CPUs at once; the host may have fewer, and what they share shows. */
static void on_cpus(const struct bench *b)
{
	static struct job jobs[MAX_CPUS];
	u32 i, cpus = b->arg;

	for (i = 0; i < cpus; i++) {
		jobs[i].tag = i + 1;
		jobs[i].ops = b->ops;
	}
	smp_each(cpus, start, jobs, sizeof(*jobs));
	bench_begin();
	smp_all(cpus, enter_often, jobs, sizeof(*jobs));
	bench_end(b, b->ops * cpus);
}

/* ---- instructions of L1 ---- */

/**
 * struct operands - what an instruction of a row is given
 * @pa: the current VMCS; @other: another
 * @val: a value read
 * @d: an INVEPT or INVVPID descriptor
 */
struct operands {
	u64 pa, other, val;
	struct inv_desc d;
};

static void prepare(const struct bench *b, struct operands *o)
{
	struct vl2 l2;

	o->other = vmcs_new();
	init(&l2, vtrip_cpuid, 1);
	o->pa = l2.vmcs;
	o->val = 0;
	o->d = (struct inv_desc){ { b->arg ? b->arg : eptp_of(l2.ept) } };
}

#define ROW(name, insns)						\
	static void name(const struct bench *b)				\
	{								\
		struct operands o;					\
		u32 i;							\
									\
		prepare(b, &o);						\
		for (i = 0; i < 4; i++) {				\
			insns;						\
		}							\
		bench_begin();						\
		for (i = 0; i < b->ops; i++) {				\
			insns;						\
		}							\
		bench_end(b, b->ops);					\
	}

ROW(vmread_row, vmread_s(b->arg, &o.val))
ROW(vmwrite_row, vmwrite_s(b->arg, 0))
ROW(vmptrld_row, vmptrld(&o.pa))
ROW(vmptrld_pair_row, vmptrld(i & 1 ? &o.pa : &o.other))
ROW(vmptrst_row, vmptrst(&o.val))
ROW(vmclear_row, vmclear(&o.other))
ROW(vmclear_load_row, vmclear(&o.pa); vmptrld(&o.pa))
ROW(invept_row, invept(1, &o.d))
ROW(invvpid_row, invvpid(1, &o.d))

static const struct bench rows[] = {
	{ "vmx/trip", 0, trip, 1000, 0 },
	{ "vmx/l0-exit", VF_MSRBMP, exit_of_l0, 1000, 0 },
	{ "vmx/inject-eoi", 0, inject, 200, 0 },
	{ "vmx/turn-1", VF_EPT, in_turn, 480, 1 },
	{ "vmx/turn-4", VF_EPT, in_turn, 480, 4 },
	{ "vmx/turn-16", VF_EPT, in_turn, 480, 16 },
	{ "smp/entries-1", 0, on_cpus, 500, 1 },
	{ "smp/entries-2", F_SMP2, on_cpus, 500, 2 },
	{ "smp/entries-4", F_SMP4, on_cpus, 500, 4 },
	{ "vmx/vmread", 0, vmread_row, 500, GUEST_SYSENTER_EIP },
	{ "vmx/vmread-rip", 0, vmread_row, 500, GUEST_RIP },
	{ "vmx/vmwrite", 0, vmwrite_row, 500, GUEST_SYSENTER_EIP },
	{ "vmx/vmptrld", 0, vmptrld_row, 500, 0 },
	{ "vmx/vmptrld-other", 0, vmptrld_pair_row, 500, 0 },
	{ "vmx/vmptrst", 0, vmptrst_row, 500, 0 },
	{ "vmx/vmclear", 0, vmclear_row, 500, 0 },
	{ "vmx/vmclear-vmptrld", 0, vmclear_load_row, 500, 0 },
	{ "vmx/invept", VF_INVEPT1, invept_row, 500, 0 },
	{ "vmx/invvpid", VF_INVVPID, invvpid_row, 500, 1 },
};

const struct bench_set bench_vmx_rows = { &vmx_vendor, rows, ARRAY_SIZE(rows) };
