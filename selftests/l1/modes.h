/* SPDX-License-Identifier: GPL-2.0-only */
/* L2 guests in modes other than 64-bit: modes.c and selftests/l2. */
#ifndef L1_MODES_H
#define L1_MODES_H

#include "l1.h"

enum mode { M_REAL, M_P32, M_P32_PAGED, M_PAE, M_COMPAT };

#define LOW_IVT		(LOW_BASE + 0x4000)
#define LOW_STACK	0x8ff0

struct mode_frame { u32 vec, err, ip, cs, flags; };

/* What the guests of both vendors run on; each call fills it anew, the GDT apart. */
struct mode_tables {
	u32 *page_dir;
	u64 *pdpt, *idt32, *gdt32;
	u32 *tss32;
};
const struct mode_tables *mode_tables(void);
/* The 32-bit GDT: a copy of that one, with a TSS at selector 50h. */
void mode_gdt(const void *gdt);
/* Decode the frame of a handler that stopped with this RIP and RSP. */
bool mode_trap(enum mode mode, u64 rip, u64 rsp, struct mode_frame *f);

/* L2 about to run code (a label of selftests/l2) in that mode. */
void l2_init_mode(struct l2 *l2, enum mode mode, bool npt, const void *code);
/* False when L2 did not stop in a handler of its own. */
bool l2_mode_trap(struct l2 *l2, enum mode mode, struct mode_frame *f);
/* Offset of a 16-bit label in its segment, and where its copy lies. */
u32 real_offset(const void *label);
void *real_place(const void *label);

#endif
