/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a port and an MSR have their bits in L1's permission maps (APM vol. 2,
 * "I/O Permissions Map" and "MSR Permissions Map").  Pure.
 */
#ifndef NESTOR_NSVM_PERMMAP_H
#define NESTOR_NSVM_PERMMAP_H

#include "core/types.h"

#define MSRPM_SIZE	0x2000
#define IOPM_SIZE	0x3000
#define PERMMAP_ADDR	(~0xfffull)	/* the low bits of a map's base are ignored */

/**
 * msrpm_bit() - first of the two bits of @msr: RDMSR; the next one is WRMSR's
 * Return: bit number from the start of the map, or -1 when the map does not
 * cover @msr (such an access always exits).
 */
static inline int msrpm_bit(u32 msr)
{
	u32 n = msr & 0x1fff;

	switch (msr & ~0x1fffu) {
	case 0x00000000:
		return n * 2;
	case 0xc0000000:
		return 0x800 * 8 + n * 2;
	case 0xc0010000:
		return 0x1000 * 8 + n * 2;
	default:
		return -1;
	}
}

/* IOIO interception information (APM: "IOIO Intercept", EXITINFO1) */
#define IOIO_TYPE_IN	(1u << 0)
#define IOIO_STR	(1u << 2)
#define IOIO_REP	(1u << 3)
#define IOIO_SZ8	(1u << 4)
#define IOIO_SZ16	(1u << 5)
#define IOIO_SZ32	(1u << 6)
#define IOIO_A16	(1u << 7)
#define IOIO_A32	(1u << 8)
#define IOIO_A64	(1u << 9)
#define IOIO_SEG_SHIFT	10
#define IOIO_SEG	(7u << IOIO_SEG_SHIFT)

static inline unsigned int ioio_size(u64 info1)
{
	if (info1 & IOIO_SZ32)
		return 4;
	return info1 & IOIO_SZ16 ? 2 : 1;
}

static inline u16 ioio_port(u64 info1)
{
	return info1 >> 16;
}

/* iopm_byte() - first byte of the map with a bit of @port; an access touches this and the next */
static inline u32 iopm_byte(u16 port)
{
	return port / 8;
}

/*
 * iopm_hit() - does the map intercept an access of @size bytes at @port?
 * @bits: the two bytes from iopm_byte() on.  The map has bits beyond port
 * 0xffff, so an access that runs over the end needs no special case.
 */
static inline bool iopm_hit(u16 bits, u16 port, unsigned int size)
{
	u32 mask = (1u << size) - 1;

	return bits & (mask << (port & 7));
}

#endif
