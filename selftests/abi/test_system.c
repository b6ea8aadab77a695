// SPDX-License-Identifier: GPL-2.0-only
/* The device's ioctls, with right and with wrong arguments. */
#include "abi.h"

static void basics(int dev)
{
	ok(ioctl(dev, KVM_GET_API_VERSION, 0) == 12, "API version is 12");
	fails(ioctl(dev, KVM_GET_API_VERSION, 1), EINVAL, "API version with an argument");
	ok(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0) >= (int)(3 * PAGE), "mapping has three pages");
	fails(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 1), EINVAL, "mapping size with an argument");
	fails(ioctl(dev, _IO(KVMIO, 0x3f), 0), stock ? EINVAL : ENOTTY, "unknown ioctl");
	fails(ioctl(dev, KVM_RUN, 0), stock ? EINVAL : ENOTTY, "vCPU ioctl on the device");
	fails(ioctl(dev, KVM_CREATE_VM, 1), EINVAL, "VM of unknown type");
}

static void capabilities(int dev)
{
	static const struct { int cap; const char *name; } must[] = {
		{ KVM_CAP_USER_MEMORY, "USER_MEMORY" },
		{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, "DESTROY_MEMORY_REGION_WORKS" },
		{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, "JOIN_MEMORY_REGIONS_WORKS" },
		{ KVM_CAP_SET_TSS_ADDR, "SET_TSS_ADDR" },
		{ KVM_CAP_EXT_CPUID, "EXT_CPUID" },
		{ KVM_CAP_MP_STATE, "MP_STATE" },
		{ KVM_CAP_IRQCHIP, "IRQCHIP" },
		{ KVM_CAP_SPLIT_IRQCHIP, "SPLIT_IRQCHIP" },
		{ KVM_CAP_IRQFD, "IRQFD" },
		{ KVM_CAP_IOEVENTFD, "IOEVENTFD" },
		{ KVM_CAP_SYNC_MMU, "SYNC_MMU" },
		{ KVM_CAP_XSAVE, "XSAVE" },
		{ KVM_CAP_IMMEDIATE_EXIT, "IMMEDIATE_EXIT" },
		{ KVM_CAP_TSC_DEADLINE_TIMER, "TSC_DEADLINE_TIMER" },
		{ KVM_CAP_READONLY_MEM, "READONLY_MEM" },
	};
	unsigned int i;

	for (i = 0; i < sizeof(must) / sizeof(must[0]); i++)
		ok(ioctl(dev, KVM_CHECK_EXTENSION, must[i].cap) > 0, must[i].name);
	ok(ioctl(dev, KVM_CHECK_EXTENSION, 0x7fffffff) == 0, "unknown capability is 0");
	ok(ioctl(dev, KVM_CHECK_EXTENSION, -1ul) == 0, "capability ~0 is 0");
}

static void cpuid(int dev)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 e[256];
	} c = { };
	unsigned int i, nr;
	bool leaf0 = false, signature = false;

	fails(ioctl(dev, KVM_GET_SUPPORTED_CPUID, &c), E2BIG, "no room for CPUID");
	c.head.nent = 3;
	fails(ioctl(dev, KVM_GET_SUPPORTED_CPUID, &c), E2BIG, "too little room for CPUID");
	c.head.nent = 256;
	works(ioctl(dev, KVM_GET_SUPPORTED_CPUID, &c), "supported CPUID");
	nr = c.head.nent;
	for (i = 0; i < nr; i++) {
		leaf0 |= c.e[i].function == 0;
		signature |= c.e[i].function == 0x40000000 && c.e[i].ebx == 0x4b4d564b;
	}
	ok(leaf0 && signature, "CPUID has leaf 0 and the paravirtual signature");
	c.head.nent = 0xffffffff;
	works(ioctl(dev, KVM_GET_SUPPORTED_CPUID, &c), "a huge count is cut to the limit");
	ok(c.head.nent == nr, "and gives the same");
	fails(ioctl(dev, KVM_GET_SUPPORTED_CPUID, bad_address()), EFAULT, "CPUID at a bad address");
	c.head.nent = 256;
	works(ioctl(dev, KVM_GET_EMULATED_CPUID, &c), "emulated CPUID");
}

static void msr_lists(int dev, unsigned long cmd, const char *name)
{
	struct {
		struct kvm_msr_list head;
		uint32_t index[512];
	} l = { };
	char text[80];
	unsigned int n;

	snprintf(text, sizeof(text), "%s without room", name);
	fails(ioctl(dev, cmd, &l), E2BIG, text);
	n = l.head.nmsrs;
	snprintf(text, sizeof(text), "%s says how many", name);
	ok(n > 0 && n <= 512, text);
	l.head.nmsrs = 512;
	works(ioctl(dev, cmd, &l), name);
	snprintf(text, sizeof(text), "%s at a bad address", name);
	fails(ioctl(dev, cmd, bad_address()), EFAULT, text);
}

static void feature_msrs(int dev)
{
	struct {
		struct kvm_msr_list head;
		uint32_t index[512];
	} l = { .head.nmsrs = 512 };
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e[512];
	} m = { };
	unsigned int i;
	bool good = true;

	if (ioctl(dev, KVM_GET_MSR_FEATURE_INDEX_LIST, &l))
		bail("KVM_GET_MSR_FEATURE_INDEX_LIST");
	for (i = 0; i < l.head.nmsrs; i++) {
		m.head.nmsrs = 1;
		m.e[0].index = l.index[i];
		good &= ioctl(dev, KVM_GET_MSRS, &m) == 1;
	}
	ok(good, "every listed feature MSR can be read");
	m.e[0].index = 0xdeadbeef;
	ok(ioctl(dev, KVM_GET_MSRS, &m) == 0, "an unknown feature MSR ends the list");
	m.head.nmsrs = 100000;
	fails(ioctl(dev, KVM_GET_MSRS, &m), E2BIG, "too many feature MSRs");
}

int main(int argc, char **argv)
{
	int dev = start(argc, argv);
	uint64_t cap;

	basics(dev);
	capabilities(dev);
	cpuid(dev);
	msr_lists(dev, KVM_GET_MSR_INDEX_LIST, "MSR list");
	msr_lists(dev, KVM_GET_MSR_FEATURE_INDEX_LIST, "feature-MSR list");
	feature_msrs(dev);
	works(ioctl(dev, KVM_X86_GET_MCE_CAP_SUPPORTED, &cap), "machine-check features");
	fails(ioctl(dev, KVM_X86_GET_MCE_CAP_SUPPORTED, bad_address()), EFAULT,
	      "machine-check features at a bad address");
	return finish();
}
