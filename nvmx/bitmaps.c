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
 */
#include "mmu/mmu.h"
#include "nvmx/bitmaps.h"
#include "nvmx/exit_table.h"

/* The bits of one port in bitmap A or B; true: exits */
static bool port_bit(struct nestor_vcpu *vcpu, u16 port)
{
	const struct vmcs12 *v = nvmx_of(vcpu)->vmcs12;
	u64 map = port & 0x8000 ? v->io_bitmap_b : v->io_bitmap_a;
	u8 byte;

	if (gmem_read(vcpu, l1_gpa(map + (port & 0x7fff) / 8), &byte, 1))
		return true;
	return byte & (1u << (port & 7));
}

bool nvmx_io_wanted(struct nestor_vcpu *vcpu, u16 port, unsigned int size)
{
	const struct vmcs12 *v = nvmx_of(vcpu)->vmcs12;
	unsigned int i;

	if (!(v->cpu_ctls & CPU_IO_BITMAPS))
		return v->cpu_ctls & CPU_UNCOND_IO;
	/* An access that wraps around the end of the port space exits. */
	if (port + size > 0x10000)
		return true;
	for (i = 0; i < size; i++)
		if (port_bit(vcpu, port + i))
			return true;
	return false;
}

static bool msr_bit(struct nestor_vcpu *vcpu, u32 msr, bool write)
{
	int bit = nvmx_msr_bit(msr, write);
	u8 byte;

	if (bit < 0)
		return true;
	if (gmem_read(vcpu, l1_gpa(nvmx_of(vcpu)->vmcs12->msr_bitmap + bit / 8), &byte, 1))
		return true;
	return byte & (1u << (bit & 7));
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

bool nvmx_msr_wanted(struct nestor_vcpu *vcpu, u32 msr, bool write)
{
	const struct vmcs12 *v = nvmx_of(vcpu)->vmcs12;

	if (!(v->cpu_ctls & CPU_MSR_BITMAPS) || msr_bit(vcpu, msr, write))
		return true;
	allow(vcpu, msr, write);
	return false;
}

static u32 still_allowed(struct nestor_vcpu *vcpu, u32 used, bool write)
{
	u32 pass = 0;
	int i;

	for (i = 0; i < NR_PASS_MSR; i++)
		if ((used & (1u << i)) && !msr_bit(vcpu, pass_msr_index[i], write))
			pass |= 1u << i;
	return pass;
}

void nvmx_merge_msrs(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	bool maps = n->vmcs12->cpu_ctls & CPU_MSR_BITMAPS;
	u32 r = maps ? n->msr_read_used & vcpu->l1.msr_read_pass : 0;
	u32 w = maps ? n->msr_write_used & vcpu->l1.msr_write_pass : 0;

	if (r)
		r = still_allowed(vcpu, r, false);
	if (w)
		w = still_allowed(vcpu, w, true);
	if (n->l2.msr_read_pass == r && n->l2.msr_write_pass == w)
		return;
	n->l2.msr_read_pass = r;
	n->l2.msr_write_pass = w;
	n->l2.ctl_dirty |= CTL_MSR;
}
