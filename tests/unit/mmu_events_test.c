// SPDX-License-Identifier: GPL-2.0-only
/*
 * What reaches the tables from elsewhere: the host's memory management, in ranges short and long and in pairs;
 * L1's invalidation of one address; a processor in SMM; the CPU's own log of writes; tables of L1
 * whose format the shadow cannot be compared with.
 */
#include "mmu/table.h"
#include "mmu/window.h"
#include "mmu_model.h"
#include "tap.h"

#define DATA_GFN	1024u
#define TAG		5u

static struct nestor_vcpu *const vcpu = &vcpus[0];
static struct walk last;
static struct l1_gpa last_gpa;

static void setup(void)
{
	model_machine();
	assert(set_slot(0, 0, 1024, 0, 0) && set_slot(1, DATA_GFN, 1024, 1024, 0));
	model_tables(2);
}

static void teardown(const char *what)
{
	tap_ok(!shadow_audit(vcpu) && !failed, "%s: %s: the audit is clean", mf->pt.name, what);
	shadow_destroy(vcpu);
	mmu_vm_destroy(&vm);
}

static struct shadow_root *root_of(unsigned int r, u32 tag)
{
	bool fresh;

	return shadow_get(vcpu, l1_gpa(table_gfn(r, 4, 0) << 12), &mf->pt, tag, &fresh);
}

static void map(unsigned int r, u32 tag, unsigned int i)
{
	*l1_entry(table_gfn(r, 1, 0), i) = model_leaf(DATA_GFN + i, 7) | mf->a | mf->d;
	assert(shadow_fault(vcpu, root_of(r, tag), l2_gpa((u64)i << 12), ACC_WRITE, &last, &last_gpa) ==
	       SHADOW_MAPPED);
}

/* May L2, L1 write to the page? */
static bool l2_may(struct shadow_root *sr, unsigned int i)
{
	unsigned int rights;
	u64 pfn;

	return hw_walk(shadow_root_hpa(sr), i, WR, &pfn, &rights);
}

static bool l1_may(u64 gfn)
{
	unsigned int rights;
	u64 pfn;

	return hw_walk(mmu_root(&vm), gfn, WR, &pfn, &rights);
}

static struct mmu_notifier_range range(unsigned int page, unsigned int n)
{
	return (struct mmu_notifier_range){
		.start = HOST_HVA + page * PAGE_SIZE, .end = HOST_HVA + (page + n) * PAGE_SIZE,
	};
}

/* Two invalidations at once: until both have ended no page of either is mapped. */
static void test_pairs(void)
{
	struct mmu_notifier *mn;
	struct mmu_notifier_range low = range(1024, 4), high = range(1040, 4);

	setup();
	mn = &vm.mmu->mn;
	for (unsigned int i = 0; i < 20; i++)
		map(0, 0, i);
	mn->ops->invalidate_range_start(mn, &high);
	mn->ops->invalidate_range_start(mn, &low);
	tap_ok(!l2_may(root_of(0, 0), 0) && !l2_may(root_of(0, 0), 16) && l2_may(root_of(0, 0), 8),
	       "%s: two ranges go, and what is between them stays", mf->pt.name);
	for (int n = 0; n < 2; n++) {
		for (unsigned int i = 0; i < 20; i += 16) {
			shadow_fault(vcpu, root_of(0, 0), l2_gpa((u64)i << 12), ACC_WRITE, &last, &last_gpa);
			mmu_fault(vcpu, l1_gpa((DATA_GFN + (u64)i) << 12), ACC_WRITE);
			FAIL_UNLESS(!l2_may(root_of(0, 0), i) && !l1_may(DATA_GFN + i), "a page is mapped meanwhile");
		}
		mn->ops->invalidate_range_end(mn, n ? &low : &high);
	}
	tap_ok(!failed, "%s: nothing of them comes back before both have ended", mf->pt.name);
	map(0, 0, 0);
	map(0, 0, 16);
	tap_ok(l2_may(root_of(0, 0), 0) && l2_may(root_of(0, 0), 16), "%s: and all does then", mf->pt.name);
	teardown("pairs");
}

/* How old is a page?  NPT tells; with EPT what is mapped counts as used. */
static void test_age(void)
{
	const struct mmu_notifier_ops *ops;
	struct mmu_notifier *mn;
	unsigned long hva = HOST_HVA + 1024 * PAGE_SIZE;
	struct shadow_table *t;
	bool npt = mf->sl_npt;

	setup();
	mn = &vm.mmu->mn;
	ops = mn->ops;
	map(0, 0, 0);
	for (t = root_of(0, 0)->top; t->level > 1; t = t->slot[0].child)
		;
	t->spt[0] |= vm.mmu->fmt->accessed;
	tap_ok(ops->test_young(mn, &test_mm, hva) && ops->test_young(mn, &test_mm, hva),
	       "%s: a page that is used is young, and asking changes nothing", mf->pt.name);
	tap_ok(!ops->test_young(mn, &test_mm, hva + 8 * PAGE_SIZE), "%s: one that is not mapped is not",
	       mf->pt.name);
	tap_ok(ops->clear_young(mn, &test_mm, hva, hva + PAGE_SIZE) &&
	       ops->test_young(mn, &test_mm, hva) == !npt, "%s: it is aged", mf->pt.name);
	t->spt[0] |= vm.mmu->fmt->accessed;
	tap_ok(ops->clear_flush_young(mn, &test_mm, hva, hva + PAGE_SIZE) &&
	       ops->test_young(mn, &test_mm, hva) == !npt, "%s: and again", mf->pt.name);
	teardown("age");
}

/* The VMM's address space dies: everything goes, in one range that is too long to look its pages up. */
static void test_stop(void)
{
	struct shadow_root *sr;

	setup();
	map(0, 0, 0);
	map(0, 0, 300);
	*l1_entry(table_gfn(0, 2, 0), 1) = model_leaf(DATA_GFN, 7) | mf->a | mf->d | E_PS;
	sr = root_of(0, 0);
	shadow_fault(vcpu, sr, l2_gpa(512 << 12), ACC_WRITE, &last, &last_gpa);
	mmu_fault(vcpu, l1_gpa(0x1000), ACC_WRITE);
	/* Watched by now */
	shadow_drop_all(vcpu);
	shadow_fault(vcpu, sr, l2_gpa(0), ACC_WRITE, &last, &last_gpa);
	tap_ok(vm.mmu->nr_watched && l2_may(sr, 0) && l2_may(sr, 300) && l2_may(sr, 512) && l1_may(0x100),
	       "%s: pages of 4K and of 2M", mf->pt.name);
	assert(!mmu_select(vcpu, true) && !mmu_select(vcpu, false));
	mmu_vm_stop(&vm);
	tap_ok(!l2_may(sr, 0) && !l2_may(sr, 300) && !l2_may(sr, 512) && !l1_may(0x100) &&
	       !vm.mmu->nr_leaves[LEVEL_4K] && !vm.mmu->nr_leaves[LEVEL_2M],
	       "%s: none is left when the address space dies", mf->pt.name);
	tap_ok(!vm.mmu->nr_watched && !vm.mmu->mn_on && !vm.mmu_smm->mn_on,
	       "%s: nor is anything watched, and the host calls no more", mf->pt.name);
	teardown("the end of the address space");
}

/* INVLPGA and the like: one page of one tag, whatever its size, and no other. */
static void test_one_page(void)
{
	struct shadow_root *a, *b;

	setup();
	a = root_of(0, TAG);
	map(0, TAG, 1);
	map(0, TAG, 2);
	*l1_entry(table_gfn(0, 2, 0), 1) = model_leaf(DATA_GFN, 7) | mf->a | mf->d | E_PS;
	shadow_fault(vcpu, a, l2_gpa(512 << 12), ACC_WRITE, &last, &last_gpa);
	b = root_of(1, TAG + 1);
	map(1, TAG + 1, 1);
	vcpu->flush = false;
	shadow_drop_gpa(vcpu, TAG, l2_gpa(0x1234));
	tap_ok(!l2_may(a, 1) && l2_may(a, 2) && l2_may(a, 512) && l2_may(b, 1) && vcpu->flush,
	       "%s: one page of one tag is invalidated", mf->pt.name);
	shadow_drop_gpa(vcpu, TAG, l2_gpa(600 << 12));
	tap_ok(!l2_may(a, 512) && l2_may(a, 2), "%s: so is a large one, by any address in it", mf->pt.name);
	shadow_drop_gpa(vcpu, TAG, l2_gpa(1000ull << 30));
	shadow_drop_gpa(vcpu, TAG, l2_gpa(~0ull));
	tap_ok(l2_may(a, 2) && l2_may(b, 1), "%s: and of what is not mapped, nothing", mf->pt.name);
	/* The last page of its table, which goes empty. */
	shadow_drop_gpa(vcpu, TAG + 1, l2_gpa(0x1000));
	tap_ok(!l2_may(b, 1) && l2_may(a, 2), "%s: nor of the other tag", mf->pt.name);
	teardown("one page");
}

/* A root that can be entered as it is, and one that cannot. */
static void test_ready(void)
{
	const struct l1_gpa at = l1_gpa(table_gfn(0, 4, 0) << 12);
	struct pt_format other = mf->pt;
	struct shadow_root *a, *b;

	setup();
	tap_ok(!shadow_ready(vcpu, at, &mf->pt, TAG) && !shadow_current(vcpu, NULL),
	       "%s: there is no root yet", mf->pt.name);
	a = root_of(0, TAG);
	map(0, TAG, 1);
	tap_ok(shadow_ready(vcpu, at, &mf->pt, TAG) == a && shadow_current(vcpu, a), "%s: the one used last",
	       mf->pt.name);
	other.ad = !other.ad;
	tap_ok(!shadow_ready(vcpu, at, &mf->pt, TAG + 1) && !shadow_ready(vcpu, at, &other, TAG) &&
	       !shadow_ready(vcpu, l1_gpa(at.a + PAGE_SIZE), &mf->pt, TAG),
	       "%s: none of another tag, format or place", mf->pt.name);
	b = root_of(1, TAG);
	tap_ok(!shadow_current(vcpu, a) && shadow_current(vcpu, b), "%s: another is current", mf->pt.name);
	vcpu->flush = false;
	tap_ok(shadow_ready(vcpu, at, &mf->pt, TAG) == a && vcpu->flush && shadow_current(vcpu, a),
	       "%s: the first is ready, and the CPU flushes for it", mf->pt.name);
	shadow_drop_tag(vcpu, TAG);
	tap_ok(!shadow_ready(vcpu, l1_gpa(table_gfn(1, 4, 0) << 12), &mf->pt, TAG),
	       "%s: none that L1 has invalidated since", mf->pt.name);
	teardown("roots");
}

/* While a processor is in SMM it may write to any table of L1 by another address. */
static void test_smm(void)
{
	struct shadow_root *sr;

	setup();
	vcpus[1] = (struct nestor_vcpu){ .vm = &vm, .mem = vm.mmu };
	sr = root_of(0, 0);
	map(0, 0, 0);
	for (int n = 0; n < 3; n++) {
		shadow_drop_all(vcpu);
		shadow_fault(vcpu, sr, l2_gpa(0), ACC_WRITE, &last, &last_gpa);
	}
	assert(vm.mmu->nr_watched && !mmu_select(&vcpus[1], true));
	tap_ok(!mmu_select(&vcpus[1], true) && vcpus[1].mem == vm.mmu_smm && (vcpus[1].l1.ctl_dirty & CTL_ROOT),
	       "%s: another processor is in SMM", mf->pt.name);
	for (unsigned int n = 1; n < 4; n++) {
		*l1_entry(table_gfn(0, 1, 0), 0) = model_leaf(DATA_GFN, n & 1 ? RD : 7) | mf->a | mf->d;
		shadow_drop_all(vcpu);
		FAIL_UNLESS(!l2_may(sr, 0), "what it wrote is not found");
		shadow_fault(vcpu, sr, l2_gpa(0), 0, &last, &last_gpa);
		FAIL_UNLESS(l2_may(sr, 0) == !(n & 1), "L2 has not what it wrote");
	}
	tap_ok(!failed, "%s: what it writes is found at every invalidation", mf->pt.name);
	assert(!mmu_select(&vcpus[1], false));
	*l1_entry(table_gfn(0, 1, 0), 0) = model_leaf(DATA_GFN, 7) | mf->a | mf->d;
	shadow_drop_all(vcpu);
	shadow_fault(vcpu, sr, l2_gpa(0), 0, &last, &last_gpa);
	tap_ok(l2_may(sr, 0), "%s: and what it wrote last, after it has left", mf->pt.name);
	teardown("SMM");
}

/* L1's tables are in PAE's format: an invalidation keeps nothing, for there is nothing to compare with. */
static void test_pae(void)
{
	struct pt_format pae = model_npt.pt;
	struct shadow_root *sr;
	unsigned long leaves;
	bool fresh;

	if (!mf->sl_npt)
		return;
	setup();
	pae.levels = 3;
	pae.large_1g = false;
	*l1_entry(40, 0) = table_gfn(0, 2, 0) << 12 | 1;
	*l1_entry(table_gfn(0, 1, 0), 7) = model_leaf(DATA_GFN, 7) | mf->a | mf->d;
	sr = shadow_get(vcpu, l1_gpa(40 << 12), &pae, 0, &fresh);
	tap_ok(shadow_fault(vcpu, sr, l2_gpa(7 << 12), ACC_WRITE, &last, &last_gpa) == SHADOW_MAPPED &&
	       l2_may(sr, 7), "%s: tables of PAE", mf->pt.name);
	leaves = vm.mmu->nr_leaves[LEVEL_4K];
	/* The same directory twice, once without the page. */
	*l1_entry(table_gfn(0, 1, 0), 7) = 0;
	shadow_drop_tag(vcpu, 0);
	tap_ok(leaves && !vm.mmu->nr_leaves[LEVEL_4K] && !l2_may(sr, 7) && sr->nr_tables == 1,
	       "%s: an invalidation leaves none of what was made of them", mf->pt.name);
	tap_ok(shadow_fault(vcpu, sr, l2_gpa(7 << 12), ACC_WRITE, &last, &last_gpa) == SHADOW_L1,
	       "%s: and L2 has what they say now", mf->pt.name);
	teardown("PAE");
}

/* A CPU that logs writes: what it noted is in the dirty log, and what has no slot is nowhere. */
static void test_cpu_log(void)
{
	u64 bitmap[16] = { 0 }, log[] = { 1029ull << 12 | 0x123, 5000ull << 12, 1030ull << 12 };
	struct kvm_dirty_log get = { .slot = 1, .dirty_bitmap = bitmap };

	setup();
	hw_caps.pml = true;
	assert(set_slot(1, DATA_GFN, 1024, 1024, 0) && !vm.cpu_log);
	tap_ok(set_slot(1, DATA_GFN, 1024, 1024, KVM_MEM_LOG_DIRTY_PAGES) && vm.cpu_log &&
	       requests[REQ_ROOT] == 1, "%s: the first logged slot turns the CPU's log on", mf->pt.name);
	set_slot(2, 2048, 64, 2048, KVM_MEM_LOG_DIRTY_PAGES);
	tap_ok(requests[REQ_ROOT] == 1, "%s: which it is once", mf->pt.name);
	vcpu->run->log_gpa = log;
	vcpu->run->log_nr = ARRAY_SIZE(log);
	mmu_log_writes(vcpu);
	tap_ok(!mmu_get_dirty_log(&vm, &get) && bitmap[0] == 0x60 && !vcpu->run->log_nr &&
	       requests[REQ_KICK] == 1, "%s: what the CPU noted, after each vCPU was asked for it", mf->pt.name);
	hw_caps.pml = false;
	teardown("the CPU's log");
}

/* Another processor of L1's rewrites the entry whenever the walk has read it. */
static u64 *restless;

static void rewrite(void)
{
	*restless ^= 1ull << 55;
}

static void test_restless(void)
{
	setup();
	*l1_entry(table_gfn(0, 1, 0), 3) = model_leaf(DATA_GFN + 3, 7);
	restless = l1_entry(table_gfn(0, 1, 0), 3);
	host_after_read = rewrite;
	tap_ok(shadow_fault(vcpu, root_of(0, 0), l2_gpa(3 << 12), 0, &last, &last_gpa) == SHADOW_MAPPED &&
	       !l2_may(root_of(0, 0), 3) && !(*restless & (mf->a | mf->d)) && !vm.mmu->nr_leaves[LEVEL_4K],
	       "%s: an entry that never stays the same long enough: L2 tries again", mf->pt.name);
	host_after_read = NULL;
	tap_ok(shadow_fault(vcpu, root_of(0, 0), l2_gpa(3 << 12), ACC_WRITE, &last, &last_gpa) == SHADOW_MAPPED &&
	       l2_may(root_of(0, 0), 3) && (*restless & mf->d), "%s: and gets there when it does", mf->pt.name);
	teardown("a restless entry");
}

/* What a window is found by a second time: its place, the right to it, the slots, the address space. */
static void test_window(void)
{
	struct gmem_window w = { };
	void *at;

	setup();
	tap_ok(gmem_window_kept(vcpu, l1_gpa(0x5123), false, &w) && !w.write && w.gfn == 5,
	       "%s: a window that is new", mf->pt.name);
	at = w.at;
	tap_ok(gmem_window_kept(vcpu, l1_gpa(0x5fff), false, &w) && w.at == at, "%s: is kept", mf->pt.name);
	tap_ok(gmem_window_kept(vcpu, l1_gpa(0x5000), true, &w) && w.write, "%s: not for writing", mf->pt.name);
	tap_ok(gmem_window_kept(vcpu, l1_gpa(0x6000), true, &w) && w.gfn == 6, "%s: nor for another page",
	       mf->pt.name);
	assert(set_slot(0, 0, 1024, 0, KVM_MEM_LOG_DIRTY_PAGES));
	w.at = NULL;
	tap_ok(gmem_window_kept(vcpu, l1_gpa(0x6000), true, &w) && w.at, "%s: nor after there was none",
	       mf->pt.name);
	assert(set_slot(0, 0, 0, 0, 0));
	tap_ok(!gmem_window_kept(vcpu, l1_gpa(0x6000), true, &w) && !w.at, "%s: nor when the slot has gone",
	       mf->pt.name);
	assert(!mmu_select(vcpu, true) && set_slot(0, 0, 1024, 0, 0));
	tap_ok(!gmem_window_kept(vcpu, l1_gpa(0x6000), false, &w), "%s: nor in another address space",
	       mf->pt.name);
	assert(!mmu_select(vcpu, false));
	tap_ok(gmem_window_kept(vcpu, l1_gpa(0x6000), false, &w), "%s: and found again", mf->pt.name);
	teardown("windows");
}

/* Reading the log gives way to others: what was protected is flushed before each time. */
static unsigned int gave_way;

static bool others_wait(void)
{
	return true;
}

static void give_way(void)
{
	FAIL_UNLESS(!tlb_find(vcpu, DATA_GFN + 64 * gave_way++, 1), "the lock goes before the flush");
}

static void test_give_way(void)
{
	u64 bitmap[16] = { 0 };
	struct kvm_dirty_log get = { .slot = 1, .dirty_bitmap = bitmap };

	setup();
	assert(set_slot(1, DATA_GFN, 1024, 1024, KVM_MEM_LOG_DIRTY_PAGES));
	for (unsigned int i = 0; i < 4; i++)
		l1_access(0, DATA_GFN + 64 * i, true);
	gave_way = 0;
	test_resched = others_wait;
	test_yield = give_way;
	tap_ok(!mmu_get_dirty_log(&vm, &get) && bitmap[0] == 1 && bitmap[1] == 1 && bitmap[2] == 1 && bitmap[3] == 1,
	       "%s: a log that is read while others wait", mf->pt.name);
	test_resched = NULL;
	test_yield = NULL;
	for (unsigned int i = 0; i < 4; i++)
		FAIL_UNLESS(!l1_may(DATA_GFN + 64 * i) && !tlb_find(vcpu, DATA_GFN + 64 * i, 1),
			    "a page can be written past the log");
	tap_ok(gave_way == 4 && !failed, "%s: no page of it can be written past the log%s%s", mf->pt.name,
	       failed ? ": " : "", failed ? failed : "");
	teardown("giving way");
}

/* Five levels in L1's table: what lies past the reach of the CPU's four is an error, and no alias. */
static void test_five_levels(void)
{
	struct pt_format five = mf->pt;
	struct shadow_root *sr;
	bool fresh;

	setup();
	five.levels = 5;
	*l1_entry(41, 0) = table_gfn(0, 4, 0) << 12 | mf->table;
	*l1_entry(41, 1) = table_gfn(0, 4, 0) << 12 | mf->table;
	*l1_entry(table_gfn(0, 1, 0), 0) = model_leaf(DATA_GFN, 7) | mf->a | mf->d;
	sr = shadow_get(vcpu, l1_gpa(41 << 12), &five, 0, &fresh);
	tap_ok(shadow_fault(vcpu, sr, l2_gpa(1ull << 48), ACC_WRITE, &last, &last_gpa) == SHADOW_ERROR &&
	       !vm.mmu->nr_leaves[LEVEL_4K], "%s: an address that four levels do not reach", mf->pt.name);
	tap_ok(shadow_fault(vcpu, sr, l2_gpa(0), ACC_WRITE, &last, &last_gpa) == SHADOW_MAPPED && l2_may(sr, 0),
	       "%s: and one that they do", mf->pt.name);
	teardown("five levels");
}

/* What is memory, and what of it can be written */
static void test_ram(void)
{
	bool readonly = true;

	setup();
	assert(set_slot(2, 2048, 64, 2048, KVM_MEM_READONLY));
	tap_ok(gmem_is_ram(vcpu, l1_gpa(0x5000), &readonly) && !readonly, "%s: memory", mf->pt.name);
	tap_ok(gmem_is_ram(vcpu, l1_gpa(2048ull << 12), &readonly) && readonly, "%s: ROM", mf->pt.name);
	tap_ok(!gmem_is_ram(vcpu, l1_gpa(5000ull << 12), &readonly) && gmem_is_ram(vcpu, l1_gpa(0), NULL),
	       "%s: and none", mf->pt.name);
	teardown("memory");
}

/* Another page where one is mapped: the TLBs are told to forget the first. */
static void test_replace(void)
{
	struct table_cache cache = {};
	bool writable;
	u64 pfn;
	LIST_HEAD(gone);

	setup();
	assert(!table_cache_fill(&cache, ROOT_LEVEL, GFP_KERNEL_ACCOUNT));
	tap_ok(table_map(vm.mmu, 5, 100, LEVEL_4K, false, &cache, &gone) == TABLE_ADDED &&
	       table_map(vm.mmu, 5, 100, LEVEL_4K, false, &cache, &gone) == TABLE_SAME &&
	       table_map(vm.mmu, 5, 100, LEVEL_4K, true, &cache, &gone) == TABLE_ADDED &&
	       table_map(vm.mmu, 5, 100, LEVEL_4K, false, &cache, &gone) == TABLE_SAME,
	       "%s: a right more needs no flush, and is not taken", mf->pt.name);
	tap_ok(table_map(vm.mmu, 5, 101, LEVEL_4K, false, &cache, &gone) == TABLE_FLUSH &&
	       table_lookup(vm.mmu, 5, &pfn, &writable) == LEVEL_4K && pfn == 101 && !writable,
	       "%s: another page needs one", mf->pt.name);
	tap_ok(!table_lookup(vm.mmu, 6, &pfn, &writable) && !table_lookup(vm.mmu, 1ull << 30, &pfn, &writable),
	       "%s: what is not there is not found", mf->pt.name);
	table_cache_drop(&cache);
	teardown("another page");
}

int main(void)
{
	static const struct model_format *const formats[] = { &model_npt, &model_ept_ad };

	host_init();
	for (unsigned int i = 0; i < ARRAY_SIZE(formats); i++) {
		mf = formats[i];
		test_pairs();
		test_age();
		test_stop();
		test_one_page();
		test_ready();
		test_smm();
		test_pae();
		test_cpu_log();
		test_restless();
		test_give_way();
		test_five_levels();
		test_window();
		test_ram();
		test_replace();
	}
	return tap_done();
}
