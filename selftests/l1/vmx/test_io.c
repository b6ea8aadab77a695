// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O instructions and MSR accesses of L2: bitmaps, unconditional exits,
 * qualification, string forms (SDM volume 3, "I/O-Bitmap Addresses", "MSR-Bitmap
 * Address", "Exit Qualification for I/O Instructions").
 */
#include "vmx/info.h"

VL2_ASM(i_in8, "in $0x80,%al");
VL2_ASM(i_in8_dx, "in %dx,%al");
VL2_ASM(i_in16_dx, "in %dx,%ax");
VL2_ASM(i_in32_dx, "in %dx,%eax");
VL2_ASM(i_out8, "out %al,$0x80");
VL2_ASM(i_out8_dx, "out %al,%dx");
VL2_ASM(i_out16_dx, "out %ax,%dx");
VL2_ASM(i_out32, "out %eax,$0x80");
VL2_ASM(i_insb, "insb");
VL2_ASM(i_rep_insw, "rep insw");
VL2_ASM(i_outsl, "outsl");
VL2_ASM(i_rep_outsb, "rep outsb");
VL2_ASM(i_fs_outsw, "outsw %fs:(%rsi),(%dx)");
VL2_ASM(i_a32_insb, ".byte 0x67,0x6c");

#define Q_IO(size, in, str, rep, imm, port) \
	((u64)((size) - 1) | (u64)(in) << 3 | (u64)(str) << 4 | (u64)(rep) << 5 | \
	 (u64)(imm) << 6 | (u64)(port) << 16)

struct io {
	const char *code;
	u8 len;
	u64 qual;
	int seg;	/* of OUTS, else -1 */
	int asize;	/* of a string form, else -1 */
};

static const struct io plain[] = {
	{ i_in8, 2, Q_IO(1, 1, 0, 0, 1, 0x80), -1, -1 },
	{ i_in8_dx, 1, Q_IO(1, 1, 0, 0, 0, 0x5678), -1, -1 },
	{ i_in16_dx, 2, Q_IO(2, 1, 0, 0, 0, 0x5678), -1, -1 },
	{ i_in32_dx, 1, Q_IO(4, 1, 0, 0, 0, 0x5678), -1, -1 },
	{ i_out8, 2, Q_IO(1, 0, 0, 0, 1, 0x80), -1, -1 },
	{ i_out8_dx, 1, Q_IO(1, 0, 0, 0, 0, 0x5678), -1, -1 },
	{ i_out16_dx, 2, Q_IO(2, 0, 0, 0, 0, 0x5678), -1, -1 },
	{ i_out32, 2, Q_IO(4, 0, 0, 0, 1, 0x80), -1, -1 },
};
static const struct io strings[] = {
	{ i_insb, 1, Q_IO(1, 1, 1, 0, 0, 0x5678), -1, A64 },
	{ i_rep_insw, 3, Q_IO(2, 1, 1, 1, 0, 0x5678), -1, A64 },
	{ i_outsl, 1, Q_IO(4, 0, 1, 0, 0, 0x5678), S_DS, A64 },
	{ i_rep_outsb, 2, Q_IO(1, 0, 1, 1, 0, 0x5678), S_DS, A64 },
	{ i_fs_outsw, 3, Q_IO(2, 0, 1, 0, 0, 0x5678), S_FS, A64 },
	{ i_a32_insb, 2, Q_IO(1, 1, 1, 0, 0, 0x5678), -1, A32 },
};

static void io_init(struct vl2 *l2, const char *code)
{
	vl2_init_at(l2, code);
	l2->rdx = 0x5678;
	l2->rcx = 3;
	l2->rsi = (u64)alloc_page();
	l2->rdi = (u64)alloc_page();
}

static void io_exit(struct vl2 *l2, const struct io *io)
{
	bool in = io->qual & BIT(3);
	u64 info;

	if (!vl2_expect(l2, R_IO))
		return;
	CHECK_EQ(vr(EXIT_LEN), io->len);
	CHECK_EQ(vr(EXIT_QUAL), io->qual);
	CHECK_EQ(vr(GUEST_RIP), io->code);
	if (io->asize < 0)
		return;
	info = vr(EXIT_INSN_INFO);
	/* INS/OUTS information exists where IA32_VMX_BASIC bit 54 says so. */
	if (caps.basic & BIT(54)) {
		CHECK_EQ(info >> 7 & 7, io->asize);
		if (io->seg >= 0)
			CHECK_EQ(info >> 15 & 7, io->seg);
	}
	CHECK_EQ(vr(GUEST_LINEAR), in ? l2->rdi : l2->rsi);
	CHECK_EQ(l2->rcx, 3);
}

static void unconditional(const void *arg)
{
	const struct io *set = arg ? strings : plain;
	u32 i, n = arg ? ARRAY_SIZE(strings) : ARRAY_SIZE(plain);
	u64 mark = mem_mark();
	struct vl2 l2;

	for (i = 0; i < n; i++) {
		io_init(&l2, set[i].code);
		ctl_set(CTRL_PROC, PROC_IO);
		ctl_clear(CTRL_PROC, PROC_IO_BITMAPS);
		io_exit(&l2, &set[i]);
		/* IOPL and the TSS's map come first. */
		io_init(&l2, set[i].code);
		ctl_set(CTRL_PROC, PROC_IO);
		ctl_clear(CTRL_PROC, PROC_IO_BITMAPS);
		vl2_set_user(&l2);
		vl2_expect_trap(&l2, V_GP, NULL);
		io_init(&l2, set[i].code);
		ctl_set(CTRL_PROC, PROC_IO);
		ctl_clear(CTRL_PROC, PROC_IO_BITMAPS);
		vl2_set_user(&l2);
		vw(GUEST_RFLAGS, 2 | 3 << 12);
		io_exit(&l2, &set[i]);
		vmcs_forget_all();
		mem_reset(mark);
	}
}

static void io_off(const void *arg)
{
	struct vl2 l2;

	io_init(&l2, i_in8);
	ctl_clear(CTRL_PROC, PROC_IO | PROC_IO_BITMAPS);
	vl2_expect_done(&l2);
}

static u8 *bitmaps(void)
{
	u8 *map = alloc_pages(2);

	ctl_set(CTRL_PROC, PROC_IO_BITMAPS);
	vw(CTRL_IO_BITMAP_A, (u64)map);
	vw(CTRL_IO_BITMAP_B, (u64)map + PAGE_SIZE);
	return map;
}

/* One bit at a time: ports at both ends of both maps, and an access that reaches it. */
static void bitmap_bits(const void *arg)
{
	static const u16 ports[] = { 0x0080, 0x0081, 0x4fff, 0x7fff, 0x8000, 0x9abc, 0xfffe, 0xffff };
	struct { const char *code; u8 size; } access[] = {
		{ i_in8_dx, 1 }, { i_in16_dx, 2 }, { i_in32_dx, 4 },
	};
	u64 mark = mem_mark();
	struct vl2 l2;
	u32 i, j;
	int d;

	for (i = 0; i < ARRAY_SIZE(ports); i++)
		for (j = 0; j < ARRAY_SIZE(access); j++)
			for (d = -1; d <= access[j].size; d++) {
				int port = ports[i] - d;
				bool hit = d >= 0 && d < access[j].size;
				u8 *map;

				if (port < 0 || port > 0xffff)
					continue;
				/* Around the end of the ports it always exits. */
				hit |= port + access[j].size > 0x10000;
				io_init(&l2, access[j].code);
				map = bitmaps();
				map[ports[i] / 8] |= 1 << ports[i] % 8;
				l2.rdx = port;
				if (hit && vl2_expect(&l2, R_IO))
					CHECK_EQ(vr(EXIT_QUAL), Q_IO(access[j].size, 1, 0, 0, 0, port));
				else if (!hit && !vl2_expect_done(&l2))
					FAIL("bit %x, port %x", ports[i], port);
				vmcs_forget_all();
				mem_reset(mark);
			}
}

/* With bitmaps the unconditional control counts for nothing. */
static void bitmap_over(const void *arg)
{
	struct vl2 l2;
	u8 *map;

	io_init(&l2, i_in8);
	map = bitmaps();
	ctl_set(CTRL_PROC, PROC_IO);
	vl2_expect_done(&l2);
	io_init(&l2, i_in8);
	map = bitmaps();
	map[0x80 / 8] = 1;
	if (vl2_expect(&l2, R_IO))
		CHECK_EQ(vr(EXIT_QUAL), plain[0].qual);
	/* The map is read at the access, not at the entry. */
	map[0x80 / 8] = 0;
	vl2_expect_done(&l2);
}

/* ---- MSRs ---- */

VL2_ASM(i_rdmsr, "rdmsr");
VL2_ASM(i_wrmsr, "wrmsr");

static u8 *msr_map(void)
{
	return (u8 *)vr(CTRL_MSR_BITMAP);
}

static void msr_bit(u8 *map, u32 msr, bool write)
{
	u32 n = msr & 0x1fff;

	map += (write ? 0x800 : 0) + (msr >= 0xc0000000 ? 0x400 : 0);
	map[n / 8] |= 1 << n % 8;
}

static void msr_init(struct vl2 *l2, const char *code, u32 msr, u64 v)
{
	vl2_init_at(l2, code);
	l2->rcx = msr;
	l2->rax = (u32)v;
	l2->rdx = v >> 32;
}

static void msr_exit(struct vl2 *l2, u32 reason)
{
	u64 rax = l2->rax;

	if (!vl2_expect(l2, reason))
		return;
	CHECK_EQ(vr(EXIT_LEN), 2);
	CHECK_EQ(vr(EXIT_QUAL), 0);
	CHECK_EQ(l2->rax, rax);
}

static void msr_no_bitmap(const void *arg)
{
	static const u32 msrs[] = { MSR_SYSENTER_CS, MSR_EFER, MSR_FS_BASE, 0x40000000, 0x1fff };
	struct vl2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		msr_init(&l2, i_rdmsr, msrs[i], 0);
		ctl_clear(CTRL_PROC, PROC_MSR_BITMAPS);
		msr_exit(&l2, R_RDMSR);
		msr_init(&l2, i_wrmsr, msrs[i], 0x1234);
		ctl_clear(CTRL_PROC, PROC_MSR_BITMAPS);
		msr_exit(&l2, R_WRMSR);
		msr_init(&l2, i_rdmsr, msrs[i], 0);
		ctl_clear(CTRL_PROC, PROC_MSR_BITMAPS);
		vl2_set_user(&l2);
		vl2_expect_trap(&l2, V_GP, NULL);
		vmcs_forget_all();
	}
}

static void msr_bitmap(const void *arg)
{
	static const u32 msrs[] = { MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_FS_BASE, MSR_KGS_BASE };
	u64 mark = mem_mark();
	struct vl2 l2;
	u32 i, kind;

	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		for (kind = 0; kind < 4; kind++) {
			bool write = kind & 1, set = kind & 2;

			msr_init(&l2, write ? i_wrmsr : i_rdmsr, msrs[i], 0);
			/* Every other bit the wrong way round */
			memset(msr_map(), set ? 0 : 0xff, PAGE_SIZE);
			if (set) {
				msr_bit(msr_map(), msrs[i], write);
				msr_exit(&l2, write ? R_WRMSR : R_RDMSR);
			} else {
				u8 *map = msr_map() + (write ? 0x800 : 0) +
					  (msrs[i] >= 0xc0000000 ? 0x400 : 0);

				map[(msrs[i] & 0x1fff) / 8] &= ~(1 << (msrs[i] & 7));
				vl2_expect_done(&l2);
			}
			vmcs_forget_all();
			mem_reset(mark);
		}
	wrmsr(MSR_KGS_BASE, 0);
}

/* Outside of the two ranges it exits whatever the bitmap says. */
static void msr_range(const void *arg)
{
	static const u32 msrs[] = { 0x2000, 0x40000000, 0xbfffffff, 0xc0002000, 0xffffffff };
	struct vl2 l2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		msr_init(&l2, i_rdmsr, msrs[i], 0);
		msr_exit(&l2, R_RDMSR);
		msr_init(&l2, i_wrmsr, msrs[i], 0);
		msr_exit(&l2, R_WRMSR);
		vmcs_forget_all();
	}
}

/* Passed through: L2 writes the guest's register, the exit brings the host's back. */
static void msr_switched(const void *arg)
{
	u64 fs = rdmsr(MSR_FS_BASE), esp = rdmsr(MSR_SYSENTER_ESP);
	struct vl2 l2;

	msr_init(&l2, i_wrmsr, MSR_FS_BASE, 0x123456789000ull);
	if (vl2_expect_done(&l2)) {
		CHECK_EQ(vr(GUEST_FS_BASE), 0x123456789000ull);
		CHECK_EQ(rdmsr(MSR_FS_BASE), fs);
	}
	msr_init(&l2, i_wrmsr, MSR_SYSENTER_ESP, 0xffff800000001000ull);
	if (vl2_expect_done(&l2)) {
		CHECK_EQ(vr(GUEST_SYSENTER_ESP), 0xffff800000001000ull);
		CHECK_EQ(rdmsr(MSR_SYSENTER_ESP), esp);
	}
	/* A non-canonical one is L2's own #GP. */
	msr_init(&l2, i_wrmsr, MSR_FS_BASE, BIT(62));
	vl2_expect_trap(&l2, V_GP, NULL);
	/* KERNEL_GS_BASE belongs to nobody's state: what L2 writes stays. */
	msr_init(&l2, i_wrmsr, MSR_KGS_BASE, 0x5000);
	if (vl2_expect_done(&l2))
		CHECK_EQ(rdmsr(MSR_KGS_BASE), 0x5000);
	wrmsr(MSR_KGS_BASE, 0);
}

/* An MSR that does not exist: L2's #GP where the bitmap passes it. */
static void msr_absent(const void *arg)
{
	struct vl2 l2;

	msr_init(&l2, i_rdmsr, 0x1fff, 0);
	vl2_expect_trap(&l2, V_GP, NULL);
	msr_init(&l2, i_wrmsr, 0x1fff, 0);
	vl2_expect_trap(&l2, V_GP, NULL);
}

static const struct l1_test tests[] = {
	{ "unconditional", 0, unconditional, (void *)0 },
	{ "unconditional_string", 0, unconditional, (void *)1 },
	{ "off", 0, io_off, NULL },
	{ "bitmap_bits", VF_IOBMP, bitmap_bits, NULL },
	{ "bitmap_over_unconditional", VF_IOBMP, bitmap_over, NULL },
	{ "msr_no_bitmap", 0, msr_no_bitmap, NULL },
	{ "msr_bitmap", VF_MSRBMP, msr_bitmap, NULL },
	{ "msr_out_of_range", VF_MSRBMP, msr_range, NULL },
	{ "msr_switched", VF_MSRBMP, msr_switched, NULL },
	{ "msr_absent", VF_MSRBMP, msr_absent, NULL },
};

const struct test_group group_vmx_io = { "vmx_io", tests, ARRAY_SIZE(tests), false };
