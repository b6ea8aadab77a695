// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O intercepts: EXITINFO1 and 2 of every form, and which bits of the
 * permission map an access of each size looks at, also at the upper end where it
 * runs into the bits behind port FFFFh.
 */
#include "l1.h"

struct io { const char *code, *end; u32 info; u8 size; bool in; };

#define IO_IN	1u
#define IO_STR	4u
#define IO_REP	8u
#define IO_SZ(n) ((u32)(n) << 4)
#define IO_A64	(1u << 9)
#define IO_A32	(1u << 8)

#define FORMS(M) \
	M(inb_dx, "inb %dx, %al", IO_IN | IO_SZ(1), 1) \
	M(inw_dx, "inw %dx, %ax", IO_IN | IO_SZ(2), 2) \
	M(inl_dx, "inl %dx, %eax", IO_IN | IO_SZ(4), 4) \
	M(outb_dx, "outb %al, %dx", IO_SZ(1), 1) \
	M(outw_dx, "outw %ax, %dx", IO_SZ(2), 2) \
	M(outl_dx, "outl %eax, %dx", IO_SZ(4), 4) \
	M(inb_imm, "inb $0x80, %al", IO_IN | IO_SZ(1), 1) \
	M(outb_imm, "outb %al, $0x80", IO_SZ(1), 1) \
	M(outl_imm, "outl %eax, $0x80", IO_SZ(4), 4) \
	M(insb, "insb", IO_IN | IO_STR | IO_A64 | IO_SZ(1), 1) \
	M(insw, "insw", IO_IN | IO_STR | IO_A64 | IO_SZ(2), 2) \
	M(insl, "insl", IO_IN | IO_STR | IO_A64 | IO_SZ(4), 4) \
	M(outsb, "outsb", IO_STR | IO_A64 | IO_SZ(1), 1) \
	M(outsw, "outsw", IO_STR | IO_A64 | IO_SZ(2), 2) \
	M(outsl, "outsl", IO_STR | IO_A64 | IO_SZ(4), 4) \
	M(rep_insb, "rep insb", IO_IN | IO_STR | IO_REP | IO_A64 | IO_SZ(1), 1) \
	M(rep_outsl, "rep outsl", IO_STR | IO_REP | IO_A64 | IO_SZ(4), 4) \
	M(insb_a32, "addr32 insb", IO_IN | IO_STR | IO_A32 | IO_SZ(1), 1)

#define DEF(n, text, ...) L2_ASM(io_##n, text);
FORMS(DEF)
#undef DEF

static u8 buffer[64];

static u8 *prepare(struct l2 *l2, const struct io *f, u16 port)
{
	u8 *map = alloc_pages(3);

	l2_init_at(l2, f->code);
	l2->rdx = port;
	l2->rcx = 3;
	l2->rsi = (u64)buffer;
	l2->rdi = (u64)buffer;
	l2->vmcb->s.rax = 0x11223344;
	l2->vmcb->c.iopm_base_pa = (u64)map;
	l2_intercept1(l2, I1_IOIO);
	return map;
}

/* Bits that every edition defines; the segment needs decode assists. */
#define INFO_MASK	0xffff03fdu

static void form(const void *arg)
{
	const struct io *f = arg;
	struct l2_frame fr;
	struct l2 l2;
	u8 *map;

	map = prepare(&l2, f, 0x80);
	map[0x80 / 8] = 1;
	if (l2_expect(&l2, X_IOIO)) {
		u32 info = l2.vmcb->c.exitinfo1;

		CHECK_EQ(l2.vmcb->s.rip, f->code);
		CHECK_EQ(l2.vmcb->c.exitinfo2, f->end);
		CHECK_EQ(info >> 16, 0x80);
		CHECK_EQ(info & 0x7d, f->info & 0x7d);
		/* The address size only means something for strings. */
		if (f->info & IO_STR && !t_departs("asize"))
			CHECK_EQ(info & 0x380, f->info & 0x380);
		if (f->info & IO_STR && cpu_features & F_DECODE)
			CHECK_EQ(info >> 10 & 7, f->in ? 0 : 3);
		CHECK_EQ(l2.vmcb->s.rax, 0x11223344);
		CHECK_EQ(l2.rcx, 3);
		CHECK_EQ(l2.rsi, buffer);
		CHECK_EQ(l2.rdi, buffer);
		check_nrip(&l2, f->end - f->code);
	}
	/* All other ports intercepted, and the intercept itself off. */
	map = prepare(&l2, f, 0x80);
	memset(map, 0xff, 3 * PAGE_SIZE);
	map[0x80 / 8] = 0xf0;
	l2_expect_done(&l2);
	map = prepare(&l2, f, 0x80);
	memset(map, 0xff, 3 * PAGE_SIZE);
	l2.vmcb->c.misc1 &= ~(1u << I1_IOIO);
	l2_expect_done(&l2);
	if (t_departs("cpl3"))
		return;
	/* CPL 3 with IOPL 0 and no bitmap in the TSS: #GP first. */
	map = prepare(&l2, f, 0x80);
	memset(map, 0xff, 3 * PAGE_SIZE);
	l2.vmcb->s.tr.limit = 0x67;
	l2_set_user(&l2);
	if (l2_expect_trap(&l2, V_GP, &fr))
		CHECK_EQ(fr.rip, f->code);
}

/* Each bit near the access alone: it exits for its own bits and no other. */
static void edges(const void *arg)
{
	static const u32 ports[] = { 0x81, 0x87, 0x88, 0x7ffe, 0x7fff, 0x8000, 0xfff8, 0xfffc,
				     0xfffd, 0xfffe, 0xffff };
	const struct io *f = arg;
	struct l2 l2;
	u64 mark = mem_mark();
	u32 i, bit;

	for (i = 0; i < ARRAY_SIZE(ports) && !t_failed(); i++) {
		for (bit = ports[i] - 2; bit < ports[i] + f->size + 2; bit++) {
			bool want = bit >= ports[i] && bit < ports[i] + f->size;
			u8 *map = prepare(&l2, f, ports[i]);

			map[bit / 8] |= 1 << bit % 8;
			l2_run(&l2);
			if (l2.vmcb->c.exitcode != (want ? X_IOIO : X_VMMCALL))
				FAIL("port %x size %u, map bit %x: exit %llx", ports[i], f->size,
				     bit, l2.vmcb->c.exitcode);
			else if (want)
				CHECK_EQ(l2.vmcb->c.exitinfo1 >> 16, ports[i]);
			mem_reset(mark);
		}
	}
}

/* The low twelve bits of the map's address are not looked at. */
static void base_low_bits(const void *arg)
{
	const struct io *f = arg;
	struct l2 l2;
	u8 *map = prepare(&l2, f, 0x80);

	map[0x80 / 8] = 1;
	l2.vmcb->c.iopm_base_pa |= 0xfff;
	l2_expect(&l2, X_IOIO);
	map = prepare(&l2, f, 0x80);
	l2.vmcb->c.iopm_base_pa |= 0xfff;
	l2_expect_done(&l2);
}

/* A changed map counts at the next VMRUN. */
static void map_changes(const void *arg)
{
	const struct io *f = arg;
	struct l2 l2;
	u8 *map = prepare(&l2, f, 0x80);
	int i;

	for (i = 0; i < 10; i++) {
		map[0x80 / 8] = i & 1;
		l2.vmcb->s.rip = (u64)f->code;
		l2_expect(&l2, i & 1 ? X_IOIO : X_VMMCALL);
	}
}

/* L1 completes the instruction itself and goes on behind it. */
static void skipped(const void *arg)
{
	const struct io *f = arg;
	struct l2 l2;
	u8 *map = prepare(&l2, f, 0x80);


	map[0x80 / 8] = 1;
	if (!l2_expect(&l2, X_IOIO))
		return;
	l2.vmcb->s.rip = l2.vmcb->c.exitinfo2;
	l2.vmcb->s.rax = 0x55;
	if (l2_expect_done(&l2))
		CHECK_EQ(l2.vmcb->s.rax, 0x55);
}

#define DEF(n, text, info, size) \
	static const struct io f_##n = { io_##n, io_##n##_end, info, size, (info) & IO_IN };
FORMS(DEF)
#undef DEF

static const struct l1_test tests[] = {
#define DEF(n, ...) { #n, 0, form, &f_##n },
	FORMS(DEF)
#undef DEF
	{ "map_bits_inb", 0, edges, &f_inb_dx },
	{ "map_bits_inw", 0, edges, &f_inw_dx },
	{ "map_bits_inl", 0, edges, &f_inl_dx },
	{ "map_low_bits", 0, base_low_bits, &f_inb_dx },
	{ "map_changes", 0, map_changes, &f_inb_dx },
	{ "skipped", 0, skipped, &f_inb_dx },
};

const struct test_group group_ioio = { "ioio", tests, ARRAY_SIZE(tests), false };
