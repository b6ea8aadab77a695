// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMREAD and VMWRITE: every field's width, both halves of 64-bit fields, read-only
 * fields, encodings that do not exist, and that a VMCS keeps its fields (SDM
 * volume 3, "VMREAD", "VMWRITE", "Field Encoding in VMCS").
 */
#include "vmx/vmx.h"

#define F(enc, name, cond) { enc, #name },
static const struct { u32 enc; const char *name; } fields[] = {
#include "vmx/fields.def"
};
#undef F

static u64 width_mask(u32 f)
{
	switch (FIELD_WIDTH(f)) {
	case WIDTH_16:
		return 0xffff;
	case WIDTH_32:
		return 0xffffffff;
	}
	return ~0ull;
}

static void fresh(void)
{
	u64 pa = vmcs_new();

	if (vmptrld(&pa) != VM_OK)
		FAIL("VMPTRLD of a new VMCS failed");
}

static bool writable(u32 f)
{
	return FIELD_TYPE(f) != TYPE_RO || cpu_features & VF_WRITERO;
}

/* Whether a rule holds for a field: it exists, and this home has it. */
static bool judged(u32 i)
{
	u64 v = 0;

	if (field_exists(fields[i].enc) != 1)
		return false;
	/* Only a home that says that the field does not exist is asked for a reason. */
	return vmread_s(fields[i].enc, &v) == VM_OK || !t_departs(fields[i].name);
}

static void expect_error(enum vm_status s, u32 error, const char *what, u32 f)
{
	u64 got = 0;

	if (s != VM_FAIL_VALID) {
		FAIL("%s of %s %x: status %u, expected VMfailValid", what, field_name(f), f, s);
		return;
	}
	vmread_s(INSN_ERROR, &got);
	if (got != error)
		FAIL("%s of %s %x: error %llu, expected %u", what, field_name(f), f, got, error);
}

/* Some CPUs do not keep the reserved bits of access rights: these are written as 0. */
static u64 pattern(u32 i, int round)
{
	static const u64 base[] = { 0x0123456789abcdefull, ~0ull, 0, 0x8000000080008000ull };

	u32 f = fields[i].enc;
	u64 v = base[round & 3] ^ (round & 4 ? i * 0x9e3779b97f4a7c15ull : 0);

	return f >= GUEST_ES_AR && f <= GUEST_TR_AR ? v & 0x1f0ff : v;
}

/* What is written is read back, cut to the field's width. */
static void widths(const void *arg)
{
	int round;
	u32 i;

	fresh();
	for (round = 0; round < 8; round++)
		for (i = 0; i < ARRAY_SIZE(fields); i++) {
			u32 f = fields[i].enc;
			u64 want = pattern(i, round) & width_mask(f), got = 0x5555;

			if (!writable(f) || !judged(i))
				continue;
			if (vmwrite_s(f, pattern(i, round)) != VM_OK ||
			    vmread_s(f, &got) != VM_OK)
				FAIL("%s: VMWRITE or VMREAD failed", fields[i].name);
			else if (got != want)
				FAIL("%s: %llx after writing %llx", fields[i].name, got, want);
		}
}

/* No field's write touches another. */
static void independent(const void *arg)
{
	u64 got = 0;
	u32 i;

	fresh();
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		if (writable(fields[i].enc) && judged(i))
			vmwrite_s(fields[i].enc, pattern(i, 4));
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		u32 f = fields[i].enc;

		/* The failures below write this one. */
		if (!writable(f) || f == INSN_ERROR || !judged(i))
			continue;
		got = 0;
		vmread_s(f, &got);
		if (got != (pattern(i, 4) & width_mask(f)))
			FAIL("%s: %llx, another field's write changed it", fields[i].name, got);
	}
}

/* Access type high reaches bits 63:32 of a 64-bit field, and no other field has it. */
static void high_halves(const void *arg)
{
	u64 got = 0;
	u32 i;

	fresh();
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		u32 f = fields[i].enc;

		if (!judged(i))
			continue;
		if (FIELD_WIDTH(f) != WIDTH_64) {
			expect_error(vmread_s(f | FIELD_HIGH, &got), E_FIELD, "VMREAD high", f);
			expect_error(vmwrite_s(f | FIELD_HIGH, 0), E_FIELD, "VMWRITE high", f);
			continue;
		}
		if (!writable(f)) {
			if (vmread_s(f | FIELD_HIGH, &got) != VM_OK)
				FAIL("VMREAD of the high half of %s failed", fields[i].name);
			expect_error(vmwrite_s(f | FIELD_HIGH, 0), E_READ_ONLY, "VMWRITE high", f);
			continue;
		}
		vw(f, 0x1122334455667788ull);
		CHECK_EQ(vr(f | FIELD_HIGH), 0x11223344);
		vw(f | FIELD_HIGH, 0xaaaaaaaa99999999ull);
		if (vr(f) != 0x9999999955667788ull)
			FAIL("%s: %llx after its high half was written", fields[i].name, vr(f));
	}
}

static void read_only(const void *arg)
{
	u64 got = 0;
	u32 i;

	fresh();
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		u32 f = fields[i].enc;

		if (FIELD_TYPE(f) != TYPE_RO || !judged(i))
			continue;
		if (cpu_features & VF_WRITERO) {
			vw(f, 0x1234);
			CHECK_EQ(vr(f), 0x1234);
			continue;
		}
		expect_error(vmwrite_s(f, 0x1234), E_READ_ONLY, "VMWRITE", f);
		if (vmread_s(f, &got) != VM_OK)
			FAIL("VMREAD of %s failed", fields[i].name);
	}
}

/* Every encoding that no field of this CPU has */
static void unsupported(const void *arg)
{
	u64 got = 0x77;
	u32 f;

	fresh();
	for (f = 0; f < 0x8000; f++) {
		int exists = field_exists(f & ~FIELD_HIGH);

		/* An encoding in the table is judged; one beyond it may be a newer field's. */
		if (exists == 1 || (exists < 0 && strcmp(field_name(f & ~1), "unknown field")))
			continue;
		if (exists < 0 && !(f & 0x1000) && (f >> 1 & 0x1ff) > (caps.vmcs_enum >> 1 & 0x1ff))
			continue;
		if (exists < 0 && !(f & 0x1000) && FIELD_WIDTH(f) == WIDTH_64 && (f & 0x3ff) > 0x18)
			continue;
		expect_error(vmread_s(f, &got), E_FIELD, "VMREAD", f);
		expect_error(vmwrite_s(f, 0), E_FIELD, "VMWRITE", f);
	}
	/* Nothing was read. */
	CHECK_EQ(got, 0x77);
}

/* Bits 12, 15 to 31 are reserved; in 64-bit mode bits 63:32 of the register count too. */
static void reserved_bits(const void *arg)
{
	u64 got = 0x77, b;
	u32 bit;

	fresh();
	for (bit = 12; bit < 64; bit++) {
		if (bit == 13 || bit == 14)
			continue;
		b = BIT(bit);
		expect_error(vmread_s(GUEST_RIP | b, &got), E_FIELD, "VMREAD with a high bit", bit);
		expect_error(vmwrite_s(GUEST_RIP | b, 0), E_FIELD, "VMWRITE with a high bit", bit);
	}
	CHECK_EQ(got, 0x77);
}

static void enumeration(const void *arg)
{
	u32 i, highest = 0;

	for (i = 0; i < ARRAY_SIZE(fields); i++)
		if (field_exists(fields[i].enc) == 1 && (fields[i].enc >> 1 & 0x1ff) > highest)
			highest = fields[i].enc >> 1 & 0x1ff;
	if ((caps.vmcs_enum >> 1 & 0x1ff) < highest)
		FAIL("IA32_VMX_VMCS_ENUM %llx, but there is a field with index %x", caps.vmcs_enum,
		     highest);
	CHECK_EQ(caps.vmcs_enum & ~0x3feull, 0);
}

static void fill(int round)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(fields); i++)
		if (FIELD_TYPE(fields[i].enc) != TYPE_RO && judged(i))
			vw(fields[i].enc, pattern(i, round));
}

static void compare(int round, const char *when)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		u32 f = fields[i].enc;

		if (FIELD_TYPE(f) == TYPE_RO || !judged(i))
			continue;
		if (vr(f) != (pattern(i, round) & width_mask(f)))
			FAIL("%s: %llx %s, was %llx", fields[i].name, vr(f), when,
			     pattern(i, round) & width_mask(f));
	}
}

/* Fields live in their VMCS: through VMPTRLD of another one, and through VMCLEAR. */
static void kept(const void *arg)
{
	u64 a = vmcs_new(), b = vmcs_new();

	CHECK_EQ(vmptrld(&a), VM_OK);
	fill(4);
	CHECK_EQ(vmptrld(&b), VM_OK);
	fill(5);
	CHECK_EQ(vmptrld(&a), VM_OK);
	compare(4, "after VMPTRLD of another");
	CHECK_EQ(vmclear(&a), VM_OK);
	CHECK_EQ(vmptrld(&b), VM_OK);
	compare(5, "after VMCLEAR of another");
	CHECK_EQ(vmclear(&b), VM_OK);
	CHECK_EQ(vmptrld(&b), VM_OK);
	compare(5, "after VMCLEAR");
	CHECK_EQ(vmptrld(&a), VM_OK);
	compare(4, "after VMCLEAR");
}

/* A cleared VMCS is wholly in its memory: a copy of the page is the same VMCS. */
static void copied(const void *arg)
{
	u64 a = vmcs_new(), b = vmcs_new();

	CHECK_EQ(vmptrld(&a), VM_OK);
	fill(6);
	CHECK_EQ(vmclear(&a), VM_OK);
	memcpy((void *)b, (void *)a, PAGE_SIZE);
	CHECK_EQ(vmptrld(&b), VM_OK);
	compare(6, "in a copy of the VMCS");
}

static void no_vmcs(const void *arg)
{
	u64 cur = 0, got = 0x77;

	vmptrst(&cur);
	if (cur != ~0ull)
		CHECK_EQ(vmclear(&cur), VM_OK);
	CHECK_EQ(vmread_s(GUEST_RIP, &got), VM_FAIL_INVALID);
	CHECK_EQ(got, 0x77);
	CHECK_EQ(vmwrite_s(GUEST_RIP, 0), VM_FAIL_INVALID);
	/* A bad encoding does not come first. */
	CHECK_EQ(vmread_s(0x7ffe, &got), VM_FAIL_INVALID);
	CHECK_EQ(vmwrite_s(0x7ffe, 0), VM_FAIL_INVALID);
}

/* The extended registers as operands; an address that 67h cuts to 32 bits */
static void extended(volatile u64 *mem)
{
	register u64 field __asm__("r15") = GUEST_RIP;
	register u64 value __asm__("r8") = 0;
	u64 high = BIT(40) | (u64)&mem[1];

	__asm__ volatile("vmread %1,%0" : "+r"(value) : "r"(field) : "cc");
	mem[0] = value;
	__asm__ volatile("vmread %0,8(%%eax)" : : "r"((u64)GUEST_CS_LIMIT), "a"(high) :
			 "cc", "memory");
}

/* Operands in memory: 64 bits, whatever the field's width. */
static void memory_forms(const void *arg)
{
	volatile u64 mem[3] = { ~0ull, ~0ull, ~0ull };
	u64 fl_;

	fresh();
	vw(GUEST_CS_SEL, 0x1234);
	VM_ASM("vmread %[f],(%[m])", [f] "r"((u64)GUEST_CS_SEL), [m] "r"(&mem[1]));
	CHECK_EQ(vm_status(fl_), VM_OK);
	CHECK_EQ(mem[0], ~0ull);
	CHECK_EQ(mem[1], 0x1234);
	CHECK_EQ(mem[2], ~0ull);
	mem[1] = 0x1122334455667788ull;
	VM_ASM("vmwrite (%[m]),%[f]", [f] "r"((u64)GUEST_RIP), [m] "r"(&mem[1]));
	CHECK_EQ(vm_status(fl_), VM_OK);
	CHECK_EQ(vr(GUEST_RIP), 0x1122334455667788ull);
	VM_ASM("vmwrite 8(%[m],%[i],8),%[f]", [f] "r"((u64)GUEST_CS_LIMIT), [m] "r"(&mem[0]),
	       [i] "r"(0ull));
	CHECK_EQ(vr(GUEST_CS_LIMIT), 0x55667788);
	extended(&mem[0]);
	CHECK_EQ(mem[0], 0x1122334455667788ull);
	CHECK_EQ(mem[2], 0x55667788);
}

/* An exit writes the exit-information fields; VMWRITE may or may not. */
static void exit_fields(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, l2_done);
	vl2_expect_done(&l2);
	CHECK_EQ(vr(EXIT_REASON), R_VMCALL);
	CHECK_EQ(vr(EXIT_LEN), 3);
	/* An entry that fails in its controls changes no other field of the exit. */
	vw(CTRL_CR3_COUNT, 0xff);
	vl2_expect_error(&l2, E_CONTROLS);
	CHECK_EQ(vr(EXIT_REASON), R_VMCALL);
	CHECK_EQ(vr(EXIT_LEN), 3);
}

static const struct l1_test tests[] = {
	{ "widths", 0, widths, NULL },
	{ "independent", 0, independent, NULL },
	{ "high_halves", 0, high_halves, NULL },
	{ "read_only", 0, read_only, NULL },
	{ "unsupported", 0, unsupported, NULL },
	{ "reserved_bits", 0, reserved_bits, NULL },
	{ "enumeration", 0, enumeration, NULL },
	{ "kept", 0, kept, NULL },
	{ "copied", 0, copied, NULL },
	{ "no_vmcs", 0, no_vmcs, NULL },
	{ "memory_forms", 0, memory_forms, NULL },
	{ "exit_fields", 0, exit_fields, NULL },
};

const struct test_group group_vmx_fields = { "vmx_fields", tests, ARRAY_SIZE(tests), false };
