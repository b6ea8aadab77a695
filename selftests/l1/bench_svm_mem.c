// SPDX-License-Identifier: GPL-2.0-only
/* The benchmark's rows about the nested page tables of AMD-V. */
#include "bench_mem.h"

L2_ASM(bm_svm_touch, BENCH_TOUCH);

static void svm_init(struct field *f)
{
	static struct l2 l2;

	l2_init_at(&l2, f->ops->code);
	l2.vmcb->s.cr3 = (u64)f->cr3;
	l2.vmcb->c.n_cr3 = (u64)f->root;
	f->l2 = &l2;
}

static void svm_enter(struct field *f, const u64 *regs, bool flush)
{
	struct l2 *l2 = f->l2;

	l2->vmcb->s.rip = (u64)f->ops->code;
	l2->vmcb->c.tlb_control = flush ? TLB_ALL : TLB_NOTHING;
	l2->rdi = regs[0];
	l2->rcx = regs[1];
	l2->rdx = regs[2];
	vmrun_asm(l2);
}

static const struct field_ops svm_field = { bm_svm_touch, pt_new_identity, RW, svm_init, svm_enter };

static void svm_fill(const struct bench *b)
{
	bench_fill(b, &svm_field);
}

static void svm_change(const struct bench *b)
{
	bench_change(b, &svm_field);
}

static const struct bench rows[] = { BENCH_MEM_ROWS(F_NPT, svm_fill, svm_change) };

const struct bench_set bench_svm_mem_rows = { &svm_vendor, rows, ARRAY_SIZE(rows) };
