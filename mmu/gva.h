/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Linear addresses of the current run (L1, or L2 through its own tables and, with
 * nested paging, through L1's): for the instruction emulator.
 */
#ifndef NESTOR_MMU_GVA_H
#define NESTOR_MMU_GVA_H

#include "core/vcpu.h"
#include "mmu/walk.h"

/**
 * struct gva_fault - what to raise when a translation fails
 * @error: #PF error code
 * @addr: CR2
 * @reflected: L2's nested page fault went to L1; nothing to raise, vcpu->run is L1
 */
struct gva_fault {
	u32 error;
	u64 addr;
	bool reflected;
};

/*
 * gva_to_l1() - 0, or -EFAULT with *@fault filled in.
 * @access: ACC_WRITE, ACC_USER (CPL 3), ACC_FETCH, ACC_IMPLICIT (descriptor tables,
 *	TSS: a supervisor access whatever CPL is).  Canonical form is the
 *	caller's to check.  Sets accessed and dirty bits as the CPU would.
 * vm->srcu held, sleepable.
 */
int gva_to_l1(struct nestor_vcpu *vcpu, u64 gva, u32 access, struct l1_gpa *gpa,
	      struct gva_fault *fault);
/*
 * Copies through gva_to_l1, page by page.  gva_write() translates both pages
 * before it writes to the first.  -EFAULT: *@fault.  -ENXIO: no RAM at the
 * address it leads to.
 */
int gva_read(struct nestor_vcpu *vcpu, u64 gva, void *data, size_t len, u32 access,
	     struct gva_fault *fault);
int gva_write(struct nestor_vcpu *vcpu, u64 gva, const void *data, size_t len, u32 access,
	      struct gva_fault *fault);
/*
 * guest_load_pdptes() - read and check the four PDPTEs at @cr3, as a move to CR3, a VM entry
 * and the like do for a guest with PAE paging.  Through the second level it is a
 * read of neither a table nor a final address (neither ACC_TABLE nor ACC_FINAL is told).
 * 0: @pdpte is filled in; -EINVAL: one that is present has a reserved bit set; -EFAULT: a
 * fault of the second level was reflected.  vm->srcu held, sleepable.
 */
int guest_load_pdptes(struct nestor_vcpu *vcpu, u64 cr3, u64 pdpte[4]);
/*
 * gva_code_word() - the first four bytes of the instruction at linear address @at that the CPU
 * has just executed in the current run; -1: not to be had this way, use gva_read().
 * Never sleeps.
 */
s64 gva_code_word(struct nestor_vcpu *vcpu, u64 at);
/*
 * gva_code_exited() - are the first bytes of the instruction at RIP, in 64-bit mode, @value where @mask says?  With
 * interrupts off since the run was entered (and VCPU_IN_GUEST published); waits for no lock, and finds
 * less: false says nothing.
 */
bool gva_code_exited(struct nestor_vcpu *vcpu, u32 mask, u32 value);
/* gva_code_insn() - the same for 16 bytes, which is one more than any instruction; false: not this way */
bool gva_code_insn(struct nestor_vcpu *vcpu, u64 at, u8 bytes[16]);
/*
 * gva_of_exit() - where the one access to memory of the instruction that exited for a second-level fault leads,
 * of L1 only: the CPU has translated the address, and said where to, before it faulted.  false: it was another
 * kind of access, or an address that cannot be this one.
 */
bool gva_of_exit(struct nestor_vcpu *vcpu, u64 gva, u32 access, struct l1_gpa *gpa);
/*
 * gva_read_known(), gva_write_known() - an operand of 64-bit code at CPL 0, in one page, canonical and
 * aligned or not, where the access sets no flag and raises nothing: else, or where the page is
 * not at hand, false, and use gva_read().  @data is aligned.  vm->srcu held; with
 * page faults disabled neither sleeps.
 */
bool gva_read_known(struct nestor_vcpu *vcpu, u64 at, void *data, size_t len);
bool gva_write_known(struct nestor_vcpu *vcpu, u64 at, const void *data, size_t len);
/* guest_pt_format() - format of the current run's own page tables, from CR0, CR4, EFER */
void guest_pt_format(struct guest_run *run, const struct nestor_vcpu *vcpu, struct pt_format *fmt);

#endif
