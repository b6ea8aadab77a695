// SPDX-License-Identifier: GPL-2.0-only
/*
 * Vector registers for the instruction emulator: XMM in the legacy area, the
 * upper halves of YMM in their XSAVE component (APM vol. 2, "Extended State").
 */
#include "core/fpu.h"
#include "core/fpu_layout.h"

/* The standard format puts component 2 right behind the header on every CPU. */
#define YMM_HI_OFFSET	576
#define XFEATURE_YMM	BIT_ULL(2)

static u8 *ymm_hi(struct vcpu_fpu *fpu, unsigned int n)
{
	return (u8 *)fpu->area + YMM_HI_OFFSET + 16 * (n & 15);
}

/* A component in its initial state is not in the area; make its zeroes real. */
static void settle_ymm(struct vcpu_fpu *fpu)
{
	struct xsave_header *hdr = fpu_header(fpu->area);

	if (hdr->xstate_bv & XFEATURE_YMM)
		return;
	memset(ymm_hi(fpu, 0), 0, 16 * 16);
	hdr->xstate_bv |= XFEATURE_YMM;
}

void fpu_read_vec(struct vcpu_fpu *fpu, unsigned int n, void *buf, unsigned int len)
{
	u8 low[16];

	fpu_read_xmm(fpu, n, low);
	memcpy(buf, low, min_t(unsigned int, len, 16));
	if (len <= 16)
		return;
	settle_ymm(fpu);
	memcpy((u8 *)buf + 16, ymm_hi(fpu, n), 16);
}

void fpu_write_vec(struct vcpu_fpu *fpu, unsigned int n, const void *buf, unsigned int len,
		   bool zero_upper)
{
	fpu_write_xmm(fpu, n, buf);
	if (len <= 16 && !zero_upper)
		return;
	/* Without AVX there is no upper half, and no instruction that clears it. */
	if (!(fpu_supported_xcr0() & XFEATURE_YMM))
		return;
	settle_ymm(fpu);
	if (len > 16)
		memcpy(ymm_hi(fpu, n), (const u8 *)buf + 16, 16);
	else
		memset(ymm_hi(fpu, n), 0, 16);
}
