/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * x86 instruction emulator: execute one instruction in software.
 *
 * Pure: registers in a struct, everything else behind struct x86_emul_ops. It
 * is asked when an access cannot be left to the hardware: device memory,
 * read-only slots, port strings. What it does not cover it refuses before
 * anything has changed; it never guesses.
 *
 * Not looked at, and left to the caller: RFLAGS.TF, debug registers, the
 * interrupt shadow (no emulated instruction starts one), RFLAGS.AC alignment
 * checks, intercepts of a nested guest.
 */
#ifndef NESTOR_EMUL_EMUL_H
#define NESTOR_EMUL_EMUL_H

#include "insn.h"

struct x86_emul;

/**
 * struct x86_regs - general registers
 * @gpr: by hardware number, RSP is gpr[4]
 * @rip: of the instruction until it is complete, then of the next
 * @rflags: all of it; bit 1 is the caller's
 */
struct x86_regs {
	u64 gpr[16];
	u64 rip;
	u64 rflags;
};

/**
 * struct x86_seg - hidden part of a segment register
 * @base: linear base
 * @limit: last byte offset, granularity already applied
 * @attrib: as in the VMCB: type 3:0, S 4, DPL 6:5, P 7, AVL 8, L 9, D/B 10,
 *	G 11. P = 0 stands for null and unusable too.
 * @selector: visible part
 */
struct x86_seg {
	u64 base;
	u32 limit;
	u16 attrib;
	u16 selector;
};

#define X86_SEG_TYPE	0x00fu
#define X86_SEG_CODE	0x008u
#define X86_SEG_EXPDOWN	0x004u	/* of data */
#define X86_SEG_RW	0x002u	/* readable code, writable data */
#define X86_SEG_S	0x010u
#define X86_SEG_P	0x080u
#define X86_SEG_DB	0x400u

/**
 * enum x86_result - what became of the instruction
 * @X86_EMUL_OK: complete; registers committed, RFLAGS.RF cleared
 * @X86_EMUL_FAULT: x86_emul.fault is to be injected; registers unchanged but
 *	for completed iterations of a repeated string instruction
 * @X86_EMUL_USER: an access needs the VMM; registers as with FAULT. Call again
 *	later with the registers untouched; the same accesses come in the same
 *	order.
 * @X86_EMUL_UNHANDLED: not covered; registers as with FAULT
 * @X86_EMUL_RESTART: registers committed, RIP still at the instruction; enter
 *	the guest or call again: string instruction in progress, or another CPU
 *	changed the operand of a locked instruction
 */
enum x86_result {
	X86_EMUL_OK,
	X86_EMUL_FAULT,
	X86_EMUL_USER,
	X86_EMUL_UNHANDLED,
	X86_EMUL_RESTART,
};

#define X86_VEC_DE	0
#define X86_VEC_UD	6
#define X86_VEC_NM	7
#define X86_VEC_SS	12
#define X86_VEC_GP	13
#define X86_VEC_PF	14

/**
 * struct x86_fault - the exception that the instruction raised
 * @vector: exception vector
 * @has_error: an error code goes with it
 * @error: the error code
 * @cr2: faulting linear address, #PF only
 */
struct x86_fault {
	u8 vector;
	bool has_error;
	u32 error;
	u64 cr2;
};

/**
 * struct x86_dtable - a descriptor-table register
 * @base: linear address
 * @limit: in bytes, less one
 */
struct x86_dtable {
	u64 base;
	u16 limit;
};

/* Access kinds for the memory ops */
#define X86_ACC_READ		BIT(0)	/* the value is used */
#define X86_ACC_WRITE		BIT(1)	/* fault as a write does */
#define X86_ACC_IMPLICIT	BIT(2)	/* by the CPU itself: supervisor at any CPL */
#define X86_ACC_BATCH		BIT(3)	/* several items: plain memory or UNHANDLED */

/** X86_EMUL_PIO_MAX - most bytes of one pio_in or pio_out, and of the memory
 * access that goes with it
 */
#define X86_EMUL_PIO_MAX	1024

/** X86_EMUL_REP_MAX - most iterations of a string instruction in one call */
#define X86_EMUL_REP_MAX	256

/**
 * struct x86_emul_ops - what surrounds the CPU core
 *
 * No op is NULL. Those that return enum x86_result return OK, FAULT (having
 * filled @ctxt->fault), USER or UNHANDLED, and cmpxchg, pio_in and pio_out also RESTART. Addresses
 * are linear; segmentation has been done, paging has not. An access may cross a
 * page. It may be of any length up to 32 bytes.
 *
 * Port strings ask for many items at once, up to %X86_EMUL_PIO_MAX bytes on one
 * page, and say so with %X86_ACC_BATCH. To that read and probe answer UNHANDLED
 * if they meet anything but plain memory, and the emulator goes item by item.
 *
 * Replay: when an op answers USER, the emulator stops. Called again it repeats
 * the instruction (or the unfinished iteration) from its start; ops that had
 * completed must then answer the same again without a second side effect.
 * @retire ends that: what was completed before belongs to the past.
 */
struct x86_emul_ops {
	/**
	 * @read: read memory. @access has %X86_ACC_WRITE set too when the same
	 * operand is written afterwards: check for a write at once, so that a
	 * #PF has the W bit and comes before any side effect.
	 */
	enum x86_result (*read)(struct x86_emul *ctxt, u64 addr, void *buf,
				unsigned int len, unsigned int access);
	/** @write: write memory. */
	enum x86_result (*write)(struct x86_emul *ctxt, u64 addr,
				 const void *buf, unsigned int len,
				 unsigned int access);
	/**
	 * @cmpxchg: locked write: store @new if memory still holds @old (what
	 * @read returned), else RESTART. For device memory: a plain write.
	 * @len is 1, 2, 4, 8 or 16.
	 */
	enum x86_result (*cmpxchg)(struct x86_emul *ctxt, u64 addr,
				   const void *old, const void *new,
				   unsigned int len);
	/** @probe: check paging for @access; touch nothing. */
	enum x86_result (*probe)(struct x86_emul *ctxt, u64 addr,
				 unsigned int len, unsigned int access);
	/**
	 * @seg: hidden part of enum x86_seg_id, up to %X86_SEG_TR (port access);
	 * the same all through one instruction.
	 */
	void (*seg)(struct x86_emul *ctxt, unsigned int seg, struct x86_seg *out);
	/** @get_dtable: GDTR or, with @idt, IDTR; RESTART: the CPU has to see this instruction, which exits */
	enum x86_result (*get_dtable)(struct x86_emul *ctxt, bool idt, struct x86_dtable *out);
	/** @set_dtable: load it; the base is canonical; RESTART as above */
	enum x86_result (*set_dtable)(struct x86_emul *ctxt, bool idt, const struct x86_dtable *table);
	/** @pio_in: read @count items of @size (1, 2, 4) bytes from one port. */
	enum x86_result (*pio_in)(struct x86_emul *ctxt, u16 port,
				  unsigned int size, void *buf,
				  unsigned int count);
	/** @pio_out: write them. */
	enum x86_result (*pio_out)(struct x86_emul *ctxt, u16 port,
				   unsigned int size, const void *buf,
				   unsigned int count);
	/** @read_vec: the low @len (16 or 32) bytes of XMM/YMM @reg. */
	void (*read_vec)(struct x86_emul *ctxt, unsigned int reg, void *buf,
			 unsigned int len);
	/** @write_vec: set them; with @zero_upper clear the register above. */
	void (*write_vec)(struct x86_emul *ctxt, unsigned int reg,
			  const void *buf, unsigned int len, bool zero_upper);
	/** @retire: registers have been committed; forget completed accesses. */
	void (*retire)(struct x86_emul *ctxt);
};

/**
 * struct x86_emul - one emulation
 * @ops: see there
 * @priv: the caller's
 * @regs: the caller's registers; written only when something is committed
 * @insn: filled by x86_decode() from the bytes at @regs->rip
 * @cr0: guest CR0
 * @cr4: guest CR4 (LA57, OSFXSR, OSXSAVE)
 * @xcr0: guest XCR0
 * @msw: writes the machine status word: CR0[3:0], of which PE cannot be cleared; NULL where
 *	SMSW and LMSW are not wanted, which are X86_EMUL_UNHANDLED then
 * @cpl: current privilege level
 * @fault: result with %X86_EMUL_FAULT
 * @work: private: registers in progress
 * @mem_addr: private: linear address of the memory destination
 *
 * All of it belongs to the vCPU's thread; no locking.
 */
struct x86_emul {
	const struct x86_emul_ops *ops;
	void *priv;
	struct x86_regs *regs;
	struct x86_insn insn;
	u64 cr0;
	u64 cr4;
	u64 xcr0;
	enum x86_result (*msw)(struct x86_emul *ctxt, u16 value);
	u8 cpl;
	struct x86_fault fault;
	struct x86_regs work;
	u64 mem_addr;
};

/**
 * x86_emulate - execute the instruction in @ctxt->insn
 * @ctxt: @ops, @regs, @insn and the control registers are filled
 *
 * Return: enum x86_result.
 */
enum x86_result x86_emulate(struct x86_emul *ctxt);

/**
 * x86_emul_address - linear address of the memory operand in @ctxt->insn
 * @ctxt: as for x86_emulate(); @ctxt->regs is only read
 * @len: bytes that will be accessed, at least 1
 * @access: X86_ACC_READ and X86_ACC_WRITE; 0 skips segment and canonical checks
 *	(INVLPG)
 * @linear: the address
 *
 * For instructions that somebody else carries out: INVLPG, LMSW, LGDT, the VMX
 * instructions with a memory operand, ...
 *
 * Return: OK; FAULT with @ctxt->fault filled; UNHANDLED if there is no memory
 * operand.
 */
enum x86_result x86_emul_address(struct x86_emul *ctxt, unsigned int len,
				 unsigned int access, u64 *linear);

/**
 * x86_emul_next_rip - RIP behind an instruction, wrapped as its mode does
 * @insn: decoded
 * @rip: where it is
 */
static inline u64 x86_emul_next_rip(const struct x86_insn *insn, u64 rip)
{
	rip += insn->length;
	return insn->mode == X86_MODE_64 ? rip : (u32)rip;
}

#endif /* NESTOR_EMUL_EMUL_H */
