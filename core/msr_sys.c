// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs that are part of guest_run (system calls, segment bases, EFER, branch
 * records), the clocks, and the local APIC's.
 */
#include <asm/kvm_para.h>
#include <asm/msr.h>
#include <asm/msr-index.h>

#include "core/hw_ops.h"
#include "core/irq.h"
#include "core/msr_impl.h"

/* Where a plain 64-bit register of the group *@grp is kept. */
static u64 *sys_reg(struct guest_run *run, u32 index, u32 *grp)
{
	struct guest_msrs *m = run->msrs;
	struct guest_sys *s = run->sys;

	*grp = GRP_MSRS;
	switch (index) {
	case MSR_KERNEL_GS_BASE:
		return &m->kernel_gs_base;
	case MSR_STAR:
		return &m->star;
	case MSR_LSTAR:
		return &m->lstar;
	case MSR_CSTAR:
		return &m->cstar;
	case MSR_SYSCALL_MASK:
		return &m->sfmask;
	}
	*grp = GRP_SYS;
	switch (index) {
	case MSR_FS_BASE:
		return &s->fs.base;
	case MSR_GS_BASE:
		return &s->gs.base;
	case MSR_IA32_SYSENTER_CS:
		return &s->sysenter_cs;
	case MSR_IA32_SYSENTER_ESP:
		return &s->sysenter_esp;
	case MSR_IA32_SYSENTER_EIP:
		return &s->sysenter_eip;
	}
	return NULL;
}

int sys_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	struct guest_run *run = vcpu->run;
	const u64 *reg;
	u32 grp;

	if (index == MSR_EFER) {
		run_need(run, GRP_CR);
		*val = run->efer;
		return 0;
	}
	reg = sys_reg(run, index, &grp);
	if (!reg)
		return -EINVAL;
	run_need(run, grp);
	*val = *reg;
	return 0;
}

int sys_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host)
{
	struct guest_run *run = vcpu->run;
	u64 *reg;
	u32 grp;

	switch (index) {
	case MSR_EFER:
		return host ? efer_set(vcpu, val) : efer_write(vcpu, val, false);
	case MSR_STAR:
		break;
	case MSR_SYSCALL_MASK:
	case MSR_IA32_SYSENTER_CS:
		/* The upper half does not exist. */
		val = (u32)val;
		break;
	default:
		if (!canonical(val))
			return -EINVAL;
	}
	reg = sys_reg(run, index, &grp);
	if (!reg)
		return -EINVAL;
	run_need(run, grp);
	*reg = val;
	run_dirty(run, grp);
	return 0;
}

static u64 *lbr_reg(struct guest_run *run, u32 index)
{
	switch (index) {
	case MSR_IA32_DEBUGCTLMSR:
		return &run->debugctl;
	case MSR_IA32_LASTBRANCHFROMIP:
		return &run->br_from;
	case MSR_IA32_LASTBRANCHTOIP:
		return &run->br_to;
	case MSR_IA32_LASTINTFROMIP:
		return &run->excp_from;
	default:
		return &run->excp_to;
	}
}

int lbr_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	run_need(vcpu->run, GRP_LBR);
	*val = *lbr_reg(vcpu->run, index);
	return 0;
}

int lbr_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host)
{
	struct guest_run *run = vcpu->run;

	if (index == MSR_IA32_DEBUGCTLMSR && (val & ~hw_caps.debugctl))
		return -EINVAL;
	if (index != MSR_IA32_DEBUGCTLMSR && !host)
		return -EINVAL;
	run_need(run, GRP_LBR);
	*lbr_reg(run, index) = val;
	run_dirty(run, GRP_LBR);
	if (index == MSR_IA32_DEBUGCTLMSR && run->lbr_virt != !!(val & 1) && !vcpu_in_l2(vcpu)) {
		run->lbr_virt = val & 1;
		run->ctl_dirty |= CTL_LBR;
	}
	return 0;
}

static bool tsc_adjust_hidden(const struct nestor_vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(vcpu, 7, 0);

	return !e || !(e->ebx & BIT(1));
}

int time_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	switch (index) {
	case MSR_IA32_TSC:
		*val = host ? tsc_read_l1(vcpu) : tsc_read(vcpu->run);
		return 0;
	case MSR_TSC_AUX:
		if (!host && !vcpu->cpuid.has_rdtscp)
			return -EINVAL;
		*val = vcpu->msr.tsc_aux;
		return 0;
	case MSR_IA32_TSC_ADJUST:
		if (!host && tsc_adjust_hidden(vcpu))
			return -EINVAL;
		*val = vcpu->msr.tsc_adjust;
		return 0;
	case MSR_IA32_TSC_DEADLINE:
		if (!host && !vcpu->cpuid.has_tsc_deadline)
			return -EINVAL;
		*val = 0;
		return vcpu->apic ? lapic_get_tsc_deadline(vcpu, val) : host ? 0 : -EINVAL;
	}
	if (!host && !vcpu->cpuid.has_pvclock)
		return -EINVAL;
	return pvclock_get_msr(vcpu, index, val) ? 0 : -EINVAL;
}

static int tsc_set(struct nestor_vcpu *vcpu, u64 val, bool host)
{
	u64 before;

	if (host) {
		tsc_sync_l1(vcpu, val);
		return 0;
	}
	/*
	 * L2's write, too, is one of L1's TSC: offset and ratio are for reads alone (SDM vol. 3, "Changes
	 * to Instruction Behavior in VMX Non-Root Operation"; APM vol. 2, "TSC Ratio MSR").
	 * TSC_ADJUST counts what WRMSR did (SDM "IA32_TSC_ADJUST Register Support").
	 */
	before = vcpu->l1_tsc_offset;
	tsc_write_l1(vcpu, val);
	vcpu->msr.tsc_adjust += vcpu->l1_tsc_offset - before;
	return 0;
}

int time_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host)
{
	switch (index) {
	case MSR_IA32_TSC:
		return tsc_set(vcpu, val, host);
	case MSR_TSC_AUX:
		if ((!host && !vcpu->cpuid.has_rdtscp) || val >> 32)
			return -EINVAL;
		vcpu->msr.tsc_aux = val;
		return 0;
	case MSR_IA32_TSC_ADJUST:
		if (!host && tsc_adjust_hidden(vcpu))
			return -EINVAL;
		/* The VMM restores TSC and TSC_ADJUST apart from each other. */
		if (!host)
			tsc_adjust_l1(vcpu, val - vcpu->msr.tsc_adjust);
		vcpu->msr.tsc_adjust = val;
		return 0;
	case MSR_IA32_TSC_DEADLINE:
		if (!host && !vcpu->cpuid.has_tsc_deadline)
			return -EINVAL;
		if (!vcpu->apic)
			return host && !val ? 0 : -EINVAL;
		return lapic_set_tsc_deadline(vcpu, val);
	}
	if (!host && !vcpu->cpuid.has_pvclock)
		return -EINVAL;
	return pvclock_set_msr(vcpu, index, val);
}

int pv_eoi_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	if (!host && !vcpu->cpuid.has_pv_eoi)
		return -EINVAL;
	*val = vcpu->msr.pv_eoi;
	return 0;
}

int pv_eoi_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host)
{
	return host || vcpu->cpuid.has_pv_eoi ? pv_eoi_set_msr(vcpu, val) : -EINVAL;
}

int xss_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	if (!host && !vcpu->cpuid.has_xsaves)
		return -EINVAL;
	*val = vcpu->msr.xss;
	return 0;
}

/* Each bit is a supervisor state component, and a guest has none: see fpu_load(). */
int xss_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if ((!host && !vcpu->cpuid.has_xsaves) || val)
		return -EINVAL;
	vcpu->msr.xss = val;
	return 0;
}

/* APIC base without a local APIC in the kernel: kept for the VMM, which acts on it. */
static int set_base_userspace(struct nestor_vcpu *vcpu, u64 val)
{
	u64 rsvd = vcpu->cpuid.rsvd_gpa_bits | 0x2ff;

	if (!vcpu->cpuid.has_x2apic)
		rsvd |= X2APIC_ENABLE;
	if (val & rsvd)
		return -EINVAL;
	if ((val & X2APIC_ENABLE) && !(val & MSR_IA32_APICBASE_ENABLE))
		return -EINVAL;
	vcpu->msr.apic_base = val;
	return 0;
}

int apic_get(struct nestor_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	if (index == MSR_IA32_APICBASE) {
		*val = vcpu->msr.apic_base;
		return 0;
	}
	return vcpu->apic ? lapic_x2apic_read(vcpu, index, val) : -EINVAL;
}

int apic_set(struct nestor_vcpu *vcpu, u32 index, u64 val, bool host)
{
	if (index == MSR_IA32_APICBASE)
		return vcpu->apic ? lapic_set_base(vcpu, val, host) :
				    set_base_userspace(vcpu, val);
	return vcpu->apic ? lapic_x2apic_write(vcpu, index, val) : -EINVAL;
}
