/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * x86 instruction decoder: what one instruction is and how long it is.
 *
 * Pure: bytes in, description out, no state. It serves two callers. The run
 * loop skips an intercepted instruction on a CPU that does not report the next
 * RIP, and checks that the bytes are what the exit claims. The emulator takes
 * the operands from here.
 */
#ifndef NESTOR_EMUL_INSN_H
#define NESTOR_EMUL_INSN_H

#include "../pure.h"

/** X86_INSN_MAX - longest instruction in bytes; one byte more is #GP(0) */
#define X86_INSN_MAX	15

/**
 * enum x86_mode - what decides default sizes and which encodings exist
 * @X86_MODE_REAL: CR0.PE = 0
 * @X86_MODE_VM86: RFLAGS.VM = 1
 * @X86_MODE_16: protected or compatibility mode, CS.D = 0
 * @X86_MODE_32: protected or compatibility mode, CS.D = 1
 * @X86_MODE_64: EFER.LMA = 1 and CS.L = 1
 */
enum x86_mode {
	X86_MODE_REAL,
	X86_MODE_VM86,
	X86_MODE_16,
	X86_MODE_32,
	X86_MODE_64,
};

/* Hardware numbers of the segment registers; TR and LDTR follow for lookups. */
enum x86_seg_id {
	X86_SEG_ES,
	X86_SEG_CS,
	X86_SEG_SS,
	X86_SEG_DS,
	X86_SEG_FS,
	X86_SEG_GS,
	X86_SEG_TR,
	X86_SEG_LDTR,
};

enum x86_gpr_id {
	X86_RAX, X86_RCX, X86_RDX, X86_RBX, X86_RSP, X86_RBP, X86_RSI, X86_RDI,
	X86_R8, X86_R9, X86_R10, X86_R11, X86_R12, X86_R13, X86_R14, X86_R15,
	X86_REG_RIP,		/* base of a RIP-relative operand */
	X86_REG_NONE = 0xff,
};

/* struct x86_insn.prefixes */
#define X86_PFX_LOCK	BIT(0)
#define X86_PFX_REP	BIT(1)	/* F3 was the last of F2 and F3 */
#define X86_PFX_REPNE	BIT(2)	/* F2 was the last of F2 and F3 */
#define X86_PFX_OPSIZE	BIT(3)	/* 66 */
#define X86_PFX_ADSIZE	BIT(4)	/* 67 */
#define X86_PFX_SEG	BIT(5)	/* an override that this mode honours */

/* struct x86_insn.rex, from REX, VEX, EVEX or XOP alike */
#define X86_REX_B	BIT(0)
#define X86_REX_X	BIT(1)
#define X86_REX_R	BIT(2)
#define X86_REX_W	BIT(3)
#define X86_REX_ANY	BIT(6)	/* a REX byte is present: SPL..DIL, not AH..BH */

enum x86_encoding {
	X86_ENC_LEGACY,
	X86_ENC_VEX,
	X86_ENC_EVEX,
	X86_ENC_XOP,
};

enum x86_map {
	X86_MAP_1BYTE,
	X86_MAP_0F,
	X86_MAP_0F38,
	X86_MAP_0F3A,
	X86_MAP_3DNOW,
	X86_MAP_OTHER,		/* XOP 8..10, EVEX 5 and 6: length only */
};

/**
 * enum x86_op - the instruction, as far as somebody asks
 *
 * %X86_OP_NONE marks an undefined encoding, %X86_OP_OTHER a valid one that
 * nobody intercepts or emulates.
 */
enum x86_op {
	X86_OP_NONE,
	X86_OP_OTHER,

	/* Emulated: data movement and arithmetic. */
	X86_OP_MOV, X86_OP_MOVSX, X86_OP_MOVBE, X86_OP_MOV_FROM_SEG,
	X86_OP_LEA, X86_OP_XCHG, X86_OP_XADD, X86_OP_CMPXCHG,
	X86_OP_CMPXCHG8B,	/* and CMPXCHG16B with REX.W */
	X86_OP_ADD, X86_OP_OR, X86_OP_ADC, X86_OP_SBB,
	X86_OP_AND, X86_OP_SUB, X86_OP_XOR, X86_OP_CMP,
	X86_OP_TEST, X86_OP_INC, X86_OP_DEC, X86_OP_NOT, X86_OP_NEG,
	X86_OP_ROL, X86_OP_ROR, X86_OP_RCL, X86_OP_RCR,
	X86_OP_SHL, X86_OP_SHR, X86_OP_SAR, X86_OP_SHLD, X86_OP_SHRD,
	X86_OP_BT, X86_OP_BTS, X86_OP_BTR, X86_OP_BTC,
	X86_OP_MUL, X86_OP_IMUL, X86_OP_DIV, X86_OP_IDIV,
	X86_OP_IMUL2,		/* two and three operand forms */
	X86_OP_SETCC, X86_OP_CMOVCC, X86_OP_XLAT,
	X86_OP_NOP,		/* also prefetches and fences */
	X86_OP_CLFLUSH,		/* CLFLUSH, CLFLUSHOPT, CLWB */
	X86_OP_PUSH, X86_OP_POP, X86_OP_CALL, X86_OP_JMP, X86_OP_RET,
	X86_OP_MOVS, X86_OP_CMPS, X86_OP_STOS, X86_OP_LODS, X86_OP_SCAS,
	X86_OP_IN, X86_OP_OUT, X86_OP_INS, X86_OP_OUTS,
	X86_OP_VLOAD, X86_OP_VSTORE,	/* SSE and AVX moves from and to memory */

	/* Known by name because an intercept exists or a caller asks. */
	X86_OP_CALL_REL, X86_OP_JMP_REL, X86_OP_JCC,
	X86_OP_CPUID, X86_OP_RDMSR, X86_OP_WRMSR, X86_OP_HLT,
	X86_OP_RDTSC, X86_OP_RDTSCP, X86_OP_RDPMC, X86_OP_RDPRU,
	X86_OP_INVD, X86_OP_WBINVD, X86_OP_WBNOINVD,
	X86_OP_MONITOR, X86_OP_MWAIT, X86_OP_MONITORX, X86_OP_MWAITX,
	X86_OP_XSETBV, X86_OP_XGETBV, X86_OP_XSAVES, X86_OP_XRSTORS,
	X86_OP_MOV_FROM_CR, X86_OP_MOV_TO_CR,
	X86_OP_MOV_FROM_DR, X86_OP_MOV_TO_DR,
	X86_OP_LMSW, X86_OP_SMSW, X86_OP_CLTS,
	X86_OP_INVLPG, X86_OP_INVPCID, X86_OP_INVLPGA, X86_OP_INVLPGB,
	X86_OP_TLBSYNC, X86_OP_PAUSE,
	X86_OP_VMRUN, X86_OP_VMMCALL, X86_OP_VMLOAD, X86_OP_VMSAVE,
	X86_OP_STGI, X86_OP_CLGI, X86_OP_SKINIT,
	X86_OP_VMCALL, X86_OP_VMLAUNCH, X86_OP_VMRESUME, X86_OP_VMXOFF,
	X86_OP_VMXON, X86_OP_VMPTRLD, X86_OP_VMPTRST, X86_OP_VMCLEAR,
	X86_OP_VMREAD, X86_OP_VMWRITE, X86_OP_INVEPT, X86_OP_INVVPID,
	X86_OP_VMFUNC,
	X86_OP_SGDT, X86_OP_SIDT, X86_OP_LGDT, X86_OP_LIDT,
	X86_OP_SLDT, X86_OP_STR, X86_OP_LLDT, X86_OP_LTR,
	X86_OP_IRET, X86_OP_PUSHF, X86_OP_POPF,
	X86_OP_INT, X86_OP_INT3, X86_OP_INTO, X86_OP_ICEBP, X86_OP_RSM,
	X86_OP_RDRAND, X86_OP_RDSEED, X86_OP_RDPID, X86_OP_MCOMMIT,
	X86_OP_SYSCALL, X86_OP_SYSRET, X86_OP_SYSENTER, X86_OP_SYSEXIT,
	X86_OP_GETSEC, X86_OP_ENCLS, X86_OP_ENCLU, X86_OP_ENCLV, X86_OP_PCONFIG,
	X86_OP_UMONITOR, X86_OP_UMWAIT, X86_OP_TPAUSE,
	X86_OP_CLI, X86_OP_STI, X86_OP_UD,
	X86_OP_COUNT,
};

enum x86_opnd_type {
	X86_OPND_NONE,
	X86_OPND_REG,
	X86_OPND_MEM,
	X86_OPND_IMM,
	X86_OPND_SEG,
	X86_OPND_VEC,
};

/**
 * struct x86_operand - one explicit operand
 * @type: enum x86_opnd_type
 * @size: bytes: 1, 2, 4, 8, 16 or 32
 * @reg: register number for REG, SEG and VEC
 * @high: REG of one byte: bits 15:8 of @reg (AH, CH, DH, BH)
 */
struct x86_operand {
	u8 type;
	u8 size;
	u8 reg;
	bool high;
};

/**
 * struct x86_insn - one decoded instruction
 * @length: bytes, 1..15
 * @mode: enum x86_mode it was decoded for
 * @encoding: enum x86_encoding
 * @map: enum x86_map
 * @opcode: last opcode byte
 * @op: enum x86_op
 * @ud: every CPU answers #UD (LOCK on an instruction that does not take it,
 *	a memory-only instruction with a register operand, ...)
 * @prefixes: X86_PFX_*
 * @rex: X86_REX_*
 * @vex_l: VEX.L or EVEX.L'L: 0, 1, 2 for 128, 256, 512 bits
 * @vex_v: VEX.vvvv as a register number; 0 means "none" too
 * @seg_override: enum x86_seg_id, valid with %X86_PFX_SEG
 * @opsize: effective operand size in bytes, 2, 4 or 8
 * @adsize: effective address size in bytes, 2, 4 or 8
 * @has_modrm: a ModRM byte is present
 * @modrm: the byte itself
 * @reg: ModRM.reg with REX.R
 * @rm: ModRM.rm with REX.B
 * @seg: segment of the memory operand, overrides applied
 * @base: base register, %X86_REG_RIP or %X86_REG_NONE
 * @index: index register or %X86_REG_NONE
 * @scale: shift count of the index, 0..3
 * @disp: displacement or moffs, sign-extended
 * @imm: immediate, extended to 64 bits as the instruction does
 * @imm2: second immediate (ENTER, far pointer selector)
 * @dst: first operand
 * @src: second operand
 * @src2: third operand
 * @flags: private to the emulator (D_* of the opcode tables)
 */
struct x86_insn {
	u8 length;
	u8 mode;
	u8 encoding;
	u8 map;
	u8 opcode;
	u8 op;
	bool ud;
	u8 prefixes;
	u8 rex;
	u8 vex_l;
	u8 vex_v;
	u8 seg_override;
	u8 opsize;
	u8 adsize;
	bool has_modrm;
	u8 modrm;
	u8 reg;
	u8 rm;
	u8 seg;
	u8 base;
	u8 index;
	u8 scale;
	u16 imm2;
	struct x86_operand dst;
	struct x86_operand src;
	struct x86_operand src2;
	u32 flags;
	u64 disp;
	u64 imm;
};

/**
 * enum x86_decode_result - answer of x86_decode()
 * @X86_DECODE_OK: @insn is filled; look at its @ud
 * @X86_DECODE_SHORT: the bytes end within the instruction: fetch more (the
 *	page behind may fault) and decode again
 * @X86_DECODE_TOO_LONG: more than 15 bytes: the CPU answers #GP(0)
 * @X86_DECODE_UNKNOWN: undefined or not known here; the length is not known
 */
enum x86_decode_result {
	X86_DECODE_OK,
	X86_DECODE_SHORT,
	X86_DECODE_TOO_LONG,
	X86_DECODE_UNKNOWN,
};

/**
 * x86_decode - decode one instruction
 * @insn: result; contents undefined unless %X86_DECODE_OK is returned
 * @bytes: instruction bytes, copied from the guest before the call
 * @len: how many there are; those behind the instruction are not looked at
 * @mode: enum x86_mode at the time of the fetch
 *
 * AMD and Intel differ for near branches with an operand-size prefix in 64-bit
 * mode; the answer is AMD's (a 16-bit displacement).
 *
 * Reference: APM vol. 3, "Instruction Encoding" and "Opcode and Operand
 * Encodings"; SDM vol. 2, "Instruction Format" and "Opcode Map".
 *
 * Return: enum x86_decode_result.
 */
int x86_decode(struct x86_insn *insn, const u8 *bytes, unsigned int len,
	       enum x86_mode mode);

/**
 * x86_insn_is - are these bytes the instruction that the exit claims?
 * @insn: successfully decoded
 * @op: the claim
 *
 * An encoding that every CPU refuses is not the claimed instruction: it cannot
 * have been intercepted, so the bytes have changed since.
 */
static inline bool x86_insn_is(const struct x86_insn *insn, enum x86_op op)
{
	return insn->op == op && !insn->ud;
}

/**
 * x86_claimed_length - length of the instruction that an exit claims
 * @op: the claim
 * @bytes: instruction bytes, copied from the guest before the call
 * @len: how many there are
 * @mode: enum x86_mode at the time of the fetch
 *
 * For skipping an intercepted instruction on a CPU that does not report the
 * next RIP. The usual encodings without a prefix are compared at once, all
 * others decoded.
 *
 * Return: 1..15, or 0 if the bytes are not that instruction or do not suffice
 * (x86_decode() tells which).
 */
unsigned int x86_claimed_length(enum x86_op op, const u8 *bytes,
				unsigned int len, enum x86_mode mode);

/* x86_one_access() - does it access memory, if at all, in one explicit operand and nowhere else? */
static inline bool x86_one_access(const struct x86_insn *insn)
{
	return (insn->op >= X86_OP_MOV && insn->op <= X86_OP_XLAT) || insn->op == X86_OP_VLOAD ||
	       insn->op == X86_OP_VSTORE;
}

#endif /* NESTOR_EMUL_INSN_H */
