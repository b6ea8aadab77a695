// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks of a VM entry: each id of checks.def has a vector that trips it and
 * nothing else, beside neighbours that pass; and what nvmx_check_entry() skips
 * after a pass makes no difference to its answer.
 */
#include "tap.h"

#include "nvmx_base.h"
#include "nvmx/checks_expr.h"

/* run_need() is inline and refers to it; nothing here calls it. */
void hw_fetch(struct guest_run *run, u32 groups)
{
	(void)run;
	(void)groups;
}

static bool seen[NR_NVMX_CHECKS];
static bool neighbour[NR_NVMX_CHECKS];

static const u64 expected_outcome[NR_CHECK_OUTCOMES][2] = {
	{ 7, 0 }, { 8, 0 }, { 0x80000021, 0 }, { 0x80000021, 2 }, { 0x80000021, 3 },
	{ 0x80000021, 4 },
};

static const u16 encoding[NR_VMCS12_FIELDS] = {
#define F(name, enc, class, cap) enc,
#include "nvmx/fields.def"
#undef F
};

/* How many expressions of the table are true. */
static unsigned int failing(const struct vmcs12 *v, const struct nvmx_check_env *e)
{
	unsigned int n = 0;

#define X(id, outcome, section, field, aux, expr) n += !!(expr);
#include "nvmx/checks.def"
#undef X
	return n;
}

/* Without a TPR shadow: an entry whose checks are those of nvmx_check_hot() alone. */
static bool is_hot_alone(const struct vmcs12 *v)
{
	return !(v->entry_intr_info & INTR_INFO_VALID) && (v->entry_ctls & ENTRY_IA32E) &&
	       !(v->guest_interruptibility | v->guest_activity | v->guest_pending_dbg);
}

static bool of_every_entry(enum nvmx_check id)
{
	switch (id) {
#define X(id, outcome, section, field, aux, expr) \
	case CHECK_##id:
#include "nvmx/checks_inject.def"
#include "nvmx/checks_hot.def"
#include "nvmx/checks_nonreg.def"
#undef X
		return true;
	default:
		return false;
	}
}

static void trips(enum nvmx_check id, const struct vmcs12 *v, const struct nvmx_check_env *e,
		  const char *how)
{
	const struct nvmx_check_row *row = &nvmx_check_rows[id];
	struct verdict got = nvmx_check(v, e, VMCS12_DIRTY_ALL);
	const u64 *want = expected_outcome[row->outcome];

	seen[id] = true;
	tap_ok(got.check == (u32)id && failing(v, e) == 1 && got.name == row->name &&
	       got.field == encoding[row->field] && got.value == v->f[row->field] &&
	       got.outcome == want[0] && got.qual == want[1],
	       "%s: %s (got %s and %u more, field 0x%x, value 0x%llx)", row->name, how,
	       nvmx_check_rows[got.check].name, failing(v, e) - 1, got.field, got.value);
	if (of_every_entry(id) && row->field != VMCS12_tpr_threshold && is_hot_alone(v))
		tap_ok(nvmx_check_hot(v, e) == id, "%s: and in an entry the short way", row->name);
}

static void passes(enum nvmx_check id, const struct vmcs12 *v, const struct nvmx_check_env *e,
		   const char *how)
{
	struct verdict got = nvmx_check(v, e, VMCS12_DIRTY_ALL);

	neighbour[id] = true;
	tap_ok(!got.check && !failing(v, e), "%s passes: %s (got %s)", nvmx_check_rows[id].name,
	       how, nvmx_check_rows[got.check].name);
}

#define VECTOR(judge, id, ...) do { \
	struct nvmx_caps c = base_caps(); \
	struct nvmx_check_env env = base_env(&c), *e = &env; \
	struct vmcs12 vmcs = base_vmcs(), *v = &vmcs; \
	__VA_ARGS__; \
	judge(CHECK_##id, v, e, #__VA_ARGS__); \
} while (0)
/* Change what is named of a good VMCS: it trips exactly @id, or passes. */
#define BAD(id, ...)	VECTOR(trips, id, __VA_ARGS__)
#define GOOD(id, ...)	VECTOR(passes, id, __VA_ARGS__)

/* A physical address that has to be aligned, and to fit. */
#define ADDRESS(id, field, align, ...) do { \
	BAD(id, __VA_ARGS__; v->field = 1); \
	BAD(id, __VA_ARGS__; v->field = (align) / 2); \
	BAD(id, __VA_ARGS__; v->field = LIMIT); \
	BAD(id, __VA_ARGS__; v->field = 1ull << 63); \
	GOOD(id, __VA_ARGS__; v->field = LIMIT - (align)); \
	GOOD(id, __VA_ARGS__; v->field = (align)); \
} while (0)

static void reserved_controls(void)
{
	BAD(pin_ctls_must_be_1, v->pin_ctls &= ~BIT(1));
	BAD(pin_ctls_must_be_0, v->pin_ctls |= BIT(8));
	GOOD(pin_ctls_must_be_1, c.pin &= ~BIT(1); v->pin_ctls &= ~BIT(1));
	GOOD(pin_ctls_must_be_0, c.pin |= BIT_ULL(40); v->pin_ctls |= BIT(8));
	BAD(cpu_ctls_must_be_1, v->cpu_ctls &= ~BIT(1));
	BAD(cpu_ctls_must_be_0, v->cpu_ctls |= BIT(0));
	GOOD(cpu_ctls_must_be_1, c.cpu &= ~BIT(1); v->cpu_ctls &= ~BIT(1));
	GOOD(cpu_ctls_must_be_0, v->cpu_ctls |= CPU_MTF | CPU_HLT);
	BAD(cpu_ctls2_must_be_1, c.cpu2 |= BIT(2) | BIT_ULL(34));
	GOOD(cpu_ctls2_must_be_1, c.cpu2 |= BIT(2); v->cpu_ctls2 |= BIT(2));
	GOOD(cpu_ctls2_must_be_1, c.cpu2 |= BIT(2); v->cpu_ctls &= ~CPU_SECONDARY);
	BAD(cpu_ctls2_must_be_0, v->cpu_ctls2 |= BIT(31));
	GOOD(cpu_ctls2_must_be_0, v->cpu_ctls2 = ~0u; v->cpu_ctls &= ~CPU_SECONDARY);
	BAD(exit_ctls_must_be_1, v->exit_ctls &= ~BIT(0));
	BAD(exit_ctls_must_be_0, v->exit_ctls |= BIT(31));
	GOOD(exit_ctls_must_be_1, c.exit &= ~BIT(0); v->exit_ctls &= ~BIT(0));
	GOOD(exit_ctls_must_be_0, v->exit_ctls |= EXIT_SAVE_DEBUG);
	BAD(entry_ctls_must_be_1, v->entry_ctls &= ~BIT(0));
	BAD(entry_ctls_must_be_0, v->entry_ctls |= BIT(31));
	GOOD(entry_ctls_must_be_1, c.entry &= ~BIT(0); v->entry_ctls &= ~BIT(0));
	GOOD(entry_ctls_must_be_0, c.entry |= BIT_ULL(63); v->entry_ctls |= BIT(31));
	BAD(entry_to_smm_outside_smm, v->entry_ctls |= ENTRY_SMM);
	BAD(deactivate_dual_monitor_outside_smm, v->entry_ctls |= ENTRY_DUAL_MONITOR);
	GOOD(entry_to_smm_outside_smm, c.entry |= 0);
	GOOD(deactivate_dual_monitor_outside_smm, c.entry |= 0);
	BAD(cr3_target_count_limit, v->cr3_target_count = 5);
	BAD(cr3_target_count_limit, v->cr3_target_count = 0xffffffff);
	GOOD(cr3_target_count_limit, v->cr3_target_count = 4);
	GOOD(cr3_target_count_limit, c.misc |= BIT(24); v->cr3_target_count = 260);
}

static void control_addresses(void)
{
	ADDRESS(io_bitmap_a_address, io_bitmap_a, 0x1000, c.misc |= 0);
	ADDRESS(io_bitmap_b_address, io_bitmap_b, 0x1000, c.misc |= 0);
	GOOD(io_bitmap_a_address, v->cpu_ctls &= ~CPU_IO_BITMAPS; v->io_bitmap_a = ~0ull);
	GOOD(io_bitmap_b_address, v->cpu_ctls &= ~CPU_IO_BITMAPS; v->io_bitmap_b = ~0ull);
	ADDRESS(msr_bitmap_address, msr_bitmap, 0x1000, c.misc |= 0);
	GOOD(msr_bitmap_address, v->cpu_ctls &= ~CPU_MSR_BITMAPS; v->msr_bitmap = ~0ull);
	ADDRESS(virtual_apic_address, virtual_apic_addr, 0x1000, c.misc |= 0);
	GOOD(virtual_apic_address, v->cpu_ctls &= ~CPU_TPR_SHADOW; v->virtual_apic_addr = ~0ull);
	ADDRESS(apic_access_address, apic_access_addr, 0x1000, v->cpu_ctls2 |= CPU2_APIC_ACCESS);
	GOOD(apic_access_address, v->apic_access_addr = ~0ull);
	/* Secondary controls that are not activated are 0, all of them. */
	GOOD(apic_access_address, v->apic_access_addr = ~0ull; v->pml_addr = v->eptp = ~0ull;
	     v->vpid = 0; v->cpu_ctls &= ~CPU_SECONDARY; v->cpu_ctls2 = ~0u);
	ADDRESS(posted_descriptor_address, posted_intr_desc_addr, 0x40,
		v->pin_ctls |= PIN_POSTED_INTR; v->cpu_ctls2 |= CPU2_VID);
	ADDRESS(pml_address, pml_addr, 0x1000, v->cpu_ctls2 |= CPU2_PML);
	ADDRESS(vmread_bitmap_address, vmread_bitmap, 0x1000, v->cpu_ctls2 |= CPU2_VMCS_SHADOW);
	ADDRESS(vmwrite_bitmap_address, vmwrite_bitmap, 0x1000, v->cpu_ctls2 |= CPU2_VMCS_SHADOW);
	ADDRESS(virtualization_exception_address, ve_info_addr, 0x1000,
		v->cpu_ctls2 |= CPU2_EPT_VE);
	ADDRESS(eptp_list_address, eptp_list_addr, 0x1000, v->cpu_ctls2 |= CPU2_VMFUNC;
		v->vm_function_ctls = 1);
	GOOD(eptp_list_address, v->cpu_ctls2 |= CPU2_VMFUNC; v->eptp_list_addr = 1);

	/* The lists: 16 bytes an entry, all of them within the width. */
	ADDRESS(exit_msr_store_address, exit_msr_store_addr, 0x10, v->exit_msr_store_count = 1);
	ADDRESS(exit_msr_load_address, exit_msr_load_addr, 0x10, v->exit_msr_load_count = 1);
	ADDRESS(entry_msr_load_address, entry_msr_load_addr, 0x10, v->entry_msr_load_count = 1);
	BAD(exit_msr_store_address, v->exit_msr_store_count = 2;
	    v->exit_msr_store_addr = LIMIT - 0x10);
	BAD(exit_msr_load_address, v->exit_msr_load_count = 2; v->exit_msr_load_addr = LIMIT - 0x10);
	BAD(entry_msr_load_address, v->entry_msr_load_count = 0xffffffff;
	    v->entry_msr_load_addr = LIMIT - 0x10);
	GOOD(exit_msr_store_address, v->exit_msr_store_addr = ~0ull);
	GOOD(exit_msr_load_address, v->exit_msr_load_addr = ~0ull);
	GOOD(entry_msr_load_address, v->entry_msr_load_addr = ~0ull);
}

static void control_pairs(void)
{
	BAD(virtual_nmis_without_nmi_exiting, v->pin_ctls &= ~PIN_NMI);
	GOOD(virtual_nmis_without_nmi_exiting, v->pin_ctls &= ~(PIN_NMI | PIN_VIRTUAL_NMI));
	BAD(nmi_window_without_virtual_nmis, v->cpu_ctls |= CPU_NMI_WINDOW;
	    v->pin_ctls &= ~PIN_VIRTUAL_NMI);
	GOOD(nmi_window_without_virtual_nmis, v->cpu_ctls |= CPU_NMI_WINDOW);
	BAD(x2apic_without_tpr_shadow, v->cpu_ctls2 |= CPU2_X2APIC; v->cpu_ctls &= ~CPU_TPR_SHADOW);
	GOOD(x2apic_without_tpr_shadow, v->cpu_ctls2 |= CPU2_X2APIC);
	BAD(apic_registers_without_tpr_shadow, v->cpu_ctls2 |= CPU2_APIC_REGS;
	    v->cpu_ctls &= ~CPU_TPR_SHADOW);
	GOOD(apic_registers_without_tpr_shadow, v->cpu_ctls2 |= CPU2_APIC_REGS);
	BAD(virtual_interrupts_without_tpr_shadow, v->cpu_ctls2 |= CPU2_VID;
	    v->cpu_ctls &= ~CPU_TPR_SHADOW);
	GOOD(virtual_interrupts_without_tpr_shadow, v->cpu_ctls2 |= CPU2_VID);
	BAD(x2apic_with_apic_accesses, v->cpu_ctls2 |= CPU2_X2APIC | CPU2_APIC_ACCESS);
	GOOD(x2apic_with_apic_accesses, v->cpu_ctls2 |= CPU2_APIC_ACCESS);
	BAD(virtual_interrupts_without_interrupt_exiting, v->cpu_ctls2 |= CPU2_VID;
	    v->pin_ctls &= ~PIN_EXT_INTR);
	GOOD(virtual_interrupts_without_interrupt_exiting, v->pin_ctls &= ~PIN_EXT_INTR);
	BAD(posted_without_virtual_interrupts, v->pin_ctls |= PIN_POSTED_INTR);
	BAD(posted_without_acknowledge, v->pin_ctls |= PIN_POSTED_INTR; v->cpu_ctls2 |= CPU2_VID;
	    v->exit_ctls &= ~EXIT_ACK_INTR);
	GOOD(posted_without_virtual_interrupts, v->pin_ctls |= PIN_POSTED_INTR;
	     v->cpu_ctls2 |= CPU2_VID; v->posted_intr_nv = 255);
	GOOD(posted_without_acknowledge, v->exit_ctls &= ~EXIT_ACK_INTR);
	BAD(posted_notification_vector, v->pin_ctls |= PIN_POSTED_INTR; v->cpu_ctls2 |= CPU2_VID;
	    v->posted_intr_nv = 256);
	GOOD(posted_notification_vector, v->posted_intr_nv = 256);
	BAD(vpid_zero, v->vpid = 0);
	GOOD(vpid_zero, v->vpid = 0; v->cpu_ctls2 &= ~CPU2_VPID);
	BAD(pml_without_ept, v->cpu_ctls2 = CPU2_PML);
	GOOD(pml_without_ept, v->cpu_ctls2 = CPU2_PML | CPU2_EPT);
	BAD(unrestricted_without_ept, v->cpu_ctls2 = CPU2_UNRESTRICTED);
	GOOD(unrestricted_without_ept, v->cpu_ctls2 = CPU2_UNRESTRICTED | CPU2_EPT);
	BAD(mode_based_execute_without_ept, v->cpu_ctls2 = CPU2_MODE_EXEC);
	GOOD(mode_based_execute_without_ept, v->cpu_ctls2 = CPU2_MODE_EXEC | CPU2_EPT);
	BAD(vm_functions_reserved, v->cpu_ctls2 |= CPU2_VMFUNC; v->vm_function_ctls = 2);
	BAD(vm_functions_reserved, v->cpu_ctls2 |= CPU2_VMFUNC; v->vm_function_ctls = 1ull << 63);
	GOOD(vm_functions_reserved, v->vm_function_ctls = 2);
	BAD(eptp_switching_without_ept, v->cpu_ctls2 = CPU2_VMFUNC; v->vm_function_ctls = 1);
	GOOD(eptp_switching_without_ept, v->cpu_ctls2 = CPU2_VMFUNC);
	BAD(save_timer_without_timer, v->exit_ctls |= EXIT_SAVE_TIMER);
	GOOD(save_timer_without_timer, v->exit_ctls |= EXIT_SAVE_TIMER;
	     v->pin_ctls |= PIN_PREEMPTION_TIMER);
}

static void ept_pointer(void)
{
	unsigned int i;

	for (i = 0; i < 8; i++) {
		if (i == 0 || i == 6)
			GOOD(ept_memory_type, v->eptp = (v->eptp & ~7ull) | i);
		else
			BAD(ept_memory_type, v->eptp = (v->eptp & ~7ull) | i);
		if (i == 3)
			GOOD(ept_walk_length, v->eptp = (v->eptp & ~0x38ull) | i << 3);
		else
			BAD(ept_walk_length, v->eptp = (v->eptp & ~0x38ull) | i << 3);
	}
	BAD(ept_memory_type, c.ept_vpid &= ~EPTCAP_WB);
	BAD(ept_memory_type, c.ept_vpid &= ~EPTCAP_UC; v->eptp &= ~7ull);
	BAD(ept_walk_length, c.ept_vpid &= ~EPTCAP_WALK4);
	GOOD(ept_walk_length, c.ept_vpid |= EPTCAP_WALK5; v->eptp ^= 7 << 3);
	BAD(ept_accessed_dirty, c.ept_vpid &= ~EPTCAP_AD);
	GOOD(ept_accessed_dirty, c.ept_vpid &= ~EPTCAP_AD; v->eptp &= ~0x40ull);
	for (i = 7; i < 64; i++) {
		if (i < 12 || i >= MAXPHYADDR_BITS)
			BAD(ept_pointer_reserved, v->eptp |= 1ull << i);
		else
			GOOD(ept_pointer_reserved, v->eptp |= 1ull << i);
	}
	GOOD(ept_pointer_reserved, v->eptp = ~0ull; v->cpu_ctls2 &= ~CPU2_EPT);
}

/* EPTP switching asks of a list entry what an entry asks of the field. */
static void eptp_of_list(void)
{
	static const u64 caps_less[] = { 0, EPTCAP_UC, EPTCAP_WB, EPTCAP_AD, EPTCAP_WALK4 };
	unsigned int i, bit, type;
	bool same = true;
	u64 both = 0;

	for (i = 0; i < ARRAY_SIZE(caps_less); i++) {
		for (type = 0; type < 0x80; type++) {
			for (bit = 0; bit < 64; bit++) {
				struct nvmx_caps c = base_caps();
				struct nvmx_check_env e = base_env(&c);
				struct vmcs12 v = base_vmcs();
				bool ok;

				c.ept_vpid &= ~caps_less[i];
				v.cpu_ctls |= CPU_SECONDARY;
				v.cpu_ctls2 |= CPU2_EPT;
				v.eptp = 0x5000 | type | 1ull << bit;
				ok = !nvmx_check(&v, &e, VMCS12_DIRTY_ALL).check;
				same &= ok == nvmx_eptp_valid(v.eptp, &e);
				both |= 1u << ok;
			}
		}
	}
	tap_ok(same && both == 3, "EPTP switching takes what an entry takes");
}

#define INFO(type, vec)	(INTR_INFO_VALID | (type) << INTR_INFO_TYPE_SHIFT | (vec))

static void injection(void)
{
	unsigned int i;

	BAD(tpr_threshold_reserved, v->tpr_threshold = 0x10);
	BAD(tpr_threshold_reserved, v->tpr_threshold = 0x80000000);
	GOOD(tpr_threshold_reserved, v->tpr_threshold = ~0u; v->cpu_ctls2 |= CPU2_VID);
	GOOD(tpr_threshold_reserved, v->tpr_threshold = ~0u; v->cpu_ctls &= ~CPU_TPR_SHADOW);
	BAD(tpr_threshold_above_vtpr, v->tpr_threshold = 6);
	BAD(tpr_threshold_above_vtpr, e->vtpr = 0x4f);
	GOOD(tpr_threshold_above_vtpr, e->vtpr = 0x5f);
	GOOD(tpr_threshold_above_vtpr, v->tpr_threshold = 15; v->cpu_ctls2 |= CPU2_APIC_ACCESS);

	BAD(inject_type_reserved, v->entry_intr_info = INFO(1, 0));
	BAD(inject_type_reserved, v->entry_intr_info = INFO(7, 0); c.cpu &= ~((u64)CPU_MTF << 32));
	GOOD(inject_type_reserved, v->entry_intr_info = INFO(7, 0));
	GOOD(inject_type_reserved, v->entry_intr_info = INFO(1, 0) & ~INTR_INFO_VALID);
	for (i = 0; i < 256; i += i < 40 ? 1 : 27) {
		if (i == 2)
			GOOD(inject_nmi_vector, v->entry_intr_info = INFO(EVENT_NMI, i));
		else
			BAD(inject_nmi_vector, v->entry_intr_info = INFO(EVENT_NMI, i));
		if (i > 31)
			BAD(inject_exception_vector, v->entry_intr_info = INFO(EVENT_EXCEPTION, i));
		if (i)
			BAD(inject_other_vector, v->entry_intr_info = INFO(EVENT_OTHER, i));
		GOOD(inject_other_vector, v->entry_intr_info = INFO(EVENT_INTR, i));
	}
	GOOD(inject_exception_vector, v->entry_intr_info = INFO(EVENT_EXCEPTION, 31));
	for (i = 12; i < 31; i++)
		BAD(inject_reserved, v->entry_intr_info = INFO(EVENT_INTR, 3) | 1u << i);
	GOOD(inject_reserved, v->entry_intr_info = 0x7ffff000);
	for (i = 0; i < 8; i++) {
		if (i != EVENT_SOFT_INT && i != EVENT_PRIV_EXCEPTION && i != EVENT_SOFT_EXCEPTION)
			continue;
		BAD(inject_instruction_length, v->entry_intr_info = INFO(i, 3);
		    v->entry_insn_len = 16);
		BAD(inject_instruction_length, v->entry_intr_info = INFO(i, 3);
		    c.misc &= ~MISC_ZERO_LEN_INJECT);
		GOOD(inject_instruction_length, v->entry_intr_info = INFO(i, 3));
		GOOD(inject_instruction_length, v->entry_intr_info = INFO(i, 3);
		     v->entry_insn_len = 15; c.misc &= ~MISC_ZERO_LEN_INJECT);
	}
	GOOD(inject_instruction_length, v->entry_intr_info = INFO(EVENT_INTR, 3);
	     v->entry_insn_len = 16);
}

static bool has_error(unsigned int vector)
{
	return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

static void injection_error_codes(void)
{
	unsigned int i;

	for (i = 0; i < 32; i++) {
		if (has_error(i)) {
			BAD(inject_error_code_missing, v->entry_intr_info = INFO(EVENT_EXCEPTION, i));
			GOOD(inject_error_code_missing, v->entry_intr_info =
			     INFO(EVENT_EXCEPTION, i) | INTR_INFO_ERROR; v->entry_error_code = 0xffff);
		} else {
			BAD(inject_error_code_unexpected, v->entry_intr_info =
			    INFO(EVENT_EXCEPTION, i) | INTR_INFO_ERROR);
			GOOD(inject_error_code_unexpected, v->entry_intr_info =
			     INFO(EVENT_EXCEPTION, i));
		}
		GOOD(inject_error_code_missing, c.basic |= 1ull << 56; v->entry_intr_info =
		     INFO(EVENT_EXCEPTION, i));
		GOOD(inject_error_code_unexpected, c.basic |= 1ull << 56; v->entry_intr_info =
		     INFO(EVENT_EXCEPTION, i) | INTR_INFO_ERROR);
	}
	BAD(inject_error_code_unexpected, v->entry_intr_info = INFO(EVENT_INTR, 13) |
	    INTR_INFO_ERROR);
	BAD(inject_error_code_unexpected, c.basic |= 1ull << 56; v->entry_intr_info =
	    INFO(EVENT_SOFT_EXCEPTION, 13) | INTR_INFO_ERROR);
	BAD(inject_error_code_unexpected, make_real(v); v->entry_intr_info =
	    INFO(EVENT_EXCEPTION, 13) | INTR_INFO_ERROR);
	GOOD(inject_error_code_missing, make_real(v); v->entry_intr_info =
	     INFO(EVENT_EXCEPTION, 13));
	BAD(inject_error_code_reserved, v->entry_intr_info = INFO(EVENT_EXCEPTION, 13) |
	    INTR_INFO_ERROR; v->entry_error_code = 0x10000);
	BAD(inject_error_code_reserved, v->entry_intr_info = INFO(EVENT_EXCEPTION, 13) |
	    INTR_INFO_ERROR; v->entry_error_code = 0x80000000);
	GOOD(inject_error_code_reserved, v->entry_intr_info = INFO(EVENT_EXCEPTION, 6);
	     v->entry_error_code = ~0u);
}

#include "nvmx_checks_host.inc"
#include "nvmx_checks_guest.inc"
#include "nvmx_checks_skip.inc"

int main(void)
{
	unsigned int i;

	GOOD(none, v->dirty = 0);
	GOOD(none, make_legacy(v));
	GOOD(none, make_pae(v));
	GOOD(none, make_v8086(v));
	GOOD(none, make_real(v));
	GOOD(none, make_legacy_host(v, e));
	GOOD(none, make_link(v, e));
	reserved_controls();
	control_addresses();
	control_pairs();
	ept_pointer();
	eptp_of_list();
	injection();
	injection_error_codes();
	host_registers();
	host_segments();
	address_space();
	guest_registers();
	guest_link();
	guest_segments();
	guest_hot();
	guest_events();
	guest_pdptes();
	skipping();
	for (i = 1; i < NR_NVMX_CHECKS; i++) {
		tap_ok(seen[i] && neighbour[i], "%s has a vector and a neighbour",
		       nvmx_check_rows[i].name);
		tap_ok(nvmx_check_rows[i].section[0] && strlen(nvmx_check_rows[i].name) < 48,
		       "%s names its section, and fits the ABI", nvmx_check_rows[i].name);
	}
	return tap_done();
}
