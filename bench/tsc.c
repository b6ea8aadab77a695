// SPDX-License-Identifier: GPL-2.0-only
/* Print the TSC, which counts instructions on the deterministic hosts. */
#include <stdio.h>
#include <x86intrin.h>

int main(void)
{
	printf("tsc %llu\n", __rdtsc());
	return 0;
}
