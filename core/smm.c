// SPDX-License-Identifier: GPL-2.0-only
/*
 * System-management mode (APM vol. 2, "System-Management Mode").
 *
 * An SMI saves the state of the current run to SMRAM and starts the handler on
 * L1's run, in an address space of its own (mmu_select()).  When L2 was current the
 * frontend parks it, with L1's own state, until RSM.  RSM believes nothing in the
 * save area: what no processor could have saved is a shutdown.
 *
 * The CPU is never in this mode itself, so RSM exits, or is #UD: both lead here.
 */
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "core/events.h"
#include "core/hw_ops.h"
#include "core/msr.h"
#include "core/nested_ops.h"
#include "core/smm.h"
#include "core/smram.h"
#include "mmu/mmu.h"

#define ICPT_UD		BIT(6)
#define RFLAGS_KNOWN	0x3f7fd5ull
#define SEG_ATTR_LOW	0x0ff
#define SEG_ATTR_HIGH	0xf00

void queue_smi(struct nestor_vcpu *vcpu)
{
	vcpu_request(vcpu, REQ_SMI);
	vcpu_kick(vcpu);
}

bool smm_waiting(struct nestor_vcpu *vcpu)
{
	if (!vcpu->smm.pending && !test_bit(REQ_SMI, &vcpu->requests))
		return false;
	return !vcpu->smm.active && !nested->blocked(vcpu, EVENT_SMI);
}

static void save_seg(struct guest_run *run, enum guest_sreg n, struct smram_seg *out)
{
	const struct guest_seg *s = run_seg(run, n);

	*out = (struct smram_seg){
		.sel = s->sel, .limit = s->limit, .base = s->base,
		.attrib = (s->attrib & SEG_ATTR_LOW) | (s->attrib & SEG_ATTR_HIGH) << 4,
	};
}

static struct guest_seg seg_of(const struct smram_seg *in)
{
	return (struct guest_seg){
		.sel = in->sel, .limit = in->limit, .base = in->base,
		.attrib = (in->attrib & SEG_ATTR_LOW) | (in->attrib >> 4 & SEG_ATTR_HIGH),
	};
}

/* What goes into the current run; SS has the CPL. */
static struct guest_image image_of(const struct smram *s, u64 efer)
{
	struct guest_image image = {
		.cr0 = s->cr0, .cr4 = s->cr4, .efer = efer, .rip = s->rip,
		.rflags = (s->rflags & RFLAGS_KNOWN) | X86_EFLAGS_FIXED,
		.cpl = (s->ss.attrib & SEG_ATTR_DPL) >> 5,
		.gdtr = { .limit = s->gdtr.limit & 0xffff, .base = s->gdtr.base },
		.idtr = { .limit = s->idtr.limit & 0xffff, .base = s->idtr.base },
		.seg[SEG_ES] = seg_of(&s->es), .seg[SEG_CS] = seg_of(&s->cs),
		.seg[SEG_SS] = seg_of(&s->ss), .seg[SEG_DS] = seg_of(&s->ds),
		.seg[SEG_FS] = seg_of(&s->fs), .seg[SEG_GS] = seg_of(&s->gs),
		.seg[SEG_LDTR] = seg_of(&s->ldtr), .seg[SEG_TR] = seg_of(&s->tr),
	};

	if (!(s->cr0 & X86_CR0_PE))
		image.cpl = 0;
	else if (image.rflags & X86_EFLAGS_VM)
		image.cpl = 3;
	return image;
}

static void save_segs(struct guest_run *run, struct smram *s)
{
	save_seg(run, SEG_ES, &s->es);
	save_seg(run, SEG_CS, &s->cs);
	save_seg(run, SEG_SS, &s->ss);
	save_seg(run, SEG_DS, &s->ds);
	save_seg(run, SEG_FS, &s->fs);
	save_seg(run, SEG_GS, &s->gs);
	save_seg(run, SEG_LDTR, &s->ldtr);
	save_seg(run, SEG_TR, &s->tr);
	/* The processor's CPL is not always that of SS; RSM takes it from here. */
	s->ss.attrib = (s->ss.attrib & ~SEG_ATTR_DPL) | run->cpl << 5;
	s->gdtr.limit = run->gdtr.limit;
	s->gdtr.base = run->gdtr.base;
	s->idtr.limit = run->idtr.limit;
	s->idtr.base = run->idtr.base;
}

static void save_state(struct nestor_vcpu *vcpu, struct smram *s)
{
	struct guest_run *run = vcpu->run;
	unsigned int i;

	memset(s, 0, sizeof(*s));
	run_need(run, GRP_SEG | GRP_DTABLE | GRP_CR | GRP_DR | GRP_SYS);
	save_segs(run, s);
	for (i = 0; i < NR_GUEST_REGS; i++)
		s->gpr[NR_GUEST_REGS - 1 - i] = run->gpr[i];
	s->rip = run->rip;
	s->rflags = run->rflags;
	s->dr6 = run->dr6;
	s->dr7 = run->dr7;
	s->cr0 = run->cr0;
	s->cr3 = run->cr3;
	s->cr4 = run->cr4;
	s->efer = run->efer;
	s->revision = SMRAM_REVISION;
	s->smbase = vcpu->msr.smbase;
	s->halt_restart = vcpu->smm.halted;
	s->nmi_mask = nmi_masked(vcpu);
	s->int_shadow = run->int_shadow;
	s->svm_guest = vcpu_in_l2(vcpu);
}

/* APM vol. 2, "SMM Execution Environment" */
static void load_handler_state(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = &vcpu->l1;
	const u32 base = vcpu->msr.smbase;
	const struct guest_seg data = { .attrib = 0x893, .limit = 0xffffffff };
	struct guest_seg code = data;
	int i;

	run_need(run, GRP_SEG | GRP_CR | GRP_DR | GRP_SYS);
	run->rip = SMRAM_ENTRY;
	run->rflags = X86_EFLAGS_FIXED;
	run->cpl = 0;
	run->int_shadow = false;
	code.sel = base >> 4;
	code.base = base;
	for (i = 0; i < 4; i++)
		run->seg[i] = data;
	run->seg[SEG_CS] = code;
	run->sys->fs = data;
	run->sys->gs = data;
	run->cr0 &= ~(u64)(X86_CR0_PE | X86_CR0_EM | X86_CR0_TS | X86_CR0_PG);
	run->cr4 = 0;
	run->dr7 = 0x400;
	run_dirty(run, GRP_SEG | GRP_CR | GRP_DR | GRP_SYS);
	/* The frontend has to know that SVME is off; 0 is never refused. */
	efer_write(vcpu, 0, true);
	run->flush = true;
}

/* An RSM that the CPU takes for an undefined instruction, being in no SMM, comes as #UD. */
static void watch_ud(struct nestor_vcpu *vcpu, bool on)
{
	struct guest_run *run = &vcpu->l1;

	if (on)
		run->intercept[ICPT_EXCEPTION] |= ICPT_UD;
	else
		run->intercept[ICPT_EXCEPTION] &= ~ICPT_UD;
	run->ctl_dirty |= CTL_INTERCEPTS;
}

/* L0's single step towards an NMI window must not be saved as the guest's own. */
static void end_nmi_step(struct nestor_vcpu *vcpu)
{
	if (vcpu->singlestep_nmi && !vcpu->singlestep_tf)
		vcpu->run->rflags &= ~(u64)X86_EFLAGS_TF;
	vcpu->singlestep_nmi = false;
	/* An IRET that was about to run comes again after RSM. */
	vcpu->ev.nmi_iret = false;
}

int smm_enter(struct nestor_vcpu *vcpu)
{
	struct vcpu_smm *smm = &vcpu->smm;
	struct smram state;

	/* May have to make the address space, so before anything else. */
	if (mmu_select(vcpu, true))
		return -ENOMEM;
	end_nmi_step(vcpu);
	save_state(vcpu, &state);
	/* Nothing may be there to write to; RSM will find out. */
	gmem_write(vcpu, l1_gpa((u64)vcpu->msr.smbase + SMRAM_STATE), &state, sizeof(state));
	smm->nmi_was_masked = nmi_masked(vcpu);
	nested->smm(vcpu, NESTED_SMM_ENTER);
	smm->active = true;
	smm->pending = false;
	smm->halted = false;
	set_nmi_masked(vcpu, true);
	vcpu->msr.smi_count++;
	load_handler_state(vcpu);
	watch_ud(vcpu, true);
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

static bool state_ok(struct nestor_vcpu *vcpu, const struct smram *s, u64 efer,
		     const struct guest_image *image)
{
	bool lma = efer & EFER_LMA;

	if (hw->refuses(image))
		return false;
	if (cr_set_check(vcpu, s->cr0, s->cr3, s->cr4, efer, lma && (s->cs.attrib & SEG_ATTR_L << 4),
			 s->cs.attrib & SEG_ATTR_DB << 4))
		return false;
	/* An L2 of AMD-V runs with SVME set, as VMRUN demands. */
	return !vcpu_in_l2(vcpu) || nested->ext != NESTED_EXT_SVM || (efer & EFER_SVME);
}

static void load_segs(struct guest_run *run, const struct guest_image *image)
{
	enum guest_sreg n;

	for (n = 0; n < NR_GUEST_SREGS; n++)
		run_set_seg(run, n, &image->seg[n]);
	run_need(run, GRP_DTABLE);
	run->gdtr = image->gdtr;
	run->idtr = image->idtr;
	run_dirty(run, GRP_DTABLE);
}

/* The run that is current again gets what the SMI saved, as the handler left it. */
static int load_state(struct nestor_vcpu *vcpu, const struct smram *s)
{
	struct guest_run *run = vcpu->run;
	u64 efer = s->efer & ~(u64)EFER_LMA;
	struct guest_image image;
	unsigned int i;

	if ((efer & EFER_LME) && (s->cr0 & X86_CR0_PG))
		efer |= EFER_LMA;
	image = image_of(s, efer);
	if (!state_ok(vcpu, s, efer, &image) || dr_write(vcpu, 6, s->dr6) || dr_write(vcpu, 7, s->dr7) ||
	    efer_write(vcpu, efer, true))
		return -EINVAL;
	run_need(run, GRP_CR);
	run->cr0 = s->cr0 | X86_CR0_ET;
	run->cr3 = s->cr3;
	run->cr4 = s->cr4;
	run_dirty(run, GRP_CR);
	load_segs(run, &image);
	for (i = 0; i < NR_GUEST_REGS; i++)
		run->gpr[i] = s->gpr[NR_GUEST_REGS - 1 - i];
	run->rip = image.rip;
	run->rflags = image.rflags;
	run->cpl = image.cpl;
	run->int_shadow = s->int_shadow & 1;
	run->flush = true;
	return 0;
}

static void leave(struct nestor_vcpu *vcpu, enum nested_smm how)
{
	struct vcpu_smm *smm = &vcpu->smm;

	smm->active = false;
	mmu_select(vcpu, false);
	watch_ud(vcpu, false);
	nested->smm(vcpu, how);
	/* INIT, SMI and, unless one was being served, NMIs may come now. */
	vcpu_request(vcpu, REQ_EVENT);
	vcpu_request(vcpu, REQ_APIC_EVENTS);
}

enum run_action handle_rsm(struct nestor_vcpu *vcpu)
{
	struct smram state;
	int err;

	if (!vcpu->smm.active || vcpu_in_l2(vcpu)) {
		queue_ud(vcpu);
		return RESUME_GUEST;
	}
	err = gmem_read(vcpu, l1_gpa((u64)vcpu->msr.smbase + SMRAM_STATE), &state,
			sizeof(state));
	vcpu->ev.nmi_iret = false;
	leave(vcpu, NESTED_SMM_LEAVE);
	set_nmi_masked(vcpu, vcpu->smm.nmi_was_masked);
	if (!err)
		err = load_state(vcpu, &state);
	if (err) {
		vcpu_request(vcpu, REQ_TRIPLE_FAULT);
		return RESUME_GUEST;
	}
	vcpu->msr.smbase = state.smbase;
	if ((state.halt_restart & 1) && vcpu->vm->lapic_in_kernel)
		vcpu->mp_state = KVM_MP_STATE_HALTED;
	return RESUME_GUEST;
}

int smm_set(struct nestor_vcpu *vcpu, bool active)
{
	if (active == vcpu->smm.active)
		return 0;
	if (!active) {
		leave(vcpu, NESTED_SMM_FORGET);
		return 0;
	}
	if (mmu_select(vcpu, true))
		return -ENOMEM;
	nested->smm(vcpu, NESTED_SMM_FORGET);
	vcpu->smm.active = true;
	watch_ud(vcpu, true);
	vcpu->l1.flush = true;
	return 0;
}

void smm_reset(struct nestor_vcpu *vcpu)
{
	if (vcpu->smm.active)
		watch_ud(vcpu, false);
	memset(&vcpu->smm, 0, sizeof(vcpu->smm));
	clear_bit(REQ_SMI, &vcpu->requests);
	mmu_select(vcpu, false);
}
