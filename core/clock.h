/* SPDX-License-Identifier: GPL-2.0-only */
/* State of L1's clocks: kvmclock and the agreement on TSC offsets (core/pvclock.c, core/tsc.c). */
#ifndef NESTOR_CORE_CLOCK_H
#define NESTOR_CORE_CLOCK_H

#include <linux/spinlock.h>

#include "core/types.h"

/**
 * struct vm_clock - clocks of one VM; vm->clock
 * @lock: owns all below; irq-safe, innermost
 * @offset_ns: kvmclock minus the host's boot time
 * @host_tsc: host TSC at the moment @boot_ns: the pair that all vCPUs share, so
 *	that their clocks agree to the last nanosecond
 * @boot_ns: host's boot time
 * @tsc_known: @tsc_offset is a vCPU's
 * @tsc_written: the VMM wrote one, and it was not 0
 * @tsc_offset: offset of the last TSC the VMM wrote
 */
struct vm_clock {
	spinlock_t lock;
	s64 offset_ns;
	u64 host_tsc;
	u64 boot_ns;
	bool tsc_known, tsc_written;
	u64 tsc_offset;
};

/**
 * struct vcpu_pvclock - kvmclock of one vCPU; vcpu->pvclock, owned by vcpu->lock
 * @msr: value of the system-time MSR (bit 0: on)
 * @wall_msr: value of the wall-clock MSR
 * @paused: tell L1 that it was stopped (KVM_KVMCLOCK_CTRL), with the next write
 * @version: of the structure in L1's memory, even
 * @mul: multiplier, ticks to nanoseconds
 * @shift: shift before it, left if positive
 */
struct vcpu_pvclock {
	u64 msr;
	u64 wall_msr;
	bool paused;
	u32 version;
	u32 mul;
	s8 shift;
};

#endif
