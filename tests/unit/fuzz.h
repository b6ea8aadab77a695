/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fuzz targets share: bytes of the input in turn, a promise that is kept or ends
 * the program, and a main() for builds without libFuzzer, which feeds the files of the
 * corpus that its arguments name and then inputs by chance.
 */
#ifndef NESTOR_TESTS_FUZZ_H
#define NESTOR_TESTS_FUZZ_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/pure.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static const u8 *fuzz_data;
static size_t fuzz_left;

static inline void fuzz_begin(const u8 *data, size_t size)
{
	fuzz_data = data;
	fuzz_left = size;
}

/* get() - the next @n bytes, 0 beyond the end */
static inline void get(void *buf, size_t n)
{
	size_t have = n < fuzz_left ? n : fuzz_left;

	memset(buf, 0, n);
	if (!have)
		return;
	memcpy(buf, fuzz_data, have);
	fuzz_data += have;
	fuzz_left -= have;
}

static inline u64 get_number(size_t bytes)
{
	u64 v = 0;

	get(&v, bytes);
	return v;
}

static inline void demand(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "broken promise: %s\n", what);
	abort();
}

/* run_need() of core/guest_run.h is inline and refers to it; nothing pure calls it. */
struct guest_run;
void hw_fetch(struct guest_run *run, u32 groups);
__attribute__((__weak__)) void hw_fetch(struct guest_run *run, u32 groups)
{
	(void)run;
	(void)groups;
}

#ifdef STANDALONE
#include "tap.h"

static unsigned int fuzz_corpus(const char *name)
{
	static u8 data[65536];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *dir = opendir(name);

	while (dir && (entry = readdir(dir))) {
		char path[1024];
		FILE *f;

		snprintf(path, sizeof(path), "%s/%s", name, entry->d_name);
		f = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
		if (!f)
			continue;
		LLVMFuzzerTestOneInput(data, fread(data, 1, sizeof(data), f));
		fclose(f);
		n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	unsigned int i, k, found = 0, n = 20000;
	static u8 data[4096];

	if (argc > 1)
		found = fuzz_corpus(argv[1]);
	else
		found = fuzz_corpus(CORPUS);
	tap_ok(found > 0, "%u inputs of the corpus", found);
	srandom(1);
	for (i = 0; i < n; i++) {
		/* Mostly zeros: what is left as it was leads further than noise. */
		memset(data, 0, sizeof(data));
		for (k = 0; k < sizeof(data); k++)
			if (i % 2 || random() % 16 == 0)
				data[k] = random() >> 8;
		LLVMFuzzerTestOneInput(data, 1 + random() % sizeof(data));
	}
	tap_ok(true, "%u random inputs", n);
	return tap_done();
}
#endif

#endif
