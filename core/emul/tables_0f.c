// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two-byte (0F) opcode map and the little that is named of 0F 38 and 0F 3A.
 *
 * Reference: APM vol. 3, "Opcode and Operand Encodings", secondary opcode map
 * and ModRM extensions; SDM vol. 2, "Opcode Map", and vol. 3, "VMX Instruction
 * Reference".
 *
 * Vector instructions carry their length and, for plain moves, their meaning;
 * of all others it is enough to know how long they are.
 */
#include "tables.h"

#define OTHER(f)	OP0(OTHER, f)
#define M_		D_MODRM

/* 0F 00 */
static const struct x86_opdesc grp6[8] = {
	OP0(SLDT, 0), OP0(STR, 0), OP0(LLDT, 0), OP0(LTR, 0),
	OTHER(0), OTHER(0), UD_, UD_,
};

/* 0F 01: eight memory forms, and a ninth table for each register form. */
static const struct x86_opdesc grp7_r0[8] = {
	OP0(ENCLV, 0), OP0(VMCALL, 0), OP0(VMLAUNCH, 0), OP0(VMRESUME, 0),
	OP0(VMXOFF, 0), OP0(PCONFIG, 0), OTHER(0), UD_,
};

static const struct x86_opdesc grp7_r1[8] = {
	OP0(MONITOR, 0), OP0(MWAIT, 0), OTHER(0), OTHER(0),
	OTHER(0), OTHER(0), OTHER(0), OP0(ENCLS, 0),
};

static const struct x86_opdesc grp7_r2[8] = {
	OP0(XGETBV, 0), OP0(XSETBV, 0), UD_, UD_,
	OP0(VMFUNC, 0), OTHER(0), OTHER(0), OP0(ENCLU, 0),
};

static const struct x86_opdesc grp7_r3[8] = {
	OP0(VMRUN, 0), OP0(VMMCALL, 0), OP0(VMLOAD, 0), OP0(VMSAVE, 0),
	OP0(STGI, 0), OP0(CLGI, 0), OP0(SKINIT, 0), OP0(INVLPGA, 0),
};

static const struct x86_opdesc grp7_r5[8] = {
	OTHER(0), UD_, OTHER(0), UD_, OTHER(0), OTHER(0), OTHER(0), OTHER(0),
};

static const struct x86_opdesc pfx_fa[4] = {
	OP0(MONITORX, 0), OP0(MONITORX, 0), OP0(MCOMMIT, 0), OP0(MONITORX, 0),
};

static const struct x86_opdesc grp7_r7[8] = {
	OTHER(0), OP0(RDTSCP, 0), SUB(PFX, pfx_fa, 0), OP0(MWAITX, 0),
	OTHER(0), OP0(RDPRU, 0), OP0(INVLPGB, 0), OP0(TLBSYNC, 0),
};

static const struct x86_opdesc grp7_0[2] = { OP0(SGDT, 0), SUB(RM, grp7_r0, 0) };
static const struct x86_opdesc grp7_1[2] = { OP0(SIDT, 0), SUB(RM, grp7_r1, 0) };
static const struct x86_opdesc grp7_2[2] = { OP0(LGDT, 0), SUB(RM, grp7_r2, 0) };
static const struct x86_opdesc grp7_3[2] = { OP0(LIDT, 0), SUB(RM, grp7_r3, 0) };
/* The register form of SMSW is of operand size. */
static const struct x86_opdesc grp7_4[2] = { OP1(SMSW, E2, D_WR), OP1(SMSW, E, D_WR) };
static const struct x86_opdesc grp7_5[2] = { OTHER(0), SUB(RM, grp7_r5, 0) };
static const struct x86_opdesc grp7_7[2] = { OP0(INVLPG, 0), SUB(RM, grp7_r7, 0) };

static const struct x86_opdesc grp7[8] = {
	SUB(MOD, grp7_0, 0), SUB(MOD, grp7_1, 0),
	SUB(MOD, grp7_2, 0), SUB(MOD, grp7_3, 0),
	SUB(MOD, grp7_4, 0), SUB(MOD, grp7_5, 0), OP2(LMSW, NONE, E2, 0), SUB(MOD, grp7_7, 0),
};

static const struct x86_opdesc pfx_09[4] = {
	OP0(WBINVD, 0), OP0(WBINVD, 0), OP0(WBNOINVD, 0), OP0(WBINVD, 0),
};

/*
 * Vector moves. Only memory forms are known: nothing else reaches the emulator.
 * The mandatory prefix, none, 66, F3 or F2, selects the slot.
 */
#define VLD(d, f)	OP2(VLOAD, V, d, D_VEX | (f))
#define VST(d, f)	OP2(VSTORE, d, V, D_VEX | (f))

static const struct x86_opdesc v10_m[4] = { VLD(XV, 0), VLD(XV, 0), VLD(X4, 0), VLD(X8, 0) };
static const struct x86_opdesc v11_m[4] = { VST(XV, 0), VST(XV, 0), VST(X4, 0), VST(X8, 0) };
static const struct x86_opdesc v28_m[4] = {
	VLD(XV, D_ALIGN), VLD(XV, D_ALIGN), UD_, UD_,
};

static const struct x86_opdesc v29_m[4] = {
	VST(XV, D_ALIGN), VST(XV, D_ALIGN), UD_, UD_,
};

static const struct x86_opdesc v2b_m[4] = {
	VST(XV, D_ALIGN), VST(XV, D_ALIGN), OTHER(0), OTHER(0),
};

static const struct x86_opdesc v6e_m[4] = { OTHER(0), VLD(XY, D_L0), UD_, UD_ };
static const struct x86_opdesc v6f_m[4] = { OTHER(0), VLD(XV, D_ALIGN), VLD(XV, 0), UD_ };
static const struct x86_opdesc v7e_m[4] = { OTHER(0), VST(XY, D_L0), VLD(X8, D_L0), UD_ };
static const struct x86_opdesc v7f_m[4] = { OTHER(0), VST(XV, D_ALIGN), VST(XV, 0), UD_ };
static const struct x86_opdesc vd6_m[4] = { UD_, VST(X8, D_L0), UD_, UD_ };
static const struct x86_opdesc ve7_m[4] = { OTHER(0), VST(XV, D_ALIGN), UD_, UD_ };
static const struct x86_opdesc vf0_m[4] = { UD_, UD_, UD_, VLD(XV, 0) };
static const struct x86_opdesc v2a38_m[4] = { UD_, VLD(XV, D_ALIGN), UD_, UD_ };

#define VPAIR(n) \
static const struct x86_opdesc n[2] = { SUB(PFX, n##_m, 0), OTHER(0) }
VPAIR(v10);
VPAIR(v11);
VPAIR(v28);
VPAIR(v29);
VPAIR(v2b);
VPAIR(v6e);
VPAIR(v6f);
VPAIR(v7e);
VPAIR(v7f);
VPAIR(vd6);
VPAIR(ve7);
VPAIR(vf0);
VPAIR(v2a38);

/* 0F 78: VMREAD, or EXTRQ and INSERTQ with two immediate bytes. */
static const struct x86_opdesc pfx_78[4] = {
	OP0(VMREAD, 0), OTHER(D_EXTRQ), UD_, OTHER(D_EXTRQ),
};

static const struct x86_opdesc pfx_79[4] = {
	OP0(VMWRITE, 0), OTHER(0), UD_, OTHER(0),
};

/* 0F AE */
static const struct x86_opdesc ae6_m[4] = { OTHER(0), OP2(CLFLUSH, NONE, E1, 0), OTHER(0), UD_ };
static const struct x86_opdesc ae7_m[4] = {
	OP2(CLFLUSH, NONE, E1, 0), OP2(CLFLUSH, NONE, E1, 0), UD_, UD_,
};

static const struct x86_opdesc ae5_r[4] = { OP0(NOP, 0), UD_, OTHER(0), UD_ };
static const struct x86_opdesc ae6_r[4] = {
	OP0(NOP, 0), OP0(TPAUSE, 0), OP0(UMONITOR, 0), OP0(UMWAIT, 0),
};

static const struct x86_opdesc ae7_r[4] = { OP0(NOP, 0), UD_, UD_, UD_ };
static const struct x86_opdesc ae5[2] = { OTHER(0), SUB(PFX, ae5_r, 0) };
static const struct x86_opdesc ae6[2] = { SUB(PFX, ae6_m, 0), SUB(PFX, ae6_r, 0) };
static const struct x86_opdesc ae7[2] = { SUB(PFX, ae7_m, 0), SUB(PFX, ae7_r, 0) };
static const struct x86_opdesc grp15[8] = {
	OTHER(0), OTHER(0), OTHER(0), OTHER(0), OTHER(0),
	SUB(MOD, ae5, 0), SUB(MOD, ae6, 0), SUB(MOD, ae7, 0),
};

static const struct x86_opdesc pfx_b8[4] = { UD_, UD_, OTHER(0), UD_ };

static const struct x86_opdesc grp8[8] = {
	UD_, UD_, UD_, UD_,
	OP0(BT, D_RD), OP0(BTS, D_RMW | D_LOCK),
	OP0(BTR, D_RMW | D_LOCK), OP0(BTC, D_RMW | D_LOCK),
};

static const struct x86_opdesc pfx_movnti[4] = { OP2(MOV, E, G, D_WR | D_OP48), UD_, UD_, UD_ };

/* 0F C7 */
static const struct x86_opdesc c7_6m[4] = {
	OP0(VMPTRLD, 0), OP0(VMCLEAR, 0), OP0(VMXON, 0), UD_,
};

static const struct x86_opdesc c7_6r[4] = {
	OP0(RDRAND, 0), OP0(RDRAND, 0), OTHER(0), OP0(RDRAND, 0),
};

static const struct x86_opdesc c7_7r[4] = {
	OP0(RDSEED, 0), OP0(RDSEED, 0), OP0(RDPID, 0), OP0(RDSEED, 0),
};

static const struct x86_opdesc c7_1[2] = { OP1(CMPXCHG8B, E, D_LOCK | D_RMW), UD_ };
static const struct x86_opdesc c7_3[2] = { OP0(XRSTORS, 0), UD_ };
static const struct x86_opdesc c7_4[2] = { OTHER(0), UD_ };
static const struct x86_opdesc c7_5[2] = { OP0(XSAVES, 0), UD_ };
static const struct x86_opdesc c7_6[2] = { SUB(PFX, c7_6m, 0), SUB(PFX, c7_6r, 0) };
static const struct x86_opdesc c7_7[2] = { OP0(VMPTRST, 0), SUB(PFX, c7_7r, 0) };
static const struct x86_opdesc grp9[8] = {
	UD_, SUB(MOD, c7_1, 0), UD_, SUB(MOD, c7_3, 0),
	SUB(MOD, c7_4, 0), SUB(MOD, c7_5, 0), SUB(MOD, c7_6, 0), SUB(MOD, c7_7, 0),
};

const struct x86_opdesc x86_map_0f[256] = {
	[0x00] = SUB(REG, grp6, M_ | D_PROT),
	[0x01] = SUB(REG, grp7, M_),
	[0x02 ... 0x03] = OTHER(M_ | D_PROT),
	[0x05] = OP0(SYSCALL, 0),
	[0x06] = OP0(CLTS, 0),
	[0x07] = OP0(SYSRET, 0),
	[0x08] = OP0(INVD, 0),
	[0x09] = SUB(PFX, pfx_09, 0),
	[0x0b] = OP0(UD, 0),
	[0x0d] = OP0(NOP, M_),
	[0x0e] = OTHER(0),
	[0x0f] = OTHER(M_ | D_STREAM3),
	[0x10] = SUB(MOD, v10, M_),
	[0x11] = SUB(MOD, v11, M_),
	[0x12 ... 0x17] = OTHER(M_),
	[0x18 ... 0x1f] = OP0(NOP, M_),
	[0x20] = OP0(MOV_FROM_CR, M_ | D_NOMOD | D_LOCKANY),
	[0x21] = OP0(MOV_FROM_DR, M_ | D_NOMOD),
	[0x22] = OP0(MOV_TO_CR, M_ | D_NOMOD | D_LOCKANY),
	[0x23] = OP0(MOV_TO_DR, M_ | D_NOMOD),
	[0x28] = SUB(MOD, v28, M_),
	[0x29] = SUB(MOD, v29, M_),
	[0x2a] = OTHER(M_),
	[0x2b] = SUB(MOD, v2b, M_),
	[0x2c ... 0x2f] = OTHER(M_),
	[0x30] = OP0(WRMSR, 0),
	[0x31] = OP0(RDTSC, 0),
	[0x32] = OP0(RDMSR, 0),
	[0x33] = OP0(RDPMC, 0),
	[0x34] = OP0(SYSENTER, 0),
	[0x35] = OP0(SYSEXIT, 0),
	[0x37] = OP0(GETSEC, 0),
	[0x40 ... 0x4f] = OP2(CMOVCC, G, E, M_ | D_RMW),
	[0x50 ... 0x6d] = OTHER(M_),
	[0x6e] = SUB(MOD, v6e, M_),
	[0x6f] = SUB(MOD, v6f, M_),
	[0x70 ... 0x73] = OTHER(M_ | D_UIMM8),
	[0x74 ... 0x76] = OTHER(M_),
	[0x77] = OTHER(0),
	[0x78] = SUB(PFX, pfx_78, M_),
	[0x79] = SUB(PFX, pfx_79, M_),
	[0x7c ... 0x7d] = OTHER(M_),
	[0x7e] = SUB(MOD, v7e, M_),
	[0x7f] = SUB(MOD, v7f, M_),
	[0x80 ... 0x8f] = OP0(JCC, D_IMMZ | D_D64 | D_NO66),
	[0x90 ... 0x9f] = OP1(SETCC, E, M_ | D_BYTE | D_WR),
	[0xa0 ... 0xa1] = OTHER(D_D64),
	[0xa2] = OP0(CPUID, 0),
	[0xa3] = OP2(BT, E, G, M_ | D_RD),
	[0xa4] = OP3(SHLD, E, G, I, M_ | D_UIMM8 | D_RMW),
	[0xa5] = OP3(SHLD, E, G, CL, M_ | D_RMW),
	[0xa8 ... 0xa9] = OTHER(D_D64),
	[0xaa] = OP0(RSM, 0),
	[0xab] = OP2(BTS, E, G, M_ | D_RMW | D_LOCK),
	[0xac] = OP3(SHRD, E, G, I, M_ | D_UIMM8 | D_RMW),
	[0xad] = OP3(SHRD, E, G, CL, M_ | D_RMW),
	[0xae] = SUB(REG, grp15, M_),
	[0xaf] = OP3(IMUL2, G, E, G, M_ | D_WR),
	[0xb0] = OP2(CMPXCHG, E, G, M_ | D_BYTE | D_RMW | D_LOCK),
	[0xb1] = OP2(CMPXCHG, E, G, M_ | D_RMW | D_LOCK),
	[0xb2] = OTHER(M_ | D_MEM),
	[0xb3] = OP2(BTR, E, G, M_ | D_RMW | D_LOCK),
	[0xb4 ... 0xb5] = OTHER(M_ | D_MEM),
	[0xb6] = OP2(MOV, G, E1, M_ | D_WR),
	[0xb7] = OP2(MOV, G, E2, M_ | D_WR),
	[0xb8] = SUB(PFX, pfx_b8, M_),
	[0xb9] = OP0(UD, M_),
	[0xba] = { .dst = O_E, .src = O_I, .sel = SEL_REG, .sub = grp8,
		   .flags = M_ | D_UIMM8 },
	[0xbb] = OP2(BTC, E, G, M_ | D_RMW | D_LOCK),
	[0xbc ... 0xbd] = OTHER(M_),
	[0xbe] = OP2(MOVSX, G, E1, M_ | D_WR),
	[0xbf] = OP2(MOVSX, G, E2, M_ | D_WR),
	[0xc0] = OP2(XADD, E, G, M_ | D_BYTE | D_RMW | D_LOCK),
	[0xc1] = OP2(XADD, E, G, M_ | D_RMW | D_LOCK),
	[0xc2] = OTHER(M_ | D_UIMM8),
	[0xc3] = SUB(PFX, pfx_movnti, M_ | D_MEM),
	[0xc4 ... 0xc6] = OTHER(M_ | D_UIMM8),
	[0xc7] = SUB(REG, grp9, M_),
	[0xc8 ... 0xcf] = OTHER(0),
	[0xd0 ... 0xd5] = OTHER(M_),
	[0xd6] = SUB(MOD, vd6, M_),
	[0xd7 ... 0xe6] = OTHER(M_),
	[0xe7] = SUB(MOD, ve7, M_),
	[0xe8 ... 0xef] = OTHER(M_),
	[0xf0] = SUB(MOD, vf0, M_),
	[0xf1 ... 0xfe] = OTHER(M_),
	[0xff] = OP0(UD, M_),
};

/* 0F 38 and 0F 3A are regular: ModRM always, and in 0F 3A one byte behind. */

static const struct x86_opdesc movbe_load[4] = {
	OP2(MOVBE, G, E, D_WR | D_MEM), OP2(MOVBE, G, E, D_WR | D_MEM), UD_, OTHER(0),
};

static const struct x86_opdesc movbe_store[4] = {
	OP2(MOVBE, E, G, D_WR | D_MEM), OP2(MOVBE, E, G, D_WR | D_MEM), UD_, OTHER(0),
};

static const struct x86_opdesc pfx_invept[4] = { UD_, OP0(INVEPT, D_MEM), UD_, UD_ };
static const struct x86_opdesc pfx_invvpid[4] = { UD_, OP0(INVVPID, D_MEM), UD_, UD_ };
static const struct x86_opdesc pfx_invpcid[4] = { UD_, OP0(INVPCID, D_MEM), UD_, UD_ };

const struct x86_opdesc *x86_map_0f38(u8 opcode)
{
	static const struct x86_opdesc plain = OTHER(M_);
	static const struct x86_opdesc movntdqa = SUB(MOD, v2a38, M_);
	static const struct x86_opdesc invept = SUB(PFX, pfx_invept, M_ | D_PROT);
	static const struct x86_opdesc invvpid = SUB(PFX, pfx_invvpid, M_ | D_PROT);
	static const struct x86_opdesc invpcid = SUB(PFX, pfx_invpcid, M_);
	static const struct x86_opdesc f0 = SUB(PFX, movbe_load, M_);
	static const struct x86_opdesc f1 = SUB(PFX, movbe_store, M_);

	switch (opcode) {
	case 0x2a:
		return &movntdqa;
	case 0x80:
		return &invept;
	case 0x81:
		return &invvpid;
	case 0x82:
		return &invpcid;
	case 0xf0:
		return &f0;
	case 0xf1:
		return &f1;
	default:
		return &plain;
	}
}

const struct x86_opdesc x86_map_0f3a = OTHER(M_ | D_UIMM8);
