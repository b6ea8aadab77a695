// SPDX-License-Identifier: GPL-2.0-only
/*
 * oracle=1 on the command line runs cases in place of the tests: from= and cases= of seed=,
 * one hash a case, or those of a list, the multiboot module, which also has the hashes
 * they should have.  A case that has another, or one from a list without, is written down in full:
 * as it was, or where the log is a line, in another run.
 */
#include "oracle/oracle.h"

/* One case of a list; a hash of 0: write it down in any case. */
struct orc_item { u32 nr, drop; u64 hash; };

u64 orc_profile;

static const struct orc_part *part;
static u64 seed;
static bool lines;

extern u32 mb_magic, mb_info;

static u64 number(const char *key, u64 otherwise)
{
	char buf[24];
	const char *p;
	u64 v = 0;

	if (!arg_value(key, buf, sizeof(buf)))
		return otherwise;
	for (p = buf; *p >= '0' && *p <= '9'; p++)
		v = v * 10 + *p - '0';
	return v;
}

static void profile(void)
{
	static const struct { const char *name; u64 bit; } words[] = {
		{ "tcg", OP_TCG }, { "bochs", OP_BOCHS }, { "nrips", OP_NRIPS },
		{ "decode", OP_DECODE }, { "lenient", OP_LENIENT },
		{ "strict", OP_STRICT },
	};
	char buf[80];
	const char *p;
	u32 i;

	if (!arg_value("profile", buf, sizeof(buf)))
		return;
	for (p = buf; *p; p += *p == ',')
		for (i = 0; i < ARRAY_SIZE(words); i++)
			if (!strncmp(p, words[i].name, strlen(words[i].name))) {
				orc_profile |= words[i].bit;
				p += strlen(words[i].name);
				break;
			}
}

/* The module, or NULL; GRUB and QEMU put it behind the image. */
static const struct orc_item *list(u32 *n)
{
	const u32 *mb = (void *)(u64)mb_info;
	const u32 *mod;

	if (mb_magic != 0x2badb002 || !(mb[0] & 8) || !mb[5])
		return NULL;
	mod = (void *)(u64)mb[6];
	*n = (mod[1] - mod[0]) / sizeof(struct orc_item);
	return (void *)(u64)mod[0];
}

static u64 run_case(u32 nr, u32 drop, bool verbose)
{
	struct orc_case k = { .nr = nr, .drop = drop, .verbose = verbose };

	k.rng = seed * 0x2545f4914f6cdd1dull + nr;
	k.rng = orc_rnd(&k.rng);
	if (verbose)
		orc_say("C %u %x\n", nr, drop);
	part->run(&k);
	if (verbose)
		orc_say("E %016llx\n", k.hash);
	return k.hash | 1;
}

static void run_range(u32 from, u32 cases)
{
	u32 i;

	for (i = from; i < from + cases; i++) {
		orc_out_case(i);
		if (!(i & 63))
			watchdog_arm();
		if (lines) {
			run_case(i, 0, true);
			continue;
		}
		orc_say("H %u %016llx\n", i, run_case(i, 0, false));
	}
	orc_say("T %u\n", cases);
}

static void run_list(const struct orc_item *it, u32 from, u32 n, u32 most)
{
	u32 i, differ = 0;

	for (i = from; i < n; i++) {
		u64 hash = 0, mark;

		orc_out_case(i);
		if (!(i & 63))
			watchdog_arm();
		/* One run is enough where its outcome can be forgotten when it is the right one. */
		if (it[i].hash && orc_out_mark(&mark)) {
			hash = run_case(it[i].nr, it[i].drop, true);
			if (hash == it[i].hash || differ++ >= most)
				orc_out_rewind(mark);
			if (hash != it[i].hash && differ > most)
				orc_say("D %u\n", it[i].nr);
			continue;
		}
		if (it[i].hash) {
			hash = run_case(it[i].nr, it[i].drop, false);
			if (hash == it[i].hash)
				continue;
			if (differ++ >= most) {
				orc_say("D %u\n", it[i].nr);
				continue;
			}
		}
		if (run_case(it[i].nr, it[i].drop, true) != hash && it[i].hash)
			orc_say("U %u\n", it[i].nr);
	}
	orc_say("T %u\n", n - from);
}

bool run_oracle(void)
{
	const struct orc_item *items;
	u32 n = 0;

	if (!number("oracle", 0))
		return false;
	seed = number("seed", 1);
	lines = number("verbose", 0);
	part = vendor == &svm_vendor ? &orc_svm : &orc_vmx;
	profile();
	items = list(&n);
	/* The pool is above the module. */
	if (items && (u64)(items + n) > mem_mark())
		panic("the list reaches into the pages of the image: make it shorter");
	orc_out_init();
	part->init();
	orc_arena_init();
	part->start();
	if (items)
		run_list(items, number("from", 0), n, number("most", 5000));
	else
		run_range(number("from", 0), number("cases", 1000));
	watchdog_stop();
	orc_out_end();
	return true;
}
