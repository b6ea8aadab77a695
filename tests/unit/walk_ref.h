/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A second, independent reading of the manuals' page-table figures, to compare the walker
 * with: reserved bits as literal masks a level, permissions as a
 * truth table over all levels at once.  Slow and plain on purpose.
 */
#ifndef NESTOR_TESTS_WALK_REF_H
#define NESTOR_TESTS_WALK_REF_H

#include "mmu/walk.h"

enum ref_kind { REF_LEGACY, REF_PAE, REF_LONG4, REF_LONG5, REF_EPT4 };

struct ref_cpu {
	enum ref_kind kind;
	bool pse, gb_pages, nxe, wp, smep, smap, amd, exec_only;
	int maxphys;
};

/* Bits of an entry that must be zero, by figure. @leaf: PS is set, or level 1. */
static u64 ref_mbz(const struct ref_cpu *c, int level, bool ps)
{
	u64 high = c->maxphys >= 52 ? 0 : (0x000fffffffffffffull >> c->maxphys) << c->maxphys;
	u64 m;

	switch (c->kind) {
	case REF_LEGACY:
		if (level == 2 && ps && c->pse) {
			/* 4M: bit 21; frame bits 39:32 sit in 20:13 */
			m = 1u << 21;
			for (int b = 32; b < 40; b++)
				if (b >= c->maxphys)
					m |= 1u << (b - 32 + 13);
			return m;
		}
		return 0;
	case REF_PAE:
		/* 0x1e6 by the figure; bit 5 is let pass, see long_reserved() */
		if (level == 3)
			return 0xfff00000000001c6ull | high;
		m = 0x7ff0000000000000ull | high | (c->nxe ? 0 : 1ull << 63);
		return level == 2 && ps ? m | 0x00000000001fe000ull : m;
	case REF_LONG4:
	case REF_LONG5:
		m = high | (c->nxe ? 0 : 1ull << 63);
		if (level >= 4)
			return m | 0x80 | (c->amd ? 0x100 : 0);
		if (level == 3 && ps)
			return c->gb_pages ? m | 0x000000003fffe000ull : m | 0x80;
		if (level == 2 && ps)
			return m | 0x00000000001fe000ull;
		return m;
	case REF_EPT4:
		if (level >= 4)
			return high | 0xf8;
		if (level == 3 && ps)
			return c->gb_pages ? high | 0x000000003ffff000ull : high | 0x80;
		if (level == 2 && ps)
			return high | 0x00000000001ff000ull;
		return level > 1 ? high | 0x78 : high;
	}
	return 0;
}

static bool ref_is_leaf(const struct ref_cpu *c, int level, u64 e)
{
	if (level == 1)
		return true;
	if (!(e & 0x80))
		return false;
	switch (c->kind) {
	case REF_LEGACY:
		return level == 2 && c->pse;
	case REF_PAE:
		return level == 2;
	default:
		return level == 2 || (level == 3 && c->gb_pages);
	}
}

static bool ref_misconfigured(const struct ref_cpu *c, u64 e, bool leaf)
{
	/* 2: write-only, 6: write and execute, 4: execute-only where that is not to be had */
	bool bad_rwx[8] = { false, false, true, false, !c->exec_only, false, true, false };
	static const bool bad_type[8] = { false, false, true, true, false, false, false, true };

	return bad_rwx[e & 7] || (leaf && bad_type[(e >> 3) & 7]);
}

/*
 * What a walk over the entries e[levels..1] must give for @access: -1 for no fault,
 * else the error code.  *leaf_level is where it ends.
 */
static int ref_walk(const struct ref_cpu *c, int levels, const u64 *e, u32 access, int *leaf_level)
{
	bool fetch_bit = c->nxe || c->smep || c->kind == REF_EPT4;
	int code = (access & 2) | (access & 4) | (access & 16 && fetch_bit ? 16 : 0);
	bool w = true, u = true, x = true, r = true, leaf = false;
	int level;

	if (c->kind == REF_LEGACY)
		fetch_bit = c->smep, code = (access & 6) | (access & 16 && fetch_bit ? 16 : 0);
	for (level = levels; !leaf; level--) {
		u64 v = e[level];
		bool ps = v & 0x80;

		*leaf_level = level;
		if (!(v & (c->kind == REF_EPT4 ? 7 : 1)))
			return code;
		leaf = ref_is_leaf(c, level, v);
		if (v & ref_mbz(c, level, ps && level > 1))
			return code | 1 | 8;
		if (c->kind == REF_EPT4) {
			if (ref_misconfigured(c, v, leaf))
				return code | 1 | 8;
			r = r && (v & 1);
			w = w && (v & 2);
			x = x && (v & 4);
		} else if (!(c->kind == REF_PAE && level == 3)) {
			w = w && (v & 2);
			u = u && (v & 4);
			if (c->nxe && c->kind != REF_LEGACY)
				x = x && !(v >> 63);
		}
	}
	if (c->kind == REF_EPT4) {
		bool ok = access & 16 ? x : access & 2 ? w : r;

		return ok ? -1 : code | 1;
	}
	if (access & 16) {
		if (!x || (access & 4 && !u) || (!(access & 4) && u && c->smep))
			return code | 1;
		if (!(access & 2))
			return -1;
	}
	if (access & 4) {
		if (!u || (access & 2 && !w))
			return code | 1;
		return -1;
	}
	if (access & 2 && !w && c->wp)
		return code | 1;
	if (!(access & 16) && u && c->smap)
		return code | 1;
	return -1;
}

/* Bits 5:3 of the exit qualification of a violation over the entries e[levels..last]. */
__attribute__((__unused__))
static u64 ref_qual_rights(const u64 *e, int levels, int last)
{
	u64 all = 7;

	for (int level = levels; level >= last; level--)
		all &= e[level];
	return all << 3;
}

#endif
