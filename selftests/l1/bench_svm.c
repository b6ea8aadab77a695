// SPDX-License-Identifier: GPL-2.0-only
/* The benchmark's rows of AMD-V: a world switch, its parts, and the instructions around it. */
#include "bench.h"

struct times {
	u64 vmrun, l2_first, l2_last, l1_next;
};

void bench_vmrun(struct vmcb *vmcb, struct times *t);

/*
 * VMRUN and nothing else, with GIF clear before and after; L2 shares with L1 what VMLOAD and
 * VMSAVE would move.  L2 notes the time of its first instruction in R8 and, right before it
 * exits, in R9; R10 to R15 it leaves alone.
 */
__asm__(".text\n.globl bench_vmrun\nbench_vmrun:\n"
	"push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"mov %rdi, %r14; mov %rsi, %r15; mov 5f(%rip), %esi\n"
	TSC_TO("%r10")
	"mov %r14, %rax; vmrun %rax\n"
	TSC_TO("%r11")
	"mov %r10, (%r15); mov %r8, 8(%r15); mov %r9, 16(%r15); mov %r11, 24(%r15)\n"
	"pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n"
	"5: .long 0\n");

L2_ASM(trip_cpuid, "1: " TSC_TO("%r8") TSC_TO("%r9") "cpuid; jmp 1b");
/* L0's own exit: 100 of them in one stay in L2. */
L2_ASM(own_cpuid, "mov $100, %esi\n" TSC_TO("%r8")
       "1: xor %eax, %eax; cpuid; dec %esi; jnz 1b\n" TSC_TO("%r9"));

static void trip(const struct bench *b)
{
	u64 in = 0, out = 0;
	struct times t;
	struct l2 l2;
	u32 i;

	l2_init_at(&l2, trip_cpuid);
	l2_intercept1(&l2, I1_CPUID);
	clgi();
	for (i = 0; i < 8; i++) {
		bench_vmrun(l2.vmcb, &t);
		l2.vmcb->s.rip += 2;
		l2.vmcb->c.tlb_control = TLB_NOTHING;
	}
	bench_begin();
	for (i = 0; i < b->ops; i++) {
		bench_vmrun(l2.vmcb, &t);
		l2.vmcb->s.rip += 2;
		in += t.l2_first - t.vmrun;
		out += t.l1_next - t.l2_last;
	}
	bench_stop();
	stgi();
	bench_report(b, "vmrun", b->ops, in);
	bench_report(b, "vmexit", b->ops, out);
	bench_report(b, NULL, b->ops, in + out);
}

/* The image's own way, with VMSAVE, VMLOAD, CLGI and STGI around each VMRUN. */
static void trip_whole(const struct bench *b)
{
	struct l2 l2;
	u32 i;

	l2_init_at(&l2, trip_cpuid);
	l2_intercept1(&l2, I1_CPUID);
	for (i = 0; i < b->ops + 8; i++) {
		if (i == 8)
			bench_begin();
		vmrun_asm(&l2);
		l2.vmcb->s.rip += 2;
		l2.vmcb->c.tlb_control = TLB_NOTHING;
	}
	bench_end(b, b->ops);
}

static void exit_of_l0(const struct bench *b)
{
	u64 total = 0;
	struct times t;
	struct l2 l2;
	u32 i;

	l2_init_at(&l2, own_cpuid);
	clgi();
	bench_vmrun(l2.vmcb, &t);
	l2.vmcb->c.tlb_control = TLB_NOTHING;
	bench_begin();
	for (i = 0; i < b->ops / 100; i++) {
		l2.vmcb->s.rip = (u64)own_cpuid;
		bench_vmrun(l2.vmcb, &t);
		total += t.l2_last - t.l2_first;
	}
	bench_stop();
	stgi();
	bench_report(b, NULL, b->ops, total);
}

/* ---- events, and more than one guest or CPU ---- */

L2_ASM(count_done, "1: vmmcall; jmp 1b");

/* From L1's VMRUN with an event to L2's handler, out to L1 as for an EOI, back, IRET, out again. */
static void inject(const struct bench *b)
{
	struct l2 l2;
	u32 i;

	l2_init_at(&l2, count_done);
	for (i = 0; i < b->ops + 8; i++) {
		if (i == 8)
			bench_begin();
		l2.vmcb->s.rip = (u64)count_done;
		l2.vmcb->s.rflags = 2 | FL_IF;
		l2.vmcb->c.eventinj = EV_VALID | EV_INTR | 0x50;
		vmrun_asm(&l2);
		l2.vmcb->c.tlb_control = TLB_NOTHING;
		l2_trap_return(&l2);
		vmrun_asm(&l2);
	}
	bench_end(b, b->ops);
}

/* @arg guests in turn, each with tables and an ASID of its own. */
static void in_turn(const struct bench *b)
{
	static struct l2 l2[16];
	struct times t;
	u64 total = 0;
	u32 i;

	for (i = 0; i < b->arg; i++) {
		l2_init_at(&l2[i], trip_cpuid);
		l2_intercept1(&l2[i], I1_CPUID);
		l2[i].vmcb->c.n_cr3 = (u64)pt_new_identity();
		l2[i].vmcb->c.asid = i + 1;
	}
	clgi();
	for (i = 0; i < b->ops + 2 * b->arg; i++) {
		struct vmcb *v = l2[i % b->arg].vmcb;

		if (i == 2 * b->arg)
			bench_begin();
		v->s.rip = (u64)trip_cpuid;
		bench_vmrun(v, &t);
		v->c.tlb_control = TLB_NOTHING;
		if (i >= 2 * b->arg)
			total += t.l2_first - t.vmrun + t.l1_next - t.l2_last;
	}
	bench_stop();
	stgi();
	bench_report(b, NULL, b->ops, total);
}

struct job {
	struct l2 l2;
	u32 ops;
};

static void enter_often(void *arg)
{
	struct job *j = arg;
	u32 i;

	j->l2.host = this_cpu()->host_vmcb;
	for (i = 0; i < j->ops; i++) {
		vmrun_asm(&j->l2);
		j->l2.vmcb->s.rip += 2;
		j->l2.vmcb->c.tlb_control = TLB_NOTHING;
	}
}

/* Entries on @arg CPUs at once; the host may have fewer, and what they share shows. */
static void on_cpus(const struct bench *b)
{
	static struct job jobs[MAX_CPUS];
	u32 i, cpus = b->arg;

	for (i = 0; i < cpus; i++) {
		l2_init_at(&jobs[i].l2, trip_cpuid);
		l2_intercept1(&jobs[i].l2, I1_CPUID);
		jobs[i].l2.vmcb->c.asid = i + 1;
		jobs[i].ops = b->ops;
	}
	bench_begin();
	smp_all(cpus, enter_often, jobs, sizeof(*jobs));
	bench_end(b, b->ops * cpus);
}

/*
 * An L2 on each of two CPUs; one sends the other an interrupt and halts until the answer comes.  VMMCALL
 * stands for the write to the local APIC that L1 would emulate.
 */
L2_ASM(ipi_code, "1: vmmcall; hlt; jmp 1b");

struct side {
	struct l2 l2;
	u32 peer, ops;
	bool begins;
};

static void await_ipi(u32 seen)
{
	struct cpu *cpu = this_cpu();

	irq_off();
	while (cpu->irqs[VEC_IPI2] == seen)
		__asm__ volatile("sti; hlt; cli" : : : "memory");
	irq_on();
}

static void ping_pong(void *arg)
{
	u32 sent = 0, got = 0, seen = this_cpu()->irqs[VEC_IPI2];
	struct side *s = arg;
	struct vmcb *v = s->l2.vmcb;

	s->l2.host = this_cpu()->host_vmcb;
	v->s.rip = (u64)ipi_code + (s->begins ? 0 : 3);
	while (s->begins ? got < s->ops : sent < s->ops) {
		vmrun_asm(&s->l2);
		v->c.tlb_control = TLB_NOTHING;
		if (v->c.exitcode == X_VMMCALL && v->s.rip == (u64)ipi_code) {
			apic_ipi(cpu_at(s->peer)->apic_id, 0x4000 | VEC_IPI2);
			v->s.rip += 3;
			sent++;
		} else if (v->c.exitcode == X_VMMCALL) {
			l2_trap_return(&s->l2);
			got++;
		} else if (v->c.exitcode == X_HLT) {
			await_ipi(seen++);
			v->s.rip++;
			v->c.eventinj = EV_VALID | EV_INTR | 0x50;
		}
	}
}

static void ipi(const struct bench *b)
{
	static struct side side[2];
	u32 i;

	for (i = 0; i < 2; i++) {
		l2_init_at(&side[i].l2, ipi_code);
		l2_intercept1(&side[i].l2, I1_HLT);
		side[i].l2.vmcb->c.asid = i + 1;
		side[i].peer = !i;
		side[i].ops = b->ops;
		side[i].begins = !i;
	}
	bench_begin();
	smp_call(1, ping_pong, &side[1]);
	ping_pong(&side[0]);
	smp_wait(1);
	bench_end(b, 2 * b->ops);
}

/* ---- instructions of L1 ---- */

#define ROW(name, insns)						\
	static void name(const struct bench *b)				\
	{								\
		u64 pa = (u64)this_cpu()->host_vmcb;			\
		u32 i;							\
									\
		for (i = 0; i < 4; i++) {				\
			insns;						\
		}							\
		bench_begin();						\
		for (i = 0; i < b->ops; i++) {				\
			insns;						\
		}							\
		bench_end(b, b->ops);					\
		stgi();							\
		(void)pa;						\
	}

ROW(vmload_row, vmload_pa(pa))
ROW(vmsave_row, vmsave_pa(pa))
ROW(stgi_row, stgi())
ROW(clgi_row, clgi())

static const struct bench rows[] = {
	{ "svm/trip", 0, trip, 1000, 0 },
	{ "svm/trip-whole", 0, trip_whole, 500, 0 },
	{ "svm/l0-exit", 0, exit_of_l0, 1000, 0 },
	{ "svm/inject-eoi", 0, inject, 200, 0 },
	{ "svm/turn-1", F_NPT, in_turn, 480, 1 },
	{ "svm/turn-4", F_NPT, in_turn, 480, 4 },
	{ "svm/turn-16", F_NPT, in_turn, 480, 16 },
	{ "smp/entries-1", 0, on_cpus, 500, 1 },
	{ "smp/entries-2", F_SMP2, on_cpus, 500, 2 },
	{ "smp/entries-4", F_SMP4, on_cpus, 500, 4 },
	{ "smp/ipi", F_SMP2, ipi, 200, 0 },
	{ "svm/vmload", 0, vmload_row, 500, 0 },
	{ "svm/vmsave", 0, vmsave_row, 500, 0 },
	{ "svm/stgi", 0, stgi_row, 500, 0 },
	{ "svm/clgi", 0, clgi_row, 500, 0 },
};

const struct bench_set bench_svm_rows = { &svm_vendor, rows, ARRAY_SIZE(rows) };
