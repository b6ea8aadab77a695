// SPDX-License-Identifier: GPL-2.0-only
/* Making, resetting and freeing a virtual processor. */
#include <linux/mm.h>
#include <linux/slab.h>
#include <asm/processor-flags.h>

#include "core/events.h"
#include "core/hw_ops.h"
#include "core/irq.h"
#include "core/msr.h"
#include "core/nested_ops.h"
#include "core/smm.h"
#include "core/stats.h"
#include "mmu/mmu.h"
#include "mmu/shadow.h"

/* Why each is intercepted for L1; L2 gets these and what L1 asks for. */
static void l1_policy(struct guest_run *run)
{
	/* CR0 and CR4 have bits that L1 must not set; CR8 is the local APIC's TPR. */
	run->intercept[ICPT_CR] = ICPT_CR_WRITE(0) | ICPT_CR_WRITE(4) | ICPT_CR_WRITE(8);
	/* The debug registers hold the host's breakpoints while L1 has none. */
	run->intercept[ICPT_DR] = 0xffffffff;
	/*
	 * #MC is the host's.  #DB and #AC can be made to recur for ever in their own
	 * delivery, with no interrupt taken in between.  #GP: see EFER.SVME in exits.c.
	 */
	run->intercept[ICPT_EXCEPTION] = BIT(1) | BIT(17) | BIT(18);
	if (hw_caps.forces_svme)
		run->intercept[ICPT_EXCEPTION] |= BIT(13);
	/* A nested page fault in the middle of the CPU's own task switch could not be undone. */
	run->intercept[ICPT_MISC1] = ICPT_INTR | ICPT_NMI | ICPT_INIT | ICPT_SHUTDOWN |
		ICPT_CPUID | ICPT_INVD | ICPT_HLT | ICPT_IOIO | ICPT_MSR | ICPT_RDPMC |
		ICPT_INVLPGA | ICPT_RSM | ICPT_TASK_SWITCH;
	run->intercept[ICPT_MISC2] = ICPT_VMRUN | ICPT_VMMCALL | ICPT_VMLOAD | ICPT_VMSAVE |
		ICPT_STGI | ICPT_CLGI | ICPT_SKINIT | ICPT_WBINVD | ICPT_MONITOR |
		ICPT_MWAIT | ICPT_XSETBV | ICPT_RDPRU;
	run->intercept[ICPT_MISC3] = ICPT_INVLPGB | ICPT_MCOMMIT | ICPT_TLBSYNC;
	/* A lock is held for less than this, unless its holder was preempted. */
	if (hw_caps.ple) {
		run->ple_gap = 128;
		run->ple_window = 4096;
	}
	/* The VMM's filter may take some away: REQ_MSR_FILTER. */
	run->msr_read_pass = PASS_BASE;
	run->msr_write_pass = PASS_BASE;
	run->ctl_dirty = CTL_ALL;
}

static void reset_segments(struct guest_run *run, bool init)
{
	struct guest_seg data = { .attrib = 0x93, .limit = 0xffff };
	struct guest_seg code = { .sel = 0xf000, .attrib = 0x9b, .limit = 0xffff,
				  .base = 0xffff0000 };
	int i;

	for (i = 0; i < 4; i++)
		run->seg[i] = data;
	run->seg[SEG_CS] = code;
	run->sys->fs = data;
	run->sys->gs = data;
	run->sys->ldtr = (struct guest_seg){ .attrib = 0x82, .limit = 0xffff };
	run->sys->tr = (struct guest_seg){ .attrib = 0x8b, .limit = 0xffff };
	if (!init) {
		struct guest_sys *s = run->sys;
		struct guest_msrs *m = run->msrs;

		m->kernel_gs_base = 0;
		m->star = 0;
		m->lstar = 0;
		m->cstar = 0;
		m->sfmask = 0;
		s->sysenter_cs = 0;
		s->sysenter_esp = 0;
		s->sysenter_eip = 0;
	}
	run->gdtr = (struct guest_dtable){ .limit = 0xffff };
	run->idtr = (struct guest_dtable){ .limit = 0xffff };
}

/* APM vol. 2, "Processor Initialization State": INIT keeps what RESET clears. */
static void reset_registers(struct nestor_vcpu *vcpu, bool init)
{
	struct guest_run *run = &vcpu->l1;
	const struct kvm_cpuid_entry2 *sig = cpuid_find(vcpu, 1, 0);
	u64 cr0_kept = 0x60000000;

	if (init) {
		run_need(run, GRP_ALL);
		cr0_kept = run->cr0 & 0x60000000;
	}
	memset(vcpu->gpr, 0, sizeof(vcpu->gpr));
	vcpu->gpr[REG_RDX] = sig ? sig->eax : 0x600;
	run->rip = 0xfff0;
	run->rflags = X86_EFLAGS_FIXED;
	run->cpl = 0;
	run->int_shadow = false;
	reset_segments(run, init);
	run->cr0 = X86_CR0_ET | cr0_kept;
	run->cr2 = 0;
	run->cr3 = 0;
	run->cr4 = 0;
	run->efer = 0;
	run->dr6 = 0xffff0ff0;
	run->dr7 = 0x400;
	if (!init)
		run->pat = 0x0007040600070406ull;
	run->debugctl = 0;
	memset(vcpu->dr, 0, sizeof(vcpu->dr));
	run->vintr = (struct guest_vintr){};
	run->activity = ACTIVITY_ACTIVE;
	run->nmi_blocked = false;
	run->pending_dbg = 0;
	memset(run->pdpte, 0, sizeof(run->pdpte));
	run->flush = true;
	run_dirty(run, GRP_ALL);
	run->ctl_dirty = CTL_ALL;
}

void vcpu_reset(struct nestor_vcpu *vcpu, bool init)
{
	nested->reset(vcpu, init);
	smm_reset(vcpu);
	vcpu->run = &vcpu->l1;
	memset(&vcpu->ev, 0, sizeof(vcpu->ev));
	vcpu->singlestep_nmi = false;
	vcpu->l1.intercept[ICPT_MISC1] &= ~ICPT_IRET;
	vcpu->l1.nmi_window = false;
	reset_registers(vcpu, init);
	msr_reset(vcpu, init);
	fpu_reset(&vcpu->fpu, init);
	memset(&vcpu->mmio, 0, sizeof(vcpu->mmio));
	vcpu->completion.finish = NULL;
	vcpu_request(vcpu, REQ_EVENT);
}

static int vcpu_alloc(struct nestor_vcpu *vcpu)
{
	int r;

	vcpu->kvm_run = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vcpu->pio_data = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vcpu->pio_kept = kzalloc(PIO_MAX, GFP_KERNEL_ACCOUNT);
	vcpu->mc_banks = kcalloc(MCE_BANKS * 4, sizeof(u64), GFP_KERNEL_ACCOUNT);
	if (!vcpu->kvm_run || !vcpu->pio_data || !vcpu->pio_kept || !vcpu->mc_banks)
		return -ENOMEM;
	r = fpu_alloc(&vcpu->fpu);
	if (r)
		return r;
	r = hw->run_alloc(&vcpu->l1);
	if (r)
		return r;
	r = nested->vcpu_init(vcpu);
	if (r)
		return r;
	r = pvclock_vcpu_create(vcpu);
	if (r)
		return r;
	return vcpu->vm->lapic_in_kernel ? lapic_create(vcpu) : 0;
}

struct nestor_vcpu *vcpu_create(struct nestor_vm *vm, u32 id)
{
	struct nestor_vcpu *vcpu = kzalloc(sizeof(*vcpu), GFP_KERNEL_ACCOUNT);
	int r;

	if (!vcpu)
		return ERR_PTR(-ENOMEM);
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->cpu = -1;
	mutex_init(&vcpu->lock);
	rcuwait_init(&vcpu->wait);
	stats_add_live(&vcpu->stats);
	vcpu->run = &vcpu->l1;
	vcpu->l1.vcpu = vcpu;
	vcpu->l1.gpr = vcpu->gpr;
	vcpu->l1.sys = &vcpu->l1.sys_own;
	vcpu->l1.msrs = &vcpu->l1.msrs_own;
	vcpu->mem = vm->mmu;
	vcpu->l1.root = mmu_root(vm);
	vcpu->cpuid.maxphyaddr = 36;
	vcpu->mp_state = id && vm->lapic_in_kernel ? KVM_MP_STATE_UNINITIALIZED :
						     KVM_MP_STATE_RUNNABLE;
	r = vcpu_alloc(vcpu);
	if (r) {
		vcpu_destroy(vcpu);
		return ERR_PTR(r);
	}
	l1_policy(&vcpu->l1);
	if (vcpu->apic)
		lapic_reset(vcpu, false);
	vcpu_reset(vcpu, false);
	return vcpu;
}

void vcpu_destroy(struct nestor_vcpu *vcpu)
{
	stats_retire(&vcpu->stats);
	lapic_free(vcpu);
	shadow_destroy(vcpu);
	if (vcpu->nested) {
		kfree(vcpu->nested->verdicts.slot);
		nested->vcpu_free(vcpu);
	}
	hw->run_free(&vcpu->l1);
	fpu_free(&vcpu->fpu);
	cpuid_free(&vcpu->cpuid);
	pvclock_vcpu_free(vcpu);
	kfree(vcpu->mc_banks);
	kfree(vcpu->pio_kept);
	free_page((unsigned long)vcpu->pio_data);
	free_page((unsigned long)vcpu->kvm_run);
	kfree(vcpu);
}
