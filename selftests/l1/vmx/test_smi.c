// SPDX-License-Identifier: GPL-2.0-only
/*
 * System-management interrupts around VMX operation, with the default treatment (SDM volume 3,
 * "Default Treatment of SMI Delivery"): the handler runs outside of VMX operation and RSM goes
 * back into it, to L1 or to L2. The handler is the firmware's, which returns by RSM at once: what
 * can be seen is that everything goes on as if nothing had been.
 */
#include "vmx/vmx.h"

#define SUM	(2000ull * 2001 / 2)

#define SEND	"mov %eax,0x310(%rbx); movl $0x4200,0x300(%rbx)\n"
#define INCS	"incq %rax; incq %rbx; incq %rcx; incq %rdx; incq %rsi; incq %rdi; incq %rbp\n" \
		"incq %r8; incq %r9; incq %r10; incq %r11; incq %r12; incq %r13; incq %r14; incq %r15\n"

VL2_ASM(vsmi_regs, SEND INCS);
VL2_ASM(vsmi_sum, "xor %rbx, %rbx; mov $2000, %rcx; 1: add %rcx, %rbx; pause; loop 1b");
/* It says that it runs: the VMM may have kept the CPU waiting until then. */
VL2_ASM(vsmi_hlt, "movl $1, vsmi_runs(%rip); sti; hlt; .globl vsmi_after_hlt; vsmi_after_hlt: nop");
extern const char vsmi_after_hlt[];
volatile u32 vsmi_runs;

static void no_l2(const void *arg)
{
	u64 cr3 = read_cr3(), cr4 = read_cr4(), efer = rdmsr(MSR_EFER), flags = read_flags();
	u64 vmcs = vmcs_new(), cur = 0;

	CHECK_EQ(vmptrld(&vmcs), VM_OK);
	apic_ipi(this_cpu()->apic_id, ICR_SMI);
	delay_us(100);
	CHECK_EQ(read_cr3(), cr3);
	CHECK_EQ(read_cr4(), cr4);
	CHECK_EQ(rdmsr(MSR_EFER), efer);
	CHECK_EQ(read_flags() & ~0xffull, flags & ~0xffull);
	/* Still in VMX operation, with the same current VMCS. */
	CHECK_EQ(vmptrst(&cur), VM_OK);
	CHECK_EQ(cur, vmcs);
}

/* The handler runs in L2's place and RSM comes back to L2, registers and all. */
static void in_l2(const void *arg)
{
	u64 *g, i, cr3 = read_cr3();
	struct vl2 l2;
	int round;

	vl2_init_at(&l2, vsmi_regs);
	if (arg)
		ctl_clear(CTRL_PROC2, PROC2_EPT | PROC2_UNRESTRICTED);
	for (round = 0; round < 20 && !t_failed(); round++) {
		for (g = &l2.rcx, i = 1; g <= &l2.r15; g++, i++)
			*g = i << 48 | round;
		l2.rax = this_cpu()->apic_id << 24;
		l2.rbx = 0xfee00000;
		vw(GUEST_RIP, (u64)vsmi_regs);
		if (!vl2_expect_done(&l2))
			return;
		for (g = &l2.rcx, i = 1; g <= &l2.r15; g++, i++)
			if (g != &l2.rbx)
				CHECK_EQ(*g, (i << 48 | round) + 1);
		CHECK_EQ(l2.rbx, 0xfee00001);
		CHECK_EQ(read_cr3(), cr3);
	}
}

/* ---- from another CPU, at any instruction of L1 and L2 ---- */

/* The boot CPU is the one whose SMBASE the firmware moved. */
static void storm(const void *arg)
{
	struct smi_storm s = { .target = this_cpu()->apic_id };
	struct vl2 l2;
	u32 i;

	vl2_init_at(&l2, vsmi_sum);
	smp_call(1, smi_storm, &s);
	for (i = 0; i < 100 && !t_failed(); i++) {
		vw(GUEST_RIP, (u64)vsmi_sum);
		if (vl2_expect_done(&l2))
			CHECK_EQ(l2.rbx, SUM);
	}
	s.stop = true;
	smp_wait(1);
	say("#   %u sent\n", s.sent);
}

static void one_smi(void *arg)
{
	struct smi_storm *s = arg;

	while (!vsmi_runs)
		cpu_relax();
	delay_us(2000);
	apic_ipi(s->target, ICR_SMI);
	delay_us(2000);
	s->stop = true;
	apic_ipi(s->target, 0x4000 | VEC_IPI);
}

/* A halted L2 halts again after RSM, until what ends a halt comes. */
static void halted(const void *arg)
{
	struct smi_storm s = { .target = this_cpu()->apic_id };
	struct vl2 l2;

	vl2_init_at(&l2, vsmi_hlt);
	ctl_clear(CTRL_PROC, PROC_HLT);
	vsmi_runs = 0;
	smp_call(1, one_smi, &s);
	if (vl2_expect(&l2, R_EXT_INT)) {
		CHECK(s.stop);
		CHECK_EQ(vr(GUEST_RIP), vsmi_after_hlt);
		CHECK_EQ(vr(GUEST_ACTIVITY), ACT_HLT);
	}
	smp_wait(1);
}

static const struct l1_test tests[] = {
	{ "no_l2", 0, no_l2, NULL },
	{ "in_l2", VF_EPT, in_l2, NULL },
	{ "in_l2_no_ept", VF_EPT, in_l2, (void *)1 },
	{ "storm", F_SMP2, storm, NULL },
	{ "halted", F_SMP2, halted, NULL },
};

const struct test_group group_vmx_smi = { "vmx_smi", tests, ARRAY_SIZE(tests), false };
