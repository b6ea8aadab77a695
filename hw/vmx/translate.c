// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits of VT-x in the neutral form.  info1 and info2 mean what EXITINFO1 and EXITINFO2 of
 * the APM mean for the same event, because core/ has its handlers for that; what VT-x itself
 * reports goes along beside it (SDM vol. 3, "Information for VM Exits").
 */
#include "hw/vmx/translate.h"

#define ROW(r, f)		{ .reason = (r), .flags = (f) }
#define VMX_INSN(i, f)		{ .reason = EXIT_VMX_INSN, .index = (i), .flags = XR_LEN | (f) }
#define OPERAND			(XR_QUAL | XR_INFO)

const struct vmx_exit_row vmx_exit_rows[NR_VMX_REASONS] = {
	[VMX_EXCEPTION_NMI] = ROW(EXIT_EXCEPTION, XR_INTR | XR_QUAL | XR_LEN | XR_REFINE),
	[VMX_EXT_INTR] = ROW(EXIT_INTR, 0),
	[VMX_TRIPLE_FAULT] = ROW(EXIT_SHUTDOWN, 0),
	[VMX_INIT] = ROW(EXIT_INIT, 0),
	[VMX_SIPI] = ROW(EXIT_SIPI, XR_QUAL | XR_REFINE),
	[VMX_IO_SMI] = ROW(EXIT_SMI, 0),
	[VMX_SMI] = ROW(EXIT_SMI, 0),
	[VMX_INTR_WINDOW] = ROW(EXIT_VINTR, 0),
	[VMX_NMI_WINDOW] = ROW(EXIT_NMI_WINDOW, 0),
	[VMX_TASK_SWITCH] = ROW(EXIT_TASK_SWITCH, XR_QUAL | XR_LEN | XR_REFINE),
	[VMX_CPUID] = ROW(EXIT_CPUID, XR_LEN),
	[VMX_GETSEC] = ROW(EXIT_GETSEC, XR_LEN),
	[VMX_HLT] = ROW(EXIT_HLT, XR_LEN),
	[VMX_INVD] = ROW(EXIT_INVD, XR_LEN),
	[VMX_INVLPG] = ROW(EXIT_INVLPG, XR_LEN | XR_QUAL | XR_REFINE),
	[VMX_RDPMC] = ROW(EXIT_RDPMC, XR_LEN),
	[VMX_RDTSC] = ROW(EXIT_RDTSC, XR_LEN),
	[VMX_RSM] = ROW(EXIT_RSM, XR_LEN),
	[VMX_VMCALL] = VMX_INSN(INSN_VMCALL, 0),
	[VMX_VMCLEAR] = VMX_INSN(INSN_VMCLEAR, OPERAND),
	[VMX_VMLAUNCH] = VMX_INSN(INSN_VMLAUNCH, 0),
	[VMX_VMPTRLD] = VMX_INSN(INSN_VMPTRLD, OPERAND),
	[VMX_VMPTRST] = VMX_INSN(INSN_VMPTRST, OPERAND),
	[VMX_VMREAD] = VMX_INSN(INSN_VMREAD, OPERAND),
	[VMX_VMRESUME] = VMX_INSN(INSN_VMRESUME, 0),
	[VMX_VMWRITE] = VMX_INSN(INSN_VMWRITE, OPERAND),
	[VMX_VMXOFF] = VMX_INSN(INSN_VMXOFF, 0),
	[VMX_VMXON] = VMX_INSN(INSN_VMXON, OPERAND),
	[VMX_CR] = ROW(EXIT_CR_WRITE, XR_LEN | XR_QUAL | XR_GLA | XR_REFINE),
	[VMX_DR] = ROW(EXIT_DR_WRITE, XR_LEN | XR_QUAL | XR_REFINE),
	[VMX_IO] = ROW(EXIT_IOIO, XR_LEN | XR_QUAL | XR_INFO | XR_GLA | XR_REFINE),
	[VMX_RDMSR] = ROW(EXIT_MSR, XR_LEN),
	[VMX_WRMSR] = ROW(EXIT_MSR, XR_LEN | XR_REFINE),
	[VMX_BAD_GUEST] = ROW(EXIT_INVALID, XR_QUAL | XR_REFINE),
	[VMX_BAD_MSR] = ROW(EXIT_INVALID, XR_QUAL | XR_REFINE),
	[VMX_MWAIT] = ROW(EXIT_MWAIT, XR_LEN | XR_QUAL),
	[VMX_MTF] = ROW(EXIT_MTF, 0),
	[VMX_MONITOR] = ROW(EXIT_MONITOR, XR_LEN),
	[VMX_PAUSE] = ROW(EXIT_PAUSE, XR_LEN),
	[VMX_MCE_ENTRY] = ROW(EXIT_MCE_ON_ENTRY, 0),
	[VMX_TPR_THRESHOLD] = ROW(EXIT_TPR_THRESHOLD, 0),
	/* Bit 12 of this one says what kind of access it was. */
	[VMX_APIC_ACCESS] = ROW(EXIT_APIC_ACCESS, XR_LEN | XR_QUAL),
	[VMX_VIRTUAL_EOI] = ROW(EXIT_VIRTUAL_EOI, XR_QUAL | XR_REFINE),
	[VMX_GDTR_IDTR] = ROW(EXIT_GDTR_READ, XR_LEN | OPERAND | XR_REFINE),
	[VMX_LDTR_TR] = ROW(EXIT_LDTR_READ, XR_LEN | OPERAND | XR_REFINE),
	[VMX_EPT_VIOLATION] = ROW(EXIT_SECOND_LEVEL, XR_QUAL | XR_GLA | XR_GPA | XR_UNBLOCK | XR_REFINE),
	/* Our own table is never misconfigured. */
	[VMX_EPT_MISCONFIG] = ROW(EXIT_INVALID, XR_GPA | XR_REFINE),
	[VMX_INVEPT] = VMX_INSN(INSN_INVEPT, OPERAND),
	[VMX_RDTSCP] = ROW(EXIT_RDTSCP, XR_LEN),
	[VMX_TIMER] = ROW(EXIT_PREEMPTION_TIMER, 0),
	[VMX_INVVPID] = VMX_INSN(INSN_INVVPID, OPERAND),
	[VMX_WBINVD] = ROW(EXIT_WBINVD, XR_LEN),
	[VMX_XSETBV] = ROW(EXIT_XSETBV, XR_LEN),
	[VMX_APIC_WRITE] = ROW(EXIT_APIC_WRITE, XR_QUAL),
	[VMX_RDRAND] = ROW(EXIT_RDRAND, XR_LEN | XR_INFO),
	[VMX_INVPCID] = ROW(EXIT_INVPCID, XR_LEN | OPERAND),
	[VMX_VMFUNC] = VMX_INSN(INSN_VMFUNC, 0),
	[VMX_ENCLS] = ROW(EXIT_ENCLS, XR_LEN),
	[VMX_RDSEED] = ROW(EXIT_RDSEED, XR_LEN | XR_INFO),
	/* The log was emptied; there is nothing else to do. */
	[VMX_PML_FULL] = ROW(EXIT_NONE, XR_QUAL | XR_UNBLOCK),
	[VMX_XSAVES] = ROW(EXIT_XSAVES, XR_LEN | OPERAND),
	[VMX_XRSTORS] = ROW(EXIT_XRSTORS, XR_LEN | OPERAND),
	[VMX_UMWAIT] = ROW(EXIT_UMWAIT, XR_LEN | XR_INFO),
	[VMX_TPAUSE] = ROW(EXIT_TPAUSE, XR_LEN | XR_INFO),
	/* Holes that no CPU reports. */
	[35] = ROW(EXIT_UNKNOWN, 0), [38] = ROW(EXIT_UNKNOWN, 0), [42] = ROW(EXIT_UNKNOWN, 0),
	[65] = ROW(EXIT_UNKNOWN, 0), [66] = ROW(EXIT_UNKNOWN, 0),
};

const struct vmx_exit_row vmx_unknown_exit = ROW(EXIT_UNKNOWN, XR_QUAL);

#define EXCEPTION_MASK		0x1fu
#define VECTOR_PF		14

static void exception_exit(const struct vmx_raw *raw, struct guest_exit *x)
{
	if (((raw->intr >> INTR_TYPE_SHIFT) & INTR_TYPE_MASK) == EVENT_NMI) {
		x->reason = EXIT_NMI;
		x->next_rip = 0;
		return;
	}
	x->index = raw->intr & EXCEPTION_MASK;
	x->info1 = raw->error;
	x->info2 = x->index == VECTOR_PF ? raw->qual : 0;
	/* The length is defined for INT1, INT3 and INTO only. */
	if (((raw->intr >> INTR_TYPE_SHIFT) & INTR_TYPE_MASK) == EVENT_EXCEPTION)
		x->next_rip = 0;
}

/* Exit qualification for control-register accesses: type in bits 5:4, GPR in 11:8. */
static void cr_exit(const struct vmx_raw *raw, struct guest_exit *x)
{
	unsigned int type = (raw->qual >> 4) & 3;

	x->reason = type == 1 ? EXIT_CR_READ : EXIT_CR_WRITE;
	x->index = raw->qual & 0xf;
	/* CLTS and LMSW write CR0 and name no register. */
	if (type < 2)
		x->info1 = BIT_ULL(63) | ((raw->qual >> 8) & 0xf);
}

static void dr_exit(const struct vmx_raw *raw, struct guest_exit *x)
{
	x->reason = raw->qual & BIT(4) ? EXIT_DR_READ : EXIT_DR_WRITE;
	x->index = raw->qual & 7;
	x->info1 = (raw->qual >> 8) & 0xf;
}

/*
 * Size less one in bits 2:0, IN in 3, string in 4, REP in 5, port in 31:16.  Of string forms
 * the instruction information has the address size (9:7) and the segment (17:15).
 */
static void io_exit(const struct vmx_raw *raw, struct guest_exit *x)
{
	u64 q = raw->qual, info = q & 0xffff0000;

	info |= (q & BIT(3)) >> 3;
	info |= ((q & 7) + 1) << 4;
	if (q & BIT(4)) {
		info |= BIT(2) | (q & BIT(5)) >> 2;
		info |= BIT_ULL(7 + ((raw->info >> 7) & 3)) | (u64)((raw->info >> 15) & 7) << 10;
	}
	x->info1 = info;
	x->info2 = x->next_rip;
}

/* Qualification: selector in 15:0, source in 31:30 (CALL, IRET, JMP, task gate). */
static void task_exit(const struct vmx_raw *raw, struct guest_exit *x)
{
	unsigned int source = (raw->qual >> 30) & 3;

	x->info1 = raw->qual & 0xffff;
	if (source == 1)
		x->info2 = BIT_ULL(36);
	else if (source == 2)
		x->info2 = BIT_ULL(38);
}

/* GDTR or IDTR, LDTR or TR, store or load: bits 29:28 of the instruction information. */
static void table_exit(const struct vmx_raw *raw, struct guest_exit *x)
{
	static const u16 gdtr_idtr[] = { EXIT_GDTR_READ, EXIT_IDTR_READ, EXIT_GDTR_WRITE,
					 EXIT_IDTR_WRITE };
	static const u16 ldtr_tr[] = { EXIT_LDTR_READ, EXIT_TR_READ, EXIT_LDTR_WRITE,
				       EXIT_TR_WRITE };
	unsigned int which = (raw->info >> 28) & 3;

	x->reason = x->reason == EXIT_GDTR_READ ? gdtr_idtr[which] : ldtr_tr[which];
}

/*
 * To an error code of #NPF: present if the entry gave any right, write, user (as every
 * nested walk is), fetch; bit 32 for the final address, bit 33 for one of the guest's own tables.
 */
static void second_level_exit(const struct vmx_raw *raw, struct guest_exit *x)
{
	u64 q = raw->qual, info = BIT(2);

	if (q & (BIT(3) | BIT(4) | BIT(5)))
		info |= BIT(0);
	if (q & BIT(1))
		info |= BIT(1);
	if (q & BIT(2))
		info |= BIT(4);
	/* Bit 8 counts when bit 7 says that there is a linear address at all. */
	info |= (q & BIT(7)) && !(q & BIT(8)) ? BIT_ULL(33) : BIT_ULL(32);
	x->info1 = info;
	x->info2 = raw->gpa;
}

void vmx_refine(const struct vmx_raw *raw, struct guest_exit *x)
{
	switch (raw->reason & VMX_REASON_MASK) {
	case VMX_EXCEPTION_NMI:
		return exception_exit(raw, x);
	case VMX_CR:
		return cr_exit(raw, x);
	case VMX_DR:
		return dr_exit(raw, x);
	case VMX_IO:
		return io_exit(raw, x);
	case VMX_TASK_SWITCH:
		return task_exit(raw, x);
	case VMX_GDTR_IDTR:
	case VMX_LDTR_TR:
		return table_exit(raw, x);
	case VMX_EPT_VIOLATION:
		return second_level_exit(raw, x);
	case VMX_WRMSR:
		x->info1 = 1;
		return;
	case VMX_SIPI:
	case VMX_VIRTUAL_EOI:
		x->index = raw->qual & 0xff;
		return;
	case VMX_INVLPG:
		x->info1 = raw->qual;
		return;
	case VMX_BAD_GUEST:
	case VMX_BAD_MSR:
		x->info1 = raw->qual;
		return;
	case VMX_EPT_MISCONFIG:
		x->info2 = raw->gpa;
		return;
	}
}

void vmx_translate(const struct vmx_raw *raw, struct guest_exit *x)
{
	vmx_translate_row(raw, vmx_exit_row(raw->reason), x);
}

struct guest_event vmx_event(u32 info, u32 error)
{
	struct guest_event ev = {
		.valid = info & INTR_VALID,
		.type = (info >> INTR_TYPE_SHIFT) & INTR_TYPE_MASK,
		.vector = info & INTR_VECTOR_MASK,
		.has_error = info & INTR_ERROR_VALID,
	};

	if (!ev.valid)
		return (struct guest_event){};
	if (ev.has_error)
		ev.error = error;
	return ev;
}

/* #DF, #TS, #NP, #SS, #GP, #PF, #AC push an error code. */
#define ERROR_CODE_VECTORS	(BIT(8) | BIT(10) | BIT(11) | BIT(12) | BIT(13) | BIT(14) | BIT(17))

u32 vmx_event_info(const struct guest_event *ev, bool protected)
{
	u32 info = INTR_VALID | ev->vector | (u32)ev->type << INTR_TYPE_SHIFT;

	switch (ev->type) {
	case EVENT_EXCEPTION:
		/* INT3 and INTO have types of their own; the rest of the vectors are not theirs. */
		if (ev->vector == 3 || ev->vector == 4)
			return INTR_VALID | ev->vector | EVENT_SOFT_EXCEPTION << INTR_TYPE_SHIFT;
		info &= ~(u32)(INTR_VECTOR_MASK & ~EXCEPTION_MASK);
		if (protected && (ERROR_CODE_VECTORS >> (ev->vector & EXCEPTION_MASK)) & 1)
			info |= INTR_ERROR_VALID;
		return info;
	case EVENT_NMI:
		return INTR_VALID | 2 | EVENT_NMI << INTR_TYPE_SHIFT;
	default:
		return info;
	}
}
