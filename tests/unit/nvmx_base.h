/* SPDX-License-Identifier: GPL-2.0-only */
/* A virtual processor and VMCSs on it that pass every check of a VM entry. */
#ifndef NESTOR_TESTS_NVMX_BASE_H
#define NESTOR_TESTS_NVMX_BASE_H

#include "core/guest_run.h"
#include "core/x86.h"
#include "nvmx/checks.h"

#define MAXPHYADDR_BITS	40
#define LIMIT		(1ull << MAXPHYADDR_BITS)
#define CURRENT		0x5000ull
#define LINKED		0x6000ull

#define CAP(one, may)	((u64)((one) | (may)) << 32 | (one))

/* All controls that have a field, so that each check can be reached. */
__attribute__((__noinline__, __unused__))
static struct nvmx_caps base_caps(void)
{
	return (struct nvmx_caps){
		.basic = VMCS12_REVISION | 4096ull << 32 | 6ull << 50 | 1ull << 55,
		.pin = CAP(0x16, 0xe9),
		.cpu = CAP(0x04006172u, 0xfbf9fe8cu),
		.cpu2 = CAP(0, 0x067fffffu),
		.exit = CAP(0x00036dfbu, 0x01fc9204u),
		.entry = CAP(0x000011fbu, 0x0001ee04u),
		.misc = 5 | MISC_STORE_LMA | MISC_ACTIVITY_HLT | MISC_ACTIVITY_SHUTDOWN |
			MISC_ACTIVITY_SIPI | 4 << MISC_CR3_TARGETS_SHIFT | MISC_ZERO_LEN_INJECT,
		.cr0_fixed0 = X_CR0_PE | X_CR0_NE | X_CR0_PG,
		.cr0_fixed1 = 0xffffffff,
		.cr4_fixed0 = X_CR4_VMXE,
		.cr4_fixed1 = 0x3727ff,
		.ept_vpid = EPTCAP_EXEC_ONLY | EPTCAP_WALK4 | EPTCAP_UC | EPTCAP_WB | EPTCAP_AD,
		.vmfunc = 1,
	};
}

__attribute__((__noinline__, __unused__))
static struct nvmx_check_env base_env(const struct nvmx_caps *caps)
{
	return (struct nvmx_check_env){
		.caps = caps,
		.rsvd_gpa_bits = ~0ull << MAXPHYADDR_BITS,
		.cr4_reserved = ~0x3727ffull,
		.efer_reserved = ~0xd01ull,
		.debugctl_reserved = ~3ull,
		.perf_global_reserved = ~0x70000000full,
		.l1_efer = X_EFER_LME | X_EFER_LMA,
		.current_ptr = CURRENT,
		.link_word = 0,
		.va_bits = 48,
		.vtpr = 0x50,
	};
}

/* A 64-bit guest with EPT; nothing is unrestricted. */
__attribute__((__noinline__, __unused__))
static struct vmcs12 base_vmcs(void)
{
	return (struct vmcs12){
		.dirty = VMCS12_DIRTY_ALL,
		.pin_ctls = 0x16 | PIN_EXT_INTR | PIN_NMI | PIN_VIRTUAL_NMI,
		.cpu_ctls = 0x04006172u | CPU_TPR_SHADOW | CPU_SECONDARY | CPU_IO_BITMAPS |
			    CPU_MSR_BITMAPS,
		.cpu_ctls2 = CPU2_EPT | CPU2_VPID,
		.exit_ctls = 0x36dfbu | EXIT_HOST_64 | EXIT_ACK_INTR | EXIT_LOAD_EFER |
			     EXIT_LOAD_PAT | EXIT_LOAD_PERF_GLOBAL,
		.entry_ctls = 0x11fbu | ENTRY_IA32E | ENTRY_LOAD_DEBUG | ENTRY_LOAD_EFER |
			      ENTRY_LOAD_PAT | ENTRY_LOAD_PERF_GLOBAL | ENTRY_LOAD_BNDCFGS,
		.io_bitmap_a = 0x10000, .io_bitmap_b = 0x11000, .msr_bitmap = 0x12000,
		.virtual_apic_addr = 0x13000, .tpr_threshold = 5,
		.vpid = 1, .eptp = 0x2000 | 0x40 | 3 << 3 | 6,
		.host_cr0 = 0x80050033, .host_cr4 = X_CR4_PAE | X_CR4_VMXE, .host_cr3 = 0x1000,
		.host_efer = X_EFER_LME | X_EFER_LMA, .host_pat = 0x0007040600070406ull,
		.host_cs_sel = 8, .host_ss_sel = 0x10, .host_ds_sel = 0x10, .host_es_sel = 0x10,
		.host_fs_sel = 0x10, .host_gs_sel = 0x10, .host_tr_sel = 0x18,
		.host_rip = 0xffffffff81000000ull,
		.guest_cr0 = 0x80050033, .guest_cr4 = X_CR4_PAE | X_CR4_VMXE, .guest_cr3 = 0x1000,
		.guest_efer = X_EFER_LME | X_EFER_LMA, .guest_pat = 0x0007040600070406ull,
		.guest_dr7 = 0x400, .guest_rflags = 0x202, .guest_rip = 0x1000,
		.vmcs_link_ptr = ~0ull,
		.guest_cs_sel = 8, .guest_cs_ar = 0xa09b, .guest_cs_limit = 0xffffffff,
		.guest_ss_sel = 0x10, .guest_ss_ar = 0xc093, .guest_ss_limit = 0xffffffff,
		.guest_ds_sel = 0x10, .guest_ds_ar = 0xc093, .guest_ds_limit = 0xffffffff,
		.guest_es_sel = 0x10, .guest_es_ar = 0xc093, .guest_es_limit = 0xffffffff,
		.guest_fs_sel = 0x10, .guest_fs_ar = 0xc093, .guest_fs_limit = 0xffffffff,
		.guest_gs_sel = 0x10, .guest_gs_ar = 0xc093, .guest_gs_limit = 0xffffffff,
		.guest_tr_sel = 0x18, .guest_tr_ar = 0x8b, .guest_tr_limit = 0x67,
		.guest_ldtr_sel = 0x20, .guest_ldtr_ar = 0x82, .guest_ldtr_limit = 0xffff,
		.guest_gdtr_limit = 0xffff, .guest_idtr_limit = 0xffff,
	};
}

__attribute__((__noinline__, __unused__))
static void make_legacy(struct vmcs12 *v)
{
	v->entry_ctls &= ~ENTRY_IA32E;
	v->guest_efer = 0;
	v->guest_cs_ar = 0xc09b;
}

__attribute__((__noinline__, __unused__))
static void make_pae(struct vmcs12 *v)
{
	make_legacy(v);
	v->guest_pdpte0 = v->guest_pdpte1 = v->guest_pdpte2 = v->guest_pdpte3 = 0x8001;
}

__attribute__((__noinline__, __unused__))
static void make_v8086(struct vmcs12 *v)
{
	make_legacy(v);
	v->guest_rflags |= X_RFLAGS_VM;
#define SEG(s) \
	v->guest_##s##_base = v->guest_##s##_sel << 4; \
	v->guest_##s##_limit = 0xffff; \
	v->guest_##s##_ar = 0xf3
	SEG(cs); SEG(ss); SEG(ds); SEG(es); SEG(fs); SEG(gs);
#undef SEG
}

/* Real mode, which only an unrestricted guest has. */
__attribute__((__noinline__, __unused__))
static void make_real(struct vmcs12 *v)
{
	make_legacy(v);
	v->cpu_ctls2 |= CPU2_UNRESTRICTED;
	v->guest_cr0 = 0x20;
	v->guest_cr4 = X_CR4_VMXE;
}

/* 32-bit L1 and L2. */
__attribute__((__noinline__, __unused__))
static void make_legacy_host(struct vmcs12 *v, struct nvmx_check_env *e)
{
	make_legacy(v);
	e->l1_efer = 0;
	v->exit_ctls &= ~EXIT_HOST_64;
	v->host_efer = 0;
	v->host_rip = 0x1000;
}

__attribute__((__noinline__, __unused__))
static void make_link(struct vmcs12 *v, struct nvmx_check_env *e)
{
	v->vmcs_link_ptr = LINKED;
	v->cpu_ctls2 |= CPU2_VMCS_SHADOW;
	e->link_word = VMCS12_REVISION | 1u << 31;
}

#endif
