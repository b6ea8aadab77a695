// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults of L2's second level: whose they are, and how L1 is told (SDM vol. 3, "EPT-Induced VM
 * Exits", "Exit Qualification for EPT Violations").  The shadow is the test's.
 */
#include "tap.h"

#include "nvmx_vcpu.h"
#include "mmu/shadow.h"
#include "nvmx/exit_table.h"

#define EPTP		(0x5000ull | 3 << 3 | 6)
#define EPTP_AD		(1ull << 6)
#define L2_GPA		0x12345678ull

static struct walk walk_is;
static enum shadow_result fault_is;
static enum walk_result translate_is;
static u64 root_is, access_was, log_full, logged, root_was;
static bool no_root;

static struct {
	unsigned int nr;
	u32 reason;
	u64 qual;
	bool pml, at_exit;
	unsigned int stopped;
} told;

struct shadow_root { int unused; };
static struct shadow_root the_root;

struct shadow_root *shadow_get(struct nestor_vcpu *vcpu, struct l1_gpa root,
			       const struct pt_format *fmt, u32 tag, bool *fresh)
{
	root_was = root.a;
	return no_root ? NULL : &the_root;
}

struct hpa shadow_root_hpa(const struct shadow_root *sr)
{
	return hpa(root_is);
}

enum shadow_result shadow_fault(struct nestor_vcpu *vcpu, struct shadow_root *sr, struct l2_gpa from,
				u64 access, struct walk *walk, struct l1_gpa *gpa)
{
	access_was = access;
	*walk = walk_is;
	*gpa = l1_gpa(0x777000);
	return from.a == L2_GPA ? fault_is : SHADOW_ERROR;
}

enum walk_result shadow_walk(struct nestor_vcpu *vcpu, struct l1_gpa root, const struct pt_format *fmt,
			     struct l2_gpa from, u64 access, struct walk *walk)
{
	access_was = access;
	*walk = walk_is;
	return translate_is;
}

u64 nvmx_pml_access(struct nestor_vcpu *vcpu)
{
	return log_full;
}

void nvmx_pml_log(struct nestor_vcpu *vcpu, u64 gpa)
{
	logged = gpa;
}

enum nested_who nvmx_pml_full(struct nestor_vcpu *vcpu, u64 hw)
{
	told.nr++;
	told.pml = true;
	told.qual = hw;
	return NESTED_BY_L1;
}

enum nested_who nvmx_reflect(struct nestor_vcpu *vcpu, u32 reason, u64 qual, u32 intr_info,
			     u32 error_code)
{
	told.nr++;
	told.reason = reason;
	told.qual = qual;
	told.at_exit = nvmx_of(vcpu)->at_exit;
	return NESTED_BY_L1;
}

void nvmx_activity_ran(struct nestor_vcpu *vcpu)
{
}

/* L2 stopped: told once at each of its faults, before anybody decides about it. */
bool nvmx_mtf_exit(struct nestor_vcpu *vcpu)
{
	told.stopped += nvmx_of(vcpu)->at_exit;
	return false;
}

static void fresh(u64 eptp)
{
	start_over();
	memset(&told, 0, sizeof(told));
	memset(&walk_is, 0, sizeof(walk_is));
	root_is = 0x9000;
	no_root = false;
	log_full = 0;
	logged = 0;
	nv.ept.on = true;
	nv.ept.eptp = eptp;
	nv.caps.ept_vpid = EPTCAP_2M | EPTCAP_1G | EPTCAP_EXEC_ONLY;
	nvmx_ept_format(&cpu, eptp, &nv.ept.fmt);
	nv.l2.root = hpa(root_is);
}

static enum nested_who fault(u64 info1, bool has_qual, u64 qual, struct l1_gpa *gpa, bool *mmio)
{
	nv.l2.exit = (struct guest_exit){
		.reason = EXIT_SECOND_LEVEL, .info1 = info1, .info2 = L2_GPA,
		.has_qual = has_qual, .qual = qual,
	};
	*mmio = false;
	*gpa = l1_gpa(0);
	return nvmx_l2_fault(&cpu, gpa, mmio);
}

/* What the manual's table says, bit by bit */
static u64 expected(u64 access, bool ad, const struct walk *w, bool gla_known, bool gla)
{
	bool table = access & ACC_TABLE, write = access & ACC_WRITE, fetch = access & ACC_FETCH;
	u64 q = 0;

	if (table) {
		/* Walks of L2's tables read; they count as writes, too, with A/D flags on. */
		q |= 1;
		if (ad || write)
			q |= 2;
	} else if (fetch) {
		q |= 4;
	} else {
		q |= write ? 2 : 1;
	}
	q |= w->readable << 3 | w->writable << 4 | w->exec << 5;
	if (gla)
		q |= 1 << 7;
	if (!table && (!gla_known || gla))
		q |= 1 << 8;
	return q;
}

static void violations(void)
{
	static const u64 kinds[] = {
		ACC_FINAL, ACC_FINAL | ACC_WRITE, ACC_FINAL | ACC_FETCH, ACC_TABLE,
		ACC_TABLE | ACC_WRITE,
	};
	unsigned int i, ad, rights, gla;
	struct l1_gpa gpa;
	bool mmio, good = true;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		for (ad = 0; ad < 2; ad++)
			for (rights = 0; rights < 8; rights++)
				for (gla = 0; gla < 3; gla++) {
					u64 want;

					fresh(EPTP | (ad ? EPTP_AD : 0));
					fault_is = SHADOW_L1;
					walk_is.readable = rights & 1;
					walk_is.writable = rights >> 1 & 1;
					walk_is.exec = rights >> 2;
					want = expected(kinds[i], ad, &walk_is, gla, gla == 2);
					/* Any qualification of the CPU's is not 0: it has the access, at least. */
					if (fault(kinds[i], gla, gla == 2 ? 0x81 : 1, &gpa, &mmio) !=
					    NESTED_BY_L1 || told.reason != VMEXIT_EPT_VIOLATION ||
					    told.qual != want || !told.at_exit ||
					    vmcs12.guest_physical_addr != L2_GPA) {
						tap_diag("access %llx, A/D %u, rights %u, linear %u: %llx, not %llx",
							 (unsigned long long)kinds[i], ad, rights, gla,
							 (unsigned long long)told.qual,
							 (unsigned long long)want);
						good = false;
					}
				}
	tap_ok(good, "the qualification of a violation, by access, rights, A/D flags and linear address");
	fresh(EPTP);
	fault_is = SHADOW_L1;
	fault(ACC_FINAL, true, 0x1001, &gpa, &mmio);
	tap_ok(told.qual & 1 << 12, "NMI unblocking due to IRET is the CPU's to tell");
	tap_ok(!nv.at_exit, "and the exit is over");
	fresh(EPTP);
	fault_is = SHADOW_L1;
	walk_is.error = ACC_RSVD;
	walk_is.readable = true;
	tap_ok(fault(ACC_FINAL | ACC_WRITE, true, 2, &gpa, &mmio) == NESTED_BY_L1 &&
	       told.reason == VMEXIT_EPT_MISCONFIG && !told.qual &&
	       vmcs12.guest_physical_addr == L2_GPA, "a misconfiguration has no qualification");
}

static void others(void)
{
	struct l1_gpa gpa;
	bool mmio;

	fresh(EPTP);
	nv.ept.on = false;
	tap_ok(fault(ACC_FINAL, true, 1, &gpa, &mmio) == NESTED_BY_L0 && mmio && gpa.a == L2_GPA,
	       "without EPT an address of L2 is L1's");
	fresh(EPTP);
	fault_is = SHADOW_MAPPED;
	tap_ok(fault(ACC_FINAL, true, 1, &gpa, &mmio) == NESTED_BY_L0 && !mmio && !told.nr &&
	       root_was == 0x5000, "a page that could be mapped is done with");
	tap_ok(access_was == ACC_FINAL && !logged, "and nothing is logged");
	fault_is = SHADOW_NOMEM;
	tap_ok(fault(ACC_FINAL, true, 1, &gpa, &mmio) == NESTED_NOT_YET && !told.nr,
	       "out of memory: nothing is done, and the VMM is to hear of it");
	fault_is = SHADOW_MMIO;
	tap_ok(fault(ACC_FINAL, true, 1, &gpa, &mmio) == NESTED_BY_L0 && mmio && gpa.a == 0x777000,
	       "what L1's table leads to is L0's to serve");
	no_root = true;
	tap_ok(fault(ACC_FINAL, true, 1, &gpa, &mmio) == NESTED_NOT_YET && !told.nr,
	       "nor is anything without memory for a root");
	fresh(EPTP);
	fault_is = SHADOW_MAPPED;
	nv.l2.root = hpa(0x1000);
	fault(ACC_FINAL, true, 1, &gpa, &mmio);
	tap_ok(nv.l2.root.a == root_is && nv.l2.flush && (nv.l2.ctl_dirty & CTL_ROOT),
	       "another root takes the old one's place");
}

static void logging(void)
{
	struct l1_gpa gpa;
	bool mmio;

	fresh(EPTP | EPTP_AD);
	fault_is = SHADOW_MAPPED;
	walk_is.dirtied = true;
	log_full = ACC_LOG_FULL;
	fault(ACC_FINAL | ACC_WRITE, true, 2, &gpa, &mmio);
	tap_ok(logged == L2_GPA && (access_was & ACC_LOG_FULL), "a walk that sets a dirty flag is logged");
	logged = 0;
	translate_is = WALK_OK;
	walk_is.addr = 0x888000;
	tap_ok(nvmx_translate(&cpu, l2_gpa(L2_GPA), ACC_FINAL | ACC_WRITE, &gpa) == NESTED_OK && gpa.a == 0x888000 &&
	       logged == L2_GPA && (access_was & ACC_LOG_FULL), "so is one in software");
	walk_is.dirtied = false;
	fault_is = SHADOW_LOG_FULL;
	tap_ok(fault(ACC_FINAL | ACC_WRITE, true, 0x1002, &gpa, &mmio) == NESTED_BY_L1 && told.pml &&
	       told.qual == 0x1002, "a full log exits");
}

static void translations(void)
{
	struct l1_gpa to;

	fresh(EPTP);
	translate_is = WALK_OK;
	walk_is.addr = 0x4567;
	tap_ok(nvmx_translate(&cpu, l2_gpa(L2_GPA), ACC_TABLE, &to) == NESTED_OK && to.a == 0x4567,
	       "an address goes through L1's table");
	cpu.run = &cpu.l1;
	tap_ok(nvmx_translate(&cpu, l2_gpa(L2_GPA), 0, &to) == NESTED_OK && to.a == L2_GPA,
	       "L1's own do not");
	cpu.run = &nv.l2;
	translate_is = WALK_FAULT;
	tap_ok(nvmx_translate(&cpu, l2_gpa(L2_GPA), ACC_FINAL | ACC_WRITE, &to) == NESTED_EXITED &&
	       told.reason == VMEXIT_EPT_VIOLATION && told.qual == (2 | 1 << 8) && !told.at_exit,
	       "a fault on the way is an exit");
	told.nr = 0;
	nv.probing = true;
	tap_ok(nvmx_translate(&cpu, l2_gpa(L2_GPA), ACC_FINAL, &to) == NESTED_EXITED && !told.nr,
	       "unless L0 looks on its own account");
	nv.probing = false;
	translate_is = WALK_LOG_FULL;
	tap_ok(nvmx_translate(&cpu, l2_gpa(L2_GPA), ACC_FINAL | ACC_WRITE, &to) == NESTED_EXITED &&
	       told.pml, "or the log is full");
}

static void formats(void)
{
	struct pt_format f;

	fresh(EPTP);
	nvmx_ept_format(&cpu, EPTP | EPTP_AD, &f);
	tap_ok(f.levels == 4 && f.ept && f.ad && f.table_write && f.exec_only && f.large_2m && f.large_1g,
	       "the format of an EPTP with A/D flags");
	nv.caps.ept_vpid = 0;
	cpu.cpuid.rsvd_gpa_bits = 0xfff0000000000000ull | 0xff00000000000ull;
	nvmx_ept_format(&cpu, EPTP, &f);
	tap_ok(!f.ad && !f.table_write && !f.exec_only && !f.large_2m && !f.large_1g &&
	       f.rsvd_pa == 0xff00000000000ull, "and of one without anything");
}

static void stops(void)
{
	struct l1_gpa gpa;
	bool mmio;

	fresh(EPTP);
	fault_is = SHADOW_L1;
	fault(ACC_FINAL, true, 1, &gpa, &mmio);
	tap_ok(told.stopped == 1, "the monitor trap flag hears of L2's stop, while the exit is handled");
}

int main(void)
{
	violations();
	others();
	logging();
	translations();
	formats();
	stops();
	return tap_done();
}
