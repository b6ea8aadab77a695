// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMCS shadowing: fields that a guest reads and writes by its own VMREAD and VMWRITE
 * (SDM vol. 3, "VMCS Types: Ordinary and Shadow").
 *
 * The shadow VMCS is made current for as long as it takes to copy fields, and cleared
 * again at once: while a guest runs it is reached through the link pointer only, and then
 * it must not be active on another CPU.
 */
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/slab.h>

#include "hw/vmx/insn.h"
#include "hw/vmx/vmx.h"

#define SHADOW_INDICATOR	BIT(31)

static void allow(u8 *map, const u16 *enc, u64 which)
{
	unsigned int i;

	for (; which; which &= which - 1) {
		i = __ffs(which);
		map[enc[i] / 8] &= ~(1u << (enc[i] & 7));
	}
}

static void free_fields(struct vmx_fields *f)
{
	free_page((unsigned long)f->vmcs);
	free_page((unsigned long)f->read_map);
	free_page((unsigned long)f->write_map);
	kfree(f);
}

void vmx_fields_free(struct vmx_ctx *ctx)
{
	if (ctx->fields)
		free_fields(ctx->fields);
	ctx->fields = NULL;
}

/*
 * Current, and after the copying clear: the CPU keeps nothing of it.  NULL: VMX operation is off.
 * Interrupts are off in between.
 */
static __always_inline struct vmx_cpu *fields_begin(struct guest_run *run, unsigned long *flags)
{
	struct vmx_fields *f = vmx_ctx(run)->fields;
	struct vmx_cpu *vc;

	/* Where the run was last the CPU may hold parts of the block. */
	local_irq_save(*flags);
	if (unlikely(vmx_ctx(run)->cpu != smp_processor_id())) {
		preempt_disable();
		local_irq_restore(*flags);
		vmx_take(vmx_ctx(run));
		local_irq_save(*flags);
		preempt_enable();
	}
	vc = this_cpu_ptr(&vmx_cpu);
	if (unlikely(!vc->on))
		return NULL;
	if (unlikely(f->fresh))
		vmclear(&f->pa);
	f->fresh = false;
	vmptrld(&f->pa);
	return vc;
}

static __always_inline int fields_end(struct guest_run *run, struct vmx_cpu *vc, unsigned long flags)
{
	if (likely(vc)) {
		vmclear(&vmx_ctx(run)->fields->pa);
		vc->current_ctx = NULL;
	}
	local_irq_restore(flags);
	return vc ? 0 : -EAGAIN;
}

static __always_inline u64 read_fields(const u16 *enc, u64 *val, u64 which)
{
	unsigned int i;
	u64 v, diff = 0;

	for (; which; which &= which - 1) {
		i = __ffs(which);
		v = vmread_known(enc[i]);
		if (v == val[i])
			continue;
		val[i] = v;
		diff |= BIT_ULL(i);
	}
	return diff;
}

int vmx_fields_read(struct guest_run *run, const u16 *enc, u64 *val, u64 which, u64 *diff)
{
	unsigned long flags;
	struct vmx_cpu *vc = fields_begin(run, &flags);

	if (vc)
		*diff = read_fields(enc, val, which);
	return fields_end(run, vc, flags);
}

int vmx_fields_write(struct guest_run *run, const u16 *enc, const u64 *val, u64 which)
{
	unsigned long flags;
	struct vmx_cpu *vc = fields_begin(run, &flags);
	unsigned int i;

	for (; vc && which; which &= which - 1) {
		i = __ffs(which);
		vmwrite(enc[i], val[i]);
	}
	return fields_end(run, vc, flags);
}

/*
 * Right behind an exit, with interrupts off since: VMX operation is on, and the CPU that may hold parts of the block
 * is this one, which the guest ran on with the link pointer at it.
 */
u64 vmx_fields_pull(struct guest_run *run, const u16 *enc, u64 *val, u64 which)
{
	const struct vmx_fields *f = vmx_ctx(run)->fields;
	u64 diff;

	vmptrld(&f->pa);
	diff = read_fields(enc, val, which);
	vmclear(&f->pa);
	this_cpu_write(vmx_cpu.current_ctx, NULL);
	return diff;
}

/* Each of them has been written before. */
void vmx_fields_push(struct guest_run *run, const u16 *enc, const u64 *val, u64 which)
{
	const struct vmx_fields *f = vmx_ctx(run)->fields;
	unsigned int i;

	vmptrld(&f->pa);
	for (; which; which &= which - 1) {
		i = __ffs(which);
		vmwrite_known(enc[i], &val[i]);
	}
	vmclear(&f->pa);
	this_cpu_write(vmx_cpu.current_ctx, NULL);
}

/* The CPU looks at the map when the guest writes. */
void vmx_fields_allow(struct guest_run *run, u16 enc, bool allow)
{
	u8 *byte = (u8 *)vmx_ctx(run)->fields->write_map + enc / 8, bit = 1u << (enc & 7);

	*byte = allow ? *byte & ~bit : *byte | bit;
}

void vmx_fields_commit(struct guest_run *run)
{
	const struct vmx_fields *f = vmx_ctx(run)->fields;

	vmwrite(VMCS_LINK_POINTER, run->fields_on ? f->pa : ~0ull);
	vmwrite(VMCS_VMREAD_BITMAP, __pa(f->read_map));
	vmwrite(VMCS_VMWRITE_BITMAP, __pa(f->write_map));
}

int vmx_fields_alloc(struct guest_run *run, const u16 *enc, u64 read, u64 write)
{
	struct vmx_fields *f;

	if (!hw_caps.guest_fields)
		return -EOPNOTSUPP;
	if (vmx_ctx(run)->fields)
		return -EEXIST;
	f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	if (!f)
		return -ENOMEM;
	f->vmcs = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	f->read_map = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	f->write_map = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!f->vmcs || !f->read_map || !f->write_map) {
		free_fields(f);
		return -ENOMEM;
	}
	*(u32 *)f->vmcs = vmx_caps.revision | SHADOW_INDICATOR;
	f->pa = virt_to_phys(f->vmcs);
	f->fresh = true;
	memset(f->read_map, 0xff, PAGE_SIZE);
	memset(f->write_map, 0xff, PAGE_SIZE);
	allow(f->read_map, enc, read);
	allow(f->write_map, enc, write);
	vmx_ctx(run)->fields = f;
	run->ctl_dirty |= CTL_FIELDS;
	return 0;
}
