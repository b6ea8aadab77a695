// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest hypervisor in 32-bit mode: its nested tables have the format of its own paging (APM vol. 2, "Enabling
 * Nested Paging"), and #VMEXIT loads its PDPTEs again (APM vol. 2, "#VMEXIT").  The VMM puts it there
 * and fills in its VMCB: all that it runs is VMRUN.
 */
#include "prot32.h"

#define VMCB		0xa000
#define DATA		0xb000
#define OTHER_DATA	0xc000
#define NESTED		0xd000	/* nCR3; the next two pages are for the tables below it */
#define OWN		0x10000	/* CR3 of L1; likewise */
#define L2_CODE		0x16000
#define FAR		0x100000	/* a page in a slot of its own */
#define HSAVE		0x17000

#define MSR_HSAVE	0xc0010117
#define EFER_SVME	0x1000
#define CR0_L1		0x80000011u	/* PG, ET, PE */
#define PSE		0x10u
#define PAE		0x20u
#define EXIT_VMMCALL	0x81
#define EXIT_NPF	0x400
#define NPF_FINAL	(1ull << 32)
#define DONE		0x70	/* OUT to port 0xf0 */

/* In the VMCB */
#define MISC2		0x10
#define ASID		0x58
#define TLB_CONTROL	0x5c
#define EXITCODE	0x70
#define INFO1		0x78
#define INFO2		0x80
#define NP_ENABLE	0x90
#define NCR3		0xb0
#define S_ES		0x400
#define S_CS		0x410
#define S_SS		0x420
#define S_DS		0x430
#define S_GDTR		0x460
#define S_IDTR		0x480
#define S_EFER		0x4d0
#define S_CR3		0x550
#define S_CR0		0x558
#define S_DR7		0x560
#define S_DR6		0x568
#define S_RFLAGS	0x570
#define S_RIP		0x578
#define S_RAX		0x5f8

/* vmrun; out 0xf0, al */
static const uint8_t vmrun[] = { 0x0f, 0x01, 0xd8, 0xe6, 0xf0 };
/* mov eax, [DATA]; vmmcall */
static const uint8_t read_data[] = { 0xa1, 0x00, 0xb0, 0x00, 0x00, 0x0f, 0x01, 0xd9 };
/* mov [DATA], eax; vmmcall */
static const uint8_t write_data[] = { 0xa3, 0x00, 0xb0, 0x00, 0x00, 0x0f, 0x01, 0xd9 };
/* mov dword [OWN + 8], 0x1e7; vmmcall: a PDPTE that is present, with reserved bits */
static const uint8_t spoil[] = { 0xc7, 0x05, 0x08, 0x00, 0x01, 0x00, 0xe7, 0x01, 0x00, 0x00, 0x0f, 0x01, 0xd9 };
/* out 0x10, al; vmmcall */
static const uint8_t out[] = { 0xe6, 0x10, 0x0f, 0x01, 0xd9 };

/* addr16 vmrun; out 0xf0, al */
static const uint8_t vmrun16[] = { 0x67, 0x0f, 0x01, 0xd8, 0xe6, 0xf0 };
static const uint8_t vmmcall[] = { 0x0f, 0x01, 0xd9, 0xe6, 0xf0 };
/* xor edx, edx; wrmsr; rdmsr; out 0xf0, al */
static const uint8_t wrmsr[] = { 0x31, 0xd2, 0x0f, 0x30, 0x0f, 0x32, 0xe6, 0xf0 };
/* vmrun; mov ecx, 0x277; rdmsr; out 0xf0, al */
static const uint8_t vmrun_pat[] = { 0x0f, 0x01, 0xd8, 0xb9, 0x77, 0x02, 0x00, 0x00, 0x0f, 0x32, 0xe6, 0xf0 };
/* mov ecx, 0x277; mov eax, 0x00070401; mov edx, 0x00070406; wrmsr; vmmcall */
static const uint8_t set_pat[] = { 0xb9, 0x77, 0x02, 0x00, 0x00, 0xb8, 0x01, 0x04, 0x07, 0x00,
				   0xba, 0x06, 0x04, 0x07, 0x00, 0x0f, 0x30, 0x0f, 0x01, 0xd9 };

static void put32(struct vm *v, uint32_t at, uint32_t val)
{
	memcpy(v->mem + at, &val, sizeof(val));
}

static void put64(struct vm *v, uint32_t at, uint64_t val)
{
	memcpy(v->mem + at, &val, sizeof(val));
}

static uint64_t get64(const struct vm *v, uint32_t at)
{
	uint64_t val;

	memcpy(&val, v->mem + at, sizeof(val));
	return val;
}

static void put_seg(struct vm *v, uint32_t at, uint16_t sel, uint16_t attrib, uint32_t limit)
{
	put32(v, VMCB + at, sel | (uint32_t)attrib << 16);
	put32(v, VMCB + at + 4, limit);
	put64(v, VMCB + at + 8, 0);
}

/* L2: flat 32-bit code without paging */
static void make_vmcb(struct vm *v, const void *code, size_t len)
{
	memset(v->mem + VMCB, 0, PAGE);
	memcpy(v->mem + L2_CODE, code, len);
	put32(v, VMCB + MISC2, 3);	/* VMRUN, VMMCALL */
	put32(v, VMCB + ASID, 1);
	put32(v, VMCB + TLB_CONTROL, 1);
	put_seg(v, S_CS, 8, 0xc9b, ~0u);
	put_seg(v, S_SS, 0x10, 0xc93, ~0u);
	put_seg(v, S_DS, 0x10, 0xc93, ~0u);
	put_seg(v, S_ES, 0x10, 0xc93, ~0u);
	put_seg(v, S_GDTR, 0, 0, 0xffff);
	put_seg(v, S_IDTR, 0, 0, 0xffff);
	put64(v, VMCB + S_EFER, EFER_SVME);
	put64(v, VMCB + S_CR0, 0x11);
	put64(v, VMCB + S_DR6, 0xffff0ff0);
	put64(v, VMCB + S_DR7, 0x400);
	put64(v, VMCB + S_RFLAGS, 2);
	put64(v, VMCB + S_RIP, L2_CODE);
}

static void nested_paging(struct vm *v, uint64_t ncr3)
{
	put64(v, VMCB + NP_ENABLE, 1);
	put64(v, VMCB + NCR3, ncr3);
}

static struct vm make(int dev)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e;
	} m = { .head.nmsrs = 1, .e = { .index = MSR_HSAVE, .data = HSAVE } };
	struct vm v = make_vm(dev, false);
	int i;

	if (ioctl(v.vcpu, KVM_SET_CPUID2, supported_cpuid(dev)) || ioctl(v.vcpu, KVM_SET_MSRS, &m) != 1)
		bail("an L1");
	tables(&v, 0);
	put32(&v, DATA, 0x11111111);
	put32(&v, OTHER_DATA, 0x22222222);
	/* L1's own tables, in both formats */
	put32(&v, OWN + 0x1000, (OWN + 0x3000) | 3);
	for (i = 0; i < 64; i++)
		put32(&v, OWN + 0x3000 + i * 4, i << 12 | 3);
	put64(&v, OWN, (OWN + 0x2000) | 1);
	put64(&v, OWN + 0x2000, 0x83);
	return v;
}

/* L1 runs @code, with @cr4 and the tables at @cr3; the vector, or DONE, or -1 */
static int run_code(struct vm *v, const void *code, size_t len, uint32_t rcx, uint32_t rax, uint32_t cr4,
		    uint32_t cr3)
{
	struct kvm_sregs s;
	int got;

	enter(v, code, len, 0, rcx, rax);
	ioctl(v->vcpu, KVM_GET_SREGS, &s);
	s.cr3 = cr3;
	s.cr0 = CR0_L1;
	s.cr4 = cr4;
	s.efer = EFER_SVME;
	if (ioctl(v->vcpu, KVM_SET_SREGS, &s))
		bail("KVM_SET_SREGS");
	got = vector(v);
	if (got >= 0)
		finish_io(v);
	return got;
}

static int run(struct vm *v, uint32_t cr4, uint32_t cr3)
{
	return run_code(v, vmrun, sizeof(vmrun), 0, VMCB, cr4, cr3);
}

static uint32_t eax(struct vm *v)
{
	struct kvm_regs r;

	ioctl(v->vcpu, KVM_GET_REGS, &r);
	return r.rax;
}

static bool ended(struct vm *v, uint32_t cr4, uint64_t code)
{
	int got = run(v, cr4, cr4 & PAE ? OWN : OWN + 0x1000);

	if (got == DONE && get64(v, VMCB + EXITCODE) == code)
		return true;
	printf("# %d, exit %d, EXITCODE 0x%lx, 0x%lx, 0x%lx\n", got, v->run->exit_reason,
	       (long)get64(v, VMCB + EXITCODE), (long)get64(v, VMCB + INFO1), (long)get64(v, VMCB + INFO2));
	return false;
}

static bool rax_is(struct vm *v, uint32_t want)
{
	return (uint32_t)get64(v, VMCB + S_RAX) == want;
}

/* #NPF at DATA, with this error code beside the user bit */
static bool npf(struct vm *v, uint32_t cr4, uint64_t error)
{
	return ended(v, cr4, EXIT_NPF) && get64(v, VMCB + INFO1) == (NPF_FINAL | 4 | error) &&
	       get64(v, VMCB + INFO2) == DATA;
}

static void plain(int dev)
{
	struct vm v = make(dev);

	make_vmcb(&v, read_data, sizeof(read_data));
	ok(ended(&v, PSE, EXIT_VMMCALL) && rax_is(&v, 0x11111111), "without nested paging L2's memory is L1's");
	make_vmcb(&v, read_data, sizeof(read_data));
	ok(ended(&v, PAE, EXIT_VMMCALL) && rax_is(&v, 0x11111111), "the same with PAE");
	drop_vm(&v);
}

/* Entries of 4 bytes: a directory, a table; 4M pages with CR4.PSE alone. */
static void legacy(int dev)
{
	const uint32_t table = NESTED + 0x1000;
	struct vm v = make(dev);
	uint32_t entry;
	int i;

	for (i = 0; i < 64; i++)
		put32(&v, table + i * 4, i << 12 | 7);
	put32(&v, table + (DATA >> 12) * 4, OTHER_DATA | 7);
	put32(&v, NESTED, table | 7);
	make_vmcb(&v, read_data, sizeof(read_data));
	nested_paging(&v, NESTED | 0x18);
	ok(ended(&v, 0, EXIT_VMMCALL) && rax_is(&v, 0x22222222), "32-bit paging in L1: its nested tables are such");
	memcpy(&entry, v.mem + table + (DATA >> 12) * 4, 4);
	ok(entry == (OTHER_DATA | 0x27), "and have its accessed flag");

	put32(&v, table + (DATA >> 12) * 4, 0);
	make_vmcb(&v, read_data, sizeof(read_data));
	nested_paging(&v, NESTED);
	ok(npf(&v, 0, 0), "a page that is not there");
	put32(&v, table + (DATA >> 12) * 4, OTHER_DATA | 5);
	make_vmcb(&v, write_data, sizeof(write_data));
	nested_paging(&v, NESTED);
	ok(npf(&v, 0, 3), "one that may not be written");
	put32(&v, table + (DATA >> 12) * 4, OTHER_DATA | 7);
	put64(&v, VMCB + S_RAX, 0x33333333);
	ok(ended(&v, 0, EXIT_VMMCALL) && !memcmp(v.mem + OTHER_DATA, "3333", 4), "and is written when it may be");
	memcpy(&entry, v.mem + table + (DATA >> 12) * 4, 4);
	ok(entry == (OTHER_DATA | 0x67), "which is in its dirty flag");

	put32(&v, NESTED, 0x87);
	put32(&v, 0, 0);
	make_vmcb(&v, read_data, sizeof(read_data));
	nested_paging(&v, NESTED);
	ok(ended(&v, PSE, EXIT_VMMCALL) && rax_is(&v, 0x11111111), "with CR4.PSE a page of 4M");
	put32(&v, NESTED, table | 0x87);
	make_vmcb(&v, read_data, sizeof(read_data));
	nested_paging(&v, NESTED);
	ok(ended(&v, 0, EXIT_VMMCALL) && rax_is(&v, 0x33333333), "without it the same bit means nothing");
	drop_vm(&v);
}

/*
 * The VMM has L1's memory mapped, and a device of its may write to a nested table of L1's; L1's next flush of that
 * address space (here VMRUN with TLB_CONTROL) makes the processor forget what the table was.  Stock KVM looks only
 * for what L1 itself has written, and L2 goes on with the old page.
 */
static void vmm_writes(int dev)
{
	const uint32_t table = NESTED + 0x1000, entry = table + (DATA >> 12) * 4;
	struct vm v = make(dev);
	int i;

	for (i = 0; i < 64; i++)
		put32(&v, table + i * 4, i << 12 | 0x67);
	put32(&v, NESTED, table | 0x67);
	make_vmcb(&v, read_data, sizeof(read_data));
	nested_paging(&v, NESTED);
	ok(ended(&v, 0, EXIT_VMMCALL) && rax_is(&v, 0x11111111), "a page of L2");
	put32(&v, entry, OTHER_DATA | 0x67);
	make_vmcb(&v, read_data, sizeof(read_data));
	nested_paging(&v, NESTED);
	ok(ended(&v, 0, EXIT_VMMCALL) && rax_is(&v, 0x22222222), "the VMM writes another one to L1's table");
	put32(&v, entry, 0);
	make_vmcb(&v, read_data, sizeof(read_data));
	nested_paging(&v, NESTED);
	ok(npf(&v, 0, 0), "and none");
	drop_vm(&v);
}

/* Four PDPTEs at any multiple of 32, then entries of 8 bytes */
static void pae(int dev)
{
	const uint32_t dir = NESTED + 0x1000, table = NESTED + 0x2000;
	struct vm v = make(dev);
	int i;

	for (i = 0; i < 64; i++)
		put64(&v, table + i * 8, i << 12 | 7);
	put64(&v, table + (DATA >> 12) * 8, OTHER_DATA | 7);
	put64(&v, NESTED + 0x40, dir | 1);
	put64(&v, dir, table | 7);
	make_vmcb(&v, read_data, sizeof(read_data));
	nested_paging(&v, NESTED + 0x40);
	ok(ended(&v, PAE, EXIT_VMMCALL) && rax_is(&v, 0x22222222), "PAE in L1: its nested tables are such");
	ok((get64(&v, table + (DATA >> 12) * 8) & 0xfff) == 0x27, "and have its accessed flag");

	put64(&v, table + (DATA >> 12) * 8, 0);
	make_vmcb(&v, read_data, sizeof(read_data));
	nested_paging(&v, NESTED + 0x40);
	ok(npf(&v, PAE, 0), "a page that is not there");
	put64(&v, table + (DATA >> 12) * 8, OTHER_DATA | 7 | 1ull << 62);
	ok(npf(&v, PAE, 9), "a reserved bit");
	put64(&v, dir, 0x87);
	make_vmcb(&v, read_data, sizeof(read_data));
	nested_paging(&v, NESTED + 0x40);
	ok(ended(&v, PAE, EXIT_VMMCALL) && rax_is(&v, 0x11111111), "a page of 2M");
	drop_vm(&v);
}

/* #VMEXIT loads L1's PDPTEs: what L2 has made of them is bad, or their memory has gone. */
static void pdptes(int dev)
{
	struct vm v = make(dev);
	void *far;

	make_vmcb(&v, spoil, sizeof(spoil));
	ok(run(&v, PAE, OWN) == -1 && v.run->exit_reason == KVM_EXIT_SHUTDOWN,
	   "a bad PDPTE at #VMEXIT shuts L1 down");
	ok(get64(&v, VMCB + EXITCODE) == EXIT_VMMCALL, "after the exit has been told");
	drop_vm(&v);

	v = make(dev);
	far = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (far == MAP_FAILED || add_memory(v.fd, 1, 0, FAR, PAGE, far))
		bail("a second slot");
	memcpy(far, v.mem + OWN, 32);
	make_vmcb(&v, out, sizeof(out));
	ok(run(&v, PAE, FAR) == 0x10 - 0x80, "L2 asks the VMM for something");
	if (add_memory(v.fd, 1, 0, FAR, 0, far))
		bail("the end of a slot");
	ok(!ioctl(v.vcpu, KVM_RUN, 0) && v.run->exit_reason == KVM_EXIT_SHUTDOWN,
	   "PDPTEs without memory do, too");
	munmap(far, PAGE);
	drop_vm(&v);
}

/* What stock KVM takes for a hypercall all the same */
static void stricter_is(int got, int want, const char *name)
{
	if (stock)
		skip(name, "KVM does not look at what it promised");
	else
		ok(got == want, name);
}

#define L1_CODE(v, code, rcx, rax) run_code(v, code, sizeof(code), rcx, rax, PSE, OWN + 0x1000)

static void registers(int dev)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e;
	} m = { .head.nmsrs = 1, .e = { .index = 0xc0010114, .data = 8 } };
	struct vm v = make(dev), bare = make(dev);
	struct kvm_cpuid2 *c = supported_cpuid(dev);
	unsigned int i;

	make_vmcb(&v, read_data, sizeof(read_data));
	ok(L1_CODE(&v, vmrun16, 0, 0x12340000 | VMCB) == DONE && get64(&v, VMCB + EXITCODE) == EXIT_VMMCALL,
	   "the operand of VMRUN has the address size, be it 16 bits");
	ok(L1_CODE(&v, vmmcall, 0, 0) == DONE && eax(&v) == (uint32_t)-1000, "VMMCALL of L1's is an unknown hypercall");
	/* Where the VMM shows no leaves of KVM's it is what it is on a processor. */
	for (i = 0; i < c->nent; i++)
		if (c->entries[i].function >> 16 == 0x4000)
			c->entries[i].function = 0x8fff0000 + i;
	if (ioctl(bare.vcpu, KVM_SET_CPUID2, c))
		bail("KVM_SET_CPUID2");
	stricter_is(L1_CODE(&bare, vmmcall, 0, 0), 6, "or #UD where none was promised");
	drop_vm(&bare);
	/* There is one PAT without nested paging. */
	make_vmcb(&v, set_pat, sizeof(set_pat));
	ok(L1_CODE(&v, vmrun_pat, 0, VMCB) == DONE && eax(&v) == 0x00070401, "without nested paging L2's PAT is L1's");
	/* VM_CR: what is locked stays, and writing it is no fault. */
	ok(ioctl(v.vcpu, KVM_SET_MSRS, &m) == 1 && L1_CODE(&v, wrmsr, 0xc0010114, 2) == DONE && eax(&v) == 0xa,
	   "VM_CR.LOCK stays when L1 clears it, and R_INIT is L1's");
	ok(L1_CODE(&v, wrmsr, 0xc0010114, 0x40) == 13, "a reserved bit of VM_CR");
	drop_vm(&v);
}

int main(int argc, char **argv)
{
	int dev = start(argc, argv);
	struct kvm_cpuid2 *c = supported_cpuid(dev);
	unsigned int i;

	for (i = 0; i < c->nent; i++)
		if (c->entries[i].function == 0x80000001 && (c->entries[i].ecx & 4))
			break;
	if (i == c->nent) {
		printf("1..0 # SKIP no AMD-V for guests\n");
		return KSFT_SKIP;
	}
	plain(dev);
	legacy(dev);
	vmm_writes(dev);
	pae(dev);
	pdptes(dev);
	registers(dev);
	return finish();
}
