/* SPDX-License-Identifier: GPL-2.0-only */
/* The VT-x library of the image: capabilities, VMCS, EPT, L2 guests. */
#ifndef L1_VMX_VMX_H
#define L1_VMX_VMX_H

#include "l1.h"
#include "vmx/vmcs.h"

/* ---- features a test may need: cap.c ---- */

/* Bits of cpu_features that the vendor may use: 0..31 and 41..63. */
enum {
	N_SECONDARY, N_EPT, N_VPID, N_UG, N_MSRBMP, N_IOBMP, N_TPR, N_APICACC, N_X2APIC, N_APICREG,
	N_VINTR, N_POSTED, N_TIMER, N_SAVETIMER, N_PML, N_SHADOW, N_VMFUNC, N_PLE, N_WBINVD, N_DESC,
	N_XRDTSCP, N_INVPCID, N_RDRAND, N_RDSEED, N_XSAVES, N_TSCSCALE, N_MTF, N_VNMI, N_EPTAD,
	N_EPT1G, N_EPT2M, N_EXECONLY, N_NMI = 41, N_INVEPT1, N_INVEPTALL, N_INVVPID, N_ACKINTR,
	N_PAT, N_EFER, N_PERF, N_HLT, N_SHUTDOWN, N_SIPI, N_WRITERO, N_LEN0, N_TRUE, N_EPTUC,
	N_ADVINFO, N_NMIWIN, N_CR3, N_X2MODE, N_TSCOFF, N_PKU,
};
#define VF_SECONDARY	BIT(N_SECONDARY)
#define VF_EPT		BIT(N_EPT)
#define VF_VPID		BIT(N_VPID)
#define VF_UG		BIT(N_UG)
#define VF_MSRBMP	BIT(N_MSRBMP)
#define VF_IOBMP	BIT(N_IOBMP)
#define VF_TPR		BIT(N_TPR)
#define VF_APICACC	BIT(N_APICACC)
#define VF_X2APIC	BIT(N_X2APIC)
#define VF_APICREG	BIT(N_APICREG)
#define VF_VINTR	BIT(N_VINTR)
#define VF_POSTED	BIT(N_POSTED)
#define VF_TIMER	BIT(N_TIMER)
#define VF_SAVETIMER	BIT(N_SAVETIMER)
#define VF_PML		BIT(N_PML)
#define VF_SHADOW	BIT(N_SHADOW)
#define VF_VMFUNC	BIT(N_VMFUNC)
#define VF_PLE		BIT(N_PLE)
#define VF_WBINVD	BIT(N_WBINVD)
#define VF_DESC		BIT(N_DESC)
#define VF_RDTSCP	BIT(N_XRDTSCP)
#define VF_INVPCID	BIT(N_INVPCID)
#define VF_RDRAND	BIT(N_RDRAND)
#define VF_RDSEED	BIT(N_RDSEED)
#define VF_XSAVES	BIT(N_XSAVES)
#define VF_TSCSCALE	BIT(N_TSCSCALE)
#define VF_MTF		BIT(N_MTF)
#define VF_VNMI		BIT(N_VNMI)
#define VF_EPTAD	BIT(N_EPTAD)
#define VF_EPT1G	BIT(N_EPT1G)
#define VF_EPT2M	BIT(N_EPT2M)
#define VF_EXECONLY	BIT(N_EXECONLY)
#define VF_NMI		BIT(N_NMI)
#define VF_INVEPT1	BIT(N_INVEPT1)
#define VF_INVEPTALL	BIT(N_INVEPTALL)
#define VF_INVVPID	BIT(N_INVVPID)
#define VF_ACKINTR	BIT(N_ACKINTR)
#define VF_PAT		BIT(N_PAT)
#define VF_EFER		BIT(N_EFER)
#define VF_PERF		BIT(N_PERF)
#define VF_HLT		BIT(N_HLT)
#define VF_SHUTDOWN	BIT(N_SHUTDOWN)
#define VF_SIPI		BIT(N_SIPI)
#define VF_WRITERO	BIT(N_WRITERO)
#define VF_LEN0		BIT(N_LEN0)
#define VF_TRUE		BIT(N_TRUE)
#define VF_EPTUC	BIT(N_EPTUC)
#define VF_ADVINFO	BIT(N_ADVINFO)
#define VF_NMIWIN	BIT(N_NMIWIN)
#define VF_CR3		BIT(N_CR3)
#define VF_X2MODE	BIT(N_X2MODE)
#define VF_TSCOFF	BIT(N_TSCOFF)

/* Allowed-0 settings in the low half, allowed-1 in the high half */
struct vmx_caps {
	u64 basic, pin, proc, proc2, exit, entry, misc;
	u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	u64 vmcs_enum, ept_vpid, vmfunc, proc3;
};
extern struct vmx_caps caps;

void caps_read(void);
const char *caps_feature_name(u64 lacking);
/* The capability of a control field (CTRL_PIN...), and whether it may have these bits. */
u64 caps_of(u32 field);
bool caps_may_set(u32 field, u64 bits);
bool caps_may_clear(u32 field, u64 bits);
/* Whether the manual says that this CPU has the field; -1: the image does not know. */
int field_exists(u32 field);
const char *field_name(u32 field);

/* ---- the instructions ---- */

enum vm_status { VM_OK, VM_FAIL_INVALID, VM_FAIL_VALID, VM_FLAGS_WRONG };

/* All arithmetic flags are set before; the three outcomes define each of them. */
static inline enum vm_status vm_status(u64 flags)
{
	switch (flags & FL_ARITH) {
	case 0:
		return VM_OK;
	case FL_CF:
		return VM_FAIL_INVALID;
	case FL_ZF:
		return VM_FAIL_VALID;
	}
	return VM_FLAGS_WRONG;
}

#define VM_ASM(insn, ...)						\
	__asm__ volatile("pushq %[ones]; popfq; " insn "; pushfq; popq %[fl]" \
			 : [fl] "=&r"(fl_) : [ones] "i"(FL_ARITH | 2), ##__VA_ARGS__ \
			 : "cc", "memory")

static inline enum vm_status vmxon(const u64 *pa)
{
	u64 fl_;

	VM_ASM("vmxon %[p]", [p] "m"(*pa));
	return vm_status(fl_);
}
static inline enum vm_status vmxoff(void)
{
	u64 fl_;

	VM_ASM("vmxoff");
	return vm_status(fl_);
}
static inline enum vm_status vmclear(const u64 *pa)
{
	u64 fl_;

	VM_ASM("vmclear %[p]", [p] "m"(*pa));
	return vm_status(fl_);
}
static inline enum vm_status vmptrld(const u64 *pa)
{
	u64 fl_;

	VM_ASM("vmptrld %[p]", [p] "m"(*pa));
	return vm_status(fl_);
}
static inline enum vm_status vmptrst(u64 *pa)
{
	u64 fl_;

	VM_ASM("vmptrst (%[p])", [p] "r"(pa));
	return vm_status(fl_);
}
static inline enum vm_status vmread_s(u64 field, u64 *v)
{
	u64 fl_, v_ = *v;

	__asm__ volatile("pushq %[ones]; popfq; vmread %[f],%[v]; pushfq; popq %[fl]"
			 : [fl] "=&r"(fl_), [v] "+&r"(v_) : [ones] "i"(FL_ARITH | 2), [f] "r"(field)
			 : "cc", "memory");
	*v = v_;
	return vm_status(fl_);
}
static inline enum vm_status vmwrite_s(u64 field, u64 v)
{
	u64 fl_;

	VM_ASM("vmwrite %[v],%[f]", [f] "r"(field), [v] "r"(v));
	return vm_status(fl_);
}
struct inv_desc { u64 w[2]; };
static inline enum vm_status invept(u64 type, const struct inv_desc *d)
{
	u64 fl_;

	VM_ASM("invept %[d],%[t]", [d] "m"(*d), [t] "r"(type));
	return vm_status(fl_);
}
static inline enum vm_status invvpid(u64 type, const struct inv_desc *d)
{
	u64 fl_;

	VM_ASM("invvpid %[d],%[t]", [d] "m"(*d), [t] "r"(type));
	return vm_status(fl_);
}

/* On the current VMCS; the test fails when the instruction does. */
u64 vr(u32 field);
void vw(u32 field, u64 v);
static inline void vw_set(u32 field, u64 bits) { vw(field, vr(field) | bits); }
static inline void vw_clear(u32 field, u64 bits) { vw(field, vr(field) & ~bits); }

/* ---- VMX operation: on.c ---- */

/* A page with the revision identifier; a VMCS is cleared and known to the clean-up. */
u64 vmcs_new(void);
/* VMCLEAR it and give its place among the known ones back; it is the last one made. */
void vmcs_drop(u64 pa);
void vmcs_forget_all(void);
/* The same for smp_each(): a test cleans up after its own CPU only. */
void vmcs_forget_here(void *arg);
bool vmx_on(void);
void vmx_off(void);
bool vmx_is_on(void);
void nmi_unblock(void);
/* VMREAD of the error number, after VMfailValid. */
u32 insn_error(void);

/* ---- EPT: ept.c ---- */

/* Identity map of the first 4 GiB, 2M leaves if the CPU has them. */
u64 *ept_new(void);
u64 *ept_default(void);
u64 eptp_of(u64 *root);
/* The entry of that level for gpa, tables built as needed. */
u64 *ept_entry(u64 *root, u64 gpa, int level);
void ept_flush(u64 *root);

/* ---- L2: l2.c, run.S ---- */

/* Layout known to run.S */
struct vl2 {
	u64 rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
	u64 launched;
	u64 flags;	/* after VMLAUNCH or VMRESUME if it failed, else 0 */
	u64 vmcs;	/* physical address */
	u32 reason;	/* all 32 bits; R_NONE when there was no entry */
	u32 error;	/* VM-instruction error then, 0 after VMfailInvalid */
	u8 *stack;
	u64 *ept;
};

void vmx_run_asm(struct vl2 *l2);
extern const char vmx_host_rip[];

/* A fresh 64-bit L2 about to call fn(arg); its VMCS is current. */
void vl2_init(struct vl2 *l2, void (*fn)(void *arg), void *arg);
void vl2_init_at(struct vl2 *l2, const void *code);
void vl2_run(struct vl2 *l2);
/* Run; the test fails unless the exit reason (or VM-instruction error) is this one. */
bool vl2_expect(struct vl2 *l2, u32 reason);
bool vl2_expect_error(struct vl2 *l2, u32 error);
/* Also: exit at the code label, with that length, and go on behind it. */
bool vl2_expect_skip(struct vl2 *l2, u32 reason, u32 len);
bool vl2_expect_done(struct vl2 *l2);
bool vl2_expect_trap(struct vl2 *l2, u64 vec, struct l2_frame *fr);
void vl2_trap_return(struct vl2 *l2);
void vl2_set_user(struct vl2 *l2);
/* Say what the exit was, for a test that failed. */
void vl2_tell(struct vl2 *l2);

enum { S_ES, S_CS, S_SS, S_DS, S_FS, S_GS, S_LDTR, S_TR };
#define AR_UNUSABLE	BIT(16)
void vl2_seg(int seg, u16 sel, u32 ar, u32 limit, u64 base);

/* Controls in the current VMCS; bits that the CPU does not let change stay. */
void ctl_set(u32 field, u64 bits);
void ctl_clear(u32 field, u64 bits);

/* A piece of L2 code at the C label `name`, ended by VMCALL at name_end. */
#define VL2_ASM(name, text)						\
	__asm__(".pushsection .text\n.balign 16\n"			\
		".globl " #name "\n" #name ":\n" text "\n"		\
		".globl " #name "_end\n" #name "_end:\n\tvmcall\n"	\
		".popsection\n");					\
	extern const char name[], name##_end[]

#endif
