// SPDX-License-Identifier: GPL-2.0-only
/*
 * The audit of the shadow tables finds what it looks for: each promise is broken in turn, it says so, and is
 * content again when all is as it was.  A check that never fails would make every other test of mmu/ weaker.
 */
#include <linux/kvm.h>

#include "mmu/table.h"
#include "mmu_model.h"
#include "tap.h"

#define DATA_GFN	1024u
#define LOG_GFN		2048u
#define RO_GFN		2560u

static struct nestor_vcpu *const vcpu = &vcpus[0];
static struct walk last;
static struct l1_gpa last_gpa;
/* The root's tables from the top, and that of another root */
static struct shadow_table *top, *pdpt, *pd, *pt;

static struct shadow_root *root_of(unsigned int r)
{
	bool fresh;

	return shadow_get(vcpu, l1_gpa(table_gfn(r, 4, 0) << 12), &mf->pt, 0, &fresh);
}

static void map(unsigned int i, u64 gfn, u64 access)
{
	*l1_entry(table_gfn(0, 1, 0), i) = model_leaf(gfn, 7) | mf->a | mf->d;
	assert(shadow_fault(vcpu, root_of(0), l2_gpa((u64)i << 12), access, &last, &last_gpa) == SHADOW_MAPPED);
}

static void setup(void)
{
	model_machine();
	hw_caps.exec_only = false;
	assert(set_slot(0, 0, 512, 1536, 0) && set_slot(1, DATA_GFN, 1024, 0, 0) &&
	       set_slot(2, LOG_GFN, 512, 2048, KVM_MEM_LOG_DIRTY_PAGES) &&
	       set_slot(3, RO_GFN, 512, 2560, KVM_MEM_READONLY));
	model_tables(2);
	map(0, DATA_GFN, ACC_WRITE);
	map(100, LOG_GFN + 1, ACC_WRITE);
	map(200, RO_GFN, 0);
	*l1_entry(table_gfn(0, 2, 0), 1) = model_leaf(DATA_GFN + 512, 7) | mf->a | mf->d | E_PS;
	assert(shadow_fault(vcpu, root_of(0), l2_gpa(512 << 12), ACC_WRITE, &last, &last_gpa) == SHADOW_MAPPED);
	top = root_of(0)->top;
	pdpt = top->slot[0].child;
	pd = pdpt->slot[0].child;
	pt = pd->slot[0].child;
	assert(shadow_is_leaf(vm.mmu->fmt, pt, 0) && shadow_is_leaf(vm.mmu->fmt, pd, 1));
}

/* The audit says @text among other things (NULL: only that something is wrong). */
static void complains(const char *what, const char *text)
{
	int found;

	host_said[0] = 0;
	found = shadow_audit(vcpu);
	tap_ok(found && (!text || strstr(host_said, text)), "%s: %s", mf->pt.name, what);
}

/* So it does with *@p as @value; and with what it was the audit is content. */
#define FINDS(p, value, what, text) do { \
	typeof(*(p)) was_ = *(p); \
	*(p) = (value); \
	complains(what, text); \
	*(p) = was_; \
	FAIL_UNLESS(!shadow_audit(vcpu), "the audit is not content again"); \
} while (0)

static void test_leaves(void)
{
	const struct sl_format *f = vm.mmu->fmt;
	struct mem_slot *slot = slots_get(vm.mmu)->slot;
	struct shadow_slot *s = &pt->slot[0];
	struct hlist_node node = s->node;

	FINDS(&pt->spt[0], pt->spt[0] + PAGE_SIZE, "a leaf of another page", "maps another page than the VMM does");
	FINDS(&pt->spt[0], pt->spt[0] | 1ull << 52, "a bit that nobody gave", "leaf has bits that nobody gave it");
	/* Without P an entry of NPT is none at all. */
	FINDS(&pt->spt[0], pt->spt[0] & ~f->read, "no right to read",
	      mf->sl_npt ? "empty entry is not empty" : "leaf is not readable");
	FINDS(&virt_to_page(pt->slot)->private, (unsigned long)pd, "slots of another table", "slot block names another table");
	hlist_del_init(&s->node);
	complains("a leaf that is not in the reverse map", "leaf is not in the reverse map");
	s->node = node;
	*s->node.pprev = &s->node;
	if (s->node.next)
		s->node.next->pprev = &s->node.next;
	tap_ok(!shadow_audit(vcpu), "%s: which it is again", mf->pt.name);
	FINDS(&pd->spt[1], pd->spt[1] + PAGE_SIZE, "a large leaf at an odd place", "leaf is not aligned");
	FINDS(&slot[1].base, DATA_GFN + 1, "a leaf that no slot holds", "leaf maps what no slot holds");
	FINDS(&pt->spt[200], pt->spt[200] | f->write, "a right that the slot withholds", "read-only slot is writable");
	FINDS(&slot[2].dirty[0], 0, "a writable page that the log does not have", "writable, and not in the dirty log");
	tap_ok(pt->spt[100] & f->write, "%s: which it is", mf->pt.name);
}

static void test_shape(void)
{
	struct shadow_root *sr = root_of(0);
	struct mmu_shadow *s = vcpu->shadow;
	struct shadow_root *other = &s->roots[1];

	FINDS(&pd->slot[0].child, NULL, "an entry without its child", "entry and child disagree");
	FINDS(&pd->spt[0], sl_make_table(vm.mmu->fmt, pdpt->spt), "an entry of another child", "entry and child disagree");
	FINDS(&pt->parent, top, "a child with another parent", "child has another place");
	FINDS(&pt->index, 5, "with another index", "child has another place");
	FINDS(&pt->root, other, "with another root", "child has another place");
	FINDS(&pt->level, 2, "with another level", "child has another place");
	FINDS(&pt->l1e[300], 1, "an empty entry that was made of something", "empty entry is not empty");
	FINDS(&pt->spt[300], 1ull << 9, "or with bits in it", "empty entry is not empty");
	FINDS(&pt->nr_leaves, pt->nr_leaves + 1, "a number of leaves", "number of leaves or children is wrong");
	FINDS(&pd->nr_on, 0, "a number of children", "number of leaves or children is wrong");
	FINDS(&sr->nr_tables, 3, "a number of tables of a root", "root's account is wrong");
	FINDS(&s->nr_tables, 3, "of all roots", ": 3 tables, ");
	FINDS(&vm.mmu->nr_leaves[1], 0, "of leaves of 4K", NULL);
	FINDS(&vm.mmu->nr_leaves[3], 1, "of leaves of 1G", NULL);
}

static void test_watch(void)
{
	struct shadow_root *sr = root_of(0);
	const u64 gfn = table_gfn(0, 1, 0);
	struct hlist_node node;
	struct table_cache cache = {};
	LIST_HEAD(gone);

	FINDS(&sr->nr_open, sr->nr_open + 1, "a number of open tables", "number of open tables is wrong");
	/* The first invalidation compares, and they are watched from then on. */
	shadow_drop_all(vcpu);
	shadow_fault(vcpu, sr, l2_gpa(0), 0, &last, &last_gpa);
	assert(pt->watched && !shadow_audit(vcpu));
	FINDS(&pt->watched, false, "neither watched nor open", "neither watched nor open");
	FINDS(&pt->l1_table, NO_TABLE, "watched, and mirrors nothing", "watches nothing");
	node = pt->watch;
	hlist_del_init(&pt->watch);
	complains("watched, and not to be found", "is watched and cannot be found");
	pt->watch = node;
	*node.pprev = &pt->watch;
	if (node.next)
		node.next->pprev = &pt->watch.next;
	tap_ok(!shadow_audit(vcpu), "%s: and found", mf->pt.name);
	/* L0's table lets L1 write there, and nobody asked watch.c. */
	assert(!table_cache_fill(&cache, ROOT_LEVEL, GFP_KERNEL_ACCOUNT));
	table_map(vm.mmu, gfn, page_to_pfn(virt_to_page(l1_entry(gfn, 0))), LEVEL_4K, true, &cache, &gone);
	table_free_gone(&gone);
	table_cache_drop(&cache);
	complains("watched, and L1 may write to it", "its table of L1 can be written unnoticed");
	table_forbid(vm.mmu, gfn);
	tap_ok(!shadow_audit(vcpu), "%s: and may not", mf->pt.name);
	/* Nor may L2. */
	map(300, gfn, 0);
	assert(!shadow_audit(vcpu));
	FINDS(&pt->spt[300], pt->spt[300] | vm.mmu->fmt->write | vm.mmu->fmt->dirty, "and L2 may", "a table of L1 can be written unnoticed");
}

int main(void)
{
	static const struct model_format *const formats[] = { &model_npt, &model_ept_ad };

	host_init();
	for (unsigned int i = 0; i < ARRAY_SIZE(formats); i++) {
		mf = formats[i];
		setup();
		tap_ok(!shadow_audit(vcpu), "%s: there is nothing to find", mf->pt.name);
		test_leaves();
		test_shape();
		test_watch();
		/* What cannot be looked up says nothing. */
		host_get_error = -11;
		pt->spt[0] += PAGE_SIZE;
		tap_ok(!shadow_audit(vcpu), "%s: a page that is not at hand", mf->pt.name);
		host_get_error = 0;
		test_task.mm = NULL;
		tap_ok(!shadow_audit(vcpu), "%s: or another process looks", mf->pt.name);
		test_task.mm = &test_mm;
		complains("this one sees it", "maps another page than the VMM does");
		pt->spt[0] -= PAGE_SIZE;
		tap_ok(!shadow_audit(vcpu) && !failed, "%s: nor is there at the end", mf->pt.name);
		shadow_destroy(vcpu);
		mmu_vm_destroy(&vm);
	}
	return tap_done();
}
