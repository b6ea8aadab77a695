// SPDX-License-Identifier: GPL-2.0-only
/*
 * The other CPUs: INIT and SIPI to all, each takes the next index, switches
 * the extension on and halts until it is given work.
 */
#include "l1.h"

extern u8 trampoline[], trampoline_end[];
extern volatile u32 ap_next;

u32 nr_cpus = 1;
static volatile u32 ready = 1;

void ap_main(u32 id)
{
	struct cpu *c;
	u32 calls;

	cpu_init(id);
	c = this_cpu();
	calls = c->irqs[VEC_IPI];
	apic_init();
	vendor->cpu_start();
	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		struct catch catch = {};

		irq_off();
		/* Work whose IPI is under way still would have its L2 ended by that. */
		if (!c->work || c->irqs[VEC_IPI] == calls) {
			__asm__ volatile("sti; hlt; cli" : : : "memory");
			continue;
		}
		calls = c->irqs[VEC_IPI];
		watchdog_arm();
		c->catch = &catch;
		c->test_catch = &catch;
		catch_call(&catch, c->work, c->work_arg);
		c->catch = NULL;
		c->test_catch = NULL;
		watchdog_stop();
		vendor->recover();
		__atomic_store_n(&c->work, NULL, __ATOMIC_SEQ_CST);
	}
}

void smp_call(u32 cpu, void (*fn)(void *), void *arg)
{
	struct cpu *c = cpu_at(cpu);

	c->work_arg = arg;
	__atomic_store_n(&c->work, fn, __ATOMIC_SEQ_CST);
	apic_ipi(c->apic_id, 0x4000 | VEC_IPI);
}

void smp_wait(u32 cpu)
{
	while (cpu_at(cpu)->work)
		cpu_relax();
}

void smp_all(u32 cpus, void (*fn)(void *), void *args, u32 size)
{
	u32 i;

	for (i = 1; i < cpus; i++)
		smp_call(i, fn, args + i * size);
	fn(args);
	for (i = 1; i < cpus; i++)
		smp_wait(i);
}

void smp_each(u32 cpus, void (*fn)(void *), void *args, u32 size)
{
	u32 i;

	for (i = 1; i < cpus; i++) {
		smp_call(i, fn, args + i * size);
		smp_wait(i);
	}
	fn(args);
}

static volatile bool stop;
static u64 *volatile flip_word;
static u64 flip_to[2];

/*
 * Whole values in turn: what a processor itself writes to the word (V of EVENTINJ is
 * cleared, V_IRQ read back) must not mix with them to a third one.
 */
static void flip_fn(void *arg)
{
	u32 i;

	/* No pause: the shorter a value stays, the more of what looks twice sees both. */
	for (i = 0; !stop; i++)
		__atomic_store_n(flip_word, flip_to[i & 1], __ATOMIC_SEQ_CST);
}

void flip_start(u64 *word, u64 a, u64 b)
{
	stop = false;
	flip_word = word;
	flip_to[0] = a;
	flip_to[1] = b;
	smp_call(1, flip_fn, NULL);
}

void flip_stop(void)
{
	stop = true;
	smp_wait(1);
}

void smp_init(void)
{
	char buf[8];
	u32 want = MAX_CPUS, i;

	if (arg_value("cpus", buf, sizeof(buf)))
		want = buf[0] - '0';
	/* Pages for all, before any of them may ask at the same time. */
	for (i = 0; i < MAX_CPUS; i++) {
		cpu_at(i)->hsave = alloc_page();
		cpu_at(i)->host_vmcb = alloc_page();
		cpu_at(i)->vmxon = alloc_page();
	}
	vendor->cpu_start();
	if (want < 2 || home & HOME_BOCHS)
		return;
	memcpy((void *)TRAMPOLINE, trampoline, trampoline_end - trampoline);
	apic_ipi(0, 0xc4500);
	delay_us(10000);
	apic_ipi(0, 0xc4600 | TRAMPOLINE >> 12);
	for (i = 0; i < 100 && ready < want; i++)
		delay_us(2000);
	/* One that got an index is waited for, however slow the machine is. */
	for (i = 0; i < 1000 && ready < ap_next && ready < MAX_CPUS; i++)
		delay_us(2000);
	nr_cpus = ready;
}
