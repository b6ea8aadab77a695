// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the selected tests and speaks TAP. Each test runs under a catch, with
 * a watchdog, and leaves control registers, EFER and memory as they were.
 */
#include "l1.h"

static volatile bool failed;
static const char *volatile skipped;
static char tname[80];
static u32 nr_fails;

void t_fail(const char *file, int line, const char *f, ...)
{
	char buf[300];
	va_list ap;

	failed = true;
	/* One wrong table makes thousands of lines: show the first few. */
	if (nr_fails++ > 12)
		return;
	va_start(ap, f);
	vfmt(buf, sizeof(buf), f, ap);
	va_end(ap);
	say("# %s:%d: %s\n", file, line, buf);
}

bool t_failed(void) { return failed; }
void t_skip(const char *reason) { skipped = reason; }

bool t_departs(const char *part)
{
	char name[120];
	const char *why;

	fmt(name, sizeof(name), "%s.%s", tname, part);
	why = departure(name);
	if (why)
		skipped = why;
	return why != NULL;
}

static const char *lacks(u64 need)
{
	static char buf[80];

	if (!(need & ~cpu_features))
		return NULL;
	fmt(buf, sizeof(buf), "this CPU has no %s", vendor->feature_name(need & ~cpu_features));
	return buf;
}

static void call(void *arg)
{
	const struct l1_test *t = arg;

	t->run(t->arg);
}

static void run_guarded(const struct l1_test *t)
{
	struct cpu *cpu = this_cpu();
	u64 efer = rdmsr(MSR_EFER), cr0 = read_cr0(), cr4 = read_cr4();
	u64 pat = rdmsr(MSR_PAT), mark;
	struct catch c = {};

	vendor->before();
	mark = mem_mark();
	cpu->catch = &c;
	cpu->test_catch = &c;
	watchdog_arm();
	catch_call(&c, call, (void *)t);
	irq_off();
	wrmsr(MSR_EFER, efer);
	cpu->test_catch = NULL;
	cpu->catch = NULL;
	vendor->recover();
	watchdog_stop();
	/* Take what is still pending, so that the next test does not. */
	irq_on();
	irq_off();
	write_cr8(0);
	write_cr0(cr0);
	write_cr4(cr4);
	wrmsr(MSR_PAT, pat);
	vendor->after();
	mem_reset(mark);
}

#define TRIES	3

static void run_tried(const struct l1_test *t)
{
	const char *why = rare_departure(tname);
	u32 tries;

	run_guarded(t);
	for (tries = 1; failed && why && tries < TRIES; tries++) {
		say("# %s once more: %s\n", tname, why);
		failed = false;
		skipped = NULL;
		nr_fails = 0;
		run_guarded(t);
	}
}

/* 0 pass, 1 fail, 2 skip */
static int run_one(const struct test_group *g, const struct l1_test *t, u32 n)
{
	const char *why;

	fmt(tname, sizeof(tname), "%s/%s", g->name, t->name);
	failed = false;
	skipped = NULL;
	nr_fails = 0;
	why = lacks(t->need);
	if (!why)
		why = departure(tname);
	if (!why) {
		run_tried(t);
		why = skipped;
	}
	if (failed) {
		say("not ok %u - %s\n", n, tname);
		return 1;
	}
	if (why) {
		say("ok %u - %s # SKIP %s\n", n, tname, why);
		return 2;
	}
	say("ok %u - %s\n", n, tname);
	return 0;
}

/* tests=group,group/test,... ; none or "all" selects all but the fatal ones. */
static bool selected(const struct test_group *g, const struct l1_test *t)
{
	static char list[300];
	char name[80];
	size_t n;
	char *p;

	if (!arg_value("tests", list, sizeof(list)) || !strcmp(list, "all"))
		return !g->by_name_only;
	fmt(name, sizeof(name), "%s/%s", g->name, t->name);
	for (p = list; *p; p += n + (p[n] == ',')) {
		for (n = 0; p[n] && p[n] != ','; n++)
			;
		if (strlen(g->name) == n && !strncmp(p, g->name, n))
			return true;
		if (strlen(name) == n && !strncmp(p, name, n))
			return true;
	}
	return false;
}

static void list_tests(void)
{
	u32 i, j;

	for (i = 0; i < vendor->nr_groups; i++)
		for (j = 0; j < vendor->groups[i]->nr; j++)
			say("# %s/%s\n", vendor->groups[i]->name, vendor->groups[i]->tests[j].name);
	say("1..0 # SKIP only listed\n");
}

int run_tests(void)
{
	u32 i, j, total = 0, n = 0, count[3] = { 0, 0, 0 };
	char buf[8];

	/* tests=list, or the word at the end. */
	if ((arg_value("tests", buf, sizeof(buf)) && !strcmp(buf, "list")) ||
	    (strlen(cmdline) >= 5 && !strcmp(cmdline + strlen(cmdline) - 5, " list"))) {
		list_tests();
		return 0;
	}
	for (i = 0; i < vendor->nr_groups; i++)
		for (j = 0; j < vendor->groups[i]->nr; j++)
			total += selected(vendor->groups[i], &vendor->groups[i]->tests[j]);
	say("1..%u\n", total);
	for (i = 0; i < vendor->nr_groups; i++)
		for (j = 0; j < vendor->groups[i]->nr; j++)
			if (selected(vendor->groups[i], &vendor->groups[i]->tests[j]))
				count[run_one(vendor->groups[i], &vendor->groups[i]->tests[j], ++n)]++;
	say("# Totals: pass:%u fail:%u xfail:0 xpass:0 skip:%u error:0\n", count[0], count[1],
	    count[2]);
	return count[1] || !total;
}
