// SPDX-License-Identifier: GPL-2.0-only
/*
 * Features of the CPU that nestor does without: those that a CPU gets wrong, and, to test what
 * stands in for one, those that other CPUs lack.  Module parameter "without", a list of the
 * names below.
 *
 * "vid" is in it unless the list says otherwise: the one CPU with virtual-interrupt delivery
 * that this was run on delivers with RFLAGS.IF clear when a host interrupt comes, and leaves
 * a halted guest asleep.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/string.h>

#include "core/hw_ops.h"
#include "core/without.h"

static char *without = "vid";
module_param(without, charp, 0444);
MODULE_PARM_DESC(without, "features of the CPU not to be used, e.g. vid,timer; default: vid");

static const struct {
	const char *name;
	bool *cap;
} features[] = {
	{ "vid", &hw_caps.vid },
	{ "timer", &hw_caps.timer },
	{ "mtf", &hw_caps.mtf },
	{ "pml", &hw_caps.pml },
	{ "ple", &hw_caps.ple },
	{ "fields", &hw_caps.guest_fields },
	{ "tsc_scaling", &hw_caps.tsc_scaling },
	{ "large", &hw_caps.root_2m },
	{ "large", &hw_caps.root_1g },
};

static bool drop(const char *name, size_t len)
{
	bool known = false;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(features); i++) {
		if (strlen(features[i].name) != len || strncmp(features[i].name, name, len))
			continue;
		*features[i].cap = false;
		known = true;
	}
	return known;
}

int caps_without(struct hw_problem *why)
{
	const char *name = without;
	size_t len;

	while (*name) {
		len = strcspn(name, ",");
		if (len && !drop(name, len)) {
			why->cause = "the parameter \"without\" names a feature that is none";
			why->remedy = "use vid, timer, mtf, pml, ple, fields, tsc_scaling, large";
			return -EINVAL;
		}
		name += len;
		name += *name == ',';
	}
	return 0;
}
