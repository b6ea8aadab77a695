// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMX instructions in real mode: #UD, outside VMX operation with CR4.VMXE set and
 * clear (inside it PE cannot be cleared, which test_fault.c has).
 */
#include "vmx/vmx.h"
#include "vmx/real.h"

extern u8 real_blob[], real_blob_end[], real_slot[], real_h6[], real_h13[];
u64 real_enter(void);

/* 16-bit code, memory operands at (%bx) */
static const struct { const char *name; u8 len, code[5]; } insns[] = {
	{ "vmxon", 4, { 0xf3, 0x0f, 0xc7, 0x37 } },
	{ "vmclear", 4, { 0x66, 0x0f, 0xc7, 0x37 } },
	{ "vmptrld", 3, { 0x0f, 0xc7, 0x37 } },
	{ "vmptrst", 3, { 0x0f, 0xc7, 0x3f } },
	{ "vmread", 3, { 0x0f, 0x78, 0xca } },
	{ "vmwrite", 3, { 0x0f, 0x79, 0xca } },
	{ "vmlaunch", 3, { 0x0f, 0x01, 0xc2 } },
	{ "vmresume", 3, { 0x0f, 0x01, 0xc3 } },
	{ "vmxoff", 3, { 0x0f, 0x01, 0xc4 } },
	{ "vmfunc", 3, { 0x0f, 0x01, 0xd4 } },
	{ "invept", 5, { 0x66, 0x0f, 0x38, 0x80, 0x0f } },
	{ "invvpid", 5, { 0x66, 0x0f, 0x38, 0x81, 0x0f } },
};

/* The vector it raises in real mode, or -1 */
static int in_real_mode(const u8 *code, u32 len)
{
	u32 *ivt = (u32 *)0ull, old6, old13;
	u8 *slot = (u8 *)(u64)REAL_BASE + (real_slot - real_blob);
	u64 r;

	/* The compiler need not know that address 0 is memory. */
	__asm__("" : "+r"(ivt));
	memcpy((void *)(u64)REAL_BASE, real_blob, real_blob_end - real_blob);
	memcpy(slot, code, len);
	old6 = ivt[V_UD];
	old13 = ivt[V_GP];
	ivt[V_UD] = (REAL_BASE >> 4) << 16 | (u32)(real_h6 - real_blob);
	ivt[V_GP] = (REAL_BASE >> 4) << 16 | (u32)(real_h13 - real_blob);
	r = real_enter();
	ivt[V_UD] = old6;
	ivt[V_GP] = old13;
	return (int)r - 1;
}

static void real_mode(const void *arg)
{
	static const u8 nop[] = { 0x90 }, ud2[] = { 0x0f, 0x0b };
	u32 i;

	vmcs_forget_all();
	vmx_off();
	if (arg)
		write_cr4(read_cr4() & ~CR4_VMXE);
	CHECK_EQ(in_real_mode(nop, 1), -1);
	CHECK_EQ(in_real_mode(ud2, 2), V_UD);
	for (i = 0; i < ARRAY_SIZE(insns); i++) {
		int vec = in_real_mode(insns[i].code, insns[i].len);

		if (vec != V_UD)
			FAIL("%s in real mode: %d, expected #UD", insns[i].name, vec);
	}
}

static const struct l1_test tests[] = {
	{ "vmxe_on", 0, real_mode, (void *)0 },
	{ "vmxe_off", 0, real_mode, (void *)1 },
};

const struct test_group group_vmx_real = { "vmx_real", tests, ARRAY_SIZE(tests), false };
