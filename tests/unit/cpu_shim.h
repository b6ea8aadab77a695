/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A processor made of nothing, beside kshim.h's kernel: CPUID is host.leaf[], features are Linux's
 * words, and what touches FPU registers, XCR0 or IA32_XSS is noted in host.did, a letter each.
 */
#ifndef NESTOR_TESTS_CPU_SHIM_H
#define NESTOR_TESTS_CPU_SHIM_H

#include <asm/kvm_para.h>
#include <asm/processor-flags.h>

#include "kshim.h"

#define EFER_SCE	1u
#define EFER_LME	(1u << 8)
#define EFER_LMA	(1u << 10)
#define EFER_NX		(1u << 11)
#define EFER_SVME	(1u << 12)
#define EFER_FFXSR	(1u << 14)
#define MSR_IA32_APICBASE_ENABLE	(1u << 11)
#define MSR_IA32_XSS	0xda0

#define X86_VENDOR_INTEL	0
#define X86_VENDOR_AMD		2
#define X86_VENDOR_HYGON	9

/* Words and bits as in the kernel's asm/cpufeatures.h; each word is a CPUID register. */
enum { CPUID_1_ECX = 4, CPUID_7_0_EBX = 9, CPUID_D_1_EAX = 10, CPUID_8000_0001_ECX = 6,
       CPUID_7_ECX = 16, CPUID_7_EDX = 18, NR_WORDS = 20 };
#define X86_FEATURE_NX		(1 * 32 + 20)
#define X86_FEATURE_FXSR_OPT	(1 * 32 + 25)
#define X86_FEATURE_GBPAGES	(1 * 32 + 26)
#define X86_FEATURE_RDTSCP	(1 * 32 + 27)
#define X86_FEATURE_PCID	(4 * 32 + 17)
#define X86_FEATURE_XSAVE	(4 * 32 + 26)
#define X86_FEATURE_FSGSBASE	(9 * 32 + 0)
#define X86_FEATURE_SMEP	(9 * 32 + 7)
#define X86_FEATURE_SMAP	(9 * 32 + 20)
#define X86_FEATURE_XSAVES	(10 * 32 + 3)
#define X86_FEATURE_IBPB	(7 * 32 + 26)
#define X86_FEATURE_UMIP	(16 * 32 + 2)

struct shim_leaf { u32 fn, index, eax, ebx, ecx, edx; };
struct shim_host {
	struct shim_leaf leaf[64];
	u64 xcr0, xss;
	bool no_xss;		/* RDMSR of IA32_XSS faults */
	char did[64];
	u64 mask[64];		/* what the instruction took, a letter each */
};
extern struct shim_host host;
extern struct shim_cpu { int x86_vendor; u32 x86_capability[NR_WORDS]; } boot_cpu_data;

static inline bool boot_cpu_has(unsigned int f)
{
	return boot_cpu_data.x86_capability[f / 32] >> f % 32 & 1;
}

void cpuid_count(u32 fn, u32 index, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx);
void shim_did(char what, u64 mask);

static inline int rdmsrl_safe(u32 msr, u64 *val)
{
	*val = host.xss;
	return msr != MSR_IA32_XSS || host.no_xss ? -EIO : 0;
}

static inline void wrmsrl(u32 msr, u64 val)
{
	if (msr == MSR_IA32_XSS)
		host.xss = val;
	shim_did('S', val);
}

#define kernel_fpu_begin()	shim_did('(', 0)
#define kernel_fpu_end()	shim_did(')', 0)
static inline u64 read_xcr0(void) { return host.xcr0; }
static inline void write_xcr0(u64 val) { host.xcr0 = val; shim_did('0', val); }
static inline void xsave_area(void *area, u64 mask) { (void)area; shim_did('s', mask); }
static inline void xrstor_area(const void *area, u64 mask) { (void)area; shim_did('r', mask); }
static inline void fxsave_area(void *area) { (void)area; shim_did('f', 0); }
static inline void fxrstor_area(const void *area) { (void)area; shim_did('F', 0); }
static inline void fninit(void) { shim_did('i', 0); }
static inline unsigned long get_zeroed_page(int flags)
{
	(void)flags;
	return (unsigned long)calloc(1, PAGE_SIZE);
}

#define free_page(p)		free((void *)(p))
#define BUILD_BUG_ON(c)		((void)sizeof(char[1 - 2 * !!(c)]))
#define ALIGN(x, a)		(((x) + (a) - 1) / (a) * (a))
#define clamp_t(t, v, lo, hi)	min((t)(hi), max((t)(lo), (t)(v)))
#endif
