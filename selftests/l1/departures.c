// SPDX-License-Identifier: GPL-2.0-only
/*
 * Known departures from the manual, each seen by running this image there. A
 * case or part named here is skipped with the reason on that home and nowhere
 * else; the rule itself is never relaxed.
 *
 * TCG, BOCHS and KVM mean: that is what the image itself runs on. ON_TCG and
 * ON_BOCHS mean: that is the CPU below, whoever lies between. Only what a
 * hypervisor cannot mend belongs there (an intercept the CPU does not have, state
 * it does not switch), and it needs cpu=tcg or cpu=bochs on the command line.
 * UNDER_BOCHS leaves out the bare CPU, where the case is met and must pass.
 */
#include "l1.h"

#define TCG	HOME_TCG
#define BOCHS	HOME_BOCHS
#define KVM	HOME_KVM
#define ON_TCG	HOME_ON_TCG
#define ON_BOCHS HOME_ON_BOCHS
#define UNDER_BOCHS HOME_UNDER_BOCHS

#define VIRQ	"Bochs misses a virtual interrupt that is there at VMRUN"
#define VMCBPTR	"Bochs takes the operand of L2's VMSAVE or VMLOAD for the VMCB"
#define STALE	"Bochs reports an older event when the delivery of INTn, INT1 or V_IRQ faults"
#define HLT_EVENT "Bochs and KVM do not check the event for a guest in HLT"
#define KVM_HLT "KVM enters HLT at CPL 3 and with interrupts blocked"
#define SIPI_EVENT "KVM enters wait-for-SIPI with an event"
#define PENDING_BS "Bochs and KVM do not check BS of the pending debug exceptions"
#define LOST_SHADOW "TCG drops STI's shadow when an interrupt of the host ends L2 there"
#define GUEST_IF "Bochs masks physical interrupts by L2's IF"

struct entry {
	u32 homes;
	const char *name;
	const char *reason;
};

static const struct entry known[] = {
	/* The instructions and MSRs */
	{ TCG | BOCHS, "insn/vmrun_hsave_zero", "the emulators take VM_HSAVE_PA = 0" },
	{ BOCHS, "insn/skinit_absent", "Bochs stops the machine at SKINIT" },
	{ ON_BOCHS, "exc/undeliverable", "Bochs stops at SKINIT, and at a triple fault that delivers an injected event" },
	{ BOCHS, "insn/vm*_no_ram.device", "Bochs stops the machine at this I/O APIC access" },
	{ KVM, "insn/vmload_addr32", "KVM ignores the address size" },
	{ KVM, "insn/*_svme_off_cpl3", "KVM does not see the #GP that the CPU raises first" },
	{ KVM, "insn/clgi_svme_off", "KVM leaves CLGI to the CPU's virtual GIF" },
	{ KVM, "insn/stgi_svme_off", "KVM leaves STGI to the CPU's virtual GIF" },
	{ TCG, "msr/efer_reserved", "TCG ignores reserved bits of EFER" },
	{ BOCHS, "msr/vm_hsave_pa*", "Bochs takes any VM_HSAVE_PA" },
	{ TCG | BOCHS, "msr/vm_cr_*", "the emulators have no VM_CR" },
	{ ON_TCG, "msr/vm_cr_r_init.frame", "TCG pushes no error code for #SX" },
	{ KVM, "msr/vm_cr_r_init", "KVM does not redirect INIT" },
	{ BOCHS, "lock/vm_cr_lock", "the emulators have no VM_CR" },
	{ KVM, "msr/vm_cr_svmdis", "KVM changes VM_CR although it answers #GP" },

	/* Intercepts */
	{ ON_TCG, "intercept/invd", "TCG does not look at the INVD intercept" },
	{ ON_TCG, "intercept/xsetbv", "TCG does not look at the XSETBV intercept" },
	{ ON_TCG, "intercept/mwait_armed", "TCG does not look at this intercept" },
	{ ON_TCG, "intercept/icebp", "TCG has no ICEBP" },
	{ ON_TCG, "intercept/intn.int3", "TCG takes INT3 for INTn" },
	{ ON_TCG, "intercept/rdtscp", "TCG has RDTSC's intercept for it" },
	{ ON_BOCHS, "intercept/shutdown", "Bochs stops the machine at a triple fault in L2" },
	{ KVM, "intercept/vmmcall_off", "KVM takes L2's VMMCALL for L1's" },
	{ ON_TCG, "exc/bp", "TCG takes INT3 for INTn" },
	{ ON_TCG, "exc/ss", "TCG raises #GP for a non-canonical stack address" },
	{ ON_TCG, "exc/ac", "TCG has no alignment check" },
	{ ON_TCG, "exc/xm", "TCG has no SSE exceptions" },
	{ ON_TCG, "exc/df", "TCG looks at the intercept before it makes #DF" },
	{ ON_TCG, "*.error_code", "TCG scales the vector by 16 in the error code" },
	{ ON_BOCHS, "*.cr2", "Bochs does not load CR2 at VMRUN and writes it before the exit" },
	{ UNDER_BOCHS, "exc/db", "Bochs takes L2's pending single-step trap in the host: it dies" },
	{ UNDER_BOCHS, "exc/db_emulated", "Bochs takes L2's pending single-step trap in the host: it dies" },
	{ UNDER_BOCHS, "quick/single_step", "Bochs takes a guest's pending single-step trap in the host: it dies" },
	{ ON_BOCHS, "exc/db*.dr6", "Bochs looks at the intercept before it writes DR6" },
	{ ON_TCG, "ioio/*.asize", "TCG does not report the address size" },
	{ ON_BOCHS, "ioio/*.cpl3", "Bochs looks at the intercept before IOPL" },
	{ ON_TCG, "crdr/cr0_pg_no_pe", "TCG does not check values moved to CR0 and CR4" },
	{ ON_BOCHS, "crdr/cr0_pg_no_pe", "Bochs stops the machine at this state" },
	{ ON_TCG, "crdr/cr0_nw_no_cd", "TCG does not check values moved to CR0 and CR4" },
	{ ON_TCG, "crdr/cr0_high", "TCG does not check values moved to CR0 and CR4" },
	{ ON_TCG, "crdr/cr4_high", "TCG does not check values moved to CR0 and CR4" },
	{ ON_TCG, "crdr/cr4_no_pae", "TCG does not check values moved to CR0 and CR4" },
	{ TCG, "*/map_low_bits", "TCG does not ignore bits 11:0 of the address" },
	{ ON_TCG, "msrpm/pat", "TCG has no guest PAT" },
	{ ON_TCG, "again/registers.pat", "TCG has no guest PAT" },

	/* Consistency checks */
	{ TCG, "checks/exitcode_64_bits", "TCG writes 32 bits of EXITCODE" },
	{ TCG | BOCHS, "checks/refused_unmodified",
	  "the emulators write the save area at a failed VMRUN" },
	{ TCG | BOCHS, "again/checked",
	  "the emulators write the save area at a failed VMRUN" },
	{ TCG, "checks/ncr3_*", "TCG does not check nCR3" },
	{ TCG | KVM, "checks/gpat_type", "TCG has no guest PAT, KVM does not check it" },
	{ BOCHS, "checks/cr3_*", "Bochs does not check CR3 at VMRUN" },
	{ BOCHS, "checks/*pm_out_of_range", "Bochs looks at the first page of the map only" },
	{ BOCHS, "checks/eventinj_vector_31", "Bochs takes any vector below 32" },
	{ TCG | BOCHS, "checks/eventinj_not_in_64bit_mode", "the emulators do not look at the mode" },
	{ BOCHS, "checks/efer_lme_pg_no_pe", "Bochs stops the machine at this state" },
	{ KVM, "checks/eventinj_*", "KVM leaves the check to the CPU, whose TCG writes 32 bits" },

	/* Events and nested paging */
	{ ON_BOCHS, "inject/soft_nrip", "Bochs does not use nRIP at injection" },
	{ ON_BOCHS, "inject/npf_own_int", STALE },
	/* On the bare CPU these meet no nested fault; with shadow tables below they do. */
	{ UNDER_BOCHS, "inject/npf_own_gp", STALE },
	{ UNDER_BOCHS, "intercept/intn", STALE },
	{ UNDER_BOCHS, "intercept/icebp", STALE },
	{ UNDER_BOCHS, "modes/*_events*", STALE },
	{ UNDER_BOCHS, "vintr/if_clear", STALE },
	{ UNDER_BOCHS, "vintr/cr8_opens", STALE },
	{ UNDER_BOCHS, "vintr/vgif_holds", VIRQ },
	{ ON_TCG, "inject/npf_own_gp", "TCG reports the first event, not the #GP it led to" },
	{ ON_TCG, "vintr/priorities", "TCG delivers a virtual interrupt of V_TPR's own priority" },
	{ ON_TCG, "vintr/cr8_opens", "TCG aborts when L2's CR8 write frees a virtual interrupt" },
	{ ON_BOCHS, "vintr/delivered", VIRQ },
	{ ON_BOCHS, "vintr/vectors", VIRQ },
	{ ON_BOCHS, "vintr/priorities", VIRQ },
	{ ON_BOCHS, "vintr/ign_tpr", VIRQ },
	{ ON_BOCHS, "vintr/intercept", VIRQ },
	{ ON_BOCHS, "vintr/shadow", VIRQ },
	{ ON_BOCHS, "vintr/wakes_hlt", VIRQ },
	{ ON_BOCHS, "intr/mask1_host0_guest1", GUEST_IF },
	{ ON_BOCHS, "intr/mask1_host1_guest0", GUEST_IF },
	{ ON_TCG, "vintr/shadow", "TCG enters L2 without the interrupt shadow of the VMCB" },
	{ ON_BOCHS, "intr/tpr", GUEST_IF },
	{ ON_BOCHS, "intr/arrives_running", GUEST_IF },
	{ ON_BOCHS, "intr/wakes_hlt", GUEST_IF },
	{ ON_BOCHS, "intr/not_lost", GUEST_IF },
	{ TCG, "feat/tsc_offset_msr", "TCG cannot read the TSC as an MSR" },
	{ ON_BOCHS, "feat/clean_bits.tpr", VIRQ },
	{ ON_BOCHS, "feat/lbr_*", "Bochs announces LBR virtualization and has no LBR" },
	{ BOCHS, "vmls/vmsave", VMCBPTR },
	{ BOCHS, "vmls/vmload", VMCBPTR },
	{ BOCHS, "vmls/vm*_no_ram", VMCBPTR },
	{ ON_TCG, "modes/*_of_br*.of", "TCG takes INTO for INTn" },
	{ ON_TCG, "modes/p32_task_switch*", "TCG does not look at the task switch intercept" },
	{ TCG, "fatal/l2_triple_fault", "TCG exits with SHUTDOWN, intercepted or not" },
	{ KVM, "modes/pae_pf_no_npt", "KVM refuses to enter this PAE L2 a second time" },
	{ KVM, "modes/chain_no_npt", "KVM refuses to enter this PAE L2 a second time" },
	{ KVM, "smp/race_eventinj", "KVM leaves the check to the CPU, whose TCG writes 32 bits" },
	{ KVM, "vintr/if_clear", "KVM puts back the exception that TCG makes of a virtual interrupt" },
	{ KVM, "vintr/vgif_holds", "KVM puts back the exception that TCG makes of a virtual interrupt" },
	{ KVM, "vintr/wakes_hlt", "KVM does not end HLT for a virtual interrupt of L1's" },
	{ KVM, "intr/mask1_host0_guest1", "KVM's own virtual interrupt, vector 0, reaches L2" },
	{ KVM, "inject/npf_*_soft", "KVM without NRIPS loses an interrupted INTn" },
	{ KVM, "inject/npf_own_int", "KVM without NRIPS loses an interrupted INTn" },
	{ TCG, "npf/*.present", "TCG leaves P clear with a reserved bit" },

	/* VT-x: the instructions and fields */
	{ BOCHS, "vmx_insn/vmcs_no_ram.device", "Bochs stops the machine at this I/O APIC access" },
	{ BOCHS, "vmx_insn/shadow_vmcs", "Bochs enters a shadow VMCS (Basic VM-Entry Checks)" },
	{ BOCHS, "vmx_insn/inv*.high_bits", "Bochs looks at 32 bits of the type (INVEPT, INVVPID)" },
	{ BOCHS, "vmx_insn/vmcall_root.current", "Bochs stops the machine at this VMCALL" },
	{ KVM, "vmx_insn/vmcall_root.call", "KVM takes VMCALL in VMX root operation for a call to it" },
	{ BOCHS, "vmx_fault/operand_device.apic", "Bochs stops the machine at 64 bits of the APIC" },
	{ KVM, "vmx_fault/operand_canonical.end", "KVM looks at the operand's first byte only" },
	{ KVM, "vmx_fault/operand_device", "KVM ends the VM when the operand is in a device" },
	{ KVM, "vmx_fields/*.GUEST_SMBASE", "KVM has no fields for SMM" },
	{ KVM, "vmx_fields/*.EXIT_IO_R*", "KVM has no fields for SMM" },
	{ ON_BOCHS, "vmx_exits/xsetbv.cpl3", "Bochs looks at the exit before CPL" },
	{ BOCHS, "vmx_xsaves/sizes.size", "Bochs has no compacted size without AVX" },
	{ BOCHS, "vmx_xsaves/xss.bits", "Bochs takes bits that CPUID does not name (CET's)" },
	{ ON_BOCHS, "vmx_xsaves/*.avx", "Bochs loses upper halves of YMM in compacted format" },
	{ ON_BOCHS, "vmx_exits/invpcid.cpl3", "Bochs looks at the exit before CPL" },
	{ ON_BOCHS, "vmx_exits/rd*_info.size16", "Bochs reports 32 bits for 16" },
	{ ON_BOCHS, "vmx_desc/*.register_qual", "Bochs leaves a stale displacement there" },
	{ ON_BOCHS, "vmx_l2vmx/*.register_qual", "Bochs leaves a stale displacement there" },
	{ BOCHS, "vmx_io/msr_absent", "Bochs is started to ignore unknown MSRs" },
	{ BOCHS, "vmx_event_checks/type_vector.other", "Bochs stops the machine at this type" },
	{ BOCHS, "vmx_event_checks/other_event", "Bochs stops the machine at this type" },
	{ BOCHS, "vmx_*_checks/perf_global", "Bochs does not check PERF_GLOBAL_CTRL" },
	{ BOCHS, "vmx_guest_checks/ia32e_no_pg", "Bochs does not check CR0.PG of an IA-32e mode guest" },
	{ BOCHS, "vmx_guest_checks/debugctl", "Bochs does not check DEBUGCTL" },
	{ BOCHS | KVM, "vmx_guest_checks/rip_64.refused", "neither checks RIP of 64-bit code" },
	{ BOCHS | KVM, "vmx_nonreg_checks/activity.row5", HLT_EVENT },
	{ BOCHS | KVM, "vmx_nonreg_checks/activity.row6", HLT_EVENT },
	{ BOCHS | KVM, "vmx_nonreg_checks/activity.row7", HLT_EVENT },
	{ BOCHS | KVM, "vmx_nonreg_checks/activity.row8", HLT_EVENT },
	{ BOCHS | KVM, "vmx_nonreg_checks/blocking.row6", "neither checks NMI blocking" },
	{ BOCHS | KVM, "vmx_nonreg_checks/pending_bs", PENDING_BS },
	{ BOCHS | KVM, "vmx_nonreg_checks/pending_sti", PENDING_BS },
	{ BOCHS | KVM, "vmx_nonreg_checks/pending_mov_ss", PENDING_BS },
	{ BOCHS | KVM, "vmx_nonreg_checks/pending_high", "Bochs looks at 32 bits of the field" },
	{ BOCHS | KVM, "vmx_again_link/checked*.rip", "neither checks RIP of 64-bit code" },
	{ BOCHS, "vmx_again_link/mixed.unblocked", "Bochs's VM entry does not end blocking by NMI" },
	{ BOCHS, "vmx_again_duty/nmi_unblocked", "Bochs's VM entry does not end blocking by NMI" },
	{ BOCHS, "vmx_again_duty/nmi_host", "Bochs's VM entry does not end blocking by NMI" },
	{ BOCHS, "vmx_again_duty/woken", "Bochs masks interrupts by the IF that L2 is entered with" },
	{ ON_BOCHS, "vmx_intr/ext_int_if0", "Bochs masks interrupts by the IF that L2 is entered with" },
	{ ON_BOCHS, "vmx_state/hlt_*.saved", "Bochs leaves HLT before an exit by an interrupt" },
	{ BOCHS, "vmx_intr/intr_window_h*", "Bochs does not end HLT for the window" },
	{ BOCHS, "vmx_lists/exit_store_tsc", "Bochs stores L2's time-stamp counter" },
	{ BOCHS, "vmx_intr/nmi_window_first", "Bochs takes an interrupt before it looks at the NMI window" },
	{ BOCHS, "vmx_intr/nmi_window_hlt", "Bochs does not end HLT for the window" },
	{ ON_BOCHS, "vmx_ept/guest_walk.accessed", "Bochs sets accessed flags in pages that EPT lets it read" },
	{ BOCHS, "vmx_ept/misconfig_bits_*.bit12", "Bochs does not look at bit 12 of large EPT pages" },
	{ BOCHS | KVM, "vmx_pml/ad_walk.read", "Bochs and KVM report a write alone for a walk" },
	{ ON_BOCHS, "vmx_apic/access_exit.fetch", "Bochs stops the machine at this fetch" },
	{ BOCHS, "vmx_vintr/host_irq.if0", "Bochs delivers with IF clear when a host interrupt comes" },
	{ BOCHS, "vmx_vintr/hlt", "Bochs does not end HLT for a virtual interrupt" },
	{ BOCHS, "vmx_state/pending_debug_hlt", "Bochs does not end HLT for a pending debug exception" },
	{ BOCHS, "vmx_lists/entry_bad.absent", "Bochs is started to ignore unknown MSRs" },
	{ BOCHS, "vmx_lists/entry_bad.smm", "Bochs is started to ignore unknown MSRs" },
	{ BOCHS | KVM, "vmx_lists/debug_controls.debugctl", "Bochs has no DEBUGCTL, KVM drops LBR" },
	{ BOCHS, "vmx_caps/read_only.absent", "Bochs is started to ignore unknown MSRs" },
	{ BOCHS, "vmx_caps/monitoring", "Bochs is started to ignore unknown MSRs" },
	{ BOCHS, "vmx_caps/debugctl", "Bochs has no DEBUGCTL" },
	{ UNDER_BOCHS, "vmx_exc/db_step_cold",
	  "Bochs saves a pending single step with the exit of an instruction that has not run" },
	{ UNDER_BOCHS, "vmx_intr/ext_int_if0_later", "Bochs stops the machine: L0's own entries have IF clear" },
	{ KVM, "vmx_nonreg_checks/activity.row2", KVM_HLT },
	{ KVM, "vmx_nonreg_checks/activity.row3", KVM_HLT },
	{ KVM, "vmx_nonreg_checks/activity.row4", KVM_HLT },
	{ KVM, "vmx_state/timer", "KVM's preemption timer of 0 comes late" },
	{ KVM, "vmx_state/timer_hlt", "KVM's preemption timer of 0 comes late" },
	{ KVM, "vmx_nonreg_checks/activity.row12", SIPI_EVENT },
	{ KVM, "vmx_nonreg_checks/activity.row13", SIPI_EVENT },
	{ KVM, "vmx_nonreg_checks/activity.row14", SIPI_EVENT },
	{ KVM, "vmx_nonreg_checks/link_current", "KVM takes the current VMCS as link pointer" },
	{ KVM, "vmx_exc/db_step", "KVM exits for the trap before the instruction" },
	{ KVM, "vmx_inject/vectoring*.int1", "KVM loses an interrupted INT1" },
	{ KVM, "vmx_vintr/held", "KVM makes a #GP of a virtual interrupt that opens late" },
	{ KVM, "vmx_vintr/eoi", "KVM does not reflect the EOI exit" },
	{ KVM, "vmx_vintr/self_ipi", "KVM makes a #GP of the x2APIC self-IPI" },
	{ KVM, "vmx_fields/unsupported", "KVM has fields whose controls it does not offer" },
};

/* Departures that depend on when the host's own interrupts come: one good run of three will do. */
static const struct entry rare[] = {
	{ ON_TCG, "vintr/if_clear", LOST_SHADOW },
	{ ON_TCG, "vintr/intercept", LOST_SHADOW },
	{ ON_TCG, "vintr/shadow_reported", LOST_SHADOW },
};

/* A '*' in a pattern stands for any text. */
static bool matches(const char *pat, const char *name)
{
	for (; *pat; pat++, name++) {
		if (*pat == '*')
			return matches(pat + 1, name) || (*name && matches(pat, name + 1));
		if (*pat != *name)
			return false;
	}
	return !*name;
}

static const char *reason_in(const struct entry *table, u32 nr, const char *name)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (table[i].homes & home && matches(table[i].name, name))
			return table[i].reason;
	return NULL;
}

const char *departure(const char *name)
{
	return reason_in(known, ARRAY_SIZE(known), name);
}

const char *rare_departure(const char *name)
{
	return reason_in(rare, ARRAY_SIZE(rare), name);
}
