// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions that L0 may answer without a look at anything else, executed by L1 again and again: what they make
 * possible happens right behind them, and nothing is as it was the time before.
 */
#include "l1.h"

#define ROUNDS	100

/* What waits for GIF comes at once: no other exit, and no tick of L0's, is needed for it. */
static void stgi_takes_intr(const void *arg)
{
	struct cpu *c = this_cpu();
	u32 before = c->irqs[VEC_IPI], i, held, taken;

	for (i = 0; i < ROUNDS && !t_failed(); i++) {
		clgi();
		irq_on();
		apic_self(VEC_IPI);
		held = c->irqs[VEC_IPI];
		__asm__ volatile("stgi; nop" : : : "memory");
		taken = c->irqs[VEC_IPI];
		irq_off();
		CHECK_EQ(held, before + i);
		CHECK_EQ(taken, before + i + 1);
	}
}

static void stgi_takes_nmi(const void *arg)
{
	struct cpu *c = this_cpu();
	u32 before = c->nmis, i, held, taken;

	for (i = 0; i < ROUNDS && !t_failed(); i++) {
		clgi();
		apic_self_nmi();
		held = c->nmis;
		__asm__ volatile("stgi; nop" : : : "memory");
		taken = c->nmis;
		CHECK_EQ(held, before + i);
		CHECK_EQ(taken, before + i + 1);
	}
}

/* With IF clear it is not STGI that lets it in. */
static void stgi_leaves_if(const void *arg)
{
	struct cpu *c = this_cpu();
	u32 before = c->irqs[VEC_IPI], i, held, taken;

	for (i = 0; i < ROUNDS && !t_failed(); i++) {
		clgi();
		apic_self(VEC_IPI);
		__asm__ volatile("stgi; nop" : : : "memory");
		held = c->irqs[VEC_IPI];
		__asm__ volatile("sti; nop; nop" : : : "memory");
		taken = c->irqs[VEC_IPI];
		irq_off();
		CHECK_EQ(held, before + i);
		CHECK_EQ(taken, before + i + 1);
	}
}

/* The interrupt shadow of STI ends with the instruction that exits. */
static void shadow_ends(const void *arg)
{
	u64 pa = (u64)alloc_page();
	struct cpu *c = this_cpu();
	u32 before = c->irqs[VEC_IPI], i;

	vmsave_pa(pa);
	for (i = 0; i < ROUNDS && !t_failed(); i++) {
		u32 taken;

		apic_self(VEC_IPI);
		__asm__ volatile("sti; vmload %%rax; nop" : : "a"(pa) : "memory");
		taken = c->irqs[VEC_IPI];
		irq_off();
		CHECK_EQ(taken, before + i + 1);
	}
}

/* The timer's interrupt comes in the middle of such a loop. */
static void timer_in_loop(const void *arg)
{
	u64 pa = (u64)alloc_page(), until;
	struct cpu *c = this_cpu();
	u32 before = c->irqs[VEC_IPI], r[4];

	vmsave_pa(pa);
	apic_timer(VEC_IPI, 100000);
	irq_on();
	for (until = 0; until < 10000000 && c->irqs[VEC_IPI] == before; until++) {
		clgi();
		vmload_pa(pa);
		vmsave_pa(pa);
		stgi();
		cpuid(0, 0, r);
	}
	irq_off();
	CHECK_EQ(c->irqs[VEC_IPI], before + 1);
}

#define STEP(name, insn)						\
	__asm__(".text\n.globl " #name "\n" #name ":\n"			\
		"mov %rdi, %rax; pushfq; orl $0x100, (%rsp); popfq\n"	\
		insn "; " #name "_end: nop; nop; ret\n");		\
	void name(void *arg);						\
	extern const char name##_end[]

STEP(step_vmload, "vmload %rax");
STEP(step_vmsave, "vmsave %rax");
STEP(step_stgi, "stgi");

/* A single step stops behind each. */
static void single_step(const void *arg)
{
	static const struct { void (*code)(void *arg); const char *end; } steps[] = {
		{ step_vmload, step_vmload_end }, { step_vmsave, step_vmsave_end }, { step_stgi, step_stgi_end },
	};
	void *page = alloc_page();
	struct fault f;
	u32 i;

	vmsave_pa((u64)page);
	for (i = 0; i < 2 * ARRAY_SIZE(steps); i++) {
		u32 n = i % ARRAY_SIZE(steps);

		if (try_call(steps[n].code, page, &f) != V_DB)
			FAIL("step %u: none", n);
		else
			CHECK_EQ(f.rip, steps[n].end);
	}
}

static u64 wide(u32 i)
{
	/* Not canonical in every other round. */
	return (u64)(random() | i << 16) << 31 | random();
}

static u64 canonical(u64 a)
{
	return (u64)((long long)(a << 16) >> 16);
}

static void vary(struct vmcb *v, u32 i)
{
	static const u16 attrib[] = { 0x93, 0xc93, 0x92, 0xf093 };

	v->s.fs = (struct vmcb_seg){ SEL_DS, attrib[i % 4], 0xffff - i, wide(i) };
	v->s.gs = (struct vmcb_seg){ SEL_DS, attrib[(i + 1) % 4], 0xffff - 2 * i, wide(i) };
	v->s.ldtr = (struct vmcb_seg){ SEL_LDT, 0x082, 7 + 8 * i, wide(i) };
	v->s.tr.limit = 0x67 + i;
	v->s.star = wide(i);
	v->s.lstar = wide(i);
	v->s.cstar = wide(i);
	v->s.sfmask = wide(i) & 0x3f7fd5;
	v->s.kernel_gs_base = wide(i);
	v->s.sysenter_cs = random();
	v->s.sysenter_esp = wide(i);
	v->s.sysenter_eip = wide(i);
}

#define SAME(f)		CHECK_EQ(b->s.f, a->s.f)
#define SAME_BASE(f)	CHECK_EQ(b->s.f, canonical(a->s.f))
#define SAME_SEG(f)							\
	do {								\
		SAME(f.sel);						\
		SAME(f.limit);						\
		CHECK_EQ(b->s.f.attrib, a->s.f.attrib & 0xfff);		\
		SAME_BASE(f.base);					\
	} while (0)

static void compare(const struct vmcb *a, const struct vmcb *b)
{
	SAME_SEG(fs);
	SAME_SEG(gs);
	SAME_SEG(ldtr);
	SAME_SEG(tr);
	SAME(star);
	SAME_BASE(lstar);
	SAME_BASE(cstar);
	SAME(sfmask);
	SAME_BASE(kernel_gs_base);
	SAME(sysenter_cs);
	SAME_BASE(sysenter_esp);
	SAME_BASE(sysenter_eip);
	CHECK_EQ(rdmsr(MSR_LSTAR), canonical(a->s.lstar));
	CHECK_EQ(rdmsr(MSR_KGS_BASE), canonical(a->s.kernel_gs_base));
}

static bool untouched(const u8 *p, u32 n)
{
	for (; n; n--)
		if (*p++ != 0x5a)
			return false;
	return true;
}

/* Every field is what the page has by then, in the form that the manual asks for. */
static void vmls_values(const void *arg)
{
	struct vmcb *own = alloc_page(), *a = alloc_page(), *b = alloc_page();
	u32 i;

	vmsave_pa((u64)own);
	*a = *own;
	for (i = 0; i < ROUNDS && !t_failed(); i++) {
		memset(b, 0x5a, PAGE_SIZE);
		vary(a, i);
		/* Nothing in between that L0 would have to look at. */
		vmload_pa((u64)a);
		vmsave_pa((u64)b);
		compare(a, b);
		/* Its own fields only, GDTR and IDTR lie between them. */
		CHECK(untouched((u8 *)b, 0x440) && untouched((u8 *)b + 0x640, PAGE_SIZE - 0x640));
		CHECK(untouched((u8 *)b + 0x460, 16) && untouched((u8 *)b + 0x480, 16));
		CHECK(untouched((u8 *)b + 0x4a0, 0x160));
		vmload_pa((u64)own);
	}
	vmload_pa((u64)own);
}

/* Its FS base to EBX, its LSTAR to EDI, and another FS base. */
L2_ASM(qk_move, "mov $0xc0000100, %ecx; rdmsr; mov %eax, %ebx; mov $0xc0000082, %ecx; rdmsr; mov %eax, %edi\n"
       "mov $0xc0000100, %ecx; mov %esi, %eax; xor %edx, %edx; wrmsr");

/* What L1 loads is L2's, and what L2 leaves is what L1 saves. */
static void vmls_around_l2(const void *arg)
{
	struct vmcb *own = alloc_page(), *a = alloc_page();
	struct l2 l2;
	u32 i;

	vmsave_pa((u64)own);
	l2_init_at(&l2, qk_move);
	*a = *own;
	for (i = 0; i < 20 && !t_failed(); i++) {
		l2.vmcb->s.fs.base = 0x1000 * i;
		l2.vmcb->s.lstar = 0x100 + i;
		l2.vmcb->s.rip = (u64)qk_move;
		l2.rsi = 0x5000 * i;
		if (!l2_expect_done(&l2))
			break;
		CHECK_EQ(l2.rbx, 0x1000 * i);
		CHECK_EQ(l2.rdi, 0x100 + i);
		CHECK_EQ(l2.vmcb->s.fs.base, 0x5000 * i);
		vmsave_pa((u64)a);
		CHECK_EQ(a->s.fs.base, own->s.fs.base);
		CHECK_EQ(a->s.lstar, own->s.lstar);
	}
	vmload_pa((u64)own);
}

static const struct l1_test tests[] = {
	{ "stgi_takes_intr", 0, stgi_takes_intr, NULL },
	{ "stgi_takes_nmi", 0, stgi_takes_nmi, NULL },
	{ "stgi_leaves_if", 0, stgi_leaves_if, NULL },
	{ "shadow_ends", 0, shadow_ends, NULL },
	{ "timer_in_loop", 0, timer_in_loop, NULL },
	{ "single_step", 0, single_step, NULL },
	{ "vmls_values", 0, vmls_values, NULL },
	{ "vmls_around_l2", 0, vmls_around_l2, NULL },
};

const struct test_group group_quick = { "quick", tests, ARRAY_SIZE(tests), false };
