// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an emulated instruction does to devices, in the kernel or in the VMM.
 *
 * An access that needs the VMM ends the emulation with nothing committed; the
 * next KVM_RUN marks the access as done and runs the instruction again, whose
 * earlier device accesses are answered from vcpu->mmio.
 */
#include "core/emulate.h"
#include "core/insn.h"
#include "core/iobus.h"
#include "core/irq.h"

void mmio_reset(struct vcpu_mmio *m)
{
	m->nr = 0;
	m->next = 0;
	m->pio.valid = false;
}

static enum run_action finish_mmio(struct nestor_vcpu *vcpu)
{
	struct vcpu_mmio *m = &vcpu->mmio;
	unsigned int i = m->nr - 1;

	vcpu->completion.finish = NULL;
	if (!m->frag[i].write)
		memcpy(m->frag[i].data, vcpu->kvm_run->mmio.data, m->frag[i].len);
	m->frag[i].done = true;
	return emulate_at_rip(vcpu);
}

/* Hand the last fragment to the VMM. */
static enum x86_result mmio_to_user(struct nestor_vcpu *vcpu)
{
	struct kvm_run *kr = vcpu->kvm_run;
	struct vcpu_mmio *m = &vcpu->mmio;
	unsigned int i = m->nr - 1;

	kr->exit_reason = KVM_EXIT_MMIO;
	kr->mmio.phys_addr = m->frag[i].gpa;
	kr->mmio.len = m->frag[i].len;
	kr->mmio.is_write = m->frag[i].write;
	memset(kr->mmio.data, 0, sizeof(kr->mmio.data));
	if (m->frag[i].write)
		memcpy(kr->mmio.data, m->frag[i].data, m->frag[i].len);
	vcpu->completion.finish = finish_mmio;
	vcpu->stats.mmio_user++;
	return X86_EMUL_USER;
}

static bool mmio_in_kernel(struct nestor_vcpu *vcpu, u64 gpa, unsigned int len, void *data,
			   bool write)
{
	int r;

	if (vcpu->apic && lapic_mmio(vcpu, gpa, len, data, write))
		return true;
	r = write ? io_bus_write(vcpu, IO_MMIO, gpa, len, data) :
		    io_bus_read(vcpu, IO_MMIO, gpa, len, data);
	return !r;
}

/* One device access of at most 8 bytes. */
static enum x86_result mmio_fragment(struct nestor_vcpu *vcpu, u64 gpa, void *data,
				     unsigned int len, bool write)
{
	struct vcpu_mmio *m = &vcpu->mmio;
	unsigned int i = m->next;

	if (i < m->nr) {
		/* A replay.  Another instruction at the same place is not one. */
		if (m->frag[i].gpa != gpa || m->frag[i].len != len ||
		    m->frag[i].write != write || !m->frag[i].done) {
			m->nr = i;
		} else {
			if (!write)
				memcpy(data, m->frag[i].data, len);
			m->next++;
			return X86_EMUL_OK;
		}
	}
	if (i == MMIO_MAX_FRAGMENTS)
		return X86_EMUL_UNHANDLED;
	m->frag[i].gpa = gpa;
	m->frag[i].len = len;
	m->frag[i].write = write;
	m->frag[i].done = false;
	m->nr = i + 1;
	if (write)
		memcpy(m->frag[i].data, data, len);
	if (!mmio_in_kernel(vcpu, gpa, len, m->frag[i].data, write))
		return mmio_to_user(vcpu);
	vcpu->stats.mmio_kernel++;
	m->frag[i].done = true;
	m->next = i + 1;
	if (!write)
		memcpy(data, m->frag[i].data, len);
	return X86_EMUL_OK;
}

enum x86_result mmio_access(struct nestor_vcpu *vcpu, u64 gpa, u8 *data, unsigned int len, bool write)
{
	while (len) {
		unsigned int n = min_t(unsigned int, len, 8);
		enum x86_result r = mmio_fragment(vcpu, gpa, data, n, write);

		if (r != X86_EMUL_OK)
			return r;
		gpa += n;
		data += n;
		len -= n;
	}
	return X86_EMUL_OK;
}

static enum run_action finish_pio_emulated(struct nestor_vcpu *vcpu)
{
	struct vcpu_mmio *m = &vcpu->mmio;

	vcpu->completion.finish = NULL;
	if (m->pio.in)
		memcpy(vcpu->pio_kept, vcpu->pio_data, m->pio.len);
	m->pio.done = true;
	return emulate_at_rip(vcpu);
}

static bool pio_in_kernel(struct nestor_vcpu *vcpu, u16 port, unsigned int size, u8 *buf,
			  unsigned int count, bool in)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		int r = in ? io_bus_read(vcpu, IO_PORT, port, size, buf + i * size) :
			     io_bus_write(vcpu, IO_PORT, port, size, buf + i * size);

		/* Devices take a port as a whole: the first item decides. */
		if (r && !i)
			return false;
	}
	return true;
}

/*
 * Every port access exits before its memory operand is looked at, and the frontend let
 * L2's pass on what the exit said.  An access that is another one comes of bytes that
 * changed since: L1's intercepts have not been asked about it.
 */
static bool pio_of_exit(const struct guest_exit *x, u16 port, unsigned int size, bool in)
{
	return x->reason == EXIT_IOIO && (u16)(x->info1 >> 16) == port &&
	       (x->info1 >> 4 & 7) == size && (x->info1 & 1) == in;
}

enum x86_result emu_pio(struct nestor_vcpu *vcpu, u16 port, unsigned int size, u8 *buf,
			unsigned int count, bool in)
{
	struct vcpu_mmio *m = &vcpu->mmio;
	struct kvm_run *kr = vcpu->kvm_run;
	u32 len = size * count;

	if (len > PIO_MAX)
		return X86_EMUL_UNHANDLED;
	if (vcpu_in_l2(vcpu) && !pio_of_exit(&vcpu->run->exit, port, size, in))
		return X86_EMUL_RESTART;
	if (m->pio.valid && m->pio.done && m->pio.port == port && m->pio.len == len &&
	    m->pio.in == in) {
		if (in)
			memcpy(buf, vcpu->pio_kept, len);
		return X86_EMUL_OK;
	}
	m->pio.valid = true;
	m->pio.done = false;
	m->pio.in = in;
	m->pio.port = port;
	m->pio.len = len;
	if (!in)
		memcpy(vcpu->pio_kept, buf, len);
	if (pio_in_kernel(vcpu, port, size, vcpu->pio_kept, count, in)) {
		vcpu->stats.pio_kernel++;
		m->pio.done = true;
		if (in)
			memcpy(buf, vcpu->pio_kept, len);
		return X86_EMUL_OK;
	}
	if (!in)
		memcpy(vcpu->pio_data, vcpu->pio_kept, len);
	kr->exit_reason = KVM_EXIT_IO;
	kr->io.direction = in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	kr->io.size = size;
	kr->io.port = port;
	kr->io.count = count;
	kr->io.data_offset = PAGE_SIZE;
	vcpu->completion.finish = finish_pio_emulated;
	vcpu->stats.pio_user++;
	return X86_EMUL_USER;
}
