/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is peculiar to a guest hypervisor's EPT: its table format as its EPTP and the
 * offered capabilities make it, and the exit qualification of a violation.  Pure.
 *
 * What the shadow carries of L1's leaf, and what not:
 *
 * - R, W and X each by itself; an execute-only page needs hw_caps.exec_only, without
 *   which a frontend does not offer it (then it is a misconfiguration).
 * - The memory type and "ignore PAT" not.  Below L1's address there is the VMM's ordinary
 *   memory, which the host maps write-back; a second, uncached view of it at a guest's
 *   wish would alias the host's.  No device of the host reaches it past the caches, so
 *   that nobody can tell but by timing.  The SDM's "EPT and Memory Typing" lets the
 *   second level decide alone: all leaves are WB and ignore PAT.
 * - Accessed and dirty flags as L1's EPTP asks (guest_run.root_ad): with them the CPU takes
 *   its own accesses to L2's page tables for writes, and without them for reads, and that
 *   decides which faults there are.
 */
#ifndef NESTOR_MMU_EPT_H
#define NESTOR_MMU_EPT_H

#include "mmu/walk.h"

/* SDM vol. 3, "Extended-Page-Table Pointer (EPTP)" */
#define EPTP_AD			BIT_ULL(6)
#define EPTP_ROOT		GENMASK_ULL(51, 12)

/* SDM vol. 3, "Exit Qualification for EPT Violations" */
#define EPT_QUAL_READ		BIT_ULL(0)
#define EPT_QUAL_WRITE		BIT_ULL(1)
#define EPT_QUAL_FETCH		BIT_ULL(2)
#define EPT_QUAL_READABLE	BIT_ULL(3)
#define EPT_QUAL_WRITABLE	BIT_ULL(4)
#define EPT_QUAL_EXECUTABLE	BIT_ULL(5)
#define EPT_QUAL_LINEAR		BIT_ULL(7)	/* the guest-linear address is valid */
#define EPT_QUAL_FINAL		BIT_ULL(8)	/* with the former: not the walk's, but its result */
#define EPT_QUAL_NMI_UNBLOCKED	BIT_ULL(12)

/**
 * ept_format() - how L1's EPT is read
 * @eptp: L1's EPTP, checked at VM entry: 4 levels
 * @exec_only: execute-only translations are offered (IA32_VMX_EPT_VPID_CAP bit 0)
 * @large_2m: 2M pages are offered (bit 16)
 * @large_1g: 1G pages are offered (bit 17)
 * @rsvd_pa: address bits beyond L1's physical-address width
 */
static inline struct pt_format ept_format(u64 eptp, bool exec_only, bool large_2m,
					  bool large_1g, u64 rsvd_pa)
{
	return (struct pt_format){
		.name = "EPT",
		.levels = 4,
		.entry_size = 8,
		.index_bits = 9,
		.ept = true,
		.exec_only = exec_only,
		.large_2m = large_2m,
		.large_1g = large_1g,
		.ad = eptp & EPTP_AD,
		.table_write = eptp & EPTP_AD,
		.rsvd_pa = rsvd_pa & EPTP_ROOT,
	};
}

/* ept_misconfigured() - of a walk that gave WALK_FAULT or SHADOW_L1: else it is a violation */
static inline bool ept_misconfigured(const struct walk *walk)
{
	return walk->error & ACC_RSVD;
}

/**
 * ept_access_bits() - bits 2:0 of the qualification, for an access in software
 * @access: ACC_WRITE, ACC_FETCH, ACC_TABLE as for shadow_walk(); @ad: EPTP bit 6
 *
 * Whether a read-modify-write instruction sets bit 0 as well depends on the CPU; here it
 * does not.  Where the CPU itself has reported the fault its own bits are the better ones.
 */
static inline u64 ept_access_bits(u64 access, bool ad)
{
	if ((access & ACC_TABLE) && ad)
		return EPT_QUAL_READ | EPT_QUAL_WRITE;
	if (access & ACC_FETCH)
		return EPT_QUAL_FETCH;
	return access & ACC_WRITE ? EPT_QUAL_WRITE : EPT_QUAL_READ;
}

/* ept_rights_bits() - bits 5:3, of L1's table */
static inline u64 ept_rights_bits(const struct walk *walk)
{
	return (walk->readable ? EPT_QUAL_READABLE : 0) |
	       (walk->writable ? EPT_QUAL_WRITABLE : 0) |
	       (walk->exec ? EPT_QUAL_EXECUTABLE : 0);
}

/**
 * ept_violation_qual() - exit qualification of a violation in a software translation
 * @access: as for shadow_walk(), with ACC_FINAL or ACC_TABLE where a linear address is
 *	being translated; neither: PDPTEs are loaded by a move to a control register
 *
 * For a fault that the CPU has reported, take bits 2:0, 7, 8 and 12 of its qualification
 * and ept_rights_bits().
 */
static inline u64 ept_violation_qual(const struct walk *walk, u64 access, bool ad)
{
	u64 qual = ept_access_bits(access, ad) | ept_rights_bits(walk);

	if (access & (ACC_FINAL | ACC_TABLE))
		qual |= EPT_QUAL_LINEAR;
	if (access & ACC_FINAL)
		qual |= EPT_QUAL_FINAL;
	return qual;
}

#endif
