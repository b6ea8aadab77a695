// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cases that are sequences of L1's own instructions: VMRUN, VMLOAD, VMSAVE, CLGI, STGI, INVLPGA and the
 * others with right and wrong operands in any order, with EFER.SVME set and clear, and an interrupt that
 * waits for GIF ("Global Interrupt, STGI and CLGI Instructions").  VMMCALL is not among them: L1's is a call
 * of the KVM ABI where that is below.
 */
#include "oracle/svm.h"

#define MAX_OPS	9
#define VEC	0x61

enum op { O_RUN, O_LOAD, O_SAVE, O_STGI, O_CLGI, O_INVLPGA, O_SKINIT, O_IPI, O_WINDOW, O_SVME, O_HSAVE, O_NR };

static const char *const names[O_NR] = {
	"vmrun", "vmload", "vmsave", "stgi", "clgi", "invlpga", "skinit", "ipi", "window", "svme", "hsave",
};
static const u8 weights[O_NR] = { 6, 3, 3, 5, 5, 1, 1, 5, 4, 2, 1 };

/* Two VMCBs that halt at once, places where there is none, and what is no address of a page */
enum { P_A, P_B, P_ODD, P_MID, P_HIGH, P_TOP, P_NR };
static const char *const pointers[P_NR] = { "a", "b", "a+1", "a+800", "beyond", "a+63" };

static struct vmcb *pair[2];

struct insn { enum op op; u64 a; };

void svm_seq_init(void)
{
	pair[0] = alloc_page();
	pair[1] = alloc_page();
}

struct vmcb *svm_seq_vmcb(u32 n) { return pair[n]; }

static u64 pointer(u32 p)
{
	switch (p) {
	case P_ODD:
		return (u64)pair[0] | 1;
	case P_MID:
		return (u64)pair[0] | 0x800;
	case P_HIGH:
		return (u64)pair[0] | 1ull << maxphys;
	case P_TOP:
		return (u64)pair[0] | 1ull << 63;
	default:
		return (u64)pair[p];
	}
}

static void vmrun_bare(u64 rax)
{
	__asm__ volatile("push %%rbp; vmrun %%rax; pop %%rbp" : "+a"(rax) : :
			 "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
			 "r13", "r14", "r15", "memory");
}

static void execute(void *arg)
{
	const struct insn *i = arg;

	switch (i->op) {
	case O_RUN:
		vmrun_bare(pointer(i->a));
		break;
	case O_LOAD:
		vmload_pa(pointer(i->a));
		break;
	case O_SAVE:
		vmsave_pa(pointer(i->a));
		break;
	case O_STGI:
		stgi();
		break;
	case O_CLGI:
		clgi();
		break;
	case O_INVLPGA:
		__asm__ volatile("invlpga %%rax, %%ecx" : : "a"(PLAY), "c"((u32)i->a) : "memory");
		break;
	case O_SKINIT:
		__asm__ volatile("skinit %%eax" : : "a"(0x10000) : "memory");
		break;
	case O_IPI:
		apic_self(VEC);
		break;
	case O_WINDOW:
		irq_on();
		irq_off();
		break;
	case O_SVME:
		/* GIF has to be 1 when SVME goes. */
		if (rdmsr(MSR_EFER) & EFER_SVME)
			stgi();
		set_svme(!(rdmsr(MSR_EFER) & EFER_SVME));
		break;
	case O_HSAVE:
		wrmsr(MSR_VM_HSAVE_PA, pointer(i->a));
		break;
	default:
		break;
	}
}

static void draw(struct orc_case *k, struct insn *i)
{
	u32 p = orc_below(k, P_NR + 4), n = orc_weighted(k, weights, 1, O_NR);

	i->op = n;
	/* Half of the pointers are good ones.  An emulator takes any for the host's save area. */
	i->a = p < P_NR ? p : p & 1;
	if (n == O_HSAVE && orc_profile & OP_BOCHS)
		i->op = O_WINDOW;
	else if (n == O_HSAVE)
		i->a = P_ODD + (p & 3);
	/* SKINIT stops Bochs. */
	if (n == O_SKINIT && orc_profile & OP_BOCHS)
		i->op = O_WINDOW;
}

static bool has_pointer(enum op op)
{
	return op <= O_SAVE || op == O_HSAVE;
}

static void record(struct orc_case *k, const struct insn *i, u32 step, int vec, const struct fault *f)
{
	struct vmcb *v = pair[i->a & 1];

	if (k->verbose)
		orc_say("S %u exit=%x", step, i->op);
	orc_rec(k, "trap", vec, -1);
	if (vec >= 0)
		orc_rec(k, "error", f->err, 0);
	else if (i->op == O_RUN) {
		orc_rec(k, "code", v->c.exitcode, 0);
		orc_rec(k, "rip", v->s.rip, 0);
	}
	orc_rec(k, "kgs", rdmsr(MSR_KGS_BASE), 0);
	orc_rec(k, "kgs.a", pair[0]->s.kernel_gs_base, PAGE_SIZE);
	orc_rec(k, "kgs.b", pair[1]->s.kernel_gs_base, 2 * PAGE_SIZE);
	orc_rec(k, "irqs", this_cpu()->irqs[VEC], 0);
	orc_rec(k, "efer", rdmsr(MSR_EFER), 0);
	orc_rec(k, "if", read_flags() & FL_IF, 0);
	if (k->verbose)
		orc_puts("\n");
}

/* GIF set, SVME set, nothing pending */
static void restore(void)
{
	set_svme(true);
	stgi();
	irq_on();
	irq_off();
	vmload_pa((u64)this_cpu()->host_vmcb);
	wrmsr(MSR_VM_HSAVE_PA, (u64)this_cpu()->hsave);
}

/* L1's own state is what VMLOAD finds, but for one register, so that L1 goes on. */
static void fill_pair(void)
{
	u32 i;

	for (i = 0; i < 2; i++) {
		vmsave_pa((u64)pair[i]);
		pair[i]->s.kernel_gs_base = (i + 1) * PAGE_SIZE;
	}
}

void svm_seq_run(struct orc_case *k)
{
	u32 n = 2 + orc_below(k, MAX_OPS - 1), step;

	vmsave_pa((u64)this_cpu()->host_vmcb);
	fill_pair();
	this_cpu()->irqs[VEC] = 0;
	for (step = 0; step < n; step++) {
		struct insn i;
		struct fault f;
		int vec;

		draw(k, &i);
		if (!orc_move(k, "code%u %s%s%s", step, names[i.op], has_pointer(i.op) ? " " : "",
			      has_pointer(i.op) ? pointers[i.a] : ""))
			continue;
		vec = try_call(execute, &i, &f);
		record(k, &i, step, vec, &f);
	}
	restore();
}
