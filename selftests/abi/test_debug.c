// SPDX-License-Identifier: GPL-2.0-only
/* KVM_SET_GUEST_DEBUG: breakpoints, single steps, and a debugger that leaves no trace. */
#include "abi.h"

#define DR6_BS	(1u << 14)
#define DR6_BD	(1u << 13)

static bool on_vmx;	/* the host is */

static int run(struct vm *v)
{
	return ioctl(v->vcpu, KVM_RUN, 0);
}

static long debug(struct vm *v, uint32_t control, uint64_t dr0, uint64_t dr7)
{
	struct kvm_guest_debug d = { .control = control };

	d.arch.debugreg[0] = dr0;
	d.arch.debugreg[7] = dr7;
	return ioctl(v->vcpu, KVM_SET_GUEST_DEBUG, &d);
}

static bool stopped(struct vm *v, uint64_t pc, uint32_t vector, uint64_t dr6)
{
	const struct kvm_debug_exit_arch *a = &v->run->debug.arch;

	if (v->run->exit_reason == KVM_EXIT_DEBUG && a->pc == pc && a->exception == vector &&
	    (a->dr6 & dr6) == dr6)
		return true;
	printf("# exit %u, pc %llx, vector %u, dr6 %llx\n", v->run->exit_reason,
	       (unsigned long long)a->pc, a->exception, (unsigned long long)a->dr6);
	return false;
}

/*
 * The emulated CPU of QEMU asks the intercept of INTn at INT3, and not that of #BP, and
 * arms no breakpoint of a guest's DR7; stock KVM misses both there as well.
 */
static bool cpu_misses_breakpoints(void)
{
	char line[256];
	bool tcg = false;
	FILE *f = fopen("/proc/cpuinfo", "r");

	while (f && fgets(line, sizeof(line), f))
		tcg |= strstr(line, "QEMU TCG") != NULL;
	if (f)
		fclose(f);
	return tcg;
}

/* nop; int3; hlt */
static void software_breakpoint(int dev)
{
	static const uint8_t code[] = { 0x90, 0xcc, 0xf4 };
	struct vm v;

	if (cpu_misses_breakpoints()) {
		skip("INT3 stops", "this CPU does not intercept the #BP of INT3");
		return;
	}
	v = make_vm(dev, false);
	load_code(&v, code, sizeof(code));
	works(debug(&v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP, 0, 0), "software breakpoints");
	works(run(&v), "run to it");
	ok(stopped(&v, CODE_AT + 1, 3, 0), "INT3 stops");
	drop_vm(&v);
}

/* nop; nop; mov eax, dr7; nop; mov [0x2000], eax; hlt */
static void hardware_breakpoint(int dev)
{
	static const uint8_t code[] = { 0x90, 0x90, 0x0f, 0x21, 0xf8, 0x90,
					0x66, 0xa3, 0x00, 0x20, 0xf4 };
	struct vm v;
	uint32_t dr7;

	if (cpu_misses_breakpoints()) {
		skip("the breakpoint stops", "this CPU arms no breakpoint of a guest");
		return;
	}
	v = make_vm(dev, false);
	load_code(&v, code, sizeof(code));
	works(debug(&v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, CODE_AT + 5, 0x402),
	      "a hardware breakpoint");
	works(run(&v), "run to it");
	ok(stopped(&v, CODE_AT + 5, 1, 1), "the breakpoint stops");
	works(debug(&v, 0, 0, 0), "debugger off");
	works(run(&v), "run to the end");
	ok(v.run->exit_reason == KVM_EXIT_HLT, "it stops no more");
	memcpy(&dr7, v.mem + 0x2000, 4);
	ok(dr7 == 0x400, "the guest has seen its own DR7");
	drop_vm(&v);
}

/* nop; mov eax, dr7; hlt */
static void general_detect(int dev)
{
	static const uint8_t code[] = { 0x90, 0x0f, 0x21, 0xf8, 0xf4 };
	struct vm v = make_vm(dev, false);

	load_code(&v, code, sizeof(code));
	works(debug(&v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, 0, 0x400 | 1 << 13),
	      "general detect");
	works(run(&v), "run to MOV DR");
	ok(stopped(&v, CODE_AT + 1, 1, DR6_BD), "MOV DR stops");
	drop_vm(&v);
}

/*
 * nop; cpuid; mov [0x2000], al; hlt: the second one exits and is emulated.  @warm: the guest has used
 * both pages before, so that the first step has no nested page fault.
 *
 * Bochs saves a pending single step with the exit of an instruction that has not run.  The next entry
 * traps there: before the first instruction when its page has to be brought, and before the one
 * that follows CPUID.
 */
static void single_step(int dev, bool warm)
{
	static const uint8_t code[] = { 0x90, 0x0f, 0xa2, 0xa2, 0x00, 0x20, 0xf4 };
	static const uint8_t len[] = { 1, 2, 3 };
	static const char why[] = "Bochs steps before an instruction that exited for another reason";
	struct vm v = make_vm(dev, false);
	uint64_t pc = CODE_AT;
	struct kvm_regs r;
	unsigned int i;

	load_code(&v, code, sizeof(code));
	if (warm) {
		works(run(&v), "run before the step");
		load_code(&v, code, sizeof(code));
	}
	works(debug(&v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0, 0), "single step");
	for (i = 0; i < sizeof(len); i++) {
		const char *name = i == 1 ? "an emulated instruction is one step" :
				   "an instruction is one step";
		bool good;

		works(run(&v), "step");
		pc += len[i];
		good = stopped(&v, pc, 1, DR6_BS);
		if (on_vmx && (!warm || i == 2))
			ok_but_bochs(good, name, why);
		else
			ok(good, name);
		ok(!ioctl(v.vcpu, KVM_GET_REGS, &r) && !(r.rflags & 0x100), "TF is not the guest's");
	}
	works(debug(&v, 0, 0, 0), "debugger off");
	works(run(&v), "run to the end");
	ok(v.run->exit_reason == KVM_EXIT_HLT, "it steps no more");
	drop_vm(&v);
}

/*
 * Where does the guest's own TF trap after an instruction that is emulated, with DEBUGCTL.BTF and
 * without?  The emulated CPUs do not know BTF and trap at the NOP behind it; a real one at no
 * instruction here.
 */
static uint16_t traps_at(int dev, uint8_t debugctl)
{
	/* mov ecx, 1d9h; mov eax, n; xor edx, edx; wrmsr; TF on; cpuid; nop; hlt */
	uint8_t code[] = { 0x66, 0xb9, 0xd9, 0x01, 0, 0, 0x66, 0xb8, debugctl, 0, 0, 0,
			   0x66, 0x31, 0xd2, 0x0f, 0x30, 0x9c, 0x58, 0x80, 0xcc, 0x01, 0x50, 0x9d,
			   0x0f, 0xa2, 0x90, 0xf4 };
	/* pop ax; mov [2000h], ax; hlt */
	static const uint8_t handler[] = { 0x58, 0xa3, 0x00, 0x20, 0xf4 };
	static const uint16_t vector[] = { 0x1100, 0 };
	struct vm v = make_vm(dev, false);
	uint16_t at;

	load_code(&v, code, sizeof(code));
	memcpy(v.mem + 0x1100, handler, sizeof(handler));
	memcpy(v.mem + 4, vector, sizeof(vector));
	works(run(&v), "run with TF set");
	ok(v.run->exit_reason == KVM_EXIT_HLT, "to the end");
	memcpy(&at, v.mem + 0x2000, sizeof(at));
	drop_vm(&v);
	return at;
}

static void branch_step(int dev)
{
	static const uint16_t cpuid_end = CODE_AT + 26;
	struct {
		struct kvm_msrs m;
		struct kvm_msr_entry e;
	} m = { .m.nmsrs = 1, .e.index = 0x1d9 };
	struct vm v;

	ok(traps_at(dev, 0) == cpuid_end, "an emulated instruction is a step");
	if (stock)
		skip("and none with DEBUGCTL.BTF", "KVM does not heed it there");
	else if (on_vmx && on_bochs())
		skip("and none with DEBUGCTL.BTF", "Bochs has no DEBUGCTL, and see single_step()");
	else
		ok(traps_at(dev, 2) != cpuid_end, "and none with DEBUGCTL.BTF");
	v = make_vm(dev, false);
	m.e.data = 4;
	ok(stock || ioctl(v.vcpu, KVM_SET_MSRS, &m) == !on_vmx, "DEBUGCTL.PB0 is AMD's alone");
	m.e.data = 2;
	ok(stock || ioctl(v.vcpu, KVM_SET_MSRS, &m) == 1, "DEBUGCTL.BTF");
	drop_vm(&v);
}

int main(int argc, char **argv)
{
	int dev = start(argc, argv);
	struct vm v = make_vm(dev, false);

	on_vmx = cpu_has("vmx");
	stricter(debug(&v, 1u << 31, 0, 0), EINVAL, "unknown flag");
	ok(ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_SET_GUEST_DEBUG2) & KVM_GUESTDBG_SINGLESTEP,
	   "the flags are told");
	drop_vm(&v);
	software_breakpoint(dev);
	hardware_breakpoint(dev);
	general_detect(dev);
	single_step(dev, false);
	single_step(dev, true);
	branch_step(dev);
	return finish();
}
