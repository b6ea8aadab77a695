/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory and L0's second-level table.  Knows no VMCS and no VMCB.
 *
 * Addresses: l1_gpa is what the VMM laid out with memory slots; a slot turns
 * it into a host virtual address of the VMM; the host's page tables into hpa.
 * Nothing is pinned: an MMU notifier zaps by host virtual address.
 */
#ifndef NESTOR_MMU_MMU_H
#define NESTOR_MMU_MMU_H

#include <linux/kvm.h>

#include "core/vcpu.h"
#include "mmu/walk.h"

/* Slot numbers are below this (KVM_CAP_NR_MEMSLOTS), in each address space. */
#define NESTOR_MAX_SLOTS	512
/* Address spaces, bits 31:16 of a slot: 0, and 1 for a processor in system-management mode */
#define NESTOR_ADDRESS_SPACES	2

/* vm->mmu; vm->mm and vm->srcu are set up; current->mm == vm->mm (registers the notifier) */
int mmu_vm_create(struct nestor_vm *vm);
/*
 * After the last reference, vCPUs still there: the host's memory management calls no more, which it
 * does to have every vCPU flush its TLB. Nothing is mapped then.
 */
void mmu_vm_stop(struct nestor_vm *vm);
/* After the last reference: no vCPU and no reader of vm->srcu is left; vm->mm still held */
void mmu_vm_destroy(struct nestor_vm *vm);

/**
 * mmu_smm() - address space 1, made when it is first asked for; ERR_PTR(-ENOMEM)
 * mmu_select() - the vCPU's memory is address space 1 (@smm) or 0 from now on; L1's
 *	root follows.  0 or -ENOMEM; leaving for 0 never fails.  vcpu->lock held
 */
struct nestor_mmu_vm *mmu_smm(struct nestor_vm *vm);
int mmu_select(struct nestor_vcpu *vcpu, bool smm);

/*
 * Memory slots and the dirty log; they take the slots lock themselves and must be
 * called without vm->srcu.  mmu_set_region() waits for readers of vm->srcu
 * after it kicked every vCPU (REQ_KICK), so the run loop drops and retakes
 * vm->srcu once a kick.
 *
 * mmu_set_region() - KVM_SET_USER_MEMORY_REGION.  -EINVAL: unknown flags, slot
 *	number, misaligned, wrapping or unreachable addresses, size 0 for a slot that
 *	is not there, another size, address or READONLY for one that is; -EEXIST: overlap;
 *	-ENOMEM.  Nothing has changed then.
 * mmu_get_dirty_log() - -EINVAL: slot number; -ENOENT: no such slot, or not logged;
 *	-EFAULT, -ENOMEM
 * mmu_clear_dirty_log() - the same, and -EINVAL for a bad range
 * mmu_set_manual_dirty() - KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 with @flags; only
 *	KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE is known, -EINVAL otherwise
 */
/** mmu_log_writes() - take in run->log_gpa of the current run; vm->srcu held, never sleeps */
void mmu_log_writes(struct nestor_vcpu *vcpu);
int mmu_set_manual_dirty(struct nestor_vm *vm, u64 flags);
int mmu_set_region(struct nestor_vm *vm, const struct kvm_userspace_memory_region *r);
int mmu_get_dirty_log(struct nestor_vm *vm, const struct kvm_dirty_log *log);
int mmu_clear_dirty_log(struct nestor_vm *vm, const struct kvm_clear_dirty_log *log);

/*
 * Access to L1's memory by copying, through the VMM's mapping; vm->srcu held,
 * sleepable, current->mm == vm->mm.  0, or -EFAULT when no slot (or no memory,
 * or a read-only slot on write) is there; nothing is half-written within a page.
 * Writes enter the dirty log.  Ranges may cross pages and slots.  Aligned quadwords into
 * or out of aligned memory are copied in one piece each, as a processor does.
 */
int gmem_read(struct nestor_vcpu *vcpu, struct l1_gpa gpa, void *data, size_t len);
int gmem_write(struct nestor_vcpu *vcpu, struct l1_gpa gpa, const void *data, size_t len);
/*
 * gmem_cmpxchg() - for accessed/dirty bits and locked instructions; len 1, 2, 4 or 8,
 * naturally aligned (else -EINVAL).  0: *new is there now.  -EAGAIN: something
 * other than *old was there, and *old tells what.  -EFAULT as gmem_write.
 */
int gmem_cmpxchg(struct nestor_vcpu *vcpu, struct l1_gpa gpa, void *old, const void *new,
		 size_t len);
/* gmem_read_atomic() - as gmem_read within one page, never sleeps; -EAGAIN when it would have to */
int gmem_read_atomic(struct nestor_vcpu *vcpu, struct l1_gpa gpa, void *data, size_t len);
int gmem_write_atomic(struct nestor_vcpu *vcpu, struct l1_gpa gpa, const void *data, size_t len);
/* gmem_mark_entry() - gmem_cmpxchg() that adds accessed or dirty flags to L1's nested tables, as its walker would */
int gmem_mark_entry(struct nestor_vcpu *vcpu, struct l1_gpa gpa, u64 old, u64 new);
/*
 * mmu_outside() - the VMM, its devices or another process may have written to L1's memory before this; any context
 */
void mmu_outside(struct nestor_vm *vm);
/* gmem_is_ram() - is there a slot at gpa? (*readonly: it cannot be written) */
bool gmem_is_ram(struct nestor_vcpu *vcpu, struct l1_gpa gpa, bool *readonly);

/*
 * gmem_hold() - the host page behind @gpa with a reference that the caller drops
 * (put_page()), or NULL without memory; sleepable, vm->srcu held.  The reference keeps the
 * page from becoming something else's; it does not keep it mapped.  Not for long.
 */
struct page *gmem_hold(struct nestor_vcpu *vcpu, struct l1_gpa gpa);
/* gmem_hold_known() - the same where it takes no sleep; NULL also where it would */
struct page *gmem_hold_known(struct nestor_vcpu *vcpu, struct l1_gpa gpa);

/* Beside ACC_* of walk.h.  Not in the error code: a supervisor access that RFLAGS.AC does not excuse from SMAP. */
#define ACC_IMPLICIT	(1u << 16)

/* What became of a second-level fault at an L1 address. */
enum mmu_result {
	MMU_MAPPED,	/* a translation is there now (or the fault was stale): enter again */
	MMU_MMIO,	/* no slot, or a write to a read-only one: emulate the instruction */
	MMU_ERROR,	/* the VMM's mapping has no memory there (-EFAULT to the VMM) */
	MMU_NOMEM,
};

/* mmu_fault() - EXIT_SECOND_LEVEL of L1, or of an L2 without nested paging; sleepable */
enum mmu_result mmu_fault(struct nestor_vcpu *vcpu, struct l1_gpa gpa, u32 access);
/* mmu_root() - root of L0's table for this VM; constant while the VM lives */
struct hpa mmu_root(struct nestor_vm *vm);

#endif
