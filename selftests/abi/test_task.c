// SPDX-License-Identifier: GPL-2.0-only
/*
 * Task switches of a 32-bit guest: JMP, CALL, INT and an exception through task gates, IRET, and
 * what goes wrong on the way.  The CPU leaves them to the hypervisor, and that is what is tested.
 *
 * QEMU's TCG does not look at the intercept and switches tasks itself.  A nested page fault in the
 * middle of that cannot be undone, so what pushes an error code in the new task is left out there.
 * Bochs's AMD-V forgets which INT it was.
 */
#include "abi.h"

#define GDT	0x3000
#define IDT	0x4000
#define TSS(n)	(0x5000 + (n) * 0x100)
#define STACK(n) (0x8000 + (n) * 0x1000)

/* Selectors */
#define CS32	0x08
#define DS32	0x10
#define TSS_A	0x18
#define TSS_B	0x20
#define TSS_C16	0x28
#define CS16	0x30
#define TSS_D	0x38
#define LDT	0x40
#define GONE	0x48	/* a data segment that is not present */

struct tss32 {
	uint32_t back, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
	uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi;
	uint32_t es, cs, ss, ds, fs, gs, ldt;
	uint16_t trap, iomap;
};

struct tss16 {
	uint16_t back, sp0, ss0, sp1, ss1, sp2, ss2, ip, flags;
	uint16_t ax, cx, dx, bx, sp, bp, si, di, es, cs, ss, ds, ldt;
};

_Static_assert(sizeof(struct tss32) == 104 && sizeof(struct tss16) == 44, "layouts");

/* Each piece tells by port 0x10 that it ran, with AL. */
asm(".pushsection .rodata\n"
    ".globl code_begin, code_end, jmp_b, call_b, int_30, bad_ds, jmp_c, b_jmp, b_iret, b_pop, c_jmp, d_pop, db_exit\n"
    "code_begin:\n.code32\n"
    "jmp_b: ljmp $0x20, $0; mov $0xaa, %al; out %al, $0x10; hlt\n"
    "call_b: lcall $0x20, $0; mov $0xbb, %al; out %al, $0x10; hlt\n"
    "int_30: int $0x30; mov $0xcc, %al; out %al, $0x10; hlt\n"
    "bad_ds: mov $0x0ff8, %eax; mov %eax, %ds; hlt\n"
    "jmp_c: ljmp $0x28, $0; mov $0xdd, %al; out %al, $0x10; hlt\n"
    "b_jmp: out %al, $0x10; ljmp $0x18, $0; hlt\n"
    "b_iret: out %al, $0x10; iret; mov $0xee, %al; out %al, $0x10; hlt\n"
    "b_pop: out %al, $0x10; pop %eax; out %al, $0x10; hlt\n"
    "d_pop: pop %eax; out %al, $0x10; hlt\n"
    "db_exit: mov %dr6, %eax; out %al, $0x10; hlt\n"
    ".code16\nc_jmp: out %al, $0x10; ljmp $0x18, $0; hlt\n"
    ".code64\ncode_end: .popsection\n");
extern const uint8_t code_begin[], code_end[], jmp_b[], call_b[], int_30[], bad_ds[], jmp_c[], b_jmp[],
	b_iret[], b_pop[], d_pop[], db_exit[], c_jmp[];

static uint32_t at(const uint8_t *label)
{
	return CODE_AT + (label - code_begin);
}

static uint64_t desc(uint32_t base, uint32_t limit, unsigned int access, unsigned int flags)
{
	return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)access << 40 |
	       (uint64_t)(limit >> 16 & 0xf) << 48 | (uint64_t)flags << 52 | (uint64_t)(base >> 24) << 56;
}

static struct vm v;
static struct tss32 *a, *b, *d;
static struct tss16 *c;
static uint64_t *gdt;

static void gate(unsigned int vector, uint16_t sel, uint32_t off, unsigned int access)
{
	uint64_t g = (off & 0xffff) | (uint64_t)sel << 16 | (uint64_t)access << 40 |
		     (uint64_t)(off >> 16) << 48;

	memcpy(v.mem + IDT + 8 * vector, &g, 8);
}

#define TASK_GATE	0x85
#define INTR_GATE	0x8e

static struct tss32 task(const uint8_t *label, uint32_t eax, unsigned int nr)
{
	return (struct tss32){
		.eip = at(label), .eflags = 2, .eax = eax, .ecx = 0x1c, .ebx = 0xb0b0b0b0u,
		.esp = STACK(nr), .esi = 0x51515151, .edi = 0xd1d1d1d1u, .ebp = 0xbebebebeu,
		.es = DS32, .cs = CS32, .ss = DS32, .ds = DS32, .fs = DS32, .gs = DS32,
		.iomap = sizeof(struct tss32),
	};
}

static struct kvm_segment flat(uint16_t sel, unsigned int type)
{
	return (struct kvm_segment){
		.selector = sel, .limit = ~0u, .type = type, .present = 1, .s = 1, .db = 1, .g = 1,
	};
}

/* Task A is current and about to run @label. */
static void begin(int dev, const uint8_t *label)
{
	struct kvm_regs r = { .rip = at(label), .rflags = 2, .rsp = STACK(0), .rbx = 0xab, .rdi = 0xad };
	struct kvm_sregs s;

	v = make_vm(dev, false);
	memcpy(v.mem + CODE_AT, code_begin, code_end - code_begin);
	a = (void *)(v.mem + TSS(0));
	b = (void *)(v.mem + TSS(1));
	c = (void *)(v.mem + TSS(2));
	d = (void *)(v.mem + TSS(3));
	gdt = (void *)(v.mem + GDT);
	gdt[CS32 / 8] = desc(0, 0xfffff, 0x9a, 0xc);
	gdt[DS32 / 8] = desc(0, 0xfffff, 0x92, 0xc);
	gdt[TSS_A / 8] = desc(TSS(0), 103, 0x8b, 0);
	gdt[TSS_B / 8] = desc(TSS(1), 103, 0x89, 0);
	gdt[TSS_C16 / 8] = desc(TSS(2), 43, 0x81, 0);
	gdt[CS16 / 8] = desc(0, 0xffff, 0x9a, 0);
	gdt[TSS_D / 8] = desc(TSS(3), 103, 0x89, 0);
	gdt[LDT / 8] = desc(GDT, 0x7f, 0x82, 0);
	gdt[GONE / 8] = desc(0, 0xfffff, 0x12, 0xc);
	*b = task(b_jmp, 0x42, 1);
	*d = task(d_pop, 0xd0, 3);
	*c = (struct tss16){
		.ip = at(c_jmp), .flags = 2, .ax = 0x16, .bx = 0xbbbb, .sp = STACK(2), .es = DS32,
		.cs = CS16, .ss = DS32, .ds = DS32,
	};
	if (ioctl(v.vcpu, KVM_SET_CPUID2, supported_cpuid(dev)) || ioctl(v.vcpu, KVM_GET_SREGS, &s))
		bail("vCPU");
	s.cs = flat(CS32, 11);
	s.ds = s.es = s.fs = s.gs = s.ss = flat(DS32, 3);
	s.tr = (struct kvm_segment){ .selector = TSS_A, .base = TSS(0), .limit = 103, .type = 11,
				     .present = 1 };
	s.ldt = (struct kvm_segment){ .unusable = 1 };
	s.gdt.base = GDT;
	s.gdt.limit = 0x7f;
	s.idt.base = IDT;
	s.idt.limit = 0x7ff;
	s.cr0 = 0x11;
	if (ioctl(v.vcpu, KVM_SET_SREGS, &s) || ioctl(v.vcpu, KVM_SET_REGS, &r))
		bail("registers");
}

/* AL of the next port write, or -1 */
static int tells(void)
{
	if (ioctl(v.vcpu, KVM_RUN, 0)) {
		printf("# KVM_RUN: %s\n", strerror(errno));
		return -1;
	}
	if (v.run->exit_reason != KVM_EXIT_IO || v.run->io.port != 0x10) {
		printf("# exit %u\n", v.run->exit_reason);
		return -1;
	}
	return ((uint8_t *)v.run)[v.run->io.data_offset];
}

static struct kvm_regs regs(void)
{
	struct kvm_regs r;

	if (ioctl(v.vcpu, KVM_GET_REGS, &r))
		bail("KVM_GET_REGS");
	return r;
}

static struct kvm_sregs sregs(void)
{
	struct kvm_sregs s;

	if (ioctl(v.vcpu, KVM_GET_SREGS, &s))
		bail("KVM_GET_SREGS");
	return s;
}

static unsigned int type(uint16_t sel)
{
	return gdt[sel / 8] >> 40 & 0xf;
}

#define NT	(1u << 14)

static void jumps(int dev)
{
	struct kvm_sregs s;
	struct kvm_regs r;

	begin(dev, jmp_b);
	ok(tells() == 0x42, "JMP to a TSS runs the new task");
	s = sregs();
	r = regs();
	ok(s.tr.selector == TSS_B && s.tr.base == TSS(1) && s.tr.type == 11 && (s.cr0 & 8),
	   "TR is the new task's, CR0.TS is set");
	ok(r.rbx == 0xb0b0b0b0u && r.rsi == 0x51515151 && r.rbp == 0xbebebebeu && r.rcx == 0x1c &&
	   r.rsp == STACK(1) && !(r.rflags & NT), "its registers are loaded");
	ok(type(TSS_A) == 9 && type(TSS_B) == 11, "the old TSS is available, the new one is busy");
	ok(a->eip == at(jmp_b) + 7 && a->ebx == 0xab && a->edi == 0xad && a->esp == STACK(0) &&
	   a->cs == CS32 && a->ss == DS32 && a->eflags == 2, "the old task's state is saved");
	ok(!b->back, "JMP links nothing");
	ok(tells() == 0xaa && regs().rbx == 0xab && sregs().tr.selector == TSS_A, "and JMP goes back");
	drop_vm(&v);
}

static void calls(int dev, const uint8_t *label, int back, const char *what)
{
	char name[80];

	begin(dev, label);
	*b = task(b_iret, 0x43, 1);
	gate(0x30, TSS_B, 0, TASK_GATE);
	snprintf(name, sizeof(name), "%s runs the new task, with NT and a link", what);
	ok(tells() == 0x43 && (regs().rflags & NT) && b->back == TSS_A && type(TSS_A) == 11 &&
	   type(TSS_B) == 11, name);
	snprintf(name, sizeof(name), "IRET goes back from %s", what);
	ok(tells() == back && !(regs().rflags & NT) && sregs().tr.selector == TSS_A && type(TSS_B) == 9,
	   name);
	ok(!(b->eflags & NT) && b->eip == at(b_iret) + 3, "and leaves the task behind IRET, without NT");
	drop_vm(&v);
}

static void exceptions(int dev)
{
	begin(dev, bad_ds);
	*b = task(b_pop, 0x44, 1);
	gate(13, TSS_B, 0, TASK_GATE);
	ok(tells() == 0x44 && a->eip == at(bad_ds) + 5 && (a->eflags & 0x10000),
	   "#GP through a task gate: the old task is at its instruction, with RF");
	ok(tells() == 0xf8 && regs().rax == 0x0ff8 && regs().rsp == STACK(1),
	   "the error code is on the new stack");
	drop_vm(&v);
}

static void narrow(int dev)
{
	struct kvm_regs r;

	begin(dev, jmp_c);
	ok(tells() == 0x16, "JMP to a 16-bit TSS");
	r = regs();
	ok((r.rbx & 0xffff) == 0xbbbb && (r.rsp & 0xffff) == (STACK(2) & 0xffff) && type(TSS_C16) == 3 &&
	   sregs().cs.selector == CS16, "its registers are loaded");
	ok(tells() == 0xdd && type(TSS_C16) == 1 && c->bx == 0xbbbb && c->ip == at(c_jmp) + 7,
	   "and back to a 32-bit one");
	drop_vm(&v);
}

/* A new task that cannot run: the exception is its own, and a task gate handles it. */
static void bad(int dev, unsigned int vector, uint32_t error, const char *what,
		void (*spoil)(void))
{
	char name[80];
	int told;

	begin(dev, jmp_b);
	gate(vector, TSS_D, 0, TASK_GATE);
	spoil();
	snprintf(name, sizeof(name), "%s: exception %u in the new task", what, vector);
	told = tells();
	ok(told == (int)(error & 0xff) && regs().rax == error && d->back == TSS_B &&
	   a->eip == at(jmp_b) + 7, name);
	drop_vm(&v);
}

static void data_cs(void) { b->cs = DS32; }
static void null_cs(void) { b->cs = 0; }
static void null_ss(void) { b->ss = 0; }
static void rpl_ss(void) { b->ss = DS32 | 3; }
static void gone_ss(void) { b->ss = GONE; }
static void gone_ds(void) { b->ds = GONE; }
static void code_past_gdt(void) { b->cs = 0x88; }
static void ldt_is_tss(void) { b->ldt = TSS_D; }
static void rpl_es(void) { b->es = DS32 | 3; }

static void others(int dev)
{
	begin(dev, jmp_b);
	b->trap = 1;
	gate(1, CS32, at(db_exit), INTR_GATE);
	ok(tells() >= 0 && (regs().rax & 0x8000), "T of the TSS is #DB with DR6.BT");
	drop_vm(&v);
	begin(dev, jmp_b);
	b->ldt = LDT;
	b->ds = DS32 | 4;
	ok(tells() == 0x42 && sregs().ldt.selector == LDT && sregs().ds.selector == (DS32 | 4),
	   "LDTR is loaded before what it holds");
	drop_vm(&v);
	begin(dev, jmp_b);
	b->ds = 0;
	b->gs = 0;
	ok(tells() == 0x42 && sregs().ds.unusable, "null data segments are nobody's error");
	drop_vm(&v);
}

/* Does the host CPU's line @key of /proc/cpuinfo have @text? */
static bool cpu_says(const char *key, const char *text)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	static char line[8192];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = !strncmp(line, key, strlen(key)) && strstr(line, text);
	if (f)
		fclose(f);
	return found;
}

int main(int argc, char **argv)
{
	int dev = start(argc, argv);

	jumps(dev);
	calls(dev, call_b, 0xbb, "CALL");
	if (cpu_says("vendor_id", "AuthenticAMD") && !cpu_says("model name", "TCG"))
		skip("INT through a task gate", "Bochs reports another event for an interrupted INT");
	else
		calls(dev, int_30, 0xcc, "INT");
	narrow(dev);
	if (cpu_says("model name", "TCG")) {
		skip("exceptions", "the CPU ignores the task switch intercept");
		return finish();
	}
	exceptions(dev);
	bad(dev, 10, DS32, "CS is data", data_cs);
	bad(dev, 10, 0, "CS is null", null_cs);
	bad(dev, 10, 0x88, "CS is beyond the GDT", code_past_gdt);
	bad(dev, 10, 0, "SS is null", null_ss);
	bad(dev, 10, DS32, "SS has another RPL", rpl_ss);
	bad(dev, 12, GONE, "SS is not present", gone_ss);
	bad(dev, 11, GONE, "DS is not present", gone_ds);
	bad(dev, 10, DS32, "ES has an RPL above its DPL", rpl_es);
	bad(dev, 10, TSS_D, "LDTR is no LDT", ldt_is_tss);
	others(dev);
	return finish();
}
