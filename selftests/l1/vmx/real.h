/* SPDX-License-Identifier: GPL-2.0-only */
/* L1 in real mode: real.S and test_real.c. */
#ifndef L1_VMX_REAL_H
#define L1_VMX_REAL_H

/* Where the 16-bit code runs; its stack is below the end of this page */
#define REAL_BASE	0x9000

#endif
