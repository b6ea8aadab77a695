// SPDX-License-Identifier: GPL-2.0-only
/*
 * snapshot: the only reader of L1's vmcb12 and of its MSR permissions map.  It
 * copies each byte once; another CPU of L1 may rewrite the page meanwhile and
 * has no effect on what was copied.
 */
#include "mmu/mmu.h"
#include "nsvm/nsvm.h"

/* The MSRs that can be passed have their bits in these two stretches of the map. */
#define LOW_FIRST	(0x048 / 4)
#define LOW_LAST	(0x277 / 4)
#define HIGH_FIRST	(0x800 + 0x81 / 4)
#define HIGH_LAST	(0x800 + 0x102 / 4)

struct msrpm_copy {
	u8 low[LOW_LAST - LOW_FIRST + 1];
	u8 high[HIGH_LAST - HIGH_FIRST + 1];
};

/* Bits of @msr; both set where the copy does not reach, so that nothing passes unseen. */
static unsigned int map_bits(const struct msrpm_copy *map, u32 msr)
{
	int bit = msrpm_bit(msr);
	int byte = bit / 8;

	if (bit < 0)
		return 3;
	if (byte >= LOW_FIRST && byte <= LOW_LAST)
		return map->low[byte - LOW_FIRST] >> (bit & 7) & 3;
	if (byte >= HIGH_FIRST && byte <= HIGH_LAST)
		return map->high[byte - HIGH_FIRST] >> (bit & 7) & 3;
	return 3;
}

static int read_msrpm(struct nestor_vcpu *vcpu, u64 base, struct msrpm_copy *map)
{
	int r = gmem_read(vcpu, l1_gpa(base + LOW_FIRST), map->low, sizeof(map->low));

	return r ? r : gmem_read(vcpu, l1_gpa(base + HIGH_FIRST), map->high, sizeof(map->high));
}

static void snapshot_msrpm(struct nestor_vcpu *vcpu, struct vmcb12_snapshot *snap)
{
	struct msrpm_copy map;
	unsigned int i;

	snap->msr_read_icpt = 0;
	snap->msr_write_icpt = 0;
	if (!snap_icpt(snap, ICPT_MISC1, ICPT_MSR))
		return;
	/* A map that cannot be read intercepts all. */
	if (read_msrpm(vcpu, snap->ctl.msrpm_base_pa & PERMMAP_ADDR, &map))
		memset(&map, 0xff, sizeof(map));
	for (i = 0; i < NR_PASS_MSR; i++) {
		unsigned int bits = map_bits(&map, pass_msr_index[i]);

		if (bits & 1)
			snap->msr_read_icpt |= 1u << i;
		if (bits & 2)
			snap->msr_write_icpt |= 1u << i;
	}
}

int nsvm_snapshot(struct nestor_vcpu *vcpu, u64 gpa, struct vmcb12_snapshot *snap)
{
	int r;

	snap->gpa = gpa;
	r = gmem_read(vcpu, l1_gpa(gpa), &snap->ctl, sizeof(snap->ctl));
	if (r)
		return r;
	r = gmem_read(vcpu, l1_gpa(gpa + VMCB12_SAVE), &snap->save, sizeof(snap->save));
	if (r)
		return r;
	snapshot_msrpm(vcpu, snap);
	return 0;
}
