// SPDX-License-Identifier: GPL-2.0-only
/*
 * 64-bit L2 guests: by default one shares the image's address space (its page
 * tables, identity nested paging), runs a C function or a labelled piece of
 * code and ends with VMMCALL. Its exceptions go to its own IDT, whose handlers
 * report by VMMCALL too.
 */
#include "l1.h"

extern u64 boot_pml4[];

struct desc_ptr { u16 limit; u64 base; } __packed;

static void seg(struct vmcb_seg *s, u16 sel, u16 attrib, u32 limit, u64 base)
{
	s->sel = sel;
	s->attrib = attrib;
	s->limit = limit;
	s->base = base;
}

static void l2_state(struct l2 *l2, u64 rip)
{
	struct vmcb_save *s = &l2->vmcb->s;
	struct desc_ptr gdt;

	__asm__ volatile("sgdt %0" : "=m"(gdt));
	seg(&s->cs, SEL_CS, 0xa9b, ~0u, 0);
	seg(&s->ds, SEL_DS, 0xc93, ~0u, 0);
	s->es = s->ds;
	s->ss = s->ds;
	s->fs = s->ds;
	s->gs = s->ds;
	seg(&s->gdtr, 0, 0, gdt.limit, gdt.base);
	seg(&s->idtr, 0, 0, 4095, (u64)l2_idt);
	seg(&s->tr, SEL_TSS, 0x08b, 103, (u64)l2->stack + 2 * PAGE_SIZE);
	seg(&s->ldtr, 0, 0, 0, 0);
	s->efer = rdmsr(MSR_EFER);
	s->cr0 = read_cr0();
	s->cr3 = (u64)boot_pml4;
	s->cr4 = read_cr4();
	s->dr6 = 0xffff0ff0;
	s->dr7 = 0x400;
	s->rflags = 2;
	s->rip = rip;
	s->rsp = (u64)l2->stack + 2 * PAGE_SIZE - 64;
	s->g_pat = 0x0007040600070406ull;
	*(u64 *)s->rsp = (u64)l2_done;
	/* Its TSS and the stack for its traps from CPL 3 lie above. */
	*(u64 *)(s->tr.base + 4) = (u64)l2->stack + 4 * PAGE_SIZE;
}

void l2_init_at(struct l2 *l2, const void *code)
{
	struct vmcb_control *c;

	memset(l2, 0, sizeof(*l2));
	l2->vmcb = alloc_page();
	l2->stack = alloc_pages(4);
	l2->host = this_cpu()->host_vmcb;
	l2->flags = RUN_HOST_IF;
	l2->npt = npt_default();
	l2_state(l2, (u64)code);
	c = &l2->vmcb->c;
	c->misc1 = 1u << I1_INTR | 1u << I1_NMI | 1u << I1_SHUTDOWN;
	c->misc2 = 1u << I2_VMRUN | 1u << I2_VMMCALL;
	c->int_ctl = V_INTR_MASKING;
	c->asid = this_cpu()->id + 1;
	c->tlb_control = TLB_ALL;
	if (cpu_features & F_NPT) {
		c->np_enable = 1;
		c->n_cr3 = (u64)l2->npt;
	}
}

void l2_init(struct l2 *l2, void (*fn)(void *arg), void *arg)
{
	l2_init_at(l2, (void *)fn);
	l2->rdi = (u64)arg;
}

void l2_set_user(struct l2 *l2)
{
	struct vmcb_save *s = &l2->vmcb->s;

	seg(&s->cs, SEL_UCS, 0xafb, ~0u, 0);
	seg(&s->ss, SEL_UDS, 0xcf3, ~0u, 0);
	s->ds = s->ss;
	s->es = s->ss;
	s->cpl = 3;
}

/*
 * What a #VMEXIT owes the host whatever its reason: registers that only the
 * save area could have restored.
 */
void l2_run(struct l2 *l2)
{
	u64 cr0 = read_cr0(), cr3 = read_cr3(), cr4 = read_cr4();
	u64 efer = rdmsr(MSR_EFER);
	struct desc_ptr idt0, idt1, gdt0, gdt1;
	const struct l2 was = *l2;

	__asm__ volatile("sidt %0; sgdt %1" : "=m"(idt0), "=m"(gdt0));
	vmrun_kept_asm(l2);
	__asm__ volatile("sidt %0; sgdt %1" : "=m"(idt1), "=m"(gdt1));
	if (read_cr0() != cr0 || read_cr3() != cr3 || read_cr4() != cr4 ||
	    rdmsr(MSR_EFER) != efer)
		FAIL("host CR0, CR3, CR4 or EFER changed: %llx %llx %llx %llx", read_cr0(),
		     read_cr3(), read_cr4(), rdmsr(MSR_EFER));
	if (memcmp(&idt0, &idt1, sizeof(idt0)) || memcmp(&gdt0, &gdt1, sizeof(gdt0)))
		FAIL("host IDTR or GDTR changed");
	if (l2->host_rax != (u64)l2->vmcb)
		FAIL("host RAX changed from %llx to %llx", (u64)l2->vmcb, l2->host_rax);
	/* The others are the host's still, where there was no guest. */
	if (l2->vmcb->c.exitcode == X_INVALID && memcmp(&was.rcx, &l2->rcx, 14 * sizeof(u64)))
		FAIL("a VMRUN that failed changed registers");
	if (l2->vmcb->c.tlb_control <= TLB_ALL)
		l2->vmcb->c.tlb_control = TLB_NOTHING;
}

bool l2_expect(struct l2 *l2, u64 code)
{
	struct vmcb *v = l2->vmcb;

	l2_run(l2);
	if (v->c.exitcode == code)
		return true;
	FAIL("exit %llx (info %llx %llx) at rip %llx, expected exit %llx", v->c.exitcode,
	     v->c.exitinfo1, v->c.exitinfo2, v->s.rip, code);
	if (v->c.exitcode == X_VMMCALL && v->s.rip == (u64)l2_trap_vmmcall) {
		struct l2_frame *fr = (void *)v->s.rsp;

		say("#   L2 took exception %llu error %llx at %llx\n", fr->vec, fr->err, fr->rip);
	}
	return false;
}

void check_nrip(struct l2 *l2, u32 len)
{
	if (cpu_features & F_NRIPS)
		CHECK_EQ(l2->vmcb->c.nrip, l2->vmcb->s.rip + len);
}

bool l2_expect_skip(struct l2 *l2, u64 code, u32 len)
{
	if (!l2_expect(l2, code))
		return false;
	check_nrip(l2, len);
	l2->vmcb->s.rip += len;
	return true;
}

bool l2_expect_done(struct l2 *l2)
{
	u64 rip;

	if (!l2_expect(l2, X_VMMCALL))
		return false;
	rip = l2->vmcb->s.rip;
	if (rip == (u64)l2_trap_vmmcall) {
		struct l2_frame *fr = (void *)l2->vmcb->s.rsp;

		FAIL("L2 took exception %llu error %llx at %llx", fr->vec, fr->err, fr->rip);
		return false;
	}
	return true;
}

bool l2_expect_trap(struct l2 *l2, u64 vec, struct l2_frame *out)
{
	struct l2_frame *fr;

	if (!l2_expect(l2, X_VMMCALL))
		return false;
	if (l2->vmcb->s.rip != (u64)l2_trap_vmmcall) {
		FAIL("L2 went on to VMMCALL at %llx, expected its exception %llu",
		     l2->vmcb->s.rip, vec);
		return false;
	}
	fr = (void *)l2->vmcb->s.rsp;
	if (out)
		*out = *fr;
	if (fr->vec != vec)
		FAIL("L2 took exception %llu error %llx at %llx, expected %llu", fr->vec, fr->err,
		     fr->rip, vec);
	return fr->vec == vec;
}

void l2_trap_return(struct l2 *l2)
{
	l2->vmcb->s.rip = (u64)l2_trap_resume;
}
