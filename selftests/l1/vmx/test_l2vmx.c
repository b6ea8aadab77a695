// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMX instructions that L2 executes: each exits, at any CPL, with its instruction
 * information and its displacement in the exit qualification (SDM volume 3,
 * "Basic VM-Exit Information", "Information for VM Exits Due to Instruction Execution").
 */
#include "vmx/info.h"

VL2_ASM(v_vmclear, "vmclear (%rbx)");
VL2_ASM(v_vmclear_sib, "vmclear 0x1234(%rbx,%rcx,4)");
VL2_ASM(v_vmclear_a32, "vmclear (%ebx)");
VL2_ASM(v_vmptrld_stack, "vmptrld -8(%rbp)");
VL2_ASM(v_vmptrld_rsp, "vmptrld 0x10(%rsp)");
VL2_ASM(v_vmptrld_rip, "vmptrld v_here+0x40(%rip); v_here:");
extern const char v_here[];
VL2_ASM(v_vmptrst, "vmptrst %fs:0x10(%r12,%r9,8)");
VL2_ASM(v_vmptrst_gs, "vmptrst %gs:(%rax)");
VL2_ASM(v_vmxon_abs, "vmxon 0x100");
VL2_ASM(v_vmxon_index, "vmxon -0x80000000(,%r10,2)");
VL2_ASM(v_vmread_reg, "vmread %rcx,%rdx");
VL2_ASM(v_vmread_ext, "vmread %r15,%r8");
VL2_ASM(v_vmread_mem, "vmread %r10,8(%rax)");
VL2_ASM(v_vmwrite_reg, "vmwrite %rdx,%rcx");
VL2_ASM(v_vmwrite_mem, "vmwrite -0x10(%rsi,%rdi,1),%r11");
VL2_ASM(v_invept, "invept (%rax),%rdi");
VL2_ASM(v_invept_ext, "invept 0x7f(%r13),%r14");
VL2_ASM(v_invvpid, "invvpid 0x20(%rdx,%rbp,2),%r9");
VL2_ASM(v_vmlaunch, "vmlaunch");
VL2_ASM(v_vmresume, "vmresume");
VL2_ASM(v_vmxoff, "vmxoff");
VL2_ASM(v_66_vmread, ".byte 0x66,0x0f,0x78,0xca");
VL2_ASM(v_lock_vmclear, ".byte 0xf0,0x66,0x0f,0xc7,0x33");

struct row {
	const char *code, *end;
	u32 reason;
	u64 info;
	bool reg2, has_info;
	u64 qual;
};

#define ROW(n, r, i, r2, q) { n, n##_end, r, i, r2, true, (u64)(long long)(q) }
static const struct row r_vmclear[] = {
	ROW(v_vmclear, R_VMCLEAR, INFO_MEM(0, A64, S_DS, G_NONE, G_RBX, G_NONE), false, 0),
	ROW(v_vmclear_sib, R_VMCLEAR, INFO_MEM(2, A64, S_DS, G_RCX, G_RBX, G_NONE), false, 0x1234),
	ROW(v_vmclear_a32, R_VMCLEAR, INFO_MEM(0, A32, S_DS, G_NONE, G_RBX, G_NONE), false, 0),
};
static const struct row r_vmptrld[] = {
	ROW(v_vmptrld_stack, R_VMPTRLD, INFO_MEM(0, A64, S_SS, G_NONE, G_RBP, G_NONE), false, -8),
	ROW(v_vmptrld_rsp, R_VMPTRLD, INFO_MEM(0, A64, S_SS, G_NONE, G_RSP, G_NONE), false, 0x10),
	ROW(v_vmptrld_rip, R_VMPTRLD, INFO_MEM(0, A64, S_DS, G_NONE, G_NONE, G_NONE), false, -1),
};
static const struct row r_vmptrst[] = {
	ROW(v_vmptrst, R_VMPTRST, INFO_MEM(3, A64, S_FS, G_R9, G_R12, G_NONE), false, 0x10),
	ROW(v_vmptrst_gs, R_VMPTRST, INFO_MEM(0, A64, S_GS, G_NONE, G_RAX, G_NONE), false, 0),
};
static const struct row r_vmxon[] = {
	ROW(v_vmxon_abs, R_VMXON, INFO_MEM(0, A64, S_DS, G_NONE, G_NONE, G_NONE), false, 0x100),
	ROW(v_vmxon_index, R_VMXON, INFO_MEM(1, A64, S_DS, G_R10, G_NONE, G_NONE), false,
	    -0x80000000ll),
};
static const struct row r_vmread[] = {
	ROW(v_vmread_reg, R_VMREAD, INFO_REG(G_RDX, G_RCX), true, 0),
	ROW(v_vmread_ext, R_VMREAD, INFO_REG(G_R8, G_R15), true, 0),
	ROW(v_vmread_mem, R_VMREAD, INFO_MEM(0, A64, S_DS, G_NONE, G_RAX, G_R10), true, 8),
};
static const struct row r_vmwrite[] = {
	ROW(v_vmwrite_reg, R_VMWRITE, INFO_REG(G_RDX, G_RCX), true, 0),
	ROW(v_vmwrite_mem, R_VMWRITE, INFO_MEM(0, A64, S_DS, G_RDI, G_RSI, G_R11), true, -0x10),
};
static const struct row r_invept[] = {
	ROW(v_invept, R_INVEPT, INFO_MEM(0, A64, S_DS, G_NONE, G_RAX, G_RDI), true, 0),
	ROW(v_invept_ext, R_INVEPT, INFO_MEM(0, A64, S_DS, G_NONE, G_R13, G_R14), true, 0x7f),
};
static const struct row r_invvpid[] = {
	ROW(v_invvpid, R_INVVPID, INFO_MEM(1, A64, S_DS, G_RBP, G_RDX, G_R9), true, 0x20),
};
#define BARE(n, r) { n, n##_end, r, 0, false, false, 0 }
static const struct row r_bare[] = {
	BARE(v_vmlaunch, R_VMLAUNCH), BARE(v_vmresume, R_VMRESUME), BARE(v_vmxoff, R_VMXOFF),
};

static void one(const struct row *r, bool user)
{
	u64 qual = r->code == v_vmptrld_rip ? (u64)v_here + 0x40 : r->qual;
	u32 info, mask;
	struct vl2 l2;

	vl2_init_at(&l2, r->code);
	if (user)
		vl2_set_user(&l2);
	if (!vl2_expect(&l2, r->reason))
		return;
	CHECK_EQ(vr(GUEST_RIP), r->code);
	CHECK_EQ(vr(EXIT_LEN), r->end - r->code);
	if (!(r->info & BIT(10)) || !t_departs("register_qual"))
		CHECK_EQ(vr(EXIT_QUAL), qual);
	if (!r->has_info)
		return;
	info = vr(EXIT_INSN_INFO);
	mask = info_mask(r->info, r->reg2);
	if ((info ^ r->info) & mask)
		FAIL("instruction information %x, expected %x in bits %x", info & mask,
		     (u32)r->info & mask, mask);
}

struct rows { const struct row *r; u32 nr; };

static void in_l2(const void *arg)
{
	const struct rows *rows = arg;
	u64 mark = mem_mark();
	u32 i;

	for (i = 0; i < rows->nr * 2; i++) {
		one(&rows->r[i / 2], i & 1);
		vmcs_forget_all();
		mem_reset(mark);
	}
}

/* An invalid encoding is #UD, not an exit. */
static void no_insn(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, v_66_vmread);
	vl2_expect_trap(&l2, V_UD, NULL);
	vl2_init_at(&l2, v_lock_vmclear);
	vl2_expect_trap(&l2, V_UD, NULL);
}

/* In compatibility mode and in real mode they are #UD as well. */
static void compat(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, v_vmxoff);
	vl2_seg(S_CS, SEL_CS32, 0xc09b, ~0u, 0);
	vl2_expect_trap(&l2, V_UD, NULL);
	vl2_init_at(&l2, v_vmread_reg);
	vl2_seg(S_CS, SEL_CS32, 0xc09b, ~0u, 0);
	vl2_expect_trap(&l2, V_UD, NULL);
}

#define ROWS(n) static const struct rows all_##n = { r_##n, ARRAY_SIZE(r_##n) }
ROWS(vmclear);
ROWS(vmptrld);
ROWS(vmptrst);
ROWS(vmxon);
ROWS(vmread);
ROWS(vmwrite);
ROWS(invept);
ROWS(invvpid);
ROWS(bare);

static const struct l1_test tests[] = {
	{ "vmclear", 0, in_l2, &all_vmclear },
	{ "vmptrld", 0, in_l2, &all_vmptrld },
	{ "vmptrst", 0, in_l2, &all_vmptrst },
	{ "vmxon", 0, in_l2, &all_vmxon },
	{ "vmread", 0, in_l2, &all_vmread },
	{ "vmwrite", 0, in_l2, &all_vmwrite },
	{ "invept", VF_EPT, in_l2, &all_invept },
	{ "invvpid", VF_VPID, in_l2, &all_invvpid },
	{ "vmlaunch_vmresume_vmxoff", 0, in_l2, &all_bare },
	{ "no_instruction", 0, no_insn, NULL },
	{ "compatibility_mode", 0, compat, NULL },
};

const struct test_group group_vmx_l2vmx = { "vmx_l2vmx", tests, ARRAY_SIZE(tests), false };
