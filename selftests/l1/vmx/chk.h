/* SPDX-License-Identifier: GPL-2.0-only */
/* VM-entry checks as tables: one row spoils one field of a VMCS that enters. */
#ifndef L1_VMX_CHK_H
#define L1_VMX_CHK_H

#include "vmx/vmx.h"

#define MAXPHYS	0xfe		/* as a bound: MAXPHYADDR */

struct chk {
	u32 field;
	/* One value: (good & ~clear) | set; or, when hi is not 0, each bit of lo..hi alone */
	u64 clear, set;
	u8 lo, hi;
	u64 keep;		/* bits that a sweep leaves out */
	/* Brings the VMCS into the state that the check is about; it must still enter. */
	void (*prep)(struct vl2 *l2);
	/* E_CONTROLS or E_HOST_STATE, or R_GUEST_STATE: exit with this qualification */
	u32 want;
	u64 qual;
};

/* Each value of the row is refused as told, and the good VMCS enters. */
void chk_refused(const void *chk);
/* Each value of the row enters. */
void chk_accepted(const void *chk);
/* Run the current VMCS, and require what chk says; false when it went otherwise. */
bool chk_failed_so(struct vl2 *l2, u32 want, u64 qual);

#define CHK(want_, f, ...) (&(const struct chk){ .want = want_, .field = f, ##__VA_ARGS__ })
#define BITS(l, h) .lo = (l), .hi = (h)
#define SET(v) .set = (v)
#define CLR(v) .clear = (v)
#define VAL(v) .clear = ~0ull, .set = (v)

#endif
