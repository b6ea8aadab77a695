/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the guest-hypervisor image offer each other. */
#ifndef L1_L1_H
#define L1_L1_H

#include "types.h"
#include "layout.h"
#include "svm.h"

/* ---- CPU instructions ---- */

static inline void outb(u16 p, u8 v) { __asm__ volatile("outb %0,%1" : : "a"(v), "Nd"(p)); }
static inline void outw(u16 p, u16 v) { __asm__ volatile("outw %0,%1" : : "a"(v), "Nd"(p)); }
static inline void outl(u16 p, u32 v) { __asm__ volatile("outl %0,%1" : : "a"(v), "Nd"(p)); }

static inline u8 inb(u16 p)
{
	u8 v;

	__asm__ volatile("inb %1,%0" : "=a"(v) : "Nd"(p));
	return v;
}

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return lo | (u64)hi << 32;
}

static inline void wrmsr(u32 msr, u64 v)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return lo | (u64)hi << 32;
}

#define DEFINE_CR(n)							\
static inline u64 read_cr##n(void)					\
{									\
	u64 v;								\
									\
	__asm__ volatile("mov %%cr" #n ",%0" : "=r"(v) : : "memory");	\
	return v;							\
}									\
static inline void write_cr##n(u64 v)					\
{									\
	__asm__ volatile("mov %0,%%cr" #n : : "r"(v) : "memory");	\
}
DEFINE_CR(0)
DEFINE_CR(2)
DEFINE_CR(3)
DEFINE_CR(4)
DEFINE_CR(8)

static inline void cpuid(u32 leaf, u32 sub, u32 r[4])
{
	__asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "a"(leaf), "c"(sub));
}

static inline u64 read_flags(void)
{
	u64 v;

	__asm__ volatile("pushfq; popq %0" : "=r"(v));
	return v;
}

static inline void cpu_relax(void) { __asm__ volatile("pause" : : : "memory"); }
static inline void irq_on(void) { __asm__ volatile("sti; nop" : : : "memory"); }
static inline void irq_off(void) { __asm__ volatile("cli" : : : "memory"); }
static inline void stgi(void) { __asm__ volatile("stgi" : : : "memory"); }
static inline void clgi(void) { __asm__ volatile("clgi" : : : "memory"); }
static inline void vmmcall(void) { __asm__ volatile("vmmcall" : : : "memory"); }
static inline void vmsave_pa(u64 pa) { __asm__ volatile("vmsave %%rax" : : "a"(pa) : "memory"); }
static inline void vmload_pa(u64 pa) { __asm__ volatile("vmload %%rax" : : "a"(pa) : "memory"); }

/* ---- libs: print.c ---- */

void console_init(void);
void console_puts(const char *s);
int vfmt(char *buf, size_t size, const char *f, va_list ap);
int fmt(char *buf, size_t size, const char *f, ...) __printf(3, 4);
void say(const char *f, ...) __printf(1, 2);
void power_off(int failed) __noreturn;
void panic(const char *f, ...) __printf(1, 2) __noreturn;

void *memset(void *d, int c, size_t n);
void *memcpy(void *d, const void *s, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);

struct spinlock { volatile u32 v; };
static inline void spin_lock(struct spinlock *l)
{
	while (__atomic_exchange_n(&l->v, 1, __ATOMIC_ACQUIRE))
		cpu_relax();
}
static inline void spin_unlock(struct spinlock *l) { __atomic_store_n(&l->v, 0, __ATOMIC_RELEASE); }

/* ---- memory: mem.c ---- */

void mem_init(void);
/* Zeroed pages; everything a test took is given back when the test ends. */
void *alloc_pages(u32 n);
static inline void *alloc_page(void) { return alloc_pages(1); }
void *alloc_2m(void);
u64 mem_mark(void);
void mem_reset(u64 mark);
extern u64 mem_top;

/* ---- CPUs and exceptions: cpu.c, trap.c ---- */

struct regs {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
	u64 vec, err, rip, cs, rflags, rsp, ss;
};

struct fault {
	u64 vec, err, rip, rflags, cr2;
	u64 rax;
	u64 cs;
};

/* Layout known to traps.S */
struct catch {
	u64 rsp, rflags;
	struct catch *prev;
	struct fault f;
};

struct cpu {
	u32 id, apic_id;
	struct catch *catch, *test_catch;
	volatile u32 irqs[256];
	volatile u32 nmis;
	volatile u32 last_irq;
	volatile bool watchdog;
	void *host_vmcb, *hsave;	/* AMD-V */
	void *vmxon;			/* VT-x */
	u64 tss[16];
	void (*volatile work)(void *arg);
	void *work_arg;
};

static inline struct cpu *this_cpu(void)
{
	u64 sp;

	__asm__ volatile("mov %%rsp,%0" : "=r"(sp));
	return (struct cpu *)(sp & ~(u64)(CPU_AREA - 1));
}

struct cpu *cpu_at(u32 id);
void cpu_init(u32 id);
void idt_init(void);
int catch_call(struct catch *c, void (*fn)(void *arg), void *arg);
extern const char catch_land[];
void trap(struct regs *r);

/*
 * Call fn(arg); return the vector it faulted with, or -1 for none. *f (may be
 * NULL) gets the details.
 */
int try_call(void (*fn)(void *arg), void *arg, struct fault *f);
/* Run code at CPL 3 until it faults or executes INT VEC_USER_DONE. */
int try_user(const void *code, u64 rax, struct fault *f);
void set_svme(bool on);

/* ---- local APIC and CPUs: apic.c, smp.c ---- */

void apic_init(void);
void apic_eoi(void);
u32 apic_read(u32 reg);
void apic_write(u32 reg, u32 v);
void apic_ipi(u32 apic_id, u32 icr);
#define ICR_SMI		0x4200

/* smi_storm() - work for another CPU: SMIs to @target until @stop, at most 100; @sent counts them */
struct smi_storm {
	u32 target, sent;
	volatile bool stop;
};

void smi_storm(void *arg);
void apic_self(u8 vec);
void apic_self_nmi(void);
void apic_timer(u8 vec, u32 count);
/* A count that is up when L2 has long been where it waits: 2 ms, or 200,000 instructions on the slowest CPU. */
#define APIC_LATER	1000000
void watchdog_arm(void);
void watchdog_stop(void);
/* For rounds that would go on for a while: has this test half of its time still before it?  Asks in some rounds only. */
bool time_left(u32 round);
void delay_us(u32 us);

extern u32 nr_cpus;
void smp_init(void);
void smp_call(u32 cpu, void (*fn)(void *), void *arg);
void smp_wait(u32 cpu);
/* @fn on the first @cpus CPUs, all at once, this one among them; each gets its own of @args, of @size bytes. */
void smp_all(u32 cpus, void (*fn)(void *), void *args, u32 size);
/* The same one after the other, this one last: the image's allocator is for one CPU at a time. */
void smp_each(u32 cpus, void (*fn)(void *), void *args, u32 size);
/* CPU 1 stores the two values at @word in turn, 64 bits at once, until flip_stop(). */
void flip_start(u64 *word, u64 a, u64 b);
void flip_stop(void);
void ap_main(u32 id);

/* ---- host: host.c ---- */

enum {
	HOME_TCG = 1, HOME_BOCHS = 2, HOME_KVM = 4,
	/* The CPU below, whoever lies between */
	HOME_ON_TCG = 8, HOME_ON_BOCHS = 16,
	/* Bochs, but not bare */
	HOME_UNDER_BOCHS = 32,
};
extern u32 home;
extern const char *home_name;
extern u64 cpu_features;
extern u32 nr_asids, maxphys;
extern char cmdline[512];
void host_init(void);
/* Value of a "key=" argument of the command line; NULL when absent. */
const char *arg_value(const char *key, char *buf, size_t size);
/* Pseudo-random 16 bits, from seed= of the command line. */
u32 random(void);
/* Reason why the case is a known departure of this home; NULL on others. */
const char *departure(const char *name);
/* Reason why the case may fail here now and then. */
const char *rare_departure(const char *name);

/* ---- tests: tap.c ---- */

struct l1_test {
	const char *name;
	u64 need;
	void (*run)(const void *arg);
	const void *arg;
};

struct test_group {
	const char *name;
	const struct l1_test *tests;
	u32 nr;
	bool by_name_only;
};

/*
 * What the image does differently for AMD-V and VT-x. Only the groups of the
 * extension that the CPU has are in the plan.
 */
struct vendor {
	const char *name;
	const struct test_group *const *groups;
	u32 nr_groups;
	/* Each CPU, once: switch the extension on. */
	void (*cpu_start)(void);
	/* After a fault or an unwound test: make the CPU wholly the host's again. */
	void (*recover)(void);
	/* Around each test; after() repairs what it may have switched off. */
	void (*before)(void);
	void (*after)(void);
	const char *(*feature_name)(u64 lacking);
	void (*banner)(void);
};
extern const struct vendor svm_vendor, vmx_vendor;
extern const struct vendor *vendor;
/* Set `vendor`; a reason when this CPU lets nothing be tested. */
const char *find_vendor(void);
const char *svm_find(void);
const char *vmx_find(void);

int run_tests(void);
void t_fail(const char *file, int line, const char *f, ...) __printf(3, 4);
void t_skip(const char *reason);
/* True when the named part departs on this home: the test then counts as skipped. */
bool t_departs(const char *part);
bool t_failed(void);

#define CHECK(cond) \
	do { if (!(cond)) t_fail(__FILE__, __LINE__, "%s", #cond); } while (0)
#define CHECK_EQ(a, b) \
	do { \
		u64 a_ = (u64)(a), b_ = (u64)(b); \
		if (a_ != b_) \
			t_fail(__FILE__, __LINE__, "%s is %llx, expected %llx (%s)", #a, a_, b_, #b); \
	} while (0)
#define FAIL(...) t_fail(__FILE__, __LINE__, __VA_ARGS__)

/* ---- tables: pt.c ---- */

enum { L_4K = 1, L_2M = 2, L_1G = 3, L_512G = 4 };
/* Map [gpa, gpa + size) to pa with leaves of one level; flags are the leaf's. */
void pt_map(u64 *root, u64 va, u64 pa, u64 size, int level, u64 flags);
/* The entry of that level for va; NULL when the walk does not reach it. */
u64 *pt_entry(u64 *root, u64 va, int level);
/* Split or build down so that va has an entry of that level, then return it. */
u64 *pt_split(u64 *root, u64 va, int level);
u64 *pt_new_identity(void);
u64 *npt_default(void);

/* ---- L2: l2.c, vmrun.S ---- */

/* Layout known to vmrun.S */
struct l2 {
	struct vmcb *vmcb;
	void *host;
	u64 rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
	u64 flags;
	u64 host_rax;	/* behind #VMEXIT, with vmrun_kept_asm() */
	void *stack;
	u64 *npt;
};

#define RUN_HOST_IF	1	/* RFLAGS.IF = 1 in the host at VMRUN */
#define RUN_KEEP_GIF0	2	/* return without STGI */

void vmrun_asm(struct l2 *l2);
void vmrun_kept_asm(struct l2 *l2);

/* A fresh 64-bit L2 about to call fn(arg) with identity nested paging. */
void l2_init(struct l2 *l2, void (*fn)(void *arg), void *arg);
/* Same, to start at a code label. */
void l2_init_at(struct l2 *l2, const void *code);
void l2_run(struct l2 *l2);
/* Run, and require this exit code; false (and the test fails) if it is another. */
bool l2_expect(struct l2 *l2, u64 code);
/* Also skip the exiting instruction of that length; checks nRIP. */
bool l2_expect_skip(struct l2 *l2, u64 code, u32 len);
/* Require that L2 ended in its return VMMCALL. */
bool l2_expect_done(struct l2 *l2);
/* Require that L2's own handler took this exception; *fr gets its frame. */
struct l2_frame {
	u64 vec, err, rip, cs, rflags, rsp, ss;
};
bool l2_expect_trap(struct l2 *l2, u64 vec, struct l2_frame *fr);
/* Let L2 return from the handler of l2_expect_trap. */
void l2_trap_return(struct l2 *l2);
void l2_set_user(struct l2 *l2);
void check_nrip(struct l2 *l2, u32 len);
static inline void l2_intercept1(struct l2 *l2, int bit) { l2->vmcb->c.misc1 |= 1u << bit; }
static inline void l2_intercept2(struct l2 *l2, int bit) { l2->vmcb->c.misc2 |= 1u << bit; }

extern const char l2_done[], l2_trap_vmmcall[], l2_spin[], l2_trap_resume[];
extern u8 l2_trap_stubs[];
extern u64 l2_idt[512];

/* Define a piece of L2 code at the C label `name`, ended by VMMCALL at name_end. */
#define L2_ASM(name, text)						\
	__asm__(".pushsection .text\n.balign 16\n"			\
		".globl " #name "\n" #name ":\n" text "\n"		\
		".globl " #name "_end\n" #name "_end:\n\tvmmcall\n"	\
		".popsection\n");					\
	extern const char name[], name##_end[]

#endif
