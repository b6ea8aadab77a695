// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes to control, debug and extended control registers of the current run,
 * with the checks of APM vol. 2 "System Resources" and "Long-Mode Consistency
 * Checks".  A refused write changes nothing; the caller raises #GP(0).
 *
 * The second-level table translates physically, so paging-mode changes need no
 * new root here, only that the CPU forgets what it translated before.
 */
#include <asm/processor-flags.h>
#include <asm/msr-index.h>

#include "core/fpu.h"
#include "core/irq.h"
#include "core/msr.h"
#include "core/nested_ops.h"

#define CR0_KNOWN	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | \
			 X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | \
			 X86_CR0_PG)
/* Bits of CR4 that take part in translation or its caching. */
#define CR4_PAGING	(X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PCIDE | \
			 X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_LA57)
#define CR3_NOFLUSH	BIT_ULL(63)

#define DR6_FIXED	0xffff0ff0ull
#define DR6_WRITABLE	0x0000e00full
#define DR7_FIXED	0x00000400ull
#define DR7_WRITABLE	0xffff23ffull

static bool cr0_bits_ok(u64 cr0)
{
	if (cr0 >> 32)
		return false;
	if ((cr0 & X86_CR0_NW) && !(cr0 & X86_CR0_CD))
		return false;
	return !(cr0 & X86_CR0_PG) || (cr0 & X86_CR0_PE);
}

int cr0_write(struct nestor_vcpu *vcpu, u64 val)
{
	struct guest_run *run = vcpu->run;
	u64 old, efer;
	int ret;

	run_need(run, GRP_CR);
	old = run->cr0;
	efer = run->efer;
	if (!cr0_bits_ok(val))
		return -EINVAL;
	if (run->cr0_must & ~val)
		return -EINVAL;
	/* ET is 1 and the reserved bits below 32 are 0, whatever is written. */
	val = (val & CR0_KNOWN) | X86_CR0_ET;

	if ((val & X86_CR0_PG) && !(old & X86_CR0_PG) && (efer & EFER_LME)) {
		if (!(run->cr4 & X86_CR4_PAE))
			return -EINVAL;
		if (run_seg(run, SEG_CS)->attrib & SEG_ATTR_L)
			return -EINVAL;
		efer |= EFER_LMA;
		/* SDM vol. 3, "Initializing IA-32e Mode": TR may hold no TSS of 16 bits. */
		if (mode_refused(run, val, efer))
			return -EINVAL;
	}
	if (!(val & X86_CR0_PG) && (old & X86_CR0_PG)) {
		if (run_is_64bit(run) || (run->cr4 & X86_CR4_PCIDE))
			return -EINVAL;
		efer &= ~(u64)EFER_LMA;
	}
	if ((old ^ val) & (X86_CR0_PG | X86_CR0_CD | X86_CR0_NW)) {
		ret = pdpte_load(vcpu, val, run->cr3, run->cr4, efer);
		if (ret)
			return ret;
	}
	run->cr0 = val;
	run->efer = efer;
	run_dirty(run, GRP_CR);
	if ((old ^ val) & (X86_CR0_PG | X86_CR0_WP | X86_CR0_CD | X86_CR0_NW))
		run->flush = true;
	return 0;
}

/* CR3 as the mode sees it: outside long mode there are 32 bits. */
static bool cr3_ok(const struct nestor_vcpu *vcpu, u64 cr3, u64 efer)
{
	return !(efer & EFER_LMA) || !(cr3 & vcpu->cpuid.rsvd_gpa_bits);
}

int cr3_write(struct nestor_vcpu *vcpu, u64 val)
{
	struct guest_run *run = vcpu->run;
	bool keep = false;
	int ret;

	run_need(run, GRP_CR);
	if (run->cr4 & X86_CR4_PCIDE) {
		keep = val & CR3_NOFLUSH;
		val &= ~CR3_NOFLUSH;
	}
	if (!cr3_ok(vcpu, val, run->efer))
		return -EINVAL;
	ret = pdpte_load(vcpu, run->cr0, val, run->cr4, run->efer);
	if (ret)
		return ret;
	run->cr3 = val;
	run_dirty(run, GRP_CR);
	if (!keep)
		run->flush = true;
	return 0;
}

int cr4_write(struct nestor_vcpu *vcpu, u64 val)
{
	struct guest_run *run = vcpu->run;
	u64 old;
	int ret;

	run_need(run, GRP_CR);
	old = run->cr4;
	if ((val & vcpu->cpuid.cr4_reserved) || (run->cr4_must & ~val))
		return -EINVAL;
	if ((run->efer & EFER_LMA) &&
	    (!(val & X86_CR4_PAE) || ((old ^ val) & X86_CR4_LA57)))
		return -EINVAL;
	if ((val & X86_CR4_PCIDE) && !(old & X86_CR4_PCIDE) &&
	    (!(run->efer & EFER_LMA) || (run->cr3 & 0xfff)))
		return -EINVAL;
	if ((old ^ val) & (X86_CR4_PAE | X86_CR4_PSE | X86_CR4_PGE | X86_CR4_SMEP)) {
		ret = pdpte_load(vcpu, run->cr0, run->cr3, val, run->efer);
		if (ret)
			return ret;
	}
	run->cr4 = val;
	run_dirty(run, GRP_CR);
	if ((old ^ val) & CR4_PAGING)
		run->flush = true;
	return 0;
}

/* CR8 is L1's TPR: an L2 with its own (V_INTR_MASKING) reaches it without an exit. */
int cr8_write(struct nestor_vcpu *vcpu, u64 val)
{
	if (val & ~0xfull)
		return -EINVAL;
	if (vcpu->apic)
		lapic_set_tpr(vcpu, val);
	else
		vcpu->cr8 = val;
	return 0;
}

u64 cr8_read(struct nestor_vcpu *vcpu)
{
	return vcpu->apic ? lapic_get_tpr(vcpu) : vcpu->cr8;
}

int efer_write(struct nestor_vcpu *vcpu, u64 val, bool host)
{
	struct guest_run *run = vcpu->run;
	bool fault = false;
	u64 old;

	run_need(run, GRP_CR);
	old = run->efer;
	if (val & vcpu->cpuid.efer_reserved)
		return -EINVAL;
	if (!host) {
		if ((run->cr0 & X86_CR0_PG) && ((old ^ val) & EFER_LME))
			return -EINVAL;
		/* LMA is the processor's; a write of it is ignored. */
		val = (val & ~(u64)EFER_LMA) | (old & EFER_LMA);
	}
	/* The frontend is told of SVME only; it may object or take notes. */
	if ((old ^ val) & EFER_SVME) {
		nested->set_msr(vcpu, MSR_EFER, val, host, &fault);
		if (fault)
			return -EINVAL;
	}
	run->efer = val;
	run_dirty(run, GRP_CR);
	if ((old ^ val) & (EFER_NX | EFER_LME | EFER_LMA))
		run->flush = true;
	return 0;
}

int cr_set_check(struct nestor_vcpu *vcpu, u64 cr0, u64 cr3, u64 cr4, u64 efer, bool cs_l,
		 bool cs_db)
{
	/* The CPU's own width counts, whatever CPUID tells the guest, and in each mode. */
	u64 cr3_reserved = vcpu->cpuid.rsvd_gpa_bits | ~0ull << boot_cpu_data.x86_phys_bits;

	if (!cr0_bits_ok(cr0) || (cr4 & vcpu->cpuid.cr4_reserved) ||
	    (efer & vcpu->cpuid.efer_reserved) || (cr3 & cr3_reserved))
		return -EINVAL;
	if ((efer & EFER_LME) && (cr0 & X86_CR0_PG)) {
		if (!(cr4 & X86_CR4_PAE) || !(efer & EFER_LMA))
			return -EINVAL;
		return cs_l && cs_db ? -EINVAL : 0;
	}
	/* CR4.PCIDE and CS.L exist in long mode only. */
	if ((efer & EFER_LMA) || cs_l || (cr4 & X86_CR4_PCIDE))
		return -EINVAL;
	return 0;
}

/*
 * LMA is the processor's and not in the VMM's gift, but for KVM_SET_SREGS, where it comes
 * with the registers that it depends on.
 */
int efer_set(struct nestor_vcpu *vcpu, u64 val)
{
	struct guest_run *run = vcpu->run;
	u16 cs;

	run_need(run, GRP_CR);
	cs = run_seg(run, SEG_CS)->attrib;
	val = (val & ~(u64)EFER_LMA) | (run->efer & EFER_LMA);
	if (cr_set_check(vcpu, run->cr0, run->cr3, run->cr4, val, run_is_64bit(run),
			 cs & SEG_ATTR_DB))
		return -EINVAL;
	return efer_write(vcpu, val, true);
}

int dr_write(struct nestor_vcpu *vcpu, unsigned int n, u64 val)
{
	struct guest_run *run = vcpu->run;

	switch (n) {
	case 0 ... 3:
		vcpu->dr[n] = val;
		/* Whoever keeps breakpoints in the CPU looks at the group. */
		run_need(run, GRP_DR);
		run_dirty(run, GRP_DR);
		return 0;
	case 4:
	case 6:
		if (val >> 32)
			return -EINVAL;
		run_need(run, GRP_DR);
		run->dr6 = (val & DR6_WRITABLE) | DR6_FIXED;
		run_dirty(run, GRP_DR);
		return 0;
	case 5:
	case 7:
		if (val >> 32)
			return -EINVAL;
		run_need(run, GRP_DR);
		run->dr7 = (val & DR7_WRITABLE) | DR7_FIXED;
		run_dirty(run, GRP_DR);
		return 0;
	}
	return -EINVAL;
}

int dr_read(struct nestor_vcpu *vcpu, unsigned int n, u64 *val)
{
	struct guest_run *run = vcpu->run;

	switch (n) {
	case 0 ... 3:
		*val = vcpu->dr[n];
		return 0;
	case 4:
	case 6:
		run_need(run, GRP_DR);
		*val = run->dr6;
		return 0;
	case 5:
	case 7:
		run_need(run, GRP_DR);
		*val = run->dr7;
		return 0;
	}
	return -EINVAL;
}

int xcr_write(struct nestor_vcpu *vcpu, u32 index, u64 val)
{
	if (index != 0 || vcpu->run->cpl != 0)
		return -EINVAL;
	return fpu_set_xcr0(vcpu, val);
}
