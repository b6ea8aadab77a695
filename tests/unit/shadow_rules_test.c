// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shadow tables, rule by rule: what L2 may do on the tables that mmu/ builds for each
 * combination of L1's rights, what an invalidation drops and what it costs, which flags
 * L1 finds set, and what has broken other hypervisors here.  With NPT and EPT.
 */
#include "mmu/ept.h"
#include "mmu/window.h"
#include "mmu_model.h"
#include "tap.h"

/* L1's tables: PML4, PDPT, PD and page tables from here on; its memory: slot 1, 2M aligned. */
#define BIG_GFN		712u
#define BIG_TABLES	128u
#define DATA_GFN	1024u

static struct walk last;
static struct l1_gpa last_gpa;

static void setup(void)
{
	host_reset();
	failed = NULL;
	memset(slots, 0, sizeof(slots));
	vm.mm = &test_mm;
	hw_caps.root_is_npt = mf->sl_npt;
	hw_caps.exec_only = mf->pt.exec_only;
	assert(!mmu_vm_create(&vm));
	vcpus[0] = (struct nestor_vcpu){ .vm = &vm, .mem = vm.mmu };
	assert(!shadow_create(&vcpus[0]));
	vm.vcpus[0] = &vcpus[0];
	vm.nr_vcpus = 1;
	assert(set_slot(0, 0, 1024, 0, 0) && set_slot(1, 1024, 1024, 1024, 0));
	for (unsigned int g = 0; g < 1024; g++)
		memset(l1_entry(g, 0), 0, PAGE_SIZE);
	for (unsigned int r = 0; r < 8; r++) {
		*l1_entry(table_gfn(r, 4, 0), 0) = table_gfn(r, 3, 0) << 12 | mf->table;
		*l1_entry(table_gfn(r, 3, 0), 0) = table_gfn(r, 2, 0) << 12 | mf->table;
		*l1_entry(table_gfn(r, 2, 0), 0) = table_gfn(r, 1, 0) << 12 | mf->table;
	}
}

static void teardown(unsigned long before, const char *what)
{
	tap_ok(!shadow_audit(&vcpus[0]) && !failed, "%s: %s: the audit is clean%s%s", mf->pt.name,
	       what, failed ? ", but " : "", failed ? failed : "");
	shadow_destroy(&vcpus[0]);
	mmu_vm_destroy(&vm);
	tap_ok(pages_in_use == before, "%s: %s: no page is left", mf->pt.name, what);
}

static struct shadow_root *root_of(unsigned int r)
{
	bool fresh;

	return shadow_get(&vcpus[0], l1_gpa(table_gfn(r, 4, 0) << 12), &mf->pt, 0, &fresh);
}

static enum shadow_result fault(unsigned int r, u64 page, u64 access)
{
	return shadow_fault(&vcpus[0], root_of(r), l2_gpa(page << 12), access, &last, &last_gpa);
}

/* The tests write to L1's tables as a VMM does, and tell so; but for those of watched tables. */
static void drop_all(void)
{
	mmu_outside(&vm);
	shadow_drop_all(&vcpus[0]);
}

static void drop_root(struct l1_gpa root)
{
	mmu_outside(&vm);
	shadow_drop_root(&vcpus[0], root);
}

static u64 bits_of(unsigned int acc)
{
	return acc == WR ? ACC_WRITE : acc == EX ? ACC_FETCH : 0;
}

/* What the CPU may do now, without a fault */
static unsigned int cpu_rights(unsigned int r, u64 page)
{
	unsigned int rights;
	u64 pfn;

	return hw_walk(shadow_root_hpa(root_of(r)), page, RD | WR | EX, &pfn, &rights) ? rights : 0;
}

static void leaf(unsigned int r, unsigned int i, u64 e)
{
	*l1_entry(table_gfn(r, 1, 0), i) = e;
}

static u64 leaf_now(unsigned int r, unsigned int i)
{
	return *l1_entry(table_gfn(r, 1, 0), i);
}

/* An entry with @rights, or the table's own */
static u64 table_rights(u64 gfn, unsigned int rights)
{
	return (model_leaf(gfn, rights) & ~(mf->all & ~7ull)) | (mf->all & ~7ull & mf->table);
}

/* Rights of a table and of a leaf in it: what the shadow gives is what both give. */
static void test_lattice(void)
{
	unsigned long before = pages_in_use;
	bool ok = true;

	setup();
	for (unsigned int up = 0; up < 8; up++)
		for (unsigned int low = 0; low < 8; low++)
			for (unsigned int acc = RD; acc <= EX; acc <<= 1) {
				struct l2_map m;
				enum shadow_result res;

				*l1_entry(table_gfn(0, 2, 0), 0) = table_rights(table_gfn(0, 1, 0), up);
				leaf(0, 3, model_leaf(DATA_GFN + 3, low));
				drop_root(l1_gpa(table_gfn(0, 4, 0) << 12));
				m = l1_translate(0, 3);
				res = fault(0, 3, bits_of(acc));
				if (!m.ok || !(m.rights & acc)) {
					ok &= res == SHADOW_L1 && !cpu_rights(0, 3);
					ok &= !mf->pt.ept || (ept_misconfigured(&last) == m.bad &&
						ept_rights_bits(&last) == (u64)m.rights << 3);
					continue;
				}
				/* Clean, so not writable before it is written. */
				if (acc != WR && mf->pt.ad)
					m.rights &= ~WR;
				ok &= res == SHADOW_MAPPED && cpu_rights(0, 3) == m.rights;
			}
	tap_ok(ok, "%s: every pair of rights of a table and a leaf", mf->pt.name);
	teardown(before, "rights");
}

static void test_flags(void)
{
	unsigned long before = pages_in_use;
	u64 e;

	setup();
	e = model_leaf(DATA_GFN, 7);
	leaf(0, 0, e);
	fault(0, 0, 0);
	tap_ok(leaf_now(0, 0) == (mf->pt.ad ? e | mf->a : e) && !last.dirtied,
	       "%s: a read sets the accessed flag if L1 asks for it", mf->pt.name);
	tap_ok(!!(cpu_rights(0, 0) & WR) == !mf->pt.ad, "%s: a clean page is read-only", mf->pt.name);
	vcpus[0].flush = false;
	fault(0, 0, ACC_WRITE | ACC_LOG_FULL);
	tap_ok(leaf_now(0, 0) == (mf->pt.ad ? e | mf->a : e) && !last.dirtied,
	       "%s: with the log full no flag is set", mf->pt.name);
	fault(0, 0, ACC_WRITE);
	tap_ok(leaf_now(0, 0) == (mf->pt.ad ? e | mf->a | mf->d : e) && last.dirtied == mf->pt.ad &&
	       cpu_rights(0, 0) == 7, "%s: a write sets the dirty flag, and it is to be logged",
	       mf->pt.name);
	tap_ok(!vcpus[0].flush || !mf->pt.ad, "%s: a right is added without a flush", mf->pt.name);
	vcpus[0].flush = false;
	fault(0, 0, ACC_WRITE);
	tap_ok(vcpus[0].flush, "%s: a fault on what is allowed makes the CPU flush", mf->pt.name);
	leaf(0, 0, model_leaf(DATA_GFN, RD) | mf->a | mf->d);
	vcpus[0].flush = false;
	fault(0, 0, 0);
	tap_ok(vcpus[0].flush && cpu_rights(0, 0) == RD, "%s: so does a right that is taken",
	       mf->pt.name);

	/* The CPU's own accesses to L2's page tables. */
	leaf(0, 1, model_leaf(DATA_GFN + 1, 7));
	fault(0, 1, ACC_TABLE);
	tap_ok(!!(leaf_now(0, 1) & mf->d) == mf->pt.table_write, "%s: L2's tables count as written as L1 chose",
	       mf->pt.name);
	leaf(0, 2, model_leaf(DATA_GFN + 2, RD | EX));
	tap_ok((fault(0, 2, ACC_TABLE) == SHADOW_L1) == mf->pt.table_write,
	       "%s: and on a read-only page they fault if so", mf->pt.name);
	if (mf->pt.table_write)
		tap_ok(last.error & ACC_WRITE, "%s: as a write", mf->pt.name);
	leaf(0, 4, model_leaf(DATA_GFN + 4, 7));
	tap_ok(shadow_walk(&vcpus[0], l1_gpa(table_gfn(0, 4, 0) << 12), &mf->pt, l2_gpa(4 << 12),
			   ACC_TABLE, &last) == WALK_OK && last.dirtied == mf->pt.table_write,
	       "%s: so does a walk in software", mf->pt.name);
	teardown(before, "flags");
}

/* What an invalidation of one root drops, and what it must not. */
static void test_drop(void)
{
	unsigned long before = pages_in_use;
	struct pt_format other;
	struct shadow_root *sr;
	bool fresh;

	setup();
	for (unsigned int r = 0; r < 2; r++) {
		leaf(r, 0, model_leaf(DATA_GFN, 7) | mf->a | mf->d);
		fault(r, 0, ACC_WRITE);
	}
	drop_root(l1_gpa(0));
	tap_ok(cpu_rights(0, 0) == 7 && cpu_rights(1, 0) == 7, "%s: INVEPT of EPTP 0 drops no other",
	       mf->pt.name);
	vcpus[0].flush = false;
	drop_root(l1_gpa(table_gfn(0, 4, 0) << 12 | 0x5e));
	tap_ok(vcpus[0].flush, "%s: it makes the CPU flush", mf->pt.name);
	tap_ok(!cpu_rights(0, 0) && cpu_rights(1, 0) == 7,
	       "%s: one root's mappings, by the address alone", mf->pt.name);
	fault(0, 0, 0);
	tap_ok(cpu_rights(0, 0) == 7, "%s: what L1 did not change comes back, all rights", mf->pt.name);
	leaf(0, 0, model_leaf(DATA_GFN, RD | EX) | mf->a | mf->d);
	drop_all();
	fault(0, 0, 0);
	fault(1, 0, 0);
	tap_ok(cpu_rights(0, 0) == (RD | EX) && cpu_rights(1, 0) == 7, "%s: of all, what changed",
	       mf->pt.name);
	/* A table's own entry changes, and none in it. */
	*l1_entry(table_gfn(1, 2, 0), 0) = table_rights(table_gfn(1, 1, 0), RD);
	drop_all();
	fault(1, 0, 0);
	tap_ok(cpu_rights(1, 0) == RD, "%s: a right that the table above lost", mf->pt.name);
	*l1_entry(table_gfn(1, 2, 0), 0) = table_gfn(1, 1, 0) << 12 | mf->table;
	leaf(1, 2, model_leaf(DATA_GFN, 7) | mf->a | mf->d);
	*l1_entry(table_gfn(1, 2, 0), 1) = table_gfn(1, 1, 1) << 12 | mf->table;
	*l1_entry(table_gfn(1, 1, 1), 0) = model_leaf(DATA_GFN, 7) | mf->a | mf->d;
	*l1_entry(table_gfn(1, 2, 0), 2) = table_gfn(1, 1, 2) << 12 | mf->table;
	*l1_entry(table_gfn(1, 1, 2), 0) = model_leaf(DATA_GFN, 7) | mf->a | mf->d;
	fault(1, 0, 0);
	fault(1, 512, 0);
	fault(1, 1024, 0);
	*l1_entry(table_gfn(1, 2, 0), 2) = table_rights(table_gfn(1, 1, 2), RD);
	drop_all();
	fault(1, 0, 0);
	fault(1, 512, 0);
	tap_ok(cpu_rights(1, 0) == 7 && cpu_rights(1, 512) == 7 && !(cpu_rights(1, 1024) & WR),
	       "%s: nor does one come back along with others", mf->pt.name);
	/* Another way to read the same table is another root, and goes with it. */
	other = mf->pt;
	other.ad = !other.ad;
	sr = shadow_get(&vcpus[0], l1_gpa(table_gfn(1, 4, 0) << 12), &other, 0, &fresh);
	tap_ok(fresh && sr && shadow_root_hpa(sr).a != shadow_root_hpa(root_of(1)).a,
	       "%s: another A/D mode is another root", mf->pt.name);
	sr = shadow_get(&vcpus[0], l1_gpa(table_gfn(1, 4, 0) << 12), &other, 0, &fresh);
	shadow_fault(&vcpus[0], sr, l2_gpa(0), 0, &last, &last_gpa);
	drop_root(l1_gpa(table_gfn(1, 4, 0) << 12));
	tap_ok(!cpu_rights(1, 0), "%s: dropped in both modes: one", mf->pt.name);
	sr = shadow_get(&vcpus[0], l1_gpa(table_gfn(1, 4, 0) << 12), &other, 0, &fresh);
	tap_ok(!sr->top->nr_on && !fresh, "%s: and the other", mf->pt.name);
	teardown(before, "invalidation");
}

/* L1's other processors set flags meanwhile; L1 clears them. */
static void test_flags_change(void)
{
	unsigned long before = pages_in_use;

	setup();
	leaf(0, 100, model_leaf(DATA_GFN + 100, 7));
	leaf(0, 0, model_leaf(DATA_GFN, 7));
	fault(0, 0, 0);
	leaf(0, 0, leaf_now(0, 0) | mf->a | mf->d);
	drop_all();
	fault(0, 100, 0);	/* something else, which brings the table back */
	tap_ok(cpu_rights(0, 0), "%s: a flag that was set meanwhile costs nothing", mf->pt.name);
	fault(0, 0, ACC_WRITE);
	leaf(0, 0, leaf_now(0, 0) & ~mf->d);
	drop_all();
	fault(0, 100, 0);
	tap_ok(!!cpu_rights(0, 0) == !mf->pt.ad, "%s: one that L1 cleared is to be set again",
	       mf->pt.name);
	fault(0, 0, 0);
	tap_ok(!!(cpu_rights(0, 0) & WR) == !mf->pt.ad, "%s: by the next write", mf->pt.name);
	teardown(before, "flags that change");
}

/* Another processor of L1's writes an entry as soon as the walk has read it so often. */
static struct { u64 gfn, e; unsigned int i, reads; } late;

static void write_late(void)
{
	if (late.reads && !--late.reads)
		*l1_entry(late.gfn, late.i) = late.e;
}

/*
 * A write between the walk and the moment from which the table is watched faults nowhere, and the next
 * invalidation compares only what faulted.
 */
static void test_late_write(void)
{
	unsigned long before = pages_in_use;

	setup();
	leaf(0, 0, model_leaf(DATA_GFN, 7) | mf->a | mf->d);
	fault(0, 0, 0);
	/* Further away than a fault fills in: nothing was made of it. */
	leaf(0, 200, model_leaf(DATA_GFN + 200, 7) | mf->a | mf->d);
	drop_all();
	late = (typeof(late)){ table_gfn(0, 1, 0), model_leaf(DATA_GFN + 200, RD) | mf->a | mf->d, 200, 4 };
	host_after_read = write_late;
	fault(0, 200, 0);
	host_after_read = NULL;
	tap_ok(!late.reads && leaf_now(0, 200) == late.e, "%s: an entry is written behind the walk", mf->pt.name);
	shadow_drop_all(&vcpus[0]);
	tap_ok(!(cpu_rights(0, 200) & WR), "%s: the invalidation finds it", mf->pt.name);
	fault(0, 200, 0);
	tap_ok(cpu_rights(0, 200) == RD, "%s: and L2 has what it says", mf->pt.name);

	/* The same with the entry of a table, whose pages are there. */
	leaf(1, 0, model_leaf(DATA_GFN, 7) | mf->a | mf->d);
	*l1_entry(table_gfn(1, 1, 1), 0) = model_leaf(DATA_GFN + 1, RD) | mf->a | mf->d;
	fault(1, 0, 0);
	drop_all();
	late = (typeof(late)){ table_gfn(1, 2, 0), table_gfn(1, 1, 1) << 12 | mf->table, 0, 3 };
	host_after_read = write_late;
	fault(1, 0, 0);
	host_after_read = NULL;
	shadow_drop_all(&vcpus[0]);
	tap_ok(!late.reads && !(cpu_rights(1, 0) & WR), "%s: nor is a table's entry missed", mf->pt.name);
	fault(1, 0, 0);
	tap_ok(cpu_rights(1, 0) == RD, "%s: and L2 has what the other table says", mf->pt.name);
	teardown(before, "late writes");
}

/* A fault fills in its neighbours, but sets no flag for them and takes no right. */
static void test_neighbours(void)
{
	unsigned long before = pages_in_use;
	unsigned int rights;
	bool ok = true;
	u64 pfn = 0;

	setup();
	for (unsigned int i = 0; i < 8; i++)
		leaf(0, i, model_leaf(DATA_GFN + i, 7) | mf->a | mf->d);
	leaf(0, 1, model_leaf(DATA_GFN + 1, 7));
	leaf(0, 2, model_leaf(DATA_GFN + 2, 7) | mf->a);
	leaf(0, 3, model_leaf(DATA_GFN + 3, RD) | mf->a | mf->d);
	leaf(0, 4, 0);
	leaf(0, 5, model_leaf(5000, 7) | mf->a | mf->d);
	leaf(0, 6, model_leaf(DATA_GFN + 6, 7) | mf->a | mf->d | 1ull << 45);
	for (unsigned int i = 0; i < 8; i++)
		virt_to_page(l1_entry(DATA_GFN + i, 0))->dirty = false;
	fault(0, 0, 0);
	tap_ok(cpu_rights(0, 7) == 7, "%s: a neighbour is filled in", mf->pt.name);
	tap_ok(hw_walk(shadow_root_hpa(root_of(0)), 7, WR, &pfn, &rights) &&
	       virt_to_page(__va(pfn << 12))->dirty, "%s: and the host told that it may be written",
	       mf->pt.name);
	tap_ok(cpu_rights(0, 3) == RD, "%s: with its own rights", mf->pt.name);
	tap_ok(!!cpu_rights(0, 1) == !mf->pt.ad && leaf_now(0, 1) == model_leaf(DATA_GFN + 1, 7),
	       "%s: not where a flag would have to be set", mf->pt.name);
	tap_ok(!!(cpu_rights(0, 2) & WR) == !mf->pt.ad, "%s: a clean one read-only", mf->pt.name);
	tap_ok(!cpu_rights(0, 4) && !cpu_rights(0, 5) && !cpu_rights(0, 6),
	       "%s: not what is absent, no memory or malformed", mf->pt.name);
	/* A table above that forbids: so it does for the neighbours. */
	leaf(1, 0, model_leaf(DATA_GFN, 7) | mf->a | mf->d);
	leaf(1, 1, model_leaf(DATA_GFN + 1, 7) | mf->a | mf->d);
	*l1_entry(table_gfn(1, 2, 0), 0) = table_rights(table_gfn(1, 1, 0), RD);
	fault(1, 0, 0);
	tap_ok(cpu_rights(1, 1) == RD, "%s: within the rights of the tables above", mf->pt.name);
	if (mf->pt.ept) {
		leaf(0, 8, model_leaf(DATA_GFN, 7) | mf->a | mf->d);
		leaf(0, 9, ((model_leaf(DATA_GFN + 1, 7) & ~0x38ull) | 3 << 3) | mf->a | mf->d);
		leaf(0, 10, model_leaf(DATA_GFN + 1, WR) | mf->a | mf->d);
		fault(0, 8, 0);
		tap_ok(!cpu_rights(0, 9) && !cpu_rights(0, 10), "%s: nor a misconfiguration",
		       mf->pt.name);
	}
	if (mf->pt.exec_only) {
		*l1_entry(table_gfn(1, 2, 0), 0) = table_rights(table_gfn(1, 1, 0), EX);
		drop_all();
		fault(1, 0, ACC_FETCH);
		tap_ok(cpu_rights(1, 1) == EX, "%s: a table above that is execute-only", mf->pt.name);
	}
	/* A read-only slot, and one that logs. */
	set_slot(2, 2048, 512, 2048, KVM_MEM_READONLY);
	set_slot(3, 2560, 512, 2560, KVM_MEM_LOG_DIRTY_PAGES);
	for (unsigned int i = 0; i < 4; i++) {
		leaf(2, i, model_leaf(2048 + i, 7) | mf->a | mf->d);
		leaf(2, 8 + i, model_leaf(2560 + i, 7) | mf->a | mf->d);
	}
	fault(2, 0, 0);
	fault(2, 8, 0);
	for (unsigned int i = 0; i < 4; i++)
		ok &= cpu_rights(2, i) == (RD | EX) && cpu_rights(2, 8 + i) == (RD | EX);
	tap_ok(ok, "%s: not for writing in a read-only slot, or past the dirty log", mf->pt.name);
	/* L0 knows the page, for reading. */
	mmu_fault(&vcpus[0], l1_gpa(2600ull << 12), 0);
	leaf(3, 0, model_leaf(2600, 7) | mf->a | mf->d);
	fault(3, 0, 0);
	tap_ok(cpu_rights(3, 0) == (RD | EX), "%s: a page of L0's that the log protects", mf->pt.name);
	fault(3, 0, ACC_WRITE);
	tap_ok(cpu_rights(3, 0) == 7, "%s: and that is written", mf->pt.name);
	teardown(before, "neighbours");
}

/* The VMM, or L1 with its devices, rewrites the tables behind the shadow's back. */
static void test_rewritten(void)
{
	unsigned long before = pages_in_use;
	u64 pfn;
	unsigned int rights;

	setup();
	leaf(0, 0, model_leaf(DATA_GFN, 7) | mf->a | mf->d);
	fault(0, 0, ACC_WRITE);
	leaf(0, 0, model_leaf(6000, 7) | mf->a | mf->d);
	drop_all();
	tap_ok(fault(0, 0, 0) == SHADOW_MMIO && last_gpa.a == 6000ull << 12 && !cpu_rights(0, 0),
	       "%s: an entry rewritten to no memory", mf->pt.name);
	leaf(0, 0, model_leaf(DATA_GFN + 9, 7) | mf->a | mf->d);
	tap_ok(fault(0, 0, 0) == SHADOW_MAPPED &&
	       hw_walk(shadow_root_hpa(root_of(0)), 0, RD, &pfn, &rights) &&
	       host_frame_owner(pfn) == DATA_GFN + 9, "%s: and to another frame", mf->pt.name);
	/* A 2M leaf becomes a table, without a word; then the slot goes. */
	*l1_entry(table_gfn(0, 2, 0), 1) = model_leaf(DATA_GFN, 7) | mf->a | mf->d | E_PS;
	fault(0, 512 + 5, ACC_WRITE);
	tap_ok(vm.mmu->nr_leaves[LEVEL_2M] == 1, "%s: a 2M leaf", mf->pt.name);
	*l1_entry(table_gfn(0, 2, 0), 1) = table_gfn(0, 1, 1) << 12 | mf->table;
	*l1_entry(table_gfn(0, 1, 1), 5) = model_leaf(DATA_GFN + 600, 7) | mf->a | mf->d;
	*l1_entry(table_gfn(0, 1, 1), 6) = model_leaf(DATA_GFN + 601, 7);
	vcpus[0].flush = false;
	fault(0, 512 + 6, ACC_WRITE);
	tap_ok(!vm.mmu->nr_leaves[LEVEL_2M] && vcpus[0].flush &&
	       hw_walk(shadow_root_hpa(root_of(0)), 512 + 6, RD, &pfn, &rights) &&
	       host_frame_owner(pfn) == DATA_GFN + 601, "%s: that becomes a table", mf->pt.name);
	/* Out of reach, the leaves still obey the host. */
	drop_all();
	tap_ok(set_slot(1, 1024, 0, 0, 0) && !vm.mmu->nr_leaves[LEVEL_4K] &&
	       fault(0, 512 + 6, ACC_WRITE) == SHADOW_MMIO,
	       "%s: the slot goes while the tables are out of reach", mf->pt.name);
	teardown(before, "rewritten tables");
}

/* PS where it means nothing, addresses beyond the table, the root at the end of memory. */
static void test_malformed(void)
{
	struct pt_format pae = model_npt.pt;
	unsigned long before = pages_in_use;
	u64 root = (1023ull << 12) + 0xfe0;

	setup();
	leaf(0, 0, model_leaf(DATA_GFN, 7));
	*l1_entry(table_gfn(0, 4, 0), 0) |= E_PS;
	tap_ok(fault(0, 0, 0) == SHADOW_L1 && (last.error & ACC_RSVD), "%s: PS in the top entry",
	       mf->pt.name);
	*l1_entry(table_gfn(0, 4, 0), 0) = table_gfn(0, 4, 0) << 12 | mf->table;
	tap_ok(fault(0, 0, 0) == SHADOW_MAPPED, "%s: a table that is its own child, and its page",
	       mf->pt.name);
	*l1_entry(table_gfn(0, 4, 0), 0) = 9000ull << 12 | mf->table;
	tap_ok(fault(0, 0, 0) == SHADOW_L1 && (last.error & ACC_RSVD),
	       "%s: a table where no memory is reads as ones", mf->pt.name);
	tap_ok(fault(0, 1ull << 36, 0) == SHADOW_L1 && !(last.error & ACC_PRESENT) &&
	       !ept_rights_bits(&last), "%s: an address beyond the table", mf->pt.name);
	/* The PDPTEs of PAE in the last 32 bytes of a slot; bits 4:0 of the root are ignored. */
	pae.levels = 3;
	pae.large_1g = false;
	*l1_entry(1023, 0xfe0 / 8 + 3) = table_gfn(0, 2, 0) << 12 | 1;
	*l1_entry(table_gfn(0, 2, 0), 0) = (u64)DATA_GFN << 12 | 7 | E_PS;
	tap_ok(shadow_walk(&vcpus[0], l1_gpa(root | 0x1f), &pae, l2_gpa(3ull << 30), 0, &last) ==
	       WALK_OK && last.addr == (u64)DATA_GFN << 12, "%s: PAE's root at the end of a slot",
	       mf->pt.name);
	teardown(before, "malformed tables");
}

/* More roots than there may be, each used; the last one stays whole. */
static void test_many_roots(void)
{
	unsigned long before = pages_in_use;
	bool ok = true;

	setup();
	for (unsigned int n = 0; n < 40; n++) {
		unsigned int r = n % 8;

		leaf(r, n, model_leaf(DATA_GFN + n, 7) | mf->a | mf->d);
		ok &= fault(r, n, ACC_WRITE) == SHADOW_MAPPED && cpu_rights(r, n) == 7;
		ok &= !shadow_audit(&vcpus[0]);
	}
	tap_ok(ok, "%s: more roots than there may be", mf->pt.name);
	teardown(before, "many roots");
}

/* A wide L1: addresses past the reach of L0's table are no memory, and no alias of it. */
static void test_wide(void)
{
	struct pt_format f = mf->pt;
	unsigned long before = pages_in_use;
	unsigned int rights;
	struct shadow_root *sr;
	bool fresh;
	u64 pfn;

	setup();
	f.rsvd_pa = 0;
	leaf(0, 0, model_leaf(DATA_GFN, 7) | mf->a | mf->d);
	leaf(0, 1, model_leaf(MAX_GFN + DATA_GFN, 7) | mf->a | mf->d);
	mmu_fault(&vcpus[0], l1_gpa((u64)DATA_GFN << 12), ACC_WRITE);
	sr = shadow_get(&vcpus[0], l1_gpa(table_gfn(0, 4, 0) << 12), &f, 0, &fresh);
	tap_ok(shadow_fault(&vcpus[0], sr, l2_gpa(0), 0, &last, &last_gpa) == SHADOW_MAPPED &&
	       !hw_walk(shadow_root_hpa(sr), 1, RD, &pfn, &rights),
	       "%s: a neighbour past the reach of L0's table", mf->pt.name);
	tap_ok(shadow_fault(&vcpus[0], sr, l2_gpa(1 << 12), 0, &last, &last_gpa) == SHADOW_MMIO,
	       "%s: the page itself", mf->pt.name);
	teardown(before, "wide addresses");
}

/* A frontend that offers what the CPU cannot express gets an error, and L2 no page. */
static void test_no_exec_only(void)
{
	struct pt_format f = model_ept_ad.pt;
	unsigned long before = pages_in_use;
	struct shadow_root *sr;
	bool fresh;

	mf = &model_ept_ad;
	setup();
	hw_caps.exec_only = false;
	leaf(0, 0, model_leaf(DATA_GFN, EX));
	sr = shadow_get(&vcpus[0], l1_gpa(table_gfn(0, 4, 0) << 12), &f, 0, &fresh);
	tap_ok(shadow_fault(&vcpus[0], sr, l2_gpa(0), ACC_FETCH, &last, &last_gpa) == SHADOW_ERROR &&
	       !vm.mmu->nr_leaves[LEVEL_4K], "execute-only on a CPU without it is refused");
	teardown(before, "execute-only refused");
}

/* Big: L1 maps 64k pages of 4K. */
static u64 big_leaf(unsigned int page)
{
	return model_leaf(DATA_GFN + page % 1024, 7) | mf->a | mf->d;
}

static void big_setup(void)
{
	setup();
	*l1_entry(BIG_GFN, 0) = (BIG_GFN + 1ull) << 12 | mf->table;
	*l1_entry(BIG_GFN + 1, 0) = (BIG_GFN + 2ull) << 12 | mf->table;
	for (unsigned int t = 0; t < BIG_TABLES; t++) {
		*l1_entry(BIG_GFN + 2, t) = (BIG_GFN + 3ull + t) << 12 | mf->table;
		for (unsigned int i = 0; i < 512; i++)
			*l1_entry(BIG_GFN + 3 + t, i) = big_leaf(t * 512 + i);
	}
}

static unsigned int big_faults;

static void big_touch(unsigned int first, unsigned int n, unsigned int step)
{
	bool fresh;
	struct shadow_root *sr = shadow_get(&vcpus[0], l1_gpa((u64)BIG_GFN << 12), &mf->pt, 0, &fresh);
	unsigned int rights;
	u64 pfn;

	big_faults = 0;
	host_words = 0;
	for (unsigned int p = first; p < first + n; p += step)
		for (int tries = 0; tries < 3; tries++) {
			if (hw_walk(shadow_root_hpa(sr), p, WR, &pfn, &rights)) {
				FAIL_UNLESS(host_frame_owner(pfn) ==
					    (int)((*l1_entry(BIG_GFN + 3 + p / 512, p % 512) &
						   GENMASK_ULL(51, 12)) >> 12), "another frame");
				break;
			}
			big_faults++;
			shadow_fault(&vcpus[0], sr, l2_gpa((u64)p << 12), ACC_WRITE, &last, &last_gpa);
			FAIL_UNLESS(tries < 2, "no progress");
		}
}

static void test_cost(void)
{
	const unsigned int all = BIG_TABLES * 512;
	unsigned long before = pages_in_use;

	big_setup();
	big_touch(0, all, 1);
	tap_ok(big_faults <= all / 40, "%s: %u pages in turn: %u faults", mf->pt.name, all, big_faults);
	drop_all();
	big_touch(0, all, 1);
	tap_ok(big_faults <= 16 && host_words < all + all / 64, "%s: after an invalidation: %u faults, %lu words of L1 read",
	       mf->pt.name, big_faults, host_words);
	*l1_entry(BIG_GFN + 3 + 77, 9) = model_leaf(DATA_GFN + 1000, 7) | mf->a | mf->d;
	host_words = 0;
	drop_root(l1_gpa((u64)BIG_GFN << 12));
	tap_ok(!host_words, "%s: the invalidation itself reads nothing",
	       mf->pt.name);
	big_touch(77 * 512 + 9, 1, 1);
	tap_ok(big_faults <= 2 && host_words < 1024, "%s: one page changed, one used: %u faults, %lu words",
	       mf->pt.name, big_faults, host_words);
	big_touch(0, all, 512);
	tap_ok(big_faults <= 16, "%s: then a page of each table: %u faults", mf->pt.name, big_faults);
	big_touch(0, all, 1);
	tap_ok(!big_faults, "%s: and nothing was lost", mf->pt.name);
	teardown(before, "cost");
}

/* ---- tables that are watched ---- */

/* Pages below entry @t of the page directory are those of page table @is. */
static void fault_of_table(unsigned int t, unsigned int is)
{
	bool fresh;
	struct shadow_root *sr = shadow_get(&vcpus[0], l1_gpa((u64)BIG_GFN << 12), &mf->pt, 0, &fresh);
	unsigned int rights;
	u64 pfn;

	for (unsigned int i = 0; i < 16; i++) {
		if (!hw_walk(shadow_root_hpa(sr), t * 512 + i, RD, &pfn, &rights))
			shadow_fault(&vcpus[0], sr, l2_gpa((u64)(t * 512 + i) << 12), 0, &last, &last_gpa);
		FAIL_UNLESS(hw_walk(shadow_root_hpa(sr), t * 512 + i, RD, &pfn, &rights) &&
			    host_frame_owner(pfn) ==
			    (int)((*l1_entry(BIG_GFN + 3 + is, i) & GENMASK_ULL(51, 12)) >> 12),
			    "L2 is in another table");
	}
}

#define LEAF(i)	(model_leaf(DATA_GFN + 1000 + (i), 7) | mf->a | mf->d)

static void smm_write(u64 gfn, unsigned int i, u64 e)
{
	struct kvm_userspace_memory_region r = {
		.slot = 1 << 16, .memory_size = 1024 << 12, .userspace_addr = HOST_HVA,
	};

	assert(!mmu_set_region(&vm, &r) && !mmu_select(&vcpus[0], true));
	for (int tries = 0; tries < 2; tries++)
		mmu_fault(&vcpus[0], l1_gpa(gfn << 12), ACC_WRITE);
	*l1_entry(gfn, i) = e;
	assert(!mmu_select(&vcpus[0], false));
}

/* The host takes the page away, and another comes. */
static void replaced(u64 gfn, unsigned int i, u64 e)
{
	struct mmu_notifier_range r = {
		.start = HOST_HVA + gfn * PAGE_SIZE, .end = HOST_HVA + (gfn + 1) * PAGE_SIZE,
	};

	vm.mmu->mn.ops->invalidate_range_start(&vm.mmu->mn, &r);
	*l1_entry(gfn, i) = e;
	vm.mmu->mn.ops->invalidate_range_end(&vm.mmu->mn, &r);
}

/* L1 has the page in L2's memory, and L2 writes to it. */
static void l2_write(u64 gfn, unsigned int i, u64 e)
{
	unsigned int rights;
	bool ok;
	u64 pfn;

	leaf(1, 7, model_leaf(gfn, 7) | mf->a | mf->d);
	fault(1, 7, 0);
	FAIL_UNLESS(!hw_walk(shadow_root_hpa(root_of(1)), 7, WR, &pfn, &rights),
		    "L2 may write to a watched page");
	ok = fault(1, 7, ACC_WRITE) == SHADOW_MAPPED &&
	     hw_walk(shadow_root_hpa(root_of(1)), 7, WR, &pfn, &rights);
	FAIL_UNLESS(ok, "L2's write is not let through");
	*l1_entry(gfn, i) = e;
}

static void cpu_write(u64 gfn, unsigned int i, u64 e)
{
	l1_access(0, gfn, true);
	*l1_entry(gfn, i) = e;
}

static void window_write(u64 gfn, unsigned int i, u64 e)
{
	struct gmem_window w;

	assert(gmem_window(&vcpus[0], l1_gpa(gfn << 12), true, &w));
	*l1_entry(gfn, i) = e;
	gmem_window_written(&w);
}

static void plain_write(u64 gfn, unsigned int i, u64 e)
{
	gmem_write(&vcpus[0], l1_gpa(gfn << 12 | i * 8), &e, 8);
}

static void atomic_write(u64 gfn, unsigned int i, u64 e)
{
	gmem_write_atomic(&vcpus[0], l1_gpa(gfn << 12 | i * 8), &e, 8);
}

static void locked_write(u64 gfn, unsigned int i, u64 e)
{
	u64 old = *l1_entry(gfn, i);

	assert(!gmem_cmpxchg(&vcpus[0], l1_gpa(gfn << 12 | i * 8), &old, &e, 8));
}

static void vmm_write(u64 gfn, unsigned int i, u64 e)
{
	*l1_entry(gfn, i) = e;
	mmu_outside(&vm);
}

static const struct {
	const char *name;
	void (*write)(u64 gfn, unsigned int i, u64 e);
	bool outside;	/* all has to be compared */
} writers[] = {
	{ "a processor of L1", cpu_write, false },
	{ "L0, by copying", plain_write, false },
	{ "L0, without sleeping", atomic_write, false },
	{ "L0, by a locked instruction", locked_write, false },
	{ "L0, through a window", window_write, false },
	{ "L2", l2_write, false },
	{ "nobody: the host replaced the page", replaced, false },
	{ "a processor in SMM", smm_write, true },
	{ "the VMM", vmm_write, true },
};

/* With the CPU loaded, as most invalidations are handled. */
static void drop_atomic(void)
{
	vcpus[0].atomic = host_atomic = true;
	shadow_drop_all(&vcpus[0]);
	vcpus[0].atomic = host_atomic = false;
}

static void big_watched(void)
{
	const unsigned int all = BIG_TABLES * 512;

	big_setup();
	for (unsigned int g = 0; g < 1024; g++)
		l1_access(0, g, true);
	big_touch(0, all, 1);
	for (int i = 0; i < 2; i++) {
		/* L1 has them on pages that are large ones of the host. */
		drop_atomic();
		big_touch(0, all, 1);
	}
}

static bool is_watched_page(u64 gfn)
{
	bool covers;

	spin_lock(&vm.mmu->lock);
	covers = watch_covers(vm.mmu, gfn);
	spin_unlock(&vm.mmu->lock);
	return covers;
}

/* A range that begins and ends where nothing is watched, or in the middle of what is. */
static void test_range(void)
{
	const u64 table = BIG_GFN + 3, block = BIG_GFN & ~511ull;
	unsigned long before = vm.mmu->nr_watched;

	spin_lock(&vm.mmu->lock);
	watch_range(vm.mmu, 3, table);
	watch_range(vm.mmu, table + BIG_TABLES, block + 4 * 512);
	tap_ok(vm.mmu->nr_watched >= before - 3 && watch_covers(vm.mmu, table),
	       "%s: what is outside of a range stays watched", mf->pt.name);
	watch_range(vm.mmu, table + 3, table + 20);
	tap_ok(watch_covers(vm.mmu, table + 2) && watch_covers(vm.mmu, table + 20) &&
	       !watch_covers(vm.mmu, table + 3) && !watch_covers(vm.mmu, table + 19),
	       "%s: what is in it does not", mf->pt.name);
	watch_range(vm.mmu, block - 512 + 7, block + 1024 + 7);
	tap_ok(!vm.mmu->nr_watched && watch_level(vm.mmu, table, LEVEL_2M) == LEVEL_2M,
	       "%s: with blocks around it of which nothing is watched, %lu left", mf->pt.name, vm.mmu->nr_watched);
	spin_unlock(&vm.mmu->lock);
}

/* Rounds in which L1's write to its table had to fault first. */
static unsigned int faults_of_writes(unsigned int rounds, unsigned int idle)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < rounds; i++) {
		n += is_watched_page(BIG_GFN + 3 + 7);
		cpu_write(BIG_GFN + 3 + 7, i % 400, LEAF(i % 20));
		for (unsigned int k = 0; k <= idle; k++) {
			shadow_drop_all(&vcpus[0]);
			big_touch(7 * 512, 512, 1);
		}
	}
	return n;
}

static void test_often_written(void)
{
	unsigned int n = faults_of_writes(64, 0);

	tap_ok(!failed && n >= 4 && n <= 12, "%s: what is written all the time is left open for some invalidations: %u faults",
	       mf->pt.name, n);
	n = faults_of_writes(6, 40);
	cpu_write(BIG_GFN + 3 + 7, 9, LEAF(9));
	shadow_drop_all(&vcpus[0]);
	big_touch(7 * 512, 512, 1);
	tap_ok(!failed && n >= 5 && is_watched_page(BIG_GFN + 3 + 7),
	       "%s: what is written now and then is compared once: %u faults", mf->pt.name, n);
}

static void test_watched(void)
{
	const unsigned int all = BIG_TABLES * 512;
	unsigned long before = pages_in_use;
	unsigned int rights, p;
	u64 pfn;

	/* A CPU that keeps the dirty log of L0's table makes no difference. */
	hw_caps.pml = !mf->sl_npt;
	big_watched();
	shadow_drop_all(&vcpus[0]);
	host_words = 0;
	vcpus[0].flush = false;
	shadow_drop_all(&vcpus[0]);
	tap_ok(!host_words && vcpus[0].flush, "%s: an invalidation of what nobody wrote reads nothing, and flushes",
	       mf->pt.name);
	big_touch(0, all, 1);
	tap_ok(!big_faults, "%s: and nothing is lost", mf->pt.name);
	tap_ok(!hw_walk(mmu_root(&vm), BIG_GFN + 3, WR, &pfn, &rights) &&
	       hw_walk(mmu_root(&vm), BIG_GFN - 1, WR, &pfn, &rights),
	       "%s: L1's tables are read-only, and no other page", mf->pt.name);
	for (unsigned int w = 0; w < ARRAY_SIZE(writers); w++) {
		unsigned long words;

		/* A page table's entry, and then the entry of a page table. */
		p = 77 * 512 + 9 * w;
		writers[w].write(BIG_GFN + 3 + 77, 9 * w, LEAF(w));
		host_words = 0;
		shadow_drop_all(&vcpus[0]);
		words = host_words;
		big_touch(p, 1, 1);
		words += host_words;
		big_touch(0, all, 1);
		tap_ok(!failed && words && (writers[w].outside || (words < 6 * 512 && !big_faults)),
		       "%s: written by %s: %lu words read%s%s", mf->pt.name, writers[w].name, words,
		       failed ? ", " : "", failed ? failed : "");
		writers[w].write(BIG_GFN + 2, 40 + w, (BIG_GFN + 3ull + 20) << 12 | mf->table);
		shadow_drop_all(&vcpus[0]);
		fault_of_table(40 + w, 20);
		writers[w].write(BIG_GFN + 2, 40 + w, (BIG_GFN + 3ull + 40 + w) << 12 | mf->table);
		shadow_drop_all(&vcpus[0]);
		big_touch(0, all, 1);
		tap_ok(!failed, "%s: the entry of a table, too%s%s", mf->pt.name, failed ? ": " : "",
		       failed ? failed : "");
		tap_ok(!shadow_audit(&vcpus[0]), "%s: the audit is clean", mf->pt.name);
		for (int i = 0; i < 3; i++) {
			shadow_drop_all(&vcpus[0]);
			big_touch(0, all, 1);
		}
		tap_ok(!hw_walk(mmu_root(&vm), BIG_GFN + 3 + 77, WR, &pfn, &rights),
		       "%s: and it is watched again", mf->pt.name);
	}
	teardown(before, "watched tables");
	/* Out of reach, and written before they come back along with others. */
	big_setup();
	big_touch(0, all, 1);
	shadow_drop_all(&vcpus[0]);
	for (unsigned int t = 0; t < BIG_TABLES; t++)
		cpu_write(BIG_GFN + 3 + t, 5, LEAF(t % 20));
	big_touch(0, all, 1);
	tap_ok(!failed, "%s: written while they are out of reach%s%s", mf->pt.name,
	       failed ? ": " : "", failed ? failed : "");
	teardown(before, "tables out of reach");
	big_watched();
	/* A flag that the walk for L2 adds is no change. */
	cpu_write(BIG_GFN + 3 + 5, 5, model_leaf(DATA_GFN + 5, 7));
	for (int i = 0; i < 4; i++) {
		shadow_drop_all(&vcpus[0]);
		big_touch(0, all, 1);
	}
	host_words = 0;
	shadow_drop_all(&vcpus[0]);
	tap_ok(!host_words, "%s: flags set for L2 open nothing", mf->pt.name);
	test_often_written();
	big_touch(0, all, 1);
	shadow_drop_all(&vcpus[0]);
	test_range();
	teardown(before, "watched tables");
	hw_caps.pml = false;
}

int main(void)
{
	static const struct model_format *const formats[] = {
		&model_npt, &model_ept_ad, &model_ept_plain,
	};

	host_init();
	history = calloc(NR_VCPUS, sizeof(*history));
	for (unsigned int i = 0; i < ARRAY_SIZE(formats); i++) {
		mf = formats[i];
		test_lattice();
		test_flags();
		test_drop();
		test_flags_change();
		test_late_write();
		test_neighbours();
		test_rewritten();
		test_malformed();
		test_many_roots();
		test_wide();
		test_cost();
		test_watched();
	}
	test_no_exec_only();
	free(history);
	return tap_done();
}
