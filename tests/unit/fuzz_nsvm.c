// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmcb12 by chance through the checks, merge and the tables of exits. A verdict names a
 * row and a field of the page; what passes cannot enable what L0 keeps to itself.
 */
#include "core/guest_run.h"
#include "core/x86.h"
#include "fuzz.h"
#include "nsvm/checks.h"
#include "nsvm/exit_table.h"
#include "nsvm/merge.h"

/* What L0 always takes, whatever L1 wants (see nsvm_merge_test.c). */
static const u32 always[NR_ICPT_WORDS] = {
	[ICPT_EXCEPTION] = 1u << 18,
	[ICPT_MISC1] = ICPT_INTR | ICPT_NMI | ICPT_SMI | ICPT_INIT | ICPT_IOIO | ICPT_MSR |
		       ICPT_INVLPGA | ICPT_SHUTDOWN,
	[ICPT_MISC2] = ICPT_VMRUN | ICPT_VMMCALL | ICPT_VMLOAD | ICPT_VMSAVE | ICPT_SKINIT |
		       ICPT_XSETBV,
};

static void good(struct vmcb12_snapshot *s)
{
	s->ctl.intercept[ICPT_MISC2] = 1;
	s->ctl.asid = 1;
	s->ctl.iopm_base_pa = 0x10000;
	s->ctl.msrpm_base_pa = 0x20000;
	s->ctl.np_ctl = NP_ENABLE;
	s->ctl.ncr3 = 0x30000;
	s->save.efer = X_EFER_SVME | X_EFER_LME | X_EFER_LMA;
	s->save.cr0 = X_CR0_PE | X_CR0_PG | X_CR0_ET;
	s->save.cr4 = X_CR4_PAE;
	s->save.cr3 = 0x1000;
	s->save.cs.attrib = SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_L | 0xb;
	s->save.dr6 = X_DR6_FIXED;
	s->save.dr7 = X_DR7_RESET;
	s->save.rflags = 2;
	s->save.g_pat = 0x0007040600070406ull;
}

/* A good one with some words changed, or noise from end to end. */
static void make(struct vmcb12_snapshot *s)
{
	unsigned int n = get_number(1);

	memset(s, 0, sizeof(*s));
	if (n == 0xff) {
		get(s, sizeof(*s));
		return;
	}
	good(s);
	for (n %= 16; n; n--) {
		size_t at = get_number(2) % (sizeof(*s) / 4) * 4;
		u32 word;

		memcpy(&word, (u8 *)s + at, 4);
		word ^= get_number(4);
		memcpy((u8 *)s + at, &word, 4);
	}
}

static void check(const struct vmcb12_snapshot *s)
{
	struct check_env e = {
		.rsvd_gpa_bits = ~0ull << (32 + get_number(1) % 21),
		.cr4_reserved = ~0x3f0ffull ^ get_number(4),
		.efer_reserved = ~0x7d01ull ^ get_number(2),
		.host_cr0 = 0x80050033 ^ get_number(4),
		.has_lm = get_number(1) % 8 != 7,
	};
	struct verdict v = nsvm_check(s, &e), again = nsvm_check(s, &e);

	demand(v.check < NR_NSVM_CHECKS, "id of a check");
	demand(v.check == again.check && v.field == again.field && v.value == again.value,
	       "the same verdict again");
	if (!v.check)
		return;
	demand(v.name == nsvm_check_rows[v.check].name, "name of a check");
	demand(v.outcome == VMEXIT_INVALID, "what L1 is told");
	demand(v.field < VMCB12_SAVE + sizeof(struct vmcb12_save), "field within the VMCB");
}

static void merge(const struct vmcb12_snapshot *s)
{
	struct guest_run out, again;
	struct l0_policy l0;
	unsigned int word;

	get(&l0.intercept, sizeof(l0.intercept));
	memset((u8 *)&l0 + sizeof(l0.intercept), 0, sizeof(l0) - sizeof(l0.intercept));
	l0.pause_count = get_number(2);
	l0.msr_read_pass = get_number(4);
	l0.tpr = get_number(1) % 16;
	l0.lbr_virt = get_number(1) % 2;
	l0.hw_lbrv = get_number(1) % 2;
	l0.hw_vgif = get_number(1) % 2;
	memset(&out, 0, sizeof(out));
	nsvm_merge(s, &l0, &out);
	for (word = 0; word < NR_ICPT_WORDS; word++) {
		demand(!(always[word] & ~out.intercept[word]), "an intercept that L0 needs");
		demand(!(s->ctl.intercept[word] & ~out.intercept[word]), "an intercept that L1 asked for");
	}
	demand(!(out.msr_read_pass & ~l0.msr_read_pass), "no MSR passes that L0 takes");
	/* Nothing of what was there before shines through in the intercepts. */
	memset(&again, 0xff, sizeof(again));
	nsvm_merge(s, &l0, &again);
	demand(!memcmp(out.intercept, again.intercept, sizeof(out.intercept)), "intercepts are set whole");
	nsvm_merge_vintr(s, &l0);
}

static void events(void)
{
	u64 inj = get_number(8), back;
	struct guest_event ev = nsvm_event_decode(inj);

	demand(ev.valid == !!(inj & EVENTINJ_V), "validity of an event");
	if (!ev.valid)
		return;
	back = nsvm_event_encode(&ev);
	demand((back & (EVENTINJ_V | EVENTINJ_TYPE | EVENTINJ_VECTOR | EVENTINJ_EV)) ==
	       (inj & (EVENTINJ_V | EVENTINJ_TYPE | EVENTINJ_VECTOR | EVENTINJ_EV)),
	       "an event there and back");
}

static void maps(void)
{
	u32 msr = get_number(4);
	u16 port = get_number(2);
	int bit = msrpm_bit(msr);

	demand(bit >= -1 && bit < (int)MSRPM_SIZE * 8 - 1, "bit within the MSR map");
	demand(iopm_byte(port) + 2 <= IOPM_SIZE, "bytes within the I/O map");
	iopm_hit(get_number(2), port, 1u << get_number(1) % 3);
	ioio_size(get_number(8));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct vmcb12_snapshot s;

	fuzz_begin(data, size);
	make(&s);
	check(&s);
	merge(&s);
	events();
	maps();
	return 0;
}
