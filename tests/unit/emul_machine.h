/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine for the emulator's hand-written tests: 1 MiB of linear memory, a
 * device page, one port, and a log of what was accessed.
 *
 * Memory beyond the megabyte is not mapped. Accesses to the device page and to
 * the port can be made to need the VMM: the machine then answers USER once,
 * completes the access as a VMM would, and replays it when asked again.
 */
#ifndef NESTOR_TESTS_EMUL_MACHINE_H
#define NESTOR_TESTS_EMUL_MACHINE_H

#include <stdio.h>
#include <stdlib.h>

#include "emul/emul.h"
#include "tap.h"

#define MEM_SIZE	0x100000
#define DEVICE		0xf0000	/* one page */
#define MAX_LOG		1024

struct access {
	char kind;		/* r w c p i o */
	u64 addr;
	unsigned int len, count, flags;
};

static struct machine {
	struct x86_regs regs;
	struct x86_emul ctxt;
	struct x86_seg seg[8];
	u8 vec[16][32];
	struct access log[MAX_LOG];
	unsigned int logged;
	/* how the device and the port behave */
	bool via_user;		/* each access costs one USER */
	unsigned int done;	/* completed since the last retire */
	unsigned int replayed;	/* of those, seen again in this call */
	u64 done_value[16];
	unsigned int reads, writes;	/* side effects on device and port */
	u64 device_value, last_write;
	bool race;		/* somebody writes before each cmpxchg */
	unsigned int retired;
	struct x86_dtable dtable[2];
} m;

static u8 *memory;

static void log_access(char kind, u64 addr, unsigned int len, unsigned int count,
		       unsigned int flags)
{
	if (m.logged < MAX_LOG)
		m.log[m.logged++] = (struct access){ kind, addr, len, count, flags };
}

static enum x86_result mem_fault(struct x86_emul *ctxt, u64 addr, unsigned int access)
{
	ctxt->fault = (struct x86_fault){
		.vector = X86_VEC_PF, .has_error = true,
		.error = access & X86_ACC_WRITE ? 2 : 0, .cr2 = addr,
	};
	return X86_EMUL_FAULT;
}

static bool is_device(u64 addr)
{
	return addr >= DEVICE && addr < DEVICE + 0x1000;
}

/*
 * One access with a side effect. @value comes back for reads. The first time it
 * is done at once or by the VMM; a replay gives the old answer.
 */
static enum x86_result side_effect(bool read, u64 *value)
{
	if (m.replayed < m.done) {
		*value = read ? m.done_value[m.replayed] : *value;
		m.replayed++;
		return X86_EMUL_OK;
	}
	if (read) {
		m.reads++;
		m.done_value[m.done & 15] = m.device_value;
		*value = m.device_value++;
	} else {
		m.writes++;
		m.last_write = *value;
	}
	m.done++;
	if (m.via_user)
		return X86_EMUL_USER;
	m.replayed++;
	return X86_EMUL_OK;
}

static enum x86_result m_read(struct x86_emul *ctxt, u64 addr, void *buf,
			      unsigned int len, unsigned int access)
{
	log_access('r', addr, len, 1, access);
	if (addr + len > MEM_SIZE)
		return mem_fault(ctxt, addr, access);
	if (is_device(addr)) {
		u64 value = 0;
		enum x86_result r;

		if (access & X86_ACC_BATCH)
			return X86_EMUL_UNHANDLED;
		r = side_effect(true, &value);
		memset(buf, 0, len);
		memcpy(buf, &value, len < 8 ? len : 8);
		return r;
	}
	memcpy(buf, memory + addr, len);
	return X86_EMUL_OK;
}

static enum x86_result m_write(struct x86_emul *ctxt, u64 addr, const void *buf,
			       unsigned int len, unsigned int access)
{
	log_access('w', addr, len, 1, access);
	if (addr + len > MEM_SIZE)
		return mem_fault(ctxt, addr, access);
	if (is_device(addr)) {
		u64 value = 0;

		memcpy(&value, buf, len < 8 ? len : 8);
		return side_effect(false, &value);
	}
	memcpy(memory + addr, buf, len);
	return X86_EMUL_OK;
}

static enum x86_result m_cmpxchg(struct x86_emul *ctxt, u64 addr, const void *old,
				 const void *new, unsigned int len)
{
	if (is_device(addr))
		return m_write(ctxt, addr, new, len, X86_ACC_WRITE);
	log_access('c', addr, len, 1, 0);
	if (addr + len > MEM_SIZE)
		return mem_fault(ctxt, addr, X86_ACC_WRITE);
	if (m.race)
		memory[addr]++;
	if (memcmp(memory + addr, old, len))
		return X86_EMUL_RESTART;
	memcpy(memory + addr, new, len);
	return X86_EMUL_OK;
}

static enum x86_result m_probe(struct x86_emul *ctxt, u64 addr, unsigned int len,
			       unsigned int access)
{
	log_access('p', addr, len, 1, access);
	if (addr + len > MEM_SIZE)
		return mem_fault(ctxt, addr, access);
	return is_device(addr) && access & X86_ACC_BATCH ? X86_EMUL_UNHANDLED : X86_EMUL_OK;
}

static void m_seg(struct x86_emul *ctxt, unsigned int seg, struct x86_seg *out)
{
	(void)ctxt;
	*out = m.seg[seg];
}

static enum x86_result m_pio_in(struct x86_emul *ctxt, u16 port, unsigned int size,
				void *buf, unsigned int count)
{
	enum x86_result r;
	u64 value = 0;
	unsigned int i;

	(void)ctxt;
	log_access('i', port, size, count, 0);
	r = side_effect(true, &value);
	for (i = 0; i < size * count; i++)
		((u8 *)buf)[i] = value + i;
	return r;
}

static enum x86_result m_pio_out(struct x86_emul *ctxt, u16 port, unsigned int size,
				 const void *buf, unsigned int count)
{
	u64 value = 0;

	(void)ctxt;
	log_access('o', port, size, count, 0);
	memcpy(&value, buf, size * count < 8 ? size * count : 8);
	return side_effect(false, &value);
}

static void m_read_vec(struct x86_emul *ctxt, unsigned int reg, void *buf, unsigned int len)
{
	(void)ctxt;
	memcpy(buf, m.vec[reg], len);
}

static void m_write_vec(struct x86_emul *ctxt, unsigned int reg, const void *buf,
			unsigned int len, bool zero_upper)
{
	(void)ctxt;
	if (zero_upper)
		memset(m.vec[reg], 0, 32);
	memcpy(m.vec[reg], buf, len);
}

static enum x86_result m_get_dtable(struct x86_emul *ctxt, bool idt, struct x86_dtable *out)
{
	(void)ctxt;
	*out = m.dtable[idt];
	return X86_EMUL_OK;
}

static enum x86_result m_set_dtable(struct x86_emul *ctxt, bool idt, const struct x86_dtable *table)
{
	(void)ctxt;
	m.dtable[idt] = *table;
	return X86_EMUL_OK;
}

static void m_retire(struct x86_emul *ctxt)
{
	(void)ctxt;
	m.retired++;
	m.done = 0;
	m.replayed = 0;
}

static const struct x86_emul_ops machine_ops = {
	.read = m_read, .write = m_write, .cmpxchg = m_cmpxchg, .probe = m_probe,
	.seg = m_seg, .pio_in = m_pio_in, .pio_out = m_pio_out,
	.read_vec = m_read_vec, .write_vec = m_write_vec, .retire = m_retire,
	.get_dtable = m_get_dtable, .set_dtable = m_set_dtable,
};

/* A fresh machine in @mode at rip 0x1000, CPL 0, flat or real-mode segments. */
static void machine(enum x86_mode mode)
{
	unsigned int i;

	if (!memory)
		memory = malloc(MEM_SIZE);
	memset(memory, 0, MEM_SIZE);
	memset(&m, 0, sizeof(m));
	m.ctxt.ops = &machine_ops;
	m.ctxt.regs = &m.regs;
	m.ctxt.cr0 = 0x33;
	m.ctxt.cr4 = 0x40600;
	m.ctxt.xcr0 = 7;
	m.ctxt.insn.mode = mode;
	m.regs.rip = 0x1000;
	m.regs.rflags = 2;
	m.device_value = 0x1122334455667700;
	for (i = 0; i < 8; i++) {
		m.seg[i] = (struct x86_seg){ .limit = 0xffffffff, .attrib = 0xc93 };
		if (mode < X86_MODE_16)
			m.seg[i] = (struct x86_seg){ .limit = 0xffff, .attrib = 0x93 };
	}
	m.seg[X86_SEG_CS].attrib = mode < X86_MODE_16 ? 0x9b : mode == X86_MODE_64 ? 0xa9b : 0xc9b;
	m.seg[X86_SEG_TR] = (struct x86_seg){ .base = 0x8000, .limit = 0x2067 + 1, .attrib = 0x8b };
}

/* Run one instruction once; -1 if it does not decode. */
static int run_bytes(const u8 *bytes, unsigned int len)
{
	int ret = x86_decode(&m.ctxt.insn, bytes, len, m.ctxt.insn.mode);

	if (ret || m.ctxt.insn.length != len)
		return -1;
	m.replayed = 0;
	return x86_emulate(&m.ctxt);
}

#define RUN(...) \
	run_bytes((const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

/* Did the instruction raise @vector and change no register? */
#define FAULTS(v, ...) ({						\
	struct x86_regs before_ = m.regs;				\
	int r_ = RUN(__VA_ARGS__);					\
	r_ == X86_EMUL_FAULT && m.ctxt.fault.vector == (v) &&		\
		!memcmp(&before_, &m.regs, sizeof(before_));		\
})

static __maybe_unused u64 mem_get(u64 addr, unsigned int len)
{
	u64 value = 0;

	memcpy(&value, memory + addr, len);
	return value;
}

static __maybe_unused void mem_set(u64 addr, u64 value, unsigned int len)
{
	memcpy(memory + addr, &value, len);
}

#define GPR(r)	(m.regs.gpr[X86_##r])

#endif /* NESTOR_TESTS_EMUL_MACHINE_H */
