/* SPDX-License-Identifier: GPL-2.0-only */
/* The words that expressions of checks.def are made of; for checks.c alone. */
#ifndef NESTOR_NVMX_CHECKS_EXPR_H
#define NESTOR_NVMX_CHECKS_EXPR_H

/* VM entries and exits leave NW and CD as they are and do not check them. */
#define CR0_UNCHECKED		(X_CR0_NW | X_CR0_CD)

#define SEL_TI			BIT(2)
#define SEL_RPL_TI		7u

/* Access rights (SDM: "Format of Access Rights") */
#define AR_S			BIT(4)
#define AR_P			BIT(7)
#define AR_L			BIT(13)
#define AR_DB			BIT(14)
#define AR_G			BIT(15)
#define AR_RESERVED		0xfffe0f00u

#define INJECT_RESERVED		1u		/* interruption type */
#define INJECT_RESERVED_BITS	0x7ffff000u
/* IA32_VMX_BASIC: any exception may be injected with an error code or without */
#define BASIC_ANY_ERROR_CODE	BIT_ULL(56)
/* Exceptions that deliver an error code: #DF, #TS, #NP, #SS, #GP, #PF, #AC */
#define ERROR_CODE_VECTORS	0x27d00u

#define NO_LINK			(~0ull)
#define LINK_SHADOW		BIT(31)

/* A bit that the capability word wants 1 is 0; one that it wants 0 is 1. */
static inline bool lacks_1(u64 cap, u64 val)
{
	return (u32)cap & ~val;
}

static inline bool lacks_0(u64 cap, u64 val)
{
	return val & ~(cap >> 32);
}

/* Secondary controls count as 0 unless they are activated. */
static inline u32 cpu2(const struct vmcs12 *v)
{
	return v->cpu_ctls & CPU_SECONDARY ? v->cpu_ctls2 : 0;
}

static inline bool bad_address(u64 addr, u64 low, const struct nvmx_check_env *e)
{
	return addr & (low | e->rsvd_gpa_bits);
}

/* An area of 16 bytes an entry; an empty one may be anywhere. */
static inline bool bad_msr_list(u64 addr, u64 count, const struct nvmx_check_env *e)
{
	return count && (bad_address(addr, 0xf, e) || bad_address(addr + count * 16 - 1, 0, e));
}

static inline bool ept_memory_type_valid(u64 eptp, const struct nvmx_caps *caps)
{
	switch (eptp & 7) {
	case 0:
		return caps->ept_vpid & EPTCAP_UC;
	case 6:
		return caps->ept_vpid & EPTCAP_WB;
	default:
		return false;
	}
}

static inline bool ept_walk_length_valid(u64 eptp, const struct nvmx_caps *caps)
{
	switch (eptp >> 3 & 7) {
	case 3:
		return caps->ept_vpid & EPTCAP_WALK4;
	case 4:
		return caps->ept_vpid & EPTCAP_WALK5;
	default:
		return false;
	}
}

static inline bool uses_tpr_threshold(const struct vmcs12 *v)
{
	return (v->cpu_ctls & CPU_TPR_SHADOW) && !(cpu2(v) & CPU2_VID);
}

static inline bool injects(const struct vmcs12 *v)
{
	return v->entry_intr_info & INTR_INFO_VALID;
}

static inline unsigned int inject_type(const struct vmcs12 *v)
{
	return (v->entry_intr_info & INTR_INFO_TYPE) >> INTR_INFO_TYPE_SHIFT;
}

static inline unsigned int inject_vector(const struct vmcs12 *v)
{
	return v->entry_intr_info & INTR_INFO_VECTOR;
}

static inline bool unrestricted(const struct vmcs12 *v)
{
	return cpu2(v) & CPU2_UNRESTRICTED;
}

/* Real mode pushes no error codes. */
static inline bool exception_in_protected_mode(const struct vmcs12 *v)
{
	return inject_type(v) == EVENT_EXCEPTION &&
	       (!unrestricted(v) || (v->guest_cr0 & X_CR0_PE));
}

static inline bool vector_has_error(const struct vmcs12 *v)
{
	return inject_vector(v) < 32 && (ERROR_CODE_VECTORS >> inject_vector(v) & 1);
}

static inline bool may_push_error(const struct vmcs12 *v, const struct nvmx_check_env *e)
{
	return exception_in_protected_mode(v) &&
	       ((e->caps->basic & BASIC_ANY_ERROR_CODE) || vector_has_error(v));
}

static inline bool must_push_error(const struct vmcs12 *v, const struct nvmx_check_env *e)
{
	return exception_in_protected_mode(v) && !(e->caps->basic & BASIC_ANY_ERROR_CODE) &&
	       vector_has_error(v);
}

static inline bool inject_is_instruction(const struct vmcs12 *v)
{
	unsigned int type = inject_type(v);

	return type == EVENT_SOFT_INT || type == EVENT_PRIV_EXCEPTION ||
	       type == EVENT_SOFT_EXCEPTION;
}

static inline bool inject_length_valid(const struct vmcs12 *v, const struct nvmx_check_env *e)
{
	u64 len = v->entry_insn_len;

	return len <= 15 && (len || (e->caps->misc & MISC_ZERO_LEN_INJECT));
}

static inline bool canonical(u64 addr, const struct nvmx_check_env *e)
{
	return x_canonical(addr, e->va_bits);
}

/* Memory types 2 and 3 and bits 7:3 of a field are reserved. */
static inline bool pat_valid(u64 pat)
{
	/* Bit 1 without bit 2 is 2 or 3. */
	return !(pat & 0xf8f8f8f8f8f8f8f8ull) && !(pat & ~(pat >> 1) & 0x0202020202020202ull);
}

static inline bool host_is_64(const struct vmcs12 *v)
{
	return v->exit_ctls & EXIT_HOST_64;
}

static inline bool ia32e(const struct vmcs12 *v)
{
	return v->entry_ctls & ENTRY_IA32E;
}

static inline u64 guest_cr0_unchecked(const struct vmcs12 *v)
{
	return CR0_UNCHECKED | (unrestricted(v) ? X_CR0_PE | X_CR0_PG : 0);
}

static inline bool links(const struct vmcs12 *v)
{
	return v->vmcs_link_ptr != NO_LINK;
}

static inline bool v8086(const struct vmcs12 *v)
{
	return v->guest_rflags & X_RFLAGS_VM;
}

static inline bool usable(u64 ar)
{
	return !(ar & VMCS_AR_UNUSABLE);
}

static inline unsigned int ar_type(u64 ar)
{
	return ar & 0xf;
}

static inline unsigned int ar_dpl(u64 ar)
{
	return ar >> 5 & 3;
}

/* A data segment register's rights count when it is usable, outside virtual-8086 mode. */
static inline bool judged(const struct vmcs12 *v, u64 ar)
{
	return !v8086(v) && usable(ar);
}

static inline bool cs_type_valid(const struct vmcs12 *v)
{
	unsigned int type = ar_type(v->guest_cs_ar);

	return (type & 9) == 9 || (type == 3 && unrestricted(v));
}

static inline bool ss_dpl_must_be_0(const struct vmcs12 *v)
{
	return ar_type(v->guest_cs_ar) == 3 || !(v->guest_cr0 & X_CR0_PE);
}

/* With G the low 12 bits of the limit are 1, without it the high 12 are 0. */
static inline bool granularity_valid(u64 ar, u64 limit)
{
	return ar & AR_G ? (limit & 0xfff) == 0xfff : !(limit >> 20);
}

static inline bool is_64bit(const struct vmcs12 *v)
{
	return ia32e(v) && (v->guest_cs_ar & AR_L);
}

static inline bool activity_supported(u64 activity, const struct nvmx_caps *caps)
{
	switch (activity) {
	case ACTIVITY_ACTIVE:
		return true;
	case ACTIVITY_HLT:
		return caps->misc & MISC_ACTIVITY_HLT;
	case ACTIVITY_SHUTDOWN:
		return caps->misc & MISC_ACTIVITY_SHUTDOWN;
	case ACTIVITY_WAIT_FOR_SIPI:
		return caps->misc & MISC_ACTIVITY_SIPI;
	default:
		return false;
	}
}

/* An inactive processor can be woken by few events only. */
static inline bool activity_takes_event(const struct vmcs12 *v)
{
	unsigned int type = inject_type(v), vector = inject_vector(v);

	switch (v->guest_activity) {
	case ACTIVITY_ACTIVE:
		return true;
	case ACTIVITY_HLT:
		return type == EVENT_INTR || type == EVENT_NMI ||
		       (type == EVENT_EXCEPTION && (vector == 1 || vector == 18)) ||
		       (type == EVENT_OTHER && vector == 0);
	case ACTIVITY_SHUTDOWN:
		return type == EVENT_NMI || (type == EVENT_EXCEPTION && vector == 18);
	default:
		return false;
	}
}

/* States in which a pending single step has to be told as such. */
static inline bool holds_debug(const struct vmcs12 *v)
{
	return (v->guest_interruptibility & (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS)) ||
	       v->guest_activity == ACTIVITY_HLT;
}

static inline bool single_steps(const struct vmcs12 *v)
{
	return (v->guest_rflags & X_RFLAGS_TF) && !(v->guest_debugctl & X_DEBUGCTL_BTF);
}

static inline bool pae_paging(const struct vmcs12 *v)
{
	return (v->guest_cr0 & X_CR0_PG) && (v->guest_cr4 & X_CR4_PAE) && !ia32e(v);
}

/* With EPT the PDPTEs are fields; without it they are in memory at CR3. */
static inline u64 pdpte(const struct vmcs12 *v, const struct nvmx_check_env *e, unsigned int i)
{
	return cpu2(v) & CPU2_EPT ? v->f[VMCS12_guest_pdpte0 + i] : e->pdpte[i];
}

static inline bool pdpte_valid(const struct vmcs12 *v, const struct nvmx_check_env *e,
			       unsigned int i)
{
	u64 entry;

	if (!pae_paging(v))
		return true;
	entry = pdpte(v, e, i);
	return !(entry & 1) || !(entry & (0x1e6 | e->rsvd_gpa_bits));
}

#endif
