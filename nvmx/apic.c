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
#include "mmu/window.h"
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
	if (!a->page)
		a->page = (u8 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!a->was)
		a->was = kzalloc(VAPIC_SIZE, GFP_KERNEL_ACCOUNT);
	if (!a->l1)
		a->l1 = kzalloc(sizeof(*a->l1), GFP_KERNEL_ACCOUNT);
	return a->page && a->was && a->l1 ? 0 : -ENOMEM;
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
	kfree(a->l1);
}

/* L1's MSR bitmap of the x2APIC's registers; what cannot be read exits.  As nvmx_apic_load() */
static int load_x2apic_map(struct nestor_vcpu *vcpu, const struct vmcs12 *v)
{
	struct nvmx_apic *a = &nvmx_of(vcpu)->apic;
	u64 at = v->msr_bitmap + X2APIC_FIRST / 8;
	int r = -EFAULT;

	if (v->cpu_ctls & CPU_MSR_BITMAPS) {
		r = gmem_read(vcpu, l1_gpa(at), a->rd_exits, sizeof(a->rd_exits));
		if (!r)
			r = gmem_read(vcpu, l1_gpa(at + MSR_WRITE_BITMAP), &a->wr_exits,
				      sizeof(a->wr_exits));
	}
	if (r == -EAGAIN)
		return r;
	if (r) {
		memset(a->rd_exits, 0xff, sizeof(a->rd_exits));
		a->wr_exits = ~0ull;
	}
	return 0;
}

/* It decides which of the virtualised MSRs do without an exit. */
static void pass_x2apic(const struct nvmx_apic *a, const struct vmcs12 *v, struct guest_vapic *g)
{
	bool regs = nvmx_cpu2(v) & CPU2_APIC_REGS;
	int i;

	for (i = 0; i < 4; i++)
		g->x2apic_read[i] = regs ? ~a->rd_exits[i] : 0;
	if (!regs)
		g->x2apic_read[0] = ~a->rd_exits[0] & WRITE_TPR;
	else if (a->soft)
		/* VPPR is made when somebody looks. */
		g->x2apic_read[0] &= ~READ_PPR;
	g->x2apic_write = ~a->wr_exits & (g->vid ? WRITE_TPR | WRITE_VID : WRITE_TPR);
}

/* As nvmx_apic_load() */
static int take_access_page(struct nestor_vcpu *vcpu, const struct vmcs12 *v)
{
	struct nvmx_apic *a = &nvmx_of(vcpu)->apic;
	struct l1_gpa at = l1_gpa(v->apic_access_addr);

	drop_access_page(a);
	a->access = vcpu->atomic ? gmem_hold_known(vcpu, at) : gmem_hold(vcpu, at);
	return a->access || !vcpu->atomic ? 0 : -EAGAIN;
}

bool nvmx_apic_fetch(struct nestor_vcpu *vcpu)
{
	const struct vmcs12 *v = nvmx_of(vcpu)->vmcs12;
	int r = 0;

	if (v->cpu_ctls & CPU_TPR_SHADOW) {
		r = nvmx_apic_load(vcpu, v);
		if (!r && (nvmx_cpu2(v) & CPU2_X2APIC))
			r = load_x2apic_map(vcpu, v);
	}
	if (!r && (nvmx_cpu2(v) & CPU2_APIC_ACCESS))
		r = take_access_page(vcpu, v);
	return !r;
}

static void use_access_page(struct nvmx_apic *a, const struct vmcs12 *v, struct guest_vapic *g)
{
	if (!(nvmx_cpu2(v) & CPU2_APIC_ACCESS))
		return drop_access_page(a);
	g->access = true;
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
		g.tpr_shadow = true;
		g.page = hpa(virt_to_phys(n->apic.page));
		g.regs = nvmx_cpu2(v) & CPU2_APIC_REGS;
		g.vid = n->apic.vid && !n->apic.soft;
		g.x2apic = nvmx_cpu2(v) & CPU2_X2APIC;
		g.threshold = n->apic.vid ? 0 : v->tpr_threshold & 0xf;
		if (g.x2apic)
			pass_x2apic(&n->apic, v, &g);
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
	use_access_page(&n->apic, v, &g);
	if (memcmp(&n->l2.vapic, &g, sizeof(g))) {
		memcpy(&n->l2.vapic, &g, sizeof(g));
		n->l2.ctl_dirty |= CTL_VAPIC | CTL_MSR;
	}
	nvmx_virq_evaluate(vcpu);
}

void nvmx_apic_show(struct nestor_vcpu *vcpu, struct vmcs12 *v)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (!n->apic.on)
		return;
	if (n->apic.vid)
		v->guest_intr_status = n->l2.vapic.status;
	if (!vcpu->atomic)
		nvmx_apic_store(vcpu);
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
	n->apic.same = false;
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

/* What L2 does at the end of each interrupt, and nobody has to sleep for: nothing of it leads to L1. */
static bool never_sleeps(const struct nvmx *n)
{
	return n->l2.exit.info1 & 1 && (u32)n->l2.gpr[REG_RCX] == X2APIC_EOI &&
	       vapic_eoi_plain(n->vmcs12, n->l2.vapic.status);
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
	if (vcpu->atomic && !never_sleeps(n))
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
