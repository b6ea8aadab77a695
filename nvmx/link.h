/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The link between an entry of L2 and the next: what an entry found to be so need not be looked at by the exit behind
 * it, nor what the exit left by the next entry, as long as nobody can have changed it.
 *
 * That nobody can is not known by marks of those who write, one of whom may be forgotten.  It is known by the count of
 * exits: a turn that keeps the link says which exit is to be the next (nvmx_link), and every other is counted as well,
 * before anybody handles it.  So where the count is as it was said (nvmx_linked), interrupts have been off on
 * this CPU since that turn, and nothing has run but the guest: no ioctl, no request, no other exit's handler.
 * A link begins with an entry by nvmx_quick_entry(), which looks at everything.  Those who keep it are such an entry,
 * nvmx_quick_again(), the linked half of step_out(), and VMREAD and VMWRITE in a turn; nobody else does.
 *
 * What is left is what the guests do.  L1 writes to vmcs12: vmcs12.dirty tells.  L1 changes its own registers, and L2
 * its: these are looked at each time.
 */
#ifndef NESTOR_NVMX_LINK_H
#define NESTOR_NVMX_LINK_H

#include "core/x86.h"
#include "nvmx/nvmx.h"

/* Counted from 1, so that 0 is no exit. */
static __always_inline bool nvmx_linked(const struct nestor_vcpu *vcpu, const struct nvmx *n)
{
	return n->quick.next == vcpu->stats.exits + 1;
}

/* The exit at hand has yet to be counted. */
static __always_inline void nvmx_link(const struct nestor_vcpu *vcpu, struct nvmx *n)
{
	n->quick.next = vcpu->stats.exits + 2;
}

/* nvmx_loads_again() - does an exit load of L1 what nvmx_host_again() looks at? */
static __always_inline bool nvmx_loads_again(const struct vmcs12 *v)
{
	const u32 loads = EXIT_LOAD_EFER | EXIT_LOAD_PAT | EXIT_HOST_64;

	return (v->exit_ctls & loads) == loads;
}

/**
 * nvmx_host_again() - L1's registers, but for RSP, from a host-state area that hw_ops.note has seen
 * @linked: quick.step, and the groups looked at here are current in both runs
 * For exit controls that load EFER and PAT.  Return: false, with nothing done, if more than RIP, RSP and RFLAGS of L1's
 * is to be other than it was at the entry, or than it was noted.
 */
static __always_inline bool nvmx_host_again(struct nestor_vcpu *vcpu, const bool linked)
{
	const struct nvmx *n = nvmx_of(vcpu);
	struct guest_run *l1 = &vcpu->l1;
	const struct vmcs12 *v = n->vmcs12;
	const struct guest_run *cur = vcpu->run;

	if (!linked && unlikely(!nvmx_loads_again(v) ||
				(l1->avail & (GRP_CR | GRP_DR)) != (GRP_CR | GRP_DR) ||
				(cur->avail & (GRP_CR | GRP_ACTIVITY)) != (GRP_CR | GRP_ACTIVITY)))
		return false;
	if (unlikely(!n->host_noted || l1->cr3 != v->host_cr3 || l1->cr4 != (v->host_cr4 | X_CR4_PAE) ||
		     l1->efer != v->host_efer ||
		     l1->cr0 != ((v->host_cr0 & ~NVMX_CR0_KEPT) | (cur->cr0 & NVMX_CR0_KEPT)) ||
		     l1->dr7 != X_DR7_RESET || cur->nmi_blocked))
		return false;
	run_again(l1);
	l1->rip = v->host_rip;
	l1->rflags = X_RFLAGS_FIXED;
	l1->cpl = 0;
	l1->int_shadow = false;
	l1->mov_ss = false;
	l1->debugctl = 0;
	vcpu->run = l1;
	return true;
}

#endif
