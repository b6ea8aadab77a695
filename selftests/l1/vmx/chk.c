// SPDX-License-Identifier: GPL-2.0-only
/* The engine of the VM-entry check tables. */
#include "vmx/chk.h"

bool chk_failed_so(struct vl2 *l2, u32 want, u64 qual)
{
	if (want != R_GUEST_STATE) {
		vl2_run(l2);
		return l2->reason == R_NONE && l2->error == want;
	}
	vl2_run(l2);
	if (l2->reason != (R_ENTRY_FAILED | R_GUEST_STATE))
		return false;
	if (!t_departs("qual"))
		CHECK_EQ(vr(EXIT_QUAL), qual);
	return true;
}

static void prepare(struct vl2 *l2, const struct chk *c)
{
	vl2_init_at(l2, l2_done);
	if (c->prep)
		c->prep(l2);
}

static void refuse(const struct chk *c, u64 bits, bool sweep)
{
	u64 mark = mem_mark(), good, bad;
	struct vl2 l2;

	prepare(&l2, c);
	good = vr(c->field);
	bad = sweep ? good ^ bits : (good & ~c->clear) | c->set;
	vw(c->field, bad);
	/* Reserved bits of access rights that this CPU does not keep cannot be wrong. */
	if (vr(c->field) != bad) {
		vmcs_forget_all();
		mem_reset(mark);
		return;
	}
	if (!chk_failed_so(&l2, c->want, c->qual)) {
		FAIL("%s = %llx (good: %llx) was not refused as expected", field_name(c->field), bad,
		     good);
		vl2_tell(&l2);
	}
	vw(c->field, good);
	l2.launched = 0;
	if (l2.reason == R_NONE || l2.reason & R_ENTRY_FAILED)
		vl2_expect_done(&l2);
	vmcs_forget_all();
	mem_reset(mark);
}

static void accept(const struct chk *c, u64 bits, bool sweep)
{
	u64 mark = mem_mark(), good, val;
	struct vl2 l2;

	prepare(&l2, c);
	good = vr(c->field);
	val = sweep ? good ^ bits : (good & ~c->clear) | c->set;
	vw(c->field, val);
	if (!vl2_expect_done(&l2))
		FAIL("with %s = %llx", field_name(c->field), val);
	vmcs_forget_all();
	mem_reset(mark);
}

static void each(const struct chk *c, void (*fn)(const struct chk *, u64, bool))
{
	u32 bit, lo = c->lo == MAXPHYS ? maxphys : c->lo;

	if (!c->hi) {
		fn(c, 0, false);
		return;
	}
	for (bit = lo; bit <= c->hi && !t_failed(); bit++)
		if (!(c->keep & BIT(bit)))
			fn(c, BIT(bit), true);
}

void chk_refused(const void *chk)
{
	each(chk, refuse);
}

void chk_accepted(const void *chk)
{
	each(chk, accept);
}
