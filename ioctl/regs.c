// SPDX-License-Identifier: GPL-2.0-only
/*
 * General, segment and control registers of the current run (L2's while L2 runs).
 * What is set is checked as a whole first; then nothing can fail.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "core/events.h"
#include "core/hw_ops.h"
#include "core/irq.h"
#include "core/msr.h"
#include "ioctl/ioctl.h"
#include "mmu/gva.h"

/* Bits that RFLAGS does not have: 63:22, 15, 5, 3. */
#define RFLAGS_RESERVED	(~0x3fffffull | BIT(15) | BIT(5) | BIT(3))

static u64 visible_rflags(struct nestor_vcpu *vcpu)
{
	u64 flags = vcpu->run->rflags | X86_EFLAGS_FIXED;

	/* A trap flag that was lent to find the end of an NMI handler is not the guest's. */
	if (vcpu->singlestep_nmi && !vcpu->singlestep_tf)
		flags &= ~(u64)X86_EFLAGS_TF;
	return flags;
}

static u8 cpl_of(u64 cr0, u64 rflags, u8 ss_dpl)
{
	if (!(cr0 & X86_CR0_PE))
		return 0;
	return rflags & X86_EFLAGS_VM ? 3 : ss_dpl & 3;
}

static void set_cpl(struct guest_run *run, u64 rflags)
{
	run_need(run, GRP_CR | GRP_SEG);
	run->cpl = cpl_of(run->cr0, rflags, (run->seg[SEG_SS].attrib & SEG_ATTR_DPL) >> 5);
}

void regs_get(struct nestor_vcpu *vcpu, struct kvm_regs *r)
{
	const u64 *g = vcpu->run->gpr;

	*r = (struct kvm_regs){
		.rax = g[REG_RAX], .rbx = g[REG_RBX], .rcx = g[REG_RCX], .rdx = g[REG_RDX],
		.rsi = g[REG_RSI], .rdi = g[REG_RDI], .rsp = g[REG_RSP], .rbp = g[REG_RBP],
		.r8 = g[REG_R8], .r9 = g[REG_R9], .r10 = g[REG_R10], .r11 = g[REG_R11],
		.r12 = g[REG_R12], .r13 = g[REG_R13], .r14 = g[REG_R14], .r15 = g[REG_R15],
		.rip = vcpu->run->rip, .rflags = visible_rflags(vcpu),
	};
}

int regs_set(struct nestor_vcpu *vcpu, const struct kvm_regs *r)
{
	struct guest_run *run = vcpu->run;
	u64 *g = run->gpr;

	if (r->rflags & RFLAGS_RESERVED)
		return -EINVAL;
	if ((r->rflags ^ run->rflags) & X86_EFLAGS_VM)
		set_cpl(run, r->rflags);
	g[REG_RAX] = r->rax;
	g[REG_RBX] = r->rbx;
	g[REG_RCX] = r->rcx;
	g[REG_RDX] = r->rdx;
	g[REG_RSI] = r->rsi;
	g[REG_RDI] = r->rdi;
	g[REG_RSP] = r->rsp;
	g[REG_RBP] = r->rbp;
	g[REG_R8] = r->r8;
	g[REG_R9] = r->r9;
	g[REG_R10] = r->r10;
	g[REG_R11] = r->r11;
	g[REG_R12] = r->r12;
	g[REG_R13] = r->r13;
	g[REG_R14] = r->r14;
	g[REG_R15] = r->r15;
	run->rip = r->rip;
	run->rflags = r->rflags | X86_EFLAGS_FIXED;
	if (vcpu->singlestep_nmi) {
		vcpu->singlestep_tf = r->rflags & X86_EFLAGS_TF;
		run->rflags |= X86_EFLAGS_TF;
	}
	/* A fault of the instruction that was there is not this one's. */
	vcpu->ev.excp.pending = false;
	vcpu->was_set = true;
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

static void get_seg(struct guest_run *run, enum guest_sreg n, struct kvm_segment *out)
{
	const struct guest_seg *s = run_seg(run, n);
	u16 a = s->attrib;

	*out = (struct kvm_segment){
		.base = s->base, .limit = s->limit, .selector = s->sel,
		.type = a & SEG_ATTR_TYPE, .s = !!(a & SEG_ATTR_S), .dpl = (a & SEG_ATTR_DPL) >> 5,
		.present = !!(a & SEG_ATTR_P), .avl = !!(a & SEG_ATTR_AVL),
		.l = !!(a & SEG_ATTR_L), .db = !!(a & SEG_ATTR_DB), .g = !!(a & SEG_ATTR_G),
		.unusable = !(a & SEG_ATTR_P),
	};
	/* The processor keeps CPL apart from SS; the ABI has only SS.DPL for it. */
	if (n == SEG_SS)
		out->dpl = run->cpl;
	/* A TSS in TR is busy; an emulated CPU forgets it after a task switch. */
	if (n == SEG_TR && out->present && (out->type == 1 || out->type == 9))
		out->type |= 2;
}

static struct guest_seg seg_of(const struct kvm_segment *in)
{
	struct guest_seg s = { .base = in->base, .limit = in->limit, .sel = in->selector };

	s.attrib = (in->type & 15) | (in->dpl & 3) << 5;
	if (in->s & 1)
		s.attrib |= SEG_ATTR_S;
	if ((in->present & 1) && !(in->unusable & 1))
		s.attrib |= SEG_ATTR_P;
	if (in->avl & 1)
		s.attrib |= SEG_ATTR_AVL;
	if (in->l & 1)
		s.attrib |= SEG_ATTR_L;
	if (in->db & 1)
		s.attrib |= SEG_ATTR_DB;
	if (in->g & 1)
		s.attrib |= SEG_ATTR_G;
	return s;
}

/* As far as @s goes: RFLAGS and RIP come with another call, earlier or later. */
static struct guest_image image_of(const struct kvm_sregs2 *s, u64 rflags)
{
	return (struct guest_image){
		.cr0 = s->cr0, .cr4 = s->cr4, .efer = s->efer, .rflags = rflags,
		.cpl = cpl_of(s->cr0, rflags, s->ss.dpl),
		.gdtr.base = s->gdt.base, .idtr.base = s->idt.base,
		.seg[SEG_ES] = seg_of(&s->es), .seg[SEG_CS] = seg_of(&s->cs),
		.seg[SEG_SS] = seg_of(&s->ss), .seg[SEG_DS] = seg_of(&s->ds),
		.seg[SEG_FS] = seg_of(&s->fs), .seg[SEG_GS] = seg_of(&s->gs),
		.seg[SEG_LDTR] = seg_of(&s->ldt), .seg[SEG_TR] = seg_of(&s->tr),
	};
}

/* No RFLAGS would make the CPU take them. */
static bool refused(const struct kvm_sregs2 *s)
{
	struct guest_image image = image_of(s, X86_EFLAGS_FIXED);

	if (!hw->refuses(&image))
		return false;
	image = image_of(s, X86_EFLAGS_FIXED | X86_EFLAGS_VM);
	return hw->refuses(&image);
}

/* struct kvm_sregs and kvm_sregs2 begin alike, up to apic_base. */
static void get_common(struct nestor_vcpu *vcpu, struct kvm_sregs2 *s)
{
	struct guest_run *run = vcpu->run;

	memset(s, 0, sizeof(*s));
	run_need(run, GRP_SEG | GRP_DTABLE | GRP_CR | GRP_CR2 | GRP_SYS);
	get_seg(run, SEG_CS, &s->cs);
	get_seg(run, SEG_DS, &s->ds);
	get_seg(run, SEG_ES, &s->es);
	get_seg(run, SEG_FS, &s->fs);
	get_seg(run, SEG_GS, &s->gs);
	get_seg(run, SEG_SS, &s->ss);
	get_seg(run, SEG_TR, &s->tr);
	get_seg(run, SEG_LDTR, &s->ldt);
	s->gdt.base = run->gdtr.base;
	s->gdt.limit = run->gdtr.limit;
	s->idt.base = run->idtr.base;
	s->idt.limit = run->idtr.limit;
	s->cr0 = run->cr0;
	s->cr2 = run->cr2;
	s->cr3 = run->cr3;
	s->cr4 = run->cr4;
	s->cr8 = cr8_read(vcpu);
	s->efer = run->efer;
	s->apic_base = vcpu->msr.apic_base;
}

static void apply_common(struct nestor_vcpu *vcpu, const struct kvm_sregs2 *s)
{
	struct guest_run *run = vcpu->run;
	const struct guest_image image = image_of(s, run->rflags);
	enum guest_sreg n;
	int idx;

	run_need(run, GRP_SEG | GRP_DTABLE | GRP_CR | GRP_CR2 | GRP_SYS);
	for (n = 0; n < NR_GUEST_SREGS; n++)
		*run_seg_ptr(run, n) = image.seg[n];
	run->cpl = image.cpl;
	run->gdtr = (struct guest_dtable){ .limit = s->gdt.limit, .base = s->gdt.base };
	run->idtr = (struct guest_dtable){ .limit = s->idt.limit, .base = s->idt.base };
	run->cr0 = s->cr0 | X86_CR0_ET;
	run->cr2 = s->cr2;
	run->cr3 = s->cr3;
	run->cr4 = s->cr4;
	run_dirty(run, GRP_SEG | GRP_DTABLE | GRP_CR | GRP_CR2 | GRP_SYS);
	run->flush = true;
	idx = srcu_read_lock(&vcpu->vm->srcu);
	pdpte_reload(vcpu);
	srcu_read_unlock(&vcpu->vm->srcu, idx);
	cr8_write(vcpu, s->cr8 & 0xf);
	vcpu->was_set = true;
	vcpu_request(vcpu, REQ_EVENT);
}

static int set_common(struct nestor_vcpu *vcpu, const struct kvm_sregs2 *s)
{
	u64 old_base = vcpu->msr.apic_base;
	int ret;

	ret = cr_set_check(vcpu, s->cr0, s->cr3, s->cr4, s->efer, s->cs.l & 1,
			   s->cs.db & 1);
	if (ret)
		return ret;
	if ((s->cr8 & ~0xfull) || refused(s))
		return -EINVAL;
	ret = msr_set(vcpu, MSR_IA32_APICBASE, s->apic_base, true);
	if (ret)
		return ret;
	/* The frontend may still object to SVME; then nothing was changed yet. */
	ret = efer_write(vcpu, s->efer, true);
	if (ret) {
		msr_set(vcpu, MSR_IA32_APICBASE, old_base, true);
		return ret;
	}
	apply_common(vcpu, s);
	return 0;
}

/* An interrupt taken from its source but not delivered yet. */
static void get_bitmap(struct nestor_vcpu *vcpu, u64 *bitmap)
{
	if (vcpu->ev.intr.injected && !vcpu->ev.intr.soft)
		bitmap[vcpu->ev.intr.vector / 64] |= BIT_ULL(vcpu->ev.intr.vector % 64);
}

static void set_bitmap(struct nestor_vcpu *vcpu, const u64 *bitmap)
{
	unsigned int i;

	for (i = 0; i < KVM_NR_INTERRUPTS; i++)
		if (bitmap[i / 64] & BIT_ULL(i % 64))
			break;
	if (i == KVM_NR_INTERRUPTS)
		return;
	vcpu->ev.intr.injected = true;
	vcpu->ev.intr.soft = false;
	vcpu->ev.intr.vector = i;
}

#define COMMON_SIZE	offsetof(struct kvm_sregs, interrupt_bitmap)

void sregs_get(struct nestor_vcpu *vcpu, struct kvm_sregs *s)
{
	struct kvm_sregs2 s2;

	BUILD_BUG_ON(COMMON_SIZE != offsetof(struct kvm_sregs2, flags));
	get_common(vcpu, &s2);
	memset(s, 0, sizeof(*s));
	memcpy(s, &s2, COMMON_SIZE);
	get_bitmap(vcpu, s->interrupt_bitmap);
}

int sregs_set(struct nestor_vcpu *vcpu, const struct kvm_sregs *s)
{
	struct kvm_sregs2 s2 = { };
	int ret;

	memcpy(&s2, s, COMMON_SIZE);
	ret = set_common(vcpu, &s2);
	if (!ret)
		set_bitmap(vcpu, s->interrupt_bitmap);
	return ret;
}

static int get_sregs(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_sregs s;

	sregs_get(vcpu, &s);
	return copy_to_user(argp, &s, sizeof(s)) ? -EFAULT : 0;
}

static int set_sregs(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_sregs s;

	return copy_from_user(&s, argp, sizeof(s)) ? -EFAULT : sregs_set(vcpu, &s);
}

/* PDPTEs are read from memory at each walk when paging is nested: never shown, not needed. */
static bool pae_paging(const struct kvm_sregs2 *s)
{
	return (s->cr0 & X86_CR0_PG) && (s->cr4 & X86_CR4_PAE) && !(s->efer & EFER_LMA);
}

static int get_sregs2(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_sregs2 s;

	get_common(vcpu, &s);
	if (hw_caps.pdpte_regs && pae_paging(&s)) {
		run_need(vcpu->run, GRP_PDPTE);
		memcpy(s.pdptrs, vcpu->run->pdpte, sizeof(s.pdptrs));
		s.flags |= KVM_SREGS2_FLAGS_PDPTRS_VALID;
	}
	return copy_to_user(argp, &s, sizeof(s)) ? -EFAULT : 0;
}

/* Entries that are present have reserved bits (SDM vol. 3, "PDPTE Registers"). */
static bool bad_pdptrs(const struct nestor_vcpu *vcpu, const u64 *pdptrs)
{
	u64 reserved = vcpu->cpuid.rsvd_gpa_bits | ~0ull << boot_cpu_data.x86_phys_bits | 0x1e6;
	unsigned int i;

	for (i = 0; i < 4; i++)
		if ((pdptrs[i] & 1) && (pdptrs[i] & reserved))
			return true;
	return false;
}

static int set_sregs2(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_sregs2 s;
	int ret;

	if (copy_from_user(&s, argp, sizeof(s)))
		return -EFAULT;
	if (s.flags & ~(u64)KVM_SREGS2_FLAGS_PDPTRS_VALID)
		return -EINVAL;
	if ((s.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID) && !pae_paging(&s))
		return -EINVAL;
	if ((s.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID) && bad_pdptrs(vcpu, s.pdptrs))
		return -EINVAL;
	ret = set_common(vcpu, &s);
	/* What the guest runs on may differ from what is in memory by now. */
	if (!ret && (s.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID)) {
		memcpy(vcpu->run->pdpte, s.pdptrs, sizeof(s.pdptrs));
		run_dirty(vcpu->run, GRP_PDPTE);
	}
	return ret;
}

static int get_regs_user(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_regs r;

	regs_get(vcpu, &r);
	return copy_to_user(argp, &r, sizeof(r)) ? -EFAULT : 0;
}

static int set_regs_user(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_regs r;

	if (copy_from_user(&r, argp, sizeof(r)))
		return -EFAULT;
	return regs_set(vcpu, &r);
}

static int translate(struct nestor_vcpu *vcpu, void __user *argp)
{
	struct kvm_translation t;
	struct gva_fault fault;
	struct l1_gpa gpa;
	int idx, ret;

	if (copy_from_user(&t, argp, sizeof(t)))
		return -EFAULT;
	idx = srcu_read_lock(&vcpu->vm->srcu);
	ret = gva_to_l1(vcpu, t.linear_address, 0, &gpa, &fault);
	srcu_read_unlock(&vcpu->vm->srcu, idx);
	t.physical_address = ret ? ~0ull : gpa.a;
	t.valid = !ret;
	t.writeable = 1;
	t.usermode = 0;
	return copy_to_user(argp, &t, sizeof(t)) ? -EFAULT : 0;
}

long vcpu_regs_ioctl(struct nestor_vcpu *vcpu, unsigned int cmd, void __user *argp)
{
	switch (cmd) {
	case KVM_GET_REGS:
		return get_regs_user(vcpu, argp);
	case KVM_SET_REGS:
		return set_regs_user(vcpu, argp);
	case KVM_GET_SREGS:
		return get_sregs(vcpu, argp);
	case KVM_SET_SREGS:
		return set_sregs(vcpu, argp);
	case KVM_GET_SREGS2:
		return get_sregs2(vcpu, argp);
	case KVM_SET_SREGS2:
		return set_sregs2(vcpu, argp);
	case KVM_TRANSLATE:
		return translate(vcpu, argp);
	}
	return -ENOIOCTLCMD;
}
