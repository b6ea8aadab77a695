// SPDX-License-Identifier: GPL-2.0-only
/*
 * End of interrupt without an exit (Documentation/virt/kvm/x86/msr.rst, "MSR_KVM_PV_EOI_EN").
 *
 * L1 names a word of its memory.  Before an entry bit 0 there is set when the vector in service may
 * end without anybody looking: L1 then clears the bit and leaves the write to the EOI register out.
 * After the exit the bit is taken back, and if L1 had cleared it the vector is ended here, before
 * anything looks at the local APIC.  So outside of the guest the bit is never set, the registers
 * are those of an APIC without all this, and a copy of them needs nothing beside the MSR.
 *
 * An EOI has to be seen at once when another vector waits for it, and when a controller waits for it:
 * level-triggered ones, and all of the I/O APIC's.  A vector that comes while the bit is set
 * ends the guest, as it does anyway.
 *
 * L1 may write what it likes there: it ends its own interrupt, early or never.
 */

#include "core/irqchip.h"
#include "core/lapic.h"
#include "core/msr.h"
#include "mmu/mmu.h"

#define PV_EOI_ON	BIT_ULL(0)
#define PV_EOI_LOW	3ull	/* the word is aligned, and bit 1 is reserved */

static struct l1_gpa word_of(const struct nestor_vcpu *vcpu)
{
	return l1_gpa(vcpu->msr.pv_eoi & ~PV_EOI_LOW);
}

int pv_eoi_set_msr(struct nestor_vcpu *vcpu, u64 val)
{
	bool readonly, ram;
	int idx;

	if ((val & PV_EOI_LOW) > PV_EOI_ON)
		return -EINVAL;
	if (val & PV_EOI_ON) {
		idx = srcu_read_lock(&vcpu->vm->srcu);
		ram = gmem_is_ram(vcpu, l1_gpa(val & ~PV_EOI_LOW), &readonly) && !readonly;
		srcu_read_unlock(&vcpu->vm->srcu, idx);
		if (!ram)
			return -EINVAL;
	}
	vcpu->msr.pv_eoi = val;
	return 0;
}

/* Whoever waits for an EOI is told when L1 writes it. */
static bool nobody_waits(struct lapic *apic)
{
	int vector = lapic_highest(apic, APIC_R_ISR);

	if (vector < 0 || lapic_waiting(apic) >= 0)
		return false;
	return !lapic_test_vec(apic, APIC_R_TMR, vector) && !ioapic_has_vector(apic->vcpu->vm, vector);
}

void pv_eoi_lend(struct nestor_vcpu *vcpu)
{
	struct lapic *apic = vcpu->apic;
	const u8 on = 1;

	apic->eoi_due = false;
	/* In SMM the address may mean other memory. */
	if (!(vcpu->msr.pv_eoi & PV_EOI_ON) || vcpu->smm.active || !nobody_waits(apic))
		return;
	/* What cannot be written now is left as it is, and L1 writes the register. */
	apic->eoi_lent = !gmem_write_atomic(vcpu, word_of(vcpu), &on, sizeof(on));
}

bool pv_eoi_take(struct nestor_vcpu *vcpu, bool may_sleep)
{
	struct l1_gpa at = word_of(vcpu);
	const u8 off = 0;
	u8 now;
	int r;

	r = gmem_read_atomic(vcpu, at, &now, sizeof(now));
	if (r && may_sleep)
		r = gmem_read(vcpu, at, &now, sizeof(now));
	if (!r && (now & 1)) {
		r = gmem_write_atomic(vcpu, at, &off, sizeof(off));
		if (r && may_sleep)
			r = gmem_write(vcpu, at, &off, sizeof(off));
	}
	if (r && !may_sleep)
		return false;
	vcpu->apic->eoi_lent = false;
	if (!r && !(now & 1))
		lapic_eoi(vcpu->apic);
	else
		/* Not ended yet; nor is it where L1's memory is gone. */
		vcpu->apic->eoi_due = true;
	return true;
}
