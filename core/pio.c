// SPDX-License-Identifier: GPL-2.0-only
/*
 * IN and OUT.  Plain ones are done here from the exit's own information; string
 * forms go through the instruction emulator, which knows segments and faults.
 *
 * IOIO interception information (APM vol. 2, "IOIO Intercepts"): bit 0 IN, 2
 * string, 3 REP, 4/5/6 size 8/16/32, 31:16 port.  EXITINFO2 is the next RIP.
 */
#include "core/exits.h"
#include "core/insn.h"
#include "core/iobus.h"

#define IOIO_IN		BIT(0)
#define IOIO_STR	BIT(2)

static void pio_in_value(struct guest_run *run, unsigned int size, const void *data)
{
	u32 val = 0;

	memcpy(&val, data, size);
	if (size == 4)
		run->gpr[REG_RAX] = val;
	else if (size == 2)
		run->gpr[REG_RAX] = (run->gpr[REG_RAX] & ~0xffffull) | val;
	else
		run->gpr[REG_RAX] = (run->gpr[REG_RAX] & ~0xffull) | val;
}

static enum run_action finish_in(struct nestor_vcpu *vcpu)
{
	u32 data;

	vcpu->completion.finish = NULL;
	memcpy(&data, vcpu->pio_data, sizeof(data));
	pio_in_value(vcpu->run, vcpu->mmio.pio.len, &data);
	return RESUME_GUEST;
}

static enum run_action pio_to_user(struct nestor_vcpu *vcpu, u16 port, unsigned int size,
				   bool in)
{
	struct kvm_run *kr = vcpu->kvm_run;

	kr->exit_reason = KVM_EXIT_IO;
	kr->io.direction = in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	kr->io.size = size;
	kr->io.port = port;
	kr->io.count = 1;
	kr->io.data_offset = PAGE_SIZE;
	if (in) {
		vcpu->mmio.pio.len = size;
		vcpu->completion.finish = finish_in;
	} else {
		memcpy(vcpu->pio_data, &vcpu->run->gpr[REG_RAX], size);
	}
	vcpu->stats.pio_user++;
	return EXIT_USER;
}

/* What the exit tells of a plain access, which ends in the kernel or does nothing: as io_bus_read(). */
static int pio_in_kernel(struct nestor_vcpu *vcpu, u16 port, unsigned int size, bool in)
{
	struct guest_run *run = vcpu->run;
	u32 data = run->gpr[REG_RAX];
	int r;

	r = in ? io_bus_read(vcpu, IO_PORT, port, size, &data) :
		 io_bus_write(vcpu, IO_PORT, port, size, &data);
	if (r)
		return r;
	vcpu->stats.pio_kernel++;
	if (in)
		pio_in_value(run, size, &data);
	return 0;
}

static bool plain_size(unsigned int size)
{
	return size == 1 || size == 2 || size == 4;
}

enum run_action handle_ioio(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;
	u64 info = run->exit.info1;
	unsigned int size = (info >> 4) & 7;
	u16 port = info >> 16;
	bool in = info & IOIO_IN;

	if (info & IOIO_STR)
		return emulate_at_rip(vcpu);
	/* The exit says where the next instruction is, NRIPS or not. */
	vcpu_advance(vcpu, run->exit.info2 - run->rip);
	if (!plain_size(size))
		return emulation_error(vcpu);
	if (pio_in_kernel(vcpu, port, size, in))
		return pio_to_user(vcpu, port, size, in);
	return RESUME_GUEST;
}

enum run_action handle_ioio_atomic(struct nestor_vcpu *vcpu)
{
	struct guest_run *run = vcpu->run;
	u64 info = run->exit.info1;
	unsigned int size = (info >> 4) & 7;

	/* What no device takes has changed nothing, and is offered to all of them again. */
	if ((info & IOIO_STR) || !plain_size(size) ||
	    pio_in_kernel(vcpu, info >> 16, size, info & IOIO_IN))
		return HANDLE_LATER;
	vcpu_advance(vcpu, run->exit.info2 - run->rip);
	return RESUME_GUEST;
}
