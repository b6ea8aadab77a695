/* SPDX-License-Identifier: GPL-2.0-only */
/* An exit of a guest, free of vendor names: part of struct guest_run. */
#ifndef NESTOR_CORE_GUEST_EXIT_H
#define NESTOR_CORE_GUEST_EXIT_H

#include "core/types.h"

/* Why the guest stopped.  .index holds the number where a range is meant. */
enum exit_reason {
	EXIT_NONE,		/* the entry was cancelled before the world switch */
	EXIT_CR_READ,		/* index: CR; info1: bit 63 valid, 3:0 GPR */
	EXIT_CR_WRITE,
	EXIT_DR_READ,		/* index: DR; info1: 3:0 GPR when decode assists */
	EXIT_DR_WRITE,
	EXIT_EXCEPTION,		/* index: vector; info1: error code; info2: CR2 of #PF */
	EXIT_INTR, EXIT_NMI, EXIT_SMI, EXIT_INIT, EXIT_VINTR,
	EXIT_CR0_SEL_WRITE,
	EXIT_IDTR_READ, EXIT_GDTR_READ, EXIT_LDTR_READ, EXIT_TR_READ,
	EXIT_IDTR_WRITE, EXIT_GDTR_WRITE, EXIT_LDTR_WRITE, EXIT_TR_WRITE,
	EXIT_RDTSC, EXIT_RDPMC, EXIT_PUSHF, EXIT_POPF, EXIT_CPUID, EXIT_RSM,
	EXIT_IRET, EXIT_INTN, EXIT_INVD, EXIT_PAUSE, EXIT_HLT, EXIT_INVLPG,
	EXIT_INVLPGA,
	EXIT_IOIO,		/* info1: IOIO interception information; info2: next RIP */
	EXIT_MSR,		/* info1: 0 RDMSR, 1 WRMSR */
	EXIT_TASK_SWITCH,	/* info1, info2: task-switch information */
	EXIT_FERR_FREEZE, EXIT_SHUTDOWN,
	EXIT_VMRUN, EXIT_VMMCALL, EXIT_VMLOAD, EXIT_VMSAVE, EXIT_STGI, EXIT_CLGI,
	EXIT_SKINIT, EXIT_RDTSCP, EXIT_ICEBP, EXIT_WBINVD, EXIT_MONITOR,
	EXIT_MWAIT, EXIT_MWAIT_ARMED, EXIT_XSETBV, EXIT_RDPRU,
	EXIT_EFER_WRITE_TRAP, EXIT_CR_WRITE_TRAP,
	EXIT_INVLPGB, EXIT_INVLPGB_ILLEGAL, EXIT_INVPCID, EXIT_MCOMMIT, EXIT_TLBSYNC,
	EXIT_SECOND_LEVEL,	/* info1: #NPF error code; info2: guest-physical address */
	EXIT_INVALID,		/* the CPU refused the state, for a rule that no check has */
	EXIT_BUSY,
	EXIT_UNKNOWN,		/* raw: the vendor's code */
	/* What only VT-x has (SDM vol. 3, "VMX Basic Exit Reasons"). */
	EXIT_VMX_INSN,		/* a VMX instruction; index: enum vmx_insn */
	EXIT_GETSEC,
	EXIT_SIPI,		/* index: vector */
	EXIT_NMI_WINDOW,
	EXIT_MTF,
	EXIT_PREEMPTION_TIMER,
	EXIT_TPR_THRESHOLD,
	EXIT_APIC_ACCESS,
	EXIT_APIC_WRITE,
	EXIT_VIRTUAL_EOI,	/* index: vector */
	EXIT_RDRAND, EXIT_RDSEED, EXIT_XSAVES, EXIT_XRSTORS, EXIT_ENCLS,
	EXIT_UMWAIT, EXIT_TPAUSE,
	EXIT_MCE_ON_ENTRY,
	NR_EXIT_REASONS
};

#define MAX_INSN_LEN	15

/* The VMX instructions that exit, index of EXIT_VMX_INSN. */
enum vmx_insn {
	INSN_VMCALL, INSN_VMCLEAR, INSN_VMLAUNCH, INSN_VMPTRLD, INSN_VMPTRST, INSN_VMREAD,
	INSN_VMRESUME, INSN_VMWRITE, INSN_VMXOFF, INSN_VMXON, INSN_INVEPT, INSN_INVVPID,
	INSN_VMFUNC, NR_VMX_INSNS
};

/**
 * struct guest_exit - one exit of the CPU
 * @reason: enum exit_reason
 * @index: register or vector number, see the enum
 * @info1: as EXITINFO1 of the APM for the same reason; a VT-x backend translates
 * @info2: as EXITINFO2
 * @next_rip: RIP of the next instruction, or 0 where neither the CPU says nor insn_note_next() found it out
 * @insn_len: number of bytes in @insn the CPU supplied (decode assists), 0 if none
 * @insn: instruction bytes
 * @vectoring: event whose delivery the exit interrupted (EXITINTINFO)
 * @nmi_unblocked: the exit interrupted an IRET that had unblocked NMIs; guest_run.nmi_blocked is set
 *	again, for the IRET that runs next
 * @has_qual: @qual, @insn_info and @gla are the CPU's own; otherwise a frontend
 *	that needs them derives them from the rest
 * @qual: exit qualification, as VT-x defines it for the same event
 * @insn_info: VM-exit instruction information, as VT-x defines it
 * @gla: guest-linear address, where VT-x reports one
 * @raw: the vendor's own exit code, for messages only
 */
struct guest_exit {
	u16 reason;
	u16 index;
	u8 insn_len;
	u8 insn[MAX_INSN_LEN];
	u64 info1;
	u64 info2;
	u64 next_rip;
	struct guest_event vectoring;
	bool nmi_unblocked;
	bool has_qual;
	u32 insn_info;
	u64 qual;
	u64 gla;
	u64 raw;
};

#endif
