// SPDX-License-Identifier: GPL-2.0-only
/*
 * 64-bit L2 guests under VT-x: by default one shares the image's address space
 * (its page tables, identity EPT), runs a C function or a labelled piece of code
 * and ends with VMCALL. Its exceptions go to its own IDT, whose handlers report
 * by VMCALL too.
 */
#include "vmx/vmx.h"

extern u64 boot_pml4[];

struct desc_ptr { u16 limit; u64 base; } __packed;

u64 vr(u32 field)
{
	u64 v = 0;
	enum vm_status s = vmread_s(field, &v);

	if (s != VM_OK)
		FAIL("VMREAD of %s (%x): status %u", field_name(field), field, s);
	return v;
}

void vw(u32 field, u64 v)
{
	enum vm_status s = vmwrite_s(field, v);

	if (s != VM_OK)
		FAIL("VMWRITE of %s (%x): status %u", field_name(field), field, s);
}

void ctl_set(u32 field, u64 bits)
{
	vw(field, vr(field) | (bits & caps_of(field) >> 32));
}

void ctl_clear(u32 field, u64 bits)
{
	vw(field, (vr(field) & ~bits) | (u32)caps_of(field));
}

void vl2_seg(int seg, u16 sel, u32 ar, u32 limit, u64 base)
{
	vw(GUEST_ES_SEL + 2 * seg, sel);
	vw(GUEST_ES_AR + 2 * seg, ar);
	vw(GUEST_ES_LIMIT + 2 * seg, limit);
	vw(GUEST_ES_BASE + 2 * seg, base);
}

static u64 tr_base(const struct desc_ptr *gdt, u16 tr)
{
	const u64 *d = (const u64 *)(gdt->base + (tr & ~7));

	return (d[0] >> 16 & 0xffffff) | (d[0] >> 56 & 0xff) << 24 | d[1] << 32;
}

static void host_state(void)
{
	struct desc_ptr gdt, idt;
	u16 tr;

	__asm__ volatile("sgdt %0; sidt %1; str %2" : "=m"(gdt), "=m"(idt), "=m"(tr));
	vw(HOST_CR0, read_cr0());
	vw(HOST_CR3, read_cr3());
	vw(HOST_CR4, read_cr4());
	vw(HOST_CS_SEL, SEL_CS);
	vw(HOST_SS_SEL, SEL_DS);
	vw(HOST_DS_SEL, SEL_DS);
	vw(HOST_ES_SEL, SEL_DS);
	vw(HOST_FS_SEL, 0);
	vw(HOST_GS_SEL, 0);
	vw(HOST_TR_SEL, tr);
	vw(HOST_FS_BASE, rdmsr(MSR_FS_BASE));
	vw(HOST_GS_BASE, rdmsr(MSR_GS_BASE));
	vw(HOST_TR_BASE, tr_base(&gdt, tr));
	vw(HOST_GDTR_BASE, gdt.base);
	vw(HOST_IDTR_BASE, idt.base);
	vw(HOST_SYSENTER_CS, rdmsr(MSR_SYSENTER_CS));
	vw(HOST_SYSENTER_ESP, rdmsr(MSR_SYSENTER_ESP));
	vw(HOST_SYSENTER_EIP, rdmsr(MSR_SYSENTER_EIP));
	if (caps_may_set(CTRL_EXIT, EXIT_LOAD_EFER))
		vw(HOST_EFER, rdmsr(MSR_EFER));
	if (caps_may_set(CTRL_EXIT, EXIT_LOAD_PAT))
		vw(HOST_PAT, rdmsr(MSR_PAT));
}

static void guest_state(struct vl2 *l2, u64 rip)
{
	u64 tss = (u64)l2->stack + 2 * PAGE_SIZE, sp = tss - 64;
	struct desc_ptr gdt;
	int s;

	__asm__ volatile("sgdt %0" : "=m"(gdt));
	vl2_seg(S_CS, SEL_CS, 0xa09b, ~0u, 0);
	for (s = S_ES; s <= S_GS; s++)
		if (s != S_CS)
			vl2_seg(s, SEL_DS, 0xc093, ~0u, 0);
	vl2_seg(S_LDTR, 0, AR_UNUSABLE, 0, 0);
	vl2_seg(S_TR, SEL_TSS, 0x8b, 103, tss);
	/* Its TSS and the stack for its traps from CPL 3 lie above. */
	*(u64 *)(tss + 4) = (u64)l2->stack + 4 * PAGE_SIZE;
	/* No I/O map */
	*(u16 *)(tss + 102) = 104;
	vw(GUEST_GDTR_BASE, gdt.base);
	/* An exit made the host's limit 0xffff. */
	vw(GUEST_GDTR_LIMIT, 12 * 8 - 1);
	vw(GUEST_IDTR_BASE, (u64)l2_idt);
	vw(GUEST_IDTR_LIMIT, 4095);
	vw(GUEST_CR0, read_cr0());
	vw(GUEST_CR3, (u64)boot_pml4);
	vw(GUEST_CR4, read_cr4());
	vw(GUEST_DR7, 0x400);
	vw(GUEST_RFLAGS, 2);
	vw(GUEST_RIP, rip);
	vw(GUEST_RSP, sp);
	*(u64 *)sp = (u64)l2_done;
	vw(GUEST_LINK, ~0ull);
	vw(GUEST_DEBUGCTL, 0);
	vw(GUEST_PENDING_DBG, 0);
	vw(GUEST_INTERRUPTIBILITY, 0);
	vw(GUEST_ACTIVITY, ACT_ACTIVE);
	vw(GUEST_SYSENTER_CS, 0);
	vw(GUEST_SYSENTER_ESP, 0);
	vw(GUEST_SYSENTER_EIP, 0);
	if (caps_may_set(CTRL_ENTRY, ENTRY_LOAD_EFER))
		vw(GUEST_EFER, rdmsr(MSR_EFER));
	if (caps_may_set(CTRL_ENTRY, ENTRY_LOAD_PAT))
		vw(GUEST_PAT, rdmsr(MSR_PAT));
}

static u64 minimum(u32 field, u64 want)
{
	u64 c = caps_of(field);

	return (want | (u32)c) & c >> 32;
}

static void controls(struct vl2 *l2)
{
	u64 proc2 = 0;

	if (cpu_features & VF_EPT)
		proc2 = PROC2_EPT | PROC2_UNRESTRICTED;
	vw(CTRL_PIN, minimum(CTRL_PIN, PIN_EXT_INT | PIN_NMI));
	vw(CTRL_PROC, minimum(CTRL_PROC, PROC_MSR_BITMAPS | (proc2 ? PROC_SECONDARY : 0)));
	vw(CTRL_EXIT, minimum(CTRL_EXIT, EXIT_HOST_64 | EXIT_SAVE_DEBUG | EXIT_SAVE_EFER |
					 EXIT_LOAD_EFER));
	vw(CTRL_ENTRY, minimum(CTRL_ENTRY, ENTRY_IA32E | ENTRY_LOAD_DEBUG | ENTRY_LOAD_EFER));
	if (cpu_features & VF_SECONDARY)
		vw(CTRL_PROC2, minimum(CTRL_PROC2, proc2));
	if (cpu_features & VF_MSRBMP)
		vw(CTRL_MSR_BITMAP, (u64)alloc_page());
	if (proc2) {
		l2->ept = ept_default();
		vw(CTRL_EPTP, eptp_of(l2->ept));
	}
	vw(CTRL_EXCEPTIONS, 0);
	vw(CTRL_PF_MASK, 0);
	vw(CTRL_PF_MATCH, 0);
	vw(CTRL_CR3_COUNT, 0);
	vw(CTRL_EXIT_STORE_COUNT, 0);
	vw(CTRL_EXIT_LOAD_COUNT, 0);
	vw(CTRL_ENTRY_LOAD_COUNT, 0);
	vw(CTRL_ENTRY_INFO, 0);
	vw(CTRL_ENTRY_ERROR, 0);
	vw(CTRL_ENTRY_LEN, 0);
	vw(CTRL_TSC_OFFSET, 0);
	vw(CTRL_CR0_MASK, 0);
	vw(CTRL_CR0_SHADOW, 0);
	vw(CTRL_CR4_MASK, 0);
	vw(CTRL_CR4_SHADOW, 0);
}

void vl2_init_at(struct vl2 *l2, const void *code)
{
	memset(l2, 0, sizeof(*l2));
	l2->stack = alloc_pages(4);
	l2->vmcs = vmcs_new();
	if (vmptrld(&l2->vmcs) != VM_OK)
		FAIL("VMPTRLD of a new VMCS failed");
	controls(l2);
	host_state();
	guest_state(l2, (u64)code);
}

void vl2_init(struct vl2 *l2, void (*fn)(void *arg), void *arg)
{
	vl2_init_at(l2, (void *)fn);
	l2->rdi = (u64)arg;
}

void vl2_set_user(struct vl2 *l2)
{
	int s;

	vl2_seg(S_CS, SEL_UCS, 0xa0fb, ~0u, 0);
	for (s = S_ES; s <= S_DS; s++)
		if (s != S_CS)
			vl2_seg(s, SEL_UDS, 0xc0f3, ~0u, 0);
}

/* An entry that failed leaves L1's registers alone, but for those of the host-state area. */
static void check_kept(const struct vl2 *was, const struct vl2 *now)
{
	if (memcmp(was, now, 15 * sizeof(u64)))
		FAIL("an entry that failed changed registers");
}

void vl2_run(struct vl2 *l2)
{
	u64 cr0 = read_cr0(), cr3 = read_cr3(), cr4 = read_cr4();
	u64 efer = rdmsr(MSR_EFER), cur = 0;
	const struct vl2 was = *l2;

	vmptrst(&cur);
	if (cur != l2->vmcs && vmptrld(&l2->vmcs) != VM_OK)
		FAIL("VMPTRLD of L2's VMCS failed");
	vmx_run_asm(l2);
	l2->error = 0;
	if (l2->flags) {
		enum vm_status s = vm_status(l2->flags);

		l2->reason = R_NONE;
		check_kept(&was, l2);
		if (s == VM_FAIL_VALID)
			l2->error = insn_error();
		else if (s != VM_FAIL_INVALID)
			FAIL("RFLAGS after a failed entry: %llx", l2->flags);
		return;
	}
	l2->reason = vr(EXIT_REASON);
	if (l2->reason & R_ENTRY_FAILED)
		check_kept(&was, l2);
	else
		l2->launched = 1;
	/* CD and NW are not switched: what L2 wrote stays. */
	if ((read_cr0() ^ cr0) & ~(CR0_CD | CR0_NW) || read_cr3() != cr3 || read_cr4() != cr4 ||
	    rdmsr(MSR_EFER) != efer)
		FAIL("host CR0, CR3, CR4 or EFER changed: %llx %llx %llx %llx", read_cr0(),
		     read_cr3(), read_cr4(), rdmsr(MSR_EFER));
	/* What L2 could not take is the host's. */
	irq_on();
	irq_off();
}

void vl2_tell(struct vl2 *l2)
{
	if (l2->reason == R_NONE) {
		say("#   no entry: flags %llx error %u\n", l2->flags, l2->error);
		return;
	}
	say("#   exit %x qualification %llx rip %llx info %llx idt %llx\n", l2->reason, vr(EXIT_QUAL),
	    vr(GUEST_RIP), vr(EXIT_INTR_INFO), vr(IDT_INFO));
	if (l2->reason == R_EPT_VIOLATION || l2->reason == R_EPT_MISCONFIG)
		say("#   guest-physical %llx linear %llx\n", vr(GUEST_PHYSICAL), vr(GUEST_LINEAR));
	if (l2->reason == R_VMCALL && vr(GUEST_RIP) == (u64)l2_trap_vmmcall) {
		struct l2_frame *fr = (void *)vr(GUEST_RSP);

		say("#   L2 took exception %llu error %llx at %llx\n", fr->vec, fr->err, fr->rip);
	}
}

bool vl2_expect(struct vl2 *l2, u32 reason)
{
	vl2_run(l2);
	if (l2->reason == reason)
		return true;
	if (l2->reason == R_NONE)
		FAIL("VM entry failed, error %u, expected exit %x", l2->error, reason);
	else
		FAIL("exit %x, expected %x", l2->reason, reason);
	vl2_tell(l2);
	return false;
}

bool vl2_expect_error(struct vl2 *l2, u32 error)
{
	vl2_run(l2);
	if (l2->reason == R_NONE && l2->error == error)
		return true;
	if (l2->reason == R_NONE)
		FAIL("VM entry failed with error %u, expected %u", l2->error, error);
	else
		FAIL("exit %x, expected VM-instruction error %u", l2->reason, error);
	if (l2->reason != R_NONE)
		vl2_tell(l2);
	return false;
}

bool vl2_expect_skip(struct vl2 *l2, u32 reason, u32 len)
{
	if (!vl2_expect(l2, reason))
		return false;
	CHECK_EQ(vr(EXIT_LEN), len);
	vw(GUEST_RIP, vr(GUEST_RIP) + len);
	return true;
}

bool vl2_expect_done(struct vl2 *l2)
{
	if (!vl2_expect(l2, R_VMCALL))
		return false;
	if (vr(GUEST_RIP) != (u64)l2_trap_vmmcall)
		return true;
	FAIL("L2 ended in an exception");
	vl2_tell(l2);
	return false;
}

bool vl2_expect_trap(struct vl2 *l2, u64 vec, struct l2_frame *out)
{
	struct l2_frame *fr;

	if (!vl2_expect(l2, R_VMCALL))
		return false;
	if (vr(GUEST_RIP) != (u64)l2_trap_vmmcall) {
		FAIL("L2 went on to VMCALL at %llx, expected its exception %llu", vr(GUEST_RIP), vec);
		return false;
	}
	fr = (void *)vr(GUEST_RSP);
	if (out)
		*out = *fr;
	if (fr->vec != vec)
		FAIL("L2 took exception %llu error %llx at %llx, expected %llu", fr->vec, fr->err,
		     fr->rip, vec);
	return fr->vec == vec;
}

void vl2_trap_return(struct vl2 *l2)
{
	vw(GUEST_RIP, (u64)l2_trap_resume);
}
