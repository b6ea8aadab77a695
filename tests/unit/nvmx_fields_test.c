// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMCS fields: every line of fields.def by its encoding, every encoding that
 * has no line, widths, halves, and what a capability takes away.
 */
#include "core/hw_ops.h"
#include "nvmx/fields.h"
#include "tap.h"

static struct nvmx_caps all;

/* The reference: a plain search of fields.def. */
static int slow_find(u64 enc, bool *high)
{
	int i;

	for (i = 0; i < NR_VMCS12_FIELDS; i++) {
		const struct vmcs12_field *f = &vmcs12_fields[i];

		if (enc != f->encoding && !(f->width == VMCS_64 && enc == f->encoding + 1ull))
			continue;
		*high = enc != f->encoding;
		return i;
	}
	return -1;
}

static bool same_answer(u64 enc)
{
	bool high = false, want_high = false;
	int want = slow_find(enc, &want_high), got = vmcs12_find(&all, enc, &high);

	if (got == want && (got < 0 || high == want_high))
		return true;
	tap_diag("encoding 0x%llx: %d, expected %d", enc, got, want);
	return false;
}

static void test_encodings(void)
{
	bool ok = true;
	unsigned int bit;
	u64 enc;

	for (enc = 0; enc <= 0x1ffff; enc++)
		ok &= same_answer(enc);
	tap_ok(ok, "every encoding up to 0x1ffff is the field of its line, or none");
	ok = true;
	for (bit = 15; bit < 64; bit++)
		for (enc = 0; enc < 0x7000; enc++)
			ok &= vmcs12_find(&all, enc | 1ull << bit, &(bool){ 0 }) < 0;
	tap_ok(ok, "no field has a bit above 14 in its encoding");
}

static void test_lines(void)
{
	static const u8 type_of[] = {
		[VMCS_CTRL] = 0, [VMCS_MODE] = 0, [VMCS_INFO] = 1, [VMCS_GUEST] = 2, [VMCS_STEP] = 2,
		[VMCS_HOST] = 3,
	};
	bool ok = true, classes = true;
	int i, j;

	for (i = 0; i < NR_VMCS12_FIELDS; i++) {
		const struct vmcs12_field *f = &vmcs12_fields[i];
		unsigned int type = f->encoding >> 10 & 3;

		ok &= f->name && !(f->encoding & 1) && f->width == (f->encoding >> 13) &&
		      f->cap < NR_VMCS_CAPS;
		for (j = 0; j < i; j++)
			ok &= f->encoding != vmcs12_fields[j].encoding;
		/* HOT mixes controls and guest state. */
		classes &= f->class == VMCS_HOT ? type == 0 || type == 2 : type == type_of[f->class];
	}
	tap_ok(ok, "lines: even, distinct encodings with their width");
	tap_ok(classes, "lines: the class agrees with the type in the encoding");
}

static u64 width_mask(const struct vmcs12_field *f)
{
	return f->width == VMCS_16 ? 0xffff : f->width == VMCS_32 ? 0xffffffff : ~0ull;
}

static bool others_zero(const struct vmcs12 *v, int but)
{
	int j;

	for (j = 0; j < NR_VMCS12_FIELDS; j++)
		if (j != but && v->f[j])
			return false;
	return true;
}

static void test_access(void)
{
	const u64 val = 0xfedcba9876543210ull;
	bool full = true, halves = true, dirty = true;
	struct vmcs12 v;
	int i;

	for (i = 0; i < NR_VMCS12_FIELDS; i++) {
		const struct vmcs12_field *f = &vmcs12_fields[i];

		memset(&v, 0, sizeof(v));
		vmcs12_set(&v, i, false, val);
		full &= vmcs12_get(&v, i, false) == (val & width_mask(f)) &&
			vmcs12_mask(i) == width_mask(f) && others_zero(&v, i);
		dirty &= v.dirty == 1u << f->class;
		v.dirty = 0;
		vmcs12_set(&v, i, false, val);
		dirty &= !v.dirty;
		if (f->width != VMCS_64)
			continue;
		vmcs12_set(&v, i, true, 0xaaaa5555deadbeefull);
		halves &= vmcs12_get(&v, i, true) == 0xdeadbeef &&
			  vmcs12_get(&v, i, false) == 0xdeadbeef76543210ull;
		dirty &= v.dirty == 1u << f->class;
	}
	tap_ok(full, "a field keeps its width and touches no other");
	tap_ok(halves, "the upper half of a 64-bit field leaves the lower alone");
	tap_ok(dirty, "a change marks its class, and nothing else does");
}

static void test_named(void)
{
	struct vmcs12 v = { 0 };

	v.guest_rip = 0x1234;
	v.host_rip = 0x5678;
	tap_ok(v.f[VMCS12_guest_rip] == 0x1234 && v.f[VMCS12_host_rip] == 0x5678,
	       "names and indices are the same storage");
}

static void test_cut(void)
{
	struct vmcs12 v;
	bool ok = true;
	int i;

	memset(&v, 0xff, sizeof(v));
	vmcs12_cut(&v);
	for (i = 0; i < NR_VMCS12_FIELDS; i++)
		ok &= v.f[i] == width_mask(&vmcs12_fields[i]);
	tap_ok(ok && v.dirty == VMCS12_DIRTY_ALL, "a loaded region is cut, and all of it unchecked");
}

static void test_existence(void)
{
	struct nvmx_caps c = { 0 };
	bool ok = true, high;
	int cap, i;

	for (cap = 0; cap < NR_VMCS_CAPS; cap++) {
		c.fields = 1u << cap;
		for (i = 0; i < NR_VMCS12_FIELDS; i++) {
			int got = vmcs12_find(&c, vmcs12_fields[i].encoding, &high);

			ok &= got == (vmcs12_fields[i].cap == cap ? i : -1);
		}
	}
	tap_ok(ok, "a field exists with its capability and not with another");
	c.fields = 1u << VMCS_CAP_ALWAYS | 1u << VMCS_CAP_PREEMPTION_TIMER;
	tap_ok(vmcs12_highest(&c) == 0x2e, "highest index without TSC scaling: the preemption timer's");
	tap_ok(vmcs12_highest(&all) == 0x32, "highest index of all: TSC multiplier's");
}

int main(void)
{
	all.fields = ~0u;
	test_lines();
	test_encodings();
	test_access();
	test_named();
	test_cut();
	test_existence();
	return tap_done();
}
