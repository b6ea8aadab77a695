// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID of one vCPU: what the VMM set, and the answers L1 gets.
 *
 * The VMM's entries are kept as they came.  Bits that follow other state
 * (OSXSAVE, APIC enabled, sizes of the XSAVE area) are put into a copy when an
 * answer is made, from the current run, so L1 and L2 each see their own CR4 and
 * nothing can be stale.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include <asm/cpufeature.h>
#include <asm/kvm_para.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "core/cpuid.h"
#include "core/fpu.h"
#include "core/hw_ops.h"
#include "core/nested_ops.h"
#include "core/vcpu.h"

#define DEFAULT_MAXPHYADDR	36

static __always_inline const struct kvm_cpuid_entry2 *look_up(const struct vcpu_cpuid *c, u32 fn,
							    u32 index)
{
	u32 leaf = fn & 0x7fffffff, i = 0;

	if (likely(leaf < ARRAY_SIZE(c->first[0]))) {
		i = c->first[fn >> 31][leaf];
		if (!i--)
			return NULL;
	}
	for (; i < c->nr; i++) {
		const struct kvm_cpuid_entry2 *e = &c->entries[i];

		if (e->function != fn)
			continue;
		if (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == index)
			return e;
	}
	return NULL;
}

static const struct kvm_cpuid_entry2 *find(const struct vcpu_cpuid *c, u32 fn, u32 index)
{
	return look_up(c, fn, index);
}

const struct kvm_cpuid_entry2 *cpuid_find(const struct nestor_vcpu *vcpu, u32 fn, u32 index)
{
	return find(&vcpu->cpuid, fn, index);
}

u32 cpuid_xsave_size(u64 mask, bool compacted)
{
	u32 size = 512 + 64, i, eax, ebx, ecx, edx;

	for (i = 2; i < 63; i++) {
		if (!(mask & BIT_ULL(i)))
			continue;
		cpuid_count(0xd, i, &eax, &ebx, &ecx, &edx);
		if (!compacted) {
			size = max(size, ebx + eax);
			continue;
		}
		if (ecx & BIT(1))
			size = ALIGN(size, 64);
		size += eax;
	}
	return size;
}

void cpuid_dynamic(struct nestor_vcpu *vcpu, struct kvm_cpuid_entry2 *e)
{
	bool on;

	switch (e->function) {
	case 1:
		run_need(vcpu->run, GRP_CR);
		e->ecx &= ~BIT(27);
		if (vcpu->cpuid.has_xsave && (vcpu->run->cr4 & X86_CR4_OSXSAVE))
			e->ecx |= BIT(27);
		fallthrough;
	case 0x80000001:
		on = vcpu->msr.apic_base & MSR_IA32_APICBASE_ENABLE;
		/* The extended leaf repeats the bit on AMD processors only. */
		if (!on && (e->function == 1 || vcpu->cpuid.amd))
			e->edx &= ~BIT(9);
		break;
	case 0xd:
		if (!vcpu->cpuid.has_xsave)
			break;
		if (e->index == 0)
			e->ebx = cpuid_xsave_size(vcpu->fpu.xcr0, false);
		else if (e->index == 1 && (e->eax & (BIT(1) | BIT(3))))
			e->ebx = cpuid_xsave_size(vcpu->fpu.xcr0 | vcpu->msr.xss, true);
		break;
	}
}

bool cpuid_answer(struct nestor_vcpu *vcpu)
{
	u64 *gpr = vcpu->gpr;
	u32 fn = gpr[REG_RAX];
	const struct kvm_cpuid_entry2 *e;

	/* Those of cpuid_dynamic(). */
	if (fn == 1 || fn == 0x80000001 || fn == 0xd)
		return false;
	e = look_up(&vcpu->cpuid, fn, gpr[REG_RCX]);
	if (unlikely(!e))
		return false;
	gpr[REG_RAX] = e->eax;
	gpr[REG_RBX] = e->ebx;
	gpr[REG_RCX] = e->ecx;
	gpr[REG_RDX] = e->edx;
	return true;
}

/* Highest leaf of the range that @fn is in, 0 if the VMM gave no such range. */
static u32 range_limit(const struct vcpu_cpuid *c, u32 fn)
{
	const struct kvm_cpuid_entry2 *e;
	u32 base;

	if (fn >= 0x40000000 && fn <= 0x4fffffff)
		base = fn & 0xffffff00;
	else if (fn >= 0xc0000000)
		base = 0xc0000000;
	else
		base = fn & 0x80000000;
	e = find(c, base, 0);
	return e ? e->eax : 0;
}

/*
 * A leaf beyond its range: zeros on AMD, the data of the highest basic leaf on
 * Intel (SDM "CPUID - CPU Identification").  NULL means zeros.
 */
static const struct kvm_cpuid_entry2 *out_of_range(const struct vcpu_cpuid *c, u32 fn, u32 index)
{
	const struct kvm_cpuid_entry2 *basic = find(c, 0, 0);

	if (c->amd || !basic || (fn >= 0x40000000 && fn <= 0x4fffffff))
		return NULL;
	if (range_limit(c, fn) >= fn)
		return NULL;	/* in range, just not filled in */
	return find(c, basic->eax, index);
}

void cpuid_query(struct nestor_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx)
{
	const struct vcpu_cpuid *c = &vcpu->cpuid;
	const struct kvm_cpuid_entry2 *e;
	struct kvm_cpuid_entry2 copy;
	u32 fn = *eax, index = *ecx;

	e = find(c, fn, index);
	if (!e)
		e = out_of_range(c, fn, index);
	if (e) {
		copy = *e;
		cpuid_dynamic(vcpu, &copy);
		*eax = copy.eax;
		*ebx = copy.ebx;
		*ecx = copy.ecx;
		*edx = copy.edx;
		return;
	}
	*eax = 0;
	*ebx = 0;
	*ecx = 0;
	*edx = 0;
	/* Topology levels beyond the last still name the level and the x2APIC id. */
	if (fn == 0xb || fn == 0x1f) {
		e = find(c, fn, 1);
		if (e) {
			*ecx = index & 0xff;
			*edx = e->edx;
		}
	}
}

bool cpuid_host_xsaves(void)
{
	return fpu_supported_xcr0() && hw_caps.xsaves && boot_cpu_has(X86_FEATURE_XSAVES);
}

u64 cpuid_host_cr4(void)
{
	u64 ok = X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE |
		 X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE |
		 X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;

	if (fpu_supported_xcr0())
		ok |= X86_CR4_OSXSAVE;
	if (boot_cpu_has(X86_FEATURE_UMIP))
		ok |= X86_CR4_UMIP;
	if (boot_cpu_has(X86_FEATURE_FSGSBASE))
		ok |= X86_CR4_FSGSBASE;
	if (boot_cpu_has(X86_FEATURE_PCID))
		ok |= X86_CR4_PCIDE;
	if (boot_cpu_has(X86_FEATURE_SMEP))
		ok |= X86_CR4_SMEP;
	if (boot_cpu_has(X86_FEATURE_SMAP))
		ok |= X86_CR4_SMAP;
	return ok;
}

static bool bit(const struct kvm_cpuid_entry2 *e, u32 reg, unsigned int n)
{
	return e && (reg & BIT(n));
}

#define HAS(e, reg, n)	bit(e, (e) ? (e)->reg : 0, n)

static void compute_cr4(struct vcpu_cpuid *c)
{
	const struct kvm_cpuid_entry2 *l1 = find(c, 1, 0), *l7 = find(c, 7, 0);
	u64 ok = cpuid_host_cr4();

	if (!HAS(l1, ecx, 17))
		ok &= ~X86_CR4_PCIDE;
	if (!c->has_xsave)
		ok &= ~X86_CR4_OSXSAVE;
	if (!HAS(l7, ebx, 0))
		ok &= ~X86_CR4_FSGSBASE;
	if (!HAS(l7, ebx, 7))
		ok &= ~X86_CR4_SMEP;
	if (!HAS(l7, ebx, 20))
		ok &= ~X86_CR4_SMAP;
	if (!HAS(l7, ecx, 2))
		ok &= ~X86_CR4_UMIP;
	if (c->has_vmx)
		ok |= X86_CR4_VMXE;
	c->cr4_reserved = ~ok;
}

static void compute_efer(struct vcpu_cpuid *c)
{
	const struct kvm_cpuid_entry2 *x1 = find(c, 0x80000001, 0);
	u64 ok = EFER_SCE;

	if (c->has_lm)
		ok |= EFER_LME | EFER_LMA;
	if (c->has_nx)
		ok |= EFER_NX;
	if (c->has_svm)
		ok |= EFER_SVME;
	if (HAS(x1, edx, 25) && boot_cpu_has(X86_FEATURE_FXSR_OPT))
		ok |= EFER_FFXSR;
	c->efer_reserved = ~ok;
}

static bool is_amd(const struct kvm_cpuid_entry2 *e)
{
	if (!e)
		return boot_cpu_data.x86_vendor == X86_VENDOR_AMD ||
		       boot_cpu_data.x86_vendor == X86_VENDOR_HYGON;
	/* "AuthenticAMD", "HygonGenuine" */
	return (e->ebx == 0x68747541 && e->edx == 0x69746e65 && e->ecx == 0x444d4163) ||
	       (e->ebx == 0x6f677948 && e->edx == 0x6e65476e && e->ecx == 0x656e6975);
}

/* KVM's features, EAX.  Its leaf may stand behind other hypervisors' (Hyper-V's) leaves. */
static u32 paravirt_features(const struct vcpu_cpuid *c)
{
	const struct kvm_cpuid_entry2 *e;
	u32 base;

	for (base = 0x40000000; base < 0x40001000; base += 0x100) {
		e = find(c, base, 0);
		if (!e || e->ebx != 0x4b4d564b || e->ecx != 0x564b4d56 || e->edx != 0x4d)
			continue;
		e = find(c, base + 1, 0);
		return e ? e->eax : 0;
	}
	return 0;
}

static void compute(struct vcpu_cpuid *c, enum nested_ext ext)
{
	const struct kvm_cpuid_entry2 *l1 = find(c, 1, 0), *l7 = find(c, 7, 0);
	const struct kvm_cpuid_entry2 *x1 = find(c, 0x80000001, 0);
	const struct kvm_cpuid_entry2 *x8 = find(c, 0x80000008, 0);
	const struct kvm_cpuid_entry2 *xd1 = find(c, 0xd, 1);
	u32 paravirt = paravirt_features(c);

	c->amd = is_amd(find(c, 0, 0));
	c->maxphyaddr = x8 ? x8->eax & 0xff : DEFAULT_MAXPHYADDR;
	/* Beyond 52 there are no address bits in any page table. */
	c->maxphyaddr = clamp_t(u8, c->maxphyaddr, 32, 52);
	c->rsvd_gpa_bits = GENMASK_ULL(63, c->maxphyaddr);
	c->has_svm = ext == NESTED_EXT_SVM && HAS(x1, ecx, 2);
	c->has_vmx = ext == NESTED_EXT_VMX && HAS(l1, ecx, 5);
	c->has_x2apic = HAS(l1, ecx, 21);
	c->has_tsc_deadline = HAS(l1, ecx, 24);
	c->has_pcid = HAS(l1, ecx, 17);
	c->has_xsave = HAS(l1, ecx, 26) && fpu_supported_xcr0();
	c->has_xsaves = c->has_xsave && HAS(xd1, eax, 3) && cpuid_host_xsaves();
	c->has_rdtscp = (HAS(x1, edx, 27) || HAS(l7, ecx, 22)) &&
			boot_cpu_has(X86_FEATURE_RDTSCP);
	c->has_nx = HAS(x1, edx, 20) && boot_cpu_has(X86_FEATURE_NX);
	c->has_1g = HAS(x1, edx, 26) && boot_cpu_has(X86_FEATURE_GBPAGES);
	c->has_lm = HAS(x1, edx, 29);
	c->has_spec_ctrl = hw_caps.spec_ctrl &&
			   (HAS(l7, edx, 26) || HAS(l7, edx, 27) || HAS(l7, edx, 31) ||
			    (x8 && (x8->ebx & (BIT(14) | BIT(15) | BIT(24)))));
	c->has_pvclock = paravirt & (BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_CLOCKSOURCE2));
	c->has_pv_eoi = paravirt & BIT(KVM_FEATURE_PV_EOI);
	compute_cr4(c);
	compute_efer(c);
	if (!c->nr) {
		/* Nothing was said yet: let the VMM set what the host can do. */
		c->cr4_reserved = ~cpuid_host_cr4();
		c->efer_reserved = ~(u64)(EFER_SCE | EFER_LME | EFER_LMA | EFER_NX);
	}
}

static void note_first(struct vcpu_cpuid *c)
{
	u32 i, leaf;

	memset(c->first, 0, sizeof(c->first));
	for (i = c->nr; i--;) {
		leaf = c->entries[i].function & 0x7fffffff;
		if (leaf < ARRAY_SIZE(c->first[0]))
			c->first[c->entries[i].function >> 31][leaf] = i + 1;
	}
}

static int check_entries(const struct kvm_cpuid_entry2 *e, u32 nr)
{
	u32 i, virt;

	for (i = 0; i < nr; i++) {
		if (e[i].function != 0x80000008)
			continue;
		/* Canonical checks know 48 bits only: 57 would need LA57. */
		virt = (e[i].eax >> 8) & 0xff;
		if (virt && virt != 48)
			return -EINVAL;
	}
	return 0;
}

/* Bits that follow the guest's state (OSXSAVE, ...) do not tell two tables apart. */
static bool same_entries(struct nestor_vcpu *vcpu, const struct kvm_cpuid_entry2 *e, u32 nr)
{
	const struct vcpu_cpuid *c = &vcpu->cpuid;
	u32 i;

	if (c->nr != nr)
		return false;
	for (i = 0; i < nr; i++) {
		struct kvm_cpuid_entry2 o = c->entries[i], n = e[i];

		cpuid_dynamic(vcpu, &o);
		cpuid_dynamic(vcpu, &n);
		if (o.function != n.function || o.index != n.index || o.flags != n.flags ||
		    o.eax != n.eax || o.ebx != n.ebx || o.ecx != n.ecx || o.edx != n.edx)
			return false;
	}
	return true;
}

/* What CPUID hides is #UD where the processor can be told to make it so. */
static void refuse_hidden(struct nestor_vcpu *vcpu)
{
	const struct vcpu_cpuid *c = &vcpu->cpuid;
	const struct kvm_cpuid_entry2 *l7 = find(c, 7, 0);
	struct guest_run *run = &vcpu->l1;

	run->ud_insns = (c->has_rdtscp ? 0 : UD_RDTSCP) | (HAS(l7, ebx, 10) ? 0 : UD_INVPCID) |
			(c->has_xsaves ? 0 : UD_XSAVES);
	run->ctl_dirty |= CTL_INTERCEPTS;
}

int cpuid_set(struct nestor_vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 nr)
{
	struct vcpu_cpuid *c = &vcpu->cpuid;
	int ret;

	if (nr > NESTOR_MAX_CPUID_ENTRIES)
		return -E2BIG;
	ret = check_entries(entries, nr);
	if (ret)
		return ret;
	/* A running L1 has made decisions on what it saw. */
	if (vcpu->has_run && !same_entries(vcpu, entries, nr))
		return -EINVAL;
	cpuid_free(c);
	c->entries = entries;
	c->nr = nr;
	note_first(c);
	compute(c, vcpu->vm->nested ? nested->ext : NESTED_EXT_NONE);
	refuse_hidden(vcpu);
	return 0;
}

void cpuid_free(struct vcpu_cpuid *c)
{
	kvfree(c->entries);
	c->entries = NULL;
	c->nr = 0;
	memset(c->first, 0, sizeof(c->first));
}

u64 cpuid_guest_xcr0(const struct nestor_vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(vcpu, 0xd, 0);

	if (!e)
		return 0;
	return (e->eax | (u64)e->edx << 32) & fpu_supported_xcr0();
}
