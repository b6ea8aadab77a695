// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the neutral intercepts to VT-x's control words and MSR bitmap.  Intercepts that
 * VT-x does not have (PUSHF, INTn, IRET, ...) are nobody's here: hw_caps tells who might ask.
 */
#include <linux/mm.h>

#include "hw/vmx/insn.h"
#include "hw/vmx/vmx.h"

/* A ratio of 1 in 16.48 fixed point. */
#define TSC_RATIO_1	(1ull << 48)
#define EFER_LMA_BIT	(1ull << 10)

static u32 pin_controls(const struct guest_run *run)
{
	return run->timer_on && hw_caps.timer ? PIN_PREEMPTION_TIMER : 0;
}

static u32 if_set(u32 word, u32 bits, u32 control)
{
	return word & bits ? control : 0;
}

/* Without a TPR shadow of either kind CR8 would be the host's own. */
static u32 cr8_controls(const struct guest_run *run, const struct vmx_ctx *ctx)
{
	u32 cr = run->intercept[ICPT_CR];

	/* One of L0's own would answer accesses to TPR in an APIC-access page. */
	if (!run->vapic.tpr_shadow && (!ctx->vapic || run->vapic.access))
		return PROC_CR8_LOAD | PROC_CR8_STORE;
	return PROC_TPR_SHADOW | if_set(cr, ICPT_CR_WRITE(8), PROC_CR8_LOAD) |
	       if_set(cr, ICPT_CR_READ(8), PROC_CR8_STORE);
}

static u32 proc_controls(const struct guest_run *run, const struct vmx_ctx *ctx)
{
	u32 cr = run->intercept[ICPT_CR], m1 = run->intercept[ICPT_MISC1];
	u32 m2 = run->intercept[ICPT_MISC2], m3 = run->intercept[ICPT_MISC3];
	u32 ctl = cr8_controls(run, ctx);

	ctl |= run->irq_window ? PROC_INTR_WINDOW : if_set(m1, ICPT_VINTR, PROC_INTR_WINDOW);
	ctl |= run->nmi_window ? PROC_NMI_WINDOW : if_set(m3, ICPT_NMI_WINDOW, PROC_NMI_WINDOW);
	ctl |= if_set(m3, ICPT_MTF, PROC_MTF);
	ctl |= if_set(m1, ICPT_HLT, PROC_HLT);
	/* INVPCID exits when both it is enabled and INVLPG exits; RDTSCP goes with RDTSC. */
	ctl |= if_set(m1, ICPT_INVLPG, PROC_INVLPG) | if_set(m3, ICPT_INVPCID, PROC_INVLPG);
	ctl |= if_set(m1, ICPT_RDTSC, PROC_RDTSC) | if_set(m2, ICPT_RDTSCP, PROC_RDTSC);
	ctl |= if_set(cr, ICPT_CR_WRITE(3), PROC_CR3_LOAD) |
	       if_set(cr, ICPT_CR_READ(3), PROC_CR3_STORE);
	ctl |= run->intercept[ICPT_DR] ? PROC_MOV_DR : 0;
	/* With a window only loops of PAUSE exit. */
	ctl |= run->ple_window ? 0 : if_set(m1, ICPT_PAUSE, PROC_PAUSE);
	return ctl;
}

#define ICPT_TABLES (ICPT_IDTR_READ | ICPT_GDTR_READ | ICPT_LDTR_READ | ICPT_TR_READ | \
		     ICPT_IDTR_WRITE | ICPT_GDTR_WRITE | ICPT_LDTR_WRITE | ICPT_TR_WRITE)

static u32 vapic_controls(const struct guest_vapic *v)
{
	if (!v->tpr_shadow)
		return v->access ? PROC2_APIC_ACCESS : 0;
	return (v->access ? PROC2_APIC_ACCESS : 0) | (v->x2apic ? PROC2_X2APIC : 0) |
	       (v->regs ? PROC2_APIC_REGS : 0) | (v->vid ? PROC2_VID : 0);
}

static u32 proc2_controls(const struct guest_run *run)
{
	u32 m1 = run->intercept[ICPT_MISC1], m2 = run->intercept[ICPT_MISC2];
	u32 m3 = run->intercept[ICPT_MISC3], ctl = vapic_controls(&run->vapic);

	ctl |= if_set(m1, ICPT_TABLES, PROC2_DESC_TABLE);
	ctl |= if_set(m2, ICPT_WBINVD, PROC2_WBINVD);
	ctl |= if_set(m3, ICPT_RDRAND, PROC2_RDRAND) | if_set(m3, ICPT_RDSEED, PROC2_RDSEED);
	ctl |= if_set(m3, ICPT_UMWAIT, PROC2_UMWAIT) | if_set(m3, ICPT_VMFUNC, PROC2_VMFUNC);
	ctl |= run->ple_window ? PROC2_PLE : 0;
	ctl |= run->fields_on ? PROC2_SHADOW_VMCS : 0;
	ctl |= run->log && hw_caps.pml ? PROC2_PML : 0;
	if (run->tsc_ratio && run->tsc_ratio != TSC_RATIO_1)
		ctl |= PROC2_TSC_SCALING;
	return ctl;
}

/* What is always on, but for the instructions that this guest must not have. */
static u32 proc2_always(const struct guest_run *run)
{
	u32 off = 0;

	if (run->ud_insns & UD_RDTSCP)
		off |= PROC2_RDTSCP;
	if (run->ud_insns & UD_INVPCID)
		off |= PROC2_INVPCID;
	if (run->ud_insns & UD_XSAVES)
		off |= PROC2_XSAVES;
	return vmx_caps.ctl[CTLW_PROC2].on & ~off;
}

static void set_word(u32 *cached, unsigned long field, u32 val)
{
	if (*cached == val)
		return;
	vmwrite(field, val);
	*cached = val;
}

void vmx_commit_controls(struct guest_run *run)
{
	const struct vmx_ctl *c = vmx_caps.ctl;
	struct vmx_ctx *ctx = vmx_ctx(run);
	u32 exit = c[CTLW_EXIT].on, entry = c[CTLW_ENTRY].on;

	vmx_need(run, GRP_CR);
	if (run->timer_on)
		exit |= EXITCTL_SAVE_TIMER & c[CTLW_EXIT].may;
	if (run->efer & EFER_LMA_BIT)
		entry |= ENTRYCTL_IA32E;
	set_word(&ctx->pin, VMCS_PIN_CTL,
		 c[CTLW_PIN].on | (pin_controls(run) & c[CTLW_PIN].may));
	set_word(&ctx->proc, VMCS_PROC_CTL,
		 c[CTLW_PROC].on | (proc_controls(run, ctx) & c[CTLW_PROC].may));
	set_word(&ctx->proc2, VMCS_PROC2_CTL,
		 proc2_always(run) | (proc2_controls(run) & c[CTLW_PROC2].may));
	set_word(&ctx->exit, VMCS_EXIT_CTL, exit);
	set_word(&ctx->entry, VMCS_ENTRY_CTL, entry);
}

/*
 * MSRs that may be left to the guest.  FS_BASE, GS_BASE, SYSENTER and PAT are switched by the
 * CPU, KernelGSbase at each entry.  The other system-call MSRs hold the guest's values while
 * it runs, but a write must be seen, because it is not looked for afterwards.
 */
#define PASS_RW ((1u << PASS_FS_BASE) | (1u << PASS_GS_BASE) | (1u << PASS_KERNEL_GS_BASE) | \
		 (1u << PASS_SYSENTER_CS) | (1u << PASS_SYSENTER_ESP) | \
		 (1u << PASS_SYSENTER_EIP) | (1u << PASS_PAT))
#define PASS_RO ((1u << PASS_STAR) | (1u << PASS_LSTAR) | (1u << PASS_CSTAR) | \
		 (1u << PASS_SFMASK))

/* Read bits in the first 2 KiB, write bits in the next; each half low MSRs, then C0000000H on. */
static void msr_map_set(u8 *map, unsigned int half, u32 msr, bool pass)
{
	unsigned int bit = msr & 0x1fff;
	u8 *p = map + half * 2048 + (msr >= 0xc0000000 ? 1024 : 0) + bit / 8;

	if (pass)
		*p &= ~(1u << (bit % 8));
	else
		*p |= 1u << (bit % 8);
}

#define X2APIC_READ		(0x800 / 8)		/* bytes of the bitmap: 800H to 8FFH */
#define X2APIC_WRITE		(0x800 + 0x800 / 8)
#define X2APIC_TPR_BIT		BIT_ULL(0x08)
#define X2APIC_VID_BITS		(BIT_ULL(0x0b) | BIT_ULL(0x3f))	/* EOI, self-IPI */

/*
 * These MSRs are the host's own local APIC, but for those that the CPU virtualises with
 * the controls that are on (SDM vol. 3, "Virtualizing MSR-Based APIC Accesses").
 */
static void x2apic_bitmap(const struct guest_vapic *v, u8 *map)
{
	u32 ctl = vapic_controls(v) & vmx_caps.ctl[CTLW_PROC2].may;
	u64 rd[4] = {}, wr = 0;
	int i;

	if (ctl & PROC2_X2APIC) {
		rd[0] = v->x2apic_read[0] & X2APIC_TPR_BIT;
		wr = v->x2apic_write & X2APIC_TPR_BIT;
		if (ctl & PROC2_APIC_REGS)
			memcpy(rd, v->x2apic_read, sizeof(rd));
		if (ctl & PROC2_VID)
			wr |= v->x2apic_write & X2APIC_VID_BITS;
	}
	for (i = 0; i < 4; i++)
		rd[i] = ~rd[i];
	wr = ~wr;
	memcpy(map + X2APIC_READ, rd, sizeof(rd));
	memcpy(map + X2APIC_WRITE, &wr, sizeof(wr));
}

void vmx_msr_bitmap(struct guest_run *run)
{
	u8 *map = vmx_ctx(run)->msr_bitmap;
	unsigned int i;

	for (i = 0; i < NR_PASS_MSR; i++) {
		u32 msr = pass_msr_index[i];

		msr_map_set(map, 0, msr, run->msr_read_pass & (PASS_RW | PASS_RO) & BIT(i));
		msr_map_set(map, 1, msr, run->msr_write_pass & PASS_RW & BIT(i));
	}
	x2apic_bitmap(&run->vapic, map);
}
