// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linear addresses of L2 in software: its own tables, each access to them through L1's
 * EPT or NPT, and what L1 is told when that fails: which address, which access, whether it
 * was the walk's or the final one.
 */
#include "mmu/ept.h"
#include "mmu/gva.h"
#include "mmu_model.h"
#include "tap.h"

/* L2's memory: its page p is L1's frame DATA + p; its tables are its pages 16 to 19. */
#define DATA_GFN	1024u
#define L2_TABLE(level)	(20u - (level))
#define GVA		0x3000ull	/* maps L2's page 3 */

static struct l2_gpa told_gpa;
static u64 told_access;
static struct walk told_walk;
static unsigned int told;

static struct nestor_vcpu *const vcpu = &vcpus[0];
static struct l1_gpa ncr3;

void hw_fetch(struct guest_run *run, u32 groups)
{
	run->avail |= groups;
}

/* As a frontend does */
static enum nested_result translate(struct nestor_vcpu *v, struct l2_gpa from, u64 access,
				    struct l1_gpa *to)
{
	struct walk w;

	if (shadow_walk(v, ncr3, &mf->pt, from, access, &w) == WALK_OK) {
		*to = l1_gpa(w.addr);
		return NESTED_OK;
	}
	told++;
	told_gpa = from;
	told_access = access;
	told_walk = w;
	return NESTED_EXITED;
}

static void no_flush(struct nestor_vcpu *v)
{
	(void)v;
}

static const struct nested_ops ops = { .flush = no_flush, .translate = translate };

static u64 *second(unsigned int page)
{
	return l1_entry(table_gfn(0, 1, 0), page);
}

static u64 *l2_entry(int level, unsigned int i)
{
	return l1_entry(DATA_GFN + L2_TABLE(level), i);
}

static void setup(void)
{
	host_reset();
	memset(slots, 0, sizeof(slots));
	vm.mm = &test_mm;
	hw_caps.root_is_npt = mf->sl_npt;
	hw_caps.exec_only = true;
	hw_caps.pdpte_regs = false;
	assert(!mmu_vm_create(&vm));
	*vcpu = (struct nestor_vcpu){ .vm = &vm, .mem = vm.mmu };
	vcpu->cpuid.rsvd_gpa_bits = 0x000fff0000000000ull;
	vcpu->run = &vcpu->l2;
	vcpu->l2 = (struct guest_run){
		.avail = GRP_ALL, .cr0 = 0x80010001, .cr4 = 0x20, .efer = 0xd00,
		.cr3 = L2_TABLE(4) << 12, .sys = &vcpu->l2.sys_own,
	};
	nested = &ops;
	assert(set_slot(0, 0, 1024, 0, 0) && set_slot(1, 1024, 1024, 1024, 0));
	for (int level = 4; level >= 1; level--) {
		memset(l1_entry(table_gfn(0, level, 0), 0), 0, PAGE_SIZE);
		memset(l2_entry(level, 0), 0, PAGE_SIZE);
		if (level > 1)
			*l1_entry(table_gfn(0, level, 0), 0) = table_gfn(0, level - 1, 0) << 12 |
							       mf->table;
		*l2_entry(level, level > 1 ? 0 : 3) = (level > 1 ? L2_TABLE(level - 1) : 3) << 12 | 0x27;
	}
	for (unsigned int p = 0; p < 32; p++)
		*second(p) = model_leaf(DATA_GFN + p, 7);
	ncr3 = l1_gpa(table_gfn(0, 4, 0) << 12);
	told = 0;
}

static void teardown(void)
{
	mmu_vm_destroy(&vm);
}

static int go(u32 access, struct gva_fault *fault, struct l1_gpa *gpa)
{
	told = 0;
	return gva_to_l1(vcpu, GVA | 0x123, access, gpa, fault);
}

/* L1 is told of @gpa, with this qualification (EPT), and nothing is raised in L2. */
static void reflected(u32 access, u64 gpa, u64 qual, const char *what)
{
	struct gva_fault fault;
	struct l1_gpa to;
	int err = go(access, &fault, &to);
	u64 got = ept_violation_qual(&told_walk, told_access, mf->pt.ad);

	if (!tap_ok(err == -EFAULT && fault.reflected && told == 1 && told_gpa.a == gpa &&
		    (!mf->pt.ept || got == qual), "%s: %s", mf->pt.name, what))
		tap_diag("%d, told %u, at %#llx, %#llx", err, told, (unsigned long long)told_gpa.a,
			 (unsigned long long)got);
}

static void test_final(void)
{
	struct gva_fault fault;
	struct l1_gpa to;

	setup();
	tap_ok(!go(ACC_USER, &fault, &to) && to.a == ((DATA_GFN + 3ull) << 12 | 0x123),
	       "%s: a linear address of L2", mf->pt.name);
	tap_ok(!(*second(3) & mf->d) && !!(*second(3) & mf->a) == mf->pt.ad,
	       "%s: a read leaves L1's page clean", mf->pt.name);
	tap_ok(!!(*second(L2_TABLE(1)) & mf->d) == mf->pt.table_write,
	       "%s: L2's table counts as written as L1 chose", mf->pt.name);
	*second(3) = 0;
	reflected(ACC_USER, 0x3123, 0x181, "the final address is not there");
	reflected(ACC_USER | ACC_WRITE, 0x3123, 0x182, "nor to write to");
	reflected(ACC_USER | ACC_FETCH, 0x3123, 0x184, "nor to execute");
	*second(3) = model_leaf(DATA_GFN + 3, RD);
	reflected(ACC_USER | ACC_WRITE, 0x3123, 0x18a, "the final address is read-only");
	*l2_entry(1, 3) = 0;
	tap_ok(go(ACC_USER, &fault, &to) == -EFAULT && !fault.reflected && !told &&
	       fault.error == ACC_USER && fault.addr == (GVA | 0x123),
	       "%s: a page fault of L2's own", mf->pt.name);
	teardown();
}

static void test_tables(void)
{
	u64 pte = (L2_TABLE(1) << 12) + 3 * 8, pd = L2_TABLE(2) << 12;
	struct gva_fault fault;
	struct l1_gpa to;

	setup();
	*second(L2_TABLE(2)) = 0;
	reflected(ACC_USER, pd, mf->pt.ad ? 0x083 : 0x081, "a table of L2 is not there");
	tap_ok(told_access & ACC_TABLE && !(told_access & ACC_FINAL), "%s: which was the walk's",
	       mf->pt.name);
	*second(L2_TABLE(2)) = model_leaf(DATA_GFN + L2_TABLE(2), 7);
	*second(L2_TABLE(1)) = model_leaf(DATA_GFN + L2_TABLE(1), RD);
	if (mf->pt.table_write) {
		reflected(ACC_USER, pte, 0x08b, "a table of L2 on a read-only page");
		tap_ok(told_walk.error & ACC_WRITE, "%s: as a write", mf->pt.name);
	} else {
		tap_ok(!go(ACC_USER, &fault, &to), "%s: a table of L2 on a read-only page is read",
		       mf->pt.name);
		*l2_entry(1, 3) &= ~0x20ull;
		reflected(ACC_USER, pte, 0x08a, "its accessed bit is written");
	}
	*second(L2_TABLE(1)) = model_leaf(DATA_GFN + L2_TABLE(1), 7) | 1ull << 45;
	tap_ok(go(ACC_USER, &fault, &to) == -EFAULT && fault.reflected && told_gpa.a == pte &&
	       (told_walk.error & ACC_RSVD), "%s: a table of L2 behind a malformed entry", mf->pt.name);
	teardown();
}

static void test_pdptes(void)
{
	u64 pdpte[4] = { 0 };
	struct gva_fault fault;
	struct l1_gpa to;

	setup();
	vcpu->l2.efer = 0;
	vcpu->l2.cr3 = L2_TABLE(3) << 12 | 0x40;
	*l2_entry(3, 8) = L2_TABLE(2) << 12 | 1;
	tap_ok(!go(ACC_USER, &fault, &to), "%s: PAE, PDPTEs from memory", mf->pt.name);
	hw_caps.pdpte_regs = true;
	tap_ok(go(ACC_USER, &fault, &to) == -EFAULT && !fault.reflected, "%s: PAE, none are loaded",
	       mf->pt.name);
	told = 0;
	tap_ok(!guest_load_pdptes(vcpu, vcpu->l2.cr3, pdpte) && pdpte[0] == *l2_entry(3, 8),
	       "%s: they are loaded", mf->pt.name);
	memcpy(vcpu->l2.pdpte, pdpte, sizeof(pdpte));
	memset(l2_entry(3, 0), 0, PAGE_SIZE);
	tap_ok(!go(ACC_USER, &fault, &to), "%s: and used, whatever the memory says", mf->pt.name);
	for (int bit = 0; bit < 64; bit++) {
		bool rsvd = bit == 1 || bit == 2 || (bit >= 5 && bit <= 8) || bit >= 40;

		*l2_entry(3, 11) = 1 | 1ull << bit;
		if (guest_load_pdptes(vcpu, vcpu->l2.cr3, pdpte) != (rsvd ? -EINVAL : 0))
			tap_ok(false, "%s: reserved bit %d of a PDPTE", mf->pt.name, bit);
		*l2_entry(3, 11) = rsvd ? 1ull << bit : 0;
		if (guest_load_pdptes(vcpu, vcpu->l2.cr3, pdpte))
			tap_ok(false, "%s: bit %d of one that is not present", mf->pt.name, bit);
	}
	*second(L2_TABLE(3)) = 0;
	tap_ok(guest_load_pdptes(vcpu, vcpu->l2.cr3, pdpte) == -EFAULT &&
	       told_gpa.a == vcpu->l2.cr3 &&
	       (!mf->pt.ept || ept_violation_qual(&told_walk, told_access, mf->pt.ad) == 1),
	       "%s: loading them is a read without a linear address", mf->pt.name);
	teardown();
}

/* L2 without a second level of L1: its addresses are L1's. */
static void test_l1(void)
{
	struct gva_fault fault;
	struct l1_gpa to;

	setup();
	vcpu->l1 = vcpu->l2;
	vcpu->run = &vcpu->l1;
	vcpu->l1.cr3 = (DATA_GFN + L2_TABLE(4)) << 12;
	for (int level = 4; level > 1; level--)
		*l2_entry(level, 0) += (u64)DATA_GFN << 12;
	tap_ok(!go(ACC_USER, &fault, &to) && to.a == 0x3123 && !told, "%s: L1's own linear address",
	       mf->pt.name);
	teardown();
}

/* L1 itself, with tables of its own at the frames @first on */
#define OWN	(DATA_GFN + 64u)

static u64 *own(unsigned int page, unsigned int i)
{
	return l1_entry(OWN + page, i);
}

static void own_setup(u64 cr4, u64 efer)
{
	setup();
	vcpu->l1 = vcpu->l2;
	vcpu->run = &vcpu->l1;
	vcpu->l1.cr4 = cr4;
	vcpu->l1.efer = efer;
	vcpu->l1.cr3 = OWN << 12;
	for (unsigned int page = 0; page < 5; page++)
		memset(own(page, 0), 0, PAGE_SIZE);
}

static bool leads(u64 gva, u32 access, u64 gpa)
{
	struct gva_fault fault;
	struct l1_gpa to;

	return !gva_to_l1(vcpu, gva, access, &to, &fault) && to.a == gpa;
}

/* Not there for @access: the error code, or ~0 */
static u32 fault_at(u64 gva, u32 access)
{
	struct gva_fault fault;
	struct l1_gpa to;
	int err = gva_to_l1(vcpu, gva, access, &to, &fault);

	return err == -EFAULT && !fault.reflected && fault.addr == gva ? fault.error : ~0u;
}

/* The formats of L1's own tables. */
static void test_formats(void)
{
	const u64 data = (u64)DATA_GFN << 12;
	u32 *legacy;

	/* 32-bit paging: 1024 entries of 4 bytes; linear addresses are cut to 32 bits. */
	own_setup(1 << 4, 0);
	vcpu->l1.cr3 |= 0xfff | 1ull << 40;
	legacy = (u32 *)own(0, 0);
	legacy[1] = (OWN + 1) << 12 | 7;
	legacy[1023] = 0x400000 | 0x80 | 7;
	((u32 *)own(1, 0))[1023] = DATA_GFN << 12 | 5;
	tap_ok(leads(0x7ff123, ACC_USER, data | 0x123) && leads(0x1007ff123ull, 0, data | 0x123),
	       "32-bit paging: a page of 4K");
	tap_ok(leads(0xffc12345, ACC_USER | ACC_WRITE, 0x412345) && (legacy[1023] & 0x60) == 0x60 &&
	       (legacy[1] & 0x60) == 0x20, "32-bit paging: one of 4M, and its flags");
	tap_ok(fault_at(0x7ff000, ACC_USER | ACC_WRITE) == 7 && fault_at(0x7ff000, ACC_WRITE) == 3 &&
	       fault_at(0x3ff000, ACC_USER) == 4, "32-bit paging: its faults");
	tap_ok(leads(0x7ff000, ACC_FETCH, data), "32-bit paging: no page is execute-disabled");
	vcpu->l1.cr0 &= ~0x10000ull;
	tap_ok(leads(0x7ff000, ACC_WRITE, data) && fault_at(0x7ff000, ACC_USER | ACC_WRITE) == 7,
	       "32-bit paging: a supervisor writes to any page without CR0.WP");
	vcpu->l1.cr4 = 0;
	legacy[1023] = (OWN + 1) << 12 | 0x80 | 7;
	((u32 *)own(1, 0))[0x012] = DATA_GFN << 12 | 7;
	tap_ok(leads(0xffc12345, ACC_USER, data | 0x345),
	       "32-bit paging: without CR4.PSE there are none of 4M");
	teardown();

	/* Five levels. */
	own_setup(1 << 12 | 0x20, 0xd00);
	for (unsigned int page = 0; page < 4; page++)
		*own(page, page ? 0 : 1) = (OWN + page + 1ull) << 12 | 7;
	*own(4, 2) = data | 7;
	tap_ok(leads(1ull << 48 | 0x2abc, ACC_USER, data | 0xabc), "five levels");
	tap_ok(fault_at(0x2abc, ACC_USER) == ACC_USER, "five levels: the top one counts");
	teardown();

	/* Supervisor and user pages. */
	own_setup(0x20 | 1 << 20 | 1 << 21, 0xd00);
	for (unsigned int page = 0; page < 3; page++)
		*own(page, 0) = (OWN + page + 1ull) << 12 | 7;
	*own(3, 0) = data | 7;
	*own(3, 1) = data | 3;
	tap_ok(fault_at(0, 0) == 1 && fault_at(0, ACC_WRITE) == 3 && leads(0, ACC_USER, data) &&
	       leads(0x1000, 0, data), "SMAP");
	vcpu->l1.rflags = 1 << 18;
	tap_ok(leads(0, 0, data) && fault_at(0, ACC_IMPLICIT) == 1, "SMAP: RFLAGS.AC excuses, but not the CPU's own access");
	tap_ok(fault_at(0x1000, ACC_USER) == 5 && leads(0x1000, ACC_USER | ACC_IMPLICIT, data),
	       "an access of the CPU's own is a supervisor's at any CPL");
	tap_ok(fault_at(0, ACC_FETCH) == 0x11 && leads(0, ACC_FETCH | ACC_USER, data), "SMEP");
	teardown();

	/* Without paging, and where no memory is. */
	own_setup(0, 0);
	vcpu->l1.cr0 = 1;
	tap_ok(leads(0x123456789ull, ACC_WRITE, 0x23456789), "no paging");
	teardown();
	own_setup(0x20, 0xd00);
	vcpu->l1.cr3 = 5000ull << 12;
	tap_ok(fault_at(0, ACC_USER) == (ACC_USER | ACC_PRESENT | ACC_RSVD), "a table where no memory is reads as ones");
	teardown();
}

/* Tables in ROM: the flags are lost on the bus, and the access goes on.  One that never stays the same: a fault. */
static u64 *restless;

static void rewrite(void)
{
	*restless ^= 1ull << 55;
}

static void test_flags(void)
{
	const u64 data = (u64)DATA_GFN << 12;

	own_setup(0x20, 0xd00);
	for (unsigned int page = 0; page < 3; page++)
		*own(page, 0) = (OWN + page + 1ull) << 12 | 7;
	*own(3, 0) = data | 7;
	assert(set_slot(2, 2048, 64, 2048, KVM_MEM_READONLY));
	memcpy(l1_entry(2048, 0), own(0, 0), PAGE_SIZE);
	vcpu->l1.cr3 = 2048ull << 12;
	tap_ok(leads(0x10, ACC_USER, data | 0x10) && !(*l1_entry(2048, 0) & 0x20) && (*own(3, 0) & 0x20),
	       "a table in ROM");
	vcpu->l1.cr3 = OWN << 12;
	*own(3, 0) = data | 7;
	restless = own(3, 0);
	host_after_read = rewrite;
	tap_ok(fault_at(0, ACC_USER | ACC_WRITE) == (ACC_USER | ACC_WRITE), "an entry that never stays the same");
	host_after_read = NULL;
	tap_ok(leads(0, ACC_USER | ACC_WRITE, data), "and then does");
	teardown();
}

/* Copies: page by page, and a write not before both pages may be written. */
static void test_copies(void)
{
	const u64 data = (u64)DATA_GFN << 12;
	u8 bytes[16], was[16];
	struct gva_fault fault;

	own_setup(0x20, 0xd00);
	for (unsigned int page = 0; page < 3; page++)
		*own(page, 0) = (OWN + page + 1ull) << 12 | 7;
	*own(3, 0) = data | 7;
	*own(3, 1) = (data + 5 * PAGE_SIZE) | 5;	/* read-only */
	*own(3, 3) = 5000ull << 12 | 7;			/* no memory */
	*own(3, 4) = data | 7;
	for (unsigned int i = 0; i < 16; i++)
		was[i] = i + 1;
	memcpy((u8 *)l1_entry(DATA_GFN, 0) + 0xff8, was, 8);
	memcpy(l1_entry(DATA_GFN + 5, 0), was + 8, 8);
	tap_ok(!gva_read(vcpu, 0xff8, bytes, 16, ACC_USER, &fault) && !memcmp(bytes, was, 16),
	       "a read of two pages");
	tap_ok(gva_read(vcpu, 0x1ff8, bytes, 16, ACC_USER | ACC_WRITE, &fault) == -EFAULT &&
	       fault.addr == 0x2000 && fault.error == ACC_USER, "the second is not there");
	tap_ok(gva_read(vcpu, 0x3000, bytes, 16, ACC_USER, &fault) == -ENXIO, "there is no memory");
	memset(bytes, 0xee, sizeof(bytes));
	tap_ok(gva_write(vcpu, 0xff8, bytes, 16, ACC_USER, &fault) == -EFAULT && fault.addr == 0x1000 &&
	       fault.error == 7 && !memcmp((u8 *)l1_entry(DATA_GFN, 0) + 0xff8, was, 8),
	       "a write of two pages, of which the second is read-only, writes nothing");
	tap_ok(gva_write(vcpu, 0x2000, bytes, 4, ACC_USER, &fault) == -EFAULT && fault.addr == 0x2000,
	       "a write to a page that is not there");
	*own(3, 1) |= 2;
	tap_ok(!gva_write(vcpu, 0xff8, bytes, 16, ACC_USER, &fault) &&
	       !memcmp((u8 *)l1_entry(DATA_GFN, 0) + 0xff8, bytes, 8) &&
	       !memcmp(l1_entry(DATA_GFN + 5, 0), bytes, 8) && (*own(3, 1) & 0x40), "and to both");
	tap_ok(gva_write(vcpu, 0x3000, bytes, 4, ACC_USER, &fault) == -ENXIO &&
	       gva_write(vcpu, 0x3ff8, bytes, 16, ACC_USER, &fault) == -ENXIO, "a write where no memory is");
	*own(3, 2) = data | 7;
	tap_ok(gva_write(vcpu, 0x2ff8, bytes, 16, ACC_USER, &fault) == -ENXIO, "or on the second page");
	tap_ok(gva_write(vcpu, 0xff8, bytes, PAGE_SIZE + 9, ACC_USER, &fault) == -EINVAL, "three pages at once");
	vcpu->l1.efer = 0;
	vcpu->l1.cr4 = 0x20;
	vcpu->l1.cr3 = 5000ull << 12;
	tap_ok(guest_load_pdptes(vcpu, vcpu->l1.cr3, (u64[4]){ }) == -EINVAL, "PDPTEs where no memory is");
	teardown();
}

/* What the exit for a second-level fault says of the access, and what it does not. */
static void test_of_exit(void)
{
	struct l1_gpa to;

	own_setup(0x20, 0xd00);
	vcpu->l1.exit = (struct guest_exit){
		.reason = EXIT_SECOND_LEVEL, .info1 = ACC_FINAL | ACC_WRITE, .info2 = 0xfee00123,
	};
	tap_ok(gva_of_exit(vcpu, 0x7123, 0, &to) && to.a == 0xfee00123 && gva_of_exit(vcpu, 0x7123, ACC_WRITE, &to),
	       "the CPU has told where a write leads");
	tap_ok(!gva_of_exit(vcpu, 0x7124, 0, &to), "of another address");
	vcpu->l1.exit.info1 = ACC_FINAL;
	tap_ok(gva_of_exit(vcpu, 0x7123, 0, &to) && !gva_of_exit(vcpu, 0x7123, ACC_WRITE, &to), "of a read only");
	vcpu->l1.exit.info1 = ACC_FINAL | ACC_FETCH;
	tap_ok(!gva_of_exit(vcpu, 0x7123, 0, &to), "of the instruction's fetch");
	vcpu->l1.exit.info1 = ACC_TABLE;
	tap_ok(!gva_of_exit(vcpu, 0x7123, 0, &to), "of a table");
	vcpu->l1.exit.info1 = ACC_FINAL;
	vcpu->l1.exit.reason = EXIT_NONE;
	tap_ok(!gva_of_exit(vcpu, 0x7123, 0, &to), "of another exit");
	vcpu->l2.exit = vcpu->l1.exit;
	vcpu->l2.exit.reason = EXIT_SECOND_LEVEL;
	vcpu->run = &vcpu->l2;
	tap_ok(!gva_of_exit(vcpu, 0x7123, 0, &to), "of L2");
	teardown();
}

int main(void)
{
	static const struct model_format *const formats[] = {
		&model_npt, &model_ept_ad, &model_ept_plain,
	};

	host_init();
	for (unsigned int i = 0; i < ARRAY_SIZE(formats); i++) {
		mf = formats[i];
		test_final();
		test_tables();
		test_pdptes();
		test_l1();
	}
	test_formats();
	test_flags();
	test_copies();
	test_of_exit();
	return tap_done();
}
