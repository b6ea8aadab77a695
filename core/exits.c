// SPDX-License-Identifier: GPL-2.0-only
/*
 * What L0 does for each exit.  Every slot of the table is filled; a reason that
 * nobody asked for ends the VM, not the host.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/printk.h>
#include <linux/sched.h>
#include <asm/processor-flags.h>

#include "core/events.h"
#include "core/exits.h"
#include "core/guest_debug.h"
#include "core/hw_ops.h"
#include "core/insn.h"
#include "core/msr.h"
#include "core/msr_filter.h"
#include "core/nested_ops.h"
#include "core/smm.h"
#include "core/task.h"
#include "core/turn.h"
#include "mmu/mmu.h"

#define KVM_HC_ENOSYS	1000

static enum run_action handle_nothing(struct nestor_vcpu *vcpu)
{
	return RESUME_GUEST;
}

static enum run_action skip(struct nestor_vcpu *vcpu)
{
	int len = vcpu_insn_len(vcpu);

	if (len < 0)
		return insn_failed(vcpu, len);
	vcpu_advance(vcpu, len);
	return RESUME_GUEST;
}

static enum run_action handle_ud(struct nestor_vcpu *vcpu)
{
	queue_ud(vcpu);
	return RESUME_GUEST;
}

static enum run_action handle_gp0(struct nestor_vcpu *vcpu)
{
	queue_gp(vcpu);
	return RESUME_GUEST;
}

static noinline void put_cpuid(struct nestor_vcpu *vcpu)
{
	u64 *gpr = vcpu->run->gpr;
	u32 eax = gpr[REG_RAX], ebx, ecx = gpr[REG_RCX], edx;

	cpuid_query(vcpu, &eax, &ebx, &ecx, &edx);
	gpr[REG_RAX] = eax;
	gpr[REG_RBX] = ebx;
	gpr[REG_RCX] = ecx;
	gpr[REG_RDX] = edx;
}

static enum run_action handle_cpuid(struct nestor_vcpu *vcpu)
{
	int len = vcpu_insn_len(vcpu);

	if (len < 0)
		return insn_failed(vcpu, len);
	if (unlikely(!cpuid_answer(vcpu)))
		put_cpuid(vcpu);
	vcpu_advance(vcpu, len);
	return RESUME_GUEST;
}

/* #GP, unless the VMM wants to hear of it. */
static enum run_action refuse_msr(struct nestor_vcpu *vcpu, u32 index, bool write, u64 val,
				  u32 reason)
{
	if (msr_user_exit(vcpu, index, write, val, reason))
		return EXIT_USER;
	queue_gp(vcpu);
	return RESUME_GUEST;
}

static enum run_action handle_msr(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;
	u32 index = run->gpr[REG_RCX];
	int len = vcpu_insn_len(vcpu);
	bool write = run->exit.info1;
	u64 val = 0;
	int r;

	if (len < 0)
		return insn_failed(vcpu, len);
	if (write)
		val = (u32)run->gpr[REG_RAX] | run->gpr[REG_RDX] << 32;
	if (!msr_filter_allows(vcpu, index, write))
		return refuse_msr(vcpu, index, write, val, KVM_MSR_EXIT_REASON_FILTER);
	r = write ? msr_set(vcpu, index, val, false) : msr_get(vcpu, index, &val, false);
	if (r)
		return refuse_msr(vcpu, index, write, val, msr_known(vcpu, index) ?
				  KVM_MSR_EXIT_REASON_INVAL : KVM_MSR_EXIT_REASON_UNKNOWN);
	if (!write) {
		run->gpr[REG_RAX] = (u32)val;
		run->gpr[REG_RDX] = val >> 32;
	}
	vcpu_advance(vcpu, len);
	return RESUME_GUEST;
}

static enum run_action handle_hlt(struct nestor_vcpu *vcpu)
{
	enum run_action r = skip(vcpu);

	if (r != RESUME_GUEST)
		return r;
	vcpu->stats.halts++;
	if (vcpu->vm->lapic_in_kernel) {
		vcpu->mp_state = KVM_MP_STATE_HALTED;
		return RESUME_GUEST;
	}
	vcpu->kvm_run->exit_reason = KVM_EXIT_HLT;
	return EXIT_USER;
}

static enum run_action handle_shutdown(struct nestor_vcpu *vcpu)
{
	/* The registers are undefined after it. */
	vcpu_reset(vcpu, true);
	vcpu->kvm_run->exit_reason = KVM_EXIT_SHUTDOWN;
	return EXIT_USER;
}

static enum run_action handle_xsetbv(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;
	u64 val = (u32)run->gpr[REG_RAX] | run->gpr[REG_RDX] << 32;
	int len = vcpu_insn_len(vcpu);

	if (len < 0)
		return insn_failed(vcpu, len);
	if (run->cpl || xcr_write(vcpu, run->gpr[REG_RCX], val))
		queue_gp(vcpu);
	else
		vcpu_advance(vcpu, len);
	return RESUME_GUEST;
}

/* MONITOR and MWAIT are hints: a guest that sees them gets a no-op. */
static enum run_action handle_mwait(struct nestor_vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(vcpu, 1, 0);

	if (!e || !(e->ecx & BIT(3)))
		return handle_ud(vcpu);
	return skip(vcpu);
}

/* Whoever spins waits for somebody that does not run. */
static enum run_action handle_pause(struct nestor_vcpu *vcpu)
{
	yield();
	return skip(vcpu);
}

static __always_inline enum run_action handle_nested_insn(struct nestor_vcpu *vcpu)
{
	int len;

	switch (nested->insn(vcpu)) {
	case NESTED_OK:
		len = vcpu_insn_len(vcpu);
		if (len < 0)
			return insn_failed(vcpu, len);
		vcpu_advance(vcpu, len);
		return RESUME_GUEST;
	case NESTED_UD:
		return handle_ud(vcpu);
	case NESTED_GP:
		return handle_gp0(vcpu);
	case NESTED_SHUTDOWN:
		vcpu_request(vcpu, REQ_TRIPLE_FAULT);
		return RESUME_GUEST;
	case NESTED_USER:
		return EXIT_USER;
	case NESTED_LATER:
		return HANDLE_LATER;
	case NESTED_NOMEM:
		return NO_MEMORY;
	default:
		return RESUME_GUEST;
	}
}

/*
 * A VMM that shows KVM's CPUID leaves promises hypercalls, of which there is
 * none: each says so.
 */
enum nested_result hypercall(struct nestor_vcpu *vcpu)
{
	if (vcpu_in_l2(vcpu) || !vcpu->cpuid.has_pvclock)
		return NESTED_UD;
	vcpu->run->gpr[REG_RAX] = -KVM_HC_ENOSYS;
	return NESTED_OK;
}

/* VMMCALL that nobody intercepts is #UD. */
static enum run_action handle_vmmcall(struct nestor_vcpu *vcpu)
{
	if (vcpu_in_l2(vcpu) || !vcpu->cpuid.has_pvclock)
		return handle_nested_insn(vcpu);
	vcpu->run->gpr[REG_RAX] = -KVM_HC_ENOSYS;
	return skip(vcpu);
}

static enum run_action handle_l1_fault(struct nestor_vcpu *vcpu, struct l1_gpa gpa)
{
	vcpu->stats.second_level_faults++;
	switch (mmu_fault(vcpu, gpa, (u32)vcpu->run->exit.info1)) {
	case MMU_MAPPED:
		return RESUME_GUEST;
	case MMU_MMIO:
		return emulate_at_rip(vcpu);
	case MMU_NOMEM:
		return NO_MEMORY;
	default:
		/* The VMM unmapped memory under a slot; KVM_RUN says -EFAULT. */
		return VM_DEAD;
	}
}

static enum run_action handle_second_level(struct nestor_vcpu *vcpu)
{
	struct l1_gpa gpa = l1_gpa(vcpu->run->exit.info2);
	bool mmio = false;

	if (!vcpu_in_l2(vcpu))
		return handle_l1_fault(vcpu, gpa);
	switch (nested->l2_fault(vcpu, &gpa, &mmio)) {
	case NESTED_BY_L1:
		return RESUME_GUEST;
	case NESTED_NOT_YET:
		return NO_MEMORY;
	case NESTED_BY_L0:
		break;
	}
	/* L1's table (or its absence) led to an address that is L0's to serve. */
	return mmio ? handle_l1_fault(vcpu, gpa) : RESUME_GUEST;
}

static enum run_action handle_broken(struct nestor_vcpu *vcpu)
{
	const struct guest_run *run = vcpu->run;

	/* Refused state is a bug of ours: say all that helps to find it, end this VM only. */
	pr_err_ratelimited("vcpu %u: %s refused to run %s: exit 0x%llx, info 0x%llx 0x%llx, rip 0x%llx, cr0 0x%llx, cr4 0x%llx, efer 0x%llx\n",
			   vcpu->id, hw->name, vcpu_in_l2(vcpu) ? "L2" : "L1", run->exit.raw,
			   run->exit.info1, run->exit.info2, run->rip, run->cr0, run->cr4,
			   run->efer);
	vcpu->kvm_run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	vcpu->kvm_run->fail_entry.hardware_entry_failure_reason = run->exit.raw;
	vcpu->kvm_run->fail_entry.cpu = vcpu->cpu;
	return EXIT_USER;
}

static enum run_action (*const exit_table[NR_EXIT_REASONS])(struct nestor_vcpu *vcpu) = {
	[EXIT_NONE] = handle_nothing,
	[EXIT_CR_READ] = handle_cr,
	[EXIT_CR_WRITE] = handle_cr,
	[EXIT_DR_READ] = handle_dr,
	[EXIT_DR_WRITE] = handle_dr,
	[EXIT_EXCEPTION] = handle_exception,
	[EXIT_INTR] = handle_nothing,
	[EXIT_NMI] = handle_nothing,
	[EXIT_SMI] = handle_nothing,
	[EXIT_INIT] = handle_nothing,
	[EXIT_VINTR] = handle_nothing,
	[EXIT_CR0_SEL_WRITE] = handle_cr,
	[EXIT_IDTR_READ] = handle_broken,
	[EXIT_GDTR_READ] = handle_broken,
	[EXIT_LDTR_READ] = handle_broken,
	[EXIT_TR_READ] = handle_broken,
	[EXIT_IDTR_WRITE] = handle_broken,
	[EXIT_GDTR_WRITE] = handle_broken,
	[EXIT_LDTR_WRITE] = handle_broken,
	[EXIT_TR_WRITE] = handle_broken,
	[EXIT_RDTSC] = handle_broken,
	[EXIT_RDPMC] = handle_gp0,
	[EXIT_PUSHF] = handle_broken,
	[EXIT_POPF] = handle_broken,
	[EXIT_CPUID] = handle_cpuid,
	[EXIT_RSM] = handle_rsm,
	[EXIT_IRET] = handle_iret,
	[EXIT_INTN] = handle_broken,
	[EXIT_INVD] = skip,
	[EXIT_PAUSE] = handle_pause,
	[EXIT_HLT] = handle_hlt,
	[EXIT_INVLPG] = handle_broken,
	[EXIT_INVLPGA] = handle_nested_insn,
	[EXIT_IOIO] = handle_ioio,
	[EXIT_MSR] = handle_msr,
	[EXIT_TASK_SWITCH] = handle_task_switch,
	[EXIT_FERR_FREEZE] = handle_broken,
	[EXIT_SHUTDOWN] = handle_shutdown,
	[EXIT_VMRUN] = handle_nested_insn,
	[EXIT_VMMCALL] = handle_vmmcall,
	[EXIT_VMLOAD] = handle_nested_insn,
	[EXIT_VMSAVE] = handle_nested_insn,
	[EXIT_STGI] = handle_nested_insn,
	[EXIT_CLGI] = handle_nested_insn,
	[EXIT_SKINIT] = handle_nested_insn,
	[EXIT_RDTSCP] = handle_broken,
	[EXIT_ICEBP] = handle_broken,
	[EXIT_WBINVD] = skip,
	[EXIT_MONITOR] = handle_mwait,
	[EXIT_MWAIT] = handle_mwait,
	[EXIT_MWAIT_ARMED] = handle_mwait,
	[EXIT_XSETBV] = handle_xsetbv,
	[EXIT_RDPRU] = handle_ud,
	[EXIT_EFER_WRITE_TRAP] = handle_broken,
	[EXIT_CR_WRITE_TRAP] = handle_broken,
	[EXIT_INVLPGB] = handle_ud,
	[EXIT_INVLPGB_ILLEGAL] = handle_ud,
	[EXIT_INVPCID] = handle_broken,
	[EXIT_MCOMMIT] = handle_ud,
	[EXIT_TLBSYNC] = handle_ud,
	[EXIT_SECOND_LEVEL] = handle_second_level,
	[EXIT_INVALID] = handle_broken,
	[EXIT_BUSY] = handle_broken,
	[EXIT_UNKNOWN] = handle_broken,
	/* A frontend asked for these, or L0 did and then has a handler here. */
	[EXIT_VMX_INSN] = handle_nested_insn,
	[EXIT_GETSEC] = handle_ud,
	[EXIT_SIPI] = handle_broken,
	[EXIT_NMI_WINDOW] = handle_nothing,
	[EXIT_MTF ... EXIT_MCE_ON_ENTRY] = handle_broken,
};

static enum run_action dispatch(struct nestor_vcpu *vcpu)
{
	unsigned int reason = vcpu->run->exit.reason;

	/* Second-level faults ask the frontend themselves: the shadow comes first. */
	if (vcpu_in_l2(vcpu) && reason != EXIT_SECOND_LEVEL &&
	    nested->l2_exit(vcpu) == NESTED_BY_L1)
		return RESUME_GUEST;
	if (reason >= NR_EXIT_REASONS)
		return handle_broken(vcpu);
	return exit_table[reason](vcpu);
}

enum run_action handle_exit(struct nestor_vcpu *vcpu)
{
	return guest_debug_finish(vcpu, dispatch(vcpu));
}

/* L0's own handlers that never sleep, or say HANDLE_LATER; of a frontend that does so. */
enum atomicity { MAY_SLEEP, ATOMIC, NESTED_ATOMIC, MSR_ATOMIC, IOIO_ATOMIC };

static const u8 atomicity[NR_EXIT_REASONS] = {
	[EXIT_INTR] = ATOMIC,
	[EXIT_CPUID] = ATOMIC,
	[EXIT_MSR] = MSR_ATOMIC,
	[EXIT_IOIO] = IOIO_ATOMIC,
	[EXIT_VMRUN] = NESTED_ATOMIC,
	[EXIT_VMLOAD] = NESTED_ATOMIC,
	[EXIT_VMSAVE] = NESTED_ATOMIC,
	[EXIT_STGI] = NESTED_ATOMIC,
	[EXIT_CLGI] = NESTED_ATOMIC,
	[EXIT_VMX_INSN] = NESTED_ATOMIC,
};

/* Some are written without sleeping. */
static noinline enum run_action write_msr_atomic(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;
	u32 index = run->gpr[REG_RCX];
	int len = vcpu_insn_len(vcpu);

	if (len < 0 || !msr_filter_allows(vcpu, index, true) ||
	    !msr_set_quick(vcpu, index, (u32)run->gpr[REG_RAX] | run->gpr[REG_RDX] << 32))
		return HANDLE_LATER;
	vcpu_advance(vcpu, len);
	return RESUME_GUEST;
}

bool answer_rdmsr(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;
	u32 index = run->gpr[REG_RCX];
	u64 val = 0;

	if (!msr_filter_allows(vcpu, index, false) || msr_get(vcpu, index, &val, false))
		return false;
	run->gpr[REG_RAX] = (u32)val;
	run->gpr[REG_RDX] = val >> 32;
	return true;
}

static noinline enum run_action read_msr_atomic(struct nestor_vcpu *vcpu)
{
	int len = vcpu_insn_len(vcpu);

	if (len < 0 || !answer_rdmsr(vcpu))
		return HANDLE_LATER;
	vcpu_advance(vcpu, len);
	return RESUME_GUEST;
}

static __always_inline enum run_action handle_atomic(struct nestor_vcpu *vcpu, unsigned int reason)
{
	/* These are what matters most. */
	if (likely(atomicity[reason] == NESTED_ATOMIC))
		return nested->atomic ? handle_nested_insn(vcpu) : HANDLE_LATER;
	switch (atomicity[reason]) {
	case MSR_ATOMIC:
		return vcpu->run->exit.info1 ? write_msr_atomic(vcpu) : read_msr_atomic(vcpu);
	case IOIO_ATOMIC:
		return handle_ioio_atomic(vcpu);
	case ATOMIC:
		return reason == EXIT_CPUID ? handle_cpuid(vcpu) : RESUME_GUEST;
	default:
		return HANDLE_LATER;
	}
}

enum run_action handle_exit_atomic(struct nestor_vcpu *vcpu)
{
	unsigned int reason = vcpu->run->exit.reason;

	/* Spinlocks sleep on RT; a debugger has to hear of each exit. */
	if (IS_ENABLED(CONFIG_PREEMPT_RT) || vcpu->guest_debug || reason >= NR_EXIT_REASONS)
		return HANDLE_LATER;
	if (vcpu_in_l2(vcpu)) {
		if (!nested->atomic || reason == EXIT_SECOND_LEVEL)
			return HANDLE_LATER;
		switch (nested->l2_exit(vcpu)) {
		case NESTED_BY_L1:
			turn_again(vcpu);
			return RESUME_GUEST;
		case NESTED_NOT_YET:
			return HANDLE_LATER;
		case NESTED_BY_L0:
			break;
		}
	}
	return handle_atomic(vcpu, reason);
}
