/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What mmu/ may and may not do, as a model: the VMM's slots, L1's nested tables and
 * what they gave since the last flush, and CPUs with TLBs that access memory
 * through the tables mmu/ built and check where they come out (mmu_model.c).
 */
#ifndef NESTOR_TESTS_MMU_MODEL_H
#define NESTOR_TESTS_MMU_MODEL_H

#include "mmu_host.h"
#include "mmu/shadow_int.h"

#define NR_ROOTS	3
#define NR_TAGS		3
#define NR_VCPUS	2
#define L2_PAGES	(8 * 512)
#define TABLE_GFNS	64
#define HISTORY		6

#define E_P	1ull
#define E_W	2ull
#define E_U	4ull
#define E_A	0x20ull
#define E_D	0x40ull
#define E_PS	0x80ull
#define E_ALL	(E_P | E_W | E_U)

/* What L1's table gave a page since the last flush of a tag. */
struct history {
	u8 n;
	bool any;	/* too much to remember */
	bool edited;	/* L1 touched the entry at all */
	struct { u64 gfn; bool write; } h[HISTORY];
};

struct model_slot {
	struct kvm_userspace_memory_region r;
	bool there;
};

struct l2_map {
	bool ok, write, dirty;
	u64 gfn;
};

extern struct nestor_vm vm;
extern struct nestor_vcpu vcpus[NR_VCPUS];
extern struct history (*history)[NR_ROOTS][NR_TAGS][L2_PAGES];
extern struct model_slot slots[4];
extern bool written[HOST_PAGES];	/* pages of the VMM, since the last dirty log */
/* What each vCPU runs on */
extern unsigned int cur_root[NR_VCPUS], cur_tag[NR_VCPUS];
extern struct hpa cur_hpa[NR_VCPUS];
extern const struct pt_format fmt;
/* The first thing that was wrong */
extern const char *failed;
extern unsigned int faults, maps;

#define FAIL_UNLESS(cond, what) do { if (!(cond) && !failed) failed = what; } while (0)

bool set_slot(unsigned int i, u64 gfn, u64 pages, unsigned int page, u32 flags);
const struct model_slot *model_slot(u64 gfn);
int gfn_host_page(u64 gfn);
u64 *l1_entry(u64 gfn, unsigned int i);
u64 table_gfn(unsigned int root, int level, unsigned int n);
struct l2_map l1_translate(unsigned int root, unsigned int page);
void l1_edited(unsigned int root, unsigned int first, unsigned int n);
void forget(int v, unsigned int tag);
bool hw_walk(struct hpa root, u64 gfn, bool write, u64 *pfn, bool *can_write);
struct tlb_entry *tlb_find(struct nestor_vcpu *v, u64 gfn, u32 tag);
bool cpu_access(struct nestor_vcpu *v, struct hpa root, u64 gfn, u32 tag, bool write,
		       u64 *pfn);
struct shadow_root *use_root(int v, unsigned int root, unsigned int tag);
void l2_access(int v, unsigned int page, bool write);
void l1_access(int v, u64 gfn, bool write);

#endif
