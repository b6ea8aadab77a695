// SPDX-License-Identifier: GPL-2.0-only
/* The processor's side of the virtual-APIC page. */
#include "tap.h"

#include "nvmx/vapic.h"

static u8 page[VAPIC_SIZE];
static u16 status;
static struct vmcs12 v;

static u32 reg(unsigned int r)
{
	return page[r] | page[r + 1] << 8 | page[r + 2] << 16 | (u32)page[r + 3] << 24;
}

static bool bit(unsigned int base, unsigned int vector)
{
	return reg(base + vector / 32 * 16) >> (vector & 31) & 1;
}

static void reset(u32 cpu2)
{
	memset(page, 0, sizeof(page));
	memset(&v, 0, sizeof(v));
	v.cpu_ctls = CPU_TPR_SHADOW | CPU_SECONDARY;
	v.cpu_ctls2 = cpu2;
	status = 0;
}

static void raise(unsigned int base, unsigned int vector)
{
	page[base + vector / 32 * 16 + (vector & 31) / 8] |= 1u << (vector & 7);
}

static void reads(void)
{
	u64 val = 7;

	reset(0);
	tap_ok(vapic_x2apic_read(&v, page, X2APIC_TPR, &val) == VAPIC_NOT_VIRTUAL && val == 7,
	       "nothing is virtual without the control");
	reset(CPU2_X2APIC);
	page[VAPIC_TPR] = 0x35;
	tap_ok(vapic_x2apic_read(&v, page, X2APIC_TPR, &val) == VAPIC_DONE && val == 0x35,
	       "TPR is");
	tap_ok(vapic_x2apic_read(&v, page, 0x80a, &val) == VAPIC_NOT_VIRTUAL, "PPR is not");
	v.cpu_ctls &= ~CPU_SECONDARY;
	tap_ok(vapic_x2apic_read(&v, page, X2APIC_TPR, &val) == VAPIC_NOT_VIRTUAL,
	       "secondary controls have to be activated");
	reset(CPU2_X2APIC | CPU2_APIC_REGS);
	memset(page + 0x300, 0x11, 4);
	memset(page + 0x304, 0x22, 4);
	tap_ok(vapic_x2apic_read(&v, page, 0x830, &val) == VAPIC_DONE &&
	       val == 0x2222222211111111ull, "all are with APIC-register virtualization, in 64 bits");
	tap_ok(vapic_x2apic_read(&v, page, 0x840, &val) == VAPIC_DONE && val == 0,
	       "nothing is kept beyond the last register");
	tap_ok(vapic_x2apic_read(&v, page, 0x8ff, &val) == VAPIC_DONE && val == 0,
	       "to the end of the range");
}

static void tpr(void)
{
	u8 vec;

	reset(CPU2_X2APIC);
	v.tpr_threshold = 4;
	tap_ok(vapic_x2apic_write(&v, page, &status, X2APIC_TPR, 0x40, &vec) == VAPIC_DONE &&
	       reg(VAPIC_TPR) == 0x40 && !reg(VAPIC_PPR), "TPR at the threshold");
	tap_ok(vapic_x2apic_write(&v, page, &status, X2APIC_TPR, 0x3f, &vec) == VAPIC_TPR_BELOW &&
	       reg(VAPIC_TPR) == 0x3f, "TPR below it");
	tap_ok(vapic_x2apic_write(&v, page, &status, X2APIC_TPR, 0x100, &vec) == VAPIC_GP &&
	       vapic_x2apic_write(&v, page, &status, X2APIC_TPR, 1ull << 63, &vec) == VAPIC_GP &&
	       reg(VAPIC_TPR) == 0x3f, "reserved bits of TPR");
	tap_ok(vapic_x2apic_write(&v, page, &status, X2APIC_EOI, 0, &vec) == VAPIC_NOT_VIRTUAL &&
	       vapic_x2apic_write(&v, page, &status, X2APIC_SELF_IPI, 0x40, &vec) ==
	       VAPIC_NOT_VIRTUAL, "EOI and self-IPI need virtual-interrupt delivery");
	reset(CPU2_X2APIC | CPU2_VID);
	v.tpr_threshold = 15;
	status = 0x5200;
	tap_ok(vapic_x2apic_write(&v, page, &status, X2APIC_TPR, 0x51, &vec) == VAPIC_DONE &&
	       reg(VAPIC_PPR) == 0x51, "with delivery: PPR is TPR of the same class");
	tap_ok(vapic_x2apic_write(&v, page, &status, X2APIC_TPR, 0x4f, &vec) == VAPIC_DONE &&
	       reg(VAPIC_PPR) == 0x50, "and SVI's class above");
	tap_ok(vapic_x2apic_write(&v, page, &status, 0x830, 0, &vec) == VAPIC_NOT_VIRTUAL,
	       "ICR is not virtual");
}

/* Which EOIs end with no VM exit after them */
static void eoi_plain(void)
{
	unsigned int i, wrong = 0;

	reset(CPU2_X2APIC | CPU2_VID);
	v.eoi_exit_bitmap0 = 1ull << 0x31;
	v.eoi_exit_bitmap3 = 1ull << 63;
	for (i = 0; i < 256; i++)
		wrong += vapic_eoi_plain(&v, i << 8 | 0x45) != (i != 0x31 && i != 0xff);
	tap_ok(!wrong, "EOI with no exit, by the bitmap");
	reset(CPU2_VID);
	wrong = vapic_eoi_plain(&v, 0x9245);
	reset(CPU2_X2APIC);
	wrong += vapic_eoi_plain(&v, 0x9245);
	tap_ok(!wrong, "and none without x2APIC mode or without virtual-interrupt delivery");
}

static void eoi(void)
{
	unsigned int i, wrong = 0;
	u8 vec = 0;

	reset(CPU2_X2APIC | CPU2_VID);
	raise(VAPIC_ISR, 0x31);
	raise(VAPIC_ISR, 0x92);
	status = 0x9200 | 0x45;
	v.eoi_exit_bitmap0 = 1ull << 0x31;
	tap_ok(vapic_x2apic_write(&v, page, &status, X2APIC_EOI, 1, &vec) == VAPIC_GP &&
	       status == 0x9245, "EOI of anything but 0");
	tap_ok(vapic_x2apic_write(&v, page, &status, X2APIC_EOI, 0, &vec) == VAPIC_DONE &&
	       status == 0x3145 && !bit(VAPIC_ISR, 0x92) && bit(VAPIC_ISR, 0x31) &&
	       reg(VAPIC_PPR) == 0x30, "EOI leaves the next one in service");
	tap_ok(vapic_pending(page, status), "and the requested one above it");
	tap_ok(vapic_x2apic_write(&v, page, &status, X2APIC_EOI, 0, &vec) == VAPIC_EOI_EXIT &&
	       vec == 0x31 && status == 0x45 && !reg(VAPIC_PPR), "EOI that the bitmap names");
	v.eoi_exit_bitmap3 = 1ull << 63;
	status = 0xff00;
	raise(VAPIC_ISR, 0xff);
	tap_ok(vapic_x2apic_write(&v, page, &status, X2APIC_EOI, 0, &vec) == VAPIC_EOI_EXIT &&
	       vec == 0xff && !status, "the last vector");
	reset(CPU2_X2APIC | CPU2_VID);
	page[VAPIC_EOI] = 7;
	vapic_x2apic_write(&v, page, &status, X2APIC_EOI, 0, &vec);
	tap_ok(!reg(VAPIC_EOI), "the register is written");
	for (i = 1; i < 256; i++) {
		reset(CPU2_X2APIC | CPU2_VID);
		raise(VAPIC_ISR, i);
		status = 0xff00;
		vapic_x2apic_write(&v, page, &status, X2APIC_EOI, 0, &vec);
		wrong += status >> 8 != (i == 255 ? 0 : i);
	}
	tap_ok(!wrong, "the next in service, whichever it is");
}

static void self_ipi(void)
{
	u8 vec = 0;

	reset(CPU2_X2APIC | CPU2_VID);
	status = 0x20;
	tap_ok(vapic_x2apic_write(&v, page, &status, X2APIC_SELF_IPI, 0x81, &vec) == VAPIC_DONE &&
	       status == 0x81 && bit(VAPIC_IRR, 0x81) && reg(VAPIC_SELF_IPI) == 0x81, "self-IPI");
	tap_ok(vapic_x2apic_write(&v, page, &status, X2APIC_SELF_IPI, 0x30, &vec) == VAPIC_DONE &&
	       status == 0x81 && bit(VAPIC_IRR, 0x30), "a lower one");
	tap_ok(vapic_x2apic_write(&v, page, &status, X2APIC_SELF_IPI, 0xf, &vec) ==
	       VAPIC_WRITE_EXIT && vec == 0x3f && !bit(VAPIC_IRR, 0xf), "a vector below 16 exits");
	status = 0;
	tap_ok(vapic_x2apic_write(&v, page, &status, X2APIC_SELF_IPI, 0x10, &vec) == VAPIC_DONE &&
	       status == 0x10 && bit(VAPIC_IRR, 0x10), "and 16 does not");
	tap_ok(vapic_x2apic_write(&v, page, &status, X2APIC_SELF_IPI, 0x100, &vec) == VAPIC_GP,
	       "reserved bits");
}

static void post(void)
{
	u64 pir[4] = { 0, 1ull << 63, 1, 0 };
	unsigned int i, wrong = 0;

	reset(CPU2_VID);
	raise(VAPIC_IRR, 0x21);
	raise(VAPIC_IRR, 0x61);
	status = 0x5061;
	vapic_post(page, &status, pir);
	tap_ok(bit(VAPIC_IRR, 0x21) && bit(VAPIC_IRR, 0x61) && bit(VAPIC_IRR, 0x7f) && bit(VAPIC_IRR, 0x80) &&
	       status == 0x5080, "requests are added, RVI is the highest");
	pir[1] = 1;
	pir[2] = 0;
	vapic_post(page, &status, pir);
	tap_ok(bit(VAPIC_IRR, 0x40) && status == 0x5080, "a lower one leaves RVI alone");
	for (i = 0; i < 256; i++) {
		u64 one[4] = {};

		reset(CPU2_VID);
		one[i / 64] = 1ull << (i & 63);
		vapic_post(page, &status, one);
		wrong += status != i || !bit(VAPIC_IRR, i);
	}
	tap_ok(!wrong, "each vector alone");
	page[VAPIC_TPR] = 0x52;
	tap_ok(!vapic_pending(page, 0x5f) && vapic_pending(page, 0x60), "above VTPR's class");
	tap_ok(!vapic_pending(page, 0x636f) && vapic_pending(page, 0x6370), "and above SVI's");
}

static void icr(void)
{
	static const u32 exits[] = { 0x91, 0x80091, 0xc0091, 0x4000f, 0x40191, 0x40291, 0x40491, 0x41091, 0x42091,
				     0x48091, 0x50091, 0x60091, 0x140091, 0x80040091 };
	u8 vec = 0;
	unsigned int i;
	u32 val;

	for (i = 0; i < sizeof(exits) / sizeof(*exits); i++) {
		reset(CPU2_VID);
		memcpy(page + VAPIC_ICR, &exits[i], 4);
		tap_ok(vapic_write(&v, page, &status, VAPIC_ICR, &vec) == VAPIC_NOT_VIRTUAL && !status &&
		       !bit(VAPIC_IRR, exits[i] & 0xff), "ICR %#x exits", exits[i]);
	}
	/* Level and destination mode do not matter to a self-IPI. */
	for (i = 0; i < 4; i++) {
		reset(CPU2_VID);
		val = 0x40091 | (i & 1 ? 0x4000 : 0) | (i & 2 ? 0x800 : 0);
		memcpy(page + VAPIC_ICR, &val, 4);
		tap_ok(vapic_write(&v, page, &status, VAPIC_ICR, &vec) == VAPIC_DONE && status == 0x91 &&
		       bit(VAPIC_IRR, 0x91), "ICR %#x is a self-IPI", val);
	}
	reset(CPU2_VID);
	raise(VAPIC_ISR, 0x44);
	status = 0x4400;
	v.eoi_exit_bitmap1 = 1ull << 4;
	tap_ok(vapic_write(&v, page, &status, VAPIC_EOI, &vec) == VAPIC_EOI_EXIT && vec == 0x44 && !status,
	       "EOI by a write to the page");
	tap_ok(vapic_write(&v, page, &status, VAPIC_TPR, &vec) == VAPIC_NOT_VIRTUAL &&
	       vapic_write(&v, page, &status, 0x320, &vec) == VAPIC_NOT_VIRTUAL, "no other register");
}

static void deliver(void)
{
	unsigned int rvi, svi, wrong = 0;

	reset(CPU2_VID);
	raise(VAPIC_IRR, 0x91);
	raise(VAPIC_IRR, 0x3f);
	raise(VAPIC_ISR, 0x30);
	status = 0x3091;
	tap_ok(vapic_deliver(page, &status) == 0x91 && status == 0x913f && bit(VAPIC_ISR, 0x91) &&
	       bit(VAPIC_ISR, 0x30) && !bit(VAPIC_IRR, 0x91) && bit(VAPIC_IRR, 0x3f) &&
	       reg(VAPIC_PPR) == 0x90, "delivery: in service, the next one requested");
	tap_ok(!vapic_pending(page, status), "which waits");
	vapic_deliver(page, &status);
	tap_ok(!(status & 0xff), "none is left");
	/* What the CPU's TPR threshold is for: all classes, with TPR between them. */
	for (rvi = 0; rvi < 16; rvi++)
		for (svi = 0; svi < 16; svi++) {
			unsigned int tpr;

			for (tpr = 0; tpr < 16; tpr++) {
				u8 held, want = rvi > svi && rvi <= tpr ? rvi : 0;

				page[VAPIC_TPR] = tpr << 4 | 7;
				held = vapic_held_by_tpr(page, svi << 12 | 0x300 | rvi << 4 | 5);
				wrong += held != want;
				wrong += vapic_pending(page, svi << 12 | 0x300 | rvi << 4 | 5) !=
					 (rvi > svi && rvi > tpr);
			}
		}
	tap_ok(!wrong, "held back by TPR alone");
}

int main(void)
{
	reads();
	tpr();
	eoi();
	eoi_plain();
	self_ipi();
	post();
	icr();
	deliver();
	return tap_done();
}
