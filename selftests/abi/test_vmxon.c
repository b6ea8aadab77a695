// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way into VMX operation: IA32_FEATURE_CONTROL, which firmware writes once and the VMM at any
 * time, CR0 and CR4, and what VMXON says to each (SDM vol. 3, "Enabling and Entering VMX
 * Operation"; vol. 3, "VMXON").
 */
#include "prot32.h"

#define PAGE_DIR	0x5000
#define REGION		0x6000	/* the VMXON region */
#define POINTER		0x7000	/* the operand: its address */
#define CR0_OK		0x80000031u	/* PG, NE, ET, PE */
#define CR0_NE		0x20u
#define CR4_OK		0x2010u	/* VMXE, PSE */
#define CR4_VMXE	0x2000u
#define MSR_FEATURE_CONTROL 0x3a
#define LOCKED		1u
#define MSR_SMM_MONITOR_CTL 0x9b
#define VMXON_SMX	2u
#define VMXON_ON	4u	/* VMXON outside SMX */
#define SENTER_ON	0xff00u
#define SGX_LC_ON	(1u << 17)
#define SGX_ON		(1u << 18)
#define DONE		0x70	/* OUT to port 0xf0 */
#define GP		13
#define UD		6

/* Each ends with OUT 0xf0 and CF in AL. */
static const uint8_t vmxon[] = { 0xf3, 0x0f, 0xc7, 0x30, 0x0f, 0x92, 0xc0, 0xe6, 0xf0 };
/* vmxon; vmxoff: CF of the latter */
static const uint8_t on_off[] = { 0xf3, 0x0f, 0xc7, 0x30, 0x0f, 0x01, 0xc4, 0x0f, 0x92, 0xc0,
				  0xe6, 0xf0 };
static const uint8_t vmxoff[] = { 0x0f, 0x01, 0xc4, 0x0f, 0x92, 0xc0, 0xe6, 0xf0 };
static const uint8_t vmcall[] = { 0x0f, 0x01, 0xc1, 0xe6, 0xf0 };
static const uint8_t rdmsr[] = { 0x0f, 0x32, 0xe6, 0xf0 };
/* xor edx, edx; wrmsr; out */
static const uint8_t wrmsr[] = { 0x31, 0xd2, 0x0f, 0x30, 0xe6, 0xf0 };

static uint32_t revision;

static int set_msr(struct vm *v, uint32_t index, uint64_t val)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e;
	} m = { .head.nmsrs = 1, .e = { .index = index, .data = val } };

	return ioctl(v->vcpu, KVM_SET_MSRS, &m);
}

static int feature_control(struct vm *v, uint64_t val)
{
	return set_msr(v, MSR_FEATURE_CONTROL, val);
}

static struct vm make(int dev)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e;
	} m = { .head.nmsrs = 1, .e.index = 0x480 };
	struct vm v = make_vm(dev, false);
	uint32_t pde = 0x83;	/* 4M at 0, writable */
	uint64_t region = REGION;

	if (ioctl(v.vcpu, KVM_SET_CPUID2, supported_cpuid(dev)))
		bail("KVM_SET_CPUID2");
	if (ioctl(v.vcpu, KVM_GET_MSRS, &m) != 1)
		bail("IA32_VMX_BASIC");
	revision = m.e.data & 0x7fffffff;
	tables(&v, 0);
	memcpy(v.mem + PAGE_DIR, &pde, sizeof(pde));
	memcpy(v.mem + REGION, &revision, sizeof(revision));
	memcpy(v.mem + POINTER, &region, sizeof(region));
	return v;
}

/* Run @code with paging on; the vector, or DONE */
static int run_cr(struct vm *v, const void *code, size_t len, uint64_t rcx, uint64_t rax, uint32_t cr0,
		  uint32_t cr4)
{
	struct kvm_sregs s;
	int got;

	enter(v, code, len, 0, rcx, rax);
	ioctl(v->vcpu, KVM_GET_SREGS, &s);
	s.cr3 = PAGE_DIR;
	s.cr0 = cr0;
	s.cr4 = cr4;
	if (ioctl(v->vcpu, KVM_SET_SREGS, &s))
		bail("KVM_SET_SREGS");
	got = vector(v);
	finish_io(v);
	return got;
}

#define RUN(v, code, rcx, rax) run_cr(v, code, sizeof(code), rcx, rax, CR0_OK, CR4_OK)

static uint32_t eax(struct vm *v)
{
	struct kvm_regs r;

	ioctl(v->vcpu, KVM_GET_REGS, &r);
	return r.rax;
}

static void is(int got, int want, const char *name)
{
	ok(got == want, name);
	if (got != want)
		printf("# %d, expected %d\n", got, want);
}

/* What firmware may do: write until it is locked, no bit that does not exist. */
static void firmware(int dev)
{
	struct vm v = make(dev);

	is(RUN(&v, rdmsr, MSR_FEATURE_CONTROL, 1), DONE, "IA32_FEATURE_CONTROL is there");
	ok(eax(&v) == 0, "and 0 after reset");
	is(RUN(&v, vmxon, 0, POINTER), GP, "VMXON before it is locked");
	is(RUN(&v, vmcall, 0, 5), DONE, "VMCALL outside VMX operation, of a guest that was promised hypercalls");
	ok(eax(&v) == (uint32_t)-1000, "is an unknown one");
	is(RUN(&v, wrmsr, MSR_FEATURE_CONTROL, VMXON_ON), DONE, "VMXON enabled, not locked");
	is(RUN(&v, vmxon, 0, POINTER), GP, "VMXON before it is locked, with its bit");
	is(RUN(&v, wrmsr, MSR_FEATURE_CONTROL, 1u << 7), GP, "a reserved bit");
	is(RUN(&v, wrmsr, MSR_FEATURE_CONTROL, 2), GP, "VMXON in SMX without SMX");
	is(RUN(&v, wrmsr, MSR_FEATURE_CONTROL, 0), DONE, "unlocked it is free");
	is(RUN(&v, wrmsr, MSR_FEATURE_CONTROL, LOCKED | VMXON_ON), DONE, "locked with VMXON enabled");
	is(RUN(&v, wrmsr, MSR_FEATURE_CONTROL, LOCKED | VMXON_ON), GP, "then not even the same value");
	is(RUN(&v, rdmsr, MSR_FEATURE_CONTROL, 0), DONE, "it reads back");
	ok(eax(&v) == (LOCKED | VMXON_ON), "as it was written");
	is(RUN(&v, on_off, 0, POINTER), DONE, "VMXON and VMXOFF");
	is(RUN(&v, vmxoff, 0, 0), UD, "VMXOFF outside VMX operation");
	drop_vm(&v);

	v = make(dev);
	is(RUN(&v, wrmsr, MSR_FEATURE_CONTROL, LOCKED), DONE, "locked without VMXON");
	is(RUN(&v, vmxon, 0, POINTER), GP, "VMXON that firmware has disabled");
	drop_vm(&v);
}

/* Bits that belong to what this processor has beside VMX. */
static void other_features(int dev)
{
	struct vm v = make(dev);
	struct kvm_cpuid2 *c = supported_cpuid(dev);
	unsigned int i;

	is(RUN(&v, wrmsr, MSR_FEATURE_CONTROL, SGX_ON | SGX_LC_ON), GP, "SGX's bits without SGX");
	is(RUN(&v, wrmsr, MSR_FEATURE_CONTROL, SENTER_ON), GP, "SENTER's bits without SMX");
	drop_vm(&v);
	v = make(dev);
	for (i = 0; i < c->nent; i++) {
		if (c->entries[i].function == 1)
			c->entries[i].ecx |= 1u << 6;
		if (c->entries[i].function == 7 && !c->entries[i].index) {
			c->entries[i].ebx |= 1u << 2;
			c->entries[i].ecx |= 1u << 30;
		}
	}
	if (ioctl(v.vcpu, KVM_SET_CPUID2, c))
		bail("KVM_SET_CPUID2");
	is(RUN(&v, wrmsr, MSR_FEATURE_CONTROL, SGX_ON | SGX_LC_ON), DONE, "SGX's bits with SGX");
	is(RUN(&v, wrmsr, MSR_FEATURE_CONTROL, SENTER_ON | VMXON_SMX), DONE, "SENTER's bits, and VMXON's in SMX");
	drop_vm(&v);
}

/* There is no dual-monitor treatment of SMM. */
static void smm_monitor(int dev)
{
	struct vm v = make(dev);

	is(RUN(&v, rdmsr, MSR_SMM_MONITOR_CTL, 1), DONE, "IA32_SMM_MONITOR_CTL is there");
	ok(eax(&v) == 0, "and 0");
	is(RUN(&v, wrmsr, MSR_SMM_MONITOR_CTL, 0), GP, "it cannot be written outside SMM");
	ok(set_msr(&v, MSR_SMM_MONITOR_CTL, 0) == 1, "the VMM may write what is there");
	ok(set_msr(&v, MSR_SMM_MONITOR_CTL, 1) != 1, "and nothing else");
	drop_vm(&v);
}

static void vmm(int dev)
{
	struct vm v = make(dev);

	ok(feature_control(&v, LOCKED) == 1 && feature_control(&v, LOCKED | VMXON_ON) == 1,
	   "the VMM writes it, locked or not");
	stricter(feature_control(&v, 1ull << 63) ? 0 : (errno = EINVAL, -1), EINVAL, "but no reserved bit");
	is(RUN(&v, vmxon, 0, POINTER), DONE, "VMXON");
	ok(!(eax(&v) & 0xff), "succeeds");
	/* A reset by the VMM, from the middle of VMX operation */
	ok(feature_control(&v, 0) == 1, "the VMM resets it");
	is(RUN(&v, vmxoff, 0, 0), UD, "VMX operation is over");
	is(RUN(&v, vmxon, 0, POINTER), GP, "and cannot be entered");
	drop_vm(&v);
}

static void control_registers(int dev)
{
	struct vm v = make(dev);
	uint64_t high = 1ull << 60, odd = REGION + 8, none = 0x6000;
	uint32_t bad = revision ^ 1;

	feature_control(&v, LOCKED | VMXON_ON);
	is(run_cr(&v, vmxon, sizeof(vmxon), 0, POINTER, CR0_OK & ~CR0_NE, CR4_OK), GP, "CR0.NE clear");
	is(run_cr(&v, vmxon, sizeof(vmxon), 0, POINTER, 0x31, CR4_OK), GP, "CR0.PG clear");
	is(run_cr(&v, vmxon, sizeof(vmxon), 0, POINTER, CR0_OK, CR4_OK & ~CR4_VMXE), UD, "CR4.VMXE clear");
	memcpy(v.mem + POINTER, &odd, 8);
	is(RUN(&v, vmxon, 0, POINTER), DONE, "an unaligned region");
	ok(eax(&v) & 1, "fails with CF");
	memcpy(v.mem + POINTER, &high, 8);
	is(RUN(&v, vmxon, 0, POINTER), DONE, "a region beyond the address width");
	ok(eax(&v) & 1, "fails with CF");
	memcpy(v.mem + POINTER, &none, 8);
	memcpy(v.mem + REGION, &bad, 4);
	is(RUN(&v, vmxon, 0, POINTER), DONE, "a region of another revision");
	ok(eax(&v) & 1, "fails with CF");
	memcpy(v.mem + REGION, &revision, 4);
	is(RUN(&v, on_off, 0, POINTER), DONE, "and with all of it right VMXON succeeds");
	drop_vm(&v);
}

int main(int argc, char **argv)
{
	int dev = start(argc, argv);
	struct kvm_cpuid2 *c = supported_cpuid(dev);
	bool vmx = false;
	unsigned int i;

	for (i = 0; i < c->nent; i++)
		vmx |= c->entries[i].function == 1 && c->entries[i].ecx & 1u << 5;
	if (!vmx) {
		printf("1..0 # SKIP no VMX in the guest's CPUID\n");
		return KSFT_SKIP;
	}
	firmware(dev);
	other_features(dev);
	smm_monitor(dev);
	vmm(dev);
	control_registers(dev);
	return finish();
}
