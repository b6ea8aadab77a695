// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_CHECK_EXTENSION and KVM_ENABLE_CAP: one line a capability.  A capability
 * that has no line is answered with 0: not offered.
 */
#include <linux/cpumask.h>
#include <linux/kvm.h>

#include "core/compat.h"
#include "core/fpu.h"
#include "core/guest_debug.h"
#include "core/irq.h"
#include "core/msr_filter.h"
#include "core/vm.h"
#include "ioctl/ioctl.h"
#include "mmu/mmu.h"

static int online_cpus(const struct nestor_vm *vm)
{
	return min_t(int, num_online_cpus(), NESTOR_MAX_VCPUS);
}

static int has_xsave(const struct nestor_vm *vm)
{
	return fpu_supported_xcr0() != 0;
}

/**
 * struct cap_line - answer to KVM_CHECK_EXTENSION
 * @cap: KVM_CAP_*
 * @value: answer, unless @fn is set
 * @fn: finds the answer; @vm is NULL when the device is asked
 */
struct cap_line {
	u32 cap;
	int value;
	int (*fn)(const struct nestor_vm *vm);
};

#define YES(c)		{ KVM_CAP_##c, 1, NULL }
#define VALUE(c, v)	{ KVM_CAP_##c, v, NULL }
#define ASK(c, f)	{ KVM_CAP_##c, 0, f }

static const struct cap_line caps[] = {
	/* memory */
	YES(USER_MEMORY),
	YES(USER_MEMORY2),
	YES(DESTROY_MEMORY_REGION_WORKS),
	YES(JOIN_MEMORY_REGIONS_WORKS),
	VALUE(MULTI_ADDRESS_SPACE, NESTOR_ADDRESS_SPACES),
	YES(SYNC_MMU),
	YES(READONLY_MEM),
	YES(MMU_SHADOW_CACHE_CONTROL),
	VALUE(NR_MEMSLOTS, NESTOR_MAX_SLOTS),
	VALUE(MANUAL_DIRTY_LOG_PROTECT2, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE),
	YES(SET_TSS_ADDR),
	YES(SET_IDENTITY_MAP_ADDR),
	VALUE(COALESCED_MMIO, KVM_COALESCED_MMIO_PAGE_OFFSET),
	YES(COALESCED_PIO),
	YES(IOEVENTFD),
	YES(IOEVENTFD_NO_LENGTH),
	YES(IOEVENTFD_ANY_LENGTH),

	/* interrupt controllers */
	YES(IRQCHIP),
	YES(SPLIT_IRQCHIP),
	YES(IRQ_INJECT_STATUS),
	VALUE(IRQ_ROUTING, NESTOR_MAX_IRQ_ROUTES),
	YES(IRQFD),
	YES(IRQFD_RESAMPLE),
	YES(SIGNAL_MSI),
	YES(PIT2),
	YES(PIT_STATE2),
	YES(REINJECT_CONTROL),
	VALUE(X2APIC_API, KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK),
	YES(TSC_DEADLINE_TIMER),
	YES(SET_BOOT_CPU_ID),

	/* vCPUs */
	ASK(NR_VCPUS, online_cpus),
	VALUE(MAX_VCPUS, NESTOR_MAX_VCPUS),
	VALUE(MAX_VCPU_ID, NESTOR_MAX_VCPU_ID),
	YES(HLT),
	YES(MP_STATE),
	YES(EXT_CPUID),
	YES(EXT_EMUL_CPUID),
	YES(GET_MSR_FEATURES),
	YES(USER_NMI),
	YES(X86_SMM),
	YES(VCPU_EVENTS),
	ASK(NESTED_STATE, nested_state_max),
	YES(INTR_SHADOW),
	YES(DEBUGREGS),
	YES(SET_GUEST_DEBUG),
	VALUE(SET_GUEST_DEBUG2, GUESTDBG_FLAGS),
	YES(XSAVE),
	VALUE(XSAVE2, FPU_AREA_SIZE),
	ASK(XCRS, has_xsave),
	YES(SREGS2),
	VALUE(MCE, MCE_BANKS),
	YES(IMMEDIATE_EXIT),
	YES(INTERNAL_ERROR_DATA),
	YES(EXCEPTION_PAYLOAD),
	YES(X86_TRIPLE_FAULT_EVENT),
	VALUE(X86_DISABLE_EXITS, NESTOR_DISABLE_EXITS),

	/* clocks */
	YES(CLOCKSOURCE),
	YES(NOP_IO_DELAY),
	VALUE(ADJUST_CLOCK, KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC),
	YES(KVMCLOCK_CTRL),
	YES(GET_TSC_KHZ),

	YES(ENABLE_CAP_VM),
	YES(CHECK_EXTENSION_VM),
	YES(SYS_ATTRIBUTES),
	VALUE(DISABLE_QUIRKS, 1),
	VALUE(DISABLE_QUIRKS2, NESTOR_QUIRKS),
	VALUE(SYNC_REGS, KVM_SYNC_X86_VALID_FIELDS),
	VALUE(X86_USER_SPACE_MSR, MSR_EXIT_REASONS),
	YES(X86_MSR_FILTER),
	YES(BINARY_STATS_FD),
};

int check_extension(const struct nestor_vm *vm, unsigned long cap)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(caps); i++)
		if (caps[i].cap == cap)
			return caps[i].fn ? caps[i].fn(vm) : caps[i].value;
	return 0;
}

/* Settings that vCPUs take on when they are made. */
static int enable_before_vcpus(struct nestor_vm *vm, const struct kvm_enable_cap *cap)
{
	u64 arg = cap->args[0];

	if (cap->cap == KVM_CAP_SPLIT_IRQCHIP) {
		if (arg > KVM_IOAPIC_NUM_PINS * 64)
			return -EINVAL;
		return irqchip_split(vm, arg);
	}
	if (cap->cap == KVM_CAP_X2APIC_API) {
		if (arg & ~(u64)check_extension(vm, KVM_CAP_X2APIC_API))
			return -EINVAL;
		/* Looked at where an id is read or written; VMMs set it at any time. */
		WRITE_ONCE(vm->x2apic_api, vm->x2apic_api | arg);
		return 0;
	}
	if (vm->nr_vcpus)
		return -EBUSY;
	if (arg & ~(u64)NESTOR_DISABLE_EXITS)
		return -EINVAL;
	vm->disabled_exits |= arg;
	return 0;
}

/* Once, before there is a processor, and not below the boot processor's id. */
static int set_max_id(struct nestor_vm *vm, u64 max)
{
	if (!max || max > NESTOR_MAX_VCPU_ID || vm->max_id || vm->nr_vcpus || vm->bsp_id > max)
		return -EINVAL;
	vm->max_id = max;
	return 0;
}

/* Only the newer of the two says which there are. */
static int disable_quirks(struct nestor_vm *vm, const struct kvm_enable_cap *cap)
{
	if (cap->cap == KVM_CAP_DISABLE_QUIRKS2 && (cap->args[0] & ~(u64)NESTOR_QUIRKS))
		return -EINVAL;
	WRITE_ONCE(vm->disabled_quirks, cap->args[0] & NESTOR_QUIRKS);
	return 0;
}

static int enable_msr_exits(struct nestor_vm *vm, u64 reasons)
{
	if (reasons & ~(u64)MSR_EXIT_REASONS)
		return -EINVAL;
	WRITE_ONCE(vm->msr_exits, reasons);
	return 0;
}

static int enable_switch(struct nestor_vm *vm, const struct kvm_enable_cap *cap)
{
	/* Any value but 0 turns it on: VMMs pass what they like. */
	if (cap->cap == KVM_CAP_EXCEPTION_PAYLOAD)
		vm->exception_payload = cap->args[0];
	else
		vm->triple_fault_event = cap->args[0];
	return 0;
}

int vm_enable_cap(struct nestor_vm *vm, const struct kvm_enable_cap *cap)
{
	int ret;

	if (cap->flags)
		return -EINVAL;
	mutex_lock(&vm->lock);
	switch (cap->cap) {
	case KVM_CAP_SPLIT_IRQCHIP:
	case KVM_CAP_X2APIC_API:
	case KVM_CAP_X86_DISABLE_EXITS:
		ret = enable_before_vcpus(vm, cap);
		break;
	case KVM_CAP_EXCEPTION_PAYLOAD:
	case KVM_CAP_X86_TRIPLE_FAULT_EVENT:
		ret = enable_switch(vm, cap);
		break;
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		ret = mmu_set_manual_dirty(vm, cap->args[0]);
		break;
	case KVM_CAP_MAX_VCPU_ID:
		ret = set_max_id(vm, cap->args[0]);
		break;
	case KVM_CAP_DISABLE_QUIRKS:
	case KVM_CAP_DISABLE_QUIRKS2:
		ret = disable_quirks(vm, cap);
		break;
	case KVM_CAP_X86_USER_SPACE_MSR:
		ret = enable_msr_exits(vm, cap->args[0]);
		break;
	default:
		ret = -EINVAL;
	}
	mutex_unlock(&vm->lock);
	return ret;
}
