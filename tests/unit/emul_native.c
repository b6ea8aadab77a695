// SPDX-License-Identifier: GPL-2.0-only
/*
 * Run one instruction natively.
 *
 * A page of code, below 2 GiB, loads all registers, runs the instruction and
 * stores them; the page behind holds the values, addressed relative to RIP so
 * that no register is needed. For 32-bit and 16-bit code a far jump leads into
 * a compatibility-mode segment and another one back. A signal handler resumes
 * at the storing half and notes the signal.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "emul_native.h"

#define SLOT		0x800	/* the instruction */
#define EXIT		0xc00	/* the storing half */
#define CODE_SEL	0x33
#define DATA_SEL	0x2b
#define CODE32_SEL	0x23
#define CODE16_SEL	0x07	/* LDT entry 0, RPL 3 */

struct values {
	u64 gpr[16];
	u64 rflags;
	u64 saved_rsp;
	u32 far_offset;
	u16 far_selector;
	u8 pad[10];
	u8 vec[16][32];
};

static u8 *code, *memory;
static struct values *values;
static bool have_avx, have_mode[X86_MODE_64 + 1];
static volatile int raised;

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:"
	       "allow_user_segv_handler=1:use_sigaltstack=0";
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	u64 rip = uc->uc_mcontext.gregs[REG_RIP];

	(void)info;
	if (rip < (u64)(uintptr_t)code || rip >= (u64)(uintptr_t)code + 0x1000) {
		signal(sig, SIG_DFL);
		return;
	}
	raised = sig;
	uc->uc_mcontext.gregs[REG_RIP] = (long)(uintptr_t)(code + EXIT);
	uc->uc_mcontext.gregs[REG_CSGSFS] &= ~0xffffL;
	uc->uc_mcontext.gregs[REG_CSGSFS] |= CODE_SEL;
}

static void put(unsigned int *at, const void *bytes, unsigned int len)
{
	memcpy(code + *at, bytes, len);
	*at += len;
}

#define PUT(at, ...) \
	put(at, (const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

/* The displacement of @field from the end of it, as the last instruction bytes. */
static void put_rel(unsigned int *at, const void *field)
{
	s32 rel = (s32)((const u8 *)field - (code + *at + 4));

	put(at, &rel, 4);
}

static void put_gpr(unsigned int *at, unsigned int reg, bool store)
{
	PUT(at, reg < 8 ? 0x48 : 0x4c, store ? 0x89 : 0x8b, 0x05 | (reg & 7) << 3);
	put_rel(at, &values->gpr[reg]);
}

static void put_vec(unsigned int *at, unsigned int reg, bool store)
{
	u8 modrm = 0x05 | (reg & 7) << 3, op = store ? 0x11 : 0x10;

	if (have_avx)
		PUT(at, 0xc5, reg < 8 ? 0xfc : 0x7c, op, modrm);
	else
		PUT(at, reg < 8 ? 0x40 : 0x44, 0x0f, op, modrm);
	put_rel(at, values->vec[reg]);
}

static void put_entry(void)
{
	unsigned int at = 0, reg;

	PUT(&at, 0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57);
	PUT(&at, 0x48, 0x89, 0x25);		/* mov saved_rsp, rsp */
	put_rel(&at, &values->saved_rsp);
	for (reg = 0; reg < 16; reg++)
		put_vec(&at, reg, false);
	PUT(&at, 0xff, 0x35);			/* push rflags; popfq */
	put_rel(&at, &values->rflags);
	PUT(&at, 0x9d);
	for (reg = 0; reg < 16; reg++)
		put_gpr(&at, reg, false);
	PUT(&at, 0xff, 0x2d);			/* ljmp *far */
	put_rel(&at, &values->far_offset);
}

static void put_exit(void)
{
	unsigned int at = EXIT, reg;

	for (reg = 0; reg < 16; reg++)
		put_gpr(&at, reg, true);
	PUT(&at, 0x48, 0x8b, 0x25);		/* mov rsp, saved_rsp */
	put_rel(&at, &values->saved_rsp);
	PUT(&at, 0x9c, 0x8f, 0x05);		/* pushfq; pop rflags */
	put_rel(&at, &values->rflags);
	PUT(&at, 0xfc);
	for (reg = 0; reg < 16; reg++)
		put_vec(&at, reg, true);
	PUT(&at, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3);
}

/* The instruction, and behind it the way to the exit. */
static void put_instruction(const u8 *insn, unsigned int len, enum x86_mode mode)
{
	u32 target = (u32)(uintptr_t)(code + EXIT);
	unsigned int at = SLOT;

	put(&at, insn, len);
	switch (mode) {
	case X86_MODE_64:
		PUT(&at, 0xe9);
		put_rel(&at, code + EXIT);
		return;
	case X86_MODE_16:
		PUT(&at, 0x66);
		break;
	default:
		break;
	}
	PUT(&at, 0xea);
	put(&at, &target, 4);
	PUT(&at, CODE_SEL, 0);
}

static void make_code16(void)
{
	struct user_desc desc = {
		.limit = 0xfffff,
		.limit_in_pages = 1,
		.contents = MODIFY_LDT_CONTENTS_CODE,
	};

	have_mode[X86_MODE_16] = !syscall(SYS_modify_ldt, 1, &desc, sizeof(desc));
}

/* Does a segment work? Sandboxes may refuse the jump. */
static bool try_mode(enum x86_mode mode)
{
	struct native_state s = { 0 };

	s.regs.gpr[X86_RCX] = 0x1234;
	s.regs.rflags = 2;
	have_mode[mode] = true;
	return !native_run(&s, (const u8[]){ 0x89, 0xc8 }, 2, mode) &&
	       (u16)s.regs.gpr[X86_RAX] == 0x1234;
}

bool native_setup(void)
{
	static u8 altstack[1 << 16];
	stack_t ss = { .ss_sp = altstack, .ss_size = sizeof(altstack) };
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	u8 *map;

	/* A hole on either side of the memory operand. */
	map = mmap(NULL, 0x2000 + NATIVE_MEM_SIZE + 0x20000, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (map == MAP_FAILED)
		return false;
	code = map;
	values = (struct values *)(map + 0x1000);
	memory = map + 0x2000 + 0x10000;
	if (mprotect(code, 0x2000, PROT_READ | PROT_WRITE | PROT_EXEC) ||
	    mprotect(memory, NATIVE_MEM_SIZE, PROT_READ | PROT_WRITE))
		return false;
	have_avx = __builtin_cpu_supports("avx");
	put_entry();
	put_exit();
	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGFPE, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGTRAP, &sa, NULL);
	have_mode[X86_MODE_64] = true;
	have_mode[X86_MODE_32] = try_mode(X86_MODE_32);
	make_code16();
	if (have_mode[X86_MODE_16])
		have_mode[X86_MODE_16] = try_mode(X86_MODE_16);
	return true;
}

bool native_has_mode(enum x86_mode mode)
{
	return have_mode[mode];
}

bool native_has_avx(void)
{
	return have_avx;
}

u64 native_rip(void)
{
	return (u64)(uintptr_t)(code + SLOT);
}

u8 *native_mem(void)
{
	return memory;
}

int native_run(struct native_state *s, const u8 *insn, unsigned int len,
	       enum x86_mode mode)
{
	memcpy(values->gpr, s->regs.gpr, sizeof(values->gpr));
	memcpy(values->vec, s->vec, sizeof(values->vec));
	values->rflags = s->regs.rflags;
	values->far_offset = (u32)native_rip();
	values->far_selector = mode == X86_MODE_64 ? CODE_SEL :
			       mode == X86_MODE_32 ? CODE32_SEL : CODE16_SEL;
	put_instruction(insn, len, mode);
	raised = 0;
	/* 64-bit processes start with null selectors; 32-bit code needs real ones. */
	__asm__ volatile("mov %0, %%ds; mov %0, %%es" : : "r" (DATA_SEL));
	((void (*)(void))(uintptr_t)code)();
	memcpy(s->regs.gpr, values->gpr, sizeof(values->gpr));
	memcpy(s->vec, values->vec, sizeof(values->vec));
	s->regs.rflags = values->rflags;
	s->regs.rip = native_rip() + (raised ? 0 : len);
	return raised;
}
