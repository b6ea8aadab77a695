// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers that a run gets again and again (run_again): kept in the form of the VMCS, so that
 * giving them is a row of VMWRITEs.
 */
#include "hw/vmx/again.h"
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
	write_again(run, vmx_ctx(run));
}
