// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest FPU state as the ABI shows it: KVM_GET/SET_FPU and _XSAVE, and single XMM
 * registers for the instruction emulator.
 *
 * What comes from the VMM is checked so far that XRSTOR cannot fault on it:
 * XSTATE_BV within what is supported, no compacted format, reserved header bytes
 * zero, no MXCSR bits that the CPU lacks.
 */
#include <linux/kvm.h>

#include "core/fpu.h"
#include "core/fpu_layout.h"
#include "core/vcpu.h"

#define FPSSE	3ull

/*
 * A component whose XSTATE_BV bit is clear is in its initial state whatever its
 * bytes say.  Make the x87 and SSE bytes say it, before they are shown or
 * changed in part.
 */
static void settle_legacy(struct vcpu_fpu *fpu)
{
	struct xsave_header *hdr = fpu_header(fpu->area);
	struct fx_area *fx = fpu->area;

	if (!(hdr->xstate_bv & 1)) {
		fx->fcw = 0x37f;
		fx->fsw = 0;
		fx->ftw = 0;
		fx->fop = 0;
		fx->rip = 0;
		fx->rdp = 0;
		memset(fx->st, 0, sizeof(fx->st));
	}
	if (!(hdr->xstate_bv & 2))
		memset(fx->xmm, 0, sizeof(fx->xmm));
	hdr->xstate_bv |= FPSSE;
}

void fpu_get_fpu(struct vcpu_fpu *fpu, struct kvm_fpu *out)
{
	const struct fx_area *fx = fpu->area;

	BUILD_BUG_ON(sizeof(struct fx_area) != XSAVE_HDR);
	settle_legacy(fpu);
	memset(out, 0, sizeof(*out));
	memcpy(out->fpr, fx->st, sizeof(out->fpr));
	memcpy(out->xmm, fx->xmm, sizeof(out->xmm));
	out->fcw = fx->fcw;
	out->fsw = fx->fsw;
	out->ftwx = fx->ftw;
	out->last_opcode = fx->fop;
	out->last_ip = fx->rip;
	out->last_dp = fx->rdp;
	out->mxcsr = fx->mxcsr;
}

int fpu_set_fpu(struct vcpu_fpu *fpu, const struct kvm_fpu *in)
{
	struct fx_area *fx = fpu->area;

	if (in->mxcsr & ~fpu_mxcsr_mask)
		return -EINVAL;
	settle_legacy(fpu);
	memcpy(fx->st, in->fpr, sizeof(in->fpr));
	memcpy(fx->xmm, in->xmm, sizeof(in->xmm));
	fx->fcw = in->fcw;
	fx->fsw = in->fsw;
	fx->ftw = in->ftwx;
	fx->fop = in->last_opcode;
	fx->rip = in->last_ip;
	fx->rdp = in->last_dp;
	fx->mxcsr = in->mxcsr;
	return 0;
}

void fpu_get_xsave(struct vcpu_fpu *fpu, struct kvm_xsave *out)
{
	struct fx_area *fx = fpu->area;

	BUILD_BUG_ON(sizeof(out->region) != FPU_AREA_SIZE);
	if (!fpu_supported_xcr0())
		settle_legacy(fpu);
	fx->mxcsr_mask = fpu_mxcsr_mask;
	memcpy(out->region, fpu->area, FPU_AREA_SIZE);
}

int fpu_set_xsave(struct vcpu_fpu *fpu, const struct kvm_xsave *in)
{
	const struct xsave_header *hdr = fpu_header((void *)in->region);
	const struct fx_area *fx = (const void *)in->region;
	u64 ok = fpu_supported_xcr0() ? fpu_supported_xcr0() : FPSSE;
	unsigned int i;

	if ((hdr->xstate_bv & ~ok) || hdr->xcomp_bv)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(hdr->reserved); i++)
		if (hdr->reserved[i])
			return -EINVAL;
	if (fx->mxcsr & ~fpu_mxcsr_mask)
		return -EINVAL;
	memcpy(fpu->area, in->region, FPU_AREA_SIZE);
	/* FXRSTOR knows no XSTATE_BV. */
	if (!fpu_supported_xcr0())
		settle_legacy(fpu);
	return 0;
}

void fpu_read_xmm(struct vcpu_fpu *fpu, unsigned int n, u8 val[16])
{
	const struct fx_area *fx = fpu->area;

	settle_legacy(fpu);
	memcpy(val, fx->xmm[n & 15], 16);
}

void fpu_write_xmm(struct vcpu_fpu *fpu, unsigned int n, const u8 val[16])
{
	struct fx_area *fx = fpu->area;

	settle_legacy(fpu);
	memcpy(fx->xmm[n & 15], val, 16);
}
