/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * struct guest_run: everything a CPU needs to run a guest, free of vendor
 * names.  L1 is one; a frontend builds a second one for L2 from what L1 asked
 * for and what L0 needs.  A backend runs whichever is current and knows of no
 * nesting.
 *
 * Registers are cached by group.  After an exit a backend has only the "hot"
 * registers (GPRs, RIP, RFLAGS, CPL, interrupt shadow) in the neutral copy; a
 * group that is wanted is fetched (run_need) and a group that was written is
 * marked (run_dirty), so that an exit costs what it touches.
 */
#ifndef NESTOR_CORE_GUEST_RUN_H
#define NESTOR_CORE_GUEST_RUN_H

#include "core/guest_exit.h"
#include "core/intercepts.h"
#include "core/types.h"

/* Register groups: bits of guest_run.avail and guest_run.dirty. */
#define GRP_SEG		(1u << 0)	/* ES, CS, SS, DS (CPL is hot) */
#define GRP_DTABLE	(1u << 1)	/* GDTR, IDTR */
#define GRP_CR		(1u << 2)	/* CR0, CR3, CR4, EFER */
#define GRP_CR2		(1u << 3)
#define GRP_DR		(1u << 4)	/* DR6, DR7 */
#define GRP_PAT		(1u << 5)
#define GRP_LBR		(1u << 6)	/* DEBUGCTL and last-branch registers */
#define GRP_SYS		(1u << 7)	/* *guest_run.sys */
#define GRP_ACTIVITY	(1u << 8)	/* activity state, NMI blocking, pending debug exceptions */
#define GRP_PDPTE	(1u << 9)	/* pdpte[] of a guest with PAE paging */
#define GRP_MSRS	(1u << 10)	/* *guest_run.msrs */
#define GRP_ALL		0x7ffu
/*
 * How the code is found that the guest runs; never dirty, and no part of GRP_ALL.  It is derived from GRP_CR and
 * GRP_SEG, and does not count once one of these was written: see run_is_64bit().
 */
#define GRP_CODE64	(1u << 11)	/* code64, and where that is set cr3 and cr4 */
/* Objects that two runs may share: each keeps its own marks. */
#define GRP_SHARED	(GRP_SYS | GRP_MSRS)

/* What run_again() sets. */
#define GRP_AGAIN	(GRP_SEG | GRP_DTABLE | GRP_SYS | GRP_ACTIVITY | GRP_PAT | GRP_LBR)

/* What guest_run.eager is about: after any exit, and after a VMX instruction. */
#define GRP_EAGER	(GRP_CR | GRP_DR | GRP_LBR | GRP_ACTIVITY)
#define GRP_EAGER_VMX	(GRP_CR | GRP_DR)
enum run_eager { EAGER_NEVER, EAGER_VMX_INSN, EAGER_ALWAYS };

/* Control groups: bits of guest_run.ctl_dirty. */
#define CTL_INTERCEPTS	(1u << 0)	/* intercept[], pause filter */
#define CTL_MSR		(1u << 1)	/* msr_read_pass, msr_write_pass */
#define CTL_TSC		(1u << 2)
#define CTL_ROOT	(1u << 3)	/* second-level root */
#define CTL_VINTR	(1u << 4)	/* vintr */
#define CTL_LBR		(1u << 5)	/* lbr_virt */
#define CTL_CR		(1u << 6)	/* cr0_mask, cr0_shadow, cr4_mask, cr4_shadow */
#define CTL_VAPIC	(1u << 7)	/* vapic */
#define CTL_TIMER	(1u << 8)	/* timer, timer_on */
#define CTL_FIELDS	(1u << 9)	/* fields_on */
#define CTL_ALL		0x3ffu

/**
 * struct guest_vintr - virtual interrupt state (APM: "Virtual Interrupts")
 * @tpr: V_TPR, bits 3:0
 * @irq: V_IRQ, a virtual interrupt is pending
 * @vector: V_INTR_VECTOR
 * @prio: V_INTR_PRIO, bits 3:0
 * @ign_tpr: V_IGN_TPR
 * @masking: V_INTR_MASKING, RFLAGS.IF of the guest masks virtual interrupts only
 * @vgif: V_GIF_ENABLE, STGI/CLGI of the guest act on @gif without an exit
 * @gif: V_GIF, meaningful with @vgif
 */
struct guest_vintr {
	u8 tpr;
	bool irq;
	u8 vector;
	u8 prio;
	bool ign_tpr;
	bool masking;
	bool vgif;
	bool gif;
};

/**
 * struct guest_sys - segments and system-call registers that VM entries and exits
 * of VT-x switch and those of AMD-V do not
 * @fs: FS; @gs: GS; @ldtr: LDTR; @tr: TR
 * @sysenter_cs: SYSENTER_CS; @sysenter_esp: SYSENTER_ESP; @sysenter_eip: SYSENTER_EIP
 * @area: see run_sys_area()
 *
 * VMRUN and #VMEXIT leave this state alone, so with the AMD-V frontend L1 and
 * L2 share one object (guest_run.sys of both point at L1's); a VT-x L2 has its own.
 */
struct guest_sys {
	struct guest_seg fs, gs, ldtr, tr;
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	/* private: owned by guest_run.h and the backend */
	bool avail, dirty;
	void *area;
	void *hw;
};

/**
 * struct guest_msrs - MSRs that no entry or exit of either vendor switches
 * @kernel_gs_base: KernelGSbase
 * @star: STAR; @lstar: LSTAR; @cstar: CSTAR; @sfmask: SFMASK
 *
 * L1 and L2 share one object with every frontend.  With guest_sys it is what
 * VMLOAD and VMSAVE move.
 */
struct guest_msrs {
	u64 kernel_gs_base;
	u64 star, lstar, cstar, sfmask;
	/* private: owned by guest_run.h and the backend */
	bool avail, dirty;
	void *hw;
};

/* SDM vol. 3, "Guest Non-Register State": activity state */
enum guest_activity { ACTIVITY_ACTIVE, ACTIVITY_HLT, ACTIVITY_SHUTDOWN, ACTIVITY_WAIT_FOR_SIPI };

/**
 * struct guest_vapic - APIC virtualisation by the CPU (SDM vol. 3, "APIC
 * Virtualization and Virtual Interrupts"); all false on a CPU without it
 * @tpr_shadow: MOV CR8 works on the virtual-APIC page
 * @access: accesses to @access_page are virtualised or exit
 * @x2apic: RDMSR and WRMSR of 800H to 8FFH are virtualised
 * @regs: APIC-register virtualisation
 * @vid: virtual-interrupt delivery; @status and @eoi_exit count
 * @threshold: TPR threshold, bits 3:0
 * @x2apic_read: with @x2apic: bit n of 256: RDMSR of 800H + n does not exit
 * @x2apic_write: the same for WRMSR; only TPR, EOI and self-IPI may be set
 * @page: virtual-APIC page
 * @access_page: APIC-access page, an address below the second-level table
 * @status: guest interrupt status, RVI in bits 7:0 and SVI in bits 15:8; read back on exit
 * @eoi_exit: EOI-exit bitmap
 */
struct guest_vapic {
	bool tpr_shadow, access, x2apic, regs, vid;
	u8 threshold;
	struct hpa page, access_page;
	u16 status;
	u64 eoi_exit[4];
	u64 x2apic_read[4], x2apic_write;
};

/**
 * struct guest_run - what a CPU needs to run a guest
 * @gpr: general-purpose registers, RSP and RAX included; hot.  NR_GUEST_REGS of them, those of the processor:
 *	L1 and L2 share one array (nestor_vcpu.gpr), and a frontend switches what an entry and an exit switch
 * @rip: hot
 * @rflags: hot
 * @cpl: hot
 * @int_shadow: interrupt shadow (MOV SS, STI); hot
 * @mov_ss: @int_shadow is that of MOV SS or POP SS; hot, false where the CPU does not tell
 * @code64: the guest was in 64-bit mode when it stopped; group GRP_CODE64, which a backend may
 *	give with the exit
 * @seg: ES, CS, SS, DS; group GRP_SEG
 * @gdtr: group GRP_DTABLE
 * @idtr: group GRP_DTABLE
 * @cr0: group GRP_CR, as the guest sees it
 * @cr3: group GRP_CR
 * @cr4: group GRP_CR
 * @efer: group GRP_CR, as the guest sees it; SVME is what was written here last, whatever @avail says:
 *	no guest changes it without an exit
 * @cr0_must: bits of CR0 that the guest cannot clear, by MOV to CR0 or otherwise: #GP
 * @cr4_must: the same for CR4
 * @cr2: group GRP_CR2
 * @dr6: group GRP_DR
 * @dr7: group GRP_DR
 * @pat: group GRP_PAT
 * @debugctl: group GRP_LBR
 * @br_from: group GRP_LBR
 * @br_to: group GRP_LBR
 * @excp_from: group GRP_LBR
 * @excp_to: group GRP_LBR
 * @sys: group GRP_SYS; may be another run's
 * @sys_own: this run's own
 * @msrs: group GRP_MSRS; may be another run's
 * @msrs_own: this run's own
 * @intercept: CTL_INTERCEPTS
 * @pause_count: CTL_INTERCEPTS
 * @pause_thresh: CTL_INTERCEPTS, 0 for none
 * @ple_gap: CTL_INTERCEPTS; with @ple_window not 0 a loop of PAUSEs at CPL 0, not further apart
 * @ple_window: than @ple_gap, exits after @ple_window, both in ticks of the TSC (SDM vol. 3,
 *	"Pause-loop exiting"); needs hw_caps.ple
 * @ud_insns: CTL_INTERCEPTS; UD_*: instructions that are #UD although the CPU has them
 * @msr_read_pass: bit n set: RDMSR of pass_msr n does not exit; CTL_MSR
 * @msr_write_pass: the same for WRMSR; CTL_MSR
 * @fields_on: CTL_FIELDS; the guest's VMREAD and VMWRITE of the fields that
 *	hw_ops.fields_alloc named act on the block of hw_ops.fields_read and do not exit
 * @tsc_offset: added to the host's TSC; CTL_TSC
 * @root: second-level table (4-level, the vendor's format); CTL_ROOT
 * @root_ad: CTL_ROOT; the CPU keeps accessed and dirty flags in @root, and so takes its own
 *	accesses to the guest's page tables for writes (EPTP bit 6).  Set it exactly as
 *	the guest hypervisor did in its own EPTP; needs hw_caps.root_ad.  false for L0's own
 *	table.  NPT always does, and its backend does not look
 * @log: CTL_INTERCEPTS; with @root_ad: the CPU notes the address of each 4K page whose dirty flag it
 *	sets in @root (SDM vol. 3, "Page-Modification Logging"); needs hw_caps.pml
 * @log_gpa: after an exit with @log: the addresses noted since the last one
 * @log_nr: how many; core sets it to 0
 * @flush: drop this run's TLB entries before the next entry
 * @new_tag: use a fresh TLB tag for the next entry (a cheaper @flush)
 * @vintr: CTL_VINTR; tpr, irq and gif are read back on exit
 * @irq_window: CTL_VINTR; exit with EXIT_VINTR as soon as the guest can take an
 *	interrupt; overrides @vintr's interrupt while set
 * @nmi_window: CTL_INTERCEPTS; exit with EXIT_NMI_WINDOW as soon as the guest can take an NMI,
 *	whatever ICPT_NMI_WINDOW says; needs hw_caps.nmi_window
 * @lbr_virt: CTL_LBR
 * @cr0_mask: CTL_CR; bits of CR0 that a frontend's guest hypervisor owns: the guest
 *	reads them from @cr0_shadow and a write that differs from it exits
 * @cr0_shadow: CTL_CR
 * @cr4_mask: CTL_CR, as @cr0_mask for CR4
 * @cr4_shadow: CTL_CR
 * @pf_mask: CTL_INTERCEPTS; with ICPT_EXCEPTION's #PF: it exits when
 *	(error code & @pf_mask) == @pf_match, and with the bit clear when they differ
 * @pf_match: CTL_INTERCEPTS
 * @tsc_ratio: CTL_TSC; guest's rate over the host's, 16.48 fixed point; 0 for 1
 * @vapic: CTL_VAPIC
 * @timer_on: CTL_TIMER; exit with EXIT_PREEMPTION_TIMER when @timer runs out
 * @timer: CTL_TIMER; VMX-preemption timer, read back on exit
 * @activity: group GRP_ACTIVITY, enum guest_activity
 * @nmi_blocked: group GRP_ACTIVITY; blocking by NMI as the CPU tracks it
 * @pending_dbg: group GRP_ACTIVITY; pending debug exceptions, as VT-x keeps them
 * @pdpte: group GRP_PDPTE; what a guest with PAE paging runs on, with hw_caps.pdpte_regs
 * @next_rip: value for nRIP when a software event is injected; a backend leaves it so that
 *	an event whose delivery an exit interrupted can be injected again
 * @inject: event for the next entry; the backend clears .valid when it was taken
 * @exit: the last exit
 * @avail: register groups whose neutral copy is current
 * @dirty: register groups whose neutral copy was written
 * @eager: EAGER_*: after which exits somebody asks for GRP_EAGER, or GRP_EAGER_VMX: the backend fetches it
 *	with the exit
 * @again: before the next entry GRP_AGAIN gets what hw_ops.note remembered; see run_again()
 * @ctl_dirty: control groups that were written
 * @ctl_news: those that were committed since a frontend last cleared them here
 * @vcpu: owner
 * @hw: the backend's
 *
 * Lives as long as its vCPU; touched only by the thread that holds vcpu->lock.
 */
struct guest_run {
	u64 *gpr;
	u64 rip, rflags;
	u8 cpl;
	bool int_shadow, mov_ss, code64;

	struct guest_seg seg[4];
	struct guest_dtable gdtr, idtr;
	u64 cr0, cr3, cr4, efer, cr2, dr6, dr7, pat;
	u64 cr0_must, cr4_must;
	u64 debugctl, br_from, br_to, excp_from, excp_to;
	struct guest_sys *sys;
	struct guest_sys sys_own;
	struct guest_msrs *msrs;
	struct guest_msrs msrs_own;

	u32 intercept[NR_ICPT_WORDS];
	u16 pause_count, pause_thresh;
	u32 ple_gap, ple_window;
	u32 ud_insns;
	u32 msr_read_pass, msr_write_pass;
	bool fields_on;
	u64 tsc_offset;
	struct hpa root;
	bool root_ad, log;
	const u64 *log_gpa;
	u32 log_nr;
	bool flush, new_tag;
	struct guest_vintr vintr;
	bool irq_window, nmi_window;
	bool lbr_virt;
	u64 cr0_mask, cr0_shadow, cr4_mask, cr4_shadow;
	u32 pf_mask, pf_match;
	u64 tsc_ratio;
	struct guest_vapic vapic;
	bool timer_on;
	u32 timer;
	u8 activity;
	bool nmi_blocked;
	u64 pending_dbg;
	u64 pdpte[4];

	u64 next_rip;
	struct guest_event inject;
	struct guest_exit exit;

	u32 avail, dirty, ctl_dirty, ctl_news;
	u8 eager;
	bool again;
	struct nestor_vcpu *vcpu;
	void *hw;
};

/** tsc_scale() - @val TSC ticks at @ratio (guest_run.tsc_ratio: 16.48 fixed point, 0 for 1) */
static inline u64 tsc_scale(u64 val, u64 ratio)
{
	return ratio ? (u64)((unsigned __int128)val * ratio >> 48) : val;
}

/** tsc_scale_signed() - tsc_scale() of a difference or an offset */
static inline u64 tsc_scale_signed(u64 val, u64 ratio)
{
	return (s64)val < 0 ? -tsc_scale(-val, ratio) : tsc_scale(val, ratio);
}

/* Fetches groups from the hardware context; hw_ops.h routes it to the backend. */
void hw_fetch(struct guest_run *run, u32 groups);

/** run_need() - make the neutral copy of @groups current */
static inline void run_need(struct guest_run *run, u32 groups)
{
	u32 missing = groups & ~run->avail & ~GRP_SHARED;

	if ((groups & GRP_SYS) && !run->sys->avail)
		missing |= GRP_SYS;
	if ((groups & GRP_MSRS) && !run->msrs->avail)
		missing |= GRP_MSRS;
	if (missing)
		hw_fetch(run, missing);
}

/** run_dirty() - tell that @groups were written; they must be current (or wholly written) */
static inline void run_dirty(struct guest_run *run, u32 groups)
{
	run->avail |= groups & ~GRP_SHARED;
	run->dirty |= groups & ~GRP_SHARED;
	if (groups & GRP_SYS) {
		run->sys->avail = true;
		run->sys->dirty = true;
	}
	if (groups & GRP_MSRS) {
		run->msrs->avail = true;
		run->msrs->dirty = true;
	}
}

/**
 * run_sys_area() - where the CPU itself keeps *guest_run.sys and *guest_run.msrs
 *
 * A state-save area laid out as that of a VMCB (APM vol. 2, "VMCB Layout, State Save Area"), of which the fields of
 * VMLOAD and VMSAVE mean something: the next entry takes them from there.  To be had from an exit of @run on until
 * somebody asks for GRP_SYS or GRP_MSRS or writes them.
 * Return: NULL where there is no such place, or not now.
 */
static inline void *run_sys_area(const struct guest_run *run)
{
	const struct guest_msrs *msrs = run->msrs;
	const struct guest_sys *sys = run->sys;

	return likely(!(sys->avail | sys->dirty | msrs->avail | msrs->dirty)) ? sys->area : NULL;
}

/** run_share() - @to goes on with @from's CR2 and DR6, which are current in both */
static inline void run_share(struct guest_run *to, const struct guest_run *from)
{
	if (to->cr2 != from->cr2) {
		to->cr2 = from->cr2;
		run_dirty(to, GRP_CR2);
	}
	if (to->dr6 != from->dr6) {
		to->dr6 = from->dr6;
		run_dirty(to, GRP_DR);
	}
}

/**
 * run_again() - GRP_AGAIN is to be what it was when hw_ops.note was called, with NMIs not blocked
 *
 * For a frontend that gives a run the same registers again and again: the hardware context may
 * hold others by now, and to look costs what writing does.  Needs hw_caps.again.
 */
static inline void run_again(struct guest_run *run)
{
	run->avail &= ~GRP_AGAIN;
	run->dirty &= ~GRP_AGAIN;
	run->sys->avail = false;
	run->sys->dirty = false;
	run->again = true;
}

static inline struct guest_seg *run_seg_ptr(struct guest_run *run, enum guest_sreg n)
{
	switch (n) {
	case SEG_FS:
		return &run->sys->fs;
	case SEG_GS:
		return &run->sys->gs;
	case SEG_LDTR:
		return &run->sys->ldtr;
	case SEG_TR:
		return &run->sys->tr;
	default:
		return &run->seg[n & 3];
	}
}

/**
 * run_cancel() - @run was to be entered and is not: as if an exit had come first
 *
 * For a backend whose extension went off on this CPU after the load (the machine
 * goes down).  What was to be injected is not lost.
 */
static inline void run_cancel(struct guest_run *run)
{
	run->exit = (struct guest_exit){ .reason = EXIT_NONE, .vectoring = run->inject };
	run->inject.valid = false;
}

static inline u32 run_seg_group(enum guest_sreg n)
{
	return n < SEG_FS ? GRP_SEG : GRP_SYS;
}

/** run_seg() - segment register @n, fetched if need be */
static inline const struct guest_seg *run_seg(struct guest_run *run, enum guest_sreg n)
{
	run_need(run, run_seg_group(n));
	return run_seg_ptr(run, n);
}

/** run_set_seg() - write segment register @n; CPL is not changed by it */
static inline void run_set_seg(struct guest_run *run, enum guest_sreg n,
			       const struct guest_seg *seg)
{
	run_need(run, run_seg_group(n));
	*run_seg_ptr(run, n) = *seg;
	run_dirty(run, run_seg_group(n));
}

/**
 * run_copy() - all register groups and hot registers of @src to @dst, the same processor's, which drops its TLB entries
 * What the two share stays what it is: the general registers, and maybe a guest_sys or guest_msrs.
 */
void run_copy(struct guest_run *dst, struct guest_run *src);

#endif
