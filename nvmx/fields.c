// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fields of vmcs12 by encoding (SDM vol. 3, "Field Encoding in VMCS").  Pure.
 *
 * An encoding is (width, type, index), each in bits of its own, so a table with
 * that shape answers without a search: VMREAD and VMWRITE that exit are paid
 * for by every nested exit of an L1 that cannot have them shadowed.
 */
#include "nvmx/fields.h"

/* Bits that name a field; the others are reserved.  Bit 0 is the access type. */
#define ENC_HIGH	BIT(0)
#define ENC_INDEX	0x03feu
#define ENC_VALID	0x6fffull

#define NR_INDICES	32
#define ENC_GROUP_OF(enc)	(((enc) >> 11 & 0xc) | ((enc) >> 10 & 3))
#define ENC_INDEX_OF(enc)	(((enc) & ENC_INDEX) >> 1)

const struct vmcs12_field vmcs12_fields[NR_VMCS12_FIELDS] = {
#define F(name_, enc, class_, cap_)						\
	[VMCS12_##name_] = {							\
		.name = #name_, .encoding = (enc), .width = (enc) >> 13 & 3,	\
		.class = VMCS_##class_, .cap = VMCS_CAP_##cap_,			\
	},
#include "nvmx/fields.def"
#undef F
};

#define F(name, enc, class, cap)						\
	static_assert(ENC_INDEX_OF(enc) < NR_INDICES, "index of " #name " is in the table");
#include "nvmx/fields.def"
#undef F
static_assert(NR_VMCS12_FIELDS < 0xff, "a byte holds index + 1");

/* Index + 1, by (width, type) and index of the encoding; 0: no such field. */
static const u8 by_encoding[16][NR_INDICES] = {
#define F(name, enc, class, cap) [ENC_GROUP_OF(enc)][ENC_INDEX_OF(enc)] = VMCS12_##name + 1,
#include "nvmx/fields.def"
#undef F
};

static const u64 masks[] = {
	[VMCS_16] = 0xffff, [VMCS_64] = ~0ull, [VMCS_32] = 0xffffffff, [VMCS_NATURAL] = ~0ull,
};

int vmcs12_find(const struct nvmx_caps *caps, u64 encoding, bool *high)
{
	u32 index = ENC_INDEX_OF(encoding);
	int i;

	if ((encoding & ~ENC_VALID) || index >= NR_INDICES)
		return -1;
	i = by_encoding[ENC_GROUP_OF(encoding)][index] - 1;
	if (i < 0 || !(caps->fields & BIT(vmcs12_fields[i].cap)))
		return -1;
	*high = encoding & ENC_HIGH;
	if (*high && vmcs12_fields[i].width != VMCS_64)
		return -1;
	return i;
}

u64 vmcs12_mask(enum vmcs12_index i)
{
	return masks[vmcs12_fields[i].width];
}

void vmcs12_set(struct vmcs12 *v, enum vmcs12_index i, bool high, u64 val)
{
	if (high)
		val = (u32)v->f[i] | val << 32;
	val &= vmcs12_mask(i);
	if (v->f[i] == val)
		return;
	v->f[i] = val;
	v->dirty |= BIT(vmcs12_fields[i].class);
}

void vmcs12_cut(struct vmcs12 *v)
{
	int i;

	for (i = 0; i < NR_VMCS12_FIELDS; i++)
		v->f[i] &= vmcs12_mask(i);
	v->dirty = VMCS12_DIRTY_ALL;
}

u64 vmcs12_highest(const struct nvmx_caps *caps)
{
	u64 highest = 0;
	int i;

	for (i = 0; i < NR_VMCS12_FIELDS; i++)
		if (caps->fields & BIT(vmcs12_fields[i].cap))
			highest = max_t(u64, highest, vmcs12_fields[i].encoding & ENC_INDEX);
	return highest;
}
