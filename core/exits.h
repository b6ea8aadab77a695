/* SPDX-License-Identifier: GPL-2.0-only */
/* Exits that L0 handles: of L1, and of L2 where L1 does not want them. */
#ifndef NESTOR_CORE_EXITS_H
#define NESTOR_CORE_EXITS_H

#include "core/vcpu.h"
#include "core/verdict.h"

/** handle_exit() - the last exit of the current run; sleepable, vm->srcu held */
enum run_action handle_exit(struct nestor_vcpu *vcpu);
/**
 * handle_exit_atomic() - the same with the CPU loaded and vcpu->atomic set: RESUME_GUEST, or HANDLE_LATER
 * when handle_exit() has to do it; vm->srcu held
 */
enum run_action handle_exit_atomic(struct nestor_vcpu *vcpu);
/**
 * answer_rdmsr() - RDMSR of the current run, RIP stays; reading sleeps and waits for nothing, and changes nothing
 * Return: false where it is refused, which may be the VMM's to hear of.
 */
bool answer_rdmsr(struct nestor_vcpu *vcpu);
enum run_action handle_ioio(struct nestor_vcpu *vcpu);		/* core/pio.c */
/** handle_ioio_atomic() - as handle_exit_atomic(): what a device in the kernel answers without sleeping */
enum run_action handle_ioio_atomic(struct nestor_vcpu *vcpu);
enum run_action handle_cr(struct nestor_vcpu *vcpu);		/* core/exits_cr.c */
enum run_action handle_dr(struct nestor_vcpu *vcpu);
enum run_action handle_exception(struct nestor_vcpu *vcpu);	/* core/exits_excp.c */
enum run_action handle_iret(struct nestor_vcpu *vcpu);
/** hypercall() - VMCALL or VMMCALL of L1 that no extension takes: #UD where none was promised */
enum nested_result hypercall(struct nestor_vcpu *vcpu);

#endif
