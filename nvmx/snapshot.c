// SPDX-License-Identifier: GPL-2.0-only
/*
 * snapshot: what an entry reads of L1's memory beside the VMCS itself, which has been
 * the kernel's copy since VMPTRLD.  Each byte is read once; another CPU of L1 may rewrite
 * it meanwhile and has no effect on what was read.
 */
#include "core/hw_ops.h"
#include "core/x86.h"
#include "mmu/mmu.h"
#include "nvmx/snapshot.h"

#define VTPR			0x80

/* A page that is not there reads as all ones, as on a bus where nobody answers. */
static int read_ones(struct nestor_vcpu *vcpu, u64 gpa, void *data, unsigned int len)
{
	int r = gmem_read(vcpu, l1_gpa(gpa), data, len);

	if (r != -EFAULT)
		return r;
	memset(data, 0xff, len);
	return 0;
}

static int read_memory(struct nestor_vcpu *vcpu, const struct vmcs12 *v,
		       struct nvmx_check_env *env)
{
	int r = 0;

	if (v->vmcs_link_ptr != NO_VMCS)
		r = read_ones(vcpu, v->vmcs_link_ptr, &env->link_word, sizeof(env->link_word));
	if (!r && nvmx_needs_vtpr(v))
		r = read_ones(vcpu, v->virtual_apic_addr + VTPR, &env->vtpr, sizeof(env->vtpr));
	if (!r && nvmx_needs_pdptes(v))
		r = read_ones(vcpu, v->guest_cr3 & GENMASK_ULL(31, 5), env->pdpte,
			      sizeof(env->pdpte));
	return r;
}

int nvmx_snapshot(struct nestor_vcpu *vcpu, const struct vmcs12 *v, u64 ptr,
		  struct nvmx_check_env *env)
{
	const struct nvmx *n = nvmx_of(vcpu);

	run_need(&vcpu->l1, GRP_CR);
	/* Member by member: all that are not here are 0 from the start, or what was read. */
	env->caps = &n->caps;
	env->rsvd_gpa_bits = vcpu->cpuid.rsvd_gpa_bits;
	env->cr4_reserved = vcpu->cpuid.cr4_reserved;
	env->efer_reserved = vcpu->cpuid.efer_reserved;
	env->debugctl_reserved = ~hw_caps.debugctl;
	/* There is no virtual PMU. */
	env->perf_global_reserved = ~0ull;
	env->l1_efer = vcpu->l1.efer;
	env->current_ptr = ptr;
	env->link_word = 0;
	env->va_bits = vcpu->cpuid.cr4_reserved & X_CR4_LA57 ? 48 : 57;
	env->vtpr = 0;
	return read_memory(vcpu, v, env);
}
