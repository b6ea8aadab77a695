// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the host's kernel wants of a thread, done between two entries as on the way to user mode.
 *
 * The kernel has one exported way to run task work that is not an exit to user mode.  It takes the
 * kernel's own kind of vCPU, in which it notes a signal and nothing else: it gets one that
 * belongs to no VM, that all threads share and nobody reads.
 */
#include <linux/entry-kvm.h>
#include <linux/kvm_host.h>

#include "core/compat.h"
#include "core/host_work.h"

static struct kvm_run nobodys_run;
static struct kvm_vcpu nobodys_vcpu = { .run = &nobodys_run };

int host_work(void)
{
	return compat_guest_mode_work(&nobodys_vcpu);
}
