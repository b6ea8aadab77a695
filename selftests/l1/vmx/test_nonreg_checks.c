// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM-entry checks on activity, interruptibility, pending debug exceptions and the VMCS
 * link pointer; MSR loading; and what a failed entry leaves alone (SDM volume 3,
 * "Checks on Guest Non-Register State", "Loading MSRs", "VM-Entry Failures During or
 * After Loading Guest State").
 */
#include "vmx/chk.h"

static void p_link(struct vl2 *l2)
{
	vw(GUEST_LINK, vmcs_new());
}

static void p_link_shadow(struct vl2 *l2)
{
	u64 pa = vmcs_new();

	*(u32 *)pa |= BIT(31);
	ctl_set(CTRL_PROC2, PROC2_SHADOW_VMCS);
	vw(CTRL_VMREAD_BITMAP, (u64)alloc_page());
	vw(CTRL_VMWRITE_BITMAP, (u64)alloc_page());
	vw(GUEST_LINK, pa);
}

static void p_sti(struct vl2 *l2)
{
	vw_set(GUEST_RFLAGS, FL_IF);
	vw(GUEST_INTERRUPTIBILITY, BLOCK_STI);
}

static void p_if(struct vl2 *l2)
{
	vw_set(GUEST_RFLAGS, FL_IF);
}

static void p_mov_ss(struct vl2 *l2)
{
	vw(GUEST_INTERRUPTIBILITY, BLOCK_MOV_SS);
}

#define C(f, ...) CHK(R_GUEST_STATE, f, ##__VA_ARGS__)
#define BAD(n, need, ...) { n, need, chk_refused, C(__VA_ARGS__) }
#define OK(n, need, ...) { "valid_" n, need, chk_accepted, C(__VA_ARGS__) }

/* ---- states that do not go together with each other or with an event ---- */

struct combo {
	u32 activity, block, event;
	u64 rflags, pending;
	u8 len;
	bool vnmi, user;
	u64 qual;
	u64 need;
};

#define EV(e) (EV_ON | (e))
#define INTR EV(EV_HW_INTR | 0x80)
#define NMI EV(EV_VNMI | 2)

static const struct combo activity[] = {
	{ .activity = 4 }, { .activity = 0x80000000 },
	/* HLT: at CPL 0 only, nothing blocked, some events */
	{ .activity = ACT_HLT, .user = true, .need = VF_HLT },
	{ .activity = ACT_HLT, .block = BLOCK_STI, .rflags = FL_IF, .need = VF_HLT },
	{ .activity = ACT_HLT, .block = BLOCK_MOV_SS, .need = VF_HLT },
	{ .activity = ACT_HLT, .event = EV(EV_HW_EXC | V_UD), .need = VF_HLT },
	{ .activity = ACT_HLT, .event = EV(EV_HW_EXC | V_GP | EV_CODE), .need = VF_HLT },
	{ .activity = ACT_HLT, .event = EV(EV_SW_INTR | 0x80), .len = 2, .need = VF_HLT },
	{ .activity = ACT_HLT, .event = EV(EV_SW_EXC | V_BP), .len = 1, .need = VF_HLT },
	{ .activity = ACT_SHUTDOWN, .event = INTR, .rflags = FL_IF, .need = VF_SHUTDOWN },
	{ .activity = ACT_SHUTDOWN, .event = EV(EV_HW_EXC | V_DB), .need = VF_SHUTDOWN },
	{ .activity = ACT_SHUTDOWN, .block = BLOCK_MOV_SS, .need = VF_SHUTDOWN },
	{ .activity = ACT_WAIT_SIPI, .event = NMI, .need = VF_SIPI },
	{ .activity = ACT_WAIT_SIPI, .event = INTR, .rflags = FL_IF, .need = VF_SIPI },
	{ .activity = ACT_WAIT_SIPI, .event = EV(EV_HW_EXC | V_MC), .need = VF_SIPI },
};
static const struct combo blocking[] = {
	{ .block = BLOCK_STI | BLOCK_MOV_SS, .rflags = FL_IF },
	{ .block = BLOCK_STI },
	{ .block = BLOCK_SMI },
	{ .block = BLOCK_STI, .rflags = FL_IF, .event = INTR },
	{ .block = BLOCK_MOV_SS, .rflags = FL_IF, .event = INTR },
	{ .block = BLOCK_MOV_SS, .event = NMI },
	{ .block = BLOCK_NMI, .event = NMI, .vnmi = true, .need = VF_VNMI },
};
/* BS has to follow TF where the single-step trap is still to come. */
static const struct combo pending[] = {
	{ .block = BLOCK_STI, .rflags = FL_IF, .pending = BIT(14) },
	{ .block = BLOCK_MOV_SS, .pending = BIT(14) },
	{ .block = BLOCK_STI, .rflags = FL_IF | FL_TF },
	{ .block = BLOCK_MOV_SS, .rflags = FL_TF },
	{ .activity = ACT_HLT, .pending = BIT(14), .need = VF_HLT },
	{ .activity = ACT_HLT, .rflags = FL_TF, .need = VF_HLT },
};

static void combo(const struct combo *c, u32 n)
{
	struct vl2 l2;

	if (c->need & ~cpu_features)
		return;
	vl2_init_at(&l2, l2_done);
	if (c->user)
		vl2_set_user(&l2);
	if (c->vnmi)
		ctl_set(CTRL_PIN, PIN_NMI | PIN_VIRTUAL_NMI);
	vw(GUEST_ACTIVITY, c->activity);
	vw(GUEST_INTERRUPTIBILITY, c->block);
	vw(GUEST_RFLAGS, 2 | c->rflags);
	vw(GUEST_PENDING_DBG, c->pending);
	vw(CTRL_ENTRY_INFO, c->event);
	vw(CTRL_ENTRY_LEN, c->len);
	if (!chk_failed_so(&l2, R_GUEST_STATE, c->qual)) {
		FAIL("row %u: activity %x block %x event %x was not refused", n, c->activity, c->block,
		     c->event);
		vl2_tell(&l2);
	}
	/* A failed entry does not take the event. */
	CHECK_EQ(vr(CTRL_ENTRY_INFO), c->event);
	vw(GUEST_ACTIVITY, ACT_ACTIVE);
	vw(GUEST_INTERRUPTIBILITY, 0);
	vw(GUEST_RFLAGS, 2);
	vw(GUEST_PENDING_DBG, 0);
	vw(CTRL_ENTRY_INFO, 0);
	vl2_expect_done(&l2);
}

struct combos { const struct combo *c; u32 n; };

static void combos(const void *arg)
{
	const struct combos *set = arg;
	u64 mark = mem_mark();
	char part[16];
	u32 i;

	for (i = 0; i < set->n; i++) {
		fmt(part, sizeof(part), "row%u", i);
		if (!t_departs(part))
			combo(&set->c[i], i);
		vmcs_forget_all();
		mem_reset(mark);
	}
}

static const struct combos c_activity = { activity, ARRAY_SIZE(activity) };
static const struct combos c_blocking = { blocking, ARRAY_SIZE(blocking) };
static const struct combos c_pending = { pending, ARRAY_SIZE(pending) };

/* Activity states that IA32_VMX_MISC does not have */
static void activity_absent(const void *arg)
{
	struct vl2 l2;
	u32 a;

	for (a = ACT_HLT; a <= ACT_WAIT_SIPI; a++) {
		if (caps.misc & BIT(5 + a))
			continue;
		vl2_init_at(&l2, l2_done);
		vw(GUEST_ACTIVITY, a);
		CHECK(chk_failed_so(&l2, R_GUEST_STATE, 0));
		vmcs_forget_all();
	}
}

/* ---- link pointer ---- */

static void link_revision(const void *arg)
{
	struct vl2 l2;
	u64 pa;

	vl2_init_at(&l2, l2_done);
	p_link(&l2);
	pa = vr(GUEST_LINK);
	*(u32 *)pa ^= 1;
	CHECK(chk_failed_so(&l2, R_GUEST_STATE, 4));
	*(u32 *)pa ^= 1;
	/* The shadow-VMCS indicator has to be that of the control. */
	*(u32 *)pa ^= BIT(31);
	CHECK(chk_failed_so(&l2, R_GUEST_STATE, 4));
	*(u32 *)pa ^= BIT(31);
	vl2_expect_done(&l2);
}

static void link_current(const void *arg)
{
	struct vl2 l2;

	vl2_init_at(&l2, l2_done);
	vw(GUEST_LINK, l2.vmcs);
	CHECK(chk_failed_so(&l2, R_GUEST_STATE, 4));
	vw(GUEST_LINK, ~0ull);
	vl2_expect_done(&l2);
}

static void link_shadow(const void *arg)
{
	struct vl2 l2;
	u64 pa;

	vl2_init_at(&l2, l2_done);
	p_link_shadow(&l2);
	pa = vr(GUEST_LINK);
	*(u32 *)pa ^= BIT(31);
	CHECK(chk_failed_so(&l2, R_GUEST_STATE, 4));
	*(u32 *)pa ^= BIT(31);
	vl2_expect_done(&l2);
}

/* ---- after a failed entry ---- */

/* Guest state is not saved, the launch state not changed, the host's state is loaded. */
static void unmodified(const void *arg)
{
	static const u32 fields[] = {
		GUEST_CR0, GUEST_CR3, GUEST_CR4, GUEST_RSP, GUEST_RIP, GUEST_RFLAGS, GUEST_CS_SEL,
		GUEST_CS_AR, GUEST_CS_BASE, GUEST_FS_BASE, GUEST_GS_BASE, GUEST_TR_BASE, GUEST_DR7,
		GUEST_SYSENTER_CS, GUEST_SYSENTER_ESP, GUEST_DEBUGCTL, GUEST_GDTR_BASE, GUEST_IDTR_BASE,
		GUEST_GDTR_LIMIT, GUEST_ACTIVITY, GUEST_PENDING_DBG, EXIT_INTR_INFO, IDT_INFO, EXIT_LEN,
		CTRL_ENTRY_INFO, CTRL_ENTRY_ERROR,
	};
	u64 before[ARRAY_SIZE(fields)], dr7;
	struct vl2 l2;
	u32 i;

	vl2_init_at(&l2, l2_done);
	vl2_expect_done(&l2);
	CHECK_EQ(vmclear(&l2.vmcs), VM_OK);
	l2.launched = 0;
	CHECK_EQ(vmptrld(&l2.vmcs), VM_OK);
	vw(GUEST_FS_BASE, 0x123000);
	vw(GUEST_GS_BASE, 0x456000);
	vw(GUEST_DR7, 0x455);
	vw(GUEST_SYSENTER_ESP, 0x789000);
	vw(GUEST_PENDING_DBG, BIT(0));
	vw(CTRL_ENTRY_INFO, EV_ON | EV_HW_EXC | V_UD);
	vw(GUEST_RFLAGS, 0);
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		before[i] = vr(fields[i]);
	CHECK(chk_failed_so(&l2, R_GUEST_STATE, 0));
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		if (vr(fields[i]) != before[i])
			FAIL("%s is %llx after the failed entry, was %llx", field_name(fields[i]),
			     vr(fields[i]), before[i]);
	CHECK_EQ(rdmsr(MSR_FS_BASE), 0);
	CHECK_EQ(rdmsr(MSR_GS_BASE), 0);
	CHECK_EQ(rdmsr(MSR_SYSENTER_ESP), vr(HOST_SYSENTER_ESP));
	__asm__ volatile("mov %%dr7,%0" : "=r"(dr7));
	CHECK_EQ(dr7, 0x400);
	/* Still clear: VMRESUME is refused, VMLAUNCH goes. */
	vw(GUEST_RFLAGS, 2);
	vw(GUEST_PENDING_DBG, 0);
	vw(CTRL_ENTRY_INFO, 0);
	l2.launched = 1;
	vl2_expect_error(&l2, E_RESUME_NOT_LAUNCHED);
	l2.launched = 0;
	vl2_expect_done(&l2);
}

/* The exit's MSR-store area is not used, its MSR-load area is. */
static void failed_lists(const void *arg)
{
	struct { u32 msr, rsvd; u64 v; } *store = alloc_page(), *load = alloc_page();
	struct vl2 l2;

	store->msr = MSR_KGS_BASE;
	store->v = 0x1111;
	load->msr = MSR_KGS_BASE;
	load->v = 0x2222;
	wrmsr(MSR_KGS_BASE, 0x3333);
	vl2_init_at(&l2, l2_done);
	vw(CTRL_EXIT_MSR_STORE, (u64)store);
	vw(CTRL_EXIT_STORE_COUNT, 1);
	vw(CTRL_EXIT_MSR_LOAD, (u64)load);
	vw(CTRL_EXIT_LOAD_COUNT, 1);
	vw(GUEST_RFLAGS, 0);
	CHECK(chk_failed_so(&l2, R_GUEST_STATE, 0));
	CHECK_EQ(store->v, 0x1111);
	CHECK_EQ(rdmsr(MSR_KGS_BASE), 0x2222);
	wrmsr(MSR_KGS_BASE, 0);
}

static const struct l1_test tests[] = {
	{ "activity", 0, combos, &c_activity },
	{ "activity_absent", 0, activity_absent, NULL },
	{ "blocking", 0, combos, &c_blocking },
	{ "pending_bs", 0, combos, &c_pending },
	BAD("interruptibility_reserved", 0, GUEST_INTERRUPTIBILITY, BITS(5, 31)),
	BAD("interruptibility_enclave", 0, GUEST_INTERRUPTIBILITY, SET(BIT(4) | BLOCK_MOV_SS)),
	OK("sti", 0, GUEST_INTERRUPTIBILITY, SET(BLOCK_STI), .prep = p_if),
	OK("mov_ss", 0, GUEST_INTERRUPTIBILITY, SET(BLOCK_MOV_SS)),
	OK("nmi_blocking", 0, GUEST_INTERRUPTIBILITY, SET(BLOCK_NMI)),
	BAD("pending_reserved", 0, GUEST_PENDING_DBG, BITS(4, 11)),
	BAD("pending_bit_13", 0, GUEST_PENDING_DBG, SET(BIT(13))),
	BAD("pending_bit_15", 0, GUEST_PENDING_DBG, SET(BIT(15))),
	BAD("pending_mid", 0, GUEST_PENDING_DBG, BITS(17, 31)),
	BAD("pending_high", 0, GUEST_PENDING_DBG, BITS(32, 63)),
	BAD("pending_sti", 0, GUEST_PENDING_DBG, SET(BIT(14)), .prep = p_sti),
	BAD("pending_mov_ss", 0, GUEST_PENDING_DBG, SET(BIT(14)), .prep = p_mov_ss),
	OK("link", 0, GUEST_LINK, SET(0), .prep = p_link),
	BAD("link_align", 0, GUEST_LINK, BITS(0, 11), .prep = p_link, .qual = 4),
	BAD("link_range", 0, GUEST_LINK, BITS(MAXPHYS, 63), .prep = p_link, .qual = 4),
	{ "link_revision", 0, link_revision, NULL },
	{ "link_current", 0, link_current, NULL },
	{ "link_shadow", VF_SHADOW, link_shadow, NULL },
	{ "failed_unmodified", 0, unmodified, NULL },
	{ "failed_msr_lists", 0, failed_lists, NULL },
};

const struct test_group group_vmx_nonreg_checks = {
	"vmx_nonreg_checks", tests, ARRAY_SIZE(tests), false
};
