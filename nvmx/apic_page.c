// SPDX-License-Identifier: GPL-2.0-only
/*
 * L0's copy of the virtual-APIC page, which the CPU works on: into it at an entry, back at the exit.
 *
 * A register is the first 8 bytes of each 16; nothing that virtualises an access goes beyond these.
 * From one entry to the next L1 changes none or a few of them, and so does L2 until
 * the exit: both ways the registers are compared, and copied only where there is something to copy.
 */
#include "mmu/window.h"
#include "nvmx/exit_table.h"
#include "nvmx/nvmx.h"
#include "nvmx/vapic.h"

#define REG_STRIDE	16

/* Does L1's page hold what was copied from it or back to it last?  Each register is read once. */
static bool holds(const u8 __user *at, const u8 *was)
{
	u64 diff = 0, val;
	unsigned int reg;

	if (!gmem_window_open(at, false))
		return false;
	_Pragma("GCC unroll 16")
	for (reg = 0; reg < VAPIC_SIZE; reg += REG_STRIDE) {
		unsafe_get_user(val, (const u64 __user *)(at + reg), fail);
		diff |= val ^ *(const u64 *)(was + reg);
		/* Now, or the compiler keeps every value until the end. */
		OPTIMIZER_HIDE_VAR(diff);
	}
	gmem_window_close(false);
	return !diff;
fail:
	gmem_window_close(false);
	return false;
}

static bool is_loaded(struct nestor_vcpu *vcpu, const struct vmcs12 *v)
{
	struct nvmx_apic *a = &nvmx_of(vcpu)->apic;

	return a->same && !(v->virtual_apic_addr & ~PAGE_MASK) &&
	       gmem_window_kept(vcpu, l1_gpa(v->virtual_apic_addr), false, a->l1) &&
	       holds(a->l1->at, a->was);
}

int nvmx_apic_load(struct nestor_vcpu *vcpu, const struct vmcs12 *v)
{
	struct nvmx_apic *a = &nvmx_of(vcpu)->apic;
	unsigned int at = 0, len = VAPIC_SIZE;
	int r;

	a->whole = nvmx_cpu2(v) & (CPU2_APIC_REGS | CPU2_VID);
	if (!a->whole) {
		at = VAPIC_TPR;
		len = sizeof(u32);
	} else if (likely(is_loaded(vcpu, v))) {
		/* Whoever runs L2 now may change it. */
		a->same = false;
		return 0;
	}
	a->same = false;
	r = gmem_read(vcpu, l1_gpa(v->virtual_apic_addr + at), a->page + at, len);
	if (r == -EAGAIN)
		return r;
	if (r)
		memset(a->page + at, 0xff, len);
	memcpy(a->was + at, a->page + at, len);
	return 0;
}

/* A register, and what lies between it and the next; reserved there, but for x2APIC's wide ones. */
static noinline bool store_register(struct nestor_vcpu *vcpu, unsigned int reg, unsigned int len)
{
	struct nvmx_apic *a = &nvmx_of(vcpu)->apic;

	if (gmem_write(vcpu, l1_gpa(nvmx_of(vcpu)->vmcs12->virtual_apic_addr + reg),
		       a->page + reg, len) == -EAGAIN)
		return false;
	memcpy(a->was + reg, a->page + reg, len);
	return true;
}

static bool store_whole(struct nestor_vcpu *vcpu)
{
	struct nvmx_apic *a = &nvmx_of(vcpu)->apic;
	const u8 *page = a->page, *was = a->was;
	unsigned int reg;

	_Pragma("GCC unroll 16")
	for (reg = 0; reg < VAPIC_SIZE; reg += REG_STRIDE) {
		if (likely(*(const u64 *)(page + reg) == *(const u64 *)(was + reg)))
			continue;
		if (!store_register(vcpu, reg, sizeof(u64)))
			return false;
	}
	a->same = true;
	return true;
}

bool nvmx_apic_store(struct nestor_vcpu *vcpu)
{
	struct nvmx *n = nvmx_of(vcpu);

	if (!n->apic.on)
		return true;
	if (n->apic.soft)
		vapic_virtualize_ppr(n->apic.page, n->l2.vapic.status);
	if (n->apic.whole)
		return store_whole(vcpu);
	return !memcmp(n->apic.page + VAPIC_TPR, n->apic.was + VAPIC_TPR, sizeof(u32)) ||
	       store_register(vcpu, VAPIC_TPR, sizeof(u32));
}
