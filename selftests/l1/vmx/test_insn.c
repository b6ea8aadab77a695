// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMX instructions in VMX root operation: what they do, and each VM-instruction
 * error number (SDM volume 3, "VMX Instruction Reference"). Exceptions are in
 * test_fault.c, VMREAD and VMWRITE in test_fields.c.
 */
#include "vmx/vmx.h"

#define NO_VMCS	(~0ull)

static void no_current(void)
{
	u64 cur = 0;

	vmptrst(&cur);
	if (cur != NO_VMCS && vmclear(&cur) != VM_OK)
		FAIL("VMCLEAR of the current VMCS failed");
}

static u64 current(void)
{
	u64 cur = 0x55;

	CHECK_EQ(vmptrst(&cur), VM_OK);
	return cur;
}

/* VMfail: with an error number if there is a current VMCS, else without. */
static void check_fail(enum vm_status s, u32 error, const char *what)
{
	bool valid = current() != NO_VMCS;

	if (s != (valid ? VM_FAIL_VALID : VM_FAIL_INVALID))
		FAIL("%s: status %u, expected VMfail%s", what, s, valid ? "Valid" : "Invalid");
	else if (valid && insn_error() != error)
		FAIL("%s: error %u, expected %u", what, insn_error(), error);
}

/* Both ways of VMfail of one call. */
#define CHECK_FAIL(call, err)						\
	do {								\
		u64 vmcs_ = vmcs_new();					\
									\
		no_current();						\
		check_fail(call, err, #call);				\
		CHECK_EQ(current(), NO_VMCS);				\
		CHECK_EQ(vmptrld(&vmcs_), VM_OK);			\
		check_fail(call, err, #call);				\
		CHECK_EQ(current(), vmcs_);				\
		vmcs_drop(vmcs_);			\
	} while (0)

/* Physical-address bits that an operand must leave clear. */
static u32 first_bad_bit(void)
{
	return caps.basic & BIT(48) ? 32 : maxphys;
}

static void fn_store(void *arg)
{
	*(volatile u64 *)arg = 0x1234;
}

/* ---- launch and resume ---- */

static void launch_basic(const void *arg)
{
	volatile u64 word = 0;
	struct vl2 l2;

	vl2_init(&l2, fn_store, (void *)&word);
	if (!vl2_expect_done(&l2))
		return;
	CHECK_EQ(word, 0x1234);
	CHECK_EQ(vr(GUEST_RIP), l2_done);
	CHECK_EQ(vr(EXIT_LEN), 3);
	CHECK_EQ(vr(EXIT_QUAL), 0);
	CHECK_EQ(vr(IDT_INFO) & EV_ON, 0);
	CHECK_EQ(vr(EXIT_INTR_INFO) & EV_ON, 0);
	CHECK_EQ(vr(GUEST_CS_AR), 0xa09b);
}

VL2_ASM(in_gprs,
	"incq %rax; incq %rbx; incq %rcx; incq %rdx; incq %rsi; incq %rdi; incq %rbp\n"
	"incq %r8; incq %r9; incq %r10; incq %r11; incq %r12; incq %r13; incq %r14; incq %r15");

static void launch_gprs(const void *arg)
{
	struct vl2 l2;
	u64 *g, i;
	int round;

	vl2_init_at(&l2, in_gprs);
	for (round = 0; round < 2; round++) {
		for (g = &l2.rax, i = 1; g <= &l2.r15; g++, i++)
			*g = i << 56 | 0xffffffff;
		vw(GUEST_RIP, (u64)in_gprs);
		if (!vl2_expect_done(&l2))
			return;
		for (g = &l2.rax, i = 1; g <= &l2.r15; g++, i++)
			CHECK_EQ(*g, i << 56 | 0x100000000ull);
	}
}

static void resume_loop(const void *arg)
{
	struct vl2 l2;
	int i;

	vl2_init_at(&l2, l2_done);
	for (i = 0; i < 2000 && !t_failed(); i++) {
		vw(GUEST_RIP, (u64)l2_done);
		vl2_expect(&l2, R_VMCALL);
	}
}

static void launch_state(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, l2_done);
	/* Clear: only VMLAUNCH. */
	l2.launched = 1;
	vl2_expect_error(&l2, E_RESUME_NOT_LAUNCHED);
	l2.launched = 0;
	vl2_expect_done(&l2);
	/* Launched: only VMRESUME. */
	l2.launched = 0;
	vl2_expect_error(&l2, E_LAUNCH_NOT_CLEAR);
	l2.launched = 1;
	vl2_expect_done(&l2);
	/* VMPTRLD leaves the state alone, VMCLEAR sets it to clear. */
	CHECK_EQ(vmptrld(&l2.vmcs), VM_OK);
	vl2_expect_done(&l2);
	CHECK_EQ(vmclear(&l2.vmcs), VM_OK);
	CHECK_EQ(vmptrld(&l2.vmcs), VM_OK);
	vl2_expect_error(&l2, E_RESUME_NOT_LAUNCHED);
	l2.launched = 0;
	vl2_expect_done(&l2);
}

static void launch_no_vmcs(const void *arg)
{
	u64 fl_;

	no_current();
	VM_ASM("vmlaunch");
	CHECK_EQ(vm_status(fl_), VM_FAIL_INVALID);
	VM_ASM("vmresume");
	CHECK_EQ(vm_status(fl_), VM_FAIL_INVALID);
}

/* Blocking by MOV SS comes before everything else that VMfailValid tells. */
static void launch_mov_ss(const void *arg)
{
	struct vl2 l2;
	u64 fl_;

	vl2_init_at(&l2, l2_done);
	VM_ASM("mov %[ss],%%ss; vmlaunch", [ss] "r"(SEL_DS));
	CHECK_EQ(vm_status(fl_), VM_FAIL_VALID);
	CHECK_EQ(insn_error(), E_MOV_SS);
	VM_ASM("mov %[ss],%%ss; vmresume", [ss] "r"(SEL_DS));
	CHECK_EQ(vm_status(fl_), VM_FAIL_VALID);
	CHECK_EQ(insn_error(), E_MOV_SS);
	vl2_expect_done(&l2);
}

/* Several VMCSs, each with its own launch state and contents. */
static void many_vmcs(const void *arg)
{
	struct vl2 l2[4];
	int i, round;

	for (i = 0; i < 4; i++) {
		vl2_init_at(&l2[i], in_gprs);
		l2[i].rbx = i * 100;
	}
	for (round = 1; round < 4; round++)
		for (i = 0; i < 4; i++) {
			CHECK_EQ(vmptrld(&l2[i].vmcs), VM_OK);
			vw(GUEST_RIP, (u64)in_gprs);
			vl2_expect_done(&l2[i]);
			CHECK_EQ(l2[i].rbx, i * 100 + round);
			CHECK_EQ(vr(GUEST_RIP), in_gprs_end);
		}
}

/* ---- VMXON and VMXOFF ---- */

/* The operand is not looked at. */
static void vmxon_root(const void *arg)
{
	u64 pa = (u64)this_cpu()->vmxon, bad = pa + 1;

	CHECK_FAIL(vmxon(&pa), E_VMXON_ROOT);
	CHECK_FAIL(vmxon(&bad), E_VMXON_ROOT);
}

static void vmxon_operand(const void *arg)
{
	u64 good = (u64)this_cpu()->vmxon, pa;
	u32 bit;

	vmx_off();
	for (bit = 0; bit < 12; bit++) {
		pa = good | BIT(bit);
		CHECK_EQ(vmxon(&pa), VM_FAIL_INVALID);
	}
	for (bit = first_bad_bit(); bit < 64; bit++) {
		pa = good | BIT(bit);
		if (vmxon(&pa) != VM_FAIL_INVALID)
			FAIL("VMXON took address bit %u", bit);
	}
	for (bit = 0; bit < 32; bit++) {
		*(u32 *)good ^= BIT(bit);
		if (vmxon(&good) != VM_FAIL_INVALID)
			FAIL("VMXON took revision bit %u", bit);
		*(u32 *)good ^= BIT(bit);
	}
	CHECK_EQ(vmxon(&good), VM_OK);
	CHECK_EQ(current(), NO_VMCS);
}

/* VMXOFF and VMXON leave no VMCS current; a VMCS that was cleared is still good. */
static void vmxoff_on(const void *arg)
{
	void *region = this_cpu()->vmxon;
	struct vl2 l2;

	vl2_init_at(&l2, l2_done);
	vl2_expect_done(&l2);
	CHECK_EQ(vmclear(&l2.vmcs), VM_OK);
	CHECK_EQ(vmxoff(), VM_OK);
	CHECK(vmx_on());
	CHECK_EQ(current(), NO_VMCS);
	CHECK_EQ(vmptrld(&l2.vmcs), VM_OK);
	l2.launched = 0;
	vl2_expect_done(&l2);
	/* Another VMXON region */
	CHECK_EQ(vmclear(&l2.vmcs), VM_OK);
	CHECK_EQ(vmxoff(), VM_OK);
	this_cpu()->vmxon = alloc_page();
	CHECK(vmx_on());
	l2.launched = 0;
	vl2_expect_done(&l2);
	CHECK_EQ(vmclear(&l2.vmcs), VM_OK);
	CHECK_EQ(vmxoff(), VM_OK);
	this_cpu()->vmxon = region;
	CHECK(vmx_on());
}

/* ---- VMCLEAR, VMPTRLD, VMPTRST ---- */

static void vmclear_vmcs(const void *arg)
{
	u64 a = vmcs_new(), b = vmcs_new(), never = (u64)alloc_page();

	CHECK_EQ(vmptrld(&a), VM_OK);
	CHECK_EQ(current(), a);
	/* Another one: a stays current. */
	CHECK_EQ(vmclear(&b), VM_OK);
	CHECK_EQ(current(), a);
	CHECK_EQ(vmclear(&a), VM_OK);
	CHECK_EQ(current(), NO_VMCS);
	CHECK_EQ(vmclear(&a), VM_OK);
	/* VMCLEAR does not look at the revision identifier. */
	*(u32 *)never = ~0u;
	CHECK_EQ(vmclear(&never), VM_OK);
}

static void vmclear_errors(const void *arg)
{
	u64 page = (u64)alloc_page(), on = (u64)this_cpu()->vmxon, pa;
	u32 bit;

	for (bit = 0; bit < 12; bit++) {
		pa = page | BIT(bit);
		CHECK_FAIL(vmclear(&pa), E_VMCLEAR_ADDR);
	}
	for (bit = first_bad_bit(); bit < 64; bit++) {
		pa = page | BIT(bit);
		CHECK_FAIL(vmclear(&pa), E_VMCLEAR_ADDR);
	}
	CHECK_FAIL(vmclear(&on), E_VMCLEAR_VMXON);
}

static void vmptrld_vmcs(const void *arg)
{
	u64 a = vmcs_new(), b = vmcs_new();

	no_current();
	CHECK_EQ(current(), NO_VMCS);
	CHECK_EQ(vmptrld(&a), VM_OK);
	CHECK_EQ(current(), a);
	CHECK_EQ(vmptrld(&a), VM_OK);
	CHECK_EQ(vmptrld(&b), VM_OK);
	CHECK_EQ(current(), b);
}

static void vmptrld_errors(const void *arg)
{
	u64 page = vmcs_new(), on = (u64)this_cpu()->vmxon, pa;
	u32 bit;

	for (bit = 0; bit < 12; bit++) {
		pa = page | BIT(bit);
		CHECK_FAIL(vmptrld(&pa), E_VMPTRLD_ADDR);
	}
	for (bit = first_bad_bit(); bit < 64; bit++) {
		pa = page | BIT(bit);
		CHECK_FAIL(vmptrld(&pa), E_VMPTRLD_ADDR);
	}
	CHECK_FAIL(vmptrld(&on), E_VMPTRLD_VMXON);
	for (bit = 0; bit < 32; bit++) {
		/* The shadow-VMCS indicator is wrong only where there are none. */
		if (bit == 31 && cpu_features & VF_SHADOW)
			continue;
		*(u32 *)page ^= BIT(bit);
		CHECK_FAIL(vmptrld(&page), E_VMPTRLD_REVISION);
		*(u32 *)page ^= BIT(bit);
	}
}

/* A pointer to where no RAM is: L1 goes on, with VMfail or without. */
static void vmcs_no_ram(const void *arg)
{
	static const u64 where[] = { 0xe0000000, 0xfec00000, 0xfed00000 };
	u64 pa, good = vmcs_new();
	enum vm_status s;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(where); i++) {
		if (i && t_departs("device"))
			break;
		pa = where[i];
		CHECK_EQ(vmptrld(&good), VM_OK);
		CHECK_EQ(vmptrld(&pa), VM_FAIL_VALID);
		CHECK_EQ(insn_error(), E_VMPTRLD_REVISION);
		s = vmclear(&pa);
		CHECK(s == VM_OK || s == VM_FAIL_VALID);
	}
}

/* The shadow-VMCS indicator: such a VMCS can be current but not be entered. */
static void shadow_vmcs(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, l2_done);
	CHECK_EQ(vmclear(&l2.vmcs), VM_OK);
	*(u32 *)l2.vmcs |= BIT(31);
	CHECK_EQ(vmptrld(&l2.vmcs), VM_OK);
	CHECK_EQ(vr(GUEST_RIP), l2_done);
	vl2_run(&l2);
	CHECK_EQ(vm_status(l2.flags), VM_FAIL_INVALID);
	CHECK_EQ(vmclear(&l2.vmcs), VM_OK);
	*(u32 *)l2.vmcs &= ~BIT(31);
	vl2_expect_done(&l2);
}

/* ---- invalidation ---- */

static void invept_types(const void *arg)
{
	struct inv_desc d = { { eptp_of(ept_default()), 0 } };
	u64 type;

	if (cpu_features & VF_INVEPT1)
		CHECK_EQ(invept(1, &d), VM_OK);
	if (cpu_features & VF_INVEPTALL) {
		CHECK_EQ(invept(2, &d), VM_OK);
		/* All contexts: the descriptor does not matter. */
		d.w[0] = ~0ull;
		CHECK_EQ(invept(2, &d), VM_OK);
	}
	d.w[0] = eptp_of(ept_default());
	for (type = 0; type < 64; type++)
		if (type != 1 && type != 2)
			CHECK_FAIL(invept(type, &d), E_INVALIDATE);
	if (t_departs("high_bits"))
		return;
	CHECK_FAIL(invept(1 | BIT(32), &d), E_INVALIDATE);
	CHECK_FAIL(invept(1 | BIT(63), &d), E_INVALIDATE);
}

static void invept_bad_eptp(const void *arg)
{
	u64 good = eptp_of(ept_default());
	struct inv_desc d = { { 0, 0 } };
	u32 i;

	CHECK_FAIL(invept(1, &d), E_INVALIDATE);
	/* Memory type, walk length */
	for (i = 0; i < 8; i++) {
		d.w[0] = (good & ~7ull) | i;
		if (i != 6 && !(i == 0 && cpu_features & VF_EPTUC))
			CHECK_FAIL(invept(1, &d), E_INVALIDATE);
		d.w[0] = (good & ~0x38ull) | i << 3;
		if (i != 3 && i != 4)
			CHECK_FAIL(invept(1, &d), E_INVALIDATE);
	}
	for (i = 8; i < 12; i++) {
		d.w[0] = good | BIT(i);
		CHECK_FAIL(invept(1, &d), E_INVALIDATE);
	}
	for (i = maxphys; i < 64; i++) {
		d.w[0] = good | BIT(i);
		CHECK_FAIL(invept(1, &d), E_INVALIDATE);
	}
	if (!(cpu_features & VF_EPTAD)) {
		d.w[0] = good | EPTP_AD;
		CHECK_FAIL(invept(1, &d), E_INVALIDATE);
	}
}

static void invvpid_types(const void *arg)
{
	struct inv_desc d = { { 1, 0x1000 } };
	u64 type;
	u32 bit;

	for (type = 0; type < 4; type++)
		CHECK_EQ(invvpid(type, &d), VM_OK);
	for (type = 4; type < 64; type++)
		CHECK_FAIL(invvpid(type, &d), E_INVALIDATE);
	if (!t_departs("high_bits"))
		CHECK_FAIL(invvpid(1 | BIT(32), &d), E_INVALIDATE);
	/* VPID 0 is the host's; all contexts need none. */
	d.w[0] = 0;
	CHECK_FAIL(invvpid(0, &d), E_INVALIDATE);
	CHECK_FAIL(invvpid(1, &d), E_INVALIDATE);
	CHECK_FAIL(invvpid(3, &d), E_INVALIDATE);
	CHECK_EQ(invvpid(2, &d), VM_OK);
	for (bit = 16; bit < 64; bit++) {
		d.w[0] = 1 | BIT(bit);
		for (type = 0; type < 4; type++)
			CHECK_FAIL(invvpid(type, &d), E_INVALIDATE);
	}
	/* Only the individual-address type looks at the address. */
	d.w[0] = 0xffff;
	d.w[1] = BIT(63);
	CHECK_FAIL(invvpid(0, &d), E_INVALIDATE);
	d.w[1] = BIT(47);
	CHECK_FAIL(invvpid(0, &d), E_INVALIDATE);
	for (type = 1; type < 4; type++)
		CHECK_EQ(invvpid(type, &d), VM_OK);
	d.w[1] = -BIT(47);
	CHECK_EQ(invvpid(0, &d), VM_OK);
}

/* ---- VMCALL ---- */

static enum vm_status vmcall(void)
{
	u64 fl_;

	VM_ASM("vmcall");
	return vm_status(fl_);
}

static void vmcall_root(const void *arg)
{
	if (t_departs("call"))
		return;
	no_current();
	CHECK_EQ(vmcall(), VM_FAIL_INVALID);
	if (!t_departs("current"))
		CHECK_FAIL(vmcall(), E_VMCALL_ROOT);
}

/*
 * VMREAD and VMWRITE of an operand that lies on two pages, and of one that is not there: of a field that a hypervisor
 * below may have in a shadow VMCS, and of one that nobody has there.
 */
struct to_write {
	u64 field;
	void *from;
};

static void vmwrite_mem(void *arg)
{
	const struct to_write *w = arg;

	__asm__ volatile("vmwrite (%0),%1" : : "r"(w->from), "r"(w->field) : "cc", "memory");
}

static void two_pages(u64 field)
{
	u8 *at = (u8 *)alloc_pages(2) + PAGE_SIZE - 4;
	struct to_write w = { field, at };
	u64 val = 0x1122334455667788ull;
	struct fault f = {};

	memcpy(at, &val, sizeof(val));
	CHECK_EQ(try_call(vmwrite_mem, &w, &f), -1);
	CHECK_EQ(vr(field), val);
	memset(at, 0, sizeof(val));
	__asm__ volatile("vmread %1,(%0)" : : "r"(at), "r"(field) : "cc", "memory");
	CHECK(!memcmp(at, &val, sizeof(val)));
	w.from = (void *)0x180000010ull;
	CHECK_EQ(try_call(vmwrite_mem, &w, &f), V_PF);
	CHECK_EQ(f.cr2, 0x180000010ull);
	CHECK_EQ(f.err, 0);
	CHECK_EQ(vr(field), val);
}

static void operand_two_pages(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, l2_done);
	two_pages(GUEST_RSP);
	two_pages(GUEST_GDTR_BASE);
}

static const struct l1_test tests[] = {
	{ "vmlaunch", 0, launch_basic, NULL },
	{ "vmlaunch_gprs", 0, launch_gprs, NULL },
	{ "vmresume_loop", 0, resume_loop, NULL },
	{ "launch_state", 0, launch_state, NULL },
	{ "launch_no_vmcs", 0, launch_no_vmcs, NULL },
	{ "launch_mov_ss", 0, launch_mov_ss, NULL },
	{ "many_vmcs", 0, many_vmcs, NULL },
	{ "vmxon_in_root", 0, vmxon_root, NULL },
	{ "vmxon_operand", 0, vmxon_operand, NULL },
	{ "vmxoff_vmxon", 0, vmxoff_on, NULL },
	{ "vmclear", 0, vmclear_vmcs, NULL },
	{ "vmclear_errors", 0, vmclear_errors, NULL },
	{ "vmptrld", 0, vmptrld_vmcs, NULL },
	{ "vmptrld_errors", 0, vmptrld_errors, NULL },
	{ "vmcs_no_ram", 0, vmcs_no_ram, NULL },
	{ "operand_two_pages", 0, operand_two_pages, NULL },
	{ "shadow_vmcs", VF_SHADOW, shadow_vmcs, NULL },
	{ "invept_types", VF_EPT | VF_INVEPT1, invept_types, NULL },
	{ "invept_bad_eptp", VF_EPT | VF_INVEPT1, invept_bad_eptp, NULL },
	{ "invvpid_types", VF_INVVPID, invvpid_types, NULL },
	{ "vmcall_root", 0, vmcall_root, NULL },
};

const struct test_group group_vmx_insn = { "vmx_insn", tests, ARRAY_SIZE(tests), false };
