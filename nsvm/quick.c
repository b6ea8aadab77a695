// SPDX-License-Identifier: GPL-2.0-only
/*
 * SVM instructions of L1 that are answered with interrupts still off, see core/quick.h: in 64-bit mode, of
 * one form, and nothing wrong with them.  nsvm/insn.c does the same for everybody, and all that is declined here.
 *
 * VMLOAD and VMSAVE move their words between L1's page and the place where the CPU itself takes and puts them, and
 * the neutral copies see none of it.
 */
#include "core/events.h"
#include "core/hw_ops.h"
#include "core/irqchip.h"
#include "mmu/mmu.h"
#include "nsvm/nsvm.h"

/* Word @n of the field that is at @at in L1's page, to the same place of @to. */
#define LOAD(at, f, n, to, how, fail)							\
do {											\
	u64 v_;										\
											\
	unsafe_get_user(v_, (const u64 __user *)((const u8 __user *)(at) + SAVE_OFF(f)) + (n), fail);	\
	((u64 *)&(to)->f)[n] = how(v_);							\
} while (0)

#define AS_IT_IS(v)	(v)

#define LOAD_SEG(at, f, to, fail)							\
do {											\
	LOAD(at, f, 0, to, vmls_attrib, fail);						\
	LOAD(at, f, 1, to, vmls_canonical, fail);					\
} while (0)

/* A fault half-way leaves a half; then insn.c loads the whole again, before anybody can look. */
static bool quick_vmload(struct nestor_vcpu *vcpu)
{
	struct vmcb12_save *to = run_sys_area(&vcpu->l1);
	const void __user *at;
	struct gmem_window *w;

	if (unlikely(!to) || !nsvm_plain_operand(vcpu, &w))
		return false;
	at = w->at;
	if (unlikely(!gmem_window_open(at, false)))
		return false;
	LOAD_SEG(at, fs, to, fail);
	LOAD_SEG(at, gs, to, fail);
	LOAD_SEG(at, ldtr, to, fail);
	LOAD_SEG(at, tr, to, fail);
	LOAD(at, star, 0, to, AS_IT_IS, fail);
	LOAD(at, lstar, 0, to, vmls_canonical, fail);
	LOAD(at, cstar, 0, to, vmls_canonical, fail);
	LOAD(at, sfmask, 0, to, AS_IT_IS, fail);
	LOAD(at, kernel_gs_base, 0, to, vmls_canonical, fail);
	LOAD(at, sysenter_cs, 0, to, AS_IT_IS, fail);
	LOAD(at, sysenter_esp, 0, to, vmls_canonical, fail);
	LOAD(at, sysenter_eip, 0, to, vmls_canonical, fail);
	gmem_window_close(false);
	return true;
fail:
	gmem_window_close(false);
	return false;
}

static bool quick_vmsave(struct nestor_vcpu *vcpu)
{
	const struct vmcb12_save *from = run_sys_area(&vcpu->l1);
	struct gmem_window *w;
	void __user *at;

	if (unlikely(!from) || !nsvm_plain_operand(vcpu, &w))
		return false;
	at = w->at;
	if (unlikely(!gmem_window_open(at, true)))
		return false;
	gmem_window_put(at, SAVE_OFF(fs), &from->fs, 4, fail);
	gmem_window_put(at, SAVE_OFF(ldtr), &from->ldtr, 2, fail);
	gmem_window_put(at, SAVE_OFF(tr), &from->tr, 2, fail);
	gmem_window_put(at, SAVE_OFF(star), &from->star, 8, fail);
	gmem_window_close(true);
	return gmem_window_noted(w);
fail:
	gmem_window_close(true);
	/* Some of it may be there. */
	gmem_window_noted(w);
	return false;
}

/* Where the CPU has virtual GIF an exit says that an event waits for it. */
static bool quick_gif(struct nestor_vcpu *vcpu, bool on)
{
	if (unlikely(hw_caps.vgif || (on && !nothing_held(vcpu))))
		return false;
	nsvm_of(vcpu)->gif = on;
	return true;
}

bool nsvm_quick(struct nestor_vcpu *vcpu)
{
	if (!nsvm_plain(vcpu))
		return false;
	switch (vcpu->l1.exit.reason) {
	case EXIT_VMLOAD:
		return quick_vmload(vcpu);
	case EXIT_VMSAVE:
		return quick_vmsave(vcpu);
	case EXIT_STGI:
		return quick_gif(vcpu, true);
	case EXIT_CLGI:
		return quick_gif(vcpu, false);
	default:
		return false;
	}
}
