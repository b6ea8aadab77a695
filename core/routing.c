// SPDX-License-Identifier: GPL-2.0-only
/*
 * GSI routing: what KVM_IRQ_LINE, irqfds and the PIT raise by number goes to
 * pins of the in-kernel controllers or becomes a message.
 *
 * A table is built whole from the VMM's entries, never changed afterwards, and
 * replaced under vm->srcu; on return from irq_set_routing() nobody uses the
 * old one.  A GSI is wired to one pin of each chip at most, or sends one
 * message: raising one is a bounded amount of work, which matters as it
 * may happen in hard interrupt context.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "core/irqchip.h"

static struct route_table *get_routes(struct nestor_vm *vm)
{
	struct irqchip *chip = READ_ONCE(vm->irqchip);

	return chip ? srcu_dereference(chip->routes, &vm->srcu) : NULL;
}

/* 0 coalesced and n delivered add up; ignored counts when all sinks ignored. */
static int add_result(int sum, int r)
{
	if (r < 0)
		return sum;
	return max(sum, 0) + r;
}

int irq_set(struct nestor_vm *vm, enum irq_source src, u32 gsi, bool level)
{
	struct route_table *tab = get_routes(vm);
	const struct gsi_route *route;
	int i, ret = IRQ_IGNORED;

	if (!tab || gsi >= tab->nr)
		return IRQ_IGNORED;
	route = &tab->gsi[gsi];
	if (route->has_msi)
		return level ? lapic_deliver(vm, &route->msi) : IRQ_IGNORED;
	for (i = 0; i < 2; i++)
		if (route->pic[i] >= 0)
			ret = add_result(ret, pic_set(vm->irqchip->pic, route->pic[i], src, level));
	if (route->ioapic >= 0)
		ret = add_result(ret, ioapic_set(vm->irqchip->ioapic, route->ioapic, src, level));
	return ret;
}

void irq_acked(struct nestor_vm *vm, bool ioapic, unsigned int pin)
{
	struct route_table *tab = get_routes(vm);
	int gsi;

	if (!tab)
		return;
	gsi = ioapic ? tab->ioapic_gsi[pin] : tab->pic_gsi[pin];
	if (gsi < 0)
		return;
	if (!gsi) {
		struct pit *pit = READ_ONCE(vm->irqchip->pit);

		if (pit)
			pit_acked(pit);
	}
	irqfd_acked(vm, gsi);
}

bool route_user_wants_eoi(struct nestor_vm *vm, u8 vector)
{
	struct route_table *tab = get_routes(vm);

	return tab && test_bit(vector, tab->user_eoi);
}

/*
 * -EINVAL where the ABI's fields are wrong.  Bits 31:20 of the address are not
 * looked at: that the write goes to the interrupt window is the VMM's finding,
 * and some pass on the offset in the window only.
 */
static int msi_decode(struct nestor_vm *vm, u32 lo, u32 hi, u32 data, struct irq_msg *msg)
{
	bool ids32 = vm->x2apic_api & KVM_X2APIC_API_USE_32BIT_IDS;

	if (ids32 && (hi & 0xff))
		return -EINVAL;
	*msg = (struct irq_msg){
		.dest = (lo >> 12 & 0xff) | (ids32 ? hi & 0xffffff00 : 0),
		.logical = lo & 1u << 2,
		.vector = data & 0xff,
		.mode = data >> 8 & 7,
		.level = data & 1u << 15,
	};
	return 0;
}

int irq_signal_msi(struct nestor_vm *vm, const struct kvm_msi *msi)
{
	struct irq_msg msg;
	int err, sinks;

	if (!vm->irqchip || msi->flags)
		return -EINVAL;
	err = msi_decode(vm, msi->address_lo, msi->address_hi, msi->data, &msg);
	if (err)
		return err;
	sinks = lapic_deliver(vm, &msg);
	return max(sinks, 0);
}

static int add_pin(struct nestor_vm *vm, struct route_table *tab, struct gsi_route *route,
		   const struct kvm_irq_routing_entry *e)
{
	u32 pin = e->u.irqchip.pin;

	if (vm->split || route->has_msi)
		return -EINVAL;
	switch (e->u.irqchip.irqchip) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		if (pin >= 8 || route->pic[e->u.irqchip.irqchip] >= 0)
			return -EINVAL;
		pin += 8 * e->u.irqchip.irqchip;
		route->pic[e->u.irqchip.irqchip] = pin;
		tab->pic_gsi[pin] = e->gsi;
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		if (pin >= NR_IOAPIC_PINS || route->ioapic >= 0)
			return -EINVAL;
		route->ioapic = pin;
		tab->ioapic_gsi[pin] = e->gsi;
		return 0;
	default:
		return -EINVAL;
	}
}

static int add_msi(struct nestor_vm *vm, struct route_table *tab, struct gsi_route *route,
		   const struct kvm_irq_routing_entry *e)
{
	int err;

	if (route->has_msi || route->pic[0] >= 0 || route->pic[1] >= 0 || route->ioapic >= 0)
		return -EINVAL;
	err = msi_decode(vm, e->u.msi.address_lo, e->u.msi.address_hi, e->u.msi.data, &route->msi);
	if (err)
		return err;
	route->has_msi = true;
	if (vm->split && e->gsi < vm->irqchip->split_pins && route->msi.level)
		__set_bit(route->msi.vector, tab->user_eoi);
	return 0;
}

static int add_entry(struct nestor_vm *vm, struct route_table *tab,
		     const struct kvm_irq_routing_entry *e)
{
	struct gsi_route *route = &tab->gsi[e->gsi];

	switch (e->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		return e->flags ? -EINVAL : add_pin(vm, tab, route, e);
	case KVM_IRQ_ROUTING_MSI:
		/* x86 has no device ids: the flag is allowed and says nothing. */
		return e->flags & ~KVM_MSI_VALID_DEVID ? -EINVAL : add_msi(vm, tab, route, e);
	default:
		return -EINVAL;
	}
}

static struct route_table *alloc_table(u32 nr)
{
	struct route_table *tab = kvzalloc(struct_size(tab, gsi, nr), GFP_KERNEL_ACCOUNT);
	u32 i;

	if (!tab)
		return NULL;
	tab->nr = nr;
	memset(tab->pic_gsi, 0xff, sizeof(tab->pic_gsi));
	memset(tab->ioapic_gsi, 0xff, sizeof(tab->ioapic_gsi));
	for (i = 0; i < nr; i++)
		tab->gsi[i] = (struct gsi_route){ .pic = { -1, -1 }, .ioapic = -1 };
	return tab;
}

static struct route_table *build(struct nestor_vm *vm, const struct kvm_irq_routing_entry *e, u32 nr)
{
	struct route_table *tab;
	u32 i, nr_gsi = 0;
	int err;

	for (i = 0; i < nr; i++) {
		if (e[i].gsi >= NESTOR_MAX_IRQ_ROUTES)
			return ERR_PTR(-EINVAL);
		nr_gsi = max(nr_gsi, e[i].gsi + 1);
	}
	tab = alloc_table(nr_gsi);
	if (!tab)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < nr; i++) {
		err = add_entry(vm, tab, &e[i]);
		if (err) {
			kvfree(tab);
			return ERR_PTR(err);
		}
	}
	return tab;
}

int irq_set_routing(struct nestor_vm *vm, const struct kvm_irq_routing_entry *e, u32 nr)
{
	struct irqchip *chip = vm->irqchip;
	struct route_table *tab, *old;

	if (!chip || nr > NESTOR_MAX_IRQ_ROUTES)
		return -EINVAL;
	tab = build(vm, e, nr);
	if (IS_ERR(tab))
		return PTR_ERR(tab);
	mutex_lock(&chip->route_lock);
	old = rcu_replace_pointer(chip->routes, tab, lockdep_is_held(&chip->route_lock));
	vm_wait_readers(vm);
	mutex_unlock(&chip->route_lock);
	kvfree(old);
	return 0;
}

/*
 * Until the VMM says otherwise GSI n is pin n of the I/O APIC, and of the PICs
 * as far as they have one; a split irqchip starts without any route.
 */
int route_default(struct nestor_vm *vm, bool split)
{
	struct kvm_irq_routing_entry *e;
	u32 gsi, nr = 0;
	int err;

	if (split)
		return irq_set_routing(vm, NULL, 0);
	e = kcalloc(NR_PIC_PINS + NR_IOAPIC_PINS, sizeof(*e), GFP_KERNEL);
	if (!e)
		return -ENOMEM;
	for (gsi = 0; gsi < NR_IOAPIC_PINS; gsi++) {
		e[nr].type = KVM_IRQ_ROUTING_IRQCHIP;
		e[nr].gsi = gsi;
		e[nr].u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
		e[nr++].u.irqchip.pin = gsi;
		if (gsi >= NR_PIC_PINS)
			continue;
		e[nr].type = KVM_IRQ_ROUTING_IRQCHIP;
		e[nr].gsi = gsi;
		e[nr].u.irqchip.irqchip = gsi < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE;
		e[nr++].u.irqchip.pin = gsi & 7;
	}
	err = irq_set_routing(vm, e, nr);
	kfree(e);
	return err;
}
