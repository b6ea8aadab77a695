// SPDX-License-Identifier: GPL-2.0-only
/*
 * merge and save, the registers: guest-state area <-> L2's run, host-state area -> L1's
 * run (SDM vol. 3, "Loading Guest State", "Saving Guest State", "Loading Host State").
 *
 * Registers without a field, or without the control that loads theirs, are the
 * processor's: L2 goes on with what L1 had in them and L1 with what L2 left.  RSP has a field, and is the
 * one general register that is switched; they are no run's own, so the callers do that.
 */
#include "core/x86.h"
#include "nvmx/merge.h"

#define DR7_LOADED	0xffff27ffull
#define RFLAGS_FIXED	X_RFLAGS_FIXED

#define AR_LOW		0xffu		/* type, S, DPL, P: the same in both forms */
#define AR_HIGH_SHIFT	4		/* AVL, L, D/B, G: VMCS 15:12, packed 11:8 */
#define ATTR_HIGH	0xf00u

/* Attributes that "Loading Host State" gives, packed. */
#define HOST_CODE_64	(0xb | SEG_ATTR_S | SEG_ATTR_P | SEG_ATTR_L | SEG_ATTR_G)
#define HOST_CODE_32	(0xb | SEG_ATTR_S | SEG_ATTR_P | SEG_ATTR_DB | SEG_ATTR_G)
#define HOST_DATA	(0x3 | SEG_ATTR_S | SEG_ATTR_P | SEG_ATTR_DB | SEG_ATTR_G)
#define HOST_TSS	(0xb | SEG_ATTR_P)
#define HOST_TSS_LIMIT	0x67
#define HOST_DT_LIMIT	0xffff
#define FLAT_LIMIT	0xffffffffu

/* The fields of the eight segments lie in the order of enum guest_sreg. */
static_assert(VMCS12_guest_tr_sel - VMCS12_guest_es_sel == SEG_TR, "segment fields");
static_assert(VMCS12_guest_tr_limit - VMCS12_guest_es_limit == SEG_TR, "segment fields");
static_assert(VMCS12_guest_tr_ar - VMCS12_guest_es_ar == SEG_TR, "segment fields");
static_assert(VMCS12_guest_tr_base - VMCS12_guest_es_base == SEG_TR, "segment fields");
static_assert(VMCS12_guest_ldtr_base - VMCS12_guest_es_base == SEG_LDTR, "segment fields");

u16 nvmx_ar_decode(u32 ar)
{
	u16 attrib = (ar & AR_LOW) | (ar >> AR_HIGH_SHIFT & ATTR_HIGH);

	/* Unusable is P = 0; a usable segment of a checked VMCS is present. */
	return ar & VMCS_AR_UNUSABLE ? attrib & ~SEG_ATTR_P : attrib;
}

u32 nvmx_ar_encode(u16 attrib)
{
	u32 ar = (attrib & AR_LOW) | (u32)(attrib & ATTR_HIGH) << AR_HIGH_SHIFT;

	return (attrib & (SEG_ATTR_P | SEG_ATTR_MARKED)) == SEG_ATTR_P ? ar : ar | VMCS_AR_UNUSABLE;
}

static struct guest_seg load_seg(const struct vmcs12 *v, enum guest_sreg n)
{
	struct guest_seg seg = {
		.sel = v->f[VMCS12_guest_es_sel + n],
		.attrib = nvmx_ar_decode(v->f[VMCS12_guest_es_ar + n]),
		.limit = v->f[VMCS12_guest_es_limit + n],
		.base = v->f[VMCS12_guest_es_base + n],
	};

	/* The checks want CS present, marked as unusable or not. */
	if (n == SEG_CS && !(seg.attrib & SEG_ATTR_P))
		seg.attrib |= SEG_ATTR_P | SEG_ATTR_MARKED;
	return seg;
}

static void save_seg(struct vmcs12 *v, enum guest_sreg n, const struct guest_seg *s)
{
	v->f[VMCS12_guest_es_sel + n] = s->sel;
	v->f[VMCS12_guest_es_ar + n] = nvmx_ar_encode(s->attrib);
	v->f[VMCS12_guest_es_limit + n] = s->limit;
	v->f[VMCS12_guest_es_base + n] = s->base;
}

static u64 load_efer(const struct vmcs12 *v, u64 l1_efer)
{
	bool ia32e = v->entry_ctls & ENTRY_IA32E;
	u64 efer;

	if (v->entry_ctls & ENTRY_LOAD_EFER)
		return v->guest_efer;
	efer = ia32e ? l1_efer | X_EFER_LMA : l1_efer & ~X_EFER_LMA;
	/* LME follows when paging is on, and stays otherwise. */
	if (v->guest_cr0 & X_CR0_PG)
		efer = ia32e ? efer | X_EFER_LME : efer & ~X_EFER_LME;
	return efer;
}

static void load_cr(const struct vmcs12 *v, const struct nvmx_shared *l1, struct guest_run *out)
{
	out->cr0 = (v->guest_cr0 & ~NVMX_CR0_KEPT) | (l1->cr0 & NVMX_CR0_KEPT);
	out->cr3 = v->guest_cr3;
	out->cr4 = v->guest_cr4;
	out->efer = load_efer(v, l1->efer);
}

static void load_sys(const struct vmcs12 *v, struct guest_sys *out)
{
	out->fs = load_seg(v, SEG_FS);
	out->gs = load_seg(v, SEG_GS);
	out->ldtr = load_seg(v, SEG_LDTR);
	out->tr = load_seg(v, SEG_TR);
	out->sysenter_cs = v->guest_sysenter_cs;
	out->sysenter_esp = v->guest_sysenter_esp;
	out->sysenter_eip = v->guest_sysenter_eip;
}

void nvmx_merge_hot(const struct vmcs12 *v, struct guest_run *out)
{
	out->rip = v->guest_rip;
	out->rflags = v->guest_rflags;
	out->int_shadow = v->guest_interruptibility &
			  (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS);
	out->mov_ss = v->guest_interruptibility & INTERRUPTIBILITY_MOV_SS;
}

void nvmx_merge_state(const struct vmcs12 *v, const struct nvmx_shared *l1, u32 groups,
		      struct guest_run *out)
{
	bool debug = v->entry_ctls & ENTRY_LOAD_DEBUG;
	unsigned int i;

	if (groups & GRP_CR)
		load_cr(v, l1, out);
	if (groups & GRP_ACTIVITY) {
		/* The other states are waited out in software: some would stop the machine. */
		out->activity = ACTIVITY_ACTIVE;
		out->nmi_blocked = v->guest_interruptibility & INTERRUPTIBILITY_NMI;
		out->pending_dbg = v->guest_pending_dbg;
	}
	if (groups & GRP_SEG) {
		for (i = SEG_ES; i <= SEG_DS; i++)
			out->seg[i] = load_seg(v, i);
		/* CPL is the DPL of SS, in every mode (SDM: "Guest Register State"). */
		out->cpl = (out->seg[SEG_SS].attrib & SEG_ATTR_DPL) >> 5;
	}
	if (groups & GRP_DTABLE) {
		out->gdtr.limit = v->guest_gdtr_limit;
		out->gdtr.base = v->guest_gdtr_base;
		out->idtr.limit = v->guest_idtr_limit;
		out->idtr.base = v->guest_idtr_base;
	}
	if (groups & GRP_SYS)
		load_sys(v, out->sys);
	if (groups & GRP_DR)
		out->dr7 = debug ? (v->guest_dr7 & DR7_LOADED) | X_DR7_RESET : l1->dr7;
	if (groups & GRP_LBR)
		out->debugctl = debug ? v->guest_debugctl : l1->debugctl;
	if (groups & GRP_PAT)
		out->pat = v->entry_ctls & ENTRY_LOAD_PAT ? v->guest_pat : l1->pat;
	if (groups & GRP_PDPTE) {
		out->pdpte[0] = v->guest_pdpte0;
		out->pdpte[1] = v->guest_pdpte1;
		out->pdpte[2] = v->guest_pdpte2;
		out->pdpte[3] = v->guest_pdpte3;
	}
}

void nvmx_save_hot(struct vmcs12 *v, const struct guest_run *l2)
{
	u32 blocked = l2->nmi_blocked ? INTERRUPTIBILITY_NMI : 0;

	if (l2->int_shadow)
		blocked |= l2->mov_ss ? INTERRUPTIBILITY_MOV_SS : INTERRUPTIBILITY_STI;
	v->guest_rip = l2->rip;
	v->guest_rflags = l2->rflags;
	v->guest_interruptibility = blocked;
	v->guest_activity = ACTIVITY_ACTIVE;
	v->guest_pending_dbg = l2->pending_dbg;
}

static void save_sys(struct vmcs12 *v, const struct guest_sys *s)
{
	save_seg(v, SEG_FS, &s->fs);
	save_seg(v, SEG_GS, &s->gs);
	save_seg(v, SEG_LDTR, &s->ldtr);
	save_seg(v, SEG_TR, &s->tr);
	v->guest_sysenter_cs = s->sysenter_cs;
	v->guest_sysenter_esp = s->sysenter_esp;
	v->guest_sysenter_eip = s->sysenter_eip;
}

u32 nvmx_saved_groups(const struct vmcs12 *v)
{
	u32 groups = VMCS12_GROUPS;

	if (!(v->exit_ctls & EXIT_SAVE_DEBUG))
		groups &= ~(GRP_DR | GRP_LBR);
	if (!(v->exit_ctls & EXIT_SAVE_PAT))
		groups &= ~GRP_PAT;
	return groups;
}

u32 nvmx_lazy_groups(const struct vmcs12 *v)
{
	u32 groups = VMCS12_LAZY & nvmx_saved_groups(v);

	/* What an entry does not load, or an exit does not save, is not L2's alone. */
	if (!(v->entry_ctls & ENTRY_LOAD_DEBUG))
		groups &= ~(GRP_DR | GRP_LBR);
	if (!(v->entry_ctls & ENTRY_LOAD_PAT))
		groups &= ~GRP_PAT;
	/* Without EPT an entry reads them from memory. */
	if (!(v->cpu_ctls & CPU_SECONDARY) || !(v->cpu_ctls2 & CPU2_EPT))
		groups &= ~GRP_PDPTE;
	return groups;
}

void nvmx_save_state(struct vmcs12 *v, const struct guest_run *l2, u32 groups)
{
	unsigned int i;

	if (groups & GRP_CR) {
		v->guest_cr0 = l2->cr0;
		v->guest_cr3 = l2->cr3;
		v->guest_cr4 = l2->cr4;
		if (v->exit_ctls & EXIT_SAVE_EFER)
			v->guest_efer = l2->efer;
	}
	if (groups & GRP_SEG)
		for (i = SEG_ES; i <= SEG_DS; i++)
			save_seg(v, i, &l2->seg[i]);
	if (groups & GRP_DTABLE) {
		v->guest_gdtr_limit = l2->gdtr.limit;
		v->guest_gdtr_base = l2->gdtr.base;
		v->guest_idtr_limit = l2->idtr.limit;
		v->guest_idtr_base = l2->idtr.base;
	}
	if (groups & GRP_SYS)
		save_sys(v, l2->sys);
	if (groups & GRP_DR)
		v->guest_dr7 = l2->dr7;
	if (groups & GRP_LBR)
		v->guest_debugctl = l2->debugctl;
	if (groups & GRP_PAT)
		v->guest_pat = l2->pat;
	if (groups & GRP_PDPTE) {
		v->guest_pdpte0 = l2->pdpte[0];
		v->guest_pdpte1 = l2->pdpte[1];
		v->guest_pdpte2 = l2->pdpte[2];
		v->guest_pdpte3 = l2->pdpte[3];
	}
}

/* A null selector leaves the segment unusable, with a base of 0 where none is given. */
static struct guest_seg host_data(u64 sel, u64 base)
{
	return (struct guest_seg){
		.sel = sel, .base = base, .limit = FLAT_LIMIT,
		.attrib = sel ? HOST_DATA : HOST_DATA & ~SEG_ATTR_P,
	};
}

void nvmx_host_segments(const struct vmcs12 *v, struct guest_run *l1)
{
	struct guest_sys *s = l1->sys;

	l1->seg[SEG_CS] = (struct guest_seg){
		.sel = v->host_cs_sel, .limit = FLAT_LIMIT,
		.attrib = v->exit_ctls & EXIT_HOST_64 ? HOST_CODE_64 : HOST_CODE_32,
	};
	l1->seg[SEG_ES] = host_data(v->host_es_sel, 0);
	l1->seg[SEG_SS] = host_data(v->host_ss_sel, 0);
	l1->seg[SEG_DS] = host_data(v->host_ds_sel, 0);
	s->fs = host_data(v->host_fs_sel, v->host_fs_base);
	s->gs = host_data(v->host_gs_sel, v->host_gs_base);
	s->ldtr = (struct guest_seg){};
	s->tr = (struct guest_seg){
		.sel = v->host_tr_sel, .attrib = HOST_TSS, .limit = HOST_TSS_LIMIT,
		.base = v->host_tr_base,
	};
	s->sysenter_cs = v->host_sysenter_cs;
	s->sysenter_esp = v->host_sysenter_esp;
	s->sysenter_eip = v->host_sysenter_eip;
	l1->gdtr = (struct guest_dtable){ .base = v->host_gdtr_base, .limit = HOST_DT_LIMIT };
	l1->idtr = (struct guest_dtable){ .base = v->host_idtr_base, .limit = HOST_DT_LIMIT };
	l1->activity = ACTIVITY_ACTIVE;
	l1->pending_dbg = 0;
}

static u64 host_efer(const struct vmcs12 *v, u64 efer)
{
	const u64 lm = X_EFER_LMA | X_EFER_LME;

	if (v->exit_ctls & EXIT_LOAD_EFER)
		return v->host_efer;
	return v->exit_ctls & EXIT_HOST_64 ? efer | lm : efer & ~lm;
}

void nvmx_host_hot(const struct vmcs12 *v, const struct nvmx_shared *l2, struct guest_run *l1)
{
	bool host64 = v->exit_ctls & EXIT_HOST_64;

	l1->cr0 = (v->host_cr0 & ~NVMX_CR0_KEPT) | (l2->cr0 & NVMX_CR0_KEPT);
	l1->cr3 = v->host_cr3;
	l1->cr4 = host64 ? v->host_cr4 | X_CR4_PAE : v->host_cr4 & ~X_CR4_PCIDE;
	l1->efer = host_efer(v, l2->efer);
	l1->pat = v->exit_ctls & EXIT_LOAD_PAT ? v->host_pat : l2->pat;
	l1->dr7 = X_DR7_RESET;
	l1->debugctl = 0;
	l1->rip = v->host_rip;
	l1->rflags = RFLAGS_FIXED;
	l1->cpl = 0;
	l1->int_shadow = false;
	l1->mov_ss = false;
}

void nvmx_host_state(const struct vmcs12 *v, const struct nvmx_shared *l2, struct guest_run *l1)
{
	nvmx_host_hot(v, l2, l1);
	nvmx_host_segments(v, l1);
}
