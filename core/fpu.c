// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest FPU state.  The guest's registers are in the CPU only between fpu_load
 * and fpu_unload, a stretch of kernel_fpu_begin/end in which preemption is off, so
 * the host's own save and restore never meets them.
 *
 * XRSTOR and XSAVE run with the host's XCR0 over every component that guests
 * may have; the guest's XCR0 is loaded only around the guest and only when it
 * differs, so components that the guest has turned off keep their contents.
 * So is the guest's IA32_XSS, which is 0: what the host keeps in supervisor state components
 * (user shadow stacks, PASIDs, branch records) no XSAVES of a guest may save, and no
 * XRSTORS load.  XSAVE and XRSTOR do not look at IA32_XSS.
 * Without XSAVE on the host, FXSAVE does for both.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include <asm/cpufeature.h>
#include <asm/fpu/api.h>
#include <asm/msr.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "core/fpu.h"
#include "core/fpu_insn.h"
#include "core/fpu_layout.h"
#include "core/vcpu.h"

#define XCR0_X87	BIT_ULL(0)
#define XCR0_SSE	BIT_ULL(1)
#define XCR0_AVX	BIT_ULL(2)
#define XCR0_AVX512	(BIT_ULL(5) | BIT_ULL(6) | BIT_ULL(7))

static u64 host_xcr0;		/* 0: no XSAVE */
static u64 supported_xcr0;
static u64 host_xss;		/* Linux sets it once, when a CPU comes up */
u32 fpu_mxcsr_mask;

u64 fpu_supported_xcr0(void)
{
	return supported_xcr0;
}

/* Bytes that component @n needs up to its end in the standard format. */
static u32 component_end(unsigned int n)
{
	u32 eax, ebx, ecx, edx;

	cpuid_count(0xd, n, &eax, &ebx, &ecx, &edx);
	return eax + ebx;
}

static u64 choose_xcr0(u64 host)
{
	u64 ok = XCR0_X87 | XCR0_SSE;
	unsigned int n;

	/* PKRU and AMX are not offered; see the CPUID tables. */
	if (host & XCR0_AVX)
		ok |= XCR0_AVX;
	if ((host & XCR0_AVX512) == XCR0_AVX512 && (ok & XCR0_AVX))
		ok |= XCR0_AVX512;
	for (n = 2; n < 8; n++)
		if ((ok & BIT_ULL(n)) && component_end(n) > FPU_AREA_SIZE)
			return XCR0_X87 | XCR0_SSE;
	return ok & host;
}

/* The MXCSR bits that this CPU has; FXSAVE tells (APM "FXSAVE Area"). */
static int find_mxcsr_mask(void)
{
	struct fx_area *fx = (void *)get_zeroed_page(GFP_KERNEL);

	if (!fx)
		return -ENOMEM;
	kernel_fpu_begin();
	fxsave_area(fx);
	kernel_fpu_end();
	fpu_mxcsr_mask = fx->mxcsr_mask ? fx->mxcsr_mask : 0xffbf;
	free_page((unsigned long)fx);
	return 0;
}

int fpu_setup(void)
{
	if (boot_cpu_has(X86_FEATURE_XSAVE)) {
		host_xcr0 = read_xcr0();
		supported_xcr0 = choose_xcr0(host_xcr0);
		/* A CPU that Linux was told not to use XSAVES on has it all the same. */
		if (rdmsrl_safe(MSR_IA32_XSS, &host_xss))
			host_xss = 0;
	}
	return find_mxcsr_mask();
}

int fpu_alloc(struct vcpu_fpu *fpu)
{
	BUILD_BUG_ON(FPU_AREA_SIZE > PAGE_SIZE);

	fpu->area = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!fpu->area)
		return -ENOMEM;
	fpu->loaded = false;
	fpu_reset(fpu, false);
	return 0;
}

void fpu_free(struct vcpu_fpu *fpu)
{
	free_page((unsigned long)fpu->area);
	fpu->area = NULL;
}

/* APM "Processor Initialization State": INIT leaves x87, SSE and XCR0 alone. */
void fpu_reset(struct vcpu_fpu *fpu, bool init)
{
	struct fx_area *fx = fpu->area;

	if (init)
		return;
	memset(fpu->area, 0, FPU_AREA_SIZE);
	fx->fcw = 0x40;
	fx->ftw = 0xff;
	fx->mxcsr = MXCSR_RESET;
	fpu_header(fpu->area)->xstate_bv = XCR0_X87 | XCR0_SSE;
	fpu->xcr0 = XCR0_X87;
}

void fpu_load(struct vcpu_fpu *fpu)
{
	kernel_fpu_begin();
	/* FXRSTOR and XRSTOR may leave the last x87 pointers of someone else (AMD). */
	fninit();
	if (!host_xcr0) {
		fxrstor_area(fpu->area);
	} else {
		xrstor_area(fpu->area, supported_xcr0);
		if (fpu->xcr0 != host_xcr0)
			write_xcr0(fpu->xcr0);
		if (host_xss)
			wrmsrl(MSR_IA32_XSS, 0);
	}
	fpu->loaded = true;
}

void fpu_unload(struct vcpu_fpu *fpu)
{
	fpu->loaded = false;
	if (!host_xcr0) {
		fxsave_area(fpu->area);
	} else {
		u64 now = read_xcr0();

		/* Some emulated CPUs let XSETBV through although it is intercepted. */
		if (unlikely(now != fpu->xcr0))
			fpu->xcr0 = (now & supported_xcr0) | XCR0_X87;
		if (host_xss)
			wrmsrl(MSR_IA32_XSS, host_xss);
		if (now != host_xcr0)
			write_xcr0(host_xcr0);
		xsave_area(fpu->area, supported_xcr0);
	}
	kernel_fpu_end();
}

/* APM "XCR0": x87 always, AVX needs SSE, the AVX-512 states come together. */
static bool xcr0_valid(u64 xcr0)
{
	if (!(xcr0 & XCR0_X87))
		return false;
	if ((xcr0 & XCR0_AVX) && !(xcr0 & XCR0_SSE))
		return false;
	if (!(xcr0 & XCR0_AVX512))
		return true;
	return (xcr0 & XCR0_AVX512) == XCR0_AVX512 && (xcr0 & XCR0_AVX);
}

int fpu_set_xcr0(struct nestor_vcpu *vcpu, u64 xcr0)
{
	struct vcpu_fpu *fpu = &vcpu->fpu;

	if (xcr0 & ~cpuid_guest_xcr0(vcpu) & ~XCR0_X87)
		return -EINVAL;
	if (!xcr0_valid(xcr0))
		return -EINVAL;
	if (fpu->loaded && host_xcr0 && xcr0 != fpu->xcr0)
		write_xcr0(xcr0);
	fpu->xcr0 = xcr0;
	return 0;
}
