// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest state that VM entry refuses, seen before it is loaded: SDM vol. 3, "Checks on the
 * Guest State Area", for an unrestricted guest and for the access rights that commit.c makes of
 * @image.  What an instruction, an exit or a VM entry left in the registers passes.
 */
#include "core/x86.h"
#include "hw/vmx/refuse.h"
#include "hw/vmx/translate.h"

#define SEL_TI		BIT(2)

/* Access rights (SDM: "Format of Access Rights") */
#define AR_S		BIT(4)
#define AR_P		BIT(7)
#define AR_L		BIT(13)
#define AR_DB		BIT(14)
#define AR_G		BIT(15)
#define AR_V8086	0xf3u

static bool is_long(const struct guest_image *g)
{
	return g->efer & X_EFER_LMA;
}

static u32 ar_of(const struct guest_image *g, enum guest_sreg n)
{
	u16 attrib = g->seg[n].attrib;

	switch (n) {
	case SEG_SS:
		return vmx_ss_ar(attrib, g->cpl);
	case SEG_LDTR:
		return vmx_seg_ar(attrib);
	case SEG_TR:
		return vmx_tr_ar(attrib);
	default:
		return vmx_data_ar(attrib);
	}
}

static bool usable(const struct guest_image *g, enum guest_sreg n)
{
	return g->seg[n].attrib & SEG_ATTR_P;
}

static unsigned int dpl(u32 ar)
{
	return ar >> 5 & 3;
}

/* With G the low 12 bits of the limit are 1, without it the high 12 are 0. */
static bool bad_limit(const struct guest_image *g, enum guest_sreg n)
{
	u32 limit = g->seg[n].limit;

	return ar_of(g, n) & AR_G ? (limit & 0xfff) != 0xfff : limit >> 20;
}

/* In virtual-8086 mode a selector says all there is to know. */
static bool bad_v8086(const struct guest_image *g)
{
	unsigned int n;

	if (is_long(g) || !(g->cr0 & X_CR0_PE))
		return true;
	for (n = SEG_ES; n <= SEG_GS; n++) {
		const struct guest_seg *s = &g->seg[n];

		if (s->base != (u64)s->sel << 4 || s->limit != 0xffff || ar_of(g, n) != AR_V8086)
			return true;
	}
	return false;
}

static bool bad_cs(const struct guest_image *g)
{
	u32 ar = ar_of(g, SEG_CS);

	if (!(ar & AR_S) || !(ar & AR_P) || bad_limit(g, SEG_CS))
		return true;
	if (is_long(g) && (ar & AR_L) && (ar & AR_DB))
		return true;
	switch (ar & SEG_ATTR_TYPE) {
	case 3:
		/* Left over from real mode, where the CPL is 0. */
		return dpl(ar) || g->cpl;
	case 9:
	case 11:
		return dpl(ar) != g->cpl;
	case 13:
	case 15:
		return dpl(ar) > g->cpl;
	default:
		return true;
	}
}

static bool bad_ss(const struct guest_image *g)
{
	u32 ar = ar_of(g, SEG_SS);

	if (!(g->cr0 & X_CR0_PE) && g->cpl)
		return true;
	if (!usable(g, SEG_SS))
		return false;
	return !(ar & AR_S) || (ar & 0xb) != 3 || bad_limit(g, SEG_SS);
}

static bool bad_data(const struct guest_image *g, enum guest_sreg n)
{
	u32 ar = ar_of(g, n);

	/* Code can be read through it only if it is readable. */
	return usable(g, n) && (!(ar & AR_S) || (ar & 0xa) == 8 || bad_limit(g, n));
}

static bool bad_system(const struct guest_image *g)
{
	u32 tr = ar_of(g, SEG_TR) & SEG_ATTR_TYPE, ldtr = ar_of(g, SEG_LDTR);

	if ((g->seg[SEG_TR].sel & SEL_TI) || bad_limit(g, SEG_TR))
		return true;
	if (tr != 11 && (tr != 3 || is_long(g)))
		return true;
	if (!usable(g, SEG_LDTR))
		return false;
	return (g->seg[SEG_LDTR].sel & SEL_TI) || (ldtr & SEG_ATTR_TYPE) != 2 || (ldtr & AR_S) ||
	       bad_limit(g, SEG_LDTR);
}

static bool bad_base(const struct guest_image *g, unsigned int va_bits)
{
	enum guest_sreg n;

	if (g->seg[SEG_CS].base >> 32)
		return true;
	for (n = SEG_ES; n <= SEG_DS; n++)
		if (usable(g, n) && g->seg[n].base >> 32)
			return true;
	return !x_canonical(g->seg[SEG_FS].base, va_bits) ||
	       !x_canonical(g->seg[SEG_GS].base, va_bits) ||
	       !x_canonical(g->seg[SEG_TR].base, va_bits) ||
	       (usable(g, SEG_LDTR) && !x_canonical(g->seg[SEG_LDTR].base, va_bits)) ||
	       !x_canonical(g->gdtr.base, va_bits) || !x_canonical(g->idtr.base, va_bits);
}

/* In 64-bit mode the bits above the width need only be alike, not canonical. */
static bool bad_rip(const struct guest_image *g, unsigned int va_bits)
{
	if (!is_long(g) || !(g->seg[SEG_CS].attrib & SEG_ATTR_L))
		return g->rip >> 32;
	return g->rip >> va_bits && ~g->rip >> va_bits;
}

bool vmx_refuses(const struct guest_image *g, unsigned int va_bits)
{
	if (bad_base(g, va_bits) || bad_rip(g, va_bits) || bad_system(g))
		return true;
	if (g->intr && !(g->rflags & X_RFLAGS_IF))
		return true;
	if (g->rflags & X_RFLAGS_VM)
		return bad_v8086(g);
	return bad_cs(g) || bad_ss(g) || bad_data(g, SEG_DS) || bad_data(g, SEG_ES) ||
	       bad_data(g, SEG_FS) || bad_data(g, SEG_GS);
}
