// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses of descriptor-table registers, and VMCS shadowing (SDM volume 3,
 * "Instruction-Information Field", "VMCS Shadowing Bitmap Addresses", "VMREAD").
 */
#include "vmx/info.h"

VL2_ASM(d_sgdt, "sgdt 0x40(%rbx)");
VL2_ASM(d_sidt, "sidt (%rbx,%rcx,8)");
VL2_ASM(d_lgdt, "lgdt (%r14)");
VL2_ASM(d_lidt, "lidt -0x10(%r15)");
VL2_ASM(d_sldt_reg, "sldt %esi");
VL2_ASM(d_sldt_mem, "sldt 2(%rbx)");
VL2_ASM(d_str_reg, "str %r9d");
VL2_ASM(d_lldt_reg, "lldt %di");
VL2_ASM(d_lldt_mem, "lldt (%rbx)");
VL2_ASM(d_ltr_reg, "ltr %r11w");

struct row {
	const char *code, *end;
	u32 reason, id;
	u64 info, qual;
	u8 cpl3;	/* vector at CPL 3, 0: exits */
};

#define ROW(n, r, id, i, q, c3) { n, n##_end, r, id, i, (u64)(long long)(q), c3 }
static const struct row rows[] = {
	ROW(d_sgdt, R_GDTR_IDTR, 0, INFO_MEM(0, A64, S_DS, G_NONE, G_RBX, G_NONE), 0x40, 0),
	ROW(d_sidt, R_GDTR_IDTR, 1, INFO_MEM(3, A64, S_DS, G_RCX, G_RBX, G_NONE), 0, 0),
	ROW(d_lgdt, R_GDTR_IDTR, 2, INFO_MEM(0, A64, S_DS, G_NONE, G_R14, G_NONE), 0, V_GP),
	ROW(d_lidt, R_GDTR_IDTR, 3, INFO_MEM(0, A64, S_DS, G_NONE, G_R15, G_NONE), -0x10, V_GP),
	ROW(d_sldt_reg, R_LDTR_TR, 0, INFO_REG(G_RSI, G_NONE), 0, 0),
	ROW(d_sldt_mem, R_LDTR_TR, 0, INFO_MEM(0, A64, S_DS, G_NONE, G_RBX, G_NONE), 2, 0),
	ROW(d_str_reg, R_LDTR_TR, 1, INFO_REG(G_R9, G_NONE), 0, 0),
	ROW(d_lldt_reg, R_LDTR_TR, 2, INFO_REG(G_RDI, G_NONE), 0, V_GP),
	ROW(d_lldt_mem, R_LDTR_TR, 2, INFO_MEM(0, A64, S_DS, G_NONE, G_RBX, G_NONE), 0, V_GP),
	ROW(d_ltr_reg, R_LDTR_TR, 3, INFO_REG(G_R11, G_NONE), 0, V_GP),
};

static void start(struct vl2 *l2, const struct row *r, bool exiting)
{
	vl2_init_at(l2, r->code);
	l2->rbx = (u64)alloc_page();
	l2->rcx = 1;
	ctl_set(CTRL_PROC, PROC_SECONDARY);
	if (exiting)
		ctl_set(CTRL_PROC2, PROC2_DESC);
	else
		ctl_clear(CTRL_PROC2, PROC2_DESC);
}

static void tables(const void *arg)
{
	u64 mark = mem_mark();
	struct vl2 l2;
	u32 i, info, mask;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		start(&l2, r, true);
		if (vl2_expect(&l2, r->reason)) {
			CHECK_EQ(vr(GUEST_RIP), r->code);
			CHECK_EQ(vr(EXIT_LEN), r->end - r->code);
			if (!(r->info & BIT(10)) || !t_departs("register_qual"))
				CHECK_EQ(vr(EXIT_QUAL), r->qual);
			info = vr(EXIT_INSN_INFO);
			mask = info_mask(r->info, false) | 3 << 28;
			if ((info ^ (r->info | r->id << 28)) & mask)
				FAIL("row %u: instruction information %x, expected %x in %x", i, info,
				     (u32)r->info | r->id << 28, mask);
		}
		start(&l2, r, true);
		vl2_set_user(&l2);
		if (r->cpl3)
			vl2_expect_trap(&l2, r->cpl3, NULL);
		else
			vl2_expect(&l2, r->reason);
		vmcs_forget_all();
		mem_reset(mark);
	}
}

/* Without the control the stores run. */
static void off(const void *arg)
{
	struct vl2 l2;

	start(&l2, &rows[0], false);
	if (vl2_expect_done(&l2))
		CHECK_EQ(*(u64 *)(l2.rbx + 0x42), vr(GUEST_GDTR_BASE));
	start(&l2, &rows[6], false);
	if (vl2_expect_done(&l2))
		CHECK_EQ((u16)l2.r9, SEL_TSS);
}

/* ---- VMCS shadowing ---- */

VL2_ASM(d_vmread, "stc; vmread %rcx,%rdx; pushfq; popq %rsi");
VL2_ASM(d_vmread_mem, "vmread %rcx,(%rbx)");
VL2_ASM(d_vmwrite, "stc; vmwrite %rdx,%rcx; pushfq; popq %rsi");

struct sh { u8 *rd, *wr; u64 vmcs; };

/* A shadow VMCS with one field set, linked; both bitmaps let everything through. */
static void shadow(struct vl2 *l2, struct sh *s, const char *code)
{
	s->vmcs = vmcs_new();
	*(u32 *)s->vmcs |= BIT(31);
	if (vmptrld(&s->vmcs) != VM_OK)
		FAIL("VMPTRLD of a shadow VMCS failed");
	vw(GUEST_RSP, 0x1234567890ull);
	vw(GUEST_CS_SEL, 0x55);
	CHECK_EQ(vmclear(&s->vmcs), VM_OK);
	vl2_init_at(l2, code);
	s->rd = alloc_page();
	s->wr = alloc_page();
	ctl_set(CTRL_PROC, PROC_SECONDARY);
	ctl_set(CTRL_PROC2, PROC2_SHADOW_VMCS);
	vw(CTRL_VMREAD_BITMAP, (u64)s->rd);
	vw(CTRL_VMWRITE_BITMAP, (u64)s->wr);
	vw(GUEST_LINK, s->vmcs);
	l2->rcx = GUEST_RSP;
	l2->rbx = (u64)alloc_page();
}

static void shadow_read(const void *arg)
{
	struct vl2 l2;
	struct sh s;

	shadow(&l2, &s, d_vmread);
	if (vl2_expect_done(&l2)) {
		CHECK_EQ(l2.rdx, 0x1234567890ull);
		CHECK_EQ(l2.rsi & FL_ARITH, 0);
	}
	shadow(&l2, &s, d_vmread_mem);
	l2.rcx = GUEST_CS_SEL;
	if (vl2_expect_done(&l2))
		CHECK_EQ(*(u64 *)l2.rbx, 0x55);
	/* The bit of the field makes it exit, its neighbour's does not. */
	shadow(&l2, &s, d_vmread);
	s.rd[GUEST_RSP / 8] = 1 << GUEST_RSP % 8;
	if (vl2_expect(&l2, R_VMREAD))
		CHECK_EQ(vr(GUEST_RIP), d_vmread + 1);
	shadow(&l2, &s, d_vmread);
	memset(s.rd, 0xff, PAGE_SIZE);
	s.rd[GUEST_RSP / 8] = ~(1 << GUEST_RSP % 8);
	vl2_expect_done(&l2);
	/* Encodings of more than 15 bits exit always. */
	shadow(&l2, &s, d_vmread);
	l2.rcx = GUEST_RSP | BIT(15);
	vl2_expect(&l2, R_VMREAD);
	/* No such field: VMfailValid */
	shadow(&l2, &s, d_vmread);
	l2.rcx = 0x7ffe;
	if (vl2_expect_done(&l2))
		CHECK_EQ(l2.rsi & FL_ARITH, FL_ZF);
}

static void shadow_write(const void *arg)
{
	struct vl2 l2;
	struct sh s;

	shadow(&l2, &s, d_vmwrite);
	l2.rdx = 0xabcdef;
	if (vl2_expect_done(&l2)) {
		CHECK_EQ(l2.rsi & FL_ARITH, 0);
		CHECK_EQ(vmclear(&l2.vmcs), VM_OK);
		CHECK_EQ(vmclear(&s.vmcs), VM_OK);
		CHECK_EQ(vmptrld(&s.vmcs), VM_OK);
		CHECK_EQ(vr(GUEST_RSP), 0xabcdef);
	}
	shadow(&l2, &s, d_vmwrite);
	s.wr[GUEST_RSP / 8] = 1 << GUEST_RSP % 8;
	vl2_expect(&l2, R_VMWRITE);
	/* The two bitmaps are two. */
	shadow(&l2, &s, d_vmwrite);
	memset(s.rd, 0xff, PAGE_SIZE);
	vl2_expect_done(&l2);
}

static void shadow_no_link(const void *arg)
{
	struct vl2 l2;
	struct sh s;

	shadow(&l2, &s, d_vmread);
	vw(GUEST_LINK, ~0ull);
	if (vl2_expect_done(&l2))
		CHECK_EQ(l2.rsi & FL_ARITH, FL_CF);
}

/* At CPL 3: the exit comes first, and what does not exit is #GP. */
static void shadow_cpl3(const void *arg)
{
	struct vl2 l2;
	struct sh s;

	shadow(&l2, &s, d_vmread);
	vl2_set_user(&l2);
	vl2_expect_trap(&l2, V_GP, NULL);
	shadow(&l2, &s, d_vmread);
	vl2_set_user(&l2);
	memset(s.rd, 0xff, PAGE_SIZE);
	vl2_expect(&l2, R_VMREAD);
}

static const struct l1_test tests[] = {
	{ "descriptor_tables", VF_DESC, tables, NULL },
	{ "descriptor_tables_off", VF_DESC, off, NULL },
	{ "shadow_vmread", VF_SHADOW, shadow_read, NULL },
	{ "shadow_vmwrite", VF_SHADOW, shadow_write, NULL },
	{ "shadow_no_link", VF_SHADOW, shadow_no_link, NULL },
	{ "shadow_cpl3", VF_SHADOW, shadow_cpl3, NULL },
};

const struct test_group group_vmx_desc = { "vmx_desc", tests, ARRAY_SIZE(tests), false };
