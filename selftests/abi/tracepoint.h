/* SPDX-License-Identifier: GPL-2.0-only */
/* How often the calling thread passes a tracepoint. */
#ifndef SELFTESTS_ABI_TRACEPOINT_H
#define SELFTESTS_ABI_TRACEPOINT_H

#include <linux/perf_event.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A descriptor that counts @event ("group/name") of this thread from now on, to be read as 64 bits; -1: cannot. */
static inline int tracepoint_counter(const char *event)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr) };
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/tracing/events/%s/id", event);
	if (access(path, R_OK))
		mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	f = fopen(path, "r");
	if (!f)
		return -1;
	if (fscanf(f, "%llu", &attr.config) != 1) {
		fclose(f);
		return -1;
	}
	fclose(f);
	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

#endif
