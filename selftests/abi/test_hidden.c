// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM whose CPUID hides SVM and VMX, be it by the VMM's choice or because the module was
 * loaded with nested=0: every instruction of either is #UD at CPL 0 and at CPL 3, EFER.SVME,
 * CR4.VMXE and the extensions' MSRs are #GP, and the VMM cannot set those bits.
 * RDTSCP and INVPCID, hidden, are #UD where the CPU lets a hypervisor have it so; AMD-V does not for
 * RDTSCP, which has no TSC_AUX of the host's to tell then.
 */
#include "prot32.h"

#define EFER_SVME	(1u << 12)
#define CR4_VMXE	(1u << 13)
#define CR4_SMXE	(1u << 14)
#define OPERAND		0x6000

/* Memory operands are at [eax]. */
static const struct { const char *name; uint8_t len, code[8]; } insns[] = {
	{ "VMRUN", 3, { 0x0f, 0x01, 0xd8 } }, { "VMLOAD", 3, { 0x0f, 0x01, 0xda } },
	{ "VMSAVE", 3, { 0x0f, 0x01, 0xdb } }, { "STGI", 3, { 0x0f, 0x01, 0xdc } },
	{ "CLGI", 3, { 0x0f, 0x01, 0xdd } }, { "SKINIT", 3, { 0x0f, 0x01, 0xde } },
	{ "INVLPGA", 3, { 0x0f, 0x01, 0xdf } },
	{ "VMXON", 4, { 0xf3, 0x0f, 0xc7, 0x30 } }, { "VMXOFF", 3, { 0x0f, 0x01, 0xc4 } },
	{ "VMCLEAR", 4, { 0x66, 0x0f, 0xc7, 0x30 } }, { "VMPTRLD", 3, { 0x0f, 0xc7, 0x30 } },
	{ "VMPTRST", 3, { 0x0f, 0xc7, 0x38 } }, { "VMREAD", 3, { 0x0f, 0x78, 0xc8 } },
	{ "VMWRITE", 3, { 0x0f, 0x79, 0xc8 } }, { "VMLAUNCH", 3, { 0x0f, 0x01, 0xc2 } },
	{ "VMRESUME", 3, { 0x0f, 0x01, 0xc3 } }, { "VMFUNC", 3, { 0x0f, 0x01, 0xd4 } },
	{ "INVEPT", 5, { 0x66, 0x0f, 0x38, 0x80, 0x08 } },
	{ "INVVPID", 5, { 0x66, 0x0f, 0x38, 0x81, 0x08 } },
};

static const uint8_t rdmsr[] = { 0x0f, 0x32 }, wrmsr[] = { 0x0f, 0x30 };
static const uint8_t mov_cr4[] = { 0x0f, 0x22, 0xe0 };	/* mov cr4, eax */

static void faults(struct vm *v, const void *code, size_t len, uint64_t rcx, uint64_t rax,
		   const char *name)
{
	int got;

	enter(v, code, len, 0, rcx, rax);
	got = vector(v);
	ok(got == 13, name);
	if (got != 13)
		printf("# %d, expected 13\n", got);
	finish_io(v);
}

static void msrs(struct vm *v)
{
	char name[64];
	uint32_t msr;

	faults(v, wrmsr, 2, 0xc0000080, EFER_SVME, "EFER.SVME is #GP");
	faults(v, rdmsr, 2, 0xc0010114, 0, "RDMSR of VM_CR is #GP");
	if (stock && cpu_has("vmx"))
		skip("WRMSR of VM_HSAVE_PA is #GP", "KVM takes it for one that it may ignore");
	else
		faults(v, wrmsr, 2, 0xc0010117, OPERAND, "WRMSR of VM_HSAVE_PA is #GP");
	for (msr = 0x480; msr <= 0x491; msr++) {
		snprintf(name, sizeof(name), "RDMSR of %#x is #GP", msr);
		faults(v, rdmsr, 2, msr, 0, name);
	}
	faults(v, wrmsr, 2, 0x3a, 5, "IA32_FEATURE_CONTROL does not enable VMXON: #GP");
}

static void control_bits(struct vm *v)
{
	struct kvm_sregs s, t;

	faults(v, mov_cr4, 3, 0, CR4_VMXE, "CR4.VMXE is #GP");
	faults(v, mov_cr4, 3, 0, CR4_SMXE, "CR4.SMXE is #GP");
	ioctl(v->vcpu, KVM_GET_SREGS, &s);
	t = s;
	t.cr4 |= CR4_VMXE;
	fails(ioctl(v->vcpu, KVM_SET_SREGS, &t), EINVAL, "the VMM sets CR4.VMXE");
	t = s;
	t.efer |= EFER_SVME;
	stricter(ioctl(v->vcpu, KVM_SET_SREGS, &t), EINVAL, "the VMM sets EFER.SVME");
}

static void others(struct vm *v, int cpl)
{
	/* They end with OUT to port 0xff. */
	static const uint8_t rdtscp[] = { 0x0f, 0x01, 0xf9, 0xe6, 0xff };
	static const uint8_t invpcid[] = { 0x66, 0x0f, 0x38, 0x82, 0x08, 0xe6, 0xff };
	struct kvm_regs r;
	char name[64];
	int got;

	enter(v, rdtscp, sizeof(rdtscp), cpl, ~0ull, OPERAND);
	got = vector(v);
	ioctl(v->vcpu, KVM_GET_REGS, &r);
	snprintf(name, sizeof(name), "RDTSCP at CPL %d is #UD, or tells nothing", cpl);
	ok(got == 6 || (got == 0x7f && !cpu_has("vmx") && !r.rcx), name);
	finish_io(v);
	enter(v, invpcid, sizeof(invpcid), cpl, 0, OPERAND);
	snprintf(name, sizeof(name), "INVPCID at CPL %d is #UD", cpl);
	if (cpu_has("invpcid") && !cpu_has("vmx"))
		skip(name, "an AMD-V CPU may have no intercept for it");
	else
		ok(vector(v) == 6, name);
	finish_io(v);
}

int main(int argc, char **argv)
{
	int dev = start(argc, argv), cpl;
	struct vm v = make_vm(dev, false);
	struct kvm_cpuid2 *c = supported_cpuid(dev);
	unsigned int i;
	char name[64];

	for (i = 0; i < c->nent; i++) {
		if (c->entries[i].function == 7)
			c->entries[i].ebx &= ~(1u << 10);
		if (c->entries[i].function == 0x80000001) {
			c->entries[i].ecx &= ~(1u << 2);
			c->entries[i].edx &= ~(1u << 27);
		}
		if (c->entries[i].function == 1)
			c->entries[i].ecx &= ~(1u << 5);
	}
	if (ioctl(v.vcpu, KVM_SET_CPUID2, c))
		bail("KVM_SET_CPUID2");
	for (cpl = 0; cpl <= 3; cpl += 3)
		for (i = 0; i < sizeof(insns) / sizeof(*insns); i++) {
			tables(&v, cpl);
			enter(&v, insns[i].code, insns[i].len, cpl, 0, OPERAND);
			snprintf(name, sizeof(name), "%s at CPL %d is #UD", insns[i].name, cpl);
			ok(vector(&v) == 6, name);
			finish_io(&v);
		}
	for (cpl = 0; cpl <= 3; cpl += 3) {
		tables(&v, cpl);
		others(&v, cpl);
	}
	tables(&v, 0);
	msrs(&v);
	control_bits(&v);
	drop_vm(&v);
	return finish();
}
