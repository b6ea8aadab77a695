/* SPDX-License-Identifier: GPL-2.0-only */
/* Accesses of an emulated instruction (core/emulate.c) to devices (core/emulate_dev.c). */
#ifndef NESTOR_CORE_EMULATE_H
#define NESTOR_CORE_EMULATE_H

#include "core/emul/emul.h"
#include "core/vcpu.h"

/** mmio_reset() - the instruction is done, or will not be run again: none of its accesses is one to answer again */
void mmio_reset(struct vcpu_mmio *m);
/**
 * mmio_access() - @len bytes at @gpa, where there is no memory, or none that may be written
 * Return: X86_EMUL_USER: the VMM has it now; X86_EMUL_UNHANDLED: more pieces than any instruction has
 */
enum x86_result mmio_access(struct nestor_vcpu *vcpu, u64 gpa, u8 *data, unsigned int len, bool write);
/**
 * emu_pio() - @count items of @size bytes from (@in) or to one port
 * Return: as mmio_access(), and X86_EMUL_RESTART: not the access that L2's exit was about
 */
enum x86_result emu_pio(struct nestor_vcpu *vcpu, u16 port, unsigned int size, u8 *buf,
			unsigned int count, bool in);

#endif
