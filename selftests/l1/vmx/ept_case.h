/* SPDX-License-Identifier: GPL-2.0-only */
/* L2 with an EPT of its own and one 4K leaf to play with. */
#ifndef L1_VMX_EPT_CASE_H
#define L1_VMX_EPT_CASE_H

#include "vmx/vmx.h"

extern u64 boot_pml4[];
extern const char t_read[], t_write[];

struct ept { u64 *root; u64 page, gpa; u64 *leaf; };

/* RBX points to the page. */
void ept_case(struct vl2 *l2, struct ept *t, const char *code);
void ept_set_leaf(struct ept *t, u64 e);
static inline u64 ept_good(const struct ept *t)
{
	return t->page | EPT_RWX | EPT_WB;
}

#endif
