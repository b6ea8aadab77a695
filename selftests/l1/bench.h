/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The image as a benchmark: bench=all, bench=NAME,NAME or bench=GROUP (the part of a
 * name before the '/') on the command line runs rows in place of the tests, with after=NAME only
 * those behind that one.  Time is RDTSC, which counts instructions on the deterministic hosts.
 */
#ifndef L1_BENCH_H
#define L1_BENCH_H

#include "l1.h"

/**
 * struct bench - one row
 * @name: GROUP/NAME, also what bench= takes
 * @need: features, as for a test
 * @run: runs the row and reports it
 * @ops: how often it does what it measures
 * @arg: the row's own
 */
struct bench {
	const char *name;
	u64 need;
	void (*run)(const struct bench *b);
	u32 ops;
	u64 arg;
};

/** struct bench_set - @vendor: the extension that the rows are about, or NULL */
struct bench_set {
	const struct vendor *vendor;
	const struct bench *rows;
	u32 nr;
};

extern const struct bench_set bench_common_rows, bench_svm_rows, bench_svm_mem_rows, bench_vmx_rows,
	bench_vmx_mem_rows;

/*
 * bench_begin() and bench_end() enclose what a row measures; the VMM counts the exits
 * between the two.  bench_end() reports @ops operations in the time between.
 */
void bench_begin(void);
void bench_end(const struct bench *b, u64 ops);
/* bench_stop() - as bench_end(), reporting nothing: the row has its own figures */
void bench_stop(void);
/* bench_report() - @ops operations took @total instructions; @part names a part of the row, or NULL */
void bench_report(const struct bench *b, const char *part, u64 ops, u64 total);

/* run_benches() - true when the command line asked for it */
bool run_benches(void);

/* In L2's or the trip's assembly: the time to @reg; RAX and RDX go. */
#define TSC_TO(reg)	"rdtsc; shl $32, %rdx; or %rdx, %rax; mov %rax, " reg "\n"

#endif
