// SPDX-License-Identifier: GPL-2.0-only
/*
 * What L1 is offered: CPUID Fn8000_0001 and Fn8000_000A (APM vol. 3, "SVM
 * Revision and Feature Identification").
 *
 * A feature is offered when it works, by the backend or in software: caps.def.  Of the rest
 * of the leaves, SKINIT and SEV are hidden.
 */
#include "core/hw_ops.h"
#include "nsvm/nsvm.h"

#define ECX_SVM			BIT(2)
#define ECX_SKINIT		BIT(12)

#define SVM_REVISION		1
#define NR_ASIDS		0x8000

#define NEED_SOFT		true
#define NEED_NEVER		false
#define NEED_lbrv		hw_caps.lbrv
#define NEED_pause_filter	hw_caps.pause_filter
#define NEED_pause_threshold	hw_caps.pause_threshold

static u32 features(void)
{
	u32 f = 0;

#define F(name, bit, need, how) \
	if (NEED_##need) \
		f |= BIT(bit);
#include "nsvm/caps.def"
#undef F
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
