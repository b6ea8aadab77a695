// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmcs12 and capability MSRs by chance through the checks, the fields, merge and the
 * virtual APIC. What the incremental check of an entry says is what a check of everything
 * says; capabilities only shrink; a field keeps its width.
 */
#include "nvmx_base.h"

#include "fuzz.h"
#include "nvmx/exit_table.h"
#include "nvmx/fields.h"
#include "nvmx/merge.h"
#include "nvmx/msr_list.h"
#include "nvmx/vapic.h"

/* What L0 always takes, whatever L1 wants (see nvmx_merge_test.c). */
static const u32 always[NR_ICPT_WORDS] = {
	[ICPT_EXCEPTION] = 1u << 18,
	[ICPT_MISC1] = ICPT_INTR | ICPT_NMI | ICPT_SMI | ICPT_INIT | ICPT_IOIO | ICPT_MSR |
		       ICPT_INVLPGA | ICPT_SHUTDOWN | ICPT_CPUID | ICPT_INVD | ICPT_TASK_SWITCH,
	[ICPT_MISC2] = ICPT_VMRUN | ICPT_VMMCALL | ICPT_VMLOAD | ICPT_VMSAVE | ICPT_SKINIT |
		       ICPT_XSETBV | ICPT_STGI | ICPT_CLGI,
};

static void change_field(struct vmcs12 *v)
{
	u64 x = 1ull << get_number(1) % 64;
	unsigned int i = get_number(1) % NR_VMCS12_FIELDS;

	if (get_number(1) % 4 == 3)
		x = get_number(8);
	vmcs12_set(v, i, false, v->f[i] ^ x);
}

static void make(struct vmcs12 *v, struct nvmx_check_env *e)
{
	unsigned int n = get_number(1);

	*v = base_vmcs();
	switch (n >> 4) {
	case 1:
		make_legacy(v);
		break;
	case 2:
		make_pae(v);
		break;
	case 3:
		make_v8086(v);
		break;
	case 4:
		make_real(v);
		break;
	case 5:
		make_link(v, e);
		break;
	case 6:
		make_legacy_host(v, e);
		break;
	case 7:
		get(v, sizeof(*v));
		vmcs12_cut(v);
		break;
	}
	for (n %= 16; n; n--)
		change_field(v);
}

static void change_env(struct nvmx_check_env *e)
{
	switch (get_number(1) % 16) {
	case 0:
		e->l1_efer ^= get_number(2);
		break;
	case 1:
		e->cr4_reserved ^= get_number(4);
		break;
	case 2:
		e->pdpte[get_number(1) % 4] = get_number(8);
		break;
	case 3:
		e->vtpr = get_number(1);
		break;
	case 4:
		e->link_word = get_number(4);
		break;
	case 5:
		e->va_bits = 105 - e->va_bits;
		break;
	case 6:
		e->has_rtm = !e->has_rtm;
		break;
	case 7:
		e->current_ptr = get_number(8) & ~0xfffull;
		break;
	}
}

/* Entry after entry with changes in between: what is left out would have passed. */
static void checks(struct vmcs12 *v, struct nvmx_check_env *e)
{
	struct nvmx_checked last = { .valid = false };
	unsigned int i;

	for (i = 0; i < 8; i++) {
		struct verdict all = nvmx_check(v, e, VMCS12_DIRTY_ALL);
		u32 which = nvmx_check_classes(v, e, &last);
		struct verdict some = { .check = CHECK_none };

		nvmx_check_entry(v, e, which, &last, &some);
		demand(all.check < NR_NVMX_CHECKS, "id of a check");
		demand(all.check == some.check && all.outcome == some.outcome && all.qual == some.qual,
		       "an entry's checks and all checks agree");
		demand(all.check || !v->dirty, "nothing is dirty after a pass");
		demand(!all.check || all.name == nvmx_check_rows[all.check].name, "name of a check");
		nvmx_check_groups(v, which);
		change_field(v);
		change_env(e);
	}
}

static void fields(struct vmcs12 *v, const struct nvmx_caps *caps)
{
	u64 encoding = get_number(get_number(1) % 4 ? 2 : 8), val = get_number(8), was, mask;
	bool high = false;
	int i = vmcs12_find(caps, encoding, &high);

	demand(i >= -1 && i < NR_VMCS12_FIELDS, "index of a field");
	if (i < 0)
		return;
	mask = vmcs12_mask(i);
	was = v->f[i];
	vmcs12_set(v, i, high, val);
	demand(!(v->f[i] & ~mask), "a field keeps its width");
	demand(vmcs12_get(v, i, high) == (high ? val & 0xffffffff : val & mask), "a field reads as written");
	demand(!high || (u32)v->f[i] == (u32)was, "the upper half leaves the lower alone");
	demand(encoding <= (vmcs12_highest(caps) | 0x7fff), "no field beyond the highest index");
	v->f[i] = was;
}

/* @have has no control, bit or size that @max has not. */
static void within(const struct nvmx_caps *have, const struct nvmx_caps *max)
{
	const u64 a[] = { have->pin, have->cpu, have->cpu2, have->exit, have->entry };
	const u64 b[] = { max->pin, max->cpu, max->cpu2, max->exit, max->entry };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(a); i++) {
		demand(!(a[i] >> 32 & ~(b[i] >> 32)), "a control that the host has not");
		demand(!((u32)a[i] & ~(a[i] >> 32)), "a control that has to be and must not be");
	}
	demand(!(have->ept_vpid & ~max->ept_vpid), "EPT and VPID capabilities");
	demand(!(have->vmfunc & ~max->vmfunc), "VM functions");
}

static void capabilities(void)
{
	struct nvmx_caps max = base_caps(), caps = max, fit, before;
	struct nvmx_cpu cpu = {
		.cr4 = 0x3727ff ^ (u32)get_number(3), .lm = get_number(1) % 4 != 3,
		.rdtscp = get_number(1) % 2, .invpcid = get_number(1) % 2, .xsaves = get_number(1) % 2,
		.rdrand = get_number(1) % 2, .rdseed = get_number(1) % 2,
	};
	unsigned int n;
	u64 val, now;
	u32 msr;

	for (n = get_number(1) % 8; n; n--) {
		msr = VMXMSR_BASIC + get_number(1) % 0x14;
		before = caps;
		if (!nvmx_caps_get(&caps, msr, &val))
			val = 0;
		val ^= get_number(1) % 2 ? get_number(8) : 1ull << get_number(1) % 64;
		if (!nvmx_caps_set(&caps, &max, msr, val)) {
			demand(!memcmp(&before, &caps, sizeof(caps)), "a refused value changes nothing");
			continue;
		}
		demand(nvmx_caps_get(&caps, msr, &now), "what can be set can be read");
		within(&caps, &max);
	}
	nvmx_caps_fit(&caps, &cpu, &fit);
	within(&fit, &caps);
	before = fit;
	nvmx_caps_fit(&fit, &cpu, &fit);
	demand(!memcmp(&before, &fit, sizeof(fit)), "what fits fits again");
	demand(nvmx_msr_list_max(&fit) <= 4096, "length of MSR lists");
}

static void merge(struct vmcs12 *v)
{
	struct nvmx_shared shared = { .cr0 = 0x80050033, .efer = 0xd00, .pat = 6, .dr7 = 0x400 };
	struct guest_run run, l1;
	struct nvmx_policy l0;
	struct guest_event ev;
	unsigned int word;
	u16 attrib;
	u32 info;

	get(&l0, sizeof(l0));
	memset(&run, 0, sizeof(run));
	memset(&l1, 0, sizeof(l1));
	run.sys = &run.sys_own;
	l1.sys = &l1.sys_own;
	nvmx_merge_controls(v, &l0, &run);
	for (word = 0; word < NR_ICPT_WORDS; word++)
		demand(!(always[word] & ~run.intercept[word]), "an intercept that L0 needs");
	demand(!(l0.intercept[ICPT_EXCEPTION] & ~run.intercept[ICPT_EXCEPTION]), "an exception that L0 needs");
	nvmx_merge_hot(v, &run);
	nvmx_merge_state(v, &shared, VMCS12_GROUPS, &run);
	nvmx_save_hot(v, &run);
	nvmx_save_state(v, &run, nvmx_saved_groups(v));
	nvmx_host_state(v, &shared, &l1);
	demand(!(nvmx_lazy_groups(v) & ~VMCS12_LAZY), "groups that may stay");
	attrib = get_number(2) & 0xfff;
	demand((nvmx_ar_decode(nvmx_ar_encode(attrib)) & SEG_ATTR_P) == (attrib & SEG_ATTR_P), "a segment there and back");
	info = get_number(4);
	ev = nvmx_event_decode(info, get_number(4));
	demand(ev.valid == !!(info >> 31), "validity of an event");
	if (ev.valid)
		nvmx_event_encode(&ev);
}

static void virtual_apic(const struct vmcs12 *v)
{
	u8 page[VAPIC_SIZE], vector = 0;
	u16 status = get_number(2);
	u64 pir[4], val = 0;
	u32 msr = 0x800 + get_number(1);

	get(pir, sizeof(pir));
	get(page, sizeof(page));
	vapic_x2apic_read(v, page, msr, &val);
	vapic_x2apic_write(v, page, &status, msr, get_number(8), &vector);
	vapic_post(page, &status, pir);
	vapic_pending(page, status);
}

static void wants(const struct vmcs12 *v)
{
	const struct exit_row *row = &nvmx_exit_table[get_number(1) % NR_EXIT_REASONS];

	if (row->rule == RULE_PIN || row->rule == RULE_CPU || row->rule == RULE_CPU2 ||
	    (row->rule >= RULE_RDTSCP && row->rule <= RULE_XSAVES))
		nvmx_want_simple(v, row);
	nvmx_want_exception(v, get_number(1) % 32, get_number(4));
	nvmx_want_cr(v, get_number(8), get_number(8));
	demand(nvmx_msr_bit(get_number(4), get_number(1) % 2) < 0x1000 * 8, "bit within the MSR bitmap");
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct nvmx_caps caps = base_caps();
	struct nvmx_check_env e = base_env(&caps);
	struct vmcs12 v;

	fuzz_begin(data, size);
	make(&v, &e);
	checks(&v, &e);
	fields(&v, &caps);
	capabilities();
	wants(&v);
	virtual_apic(&v);
	merge(&v);
	return 0;
}
