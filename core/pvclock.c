// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvmclock: nanoseconds since the VM began, told to L1 as a pair of TSC value and
 * time plus a multiplier, in a page of L1's memory.
 *
 * All vCPUs of a VM are told from one pair (host TSC, host boot time), taken when
 * the VM is made and again when the VMM sets the clock; with equal TSC offsets two
 * vCPUs then never disagree, and the stable bit says so.  On a host whose TSC is
 * not to be trusted each write takes a new pair and the bit stays clear.
 *
 * The page is written under an odd version first, so L1 sees all or nothing
 * (Documentation/virt/kvm/x86/msr.rst, "MSR_KVM_SYSTEM_TIME_NEW").
 */
#include <linux/math64.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#include <asm/kvm_para.h>
#include <asm/msr.h>
#include <asm/pvclock-abi.h>
#include <asm/tsc.h>

#include "core/clock.h"
#include "core/msr.h"
#include "mmu/mmu.h"

/* A pair that belongs together: no interrupt between the two reads. */
static void take_pair(struct vm_clock *clock)
{
	unsigned long flags;

	local_irq_save(flags);
	clock->boot_ns = ktime_get_boottime_ns();
	clock->host_tsc = rdtsc();
	local_irq_restore(flags);
}

int pvclock_vm_create(struct nestor_vm *vm)
{
	struct vm_clock *clock = kzalloc(sizeof(*clock), GFP_KERNEL_ACCOUNT);

	if (!clock)
		return -ENOMEM;
	spin_lock_init(&clock->lock);
	take_pair(clock);
	clock->offset_ns = -(s64)clock->boot_ns;
	vm->clock = clock;
	vm->tsc_khz = tsc_khz;
	return 0;
}

void pvclock_vm_destroy(struct nestor_vm *vm)
{
	kfree(vm->clock);
	vm->clock = NULL;
}

/*
 * mul and shift such that ns = ((ticks << shift) * mul) >> 32, with mul in the
 * upper half of 32 bits for precision; a negative shift goes right.
 */
static void scale(u64 khz, u32 *mul, s8 *shift)
{
	u64 num = 1000000, den = khz;

	*shift = 0;
	while (num >= den) {
		den <<= 1;
		(*shift)++;
	}
	while (num * 2 < den) {
		num <<= 1;
		(*shift)--;
	}
	*mul = div64_u64(num << 32, den);
}

int pvclock_vcpu_create(struct nestor_vcpu *vcpu)
{
	struct vcpu_pvclock *pv = kzalloc(sizeof(*pv), GFP_KERNEL_ACCOUNT);

	if (!pv)
		return -ENOMEM;
	scale(vcpu->vm->tsc_khz, &pv->mul, &pv->shift);
	vcpu->pvclock = pv;
	return 0;
}

void pvclock_vcpu_free(struct nestor_vcpu *vcpu)
{
	kfree(vcpu->pvclock);
	vcpu->pvclock = NULL;
}

void pvclock_reset(struct nestor_vcpu *vcpu)
{
	vcpu->pvclock->msr = 0;
	vcpu->pvclock->wall_msr = 0;
	vcpu->pvclock->paused = false;
}

static u64 ticks_to_ns(u64 ticks, u32 mul, s8 shift)
{
	if (shift < 0)
		ticks >>= -shift;
	else
		ticks <<= shift;
	return mul_u64_u32_shr(ticks, mul, 32);
}

/* kvmclock now; *tsc is the host's TSC of that moment. */
static u64 clock_now(struct vm_clock *clock, u64 khz, u64 *tsc)
{
	unsigned long flags;
	u64 ns;
	u32 mul;
	s8 shift;

	spin_lock_irqsave(&clock->lock, flags);
	if (check_tsc_unstable())
		take_pair(clock);
	scale(khz, &mul, &shift);
	*tsc = rdtsc();
	ns = clock->boot_ns + clock->offset_ns;
	/* The same arithmetic as L1's, so that both read the same. */
	if ((s64)(*tsc - clock->host_tsc) > 0)
		ns += ticks_to_ns(*tsc - clock->host_tsc, mul, shift);
	spin_unlock_irqrestore(&clock->lock, flags);
	return ns;
}

static void fill(struct nestor_vcpu *vcpu, struct pvclock_vcpu_time_info *t)
{
	struct vm_clock *clock = vcpu->vm->clock;
	struct vcpu_pvclock *pv = vcpu->pvclock;
	unsigned long flags;
	bool stable = !check_tsc_unstable();

	spin_lock_irqsave(&clock->lock, flags);
	if (!stable)
		take_pair(clock);
	t->tsc_timestamp = clock->host_tsc + vcpu->l1_tsc_offset;
	t->system_time = clock->boot_ns + clock->offset_ns;
	/* A vCPU with a TSC of its own must not be told that all are alike. */
	if (clock->tsc_known && clock->tsc_offset != vcpu->l1_tsc_offset)
		stable = false;
	spin_unlock_irqrestore(&clock->lock, flags);
	t->tsc_to_system_mul = pv->mul;
	t->tsc_shift = pv->shift;
	t->flags = stable ? PVCLOCK_TSC_STABLE_BIT : 0;
	if (pv->paused)
		t->flags |= PVCLOCK_GUEST_STOPPED;
}

void pvclock_update(struct nestor_vcpu *vcpu)
{
	struct vcpu_pvclock *pv = vcpu->pvclock;
	struct pvclock_vcpu_time_info t = { };
	struct l1_gpa at;

	if (!pv || !(pv->msr & 1))
		return;
	at = l1_gpa(pv->msr & ~1ull);
	fill(vcpu, &t);
	t.version = pv->version + 1;
	/* L1 chose the address: where there is no memory there is no clock. */
	if (gmem_write(vcpu, at, &t.version, sizeof(t.version)))
		return;
	smp_wmb();
	if (gmem_write(vcpu, at, &t, sizeof(t)))
		return;
	smp_wmb();
	pv->version += 2;
	pv->paused = false;
	gmem_write(vcpu, at, &pv->version, sizeof(pv->version));
}

/* Real time at which kvmclock was 0 (APM has none; the ABI's wall clock). */
static void write_wall_clock(struct nestor_vcpu *vcpu, u64 gpa)
{
	struct pvclock_wall_clock w = { };
	struct l1_gpa at = l1_gpa(gpa);
	u32 version;
	u64 ns, tsc;

	if (!gpa || gmem_read(vcpu, at, &version, sizeof(version)))
		return;
	version = (version | 1) + 2;	/* odd, and not one that was there */
	if (gmem_write(vcpu, at, &version, sizeof(version)))
		return;
	smp_wmb();
	ns = ktime_get_real_ns() - clock_now(vcpu->vm->clock, vcpu->vm->tsc_khz, &tsc);
	w.version = version;
	w.sec = div_u64(ns, NSEC_PER_SEC);
	w.nsec = ns - (u64)w.sec * NSEC_PER_SEC;
	if (gmem_write(vcpu, at, &w, sizeof(w)))
		return;
	smp_wmb();
	version++;
	gmem_write(vcpu, at, &version, sizeof(version));
}

int pvclock_set_msr(struct nestor_vcpu *vcpu, u32 index, u64 val)
{
	struct vcpu_pvclock *pv = vcpu->pvclock;
	int idx;

	if (!pv)
		return -EINVAL;
	switch (index) {
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		if ((val & 1) && (val & 2))
			return -EINVAL;	/* 4-byte alignment */
		pv->msr = val;
		vcpu_request(vcpu, REQ_CLOCK);
		return 0;
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
		pv->wall_msr = val;
		idx = srcu_read_lock(&vcpu->vm->srcu);
		write_wall_clock(vcpu, val);
		srcu_read_unlock(&vcpu->vm->srcu, idx);
		return 0;
	}
	return -EINVAL;
}

bool pvclock_get_msr(struct nestor_vcpu *vcpu, u32 index, u64 *val)
{
	const struct vcpu_pvclock *pv = vcpu->pvclock;

	if (!pv)
		return false;
	switch (index) {
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		*val = pv->msr;
		return true;
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
		*val = pv->wall_msr;
		return true;
	}
	return false;
}

void pvclock_get(struct nestor_vm *vm, struct kvm_clock_data *out)
{
	u64 tsc;

	memset(out, 0, sizeof(*out));
	out->clock = clock_now(vm->clock, vm->tsc_khz, &tsc);
	out->realtime = ktime_get_real_ns();
	out->host_tsc = tsc;
	out->flags = KVM_CLOCK_REALTIME;
	if (!check_tsc_unstable())
		out->flags |= KVM_CLOCK_TSC_STABLE | KVM_CLOCK_HOST_TSC;
}

int pvclock_set(struct nestor_vm *vm, const struct kvm_clock_data *in)
{
	struct vm_clock *clock = vm->clock;
	struct nestor_vcpu *vcpu;
	unsigned long flags;
	u64 val = in->clock;
	s64 passed;
	int i;

	/* What GET reports may come back as it was. */
	if (in->flags & ~(KVM_CLOCK_REALTIME | KVM_CLOCK_TSC_STABLE | KVM_CLOCK_HOST_TSC))
		return -EINVAL;
	if (in->flags & KVM_CLOCK_REALTIME) {
		/* Time that passed since @realtime counts; never backwards. */
		passed = ktime_get_real_ns() - in->realtime;
		if (passed > 0)
			val += passed;
	}
	spin_lock_irqsave(&clock->lock, flags);
	take_pair(clock);
	clock->offset_ns = val - clock->boot_ns;
	spin_unlock_irqrestore(&clock->lock, flags);
	vm_for_each_vcpu(i, vcpu, vm) {
		vcpu_request(vcpu, REQ_CLOCK);
		vcpu_kick(vcpu);
	}
	return 0;
}

int pvclock_paused(struct nestor_vcpu *vcpu)
{
	if (!vcpu->pvclock || !(vcpu->pvclock->msr & 1))
		return -EINVAL;
	vcpu->pvclock->paused = true;
	vcpu_request(vcpu, REQ_CLOCK);
	return 0;
}
