// SPDX-License-Identifier: GPL-2.0-only
/*
 * L2 stopped: does L0 want the exit, does L1?  The table says which rule
 * decides; here are the rules.
 */
#include "core/events.h"
#include "core/hw_ops.h"
#include "mmu/mmu.h"
#include "nsvm/exit_table.h"
#include "nsvm/nsvm.h"

#define VECTOR_DB	1
#define VECTOR_BP	3
#define VECTOR_BR	5
#define VECTOR_MC	18

/* The I/O permissions map: two bytes hold the bits of any access. */
static int ioio_wanted(struct nestor_vcpu *vcpu, u64 info1)
{
	const struct vmcb12_snapshot *snap = &nsvm_of(vcpu)->snap;
	u16 port = ioio_port(info1);
	u8 bits[2];
	int r;

	r = gmem_read(vcpu, l1_gpa((snap->ctl.iopm_base_pa & PERMMAP_ADDR) + iopm_byte(port)),
		      bits, sizeof(bits));
	if (r)
		return r == -EAGAIN ? r : true;
	return iopm_hit(bits[0] | bits[1] << 8, port, ioio_size(info1));
}

/* The MSR permissions map; what it does not cover or cannot be read exits. */
static int msr_wanted(struct nestor_vcpu *vcpu, bool write)
{
	const struct vmcb12_snapshot *snap = &nsvm_of(vcpu)->snap;
	int bit = msrpm_bit(vcpu->run->gpr[REG_RCX]);
	u8 byte;
	int r;

	if (bit < 0)
		return true;
	bit += write;
	r = gmem_read(vcpu, l1_gpa((snap->ctl.msrpm_base_pa & PERMMAP_ADDR) + bit / 8), &byte, 1);
	if (r)
		return r == -EAGAIN ? r : true;
	return !!(byte & (1u << (bit & 7)));
}

/*
 * #MC is the host's; a debugger of the VMM, or L0's own single step, comes
 * before L1.  A #DB that turns out to be L2's is queued and offered to L1 then.
 */
static bool exception_ours(struct nestor_vcpu *vcpu, u16 vector)
{
	if (vector == VECTOR_MC || (vector == VECTOR_DB && vcpu->singlestep_nmi))
		return true;
	if (vector == VECTOR_DB)
		return vcpu->guest_debug & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP);
	return vector == VECTOR_BP && (vcpu->guest_debug & KVM_GUESTDBG_USE_SW_BP);
}

/*
 * With a selective CR0 intercept in vmcb12 the CPU itself tells a write of TS
 * and MP from others, unless L0 intercepts every write for itself.
 */
static enum nested_who cr0_selective(struct nestor_vcpu *vcpu)
{
	if (!snap_icpt(&nsvm_of(vcpu)->snap, ICPT_MISC1, ICPT_CR0_SEL) ||
	    !nsvm_cr0_selective(vcpu))
		return NESTED_BY_L0;
	return nsvm_reflect(vcpu, VMEXIT_CR0_SEL_WRITE, nsvm_assist_info1(vcpu, EXIT_CR_WRITE),
			    0, true);
}

/* L2 shut down and L1 does not want to know: then it is L1's processor that does. */
static enum nested_who shutdown_l1(struct nestor_vcpu *vcpu)
{
	nsvm_leave(vcpu);
	vcpu_request(vcpu, REQ_TRIPLE_FAULT);
	return NESTED_BY_L1;
}

/* Does L1 want it?  -EAGAIN: its map is not to be had without sleeping. */
static int wanted(struct nestor_vcpu *vcpu, const struct exit_row *row)
{
	const struct guest_exit *x = &vcpu->run->exit;
	const struct nsvm *n = nsvm_of(vcpu);

	if (row->rule == RULE_L0 || row->rule == RULE_FAULT)
		return false;
	if (!exit_bit_wanted(row, x->index, &n->snap))
		return false;
	switch (row->rule) {
	case RULE_EXCEPTION:
		return !exception_ours(vcpu, x->index);
	case RULE_VINTR:
		/* With a window of L0 open the exit was about that. */
		return !vcpu->run->irq_window;
	case RULE_IOIO:
		return ioio_wanted(vcpu, x->info1);
	case RULE_MSR:
		return msr_wanted(vcpu, x->info1 & 1);
	default:
		return true;
	}
}

/* Of the exceptions those of INT3, INTO and BOUND come with nRIP (APM vol. 2, "State Saved on Exit"). */
static bool has_next_rip(const struct exit_row *row, u16 index)
{
	return row->flags & X_INSN ||
	       (row->rule == RULE_EXCEPTION && index >= VECTOR_BP && index <= VECTOR_BR);
}

static enum nested_who reflect_row(struct nestor_vcpu *vcpu, const struct exit_row *row)
{
	const struct guest_exit *x = &vcpu->run->exit;
	u64 info1 = row->flags & X_INFO1 ? x->info1 : 0;
	u64 info2 = row->flags & X_INFO2 ? x->info2 : 0;

	if (row->flags & X_ASSIST)
		info1 = nsvm_assist_info1(vcpu, x->reason);
	if (row->rule == RULE_IOIO && (info1 & IOIO_STR))
		info1 = nsvm_assist_string_io(vcpu, info1);
	return nsvm_reflect(vcpu, exit_svm_code(row, x->index), info1, info2,
			    has_next_rip(row, x->index));
}

/* An exit whose bit in vmcb12 decides and which has no more to say than its code: most of them. */
static bool is_plain(const struct exit_row *row)
{
	return row->rule == RULE_BIT &&
	       !(row->flags & (X_INDEX | X_INFO1 | X_INFO2 | X_ASSIST));
}

/* Exits about which the instruction has to be asked that L2 executed, and the end of L1's processor. */
static bool may_sleep(const struct guest_exit *x, const struct exit_row *row)
{
	if (row->rule == RULE_SHUTDOWN || row->rule == RULE_CR_WRITE)
		return true;
	if (hw_caps.decode_assists)
		return false;
	return (row->flags & X_ASSIST) || (row->rule == RULE_IOIO && (x->info1 & IOIO_STR));
}

/* All exits but the plain ones. */
static noinline enum nested_who decide_other(struct nestor_vcpu *vcpu, const struct exit_row *row)
{
	const struct guest_exit *x = &vcpu->run->exit;
	int want;

	if (unlikely(x->reason == EXIT_INVALID))
		return nsvm_refused(vcpu);
	if (vcpu->atomic && may_sleep(x, row))
		return NESTED_NOT_YET;
	want = wanted(vcpu, row);
	if (want < 0)
		return NESTED_NOT_YET;
	if (want)
		return reflect_row(vcpu, row);
	if (row->rule == RULE_CR_WRITE && x->index == 0)
		return cr0_selective(vcpu);
	if (row->rule == RULE_SHUTDOWN)
		return shutdown_l1(vcpu);
	return NESTED_BY_L0;
}

static enum nested_who decide(struct nestor_vcpu *vcpu)
{
	unsigned int reason = vcpu->run->exit.reason;
	const struct exit_row *row;

	if (reason >= NR_EXIT_REASONS)
		return NESTED_BY_L0;
	row = &nsvm_exit_table[reason];
	if (unlikely(!is_plain(row)))
		return decide_other(vcpu, row);
	if (!snap_icpt(&nsvm_of(vcpu)->snap, row->word, 1u << row->bit))
		return NESTED_BY_L0;
	return nsvm_reflect(vcpu, row->code, 0, 0, row->flags & X_INSN);
}

enum nested_who nsvm_l2_exit(struct nestor_vcpu *vcpu)
{
	enum nested_who who;

	nsvm_of(vcpu)->at_exit = true;
	who = decide(vcpu);
	nsvm_of(vcpu)->at_exit = false;
	return who;
}
