// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cases that are sequences of L1's own instructions: VMX instructions with right and wrong operands in
 * any order, in and out of VMX operation, about a few VMCSs.  Of each the outcome is recorded: the exception,
 * or VMsucceed, VMfailInvalid, VMfailValid with its number, and what is current after it ("VMX Instruction
 * Reference").
 */
#include "oracle/vmx.h"

#define MAX_OPS	8

enum op { O_CLEAR, O_LOAD, O_STORE, O_READ, O_WRITE, O_ENTER, O_INVEPT, O_INVVPID, O_OFF, O_ON, O_NR };

static const char *const names[O_NR] = {
	"vmclear", "vmptrld", "vmptrst", "vmread", "vmwrite", "enter", "invept", "invvpid", "vmxoff", "vmxon",
};
static const u8 weights[O_NR] = { 4, 6, 2, 5, 6, 5, 2, 2, 1, 2 };

/* Operands of one instruction; at is where an operand in memory is. */
struct insn {
	enum op op;
	u64 a, b;
	u64 *at;
	u64 flags, value;
};

/* Two VMCSs, one with the revision of another CPU, one that is marked a shadow, and the one of all cases */
static u64 region[4];
static u64 operand[4];
static struct vl2 *main_l2;
static u64 seq_eptp;

void vmx_seq_init(struct vl2 *l2, u64 eptp)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(region); i++)
		region[i] = (u64)alloc_page();
	main_l2 = l2;
	seq_eptp = eptp;
}

static void reset_regions(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(region); i++)
		orc_zero_page((void *)region[i]);
	*(u32 *)region[0] = caps.basic & 0x7fffffff;
	*(u32 *)region[1] = caps.basic & 0x7fffffff;
	*(u32 *)region[2] = (caps.basic & 0x7fffffff) ^ 1;
	*(u32 *)region[3] = (caps.basic & 0x7fffffff) | BIT(31);
}

static u64 pick(struct orc_case *k, const u64 *from, u32 n) { return from[orc_below(k, n)]; }
#define PICK(k, ...) \
	pick(k, (const u64[]){ __VA_ARGS__ }, sizeof((u64[]){ __VA_ARGS__ }) / sizeof(u64))

/* Names of pointers: where pages are must not be part of a case. */
enum { P_A, P_B, P_FOREIGN, P_SHADOW, P_MAIN, P_ON, P_ODD, P_HIGH, P_TOP, P_NONE, P_NR };
static const char *const pointers[P_NR] = {
	"a", "b", "foreign", "shadow", "main", "vmxon", "a+8", "beyond", "a+63", "none",
};

static u64 pointer(u32 p)
{
	switch (p) {
	case P_MAIN:
		return main_l2->vmcs;
	case P_ON:
		return (u64)this_cpu()->vmxon;
	case P_ODD:
		return region[0] | 8;
	case P_HIGH:
		return region[0] | 1ull << maxphys;
	case P_TOP:
		return region[0] | 1ull << 63;
	case P_NONE:
		return ~0ull;
	default:
		return region[p];
	}
}

static u32 pointer_name(u64 pa)
{
	u32 p;

	for (p = 0; p < P_NR; p++)
		if (pointer(p) == pa)
			return p;
	return P_NR;
}

/* All arithmetic flags are set before. */
#define RUN(i, text, ...)						\
	__asm__ volatile("pushq %[ones]; popfq; " text "; pushfq; popq %[fl]" \
			 : [fl] "=&r"((i)->flags) : [ones] "i"(FL_ARITH | 2), ##__VA_ARGS__ : "cc", "memory")

static void execute(void *arg)
{
	struct insn *i = arg;
	u64 v = i->value;

	switch (i->op) {
	case O_CLEAR:
		RUN(i, "vmclear (%[p])", [p] "r"(i->at));
		break;
	case O_LOAD:
		RUN(i, "vmptrld (%[p])", [p] "r"(i->at));
		break;
	case O_STORE:
		RUN(i, "vmptrst (%[p])", [p] "r"(i->at));
		break;
	case O_READ:
		__asm__ volatile("pushq %[ones]; popfq; vmread %[f],%[v]; pushfq; popq %[fl]"
				 : [fl] "=&r"(i->flags), [v] "+&r"(v) : [ones] "i"(FL_ARITH | 2), [f] "r"(i->a)
				 : "cc", "memory");
		i->value = v;
		break;
	case O_WRITE:
		RUN(i, "vmwrite %[v],%[f]", [f] "r"(i->a), [v] "r"(i->b));
		break;
	case O_INVEPT:
		RUN(i, "invept (%[d]),%[t]", [d] "r"(i->at), [t] "r"(i->a));
		break;
	case O_INVVPID:
		RUN(i, "invvpid (%[d]),%[t]", [d] "r"(i->at), [t] "r"(i->a));
		break;
	case O_OFF:
		RUN(i, "vmxoff");
		break;
	case O_ON:
		RUN(i, "vmxon (%[p])", [p] "r"(i->at));
		break;
	case O_ENTER:
		main_l2->launched = i->a;
		vmx_run_asm(main_l2);
		i->flags = main_l2->flags;
		break;
	default:
		break;
	}
}

/* Fields of every CPU, and encodings of none. */
static u64 field(struct orc_case *k)
{
	return PICK(k, GUEST_RIP, GUEST_CS_LIMIT, CTRL_EXCEPTIONS, GUEST_LINK, GUEST_LINK | 1, GUEST_ES_SEL,
		    CTRL_TSC_OFFSET, CTRL_TSC_OFFSET | 1, GUEST_CR3, HOST_FS_BASE, EXIT_QUAL, INSN_ERROR,
		    GUEST_ES_LIMIT | 1, 0x6c18, 0x7ffe, 0x8800, 0xffff, 0x10000);
}

static void draw(struct orc_case *k, struct insn *i)
{
	u32 n, p = orc_below(k, P_NR), where = orc_below(k, 16);
	u64 type = PICK(k, 0, 1, 1, 2, 2, 3, 4, 0xffffffff), word = PICK(k, 0, 0, 1, 1ull << 16, 1ull << 47, seq_eptp);
	u64 eptp = PICK(k, seq_eptp, seq_eptp, 0, seq_eptp | 7, 1ull << 63), f = field(k);
	u64 v = PICK(k, 0, 1, 0x1234567890abcdefull, ~0ull);
	bool resume = orc_one_in(k, 2);

	n = orc_weighted(k, weights, 1, O_NR);
	*i = (struct insn){ .op = n, .at = operand };
	/* An operand that cannot be reached: not canonical, not mapped */
	if (where < 2)
		i->at = (u64 *)(where ? 1ull << 47 : 1ull << 46);
	operand[0] = pointer(p);
	operand[1] = 0;
	if (n == O_READ || n == O_WRITE)
		i->a = f, i->b = v;
	else if (n == O_ENTER)
		i->a = resume;
	else if (n == O_INVEPT)
		i->a = type, operand[0] = eptp, operand[1] = word == 1 ? 1 : 0;
	else if (n == O_INVVPID)
		i->a = type, operand[0] = word == seq_eptp ? 2 : word, operand[1] = word == 1 ? 1ull << 47 : PLAY;
	if (n == O_STORE)
		operand[0] = 0x55;
}

static bool move(struct orc_case *k, const struct insn *i, u32 step)
{
	const char *at = i->at == operand ? "" : (u64)i->at >> 47 ? " at 800000000000" : " at 400000000000";
	u64 a = operand[0] == seq_eptp ? 0xe : operand[0] == (seq_eptp | 7) ? 0xf : operand[0];

	switch (i->op) {
	case O_READ:
		return orc_move(k, "code%u vmread %llx", step, i->a);
	case O_WRITE:
		return orc_move(k, "code%u vmwrite %llx = %llx", step, i->a, i->b);
	case O_ENTER:
		return orc_move(k, "code%u %s", step, i->a ? "vmresume" : "vmlaunch");
	case O_INVEPT:
	case O_INVVPID:
		return orc_move(k, "code%u %s %llx, %llx %llx%s", step, names[i->op], i->a, a, operand[1], at);
	case O_OFF:
		return orc_move(k, "code%u vmxoff", step);
	case O_STORE:
		return orc_move(k, "code%u vmptrst%s", step, at);
	default:
		return orc_move(k, "code%u %s %s%s", step, names[i->op], pointers[pointer_name(operand[0])], at);
	}
}

static void fn_vmptrst(void *arg)
{
	vmptrst(arg);
}

static void record(struct orc_case *k, struct insn *i, u32 step, int vec, const struct fault *f)
{
	u64 now = 0x55;
	u32 status = i->flags & FL_ARITH;

	if (k->verbose)
		orc_say("S %u exit=%x", step, i->op);
	orc_rec(k, "trap", vec, -1);
	if (vec >= 0) {
		orc_rec(k, "error", f->err, 0);
		orc_rec(k, "cr2", vec == V_PF ? f->cr2 : 0, 0);
		i->flags = 0;
		status = 0;
	} else if (i->op == O_ENTER && !i->flags) {
		orc_rec(k, "reason", vr(EXIT_REASON), 0);
		orc_rec(k, "rip", vr(GUEST_RIP), 0);
	}
	orc_rec(k, "status", status, 0);
	if (status == FL_ZF)
		orc_rec(k, "number", insn_error(), 0);
	if (i->op == O_READ)
		orc_rec(k, "value", i->value, 0x55);
	if (i->op == O_STORE && i->at == operand && vec < 0)
		orc_rec(k, "stored", pointer_name(operand[0]), P_NR);
	if (try_call(fn_vmptrst, &now, NULL) < 0)
		orc_rec(k, "current", pointer_name(now), P_NR);
	if (k->verbose)
		orc_puts("\n");
}

static void off(void *arg)
{
	vmxoff();
}

/* As it was before: in VMX operation with the usual region, the usual VMCS current and clear */
static void restore(void)
{
	try_call(off, NULL, NULL);
	if (!vmx_on() || vmclear(&main_l2->vmcs) != VM_OK || vmptrld(&main_l2->vmcs) != VM_OK)
		panic("VMX operation cannot be entered again");
	main_l2->launched = 0;
}

/* The VMCS of all cases is current, and what it enters halts. */
void vmx_seq_run(struct orc_case *k)
{
	u32 n = 2 + orc_below(k, MAX_OPS - 1), step;

	reset_regions();
	for (step = 0; step < n; step++) {
		struct insn i;
		struct fault f;
		int vec;

		draw(k, &i);
		if (!move(k, &i, step))
			continue;
		i.value = 0x55;
		vec = try_call(execute, &i, &f);
		record(k, &i, step, vec, &f);
	}
	restore();
}
