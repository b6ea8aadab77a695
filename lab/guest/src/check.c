// SPDX-License-Identifier: GPL-2.0-only
/*
 * The work that a guest of the lab does and checks.
 *
 * memory: give every 64-bit word of an area a value made from its own index,
 * read all back, then once more with the values inverted.  A page that is
 * lost, stale or mapped twice shows as a word whose value belongs elsewhere.
 *
 * timer: sleep, and compare two clocks before and after.
 */

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static uint64_t pattern(uint64_t index, uint64_t seed)
{
	uint64_t value = (index + 1) * 0x9e3779b97f4a7c15ull + seed;

	return value ^ (value >> 29);
}

static int sweep(uint64_t *area, uint64_t words, uint64_t seed)
{
	uint64_t i;

	for (i = 0; i < words; i++)
		area[i] = pattern(i, seed);
	/* Keep the compiler from knowing what it wrote. */
	__asm__ volatile("" : : "r"(area) : "memory");
	for (i = 0; i < words; i++) {
		if (area[i] != pattern(i, seed)) {
			printf("memory: word %" PRIu64 " is %#" PRIx64 ", not %#" PRIx64 "\n",
			       i, area[i], pattern(i, seed));
			return 1;
		}
	}
	return 0;
}

static int memory(unsigned long mib)
{
	size_t size = (size_t)mib << 20;
	uint64_t *area = mmap(NULL, size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED) {
		perror("memory: mmap");
		return 1;
	}
	if (sweep(area, size / 8, 0) || sweep(area, size / 8, ~0ull))
		return 1;
	printf("memory: %lu MiB written and read back twice\n", mib);
	return 0;
}

static double now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static int timer(double seconds)
{
	struct timespec ts = { .tv_sec = (time_t)seconds };
	double mono = now(CLOCK_MONOTONIC), real = now(CLOCK_REALTIME);

	ts.tv_nsec = (seconds - ts.tv_sec) * 1e9;
	if (nanosleep(&ts, NULL)) {
		perror("timer: nanosleep");
		return 1;
	}
	mono = now(CLOCK_MONOTONIC) - mono;
	real = now(CLOCK_REALTIME) - real;
	/* Late is the emulator's slowness; early, or clocks that differ, is a fault. */
	if (mono < seconds || mono > seconds + 10 || real - mono > 0.5 || mono - real > 0.5) {
		printf("timer: slept %.3f s by one clock, %.3f s by the other, wanted %.3f s\n",
		       mono, real, seconds);
		return 1;
	}
	printf("timer: asked for %.3f s, slept %.3f s\n", seconds, mono);
	return 0;
}

/*
 * The rate of this machine's TSC in kHz.  An emulated CPU that shows it cannot
 * find it out by itself while the machine is busy.  A pair of readings counts
 * only if it was taken quickly, or another program ran in between.
 */
static int tsc(void)
{
	struct { double t; uint64_t tsc; } at[2];
	struct timespec pause = { .tv_nsec = 100000000 };
	int i, tries;

	for (i = 0; i < 2; i++) {
		uint64_t best = UINT64_MAX;

		for (tries = 0; tries < 1000; tries++) {
			uint64_t before = __builtin_ia32_rdtsc(), after;
			double t = now(CLOCK_MONOTONIC_RAW);

			after = __builtin_ia32_rdtsc();
			if (after - before < best) {
				best = after - before;
				at[i].t = t;
				at[i].tsc = before + best / 2;
			}
		}
		nanosleep(&pause, NULL);
	}
	printf("%.0f\n", (at[1].tsc - at[0].tsc) / (at[1].t - at[0].t) / 1000);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "memory"))
		return memory(strtoul(argv[2], NULL, 10));
	if (argc == 3 && !strcmp(argv[1], "timer"))
		return timer(strtod(argv[2], NULL));
	if (argc == 2 && !strcmp(argv[1], "tsc"))
		return tsc();
	fprintf(stderr, "usage: check memory MIB | timer SECONDS | tsc\n");
	return 2;
}
