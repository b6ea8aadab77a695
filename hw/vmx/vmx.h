/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the VT-x backend share. */
#ifndef NESTOR_HW_VMX_VMX_H
#define NESTOR_HW_VMX_VMX_H

#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/user-return-notifier.h>

#include "core/hw_ops.h"
#include "hw/vmx/adjust.h"
#include "hw/vmx/insn.h"
#include "hw/vmx/translate.h"
#include "hw/vmx/vmcs.h"

/**
 * struct vmx_caps - what the capability MSRs of this machine say; constant after probe
 * @revision: VMCS revision identifier
 * @ctl: the control words
 * @ept_vpid: IA32_VMX_EPT_VPID_CAP
 * @cr0_fixed0: bits of CR0 that have to be 1 in VMX operation (PE and PG taken out: unrestricted guest)
 * @cr0_fixed1: bits of CR0 that may be 1
 * @cr4_fixed0: the same for CR4
 * @cr4_fixed1: the same for CR4
 * @vpid: tags are VPIDs
 */
struct vmx_caps {
	u32 revision;
	struct vmx_ctl ctl[NR_CTL_WORDS];
	u64 ept_vpid;
	u64 cr0_fixed0, cr0_fixed1;
	u64 cr4_fixed0, cr4_fixed1;
	bool vpid;
};

extern struct vmx_caps vmx_caps;

/* TPR in a virtual-APIC page */
#define VAPIC_TPR	0x80

/* System-call MSRs that the host needs in user mode only: restored on the way there. */
enum vmx_late_msr { LATE_STAR, LATE_LSTAR, LATE_CSTAR, LATE_SFMASK, NR_LATE_MSR };

/**
 * struct vmx_host_sel - the task's selectors, which a VM exit leaves null; mostly they are anyway
 * @fs: FS
 * @gs: GS
 * @ds: DS
 * @es: ES
 * @ldt: LDTR
 */
struct vmx_host_sel {
	u16 fs, gs, ds, es, ldt;
};

/**
 * struct vmx_cpu - what the backend keeps for each host CPU; touched on that CPU only,
 *	with interrupts off or by the thread that holds preemption off in load..unload
 * @vmxon: VMXON region
 * @on: VMX operation is ours
 * @here: what vmx_ctx.here has where all is as it was; never 0, and no other CPU has had it
 * @current_ctx: whose VMCS is current, NULL for none
 * @active: contexts whose VMCS is active here (vmx_ctx.link); interrupts off
 * @vpid_gen: generation; a larger one invalidates all VPIDs given before
 * @next_vpid: next to give
 * @last: vCPU that ran last, for the branch-prediction barrier
 * @urn: restores what user mode needs
 * @urn_on: it is registered
 * @late: whose values the late MSRs have, as long as it is not dirty; NULL: see @cur_late
 * @host_late: the host's own values of the late MSRs
 * @cur_late: what they hold now
 * @debugctl: the host's own, when the vCPU was loaded; @cr3 alike
 * @area: what a host-state area on this CPU is to have of the task's: CR3, CR4, FS base
 * @sel: the host's, when the vCPU was loaded
 * @fs_base: the task's FS base, when the vCPU was loaded
 * @gs_base: the task's GS base, while the guest's is loaded
 */
struct vmx_cpu {
	void *vmxon;
	bool on;
	u64 here;
	struct vmx_ctx *current_ctx;
	struct list_head active;
	u64 vpid_gen;
	u32 next_vpid;
	const void *last;
	struct user_return_notifier urn;
	bool urn_on;
	const struct guest_msrs *late;
	u64 host_late[NR_LATE_MSR];
	u64 cur_late[NR_LATE_MSR];
	u64 debugctl, cr3;
	struct {
		u64 cr3, cr4, fs_base;
	} area;
	struct vmx_host_sel sel;
	u64 fs_base, gs_base;
};

DECLARE_PER_CPU(struct vmx_cpu, vmx_cpu);

/* Of vmx_cpu.here; below it is the number of the CPU. */
#define VMX_HERE_STEP	(1ull << 32)

/* vmx_cpu_news() - tags or a host-state area of this CPU's are no longer what they were; interrupts off */
static inline void vmx_cpu_news(struct vmx_cpu *vc)
{
	vc->here += VMX_HERE_STEP;
}

/**
 * struct vmx_fields - shadow VMCS of a run (hw_ops.fields_alloc)
 * @vmcs: the region; @pa: its physical address
 * @fresh: it was never cleared, so it is no VMCS yet
 * @read_map: VMREAD bitmap
 * @write_map: VMWRITE bitmap
 */
struct vmx_fields {
	void *vmcs;
	u64 pa;
	bool fresh;
	void *read_map, *write_map;
};

/* Fields of one segment register, as the VMCS has them; each in the 64 bits that VMWRITE reads. */
struct vmx_seg {
	u64 sel, limit, ar, base;
};

/**
 * struct vmx_noted - GRP_AGAIN in the form of the VMCS (hw_ops.note)
 * @seg: segment registers by enum guest_sreg
 * @gdtr_limit: GDTR; @gdtr_base: GDTR; @idtr_limit: IDTR; @idtr_base: IDTR
 * @sysenter_cs: SYSENTER_CS; @sysenter_esp: SYSENTER_ESP; @sysenter_eip: SYSENTER_EIP
 * @activity: activity state
 * @pending_dbg: pending debug exceptions
 * @pat: PAT
 * @debugctl: DEBUGCTL
 */
struct vmx_noted {
	struct vmx_seg seg[8];
	u64 gdtr_limit, gdtr_base, idtr_limit, idtr_base;
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	u64 activity, pending_dbg;
	u64 pat, debugctl;
};

/* Bits of vmx_ctx.more */
#define VMX_MORE_LMA	(1u << 0)	/* the VM-entry controls */
#define VMX_MORE_TPR	(1u << 1)
#define VMX_MORE_STATUS	(1u << 2)	/* guest interrupt status */
#define VMX_MORE_LOG	(1u << 3)
#define VMX_MORE_TIMER	(1u << 4)

/**
 * struct vmx_ctx - hardware context of one run (guest_run.hw)
 * @run: its run
 * @host_rsp: HOST_RSP as it is in the VMCS; offset known to enter.S
 * @vmcs: the VMCS region; @pa: its physical address
 * @msr_bitmap: MSR bitmap
 * @vapic: virtual-APIC page for TPR shadow when the run brings none, NULL without TPR shadow
 * @log: page-modification log, NULL without hw_caps.pml
 * @here: vmx_cpu.here of the CPU that entered it last: the VMCS is active there, its tag is that CPU's, and the
 *	host-state area has what vmx_cpu.area says; or another value
 * @cpu: CPU on which the VMCS is active, -1 for none; written on that CPU
 * @link: in that CPU's vmx_cpu.active
 * @launched: VMRESUME is due, not VMLAUNCH
 * @more: VMX_MORE_*: what to read after an exit, by the controls as they are in the VMCS
 * @filled: the fields that never change are written
 * @host_cpu: CPU whose own bases are in the host-state area
 * @tag_cpu: CPU that @vpid was given by
 * @vpid_gen: generation in which it was
 * @pin: control words as they are in the VMCS, with the members below
 * @cr0_mask: CR0 bits whose guest copy is run->cr0 and not the VMCS; the same for CR4
 * @interruptibility: field as the VMCS has it; @ss_ar, @rip, @rsp, @rflags, @eptp,
 *	@dr7 alike
 * @vpid: of the pool of @tag_cpu
 * @soft_len: length of the last INT3 or INTO that exited
 * @given: what was given to the CPU to inject with the last entry
 * @raw: the last exit as the CPU told it; here because the kernel may clear what is on the stack
 * @fields: shadow VMCS, NULL for none; outside of the guest it is clear
 * @noted: what run_again() asks for
 */
struct vmx_ctx {
	u64 host_rsp;
	u64 here;
	struct guest_run *run;
	void *vmcs;
	u64 pa;
	u8 *msr_bitmap;
	u8 *vapic;
	u64 *log;
	int cpu;
	struct list_head link;
	bool launched, filled;
	u8 more;
	int host_cpu;
	int tag_cpu;
	u64 vpid_gen;
	u32 pin, proc, proc2, exit, entry;
	u64 cr0_mask, cr4_mask;
	u32 ss_ar;
	u64 rip, rsp, rflags, interruptibility, eptp, dr7;
	u16 vpid;
	u8 soft_len;
	struct guest_event given;
	struct vmx_raw raw;
	struct vmx_fields *fields;
	struct vmx_noted noted;
};

static inline struct vmx_ctx *vmx_ctx(struct guest_run *run)
{
	return run->hw;
}

/* probe.c */
int vmx_probe(struct hw_caps *caps, struct hw_problem *why);

/* cpu.c */
int vmx_setup(void);
void vmx_teardown(void);
int vmx_cpu_on(void);
void vmx_cpu_off(void);

/* vmcs.c: which VMCS is where */
int vmx_run_alloc(struct guest_run *run);
void vmx_run_free(struct guest_run *run);
/* vmx_take() - make @ctx active on this CPU; preemption off, interrupts on; waits for another CPU */
void vmx_take_slow(struct vmx_ctx *ctx);
static inline void vmx_take(struct vmx_ctx *ctx)
{
	lockdep_assert_preemption_disabled();
	lockdep_assert_irqs_enabled();
	if (unlikely(smp_load_acquire(&ctx->cpu) != smp_processor_id()))
		vmx_take_slow(ctx);
}
/* vmx_make_current() - interrupts off, @ctx active here or nowhere */
void vmx_make_current_slow(struct vmx_cpu *vc, struct vmx_ctx *ctx);
static inline void vmx_make_current(struct vmx_cpu *vc, struct vmx_ctx *ctx)
{
	lockdep_assert_irqs_disabled();
	if (vc->current_ctx == ctx)
		return;
	if (unlikely(ctx->cpu < 0 || !ctx->filled))
		return vmx_make_current_slow(vc, ctx);
	vmptrld(&ctx->pa);
	vc->current_ctx = ctx;
}
void vmx_clear_all(struct vmx_cpu *vc);

/* host.c: the host's own state */
void vmx_fill_constants(struct vmx_ctx *ctx);
void vmx_host_load(struct vmx_cpu *vc);
void vmx_host_enter(struct vmx_ctx *ctx, struct vmx_cpu *vc);
void vmx_host_fill(struct vmx_ctx *ctx, struct vmx_cpu *vc);
/*
 * vmx_host_area() - the host-state area, if the CPU, the task or what it set up differs from the last entry.  The last
 * of what vmx_ctx.here tells of: the tag is settled
 */
static __always_inline void vmx_host_area(struct vmx_ctx *ctx, struct vmx_cpu *vc)
{
	if (unlikely(ctx->here != vc->here))
		vmx_host_fill(ctx, vc);
}
void vmx_host_leave(struct guest_run *run, struct vmx_cpu *vc);
/* vmx_load_cr2() - the guest's CR2; the kernel may have had a page fault of its own */
static __always_inline void vmx_load_cr2(const struct guest_run *run)
{
	if (native_read_cr2() != run->cr2)
		native_write_cr2(run->cr2);
}
void vmx_late_load_slow(struct vmx_cpu *vc, struct guest_msrs *m);
static inline void vmx_late_load(struct vmx_cpu *vc, struct guest_msrs *m)
{
	if (unlikely(vc->late != m || m->dirty))
		vmx_late_load_slow(vc, m);
}
void vmx_late_drop(struct vmx_cpu *vc);
void vmx_late_init(struct vmx_cpu *vc);

/* controls.c */
void vmx_commit_controls(struct guest_run *run);
void vmx_msr_bitmap(struct guest_run *run);

/* commit.c */
void vmx_commit(struct guest_run *run, struct vmx_cpu *vc);

/* vmx_unchanged() - has nothing been written since the exit but RFLAGS, general registers with RIP, and again? */
static __always_inline bool vmx_unchanged(const struct guest_run *run)
{
	return !(run->dirty | run->ctl_dirty | (run->flush || run->new_tag) | run->int_shadow | run->inject.valid |
		 run->sys->dirty | (run->msrs->avail || run->msrs->dirty));
}

/* vmx_commit_hot() - @state: interruptibility state */
static __always_inline void vmx_commit_hot(struct guest_run *run, struct vmx_ctx *ctx, u32 state)
{
	if (ctx->rip != run->rip) {
		ctx->rip = run->rip;
		vmwrite_known(VMCS_GUEST_RIP, &ctx->rip);
	}
	if (ctx->rsp != run->gpr[REG_RSP]) {
		ctx->rsp = run->gpr[REG_RSP];
		vmwrite_known(VMCS_GUEST_RSP, &ctx->rsp);
	}
	if (ctx->rflags != run->rflags) {
		ctx->rflags = run->rflags;
		vmwrite_known(VMCS_GUEST_RFLAGS, &ctx->rflags);
	}
	if (ctx->interruptibility != state) {
		ctx->interruptibility = state;
		vmwrite_known(VMCS_GUEST_INTERRUPTIBILITY, &ctx->interruptibility);
	}
}

/* vmx_commit_cpl() - VT-x has it in the DPL of SS */
static __always_inline void vmx_commit_cpl(struct guest_run *run, struct vmx_ctx *ctx)
{
	u32 ar = (ctx->ss_ar & ~(u32)SEG_ATTR_DPL) | run->cpl << 5;

	if (likely(ar == ctx->ss_ar))
		return;
	vmwrite(VMCS_GUEST_SS_AR, ar);
	ctx->ss_ar = ar;
}

/* again.c */
void vmx_note(struct guest_run *run);
/* vmx_write_again() - what run_again() asked for, with the VMCS current and interrupts off */
void vmx_write_again(struct guest_run *run);

/* fetch.c */
void vmx_fetch(struct guest_run *run, u32 groups);
/* vmx_fetch_here() - the same with the VMCS current and interrupts off */
void vmx_fetch_here(struct guest_run *run, u32 groups);

/* run_need() for the backend itself */
static inline void vmx_need(struct guest_run *run, u32 groups)
{
	if (groups & ~run->avail)
		vmx_fetch_here(run, groups & ~run->avail);
}

/* fields.c */
int vmx_fields_alloc(struct guest_run *run, const u16 *enc, u64 read, u64 write);
void vmx_fields_free(struct vmx_ctx *ctx);
int vmx_fields_read(struct guest_run *run, const u16 *enc, u64 *val, u64 which, u64 *diff);
int vmx_fields_write(struct guest_run *run, const u16 *enc, const u64 *val, u64 which);
u64 vmx_fields_pull(struct guest_run *run, const u16 *enc, u64 *val, u64 which);
void vmx_fields_push(struct guest_run *run, const u16 *enc, const u64 *val, u64 which);
void vmx_fields_allow(struct guest_run *run, u16 enc, bool allow);
void vmx_fields_commit(struct guest_run *run);

#define DEBUGCTL_BTF	(1ull << 1)

#define PML_LAST	511u		/* index that the CPU begins with */

/* exit.c */
/* vmx_cross() - the world switch and what the exit left; all is committed, @ctx is current */
void vmx_cross(struct guest_run *run, struct vmx_ctx *ctx);

/* run.c */
/* vmx_load_debugregs() - the guest's breakpoints are in the CPU only while it runs with some enabled */
void vmx_load_debugregs_slow(struct guest_run *run);
static __always_inline void vmx_load_debugregs(struct guest_run *run)
{
	if (unlikely(vmx_ctx(run)->dr7 & 0xff))
		vmx_load_debugregs_slow(run);
}

/* reenter.c */
void vmx_reenter(struct guest_run *run);

/* enter.S */
void vmx_exit_point(void);

#endif
