// SPDX-License-Identifier: GPL-2.0-only
/*
 * The SVM instructions themselves, executed by L1: normal operation, privilege,
 * EFER.SVME, operand address (APM volume 3, "VMRUN" and its siblings).
 */
#include "l1.h"

#define USER_CODE(name, insn) \
	__asm__(".pushsection .text\n" #name ": " insn "\n\tint $0x20\n.popsection\n"); \
	extern const char name[]

USER_CODE(user_vmrun, "vmrun %rax");
USER_CODE(user_vmload, "vmload %rax");
USER_CODE(user_vmsave, "vmsave %rax");
USER_CODE(user_stgi, "stgi");
USER_CODE(user_clgi, "clgi");
USER_CODE(user_invlpga, "invlpga %rax, %ecx");
USER_CODE(user_vmmcall, "vmmcall");
USER_CODE(user_skinit, "skinit %eax");
USER_CODE(user_nop, "nop");

static void do_vmrun(void *rax)
{
	__asm__ volatile("push %%rbp; vmrun %%rax; pop %%rbp" : "+a"(rax) : :
			 "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
			 "r13", "r14", "r15", "memory");
	stgi();
}

static void do_vmload(void *rax) { vmload_pa((u64)rax); }
static void do_vmsave(void *rax) { vmsave_pa((u64)rax); }
static void do_stgi(void *arg) { stgi(); }
static void do_clgi(void *arg) { clgi(); }
static void do_vmmcall(void *arg) { __asm__ volatile("vmmcall" : "+a"(arg) : : "memory"); }
static void do_skinit(void *arg) { __asm__ volatile("skinit %%eax" : : "a"(arg) : "memory"); }

static void do_invlpga(void *arg)
{
	__asm__ volatile("invlpga %%rax, %%ecx" : : "a"(arg), "c"(0) : "memory");
}

struct insn {
	void (*fn)(void *);
	const char *user;
};

static void fn_store(void *arg)
{
	*(volatile u64 *)arg = 0x1234;
}

static void vmrun_basic(const void *arg)
{
	volatile u64 word = 0;
	struct l2 l2;

	l2_init(&l2, fn_store, (void *)&word);
	if (!l2_expect_done(&l2))
		return;
	CHECK_EQ(word, 0x1234);
	CHECK_EQ(l2.vmcb->s.rip, l2_done);
	CHECK_EQ(l2.vmcb->s.cpl, 0);
	CHECK_EQ(l2.vmcb->s.cs.attrib, 0xa9b);
	CHECK_EQ(l2.vmcb->c.exitintinfo & EV_VALID, 0);
	check_nrip(&l2, 3);
}

L2_ASM(l2_all_gprs,
	"incq %rax; incq %rbx; incq %rcx; incq %rdx; incq %rsi; incq %rdi; incq %rbp\n"
	"incq %r8; incq %r9; incq %r10; incq %r11; incq %r12; incq %r13; incq %r14; incq %r15");

/* Every general register passes the switch both ways. */
static void vmrun_gprs(const void *arg)
{
	struct l2 l2;
	u64 *g, i;

	l2_init_at(&l2, l2_all_gprs);
	l2.vmcb->s.rax = 0x7fffffffffffffffull;
	for (g = &l2.rcx, i = 1; g <= &l2.r15; g++, i++)
		*g = i << 56 | 0xffffffff;
	if (!l2_expect_done(&l2))
		return;
	CHECK_EQ(l2.vmcb->s.rax, 0x8000000000000000ull);
	for (g = &l2.rcx, i = 1; g <= &l2.r15; g++, i++)
		CHECK_EQ(*g, i << 56 | 0x100000000ull);
}

/* Many entries in a row: nothing accumulates. */
static void vmrun_loop(const void *arg)
{
	struct l2 l2;
	int i;

	l2_init_at(&l2, l2_done);
	for (i = 0; i < 2000 && !t_failed(); i++) {
		l2.vmcb->s.rip = (u64)l2_done;
		l2_expect(&l2, X_VMMCALL);
	}
}

/* The operand address is rAX of the address size. */
static void vmload_addr32(const void *arg)
{
	u64 pa = (u64)alloc_page();

	vmsave_pa(pa);
	__asm__ volatile("vmload %%eax" : : "a"(pa | 0x500000000ull) : "memory");
	memset((void *)pa, 0, PAGE_SIZE);
	__asm__ volatile("vmsave %%eax" : : "a"(pa | 0x500000000ull) : "memory");
	CHECK_EQ(((struct vmcb *)pa)->s.tr.sel, SEL_TSS);
}

static void fill_state(struct vmcb *v)
{
	v->s.fs.base = 0x1111000;
	v->s.gs.base = 0xffff888800000000ull;
	v->s.kernel_gs_base = 0x3333000;
	v->s.star = 0x0023001000000000ull;
	v->s.lstar = 0xffffffff81000000ull;
	v->s.cstar = 0xffffffff82000000ull;
	v->s.sfmask = 0x47700;
	v->s.sysenter_cs = 0x18;
	v->s.sysenter_esp = 0xffffffff83000000ull;
	v->s.sysenter_eip = 0xffffffff84000000ull;
	v->s.fs.sel = SEL_DS;
	v->s.ldtr = (struct vmcb_seg){ SEL_LDT, 0x082, 7, 0x4000 };
}

/* VMLOAD reaches the MSRs and hidden registers, VMSAVE gives them back. */
static void vmload_state(const void *arg)
{
	struct vmcb *a = alloc_page(), *b = alloc_page();
	u64 fs, gs, kgs, lstar, esp;
	u16 ldt;

	vmsave_pa((u64)a);
	fill_state(a);
	vmload_pa((u64)a);
	fs = rdmsr(MSR_FS_BASE);
	gs = rdmsr(MSR_GS_BASE);
	kgs = rdmsr(MSR_KGS_BASE);
	lstar = rdmsr(MSR_LSTAR);
	esp = rdmsr(MSR_SYSENTER_CS + 1);
	__asm__ volatile("sldt %0" : "=m"(ldt));
	vmsave_pa((u64)b);
	vmload_pa((u64)this_cpu()->host_vmcb);
	CHECK_EQ(fs, a->s.fs.base);
	CHECK_EQ(gs, a->s.gs.base);
	CHECK_EQ(kgs, a->s.kernel_gs_base);
	CHECK_EQ(lstar, a->s.lstar);
	CHECK_EQ(esp, a->s.sysenter_esp);
	CHECK_EQ(ldt, SEL_LDT);
	CHECK(!memcmp(&a->s.fs, &b->s.fs, 2 * sizeof(a->s.fs)));
	CHECK(!memcmp(&a->s.ldtr, &b->s.ldtr, sizeof(a->s.ldtr)));
	CHECK(!memcmp(&a->s.tr, &b->s.tr, sizeof(a->s.tr)));
	CHECK(!memcmp(&a->s.star, &b->s.star, 8 * 8));
}

/* Bases are made canonical by sign extension, not refused. */
static void vmload_canonical(const void *arg)
{
	struct vmcb *a = alloc_page();
	u64 fs, gs, kgs, top;
	u32 r[4];

	cpuid(0x80000008, 0, r);
	top = BIT((r[0] >> 8 & 0xff) - 1);
	vmsave_pa((u64)a);
	a->s.fs.base = BIT(60) | top;
	a->s.gs.base = BIT(60) | top >> 1;
	a->s.kernel_gs_base = top;
	vmload_pa((u64)a);
	fs = rdmsr(MSR_FS_BASE);
	gs = rdmsr(MSR_GS_BASE);
	kgs = rdmsr(MSR_KGS_BASE);
	vmload_pa((u64)this_cpu()->host_vmcb);
	CHECK_EQ(fs, -top);
	CHECK_EQ(gs, top >> 1);
	CHECK_EQ(kgs, -top);
}

/* VMSAVE writes its fields and no other byte of the page. */
static void vmsave_only(const void *arg)
{
	static const struct { u16 from, to; } ours[] = {
		{ 0x440, 0x460 }, { 0x470, 0x480 }, { 0x490, 0x4a0 }, { 0x600, 0x640 },
	};
	u8 *p = alloc_page();
	u32 i, j;

	memset(p, 0xa5, PAGE_SIZE);
	vmsave_pa((u64)p);
	for (i = 0; i < PAGE_SIZE; i++) {
		bool mine = false;

		for (j = 0; j < ARRAY_SIZE(ours); j++)
			mine |= i >= ours[j].from && i < ours[j].to;
		if (!mine && p[i] != 0xa5) {
			FAIL("byte %x changed to %x", i, p[i]);
			break;
		}
	}
	CHECK_EQ(((struct vmcb *)p)->s.tr.sel, SEL_TSS);
}

static void at_cpl3(const void *arg)
{
	const struct insn *in = arg;
	void *page = alloc_page();

	CHECK_EQ(try_user(user_nop, 0, NULL), -1);
	CHECK_EQ(try_user(in->user, (u64)page, NULL), V_GP);
	/* A bad operand does not come first. */
	CHECK_EQ(try_user(in->user, 0x123, NULL), V_GP);
}

static void svme_off(const void *arg)
{
	const struct insn *in = arg;
	void *page = alloc_page();
	int vec;

	set_svme(false);
	vec = try_call(in->fn, page, NULL);
	set_svme(true);
	CHECK_EQ(vec, V_UD);
}

/* #UD comes before the #GP of CPL 3. */
static void svme_off_cpl3(const void *arg)
{
	const struct insn *in = arg;
	void *page = alloc_page();
	int vec;

	set_svme(false);
	vec = try_user(in->user, (u64)page, NULL);
	set_svme(true);
	CHECK_EQ(vec, V_UD);
}

/* STGI stays usable for the sake of SKINIT where that exists. */
static void stgi_svme_off(const void *arg)
{
	int vec;

	set_svme(false);
	vec = try_call(do_stgi, NULL, NULL);
	set_svme(true);
	CHECK_EQ(vec, cpu_features & F_SKINIT ? -1 : V_UD);
}

static void bad_address(const void *arg)
{
	const struct insn *in = arg;
	u64 page = (u64)alloc_page();
	struct fault f;
	int bit;

	for (bit = 0; bit < 12; bit++) {
		CHECK_EQ(try_call(in->fn, (void *)(page + BIT(bit)), &f), V_GP);
		CHECK_EQ(f.err, 0);
	}
	for (bit = maxphys; bit < 64; bit++)
		if (try_call(in->fn, (void *)(page | BIT(bit)), &f) != V_GP)
			FAIL("address bit %d accepted, MAXPHYADDR is %u", bit, maxphys);
}

/* No RAM behind the operand: whatever comes, L1 lives and #MC does not. */
static void no_ram(const void *arg)
{
	const struct insn *in = arg;
	static const u64 where[] = { 0xe0000000, 0xfec00000, 0xfed00000 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(where); i++) {
		int vec;

		if (i && t_departs("device"))
			break;
		vec = try_call(in->fn, (void *)where[i], NULL);
		CHECK(vec == -1 || vec == V_GP);
		vmload_pa((u64)this_cpu()->host_vmcb);
	}
}

static void vmrun_hsave_zero(const void *arg)
{
	struct l2 l2;
	struct fault f;
	int vec;

	l2_init_at(&l2, l2_done);
	wrmsr(MSR_VM_HSAVE_PA, 0);
	vec = try_call((void (*)(void *))vmrun_asm, &l2, &f);
	wrmsr(MSR_VM_HSAVE_PA, (u64)this_cpu()->hsave);
	CHECK_EQ(vec, V_GP);
	CHECK_EQ(l2_expect(&l2, X_VMMCALL), true);
}

static void vmmcall_l1(const void *arg)
{
	u32 r[4];
	int vec = try_call(do_vmmcall, (void *)0xffffffff, NULL);

	cpuid(1, 0, r);
	/* Under a hypervisor that offers calls it may be one; else nobody intercepts it. */
	if (r[2] & BIT(31) && vec == -1)
		return;
	CHECK_EQ(vec, V_UD);
}

static void vmmcall_user(const void *arg)
{
	u32 r[4];
	int vec = try_user(user_vmmcall, 0xffffffff, NULL);

	cpuid(1, 0, r);
	if (r[2] & BIT(31) && vec == -1)
		return;
	CHECK_EQ(vec, V_UD);
}

static void vmmcall_svme_off(const void *arg)
{
	u32 r[4];
	int vec;

	set_svme(false);
	vec = try_call(do_vmmcall, (void *)0xffffffff, NULL);
	set_svme(true);
	cpuid(1, 0, r);
	if (r[2] & BIT(31) && vec == -1)
		return;
	CHECK_EQ(vec, V_UD);
}

static void skinit_absent(const void *arg)
{
	if (cpu_features & F_SKINIT) {
		t_skip("the CPU has SKINIT, which would end this image");
		return;
	}
	CHECK_EQ(try_call(do_skinit, (void *)0x200000, NULL), V_UD);
	CHECK_EQ(try_user(user_skinit, 0x200000, NULL), V_UD);
}

static void invlpga_basic(const void *arg)
{
	static const u64 addr[] = { 0, 0x1000, 0xfffffffffffff000ull, 0x0000800000000000ull };
	u32 i, asid;

	for (i = 0; i < ARRAY_SIZE(addr); i++)
		for (asid = 0; asid < 4; asid++)
			__asm__ volatile("invlpga %%rax, %%ecx" : : "a"(addr[i]), "c"(asid));
	/* An ASID that does not exist is nothing to flush. */
	__asm__ volatile("invlpga %%rax, %%ecx" : : "a"(addr[0]), "c"(0xffffffff));
	CHECK_EQ(try_call(do_invlpga, NULL, NULL), -1);
}

/* CLGI holds back an interrupt that RFLAGS.IF allows; STGI lets it in. */
static void gif_holds_intr(const void *arg)
{
	struct cpu *c = this_cpu();
	u32 before = c->irqs[VEC_IPI];

	clgi();
	irq_on();
	apic_self(VEC_IPI);
	delay_us(200);
	CHECK_EQ(c->irqs[VEC_IPI], before);
	stgi();
	delay_us(200);
	irq_off();
	CHECK_EQ(c->irqs[VEC_IPI], before + 1);
}

static void gif_holds_nmi(const void *arg)
{
	struct cpu *c = this_cpu();
	u32 before = c->nmis;

	clgi();
	apic_self_nmi();
	delay_us(200);
	CHECK_EQ(c->nmis, before);
	stgi();
	delay_us(200);
	CHECK_EQ(c->nmis, before + 1);
}

static const struct insn i_vmrun = { do_vmrun, user_vmrun };
static const struct insn i_vmload = { do_vmload, user_vmload };
static const struct insn i_vmsave = { do_vmsave, user_vmsave };
static const struct insn i_stgi = { do_stgi, user_stgi };
static const struct insn i_clgi = { do_clgi, user_clgi };
static const struct insn i_invlpga = { do_invlpga, user_invlpga };

static const struct l1_test tests[] = {
	{ "vmrun", 0, vmrun_basic, NULL },
	{ "vmrun_gprs", 0, vmrun_gprs, NULL },
	{ "vmrun_loop", 0, vmrun_loop, NULL },
	{ "vmload_addr32", 0, vmload_addr32, NULL },
	{ "vmload_state", 0, vmload_state, NULL },
	{ "vmload_canonical", 0, vmload_canonical, NULL },
	{ "vmsave_only_its_fields", 0, vmsave_only, NULL },
	{ "invlpga", 0, invlpga_basic, NULL },
	{ "clgi_holds_intr", 0, gif_holds_intr, NULL },
	{ "clgi_holds_nmi", 0, gif_holds_nmi, NULL },
	{ "vmrun_cpl3", 0, at_cpl3, &i_vmrun },
	{ "vmload_cpl3", 0, at_cpl3, &i_vmload },
	{ "vmsave_cpl3", 0, at_cpl3, &i_vmsave },
	{ "stgi_cpl3", 0, at_cpl3, &i_stgi },
	{ "clgi_cpl3", 0, at_cpl3, &i_clgi },
	{ "invlpga_cpl3", 0, at_cpl3, &i_invlpga },
	{ "vmmcall_cpl3", 0, vmmcall_user, NULL },
	{ "vmrun_svme_off", 0, svme_off, &i_vmrun },
	{ "vmrun_svme_off_cpl3", 0, svme_off_cpl3, &i_vmrun },
	{ "vmload_svme_off", 0, svme_off, &i_vmload },
	{ "vmload_svme_off_cpl3", 0, svme_off_cpl3, &i_vmload },
	{ "vmsave_svme_off", 0, svme_off, &i_vmsave },
	{ "vmsave_svme_off_cpl3", 0, svme_off_cpl3, &i_vmsave },
	{ "clgi_svme_off", 0, svme_off, &i_clgi },
	{ "clgi_svme_off_cpl3", 0, svme_off_cpl3, &i_clgi },
	{ "invlpga_svme_off", 0, svme_off, &i_invlpga },
	{ "invlpga_svme_off_cpl3", 0, svme_off_cpl3, &i_invlpga },
	{ "stgi_svme_off", 0, stgi_svme_off, NULL },
	{ "vmmcall_svme_off", 0, vmmcall_svme_off, NULL },
	{ "vmrun_bad_address", 0, bad_address, &i_vmrun },
	{ "vmload_bad_address", 0, bad_address, &i_vmload },
	{ "vmsave_bad_address", 0, bad_address, &i_vmsave },
	{ "vmrun_no_ram", 0, no_ram, &i_vmrun },
	{ "vmload_no_ram", 0, no_ram, &i_vmload },
	{ "vmsave_no_ram", 0, no_ram, &i_vmsave },
	{ "vmrun_hsave_zero", 0, vmrun_hsave_zero, NULL },
	{ "vmmcall_not_intercepted", 0, vmmcall_l1, NULL },
	{ "skinit_absent", 0, skinit_absent, NULL },
};

const struct test_group group_insn = { "insn", tests, ARRAY_SIZE(tests), false };
