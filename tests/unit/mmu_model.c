// SPDX-License-Identifier: GPL-2.0-only
/* Models that mmu/ is tested against; see mmu_model.h. */
#include "mmu/ept.h"
#include "mmu_model.h"

struct nestor_vm vm;
struct nestor_vcpu vcpus[NR_VCPUS];
struct history (*history)[NR_ROOTS][NR_TAGS][L2_PAGES];
struct model_slot slots[4];
bool written[HOST_PAGES];
unsigned int cur_root[NR_VCPUS], cur_tag[NR_VCPUS];
struct hpa cur_hpa[NR_VCPUS];
const char *failed;
unsigned int faults, maps;
unsigned int requests[REQ_ROOT + 1];

const struct model_format model_npt = {
	.pt = {
		.name = "NPT", .levels = 4, .entry_size = 8, .index_bits = 9, .nx = true,
		.large_2m = true, .large_1g = true, .wp = true, .ad = true, .table_write = true,
		.rsvd_pa = 0x000fff0000000000ull,
	},
	.sl_npt = true, .table = 7, .all = 7, .a = 0x20, .d = 0x40,
};

const struct model_format model_ept_ad = {
	.pt = {
		.name = "EPT with flags", .levels = 4, .entry_size = 8, .index_bits = 9,
		.ept = true, .exec_only = true, .large_2m = true, .large_1g = true, .ad = true,
		.table_write = true, .rsvd_pa = 0x000fff0000000000ull,
	},
	.table = 7, .all = 7 | 6 << 3, .a = 0x100, .d = 0x200,
};

const struct model_format model_ept_plain = {
	.pt = {
		.name = "EPT without flags", .levels = 4, .entry_size = 8, .index_bits = 9,
		.ept = true, .large_2m = true, .large_1g = true,
		.rsvd_pa = 0x000fff0000000000ull,
	},
	.table = 7, .all = 7, .a = 0x100, .d = 0x200,
};

const struct model_format *mf = &model_npt;

/* Glue that core/ provides. */

static void l2_flush(struct nestor_vcpu *vcpu)
{
	vcpu->flush = true;
}

static const struct nested_ops test_nested = { .flush = l2_flush };
const struct nested_ops *nested = &test_nested;

static void tlb_clear(struct nestor_vcpu *v)
{
	for (int i = 0; i < TLB_SIZE; i++)
		__atomic_store_n(&v->tlb[i].valid, false, __ATOMIC_SEQ_CST);
}

void vm_flush_tlbs(struct nestor_vm *m)
{
	for (int i = 0; i < m->nr_vcpus; i++)
		tlb_clear(m->vcpus[i]);
}

void vm_request_all(struct nestor_vm *m, unsigned int req, bool wait)
{
	(void)m, (void)wait;
	requests[req]++;
}

void vcpu_request(struct nestor_vcpu *vcpu, int req)
{
	if (req == REQ_TLB_FLUSH)
		tlb_clear(vcpu);
}

/* Slots as the VMM set them. */

const struct model_slot *model_slot(u64 gfn)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(slots); i++) {
		const struct kvm_userspace_memory_region *r = &slots[i].r;

		if (slots[i].there && gfn >= r->guest_phys_addr >> 12 &&
		    gfn < (r->guest_phys_addr + r->memory_size) >> 12)
			return &slots[i];
	}
	return NULL;
}

int gfn_host_page(u64 gfn)
{
	const struct model_slot *s = model_slot(gfn);

	return !s ? -1 : (int)(((s->r.userspace_addr - HOST_HVA) >> 12) + gfn -
			       (s->r.guest_phys_addr >> 12));
}

void model_machine(void)
{
	struct nestor_vcpu *vcpu = &vcpus[0];

	host_reset();
	failed = NULL;
	memset(slots, 0, sizeof(slots));
	memset(requests, 0, sizeof(requests));
	vm = (struct nestor_vm){ .mm = &test_mm, .vcpus = { vcpu }, .nr_vcpus = 1 };
	hw_caps.root_is_npt = mf->sl_npt;
	hw_caps.exec_only = mf->pt.exec_only;
	assert(!mmu_vm_create(&vm));
	*vcpu = (struct nestor_vcpu){ .vm = &vm, .mem = vm.mmu };
	vcpu->run = &vcpu->l1;
	assert(!shadow_create(vcpu));
}

void model_tables(unsigned int roots)
{
	for (unsigned int g = 0; g < TABLE_GFNS; g++)
		memset(l1_entry(g, 0), 0, PAGE_SIZE);
	for (unsigned int r = 0; r < roots; r++)
		for (int level = 4; level > 1; level--)
			*l1_entry(table_gfn(r, level, 0), 0) = table_gfn(r, level - 1, 0) << 12 | mf->table;
}

bool set_slot(unsigned int i, u64 gfn, u64 pages, unsigned int page, u32 flags)
{
	struct kvm_userspace_memory_region r = {
		.slot = i, .flags = flags, .guest_phys_addr = gfn << 12,
		.memory_size = pages << 12, .userspace_addr = HOST_HVA + page * PAGE_SIZE,
	};

	if (mmu_set_region(&vm, &r))
		return false;
	slots[i].there = pages;
	slots[i].r = r;
	return true;
}

/* L1's tables: for root r, PML4 at gfn 1 + 16r, PDPT, PD, then 8 PTs. */

u64 *l1_entry(u64 gfn, unsigned int i)
{
	unsigned int page = gfn_host_page(gfn);

	return user_ptr(HOST_HVA + page * PAGE_SIZE + i * 8, true);
}

u64 table_gfn(unsigned int root, int level, unsigned int n)
{
	return 1 + 16 * root + (level == 1 ? 3 + n : 4u - level);
}

/* What one entry of @npt or else EPT allows, RD | WR | EX; 0: it is not there. */
static unsigned int entry_rights(bool npt, u64 e)
{
	if (!npt)
		return e & 7;
	/* A nested walk is a user access: without P and U/S there is nothing. */
	return (e & 5) != 5 ? 0 : RD | (e & 2) | (e >> 63 ? 0 : EX);
}

/* The reverse of it */
u64 model_leaf(u64 gfn, unsigned int rights)
{
	u64 e = gfn << 12 | (mf->all & ~7ull);

	if (!mf->pt.ept)
		return e | (rights ? 5 : 0) | (rights & WR) | (rights & EX ? 0 : 1ull << 63);
	return e | rights;
}

/* By the figures, not by the walker. */
static bool entry_bad(int level, u64 e)
{
	bool leaf = level == 1 || (e & E_PS);
	unsigned int type = e >> 3 & 7;

	if (e & mf->pt.rsvd_pa)
		return true;
	if (!mf->pt.ept)
		return false;
	return (e & 3) == 2 || ((e & 7) == 4 && !mf->pt.exec_only) || (!leaf && (e & 0x78)) ||
	       (leaf && (type == 2 || type == 3 || type == 7));
}

struct l2_map l1_translate(unsigned int root, unsigned int page)
{
	struct l2_map m = { .ok = true, .rights = RD | WR | EX, .accessed = true };
	u64 at = table_gfn(root, 4, 0);

	for (int level = 4; level >= 1; level--) {
		u64 e = *l1_entry(at, (page >> (9 * (level - 1))) & 511);
		unsigned int r = entry_rights(!mf->pt.ept, e);

		if (!r || entry_bad(level, e))
			return (struct l2_map){ .bad = r };
		m.rights &= r;
		m.accessed &= !!(e & mf->a);
		at = (e & GENMASK_ULL(51, 12)) >> 12;
		if (level == 1 || (e & E_PS)) {
			m.gfn = at + (page & ((1u << (9 * (level - 1))) - 1));
			m.dirty = e & mf->d;
			return m;
		}
	}
	return m;
}

static void remember(struct history *h, struct l2_map m)
{
	if (!m.ok || h->any)
		return;
	for (int i = 0; i < h->n; i++)
		if (h->h[i].gfn == m.gfn && h->h[i].rights == m.rights)
			return;
	if (h->n == HISTORY) {
		h->any = true;
		return;
	}
	h->h[h->n].gfn = m.gfn;
	h->h[h->n++].rights = m.rights;
}

void l1_edited(unsigned int root, unsigned int first, unsigned int n)
{
	for (unsigned int p = first; p < first + n && p < L2_PAGES; p++) {
		struct l2_map m = l1_translate(root, p);

		for (int v = 0; v < NR_VCPUS; v++)
			for (int t = 0; t < NR_TAGS; t++) {
				history[v][root][t][p].edited = true;
				remember(&history[v][root][t][p], m);
			}
	}
}

void forget(int v, unsigned int tag)
{
	for (unsigned int root = 0; root < NR_ROOTS; root++)
		for (unsigned int p = 0; p < L2_PAGES; p++) {
			history[v][root][tag][p] = (struct history){ 0 };
			remember(&history[v][root][tag][p], l1_translate(root, p));
		}
}

static bool was_allowed(int v, unsigned int page, u64 gfn, unsigned int acc)
{
	const struct history *h = &history[v][cur_root[v]][cur_tag[v]][page];

	for (int i = 0; i < h->n; i++)
		if (h->h[i].gfn == gfn && (h->h[i].rights & acc))
			return true;
	return h->any;
}

/* The CPU: a walk of the table that mmu/ built. */
bool hw_walk(struct hpa root, u64 gfn, unsigned int acc, u64 *pfn, unsigned int *rights)
{
	u64 *pt = __va(root.a);

	*rights = RD | WR | EX;
	for (int level = 4; level >= 1; level--) {
		u64 *p = &pt[level_index(gfn, level)], e = READ_ONCE(*p);
		unsigned int r = entry_rights(mf->sl_npt, e);

		if (!r)
			return false;
		*rights &= r;
		/* The only leaves there should be: write-back, PAT ignored. */
		if (!mf->sl_npt)
			FAIL_UNLESS((e & 3) != 2 && ((e & 7) != 4 || hw_caps.exec_only) &&
				    (e & 0x78) == (level == 1 || (e & E_PS) ? 0x70 : 0),
				    "the CPU met an EPT misconfiguration");
		if (level == 1 || (e & E_PS)) {
			*pfn = sl_pfn(e) + (gfn & (level_pages(level) - 1));
			return *rights & acc;
		}
		pt = __va(sl_pfn(e) << 12);
	}
	return false;
}

struct tlb_entry *tlb_find(struct nestor_vcpu *v, u64 gfn, u32 tag)
{
	for (int i = 0; i < TLB_SIZE; i++)
		if (v->tlb[i].valid && v->tlb[i].l2_gfn == gfn && v->tlb[i].tag == tag)
			return &v->tlb[i];
	return NULL;
}

/* Through the TLB: true, and where; an access that an entry forbids walks again. */
bool cpu_access(struct nestor_vcpu *v, struct hpa root, u64 gfn, u32 tag, unsigned int acc,
		u64 *pfn)
{
	struct tlb_entry *e = tlb_find(v, gfn, tag);
	unsigned int rights;

	if (e && (e->rights & acc)) {
		*pfn = e->pfn;
		return true;
	}
	if (!hw_walk(root, gfn, acc, pfn, &rights))
		return false;
	if (!e)
		e = &v->tlb[random() % TLB_SIZE];
	*e = (struct tlb_entry){ true, rights, gfn, *pfn, tag };
	return true;
}

static void check_write(u64 gfn, int page)
{
	const struct model_slot *s = model_slot(gfn);

	FAIL_UNLESS(s && !(s->r.flags & KVM_MEM_READONLY), "a write reached a read-only slot");
	if (page >= 0)
		written[page] = true;
}

static void check_l2(int v, unsigned int page, unsigned int acc, u64 pfn)
{
	int host = host_frame_owner(pfn);
	bool found = false;

	FAIL_UNLESS(host >= 0, "L2 reached a frame that was given back");
	for (unsigned int i = 0; i < ARRAY_SIZE(slots) && host >= 0; i++) {
		int first = (slots[i].r.userspace_addr - HOST_HVA) >> 12;
		int n = slots[i].r.memory_size >> 12;
		u64 gfn = (slots[i].r.guest_phys_addr >> 12) + host - first;

		if (!slots[i].there || host < first || host >= first + n)
			continue;
		if (was_allowed(v, page, gfn, acc)) {
			found = true;
			if (acc == WR)
				check_write(gfn, host);
		}
	}
	FAIL_UNLESS(found, "L2 reached what L1's table did not give since the flush");
}

static void check_flags(int v, unsigned int page, unsigned int acc)
{
	const struct history *h = &history[v][cur_root[v]][cur_tag[v]][page];
	struct l2_map m = l1_translate(cur_root[v], page);

	/* Only where L1 has changed nothing since its flush are they owed. */
	if (h->edited || !mf->pt.ad)
		return;
	FAIL_UNLESS(m.ok && m.accessed, "an access did not set L1's accessed bits");
	FAIL_UNLESS(acc != WR || m.dirty, "a write did not set L1's dirty bit");
}

struct shadow_root *use_root(int v, unsigned int root, unsigned int tag)
{
	struct nestor_vcpu *vcpu = &vcpus[v];
	struct shadow_root *sr;
	bool fresh;

	sr = shadow_get(vcpu, l1_gpa(table_gfn(root, 4, 0) << 12 | (random() & 0xfff)), &mf->pt, tag,
			&fresh);
	FAIL_UNLESS(sr, "no root");
	if (!sr)
		return NULL;
	/* As a frontend does with one hardware tag. */
	if (tag != cur_tag[v] || root != cur_root[v] || shadow_root_hpa(sr).a != cur_hpa[v].a)
		vcpu->flush = true;
	cur_root[v] = root;
	cur_tag[v] = tag;
	cur_hpa[v] = shadow_root_hpa(sr);
	return sr;
}

static void check_reflected(struct l2_map m, unsigned int acc, const struct walk *w)
{
	FAIL_UNLESS(!m.ok || !(m.rights & acc), "L1 was told of a fault it did not make");
	if (!mf->pt.ept)
		return;
	FAIL_UNLESS(ept_misconfigured(w) == m.bad, "violation or misconfiguration: the wrong one");
	FAIL_UNLESS(ept_rights_bits(w) == (u64)m.rights << 3, "a violation tells the wrong rights");
}

static u64 access_bits(unsigned int acc)
{
	return acc == WR ? ACC_WRITE : acc == EX ? ACC_FETCH : 0;
}

static void l2_fault(int v, struct shadow_root *sr, unsigned int page, unsigned int acc, bool *done)
{
	struct l2_map m = l1_translate(cur_root[v], page), after;
	u64 full = random() % 4 ? 0 : ACC_LOG_FULL;
	const struct model_slot *s;
	struct l1_gpa gpa;
	struct walk walk;

	faults++;
	switch (shadow_fault(&vcpus[v], sr, l2_gpa((u64)page << 12), access_bits(acc) | full, &walk,
			     &gpa)) {
	case SHADOW_L1:
		check_reflected(m, acc, &walk);
		*done = true;
		break;
	case SHADOW_MMIO:
		s = model_slot(m.gfn);
		FAIL_UNLESS(m.ok && gpa.a >> 12 == m.gfn &&
			    (!s || (acc == WR && (s->r.flags & KVM_MEM_READONLY))),
			    "memory was taken for MMIO");
		*done = true;
		break;
	case SHADOW_MAPPED:
		maps++;
		break;
	case SHADOW_LOG_FULL:
		FAIL_UNLESS(full && mf->pt.ad && (m.rights & acc) &&
			    (!m.accessed || (acc == WR && !m.dirty)), "the log was no matter");
		*done = true;
		break;
	default:
		FAIL_UNLESS(false, "a fault ended in an error");
		*done = true;
	}
	after = l1_translate(cur_root[v], page);
	FAIL_UNLESS(walk.dirtied == (!m.dirty && after.dirty), "what is to be logged is not told");
	FAIL_UNLESS(!full || (m.accessed == after.accessed && m.dirty == after.dirty),
		    "a flag was set with the log full");
	FAIL_UNLESS(mf->pt.ad || (m.accessed == after.accessed && m.dirty == after.dirty),
		    "a flag was set that L1 did not ask for");
}

void l2_access(int v, unsigned int page, unsigned int acc)
{
	struct nestor_vcpu *vcpu = &vcpus[v];
	bool done = false;
	struct shadow_root *sr = use_root(v, cur_root[v], cur_tag[v]);
	u64 pfn;

	for (int i = 0; i < 4 && sr && !done; i++) {
		if (vcpu->flush) {
			for (int n = 0; n < TLB_SIZE; n++)
				vcpu->tlb[n].valid &= vcpu->tlb[n].tag == 1;
			vcpu->flush = false;
		}
		if (cpu_access(vcpu, cur_hpa[v], page, 0, acc, &pfn)) {
			check_l2(v, page, acc, pfn);
			check_flags(v, page, acc);
			return;
		}
		l2_fault(v, sr, page, acc, &done);
	}
	FAIL_UNLESS(done, "L2 makes no progress");
}

void l1_access(int v, u64 gfn, bool write)
{
	u64 pfn;

	for (int i = 0; i < 4; i++) {
		if (cpu_access(&vcpus[v], mmu_root(&vm), gfn, 1, write ? WR : RD, &pfn)) {
			int page = gfn_host_page(gfn);

			FAIL_UNLESS(page >= 0 && host_frame_owner(pfn) == page,
				    "L1 reached another frame than the slot's");
			if (write)
				check_write(gfn, page);
			return;
		}
		switch (mmu_fault(&vcpus[v], l1_gpa(gfn << 12), write ? ACC_WRITE : 0)) {
		case MMU_MAPPED:
			break;
		case MMU_MMIO:
			FAIL_UNLESS(!model_slot(gfn) || (write && (model_slot(gfn)->r.flags &
								   KVM_MEM_READONLY)),
				    "L1: memory was taken for MMIO");
			return;
		default:
			FAIL_UNLESS(false, "L1: a fault ended in an error");
			return;
		}
	}
	FAIL_UNLESS(false, "L1 makes no progress");
}

/* An entry of a table changes: by a processor of L1, by L0 for it, or by the VMM, which tells. */
void l1_store(int v, u64 gfn, unsigned int i, u64 e)
{
	int how = random() % 32;

	if (!how) {
		*l1_entry(gfn, i) = e;
		mmu_outside(&vm);
	} else if (how < 8) {
		gmem_write(&vcpus[v], l1_gpa(gfn << 12 | i * 8), &e, 8);
	} else {
		l1_access(v, gfn, true);
		*l1_entry(gfn, i) = e;
	}
}
