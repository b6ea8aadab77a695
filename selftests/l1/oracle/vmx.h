/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VT-x's part of the oracle: vmx.c enters and records, vmx_state.c keeps the fields of a VMCS,
 * vmx_moves.c bends them; vmx_seq.c has the cases without a program of L2's.
 */
#ifndef L1_ORACLE_VMX_H
#define L1_ORACLE_VMX_H

#include "oracle/oracle.h"
#include "vmx/vmx.h"

/* Always on: a case ends by HLT; what is passed otherwise would leave traces in L1. */
#define KEEP_PIN	(PIN_EXT_INT | PIN_NMI)
#define KEEP_PROC	(PROC_HLT | PROC_MWAIT | PROC_MONITOR | PROC_IO | PROC_MSR_BITMAPS | \
			 PROC_SECONDARY | PROC_TSC_OFFSET)

/* Fields by encoding: what they shall be at the next entry. */
u64 orc_get(u32 field);
void orc_set(u32 field, u64 v);

/* All managed fields as in a valid VMCS of that mode. */
void vmx_state_init(void);
void vmx_state_base(struct orc_case *k, bool ept);
/* Write what changed since; false when VMWRITE failed. */
void vmx_state_write(void);
/* Read what the VMCS holds, after others wrote to it. */
void vmx_state_forget(void);
/* Read guest state and record it: what changes with each exit, or all. */
void vmx_state_record(struct orc_case *k, bool all);

/* One to four moves. */
void vmx_moves(struct orc_case *k);

/* Sequences of L1's instructions: vmx_seq.c */
void vmx_seq_init(struct vl2 *l2, u64 eptp);
void vmx_seq_run(struct orc_case *k);

/* Pages of the case: bitmaps, areas of MSRs */
extern u64 *orc_msr_bitmap, *orc_area;

#endif
