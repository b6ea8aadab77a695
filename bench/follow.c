// SPDX-License-Identifier: GPL-2.0-only
/*
 * A copy of the guest's memory that is kept by the dirty log alone, as a live migration keeps its
 * own.  A page that the guest wrote and the log does not have is different in the end, whoever
 * wrote it: L1, L2, the CPU on their behalf, or the hypervisor.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "follow.h"

#define PAGE		4096ul
#define BITS		64
#define FIRST_MS	20	/* what the guest does before it is logged */
#define ROUND_MS	5
#define SHOWN		8

static struct {
	int vm;
	uint8_t *mem, *copy;
	uint64_t *bits;
	size_t size;
	pthread_t thread;
	volatile bool end;
	unsigned long rounds, pages;
} f;

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "bench-vmm: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void wait_ms(long ms)
{
	struct timespec t = { .tv_nsec = ms * 1000000 };

	nanosleep(&t, NULL);
}

/* The bits are cleared before the pages are read: what is written meanwhile is in the next ones. */
static void take_round(void)
{
	struct kvm_dirty_log log = { .dirty_bitmap = f.bits };
	size_t page;

	if (ioctl(f.vm, KVM_GET_DIRTY_LOG, &log) < 0)
		die("KVM_GET_DIRTY_LOG");
	for (page = 0; page < f.size / PAGE; page++) {
		if (!(f.bits[page / BITS] >> page % BITS & 1))
			continue;
		memcpy(f.copy + page * PAGE, f.mem + page * PAGE, PAGE);
		f.pages++;
	}
	f.rounds++;
}

static void *follow(void *arg)
{
	struct kvm_userspace_memory_region r = {
		.flags = KVM_MEM_LOG_DIRTY_PAGES, .memory_size = f.size,
		.userspace_addr = (uintptr_t)f.mem,
	};

	/* Its tables are there by then, with large pages. */
	wait_ms(FIRST_MS);
	if (ioctl(f.vm, KVM_SET_USER_MEMORY_REGION, &r) < 0)
		die("KVM_MEM_LOG_DIRTY_PAGES");
	memcpy(f.copy, f.mem, f.size);
	while (!f.end) {
		take_round();
		wait_ms(ROUND_MS);
	}
	return arg;
}

void follow_start(int vm, uint8_t *mem, size_t size)
{
	f.vm = vm;
	f.mem = mem;
	f.size = size;
	f.copy = malloc(size);
	f.bits = calloc((size / PAGE + BITS - 1) / BITS, sizeof(*f.bits));
	if (!f.copy || !f.bits)
		die("memory");
	if (pthread_create(&f.thread, NULL, follow, NULL))
		die("pthread_create");
}

unsigned long follow_end(void)
{
	unsigned long bad = 0;
	size_t at;

	f.end = true;
	pthread_join(f.thread, NULL);
	take_round();
	for (at = 0; at < f.size; at += PAGE) {
		if (!memcmp(f.copy + at, f.mem + at, PAGE))
			continue;
		if (++bad <= SHOWN)
			printf("# page %#lx was written and is not in the log\n",
			       (unsigned long)at);
	}
	printf("# dirty log: %lu rounds, %lu pages, %lu missed\n", f.rounds, f.pages, bad);
	return bad;
}
