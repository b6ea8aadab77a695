// SPDX-License-Identifier: GPL-2.0-only
/* Models that mmu/ is tested against; see mmu_model.h. */
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

const struct pt_format fmt = {
	.name = "NPT", .levels = 4, .entry_size = 8, .index_bits = 9, .nx = true,
	.large_2m = true, .large_1g = true, .wp = true, .ad = true,
	.rsvd_pa = 0x000fff0000000000ull,
};

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
	(void)m, (void)req, (void)wait;
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

struct l2_map l1_translate(unsigned int root, unsigned int page)
{
	struct l2_map m = { .ok = true, .write = true };
	u64 at = table_gfn(root, 4, 0);

	for (int level = 4; level >= 1; level--) {
		u64 e = *l1_entry(at, (page >> (9 * (level - 1))) & 511);

		if ((e & (E_P | E_U)) != (E_P | E_U) || (e & fmt.rsvd_pa))
			return (struct l2_map){ .ok = false };
		m.write &= !!(e & E_W);
		at = (e & GENMASK_ULL(51, 12)) >> 12;
		if (level == 1 || (e & E_PS)) {
			m.gfn = at + (page & ((1u << (9 * (level - 1))) - 1));
			m.dirty = e & E_D;
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
		if (h->h[i].gfn == m.gfn && h->h[i].write == m.write)
			return;
	if (h->n == HISTORY) {
		h->any = true;
		return;
	}
	h->h[h->n].gfn = m.gfn;
	h->h[h->n++].write = m.write;
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

static bool was_allowed(int v, unsigned int page, u64 gfn, bool write)
{
	const struct history *h = &history[v][cur_root[v]][cur_tag[v]][page];

	for (int i = 0; i < h->n; i++)
		if (h->h[i].gfn == gfn && (h->h[i].write || !write))
			return true;
	return h->any;
}

/* The CPU: a walk of the table that mmu/ built. */
bool hw_walk(struct hpa root, u64 gfn, bool write, u64 *pfn, bool *can_write)
{
	u64 *pt = __va(root.a);

	for (int level = 4; level >= 1; level--) {
		u64 *p = &pt[level_index(gfn, level)], e = READ_ONCE(*p);

		if ((e & (E_P | E_U)) != (E_P | E_U))
			return false;
		if (level == 1 || (e & E_PS)) {
			if (write && !(e & E_W))
				return false;
			*pfn = sl_pfn(e) + (gfn & (level_pages(level) - 1));
			*can_write = e & E_W;
			return true;
		}
		if (!(e & E_W))
			return false;
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

/* Through the TLB: true, and where; a write through an entry that forbids it walks again. */
bool cpu_access(struct nestor_vcpu *v, struct hpa root, u64 gfn, u32 tag, bool write,
		       u64 *pfn)
{
	struct tlb_entry *e = tlb_find(v, gfn, tag);
	bool can_write;

	if (e && (e->write || !write)) {
		*pfn = e->pfn;
		return true;
	}
	if (!hw_walk(root, gfn, write, pfn, &can_write))
		return false;
	if (!e)
		e = &v->tlb[random() % TLB_SIZE];
	*e = (struct tlb_entry){ true, can_write, gfn, *pfn, tag };
	return true;
}

static void check_write(u64 gfn, int page)
{
	const struct model_slot *s = model_slot(gfn);

	FAIL_UNLESS(s && !(s->r.flags & KVM_MEM_READONLY), "a write reached a read-only slot");
	if (page >= 0)
		written[page] = true;
}

static void check_l2(int v, unsigned int page, bool write, u64 pfn)
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
		if (was_allowed(v, page, gfn, write)) {
			found = true;
			if (write)
				check_write(gfn, host);
		}
	}
	FAIL_UNLESS(found, "L2 reached what L1's table did not give since the flush");
}

static void check_dirty_bit(int v, unsigned int page)
{
	const struct history *h = &history[v][cur_root[v]][cur_tag[v]][page];
	struct l2_map m = l1_translate(cur_root[v], page);

	/* Only where L1 has changed nothing since its flush is the bit owed. */
	if (!h->edited)
		FAIL_UNLESS(m.ok && m.dirty, "a write did not set L1's dirty bit");
}

struct shadow_root *use_root(int v, unsigned int root, unsigned int tag)
{
	struct nestor_vcpu *vcpu = &vcpus[v];
	struct shadow_root *sr;
	bool fresh;

	sr = shadow_get(vcpu, l1_gpa(table_gfn(root, 4, 0) << 12 | (random() & 0xfff)), &fmt, tag,
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

static void l2_fault(int v, struct shadow_root *sr, unsigned int page, bool write, bool *done)
{
	struct l2_map m = l1_translate(cur_root[v], page);
	const struct model_slot *s;
	struct l1_gpa gpa;
	struct walk walk;

	faults++;
	switch (shadow_fault(&vcpus[v], sr, l2_gpa((u64)page << 12), write ? ACC_WRITE : 0, &walk,
			     &gpa)) {
	case SHADOW_L1:
		FAIL_UNLESS(!m.ok || (write && !m.write), "L1 was told of a fault it did not make");
		*done = true;
		break;
	case SHADOW_MMIO:
		s = model_slot(m.gfn);
		FAIL_UNLESS(m.ok && gpa.a >> 12 == m.gfn &&
			    (!s || (write && (s->r.flags & KVM_MEM_READONLY))),
			    "memory was taken for MMIO");
		*done = true;
		break;
	case SHADOW_MAPPED:
		maps++;
		break;
	default:
		FAIL_UNLESS(false, "a fault ended in an error");
		*done = true;
	}
}

void l2_access(int v, unsigned int page, bool write)
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
		if (cpu_access(vcpu, cur_hpa[v], page, 0, write, &pfn)) {
			check_l2(v, page, write, pfn);
			if (write)
				check_dirty_bit(v, page);
			return;
		}
		l2_fault(v, sr, page, write, &done);
	}
	FAIL_UNLESS(done, "L2 makes no progress");
}

void l1_access(int v, u64 gfn, bool write)
{
	u64 pfn;

	for (int i = 0; i < 4; i++) {
		if (cpu_access(&vcpus[v], mmu_root(&vm), gfn, 1, write, &pfn)) {
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
