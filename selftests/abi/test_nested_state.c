// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_NESTED_STATE and KVM_SET_NESTED_STATE: what is refused, with which errno, and that nothing
 * has changed then.  Whether what is accepted is right, l1_state shows.
 */
#include "abi.h"

#define EFER_SVME	(1ull << 12)
#define CR4_VMXE	(1ull << 13)
#define STATE_SIZE	(sizeof(struct kvm_nested_state) + 2 * 4096)

/* Offsets in the VMCB (APM vol. 2, "VMCB Layout"). */
#define VMCB_MISC2	0x10
#define VMCB_ASID	0x58
#define VMCB_NP_CTL	0x90
#define VMCB_NCR3	0xb0
#define SAVE_CS		0x410
#define SAVE_EFER	0x4d0
#define SAVE_CR4	0x548
#define SAVE_CR0	0x558
#define SAVE_DR7	0x560
#define SAVE_DR6	0x568
#define SAVE_RFLAGS	0x570
#define SAVE_RSP	0x5d8
#define SAVE_RAX	0x5f8

static struct vm v;
static union {
	struct kvm_nested_state s;
	uint8_t bytes[STATE_SIZE];
} st, before;

static int get(void)
{
	st.s.size = sizeof(st);
	return ioctl(v.vcpu, KVM_GET_NESTED_STATE, &st);
}

static int set(void)
{
	return ioctl(v.vcpu, KVM_SET_NESTED_STATE, &st);
}

/* A refused state leaves no trace. */
static void refused(const char *name)
{
	char text[120];
	typeof(st) now;
	int ret = set(), err = errno;

	now.s.size = sizeof(now);
	if (ioctl(v.vcpu, KVM_GET_NESTED_STATE, &now))
		bail("KVM_GET_NESTED_STATE");
	errno = err;
	fails(ret, EINVAL, name);
	snprintf(text, sizeof(text), "%s: nothing changed", name);
	ok(now.s.size == before.s.size && !memcmp(&now, &before, now.s.size), text);
}

static void put64(unsigned int at, uint64_t val)
{
	memcpy(st.s.data.svm[0].vmcb12 + at, &val, sizeof(val));
}

static void enable_svm(bool on)
{
	struct kvm_sregs s;

	if (ioctl(v.vcpu, KVM_GET_SREGS, &s))
		bail("KVM_GET_SREGS");
	s.efer = on ? s.efer | EFER_SVME : s.efer & ~EFER_SVME;
	s.cr0 |= 1;
	if (ioctl(v.vcpu, KVM_SET_SREGS, &s))
		bail("KVM_SET_SREGS");
}

/* An L1 in flat protected mode whose L2 has all that VMRUN asks for. */
static void good_svm(void)
{
	memset(&st, 0, sizeof(st));
	st.s.format = KVM_STATE_NESTED_FORMAT_SVM;
	st.s.flags = KVM_STATE_NESTED_GUEST_MODE | KVM_STATE_NESTED_GIF_SET;
	st.s.size = sizeof(st.s) + 4096;
	st.s.hdr.svm.vmcb_pa = 0x3000;
	put64(VMCB_MISC2, 1);	/* VMRUN is intercepted */
	put64(VMCB_ASID, 1);
	put64(SAVE_CS, 0xc9bull << 16 | 8);
	put64(SAVE_EFER, EFER_SVME);
	put64(SAVE_CR0, 0x11);
	put64(SAVE_DR6, 0xffff0ff0);
	put64(SAVE_DR7, 0x400);
	put64(SAVE_RFLAGS, 2);
}

static void svm_header(void)
{
	good_svm();
	st.s.format = KVM_STATE_NESTED_FORMAT_VMX;
	refused("SVM: another format");
	good_svm();
	st.s.flags |= KVM_STATE_NESTED_EVMCS;
	refused("SVM: a flag that is none");
	good_svm();
	st.s.flags = KVM_STATE_NESTED_RUN_PENDING | KVM_STATE_NESTED_GIF_SET;
	refused("SVM: an entry that waits, and no L2");
	good_svm();
	st.s.size = sizeof(st.s);
	refused("SVM: L2 without a VMCB");
	good_svm();
	st.s.hdr.svm.vmcb_pa = 0x3010;
	refused("SVM: vmcb_pa is not aligned");
	good_svm();
	st.s.hdr.svm.vmcb_pa = 1ull << 62;
	refused("SVM: vmcb_pa is beyond physical memory");
}

static const struct {
	unsigned int at;
	uint64_t val;
	const char *name;
} svm_bad[] = {
	{ VMCB_MISC2, 0, "SVM: VMRUN is not intercepted" },
	{ VMCB_ASID, 0, "SVM: ASID 0" },
	{ SAVE_EFER, 0, "SVM: L1 without EFER.SVME" },
	{ SAVE_EFER, EFER_SVME | 1ull << 63, "SVM: a bit of L1's EFER that does not exist" },
	{ SAVE_CR0, 0x10, "SVM: L1 in real mode" },
	{ SAVE_CR0, 0x20000011, "SVM: L1 with NW and without CD" },
	{ SAVE_CR0, 1ull << 32 | 0x11, "SVM: L1's CR0 has a high half" },
	{ SAVE_CR4, 1ull << 63, "SVM: a bit of L1's CR4 that does not exist" },
	{ SAVE_DR6, 1ull << 32 | 0xffff0ff0, "SVM: L1's DR6 has a high half" },
	{ SAVE_RFLAGS, 0x20002, "SVM: L1 in virtual-8086 mode" },
	{ VMCB_NP_CTL, 1, "SVM: nested paging below an L1 without paging" },
};

static uint64_t get64(unsigned int at)
{
	uint64_t val;

	memcpy(&val, st.s.data.svm[0].vmcb12 + at, sizeof(val));
	return val;
}

/* RAX and RSP are L1's in the image, and the processor's in its registers. */
static void svm_registers(bool smm)
{
	struct kvm_regs r;

	ioctl(v.vcpu, KVM_GET_REGS, &r);
	r.rax = 0x11;
	r.rsp = 0x22;
	ioctl(v.vcpu, KVM_SET_REGS, &r);
	good_svm();
	put64(SAVE_RAX, 0x33);
	put64(SAVE_RSP, 0x44);
	works(set(), smm ? "SVM: L2 waits for RSM" : "SVM: L2 runs");
	ioctl(v.vcpu, KVM_GET_REGS, &r);
	ok(r.rax == 0x11 && r.rsp == 0x22, "SVM: the processor's RAX and RSP stay what they are");
	r.rax = 0x55;
	r.rsp = 0x66;
	ioctl(v.vcpu, KVM_SET_REGS, &r);
	works(get(), smm ? "SVM: and is read back in SMM" : "SVM: and is read back");
	ok(get64(SAVE_RAX) == 0x33 && get64(SAVE_RSP) == 0x44, "SVM: L1's RAX and RSP are in the image");
}

/* The VMM says that L1 is in SMM: there is no L2 then, and L1 has its own registers. */
static void svm_ended(struct kvm_vcpu_events *e)
{
	struct kvm_regs r;

	if (stock) {
		skip("SVM: L2 ended by the VMM", "KVM leaves L2's registers to L1");
		return;
	}
	e->smi.smm = 1;
	works(ioctl(v.vcpu, KVM_SET_VCPU_EVENTS, e), "SVM: into SMM while L2 runs");
	ioctl(v.vcpu, KVM_GET_REGS, &r);
	ok(r.rax == 0x33 && r.rsp == 0x44, "SVM: L1 has its RAX and RSP again");
	e->smi.smm = 0;
	works(ioctl(v.vcpu, KVM_SET_VCPU_EVENTS, e), "SVM: out of SMM again");
}

static void svm(void)
{
	struct kvm_vcpu_events e;
	struct kvm_regs r;
	unsigned int i;

	get();
	before = st;
	ok(st.s.format == KVM_STATE_NESTED_FORMAT_SVM && st.s.size == sizeof(st.s) &&
	   st.s.flags == KVM_STATE_NESTED_GIF_SET, "SVM: of a new processor");
	good_svm();
	refused("SVM: L2 while EFER.SVME is off");
	st.s.flags = 0;
	refused("SVM: GIF 0 while EFER.SVME is off");
	enable_svm(true);
	svm_header();
	for (i = 0; i < sizeof(svm_bad) / sizeof(svm_bad[0]); i++) {
		good_svm();
		put64(svm_bad[i].at, svm_bad[i].val);
		refused(svm_bad[i].name);
	}
	if (!ioctl(v.vcpu, KVM_GET_VCPU_EVENTS, &e)) {
		e.flags = KVM_VCPUEVENT_VALID_SMM;
		e.smi.smm = 1;
		works(ioctl(v.vcpu, KVM_SET_VCPU_EVENTS, &e), "SVM: into SMM");
		good_svm();
		get();
		before = st;
		good_svm();
		put64(SAVE_EFER, 0);
		refused("SVM: L2 waits for RSM, and L1 without EFER.SVME");
		good_svm();
		st.s.flags |= KVM_STATE_NESTED_RUN_PENDING;
		refused("SVM: L2 waits for RSM, and its entry waits as well");
		svm_registers(true);
		ok((st.s.flags & KVM_STATE_NESTED_GUEST_MODE) && st.s.hdr.svm.vmcb_pa == 0x3000,
		   "SVM: as it was written in SMM");
		e.smi.smm = 0;
		works(ioctl(v.vcpu, KVM_SET_VCPU_EVENTS, &e), "SVM: out of SMM");
		enable_svm(true);
		svm_registers(false);
		svm_ended(&e);
	}
	enable_svm(true);
	/* And what is right: the registers that are current go to L2, L1's are in the image. */
	good_svm();
	works(set(), "SVM: L2 runs");
	works(get(), "SVM: and is read back");
	ok((st.s.flags & KVM_STATE_NESTED_GUEST_MODE) && st.s.hdr.svm.vmcb_pa == 0x3000 &&
	   st.s.size == sizeof(st.s) + 4096, "SVM: as it was written");
	before = st;
	st.s.hdr.svm.vmcb_pa = 0x3008;
	refused("SVM: another one over a running L2");
	st.s.size = sizeof(st.s) - 1;
	refused("SVM: too small over a running L2");
	st = before;
	works(set(), "SVM: the same over itself");
	memset(&st, 0, sizeof(st.s));
	st.s.format = KVM_STATE_NESTED_FORMAT_SVM;
	st.s.size = sizeof(st.s);
	ioctl(v.vcpu, KVM_GET_REGS, &r);
	r.rbx = 0x1234;
	ioctl(v.vcpu, KVM_SET_REGS, &r);
	works(set(), "SVM: back to L1, with GIF 0");
	works(get(), "SVM: which is read back");
	ok(!st.s.flags && st.s.size == sizeof(st.s), "SVM: no L2 and GIF 0");
	ioctl(v.vcpu, KVM_GET_REGS, &r);
	ok(r.rbx == 0x1234, "SVM: the registers that were current are L1's");
}

static void set_vmxe(bool on)
{
	struct kvm_sregs s;

	if (ioctl(v.vcpu, KVM_GET_SREGS, &s))
		bail("KVM_GET_SREGS");
	s.cr4 = on ? s.cr4 | CR4_VMXE | 0x20 : s.cr4 & ~CR4_VMXE;
	/* What VMX operation asks of CR0; paging with tables that nobody walks here. */
	s.cr0 |= on ? 0x80000021 : 0;
	s.cr3 = 0x8000;
	if (ioctl(v.vcpu, KVM_SET_SREGS, &s))
		bail("KVM_SET_SREGS");
}

static void good_vmx(void)
{
	memset(&st, 0, sizeof(st));
	st.s.format = KVM_STATE_NESTED_FORMAT_VMX;
	st.s.size = sizeof(st.s) + 4096;
	st.s.hdr.vmx.vmxon_pa = 0x3000;
	st.s.hdr.vmx.vmcs12_pa = 0x4000;
	memcpy(st.s.data.vmx[0].vmcs12, "tsen", 4);	/* the revision identifier */
}

#define VMX_CASE(name, change)		\
do {					\
	good_vmx();			\
	change;				\
	refused(name);			\
} while (0)

/* In SMM VMX operation is what RSM goes back to. */
static void vmx_smm(void)
{
	struct kvm_vcpu_events e;

	if (ioctl(v.vcpu, KVM_GET_VCPU_EVENTS, &e))
		bail("KVM_GET_VCPU_EVENTS");
	e.flags = KVM_VCPUEVENT_VALID_SMM;
	e.smi.smm = 1;
	works(ioctl(v.vcpu, KVM_SET_VCPU_EVENTS, &e), "VMX: into SMM");
	VMX_CASE("VMX: L2 runs in SMM", st.s.flags = KVM_STATE_NESTED_GUEST_MODE);
	VMX_CASE("VMX: L2 waits for RSM outside of VMX operation",
		 st.s.hdr.vmx.smm.flags = KVM_STATE_NESTED_SMM_GUEST_MODE);
	VMX_CASE("VMX: L2 with controls that are all 0 waits for RSM",
		 st.s.hdr.vmx.smm.flags = KVM_STATE_NESTED_SMM_GUEST_MODE |
					  KVM_STATE_NESTED_SMM_VMXON);
	good_vmx();
	st.s.hdr.vmx.smm.flags = KVM_STATE_NESTED_SMM_VMXON;
	works(set(), "VMX: VMX operation waits for RSM");
	works(get(), "VMX: and is read back in SMM");
	ok(st.s.hdr.vmx.vmxon_pa == 0x3000 && st.s.hdr.vmx.vmcs12_pa == 0x4000 &&
	   st.s.hdr.vmx.smm.flags == KVM_STATE_NESTED_SMM_VMXON, "VMX: as it was written in SMM");
	e.smi.smm = 0;
	works(ioctl(v.vcpu, KVM_SET_VCPU_EVENTS, &e), "VMX: out of SMM");
	memset(&st.s, 0, sizeof(st.s));
	st.s.size = sizeof(st.s);
	st.s.hdr.vmx.vmxon_pa = ~0ull;
	st.s.hdr.vmx.vmcs12_pa = ~0ull;
	works(set(), "VMX: and out of VMX operation");
}

static void vmx(void)
{
	get();
	before = st;
	ok(st.s.format == KVM_STATE_NESTED_FORMAT_VMX && st.s.hdr.vmx.vmxon_pa == ~0ull &&
	   st.s.hdr.vmx.vmcs12_pa == ~0ull && !st.s.flags, "VMX: of a new processor");
	VMX_CASE("VMX: in VMX operation while CR4.VMXE is off", );
	set_vmxe(true);
	VMX_CASE("VMX: another format", st.s.format = KVM_STATE_NESTED_FORMAT_SVM);
	VMX_CASE("VMX: GIF", st.s.flags = KVM_STATE_NESTED_GIF_SET);
	VMX_CASE("VMX: an enlightened VMCS", st.s.flags = KVM_STATE_NESTED_EVMCS);
	VMX_CASE("VMX: an entry that waits, and no L2", st.s.flags = KVM_STATE_NESTED_RUN_PENDING);
	VMX_CASE("VMX: a monitor trap flag that is due, and no L2",
		 st.s.flags = KVM_STATE_NESTED_MTF_PENDING);
	VMX_CASE("VMX: a flag of the header that is none", st.s.hdr.vmx.flags = ~0u);
	VMX_CASE("VMX: vmxon_pa is not aligned", st.s.hdr.vmx.vmxon_pa = 0x3001);
	VMX_CASE("VMX: vmxon_pa is beyond physical memory", st.s.hdr.vmx.vmxon_pa = 1ull << 62);
	VMX_CASE("VMX: vmcs12_pa is not aligned", st.s.hdr.vmx.vmcs12_pa = 0x4001);
	VMX_CASE("VMX: vmcs12_pa is vmxon_pa", st.s.hdr.vmx.vmcs12_pa = 0x3000);
	VMX_CASE("VMX: a VMCS outside of VMX operation", st.s.hdr.vmx.vmxon_pa = ~0ull);
	VMX_CASE("VMX: a VMCS without its contents", st.s.size = sizeof(st.s));
	VMX_CASE("VMX: another revision", st.s.data.vmx[0].vmcs12[0] ^= 1);
	VMX_CASE("VMX: L2 without a VMCS", st.s.hdr.vmx.vmcs12_pa = ~0ull;
		 st.s.flags = KVM_STATE_NESTED_GUEST_MODE);
	VMX_CASE("VMX: L2 with controls that are all 0", st.s.flags = KVM_STATE_NESTED_GUEST_MODE);
	VMX_CASE("VMX: what SMM interrupted, outside of SMM",
		 st.s.hdr.vmx.smm.flags = KVM_STATE_NESTED_SMM_VMXON);
	VMX_CASE("VMX: SMM flags that are none", st.s.hdr.vmx.smm.flags = 4);
	VMX_CASE("VMX: L2 both runs and waits for RSM", st.s.flags = KVM_STATE_NESTED_GUEST_MODE;
		 st.s.hdr.vmx.smm.flags = 3);
	vmx_smm();
	set_vmxe(true);
	good_vmx();
	works(set(), "VMX: in VMX operation, with a VMCS");
	works(get(), "VMX: read back");
	ok(st.s.hdr.vmx.vmxon_pa == 0x3000 && st.s.hdr.vmx.vmcs12_pa == 0x4000 &&
	   st.s.size == sizeof(st.s) + 4096, "VMX: as it was written");
	memset(&st.s, 0, sizeof(st.s));
	st.s.size = sizeof(st.s);
	st.s.hdr.vmx.vmxon_pa = ~0ull;
	st.s.hdr.vmx.vmcs12_pa = ~0ull;
	works(set(), "VMX: and out of it");
	works(get(), "VMX: read back again");
	ok(st.s.hdr.vmx.vmxon_pa == ~0ull && st.s.size == sizeof(st.s), "VMX: as it was written again");
}

int main(int argc, char **argv)
{
	int dev = start(argc, argv), max;
	uint32_t small = sizeof(struct kvm_nested_state) - 1;

	if (stock) {
		printf("1..0 # SKIP KVM accepts more than this\n");
		return KSFT_SKIP;
	}
	max = ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_NESTED_STATE);
	if (!max) {
		printf("1..0 # SKIP no nested state: VT-x, or loaded with nested=0\n");
		return KSFT_SKIP;
	}
	v = make_vm(dev, true);
	if (ioctl(v.vcpu, KVM_SET_CPUID2, supported_cpuid(dev)))
		bail("KVM_SET_CPUID2");
	ok(max >= (int)sizeof(st.s) + 4096 && max <= (int)sizeof(st), "most that it takes");
	fails(ioctl(v.vcpu, KVM_GET_NESTED_STATE, bad_address()), EFAULT, "get: bad address");
	fails(ioctl(v.vcpu, KVM_SET_NESTED_STATE, bad_address()), EFAULT, "set: bad address");
	st.s.size = small;
	fails(ioctl(v.vcpu, KVM_GET_NESTED_STATE, &st), EINVAL, "get: no room for the header");
	fails(ioctl(v.vcpu, KVM_SET_NESTED_STATE, &st), EINVAL, "set: less than a header");
	works(get(), "get");
	if (st.s.format == KVM_STATE_NESTED_FORMAT_SVM)
		svm();
	else
		vmx();
	drop_vm(&v);
	return finish();
}
