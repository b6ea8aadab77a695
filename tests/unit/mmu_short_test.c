// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmu/ where memory is short or not there: each allocation fails in turn, the VMM's page has gone,
 * the host's lookup ends early.  Whoever asked is told, nothing is lost or half done, and the same
 * request gets through afterwards.
 */
#include <errno.h>

#include "mmu/table.h"
#include "mmu/window.h"
#include "mmu_model.h"
#include "tap.h"

/* Slot 1 of the VM: no huge page of the host's, so that a fault needs a table of each level. */
#define DATA_GFN	1536u
/* A page of the VMM's that nobody uses but the tests of missing ones */
#define LOST		1900u

static struct nestor_vcpu *const vcpu = &vcpus[0];
static struct walk last;
static struct l1_gpa last_gpa;
static unsigned long pages_before;
static long blocks_before;

static void setup(void)
{
	host_reset();
	pages_before = pages_in_use;
	blocks_before = host_blocks;
	model_machine();
	assert(set_slot(0, 0, 1024, 0, 0) && set_slot(1, 1024, 1024, 1024, 0));
	model_tables(2);
}

static void teardown(const char *what)
{
	tap_ok(!shadow_audit(vcpu) && !failed, "%s: %s: the audit is clean", mf->pt.name, what);
	shadow_destroy(vcpu);
	mmu_vm_destroy(&vm);
	tap_ok(pages_in_use == pages_before && host_blocks == blocks_before, "%s: %s: nothing is left",
	       mf->pt.name, what);
}

static void leaf(unsigned int r, unsigned int i, u64 gfn)
{
	*l1_entry(table_gfn(r, 1, 0), i) = model_leaf(gfn, 7) | mf->a | mf->d;
}

static struct shadow_root *root_of(unsigned int r)
{
	bool fresh;

	return shadow_get(vcpu, l1_gpa(table_gfn(r, 4, 0) << 12), &mf->pt, 0, &fresh);
}

static bool may_write(unsigned int r, u64 page)
{
	unsigned int rights;
	u64 pfn;

	return hw_walk(shadow_root_hpa(root_of(r)), page, WR, &pfn, &rights);
}

static int region(u32 slot, u64 gfn, u64 pages, unsigned int page, u32 flags)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot, .flags = flags, .guest_phys_addr = gfn << 12,
		.memory_size = pages << 12, .userspace_addr = HOST_HVA + page * PAGE_SIZE,
	};

	return mmu_set_region(&vm, &r);
}

/*
 * Do @op with the first allocation failing, then the second, until none of those it makes is left, which
 * must be @least of them: each time it gives @err, and changes nothing.
 */
static void starve(const char *what, long (*op)(void), long err, unsigned int least)
{
	const struct slot_set *set = slots_get(vm.mmu);
	unsigned int n;
	bool ok = true;
	long got;

	for (n = 1; ; n++) {
		host_fail_at = n;
		got = op();
		if (host_fail_at)
			break;
		ok &= got == err && slots_get(vm.mmu) == set && !shadow_audit(vcpu);
	}
	host_fail_at = 0;
	if (!tap_ok(ok && got != err && n > least, "%s: %s: each of %u allocations fails", mf->pt.name, what,
		    n - 1))
		tap_diag("%ld at last, %u wanted", got, least);
}

static struct nestor_vm other;

static long create_vm(void)
{
	other = (struct nestor_vm){ .mm = &test_mm };
	return mmu_vm_create(&other);
}

static long create_shadow(void)
{
	const struct l1_gpa at = l1_gpa(table_gfn(0, 4, 0) << 12);
	struct nestor_vcpu v = { .vm = &vm, .mem = vm.mmu };
	struct shadow_root *sr;
	bool fresh;

	/* Without a shadow none is ready, there is nothing to drop, and nothing is wrong. */
	if (shadow_ready(&v, at, &mf->pt, 0) || shadow_current(&v, NULL))
		return 1;
	shadow_drop_all(&v);
	shadow_drop_tag(&v, 0);
	shadow_drop_root(&v, at);
	shadow_drop_gpa(&v, 0, l2_gpa(0));
	if (v.shadow || shadow_audit(&v))
		return 1;
	sr = shadow_get(&v, at, &mf->pt, 0, &fresh);
	/* Whoever tears the vCPU down need not know what became of it. */
	shadow_destroy(&v);
	if (v.shadow)
		return 1;
	return sr ? 0 : -ENOMEM;
}

static long slot_logged(void)
{
	return region(2, 2048, 64, 2048, KVM_MEM_LOG_DIRTY_PAGES);
}

static long slot_plain(void)
{
	return region(2, 2048, 64, 2048, 0);
}

static long slot_gone(void)
{
	return region(2, 2048, 0, 2048, 0);
}

static long slot_of_smm(void)
{
	return region(1 << 16, 0, 64, 0, 0);
}

static long select_smm(void)
{
	int err = mmu_select(vcpu, true);

	if (err)
		return vcpu->mem == vm.mmu && !vm.mmu_smm ? err : 1;
	return 0;
}

static u64 bitmap[2];

static long get_log(void)
{
	struct kvm_dirty_log log = { .slot = 2, .dirty_bitmap = bitmap };

	return mmu_get_dirty_log(&vm, &log);
}

static long clear_log(void)
{
	struct kvm_clear_dirty_log log = { .slot = 2, .num_pages = 64, .dirty_bitmap = bitmap };

	return mmu_clear_dirty_log(&vm, &log);
}

static void test_slots(void)
{
	const struct mem_slot *slot;
	u64 e = 1;

	setup();
	starve("a VM", create_vm, -ENOMEM, 3);
	tap_ok(other.mmu, "%s: and is made", mf->pt.name);
	mmu_vm_destroy(&other);
	host_register_error = -EINTR;
	tap_ok(create_vm() == -EINTR && !other.mmu, "%s: nor is a VM without the notifier", mf->pt.name);
	host_register_error = 0;
	starve("shadow tables", create_shadow, -ENOMEM, 4);
	starve("a logged slot", slot_logged, -ENOMEM, 2);
	starve("the end of its log", slot_plain, -ENOMEM, 1);
	starve("the beginning of it", slot_logged, -ENOMEM, 2);
	slot = slot_by_id(slots_get(vm.mmu), 2);
	gmem_write(vcpu, l1_gpa(2048ull << 12), &e, 8);
	gmem_write(vcpu, l1_gpa((2048ull + 63) << 12), &e, 8);
	starve("reading the log", get_log, -ENOMEM, 1);
	tap_ok(bitmap[0] == (1 | 1ull << 63), "%s: which is whole then", mf->pt.name);
	gmem_write(vcpu, l1_gpa(2050ull << 12), &e, 8);
	bitmap[0] = ~0ull;
	starve("clearing it", clear_log, -ENOMEM, 1);
	tap_ok(!slot->dirty[0], "%s: which is done then", mf->pt.name);
	starve("the end of a slot", slot_gone, -ENOMEM, 1);
	starve("address space 1", select_smm, -ENOMEM, 3);
	tap_ok(vcpu->mem == vm.mmu_smm && !mmu_select(vcpu, false) && vcpu->mem == vm.mmu,
	       "%s: and a processor in SMM sees it", mf->pt.name);
	teardown("slots");
	setup();
	starve("a slot of address space 1", slot_of_smm, -ENOMEM, 4);
	tap_ok(slots_get(vm.mmu_smm)->nr == 1, "%s: and it has the slot", mf->pt.name);
	teardown("address space 1");
}

/* The VMM's bitmap has no memory: the log is not lost. */
static void test_log_fault(void)
{
	struct kvm_dirty_log log = { .slot = 2, .dirty_bitmap = (void *)(HOST_HVA + LOST * PAGE_SIZE) };
	struct kvm_clear_dirty_log clear = { .slot = 2, .num_pages = 128,
		.dirty_bitmap = log.dirty_bitmap };
	const u64 want[2] = { 1 | 1ull << 5 | 1ull << 63, 1ull << 7 };
	unsigned int at[] = { 0, 5, 63, 64 + 7 };
	u64 e = 1;

	setup();
	assert(!region(2, 2048, 128, 2048, KVM_MEM_LOG_DIRTY_PAGES));
	for (unsigned int i = 0; i < ARRAY_SIZE(at); i++)
		gmem_write(vcpu, l1_gpa((2048ull + at[i]) << 12), &e, 8);
	host_no_page = LOST;
	tap_ok(mmu_get_dirty_log(&vm, &log) == -EFAULT, "%s: a log that cannot be told", mf->pt.name);
	tap_ok(mmu_clear_dirty_log(&vm, &clear) == -EFAULT, "%s: what to clear cannot be read", mf->pt.name);
	assert(!mmu_set_manual_dirty(&vm, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE));
	tap_ok(mmu_get_dirty_log(&vm, &log) == -EFAULT, "%s: nor told without clearing", mf->pt.name);
	assert(!mmu_set_manual_dirty(&vm, 0));
	host_no_page = -1;
	log.dirty_bitmap = bitmap;
	tap_ok(!mmu_get_dirty_log(&vm, &log) && !memcmp(bitmap, want, sizeof(want)),
	       "%s: is told the next time, every page", mf->pt.name);
	tap_ok(!mmu_get_dirty_log(&vm, &log) && !bitmap[0] && !bitmap[1], "%s: and only then", mf->pt.name);
	log.slot = clear.slot = 2 << 16 | 2;
	tap_ok(mmu_get_dirty_log(&vm, &log) == -EINVAL && mmu_clear_dirty_log(&vm, &clear) == -EINVAL,
	       "%s: an address space that there cannot be", mf->pt.name);
	log.slot = clear.slot = 1 << 16 | 2;
	tap_ok(mmu_get_dirty_log(&vm, &log) == -ENOENT && mmu_clear_dirty_log(&vm, &clear) == -ENOENT,
	       "%s: one that there is not", mf->pt.name);
	assert(!region(log.slot, 2048, 128, 2048, KVM_MEM_LOG_DIRTY_PAGES) && !mmu_select(vcpu, true));
	gmem_write(vcpu, l1_gpa((2048ull + 5) << 12), &e, 8);
	tap_ok(!mmu_get_dirty_log(&vm, &log) && bitmap[0] == 1 << 5 && !bitmap[1],
	       "%s: one that there is", mf->pt.name);
	log.slot = clear.slot = 3;
	tap_ok(mmu_get_dirty_log(&vm, &log) == -ENOENT && mmu_clear_dirty_log(&vm, &clear) == -ENOENT,
	       "%s: a slot that there is not", mf->pt.name);
	log.slot = clear.slot = NESTOR_MAX_SLOTS;
	tap_ok(mmu_get_dirty_log(&vm, &log) == -EINVAL && mmu_clear_dirty_log(&vm, &clear) == -EINVAL,
	       "%s: nor can be", mf->pt.name);
	assert(!mmu_select(vcpu, false));
	teardown("the log");
}

static long get_root(void)
{
	return root_of(0) ? 0 : -ENOMEM;
}

static unsigned int of_root;

static long l2_fault(void)
{
	return shadow_fault(vcpu, root_of(of_root), l2_gpa(0), ACC_WRITE, &last, &last_gpa);
}

static long l1_fault(void)
{
	return mmu_fault(vcpu, l1_gpa((u64)DATA_GFN << 12), ACC_WRITE);
}

static void test_faults(void)
{
	unsigned int rights;
	u64 pfn;

	setup();
	leaf(0, 0, DATA_GFN);
	starve("a root", get_root, -ENOMEM, 3);
	starve("a fault of L2", l2_fault, SHADOW_NOMEM, 4);
	tap_ok(may_write(0, 0), "%s: and the page is there", mf->pt.name);
	starve("a fault of L1", l1_fault, MMU_NOMEM, 3);
	tap_ok(hw_walk(mmu_root(&vm), DATA_GFN, WR, &pfn, &rights) && host_frame_owner(pfn) == DATA_GFN,
	       "%s: and the page is there", mf->pt.name);
	teardown("faults");
}

/* The table of L0 that watching needs cannot be had: what L1 writes is found by comparing all the same. */
static void test_watch(void)
{
	unsigned int rights;
	u64 pfn;

	setup();
	leaf(0, 0, DATA_GFN);
	/* L1 has its tables on a huge page. */
	assert(mmu_fault(vcpu, l1_gpa(0x1000), ACC_WRITE) == MMU_MAPPED);
	shadow_fault(vcpu, root_of(0), l2_gpa(0), ACC_WRITE, &last, &last_gpa);
	for (unsigned int i = 0; i < 4; i++) {
		host_fail_all = true;
		vcpu->atomic = host_atomic = i & 1;
		shadow_drop_all(vcpu);
		vcpu->atomic = host_atomic = false;
		host_fail_all = false;
		FAIL_UNLESS(!vm.mmu->nr_watched, "one is watched all the same");
		FAIL_UNLESS(hw_walk(mmu_root(&vm), 0x100, WR, &pfn, &rights), "its neighbours cannot be written");
		FAIL_UNLESS(!shadow_audit(vcpu), "the audit finds something");
		l1_access(0, table_gfn(0, 1, 0), true);
		*l1_entry(table_gfn(0, 1, 0), 0) = model_leaf(DATA_GFN + 1 + i, i & 1 ? RD : 7) | mf->a | mf->d;
		host_fail_all = true;
		shadow_drop_all(vcpu);
		host_fail_all = false;
		FAIL_UNLESS(!may_write(0, 0), "a leaf that L1 changed is left");
		shadow_fault(vcpu, root_of(0), l2_gpa(0), 0, &last, &last_gpa);
		FAIL_UNLESS(may_write(0, 0) == !(i & 1), "L2 has not what L1 says now");
	}
	tap_ok(!failed, "%s: a table that cannot be watched is compared%s%s", mf->pt.name, failed ? ": " : "",
	       failed ? failed : "");
	teardown("watching");
}

/* What finding the VMM's page ends in, and what a fault of L1 and one of L2 make of it. */
static void test_lookup(void)
{
	static const struct { int error; enum mmu_result l1; enum shadow_result l2; } rows[] = {
		{ -EINTR, MMU_MAPPED, SHADOW_MAPPED },
		{ -EAGAIN, MMU_MAPPED, SHADOW_MAPPED },
		{ -ENOMEM, MMU_NOMEM, SHADOW_NOMEM },
		{ -EFAULT, MMU_ERROR, SHADOW_ERROR },
		{ -EHWPOISON, MMU_ERROR, SHADOW_ERROR },
	};
	unsigned int rights;
	u64 pfn;

	setup();
	leaf(0, 0, DATA_GFN);
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		host_get_error = rows[i].error;
		tap_ok(l1_fault() == (long)rows[i].l1 && l2_fault() == (long)rows[i].l2 &&
		       !hw_walk(mmu_root(&vm), DATA_GFN, RD, &pfn, &rights) && !may_write(0, 0),
		       "%s: the lookup gives %d: nothing is mapped", mf->pt.name, rows[i].error);
		tap_ok(!gmem_hold(vcpu, l1_gpa((u64)DATA_GFN << 12)) &&
		       !gmem_hold_known(vcpu, l1_gpa((u64)DATA_GFN << 12)), "%s: nor held", mf->pt.name);
	}
	host_get_error = 0;
	tap_ok(gmem_hold(vcpu, l1_gpa((u64)DATA_GFN << 12)) == virt_to_page(l1_entry(DATA_GFN, 0)) &&
	       gmem_hold_known(vcpu, l1_gpa((u64)DATA_GFN << 12)) == virt_to_page(l1_entry(DATA_GFN, 0)),
	       "%s: a page that is held", mf->pt.name);
	tap_ok(!gmem_hold(vcpu, l1_gpa(5000ull << 12)) && !gmem_hold_known(vcpu, l1_gpa(5000ull << 12)) &&
	       !gmem_hold(vcpu, l1_gpa(MAX_GFN << 12)) && !gmem_hold_known(vcpu, l1_gpa(MAX_GFN << 12)),
	       "%s: none where no memory is", mf->pt.name);
	tap_ok(mmu_fault(vcpu, l1_gpa(MAX_GFN << 12), 0) == MMU_MMIO, "%s: an address past the table's reach",
	       mf->pt.name);
	assert(!region(2, 2048, 64, 2048, KVM_MEM_READONLY));
	tap_ok(!gmem_hold(vcpu, l1_gpa(2048ull << 12)) && !gmem_hold_known(vcpu, l1_gpa(2048ull << 12)),
	       "%s: none that may not be written", mf->pt.name);
	teardown("lookups");
}

/* Copies to and from a page that is not there: all of them say so, and those that may not sleep say so, too. */
static void test_copies(void)
{
	struct l1_gpa gone = l1_gpa((u64)LOST << 12);
	u64 words[4] = { 1, 2, 3, 4 }, old[4], new = 5;
	int want[2] = { -EFAULT, -EAGAIN };

	setup();
	memcpy(l1_entry(LOST, 0), words, sizeof(words));
	host_no_page = LOST;
	for (int atomic = 0; atomic < 2; atomic++) {
		vcpu->atomic = atomic;
		tap_ok(gmem_read(vcpu, gone, old, 32) == want[atomic] &&
		       gmem_read(vcpu, l1_gpa(gone.a + 1), old, 3) == want[atomic] &&
		       gmem_write(vcpu, gone, words, 32) == want[atomic] &&
		       gmem_write(vcpu, l1_gpa(gone.a + 1), words, 3) == want[atomic],
		       "%s: copies of a page that is not there, %d", mf->pt.name, want[atomic]);
		tap_ok(gmem_read(vcpu, l1_gpa(5000ull << 12), old, 8) == -EFAULT &&
		       gmem_write(vcpu, l1_gpa(5000ull << 12), old, 8) == -EFAULT,
		       "%s: where no slot is it is no use to try again", mf->pt.name);
	}
	vcpu->atomic = false;
	tap_ok(gmem_read_atomic(vcpu, gone, old, 8) == -EAGAIN &&
	       gmem_write_atomic(vcpu, gone, words, 8) == -EAGAIN, "%s: nor is it waited for", mf->pt.name);
	tap_ok(gmem_diff(vcpu, gone, words, &vcpu->shadow->diff) == -EFAULT &&
	       gmem_diff(vcpu, l1_gpa(5000ull << 12), words, &vcpu->shadow->diff) == -EFAULT,
	       "%s: nor compared", mf->pt.name);
	for (size_t len = 1; len <= 8; len *= 2)
		tap_ok(gmem_cmpxchg(vcpu, gone, old, &new, len) == -EFAULT &&
		       gmem_cmpxchg(vcpu, l1_gpa(5000ull << 12), old, &new, len) == -EFAULT,
		       "%s: nor swapped, %zu bytes", mf->pt.name, len);
	host_no_page = -1;
	tap_ok(!gmem_read_atomic(vcpu, gone, old, 8) && old[0] == 1, "%s: it is there again", mf->pt.name);
	for (size_t len = 1; len <= 8; len *= 2) {
		u64 was = 2, now = 7, seen;

		gmem_write(vcpu, gone, &(u64){ 0x1111111111111102 }, 8);
		memcpy(&was, l1_entry(LOST, 0), len);
		tap_ok(!gmem_cmpxchg(vcpu, gone, &was, &now, len), "%s: %zu bytes are swapped", mf->pt.name, len);
		seen = *l1_entry(LOST, 0);
		tap_ok(!memcmp(&seen, &now, len) && seen >> (len * 8 - 1) >> 1 == 0x1111111111111102ull >> (len * 8 - 1) >> 1,
		       "%s: and no more", mf->pt.name);
		tap_ok(gmem_cmpxchg(vcpu, gone, &was, &now, len) == -EAGAIN && !memcmp(&was, &now, len),
		       "%s: or what is there is told", mf->pt.name);
	}
	tap_ok(gmem_cmpxchg(vcpu, gone, old, &new, 0) == -EINVAL &&
	       gmem_cmpxchg(vcpu, l1_gpa(gone.a + 2), old, &new, 4) == -EINVAL &&
	       gmem_cmpxchg(vcpu, gone, old, &new, 16) == -EINVAL, "%s: other lengths are not swapped",
	       mf->pt.name);
	tap_ok(gmem_read_atomic(vcpu, l1_gpa(gone.a + 0xffc), old, 8) == -EFAULT &&
	       gmem_write_atomic(vcpu, l1_gpa(gone.a + 0xffc), old, 8) == -EFAULT,
	       "%s: two pages at once without sleeping", mf->pt.name);
	teardown("copies");
}

/* A table of L1 goes after the walk has read it: no neighbour is made of it. */
static unsigned int reads, goes;

static void page_goes(void)
{
	if (reads && !--reads)
		host_no_page = goes;
}

static void test_table_goes(void)
{
	setup();
	leaf(0, 0, DATA_GFN);
	leaf(0, 1, DATA_GFN + 1);
	/* Another fault has left its window where this one's will be. */
	leaf(1, 0, DATA_GFN);
	leaf(1, 1, DATA_GFN + 1);
	of_root = 1;
	l2_fault();
	of_root = 0;
	goes = table_gfn(0, 1, 0);
	reads = 4;
	host_after_read = page_goes;
	tap_ok(l2_fault() == SHADOW_MAPPED && may_write(0, 0) && !may_write(0, 1),
	       "%s: a table that goes behind the walk gives no neighbours", mf->pt.name);
	host_after_read = NULL;
	tap_ok(host_no_page >= 0, "%s: it has gone", mf->pt.name);
	/* An invalidation cannot compare with it: nothing of it is left. */
	shadow_drop_all(vcpu);
	tap_ok(!may_write(0, 0), "%s: nor does anything outlive an invalidation", mf->pt.name);
	host_no_page = -1;
	tap_ok(l2_fault() == SHADOW_MAPPED && may_write(0, 0), "%s: and comes again with it", mf->pt.name);
	/* The same of a directory with pages of 2M */
	*l1_entry(table_gfn(0, 2, 0), 2) = model_leaf(1024, 7) | mf->a | mf->d | E_PS;
	*l1_entry(table_gfn(0, 2, 0), 3) = model_leaf(1024, 7) | mf->a | mf->d | E_PS;
	goes = table_gfn(0, 2, 0);
	reads = 3;
	host_after_read = page_goes;
	tap_ok(shadow_fault(vcpu, root_of(0), l2_gpa(1024 << 12), ACC_WRITE, &last, &last_gpa) == SHADOW_MAPPED &&
	       may_write(0, 1024) && !may_write(0, 1536), "%s: nor does a directory", mf->pt.name);
	host_after_read = NULL;
	tap_ok(host_no_page >= 0, "%s: which has gone", mf->pt.name);
	host_no_page = -1;
	teardown("a table that goes");
}

/* The VMM leaves a vCPU few tables, or fewer than a walk takes: L2 goes on. */
static void test_budget(void)
{
	static const u32 budgets[] = { 1, SHADOW_SPARE + 1, SHADOW_SPARE + 2, 64 };

	setup();
	for (unsigned int r = 0; r < 2; r++)
		for (unsigned int t = 0; t < 8; t++) {
			*l1_entry(table_gfn(r, 2, 0), t) = table_gfn(r, 1, t) << 12 | mf->table;
			*l1_entry(table_gfn(r, 1, t), 0) = model_leaf(DATA_GFN + t, 7) | mf->a | mf->d;
		}
	for (unsigned int i = 0; i < ARRAY_SIZE(budgets); i++) {
		unsigned int most = 0;
		bool ok = true;

		vm.mmu_pages = budgets[i];
		for (unsigned int n = 0; n < 64; n++) {
			struct shadow_root *sr = root_of(n / 8 % 2);

			ok &= shadow_fault(vcpu, sr, l2_gpa((u64)(n % 8) << 21), ACC_WRITE, &last, &last_gpa) ==
			      SHADOW_MAPPED && may_write(n / 8 % 2, n % 8 * 512) && !shadow_audit(vcpu);
			most = max(most, vcpu->shadow->nr_tables);
		}
		tap_ok(ok && most <= max(budgets[i], SHADOW_SPARE + 1u), "%s: a budget of %u tables: %u", mf->pt.name,
		       budgets[i], most);
	}
	teardown("a budget");
}

int main(void)
{
	static const struct model_format *const formats[] = { &model_npt, &model_ept_ad };

	host_init();
	for (unsigned int i = 0; i < ARRAY_SIZE(formats); i++) {
		mf = formats[i];
		test_slots();
		test_log_fault();
		test_faults();
		test_watch();
		test_lookup();
		test_copies();
		test_table_goes();
		test_budget();
	}
	return tap_done();
}
