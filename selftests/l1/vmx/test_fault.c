// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exceptions of the VMX instructions: outside VMX operation, with CR4.VMXE clear, at
 * CPL 3, in compatibility mode, with operands that fault or lie in a device (SDM
 * volume 3, "VMX Instruction Reference", protected-mode and 64-bit exceptions).
 */
#include "vmx/vmx.h"

extern u64 boot_pml4[];
extern void enter_user(u64 *frame, u64 rax) __noreturn;

#define SEL_UCS32	0x5b
#define UNMAPPED	0x180000000ull
#define NONCANON	BIT(62)

/* The same instruction in 64-bit code and in 32-bit code; the memory operand is at rAX. */
#define VMI(name, pre, insn64, insn32)					\
	__asm__(".pushsection .text\n"					\
		#name "_64: " pre "\n" #name "_64_at: " insn64 "\n\tint $0x20\n" \
		".code32\n"						\
		#name "_32: " pre "\n" #name "_32_at: " insn32 "\n\tint $0x20\n" \
		".code64\n.popsection\n");				\
	extern const char name##_64[], name##_64_at[], name##_32[], name##_32_at[]

#define VMI64(name, pre, insn64)					\
	__asm__(".pushsection .text\n"					\
		#name "_64: " pre "\n" #name "_64_at: " insn64 "\n\tint $0x20\n" \
		".popsection\n");					\
	extern const char name##_64[], name##_64_at[]

VMI(f_vmxon, "", "vmxon (%rax)", "vmxon (%eax)");
VMI(f_vmxoff, "", "vmxoff", "vmxoff");
VMI(f_vmclear, "", "vmclear (%rax)", "vmclear (%eax)");
VMI(f_vmptrld, "", "vmptrld (%rax)", "vmptrld (%eax)");
VMI(f_vmptrst, "", "vmptrst (%rax)", "vmptrst (%eax)");
VMI(f_vmread, "mov $0x681e,%ecx", "vmread %rcx,(%rax)", "vmread %ecx,(%eax)");
VMI(f_vmwrite, "mov $0x681e,%ecx", "vmwrite (%rax),%rcx", "vmwrite (%eax),%ecx");
VMI(f_vmlaunch, "", "vmlaunch", "vmlaunch");
VMI(f_vmresume, "", "vmresume", "vmresume");
VMI(f_invept, "mov $2,%ecx", "invept (%rax),%rcx", "invept (%eax),%ecx");
VMI(f_invvpid, "mov $2,%ecx", "invvpid (%rax),%rcx", "invvpid (%eax),%ecx");
VMI(f_vmcall, "", "vmcall", "vmcall");
VMI(f_vmfunc, "", "vmfunc", "vmfunc");

/* The same with the operand in the stack segment */
VMI64(s_vmxon, "mov %rax,%rbp", "vmxon (%rbp)");
VMI64(s_vmclear, "mov %rax,%rbp", "vmclear (%rbp)");
VMI64(s_vmptrld, "mov %rax,%rbp", "vmptrld (%rbp)");
VMI64(s_vmptrst, "mov %rax,%rbp", "vmptrst (%rbp)");
VMI64(s_vmread, "mov $0x681e,%ecx; mov %rax,%rbp", "vmread %rcx,(%rbp)");
VMI64(s_vmwrite, "mov $0x681e,%ecx; mov %rax,%rbp", "vmwrite (%rbp),%rcx");
VMI64(s_invept, "mov $2,%ecx; mov %rax,%rbp", "invept (%rbp),%rcx");
VMI64(s_invvpid, "mov $2,%ecx; mov %rax,%rbp", "invvpid (%rbp),%rcx");

/* Prefixes and forms that are no such instruction */
VMI64(p_lock_vmlaunch, "", ".byte 0xf0,0x0f,0x01,0xc2");
VMI64(p_lock_vmclear, "", ".byte 0xf0,0x66,0x0f,0xc7,0x30");
VMI64(p_lock_vmptrld, "", ".byte 0xf0,0x0f,0xc7,0x30");
VMI64(p_lock_vmptrst, "", ".byte 0xf0,0x0f,0xc7,0x38");
VMI64(p_lock_vmread, "", ".byte 0xf0,0x0f,0x78,0xca");
VMI64(p_lock_vmwrite, "", ".byte 0xf0,0x0f,0x79,0xca");
VMI64(p_66_vmread, "", ".byte 0x66,0x0f,0x78,0xca");
VMI64(p_f3_vmread, "", ".byte 0xf3,0x0f,0x78,0xca");
VMI64(p_66_vmwrite, "", ".byte 0x66,0x0f,0x79,0xca");
VMI64(p_reg_invept, "", ".byte 0x66,0x0f,0x38,0x80,0xc8");
VMI64(p_reg_invvpid, "", ".byte 0x66,0x0f,0x38,0x81,0xc8");
VMI64(p_no66_invept, "", ".byte 0x0f,0x38,0x80,0x08");

struct insn {
	const char *name;
	const char *code, *at, *code32, *at32, *ss, *ss_at;
	u64 need;
	/* Operand: bytes, and the page-fault error code bit of its access */
	u8 bytes;
	u8 write;
};

#define PLAIN(n) \
	{ #n, f_##n##_64, f_##n##_64_at, f_##n##_32, f_##n##_32_at, NULL, NULL, 0, 0, 0 }
#define MEM(n, need, bytes, write) \
	{ #n, f_##n##_64, f_##n##_64_at, f_##n##_32, f_##n##_32_at, s_##n##_64, s_##n##_64_at, \
	  need, bytes, write }

static const struct insn insns[] = {
	MEM(vmclear, 0, 8, 0),
	MEM(vmptrld, 0, 8, 0),
	MEM(vmptrst, 0, 8, 2),
	MEM(vmread, 0, 8, 2),
	MEM(vmwrite, 0, 8, 0),
	MEM(invept, VF_EPT, 16, 0),
	MEM(invvpid, VF_VPID, 16, 0),
	PLAIN(vmlaunch),
	PLAIN(vmresume),
	PLAIN(vmxoff),
	PLAIN(vmcall),
	PLAIN(vmfunc),
};
static const struct insn i_vmxon = MEM(vmxon, 0, 8, 0);

struct where { const char *code; u64 rax; u16 cs, ss; };

static void go(void *arg)
{
	const struct where *w = arg;
	u64 frame[5] = { (u64)w->code, w->cs, 2, 0, w->ss };

	/* Below this frame, still in the CPU's own stack */
	frame[3] = ((u64)frame & ~63ull) - 512;
	enter_user(frame, w->rax);
}

/* Run code at that CS; -1 when it ran through. */
static int run_at(const char *code, u16 cs, u64 rax, struct fault *f)
{
	struct where w = { code, rax, cs, cs & 3 ? SEL_UDS : SEL_DS };
	int vec = try_call(go, &w, f);

	return vec == VEC_USER_DONE ? -1 : vec;
}

/* There is no 32-bit CPL 3 code segment in the image's GDT: put one for this group. */
static void user32_segment(void)
{
	struct { u16 limit; u64 base; } __packed gdt;

	__asm__ volatile("sgdt %0" : "=m"(gdt));
	((u64 *)gdt.base)[(SEL_UCS32 & ~7) / 8] = 0x00cffb000000ffff;
}

static void expect(const struct insn *in, const char *code, const char *at, u16 cs, u64 rax,
		   int want, const char *when)
{
	struct fault f = {};
	int vec = run_at(code, cs, rax, &f);

	if (vec != want) {
		FAIL("%s %s: %d, expected vector %d (-1: none)", in->name, when, vec, want);
		return;
	}
	if (want < 0)
		return;
	if (f.rip != (u64)at)
		FAIL("%s %s: fault at %llx, expected %llx", in->name, when, f.rip, (u64)at);
	if (f.err)
		FAIL("%s %s: error code %llx", in->name, when, f.err);
}

static bool in_hypervisor(void)
{
	u32 r[4];

	cpuid(1, 0, r);
	return r[2] & BIT(31);
}

/* VMCALL of L1 may be a call to the hypervisor it sees. */
static bool is_hypercall(const struct insn *in)
{
	return !strcmp(in->name, "vmcall") && in_hypervisor();
}

static bool lacking(const struct insn *in)
{
	return in->need & ~cpu_features;
}

/* A good operand: the current VMCS's pointer, and a descriptor's worth of it. */
static u64 operand(void)
{
	u64 *p = alloc_page(), pa = vmcs_new();

	p[0] = pa;
	if (vmptrld(&pa) != VM_OK)
		FAIL("VMPTRLD failed");
	return (u64)p;
}

/* ---- operation and privilege ---- */

static void outside(const void *arg)
{
	u64 op = operand();
	u32 i;

	user32_segment();
	vmcs_forget_all();
	vmx_off();
	for (i = 0; i < ARRAY_SIZE(insns); i++) {
		const struct insn *in = &insns[i];

		if (is_hypercall(in))
			continue;
		expect(in, in->code, in->at, SEL_CS, op, V_UD, "outside VMX operation");
		expect(in, in->code, in->at, SEL_UCS, op, V_UD, "outside VMX operation, CPL 3");
		expect(in, in->code, in->at, SEL_CS, UNMAPPED, V_UD, "outside, operand unmapped");
		expect(in, in->code32, in->at32, SEL_CS32, op, V_UD, "outside, compatibility mode");
	}
}

static void vmxe_off(const void *arg)
{
	u64 op = operand();
	u32 i;

	vmcs_forget_all();
	vmx_off();
	write_cr4(read_cr4() & ~CR4_VMXE);
	for (i = 0; i < ARRAY_SIZE(insns); i++) {
		const struct insn *in = &insns[i];

		if (is_hypercall(in))
			continue;
		expect(in, in->code, in->at, SEL_CS, op, V_UD, "with CR4.VMXE = 0");
		expect(in, in->code, in->at, SEL_UCS, op, V_UD, "with CR4.VMXE = 0, CPL 3");
	}
	expect(&i_vmxon, i_vmxon.code, i_vmxon.at, SEL_CS, op, V_UD, "with CR4.VMXE = 0");
	expect(&i_vmxon, i_vmxon.code, i_vmxon.at, SEL_UCS, op, V_UD, "with CR4.VMXE = 0, CPL 3");
	expect(&i_vmxon, i_vmxon.code, i_vmxon.at, SEL_CS, UNMAPPED, V_UD, "with CR4.VMXE = 0");
}

/* #UD of VMFUNC outside non-root operation and of what the CPU lacks comes before CPL. */
static int cpl3_vector(const struct insn *in)
{
	return !strcmp(in->name, "vmfunc") || lacking(in) ? V_UD : V_GP;
}

static void cpl3(const void *arg)
{
	u64 op = operand();
	u32 i;

	for (i = 0; i < ARRAY_SIZE(insns); i++) {
		const struct insn *in = &insns[i];
		int want = cpl3_vector(in);

		if (is_hypercall(in))
			continue;
		expect(in, in->code, in->at, SEL_UCS, op, want, "at CPL 3");
		expect(in, in->code, in->at, SEL_UCS, UNMAPPED, want, "at CPL 3, operand unmapped");
	}
	expect(&i_vmxon, i_vmxon.code, i_vmxon.at, SEL_UCS, op, V_GP, "at CPL 3 in root operation");
	vmcs_forget_all();
	vmx_off();
	expect(&i_vmxon, i_vmxon.code, i_vmxon.at, SEL_UCS, op, V_GP, "at CPL 3");
}

static void compat(const void *arg)
{
	u64 op = operand();
	u32 i;

	user32_segment();
	for (i = 0; i < ARRAY_SIZE(insns); i++) {
		const struct insn *in = &insns[i];

		if (is_hypercall(in))
			continue;
		expect(in, in->code32, in->at32, SEL_CS32, op, V_UD, "in compatibility mode");
		expect(in, in->code32, in->at32, SEL_UCS32, op, V_UD, "in compatibility mode, CPL 3");
	}
	expect(&i_vmxon, i_vmxon.code32, i_vmxon.at32, SEL_CS32, op, V_UD, "in compatibility mode");
	vmcs_forget_all();
	vmx_off();
	expect(&i_vmxon, i_vmxon.code32, i_vmxon.at32, SEL_CS32, op, V_UD,
	       "in compatibility mode, outside");
}

static void vmfunc_root(const void *arg)
{
	struct insn in = PLAIN(vmfunc);

	expect(&in, in.code, in.at, SEL_CS, 0, V_UD, "in root operation");
	expect(&in, in.code, in.at, SEL_CS, 63, V_UD, "in root operation");
}

static void prefixes(const void *arg)
{
	static const struct { const char *code, *at, *name; } no[] = {
#define NO(n) { p_##n##_64, p_##n##_64_at, #n }
		NO(lock_vmlaunch), NO(lock_vmclear), NO(lock_vmptrld), NO(lock_vmptrst),
		NO(lock_vmread), NO(lock_vmwrite), NO(66_vmread), NO(f3_vmread), NO(66_vmwrite),
		NO(reg_invept), NO(reg_invvpid), NO(no66_invept),
	};
	u64 op = operand();
	u32 i;

	for (i = 0; i < ARRAY_SIZE(no); i++) {
		struct insn in = { .name = no[i].name };

		if (!t_departs(in.name))
			expect(&in, no[i].code, no[i].at, SEL_CS, op, V_UD, "is no instruction");
	}
}

/* ---- operands ---- */

static void canonical(const void *arg)
{
	u32 i;

	operand();
	for (i = 0; i < ARRAY_SIZE(insns); i++) {
		const struct insn *in = &insns[i];

		if (!in->bytes || lacking(in))
			continue;
		expect(in, in->code, in->at, SEL_CS, NONCANON, V_GP, "non-canonical operand");
		expect(in, in->ss, in->ss_at, SEL_CS, NONCANON, V_SS, "non-canonical stack operand");
		if (!t_departs("end"))
			expect(in, in->code, in->at, SEL_CS, BIT(47) - 4, V_GP,
			       "operand that ends non-canonical");
	}
	vmcs_forget_all();
	vmx_off();
	expect(&i_vmxon, i_vmxon.code, i_vmxon.at, SEL_CS, NONCANON, V_GP, "non-canonical operand");
	expect(&i_vmxon, i_vmxon.ss, i_vmxon.ss_at, SEL_CS, NONCANON, V_SS,
	       "non-canonical stack operand");
}

static void expect_pf(const struct insn *in, u64 rax, u64 err, u64 cr2, const char *when)
{
	struct fault f = {};
	int vec = run_at(in->code, SEL_CS, rax, &f);

	if (vec != V_PF || f.err != err || f.cr2 != cr2 || f.rip != (u64)in->at)
		FAIL("%s %s: vector %d error %llx CR2 %llx, expected #PF %llx %llx", in->name, when, vec,
		     f.err, f.cr2, err, cr2);
}

static void page_faults(const struct insn *in)
{
	u64 *pdpte = &((u64 *)(boot_pml4[0] & PT_ADDR))[UNMAPPED >> 30];
	u64 page = (u64)alloc_page();

	expect_pf(in, UNMAPPED + 0x10, in->write, UNMAPPED + 0x10, "unmapped");
	/* One page is there, the next is not: its first byte faults. */
	*pt_split(boot_pml4, UNMAPPED, L_4K) = page | PT_P | PT_W;
	write_cr3(read_cr3());
	expect_pf(in, UNMAPPED + 0xffc, in->write, UNMAPPED + 0x1000, "across the end");
	/* Read-only, and CR0.WP is set */
	write_cr0(read_cr0() | CR0_WP);
	*pt_entry(boot_pml4, UNMAPPED, L_4K) = page | PT_P;
	write_cr3(read_cr3());
	if (in->write)
		expect_pf(in, UNMAPPED + 0x20, 3, UNMAPPED + 0x20, "read-only");
	write_cr0(read_cr0() & ~CR0_WP);
	*pdpte = 0;
	write_cr3(read_cr3());
}

static void operand_pf(const void *arg)
{
	u32 i;

	operand();
	for (i = 0; i < ARRAY_SIZE(insns); i++)
		if (insns[i].bytes && !lacking(&insns[i]))
			page_faults(&insns[i]);
	vmcs_forget_all();
	vmx_off();
	page_faults(&i_vmxon);
}

/* Across two pages that are both there */
static void operand_split(const void *arg)
{
	u64 p = (u64)alloc_pages(2) + 0xffc, pa = vmcs_new(), got = 0;
	u64 fl_;

	*(u64 *)p = pa;
	CHECK_EQ(vmptrld((u64 *)p), VM_OK);
	CHECK_EQ(vmptrst(&got), VM_OK);
	CHECK_EQ(got, pa);
	*(u64 *)p = 0;
	CHECK_EQ(vmptrst((u64 *)p), VM_OK);
	CHECK_EQ(*(u64 *)p, pa);
	*(u64 *)p = 0x123456789a;
	VM_ASM("vmwrite (%[m]),%[f]", [f] "r"((u64)GUEST_RIP), [m] "r"(p));
	CHECK_EQ(vm_status(fl_), VM_OK);
	CHECK_EQ(vr(GUEST_RIP), 0x123456789a);
}

/* The operand itself where no RAM is: 8 bytes of a device, or of nothing. */
static void operand_device(const void *arg)
{
	static const u64 where[] = { 0xe0000000, 0xfed00000, 0xfed000f0, 0xfee00020 };
	u64 pa = vmcs_new(), got = 0;
	u32 i;

	CHECK_EQ(vmptrld(&pa), VM_OK);
	for (i = 0; i < ARRAY_SIZE(where); i++) {
		enum vm_status s;

		if (where[i] == 0xfee00020 && t_departs("apic"))
			break;
		s = vmptrld((u64 *)where[i]);
		if (s != VM_OK && s != VM_FAIL_VALID)
			FAIL("VMPTRLD with its operand at %llx: status %u", where[i], s);
		CHECK_EQ(vmptrld(&pa), VM_OK);
		s = vmclear((u64 *)where[i]);
		CHECK(s == VM_OK || s == VM_FAIL_VALID);
		CHECK_EQ(vmptrld(&pa), VM_OK);
	}
	/* Nothing there: all ones, which is no address. */
	CHECK_EQ(vmptrld((u64 *)where[0]), VM_FAIL_VALID);
	CHECK_EQ(insn_error(), E_VMPTRLD_ADDR);
	CHECK_EQ(vmptrst((u64 *)where[0]), VM_OK);
	CHECK_EQ(vmptrst(&got), VM_OK);
	CHECK_EQ(got, pa);
}

/* ---- CR0 and CR4 in VMX operation, and at VMXON ---- */

static void do_cr0(void *v) { write_cr0((u64)v); }
static void do_cr4(void *v) { write_cr4((u64)v); }
static void do_vmxon(void *pa) { vmxon(pa); }

static void fixed_bits(const void *arg)
{
	u64 cr0 = read_cr0(), cr4 = read_cr4(), pa = (u64)this_cpu()->vmxon, bit;
	u32 i;

	CHECK_EQ(caps.cr0_fixed0 & CR0_NE, CR0_NE);
	CHECK_EQ(caps.cr4_fixed0 & CR4_VMXE, CR4_VMXE);
	for (i = 0; i < 64; i++) {
		bit = BIT(i);
		/* In VMX operation a fixed bit cannot be changed. */
		if (caps.cr0_fixed0 & bit)
			CHECK_EQ(try_call(do_cr0, (void *)(cr0 & ~bit), NULL), V_GP);
		if (caps.cr4_fixed0 & bit)
			CHECK_EQ(try_call(do_cr4, (void *)(cr4 & ~bit), NULL), V_GP);
		if (!(caps.cr4_fixed1 & bit) && try_call(do_cr4, (void *)(cr4 | bit), NULL) != V_GP)
			FAIL("CR4 bit %u set in VMX operation", i);
	}
	CHECK_EQ(read_cr0(), cr0);
	CHECK_EQ(read_cr4(), cr4);
	/* VMXON is refused when one is wrong. PE and PG are not for this image to clear. */
	vmx_off();
	write_cr0(cr0 & ~CR0_NE);
	CHECK_EQ(try_call(do_vmxon, &pa, NULL), V_GP);
	write_cr0(cr0);
	CHECK(vmx_on());
}

static void feature_control(const void *arg)
{
	u64 fc = rdmsr(MSR_FEATURE_CONTROL);

	CHECK_EQ(fc & (FC_LOCK | FC_VMXON), FC_LOCK | FC_VMXON);
}

static const struct l1_test tests[] = {
	{ "outside_vmx_operation", 0, outside, NULL },
	{ "cr4_vmxe_off", 0, vmxe_off, NULL },
	{ "cpl3", 0, cpl3, NULL },
	{ "compatibility_mode", 0, compat, NULL },
	{ "vmfunc_root", 0, vmfunc_root, NULL },
	{ "prefixes", 0, prefixes, NULL },
	{ "operand_canonical", 0, canonical, NULL },
	{ "operand_page_fault", 0, operand_pf, NULL },
	{ "operand_two_pages", 0, operand_split, NULL },
	{ "operand_device", 0, operand_device, NULL },
	{ "fixed_bits", 0, fixed_bits, NULL },
	{ "feature_control", 0, feature_control, NULL },
};

const struct test_group group_vmx_fault = { "vmx_fault", tests, ARRAY_SIZE(tests), false };
