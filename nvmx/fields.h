/* SPDX-License-Identifier: GPL-2.0-only */
/* Fields of vmcs12 by encoding: pure, generated from fields.def. */
#ifndef NESTOR_NVMX_FIELDS_H
#define NESTOR_NVMX_FIELDS_H

#include "nvmx/caps.h"
#include "nvmx/vmcs12.h"

/**
 * struct vmcs12_field - what fields.def says of one field; index is enum vmcs12_index
 * @name: member name
 * @encoding: SDM encoding, access type 0
 * @width: enum vmcs12_width
 * @class: enum vmcs12_class
 * @cap: enum vmcs12_cap
 */
struct vmcs12_field {
	const char *name;
	u16 encoding;
	u8 width;
	u8 class;
	u8 cap;
};

extern const struct vmcs12_field vmcs12_fields[NR_VMCS12_FIELDS];

/**
 * vmcs12_find() - index of the field that the 64-bit operand @encoding names
 * @high: set when it names the upper half of a 64-bit field
 * Return: the index, or -1 when the virtual processor has no such field (VMXERR_UNSUPPORTED_FIELD)
 */
int vmcs12_find(const struct nvmx_caps *caps, u64 encoding, bool *high);

/** vmcs12_mask() - the bits that a field of that width keeps */
u64 vmcs12_mask(enum vmcs12_index i);

/** vmcs12_get() / vmcs12_set() - a field or its upper half; set marks the class dirty when the value changes */
static inline u64 vmcs12_get(const struct vmcs12 *v, enum vmcs12_index i, bool high)
{
	return high ? v->f[i] >> 32 : v->f[i];
}

void vmcs12_set(struct vmcs12 *v, enum vmcs12_index i, bool high, u64 val);

/** vmcs12_cut() - a region that was just read: each field to its width, nothing is known to be checked */
void vmcs12_cut(struct vmcs12 *v);

/** vmcs12_highest() - IA32_VMX_VMCS_ENUM: the highest index of an existing field, in bits 9:1 */
u64 vmcs12_highest(const struct nvmx_caps *caps);

#endif
