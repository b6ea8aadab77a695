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

static int read_vmcb12(const void __user *at, struct vmcb12_snapshot *snap)
{
	struct vmcb12_ctl *c = &snap->ctl;
	struct vmcb12_save *s = &snap->save;
	u8 *page = (u8 *)s - VMCB12_SAVE;	/* as if the save area lay in its page */

	if (!gmem_window_open(at, false))
		return -EFAULT;
	gmem_window_get(at, 0, c, 3, fail);	/* the intercepts */
	/* The word before iopm_base_pa holds the PAUSE filter. */
	gmem_window_get(at, CTL_OFF(iopm_base_pa) - 8, (u8 *)&c->iopm_base_pa - 8,
			1 + WORDS(iopm_base_pa, exit_code), fail);
	gmem_window_get(at, CTL_OFF(np_ctl), &c->np_ctl, 1, fail);
	gmem_window_get(at, CTL_OFF(event_inj), &c->event_inj, WORDS(event_inj, clean), fail);
	gmem_window_get(at, CTL_OFF(nrip), &c->nrip, 1, fail);

	gmem_window_get(at, SAVE_OFF(es), &s->es, SAVE_WORDS(es, ds), fail);
	gmem_window_get(at, SAVE_OFF(gdtr), &s->gdtr, SAVE_WORDS(gdtr, gdtr), fail);
	gmem_window_get(at, SAVE_OFF(idtr), &s->idtr, SAVE_WORDS(idtr, idtr), fail);
	gmem_window_get(at, CPL_WORD, page + CPL_WORD, 1, fail);
	gmem_window_get(at, SAVE_OFF(efer), &s->efer, 1, fail);
	gmem_window_get(at, SAVE_OFF(cr4), &s->cr4, SAVE_WORDS(cr4, rip), fail);
	gmem_window_get(at, SAVE_OFF(rsp), &s->rsp, 1, fail);
	gmem_window_get(at, SAVE_OFF(rax), &s->rax, 1, fail);
	gmem_window_get(at, SAVE_OFF(cr2), &s->cr2, 1, fail);
	gmem_window_get(at, SAVE_OFF(g_pat), &s->g_pat, 1, fail);
	if (c->virt_ext & LBR_VIRT_ENABLE)
		gmem_window_get(at, SAVE_OFF(dbgctl), &s->dbgctl,
				SAVE_WORDS(dbgctl, last_excp_to), fail);
	gmem_window_close(false);
	return 0;
fail:
	gmem_window_close(false);
	return -EFAULT;
}

/* One register against the word at @off. */
#define SAME(off, reg)							\
do {									\
	u64 reg_ = (reg);						\
	gmem_window_cmp(at, off, &reg_, 1, diff, fail);			\
} while (0)

/* As read_vmcb12(); see nsvm_snapshot_same(). */
static int compare_vmcb12(const void __user *at, struct vmcb12_snapshot *snap,
			  const struct guest_run *l2)
{
	struct vmcb12_ctl *c = &snap->ctl;
	struct vmcb12_save *s = &snap->save;
	u64 diff = 0;
	u32 limit;
	u8 cpl;

	if (!gmem_window_open(at, false))
		return -EFAULT;
	gmem_window_cmp(at, 0, c, 3, diff, fail);
	gmem_window_cmp(at, CTL_OFF(iopm_base_pa) - 8, (u8 *)&c->iopm_base_pa - 8,
			1 + WORDS(iopm_base_pa, int_ctl), diff, fail);
	gmem_window_get(at, CTL_OFF(int_ctl), &c->int_ctl, WORDS(int_ctl, exit_code), fail);
	gmem_window_cmp(at, CTL_OFF(np_ctl), &c->np_ctl, 1, diff, fail);
	gmem_window_get(at, CTL_OFF(event_inj), &c->event_inj, 1, fail);
	gmem_window_cmp(at, CTL_OFF(ncr3), &c->ncr3, WORDS(ncr3, clean), diff, fail);
	gmem_window_get(at, CTL_OFF(nrip), &c->nrip, 1, fail);

	gmem_window_cmp(at, SAVE_OFF(es), l2->seg, SAVE_WORDS(es, ds), diff, fail);
	unsafe_get_user(limit, (const u32 __user *)(at + SAVE_OFF(gdtr.limit)), fail);
	diff |= limit ^ l2->gdtr.limit;
	SAME(SAVE_OFF(gdtr.base), l2->gdtr.base);
	unsafe_get_user(limit, (const u32 __user *)(at + SAVE_OFF(idtr.limit)), fail);
	diff |= limit ^ l2->idtr.limit;
	SAME(SAVE_OFF(idtr.base), l2->idtr.base);
	unsafe_get_user(cpl, (const u8 __user *)(at + SAVE_OFF(cpl)), fail);
	diff |= cpl ^ l2->cpl;
	SAME(SAVE_OFF(efer), l2->efer);
	SAME(SAVE_OFF(cr4), l2->cr4);
	SAME(SAVE_OFF(cr3), l2->cr3);
	SAME(SAVE_OFF(cr0), l2->cr0);
	SAME(SAVE_OFF(dr7), l2->dr7);
	SAME(SAVE_OFF(dr6), l2->dr6);
	gmem_window_get(at, SAVE_OFF(rflags), &s->rflags, SAVE_WORDS(rflags, rip), fail);
	gmem_window_get(at, SAVE_OFF(rsp), &s->rsp, 1, fail);
	gmem_window_get(at, SAVE_OFF(rax), &s->rax, 1, fail);
	SAME(SAVE_OFF(cr2), l2->cr2);
	SAME(SAVE_OFF(g_pat), l2->pat);
	gmem_window_close(false);
	return !diff;
fail:
	gmem_window_close(false);
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

/* The word of L1's map now: 0 when no MSR is intercepted, all ones when the map cannot be read. */
static int map_now(struct nestor_vcpu *vcpu, u64 *word)
{
	struct nsvm *n = nsvm_of(vcpu);

	*word = 0;
	if (!snap_icpt(&n->snap, ICPT_MISC1, ICPT_MSR))
		return 0;
	if (gmem_window_kept(vcpu, l1_gpa(n->snap.ctl.msrpm_base_pa & PERMMAP_ADDR), false,
			     &n->map) && !read_map(n->map.at, word))
		return 0;
	if (vcpu->atomic)
		return -EAGAIN;
	*word = ~0ull;
	return 0;
}

static void take_map(struct vmcb12_snapshot *snap, u64 word)
{
	unsigned int i, bits;

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
}

int nsvm_snapshot(struct nestor_vcpu *vcpu, const struct gmem_window *w, u64 gpa)
{
	struct vmcb12_snapshot *snap = &nsvm_of(vcpu)->snap;
	u64 word;
	int r;

	nsvm_of(vcpu)->last.good = false;
	snap->gpa = gpa;
	if (read_vmcb12(w->at, snap))
		return vcpu->atomic ? -EAGAIN : -EFAULT;
	r = map_now(vcpu, &word);
	if (r)
		return r;
	/* Read at every VMRUN, looked at when it is not what it was. */
	if (word != snap->msrpm_word)
		take_map(snap, word);
	return 0;
}

int nsvm_snapshot_same(struct nestor_vcpu *vcpu, const struct gmem_window *w, u64 gpa)
{
	struct nsvm *n = nsvm_of(vcpu);
	u64 word;
	int r;

	if (n->snap.gpa != gpa)
		return 0;
	r = compare_vmcb12(w->at, &n->snap, &n->l2);
	if (r < 0)
		return vcpu->atomic ? -EAGAIN : -EFAULT;
	if (!r)
		return 0;
	r = map_now(vcpu, &word);
	if (r)
		return r;
	return word == n->snap.msrpm_word;
}
