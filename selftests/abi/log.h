/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests by chance share: numbers, the kernel's log, how many VMs there are. */
#ifndef SELFTESTS_ABI_LOG_H
#define SELFTESTS_ABI_LOG_H

#include "abi.h"

static __thread uint64_t seed;

static inline uint32_t rnd(void)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return seed >> 33;
}

/* complaints() - how many lines of the kernel log complain */
static inline int complaints(void)
{
	FILE *f = popen("dmesg | grep -cE 'WARNING|BUG:|Oops|general protection|UBSAN|lockdep|ODEBUG'", "r");
	int n = -1;

	if (f && fscanf(f, "%d", &n) != 1)
		n = -1;
	if (f)
		pclose(f);
	return n;
}

static inline int users(void)
{
	FILE *f = fopen(stock ? "/sys/module/kvm/refcnt" : "/sys/module/nestor/refcnt", "r");
	int n = -1;

	if (f && fscanf(f, "%d", &n) != 1)
		n = -1;
	if (f)
		fclose(f);
	return n;
}

/* nothing_left() - the tests that end every program of this kind */
static inline void nothing_left(int was_users, int was_complaints)
{
	int i;

	for (i = 0; i < 100 && users() != was_users; i++)
		usleep(100000);
	ok(users() == was_users, "no VM is left");
	ok(complaints() == was_complaints, "no complaint in the kernel log");
}

#endif
