// SPDX-License-Identifier: GPL-2.0-only
/* merge: each bit of each intercept word, and each other field, with both sides' say. */
#include "tap.h"

#include "nsvm/merge.h"

/* run_need() is inline and refers to it; nothing here calls it. */
void hw_fetch(struct guest_run *run, u32 groups)
{
	(void)run;
	(void)groups;
}

static const u32 always[NR_ICPT_WORDS] = {
	[ICPT_EXCEPTION] = 1u << 18,
	[ICPT_MISC1] = ICPT_INTR | ICPT_NMI | ICPT_SMI | ICPT_INIT | ICPT_IOIO | ICPT_MSR |
		       ICPT_INVLPGA | ICPT_SHUTDOWN,
	[ICPT_MISC2] = ICPT_VMRUN | ICPT_VMMCALL | ICPT_VMLOAD | ICPT_VMSAVE | ICPT_SKINIT |
		       ICPT_XSETBV | ICPT_STGI | ICPT_CLGI,
};

static const u32 cr8 = ICPT_CR_READ(8) | ICPT_CR_WRITE(8);

/* What L0 has on L1's run and does not carry over to L2's. */
static u32 l1_only(unsigned int word)
{
	return word == ICPT_MISC1 ? ICPT_VINTR : 0;
}

static u32 base(unsigned int word)
{
	return always[word] | (word == ICPT_CR ? cr8 : 0);
}

static void intercepts(void)
{
	unsigned int word, bit;

	for (word = 0; word < NR_ICPT_WORDS; word++) {
		for (bit = 0; bit < 32; bit++) {
			struct vmcb12_snapshot s = {};
			struct l0_policy l0 = {};
			struct guest_run out = {};

			s.ctl.intercept[word] = 1u << bit;
			nsvm_merge(&s, &l0, &out);
			tap_ok(out.intercept[word] == (base(word) | 1u << bit),
			       "word %u bit %u: L1's wish is honoured", word, bit);

			s = (struct vmcb12_snapshot){};
			l0.intercept[word] = 1u << bit;
			nsvm_merge(&s, &l0, &out);
			tap_ok(out.intercept[word] ==
			       (base(word) | (1u << bit & ~l1_only(word))),
			       "word %u bit %u: L0's need", word, bit);
		}
	}
}

static void cr8_masking(void)
{
	struct vmcb12_snapshot s = {};
	struct l0_policy l0 = {};
	struct guest_run out = {};

	l0.intercept[ICPT_CR] = cr8 | ICPT_CR_WRITE(0);
	s.ctl.int_ctl = V_INTR_MASKING;
	nsvm_merge(&s, &l0, &out);
	tap_ok(out.intercept[ICPT_CR] == ICPT_CR_WRITE(0), "with masking CR8 is V_TPR");
	s.ctl.intercept[ICPT_CR] = cr8;
	nsvm_merge(&s, &l0, &out);
	tap_ok(out.intercept[ICPT_CR] == (cr8 | ICPT_CR_WRITE(0)), "L1 may still watch CR8");
}

/* Every bit of int_ctl: those that are not offered change nothing. */
static void int_ctl_bits(void)
{
	struct l0_policy l0 = { .tpr = 5 };
	unsigned int bit;

	for (bit = 0; bit < 64; bit++) {
		struct vmcb12_snapshot s = {};
		struct guest_vintr v, none = { .ign_tpr = true, .tpr = 5 };
		bool same;

		s.ctl.int_ctl = 1ull << bit;
		v = nsvm_merge_vintr(&s, &l0);
		same = v.tpr == none.tpr && v.irq == none.irq && v.vector == none.vector &&
		       v.prio == none.prio && v.masking == none.masking && v.vgif == none.vgif &&
		       v.gif == none.gif;
		switch (bit) {
		case 8:
			tap_ok(!v.irq, "V_IRQ of priority 0 is not above V_TPR 0");
			break;
		case 16 ... 19:
			tap_ok(v.prio == 1u << (bit - 16), "V_INTR_PRIO bit %u", bit - 16);
			break;
		case 24:
			tap_ok(v.masking && !v.tpr && !v.ign_tpr, "V_INTR_MASKING");
			break;
		case 32 ... 39:
			tap_ok(v.vector == 1u << (bit - 32), "V_INTR_VECTOR bit %u", bit - 32);
			break;
		default:
			tap_ok(same, "int_ctl bit %u alone has no effect", bit);
		}
	}
}

static struct guest_vintr vintr(u64 ctl, bool hw_vgif)
{
	struct vmcb12_snapshot s = {};
	struct l0_policy l0 = { .tpr = 9, .hw_vgif = hw_vgif };

	s.ctl.int_ctl = ctl;
	return nsvm_merge_vintr(&s, &l0);
}

static void virq(void)
{
	const u64 irq = V_IRQ | 0x41ull << V_INTR_VECTOR_SHIFT;
	const u64 prio4 = 4ull << V_INTR_PRIO_SHIFT;
	struct guest_vintr v;

	v = vintr(irq | prio4 | V_INTR_MASKING | 3, false);
	tap_ok(v.irq && v.vector == 0x41 && v.prio == 4 && v.tpr == 3 && !v.ign_tpr,
	       "masked V_IRQ goes to the hardware as it is");
	v = vintr(irq | prio4 | 3, false);
	tap_ok(v.irq && v.ign_tpr && v.tpr == 9, "unmasked: above V_TPR, CR8 is L1's");
	v = vintr(irq | prio4 | 4, false);
	tap_ok(!v.irq, "unmasked: not above V_TPR");
	v = vintr(irq | V_IGN_TPR | 0xf, false);
	tap_ok(v.irq && v.ign_tpr, "V_IGN_TPR");
	v = vintr(irq | V_IGN_TPR | V_GIF_ENABLE, false);
	tap_ok(!v.irq && !v.vgif, "V_GIF = 0 holds it, in software");
	v = vintr(irq | V_IGN_TPR | V_GIF_ENABLE | V_GIF, false);
	tap_ok(v.irq && !v.vgif, "V_GIF = 1 does not, in software");
	v = vintr(irq | V_IGN_TPR | V_GIF_ENABLE, true);
	tap_ok(v.irq && v.vgif && !v.gif, "V_GIF = 0 is the hardware's");
	v = vintr(irq | V_IGN_TPR | V_GIF, true);
	tap_ok(v.irq && !v.vgif, "V_GIF without V_GIF_ENABLE");
	v = vintr(V_AVIC | V_X2AVIC | V_NMI_ENABLE | V_NMI, true);
	tap_ok(!v.irq && !v.vgif && !v.masking, "AVIC and vNMI bits are dropped");
}

static void vgif_intercepts(void)
{
	struct vmcb12_snapshot s = {};
	struct l0_policy l0 = { .hw_vgif = true };
	struct guest_run out = {};
	const u32 gif = ICPT_STGI | ICPT_CLGI;

	l0.intercept[ICPT_MISC2] = gif;
	s.ctl.int_ctl = V_GIF_ENABLE;
	nsvm_merge(&s, &l0, &out);
	tap_ok(!(out.intercept[ICPT_MISC2] & gif), "hardware VGIF: STGI and CLGI do not exit");
	s.ctl.intercept[ICPT_MISC2] = gif;
	nsvm_merge(&s, &l0, &out);
	tap_ok((out.intercept[ICPT_MISC2] & gif) == gif, "unless L1 asks");
}

static void pause(void)
{
	struct vmcb12_snapshot s = {};
	struct l0_policy l0 = { .pause_count = 100, .pause_thresh = 7 };
	struct guest_run out = {};

	s.ctl.pause_count = 50;
	s.ctl.pause_thresh = 20;
	nsvm_merge(&s, &l0, &out);
	tap_ok(!(out.intercept[ICPT_MISC1] & ICPT_PAUSE), "nobody wants PAUSE");
	s.ctl.intercept[ICPT_MISC1] = ICPT_PAUSE;
	nsvm_merge(&s, &l0, &out);
	tap_ok(out.pause_count == 50 && out.pause_thresh == 20, "L1's filter");
	l0.intercept[ICPT_MISC1] = ICPT_PAUSE;
	nsvm_merge(&s, &l0, &out);
	tap_ok(out.pause_count == 50 && out.pause_thresh == 7, "the tighter of the two");
	s.ctl.intercept[ICPT_MISC1] = 0;
	nsvm_merge(&s, &l0, &out);
	tap_ok(out.pause_count == 100 && out.pause_thresh == 7, "L0's filter");
}

static void msr_and_tsc(void)
{
	struct vmcb12_snapshot s = { .msr_read_icpt = 0x5, .msr_write_icpt = 0x6 };
	struct l0_policy l0 = { .msr_read_pass = 0xf, .msr_write_pass = 0x3,
				.tsc_offset = 100 };
	struct guest_run out = {};

	s.ctl.tsc_offset = (u64)-30;
	nsvm_merge(&s, &l0, &out);
	tap_ok(out.msr_read_pass == 0xa && out.msr_write_pass == 0x1, "MSR pass masks");
	tap_ok(out.tsc_offset == 70, "TSC offsets add up");
}

static void registers(void)
{
	struct vmcb12_snapshot s = {};
	struct l0_policy l0 = { .pat = 0x1111 };
	struct guest_run out = {};

	s.save.cr0 = X_CR0_PE | X_CR0_PG;
	s.save.efer = X_EFER_SVME | X_EFER_LME;
	s.save.rflags = ~0ull & ~X_RFLAGS_VM;
	s.save.cpl = 0xff;
	s.save.ds.attrib = 0xffff;
	s.save.ds.base = 0x0000800000000000ull;
	s.save.gdtr.limit = 0xfffff;
	s.save.g_pat = 0x2222;
	s.save.dr7 = 0xffffffff;
	s.ctl.int_state = ~0ull;
	nsvm_merge(&s, &l0, &out);
	tap_ok(out.efer == (X_EFER_SVME | X_EFER_LME | X_EFER_LMA), "LMA follows LME and PG");
	tap_ok(out.rflags == ((X_RFLAGS_VALID | 2) & ~X_RFLAGS_VM), "reserved RFLAGS bits");
	tap_ok(out.cpl == 3, "CPL has two bits");
	tap_ok(out.seg[SEG_DS].attrib == 0xfff, "attributes have twelve");
	tap_ok(out.seg[SEG_DS].base == 0xffff800000000000ull, "bases become canonical");
	tap_ok(out.gdtr.limit == 0xffff, "table limits have sixteen");
	tap_ok(out.pat == 0x1111, "without nested paging PAT is L1's");
	tap_ok(out.int_shadow, "interrupt shadow");
	tap_ok(out.cr0 & X_CR0_ET, "CR0.ET");
	tap_ok((out.dr7 & X_DR7_RESET) && !(out.dr7 & 0xd000), "fixed bits of DR7");
	s.ctl.np_ctl = NP_ENABLE;
	s.save.efer |= X_EFER_LMA;
	s.save.cr0 = 0;
	nsvm_merge(&s, &l0, &out);
	tap_ok(out.pat == 0x2222, "with nested paging it is G_PAT");
	tap_ok(out.cpl == 0, "real mode has CPL 0");
	tap_ok(!(out.efer & X_EFER_LMA), "no LMA without paging");
	s.save.cr0 = X_CR0_PE;
	s.save.cpl = 0;
	s.save.rflags = X_RFLAGS_VM;
	nsvm_merge(&s, &l0, &out);
	tap_ok(out.cpl == 3, "virtual-8086 mode has CPL 3");
}

static void lbr(void)
{
	struct vmcb12_snapshot s = {};
	struct l0_policy l0 = { .debugctl = 1, .br_from = 2, .hw_lbrv = true };
	struct guest_run out = {};

	s.save.dbgctl = 3;
	s.save.br_from = 4;
	nsvm_merge(&s, &l0, &out);
	tap_ok(!out.lbr_virt && out.debugctl == 1 && out.br_from == 2, "LBR state is L1's");
	s.ctl.virt_ext = LBR_VIRT_ENABLE;
	nsvm_merge(&s, &l0, &out);
	tap_ok(out.lbr_virt && out.debugctl == 3 && out.br_from == 4, "LBR state is L2's");
	l0.hw_lbrv = false;
	nsvm_merge(&s, &l0, &out);
	tap_ok(!out.lbr_virt && out.debugctl == 1, "not without the hardware");
}

static void events(void)
{
	struct guest_event ev = nsvm_event_decode(EVENTINJ_V | EVENTINJ_EV | 3 << 8 | 14 |
						  0x1234ull << 32);

	tap_ok(ev.valid && ev.type == EVENT_EXCEPTION && ev.vector == 14 && ev.has_error &&
	       ev.error == 0x1234, "EVENTINJ");
	tap_ok(nsvm_event_encode(&ev) == (EVENTINJ_V | EVENTINJ_EV | 3 << 8 | 14 |
					  0x1234ull << 32), "EXITINTINFO");
	ev = nsvm_event_decode(EVENTINJ_V | 0x1234ull << 32 | 0x20);
	tap_ok(ev.type == EVENT_INTR && !ev.has_error && !ev.error, "no error code without EV");
	ev.valid = false;
	tap_ok(!nsvm_event_encode(&ev), "nothing is 0");
}

int main(void)
{
	intercepts();
	cr8_masking();
	int_ctl_bits();
	virq();
	vgif_intercepts();
	pause();
	msr_and_tsc();
	registers();
	lbr();
	events();
	return tap_done();
}
