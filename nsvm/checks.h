/* SPDX-License-Identifier: GPL-2.0-only */
/* The consistency checks of VMRUN: pure; the list is checks.def. */
#ifndef NESTOR_NSVM_CHECKS_H
#define NESTOR_NSVM_CHECKS_H

#include "core/verdict.h"
#include "nsvm/permmap.h"
#include "nsvm/vmcb12.h"

/* Ids of checks.def, counted from 1: a verdict of 0 says that all passed. */
enum nsvm_check {
	CHECK_none,
#define X(id, stage, section, field, expr) CHECK_##id,
#include "nsvm/checks.def"
#undef X
	NR_NSVM_CHECKS
};

/**
 * struct check_env - what else the checks depend on
 * @rsvd_gpa_bits: physical-address bits beyond L1's MAXPHYADDR
 * @cr4_reserved: CR4 bits that L1's processor does not have
 * @efer_reserved: EFER bits that L1's processor does not have
 * @host_cr0: L1's CR0 at VMRUN
 * @has_lm: L1's processor has long mode
 */
struct check_env {
	u64 rsvd_gpa_bits;
	u64 cr4_reserved;
	u64 efer_reserved;
	u64 host_cr0;
	bool has_lm;
};

/** struct nsvm_check_row - what is said about a check; index is the id */
struct nsvm_check_row {
	const char *name;
	const char *section;
	const char *field;
};

extern const struct nsvm_check_row nsvm_check_rows[NR_NSVM_CHECKS];

/** nsvm_check() - the first check that @snap fails; .check is 0 when it passes all */
struct verdict nsvm_check(const struct vmcb12_snapshot *snap, const struct check_env *env);

#endif
