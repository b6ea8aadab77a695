// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1's TSC: the host's plus an offset for each vCPU; there is no scaling.
 *
 * A VMM that builds or restores a machine writes every vCPU's TSC in turn, each
 * some microseconds later than the last, and means them to be equal.  A write
 * by the VMM therefore joins the VM's last one, and gets its very offset, when
 * it is 0 (power-on) or within a second of where that TSC is by now.  Only a value that the
 * VMM wrote can be joined so: a machine that is restored within a second of its power-on
 * does not start its TSC again.
 */
#include <linux/math64.h>
#include <linux/slab.h>

#include <asm/msr.h>
#include <asm/tsc.h>

#include "core/clock.h"
#include "core/irq.h"
#include "core/msr.h"
#include "core/nested_ops.h"

/* A VMM's idea of the frequency may be this far off, in parts per million. */
#define KHZ_TOLERANCE_PPM	250

u64 tsc_read(const struct guest_run *run)
{
	u64 host = rdtsc();

	if (run->tsc_ratio)
		host = mul_u64_u64_shr(host, run->tsc_ratio, 48);
	return host + run->tsc_offset;
}

u64 tsc_read_l1(struct nestor_vcpu *vcpu)
{
	return rdtsc() + vcpu->l1_tsc_offset;
}

void tsc_adjust_l1(struct nestor_vcpu *vcpu, s64 delta)
{
	vcpu->l1_tsc_offset += delta;
	vcpu->l1.tsc_offset = vcpu->l1_tsc_offset;
	vcpu->l1.ctl_dirty |= CTL_TSC;
	/* L2's offset counts from L1's TSC, and goes at L2's rate. */
	if (vcpu_in_l2(vcpu)) {
		vcpu->run->tsc_offset += tsc_scale_signed(delta, vcpu->run->tsc_ratio);
		vcpu->run->ctl_dirty |= CTL_TSC;
	}
	if (vcpu->apic)
		lapic_tsc_changed(vcpu);
	vcpu_request(vcpu, REQ_CLOCK);
}

void tsc_write_l1(struct nestor_vcpu *vcpu, u64 val)
{
	tsc_adjust_l1(vcpu, val - tsc_read_l1(vcpu));
}

/* Does @val mean "the same as the others", whose TSC is @now? */
static bool joins(struct nestor_vm *vm, u64 val, u64 now)
{
	u64 second = vm->tsc_khz * 1000ull;
	s64 diff = val - now;

	if (!vm->clock->tsc_known || check_tsc_unstable())
		return false;
	if (!val)
		return true;
	return vm->clock->tsc_written && diff < (s64)second && -diff < (s64)second;
}

void tsc_sync_l1(struct nestor_vcpu *vcpu, u64 val)
{
	struct vm_clock *clock = vcpu->vm->clock;
	unsigned long flags;
	u64 host, offset;

	spin_lock_irqsave(&clock->lock, flags);
	host = rdtsc();
	if (joins(vcpu->vm, val, host + clock->tsc_offset)) {
		offset = clock->tsc_offset;
	} else {
		offset = val - host;
		clock->tsc_offset = offset;
		clock->tsc_known = true;
	}
	if (val)
		clock->tsc_written = true;
	spin_unlock_irqrestore(&clock->lock, flags);
	offset -= vcpu->l1_tsc_offset;
	tsc_adjust_l1(vcpu, offset);
	if (nested->tsc_moved && vcpu_in_l2(vcpu))
		nested->tsc_moved(vcpu, offset);
}

int tsc_set_khz(struct nestor_vm *vm, u32 khz)
{
	u64 host = tsc_khz, diff;

	if (!khz)
		return 0;	/* "the host's own" */
	diff = khz > host ? khz - host : host - khz;
	return diff * 1000000 > host * KHZ_TOLERANCE_PPM ? -EINVAL : 0;
}
