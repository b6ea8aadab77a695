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

/* #UD and #GP that all but VMMCALL share; NESTED_OK when the instruction may run. */
static enum nested_result common_checks(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;

	if (!vcpu->cpuid.has_svm || !(run->efer & X_EFER_SVME))
		return NESTED_UD;
	/* 64-bit mode is protected mode, and has no virtual-8086 mode. */
	if (unlikely(!run_is_64bit(run)) &&
	    (!run_is_protected(run) || (run->rflags & X_RFLAGS_VM)))
		return NESTED_UD;
	return run->cpl ? NESTED_GP : NESTED_OK;
}

/*
 * rAX as an address has the effective address size.  Only where the wider of
 * the sizes that may be meant would matter is a prefix looked for.
 */
static noinline enum nested_result sized_operand(struct nestor_vcpu *vcpu, bool is64)
{
	struct guest_run *run = vcpu->run;
	u8 bytes[MAX_INSN_LEN];
	struct x86_insn insn;
	unsigned int len;

	if (is64 && vcpu_insn_len(vcpu) == PLAIN_LEN)
		return NESTED_OK;
	if (vcpu->atomic)
		return NESTED_LATER;
	if (vcpu_fetch(vcpu, &insn, bytes, &len))
		return NESTED_OK;
	if (insn.adsize == 2)
		nsvm_of(vcpu)->operand = (u16)run->gpr[REG_RAX];
	else if (insn.adsize == 4)
		nsvm_of(vcpu)->operand = (u32)run->gpr[REG_RAX];
	return NESTED_OK;
}

/* rAX as the instruction means it, to nsvm.operand. */
static __always_inline enum nested_result take_operand(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;
	bool is64 = run_is_64bit(run);
	u64 addr = is64 ? run->gpr[REG_RAX] : (u32)run->gpr[REG_RAX];

	nsvm_of(vcpu)->operand = addr;
	if (likely(!(is64 ? addr >> 32 : addr >> 16)))
		return NESTED_OK;
	return sized_operand(vcpu, is64);
}

/* The VMCB that rAX names, in its window. */
static __always_inline enum nested_result vmcb_operand(struct nestor_vcpu *vcpu)
{
	struct nsvm *n = nsvm_of(vcpu);
	u64 gpa;

	if (take_operand(vcpu) != NESTED_OK)
		return NESTED_LATER;
	gpa = n->operand;
	if ((gpa & (VMCB12_SIZE - 1)) || (gpa & vcpu->cpuid.rsvd_gpa_bits))
		return NESTED_GP;
	return gmem_window_kept(vcpu, l1_gpa(gpa), true, nsvm_window(n, gpa)) ? NESTED_OK : NESTED_GP;
}

/* That window again. */
static const struct gmem_window *window(struct nestor_vcpu *vcpu)
{
	struct nsvm *n = nsvm_of(vcpu);

	return nsvm_window(n, n->operand);
}

/* A fault in L1's page: the page is to be had when sleeping is allowed, or there is none. */
static enum nested_result window_failed(const struct nestor_vcpu *vcpu)
{
	return vcpu->atomic ? NESTED_LATER : NESTED_GP;
}

static enum nested_result do_vmrun(struct nestor_vcpu *vcpu)
{
	enum nested_result r;
	int len;

	/* The run that L2 would get may hold one that RSM goes back to. */
	if (vcpu->smm.active)
		return NESTED_UD;
	r = vmcb_operand(vcpu);
	if (r != NESTED_OK)
		return r;
	/* Without a host save area #VMEXIT would have nothing to return to. */
	if (!nsvm_of(vcpu)->hsave_pa)
		return NESTED_GP;
	len = vcpu_insn_len(vcpu);
	if (len == -EBUSY)
		return NESTED_LATER;
	if (len == -EAGAIN)
		return NESTED_RETRY;
	/* Undecodable bytes: another CPU rewrote them; the exit vouches for VMRUN itself. */
	if (len < 0)
		len = 3;
	return nsvm_vmrun(vcpu, window(vcpu), nsvm_of(vcpu)->operand, vcpu->run->rip + len);
}

/* The same of one that is nothing but three bytes of 64-bit code. */
static enum nested_result plain_vmrun(struct nestor_vcpu *vcpu)
{
	struct gmem_window *w;

	if (unlikely(vcpu->smm.active))
		return NESTED_UD;
	if (unlikely(!nsvm_plain_operand(vcpu, &w) || !nsvm_of(vcpu)->hsave_pa))
		return NESTED_GP;
	return nsvm_vmrun(vcpu, w, vcpu->gpr[REG_RAX], vcpu->l1.exit.next_rip);
}

/* What VMLOAD and VMSAVE move, as it lies in the save area. */
struct sys_area {
	struct vmcb12_seg fs, gs, ldtr, tr;
	u64 star, lstar, cstar, sfmask, kernel_gs_base;
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
};

static __always_inline void load_seg(struct guest_seg *to, const struct vmcb12_seg *from)
{
	const u64 *in = (const u64 *)from;
	u64 *out = (u64 *)to;

	/* As two words, which both forms are. */
	static_assert(sizeof(*to) == 2 * sizeof(u64) && sizeof(*from) == 2 * sizeof(u64));
	static_assert(offsetof(struct guest_seg, attrib) == 2);
	out[0] = vmls_attrib(in[0]);
	out[1] = vmls_canonical(in[1]);
}

static bool read_sys(const struct gmem_window *w, struct sys_area *a)
{
	if (!gmem_window_open(w->at, false))
		return false;
	gmem_window_get(w->at, SAVE_OFF(fs), &a->fs, 4, fail);
	gmem_window_get(w->at, SAVE_OFF(ldtr), &a->ldtr, 2, fail);
	gmem_window_get(w->at, SAVE_OFF(tr), &a->tr, 2, fail);
	gmem_window_get(w->at, SAVE_OFF(star), &a->star, 8, fail);
	gmem_window_close(false);
	return true;
fail:
	gmem_window_close(false);
	return false;
}

static bool write_sys(const struct gmem_window *w, const struct guest_sys *sys,
		      const struct guest_msrs *m)
{
	bool done = false;

	static_assert(offsetof(struct guest_sys, gs) == 16 && !offsetof(struct guest_sys, fs));
	static_assert(offsetof(struct guest_sys, sysenter_eip) ==
		      offsetof(struct guest_sys, sysenter_cs) + 16);
	static_assert(offsetof(struct guest_msrs, sfmask) ==
		      offsetof(struct guest_msrs, star) + 24);
	if (!gmem_window_open(w->at, true))
		return false;
	gmem_window_put(w->at, SAVE_OFF(fs), &sys->fs, 4, fail);
	gmem_window_put(w->at, SAVE_OFF(ldtr), &sys->ldtr, 2, fail);
	gmem_window_put(w->at, SAVE_OFF(tr), &sys->tr, 2, fail);
	gmem_window_put(w->at, SAVE_OFF(star), &m->star, 4, fail);
	gmem_window_put(w->at, SAVE_OFF(kernel_gs_base), &m->kernel_gs_base, 1, fail);
	gmem_window_put(w->at, SAVE_OFF(sysenter_cs), &sys->sysenter_cs, 3, fail);
	done = true;
fail:
	gmem_window_close(true);
	gmem_window_written(w);
	return done;
}

static enum nested_result do_vmload(struct nestor_vcpu *vcpu)
{
	struct guest_msrs *m = vcpu->run->msrs;
	struct guest_sys *sys = vcpu->run->sys;
	enum nested_result r;
	struct sys_area a;

	r = vmcb_operand(vcpu);
	if (r != NESTED_OK)
		return r;
	if (!read_sys(window(vcpu), &a))
		return window_failed(vcpu);
	load_seg(&sys->fs, &a.fs);
	load_seg(&sys->gs, &a.gs);
	load_seg(&sys->ldtr, &a.ldtr);
	load_seg(&sys->tr, &a.tr);
	m->kernel_gs_base = vmls_canonical(a.kernel_gs_base);
	m->star = a.star;
	m->lstar = vmls_canonical(a.lstar);
	m->cstar = vmls_canonical(a.cstar);
	m->sfmask = a.sfmask;
	sys->sysenter_cs = a.sysenter_cs;
	sys->sysenter_esp = vmls_canonical(a.sysenter_esp);
	sys->sysenter_eip = vmls_canonical(a.sysenter_eip);
	run_dirty(vcpu->run, GRP_SYS | GRP_MSRS);
	return NESTED_OK;
}

static enum nested_result do_vmsave(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;
	enum nested_result r = vmcb_operand(vcpu);

	if (r != NESTED_OK)
		return r;
	run_need(run, GRP_SYS | GRP_MSRS);
	return write_sys(window(vcpu), run->sys, run->msrs) ? NESTED_OK : window_failed(vcpu);
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
	if (take_operand(vcpu) != NESTED_OK)
		return NESTED_LATER;
	nsvm_invlpga(vcpu, nsvm_of(vcpu)->operand, vcpu->run->gpr[REG_RCX]);
	return NESTED_OK;
}

enum nested_result nsvm_insn(struct nestor_vcpu *vcpu)
{
	u16 reason = vcpu->run->exit.reason;
	enum nested_result r;

	if (likely(reason == EXIT_VMRUN && !vcpu_in_l2(vcpu) && nsvm_plain(vcpu)))
		return plain_vmrun(vcpu);
	/* VMMCALL that nobody intercepts and nobody was promised; and CPUID does not offer SKINIT. */
	if (reason == EXIT_VMMCALL || reason == EXIT_SKINIT)
		return NESTED_UD;
	r = common_checks(vcpu);
	if (unlikely(r != NESTED_OK))
		return r;
	/* VMRUN has to be intercepted, so an L2's never comes here. */
	if (reason == EXIT_VMRUN)
		return vcpu_in_l2(vcpu) ? NESTED_UD : do_vmrun(vcpu);
	switch (reason) {
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
