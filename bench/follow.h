/* SPDX-License-Identifier: GPL-2.0-only */
/* Following the guest's memory by its dirty log, as a live migration does. */
#ifndef NESTOR_BENCH_FOLLOW_H
#define NESTOR_BENCH_FOLLOW_H

#include <stddef.h>
#include <stdint.h>

/* follow_start() - log slot 0 of @vm, which is @size bytes at @mem, and begin to follow it */
void follow_start(int vm, uint8_t *mem, size_t size);

/*
 * follow_end() - no vCPU runs any more: is the copy the memory?  Says so on stdout, with the pages
 * that are not.  Returns how many those are.
 */
unsigned long follow_end(void);

#endif
