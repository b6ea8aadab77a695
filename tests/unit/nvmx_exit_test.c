// SPDX-License-Identifier: GPL-2.0-only
/* The exit table and its rules: who gets which exit of L2. */
#include "tap.h"

#include "core/x86.h"
#include "nvmx/exit_table.h"

void hw_fetch(struct guest_run *run, u32 groups)
{
	(void)run;
	(void)groups;
}

static enum exit_want want(u16 reason, u32 pin, u32 cpu, u32 cpu2)
{
	const struct vmcs12 v = { .pin_ctls = pin, .cpu_ctls = cpu, .cpu_ctls2 = cpu2 };

	return nvmx_want_simple(&v, &nvmx_exit_table[reason]);
}

/* Reasons that L1 gets without asking, and their numbers. */
static void unconditional(void)
{
	static const struct { u16 reason; u8 basic; } list[] = {
		{ EXIT_CPUID, 10 }, { EXIT_GETSEC, 11 }, { EXIT_INVD, 13 }, { EXIT_XSETBV, 55 },
		{ EXIT_TASK_SWITCH, 9 }, { EXIT_SHUTDOWN, 2 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(list); i++)
		tap_ok(want(list[i].reason, 0, 0, 0) == WANT_L1 &&
		       nvmx_exit_table[list[i].reason].reason == list[i].basic,
		       "reason %u is L1's", list[i].basic);
}

static void by_control(void)
{
	static const struct { u16 reason; u8 basic; u32 pin, cpu, cpu2; } list[] = {
		{ EXIT_VINTR, 7, 0, CPU_INTR_WINDOW, 0 },
		{ EXIT_NMI_WINDOW, 8, 0, CPU_NMI_WINDOW, 0 },
		{ EXIT_HLT, 12, 0, CPU_HLT, 0 },
		{ EXIT_INVLPG, 14, 0, CPU_INVLPG, 0 },
		{ EXIT_RDPMC, 15, 0, CPU_RDPMC, 0 },
		{ EXIT_RDTSC, 16, 0, CPU_RDTSC, 0 },
		{ EXIT_DR_READ, 29, 0, CPU_MOV_DR, 0 },
		{ EXIT_DR_WRITE, 29, 0, CPU_MOV_DR, 0 },
		{ EXIT_MWAIT, 36, 0, CPU_MWAIT, 0 },
		{ EXIT_MTF, 37, 0, CPU_MTF, 0 },
		{ EXIT_MONITOR, 39, 0, CPU_MONITOR, 0 },
		{ EXIT_PAUSE, 40, 0, CPU_PAUSE, 0 },
		{ EXIT_PAUSE, 40, 0, 0, CPU2_PLE },
		{ EXIT_TPR_THRESHOLD, 43, 0, CPU_TPR_SHADOW, 0 },
		{ EXIT_APIC_ACCESS, 44, 0, 0, CPU2_APIC_ACCESS },
		{ EXIT_VIRTUAL_EOI, 45, 0, 0, CPU2_VID },
		{ EXIT_GDTR_READ, 46, 0, 0, CPU2_DTABLE },
		{ EXIT_GDTR_WRITE, 46, 0, 0, CPU2_DTABLE },
		{ EXIT_IDTR_READ, 46, 0, 0, CPU2_DTABLE },
		{ EXIT_IDTR_WRITE, 46, 0, 0, CPU2_DTABLE },
		{ EXIT_LDTR_READ, 47, 0, 0, CPU2_DTABLE },
		{ EXIT_LDTR_WRITE, 47, 0, 0, CPU2_DTABLE },
		{ EXIT_TR_READ, 47, 0, 0, CPU2_DTABLE },
		{ EXIT_TR_WRITE, 47, 0, 0, CPU2_DTABLE },
		{ EXIT_PREEMPTION_TIMER, 52, PIN_PREEMPTION_TIMER, 0, 0 },
		{ EXIT_WBINVD, 54, 0, 0, CPU2_WBINVD },
		{ EXIT_APIC_WRITE, 56, 0, 0, CPU2_APIC_REGS },
		{ EXIT_APIC_WRITE, 56, 0, 0, CPU2_VID },
		{ EXIT_RDRAND, 57, 0, 0, CPU2_RDRAND },
		{ EXIT_RDSEED, 61, 0, 0, CPU2_RDSEED },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(list); i++) {
		u32 pin = list[i].pin, cpu = list[i].cpu, cpu2 = list[i].cpu2;

		tap_ok(nvmx_exit_table[list[i].reason].reason == list[i].basic,
		       "%u has number %u", list[i].reason, list[i].basic);
		tap_ok(want(list[i].reason, pin, cpu | CPU_SECONDARY, cpu2) == WANT_L1,
		       "reason %u is L1's with its control", list[i].basic);
		tap_ok(want(list[i].reason, ~pin, cpu2 ? CPU_SECONDARY : ~cpu & ~CPU_SECONDARY,
			    cpu2 ? ~(cpu2 | CPU2_VID | CPU2_APIC_REGS) : ~0u) == WANT_L0,
		       "reason %u is L0's without", list[i].basic);
		if (cpu2)
			tap_ok(want(list[i].reason, 0, 0, cpu2) == WANT_L0,
			       "reason %u without secondary controls", list[i].basic);
	}
}

static void enabled(void)
{
	tap_ok(want(EXIT_RDTSCP, 0, ~0u, ~(u32)CPU2_RDTSCP) == WANT_UD, "RDTSCP is not enabled");
	tap_ok(want(EXIT_RDTSCP, 0, ~(u32)CPU_RDTSC, CPU2_RDTSCP) == WANT_L0, "RDTSCP, no exiting");
	tap_ok(want(EXIT_RDTSCP, 0, ~0u, CPU2_RDTSCP) == WANT_L1, "RDTSCP with RDTSC exiting");
	tap_ok(want(EXIT_INVPCID, 0, ~0u, ~(u32)CPU2_INVPCID) == WANT_UD, "INVPCID is not enabled");
	tap_ok(want(EXIT_INVPCID, 0, ~(u32)CPU_INVLPG, CPU2_INVPCID) == WANT_L0, "INVPCID, no exiting");
	tap_ok(want(EXIT_INVPCID, 0, ~0u, CPU2_INVPCID) == WANT_L1, "INVPCID with INVLPG exiting");
	tap_ok(want(EXIT_VMRUN, ~0u, ~0u, ~0u) == WANT_UD && want(EXIT_INVLPGA, 0, 0, 0) == WANT_UD,
	       "SVM instructions");
}

/* Nothing that is the host's may ever reach L1 by this way. */
static void host_events(void)
{
	static const u16 list[] = { EXIT_NONE, EXIT_INTR, EXIT_NMI, EXIT_SMI, EXIT_INVALID, EXIT_BUSY,
				    EXIT_UNKNOWN, EXIT_MCE_ON_ENTRY, EXIT_IRET };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(list); i++)
		tap_ok(nvmx_exit_table[list[i]].rule == RULE_L0 &&
		       want(list[i], ~0u, ~0u, ~0u) == WANT_L0, "reason %u is the host's", list[i]);
}

static void vmx_instructions(void)
{
	static const u8 basic[NR_VMX_INSNS] = { 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 50, 53, 59 };
	unsigned int i;

	for (i = 0; i < NR_VMX_INSNS; i++)
		tap_ok(nvmx_insn_reason[i] == basic[i], "VMX instruction %u", i);
}

static void exceptions(void)
{
	struct vmcs12 v = {};
	unsigned int i;

	for (i = 0; i < 32; i++) {
		v.exception_bitmap = 1u << i;
		tap_ok(nvmx_want_exception(&v, i, 0), "vector %u", i);
		v.exception_bitmap = ~(1u << i);
		tap_ok(!nvmx_want_exception(&v, i, 0), "vector %u clear", i);
	}
	v.exception_bitmap = ~0u;
	tap_ok(!nvmx_want_exception(&v, 32, 0) && !nvmx_want_exception(&v, 255, 0), "no exception");
	v.pfec_mask = 3;
	v.pfec_match = 1;
	tap_ok(nvmx_want_exception(&v, 14, 5) && !nvmx_want_exception(&v, 14, 2), "filter, bit set");
	v.exception_bitmap = 0;
	tap_ok(!nvmx_want_exception(&v, 14, 5) && nvmx_want_exception(&v, 14, 2), "filter, bit clear");
	tap_ok(!nvmx_want_exception(&v, 13, 2), "the filter is #PF's alone");
}

#define MOV_TO(n)	(n)
#define MOV_FROM(n)	((n) | 1 << 4)
#define CLTS		(2 << 4)
#define LMSW(src)	(3 << 4 | (u64)(src) << 16)

static void control_registers(void)
{
	struct vmcs12 v = { .cr0_mask = X_CR0_PG | X_CR0_TS, .cr0_read_shadow = X_CR0_TS,
			    .cr4_mask = X_CR4_PAE, .cr4_read_shadow = 0 };
	unsigned int i;

	tap_ok(!nvmx_want_cr(&v, MOV_TO(0), X_CR0_TS | X_CR0_PE), "CR0 as in the shadow");
	tap_ok(nvmx_want_cr(&v, MOV_TO(0), X_CR0_TS | X_CR0_PG), "CR0.PG is L1's");
	tap_ok(nvmx_want_cr(&v, MOV_TO(0), 0), "so is TS");
	tap_ok(!nvmx_want_cr(&v, MOV_TO(4), X_CR4_PGE), "CR4 as in the shadow");
	tap_ok(nvmx_want_cr(&v, MOV_TO(4), X_CR4_PAE), "CR4.PAE is L1's");
	v.cr4_read_shadow = X_CR4_PAE;
	tap_ok(!nvmx_want_cr(&v, MOV_TO(4), X_CR4_PAE) && nvmx_want_cr(&v, MOV_TO(4), 0),
	       "its shadow decides");
	tap_ok(!nvmx_want_cr(&v, MOV_FROM(0), 0) && !nvmx_want_cr(&v, MOV_FROM(4), 0),
	       "reads of CR0 and CR4 do not exit");

	tap_ok(nvmx_want_cr(&v, CLTS, 0), "CLTS of a shadow that has TS");
	v.cr0_read_shadow = 0;
	tap_ok(!nvmx_want_cr(&v, CLTS, 0), "CLTS of one that has not");
	v.cr0_read_shadow = X_CR0_TS;
	v.cr0_mask = 0;
	tap_ok(!nvmx_want_cr(&v, CLTS, 0), "CLTS of a TS that is L2's");

	v.cr0_mask = 0xf;
	v.cr0_read_shadow = X_CR0_PE;
	tap_ok(!nvmx_want_cr(&v, LMSW(1), 0), "LMSW as in the shadow");
	tap_ok(!nvmx_want_cr(&v, LMSW(0), 0), "LMSW does not clear PE");
	tap_ok(nvmx_want_cr(&v, LMSW(X_CR0_MP | 1), 0) && nvmx_want_cr(&v, LMSW(X_CR0_TS | 1), 0),
	       "LMSW sets MP or TS");
	tap_ok(!nvmx_want_cr(&v, LMSW(0xfff1), 0), "LMSW looks at four bits");
	v.cr0_read_shadow = X_CR0_TS;
	tap_ok(nvmx_want_cr(&v, LMSW(X_CR0_TS | 1), 0), "LMSW sets PE");
	tap_ok(nvmx_want_cr(&v, LMSW(0), 0), "LMSW clears TS");
	v.cr0_mask = X_CR0_PE;
	tap_ok(!nvmx_want_cr(&v, LMSW(0xe), 0), "LMSW of bits that are L2's");

	tap_ok(!nvmx_want_cr(&v, MOV_TO(3), 7) && !nvmx_want_cr(&v, MOV_FROM(3), 0), "CR3 is L2's");
	v.cpu_ctls = CPU_CR3_LOAD;
	tap_ok(nvmx_want_cr(&v, MOV_TO(3), 7) && !nvmx_want_cr(&v, MOV_FROM(3), 0), "CR3-load exiting");
	v.cr3_target0 = 4;
	v.cr3_target3 = 7;
	for (i = 0; i < 4; i++) {
		v.cr3_target_count = i;
		tap_ok(nvmx_want_cr(&v, MOV_TO(3), 7), "%u CR3 targets", i);
	}
	v.cr3_target_count = 4;
	tap_ok(!nvmx_want_cr(&v, MOV_TO(3), 7) && !nvmx_want_cr(&v, MOV_TO(3), 4), "CR3 targets");
	v.cpu_ctls = CPU_CR3_STORE;
	tap_ok(!nvmx_want_cr(&v, MOV_TO(3), 9) && nvmx_want_cr(&v, MOV_FROM(3), 0), "CR3-store exiting");
	v.cpu_ctls = CPU_CR8_LOAD;
	tap_ok(nvmx_want_cr(&v, MOV_TO(8), 0) && !nvmx_want_cr(&v, MOV_FROM(8), 0), "CR8-load exiting");
	v.cpu_ctls = CPU_CR8_STORE;
	tap_ok(!nvmx_want_cr(&v, MOV_TO(8), 0) && nvmx_want_cr(&v, MOV_FROM(8), 0), "CR8-store exiting");
}

static void msr_bits(void)
{
	tap_ok(nvmx_msr_bit(0, false) == 0 && nvmx_msr_bit(0x1fff, false) == 0x1fff, "low, read");
	tap_ok(nvmx_msr_bit(0, true) == 0x4000 && nvmx_msr_bit(0x1fff, true) == 0x5fff, "low, write");
	tap_ok(nvmx_msr_bit(0xc0000000, false) == 0x2000 &&
	       nvmx_msr_bit(0xc0001fff, false) == 0x3fff, "high, read");
	tap_ok(nvmx_msr_bit(0xc0000000, true) == 0x6000 &&
	       nvmx_msr_bit(0xc0001fff, true) == 0x7fff, "high, write");
	tap_ok(nvmx_msr_bit(0x2000, false) < 0 && nvmx_msr_bit(0xbfffffff, true) < 0 &&
	       nvmx_msr_bit(0xc0002000, false) < 0 && nvmx_msr_bit(~0u, true) < 0, "not covered");
}

int main(void)
{
	unconditional();
	by_control();
	enabled();
	host_events();
	vmx_instructions();
	exceptions();
	control_registers();
	msr_bits();
	return tap_done();
}
