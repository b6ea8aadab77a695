// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory slots: which of the VMM's addresses back L1's physical memory.
 *
 * The set of slots is an array sorted by guest frame, replaced as a whole.
 * A writer builds the successor, and under mmu->lock publishes it, removes what
 * the old slot had mapped and flushes every TLB; a fault that looked up the
 * old set sees under the same lock that it is stale.  Then it waits for
 * readers of the old set, so that after the ioctl nobody touches the VMM's old
 * mapping any more.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mmu/mmu_int.h"
#include "mmu/table.h"

const struct mem_slot *slot_find(const struct slot_set *set, u64 gfn)
{
	unsigned int lo = 0, hi = set->nr;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;
		const struct mem_slot *s = &set->slot[mid];

		if (gfn < s->base)
			hi = mid;
		else if (gfn - s->base >= s->npages)
			lo = mid + 1;
		else
			return s;
	}
	return NULL;
}

const struct mem_slot *slot_by_id(const struct slot_set *set, u32 id)
{
	unsigned int i;

	for (i = 0; i < set->nr; i++)
		if (set->slot[i].id == id)
			return &set->slot[i];
	return NULL;
}

unsigned long slot_hva(const struct mem_slot *slot, u64 gfn)
{
	/* The frame is the guest's: do not let it index past the slot speculatively. */
	u64 off = array_index_nospec(gfn - slot->base, slot->npages);

	return slot->hva + (off << PAGE_SHIFT);
}

/* What is wrong with the request by itself, without looking at other slots. */
static int check_region(const struct kvm_userspace_memory_region *r)
{
	if (r->slot >> 16 >= NESTOR_ADDRESS_SPACES || (r->slot & 0xffff) >= NESTOR_MAX_SLOTS)
		return -EINVAL;
	if (r->flags & ~(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY))
		return -EINVAL;
	if ((r->memory_size | r->guest_phys_addr | r->userspace_addr) & ~PAGE_MASK)
		return -EINVAL;
	if (r->memory_size >> PAGE_SHIFT > MAX_SLOT_PAGES)
		return -EINVAL;
	if (r->guest_phys_addr + r->memory_size < r->guest_phys_addr)
		return -EINVAL;
	if ((r->guest_phys_addr + r->memory_size) >> PAGE_SHIFT > MAX_GFN)
		return -EINVAL;
	if (!access_ok((void __user *)(unsigned long)r->userspace_addr, r->memory_size))
		return -EINVAL;
	return 0;
}

/* Only the place and the dirty log of an existing slot may change. */
static int check_change(const struct mem_slot *old, const struct mem_slot *new)
{
	if (old->npages != new->npages || old->hva != new->hva)
		return -EINVAL;
	if ((old->flags ^ new->flags) & KVM_MEM_READONLY)
		return -EINVAL;
	return 0;
}

static int check_overlap(const struct slot_set *set, const struct mem_slot *new)
{
	unsigned int i;

	for (i = 0; i < set->nr; i++) {
		const struct mem_slot *s = &set->slot[i];

		if (s->id != new->id && s->base < new->base + new->npages &&
		    new->base < s->base + s->npages)
			return -EEXIST;
	}
	return 0;
}

/* The successor of @old: without slot @id, and with @add unless that is NULL. */
static struct slot_set *set_build(const struct slot_set *old, u32 id, const struct mem_slot *add)
{
	struct slot_set *set;
	unsigned int i;

	set = kvzalloc(struct_size(set, slot, old->nr + 1), GFP_KERNEL_ACCOUNT);
	if (!set)
		return NULL;
	for (i = 0; i < old->nr; i++) {
		const struct mem_slot *s = &old->slot[i];

		if (s->id == id)
			continue;
		if (add && add->base < s->base) {
			set->slot[set->nr++] = *add;
			add = NULL;
		}
		set->slot[set->nr++] = *s;
	}
	if (add)
		set->slot[set->nr++] = *add;
	return set;
}

/* Publish @set; @zap and @protect name what the tables have to give up, or are NULL. */
static void set_publish(struct nestor_mmu_vm *mmu, struct slot_set *set,
			const struct mem_slot *zap, const struct mem_slot *protect)
{
	struct slot_set *old = slots_get(mmu);
	bool flush = false;
	LIST_HEAD(gone);

	lockdep_assert_held(&mmu->slots_lock);
	set->seq = old->seq + 1;
	spin_lock(&mmu->lock);
	rcu_assign_pointer(mmu->slots, set);
	if (zap)
		flush = zap_gfns(mmu, zap->base, zap->base + zap->npages, &gone);
	if (protect)
		flush |= protect_gfns(mmu, protect->base, protect->base + protect->npages);
	if (flush)
		vm_flush_tlbs(mmu->vm);
	spin_unlock(&mmu->lock);
	table_free_gone(&gone);

	vm_wait_readers(mmu->vm);
	kvfree(old);
}

static int slot_delete(struct nestor_mmu_vm *mmu, struct mem_slot old)
{
	struct slot_set *set = set_build(slots_get(mmu), old.id, NULL);

	if (!set)
		return -ENOMEM;
	set_publish(mmu, set, &old, NULL);
	kvfree(old.dirty);
	return 0;
}

static int slot_create(struct nestor_mmu_vm *mmu, struct mem_slot *new)
{
	struct slot_set *set;
	int err;

	err = check_overlap(slots_get(mmu), new);
	if (err)
		return err;
	if (new->flags & KVM_MEM_LOG_DIRTY_PAGES) {
		new->dirty = dirty_alloc(new->npages);
		if (!new->dirty)
			return -ENOMEM;
		mmu_log_start(mmu->vm);
	}
	set = set_build(slots_get(mmu), new->id, new);
	if (!set) {
		kvfree(new->dirty);
		return -ENOMEM;
	}
	/* Nothing was mapped there: no slot, no leaf. */
	set_publish(mmu, set, NULL, NULL);
	return 0;
}

static int slot_change(struct nestor_mmu_vm *mmu, struct mem_slot old, struct mem_slot *new)
{
	bool log = new->flags & KVM_MEM_LOG_DIRTY_PAGES;
	bool moved = old.base != new->base;
	struct slot_set *set;
	int err;

	err = check_change(&old, new);
	if (!err)
		err = check_overlap(slots_get(mmu), new);
	if (err)
		return err;
	if (!moved && old.flags == new->flags)
		return 0;

	new->dirty = log ? old.dirty : NULL;
	if (log && !new->dirty) {
		new->dirty = dirty_alloc(new->npages);
		if (!new->dirty)
			return -ENOMEM;
		mmu_log_start(mmu->vm);
	}
	set = set_build(slots_get(mmu), new->id, new);
	if (!set) {
		if (new->dirty != old.dirty)
			kvfree(new->dirty);
		return -ENOMEM;
	}
	/* When logging ends, let the small leaves go so that large ones come back. */
	set_publish(mmu, set, moved || !log ? &old : NULL, log && !old.dirty ? new : NULL);
	if (old.dirty != new->dirty)
		kvfree(old.dirty);
	return 0;
}

int mmu_set_region(struct nestor_vm *vm, const struct kvm_userspace_memory_region *r)
{
	struct nestor_mmu_vm *mmu;
	const struct mem_slot *old;
	struct mem_slot new = {
		.base = r->guest_phys_addr >> PAGE_SHIFT,
		.npages = r->memory_size >> PAGE_SHIFT,
		.hva = r->userspace_addr,
		.flags = r->flags,
		.id = r->slot & 0xffff,
	};
	int err;

	err = check_region(r);
	if (err)
		return err;
	mmu = r->slot >> 16 ? mmu_smm(vm) : vm->mmu;
	if (IS_ERR(mmu))
		return PTR_ERR(mmu);
	mutex_lock(&mmu->slots_lock);
	old = slot_by_id(slots_get(mmu), new.id);
	if (!new.npages)
		err = old ? slot_delete(mmu, *old) : -EINVAL;
	else if (old)
		err = slot_change(mmu, *old, &new);
	else
		err = slot_create(mmu, &new);
	mutex_unlock(&mmu->slots_lock);
	return err;
}

bool gmem_is_ram(struct nestor_vcpu *vcpu, struct l1_gpa gpa, bool *readonly)
{
	const struct mem_slot *slot = slot_find(slots_get(vcpu->mem), gpa.a >> PAGE_SHIFT);

	if (slot && readonly)
		*readonly = !slot_writable(slot);
	return slot;
}

static struct hpa root_of(const struct nestor_mmu_vm *mmu)
{
	return hpa(__sme_set(__pa(mmu->root)));
}

struct hpa mmu_root(struct nestor_vm *vm)
{
	return root_of(vm->mmu);
}

static void mmu_free(struct nestor_mmu_vm *mmu)
{
	struct slot_set *set;
	unsigned int i;

	if (!mmu)
		return;
	notifier_unregister(mmu);
	/* The last reference is gone: there are no readers. */
	set = rcu_dereference_protected(mmu->slots, true);
	for (i = 0; set && i < set->nr; i++)
		kvfree(set->slot[i].dirty);
	kvfree(set);
	table_destroy(mmu);
	kvfree(mmu->rmap);
	watch_free(mmu);
	kfree(mmu);
}

static struct nestor_mmu_vm *mmu_new(struct nestor_vm *vm)
{
	struct nestor_mmu_vm *mmu;
	struct slot_set *set;
	int err = -ENOMEM;

	mmu = kzalloc(sizeof(*mmu), GFP_KERNEL_ACCOUNT);
	if (!mmu)
		return ERR_PTR(-ENOMEM);
	mmu->vm = vm;
	mutex_init(&mmu->slots_lock);
	mutex_init(&mmu->smm_lock);
	spin_lock_init(&mmu->lock);
	INIT_LIST_HEAD(&mmu->shadow_tables);
	set = kvzalloc(struct_size(set, slot, 0), GFP_KERNEL_ACCOUNT);
	RCU_INIT_POINTER(mmu->slots, set);
	if (set)
		err = table_init(mmu);
	if (!err)
		err = notifier_register(mmu);
	if (err) {
		mmu_free(mmu);
		return ERR_PTR(err);
	}
	return mmu;
}

struct nestor_mmu_vm *mmu_smm(struct nestor_vm *vm)
{
	struct nestor_mmu_vm *mmu = smp_load_acquire(&vm->mmu_smm);

	if (mmu)
		return mmu;
	/* A vCPU comes here with vm->srcu held, whose readers the holder of slots_lock waits for. */
	mutex_lock(&vm->mmu->smm_lock);
	mmu = vm->mmu_smm;
	if (!mmu) {
		mmu = mmu_new(vm);
		/* Pairs with the load above: who sees it sees it whole. */
		if (!IS_ERR(mmu))
			smp_store_release(&vm->mmu_smm, mmu);
	}
	mutex_unlock(&vm->mmu->smm_lock);
	return mmu;
}

int mmu_select(struct nestor_vcpu *vcpu, bool smm)
{
	struct nestor_mmu_vm *mmu = smm ? mmu_smm(vcpu->vm) : vcpu->vm->mmu;

	if (IS_ERR(mmu))
		return PTR_ERR(mmu);
	if (vcpu->mem == mmu)
		return 0;
	/* What it writes there is memory of the other space as well, as a rule. */
	if (smm) {
		atomic_inc(&vcpu->vm->mmu->nr_outside);
	} else {
		mmu_outside(vcpu->vm);
		atomic_dec(&vcpu->vm->mmu->nr_outside);
	}
	vcpu->mem = mmu;
	vcpu->l1.root = root_of(mmu);
	vcpu->l1.ctl_dirty |= CTL_ROOT;
	return 0;
}

void mmu_outside(struct nestor_vm *vm)
{
	atomic64_inc(&vm->mmu->outside_seq);
}

int mmu_vm_create(struct nestor_vm *vm)
{
	struct nestor_mmu_vm *mmu = mmu_new(vm);

	if (IS_ERR(mmu))
		return PTR_ERR(mmu);
	vm->mmu = mmu;
	return 0;
}

void mmu_vm_stop(struct nestor_vm *vm)
{
	if (vm->mmu_smm)
		notifier_unregister(vm->mmu_smm);
	notifier_unregister(vm->mmu);
}

void mmu_vm_destroy(struct nestor_vm *vm)
{
	mmu_free(vm->mmu_smm);
	mmu_free(vm->mmu);
	vm->mmu_smm = NULL;
	vm->mmu = NULL;
}
