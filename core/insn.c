// SPDX-License-Identifier: GPL-2.0-only
/*
 * The instruction at RIP.  A CPU with NRIPS says where the next one is; on
 * others the bytes are fetched through the guest's own tables and decoded.
 */
#include <uapi/asm/debugreg.h>
#include <asm/processor-flags.h>

#include "core/events.h"
#include "core/guest_debug.h"
#include "core/insn.h"
#include "mmu/gva.h"
#include "mmu/mmu.h"

enum x86_mode vcpu_x86_mode(struct guest_run *run)
{
	const struct guest_seg *cs;

	if (!run_is_protected(run))
		return X86_MODE_REAL;
	if (run->rflags & X86_EFLAGS_VM)
		return X86_MODE_VM86;
	cs = run_seg(run, SEG_CS);
	if (run_is_long(run) && (cs->attrib & SEG_ATTR_L))
		return X86_MODE_64;
	return cs->attrib & SEG_ATTR_DB ? X86_MODE_32 : X86_MODE_16;
}

static __always_inline u64 linear_rip(struct guest_run *run)
{
	if (likely(run_is_64bit(run)))
		return run->rip;
	return (u32)(run_seg(run, SEG_CS)->base + run->rip);
}

/*
 * Read up to @want bytes at linear address @at: the number read; -EAGAIN when there is
 * none; -EOPNOTSUPP when there is no memory at all.  *@hole: it ends where memory does.
 */
static int fetch_bytes(struct nestor_vcpu *vcpu, u64 at, u8 *bytes, unsigned int want, bool *hole)
{
	u32 access = ACC_FETCH | (vcpu->run->cpl == 3 ? ACC_USER : 0);
	unsigned int first = min_t(unsigned int, want, PAGE_SIZE - (at & ~PAGE_MASK));
	struct gva_fault fault = {};
	int r;

	*hole = false;
	r = gva_read(vcpu, at, bytes, first, access, &fault);
	if (r) {
		/* The guest ran it a moment ago, so entering again settles it. */
		return r == -ENXIO ? -EOPNOTSUPP : -EAGAIN;
	}
	if (first == want)
		return want;
	r = gva_read(vcpu, at + first, bytes + first, want - first, access, &fault);
	if (!r)
		return want;
	*hole = r == -ENXIO;
	return fault.reflected ? -EAGAIN : (int)first;
}

static int decode_at_rip(struct nestor_vcpu *vcpu, struct x86_insn *insn, u8 *bytes,
			 unsigned int *len, bool hole)
{
	switch (x86_decode(insn, bytes, *len, vcpu_x86_mode(vcpu->run))) {
	case X86_DECODE_OK:
		return 0;
	case X86_DECODE_TOO_LONG:
		queue_gp(vcpu);
		return -EAGAIN;
	case X86_DECODE_SHORT:
		/* The page behind it is gone; the CPU's own fetch will fault. */
		return *len < MAX_INSN_LEN && !hole ? -EAGAIN : -EOPNOTSUPP;
	default:
		return -EOPNOTSUPP;
	}
}

/*
 * A device is accessed from few places again and again, and with a device in the VMM each access
 * is emulated twice.  What the same bytes say in the same mode is kept.
 */
static int decode_again(struct nestor_vcpu *vcpu, struct x86_insn *insn, const u8 bytes[16])
{
	enum x86_mode mode = vcpu_x86_mode(vcpu->run);
	struct insn_memo *memo = &vcpu->insn;
	u64 first, rest;

	memcpy(&first, bytes, sizeof(first));
	memcpy(&rest, bytes + 8, sizeof(rest));
	/* No instruction has 16 bytes. */
	rest &= GENMASK_ULL(55, 0);
	if (memo->first != first || memo->rest != rest || memo->mode != mode || !memo->insn.length) {
		memo->insn.length = 0;
		if (x86_decode(&memo->insn, bytes, MAX_INSN_LEN, mode) != X86_DECODE_OK) {
			memo->insn.length = 0;
			return -ENOENT;
		}
		memo->first = first;
		memo->rest = rest;
		memo->mode = mode;
	}
	*insn = memo->insn;
	return 0;
}

int vcpu_fetch(struct nestor_vcpu *vcpu, struct x86_insn *insn, u8 *bytes, unsigned int *len)
{
	struct guest_run *run = vcpu->run;
	u8 code[16];
	bool hole;
	int n;

	if (run->exit.insn_len == MAX_INSN_LEN) {
		memcpy(bytes, run->exit.insn, MAX_INSN_LEN);
		*len = MAX_INSN_LEN;
		return decode_at_rip(vcpu, insn, bytes, len, false);
	}
	if (gva_code_insn(vcpu, linear_rip(run), code) && !decode_again(vcpu, insn, code)) {
		memcpy(bytes, code, MAX_INSN_LEN);
		*len = MAX_INSN_LEN;
		return 0;
	}
	n = fetch_bytes(vcpu, linear_rip(run), bytes, MAX_INSN_LEN, &hole);
	if (n < 0)
		return n;
	*len = n;
	return decode_at_rip(vcpu, insn, bytes, len, hole);
}

const struct plain_form plain_forms[NR_EXIT_REASONS] = {
	[EXIT_RDTSC] = { 0xffff, 0x310f, 2 },
	[EXIT_RDPMC] = { 0xffff, 0x330f, 2 },
	[EXIT_CPUID] = { 0xffff, 0xa20f, 2 },
	[EXIT_INVD] = { 0xffff, 0x080f, 2 },
	[EXIT_PAUSE] = { 0xffff, 0x90f3, 2 },
	[EXIT_HLT] = { 0xff, 0xf4, 1 },
	[EXIT_INVLPGA] = { 0xffffff, 0xdf010f, 3 },
	[EXIT_MSR] = { 0xfdff, 0x300f, 2 },	/* WRMSR and RDMSR */
	[EXIT_VMRUN] = { 0xffffff, 0xd8010f, 3 },
	[EXIT_VMMCALL] = { 0xffffff, 0xd9010f, 3 },
	[EXIT_VMLOAD] = { 0xffffff, 0xda010f, 3 },
	[EXIT_VMSAVE] = { 0xffffff, 0xdb010f, 3 },
	[EXIT_STGI] = { 0xffffff, 0xdc010f, 3 },
	[EXIT_CLGI] = { 0xffffff, 0xdd010f, 3 },
	[EXIT_RDTSCP] = { 0xffffff, 0xf9010f, 3 },
	[EXIT_WBINVD] = { 0xffff, 0x090f, 2 },
	[EXIT_MONITOR] = { 0xffffff, 0xc8010f, 3 },
	[EXIT_MWAIT] = { 0xffffff, 0xc9010f, 3 },
	[EXIT_XSETBV] = { 0xffffff, 0xd1010f, 3 },
};

static __always_inline unsigned int plain_len(struct nestor_vcpu *vcpu)
{
	unsigned int reason = vcpu->run->exit.reason;
	const struct plain_form *f;
	s64 word;

	if (reason >= NR_EXIT_REASONS)
		return 0;
	f = &plain_forms[reason];
	if (!f->len)
		return 0;
	/* -1 has the bytes of no form. */
	word = gva_code_word(vcpu, linear_rip(vcpu->run));
	return ((u32)word & f->mask) == f->value ? f->len : 0;
}

static noinline int decoded_len(struct nestor_vcpu *vcpu)
{
	u8 bytes[MAX_INSN_LEN];
	struct x86_insn insn;
	unsigned int len;
	int r = vcpu_fetch(vcpu, &insn, bytes, &len);

	return r ? r : insn.length;
}

int vcpu_insn_len_slow(struct nestor_vcpu *vcpu)
{
	unsigned int len = plain_len(vcpu);

	if (len)
		return len;
	return vcpu->atomic ? -EBUSY : decoded_len(vcpu);
}

void vcpu_advance(struct nestor_vcpu *vcpu, unsigned int len)
{
	struct guest_run *run = vcpu->run;

	run->rip = rip_behind(run, len);
	run->int_shadow = false;
	run->rflags &= ~X86_EFLAGS_RF;
	if (unlikely((run->rflags & X86_EFLAGS_TF) || vcpu->guest_debug))
		insn_retired(vcpu, false);
}

enum run_action emulation_error(struct nestor_vcpu *vcpu)
{
	struct kvm_run *kr = vcpu->kvm_run;
	u8 bytes[MAX_INSN_LEN] = {};
	struct x86_insn insn;
	unsigned int len = 0;

	vcpu_fetch(vcpu, &insn, bytes, &len);
	memset(&kr->emulation_failure, 0, sizeof(kr->emulation_failure));
	kr->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	kr->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	kr->emulation_failure.ndata = 3;
	kr->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	kr->emulation_failure.insn_size = len;
	memcpy(kr->emulation_failure.insn_bytes, bytes, sizeof(bytes));
	return EXIT_USER;
}

enum run_action insn_failed(struct nestor_vcpu *vcpu, int err)
{
	if (err == -EBUSY)
		return HANDLE_LATER;
	return err == -EAGAIN ? RESUME_GUEST : emulation_error(vcpu);
}
