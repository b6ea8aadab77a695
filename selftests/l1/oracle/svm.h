/* SPDX-License-Identifier: GPL-2.0-only */
/* AMD-V's part of the oracle: svm_moves.c bends a VMCB, svm.c enters and records, svm_seq.c is apart. */
#ifndef L1_ORACLE_SVM_H
#define L1_ORACLE_SVM_H

#include "oracle/oracle.h"

/* Always intercepted: a case ends by HLT and SHUTDOWN; the rest would leave traces in L1. */
#define KEEP_MISC1	(1u << I1_INTR | 1u << I1_NMI | 1u << I1_SMI | 1u << I1_INIT | 1u << I1_INVD | \
			 1u << I1_HLT | 1u << I1_IOIO | 1u << I1_MSR | 1u << I1_SHUTDOWN)
#define KEEP_MISC2	(1u << I2_VMLOAD | 1u << I2_VMSAVE | 1u << I2_MONITOR | 1u << I2_MWAIT | \
			 1u << I2_MWAIT_ARMED | 1u << I2_XSETBV)

/* Permission maps of the case: everything is intercepted but what moves let through. */
extern u8 *orc_iopm, *orc_msrpm;

void svm_maps_reset(void);
/* One to four moves. */
void svm_moves(struct orc_case *k, struct vmcb *v);

/* Sequences of L1's instructions: svm_seq.c.  The two VMCBs enter an L2 that halts at once. */
void svm_seq_init(void);
struct vmcb *svm_seq_vmcb(u32 n);
void svm_seq_run(struct orc_case *k);

#endif
