/* SPDX-License-Identifier: GPL-2.0-only */
/* A VM made of interrupt controllers only, for tests. */
#ifndef NESTOR_TESTS_IRQ_HOST_H
#define NESTOR_TESTS_IRQ_HOST_H

#include "core/irqchip.h"

enum host_chip { CHIP_NONE, CHIP_SPLIT, CHIP_FULL };

struct nestor_vm *host_vm(enum host_chip chip, unsigned int vcpus);
void host_vm_free(struct nestor_vm *vm);

extern unsigned int host_nmis, host_smis, host_inits, host_resamples;

void outb(struct nestor_vm *vm, u16 port, u8 val);
u8 inb(struct nestor_vm *vm, u16 port);
u32 mmio_read(struct nestor_vm *vm, u64 addr);
void mmio_write(struct nestor_vm *vm, u64 addr, u32 val);
/* the xAPIC page of a vCPU */
u32 apic_read(struct nestor_vcpu *vcpu, unsigned int reg);
void apic_write(struct nestor_vcpu *vcpu, unsigned int reg, u32 val);

#endif
