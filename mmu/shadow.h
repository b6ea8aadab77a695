/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shadow second-level tables: L1's NPT12/EPT12 composed with L0's slots.
 *
 * The shadow of a vCPU is a model of that processor's TLB: keyed by (root,
 * format, tag), filled on fault, kept across transitions.  The tag is L1's ASID: AMD-V
 * tags what it caches of the second level with it.  VT-x keeps guest-physical mappings by
 * EPTP alone, whatever the VPID: there the tag is always 0, and EPTP's A/D bit is part of
 * the format.  What the architecture lets a TLB keep the shadow may keep; an invalidation by
 * L1 drops it.  Every table has one owner, this vCPU's mmu_shadow.  An MMU
 * notifier or a slot change zaps by L1 address through a reverse map.
 */
#ifndef NESTOR_MMU_SHADOW_H
#define NESTOR_MMU_SHADOW_H

#include "core/vcpu.h"
#include "mmu/walk.h"

struct shadow_root;

int shadow_create(struct nestor_vcpu *vcpu);	/* vcpu->shadow; -ENOMEM.  shadow_get() does it when it is needed. */
/* Before mmu_vm_destroy(); there need be none. */
void shadow_destroy(struct nestor_vcpu *vcpu);

/*
 * shadow_get() - the shadow of L1's table at @root with format @fmt under @tag; made
 * if need be (evicting the least recently used beyond a small number). NULL: no memory.
 * Bits of @root that nCR3 ignores are ignored.  *fresh is set when it is new (empty).
 * The result stays valid until the next call of shadow_get() by this vCPU; an
 * invalidation leaves it valid.  Asks for a TLB flush when it is another root than
 * last time, because the backend knows L2 by one tag.  vm->srcu held, sleepable.
 * With EPT below the shadow, guest_run.root_ad has to be @fmt->ad.
 */
struct shadow_root *shadow_get(struct nestor_vcpu *vcpu, struct l1_gpa root,
			       const struct pt_format *fmt, u32 tag, bool *fresh);
/* shadow_ready() - the same without sleeping: NULL when there is anything to be made or compared first */
struct shadow_root *shadow_ready(struct nestor_vcpu *vcpu, struct l1_gpa root,
				 const struct pt_format *fmt, u32 tag);
/* shadow_current() - is @sr what was last returned, and as good as then?  Counts as a use. */
bool shadow_current(struct nestor_vcpu *vcpu, struct shadow_root *sr);
struct hpa shadow_root_hpa(const struct shadow_root *sr);

/*
 * Invalidation by L1: the vCPU's own thread, sleepable.  Each also makes hardware drop
 * what it cached of L2 (nested_ops.flush).
 */
void shadow_drop_tag(struct nestor_vcpu *vcpu, u32 tag);
void shadow_drop_all(struct nestor_vcpu *vcpu);
/*
 * shadow_drop_root() - what is cached of L1's table at @root, in every format and under every
 * tag: INVEPT of one context goes by the table's address alone.  INVVPID drops nothing here:
 * it is a flush of the hardware's tag for L2 (guest_run.flush).
 */
void shadow_drop_root(struct nestor_vcpu *vcpu, struct l1_gpa root);
/* shadow_drop_gpa() - one L2 page under @tag (all roots of that tag) */
void shadow_drop_gpa(struct nestor_vcpu *vcpu, u32 tag, struct l2_gpa gpa);

/* What became of L2's second-level fault. */
enum shadow_result {
	SHADOW_MAPPED,	/* enter again */
	SHADOW_L1,	/* L1's own table faults: reflect walk->error etc. */
	SHADOW_MMIO,	/* L1's table leads to *gpa, which is no RAM (or read-only and written) */
	SHADOW_ERROR,	/* VMM's mapping has no memory */
	SHADOW_NOMEM,
	SHADOW_LOG_FULL,	/* ACC_LOG_FULL, and L1's table would have been marked; it was not */
};

/*
 * shadow_fault() - EXIT_SECOND_LEVEL of L2 at @from.  @walk tells L1's walk, *gpa
 * L1's address (with SHADOW_MMIO and SHADOW_ERROR).  vm->srcu held, sleepable.
 *
 * Page-modification logging for L1: pass ACC_LOG_FULL in @access while L1's log has no
 * room, and log @from's page whenever walk->dirtied is set afterwards, whatever the result.
 */
enum shadow_result shadow_fault(struct nestor_vcpu *vcpu, struct shadow_root *sr,
				struct l2_gpa from, u64 access, struct walk *walk, struct l1_gpa *gpa);
/*
 * shadow_walk() - walk L1's table only (software translation); sets A/D as hardware
 * would.  ACC_USER is implied; ACC_TABLE is a write where the format says so; for
 * ACC_LOG_FULL see shadow_fault().  WALK_TABLE_FAULT: L1 kept changing the entry; try again.
 */
enum walk_result shadow_walk(struct nestor_vcpu *vcpu, struct l1_gpa root, const struct pt_format *fmt,
			     struct l2_gpa from, u64 access, struct walk *walk);

/*
 * shadow_audit() - check every table of this vCPU against the reverse map, the slots and
 * the host's mapping; returns the number of errors, each of which is logged
 * (rate-limited).  The vCPU's thread, vm->srcu held.
 */
int shadow_audit(struct nestor_vcpu *vcpu);

#endif
