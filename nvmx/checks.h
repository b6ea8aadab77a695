/* SPDX-License-Identifier: GPL-2.0-only */
/* The checks of a VM entry: pure; the list is checks.def. */
#ifndef NESTOR_NVMX_CHECKS_H
#define NESTOR_NVMX_CHECKS_H

#include "core/verdict.h"
#include "nvmx/caps.h"
#include "nvmx/vmcs12.h"

/* Pending debug exceptions (SDM vol. 3, "Guest Non-Register State") */
#define PENDING_DBG_ENABLED	BIT(12)
#define PENDING_DBG_BS		BIT(14)
#define PENDING_DBG_RTM		BIT(16)
#define PENDING_DBG_VALID	(0xfull | PENDING_DBG_ENABLED | PENDING_DBG_BS | PENDING_DBG_RTM)

/* Ids of checks.def, counted from 1: a verdict of 0 says that all passed. */
enum nvmx_check {
	CHECK_none,
#define X(id, outcome, section, field, aux, expr) CHECK_##id,
#include "nvmx/checks.def"
#undef X
	NR_NVMX_CHECKS
};

/* What L1 is told; the order is that of the table in checks.c. */
enum nvmx_check_outcome {
	CHECKED_CONTROLS, CHECKED_HOST_STATE, CHECKED_GUEST_STATE, CHECKED_PDPTE, CHECKED_NMI,
	CHECKED_LINK_POINTER, NR_CHECK_OUTCOMES
};

/* Exit reason of an entry that fails on guest state, bit 31 included. */
#define EXIT_REASON_INVALID_GUEST_STATE	(EXIT_REASON_ENTRY_FAILED | 33)

/**
 * struct nvmx_check_env - what else the checks depend on
 * @caps: capability MSRs; their values do not change while @caps stays the same
 * @rsvd_gpa_bits: physical-address bits beyond L1's MAXPHYADDR
 * @cr4_reserved: CR4 bits that L1's processor does not have
 * @efer_reserved: EFER bits that it does not have
 * @debugctl_reserved: IA32_DEBUGCTL bits that it does not have
 * @perf_global_reserved: IA32_PERF_GLOBAL_CTRL bits that it does not have
 * @l1_efer: L1's EFER at the instruction
 * @current_ptr: L1's address of the VMCS
 * @link_word: first word of the VMCS that the link pointer names, read once; ~0 when it
 *	cannot be read, 0 when there is no link pointer
 * @va_bits: width of a linear address, 48 or 57
 * @has_rtm: L1's processor has RTM
 * @pad: 0
 * @pdpte: the four entries at the guest's CR3, read once; looked at with PAE paging without
 *	EPT; otherwise 0
 * @vtpr: byte 80H of the virtual-APIC page, read once; looked at with a TPR shadow but
 *	without virtualised APIC accesses or virtual-interrupt delivery; otherwise 0
 *
 * Compared as a block of memory up to @pdpte: there is no hole in it.  @pdpte and @vtpr
 * change often; only the groups that are tried at every entry look at them.
 */
struct nvmx_check_env {
	const struct nvmx_caps *caps;
	u64 rsvd_gpa_bits;
	u64 cr4_reserved;
	u64 efer_reserved;
	u64 debugctl_reserved;
	u64 perf_global_reserved;
	u64 l1_efer;
	u64 current_ptr;
	u32 link_word;
	u8 va_bits;
	bool has_rtm;
	u8 pad[2];
	u64 pdpte[4];
	u8 vtpr;
};

/* RIP need not be canonical: the bits above the width only have to be alike. */
static inline bool rip_within_linear(u64 rip, const struct nvmx_check_env *e)
{
	u64 high = rip >> e->va_bits;

	return !high || high == ~0ull >> e->va_bits;
}

#define NVMX_CHECK_ENV_STABLE	offsetof(struct nvmx_check_env, pdpte)
static_assert(NVMX_CHECK_ENV_STABLE == 9 * 8, "no hole");

/**
 * struct nvmx_checked - under which conditions the current VMCS last passed all checks
 * @env: environment
 * @modes: modes that couple HOT and CTRL fields with the rest
 * @valid: it has passed
 */
struct nvmx_checked {
	struct nvmx_check_env env;
	u64 modes;
	bool valid;
};

/**
 * struct nvmx_check_row - what is said about a check; index is the id
 * @name: id
 * @section: title in the manual
 * @field: enum vmcs12_index of the field at fault
 * @outcome: enum nvmx_check_outcome
 */
struct nvmx_check_row {
	const char *name;
	const char *section;
	u16 field;
	u8 outcome;
};

extern const struct nvmx_check_row nvmx_check_rows[NR_NVMX_CHECKS];

/**
 * nvmx_check() - the first check that @v fails, among those that look at a class in @classes
 * @classes: BIT(enum vmcs12_class); VMCS12_DIRTY_ALL for all checks
 * Return: .check is 0 when it passes.  .outcome is the VM-instruction error (VMfailValid)
 * or EXIT_REASON_INVALID_GUEST_STATE with the exit qualification in .qual.
 */
struct verdict nvmx_check(const struct vmcs12 *v, const struct nvmx_check_env *e, u32 classes);

/**
 * nvmx_check_classes() - what of @v's checks has to be repeated since @last: BIT(enum vmcs12_class)
 *
 * @v->dirty and a change of @e decide; PDPTEs in memory and VTPR are looked at each time.
 */
u32 nvmx_check_classes(const struct vmcs12 *v, const struct nvmx_check_env *e,
		       const struct nvmx_checked *last);

/**
 * nvmx_check_entry() - nvmx_check() of @classes, which are nvmx_check_classes()
 *
 * Return: true when all passes: @v->dirty is 0 and @last is filled in then.  A failure leaves both
 * alone and fills in @bad.  Clear @last->valid when other capabilities are put behind the
 * same pointer.
 */
bool nvmx_check_entry(struct vmcs12 *v, const struct nvmx_check_env *e, u32 classes,
		      struct nvmx_checked *last, struct verdict *bad);

/**
 * nvmx_check_hot() - the checks that are left of those tried at every entry when @v injects nothing,
 * has no TPR shadow, pages as IA-32e has it, is active, and interruptibility and pending debug
 * exceptions are 0
 */
enum nvmx_check nvmx_check_hot(const struct vmcs12 *v, const struct nvmx_check_env *e);

/**
 * nvmx_check_groups() - GRP_* of guest state that the checks of @classes look at
 *
 * For a caller that leaves fields of @v as they were before L2 ran: those of the result
 * have to be current when nvmx_check_entry() is called.  The checks of RIP look at CS.L
 * at every entry; the caller sees to that.
 */
u32 nvmx_check_groups(const struct vmcs12 *v, u32 classes);

/** nvmx_eptp_valid() - would a VM entry take @eptp?  What EPTP switching asks of a list entry */
bool nvmx_eptp_valid(u64 eptp, const struct nvmx_check_env *e);

/* What the snapshot has to read for the environment. */
/** nvmx_needs_pdptes() - does @v enter a guest with PAE paging whose PDPTEs are in memory at CR3? */
bool nvmx_needs_pdptes(const struct vmcs12 *v);
/** nvmx_needs_vtpr() - do the checks look at VTPR? */
bool nvmx_needs_vtpr(const struct vmcs12 *v);

#endif
