// SPDX-License-Identifier: GPL-2.0-only
/* L2 guests in the modes other than 64-bit: state, tables, and their traps. */
#include "l1.h"
#include "modes.h"

extern u8 l2_real[], l2_real_end[];
extern u8 real_stubs[], real_common[], p32_stubs[], p32_common[];
extern u64 boot_pml4[];

static u32 page_dir[1024] __aligned(4096);
static u64 pdpt[4] __aligned(4096);
static u64 idt32[256];
static u64 gdt32[12];
static u32 tss32[26];

u32 real_offset(const void *label)
{
	return (const u8 *)label - l2_real;
}

void *real_place(const void *label)
{
	return (void *)(u64)(LOW_BASE + real_offset(label));
}

const struct mode_tables *mode_tables(void)
{
	static const struct mode_tables all = { page_dir, pdpt, idt32, gdt32, tss32 };
	u64 *pd = (u64 *)(((u64 *)(boot_pml4[0] & PT_ADDR))[0] & PT_ADDR);
	u32 *ivt = (u32 *)LOW_IVT;
	u32 i;

	for (i = 0; i < 1024; i++)
		page_dir[i] = i << 22 | PT_PS | PT_U | PT_W | PT_P;
	for (i = 0; i < 4; i++)
		pdpt[i] = (u64)(pd + i * 512) | PT_P;
	for (i = 0; i < 256; i++) {
		u64 h = (u64)p32_stubs + i * 5;

		idt32[i] = (h & 0xffff) | SEL_CS32 << 16 | 0x8eull << 40 | (h >> 16) << 48;
	}
	memcpy((void *)(u64)LOW_BASE, l2_real, l2_real_end - l2_real);
	memcpy((void *)(LOW_BASE + 0x2000ull), pdpt, sizeof(pdpt));
	memcpy((void *)(LOW_BASE + 0x3000ull), page_dir, sizeof(page_dir));
	for (i = 0; i < 256; i++)
		ivt[i] = (LOW_BASE >> 4) << 16 | (real_offset(real_stubs) + i * 3);
	return &all;
}

void mode_gdt(const void *gdt)
{
	memcpy(gdt32, gdt, sizeof(gdt32));
	/* A TSS to switch to, at selector 50h. */
	gdt32[0x50 / 8] = 103 | ((u64)tss32 & 0xffffff) << 16 | 0x89ull << 40 |
			  ((u64)tss32 >> 24 & 0xff) << 56;
}

static void set_seg(struct vmcb_seg *s, u16 sel, u16 attrib, u32 limit, u64 base)
{
	s->sel = sel;
	s->attrib = attrib;
	s->limit = limit;
	s->base = base;
}

static void real_state(struct l2 *l2, const void *code)
{
	struct vmcb_save *s = &l2->vmcb->s;

	set_seg(&s->cs, LOW_BASE >> 4, 0x9b, 0xffff, LOW_BASE);
	set_seg(&s->ds, LOW_BASE >> 4, 0x93, 0xffff, LOW_BASE);
	s->es = s->ds;
	s->ss = s->ds;
	s->fs = s->ds;
	s->gs = s->ds;
	set_seg(&s->idtr, 0, 0, 0x3ff, LOW_IVT);
	set_seg(&s->gdtr, 0, 0, 0, 0);
	set_seg(&s->tr, 0, 0x8b, 0xffff, 0);
	s->cr0 = CR0_ET;
	s->cr3 = 0;
	s->cr4 = 0;
	s->efer = EFER_SVME;
	s->rip = real_offset(code);
	s->rsp = LOW_STACK;
}

static void prot_state(struct l2 *l2, enum mode mode, const void *code)
{
	struct vmcb_save *s = &l2->vmcb->s;

	mode_gdt((void *)s->gdtr.base);
	set_seg(&s->gdtr, 0, 0, sizeof(gdt32) - 1, (u64)gdt32);
	set_seg(&s->cs, SEL_CS32, 0xc9b, ~0u, 0);
	s->rip = (u64)code;
	s->rsp = (u64)l2->stack + PAGE_SIZE;
	if (mode == M_COMPAT)
		return;
	set_seg(&s->idtr, 0, 0, sizeof(idt32) - 1, (u64)idt32);
	s->efer = EFER_SVME;
	s->cr0 = CR0_PE | CR0_ET | CR0_NE;
	s->cr4 = 0;
	s->cr3 = 0;
	if (mode == M_P32)
		return;
	s->cr0 |= CR0_PG | CR0_WP;
	s->cr4 = mode == M_PAE ? CR4_PAE : CR4_PSE;
	s->cr3 = mode == M_PAE ? (u64)pdpt : (u64)page_dir;
}

void l2_init_mode(struct l2 *l2, enum mode mode, bool npt, const void *code)
{
	mode_tables();
	l2_init_at(l2, code);
	if (mode == M_REAL)
		real_state(l2, code);
	else
		prot_state(l2, mode, code);
	if (!npt) {
		l2->vmcb->c.np_enable = 0;
		l2->vmcb->c.n_cr3 = 0;
	}
}

/* Vectors whose frame has an error code below the return address. */
static bool has_error(u32 vec)
{
	return vec == V_DF || (vec >= V_TS && vec <= V_PF) || vec == V_AC;
}

bool mode_trap(enum mode mode, u64 rip, u64 rsp, struct mode_frame *f)
{
	u32 *esp = (u32 *)rsp;

	memset(f, 0, sizeof(*f));
	if (mode == M_REAL) {
		u16 *sp = (u16 *)(LOW_BASE + (rsp & 0xffff));

		if (rip != real_offset(real_common))
			return false;
		f->vec = (sp[0] - real_offset(real_stubs)) / 3 - 1;
		f->ip = sp[1];
		f->cs = sp[2];
		f->flags = sp[3];
		return true;
	}
	if (rip != (u64)p32_common)
		return false;
	f->vec = (*esp++ - (u32)(u64)p32_stubs) / 5 - 1;
	if (has_error(f->vec))
		f->err = *esp++;
	f->ip = esp[0];
	f->cs = esp[1];
	f->flags = esp[2];
	return true;
}

bool l2_mode_trap(struct l2 *l2, enum mode mode, struct mode_frame *f)
{
	return mode_trap(mode, l2->vmcb->s.rip, l2->vmcb->s.rsp, f);
}
