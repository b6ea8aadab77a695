// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers that a run gets again and again (run_again): kept in the form of the VMCS, so that
 * giving them is a row of VMWRITEs.
 */
#include "hw/vmx/insn.h"
#include "hw/vmx/translate.h"
#include "hw/vmx/vmx.h"

static void note_seg(struct vmx_seg *to, const struct guest_seg *s, u32 ar)
{
	*to = (struct vmx_seg){ .sel = s->sel, .limit = s->limit, .ar = ar, .base = s->base };
}

void vmx_note(struct guest_run *run)
{
	struct vmx_noted *n = &vmx_ctx(run)->noted;
	const struct guest_sys *s = run->sys;
	int i;

	for (i = SEG_ES; i <= SEG_DS; i++)
		note_seg(&n->seg[i], &run->seg[i], vmx_data_ar(run->seg[i].attrib));
	n->seg[SEG_CS].ar = vmx_cs_ar(run->seg[SEG_CS].attrib);
	n->seg[SEG_SS].ar = vmx_ss_ar(run->seg[SEG_SS].attrib, run->cpl);
	note_seg(&n->seg[SEG_FS], &s->fs, vmx_data_ar(s->fs.attrib));
	note_seg(&n->seg[SEG_GS], &s->gs, vmx_data_ar(s->gs.attrib));
	note_seg(&n->seg[SEG_LDTR], &s->ldtr, vmx_seg_ar(s->ldtr.attrib));
	note_seg(&n->seg[SEG_TR], &s->tr, vmx_tr_ar(s->tr.attrib));
	n->gdtr_limit = run->gdtr.limit & 0xffff;
	n->gdtr_base = run->gdtr.base;
	n->idtr_limit = run->idtr.limit & 0xffff;
	n->idtr_base = run->idtr.base;
	n->sysenter_cs = s->sysenter_cs;
	n->sysenter_esp = s->sysenter_esp;
	n->sysenter_eip = s->sysenter_eip;
	n->activity = run->activity;
	n->pending_dbg = run->pending_dbg;
	n->pat = run->pat;
	n->debugctl = run->debugctl & DEBUGCTL_BTF;
}

void vmx_write_again(struct guest_run *run)
{
	struct vmx_ctx *ctx = vmx_ctx(run);
	const struct vmx_noted *n = &ctx->noted;
	unsigned int i;

	_Pragma("GCC unroll 8")
	for (i = 0; i < ARRAY_SIZE(n->seg); i++) {
		vmwrite_known(VMCS_GUEST_ES_SEL + 2 * i, &n->seg[i].sel);
		vmwrite_known(VMCS_GUEST_ES_LIMIT + 2 * i, &n->seg[i].limit);
		vmwrite_known(VMCS_GUEST_ES_AR + 2 * i, &n->seg[i].ar);
		vmwrite_known(VMCS_GUEST_ES_BASE + 2 * i, &n->seg[i].base);
	}
	vmwrite_known(VMCS_GUEST_GDTR_LIMIT, &n->gdtr_limit);
	vmwrite_known(VMCS_GUEST_GDTR_BASE, &n->gdtr_base);
	vmwrite_known(VMCS_GUEST_IDTR_LIMIT, &n->idtr_limit);
	vmwrite_known(VMCS_GUEST_IDTR_BASE, &n->idtr_base);
	vmwrite_known(VMCS_GUEST_SYSENTER_CS, &n->sysenter_cs);
	vmwrite_known(VMCS_GUEST_SYSENTER_ESP, &n->sysenter_esp);
	vmwrite_known(VMCS_GUEST_SYSENTER_EIP, &n->sysenter_eip);
	vmwrite_known(VMCS_GUEST_ACTIVITY, &n->activity);
	vmwrite_known(VMCS_GUEST_PENDING_DBG, &n->pending_dbg);
	vmwrite_known(VMCS_GUEST_PAT, &n->pat);
	vmwrite_known(VMCS_GUEST_DEBUGCTL, &n->debugctl);
	ctx->ss_ar = n->seg[SEG_SS].ar;
	if (unlikely(ctx->interruptibility & INTR_STATE_NMI)) {
		ctx->interruptibility &= ~INTR_STATE_NMI;
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY, ctx->interruptibility);
	}
	run->sys->hw = ctx;
	run->again = false;
}
