// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linear addresses of the current run, translated as the CPU would.
 *
 * The tables of L1 are in L1's memory.  Those of L2 are at L2-physical addresses,
 * so each entry's address goes through the frontend's translate first, and so does
 * the final address; a nested page fault on the way has been reflected to L1 by
 * then, and the current run is L1.  A table that is read is told as a read and one that
 * gets a bit set as a write; whether reads count as writes, too, is the second level's
 * matter (pt_format.table_write).
 *
 * Memory that is not there reads as all ones, as on a bus where nobody answers.
 */
#include "core/hw_ops.h"
#include "core/nested_ops.h"
#include "core/vcpu.h"
#include "mmu/gva.h"
#include "mmu/mmu.h"

#define CR0_PG		BIT_ULL(31)
#define CR0_WP		BIT_ULL(16)
#define CR4_PSE		BIT_ULL(4)
#define CR4_PAE		BIT_ULL(5)
#define CR4_LA57	BIT_ULL(12)
#define CR4_SMEP	BIT_ULL(20)
#define CR4_SMAP	BIT_ULL(21)
#define EFER_LMA_BIT	BIT_ULL(10)
#define EFER_NXE	BIT_ULL(11)
#define RFLAGS_AC	BIT_ULL(18)

/* Walks that lost every race before the fault is reported to the guest. */
#define GVA_RETRIES	8

struct gva_walk {
	struct nestor_vcpu *vcpu;
	bool reflected;
};

void guest_pt_format(struct guest_run *run, const struct nestor_vcpu *vcpu, struct pt_format *fmt)
{
	run_need(run, GRP_CR);
	*fmt = (struct pt_format){
		.name = "guest",
		.levels = 4,
		.entry_size = 8,
		.index_bits = 9,
		.nx = run->efer & EFER_NXE,
		.mbz8 = vcpu->cpuid.amd,
		.large_2m = true,
		.wp = run->cr0 & CR0_WP,
		.smep = run->cr4 & CR4_SMEP,
		.smap = run->cr4 & CR4_SMAP,
		.ad = true,
		.rsvd_pa = vcpu->cpuid.rsvd_gpa_bits & GENMASK_ULL(51, 12),
	};
	if (run->efer & EFER_LMA_BIT) {
		if (run->cr4 & CR4_LA57)
			fmt->levels = 5;
		fmt->large_1g = vcpu->cpuid.has_1g;
	} else if (run->cr4 & CR4_PAE) {
		fmt->levels = 3;
	} else {
		fmt->levels = 2;
		fmt->entry_size = 4;
		fmt->index_bits = 10;
		fmt->nx = false;
		fmt->large_2m = run->cr4 & CR4_PSE;
	}
}

/* What CR3 holds beside the root: PCID, PWT, PCD. */
static u64 guest_root(const struct pt_format *fmt, u64 cr3)
{
	if (fmt->levels == 3)
		return cr3 & GENMASK_ULL(31, 5);
	if (fmt->levels == 2)
		return cr3 & GENMASK_ULL(31, 12);
	return cr3 & GENMASK_ULL(51, 12) & ~fmt->rsvd_pa;
}

/* From the current run's physical address to L1's; -EFAULT: reflected */
static int to_l1(struct nestor_vcpu *vcpu, u64 from, u64 access, struct l1_gpa *to)
{
	*to = l1_gpa(from);
	if (!vcpu_in_l2(vcpu))
		return 0;
	return nested->translate(vcpu, l2_gpa(from), access, to) == NESTED_OK ? 0 : -EFAULT;
}

static int gva_read_entry(void *ctx, u64 addr, void *entry, unsigned int size)
{
	struct gva_walk *w = ctx;
	struct l1_gpa gpa;

	if (to_l1(w->vcpu, addr, ACC_TABLE | ACC_USER, &gpa)) {
		w->reflected = true;
		return -EFAULT;
	}
	if (gmem_read(w->vcpu, gpa, entry, size))
		memset(entry, 0xff, size);
	return 0;
}

static int gva_set_bits(void *ctx, u64 addr, u64 old, u64 new, unsigned int size)
{
	struct gva_walk *w = ctx;
	struct l1_gpa gpa;
	int err;

	if (to_l1(w->vcpu, addr, ACC_TABLE | ACC_WRITE | ACC_USER, &gpa)) {
		w->reflected = true;
		return -EFAULT;
	}
	/* Little endian: the low bytes of @old and @new are the 4-byte entry. */
	err = gmem_cmpxchg(w->vcpu, gpa, &old, &new, size);
	/* Tables in ROM: the write is lost on the bus, and the walk goes on. */
	return err == -EAGAIN ? err : 0;
}

static const struct walk_ops gva_walk_ops = {
	.read_entry = gva_read_entry,
	.set_bits = gva_set_bits,
};

static bool smap_applies(const struct guest_run *run, u32 access)
{
	return (access & ACC_IMPLICIT) || run->cpl == 3 || !(run->rflags & RFLAGS_AC);
}

/* Through the run's own page tables, to its physical address. */
static int gva_walk(struct nestor_vcpu *vcpu, u64 gva, u32 access, u64 *phys,
		    struct gva_fault *fault)
{
	struct guest_run *run = vcpu->run;
	struct gva_walk ctx = { .vcpu = vcpu };
	enum walk_result res;
	struct pt_format fmt;
	struct walk walk;
	int tries = 0;

	guest_pt_format(run, vcpu, &fmt);
	if (fmt.levels == 3 && hw_caps.pdpte_regs) {
		run_need(run, GRP_PDPTE);
		fmt.pdpte = run->pdpte;
	}
	fmt.smap &= smap_applies(run, access);
	if (access & ACC_IMPLICIT)
		access &= ~ACC_USER;
	do {
		res = walk_table(&fmt, guest_root(&fmt, run->cr3), gva, access, &gva_walk_ops,
				 &ctx, &walk);
	} while (res == WALK_TABLE_FAULT && walk.raced && ++tries < GVA_RETRIES);
	if (res == WALK_OK) {
		*phys = walk.addr;
		return 0;
	}
	fault->addr = gva;
	/* A guest that keeps changing the entry gets a page fault that is over when it looks. */
	fault->error = res == WALK_FAULT ? walk.error : access & (ACC_WRITE | ACC_USER);
	fault->reflected = ctx.reflected;
	return -EFAULT;
}

int gva_to_l1(struct nestor_vcpu *vcpu, u64 gva, u32 access, struct l1_gpa *gpa,
	      struct gva_fault *fault)
{
	struct guest_run *run = vcpu->run;
	u64 phys, nested_access;

	*fault = (struct gva_fault){ 0 };
	if (!run_is_long(run))
		gva = (u32)gva;
	phys = gva;
	if ((run->cr0 & CR0_PG) && gva_walk(vcpu, gva, access, &phys, fault))
		return -EFAULT;
	/* Every access of a guest is a user access to the tables below it. */
	nested_access = ACC_FINAL | ACC_USER | (access & (ACC_WRITE | ACC_FETCH));
	if (to_l1(vcpu, phys, nested_access, gpa)) {
		fault->addr = gva;
		fault->reflected = true;
		return -EFAULT;
	}
	return 0;
}

int guest_load_pdptes(struct nestor_vcpu *vcpu, u64 cr3, u64 pdpte[4])
{
	/* SDM, "PAE Paging": reserved in a PDPTE that is present */
	u64 rsvd = GENMASK_ULL(63, 52) | GENMASK_ULL(8, 5) | GENMASK_ULL(2, 1) |
		   (vcpu->cpuid.rsvd_gpa_bits & GENMASK_ULL(51, 12));
	struct l1_gpa gpa;
	int i;

	if (to_l1(vcpu, cr3 & GENMASK_ULL(31, 5), ACC_USER, &gpa))
		return -EFAULT;
	/* 32 bytes, aligned: in one page, read once. */
	if (gmem_read(vcpu, gpa, pdpte, 4 * sizeof(*pdpte)))
		return -EINVAL;
	for (i = 0; i < 4; i++)
		if ((pdpte[i] & 1) && (pdpte[i] & rsvd))
			return -EINVAL;
	return 0;
}

static size_t in_page(u64 gva, size_t len)
{
	return min_t(size_t, len, PAGE_SIZE - (gva & ~PAGE_MASK));
}

int gva_read(struct nestor_vcpu *vcpu, u64 gva, void *data, size_t len, u32 access,
	     struct gva_fault *fault)
{
	while (len) {
		size_t n = in_page(gva, len);
		struct l1_gpa gpa;
		int err;

		err = gva_to_l1(vcpu, gva, access & ~ACC_WRITE, &gpa, fault);
		if (err)
			return err;
		if (gmem_read(vcpu, gpa, data, n))
			return -ENXIO;
		gva += n;
		data += n;
		len -= n;
	}
	return 0;
}

int gva_write(struct nestor_vcpu *vcpu, u64 gva, const void *data, size_t len, u32 access,
	      struct gva_fault *fault)
{
	size_t first = in_page(gva, len);
	struct l1_gpa gpa[2];
	int err;

	if (len - first > PAGE_SIZE)
		return -EINVAL;
	err = gva_to_l1(vcpu, gva, access | ACC_WRITE, &gpa[0], fault);
	if (!err && len > first)
		err = gva_to_l1(vcpu, gva + first, access | ACC_WRITE, &gpa[1], fault);
	if (err)
		return err;
	if (gmem_write(vcpu, gpa[0], data, first))
		return -ENXIO;
	if (len > first && gmem_write(vcpu, gpa[1], data + first, len - first))
		return -ENXIO;
	return 0;
}

bool gva_of_exit(struct nestor_vcpu *vcpu, u64 gva, u32 access, struct l1_gpa *gpa)
{
	const struct guest_exit *x = &vcpu->run->exit;

	if (vcpu_in_l2(vcpu) || x->reason != EXIT_SECOND_LEVEL || !(x->info1 & ACC_FINAL) ||
	    (x->info1 & ACC_FETCH) || ((x->info2 ^ gva) & ~PAGE_MASK))
		return false;
	/* For a read the right to write, and the dirty flag, have not been looked at. */
	if ((access & ACC_WRITE) && !(x->info1 & ACC_WRITE))
		return false;
	*gpa = l1_gpa(x->info2);
	return true;
}
