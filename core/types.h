/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Types that every room shares: addresses that cannot be mixed up, segments,
 * descriptor tables and events in one neutral form.
 *
 * Segment attributes are kept in the packed 12-bit form of the VMCB (APM
 * vol. 2, "Segment State in the VMCB"): bits 3:0 type, 4 S, 6:5 DPL, 7 P,
 * 8 AVL, 9 L, 10 D/B, 11 G.  It is the narrower of the two vendors' forms and
 * loses nothing; "unusable" is P = 0.  CS alone can be called unusable on VT-x and be
 * present all the same, which changes nothing but what is saved: SEG_ATTR_MARKED.
 */
#ifndef NESTOR_CORE_TYPES_H
#define NESTOR_CORE_TYPES_H

#include "core/pure.h"

/** struct l1_gpa - an address in L1's physical memory (what the VMM laid out) */
struct l1_gpa {
	u64 a;
};

/** struct l2_gpa - an address in L2's physical memory, before L1's NPT/EPT */
struct l2_gpa {
	u64 a;
};

/** struct hpa - an address in the host's physical memory */
struct hpa {
	u64 a;
};

static inline struct l1_gpa l1_gpa(u64 a)
{
	return (struct l1_gpa){ .a = a };
}

static inline struct l2_gpa l2_gpa(u64 a)
{
	return (struct l2_gpa){ .a = a };
}

static inline struct hpa hpa(u64 a)
{
	return (struct hpa){ .a = a };
}

/* General-purpose registers in the order in which instructions encode them. */
enum guest_reg {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
	NR_GUEST_REGS
};

/* Segment registers in the order in which instructions encode them. */
enum guest_sreg {
	SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR,
	NR_GUEST_SREGS
};

#define SEG_ATTR_TYPE	0x00f
#define SEG_ATTR_S	0x010
#define SEG_ATTR_DPL	0x060
#define SEG_ATTR_P	0x080
#define SEG_ATTR_AVL	0x100
#define SEG_ATTR_L	0x200
#define SEG_ATTR_DB	0x400
#define SEG_ATTR_G	0x800
#define SEG_ATTR_MARKED	0x1000

/**
 * struct guest_seg - a segment register with its hidden part
 * @sel: selector
 * @attrib: packed attributes, SEG_ATTR_*
 * @limit: limit in bytes (already scaled by G)
 * @base: base address
 *
 * The layout is that of a segment in the VMCB's state save area.
 */
struct guest_seg {
	u16 sel;
	u16 attrib;
	u32 limit;
	u64 base;
};

/** struct guest_dtable - GDTR or IDTR; @limit uses the low 16 bits */
struct guest_dtable {
	u32 limit;
	u64 base;
};

/* Event types as EVENTINJ and the VM-entry interruption information name them. */
enum guest_event_type {
	EVENT_INTR = 0,		/* external or virtual interrupt */
	EVENT_NMI = 2,
	EVENT_EXCEPTION = 3,
	EVENT_SOFT_INT = 4,	/* INTn */
	EVENT_PRIV_EXCEPTION = 5,	/* INT1; VT-x tells it from others */
	EVENT_SOFT_EXCEPTION = 6,	/* INT3 and INTO; the same */
	EVENT_OTHER = 7,	/* VT-x: pending MTF VM exit */
	/* Never injected; a frontend is asked about them. */
	EVENT_SMI = 8,
	EVENT_INIT = 9,
	EVENT_SIPI = 10,
};

/**
 * struct guest_event - an event to inject, or whose delivery was interrupted
 * @valid: there is one
 * @type: enum guest_event_type
 * @vector: vector number
 * @has_error: push @error
 * @error: error code
 */
struct guest_event {
	bool valid;
	u8 type;
	u8 vector;
	bool has_error;
	u32 error;
};

/* What a run handler asks of the run loop. */
enum run_action {
	HANDLE_LATER = 2,	/* nothing was done: it might sleep, and vcpu->atomic is set */
	RESUME_GUEST = 1,	/* enter again */
	EXIT_USER = 0,		/* struct kvm_run is filled in; return to the VMM */
	VM_DEAD = -1,		/* a host invariant broke; this VM only ends */
	NO_MEMORY = -2,		/* nothing was done, and it can be done later; -ENOMEM to the VMM */
};

#endif
