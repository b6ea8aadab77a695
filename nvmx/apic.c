// SPDX-License-Identifier: GPL-2.0-only
/*
 * APIC virtualisation for L2 (SDM vol. 3, "APIC Virtualization and Virtual Interrupts").
 *
 * The CPU that runs L2 works on a page of L0's own and never on L1's memory: the registers
 * are copied in at an entry and what L2 changed is copied out at the exit.  So nothing of
 * L1 is pinned, L1 and the VMM may do with the page what they like, and a page that is not
 * there reads as ones and takes no writes.  Only VTPR is copied where nothing else can
 * be reached.
 *
 * An APIC-access page is an address that the CPU compares with; it is neither read nor
 * written.  A reference from entry to exit keeps that address from becoming another
 * page's; the mapping itself is the MMU's business, as of any page.
 */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "core/events.h"
#include "core/hw_ops.h"
#include "core/insn.h"
#include "core/lapic.h"
#include "core/x86.h"
#include "mmu/mmu.h"
#include "nvmx/exit_table.h"
#include "nvmx/nvmx.h"
#include "nvmx/vapic.h"

#define MSR_WRITE_BITMAP	0x800
/* Bits of guest_vapic.x2apic_write, by the MSR's low byte */
#define READ_PPR		BIT_ULL(VAPIC_PPR >> 4)
#define WRITE_TPR		BIT_ULL(X2APIC_TPR & 0xff)
#define WRITE_VID		(BIT_ULL(X2APIC_EOI & 0xff) | BIT_ULL(X2APIC_SELF_IPI & 0xff))

int nvmx_apic_init(struct nvmx_apic *a)
{
	a->page = (u8 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	a->was = kzalloc(VAPIC_SIZE, GFP_KERNEL_ACCOUNT);
	return a->page && a->was ? 0 : -ENOMEM;
}

static void drop_access_page(struct nvmx_apic *a)
{
	if (!a->access)
		return;
	put_page(a->access);
	a->access = NULL;
}

void nvmx_apic_free(struct nvmx_apic *a)
{
	drop_access_page(a);
	free_page((unsigned long)a->page);
	kfree(a->was);
}

static void load_page(struct nestor_vcpu *vcpu, const struct vmcs12 *v)
{
	struct nvmx_apic *a = &nvmx_of(vcpu)->apic;
	unsigned int at = 0, len = VAPIC_SIZE;

	a->whole = nvmx_cpu2(v) & (CPU2_APIC_REGS | CPU2_VID);
	if (!a->whole) {
		at = VAPIC_TPR;
		len = sizeof(u32);
	}
	if (gmem_read(vcpu, l1_gpa(v->virtual_apic_addr + at), a->page + at, len))
		memset(a->page + at, 0xff, len);
	memcpy(a->was + at, a->page + at, len);
}

/* A register, and what lies between it and the next; reserved there, but for x2APIC's wide ones. */
static void store_register(struct nestor_vcpu *vcpu, unsigned int reg, unsigned int len)
{
	struct nvmx_apic *a = &nvmx_of(vcpu)->apic;

	if (likely(!memcmp(a->page + reg, a->was + reg, len)))
		return;
	(void)gmem_write(vcpu, l1_gpa(nvmx_of(vcpu)->vmcs12->virtual_apic_addr + reg),
			 a->page + reg, len);
	memcpy(a->was + reg, a->page + reg, len);
}

/* L1's bitmap decides which of the virtualised MSRs do without an exit. */
static void pass_x2apic(struct nestor_vcpu *vcpu, const struct vmcs12 *v, struct guest_vapic *g)
{
	bool regs = nvmx_cpu2(v) & CPU2_APIC_REGS;
	u64 rd[4], wr, at = v->msr_bitmap + X2APIC_FIRST / 8;
	int i;

	if (!(v->cpu_ctls & CPU_MSR_BITMAPS) ||
	    gmem_read(vcpu, l1_gpa(at), rd, sizeof(rd)) ||
	    gmem_read(vcpu, l1_gpa(at + MSR_WRITE_BITMAP), &wr, sizeof(wr)))
		return;
	for (i = 0; i < 4; i++)
		g->x2apic_read[i] = regs ? ~rd[i] : 0;
	if (!regs)
		g->x2apic_read[0] = ~rd[0] & WRITE_TPR;
	else if (nvmx_of(vcpu)->apic.soft)
		/* VPPR is made when somebody looks. */
		g->x2apic_read[0] &= ~READ_PPR;
	g->x2apic_write = ~wr & (g->vid ? WRITE_TPR | WRITE_VID : WRITE_TPR);
}

static void take_access_page(struct nestor_vcpu *vcpu, const struct vmcs12 *v,
			     struct guest_vapic *g)
{
	struct nvmx_apic *a = &nvmx_of(vcpu)->apic;

	drop_access_page(a);
	if (!(nvmx_cpu2(v) & CPU2_APIC_ACCESS))
		return;
	g->access = true;
	a->access = gmem_hold(vcpu, l1_gpa(v->apic_access_addr));
	/* No memory there: L2's accesses fault, and no address may match by chance. */
	g->access_page = hpa(a->access ? page_to_phys(a->access) : virt_to_phys(a->page));
}

void nvmx_apic_enter(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	const struct vmcs12 *v = n->vmcs12;
	struct guest_vapic g;
	int i;

	memset(&g, 0, sizeof(g));
	n->apic.on = v->cpu_ctls & CPU_TPR_SHADOW;
	n->apic.vid = n->apic.on && (nvmx_cpu2(v) & CPU2_VID);
	n->apic.soft = n->apic.vid && !hw_caps.vid;
	n->apic.lent = false;
	if (n->apic.on) {
		load_page(vcpu, v);
		g.tpr_shadow = true;
		g.page = hpa(virt_to_phys(n->apic.page));
		g.regs = nvmx_cpu2(v) & CPU2_APIC_REGS;
		g.vid = n->apic.vid && !n->apic.soft;
		g.x2apic = nvmx_cpu2(v) & CPU2_X2APIC;
		g.threshold = n->apic.vid ? 0 : v->tpr_threshold & 0xf;
		if (g.x2apic)
			pass_x2apic(vcpu, v, &g);
	}
	if (g.vid) {
		g.status = v->guest_intr_status;
		for (i = 0; i < 4; i++)
			g.eoi_exit[i] = v->f[VMCS12_eoi_exit_bitmap0 + i];
	} else if (n->apic.soft) {
		/* Software's own; the CPU need not be told. */
		n->l2.vapic.status = v->guest_intr_status;
		g.status = n->l2.vapic.status;
		g.threshold = n->l2.vapic.threshold;
	}
	take_access_page(vcpu, v, &g);
	if (memcmp(&n->l2.vapic, &g, sizeof(g))) {
		memcpy(&n->l2.vapic, &g, sizeof(g));
		n->l2.ctl_dirty |= CTL_VAPIC | CTL_MSR;
	}
	nvmx_virq_evaluate(vcpu);
}

void nvmx_apic_show(struct nestor_vcpu *vcpu, struct vmcs12 *v)
{
	struct nvmx *n = nvmx_of(vcpu);
	unsigned int reg;

	if (!n->apic.on)
		return;
	if (n->apic.vid)
		v->guest_intr_status = n->l2.vapic.status;
	if (n->apic.soft)
		vapic_virtualize_ppr(n->apic.page, n->l2.vapic.status);
	if (!n->apic.whole) {
		store_register(vcpu, VAPIC_TPR, sizeof(u32));
		return;
	}
	for (reg = 0; reg < VAPIC_SIZE; reg += 16)
		store_register(vcpu, reg, sizeof(u64));
}

void nvmx_apic_exit(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	drop_access_page(&n->apic);
	nvmx_apic_show(vcpu, n->vmcs12);
	n->apic.on = false;
	n->apic.soft = false;
}

void nvmx_apic_leave(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	drop_access_page(&n->apic);
	n->apic.on = false;
	n->apic.soft = false;
}

/* RVI and SVI changed in software: a CPU that delivers evaluates them at the next entry. */
static void set_status(struct nestor_vcpu *vcpu, u16 status)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (n->l2.vapic.status != status) {
		n->l2.vapic.status = status;
		if (!n->apic.soft)
			n->l2.ctl_dirty |= CTL_VAPIC;
	}
	nvmx_virq_evaluate(vcpu);
}

/* An instruction that is done and then exits to L1, like a trap. */
static void trap_exit(struct nestor_vcpu *vcpu, u32 reason, u64 qual)
{
	nvmx_of(vcpu)->at_exit = false;
	nvmx_reflect(vcpu, reason, qual, 0, 0);
}

void nvmx_apic_trapped(struct nestor_vcpu *vcpu, enum vapic_access what, u8 vector)
{
	switch (what) {
	case VAPIC_TPR_BELOW:
		trap_exit(vcpu, VMEXIT_TPR_THRESHOLD, 0);
		break;
	case VAPIC_EOI_EXIT:
		trap_exit(vcpu, VMEXIT_VIRTUAL_EOI, vector);
		break;
	case VAPIC_WRITE_EXIT:
		trap_exit(vcpu, VMEXIT_APIC_WRITE, vector << 4);
		break;
	default:
		break;
	}
}

bool nvmx_apic_msr(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	u64 *gpr = n->l2.gpr, val;
	u16 status = n->l2.vapic.status;
	u32 msr = gpr[REG_RCX];
	enum vapic_access what;
	u8 vector = 0;
	int len;

	if (!n->apic.on || msr < X2APIC_FIRST || msr > X2APIC_LAST)
		return false;
	/* An instruction that cannot be read is not this one any more: L2 tries again. */
	len = vcpu_insn_len(vcpu);
	if (len < 0)
		return false;
	if (n->l2.exit.info1 & 1) {
		val = (u32)gpr[REG_RAX] | gpr[REG_RDX] << 32;
		what = vapic_x2apic_write(n->vmcs12, n->apic.page, &status, msr, val, &vector);
	} else {
		if (n->apic.soft)
			vapic_virtualize_ppr(n->apic.page, status);
		what = vapic_x2apic_read(n->vmcs12, n->apic.page, msr, &val);
		if (what == VAPIC_DONE) {
			gpr[REG_RAX] = (u32)val;
			gpr[REG_RDX] = val >> 32;
		}
	}
	if (what == VAPIC_NOT_VIRTUAL)
		return false;
	if (what == VAPIC_GP) {
		queue_gp(vcpu);
		return true;
	}
	if (n->apic.vid)
		set_status(vcpu, status);
	vcpu_advance(vcpu, len);
	nvmx_apic_trapped(vcpu, what, vector);
	return true;
}

bool nvmx_apic_wakes(struct nestor_vcpu *vcpu)
{
	const struct nvmx *n = nvmx_of(vcpu);

	return n->apic.on && n->apic.vid && (n->l2.rflags & X_RFLAGS_IF) &&
	       !(n->vmcs12->cpu_ctls & CPU_INTR_WINDOW) &&
	       vapic_pending(n->apic.page, n->l2.vapic.status);
}

/*
 * Posted interrupts (SDM: "Posted-Interrupt Processing").  The descriptor is found anew
 * each time and changed with locked operations; one that is not there has no requests.
 */
#define PID_ON_OFFSET	32
#define PID_ON		1u
#define LOCKED_TRIES	16

static u64 take_requests(struct nestor_vcpu *vcpu, u64 gpa)
{
	u64 old = 0;
	const u64 none = 0;
	int i, r;

	if (gmem_read(vcpu, l1_gpa(gpa), &old, sizeof(old)))
		return 0;
	/* Someone who posts all the time keeps the rest for the next notification. */
	for (i = 0; i < LOCKED_TRIES && old; i++) {
		r = gmem_cmpxchg(vcpu, l1_gpa(gpa), &old, &none, sizeof(old));
		if (!r)
			return old;
		if (r != -EAGAIN)
			break;
	}
	return 0;
}

static void clear_on(struct nestor_vcpu *vcpu, u64 gpa)
{
	u32 old, new;
	int i;

	if (gmem_read(vcpu, l1_gpa(gpa), &old, sizeof(old)))
		return;
	for (i = 0; i < LOCKED_TRIES && (old & PID_ON); i++) {
		new = old & ~PID_ON;
		if (gmem_cmpxchg(vcpu, l1_gpa(gpa), &old, &new, sizeof(old)) != -EAGAIN)
			break;
	}
}

static void process_posted(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);
	u64 gpa = n->vmcs12->posted_intr_desc_addr, pir[4];
	u16 status = n->l2.vapic.status;
	int i;

	clear_on(vcpu, gpa + PID_ON_OFFSET);
	for (i = 0; i < 4; i++)
		pir[i] = take_requests(vcpu, gpa + i * sizeof(*pir));
	vapic_post(n->apic.page, &status, pir);
	set_status(vcpu, status);
}

bool nvmx_apic_notified(struct nestor_vcpu *vcpu, int vector)
{
	const struct nvmx *n = nvmx_of(vcpu);
	const struct vmcs12 *v = n->vmcs12;

	if (!(v->pin_ctls & PIN_POSTED_INTR) || vector != v->posted_intr_nv || !n->apic.on ||
	    !vcpu->apic)
		return false;
	lapic_eoi(vcpu->apic);
	process_posted(vcpu);
	return true;
}
