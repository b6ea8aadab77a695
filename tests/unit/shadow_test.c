// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmu/ whole, run in user space against models of what it may and may not do.
 *
 * Random steps: L1 edits its nested tables, flushes, switches roots and tags; L1 and
 * L2 access memory through a modelled TLB over the very tables mmu/ builds; the
 * host moves, splits and gathers pages; the VMM deletes, makes, moves and logs
 * slots.  After every access:
 *
 * - the frame reached belongs to the VMM's page that backs the L1 frame;
 * - that L1 frame, and the right to write, are what L1's table gave at some time since
 *   L1's last flush of that tag (what a TLB may keep);
 * - a write went to a writable slot, set L1's dirty bit, and is in the next dirty log;
 * - a fault told to L1, or taken for MMIO, is what L1's table and the slots say now.
 *
 * The audit runs in between, and at the end every page is free again.  The budget of
 * tables and roots is tiny, so that eviction is the rule.
 */
#include "mmu_model.h"
#include "tap.h"

static unsigned int steps, audits;
static unsigned long most_large, most_watched;

static u64 random_leaf(u64 gfn)
{
	static const u8 rights[] = { 7, 7, 7, RD | EX, RD | WR, RD, EX, 0 };
	u64 e = model_leaf(gfn, rights[random() % ARRAY_SIZE(rights)]);

	switch (random() % 16) {
	case 0:
		return e | mf->a | mf->d;
	case 1:
		return e | mf->a;
	case 2:		/* beyond L1's physical addresses */
		return e | 1ull << 45;
	case 3:		/* writable only, which EPT calls a misconfiguration */
		return mf->pt.ept ? (e & ~7ull) | WR : e;
	case 4:		/* a memory type: any, of which some are none */
		return mf->pt.ept ? (e & ~0x38ull) | random() % 8 << 3 : e;
	default:
		return e;
	}
}

/* Mostly the same few pages, so that what one step leaves behind meets the next. */
static unsigned int pick_block(void)
{
	return random() % 4 ? random() % 2 : random() % 8;
}

static unsigned int pick_index(void)
{
	return random() % 8 ? random() % 12 : random() % 512;
}

static unsigned int pick_page(void)
{
	return pick_block() * 512 + pick_index();
}

static void l1_edit(void)
{
	unsigned int root = random() % NR_ROOTS, block = pick_block(), i = pick_index();
	int v = random() % NR_VCPUS;

	switch (random() % 16) {
	case 0:		/* a 2M leaf */
	case 5:
	case 6:
		l1_store(v, table_gfn(root, 2, 0), block, random_leaf((random() % 9) * 512) | E_PS);
		l1_edited(root, block * 512, 512);
		break;
	case 1:		/* a table where a leaf was */
		l1_store(v, table_gfn(root, 2, 0), block, table_gfn(root, 1, block) << 12 |
			 (random() % 4 ? mf->table : mf->table & ~2ull));
		l1_edited(root, block * 512, 512);
		break;
	case 2:		/* another block's table: the same table in two places */
		l1_store(v, table_gfn(root, 2, 0), block,
			 table_gfn(root, 1, random() % 8) << 12 | mf->table);
		l1_edited(root, block * 512, 512);
		break;
	case 3:		/* 1G, rarely */
		if (random() % 8)
			break;
		l1_store(v, table_gfn(root, 3, 0), 0, random() % 2 ? mf->all | E_PS :
			 table_gfn(root, 2, 0) << 12 | mf->table);
		l1_edited(root, 0, L2_PAGES);
		break;
	case 4:		/* forget accessed and dirty */
		l1_store(v, table_gfn(root, 1, block), i,
			 *l1_entry(table_gfn(root, 1, block), i) & ~(mf->a | mf->d));
		for (unsigned int b = 0; b < 8; b++)
			l1_edited(root, b * 512 + i, 1);
		break;
	default:
		l1_store(v, table_gfn(root, 1, block), i, random_leaf(random() % (HOST_PAGES + 64)));
		/* The table may be in several places. */
		for (unsigned int b = 0; b < 8; b++)
			l1_edited(root, b * 512 + i, 1);
		break;
	}
}

static void take_log(unsigned int i)
{
	static unsigned long bits[HOST_PAGES / 64];
	struct kvm_dirty_log log = { .slot = i, .dirty_bitmap = bits };
	unsigned int first = (slots[i].r.userspace_addr - HOST_HVA) >> 12;

	if (!slots[i].there || !(slots[i].r.flags & KVM_MEM_LOG_DIRTY_PAGES))
		return;
	FAIL_UNLESS(!mmu_get_dirty_log(&vm, &log), "no dirty log");
	for (unsigned int n = 0; n < slots[i].r.memory_size >> 12; n++) {
		FAIL_UNLESS(!written[first + n] || (bits[n / 64] >> (n % 64) & 1),
			    "a write is not in the dirty log");
		written[first + n] = false;
	}
}

/*
 * Slot 0 has L1's tables and stays.  1 comes and goes, moves and is logged; 2 is
 * misaligned against the host's pages; 3 is read-only.
 */
static void change_slot(void)
{
	u64 at = random() % 2 ? 1024 : 4096;

	switch (random() % 4) {
	case 0:
		if (slots[1].there)
			set_slot(1, slots[1].r.guest_phys_addr >> 12, 0, 0, 0);
		else
			FAIL_UNLESS(set_slot(1, at, 1024, 1024, 0), "no slot");
		break;
	case 1:
		if (slots[1].there)
			FAIL_UNLESS(set_slot(1, at, 1024, 1024, slots[1].r.flags), "no move");
		break;
	default:
		if (!slots[1].there)
			break;
		FAIL_UNLESS(set_slot(1, slots[1].r.guest_phys_addr >> 12, 1024, 1024,
				     slots[1].r.flags ^ KVM_MEM_LOG_DIRTY_PAGES), "no log");
		/* The log starts now. */
		memset(written, 0, sizeof(written));
		break;
	}
}

static void l1_flush(int v)
{
	unsigned int tag = random() % 4 ? cur_tag[v] : random() % NR_TAGS;

	if (random() % 16) {
		shadow_drop_tag(&vcpus[v], tag);
		forget(v, tag);
		return;
	}
	shadow_drop_all(&vcpus[v]);
	for (tag = 0; tag < NR_TAGS; tag++)
		forget(v, tag);
}

/* From the start of an invalidation on, nothing may lead to the range. */
static void check_invalidated(unsigned int first, unsigned int n)
{
	unsigned int rights;
	u64 pfn;

	for (int v = 0; v < NR_VCPUS; v++) {
		for (int i = 0; i < TLB_SIZE; i++) {
			const struct tlb_entry *e = &vcpus[v].tlb[i];
			unsigned int at = host_frame_owner(e->pfn) - first;

			/* A CPU that is going to flush before L2's next entry may keep it. */
			FAIL_UNLESS(!e->valid || at >= n || (vcpus[v].flush && e->tag == 0),
				    "a TLB leads to an invalidated page");
		}
		for (unsigned int p = 0; cur_hpa[v].a && p < L2_PAGES; p++)
			if (hw_walk(cur_hpa[v], p, RD | EX, &pfn, &rights))
				FAIL_UNLESS((unsigned int)host_frame_owner(pfn) - first >= n,
					    "a table leads to an invalidated page");
	}
}

/* Faults come in while the host changes the range: none may be filled in from it. */
static void fault_meanwhile(unsigned int first, unsigned int n)
{
	struct l1_gpa gpa;
	struct walk walk;
	unsigned int rights;
	u64 gfn, pfn;

	for (gfn = 0; gfn < HOST_PAGES; gfn++)
		if ((unsigned int)gfn_host_page(gfn) - first < min(n, 4u)) {
			mmu_fault(&vcpus[0], l1_gpa(gfn << 12), 0);
			FAIL_UNLESS(!hw_walk(mmu_root(&vm), gfn, RD, &pfn, &rights),
				    "L1 got a page that the host is changing");
		}
	for (int v = 0; v < NR_VCPUS; v++)
		for (unsigned int p = 0; vcpus[v].shadow->cur && p < 16; p++)
			shadow_fault(&vcpus[v], vcpus[v].shadow->cur, l2_gpa((u64)p << 12), 0,
				     &walk, &gpa);
}

static void invalidate(unsigned int first, unsigned int n)
{
	struct mmu_notifier_range r = {
		.start = HOST_HVA + first * PAGE_SIZE,
		.end = HOST_HVA + (first + n) * PAGE_SIZE,
	};

	vm.mmu->mn.ops->invalidate_range_start(&vm.mmu->mn, &r);
	check_invalidated(first, n);
	fault_meanwhile(first, n);
	check_invalidated(first, n);
	vm.mmu->mn.ops->invalidate_range_end(&vm.mmu->mn, &r);
}

static void invalidate_some(void)
{
	unsigned int first = random() % HOST_PAGES, n = 1 + random() % 64;

	if (first + n <= HOST_PAGES)
		invalidate(first, n);
}

/* Nobody can write to a watched page: neither through a table nor through what a TLB kept of it. */
static void check_watched(void)
{
	struct shadow_table *t;
	unsigned int rights;
	u64 pfn;

	list_for_each_entry(t, &vm.mmu->shadow_tables, all) {
		int page = t->watched ? gfn_host_page(t->l1_table >> 12) : -1;

		if (page < 0)
			continue;
		most_watched = max(most_watched, vm.mmu->nr_watched);
		FAIL_UNLESS(!hw_walk(mmu_root(&vm), t->l1_table >> 12, WR, &pfn, &rights),
			    "L1 may write to a watched page");
		for (int v = 0; v < NR_VCPUS; v++)
			for (int i = 0; i < TLB_SIZE; i++) {
				const struct tlb_entry *e = &vcpus[v].tlb[i];

				FAIL_UNLESS(!e->valid || !(e->rights & WR) ||
					    host_frame_owner(e->pfn) != page ||
					    (vcpus[v].flush && e->tag == 0),
					    "a TLB lets a watched page be written");
			}
	}
}

static void step(void)
{
	int v = random() % NR_VCPUS, r = random() % 1000;

	if (r < 600)
		l2_access(v, pick_page(), 1u << random() % 3);
	else if (r < 700)
		l1_access(v, random() % (HOST_PAGES + 32), random() % 2);
	else if (r < 850)
		l1_edit();
	else if (r < 860)
		use_root(v, random() % NR_ROOTS, random() % NR_TAGS);
	else if (r < 900)
		l1_flush(v);
	else if (r < 920)
		host_migrate(vm.mmu, random() % 2 ? random() % 64 : random() % HOST_PAGES);
	else if (r < 940)
		host_collapse(vm.mmu, random() % HOST_BLOCKS);
	else if (r < 975)
		invalidate_some();
	else if (r < 985)
		vm.mmu->mn.ops->clear_flush_young(&vm.mmu->mn, &test_mm, HOST_HVA,
						  HOST_HVA + (random() % 512) * PAGE_SIZE);
	else if (r < 993)
		take_log(1);
	else if (r < 995)
		change_slot();
	most_large = max(most_large, vm.mmu->nr_leaves[LEVEL_2M]);
	steps++;
	if (steps % 16 == 0)
		check_watched();
	if (steps % 512 == 0) {
		audits++;
		FAIL_UNLESS(!shadow_audit(&vcpus[v]), "the audit found errors");
	}
}

static void setup(void)
{
	host_reset();
	vm.mm = &test_mm;
	hw_caps.root_is_npt = mf->sl_npt;
	hw_caps.exec_only = mf->pt.exec_only;
	assert(!mmu_vm_create(&vm));
	for (int v = 0; v < NR_VCPUS; v++) {
		vcpus[v] = (struct nestor_vcpu){ .vm = &vm, .id = v, .mem = vm.mmu };
		assert(!shadow_create(&vcpus[v]));
		vm.vcpus[v] = &vcpus[v];
		cur_root[v] = cur_tag[v] = 0;
		cur_hpa[v].a = 0;
	}
	vm.nr_vcpus = NR_VCPUS;
	memset(slots, 0, sizeof(slots));
	memset(history, 0, sizeof(*history) * NR_VCPUS);
	assert(set_slot(0, 0, 1024, 0, 0));
	assert(set_slot(1, 1024, 1024, 1024, 0));
	assert(set_slot(2, 2048, 1023, 2049, 0));
	assert(set_slot(3, 3072, 1024, 3072, KVM_MEM_READONLY));
	for (unsigned int r = 0; r < NR_ROOTS; r++) {
		for (unsigned int g = 0; g < 11; g++)
			memset(l1_entry(1 + 16 * r + g, 0), 0, PAGE_SIZE);
		*l1_entry(table_gfn(r, 4, 0), 0) = table_gfn(r, 3, 0) << 12 | mf->table;
		*l1_entry(table_gfn(r, 3, 0), 0) = table_gfn(r, 2, 0) << 12 | mf->table;
		for (unsigned int b = 0; b < 8; b++) {
			*l1_entry(table_gfn(r, 2, 0), b) = table_gfn(r, 1, b) << 12 | mf->table;
			for (unsigned int i = 0; i < 512; i++)
				*l1_entry(table_gfn(r, 1, b), i) =
					random_leaf(random() % HOST_PAGES);
		}
	}
	for (int v = 0; v < NR_VCPUS; v++)
		for (unsigned int t = 0; t < NR_TAGS; t++)
			forget(v, t);
}

static void teardown(void)
{
	for (int v = 0; v < NR_VCPUS; v++)
		shadow_destroy(&vcpus[v]);
	mmu_vm_destroy(&vm);
}

static void test_random(unsigned int seed, unsigned int n)
{
	unsigned long before = pages_in_use;

	srandom(seed);
	failed = NULL;
	steps = faults = maps = audits = most_large = most_watched = 0;
	setup();
	while (steps < n && !failed)
		step();
	tap_diag("%u faults, %u mapped, %u audits, up to %lu large leaves, %lu watched, %u tables",
		 faults, maps, audits, most_large, most_watched, vcpus[0].shadow->nr_tables);
	teardown();
	tap_ok(!failed && maps > n / 20 && most_large && most_watched > 2, "%s, seed %u: %u steps%s%s", mf->pt.name,
	       seed, steps, failed ? ": " : "", failed ? failed : "");
	tap_ok(pages_in_use == before, "%s, seed %u: no page is left", mf->pt.name, seed);
}

/*
 * L1 retargets a 2M leaf and does not flush; a fault replaces the shadow's leaf.  What
 * the TLB keeps of the old one is out of the notifier's sight, so it must be gone.
 */
static void test_retargeted_leaf(void)
{
	struct l1_gpa gpa;
	struct walk walk;

	failed = NULL;
	setup();
	host_collapse(vm.mmu, 2);
	host_collapse(vm.mmu, 3);
	*l1_entry(table_gfn(0, 2, 0), 0) = 1024ull << 12 | mf->all | E_PS;
	l1_edited(0, 0, 512);
	use_root(0, 0, 0);
	for (u64 pfn, i = 0; i < 2 && !cpu_access(&vcpus[0], cur_hpa[0], 5, 0, RD, &pfn); i++)
		shadow_fault(&vcpus[0], vcpus[0].shadow->cur, l2_gpa(5 << 12), 0, &walk, &gpa);
	tap_ok(vm.mmu->nr_leaves[LEVEL_2M] == 1 && tlb_find(&vcpus[0], 5, 0),
	       "a 2M leaf in the shadow, a page of it in the TLB");
	vcpus[0].flush = false;
	*l1_entry(table_gfn(0, 2, 0), 0) = 1536ull << 12 | mf->all | E_PS;
	l1_edited(0, 0, 512);
	shadow_fault(&vcpus[0], vcpus[0].shadow->cur, l2_gpa(6 << 12), ACC_WRITE, &walk, &gpa);
	tap_ok(vm.mmu->nr_leaves[LEVEL_2M] == 1 && vcpus[0].flush,
	       "another frame in its place: the TLB is flushed");
	*l1_entry(table_gfn(0, 1, 0), 6) = 1030ull << 12 | mf->all;
	*l1_entry(table_gfn(0, 2, 0), 0) = table_gfn(0, 1, 0) << 12 | mf->table;
	l1_edited(0, 0, 512);
	vcpus[0].flush = false;
	shadow_fault(&vcpus[0], vcpus[0].shadow->cur, l2_gpa(6 << 12), 0, &walk, &gpa);
	tap_ok(!vm.mmu->nr_leaves[LEVEL_2M] && vcpus[0].flush,
	       "a table in its place: so it is");
	tap_ok(set_slot(1, 1024, 0, 0, 0) && !shadow_audit(&vcpus[0]),
	       "the slot goes: the audit is clean");
	teardown();
}

/* Several processors fault while the host moves pages and the VMM drops a slot. */

static bool stop;

static void *thread_l2(void *arg)
{
	struct nestor_vcpu *vcpu = arg;
	unsigned int seed = vcpu->id;
	struct l1_gpa gpa;
	struct walk walk;
	bool fresh;

	while (!READ_ONCE(stop)) {
		/* Mostly the pages that host_and_vmm() moves most. */
		unsigned int few = rand_r(&seed) % 8 ? 16 : L2_PAGES;
		unsigned int page = rand_r(&seed) % few, root = rand_r(&seed) % NR_ROOTS;
		struct shadow_root *sr;

		host_read_lock();
		sr = shadow_get(vcpu, l1_gpa(table_gfn(root, 4, 0) << 12), &mf->pt,
				rand_r(&seed) % 64 ? 0 : rand_r(&seed) % NR_TAGS, &fresh);
		for (int i = 0; sr && i < 64; i++)
			shadow_fault(vcpu, sr, l2_gpa((u64)((page + i) % few) << 12),
				     rand_r(&seed) % 2 ? ACC_WRITE : 0, &walk, &gpa);
		mmu_fault(vcpu, l1_gpa((u64)(1024 + page % 1024) << 12), ACC_WRITE);
		if (!(rand_r(&seed) % 64))
			shadow_drop_tag(vcpu, 0);
		host_read_unlock();
	}
	return NULL;
}

static void host_and_vmm(int i)
{
	/* Not the pages of L1's tables: the other threads hold no reference to them. */
	host_migrate(vm.mmu, 1024 + random() % (i % 4 ? 16 : 2048));
	if (i % 16 == 0)
		host_collapse(vm.mmu, 2 + random() % 4);
	if (i % 64 == 0)
		set_slot(1, 1024, slots[1].there ? 0 : 1024, 1024, 0);
	if (i % 64 == 32 && slots[1].there)
		set_slot(1, 1024, 1024, 1024, slots[1].r.flags ^ KVM_MEM_LOG_DIRTY_PAGES);
	take_log(1);
}

static void test_threads(void)
{
	unsigned long before = pages_in_use;
	pthread_t t[NR_VCPUS];
	int errors = 0;

	srandom(7);
	failed = NULL;
	setup();
	for (unsigned int i = 0; i < NR_ROOTS * 16; i++)
		*l1_entry(table_gfn(i / 16, 1, 0), i % 16) = (1024ull + i % 16) << 12 | mf->all;
	host_slow = true;
	for (int round = 0; round < 30; round++) {
		WRITE_ONCE(stop, false);
		for (int v = 0; v < NR_VCPUS; v++)
			pthread_create(&t[v], NULL, thread_l2, &vcpus[v]);
		for (int i = 0; i < 40; i++)
			host_and_vmm(round * 40 + i);
		WRITE_ONCE(stop, true);
		for (int v = 0; v < NR_VCPUS; v++)
			pthread_join(t[v], NULL);
		for (int v = 0; v < NR_VCPUS; v++)
			errors += shadow_audit(&vcpus[v]);
	}
	host_slow = false;
	tap_ok(!errors, "processors, host and VMM at once: the audit is clean");
	teardown();
	tap_ok(pages_in_use == before, "and no page is left");
}

/* Errors of the slot ioctls, which must change nothing. */
static int region(u32 slot, u32 flags, u64 gpa, u64 size, u64 hva)
{
	struct kvm_userspace_memory_region r = { slot, flags, gpa, size, hva };

	return mmu_set_region(&vm, &r);
}

static void test_slot_errors(void)
{
	const u64 h = HOST_HVA;

	setup();
	tap_ok(region(512, 0, 1ull << 30, 4096, h) == -EINVAL, "slot number too large");
	tap_ok(region(2 << 16, 0, 1ull << 30, 4096, h) == -EINVAL, "an address space beyond the last");
	tap_ok(!vm.mmu_smm && !region(1 << 16 | 9, 0, 0, 4096, h) && vm.mmu_smm,
	       "the same place in address space 1");
	tap_ok(region(1 << 16 | 8, 0, 0, 4096, h) == -EEXIST, "overlap there");
	tap_ok(region(1 << 16 | 512, 0, 1ull << 30, 4096, h) == -EINVAL, "slot number too large there");
	tap_ok(!region(1 << 16 | 9, 0, 0, 0, h), "it goes");
	tap_ok(region(9, 4, 1ull << 30, 4096, h) == -EINVAL, "unknown flag");
	tap_ok(region(9, 0, 1ull << 30 | 1, 4096, h) == -EINVAL, "misaligned gpa");
	tap_ok(region(9, 0, 1ull << 30, 4097, h) == -EINVAL, "misaligned size");
	tap_ok(region(9, 0, 1ull << 30, 4096, h | 8) == -EINVAL, "misaligned hva");
	tap_ok(region(9, 0, ~0xfffull, 8192, h) == -EINVAL, "wraps");
	tap_ok(region(9, 0, 1ull << 48, 4096, h) == -EINVAL, "beyond the table");
	tap_ok(region(9, 0, 1ull << 30, 1ull << 43, 0) == -EINVAL, "too large");
	tap_ok(region(9, 0, 1ull << 30, 4096, 1ull << 47) == -EINVAL, "not the VMM's address");
	tap_ok(region(9, 0, 0, 0, 0) == -EINVAL, "deletes what is not there");
	tap_ok(region(9, 0, 1023 << 12, 8192, h) == -EEXIST, "overlap");
	tap_ok(region(1, 0, 1024 << 12, 512 << 12, h + (1024 << 12)) == -EINVAL, "another size");
	tap_ok(region(1, 0, 1024 << 12, 1024 << 12, h) == -EINVAL, "another hva");
	tap_ok(region(1, KVM_MEM_READONLY, 1024 << 12, 1024 << 12, h + (1024 << 12)) == -EINVAL,
	       "another READONLY");
	tap_ok(region(1, 0, 1023 << 12, 1024 << 12, h + (1024 << 12)) == -EEXIST,
	       "move onto another");
	tap_ok(!region(1, 0, 1024 << 12, 1024 << 12, h + (1024 << 12)), "nothing changes");

	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = &log };
	struct kvm_clear_dirty_log clear = { .slot = 1, .num_pages = 64, .dirty_bitmap = &log };

	tap_ok(mmu_get_dirty_log(&vm, &log) == -ENOENT, "a slot without a log");
	tap_ok(mmu_clear_dirty_log(&vm, &clear) == -ENOENT, "nothing to clear");
	log.slot = 512;
	tap_ok(mmu_get_dirty_log(&vm, &log) == -EINVAL, "no such slot number");
	tap_ok(set_slot(1, 1024, 1024, 1024, KVM_MEM_LOG_DIRTY_PAGES), "log");
	clear.first_page = 1;
	tap_ok(mmu_clear_dirty_log(&vm, &clear) == -EINVAL, "clear: misaligned start");
	clear.first_page = 1024 + 64;
	tap_ok(mmu_clear_dirty_log(&vm, &clear) == -EINVAL, "clear: past the end");
	clear.first_page = 0;
	clear.num_pages = 65;
	tap_ok(mmu_clear_dirty_log(&vm, &clear) == -EINVAL, "clear: cut in the middle");
	tap_ok(mmu_set_manual_dirty(&vm, 2) == -EINVAL && !mmu_set_manual_dirty(&vm, 1),
	       "manual protect, and nothing else");
	teardown();
}

/* The log that only KVM_CLEAR_DIRTY_LOG clears. */
static void test_manual(void)
{
	static unsigned long bits[16], none[16];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bits };
	struct kvm_clear_dirty_log clear = { .slot = 1, .num_pages = 1024, .dirty_bitmap = bits };
	u64 pfn;

	setup();
	mmu_set_manual_dirty(&vm, 1);
	set_slot(1, 1024, 1024, 1024, KVM_MEM_LOG_DIRTY_PAGES);
	for (int i = 0; i < 3; i++)
		if (!cpu_access(&vcpus[0], mmu_root(&vm), 1024 + 70, 1, WR, &pfn))
			mmu_fault(&vcpus[0], l1_gpa((1024 + 70) << 12), ACC_WRITE);
	mmu_get_dirty_log(&vm, &log);
	mmu_get_dirty_log(&vm, &log);
	tap_ok(bits[1] == 1ul << 6 && !bits[0], "manual: getting the log twice clears nothing");
	tap_ok(cpu_access(&vcpus[0], mmu_root(&vm), 1024 + 70, 1, WR, &pfn),
	       "manual: nor does it protect");
	clear.dirty_bitmap = none;
	mmu_clear_dirty_log(&vm, &clear);
	tap_ok(cpu_access(&vcpus[0], mmu_root(&vm), 1024 + 70, 1, WR, &pfn),
	       "manual: clearing no bit protects nothing");
	clear.dirty_bitmap = bits;
	mmu_clear_dirty_log(&vm, &clear);
	tap_ok(!cpu_access(&vcpus[0], mmu_root(&vm), 1024 + 70, 1, WR, &pfn),
	       "manual: clearing protects");
	mmu_get_dirty_log(&vm, &log);
	tap_ok(!bits[1], "manual: and clears");
	teardown();
}

int main(void)
{
	static const struct model_format *const formats[] = {
		&model_npt, &model_ept_ad, &model_ept_plain,
	};

	host_init();
	history = calloc(NR_VCPUS, sizeof(*history));
	test_slot_errors();
	for (unsigned int i = 0; i < ARRAY_SIZE(formats); i++) {
		mf = formats[i];
		test_manual();
		test_retargeted_leaf();
		for (unsigned int seed = 1; seed <= 3; seed++)
			test_random(seed, 40000);
		test_threads();
	}
	free(history);
	return tap_done();
}
