/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TAP output of the unit tests. One check is one line; tap_done() prints the
 * plan and gives the exit status.
 */
#ifndef NESTOR_TESTS_TAP_H
#define NESTOR_TESTS_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static unsigned int tap_count, tap_failed;

__attribute__((__format__(__printf__, 2, 3), __unused__))
static bool tap_ok(bool ok, const char *format, ...)
{
	va_list ap;

	printf("%s %u - ", ok ? "ok" : "not ok", ++tap_count);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	tap_failed += !ok;
	return ok;
}

__attribute__((__format__(__printf__, 1, 2), __unused__))
static void tap_diag(const char *format, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
}

__attribute__((__unused__))
static void tap_skip(const char *what, const char *why)
{
	printf("ok %u - %s # SKIP %s\n", ++tap_count, what, why);
}

__attribute__((__unused__))
static int tap_done(void)
{
	printf("1..%u\n", tap_count);
	return tap_failed ? 1 : 0;
}

#endif /* NESTOR_TESTS_TAP_H */
