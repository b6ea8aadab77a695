// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1's I/O and MSR bitmaps (SDM vol. 3, "I/O-Bitmap Addresses", "MSR-Bitmap
 * Address").  They lie in L1's memory and are looked at when an exit is decided: a few
 * bytes then, instead of pages at each entry.  What cannot be read exits.
 *
 * MSRs that may be passed without an exit: an L2 that touches none, as most do
 * between two exits to L1, pays nothing for them.  The first access of a kind exits, is
 * found to be allowed, and is allowed from then on; later entries look at the bits of
 * just these.
 *
 * Where sleeping is not allowed and a page is not at hand, nothing is said: -EAGAIN.
 */
#include "mmu/mmu.h"
#include "nvmx/bitmaps.h"
#include "nvmx/exit_table.h"

/* Bit @bit of the bitmap at @map; 1: exits */
static int map_bit(struct nestor_vcpu *vcpu, u64 map, unsigned int bit)
{
	u8 byte;
	int r = gmem_read(vcpu, l1_gpa(map + bit / 8), &byte, 1);

	if (r)
		return r == -EAGAIN ? r : 1;
	return byte >> (bit & 7) & 1;
}

/* The bit of one port in bitmap A or B */
static int port_bit(struct nestor_vcpu *vcpu, u16 port)
{
	const struct vmcs12 *v = nvmx_of(vcpu)->vmcs12;

	return map_bit(vcpu, port & 0x8000 ? v->io_bitmap_b : v->io_bitmap_a, port & 0x7fff);
}

int nvmx_io_wanted(struct nestor_vcpu *vcpu, u16 port, unsigned int size)
{
	const struct vmcs12 *v = nvmx_of(vcpu)->vmcs12;
	unsigned int i;
	int r = 0;

	if (!(v->cpu_ctls & CPU_IO_BITMAPS))
		return !!(v->cpu_ctls & CPU_UNCOND_IO);
	/* An access that wraps around the end of the port space exits. */
	if (port + size > 0x10000)
		return 1;
	for (i = 0; i < size && !r; i++)
		r = port_bit(vcpu, port + i);
	return r;
}

static int msr_bit(struct nestor_vcpu *vcpu, u32 msr, bool write)
{
	int bit = nvmx_msr_bit(msr, write);

	return bit < 0 ? 1 : map_bit(vcpu, nvmx_of(vcpu)->vmcs12->msr_bitmap, bit);
}

static int pass_number(u32 msr)
{
	int i;

	for (i = 0; i < NR_PASS_MSR; i++)
		if (pass_msr_index[i] == msr)
			return i;
	return -1;
}

/* L2 may do this without an exit until L1 has had a chance to change its mind. */
static void allow(struct nestor_vcpu *vcpu, u32 msr, bool write)
{
	u32 offered = write ? vcpu->l1.msr_write_pass : vcpu->l1.msr_read_pass;
	struct nvmx *n = nvmx_of(vcpu);
	int nr = pass_number(msr);

	if (nr < 0 || !(offered & (1u << nr)))
		return;
	if (write) {
		n->msr_write_used |= 1u << nr;
		n->l2.msr_write_pass |= 1u << nr;
	} else {
		n->msr_read_used |= 1u << nr;
		n->l2.msr_read_pass |= 1u << nr;
	}
	n->l2.ctl_dirty |= CTL_MSR;
}

int nvmx_msr_wanted(struct nestor_vcpu *vcpu, u32 msr, bool write)
{
	int r = 1;

	if (nvmx_of(vcpu)->vmcs12->cpu_ctls & CPU_MSR_BITMAPS)
		r = msr_bit(vcpu, msr, write);
	if (!r)
		allow(vcpu, msr, write);
	return r;
}

/* Takes the bits that L1 wants to see out of @pass. */
static int still_allowed(struct nestor_vcpu *vcpu, u32 *pass, bool write)
{
	int i, r;

	for (i = 0; i < NR_PASS_MSR; i++) {
		if (!(*pass & (1u << i)))
			continue;
		r = msr_bit(vcpu, pass_msr_index[i], write);
		if (r < 0)
			return r;
		if (r)
			*pass &= ~(1u << i);
	}
	return 0;
}

int nvmx_merge_msrs(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	bool maps = n->vmcs12->cpu_ctls & CPU_MSR_BITMAPS;
	u32 r = maps ? n->msr_read_used & vcpu->l1.msr_read_pass : 0;
	u32 w = maps ? n->msr_write_used & vcpu->l1.msr_write_pass : 0;

	if ((r && still_allowed(vcpu, &r, false)) || (w && still_allowed(vcpu, &w, true)))
		return -EAGAIN;
	if (n->l2.msr_read_pass == r && n->l2.msr_write_pass == w)
		return 0;
	n->l2.msr_read_pass = r;
	n->l2.msr_write_pass = w;
	n->l2.ctl_dirty |= CTL_MSR;
	return 0;
}
