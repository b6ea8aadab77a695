// SPDX-License-Identifier: GPL-2.0-only
/*
 * A case of VT-x: a valid VMCS for one of the modes, moves, and an entry for each piece of the
 * program.  What is recorded of an exit is what the manual defines for its reason ("VM-Exit
 * Information Fields"); what it leaves undefined is left out.
 */
#include "oracle/vmx.h"

u64 *orc_msr_bitmap, *orc_area;

static struct vl2 l2;
static u64 eptp;
static bool wrong_insn;
static struct { u64 cr0, cr3, cr4, efer; } host;

static u64 bit(u32 n) { return n < 64 ? 1ull << n : 0; }

static bool one_of(u64 set, u32 reason) { return set & bit(reason); }

#define VMX_MEM		(bit(R_VMCLEAR) | bit(R_VMPTRLD) | bit(R_VMPTRST) | bit(R_VMREAD) | bit(R_VMWRITE) | \
			 bit(R_VMXON) | bit(R_INVEPT) | bit(R_INVVPID))
#define HAS_QUAL	(VMX_MEM | bit(R_TASK) | bit(R_INVLPG) | bit(R_CR) | bit(R_DR) | bit(R_IO) | \
			 bit(R_GUEST_STATE) | bit(R_MSR_LOAD) | bit(R_MONITOR) | bit(R_GDTR_IDTR) | \
			 bit(R_LDTR_TR) | bit(R_EPT_VIOLATION) | bit(R_SIPI) | bit(R_APIC_ACCESS) | \
			 bit(R_EOI) | bit(R_APIC_WRITE) | bit(R_INVPCID) | bit(R_XSAVES) | bit(R_XRSTORS) | bit(R_MWAIT))
#define MAY_BE_REG	(bit(R_VMREAD) | bit(R_VMWRITE) | bit(R_LDTR_TR))
#define HAS_LEN		(VMX_MEM | bit(R_CPUID) | bit(R_GETSEC) | bit(R_HLT) | bit(R_INVD) | bit(R_INVLPG) | \
			 bit(R_RDPMC) | bit(R_RDTSC) | bit(R_VMCALL) | bit(R_VMLAUNCH) | bit(R_VMRESUME) | \
			 bit(R_VMXOFF) | bit(R_CR) | bit(R_DR) | bit(R_IO) | bit(R_RDMSR) | bit(R_WRMSR) | \
			 bit(R_MWAIT) | bit(R_MONITOR) | bit(R_PAUSE) | bit(R_GDTR_IDTR) | bit(R_LDTR_TR) | \
			 bit(R_RDTSCP) | bit(R_WBINVD) | bit(R_XSETBV) | bit(R_INVPCID) | bit(R_RDRAND) | \
			 bit(R_RDSEED) | bit(R_VMFUNC))
#define HAS_INFO	(VMX_MEM | bit(R_GDTR_IDTR) | bit(R_LDTR_TR) | bit(R_INVPCID))

static void record_exit(struct orc_case *k)
{
	u32 reason = l2.reason & 0xffff, intr = 0, idt;
	u64 qual;

	if (reason == R_EXCEPTION) {
		intr = vr(EXIT_INTR_INFO);
		orc_rec(k, "intr", intr, 0);
		if (intr & EV_CODE)
			orc_rec(k, "error", vr(EXIT_INTR_ERROR), 0);
	}
	qual = vr(EXIT_QUAL);
	/* Bochs leaves what it likes there when there is no operand in memory. */
	if (orc_profile & OP_BOCHS && one_of(MAY_BE_REG, reason) && vr(EXIT_INSN_INFO) & BIT(10))
		qual = 0;
	if (one_of(HAS_QUAL, reason) ||
	    (reason == R_EXCEPTION && ((intr & 0xff) == V_PF || (intr & 0xff) == V_DB)))
		orc_rec(k, "qual", qual, 0);
	if (l2.reason & R_ENTRY_FAILED)
		return;
	if (one_of(HAS_LEN, reason) || (reason == R_EXCEPTION && (intr >> 8 & 7) >= 4))
		orc_rec(k, "len", vr(EXIT_LEN), 0);
	if (one_of(HAS_INFO, reason))
		orc_rec(k, "info", vr(EXIT_INSN_INFO), 0);
	if (reason == R_EPT_VIOLATION || reason == R_EPT_MISCONFIG)
		orc_rec(k, "physical", vr(GUEST_PHYSICAL), 0);
	if ((reason == R_EPT_VIOLATION && qual & EQ_GLA) || (reason == R_IO && qual & 0x10))
		orc_rec(k, "linear", vr(GUEST_LINEAR), 0);
	idt = vr(IDT_INFO);
	if (idt & EV_ON) {
		orc_rec(k, "idt", idt, 0);
		if (idt & EV_CODE)
			orc_rec(k, "idterror", vr(IDT_ERROR), 0);
	} else {
		orc_fold(k, 0);
	}
}

static u64 gpr(struct orc_case *k, u32 i)
{
	u64 v = 0x1111111111111111ull * i;

	return k->mode <= OM_64_USER ? v : (u32)v;
}

static void record_gprs(struct orc_case *k)
{
	static const char *const names[] = { "rax", "rcx", "rdx", "rbx", "rbp", "rsi", "rdi", "r8", "r9", "r10",
					     "r11", "r12", "r13", "r14", "r15" };
	u64 *r = &l2.rax, i;

	for (i = 0; i < 15; i++)
		orc_rec(k, names[i], r[i], gpr(k, i));
}

/* What an event or a fault left on the stack that the handler halted on */
static void record_frame(struct orc_case *k)
{
	u64 sp = orc_get(GUEST_RSP) + (k->mode == OM_REAL ? 0x20000 : 0), i;
	char name[8];

	if (sp < ORC_STACK - 0x100 || sp > ORC_TRAP_STACK)
		return;
	for (i = 0; i < 6; i++) {
		fmt(name, sizeof(name), "st%u", (u32)i);
		orc_rec(k, name, ((u64 *)(sp & ~7ull))[i], 0);
	}
}

static void run(void)
{
	enum vm_status s;

	vmx_run_asm(&l2);
	l2.error = 0;
	if (!l2.flags) {
		l2.reason = vr(EXIT_REASON);
		if (!(l2.reason & R_ENTRY_FAILED))
			l2.launched = 1;
		return;
	}
	l2.reason = R_NONE;
	s = vm_status(l2.flags);
	if (s == VM_FAIL_VALID)
		l2.error = insn_error();
}

/* What the exit left in L1's own control registers, and L1's values back in them. */
static void record_host(struct orc_case *k)
{
	u64 cr0 = read_cr0(), efer = rdmsr(MSR_EFER);

	/* CD and NW are not switched: what L2 wrote stays. */
	orc_rec(k, "host.cr0", cr0 ^ host.cr0, 0);
	orc_rec(k, "host.cr3", read_cr3() ^ host.cr3, 0);
	orc_rec(k, "host.cr4", read_cr4() ^ host.cr4, 0);
	orc_rec(k, "host.efer", efer ^ host.efer, 0);
	if (cr0 != host.cr0)
		write_cr0(host.cr0);
	if (efer != host.efer)
		wrmsr(MSR_EFER, host.efer);
}

/* False when there was no entry. */
static bool record(struct orc_case *k, u32 step)
{
	bool entered = l2.reason != R_NONE && !(l2.reason & R_ENTRY_FAILED);

	if (k->verbose)
		orc_say("S %u exit=%x", step, l2.reason);
	orc_fold(k, l2.reason);
	if (l2.reason == R_NONE) {
		orc_rec(k, "fail", l2.flags & FL_ARITH, 0);
		orc_rec(k, "insnerror", l2.error, 0);
	} else {
		record_exit(k);
	}
	if (entered) {
		vmx_state_record(k, false);
		record_gprs(k);
		record_frame(k);
	}
	if (l2.reason != R_NONE) {
		orc_rec(k, "cr2", read_cr2(), 0);
		record_host(k);
	}
	return entered;
}

static void flush(void)
{
	struct inv_desc d = { { eptp, 0 } };

	if (cpu_features & VF_INVEPT1)
		invept(1, &d);
}

static void place(struct orc_case *k, u32 step)
{
	orc_set(GUEST_RIP, (k->mode == OM_REAL ? 0 : ORC_CODE) + step * ORC_SLOT);
	orc_set(GUEST_RSP, k->mode == OM_REAL ? ORC_STACK - 0x20000 : ORC_STACK);
}

static void set_gprs(struct orc_case *k)
{
	u64 *r = &l2.rax, i;

	for (i = 0; i < 15; i++)
		r[i] = gpr(k, i);
}

static bool enter(struct orc_case *k, u32 step)
{
	bool entered;

	vmx_state_write();
	run();
	entered = record(k, step);
	if (k->verbose)
		orc_puts("\n");
	return entered;
}

/* As L1 does that gives back the event whose delivery an exit interrupted. */
static void reinject(bool again)
{
	u32 idt = vr(IDT_INFO);

	orc_set(CTRL_ENTRY_INFO, 0);
	if (!again || !(idt & EV_ON))
		return;
	orc_set(CTRL_ENTRY_INFO, idt & ~EV_NMI_UNBLOCK);
	orc_set(CTRL_ENTRY_ERROR, idt & EV_CODE ? vr(IDT_ERROR) : 0);
	orc_set(CTRL_ENTRY_LEN, (idt >> 8 & 7) >= 4 ? vr(EXIT_LEN) : 0);
}

static void steps(struct orc_case *k)
{
	u32 step = 0, entries;
	bool again;

	for (entries = 0; entries < ORC_MAX_STEPS && step < k->steps; entries++) {
		u32 reason;

		again = orc_one_in(k, 2);
		if (!enter(k, step))
			return;
		reason = l2.reason & 0xffff;
		if (reason == R_TRIPLE || reason == R_EXT_INT)
			return;
		reinject(again && (reason == R_EPT_VIOLATION || reason == R_EPT_MISCONFIG));
		if (again && (reason == R_EPT_VIOLATION || reason == R_EPT_MISCONFIG)) {
			orc_nested_mend(EPT_A | EPT_D);
			flush();
			continue;
		}
		orc_set(GUEST_ACTIVITY, ACT_ACTIVE);
		place(k, ++step);
	}
}

/*
 * Sometimes the VMCS is clear, which VMLAUNCH wants and VMRESUME refuses.  Otherwise it is what the last
 * case left, and the instruction is the one for that.
 */
static void launch_state(struct orc_case *k)
{
	u32 how = orc_below(k, 16);

	wrong_insn = false;
	if (how > 1)
		return;
	vmclear(&l2.vmcs);
	vmptrld(&l2.vmcs);
	wrong_insn = !how && orc_move(k, "VMRESUME of a clear VMCS");
	l2.launched = wrong_insn;
}

static void build(struct orc_case *k)
{
	struct orc_plan plan = orc_plan(k);

	memset(orc_msr_bitmap, 0xff, PAGE_SIZE);
	memset(orc_area, 0, 64);
	orc_arena_reset(k->mode, k->base);
	vmx_state_base(k, plan.nested);
	place(k, 0);
	set_gprs(k);
	if (k->verbose)
		orc_say("B mode %u npt %u\n", k->mode, plan.nested);
	orc_program(k);
	vmx_moves(k);
	orc_tables(k, &plan);
	launch_state(k);
}

/* What no VMCS field holds and an L2 may have changed, by itself or by its entry's MSRs. */
static void reset_registers(void)
{
	static const struct { u32 msr; u64 v; } msrs[] = {
		/* System calls land on handlers that no exception has. */
		{ MSR_STAR, 0x0023000800000000ull }, { MSR_LSTAR, ORC_STUBS + 126 * 16 },
		{ MSR_CSTAR, ORC_STUBS + 125 * 16 }, { MSR_SFMASK, 0 }, { MSR_KGS_BASE, 0 },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		wrmsr(msrs[i].msr, msrs[i].v);
	__asm__ volatile("mov %0,%%dr0; mov %0,%%dr1; mov %0,%%dr2; mov %0,%%dr3; mov %1,%%dr6"
			 : : "r"(0ull), "r"(0xffff0ff0ull));
	write_cr2(0);
	/* An NMI that L2 was given blocks L1's. */
	nmi_unblock();
}

/* L1's own instructions, with a VMCS at hand whose L2 halts at once */
static void sequence(struct orc_case *k)
{
	k->mode = OM_64;
	k->base = PLAY;
	vmclear(&l2.vmcs);
	vmptrld(&l2.vmcs);
	vmx_state_base(k, true);
	place(k, ORC_MAX_STEPS);
	vmx_state_write();
	/* Nothing of the last case may be read there. */
	if (cpu_features & VF_WRITERO) {
		vw(EXIT_QUAL, 0);
		vw(INSN_ERROR, 0);
	}
	if (k->verbose)
		orc_say("B mode %u npt 1\n", OM_NR);
	vmx_seq_run(k);
	vmx_state_forget();
}

static void vmx_run(struct orc_case *k)
{
	if (!orc_below(k, 8)) {
		sequence(k);
		return;
	}
	build(k);
	reset_registers();
	flush();
	steps(k);
	if (k->verbose)
		orc_say("S %u", ORC_MAX_STEPS);
	vmx_state_record(k, true);
	if (k->verbose)
		orc_puts("\n");
	if (wrong_insn)
		l2.launched = 0;
	orc_memory(k);
}

static void vmx_init(void)
{
	orc_nested = (struct orc_format){ EPT_RWX, EPT_RWX | EPT_WB, EPT_A, EPT_D };
	orc_msr_bitmap = alloc_page();
	orc_area = alloc_page();
	vl2_init_at(&l2, l2_done);
}

/* The tables are there now: complete the VMCS that all cases start from, and launch it once. */
static void vmx_start(void)
{
	eptp = (u64)orc_npt | EPTP_WALK4 | 6 | (cpu_features & VF_EPTAD ? EPTP_AD : 0);
	vw(CTRL_EPTP, eptp);
	vw(CTRL_MSR_BITMAP, (u64)orc_msr_bitmap);
	vw_set(CTRL_PIN, KEEP_PIN);
	vw_set(CTRL_PROC, KEEP_PROC);
	vw_clear(CTRL_PROC, PROC_CR3_LOAD | PROC_CR3_STORE);
	vw(HOST_FS_SEL, 0);
	if (cpu_features & VF_TPR)
		vw(CTRL_VIRTUAL_APIC, (u64)alloc_page());
	vmx_state_init();
	vmx_seq_init(&l2, eptp);
	host.cr0 = read_cr0(), host.cr3 = read_cr3(), host.cr4 = read_cr4(), host.efer = rdmsr(MSR_EFER);
	run();
	if (l2.reason == R_NONE || l2.reason & R_ENTRY_FAILED)
		panic("the VMCS that cases start from does not enter: %x, error %u", l2.reason, l2.error);
}

const struct orc_part orc_vmx = { vmx_init, vmx_start, vmx_run };
