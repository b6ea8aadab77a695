// SPDX-License-Identifier: GPL-2.0-only
/*
 * What L1 is offered: CPUID Fn8000_0001 and Fn8000_000A (APM vol. 3, "SVM
 * Revision and Feature Identification").
 *
 * A feature is offered when it works, by the backend or in software.  Hidden,
 * because nothing here does them: SVM lock, TSC ratio, AVIC, virtual NMI,
 * virtual VMLOAD/VMSAVE, SSS, SEV.
 */
#include "core/hw_ops.h"
#include "nsvm/nsvm.h"

#define ECX_SVM			BIT(2)
#define ECX_SKINIT		BIT(12)

#define SVM_NP			BIT(0)
#define SVM_LBRV		BIT(1)
#define SVM_NRIPS		BIT(3)
#define SVM_VMCB_CLEAN		BIT(5)
#define SVM_FLUSH_BY_ASID	BIT(6)
#define SVM_DECODE_ASSISTS	BIT(7)
#define SVM_PAUSE_FILTER	BIT(10)
#define SVM_PAUSE_THRESHOLD	BIT(12)
#define SVM_VGIF		BIT(16)

#define SVM_REVISION		1
#define NR_ASIDS		0x8000

static u32 features(void)
{
	/* Nested paging, ASIDs and clean bits (which may be ignored) are software's. */
	u32 f = SVM_NP | SVM_FLUSH_BY_ASID | SVM_VMCB_CLEAN;

	/* The CPU says, or the instruction is decoded. */
	f |= SVM_NRIPS | SVM_DECODE_ASSISTS;
	/* In the backend, or by intercepting STGI and CLGI. */
	f |= SVM_VGIF;
	if (hw_caps.lbrv)
		f |= SVM_LBRV;
	if (hw_caps.pause_filter)
		f |= SVM_PAUSE_FILTER;
	if (hw_caps.pause_threshold)
		f |= SVM_PAUSE_THRESHOLD;
	return f;
}

void nsvm_cpuid(struct kvm_cpuid_entry2 *e)
{
	switch (e->function) {
	case 1:
		e->ecx &= ~BIT(5);	/* VMX belongs to another frontend */
		break;
	case 0x80000001:
		e->ecx |= ECX_SVM;
		e->ecx &= ~ECX_SKINIT;
		break;
	case 0x8000000a:
		e->eax = SVM_REVISION;
		e->ebx = NR_ASIDS;
		e->ecx = 0;
		e->edx = features();
		break;
	}
}
