// SPDX-License-Identifier: GPL-2.0-only
/* Runs the benchmark's rows and reports them; the rows that need no vendor's extension. */
#include "bench.h"

#define MARK_PORT	0x4e0	/* known to the VMM of bench/ */
#define USER_PORT	0x4e8	/* nobody in the kernel answers there */
#define PIC_PORT	0x21	/* the in-kernel PIC does */
#define USER_MMIO	0xd0000000ull
#define APIC_MMIO	0xfee00030ull

static const struct bench_set *const sets[] = { &bench_common_rows, &bench_svm_rows, &bench_svm_mem_rows,
						 &bench_vmx_rows, &bench_vmx_mem_rows };
static u64 began;

void bench_begin(void)
{
	outl(MARK_PORT, 1);
	began = rdtsc();
}

static u64 finish(void)
{
	u64 t = rdtsc() - began;

	outl(MARK_PORT, 0);
	return t;
}

void bench_stop(void)
{
	finish();
}

void bench_report(const struct bench *b, const char *part, u64 ops, u64 total)
{
	say("bench %s%s%s %llu %llu\n", b->name, part ? "." : "", part ? part : "", ops, total);
}

void bench_end(const struct bench *b, u64 ops)
{
	u64 t = finish();

	bench_report(b, NULL, ops, t);
}

/* One exit each; the loop itself is a handful of instructions. */
#define ROW(name, insns)						\
	static void name(const struct bench *b)				\
	{								\
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
	}

static void cpuid_once(u32 leaf)
{
	u32 r[4];

	cpuid(leaf, 0, r);
}

static u32 mmio_read(u64 addr)
{
	return *(volatile u32 *)addr;
}

ROW(cpuid_row, cpuid_once(b->arg))
ROW(rdmsr_row, rdmsr(b->arg))
ROW(wrmsr_row, wrmsr(b->arg, 0))
ROW(port_row, inb(b->arg))
ROW(mmio_row, mmio_read(b->arg))

static const struct bench rows[] = {
	{ "l1/cpuid", 0, cpuid_row, 1000, 0 },
	{ "l1/rdmsr", 0, rdmsr_row, 1000, MSR_APIC_BASE },
	{ "l1/wrmsr", 0, wrmsr_row, 1000, 0x8b },
	{ "l1/port-kernel", 0, port_row, 500, PIC_PORT },
	{ "l1/port-vmm", 0, port_row, 500, USER_PORT },
	{ "l1/mmio-kernel", 0, mmio_row, 500, APIC_MMIO },
	{ "l1/mmio-vmm", 0, mmio_row, 500, USER_MMIO },
};

const struct bench_set bench_common_rows = { NULL, rows, ARRAY_SIZE(rows) };

/* bench=LIST: is the row, or its group, in the list? */
static bool selected(const char *name)
{
	static char list[300];
	size_t n, group;
	char *p;

	arg_value("bench", list, sizeof(list));
	if (!strcmp(list, "all"))
		return true;
	for (group = 0; name[group] && name[group] != '/'; group++)
		;
	for (p = list; *p; p += n + (p[n] == ',')) {
		for (n = 0; p[n] && p[n] != ','; n++)
			;
		if (!strncmp(p, name, n) && (!name[n] || n == group))
			return true;
	}
	return false;
}

/* ops=N overrides what the row would do, for a profiler that needs time. */
static u32 ops_of(const struct bench *b)
{
	char buf[12];
	const char *p = arg_value("ops", buf, sizeof(buf));
	u32 n = 0;

	for (; p && *p >= '0' && *p <= '9'; p++)
		n = n * 10 + *p - '0';
	return n ? n : b->ops;
}

static void run_row(const struct bench *row)
{
	struct bench copy = *row, *b = &copy;
	u64 mark;

	vendor->before();
	mark = mem_mark();
	b->ops = ops_of(row);
	/* Where a run broke off. */
	say("bench-row %s\n", b->name);
	if (b->need & ~cpu_features) {
		say("bench %s not on this CPU\n", b->name);
		return;
	}
	b->run(b);
	vendor->after();
	mem_reset(mark);
}

bool run_benches(void)
{
	char buf[8], after[40];
	u32 i, j;
	bool on;

	if (!arg_value("bench", buf, sizeof(buf)))
		return false;
	/* after=NAME: only what comes behind that row. */
	on = !arg_value("after", after, sizeof(after));
	for (i = 0; i < ARRAY_SIZE(sets); i++) {
		for (j = 0; j < sets[i]->nr; j++) {
			const struct bench *row = &sets[i]->rows[j];

			if (on && (!sets[i]->vendor || sets[i]->vendor == vendor) && selected(row->name))
				run_row(row);
			on = on || !strcmp(row->name, after);
		}
	}
	say("bench done\n");
	outl(QUIT_PORT, 0);
	return true;
}
