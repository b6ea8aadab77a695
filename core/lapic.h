/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The local APIC's inside, shared by core/lapic*.c and the other interrupt
 * controllers (APM vol. 2, "Advanced Programmable Interrupt Controller").
 *
 * Who may touch what: IRR and TMR are written with atomic bit operations by
 * whoever delivers, in any context, hard interrupts included.  Everything else
 * is written by the vCPU's thread (or with vcpu->lock held) and read by others
 * with READ_ONCE, so delivery takes no lock at all.
 */
#ifndef NESTOR_CORE_LAPIC_H
#define NESTOR_CORE_LAPIC_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/hrtimer.h>

#include "core/irq.h"

/* Register offsets in the page; the x2APIC MSR is 0x800 + (offset >> 4). */
#define APIC_R_ID	0x020
#define APIC_R_VERSION	0x030
#define APIC_R_TPR	0x080
#define APIC_R_APR	0x090
#define APIC_R_PPR	0x0a0
#define APIC_R_EOI	0x0b0
#define APIC_R_RRD	0x0c0
#define APIC_R_LDR	0x0d0
#define APIC_R_DFR	0x0e0
#define APIC_R_SVR	0x0f0
#define APIC_R_ISR	0x100
#define APIC_R_TMR	0x180
#define APIC_R_IRR	0x200
#define APIC_R_ESR	0x280
#define APIC_R_ICR	0x300
#define APIC_R_ICR2	0x310
#define APIC_R_LVT_TIMER 0x320
#define APIC_R_LVT_THERM 0x330
#define APIC_R_LVT_PERF	0x340
#define APIC_R_LINT0	0x350
#define APIC_R_LINT1	0x360
#define APIC_R_LVT_ERR	0x370
#define APIC_R_TMICT	0x380
#define APIC_R_TMCCT	0x390
#define APIC_R_TDCR	0x3e0
#define APIC_R_SELF_IPI	0x3f0

#define APIC_STATE_SIZE	sizeof(struct kvm_lapic_state)

#define SVR_ENABLE	(1u << 8)
#define LVT_VECTOR	0xffu
#define LVT_MODE	(7u << 8)
#define LVT_STATUS	(1u << 12)
#define LVT_POLARITY	(1u << 13)
#define LVT_REMOTE_IRR	(1u << 14)
#define LVT_LEVEL	(1u << 15)
#define LVT_MASK	(1u << 16)
#define LVT_TIMER_MODE	(3u << 17)
#define TIMER_ONESHOT	(0u << 17)
#define TIMER_PERIODIC	(1u << 17)
#define TIMER_DEADLINE	(2u << 17)

#define ESR_SEND_VECTOR	5	/* bit numbers */
#define ESR_RECV_VECTOR	6
#define ESR_REGISTER	7

/* Delivery (message) types: bits 10:8 of ICR, LVT and I/O APIC entries. */
enum apic_dm { DM_FIXED, DM_LOWEST, DM_SMI, DM_RESERVED, DM_NMI, DM_INIT, DM_SIPI, DM_EXTINT };

/* APIC_BASE: mode of the APIC (APM: "x2APIC Mode Enable"). */
#define BASE_BSP	(1ull << 8)
#define BASE_X2APIC	(1ull << 10)
#define BASE_ENABLE	(1ull << 11)
#define BASE_ADDRESS	(~0xfffull)
#define BASE_DEFAULT	0xfee00000ull

enum apic_mode { APIC_OFF, APIC_XAPIC, APIC_X2APIC };

/*
 * A periodic timer, of APIC or PIT, fires no faster than this whatever the
 * guest programs, so that it cannot keep a host CPU in interrupts.
 */
#define TIMER_MIN_PERIOD_NS	200000

/* The timer's input clock: one tick a nanosecond, before the divisor. */
#define APIC_TICK_NS	1

enum apic_event { APIC_EV_INIT, APIC_EV_SIPI };

/**
 * struct lapic - a local APIC
 * @vcpu: its vCPU
 * @regs: registers as KVM_GET_LAPIC shows them: 32 bits every 16 bytes
 * @mode: enum apic_mode, follows APIC_BASE
 * @irr_any: IRR may have a bit set; set after the bit, cleared by the vCPU's thread before it looks
 * @errors: error bits gathered since ESR was last written; atomic
 * @events: enum apic_event bits; atomic
 * @sipi_vector: of the last SIPI
 * @arb: interrupts taken by lowest-priority arbitration, to take turns
 * @timer: fires the timer, in hard interrupt context
 * @period_ns: of the running periodic timer; else 0
 * @target: when the count reaches 0; 0 when not running
 * @deadline: TSC_DEADLINE MSR, 0 when not armed; the timer clears it
 * @user_eoi: vectors whose EOI the VMM has not been told of; vCPU's thread
 * @eoi_due: a vector went into service, and L1 has not been told yet whether it has to write EOI
 * @eoi_lent: L1 was told that it need not (core/pv_eoi.c)
 */
struct lapic {
	struct nestor_vcpu *vcpu;
	u8 regs[APIC_STATE_SIZE] __aligned(16);
	int mode;
	bool irr_any;
	unsigned long errors;
	unsigned long events;
	u8 sipi_vector;
	atomic_t arb;
	struct hrtimer timer;
	u64 period_ns;
	ktime_t target;
	u64 deadline;
	DECLARE_BITMAP(user_eoi, 256);
	bool eoi_due, eoi_lent;
};

/**
 * struct irq_msg - an interrupt message on its way to local APICs
 * @dest: destination as the sender wrote it
 * @vector: vector
 * @mode: enum apic_dm
 * @logical: destination mode is logical
 * @wide: @dest is 32 bits wide: all ones, not 0xff, is broadcast
 * @level: level triggered
 */
struct irq_msg {
	u32 dest;
	u8 vector;
	u8 mode;
	bool logical, wide, level;
};

/* What became of an interrupt: n > 0 taken by n, or one of these. */
#define IRQ_COALESCED	0
#define IRQ_IGNORED	(-1)

static inline u32 lapic_reg(const struct lapic *apic, unsigned int reg)
{
	return READ_ONCE(*(const u32 *)(apic->regs + reg));
}

static inline void lapic_put(struct lapic *apic, unsigned int reg, u32 val)
{
	WRITE_ONCE(*(u32 *)(apic->regs + reg), val);
}

/* Bit operations on the 256-bit registers; the four bytes after each word are padding. */
static inline unsigned long *lapic_word(struct lapic *apic, unsigned int reg, u8 vector)
{
	return (unsigned long *)(apic->regs + reg + (vector >> 5) * 16);
}

static inline void lapic_set_vec(struct lapic *apic, unsigned int reg, u8 vector)
{
	set_bit(vector & 31, lapic_word(apic, reg, vector));
}

static inline void lapic_clear_vec(struct lapic *apic, unsigned int reg, u8 vector)
{
	clear_bit(vector & 31, lapic_word(apic, reg, vector));
}

static inline bool lapic_test_set_vec(struct lapic *apic, unsigned int reg, u8 vector)
{
	return test_and_set_bit(vector & 31, lapic_word(apic, reg, vector));
}

static inline bool lapic_test_vec(struct lapic *apic, unsigned int reg, u8 vector)
{
	return test_bit(vector & 31, lapic_word(apic, reg, vector));
}

/* lapic_highest() - highest vector set in a 256-bit register, -1 for none */
int lapic_highest(const struct lapic *apic, unsigned int reg);

/* CR8 is bits 7:4 of TPR (APM: "CR8 Register"). */
static inline u8 lapic_cr8(const struct lapic *apic)
{
	return (lapic_reg(apic, APIC_R_TPR) & 0xf0) >> 4;
}

static inline bool lapic_sw_enabled(const struct lapic *apic)
{
	return lapic_reg(apic, APIC_R_SVR) & SVR_ENABLE;
}

/* lapic_has_init_sipi() - something for lapic_accept_events() waits; false without APIC */
static inline bool lapic_has_init_sipi(const struct nestor_vcpu *vcpu)
{
	const struct lapic *apic = vcpu->apic;

	return apic && READ_ONCE(apic->events);
}

/* The APIC of @vcpu if it is on the bus (enabled by APIC_BASE), else NULL; any context */
static inline struct lapic *lapic_present(const struct nestor_vcpu *vcpu)
{
	struct lapic *apic = READ_ONCE(vcpu->apic);

	return apic && READ_ONCE(apic->mode) != APIC_OFF ? apic : NULL;
}

/* core/lapic.c */
u32 lapic_ppr(const struct lapic *apic);
int lapic_pending(struct nestor_vcpu *vcpu);	/* vector above PPR, or -1 */
int lapic_waiting(struct lapic *apic);		/* highest vector of IRR, or -1; the vCPU's thread */
void lapic_ack(struct nestor_vcpu *vcpu, u8 vector);
void lapic_eoi(struct lapic *apic);
bool lapic_accepts_pic(struct nestor_vcpu *vcpu);

/*
 * core/pv_eoi.c; the vCPU's thread, vm->srcu held.  pv_eoi_lend() - before an entry of L1 with @eoi_due; never
 * sleeps.  pv_eoi_take() - after an exit with @eoi_lent, before anybody looks at the APIC; false, and nothing is
 * done, where that takes sleeping.
 */
void pv_eoi_lend(struct nestor_vcpu *vcpu);
bool pv_eoi_take(struct nestor_vcpu *vcpu, bool may_sleep);

/* apic_is_whole() - what L1 was lent is taken back before anybody looks at the local APIC, and before L2 runs */
static __always_inline bool apic_is_whole(const struct nestor_vcpu *vcpu)
{
	return !vcpu->apic || !vcpu->apic->eoi_lent;
}

/* pv_eoi_before() - before each entry: need L1 write EOI for what went into service? */
static __always_inline void pv_eoi_before(struct nestor_vcpu *vcpu)
{
	const struct lapic *apic = vcpu->apic;

	if (apic && unlikely(apic->eoi_due) && !vcpu_in_l2(vcpu) && !READ_ONCE(vcpu->requests))
		pv_eoi_lend(vcpu);
}

/* pv_eoi_after() - after each exit: has L1 ended it?  false: it takes sleeping to know, before anything is handled */
static __always_inline bool pv_eoi_after(struct nestor_vcpu *vcpu, bool may_sleep)
{
	const struct lapic *apic = vcpu->apic;

	if (likely(!apic || !apic->eoi_lent))
		return true;
	/* Spinlocks sleep there. */
	if (IS_ENABLED(CONFIG_PREEMPT_RT) && !may_sleep)
		return false;
	return pv_eoi_take(vcpu, may_sleep);
}

/* core/lapic_ipi.c; any context */
int lapic_deliver(struct nestor_vm *vm, const struct irq_msg *msg);
int lapic_accept(struct lapic *apic, u8 mode, u8 vector, bool level);
void lapic_local(struct lapic *apic, unsigned int lvt);
void lapic_error(struct lapic *apic, unsigned int bit);
void lapic_send_ipi(struct lapic *apic, u32 low, u32 dest);

/* core/lapic_regs.c */
int lapic_read_reg(struct lapic *apic, unsigned int reg, u32 *val);
int lapic_write_reg(struct lapic *apic, unsigned int reg, u32 val);
u32 lapic_lvt_writable(const struct lapic *apic, unsigned int reg);

/* core/lapic_timer.c; the vCPU's thread */
void lapic_timer_init(struct lapic *apic);
void lapic_timer_stop(struct lapic *apic);
void lapic_timer_start(struct lapic *apic, u32 count);
u32 lapic_timer_count(const struct lapic *apic);
void lapic_timer_divide(struct lapic *apic, u32 tdcr);

#endif
