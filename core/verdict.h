/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why a nested entry failed.  Three types of error are kept apart: -errno is
 * for userspace and resources, enum nested_result is what the architecture
 * answers, struct verdict is the reason.
 */
#ifndef NESTOR_CORE_VERDICT_H
#define NESTOR_CORE_VERDICT_H

#include "core/types.h"

/**
 * enum nested_result - the architecture's answer to an instruction of L1
 * @NESTED_OK: done; RIP moves on
 * @NESTED_ENTERED: L2 is current now; RIP is L2's
 * @NESTED_EXITED: the instruction ended in an exit to L1 (failed entry); RIP is L1's
 * @NESTED_UD: #UD
 * @NESTED_GP: #GP(0)
 * @NESTED_FAULT: another exception, already queued
 * @NESTED_SHUTDOWN: L1's processor shuts down
 * @NESTED_RETRY: nothing was done; run the same instruction again
 * @NESTED_LATER: nothing was done, for it might sleep and vcpu->atomic is set; ask again without
 * @NESTED_NOMEM: nothing was done, for want of memory; the VMM is told, and may run the same instruction again
 * @NESTED_USER: userspace has to act first; struct kvm_run is filled in
 */
enum nested_result {
	NESTED_OK, NESTED_ENTERED, NESTED_EXITED, NESTED_UD, NESTED_GP,
	NESTED_FAULT, NESTED_SHUTDOWN, NESTED_RETRY, NESTED_LATER, NESTED_NOMEM,
	NESTED_USER,
};

/**
 * struct verdict - which check failed, on what
 * @check: id of the check (row of the frontend's checks.def), 0 = passed
 * @name: its name there; static storage, NULL when @check is 0
 * @outcome: what L1 was told (exit code or VM-instruction error), frontend's numbering
 * @field: offset in the VMCB, or VMCS encoding, of the field at fault
 * @value: value found there
 * @qual: what L1 was told beside it (VT-x: exit qualification), else 0
 * @aux: second value of checks on a pair of fields, else 0
 */
struct verdict {
	u32 check;
	u32 field;
	u64 outcome;
	u64 qual;
	u64 value;
	u64 aux;
	const char *name;
};

#endif
