/* SPDX-License-Identifier: GPL-2.0-only */
/* L1 in 32-bit mode with PAE paging: pae.S and test_pae.c. */
#ifndef L1_VMX_PAE_H
#define L1_VMX_PAE_H

/* How far pae_run() came */
#define PAE_EXIT	1	/* L2 ran, and its exit came to pae_host */
#define PAE_NO_VMXON	2
#define PAE_NO_VMPTRLD	3
#define PAE_NO_ENTRY	4

#ifndef __ASSEMBLER__
#include "vmx/vmx.h"

/* Layout known to pae.S */
struct pae {
	u64 vmxon, vmcs;	/* physical addresses, for the operands */
	u32 cr3;		/* of L1 while it is in this mode */
	u32 probe;		/* linear address that is read after the exit */
	u32 outcome;
	u32 error;		/* VM-instruction error, where there was no entry */
	u32 seen, seen_cr3, seen_efer;	/* after the exit */
	u32 old_cr3;
};

/*
 * Out of IA-32e mode, VMXON, VMPTRLD, VMLAUNCH, VMCLEAR, VMXOFF, and back.  Not to be called in VMX
 * operation, where CR0.PG cannot be cleared.
 */
void pae_run(struct pae *p);
extern const char pae_host[];

/*
 * A VMCS of a 32-bit L2 that does nothing, to be run by pae_run(), whose exit loads CR3 with host_pdpt. It is
 * current until pae_go() leaves VMX operation.
 */
void pae_init(struct vl2 *l2, struct pae *p, u64 *host_pdpt);
/* VMX operation ends, pae_run(), and on again with that VMCS. */
void pae_go(struct vl2 *l2, struct pae *p);
/* Page-directory-pointer table of the identity map, in a page of its own */
u64 *pae_pdpt(void);
#endif

#endif
