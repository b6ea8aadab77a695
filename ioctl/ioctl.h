/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * File descriptors of the device, of VMs and of vCPUs.  Arguments are copied
 * and checked here, once; what lies behind sees kernel memory only.
 */
#ifndef NESTOR_IOCTL_IOCTL_H
#define NESTOR_IOCTL_IOCTL_H

#include "core/vcpu.h"
#include "core/vm.h"

struct file_operations;

/* vCPU ids are below this (KVM_CAP_MAX_VCPU_ID). */
#define NESTOR_MAX_VCPU_ID	255
/* Pages of a vCPU's mapping: struct kvm_run, port data, coalesced-MMIO ring. */
#define NESTOR_VCPU_PAGES	3
/* MSRs in one KVM_GET_MSRS or KVM_SET_MSRS */
#define NESTOR_MAX_IO_MSRS	256
/* KVM_CAP_X86_DISABLE_EXITS: what can be left to the guest */
#define NESTOR_DISABLE_EXITS	(KVM_X86_DISABLE_EXITS_HLT | KVM_X86_DISABLE_EXITS_PAUSE)
/* KVM_SET_NR_MMU_PAGES: least */
#define NESTOR_MIN_MMU_PAGES	64
/* KVM_CAP_DISABLE_QUIRKS2: the quirks that there are, and that can be turned off */
#define NESTOR_QUIRKS		KVM_X86_QUIRK_LINT0_REENABLED
/* Machine-check banks and features of KVM_X86_SETUP_MCE */
#define NESTOR_MCE_CAP		(BIT_ULL(8) | BIT_ULL(24))	/* CTL_P, SER_P */

/**
 * ioctl_register() - make /dev/nestor, and /dev/kvm too if @kvm_alias
 * Return: 0, -EEXIST when there is a /dev/kvm already (said in the log), or
 * what misc_register() says.  The VMM may call at once.
 */
int ioctl_register(bool kvm_alias);
void ioctl_unregister(void);

/* ioctl/caps.c: KVM_CHECK_EXTENSION; @vm is NULL for the device */
int check_extension(const struct nestor_vm *vm, unsigned long cap);
/* KVM_ENABLE_CAP of a VM */
int vm_enable_cap(struct nestor_vm *vm, const struct kvm_enable_cap *cap);

/* ioctl/vm.c: a new VM's fd */
int vm_open(unsigned long type);
/* ioctl/stats.c: KVM_GET_STATS_FD: a new descriptor that reads as <linux/kvm.h> describes */
int stats_fd_vm(struct nestor_vm *vm);
int stats_fd_vcpu(struct nestor_vcpu *vcpu);
/* ioctl/vm_irq.c: -ENOIOCTLCMD when @cmd is none of its own */
long vm_irq_ioctl(struct nestor_vm *vm, unsigned int cmd, void __user *argp);

/* ioctl/vcpu.c */
extern const struct file_operations vcpu_fops;

/*
 * vCPU ioctls by kind, vcpu->lock held; -ENOIOCTLCMD when @cmd is none of theirs.
 * regs.c: general and system registers; state.c: FPU, MSRs, CPUID;
 * events.c: events, debugging, machine checks, interrupts
 */
long vcpu_regs_ioctl(struct nestor_vcpu *vcpu, unsigned int cmd, void __user *argp);
long vcpu_state_ioctl(struct nestor_vcpu *vcpu, unsigned int cmd, void __user *argp);
long vcpu_events_ioctl(struct nestor_vcpu *vcpu, unsigned int cmd, void __user *argp);
/* What KVM_CAP_SYNC_REGS shares with the ioctls; they check alike. */
void regs_get(struct nestor_vcpu *vcpu, struct kvm_regs *r);
int regs_set(struct nestor_vcpu *vcpu, const struct kvm_regs *r);
void sregs_get(struct nestor_vcpu *vcpu, struct kvm_sregs *s);
int sregs_set(struct nestor_vcpu *vcpu, const struct kvm_sregs *s);
void events_get(struct nestor_vcpu *vcpu, struct kvm_vcpu_events *e);
int events_set(struct nestor_vcpu *vcpu, const struct kvm_vcpu_events *e);
/* sync_regs.c: registers in struct kvm_run; @show: KVM_SYNC_X86_* that the VMM wants to see, read once */
int sync_regs_in(struct nestor_vcpu *vcpu, u64 show);
void sync_regs_out(struct nestor_vcpu *vcpu, u64 show);
/* nested.c: nested state; nested_state_max() is the most bytes that it takes, 0 for none */
long vcpu_nested_ioctl(struct nestor_vcpu *vcpu, unsigned int cmd, void __user *argp);
int nested_state_max(const struct nestor_vm *vm);

#endif
