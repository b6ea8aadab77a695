// SPDX-License-Identifier: GPL-2.0-only
/*
 * VT-x as the image's vendor: detection, VMX operation of each CPU, the VMCSs a
 * test made. A test may leave VMX operation or fault half-way: after it, what
 * was made is cleared and VMX operation is entered anew.
 */
#include "vmx/vmx.h"

#define GROUP(n) \
	extern const struct test_group group_vmx_##n;
#include "vmx/groups.h"
#undef GROUP

#define GROUP(n) &group_vmx_##n,
static const struct test_group *const groups[] = {
#include "vmx/groups.h"
};
#undef GROUP

#define MAX_VMCS 64

static u64 known[MAX_CPUS][MAX_VMCS];
static u32 nr_known[MAX_CPUS];
static bool on[MAX_CPUS];

static void do_vmxoff(void *arg)
{
	vmxoff();
}

bool vmx_is_on(void)
{
	return on[this_cpu()->id];
}

bool vmx_on(void)
{
	struct cpu *c = this_cpu();
	u64 pa = (u64)c->vmxon;

	*(u32 *)pa = caps.basic & 0x7fffffff;
	write_cr4(read_cr4() | CR4_VMXE);
	on[c->id] = vmxon(&pa) == VM_OK;
	return on[c->id];
}

void vmx_off(void)
{
	on[this_cpu()->id] = false;
	vmxoff();
}

u64 vmcs_new(void)
{
	u32 id = this_cpu()->id;
	u64 pa = (u64)alloc_page();

	*(u32 *)pa = caps.basic & 0x7fffffff;
	if (nr_known[id] < MAX_VMCS)
		known[id][nr_known[id]++] = pa;
	else
		FAIL("more than %u VMCSs in a test", MAX_VMCS);
	if (vmclear(&pa) != VM_OK)
		FAIL("VMCLEAR of a new VMCS failed");
	return pa;
}

void vmcs_drop(u64 pa)
{
	u32 id = this_cpu()->id;

	if (nr_known[id] && known[id][nr_known[id] - 1] == pa)
		nr_known[id]--;
	if (vmclear(&pa) != VM_OK)
		FAIL("VMCLEAR of %llx failed", pa);
}

static void clear_known(void *arg)
{
	u32 id = this_cpu()->id;

	while (nr_known[id])
		vmclear(&known[id][--nr_known[id]]);
}

void vmcs_forget_all(void)
{
	try_call(clear_known, NULL, NULL);
	nr_known[this_cpu()->id] = 0;
}

void vmcs_forget_here(void *arg)
{
	vmcs_forget_all();
}

u32 insn_error(void)
{
	return vr(INSN_ERROR);
}

static void cpu_start(void)
{
	u64 fc = rdmsr(MSR_FEATURE_CONTROL);

	if (!(fc & FC_LOCK))
		wrmsr(MSR_FEATURE_CONTROL, fc | FC_LOCK | FC_VMXON);
	if (!vmx_on())
		panic("VMXON failed on CPU %u", this_cpu()->id);
}

static void before(void)
{
	if (cpu_features & VF_EPT)
		ept_default();
}

/* IRET, for nothing but that NMIs are no longer blocked */
void nmi_unblock(void)
{
	__asm__ volatile("movq %%rsp,%%rax; pushq %0; pushq %%rax; pushfq; pushq %1; pushq $1f; iretq; 1:"
			 : : "i"(SEL_DS), "i"(SEL_CS) : "rax", "memory");
}

static void recover(void)
{
	/* An exit with an NMI, or an NMI that L2 did not return from, left them blocked. */
	nmi_unblock();
}

static void after(void)
{
	vmcs_forget_all();
	try_call(do_vmxoff, NULL, NULL);
	if (!vmx_on())
		panic("VMXON failed after a test");
}

static void banner(void)
{
	say("# home %s, %u CPUs, VT-x revision %x, %u physical address bits\n", home_name, nr_cpus,
	    (u32)caps.basic & 0x7fffffff, maxphys);
	say("# pin %llx proc %llx proc2 %llx exit %llx entry %llx\n", caps.pin, caps.proc, caps.proc2,
	    caps.exit, caps.entry);
	say("# misc %llx ept_vpid %llx vmcs_enum %llx\n", caps.misc, caps.ept_vpid, caps.vmcs_enum);
}

const char *vmx_find(void)
{
	extern const u32 l2_calls[], l2_calls_end[];
	u64 fc = rdmsr(MSR_FEATURE_CONTROL);
	const u32 *p;

	if (fc & FC_LOCK && !(fc & FC_VMXON))
		return "VT-x is disabled by the firmware (IA32_FEATURE_CONTROL)";
	/* L2 comes back by VMCALL here. */
	for (p = l2_calls; p < l2_calls_end; p++)
		*(u8 *)(u64)(*p + 2) = 0xc1;
	caps_read();
	return NULL;
}

const struct vendor vmx_vendor = {
	.name = "VT-x",
	.groups = groups,
	.nr_groups = ARRAY_SIZE(groups),
	.cpu_start = cpu_start,
	.recover = recover,
	.before = before,
	.after = after,
	.feature_name = caps_feature_name,
	.banner = banner,
};
