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

/* An access, and the right to it: the bits of an EPT entry. */
#define RD	1u
#define WR	2u
#define EX	4u

/**
 * struct model_format - how L1's tables and the CPU's look in this run
 * @pt: what mmu/ is told
 * @sl_npt: the CPU's are NPT, else EPT
 * @table: entry that leads to a table
 * @all: leaf that allows everything
 * @a: accessed; @d: dirty
 */
struct model_format {
	struct pt_format pt;
	bool sl_npt;
	u64 table, all, a, d;
};

extern const struct model_format model_npt, model_ept_ad, model_ept_plain;
extern const struct model_format *mf;

#define E_PS	0x80ull

/* What L1's table gave a page since the last flush of a tag. */
struct history {
	u8 n;
	bool any;	/* too much to remember */
	bool edited;	/* L1 touched the entry at all */
	struct { u64 gfn; u8 rights; } h[HISTORY];
};

struct model_slot {
	struct kvm_userspace_memory_region r;
	bool there;
};

struct l2_map {
	bool ok, bad, dirty, accessed;
	unsigned int rights;
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
/* The first thing that was wrong */
extern const char *failed;
extern unsigned int faults, maps;
/* How often all vCPUs were asked for it */
extern unsigned int requests[REQ_ROOT + 1];

#define FAIL_UNLESS(cond, what) do { if (!(cond) && !failed) failed = what; } while (0)

/* model_machine() - a VM of the format @mf with one vCPU, vcpus[0], that has a shadow and runs L1; no slots */
void model_machine(void);
/* model_tables() - L1's tables of the first @roots roots, down to an empty one of 4K leaves */
void model_tables(unsigned int roots);
bool set_slot(unsigned int i, u64 gfn, u64 pages, unsigned int page, u32 flags);
const struct model_slot *model_slot(u64 gfn);
int gfn_host_page(u64 gfn);
u64 *l1_entry(u64 gfn, unsigned int i);
u64 table_gfn(unsigned int root, int level, unsigned int n);
struct l2_map l1_translate(unsigned int root, unsigned int page);
void l1_edited(unsigned int root, unsigned int first, unsigned int n);
void forget(int v, unsigned int tag);
bool hw_walk(struct hpa root, u64 gfn, unsigned int acc, u64 *pfn, unsigned int *rights);
struct tlb_entry *tlb_find(struct nestor_vcpu *v, u64 gfn, u32 tag);
bool cpu_access(struct nestor_vcpu *v, struct hpa root, u64 gfn, u32 tag, unsigned int acc,
		u64 *pfn);
struct shadow_root *use_root(int v, unsigned int root, unsigned int tag);
u64 model_leaf(u64 gfn, unsigned int rights);
void l2_access(int v, unsigned int page, unsigned int acc);
void l1_access(int v, u64 gfn, bool write);
void l1_store(int v, u64 gfn, unsigned int i, u64 e);

#endif
