// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM-entry checks on the controls: VM-instruction error 7 (SDM volume 3, "Checks on
 * VMX Controls": VM-execution, VM-exit and VM-entry control fields). Rows "valid_"
 * name what must not be refused.
 */
#include "vmx/chk.h"

/* ---- reserved bits, by the capability MSRs ---- */

static void reserved_bit(u32 field, u32 bit)
{
	u64 mark = mem_mark(), good;
	struct vl2 l2;

	vl2_init_at(&l2, l2_done);
	if (field == CTRL_PROC2)
		ctl_set(CTRL_PROC, PROC_SECONDARY);
	good = vr(field);
	vw(field, good ^ BIT(bit));
	if (!chk_failed_so(&l2, E_CONTROLS, 0))
		FAIL("%s = %llx was not refused (capability %llx)", field_name(field),
		     good ^ BIT(bit), caps_of(field));
	vw(field, good);
	vl2_expect_done(&l2);
	vmcs_forget_all();
	mem_reset(mark);
}

static void reserved(const void *arg)
{
	u32 field = (u64)arg, bit;
	u64 cap = caps_of(field);

	for (bit = 0; bit < 32 && !t_failed(); bit++)
		/* Fixed to 1, or fixed to 0 */
		if (cap & BIT(bit) || !(cap >> 32 & BIT(bit)))
			reserved_bit(field, bit);
}

/* Secondary controls that are not activated are not looked at. */
static void no_secondary(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, l2_done);
	vw(CTRL_PROC2, ~0ull);
	ctl_clear(CTRL_PROC, PROC_SECONDARY);
	vl2_expect_done(&l2);
}

/* ---- states that rows start from ---- */

static void p_io(struct vl2 *l2)
{
	ctl_set(CTRL_PROC, PROC_IO_BITMAPS);
	vw(CTRL_IO_BITMAP_A, (u64)alloc_page());
	vw(CTRL_IO_BITMAP_B, (u64)alloc_page());
}

static void p_no_io(struct vl2 *l2)
{
	ctl_clear(CTRL_PROC, PROC_IO_BITMAPS | PROC_MSR_BITMAPS);
}

static void p_tpr(struct vl2 *l2)
{
	u8 *page = alloc_page();

	ctl_set(CTRL_PROC, PROC_TPR_SHADOW);
	vw(CTRL_VIRTUAL_APIC, (u64)page);
	vw(CTRL_TPR_THRESHOLD, 0);
	page[0x80] = 0x50;
}

static void p_tpr5(struct vl2 *l2)
{
	p_tpr(l2);
	vw(CTRL_TPR_THRESHOLD, 5);
}

static void p_no_tpr(struct vl2 *l2)
{
	ctl_clear(CTRL_PROC, PROC_TPR_SHADOW);
	ctl_set(CTRL_PROC, PROC_SECONDARY);
}

static void p_apic(struct vl2 *l2)
{
	ctl_set(CTRL_PROC, PROC_SECONDARY);
	ctl_set(CTRL_PROC2, PROC2_APIC_ACCESS);
	vw(CTRL_APIC_ACCESS, (u64)alloc_page());
}

static void p_tpr_apic(struct vl2 *l2)
{
	p_tpr5(l2);
	p_apic(l2);
}

static void p_vintr(struct vl2 *l2)
{
	p_tpr(l2);
	ctl_set(CTRL_PROC, PROC_SECONDARY);
	ctl_set(CTRL_PROC2, PROC2_VINTR);
	vw(GUEST_INTR_STATUS, 0);
	vw(CTRL_EOI_0, 0);
	vw(CTRL_EOI_1, 0);
	vw(CTRL_EOI_2, 0);
	vw(CTRL_EOI_3, 0);
}

static void p_x2apic(struct vl2 *l2)
{
	p_tpr(l2);
	ctl_set(CTRL_PROC, PROC_SECONDARY);
	ctl_set(CTRL_PROC2, PROC2_X2APIC);
}

static void p_posted(struct vl2 *l2)
{
	p_vintr(l2);
	ctl_set(CTRL_PIN, PIN_POSTED_INTR);
	ctl_set(CTRL_EXIT, EXIT_ACK_INTR);
	vw(CTRL_POSTED_VEC, VEC_IPI2);
	vw(CTRL_PI_DESC, (u64)alloc_page());
}

static void p_nmi(struct vl2 *l2)
{
	ctl_set(CTRL_PIN, PIN_NMI | PIN_VIRTUAL_NMI);
}

static void p_no_vnmi(struct vl2 *l2)
{
	ctl_set(CTRL_PIN, PIN_NMI);
	ctl_clear(CTRL_PIN, PIN_VIRTUAL_NMI);
}

static void p_no_nmi(struct vl2 *l2)
{
	ctl_clear(CTRL_PIN, PIN_NMI | PIN_VIRTUAL_NMI);
	ctl_clear(CTRL_PROC, PROC_NMI_WINDOW);
}

static void p_vpid(struct vl2 *l2)
{
	ctl_set(CTRL_PROC, PROC_SECONDARY);
	ctl_set(CTRL_PROC2, PROC2_VPID);
	vw(CTRL_VPID, 1);
}

static void p_no_ept(struct vl2 *l2)
{
	ctl_set(CTRL_PROC, PROC_SECONDARY);
	ctl_clear(CTRL_PROC2, PROC2_EPT | PROC2_UNRESTRICTED);
}

static void p_pml(struct vl2 *l2)
{
	ctl_set(CTRL_PROC2, PROC2_PML);
	vw(CTRL_PML, (u64)alloc_page());
	vw(GUEST_PML_INDEX, 511);
	vw_set(CTRL_EPTP, EPTP_AD);
}

static void p_shadow(struct vl2 *l2)
{
	ctl_set(CTRL_PROC, PROC_SECONDARY);
	ctl_set(CTRL_PROC2, PROC2_SHADOW_VMCS);
	vw(CTRL_VMREAD_BITMAP, (u64)alloc_page());
	vw(CTRL_VMWRITE_BITMAP, (u64)alloc_page());
}

static void p_vmfunc(struct vl2 *l2)
{
	ctl_set(CTRL_PROC, PROC_SECONDARY);
	ctl_set(CTRL_PROC2, PROC2_VMFUNC);
	vw(CTRL_VMFUNC, 0);
}

static void p_timer_off(struct vl2 *l2)
{
	ctl_clear(CTRL_PIN, PIN_TIMER);
	ctl_clear(CTRL_EXIT, EXIT_SAVE_TIMER);
}

static void p_lists(struct vl2 *l2)
{
	u64 *e = alloc_pages(3);
	u32 i;

	for (i = 0; i < 6; i += 2)
		e[i * 256] = MSR_KGS_BASE;
	vw(CTRL_EXIT_MSR_STORE, (u64)e);
	vw(CTRL_EXIT_MSR_LOAD, (u64)e + PAGE_SIZE);
	vw(CTRL_ENTRY_MSR_LOAD, (u64)e + 2 * PAGE_SIZE);
	vw(CTRL_EXIT_STORE_COUNT, 1);
	vw(CTRL_EXIT_LOAD_COUNT, 1);
	vw(CTRL_ENTRY_LOAD_COUNT, 1);
}

static void p_two(struct vl2 *l2)
{
	p_lists(l2);
	((u64 *)vr(CTRL_EXIT_MSR_STORE))[2] = MSR_KGS_BASE;
}

/* ---- rows ---- */

#define C(f, ...) CHK(E_CONTROLS, f, ##__VA_ARGS__)
#define BAD(n, need, ...) { n, need, chk_refused, C(__VA_ARGS__) }
#define OK(n, need, ...) { "valid_" n, need, chk_accepted, C(__VA_ARGS__) }

/* A physical address that some table has: alignment, and beyond MAXPHYADDR */
#define ADDR(n, need, f, align, p) \
	BAD(n "_align", need, f, BITS(0, (align) - 1), .prep = p), \
	BAD(n "_range", need, f, BITS(MAXPHYS, 63), .prep = p)

/* An MSR area of one entry: 16-byte aligned, its last byte within MAXPHYADDR */
static void list_end(const void *arg)
{
	static const u32 addr[] = { CTRL_EXIT_MSR_STORE, CTRL_EXIT_MSR_LOAD, CTRL_ENTRY_MSR_LOAD };
	static const u32 count[] = { CTRL_EXIT_STORE_COUNT, CTRL_EXIT_LOAD_COUNT,
				     CTRL_ENTRY_LOAD_COUNT };
	u64 which = (u64)arg;
	struct vl2 l2;

	vl2_init_at(&l2, l2_done);
	vw(addr[which], BIT(maxphys) - 16);
	vw(count[which], 2);
	if (!chk_failed_so(&l2, E_CONTROLS, 0)) {
		FAIL("an area that ends beyond MAXPHYADDR was not refused");
		vl2_tell(&l2);
	}
	/* The address of an area without entries is not looked at. */
	vw(count[which], 0);
	vw(addr[which], ~0ull);
	vl2_expect_done(&l2);
}

static void cr3_count(const void *arg)
{
	u32 max = caps.misc >> 16 & 0x1ff, n;
	struct vl2 l2;

	for (n = 0; n <= max && n <= 4; n++) {
		vl2_init_at(&l2, l2_done);
		vw(CTRL_CR3_COUNT, n);
		vl2_expect_done(&l2);
		vmcs_forget_all();
	}
	vl2_init_at(&l2, l2_done);
	vw(CTRL_CR3_COUNT, max + 1);
	vl2_expect_error(&l2, E_CONTROLS);
	vw(CTRL_CR3_COUNT, 0xffffffff);
	vl2_expect_error(&l2, E_CONTROLS);
	vw(CTRL_CR3_COUNT, max);
	vl2_expect_done(&l2);
}

/* Memory types and walk lengths of the EPTP, each against the capabilities */
static void eptp_low(const void *arg)
{
	u32 type, walk;
	struct vl2 l2;
	u64 mark = mem_mark();

	for (type = 0; type < 8; type++)
		for (walk = 0; walk < 8; walk++) {
			bool good = (type == 6 ? caps.ept_vpid & EVC_WB : type == 0 &&
				     caps.ept_vpid & EVC_UC) && walk == 3;

			/* Five levels are another capability (bit 7). */
			if (walk == 4 && caps.ept_vpid & BIT(7))
				continue;
			vl2_init_at(&l2, l2_done);
			vw(CTRL_EPTP, (u64)l2.ept | type | walk << 3);
			if (good) {
				vl2_expect_done(&l2);
			} else if (!chk_failed_so(&l2, E_CONTROLS, 0)) {
				FAIL("EPTP type %u walk %u was not refused", type, walk);
			}
			vmcs_forget_all();
			mem_reset(mark);
		}
}

static void eptp_ad(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, l2_done);
	vw_set(CTRL_EPTP, EPTP_AD);
	if (cpu_features & VF_EPTAD)
		vl2_expect_done(&l2);
	else
		vl2_expect_error(&l2, E_CONTROLS);
}

static void vmfunc_bits(const void *arg)
{
	struct vl2 l2;
	u32 bit;

	for (bit = 0; bit < 64 && !t_failed(); bit++) {
		if (caps.vmfunc & BIT(bit))
			continue;
		vl2_init_at(&l2, l2_done);
		p_vmfunc(&l2);
		vw(CTRL_VMFUNC, BIT(bit));
		vl2_expect_error(&l2, E_CONTROLS);
		vw(CTRL_VMFUNC, 0);
		vl2_expect_done(&l2);
		vmcs_forget_all();
	}
}

/* TPR threshold: not above VTPR's class, unless the APIC is virtualized. */
static void tpr_threshold(const void *arg)
{
	struct vl2 l2;
	u32 t;

	for (t = 0; t < 16; t++) {
		vl2_init_at(&l2, l2_done);
		p_tpr(&l2);
		vw(CTRL_TPR_THRESHOLD, t);
		if (t <= 5)
			vl2_expect_done(&l2);
		else
			vl2_expect_error(&l2, E_CONTROLS);
		vmcs_forget_all();
	}
}

static const struct l1_test tests[] = {
	{ "pin_reserved", 0, reserved, (void *)CTRL_PIN },
	{ "proc_reserved", 0, reserved, (void *)CTRL_PROC },
	{ "proc2_reserved", VF_SECONDARY, reserved, (void *)CTRL_PROC2 },
	{ "exit_reserved", 0, reserved, (void *)CTRL_EXIT },
	{ "entry_reserved", 0, reserved, (void *)CTRL_ENTRY },
	{ "valid_no_secondary", VF_SECONDARY, no_secondary, NULL },
	{ "cr3_target_count", 0, cr3_count, NULL },
	ADDR("io_bitmap_a", VF_IOBMP, CTRL_IO_BITMAP_A, 12, p_io),
	ADDR("io_bitmap_b", VF_IOBMP, CTRL_IO_BITMAP_B, 12, p_io),
	OK("io_bitmap_unused", VF_IOBMP, CTRL_IO_BITMAP_A, VAL(~0ull), .prep = p_no_io),
	ADDR("msr_bitmap", VF_MSRBMP, CTRL_MSR_BITMAP, 12, NULL),
	OK("msr_bitmap_unused", VF_MSRBMP, CTRL_MSR_BITMAP, VAL(~0ull), .prep = p_no_io),
	ADDR("virtual_apic", VF_TPR, CTRL_VIRTUAL_APIC, 12, p_tpr),
	{ "tpr_threshold", VF_TPR, tpr_threshold, NULL },
	BAD("tpr_threshold_high", VF_TPR, CTRL_TPR_THRESHOLD, BITS(4, 31), .prep = p_tpr),
	OK("tpr_threshold_apic", VF_TPR | VF_APICACC, CTRL_TPR_THRESHOLD, VAL(5),
	   .prep = p_tpr_apic),
	OK("tpr_threshold_vintr", VF_TPR | VF_VINTR, CTRL_TPR_THRESHOLD, VAL(0xf), .prep = p_vintr),
	OK("virtual_apic_unused", VF_TPR, CTRL_VIRTUAL_APIC, VAL(~0ull), .prep = p_no_tpr),
	BAD("x2apic_no_tpr", VF_X2APIC, CTRL_PROC2, SET(PROC2_X2APIC), .prep = p_no_tpr),
	BAD("apic_regs_no_tpr", VF_APICREG, CTRL_PROC2, SET(PROC2_APIC_REGS), .prep = p_no_tpr),
	BAD("vintr_no_tpr", VF_VINTR, CTRL_PROC2, SET(PROC2_VINTR), .prep = p_no_tpr),
	BAD("vnmi_no_nmi", VF_VNMI, CTRL_PIN, SET(PIN_VIRTUAL_NMI), .prep = p_no_nmi),
	BAD("nmi_window_no_vnmi", VF_VNMI | VF_NMIWIN, CTRL_PROC, SET(PROC_NMI_WINDOW),
	    .prep = p_no_vnmi),
	OK("vnmi", VF_VNMI, CTRL_PIN, SET(PIN_VIRTUAL_NMI), .prep = p_nmi),
	ADDR("apic_access", VF_APICACC, CTRL_APIC_ACCESS, 12, p_apic),
	BAD("apic_access_x2apic", VF_APICACC | VF_X2APIC, CTRL_PROC2, SET(PROC2_APIC_ACCESS),
	    .prep = p_x2apic),
	BAD("vintr_no_ext_int", VF_VINTR, CTRL_PIN, CLR(PIN_EXT_INT), .prep = p_vintr),
	BAD("posted_no_vintr", VF_POSTED, CTRL_PROC2, CLR(PROC2_VINTR), .prep = p_posted),
	BAD("posted_no_ack", VF_POSTED, CTRL_EXIT, CLR(EXIT_ACK_INTR), .prep = p_posted),
	BAD("posted_vector", VF_POSTED, CTRL_POSTED_VEC, BITS(8, 15), .prep = p_posted),
	ADDR("posted_descriptor", VF_POSTED, CTRL_PI_DESC, 6, p_posted),
	OK("posted", VF_POSTED, CTRL_POSTED_VEC, VAL(0xff), .prep = p_posted),
	BAD("vpid_zero", VF_VPID, CTRL_VPID, VAL(0), .prep = p_vpid),
	OK("vpid_ffff", VF_VPID, CTRL_VPID, VAL(0xffff), .prep = p_vpid),
	{ "eptp_type_walk", VF_EPT, eptp_low, NULL },
	{ "eptp_ad", VF_EPT, eptp_ad, NULL },
	BAD("eptp_reserved", VF_EPT, CTRL_EPTP, BITS(8, 11)),
	BAD("eptp_range", VF_EPT, CTRL_EPTP, BITS(MAXPHYS, 63)),
	OK("eptp_unused", VF_EPT, CTRL_EPTP, VAL(~0ull), .prep = p_no_ept),
	BAD("unrestricted_no_ept", VF_UG, CTRL_PROC2, SET(PROC2_UNRESTRICTED), .prep = p_no_ept),
	BAD("pml_no_ept", VF_PML, CTRL_PROC2, SET(PROC2_PML), .prep = p_no_ept),
	ADDR("pml_address", VF_PML, CTRL_PML, 12, p_pml),
	{ "vmfunc_reserved", VF_VMFUNC, vmfunc_bits, NULL },
	ADDR("vmread_bitmap", VF_SHADOW, CTRL_VMREAD_BITMAP, 12, p_shadow),
	ADDR("vmwrite_bitmap", VF_SHADOW, CTRL_VMWRITE_BITMAP, 12, p_shadow),
	BAD("save_timer_no_timer", VF_SAVETIMER, CTRL_EXIT, SET(EXIT_SAVE_TIMER),
	    .prep = p_timer_off),
	ADDR("exit_msr_store", 0, CTRL_EXIT_MSR_STORE, 4, p_lists),
	ADDR("exit_msr_load", 0, CTRL_EXIT_MSR_LOAD, 4, p_lists),
	ADDR("entry_msr_load", 0, CTRL_ENTRY_MSR_LOAD, 4, p_lists),
	{ "exit_msr_store_end", 0, list_end, (void *)0 },
	{ "exit_msr_load_end", 0, list_end, (void *)1 },
	{ "entry_msr_load_end", 0, list_end, (void *)2 },
	OK("exit_msr_store_two", 0, CTRL_EXIT_STORE_COUNT, VAL(2), .prep = p_two),
};

const struct test_group group_vmx_ctl_checks = {
	"vmx_ctl_checks", tests, ARRAY_SIZE(tests), false
};
