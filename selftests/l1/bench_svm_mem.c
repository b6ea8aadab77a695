// SPDX-License-Identifier: GPL-2.0-only
/*
 * The benchmark's rows about the nested page tables of AMD-V: what a first touch costs, what is
 * left of it after a flush, and what one changed mapping among many costs.
 */
#include "bench.h"

#define GVA	0x180000000ull
#define HIGH	BIT(39)
#define RW	(PT_P | PT_W | PT_U | PT_A | PT_D)
#define POOL	4096	/* pages of L1 behind the mappings, used in turn */

/* Touch RCX pages that are RDX apart, from RDI on. */
L2_ASM(bm_touch, "1: mov (%rdi), %rax; add %rdx, %rdi; dec %rcx; jnz 1b");

struct field {
	struct l2 l2;
	u64 *npt, *cr3;
	u8 *pool;
	u32 pages;
	int leaf;
};

static u64 step(const struct field *f)
{
	return f->leaf == L_2M ? 0x200000 : PAGE_SIZE;
}

static u8 *page_of(const struct field *f, u32 i)
{
	return f->pool + (u64)i % (f->leaf == L_2M ? POOL / 512 : POOL) * step(f);
}

static void lead(struct field *f, u32 i, u32 to)
{
	*pt_split(f->npt, HIGH + i * step(f), f->leaf) =
		(u64)page_of(f, to) | RW | (f->leaf == L_2M ? PT_PS : 0);
}

/* @pages mappings of L2, its own tables with 2M pages; nothing touched yet. */
static void field_init(struct field *f, u32 pages, int leaf)
{
	u32 i;

	memset(f, 0, sizeof(*f));
	f->pages = pages;
	f->leaf = leaf;
	f->pool = alloc_2m();
	for (i = 512; i < POOL; i += 512)
		alloc_2m();
	f->npt = pt_new_identity();
	for (i = 0; i < pages; i++)
		lead(f, i, i);
	f->cr3 = pt_new_identity();
	pt_map(f->cr3, GVA, HIGH, ((u64)pages * step(f) + 0x1fffff) & ~0x1fffffull, L_2M, RW);
	l2_init_at(&f->l2, bm_touch);
	f->l2.vmcb->s.cr3 = (u64)f->cr3;
	f->l2.vmcb->c.n_cr3 = (u64)f->npt;
}

/* Touch all; instructions that it took, VMRUN and #VMEXIT included. */
static u64 touch(struct field *f, u8 flush)
{
	u64 t;

	f->l2.vmcb->s.rip = (u64)bm_touch;
	f->l2.vmcb->c.tlb_control = flush;
	f->l2.rdi = GVA;
	f->l2.rcx = f->pages;
	f->l2.rdx = step(f);
	t = rdtsc();
	vmrun_asm(&f->l2);
	return rdtsc() - t;
}

static void fill(const struct bench *b)
{
	u64 cold, warm, again;
	struct field f;

	field_init(&f, b->ops, b->arg);
	/* Not the first L2 of the CPU, and its own tables touched. */
	f.pages = 1;
	touch(&f, TLB_ALL);
	f.pages = b->ops;
	bench_begin();
	cold = touch(&f, TLB_NOTHING);
	bench_stop();
	touch(&f, TLB_NOTHING);
	warm = touch(&f, TLB_NOTHING);
	again = touch(&f, TLB_ALL);
	bench_report(b, "cold", b->ops, cold - warm);
	bench_report(b, "after-flush", b->ops, again > warm ? again - warm : 0);
}

/*
 * One of @arg mappings changes, L1 flushes, L2 touches all; the change itself may cost, too.  As a guest in
 * use: not the first flush after it was filled in or after the VMM had its turn, and each change in another place.
 */
static void change_one(const struct bench *b)
{
	u64 total = 0, warm, t;
	struct field f;
	u32 i;

	field_init(&f, b->arg, L_4K);
	for (i = 0; i < 3; i++)
		touch(&f, TLB_ALL);
	touch(&f, TLB_NOTHING);
	warm = touch(&f, TLB_NOTHING);
	bench_begin();
	touch(&f, TLB_ALL);
	for (i = 0; i < b->ops; i++) {
		t = rdtsc();
		lead(&f, i * 40503 % b->arg, i + 1);
		touch(&f, TLB_ALL);
		total += rdtsc() - t - warm;
	}
	bench_stop();
	bench_report(b, NULL, b->ops, total);
}

static const struct bench rows[] = {
	{ "mem/fill-4k", F_NPT, fill, 512, L_4K },
	{ "mem/fill-2m", F_NPT, fill, 64, L_2M },
	{ "mem/fill-256m", F_NPT, fill, 65536, L_4K },
	{ "mem/change-1-of-16", F_NPT, change_one, 10, 16 },
	{ "mem/change-1-of-1k", F_NPT, change_one, 5, 1024 },
	{ "mem/change-1-of-64k", F_NPT, change_one, 10, 65536 },
};

const struct bench_set bench_svm_mem_rows = { &svm_vendor, rows, ARRAY_SIZE(rows) };
