/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The seam to the CPU: one const table a vendor.  A backend runs a guest; it
 * knows of no nesting, no vmcs12 and no vmcb12.
 */
#ifndef NESTOR_CORE_HW_OPS_H
#define NESTOR_CORE_HW_OPS_H

#include "core/guest_run.h"
#include "core/image.h"

/**
 * struct hw_caps - what this host's CPU can do, found by hw_ops.probe
 * Frontends read it to decide what to offer; core reads it to pick a path.
 */
struct hw_caps {
	bool nrips;		/* exits carry the next RIP */
	bool decode_assists;
	bool vgif;
	bool lbrv;
	bool flush_by_tag;
	bool clean_bits;
	bool pause_filter, pause_threshold;
	bool tsc_scaling;
	bool virt_vmload;
	bool vnmi;
	bool root_1g, root_2m;	/* large second-level leaves */
	u64 debugctl;		/* bits of DEBUGCTL that a guest may set */
	bool spec_ctrl;		/* SPEC_CTRL exists and may be given to a guest */
	bool xsaves;		/* XSAVES and XRSTORS work in a guest */
	bool nmi_window;	/* the CPU keeps guest_run.nmi_blocked; ICPT_NMI_WINDOW works */
	bool forces_svme;	/* EFER.SVME is set whatever the guest sees */
	bool ple;		/* guest_run.ple_window */
	/* What not every CPU has and a frontend may offer only with it. */
	bool timer;		/* guest_run.timer works; bit @timer_rate of the TSC counts it down */
	u8 timer_rate;
	bool mtf;		/* ICPT_MTF */
	bool unrestricted;	/* guests without paging and in real mode run as they are */
	bool icpt_dtable;	/* exits on GDTR, IDTR, LDTR and TR, read and write */
	bool icpt_rdtscp;	/* RDTSCP can be given to a guest and refused to another */
	bool icpt_invpcid;	/* INVPCID, the same */
	bool icpt_xsaves;	/* XSAVES and XRSTORS, the same */
	bool icpt_rdrand, icpt_rdseed;
	bool zero_len;		/* a software event may be injected with guest_run.next_rip = rip */
	bool icpt_vmfunc;	/* ICPT_VMFUNC: VMFUNC with EAX below 64 exits */
	bool tpr_shadow, apic_access, x2apic_virt, apic_regs, vid;	/* struct guest_vapic */
	bool guest_fields;	/* hw_ops.fields_alloc works */
	bool status_field;	/* the guest interrupt status can be one of them, be @vid used or not */
	bool again;		/* run_again() and hw_ops.note work */
	bool pml;		/* guest_run.log works */
	bool root_exec_only;	/* a second-level leaf may be executable and not readable */
	u32 nr_tags;		/* TLB tags (ASIDs, VPIDs) */
	u8 root_levels;		/* levels of the second-level table: 4 */
	bool root_is_npt;	/* format of the second-level table: NPT, else EPT */
	bool root_ad;		/* EPT: guest_run.root_ad works; else a frontend hides A/D flags */
	bool exec_only;		/* second-level leaves may be execute-only; else it is hidden */
	bool pdpte_regs;	/* PAE guests run on guest_run.pdpte, not on what is in memory */
};

/**
 * struct hw_problem - why this machine cannot be used: one line with its remedy
 * @cause: what is wrong
 * @remedy: what to do about it
 */
struct hw_problem {
	const char *cause;
	const char *remedy;
};

/**
 * struct hw_ops - a backend
 * @name: "AMD-V" or "VT-x"
 * @probe: is it there and usable on this machine?  Fills hw_caps.
 *	-ENODEV: CPU has no such extension, and *why is filled in only if its maker has it
 *	in others; -EACCES: disabled or locked by
 *	firmware; -EOPNOTSUPP: no second-level paging; -EBUSY: a hypervisor is
 *	already running.  Process context, before any other hook.
 * @setup: allocate what all CPUs share and each CPU needs; -ENOMEM
 * @teardown: the reverse
 * @cpu_on: turn the extension on for this CPU; -EBUSY if someone else did, -EACCES if
 *	this CPU's firmware settings forbid it.  Interrupts off.
 * @cpu_off: put this CPU back as cpu_on found it.  Interrupts off; any number of times.
 * @run_alloc: hardware context for a run (run->hw), and for run->sys_own and run->msrs_own where
 *	@run uses these and not another's; -ENOMEM
 * @run_free: the reverse; safe after a failed run_alloc
 * @load: this CPU is about to run @run's vCPU: host state done once and not
 *	per entry.  Preemption off.  -EAGAIN: the extension is off on this CPU.
 * @change: between load and unload: the vCPU's other run is the next to be entered.
 *	-EAGAIN as @load
 * @unload: the reverse of @load, before preemption is allowed again
 * @enter: any number of times between load and unload, with the run of the last load or change:
 *	commit dirty groups, switch worlds, come back, fill run->exit and
 *	the hot registers.  Preemption and interrupts off on entry and return; a
 *	host interrupt that ended the guest is still pending on return.
 * @reenter: @enter once more, with interrupts off ever since
 * @near: after @enter, with interrupts off ever since: can the vCPU's other run be the next of @reenter, without
 *	@change?
 * @leave: after the last of these, before interrupts are on: what of the host's the CPU had given up
 *	for the guest is the host's again, and an event of the host's that ended the guest is handled
 * @fetch: make register groups current, see run_need
 * @refuses: would an entry with these registers fail, whatever @enter makes of them?  For state
 *	that a VMM or RSM loads; CR0, CR4 and EFER went through cr_set_check().  Pure.
 * @note: remember @run's neutral copy of GRP_AGAIN, which is whole, for run_again(); with
 *	hw_caps.again only
 * @fields_alloc: a block of fields that @run's guest can VMREAD and VMWRITE without an
 *	exit (SDM vol. 3, "VMCS Types: Ordinary and Shadow"): bit n of @read and @write is the field with
 *	encoding @enc[n]; freed with @run.  -ENOMEM; -EOPNOTSUPP without
 *	hw_caps.guest_fields; -EEXIST the second time.  Sleepable.
 * @fields_read: the fields of that block in @which, numbered as those of @fields_alloc, to @val[n]; each of them was
 *	written; @diff: those that were not @val[n] already.  @run is not in the guest.  -EAGAIN, with nothing
 *	done: the extension is off on this CPU.
 * @fields_write: the reverse
 * @fields_pull: @fields_read between @enter and @leave, of a run that left this CPU in between: it cannot fail.
 *	Return: what @fields_read says in @diff
 * @fields_push: @fields_write then
 * @fields_allow: may the guest write this field of @write without an exit?  At first it may.  @run is
 *	not in the guest
 *
 * No hook is ever NULL.
 */
struct hw_ops {
	const char *name;
	int (*probe)(struct hw_caps *caps, struct hw_problem *why);
	int (*setup)(void);
	void (*teardown)(void);
	int (*cpu_on)(void);
	void (*cpu_off)(void);
	int (*run_alloc)(struct guest_run *run);
	void (*run_free)(struct guest_run *run);
	int (*load)(struct guest_run *run);
	int (*change)(struct guest_run *run);
	void (*unload)(struct guest_run *run);
	void (*enter)(struct guest_run *run);
	void (*reenter)(struct guest_run *run);
	bool (*near)(struct guest_run *run);
	void (*leave)(struct guest_run *run);
	void (*fetch)(struct guest_run *run, u32 groups);
	bool (*refuses)(const struct guest_image *image);
	void (*note)(struct guest_run *run);
	int (*fields_alloc)(struct guest_run *run, const u16 *enc, u64 read, u64 write);
	int (*fields_read)(struct guest_run *run, const u16 *enc, u64 *val, u64 which, u64 *diff);
	int (*fields_write)(struct guest_run *run, const u16 *enc, const u64 *val, u64 which);
	u64 (*fields_pull)(struct guest_run *run, const u16 *enc, u64 *val, u64 which);
	void (*fields_push)(struct guest_run *run, const u16 *enc, const u64 *val, u64 which);
	void (*fields_allow)(struct guest_run *run, u16 enc, bool allow);
};

extern const struct hw_ops *hw;
extern struct hw_caps hw_caps;
extern const struct hw_ops svm_hw_ops;
extern const struct hw_ops vmx_hw_ops;

#endif
