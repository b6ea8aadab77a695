// SPDX-License-Identifier: GPL-2.0-only
/* The interrupt controllers against their manuals, register by register. */
#include "irq_host.h"
#include "tap.h"

#define is(a, b, what) do { \
	long long _a = (a), _b = (b); \
	if (!tap_ok(_a == _b, "%s", what)) \
		tap_diag("%s:%d: got %lld, want %lld", __func__, __LINE__, _a, _b); \
} while (0)

static void pic_init(struct nestor_vm *vm)
{
	outb(vm, 0x20, 0x11);
	outb(vm, 0x21, 0x30);
	outb(vm, 0x21, 4);
	outb(vm, 0x21, 1);
	outb(vm, 0xa0, 0x11);
	outb(vm, 0xa1, 0x38);
	outb(vm, 0xa1, 2);
	outb(vm, 0xa1, 1);
	outb(vm, 0x21, 0);
	outb(vm, 0xa1, 0);
}

static void pulse(struct nestor_vm *vm, u32 gsi)
{
	irq_line(vm, gsi, 1);
	irq_line(vm, gsi, 0);
}

static void test_pic(void)
{
	struct nestor_vm *vm = host_vm(CHIP_FULL, 1);
	struct nestor_vcpu *v = vm->vcpus[0];
	int status;

	pic_init(vm);
	is(irq_pending(v), 0, "pic: quiet after initialisation");
	pulse(vm, 4);
	is(irq_pending(v), 1, "pic: an edge is pending");
	is(irq_ack(v), 0x34, "pic: its vector");
	is(irq_pending(v), 0, "pic: taken");
	pulse(vm, 5);
	is(irq_pending(v), 0, "pic: a lower priority waits");
	pulse(vm, 1);
	is(irq_ack(v), 0x31, "pic: a higher one does not");
	outb(vm, 0x20, 0x0b);
	is(inb(vm, 0x20), 1 << 1 | 1 << 4, "pic: both in service");
	outb(vm, 0x20, 0x20);
	outb(vm, 0x20, 0x64);
	is(inb(vm, 0x20), 0, "pic: non-specific and specific EOI");
	is(irq_ack(v), 0x35, "pic: the waiting one comes");
	outb(vm, 0x20, 0x20);

	pulse(vm, 8);
	is(irq_ack(v), 0x38, "pic: the slave's vector");
	pulse(vm, 8);
	outb(vm, 0xa0, 0x20);
	outb(vm, 0x20, 0x20);
	is(irq_ack(v), 0x38, "pic: and once more after EOI of both");
	outb(vm, 0xa0, 0x20);
	outb(vm, 0x20, 0x20);
	is(irq_pending(v), 0, "pic: quiet");

	outb(vm, 0x21, 0x10);
	/* The I/O APIC's pins are masked as well after reset. */
	irq_line_status(vm, 4, 1, &status);
	is(status, -1, "pic: a masked pin ignores");
	irq_line(vm, 4, 0);
	outb(vm, 0x21, 0);
	is(irq_ack(v), 0x34, "pic: but remembers the edge");
	outb(vm, 0x20, 0x20);
	irq_line_status(vm, 3, 1, &status);
	is(status, 1, "pic: delivered");
	irq_line(vm, 3, 0);
	irq_line_status(vm, 3, 1, &status);
	is(status, 0, "pic: coalesced");
	irq_line(vm, 3, 0);
	is(irq_ack(v), 0x33, "pic: one interrupt of two edges");
	outb(vm, 0x20, 0x20);

	outb(vm, 0x4d1, 0xff);
	is(inb(vm, 0x4d1), 0xde, "pic: edge/level register keeps the fixed pins");
	irq_line(vm, 11, 1);
	is(irq_ack(v), 0x3b, "pic: level");
	outb(vm, 0xa0, 0x20);
	outb(vm, 0x20, 0x20);
	is(irq_ack(v), 0x3b, "pic: level again while high");
	irq_line(vm, 11, 0);
	outb(vm, 0xa0, 0x20);
	outb(vm, 0x20, 0x20);
	is(irq_pending(v), 0, "pic: over when low");

	irq_line(vm, 11, 1);
	irq_line(vm, 11, 0);
	is(irq_ack(v), 0x3f, "pic: slave's request withdrawn: spurious");
	outb(vm, 0x20, 0x20);
	outb(vm, 0x20, 0x0c);
	is(inb(vm, 0x20), 0, "pic: poll with nothing there");
	pulse(vm, 6);
	outb(vm, 0x20, 0x0c);
	is(inb(vm, 0x20), 0x86, "pic: poll acknowledges");
	is(irq_pending(v), 0, "pic: polled one is in service");
	host_vm_free(vm);
}

static void ioapic_rte(struct nestor_vm *vm, unsigned int pin, u64 val)
{
	mmio_write(vm, 0xfec00000, 0x11 + 2 * pin);
	mmio_write(vm, 0xfec00010, val >> 32);
	mmio_write(vm, 0xfec00000, 0x10 + 2 * pin);
	mmio_write(vm, 0xfec00010, val);
}

static u32 ioapic_low(struct nestor_vm *vm, unsigned int pin)
{
	mmio_write(vm, 0xfec00000, 0x10 + 2 * pin);
	return mmio_read(vm, 0xfec00010);
}

#define LEVEL	(1u << 15)
#define MASK	(1u << 16)
#define RIRR	(1u << 14)

static void apic_on(struct nestor_vcpu *v)
{
	apic_write(v, APIC_R_SVR, 0x1ff);
	apic_write(v, APIC_R_LINT0, LVT_MASK);
}

static void test_ioapic(void)
{
	struct nestor_vm *vm = host_vm(CHIP_FULL, 2);
	struct nestor_vcpu *v = vm->vcpus[1];
	int status;

	apic_on(vm->vcpus[0]);
	apic_on(v);
	mmio_write(vm, 0xfec00000, 1);
	is(mmio_read(vm, 0xfec00010), 0x170011, "ioapic: version");
	is(ioapic_low(vm, 0), MASK, "ioapic: masked after reset");

	ioapic_rte(vm, 20, 1ull << 56 | 0x51);
	irq_line_status(vm, 20, 1, &status);
	is(status, 1, "ioapic: edge delivered");
	irq_line_status(vm, 20, 1, &status);
	is(status, 0, "ioapic: still high is no edge");
	irq_line(vm, 20, 0);
	is(irq_pending(vm->vcpus[0]), 0, "ioapic: not to another");
	is(irq_ack(v), 0x51, "ioapic: to the destination");
	apic_write(v, APIC_R_EOI, 0);

	ioapic_rte(vm, 21, 1ull << 56 | LEVEL | 0x52);
	irq_line(vm, 21, 1);
	is(ioapic_low(vm, 21), LEVEL | RIRR | 0x52, "ioapic: Remote IRR");
	is(irq_ack(v), 0x52, "ioapic: level");
	is(irq_pending(v), 0, "ioapic: once");
	host_resamples = 0;
	apic_write(v, APIC_R_EOI, 0);
	is(host_resamples, 1, "ioapic: EOI is told");
	is(irq_ack(v), 0x52, "ioapic: again while high");
	irq_line(vm, 21, 0);
	apic_write(v, APIC_R_EOI, 0);
	is(irq_pending(v), 0, "ioapic: not when low");
	is(ioapic_low(vm, 21), LEVEL | 0x52, "ioapic: Remote IRR is clear");

	ioapic_rte(vm, 21, 1ull << 56 | MASK | LEVEL | 0x52);
	irq_line_status(vm, 21, 1, &status);
	is(status, -1, "ioapic: masked ignores");
	ioapic_rte(vm, 21, 1ull << 56 | LEVEL | 0x52);
	is(irq_ack(v), 0x52, "ioapic: level comes when unmasked");
	ioapic_rte(vm, 21, 1ull << 56 | MASK | 0x52);
	is(ioapic_low(vm, 21), MASK | 0x52, "ioapic: edge mode clears Remote IRR");
	apic_write(v, APIC_R_EOI, 0);

	ioapic_rte(vm, 22, 0xffull << 56 | 0x61);
	pulse(vm, 22);
	is(irq_ack(vm->vcpus[0]), 0x61, "ioapic: broadcast 1");
	is(irq_ack(v), 0x61, "ioapic: broadcast 2");
	ioapic_rte(vm, 23, 1ull << 56 | DM_NMI << 8);
	pulse(vm, 23);
	is(host_nmis, 1, "ioapic: NMI");
	ioapic_rte(vm, 23, 1ull << 56 | DM_SMI << 8);
	pulse(vm, 23);
	is(host_smis, 1, "ioapic: SMI");
	mmio_write(vm, 0xfec00000, 0xff);
	mmio_write(vm, 0xfec00010, ~0u);
	is(mmio_read(vm, 0xfec00010), 0, "ioapic: no such register");
	host_vm_free(vm);
}

static void test_priority(void)
{
	struct nestor_vm *vm = host_vm(CHIP_FULL, 1);
	struct nestor_vcpu *v = vm->vcpus[0];

	is(apic_read(v, APIC_R_VERSION), 0x50014, "apic: version");
	is(apic_read(v, APIC_R_LINT0), 0x700, "apic: LINT0 of the boot processor is ExtINT");
	lapic_accept(v->apic, DM_FIXED, 0x40, false);
	is(irq_pending(v), 0, "apic: off by software takes nothing");
	apic_on(v);
	lapic_accept(v->apic, DM_FIXED, 0x41, false);
	lapic_accept(v->apic, DM_FIXED, 0x4f, true);
	is(lapic_accept(v->apic, DM_FIXED, 0x41, false), IRQ_COALESCED, "apic: coalesced");
	is(apic_read(v, APIC_R_IRR + 0x20), 1u << 1 | 1u << 15, "apic: IRR");
	is(apic_read(v, APIC_R_TMR + 0x20), 1u << 15, "apic: TMR");
	lapic_set_tpr(v, 4);
	is(irq_pending(v), 0, "apic: TPR of the same class holds back");
	lapic_set_tpr(v, 3);
	is(irq_ack(v), 0x4f, "apic: highest first");
	is(apic_read(v, APIC_R_PPR), 0x40, "apic: PPR follows the vector in service");
	is(irq_pending(v), 0, "apic: the same class waits");
	lapic_accept(v->apic, DM_FIXED, 0x50, false);
	is(irq_ack(v), 0x50, "apic: a higher class interrupts");
	apic_write(v, APIC_R_EOI, 0);
	is(apic_read(v, APIC_R_PPR), 0x40, "apic: EOI ends the highest");
	apic_write(v, APIC_R_EOI, 0);
	is(apic_read(v, APIC_R_PPR), 0x30, "apic: PPR is TPR again");
	is(irq_ack(v), 0x41, "apic: the rest");
	apic_write(v, APIC_R_EOI, 0);
	apic_write(v, APIC_R_EOI, 0);
	is(irq_pending(v), 0, "apic: EOI of nothing is nothing");

	lapic_accept(v->apic, DM_FIXED, 3, false);
	is(apic_read(v, APIC_R_ESR), 0, "apic: ESR shows nothing yet");
	apic_write(v, APIC_R_ESR, 0);
	is(apic_read(v, APIC_R_ESR), 1 << ESR_RECV_VECTOR, "apic: receive illegal vector");
	apic_write(v, APIC_R_LVT_ERR, 5);
	apic_write(v, APIC_R_ICR, 7);
	apic_write(v, APIC_R_ESR, 0);
	is(apic_read(v, APIC_R_ESR), 1 << ESR_SEND_VECTOR | 1 << ESR_RECV_VECTOR,
	   "apic: a bad error vector ends");
	apic_write(v, APIC_R_LVT_ERR, 0xfe);
	apic_write(v, APIC_R_ICR, 7);
	is(irq_ack(v), 0xfe, "apic: error interrupt");
	apic_write(v, APIC_R_EOI, 0);

	apic_write(v, APIC_R_SVR, 0xff);
	is(apic_read(v, APIC_R_LVT_ERR), LVT_MASK | 0xfe, "apic: software disable masks");
	apic_write(v, APIC_R_LVT_ERR, 0xfe);
	is(apic_read(v, APIC_R_LVT_ERR), LVT_MASK | 0xfe, "apic: and keeps masked");
	host_vm_free(vm);
}

/* Send @low to @dest from vCPU 0; which vCPUs got vector 0x77? */
static unsigned int ipi(struct nestor_vm *vm, u32 dest, u32 low)
{
	unsigned int got = 0;
	int i;

	apic_write(vm->vcpus[0], APIC_R_ICR2, dest << 24);
	apic_write(vm->vcpus[0], APIC_R_ICR, low | 0x77);
	for (i = 0; i < vm->nr_vcpus; i++) {
		if (irq_ack(vm->vcpus[i]) != 0x77)
			continue;
		got |= 1u << i;
		lapic_eoi(vm->vcpus[i]->apic);
	}
	return got;
}

static void test_ipi(void)
{
	struct nestor_vm *vm = host_vm(CHIP_FULL, 4);
	unsigned int a, b;
	int i;

	for (i = 0; i < 4; i++) {
		apic_on(vm->vcpus[i]);
		apic_write(vm->vcpus[i], APIC_R_LDR, 1u << (24 + i));
	}
	is(ipi(vm, 2, 0), 1 << 2, "ipi: physical");
	is(ipi(vm, 9, 0), 0, "ipi: nobody");
	is(ipi(vm, 0xff, 0), 0xf, "ipi: physical broadcast");
	is(ipi(vm, 6, 1 << 11), 6, "ipi: logical flat");
	is(ipi(vm, 0, 1 << 18), 1, "ipi: self");
	is(ipi(vm, 0, 2 << 18), 0xf, "ipi: all");
	is(ipi(vm, 0, 3 << 18), 0xe, "ipi: all but self");
	for (i = 0; i < 4; i++) {
		apic_write(vm->vcpus[i], APIC_R_DFR, 0x0fffffff);
		apic_write(vm->vcpus[i], APIC_R_LDR, (u32)(i / 2) << 28 | 1u << (24 + i % 2));
	}
	is(ipi(vm, 0x13, 1 << 11), 0xc, "ipi: logical cluster");
	is(ipi(vm, 0x12, 1 << 11), 0x8, "ipi: one of a cluster");
	a = ipi(vm, 0x03, 1 << 11 | DM_LOWEST << 8);
	b = ipi(vm, 0x03, 1 << 11 | DM_LOWEST << 8);
	is(a | b, 3, "ipi: lowest priority takes turns");
	is(a & b, 0, "ipi: lowest priority goes to one");
	lapic_set_tpr(vm->vcpus[0], 5);
	is(ipi(vm, 0x03, 1 << 11 | DM_LOWEST << 8), 2, "ipi: to the less busy");
	is(ipi(vm, 0x03, 1 << 11 | DM_LOWEST << 8), 2, "ipi: again");
	apic_write(vm->vcpus[0], APIC_R_ICR, 3 << 18 | DM_NMI << 8);
	is(host_nmis, 3, "ipi: NMI to all others");
	apic_write(vm->vcpus[0], APIC_R_ICR, 3 << 18 | DM_SMI << 8);
	is(host_smis, 3, "ipi: SMI to all others");
	apic_write(vm->vcpus[0], APIC_R_ICR, 2 << 18 | DM_SMI << 8);
	is(host_smis, 7, "ipi: SMI to all");
	apic_write(vm->vcpus[0], APIC_R_ICR, 1 << 18 | DM_SMI << 8);
	is(host_smis, 8, "ipi: SMI to itself");
	apic_write(vm->vcpus[0], APIC_R_ICR, 1 << 18 | DM_NMI << 8);
	is(host_nmis, 4, "ipi: NMI to itself");

	apic_write(vm->vcpus[0], APIC_R_ICR2, 1 << 24);
	apic_write(vm->vcpus[0], APIC_R_ICR, DM_SIPI << 8 | 0x9a);
	lapic_accept_events(vm->vcpus[1]);
	is(vm->vcpus[1]->mp_state, KVM_MP_STATE_UNINITIALIZED, "ipi: SIPI without INIT");
	apic_write(vm->vcpus[0], APIC_R_ICR, DM_INIT << 8 | 1 << 15);
	is(lapic_has_init_sipi(vm->vcpus[1]), 0, "ipi: INIT de-assert is nothing");
	apic_write(vm->vcpus[0], APIC_R_ICR, DM_INIT << 8 | 1 << 14 | 1 << 15);
	lapic_accept_events(vm->vcpus[1]);
	is(vm->vcpus[1]->mp_state, KVM_MP_STATE_INIT_RECEIVED, "ipi: INIT");
	is(host_inits, 1, "ipi: INIT resets");
	apic_write(vm->vcpus[0], APIC_R_ICR, DM_SIPI << 8 | 0x9a);
	lapic_accept_events(vm->vcpus[1]);
	is(vm->vcpus[1]->mp_state, KVM_MP_STATE_RUNNABLE, "ipi: SIPI");
	is(vm->vcpus[1]->l1.seg[SEG_CS].base, 0x9a000, "ipi: CS base");
	is(vm->vcpus[1]->l1.seg[SEG_CS].sel, 0x9a00, "ipi: CS selector");
	apic_write(vm->vcpus[0], APIC_R_ICR, DM_SIPI << 8 | 0x10);
	lapic_accept_events(vm->vcpus[1]);
	is(vm->vcpus[1]->l1.seg[SEG_CS].base, 0x9a000, "ipi: a second SIPI is dropped");
	host_vm_free(vm);
}

static void test_base(void)
{
	struct nestor_vm *vm = host_vm(CHIP_FULL, 18);
	struct nestor_vcpu *v = vm->vcpus[17];
	const u64 off = 0xfee00000, on = off | BASE_ENABLE, x2 = on | BASE_X2APIC;
	u64 val;

	is(vm->vcpus[0]->msr.apic_base, on | BASE_BSP, "base: boot processor after reset");
	is(v->msr.apic_base, on, "base: others");
	is(lapic_set_base(v, off | BASE_X2APIC, false), -EINVAL, "base: x2APIC without enable");
	is(lapic_set_base(v, on | 1, false), -EINVAL, "base: reserved bit");
	is(lapic_x2apic_read(v, 0x802, &val), -EINVAL, "base: no MSRs in xAPIC mode");
	is(lapic_set_base(v, off, false), 0, "base: off");
	is(lapic_mmio(v, 0xfee00020, 4, &val, false), 0, "base: no page when off");
	is(lapic_set_base(v, x2, false), -EINVAL, "base: off to x2APIC");
	is(lapic_set_base(v, on, false), 0, "base: off to xAPIC");
	is(apic_read(v, APIC_R_ID), 17u << 24, "base: id is back");
	is(lapic_set_base(v, x2, false), 0, "base: xAPIC to x2APIC");
	is(lapic_set_base(v, on, false), -EINVAL, "base: and not back");
	is(lapic_mmio(v, 0xfee00020, 4, &val, false), 0, "base: no page in x2APIC mode");
	is(lapic_x2apic_read(v, 0x802, &val) ?: (long long)val, 17, "x2apic: id");
	is(lapic_x2apic_read(v, 0x80d, &val) ?: (long long)val, 0x10002, "x2apic: logical id");
	is(lapic_x2apic_write(v, 0x802, 3), -EINVAL, "x2apic: id is read-only");
	is(lapic_x2apic_write(v, 0x80d, 3), -EINVAL, "x2apic: logical id is read-only");
	is(lapic_x2apic_read(v, 0x80e, &val), -EINVAL, "x2apic: no DFR");
	is(lapic_x2apic_read(v, 0x831, &val), -EINVAL, "x2apic: no high half of ICR");
	is(lapic_x2apic_read(v, 0x80b, &val), -EINVAL, "x2apic: EOI is write-only");
	is(lapic_x2apic_write(v, 0x80b, 1), -EINVAL, "x2apic: EOI takes 0 only");
	is(lapic_x2apic_write(v, 0x80b, 0), 0, "x2apic: EOI");
	is(lapic_x2apic_write(v, 0x808, 0x100), -EINVAL, "x2apic: reserved bits of TPR");
	is(lapic_x2apic_write(v, 0x80f, 0x1ff), 0, "x2apic: SVR");
	is(lapic_x2apic_write(v, 0x80f, 0x1000001ffull), -EINVAL, "x2apic: high half");
	is(lapic_x2apic_write(v, 0x840, 0), -EINVAL, "x2apic: no such register");
	is(lapic_x2apic_write(v, 0x83f, 0x66), 0, "x2apic: self IPI");
	is(irq_ack(v), 0x66, "x2apic: arrives");
	lapic_x2apic_write(v, 0x80b, 0);
	is(lapic_x2apic_write(v, 0x830, 17ull << 32 | 0x67), 0, "x2apic: ICR");
	is(irq_ack(v), 0x67, "x2apic: to itself by id");
	lapic_x2apic_write(v, 0x80b, 0);
	is(lapic_x2apic_write(v, 0x830, 0x10002ull << 32 | 1 << 11 | 0x68), 0, "x2apic: logical");
	is(irq_ack(v), 0x68, "x2apic: cluster 1, bit 1");
	lapic_x2apic_write(v, 0x80b, 0);
	is(lapic_x2apic_write(v, 0x830, 0xffull << 32 | 0x69), 0, "x2apic: 0xff");
	is(irq_ack(v), -1, "x2apic: is no broadcast");
	is(lapic_x2apic_write(v, 0x830, 1u << 20), -EINVAL, "x2apic: reserved bits of ICR");
	lapic_reset(v, true);
	is(v->apic->mode, APIC_X2APIC, "base: INIT keeps the mode");
	host_vm_free(vm);
}

static void test_timer(void)
{
	struct nestor_vm *vm = host_vm(CHIP_FULL, 1);
	struct nestor_vcpu *v = vm->vcpus[0];
	u64 val;

	apic_on(v);
	apic_write(v, APIC_R_TDCR, 3);		/* by 16 */
	apic_write(v, APIC_R_LVT_TIMER, 0xec);
	apic_write(v, APIC_R_TMICT, 1000);
	is(apic_read(v, APIC_R_TMCCT), 1000, "timer: starts at the initial count");
	is(kshim_advance(8000), 0, "timer: not yet");
	is(apic_read(v, APIC_R_TMCCT), 500, "timer: half way");
	apic_write(v, APIC_R_TDCR, 0xb);	/* by 1 */
	is(apic_read(v, APIC_R_TMCCT), 500, "timer: a new divisor keeps the count");
	is(kshim_advance(500), 1, "timer: expires");
	is(irq_ack(v), 0xec, "timer: interrupt");
	apic_write(v, APIC_R_EOI, 0);
	is(kshim_advance(1000000), 0, "timer: one shot");
	is(apic_read(v, APIC_R_TMCCT), 0, "timer: stays at 0");

	apic_write(v, APIC_R_LVT_TIMER, TIMER_PERIODIC | 0xec);
	apic_write(v, APIC_R_TMICT, 1000000);
	is(kshim_advance(5500000), 5, "timer: periodic");
	is(irq_ack(v), 0xec, "timer: coalesced into one");
	apic_write(v, APIC_R_EOI, 0);
	is(apic_read(v, APIC_R_TMCCT), 500000, "timer: counts on");
	apic_write(v, APIC_R_TMICT, 1);
	is(kshim_advance(1000000) <= 1000000 / TIMER_MIN_PERIOD_NS, 1, "timer: no storm");
	apic_write(v, APIC_R_TMICT, 0);
	is(kshim_advance(1000000), 0, "timer: 0 stops");
	irq_ack(v);
	apic_write(v, APIC_R_EOI, 0);

	is(lapic_set_tsc_deadline(v, 5) ?: irq_ack(v), -1, "deadline: only in its mode");
	apic_write(v, APIC_R_LVT_TIMER, TIMER_DEADLINE | 0xed);
	v->l1_tsc_offset = -5000;
	lapic_set_tsc_deadline(v, kshim_now - 5000 + 70000);
	lapic_get_tsc_deadline(v, &val);
	is(val, kshim_now - 5000 + 70000, "deadline: armed");
	is(kshim_advance(69999), 0, "deadline: not yet");
	kshim_advance(1001);
	is(irq_ack(v), 0xed, "deadline: interrupt");
	apic_write(v, APIC_R_EOI, 0);
	lapic_get_tsc_deadline(v, &val);
	is(val, 0, "deadline: disarmed");
	lapic_set_tsc_deadline(v, 1);
	is(irq_ack(v), 0xed, "deadline: in the past fires at once");
	apic_write(v, APIC_R_EOI, 0);
	lapic_set_tsc_deadline(v, ~0ull);
	is(kshim_advance(3600ull * NSEC_PER_SEC) < 100, 1, "deadline: for ever");
	is(irq_ack(v), -1, "deadline: never comes");
	v->l1_tsc_offset = -6000;
	lapic_set_tsc_deadline(v, kshim_now);
	v->l1_tsc_offset += 6000;
	lapic_tsc_changed(v);
	is(irq_ack(v), 0xed, "deadline: follows the offset");
	apic_write(v, APIC_R_LVT_TIMER, 0xed);
	lapic_get_tsc_deadline(v, &val);
	is(val, 0, "deadline: leaving the mode disarms");
	host_vm_free(vm);
}

static void test_state(void)
{
	struct nestor_vm *vm = host_vm(CHIP_FULL, 2);
	struct nestor_vcpu *v = vm->vcpus[1];
	struct kvm_lapic_state s, t;
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	unsigned int i;

	apic_on(v);
	apic_write(v, APIC_R_LVT_TIMER, TIMER_PERIODIC | 0xec);
	apic_write(v, APIC_R_TMICT, 4000000);
	lapic_accept(v->apic, DM_FIXED, 0x99, true);
	kshim_advance(2000000);
	lapic_get_state(v, &s);
	lapic_reset(v, false);
	is(irq_pending(v), 0, "state: reset forgets");
	is(lapic_set_state(v, &s), 0, "state: restore");
	lapic_get_state(v, &t);
	is(memcmp(&s, &t, sizeof(s)), 0, "state: comes back");
	is(irq_ack(v), 0x99, "state: pending interrupt");

	lapic_set_base(v, 0xfee00000 | BASE_ENABLE | BASE_X2APIC, true);
	lapic_get_state(v, &s);
	is(s.regs[APIC_R_ID + 3], 1, "state: id in the old place");
	s.regs[APIC_R_ID + 3] = 2;
	is(lapic_set_state(v, &s), 0, "state: another's id");
	lapic_get_state(v, &t);
	is(t.regs[APIC_R_ID + 3], 1, "state: which is read-only");
	memset(&s, 0xff, sizeof(s));
	s.regs[APIC_R_ID + 3] = 1;
	is(lapic_set_state(v, &s), 0, "state: all ones does no harm");
	lapic_get_state(v, &t);
	is(t.regs[APIC_R_VERSION], 0x14, "state: version is ours");
	kshim_advance(10000000000ull);
	for (i = 0; i < 300 && irq_ack(v) >= 0; i++)
		lapic_eoi(v->apic);

	is(irqchip_get(vm, &chip), 0, "state: I/O APIC");
	memset(&chip.chip, 0xff, sizeof(chip.chip));
	is(irqchip_set(vm, &chip), 0, "state: I/O APIC of all ones");
	for (i = 0; i < 256; i++) {
		chip.chip_id = KVM_IRQCHIP_PIC_MASTER + (i & 1);
		memset(&chip.chip, i, sizeof(chip.chip));
		irqchip_set(vm, &chip);
		irq_pending(vm->vcpus[0]);
		irq_ack(vm->vcpus[0]);
		inb(vm, i & 1 ? 0xa0 : 0x20);
	}
	chip.chip_id = 3;
	is(irqchip_set(vm, &chip), -EINVAL, "state: no such chip");
	host_vm_free(vm);
}

static void test_routing(void)
{
	struct nestor_vm *vm = host_vm(CHIP_FULL, 2);
	struct kvm_irq_routing_entry e[3] = {
		{ .gsi = 30, .type = KVM_IRQ_ROUTING_MSI,
		  .u.msi = { .address_lo = 0xfee01000, .data = 0x81 } },
		{ .gsi = 0, .type = KVM_IRQ_ROUTING_IRQCHIP,
		  .u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = 2 } },
		{ .gsi = 0, .type = KVM_IRQ_ROUTING_IRQCHIP,
		  .u.irqchip = { .irqchip = KVM_IRQCHIP_PIC_MASTER, .pin = 0 } },
	};
	struct kvm_msi msi = { .address_lo = 0xfee01000, .data = 0x82 };
	struct nestor_vcpu *v = vm->vcpus[1];

	apic_on(v);
	is(irq_set_routing(vm, e, 3), 0, "routing: set");
	irq_line(vm, 30, 1);
	is(irq_ack(v), 0x81, "routing: message");
	lapic_eoi(v->apic);
	ioapic_rte(vm, 2, 1ull << 56 | 0x83);
	pulse(vm, 0);
	is(irq_ack(v), 0x83, "routing: GSI 0 is pin 2");
	lapic_eoi(v->apic);
	is(irq_line(vm, 4, 1), 0, "routing: old routes are gone");
	is(irq_line(vm, 5000, 1), 0, "routing: no such GSI");
	is(irq_signal_msi(vm, &msi), 1, "msi: delivered");
	is(irq_ack(v), 0x82, "msi: vector");
	lapic_eoi(v->apic);
	msi.address_lo = 0x1000;
	is(irq_signal_msi(vm, &msi), 1, "msi: offset in the window");
	is(irq_ack(v), 0x82, "msi: and its vector");
	lapic_eoi(v->apic);
	msi.address_lo = 0xfee03000;
	is(irq_signal_msi(vm, &msi), 0, "msi: nobody there");
	msi.flags = 1;
	is(irq_signal_msi(vm, &msi), -EINVAL, "msi: flags");

	e[1].u.irqchip.pin = 24;
	is(irq_set_routing(vm, e, 3), -EINVAL, "routing: pin");
	e[1].u.irqchip = e[2].u.irqchip;
	is(irq_set_routing(vm, e, 3), -EINVAL, "routing: the same chip twice");
	e[1].gsi = 30;
	is(irq_set_routing(vm, e, 3), -EINVAL, "routing: pin and message");
	e[1].gsi = 4096;
	is(irq_set_routing(vm, e, 3), -EINVAL, "routing: GSI too large");
	e[1].gsi = 1;
	e[1].flags = 1;
	is(irq_set_routing(vm, e, 3), -EINVAL, "routing: flags");
	e[1].flags = 0;
	e[1].type = 77;
	is(irq_set_routing(vm, e, 3), -EINVAL, "routing: type");
	irq_line(vm, 30, 1);
	is(irq_ack(v), 0x81, "routing: a refused table changes nothing");
	host_vm_free(vm);
}

static void test_split(void)
{
	struct nestor_vm *vm = host_vm(CHIP_SPLIT, 1);
	struct nestor_vcpu *v = vm->vcpus[0];
	struct kvm_irq_routing_entry e[2] = {
		{ .gsi = 5, .type = KVM_IRQ_ROUTING_MSI,
		  .u.msi = { .address_lo = 0xfee00000, .data = 0x8071 } },
		{ .gsi = 6, .type = KVM_IRQ_ROUTING_MSI,
		  .u.msi = { .address_lo = 0xfee00000, .data = 0x72 } },
	};
	struct kvm_irqchip chip = { };
	u8 vector = 0;

	apic_on(v);
	is(irqchip_get(vm, &chip), -ENXIO, "split: no chips to get");
	is(irq_set_routing(vm, e, 2), 0, "split: routing");
	irq_line(vm, 5, 1);
	irq_line(vm, 6, 1);
	is(irq_ack(v), 0x72, "split: edge");
	apic_write(v, APIC_R_EOI, 0);
	is(irq_take_ioapic_eoi(v, &vector), 0, "split: its EOI stays here");
	is(irq_ack(v), 0x71, "split: level");
	v->requests = 0;
	apic_write(v, APIC_R_EOI, 0);
	is(test_bit(REQ_IOAPIC_EOI, &v->requests), 1, "split: its EOI is asked for");
	is(irq_take_ioapic_eoi(v, &vector) ? vector : -1, 0x71, "split: vector");
	is(irq_take_ioapic_eoi(v, &vector), 0, "split: once");

	is(irq_ready_for_user(v), 0, "split: LINT0 masked: the VMM's PIC waits");
	is(irq_user_queue(v, 0x20), 0, "split: but may queue");
	is(irq_user_queue(v, 0x21), -EEXIST, "split: one");
	is(irq_pending(v), 0, "split: held back");
	apic_write(v, APIC_R_LINT0, DM_EXTINT << 8);
	is(irq_ack(v), 0x20, "split: ExtINT");
	is(irq_ready_for_user(v), 1, "split: ready for more");
	is(irq_user_queue(v, 256), -EINVAL, "split: no such vector");
	host_vm_free(vm);

	vm = host_vm(CHIP_NONE, 1);
	v = vm->vcpus[0];
	is(irq_line(vm, 1, 1), -ENXIO, "none: no lines");
	is(irq_user_queue(v, 0x20), 0, "none: queue");
	is(irq_user_pending(v), 0x20, "none: waits");
	is(irq_ack(v), 0x20, "none: ack");
	lapic_set_tpr(v, 9);
	is(lapic_get_tpr(v), 9, "none: TPR");
	host_vm_free(vm);
	vm = host_vm(CHIP_FULL, 1);
	is(irq_user_queue(vm->vcpus[0], 0x20), -ENXIO, "full: KVM_INTERRUPT is refused");
	host_vm_free(vm);
}

/* With the CPU loaded nobody waits for the timer's lock, and nothing has changed. */
static void test_pit_busy(struct nestor_vm *vm)
{
	struct mutex *lock = &vm->irqchip->pit->lock;
	struct nestor_vcpu *v = vm->vcpus[0];
	struct kvm_pit_state2 was, s;
	u8 val = 0x34;

	outb(vm, 0x43, 0x80);			/* latch channel 2: a read changes something */
	pit_get(vm, &was);
	v->atomic = true;
	lock->x = 1;
	is(io_bus_read(v, IO_PORT, 0x42, 1, &val), -EBUSY, "pit: no reading while it is busy");
	is(io_bus_read(v, IO_PORT, 0x61, 1, &val), -EBUSY, "pit: nor of the speaker");
	is(io_bus_write(v, IO_PORT, 0x43, 1, &val), -EBUSY, "pit: no writing");
	is(io_bus_write(v, IO_PORT, 0x61, 1, &val), -EBUSY, "pit: nor to the speaker");
	lock->x = 0;
	pit_get(vm, &s);
	is(memcmp(&s, &was, sizeof(s)), 0, "pit: and nothing has changed");
	is(io_bus_read(v, IO_PORT, 0x42, 1, &val), 0, "pit: which works when it is free");
	pit_get(vm, &s);
	is(!memcmp(&s, &was, sizeof(s)), 0, "pit: and changes something");
	v->atomic = false;
	is(io_bus_read(v, IO_PORT, 0x42, 1, &val), 0, "pit: as without the CPU loaded");
}

static void test_pit(void)
{
	struct nestor_vm *vm = host_vm(CHIP_FULL, 1);
	struct kvm_pit_config cfg = { .flags = KVM_PIT_SPEAKER_DUMMY };
	struct nestor_vcpu *v = vm->vcpus[0];
	struct kvm_pit_state2 s;
	unsigned int n, i;
	u64 end;

	is(pit_create(vm, &cfg), 0, "pit: create");
	is(pit_create(vm, &cfg), -EEXIST, "pit: once");
	pic_init(vm);
	outb(vm, 0x43, 0x34);			/* channel 0, word, mode 2 */
	outb(vm, 0x40, 11932 & 0xff);
	outb(vm, 0x40, 11932 >> 8);		/* 100 Hz */
	n = kshim_advance(1005000000);
	is(n, 100, "pit: ticks a second");
	is(irq_ack(v), 0x30, "pit: interrupt");
	for (i = 0; i < 200; i++) {
		outb(vm, 0x20, 0x20);
		if (irq_ack(v) != 0x30)
			break;
	}
	is(i, 99, "pit: missed ticks come after EOI");
	pit_reinject(vm, 0);
	kshim_advance(1000000000);
	irq_ack(v);
	outb(vm, 0x20, 0x20);
	is(irq_pending(v), 0, "pit: unless not wanted");

	outb(vm, 0x40, 1);
	outb(vm, 0x40, 0);
	is(kshim_advance(1000000000) <= 5000, 1, "pit: no storm");
	outb(vm, 0x43, 0x30);			/* mode 0: one shot */
	outb(vm, 0x40, 1);
	outb(vm, 0x40, 0);
	is(kshim_advance(1000000000), 1, "pit: one shot");

	outb(vm, 0x61, 1);
	outb(vm, 0x43, 0xb0);			/* channel 2, word, mode 0 */
	outb(vm, 0x42, 0xff);
	outb(vm, 0x42, 0xff);
	is(inb(vm, 0x61) & 0x21, 1, "pit: channel 2 counts");
	kshim_advance(1000000);			/* 1193 ticks */
	outb(vm, 0x43, 0x80);
	kshim_advance(1000000);
	i = inb(vm, 0x42);
	i |= inb(vm, 0x42) << 8;
	is(i, 0xffff - 1193, "pit: latched count");
	end = 65535ull * NSEC_PER_SEC / 1193182;
	kshim_advance(end);
	is(inb(vm, 0x61) & 0x21, 0x21, "pit: its output rises");
	outb(vm, 0x43, 0xe8);			/* read back status of channel 2 */
	is(inb(vm, 0x42) & 0xbf, 0xb0, "pit: status");
	test_pit_busy(vm);

	is(pit_get(vm, &s), 0, "pit: state");
	s.channels[1].count = 0x10001;
	is(pit_set(vm, &s), -EINVAL, "pit: count too large");
	s.channels[1].count = 0;
	s.channels[1].count_load_time = INT64_MIN;
	s.channels[0].count_load_time = INT64_MAX;
	s.channels[2].mode = 3;
	s.channels[2].count = 1;
	is(pit_set(vm, &s), 0, "pit: odd times");
	inb(vm, 0x41);
	inb(vm, 0x42);
	inb(vm, 0x61);
	s.flags = 8;
	is(pit_set(vm, &s), -EINVAL, "pit: flags");
	/* Every control word and some counts: nothing may divide by zero. */
	for (n = 0; n < 256; n++) {
		outb(vm, 0x43, n);
		for (i = 0; i < 3; i++) {
			outb(vm, 0x40 + i, n);
			kshim_advance(1000);
			inb(vm, 0x40 + i);
			inb(vm, 0x40 + i);
		}
		inb(vm, 0x61);
	}
	tap_ok(true, "pit: every control word");
	host_vm_free(vm);
}

static unsigned int taken;

static int dev_read(struct io_dev *dev, struct nestor_vcpu *v, u64 a, unsigned int l, void *d)
{
	return -EOPNOTSUPP;
}

static int dev_write(struct io_dev *dev, struct nestor_vcpu *v, u64 a, unsigned int l,
		     const void *d)
{
	taken = dev->len;
	return *(u8 *)d == 0xee ? -EOPNOTSUPP : 0;
}

static void dev_destroy(struct io_dev *dev)
{
}

static void test_bus(void)
{
	struct nestor_vm *vm = host_vm(CHIP_NONE, 1);
	struct nestor_vcpu *v = vm->vcpus[0];
	struct io_dev dev[5];
	static const struct { u64 a, l; } at[5] = {
		{ 0x1000, 0x1000 }, { 0x1100, 4 }, { 0x1100, 8 }, { 0x3000, 2 }, { 0x1800, 0x100 },
	};
	struct kvm_coalesced_mmio_zone z = { .addr = 0x5000, .size = 0x10 };
	struct kvm_coalesced_mmio_ring *ring;
	u64 val = 0;
	unsigned int i;
	int err = 0;

	for (i = 0; i < 5; i++) {
		dev[i] = (struct io_dev){ .addr = at[i].a, .len = at[i].l, .read = dev_read,
					  .write = dev_write, .destroy = dev_destroy };
		err |= io_bus_add(vm, IO_MMIO, &dev[i]);
	}
	is(err, 0, "bus: add");
	is(io_bus_write(v, IO_MMIO, 0x1ffc, 4, &val) ?: taken, 0x1000, "bus: end of a range");
	is(io_bus_write(v, IO_MMIO, 0x1ffe, 4, &val), -EOPNOTSUPP, "bus: across the end");
	is(io_bus_write(v, IO_MMIO, 0x3000, 2, &val) ?: taken, 2, "bus: behind a longer one");
	is(io_bus_write(v, IO_MMIO, 0xfff, 1, &val), -EOPNOTSUPP, "bus: before all");
	is(io_bus_write(v, IO_MMIO, ~0ull, 4, &val), -EOPNOTSUPP, "bus: wraps");
	is(io_bus_write(v, IO_PORT, 0x1000, 1, &val), -EOPNOTSUPP, "bus: another space");
	io_bus_remove(vm, IO_MMIO, &dev[0]);
	is(io_bus_write(v, IO_MMIO, 0x1104, 4, &val) ?: taken, 8, "bus: an overlapped one");
	is(io_bus_write(v, IO_MMIO, 0x1ffc, 4, &val), -EOPNOTSUPP, "bus: removed");
	val = 0xee;
	is(io_bus_write(v, IO_MMIO, 0x1100, 4, &val), -EOPNOTSUPP, "bus: all pass it on");
	is(taken, 8, "bus: all were asked");

	is(coalesced_register(vm, &z), 0, "ring: register");
	ring = page_address(coalesced_page(vm));
	is(io_bus_write(v, IO_MMIO, 0x500c, 4, &val), 0, "ring: write");
	is(ring->last, 1, "ring: one entry");
	is(ring->coalesced_mmio[0].phys_addr, 0x500c, "ring: address");
	is(io_bus_write(v, IO_MMIO, 0x500e, 4, &val), -EOPNOTSUPP, "ring: past the zone");
	for (i = 0; !io_bus_write(v, IO_MMIO, 0x5000, 8, &val); i++)
		;
	is(i, KVM_COALESCED_MMIO_MAX - 2, "ring: full");
	ring->last = 0xffffffff;
	is(io_bus_write(v, IO_MMIO, 0x5000, 8, &val), -EOPNOTSUPP, "ring: hostile index");
	ring->last = 0;
	ring->first = 0xffffffff;
	is(io_bus_write(v, IO_MMIO, 0x5000, 8, &val), 0, "ring: hostile start");
	is(coalesced_unregister(vm, &z), 0, "ring: unregister");
	is(io_bus_write(v, IO_MMIO, 0x5000, 8, &val), -EOPNOTSUPP, "ring: gone");
	z.pio = 2;
	is(coalesced_register(vm, &z), -EINVAL, "ring: flag");
	host_vm_free(vm);
}

int main(void)
{
	test_pic();
	test_ioapic();
	test_priority();
	test_ipi();
	test_base();
	test_timer();
	test_state();
	test_routing();
	test_split();
	test_pit();
	test_bus();
	return tap_done();
}
