// SPDX-License-Identifier: GPL-2.0-only
/*
 * Multiplication to double width and division from it.
 *
 * Division is by shift and subtract: nothing depends on its speed, and neither
 * 128-bit library calls nor a division that can trap are wanted in the kernel.
 */
#include "exec.h"

/*
 * The full product of two values of @size bytes: low half returned, high half
 * in @high, both without bits above @size.
 */
u64 x86_widening_mul(u64 a, u64 b, unsigned int size, bool is_signed, u64 *high)
{
	unsigned __int128 product;

	if (is_signed)
		product = (unsigned __int128)((__int128)(s64)sign_extend(a, size) *
					      (s64)sign_extend(b, size));
	else
		product = (unsigned __int128)a * b;
	*high = (u64)(product >> (8 * size)) & size_mask(size);
	return (u64)product & size_mask(size);
}

/* Quotient into @low and remainder into @high; high < divisor. */
static void divide(u64 *low, u64 *high, u64 divisor, unsigned int size)
{
	u64 remainder = *high, quotient = *low;
	unsigned int i;

	for (i = 0; i < 8 * size; i++) {
		bool carry = remainder & size_sign(size);

		remainder = (remainder << 1 | (quotient & size_sign(size) ? 1 : 0)) &
			    size_mask(size);
		quotient = (quotient << 1) & size_mask(size);
		if (carry || remainder >= divisor) {
			remainder = (remainder - divisor) & size_mask(size);
			quotient |= 1;
		}
	}
	*low = quotient;
	*high = remainder;
}

/* Negate the double-width value. */
static void negate(u64 *low, u64 *high, unsigned int size)
{
	*low = -*low & size_mask(size);
	*high = (~*high + !*low) & size_mask(size);
}

/*
 * Divide @high:@low by @divisor; @low becomes the quotient, @high the
 * remainder. False, and nothing changed, where the CPU raises #DE.
 */
bool x86_narrowing_div(u64 *low, u64 *high, u64 divisor, unsigned int size, bool is_signed)
{
	u64 sign = size_sign(size), l = *low, h = *high;
	bool minus_dividend = is_signed && h & sign;
	bool minus_divisor = is_signed && divisor & sign;
	bool minus = minus_dividend != minus_divisor;

	if (minus_dividend)
		negate(&l, &h, size);
	if (minus_divisor)
		divisor = -divisor & size_mask(size);
	if (h >= divisor)
		return false;
	divide(&l, &h, divisor, size);
	/* The magnitude reaches 2^(n-1) only with a minus in front of it. */
	if (is_signed && l > sign - !minus)
		return false;
	*low = (minus ? -l : l) & size_mask(size);
	*high = (minus_dividend ? -h : h) & size_mask(size);
	return true;
}
