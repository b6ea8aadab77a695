// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM functions (SDM vol. 3, "VM Functions").  There is one, EPTP switching: L2 puts another of
 * the tables that L1 listed in the place of its own, and L1 is not asked.  The CPU leaves
 * VMFUNC to L0, because the tables that it walks are the shadows of L1's.
 */
#include "core/insn.h"
#include "mmu/mmu.h"
#include "nvmx/exit_table.h"
#include "nvmx/nvmx.h"

#define NR_VM_FUNCTIONS	64
#define EPTP_LIST_SIZE	512
#define VMFUNC_LEN	3

/* Entry @index of the list, read once; memory that is not there reads as ones. */
static int read_list(struct nestor_vcpu *vcpu, u32 index, u64 *eptp)
{
	const struct vmcs12 *v = nvmx_of(vcpu)->vmcs12;
	int r = gmem_read(vcpu, l1_gpa(v->eptp_list_addr + index * 8), eptp, sizeof(*eptp));

	if (r == -EAGAIN)
		return r;
	if (r)
		*eptp = ~0ull;
	return 0;
}

static enum exit_want switch_eptp(struct nestor_vcpu *vcpu, u32 index)
{
	struct nvmx *n = nvmx_of(vcpu);
	u64 eptp;
	int len;

	if (index >= EPTP_LIST_SIZE)
		return WANT_L1;
	if (read_list(vcpu, index, &eptp))
		return WANT_LATER;
	if (!nvmx_eptp_valid(eptp, &n->env))
		return WANT_L1;
	len = vcpu_insn_len(vcpu);
	if (len == -EBUSY)
		return WANT_LATER;
	/* It cannot be read just now: L2 runs into the same again. */
	if (len == -EAGAIN)
		return WANT_DONE;
	if (nvmx_switch_root(vcpu, eptp))
		return vcpu->atomic ? WANT_LATER : WANT_DONE;
	vmcs12_set(n->vmcs12, VMCS12_eptp, false, eptp);
	vcpu_advance(vcpu, len < 0 ? VMFUNC_LEN : len);
	return WANT_DONE;
}

enum exit_want nvmx_vmfunc(struct nestor_vcpu *vcpu)
{
	const struct vmcs12 *v = nvmx_of(vcpu)->vmcs12;
	u32 function = vcpu->run->gpr[REG_RAX];

	if (!(nvmx_cpu2(v) & CPU2_VMFUNC) || function >= NR_VM_FUNCTIONS)
		return WANT_UD;
	/* The checks of the entry let no other function through. */
	if (function || !(v->vm_function_ctls & VMFUNC_EPTP_SWITCHING))
		return WANT_L1;
	return switch_eptp(vcpu, vcpu->run->gpr[REG_RCX]);
}
