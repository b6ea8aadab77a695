// SPDX-License-Identifier: GPL-2.0-only
/* Local APIC in xAPIC mode, the time base (TSC against the PIT), and the watchdog. */
#include "l1.h"

#define APIC		0xfee00000ull
#define APIC_ID		0x020
#define APIC_TPR	0x080
#define APIC_EOI	0x0b0
#define APIC_SVR	0x0f0
#define APIC_ICR	0x300
#define APIC_ICR2	0x310
#define APIC_LVTT	0x320
#define APIC_LVT0	0x350
#define APIC_LVT1	0x360
#define APIC_TMICT	0x380
#define APIC_TMCCT	0x390
#define APIC_TDCR	0x3e0
#define BY_2		0x0
#define BY_128		0xa

static u32 tsc_mhz;
static bool patient;

u32 apic_read(u32 reg) { return *(volatile u32 *)(APIC + reg); }
void apic_write(u32 reg, u32 v) { *(volatile u32 *)(APIC + reg) = v; }
void apic_eoi(void) { apic_write(APIC_EOI, 0); }

/* PIT channel 2, gated by port 61h, counts 10 ms down. */
static void calibrate(void)
{
	u32 spins = 0;
	u64 t0;

	outb(0x61, (inb(0x61) & ~2) | 1);
	outb(0x43, 0xb0);
	outb(0x42, 11932 & 0xff);
	outb(0x42, 11932 >> 8);
	t0 = rdtsc();
	while (!(inb(0x61) & 0x20) && spins++ < 3000000)
		;
	tsc_mhz = (rdtsc() - t0) / 10000;
	if (!tsc_mhz)
		tsc_mhz = 1;
}

void apic_init(void)
{
	struct cpu *c = this_cpu();
	char buf[4];

	wrmsr(MSR_APIC_BASE, (rdmsr(MSR_APIC_BASE) & ~(BIT(10))) | BIT(11));
	c->apic_id = apic_read(APIC_ID) >> 24;
	if (!c->id) {
		/* No interrupt of the legacy controllers, ever. */
		outb(0x21, 0xff);
		outb(0xa1, 0xff);
		calibrate();
		patient = arg_value("patient", buf, sizeof(buf));
	}
	apic_write(APIC_SVR, 0x100 | VEC_SPURIOUS);
	apic_write(APIC_TPR, 0);
	apic_write(APIC_LVT0, 0x10000);
	apic_write(APIC_LVT1, 0x10000);
	apic_write(APIC_LVTT, 0x10000);
	apic_write(APIC_TDCR, BY_2);
}

void apic_ipi(u32 apic_id, u32 icr)
{
	u32 spins = 0;

	apic_write(APIC_ICR2, apic_id << 24);
	apic_write(APIC_ICR, icr);
	while (apic_read(APIC_ICR) & 0x1000 && spins++ < 100000)
		cpu_relax();
}

void apic_self(u8 vec)
{
	apic_ipi(this_cpu()->apic_id, 0x4000 | vec);
}

void apic_self_nmi(void)
{
	apic_ipi(this_cpu()->apic_id, 0x4400);
}

static void timer(u8 vec, u32 count, u32 divide)
{
	apic_write(APIC_TMICT, 0);
	/* Never another one but for patience: an access to the APIC less. */
	if (patient)
		apic_write(APIC_TDCR, divide);
	apic_write(APIC_LVTT, count ? vec : 0x10000);
	if (count)
		apic_write(APIC_TMICT, count);
}

/* One shot; the timer counts bus cycles divided by two. */
void apic_timer(u8 vec, u32 count)
{
	timer(vec, count, BY_2);
}

/*
 * Longest possible one-shot: 8.6 s at the 1 GHz bus of QEMU and KVM; Bochs
 * counts instructions and needs less. With "patient=1" nine minutes, for a host
 * whose kernel checks each of its accesses to memory.
 */
static u32 longest(void)
{
	return (home & HOME_BOCHS) ? 0x20000000 : 0xffffffff;
}

void watchdog_arm(void)
{
	timer(VEC_WATCHDOG, longest(), patient ? BY_128 : BY_2);
}

bool time_left(u32 round)
{
	return round % 8 || apic_read(APIC_TMCCT) > longest() / 2;
}

void watchdog_stop(void)
{
	apic_timer(0, 0);
}

void delay_us(u32 us)
{
	u64 end = rdtsc() + (u64)us * tsc_mhz;

	while (rdtsc() < end)
		cpu_relax();
}

/* A slow machine would be in the handler all the time: leave it some for L2. */
void smi_storm(void *arg)
{
	struct smi_storm *s = arg;

	while (!s->stop && s->sent < 100) {
		apic_ipi(s->target, ICR_SMI);
		s->sent++;
		delay_us(1000);
	}
}
