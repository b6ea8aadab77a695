// SPDX-License-Identifier: GPL-2.0-only
/* The benchmark's rows about EPT. */
#include "bench_mem.h"
#include "vmx/vmx.h"

VL2_ASM(bm_vmx_touch, BENCH_TOUCH);

static void vmx_init(struct field *f)
{
	static struct vl2 l2;

	vl2_init_at(&l2, f->ops->code);
	l2.ept = f->root;
	vw(CTRL_EPTP, eptp_of(f->root));
	vw(GUEST_CR3, (u64)f->cr3);
	if (cpu_features & VF_VPID) {
		ctl_set(CTRL_PROC2, PROC2_VPID);
		vw(CTRL_VPID, 1);
	}
	f->l2 = &l2;
}

static void vmx_enter(struct field *f, const u64 *regs, bool flush)
{
	struct inv_desc d = { { eptp_of(f->root), 0 } };
	struct vl2 *l2 = f->l2;

	vw(GUEST_RIP, (u64)f->ops->code);
	if (flush)
		invept(1, &d);
	l2->rdi = regs[0];
	l2->rcx = regs[1];
	l2->rdx = regs[2];
	vmx_run_asm(l2);
	if (!l2->launched) {
		if (l2->flags || (u32)vr(EXIT_REASON) != R_VMCALL)
			panic("bench: L2 did not end with VMCALL");
		l2->launched = 1;
	}
}

static const struct field_ops vmx_field = {
	bm_vmx_touch, ept_new, EPT_RWX | EPT_WB | EPT_A | EPT_D, vmx_init, vmx_enter
};

static void vmx_fill(const struct bench *b)
{
	bench_fill(b, &vmx_field);
}

static void vmx_change(const struct bench *b)
{
	bench_change(b, &vmx_field);
}

static const struct bench rows[] = {
	BENCH_MEM_ROWS(VF_EPT | VF_EPT2M | VF_INVEPT1, vmx_fill, vmx_change)
};

const struct bench_set bench_vmx_mem_rows = { &vmx_vendor, rows, ARRAY_SIZE(rows) };
