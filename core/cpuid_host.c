// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_SUPPORTED_CPUID: the host's CPUID cut down by tables.
 *
 * A bit is offered when the host has it and the feature either needs nothing
 * from a hypervisor or has what it needs here; a few are added that the module
 * provides itself.  Where Linux turned a feature off on this host (a command
 * line, an erratum), its own feature word takes the bit away too.
 */
#include <linux/slab.h>

#include <asm/cpufeature.h>
#include <asm/kvm_para.h>

#include "core/cpuid.h"
#include "core/fpu.h"
#include "core/hw_ops.h"
#include "core/nested_ops.h"
#include "core/vcpu.h"

#define MAX_BASIC	0xd
#define MAX_EXTENDED	0x80000021u

enum reg { EAX, EBX, ECX, EDX };

#define NO_WORD	0xff

/**
 * struct feature_mask - bits of one register that may be offered
 * @fn: leaf
 * @index: subleaf
 * @reg: which register
 * @word: Linux's feature word of the same register, NO_WORD when it has none
 * @host: bits offered if the host has them
 * @own: bits the module provides whatever the host has
 */
struct feature_mask {
	u32 fn;
	u8 index, reg, word;
	u32 host, own;
};

#define B(n)	(1u << (n))

static const struct feature_mask masks[] = {
	/*
	 * SSE3 PCLMUL SSSE3 FMA CX16 PCID SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE
	 * AVX F16C RDRAND.  Not MONITOR (intercepted), PDCM (no PMU); VMX is the
	 * frontend's to say; OSXSAVE follows CR4; TSC-deadline is told by a capability.
	 */
	{ 1, 0, ECX, CPUID_1_ECX,
	  B(0) | B(1) | B(9) | B(12) | B(13) | B(17) | B(19) | B(20) | B(22) | B(23) | B(25) |
	  B(26) | B(28) | B(29) | B(30), B(21) },
	/* All but PSN, DS, ACPI thermal control, SS, HTT (topology is the VMM's), TM, PBE. */
	{ 1, 0, EDX, NO_WORD,
	  B(0) | B(1) | B(2) | B(3) | B(4) | B(5) | B(6) | B(7) | B(8) | B(9) | B(11) | B(12) |
	  B(13) | B(14) | B(15) | B(16) | B(17) | B(19) | B(23) | B(24) | B(25) | B(26), 0 },
	/* Not TSX, MPX, SGX, PQM/PQE, PT; TSC_ADJUST is emulated. */
	{ 7, 0, EBX, CPUID_7_0_EBX,
	  B(0) | B(3) | B(5) | B(7) | B(8) | B(9) | B(10) | B(16) | B(17) | B(18) | B(19) |
	  B(20) | B(21) | B(23) | B(24) | B(26) | B(27) | B(28) | B(29) | B(30) | B(31), B(1) },
	/*
	 * AVX512_VBMI UMIP VBMI2 GFNI VAES VPCLMUL VNNI BITALG VPOPCNTDQ RDPID
	 * CLDEMOTE MOVDIRI MOVDIR64B.  Not PKU, CET, WAITPKG, LA57 (second-level
	 * tables and canonical checks are made for 48 bits), SGX_LC.
	 */
	{ 7, 0, ECX, CPUID_7_ECX,
	  B(1) | B(2) | B(6) | B(8) | B(9) | B(10) | B(11) | B(12) | B(14) | B(22) | B(25) |
	  B(27) | B(28), 0 },
	/*
	 * 4VNNIW 4FMAPS FSRM VP2INTERSECT MD_CLEAR SERIALIZE SPEC_CTRL STIBP SSBD;
	 * not AMX, ARCH_CAPABILITIES (nothing to tell L1 yet), FLUSH_L1D.
	 */
	{ 7, 0, EDX, CPUID_7_EDX,
	  B(2) | B(3) | B(4) | B(8) | B(10) | B(14) | B(26) | B(27) | B(31), 0 },
	/* AVX_VNNI AVX512_BF16 FZRM FSRS FSRC */
	{ 7, 1, EAX, NO_WORD, B(4) | B(5) | B(10) | B(11) | B(12), 0 },
	/* XSAVEOPT XSAVEC XGETBV1 XSAVES; not XFD. */
	{ 0xd, 1, EAX, CPUID_D_1_EAX, B(0) | B(1) | B(2) | B(3), 0 },
	/*
	 * LAHF CMP_LEGACY CR8_LEGACY ABM SSE4A MISALIGNSSE PREFETCHW OSVW XOP FMA4
	 * TBM TOPOEXT.  Not EXTAPIC, IBS, SKINIT, WDT, LWP, performance counters.
	 * SVM is the frontend's to say.
	 */
	{ 0x80000001, 0, ECX, CPUID_8000_0001_ECX,
	  B(0) | B(1) | B(4) | B(5) | B(6) | B(7) | B(8) | B(9) | B(11) | B(16) | B(21) | B(22),
	  0 },
	/* As leaf 1 plus SYSCALL NX MMXEXT FXSR_OPT 1G RDTSCP LM 3DNOW. */
	{ 0x80000001, 0, EDX, NO_WORD,
	  B(0) | B(1) | B(2) | B(3) | B(4) | B(5) | B(6) | B(7) | B(8) | B(9) | B(11) | B(12) |
	  B(13) | B(14) | B(15) | B(16) | B(17) | B(20) | B(22) | B(23) | B(24) | B(25) |
	  B(26) | B(27) | B(29) | B(30) | B(31), 0 },
	/* Invariant TSC */
	{ 0x80000007, 0, EDX, NO_WORD, B(8), 0 },
	/*
	 * CLZERO XSAVEERPTR WBNOINVD IBPB IBRS STIBP IBRS_ALWAYS STIBP_ALWAYS
	 * SSBD SSB_NO PSFD.  Not RDPRU, VIRT_SSBD (its MSR is not emulated).
	 */
	{ 0x80000008, 0, EBX, NO_WORD,
	  B(0) | B(2) | B(9) | B(12) | B(14) | B(15) | B(16) | B(17) | B(24) | B(26) | B(28), 0 },
	/* LFENCE serialises, null selector clears base */
	{ 0x80000021, 0, EAX, NO_WORD, B(2) | B(6), 0 },
};

static void apply_masks(struct kvm_cpuid_entry2 *e)
{
	u32 *regs[] = { &e->eax, &e->ebx, &e->ecx, &e->edx };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(masks); i++) {
		const struct feature_mask *m = &masks[i];
		u32 *r = regs[m->reg];

		if (m->fn != e->function || m->index != e->index)
			continue;
		*r &= m->host;
		if (m->word != NO_WORD)
			*r &= boot_cpu_data.x86_capability[m->word];
		*r |= m->own;
	}
}

static void clear_entry(struct kvm_cpuid_entry2 *e)
{
	e->eax = 0;
	e->ebx = 0;
	e->ecx = 0;
	e->edx = 0;
}

/* Speculation controls are offered when the backend can switch their MSRs. */
static void fix_speculation(struct kvm_cpuid_entry2 *e)
{
	if (e->function == 7 && e->index == 0 && !hw_caps.spec_ctrl)
		e->edx &= ~(B(26) | B(27) | B(31));
	if (e->function != 0x80000008)
		return;
	if (!hw_caps.spec_ctrl)
		e->ebx &= ~(B(14) | B(15) | B(16) | B(17) | B(24) | B(28));
	if (!boot_cpu_has(X86_FEATURE_IBPB))
		e->ebx &= ~B(12);
}

static void fix_xsave(struct kvm_cpuid_entry2 *e)
{
	u64 xcr0 = fpu_supported_xcr0();

	if (!xcr0) {
		clear_entry(e);
		return;
	}
	switch (e->index) {
	case 0:
		e->eax = (u32)xcr0;
		e->edx = xcr0 >> 32;
		/* The size for what XCR0 has now; cpuid_dynamic() makes it follow. */
		e->ebx = cpuid_xsave_size(xcr0, false);
		e->ecx = e->ebx;
		break;
	case 1:
		if (!cpuid_host_xsaves())
			e->eax &= ~B(3);
		e->ebx = e->eax & (B(1) | B(3)) ? cpuid_xsave_size(xcr0, true) : 0;
		/* IA32_XSS has no bits: no supervisor state components. */
		e->ecx = 0;
		e->edx = 0;
		break;
	default:
		/* Offset and size of a component; bit 0 of ECX would mean supervisor. */
		e->ecx &= B(1);
		e->edx = 0;
		break;
	}
}

static void fix_leaf7(struct kvm_cpuid_entry2 *e)
{
	if (e->index == 0) {
		e->eax = min(e->eax, 1u);
		/* AVX512 needs its states. */
		if (!(fpu_supported_xcr0() & BIT_ULL(5)))
			e->ebx &= ~(B(16) | B(17) | B(21) | B(26) | B(27) | B(28) | B(30) | B(31));
		if (!(fpu_supported_xcr0() & BIT_ULL(2)))
			e->ebx &= ~B(5);
		if (!boot_cpu_has(X86_FEATURE_RDTSCP))
			e->ecx &= ~B(22);
		return;
	}
	e->ebx = 0;
	e->ecx = 0;
	e->edx = 0;
}

static void fix_leaf1(struct kvm_cpuid_entry2 *e)
{
	/* Topology and APIC id are the VMM's. */
	e->ebx &= 0x0000ff00;
	nested->cpuid(e);
	if (!fpu_supported_xcr0())
		e->ecx &= ~(B(26) | B(28) | B(29) | B(12));
	else if (!(fpu_supported_xcr0() & BIT_ULL(2)))
		e->ecx &= ~(B(28) | B(29) | B(12));
}

/* What no mask table can say, leaf by leaf; leaves not named are zero. */
static void fix(struct kvm_cpuid_entry2 *e)
{
	switch (e->function) {
	case 0:
		e->eax = min_t(u32, e->eax, MAX_BASIC);
		break;
	case 1:
		fix_leaf1(e);
		break;
	case 2:
	case 4:
	case 0x80000002 ... 0x80000006:
	case 0x80000019 ... 0x8000001a:
	case 0x8000001d:
		break;	/* brand string, caches, TLBs: as the host says */
	case 6:
		clear_entry(e);
		e->eax = B(2);	/* APIC timer never stops */
		break;
	case 7:
		fix_leaf7(e);
		break;
	case 0xd:
		fix_xsave(e);
		break;
	case 0x80000000:
		e->eax = clamp_t(u32, e->eax, 0x80000008, MAX_EXTENDED);
		break;
	case 0x80000001:
		e->ebx &= 0xf0000000;
		if (!(fpu_supported_xcr0() & BIT_ULL(2)))
			e->ecx &= ~(B(11) | B(16));
		nested->cpuid(e);
		break;
	case 0x80000007:
		e->eax = 0;
		e->ebx = 0;
		e->ecx = 0;
		break;
	case 0x80000008:
		/* 48 bits of virtual address, the host's physical width. */
		e->eax = (e->eax & 0xff) | 48 << 8;
		e->ecx = 0;
		e->edx = 0;
		break;
	case 0x8000000a:
		clear_entry(e);
		nested->cpuid(e);
		break;
	case 0x8000001e:
		clear_entry(e);	/* topology is the VMM's */
		break;
	case 0x80000021:
		e->ebx = 0;
		e->ecx = 0;
		e->edx = 0;
		break;
	default:
		clear_entry(e);
		break;
	}
	fix_speculation(e);
}

struct builder {
	struct kvm_cpuid_entry2 *e;
	u32 nr, room;
};

static struct kvm_cpuid_entry2 *new_entry(struct builder *b, u32 fn)
{
	struct kvm_cpuid_entry2 *e;

	if (b->nr == b->room)
		return NULL;
	e = &b->e[b->nr++];
	memset(e, 0, sizeof(*e));
	e->function = fn;
	return e;
}

static struct kvm_cpuid_entry2 *add(struct builder *b, u32 fn, u32 index, bool indexed)
{
	struct kvm_cpuid_entry2 *e = new_entry(b, fn);

	if (!e)
		return NULL;
	e->index = index;
	e->flags = indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
	cpuid_count(fn, index, &e->eax, &e->ebx, &e->ecx, &e->edx);
	apply_masks(e);
	fix(e);
	return e;
}

/* Cache leaves: subleaves up to the first of type 0. */
static int add_caches(struct builder *b, u32 fn)
{
	const struct kvm_cpuid_entry2 *e;
	u32 i = 0;

	do {
		e = add(b, fn, i++, true);
		if (!e)
			return -E2BIG;
	} while ((e->eax & 0x1f) && i < 32);
	return 0;
}

static int add_xsave(struct builder *b)
{
	u64 xcr0 = fpu_supported_xcr0();
	u32 i;

	if (!add(b, 0xd, 0, true))
		return -E2BIG;
	if (!xcr0)
		return 0;
	if (!add(b, 0xd, 1, true))
		return -E2BIG;
	for (i = 2; i < 63; i++)
		if ((xcr0 & BIT_ULL(i)) && !add(b, 0xd, i, true))
			return -E2BIG;
	return 0;
}

static int add_leaf(struct builder *b, u32 fn)
{
	const struct kvm_cpuid_entry2 *e;

	switch (fn) {
	case 4:
	case 0x8000001d:
		return add_caches(b, fn);
	case 0xb:
		e = add(b, fn, 0, true);
		return e ? 0 : -E2BIG;
	case 0xd:
		return add_xsave(b);
	case 7:
		e = add(b, fn, 0, true);
		if (!e)
			return -E2BIG;
		return e->eax && !add(b, fn, 1, true) ? -E2BIG : 0;
	default:
		return add(b, fn, 0, false) ? 0 : -E2BIG;
	}
}

static int add_leaves(struct builder *b, u32 first, u32 cap)
{
	u32 fn, last;
	int ret;

	ret = add_leaf(b, first);
	if (ret)
		return ret;
	last = min(b->e[b->nr - 1].eax, cap);
	for (fn = first + 1; fn <= last; fn++) {
		ret = add_leaf(b, fn);
		if (ret)
			return ret;
	}
	return 0;
}

/* The leaves by which Linux finds kvmclock; only what is provided is named. */
static int add_paravirt(struct builder *b)
{
	struct kvm_cpuid_entry2 *e = new_entry(b, KVM_CPUID_SIGNATURE);

	if (!e)
		return -E2BIG;
	e->eax = KVM_CPUID_FEATURES;
	e->ebx = 0x4b4d564b;
	e->ecx = 0x564b4d56;
	e->edx = 0x4d;
	e = new_entry(b, KVM_CPUID_FEATURES);
	if (!e)
		return -E2BIG;
	e->eax = B(KVM_FEATURE_CLOCKSOURCE) | B(KVM_FEATURE_CLOCKSOURCE2) |
		 B(KVM_FEATURE_NOP_IO_DELAY) | B(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT) |
		 B(KVM_FEATURE_PV_EOI);
	return 0;
}

int cpuid_supported(struct kvm_cpuid_entry2 *entries, u32 *nr)
{
	struct builder b = { .e = entries, .room = *nr };
	int ret;

	ret = add_leaves(&b, 0, MAX_BASIC);
	if (!ret)
		ret = add_leaves(&b, 0x80000000, MAX_EXTENDED);
	if (!ret)
		ret = add_paravirt(&b);
	*nr = b.nr;
	return ret;
}
