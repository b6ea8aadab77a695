// SPDX-License-Identifier: GPL-2.0-only
/* Moving a processor's registers from one run to another. */
#include "core/guest_run.h"

#define COPY(member) memcpy(&dst->member, &src->member, sizeof(dst->member))

static void copy_shared(struct guest_run *dst, struct guest_run *src)
{
	/* Both keep their marks themselves, behind the registers. */
	if (dst->sys != src->sys) {
		memcpy(dst->sys, src->sys, offsetof(struct guest_sys, avail));
		run_dirty(dst, GRP_SYS);
	}
	if (dst->msrs != src->msrs) {
		memcpy(dst->msrs, src->msrs, offsetof(struct guest_msrs, avail));
		run_dirty(dst, GRP_MSRS);
	}
}

void run_copy(struct guest_run *dst, struct guest_run *src)
{
	run_need(src, GRP_ALL);
	COPY(rip);
	COPY(rflags);
	COPY(cpl);
	COPY(int_shadow);
	COPY(mov_ss);
	COPY(seg);
	COPY(gdtr);
	COPY(idtr);
	COPY(cr0);
	COPY(cr3);
	COPY(cr4);
	COPY(efer);
	COPY(cr2);
	COPY(dr6);
	COPY(dr7);
	COPY(pat);
	COPY(debugctl);
	COPY(br_from);
	COPY(br_to);
	COPY(excp_from);
	COPY(excp_to);
	COPY(activity);
	COPY(nmi_blocked);
	COPY(pending_dbg);
	COPY(pdpte);
	copy_shared(dst, src);
	run_dirty(dst, GRP_ALL & ~GRP_SHARED);
	dst->flush = true;
}
