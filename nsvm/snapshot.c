// SPDX-License-Identifier: GPL-2.0-only
/*
 * snapshot: the only reader of L1's vmcb12 and of its MSR permissions map.  It
 * copies each word once, and only the fields that VMRUN takes; another CPU of L1
 * may rewrite the page meanwhile and has no effect on what was copied.
 */
#include "mmu/window.h"
#include "nsvm/nsvm.h"

#define WORDS(first, next) \
	((offsetof(struct vmcb12_ctl, next) - offsetof(struct vmcb12_ctl, first)) / 8)
#define SAVE_WORDS(first, last) \
	((offsetofend(struct vmcb12_save, last) - offsetof(struct vmcb12_save, first)) / 8)
/* cpl is the last byte but four of its word. */
#define CPL_WORD	(SAVE_OFF(cpl) & ~7u)

/* What VMRUN takes every time is copied; of the rest it is also noted whether it changed. */
static int read_vmcb12(const void __user *at, struct vmcb12_snapshot *snap)
{
	struct vmcb12_ctl *c = &snap->ctl;
	struct vmcb12_save *s = &snap->save;
	u8 *page = (u8 *)s - VMCB12_SAVE;	/* as if the save area lay in its page */
	u64 diff = 0;

	if (!gmem_window_open(at, false))
		return -EFAULT;
	gmem_window_diff(at, 0, c, 3, diff, fail);	/* the intercepts */
	/* The word before iopm_base_pa holds the PAUSE filter. */
	gmem_window_diff(at, CTL_OFF(iopm_base_pa) - 8, (u8 *)&c->iopm_base_pa - 8,
			 1 + WORDS(iopm_base_pa, int_ctl), diff, fail);
	gmem_window_get(at, CTL_OFF(int_ctl), &c->int_ctl, WORDS(int_ctl, exit_code), fail);
	gmem_window_diff(at, CTL_OFF(np_ctl), &c->np_ctl, 1, diff, fail);
	gmem_window_get(at, CTL_OFF(event_inj), &c->event_inj, 1, fail);
	gmem_window_diff(at, CTL_OFF(ncr3), &c->ncr3, WORDS(ncr3, clean), diff, fail);
	gmem_window_get(at, CTL_OFF(nrip), &c->nrip, 1, fail);

	gmem_window_diff(at, SAVE_OFF(es), &s->es, SAVE_WORDS(es, ds), diff, fail);
	gmem_window_diff(at, SAVE_OFF(gdtr), &s->gdtr, SAVE_WORDS(gdtr, gdtr), diff, fail);
	gmem_window_diff(at, SAVE_OFF(idtr), &s->idtr, SAVE_WORDS(idtr, idtr), diff, fail);
	gmem_window_diff(at, CPL_WORD, page + CPL_WORD, 1, diff, fail);
	gmem_window_diff(at, SAVE_OFF(efer), &s->efer, 1, diff, fail);
	gmem_window_diff(at, SAVE_OFF(cr4), &s->cr4, SAVE_WORDS(cr4, dr6), diff, fail);
	gmem_window_get(at, SAVE_OFF(rflags), &s->rflags, SAVE_WORDS(rflags, rip), fail);
	gmem_window_get(at, SAVE_OFF(rsp), &s->rsp, 1, fail);
	gmem_window_get(at, SAVE_OFF(rax), &s->rax, 1, fail);
	gmem_window_diff(at, SAVE_OFF(cr2), &s->cr2, 1, diff, fail);
	gmem_window_diff(at, SAVE_OFF(g_pat), &s->g_pat, 1, diff, fail);
	if (c->virt_ext & LBR_VIRT_ENABLE)
		gmem_window_diff(at, SAVE_OFF(dbgctl), &s->dbgctl,
				 SAVE_WORDS(dbgctl, last_excp_to), diff, fail);
	gmem_window_close(false);
	if (diff)
		snap->changed = true;
	return 0;
fail:
	gmem_window_close(false);
	/* Some words are new already. */
	snap->changed = true;
	return -EFAULT;
}

/*
 * The bytes of the map that have the bits of the MSRs that can be passed; all in its first page.
 * Together they are the word by which a changed map is known.
 */
static const u16 map_bytes[8] = {
	0x48 / 4, 0x174 / 4, 0x1d9 / 4, 0x1dc / 4, 0x277 / 4,
	0x800 + 0x81 / 4, 0x800 + 0x84 / 4, 0x800 + 0x100 / 4,
};

static int read_map(const void __user *at, u64 *word)
{
	const u8 __user *map = at;
	u64 sum = 0;
	u8 byte;
	int i;

	if (!at || !gmem_window_open(at, false))
		return -EFAULT;
	_Pragma("GCC unroll 8")
	for (i = 0; i < 8; i++) {
		unsafe_get_user(byte, map + map_bytes[i], fail);
		sum = sum << 8 | byte;
	}
	gmem_window_close(false);
	*word = sum;
	return 0;
fail:
	gmem_window_close(false);
	return -EFAULT;
}

/* Bits of @msr; both set where the word does not reach, so that nothing passes unseen. */
static unsigned int map_bits(u64 word, u32 msr)
{
	int bit = msrpm_bit(msr), i;

	for (i = 0; bit >= 0 && i < 8; i++)
		if (map_bytes[i] == bit / 8)
			return word >> (8 * (7 - i) + (bit & 7)) & 3;
	return 3;
}

static int snapshot_msrpm(struct nestor_vcpu *vcpu, struct vmcb12_snapshot *snap)
{
	unsigned int i, bits;
	struct gmem_window w;
	u64 word = 0;

	if (snap_icpt(snap, ICPT_MISC1, ICPT_MSR)) {
		gmem_window(vcpu, l1_gpa(snap->ctl.msrpm_base_pa & PERMMAP_ADDR), false, &w);
		if (read_map(w.at, &word)) {
			if (vcpu->atomic)
				return -EAGAIN;
			/* A map that cannot be read intercepts all. */
			word = ~0ull;
		}
	}
	/* Read at every VMRUN, looked at when it is not what it was. */
	if (word == snap->msrpm_word)
		return 0;
	snap->changed = true;
	snap->msrpm_word = word;
	snap->msr_read_icpt = 0;
	snap->msr_write_icpt = 0;
	for (i = 0; word && i < NR_PASS_MSR; i++) {
		bits = map_bits(word, pass_msr_index[i]);
		if (bits & 1)
			snap->msr_read_icpt |= 1u << i;
		if (bits & 2)
			snap->msr_write_icpt |= 1u << i;
	}
	return 0;
}

int nsvm_snapshot(struct nestor_vcpu *vcpu, const struct gmem_window *w, u64 gpa,
		  struct vmcb12_snapshot *snap)
{
	if (snap->gpa != gpa)
		snap->changed = true;
	snap->gpa = gpa;
	if (read_vmcb12(w->at, snap))
		return vcpu->atomic ? -EAGAIN : -EFAULT;
	return snapshot_msrpm(vcpu, snap);
}
