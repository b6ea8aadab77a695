// SPDX-License-Identifier: GPL-2.0-only
/*
 * The SVM instructions, of L1 and of an L2 whose L1 does not intercept them.
 * Conditions in the manual's order: #UD for the mode, #GP for CPL, #GP for the
 * operand (APM vol. 3, "System Instruction Reference").
 *
 * An address that lies in none of L1's memory is #GP as well: the manual leaves
 * an access to nothing open, and a definite answer is better than a guess.
 */
#include "core/insn.h"
#include "mmu/mmu.h"
#include "nsvm/nsvm.h"

#define NO_HYPERCALL	(-1000l)	/* KVM_ENOSYS */

/* #UD and #GP that all but VMMCALL share; NESTED_OK when the instruction may run. */
static enum nested_result common_checks(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;

	run_need(run, GRP_CR);
	if (!vcpu->cpuid.has_svm || !(run->efer & X_EFER_SVME))
		return NESTED_UD;
	if (!run_is_protected(run) || (run->rflags & X_RFLAGS_VM))
		return NESTED_UD;
	return run->cpl ? NESTED_GP : NESTED_OK;
}

/*
 * rAX as an address has the effective address size.  Only where the wider of
 * the sizes that may be meant would matter is the prefix looked for.
 */
static u64 operand(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;
	bool is64 = run_is_64bit(run);
	u64 rax = is64 ? run->gpr[REG_RAX] : (u32)run->gpr[REG_RAX];
	u8 bytes[MAX_INSN_LEN];
	struct x86_insn insn;
	unsigned int len;

	if (!(is64 ? rax >> 32 : rax >> 16) || vcpu_fetch(vcpu, &insn, bytes, &len))
		return rax;
	if (insn.adsize == 2)
		return (u16)rax;
	return insn.adsize == 4 ? (u32)rax : rax;
}

/* The VMCB that rAX names. */
static enum nested_result vmcb_operand(struct nestor_vcpu *vcpu, u64 *gpa)
{
	bool readonly;

	*gpa = operand(vcpu);
	if ((*gpa & (VMCB12_SIZE - 1)) || (*gpa & vcpu->cpuid.rsvd_gpa_bits))
		return NESTED_GP;
	if (!gmem_is_ram(vcpu, l1_gpa(*gpa), &readonly) || readonly)
		return NESTED_GP;
	return NESTED_OK;
}

static enum nested_result do_vmrun(struct nestor_vcpu *vcpu)
{
	int len;
	u64 gpa;

	/* The run that L2 would get may hold one that RSM goes back to. */
	if (vcpu->smm.active)
		return NESTED_UD;
	if (vmcb_operand(vcpu, &gpa) != NESTED_OK)
		return NESTED_GP;
	/* Without a host save area #VMEXIT would have nothing to return to. */
	if (!nsvm_of(vcpu)->hsave_pa)
		return NESTED_GP;
	len = vcpu_insn_len(vcpu);
	if (len == -EAGAIN)
		return NESTED_RETRY;
	/* Undecodable bytes: another CPU rewrote them; the exit vouches for VMRUN itself. */
	if (len < 0)
		len = 3;
	return nsvm_vmrun(vcpu, gpa, vcpu->run->rip + len);
}

/* The part of the save area that VMLOAD and VMSAVE move, in one piece. */
#define SYS_FIRST	SAVE_OFF(fs)
#define SYS_LAST	SAVE_OFF(sysenter_eip)

struct vmload_area {
	struct vmcb12_seg fs, gs, gdtr, ldtr, idtr, tr;
	u8 rsvd[0x600 - 0x4a0];
	u64 star, lstar, cstar, sfmask, kernel_gs_base;
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
};

static_assert(sizeof(struct vmload_area) == 0x640 - 0x440, "VMCB layout");

static u64 canonical48(u64 a)
{
	return (u64)((s64)(a << 16) >> 16);
}

static struct guest_seg load_seg(const struct vmcb12_seg *v)
{
	return (struct guest_seg){
		.sel = v->sel, .attrib = v->attrib & 0xfff, .limit = v->limit, .base = v->base,
	};
}

static struct vmcb12_seg save_seg(const struct guest_seg *g)
{
	return (struct vmcb12_seg){
		.sel = g->sel, .attrib = g->attrib, .limit = g->limit, .base = g->base,
	};
}

static enum nested_result do_vmload(struct nestor_vcpu *vcpu)
{
	struct guest_msrs *m = vcpu->run->msrs;
	struct guest_sys *sys = vcpu->run->sys;
	struct vmload_area a;
	u64 gpa;

	if (vmcb_operand(vcpu, &gpa) != NESTED_OK)
		return NESTED_GP;
	if (gmem_read(vcpu, l1_gpa(gpa + SYS_FIRST), &a, sizeof(a)))
		return NESTED_GP;
	sys->fs = load_seg(&a.fs);
	sys->gs = load_seg(&a.gs);
	sys->ldtr = load_seg(&a.ldtr);
	sys->tr = load_seg(&a.tr);
	/* The CPU takes bases in canonical form only, and makes them so (APM vol. 3, "VMLOAD"). */
	sys->fs.base = canonical48(a.fs.base);
	sys->gs.base = canonical48(a.gs.base);
	sys->ldtr.base = canonical48(a.ldtr.base);
	sys->tr.base = canonical48(a.tr.base);
	m->kernel_gs_base = canonical48(a.kernel_gs_base);
	m->star = a.star;
	m->lstar = canonical48(a.lstar);
	m->cstar = canonical48(a.cstar);
	m->sfmask = a.sfmask;
	sys->sysenter_cs = a.sysenter_cs;
	sys->sysenter_esp = canonical48(a.sysenter_esp);
	sys->sysenter_eip = canonical48(a.sysenter_eip);
	run_dirty(vcpu->run, GRP_SYS | GRP_MSRS);
	return NESTED_OK;
}

static enum nested_result do_vmsave(struct nestor_vcpu *vcpu)
{
	const struct guest_msrs *m = vcpu->run->msrs;
	const struct guest_sys *sys = vcpu->run->sys;
	struct vmcb12_seg fs_gs[2], ldtr, tr;
	u64 msrs[8], gpa;

	if (vmcb_operand(vcpu, &gpa) != NESTED_OK)
		return NESTED_GP;
	run_need(vcpu->run, GRP_SYS | GRP_MSRS);
	fs_gs[0] = save_seg(&sys->fs);
	fs_gs[1] = save_seg(&sys->gs);
	ldtr = save_seg(&sys->ldtr);
	tr = save_seg(&sys->tr);
	msrs[0] = m->star;
	msrs[1] = m->lstar;
	msrs[2] = m->cstar;
	msrs[3] = m->sfmask;
	msrs[4] = m->kernel_gs_base;
	msrs[5] = sys->sysenter_cs;
	msrs[6] = sys->sysenter_esp;
	msrs[7] = sys->sysenter_eip;
	if (gmem_write(vcpu, l1_gpa(gpa + SAVE_OFF(fs)), fs_gs, sizeof(fs_gs)) ||
	    gmem_write(vcpu, l1_gpa(gpa + SAVE_OFF(ldtr)), &ldtr, sizeof(ldtr)) ||
	    gmem_write(vcpu, l1_gpa(gpa + SAVE_OFF(tr)), &tr, sizeof(tr)) ||
	    gmem_write(vcpu, l1_gpa(gpa + SAVE_OFF(star)), msrs, sizeof(msrs)))
		return NESTED_GP;
	return NESTED_OK;
}

/* STGI and CLGI; in an L2 with virtual GIF they act on V_GIF (APM: "Virtual GIF"). */
static enum nested_result do_gif(struct nestor_vcpu *vcpu, bool on)
{
	struct nsvm *n = nsvm_of(vcpu);

	if (!vcpu_in_l2(vcpu)) {
		nsvm_use_vgif(vcpu, true);
		nsvm_set_gif(vcpu, on);
		return NESTED_OK;
	}
	if (n->snap.ctl.int_ctl & V_GIF_ENABLE)
		nsvm_set_l2_vgif(vcpu, on);
	else
		nsvm_set_gif(vcpu, on);
	return NESTED_OK;
}

static enum nested_result do_invlpga(struct nestor_vcpu *vcpu)
{
	nsvm_invlpga(vcpu, operand(vcpu), vcpu->run->gpr[REG_RCX]);
	return NESTED_OK;
}

/*
 * VMMCALL that nobody intercepts is #UD (APM vol. 3, "VMMCALL").  L1's own is a
 * hypercall in the ABI's terms, and no hypercall is offered: RAX says so.
 */
static enum nested_result do_vmmcall(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;

	if (vcpu_in_l2(vcpu))
		return NESTED_UD;
	run->gpr[REG_RAX] = run_is_64bit(run) ? (u64)NO_HYPERCALL : (u32)NO_HYPERCALL;
	return NESTED_OK;
}

enum nested_result nsvm_insn(struct nestor_vcpu *vcpu)
{
	u16 reason = vcpu->run->exit.reason;
	enum nested_result r;

	if (reason == EXIT_VMMCALL)
		return do_vmmcall(vcpu);
	/* CPUID does not offer SKINIT. */
	if (reason == EXIT_SKINIT)
		return NESTED_UD;
	r = common_checks(vcpu);
	if (r != NESTED_OK)
		return r;
	switch (reason) {
	case EXIT_VMRUN:
		/* VMRUN has to be intercepted, so an L2's never comes here. */
		return vcpu_in_l2(vcpu) ? NESTED_UD : do_vmrun(vcpu);
	case EXIT_VMLOAD:
		return do_vmload(vcpu);
	case EXIT_VMSAVE:
		return do_vmsave(vcpu);
	case EXIT_STGI:
		return do_gif(vcpu, true);
	case EXIT_CLGI:
		return do_gif(vcpu, false);
	case EXIT_INVLPGA:
		return do_invlpga(vcpu);
	default:
		return NESTED_UD;
	}
}
