// SPDX-License-Identifier: GPL-2.0-only
/* What the interrupt controllers call on and the tests look at. */
#include "core/events.h"
#include "core/irqchip.h"
#include "core/nested_ops.h"
#include "irq_host.h"

u64 kshim_now = 1000000000;
static struct hrtimer *timers;
unsigned int host_nmis, host_smis, host_inits, host_resamples;

void hrtimer_init(struct hrtimer *t, int clock, enum hrtimer_mode mode)
{
	memset(t, 0, sizeof(*t));
	t->next = timers;
	timers = t;
}

static struct hrtimer *next_timer(u64 until)
{
	struct hrtimer *t, *best = NULL;

	for (t = timers; t; t = t->next)
		if (t->armed && t->expires <= (ktime_t)until &&
		    (!best || t->expires < best->expires))
			best = t;
	return best;
}

unsigned int kshim_advance(u64 ns)
{
	u64 until = kshim_now + ns;
	struct hrtimer *t;
	unsigned int n = 0;

	while ((t = next_timer(until))) {
		if ((u64)t->expires > kshim_now)
			kshim_now = t->expires;
		t->armed = false;
		if (t->function(t) == HRTIMER_RESTART)
			t->armed = true;
		n++;
	}
	kshim_now = until;
	return n;
}

void vcpu_kick(struct nestor_vcpu *vcpu)
{
}

void queue_nmi(struct nestor_vcpu *vcpu)
{
	host_nmis++;
}

void queue_smi(struct nestor_vcpu *vcpu)
{
	host_smis++;
}

void vcpu_reset(struct nestor_vcpu *vcpu, bool init)
{
	host_inits += init;
}

void vm_wait_readers(struct nestor_vm *vm)
{
	(void)vm;
}

void hw_fetch(struct guest_run *run, u32 groups)
{
	run->avail |= groups;
}

static bool not_blocked(struct nestor_vcpu *vcpu, enum guest_event_type what)
{
	return false;
}

static enum nested_who nobody(struct nestor_vcpu *vcpu, const struct guest_event *ev, u64 payload)
{
	(void)vcpu;
	(void)ev;
	(void)payload;
	return NESTED_BY_L0;
}

static const struct nested_ops ops = { .blocked = not_blocked, .l2_event = nobody };
const struct nested_ops *nested = &ops;

void irqfd_init(struct irqchip *chip)
{
}

void irqfd_acked(struct nestor_vm *vm, u32 gsi)
{
	host_resamples++;
}

void irqfd_release_all(struct nestor_vm *vm)
{
}

struct nestor_vm *host_vm(enum host_chip chip, unsigned int vcpus)
{
	struct nestor_vm *vm = calloc(1, sizeof(*vm));
	unsigned int i;
	int err = io_bus_create(vm);

	host_nmis = host_smis = host_inits = host_resamples = 0;
	if (!err && chip == CHIP_FULL)
		err = irqchip_create(vm);
	if (!err && chip == CHIP_SPLIT)
		err = irqchip_split(vm, 24);
	if (err)
		abort();
	for (i = 0; i < vcpus; i++) {
		struct nestor_vcpu *v = calloc(1, sizeof(*v));

		v->vm = vm;
		v->id = i;
		v->run = &v->l1;
		v->l1.sys = &v->l1.sys_own;
		v->l1.msrs = &v->l1.msrs_own;
		v->cpuid.has_x2apic = true;
		v->cpuid.has_tsc_deadline = true;
		v->kvm_run = calloc(1, sizeof(*v->kvm_run));
		v->mp_state = i ? KVM_MP_STATE_UNINITIALIZED : KVM_MP_STATE_RUNNABLE;
		if (vm->lapic_in_kernel && lapic_create(v))
			abort();
		vm->vcpus[i] = v;
		vm->nr_vcpus = i + 1;
	}
	return vm;
}

void host_vm_free(struct nestor_vm *vm)
{
	int i;

	for (i = 0; i < vm->nr_vcpus; i++) {
		lapic_free(vm->vcpus[i]);
		free(vm->vcpus[i]->kvm_run);
		free(vm->vcpus[i]);
	}
	irqchip_destroy(vm);
	io_bus_destroy(vm);
	free(vm);
	timers = NULL;
}

void outb(struct nestor_vm *vm, u16 port, u8 val)
{
	io_bus_write(vm->vcpus[0], IO_PORT, port, 1, &val);
}

u8 inb(struct nestor_vm *vm, u16 port)
{
	u8 val = 0xff;

	io_bus_read(vm->vcpus[0], IO_PORT, port, 1, &val);
	return val;
}

u32 mmio_read(struct nestor_vm *vm, u64 addr)
{
	u32 val = ~0u;

	io_bus_read(vm->vcpus[0], IO_MMIO, addr, 4, &val);
	return val;
}

void mmio_write(struct nestor_vm *vm, u64 addr, u32 val)
{
	io_bus_write(vm->vcpus[0], IO_MMIO, addr, 4, &val);
}

u32 apic_read(struct nestor_vcpu *vcpu, unsigned int reg)
{
	u32 val = ~0u;

	lapic_mmio(vcpu, 0xfee00000 + reg, 4, &val, false);
	return val;
}

void apic_write(struct nestor_vcpu *vcpu, unsigned int reg, u32 val)
{
	lapic_mmio(vcpu, 0xfee00000 + reg, 4, &val, true);
}
