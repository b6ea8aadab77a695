// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSR permission map (APM vol. 2, "MSR Intercepts"): two bits an MSR, the lower
 * for reads, in three ranges of 8192 MSRs.  Only MSRs of enum pass_msr may ever
 * have a clear bit.
 */
#include "hw/svm/svm.h"

static unsigned int msrpm_bit(u32 msr)
{
	if (msr < 0x2000)
		return msr * 2;
	if (msr < 0xc0002000)
		return 0x2000 * 2 + (msr - 0xc0000000) * 2;
	return 0x4000 * 2 + (msr - 0xc0010000) * 2;
}

static void msrpm_set(u8 *map, unsigned int bit, bool pass)
{
	if (pass)
		map[bit / 8] &= ~(1u << (bit % 8));
	else
		map[bit / 8] |= 1u << (bit % 8);
}

/* MSRs that hardware keeps apart for guests without our help. */
#define PASS_SAFE ((1u << PASS_FS_BASE) | (1u << PASS_GS_BASE) | \
		   (1u << PASS_KERNEL_GS_BASE) | (1u << PASS_STAR) | \
		   (1u << PASS_LSTAR) | (1u << PASS_CSTAR) | (1u << PASS_SFMASK) | \
		   (1u << PASS_SYSENTER_CS) | (1u << PASS_SYSENTER_ESP) | \
		   (1u << PASS_SYSENTER_EIP) | (1u << PASS_PAT))

#define PASS_LBR ((1u << PASS_DEBUGCTL) | (1u << PASS_LAST_BRANCH_FROM) | \
		  (1u << PASS_LAST_BRANCH_TO) | (1u << PASS_LAST_INT_FROM) | \
		  (1u << PASS_LAST_INT_TO))

void svm_msrpm_apply(struct guest_run *run)
{
	u32 may = PASS_SAFE | (run->lbr_virt ? PASS_LBR : 0);
	u8 *map = svm_ctx(run)->msrpm;
	unsigned int i;

	for (i = 0; i < NR_PASS_MSR; i++) {
		unsigned int bit = msrpm_bit(pass_msr_index[i]);

		msrpm_set(map, bit, run->msr_read_pass & may & BIT(i));
		msrpm_set(map, bit + 1, run->msr_write_pass & may & BIT(i));
	}
}
