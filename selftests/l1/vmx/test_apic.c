// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtual APIC: TPR shadow and threshold, virtualized APIC accesses, x2APIC mode,
 * APIC-register virtualization (SDM volume 3, "APIC Virtualization and Virtual
 * Interrupts").
 */
#include "vmx/apic_case.h"

VL2_ASM(a_to_cr8, "mov %rcx,%cr8");
VL2_ASM(a_from_cr8, "mov %cr8,%rcx");
VL2_ASM(a_read, "mov (%rbx),%ecx");
VL2_ASM(a_write, "mov %ecx,(%rbx)");
VL2_ASM(a_fetch, "jmp *%rbx");
VL2_ASM(a_rdmsr, "rdmsr; shl $32,%rdx; or %rax,%rdx");
VL2_ASM(a_wrmsr, "wrmsr");
VL2_ASM(a_nop, "nop; nop");

void va_case(struct vl2 *l2, struct va *v, const char *code, u64 proc2)
{
	vl2_init_at(l2, code);
	v->page = alloc_page();
	ctl_set(CTRL_PROC, PROC_TPR_SHADOW | PROC_SECONDARY);
	ctl_clear(CTRL_PROC, PROC_CR8_LOAD | PROC_CR8_STORE);
	ctl_set(CTRL_PROC2, proc2);
	vw(CTRL_VIRTUAL_APIC, (u64)v->page);
	vw(CTRL_TPR_THRESHOLD, 0);
	if (proc2 & PROC2_APIC_ACCESS) {
		v->access = (u64)alloc_page();
		vw(CTRL_APIC_ACCESS, v->access);
		l2->rbx = v->access;
	}
	if (proc2 & PROC2_VINTR) {
		vw(GUEST_INTR_STATUS, 0);
		vw(CTRL_EOI_0, 0);
		vw(CTRL_EOI_1, 0);
		vw(CTRL_EOI_2, 0);
		vw(CTRL_EOI_3, 0);
	}
}

/* ---- TPR shadow ---- */

static void tpr_shadow(const void *arg)
{
	struct vl2 l2;
	struct va v;

	va_case(&l2, &v, a_to_cr8, 0);
	l2.rcx = 9;
	if (vl2_expect_done(&l2)) {
		CHECK_EQ(*reg(&v, V_TPR_REG), 0x90);
		CHECK_EQ(read_cr8(), 0);
	}
	va_case(&l2, &v, a_from_cr8, 0);
	*reg(&v, V_TPR_REG) = 0x7f;
	if (vl2_expect_done(&l2))
		CHECK_EQ(l2.rcx, 7);
	/* A reserved bit of CR8 is L2's #GP. */
	va_case(&l2, &v, a_to_cr8, 0);
	l2.rcx = 0x10;
	vl2_expect_trap(&l2, V_GP, NULL);
	/* The CR8 exits come before the shadow. */
	va_case(&l2, &v, a_to_cr8, 0);
	ctl_set(CTRL_PROC, PROC_CR8_LOAD);
	l2.rcx = 3;
	if (vl2_expect(&l2, R_CR))
		CHECK_EQ(*reg(&v, V_TPR_REG), 0);
}

/* A CR8 write below the threshold exits after the instruction: it is a trap. */
static void tpr_threshold(const void *arg)
{
	struct vl2 l2;
	struct va v;
	u32 t;

	for (t = 3; t < 8; t++) {
		va_case(&l2, &v, a_to_cr8, 0);
		*reg(&v, V_TPR_REG) = 0x80;
		vw(CTRL_TPR_THRESHOLD, t);
		l2.rcx = 5;
		if (t > 5) {
			if (vl2_expect(&l2, R_TPR)) {
				CHECK_EQ(vr(GUEST_RIP), a_to_cr8_end);
				CHECK_EQ(vr(EXIT_QUAL), 0);
				CHECK_EQ(*reg(&v, V_TPR_REG), 0x50);
			}
		} else {
			vl2_expect_done(&l2);
		}
		vmcs_forget_all();
	}
}

/* With virtualized accesses the entry itself may find the TPR below the threshold. */
static void tpr_at_entry(const void *arg)
{
	struct vl2 l2;
	struct va v;

	va_case(&l2, &v, a_nop, PROC2_APIC_ACCESS);
	*reg(&v, V_TPR_REG) = 0x30;
	vw(CTRL_TPR_THRESHOLD, 4);
	if (vl2_expect(&l2, R_TPR))
		CHECK_EQ(vr(GUEST_RIP), a_nop);
	vw(CTRL_TPR_THRESHOLD, 3);
	vl2_expect_done(&l2);
}

/* ---- virtualized APIC accesses ---- */

/* Qualification: offset and kind of the access */
static void access_exit(const void *arg)
{
	static const struct { const char *code; u32 off, type; } rows[] = {
		{ a_read, 0x30, 0 }, { a_read, 0x300, 0 }, { a_write, 0x300, 1 },
		{ a_write, 0xb0, 1 }, { a_fetch, 0x400, 2 }, { a_read, 0xff0, 0 },
		{ a_write, 0x20, 1 },
	};
	u64 mark = mem_mark();
	struct vl2 l2;
	struct va v;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].code == a_fetch && t_departs("fetch"))
			continue;
		va_case(&l2, &v, rows[i].code, PROC2_APIC_ACCESS);
		l2.rbx += rows[i].off;
		if (vl2_expect(&l2, R_APIC_ACCESS)) {
			CHECK_EQ(vr(EXIT_QUAL), rows[i].off | rows[i].type << 12);
			if (rows[i].type != 2)
				CHECK_EQ(vr(GUEST_RIP), rows[i].code);
		}
		vmcs_forget_all();
		mem_reset(mark);
	}
}

/* TPR is virtualized with a TPR shadow, without any exit. */
static void access_tpr(const void *arg)
{
	struct vl2 l2;
	struct va v;

	va_case(&l2, &v, a_read, PROC2_APIC_ACCESS);
	*reg(&v, V_TPR_REG) = 0x67;
	l2.rbx += V_TPR_REG;
	if (vl2_expect_done(&l2))
		CHECK_EQ((u32)l2.rcx, 0x67);
	va_case(&l2, &v, a_write, PROC2_APIC_ACCESS);
	l2.rbx += V_TPR_REG;
	l2.rcx = 0x45;
	if (vl2_expect_done(&l2))
		CHECK_EQ(*reg(&v, V_TPR_REG), 0x45);
	/* And the threshold applies. */
	va_case(&l2, &v, a_write, PROC2_APIC_ACCESS);
	*reg(&v, V_TPR_REG) = 0x80;
	vw(CTRL_TPR_THRESHOLD, 6);
	l2.rbx += V_TPR_REG;
	l2.rcx = 0x45;
	vl2_expect(&l2, R_TPR);
}

/* Without a TPR shadow even the TPR exits. */
static void access_no_shadow(const void *arg)
{
	struct vl2 l2;
	struct va v;

	va_case(&l2, &v, a_read, PROC2_APIC_ACCESS);
	ctl_clear(CTRL_PROC, PROC_TPR_SHADOW);
	l2.rbx += V_TPR_REG;
	if (vl2_expect(&l2, R_APIC_ACCESS))
		CHECK_EQ(vr(EXIT_QUAL), V_TPR_REG);
}

/* ---- APIC-register virtualization ---- */

static void regs_read(const void *arg)
{
	static const u32 offs[] = { 0x20, 0x30, 0x80, 0xb0, 0xd0, 0xe0, 0xf0, 0x100, 0x170, 0x180,
				    0x1f0, 0x200, 0x270, 0x280, 0x300, 0x310, 0x320, 0x330, 0x340,
				    0x350, 0x360, 0x370, 0x380, 0x3e0 };
	u64 mark = mem_mark();
	struct vl2 l2;
	struct va v;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(offs); i++) {
		va_case(&l2, &v, a_read, PROC2_APIC_ACCESS | PROC2_APIC_REGS);
		*reg(&v, offs[i]) = 0x1234500 + i;
		l2.rbx += offs[i];
		if (vl2_expect_done(&l2))
			CHECK_EQ((u32)l2.rcx, 0x1234500 + i);
		vmcs_forget_all();
		mem_reset(mark);
	}
	/* The current count is not virtualized. */
	va_case(&l2, &v, a_read, PROC2_APIC_ACCESS | PROC2_APIC_REGS);
	l2.rbx += 0x390;
	if (vl2_expect(&l2, R_APIC_ACCESS))
		CHECK_EQ(vr(EXIT_QUAL), 0x390);
}

/* Writes go to the page and exit behind the instruction, with the offset. */
static void regs_write(const void *arg)
{
	static const u32 offs[] = { 0x20, 0xd0, 0xe0, 0xf0, 0x280, 0x300, 0x320, 0x350, 0x380, 0x3e0 };
	u64 mark = mem_mark();
	struct vl2 l2;
	struct va v;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(offs); i++) {
		va_case(&l2, &v, a_write, PROC2_APIC_ACCESS | PROC2_APIC_REGS);
		l2.rbx += offs[i];
		l2.rcx = 0x300 + i;
		if (vl2_expect(&l2, R_APIC_WRITE)) {
			CHECK_EQ(vr(EXIT_QUAL), offs[i]);
			CHECK_EQ(vr(GUEST_RIP), a_write_end);
			CHECK_EQ(*reg(&v, offs[i]), 0x300 + i);
		}
		vmcs_forget_all();
		mem_reset(mark);
	}
	/* ICR high: virtualized, without an exit */
	va_case(&l2, &v, a_write, PROC2_APIC_ACCESS | PROC2_APIC_REGS);
	l2.rbx += V_ICR2;
	l2.rcx = 0x7000000;
	if (vl2_expect_done(&l2))
		CHECK_EQ(*reg(&v, V_ICR2), 0x7000000);
	/* A read-only register exits before. */
	va_case(&l2, &v, a_write, PROC2_APIC_ACCESS | PROC2_APIC_REGS);
	l2.rbx += 0x30;
	if (vl2_expect(&l2, R_APIC_ACCESS))
		CHECK_EQ(vr(EXIT_QUAL), 0x1030);
}

static bool again(struct vl2 *l2, struct va *v, const char *code, u32 off, u32 val)
{
	vw(GUEST_RIP, (u64)code);
	l2->rbx = v->access + off;
	l2->rcx = val;
	return vl2_expect_done(l2);
}

/* From one entry to the next L1 changes one register, then nothing, then the page's address. */
static void regs_again(const void *arg)
{
	struct vl2 l2;
	struct va v;
	u8 *page;
	u32 off;

	va_case(&l2, &v, a_read, PROC2_APIC_ACCESS | PROC2_APIC_REGS);
	page = v.page;
	for (off = 0x100; off < 0x280; off += 0x10) {
		if (!again(&l2, &v, a_read, V_TPR_REG, 0))
			return;
		*reg(&v, off) = 0x5500000 + off;
		if (again(&l2, &v, a_read, off, 0))
			CHECK_EQ((u32)l2.rcx, 0x5500000 + off);
		if (again(&l2, &v, a_read, off, 0))
			CHECK_EQ((u32)l2.rcx, 0x5500000 + off);
	}
	/* What L2 writes L1 sees, and what L1 writes over it L2 does. */
	if (again(&l2, &v, a_write, V_ICR2, 0x3000000))
		CHECK_EQ(*reg(&v, V_ICR2), 0x3000000);
	*reg(&v, V_ICR2) = 0x4000000;
	if (again(&l2, &v, a_read, V_ICR2, 0))
		CHECK_EQ((u32)l2.rcx, 0x4000000);
	if (again(&l2, &v, a_write, V_ICR2, 0x4000000))
		CHECK_EQ(*reg(&v, V_ICR2), 0x4000000);
	v.page = alloc_page();
	memcpy(v.page, page, 0x1000);
	*reg(&v, 0x170) = 0x77;
	vw(CTRL_VIRTUAL_APIC, (u64)v.page);
	if (again(&l2, &v, a_read, 0x170, 0))
		CHECK_EQ((u32)l2.rcx, 0x77);
	if (again(&l2, &v, a_write, V_ICR2, 0x5000000)) {
		CHECK_EQ(*reg(&v, V_ICR2), 0x5000000);
		CHECK_EQ(*(u32 *)(page + V_ICR2), 0x4000000);
	}
	/* An entry that fails leaves the page alone, and the next one finds it as it is. */
	*reg(&v, 0x170) = 0x78;
	vw(GUEST_RFLAGS, 0);
	vl2_run(&l2);
	CHECK(l2.reason & R_ENTRY_FAILED);
	vw(GUEST_RFLAGS, 2);
	if (again(&l2, &v, a_read, 0x170, 0))
		CHECK_EQ((u32)l2.rcx, 0x78);
}

/* ---- x2APIC mode ---- */

static void x2apic_tpr(const void *arg)
{
	struct vl2 l2;
	struct va v;

	va_case(&l2, &v, a_rdmsr, PROC2_X2APIC);
	*reg(&v, V_TPR_REG) = 0x35;
	l2.rcx = 0x808;
	if (vl2_expect_done(&l2))
		CHECK_EQ(l2.rdx, 0x35);
	va_case(&l2, &v, a_wrmsr, PROC2_X2APIC);
	l2.rcx = 0x808;
	l2.rax = 0x72;
	if (vl2_expect_done(&l2))
		CHECK_EQ(*reg(&v, V_TPR_REG), 0x72);
	/* Reserved bits: #GP */
	va_case(&l2, &v, a_wrmsr, PROC2_X2APIC);
	l2.rcx = 0x808;
	l2.rax = 0x100;
	vl2_expect_trap(&l2, V_GP, NULL);
	/* The MSR bitmap comes first. */
	va_case(&l2, &v, a_rdmsr, PROC2_X2APIC);
	((u8 *)vr(CTRL_MSR_BITMAP))[0x808 / 8] = 1;
	l2.rcx = 0x808;
	vl2_expect(&l2, R_RDMSR);
}

static void x2apic_regs(const void *arg)
{
	struct vl2 l2;
	struct va v;

	va_case(&l2, &v, a_rdmsr, PROC2_X2APIC | PROC2_APIC_REGS);
	*(u64 *)reg(&v, 0x280) = 0x1122334455667788ull;
	l2.rcx = 0x828;
	if (vl2_expect_done(&l2))
		CHECK_EQ((u32)l2.rdx, 0x55667788);
}

static const struct l1_test tests[] = {
	{ "tpr_shadow", VF_TPR, tpr_shadow, NULL },
	{ "tpr_threshold", VF_TPR, tpr_threshold, NULL },
	{ "tpr_at_entry", VF_TPR | VF_APICACC, tpr_at_entry, NULL },
	{ "access_exit", VF_TPR | VF_APICACC, access_exit, NULL },
	{ "access_tpr", VF_TPR | VF_APICACC, access_tpr, NULL },
	{ "access_no_shadow", VF_TPR | VF_APICACC, access_no_shadow, NULL },
	{ "regs_read", VF_APICACC | VF_APICREG, regs_read, NULL },
	{ "regs_again", VF_APICACC | VF_APICREG, regs_again, NULL },
	{ "regs_write", VF_APICACC | VF_APICREG, regs_write, NULL },
	{ "x2apic_tpr", VF_X2APIC | VF_MSRBMP, x2apic_tpr, NULL },
	{ "x2apic_regs", VF_X2APIC | VF_APICREG | VF_MSRBMP, x2apic_regs, NULL },
};

const struct test_group group_vmx_apic = { "vmx_apic", tests, ARRAY_SIZE(tests), false };
