// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSR accesses that the VMM forbids or answers, registers in struct kvm_run, statistics, limits on
 * vCPUs, quirks, attributes of the device.
 */
#include "abi.h"

#define MSR_NONE	0x474f4f00u
#define MSR_LSTAR	0xc0000082u
#define MSR_PAT		0x277u

/* mov $val,%eax; xor %edx,%edx; mov $msr,%ecx; rdmsr or wrmsr; hlt */
static void run_msr(struct vm *v, uint32_t msr, bool write, uint32_t val)
{
	uint8_t code[] = {
		0x66, 0xb8, 0, 0, 0, 0, 0x66, 0x31, 0xd2, 0x66, 0xb9, 0, 0, 0, 0,
		0x0f, write ? 0x30 : 0x32, 0xf4,
	};

	memcpy(code + 2, &val, 4);
	memcpy(code + 11, &msr, 4);
	load_code(v, code, sizeof(code));
	/* #GP ends in a HLT of its own, at 0:0x2000. */
	memset(v->mem, 0, 0x400);
	v->mem[13 * 4 + 1] = 0x20;
	v->mem[0x2000] = 0xf4;
	if (ioctl(v->vcpu, KVM_RUN, 0))
		bail("KVM_RUN");
}

static uint64_t rip(struct vm *v)
{
	struct kvm_regs r;

	ioctl(v->vcpu, KVM_GET_REGS, &r);
	return r.rip;
}

static bool got_gp(struct vm *v)
{
	return v->run->exit_reason == KVM_EXIT_HLT && rip(v) == 0x2001;
}

static bool went_on(struct vm *v)
{
	return v->run->exit_reason == KVM_EXIT_HLT && rip(v) == CODE_AT + 18;
}

static bool exited(struct vm *v, bool write, uint32_t msr, uint32_t reason)
{
	return v->run->exit_reason == (write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR) &&
	       v->run->msr.index == msr && v->run->msr.reason == reason;
}

static int enable(struct vm *v, uint32_t cap, uint64_t arg)
{
	struct kvm_enable_cap c = { .cap = cap, .args = { arg } };

	return ioctl(v->fd, KVM_ENABLE_CAP, &c);
}

static void answers(struct vm *v)
{
	struct kvm_regs r;

	run_msr(v, MSR_NONE, false, 0);
	ok(got_gp(v), "an MSR that is none is #GP");
	fails(enable(v, KVM_CAP_X86_USER_SPACE_MSR, 1u << 31), EINVAL, "an unknown reason");
	works(enable(v, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_UNKNOWN |
		     KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_FILTER), "all reasons");
	run_msr(v, MSR_NONE, false, 0);
	ok(exited(v, false, MSR_NONE, KVM_MSR_EXIT_REASON_UNKNOWN), "RDMSR comes to the VMM");
	v->run->msr.data = 0x1122334455667788ull;
	ioctl(v->vcpu, KVM_RUN, 0);
	ioctl(v->vcpu, KVM_GET_REGS, &r);
	ok(went_on(v) && r.rax == 0x55667788 && r.rdx == 0x11223344, "its answer is read");
	run_msr(v, MSR_NONE, true, 77);
	ok(exited(v, true, MSR_NONE, KVM_MSR_EXIT_REASON_UNKNOWN) && v->run->msr.data == 77,
	   "WRMSR comes with its value");
	v->run->msr.error = 1;
	ioctl(v->vcpu, KVM_RUN, 0);
	ok(got_gp(v), "an error is #GP");
}

static struct kvm_msr_filter one_msr(uint32_t msr, uint32_t kind, uint8_t *bits)
{
	return (struct kvm_msr_filter){
		.ranges[0] = { .flags = kind, .nmsrs = 1, .base = msr, .bitmap = bits },
	};
}

static void filter(struct vm *v)
{
	uint8_t none[8] = { 0 }, all[8] = { 0xff };
	struct kvm_msr_filter f = one_msr(MSR_LSTAR, KVM_MSR_FILTER_WRITE, none);
	struct kvm_msr_entry *e;
	struct { struct kvm_msrs head; struct kvm_msr_entry e; } m = { .head.nmsrs = 1 };

	run_msr(v, MSR_LSTAR, true, 5);
	ok(went_on(v), "LSTAR can be written");
	works(ioctl(v->fd, KVM_X86_SET_MSR_FILTER, &f), "forbid it");
	run_msr(v, MSR_LSTAR, true, 6);
	ok(exited(v, true, MSR_LSTAR, KVM_MSR_EXIT_REASON_FILTER), "a passed MSR exits when it is filtered");
	ioctl(v->vcpu, KVM_RUN, 0);
	run_msr(v, MSR_LSTAR, false, 0);
	ok(went_on(v), "reading it is another matter");
	enable(v, KVM_CAP_X86_USER_SPACE_MSR, 0);
	run_msr(v, MSR_LSTAR, true, 6);
	ok(got_gp(v), "#GP when the VMM does not ask");
	e = &m.e;
	e->index = MSR_LSTAR;
	ok(ioctl(v->vcpu, KVM_GET_MSRS, &m) == 1 && e->data == 5, "the VMM itself is not filtered");
	f = one_msr(MSR_LSTAR, KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, all);
	f.flags = KVM_MSR_FILTER_DEFAULT_DENY;
	works(ioctl(v->fd, KVM_X86_SET_MSR_FILTER, &f), "only this one");
	run_msr(v, MSR_LSTAR, true, 7);
	ok(went_on(v), "it can be written");
	run_msr(v, MSR_PAT, false, 0);
	ok(got_gp(v), "another cannot be read");
	f.ranges[0].flags = 4;
	fails(ioctl(v->fd, KVM_X86_SET_MSR_FILTER, &f), EINVAL, "filter: an unknown kind");
	f.ranges[0].flags = 3;
	f.ranges[0].nmsrs = 0x600 * 8 + 1;
	fails(ioctl(v->fd, KVM_X86_SET_MSR_FILTER, &f), EINVAL, "filter: too many");
	f.ranges[0].nmsrs = 1;
	f.ranges[0].bitmap = bad_address();
	fails(ioctl(v->fd, KVM_X86_SET_MSR_FILTER, &f), EFAULT, "filter: bad bitmap");
	f.flags = 2;
	fails(ioctl(v->fd, KVM_X86_SET_MSR_FILTER, &f), EINVAL, "filter: unknown flag");
	memset(&f, 0, sizeof(f));
	f.flags = KVM_MSR_FILTER_DEFAULT_DENY;
	fails(ioctl(v->fd, KVM_X86_SET_MSR_FILTER, &f), EINVAL, "filter: refuse all, by no range");
	run_msr(v, MSR_PAT, false, 0);
	ok(got_gp(v), "a refused filter changed nothing");
	f.flags = 0;
	works(ioctl(v->fd, KVM_X86_SET_MSR_FILTER, &f), "no filter");
	run_msr(v, MSR_PAT, false, 0);
	ok(went_on(v), "all as before");
}

static void sync_regs(struct vm *v)
{
	const uint8_t code[] = { 0x43, 0xf4 };	/* inc %bx; hlt */
	struct kvm_run *r = v->run;

	load_code(v, code, sizeof(code));
	r->kvm_valid_regs = 1ull << 40;
	fails(ioctl(v->vcpu, KVM_RUN, 0), EINVAL, "kvm_valid_regs: unknown bit");
	r->kvm_valid_regs = 0;
	r->kvm_dirty_regs = 8;
	fails(ioctl(v->vcpu, KVM_RUN, 0), EINVAL, "kvm_dirty_regs: unknown bit");
	r->kvm_dirty_regs = 0;
	r->kvm_valid_regs = KVM_SYNC_X86_VALID_FIELDS;
	ioctl(v->vcpu, KVM_RUN, 0);
	ok(r->s.regs.regs.rip == CODE_AT + 2 && r->s.regs.sregs.cs.base == 0, "registers are shown");
	r->s.regs.regs.rip = CODE_AT;
	r->s.regs.regs.rbx = 41;
	r->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	ioctl(v->vcpu, KVM_RUN, 0);
	ok(r->s.regs.regs.rbx == 42 && !r->kvm_dirty_regs, "registers are taken");
	r->s.regs.sregs.cr4 = ~0ull;
	r->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
	fails(ioctl(v->vcpu, KVM_RUN, 0), EINVAL, "sregs that no processor has");
	r->s.regs.events.flags = ~0u;
	r->kvm_dirty_regs = KVM_SYNC_X86_EVENTS;
	fails(ioctl(v->vcpu, KVM_RUN, 0), EINVAL, "events that are none");
	r->kvm_dirty_regs = 0;
	r->kvm_valid_regs = 0;
	r->s.regs.regs.rbx = 99;
	load_code(v, code, sizeof(code));
	ioctl(v->vcpu, KVM_RUN, 0);
	ok(r->s.regs.regs.rbx == 99, "nothing is shown that was not asked for");
}

static void stats(struct vm *v)
{
	struct kvm_stats_header h = { };
	char id[64] = "";
	int fd = ioctl(v->vcpu, KVM_GET_STATS_FD, 0), vm = ioctl(v->fd, KVM_GET_STATS_FD, 0);
	struct kvm_stats_desc d;
	uint64_t exits = 0, sum = 0;

	works(fd, "statistics of a vCPU");
	works(vm, "and of a VM");
	ok(pread(fd, &h, sizeof(h), 0) == sizeof(h) && h.num_desc && h.name_size <= 48, "header");
	ok(pread(fd, id, h.name_size, h.id_offset) == (int)h.name_size && !strncmp(id, "kvm-", 4),
	   "id");
	pread(fd, &d, sizeof(d), h.desc_offset);
	pread(fd, id, h.name_size, h.desc_offset + sizeof(d));
	ok(!strcmp(id, "exits") && d.size == 1, "the first descriptor");
	if (strcmp(id, "exits") || d.size != 1)
		printf("# name '%.48s', size %u, at %u of %u\n", id, d.size, h.desc_offset, h.name_size);
	pread(fd, &exits, 8, h.data_offset + d.offset);
	pread(vm, &sum, 8, h.data_offset + d.offset);
	ok(exits && exits == sum, "the only vCPU's exits are the VM's");
	ok(pread(fd, &sum, 8, h.data_offset + h.num_desc * 8) == 0, "and there it ends");
	close(fd);
	close(vm);
}

static void limits(int dev)
{
	struct vm v = { .fd = ioctl(dev, KVM_CREATE_VM, 0) };
	int max = ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPU_ID), i, n = 0;
	int quirks = ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_DISABLE_QUIRKS2);

	fails(ioctl(v.fd, KVM_SET_NR_MMU_PAGES, 1ul), EINVAL, "shadow tables: too few");
	works(ioctl(v.fd, KVM_SET_NR_MMU_PAGES, 64ul), "shadow tables: few");
	fails(enable(&v, KVM_CAP_DISABLE_QUIRKS2, ~0ull), EINVAL, "a quirk that is none");
	works(enable(&v, KVM_CAP_DISABLE_QUIRKS2, quirks), "no quirks");
	works(enable(&v, KVM_CAP_DISABLE_QUIRKS, ~0ull), "no quirks, as it was said once");
	fails(enable(&v, KVM_CAP_MAX_VCPU_ID, max + 1), EINVAL, "ids: more than there can be");
	fails(enable(&v, KVM_CAP_MAX_VCPU_ID, 0), EINVAL, "ids: none");
	works(ioctl(v.fd, KVM_SET_BOOT_CPU_ID, 100ul), "a boot processor");
	fails(enable(&v, KVM_CAP_MAX_VCPU_ID, 99), EINVAL, "ids: below the boot processor's");
	works(enable(&v, KVM_CAP_MAX_VCPU_ID, 101), "ids: below 101");
	fails(enable(&v, KVM_CAP_MAX_VCPU_ID, 102), EINVAL, "ids: once only");
	fails(ioctl(v.fd, KVM_CREATE_VCPU, 101ul), EINVAL, "ids: this one is too large");
	fails(ioctl(v.fd, KVM_SET_BOOT_CPU_ID, 101ul), EINVAL, "ids: as a boot processor, too");
	for (i = 0; i <= 100; i++)
		n += ioctl(v.fd, KVM_CREATE_VCPU, (long)i) >= 0;
	ok(n == 101, "101 vCPUs");
	fails(enable(&v, KVM_CAP_MAX_VCPU_ID, 101), EINVAL, "ids: not with vCPUs");
	close(v.fd);
}

static void attributes(int dev)
{
	uint64_t val = 0;
	struct kvm_device_attr a = { .attr = KVM_X86_XCOMP_GUEST_SUPP, .addr = (uintptr_t)&val };

	works(ioctl(dev, KVM_HAS_DEVICE_ATTR, &a), "there is XCOMP_GUEST_SUPP");
	works(ioctl(dev, KVM_GET_DEVICE_ATTR, &a), "its value");
	ok(!val || (val & 3) == 3, "is one for XCR0");
	a.addr = (uintptr_t)bad_address();
	fails(ioctl(dev, KVM_GET_DEVICE_ATTR, &a), EFAULT, "attribute: bad address");
	a.attr = 7;
	fails(ioctl(dev, KVM_HAS_DEVICE_ATTR, &a), ENXIO, "attribute: another");
	a.flags = 1;
	fails(ioctl(dev, KVM_GET_DEVICE_ATTR, &a), EINVAL, "attribute: flags");
}

int main(int argc, char **argv)
{
	int dev = start(argc, argv);
	struct vm v;

	if (stock) {
		printf("1..0 # SKIP errnos of KVM's are not all these\n");
		return KSFT_SKIP;
	}
	v = make_vm(dev, false);
	if (ioctl(v.vcpu, KVM_SET_CPUID2, supported_cpuid(dev)))
		bail("KVM_SET_CPUID2");
	answers(&v);
	filter(&v);
	sync_regs(&v);
	stats(&v);
	drop_vm(&v);
	limits(dev);
	attributes(dev);
	return finish();
}
