// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves of a valid VMCS to the edges of the rules of "VM Entries" (SDM vol. 3): "Checks on VMX
 * Controls", "Checks on Host Control Registers and MSRs", "Checks on the Guest State Area",
 * "Event Injection", "Loading MSRs".  Chance is drawn before orc_move() is asked, always.
 */
#include "oracle/vmx.h"

static u64 pick64(struct orc_case *k, const u64 *from, u32 n) { return from[orc_below(k, n)]; }
#define PICK(k, ...) \
	pick64(k, (const u64[]){ __VA_ARGS__ }, sizeof((u64[]){ __VA_ARGS__ }) / sizeof(u64))

static void flip(struct orc_case *k, u32 field, u64 bits)
{
	if (orc_move(k, "%s ^= %llx", field_name(field), bits))
		orc_set(field, orc_get(field) ^ bits);
}

static void put(struct orc_case *k, u32 field, u64 v)
{
	if (orc_move(k, "%s = %llx", field_name(field), v))
		orc_set(field, v);
}

/* Only what every L0 offers and what nobody does: the rest is a matter of capabilities. */
static void m_pin(struct orc_case *k)
{
	flip(k, CTRL_PIN, PICK(k, PIN_VIRTUAL_NMI, BIT(1), BIT(2), BIT(4), BIT(8), BIT(31)));
}

static void m_proc(struct orc_case *k)
{
	flip(k, CTRL_PROC, PICK(k, PROC_INVLPG, PROC_RDPMC, PROC_RDTSC, PROC_CR3_LOAD, PROC_CR3_STORE, PROC_CR8_LOAD,
				PROC_CR8_STORE, PROC_TPR_SHADOW, PROC_NMI_WINDOW, PROC_MOV_DR, PROC_INTR_WINDOW,
				PROC_PAUSE, PROC_RDTSC, PROC_MOV_DR, BIT(0), BIT(1), BIT(4), BIT(18), BIT(26)));
}

static void m_proc2(struct orc_case *k)
{
	flip(k, CTRL_PROC2, PICK(k, PROC2_DESC, PROC2_DESC, PROC2_VPID, PROC2_WBINVD, PROC2_WBINVD, PROC2_RDTSCP,
				 PROC2_INVPCID, PROC2_X2APIC, PROC2_UNRESTRICTED, PROC2_EPT, BIT(31), BIT(27)));
}

static void m_exit_entry(struct orc_case *k)
{
	u64 exits = PICK(k, EXIT_SAVE_DEBUG, EXIT_HOST_64, EXIT_ACK_INTR, EXIT_SAVE_PAT, EXIT_LOAD_PAT, EXIT_SAVE_EFER,
			 EXIT_LOAD_EFER, BIT(0), BIT(31));
	u64 entry = PICK(k, ENTRY_LOAD_DEBUG, ENTRY_IA32E, ENTRY_SMM, ENTRY_DEACTIVATE_DUAL, ENTRY_LOAD_PAT,
			 ENTRY_LOAD_EFER, BIT(0), BIT(31));

	if (orc_one_in(k, 2))
		flip(k, CTRL_EXIT, exits);
	else
		flip(k, CTRL_ENTRY, entry);
}

static void m_exceptions(struct orc_case *k)
{
	u32 vec = orc_below(k, 20);
	u64 bits = PICK(k, 0, 1, 2, 4, 0x10, 0x1f);

	if (vec == 2 || vec == 15)
		vec = V_PF;
	flip(k, CTRL_EXCEPTIONS, BIT(vec));
	if (vec != V_PF)
		return;
	put(k, CTRL_PF_MASK, bits);
	put(k, CTRL_PF_MATCH, bits & 0x13);
}

static void m_cr_mask(struct orc_case *k)
{
	bool zero = orc_one_in(k, 2);
	u64 cr0 = PICK(k, CR0_TS, CR0_MP | CR0_EM, CR0_PG, CR0_PE, CR0_WP, CR0_CD, ~0ull, 0xf);
	u64 cr4 = PICK(k, CR4_PAE, CR4_PSE, CR4_TSD, CR4_DE, CR4_PGE, CR4_VMXE, ~0ull, CR4_OSFXSR);
	u64 shadow = PICK(k, 0, ~0ull, CR0_TS, CR0_PE);

	put(k, zero ? CTRL_CR0_MASK : CTRL_CR4_MASK, zero ? cr0 : cr4);
	put(k, zero ? CTRL_CR0_SHADOW : CTRL_CR4_SHADOW, shadow);
}

static void m_cr3_target(struct orc_case *k)
{
	u64 n = PICK(k, 1, 2, 4, 5, 0xffffffff);

	put(k, CTRL_CR3_COUNT, n);
	put(k, CTRL_CR3_TARGET0, orc_get(GUEST_CR3));
}

static void m_address(struct orc_case *k)
{
	u32 field = PICK(k, CTRL_MSR_BITMAP, CTRL_VIRTUAL_APIC, CTRL_EPTP, GUEST_LINK, CTRL_MSR_BITMAP);
	u64 bits = PICK(k, 1, 0x800, 0x80, 1ull << maxphys, BIT(52), BIT(63));

	flip(k, field, bits);
}

static void m_eptp(struct orc_case *k)
{
	flip(k, CTRL_EPTP, PICK(k, 1, 2, 4, 7, 6, 0x8, 0x10, 0x20, EPTP_AD, EPTP_AD, 0x80, 0x800, 1ull << maxphys));
}

static void m_areas(struct orc_case *k)
{
	u32 msr = PICK(k, MSR_KGS_BASE, MSR_LSTAR, MSR_STAR, MSR_FS_BASE, MSR_EFER, 0x8b, MSR_PAT);
	u64 v = PICK(k, 0, 0x1000, 1ull << 47, 0x0007040600070406ull), off = PICK(k, 0, 0, 0, 8, 1ull << maxphys);
	bool entry = orc_one_in(k, 2), odd = orc_one_in(k, 4);

	/* What the entry loads from an area stays loaded in L1; what the exit stores does not. */
	if (entry && msr != MSR_LSTAR && msr != MSR_STAR && msr != MSR_KGS_BASE && !odd)
		msr = MSR_KGS_BASE;
	if (entry && odd)
		msr = PICK(k, MSR_FS_BASE, MSR_GS_BASE, 0x8b, 0x800);
	if (!orc_move(k, "%s of %x %llx at +%llx", entry ? "entry loads" : "exit stores", msr, v, off))
		return;
	orc_area[0] = msr;
	orc_area[1] = v;
	orc_set(entry ? CTRL_ENTRY_MSR_LOAD : CTRL_EXIT_MSR_STORE, (u64)orc_area + off);
	orc_set(entry ? CTRL_ENTRY_LOAD_COUNT : CTRL_EXIT_STORE_COUNT, 1);
}

static void m_event(struct orc_case *k)
{
	u32 type = PICK(k, 0, 0, 2, 3, 3, 3, 3, 4, 4, 5, 6, 6);
	u32 vector = type == 3 ? PICK(k, 0, 1, 5, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17, 18, 19, 32, 255) :
		     type == 2 ? PICK(k, 2, 2, 3) : type == 5 ? PICK(k, 1, 1, 0x20) : type == 6 ? PICK(k, 3, 4, 5) :
		     PICK(k, 0x20, 0x80, 0xff, 13, 3);
	bool has_error = type == 3 && (vector == 8 || (vector >= 10 && vector <= 14) || vector == 17);
	u64 error = PICK(k, 0, 0, 1, 0x12, 0x7fff, 0xffffffff), len = PICK(k, 1, 2, 3, 15, 0, 16);
	bool odd = orc_one_in(k, 8);
	u32 info = EV_ON | type << 8 | vector | (orc_one_in(k, 16) ? 1u << 20 : 0);

	if (has_error != odd)
		info |= EV_CODE;
	if (!orc_move(k, "event %x error %llx len %llx", info, error, len))
		return;
	orc_set(CTRL_ENTRY_INFO, info);
	orc_set(CTRL_ENTRY_ERROR, error);
	orc_set(CTRL_ENTRY_LEN, len);
}

static void m_host(struct orc_case *k)
{
	u32 what = orc_below(k, 8), sel = PICK(k, 0, 3, 4, SEL_DS);
	u32 sels = PICK(k, HOST_CS_SEL, HOST_SS_SEL, HOST_DS_SEL, HOST_ES_SEL, HOST_FS_SEL, HOST_GS_SEL, HOST_TR_SEL);
	u32 bases = PICK(k, HOST_FS_BASE, HOST_GS_BASE, HOST_TR_BASE, HOST_GDTR_BASE, HOST_IDTR_BASE,
			 HOST_SYSENTER_ESP, HOST_SYSENTER_EIP);
	u64 cr0 = PICK(k, CR0_PE, CR0_PG, CR0_NE, BIT(32)), cr4 = PICK(k, CR4_PAE, CR4_VMXE, BIT(24), BIT(63));
	u64 efer = PICK(k, EFER_LMA, EFER_LME, BIT(1), BIT(63), EFER_LMA | EFER_LME), pat = PICK(k, 2, 3ull << 56, 8);

	/* Only what is refused: a host that is entered otherwise is not L1. */
	if (what == 0)
		flip(k, HOST_CR0, cr0);
	else if (what == 1)
		flip(k, HOST_CR4, cr4);
	else if (what == 2)
		flip(k, HOST_EFER, efer);
	else if (what == 3)
		flip(k, HOST_CR3, 1ull << PICK(k, maxphys, 51, 52, 63));
	else if (what == 4 && orc_get(CTRL_EXIT) & EXIT_LOAD_PAT)
		put(k, HOST_PAT, pat);
	else if (what == 5)
		put(k, bases, 1ull << 47);
	else if (sels != HOST_CS_SEL && sels != HOST_TR_SEL)
		put(k, sels, sel == 0 && sels == HOST_SS_SEL ? 4 : sel ? sel | 4 : 0);
	else
		put(k, sels, sel == SEL_DS ? 0 : sel);
}

static void m_guest_cr(struct orc_case *k)
{
	u32 what = orc_below(k, 5);
	u64 cr0 = PICK(k, CR0_MP, CR0_EM, CR0_TS, CR0_NE, CR0_WP, CR0_AM, CR0_NW, CR0_CD, CR0_PE, CR0_PG, BIT(6), BIT(17),
		       BIT(32), BIT(63), CR0_ET);
	u64 cr4 = PICK(k, BIT(0), BIT(1), BIT(2), BIT(3), BIT(4), CR4_PAE, BIT(6), BIT(7), BIT(8), BIT(9), BIT(10),
		       CR4_VMXE, BIT(15), BIT(24), BIT(31), BIT(32), BIT(63));
	u64 efer = PICK(k, EFER_SCE, EFER_NXE, EFER_LMA, EFER_LME, BIT(1), BIT(9), EFER_SVME, BIT(32), BIT(63));
	u64 cr3 = PICK(k, 8, 0x20, 1ull << maxphys, BIT(52), BIT(63)), dr7 = PICK(k, BIT(13), BIT(32), BIT(63), BIT(10));

	if (what == 0)
		flip(k, GUEST_CR0, cr0);
	else if (what == 1)
		flip(k, GUEST_CR4, cr4);
	else if (what == 2)
		flip(k, GUEST_EFER, efer);
	else if (what == 3)
		flip(k, GUEST_CR3, cr3);
	else
		flip(k, GUEST_DR7, dr7);
}

static void m_rflags(struct orc_case *k)
{
	flip(k, GUEST_RFLAGS, PICK(k, FL_IF, FL_TF, FL_RF, FL_AC, 0x3000, 0x4000, BIT(1), BIT(3), BIT(5), BIT(15),
				   BIT(22), BIT(63), FL_VM, 1));
}

static void m_rip(struct orc_case *k)
{
	u64 a = PICK(k, 1ull << 47, (1ull << 47) - 1, ~0ull << 47, ~0ull, PLAY, 0xffffffff, 0x100000000ull | ORC_CODE);

	/* Bochs does not check RIP, and then stops. */
	if (orc_profile & OP_BOCHS && a == 1ull << 47)
		a = PLAY + 0x10;
	put(k, orc_one_in(k, 2) ? GUEST_RIP : GUEST_RSP, a);
}

static void m_segment(struct orc_case *k)
{
	u32 n = orc_below(k, 10), what = orc_below(k, 4);
	u64 base = PICK(k, 0x10, 1ull << 47, ~0ull << 47, 1ull << 32, ~0ull);
	u64 ar = PICK(k, 1, 2, 4, 8, 0x10, 0x20, 0x40, 0x60, 0x80, 0x100, 0x1000, 0x2000, 0x4000, 0x8000, 0x10000, 0x20000,
		      BIT(31));
	u64 sel = PICK(k, 0, 3, 4, SEL_DS, SEL_UDS, 0xffff), limit = PICK(k, 0, 0xfff, 0xffff, 0x10000, 0xffffffff, 0xfffff);

	if (n >= 8) {
		u32 gdtr = n == 8;

		if (what < 2)
			put(k, gdtr ? GUEST_GDTR_BASE : GUEST_IDTR_BASE, base);
		else
			put(k, gdtr ? GUEST_GDTR_LIMIT : GUEST_IDTR_LIMIT, limit);
		return;
	}
	if (what == 0)
		flip(k, GUEST_ES_AR + 2 * n, ar);
	else if (what == 1)
		put(k, GUEST_ES_BASE + 2 * n, base);
	else if (what == 2)
		put(k, GUEST_ES_LIMIT + 2 * n, limit);
	else
		put(k, GUEST_ES_SEL + 2 * n, sel);
}

static void m_nonreg(struct orc_case *k)
{
	u32 what = orc_below(k, 5);
	u64 intr = PICK(k, 1, 1, 2, 2, 3, 4, 8, 0x10, BIT(31)), dbg = PICK(k, 1, 0x1000, 0x4000, 0x10, BIT(32), 0xf);

	if (what <= 1)
		put(k, GUEST_INTERRUPTIBILITY, intr);
	else if (what == 2)
		put(k, GUEST_PENDING_DBG, dbg);
	else if (what == 3)
		put(k, GUEST_ACTIVITY, PICK(k, 4, 0xffffffff));
	else
		put(k, GUEST_LINK, PICK(k, 0, 1, 1ull << maxphys, ~0ull - 1));
}

static void m_sysenter(struct orc_case *k)
{
	u64 v = PICK(k, 1ull << 47, ~0ull << 47, (1ull << 47) - 1);
	bool esp = orc_one_in(k, 2);
	u64 pat = PICK(k, 2, 3ull << 56, 8, 0);

	if (orc_one_in(k, 4))
		put(k, GUEST_PAT, pat);
	else
		put(k, esp ? GUEST_SYSENTER_ESP : GUEST_SYSENTER_EIP, v);
}

/* MSRs that L2 may have: the ones that an exit saves, or that L1 does not use. */
static void m_pass(struct orc_case *k)
{
	static const u32 msrs[] = { MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_FS_BASE, MSR_GS_BASE, MSR_EFER };
	u32 msr = msrs[orc_below(k, ARRAY_SIZE(msrs))], how = PICK(k, 1, 2, 3), n = msr & 0x1fff;
	u8 *map = (u8 *)orc_msr_bitmap + (msr >> 31 ? 0x400 : 0) + n / 8;

	if (!orc_move(k, "msr bitmap of %x passes %x", msr, how))
		return;
	if (how & 1)
		map[0] &= ~(1 << (n & 7));
	if (how & 2)
		map[0x800] &= ~(1 << (n & 7));
}

static const struct { void (*make)(struct orc_case *k); u8 weight; } kinds[] = {
	{ m_pin, 1 }, { m_proc, 6 }, { m_proc2, 4 }, { m_exit_entry, 2 }, { m_exceptions, 6 }, { m_cr_mask, 5 },
	{ m_cr3_target, 1 }, { m_address, 2 }, { m_eptp, 1 }, { m_areas, 3 }, { m_event, 8 }, { m_host, 2 },
	{ m_guest_cr, 6 }, { m_rflags, 4 }, { m_rip, 2 }, { m_segment, 8 }, { m_nonreg, 3 }, { m_sysenter, 1 },
	{ m_pass, 3 },
};

void vmx_moves(struct orc_case *k)
{
	u32 n = 1 + orc_below(k, 4);

	while (n--)
		ORC_KIND(k, kinds)->make(k);
}
