// SPDX-License-Identifier: GPL-2.0-only
/* End of interrupt by a bit in L1's memory: when it is lent, what becomes of it, memory that is not there. */
#include "core/msr.h"
#include "irq_host.h"
#include "tap.h"

#define WORD	0x3000ull
#define VECTOR	0x40

/* A word of memory, and what may go wrong with it. */
static struct {
	u8 byte;
	bool gone;		/* for good */
	bool paged_out;		/* it takes sleeping */
	unsigned int writes;
} mem;

bool gmem_is_ram(struct nestor_vcpu *vcpu, struct l1_gpa gpa, bool *readonly)
{
	*readonly = gpa.a >= 0x10000;
	return gpa.a < 0x20000;
}

static int get(struct l1_gpa gpa, void *data, size_t len)
{
	if (mem.gone || gpa.a != WORD || len != 1)
		return -EFAULT;
	*(u8 *)data = mem.byte;
	return 0;
}

static int put(struct l1_gpa gpa, const void *data, size_t len)
{
	if (mem.gone || gpa.a != WORD || len != 1)
		return -EFAULT;
	mem.byte = *(const u8 *)data;
	mem.writes++;
	return 0;
}

int gmem_read(struct nestor_vcpu *vcpu, struct l1_gpa gpa, void *data, size_t len)
{
	return get(gpa, data, len);
}

int gmem_write(struct nestor_vcpu *vcpu, struct l1_gpa gpa, const void *data, size_t len)
{
	return put(gpa, data, len);
}

int gmem_read_atomic(struct nestor_vcpu *vcpu, struct l1_gpa gpa, void *data, size_t len)
{
	return mem.paged_out ? -EAGAIN : get(gpa, data, len);
}

int gmem_write_atomic(struct nestor_vcpu *vcpu, struct l1_gpa gpa, const void *data, size_t len)
{
	return mem.paged_out ? -EAGAIN : put(gpa, data, len);
}

/* A vCPU with @vector in service, which has not been told of it yet. */
static struct nestor_vm *serving(u8 vector, bool level)
{
	struct nestor_vm *vm = host_vm(CHIP_FULL, 1);
	struct nestor_vcpu *v = vm->vcpus[0];

	memset(&mem, 0, sizeof(mem));
	apic_write(v, APIC_R_SVR, SVR_ENABLE | 0xff);
	pv_eoi_set_msr(v, WORD | 1);
	lapic_accept(v->apic, DM_FIXED, vector, level);
	tap_ok(irq_ack(v) == vector && v->apic->eoi_due, "%#x goes into service", vector);
	v->requests = 0;
	return vm;
}

static bool in_service(struct nestor_vcpu *v)
{
	return lapic_highest(v->apic, APIC_R_ISR) >= 0;
}

static void test_msr(void)
{
	struct nestor_vm *vm = host_vm(CHIP_FULL, 1);
	struct nestor_vcpu *v = vm->vcpus[0];

	tap_ok(!pv_eoi_set_msr(v, WORD | 1) && v->msr.pv_eoi == (WORD | 1), "on");
	tap_ok(pv_eoi_set_msr(v, WORD | 2) == -EINVAL, "bit 1");
	tap_ok(pv_eoi_set_msr(v, WORD | 3) == -EINVAL, "both bits");
	tap_ok(pv_eoi_set_msr(v, 0x20001) == -EINVAL, "no memory");
	tap_ok(pv_eoi_set_msr(v, 0x10001) == -EINVAL, "read-only memory");
	tap_ok(v->msr.pv_eoi == (WORD | 1), "refused: nothing changes");
	tap_ok(!pv_eoi_set_msr(v, ~3ull), "off: any address");
	pv_eoi_set_msr(v, WORD | 1);
	lapic_reset(v, true);
	tap_ok(!v->msr.pv_eoi, "INIT turns it off");
	host_vm_free(vm);
}

static void test_ended(void)
{
	struct nestor_vm *vm = serving(VECTOR, false);
	struct nestor_vcpu *v = vm->vcpus[0];

	pv_eoi_lend(v);
	tap_ok(mem.byte == 1 && v->apic->eoi_lent && !v->apic->eoi_due, "the bit is lent");
	mem.byte = 0;
	tap_ok(pv_eoi_take(v, false) && !v->apic->eoi_lent && !in_service(v), "cleared: ended");
	tap_ok(mem.writes == 1 && !v->apic->eoi_due, "and nothing more is written");
	tap_ok(!v->requests, "nor is anything to be looked at");
	host_vm_free(vm);
}

static void test_not_ended(void)
{
	struct nestor_vm *vm = serving(VECTOR, false);
	struct nestor_vcpu *v = vm->vcpus[0];

	pv_eoi_lend(v);
	tap_ok(pv_eoi_take(v, false) && in_service(v) && !v->apic->eoi_lent, "left: in service");
	tap_ok(mem.byte == 0 && v->apic->eoi_due, "the bit is taken back, to be lent again");
	pv_eoi_lend(v);
	lapic_accept(v->apic, DM_FIXED, VECTOR + 0x10, false);
	mem.byte = 0;
	v->requests = 0;
	tap_ok(pv_eoi_take(v, false) && !in_service(v), "ended while another came");
	tap_ok(v->requests && lapic_pending(v) == VECTOR + 0x10, "which is looked at");
	host_vm_free(vm);
}

static void test_not_lent(void)
{
	struct nestor_vm *vm = serving(VECTOR, true);
	struct nestor_vcpu *v = vm->vcpus[0];

	pv_eoi_lend(v);
	tap_ok(!mem.writes && !v->apic->eoi_lent, "level-triggered: not lent");
	host_vm_free(vm);

	vm = serving(VECTOR, false);
	v = vm->vcpus[0];
	lapic_accept(v->apic, DM_FIXED, 0x31, false);
	pv_eoi_lend(v);
	tap_ok(!mem.writes && !v->apic->eoi_lent, "another waits: not lent");
	host_vm_free(vm);

	vm = serving(VECTOR, false);
	v = vm->vcpus[0];
	mmio_write(vm, 0xfec00000, 0x10 + 2 * 5);
	mmio_write(vm, 0xfec00010, VECTOR);
	pv_eoi_lend(v);
	tap_ok(!mem.writes && !v->apic->eoi_lent, "the I/O APIC's: not lent");
	host_vm_free(vm);

	vm = serving(VECTOR, false);
	v = vm->vcpus[0];
	lapic_eoi(v->apic);
	pv_eoi_lend(v);
	tap_ok(!mem.writes && !v->apic->eoi_lent, "none in service: not lent");
	host_vm_free(vm);

	vm = serving(VECTOR, false);
	v = vm->vcpus[0];
	v->smm.active = true;
	pv_eoi_lend(v);
	tap_ok(!mem.writes && !v->apic->eoi_lent, "in SMM: not lent");
	v->smm.active = false;
	pv_eoi_set_msr(v, WORD);
	pv_eoi_lend(v);
	tap_ok(!mem.writes && !v->apic->eoi_lent, "off: not lent");
	host_vm_free(vm);
}

static void test_memory(void)
{
	struct nestor_vm *vm = serving(VECTOR, false);
	struct nestor_vcpu *v = vm->vcpus[0];

	mem.paged_out = true;
	pv_eoi_lend(v);
	tap_ok(!v->apic->eoi_lent, "not at hand: not lent");
	mem.paged_out = false;
	pv_eoi_lend(v);
	mem.paged_out = true;
	tap_ok(!pv_eoi_take(v, false) && v->apic->eoi_lent && in_service(v), "not at hand: not taken, nothing done");
	mem.byte = 0;
	tap_ok(pv_eoi_take(v, true) && !v->apic->eoi_lent && !in_service(v), "taken where sleeping is allowed");
	host_vm_free(vm);

	vm = serving(VECTOR, false);
	v = vm->vcpus[0];
	pv_eoi_lend(v);
	mem.gone = true;
	tap_ok(!pv_eoi_take(v, false), "gone: that takes sleeping to know");
	tap_ok(pv_eoi_take(v, true) && in_service(v) && !v->apic->eoi_lent, "gone: EOI has to be written");
	host_vm_free(vm);
}

int main(void)
{
	test_msr();
	test_ended();
	test_not_ended();
	test_not_lent();
	test_memory();
	return tap_done();
}
