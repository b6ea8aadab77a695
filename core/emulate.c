// SPDX-License-Identifier: GPL-2.0-only
/*
 * Glue between the pure emulator and this vCPU: guest memory and registers.  Devices are in
 * core/emulate_dev.c.
 */
#include <uapi/asm/debugreg.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "core/emulate.h"
#include "core/events.h"
#include "core/guest_debug.h"
#include "core/insn.h"
#include "core/msr.h"
#include "mmu/gva.h"
#include "mmu/mmu.h"

struct emu {
	struct x86_emul x;
	struct nestor_vcpu *vcpu;
	u64 rip;		/* of the instruction */
	bool reflected;		/* L1 became current: leave L2's registers alone */
};

static struct emu *to_emu(struct x86_emul *x)
{
	return container_of(x, struct emu, x);
}

/* The CPU has translated the address already.  When the instruction runs again it has to be the same one. */
static bool translated(struct emu *e, u64 addr, u32 access, struct l1_gpa *gpa)
{
	struct vcpu_mmio *m = &e->vcpu->mmio;

	if (!x86_one_access(&e->x.insn) || (m->nr && m->gva != addr))
		return false;
	m->gva = addr;
	return gva_of_exit(e->vcpu, addr, access, gpa);
}

static enum x86_result translate(struct emu *e, u64 addr, unsigned int access,
				 struct l1_gpa *gpa)
{
	struct gva_fault fault = {};
	u32 acc = access & X86_ACC_WRITE ? ACC_WRITE : 0;

	if (!(access & X86_ACC_IMPLICIT) && translated(e, addr, acc, gpa))
		return X86_EMUL_OK;

	if (access & X86_ACC_IMPLICIT)
		acc |= ACC_IMPLICIT;
	else if (e->x.cpl == 3)
		acc |= ACC_USER;
	if (!gva_to_l1(e->vcpu, addr, acc, gpa, &fault))
		return X86_EMUL_OK;
	if (fault.reflected) {
		e->reflected = true;
		return X86_EMUL_USER;
	}
	e->x.fault = (struct x86_fault){
		.vector = X86_TRAP_PF, .has_error = true,
		.error = fault.error, .cr2 = fault.addr,
	};
	return X86_EMUL_FAULT;
}

static unsigned int in_page(u64 addr, unsigned int len)
{
	return min_t(unsigned int, len, PAGE_SIZE - (addr & ~PAGE_MASK));
}

/* Translate all pages before the first byte moves, so that a fault leaves nothing half done. */
static enum x86_result translate_all(struct emu *e, u64 addr, unsigned int len,
				     unsigned int access, struct l1_gpa gpa[2])
{
	unsigned int first = in_page(addr, len);
	enum x86_result r = translate(e, addr, access, &gpa[0]);

	if (r != X86_EMUL_OK || first == len)
		return r;
	if (len - first > PAGE_SIZE)
		return X86_EMUL_UNHANDLED;
	return translate(e, addr + first, access, &gpa[1]);
}

static enum x86_result access_piece(struct nestor_vcpu *vcpu, struct l1_gpa gpa, void *data,
				    unsigned int len, bool write)
{
	bool readonly;
	int r;

	if (gmem_is_ram(vcpu, gpa, &readonly) && !(write && readonly)) {
		r = write ? gmem_write(vcpu, gpa, data, len) : gmem_read(vcpu, gpa, data, len);
		if (r)
			return X86_EMUL_UNHANDLED;
		return X86_EMUL_OK;
	}
	return mmio_access(vcpu, gpa.a, data, len, write);
}

/* Several items of a port string at once, on one page: memory only, never a device. */
static bool batch_allowed(struct nestor_vcpu *vcpu, struct l1_gpa gpa, unsigned int access)
{
	bool readonly;

	if (!(access & X86_ACC_BATCH))
		return true;
	return gmem_is_ram(vcpu, gpa, &readonly) && !(access & X86_ACC_WRITE && readonly);
}

static enum x86_result access_memory(struct emu *e, u64 addr, void *data, unsigned int len,
				     unsigned int access, bool write)
{
	unsigned int first = in_page(addr, len);
	struct l1_gpa gpa[2];
	enum x86_result r = translate_all(e, addr, len, access, gpa);

	if (r == X86_EMUL_OK && !batch_allowed(e->vcpu, gpa[0], access))
		r = X86_EMUL_UNHANDLED;
	if (r == X86_EMUL_OK)
		r = access_piece(e->vcpu, gpa[0], data, first, write);
	if (r == X86_EMUL_OK && first < len)
		r = access_piece(e->vcpu, gpa[1], (u8 *)data + first, len - first, write);
	return r;
}

static enum x86_result emu_read(struct x86_emul *x, u64 addr, void *buf, unsigned int len,
				unsigned int access)
{
	return access_memory(to_emu(x), addr, buf, len, access, false);
}

static enum x86_result emu_write(struct x86_emul *x, u64 addr, const void *buf,
				 unsigned int len, unsigned int access)
{
	return access_memory(to_emu(x), addr, (void *)buf, len, access | X86_ACC_WRITE, true);
}

/* -EAGAIN: the instruction has to run again */
static enum x86_result result_of(int r)
{
	if (!r)
		return X86_EMUL_OK;
	return r == -EAGAIN ? X86_EMUL_RESTART : X86_EMUL_UNHANDLED;
}

static enum x86_result emu_cmpxchg(struct x86_emul *x, u64 addr, const void *old,
				   const void *new, unsigned int len)
{
	struct emu *e = to_emu(x);
	struct l1_gpa gpa[2];
	bool readonly;
	u8 expect[16];
	enum x86_result r;

	r = translate_all(e, addr, len, X86_ACC_WRITE, gpa);
	if (r != X86_EMUL_OK)
		return r;
	if (!gmem_is_ram(e->vcpu, gpa[0], &readonly) || readonly)
		return mmio_access(e->vcpu, gpa[0].a, (u8 *)new, len, true);
	/* A split or 16-byte lock cannot be had through the VMM's mapping. */
	if (len > 8 || (addr & (len - 1)))
		return X86_EMUL_UNHANDLED;
	memcpy(expect, old, len);
	return result_of(gmem_cmpxchg(e->vcpu, gpa[0], expect, new, len));
}

static enum x86_result emu_probe(struct x86_emul *x, u64 addr, unsigned int len,
				 unsigned int access)
{
	struct l1_gpa gpa[2];
	enum x86_result r = translate_all(to_emu(x), addr, len, access, gpa);

	if (r == X86_EMUL_OK && !batch_allowed(to_emu(x)->vcpu, gpa[0], access))
		r = X86_EMUL_UNHANDLED;
	return r;
}

static void emu_seg(struct x86_emul *x, unsigned int seg, struct x86_seg *out)
{
	static const u8 ids[] = {
		[X86_SEG_ES] = SEG_ES, [X86_SEG_CS] = SEG_CS, [X86_SEG_SS] = SEG_SS,
		[X86_SEG_DS] = SEG_DS, [X86_SEG_FS] = SEG_FS, [X86_SEG_GS] = SEG_GS,
		[X86_SEG_TR] = SEG_TR, [X86_SEG_LDTR] = SEG_LDTR,
	};
	const struct guest_seg *s = run_seg(to_emu(x)->vcpu->run, ids[seg & 7]);

	out->base = s->base;
	out->limit = s->limit;
	out->attrib = s->attrib;
	out->selector = s->sel;
}

static enum x86_result emu_pio_in(struct x86_emul *x, u16 port, unsigned int size, void *buf,
				  unsigned int count)
{
	return emu_pio(to_emu(x)->vcpu, port, size, buf, count, true);
}

static enum x86_result emu_pio_out(struct x86_emul *x, u16 port, unsigned int size,
				   const void *buf, unsigned int count)
{
	return emu_pio(to_emu(x)->vcpu, port, size, (u8 *)buf, count, false);
}

static void emu_read_vec(struct x86_emul *x, unsigned int reg, void *buf, unsigned int len)
{
	fpu_read_vec(&to_emu(x)->vcpu->fpu, reg, buf, len);
}

static void emu_write_vec(struct x86_emul *x, unsigned int reg, const void *buf,
			  unsigned int len, bool zero_upper)
{
	fpu_write_vec(&to_emu(x)->vcpu->fpu, reg, buf, len, zero_upper);
}

/* The bytes may have changed since the CPU saw them: what L0 or L1 intercepts is not done here. */
static bool dtable_exits(const struct guest_run *run, u32 idt_bit, u32 gdt_bit, bool idt)
{
	return run->intercept[ICPT_MISC1] & (idt ? idt_bit : gdt_bit);
}

static enum x86_result emu_get_dtable(struct x86_emul *x, bool idt, struct x86_dtable *out)
{
	struct guest_run *run = to_emu(x)->vcpu->run;
	const struct guest_dtable *table = idt ? &run->idtr : &run->gdtr;

	if (dtable_exits(run, ICPT_IDTR_READ, ICPT_GDTR_READ, idt))
		return X86_EMUL_RESTART;
	run_need(run, GRP_DTABLE);
	*out = (struct x86_dtable){ .base = table->base, .limit = table->limit };
	return X86_EMUL_OK;
}

static enum x86_result emu_set_dtable(struct x86_emul *x, bool idt, const struct x86_dtable *table)
{
	struct guest_run *run = to_emu(x)->vcpu->run;

	if (dtable_exits(run, ICPT_IDTR_WRITE, ICPT_GDTR_WRITE, idt))
		return X86_EMUL_RESTART;
	run_need(run, GRP_DTABLE);
	*(idt ? &run->idtr : &run->gdtr) = (struct guest_dtable){ .base = table->base, .limit = table->limit };
	run_dirty(run, GRP_DTABLE);
	return X86_EMUL_OK;
}

static void store_regs(struct guest_run *run, const struct x86_regs *regs)
{
	memcpy(run->gpr, regs->gpr, sizeof(regs->gpr));
	run->rip = regs->rip;
	run->rflags = regs->rflags;
}

/*
 * At once, not at the end: a later iteration of a string instruction may reflect
 * a nested page fault, and L1 has to find the registers of the finished ones.
 */
static void emu_retire(struct x86_emul *x)
{
	store_regs(to_emu(x)->vcpu->run, x->regs);
	mmio_reset(&to_emu(x)->vcpu->mmio);
}

static const struct x86_emul_ops emu_ops = {
	.read = emu_read,
	.write = emu_write,
	.cmpxchg = emu_cmpxchg,
	.probe = emu_probe,
	.seg = emu_seg,
	.get_dtable = emu_get_dtable,
	.set_dtable = emu_set_dtable,
	.pio_in = emu_pio_in,
	.pio_out = emu_pio_out,
	.read_vec = emu_read_vec,
	.write_vec = emu_write_vec,
	.retire = emu_retire,
};

static enum run_action emulation_done(struct emu *e, struct guest_run *run, enum x86_result r)
{
	struct nestor_vcpu *vcpu = e->vcpu;

	vcpu->mmio.next = 0;
	if (e->reflected) {
		/* A nested page fault took L1 over; L2 will run the instruction again. */
		mmio_reset(&vcpu->mmio);
		return RESUME_GUEST;
	}
	switch (r) {
	case X86_EMUL_OK:
		mmio_reset(&vcpu->mmio);
		run->int_shadow = false;
		insn_retired(vcpu, run->rip != x86_emul_next_rip(&e->x.insn, e->rip));
		return RESUME_GUEST;
	case X86_EMUL_RESTART:
		return RESUME_GUEST;
	case X86_EMUL_USER:
		return EXIT_USER;
	case X86_EMUL_FAULT:
		mmio_reset(&vcpu->mmio);
		if (e->x.fault.vector == X86_TRAP_PF)
			queue_page_fault(vcpu, e->x.fault.error, e->x.fault.cr2);
		else if (e->x.fault.has_error)
			queue_exception_error(vcpu, e->x.fault.vector, e->x.fault.error);
		else
			queue_exception(vcpu, e->x.fault.vector);
		return RESUME_GUEST;
	default:
		mmio_reset(&vcpu->mmio);
		return emulation_error(vcpu);
	}
}

static enum x86_result emu_msw(struct x86_emul *x, u16 value)
{
	/* Of these bits there is no combination that a write refuses. */
	return result_of(cr0_write_msw(to_emu(x)->vcpu, value));
}

/*
 * The bytes may have changed since the exit.  SMSW and LMSW (@msw) are known to nobody else, and a port
 * exits before anything else is done: another instruction the CPU has to see itself.
 */
static bool is_of_exit(const struct guest_exit *x, enum x86_op op, enum x86_op msw)
{
	if (msw)
		return op == msw;
	return x->reason != EXIT_IOIO || op == X86_OP_INS || op == X86_OP_OUTS;
}

/* @msw: SMSW or LMSW, if it is that still; NONE: what there is, and neither of them */
static enum run_action emulate(struct nestor_vcpu *vcpu, enum x86_op msw)
{
	struct guest_run *run = vcpu->run;
	struct emu e = { .vcpu = vcpu, .rip = run->rip };
	u8 bytes[MAX_INSN_LEN];
	struct x86_regs regs;
	unsigned int len;
	int r;

	r = vcpu_fetch(vcpu, &e.x.insn, bytes, &len);
	if (r)
		return insn_failed(vcpu, r);
	if (!is_of_exit(&run->exit, e.x.insn.op, msw)) {
		mmio_reset(&vcpu->mmio);
		return RESUME_GUEST;
	}
	vcpu->stats.emulated++;
	run_need(run, GRP_CR);
	memcpy(regs.gpr, run->gpr, sizeof(regs.gpr));
	regs.rip = run->rip;
	regs.rflags = run->rflags;
	e.x.ops = &emu_ops;
	if (msw)
		e.x.msw = emu_msw;
	e.x.regs = &regs;
	e.x.cr0 = run->cr0;
	e.x.cr4 = run->cr4;
	e.x.xcr0 = vcpu->fpu.xcr0;
	e.x.cpl = run->cpl;
	vcpu->mmio.next = 0;
	return emulation_done(&e, run, x86_emulate(&e.x));
}

enum run_action emulate_at_rip(struct nestor_vcpu *vcpu)
{
	return emulate(vcpu, X86_OP_NONE);
}

enum run_action emulate_msw(struct nestor_vcpu *vcpu, enum x86_op op)
{
	return emulate(vcpu, op);
}
