// SPDX-License-Identifier: GPL-2.0-only
/*
 * The last failed nested entries of a vCPU: a ring that each failure enters
 * and NESTOR_GET_VERDICTS reads, oldest first.
 */
#include <linux/ktime.h>
#include <linux/nestor.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "core/nested_ops.h"
#include "core/trace.h"

#define RING_SIZE	NESTOR_MAX_VERDICTS

/* The next place in the ring, which is made for the first one; NULL: no memory for it. */
static struct verdict_slot *next_slot(struct nestor_vcpu *vcpu)
{
	gfp_t how = vcpu->atomic ? GFP_ATOMIC | __GFP_ACCOUNT : GFP_KERNEL_ACCOUNT;
	struct verdict_ring *ring = &vcpu->nested->verdicts;

	if (!ring->slot)
		ring->slot = kcalloc(RING_SIZE, sizeof(*ring->slot), how | __GFP_NOWARN);
	return ring->slot ? &ring->slot[ring->seq++ % RING_SIZE] : NULL;
}

void nested_record_verdict(struct nestor_vcpu *vcpu, const struct verdict *v, u64 rip)
{
	struct verdict_slot *slot = next_slot(vcpu);

	if (slot) {
		slot->v = *v;
		slot->rip = rip;
		slot->when_ns = ktime_get_ns();
	}
	vcpu->stats.nested_failed++;
	trace_nestor_verdict(vcpu, v, rip);
}

static void fill_entry(struct nestor_verdict *out, const struct verdict_ring *ring, u64 seq)
{
	unsigned int i = seq % RING_SIZE;
	const struct verdict *v = &ring->slot[i].v;

	out->seq = seq + 1;
	out->time_ns = ring->slot[i].when_ns;
	out->rip = ring->slot[i].rip;
	out->exit_code = v->outcome;
	out->value = v->value;
	out->aux = v->aux;
	out->check = v->check;
	out->field = v->field;
	strscpy(out->name, v->name ? v->name : "none", sizeof(out->name));
}

static int check_request(const struct nestor_verdicts *req)
{
	if (req->version != NESTOR_VERDICTS_VERSION || req->size != sizeof(*req) || req->flags)
		return -EINVAL;
	if (memchr_inv(req->reserved, 0, sizeof(req->reserved)))
		return -EINVAL;
	return 0;
}

int nested_get_verdicts(struct nestor_vcpu *vcpu, void __user *arg)
{
	const struct verdict_ring *ring = &vcpu->nested->verdicts;
	struct nestor_verdicts *out;
	u64 seq, first;
	int r;

	lockdep_assert_held(&vcpu->lock);
	out = kzalloc(sizeof(*out), GFP_KERNEL_ACCOUNT);
	if (!out)
		return -ENOMEM;
	r = -EFAULT;
	if (copy_from_user(out, arg, offsetof(struct nestor_verdicts, entry)))
		goto free;
	r = check_request(out);
	if (r)
		goto free;

	first = ring->seq > RING_SIZE ? ring->seq - RING_SIZE : 0;
	out->total = ring->seq;
	out->nr = ring->seq - first;
	for (seq = first; seq < ring->seq; seq++)
		fill_entry(&out->entry[seq - first], ring, seq);
	r = copy_to_user(arg, out, sizeof(*out)) ? -EFAULT : 0;
free:
	kfree(out);
	return r;
}
