// SPDX-License-Identifier: GPL-2.0-only
/*
 * snapshot: what an entry reads of L1's memory beside the VMCS itself, which has been
 * the kernel's copy since VMPTRLD.  Each byte is read once; another CPU of L1 may rewrite
 * it meanwhile and has no effect on what was read.
 */
#include "core/x86.h"
#include "mmu/mmu.h"
#include "nvmx/snapshot.h"

#define VTPR			0x80
#define DEBUGCTL_VALID		0x3full		/* as core lets L1 write it */
#define LINK_UNREADABLE		(~0u)

static u8 read_vtpr(struct nestor_vcpu *vcpu, const struct vmcs12 *v)
{
	u8 vtpr = 0;

	/* A page that is not there reads as all ones, as on a bus where nobody answers. */
	if (nvmx_needs_vtpr(v) && gmem_read(vcpu, l1_gpa(v->virtual_apic_addr + VTPR), &vtpr, 1))
		vtpr = 0xff;
	return vtpr;
}

static u32 read_link(struct nestor_vcpu *vcpu, const struct vmcs12 *v)
{
	u32 word;

	if (v->vmcs_link_ptr == NO_VMCS)
		return 0;
	return gmem_read(vcpu, l1_gpa(v->vmcs_link_ptr), &word, sizeof(word)) ? LINK_UNREADABLE :
									       word;
}

static void read_pdptes(struct nestor_vcpu *vcpu, const struct vmcs12 *v, u64 pdpte[4])
{
	if (gmem_read(vcpu, l1_gpa(v->guest_cr3 & GENMASK_ULL(31, 5)), pdpte, 4 * sizeof(*pdpte)))
		memset(pdpte, 0xff, 4 * sizeof(*pdpte));
}

void nvmx_snapshot(struct nestor_vcpu *vcpu, struct nvmx_check_env *env)
{
	const struct nvmx *n = nvmx_of(vcpu);
	const struct vmcs12 *v = n->vmcs12;

	run_need(&vcpu->l1, GRP_CR);
	*env = (struct nvmx_check_env){
		.caps = &n->caps,
		.rsvd_gpa_bits = vcpu->cpuid.rsvd_gpa_bits,
		.cr4_reserved = vcpu->cpuid.cr4_reserved,
		.efer_reserved = vcpu->cpuid.efer_reserved,
		.debugctl_reserved = ~DEBUGCTL_VALID,
		/* There is no virtual PMU. */
		.perf_global_reserved = ~0ull,
		.l1_efer = vcpu->l1.efer,
		.current_ptr = n->current_ptr,
		.link_word = read_link(vcpu, v),
		.va_bits = vcpu->cpuid.cr4_reserved & X_CR4_LA57 ? 48 : 57,
		.vtpr = read_vtpr(vcpu, v),
	};
	if (nvmx_needs_pdptes(v))
		read_pdptes(vcpu, v, env->pdpte);
}
