// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_X86_SET_MSR_FILTER and KVM_CAP_X86_USER_SPACE_MSR: MSRs that the guest must not touch,
 * and accesses that the VMM answers instead of a #GP.  Both are about instructions of the guest;
 * the VMM's own KVM_GET_MSRS and KVM_SET_MSRS see all.
 *
 * MSRs of x2APIC are the local APIC's and cannot be filtered, as <linux/kvm.h> has it.
 */
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "core/events.h"
#include "core/insn.h"
#include "core/msr.h"
#include "core/msr_filter.h"

#define RANGE_FLAGS	(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)
/* Bytes of a bitmap at most, as <linux/kvm.h> has it. */
#define MAX_BITMAP	0x600

struct msr_range {
	u32 flags, base, nr;
	unsigned long *bitmap;
};

/**
 * struct msr_filter - a filter as it is in force; never changed
 * @deny: what no range speaks of is refused
 * @nr: ranges
 * @range: the first that holds the MSR, for this kind of access, decides
 */
struct msr_filter {
	bool deny;
	u32 nr;
	struct msr_range range[KVM_MSR_FILTER_MAX_RANGES];
};

static void filter_free(struct msr_filter *f)
{
	u32 i;

	for (i = 0; f && i < f->nr; i++)
		kfree(f->range[i].bitmap);
	kfree(f);
}

static int take_range(struct msr_filter *f, const struct kvm_msr_filter_range *in)
{
	struct msr_range *r = &f->range[f->nr];
	size_t bytes;

	if (!in->nmsrs)
		return 0;
	if (!in->flags || (in->flags & ~RANGE_FLAGS))
		return -EINVAL;
	bytes = BITS_TO_LONGS(in->nmsrs) * sizeof(long);
	if (bytes > MAX_BITMAP || in->base + in->nmsrs - 1 < in->base)
		return -EINVAL;
	r->bitmap = memdup_user((void __user *)in->bitmap, bytes);
	if (IS_ERR(r->bitmap))
		return PTR_ERR(r->bitmap);
	r->flags = in->flags;
	r->base = in->base;
	r->nr = in->nmsrs;
	f->nr++;
	return 0;
}

static struct msr_filter *filter_make(const struct kvm_msr_filter *in)
{
	struct msr_filter *f;
	int i, ret = 0;

	f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	if (!f)
		return ERR_PTR(-ENOMEM);
	f->deny = in->flags & KVM_MSR_FILTER_DEFAULT_DENY;
	for (i = 0; !ret && i < KVM_MSR_FILTER_MAX_RANGES; i++)
		ret = take_range(f, &in->ranges[i]);
	/* To refuse all is to have a range that says so. */
	if (!ret && f->deny && !f->nr)
		ret = -EINVAL;
	if (!ret)
		return f;
	filter_free(f);
	return ERR_PTR(ret);
}

int msr_filter_set(struct nestor_vm *vm, const struct kvm_msr_filter *in)
{
	struct msr_filter *f, *old;

	if (in->flags & ~KVM_MSR_FILTER_DEFAULT_DENY)
		return -EINVAL;
	f = filter_make(in);
	if (IS_ERR(f))
		return PTR_ERR(f);
	mutex_lock(&vm->lock);
	old = rcu_replace_pointer(vm->msr_filter, f, lockdep_is_held(&vm->lock));
	mutex_unlock(&vm->lock);
	/* Every processor leaves the guest and looks before it enters again. */
	vm_request_all(vm, REQ_MSR_FILTER, true);
	vm_wait_readers(vm);
	filter_free(old);
	return 0;
}

void msr_filter_free(struct nestor_vm *vm)
{
	filter_free(rcu_dereference_protected(vm->msr_filter, true));
}

bool msr_filter_allows(struct nestor_vcpu *vcpu, u32 index, bool write)
{
	u32 kind = write ? KVM_MSR_FILTER_WRITE : KVM_MSR_FILTER_READ, i;
	const struct msr_filter *f = srcu_dereference(vcpu->vm->msr_filter, &vcpu->vm->srcu);

	if (likely(!f) || (index >= 0x800 && index <= 0x8ff))
		return true;
	for (i = 0; i < f->nr; i++) {
		const struct msr_range *r = &f->range[i];

		if (index >= r->base && index - r->base < r->nr && (r->flags & kind))
			return test_bit(index - r->base, r->bitmap);
	}
	return !f->deny;
}

/* For L2 what passed is looked up again when it exits; a frontend starts from L1's masks. */
void msr_filter_apply(struct nestor_vcpu *vcpu)
{
	struct guest_run *l1 = &vcpu->l1, *run = vcpu->run;
	u32 rd = PASS_BASE, wr = PASS_BASE;
	int i;

	for (i = 0; i < NR_PASS_MSR; i++) {
		if (!msr_filter_allows(vcpu, pass_msr_index[i], false))
			rd &= ~BIT(i);
		if (!msr_filter_allows(vcpu, pass_msr_index[i], true))
			wr &= ~BIT(i);
	}
	l1->msr_read_pass = rd;
	l1->msr_write_pass = wr;
	l1->ctl_dirty |= CTL_MSR;
	if (run == l1)
		return;
	run->msr_read_pass &= rd;
	run->msr_write_pass &= wr;
	run->ctl_dirty |= CTL_MSR;
}

/* The VMM has answered, or not: its page is read once. */
static enum run_action finish_msr(struct nestor_vcpu *vcpu)
{
	struct kvm_run *kr = vcpu->kvm_run;
	bool error = READ_ONCE(kr->msr.error);
	u64 val = READ_ONCE(kr->msr.data);
	int len = vcpu_insn_len(vcpu);

	vcpu->completion.finish = NULL;
	if (len < 0)
		return insn_failed(vcpu, len);
	if (error) {
		queue_gp(vcpu);
		return RESUME_GUEST;
	}
	if (!vcpu->run->exit.info1) {
		vcpu->run->gpr[REG_RAX] = (u32)val;
		vcpu->run->gpr[REG_RDX] = val >> 32;
	}
	vcpu_advance(vcpu, len);
	return RESUME_GUEST;
}

bool msr_user_exit(struct nestor_vcpu *vcpu, u32 index, bool write, u64 val, u32 reason)
{
	struct kvm_run *kr = vcpu->kvm_run;

	if (likely(!(READ_ONCE(vcpu->vm->msr_exits) & reason)))
		return false;
	kr->exit_reason = write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR;
	kr->msr.error = 0;
	memset(kr->msr.pad, 0, sizeof(kr->msr.pad));
	kr->msr.reason = reason;
	kr->msr.index = index;
	kr->msr.data = write ? val : 0;
	vcpu->completion.finish = finish_msr;
	return true;
}
