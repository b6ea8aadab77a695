// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptor tables of each CPU, and exceptions: a trap that somebody waits
 * for (struct catch) returns to him, whatever GIF, CPL or guest registers the
 * CPU then has; any other ends the running test, not the image.
 */
#include "l1.h"

extern u8 trap_stubs[], cpu_areas[];
extern void enter_user(u64 *frame, u64 rax) __noreturn;

struct desc_ptr { u16 limit; u64 base; } __packed;

u64 l2_idt[512] __aligned(4096);
static u64 idt[512] __aligned(4096);
static u64 gdt[MAX_CPUS][12] __aligned(16);

struct cpu *cpu_at(u32 id)
{
	return (struct cpu *)(cpu_areas + (u64)id * CPU_AREA);
}

static void gate(u64 *table, int vec, u64 handler, u32 type, u32 ist)
{
	table[vec * 2] = (handler & 0xffff) | SEL_CS << 16 | (u64)ist << 32 |
			 (u64)type << 40 | (handler >> 16 & 0xffff) << 48;
	table[vec * 2 + 1] = handler >> 32;
}

void idt_init(void)
{
	int i;

	for (i = 0; i < 256; i++) {
		gate(idt, i, (u64)trap_stubs + i * 16, 0x8e, 0);
		gate(l2_idt, i, (u64)l2_trap_stubs + i * 16, 0x8e, 0);
	}
	gate(idt, VEC_USER_DONE, (u64)trap_stubs + VEC_USER_DONE * 16, 0xee, 0);
	gate(idt, V_BP, (u64)trap_stubs + V_BP * 16, 0xee, 0);
	gate(l2_idt, V_BP, (u64)l2_trap_stubs + V_BP * 16, 0xee, 0);
	gate(idt, V_DF, (u64)trap_stubs + V_DF * 16, 0x8e, 1);
}

void cpu_init(u32 id)
{
	struct cpu *c = cpu_at(id);
	u64 tss = (u64)c->tss;
	struct desc_ptr p;

	c->id = id;
	/* RSP0 at offset 4, IST1 at offset 36; no I/O map. */
	*(u64 *)((u8 *)c->tss + 4) = (u64)c + CPU_TRAP_TOP;
	*(u64 *)((u8 *)c->tss + 36) = (u64)c + CPU_IST_TOP;
	*(u16 *)((u8 *)c->tss + 102) = 104;

	gdt[id][SEL_CS / 8] = 0x00af9b000000ffff;
	gdt[id][SEL_DS / 8] = 0x00cf93000000ffff;
	gdt[id][SEL_CS32 / 8] = 0x00cf9b000000ffff;
	gdt[id][SEL_UDS / 8] = 0x00cff3000000ffff;
	gdt[id][SEL_UCS / 8] = 0x00affb000000ffff;
	gdt[id][SEL_TSS / 8] = 103 | (tss & 0xffffff) << 16 | 0x89ull << 40 |
			       (tss >> 24 & 0xff) << 56;
	gdt[id][SEL_TSS / 8 + 1] = tss >> 32;
	gdt[id][SEL_CS16 / 8] = 0x00009b000000ffff;
	/* An LDT of one null descriptor, for LLDT. */
	gdt[id][SEL_LDT / 8] = 7 | (u64)0x82 << 40;
	p.limit = sizeof(gdt[id]) - 1;
	p.base = (u64)gdt[id];
	__asm__ volatile("lgdt %0" : : "m"(p));
	p.limit = sizeof(idt) - 1;
	p.base = (u64)idt;
	__asm__ volatile("lidt %0" : : "m"(p));
	__asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
	__asm__ volatile("lldt %w0" : : "r"(0));
}

static void unwind(struct regs *r, struct catch *c)
{
	struct cpu *cpu = this_cpu();

	c->f.vec = r->vec;
	c->f.err = r->err;
	c->f.rip = r->rip;
	c->f.rflags = r->rflags;
	c->f.rax = r->rax;
	c->f.cs = r->cs;
	c->f.cr2 = read_cr2();
	cpu->catch = c->prev;
	r->rip = (u64)catch_land;
	r->cs = SEL_CS;
	r->ss = SEL_DS;
	r->rsp = c->rsp;
	r->rflags = c->rflags & ~(FL_TF | FL_RF);
}

static bool irq(struct regs *r, struct cpu *cpu)
{
	if (r->vec == V_NMIV) {
		cpu->nmis++;
		return true;
	}
	if (r->vec < 32 || r->vec == VEC_USER_DONE)
		return false;
	cpu->irqs[r->vec]++;
	cpu->last_irq = r->vec;
	if (r->vec != VEC_SPURIOUS)
		apic_eoi();
	/* A test had the timer for itself; its one shot is spent. */
	if (r->vec == VEC_IPI2 && cpu->test_catch)
		watchdog_arm();
	if (r->vec == VEC_WATCHDOG && cpu->test_catch) {
		t_fail(__FILE__, __LINE__, "no end in sight: stopped at rip %llx", r->rip);
		unwind(r, cpu->test_catch);
		/* The whole chain is gone, not only the outermost link. */
		cpu->test_catch = NULL;
	}
	return true;
}

void trap(struct regs *r)
{
	struct cpu *cpu = this_cpu();

	if (irq(r, cpu))
		return;
	if (cpu->catch) {
		if (cpu->catch == cpu->test_catch)
			t_fail(__FILE__, __LINE__,
			       "unexpected exception %llu error %llx at %llx cr2 %llx",
			       r->vec, r->err, r->rip, read_cr2());
		unwind(r, cpu->catch);
		return;
	}
	panic("exception %llu error %llx rip %llx cs %llx rsp %llx cr2 %llx rax %llx", r->vec,
	      r->err, r->rip, r->cs, r->rsp, read_cr2(), r->rax);
}

int try_call(void (*fn)(void *arg), void *arg, struct fault *f)
{
	struct cpu *cpu = this_cpu();
	struct catch c;
	int vec = -1;

	c.prev = cpu->catch;
	cpu->catch = &c;
	if (catch_call(&c, fn, arg)) {
		vec = c.f.vec;
		vendor->recover();
	}
	cpu->catch = c.prev;
	if (f)
		*f = c.f;
	return vec;
}

struct user_run { const void *code; u64 rax; u64 stack[64]; };

static void user_fn(void *arg)
{
	struct user_run *u = arg;
	u64 frame[5] = { (u64)u->code, SEL_UCS, 2, (u64)&u->stack[64], SEL_UDS };

	enter_user(frame, u->rax);
}

int try_user(const void *code, u64 rax, struct fault *f)
{
	struct user_run u = { .code = code, .rax = rax };
	int vec = try_call(user_fn, &u, f);

	return vec == VEC_USER_DONE ? -1 : vec;
}
