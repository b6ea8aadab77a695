/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The oracle: cases made from a seed and a number, each independent of all others, whose
 * whole outcome goes into a hash.  The same cases on the bare CPU and nested have the same
 * hashes.  main.c runs them, out.c writes, arena.c has what all L2s run on, prog.c their
 * programs; svm.c and its neighbours are AMD-V's part, vmx.c and its neighbours VT-x's.
 */
#ifndef L1_ORACLE_H
#define L1_ORACLE_H

#include "l1.h"

/* ---- chance ---- */

/* splitmix64: any state is a good one, so a case's state comes from seed and number alone. */
static inline u64 orc_rnd(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* ---- pages ---- */

static inline void orc_copy_page(void *to, const void *from)
{
	u64 n = PAGE_SIZE / 8;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

static inline void orc_zero_page(void *p)
{
	u64 n = PAGE_SIZE / 8;

	__asm__ volatile("rep stosq" : "+D"(p), "+c"(n) : "a"(0) : "memory");
}

/* ---- a case ---- */

/* Modes that the L2 of a case starts in */
enum orc_mode { OM_64, OM_64_USER, OM_COMPAT, OM_PAE, OM_PSE, OM_FLAT, OM_REAL, OM_NR };

#define ORC_MAX_STEPS	8
/* Places for pieces of the program; each ends in HLT, which is always intercepted. */
#define ORC_SLOT	64

/**
 * struct orc_case - one case while it runs
 * @nr: its number
 * @drop: moves that are made but not applied, by their number: how a case shrinks
 * @rng: state of its chance
 * @moves: moves made so far
 * @verbose: write moves and outcome down, not only the hash
 * @hash: of the outcome so far
 * @mode: in which L2 starts
 * @base: guest-physical address of the window, PLAY unless L2 has no nested table
 * @steps: pieces of the program
 */
struct orc_case {
	u32 nr, drop;
	u64 rng;
	u32 moves;
	bool verbose;
	u64 hash;
	enum orc_mode mode;
	u64 base;
	u32 steps;
};

/* The CPUs' common ground: what the emulators cannot do or do not survive is not asked for. */
#define OP_TCG		BIT(0)	/* QEMU's TCG is the CPU, here or below */
#define OP_BOCHS	BIT(1)
#define OP_NRIPS	BIT(2)
#define OP_DECODE	BIT(3)
/* What TCG and Bochs get wrong at every failed VMRUN is no part of the outcome... */
#define OP_LENIENT	BIT(4)
/* ...and is looked at apart where it can be asked for. */
#define OP_STRICT	BIT(5)
extern u64 orc_profile;

static inline u32 orc_below(struct orc_case *k, u32 n)
{
	return (orc_rnd(&k->rng) >> 32) * n >> 32;
}

static inline bool orc_one_in(struct orc_case *k, u32 n)
{
	return !orc_below(k, n);
}

/* Index of one of @nr kinds, each as probable as its weight says; the weights are @stride bytes apart. */
u32 orc_weighted(struct orc_case *k, const u8 *weight, size_t stride, u32 nr);
/* One of an array of structs that have a member weight */
#define ORC_KIND(k, kinds)	(&(kinds)[orc_weighted(k, &(kinds)[0].weight, sizeof((kinds)[0]), ARRAY_SIZE(kinds))])

/*
 * A move: false when it is to be left out. All that it needs of chance is drawn before, so
 * that the rest of the case stays what it is.
 */
bool orc_move(struct orc_case *k, const char *f, ...) __printf(2, 3);

/* ---- outcome: out.c ---- */

void orc_out_init(void);
void orc_out_case(u32 nr);
void orc_out_end(void);
/* Where the log is; false where what was written since cannot be taken back by orc_out_rewind(). */
bool orc_out_mark(u64 *mark);
void orc_out_rewind(u64 mark);
void orc_say(const char *f, ...) __printf(1, 2);
void orc_puts(const char *s);

static inline void orc_fold(struct orc_case *k, u64 v)
{
	u64 h = (k->hash ^ v) * 0xff51afd7ed558ccdull;

	k->hash = h ^ h >> 32;
}

/* Part of the outcome; written only when it is not @before, what it was before the entry. */
void orc_rec(struct orc_case *k, const char *name, u64 v, u64 before);

/* ---- what L2 runs on: arena.c ---- */

/*
 * Guest-physical addresses.  These pages below 1 MiB, where 16-bit code reaches them, are
 * what they are in L1; PLAY is a window onto pages of L1's that the nested table maps one
 * by one.  L2 has nothing else: wherever it strays to, it meets a fault.
 */
#define ORC_STUBS	0x20000ull	/* 256 times 16 bytes: HLT */
#define ORC_IDT64	0x21000ull
#define ORC_IDT32	0x22000ull
#define ORC_GDT		0x23000ull
#define ORC_IVT		0x23800ull
#define ORC_TSS		0x24000ull
#define ORC_PML4	0x25000ull
#define ORC_PDPT	0x26000ull
#define ORC_PD		0x27000ull
#define ORC_PD32	0x28000ull
#define ORC_PT		0x29000ull
#define ORC_PT32	0x2a000ull
#define ORC_STACK	0x2c000ull	/* grows down from here */
#define ORC_TRAP_STACK	0x2e000ull
#define ORC_CODE	0x2f000ull
#define ORC_END		0x31000ull

#define PLAY		0xc0000000ull
#define PLAY_PAGES	16
#define PLAY_DATA	0	/* the first page with data; PLAY in L2's linear space */
#define PLAY_NDATA	4
#define PLAY_TABLES	8	/* the first page with L2's own tables of the window: */
#define PLAY_PD		9	/* 64-bit and PAE */
#define PLAY_PT		10
#define PLAY_PT32	11	/* two levels */

/* Accessed and dirty flags are set where no case looks, so that nothing changes there. */
#define ORC_LEAF	(PT_P | PT_W | PT_U | PT_A | PT_D)
#define ORC_TABLE	(PT_P | PT_W | PT_U | PT_A)

/* How nested tables are written; A and D of those that map the window start clear. */
struct orc_format { u64 table, leaf, a, d; };
extern struct orc_format orc_nested;

extern u8 *orc_play;		/* the pages themselves */
extern u64 *orc_npt;		/* nested tables: root, then those of the window */
extern u64 *orc_npt_pdpt, *orc_npt_pd, *orc_npt_pt;

void orc_arena_init(void);
/*
 * Bring all back that cases change: the pages of the window, the tables, L2's descriptors.
 * @base: guest-physical address of the window, PLAY unless L2 has no nested table
 */
void orc_arena_reset(enum orc_mode mode, u64 base);
/* The nested tables of the window as they were meant to be, keeping what the CPU marked. */
void orc_nested_mend(u64 keep);
/* Moves in L2's own tables of the window, and in the nested ones. */
/**
 * struct orc_plan - what a case is built of, beside its mode
 * @nested: L2 has a nested table
 * @guest_tables: changes to L2's own tables
 * @nested_tables: changes to the nested one
 */
struct orc_plan {
	bool nested;
	u32 guest_tables, nested_tables;
};

/* Draw the plan and k->mode: at once, so that no move changes what the case is. */
struct orc_plan orc_plan(struct orc_case *k);
/* Change the tables as the plan says. */
void orc_tables(struct orc_case *k, const struct orc_plan *plan);
/* Fold what cases can change in memory: pages, L2's tables and descriptors. */
void orc_memory(struct orc_case *k);
/* ---- programs: prog.c ---- */

/* Writes the program to ORC_CODE; k->steps pieces. */
void orc_program(struct orc_case *k);

/* ---- the vendors' parts ---- */

/* init() is before the arena is made, start() after that. */
struct orc_part {
	void (*init)(void);
	void (*start)(void);
	void (*run)(struct orc_case *k);
};
extern const struct orc_part orc_svm, orc_vmx;

/* run_oracle() - true when the command line asked for it */
bool run_oracle(void);

#endif
