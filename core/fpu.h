/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest FPU state: one XSAVE area in the standard (not compacted) format, as
 * the ABI shows it.  Between fpu_load and fpu_unload the guest's registers are
 * in the CPU; preemption is off all that time, so no notifier is needed.
 */
#ifndef NESTOR_CORE_FPU_H
#define NESTOR_CORE_FPU_H

#include "core/types.h"

struct nestor_vcpu;
struct kvm_fpu;
struct kvm_xsave;
struct kvm_xcrs;

#define FPU_AREA_SIZE	4096

/**
 * struct vcpu_fpu - FPU state of one vCPU (L1 and L2 share it)
 * @area: FPU_AREA_SIZE bytes, 64-byte aligned, XSAVE standard format
 * @xcr0: the guest's XCR0
 * @loaded: the registers are in the CPU now
 */
struct vcpu_fpu {
	void *area;
	u64 xcr0;
	bool loaded;
};

/* fpu_supported_xcr0() - XCR0 bits that may be given to guests on this host */
u64 fpu_supported_xcr0(void);
int fpu_setup(void);
int fpu_alloc(struct vcpu_fpu *fpu);
void fpu_free(struct vcpu_fpu *fpu);
void fpu_reset(struct vcpu_fpu *fpu, bool init);
/* Enter and leave the stretch in which the guest's registers are loaded; turns preemption off and on. */
void fpu_load(struct vcpu_fpu *fpu);
void fpu_unload(struct vcpu_fpu *fpu);
/* fpu_set_xcr0() - XSETBV: 0, or -EINVAL where the guest gets #GP */
int fpu_set_xcr0(struct nestor_vcpu *vcpu, u64 xcr0);
/* ABI forms; called unloaded with vcpu->lock held; -EINVAL on bad input */
void fpu_get_fpu(struct vcpu_fpu *fpu, struct kvm_fpu *out);
int fpu_set_fpu(struct vcpu_fpu *fpu, const struct kvm_fpu *in);
void fpu_get_xsave(struct vcpu_fpu *fpu, struct kvm_xsave *out);
int fpu_set_xsave(struct vcpu_fpu *fpu, const struct kvm_xsave *in);
/* XMM registers for the instruction emulator; unloaded */
void fpu_read_xmm(struct vcpu_fpu *fpu, unsigned int n, u8 val[16]);
void fpu_write_xmm(struct vcpu_fpu *fpu, unsigned int n, const u8 val[16]);
/* XMM or YMM (@len 16 or 32); with @zero_upper the register above @len becomes 0 */
void fpu_read_vec(struct vcpu_fpu *fpu, unsigned int n, void *buf, unsigned int len);
void fpu_write_vec(struct vcpu_fpu *fpu, unsigned int n, const void *buf, unsigned int len,
		   bool zero_upper);

#endif
