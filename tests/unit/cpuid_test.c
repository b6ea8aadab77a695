// SPDX-License-Identifier: GPL-2.0-only
/*
 * XSAVES as CPUID offers it, what a VM gets of it, and what of the host's extended state the CPU
 * holds while a guest's is loaded (SDM vol. 1, "Managing State Using the XSAVE Feature Set").
 */
#include "cpu_shim.h"
#include "core/cpuid.h"
#include "core/fpu.h"
#include "core/hw_ops.h"
#include "core/nested_ops.h"
#include "tap.h"

struct shim_host host;
struct shim_cpu boot_cpu_data;
struct hw_caps hw_caps;

static void no_cpuid(struct kvm_cpuid_entry2 *e)
{
}

static const struct nested_ops ops = { .cpuid = no_cpuid };
const struct nested_ops *nested = &ops;

void hw_fetch(struct guest_run *run, u32 groups)
{
	run->avail |= groups;
}

void cpuid_count(u32 fn, u32 index, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx)
{
	static const struct shim_leaf none;
	const struct shim_leaf *l = &none;
	unsigned int i;

	for (i = ARRAY_SIZE(host.leaf); i--;)
		if (host.leaf[i].fn == fn && host.leaf[i].index == index)
			l = &host.leaf[i];
	*eax = l->eax;
	*ebx = l->ebx;
	*ecx = l->ecx;
	*edx = l->edx;
}

void shim_did(char what, u64 mask)
{
	size_t n = strlen(host.did);

	host.mask[n] = mask;
	host.did[n] = what;
}

#define XCR0_HOST	0x2e7ull	/* x87, SSE, AVX, AVX-512, PKRU */
#define HOST_XSS	0x1900ull	/* processor trace, CET of the kernel and of programs */

/* AVX-512's first component stands on a boundary of 64 bytes only because it says so. */
static const struct shim_leaf leaves[] = {
	{ 0, 0, 0xd, 0x756e6547, 0x6c65746e, 0x49656e69 },
	{ 1, 0, 0, 0, 1u << 26 | 1u << 28, 0 },
	{ 0xd, 0, 0x2e7, 2696, 2696, 0 },
	{ 0xd, 1, 0x1f, 2696, HOST_XSS, 0 },
	{ 0xd, 2, 256 + 8, 576, 0, 0 },
	{ 0xd, 5, 64, 1088, 2, 0 },
	{ 0xd, 6, 512, 1152, 0, 0 },
	{ 0xd, 7, 1024, 1664, 0, 0 },
	{ 0xd, 9, 8, 2688, 0, 0 },
	{ 0xd, 11, 16, 0, 1, 0 },
	{ 0x80000000, 0, 0x80000008, 0, 0, 0 },
};

static void machine(u64 xss)
{
	memset(&host, 0, sizeof(host));
	memset(&boot_cpu_data, 0, sizeof(boot_cpu_data));
	memcpy(host.leaf, leaves, sizeof(leaves));
	host.xcr0 = XCR0_HOST;
	host.xss = xss;
	boot_cpu_data.x86_capability[CPUID_1_ECX] = 1u << 26 | 1u << 28;
	boot_cpu_data.x86_capability[CPUID_D_1_EAX] = 0x1f;
	hw_caps = (struct hw_caps){ .xsaves = true };
	fpu_setup();
	memset(host.did, 0, sizeof(host.did));
}

static struct kvm_cpuid_entry2 table[128];
static u32 nr;

static struct kvm_cpuid_entry2 *row(u32 fn, u32 index)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (table[i].function == fn && table[i].index == index)
			return &table[i];
	return NULL;
}

static struct kvm_cpuid_entry2 offer(u32 index)
{
	static const struct kvm_cpuid_entry2 none;
	const struct kvm_cpuid_entry2 *e;

	nr = ARRAY_SIZE(table);
	tap_ok(!cpuid_supported(table, &nr), "what is supported fits");
	e = row(0xd, index);
	return e ? *e : none;
}

static void offered(void)
{
	struct kvm_cpuid_entry2 e;

	machine(HOST_XSS);
	e = offer(1);
	tap_ok(e.eax == 0xf, "XSAVEOPT, XSAVEC, XGETBV1 and XSAVES, not XFD (%x)", e.eax);
	tap_ok(!e.ecx && !e.edx, "no bit of IA32_XSS");
	/* 576 + 264, to the next 64: 896; + 64 + 512 + 1024 */
	tap_ok(e.ebx == 2496, "compacted size (%u)", e.ebx);
	e = offer(0);
	tap_ok(e.eax == 0xe7 && !e.edx && e.ebx == 2688 && e.ecx == 2688, "standard size (%u)", e.ebx);
	e = offer(11);
	tap_ok(!e.eax && !e.ecx, "no supervisor state component");
	hw_caps.xsaves = false;
	e = offer(1);
	tap_ok(e.eax == 7 && e.ebx == 2496, "the backend cannot: no XSAVES (%x)", e.eax);
	machine(0);
	boot_cpu_data.x86_capability[CPUID_D_1_EAX] &= ~8u;
	tap_ok(offer(1).eax == 7 && !cpuid_host_xsaves(), "Linux turned it off: no XSAVES");
	boot_cpu_data.x86_capability[CPUID_D_1_EAX] = 1;
	e = offer(1);
	tap_ok(e.eax == 1 && !e.ebx, "XSAVEOPT alone has no compacted size");
}

static struct nestor_vcpu *vcpu;
static struct nestor_vm vm;

static void drop(void)
{
	cpuid_free(&vcpu->cpuid);
	free(vcpu);
}

/* A VM with the table as it is, but for leaf 0DH.1's EAX. */
static void make(u32 eax)
{
	struct kvm_cpuid_entry2 *e = calloc(nr, sizeof(*e));

	row(0xd, 1)->eax = eax;
	memcpy(e, table, nr * sizeof(*e));
	vcpu = calloc(1, sizeof(*vcpu));
	vcpu->vm = &vm;
	vcpu->run = &vcpu->l1;
	vcpu->l1.avail = GRP_ALL;
	vcpu->fpu.xcr0 = 1;
	tap_ok(!cpuid_set(vcpu, e, nr), "CPUID is set");
}

static u32 query(u64 xcr0)
{
	u32 eax = 0xd, ebx = 0, ecx = 1, edx = 0;

	vcpu->fpu.xcr0 = xcr0;
	cpuid_query(vcpu, &eax, &ebx, &ecx, &edx);
	tap_ok(!ecx && !edx, "XCR0 %llx: no bit of IA32_XSS", xcr0);
	return ebx;
}

static void granted(void)
{
	machine(HOST_XSS);
	offer(1);
	make(0xf);
	tap_ok(vcpu->cpuid.has_xsaves && !(vcpu->l1.ud_insns & UD_XSAVES), "a VM with XSAVES");
	tap_ok(vcpu->l1.ctl_dirty & CTL_INTERCEPTS, "the backend is told");
	tap_ok(query(1) == 576, "x87: the legacy region and the header");
	tap_ok(query(7) == 840, "AVX");
	tap_ok(query(0xe3) == 576 + 64 + 512 + 1024, "AVX-512 without AVX moves up");
	tap_ok(query(0xe7) == 2496, "AVX-512");
	drop();
	make(7);
	tap_ok(!vcpu->cpuid.has_xsaves && (vcpu->l1.ud_insns & UD_XSAVES), "a VM without XSAVES");
	tap_ok(query(7) == 840, "XSAVEC has the size, too");
	drop();
	row(1, 0)->ecx &= ~(1u << 26);
	make(0xf);
	tap_ok(!vcpu->cpuid.has_xsaves && (vcpu->l1.ud_insns & UD_XSAVES), "XSAVES without XSAVE");
	drop();
	hw_caps.xsaves = false;
	offer(1);
	make(0xf);
	tap_ok(!vcpu->cpuid.has_xsaves, "a VMM that names what it was not offered");
	drop();
}

/* Place of the first @what in the log, which has to be there once. */
static int at(char what)
{
	const char *p = strchr(host.did, what);

	return p && !strchr(p + 1, what) ? p - host.did : -1;
}

static void loaded(void)
{
	struct vcpu_fpu fpu = {};

	machine(HOST_XSS);
	fpu_alloc(&fpu);
	fpu.xcr0 = 3;
	memset(host.did, 0, sizeof(host.did));
	fpu_load(&fpu);
	tap_ok(host.xss == 0 && host.xcr0 == 3, "the guest runs with its own IA32_XSS and XCR0");
	/* The host's own registers are saved with its IA32_XSS: in kernel_fpu_begin(). */
	tap_ok(at('(') == 0 && at('S') > 0, "IA32_XSS after the host's state was saved (%s)", host.did);
	tap_ok(at('r') >= 0 && at('r') < at('0') && host.mask[at('r')] == 0xe7,
	       "the guest's state is loaded with the host's XCR0, its own components only");
	memset(host.did, 0, sizeof(host.did));
	fpu_unload(&fpu);
	tap_ok(host.xss == HOST_XSS && host.xcr0 == XCR0_HOST, "the host has its own again");
	tap_ok(at(')') == (int)strlen(host.did) - 1 && at('S') >= 0, "before it may use them (%s)", host.did);
	tap_ok(at('s') > at('0') && host.mask[at('s')] == 0xe7,
	       "the guest's state is saved with the host's XCR0, its own components only");
	fpu_free(&fpu);

	machine(0);
	fpu_alloc(&fpu);
	memset(host.did, 0, sizeof(host.did));
	fpu_load(&fpu);
	fpu_unload(&fpu);
	tap_ok(!strchr(host.did, 'S'), "a host that uses no IA32_XSS: it is not written (%s)", host.did);
	fpu_free(&fpu);

	/* What RDMSR leaves behind when it faults is nothing. */
	machine(HOST_XSS);
	host.no_xss = true;
	fpu_setup();
	fpu_alloc(&fpu);
	memset(host.did, 0, sizeof(host.did));
	fpu_load(&fpu);
	fpu_unload(&fpu);
	tap_ok(!strchr(host.did, 'S'), "a CPU without IA32_XSS: it is not written");
	fpu_free(&fpu);
}

int main(void)
{
	offered();
	granted();
	loaded();
	return tap_done();
}
