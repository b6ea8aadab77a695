// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does the CPU take what the VMM has made of the registers?  Each ioctl refuses what no order of
 * calls could make good; what depends on two of them is looked at here, when the guest is
 * about to run.
 */
#include "core/events.h"
#include "core/hw_ops.h"
#include "core/msr.h"

static void image_of(struct guest_run *run, struct guest_image *image)
{
	enum guest_sreg n;

	run_need(run, GRP_SEG | GRP_DTABLE | GRP_CR | GRP_SYS);
	*image = (struct guest_image){
		.cr0 = run->cr0, .cr4 = run->cr4, .efer = run->efer,
		.rip = run->rip, .rflags = run->rflags, .cpl = run->cpl,
		.gdtr = run->gdtr, .idtr = run->idtr,
	};
	for (n = 0; n < NR_GUEST_SREGS; n++)
		image->seg[n] = *run_seg_ptr(run, n);
}

bool mode_refused(struct guest_run *run, u64 cr0, u64 efer)
{
	struct guest_image image;

	image_of(run, &image);
	image.cr0 = cr0;
	image.efer = efer;
	return hw->refuses(&image);
}

int vcpu_check_set(struct nestor_vcpu *vcpu)
{
	struct guest_event ev = injected_event(vcpu);
	struct guest_image image;

	image_of(vcpu->run, &image);
	image.intr = ev.valid && ev.type == EVENT_INTR;
	if (hw->refuses(&image))
		return -EINVAL;
	vcpu->was_set = false;
	return 0;
}
