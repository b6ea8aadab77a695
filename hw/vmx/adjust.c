// SPDX-License-Identifier: GPL-2.0-only
/*
 * Settling the control words: what is indispensable, by name, so that a machine
 * that lacks it is told which control it lacks.  Everything else is used where the CPU
 * allows it.
 */
#include "hw/vmx/adjust.h"
#include "hw/vmx/vmcs.h"

/**
 * struct must - a control that no guest can be run without
 * @word: enum vmx_ctl_word
 * @bit: the control
 * @always: it is 1 for every guest; otherwise it only has to be available
 * @name: the manual's name
 */
struct must {
	u8 word;
	u32 bit;
	bool always;
	const char *name;
};

static const struct must musts[] = {
	{ CTLW_PIN, PIN_EXT_INTR, true, "external-interrupt exiting" },
	{ CTLW_PIN, PIN_NMI, true, "NMI exiting" },
	{ CTLW_PIN, PIN_VIRTUAL_NMIS, true, "virtual NMIs" },
	{ CTLW_PROC, PROC_INTR_WINDOW, false, "interrupt-window exiting" },
	{ CTLW_PROC, PROC_NMI_WINDOW, false, "NMI-window exiting" },
	{ CTLW_PROC, PROC_TSC_OFFSET, true, "use TSC offsetting" },
	{ CTLW_PROC, PROC_HLT, false, "HLT exiting" },
	{ CTLW_PROC, PROC_INVLPG, false, "INVLPG exiting" },
	{ CTLW_PROC, PROC_MWAIT, true, "MWAIT exiting" },
	{ CTLW_PROC, PROC_MONITOR, true, "MONITOR exiting" },
	{ CTLW_PROC, PROC_RDPMC, true, "RDPMC exiting" },
	{ CTLW_PROC, PROC_RDTSC, false, "RDTSC exiting" },
	{ CTLW_PROC, PROC_CR8_LOAD, false, "CR8-load exiting" },
	{ CTLW_PROC, PROC_CR8_STORE, false, "CR8-store exiting" },
	{ CTLW_PROC, PROC_MOV_DR, false, "MOV-DR exiting" },
	{ CTLW_PROC, PROC_UNCOND_IO, true, "unconditional I/O exiting" },
	{ CTLW_PROC, PROC_MSR_BITMAPS, true, "use MSR bitmaps" },
	{ CTLW_PROC, PROC_PAUSE, false, "PAUSE exiting" },
	{ CTLW_PROC, PROC_SECONDARY, true, "activate secondary controls" },
	{ CTLW_PROC2, PROC2_EPT, true, "enable EPT" },
	{ CTLW_PROC2, PROC2_UNRESTRICTED, true, "unrestricted guest" },
	{ CTLW_EXIT, EXITCTL_SAVE_DEBUG, true, "save debug controls" },
	{ CTLW_EXIT, EXITCTL_HOST_64, true, "host address-space size" },
	{ CTLW_EXIT, EXITCTL_SAVE_PAT, true, "save IA32_PAT" },
	{ CTLW_EXIT, EXITCTL_LOAD_PAT, true, "load IA32_PAT (VM exit)" },
	{ CTLW_EXIT, EXITCTL_SAVE_EFER, true, "save IA32_EFER" },
	{ CTLW_EXIT, EXITCTL_LOAD_EFER, true, "load IA32_EFER (VM exit)" },
	{ CTLW_ENTRY, ENTRYCTL_LOAD_DEBUG, true, "load debug controls" },
	{ CTLW_ENTRY, ENTRYCTL_IA32E, false, "IA-32e mode guest" },
	{ CTLW_ENTRY, ENTRYCTL_LOAD_PAT, true, "load IA32_PAT (VM entry)" },
	{ CTLW_ENTRY, ENTRYCTL_LOAD_EFER, true, "load IA32_EFER (VM entry)" },
};

/*
 * Used for every guest where they exist.  Without them the instructions are #UD for a
 * guest whose CPUID says otherwise.
 */
#define PROC2_ALWAYS (PROC2_RDTSCP | PROC2_INVPCID | PROC2_VPID | PROC2_XSAVES)

const char *vmx_adjust(enum vmx_ctl_word word, u64 cap, struct vmx_ctl *out)
{
	u32 on = cap, may = cap >> 32;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(musts); i++) {
		const struct must *m = &musts[i];

		if (m->word != word)
			continue;
		if (!(may & m->bit))
			return m->name;
		if (m->always)
			on |= m->bit;
	}
	if (word == CTLW_PROC2)
		on |= PROC2_ALWAYS & may;
	out->on = on;
	out->may = may | on;
	return NULL;
}
